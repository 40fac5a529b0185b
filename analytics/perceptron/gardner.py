"""The energetic term of a perceptron: what one random pattern says to the weights.

A pattern of the training set has weight exp(-beta) if it is misclassified (its
stability is below kappa), else 1. Averaged over what other students leave open, with
Phi the Gaussian distribution function and v = (omega - kappa) / sqrt(1 - q),

    Phi_T(v) = exp(-beta) + (1 - exp(-beta)) Phi(v),   g = d ln Phi_T / d omega,

where omega, the common part of the field, is sqrt(q) z. The pattern is seen with the
teacher's measure W(z) = 2 Phi(R z / sqrt(q - R**2)), which is 1 in storage (R = 0).

References
----------
E. Gardner and B. Derrida, J. Phys. A 21, 271 (1988), for T > 0; G. Gyorgyi and
N. Tishby, in Neural Networks and Spin Glasses (World Scientific, 1990), for the
teacher's measure.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.panels import Feature, gaussian_average, gaussian_panels
from statmech.special import gaussian_tail, inverse_mills, log_gaussian_tail, sigmoid

Array = NDArray[np.float64]

_SQRT_2_OVER_PI = 0.7978845608028654
# Below it a variance is rounding: the field omega is then the same for all patterns.
_NO_VARIANCE = 1e-300


class Overlaps(NamedTuple):
    """q and R by their distances from 1, which keep their digits as q, R -> 1."""

    gap_q: float
    gap_r: float

    @property
    def q(self) -> float:
        """Overlap of two students."""
        return 1.0 - self.gap_q

    @property
    def r(self) -> float:
        """Overlap of student and teacher."""
        return 1.0 - self.gap_r

    @property
    def spread(self) -> float:
        """sqrt(q - R**2): the students' common field where the teacher's is zero."""
        variance = self.gap_r * (2.0 - self.gap_r) - self.gap_q
        return math.sqrt(max(variance, _NO_VARIANCE))


class Rule(NamedTuple):
    """What counts as an error, what it costs, and whether a teacher gave the labels."""

    kappa: float
    beta: float  # inf at T = 0
    teacher: bool


class Forces(NamedTuple):
    """Conjugate fields per unit load: q_hat / alpha and R_hat / alpha."""

    q: float
    r: float


class Pattern(NamedTuple):
    """All averages over one pattern, with the largest quadrature error of each kind."""

    log_weight: float  # int Dz W ln Phi_T
    wrong: float  # int Dz W P(misclassified | z)
    forces: Forces
    error: float  # of log_weight
    wrong_error: float
    force_errors: Forces


@functools.lru_cache(maxsize=256)
def switch_place(beta: float) -> float:
    """v at which Phi_T turns from Phi to its floor: Phi(v) = 1 / (exp(beta) - 1)."""
    from scipy.special import ndtri_exp

    if beta == math.inf or beta < 1.0:
        return 0.0
    return float(ndtri_exp(-beta - math.log(-math.expm1(-beta))))


def _features(scale: float, gap_q: float, rule: Rule) -> list[Feature]:
    """Where ln Phi_T(v) switches, v = (scale z - kappa) / sqrt(1 - q)."""
    width = math.sqrt(gap_q) / scale
    place = rule.kappa / scale
    features = [(place, width)]
    switch = switch_place(rule.beta)
    if switch < 0.0:
        features.append((place + switch * width, width / max(1.0, -switch)))
    return features


def _slope(v: Array, beta: float) -> Array:
    """sqrt(1 - q) g: the ratio phi / Phi, damped where the pattern is given up."""
    mills: Array = inverse_mills(v)
    if beta == math.inf:
        return mills
    return mills * sigmoid(log_gaussian_tail(-v) + _log_odds(beta))


def _log_odds(beta: float) -> float:
    """ln(exp(beta) - 1)."""
    return beta + math.log(-math.expm1(-beta))


def _argument(z: Array, scale: float, gap_q: float, rule: Rule) -> Array:
    with np.errstate(over="ignore"):
        v: Array = (scale * z - rule.kappa) / math.sqrt(gap_q)
    return v


def _measure(z: Array, overlaps: Overlaps, rule: Rule) -> Array | float:
    """W(z)."""
    if not rule.teacher:
        return 1.0
    with np.errstate(over="ignore"):
        argument = overlaps.r / overlaps.spread * z
    measure: Array = 2.0 * gaussian_tail(-argument)
    return measure


def _student_features(overlaps: Overlaps, rule: Rule) -> list[Feature]:
    scale = math.sqrt(max(overlaps.q, _NO_VARIANCE))
    features = _features(scale, overlaps.gap_q, rule)
    if rule.teacher and overlaps.r > 0.0:
        features.append((0.0, overlaps.spread / overlaps.r))
    return features


def forces(overlaps: Overlaps, rule: Rule, *, halvings: int = 0) -> Forces:
    """q_hat / alpha = int Dz W g**2 and R_hat / alpha = sqrt(2/pi) int Dt g.

    g is taken at omega = sqrt(q) z, and at sqrt(q - R**2) t where the teacher's field
    is zero. R_hat is not defined, and 0 here, in storage.
    """
    gap = overlaps.gap_q
    scale = math.sqrt(max(overlaps.q, 0.0))
    z, weights = gaussian_panels(
        _student_features(overlaps, rule), halvings=halvings + 1
    )
    slope = _slope(_argument(z, scale, gap, rule), rule.beta)
    q_force = float((_measure(z, overlaps, rule) * slope**2) @ weights) / gap
    if not rule.teacher:
        return Forces(q_force, 0.0)
    spread = overlaps.spread
    t, weights = gaussian_panels(_features(spread, gap, rule), halvings=halvings + 1)
    slope = _slope(_argument(t, spread, gap, rule), rule.beta)
    return Forces(q_force, _SQRT_2_OVER_PI * float(slope @ weights) / math.sqrt(gap))


def pattern_averages(overlaps: Overlaps, rule: Rule, *, halvings: int = 0) -> Pattern:
    """Free entropy, errors and forces of one pattern, with quadrature errors."""
    gap, beta = overlaps.gap_q, rule.beta
    scale = math.sqrt(max(overlaps.q, 0.0))

    def student(z: Array) -> Array:
        v = _argument(z, scale, gap, rule)
        log_phi = log_gaussian_tail(-v)
        slope = _slope(v, beta)
        rows = [log_phi, np.zeros_like(v), slope**2]
        if beta < math.inf:
            rows[0] = np.logaddexp(-beta, log_phi + math.log(-math.expm1(-beta)))
            rows[1] = gaussian_tail(v) * sigmoid(-log_phi - _log_odds(beta))
        return _measure(z, overlaps, rule) * np.array(rows)

    found = gaussian_average(
        student, _student_features(overlaps, rule), halvings=halvings
    )
    r_force = r_error = 0.0
    if rule.teacher:
        spread = overlaps.spread
        linear = gaussian_average(
            lambda t: _slope(_argument(t, spread, gap, rule), beta),
            _features(spread, gap, rule),
            halvings=halvings,
        )
        factor = _SQRT_2_OVER_PI / math.sqrt(gap)
        r_force, r_error = factor * float(linear.value), factor * float(linear.error)
    return Pattern(
        float(found.value[0]),
        float(found.value[1]),
        Forces(float(found.value[2]) / gap, r_force),
        float(found.error[0]),
        float(found.error[1]),
        Forces(float(found.error[2]) / gap, r_error),
    )


def stability_average(overlaps: Overlaps, rule: Rule, *, halvings: int = 0) -> float:
    """int Dz W (dg / d omega)**2, which times alpha <sech**4> is 1 at an instability.

    With s = sqrt(1 - q) g, dg / d omega = -s (v + s) / (1 - q).
    """
    scale = math.sqrt(max(overlaps.q, 0.0))
    z, weights = gaussian_panels(
        _student_features(overlaps, rule), halvings=halvings + 1
    )
    v = _argument(z, scale, overlaps.gap_q, rule)
    slope = _slope(v, rule.beta)
    square = (slope * (v + slope)) ** 2 * _measure(z, overlaps, rule)
    return float(square @ weights) / overlaps.gap_q**2
