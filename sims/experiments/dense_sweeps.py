"""What is swept for dense Hebbian networks: equilibrium, hysteresis, basins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

import statmech
from analytics.solve import Prediction
from sims.experiments.dense import (
    predict_retrieval,
    retrieval_bytes,
    simulate_retrieval,
)
from sims.experiments.dense_points import (
    CuePoint,
    LoopPoint,
    Network,
    Point,
    UltraPoint,
)
from sims.measurement import Measurement
from statmech.hebbian import load_unit

_CHAIN = ("chain", "draw")
_DIMS = {"m": _CHAIN, "q": ("pair", "draw"), "energy": _CHAIN, "acceptance": _CHAIN}


class _Dense(Measurement):
    """What the measurements of these networks share."""

    def warm(self) -> None:
        for order in (2, 3):
            patterns = statmech.patterns.rademacher(1, 2 * order, 0)
            network = statmech.HebbianNetwork(patterns, order)
            statmech.sample(network, 1.0, n_sweeps=1, n_burn_in=0, n_threads=1)

    def memory(self, point: Any) -> int:
        return retrieval_bytes(point)


class Retrieval(_Dense):
    """m, q and energy in the retrieval state: two replicas from the first pattern."""

    name = "dense-retrieval"
    point: ClassVar[type[Any]] = Point
    observables: ClassVar[tuple[str, ...]] = ("m", "q", "energy")
    figures: ClassVar[tuple[str, ...]] = (
        "curves",
        "finite-size",
        "basin",
        "storage-diagram",
    )

    def simulate(self, point: Point) -> Mapping[str, Any]:
        traces = simulate_retrieval(point)
        return {name: (_DIMS[name], trace) for name, trace in traces.items()}

    def predict(self, point: Point) -> Mapping[str, Prediction]:
        return predict_retrieval(point)

    def cost(self, point: Point) -> float:
        return _updates(point) * (point.n_sweeps + point.n_burn_in)

    def shortened(self, point: Point) -> Point:
        return replace(point, n_sweeps=min(point.n_sweeps, 4), n_burn_in=0)


class UltraStorage(Retrieval):
    """Retrieval with as many patterns as a network of another order could store.

    m of theory is given where the network has a retrieval state.
    """

    name = "dense-ultra-storage"
    point: ClassVar[type[Any]] = UltraPoint
    figures: ClassVar[tuple[str, ...]] = ("curves", "finite-size")

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        point = self.parse(parameters)
        unit, own = (
            load_unit(order, point.n_spins, point.coincident)
            for order in (point.load_order, point.order)
        )
        return predict_retrieval(point, point.alpha * (unit / own))


class Basin(_Dense):
    """m reached from a corrupted pattern, two independently corrupted copies."""

    name = "dense-basin"
    point: ClassVar[type[Any]] = CuePoint
    observables: ClassVar[tuple[str, ...]] = ("m",)
    figures: ClassVar[tuple[str, ...]] = ("curves", "finite-size", "basin")

    def simulate(self, point: CuePoint) -> Mapping[str, Any]:
        trace = statmech.sample(
            _network(point),
            point.temperature,
            n_sweeps=point.n_sweeps,
            n_burn_in=point.n_burn_in,
            n_chains=2,
            cue_overlap=point.cue_overlap,
            seed=point.seed,
            path=(*point.path, 0),
            n_threads=1,
        )
        return {"m": (_CHAIN, trace.m)}

    def predict(self, point: CuePoint) -> Mapping[str, Prediction]:
        """Of the retrieval state: where a cue inside the basin ends."""
        return {"m": predict_retrieval(point)["m"]}

    def cost(self, point: CuePoint) -> float:
        return _updates(point) * (point.n_sweeps + point.n_burn_in)

    def shortened(self, point: CuePoint) -> CuePoint:
        return replace(point, n_sweeps=min(point.n_sweeps, 4), n_burn_in=0)


class Hysteresis(_Dense):
    """m of a pattern that is heated through its transition and cooled again.

    One draw a temperature, at the end of its sweeps.
    """

    name = "dense-hysteresis"
    point: ClassVar[type[Any]] = LoopPoint
    observables: ClassVar[tuple[str, ...]] = ("m_heating", "m_cooling")
    figures: ClassVar[tuple[str, ...]] = ("hysteresis",)

    def simulate(self, point: LoopPoint) -> Mapping[str, Any]:
        n = point.n_temperatures
        up = point.highest * np.arange(1, n + 1) / n
        trace = statmech.anneal(
            _network(point),
            np.concatenate([up, up[::-1]]),
            sweeps_per_temperature=point.n_sweeps,
            n_chains=2,
            initial="pattern",
            seed=point.seed,
            path=(*point.path, 0),
            n_threads=1,
        )
        dims = ("chain", "step")
        return {
            "m_heating": (dims, trace.m[:, :n]),
            "m_cooling": (dims, trace.m[:, n:][:, ::-1]),
            "temperature": (("step",), up),
        }

    def cost(self, point: LoopPoint) -> float:
        return _updates(point) * 2 * point.n_temperatures * point.n_sweeps

    def shortened(self, point: LoopPoint) -> LoopPoint:
        return replace(point, n_temperatures=2, n_sweeps=2)


def _network(point: Network) -> statmech.HebbianNetwork:
    patterns = statmech.patterns.rademacher(
        point.n_patterns, point.n_spins, point.seed, path=point.path
    )
    return statmech.HebbianNetwork(patterns, point.order, coincident=point.coincident)


def _updates(point: Network) -> float:
    """Operations of one sweep of two chains: K an update."""
    return 2.0 * point.n_spins * point.n_patterns
