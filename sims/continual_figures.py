"""Figures of continual learning: errors of both tasks, forgetting, hand-over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statmech.errors import StatmechError
from statmech.status import Status

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_FINE = 50
_UNSTABLE = "0.9"  # shade of the loads where replica symmetry is unstable
# (observable, what the legend calls it); the number of the series is the place here.
_ERRORS = (
    ("generalization_error_1", "task 1, after task 2"),
    ("generalization_error_2", "task 2"),
    ("generalization_error_1_before", "task 1, before task 2"),
)
_WORDS = {
    "amp-naive": "message passing, naive hand-over",
    "amp-optimal": "message passing, optimal hand-over",
    "variational": "variational descent",
    "field-space": "Monte Carlo in field space",
}
_ERROR_LABEL = r"generalisation error $\epsilon$"


def draw_two_tasks(
    figure: Figure, dataset: xarray.Dataset, settings: dict[str, Any]
) -> None:
    """Errors on both tasks against the load of the second; a column each correlation.

    Lines are theory: state evolution for message passing, the potential of two tasks
    for the others. Where that starts from the measured magnetisations of the first
    task, the lines join the loads that were simulated.
    """
    from sims.figures import (
        LABELS,
        mark_unstable,
        name_unstable,
        plot_points,
        series_style,
    )

    fixed = _fixed(settings)
    learners = _values(dataset, fixed, "learner")
    correlations = _values(dataset, fixed, "teacher_correlation")
    figure.set_size_inches(3.7 * len(correlations) + 0.8, 3.6 * len(learners) + 0.4)
    grid = figure.subplots(
        len(learners), len(correlations), sharex=True, sharey=True, squeeze=False
    )
    unstable = False
    for row, learner in zip(grid, learners, strict=True):
        for axes, r0 in zip(row, correlations, strict=True):
            cut = _at(dataset, learner=learner, teacher_correlation=r0)
            own = fixed | {"learner": learner, "teacher_correlation": r0}
            lines = _Lines(cut, own, settings, "alpha2")
            for number, (name, label) in enumerate(_ERRORS):
                shade, _, dashes = series_style(number)
                x, line, doubtful = lines(name)
                axes.plot(x, line, color=shade, ls=dashes, lw=1.3)
                if number < 2:  # what was before the second task is as good as ever
                    unstable |= mark_unstable(axes, x, line, doubtful)
                y, error = cut[f"{name}_mean"], cut[f"{name}_error"]
                plot_points(axes, number, label, cut["alpha2"], y, error)
            head = rf"$r_0 = {r0:g}$"
            axes.set_title(head if len(learners) == 1 else f"{head}, {learner}")
            axes.set_ylim(bottom=-0.02)
    for axes in grid[-1]:
        axes.set_xlabel(LABELS["alpha2"])
    for axes, learner in zip(grid[:, 0], learners, strict=True):
        axes.set_ylabel(_ERROR_LABEL)
        text = f"theory, {_theory_name(learner)}"
        axes.plot([], [], color="black", lw=1.3, label=text)
    if unstable:
        name_unstable(grid[0, 0])
    grid[0, -1].legend(*grid[0, 0].get_legend_handles_labels(), fontsize=7.5)


def draw_handover(
    figure: Figure, dataset: xarray.Dataset, settings: dict[str, Any]
) -> None:
    """Errors on the old task and on the new, side by side; a series each hand-over."""
    from sims.figures import (
        LABELS,
        mark_unstable,
        name_unstable,
        plot_points,
        series_style,
    )

    fixed = _fixed(settings)
    x = _varied(settings, "alpha2", "teacher_correlation", "gamma")
    learners = _values(dataset, fixed, "learner")
    figure.set_size_inches(9.0, 4.2)
    cuts = [_at(dataset, learner=learner) for learner in learners]
    lines = [
        _Lines(cut, fixed | {"learner": learner}, settings, x)
        for cut, learner in zip(cuts, learners, strict=True)
    ]
    for axes, (name, text) in zip(
        figure.subplots(1, 2, sharex=True), _ERRORS[:2], strict=True
    ):
        unstable = False
        for number, learner in enumerate(learners):
            cut = cuts[number]
            shade, _, dashes = series_style(number)
            fine, line, doubtful = lines[number](name)
            axes.plot(fine, line, color=shade, ls=dashes, lw=1.4)
            unstable |= mark_unstable(axes, fine, line, doubtful)
            y, error = cut[f"{name}_mean"], cut[f"{name}_error"]
            plot_points(axes, number, _WORDS[learner], cut[x], y, error)
        axes.plot([], [], color="black", lw=1.4, label="state evolution")
        if unstable:
            name_unstable(axes)
        axes.set_title(text)
        axes.set_xlabel(LABELS.get(x, x))
        axes.set_ylabel(_ERROR_LABEL)
        axes.legend(fontsize=7.5)


def draw_epochs(
    figure: Figure, dataset: xarray.Dataset, settings: dict[str, Any]
) -> None:
    """Errors on both tasks epoch by epoch; the second task begins at the dotted line.

    Bars at the right edge: the potential of two tasks, given the magnetisations that
    the first task had reached.
    """
    from sims.figures import series_style

    fixed = _fixed(settings)
    correlations = _values(dataset, fixed, "teacher_correlation")
    figure.set_size_inches(3.7 * len(correlations) + 0.8, 4.0)
    panels = figure.subplots(1, len(correlations), sharey=True, squeeze=False)[0]
    for axes, r0 in zip(panels, correlations, strict=True):
        cut = _at(dataset, teacher_correlation=r0)
        epochs = np.arange(cut.sizes["epoch"])
        for number, (name, label) in enumerate(
            (("error_1", "task 1"), ("error_2", "task 2"))
        ):
            shade, _, dashes = series_style(number)
            y, bar = cut[f"{name}_mean"].values, cut[f"{name}_error"].values
            axes.plot(epochs, y, color=shade, ls=dashes, lw=1.4, label=label)
            axes.fill_between(epochs, y - bar, y + bar, color=shade, alpha=0.25, lw=0)
            end = f"generalization_error_{number + 1}_theory"
            if end in cut:
                value = float(cut[end])
                x = [0.96 * epochs[-1], 1.04 * epochs[-1]]
                axes.plot(x, [value, value], color=shade, lw=2.2, ls="-")
        axes.axvline(fixed["n_epochs_1"], color="black", lw=0.8, ls=":")
        axes.set_title(rf"$r_0 = {r0:g}$")
        axes.set_xlabel("epoch (full-batch steps)")
        axes.set_ylim(bottom=0.0)
    text = "potential of two tasks,\nempirical first task"
    panels[0].plot([], [], color="black", lw=2.2, label=text)
    panels[0].set_ylabel(_ERROR_LABEL)
    panels[-1].legend(*panels[0].get_legend_handles_labels(), fontsize=7.5)


def draw_single_task(
    figure: Figure, dataset: xarray.Dataset, settings: dict[str, Any]
) -> None:
    """What one task does to the magnetisations, against the load.

    Left the overlap p of sign(m), right r and q*. The loads at which replica symmetry
    is unstable are shaded.
    """
    from sims.figures import (
        LABELS,
        plot_points,
        series_style,
    )

    fixed = _fixed(settings)
    learner, beta = fixed["learner"], fixed["beta"]
    figure.set_size_inches(9.0, 4.2)
    fine = np.linspace(
        float(dataset["alpha"].min()), float(dataset["alpha"].max()), _FINE
    )
    found = _single_states(fine, beta)
    where = [state.replicon > 1.0 for state in found]
    for axes, names in zip(
        figure.subplots(1, 2, sharex=True), (("p",), ("r", "q_star")), strict=True
    ):
        for number, name in enumerate(names):
            shade, _, dashes = series_style(number)
            line = [getattr(state, name) for state in found]
            axes.plot(fine, line, color=shade, ls=dashes, lw=1.4)
            y, error = dataset[f"{name}_mean"], dataset[f"{name}_error"]
            plot_points(axes, number, LABELS[name], dataset["alpha"], y, error)
        axes.plot(
            [], [], color="black", lw=1.4, label=rf"RS theory, $\beta = {beta:g}$"
        )
        if any(where):
            axes.fill_between(
                fine,
                0.0,
                1.0,
                where=where,
                transform=axes.get_xaxis_transform(),
                color=_UNSTABLE,
                lw=0,
                zorder=0,
                label="replica symmetry unstable",
            )
        axes.set_xlabel(LABELS["alpha"])
        axes.legend(fontsize=7.5, title=_WORDS[learner], title_fontsize=7.5)
    figure.axes[0].set_ylabel(LABELS["p"])
    figure.axes[1].set_ylabel("overlaps of the magnetisations")


def _single_states(loads: Any, beta: float) -> list[Any]:
    import analytics.continual as theory

    return [theory.solve_single_task(float(alpha), beta) for alpha in loads]


class _Lines:
    """Theory of one panel on a fine grid of x; at the simulated points of x where it
    needs their results."""

    def __init__(
        self, cut: xarray.Dataset, own: dict[str, Any], settings: dict[str, Any], x: str
    ) -> None:
        from sims.experiments import load_measurement

        task = load_measurement(settings["task"])
        self._cut, self._x = cut, x
        self._fine = np.linspace(float(cut[x].min()), float(cut[x].max()), _FINE)
        self._found = [task.limit(own | {x: float(v), "sample": 0}) for v in self._fine]

    def __call__(self, name: str) -> tuple[Any, Any, Any]:
        """(x, value, whether replica symmetry is unstable there).

        Nothing is drawn across the load at which the teacher is found.
        """
        from sims.figures import values_of

        if all(name in found for found in self._found):
            value, unstable = values_of(self._found, name)
            closed = [f[name].status is Status.CLOSED_FORM for f in self._found]
            jumps = (np.diff(closed) & (np.diff(value) != 0.0)).nonzero()[0] + 1
            gaps = np.insert(value, jumps, np.nan)
            doubtful = np.insert(unstable, jumps, False)
            return np.insert(self._fine, jumps, np.nan), gaps, doubtful
        if f"{name}_theory" in self._cut:
            status = self._cut[f"{name}_theory_status"].values
            line = self._cut[f"{name}_theory"].values
            return self._cut[self._x].values, line, status == Status.RS_UNSTABLE.name
        return [], [], []


def _theory_name(learner: str) -> str:
    if learner.startswith("amp"):
        return "state evolution"
    if learner == "variational":
        return "given the first task's m"
    return "potential of two tasks"


def _fixed(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings["constants"], **settings["defaults"]}


def _values(dataset: xarray.Dataset, fixed: dict[str, Any], name: str) -> list[Any]:
    if name in dataset.dims:
        return list(dataset[name].values.tolist())
    return [fixed[name]]


def _at(dataset: xarray.Dataset, **where: Any) -> xarray.Dataset:
    return dataset.sel({k: v for k, v in where.items() if k in dataset.dims})


def _varied(settings: dict[str, Any], *names: str) -> str:
    for name in names:
        if name in settings["axes"]:
            return name
    raise StatmechError(f"this figure needs one of the axes {', '.join(names)}")
