"""States learnt from examples, against listed outcomes of every coin."""

import math
from functools import cache

import numpy as np
import pytest
from learning_reference import Sites

from analytics.multitask import (
    find_example_temperature,
    solve,
    solve_learning,
)
from analytics.multitask.lattice import example_letter, lattice_size
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

sites = cache(Sites)


def quality_at(rho, n_examples):
    return 1.0 / math.sqrt(1.0 + n_examples * rho)


def learn(k, d, t, m, r, **options):
    return solve_learning(k, d, t, n_examples=m, quality=r, **options)


# Exact law ---------------------------------------------------------------------

# (K, d, M, r)
SMALL = [(1, 0.3, 4, 0.4), (2, 0.3, 3, 0.4), (2, 0.5, 4, 0.2), (3, 0.4, 2, 0.6)]
every_small = pytest.mark.parametrize("system", SMALL, ids=str)


@every_small
@pytest.mark.parametrize("temperature", [0.0, 0.08, 0.25])
@pytest.mark.parametrize("start", ["hierarchical", "pure", "parallel"])
def test_listed_outcomes_give_the_same_state(system, temperature, start):
    k, d, m, r = system
    state = learn(k, d, temperature, m, r, start=start)
    twin = sites(k, d, m, r)
    guess = {
        "hierarchical": d ** np.arange(k),
        "pure": np.eye(k)[0],
        "parallel": np.ones(k),
    }[start]
    # From where rounding would break a symmetry that is unstable, one step must do.
    free = state.stable and start == "hierarchical"
    start_at = (1 - d) * guess * math.sqrt(1 + twin.rho) if free else state.n
    n, archetype, f = twin.supervised(start_at, temperature, 3000 if free else 1)
    assert state.status is Status.CONVERGED
    assert state.n == pytest.approx(n, abs=1e-10)
    assert state.m == pytest.approx(archetype, abs=1e-10)
    assert state.free_energy == pytest.approx(f, abs=1e-12)
    assert state.energy == pytest.approx(-0.5 * twin.gain * n @ n, abs=1e-10)
    assert state.residual < 1e-10


@every_small
@pytest.mark.parametrize("temperature", [0.08, 0.25])
def test_unsupervised_has_the_supervised_state(system, temperature):
    """All K M overlaps iterated; the spectrum over them falls into two parts."""
    k, d, m, r = system
    state = learn(k, d, temperature, m, r, protocol="unsupervised")
    supervised = learn(k, d, temperature, m, r)
    twin = sites(k, d, m, r)
    start = np.repeat(r * state.n[:, None], m, axis=1)
    overlap, archetype, hessian = twin.unsupervised(start, temperature, n_iter=1)
    assert overlap == pytest.approx(start, abs=1e-10)
    assert archetype == pytest.approx(state.m, abs=1e-10)
    assert np.array_equal(state.m, supervised.m)
    assert np.array_equal(state.n, supervised.n)
    assert state.free_energy == supervised.free_energy
    parts = [state.hessian_eigenvalues / twin.gain]
    parts += [state.example_eigenvalues] * (m - 1)
    expected = np.sort(np.concatenate(parts))
    assert np.linalg.eigvalsh(hessian) == pytest.approx(expected, abs=1e-10)
    assert state.stable is bool((expected > 0).all())
    assert supervised.example_eigenvalues is None


def test_state_that_leaves_supervised_branch():
    """Below T_ex a tilt towards one example grows, above it decays."""
    twin = sites(2, 0.3, 4, 0.4)
    for temperature, stays in ((0.06, False), (0.12, True)):
        state = learn(2, 0.3, temperature, 4, 0.4, protocol="unsupervised")
        start = np.repeat(0.4 * state.n[:, None], 4, axis=1)
        start[:, 0] += 1e-3
        found, _, _ = twin.unsupervised(start, temperature, n_iter=600)
        assert state.stable is stays
        assert bool(np.ptp(found, axis=1).max() < 1e-4) is stays


@pytest.mark.parametrize(("m", "r"), [(1, 0.4), (2, 0.5), (7, 0.3), (8, 1.0)])
def test_letter_is_the_merged_law(m, r):
    """Values, weights and conditional means, from binomial coefficients."""
    d, merged = 0.3, {}
    for j in range(m + 1):
        p = math.comb(m, j) * (0.5 * (1 + r)) ** j * (0.5 * (1 - r)) ** (m - j)
        for xi, w in ((-1, 0.35 * p), (1, 0.35 * p)):
            old = merged.setdefault(xi * (2 * j - m), [0.0, 0.0, 0.0])
            share = 1 - ((2 * j - m) / m) ** 2
            merged[xi * (2 * j - m)] = np.add(old, [w, w * xi, w * share])
    merged[0] = np.add(merged.get(0, [0.0, 0.0, 0.0]), [d, 0.0, 0.0])
    letter = example_letter(m, r, d)
    unit = m * math.sqrt(r * r + (1 - r * r) / m)
    found = dict(zip(np.round(letter.e[:, 0] * unit), range(99), strict=False))
    for value, (w, wx, ws) in merged.items():
        if w == 0.0:  # r = 1
            continue
        i = found[value]
        assert letter.weight[i] == pytest.approx(w, rel=1e-13)
        assert letter.x[i, 0] * letter.weight[i] == pytest.approx(wx, abs=1e-15)
        assert letter.spread[i, 0] * letter.weight[i] == pytest.approx(ws, abs=1e-15)
    assert letter.weight @ letter.e[:, 0] ** 2 == pytest.approx(0.7, rel=1e-13)


