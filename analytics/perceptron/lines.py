"""Capacities and transition points of perceptrons."""

from __future__ import annotations

import math
from collections.abc import Callable

from analytics.perceptron.binary import (
    LARGEST_KAPPA,
    LN2,
    Curve,
    CurvePoint,
    free_entropies,
    relative_error,
    spinodal,
    storage_curve,
    teacher_curve,
)
from analytics.perceptron.gardner import (
    Overlaps,
    Pattern,
    Rule,
    pattern_averages,
    stability_average,
)
from analytics.solve import Prediction, find_root
from statmech.errors import (
    ParameterError,
    check_choice,
    check_real,
    check_temperature,
)
from statmech.special import gaussian_tail, log_gaussian_tail
from statmech.status import Status

WEIGHTS = ("binary", "spherical", "sign_constrained")
KINDS = ("first_order", "spinodal", "at")

_ROUNDING = 1e-15
_MODE_ROUNDING = 1e-14  # relative, of sums with a cancellation in v + phi / Phi
# The maximum of a load, from rounding in the sums of the quadrature.
_TOP_ERROR = 1e-13
# ln of a field: where R is below 1e-8, and where 1 - q is.
_NO_ORDER, _FULL_ORDER = -20.0, 40.0
_STEP = 0.5
# An overlap whose square, of which the entropy loses the order, is below rounding.
_NEGLIGIBLE = 1e-10

# What is to vanish along a curve, and its error.
Condition = Callable[[CurvePoint, Pattern], tuple[float, float]]


def find_capacity(*, weights: str = "binary", kappa: float = 0.0) -> Prediction:
    """Largest load alpha = P / N at which random patterns can be stored, N -> infinity.

    Parameters
    ----------
    weights : {"binary", "spherical", "sign_constrained"}
        +-1; real; real and non-negative (or of any other signs fixed in advance).
    kappa : float
        Stability y J.x / (|J| |x|) N**(1/2) asked for, from -100 to 100.

    Returns
    -------
    Prediction
        binary: the load where the replica-symmetric entropy vanishes (0.83308 at
        kappa = 0). The overlap q of solutions stays below 1 there, and replica symmetry
        is locally stable (the load of `find_transition("at")` is larger, at every
        kappa). For kappa < 0 it is the same equation, of which less is known; it
        approaches -ln 2 / ln H(kappa), the bound from the mean number of solutions.
        NOT_CONVERGED where that is beyond floating point (kappa < -38).
        spherical: 1 / int Dz max(z + kappa, 0)**2, where q -> 1 (2 at kappa = 0).
        sign_constrained: half of it. Both CLOSED_FORM, and UNDEFINED for kappa < 0,
        where solutions are not a convex set and replica symmetry is broken.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    T. M. Cover, IEEE Trans. Electron. Comput. EC-14, 326 (1965), for 2 at kappa = 0;
    E. Gardner, J. Phys. A 21, 257 (1988), for spherical weights; W. Krauth and
    M. Mezard, J. Phys. France 50, 3057 (1989), for binary ones; D. J. Amit,
    K. Y. M. Wong and C. Campbell, J. Phys. A 22, 2039 (1989), for fixed signs.

    Examples
    --------
    >>> print(find_capacity(weights="spherical"))
    2 +- 2e-15
    """
    check_choice("weights", weights, WEIGHTS)
    margin = check_real("kappa", kappa, -LARGEST_KAPPA, LARGEST_KAPPA)
    if weights == "binary":
        return _binary_capacity(margin)
    if margin < 0.0:
        return Prediction.missing(Status.UNDEFINED)
    # (1 + kappa**2) Phi(kappa) + kappa phi(kappa)
    density = math.exp(-0.5 * margin * margin) / math.sqrt(2.0 * math.pi)
    square = (1.0 + margin * margin) * float(gaussian_tail(-margin)) + margin * density
    capacity = (1.0 if weights == "spherical" else 0.5) / square
    return Prediction(capacity, _ROUNDING * capacity, Status.CLOSED_FORM)


