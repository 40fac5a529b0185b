"""What is swept for multitasking networks: states, one step of retrieval, losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

import analytics.multitask as theory
import statmech
from analytics.solve import Prediction
from sims.experiments.multitask import (
    as_predictions,
    network_of,
    simulate_states,
    solve_point,
    task_bytes,
)
from sims.experiments.multitask_points import TaskPoint
from sims.measurement import Measurement
from sims.point import Check, SamplePoint, integer, real
from statmech.errors import StatmechError

# One standard deviation of the noise: m1 reaches erf(1/sqrt(2)) of its largest value.
_THETA = 2.0**-0.5
_CONSECUTIVE = 3  # numbers of examples that must all do, to be called enough


class _Task(Measurement):
    """What the measurements of these networks share."""

    point: ClassVar[type[Any]] = TaskPoint

    def warm(self) -> None:
        patterns = statmech.patterns.diluted(2, 20, 0.5, 0)
        network = statmech.HebbianNetwork(patterns)
        statmech.sample(network, 1.0, n_sweeps=1, n_burn_in=0, n_threads=1)

    def memory(self, point: Any) -> int:
        return task_bytes(point)

    def cost(self, point: Any) -> float:
        rows = point.n_examples if point.protocol == "unsupervised" else 1
        per_update = 2.0 + (1.0 - point.dilution) * point.n_patterns * rows
        return 2.0 * point.n_spins * (point.n_sweeps + point.n_burn_in) * per_update

    def shortened(self, point: Any) -> Any:
        return replace(point, n_sweeps=min(point.n_sweeps, 2), n_burn_in=0)


class States(_Task):
    """Amplitudes m1 >= m2 >= ... of all patterns, and energy, of two chains."""

    name = "multitask-states"
    observables: ClassVar[tuple[str, ...]] = (
        *(f"m{mu}" for mu in range(1, 13)),
        "energy",
    )
    figures: ClassVar[tuple[str, ...]] = ("amplitudes", "regions", "noise", "curves")

    def simulate(self, point: TaskPoint) -> Mapping[str, Any]:
        amplitudes, energy = simulate_states(point)
        dims = ("chain", "draw")
        named = {f"m{mu}": (dims, m) for mu, m in enumerate(amplitudes, start=1)}
        return {**named, "energy": (dims, energy)}

    def predict(self, point: TaskPoint) -> Mapping[str, Prediction]:
        return as_predictions(solve_point(point))


class Losses(_Task):
    """Energy, and the products of the losses L+ L- summed over the patterns.

    One chain that relaxes from random spins, a draw a sweep; both are computed from
    the configuration itself, each in its own way.
    """

    name = "multitask-losses"
    observables: ClassVar[tuple[str, ...]] = ("energy", "losses")
    figures: ClassVar[tuple[str, ...]] = ("losses",)

    def simulate(self, point: TaskPoint) -> Mapping[str, Any]:
        network = network_of(point)
        xi = network.patterns
        energies, products = [], []
        trace = statmech.sample(
            network,
            point.temperature,
            n_sweeps=1,
            n_burn_in=0,
            n_chains=1,
            initial="random",
            seed=point.seed,
            path=(*point.path, 1),
            n_threads=1,
        )
        for _ in range(point.n_sweeps):
            plus, minus = statmech.observables.losses(trace.spins[0], xi)
            energies.append(trace.energy[0, -1])
            products.append(float(plus @ minus))
            trace = statmech.extend(network, trace, n_sweeps=1, n_threads=1)
        activity = np.count_nonzero(xi, axis=1) / point.n_spins
        return {
            "energy": ("draw", np.array(energies)),
            "losses": ("draw", np.array(products)),
            "activity": ("pattern", activity),
        }


@dataclass(frozen=True, kw_only=True)
class StepPoint(SamplePoint):
    """How many examples one step of retrieval needs, in one sample.

    Parameters
    ----------
    n_patterns, dilution, quality, n_spins
        K, d, r, N as in `TaskPoint`.
    """

    family: ClassVar[str] = "multitask-step"
    checks: ClassVar[Mapping[str, Check]] = {
        **SamplePoint.checks,
        "n_patterns": integer(1, 12),
        "dilution": real(0.0, 1.0, high_open=True),
        "quality": real(0.02, 1.0, high_open=True),
        "n_spins": integer(10, 10**6),
    }

    n_patterns: int
    dilution: float
    quality: float
    n_spins: int


class MinExamples(Measurement):
    """Fewest examples with which one noiseless step keeps the hierarchical state.

    Kept means m1 >= erf(1/sqrt(2)) (1 - d) after one parallel update from the
    hierarchical state of the archetypes, with this number of examples and the two
    next larger ones.
    """

    name = "multitask-min-examples"
    point: ClassVar[type[Any]] = StepPoint
    observables: ClassVar[tuple[str, ...]] = ("min_examples",)

    def simulate(self, point: StepPoint) -> Mapping[str, Any]:
        most = _most_examples(point)
        address = (*point.path, 0)
        xi = statmech.patterns.class_exact(
            point.n_patterns,
            point.n_spins,
            point.dilution,
            point.seed,
            path=(*address, 0),
        )
        eta = statmech.patterns.noisy_examples(
            xi, most, point.quality, point.seed, path=(*address, 1)
        )
        draw = statmech.rng.generator(point.seed, (*address, 2))
        spins = statmech.patterns.hierarchical(xi)
        free = 2 * draw.integers(0, 2, point.n_spins) - 1
        spins = np.where(spins == 0, free, spins).astype(np.int8)
        goal = math.erf(_THETA) * (1.0 - point.dilution)
        good = 0
        for m in range(1, most + 1):
            network = statmech.HebbianNetwork.supervised(
                np.ascontiguousarray(eta[:, :m]), quality=point.quality, archetypes=xi
            )
            after = statmech.observables.one_step(
                network, spins, ties="random", seed=point.seed, path=(*address, 3, m)
            )
            m1 = float(xi[0].astype(np.int64) @ after) / point.n_spins
            good = good + 1 if m1 >= goal else 0
            if good == _CONSECUTIVE:
                return {"min_examples": float(m - _CONSECUTIVE + 1)}
        raise StatmechError(f"{most} examples are not enough for one step")

    def predict(self, point: StepPoint) -> Mapping[str, Prediction]:
        """Exact for N -> infinity: binomial examples and exact cross-talk."""
        return {
            "min_examples": theory.find_min_examples(
                point.n_patterns, point.dilution, point.quality, law="binomial"
            )
        }

    def memory(self, point: StepPoint) -> int:
        return (2 * _most_examples(point) + 40) * point.n_patterns * point.n_spins

    def cost(self, point: StepPoint) -> float:
        most = _most_examples(point)
        return float(point.n_patterns * point.n_spins) * most * most

    def shortened(self, point: StepPoint) -> StepPoint:
        return replace(point, n_spins=max(10, point.n_spins // 20))


def _most_examples(point: StepPoint) -> int:
    """Where the search gives up: well beyond rho = 1, which is where it ends."""
    noise = (1.0 - point.quality**2) / point.quality**2
    return 10 + math.ceil(4.0 * noise)
