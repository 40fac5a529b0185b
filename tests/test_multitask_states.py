"""All stable states at a point, and how they fluctuate."""

import math
from fractions import Fraction

import multitask_reference as twin
import numpy as np
import pytest

from analytics.multitask import (
    disorder_covariance,
    find_parallel_temperature,
    find_pure_temperature,
    find_states,
    solve,
    thermal_covariance,
)
from statmech.errors import ParameterError, ParameterTypeError

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
CROSSING = (1.0 + 2.0 * math.sqrt(2.0)) / 7.0


def labels(*point, **options):
    return [state.label for state in find_states(*point, **options)]


def stable_states_of_three(d):
    """All stable T = 0 states of K = 3 in exact arithmetic.

    From every order of magnitudes that a grid of starts can have: sign(xi.m) only
    depends on which of m_1 - m_2 - m_3 and the like are positive.
    """
    law, found = twin.law_of_classes(3, d), set()
    for a in range(1, 8):
        for b in range(a + 1):
            for c in range(b + 1):
                start = [Fraction(n) for n in (12 * a + 2, 12 * b + 1, 12 * c)]
                m, tied = twin.iterate_cold(law, start)
                if not tied:
                    found.add(tuple(sorted(m, reverse=True)))
    return sorted(found, key=lambda m: -sum(a * a for a in m))


@pytest.mark.parametrize("d", ["1/10", "3/10", "1/2", "11/20", "3/5", "7/10", "9/10"])
def test_zero_temperature_of_three_patterns(d):
    """Hierarchical up to the golden ratio, lowest up to (1 + 2 sqrt 2)/7; graded."""
    d = Fraction(d)
    expected = stable_states_of_three(d)
    found = find_states(3, float(d), 0.0)
    assert len(found) == len(expected)
    for state, m in zip(found, expected, strict=True):
        np.testing.assert_allclose(state.m, [float(a) for a in m], atol=1e-15)
    names = [state.label for state in found]
    if d > GOLDEN:
        assert names == ["graded"]
    else:
        both = ["hierarchical", "graded"]
        assert names == (both if d < CROSSING else both[::-1])


@pytest.mark.parametrize("d", [0.05, 0.3, 0.6, 0.95])
def test_zero_temperature_of_two_patterns(d):
    assert labels(2, d, 0.0) == ["hierarchical"]


def test_mixtures_of_the_hopfield_network():
    """At d = 0 odd mixtures: of 3 below T = 0.4598, of 5 lower still."""
    cold = find_states(5, 0.0, 0.0)
    energies = {(s.m > 1e-9).sum(): s.energy for s in cold if np.ptp(s.m[s.m > 0]) == 0}
    assert energies[1] == -0.5
    assert energies[3] == pytest.approx(-3 * 0.5**2 / 2)
    assert energies[5] == pytest.approx(-5 * 0.375**2 / 2)
    assert all(s.energy >= -0.5 for s in cold)
    assert labels(3, 0.0, 0.45, n_starts=8) == ["pure", "parallel"]
    assert labels(3, 0.0, 0.47, n_starts=8) == ["pure"]


def test_sequences_on_cooling():
    """d < 2/3: paramagnet, pure, hierarchical; d > 2/3: parallel, then graded."""
    low = [labels(3, 0.4, t, n_starts=4)[0] for t in (0.7, 0.5, 0.2, 0.02)]
    assert low == ["paramagnetic", "pure", "hierarchical", "hierarchical"]
    high = [labels(3, 0.8, t, n_starts=4) for t in (0.3, 0.19, 0.06, 0.02)]
    assert high[:3] == [["paramagnetic"], ["parallel"], ["parallel"]]
    assert high[3] == ["graded"]
    assert labels(2, 0.6, find_pure_temperature(0.6).value + 1e-4) == ["pure"]


