"""Figures of perceptrons: learning curves, iterations, potential, separation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statmech.errors import StatmechError

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_STALLS = "0.9"  # shade of the loads where message passing stalls


def draw_students(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """An observable against the load; lines: theory, continued from small loads.

    Lines of binary students are thin from the first-order point, above which they are
    metastable, to the spinodal. At T = 0 the loads between are shaded: message passing
    stalls there.
    """
    from sims.experiments import load_measurement
    from sims.figures import LABELS, each_series, even_grid, plot_points, series_style

    name = settings["figure"].get("observable", "generalization_error")
    if "alpha" not in settings["axes"] or f"{name}_mean" not in dataset:
        raise StatmechError(f"this figure needs an axis 'alpha' and a result {name!r}")
    task = load_measurement(settings["task"])
    fixed = {**settings["constants"], **settings["defaults"]}
    others = [a for a in settings["axes"] if a not in ("alpha", "sample")]
    series = others[0] if others else ""
    fine = even_grid(dataset["alpha"])
    stalls = metastable = frozen = False
    for number, label, cut in each_series(dataset, series):
        own = fixed | ({series: cut[series].item()} if series else {})
        ends = _transitions(task.parse(own | {"alpha": float(fine[-1]), "sample": 0}))
        metastable |= ends is not None and ends[0] < fine[-1]
        stalls |= ends is not None and own["student"] == "binary-bayes"
        _draw_line(axes, task, own, fine, name, ends, series_style(number))
        y, error = cut[f"{name}_mean"], cut[f"{name}_error"]
        plot_points(axes, number, label, cut["alpha"], y, error)
        doubtful = cut[f"{name}_reliable"].values == 0
        frozen |= bool(doubtful.any())
        _cross_out(axes, cut["alpha"].values[doubtful], y.values[doubtful])
    if frozen:
        _cross_out(axes, [], [], "not reliable: chains differ, or too few samples")
    if stalls and metastable:
        _shade_stall(axes, fine[-1])
    text = r"replica theory, $N \to \infty$"
    axes.plot([], [], color="black", lw=1.4, label=text)
    if metastable:
        axes.plot([], [], color="black", lw=0.6, label="the same, metastable")
    axes.set_xlabel(r"load $\alpha = P / N$")
    axes.set_ylabel(LABELS.get(name, name))
    axes.legend(fontsize=7.5)
    return axes


def _cross_out(axes: Axes, x: Any, y: Any, label: str = "_") -> None:
    """Mark points whose error bar cannot be trusted."""
    axes.plot(x, y, ls="", marker="x", ms=9, color="0.4", label=label, zorder=4)


def _transitions(point: Any) -> tuple[float, float] | None:
    """(first-order point, spinodal) of a binary student of a teacher."""
    import analytics.perceptron as theory

    if point.weights != "binary" or point.labels == "random":
        return None
    first = theory.find_transition("first_order", temperature=point.temperature)
    spinodal = theory.find_transition("spinodal", temperature=point.temperature)
    if not (first.status.ok and spinodal.status.ok):
        return None
    return first.value, spinodal.value


def _draw_line(
    axes: Axes,
    task: Any,
    fixed: dict[str, Any],
    fine: Any,
    name: str,
    ends: tuple[float, float] | None,
    style: tuple[str, str, Any],
) -> None:
    """The line of one student, thin between `ends`."""
    shade, _, dashes = style
    # Both sides of the end are drawn, nothing across it.
    marks = [v for end in ends or () for v in (end * (1.0 - 1e-9), end * (1.0 + 1e-9))]
    grid = np.sort([*fine, *(v for v in marks if fine[0] < v < fine[-1])])
    limits = [task.limit(fixed | {"alpha": float(a), "sample": 0}) for a in grid]
    if not all(name in found for found in limits):
        return
    line = np.array([found[name].value for found in limits])
    first, spinodal = ends or (np.inf, np.inf)
    for part, width in (
        (grid <= first, 1.4),
        ((grid >= first) & (grid <= spinodal), 0.6),
        (grid > spinodal, 1.4),
    ):
        axes.plot(grid[part], line[part], color=shade, ls=dashes, lw=width)


def _shade_stall(axes: Axes, largest: float) -> None:
    import analytics.perceptron as theory

    first = theory.find_transition("first_order").value
    spinodal = theory.find_transition("spinodal").value
    axes.axvspan(
        first,
        min(spinodal, largest),
        color=_STALLS,
        lw=0,
        zorder=0,
        label=rf"message passing stalls: ${first:.4f} < \alpha < {spinodal:.4f}$",
    )


def draw_evolution(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Message passing after each iteration; lines: its state evolution."""
    import analytics.perceptron as theory
    from sims.figures import LABELS, plot_points, series_style

    name = settings["figure"].get("observable", "generalization_error")
    fixed = {**settings["constants"], **settings["defaults"]}
    loads = dataset["alpha"].values if "alpha" in dataset.dims else [fixed["alpha"]]
    n = fixed["n_spins"]
    first = theory.find_transition("first_order").value
    spinodal = theory.find_transition("spinodal").value
    for number, alpha in enumerate(loads):
        cut = dataset.isel(alpha=number) if "alpha" in dataset.dims else dataset
        steps = np.arange(cut.sizes["iteration"])
        shade, _, dashes = series_style(number)
        line = theory.state_evolution(
            round(float(alpha) * n) / n, steps[-1].item(), weights=fixed["weights"]
        )
        axes.plot(steps, getattr(line, name), color=shade, ls=dashes, lw=1.3)
        label = rf"$\alpha = {float(alpha):g}$"
        if fixed["weights"] == "binary" and first < alpha < spinodal:
            label += " (stalls: metastable)"
        y, error = cut[f"{name}_mean"], cut[f"{name}_error"]
        plot_points(axes, number, label, steps, y, error)
    axes.plot([], [], color="black", lw=1.3, label="state evolution")
    axes.set_xlabel("iteration")
    axes.set_ylabel(LABELS.get(name, name))
    axes.legend(fontsize=7.5)
    return axes


