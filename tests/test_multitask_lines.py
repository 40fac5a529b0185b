"""Where the states of stored diluted patterns lose stability."""

import math
from itertools import pairwise

import mpmath
import multitask_reference as twin
import numpy as np
import pytest

from analytics.multitask import (
    find_parallel_temperature,
    find_pure_temperature,
    find_states,
    level_temperatures,
    solve,
)
from analytics.multitask.law import ternary_sum
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

PURE = {0.2: 0.160117, 0.3: 0.212763, 0.5: 0.287210, 0.6: 0.316030}


@pytest.mark.parametrize("d", PURE)
def test_pure_temperature(d):
    found = find_pure_temperature(d)
    assert found.value == pytest.approx(PURE[d], abs=5.1e-7)
    for factor, stable in ((1 - 1e-5, False), (1 + 1e-5, True)):
        state = solve(3, d, found.value * factor, start="pure")
        assert state.stable is stable
        assert abs(state.hessian_eigenvalues[0]) < 1e-3
    for t in np.linspace(found.value, 1.0 - d, 12)[1:-1]:
        assert solve(2, d, t, start="pure").stable


@pytest.mark.parametrize(
    "d", [1e-8, 0.01, 0.049, 0.051, 0.3, 0.6, 0.66, 0.6666, 0.666666]
)
def test_pure_temperature_in_many_digits(d):
    with mpmath.workdps(50):
        dm = mpmath.mpf(d)

        def eigenvalue(y):
            t = mpmath.tanh(y)
            return (t / y - 1 + (1 - dm) * t * t) / y**2

        low, high = mpmath.mpf("1e-6"), 2 / dm
        for _ in range(150):
            y = (low + high) / 2
            low, high = (y, high) if eigenvalue(y) > 0 else (low, y)
        expected = (1 - dm) * mpmath.tanh(y) / y
        found = find_pure_temperature(d)
        assert abs(found.value - expected) <= max(found.error, 4e-16 * found.value)
    assert found.error < 1e-13


def test_pure_temperature_at_its_ends():
    """T1 ~ d (1 - d) for small d; no pure state from d = 2/3 on."""
    for d in (1e-300, 1e-4, 0.02):
        assert find_pure_temperature(d).value == pytest.approx(d * (1 - d), rel=1e-12)
    assert find_pure_temperature(0.0).value == 0.0
    assert solve(4, 0.0, 1e-3, start="pure").stable
    assert find_pure_temperature(2 / 3 - 1e-13).value == pytest.approx(1 / 3)
    for d in (2 / 3, 0.67, 0.9):
        found = find_pure_temperature(d)
        assert found.status is Status.NO_TRANSITION
        assert math.isnan(found.value)
        for x in (0.999, 0.9, 0.5, 0.01):
            assert not solve(2, d + 1e-9, x * (1 - d), start="pure").stable


def test_quartic_term_below_the_critical_temperature():
    """{3 x^2 (m.m)^2 + x (3d - 2) sum m^4}/(12 T^3): pure if d < 2/3, else parallel."""
    h = 0.02
    for k, d in ((2, 0.5), (3, 0.7)):
        x = t = 1.0 - d
        law = twin.law_of_classes(k, d)
        for m in ([h] + [0.0] * (k - 1), [h / math.sqrt(k)] * k):
            f = twin.free_energy(law, m, t) + t * math.log(2.0)
            s2, s4 = sum(a * a for a in m), sum(a**4 for a in m)
            quartic = (3 * x * x * s2 * s2 + x * (3 * d - 2) * s4) / (12 * t**3)
            assert f == pytest.approx(quartic, rel=0.01)
    for d, lowest in ((0.66, "pure"), (0.67, "parallel")):
        assert find_states(3, d, 0.99 * (1 - d), n_starts=0)[0].label == lowest


PARALLEL = {
    (2, 0.7): 0.093764,
    (2, 0.8): 0.040081,
    (3, 0.8): 0.048649,
    (5, 0.8): 0.056845,
    (5, 0.9): 0.018429,
}


