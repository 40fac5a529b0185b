"""A second task in field space against plain sums, limits and symmetries."""

import functools
import math

import continual_reference as reference
import numpy as np
import pytest
from scipy.integrate import quad

from analytics.continual.marginal import replica_law, sample_law
from analytics.continual.piecewise import expand, sum_series
from analytics.continual.single import single_task, solve_single_task
from analytics.continual.smooth import ODD, smoothed
from analytics.continual.two_tasks import solve_two_tasks
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

OBSERVABLES = ("q2", "r2", "q2_star", "t", "p1", "p2")
RNG = np.random.default_rng(7)
SKEWED = np.tanh(1.5 * RNG.standard_normal(200) + 0.8)


def numbers(result, names=OBSERVABLES):
    return np.array([getattr(result, name) for name in names])


@functools.cache
def first_law(alpha, beta, n=24):
    """Nodes m1 and weights of the first task, by plain sums."""
    fields = single_task(alpha, beta, "continuous").fields
    m, w = reference.half_nodes(n)
    m, w = np.concatenate([-m[::-1], m]), np.concatenate([w[::-1], w])
    return m, w * reference.density(m, fields.q, fields.r, fields.a)


# Saddle points -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha1", "alpha2", "beta", "gamma", "r0"),
    [
        (1.0, 1.0, 5.0, 1.0, 0.5),
        (1.0, 1.0, 5.0, 0.2, -0.5),
        (0.5, 1.0, 20.0, 0.3, 0.5),
        (1.0, 0.0, 5.0, 1.0, 0.3),
    ],
)
def test_saddle_point_by_plain_sums(alpha1, alpha2, beta, gamma, r0):
    found = solve_two_tasks(alpha1, alpha2, beta, gamma, r0)
    m1, weights = first_law(alpha1, beta)
    assert weights.sum() == pytest.approx(1.0, abs=1e-10)
    r_hat = q_hat = a = curvature = 0.0
    if alpha2 > 0.0:
        r_hat, q_hat, a, loss, curvature = reference.fields(
            found.q2, found.r2, found.q2_star, alpha2, beta, n=801
        )
        assert found.loss2 == pytest.approx(loss, abs=1e-9)
    site = reference.second_site(m1, weights, (r_hat, q_hat, a), beta, gamma, r0)
    # The plain sums over m1 and m have an error of 4e-7 (nodes doubled: 3e-8).
    assert numbers(found) == pytest.approx(site[:6], abs=1e-6)
    assert found.replicon2 == pytest.approx(alpha2 * curvature * site[6], rel=1e-5)
    assert found.residual < 1e-10
    assert found.quadrature_error < (1e-10 if beta <= 5.0 else 1e-8)


def test_numbers_known_from_elsewhere():
    """p1 at alpha1 = 2, alpha2 = 1, r0 = 0, of the same equations solved elsewhere."""
    found = solve_two_tasks(2.0, 1.0, 20.0, 1.0, 0.0)
    assert found.p1 == pytest.approx(0.890, abs=5e-4)
    assert found.first is solve_single_task(2.0, 20.0)
    assert found.generalization_error_1 == pytest.approx(math.acos(found.p1) / math.pi)
    before = found.first.generalization_error
    assert found.forgetting == found.generalization_error_1 - before


# Limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("r0", [-0.4, 1.0])
def test_without_a_divergence_the_first_task_is_forgotten(r0):
    alone = solve_single_task(0.8, 5.0)
    found = solve_two_tasks(0.4, 0.8, 5.0, 0.0, r0)
    expected = [alone.q, alone.r, alone.q_star, r0 * alone.r, r0 * alone.p, alone.p]
    assert numbers(found) == pytest.approx(expected, abs=1e-10)
    assert found.replicon2 == pytest.approx(alone.replicon, abs=1e-9)
    assert found.loss2 == pytest.approx(alone.loss, abs=1e-10)
    near = solve_two_tasks(0.4, 0.8, 5.0, 1e-7, r0)
    assert numbers(near) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_equal_and_opposite_teachers(sign):
    found = solve_two_tasks(0.6, 0.9, 4.0, 0.3, sign)
    assert found.t == pytest.approx(sign * found.r2, abs=1e-12)
    assert found.p1 == pytest.approx(sign * found.p2, abs=1e-12)


