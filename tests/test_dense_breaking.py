"""The glass of P >= 3 with one step of replica symmetry breaking."""

import itertools
import math

import numpy as np
import pytest
from dense_breaking_theory import (
    distinct,
    glass_free_energy,
    gradient,
    log_cosh_power,
)
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from analytics.dense import (
    find_transition_temperature,
    solve_glass,
    solve_storage,
    trace_line,
)
from analytics.dense.breaking import coupling
from analytics.dense.cosh_averages import cosh_averages
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

# P: (T_K, T_d, energy at T = 0) in units of J
TABLE = {
    3: (0.651385, 0.681598, -0.813535),
    4: (0.616883, 0.678411, -0.825471),
    6: (0.603296, 0.727476, -0.831276),
}


def unit_load(order):
    """The load at which J = 1."""
    return 0.5 * order / math.factorial(order - 1)


# --- averages -----------------------------------------------------------------------

AVERAGES = [
    (0.0, 1.0, 2.0, 0.3),
    (0.7, 0.4, 3.0, 0.2),
    (-0.3, 0.2, 5.0, 0.1),
    (0.5, 0.3001, 2.0, 0.2),  # just above 1.5 T
    (0.5, 0.2999, 2.0, 0.2),  # just below
    (0.2, 0.3, 4.0, 0.01),
    (1.5, 0.5, 1.0, 1.0),
    (0.4, 0.5, 4.0, 0.25),  # x = 1
]


