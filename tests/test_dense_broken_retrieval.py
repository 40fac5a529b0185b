"""Retrieval of P >= 3 with one step of replica symmetry breaking, and its lines."""

import math

import numpy as np
import pytest
from dense_breaking_theory import (
    cold_retrieval_free_energy,
    distinct,
    gradient,
    retrieval_free_energy,
)
from numpy.polynomial import Polynomial
from scipy.optimize import root

from analytics.dense import (
    find_critical_load,
    find_transition_temperature,
    solve_broken_retrieval,
    solve_glass,
    solve_storage,
    trace_line,
)
from analytics.dense.broken_curve import (
    Model,
    _cold_fold,
    broken_point,
    find_fold,
    follow_curve,
)
from analytics.dense.broken_retrieval import BrokenConditions
from analytics.dense.crosstalk import crosstalk_coefficients
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

# P: (alpha, m, q0, y) at the spinodal, T = 0
COLD = {
    3: (0.153737, 0.65077, 0.69094, 3.0183),
    4: (0.0381953, 0.81828, 0.83775, 4.0575),
    6: (0.00146586, 0.91678, 0.92587, 5.2996),
}
# Spinodal of P = 3 at T > 0
WARM = {0.05: 0.15431, 0.1: 0.15464, 0.2: 0.15484, 0.3097: 0.154859}


def conditions(order, coincident="exclude"):
    return BrokenConditions(order, coincident)


# --- spinodal -----------------------------------------------------------------------


@pytest.mark.parametrize("order", COLD)
def test_capacity_without_temperature(order):
    alpha, m, q0, y = COLD[order]
    found = find_critical_load(order, rsb=1)
    assert found.value == pytest.approx(alpha, rel=4e-6)
    assert found.error < 1e-12
    point, _, _ = conditions(order).fold(0.0)
    assert point.m == pytest.approx(m, abs=1e-5)
    assert point.q0 == pytest.approx(q0, abs=2e-5)
    assert point.y == pytest.approx(y, rel=3e-5)
    assert found.value > 1.1 * find_critical_load(order).value


def test_spinodal_of_three_spins():
    values = [find_critical_load(3, rsb=1).value]
    for t, alpha in WARM.items():
        found = find_critical_load(3, t, rsb=1)
        assert found.value == pytest.approx(alpha, abs=5.1e-6)
        assert found.error < 1e-10
        assert found.value > find_critical_load(3, t).value
        values.append(found.value)
    assert (np.diff(values) > 0.0).all()  # re-entrant by 0.7%
    for t in (0.31, 0.4, 0.5):
        assert find_critical_load(3, t, rsb=1) == find_critical_load(3, t)
    assert find_critical_load(3, 0.6, rsb=1).status is Status.NO_TRANSITION


@pytest.mark.parametrize("order", [3, pytest.param(6, marks=pytest.mark.nightly)])
def test_spinodal_joins_the_symmetric_one_by_a_square_law(order):
    theory = conditions(order)
    end = theory.breaking_end
    excess = []
    for distance in (0.02, 0.01, 0.00501, 0.00499, 0.0025, 1e-4):
        t = (1.0 - distance) * end
        found = find_critical_load(order, t, rsb=1)
        assert found.status.ok
        ratio = found.value / find_critical_load(order, t).value - 1.0
        # Where the law is used, its next order is the error.
        law = 0.03 * ratio if distance < 0.005 else 0.0
        assert found.error < 2e-13 + (1e-11 + law) * found.value
        excess.append(ratio / distance**2)
    assert min(excess) > 0.1
    # The coefficient changes smoothly, also where the law itself takes over (0.005).
    assert excess[1] == pytest.approx(excess[0], rel=0.03)
    assert excess[3] == pytest.approx(excess[2], rel=1e-3)
    assert excess[5] == pytest.approx(excess[3], rel=1e-2)


@pytest.mark.parametrize("order", [3, 5])
def test_cold_spinodal_is_the_limit(order):
    cold = find_critical_load(order, rsb=1).value
    rises = [
        find_critical_load(order, t, rsb=1).value - cold for t in (2e-3, 1e-3, 5e-4)
    ]
    assert 0.0 < rises[0] < 0.01 * cold
    assert rises[1] / rises[0] == pytest.approx(0.5, abs=0.02)
    assert rises[2] / rises[1] == pytest.approx(0.5, abs=0.02)