def test_a_stiff_prior_keeps_the_first_task():
    """m -> m1. With c = beta gamma, exp(-c KL) has the curvature c / (1 - m1**2) and
    the third derivative -2 c m1 / (1 - m1**2)**2: <m> = m1 (1 - 1 / c), and the
    variance is (1 - m1**2) / c."""
    first = solve_single_task(1.0, 5.0)
    limit = np.array([first.q_star, 0.4 * first.r, first.q_star, first.r])
    slope = [2 * first.q_star, 0.4 * first.r, 3 * first.q_star - 1, first.r]
    for gamma in (10.0, 40.0):
        c = 5.0 * gamma
        found = solve_two_tasks(1.0, 0.0, 5.0, gamma, 0.4)
        gap = limit - numbers(found, ("q2", "r2", "q2_star", "t"))
        assert gap == pytest.approx(np.array(slope) / c, abs=5.0 / c**2)


@pytest.mark.parametrize("c", [0.3, 4.0])
def test_no_second_task_by_adaptive_quadrature(c):
    """Given m1, m has the density exp(-c KL(m || m1)) and nothing else."""
    m1 = 0.6
    found = solve_two_tasks(0.0, 0.0, 2.0, 0.5 * c, 0.7, marginal=np.array([m1]))

    def average(f, low=-1.0):
        return quad(
            lambda m: f(m) * math.exp(-c * reference.divergence(m, m1)),
            *(low, 1.0 - 1e-15),
            epsabs=1e-12,
            limit=200,
        )[0]

    low = -1.0 + 1e-15
    norm = average(lambda m: 1.0, low)
    mean = average(lambda m: m, low) / norm
    positive = average(lambda m: 1.0, 0.0) / norm
    assert found.t == pytest.approx(mean, abs=1e-9)
    assert found.r2 == pytest.approx(0.7 * mean, abs=1e-9)
    assert found.q2 == pytest.approx(mean**2, abs=1e-9)
    assert found.p1 == pytest.approx(2.0 * positive - 1.0, abs=1e-9)
    square = average(lambda m: m * m, low) / norm
    assert found.q2_star == pytest.approx(square, abs=1e-9)


# Symmetries --------------------------------------------------------------------------


def test_turning_the_first_teacher_round():
    """W1 -> -W1 changes the signs of m1 W1 and of r0: of t and p1, nothing else."""
    one = solve_two_tasks(0.0, 0.7, 5.0, 0.2, 0.4, marginal=SKEWED)
    two = solve_two_tasks(0.0, 0.7, 5.0, 0.2, -0.4, marginal=-SKEWED)
    signs = np.array([1, 1, 1, -1, -1, 1])
    assert numbers(two) == pytest.approx(signs * numbers(one), abs=1e-10)
    both = np.concatenate([SKEWED, -SKEWED])
    one, two = (
        solve_two_tasks(0.0, 0.7, 5.0, 0.2, r0, marginal=both) for r0 in (0.4, -0.4)
    )
    assert numbers(two) == pytest.approx(signs * numbers(one), abs=1e-10)
    assert abs(one.t) > 1e-2


# Empirical marginals -----------------------------------------------------------------


@pytest.mark.parametrize("n", [1000, 20000])
def test_samples_of_the_replica_law_reproduce_it(n):
    """Quantiles of it; with 1000 they are summed one by one, with 20000 grouped."""
    exact = solve_two_tasks(1.0, 0.8, 5.0, 0.5, 0.3)
    law = replica_law(1.0, 5.0, "continuous", 2.5, 1)
    below = np.cumsum(law.weights) - 0.5 * law.weights
    theta = np.interp((np.arange(n) + 0.5) / n, below, law.theta)
    found = solve_two_tasks(0.0, 0.8, 5.0, 0.5, 0.3, marginal=np.tanh(theta))
    # Interpolating the distribution costs (0.01)**2 of a node, a step 1 / (2 n).
    assert numbers(found) == pytest.approx(
        numbers(exact), abs=5e-4 if n < 2000 else 1e-4
    )
    assert found.marginal == "empirical"
    assert found.first is None
    assert exact.marginal == "rs"


@pytest.mark.parametrize("c", [0.5, 5.0, 60.0])
def test_grouped_samples_have_the_sums_of_the_samples(c):
    samples = np.tanh(2.0 * np.random.default_rng(3).standard_normal(60000) + 1.0)
    samples[:7] = 1.0, 1.0, 1.0, -1.0, -1.0, 0.0, 0.0
    law = sample_law(samples, c, 0)
    assert law.theta.size < 30000
    assert (law.plus, law.minus) == (3 / 60000, 2 / 60000)
    assert law.p == np.sign(samples).mean()
    theta = np.arctanh(samples[5:])
    for f in (lambda y: np.tanh(y + 0.3), lambda y: 1.0 / np.cosh(y - 1.0)):
        exact = f(c * theta).sum() / 60000
        assert law.weights @ f(c * law.theta) == pytest.approx(exact, abs=1e-9)


