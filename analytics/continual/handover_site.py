"""The prior fields that one task leaves to the next, and averages over a weight.

Notation of `analytics.continual.handover`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gauss import tanh_averages_kernel
from analytics.perceptron.gardner import Overlaps

Array = NDArray[np.float64]

# Trapezoidal rule in h1: reach and step in standard deviations, and largest step in h1
# (1 / cosh has its poles at i pi / 2, so that the error is exp(-pi**2 / step)).
_REACH, _WIDEST, _LARGEST_STEP = 9.0, 0.5, 0.3
_INV_SQRT_2PI = 0.3989422804014327
# Stands for an infinite field: its tanh is 1 to rounding.
CERTAIN = 300.0


class Site(NamedTuple):
    """Averages over one weight."""

    overlaps: Overlaps  # q, R
    gap_t: float  # 1 - T
    sech4: float
    error: float  # of q, R and T


class Node(NamedTuple):
    """Part of the law of the prior field: X ~ N(R_hat + field, q_hat + variance)."""

    field: float
    variance: float
    same: float  # probability of it, with B = 1
    other: float  # ... with B = -1


class PriorField(NamedTuple):
    """The law of the prior field of the second task, in the gauge W2 = 1."""

    nodes: tuple[Node, ...]  # every other one is the rule of twice the step

    @property
    def certain(self) -> bool:
        """Infinite, so that no example can turn a weight."""
        return all(abs(node.field) == CERTAIN for node in self.nodes)

    def site(self, q_hat: float, r_hat: float, stride: int = 1) -> Site:
        """Averages of tanh X, X ~ N(prior field + R_hat, q_hat)."""
        gap_q = gap_r = gap_t = sech4 = error = 0.0
        for field, variance, same, other in self.nodes[::stride]:
            found = tanh_averages_kernel(r_hat + field, math.sqrt(q_hat + variance))
            weight = stride * (same + other)
            gap_q += weight * found.sech2
            gap_r += weight * found.one_minus_tanh
            gap_t += stride * same * found.one_minus_tanh
            gap_t += stride * other * (2.0 - found.one_minus_tanh)
            sech4 += weight * found.sech4
            # `found.error` is that of <log 2cosh> too, which grows with the fields.
            rounding = 1e-11 * (found.sech2 + found.one_minus_tanh) + 4e-16
            error += weight * min(found.error, rounding)
        return Site(Overlaps(gap_q, gap_r), gap_t, sech4, error)


def _law(nodes: list[Node]) -> PriorField:
    return PriorField(tuple(node for node in nodes if node.same + node.other > 0.0))


def naive_prior(r_hat: float, r0: float, gamma: float) -> PriorField:
    """Of gamma h1, Gaussian given B."""
    same, other = 0.5 * (1.0 + r0), 0.5 * (1.0 - r0)
    if gamma == 0.0 or r_hat == 0.0:
        return _law([Node(0.0, 0.0, same, other)])
    known = math.isinf(r_hat)
    field = CERTAIN if known else gamma * r_hat
    variance = 0.0 if known else gamma * gamma * r_hat
    return _law([Node(field, variance, same, 0.0), Node(-field, variance, 0.0, other)])


def optimal_prior(r_hat: float, r0: float) -> PriorField:
    """Of atanh(r0 tanh h1), the trapezoidal rule in h = h1 W2, of mean B R_hat1."""
    same, other = 0.5 * (1.0 + r0), 0.5 * (1.0 - r0)
    if r0 == 0.0 or r_hat == 0.0:
        return _law([Node(0.0, 0.0, same, other)])
    if math.isinf(r_hat):
        field = math.atanh(r0) if abs(r0) < 1.0 else math.copysign(CERTAIN, r0)
        return _law([Node(field, 0.0, same, 0.0), Node(-field, 0.0, 0.0, other)])
    sigma = math.sqrt(r_hat)
    step = min(_WIDEST, _LARGEST_STEP / sigma)
    n = 2 * math.ceil(0.5 * (sigma + _REACH) / step)
    z = step * np.arange(-n, n + 1)
    # atanh(r0 tanh h) with all its digits where r0 or tanh h is near 1.
    small = np.exp(-2.0 * np.abs(sigma * z))
    odds = (same + other * small) / (other + same * small)
    fields = 0.5 * np.copysign(1.0, z) * np.log(odds)
    weight = step * _INV_SQRT_2PI
    with_same = same * weight * np.exp(-0.5 * (z - sigma) ** 2)
    with_other = other * weight * np.exp(-0.5 * (z + sigma) ** 2)
    rows = zip(fields, with_same, with_other, strict=True)
    return _law([Node(float(f), 0.0, float(a), float(b)) for f, a, b in rows])
