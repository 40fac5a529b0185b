"""Averages over the classes, and the names of states."""

import multitask_reference as twin
import numpy as np
import pytest

from analytics.multitask.descent import sech_squared, signs
from analytics.multitask.label import classify
from analytics.multitask.law import Law, list_classes, ternary_sum
from statmech.errors import ParameterError


@pytest.mark.parametrize("groups", [(5,), (2, 3), (1, 1, 3), (2, 1, 2), (1, 4)])
def test_groups_are_the_full_sum(groups):
    """Every moment and the spectrum, from words and from all classes."""
    d, k = 0.35, sum(groups)
    amplitudes = 0.1 * np.arange(1.0, len(groups) + 1) ** 2
    m = np.repeat(amplitudes, groups)
    words, full, listed = Law(groups, d), Law((1,) * k, d), list_classes(k, d)
    y, z, w = words.fields(amplitudes), full.fields(m), listed.xi @ m
    assert words.weight.sum() == pytest.approx(1.0, abs=1e-14)
    assert listed.weight.sum() + listed.blank == pytest.approx(1.0, abs=1e-14)
    even = words.average(np.cos(y))
    assert even == pytest.approx(full.average(np.cos(z)), abs=1e-14)
    assert even == pytest.approx(listed.weight @ np.cos(w) + listed.blank, abs=1e-14)
    first = full.first(np.sin(z))
    np.testing.assert_allclose(np.repeat(words.first(np.sin(y)), groups), first)
    np.testing.assert_allclose((listed.weight * np.sin(w)) @ listed.xi, first)
    second = full.second(np.cos(z))
    np.testing.assert_allclose(np.diag(second), full.square(np.cos(z)))
    np.testing.assert_allclose(
        np.repeat(words.square(np.cos(y)), groups), np.diag(second)
    )
    np.testing.assert_allclose(
        words.spectrum(np.cos(y)), np.linalg.eigvalsh(second), atol=1e-14
    )
    np.testing.assert_allclose(full.sizes(m).max(), np.sum(m))


def test_classes_are_those_of_the_product():
    listed = list_classes(3, 0.4)
    half = [(w, xi) for w, xi in twin.law_of_classes(3, 0.4) if xi > (0, 0, 0)]
    assert listed.xi.tolist() == [list(xi) for _, xi in half]
    np.testing.assert_allclose(listed.weight, [2 * w for w, _ in half], rtol=1e-14)
    assert listed.blank == pytest.approx(0.4**3)


@pytest.mark.parametrize("d", [0.0, 0.3, 0.9])
def test_sum_of_entries(d):
    """P(S) and E[number of nonzero entries | S] of four."""
    letter = ternary_sum(4, d)
    weight, occupied = np.zeros(9), np.zeros(9)
    for p, xi in twin.law_of_classes(4, d):
        weight[4 + sum(xi)] += p
        occupied[4 + sum(xi)] += p * sum(abs(a) for a in xi)
    np.testing.assert_allclose(letter.weight, weight, atol=1e-16)
    np.testing.assert_allclose(letter.occupied * weight, occupied, atol=1e-16)
    np.testing.assert_array_equal(letter.values, np.arange(-4, 5))


@pytest.mark.parametrize("groups", [(1,) * 6, (1, 2, 1, 1), (1, 3)])
def test_rare_sites_are_not_lost_in_rounding(groups):
    """Patterns whose classes weigh 1e-9 each keep their relative accuracy."""
    d, u = 1e-9, 1e-9 ** np.arange(float(len(groups)))
    law = Law(groups, d)
    m = law.first(np.sign(law.fields(u)))
    # A site copies the first group whose sum is not 0.
    letters = [ternary_sum(k, d) for k in groups]
    size = [float(np.abs(letter.values) @ letter.weight) for letter in letters]
    blank = [letter.weight[k] for k, letter in zip(groups, letters, strict=True)]
    free = np.cumprod([1.0, *blank[:-1]])
    np.testing.assert_allclose(m, free * np.array(size) / groups, rtol=1e-7)


def test_ties_are_found_through_rounding():
    """0.1 + 0.2 - 0.3 is 0 but for rounding; a relative 1e-12 is not."""
    law = Law((1, 1, 1), 0.3)
    u = np.array([0.1, 0.2, 0.3])
    tied = law.support(signs(law, u) == 0.0)
    assert {tuple(abs(row)) for row in tied} == {(0, 0, 0), (1, 1, 1)}
    assert len(tied) == 2
    u[2] *= 1.0 + 1e-12
    assert len(law.support(signs(law, u) == 0.0)) == 1


def test_sech_squared_in_the_tail():
    y = np.array([-400.0, -30.0, 0.0, 0.5, 30.0])
    expected = [0.0, 4.0 * np.exp(-60.0), 1.0, 1.0 - np.tanh(0.5) ** 2, 0.0]
    expected[4] = expected[1]
    np.testing.assert_allclose(sech_squared(y), expected, rtol=1e-14, atol=1e-300)


def test_too_many_classes():
    with pytest.raises(ParameterError, match="of different amplitude"):
        Law((1,) * 13, 0.3)
    with pytest.raises(ParameterError, match="at most 12"):
        list_classes(13, 0.3)
    assert list_classes(12, 0.3).xi.shape == (265720, 12)


LABELS = [
    ([0.0, 0.0], "paramagnetic"),
    ([0.0, -0.3, 0.0], "pure"),
    ([0.2], "pure"),
    ([0.2, -0.2, 0.2], "parallel"),
    ([0.1, 0.5], "hierarchical"),
    ([0.5, 0.25, 0.125, 0.0], "hierarchical"),
    ([0.5, 0.3, 0.2], "graded"),
    ([0.5, 0.3, 0.25], "graded"),
    ([0.5, 0.3, 0.25, 0.0], "mixed"),
    ([0.5, 0.3, 0.3], "mixed"),
    ([0.5, 0.2, 0.2], "mixed"),
    ([0.5, 0.5, 0.0], "mixed"),
]


@pytest.mark.parametrize(("m", "label"), LABELS)
def test_labels(m, label):
    m = np.array(m)
    assert classify(m) == classify(-m[::-1]) == classify(1e-9 * m) == label
