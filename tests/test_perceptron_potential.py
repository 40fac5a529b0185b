"""The Franz-Parisi potential against plain quadrature, differences and limits."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtri_exp

from analytics.perceptron import potential_terms as terms
from analytics.perceptron.potential import franz_parisi, solve_potential
from analytics.perceptron.storage import solve_storage
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status


def binary_entropy(p):
    return -sum(x * math.log(x) for x in ((1 + p) / 2, (1 - p) / 2) if x > 0)


# Plain twins ---------------------------------------------------------------------


def plain_gauss(n):
    """The trapezoidal rule of the Gaussian measure."""
    z = np.linspace(-9.0, 9.0, n)
    weights = np.exp(-0.5 * z * z)
    return z, weights / weights.sum()


def plain_patterns(problem, r, q_w):
    """E of (z, u, t) as defined, with u by the inverse of its distribution."""
    p, q, kappa = problem.overlap, problem.q, problem.kappa
    b = (p - r) / math.sqrt(1 - q)
    v = q_w - r * r / q - b * b
    z, z_weights = plain_gauss(121)
    t, t_weights = plain_gauss(61)
    # Gauss-Legendre over s, share = s**3 (10 - 15 s + 6 s**2) smooth at both ends.
    x, w = np.polynomial.legendre.leggauss(120)
    s = 0.5 * (1 + x)
    share, share_weights = s**3 * (10 - 15 * s + 6 * s**2), 15 * s**2 * (1 - s) ** 2 * w
    u0 = (kappa - math.sqrt(q) * z) / math.sqrt(1 - q)
    # P(U > u) = share P(U > u0), by logarithms.
    u = -ndtri_exp(np.log(share)[None, :] + log_ndtr(-u0)[:, None])
    field = (r / math.sqrt(q)) * z[:, None, None] + b * u[:, :, None]
    field = field + math.sqrt(v) * t - kappa
    log_phi = log_ndtr(field / math.sqrt(1 - q_w))
    return problem.alpha * float(
        np.einsum("z,u,t,zut->", z_weights, share_weights, t_weights, log_phi)
    )


def plain_sites(problem, fields):
    """S as defined."""
    root = math.sqrt(problem.q_hat)
    slope = fields.reference / root
    spread = math.sqrt(fields.student - slope**2)
    z, weights = plain_gauss(401)
    total = 0.0
    for j in (-1.0, 1.0):
        share = weights * np.exp(j * root * z) / (2 * np.cosh(root * z))
        field = (
            slope * z[:, None] + spread * z + j * (fields.overlap - fields.reference)
        )
        total += float(share @ np.logaddexp(field, -field) @ weights)
    return total


def problem_of(alpha, overlap, kappa, found):
    """The reference, from the storage theory and its definition of q_hat."""
    q = solve_storage(alpha, kappa=kappa).q

    def square(z):
        v = (math.sqrt(q) * z - kappa) / math.sqrt(1 - q)
        mills = math.exp(-0.5 * v * v - 0.5 * math.log(2 * math.pi) - log_ndtr(v))
        return mills**2 * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    q_hat = alpha / (1 - q) * quad(square, -11, 11, epsabs=1e-13, limit=300)[0]
    fields = terms.Conjugates(
        found.overlap_conjugate, found.reference_conjugate, found.student_conjugate
    )
    return terms.Problem(alpha, kappa, overlap, q, q_hat), fields


CASES = [
    (0.7, 0.9, 0.0),
    (0.2, 0.6, 0.5),
    *(
        pytest.param(*case, marks=pytest.mark.nightly)
        for case in ((0.5, 0.7, 0.0), (0.7, 0.0, 0.0), (1.5, 0.3, -1.0), (0.5, -0.2, 0))
    ),
]


@pytest.mark.parametrize(("alpha", "p", "kappa"), CASES)
def test_entropy_by_plain_quadrature(alpha, p, kappa):
    """The value of the functional, whose quadrature differs in every step."""
    found = solve_potential(alpha, p, kappa=kappa)
    problem, fields = problem_of(alpha, p, kappa, found)
    r, q_w = found.reference_overlap, found.student_overlap
    plain = (
        -p * fields.overlap
        + r * fields.reference
        - 0.5 * fields.student * (1 - q_w)
        + plain_sites(problem, fields)
        + plain_patterns(problem, r, q_w)
    )
    assert found.entropy == pytest.approx(plain, abs=2e-8)
    assert found.status is Status.CONVERGED
    assert found.residual < 1e-10
    assert found.quadrature_error < 1e-12


@pytest.mark.parametrize(("alpha", "p", "kappa"), CASES)
def test_saddle_point_is_stationary(alpha, p, kappa):
    """Central differences of the plain functional in all five variables.

    With h = 1e-4 the rule errs by h**2 / 6 times third derivatives (of the order of
    10), and by the plain quadrature's noise 1e-11 / h: 1e-6 covers both.
    """
    found = solve_potential(alpha, p, kappa=kappa)
    problem, fields = problem_of(alpha, p, kappa, found)
    r, q_w = found.reference_overlap, found.student_overlap
    h = 1e-4

    def patterns(dr, dq):
        return plain_patterns(problem, r + dr, q_w + dq)

    def sites(*shift):
        return plain_sites(problem, terms.Conjugates(*(np.array(fields) + shift)))

    slopes = {
        "r_hat": -(patterns(h, 0) - patterns(-h, 0)) / (2 * h),
        "q_w_hat": -2 * (patterns(0, h) - patterns(0, -h)) / (2 * h),
        "p": (sites(h, 0, 0) - sites(-h, 0, 0)) / (2 * h),
        "r": -(sites(0, h, 0) - sites(0, -h, 0)) / (2 * h),
        "1 - q_w": 2 * (sites(0, 0, h) - sites(0, 0, -h)) / (2 * h),
    }
    expected = {
        "r_hat": fields.reference,
        "q_w_hat": fields.student,
        "p": p,
        "r": r,
        "1 - q_w": 1 - q_w,
    }
    assert slopes == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("alpha", "p", "kappa"), [*CASES, (0.5, 0.98, 0.0)])
def test_slope_is_the_derivative(alpha, p, kappa):
    """-p_hat + dE/dp, by Richardson of central differences of phi."""
    h = 0.02 * (1 - p)

    def difference(step):
        up, down = (solve_potential(alpha, p + s, kappa=kappa) for s in (step, -step))
        return (up.entropy - down.entropy) / (2 * step)

    limit = (4 * difference(h / 2) - difference(h)) / 3
    found = solve_potential(alpha, p, kappa=kappa)
    assert found.slope == pytest.approx(limit, abs=3e-6)
    assert abs(found.slope + found.overlap_conjugate) > 1e-2  # dE/dp is not left out


# Limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "kappa"), [(0.1, 0.0), (0.5, 0.0), (0.8, 0.0), (0.2, 0.5), (1.5, -1.0)]
)
def test_maximum_is_a_typical_solution(alpha, kappa):
    reference = solve_storage(alpha, kappa=kappa)
    found = solve_potential(alpha, reference.q, kappa=kappa)
    assert found.entropy == pytest.approx(reference.entropy, abs=1e-11)
    assert found.slope == pytest.approx(0.0, abs=1e-9)
    assert found.reference_overlap == pytest.approx(reference.q, abs=1e-10)
    assert found.student_overlap == pytest.approx(reference.q, abs=1e-10)
    assert found.overlap_conjugate == pytest.approx(found.student_conjugate, abs=1e-8)
    near = solve_potential(alpha, reference.q + 1e-6, kappa=kappa)
    assert near.entropy == pytest.approx(reference.entropy, abs=1e-11)


@pytest.mark.parametrize("p", [-0.5, 0.0, 0.5, 0.9, 0.99])
def test_first_order_in_the_load(p):
    """H_2 + alpha 2 int_0^inf Du ln Phi(p u / sqrt(1 - p**2)).

    One pattern leaves the share Phi(..) of the weights at overlap p from a J with
    stability u; the logarithm is outside. Richardson in alpha leaves alpha**2 times a
    third derivative, which grows as q_w -> 1.
    """
    share = quad(
        lambda u: 2 * math.exp(-u * u / 2) * log_ndtr(p * u / math.sqrt(1 - p * p)),
        0,
        12,
        epsabs=1e-12,
        limit=200,
    )[0] / math.sqrt(2 * math.pi)

    def ratio(alpha):
        return (franz_parisi(alpha, p).value - binary_entropy(p)) / alpha

    a = 1e-5
    assert 2 * ratio(a / 2) - ratio(a) == pytest.approx(share, abs=1e-7)
    # The annealed form ln(1 - arccos(p) / pi) is above it, and is told apart.
    annealed = math.log(1 - math.acos(p) / math.pi)
    assert share <= annealed + 1e-12
    if p != 0.0:
        assert annealed - share > 1e-3


def test_typical_solutions_are_isolated():
    """phi < 0 before p = 1: from about 0.985 at alpha = 0.5, and 0.92 at 0.7."""
    for alpha, positive, negative in ((0.5, 0.985, 0.987), (0.7, 0.92, 0.93)):
        assert franz_parisi(alpha, positive).value > 0.0
        assert franz_parisi(alpha, negative).value < 0.0


def test_no_patterns_and_the_reference_itself():
    for p in (-0.999, -0.3, 0.0, 0.6, 1.0):
        found = franz_parisi(0.0, p)
        assert found.value == pytest.approx(binary_entropy(p), abs=1e-15)
        assert found.status is Status.CLOSED_FORM
        tiny = franz_parisi(1e-300, p)
        assert tiny.value == pytest.approx(binary_entropy(p), abs=1e-15)
    found = solve_potential(0.5, 1.0)
    assert found.entropy == 0.0
    assert found.student_overlap == 1.0
    assert math.isnan(found.slope)


def test_no_number_without_a_saddle_point():
    assert franz_parisi(0.84, 0.5).status is Status.NO_BRANCH  # beyond capacity
    for alpha, p in ((0.7, 0.999), (0.8, -0.9)):
        found = solve_potential(alpha, p)
        assert found.status is Status.NOT_CONVERGED
        assert math.isnan(found.entropy)
        assert math.isnan(found.student_overlap)


def test_student_overlap_is_in_range_along_the_curve():
    """Bessel's inequality for q_w, and the concave top of phi at p = q."""
    for alpha, kappa in ((0.3, 0.3),):
        reference = solve_storage(alpha, kappa=kappa)
        q, top = reference.q, reference.entropy
        for p in np.linspace(0.0, 0.95, 4):
            found = solve_potential(alpha, float(p), kappa=kappa)
            r = found.reference_overlap
            least = r * r / q + (p - r) ** 2 / (1 - q)
            assert least - 1e-12 <= found.student_overlap < 1.0
            assert found.entropy <= top + 1e-12