def test_capacity_from_the_free_energy_alone():
    """Stationary points of f as written, at fixed m, by a root finder of scipy; the
    largest load among them is the capacity."""
    order, top = 3, find_critical_load(3, rsb=1).value
    loads = []
    start = np.array([top, 0.69, 3.0])
    for m in (0.60, 0.6508, 0.70, 0.769):

        def slopes(v, m=m):
            alpha, q0, y = v
            c = distinct(order, alpha)
            return gradient(
                lambda *w: cold_retrieval_free_energy(c, order, *w), (m, q0, y), 1e-3
            )

        found = root(slopes, start, tol=1e-11)
        assert np.abs(slopes(found.x)).max() < 1e-10
        start = found.x
        loads.append(found.x[0])
        if m > 0.6508:
            state = solve_broken_retrieval(order, found.x[0], 0.0)
            assert state.m == pytest.approx(m, abs=1e-7)
            assert state.q0 == pytest.approx(found.x[1], abs=1e-7)
            assert state.y == pytest.approx(found.x[2], abs=1e-6)
    assert loads[1] == pytest.approx(top, abs=1e-9)
    assert max(loads) == loads[1]
    # m = 0.769 to three digits, where the load falls by 0.1 per unit of m.
    assert loads[3] == pytest.approx(0.14958, abs=5e-5)


# --- states -------------------------------------------------------------------------

STATES = [
    (3, 0.14, 0.05, "exclude"),
    (3, 0.152, 0.2, "exclude"),
    pytest.param(4, 0.035, 0.05, "exclude", marks=pytest.mark.nightly),
    (6, 0.0014, 0.06, "exclude"),
    (3, 0.088, 0.05, "keep"),
    pytest.param(4, 0.0135, 0.04, "keep", marks=pytest.mark.nightly),
]


def kept(order, alpha):
    return Polynomial(alpha * crosstalk_coefficients(order, "keep"))


@pytest.mark.parametrize(("order", "alpha", "t", "coincident"), STATES)
def test_state_is_stationary(order, alpha, t, coincident):
    state = solve_broken_retrieval(order, alpha, t, coincident=coincident)
    assert state.status.ok
    assert 0.0 < state.q0 < state.q1 < 1.0
    assert 0.0 < state.x < 1.0
    c = (distinct if coincident == "exclude" else kept)(order, alpha)
    panels = (24, 70)

    def f(m, q0, q1, x):
        return retrieval_free_energy(c, order, t, m, q0, q1, x, panels)

    point = (state.m, state.q0, state.q1, state.x)
    assert state.free_energy == pytest.approx(f(*point), abs=1e-11)
    h = 0.1 * min(1.0 - state.q1, state.q1 - state.q0, 1.0 - state.m, 0.01)
    assert np.abs(gradient(f, point, h)).max() < 1e-7
    planted = (state.m, state.q0, state.q1, 0.7 * state.x)
    # A planted error is seen.
    assert abs(gradient(lambda x: f(*planted[:3], x), planted[3:], h)[0]) > 1e-6


@pytest.mark.parametrize("t", [0.05, pytest.param(0.15, marks=pytest.mark.nightly)])
def test_energy_of_the_broken_state(t):
    """u = d(beta f)/d beta at fixed load."""
    alpha, beta, h = 0.15, 1.0 / t, 1e-3 / t
    state = solve_broken_retrieval(3, alpha, t)
    assert state.q1 > state.q0
    a, b, c, d = (
        (beta + k * h)
        * solve_broken_retrieval(3, alpha, 1 / (beta + k * h)).free_energy
        for k in (-2.0, -1.0, 1.0, 2.0)
    )
    slope = (a - 8.0 * b + 8.0 * c - d) / (12.0 * h)
    assert state.energy == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("order", [3, 4])
