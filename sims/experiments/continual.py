"""A binary perceptron that learns two tasks in turn: theory and simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

import analytics.continual as theory
import statmech.continual as learning
from analytics.solve import Prediction
from sims.experiment import Traces
from sims.experiments.continual_points import TwoTaskPoint
from sims.two_sizes import TwoSizes
from statmech.errors import ParameterError
from statmech.optimize import Adam
from statmech.perceptron import Examples, generalization_error, weight_overlap
from statmech.status import Status

DATA, RUN = 0, 1  # branches of a point's seed path
_SMALLER = 0.5
_DEFAULT_SPINS = {"amp-naive": 2001, "amp-optimal": 2001, "field-space": 201}
ERRORS = (
    "generalization_error_1_before",
    "generalization_error_1",
    "generalization_error_2",
)
# What theory and simulation have in common; errors and forgetting beside them.
_OVERLAPS = {
    "amp-naive": ("q2", "r2", "t"),
    "amp-optimal": ("q2", "r2", "t"),
    "variational": ("r2", "q2_star", "t", "p1", "p2"),
    "field-space": ("q2", "r2", "q2_star", "t", "p1", "p2"),
}
_N_QUANTILES = 200
_LOOK_EVERY = 20  # epochs between two looks at whether the descent has settled


class Continual(TwoSizes):
    """Two tasks beside the theory of them.

    Parameters
    ----------
    alpha1, alpha2 : float
        Loads P / N of the tasks.
    n_spins : int, optional
        Larger number of weights; the other is about half of it. The default depends on
        the learner.
    n_samples : int, optional
        Disorder samples a size, at least 6; default 24 (8 with `quick`).
    quick : bool
        Smaller budget.
    **parameters
        Of `TwoTaskPoint`: learner (default "amp-naive"), teacher_correlation, gamma,
        beta, ... Not "variational", whose theory starts from what is measured.

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where theory has no such state, or replica symmetry is unstable there.
    """

    name: ClassVar[str] = "continual"
    point: ClassVar[type[Any]] = TwoTaskPoint
    required: ClassVar[tuple[str, ...]] = ("alpha1", "alpha2")
    planted: str = "a theory at loads smaller by sqrt(2)"

    def __init__(
        self,
        *,
        n_spins: int | None = None,
        n_samples: int | None = None,
        quick: bool = False,
        **parameters: Any,
    ) -> None:
        self._read_budget(parameters, n_samples, quick, (24, 8))
        if n_spins is None:
            size = _DEFAULT_SPINS.get(parameters.get("learner", "amp-naive"), 1001)
            n_spins = (size // 2) | 1 if quick else size
        self._largest = TwoTaskPoint(n_spins=n_spins, **parameters)
        self._smallest = replace(self._largest, n_spins=round(_SMALLER * n_spins) | 1)
        self.observables = observables_of(self._largest)
        if self._largest.learner == "variational":
            allowed = "a learner whose theory needs no measurement"
            remedy = "sweep 'continual-tasks' compares the variational one"
            raise ParameterError("learner", "variational", allowed, remedy)
        status = predict_tasks(self._largest)["t"].status
        if not status.ok or status is Status.RS_UNSTABLE:
            allowed = "where theory has a stable state"
            raise ParameterError("alpha2", self._largest.alpha2, allowed, str(status))

    def simulate(self, point: TwoTaskPoint) -> Traces:
        return simulate_tasks(point)

    def memory(self, point: TwoTaskPoint) -> int:
        return tasks_bytes(point)

    def kept(self, point: TwoTaskPoint) -> int:
        draws = point.n_sweeps if point.learner == "field-space" else 1
        return 8 * 2 * len(self.observables) * draws

    def count_escaped(
        self, traces: Traces, theory: Mapping[str, Prediction]
    ) -> tuple[int, int]:
        """Escaped: message passing that has not settled, on one task or the other.

        Chains are never counted: their measure has one state where theory is stable.
        """
        if "settled" in traces:
            return int((traces["settled"] == 0.0).sum()), traces["settled"].shape[0]
        return 0, traces["t"].shape[0]

    def predict(self, point: TwoTaskPoint) -> Mapping[str, Prediction]:
        return predict_tasks(point)

    def plant(self, point: TwoTaskPoint) -> Mapping[str, Prediction]:
        """The theory at loads that are smaller by sqrt(2)."""
        return predict_tasks(
            point,
            loads=(
                point.realised(point.alpha1) / math.sqrt(2.0),
                point.realised(point.alpha2) / math.sqrt(2.0),
            ),
        )


def observables_of(point: TwoTaskPoint) -> tuple[str, ...]:
    """What theory and simulation of this learner have in common."""
    return (*_OVERLAPS[point.learner], *ERRORS)


def predict_tasks(
    point: TwoTaskPoint,
    *,
    loads: tuple[float, float] | None = None,
    marginal: ArrayLike | None = None,
) -> dict[str, Prediction]:
    """Theory at the realised loads and correlation, or at exactly these `loads`.

    Empty for the variational learner without a `marginal`, samples of m1 W1: where its
    first task ends is a matter of how long it was trained.
    """
    exact = loads is not None
    alpha1, alpha2 = loads or (
        point.realised(point.alpha1),
        point.realised(point.alpha2),
    )
    r0 = point.teacher_correlation if exact else point.realised_correlation
    names = observables_of(point)
    if point.learner.startswith("amp"):
        found: Any = theory.state_evolution(
            alpha1, alpha2, r0, gamma=point.gamma, handover=point.handover
        )
    elif point.learner == "field-space":
        found = theory.solve_two_tasks(alpha1, alpha2, point.beta, point.gamma, r0)
    elif marginal is not None:
        found = theory.solve_two_tasks(
            alpha1, alpha2, point.beta, point.gamma, r0, marginal=np.asarray(marginal)
        )
    else:
        return {}
    return as_predictions(found, (*names, "forgetting"))


def as_predictions(found: Any, names: tuple[str, ...]) -> dict[str, Prediction]:
    """The named fields of a state of theory."""
    if not found.status.ok:
        return {name: Prediction.missing(found.status) for name in names}
    error = max(found.residual, found.quadrature_error)
    return {
        name: Prediction(getattr(found, name), error, found.status) for name in names
    }


def draw_point_tasks(point: TwoTaskPoint) -> tuple[Examples, ...]:
    """Both tasks of the point's disorder sample."""
    sizes = [point.n_patterns(point.alpha1), point.n_patterns(point.alpha2)]
    return learning.draw_tasks(
        point.n_spins,
        sizes,
        point.teacher_correlation,
        point.seed,
        path=(*point.path, DATA),
    )


