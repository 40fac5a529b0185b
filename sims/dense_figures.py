"""Figures of dense networks: heating and cooling, basins of attraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sims.figures import (
    LABELS,
    chosen,
    each_series,
    plot_points,
    series_style,
    to_the_end,
)

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes


def draw_hysteresis(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """m while a pattern is heated (full markers) and cooled (hollow), with theory."""
    import analytics.dense as theory

    fixed = {**settings["constants"], **settings["defaults"]}
    _, series, _ = chosen(
        dataset, settings | {"figure": settings["figure"] | {"x": ""}}
    )
    kinds = [name for name in dataset["temperature"].dims if name != "step"]
    t = dataset["temperature"].isel(dict.fromkeys(kinds, 0)).values
    for number, label, cut in each_series(dataset, series):
        shade, marker, dashes = series_style(number)
        load = cut[series].item() if series else fixed["alpha"]
        how = {"coincident": fixed["coincident"]}
        end = theory.find_transition_temperature(fixed["order"], load, **how)
        if end.status.ok:
            fine = to_the_end(t[0], end.value)
            m = theory.solve_storage_grid(fixed["order"], [load], fine, **how).m[0]
            axes.plot(fine, m, color=shade, ls=dashes, lw=1.4)
            axes.vlines(end.value, 0.0, m[-1], color=shade, ls=dashes, lw=0.8)
        for way, face in (("heating", shade), ("cooling", "white")):
            axes.errorbar(
                t,
                cut[f"m_{way}_mean"],
                yerr=cut[f"m_{way}_error"],
                ls="",
                marker=marker,
                ms=4.5,
                color=shade,
                mfc=face,
                capsize=2,
                lw=0.9,
                label=f"{label}, {way}",
            )
    axes.plot([], [], color="black", lw=1.4, label="RS theory, to its spinodal")
    axes.set_xlabel(LABELS["temperature"])
    axes.set_ylabel(LABELS["m"])
    axes.legend(fontsize=7.5)
    return axes


def draw_basin(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """m reached against that of the cue; lines: the retrieval state of theory."""
    x, series, name = chosen(dataset, settings)
    axes.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":", label=r"$m = m_0$")
    for number, label, cut in each_series(dataset, series):
        shade, _, dashes = series_style(number)
        axes.plot(cut[x], cut[f"{name}_theory"], color=shade, ls=dashes, lw=1.4)
        plot_points(
            axes, number, label, cut[x], cut[f"{name}_mean"], cut[f"{name}_error"]
        )
    axes.plot([], [], color="black", lw=1.4, label="retrieval state, RS theory")
    axes.set_xlabel(LABELS.get(x, x))
    axes.set_ylabel(r"magnetisation reached $m$")
    axes.legend(fontsize=8)
    return axes
