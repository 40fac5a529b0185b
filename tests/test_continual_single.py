"""One task in field space against plain sums over dense grids."""

import math

import continual_reference as reference
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr

from analytics.continual.energetic import ROWS as PATTERN_ROWS
from analytics.continual.energetic import log_cdf_and_mills, pattern_moments
from analytics.continual.single import single_task, solve_single_task
from analytics.continual.site import (
    GAP,
    LOG_NORM,
    MEAN,
    ROWS,
    SIGN,
    VARIANCE,
    site_moments,
    site_nodes,
)
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

POINTS = [(0.1, 3.0), (1.0, 1.0), (5.0, 0.5), (5.0, 2.0), (20.0, 0.5)]
UNSTABLE = [(20.0, 1.8)]


def fields_of(alpha, beta, branch="continuous"):
    return single_task(float(alpha), float(beta), branch).fields


# Saddle points -----------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "alpha"), POINTS + UNSTABLE)
def test_saddle_point_by_plain_grids(beta, alpha):
    task = solve_single_task(alpha, beta)
    # <m> is analytic within pi / (2 sqrt(q_hat)) in z: the sum errs by 1e-13 or less.
    n = 1201 if alpha < 1.8 else 2401
    overlaps, p, loss, replicon = reference.single_image(
        task.q, task.r, task.q_star, alpha, beta, n
    )
    assert overlaps == pytest.approx((task.q, task.r, task.q_star), abs=1e-9)
    assert p == pytest.approx(task.p, abs=1e-9)
    assert loss == pytest.approx(task.loss, abs=1e-9)
    assert replicon == pytest.approx(task.replicon, rel=1e-8)
    assert task.generalization_error == pytest.approx(math.acos(p) / math.pi, abs=1e-9)
    assert task.residual < 1e-9
    assert task.quadrature_error < (1e-12 if beta <= 5.0 else 1e-8)
    expected = Status.RS_UNSTABLE if (beta, alpha) in UNSTABLE else Status.CONVERGED
    assert task.status is expected


def test_a_dropped_term_is_seen():
    """Without q_hat / 2 in the conjugate of q_star the twin is far from a solution."""
    task = solve_single_task(0.5, 5.0)
    r_hat, q_hat, a, _, _ = reference.fields(task.q, task.r, task.q_star, 0.5, 5.0)
    z, w = reference.gaussian_grid(801)
    h = math.sqrt(q_hat) * z + r_hat
    right = w @ reference.site(h, a)[2]
    wrong = w @ reference.site(h, a + 0.5 * q_hat)[2]
    assert abs(right - task.q_star) < 1e-9
    assert abs(wrong - task.q_star) > 1e-2


@pytest.mark.parametrize(("beta", "alpha"), [(2.0, 0.5), (20.0, 1.0)])
def test_free_entropy_is_stationary(beta, alpha):
    """In overlaps and conjugates, by differences: no partial integration is trusted."""
    task, fields = solve_single_task(alpha, beta), fields_of(alpha, beta)
    x = np.array([task.q, task.r, task.q_star, fields.q, fields.r, fields.a])

    def slope(y, j):
        # Third derivatives up to 1e3 times h**2, and rounding / h: below 1e-6.
        shift = (1e-5 if j < 3 else 1e-4) * np.eye(6)[j]
        rise = reference.free_entropy(*(y + shift), alpha, beta, n=401)
        fall = reference.free_entropy(*(y - shift), alpha, beta, n=401)
        return (rise - fall) / (2.0 * float(shift.sum()))

    for j in range(6):
        assert abs(slope(x, j)) < 1e-6
    away = x + np.array([0.0, 0.0, 0.0, 0.01, 0.0, 0.0])
    assert abs(slope(away, 0) - 0.005) < 1e-6


def test_numbers_known_from_elsewhere():
    """Three digits, from an independent solution of the same equations."""
    assert solve_single_task(0.5, 20.0).p == pytest.approx(0.4387, abs=1e-4)
    two = solve_single_task(2.0, 20.0)
    assert two.q_star == pytest.approx(0.9784, abs=1e-4)
    assert two.replicon == pytest.approx(0.016, abs=5e-4)


# Branches ----------------------------------------------------------------------------


def test_retrieval_begins_discontinuously_when_cold():
    below = solve_single_task(1.45, 20.0, branch="retrieval")
    assert below.status is Status.NO_BRANCH
    assert math.isnan(below.p)
    found = solve_single_task(1.5, 20.0, branch="retrieval")
    other = solve_single_task(1.5, 20.0)
    assert found.status is Status.CONVERGED
    assert found.replicon == pytest.approx(0.57, abs=0.01)
    assert found.p > 0.98
    assert other.status is Status.RS_UNSTABLE
    assert other.p < 0.75
    image = reference.single_image(found.q, found.r, found.q_star, 1.5, 20.0, n=801)
    assert image[0] == pytest.approx((found.q, found.r, found.q_star), abs=1e-6)


