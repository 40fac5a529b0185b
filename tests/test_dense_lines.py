"""Lines of the (alpha, T) diagram, against published and exact values."""

import math

import mpmath
import numpy as np
import pytest
from dense_theory import ORDERS

from analytics.dense import (
    find_critical_load,
    find_transition_temperature,
    solve_storage,
    trace_line,
)
from analytics.ising import solve_curie_weiss
from statmech.status import Status

# load: (spinodal, thermodynamic) temperature, replica symmetric
AGS = {
    0.01: (0.801018, 0.721624),
    0.02: (0.716481, 0.591300),
    0.03: (0.650417, 0.478793),
    0.04: (0.593569, 0.365231),
    0.05: (0.542255, 0.216383),
    0.10: (0.315432, None),
}


@pytest.mark.parametrize("alpha", AGS)
def test_lines_of_amit_gutfreund_sompolinsky(alpha):
    spinodal, thermodynamic = AGS[alpha]
    found = find_transition_temperature(2, alpha)
    assert found.value == pytest.approx(spinodal, abs=1e-6)
    back = find_critical_load(2, found.value)
    assert back.value == pytest.approx(alpha, abs=1e-12)
    crossing = find_transition_temperature(2, alpha, kind="thermodynamic")
    if thermodynamic is None:
        assert crossing.status is Status.NO_TRANSITION
        assert math.isnan(crossing.value)
        return
    assert crossing.value == pytest.approx(thermodynamic, abs=1e-6)
    back = find_critical_load(2, crossing.value, kind="thermodynamic")
    assert back.value == pytest.approx(alpha, abs=1e-11)
    states = [
        solve_storage(2, alpha, crossing.value, branch=branch)
        for branch in ("retrieval", "spin-glass")
    ]
    assert states[0].free_energy == pytest.approx(states[1].free_energy, abs=1e-13)


REPLICON = [
    (2, 0.12, 0.00499, 5e-6),
    (2, 0.13, 0.00947, 5e-6),
    (3, 0.08, 0.0223, 5e-5),
    (3, 0.10, 0.0534, 5e-5),
    (4, 0.025, 0.0277, 5e-5),
]


@pytest.mark.parametrize(("order", "alpha", "t", "digits"), REPLICON)
def test_replicon_temperatures(order, alpha, t, digits):
    found = find_transition_temperature(order, alpha, kind="replicon")
    assert found.value == pytest.approx(t, abs=digits)
    below, at, above = (
        solve_storage(order, alpha, found.value * (1.0 + x)).replicon
        for x in (-1e-4, 0.0, 1e-4)
    )
    assert below < 0.0 < above
    assert abs(at) < 1e-9
    back = find_critical_load(order, found.value, kind="replicon")
    assert back.value == pytest.approx(alpha, rel=1e-10)


def test_replicon_line_at_low_temperature():
    """T = (4/3) sqrt(alpha r/(2 pi)) exp(-m**2/(2 alpha r)) at P = 2."""
    for alpha in (0.06, 0.08):
        found = find_transition_temperature(2, alpha, kind="replicon").value
        m = solve_storage(2, alpha, 0.0).m
        y = float(mpmath.erfinv(m))
        noise = (m / y) ** 2 / 2.0
        low = 4.0 / 3.0 * math.sqrt(noise / (2.0 * math.pi))
        low *= math.exp(-(m**2) / (2.0 * noise))
        assert found == pytest.approx(low, rel=0.02)


def test_replicon_line_meets_the_spinodal():
    line = trace_line(2, "replicon", n_points=5)
    assert line.status.ok
    assert line.temperature[-1] == pytest.approx(0.02507, abs=5e-6)
    assert line.alpha[-1] == pytest.approx(0.138186, abs=5e-7)


# order: (T, alpha, m) where it meets the maximum of the spinodal
NISHIMORI_END = {
    3: (0.309717, 0.154859, 0.6431),
    4: (0.230121, 0.0383535, 0.8148),
    6: (0.176406, 0.00147006, 0.9149),
}


