"""Examples of a perceptron: labels, overlaps, units, seeds, bad input."""

import math

import numpy as np
import pytest

from statmech import machine
from statmech.errors import MemoryLimitError, ParameterError, ParameterTypeError
from statmech.perceptron import (
    Examples,
    correlated_weights,
    generalization_error,
    random_examples,
    relabel,
    teacher_examples,
    weight_overlap,
)

KINDS = [(w, i) for w in ("binary", "spherical") for i in ("binary", "gaussian")]


@pytest.mark.parametrize(("weights", "inputs"), KINDS)
def test_labels_are_those_of_the_teacher(weights: str, inputs: str) -> None:
    examples = teacher_examples(101, 37, seed=4, weights=weights, inputs=inputs)
    assert (examples.n_weights, examples.n_patterns) == (101, 37)
    assert examples.alpha == 37 / 101
    assert examples.binary_inputs == (inputs == "binary")
    for x, y in zip(examples.inputs, examples.labels, strict=True):
        field = math.fsum(
            float(a) * b for a, b in zip(x, examples.teacher, strict=True)
        )
        assert y * field > 0.0
    assert examples.count_errors(examples.teacher) == 0
    assert examples.count_errors(-examples.teacher) == 37
    assert float(examples.teacher @ examples.teacher) == pytest.approx(101)
    assert examples.teacher_overlap(3.0 * examples.teacher) == pytest.approx(1.0)
    assert (np.abs(examples.teacher) == 1).all() == (weights == "binary")


def test_statistics_of_patterns() -> None:
    """Mean, variance and labels of 2e5 entries: |z| < 4 each."""
    for inputs in ("binary", "gaussian"):
        examples = random_examples(1000, 200, seed=1, inputs=inputs)
        x = examples.inputs.astype(float)
        assert abs(x.mean()) < 4.0 / math.sqrt(x.size)
        assert abs((x**2).mean() - 1.0) < 4.0 * math.sqrt(2.0 / x.size)
        assert abs(examples.labels.mean()) < 4.0 / math.sqrt(200)
        assert abs((x * examples.labels[:, None]).mean()) < 4.0 / math.sqrt(x.size)


@pytest.mark.parametrize(("weights", "inputs"), KINDS)
def test_reproducible_and_a_prefix(weights: str, inputs: str) -> None:
    """More patterns of one seed begin with the same ones, of the same teacher."""
    settings = {"weights": weights, "inputs": inputs}
    one, same, more, other, moved = (
        teacher_examples(31, p, seed, path=path, **settings)
        for p, seed, path in (
            (20, 1, (2,)),
            (20, 1, (2,)),
            (33, 1, (2,)),
            (20, 2, (2,)),
            (20, 1, (3,)),
        )
    )
    for name in ("inputs", "labels", "teacher"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
        assert (getattr(one, name) != getattr(other, name)).any()
        assert (getattr(one, name) != getattr(moved, name)).any()
    np.testing.assert_array_equal(one.inputs, more.inputs[:20])
    np.testing.assert_array_equal(one.labels, more.labels[:20])
    np.testing.assert_array_equal(one.teacher, more.teacher)


def test_random_labels_are_a_prefix_too() -> None:
    one, more = (random_examples(31, p, seed=1) for p in (20, 33))
    np.testing.assert_array_equal(one.inputs, more.inputs[:20])
    np.testing.assert_array_equal(one.labels, more.labels[:20])
    assert one.teacher is None
    # Patterns do not depend on where the labels come from.
    np.testing.assert_array_equal(one.inputs, teacher_examples(31, 20, seed=1).inputs)


def test_fields_and_stability() -> None:
    """In units in which a random student has fields of order one."""
    examples = Examples([[1.0, 2.0], [3.0, 1.0]], [1, -1])
    np.testing.assert_array_equal(examples.aligned, [[1, 2], [-3, -1]])
    np.testing.assert_array_equal(examples.fields([1, 1]), [3.0, -4.0])
    both = examples.fields([[1, 1], [0, 1], [-1, 1]])
    np.testing.assert_array_equal(both, [[3, 2, 1], [-4, -1, 2]])
    assert examples.stability([3.0, 4.0]) == pytest.approx(-13.0 / 5.0)
    assert examples.stability([30.0, 40.0]) == pytest.approx(-13.0 / 5.0)
    assert examples.count_errors([1, 1]) == 1
    assert examples.count_errors([2, -1]) == 2  # a field of zero is an error
    with pytest.raises(ParameterError, match="weights"):
        examples.stability([0.0, 0.0])
    many = random_examples(1001, 400, seed=1)
    spread = many.fields(np.ones(1001)) / math.sqrt(1001)
    assert abs(spread.std() - 1.0) < 4.0 / math.sqrt(800)
    assert many.stability(np.ones(1001)) == pytest.approx(spread.min())


def test_int8_is_kept_and_does_not_overflow() -> None:
    examples = Examples(np.ones((1, 300)), np.array([1.0]))
    assert examples.inputs.dtype == examples.labels.dtype == np.int8
    assert examples.fields(np.ones(300)).tolist() == [300.0]
    assert Examples([[1, 2]], [1]).inputs.dtype == np.float64


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 1, 1, 1], [1, 1, 1, -1], 0.5),
        ([1, 0], [0, 3], 0.0),
        ([1, 2], [-2, -4], -1.0),
        ([3e200, 4e200], [3e-200, 4e-200], 1.0),
        ([5e-324], [1e308], 1.0),
    ],
)
def test_weight_overlap(first, second, expected: float) -> None:
    assert weight_overlap(first, second) == pytest.approx(expected, abs=1e-15)


