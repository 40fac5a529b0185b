"""What is swept for perceptrons: students, iterations, entropies, separation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

import analytics.perceptron as theory
import statmech.perceptron as learning
from analytics.solve import Prediction
from sims.experiments.perceptron import (
    as_predictions,
    predict_student,
    simulate_student,
    student_bytes,
)
from sims.experiments.perceptron_points import (
    CensusPoint,
    IterationPoint,
    NeighbourPoint,
    PerceptronPoint,
    SeparationPoint,
    StudentPoint,
)
from sims.measurement import Measurement
from statmech.errors import StatmechError
from statmech.rng import generator

_DATA, _RUN = 0, 1  # branches of a point's seed path
_PAIR = ("pair", "draw")
_CHAIN = ("chain", "draw")
_MOST_REFERENCES = 200


class Students(Measurement):
    """Overlaps and errors of a student: one vector of weights, or two chains."""

    name = "perceptron-students"
    point: ClassVar[type[Any]] = StudentPoint
    observables: ClassVar[tuple[str, ...]] = (
        "generalization_error",
        "teacher_overlap",
        "q",
        "training_errors",
        "margin",
    )
    figures: ClassVar[tuple[str, ...]] = ("students", "curves", "finite-size")

    def warm(self) -> None:
        examples = learning.teacher_examples(11, 5, 0)
        learning.sample(examples, 1.0, n_sweeps=1, n_burn_in=0, n_threads=1)
        learning.perceptron_rule(examples)

    def simulate(self, point: StudentPoint) -> Mapping[str, Any]:
        found = simulate_student(point)
        return {
            name: (_PAIR if point.rule == "gibbs" and name == "q" else _CHAIN, trace)
            for name, trace in found.items()
        }

    def predict(self, point: StudentPoint) -> Mapping[str, Prediction]:
        return predict_student(point)

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        return predict_student(point, point.alpha)

    def memory(self, point: StudentPoint) -> int:
        return student_bytes(point)

    def cost(self, point: StudentPoint) -> float:
        size = float(point.n_spins) * point.n_patterns
        if point.rule == "gibbs":
            # Reading bits, 64 patterns at a time, and a few operations an update.
            sweeps = point.n_sweeps + point.n_burn_in
            return 2.0 * sweeps * (size / 16.0 + 16.0 * point.n_spins)
        if point.rule == "max_margin":
            return size * min(point.n_spins, point.n_patterns)
        return size * {"bayes": point.n_iterations, "hebb": 1}.get(point.rule, 100)

    def shortened(self, point: StudentPoint) -> StudentPoint:
        return replace(
            point, n_sweeps=min(point.n_sweeps, 4), n_burn_in=0, n_iterations=2
        )


class Evolution(Measurement):
    """q, R and generalisation error of message passing after each iteration.

    Entry 0 is the start, means of size 0.01; what has settled stays as it is.
    """

    name = "perceptron-evolution"
    point: ClassVar[type[Any]] = IterationPoint
    observables: ClassVar[tuple[str, ...]] = (
        "generalization_error",
        "teacher_overlap",
        "q",
    )
    figures: ClassVar[tuple[str, ...]] = ("evolution",)

    def simulate(self, point: IterationPoint) -> Mapping[str, Any]:
        examples = learning.teacher_examples(
            point.n_spins,
            point.n_patterns,
            point.seed,
            weights=point.weights,
            path=(*point.path, _DATA),
        )
        found = learning.amp(
            examples,
            weights=point.weights,
            max_iterations=point.n_iterations,
            seed=point.seed,
            path=(*point.path, _RUN),
        )
        rest = point.n_iterations + 1 - found.q.size
        return {
            name: (("iteration",), np.pad(getattr(found, name), (0, rest), mode="edge"))
            for name in self.observables
        }

    def memory(self, point: IterationPoint) -> int:
        return 16 * point.n_spins * point.n_patterns

    def cost(self, point: IterationPoint) -> float:
        return 2.0 * point.n_iterations * point.n_spins * point.n_patterns

    def shortened(self, point: IterationPoint) -> IterationPoint:
        return replace(point, n_iterations=min(point.n_iterations, 2))


class Enumeration(Measurement):
    """Thermal averages of one small instance, exact: all 2**N students are counted.

    The entropy at T = 0 is that of the students with the fewest errors. They make none
    unless the labels are random and no student fits them: `solvable` is 0 then.
    """

    name = "perceptron-census"
    point: ClassVar[type[Any]] = CensusPoint
    observables: ClassVar[tuple[str, ...]] = (
        "entropy",
        "training_errors",
        "teacher_overlap",
        "solvable",
    )

    def simulate(self, point: CensusPoint) -> Mapping[str, Any]:
        census = learning.take_census(_examples(point, point.labels))
        thermal = census.average(point.temperature)
        found = {
            "entropy": thermal.entropy,
            "training_errors": thermal.errors / point.n_spins,
            "solvable": float(census.n_solutions > 0),
        }
        if point.labels == "teacher":
            found["teacher_overlap"] = thermal.overlap
        return {name: (_CHAIN, np.full((1, 1), v)) for name, v in found.items()}

    def predict(self, point: CensusPoint) -> Mapping[str, Prediction]:
        """The equilibrium state of replica-symmetric theory."""
        return _predict_census(point, point.realised_alpha)

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        return _predict_census(point, point.alpha)

    def memory(self, point: CensusPoint) -> int:
        return 16 * (point.n_patterns + 1) * (point.n_spins + 1)

    def cost(self, point: CensusPoint) -> float:
        return 2.0**point.n_spins * (4.0 + point.n_patterns / 16.0)

    def shortened(self, point: CensusPoint) -> CensusPoint:
        return replace(point, n_spins=min(point.n_spins, 13) | 1)


class Neighbours(Measurement):
    """How many solutions of the storage problem there are at each distance of another.

    `share` (N + 1,): of the weights that differ from a solution in k places, the
    fraction that are solutions, averaged over up to 200 solutions of one instance. An
    instance without a solution fails.
    """

    name = "perceptron-potential"
    point: ClassVar[type[Any]] = NeighbourPoint
    observables: ClassVar[tuple[str, ...]] = ("share",)
    figures: ClassVar[tuple[str, ...]] = ("potential",)

    def simulate(self, point: NeighbourPoint) -> Mapping[str, Any]:
        n = point.n_spins
        solutions = learning.find_solutions(_examples(point, "random"))
        if not len(solutions):
            raise StatmechError("this instance has no solution: take a smaller load")
        draw = generator(point.seed, (*point.path, _RUN))
        chosen = solutions
        if len(solutions) > _MOST_REFERENCES:
            rows = draw.choice(len(solutions), _MOST_REFERENCES, replace=False)
            chosen = solutions[np.sort(rows)]
        counts = np.zeros(n + 1)
        everything = solutions.astype(np.float32)  # products of +-1 are exact
        for reference in chosen:
            unlike = (n - everything @ reference.astype(np.float32)) / 2.0
            counts += np.bincount(unlike.astype(np.int64), minlength=n + 1)
        places = np.array([float(math.comb(n, k)) for k in range(n + 1)])
        return {"share": (("unlike",), counts / len(chosen) / places)}

    def memory(self, point: NeighbourPoint) -> int:
        # At small loads most students are solutions; three forms of them at a time.
        most = 2.0 ** min(point.n_spins, 62) * 2.0**-point.n_patterns
        return int(16 * point.n_spins * (4.0 * most + _MOST_REFERENCES))

    def cost(self, point: NeighbourPoint) -> float:
        return 2.0**point.n_spins * (4.0 + point.n_patterns / 16.0)

    def shortened(self, point: NeighbourPoint) -> NeighbourPoint:
        return replace(point, n_spins=min(point.n_spins, 13) | 1)


class Separation(Measurement):
    """Steps of logistic regression until every pattern is on its side.

    `n_steps` and the largest loss along the path; `limit_steps`, the updates that the
    batch perceptron needs, which is the limit of infinite step.
    """

    name = "perceptron-separation"
    point: ClassVar[type[Any]] = SeparationPoint
    observables: ClassVar[tuple[str, ...]] = ("n_steps", "largest_loss", "limit_steps")
    figures: ClassVar[tuple[str, ...]] = ("separation", "curves")

    def warm(self) -> None:
        examples = learning.teacher_examples(11, 5, 0)
        learning.logistic_descent(examples, step=1.0, max_steps=3)

    def simulate(self, point: SeparationPoint) -> Mapping[str, Any]:
        # Not of the step: every step is tried on the same patterns.
        base = replace(point, step=1.0, flow="plain", max_steps=1)
        examples = learning.teacher_examples(
            point.n_spins,
            point.n_patterns,
            point.seed,
            weights="spherical",
            inputs=point.inputs,
            path=(*base.path, _DATA),
        )
        normalised = point.flow == "normalised"
        run = learning.logistic_descent(
            examples,
            step=point.step,
            normalised=normalised,
            max_steps=point.max_steps,
        )
        limit = learning.batch_perceptron(
            examples, normalised=normalised, max_steps=point.max_steps
        )
        for found in (run, limit):
            if not found.status.ok:
                raise StatmechError(
                    f"not separated after {point.max_steps} steps: raise max_steps"
                )
        values = {
            "n_steps": float(run.n_steps),
            "largest_loss": float(run.losses.max()),
            "limit_steps": float(limit.n_steps),
        }
        return {name: (_CHAIN, np.full((1, 1), v)) for name, v in values.items()}

    def memory(self, point: SeparationPoint) -> int:
        return 32 * point.n_spins * point.n_patterns + 16 * point.max_steps

    def cost(self, point: SeparationPoint) -> float:
        steps = min(point.max_steps, 100 * (1.0 + 10.0 / point.step))
        return steps * point.n_spins * point.n_patterns

    def shortened(self, point: SeparationPoint) -> SeparationPoint:
        return replace(point, n_spins=max(5, point.n_spins // 4))


def _predict_census(point: CensusPoint, alpha: float) -> dict[str, Prediction]:
    t = point.temperature
    names: tuple[str, ...] = ("entropy", "training_errors")
    if point.labels == "random":
        return as_predictions(theory.solve_storage(alpha, temperature=t), names)
    state = theory.solve_teacher_student(alpha, temperature=t, branch="equilibrium")
    return as_predictions(state, (*names, "teacher_overlap"))


def _examples(point: PerceptronPoint, labels: str) -> learning.Examples:
    address = (*point.path, _DATA)
    draw = learning.random_examples if labels == "random" else learning.teacher_examples
    return draw(point.n_spins, point.n_patterns, point.seed, path=address)
