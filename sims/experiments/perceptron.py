"""Perceptrons that learn a teacher, or random labels: theory and simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

import analytics.perceptron as theory
import statmech.perceptron as learning
from analytics.perceptron import Student
from analytics.solve import Prediction
from sims.experiment import Traces
from sims.experiments.perceptron_points import StudentPoint
from sims.two_sizes import TwoSizes
from statmech.errors import ParameterError, StatmechError

_DATA, _RUN = 0, 1  # branches of a point's seed path
_SMALLER = 0.5
_MOST_EPOCHS = 10**6  # of the perceptron rule, which ends if the examples separate
# Defaults of the larger size: what one instance costs grows very differently.
_DEFAULT_SPINS = {
    "binary-gibbs": 1001,
    "binary-bayes": 2001,
    "spherical-bayes": 2001,
    "spherical-max-margin": 201,
    "spherical-hebb": 2001,
}
_OBSERVABLES = {
    "gibbs": ("teacher_overlap", "generalization_error", "q", "training_errors"),
    "bayes": ("teacher_overlap", "q", "generalization_error"),
    "max_margin": ("teacher_overlap", "margin", "generalization_error"),
    "hebb": ("teacher_overlap", "training_errors", "generalization_error"),
    "perceptron": ("teacher_overlap", "generalization_error"),
}
# Rules with a replica theory.
THEORIES = ("gibbs", "bayes", "max_margin", "hebb")


class Perceptron(TwoSizes):
    """A student beside the replica theory of it.

    Parameters
    ----------
    alpha : float
        Load P / N.
    n_spins : int, optional
        Larger number of weights; the other is about half of it. The default depends on
        the student.
    n_samples : int, optional
        Disorder samples a size, at least 6; default 24 (8 with `quick`).
    quick : bool
        Smaller budget.
    **parameters
        Of `StudentPoint`: student (default "binary-gibbs" at T > 0), temperature,
        labels, kappa, start, ...

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where theory has no such state, or there is none of the student.
    """

    name: ClassVar[str] = "perceptron"
    point: ClassVar[type[Any]] = StudentPoint
    required: ClassVar[tuple[str, ...]] = ("alpha",)
    planted: str = "a theory at a load smaller by sqrt(2)"

    def __init__(
        self,
        *,
        n_spins: int | None = None,
        n_samples: int | None = None,
        quick: bool = False,
        **parameters: Any,
    ) -> None:
        self._read_budget(parameters, n_samples, quick, (24, 8))
        if "student" not in parameters and parameters.get("temperature"):
            parameters["student"] = "binary-gibbs"  # the only one at T > 0
        if n_spins is None:
            size = _DEFAULT_SPINS.get(parameters.get("student", ""), 1001)
            n_spins = odd(size // 2) if quick else size
        self._largest = StudentPoint(n_spins=n_spins, **parameters)
        if self._largest.rule not in THEORIES:
            allowed = "a student that has a theory: not 'spherical-perceptron'"
            raise ParameterError("student", self._largest.student, allowed)
        self.observables = observables_of(self._largest)
        self._smallest = replace(self._largest, n_spins=odd(round(_SMALLER * n_spins)))
        state = solve_point(self._largest)
        if not state.status.ok:
            raise ParameterError(
                "alpha",
                self._largest.alpha,
                "where theory has a state",
                str(state.status),
            )

    def simulate(self, point: StudentPoint) -> Traces:
        return simulate_student(point)

    def memory(self, point: StudentPoint) -> int:
        return student_bytes(point)

    def kept(self, point: StudentPoint) -> int:
        return 8 * 8 * (point.n_sweeps if point.rule == "gibbs" else 1)

    def count_escaped(
        self, traces: Traces, theory: Mapping[str, Prediction]
    ) -> tuple[int, int]:
        """Escaped: an overlap with the teacher that is nearer to another state.

        Farther from the prediction R than half of max(R, 1 - R); or message passing
        that has not settled.
        """
        if "teacher_overlap" not in theory:
            return 0, traces["training_errors"].shape[0]
        r = theory["teacher_overlap"].value
        means = traces["teacher_overlap"].mean(axis=1)
        far = np.abs(means - r) > 0.5 * max(r, 1.0 - r)
        if "settled" in traces:
            far |= traces["settled"][:, 0] == 0.0
        return int(far.sum()), means.size

    def predict(self, point: StudentPoint) -> Mapping[str, Prediction]:
        return predict_student(point)

    def plant(self, point: StudentPoint) -> Mapping[str, Prediction]:
        """The theory at a load that is smaller by sqrt(2)."""
        state = solve_point(point, point.realised_alpha / 2.0**0.5)
        return as_predictions(state, observables_of(point))


def odd(n: int) -> int:
    """The odd number next to n, from above."""
    return n | 1


def observables_of(point: StudentPoint) -> tuple[str, ...]:
    """What theory and simulation of this student have in common."""
    names = _OBSERVABLES[point.rule]
    return names if point.labels == "teacher" else names[2:]


def solve_point(point: StudentPoint, alpha: float | None = None) -> Student:
    """The state of theory at the realised load and margin, or exactly at `alpha`.

    Chains from the teacher are held against the equilibrium state, all others against
    the state that is continued from small loads.
    """
    load = point.realised_alpha if alpha is None else alpha
    if point.labels == "random":
        kappa = point.realised_kappa if alpha is None else point.kappa
        return theory.solve_storage(load, kappa=kappa, temperature=point.temperature)
    return theory.solve_teacher_student(
        load,
        weights=point.weights,
        rule=point.rule,
        temperature=point.temperature,
        branch="equilibrium" if point.start == "teacher" else "continuous",
    )


def predict_student(
    point: StudentPoint, alpha: float | None = None
) -> dict[str, Prediction]:
    """Theory at the realised load, or at `alpha`; empty where there is none."""
    if point.rule not in THEORIES:
        return {}
    return as_predictions(solve_point(point, alpha), observables_of(point))


def as_predictions(state: Student, names: tuple[str, ...]) -> dict[str, Prediction]:
    """The named fields of a state."""
    if not state.status.ok:
        return {name: Prediction.missing(state.status) for name in names}
    error = max(state.error, state.quadrature_error)
    return {
        name: Prediction(getattr(state, name), error, state.status) for name in names
    }


def examples_of(point: StudentPoint) -> learning.Examples:
    """Patterns and labels of the point's disorder sample."""
    address = (*point.path, _DATA)
    if point.labels == "random":
        return learning.random_examples(
            point.n_spins, point.n_patterns, point.seed, path=address
        )
    return learning.teacher_examples(
        point.n_spins,
        point.n_patterns,
        point.seed,
        weights=point.weights,
        path=address,
    )