def test_two_patterns_part_continuously():
    """Below T_sym the difference grows like sqrt(T_sym - T)."""
    t_sym = find_parallel_temperature(2, 0.7).value
    gaps = []
    for distance in (4e-4, 1e-4, 2.5e-5):
        (state,) = find_states(2, 0.7, t_sym - distance, n_starts=4)
        gaps.append(state.m[0] - state.m[1])
    np.testing.assert_allclose(np.array(gaps[:-1]) / gaps[1:], 2.0, rtol=0.02)
    assert labels(2, 0.7, t_sym + 1e-4) == ["parallel"]


def test_window_of_the_parallel_state():
    """K = 3, d = 0.65: there from 0.15031 to 0.31318, beside the pure state above."""
    found = {
        t: labels(3, 0.65, t, n_starts=4) for t in (0.1493, 0.1513, 0.3122, 0.3142)
    }
    assert "parallel" not in found[0.1493] + found[0.3142]
    assert "parallel" in found[0.1513]
    assert "parallel" in found[0.3122]


def test_states_are_ordered_and_distinct():
    found = find_states(5, 0.5, 0.0)
    energies = [state.energy for state in found]
    assert energies == sorted(energies)
    assert len(found) > 10
    assert found[0].label == "hierarchical"
    for state in found:
        assert (np.diff(state.m) <= 0.0).all()
        assert state.m[-1] >= 0.0
        assert state.stable
        assert state.hessian_eigenvalues.tolist() == [1.0] * 5
    for i, one in enumerate(found):
        for other in found[:i]:
            assert abs(one.m - other.m).max() > 1e-7


def test_nearly_degenerate_states():
    """K = 5, d = 0.9: six states within 1e-8, whatever the number of starts."""
    found = find_states(5, 0.9, 0.0)
    assert all(state.label == "graded" for state in found)
    assert found[-1].energy - found[0].energy < 1e-8
    printed = [0.9745, 0.9005, 0.8276, 0.7545, 0.6809]
    np.testing.assert_allclose(found[0].m / 0.1, printed, atol=5.1e-5)


def test_a_low_state_that_random_starts_rarely_reach():
    """K = 5, d = 0.508: two levels over the graded state of three patterns."""
    low, ladder = find_states(5, 0.508, 0.0, n_starts=0)[:2]
    assert (low.label, ladder.label) == ("graded", "hierarchical")
    assert low.energy - ladder.energy == pytest.approx(-8.838e-6, abs=5e-10)


def test_search_is_reproducible():
    for temperature in (0.0, 0.05):
        one, two = (find_states(4, 0.5, temperature, seed=3) for _ in range(2))
        assert [s.m.tolist() for s in one] == [s.m.tolist() for s in two]
    more = find_states(4, 0.5, 0.0, n_starts=200, seed=3)
    known = [s.m for s in more]
    for state in find_states(4, 0.5, 0.0, n_starts=0):
        assert min(abs(state.m - m).max() for m in known) < 1e-12


def test_gain_and_no_state():
    plain, scaled = find_states(3, 0.3, 0.1), find_states(3, 0.3, 0.2, gain=2.0)
    for one, two in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(two.m, one.m, atol=1e-13)
        assert two.free_energy == pytest.approx(2.0 * one.free_energy)
    assert find_states(3, 0.3, 0.7) == ()
    assert labels(1, 0.3, 0.1) == ["pure"]


@pytest.mark.nightly
def test_low_states_do_not_depend_on_the_starts():
    """Ten times the starts find nothing lower by more than the near degeneracy."""
    for k in (4, 5, 6):
        for d in (0.3, 0.5, 0.7, 0.9):
            for x in (0.0, 0.1, 0.5):
                t = x * (1.0 - d)
                few, many = (find_states(k, d, t, n_starts=n) for n in (64, 640))
                gap = few[0].free_energy - many[0].free_energy
                assert gap < (3e-7 if t == 0.0 else 1e-12), (k, d, x)


# Fluctuations ------------------------------------------------------------------

# (K, d, T, gain)
POINTS = [
    (1, 0.3, 0.2, 1.0),
    (2, 0.3, 0.1, 1.0),
    (3, 0.5, 0.2, 2.0),
    (3, 0.8, 0.1, 1.0),
]


