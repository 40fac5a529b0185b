"""The fields that the patterns of a task exert on magnetisations.

With the weight of a pattern Phi(u)**beta, u the stability, and the averages <.> of
`energetic` at omega = sqrt(q) z,

    g = beta <psi> / sqrt(Delta),   r_hat = (2 alpha / sqrt(2 pi)) int Dt g(spread t),
    q_hat = 2 alpha int Dz Phi(r z / spread) g**2,
    a = alpha (beta**2 - beta) int Dz Phi(r z / spread) <psi**2> / Delta - q_hat / 2,

spread = sqrt(q - r**2); a magnetisation m then has the weight
exp(a m**2 + (sqrt(q_hat) z + r_hat W) m).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.continual.energetic import ROWS, pattern_moments
from analytics.panels import Feature, Panels, gaussian_panels
from statmech.special import gaussian_tail

Array = NDArray[np.float64]

REACH = 9.0  # Gaussian weight beyond it: 2e-19
_SQRT_2_OVER_PI = 0.7978845608028654
_STEP = 0.2


class Fields(NamedTuple):
    """Of one task, with what is measured on its patterns."""

    q: float
    r: float
    a: float
    loss: float
    curvature: float  # int Dz 2 Phi(..) g'**2


def panels(features: list[Feature], halvings: int) -> Panels:
    """Gaussian panels that reach as far as doubles tell."""
    return gaussian_panels(features, low=-REACH, high=REACH, halvings=halvings)


def pattern_fields(state: Array, alpha: float, beta: float, halvings: int) -> Fields:
    """The fields at (1 - q_star, q_star - q, r)."""
    gap, variance, r = (float(x) for x in state)
    root = math.sqrt(gap)
    q = max(1.0 - gap - variance, 0.0)
    s = math.sqrt(variance) / root
    scale, spread = math.sqrt(q), math.sqrt(max(q - r * r, 0.0))
    step = _STEP / 2**halvings

    def moments(size: float, nodes: Array) -> Array:
        """(ROWS, n) averages of a pattern whose field has the width `size`."""
        out = np.empty((ROWS, nodes.size))
        pattern_moments(size / root * nodes, s, beta, step, out)
        return out

    features = [(0.0, root / scale)] if scale > 0.0 else []
    if r != 0.0 and spread > 0.0:
        features.append((0.0, spread / abs(r)))
    z, weights = panels(features, halvings)
    _, psi, square, mixed, loss = moments(scale, z)
    share = weights
    if spread > 0.0:
        share = 2.0 * gaussian_tail(-r / spread * z) * weights
    elif r != 0.0:
        share = (1.0 + math.copysign(1.0, r) * np.sign(z)) * weights
    slope = (beta * beta * (square - psi * psi) - beta * (mixed + square)) / gap
    q_hat = alpha * beta * beta / gap * float(share @ psi**2)
    bent = alpha * (beta * beta - beta) / gap * float(share @ square)
    t, weights = panels([(0.0, root / spread)] if spread > 0.0 else [], halvings)
    linear = float(moments(spread, t)[1] @ weights)
    return Fields(
        q_hat,
        alpha * _SQRT_2_OVER_PI * beta / root * linear,
        0.5 * (bent - q_hat),
        float(share @ loss),
        float(share @ slope**2),
    )
