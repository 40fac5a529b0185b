"""Mean field on given rows: against the asymptotic theory and plain iteration."""

import math

import numpy as np
import pytest
from learning_reference import Sites
from multitask_reference import law_of_classes

from analytics.multitask import solve, solve_conditioned, solve_learning
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status


def class_exact(k):
    """(K, 4**K) patterns in which each class has its share at d = 1/2 exactly."""
    columns = []
    for weight, xi in law_of_classes(k, 0.5):
        columns += [xi] * round(weight * 4**k)
    return np.array(columns).T


def exact_examples():
    """(rows, archetypes) of two patterns, two examples each, d = r = 1/2."""
    sites = Sites(2, 0.5, 2, 0.5)
    copies = np.rint(sites.weight * 4**6).astype(int)
    assert copies.sum() == 4**6
    return np.repeat(sites.etabar, copies, axis=0).T, np.repeat(sites.xi, copies, 0).T


def diluted(k, n, d, seed):
    rng = np.random.default_rng(seed)
    p = [(1 - d) / 2, d, (1 - d) / 2]
    return rng.choice([-1, 0, 1], size=(k, n), p=p).astype(np.int8)


def same(one, other, room=1e-11):
    assert one.status.ok
    assert one.m == pytest.approx(other.m, abs=room)
    assert one.n == pytest.approx(other.n, abs=room)
    assert one.free_energy == pytest.approx(other.free_energy, abs=room)
    assert one.energy == pytest.approx(other.energy, abs=room)
    assert one.hessian_eigenvalues == pytest.approx(other.hessian_eigenvalues, abs=1e-8)
    assert one.stable is other.stable
    assert one.label == other.label


@pytest.mark.parametrize("t", [0.0, 0.02, 0.1, 0.4, 0.6, math.inf])
@pytest.mark.parametrize("start", ["hierarchical", "parallel"])
def test_exact_classes_give_the_asymptotic_state(t, start):
    for gain in (1.0, 2.0):
        rows = class_exact(3)
        found = solve_conditioned(rows, gain * t, start=start, gain=gain)
        expected = solve(3, 0.5, gain * t, start=start, gain=gain)
        if expected.stable:  # what is unstable there is left by rounding here
            same(found, expected)


@pytest.mark.parametrize("t", [0.0, 0.02, 0.1, 0.3])
def test_exact_examples_give_the_learnt_state(t):
    rows, archetypes = exact_examples()
    expected = solve_learning(2, 0.5, t, n_examples=2, quality=0.5)
    rho = (1 - 0.25) / (2 * 0.25)
    found = solve_conditioned(
        rows, t, gain=1 / (1 + rho), archetypes=archetypes, start=expected.n * 1.01
    )
    same(found, expected)


def iterate(rows, archetypes, n, t, gain):
    """Site by site, in plain Python."""
    size = rows.shape[1]
    for _ in range(400):
        spins = []
        for i in range(size):
            h = gain * sum(rows[mu, i] * n[mu] for mu in range(len(n)))
            sign = int(h > 1e-12) - int(h < -1e-12)
            spins.append(math.tanh(h / t) if t > 0.0 else sign)
        new = [sum(row[i] * spins[i] for i in range(size)) / size for row in rows]
        settled = max(abs(a - b) for a, b in zip(n, new, strict=True)) < 1e-15
        n = new
        if settled:
            break
    return n, [sum(row[i] * spins[i] for i in range(size)) / size for row in archetypes]


@pytest.mark.parametrize("t", [0.0, 0.05, 0.15])
def test_plain_iteration_ends_in_the_same_state(t):
    rng = np.random.default_rng(3)
    xi = diluted(3, 40, 0.3, 4)
    rows = xi * (1 + 0.5 * rng.normal(size=xi.shape))
    for e, gain in ((xi.astype(float), 1.0), (rows, 0.8)):
        state = solve_conditioned(e, t, gain=gain, archetypes=xi)
        ruler = np.sign(e[np.argmax(e != 0, axis=0), np.arange(40)])
        n, m = iterate(e, xi, list(e @ ruler / 40), t, gain)
        assert state.status is Status.CONVERGED
        assert state.n == pytest.approx(n, abs=1e-10)
        assert state.m == pytest.approx(m, abs=1e-10)