@pytest.mark.parametrize("m", [30, 1001, 10**6, 10**9])
def test_long_lattice_keeps_its_law(m):
    """What is left out is nothing: probability and second moment."""
    letter = example_letter(m, 0.01, 0.2)
    assert letter.weight.sum() == pytest.approx(1.0, abs=1e-12)
    assert letter.weight @ letter.e[:, 0] ** 2 == pytest.approx(0.8, rel=1e-10)
    assert letter.weight @ (letter.x * letter.e)[:, 0] == pytest.approx(
        0.8 * 0.01 / math.sqrt(1e-4 + (1 - 1e-4) / m), rel=1e-9
    )
    assert letter.weight.size == lattice_size(m, 0.01) <= 20 * math.sqrt(m) + 9


def test_without_noise_it_is_storage():
    for t, start in ((0.0, "hierarchical"), (0.1, "hierarchical"), (0.3, "pure")):
        stored = solve(3, 0.3, t, start=start)
        for law in ("binomial", "gaussian"):
            exact = learn(3, 0.3, t, 5, 1.0, start=start, law=law)
            assert exact.m == pytest.approx(stored.m, abs=1e-12)
            assert exact.n == pytest.approx(exact.m, abs=1e-15)
            assert exact.free_energy == pytest.approx(stored.free_energy, abs=1e-13)
            assert exact.hessian_eigenvalues == pytest.approx(
                stored.hessian_eigenvalues, abs=1e-9
            )
            near = learn(3, 0.3, t, 5, 1 - 1e-11, start=start, law=law)
            assert near.m == pytest.approx(stored.m, abs=1e-9)
    perfect = learn(2, 0.3, 0.1, 4, 1.0, protocol="unsupervised")
    assert perfect.example_eigenvalues.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
def test_one_example_is_stored_in_place_of_the_archetype(protocol):
    for t in (0.0, 0.1):
        stored = solve(3, 0.4, t)
        state = learn(3, 0.4, t, 1, 0.25, protocol=protocol)
        assert state.m == pytest.approx(0.25 * stored.m, abs=1e-12)
        assert 0.25 * state.n == pytest.approx(stored.m, abs=1e-12)
        assert state.free_energy == pytest.approx(stored.free_energy, abs=1e-12)
        assert state.example_eigenvalues is None
        assert state.stable is stored.stable


def test_useless_examples_teach_nothing():
    """r -> 0: the spins follow the averages of examples, which know no archetype."""
    for law in ("binomial", "gaussian"):
        tiny = learn(2, 0.3, 0.1, 9, 1e-100, law=law)
        small = learn(2, 0.3, 0.1, 9, 1e-6, law=law)
        assert abs(tiny.m).max() < 1e-99
        assert tiny.free_energy == pytest.approx(small.free_energy, abs=1e-10)
        assert tiny.label == small.label != "paramagnetic"


# Printed numbers ---------------------------------------------------------------


def test_printed_states():
    state = learn(2, 0.3, 0.1, 25, 0.4, law="gaussian")
    assert state.m.round(5).tolist() == [0.62271, 0.25643]
    exact, limit = (learn(2, 0.3, 0.0, 5, 0.4, law=x) for x in ("binomial", "gaussian"))
    assert exact.m.round(4).tolist() == [0.4234, 0.2490]
    assert limit.m.round(4).tolist() == [0.3448, 0.3448]
    assert (exact.label, limit.label) == ("hierarchical", "parallel")
    assert (exact.stable, limit.stable) == (True, True)
    tied = learn(2, 0.3, 0.0, 5, 0.4, start="parallel")
    assert not tied.stable
    assert tied.hessian_eigenvalues[0] == -math.inf


@pytest.mark.parametrize(
    ("m", "printed"), [(2, 0.3655), (4, 0.0976), (6, 0.0399), (8, 0.0208), (10, 0.0123)]
)
def test_example_temperature(m, printed):
    found = find_example_temperature(2, 0.3, n_examples=m, quality=0.4)
    assert round(found.value, 4) == printed
    for factor, stable in ((0.99, False), (1.01, True)):
        t = factor * found.value
        state = learn(2, 0.3, t, m, 0.4, protocol="unsupervised")
        assert state.stable is stable


