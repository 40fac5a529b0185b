"""Stored diluted patterns at low load, against a sum over all classes one by one."""

import math
from fractions import Fraction

import multitask_reference as twin
import numpy as np
import pytest

from analytics.multitask import solve
from analytics.multitask.law import ternary_sum
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

# (K, d, T, gain)
POINTS = [
    (1, 0.3, 0.2, 1.0),
    (2, 0.3, 0.1, 1.0),
    (2, 0.7, 0.15, 1.0),
    (3, 0.5, 0.1, 2.0),
    (3, 0.2, 0.5, 1.0),
    (3, 0.8, 0.03, 1.0),
    (3, 0.8, 0.1, 5.0),
    (4, 0.4, 0.1, 1.0 / 0.6),
    (3, 0.0, 0.2, 1.0),
]
STARTS = ("hierarchical", "pure", "parallel")


def start_of(name, k, d):
    if name == "parallel":
        return [1.0 - d] * k
    return [(1.0 - d) * d**mu if mu == 0 or name != "pure" else 0.0 for mu in range(k)]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("k", "d", "t", "gain"), POINTS)
def test_solution_is_that_of_the_twin(k, d, t, gain, start):
    """Same descent; stationary; free energy; Hessian by differences."""
    law = twin.law_of_classes(k, d)
    state = solve(k, d, t, start=start, gain=gain)
    assert state.status is Status.CONVERGED
    expected = twin.iterate(law, start_of(start, k, d), t, gain)
    np.testing.assert_allclose(state.m, expected, atol=2e-12)
    np.testing.assert_array_equal(state.n, state.m)
    np.testing.assert_allclose(twin.image(law, state.m, t, gain), state.m, atol=3e-15)
    assert state.residual < 1e-14
    assert state.error < 1e-12
    f = twin.free_energy(law, state.m, t, gain)
    assert state.free_energy == pytest.approx(f, abs=1e-14)
    assert state.energy == pytest.approx(-0.5 * gain * sum(state.m**2), abs=1e-15)
    exact = gain * (np.eye(k) - gain / t * twin.curvature(law, state.m, t, gain))
    spectrum = np.linalg.eigvalsh(exact)
    np.testing.assert_allclose(state.hessian_eigenvalues, spectrum, atol=1e-12)
    assert state.stable == (spectrum[0] > 0.0)
    differences = twin.hessian(law, state.m, t, gain, h=0.01 * t / gain)
    np.testing.assert_allclose(differences, exact, atol=2e-6 * gain)


def test_gradient_by_differences():
    """df/dm = Gamma (m - E[xi tanh]) anywhere."""
    law, m, t, gain, h = twin.law_of_classes(3, 0.4), [0.3, -0.2, 0.05], 0.2, 1.7, 1e-5
    for mu in range(3):
        up, down = list(m), list(m)
        up[mu] += h
        down[mu] -= h
        slope = (
            twin.free_energy(law, up, t, gain) - twin.free_energy(law, down, t, gain)
        ) / (2.0 * h)
        expected = gain * (m[mu] - twin.image(law, m, t, gain)[mu])
        assert slope == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("k", "d"), [(2, "1/10"), (3, "3/10"), (3, "4/5"), (4, "3/5"), (4, "1/2"), (3, "0")]
)
@pytest.mark.parametrize("start", STARTS)
def test_zero_temperature_in_exact_arithmetic(k, d, start):
    d = Fraction(d)
    law = twin.law_of_classes(k, d)
    first = [Fraction(1) - d] * k
    if start != "parallel":
        ladder = [d**mu if mu else Fraction(1) for mu in range(k)]
        first = [(1 - d) * a for a in ladder]
    if start == "pure":
        first[1:] = [Fraction(0)] * (k - 1)
    m, tied = twin.iterate_cold(law, first)
    state = solve(k, float(d), 0.0, start=start)
    np.testing.assert_allclose(state.m, [float(a) for a in m], atol=1e-15)
    assert state.stable != tied
    spectrum = state.hessian_eigenvalues
    assert np.isin(spectrum, (1.0, -math.inf)).all()
    assert (spectrum[0] < 0.0) == tied
    energy = -0.5 * float(sum(a * a for a in m))
    assert state.energy == state.free_energy == pytest.approx(energy, abs=1e-15)


