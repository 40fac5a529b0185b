"""Branches, statuses and grids: what exists where, and what says it does not."""

import itertools
import math

import numpy as np
import pytest
from dense_theory import ORDERS, VERSIONS, Witness

from analytics.dense import (
    find_critical_load,
    find_transition_temperature,
    solve_storage,
    solve_storage_grid,
    trace_line,
)
from analytics.gauss import tanh_averages
from statmech.status import Status


@pytest.mark.parametrize("alpha", [1e-6, 0.05, 0.14, 1.0, 30.0])
def test_spin_glass(alpha):
    """Stationary, continuous at both ends, with the energy of its free energy."""
    top = find_transition_temperature(2, alpha, kind="glass")
    assert top.value == pytest.approx(1.0 + math.sqrt(alpha), abs=1e-15)
    for t in (0.2 * top.value, 0.7 * top.value, 0.99 * top.value):
        state = solve_storage(2, alpha, t, branch="spin-glass")
        assert state.status is Status.CONVERGED
        assert state.m == 0.0
        assert 0.0 < state.q < 1.0
        d = 1.0 - (1.0 - state.q) / t
        assert d > 0.0
        image = tanh_averages(0.0, math.sqrt(alpha * state.q) / (d * t)).sech2
        assert 1.0 - image == pytest.approx(state.q, abs=1e-9)
        assert state.replicon < 0.0
        h = 1e-4 * t
        up, down = (
            solve_storage(2, alpha, t + x, branch="spin-glass").free_energy / (t + x)
            for x in (h, -h)
        )
        slope = (up - down) / (1.0 / (t + h) - 1.0 / (t - h))
        assert slope == pytest.approx(state.energy, rel=1e-6, abs=1e-7)
    ground = solve_storage(2, alpha, 0.0, branch="spin-glass")
    exact = -1.0 / math.pi - math.sqrt(2.0 * alpha / math.pi)
    assert ground.status is Status.CLOSED_FORM
    assert ground.energy == ground.free_energy == pytest.approx(exact, abs=1e-15)
    cold = solve_storage(2, alpha, 1e-6, branch="spin-glass")
    assert cold.energy == pytest.approx(exact, abs=1e-9 * (1.0 + alpha))
    warm = solve_storage(2, alpha, top.value * (1.0 - 1e-6), branch="spin-glass")
    assert warm.q < 1e-4
    beyond = solve_storage(2, alpha, top.value, branch="spin-glass")
    assert beyond.status is Status.NO_BRANCH
    hot = solve_storage(2, alpha, top.value, branch="paramagnet")
    assert hot.replicon == pytest.approx(0.0, abs=1e-9 * (1.0 + 1.0 / alpha))
    assert warm.free_energy == pytest.approx(hot.free_energy, abs=1e-5 * top.value)


@pytest.mark.parametrize("order", ORDERS)
def test_paramagnet(order):
    alpha, t, h = 0.1, 2.5, 1e-4
    for coincident in VERSIONS:
        state, up, down = (
            solve_storage(order, alpha, x, branch="paramagnet", coincident=coincident)
            for x in (t, t + h, t - h)
        )
        if coincident == "keep" and order % 2:
            # A random field: q > 0 at any temperature.
            assert state.status is Status.NO_BRANCH
            continue
        assert state.status is Status.CLOSED_FORM
        assert (state.m, state.q) == (0.0, 0.0)
        slope = up.free_energy / (t + h) - down.free_energy / (t - h)
        slope /= 1.0 / (t + h) - 1.0 / (t - h)
        assert slope == pytest.approx(state.energy, abs=1e-7)
        c = Witness(order, alpha, t, coincident)
        if order > 2:
            assert state.energy == pytest.approx(-alpha * c.c(1.0) / t, rel=1e-13)
    # Where the kept version freezes: T = 3 sqrt(alpha) at P = 4.
    if order == 4:
        freezing = solve_storage(
            4, alpha, 3.0 * math.sqrt(alpha), branch="paramagnet", coincident="keep"
        )
        assert freezing.replicon == pytest.approx(0.0, abs=1e-14)
    cold = solve_storage(order, alpha, 0.5, branch="paramagnet")
    assert cold.status is (Status.NO_BRANCH if order == 2 else Status.CLOSED_FORM)
    frozen = solve_storage(order, 0.1, 0.0, branch="paramagnet")
    assert frozen.status is Status.NO_BRANCH
    hot = solve_storage(order, alpha, math.inf, branch="paramagnet")
    assert hot.free_energy == -math.inf
    assert hot.energy == 0.0