@pytest.mark.parametrize("t", [0.0, 0.08])
def test_merging_equal_sites_changes_nothing(t):
    xi = diluted(3, 500, 0.4, 7)
    merged = solve_conditioned(xi, t)
    # Archetypes given apart are not merged.
    plain = solve_conditioned(xi, t, archetypes=xi.copy())
    shuffled = solve_conditioned(xi[:, np.random.default_rng(1).permutation(500)], t)
    same(merged, plain)
    same(merged, shuffled, 1e-13)


def test_large_sample_is_near_the_theory():
    """N**-1/2 away, with a definite size: five standard deviations of the sample."""
    n = 40_000
    expected = solve(2, 0.3, 0.1).m
    found = solve_conditioned(diluted(2, n, 0.3, 11), 0.1).m
    assert abs(found - expected).max() < 5 / math.sqrt(n)
    assert abs(found - expected).max() > 1e-6


def test_signs_and_order_of_patterns_are_kept():
    xi = diluted(3, 400, 0.3, 2)
    state = solve_conditioned(xi, 0.05)
    flip = np.array([1, -1, 1])
    turned = solve_conditioned(
        (flip[:, None] * xi)[[2, 0, 1]], 0.05, start=(flip * state.n)[[2, 0, 1]]
    )
    assert turned.m == pytest.approx((flip * state.m)[[2, 0, 1]], abs=1e-12)


def test_edges():
    xi = diluted(2, 100, 0.3, 2)
    top = float(np.linalg.eigvalsh(xi.astype(float) @ xi.T / 100)[-1])
    above = solve_conditioned(xi, top * 1.0001)
    assert (above.status, above.label) == (Status.CLOSED_FORM, "paramagnetic")
    assert above.stable
    below = solve_conditioned(xi, top * 0.99)
    assert abs(below.m).max() > 0.01
    hot = solve_conditioned(xi, math.inf)
    assert (hot.free_energy, hot.stable) == (-math.inf, True)
    single = solve_conditioned([[1, -1, 0, 0]], 0.0)
    assert (single.m.tolist(), single.energy, single.stable) == ([0.5], -0.125, True)
    tied = solve_conditioned([[1, 1], [1, -1]], 0.0, start="parallel")
    assert not tied.stable
    assert tied.hessian_eigenvalues[0] == -math.inf
    huge = solve_conditioned(1e40 * class_exact(2), 0.1e80, start=[1e39, 1e38])
    assert huge.n / 1e40 == pytest.approx(solve(2, 0.5, 0.1).m, abs=1e-9)


ROWS = [[1, 0, -1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "name"),
    [
        (([1, 0, 1], 0.1), {}, ParameterError, "rows"),
        (([[0, 0], [0, 0]], 0.1), {}, ParameterError, "rows"),
        ((np.zeros((2, 0)), 0.1), {}, ParameterError, "rows"),
        (([[1.0, math.nan]], 0.1), {}, ParameterError, "rows"),
        (([[1e200, 1.0]], 0.1), {}, ParameterError, "rows"),
        (([["a", "b"]], 0.1), {}, ParameterTypeError, "rows"),
        ((ROWS, -0.1), {}, ParameterError, "temperature"),
        ((ROWS, "cold"), {}, ParameterTypeError, "temperature"),
        ((ROWS, 0.1), {"gain": 0}, ParameterError, "gain"),
        ((ROWS, 0.1), {"start": "first"}, ParameterError, "start"),
        ((ROWS, 0.1), {"start": [1.0]}, ParameterError, "start"),
        ((ROWS, 0.1), {"archetypes": [[1, 0, 1]]}, ParameterError, "archetypes"),
    ],
)
def test_bad_input(arguments, options, error, name):
    with pytest.raises(error) as caught:
        solve_conditioned(*arguments, **options)
    assert caught.value.name == name
