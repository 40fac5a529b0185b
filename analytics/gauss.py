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


_NODES, _KRONROD, _GAUSS = _panel_rule()
_PER_PANEL = 15


def _panel_weights():
    """(7, n) weights of the remainders at the nodes, and of two error estimates."""
    e = np.exp(-2.0 * _NODES)
    low = 2.0 * e / (1.0 + e)  # 1 - tanh
    square = low * (2.0 - low)  # sech^2
    return np.array(
        [
            _KRONROD * low,
            _KRONROD * square,
            _KRONROD * square**2,
            _KRONROD * square * np.tanh(_NODES),
            _KRONROD * np.log1p(e),
            (_KRONROD - _GAUSS) * low,
            (_KRONROD - _GAUSS) * square**2,
        ]
    )


_WEIGHTS = _panel_weights()


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
    t = 0.0
    u = 0.0
    s2 = 0.0
    s4 = 0.0
    ts = 0.0
    lc = 0.0
    coarse_t = 0.0
    coarse_s2 = 0.0
    coarse_s4 = 0.0
    for j in range(-_REACH, _REACH + 1):
        z = _STEP * j
        w = _STEP * 0.3989422804014327 * math.exp(-0.5 * z * z)
        y = mu + sigma * z
        size = abs(y)
        e = math.exp(-2.0 * size)
        low = 2.0 * e / (1.0 + e)  # 1 - tanh|y|
        th = 1.0 - low
        sq = low * (2.0 - low)  # sech^2
        signed = math.copysign(th, y)
        t += w * signed
        u += w * (low if y >= 0.0 else 2.0 - low)
        s2 += w * sq
        s4 += w * sq * sq
        ts += w * signed * sq
        lc += w * (size + math.log1p(e))
        if j % 2 == 0:
            coarse_t += 2.0 * w * signed
            coarse_s2 += 2.0 * w * sq
            coarse_s4 += 2.0 * w * sq * sq
    gap = max(abs(t - coarse_t), abs(s2 - coarse_s2), abs(s4 - coarse_s4))
    # Halving the step squares the error of the rule (up to a factor below one over
    # the size of the integrand in the strip).
    error = gap * min(1.0, gap) + 4.0e-16 * (1.0 + abs(mu))
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
    rest_t = 0.0
    s2 = 0.0
    s4 = 0.0
    ts = 0.0
    rest_l = 0.0
    error = 0.0
    norm = 0.3989422804014327 / sigma
    mean = abs(mu)
    slope = -2.0 * mean / sigma / sigma
    for panel in range(_NODES.shape[0] // _PER_PANEL):
        gap_t = 0.0
        gap_s = 0.0
        for j in range(panel * _PER_PANEL, (panel + 1) * _PER_PANEL):
            y = _NODES[j]
            a = (y - mean) / sigma
            if abs(a) > 37.0:  # below 1e-297, and slow where it is not normal
                continue
            # Densities at y and -y; their difference keeps its digits at large sigma.
            density = norm * math.exp(-0.5 * a * a)
            odd = -density * math.expm1(slope * y)
            even = 2.0 * density - odd
            rest_t += _WEIGHTS[0, j] * odd
            s2 += _WEIGHTS[1, j] * even
            s4 += _WEIGHTS[2, j] * even
            ts += _WEIGHTS[3, j] * odd
            rest_l += _WEIGHTS[4, j] * even
            gap_t += _WEIGHTS[5, j] * even
            gap_s += _WEIGHTS[6, j] * even
        # The Kronrod rule is far better than the Gauss rule it is compared with;
        # QUADPACK's empirical exponent 3/2 says by how much.
        for gap in (abs(gap_t), abs(gap_s)):
            error += min(gap, (200.0 * gap) ** 1.5)
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
