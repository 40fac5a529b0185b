"""What is swept for multitasking networks: amplitudes of all patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import statmech
from analytics.solve import Prediction
from sims.experiments.multitask import (
    as_predictions,
    simulate_states,
    solve_point,
    task_bytes,
)
from sims.experiments.multitask_points import TaskPoint
from sims.measurement import Measurement


class States(Measurement):
    """Amplitudes m1 >= m2 >= ... of all patterns, and energy, of two chains."""

    name = "multitask-states"
    point: ClassVar[type[Any]] = TaskPoint
    observables: ClassVar[tuple[str, ...]] = (
        *(f"m{mu}" for mu in range(1, 13)),
        "energy",
    )
    figures: ClassVar[tuple[str, ...]] = ("amplitudes", "regions", "curves")

    def warm(self) -> None:
        patterns = statmech.patterns.diluted(2, 20, 0.5, 0)
        network = statmech.HebbianNetwork(patterns)
        statmech.sample(network, 1.0, n_sweeps=1, n_burn_in=0, n_threads=1)

    def simulate(self, point: TaskPoint) -> Mapping[str, Any]:
        amplitudes, energy = simulate_states(point)
        dims = ("chain", "draw")
        named = {f"m{mu}": (dims, m) for mu, m in enumerate(amplitudes, start=1)}
        return {**named, "energy": (dims, energy)}

    def predict(self, point: TaskPoint) -> Mapping[str, Prediction]:
        return as_predictions(solve_point(point))

    def memory(self, point: TaskPoint) -> int:
        return task_bytes(point)

    def cost(self, point: TaskPoint) -> float:
        rows = point.n_examples if point.protocol == "unsupervised" else 1
        per_update = 2.0 + (1.0 - point.dilution) * point.n_patterns * rows
        return 2.0 * point.n_spins * (point.n_sweeps + point.n_burn_in) * per_update

    def shortened(self, point: TaskPoint) -> TaskPoint:
        return replace(point, n_sweeps=min(point.n_sweeps, 2), n_burn_in=0)
