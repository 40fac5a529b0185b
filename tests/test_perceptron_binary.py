"""Saddle points of the binary perceptron: slow twins, limits, enumeration."""

import dataclasses
import math

import numpy as np
import perceptron_reference as reference
import pytest

from analytics.perceptron import solve_storage, solve_teacher_student
from analytics.perceptron.binary import (
    solve_storage_state,
    solve_teacher,
    spinodal,
    storage_curve,
    teacher_curve,
)
from analytics.perceptron.gardner import Rule, pattern_averages
from analytics.solve import find_root
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

# (alpha, T), with a teacher; above 1.2447 at T = 0 the branch is metastable.
LEARNING = [
    (0.1, 0.0),
    (0.8, 0.0),
    (1.2, 0.0),
    (1.49, 0.0),
    (1.0, 0.1),
    (1.45, 0.2),
    (0.7, 0.5),
    (1.9, 0.5),
    (3.0, 2.0),
]
# (alpha, kappa, T), patterns stored; the last two above T = 0 capacity.
STORING = [
    (0.3, 0.0, 0.0),
    (0.83, 0.0, 0.0),
    (1.2, 0.0, 0.0),
    (0.2, 1.0, 0.0),
    (3.0, -1.0, 0.0),
    (0.8, 0.0, 0.3),
    (0.5, 0.7, 1.0),
    (2.0, 0.0, 0.2),
]
# Tolerance 1e-13 of a few numbers below 10 by adaptive quadrature, and its rounding.
QUADRATURE = 5e-12


def inverse(temperature):
    return 1.0 / temperature if temperature else math.inf


def state_of(alpha, temperature, kappa=None, halvings=0):
    if kappa is None:
        return solve_teacher(alpha, inverse(temperature), halvings)
    rule = Rule(kappa, inverse(temperature), teacher=False)
    return solve_storage_state(rule, alpha, halvings)


def check_against_twin(alpha, temperature, kappa=None):
    """Saddle-point equations, free entropy, entropy and errors of one state."""
    state = state_of(alpha, temperature, kappa)
    assert state.status is Status.CONVERGED
    assert max(state.residual, state.quadrature_error, state.error) < 1e-10
    beta, margin = inverse(temperature), kappa or 0.0
    q, r = state.overlaps.q, state.overlaps.r if kappa is None else 0.0
    q_hat, r_hat = reference.equations(q, r, alpha, beta, margin)
    assert q_hat == pytest.approx(state.q_hat, rel=QUADRATURE)
    assert r_hat == pytest.approx(state.r_hat, rel=QUADRATURE)
    assert reference.overlaps(q_hat, r_hat) == pytest.approx((q, r), abs=1e-11)
    f = reference.free_entropy(q, r, q_hat, r_hat, alpha, beta, margin)
    assert state.free_entropy == pytest.approx(f, abs=QUADRATURE)
    e = reference.errors(q, r, alpha, beta, margin) if temperature else 0.0
    assert state.energy == pytest.approx(e, abs=QUADRATURE)
    s = f + (beta * e if temperature else 0.0)
    assert state.entropy == pytest.approx(s, abs=QUADRATURE * max(1.0, e and beta))


@pytest.mark.parametrize(("alpha", "temperature"), LEARNING)
def test_teacher_solves_the_textbook_equations(alpha, temperature):
    check_against_twin(alpha, temperature)


@pytest.mark.parametrize(("alpha", "kappa", "temperature"), STORING)
def test_storage_solves_the_textbook_equations(alpha, kappa, temperature):
    check_against_twin(alpha, temperature, kappa)


def test_planted_error_is_seen_by_the_twin():
    """An overlap off by 1e-9 misses the equations by more than they are met."""
    state = state_of(1.0, 0.5)
    q, r = state.overlaps.q + 1e-9, state.overlaps.r
    q_hat, _ = reference.equations(q, r, 1.0, 2.0)
    assert abs(q_hat / state.q_hat - 1.0) > 10.0 * QUADRATURE


