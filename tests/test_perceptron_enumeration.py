"""All students of small perceptrons, beside lists made by itertools and fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from statmech.errors import ParameterError, ParameterTypeError
from statmech.perceptron import Examples, random_examples, teacher_examples
from statmech.perceptron.enumeration import find_solutions, take_census


def everyone(n):
    return np.array(list(itertools.product([-1, 1], repeat=n)))


def listed(examples, reference):
    """counts[E, k], one student at a time."""
    counts = np.zeros((examples.n_patterns + 1, examples.n_weights + 1), dtype=int)
    for j in everyone(examples.n_weights):
        wrong = sum(
            int(y) * sum(int(a) * int(b) for a, b in zip(j, x, strict=True)) < 0
            for x, y in zip(examples.inputs, examples.labels, strict=True)
        )
        counts[wrong, int(np.sum(j != reference))] += 1
    return counts


@pytest.mark.parametrize(("n", "p"), [(1, 1), (1, 3), (3, 2), (5, 7), (7, 4), (9, 40)])
def test_every_student_is_counted_where_it_belongs(n, p):
    for seed in range(2):
        examples = teacher_examples(n, p, seed)
        census = take_census(examples)
        np.testing.assert_array_equal(census.counts, listed(examples, examples.teacher))
        assert census.counts.sum() == 2**n
        other = np.where(np.arange(n) % 2 == 0, 1, -1)
        np.testing.assert_array_equal(
            take_census(examples, other).counts, listed(examples, other)
        )


@pytest.mark.parametrize(("n", "p"), [(1, 1), (5, 3), (9, 6), (11, 30)])
def test_solutions_are_all_students_without_errors_each_once(n, p):
    examples = random_examples(n, p, seed=n)
    found = find_solutions(examples)
    wanted = {tuple(j) for j in everyone(n) if examples.count_errors(j) == 0}
    assert {tuple(j) for j in found} == wanted
    assert len(found) == len(wanted) == take_census(examples).n_solutions


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 0.05, 0.7, 30.0, math.inf])
def test_averages_are_those_of_the_boltzmann_weights(temperature):
    """Against sums over the students, by energies above the ground state."""
    examples = random_examples(9, 15, seed=4)
    census = take_census(examples)
    students = everyone(9)
    errors = (examples.fields(students) < 0).sum(axis=0)
    overlap = students.mean(axis=1)
    lowest = errors.min()
    assert lowest > 0  # the case that could go wrong at T = 0
    if temperature == 0.0:
        weight = (errors == lowest).astype(float)
    else:
        weight = np.exp(-(errors - lowest) / temperature)
    p = weight / weight.sum()
    thermal = census.average(temperature)
    assert thermal.errors == pytest.approx(p @ errors, rel=1e-12)
    assert thermal.overlap == pytest.approx(p @ overlap, abs=1e-13)
    shannon = -np.sum(p[p > 0] * np.log(p[p > 0])) / 9
    assert thermal.entropy == pytest.approx(shannon, rel=1e-12, abs=1e-14)


def test_the_posterior_mean_satisfies_nishimori_exactly():
    """Averaged over all teachers of fixed patterns, <R> = <q> in rational numbers.

    A student drawn from another law, here the uniform one over students with at most
    one error, breaks the identity.
    """
    n, p = 5, 4
    x = random_examples(n, p, seed=8).inputs
    students = everyone(n)

    def difference(most_errors):
        total = Fraction(0)
        for w in students:
            labels = np.sign(x @ w)
            errors = ((students @ x.T) * labels < 0).sum(axis=1)
            good = students[errors <= most_errors]
            mean = [Fraction(int(s), len(good)) for s in good.sum(axis=0)]
            r = sum(m * int(wi) for m, wi in zip(mean, w, strict=True))
            total += r - sum(m * m for m in mean)
        return total

    assert difference(0) == 0
    assert difference(1) != 0


def test_bad_input_is_named():
    even = Examples(np.ones((2, 4)), [1, 1])
    with pytest.raises(ParameterError, match="n_weights"):
        take_census(even)
    with pytest.raises(ParameterError, match="n_weights"):
        take_census(random_examples(33, 4, seed=0))
    with pytest.raises(ParameterError, match="inputs"):
        take_census(random_examples(5, 4, seed=0, inputs="gaussian"))
    with pytest.raises(ParameterTypeError, match="examples"):
        find_solutions(np.ones((2, 5)))
    good = teacher_examples(5, 3, seed=0)
    for reference in ([1, 1, 1], [1, 1, 0, 1, 1], "teacher", [math.nan] * 5):
        with pytest.raises((ParameterError, ParameterTypeError), match="reference"):
            take_census(good, reference)
    with pytest.raises(ParameterError, match="temperature"):
        take_census(good).average(-1.0)
