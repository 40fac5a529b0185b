"""Figures of multitasking networks: amplitudes of all patterns, regions of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_FINE = 100
# Fractions of m1 below which an amplitude counts as none, and a difference as none:
# above what a finite system shows of either, away from a transition.
_ALIVE, _EQUAL = 0.06, 0.15
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
    _draw_names(axes, found, d, t)
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


def draw_noise(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """Hierarchical or parallel, in dilution and noise of the examples; line: rho_s."""
    import analytics.multitask as theory

    fixed = {**settings["constants"], **settings["defaults"]}
    k, r = fixed["n_patterns"], fixed["quality"]
    found = region_of(dataset, k, "n_examples")
    rho = (1.0 - r * r) / (dataset["n_examples"].values * r * r)
    d, noise = np.meshgrid(dataset["dilution"].values, rho, indexing="ij")
    _draw_names(axes, found, d, noise)
    grid = np.linspace(0.05, 0.95, _FINE)
    line = [theory.find_noise_threshold(k, float(v)).value for v in grid]
    axes.plot(
        grid, line, color="black", lw=1.6, label=r"parallel stable above $\rho_s$"
    )
    axes.set_yscale("log")
    axes.set_xlabel(r"dilution $d$")
    axes.set_ylabel(r"noise of the examples $\rho = (1 - r^2) / (M r^2)$")
    axes.legend(fontsize=7.5)
    return axes


def draw_losses(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """Energy against the losses along relaxations; line: the identity of the two."""
    from sims.figures import series_style

    (x,) = [name for name in settings["axes"] if name != "sample"] or [""]
    n = {**settings["constants"], **settings["defaults"]}["n_spins"]
    for number, cut in enumerate(
        [dataset] if not x else [dataset.isel({x: j}) for j in range(dataset.sizes[x])]
    ):
        shade, marker, dashes = series_style(number)
        one = cut.isel(sample=0)
        q = one["activity"].values
        ends = np.array([cut["losses"].min(), cut["losses"].max()])
        # Without the terms of a spin with itself, and with 1/(N-1) for 1/N.
        constant = float((((1.0 + q) / 2.0) ** 2).sum())
        line = 0.5 * (n * (ends - constant) + q.sum()) / (n - 1)
        axes.plot(ends, line, color=shade, ls=dashes, lw=1.2)
        label = "simulation" if not x else f"{x} = {float(cut[x]):g}"
        axes.plot(
            cut["losses"].values.ravel(),
            cut["energy"].values.ravel(),
            ls="",
            marker=marker,
            ms=3.5,
            color=shade,
            mfc="white",
            label=label,
        )
    axes.plot([], [], color="black", lw=1.2, label="identity")
    axes.set_xlabel(r"$\sum_\mu L^+_\mu L^-_\mu$")
    axes.set_ylabel(r"energy per spin $E / (N J)$")
    axes.legend(fontsize=8)
    return axes


def _draw_names(axes: Axes, found: Any, x: Any, y: Any) -> None:
    """A marker for each kind of state that was measured."""
    for name, (marker, shade) in _REGIONS.items():
        here = found == name
        if here.any():
            axes.plot(
                x[here],
                y[here],
                ls="",
                marker=marker,
                ms=5,
                color=shade,
                mfc="white" if marker != "s" else shade,
                label=f"{name} (simulation)",
            )


def region_of(
    dataset: xarray.Dataset, n_patterns: int, other: str = "temperature"
) -> Any:
    """Name of the measured state in every cell (dilution, `other`).

    paramagnetic: m1 below 0.15 (1 - d); pure: m2 below 0.06 m1; parallel: all within
    15 % of m1; hierarchical: each larger than the sum of the smaller ones that are
    there; between: the rest.
    """
    dims = ("dilution", other)
    m = np.stack(
        [
            dataset[f"m{mu}_mean"].transpose(*dims).values
            for mu in range(1, n_patterns + 1)
        ]
    )
    scale = 1.0 - dataset["dilution"].values[:, None]
    alive = np.where(m < _ALIVE * m[0], 0.0, m)
    rest = np.cumsum(alive[::-1], axis=0)[::-1] - alive
    dominant = ((alive > rest) | (alive == 0.0)).all(axis=0)
    found = np.full(m.shape[1:], "between", dtype="<U12")
    found[dominant] = "hierarchical"
    if n_patterns > 1:
        found[m[-1] > (1.0 - _EQUAL) * m[0]] = "parallel"
        found[alive[1] == 0.0] = "pure"
    else:
        found[:] = "pure"
    found[m[0] < _EQUAL * scale] = "paramagnetic"
    return found
