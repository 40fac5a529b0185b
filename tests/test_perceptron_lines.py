"""Capacities and transitions of perceptrons, against published and exact values."""

import math

import mpmath
import numpy as np
import perceptron_reference as reference
import pytest
from scipy.optimize import linprog

from analytics.perceptron import (
    find_capacity,
    find_transition,
    solve_storage,
    solve_teacher_student,
)
from analytics.perceptron.binary import spinodal, teacher_curve
from analytics.perceptron.gardner import Overlaps, Rule, stability_average
from analytics.solve import find_maximum, find_root
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

KAPPAS = (-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 5.0)


def test_published_constants():
    """0.83 and 1.015: Krauth and Mezard (1989); 1.245 and 1.493: Gyorgyi (1990),
    Sompolinsky, Tishby and Seung (1990); more digits: repeated by other programs."""
    capacity = find_capacity()
    assert capacity.value == pytest.approx(0.83308, abs=5e-6)
    assert solve_storage(capacity.value).q == pytest.approx(0.5640, abs=6e-5)
    assert find_transition().value == pytest.approx(1.24468, abs=5e-6)
    assert find_transition("spinodal").value == pytest.approx(1.49263, abs=5e-6)
    assert find_transition("at").value == pytest.approx(1.01465, abs=5e-6)
    for found in (capacity, *(find_transition(k) for k in ("first_order", "at"))):
        assert found.status is Status.CONVERGED
        assert found.error < 1e-12


@pytest.mark.parametrize("kappa", KAPPAS)
def test_capacity_is_a_zero_of_the_entropy(kappa):
    """By the slow twin; replica symmetry is stable there, and the mean number of
    solutions bounds it."""
    found = find_capacity(kappa=kappa)
    assert found.status is Status.CONVERGED
    alpha = found.value
    state = solve_storage(alpha, kappa=kappa)
    q_hat, _ = reference.equations(state.q, 0.0, alpha, math.inf, kappa)
    s = reference.free_entropy(state.q, 0.0, q_hat, 0.0, alpha, math.inf, kappa)
    assert abs(s) < 1e-10
    assert alpha < -math.log(2.0) / reference.log_weight(kappa, math.inf)
    assert alpha < find_transition("at", kappa=kappa).value
    small, large = (solve_storage(alpha * x, kappa=kappa) for x in (0.999, 1.001))
    assert small.entropy > 0.0 > large.entropy


def test_capacity_of_a_loose_margin():
    """kappa -> -inf: the solutions are independent, alpha = -ln 2 / ln H(kappa)."""
    for kappa in (-8.0, -20.0, -37.0):
        found = find_capacity(kappa=kappa)
        assert found.status.ok
        with mpmath.workdps(40):
            bound = float(-mpmath.log(2) / mpmath.log1p(-mpmath.ncdf(kappa)))
        assert found.value == pytest.approx(bound, rel=1e-12)
    assert find_capacity(kappa=-60.0).status is Status.NOT_CONVERGED


@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0, 4.0, 30.0, 100.0])
def test_closed_forms(kappa):
    with mpmath.workdps(30):

        def excess(z):
            return mpmath.npdf(z) * (z + kappa) ** 2

        square = mpmath.quad(excess, [-kappa, max(0.0, 1.0 - kappa), 10, 30])
    found = find_capacity(weights="spherical", kappa=kappa)
    assert found.status is Status.CLOSED_FORM
    assert found.value == pytest.approx(float(1 / square), rel=1e-13)
    half = find_capacity(weights="sign_constrained", kappa=kappa)
    assert half.value == pytest.approx(0.5 * found.value, rel=1e-15)
    binary = find_capacity(kappa=kappa)
    assert binary.value < found.value


def test_known_closed_forms():
    assert find_capacity(weights="spherical").value == 2.0
    assert find_capacity(weights="sign_constrained").value == 1.0


@pytest.mark.parametrize("weights", ["spherical", "sign_constrained"])
def test_no_closed_form_for_negative_margins(weights):
    found = find_capacity(weights=weights, kappa=-0.1)
    assert found.status is Status.UNDEFINED
    assert math.isnan(found.value)


def test_sign_constrained_capacity_by_linear_programming():
    """Whether weights J >= 0 with J.x > 0 on P random patterns exist.

    Gaussian patterns, N = 60: at alpha = 0.7 and 1.3, and not at the 2 of free signs.
    The chance is a smooth step of width about N**(-1/2); seven draws each.
    """
    rng = np.random.default_rng(5)
    n = 60

    def stored(alpha):
        x = rng.standard_normal((round(alpha * n), n))
        # Scale is free: J.x >= 1.
        found = linprog(np.zeros(n), A_ub=-x, b_ub=-np.ones(x.shape[0]))
        return found.status == 0

    assert sum(stored(0.7) for _ in range(7)) >= 6
    assert sum(stored(1.3) for _ in range(7)) <= 1


@pytest.mark.parametrize("temperature", [0.0, 0.2, 0.5, 3.0])
def test_first_order_point(temperature):
    """f = 0 of the slow twin; below the spinodal; branches exchange there."""
    found = find_transition(temperature=temperature)
    assert found.status is Status.CONVERGED
    alpha = found.value
    assert alpha < find_transition("spinodal", temperature=temperature).value
    state = solve_teacher_student(alpha, temperature=temperature)
    beta = 1.0 / temperature if temperature else math.inf
    q, r = state.q, state.teacher_overlap
    fields = reference.equations(q, r, alpha, beta)
    assert abs(reference.free_entropy(q, r, *fields, alpha, beta)) < 1e-10
    for side, perfect in ((1.0 - 1e-9, False), (1.0 + 1e-9, True)):
        other = solve_teacher_student(
            alpha * side, temperature=temperature, branch="equilibrium"
        )
        assert (other.teacher_overlap == 1.0) == perfect