def numbers_of(state):
    return (state.m, state.q, state.free_energy, state.energy, state.replicon)


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_beyond_the_spinodal_there_is_no_number(order, coincident):
    for t in (0.0, 1e-60, 0.05, 0.3):
        top = find_critical_load(order, t, coincident=coincident).value
        inside = solve_storage(order, top * (1 - 1e-9), t, coincident=coincident)
        assert inside.status.ok
        for factor in (1.0 + 1e-9, 1.5, 1e3):
            state = solve_storage(order, top * factor, t, coincident=coincident)
            assert state.status is Status.NO_RETRIEVAL
            assert np.isnan(numbers_of(state)).all()
    for t in (1.0, 7.0, 1e300, math.inf):
        state = solve_storage(order, 1e-5, t, coincident=coincident)
        assert state.status is Status.NO_RETRIEVAL
        missing = find_critical_load(order, t, coincident=coincident)
        assert missing.status is Status.NO_TRANSITION
        assert math.isnan(missing.value)


@pytest.mark.parametrize("order", [3, 4, 7])
def test_what_needs_replica_symmetry_breaking_says_so(order):
    state = solve_storage(order, 1e-4, 0.1, branch="spin-glass")
    assert np.isnan(numbers_of(state)).all()
    assert state.status is Status.NEEDS_RSB
    missing = [
        find_critical_load(order, 0.1, kind="thermodynamic", coincident="keep"),
        trace_line(order, "thermodynamic", n_points=3, coincident="keep"),
    ]
    if order % 2 == 1:
        options = {"kind": "glass", "coincident": "keep"}
        missing.append(find_transition_temperature(order, 1e-4, **options))
        missing.append(trace_line(order, "glass", n_points=3, coincident="keep"))
    for result in missing:
        assert result.status is Status.NEEDS_RSB


def test_missing_transitions():
    for found in (
        find_transition_temperature(2, 0.2),
        find_transition_temperature(3, 0.2, kind="replicon"),
        find_transition_temperature(2, 0.06, kind="thermodynamic"),
        find_critical_load(2, 0.0, kind="replicon"),
        find_critical_load(2, 0.5, kind="replicon"),
        find_critical_load(2, 1.5, kind="thermodynamic"),
    ):
        assert found.status is Status.NO_TRANSITION
        assert np.isnan([found.value, found.error]).all()
    glass = solve_storage(2, 0.0, 0.5, branch="spin-glass")
    assert glass.status is Status.NO_BRANCH


def assert_physical_states(order, coincident, n_states, seed):
    """States anywhere in the retrieval phase, also next to its edges."""
    rng = np.random.default_rng(seed)
    top_t = find_transition_temperature(order, 0.0).value
    for _ in range(n_states):
        t = top_t * (rng.uniform() if rng.random() < 0.6 else 10 ** rng.uniform(-98, 0))
        top = find_critical_load(order, t, coincident=coincident).value
        alpha = top * rng.choice(
            [rng.uniform(), 10 ** rng.uniform(-40, 0), 1 - 10 ** rng.uniform(-13, 0)]
        )
        state = solve_storage(order, alpha, t, coincident=coincident)
        assert state.status.ok, (alpha, t)
        assert 0.0 < state.m <= 1.0
        assert 0.0 <= state.q <= 1.0
        assert state.m**2 <= state.q + 1e-14
        assert state.residual < 1e-10
        assert not np.isnan(numbers_of(state)).any()


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_order_parameters_stay_in_their_bounds(order, coincident):
    assert_physical_states(order, coincident, 40, order)


