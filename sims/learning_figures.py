"""Figures of dense networks that learn from examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_FINE = 60


def draw_demand(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """Fewest examples against their quality, both logarithmic; theory as lines."""
    from sims.experiments import load_measurement
    from sims.figures import LABELS, each_series, plot_points, series_style

    task = load_measurement(settings["task"])
    fixed = {**settings["constants"], **settings["defaults"]}
    others = [a for a in settings["axes"] if a not in ("quality", "sample")]
    series = others[0] if others else ""
    r = dataset["quality"].values
    fine = np.geomspace(r.min(), r.max(), _FINE)
    for number, label, cut in each_series(dataset, series):
        own = fixed | ({series: cut[series].item()} if series else {})
        shade, _, dashes = series_style(number)
        line = [
            task.limit(own | {"quality": float(v), "sample": 0})["min_examples"].value
            for v in fine
        ]
        axes.plot(fine, line, color=shade, ls=dashes, lw=1.4, drawstyle="steps-mid")
        y, error = cut["min_examples_mean"], cut["min_examples_error"]
        plot_points(axes, number, label, r, y, error)
        if number == 0 and np.isfinite(line[0]):
            guide = 0.6 * line[0] * (fine / fine[0]) ** -2.0
            axes.plot(fine, guide, color="0.6", lw=0.8, label="slope $-2$")
    axes.plot([], [], color="black", lw=1.4, label=r"theory, $N \to \infty$")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(LABELS["quality"])
    axes.set_ylabel(rf"fewest examples $M$ for $m \geq {fixed['magnetization']:g}$")
    axes.legend(fontsize=8)
    return axes