@pytest.mark.parametrize(
    ("k", "d"), [(2, 0.3), (3, 0.3), (3, 0.75), (5, 0.45), (2, 0.8), (4, 0.0)]
)
@pytest.mark.parametrize("start", STARTS)
def test_low_temperatures_lead_to_zero(k, d, start):
    """Directions that ties span have -w/T, the others 1 - exp(-field/T)."""
    cold = solve(k, d, 0.0, start=start)
    for t in (1e-3, 1e-6, 1e-12, 1e-40, 1e-99):
        state = solve(k, d, t, start=start)
        assert state.stable == cold.stable
        assert state.label == cold.label
        np.testing.assert_allclose(state.m, cold.m, atol=1e-7)
        assert state.free_energy == pytest.approx(cold.free_energy, abs=2 * t + 1e-15)
        finite = np.isfinite(cold.hessian_eigenvalues)
        assert (state.hessian_eigenvalues[~finite] < -1e-4 / t).all()
        np.testing.assert_allclose(state.hessian_eigenvalues[finite], 1.0, atol=1e-5)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("d", [0.05, 0.3, 0.45])
def test_hierarchical_state(k, d):
    """m_mu = (1 - d) d**(mu - 1) at T = 0."""
    state = solve(k, d, 0.0)
    np.testing.assert_allclose(state.m, (1 - d) * d ** np.arange(k), rtol=5e-12)
    assert state.stable
    assert state.label == ("pure" if k == 1 else "hierarchical")
    worst = 1.0 - 2.0 * d + d**k
    assert worst == pytest.approx((1 - d) * (1 - sum(d**j for j in range(1, k))))


def test_two_patterns_are_hierarchical_at_every_dilution():
    for d in (0.01, 0.5, 0.9, 0.999):
        state = solve(2, d, 0.0)
        np.testing.assert_allclose(state.m, (1 - d) * np.array([1, d]), rtol=1e-14)
        assert state.stable
        assert state.label == "hierarchical"


@pytest.mark.parametrize("d", [0.02, 0.2, 0.5, 0.6180, 0.7, 0.9, 0.99])
def test_graded_state_of_three(d):
    """x (1 - x^2/2, d + x^2/2, d^2 + x^2/2), a fixed point at every 0 < d < 1."""
    x = 1.0 - d
    m = x * np.array([1 - x * x / 2, d + x * x / 2, d * d + x * x / 2])
    state = solve(3, d, 0.0, start=m)
    np.testing.assert_allclose(state.m, m, atol=1e-15)
    assert (state.label, state.stable) == ("graded", True)
    crossing = (1 + 2 * math.sqrt(2)) / 7
    hierarchical = -0.5 * x * x * (1 + d * d + d**4)
    assert (state.energy < hierarchical) == (d > crossing)


def test_graded_state_of_five():
    state = solve(
        5, 0.9, 0.0, start=0.1 * np.array([0.9745, 0.9005, 0.8276, 0.7544, 0.6809])
    )
    printed = [0.9745, 0.9005, 0.8276, 0.7545, 0.6809]
    np.testing.assert_allclose(state.m / 0.1, printed, atol=5.1e-5)
    assert (state.label, state.stable) == ("graded", True)


@pytest.mark.parametrize("k", [3, 5])
def test_nearly_equal_for_strong_dilution(k):
    """m_mu/m_1 = 1 - (mu - 1)(1 - d) + O((1 - d)^2)."""
    for x in (1e-2, 1e-3, 1e-4):
        m = solve(k, 1.0 - x, 0.0).m
        np.testing.assert_allclose(m / m[0], 1 - x * np.arange(k), atol=3 * k * x * x)


