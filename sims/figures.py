"""Figures of sweeps: theory as lines, simulation as points with error bars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from statmech.errors import StatmechError
from statmech.stats import extrapolate
from statmech.status import Status

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "alpha": r"load $\alpha$",
    "temperature": r"temperature $T$ (units of $J$)",
    "cue_overlap": r"overlap of the cue $m_0$",
    "n_spins": r"size $N$",
    "m": r"Mattis magnetisation $m$",
    "q": r"replica overlap $q$",
    "energy": r"energy per spin $E / (N J)$",
    "dilution": r"dilution $d$",
    "n_examples": r"examples $M$",
    "quality": r"quality of the examples $r$",
    "min_examples": r"fewest examples $M$ for one step",
    "m1": r"largest amplitude $m_1$",
    "teacher_overlap": r"overlap with the teacher $R$",
    "generalization_error": r"generalisation error $\epsilon$",
    "training_errors": r"training errors per weight $E / N$",
    "entropy": r"entropy per weight $s$ (nats)",
    "step": r"step size $\eta$",
    "n_steps": r"steps to separation",
    "largest_loss": r"largest loss on the way",
    "margin": r"smallest stability $\kappa$",
    "overlap_examples": r"overlap with the mean example $W$",
    "teacher_correlation": r"correlation of the teachers $r_0$",
    "gamma": r"strength of the hand-over $\gamma$",
    "alpha2": r"load of the second task $\alpha_2 = P_2 / N$",
    "generalization_error_1": r"error on the first task $\epsilon_1$",
    "generalization_error_2": r"error on the second task $\epsilon_2$",
    "forgetting": r"forgetting of the first task, $\epsilon_1$ after $-$ before",
    "p": r"overlap of the signs with the teacher $p$",
    "r": r"overlap of the means with the teacher $r$",
    "q_star": r"length of the means $q^*$",
}
_SYMBOLS = {
    "order": "P",
    "alpha": r"\alpha",
    "temperature": "T",
    "n_spins": "N",
    "cue_overlap": "m_0",
    "dilution": "d",
    "n_patterns": "K",
    "n_states": "k",
    "n_examples": "M",
    "quality": "r",
    "gamma": r"\gamma",
    "teacher_correlation": "r_0",
    "alpha1": r"\alpha_1",
    "alpha2": r"\alpha_2",
    "beta": r"\beta",
}
_BARE = (
    "student",
    "flow",
    "protocol",
    "learner",
    "solver",
)  # axes whose words speak for themselves
_MARKERS = "osD^vP*X"
_DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1)), (0, (4, 1)))
_FINE = 120


def draw_sweep(dataset: xarray.Dataset) -> Figure:
    """The figure that the sweep's file asks for; curves, if it does not say."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings = json.loads(dataset.attrs["provenance"])
    if not any(str(name).endswith("_mean") for name in dataset):
        counts = settings["points"]
        raise StatmechError(
            f"nothing to draw: no result has two samples or more "
            f"({counts['missing']} points missing, {counts['failed']} failed)"
        )
    figure = Figure(figsize=(7.0, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    from sims import continual_figures as continual
    from sims import dbm_figures as dbm
    from sims import dense_figures as dense
    from sims import diagram_figures as diagram
    from sims import learning_figures as learning
    from sims import multitask_figures as multitask
    from sims import perceptron_figures as perceptron

    kind = settings["figure"].get("kind", "curves")
    whole = {
        "learning-diagram": diagram.draw_diagrams,
        "two-tasks": continual.draw_two_tasks,
        "handover": continual.draw_handover,
        "epochs": continual.draw_epochs,
        "single-task": continual.draw_single_task,
    }
    if kind in whole:
        whole[kind](figure, dataset, settings)
        figure.suptitle(_title(dataset, settings), fontsize=9)
        return figure
    axes = figure.add_subplot()
    draw = {
        "curves": draw_curves,
        "finite-size": draw_finite_size,
        "hysteresis": dense.draw_hysteresis,
        "basin": dense.draw_basin,
        "amplitudes": multitask.draw_amplitudes,
        "regions": multitask.draw_regions,
        "noise": multitask.draw_noise,
        "losses": multitask.draw_losses,
        "students": perceptron.draw_students,
        "evolution": perceptron.draw_evolution,
        "potential": perceptron.draw_potential,
        "separation": perceptron.draw_separation,
        "demand": learning.draw_demand,
        "storage-diagram": diagram.draw_storage_diagram,
        "solver-iterations": dbm.draw_iterations,
        "solutions": dbm.draw_solutions,
        "mean-field-errors": dbm.draw_errors,
        "magnetisation": dbm.draw_magnetisation,
    }[kind]
    draw(axes, dataset, settings)
    axes.set_title(_title(dataset, settings), fontsize=9)
    return figure


def _title(dataset: xarray.Dataset, settings: dict[str, Any]) -> str:
    fixed = {**settings["constants"], **settings["defaults"]}
    shown = {
        r"P": fixed.get("order"),
        "N": fixed.get("n_spins"),
        r"\alpha": fixed.get("alpha"),
        r"\alpha_1": fixed.get("alpha1"),
        r"\alpha_2": fixed.get("alpha2"),
        "r_0": fixed.get("teacher_correlation"),
        r"\gamma": fixed.get("gamma"),
        "K": fixed.get("n_patterns"),
        "d": fixed.get("dilution"),
        "T": fixed.get("temperature"),
    }
    values = ", ".join(f"${k} = {v:g}$" for k, v in shown.items() if v is not None)
    samples = dataset.sizes.get("sample", 1)
    counts = settings["points"]
    lacking = counts["missing"] + counts["failed"]
    note = f"; {lacking} points missing or failed" if lacking else ""
    for name in {"m_escaped", "m1_escaped"} & set(dataset):
        escaped = dataset[name].where(lambda n: n >= 0)
        chains = int(escaped.notnull().sum()) * samples * dataset.sizes["chain"]
        if settings["figure"].get("kind") != "basin":
            note += f"; {int(escaped.sum())} of {chains} chains left the theory's state"
    if "settled" in dataset:
        unsettled = int((dataset["settled"] == 0.0).sum())
        if unsettled:
            note += f"; {unsettled} runs had not settled"
    head = _readable(settings["title"] or settings["task"])
    size = f"{samples} disorder samples" if "sample" in dataset.dims else ""
    return head + "\n" + "; ".join(filter(None, (values, size + note)))


def _readable(text: str) -> str:
    """Text that the figure can show: as mathematics if it is, else as it stands."""
    from matplotlib.mathtext import MathTextParser

    if "$" not in text:
        return text
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return text.replace("$", r"\$")
    return text


def chosen(dataset: xarray.Dataset, settings: dict[str, Any]) -> tuple[str, str, str]:
    """(x, series, observable) of the figure, where not given the likely ones."""
    figure = settings["figure"]
    cells = [name for name in settings["axes"] if name != "sample"]
    if not cells:
        raise StatmechError("nothing varies in this sweep: there is no axis to draw")
    x = figure.get("x", cells[-1])
    others = [name for name in cells if name != x]
    series = figure.get("series", others[0] if others else "")
    return x, series, figure.get("observable") or _first_number(dataset)


def _first_number(dataset: xarray.Dataset) -> str:
    """m if there is one, otherwise the first result that has an estimate."""
    names = [str(n).removesuffix("_mean") for n in dataset if str(n).endswith("_mean")]
    if "m" in names:
        return "m"
    if not names:
        raise StatmechError(
            "no result of this sweep is a number with several samples: nothing to draw"
        )
    return names[0]


def each_series(dataset: xarray.Dataset, name: str) -> Iterator[tuple[int, str, Any]]:
    """(number, label, cut) of each value of the series."""
    if not name:
        yield 0, "simulation", dataset
        return
    for number, value in enumerate(dataset[name].values):
        yield number, series_label(name, value), dataset.isel({name: number})


def series_label(name: str, value: Any) -> str:
    """What the legend calls the series `name` = `value`."""
    if isinstance(value, str):
        return value if name in _BARE else f"{name.replace('_', ' ')} = {value}"
    symbol = _SYMBOLS.get(name)
    head = f"${symbol}$" if symbol else name.replace("_", " ")
    return f"{head} = {value:g}"


def series_style(number: int) -> tuple[str, str, Any]:
    """(grey, marker, dashes) of a series."""
    return (
        str(0.62 * (number % 5) / 4.0),
        _MARKERS[number % len(_MARKERS)],
        _DASHES[number % len(_DASHES)],
    )


def plot_points(
    axes: Axes, number: int, label: str, x: Any, y: Any, error: Any
) -> None:
    """Simulation as hollow points with error bars."""
    shade, marker, _ = series_style(number)
    axes.errorbar(
        x,
        y,
        yerr=error,
        ls="",
        marker=marker,
        ms=5,
        color=shade,
        mfc="white",
        capsize=2,
        lw=1.0,
        label=label,
        zorder=3,
    )


def draw_curves(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """An observable against one axis, a series each value of another."""
    x, series, name = chosen(dataset, settings)
    unstable = False
    for number, label, cut in each_series(dataset, series):
        shade, _, dashes = series_style(number)
        fine, line, doubtful = _theory_line(settings, x, series, name, cut)
        axes.plot(fine, line, color=shade, ls=dashes, lw=1.4)
        unstable |= mark_unstable(axes, fine, line, doubtful)
        plot_points(
            axes, number, label, cut[x], cut[f"{name}_mean"], cut[f"{name}_error"]
        )
    if f"{name}_theory" in dataset:
        axes.plot([], [], color="black", lw=1.4, label="theory")
    if unstable:
        name_unstable(axes)
    axes.set_xlabel(LABELS.get(x, x))
    axes.set_ylabel(LABELS.get(name, name))
    if name == "m":
        axes.set_ylim(-0.1, 1.05)
    axes.legend(fontsize=8)
    return axes


def _theory_line(
    settings: dict[str, Any], x: str, series: str, name: str, cut: Any
) -> tuple[Any, Any, Any]:
    """Theory on a fine grid of x, ending exactly where the state does.

    (x, value, whether replica symmetry is unstable there).
    """
    import analytics.dense as theory
    from sims.experiments import MEASUREMENTS, load_measurement

    fixed = {**settings["constants"], **settings["defaults"]}
    if series:
        fixed[series] = cut[series].item()
    if f"{name}_theory" not in cut:
        return [], [], []
    fine = even_grid(cut[x]) if cut[x].dtype.kind == "f" else whole_grid(cut[x])
    if settings["task"] in MEASUREMENTS and fine.size:
        task = load_measurement(settings["task"])
        limits = [task.limit(fixed | {x: v.item(), "sample": 0}) for v in fine]
        if all(name in found for found in limits):
            return fine, *values_of(limits, name)
    if x not in ("alpha", "temperature") or "order" not in fixed:
        status = cut[f"{name}_theory_status"] == Status.RS_UNSTABLE.name
        return cut[x], cut[f"{name}_theory"], status
    order, how = fixed["order"], fixed["coincident"]
    low, high = float(cut[x].min()), float(cut[x].max())
    if x == "alpha":
        end = theory.find_critical_load(order, fixed["temperature"], coincident=how)
    else:
        end = theory.find_transition_temperature(order, fixed["alpha"], coincident=how)
    if not end.status.ok or end.value <= low:
        return [], [], []
    fine = to_the_end(low, min(high, end.value))
    points = [
        theory.solve_storage(order, *pair, coincident=how)
        for pair in (
            [(v, fixed["temperature"]) for v in fine]
            if x == "alpha"
            else [(fixed["alpha"], v) for v in fine]
        )
    ]
    line = [getattr(p, name) if p.status.ok else np.nan for p in points]
    return fine, line, np.zeros(len(line), dtype=bool)


def values_of(found: Any, name: str) -> tuple[list[float], list[bool]]:
    """Values of one observable, and whether replica symmetry is unstable there."""
    predictions = [one[name] for one in found]
    return (
        [p.value for p in predictions],
        [p.status is Status.RS_UNSTABLE for p in predictions],
    )


def mark_unstable(axes: Axes, x: Any, y: Any, unstable: Any) -> bool:
    """Lay a grey band under the unstable parts of a line; whether there are any."""
    where = np.asarray(unstable, dtype=bool)
    if not where.any():
        return False
    band = np.where(where, np.asarray(y, dtype=float), np.nan)
    axes.plot(x, band, color="0.85", lw=7, solid_capstyle="round", zorder=0)
    return True


def name_unstable(axes: Axes) -> None:
    """What the legend says of the band."""
    text = "theory, replica symmetry unstable"
    axes.plot([], [], color="0.85", lw=7, label=text)


def even_grid(values: Any) -> Any:
    """Between the smallest and the largest of `values`."""
    return np.linspace(float(values.min()), float(values.max()), _FINE)


def whole_grid(values: Any) -> Any:
    """Whole numbers from the smallest to the largest, about evenly in the logarithm."""
    if values.dtype.kind not in "iu":
        return np.empty(0)
    low, high = int(values.min()), int(values.max())
    if low < 1:
        return np.empty(0)
    return np.unique(np.rint(np.geomspace(low, high, _FINE)).astype(np.int64))


def to_the_end(low: float, end: float) -> Any:
    """A grid that is fine at its end, where m falls like a square root."""
    return end - (end - low) * np.linspace(1.0, 1e-4, _FINE) ** 2


def draw_finite_size(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Difference from theory against 1/N, and its extrapolation to 1/N = 0."""
    _, series, name = chosen(dataset, settings)
    for number, label, cut in each_series(dataset, series):
        shade, _, dashes = series_style(number)
        n = cut["n_spins"].values.astype(float)
        error = cut[f"{name}_error"].values
        # The load of each size is K / N rounded to whole patterns, so each has its own
        # theory; what is extrapolated is the difference.
        difference = cut[f"{name}_mean"].values - cut[f"{name}_theory"].values
        good = np.isfinite(difference) & (error > 0.0)
        x = 1e3 / n
        if good.sum() >= 2:
            pairs = list(zip(difference[good], error[good], strict=True))
            limit = extrapolate(n[good], pairs)
            line = np.array([0.0, x.max()])
            axes.plot(
                line, limit.value + limit.slope * line / 1e3, color=shade, ls=dashes
            )
            label += rf": $N\to\infty$: {limit}"
            if limit.dof:
                label += rf", $\chi^2$/dof = {limit.chi2:.1f}/{limit.dof}"
            plot_points(axes, number, label, [0.0], [limit.value], [limit.error])
            label = "_" + label
        plot_points(axes, number, label, x, difference, error)
    axes.axhline(0.0, color="black", lw=0.8, ls=":")
    axes.set_xlabel(r"$10^3 / N$")
    axes.set_ylabel(f"{LABELS.get(name, name)}: simulation $-$ theory")
    axes.legend(fontsize=7.5)
    return axes
