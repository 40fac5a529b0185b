"""Gaussian averages over a tanh field, at any temperature, with an error estimate.

All order parameters of replica-symmetric theory are averages of functions of
y = mu + sigma z, z standard Gaussian, where mu = beta h and sigma = beta sqrt(Delta):

    <tanh y>, <1 - tanh y>, <sech^2 y>, <sech^4 y>, <tanh y sech^2 y>, <log 2cosh y>.

Two regimes, one accuracy:

* sigma <= 1.5: the trapezoidal rule in z. The integrands are analytic in the strip
  |Im z| < pi / (2 sigma), so its error falls like exp(-pi^2 / (sigma h)); the step
  doubled gives the error estimate.
* sigma > 1.5: the limit sigma -> inf is taken out in closed form (tanh y = sgn y plus
  a remainder that decays like exp(-2|y|)), and the remainder is integrated over y on
  graded Gauss-Kronrod panels, whose embedded Gauss rule gives the error estimate.
  Beyond the last panel the remainders are pure exponentials, whose Gaussian averages
  are again closed forms. Nothing has to be resolved that grows with beta, and
  differences from saturation (1 - m, 1 - q) keep full relative accuracy down to T = 0.

References
----------
L. N. Trefethen and J. A. C. Weideman, SIAM Review 56, 385 (2014), theorem 5.1, for the
trapezoidal rule; R. Piessens et al., QUADPACK (1983), for the Gauss-Kronrod pair.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from analytics.lane_math import LANES, exp_parts, in_rows, lane_sum, log1p_unit
from statmech.errors import check_real
from statmech.jit import kernel

# Seven-point Gauss and fifteen-point Kronrod rule on [-1, 1], non-negative nodes.
_KRONROD_NODES = np.array(
    [
        0.991455371120812639206854697526329,
        0.949107912342758524526189684047851,
        0.864864423359769072789712788640926,
        0.741531185599394439863864773280788,
        0.586087235467691130294144691693583,
        0.405845151377397166906606412076961,
        0.207784955007898467600689403773245,
        0.000000000000000000000000000000000,
    ]
)
_KRONROD_WEIGHTS = np.array(
    [
        0.022935322010529224963732008058970,
        0.063092092629978553290700663189204,
        0.104790010322250183839876322541518,
        0.140653259715525918745189590510238,
        0.169004726639267902826583426598550,
        0.190350578064785409913256402421014,
        0.204432940075298892414161999234649,
        0.209482141084727828012999174891714,
    ]
)
_GAUSS_WEIGHTS = np.array(
    [
        0.0,
        0.129484966168869693270611432679082,
        0.0,
        0.279705391489276667901467771423780,
        0.0,
        0.381830050505118944950369775488975,
        0.0,
        0.417959183673469387755102040816327,
    ]
)
# Panels in |y|; beyond 20, exp(-2y) is below the rounding of 1.
_END = 20.0
_EDGES = np.array([0.0, 0.5, 1.0, 1.75, 2.75, 4.25, 6.5, 10.0, 14.0, _END])

_SWITCH = 1.5
_STEP = 0.125
_REACH = 80  # nodes each side: |z| <= 10
_WIDE = 100.0  # 2 <sech**2> - 3 <sech**4> has lost a factor 1e4 to cancellation here


def _panel_rule():
    nodes, kronrod, gauss = [], [], []
    for low, high in itertools.pairwise(_EDGES):
        half, middle = (high - low) / 2, (high + low) / 2
        for x, w, g in zip(
            _KRONROD_NODES, _KRONROD_WEIGHTS, _GAUSS_WEIGHTS, strict=True
        ):
            for sign in (-1.0, 1.0) if x else (1.0,):
                nodes.append(middle + sign * half * x)
                kronrod.append(half * w)
                gauss.append(half * g)
    return np.array(nodes), np.array(kronrod), np.array(gauss)


_N_PANELS = _EDGES.size - 1
_ROWS = 2  # of eight lanes, for the fifteen nodes of a panel


def _panel_tables():
    """Nodes (rows, lanes); weights (rows, 7, lanes) of the remainders at the nodes,
    and of two error estimates."""
    nodes, kronrod, gauss = _panel_rule()
    e = np.exp(-2.0 * nodes)
    low = 2.0 * e / (1.0 + e)  # 1 - tanh
    square = low * (2.0 - low)  # sech^2
    weights = np.array(
        [
            kronrod * low,
            kronrod * square,
            kronrod * square**2,
            kronrod * square * np.tanh(nodes),
            kronrod * np.log1p(e),
            (kronrod - gauss) * low,
            (kronrod - gauss) * square**2,
        ]
    )
    by_panel = in_rows(weights.reshape(7, _N_PANELS, -1))
    nodes = in_rows(nodes.reshape(_N_PANELS, -1))
    by_row = np.moveaxis(by_panel.reshape(7, -1, LANES), 0, 1)
    return nodes.reshape(-1, LANES), np.ascontiguousarray(by_row)


def _trapezoid_tables():
    """Nodes and weights of the trapezoidal rule in rows of lanes, even ones first."""
    j = np.arange(-_REACH, _REACH + 1)
    even, odd = (_STEP * j[j % 2 == k] for k in (0, 1))
    rows = [
        (in_rows(z), in_rows(_STEP * 0.3989422804014327 * np.exp(-0.5 * z * z)))
        for z in (even, odd)
    ]
    nodes, weights = (np.concatenate(part) for part in zip(*rows, strict=True))
    return nodes, weights, rows[0][0].shape[0]


_NODES, _WEIGHTS = _panel_tables()
_Z, _Z_WEIGHTS, _COARSE_ROWS = _trapezoid_tables()
# Where exp stops: exp(-708) is the smallest normal float64, to a factor of 1.5.
_EXPONENT_END = 708.0
_EXP_END = 0.5 * _EXPONENT_END


class TanhAverages(NamedTuple):
    """Averages over y = mu + sigma z; each is exact to about `error`, absolute."""

    tanh: float
    one_minus_tanh: float
    sech2: float
    sech4: float
    tanh_sech2: float
    log_2cosh: float
    error: float


@kernel
def _trapezoid(mu, sigma):
    # Every other node alone is the rule of twice the step: those rows come first.
    sums = np.zeros((6, LANES))
    coarse = np.zeros((3, LANES))
    for row in range(_Z.shape[0]):
        if row == _COARSE_ROWS:
            coarse[0, :] = sums[0]
            coarse[1, :] = sums[2]
            coarse[2, :] = sums[3]
        for lane in range(LANES):
            w = _Z_WEIGHTS[row, lane]
            y = mu + sigma * _Z[row, lane]
            size = abs(y)
            power, rest = exp_parts(-2.0 * min(size, _EXP_END))
            e = power + rest if size <= _EXP_END else 0.0
            low = 2.0 * e / (1.0 + e)  # 1 - tanh|y|
            sq = low * (2.0 - low)  # sech^2
            signed = math.copysign(1.0 - low, y)
            sums[0, lane] += w * signed
            sums[1, lane] += w * (low if y >= 0.0 else 2.0 - low)
            sums[2, lane] += w * sq
            sums[3, lane] += w * sq * sq
            sums[4, lane] += w * signed * sq
            sums[5, lane] += w * (size + log1p_unit(e))
    t = lane_sum(sums[0])
    s2 = lane_sum(sums[2])
    s4 = lane_sum(sums[3])
    gap_t = abs(t - 2.0 * lane_sum(coarse[0]))
    gap_s = abs(s2 - 2.0 * lane_sum(coarse[1]))
    gap = max(gap_t, gap_s, abs(s4 - 2.0 * lane_sum(coarse[2])))
    # Halving the step squares the error of the rule (up to a factor below one over
    # the size of the integrand in the strip).
    error = gap * min(1.0, gap) + 4.0e-16 * (1.0 + abs(mu))
    u, ts, lc = lane_sum(sums[1]), lane_sum(sums[4]), lane_sum(sums[5])
    return TanhAverages(t, u, s2, s4, ts, lc, error)


@kernel
def _scaled_erfc(x):
    """exp(x**2) erfc(x), x >= 0: above 4 by its continued fraction."""
    if x < 4.0:
        return math.exp(x * x) * math.erfc(x)
    t = x
    for k in range(40, 0, -1):
        t = x + 0.5 * k / t
    return 0.5641895835477563 / t


@kernel
def _exponential_tail(mu, sigma, rate):
    """Average of exp(-rate y) over y > 20, y = mu + sigma z; 0 where negligible.

    Gaussian times exponential is a Gaussian about `peak`. Left of 0 it falls on
    y > 0, to at most exp(-32) of its value at 0 where the tail is dropped.
    """
    variance = sigma * sigma
    peak = mu - rate * variance
    if _END * (0.5 * _END - peak) > 32.0 * variance:
        return 0.0
    distance = (_END - peak) / (sigma * 1.4142135623730951)
    if distance <= 0.0:
        return math.exp(-0.5 * rate * (mu + peak)) * 0.5 * math.erfc(distance)
    # The same with what would overflow taken out of both factors.
    start = (_END - mu) / sigma
    edge = math.exp(-0.5 * start * start - rate * _END)
    return 0.5 * edge * _scaled_erfc(distance)


@kernel
def _panels(mu, sigma):
    sums = np.zeros((7, LANES))
    error = 0.0
    norm = 0.3989422804014327 / sigma
    mean = abs(mu)
    slope = -2.0 * mean / sigma / sigma
    for row in range(_NODES.shape[0]):
        for lane in range(LANES):
            y = _NODES[row, lane]
            a = (y - mean) / sigma
            # Densities at y and -y; their difference keeps its digits at large sigma.
            power, rest = exp_parts(max(-0.5 * a * a, -_EXPONENT_END))
            # Below 1e-305 it is dropped: 1 - m ends at 1e-300.
            density = norm * (power + rest) if abs(a) <= 37.5 else 0.0
            power, rest = exp_parts(max(slope * y, -_EXPONENT_END))
            odd = -density * ((power - 1.0) + rest)
            even = 2.0 * density - odd
            sums[0, lane] += _WEIGHTS[row, 0, lane] * odd
            sums[1, lane] += _WEIGHTS[row, 1, lane] * even
            sums[2, lane] += _WEIGHTS[row, 2, lane] * even
            sums[3, lane] += _WEIGHTS[row, 3, lane] * odd
            sums[4, lane] += _WEIGHTS[row, 4, lane] * even
            sums[5, lane] += _WEIGHTS[row, 5, lane] * even
            sums[6, lane] += _WEIGHTS[row, 6, lane] * even
        if row % _ROWS == _ROWS - 1:  # the end of a panel
            for k in (5, 6):
                # The Kronrod rule is far better than the Gauss rule it is compared
                # with; QUADPACK's empirical exponent 3/2 says by how much.
                gap = abs(lane_sum(sums[k]))
                error += min(gap, 200.0 * gap * math.sqrt(200.0 * gap))
                sums[k, :] = 0.0
    rest_t, s2, s4 = lane_sum(sums[0]), lane_sum(sums[1]), lane_sum(sums[2])
    ts, rest_l = lane_sum(sums[3]), lane_sum(sums[4])
    # Only the side that the mean lies on reaches far beyond the panels.
    tail = _exponential_tail(mean, sigma, 2.0)
    s2 += 4.0 * tail
    s4 += 16.0 * _exponential_tail(mean, sigma, 4.0)
    rest_l += tail
    rest_t = math.copysign(rest_t + 2.0 * tail, mu)
    ts = math.copysign(ts + 4.0 * tail, mu)
    x = mu / (sigma * 1.4142135623730951)
    t = math.erf(x) - rest_t
    u = math.erfc(x) + rest_t
    size = sigma * 0.7978845608028654 * math.exp(-x * x) + mu * math.erf(x)
    error += 4.0e-16 * (1.0 + size)
    return TanhAverages(t, u, s2, s4, ts, size + rest_l, error)


@kernel
def tanh_averages_kernel(mu, sigma):
    """All averages at one (mu, sigma >= 0); see `tanh_averages`."""
    if sigma <= _SWITCH:
        return _trapezoid(mu, sigma)
    return _panels(mu, sigma)


@kernel
def sech2_rise(mu, sigma, averages):
    """Derivative of <sech**2> with respect to sigma**2, given the averages.

    Half the average of the second derivative, 2 <sech**2> - 3 <sech**4>, where that
    difference has digits; at large sigma the derivative is taken of the density, which
    leaves <(z**2 - 1) sech**2> / (2 sigma**2).
    """
    if sigma < _WIDE:
        return 2.0 * averages.sech2 - 3.0 * averages.sech4
    total = np.zeros(LANES)
    norm = 0.3989422804014327 / sigma
    centre = mu / sigma
    for row in range(_NODES.shape[0]):
        for lane in range(LANES):
            y = _NODES[row, lane] / sigma
            right, left = y - centre, y + centre
            power, rest = exp_parts(max(-0.5 * right * right, -_EXPONENT_END))
            term = (right * right - 1.0) * (power + rest)
            power, rest = exp_parts(max(-0.5 * left * left, -_EXPONENT_END))
            term += (left * left - 1.0) * (power + rest)
            total[lane] += _WEIGHTS[row, 1, lane] * term
    return norm * lane_sum(total) / (2.0 * sigma * sigma)


def tanh_averages(mu: float, sigma: float) -> TanhAverages:
    """Averages of tanh and its relatives over y = mu + sigma z, z standard Gaussian.

    Parameters
    ----------
    mu : float
        Mean of the argument, beta times the signal.
    sigma : float
        Its standard deviation, >= 0.

    Returns
    -------
    TanhAverages
        tanh, one_minus_tanh, sech2, sech4, tanh_sech2, log_2cosh, and error, an
        estimate of the absolute error of each. For mu >= 0, one_minus_tanh and sech2
        are accurate relative to themselves, to about 1e-11, however small they are.

    Raises
    ------
    ParameterError
        If an argument is NaN or infinite, or sigma is negative.

    Examples
    --------
    >>> averages = tanh_averages(0.0, 1.0)
    >>> abs(averages.tanh) < 1e-15, round(averages.sech2, 12)
    (True, 0.605705509602)
    """
    return tanh_averages_kernel(check_real("mu", mu), check_real("sigma", sigma, 0.0))