@pytest.mark.parametrize("order", [3, 4, 5, 6, 10])
def test_nishimori_identities(order):
    """m = q and u = -1/P on T = alpha (P-1)!, with a stable replicon."""
    line = trace_line(order, "nishimori", n_points=15)
    assert line.status.ok
    assert len(line.statuses) == 15
    unit = math.factorial(order - 1)
    np.testing.assert_allclose(line.temperature, unit * line.alpha, rtol=1e-14)
    assert line.alpha[0] == 0.0
    rows = list(zip(line.alpha, line.temperature, line.m, strict=True))
    for alpha, t, m in rows[1:]:
        state = solve_storage(order, alpha, t)
        assert state.m == m
        assert state.m == pytest.approx(state.q, abs=1e-9)
        assert state.energy == pytest.approx(-1.0 / order, abs=1e-9)
        assert state.replicon > 0.0
    # The spinodal is highest, and the replicon vanishes, at the end of the line.
    end_t = line.temperature[-1]
    end = find_critical_load(order, end_t).value
    for other in (0.0, 0.9 * end_t, 0.99 * end_t, 1.01 * end_t, 1.1 * end_t):
        assert find_critical_load(order, other).value < end
    assert solve_storage(order, line.alpha[-1], end_t).replicon < 0.01
    if order in NISHIMORI_END:
        t, alpha, m = NISHIMORI_END[order]
        assert end_t == pytest.approx(t, abs=1.5e-6)
        assert end == pytest.approx(alpha, rel=5e-6)
        assert line.m[-1] == pytest.approx(m, abs=5e-4)


def test_no_nishimori_line():
    for order, coincident in ((2, "exclude"), (3, "keep"), (4, "keep")):
        line = trace_line(order, "nishimori", coincident=coincident)
        assert line.status is Status.UNDEFINED
        assert line.alpha.size == line.temperature.size == len(line.statuses) == 0
    off = solve_storage(4, 0.02, 0.12, coincident="keep")
    assert not off.status.ok or abs(off.m - off.q) > 1e-3


ZERO_LOAD_SPINODALS = {2: 1.0, 3: 0.582583, 4: 0.495786, 5: 0.451204, 6: 0.422720}


@pytest.mark.parametrize("order", ORDERS)
def test_zero_load(order):
    """m = tanh(m**(P-1)/T) up to max m**(P-1)/artanh m."""
    found = find_transition_temperature(order, 0.0)
    assert found.value == pytest.approx(ZERO_LOAD_SPINODALS[order], abs=5.1e-7)
    grid = np.linspace(1e-4, 1.0 - 1e-12, 400_001)
    values = grid ** (order - 1) / np.arctanh(grid)
    assert found.value == pytest.approx(values.max(), abs=2e-8)
    for fraction in (0.05, 0.5, 0.9, 0.999):
        t = fraction * found.value
        state = solve_storage(order, 0.0, t)
        m = 1.0
        for _ in range(200_000):
            step, m = m, math.tanh(m ** (order - 1) / t)
            if m == step:
                break
        assert state.status.ok
        assert state.m == pytest.approx(m, abs=1e-12)
        assert state.q == pytest.approx(m * m, abs=1e-12)
        assert state.replicon == pytest.approx(1.0, abs=1e-15)
        assert state.energy == pytest.approx(-(m**order) / order, abs=1e-12)
    above = solve_storage(order, 0.0, found.value * (1.0 + 1e-9))
    assert above.status is Status.NO_RETRIEVAL
    assert solve_storage(order, 0.0, 0.0).m == 1.0


def test_zero_load_at_order_two_is_curie_weiss():
    for t in (0.0, 0.1, 0.5, 0.99, 1.0 - 1e-4, 1.0 - 1e-7):
        network, magnet = solve_storage(2, 0.0, t), solve_curie_weiss(t)
        # Rounding of m counts 1/(2(1 - T))-fold next to the transition.
        assert network.m == pytest.approx(magnet.m, abs=1e-15 / (1.0 - t))
        assert network.energy == pytest.approx(magnet.energy, abs=1e-15 / (1.0 - t))
        assert network.free_energy == pytest.approx(magnet.free_energy, abs=1e-14)