def test_high_temperature_limit():
    """alpha / T = a: f = S(R) - a arccos(R) / pi, S the entropy of weights at
    overlap R: an extremum with f = 0, and its end. Corrections of order 1 / T."""

    def slope(r):
        return math.pi * math.atanh(r) * math.sqrt(1.0 - r * r)

    def f(r):
        up, down = 0.5 * (1.0 + r), 0.5 * (1.0 - r)
        entropy = -up * math.log(up) - down * math.log(down)
        return entropy - slope(r) * math.acos(r) / math.pi

    top, end = find_maximum(slope, 0.3, 0.99)
    first = slope(find_root(f, 0.1, top).value)
    temperature = 1e6
    for kind, expected in (("spinodal", end), ("first_order", first)):
        found = find_transition(kind, temperature=temperature).value / temperature
        assert found == pytest.approx(expected, rel=10.0 / temperature)


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_spinodal_is_where_iteration_escapes(temperature):
    """Plain iteration stays below it, and goes to the teacher above it."""
    alpha = find_transition("spinodal", temperature=temperature).value
    beta = 1.0 / temperature if temperature else 200.0
    assert reference.iterate(alpha * 0.99, beta, 0.01, 1000)[1] < 0.9
    assert reference.iterate(alpha * 1.01, beta, 0.01, 1000)[1] > 0.99


@pytest.mark.parametrize(
    ("kappa", "temperature"), [(0.0, 0.0), (0.5, 0.0), (-1.0, 0.0), (0.0, 0.3)]
)
def test_instability_by_differences(kappa, temperature):
    """alpha <(dg/domega)**2> <sech**4> = 1, the slope of g by differences."""
    alpha = find_transition("at", kappa=kappa, temperature=temperature).value
    state = solve_storage(alpha, kappa=kappa, temperature=temperature)
    beta = 1.0 / temperature if temperature else math.inf
    q = state.q
    q_hat, _ = reference.equations(q, 0.0, alpha, beta, kappa)

    def rise(z):
        a = reference.argument(z, q, kappa)
        return reference.derivative(lambda b: reference.log_slope(b, beta), a, 1e-3)

    square = reference.gauss(lambda z: rise(z) ** 2, reference.places(q, kappa))
    root = math.sqrt(q_hat)
    sech4 = reference.gauss(lambda z: math.cosh(root * z) ** -4)
    assert alpha * square / (1.0 - q) ** 2 * sech4 == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 0.2, 0.5, 2.0, 100.0])
def test_the_branch_with_a_teacher_is_replica_symmetric(temperature):
    """Up to its end, at any temperature: at T = 0 it is marginal there."""
    beta = 1.0 / temperature
    top = spinodal(beta)[0]
    rule = Rule(0.0, beta, teacher=True)
    for x in np.linspace(-4.0, top, 12):
        point = teacher_curve(beta)(float(x))
        mode = point.alpha * stability_average(point.overlaps, rule)
        assert mode * point.averages.sech4 < 1.0 + 1e-7


def test_small_overlap_stability():
    """At q = 0 and kappa = 0, T = 0 the slope of g is -2 / pi."""
    found = stability_average(Overlaps(1.0, 1.0), Rule(0.0, math.inf, teacher=False))
    assert found == pytest.approx(4.0 / math.pi**2, rel=1e-14)


WRONG = [
    (find_capacity, {"weights": "Binary"}, "weights", ParameterError),
    (find_capacity, {"weights": None}, "weights", ParameterTypeError),
    (find_capacity, {"kappa": math.nan}, "kappa", ParameterError),
    (find_capacity, {"kappa": math.inf}, "kappa", ParameterError),
    (find_capacity, {"kappa": 1e3}, "kappa", ParameterError),
    (find_capacity, {"kappa": "1"}, "kappa", ParameterTypeError),
    (find_transition, {"kind": "AT"}, "kind", ParameterError),
    (find_transition, {"kind": 2}, "kind", ParameterTypeError),
    (find_transition, {"temperature": -1.0}, "temperature", ParameterError),
    (find_transition, {"temperature": math.inf}, "temperature", ParameterError),
    (find_transition, {"temperature": math.nan}, "temperature", ParameterError),
    (find_transition, {"kappa": 0.5}, "kappa", ParameterError),
    (find_transition, {"kind": "at", "kappa": math.nan}, "kappa", ParameterError),
]


@pytest.mark.parametrize(("find", "arguments", "name", "kind"), WRONG)
def test_bad_input(find, arguments, name, kind):
    with pytest.raises(kind, match=name) as caught:
        find(**arguments)
    assert caught.value.name == name


@pytest.mark.parametrize("kind", ["first_order", "spinodal", "at"])
@pytest.mark.parametrize("temperature", [1e-310, 1e-3, 1e9, 1e160])
def test_no_corner_crashes(kind, temperature):
    found = find_transition(kind, temperature=temperature)
    assert math.isfinite(found.value) == found.status.ok
    if temperature < 1.0:
        assert found.value == pytest.approx(find_transition(kind).value, abs=1e-9)
