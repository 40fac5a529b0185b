"""Averages over one group of states: Gaussian fields weighted with a power of cosh.

One step of replica symmetry breaking weights the field h of a group of states,

    h = field + spread z,   z standard Gaussian,   weight (2 cosh(h/T))**x,  x = y T,

with 0 < x <= 1. Here the norm Z of that weight and averages <.> under it, for T >= 0.
At T = 0 the weight is exp(y |h|) and everything is closed. For T > 0 two regimes:

* spread <= 1.5 T: the trapezoidal rule in z, as in `analytics.gauss`.
* spread > 1.5 T: the limit T -> 0 is taken out in closed form. What remains,
  (2 cosh u)**x f(u) - exp(x |u|) f(+-inf) with u = h/T, decays like exp(-2|u|) relative
  to the weight and is integrated over u on graded Gauss-Legendre panels, so that
  nothing has to be resolved that grows with 1/T.

References
----------
M. Mezard, G. Parisi and M. A. Virasoro, Spin Glass Theory and Beyond (World
Scientific, 1987), chapter III, for the weights; L. N. Trefethen and J. A. C. Weideman,
SIAM Review 56, 385 (2014), for the trapezoidal rule.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
SWITCH = 1.5
# Weighting with cosh**x moves the peak in z by at most x spread/T <= 1.5.
_REACH = 10.0
# Panels in |u|; beyond 20, exp(-2u) is below the rounding of 1.
_EDGES = (0.0, 0.5, 1.0, 1.75, 2.75, 4.25, 6.5, 10.0, 14.0, 20.0)
_NODES_PER_PANEL = 12


class CoshAverages(NamedTuple):
    """log Z and weighted averages, each of the shape of `field`.

    Attributes
    ----------
    log_z : log of the Gaussian average of (2 cosh(h/T))**x
    tanh : <tanh(h/T)>
    sech2, sech4 : <sech(h/T)**2>, <sech(h/T)**4>
    size : T <log 2cosh(h/T)>, which is <|h|> at T = 0
    """

    log_z: Array
    tanh: Array
    sech2: Array
    sech4: Array
    size: Array


def cosh_averages(
    field: Array, spread: float, y: float, temperature: float, *, level: int = 0
) -> CoshAverages:
    """Averages over h = field + spread z, weighted with (2 cosh(h/T))**(y T).

    Parameters
    ----------
    field : (n,) float64
    spread : float
        >= 0; > 0 at T = 0.
    y : float
        Breaking parameter over temperature, x = y T <= 1.
    temperature : float
    level : int
        Every step of the quadrature is cut in two `level` times: the change with
        `level` is an estimate of its error.

    Examples
    --------
    >>> averages = cosh_averages(np.zeros(1), 1.0, 2.0, 0.5)
    >>> bool(abs(averages.log_z[0] - math.log(2.0) - 2.0) < 1e-14)  # <cosh 2z> = e**2
    True
    """
    if spread <= SWITCH * temperature:
        return _trapezoid(field, spread, y, temperature, level)
    return _saturated(field, spread, y, temperature, level)


def _trapezoid(
    field: Array, spread: float, y: float, temperature: float, level: int
) -> CoshAverages:
    # The error of the rule is exp(-pi**2 / (step spread/T)), and that of the Gaussian
    # alone exp(-2 pi**2 / step**2).
    width = spread / temperature
    step = 0.5 if width < 0.375 else 0.25 if width < 0.75 else 0.125
    z, weights = trapezoid_rule(_REACH, step, level)
    x = y * temperature
    mean = np.abs(field) / temperature
    u = mean[:, None] + width * z
    size = np.abs(u)
    e = np.exp(-2.0 * size)
    log_2cosh = size + np.log1p(e)
    reference = mean + np.log1p(np.exp(-2.0 * mean))
    weighted = weights * np.exp(x * (log_2cosh - reference[:, None]))
    norm = weighted.sum(axis=1)
    square = 4.0 * e / (1.0 + e) ** 2
    tanh = np.copysign((1.0 - e) / (1.0 + e), u)

    def average(values: Array) -> Array:
        return np.asarray(np.einsum("ij,ij->i", weighted, values) / norm)

    return CoshAverages(
        x * reference + np.log(norm),
        np.sign(field) * average(tanh),
        average(square),
        average(square * square),
        temperature * average(log_2cosh),
    )


def _saturated(
    field: Array, spread: float, y: float, temperature: float, level: int
) -> CoshAverages:
    from scipy.special import ndtr

    # In units of the spread; by symmetry at mean >= 0. Both halves h > 0 and h < 0
    # are Gaussians of mean w +- mean once exp(y |h|) is absorbed, and all weights are
    # taken relative to exp(w**2/2 + w mean).
    mean = np.abs(field) / spread
    w = y * spread
    right, left = w + mean, w - mean
    fade = np.exp(-2.0 * w * mean)
    up, down = ndtr(right), fade * ndtr(left)
    edge = np.exp(-0.5 * right * right)  # = fade exp(-left**2/2)
    norm = up + down
    tanh = up - down
    size = right * up + left * down + 2.0 * _INV_SQRT_2PI * edge
    square = np.zeros_like(mean)
    fourth = np.zeros_like(mean)
    if temperature > 0.0:
        nodes, rest = _remainders(y * temperature, level)
        v = (temperature / spread) * nodes
        scale = _INV_SQRT_2PI * temperature / spread
        plus = np.exp(-0.5 * (v - right[:, None]) ** 2)
        minus = fade[:, None] * np.exp(-0.5 * (v - left[:, None]) ** 2)
        even = scale * ((plus + minus) @ rest[:, [0, 2, 3, 4]])
        odd = scale * ((plus - minus) @ rest[:, 1])
        norm = norm + even[:, 0]
        tanh = tanh + odd
        square, fourth = even[:, 1], even[:, 2]
        size = size + (temperature / spread) * even[:, 3]
    return CoshAverages(
        0.5 * w * w + w * mean + np.log(norm),
        np.sign(field) * tanh / norm,
        square / norm,
        fourth / norm,
        spread * size / norm,
    )


@functools.lru_cache(maxsize=8)
def trapezoid_rule(reach: float, step: float, level: int) -> tuple[Array, Array]:
    """Nodes |z| <= reach and weights, the standard Gaussian density included."""
    step = step / 2**level
    n = round(reach / step)
    z: Array = step * np.arange(-n, n + 1, dtype=np.float64)
    return z, _INV_SQRT_2PI * step * np.exp(-0.5 * z * z)


@functools.lru_cache(maxsize=4)
def _panels(level: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(_NODES_PER_PANEL)
    edges = np.array(_EDGES)
    for _ in range(level):
        edges = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    nodes: Array = (middle + half * x).ravel()
    weights: Array = (half * w).ravel().astype(np.float64)
    return nodes, weights


@functools.lru_cache(maxsize=64)
def _remainders(x: float, level: int) -> tuple[Array, Array]:
    """Nodes u > 0 and (n, 5) weights of what the limit T -> 0 leaves out.

    Over exp(x u), times the weights of the nodes: of 1, tanh u (odd), sech(u)**2,
    sech(u)**4 and log 2cosh u under (2 cosh u)**x.
    """
    u, weights = _panels(level)
    e = np.exp(-2.0 * u)
    more = np.log1p(e)
    excess = np.expm1(x * more)
    ratio = 1.0 + excess
    square = 4.0 * e / (1.0 + e) ** 2
    columns = (
        excess,
        excess - 2.0 * e / (1.0 + e) * ratio,
        ratio * square,
        ratio * square * square,
        u * excess + ratio * more,
    )
    return u, weights[:, None] * np.stack(columns, axis=1)