@pytest.mark.parametrize(("k", "d"), PARALLEL)
def test_parallel_temperature(k, d):
    found = find_parallel_temperature(k, d)
    assert found.value == pytest.approx(PARALLEL[k, d], abs=5.1e-7)
    assert found.error < 1e-14
    assert find_parallel_temperature(k, d, end="upper").value == 1.0 - d
    for factor, stable in ((1 - 1e-6, False), (1 + 1e-6, True)):
        state = solve(k, d, found.value * factor, start="parallel")
        assert state.stable is stable
        assert abs(state.hessian_eigenvalues[0]) < 1e-4
    others = ternary_sum(k - 2, d).weight
    p_zero = others[k - 2]
    p_one = others[k - 1] if k > 2 else 0.0
    estimate = (1 - d) ** 2 * p_zero + d * (1 - d) * p_one
    if d >= 0.75:
        assert estimate == pytest.approx(found.value, rel=0.06)
    if d == 0.9:
        assert estimate == pytest.approx(found.value, rel=0.002)


def test_parallel_temperature_for_strong_dilution():
    """T_sym / T_c ~ K (1 - d)/2."""
    for k in (2, 3, 7):
        for x in (1e-3, 1e-5):
            found = find_parallel_temperature(k, 1.0 - x)
            assert found.value == pytest.approx(k * x * x / 2, rel=2 * k * x)


# K: the window in temperature closes between these dilutions.
CLOSING = {2: (0.60, 0.62), 3: (0.62, 0.63), 4: (0.63, 0.64), 5: (0.63, 0.64)}
CLOSING[6] = (0.64, 0.65)


@pytest.mark.parametrize("k", CLOSING)
def test_window_closes(k):
    closed, opened = CLOSING[k]
    for end in ("lower", "upper"):
        missing = find_parallel_temperature(k, closed, end=end)
        assert missing.status is Status.NO_TRANSITION
    low, high = (
        find_parallel_temperature(k, opened, end=end) for end in ("lower", "upper")
    )
    assert low.value < high.value < 1.0 - opened
    for t in np.linspace(0.02, 0.999, 30) * (1.0 - opened):
        state = solve(k, opened, t, start="parallel")
        assert state.stable == (low.value < t < high.value)
        assert not solve(k, closed, t, start="parallel").stable


def test_narrow_window_is_found():
    """Down to where the two ends meet."""
    low, high = 0.60, 0.62
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        found = find_parallel_temperature(2, middle)
        low, high = (low, middle) if found.status.ok else (middle, high)
    ends = [find_parallel_temperature(2, high, end=e).value for e in ("lower", "upper")]
    assert 0.0 <= ends[1] - ends[0] < 1e-4


@pytest.mark.parametrize(
    ("k", "d", "end"),
    [
        (2, 0.8, "lower"),
        (5, 0.9, "lower"),
        (3, 0.65, "lower"),
        (3, 0.65, "upper"),
        (4, 0.66666, "upper"),
        (3, 1e-7, "lower"),
        (40, 0.7, "lower"),
    ],
)
def test_parallel_temperature_in_many_digits(k, d, end):
    """The zero of the eigenvalue as printed, with sums over the number of +1 and -1."""
    with mpmath.workdps(40):
        dm = mpmath.mpf(d)
        half = (1 - dm) / 2
        law = [
            (mpmath.binomial(k, a) * mpmath.binomial(k - a, b), a + b, a - b)
            for a in range(k + 1)
            for b in range(k + 1 - a)
        ]
        law = [(c * half**n * dm ** (k - n), n, s) for c, n, s in law]

        def temperature(y):
            return sum(p * s * mpmath.tanh(y * s) for p, n, s in law) / k / y

        def eigenvalue(y):
            apart = sum(
                p * (k * n - s * s) * mpmath.sech(y * s) ** 2 for p, n, s in law
            )
            return 1 - apart / (k * (k - 1)) / temperature(y)

        found = find_parallel_temperature(k, d, end=end)
        rough = 0.5 * (1 - d) / found.value
        y = mpmath.findroot(lambda z: temperature(z) - found.value, rough)
        slope = mpmath.diff(eigenvalue, y) / mpmath.diff(temperature, y)
        miss = abs(eigenvalue(y) / slope)
        assert miss <= found.error
        assert found.error < 1e-11 * found.value


