"""What is swept for dense networks that learn from examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

import analytics.dense as theory
import statmech
from analytics.solve import Prediction
from sims.experiments.dense_learning import (
    learning_bytes,
    network_from_examples,
    predict_learning,
    simulate_learning,
)
from sims.experiments.learning_points import DemandPoint, LearningPoint
from sims.measurement import Measurement
from statmech.errors import StatmechError

_CHAIN = ("chain", "draw")
_MOST_EXAMPLES = 2**13


class Learning(Measurement):
    """m, W, q and energy in the retrieval state: two replicas from an archetype."""

    name = "dense-learning"
    point: ClassVar[type[Any]] = LearningPoint
    observables: ClassVar[tuple[str, ...]] = ("m", "overlap_examples", "q", "energy")
    figures: ClassVar[tuple[str, ...]] = ("curves", "finite-size", "learning-diagram")

    def warm(self) -> None:
        for order in (2, 3, 4):
            xi = statmech.patterns.rademacher(2, 4 * order, 0)
            eta = statmech.patterns.noisy_examples(xi, 3, 0.5, 0)
            for build in (
                statmech.HebbianNetwork.supervised,
                statmech.HebbianNetwork.unsupervised,
            ):
                network = build(eta, quality=0.5, archetypes=xi, order=order)
                statmech.sample(network, 1.0, n_sweeps=1, n_burn_in=0, n_threads=1)

    def simulate(self, point: LearningPoint) -> Mapping[str, Any]:
        traces = simulate_learning(point)
        return {
            name: (("pair", "draw") if name == "q" else _CHAIN, trace)
            for name, trace in traces.items()
        }

    def predict(self, point: LearningPoint) -> Mapping[str, Prediction]:
        return predict_learning(point)

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        return predict_learning(point, point.alpha)

    def memory(self, point: LearningPoint) -> int:
        return learning_bytes(point)

    def cost(self, point: LearningPoint) -> float:
        return _sweep_cost(point, point.n_examples) * (
            point.n_sweeps + point.n_burn_in + 10.0
        )

    def shortened(self, point: LearningPoint) -> LearningPoint:
        return replace(point, n_sweeps=min(point.n_sweeps, 2), n_burn_in=0)


class Demand(Measurement):
    """Fewest examples with which an archetype is retrieved to a given magnetisation.

    In each sample the number is found by bisection, which takes m to grow with it; more
    examples are added to the same ones.
    """

    name = "dense-min-examples"
    point: ClassVar[type[Any]] = DemandPoint
    observables: ClassVar[tuple[str, ...]] = ("min_examples",)
    figures: ClassVar[tuple[str, ...]] = ("demand", "curves")

    def warm(self) -> None:
        Learning().warm()

    def simulate(self, point: DemandPoint) -> Mapping[str, Any]:
        def enough(n_examples: int) -> bool:
            model = network_from_examples(
                point, point.protocol, n_examples, point.quality
            )
            trace = statmech.sample(
                model,
                point.temperature,
                n_sweeps=point.n_sweeps,
                n_burn_in=point.n_burn_in,
                n_chains=2,
                seed=point.seed,
                path=(*point.path, 2, n_examples),
                n_threads=1,
            )
            return float(trace.m.mean()) >= point.magnetization

        low, high = 0, 1
        while not enough(high):
            if high >= _MOST_EXAMPLES:
                raise StatmechError(f"{high} examples are not enough")
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return {"min_examples": (_CHAIN, np.full((1, 1), float(high)))}

    def predict(self, point: DemandPoint) -> Mapping[str, Prediction]:
        return {"min_examples": _least(point, point.realised_alpha)}

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        return {"min_examples": _least(point, point.alpha)}

    def memory(self, point: DemandPoint) -> int:
        return learning_bytes(_largest(point))

    def cost(self, point: DemandPoint) -> float:
        largest = _largest(point)
        sweeps = point.n_sweeps + point.n_burn_in + 10.0
        return 8.0 * _sweep_cost(largest, largest.n_examples) * sweeps

    def shortened(self, point: DemandPoint) -> DemandPoint:
        return replace(point, n_sweeps=min(point.n_sweeps, 2), n_burn_in=0)


def _least(point: DemandPoint, alpha: float) -> Prediction:
    return theory.find_min_examples(
        point.order,
        alpha,
        point.temperature,
        quality=point.quality,
        magnetization=point.magnetization,
        protocol=point.protocol,
        coincident=point.coincident,
    )


def _largest(point: DemandPoint) -> LearningPoint:
    """A network with more examples than the search will ask for: rho = 1/20."""
    m = min(_MOST_EXAMPLES, 2 + round(20.0 * (1.0 / point.quality**2 - 1.0)))
    return LearningPoint(
        alpha=point.alpha,
        n_spins=point.n_spins,
        order=point.order,
        coincident=point.coincident,
        temperature=point.temperature,
        n_sweeps=point.n_sweeps,
        n_burn_in=point.n_burn_in,
        protocol=point.protocol,
        n_examples=m,
        quality=point.quality,
    )


def _sweep_cost(point: Any, n_examples: int) -> float:
    """Operations of one sweep of two chains; drawing the examples is about ten."""
    rows = n_examples if point.protocol == "unsupervised" else point.order
    return 2.0 * point.n_spins * point.n_patterns * float(rows)