# The density of the student's field -------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 0.52, 0.95])
def test_density_has_the_mean_of_the_fields(p):
    """Weights sum to 1; the mean field is that of truncated u, by quad."""
    problem = terms.Problem(0.7, 0.3, p, 0.5, 1.0)
    r, q_w = 0.45, 0.93
    grid = terms._student_grid(problem, r, q_w, 0)
    assert grid.weights.sum() == pytest.approx(1.0, abs=1e-12)
    field = grid.argument * math.sqrt(1 - q_w) + problem.kappa
    b = (p - r) / math.sqrt(1 - problem.q)

    def mean(z):
        u0 = (problem.kappa - math.sqrt(problem.q) * z) / math.sqrt(1 - problem.q)
        mills = math.exp(-0.5 * u0 * u0 - 0.5 * math.log(2 * math.pi) - log_ndtr(-u0))
        value = r / math.sqrt(problem.q) * z + b * mills
        return value * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    expected = quad(mean, -10, 10, epsabs=1e-13)[0]
    assert float((grid.weights * field).sum()) == pytest.approx(expected, abs=1e-11)


# Bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "overlap", "kappa"),
    [(-0.1, 0.5, 0.0), (0.5, -1.0, 0.0), (0.5, 1.1, 0.0), (0.5, 0.5, 4.5)],
)
def test_values_out_of_range(alpha, overlap, kappa):
    with pytest.raises(ParameterError):
        solve_potential(alpha, overlap, kappa=kappa)


def test_wrong_kinds():
    for arguments in itertools.product(("a", 0.5), repeat=2):
        if arguments != (0.5, 0.5):
            with pytest.raises(ParameterTypeError):
                franz_parisi(*arguments)
