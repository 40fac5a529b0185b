"""Figures of (alpha, T) diagrams: lines of theory over a Monte Carlo map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FINE = 60


def draw_storage_diagram(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Retrieval of stored patterns, with every line of theory: RS, 1RSB, glass."""
    from sims.phase_diagram import trace_lines
    from sims.plot import LINE_LABELS, LINE_STYLES

    order = {**settings["constants"], **settings["defaults"]}["order"]
    points = _draw_map(axes, dataset)
    bar = axes.figure.colorbar(points, ax=axes, pad=0.01)
    bar.set_label("Monte Carlo $m$, from the pattern")
    for name, line in trace_lines(order).items():
        if line.alpha.size:
            style, label = LINE_STYLES[name], LINE_LABELS[name]
            axes.plot(line.alpha, line.temperature, label=label, **style)
    axes.set_xlim(0.0, 1.08 * float(dataset["alpha"].max()))
    axes.set_ylim(0.0, 1.6 * float(dataset["temperature"].max()))
    axes.set_xlabel(_load_label(order))
    axes.set_ylabel(r"temperature $T$ (units of $J$)")
    axes.legend(fontsize=7.5, loc="upper center", ncols=2, framealpha=0.95)
    return axes


def _load_label(order: int) -> str:
    load = "N" if order == 2 else f"N^{{{order - 1}}}"
    return rf"load $\alpha = K / {load}$"


def _draw_map(axes: Axes, cut: xarray.Dataset) -> Any:
    """Squares shaded by m."""
    alpha, t = np.meshgrid(cut["alpha"], cut["temperature"], indexing="ij")
    measured = cut["m_mean"].transpose("alpha", "temperature").values
    return axes.scatter(
        alpha.ravel(),
        t.ravel(),
        c=measured.clip(0.0, 1.0).ravel(),
        cmap="YlGnBu",
        vmin=0.0,
        vmax=1.0,
        s=60,
        marker="s",
        edgecolors="0.45",
        linewidths=0.3,
    )


def draw_diagrams(
    figure: Figure, dataset: xarray.Dataset, settings: dict[str, Any]
) -> None:
    """(alpha, T) diagrams: supervised and unsupervised side by side, a row each M.

    Squares: Monte Carlo m from the archetype. Lines: where the retrieval state of
    theory ends, and for comparison where it does in storage.
    """
    fixed = {**settings["constants"], **settings["defaults"]}
    protocols = _values(dataset, fixed, "protocol")
    numbers = _values(dataset, fixed, "n_examples")
    figure.set_size_inches(4.6 * len(protocols) + 0.8, 3.6 * len(numbers))
    grid = figure.subplots(
        len(numbers), len(protocols), sharex=True, sharey=True, squeeze=False
    )
    for row, m in zip(grid, numbers, strict=True):
        for axes, protocol in zip(row, protocols, strict=True):
            where = {
                name: value
                for name, value in (("protocol", protocol), ("n_examples", m))
                if name in dataset.dims
            }
            own = fixed | {"protocol": protocol, "n_examples": m}
            points = _draw_panel(axes, dataset.sel(where), own)
    for axes in grid[-1]:
        axes.set_xlabel(_load_label(fixed["order"]))
    for axes in grid[:, 0]:
        axes.set_ylabel(r"temperature $T$ (units of $J$)")
    bar = figure.colorbar(points, ax=grid, pad=0.01)
    bar.set_label("Monte Carlo $m$, from the archetype")
    grid[0, 0].legend(fontsize=7.5, loc="upper right")


def _values(dataset: xarray.Dataset, fixed: dict[str, Any], name: str) -> list[Any]:
    if name in dataset.dims:
        return list(dataset[name].values.tolist())
    return [fixed[name]]


def _draw_panel(axes: Axes, cut: xarray.Dataset, own: dict[str, Any]) -> Any:
    import analytics.dense as theory

    order, m, r = own["order"], own["n_examples"], own["quality"]
    lesson = {"n_examples": m, "quality": r, "protocol": own["protocol"]}
    points = _draw_map(axes, cut)
    top = float(cut["temperature"].max())
    fine = np.linspace(0.0, 1.1 * top, _FINE)
    for kind, width, dashes, label in (
        (lesson, 1.8, "-", "retrieval ends, RS theory"),
        ({}, 1.0, "--", "the same, storage"),
    ):
        ends = [
            theory.find_critical_load(
                order, float(v), coincident=own["coincident"], **kind
            ).value
            for v in fine
        ]
        axes.plot(ends, fine, color="black", lw=width, ls=dashes, label=label)
    axes.set_xlim(0.0, 1.1 * float(cut["alpha"].max()))
    axes.set_ylim(0.0, 1.35 * top)
    rho = (1.0 - r * r) / (m * r * r)
    axes.set_title(rf"{own['protocol']}, $M = {m}$, $\rho = {rho:.3g}$", fontsize=9)
    return points