@pytest.mark.parametrize(("k", "d", "t", "gain"), POINTS)
def test_disorder_covariance_by_changing_the_law(k, d, t, gain):
    """J (diag w - w w^T) J^T with J = dm/dw by differences: counts are multinomial."""
    state = solve(k, d, t, gain=gain)
    law, h = twin.law_of_classes(k, d), 1e-5
    jacobian = []
    for i in range(len(law)):
        ends = []
        for sign in (1, -1):
            changed = list(law)
            changed[i] = (law[i][0] + sign * h, law[i][1])
            ends.append(np.array(twin.iterate(changed, list(state.m), t, gain)))
        jacobian.append((ends[0] - ends[1]) / (2 * h))
    j, w = np.array(jacobian).T, np.array([p for p, _ in law])
    expected = j @ (np.diag(w) - np.outer(w, w)) @ j.T
    found = disorder_covariance(state, d, t, gain)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("k", "d", "t", "gain"), POINTS)
def test_thermal_covariance_is_the_response(k, d, t, gain):
    """T dm/dh for fields h along the patterns, which shift gain m by h."""
    state, h = solve(k, d, t, gain=gain), 1e-5
    law = twin.law_of_classes(k, d)
    response = []
    for mu in range(k):
        ends = []
        for sign in (1, -1):
            m = list(state.m)
            while True:
                shifted = list(m)
                shifted[mu] += sign * h / gain
                m, old = twin.image(law, shifted, t, gain), m
                if max(abs(a - b) for a, b in zip(m, old, strict=True)) < 1e-15:
                    break
            ends.append(np.array(m))
        response.append(t * (ends[0] - ends[1]) / (2 * h))
    found = thermal_covariance(state, d, t, gain)
    np.testing.assert_allclose(found, response, atol=1e-7)
    assert (np.linalg.eigvalsh(found) > 0.0).all()


def test_printed_fluctuations():
    """K = 2, d = 0.3, T = 0.1, N = 10000: standard deviations 7e-5 and 1.28e-3."""
    covariance = thermal_covariance(solve(2, 0.3, 0.1), 0.3, 0.1)
    deviation = np.sqrt(np.diag(covariance) / 10_000)
    np.testing.assert_allclose(deviation, [7e-5, 1.28e-3], rtol=0.08)


def test_fluctuations_at_zero_temperature():
    """Spins follow the patterns: m_1 is a mean of |xi_1|, nothing moves in time."""
    state = solve(3, 0.4, 0.0)
    assert not thermal_covariance(state, 0.4, 0.0).any()
    found = disorder_covariance(state, 0.4, 0.0)
    assert found[0, 0] == pytest.approx(0.4 * 0.6)
    near = disorder_covariance(solve(3, 0.4, 1e-4), 0.4, 1e-4)
    np.testing.assert_allclose(found, near, atol=1e-12)


def test_fluctuations_need_a_stable_state_of_these_parameters():
    for compute in (disorder_covariance, thermal_covariance):
        with pytest.raises(ParameterError, match="stable"):
            compute(solve(2, 0.3, 0.1, start="parallel"), 0.3, 0.1)
        with pytest.raises(ParameterError, match="solved with"):
            compute(solve(2, 0.3, 0.1), 0.3, 0.2)


BAD = [
    ((13, 0.3, 0.1), {}, ParameterError, "n_patterns"),
    ((3, 1.3, 0.1), {}, ParameterError, "dilution"),
    ((3, 0.3, -1), {}, ParameterError, "temperature"),
    ((3, 0.3, 0.1), {"gain": -1.0}, ParameterError, "gain"),
    ((3, 0.3, 0.1), {"n_starts": -1}, ParameterError, "n_starts"),
    ((3, 0.3, 0.1), {"seed": 0.5}, ParameterTypeError, "seed"),
]


@pytest.mark.parametrize(("point", "options", "error", "text"), BAD)
def test_bad_input(point, options, error, text):
    with pytest.raises(error, match=text):
        find_states(*point, **options)
