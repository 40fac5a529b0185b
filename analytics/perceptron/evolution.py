"""State evolution of approximate message passing (AMP) on the perceptron, N -> inf.

One iteration of AMP, patterns x with entries of order one, F = x / sqrt(N), labels y:

    omega = F m - V g_old,  g = y psi(y omega / sqrt(V)) / sqrt(V),
    h = F^T g + Lambda m,   Lambda = (1/N) sum_mu (g**2 + omega g / V),

then the mean m and the variance V of a weight: m = tanh(h) and V = 1 - |m|**2 / N for
binary weights, m = h / (1 + Lambda) and V = 1 / (1 + Lambda) for spherical ones, whose
prior is a Gaussian of unit variance. psi = phi / Phi.

Given the teacher W, h is Gaussian of mean R_hat W and variance q_hat, whether or not
q = |m|**2 / N equals R = W.m / N. With s(z) = psi(sqrt(q / V) z) / sqrt(V),

    q_hat = 2 alpha int Dz Phi(R z / sqrt(q - R**2)) s(z)**2,
    R_hat = (2 alpha / sqrt(2 pi)) int Dt psi(sqrt((q - R**2) / V) t) / sqrt(V),
    Lambda = (V q_hat + R R_hat) / (V + q),

the last from the definition by integration by parts; Lambda = q_hat = R_hat where
q = R and V = 1 - q.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gauss import sech2_rise, tanh_averages_kernel
from analytics.panels import gaussian_average
from statmech.errors import ParameterError, check_choice, check_integer, check_real
from statmech.special import gaussian_tail, inverse_mills

Array = NDArray[np.float64]

WEIGHTS = ("binary", "spherical")
_LARGEST_ALPHA = 1e6
_SQRT_2_OVER_PI = 0.7978845608028654
# The next variance would underflow, or the state does not move any more.
_SMALLEST_VARIANCE = 1e-100


@dataclass(frozen=True, eq=False)
class Evolution:
    """AMP, iteration by iteration; entry 0 is the start.

    Attributes
    ----------
    q : (n + 1,) float64
        |m|**2 / N.
    teacher_overlap : (n + 1,) float64
        R = W.m / N, not divided by |m| / sqrt(N).
    generalization_error : (n + 1,) float64
        Of the student with weights m, arccos(R / sqrt(q)) / pi; 1/2 where m = 0.
    quadrature_error : (n + 1,) float64
        Estimated absolute error of q and R that the averages of this iteration make;
        0 at the start.
    """

    q: Array
    teacher_overlap: Array
    generalization_error: Array
    quadrature_error: Array


class _State(NamedTuple):
    """V, and the distances of q and R from 1."""

    variance: float
    gap_q: float
    gap_r: float
    error: float = 0.0

    @property
    def q(self) -> float:
        return max(1.0 - self.gap_q, 0.0)

    @property
    def r(self) -> float:
        return 1.0 - self.gap_r

    @property
    def spread(self) -> float:
        """sqrt(q - R**2)."""
        return math.sqrt(max(self.gap_r * (2.0 - self.gap_r) - self.gap_q, 0.0))


class _Fields(NamedTuple):
    """q_hat and R_hat, and their quadrature errors."""

    q: float
    r: float
    q_error: float
    r_error: float


def state_evolution(
    alpha: float,
    n_iterations: int,
    *,
    weights: str = "binary",
    start: tuple[float, float] = (1e-4, 0.0),
) -> Evolution:
    """Overlaps q and R of the AMP student with itself and the teacher, per iteration.

    Both are exact at N -> infinity for any fixed iteration. The fixed points are the
    saddle points of the Gibbs student at T = 0, q = R; from a start without knowledge
    AMP stops at the one of smallest R.

    Parameters
    ----------
    alpha : float
        Examples per weight, P / N, from 0 to 1e6.
    n_iterations : int
        0 to 1000000.
    weights : {"binary", "spherical"}
        Of teacher and student: +-1, or Gaussian of unit variance.
    start : (q, R)
        Of the first m: 0 <= q < 1 and R**2 <= q. Its V is 1 - q, and no g precedes it.
        From q = R the evolution keeps q = R. From another start the length of a
        spherical m relaxes slowly at large alpha; its direction does not.

    Returns
    -------
    Evolution
        Once V < 1e-100 (binary weights, the teacher is found) q and R stay.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    D. L. Donoho, A. Maleki and A. Montanari, Proc. Natl. Acad. Sci. USA 106, 18914
    (2009); S. Rangan, Proc. IEEE ISIT (2011), p. 2168, for general outputs;
    L. Zdeborova and F. Krzakala, Adv. Phys. 65, 453 (2016), section 6.

    Examples
    --------
    >>> evolution = state_evolution(1.0, 60)
    >>> round(float(evolution.q[-1]), 6), round(float(evolution.teacher_overlap[-1]), 6)
    (0.560715, 0.560715)
    """
    load = check_real("alpha", alpha, 0.0, _LARGEST_ALPHA)
    n = check_integer("n_iterations", n_iterations, 0, 1_000_000)
    check_choice("weights", weights, WEIGHTS)
    step = _binary if weights == "binary" else _spherical
    states = [_check_start(start)]
    for _ in range(n):
        state = states[-1]
        if state.variance >= _SMALLEST_VARIANCE:
            state = step(state, _fields(state, load))
        states.append(state)
    return Evolution(
        q=np.array([state.q for state in states]),
        teacher_overlap=np.array([state.r for state in states]),
        generalization_error=np.array([_angle(state) / math.pi for state in states]),
        quadrature_error=np.array([state.error for state in states]),
    )


def _check_start(start: tuple[float, float]) -> _State:
    try:
        q_raw, r_raw = start
    except (TypeError, ValueError):
        raise ParameterError("start", start, "a pair (q, R)") from None
    q = check_real("start[0]", q_raw, 0.0, 1.0, high_open=True)
    limit = math.sqrt(q)
    r = check_real("start[1]", r_raw, -limit, limit, remedy="R**2 <= q")
    return _State(1.0 - q, 1.0 - q, 1.0 - r)


def _angle(state: _State) -> float:
    """Between m and W."""
    if state.q == 0.0:
        return 0.5 * math.pi
    return math.atan2(state.spread, state.r)


def _fields(state: _State, alpha: float) -> _Fields:
    """q_hat and R_hat of the next h, from the overlaps of m."""
    root = math.sqrt(state.variance)
    scale, spread = math.sqrt(state.q) / root, state.spread

    def square(z: Array) -> Array:
        kept: Array = inverse_mills(scale * z) ** 2
        # Without spread the teacher's sign is the sign of z.
        if spread > 0.0:
            return 2.0 * gaussian_tail(-state.r / spread * z) * kept
        return (1.0 + math.copysign(1.0, state.r) * np.sign(z)) * kept

    features = [(0.0, 1.0 / scale)] if scale > 0.0 else []
    steep = abs(state.r) / spread if spread > 0.0 else 0.0
    q_hat = gaussian_average(square, [*features, (0.0, 1.0 / max(steep, 1.0))])
    slope = spread / root
    r_hat = gaussian_average(
        lambda t: inverse_mills(slope * t), [(0.0, 1.0 / slope)] if slope > 0.0 else []
    )
    q_unit, r_unit = alpha / state.variance, alpha * _SQRT_2_OVER_PI / root
    return _Fields(
        q_unit * float(q_hat.value),
        r_unit * float(r_hat.value),
        q_unit * float(q_hat.error),
        r_unit * float(r_hat.error),
    )


def _binary(state: _State, fields: _Fields) -> _State:
    """m = tanh(h)."""
    sigma = math.sqrt(fields.q)
    found = tanh_averages_kernel(fields.r, sigma)
    # `found.error` is that of <log 2cosh> too, which grows with the fields.
    rounding = 1e-11 * (found.one_minus_tanh + found.sech2) + 4e-16
    slope = abs(found.tanh_sech2)
    rise = abs(sech2_rise(fields.r, sigma, found))
    r_error = found.sech2 * fields.r_error + slope * fields.q_error
    q_error = 2.0 * slope * fields.r_error + rise * fields.q_error
    error = min(found.error, rounding) + max(r_error, q_error)
    return _State(found.sech2, found.sech2, found.one_minus_tanh, error)


def _spherical(state: _State, fields: _Fields) -> _State:
    """m = h / (1 + Lambda)."""
    v, q = state.variance, state.q
    precision = (v * fields.q + state.r * fields.r) / (v + q)
    variance = 1.0 / (1.0 + precision)
    r = fields.r * variance
    q_next = (fields.r * fields.r + fields.q) * variance * variance
    shift = variance * (fields.r_error + fields.q_error)
    return _State(variance, 1.0 - q_next, 1.0 - r, 4.0 * shift + 4e-16)
