"""Figures: theory as lines, simulation as points with error bars. Nothing is shown."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sims.export import write_whole

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by dashes and width, so that the figure reads in grey.
LINE_STYLES: dict[str, dict[str, Any]] = {
    "spinodal": {"color": "black", "lw": 2.0, "ls": "-"},
    "broken_spinodal": {"color": "0.45", "lw": 2.0, "ls": "-"},
    "thermodynamic": {"color": "black", "lw": 1.6, "ls": "--"},
    "broken_thermodynamic": {"color": "0.45", "lw": 1.6, "ls": "--"},
    "glass": {"color": "black", "lw": 1.4, "ls": ":"},
    "dynamic": {"color": "0.45", "lw": 1.4, "ls": ":"},
    "replicon": {"color": "tab:red", "lw": 2.2, "ls": "-."},
    "nishimori": {"color": "tab:blue", "lw": 1.2, "ls": (0, (6, 1, 1, 1, 1, 1))},
}
LINE_LABELS = {
    "spinodal": r"retrieval spinodal $T_M$",
    "broken_spinodal": r"$T_M$, 1RSB",
    "thermodynamic": r"thermodynamic $T_c$",
    "broken_thermodynamic": r"$T_c$, 1RSB",
    "glass": r"spin glass $T_g$",
    "dynamic": r"dynamic $T_d$",
    "replicon": r"replicon (AT) $T_R$",
    "nishimori": "Nishimori line",
}
_MARKERS = "osD^v"


def draw_phase_diagram(dataset: xarray.Dataset) -> Figure:
    """Map with lines, cuts through it, and the table of `run_phase_diagram`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 9.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.3, 1), width_ratios=(1.25, 1))
    draw_map(figure.add_subplot(grid[0, 0]), dataset)
    draw_cuts(figure.add_subplot(grid[0, 1]), dataset)
    draw_table(figure.add_subplot(grid[1, :]), dataset)
    return figure


def draw_map(axes: Axes, dataset: xarray.Dataset) -> Axes:
    """Monte Carlo m at each grid point, its standard error as a bar, and the lines."""
    settings = json.loads(dataset.attrs["provenance"])
    alpha, temperature = np.meshgrid(
        dataset["alpha"], dataset["temperature"], indexing="ij"
    )
    points = axes.scatter(
        alpha.ravel(),
        temperature.ravel(),
        c=dataset["m"].values.clip(0.0, 1.0).ravel(),
        cmap="YlGnBu",
        vmin=0.0,
        vmax=1.0,
        s=58,
        marker="s",
        edgecolors="0.45",
        linewidths=0.3,
        zorder=1,
    )
    bar = axes.figure.colorbar(points, ax=axes, pad=0.01)
    bar.set_label(
        rf"Monte Carlo $m$  (N = {settings['n_spins']}, from the pattern, "
        f"{settings['n_samples']} samples)"
    )
    _error_bars(axes, dataset, alpha, temperature)
    for kind, style in LINE_STYLES.items():
        if f"{kind}_alpha" in dataset:
            axes.plot(
                dataset[f"{kind}_alpha"],
                dataset[f"{kind}_temperature"],
                label=LINE_LABELS[kind],
                zorder=3,
                **style,
            )
    step = float(dataset["alpha"][1] - dataset["alpha"][0])
    # Room for the legend above the grid.
    high = 1.5 * float(dataset["temperature"][-1])
    axes.set_xlim(0.0, float(dataset["alpha"][-1]) + step)
    axes.set_ylim(0.0, high)
    axes.plot(
        dataset["check_alpha"],
        dataset["check_temperature"],
        ls="",
        marker="o",
        ms=5,
        mfc="white",
        mec="black",
        label="points of the table",
        zorder=4,
    )
    order = settings["order"]
    load = "N" if order == 2 else f"N^{{{order - 1}}}"
    axes.set_xlabel(rf"load $\alpha = K / {load}$")
    axes.set_ylabel(r"temperature $T$ (units of $J$)")
    axes.set_title(f"P = {order}: retrieval and replica theory", fontsize=10)
    axes.legend(fontsize=7.5, loc="upper center", ncols=2, framealpha=0.95)
    return axes


