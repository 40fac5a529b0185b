"""What is swept for continual learning: two tasks, epochs, magnetisations of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

import analytics.continual as theory
import statmech.continual as learning
from analytics.solve import Prediction
from sims.experiments.continual import (
    DATA,
    ERRORS,
    RUN,
    as_predictions,
    descent,
    predict_tasks,
    quantiles,
    simulate_tasks,
    tasks_bytes,
)
from sims.experiments.continual_points import (
    LEAST_BURN_IN,
    EpochPoint,
    SingleTaskPoint,
    TwoTaskPoint,
)
from sims.measurement import Measurement
from statmech.perceptron import teacher_examples

_PAIR = ("pair", "draw")
_CHAIN = ("chain", "draw")


class TwoTasks(Measurement):
    """Errors on both tasks, before the second and after it, and all overlaps.

    Of the variational learner `marginal` is the law of m1 W1 after the first task, in
    200 quantile means; its theory starts from there.
    """

    name = "continual-tasks"
    point: ClassVar[type[Any]] = TwoTaskPoint
    observables: ClassVar[tuple[str, ...]] = (
        *ERRORS,
        "forgetting",
        "q2",
        "r2",
        "q2_star",
        "t",
        "p1",
        "p2",
    )
    figures: ClassVar[tuple[str, ...]] = (
        "two-tasks",
        "handover",
        "curves",
        "finite-size",
    )

    def warm(self) -> None:
        tasks = learning.draw_tasks(11, [5, 5], 0.0, 0)
        learning.sample_field_space(
            tasks[0], 1.0, n_sweeps=1, n_burn_in=10, n_threads=1
        )

    def simulate(self, point: TwoTaskPoint) -> Mapping[str, Any]:
        found = simulate_tasks(point)
        shapes: dict[str, tuple[str, ...]] = {"marginal": ("quantile",)}
        if point.learner == "field-space":
            shapes["q2"] = _PAIR
        return {
            name: (shapes.get(name, _CHAIN), value) for name, value in found.items()
        }

    def predict(self, point: TwoTaskPoint) -> Mapping[str, Prediction]:
        return predict_tasks(point)

    def predict_given(
        self, point: TwoTaskPoint, results: Mapping[str, Any]
    ) -> Mapping[str, Prediction]:
        """For the variational learner, given the magnetisations of its first task."""
        marginal = _pooled(results)
        if point.learner != "variational" or not marginal.size:
            return predict_tasks(point)
        return predict_tasks(point, marginal=marginal)

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        return predict_tasks(point, loads=(point.alpha1, point.alpha2))

    def memory(self, point: TwoTaskPoint) -> int:
        return tasks_bytes(point)

    def cost(self, point: TwoTaskPoint) -> float:
        n = float(point.n_spins)
        sizes = [n * point.n_patterns(a) for a in (point.alpha1, point.alpha2)]
        if point.learner == "variational":
            return 2.0 * (point.n_epochs_1 * sizes[0] + point.n_epochs_2 * sizes[1])
        if point.learner == "field-space":
            # A logarithm of a normal distribution each pattern and proposal.
            return 40.0 * (point.n_sweeps + point.n_burn_in) * sum(sizes)
        return 2.0 * point.n_iterations * sum(sizes)

    def shortened(self, point: TwoTaskPoint) -> TwoTaskPoint:
        return replace(
            point,
            n_iterations=2,
            n_epochs_1=min(point.n_epochs_1, 2),
            n_epochs_2=min(point.n_epochs_2, 2),
            n_sweeps=min(point.n_sweeps, 4),
            n_burn_in=LEAST_BURN_IN,
        )


class Epochs(Measurement):
    """Errors of sign(m) on both tasks after each epoch, across the switch of tasks.

    Entry 0 is the start; entry `n_epochs_1` the end of the first task. `error_1` and
    `error_2` are curves; their ends have theory, given `marginal`.
    """

    name = "continual-epochs"
    point: ClassVar[type[Any]] = EpochPoint
    observables: ClassVar[tuple[str, ...]] = ("error_1", "error_2", *ERRORS[1:])
    figures: ClassVar[tuple[str, ...]] = ("epochs",)

    def simulate(self, point: EpochPoint) -> Mapping[str, Any]:
        tasks = learning.draw_tasks(
            point.n_spins,
            [point.n_patterns(point.alpha1), point.n_patterns(point.alpha2)],
            point.teacher_correlation,
            point.seed,
            path=(*point.path, DATA),
        )
        found = learning.learn_sequence(
            tasks,
            gamma=point.gamma,
            optimizer=descent(point.rate),
            n_epochs=[point.n_epochs_1, point.n_epochs_2],
        )
        # The second task begins where the first ended; what has settled stays.
        errors = np.concatenate(
            [found.runs[0].others_error, found.runs[1].others_error[1:]]
        )
        rest = point.n_epochs_1 + point.n_epochs_2 + 1 - errors.shape[0]
        errors = np.pad(errors, ((0, rest), (0, 0)), mode="edge")
        last = found.generalization_error[1]
        curves = {"error_1": errors[:, 0], "error_2": errors[:, 1]}
        ends = {"generalization_error_1": last[0], "generalization_error_2": last[1]}
        return {
            **{name: (("epoch",), curve) for name, curve in curves.items()},
            **{name: (_CHAIN, np.full((1, 1), v)) for name, v in ends.items()},
            "marginal": (
                ("quantile",),
                quantiles(found.runs[0].magnetisations, tasks[0]),
            ),
        }

    def predict_given(
        self, point: EpochPoint, results: Mapping[str, Any]
    ) -> Mapping[str, Prediction]:
        """Where the second task ends, given the magnetisations of the first."""
        marginal = _pooled(results)
        if not marginal.size:
            return {}
        as_two = TwoTaskPoint(
            learner="variational",
            n_spins=point.n_spins,
            alpha1=point.alpha1,
            alpha2=point.alpha2,
            teacher_correlation=point.teacher_correlation,
            gamma=point.gamma,
            beta=point.beta,
        )
        found = predict_tasks(as_two, marginal=marginal)
        return {name: found[name] for name in ERRORS[1:]}

    def memory(self, point: EpochPoint) -> int:
        sizes = [point.n_patterns(a) for a in (point.alpha1, point.alpha2)]
        return 18 * point.n_spins * max(sizes) + 64 * (
            point.n_epochs_1 + point.n_epochs_2
        )

    def cost(self, point: EpochPoint) -> float:
        sizes = [point.n_patterns(a) for a in (point.alpha1, point.alpha2)]
        epochs = (point.n_epochs_1, point.n_epochs_2)
        return 2.0 * point.n_spins * float(np.dot(epochs, sizes))

    def shortened(self, point: EpochPoint) -> EpochPoint:
        return replace(
            point,
            n_epochs_1=min(point.n_epochs_1, 2),
            n_epochs_2=min(point.n_epochs_2, 2),
        )


class SingleTask(Measurement):
    """Overlaps and loss of magnetisations that learnt one task."""

    name = "continual-single"
    point: ClassVar[type[Any]] = SingleTaskPoint
    observables: ClassVar[tuple[str, ...]] = ("p", "r", "q_star", "q", "loss")
    figures: ClassVar[tuple[str, ...]] = ("single-task", "curves", "finite-size")

    def warm(self) -> None:
        examples = teacher_examples(11, 5, 0)
        learning.sample_field_space(
            examples, 1.0, n_sweeps=1, n_burn_in=10, n_threads=1
        )

    def simulate(self, point: SingleTaskPoint) -> Mapping[str, Any]:
        examples = teacher_examples(
            point.n_spins,
            point.n_patterns(point.alpha),
            point.seed,
            path=(*point.path, DATA),
        )
        if point.learner == "field-space":
            trace = learning.sample_field_space(
                examples,
                point.beta,
                n_sweeps=point.n_sweeps,
                n_burn_in=point.n_burn_in,
                seed=point.seed,
                path=(*point.path, RUN),
                n_threads=1,
            )
            return {
                "p": (_CHAIN, trace.p),
                "r": (_CHAIN, trace.r),
                "q_star": (_CHAIN, trace.q_star),
                "q": (_PAIR, trace.q),
                "loss": (_CHAIN, trace.loss),
            }
        run = learning.learn_field_space(
            examples,
            optimizer=descent(point.rate),
            n_epochs=point.n_epochs,
            record_every=point.n_epochs,
        )
        return {
            name: (_CHAIN, np.full((1, 1), float(getattr(run, name)[-1])))
            for name in ("p", "r", "q_star", "loss")
        }

    def predict(self, point: SingleTaskPoint) -> Mapping[str, Prediction]:
        """The measure at `beta`; of the variational learner for comparison."""
        return self._at(point, point.realised(point.alpha))

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        return self._at(point, point.alpha)

    def _at(self, point: SingleTaskPoint, alpha: float) -> dict[str, Prediction]:
        state = theory.solve_single_task(alpha, point.beta)
        names = self.observables if point.learner == "field-space" else ("p",)
        return as_predictions(state, names)

    def memory(self, point: SingleTaskPoint) -> int:
        p = point.n_patterns(point.alpha)
        return 26 * point.n_spins * p + 64 * point.n_sweeps

    def cost(self, point: SingleTaskPoint) -> float:
        size = float(point.n_spins) * point.n_patterns(point.alpha)
        if point.learner == "variational":
            return 2.0 * point.n_epochs * size
        return 80.0 * (point.n_sweeps + point.n_burn_in) * size

    def shortened(self, point: SingleTaskPoint) -> SingleTaskPoint:
        return replace(
            point,
            n_epochs=min(point.n_epochs, 2),
            n_sweeps=min(point.n_sweeps, 4),
            n_burn_in=LEAST_BURN_IN,
        )


def _pooled(results: Mapping[str, Any]) -> Any:
    """The magnetisations m1 W1 of all samples of a cell."""
    values = np.asarray(results.get("marginal", ()), dtype=np.float64).ravel()
    return values[np.isfinite(values)]
