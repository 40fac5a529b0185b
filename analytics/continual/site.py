"""One magnetisation in a field: compiled averages over m in [-1, 1].

The weight of m is exp(a m**2 + h m - c S(m)) with S(m) = ((1 + m) log(1 + m) +
(1 - m) log(1 - m)) / 2, the entropy that a Bernoulli prior brings (c = 0 without).
With m = tanh(s), S = s m - log cosh(s), so nothing cancels at m = +-1, and a layer of
width 1 / h there is a smooth step in s. Gauss-Legendre panels on s > 0 and s < 0
apart make sign(m) exact.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytics.continual.piecewise import legendre_rule
from analytics.lane_math import LANES, exp_parts, lane_sum
from statmech.jit import kernel

Array = NDArray[np.float64]

# Widths of a peak of the weight that a panel may span.
_SPAN = 4.0
# Beyond s = _TOP + log(1 + h) / 2 there is exp(-2 * _TOP) of the weight.
_TOP = 15.0
_LOWEST = -700.0  # exp of it is as good as 0
_NOTHING = -1e300
_SAMPLED = 4
LOG_NORM, MEAN, GAP, VARIANCE, SIGN = range(5)
ROWS = 5


def site_nodes(a: float, c: float, largest_field: float, halvings: int = 0) -> Array:
    """Nodes of the half s > 0 for all fields up to one: (3, n), n a multiple of LANES.

    m = tanh(s); the log of the weight without the field, Jacobian and quadrature
    weight included; 1 - m.
    """
    peak = 1.0 / math.sqrt(1.0 + 2.0 * abs(a) + c)
    top = _TOP + 0.5 * math.log1p(largest_field)
    places = [0.0]
    while places[-1] < top:
        width = min(1.0, _SPAN * peak * math.cosh(places[-1]))
        places.append(places[-1] + width)
    edges = np.array(places)
    for _ in range(halvings):
        edges = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
    x, w, _ = legendre_rule()
    half = 0.5 * np.diff(edges)[:, None]
    s = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * x).ravel()
    m = np.tanh(s)
    log_cosh = s + np.log1p(np.exp(-2.0 * s)) - math.log(2.0)
    log_weight = np.log((half * w).ravel()) - 2.0 * log_cosh
    log_weight += a * m * m - c * (s * m - log_cosh)
    return np.array([m, log_weight, 2.0 / (1.0 + np.exp(2.0 * s))])


@kernel
def _weights(h, m, log_weight, top, plus, minus):
    """Of m and -m in the field h >= 0; a loop that stores is one of vectors."""
    for k in range(m.size):
        base = log_weight[k] - top
        shift = h * m[k]
        a, b = exp_parts(max(base + shift, _LOWEST))
        plus[k] = a + b
        a, b = exp_parts(max(base - shift, _LOWEST))
        minus[k] = a + b


@kernel
def site_moments(fields, nodes, out):
    """out (ROWS, n): log of the norm, <m>, 1 - <m**2>, <m**2> - <m>**2, <sign m>.

    1 - <m**2> and the variance keep their digits as |m| -> 1.
    """
    m, log_weight, deficit = nodes[0], nodes[1], nodes[2]
    plus = np.empty(m.size)
    minus = np.empty(m.size)
    sums = np.empty((4, LANES))
    for i in range(fields.size):
        h = abs(fields[i])
        # A peak spans many nodes: some of them tell its height well enough.
        top = _NOTHING
        for k in range(0, m.size, _SAMPLED):
            top = max(top, log_weight[k] + h * m[k])
        _weights(h, m, log_weight, top, plus, minus)
        sums[:] = 0.0
        for first in range(0, m.size, LANES):
            for l in range(LANES):
                p, n = plus[first + l], minus[first + l]
                near = deficit[first + l]
                far = 2.0 - near
                sums[0, l] += p
                sums[1, l] += n
                sums[2, l] += p * near + n * far
                sums[3, l] += p * near * near + n * far * far
        positive, negative = lane_sum(sums[0]), lane_sum(sums[1])
        norm = positive + negative
        first_moment = lane_sum(sums[2]) / norm
        second_moment = lane_sum(sums[3]) / norm
        side = 1.0 if fields[i] >= 0.0 else -1.0
        out[LOG_NORM, i] = top + math.log(norm)
        out[MEAN, i] = side * (1.0 - first_moment)
        out[GAP, i] = 2.0 * first_moment - second_moment
        out[VARIANCE, i] = second_moment - first_moment * first_moment
        out[SIGN, i] = side * (positive - negative) / norm
