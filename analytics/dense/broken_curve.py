"""The retrieval state with one step of replica symmetry breaking, P >= 3.

With q0 <= q1 the overlaps of two configurations of different and of the same group,
0 < x <= 1 the breaking parameter, z0 and z1 standard Gaussian, C(q) the covariance of
the crosstalk and

    h = m**(P-1) + sqrt(C'(q0)) z0 + sqrt(C'(q1) - C'(q0)) z1,

<.>_x the average over z1 weighted with (2 cosh beta h)**x, E the one over z0:

    -beta f = (1/x) E log <(2 cosh beta h)**x> - beta (1 - 1/P) m**P
              + (beta**2/2) [C(1) - C'(q1) + (1-x) D(q1) + x D(q0)],   D = q C' - C,
    m = E <tanh>_x,  q0 = E <tanh>_x**2,  q1 = E <tanh**2>_x,  df/dx = 0

(M. Mezard, G. Parisi and M. A. Virasoro, Spin Glass Theory and Beyond (1987), chapter
III; A. Crisanti, D. J. Amit and H. Gutfreund, Europhys. Lett. 2, 337 (1986), for
retrieval with broken symmetry). At given T and m the unknowns are the widths of the two
fields and y = x/T; the load then follows, and with it a curve alpha(m) whose maximum,
the fold, is the end of the retrieval state. Points are found by Newton's method, each
from its neighbour on the curve, so no other branch is reached; the curve begins at
the fold at T = 0. Widths and y keep their meaning at T = 0, where x = 0 and q1 = 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.dense.cosh_averages import cosh_averages, trapezoid_rule
from analytics.dense.crosstalk import (
    covariance,
    crosstalk_coefficients,
    curvature_drop,
    drop,
    first_derivative,
)
from analytics.panels import gaussian_panels
from analytics.solve import find_root
from statmech.status import Status

Vector = NDArray[np.float64]

_REACH = 9.0  # of z0
_FINEST = 0.03  # step of the trapezoidal rule
_H = 1e-5  # of differences in the logarithms of the unknowns: error 1e-10
_ACCEPTED = 1e-10
# Fold at T = 0 and P = 3, rough: m, log of the two widths and of y. All others are
# reached from here.
_FIRST = 0.6508, (-0.9594, -0.9141, 1.1047)
# Part of the way from the fold to where breaking ends that is followed.
_NEAREST = 0.998
# Fractions of the temperature where breaking ends, on the way to a fold at T > 0.
_STATIONS = (0.0, 0.08, 0.2, 0.4, 0.6, 0.75, 0.86, 0.93, 0.97, 0.99)


class Model(NamedTuple):
    """P, and C(q) at unit load up to a factor; P need not be an integer."""

    order: float
    c: Vector


class BrokenPoint(NamedTuple):
    """A point of the curve at fixed temperature.

    unknowns : log of sqrt(C'(q0)), of sqrt(C'(q1) - C'(q0)) and of y
    slope : d alpha / d m along the curve
    tangent : d unknowns / d m
    """

    m: float
    unknowns: Vector
    alpha: float
    q0: float
    one_minus_q1: float
    y: float
    free_energy: float
    energy: float
    slope: float
    tangent: Vector
    residual: float
    alpha_error: float


class _Equations(NamedTuple):
    miss: Vector
    alpha: float
    q0: float
    one_minus_q1: float
    log_z: float


def _equations(
    model: Model, temperature: float, m: float, unknowns: Vector, level: int = 0
) -> _Equations:
    """Mismatch of the equations for m, q1 - q0 and x; that of q0 gives alpha."""
    p, c = model
    width, spread, y = np.exp(unknowns)
    signal = m ** (p - 1.0)
    # The averages over z1 change with the field over the inverse of 1/spread + y, with
    # the spread joined by T.
    scale = width * (y + 1.0 / math.hypot(spread, temperature))
    z, weights = _outer_rule(-signal / width, scale, level)
    field = signal + width * z
    averages = cosh_averages(field, spread, y, temperature, level=level)
    q0 = float(weights @ averages.tanh**2)
    low = float(weights @ averages.sech2)
    q1 = 1.0 - low
    slope = float(first_derivative(c, q0))
    alpha = width * width / slope
    log_z = float(weights @ averages.log_z)
    size = float(weights @ averages.size)
    rise = alpha * (first_derivative(c, q1) - slope)
    weight = alpha * (_legendre(c, q1) - _legendre(c, q0))
    miss = np.array(
        [
            weights @ averages.tanh - m,
            1.0 - rise / spread**2,
            ((y * size - log_z) / y**2 - 0.5 * weight) / spread**2,
        ]
    )
    return _Equations(miss, float(alpha), q0, low, log_z)


def _outer_rule(turn: float, scale: float, level: int) -> tuple[Vector, Vector]:
    """Nodes and weights in z0, for functions that change within 1/scale about `turn`.

    The trapezoidal rule, whose error is exponential in 1/scale over its step (a power
    of two), or graded panels where that takes more nodes.
    """
    step = 2.0 ** min(-2, math.floor(math.log2(0.35 / scale)))
    if step >= _FINEST:
        return trapezoid_rule(_REACH, step, level)
    panels = gaussian_panels(
        [(turn, 1.0 / scale)], low=-_REACH, high=_REACH, halvings=level
    )
    return panels.nodes, panels.weights


def _legendre(c: Vector, q: float) -> float:
    """D(q) = q C'(q) - C(q)."""
    return float(q * first_derivative(c, q) - covariance(c, q))


@np.errstate(all="ignore")  # a wild step is judged by its mismatch
def broken_point(
    model: Model, temperature: float, m: float, start: Vector
) -> BrokenPoint | None:
    """The point with magnetisation m near `start`; None if Newton's method fails.

    The Jacobian is kept as long as the steps shrink by ten each time.
    """
    v = np.array(start, dtype=np.float64)
    last = 0.0
    inverse = np.zeros((3, 3))
    for _ in range(15):
        miss = _equations(model, temperature, m, v).miss
        if not np.isfinite(miss).all():
            return None
        step = -inverse @ miss
        size = float(np.abs(step).max())
        if not 0.0 < size < 0.1 * last:
            try:
                jacobian, _ = _jacobian(model, temperature, m, v)
                inverse = np.linalg.inv(jacobian).astype(np.float64)
            except np.linalg.LinAlgError:
                return None
            step = -inverse @ miss
            size = float(np.abs(step).max())
        if not math.isfinite(size):
            return None
        v = v + step * min(1.0, 0.3 / size) if size > 0.0 else v
        # Where q1 - q0 is small rounding keeps the steps from shrinking any further.
        if size < 1e-10 or (0.0 < last < 1e-4 and size > 0.5 * last):
            return _finish(model, temperature, m, v)
        last = size
    return None


def _jacobian(
    model: Model, temperature: float, m: float, v: Vector
) -> tuple[NDArray[np.float64], Vector]:
    """Derivatives of (mismatch, alpha) with respect to the unknowns."""
    columns, loads = [], []
    for k in range(3):
        h = np.zeros(3)
        h[k] = _H
        up = _equations(model, temperature, m, v + h)
        down = _equations(model, temperature, m, v - h)
        columns.append((up.miss - down.miss) / (2.0 * _H))
        loads.append((up.alpha - down.alpha) / (2.0 * _H))
    return np.array(columns).T, np.array(loads)


def _finish(
    model: Model, temperature: float, m: float, v: Vector
) -> BrokenPoint | None:
    t, c = temperature, model.c
    at = _equations(model, t, m, v)
    residual = float(np.abs(at.miss).max())
    y = float(np.exp(v[2]))
    inside = 0.0 < at.q0 < 1.0 - at.one_minus_q1 + 1e-15 <= 1.0 + 1e-12
    if not (residual < _ACCEPTED and inside and y * t <= 1.0):
        return None
    jacobian, load_slopes = _jacobian(model, t, m, v)
    h = _H * min(m, 1.0 - m)
    up, down = (_equations(model, t, m + d, v) for d in (h, -h))
    tangent: Vector = np.linalg.solve(
        jacobian, (down.miss - up.miss) / (2.0 * h)
    ).astype(np.float64)
    slope = (up.alpha - down.alpha) / (2.0 * h) + load_slopes @ tangent
    fine = _equations(model, t, m, v, level=1)
    shift = np.linalg.solve(jacobian, fine.miss - at.miss)
    error = abs(fine.alpha - at.alpha) + abs(float(load_slopes @ shift))
    error += float(np.abs(load_slopes @ np.linalg.inv(jacobian)).sum()) * residual
    a, q1 = at.alpha, 1.0 - at.one_minus_q1
    p = model.order
    gap = _legendre(c, q1) - _legendre(c, at.q0)
    f = -at.log_z / y + (1.0 - 1.0 / p) * m**p + 0.5 * y * a * gap
    if t == 0.0:
        u = f
    else:
        f -= 0.5 / t * a * float(curvature_drop(c, at.one_minus_q1))
        u = -(m**p) / p - a / t * float(drop(c, at.one_minus_q1))
        u -= y * a * float(covariance(c, q1) - covariance(c, at.q0))
    return BrokenPoint(
        m,
        v,
        a,
        at.q0,
        at.one_minus_q1,
        y,
        float(f),
        float(u),
        float(slope),
        tangent,
        residual,
        error + 4e-15 * a,
    )


def find_fold(
    model: Model, temperature: float, m: float, start: Vector
) -> BrokenPoint | None:
    """Maximum of alpha(m) near `start`, by Newton's method on d alpha / d m."""
    point = broken_point(model, temperature, m, start)
    for _ in range(30):
        if point is None:
            return None
        h = 1e-4 * min(point.m, 1.0 - point.m)
        ahead = broken_point(
            model, temperature, point.m + h, point.unknowns + h * point.tangent
        )
        if ahead is None:
            return None
        curvature = (ahead.slope - point.slope) / h
        reach = 0.1 * min(point.m, 1.0 - point.m)
        if curvature < 0.0:
            step = max(-reach, min(reach, -point.slope / curvature))
        else:  # not yet near the maximum: uphill
            step = math.copysign(reach, point.slope)
        if abs(step) < 1e-5 * reach:
            # There the load is off by the square of the step.
            return point if curvature < 0.0 else None
        point = broken_point(
            model, temperature, point.m + step, point.unknowns + step * point.tangent
        )
    return None


# --- folds, from T = 0 and P = 3 --------------------------------------------------


def _model(order: int, coincident: str) -> Model:
    return Model(float(order), crosstalk_coefficients(order, coincident))


def _between(one: Model, other: Model, part: float) -> Model:
    """Part of the way from one model to another; the scale of alpha is left open."""
    n = max(one.c.size, other.c.size)
    total = np.zeros(n)
    for model, share in ((one, 1.0 - part), (other, part)):
        total[: model.c.size] += share * model.c / first_derivative(model.c, 1.0)
    return Model((1.0 - part) * one.order + part * other.order, total)


@functools.lru_cache(maxsize=64)
def _cold_fold(order: int, coincident: str) -> BrokenPoint | None:
    """Fold at T = 0: from the one at P - 1, or from that of distinct indices."""
    model = _model(order, coincident)
    if coincident == "keep":
        before, fold = _model(order, "exclude"), _cold_fold(order, "exclude")
    elif order == 3:
        m, unknowns = _FIRST
        return find_fold(model, 0.0, m, np.array(unknowns))
    else:
        before, fold = _model(order - 1, "exclude"), _cold_fold(order - 1, "exclude")
    for part in (0.25, 0.5, 0.75):
        if fold is not None:
            mixed = _between(before, model, part)
            fold = find_fold(mixed, 0.0, fold.m, fold.unknowns)
    return None if fold is None else find_fold(model, 0.0, fold.m, fold.unknowns)


@functools.lru_cache(maxsize=512)
def _station(order: int, coincident: str, end: float, index: int) -> BrokenPoint | None:
    if index == 0:
        return _cold_fold(order, coincident)
    before = _station(order, coincident, end, index - 1)
    if before is None:
        return None
    t = _STATIONS[index] * end
    return find_fold(_model(order, coincident), t, before.m, before.unknowns)


def retrieval_fold(
    order: int, coincident: str, temperature: float, end: float
) -> BrokenPoint | None:
    """The end of the retrieval state at T below `end`, where breaking sets in there.

    None if it was not reached, which happens within a few per cent of `end`.
    """
    if temperature == 0.0:
        return _cold_fold(order, coincident)
    index = max(
        j for j, part in enumerate(_STATIONS) if part * end <= temperature * (1 + 1e-12)
    )
    start = _station(order, coincident, end, index)
    if start is None:
        return None
    return find_fold(_model(order, coincident), temperature, start.m, start.unknowns)


def follow_curve(
    order: int,
    coincident: str,
    temperature: float,
    fold: BrokenPoint,
    end: float,
    condition: Callable[[BrokenPoint], float],
) -> tuple[BrokenPoint, Status]:
    """First point beyond the fold where `condition` changes sign, and CONVERGED.

    `end` is the m where q0 and q1 meet (1 at T = 0). NO_TRANSITION, and the last point,
    if the sign has not changed as far as breaking can be resolved.
    """
    model = _model(order, coincident)
    here, value, ratio = fold, condition(fold), 0.9
    while here.m < _NEAREST * end + (1.0 - _NEAREST) * fold.m and ratio < 0.95:
        m = end - ratio * (end - here.m)
        point = _near(model, temperature, here, m)
        if point is None or point.alpha > here.alpha:
            ratio = math.sqrt(ratio)
            continue
        new = condition(point)
        if math.isnan(new):
            return here, Status.NOT_CONVERGED
        if (new > 0.0) != (value > 0.0):
            return _refine(model, temperature, here, m, condition)
        here, value, ratio = point, new, max(0.6, ratio * ratio)
    return here, Status.NO_TRANSITION


def _near(
    model: Model, temperature: float, point: BrokenPoint, m: float
) -> BrokenPoint | None:
    start = point.unknowns + (m - point.m) * point.tangent
    return broken_point(model, temperature, m, start)


def _refine(
    model: Model,
    temperature: float,
    here: BrokenPoint,
    end: float,
    condition: Callable[[BrokenPoint], float],
) -> tuple[BrokenPoint, Status]:
    nearest = here

    def value(m: float) -> float:
        nonlocal nearest
        if m == nearest.m:
            return condition(nearest)
        point = _near(model, temperature, nearest, m)
        if point is None:
            return math.nan
        nearest = point
        return condition(point)

    root = find_root(value, here.m, end, relative=1e-13)
    if not root.status.ok:
        return here, Status.NOT_CONVERGED
    return nearest, Status.CONVERGED
