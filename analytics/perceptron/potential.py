"""Franz-Parisi potential of the binary perceptron that stores random patterns.

A reference J is drawn among the solutions (stability above kappa on all alpha N
patterns); phi(p) is the entropy of the solutions w at overlap p = J.w / N from it.
With q, q_hat of the reference, r the overlap of w with another reference, q_w that of
two w, a hat for conjugates, the extremum over all but p of

    phi(p) = -p_hat p + r_hat r - q_w_hat (1 - q_w) / 2 + S + E,
    S = int Dz sum_J exp(J sqrt(q_hat) z) / (2 cosh(sqrt(q_hat) z))
        int Dt ln 2cosh( (r_hat / sqrt(q_hat)) z + sqrt(q_w_hat - r_hat**2 / q_hat) t
                         + (p_hat - r_hat) J ),
    E = alpha int Dz < ln Phi( (r z / sqrt(q) + b u + sqrt(v) t - kappa)
                               / sqrt(1 - q_w) ) >,

where < > is over Gaussian t and Gaussian u > u0(z) = (kappa - sqrt(q) z) / sqrt(1 - q);
b = (p - r) / sqrt(1 - q), v = q_w - r**2 / q - b**2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.perceptron.binary import solve_storage_state
from analytics.perceptron.gardner import Rule
from analytics.perceptron.potential_terms import (
    Conjugates,
    Problem,
    find_overlap_field,
    pattern_entropy,
    pattern_forces,
    pattern_slope,
    site_averages,
)
from analytics.solve import Prediction, solve_fixed_point
from statmech.errors import check_real
from statmech.status import Status

Array = NDArray[np.float64]

_LARGEST_KAPPA = 4.0
_TOLERANCE = 1e-10
# 1 - q_w at which the map is cut off: nearer to 1 there is no solution to speak of.
_SMALLEST_GAP = 1e-10
# Below it the reference's q has more digits as its field, to which it is equal then.
_SMALL_Q = 1e-9
# Below it patterns change the potential by less than rounding.
_NO_PATTERNS = 1e-100


@dataclass(frozen=True)
class Potential:
    """Solutions at a given overlap from a typical solution.

    Attributes
    ----------
    overlap : float
        p, as given.
    entropy : float
        phi(p) per weight, natural logarithm.
    slope : float
        d phi / d p = -p_hat + dE/dp.
    reference_overlap : float
        r, of the solution at overlap p with another typical one.
    student_overlap : float
        q_w, of two solutions at overlap p from the same reference.
    overlap_conjugate, reference_conjugate, student_conjugate : float
        p_hat, r_hat, q_w_hat.
    residual : float
        Largest mismatch of the saddle-point equations.
    quadrature_error : float
        Change of the entropy when all panels are halved.
    error : float
        Estimated numerical uncertainty of the entropy.
    status : Status
        Numbers are NaN unless `status.ok`.
    """

    overlap: float
    entropy: float
    slope: float
    reference_overlap: float
    student_overlap: float
    overlap_conjugate: float
    reference_conjugate: float
    student_conjugate: float
    residual: float
    quadrature_error: float
    error: float
    status: Status


# Saddle point ------------------------------------------------------------------------


def solve_potential(alpha: float, overlap: float, *, kappa: float = 0.0) -> Potential:
    """Entropy of the solutions at overlap p from a typical one, and order parameters.

    Parameters
    ----------
    alpha : float
        Patterns per weight, P / N >= 0, with typical solutions (kappa = 0: at most
        0.83308).
    overlap : float
        p = J.w / N, -1 < p <= 1.
    kappa : float
        Stability asked of J and w, from -4 to 4.

    Returns
    -------
    Potential
        CLOSED_FORM at p = 1 (phi = 0: w is J; slope and conjugates NaN) and without
        patterns (phi = H_2((1 + p)/2)). NO_BRANCH where there are no typical solutions.
        NOT_CONVERGED where no saddle point is found. A negative entropy says that
        there are typically no solutions at that overlap. As p grows further q_w -> 1
        and phi -> -inf at some p < 1, beyond which there is no saddle point (near J, at
        d = 1 - p, of the order of alpha sqrt(d) N patterns are in danger, too many for
        the d ln(1/d) N bits of freedom). At kappa = 0 this is above p = 0.999 for
        alpha = 0.5, 0.995 for 0.7, 0.99 for 0.8; and again at negative p, before
        p = -0.5 for all three.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    S. Franz and G. Parisi, J. Phys. I France 5, 1401 (1995); H. Huang, K. Y. M. Wong
    and Y. Kabashima, J. Phys. A 46, 375002 (2013); H. Huang and Y. Kabashima, Phys.
    Rev. E 90, 052813 (2014), for the binary perceptron.

    Examples
    --------
    >>> potential = solve_potential(0.5, 0.9)
    >>> round(potential.entropy, 6), round(potential.reference_overlap, 6)
    (0.086526, 0.332382)
    """
    load = check_real("alpha", alpha, 0.0)
    p = check_real("overlap", overlap, -1.0, 1.0, low_open=True)
    margin = check_real("kappa", kappa, -_LARGEST_KAPPA, _LARGEST_KAPPA)
    reference = solve_storage_state(Rule(margin, math.inf, teacher=False), load)
    if not reference.status.ok or reference.entropy < 0.0:
        failed = reference.status if not reference.status.ok else Status.NO_BRANCH
        return _missing(p, failed)
    q_hat = reference.q_hat
    q = reference.overlaps.q if q_hat > _SMALL_Q else q_hat
    if p == 1.0 or q_hat < _NO_PATTERNS:
        return _closed_form(p, q)
    return _saddle_point(Problem(load, margin, p, q, q_hat))


def franz_parisi(alpha: float, overlap: float, *, kappa: float = 0.0) -> Prediction:
    """phi(p), nats per weight; see `solve_potential`."""
    found = solve_potential(alpha, overlap, kappa=kappa)
    return Prediction(found.entropy, found.error, found.status)


def _missing(p: float, status: Status, residual: float = math.nan) -> Potential:
    nan = math.nan
    return Potential(p, *(nan,) * 7, residual, nan, nan, status)


def _closed_form(p: float, q: float) -> Potential:
    """Without patterns, or w = J."""
    up, down = 0.5 * (1.0 + p), 0.5 * (1.0 - p)
    entropy = sum(x * -math.log(x) for x in (up, down) if x > 0.0)
    nan = math.nan
    field = math.atanh(p) if p < 1.0 else nan
    hat = 0.0 if p < 1.0 else nan
    return Potential(
        overlap=p,
        entropy=entropy,
        slope=-field,
        reference_overlap=q * p,
        student_overlap=p * p,
        overlap_conjugate=field,
        reference_conjugate=hat,
        student_conjugate=hat,
        residual=0.0,
        quadrature_error=0.0,
        error=4e-16,
        status=Status.CLOSED_FORM,
    )


def _saddle_point(problem: Problem) -> Potential:
    p, q = problem.overlap, problem.q
    field = math.atanh(p)

    def conjugates(x: Array) -> Conjugates:
        nonlocal field  # a start for the next search
        r, q_w = float(x[0]), min(float(x[1]), 1.0 - _SMALLEST_GAP)
        r_hat, q_w_hat = pattern_forces(problem, r, q_w)
        field = find_overlap_field(problem, r_hat, q_w_hat, field)
        return Conjugates(field, r_hat, q_w_hat)

    def image(x: Array) -> Array:
        site = site_averages(problem, conjugates(x))
        return np.array([site.r, 1.0 - site.gap_q_w])

    # Students that know of J's own weights only.
    r = q * p
    start = (r, r * r / q + (p - r) ** 2 / (1.0 - q))
    found = solve_fixed_point(image, start, tolerance=_TOLERANCE, bounds=(-1.0, 1.0))
    if not found.status.ok:
        return _missing(p, found.status, found.residual)
    r, q_w = float(found.x[0]), float(found.x[1])
    if 1.0 - q_w < 10.0 * _SMALLEST_GAP:
        return _missing(p, Status.NOT_CONVERGED, found.residual)
    fields = conjugates(found.x)
    rough, entropy = (
        pattern_entropy(problem, r, q_w, halvings)
        + site_averages(problem, fields, halvings).entropy
        - p * fields.overlap
        + r * fields.reference
        - 0.5 * fields.student * (1.0 - q_w)
        for halvings in (0, 1)
    )
    quadrature = abs(entropy - rough) + 4e-16 * (1.0 + abs(fields.overlap))
    return Potential(
        overlap=p,
        entropy=entropy,
        slope=pattern_slope(problem, r, q_w) - fields.overlap,
        reference_overlap=r,
        student_overlap=q_w,
        overlap_conjugate=fields.overlap,
        reference_conjugate=fields.reference,
        student_conjugate=fields.student,
        residual=found.residual,
        quadrature_error=quadrature,
        # phi is stationary: an error of the order parameters enters squared, times
        # second derivatives of the order of the conjugates over the gap.
        error=quadrature
        + (found.error + found.residual) ** 2 * (1.0 + fields.student) / (1.0 - q_w),
        status=found.status,
    )