@pytest.mark.parametrize(
    ("alpha", "temperature", "kappa"), [(1.2, 0.0, None), (1.0, 0.3, None), (0.6, 0, 0)]
)
def test_free_entropy_is_stationary(alpha, temperature, kappa):
    """In all four order parameters, by differences of the slow twin."""
    state = state_of(alpha, temperature, kappa)
    r = state.overlaps.r if kappa is None else 0.0
    at = [state.overlaps.q, r, state.q_hat, state.r_hat]
    for k in range(4) if kappa is None else (0, 2):

        def f(x, k=k):
            moved = [*at[:k], x, *at[k + 1 :]]
            return reference.free_entropy(
                *moved, alpha, inverse(temperature), kappa or 0.0
            )

        assert abs(reference.derivative(f, at[k], 2e-3)) < 1e-7


@pytest.mark.parametrize("kappa", [None, 0.0, 0.5])
@pytest.mark.parametrize("temperature", [0.15, 0.5, 3.0])
def test_energy_is_the_slope_of_the_free_entropy(temperature, kappa):
    """df/dbeta = -e, and df/dalpha is the free entropy of one pattern."""
    beta, alpha = 1.0 / temperature, 0.9
    here = state_of(alpha, temperature, kappa)

    def at_beta(b):
        return state_of(alpha, 1.0 / b, kappa).free_entropy

    def at_alpha(a):
        return state_of(a, temperature, kappa).free_entropy

    rule = Rule(kappa or 0.0, beta, teacher=kappa is None)
    slope = reference.derivative(at_beta, beta, 1e-3 * beta)
    assert slope == pytest.approx(-here.energy, abs=1e-9)
    slope = reference.derivative(at_alpha, alpha, 1e-3)
    log_weight = pattern_averages(here.overlaps, rule).log_weight
    assert slope == pytest.approx(log_weight, abs=1e-9)


@pytest.mark.parametrize(
    ("alpha", "temperature", "kappa"),
    [(a, t, None) for a, t in LEARNING] + [(a, t, k) for a, k, t in STORING],
)
def test_halved_panels_change_nothing(alpha, temperature, kappa):
    one, two = (state_of(alpha, temperature, kappa, halvings=h) for h in (0, 1))
    allowed = one.error + two.error
    assert abs(one.overlaps.q - two.overlaps.q) <= allowed
    assert abs(one.overlaps.r - two.overlaps.r) <= allowed
    allowed = one.quadrature_error + two.quadrature_error
    assert abs(one.free_entropy - two.free_entropy) <= allowed


def test_finite_systems_by_enumeration():
    """ln Z / N of all students of 11 weights, with the teacher and with coins.

    Corrections that fall at least like 1/N leave less at N = 11 than they change from
    5 to 11. False alarm: 4 standard errors of two means, below 1e-3 in all.
    """
    theory = {}
    for teacher in (True, False):
        kappa = None if teacher else 0.0
        theory[teacher] = state_of(1.0, 0.5, kappa).free_entropy
    for teacher in (True, False):
        small, large = (
            reference.enumerated_free_entropy(n, n, 2.0, 1500, n, teacher)
            for n in (5, 11)
        )
        error = 4.0 * (large.std() + small.std()) / math.sqrt(1500)
        allowed = abs(small.mean() - large.mean()) + error
        assert abs(large.mean() - theory[teacher]) < allowed
        # The other problem has the same formulas but for the teacher's measure.
        assert abs(large.mean() - theory[not teacher]) > 2.0 * allowed


# --- branches --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "temperature"), [(0.6, 0.3), (1.55, 0.3), (1.85, 0.5), (4.7, 2.0)]
)
def test_continuous_branch_is_what_iteration_from_zero_reaches(alpha, temperature):
    found = solve_teacher_student(alpha, temperature=temperature)
    beta = 1.0 / temperature
    q, r = reference.iterate(alpha, beta, 0.01, 2000)
    assert (found.q, found.teacher_overlap) == pytest.approx((q, r), abs=1e-10)


@pytest.mark.parametrize(("temperature", "factor"), [(0.3, 1.02), (0.5, 1.02)])
def test_beyond_the_spinodal_iteration_ends_at_the_teacher(temperature, factor):
    alpha = factor * spinodal(1.0 / temperature)[1]
    _, r = reference.iterate(alpha, 1.0 / temperature, 0.01, 2000)
    assert r > 0.99
    for branch in ("continuous", "equilibrium"):
        found = solve_teacher_student(alpha, temperature=temperature, branch=branch)
        assert found.status is Status.CLOSED_FORM
        assert (found.teacher_overlap, found.q, found.entropy) == (1.0, 1.0, 0.0)
        assert found.generalization_error == found.training_errors == 0.0


