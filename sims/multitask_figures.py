"""Figures of multitasking networks: amplitudes of all patterns, regions of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_FINE = 100
# Amplitudes below this fraction of m1, and differences below it, count as none: it is
# well above what a finite system shows of either.
_SMALL = 0.15
_REGIONS = {
    "paramagnetic": ("x", "0.65"),
    "pure": ("o", "0.75"),
    "hierarchical": ("^", "0.45"),
    "parallel": ("s", "0.0"),
    "between": ("D", "0.3"),
}


def draw_amplitudes(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """m1 >= m2 >= ... against the one axis of the sweep, theory from the same start."""
    from sims.experiments import load_measurement
    from sims.figures import LABELS, plot_points, series_style

    (x,) = (name for name in settings["axes"] if name != "sample")
    fixed = {**settings["constants"], **settings["defaults"]}
    n_patterns = fixed["n_patterns"]
    values = dataset[x].values
    task = load_measurement(settings["task"])
    fine = values
    if values.dtype.kind == "f":
        fine = np.linspace(values.min(), values.max(), _FINE)
    predictions = [
        task.predict(task.parse(fixed | {x: value.item(), "sample": 0}))
        for value in fine
    ]
    for number in range(n_patterns):
        name = f"m{number + 1}"
        shade, _, dashes = series_style(number)
        line = [p[name].value for p in predictions]
        axes.plot(fine, line, color=shade, ls=dashes, lw=1.4)
        label = rf"$m_{{{number + 1}}}$"
        plot_points(
            axes,
            number,
            label,
            values,
            dataset[f"{name}_mean"],
            dataset[f"{name}_error"],
        )
    axes.plot([], [], color="black", lw=1.4, label=r"theory, $N \to \infty$")
    axes.set_xlabel(LABELS.get(x, x))
    axes.set_ylabel(r"amplitudes $|m_\mu|$, sorted")
    axes.legend(fontsize=8)
    return axes


def draw_regions(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """What each simulated point is, over the lines of theory in (d, T / T_c)."""
    import analytics.multitask as theory

    fixed = {**settings["constants"], **settings["defaults"]}
    k = fixed["n_patterns"]
    found = region_of(dataset, k)
    d, t = np.meshgrid(
        dataset["dilution"].values, dataset["temperature"].values, indexing="ij"
    )
    for name, (marker, shade) in _REGIONS.items():
        here = found == name
        axes.plot(
            d[here],
            t[here],
            ls="",
            marker=marker,
            ms=5,
            color=shade,
            mfc="white" if marker != "s" else shade,
            label=f"{name} (simulation)",
        )
    grid = np.linspace(0.005, 0.995, _FINE)
    axes.plot(grid, 1.0 - grid, color="black", lw=1.8, label=r"$T_c = 1 - d$")
    pure = [theory.find_pure_temperature(float(v)) for v in grid]
    axes.plot(
        grid,
        [p.value for p in pure],
        color="black",
        lw=1.4,
        ls="--",
        label="pure state ends below",
    )
    if k > 1:
        parallel = [theory.find_parallel_temperature(k, float(v)) for v in grid]
        axes.plot(
            grid,
            [p.value for p in parallel],
            color="black",
            lw=1.4,
            ls="-.",
            label="parallel state ends below",
        )
    axes.set_xlabel(r"dilution $d$")
    axes.set_ylabel(r"temperature $T$ (units of $J$)")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, None)
    axes.legend(fontsize=7.5)
    return axes


def region_of(dataset: xarray.Dataset, n_patterns: int) -> Any:
    """Name of the measured state in every cell (dilution, temperature).

    paramagnetic: m1 below 0.15 (1 - d); pure: m2 below 0.15 m1; parallel: all within
    15 % of m1; hierarchical: each larger than the sum of the smaller ones that are
    there; between: the rest.
    """
    dims = ("dilution", "temperature")
    m = np.stack(
        [
            dataset[f"m{mu}_mean"].transpose(*dims).values
            for mu in range(1, n_patterns + 1)
        ]
    )
    scale = 1.0 - dataset["dilution"].values[:, None]
    alive = np.where(m < _SMALL * m[0], 0.0, m)
    rest = np.cumsum(alive[::-1], axis=0)[::-1] - alive
    dominant = ((alive > rest) | (alive == 0.0)).all(axis=0)
    found = np.full(m.shape[1:], "between", dtype="<U12")
    found[dominant] = "hierarchical"
    if n_patterns > 1:
        found[m[-1] > (1.0 - _SMALL) * m[0]] = "parallel"
        found[alive[1] == 0.0] = "pure"
    else:
        found[:] = "pure"
    found[m[0] < _SMALL * scale] = "paramagnetic"
    return found
