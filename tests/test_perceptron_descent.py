"""Logistic descent of any step, and the batch perceptron in rational numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import expit, lambertw

from statmech.errors import ParameterError, ParameterTypeError
from statmech.perceptron import (
    Examples,
    batch_perceptron,
    batch_perceptron_gram,
    logistic_descent,
    max_margin,
    perceptron_rule,
    teacher_examples,
)
from statmech.perceptron.descent import residual
from statmech.status import Status

XOR = Examples([[1, 1], [1, -1], [-1, 1], [-1, -1]], [1, -1, -1, 1])
HALF = Fraction(1, 2)
# n - 1 copies of (1, 0) and one of (-1/2, sqrt(3)/2).
SLOW = [[1, -HALF], [-HALF, 1]]


def spherical(n=20, p=50, seed=0):
    return teacher_examples(n, p, seed, weights="spherical", inputs="gaussian")


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("step", [0.5, 20.0])
def test_descent_is_its_naive_twin(step: float, normalised: bool) -> None:
    examples = spherical()
    b = examples.aligned
    theta, losses, errors = np.linspace(-1, 1, 20), [], []
    found = logistic_descent(
        examples, step=step, normalised=normalised, initial=theta, max_steps=9
    )
    for t in range(found.n_steps + 1):
        u = b @ theta
        losses.append(np.mean(np.logaddexp(0.0, -u)))
        errors.append(np.count_nonzero(u <= 0.0))
        if t < found.n_steps:
            p = expit(-u)
            theta = theta + step * (b.T @ p) / (p.sum() if normalised else len(b))
    np.testing.assert_allclose(found.weights, theta, rtol=1e-10)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-10)
    np.testing.assert_array_equal(found.n_errors, errors)
    assert found.status.ok == (errors[-1] == 0)
    assert found.n_steps == 9 or errors[-1] == 0
    assert all(errors[1:-1])


def test_gradient_is_that_of_the_loss() -> None:
    """Central differences of the mean loss, error O(h**2) = 1e-8."""
    examples = spherical()
    theta, h = np.linspace(-1, 1, 20), 1e-4
    moved = logistic_descent(examples, step=1.0, initial=theta, max_steps=1).weights

    def loss(at):
        return logistic_descent(examples, step=1.0, initial=at, max_steps=1).losses[0]

    for i in range(20):
        e = np.zeros(20)
        e[i] = h
        slope = (loss(theta + e) - loss(theta - e)) / (2.0 * h)
        assert theta[i] - moved[i] == pytest.approx(slope, abs=1e-6)


def test_residual() -> None:
    for u in (-800.0, -3.0, 0.0, 1e-9, 3.0, 700.0):
        assert residual(u, 0.5, 1.0) == pytest.approx(expit(-2.0 * u), rel=1e-12)
    assert [residual(u, 0.0, 0.5) for u in (-1e-300, 0.0, 1e-300)] == [1.0, 0.5, 0.0]
    assert residual(0.0, 0.0, 1.0) == 1.0
    assert residual(1e308, 1e-300, 0.5) == 0.0
    assert residual(-1e308, 1e-300, 0.5) == 1.0


@pytest.mark.parametrize("ties", ["error", "half"])
def test_slow_example_in_rational_numbers(ties: str) -> None:
    """T = 2 + floor((n - 3) / 4), and 2 if normalised, exactly."""
    for n in range(4, 600 if ties == "error" else 100):
        plain = batch_perceptron_gram(SLOW, counts=[n - 1, 1], ties=ties)
        assert plain.n_steps == 2 + (n - 3) // 4
        assert plain.status is Status.CONVERGED
        quick = batch_perceptron_gram(
            SLOW, counts=[n - 1, 1], ties=ties, normalised=True
        )
        assert quick.n_steps == 2


def test_first_steps_of_the_slow_example_by_hand() -> None:
    """n = 4: from w = (3 (1, 0) + b) / 8 the fields are 5/16 and -1/16; then + b/4."""
    start = batch_perceptron_gram(SLOW, counts=[3, 1], max_steps=1)
    assert start.fields == (Fraction(5, 16), Fraction(-1, 16))
    assert start.status is Status.NOT_CONVERGED
    end = batch_perceptron_gram(SLOW, counts=[3, 1])
    assert end.fields == (Fraction(3, 16), Fraction(3, 16))
    assert (end.n_steps, end.status) == (2, Status.CONVERGED)


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("ties", ["error", "half"])
def test_rational_and_compiled_forms_agree(normalised: bool, ties: str) -> None:
    """On integers the compiled sums are exact too, so that ties are the same."""
    for seed in range(8):
        examples = teacher_examples(7, 8, seed)
        b = examples.aligned.astype(int)
        gram = (b @ b.T).tolist()
        exact = batch_perceptron_gram(gram, normalised=normalised, ties=ties)
        found = batch_perceptron(examples, normalised=normalised, ties=ties)
        if normalised:  # thirds are rounded, so that a tie may fall to either side
            if exact.n_steps != found.n_steps:
                continue
            np.testing.assert_allclose(
                b @ found.weights, [float(u) for u in exact.fields], atol=1e-12
            )
        else:
            assert found.n_steps == exact.n_steps
            np.testing.assert_allclose(
                b @ found.weights, [float(u) for u in exact.fields], rtol=1e-14
            )


def test_counts_are_copies() -> None:
    gram = [[1, -HALF], [-HALF, 1]]
    copies = [[gram[i][j] for j in (0, 0, 0, 1)] for i in (0, 0, 0, 1)]
    for normalised in (False, True):
        one = batch_perceptron_gram(gram, counts=[3, 1], normalised=normalised)
        two = batch_perceptron_gram(copies, normalised=normalised)
        assert one.n_steps == two.n_steps
        assert one.fields == two.fields[2:]


def test_large_steps_become_the_batch_perceptron() -> None:
    """theta / step deviates by no more than exp(-(least field) step / P) and the like:
    a factor ten in the step takes the deviation below rounding. Planted: ties whole in
    the first step would double it.
    """
    for seed in range(6):
        examples = spherical(seed=seed)
        limit = batch_perceptron(examples)
        far = logistic_descent(examples, step=1e8)
        assert far.n_steps == limit.n_steps
        np.testing.assert_allclose(far.weights / 1e8, limit.weights, atol=1e-12)
        near = logistic_descent(examples, step=1e2, max_steps=limit.n_steps)
        gap = np.abs(near.weights / 1e2 - limit.weights).max()
        assert near.n_steps != limit.n_steps or gap > 1e-6
        quick = batch_perceptron(examples, normalised=True)
        far = logistic_descent(examples, step=1e8, normalised=True)
        assert far.n_steps == quick.n_steps
        np.testing.assert_allclose(far.weights / 1e8, quick.weights, atol=1e-10)
        first = batch_perceptron(examples, max_steps=1).weights
        np.testing.assert_allclose(first, examples.aligned.mean(axis=0) / 2.0)


def test_a_tie_counts_half_in_the_limit() -> None:
    """b = (1, 0), (1, 0), (-1, 1), (-1, 1): w_1 = (0, 1/4), the first two are ties."""
    examples = Examples([[1, 0], [1, 0], [-1, 1], [-1, 1]], [1, 1, 1, 1])
    path = logistic_descent(examples, step=1e6, max_steps=2).weights / 1e6
    half = batch_perceptron(examples, ties="half", max_steps=2).weights
    whole = batch_perceptron(examples, ties="error", max_steps=2).weights
    np.testing.assert_allclose(path, half, atol=1e-12)
    assert half.tolist() == [0.25, 0.25]
    assert whole.tolist() == [0.5, 0.25]


def test_bounds() -> None:
    """Perceptron bounds and those of any step; c = W(1/e)."""
    c = float(lambertw(math.exp(-1.0)).real)
    for seed in range(5):
        examples = spherical(seed=seed)
        p = examples.n_patterns
        found = max_margin(examples)
        ratio = float((examples.inputs**2).sum(axis=1).max()) / found.margin**2
        assert found.gap < 1e-9 * found.margin
        assert batch_perceptron(examples).n_steps <= p * ratio
        assert batch_perceptron(examples, normalised=True).n_steps <= ratio
        for step in (0.1, 1.0, 10.0, 1e3, 1e6):
            slow = 8.0 * c * p**2 / (step * found.margin**2)
            run = logistic_descent(examples, step=step)
            assert run.status is Status.CONVERGED
            assert run.n_steps <= 2.0 * p * ratio + slow
            run = logistic_descent(examples, step=step, normalised=True)
            assert run.n_steps <= ratio + 4.0 * c * p / (step * found.margin**2)
            assert perceptron_rule(examples).n_updates <= ratio


def test_loss_is_no_measure_of_progress() -> None:
    """Fewer steps with larger steps, while the largest loss grows in proportion."""
    examples = spherical()
    small, large, larger = (
        logistic_descent(examples, step=s) for s in (1e-2, 1e5, 1e6)
    )
    assert large.n_steps < small.n_steps / 100
    assert large.losses.max() > 100.0 * small.losses.max()
    assert larger.losses.max() / large.losses.max() == pytest.approx(10.0, rel=1e-6)
    # Small steps go down all the way.
    assert (np.diff(small.losses) < 0.0).all()


def test_what_cannot_end() -> None:
    for found in (
        batch_perceptron(XOR, max_steps=2500),
        logistic_descent(XOR, step=3.0, max_steps=2500),
    ):
        assert found.status is Status.NOT_CONVERGED
        assert found.n_steps == 2500  # more than a block
        assert found.n_errors.shape == (2501,)
    assert batch_perceptron(XOR, max_steps=3).losses.size == 0


def test_ends_at_the_earliest_after_one_step() -> None:
    examples = spherical()
    start = 1e4 * examples.teacher
    for normalised in (False, True):
        found = logistic_descent(
            examples, step=1.0, initial=start, normalised=normalised
        )
        assert found.n_steps == 1
        assert np.isfinite(found.weights).all()


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: logistic_descent([1], step=1.0), ParameterTypeError, "examples"),
        (lambda: logistic_descent(XOR, step=0.0), ParameterError, "step"),
        (lambda: logistic_descent(XOR, step=math.inf), ParameterError, "step"),
        (lambda: logistic_descent(XOR, step="big"), ParameterTypeError, "step"),
        (lambda: logistic_descent(XOR, step=1.0, initial=[1]), ParameterError, "init"),
        (
            lambda: logistic_descent(XOR, step=1.0, max_steps=0),
            ParameterError,
            "max_steps",
        ),
        (lambda: batch_perceptron(None), ParameterTypeError, "examples"),
        (lambda: batch_perceptron(XOR, ties="none"), ParameterError, "ties"),
        (lambda: batch_perceptron(XOR, normalised=1), ParameterTypeError, "normalised"),
        (lambda: batch_perceptron_gram([]), ParameterError, "gram"),
        (lambda: batch_perceptron_gram(7), ParameterTypeError, "gram"),
        (lambda: batch_perceptron_gram([[1, 2]]), ParameterError, "gram"),
        (lambda: batch_perceptron_gram([[1, 2], [3, 4]]), ParameterError, "symm"),
        (lambda: batch_perceptron_gram(SLOW, counts=[1]), ParameterError, "counts"),
        (lambda: batch_perceptron_gram(SLOW, counts=[0, 1]), ParameterError, "counts"),
        (lambda: batch_perceptron_gram(SLOW, ties="x"), ParameterError, "ties"),
        (lambda: batch_perceptron_gram(SLOW, max_steps=0), ParameterError, "max_steps"),
    ],
)
def test_bad_input(call, error, name: str) -> None:
    with pytest.raises(error, match=name):
        call()