def simulate_tasks(point: TwoTaskPoint) -> dict[str, Any]:
    """Observables (chain or pair, draw) of one instance; one draw unless sampled."""
    tasks = draw_point_tasks(point)
    run = {"seed": point.seed, "path": (*point.path, RUN)}
    if point.learner.startswith("amp"):
        return _passed(point, tasks, run)
    if point.learner == "variational":
        return _descended(point, tasks, run)
    return _sampled(point, tasks, run)


def _passed(
    point: TwoTaskPoint, tasks: tuple[Examples, ...], run: dict[str, Any]
) -> dict[str, Any]:
    found = learning.sequential_amp(
        tasks,
        gamma=point.gamma,
        handover=point.handover,
        max_iterations=point.n_iterations,
        **run,
    )
    error = found.generalization_error
    values = {
        "q2": found.q[1],
        "r2": found.teacher_overlap[1, 1],
        "t": found.teacher_overlap[1, 0],
        **_errors(error[0, 0], error[1, 0], error[1, 1]),
        # What has not settled is a measurement after so many iterations: it is kept,
        # and counted.
        "settled": float(all(status.ok for status in found.statuses)),
    }
    return {name: np.full((1, 1), value) for name, value in values.items()}


def _descended(
    point: TwoTaskPoint, tasks: tuple[Examples, ...], run: dict[str, Any]
) -> dict[str, Any]:
    epochs = [point.n_epochs_1, point.n_epochs_2]
    found = learning.learn_sequence(
        tasks,
        gamma=point.gamma,
        optimizer=descent(point.rate),
        n_epochs=epochs,
        record_every=_LOOK_EVERY,
        **run,
    )
    first, second = found.runs
    error = found.generalization_error
    values = {
        "r2": found.r[1, 1],
        "q2_star": second.q_star[-1],
        "t": found.r[1, 0],
        "p1": found.p[1, 0],
        "p2": found.p[1, 1],
        **_errors(error[0, 0], error[1, 0], error[1, 1]),
        "settled": float(second.status.ok),
    }
    columns = {name: np.full((1, 1), value) for name, value in values.items()}
    return columns | {"marginal": quantiles(first.magnetisations, tasks[0])}


def descent(rate: float) -> Adam:
    """How the variational learner goes down.

    At the switch of tasks the gradient is a thousand times what it is later: a longer
    memory of its square than 100 steps would stop the descent.
    """
    return Adam(rate, beta2=0.99)


def _sampled(
    point: TwoTaskPoint, tasks: tuple[Examples, ...], run: dict[str, Any]
) -> dict[str, Any]:
    (trace,) = learning.sample_two_tasks(
        tasks,
        point.beta,
        point.gamma,
        n_sweeps=point.n_sweeps,
        n_burn_in=point.n_burn_in,
        n_first=point.n_sweeps + point.n_burn_in,
        n_threads=1,
        **run,
    )
    m1, teacher = trace.reference, tasks[0].teacher
    assert m1 is not None
    assert teacher is not None
    before = generalization_error(weight_overlap(np.sign(m1), teacher))
    after = [np.arccos(np.clip(p, -1.0, 1.0)) / np.pi for p in (trace.p1, trace.p)]
    return {
        "q2": trace.q,
        "r2": trace.r,
        "q2_star": trace.q_star,
        "t": trace.t,
        "p1": trace.p1,
        "p2": trace.p,
        **_errors(np.full_like(after[0], before), *after),
    }


def _errors(before: Any, first: Any, second: Any) -> dict[str, Any]:
    """The three errors, and what was forgotten."""
    return {
        **dict(zip(ERRORS, (before, first, second), strict=True)),
        "forgetting": first - before,
    }


def quantiles(magnetisations: Any, task: Examples) -> Any:
    """The law of m W in short: means of `_N_QUANTILES` groups of the sorted values."""
    assert task.teacher is not None
    groups = np.array_split(np.sort(magnetisations * task.teacher), _N_QUANTILES)
    return np.array([group.mean() for group in groups if group.size])


def tasks_bytes(point: TwoTaskPoint) -> int:
    """Peak memory of one point in bytes, beyond what the process has anyway."""
    sizes = [point.n_patterns(point.alpha1), point.n_patterns(point.alpha2)]
    n = point.n_spins
    copies = 3 if point.learner == "field-space" else 2
    kept = 64 * point.n_sweeps if point.learner == "field-space" else 0
    return 8 * copies * n * max(sizes) + 2 * n * sum(sizes) + 64 * n + kept
