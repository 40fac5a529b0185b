"""Solving for order parameters, and finding points on lines.

Nothing here returns a bare number: a fixed point comes as a `FixedPoint`, a point of
a line as a `Prediction`, each with a `Status` that says whether it may be used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from statmech.status import Status

Vector = NDArray[np.float64]

# An eigenvalue of a Jacobian from differences is not told from 1 any closer.
_NEUTRAL = 1.0 - 1e-8


@dataclass(frozen=True)
class Prediction:
    """A number from theory.

    Attributes
    ----------
    value : float
        NaN where the status is not ok.
    error : float
        Numerical uncertainty (root tolerance and quadrature), not physical.
    status : Status
    """

    value: float
    error: float
    status: Status

    def __str__(self) -> str:
        if not self.status.ok:
            return f"none ({self.status})"
        return f"{self.value:.10g} +- {self.error:.1g}"

    @classmethod
    def missing(cls, status: Status) -> Prediction:
        """No number, and why."""
        return cls(math.nan, math.nan, status)


@dataclass(frozen=True)
class SaddlePoint:
    """Order parameters of one branch of a replica-symmetric theory.

    Attributes
    ----------
    m, q : float
        Mattis magnetisation and replica overlap; NaN unless `status.ok`.
    free_energy, energy : float
        f and u per spin, in units J = 1.
    replicon : float
        Eigenvalue lambda of the replicon mode; positive means stable against replica
        symmetry breaking. -inf at T = 0 with a finite load.
    residual : float
        Largest mismatch of the saddle-point equations at (m, q).
    quadrature_error : float
        Estimated absolute error of the Gaussian averages.
    n_iter : int
        Evaluations of the equations.
    status : Status
    """

    m: float
    q: float
    free_energy: float
    energy: float
    replicon: float
    residual: float
    quadrature_error: float
    n_iter: int
    status: Status

    @classmethod
    def missing(
        cls, status: Status, *, n_iter: int = 0, residual: float = math.nan
    ) -> SaddlePoint:
        """No solution, and why."""
        nan = math.nan
        return cls(nan, nan, nan, nan, nan, residual, nan, n_iter, status)


@dataclass(frozen=True)
class FixedPoint:
    """Where x = g(x), or not.

    Attributes
    ----------
    x : (n,) float64
        NaN unless `status.ok`; `last` holds the last iterate in any case.
    residual : float
        max |g(x) - x| at the last iterate.
    contraction : float
        Estimated spectral radius of dg/dx at the last iterate.
    error : float
        Estimated distance from the true fixed point, |(1 - dg/dx)^-1 (g(x) - x)|; inf
        where that matrix is singular.
    n_iter : int
        Evaluations of g.
    status : Status
    """

    x: Vector
    last: Vector
    residual: float
    contraction: float
    error: float
    n_iter: int
    status: Status


# What goes wrong on the way is judged by its value, not by a warning.
@np.errstate(all="ignore")
def solve_fixed_point(
    g: Callable[[Vector], Vector],
    start: Sequence[float] | Vector,
    *,
    tolerance: float = 1e-12,
    damping: float = 0.0,
    max_iterations: int = 500,
    polish: bool = True,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> FixedPoint:
    """Damped iteration of x <- g(x), then Newton steps on x - g(x).

    The iteration chooses the branch, Newton gives the digits. A small step is not
    taken for convergence: x = g(x) is accepted only if both the residual and the
    estimated distance from the fixed point, computed with the Jacobian of g there,
    are below `tolerance` (the second one guards against slow contraction, where the
    residual is small far from the solution), and only if the damped iteration is
    attracted by x. An iteration that does not settle is not handed to Newton, whose
    root would be of an arbitrary branch.

    Parameters
    ----------
    g : callable
        (n,) -> (n,) float64. Overflow and division by zero in it count as nan.
    start : (n,) array
    tolerance : float
        Absolute; order parameters are numbers of order one.
    damping : float
        In [0, 1): x <- damping x + (1 - damping) g(x).
    max_iterations : int
        Of the damped iteration, which settles when its step is below 1e-4; Newton
        adds at most 12 steps.
    polish : bool
        Whether to take Newton steps; if not, the iteration settles when its step is
        below 0.01 `tolerance`.
    bounds : (low, high)
        Physical range of every component; leaving it by more than `tolerance` ends
        with OUT_OF_BOUNDS. g is never evaluated outside.

    Returns
    -------
    FixedPoint
    """
    low, high = bounds
    x = np.array(start, dtype=np.float64)
    n_iter = 0
    settled = 1e-4 if polish else 0.01 * tolerance

    def evaluate(point: Vector) -> Vector:
        nonlocal n_iter
        n_iter += 1
        try:
            return np.asarray(g(point), dtype=np.float64)
        except ArithmeticError:
            return np.full(point.size, math.nan)

    def failed(status: Status, residual: float = math.nan) -> FixedPoint:
        nothing = np.full(x.size, math.nan)
        return FixedPoint(nothing, x, residual, math.nan, math.nan, n_iter, status)

    if not np.isfinite(x).all():
        return failed(Status.NOT_CONVERGED)
    if (x < low).any() or (x > high).any():
        return failed(Status.OUT_OF_BOUNDS)
    step = math.inf
    for _ in range(max_iterations):
        image = evaluate(x)
        if not np.isfinite(image).all():
            return failed(Status.NOT_CONVERGED)
        moved = x + (1.0 - damping) * (image - x)
        step = float(np.abs(image - x).max())
        x = np.clip(moved, low, high)
        if float(np.abs(moved - x).max()) > tolerance:
            x = moved
            return failed(Status.OUT_OF_BOUNDS, step)
        if step < settled:
            break
    else:
        return failed(Status.NOT_CONVERGED, step)
    if polish:
        x = _newton(evaluate, x, bounds)
    miss = evaluate(x) - x
    jacobian = _jacobian(evaluate, x, bounds)
    residual = float(np.abs(miss).max())
    if not (math.isfinite(residual) and np.isfinite(jacobian).all()):
        return failed(Status.NOT_CONVERGED, residual)
    inverse = np.eye(x.size) - jacobian
    rates = np.linalg.eigvals(jacobian)
    contraction = float(np.abs(rates).max())
    # At a marginal point 1 - dg/dx is singular and the linear estimate worthless:
    # rounding eps in g moves x by sqrt(eps), so nothing better can be certified.
    regular = float(np.linalg.svd(inverse)[1].min()) > math.sqrt(tolerance)
    attracts = float(np.abs(damping + (1.0 - damping) * rates).max()) < _NEUTRAL
    error = float(np.abs(np.linalg.solve(inverse, miss)).max()) if regular else math.inf
    accepted = residual < tolerance and error < tolerance and attracts
    status = Status.CONVERGED if accepted else Status.NOT_CONVERGED
    solution = x if accepted else np.full(x.size, math.nan)
    return FixedPoint(solution, x, residual, contraction, error, n_iter, status)


def _jacobian(
    g: Callable[[Vector], Vector], x: Vector, bounds: tuple[float, float]
) -> NDArray[np.float64]:
    """dg/dx by central differences, one-sided at the bounds."""
    columns = []
    for j in range(x.size):
        h = 6e-6 * max(1.0, abs(x[j]))
        up, down = x.copy(), x.copy()
        up[j] = min(x[j] + h, bounds[1])
        down[j] = max(x[j] - h, bounds[0])
        columns.append((g(up) - g(down)) / (up[j] - down[j]))
    return np.array(columns).T


def _newton(
    g: Callable[[Vector], Vector], x: Vector, bounds: tuple[float, float]
) -> Vector:
    """Newton on x - g(x), kept only while it lowers the residual."""
    miss = g(x) - x
    for _ in range(12):
        jacobian = _jacobian(g, x, bounds)
        if not np.isfinite(jacobian).all():
            break
        try:
            trial = x + np.linalg.solve(np.eye(x.size) - jacobian, miss)
        except np.linalg.LinAlgError:
            break
        trial = np.clip(trial, *bounds)
        new_miss = g(trial) - trial
        if not np.abs(new_miss).max() < np.abs(miss).max():
            break
        x, miss = trial, new_miss
        if np.abs(miss).max() < 1e-16:
            break
    return x


class _NotANumber(Exception):
    """The function of a root finder gave nan."""


def find_root(
    f: Callable[[float], float],
    low: float,
    high: float,
    *,
    relative: float = 4e-15,
    absolute: float = 1e-300,
) -> Prediction:
    """The root of f between `low` and `high`, where f changes sign.

    NO_TRANSITION if f has the same sign at both ends; NOT_CONVERGED if f is nan
    somewhere on the way, or if the change of sign is a pole. The error is the width
    of the last bracket.
    """
    from scipy.optimize import brentq

    def number(x: float) -> float:
        value = f(x)
        if math.isnan(value):
            raise _NotANumber
        return value

    f_low, f_high = f(low), f(high)
    if f_low == 0.0:
        return Prediction(low, absolute, Status.CONVERGED)
    if f_high == 0.0:
        return Prediction(high, absolute, Status.CONVERGED)
    if not (math.isfinite(f_low) and math.isfinite(f_high)):
        return Prediction.missing(Status.NOT_CONVERGED)
    if (f_low > 0.0) == (f_high > 0.0):
        return Prediction.missing(Status.NO_TRANSITION)
    try:
        root, report = brentq(
            number,
            low,
            high,
            xtol=absolute,
            rtol=relative,
            maxiter=1000,
            full_output=True,
            disp=False,
        )
        # At a pole the function is larger than at both ends, at a root smaller.
        at_root = abs(number(root)) <= max(abs(f_low), abs(f_high))
    except _NotANumber:
        return Prediction.missing(Status.NOT_CONVERGED)
    if not (report.converged and at_root):
        return Prediction.missing(Status.NOT_CONVERGED)
    return Prediction(
        float(root), absolute + 2.0 * relative * abs(root), Status.CONVERGED
    )


def find_maximum(
    f: Callable[[float], float], low: float, high: float, *, n_grid: int = 33
) -> tuple[float, float]:
    """(argument, value) of the largest maximum of f on [low, high].

    A grid brackets the maximum, Brent's method refines it. The argument is good to
    the square root of the accuracy of f, the value to that accuracy itself. Where f is
    nan it is not looked at; (nan, nan) if it is nan everywhere on the grid.
    """
    from scipy.optimize import minimize_scalar

    grid = np.linspace(low, high, n_grid)
    values = np.array([f(float(x)) for x in grid])
    if np.isnan(values).all():
        return math.nan, math.nan
    best = int(np.nanargmax(values))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, n_grid - 1)]
    worst = 1.0 - float(values[np.isfinite(values)].min(initial=0.0))

    def negative(x: float) -> float:
        value = f(float(x))
        return worst if math.isnan(value) else -value

    result = minimize_scalar(
        negative,
        bounds=(left, right),
        method="bounded",
        options={"xatol": 1e-10 * max(abs(left), abs(right))},
    )
    if -result.fun < values[best]:
        return float(grid[best]), float(values[best])
    return float(result.x), float(-result.fun)