def test_example_temperature_elsewhere():
    odd = find_example_temperature(2, 0.3, n_examples=3, quality=0.4)
    assert odd.status is Status.NO_TRANSITION
    # Below the grid: ties of even M always act somewhere.
    assert find_example_temperature(2, 0.3, n_examples=40, quality=0.4).value < 2e-4
    cold = learn(2, 0.3, 0.0, 40, 0.4, protocol="unsupervised")
    assert cold.example_eigenvalues.tolist() == [-math.inf] * 2


# Symmetries, edges, bad input --------------------------------------------------


def test_symmetries():
    for law in ("binomial", "gaussian"):
        state = learn(3, 0.4, 0.05, 5, 0.5, law=law)
        turned = learn(
            3, 0.4, 0.05, 5, 0.5, law=law, start=state.n[[2, 0, 1]] * [1, -1, 1]
        )
        assert turned.n == pytest.approx(state.n[[2, 0, 1]] * [1, -1, 1], abs=1e-12)
        assert turned.free_energy == pytest.approx(state.free_energy, abs=1e-14)
        # Gain and temperature together only change the unit.
        scaled = learn(3, 0.4, 0.05 * 3.0, 5, 0.5, law=law, gain=3.0 / 1.6)
        assert scaled.m == pytest.approx(state.m, abs=1e-12)
        assert scaled.free_energy == pytest.approx(3.0 * state.free_energy, rel=1e-12)
        assert scaled.hessian_eigenvalues == pytest.approx(
            3.0 * state.hessian_eigenvalues, rel=1e-9
        )


@pytest.mark.parametrize("law", ["binomial", "gaussian"])
@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
def test_edges(law, protocol):
    options = {"law": law, "protocol": protocol}
    hot = learn(2, 0.3, math.inf, 4, 0.4, **options)
    assert (hot.free_energy, hot.energy, hot.label) == (-math.inf, 0.0, "paramagnetic")
    critical = learn(2, 0.3, 0.7, 4, 0.4, **options)
    assert critical.status is Status.CLOSED_FORM
    assert not critical.stable
    assert critical.m.tolist() == [0.0, 0.0]
    assert critical.free_energy == pytest.approx(-0.7 * math.log(2))
    full = learn(3, 0.0, 0.2, 4, 0.4, **options)
    assert full.label == "pure"
    cold = learn(3, 0.0, 0.0, 4, 0.4, start="parallel", **options)
    assert cold.label == "parallel"
    blank = learn(2, 0.3, 0.0, 4, 0.4, start=[0.0, 0.0], **options)
    assert not blank.stable
    single = learn(1, 0.3, 0.1, 4, 0.4, **options)
    pure = learn(5, 0.3, 0.1, 4, 0.4, start="pure", **options)
    assert pure.m[0] == pytest.approx(single.m[0], abs=1e-12)
    assert pure.m[1:].tolist() == [0.0] * 4


GOOD = {"n_patterns": 2, "dilution": 0.3, "temperature": 0.1, "n_examples": 5}


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"n_patterns": 0}, ParameterError, "n_patterns"),
        ({"n_patterns": 13}, ParameterError, "n_patterns"),
        ({"dilution": 1.0}, ParameterError, "dilution"),
        ({"dilution": math.nan}, ParameterError, "dilution"),
        ({"temperature": -0.1}, ParameterError, "temperature"),
        ({"n_examples": 0}, ParameterError, "n_examples"),
        ({"n_examples": 2.5}, ParameterTypeError, "n_examples"),
        ({"n_examples": 10**6, "n_patterns": 3}, ParameterError, "n_examples"),
        ({"n_examples": 10, "n_patterns": 12}, ParameterError, "n_examples"),
        ({"quality": 0.0}, ParameterError, "quality"),
        ({"quality": 1.1}, ParameterError, "quality"),
        ({"quality": "good"}, ParameterTypeError, "quality"),
        ({"protocol": "reinforced"}, ParameterError, "protocol"),
        ({"law": "normal"}, ParameterError, "law"),
        ({"start": "hierarchic"}, ParameterError, "start"),
        ({"start": [0.1, 0.2, 0.3]}, ParameterError, "start"),
        ({"start": [0.1, math.inf]}, ParameterError, "start"),
        ({"gain": 0.0}, ParameterError, "gain"),
        ({"gain": math.nan}, ParameterError, "gain"),
    ],
)
def test_bad_input(change, error, name):
    with pytest.raises(error) as caught:
        solve_learning(**{**GOOD, "quality": 0.4, **change})
    assert caught.value.name == name


def test_too_large_a_grid_proposes_the_limit():
    with pytest.raises(ParameterError, match=r'not 2\.8e\+07.*law="gaussian"'):
        learn(3, 0.3, 0.1, 320, 0.4)


@pytest.mark.nightly
def test_largest_systems():
    for k, m, law in (
        (2, 20_000, "binomial"),
        (3, 200, "binomial"),
        (8, 9, "gaussian"),
    ):
        state = learn(k, 0.3, 0.05, m, 0.4, law=law)
        assert state.status is Status.CONVERGED
        assert state.stable