def test_overlap_of_parallel_vectors_is_at_most_one() -> None:
    """Rounding would exceed it, and the error of it would not exist."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        a = rng.standard_normal(17)
        assert generalization_error(weight_overlap(a, 3.0 * a)) < 1e-7


@pytest.mark.parametrize(
    ("overlap", "expected"), [(1.0, 0.0), (0.5, 1 / 3), (0.0, 0.5), (-1.0, 1.0)]
)
def test_generalization_error(overlap: float, expected: float) -> None:
    assert generalization_error(overlap) == pytest.approx(expected)


def test_generalization_error_is_how_often_they_differ() -> None:
    """40 000 Gaussian patterns; |z| < 4."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 5))
    x = rng.standard_normal((40_000, 5))
    share = np.mean(np.sign(x @ a) != np.sign(x @ b))
    expected = generalization_error(weight_overlap(a, b))
    assert abs(share - expected) < 4.0 * math.sqrt(expected * (1 - expected) / 40_000)


@pytest.mark.parametrize("n", [10, 101])
@pytest.mark.parametrize("overlap", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_correlated_weights_meet_their_overlap(n: int, overlap: float) -> None:
    weights = teacher_examples(n, 1, seed=1, inputs="gaussian").teacher
    kept = weights.copy()
    found = correlated_weights(weights, overlap, seed=3)
    assert abs(found @ weights / n - overlap) <= 1.0 / n + 1e-12
    np.testing.assert_array_equal(weights, kept)
    np.testing.assert_array_equal(found, correlated_weights(weights, overlap, seed=3))
    if abs(overlap) < 1.0:
        other = correlated_weights(weights, overlap, seed=4)
        assert (found != other).any()


def test_turned_weights_are_at_random_places() -> None:
    """Each of 20 places turned with probability 1/4 in 2000 draws, |z| < 5 each."""
    turned = np.mean(
        [correlated_weights(np.ones(20), 0.5, seed) < 0 for seed in range(2000)], axis=0
    )
    assert np.abs(turned - 0.25).max() < 5.0 * math.sqrt(0.25 * 0.75 / 2000)


def test_relabel() -> None:
    examples = teacher_examples(31, 20, seed=1)
    other = np.linspace(-1.0, 2.0, 31)
    moved = relabel(examples, other)
    assert moved.count_errors(other) == 0
    np.testing.assert_array_equal(moved.inputs, examples.inputs)


def test_memory_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda: 10**8)
    with pytest.raises(MemoryLimitError, match="n_patterns"):
        teacher_examples(10**5 + 1, 10**5, seed=1)
    with pytest.raises(MemoryLimitError, match="fits"):
        random_examples(10**4, 10**4, seed=1, inputs="gaussian")