def test_saturated_samples():
    """The divergence from m1 = +-1 is infinite unless m = m1."""
    samples = np.concatenate([np.full(30, 1.0), np.full(10, -1.0), SKEWED])
    found = solve_two_tasks(0.0, 0.5, 5.0, 1.0, 0.5, marginal=samples)
    close = np.clip(samples, -1 + 1e-12, 1 - 1e-12)
    near = solve_two_tasks(0.0, 0.5, 5.0, 1.0, 0.5, marginal=close)
    assert numbers(found) == pytest.approx(numbers(near), abs=2e-2)
    assert found.status is Status.CONVERGED
    free = solve_two_tasks(0.0, 0.5, 5.0, 0.0, 0.5, marginal=samples)
    assert free.q2 == pytest.approx(solve_single_task(0.5, 5.0).q, abs=1e-10)
    frozen = solve_two_tasks(0.0, 0.5, 5.0, 1.0, 0.5, marginal=samples[:40])
    assert (frozen.t, frozen.p2, frozen.q2_star) == (0.5, 0.25, 1.0)
    assert frozen.status is Status.CLOSED_FORM


def test_error_before_is_that_of_the_samples():
    samples = np.array([0.2, -0.1, 0.9, 0.8])
    found = solve_two_tasks(0.0, 0.1, 5.0, 1.0, 0.5, marginal=samples)
    assert found.generalization_error_1_before == pytest.approx(1.0 / 3.0)


# Averages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "c", "variance"),
    [(3.0, 5.0, 20.0), (-8.0, 0.0, 400.0), (20.0, 20.0, 0.09), (0.0, 2.0, 0.0)],
)
def test_smoothed_by_plain_sums(a, c, variance):
    series = smoothed(a, c, variance, 60.0, 0)
    x, w = reference.gaussian_grid(2001)
    for y in (-37.0, -0.4, 0.0, 2.0, 59.0):
        h = math.sqrt(variance) * x + y
        prior = (lambda m: -c * reference.entropy(m)) if c else None
        _, mean, square, sign = reference.site(h, a, prior, 400)
        spread = square - mean**2
        expected = [w @ f for f in (mean, 1.0 - square, spread, spread**2, sign)]
        out = np.zeros(ODD.size)
        sum_series(np.array([y]), np.ones(1), ODD, *series, out)
        np.testing.assert_allclose(out, expected, atol=2e-9)


def test_series_of_a_known_function():
    def f(x):
        return np.array([np.arctan(3.0 * x), 1.0 / (1.0 + x * x)])

    for halvings in (0, 1):
        series = expand(f, 50.0, 1e-12, halvings)
        points = np.linspace(-50.0, 50.0, 777)
        out = np.zeros(2)
        weights = np.cos(points)
        sum_series(points, weights, np.array([True, False]), *series, out)
        np.testing.assert_allclose(out, f(points) @ weights, atol=1e-9)


# Status and input --------------------------------------------------------------------


def test_status():
    unstable = solve_two_tasks(1.0, 0.1, 20.0, 1.0, 0.0)
    assert unstable.status is Status.RS_UNSTABLE
    assert unstable.replicon2 < 1.0 < unstable.first.replicon
    none = solve_two_tasks(0.0, 0.1, 20.0, 1.0, 0.0, branch="retrieval")
    assert none.status is Status.NO_BRANCH
    assert math.isnan(none.t)
    assert math.isnan(none.forgetting)


GOOD = {"alpha1": 0.5, "alpha2": 0.5, "beta": 1.0, "gamma": 1.0}
GOOD["teacher_correlation"] = 0.5


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("alpha1", -1.0, ParameterError),
        ("alpha2", math.nan, ParameterError),
        ("alpha2", None, ParameterTypeError),
        ("beta", 0.0, ParameterError),
        ("gamma", -0.1, ParameterError),
        ("gamma", math.inf, ParameterError),
        ("gamma", "1", ParameterTypeError),
        ("teacher_correlation", 1.1, ParameterError),
        ("teacher_correlation", -1.1, ParameterError),
        ("branch", "cold", ParameterError),
        ("marginal", "empirical", ParameterError),
        ("marginal", [], ParameterError),
        ("marginal", [[0.1, 0.2]], ParameterError),
        ("marginal", [0.1, 1.0000001], ParameterError),
        ("marginal", [0.1, math.nan], ParameterError),
        ("marginal", None, ParameterTypeError),
        ("marginal", ["a"], ParameterTypeError),
    ],
)
def test_bad_input(name, value, error):
    with pytest.raises(error) as caught:
        solve_two_tasks(**{**GOOD, name: value})
    assert caught.value.name == name