def test_levels_below_their_temperature_are_empty():
    state = solve(5, 0.45, 0.03)
    printed = [0.55000, 0.24740, 0.11055, 0.04685, 0.0]
    np.testing.assert_allclose(state.m, printed, atol=5.1e-6)
    assert state.m[4] == 0.0
    assert (state.label, state.stable) == ("hierarchical", True)


@pytest.mark.parametrize(
    ("k", "d", "t"), [(2, 0.3, 0.5), (5, 0.5, 0.2), (4, 0.1, 0.05), (1000, 0.5, 0.4)]
)
def test_eigenvalues_of_the_pure_state(k, d, t):
    state = solve(k, d, t, start="pure")
    m = state.m[0]
    assert m == pytest.approx((1 - d) * math.tanh(m / t), abs=1e-14)
    left = 1 - math.tanh(m / t) ** 2
    along = 1 - (1 - d) * left / t
    across = 1 - (1 - d) / t * (d + (1 - d) * left)
    expected = np.sort([along] + [across] * (k - 1))
    np.testing.assert_allclose(state.hessian_eigenvalues, expected, atol=1e-12)
    assert state.label == "pure"


@pytest.mark.parametrize(
    ("k", "d", "t"), [(2, 0.8, 0.1), (3, 0.8, 0.02), (5, 0.4, 0.1)]
)
def test_eigenvalues_of_the_parallel_state(k, d, t):
    """1 - (A + (K-1) B)/T once, 1 - (A - B)/T for K - 1 directions."""
    state = solve(k, d, t, start="parallel")
    assert (state.m == state.m[0]).all()
    c = twin.curvature(twin.law_of_classes(k, d), state.m, t)
    expected = [1 - (c[0, 0] + (k - 1) * c[0, 1]) / t]
    expected += [1 - (c[0, 0] - c[0, 1]) / t] * (k - 1)
    np.testing.assert_allclose(state.hessian_eigenvalues, np.sort(expected), atol=1e-12)
    assert state.stable == (min(expected) > 0)
    cold = solve(k, d, 0.0, start="parallel")
    others = ternary_sum(k - 1, d).weight
    limit = (1 - d) * (others[k - 1] + others[k])
    np.testing.assert_allclose(cold.m, limit, atol=1e-15)


def test_permutations_and_signs():
    start = np.array([0.4, -0.05, 0.2, -0.01])
    base = solve(4, 0.45, 0.05, start=np.sort(abs(start))[::-1])
    state = solve(4, 0.45, 0.05, start=start)
    np.testing.assert_allclose(state.m, np.copysign(base.m[[0, 2, 1, 3]], start))
    assert state.free_energy == pytest.approx(base.free_energy, abs=1e-15)
    np.testing.assert_allclose(state.hessian_eigenvalues, base.hessian_eigenvalues)


def test_gain_is_a_unit_of_energy():
    """m depends on T/Gamma; energies scale; Gamma = 1/(1 - d) puts T_c at 1."""
    for d, t in ((0.3, 0.1), (0.6, 0.2), (0.8, 0.1)):
        plain, gain = solve(3, d, t), 1.0 / (1.0 - d)
        scaled = solve(3, d, t * gain, gain=gain)
        np.testing.assert_allclose(scaled.m, plain.m, atol=1e-14)
        for name in ("free_energy", "energy", "hessian_eigenvalues"):
            expected = gain * np.array(getattr(plain, name))
            np.testing.assert_allclose(getattr(scaled, name), expected, atol=1e-12)
    assert solve(3, 0.3, 1.0, gain=1 / 0.7).label == "paramagnetic"
    assert solve(3, 0.3, 1.0 - 1e-6, gain=1 / 0.7).label == "pure"


