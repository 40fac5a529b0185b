"""The grid at P = 2: a status and an error at every point, one branch throughout."""

import numpy as np
import pytest
from dense_theory import gaussian_rule

from analytics.dense import solve_storage, solve_storage_grid
from analytics.dense.crosstalk import crosstalk_coefficients
from analytics.dense.curve import find_on_curve
from analytics.dense.rising import RESIDUAL_TOLERANCE
from analytics.dense.storage import curve_limits
from statmech.errors import ParameterError
from statmech.status import Status

ALPHA = np.linspace(1e-3, 0.15, 100)
TEMPERATURE = np.linspace(0.01, 1.1, 100)
FIELDS = ("m", "q", "free_energy", "energy", "replicon")
ERRORS = ("residual", "quadrature_error")

# The averages are exact to 1e-12 (tests/test_gauss.py), in units of themselves.
QUADRATURE = 1e-12
# Where nothing changes from point to point but the last digits.
ROUNDING = 1e-13
LARGEST_RATIO = 5.0


@pytest.fixture(scope="module")
def grid():
    return solve_storage_grid(2, ALPHA, TEMPERATURE)


def test_every_point_has_a_status(grid):
    shape = (ALPHA.size, TEMPERATURE.size)
    assert grid.status.shape == shape
    exists = ALPHA[:, None] <= grid.spinodal
    for i, j in np.ndindex(shape):
        expected = Status.CONVERGED if exists[i, j] else Status.NO_RETRIEVAL
        assert grid.status[i, j] is expected
    assert 3000 < exists.sum() < 5000
    for name in (*FIELDS, *ERRORS):
        values = getattr(grid, name)
        assert np.isfinite(values[exists]).all()
        assert np.isnan(values[~exists]).all()
    assert grid.residual[exists].max() < RESIDUAL_TOLERANCE
    assert grid.quadrature_error[exists].max() < QUADRATURE


# One branch --------------------------------------------------------------------


def slopes(alpha, t, m, q):
    """d(m, q)/d alpha and d(m, q)/dT of a solution, (2, 2): rows alpha and T.

    By the implicit function theorem, with averages of the tests' own.
    """
    gap = 1.0 - (1.0 - q) / t
    width = np.sqrt(alpha * q) / gap
    z, w = gaussian_rule(m, width, t)
    y = (m + width * z) / t
    tanh = np.tanh(y)
    # Derivatives of tanh and its square, averaged.
    steep = np.stack([1.0 - tanh**2, 2.0 * tanh * (1.0 - tanh**2)]) * w
    by_m, by_width = steep.sum(axis=1) / t, steep @ z / t
    width_by_q = width * (0.5 / q - 1.0 / (t * gap))
    jacobian = np.eye(2) - np.stack([by_m, by_width * width_by_q], axis=1)
    by_alpha = by_width * width / (2.0 * alpha)
    by_t = -(steep @ y) / t - by_width * width * (1.0 - q) / (t * t * gap)
    return np.linalg.solve(jacobian, np.stack([by_alpha, by_t], axis=1)).T


def jumps(m, q, points):
    """Differences of adjacent points over 5 times the slope; above 1 is a jump.

    The slope is the larger of the two at the ends: next to the spinodal m falls like
    a square root, whose slope is the largest at the end nearest to it, so that even
    there the difference is below the slope times the distance. (2, 2, n_alpha,
    n_temperature): direction, m or q, lower point; nan where one end has no state.
    """
    state = np.stack([m, q])
    slope = np.full((2, 2, *m.shape), np.nan)
    for i, j in points:
        slope[:, :, i, j] = slopes(ALPHA[i], TEMPERATURE[j], m[i, j], q[i, j])
    found = np.full((2, 2, *m.shape), np.nan)
    for axis, step in ((0, ALPHA[1] - ALPHA[0]), (1, TEMPERATURE[1] - TEMPERATURE[0])):
        low = (
            slice(None),
            *(slice(None, -1) if k == axis else slice(None) for k in (0, 1)),
        )
        high = (
            slice(None),
            *(slice(1, None) if k == axis else slice(None) for k in (0, 1)),
        )
        size = abs(slope[axis])
        bound = LARGEST_RATIO * np.maximum(size[low], size[high]) * step + ROUNDING
        found[axis][low] = abs(state[high] - state[low]) / bound
    return found


def test_adjacent_points_are_on_one_branch(grid):
    points = np.argwhere(np.isfinite(grid.m))
    found = jumps(grid.m, grid.q, points)
    compared = np.isfinite(found).sum()
    assert compared > 4 * 0.9 * len(points)
    assert np.nanmax(found) < 1.0