def find_transition(
    kind: str = "first_order", *, temperature: float = 0.0, kappa: float = 0.0
) -> Prediction:
    """Load alpha at which a perceptron with binary weights changes phase.

    Parameters
    ----------
    kind : {"first_order", "spinodal", "at"}
        With a teacher: "first_order", where the free entropy f of the students with
        R < 1 has fallen to 0, that of the teacher itself (1.24468 at T = 0, where
        f is the entropy); "spinodal", where the branch R < 1 ends (1.49263 at T = 0).
        In storage: "at", above which the replica-symmetric solution is unstable
        (de Almeida and Thouless; 1.01465 at T = 0, kappa = 0).
    temperature : float
        T >= 0, finite, of the number of errors.
    kappa : float
        Stability asked for, in storage only.

    Returns
    -------
    Prediction
        NO_TRANSITION where the condition is met nowhere (or, for "at" at
        kappa < -28, beyond what floats hold), NOT_CONVERGED for T above 1e145.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    G. Gyorgyi, Phys. Rev. A 41, 7097 (1990); H. Sompolinsky, N. Tishby and
    H. S. Seung, Phys. Rev. Lett. 65, 1683 (1990); W. Krauth and M. Mezard, J. Phys.
    France 50, 3057 (1989).

    Examples
    --------
    >>> round(find_transition("spinodal").value, 5)
    1.49263
    """
    check_choice("kind", kind, KINDS)
    t = check_real("temperature", check_temperature(temperature), 0.0)
    margin = check_real("kappa", kappa, -LARGEST_KAPPA, LARGEST_KAPPA)
    beta = 1.0 / t if t > 0.0 else math.inf
    if kind == "at":
        return _instability(Rule(margin, beta, teacher=False))
    if margin != 0.0:
        remedy = "with a teacher errors are counted at stability 0; or kind='at'"
        raise ParameterError("kappa", margin, f"0 for kind={kind!r}", remedy)
    top, alpha_top = spinodal(beta)
    if math.isnan(alpha_top):
        return Prediction.missing(Status.NOT_CONVERGED)
    if kind == "spinodal":
        return Prediction(alpha_top, _TOP_ERROR * alpha_top, Status.CONVERGED)
    rule = Rule(0.0, beta, teacher=True)
    return _load_where(teacher_curve(beta), rule, _free(rule), _NO_ORDER, top)


def _free(rule: Rule) -> Condition:
    """The free entropy f, which is the entropy at T = 0."""

    def condition(point: CurvePoint, pattern: Pattern) -> tuple[float, float]:
        f, _ = free_entropies(point, pattern, point.alpha, rule)
        return f, _ROUNDING + point.averages.error + point.alpha * pattern.error

    return condition


def _binary_capacity(kappa: float) -> Prediction:
    """Zero of the entropy along the curve alpha(q_hat) at T = 0."""
    rule = Rule(kappa, math.inf, teacher=False)
    # At most this: the load where the mean number of solutions is 1.
    log_share = float(log_gaussian_tail(kappa))
    bound = LN2 / -log_share if log_share < 0.0 else math.inf
    if bound == math.inf:
        return Prediction.missing(Status.NOT_CONVERGED)
    force = pattern_averages(Overlaps(1.0, 1.0), rule).forces.q
    if bound * force < _NEGLIGIBLE:
        # q is so small that the number of solutions is its mean.
        return Prediction(bound, _ROUNDING * bound, Status.CLOSED_FORM)
    low = math.log(bound * force) - 1.0
    return _load_where(storage_curve(rule), rule, _free(rule), low, _FULL_ORDER)


def _instability(rule: Rule) -> Prediction:
    """First load along the storage curve where the replicon mode is marginal."""

    def margin(point: CurvePoint, pattern: Pattern) -> tuple[float, float]:
        found = stability_average(point.overlaps, rule) * point.averages.sech4
        # The same integrand but for factors as smooth.
        error = _MODE_ROUNDING + relative_error(pattern)
        return math.log(point.alpha * found), error

    return _load_where(storage_curve(rule), rule, margin, _NO_ORDER, _FULL_ORDER)


def _load_where(
    curve: Curve, rule: Rule, condition: Condition, low: float, high: float
) -> Prediction:
    """Load at the first zero of a condition along a curve."""

    def value(x: float) -> float:
        point = curve(x)
        return condition(point, pattern_averages(point.overlaps, rule))[0]

    start = value(low)
    right = low
    while right < high:
        left, right = right, min(right + _STEP, high)
        if (value(right) > 0.0) != (start > 0.0):
            break
    else:
        return Prediction.missing(Status.NO_TRANSITION)
    root = find_root(value, left, right, absolute=1e-15)
    if not root.status.ok:
        return root
    point = curve(root.value)
    pattern = pattern_averages(point.overlaps, rule)
    h = 1e-4
    # The zero of the condition is off by its error over its slope along the curve.
    below, above = root.value - h, root.value + h
    steepness = abs((value(above) - value(below)) / (curve(above).alpha - point.alpha))
    _, miss = condition(point, pattern)
    error = root.error * point.alpha + 2.0 * miss / steepness
    error += point.alpha * (relative_error(pattern) + _ROUNDING)
    return Prediction(point.alpha, error, Status.CONVERGED)
