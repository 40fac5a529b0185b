"""The law of a magnetisation of the first task, as the prior of the second.

theta = atanh(m1 W1) has weighted nodes: quadrature nodes of the replica-symmetric law,
or of the samples given. Sums over many samples of functions that are smooth on panels
of theta become sums over Gauss-Legendre nodes of these panels: node j has the weight
sum_i l_j(theta_i) / n, l_j the Lagrange polynomial of the node, which is exact for
polynomials of degree below the number of nodes.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.continual.pattern import Fields, panels
from analytics.continual.piecewise import ORDER, legendre_rule, panel_nodes
from analytics.continual.single import field_features, single_task
from analytics.continual.site import LOG_NORM, ROWS, site_moments, site_nodes

Array = NDArray[np.float64]

# Beyond it 1 - |m1| < 1e-17.
_LARGEST_THETA = 20.0
_WIDEST, _NARROWEST = 0.5, 0.01
_LEAST = 1e-20  # weight of a node that is not dropped
_ROWS_AT_ONCE = 256


class Law(NamedTuple):
    """Nodes theta (n,) with weights (n,), and what lies at m1 = +1 and -1 exactly."""

    theta: Array
    weights: Array
    plus: float
    minus: float
    p: float  # <sign m1>


def _edges(width: float) -> Array:
    """Panels of [-_LARGEST_THETA, _LARGEST_THETA], an edge at 0."""
    n = math.ceil(_LARGEST_THETA / width)
    return np.linspace(-_LARGEST_THETA, _LARGEST_THETA, 2 * n + 1)


def _width(stiffness: float) -> float:
    # Averages over m are analytic in the field stiffness * theta within pi / 2; a stiff
    # prior holds m to m1, and they are smooth in theta.
    return min(_WIDEST, max(_NARROWEST, 1.5 / max(stiffness, 1e-300)))


@functools.lru_cache(maxsize=32)
def replica_law(
    alpha: float, beta: float, branch: str, stiffness: float, halvings: int
) -> Law:
    """P(m1) = int Dz exp(a m1**2 + h m1) / norm(h), h = sqrt(q_hat) z + r_hat."""
    solution = single_task(alpha, beta, branch)
    fields = solution.fields
    width = _width(stiffness)
    width = min(width, 2.0 / math.sqrt(1.0 + 2.0 * abs(fields.a))) / 2**halvings
    edges = _edges(width)
    _, w, _ = legendre_rule()
    theta = panel_nodes(edges)
    density = _density(fields, theta, halvings)
    weights = density * (0.5 * np.diff(edges)[:, None] * w).ravel()
    kept = weights > _LEAST
    theta, weights = theta[kept], weights[kept]
    return Law(theta, weights / weights.sum(), 0.0, 0.0, solution.result.p)


def _density(fields: Fields, theta: Array, halvings: int) -> Array:
    """Of theta = atanh(m1)."""
    z, weights = panels(field_features(fields), halvings)
    h = math.sqrt(fields.q) * z + fields.r
    out = np.empty((ROWS, h.size))
    nodes = site_nodes(fields.a, 0.0, float(np.abs(h).max()), halvings)
    site_moments(h, nodes, out)
    log_weight = np.log(weights) - out[LOG_NORM]
    m = np.tanh(theta)
    size = np.abs(theta)
    log_jacobian = 2.0 * (math.log(2.0) - size - np.log1p(np.exp(-2.0 * size)))
    density = np.empty(theta.size)
    for first in range(0, theta.size, _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        exponent = np.multiply.outer(m[part], h) + log_weight
        exponent += (fields.a * m[part] ** 2 + log_jacobian[part])[:, None]
        density[part] = np.exp(exponent).sum(axis=1)
    return density


def sample_law(samples: Array, stiffness: float, halvings: int) -> Law:
    """The empirical law of `samples` of m1 W1 in [-1, 1]."""
    n = samples.size
    plus, minus = int((samples == 1.0).sum()), int((samples == -1.0).sum())
    p = float(np.sign(samples).sum()) / n
    theta = np.arctanh(samples[np.abs(samples) < 1.0])
    edges = _edges(_width(stiffness) / 2**halvings)
    if n <= ORDER * (edges.size - 1):
        weights = np.full(theta.size, 1.0 / n)
    else:
        theta, weights = _grouped(theta, edges)
        weights /= n
    return Law(theta, weights, plus / n, minus / n, p)


def _grouped(theta: Array, edges: Array) -> tuple[Array, Array]:
    """Nodes of the panels, and sums of their Lagrange polynomials over the samples."""
    _, _, transform = legendre_rule()
    n = edges.size - 1
    width = edges[1] - edges[0]
    panel = np.clip(((theta - edges[0]) / width).astype(np.intp), 0, n - 1)
    t = 2.0 * (theta - edges[panel]) / width - 1.0
    sums = np.empty((n, ORDER))
    before, now = np.ones_like(t), t
    sums[:, 0] = np.bincount(panel, minlength=n)
    for k in range(1, ORDER):
        sums[:, k] = np.bincount(panel, weights=now, minlength=n)
        before, now = now, ((2 * k + 1) * t * now - k * before) / (k + 1)
    weights = sums @ transform
    full = np.repeat(sums[:, 0] > 0.0, ORDER)
    return panel_nodes(edges)[full], weights.ravel()[full]
