"""Fixed points, roots and maxima: right where they exist, flagged where they do not."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from analytics.solve import (
    FixedPoint,
    Prediction,
    SaddlePoint,
    find_maximum,
    find_root,
    solve_fixed_point,
)
from statmech.status import Status

# Fixed points that exist --------------------------------------------------------

# name: map, start, options, answer
MAPS = {
    "cosine": (np.cos, [0.3], {}, [0.7390851332151607]),
    "ferromagnet": (lambda x: np.tanh(2.0 * x), [1.0], {}, [0.9575040240772687]),
    "paramagnet": (lambda x: np.tanh(0.5 * x), [1.0], {}, [0.0]),
    "nearly marginal": (lambda x: np.tanh(0.99 * x), [1.0], {}, [0.0]),
    "linear": (lambda x: 0.5 * x + 1.0, [0.0], {}, [2.0]),
    "oscillating": (lambda x: 1.0 - 0.9 * x, [0.2], {}, [1.0 / 1.9]),
    "Babylonian": (lambda x: 0.5 * (x + 2.0 / x), [1.0], {}, [math.sqrt(2.0)]),
    "damped": (lambda x: 4.0 - 3.0 * x, [0.0], {"damping": 0.7}, [1.0]),
    "damped logistic": (
        lambda x: 3.5 * x * (1.0 - x),
        [0.3],
        {"damping": 0.5},
        [5.0 / 7.0],
    ),
    "constant": (lambda x: np.full(2, 0.25), [0.0, 1.0], {}, [0.25, 0.25]),
    "rotation": (
        lambda x: np.array([1.0 - 0.9 * x[1], 0.9 * x[0]]),
        [0.0, 0.0],
        {},
        [1.0 / 1.81, 0.9 / 1.81],
    ),
    "plain iteration": (np.cos, [0.3], {"polish": False}, [0.7390851332151607]),
    "at the bound": (
        lambda x: np.sqrt(x * (2.0 - x)),
        [0.5],
        {"bounds": (0.0, 1.0)},
        [1.0],
    ),
    "Newton within the bounds": (
        # Newton from where the iteration hands over would look beyond 0.
        lambda x: np.sqrt(x) * 1e-3,
        [1.0],
        {"bounds": (0.0, 1.0)},
        [1e-6],
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_that_converge(name):
    g, start, options, answer = MAPS[name]
    found = solve_fixed_point(g, start, **options)
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.x, answer, rtol=0.0, atol=1e-12)
    assert found.residual < 1e-12
    assert found.error < 1e-12
    assert found.n_iter > 0
    np.testing.assert_array_equal(found.x, found.last)


@pytest.mark.parametrize(
    ("g", "start", "rate"),
    [
        (np.cos, 0.3, math.sin(0.7390851332151607)),
        (lambda x: 0.5 * x, 1.0, 0.5),
        (lambda x: 1.0 - 0.9 * x, 0.2, 0.9),
        (lambda x: np.tanh(2.0 * x), 1.0, 2.0 * (1.0 - 0.9575040240772687**2)),
    ],
)
def test_contraction_is_the_spectral_radius(g, start, rate):
    found = solve_fixed_point(g, [start])
    assert found.contraction == pytest.approx(rate, abs=1e-8)


def test_contraction_of_a_system():
    matrix = np.array([[0.5, 0.4], [-0.4, 0.5]])
    found = solve_fixed_point(lambda x: matrix @ x + 1.0, [0.0, 0.0])
    assert found.contraction == pytest.approx(math.hypot(0.5, 0.4), abs=1e-8)


def test_error_estimate_bounds_the_error():
    """Stopped early, the estimated distance is the true one to leading order."""
    for tolerance in (1e-3, 1e-5, 1e-7):
        found = solve_fixed_point(
            np.cos, [0.3], polish=False, tolerance=tolerance, damping=0.2
        )
        truth = abs(found.x[0] - 0.7390851332151607)
        assert found.status.ok
        assert truth <= 1.1 * found.error + 1e-15
        assert found.error < tolerance


def test_branch_is_chosen_by_the_start():
    for start, answer in ((1.0, 0.9575040240772687), (-0.4, -0.9575040240772687)):
        assert solve_fixed_point(lambda x: np.tanh(2 * x), [start]).x == pytest.approx(
            answer
        )


# What does not converge ---------------------------------------------------------


def jump(x):
    return np.where(x < 0.5, 0.5 + 1e-9, 0.5 - 1e-9) + 0.4 * (x - 0.5)


def nan_right_of_half(x):
    return np.where(x > 0.5, np.nan, x + 0.11)


def rotate(angle, scale=1.0):
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return lambda x: np.array([[c, -s], [s, c]]) @ x


def henon(x):
    return np.array([1.0 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


def divide(x):
    return np.array([1.0 / (x[0] - 1.0)]) if x[0] != 1.0 else 1 / 0


UNIT = {"bounds": (0.0, 1.0)}
LONG = {"max_iterations": 50_000}
PLAIN = {"polish": False}

# (map, start, options)
NO_FIXED_POINT = [
    (lambda x: x + 1.0, [0.0], {}),
    (lambda x: x + 1e-3, [0.0], {}),
    (lambda x: x + 1e-5, [0.0], {}),
    (lambda x: x + 1e-11, [0.0], {}),
    (lambda x: x - 1e-7, [0.0], PLAIN),
    (lambda x: np.sqrt(1.0 + x * x), [0.0], {}),
    (lambda x: np.sqrt(1.0 + x * x), [0.0], LONG),
    (lambda x: x + np.exp(-x), [0.0], {}),
    (lambda x: x + np.exp(-x), [0.0], LONG),
    (lambda x: x + 1.0 / (1.0 + x * x), [-3.0], {}),
    (lambda x: x + x * x + 1e-13, [-0.5], LONG),
    (lambda x: x + x * x + 1e-6, [-0.5], LONG),
    (lambda x: x + 1e-3 + 0.01 * np.cos(x) ** 2, [0.0], {}),
    (jump, [0.2], {}),
    (lambda x: np.where(x <= 0.0, 1.0, -1.0), [0.3], {}),
    (lambda x: np.array([x[0] + x[1] ** 2, x[1] + 0.01]), [0.0, 0.0], {}),
]
CYCLES = [
    (lambda x: -x, [1.0], {}),
    (lambda x: 1.0 - x, [0.2], {}),
    (lambda x: 1.0 / x, [2.0], {}),
    (lambda x: 3.2 * x * (1.0 - x), [0.3], {}),
    (lambda x: 3.5 * x * (1.0 - x), [0.3], {}),
    (lambda x: 3.9 * x * (1.0 - x), [0.3], {}),
    (lambda x: -np.tanh(3.0 * x), [0.4], {}),
    (lambda x: np.where(x > 0.5, 0.2, 0.9), [0.0], {}),
    (lambda x: 1.5 - x * x, [0.3], {}),
    (rotate(math.pi / 2), [1.0, 0.0], {}),
    (rotate(1.0), [1e-6, 0.0], {}),
    (henon, [0.1, 0.1], {}),
    (lambda x: 4.0 - 3.0 * x, [0.0], {"damping": 0.5}),
]
DIVERGENT = [
    (lambda x: 2.0 * x, [1.0], {}),
    (lambda x: -2.0 * x, [1e-5], {}),
    (lambda x: x * x, [1.1], {}),
    (lambda x: x**3 + 1.0, [2.0], {}),
    (np.exp, [0.0], {}),
    (lambda x: np.array([math.exp(x[0])]), [0.0], {}),
    (rotate(0.3, 1.5), [1.0, 0.0], {}),
    (lambda x: np.tanh(2.0 * x), [0.0], {}),  # stays, but only on the edge
    (lambda x: 1e308 * x * (1.0 - x), [3.0], {}),
]
NOT_NUMBERS = [
    (lambda x: x * np.nan, [0.5], {}),
    (lambda x: np.sqrt(x - 1.0), [0.5], {}),
    (nan_right_of_half, [0.0], {}),
    (lambda x: np.array([x[0] / 2.0, np.nan]), [0.5, 0.5], {}),
    (lambda x: np.array([np.inf]), [0.5], {}),
    (lambda x: 0.5 * x, [np.nan], {}),
    (lambda x: 0.5 * x, [np.inf], {}),
    (divide, [1.0], {}),
    (lambda x: np.where(x == 0.25, 0.25, np.nan), [0.25], {}),
]
MARGINAL = [
    (np.tanh, [1.0], {}),
    (np.tanh, [0.01], {}),
    (np.tanh, [1.0], LONG),
    (np.sin, [1.0], LONG),
    (lambda x: x - x**3, [0.5], LONG),
    (lambda x: x + x * x, [-0.5], LONG),
    (lambda x: x - 1e-3 * x**5, [0.3], {}),
    (lambda x: x, [0.3], {}),
    (lambda x: np.array([np.tanh(x[0]), 0.5 * x[1]]), [1.0, 1.0], {}),
]
OUT_OF_BOUNDS = [
    (lambda x: 2.0 - 0.5 * x, [0.5], UNIT),
    (lambda x: x - 0.3, [0.5], UNIT),
    (lambda x: np.array([0.5, 1.0 + 1e-6]), [0.5, 0.5], UNIT),
    (lambda x: 0.5 * x, [1.5], UNIT),
    (lambda x: 0.5 * x, [-1e-3], UNIT),
]
FAILURES = [
    *NO_FIXED_POINT,
    *CYCLES,
    *DIVERGENT,
    *NOT_NUMBERS,
    *MARGINAL,
    *OUT_OF_BOUNDS,
]


def test_there_are_enough_failures():
    assert len(FAILURES) >= 50


@pytest.mark.parametrize("case", range(len(FAILURES)))
def test_failure_is_flagged(case):
    g, start, options = FAILURES[case]
    found = solve_fixed_point(g, start, **options)
    assert not found.status.ok
    assert np.isnan(found.x).all()
    assert found.last.shape == found.x.shape
    expected = Status.OUT_OF_BOUNDS if case >= len(FAILURES) - 5 else None
    assert found.status is (expected or Status.NOT_CONVERGED)


def test_nothing_is_evaluated_out_of_bounds():
    seen = []

    def g(x):
        seen.append(float(x[0]))
        return np.sqrt(x) * 1e-3

    solve_fixed_point(g, [1.0], bounds=(0.0, 1.0))
    assert min(seen) >= 0.0
    assert max(seen) <= 1.0


def test_a_bug_in_the_map_is_not_hidden():
    def g(x):
        raise KeyError("m")

    with pytest.raises(KeyError):
        solve_fixed_point(g, [0.5])


# The marginal ferromagnet --------------------------------------------------------


def naive_iteration(g, x, tolerance=1e-8, max_iterations=10**6):
    """What is usually written: stop on a small step."""
    for _ in range(max_iterations):
        new = g(x)
        if abs(new - x) < tolerance:
            return new
        x = new
    return math.nan


def test_naive_iteration_is_fooled():
    """Control: m = tanh m has the only solution 0, and this reports another one."""
    found = naive_iteration(math.tanh, 1.0)
    assert 2e-3 < found < 4e-3


@pytest.mark.parametrize("start", [1.0, 0.5, 0.05, 3e-3, 1e-4])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-8, 1e-12])
@pytest.mark.parametrize("polish", [True, False])
def test_marginal_ferromagnet(start, tolerance, polish):
    found = solve_fixed_point(
        np.tanh, [start], tolerance=tolerance, polish=polish, max_iterations=2000
    )
    assert found.status is Status.NOT_CONVERGED or abs(found.x[0]) < 1e-3
    if start == 1.0 and not polish:
        assert found.status is Status.NOT_CONVERGED


# Roots ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "low", "high", "root"),
    [
        (lambda x: x * x - 2.0, 0.0, 2.0, math.sqrt(2.0)),
        (math.sin, 3.0, 4.0, math.pi),
        (lambda x: x - 1e-200, 0.0, 1.0, 1e-200),
        (lambda x: x**3, -1.0, 2.0, 0.0),
        (lambda x: math.exp(x) - 1e100, 0.0, 300.0, 100.0 * math.log(10.0)),
        (lambda x: x, 0.0, 1.0, 0.0),
        (lambda x: 1.0 - x, 0.0, 1.0, 1.0),
    ],
)
def test_roots(f, low, high, root):
    found = find_root(f, low, high)
    assert found.status is Status.CONVERGED
    assert abs(found.value - root) <= found.error + 4e-16 * abs(root) + 1e-100


@pytest.mark.parametrize(
    ("f", "low", "high", "status"),
    [
        (lambda x: x * x + 1.0, -1.0, 1.0, Status.NO_TRANSITION),
        (lambda x: x * x, -1.0, 1.0, Status.NO_TRANSITION),
        (lambda x: x, 1.0, 2.0, Status.NO_TRANSITION),
        (lambda x: math.nan, 0.0, 1.0, Status.NOT_CONVERGED),
        (lambda x: math.inf if x > 0 else -1.0, -1.0, 1.0, Status.NOT_CONVERGED),
        (lambda x: math.nan if 0.1 < x < 0.9 else x - 0.5, 0, 1, Status.NOT_CONVERGED),
        (lambda x: 1.0 / (x - 0.3), 0.0, 1.0, Status.NOT_CONVERGED),
        (lambda x: math.tan(x), 1.0, 2.0, Status.NOT_CONVERGED),
    ],
)
def test_missing_roots_are_flagged(f, low, high, status):
    found = find_root(f, low, high)
    assert found.status is status
    assert math.isnan(found.value)
    assert math.isnan(found.error)


def test_errors_of_the_function_pass_through():
    with pytest.raises(ValueError, match="domain"):
        find_root(lambda x: math.sqrt(x), -1.0, 1.0)


# Maxima --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "low", "high", "argument", "value"),
    [
        (math.sin, 0.0, 3.0, math.pi / 2, 1.0),
        (lambda x: -((x - 0.3) ** 2), 0.0, 1.0, 0.3, 0.0),
        (lambda x: x, 0.0, 1.0, 1.0, 1.0),
        (lambda x: -x, 0.0, 1.0, 0.0, 0.0),
        (lambda x: math.sin(x) + 0.1 * x, 0.0, 8.0, 7.95414906, 1.79040234262),
    ],
)
def test_maxima(f, low, high, argument, value):
    found_at, found = find_maximum(f, low, high)
    assert found == pytest.approx(value, abs=1e-10)
    assert found_at == pytest.approx(argument, abs=1e-7)
    assert found == f(found_at)


@pytest.mark.parametrize("edge", [0.21, 0.5, 0.7])
def test_maximum_beside_nan(edge):
    """At the edge of where f exists the maximum is met to the grid, and is a number."""
    found_at, found = find_maximum(lambda x: math.nan if x < edge else -x, 0.0, 1.0)
    assert found == -found_at
    assert edge <= found_at <= edge + 1.0 / 32.0


def test_maximum_of_nothing():
    assert np.isnan(find_maximum(lambda x: math.nan, 0.0, 1.0)).all()


# Results -------------------------------------------------------------------------


def test_predictions_print_with_their_uncertainty():
    good = Prediction(0.13790556649, 1.2e-13, Status.CONVERGED)
    assert str(good) == "0.1379055665 +- 1e-13"
    missing = Prediction.missing(Status.NO_TRANSITION)
    assert str(missing).startswith("none (no transition: ")
    assert "nan" not in str(missing)
    assert math.isnan(missing.value)


def test_results_are_frozen():
    found = solve_fixed_point(np.cos, [0.3])
    for result, field in (
        (found, "x"),
        (Prediction(1.0, 0.1, Status.CONVERGED), "value"),
        (SaddlePoint.missing(Status.NO_BRANCH), "m"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(result, field, 0.0)
    assert isinstance(found, FixedPoint)


def test_missing_saddle_point_holds_no_number():
    missing = SaddlePoint.missing(Status.NO_RETRIEVAL, n_iter=3, residual=0.5)
    numbers = (
        missing.m,
        missing.q,
        missing.free_energy,
        missing.energy,
        missing.replicon,
        missing.quadrature_error,
    )
    assert np.isnan(numbers).all()
    assert (missing.n_iter, missing.residual) == (3, 0.5)
    assert not missing.status.ok


@pytest.mark.parametrize("status", Status)
def test_every_status_is_a_sentence(status):
    assert len(str(status)) > 20
    assert ": " in str(status)
    usable = (Status.CONVERGED, Status.CLOSED_FORM, Status.SEARCH, Status.RS_UNSTABLE)
    assert status.ok == (status in usable)