@pytest.mark.parametrize("temperature", [0.01, 0.1, 0.15, 0.3, 1.0, 10.0, 1e4, 1e9])
def test_curve_rises_to_one_maximum(temperature):
    """So its inverse is one branch; and a load given back is the load asked for."""
    beta = 1.0 / temperature
    top, alpha_top = spinodal(beta)
    assert -0.4 < top < 1.9  # inside the range that is searched
    curve = teacher_curve(beta)
    loads = [curve(float(x)).alpha for x in np.linspace(-8.0, top, 30)]
    assert (np.diff(loads) > 0.0).all()
    beyond = [curve(top + x).alpha for x in (0.05, 0.2, 0.5)]
    assert (np.diff([alpha_top, *beyond]) < 0.0).all()


def test_branches_part_at_equal_free_entropy():
    for temperature in (0.0, 0.5):
        for alpha, perfect in ((1.2, False), (1.24, False), (1.25, True), (1.3, True)):
            load = alpha * (1.0 if temperature == 0.0 else 1.570838781 / 1.24468399)
            found = solve_teacher_student(
                load, temperature=temperature, branch="equilibrium"
            )
            other = solve_teacher_student(load, temperature=temperature)
            assert (found.teacher_overlap == 1.0) == perfect
            assert other.teacher_overlap < 1.0
            if not perfect:
                assert found == other


def test_close_to_the_spinodal():
    """The error grows like an inverse square root of the distance, and stays true."""
    alpha_top = spinodal(math.inf)[1]
    last = 0.0
    for distance in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12):
        found = solve_teacher_student(alpha_top * (1.0 - distance))
        assert found.status.ok
        assert last < found.teacher_overlap < 1.0
        assert found.error < 1e-13 / math.sqrt(distance)
        last = found.teacher_overlap
    assert solve_teacher_student(alpha_top * (1.0 + 1e-12)).teacher_overlap == 1.0


def test_storage_is_followed_until_q_is_one():
    """At T = 0 up to 4 / pi, where q -> 1; above nothing is returned as a number."""
    near, nearer = (solve_storage(4.0 / math.pi * (1.0 - x)) for x in (1e-3, 1e-5))
    assert near.status is nearer.status is Status.CONVERGED
    assert 0.99 < near.q < nearer.q < 1.0
    assert nearer.entropy < near.entropy < -1.0
    gone = solve_storage(4.0 / math.pi * (1.0 + 1e-5))
    assert gone.status is Status.NO_BRANCH
    numbers = dataclasses.astuple(gone)[:6]
    assert all(math.isnan(x) for x in numbers)
    for kappa in (-1.0, 0.5, 2.0):
        square = reference.gauss(lambda z, k=kappa: max(z + k, 0.0) ** 2, [-kappa])
        end = 2.0 / (math.pi * square)
        assert solve_storage(0.999 * end, kappa=kappa).status is Status.CONVERGED
        assert solve_storage(1.001 * end, kappa=kappa).status is Status.NO_BRANCH


def test_storage_takes_the_smallest_q_of_several():
    curve = storage_curve(Rule(4.0, 1.0, teacher=False))
    x = np.linspace(-8.0, 4.0, 200)
    loads = np.array([curve(float(y)).alpha for y in x])
    falls = np.flatnonzero(np.diff(loads) < 0.0)
    assert falls.size  # there are several
    alpha = 0.9999 * float(loads[falls[0]])
    first = int(np.argmax(loads > alpha))
    root = find_root(lambda y: curve(y).alpha - alpha, float(x[0]), float(x[first]))
    found = solve_storage(alpha, kappa=4.0, temperature=1.0)
    assert found.q == pytest.approx(curve(root.value).overlaps.q, abs=1e-12)


# --- limits ----------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 0.2, 1.0, 50.0, math.inf])
@pytest.mark.parametrize("branch", ["continuous", "equilibrium"])
def test_without_examples(temperature, branch):
    for rule in ("gibbs", "bayes"):
        found = solve_teacher_student(
            0.0, temperature=temperature, branch=branch, rule=rule
        )
        assert found.status.ok
        assert (found.teacher_overlap, found.q) == (0.0, 0.0)
        assert found.generalization_error == pytest.approx(0.5, abs=1e-15)
    found = solve_storage(0.0, temperature=temperature)
    assert (found.q, found.entropy) == (0.0, math.log(2.0))