SMALL = Examples([[1.0, 2.0]], [1])


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: Examples([], []), ParameterError, "inputs"),
        (lambda: Examples([[]], [1]), ParameterError, "inputs"),
        (lambda: Examples([1, 1], [1, 1]), ParameterError, "inputs"),
        (lambda: Examples([[1, math.nan]], [1]), ParameterError, "inputs"),
        (lambda: Examples([[1, 1j]], [1]), ParameterTypeError, "inputs"),
        (lambda: Examples([["a"]], [1]), ParameterTypeError, "inputs"),
        (lambda: Examples([[True]], [1]), ParameterTypeError, "inputs"),
        (lambda: Examples([[1, 1]], [0]), ParameterError, "labels"),
        (lambda: Examples([[1, 1]], [1, 1]), ParameterError, "labels"),
        (lambda: Examples([[1, 1]], [1], [1]), ParameterError, "teacher"),
        (lambda: Examples([[1, 1]], [1], [-1, -1]), ParameterError, "labels"),
        (lambda: Examples([[1, 1]], [1], [1, -1]), ParameterError, "teacher"),
        (lambda: SMALL.fields([1.0]), ParameterError, "weights"),
        (lambda: SMALL.fields("ab"), ParameterTypeError, "weights"),
        (lambda: SMALL.fields([1j, 1.0]), ParameterTypeError, "weights"),
        (lambda: SMALL.fields([[1.0], [1.0, 2.0]]), ParameterTypeError, "weights"),
        (lambda: SMALL.fields(1.0), ParameterError, "weights"),
        (lambda: SMALL.fields([[[1.0, 1.0]]]), ParameterError, "weights"),
        (lambda: SMALL.count_errors([[1.0, 1.0]]), ParameterError, "weights"),
        (lambda: SMALL.count_errors([1.0, math.inf]), ParameterError, "weights"),
        (lambda: SMALL.stability([1.0]), ParameterError, "weights"),
        (lambda: SMALL.teacher_overlap([1.0, 1.0]), ParameterError, "teacher"),
        (lambda: weight_overlap([0, 0], [1, 1]), ParameterError, "first, second"),
        (lambda: weight_overlap([1, 1], [1]), ParameterError, "second"),
        (lambda: generalization_error(1.5), ParameterError, "teacher_overlap"),
        (lambda: generalization_error("1"), ParameterTypeError, "teacher_overlap"),
        (lambda: teacher_examples(10, 5, 1), ParameterError, "n_weights"),
        (lambda: teacher_examples(0, 5, 1), ParameterError, "n_weights"),
        (lambda: teacher_examples(11, 0, 1), ParameterError, "n_patterns"),
        (lambda: teacher_examples(11, 2.5, 1), ParameterTypeError, "n_patterns"),
        (lambda: teacher_examples(11, 5, -1), ParameterError, "seed"),
        (lambda: teacher_examples(11, 5, 1, path=3), ParameterTypeError, "path"),
        (lambda: teacher_examples(11, 5, 1, weights="x"), ParameterError, "weights"),
        (lambda: teacher_examples(11, 5, 1, inputs=None), ParameterTypeError, "inputs"),
        (lambda: random_examples(11, 5, 1, inputs="binray"), ParameterError, "binary"),
        (lambda: relabel(SMALL, [1.0]), ParameterError, "teacher"),
        (lambda: relabel(SMALL, [2.0, -1.0]), ParameterError, "teacher"),
        (lambda: correlated_weights([1, 2], 0.5, 1), ParameterError, "weights"),
        (lambda: correlated_weights([1, 1], 1.5, 1), ParameterError, "overlap"),
        (lambda: correlated_weights([1, 1], math.nan, 1), ParameterError, "overlap"),
        (lambda: correlated_weights([1, 1], 0.5, 1.5), ParameterTypeError, "seed"),
    ],
)
def test_bad_input(call, error, name: str) -> None:
    with pytest.raises(error, match=name):
        call()