@pytest.mark.parametrize(
    ("order", "alpha", "kind", "coincident"),
    [
        (2, 0.07, "spinodal", "keep"),
        (3, 0.08, "spinodal", "exclude"),
        (3, 0.14, "spinodal", "exclude"),  # above the capacity at T = 0: re-entrant
        (4, 0.005, "spinodal", "keep"),
        (6, 0.001, "spinodal", "exclude"),
        (2, 0.045, "thermodynamic", "keep"),
        (3, 0.06, "replicon", "keep"),
        (5, 0.005, "replicon", "exclude"),
    ],
)
def test_load_and_temperature_are_inverse(order, alpha, kind, coincident):
    options = {"kind": kind, "coincident": coincident}
    found = find_transition_temperature(order, alpha, **options)
    assert found.status is Status.CONVERGED
    assert found.error < 1e-10
    back = find_critical_load(order, found.value, **options)
    assert back.value == pytest.approx(alpha, rel=1e-9)


@pytest.mark.parametrize(
    ("order", "kind", "coincident"),
    [
        (2, "spinodal", "exclude"),
        (2, "thermodynamic", "exclude"),
        (2, "replicon", "exclude"),
        (3, "spinodal", "keep"),
        (4, "spinodal", "exclude"),
        (4, "replicon", "exclude"),
    ],
)
def test_lines_hold_their_points(order, kind, coincident):
    line = trace_line(order, kind, n_points=7, coincident=coincident)
    assert line.status.ok
    assert (line.order, line.kind) == (order, kind)
    assert line.alpha.size == line.temperature.size == line.m.size == 7
    assert (np.diff(line.temperature) > 0.0).all()
    assert (line.error >= 0.0).all()
    assert (line.error < 1e-8).all()
    rows = list(zip(line.alpha, line.temperature, line.m, strict=True))
    for alpha, t, m in rows[1:-1]:
        found = find_critical_load(order, t, kind=kind, coincident=coincident)
        assert alpha == pytest.approx(found.value, rel=1e-12)
        inside = solve_storage(order, alpha * (1 - 1e-12), t, coincident=coincident)
        assert inside.m == pytest.approx(m, abs=1e-4)
    if kind == "spinodal":
        assert line.alpha[0] == find_critical_load(order, coincident=coincident).value
        end = find_transition_temperature(order, 0.0).value
        assert line.alpha[-1] == pytest.approx(0.0, abs=1e-15)
        assert line.temperature[-1] == end


def test_glass_line():
    line = trace_line(2, "glass", n_points=9, alpha_max=4.0)
    np.testing.assert_array_equal(line.temperature, 1.0 + np.sqrt(line.alpha))
    assert line.alpha[-1] == 4.0
    assert (line.m == 0.0).all()
    short = trace_line(2, "glass", n_points=2)
    assert short.alpha[-1] == 1.5 * find_critical_load(2).value


@pytest.mark.parametrize("kind", ["glass", "kauzmann", "dynamic"])
def test_freezing_lines_of_many_spin_interactions(kind):
    """T grows like the root of the load, with the ratio of one point."""
    for order in (3, 6):
        line = trace_line(order, kind, n_points=5)
        assert line.status.ok
        assert line.alpha[-1] == 1.5 * find_critical_load(order).value
        assert line.temperature[0] == 0.0
        for alpha, t in zip(line.alpha[1:], line.temperature[1:], strict=True):
            assert t == find_transition_temperature(order, alpha, kind=kind).value
        ratio = line.temperature[1:] / np.sqrt(line.alpha[1:])
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-14)
    if kind != "glass":
        for missing in (
            find_transition_temperature(2, 0.1, kind=kind),
            trace_line(2, kind),
            find_transition_temperature(4, 0.1, kind=kind, coincident="keep"),
        ):
            assert missing.status is Status.UNDEFINED
