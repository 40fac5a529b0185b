"""Gaussian averages F(y) = int Dx f(y + sqrt(q_hat) x) of averages over m.

f stands for <m>, 1 - <m**2>, <m**2> - <m>**2 and its square, and <sign m> as functions
of the field. The norm of the weight of m in [-1, 1], symmetric without the field, has
no zero within pi / 2 of the real axis, so all of them are analytic there. Where the
weight is a narrow peak of width w, they change on the scale 1 / w.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from analytics.continual.pattern import REACH
from analytics.continual.piecewise import (
    Series,
    expand,
    legendre_rule,
    panel_nodes,
)
from analytics.continual.site import (
    GAP,
    MEAN,
    ROWS,
    SIGN,
    VARIANCE,
    site_moments,
    site_nodes,
)
from statmech.jit import kernel

Array = NDArray[np.float64]

ODD = np.array([True, False, False, False, True])
_TOLERANCE = 1e-12
# In units of that scale: below it a few Gauss-Hermite nodes see all that f does.
_NARROW = 0.3
_HERMITE = 24
# Standard deviations of the Gaussian that a panel may span.
_SPAN = 2.0
_INV_SQRT_2PI = 0.3989422804014327


def smoothed(
    a: float, stiffness: float, variance: float, largest: float, halvings: int
) -> Series:
    """F on 0 <= y <= `largest`, the rows even or odd as in `ODD`."""
    root = math.sqrt(variance)
    top = largest + REACH * root
    nodes = site_nodes(a, stiffness, top, halvings)

    def plain(fields: Array) -> Array:
        """The rows at given fields, not smoothed."""
        out = np.empty((ROWS, fields.size))
        site_moments(fields, nodes, out)
        variance = out[VARIANCE]
        return np.array([out[MEAN], out[GAP], variance, variance**2, out[SIGN]])

    scale = max(0.5 * math.pi, math.sqrt(max(stiffness - 2.0 * a, 0.0)))
    if root < _NARROW * scale:
        x, w = np.polynomial.hermite_e.hermegauss(_HERMITE * 2**halvings)
        w = w / w.sum()

        def narrow(y: Array) -> Array:
            """Smoothed by a Gaussian over which the rows hardly change."""
            values = plain((y[:, None] + root * x).ravel())
            return values.reshape(ODD.size, y.size, x.size) @ w

        f = narrow if root > 0.0 else plain
        return expand(f, largest, _TOLERANCE, halvings)
    edges = _cut(expand(plain, top, _TOLERANCE, halvings).edges, _SPAN * root)
    fields = panel_nodes(edges)
    _, w, _ = legendre_rule()
    values = plain(fields) * (0.5 * np.diff(edges)[:, None] * w).ravel()
    values = np.ascontiguousarray(values.T)

    def wide(y: Array) -> Array:
        """Smoothed by a Gaussian over which they do, on the panels of the rows."""
        out = np.zeros((y.size, ODD.size))
        convolve(y, fields, values, ODD, root, REACH, out)
        return out.T

    return expand(wide, largest, _TOLERANCE, halvings)


def _cut(edges: Array, width: float) -> Array:
    """Panels no wider than `width`."""
    pieces = [edges[:1]]
    for low, high in itertools.pairwise(edges):
        n = math.ceil((high - low) / width)
        pieces.append(np.linspace(low, high, n + 1)[1:])
    return np.concatenate(pieces)


@kernel
def convolve(y, fields, values, odd, root, reach, out):
    """out[i] += sum_j N(fields[j] - y[i]) values[j], and of the mirror images.

    y (k,), fields (n,) sorted, both >= 0; values (n, rows) with quadrature weights.
    """
    n_rows = odd.size
    scale = _INV_SQRT_2PI / root
    for i in range(y.size):
        first = np.searchsorted(fields, y[i] - reach * root)
        last = np.searchsorted(fields, y[i] + reach * root)
        for j in range(first, last):
            d = (fields[j] - y[i]) / root
            e = (fields[j] + y[i]) / root
            near = scale * math.exp(-0.5 * d * d)
            far = scale * math.exp(-0.5 * e * e) if e < reach else 0.0
            for r in range(n_rows):
                out[i, r] += (near - far if odd[r] else near + far) * values[j, r]