def test_cold_state_is_the_limit(order):
    alpha = 0.95 * find_critical_load(order, rsb=1).value
    cold = solve_broken_retrieval(order, alpha, 0.0)
    assert (cold.q1, cold.x) == (1.0, 0.0)
    assert cold.energy == cold.free_energy
    c = distinct(order, alpha)
    value = cold_retrieval_free_energy(c, order, cold.m, cold.q0, cold.y)
    assert cold.free_energy == pytest.approx(value, abs=1e-12)
    for t in (4e-3, 2e-3, 1e-3):
        state = solve_broken_retrieval(order, alpha, t)
        assert abs(state.energy - cold.energy) < 5.0 * t * t
        assert abs(state.m - cold.m) < 3.0 * t
        assert abs(state.y - cold.y) < 60.0 * t


def test_symmetric_where_that_is_stable():
    for order, alpha, t in (
        (3, 0.08, 0.1),
        (3, 0.0, 0.0),
        (4, 0.03, 0.2),
        (3, 0.1, 0.5),
    ):
        symmetric = solve_storage(order, alpha, t)
        state = solve_broken_retrieval(order, alpha, t)
        assert state.status is symmetric.status
        if not symmetric.status.ok:
            assert math.isnan(state.m)
            continue
        assert symmetric.replicon >= 0.0
        assert state.m == symmetric.m
        assert state.q0 == state.q1 == symmetric.q
        assert state.x == 1.0
        assert state.free_energy == symmetric.free_energy
    # With q0 = q1 the free energy as written is the symmetric one at any x.
    state = solve_storage(3, 0.1, 0.2)
    c = distinct(3, 0.1)
    for x in (0.2, 0.9):
        f = retrieval_free_energy(c, 3, 0.2, state.m, state.q, state.q, x)
        assert f == pytest.approx(state.free_energy, abs=1e-12)


def test_breaking_sets_in_at_the_replicon_line():
    """There q1 - q0 vanishes linearly, and f joins with the cube of the distance."""
    t = 0.1
    edge = find_critical_load(3, t, kind="replicon").value
    gaps, rises = [], []
    for distance in (0.02, 0.01):
        alpha = edge * (1.0 + distance)
        state = solve_broken_retrieval(3, alpha, t)
        symmetric = solve_storage(3, alpha, t)
        assert symmetric.replicon < 0.0
        gaps.append(state.q1 - state.q0)
        rises.append(state.free_energy - symmetric.free_energy)
        assert state.m > symmetric.m
    assert gaps[1] / gaps[0] == pytest.approx(0.5, abs=0.05)
    assert min(rises) > 0.0
    assert rises[1] / rises[0] == pytest.approx(0.125, abs=0.03)
    below = solve_broken_retrieval(3, edge * 0.999, t)
    assert below.q0 == below.q1


@pytest.mark.parametrize(("order", "t"), [(3, 0.0), (3, 0.1), (6, 0.0)])
def test_no_branch_is_lost_before_the_fold(order, t):
    """m falls and its slope grows up to the fold; beyond there is no state."""
    top = find_critical_load(order, t, rsb=1).value
    fold, _, _ = conditions(order).fold(t)
    loads = top * np.array([0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1.0 - 1e-6])
    states = [solve_broken_retrieval(order, float(a), t) for a in loads]
    assert all(state.status.ok for state in states)
    m = np.array([state.m for state in states])
    assert (np.diff(m) < 0.0).all()
    assert (m > fold.m).all()
    # A square root: the last three distances shrink by sqrt(10) and 10.
    assert (m[-2] - fold.m) / (m[-1] - fold.m) == pytest.approx(10.0, rel=0.05)
    beyond = solve_broken_retrieval(order, top * (1.0 + 1e-9), t)
    assert beyond.status is Status.NO_RETRIEVAL
    assert math.isnan(beyond.m)


def test_a_start_on_the_wrong_side():
    """Points below the fold in m solve the equations; they are not retrieval states."""
    model = Model(3.0, crosstalk_coefficients(3, "exclude"))
    fold = _cold_fold(3, "exclude")
    wrong = broken_point(model, 0.0, 0.58, fold.unknowns)
    assert wrong.alpha < fold.alpha
    assert wrong.slope > 0.0
    right = solve_broken_retrieval(3, wrong.alpha, 0.0)
    assert right.m > fold.m > wrong.m
    assert right.free_energy < wrong.free_energy
    # From there the search still ends on the maximum.
    again = find_fold(model, 0.0, 0.58, wrong.unknowns)
    assert again.alpha == pytest.approx(fold.alpha, rel=1e-12)
    # A start with the wrong sign of everything gives nothing.
    assert broken_point(model, 0.0, 0.58, np.array([5.0, -8.0, 9.0])) is None
    end, status = follow_curve(3, "exclude", 0.0, fold, 1.0, lambda point: 1.0)
    assert status is Status.NO_TRANSITION
    assert end.m > 0.98