@pytest.mark.parametrize(("field", "spread", "y", "t"), AVERAGES)
def test_averages_against_adaptive_quadrature(field, spread, y, t):
    found = cosh_averages(np.array([field]), spread, y, t)
    x = y * t
    log_z = log_cosh_power(field, spread, x, t)
    assert found.log_z[0] == pytest.approx(log_z, abs=1e-12)

    def average(f):
        # exp(-40) of the weight is left out, and the turn is a break point.
        turn = -field / spread
        cuts = np.unique(
            [-14.0, 14.0, turn, turn - 8 * t / spread, turn + 8 * t / spread]
        )

        def integrand(z):
            h = (field + spread * z) / t
            power = x * (abs(h) + math.log1p(math.exp(-2 * abs(h))))
            return f(h) * math.exp(power - 0.5 * z * z - log_z)

        parts = [
            quad(integrand, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
            for a, b in itertools.pairwise(cuts)
        ]
        return sum(parts) / math.sqrt(2.0 * math.pi)

    assert found.tanh[0] == pytest.approx(average(math.tanh), abs=1e-11)
    sech2 = average(lambda h: math.cosh(min(abs(h), 300.0)) ** -2)
    assert found.sech2[0] == pytest.approx(sech2, abs=1e-11)
    sech4 = average(lambda h: math.cosh(min(abs(h), 150.0)) ** -4)
    assert found.sech4[0] == pytest.approx(sech4, abs=1e-11)
    size = average(lambda h: t * (abs(h) + math.log1p(math.exp(-2 * abs(h)))))
    assert found.size[0] == pytest.approx(size, abs=1e-11)


def test_averages_with_doubled_nodes():
    field = np.linspace(-2.0, 2.0, 9)
    for spread, y, t in (
        (0.4, 3.0, 0.01),
        (0.4, 3.0, 0.25),
        (0.4, 2.0, 0.5),
        (0.1, 9.0, 0.1),
    ):
        coarse, fine = (cosh_averages(field, spread, y, t, level=k) for k in (0, 1))
        np.testing.assert_allclose(np.array(coarse), np.array(fine), atol=2e-13)


def test_averages_without_temperature():
    """The limit T -> 0 is reached at rate T**2 (log Z) and T (sech**2)."""
    field = np.array([0.0, 0.3, -1.0])
    cold = cosh_averages(field, 0.5, 3.0, 0.0)
    for t in (1e-3, 1e-4):
        warm = cosh_averages(field, 0.5, 3.0, t)
        assert np.abs(warm.log_z - cold.log_z).max() < 20.0 * t * t
        assert 0.0 < warm.sech2.max() < 5.0 * t


# --- values -------------------------------------------------------------------------


@pytest.mark.parametrize("order", TABLE)
def test_table(order):
    kauzmann, dynamic, energy = TABLE[order]
    load = unit_load(order)
    assert coupling(order, load) == pytest.approx(1.0, rel=1e-15)
    found = find_transition_temperature(order, load, kind="kauzmann")
    assert found.value == pytest.approx(kauzmann, abs=5.1e-7)
    assert found.error < 1e-13
    assert find_transition_temperature(order, load, kind="glass") == found
    found = find_transition_temperature(order, load, kind="dynamic")
    assert found.value == pytest.approx(dynamic, abs=5.1e-7)
    cold = solve_glass(order, load, 0.0)
    assert cold.energy == cold.free_energy == pytest.approx(energy, abs=5.1e-7)
    assert (cold.q1, cold.x, cold.replicon) == (1.0, 0.0, -math.inf)


def _overlap_of_states(b):
    """<tanh(b**2 + b z)>, to which q1 reduces at x = 1."""

    def f(z):
        return math.tanh(b * b + b * z) * math.exp(-0.5 * z * z)

    return quad(f, -10.0, 10.0, epsabs=1e-13, points=[-b])[0] / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("order", [3, 4, 7])
def test_dynamic_transition_in_its_closed_form(order):
    def ratio(b):
        return math.sqrt(0.5 * order * _overlap_of_states(b) ** (order - 1)) / b

    best = minimize_scalar(lambda b: -ratio(b), bounds=(0.5, 4.0), method="bounded")
    found = find_transition_temperature(order, unit_load(order), kind="dynamic")
    assert found.value == pytest.approx(-best.fun, abs=1e-10)


@pytest.mark.parametrize("order", [3, 4, 5, 6])
def test_transitions_are_points_of_the_nishimori_line(order):
    """There retrieval is one of the states of the glass at x = 1: T_d where it
    disappears, T_K where its free energy is that of the paramagnet."""
    load = unit_load(order)
    unit = math.factorial(order - 1)
    end = trace_line(order, "nishimori", n_points=2)
    dynamic = find_transition_temperature(order, load, kind="dynamic").value
    ratio = end.temperature[-1] / coupling(order, end.alpha[-1])
    assert ratio == pytest.approx(dynamic, rel=2e-7)  # the line stops 1e-7 short

    def gap(t):
        alpha = t / unit
        paramagnet = solve_storage(order, alpha, t, branch="paramagnet").free_energy
        return solve_storage(order, alpha, t).free_energy - paramagnet

    t = brentq(gap, 0.3 * end.temperature[-1], 0.9999 * end.temperature[-1], xtol=1e-14)
    kauzmann = find_transition_temperature(order, load, kind="kauzmann").value
    assert t / coupling(order, t / unit) == pytest.approx(kauzmann, rel=1e-11)


def test_gardner_transition_of_three_spins():
    """The glass of P = 3 is stable against more steps down to T_G = 0.240 J only."""
    load = unit_load(3)
    t = brentq(lambda t: solve_glass(3, load, t).replicon, 0.15, 0.4)
    assert t == pytest.approx(0.240, abs=1e-3)


def test_many_spins_are_the_random_energy_model():
    """T_K -> J/(2 sqrt(log 2)), energy -> -J sqrt(log 2), x -> T/T_K."""
    order, load = 20, unit_load(20)
    kauzmann = find_transition_temperature(order, load, kind="kauzmann").value
    assert kauzmann == pytest.approx(0.5 / math.sqrt(math.log(2.0)), abs=1e-6)
    for t in (0.0, 0.3, 0.55):
        state = solve_glass(order, load, t)
        assert state.free_energy == pytest.approx(-math.sqrt(math.log(2.0)), abs=1e-6)
        assert state.x == pytest.approx(t / kauzmann, abs=1e-5)


# --- the free energy as written -----------------------------------------------------

POINTS = [(3, 0.1), (3, 0.35), (3, 0.64), (4, 0.3), (6, 0.5)]


@pytest.mark.parametrize(("order", "t"), POINTS)
def test_glass_is_stationary(order, t):
    load = unit_load(order)
    state = solve_glass(order, load, t)
    c = distinct(order, load)
    value = glass_free_energy(c, t, state.q1, state.x, n_panels=200)
    assert state.free_energy == pytest.approx(value, abs=1e-12)
    h = 1e-3 * min(1.0 - state.q1, state.x, 1.0 - state.x)
    slopes = gradient(
        lambda q, x: glass_free_energy(c, t, q, x, 200), (state.q1, state.x), h
    )
    # Rounding 1e-15 of f over h.
    assert np.abs(slopes).max() < 1e-9 + 1e-14 / h
    off = gradient(
        lambda q, x: glass_free_energy(c, t, q, x, 200), (state.q1, 0.8 * state.x), h
    )
    assert abs(off[1]) > 1e-5  # a planted error is seen


@pytest.mark.parametrize(("order", "t"), [(3, 0.35), (4, 0.5)])
def test_glass_by_search_over_x(order, t):
    """f is the maximum over x of f with q1 at its largest fixed point."""
    load = unit_load(order)
    c = distinct(order, load)

    def best_over_q(x):
        # In q1 the free energy has a maximum next to 1.
        result = minimize_scalar(
            lambda q: -glass_free_energy(c, t, q, x),
            bounds=(0.7, 1.0),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return -result.fun

    result = minimize_scalar(
        lambda x: -best_over_q(x),
        bounds=(0.2, 1.0),
        method="bounded",
        options={"xatol": 1e-7},
    )
    state = solve_glass(order, load, t)
    assert state.free_energy == pytest.approx(-result.fun, abs=1e-11)
    assert state.x == pytest.approx(result.x, abs=1e-4)


@pytest.mark.parametrize("order", [3, 4, 8])
def test_thermodynamics_across_the_transitions(order):
    """u = d(beta f)/d beta, s = beta (u - f) >= 0 where the glass is stable."""
    load = unit_load(order)
    freezing = find_transition_temperature(order, load, kind="kauzmann").value
    h = 1e-4
    for t in (0.3, 0.5, 0.99 * freezing, 1.01 * freezing, 0.8, 2.0):
        state = solve_glass(order, load, t)
        assert state.status.ok
        beta = 1.0 / t
        values = [
            (beta + k * h) * solve_glass(order, load, 1.0 / (beta + k * h)).free_energy
            for k in (-2.0, -1.0, 1.0, 2.0)
        ]
        a, b, c, d = values
        slope = (a - 8.0 * b + 8.0 * c - d) / (12.0 * h)
        assert state.energy == pytest.approx(slope, abs=1e-9)
        assert state.replicon > 0.0
        assert state.energy - state.free_energy > 0.0
        paramagnet = solve_storage(order, load, t, branch="paramagnet")
        # The glass has the higher free energy: x is where f is largest.
        above = t > freezing
        gap = state.free_energy - paramagnet.free_energy
        assert gap == pytest.approx(0.0, abs=1e-15) if above else gap > 0.0


@pytest.mark.parametrize("order", [3, 4, 6, 12])
def test_freezing_is_continuous_in_the_free_energy(order):
    load = unit_load(order)
    t = find_transition_temperature(order, load, kind="kauzmann").value
    below, above = (solve_glass(order, load, t * (1.0 + d)) for d in (-1e-7, 1e-7))
    assert below.free_energy == pytest.approx(above.free_energy, abs=1e-6)
    assert below.energy == pytest.approx(above.energy, abs=1e-5)
    assert below.q1 == pytest.approx(above.q1, abs=1e-5)
    assert 0.5 < below.q1 < 1.0  # the overlap jumps, the free energy does not
    assert 1.0 - 1e-5 < below.x < 1.0 == above.x
    assert 0.0 == below.complexity < above.complexity < 1e-5
    many = find_transition_temperature(order, load, kind="dynamic").value
    before, after = (solve_glass(order, load, many * (1.0 + d)) for d in (-1e-6, 1e-6))
    assert before.q1 > 0.5 > after.q1 == 0.0
    assert before.replicon == pytest.approx(0.0, abs=0.02)
    assert before.complexity > 0.0 == after.complexity
    assert before.free_energy == pytest.approx(after.free_energy, abs=3e-6)


@pytest.mark.parametrize("order", [3, 5])
def test_cold_glass_is_the_limit(order):
    """Energy and y join T = 0 at rates T**2 and T."""
    load = unit_load(order)
    cold = solve_glass(order, load, 0.0)
    for t in (0.02, 0.01, 0.001):
        state = solve_glass(order, load, t)
        assert state.x == pytest.approx(state.y * t, rel=1e-14)
        assert abs(state.energy - cold.energy) < 0.1 * t * t
        assert abs(state.y - cold.y) < 0.5 * t
        assert abs(state.free_energy - cold.free_energy) < 0.01 * t
    assert solve_glass(order, load, 1e-9).energy == pytest.approx(cold.energy, abs=1e-9)


@pytest.mark.parametrize("factor", [1e-8, 0.3, 4.0])
def test_everything_scales_with_the_coupling(factor):
    """J grows like the root of the load."""
    load = unit_load(4)
    for t in (0.0, 0.2, 0.65, 1.3):
        one = solve_glass(4, load, t)
        other = solve_glass(4, factor**2 * load, factor * t)
        assert other.q1 == pytest.approx(one.q1, rel=1e-12)
        assert other.x == pytest.approx(one.x, rel=1e-11)
        assert other.free_energy == pytest.approx(factor * one.free_energy, rel=1e-12)
        assert other.energy == pytest.approx(factor * one.energy, rel=1e-12)
        assert other.complexity == pytest.approx(one.complexity, rel=1e-9, abs=1e-14)


def test_errors_are_carried():
    for t in (0.0, 0.1, 0.3, 0.6, 0.66):
        state = solve_glass(3, unit_load(3), t)
        assert state.residual < 1e-13
        assert state.quadrature_error < 1e-12


# --- limits and refusals ------------------------------------------------------------


def test_extreme_inputs():
    hot = solve_glass(3, 0.1, math.inf)
    assert (hot.q1, hot.x, hot.y, hot.free_energy) == (0.0, 1.0, 0.0, -math.inf)
    assert hot.energy == 0.0
    empty = solve_glass(3, 0.0, 0.5)
    assert empty.free_energy == -0.5 * math.log(2.0)
    assert solve_glass(3, 0.0, 0.0).free_energy == 0.0
    assert solve_glass(3, 1e-101, 1e-101).free_energy == 0.0
    tiny = solve_glass(5, 1e-90, 0.0)
    assert tiny.energy / coupling(5, 1e-90) == pytest.approx(-0.829, abs=2e-3)
    assert solve_glass(20, 1e6, 1e3).status.ok


def test_coincident_indices():
    """Even P: a paramagnet down to T = sqrt(C''(0)); odd P: none."""
    for order in (3, 5):
        state = solve_glass(order, 0.01, 5.0, coincident="keep")
        assert state.status is Status.NEEDS_RSB
        assert math.isnan(state.free_energy)
    freezing = find_transition_temperature(4, 0.01, kind="glass", coincident="keep")
    assert freezing.value == pytest.approx(3.0 * math.sqrt(0.01), rel=1e-14)
    t = freezing.value
    hot = solve_glass(4, 0.01, 1.001 * t, coincident="keep")
    known = solve_storage(4, 0.01, 1.001 * t, branch="paramagnet", coincident="keep")
    assert hot.free_energy == pytest.approx(known.free_energy, rel=1e-14)
    assert hot.energy == pytest.approx(known.energy, rel=1e-14)
    assert known.replicon == pytest.approx(0.0, abs=3e-3)
    cold = solve_glass(4, 0.01, 0.999 * t, coincident="keep")
    assert cold.status is Status.NEEDS_RSB
    for kind in ("kauzmann", "dynamic"):
        found = find_transition_temperature(4, 0.01, kind=kind, coincident="keep")
        assert found.status is Status.UNDEFINED


def test_bad_arguments():
    good = {"order": 3, "alpha": 0.1, "temperature": 0.1}
    bad = [
        ("order", 2, ParameterError),
        ("order", 21, ParameterError),
        ("order", 3.0, ParameterTypeError),
        ("alpha", -0.1, ParameterError),
        ("alpha", math.nan, ParameterError),
        ("alpha", 1e7, ParameterError),
        ("temperature", -1.0, ParameterError),
        ("temperature", "0.1", ParameterTypeError),
        ("coincident", "kept", ParameterError),
    ]
    for name, value, error in bad:
        with pytest.raises(error, match=f"^{name} = ") as caught:
            solve_glass(**{**good, name: value})
        assert caught.value.name == name
    with pytest.raises(ParameterError, match="branch='spin-glass'"):
        solve_glass(2, 0.1, 0.1)
