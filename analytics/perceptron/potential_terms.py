"""The two terms of the Franz-Parisi potential of the binary perceptron.

Notation and equations are those of `analytics.perceptron.potential`: `pattern_`
functions average over one pattern, `site_averages` over one weight.

The average over u and t is one over y = (b u + sqrt(v) t) / sigma, sigma**2 = b**2 + v,
which has the density phi(y) Phi((b y - sigma u0) / sqrt(v)) / Phi(-u0).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gauss import tanh_averages_kernel
from analytics.panels import gaussian_panels
from statmech.jit import kernel
from statmech.special import inverse_mills, log_gaussian_tail

Array = NDArray[np.float64]

_INV_SQRT_2PI = 0.3989422804014327
# Gaussian weight beyond it: 2e-19.
_REACH = 9.0
# Narrower steps are taken for jumps: they move a smooth average by their width squared.
_NARROWEST = 1e-7
_PANEL = 1.5
_ORDER = 10


class Problem(NamedTuple):
    """What is given: load, stability, overlap p, and the reference."""

    alpha: float
    kappa: float
    overlap: float
    q: float
    q_hat: float


class Conjugates(NamedTuple):
    overlap: float  # p_hat
    reference: float  # r_hat
    student: float  # q_w_hat


# Patterns ----------------------------------------------------------------------------


class _Grid(NamedTuple):
    """Nodes over z (n, 1) and y (n, m); weights (n, m) of the density of (z, y), 1 in
    all; the argument of Phi there; and u0(z), (n, 1)."""

    z: Array
    y: Array
    weights: Array
    argument: Array
    threshold: Array


@functools.cache
def _legendre() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    return nodes, weights


def _panel_nodes(edges: Array) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights (n, m) on panels with sorted edges (n, k)."""
    x, w = _legendre()
    half = 0.5 * np.diff(edges, axis=1)[:, :, None]
    middle = 0.5 * (edges[:, 1:] + edges[:, :-1])[:, :, None]
    rows = edges.shape[0]
    return (middle + half * x).reshape(rows, -1), (half * w).reshape(rows, -1)


def _base_edges() -> Array:
    return np.arange(-_REACH, _REACH + 0.1, _PANEL)


def _halved(edges: Array, times: int) -> Array:
    for _ in range(times):
        middles = 0.5 * (edges[:, 1:] + edges[:, :-1])
        edges = np.sort(np.concatenate([edges, middles], axis=1), axis=1)
    return edges


def _offsets(width: float) -> Array:
    """Edges about a place where something changes within `width`."""
    if not width < _PANEL:
        return np.empty(0)
    width = max(width, _NARROWEST)
    steps = width * 2.0 ** np.arange(1 + math.ceil(math.log2(_PANEL / width)))
    return np.concatenate([-steps[::-1], [0.0], steps])


def _student_grid(problem: Problem, r: float, q_w: float, halvings: int) -> _Grid:
    """The density of the student's field, given the reference's constraint."""
    q, kappa = problem.q, problem.kappa
    b = (problem.overlap - r) / math.sqrt(1.0 - q)
    sigma = max(math.sqrt(max(q_w - r * r / q, 0.0)), abs(b))
    rho = b / sigma if sigma > 0.0 else 0.0
    rest = math.sqrt(max(1.0 - rho * rho, 0.0))
    root = math.sqrt(1.0 - q_w)
    scale = r / math.sqrt(q)

    width = math.sqrt((1.0 - q) / q)
    z_edges = np.concatenate([_base_edges(), kappa / math.sqrt(q) + _offsets(width)])
    z_edges = np.sort(np.clip(z_edges, -_REACH, _REACH))[None, :]
    z, z_weights = (part.T for part in _panel_nodes(_halved(z_edges, halvings)))
    u0 = (kappa - math.sqrt(q) * z) / math.sqrt(1.0 - q)

    centre = rho * np.maximum(u0, 0.0)
    parts = [centre + _base_edges()]
    if sigma > 0.0:
        parts.append((kappa - scale * z) / sigma + _offsets(root / sigma))
    if abs(rho) > 0.5:
        parts.append(u0 / rho + _offsets(rest / abs(rho)))
    edges = np.clip(np.concatenate(parts, axis=1), centre - _REACH, centre + _REACH)
    y, y_weights = _panel_nodes(_halved(np.sort(edges, axis=1), halvings))

    if rest > _NARROWEST:
        log_tilt = log_gaussian_tail((u0 - rho * y) / rest)
    else:
        with np.errstate(divide="ignore"):
            log_tilt = np.log((rho * y > u0).astype(np.float64))
    exponent = log_tilt - log_gaussian_tail(u0) - 0.5 * (y * y + z * z)
    weights = z_weights * y_weights * _INV_SQRT_2PI**2 * np.exp(exponent)
    argument = (scale * z + sigma * y - kappa) / root
    return _Grid(z, y, weights, argument, u0)