def test_doubled_nodes():
    model = Model(4.0, crosstalk_coefficients(4, "exclude"))
    fold = conditions(4).fold(0.1)[0]
    point = broken_point(model, 0.1, fold.m, fold.unknowns)
    assert point.alpha_error < 1e-12
    assert point.residual < 1e-12


# --- thermodynamic line -------------------------------------------------------------

CROSSINGS = [
    (3, 0.2, 0, 0.14112, 5.1e-6),
    (3, 0.3, 0, 0.14059, 5.1e-6),
    (3, 0.4, 0, 0.09641, 5.1e-6),
    (4, 0.2, 0, 0.031613, 5.1e-7),
    (4, 0.3, 0, 0.018462, 5.1e-7),
    (3, 0.0, 1, 0.140807, 5.1e-7),
    (4, 0.0, 1, 0.031649, 5.1e-7),
    (6, 0.0, 1, 0.00101058, 5.1e-9),
]


@pytest.mark.parametrize(("order", "t", "rsb", "alpha", "digits"), CROSSINGS)
def test_equal_free_energies(order, t, rsb, alpha, digits):
    found = find_critical_load(order, t, kind="thermodynamic", rsb=rsb)
    assert found.value == pytest.approx(alpha, abs=digits)
    assert found.error < 1e-10
    solve = solve_broken_retrieval if rsb else solve_storage
    retrieval = solve(order, found.value, t).free_energy
    other = solve_glass(order, found.value, t).free_energy
    assert retrieval == pytest.approx(other, abs=1e-11)
    nearer, farther = (
        solve(order, k * found.value, t).free_energy
        - solve_glass(order, k * found.value, t).free_energy
        for k in (0.99, 1.01)
    )
    assert nearer < 0.0 < farther


def test_thermodynamic_line_where_breaking_is_too_small_to_resolve():
    """P = 12 at T = 0: the symmetric crossing, its error the difference there."""
    broken = find_critical_load(12, kind="thermodynamic", rsb=1)
    symmetric = find_critical_load(12, kind="thermodynamic")
    assert broken.value == symmetric.value
    assert symmetric.error < broken.error < 1e-6 * broken.value


@pytest.mark.parametrize(("order", "rsb"), [(3, 0), (4, 0), (6, 1)])
def test_thermodynamic_line(order, rsb):
    line = trace_line(order, "thermodynamic", n_points=7, rsb=rsb)
    assert line.status.ok
    assert (np.diff(line.temperature) > 0.0).all()
    assert line.alpha[-1] == 0.0
    for alpha, t, m in list(zip(line.alpha, line.temperature, line.m, strict=True))[
        1:-1
    ]:
        spinodal = find_critical_load(order, t, rsb=rsb).value
        assert alpha < spinodal
        found = find_critical_load(order, t, kind="thermodynamic", rsb=rsb)
        assert alpha == pytest.approx(found.value, rel=1e-12)
        state = solve_broken_retrieval(order, alpha, t) if rsb else None
        state = state or solve_storage(order, alpha, t)
        assert state.m == pytest.approx(m, abs=1e-8)
    if (order, rsb) == (3, 0):
        # Below, the symmetric state is favoured up to its spinodal.
        start = line.temperature[0]
        assert line.alpha[0] == pytest.approx(find_critical_load(3, start).value)
        below = find_critical_load(3, 0.9 * start, kind="thermodynamic")
        assert below.status is Status.NO_TRANSITION
    else:
        assert line.temperature[0] == 0.0


@pytest.mark.parametrize(("order", "alpha"), [(3, 0.0), (3, 0.1), (4, 0.02), (6, 5e-4)])
def test_load_and_temperature_are_inverse(order, alpha):
    found = find_transition_temperature(order, alpha, kind="thermodynamic")
    assert found.status.ok
    back = find_critical_load(order, found.value, kind="thermodynamic")
    if alpha > 0.0:
        assert back.value == pytest.approx(alpha, rel=1e-10)
    else:
        expected = {3: 0.495969, 4: 0.362949, 6: 0.240535}[order]
        assert found.value == pytest.approx(expected, abs=5.1e-7)
    again = find_transition_temperature(order, alpha, kind="thermodynamic", rsb=1)
    assert again == found  # symmetric where it is stable