def test_paramagnet():
    for t in (0.7, 0.8, 1e300, math.inf):
        state = solve(3, 0.3, t)
        assert (state.label, state.status) == ("paramagnetic", Status.CLOSED_FORM)
        assert (state.m == 0.0).all()
        assert state.free_energy == -t * math.log(2.0)
        np.testing.assert_array_equal(state.hessian_eigenvalues, 1.0 - 0.7 / t)
        assert state.stable == (t > 0.7)
        doubled = solve(3, 0.3, 2.0 * t, gain=2.0).hessian_eigenvalues
        np.testing.assert_allclose(doubled, 2.0 * state.hessian_eigenvalues)
    below = solve(3, 0.3, 0.3, start=np.zeros(3))
    assert (below.label, below.stable) == ("paramagnetic", False)
    np.testing.assert_allclose(below.hessian_eigenvalues, 1.0 - 0.7 / 0.3)
    assert below.free_energy == pytest.approx(-0.3 * math.log(2.0))


def test_descent_leaves_a_saddle():
    """A start next to an unstable state moves little at first, and yet leaves it."""
    for tilt in (1e-6, 1e-12):
        state = solve(2, 0.5, 0.1, start=[0.5, tilt])
        np.testing.assert_allclose(state.m, solve(2, 0.5, 0.1).m, atol=1e-12)
        state = solve(3, 0.8, 0.02, start=[0.1, 0.1 - tilt, 0.1 - 3 * tilt])
        assert (state.label, state.stable) == ("graded", True)


def test_next_to_a_transition_says_so():
    state = solve(3, 0.3, 0.7 * (1.0 - 1e-10), start="pure")
    assert state.status is Status.NOT_CONVERGED
    assert np.isnan(state.m).all()
    assert not state.stable


def test_extreme_parameters():
    for d in (0.0, 1e-300, 1e-9, 1.0 - 1e-9, 1.0 - 2.0**-53):
        for t in (0.0, 1e-300, 1e-20, 0.5 * (1.0 - d)):
            for start in STARTS:
                state = solve(4, d, t, start=start)
                assert state.status.ok
                assert (abs(state.m) <= (1.0 - d) * (1 + 1e-14)).all()
                assert not np.isnan(state.hessian_eigenvalues).any()
                assert math.isfinite(state.free_energy)


BAD = [
    ((0, 0.3, 0.1), {}, ParameterError, "n_patterns"),
    ((1001, 0.3, 0.1), {}, ParameterError, "n_patterns"),
    ((13, 0.3, 0.1), {}, ParameterError, "12 patterns of different amplitude"),
    ((2.0, 0.3, 0.1), {}, ParameterTypeError, "n_patterns"),
    ((2, 1.0, 0.1), {}, ParameterError, "dilution"),
    ((2, -0.1, 0.1), {}, ParameterError, "dilution"),
    ((2, math.nan, 0.1), {}, ParameterError, "dilution"),
    ((2, 0.3, -0.1), {}, ParameterError, "temperature"),
    ((2, 0.3, math.nan), {}, ParameterError, "temperature"),
    ((2, 0.3, "cold"), {}, ParameterTypeError, "temperature"),
    ((2, 0.3, 0.1), {"gain": 0.0}, ParameterError, "gain"),
    ((2, 0.3, 0.1), {"gain": math.inf}, ParameterError, "gain"),
    ((2, 0.3, 0.1), {"start": "purr"}, ParameterError, "did you mean 'pure'"),
    ((2, 0.3, 0.1), {"start": [0.1]}, ParameterError, "start"),
    ((2, 0.3, 0.1), {"start": [0.1, math.nan]}, ParameterError, "start"),
    ((2, 0.3, 0.1), {"start": [True, False]}, ParameterTypeError, "start"),
]


@pytest.mark.parametrize(("point", "options", "error", "text"), BAD)
def test_bad_input(point, options, error, text):
    with pytest.raises(error, match=text):
        solve(*point, **options)