def simulate_student(point: StudentPoint) -> dict[str, Any]:
    """Observables (chain or pair, draw) of one instance.

    One draw of one chain, but for "binary-gibbs": two chains of `n_sweeps` draws.
    """
    examples = examples_of(point)
    if point.rule == "gibbs":
        return _sampled(point, examples)
    if point.rule == "bayes":
        found = learning.amp(
            examples,
            weights=point.weights,
            max_iterations=point.n_iterations,
            seed=point.seed,
            path=(*point.path, _RUN),
        )
        # What has not settled is a measurement after so many iterations: it is kept,
        # and counted as escaped.
        return _columns(examples, found.mean) | {
            "q": np.full((1, 1), float(found.q[-1])),
            "settled": np.full((1, 1), float(found.status.ok)),
        }
    if point.rule == "max_margin":
        learnt = learning.max_margin(examples)
    elif point.rule == "hebb":
        learnt = learning.hebb(examples)
    else:
        learnt = learning.perceptron_rule(
            examples,
            max_epochs=_MOST_EPOCHS,
            seed=point.seed,
            path=(*point.path, _RUN),
        )
    if not learnt.status.ok:
        raise StatmechError(f"{point.student}: {learnt.status}")
    return _columns(examples, learnt.weights)


def _columns(examples: learning.Examples, weights: Any) -> dict[str, Any]:
    """What is measured on one vector of weights, each (1, 1)."""
    overlap = examples.teacher_overlap(weights)
    values = {
        "teacher_overlap": overlap,
        "generalization_error": learning.generalization_error(overlap),
        "training_errors": examples.count_errors(weights) / examples.n_weights,
        "margin": examples.stability(weights),
    }
    return {name: np.full((1, 1), value) for name, value in values.items()}


def _sampled(point: StudentPoint, examples: learning.Examples) -> dict[str, Any]:
    trace = learning.sample(
        examples,
        point.temperature,
        n_sweeps=point.n_sweeps,
        n_burn_in=point.n_burn_in,
        n_chains=2,
        initial=point.start,
        kappa=point.kappa,
        seed=point.seed,
        path=(*point.path, _RUN),
        n_threads=1,
    )
    found = {"q": trace.q, "training_errors": trace.training_errors}
    if point.labels == "teacher":
        overlap = trace.teacher_overlap
        found["teacher_overlap"] = overlap
        # Of the student at each draw; not of the average overlap.
        found["generalization_error"] = np.arccos(np.clip(overlap, -1.0, 1.0)) / np.pi
    return found


def student_bytes(point: StudentPoint) -> int:
    """Peak memory of one point in bytes, beyond what the process has anyway."""
    n, p = point.n_spins, point.n_patterns
    if point.rule == "gibbs":
        # Patterns, aligned patterns, packed columns; the draws.
        return 3 * n * p + 64 * (n + p) + 64 * point.n_sweeps
    copies = 3 if point.rule == "max_margin" else 2
    return 8 * copies * n * p + 64 * (n + p)