@pytest.mark.nightly
@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", range(2, 21))
def test_order_parameters_stay_in_their_bounds_at_any_order(order, coincident):
    assert_physical_states(order, coincident, 400, 100 + order)


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_grid_equals_points_in_any_order(order, coincident):
    top = find_critical_load(order, coincident=coincident).value
    alphas = np.concatenate([[0.0, 1e-12], np.linspace(0.05, 1.3, 8) * top])
    temperatures = np.array([1e-100, 1e-9, 0.03, 0.2, 0.35, 0.6, 1.5])
    grid = solve_storage_grid(order, alphas, temperatures, coincident=coincident)
    back = solve_storage_grid(
        order, alphas[::-1], temperatures[::-1], coincident=coincident
    )
    fields = ("m", "q", "free_energy", "energy", "replicon")
    for name in fields:
        there, again = getattr(grid, name), getattr(back, name)[::-1, ::-1]
        assert there.shape == (alphas.size, temperatures.size)
        np.testing.assert_allclose(again, there, rtol=1e-9, atol=1e-11)
    assert (grid.status == back.status[::-1, ::-1]).all()
    for i, j in np.ndindex(grid.m.shape):
        point = (order, alphas[i], temperatures[j])
        state = solve_storage(*point, coincident=coincident)
        assert grid.status[i, j] is state.status
        values = [getattr(grid, name)[i, j] for name in fields]
        np.testing.assert_allclose(values, numbers_of(state), rtol=1e-9, atol=1e-11)
        assert state.status.ok == (alphas[i] <= grid.spinodal[j] > 0.0)


def test_neighbours_are_smooth():
    """Fourth differences along the load and the temperature are rounding."""
    step = 2e-5
    ramp = 1.0 + step * np.arange(200)
    for order, alpha, t in ((2, 0.1, 0.2), (3, 0.05, 0.3), (4, 0.015, 0.2)):
        along_load = solve_storage_grid(order, alpha * ramp, [t])
        along_t = solve_storage_grid(order, [alpha], t * ramp)
        for grid in (along_load, along_t):
            for name in ("m", "q", "free_energy", "energy", "replicon"):
                values = getattr(grid, name).ravel()
                assert abs(np.diff(values, 4)).max() < 3e-13


@pytest.mark.nightly
@pytest.mark.parametrize("order", ORDERS)
def test_branches_do_not_depend_on_the_way(order):
    """Iteration from 20 starts, and continuation up and down in the load: one state
    with m > 0 below the spinodal, the reported one; none above. Coming from m = 0 a
    state without retrieval is kept: both states coexist, nothing is averaged."""
    t = 0.4 * find_transition_temperature(order, 0.0).value
    top = find_critical_load(order, t).value
    for fraction in (0.3, 0.7, 0.95, 1.05):
        witness = Witness(order, fraction * top, t, "exclude")
        state = solve_storage(order, fraction * top, t)
        found = []
        for m, q in itertools.product(np.linspace(0.05, 1.0, 5), (0.7, 0.8, 0.9, 1.0)):
            if order == 2 and 1.0 - (1.0 - q) / t <= 0.0:
                continue
            end = witness.iterate(m, max(q, m * m), damping=0.7)
            if end[0] > 1e-6:
                found.append(end)
        if fraction > 1.0:
            assert found == []
            assert state.status is Status.NO_RETRIEVAL
        else:
            assert len(found) > 0
            for m, q in found:
                assert (m, q) == pytest.approx((state.m, state.q), abs=1e-9)
    loads = np.linspace(0.04, 1.19, 47) * top
    up, down = [], []
    for way, order_of_loads in ((up, loads), (down, loads[::-1])):
        m, q = 1.0, 1.0
        for alpha in order_of_loads:
            witness = Witness(order, alpha, t, "exclude")
            m, q = witness.iterate(m, q, damping=0.5)
            if not m > 1e-6:
                m = 0.0
            way.append(m)
    solver = [solve_storage(order, alpha, t).m for alpha in loads]
    np.testing.assert_allclose(up, np.nan_to_num(solver), atol=1e-9)
    # From above the spinodal the iteration never finds retrieval again.
    assert max(down) == 0.0