def test_coincident_indices():
    """Even P: while the m = 0 state is the paramagnet; odd P: never."""
    t = 0.33
    found = find_critical_load(4, t, kind="thermodynamic", coincident="keep")
    assert found.status.ok
    states = [
        solve_storage(4, found.value, t, branch=branch, coincident="keep").free_energy
        for branch in ("retrieval", "paramagnet")
    ]
    assert states[0] == pytest.approx(states[1], abs=1e-13)
    for order, t in ((3, 0.3), (4, 0.1)):
        for rsb in (0, 1):
            options = {"kind": "thermodynamic", "coincident": "keep", "rsb": rsb}
            found = find_critical_load(order, t, **options)
            assert found.status is Status.NEEDS_RSB
    for order in (3, 4, 6):
        line = trace_line(order, "spinodal", n_points=5, coincident="keep", rsb=1)
        assert line.status.ok
        plain = trace_line(order, "spinodal", n_points=5, coincident="keep")
        assert (line.alpha >= plain.alpha).all()
        assert line.alpha[0] > plain.alpha[0]


def test_rounding_hides_breaking_near_its_end():
    """The square law then starts farther away, and says so in its error."""
    theory = conditions(10, "keep")
    ratios = []
    for distance in (0.006, 0.004):
        t = (1.0 - distance) * theory.breaking_end
        found = find_critical_load(10, t, coincident="keep", rsb=1)
        plain = find_critical_load(10, t, coincident="keep")
        assert found.status.ok
        ratios.append((found.value / plain.value - 1.0) / distance**2)
    assert ratios[1] == pytest.approx(ratios[0], rel=0.05)


def test_no_thermodynamic_line_above_its_end():
    """P = 12: the spinodal is still broken where retrieval is never favoured."""
    t = 0.95 * conditions(12).breaking_end
    assert t > find_transition_temperature(12, 0.0, kind="thermodynamic").value
    found = find_critical_load(12, t, kind="thermodynamic", rsb=1)
    assert found.status is Status.NO_TRANSITION


@pytest.mark.nightly
def test_highest_spinodal_temperature():
    """With distinct indices it is the symmetric one; with coincident indices the load
    is highest inside the broken part."""
    assert find_transition_temperature(3, 0.14, rsb=1) == find_transition_temperature(
        3, 0.14
    )
    options = {"coincident": "keep", "rsb": 1}
    found = find_transition_temperature(3, 0.08895, **options)
    assert 0.0 < found.value < conditions(3, "keep").breaking_end
    back = find_critical_load(3, found.value, **options)
    assert back.value == pytest.approx(0.08895, rel=1e-9)
    assert find_transition_temperature(3, 0.1, **options).status is Status.NO_TRANSITION


def test_bad_arguments():
    good = {"order": 3, "alpha": 0.1, "temperature": 0.1}
    bad = [
        ("order", 2, ParameterError),
        ("alpha", -0.1, ParameterError),
        ("temperature", math.nan, ParameterError),
        ("temperature", None, ParameterTypeError),
        ("coincident", "kept", ParameterError),
    ]
    for name, value, error in bad:
        with pytest.raises(error, match=f"^{name} = "):
            solve_broken_retrieval(**{**good, name: value})
    with pytest.raises(ParameterError, match="P >= 3"):
        find_critical_load(2, 0.1, rsb=1)
    for kind in ("replicon",):
        with pytest.raises(ParameterError, match=r"^rsb = 1: must be 0 for kind"):
            find_critical_load(3, 0.1, kind=kind, rsb=1)
    for kind in ("glass", "kauzmann", "dynamic"):
        with pytest.raises(ParameterError, match=r"^rsb = 1: must be 0 for kind"):
            find_transition_temperature(3, 0.1, kind=kind, rsb=1)
    with pytest.raises(ParameterError, match=r"^rsb = 1"):
        trace_line(3, "nishimori", rsb=1)
