"""exp and log1p of the vector loops, against mpmath and as machine code."""

import math

import mpmath
import numba
import numpy as np
import pytest

from analytics import gauss
from analytics.lane_math import LANES, exp_parts, in_rows, lane_sum, log1p_unit

RNG = np.random.default_rng(5)
ARGUMENTS = np.concatenate(
    [
        RNG.uniform(-708.0, 708.0, 2000),
        RNG.uniform(-1.0, 1.0, 2000),
        -(10.0 ** RNG.uniform(-300.0, 0.0, 500)),
        math.log(2.0) * (np.arange(-40, 41) + 0.5) * (1.0 + 1e-15),
        [0.0, -0.0, 708.0, -708.0],
    ]
)


def ulps(value, exact):
    """|value - exact| in units of the last place of the exact number."""
    return float(abs(mpmath.mpf(value) - exact)) / np.spacing(abs(float(exact)))


def test_exp():
    with mpmath.workdps(40):
        for x in ARGUMENTS:
            power, rest = exp_parts(x)
            exact = mpmath.exp(mpmath.mpf(x))
            assert ulps(power + rest, exact) <= 1.5, x
            assert math.frexp(power)[0] == 0.5
            if abs(x) < 0.34 and x != 0.0:
                assert power == 1.0
                assert ulps(rest, mpmath.expm1(mpmath.mpf(x))) <= 1.5, x
            if x < 0.0:
                # Between the two forms no digit is lost.
                difference = (power - 1.0) + rest
                assert ulps(difference, mpmath.expm1(mpmath.mpf(x))) <= 3.0, x
    assert exp_parts(0.0) == (1.0, 0.0)


def test_log1p():
    grid = np.concatenate(
        [np.linspace(0.0, 1.0, 2001), 10.0 ** RNG.uniform(-300, 0, 500)]
    )
    with mpmath.workdps(40):
        for x in grid[grid > 0.0]:
            assert ulps(log1p_unit(x), mpmath.log1p(mpmath.mpf(x))) <= 2.0, x
    assert log1p_unit(0.0) == 0.0


def test_rows_and_their_sum():
    values = np.arange(1.0, 22.0)
    rows = in_rows(values)
    assert rows.shape == (3, LANES)
    np.testing.assert_array_equal(rows.ravel()[:21], values)
    assert not rows.ravel()[21:].any()
    assert in_rows(np.ones((2, 5, 15))).shape == (2, 5, 2, LANES)
    assert lane_sum(np.arange(8.0)) == 28.0


@pytest.mark.parametrize("name", ["_trapezoid", "_panels"])
def test_loops_use_vectors_and_no_library(name):
    """A branch or a call in the inner loop would cost a factor of five, silently."""
    function = numba.njit(error_model="numpy", nogil=True)(getattr(gauss, name).py_func)
    function.compile((numba.float64, numba.float64))
    (code,) = function.inspect_llvm().values()
    assert "fmul <" in code
    assert "fdiv <" in code
    if name == "_trapezoid":
        assert "@exp" not in code
        assert "@log1p" not in code