def other_branches(alpha, t):
    """(m, q) of the unstable state beyond the top of the curve, and of the glass."""
    c = crosstalk_coefficients(2, "exclude")
    _, top, _, sigma = curve_limits(2, c, t)
    log_delta, point = find_on_curve(2, c, t, alpha, -1e-9, top, sigma)
    assert abs(point.alpha / alpha - 1.0) < 1e-9
    glass = solve_storage(2, alpha, t, branch="spin-glass")
    return (-np.expm1(log_delta), 1.0 - point.averages.sech2), (glass.m, glass.q)


def test_one_point_of_another_branch_is_seen(grid):
    """Control, anywhere but within a fifth of the spinodal, where branches merge."""
    rng = np.random.default_rng(8)
    inside = np.argwhere(ALPHA[:, None] < 0.8 * grid.spinodal)
    inside = inside[(inside > 0).all(axis=1)]
    for i, j in rng.choice(inside, 40, replace=False):
        near = [(i, j), (i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        near = [(a, b) for a, b in near if np.isfinite(grid.m[a, b])]
        assert np.nanmax(jumps(grid.m, grid.q, near)) < 1.0
        for m_other, q_other in other_branches(ALPHA[i], TEMPERATURE[j]):
            m, q = grid.m.copy(), grid.q.copy()
            m[i, j], q[i, j] = m_other, q_other
            assert np.nanmax(jumps(m, q, near)[:, 0]) > 1.0


# The same numbers --------------------------------------------------------------


def assert_identical(first, second):
    for name in (*FIELDS, *ERRORS):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.status == second.status).all()
    np.testing.assert_array_equal(first.spinodal, second.spinodal)


def test_grid_equals_single_points(grid):
    rng = np.random.default_rng(4)
    inside = rng.choice(np.argwhere(np.isfinite(grid.m)), 40, replace=False)
    outside = rng.choice(np.argwhere(np.isnan(grid.m)), 10, replace=False)
    for i, j in (*inside, *outside):
        state = solve_storage(2, ALPHA[i], TEMPERATURE[j])
        assert state.status is grid.status[i, j]
        for name in (*FIELDS, *ERRORS):
            if name != "residual" or state.status.ok:
                expected = getattr(state, name)
                np.testing.assert_array_equal(getattr(grid, name)[i, j], expected)


@pytest.mark.parametrize("n_threads", [2, 3, 200])
def test_threads_change_nothing(grid, n_threads):
    assert_identical(grid, solve_storage_grid(2, ALPHA, TEMPERATURE, n_threads=1))
    again = solve_storage_grid(2, ALPHA, TEMPERATURE, n_threads=n_threads)
    assert_identical(grid, again)


def test_neighbours_change_nothing(grid):
    rng = np.random.default_rng(6)
    rows, columns = rng.permutation(100)[:17], rng.permutation(100)[:13]
    part = solve_storage_grid(2, ALPHA[rows], TEMPERATURE[columns])
    for name in (*FIELDS, *ERRORS):
        whole = getattr(grid, name)[np.ix_(rows, columns)]
        np.testing.assert_array_equal(getattr(part, name), whole)


@pytest.mark.parametrize("order", [2, 3, 4, 7])
def test_newton_finds_what_the_bracket_finds(order):
    """Also next to the ends, where the table is poor; m to what rounding leaves open
    and in an ordered phase to digits of 1 - m."""
    rng = np.random.default_rng(order)
    c = crosstalk_coefficients(order, "exclude")
    for t in 10.0 ** rng.uniform(-6.0, -0.2, 30):
        start, top, top_alpha, sigma = curve_limits(order, c, t)
        if top_alpha <= 0.0:
            continue
        for share in (1e-9, 1e-4, 0.03, 0.3, 0.8, 0.99, 1.0 - 1e-6):
            alpha = share * top_alpha
            state = solve_storage(order, alpha, t)
            x, _ = find_on_curve(order, c, t, alpha, start, top, sigma)
            # Rounding of the load over its slope, which falls like a square root.
            open_digits = 1e-13 / np.sqrt(1.0 - share)
            assert state.status is Status.CONVERGED
            assert state.m == pytest.approx(-np.expm1(x), abs=open_digits)


@pytest.mark.parametrize("order", [2, 3, 4, 7])
def test_smallest_loads_where_m_is_one_to_300_digits(order):
    """T near 1e-3: 1 - m is at the end of float64 at any load below the lowest."""
    temperatures = np.geomspace(1e-4, 3e-3, 80)
    grid = solve_storage_grid(order, [0.0, 1e-17, 1e-9, 1e-5], temperatures)
    assert all(status is Status.CONVERGED for status in grid.status.ravel())
    assert (abs(grid.m - 1.0) < 1e-15).all()


def test_threads_are_checked():
    for bad in (0, -1):
        with pytest.raises(ParameterError, match="n_threads"):
            solve_storage_grid(2, [0.1], [0.1], n_threads=bad)