def test_branches_meet_at_large_load():
    cold, start = solve_single_task(2.0, 20.0), "retrieval"
    again = solve_single_task(2.0, 20.0, branch=start)
    assert (again.q, again.r, again.p) == pytest.approx(
        (cold.q, cold.r, cold.p), abs=1e-9
    )


def test_the_continuous_branch_is_not_left_early():
    """At 1.8 iteration from ignorance at this load overshoots into retrieval."""
    from analytics.continual.pattern import pattern_fields
    from analytics.continual.single import UNIFORM, _site

    assert solve_single_task(1.8, 20.0).p == pytest.approx(0.788, abs=1e-3)
    state = UNIFORM
    for _ in range(60):
        image = _site(pattern_fields(state, 1.8, 20.0, 0), 0).state
        state = 0.5 * (state + image)
    assert state[2] > 0.9


@pytest.mark.nightly
def test_where_retrieval_begins():
    """At beta = 20 between 1.495 and 1.5; the iteration is slow there."""
    begins = [
        solve_single_task(alpha, 20.0, branch="retrieval").status.ok
        for alpha in (1.48, 1.495, 1.5)
    ]
    assert begins == [False, False, True]


@pytest.mark.nightly
@pytest.mark.parametrize("beta", [5.0, 20.0])
def test_continuous_branch_is_followed_from_small_load(beta):
    """In equal steps, every state settled: the same branch as by growing steps."""
    from analytics.continual.pattern import pattern_fields
    from analytics.continual.single import UNIFORM, _site

    state = UNIFORM
    for alpha in np.arange(0.05, 1.88, 0.05):
        for _ in range(600):
            image = _site(pattern_fields(state, alpha, beta, 0), 0).state
            done = float(np.abs(image - state).max()) < 1e-9
            state = 0.5 * (state + image)
            if done:
                break
        task = solve_single_task(float(alpha), beta)
        assert state[2] == pytest.approx(task.r, abs=1e-6)


# Limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.3, 5.0, 100.0])
def test_no_pattern(beta):
    task = solve_single_task(0.0, beta)
    assert (task.q, task.r, task.p, task.q_star) == (0.0, 0.0, 0.0, 1.0 / 3.0)
    assert (task.status, task.generalization_error) == (Status.CLOSED_FORM, 0.5)
    loss = reference.pattern(np.zeros(1), 1 / 3, 2 / 3, beta, n=8001)[4, 0]
    assert task.loss == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("beta", [1.0, 20.0])
def test_small_load_to_first_order(beta):
    """q = q_hat / 9 and r = r_hat / 3, m uniform, with the fields of q = r = 0."""
    alpha = 1e-7
    psi = reference.pattern(np.zeros(1), 1 / 3, 2 / 3, beta, n=8001)[1, 0]
    g = beta * psi / math.sqrt(2 / 3)
    task = solve_single_task(alpha, beta)
    assert task.r == pytest.approx(2 * alpha * g / math.sqrt(2 * math.pi) / 3, rel=1e-4)
    assert task.q == pytest.approx(alpha * g * g / 9, rel=1e-4)
    assert task.p == pytest.approx(1.5 * task.r, rel=1e-4)


def test_at_beta_one_the_conjugate_is_minus_half_q_hat():
    fields = fields_of(1.5, 1.0)
    assert fields.a == -0.5 * fields.q


def test_deep_in_retrieval():
    """1 - q_star falls like 2 / (fields); residual and doubled nodes stay at rounding.

    With <m> -> 1 the weight is exp(-k (1 - m)), so 1 - q_star = 2 (1 - r) = 2 / k.
    """
    task = solve_single_task(50.0, 5.0)
    assert task.status is Status.CONVERGED
    assert 1.0 - task.q_star == pytest.approx(2.0 * (1.0 - task.r), rel=2e-3)
    fields = fields_of(50.0, 5.0)
    steep = 2.0 * fields.a + fields.r
    assert 1.0 - task.r == pytest.approx(1.0 / steep, rel=0.05)
    assert task.quadrature_error < 1e-12


# Averages ----------------------------------------------------------------------------


def test_log_cdf_and_mills():
    u = np.concatenate([np.linspace(-60, 9, 500), [-1e4, -5.0, -12.0, 38.0]])
    found = np.array([log_cdf_and_mills(x) for x in u])
    np.testing.assert_allclose(found[:, 0], log_ndtr(u), rtol=2e-15, atol=4e-16)
    psi = np.exp(-0.5 * u * u - reference.LOG_SQRT_2PI - log_ndtr(u))
    near = u > -8
    np.testing.assert_allclose(found[near, 1], psi[near], rtol=1e-12, atol=1e-300)
    far = -u[u < -50]
    np.testing.assert_allclose(found[u < -50, 1], far + 1 / far, rtol=1e-6)


