"""Stable primitives against mpmath, to a few ulp, wherever they may be called."""

import math

import mpmath
import numpy as np
import pytest

from statmech.special import (
    gaussian_tail,
    inverse_mills,
    log_2cosh,
    log_gaussian_tail,
    sigmoid,
    softplus,
)

DIGITS = 40
SMALLEST_NORMAL = 2.2250738585072014e-308
TOLERANCE = 1e-14


def exact_log_2cosh(x):
    return abs(x) + mpmath.log1p(mpmath.exp(-2 * abs(x)))


def exact_softplus(x):
    return (x if x > 0 else 0) + mpmath.log1p(mpmath.exp(-abs(x)))


def exact_sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def exact_tail(x):
    return mpmath.erfc(x / mpmath.sqrt(2)) / 2


def exact_log_tail(x):
    # 1 - H(-x) would need as many digits as H(-x) is small.
    return mpmath.log(exact_tail(x)) if x > 0 else mpmath.log1p(-exact_tail(-x))


def exact_mills(x):
    return mpmath.npdf(x) / exact_tail(-x)


FUNCTIONS = {
    log_2cosh: exact_log_2cosh,
    softplus: exact_softplus,
    sigmoid: exact_sigmoid,
    gaussian_tail: exact_tail,
    log_gaussian_tail: exact_log_tail,
    inverse_mills: exact_mills,
}
every_function = pytest.mark.parametrize(
    "function", FUNCTIONS, ids=lambda function: function.__name__
)


def arguments(n_each):
    """Both signs of magnitudes from the smallest subnormal to 1e6, more where the
    functions bend or their results leave the range of float64."""
    rng = np.random.default_rng(7)
    sizes = [
        *(0.0, 5e-324, 1e-310, SMALLEST_NORMAL, 1e-200, 1e-20, 1e-16, 1e-8),
        *(0.5, 1.0, 2.0, 5.0, 8.0, 26.0, 37.5, 38.4, 38.6, 40.0),
        *(700.0, 708.0, 709.7, 710.0, 744.0, 746.0, 1e3, 1e4, 123456.789, 1e6),
        *10.0 ** rng.uniform(-12, 6, n_each),
        *rng.uniform(0.0, 40.0, n_each),
        *rng.uniform(0.0, 800.0, n_each // 2),
    ]
    return np.array([*sizes, *(-size for size in sizes)])


def relative_errors(function, x):
    """|value - exact| over |exact|, or over the smallest normal number if larger."""
    values = function(x)
    errors = []
    with mpmath.workdps(DIGITS):
        for point, value in zip(x, values, strict=True):
            exact = FUNCTIONS[function](mpmath.mpf(float(point)))
            # Where the result is subnormal it has fewer digits than that.
            unit = max(abs(exact), SMALLEST_NORMAL)
            errors.append(float(abs(mpmath.mpf(float(value)) - exact) / unit))
    return np.array(errors)


@every_function
def test_against_mpmath(function):
    x = arguments(60)
    assert np.isfinite(function(x)).all()
    errors = relative_errors(function, x)
    assert errors.max() <= TOLERANCE, x[errors.argmax()]


@pytest.mark.nightly
@every_function
def test_against_mpmath_dense(function):
    x = arguments(3000)
    errors = relative_errors(function, x)
    assert errors.max() <= TOLERANCE, x[errors.argmax()]


@every_function
def test_shapes_scalars_and_nan(function):
    grid = function(np.array([[0.0, 1.0, -3.0], [2.0, -50.0, 900.0]]))
    assert grid.shape == (2, 3)
    assert grid.dtype == np.float64
    assert isinstance(function(2), float)
    assert function(2) == grid[1, 0]
    assert function([2.0])[0] == grid[1, 0]
    assert math.isnan(function(math.nan))


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (log_2cosh, math.inf, math.inf),
        (softplus, 0.0, math.inf),
        (sigmoid, 0.0, 1.0),
        (gaussian_tail, 1.0, 0.0),
        (log_gaussian_tail, 0.0, -math.inf),
        (inverse_mills, math.inf, 0.0),
    ],
)
def test_limits(function, left, right):
    """Far outside the range in use: the right limit, and no warning on the way."""
    assert function(-math.inf) == left
    assert function(math.inf) == right
    far = function(np.array([-1e300, 1e300]))
    for value, limit in zip(far, (left, right), strict=True):
        assert value == limit or (math.isinf(limit) and abs(value) >= 1e299)


def test_symmetries():
    x = np.linspace(-40.0, 40.0, 801)
    np.testing.assert_array_equal(log_2cosh(x), log_2cosh(-x))
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1.0, rtol=1e-15)
    np.testing.assert_allclose(softplus(x) - softplus(-x), x, rtol=4e-15, atol=4e-15)
    np.testing.assert_allclose(gaussian_tail(x) + gaussian_tail(-x), 1.0, rtol=1e-15)
    np.testing.assert_allclose(
        np.exp(log_gaussian_tail(x)), gaussian_tail(x), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("naive", "exact", "x"),
    [
        (lambda x: np.log(1.0 + np.exp(x)), exact_softplus, -40.0),
        (lambda x: np.exp(x) / (1.0 + np.exp(x)), exact_sigmoid, 1000.0),
        (lambda x: np.log(2.0 * np.cosh(x)), exact_log_2cosh, 1000.0),
        (lambda x: 1.0 - 0.5 * math.erfc(-x / math.sqrt(2.0)), exact_tail, 9.0),
        (lambda x: np.log(1.0 - exact_float_tail(-x)), exact_log_tail, -9.0),
        (lambda x: exact_float_density(x) / exact_float_tail(-x), exact_mills, -39.0),
        (lambda x: exact_float_density(x), exact_mills, 37.123456789),
    ],
)
def test_textbook_forms_fail(naive, exact, x):
    """What these functions are for: the plain formulas miss the same mark."""
    with np.errstate(all="ignore"):
        value = float(naive(np.float64(x)))
    with mpmath.workdps(DIGITS):
        truth = exact(mpmath.mpf(x))
        wrong = not math.isfinite(value) or abs(value - truth) > TOLERANCE * abs(truth)
    assert wrong


def exact_float_tail(x):
    return np.float64(0.5 * math.erfc(x / math.sqrt(2.0)))


def exact_float_density(x):
    return np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
