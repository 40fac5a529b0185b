"""Replica-symmetric saddle points of a perceptron with binary weights.

With y = R_hat + sqrt(q_hat) z and the energetic term E(q, R) of `gardner`, the free
entropy per weight is the extremum of

    f = -q_hat (1 - q) / 2 - R R_hat + int Dz ln 2cosh y + alpha E,
    q = int Dz tanh**2 y,   R = int Dz tanh y,
    q_hat = -2 alpha dE/dq,   R_hat = alpha dE/dR,

and the entropy is f + beta e, e the errors per weight. The load enters only the second
line, linearly. Thus the fields fix q and R, these fix the fields per unit load, and the
load follows: the branch of solutions is an explicit curve, in storage alpha(q_hat), at
T = 0 with a teacher (q = R, q_hat = R_hat) alpha(R_hat), and at T > 0 alpha(R_hat)
with q_hat / R_hat from one scalar equation. A load is found by inverting the rising
part of the curve that begins at alpha = 0; nothing is iterated, so nothing can slip to
another branch, and the spinodal is where the curve has its maximum.

References
----------
W. Krauth and M. Mezard, J. Phys. France 50, 3057 (1989); G. Gyorgyi, Phys. Rev. A 41,
7097 (1990); H. Sompolinsky, N. Tishby and H. S. Seung, Phys. Rev. Lett. 65, 1683
(1990); H. S. Seung, H. Sompolinsky and N. Tishby, Phys. Rev. A 45, 6056 (1992).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from analytics.gauss import TanhAverages, tanh_averages
from analytics.perceptron.gardner import (
    Forces,
    Overlaps,
    Pattern,
    Rule,
    forces,
    pattern_averages,
)
from analytics.solve import find_maximum, find_root
from statmech.special import gaussian_tail
from statmech.status import Status

LN2 = math.log(2.0)
# Far beyond it H(kappa) or its complement is 0 to rounding, and squares overflow.
LARGEST_KAPPA = 100.0
# ln R_hat between which the curve with a teacher has its maximum, at any temperature.
_TOP_RANGE = (-0.5, 2.0)
# The first order in the load is exact to the square of this.
_LINEAR = 1e-9
# ln q_hat at which q -> 1 to rounding: no curve is followed further.
_END = 70.0
_STEP = 0.5
_INNER_TOLERANCE = 1e-11
_MAX_STEPS, _LARGEST_STEP = 40, 20.0
_UNDERFLOW = 1e-290  # below it squares lose digits: T above 1e145
RESIDUAL = 1e-10  # of q and R, above which a solution is not one
_RELATIVE_ERROR = 1e-14  # of a load, from rounding in the sums


class CurvePoint(NamedTuple):
    """A solution, and the load that it belongs to; alpha is nan where there is none."""

    alpha: float
    q_hat: float
    r_hat: float
    averages: TanhAverages
    overlaps: Overlaps


Curve = Callable[[float], CurvePoint]


class State(NamedTuple):
    """A saddle point with its thermodynamics; numbers are nan unless `status.ok`."""

    overlaps: Overlaps
    q_hat: float
    r_hat: float
    free_entropy: float
    entropy: float
    energy: float  # errors per weight
    residual: float
    quadrature_error: float
    error: float
    status: Status

    @classmethod
    def missing(cls, status: Status, residual: float = math.nan) -> State:
        """No solution, and why."""
        nan = math.nan
        nothing = Overlaps(nan, nan)
        return cls(nothing, nan, nan, nan, nan, nan, residual, nan, nan, status)


PERFECT = State(
    Overlaps(0.0, 0.0), math.inf, math.inf, 0, 0, 0, 0, 0, 0, Status.CLOSED_FORM
)


# --- curves ----------------------------------------------------------------------


def _point(
    q_hat: float, r_hat: float, rule: Rule, halvings: int
) -> tuple[TanhAverages, Overlaps, Forces]:
    averages = tanh_averages(r_hat, math.sqrt(q_hat))
    gap_r = averages.one_minus_tanh if r_hat > 0.0 else 1.0
    overlaps = Overlaps(averages.sech2, gap_r)
    return averages, overlaps, forces(overlaps, rule, halvings=halvings)


def storage_curve(rule: Rule, halvings: int = 0) -> Curve:
    """alpha as a function of ln q_hat, R_hat = 0."""

    def curve(x: float) -> CurvePoint:
        q_hat = math.exp(x)
        averages, overlaps, force = _point(q_hat, 0.0, rule, halvings)
        alpha = q_hat / force.q if force.q > 0.0 else math.nan
        return CurvePoint(alpha, q_hat, 0.0, averages, overlaps)

    return curve


def teacher_curve(beta: float, halvings: int = 0) -> Curve:
    """alpha as a function of ln R_hat, at the temperature 1 / beta."""
    rule = Rule(0.0, beta, teacher=True)

    def curve(x: float) -> CurvePoint:
        r_hat = math.exp(x)
        ratio = 1.0 if beta == math.inf else _field_ratio(r_hat, rule, halvings)
        if math.isnan(ratio):
            nothing = TanhAverages(*(math.nan,) * 7)
            return CurvePoint(math.nan, ratio, r_hat, nothing, Overlaps(ratio, ratio))
        averages, overlaps, force = _point(ratio * r_hat, r_hat, rule, halvings)
        return CurvePoint(r_hat / force.r, ratio * r_hat, r_hat, averages, overlaps)

    return curve


def _field_ratio(r_hat: float, rule: Rule, halvings: int) -> float:
    """q_hat / R_hat on the curve at this R_hat, nan if it is not found.

    ln(q_hat / R_hat) minus the same of the forces rises with slope 0.2 to 1 on the part
    of the curve that is used, so the secant method has one root to find; it starts from
    the ratio at small load, tanh(beta / 2).
    """

    def mismatch(x: float) -> float:
        _, _, force = _point(math.exp(x) * r_hat, r_hat, rule, halvings)
        if not (force.q > _UNDERFLOW and force.r > _UNDERFLOW):
            return math.nan
        return x - math.log(force.q / force.r)

    x = math.log(math.tanh(0.5 * rule.beta))
    miss = mismatch(x)
    step = -miss
    for _ in range(_MAX_STEPS):
        if abs(miss) < _INNER_TOLERANCE:
            # The last step costs nothing and squares what is left.
            return math.exp(x + step)
        # Fields that run away, and forces that underflow, are no solution.
        if not abs(step) < _LARGEST_STEP:
            break
        new_miss = mismatch(x + step)
        if math.isnan(new_miss) or new_miss == miss:
            break
        x, miss, step = x + step, new_miss, -step * new_miss / (new_miss - miss)
    return math.nan


@functools.lru_cache(maxsize=512)
def spinodal(beta: float, halvings: int = 0) -> tuple[float, float]:
    """(ln R_hat, alpha) where the branch R < 1 with a teacher ends; cached."""
    curve = teacher_curve(beta, halvings)
    return find_maximum(lambda x: curve(x).alpha, *_TOP_RANGE, n_grid=6)


# --- saddle points ---------------------------------------------------------------


def solve_teacher(alpha: float, beta: float, halvings: int = 0) -> State:
    """The branch R < 1 that begins at alpha = 0, and R = 1 beyond its end.

    R = 1 is a solution at every load and temperature (to flip k of N weights costs of
    the order of sqrt(k N) errors, more than it gains in entropy), with f = s = e = 0.
    """
    rule = Rule(0.0, beta, teacher=True)
    if beta == 0.0:
        return _random_guess(alpha, rule)
    start = _at_small_load(alpha, rule, halvings)
    if start.status.ok:
        return start
    top, alpha_top = spinodal(beta, halvings)
    if math.isnan(alpha_top):
        return State.missing(Status.NOT_CONVERGED)
    if alpha > alpha_top:
        return PERFECT
    curve = teacher_curve(beta, halvings)
    low = min(math.log(start.r_hat), top) - _STEP
    while curve(low).alpha >= alpha:
        low -= _STEP
    return _on_curve(curve, alpha, low, top, rule, halvings)


def solve_teacher_equilibrium(alpha: float, beta: float, halvings: int = 0) -> State:
    """Of the two solutions the one with the larger free entropy f; R = 1 has f = 0."""
    state = solve_teacher(alpha, beta, halvings)
    return PERFECT if state.status.ok and state.free_entropy < 0.0 else state


def solve_storage_state(rule: Rule, alpha: float, halvings: int = 0) -> State:
    """The solution of smallest q at this load, without a teacher."""
    if rule.beta == 0.0:
        return _random_guess(alpha, rule)
    start = _at_small_load(alpha, rule, halvings)
    if start.status.ok:
        return start
    curve = storage_curve(rule, halvings)
    bracket = _first_rise(curve, alpha, math.log(start.q_hat))
    if bracket is None:
        # At T = 0 the branch ends; at T > 0 q -> 1 beyond what a float tells from 1.
        cold = rule.beta == math.inf
        return State.missing(Status.NO_BRANCH if cold else Status.NOT_CONVERGED)
    return _on_curve(curve, alpha, *bracket, rule, halvings)


def _first_rise(curve: Curve, alpha: float, x: float) -> tuple[float, float] | None:
    """Where the curve first rises through a load, near or right of x; or nowhere."""
    low = x - _STEP
    if low > _END:
        return None
    while curve(low).alpha >= alpha:
        low -= _STEP
    load = curve(low).alpha
    while low < _END:
        high = low + _STEP
        new_load = curve(high).alpha
        if new_load >= alpha:
            return low, high
        if new_load < load:
            # A maximum was passed, and the load may lie under it.
            start = low - _STEP
            top, largest = find_maximum(lambda y: curve(y).alpha, start, high, n_grid=5)
            if largest >= alpha:
                return start, top
        low, load = high, new_load
    return None


def _random_guess(alpha: float, rule: Rule) -> State:
    """T = inf: all weights alike, a field is below kappa with probability Phi."""
    wrong = alpha * float(gaussian_tail(-rule.kappa))
    none = Overlaps(1.0, 1.0)
    return State(none, 0.0, 0.0, LN2, LN2, wrong, 0.0, 0.0, 0.0, Status.CLOSED_FORM)


def _at_small_load(alpha: float, rule: Rule, halvings: int) -> State:
    """First order in the load, q = q_hat and R = R_hat.

    NO_BRANCH, with the fields of that order, where they are not small enough.
    """
    nothing = pattern_averages(Overlaps(1.0, 1.0), rule, halvings=halvings)
    q_hat, r_hat = alpha * nothing.forces.q, alpha * nothing.forces.r
    size = max(q_hat, r_hat)
    if not size < _LINEAR:
        status = Status.NO_BRANCH
        return State.missing(status)._replace(q_hat=q_hat, r_hat=r_hat)
    free, energy = LN2 + alpha * nothing.log_weight, alpha * nothing.wrong
    return State(
        Overlaps(1.0 - q_hat, 1.0 - r_hat),
        q_hat,
        r_hat,
        free,
        free + (rule.beta * energy if energy > 0.0 else 0.0),
        energy,
        residual=size**2,
        quadrature_error=alpha * max(nothing.error, nothing.wrong_error),
        error=size**2 + alpha * max(nothing.force_errors),
        status=Status.CLOSED_FORM,
    )


def _on_curve(
    curve: Curve, alpha: float, low: float, high: float, rule: Rule, halvings: int
) -> State:
    """The state of load `alpha` between two places on a curve."""
    root = find_root(
        lambda x: math.log(curve(x).alpha / alpha), low, high, absolute=1e-15
    )
    if not root.status.ok:
        return State.missing(Status.NOT_CONVERGED)
    point = curve(root.value)
    averages, overlaps = point.averages, point.overlaps
    pattern = pattern_averages(overlaps, rule, halvings=halvings)
    free, entropy = free_entropies(point, pattern, alpha, rule)
    residual = _shift(
        averages,
        alpha * pattern.forces.q - point.q_hat,
        alpha * pattern.forces.r - point.r_hat,
    )
    if not (residual < RESIDUAL and math.isfinite(free)):
        return State.missing(Status.NOT_CONVERGED, residual)
    q_error, r_error = (alpha * error for error in pattern.force_errors)
    quadrature = alpha * max(pattern.error, pattern.wrong_error)
    quadrature += averages.error + _shift(averages, q_error, r_error)
    relative = _RELATIVE_ERROR + relative_error(pattern)
    return State(
        overlaps,
        point.q_hat,
        point.r_hat,
        free,
        entropy,
        alpha * pattern.wrong,
        residual,
        quadrature,
        averages.error + residual + _place_error(curve, root.value, relative),
        Status.CONVERGED,
    )


def free_entropies(
    point: CurvePoint, pattern: Pattern, alpha: float, rule: Rule
) -> tuple[float, float]:
    """f and s per weight of a point of a curve."""
    free = (
        point.averages.log_2cosh
        - 0.5 * point.q_hat * point.overlaps.gap_q
        - (point.overlaps.r * point.r_hat if rule.teacher else 0.0)
        + alpha * pattern.log_weight
    )
    cost = rule.beta * alpha * pattern.wrong if pattern.wrong > 0.0 else 0.0
    return free, free + cost


def relative_error(pattern: Pattern) -> float:
    """Of the forces, hence of the load of a point, by quadrature."""
    pairs = zip(pattern.force_errors, pattern.forces, strict=True)
    return max((error / force for error, force in pairs if force > 0.0), default=0.0)


def _shift(averages: TanhAverages, q_hat: float, r_hat: float) -> float:
    """How far small changes of the fields move R and q at most, to first order."""
    mixed = abs(averages.tanh_sech2)
    curvature = abs(3.0 * averages.sech4 - 2.0 * averages.sech2)
    r_shift = mixed * abs(q_hat) + averages.sech2 * abs(r_hat)
    return max(r_shift, curvature * abs(q_hat) + 2.0 * mixed * abs(r_hat))


def _place_error(curve: Curve, x: float, relative: float) -> float:
    """Error of q and R where the load of the curve has a relative error.

    At the maximum of the load, where the slope is zero, it is of the order of the root.
    """
    h = 1e-4
    below, above = curve(x - h), curve(x + h)
    slope = abs(math.log(above.alpha / below.alpha)) / (2.0 * h)
    moved = max(
        abs(below.overlaps.gap_q - above.overlaps.gap_q),
        abs(below.overlaps.gap_r - above.overlaps.gap_r),
    )
    return moved / (2.0 * h) * relative / max(slope, math.sqrt(relative))
