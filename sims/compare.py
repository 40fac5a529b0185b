"""Theory beside simulation, and what to make of it.

A row compares one observable at one size. With s the mean over n independent disorder
samples, SE their standard error and p the prediction,

    it agrees when |s - p| <= k SE + allowance,

k the Student quantile (n - 1 degrees of freedom) with the two-sided probability
2.7e-3 of three Gaussian sigma: a right theory fails a row with at most that
probability, whatever n. The allowance c/N is for corrections to N -> infinity. c = 2,
unless the two sizes say otherwise: s - p at both gives a slope c' +- e, and where
|c'| - 3 e > 2 the allowance is |c'|/N, where |c'| + 3 e < 2 it is (|c'| + 3 e)/N.

A row that agrees is informative when it could have told a planted wrong theory from
the right one: its estimate is reliable, and its allowance is at most half the distance
between the two. A planted theory without a solution is told apart by the solution's
being there. The verdict is "disagrees" when a row disagrees, "agrees" when none does
and one or more are informative, "not informative" otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analytics.solve import Prediction
from sims.audit import Audit, Audited
from sims.experiment import Experiment, Traces
from sims.experiments import load_experiment
from statmech.stats import Estimate, estimate

ROW_FALSE_ALARM = 2.7e-3
DEFAULT_SLOPE = 2.0


@dataclass(frozen=True)
class Row:
    """One observable at one size.

    Attributes
    ----------
    observable : str
    n_spins : int
    prediction : Prediction
    estimate : Estimate
        Over disorder samples.
    allowance : float
        For finite size; `slope` is N times it.
    z : float
        (simulation - theory) / SE, without the allowance.
    agrees : bool
    informative : bool
    planted : Prediction
        What a wrong theory says.
    """

    observable: str
    n_spins: int
    prediction: Prediction
    estimate: Estimate
    allowance: float
    slope: float
    z: float
    agrees: bool
    informative: bool
    planted: Prediction

    @property
    def slope_is_measured(self) -> bool:
        """Whether the two sizes showed another slope than the default."""
        return self.slope != DEFAULT_SLOPE

    @property
    def verdict(self) -> str:
        """ "agrees", "DISAGREES" or "not informative"."""
        if not self.agrees:
            return "DISAGREES"
        return "agrees" if self.informative else "not informative"


@dataclass(frozen=True)
class Comparison:
    """All rows of one check.

    Attributes
    ----------
    name : str
        Of the experiment.
    settings : dict
        Every parameter, defaults written back.
    rows : tuple of Row
    escaped, chains : int
        Chains whose time-averaged magnetisation fell below half of the prediction,
        and all chains. They are in the averages.
    planted : str
        What the wrong theory is.
    """

    name: str
    settings: dict[str, Any]
    rows: tuple[Row, ...]
    escaped: int
    chains: int
    results: tuple[Traces, ...] = field(repr=False, default=())
    planted: str = Experiment.planted

    @property
    def agrees(self) -> bool:
        """Whether the verdict is "agrees"."""
        return self.verdict == "agrees"

    @property
    def verdict(self) -> str:
        """ "agrees", "disagrees" or "not informative"."""
        if not all(row.agrees for row in self.rows):
            return "disagrees"
        telling = any(row.informative for row in self.rows)
        return "agrees" if telling else "not informative"

    @property
    def false_alarm(self) -> float:
        """Bound on the probability that a right theory is said to disagree."""
        return len(self.rows) * ROW_FALSE_ALARM

    @property
    def rejects_planted(self) -> bool:
        """Whether the planted wrong theory fails in at least one row."""
        return any(not agrees_with(row, row.planted) for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; what is not a number becomes null."""
        return {
            "experiment": self.name,
            "settings": self.settings,
            "verdict": self.verdict,
            "rejects_planted": self.rejects_planted,
            "escaped": self.escaped,
            "chains": self.chains,
            "rows": [_row_dict(row) for row in self.rows],
        }

    def __str__(self) -> str:
        from sims.report import comparison_table

        return comparison_table(self)


def check(
    name: str, *, n_threads: int | None = None, progress: str = "", **parameters: Any
) -> Comparison | Audit:
    """Run an experiment and hold its theory against it.

    Parameters
    ----------
    name : str
        See `statmech list`.
    n_threads : int, optional
        Default: the cores this process may use.
    progress : str
        Label of a progress bar on stderr; none if empty.
    **parameters
        Of the experiment, for example alpha=0.05, temperature=0.2 for "dense".

    Returns
    -------
    Comparison or Audit
        An audit where theory gives bounds, not averages ("dbm").

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError
        Before anything runs.
    """
    from sims.budget import require_fit
    from sims.runner import run_points
    from statmech.machine import available_threads

    experiment: Experiment | Audited = load_experiment(name)(**parameters)
    if isinstance(experiment, Audited):
        return experiment.audit()
    points = experiment.points()
    require_fit(
        points,
        experiment.memory,
        available_threads() if n_threads is None else n_threads,
        per_worker=0,
        kept_of=experiment.kept,
        workers_name="n_threads",
    )
    results = run_points(
        experiment.simulate, points, n_threads=n_threads, progress=progress
    )
    return compare(experiment, points, results)