def _error_bars(
    axes: Axes, dataset: xarray.Dataset, alpha: Any, temperature: Any
) -> None:
    """A vertical bar in each cell; the full height of a cell stands for SE = 0.25."""
    cell = float(dataset["temperature"][1] - dataset["temperature"][0])
    half = 0.5 * cell * np.minimum(dataset["m_error"].values / 0.25, 1.0)
    axes.vlines(
        alpha.ravel(),
        (temperature - half).ravel(),
        (temperature + half).ravel(),
        color="tab:orange",
        lw=1.6,
        zorder=2,
        label="SE of m (cell height = 0.25)",
    )


def draw_cuts(axes: Axes, dataset: xarray.Dataset) -> Axes:
    """m against T at a few loads: RS lines to the spinodal, Monte Carlo points."""
    n_alpha = dataset.sizes["alpha"]
    t = dataset["temperature"].values
    for number, j in enumerate((1, n_alpha // 4, n_alpha // 2, (3 * n_alpha) // 4)):
        shade = str(0.15 * number)
        cut = dataset.isel(alpha=j)
        label = rf"$\alpha$ = {float(cut['alpha']):.3g}"
        fine, m = _theory_cut(dataset, j)
        axes.plot(fine, m, color=shade, lw=1.3)
        axes.errorbar(
            t,
            cut["m"],
            yerr=cut["m_error"],
            ls="",
            marker=_MARKERS[number],
            ms=4.5,
            color=shade,
            mfc="white",
            capsize=2,
            lw=1.0,
            label=label,
        )
    axes.set_xlabel(r"temperature $T$ (units of $J$)")
    axes.set_ylabel(r"Mattis magnetisation $m$")
    axes.set_ylim(-0.12, 1.05)
    axes.set_title("cuts: RS theory (lines), Monte Carlo (points)", fontsize=10)
    axes.legend(fontsize=7.5)
    return axes


def _theory_cut(dataset: xarray.Dataset, j: int) -> tuple[Any, Any]:
    import analytics.dense as theory

    order = json.loads(dataset.attrs["provenance"])["order"]
    alpha = float(dataset["alpha"][j])
    end = theory.find_transition_temperature(order, alpha)
    if not end.status.ok:
        return [], []
    fine = np.append(np.linspace(1e-3, 1.0, 150), 1.0 - 1e-9) * end.value
    fine = np.unique(fine[fine < end.value])
    return fine, theory.solve_storage_grid(order, [alpha], fine).m[0]


def draw_table(axes: Axes, dataset: xarray.Dataset) -> Axes:
    """Theory against simulation at the table points, largest size, all z-scores."""
    axes.axis("off")
    observables = [str(name) for name in dataset["row_observable"].values]
    n_spins = dataset["row_n_spins"].values
    cells = []
    for j in range(dataset.sizes["check"]):
        of_m = [k for k, name in enumerate(observables) if name == "m"]
        row = of_m[int(np.argmax(n_spins[j, of_m]))]
        one = dataset.isel(check=j)
        scores = {
            name: " ".join(
                f"{float(one['row_z'][k]):+.1f}"
                for k, other in enumerate(observables)
                if other == name
            )
            for name in dict.fromkeys(observables)
        }
        cells.append(
            [
                f"{float(one['check_alpha']):.4g}",
                f"{float(one['check_temperature']):.3g}",
                f"{n_spins[j].min()}, {n_spins[j].max()}",
                f"{float(one['row_prediction'][row]):.5f}",
                f"{float(one['row_estimate'][row]):.5f} ± "
                f"{float(one['row_error'][row]):.5f}",
                *scores.values(),
                str(one["check_verdict"].values),
            ]
        )
    names = list(dict.fromkeys(observables))
    table = axes.table(
        cellText=cells,
        colLabels=[
            r"$\alpha$",
            "T / J",
            "N",
            "m theory",
            "m simulation (larger N)",
            *(f"z of {name}" for name in names),
            "verdict",
        ],
        loc="center",
        cellLoc="center",
        colWidths=[0.08, 0.06, 0.1, 0.09, 0.18, *(0.11 for _ in names), 0.1],
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1.0, 1.2)
    axes.set_title(
        "theory against simulation; z = (simulation - theory) / SE at both sizes, "
        "before the allowance for finite N",
        fontsize=9,
    )
    return axes


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """PNG, PDF or SVG by the suffix, written whole or not at all."""
    kind = Path(path).suffix.lstrip(".") or "png"
    return write_whole(path, lambda name: figure.savefig(name, format=kind, dpi=160))