@pytest.mark.parametrize("temperature", [0.0, 0.3, 2.0])
def test_first_order_in_the_load(temperature):
    """R = (2 alpha / pi) tanh(beta / 2), q = R tanh(beta / 2), f = ln 2 + alpha ln w.

    w = (1 + exp(-beta)) / 2. The expansion goes in powers of alpha, coefficients of
    order one; the two sides of R = 1e-9 are different code.
    """
    tanh = 1.0 if temperature == 0.0 else math.tanh(0.5 / temperature)
    for alpha in (1e-12, 1e-10, 3e-9, 1e-7, 1e-5):
        found = state_of(alpha, temperature)
        r = 2.0 * alpha / math.pi * tanh
        allowed = 2.0 * alpha**2 + 1e-15
        assert found.overlaps.r == pytest.approx(r, abs=allowed)
        assert found.overlaps.q == pytest.approx(r * tanh, abs=allowed)
        weight = 0.5 * (1.0 + math.exp(-inverse(temperature)))
        free = math.log(2.0) + alpha * math.log(weight)
        assert found.free_entropy == pytest.approx(free, abs=allowed)


@pytest.mark.parametrize("alpha", [0.5, 1.2, 1.45])
def test_low_temperature_joins_zero(alpha):
    """Corrections are of the order of exp(-1 / T).

    In storage this needs q < 1/2: first order is int Dz / H(a), infinite above.
    """
    cold = solve_teacher_student(alpha)
    stored = solve_storage(0.4 * alpha)
    assert stored.q < 0.5
    for temperature in (0.15, 0.08, 0.04, 0.01, 1e-3, 1e-300, 1e-310):
        allowed = 30.0 * math.exp(-1.0 / max(temperature, 1e-3)) + 1e-12
        warm = solve_teacher_student(alpha, temperature=temperature)
        assert abs(warm.teacher_overlap - cold.teacher_overlap) < allowed
        assert abs(warm.q - cold.q) < allowed
        assert abs(warm.entropy - cold.entropy) < allowed / max(temperature, 1e-3)
        assert warm.training_errors < allowed
        other = solve_storage(0.4 * alpha, temperature=temperature)
        assert abs(other.q - stored.q) < allowed


def test_high_temperature_is_a_random_guess():
    for temperature in (1e2, 1e4, 1e8, 1e200, math.inf):
        found = solve_teacher_student(2.0, temperature=temperature)
        assert found.status.ok
        assert 0.0 <= found.q <= found.teacher_overlap < 1.0 / temperature + 1e-300
        allowed = temperature**-2.0 + 1e-15 if temperature < 1e9 else 1e-15
        assert found.entropy == pytest.approx(math.log(2.0), abs=allowed)
        allowed = 2.0 / temperature + 1e-14
        assert found.training_errors == pytest.approx(1.0, abs=allowed)
        stored = solve_storage(2.0, kappa=0.5, temperature=temperature)
        below = 0.5 * math.erfc(-0.5 / math.sqrt(2.0))
        assert stored.training_errors == pytest.approx(2.0 * below, abs=allowed)
    assert found.entropy == math.log(2.0)


def test_high_temperature_at_fixed_cost_of_the_load():
    """alpha / T = a fixed, T -> inf: R = tanh(a / (pi sqrt(1 - R**2))), q = R**2."""
    ratio, temperature = 1.5, 1e7
    root = find_root(
        lambda r: math.atanh(r) - ratio / (math.pi * math.sqrt(1.0 - r * r)), 0.01, 0.6
    )
    found = solve_teacher_student(ratio * temperature, temperature=temperature)
    assert found.teacher_overlap == pytest.approx(root.value, abs=10.0 / temperature)
    assert found.q == pytest.approx(root.value**2, abs=10.0 / temperature)


