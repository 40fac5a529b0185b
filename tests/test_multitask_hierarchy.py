"""Up to which dilution the hierarchical state exists at T = 0, and is the lowest."""

import math

import multitask_reference as twin
import pytest

from analytics.multitask import (
    find_energy_crossing,
    find_hierarchy_threshold,
    find_states,
    solve,
)
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

THRESHOLDS = {3: 0.618034, 4: 0.543689, 5: 0.518790, 6: 0.508660}


@pytest.mark.parametrize("k", THRESHOLDS)
def test_hierarchy_threshold(k):
    found = find_hierarchy_threshold(k)
    d = found.value
    assert d == pytest.approx(THRESHOLDS[k], abs=5.1e-7)
    assert 1 - 2 * d + d**k == pytest.approx(0.0, abs=1e-14)
    assert solve(k, d - 1e-9, 0.0).label == "hierarchical"
    assert solve(k, d + 1e-9, 0.0).label == "graded"


def test_hierarchy_threshold_at_its_ends():
    assert find_hierarchy_threshold(3).value == pytest.approx((math.sqrt(5) - 1) / 2)
    assert find_hierarchy_threshold(2).status is Status.NO_TRANSITION
    assert find_hierarchy_threshold(1000).value == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize(
    ("k", "d", "fraction"), [(3, 0.625, 0.0174), (3, 0.64, 0.0158), (5, 0.53, 0.0015)]
)
def test_unstable_spins_above_the_threshold(k, d, fraction):
    """x (x/2)**(K-1) of all: those whose first pattern opposes all the others."""
    ladder = [(1 - d) * d**mu for mu in range(k)]
    unstable = 0.0
    for weight, xi in twin.law_of_classes(k, d):
        first = next((entry for entry in xi if entry), 0)
        unstable += weight * (first * twin.field(xi, ladder) < 0)
    assert unstable == pytest.approx((1 - d) * ((1 - d) / 2) ** (k - 1))
    assert unstable / (1 - d**k) == pytest.approx(fraction, abs=5.1e-5)


def test_energy_crossing():
    assert find_energy_crossing(2).status is Status.NO_TRANSITION
    three = find_energy_crossing(3)
    assert three.value == pytest.approx(0.546918, abs=5.1e-7)
    assert three.status is Status.CLOSED_FORM
    for k, low, high in ((4, 0.5180, 0.5190), (5, 0.50, 0.51), (6, 0.5, 0.507)):
        found = find_energy_crossing(k)
        assert found.status is Status.SEARCH
        assert found.status.ok
        assert low < found.value < high
        below = find_states(k, found.value - 1e-4, 0.0)
        above = find_states(k, found.value + 1e-4, 0.0)
        assert (below[0].label, above[0].label) == ("hierarchical", "graded")


@pytest.mark.nightly
def test_energy_crossing_with_many_starts():
    for k in (4, 5, 6):
        values = [find_energy_crossing(k, n_starts=n, seed=n).value for n in (64, 2000)]
        assert values[0] == pytest.approx(values[1], abs=1e-12)


BAD = [
    (find_hierarchy_threshold, (1,), {}, ParameterError, "n_patterns"),
    (find_hierarchy_threshold, (3.0,), {}, ParameterTypeError, "n_patterns"),
    (find_energy_crossing, (13,), {}, ParameterError, "n_patterns"),
    (find_energy_crossing, (4,), {"n_starts": -1}, ParameterError, "n_starts"),
    (find_energy_crossing, (4,), {"seed": -1}, ParameterError, "seed"),
]


@pytest.mark.parametrize(("find", "point", "options", "error", "text"), BAD)
def test_bad_input(find, point, options, error, text):
    with pytest.raises(error, match=text):
        find(*point, **options)