def draw_potential(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Entropy of solutions about a typical one; points: all of them, counted.

    The points are the entropy of the weights at that overlap, N -> infinity, plus
    (1/N) log of the share of them that are solutions: what a finite N does to the
    number of places is left out on both sides. The share is averaged over instances
    before the logarithm, which lifts the points where instances differ much.
    """
    import analytics.perceptron as theory
    from sims.figures import plot_points, series_style

    fixed = {**settings["constants"], **settings["defaults"]}
    loads = dataset["alpha"].values if "alpha" in dataset.dims else [fixed["alpha"]]
    n = fixed["n_spins"]
    fine = np.concatenate([np.linspace(0.0, 0.9, 19), np.linspace(0.92, 0.995, 10)])
    overlap = 1.0 - 2.0 * np.arange(n + 1) / n
    shown = overlap >= 0.0
    for number, alpha in enumerate(loads):
        cut = dataset.isel(alpha=number) if "alpha" in dataset.dims else dataset
        shade, _, dashes = series_style(number)
        load = round(float(alpha) * n) / n
        line = [theory.franz_parisi(load, float(p)).value for p in fine]
        axes.plot(fine, line, color=shade, ls=dashes, lw=1.4)
        share = cut["share_mean"].values
        good = shown & (share > 0.0)
        y = _places(overlap[good]) + np.log(share[good]) / n
        error = cut["share_error"].values[good] / share[good] / n
        label = rf"$\alpha = {load:.3g}$, counted"
        plot_points(axes, number, label, overlap[good], y, error)
    axes.axhline(0.0, color="black", lw=0.8, ls=":")
    axes.plot([], [], color="black", lw=1.4, label=r"replica theory, $N \to \infty$")
    axes.set_xlabel(r"overlap $p$ with a typical solution")
    axes.set_ylabel(r"entropy of solutions $\phi(p)$ (nats per weight)")
    axes.legend(fontsize=8)
    return axes


def draw_separation(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Steps to separation against the size of the step; lines: its infinite limit."""
    from sims.figures import LABELS, each_series, plot_points, series_style

    others = [a for a in settings["axes"] if a not in ("step", "sample")]
    for number, label, cut in each_series(dataset, others[0] if others else ""):
        shade, _, dashes = series_style(number)
        limit = float(cut["limit_steps_mean"].mean())
        axes.axhline(limit, color=shade, ls=dashes, lw=1.2, zorder=1)
        y, error = cut["n_steps_mean"], cut["n_steps_error"]
        plot_points(axes, number, label, cut["step"], y, error)
    axes.plot([], [], color="black", lw=1.2, label="batch perceptron (infinite step)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(LABELS["step"])
    axes.set_ylabel(LABELS["n_steps"])
    axes.legend(fontsize=8)
    return axes


def _places(overlap: Any) -> Any:
    """Entropy of all weights at an overlap p with one of them, nats per weight."""
    like = np.clip((1.0 + overlap) / 2.0, 1e-300, 1.0)
    unlike = np.clip((1.0 - overlap) / 2.0, 1e-300, 1.0)
    return -like * np.log(like) - unlike * np.log(unlike)
