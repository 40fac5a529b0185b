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
        Estimated distance from the true fixed point, |(1 - dg/dx)^-1 (g(x) - x)|.
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
    residual is small far from the solution).

    Parameters
    ----------
    g : callable
        (n,) -> (n,) float64.
    start : (n,) array
    tolerance : float
    damping : float
        In [0, 1): x <- damping x + (1 - damping) g(x).
    max_iterations : int
        Of the damped iteration; Newton adds at most 50.
    polish : bool
        Whether to take Newton steps.
    bounds : (low, high)
        Physical range of every component; leaving it ends with OUT_OF_BOUNDS.

    Returns
    -------
    FixedPoint
    """
    x = np.array(start, dtype=np.float64)
    n_iter = 0
    for _ in range(max_iterations):
        image = np.asarray(g(x), dtype=np.float64)
        n_iter += 1
        if not np.isfinite(image).all():
            return _failed(x, math.nan, n_iter, Status.NOT_CONVERGED)
        step = image - x
        x = x + (1.0 - damping) * step
        # Newton takes over once the iteration has chosen its branch.
        if np.abs(step).max() < (1e-4 if polish else 0.01 * tolerance):
            break
    if polish:
        x, extra = _newton(g, x)
        n_iter += extra
    if not np.isfinite(x).all():
        return _failed(x, math.nan, n_iter, Status.NOT_CONVERGED)
    if (x < bounds[0]).any() or (x > bounds[1]).any():
        return _failed(x, math.nan, n_iter, Status.OUT_OF_BOUNDS)
    miss = np.asarray(g(x), dtype=np.float64) - x
    jacobian = _jacobian(g, x)
    n_iter += 1 + 2 * x.size
    residual = float(np.abs(miss).max())
    if not (math.isfinite(residual) and np.isfinite(jacobian).all()):
        return _failed(x, residual, n_iter, Status.NOT_CONVERGED)
    contraction = float(np.abs(np.linalg.eigvals(jacobian)).max())
    try:
        error = float(np.abs(np.linalg.solve(np.eye(x.size) - jacobian, miss)).max())
    except np.linalg.LinAlgError:
        error = math.inf
    # At a marginal point 1 - dg/dx is singular and the linear estimate worthless:
    # rounding eps in g moves x by sqrt(eps), so nothing better can be certified.
    gap = float(np.abs(np.linalg.svd(np.eye(x.size) - jacobian)[1]).min())
    if residual < tolerance and error < tolerance and gap > math.sqrt(tolerance):
        return FixedPoint(x, x, residual, contraction, error, n_iter, Status.CONVERGED)
    return FixedPoint(
        np.full(x.size, math.nan),
        x,
        residual,
        contraction,
        error,
        n_iter,
        Status.NOT_CONVERGED,
    )


def _failed(x: Vector, residual: float, n_iter: int, status: Status) -> FixedPoint:
    nothing = np.full(x.size, math.nan)
    return FixedPoint(nothing, x, residual, math.nan, math.nan, n_iter, status)


def _jacobian(g: Callable[[Vector], Vector], x: Vector) -> NDArray[np.float64]:
    columns = []
    for j in range(x.size):
        step = np.zeros(x.size)
        step[j] = 6e-6 * max(1.0, abs(x[j]))
        columns.append(
            (np.asarray(g(x + step)) - np.asarray(g(x - step))) / (2 * step[j])
        )
    return np.array(columns).T


def _newton(g: Callable[[Vector], Vector], x: Vector) -> tuple[Vector, int]:
    """Newton on x - g(x), kept only while it lowers the residual."""
    n_iter = 1
    miss = np.asarray(g(x), dtype=np.float64) - x
    for _ in range(12):
        jacobian = _jacobian(g, x)
        n_iter += 2 * x.size
        if not np.isfinite(jacobian).all():
            break
        try:
            trial = x + np.linalg.solve(np.eye(x.size) - jacobian, miss)
        except np.linalg.LinAlgError:
            break
        new_miss = np.asarray(g(trial), dtype=np.float64) - trial
        n_iter += 1
        if not np.abs(new_miss).max() < np.abs(miss).max():
            break
        x, miss = trial, new_miss
        if np.abs(miss).max() < 1e-16:
            break
    return x, n_iter


def find_root(
    f: Callable[[float], float],
    low: float,
    high: float,
    *,
    relative: float = 4e-15,
    absolute: float = 1e-300,
) -> Prediction:
    """The root of f between `low` and `high`, where f changes sign.

    NO_TRANSITION if f has the same sign at both ends. The error is the width of the
    last bracket.
    """
    from scipy.optimize import brentq

    f_low, f_high = f(low), f(high)
    if f_low == 0.0:
        return Prediction(low, absolute, Status.CONVERGED)
    if f_high == 0.0:
        return Prediction(high, absolute, Status.CONVERGED)
    if not (math.isfinite(f_low) and math.isfinite(f_high)):
        return Prediction.missing(Status.NOT_CONVERGED)
    if (f_low > 0.0) == (f_high > 0.0):
        return Prediction.missing(Status.NO_TRANSITION)
    root, report = brentq(
        f, low, high, xtol=absolute, rtol=relative, full_output=True, disp=False
    )
    if not report.converged:
        return Prediction.missing(Status.NOT_CONVERGED)
    return Prediction(
        float(root), absolute + 2.0 * relative * abs(root), Status.CONVERGED
    )


def find_maximum(
    f: Callable[[float], float], low: float, high: float, *, n_grid: int = 33
) -> tuple[float, float]:
    """(argument, value) of the largest maximum of f on [low, high].

    A grid brackets the maximum, Brent's method refines it. The argument is good to
    the square root of the accuracy of f, the value to that accuracy itself.
    """
    from scipy.optimize import minimize_scalar

    grid = np.linspace(low, high, n_grid)
    values = np.array([f(float(x)) for x in grid])
    best = int(np.nanargmax(values))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, n_grid - 1)]
    result = minimize_scalar(
        lambda x: -f(float(x)),
        bounds=(left, right),
        method="bounded",
        options={"xatol": 1e-10 * max(abs(left), abs(right))},
    )
    if -result.fun < values[best]:
        return float(grid[best]), float(values[best])
    return float(result.x), float(-result.fun)
