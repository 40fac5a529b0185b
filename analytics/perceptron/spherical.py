"""A spherical student of a spherical teacher: J, W real, |J|**2 = |W|**2 = N.

Patterns are random, |x|**2 = N, labels are y = sign(W.x), P = alpha N, T = 0. Each
rule is one scalar equation, solved in a variable in which 1 - R keeps all its digits:

* "gibbs", uniform over the students without training errors. By the symmetry of
  teacher and student q = R, and y = R / sqrt(1 - R) solves
  y = (alpha / pi) int Dx exp(-R x**2 / 2) / H(sqrt(R) x).
* "max_margin", of largest stability kappa. With sigma = sqrt(1 - R**2) and
  lambda = kappa / sigma, tau = R / sigma is
  (2 alpha / sqrt(2 pi)) int_{-inf}^lambda Dt (lambda - t), and lambda solves
  sigma**2 = 2 alpha int_{-inf}^kappa Dt (kappa - t)**2 Phi(tau t).
* "hebb", J prop. to sum_mu y x: R = sqrt(2 alpha / (2 alpha + pi)).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytics.panels import Average, gaussian_average
from analytics.perceptron.state import Student
from analytics.solve import find_root
from statmech.errors import check_choice, check_real
from statmech.special import gaussian_tail, inverse_mills, log_gaussian_tail
from statmech.status import Status

Array = NDArray[np.float64]

RULES = ("gibbs", "bayes", "max_margin", "hebb")
_INV_SQRT_2PI = 0.3989422804014327
_LARGEST_ALPHA = 1e12
# A root is accepted if its equation holds to this, relative to its terms.
_TOLERANCE = 1e-11


def solve_spherical(alpha: float, rule: str) -> Student:
    """Overlap R of a spherical student with its teacher at load alpha = P / N.

    Parameters
    ----------
    alpha : float
        From 0 to 1e12.
    rule : {"gibbs", "bayes", "max_margin", "hebb"}
        "gibbs": a student drawn uniformly among those without training errors.
        "bayes": the majority of all of these, which is the student in their centre of
        mass. "max_margin": the student of largest stability. "hebb": J prop. to the sum
        of y x.

    Returns
    -------
    Student
        "gibbs": q = R; entropy s = ln(1 - R)/2 + R/2 + 2 alpha int Dz H(-a z)
        ln H(-a z), a = sqrt(R / (1 - R)), the logarithm of the share of the sphere;
        margin 0.
        "bayes": teacher_overlap is sqrt(q), the error arccos(sqrt(q)) / pi, with the
        q of two students of "gibbs"; entropy and margin NaN.
        "max_margin": margin is kappa, inf without patterns; q = 1, entropy NaN.
        "hebb": q = 1, entropy and margin NaN (the smallest of N stabilities falls
        without bound), training errors alpha 2 int_0^inf Dt H(1 / sqrt(alpha) +
        sqrt(2 alpha / pi) t) per weight.
        Training errors of the others are 0. A margin is y J.x / |J|, |x|**2 = N.
        At alpha = 0 R = 0 and the error is 1/2. The generalisation error keeps its
        digits where R rounds to 1.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    G. Gyorgyi and N. Tishby, in Neural Networks and Spin Glasses, eds. W. K. Theumann
    and R. Koberle (World Scientific, 1990), p. 3, for "gibbs"; M. Opper and
    D. Haussler, Phys. Rev. Lett. 66, 2677 (1991), for "bayes"; M. Opper, W. Kinzel,
    J. Kleinz and R. Nehl, J. Phys. A 23, L581 (1990), for "max_margin"; F. Vallet,
    Europhys. Lett. 8, 747 (1989), for "hebb".

    Examples
    --------
    >>> student = solve_spherical(2.0, "gibbs")
    >>> round(student.teacher_overlap, 6), round(student.entropy, 6)
    (0.728298, -1.031038)
    """
    load = check_real("alpha", alpha, 0.0, _LARGEST_ALPHA)
    check_choice("rule", rule, RULES)
    if rule == "hebb":
        return _hebb(load)
    if rule == "max_margin":
        return _max_margin(load)
    return _version_space(load, bayes=rule == "bayes")


def _student(tangent: float, **values: float | Status) -> Student:
    """A student at angle arctan(tangent) of the teacher; the rest as in `Student`."""
    numbers = {
        "q": 1.0,
        "entropy": math.nan,
        "training_errors": 0.0,
        "margin": math.nan,
        "residual": 0.0,
        "quadrature_error": 0.0,
        "error": 2.0e-16,
        "status": Status.CLOSED_FORM,
    }
    return Student(
        teacher_overlap=1.0 / math.hypot(1.0, tangent),
        generalization_error=math.atan(tangent) / math.pi,
        **(numbers | values),  # type: ignore[arg-type]
    )


# Version space ---------------------------------------------------------------------


def _split(y: float) -> tuple[float, float]:
    """(R, 1 - R) of y = R / sqrt(1 - R)."""
    root = math.hypot(y, 2.0)
    small = 2.0 / (y + root)  # sqrt(1 - R)
    return y * small, small * small


def _pull(y: float) -> Average:
    """(1 / pi) int Dx exp(-R x**2 / 2) / H(sqrt(R) x), from 2/pi at R = 0 to 0.72."""
    root = math.sqrt(_split(y)[0])
    # phi(u) / H(u) = psi(-u); the Gaussian measure stands for the rest.
    scale = math.sqrt(2.0 * math.pi) / math.pi
    return gaussian_average(lambda x: scale * inverse_mills(-root * x))


def _version_space(alpha: float, *, bayes: bool) -> Student:
    def mismatch(ratio: float) -> float:
        """Of the equation over alpha, at y = alpha ratio."""
        return ratio - float(_pull(alpha * ratio).value)

    found = find_root(mismatch, 0.63, 0.73)
    if not found.status.ok:
        return Student.missing(found.status)
    y = alpha * found.value
    overlap, gap = _split(y)
    pull = _pull(y)
    residual = abs(found.value - float(pull.value))
    if residual > _TOLERANCE:
        return Student.missing(Status.NOT_CONVERGED, residual)
    log_share = _log_share(overlap, gap)
    entropy = 0.5 * (math.log(gap) + overlap) + alpha * float(log_share.value)
    quadrature = max(float(pull.error), alpha * float(log_share.error))
    # dR = 2 sqrt(1 - R)**3 / (2 - R) dy, and dy at most what the equation is off by.
    uncertainty = alpha * (found.error + float(pull.error))
    error = 2.0 * gap**1.5 / (1.0 + gap) * uncertainty + 4e-16 * min(1.0, y)
    tangent = math.sqrt(gap * (1.0 + overlap)) / overlap if overlap else math.inf
    if bayes:
        tangent = math.sqrt(gap / overlap) if overlap else math.inf
        error = 0.5 * error / math.sqrt(overlap) if overlap else 0.0
    return _student(
        tangent,
        q=overlap,
        entropy=math.nan if bayes else entropy,
        margin=math.nan if bayes else 0.0,
        residual=residual,
        quadrature_error=quadrature,
        error=error,
        status=Status.CONVERGED if alpha > 0.0 else Status.CLOSED_FORM,
    )


def _log_share(overlap: float, gap: float) -> Average:
    """2 int Dz H(-a z) ln H(-a z): what one pattern leaves of version space."""
    a = math.sqrt(overlap / gap)

    def share(z: Array) -> Array:
        x = -a * z
        kept: Array = 2.0 * gaussian_tail(x) * log_gaussian_tail(x)
        return kept

    return gaussian_average(share, [(0.0, 1.0 / a)] if a > 0.0 else [])


# Maximum stability -----------------------------------------------------------------


def _tilt(scaled: float) -> float:
    """int_{-inf}^lambda Dt (lambda - t) = lambda Phi(lambda) + phi(lambda), >= 0."""
    density = _INV_SQRT_2PI * math.exp(-0.5 * scaled * scaled)
    return scaled * float(gaussian_tail(-scaled)) + density


def _deficit(tau: float, kappa: float) -> Average:
    """2 int_{-inf}^kappa Dt (kappa - t)**2 Phi(tau t)."""

    def square(t: Array) -> Array:
        kept: Array = 2.0 * (kappa - t) ** 2 * gaussian_tail(-tau * t)
        return kept

    return gaussian_average(square, [(0.0, 1.0 / tau)], high=kappa)


def _max_margin(alpha: float) -> Student:
    if alpha == 0.0:
        return _student(math.inf, margin=math.inf)

    def unpack(scaled: float) -> tuple[float, float, float]:
        """tau, sigma**2 and kappa of lambda."""
        tau = 2.0 * alpha * _INV_SQRT_2PI * _tilt(scaled)
        return tau, 1.0 / (1.0 + tau * tau), scaled / math.hypot(1.0, tau)

    def mismatch(scaled: float) -> float:
        tau, variance, kappa = unpack(scaled)
        return 1.0 - alpha * float(_deficit(tau, kappa).value) / variance

    # At lambda = 0 the right side is too small. It is too large where the patterns
    # with kappa - t > sqrt(2 / alpha) alone exceed it, or before.
    high = 1.0 + 2.0 / math.sqrt(alpha)
    while mismatch(high) > 0.0 and high < 1e12:
        high *= 2.0
    found = find_root(mismatch, 0.0, high)
    if not found.status.ok:
        return Student.missing(found.status)
    residual = abs(mismatch(found.value))
    if residual > _TOLERANCE:
        return Student.missing(Status.NOT_CONVERGED, residual)
    tau, variance, kappa = unpack(found.value)
    quadrature = alpha * float(_deficit(tau, kappa).error) / variance
    # How far the root moves when the equation is off by its errors.
    step = 1e-6 * found.value
    rise = (mismatch(found.value - step) - mismatch(found.value + step)) / (2.0 * step)
    shift = found.error + (residual + quadrature) / rise
    lever = 2.0 * alpha * _INV_SQRT_2PI * float(gaussian_tail(-found.value))
    return _student(
        1.0 / tau,
        margin=kappa,
        residual=residual,
        quadrature_error=quadrature,
        # dR = sigma**3 dtau
        error=variance**1.5 * lever * shift + 4e-16,
        status=Status.CONVERGED,
    )


# Hebb ------------------------------------------------------------------------------


def _hebb(alpha: float) -> Student:
    """Field of a training pattern over |J|: 1/sqrt(alpha (1 + 2 alpha/pi)), its own
    share in J, plus y h with h Gaussian of correlation R with the teacher's field."""
    if alpha == 0.0:
        return _student(math.inf)
    slope = math.sqrt(2.0 * alpha / math.pi)
    wrong = gaussian_average(
        lambda t: 2.0 * gaussian_tail(1.0 / math.sqrt(alpha) + slope * t),
        [(0.0, 1.0 / slope)],
        low=0.0,
    )
    return _student(
        1.0 / slope,
        training_errors=alpha * float(wrong.value),
        quadrature_error=alpha * float(wrong.error),
    )