def test_nishimori_and_bayes():
    """At T = 0 student and teacher are alike, q = R, and the majority errs least."""
    for alpha in (0.2, 0.9, 1.4):
        gibbs = solve_teacher_student(alpha)
        bayes = solve_teacher_student(alpha, rule="bayes")
        r = gibbs.teacher_overlap
        assert gibbs.q == pytest.approx(r, abs=1e-14)
        assert bayes.teacher_overlap == pytest.approx(math.sqrt(r), abs=1e-14)
        assert bayes.q == gibbs.q
        assert gibbs.generalization_error == pytest.approx(math.acos(r) / math.pi)
        expected = math.acos(math.sqrt(r)) / math.pi
        assert bayes.generalization_error == pytest.approx(expected, abs=1e-13)
        for temperature in (0.2, 0.6):
            warm = solve_teacher_student(alpha, rule="bayes", temperature=temperature)
            other = solve_teacher_student(alpha, temperature=temperature)
            mean = other.teacher_overlap / math.sqrt(other.q)
            assert warm.teacher_overlap == pytest.approx(mean, abs=1e-13)
            # The Bayes student of the true posterior is the best of all.
            assert warm.teacher_overlap < bayes.teacher_overlap
        assert bayes.training_errors == 0.0
        missing = (bayes.entropy, bayes.margin, warm.training_errors)
        assert all(math.isnan(x) for x in missing)


def test_fields_of_storage():
    found = solve_storage(0.3, kappa=0.4)
    assert (found.teacher_overlap, found.generalization_error) == (0.0, 0.5)
    assert (found.margin, found.training_errors) == (0.4, 0.0)
    assert math.isnan(solve_storage(0.3, temperature=0.1).margin)


@pytest.mark.parametrize("kappa", [-100.0, -40.0, -6.0, 6.0, 100.0])
@pytest.mark.parametrize("temperature", [0.0, 1e-3, 1.0, 1e9])
@pytest.mark.parametrize("alpha", [0.0, 1e-300, 0.5, 1e6, 1e300])
def test_no_corner_crashes(kappa, temperature, alpha):
    for found in (
        solve_storage(alpha, kappa=kappa, temperature=temperature),
        solve_teacher_student(alpha, temperature=temperature),
    ):
        if found.status.ok:
            assert 0.0 <= found.q <= 1.0
            assert math.isfinite(found.entropy)
            assert found.residual < 1e-9
        else:
            assert math.isnan(found.q)
            assert math.isnan(found.entropy)


# --- bad input -------------------------------------------------------------------

WRONG = [
    ({"alpha": math.nan}, "alpha", ParameterError),
    ({"alpha": math.inf}, "alpha", ParameterError),
    ({"alpha": -0.1}, "alpha", ParameterError),
    ({"alpha": "1"}, "alpha", ParameterTypeError),
    ({"alpha": None}, "alpha", ParameterTypeError),
    ({"alpha": True}, "alpha", ParameterTypeError),
    ({"alpha": 1j}, "alpha", ParameterTypeError),
    ({"alpha": [0.1, 0.2]}, "alpha", ParameterTypeError),
    ({"temperature": -1e-9}, "temperature", ParameterError),
    ({"temperature": math.nan}, "temperature", ParameterError),
    ({"temperature": "cold"}, "temperature", ParameterTypeError),
]
WRONG_TEACHER = [
    ({"weights": "ising"}, "weights", ParameterError),
    ({"weights": 1}, "weights", ParameterTypeError),
    ({"rule": "gibs"}, "rule", ParameterError),
    ({"rule": None}, "rule", ParameterTypeError),
    ({"rule": "hebb"}, "rule", ParameterError),
    ({"rule": "max_margin"}, "rule", ParameterError),
    ({"branch": "stable"}, "branch", ParameterError),
    ({"branch": 0}, "branch", ParameterTypeError),
    ({"weights": "spherical", "temperature": 0.1}, "temperature", ParameterError),
]
WRONG_STORAGE = [
    ({"kappa": math.nan}, "kappa", ParameterError),
    ({"kappa": math.inf}, "kappa", ParameterError),
    ({"kappa": 101.0}, "kappa", ParameterError),
    ({"kappa": "0"}, "kappa", ParameterTypeError),
]


@pytest.mark.parametrize(
    ("solve", "arguments", "name", "kind"),
    [(solve_teacher_student, *row) for row in WRONG + WRONG_TEACHER]
    + [(solve_storage, *row) for row in WRONG + WRONG_STORAGE],
)
def test_bad_input(solve, arguments, name, kind):
    with pytest.raises(kind, match=name) as caught:
        solve(**{"alpha": 0.5, **arguments})
    assert caught.value.name == name