@pytest.mark.parametrize(
    ("a", "s", "beta"),
    [
        (0.3, 0.6, 1.0),
        (-25.0, 0.8, 20.0),
        (8.0, 2.0, 1000.0),
        (-3.0, 2.0, 1000.0),
        (20.0, 10.0, 1.0),
        (0.0, 1e-3, 20.0),
        (2.0, 0.0, 5.0),
    ],
)
def test_pattern_by_adaptive_quadrature(a, s, beta):
    out = np.empty((PATTERN_ROWS, 1))
    pattern_moments(np.array([a]), s, beta, 0.1, out)
    grid = np.linspace(-10.0, 30.0, 40001)
    exponent = beta * log_ndtr(a + s * grid) - 0.5 * grid**2
    top, x0 = exponent.max(), grid[exponent.argmax()]
    wall = -a / s if s > 0.0 else x0
    places = [x0 + k for k in (-1, -0.1, 0, 0.1, 1)] + [wall + k / 8 for k in range(9)]
    low, high = x0 - 10.0, x0 + 10.0

    def average(f):
        def integrand(x):
            u = a + s * x
            log_cdf = float(log_ndtr(u))
            psi = math.exp(-0.5 * u * u - reference.LOG_SQRT_2PI - log_cdf)
            return math.exp(beta * log_cdf - 0.5 * x * x - top) * f(u, psi, log_cdf)

        inside = [p for p in places if low < p < high]
        options = {"points": inside, "limit": 400, "epsabs": 0.0, "epsrel": 1e-11}
        return quad(integrand, low, high, **options)[0]

    norm = average(lambda u, psi, log_cdf: 1.0)
    expected = [
        top + math.log(norm) - reference.LOG_SQRT_2PI,
        average(lambda u, psi, log_cdf: psi) / norm,
        average(lambda u, psi, log_cdf: psi * psi) / norm,
        average(lambda u, psi, log_cdf: u * psi) / norm,
        average(lambda u, psi, log_cdf: -log_cdf) / norm,
    ]
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("a", "c", "h"),
    [
        (0.0, 0.0, 1.5),
        (60.0, 0.0, -0.3),
        (-60.0, 0.0, 40.0),
        (-500.0, 0.0, 300.0),
        (5.0, 20.0, -2.0),
        (40.0, 20.0, 0.01),
        (0.0, 20.0, 150.0),
        (-30.0, 0.5, 250.0),
    ],
)
def test_site_by_plain_quadrature(a, c, h):
    out = np.empty((ROWS, 1))
    site_moments(np.array([h]), site_nodes(a, c, abs(h)), out)
    prior = (lambda m: -c * reference.entropy(m)) if c else None
    log_norm, mean, square, sign = reference.site(np.array([h]), a, prior, 1000)[:, 0]
    assert out[LOG_NORM, 0] == pytest.approx(log_norm, abs=1e-9)
    assert out[MEAN, 0] == pytest.approx(mean, abs=1e-10)
    assert out[GAP, 0] == pytest.approx(1.0 - square, abs=1e-10)
    assert out[VARIANCE, 0] == pytest.approx(square - mean**2, abs=1e-10)
    assert out[SIGN, 0] == pytest.approx(sign, abs=1e-10)


# Bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "name"),
    [
        ((math.nan, 1.0), {}, ParameterError, "alpha"),
        ((-0.1, 1.0), {}, ParameterError, "alpha"),
        ((math.inf, 1.0), {}, ParameterError, "alpha"),
        ((101.0, 1.0), {}, ParameterError, "alpha"),
        (("1", 1.0), {}, ParameterTypeError, "alpha"),
        ((True, 1.0), {}, ParameterTypeError, "alpha"),
        ((1.0, 0.0), {}, ParameterError, "beta"),
        ((1.0, -1.0), {}, ParameterError, "beta"),
        ((1.0, 1001.0), {}, ParameterError, "beta"),
        ((1.0, math.nan), {}, ParameterError, "beta"),
        ((1.0, [1.0]), {}, ParameterTypeError, "beta"),
        ((1.0, 1.0), {"branch": "retreival"}, ParameterError, "branch"),
        ((1.0, 1.0), {"branch": 1}, ParameterTypeError, "branch"),
    ],
)
def test_bad_input(arguments, options, error, name):
    with pytest.raises(error) as caught:
        solve_single_task(*arguments, **options)
    assert caught.value.name == name