def compare(
    experiment: Experiment, points: Sequence[Any], results: Sequence[Traces]
) -> Comparison:
    """Judge results of `experiment.simulate` at `points`, several samples a size."""
    sizes = sorted({point.n_spins for point in points})
    groups = {
        n: [r for p, r in zip(points, results, strict=True) if p.n_spins == n]
        for n in sizes
    }
    one_of = {point.n_spins: point for point in points}
    theory = {n: experiment.predict(one_of[n]) for n in sizes}
    planted = {n: experiment.plant(one_of[n]) for n in sizes}
    rows = []
    for observable in experiment.observables:
        estimates = {n: estimate([r[observable] for r in groups[n]]) for n in sizes}
        slope = finite_size_slope(
            {n: _difference(e, theory[n][observable]) for n, e in estimates.items()}
        )
        rows += [
            _judge(
                observable,
                n,
                theory[n][observable],
                planted[n][observable],
                estimates[n],
                slope,
            )
            for n in sizes
        ]
    counts = [experiment.count_escaped(r, theory[n]) for n in sizes for r in groups[n]]
    return Comparison(
        name=experiment.name,
        settings=experiment.settings(),
        rows=tuple(rows),
        escaped=sum(escaped for escaped, _ in counts),
        chains=sum(chains for _, chains in counts),
        results=tuple(results),
        planted=experiment.planted,
    )


def _difference(measured: Estimate, prediction: Prediction) -> Estimate:
    """Simulation less theory: each size has the theory of the load it realises."""
    if not prediction.status.ok:
        return measured
    return replace(measured, mean=measured.mean - prediction.value)


def finite_size_slope(estimates: dict[int, Estimate]) -> float:
    """The c of the allowance c/N, from the largest and the smallest size.

    estimates: simulation less theory, by size.
    """
    small, large = min(estimates), max(estimates)
    if small == large:
        return DEFAULT_SLOPE
    lever = 1.0 / small - 1.0 / large
    slope = abs(estimates[small].mean - estimates[large].mean) / lever
    error = math.hypot(estimates[small].error, estimates[large].error) / lever
    if not math.isfinite(slope + error) or error == 0.0:
        return DEFAULT_SLOPE
    if slope - 3.0 * error > DEFAULT_SLOPE:
        return slope
    return min(DEFAULT_SLOPE, slope + 3.0 * error)


def agrees_with(row: Row, prediction: Prediction) -> bool:
    """Whether `prediction` would agree in the place of the row's own."""
    return _within(row.estimate, prediction, row.allowance)


def _within(measured: Estimate, prediction: Prediction, allowance: float) -> bool:
    if not prediction.status.ok:
        return False
    from scipy.stats import t as student

    k = student.ppf(1.0 - ROW_FALSE_ALARM / 2.0, measured.n_samples - 1)
    margin = k * measured.error + allowance + prediction.error
    return bool(abs(measured.mean - prediction.value) <= margin)


def _judge(
    observable: str,
    n_spins: int,
    prediction: Prediction,
    planted: Prediction,
    measured: Estimate,
    slope: float,
) -> Row:
    allowance = slope / n_spins
    difference = measured.mean - prediction.value
    if measured.error > 0.0:
        z = difference / measured.error
    else:
        z = 0.0 if difference == 0.0 else math.copysign(math.inf, difference)
    distance = math.inf
    if planted.status.ok and prediction.status.ok:
        distance = abs(planted.value - prediction.value)
    return Row(
        observable=observable,
        n_spins=n_spins,
        prediction=prediction,
        estimate=measured,
        allowance=allowance,
        slope=slope,
        z=z,
        agrees=_within(measured, prediction, allowance),
        informative=measured.reliable and allowance <= 0.5 * distance,
        planted=planted,
    )


def _row_dict(row: Row) -> dict[str, Any]:
    def number(x: float) -> float | None:
        return float(x) if math.isfinite(x) else None

    return {
        "observable": row.observable,
        "n_spins": row.n_spins,
        "prediction": number(row.prediction.value),
        "prediction_error": number(row.prediction.error),
        "prediction_status": row.prediction.status.name,
        "estimate": number(row.estimate.mean),
        "estimate_error": number(row.estimate.error),
        "n_samples": row.estimate.n_samples,
        "reliable": bool(row.estimate.reliable),
        "allowance": number(row.allowance),
        "z": number(row.z),
        "planted": number(row.planted.value),
        "informative": bool(row.informative),
        "agrees": bool(row.agrees),
    }