def pattern_forces(
    problem: Problem, r: float, q_w: float, halvings: int = 0
) -> tuple[float, float]:
    """r_hat and q_w_hat."""
    grid = _student_grid(problem, r, q_w, halvings)
    root = math.sqrt(1.0 - q_w)
    student = inverse_mills(grid.argument) / root
    reference = inverse_mills(-grid.threshold) / math.sqrt(1.0 - problem.q)
    weighted = grid.weights * student
    r_hat = float((weighted.sum(axis=1, keepdims=True) * reference).sum())
    return problem.alpha * r_hat, problem.alpha * float((weighted * student).sum())


def pattern_entropy(problem: Problem, r: float, q_w: float, halvings: int = 0) -> float:
    """E."""
    grid = _student_grid(problem, r, q_w, halvings)
    return problem.alpha * float(
        (grid.weights * log_gaussian_tail(-grid.argument)).sum()
    )


def pattern_slope(problem: Problem, r: float, q_w: float, halvings: int = 0) -> float:
    """dE/dp: alpha int Dz g_J(z) int Dt g_w at u = u0(z)."""
    q, kappa = problem.q, problem.kappa
    b = (problem.overlap - r) / math.sqrt(1.0 - q)
    v = math.sqrt(max(q_w - r * r / q - b * b, 0.0))
    root = math.sqrt(1.0 - q_w)
    # The student's field there is offset + scale z + v t.
    offset = b * kappa / math.sqrt(1.0 - q) - kappa
    scale = r / math.sqrt(q) - b * math.sqrt(q / (1.0 - q))
    features = [(kappa / math.sqrt(q), math.sqrt((1.0 - q) / q))]
    if scale != 0.0:
        features.append((-offset / scale, max(root, v) / abs(scale)))
    z, z_weights = gaussian_panels(features, low=-_REACH, high=_REACH)
    field = (offset + scale * z)[:, None]
    edges = np.broadcast_to(_base_edges(), (z.size, _base_edges().size))
    if v > 0.0:
        edges = np.concatenate([edges, -field / v + _offsets(root / v)], axis=1)
    edges = np.sort(np.clip(edges, -_REACH, _REACH), axis=1)
    t, t_weights = _panel_nodes(_halved(edges, halvings))
    density = _INV_SQRT_2PI * np.exp(-0.5 * t * t)
    student = t_weights * density * inverse_mills((field + v * t) / root) / root
    u0 = (kappa - math.sqrt(q) * z) / math.sqrt(1.0 - q)
    reference = z_weights * inverse_mills(-u0) / math.sqrt(1.0 - q)
    return problem.alpha * float(reference @ student.sum(axis=1))


# Sites -------------------------------------------------------------------------------


class Site(NamedTuple):
    """Averages over one weight: S, 1 - <J m>, r, 1 - q_w, and <sech**2>."""

    entropy: float
    gap_p: float
    r: float
    gap_q_w: float
    susceptibility: float


@kernel
def _site_sums(z, weights, root, slope, sigma, shift, sums):
    """Sums over z, J = 1; the half with J = -1 is its mirror image z -> -z."""
    for i in range(z.size):
        field = tanh_averages_kernel(slope * z[i] + shift, sigma)
        mean = math.tanh(root * z[i])
        weight = weights[i] * (1.0 + mean)
        sums[0] += weight * field.log_2cosh
        sums[1] += weight * field.one_minus_tanh
        sums[2] += weight * mean * field.tanh
        sums[3] += weight * field.sech2


def site_averages(problem: Problem, fields: Conjugates, halvings: int = 0) -> Site:
    root = math.sqrt(problem.q_hat)
    slope = fields.reference / root
    sigma = math.sqrt(max(fields.student - slope * slope, 0.0))
    shift = fields.overlap - fields.reference
    features = [(0.0, 1.0 / root)]
    if slope != 0.0:
        features.append((-shift / slope, max(1.0, sigma) / abs(slope)))
    panels = gaussian_panels(features, halvings=halvings)
    sums = np.zeros(4)
    _site_sums(panels.nodes, panels.weights, root, slope, sigma, shift, sums)
    entropy, gap_p, r, sech2 = (float(total) for total in sums)
    return Site(entropy, gap_p, r, sech2, sech2)


def find_overlap_field(
    problem: Problem, r_hat: float, q_w_hat: float, start: float
) -> float:
    """p_hat with <J m> = p: Newton's steps inside a bracket."""
    target = 1.0 - problem.overlap
    low, high = -math.inf, math.inf
    field = start
    for _ in range(200):
        site = site_averages(problem, Conjugates(field, r_hat, q_w_hat))
        miss = site.gap_p - target  # falls with the field
        if abs(miss) <= 2e-16 + 1e-14 * target:
            return field
        low, high = (field, high) if miss > 0.0 else (low, field)
        step = miss / site.susceptibility if site.susceptibility > 0.0 else math.inf
        limit = 2.0 + abs(field)
        trial = field + min(max(step, -limit), limit)
        if not low < trial < high:
            trial = 0.5 * (low + high)
        if trial == field or not math.isfinite(trial):
            return field
        field = trial
    return field