def test_window_of_three_patterns():
    low, high = (find_parallel_temperature(3, 0.65, end=e) for e in ("lower", "upper"))
    assert low.value == pytest.approx(0.15031, abs=5.1e-6)
    assert high.value == pytest.approx(0.31318, abs=5.1e-6)
    near = find_parallel_temperature(3, 2 / 3 - 1e-14, end="upper")
    assert near.value == pytest.approx(1 / 3, abs=1e-11)


def test_odd_mixture_of_the_hopfield_network():
    """Stable below 0.4598 T_c at K = 3, d = 0; even mixtures nowhere."""
    assert find_parallel_temperature(3, 0.0).value == 0.0
    upper = find_parallel_temperature(3, 0.0, end="upper").value
    assert upper == pytest.approx(0.4598, abs=5e-5)
    # Diluted by little, ties of the few sites with a blank make it unstable again.
    found = find_parallel_temperature(3, 1e-6)
    assert found.value == pytest.approx(1.5e-6, rel=1e-4)
    assert find_parallel_temperature(4, 0.0).status is Status.NO_TRANSITION


def test_levels():
    """T_k near (1 - d) d**(k-1), and a level appears just below it."""
    for d, room in ((0.1, 1e-7), (0.3, 0.015), (0.45, 0.14)):
        levels = level_temperatures(5, d)
        assert levels[0].value == 1 - d
        assert levels[1] == find_pure_temperature(d)
        for k, level in enumerate(levels):
            assert level.status.ok
            assert level.value == pytest.approx((1 - d) * d**k, rel=room)
        for above, level in pairwise(levels):
            assert level.value < above.value
        for k, level in enumerate(levels[1:], start=1):
            below, over = (solve(k + 1, d, level.value * f) for f in (0.999, 1.001))
            assert np.count_nonzero(below.m) == k + 1
            assert np.count_nonzero(over.m) == k
            assert over.label == ("pure" if k == 1 else "hierarchical")


def test_number_of_levels():
    """K = 5, d = 0.45, T = 0.03 lies between T_5 and T_4, by estimate and exactly."""
    levels = [level.value for level in level_temperatures(5, 0.45)]
    estimates = [0.55 * 0.45**k for k in range(5)]
    np.testing.assert_allclose(estimates[3:], [0.0501, 0.0226], atol=5.1e-5)
    for ladder in (levels, estimates):
        assert sum(t > 0.03 for t in ladder) == 4
    assert 1 + math.floor(math.log(0.03 / 0.55) / math.log(0.45)) == 4
    assert [p.value for p in level_temperatures(3, 0.0)] == [1.0, 0.0, 0.0]
    missing = level_temperatures(3, 0.7)
    assert [p.status.ok for p in missing] == [True, False, False]


BAD = [
    (find_pure_temperature, (1.0,), {}, ParameterError, "dilution"),
    (find_pure_temperature, ("d",), {}, ParameterTypeError, "dilution"),
    (find_parallel_temperature, (1, 0.5), {}, ParameterError, "n_patterns"),
    (find_parallel_temperature, (2, -0.5), {}, ParameterError, "dilution"),
    (find_parallel_temperature, (2, 0.5), {"end": "low"}, ParameterError, "'lower'"),
    (level_temperatures, (13, 0.3), {}, ParameterError, "n_patterns"),
    (level_temperatures, (3, math.nan), {}, ParameterError, "dilution"),
]


@pytest.mark.parametrize(("find", "point", "options", "error", "text"), BAD)
def test_bad_input(find, point, options, error, text):
    with pytest.raises(error, match=text):
        find(*point, **options)
