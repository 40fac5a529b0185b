"""Smooth functions on a half line as Legendre series on panels, found adaptively."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from statmech.jit import kernel

Array = NDArray[np.float64]

ORDER = 16
_MAX_ROUNDS = 24


class Series(NamedTuple):
    """rows functions on [edges[0], edges[-1]].

    edges (n + 1,), coefficients (n, ORDER, rows) of Legendre polynomials.
    """

    edges: Array
    coefficients: Array


@functools.cache
def legendre_rule() -> tuple[Array, Array, Array]:
    """Nodes and weights of Gauss-Legendre on [-1, 1]; values to coefficients."""
    x, w = np.polynomial.legendre.leggauss(ORDER)
    basis = np.polynomial.legendre.legvander(x, ORDER - 1)
    transform = (basis * w[:, None]).T * (np.arange(ORDER) + 0.5)[:, None]
    return x, w, transform


def doubling_edges(top: float) -> Array:
    """0, 1, 2, 4, ... and `top`."""
    places = [0.0]
    step = 1.0
    while places[-1] + step < top:
        places.append(places[-1] + step)
        step *= 2.0
    places.append(max(top, places[-1] + 1e-3))
    return np.array(places)


def panel_nodes(edges: Array) -> Array:
    """Gauss-Legendre nodes of all panels, (n * ORDER,)."""
    x, _, _ = legendre_rule()
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    nodes: Array = (middle + 0.5 * np.diff(edges)[:, None] * x).ravel()
    return nodes


def expand(
    f: Callable[[Array], Array], top: float, tolerance: float, halvings: int = 0
) -> Series:
    """f (n,) -> (rows, n) on [0, top]: panels are halved until the series end.

    A series ends where its last two coefficients are below `tolerance`. All panels are
    halved `halvings` times more.
    """
    _, _, transform = legendre_rule()
    done_edges: list[Array] = []
    done: list[Array] = []
    edges = doubling_edges(top)
    low, high = edges[:-1], edges[1:]
    for round_ in range(_MAX_ROUNDS):
        values = _on_panels(f, low, high)
        series = np.einsum("kj,rnj->nkr", transform, values)
        tail = np.abs(series[:, -2:]).max(axis=(1, 2))
        bad = tail > tolerance
        if round_ == _MAX_ROUNDS - 1:
            bad[:] = False
        done_edges.append(np.array([low[~bad], high[~bad]]))
        done.append(series[~bad])
        if not bad.any():
            break
        low, high = _halves(low[bad], high[bad])
    bounds = np.concatenate(done_edges, axis=1)
    order = np.argsort(bounds[0])
    low, high = bounds[0][order], bounds[1][order]
    coefficients = np.concatenate(done)[order]
    for _ in range(halvings):
        low, high = _halves(low, high)
    if halvings:
        values = _on_panels(f, low, high)
        coefficients = np.einsum("kj,rnj->nkr", transform, values)
    edges = np.append(low, high[-1])
    return Series(edges, np.ascontiguousarray(coefficients))


def _halves(low: Array, high: Array) -> tuple[Array, Array]:
    middle = 0.5 * (low + high)
    return (
        np.column_stack([low, middle]).ravel(),
        np.column_stack([middle, high]).ravel(),
    )


def _on_panels(f: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """(rows, panels, ORDER)."""
    x, _, _ = legendre_rule()
    nodes = 0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * x
    values = f(nodes.ravel())
    return values.reshape(values.shape[0], *nodes.shape)


@kernel
def sum_series(points, weights, odd, edges, coefficients, out):
    """out[r] += sum_i weights[i] f_r(points[i]), f_r odd or even about 0."""
    n_rows = coefficients.shape[2]
    n_panels = edges.size - 1
    values = np.empty(n_rows)
    for i in range(points.size):
        x = min(abs(points[i]), edges[n_panels])
        low, high = 0, n_panels
        while high - low > 1:
            middle = (low + high) // 2
            if edges[middle] <= x:
                low = middle
            else:
                high = middle
        t = (2.0 * x - edges[low] - edges[low + 1]) / (edges[low + 1] - edges[low])
        before, now = 1.0, t
        for r in range(n_rows):
            values[r] = coefficients[low, 0, r] + t * coefficients[low, 1, r]
        for k in range(1, coefficients.shape[1] - 1):
            before, now = now, ((2 * k + 1) * t * now - k * before) / (k + 1)
            for r in range(n_rows):
                values[r] += now * coefficients[low, k + 1, r]
        for r in range(n_rows):
            flip = odd[r] and points[i] < 0.0
            out[r] += -weights[i] * values[r] if flip else weights[i] * values[r]
