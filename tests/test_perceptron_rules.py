"""Learning rules against geometry, duality, Novikoff's bound and Cover's count."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from statmech.errors import ParameterError, ParameterTypeError
from statmech.perceptron import (
    Examples,
    hebb,
    max_margin,
    perceptron_rule,
    random_examples,
    separate,
    teacher_examples,
)
from statmech.status import Status

XOR = Examples([[1, 1], [1, -1], [-1, 1], [-1, -1]], [1, -1, -1, 1])


# The perceptron rule -----------------------------------------------------------


def naive_rule(examples, max_epochs, start):
    weights, n_updates, n_epochs = start.copy(), 0, 0
    while n_epochs < max_epochs:
        changed = 0
        n_epochs += 1
        for x, y in zip(examples.inputs, examples.labels, strict=True):
            if y * (x.astype(float) @ weights) <= 0.0:
                weights += float(y) * x
                changed += 1
        n_updates += changed
        if not changed:
            break
    return weights, n_updates, n_epochs


@pytest.mark.parametrize("max_epochs", [1, 3, 1000])
def test_rule_is_its_naive_twin(max_epochs: int) -> None:
    """Sums of integers: equal exactly."""
    examples = teacher_examples(31, 60, seed=3)
    start = np.arange(31.0) % 3
    for initial in (np.zeros(31), start):
        found = perceptron_rule(examples, max_epochs=max_epochs, initial=initial)
        weights, n_updates, n_epochs = naive_rule(examples, max_epochs, initial)
        np.testing.assert_array_equal(found.weights, weights)
        assert (found.n_updates, found.n_epochs) == (n_updates, n_epochs)
        assert found.training_errors == examples.count_errors(weights)
    np.testing.assert_array_equal(start, np.arange(31.0) % 3)


@pytest.mark.parametrize("order", ["cyclic", "random"])
@pytest.mark.parametrize("inputs", ["binary", "gaussian"])
def test_novikoff(order: str, inputs: str) -> None:
    """At most max|x|**2 / margin**2 updates, the margin from the quadratic program."""
    for seed in range(5):
        examples = teacher_examples(41, 60, seed, inputs=inputs)
        best = max_margin(examples)
        found = perceptron_rule(examples, order=order, seed=seed)
        assert found.status is Status.CONVERGED
        assert found.training_errors == 0
        radius = float((examples.inputs.astype(float) ** 2).sum(axis=1).max())
        assert 0 < found.n_updates <= radius / best.margin**2
        assert 0.0 < found.margin <= best.margin + best.gap


def test_rule_that_cannot_end() -> None:
    found = perceptron_rule(XOR, max_epochs=7)
    assert found.status is Status.NOT_CONVERGED
    assert found.n_epochs == 7
    assert found.training_errors > 0


def test_random_order_follows_the_seed() -> None:
    examples = teacher_examples(41, 60, seed=1)
    one, same, other = (
        perceptron_rule(examples, order="random", seed=seed).weights
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# Hebb --------------------------------------------------------------------------


def test_hebb() -> None:
    examples = teacher_examples(201, 100, seed=2)
    found = hebb(examples)
    expected = np.zeros(201)
    for x, y in zip(examples.inputs, examples.labels, strict=True):
        expected += y * x.astype(float)
    np.testing.assert_allclose(found.weights, expected / math.sqrt(201), rtol=1e-14)
    assert found.status is Status.CLOSED_FORM
    assert found.margin == pytest.approx(examples.stability(expected))


def test_overlap_of_hebb_with_its_teacher() -> None:
    """R = sqrt(2 alpha / (2 alpha + pi)) for N -> infinity; |z| < 4 and O(1/N)."""
    overlaps = []
    for seed in range(16):
        examples = teacher_examples(1001, 1001, seed, weights="spherical")
        overlaps.append(examples.teacher_overlap(hebb(examples).weights))
    error = np.std(overlaps, ddof=1) / 4.0
    expected = math.sqrt(2.0 / (2.0 + math.pi))
    assert abs(np.mean(overlaps) - expected) < 4.0 * error + 1.0 / 1001
    assert abs(np.mean(overlaps) - math.sqrt(1.0 / (1.0 + math.pi))) > 0.05


# Maximum stability -------------------------------------------------------------


def margin_in_the_plane(examples) -> float:
    """Largest min b.(cos, sin): at a single b or between two of them."""
    b = examples.aligned.astype(float)
    angles = list(np.arctan2(b[:, 1], b[:, 0]))
    for i in range(len(b)):
        for j in range(i):
            d = b[i] - b[j]
            angles += [math.atan2(d[0], -d[1]), math.atan2(-d[0], d[1])]
    return max(float((b @ [math.cos(a), math.sin(a)]).min()) for a in angles)


def test_maximum_stability_in_the_plane() -> None:
    n_separable = 0
    for seed in range(60):
        examples = random_examples(2, 3, seed, inputs="gaussian")
        expected = margin_in_the_plane(examples)
        found = max_margin(examples)
        if expected > 0.0:
            n_separable += 1
            assert found.status is Status.CONVERGED
            assert found.margin == pytest.approx(expected, abs=1e-9)
            assert np.linalg.norm(found.weights) == pytest.approx(math.sqrt(2.0))
        else:
            assert found.status is Status.UNDEFINED
            assert np.isnan(found.weights).all()
            assert math.isnan(found.margin)
            assert found.training_errors == -1
    assert 20 < n_separable < 59


def best_on_the_arc(examples) -> float:
    grid = np.linspace(0.0, math.pi / 2.0, 20001)
    fields = examples.aligned.astype(float) @ np.array([np.cos(grid), np.sin(grid)])
    return float(fields.min(axis=0).max())


def test_nonnegative_maximum_stability_in_the_plane() -> None:
    """The grid is within 1e-4 of |b| of the maximum."""
    n_separable = 0
    for seed in range(60):
        examples = random_examples(2, 2, seed, inputs="gaussian")
        expected = best_on_the_arc(examples)
        found = max_margin(examples, nonnegative=True)
        if expected > 1e-3:
            n_separable += 1
            assert found.margin == pytest.approx(expected, abs=5e-4)
            assert found.weights.min() >= 0.0
            assert found.gap < 1e-8
        elif expected < -1e-3:
            assert found.status is Status.UNDEFINED
    assert n_separable > 8


def adatron(examples, n_sweeps):
    """Dual coordinate ascent (Anlauf and Biehl 1989): another way to the same J."""
    b = examples.aligned.astype(float)
    norms = (b**2).sum(axis=1)
    x, w = np.zeros(len(b)), np.zeros(b.shape[1])
    for _ in range(n_sweeps):
        for mu in range(len(b)):
            step = max(-x[mu], (1.0 - b[mu] @ w) / norms[mu])
            x[mu] += step
            w += step * b[mu]
    return w, x


@pytest.mark.parametrize("inputs", ["binary", "gaussian"])
def test_conditions_of_optimality_and_adatron(inputs: str) -> None:
    examples = teacher_examples(31, 50, seed=5, inputs=inputs)
    found = max_margin(examples)
    assert found.status is Status.CONVERGED
    assert 0.0 <= found.gap < 1e-9 * 31
    assert found.training_errors == 0
    w, x = adatron(examples, 3000)
    np.testing.assert_allclose(
        found.weights / math.sqrt(31), w / np.linalg.norm(w), atol=1e-8
    )
    # Complementary slackness: who carries weight lies on the margin.
    fields = examples.fields(found.weights) / math.sqrt(31)
    np.testing.assert_allclose(fields[x > 1e-6], found.margin, atol=1e-8)
    assert fields.min() == pytest.approx(found.margin)
    planted = examples.stability(w + 0.01 * np.abs(w).max() * np.ones(31))
    assert planted < found.margin - 1e-4


def test_gap_bounds_all_students() -> None:
    examples = teacher_examples(31, 50, seed=5)
    found = max_margin(examples)
    for other in (examples.teacher, perceptron_rule(examples).weights):
        assert examples.stability(other) <= found.margin + found.gap


def test_gardner_stability() -> None:
    """1 / alpha = int_{-kappa} Dt (t + kappa)**2; SciPy's Gaussian, N = 200, |z| < 4.

    The correction in 1/N is bounded by 2 / N.
    """
    alpha = 1.0
    kappa = brentq(
        lambda k: alpha * ((1.0 + k * k) * norm.cdf(k) + k * norm.pdf(k)) - 1.0, 0, 9
    )
    margins = [
        max_margin(random_examples(200, 200, seed, inputs="gaussian")).margin
        for seed in range(16)
    ]
    error = np.std(margins, ddof=1) / 4.0
    # Patterns of Gaussian length: |x|**2 = N only on average, an effect of O(1/N).
    assert abs(np.mean(margins) - kappa) < 4.0 * error + 2.0 / 200
    assert abs(np.mean(margins) / math.sqrt(200) - kappa) > 0.2  # another unit


# Separability ------------------------------------------------------------------


def cover(p: int, n: int) -> float:
    return 2.0 ** (1 - p) * sum(math.comb(p - 1, k) for k in range(n))


@pytest.mark.parametrize("solver", [separate, max_margin])
@pytest.mark.parametrize("p", [9, 12, 15])
def test_cover(solver, p: int) -> None:
    """Exact at any size; |z| < 4 of a binomial, and not that of one weight more."""
    n, trials = 6, 300
    hits = sum(
        solver(random_examples(n, p, seed, inputs="gaussian")).status.ok
        for seed in range(trials)
    )
    expected, planted = cover(p, n), cover(p, n + 1)
    assert abs(hits / trials - expected) < 4.0 * spread(expected, trials)
    if p == 12:
        assert abs(hits / trials - planted) > 4.0 * spread(planted, trials)


def spread(share: float, trials: int) -> float:
    return math.sqrt(share * (1.0 - share) / trials)


def test_nonnegative_weights_store_half_as_much() -> None:
    """Exact: signs of weights are N more patterns. By symmetry a cone of P random
    patterns meets the positive orthant as often as any, and N + P hyperplanes in
    general position cut out Cover's number of cells: probability 1/2 at P = N.
    """
    n, trials = 30, 100
    shares = []
    for p in (20, 30, 40):
        hits = 0
        for seed in range(trials):
            examples = random_examples(n, p, seed, inputs="gaussian")
            found = separate(examples, nonnegative=True)
            hits += found.status.ok
            if found.status.ok:
                assert found.weights.min() >= 0.0
                assert found.training_errors == 0
        shares.append(hits / trials)
        expected = cover(p + n, n)
        assert abs(shares[-1] - expected) < 4.0 * spread(expected, trials)
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.5  # a capacity of 2 would have stored them all


def test_both_solvers_agree_on_constrained_weights() -> None:
    for seed in range(40):
        examples = random_examples(8, 8, seed, inputs="gaussian")
        one = separate(examples, nonnegative=True).status
        two = max_margin(examples, nonnegative=True).status
        assert one is two


def test_not_separable() -> None:
    for found in (separate(XOR), max_margin(XOR), max_margin(XOR, nonnegative=True)):
        assert found.status is Status.UNDEFINED
        assert np.isnan(found.weights).all()
    opposed = Examples([[1.0, 2.0], [1.0, 2.0]], [1, -1])
    assert separate(opposed).status is Status.UNDEFINED
    assert max_margin(opposed).status is Status.UNDEFINED
    empty = Examples([[0.0, 0.0]], [1])
    assert separate(empty).status is Status.UNDEFINED
    assert max_margin(empty).status is Status.UNDEFINED


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_units_do_not_matter(scale: float) -> None:
    examples = random_examples(10, 8, seed=1, inputs="gaussian")
    scaled = Examples(examples.inputs * scale, examples.labels)
    one, two = max_margin(examples), max_margin(scaled)
    np.testing.assert_allclose(one.weights, two.weights, rtol=1e-9)
    assert two.margin == pytest.approx(one.margin * scale)
    assert separate(scaled).status.ok


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: perceptron_rule(np.ones((2, 2))), ParameterTypeError, "examples"),
        (lambda: hebb(None), ParameterTypeError, "examples"),
        (lambda: max_margin([1]), ParameterTypeError, "examples"),
        (lambda: separate("XOR"), ParameterTypeError, "examples"),
        (lambda: perceptron_rule(XOR, max_epochs=0), ParameterError, "max_epochs"),
        (lambda: perceptron_rule(XOR, max_epochs=1.5), ParameterTypeError, "max_ep"),
        (lambda: perceptron_rule(XOR, initial=[1.0]), ParameterError, "initial"),
        (lambda: perceptron_rule(XOR, order="shuffled"), ParameterError, "order"),
        (lambda: perceptron_rule(XOR, seed=-1), ParameterError, "seed"),
        (lambda: max_margin(XOR, nonnegative=1), ParameterTypeError, "nonnegative"),
        (lambda: separate(XOR, nonnegative="y"), ParameterTypeError, "nonnegative"),
    ],
)
def test_bad_input(call, error, name: str) -> None:
    with pytest.raises(error, match=name):
        call()
