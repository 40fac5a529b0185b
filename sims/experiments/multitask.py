"""Multitasking networks: several diluted patterns at once, theory and simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import analytics.multitask as theory
import statmech
from analytics.multitask import State
from analytics.solve import Prediction
from sims.experiment import Traces
from sims.experiments.multitask_points import TaskPoint
from sims.two_sizes import TwoSizes
from statmech.chains import chains_bytes
from statmech.errors import ParameterError
from statmech.rng import generator
from statmech.status import Status

_DEFAULT_SPINS = 40_000
_SMALLER = 0.5
# Below this number of examples the lattice of their mean matters.
_FEW_EXAMPLES = 20
_DISORDER, _RUN = 0, 1  # branches of a point's seed path


class Multitask(TwoSizes):
    """States of K diluted patterns at low load, stored or learnt from examples.

    Magnetisations are compared as amplitudes, |m_mu| of each chain averaged over its
    draws and sorted: m1 >= m2 >= ...

    Parameters
    ----------
    n_patterns, dilution, temperature
        K, d, T of `TaskPoint`, which has the other parameters.
    n_spins : int, optional
        Larger size, default 40000; the other is half of it.
    n_samples : int, optional
        Disorder samples a size, at least 6; default 8 (6 with `quick`).
    quick : bool
        Smaller budget.

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where theory finds the start's state unstable, or has no state.
    """

    name: ClassVar[str] = "multitask"
    point: ClassVar[type[Any]] = TaskPoint
    required: ClassVar[tuple[str, ...]] = ("n_patterns", "dilution", "temperature")
    planted: str = "a theory at a higher temperature"

    def __init__(
        self,
        *,
        n_spins: int | None = None,
        n_samples: int | None = None,
        quick: bool = False,
        **parameters: Any,
    ) -> None:
        self._read_budget(parameters, n_samples, quick, (8, 6))
        if n_spins is None:
            n_spins = _DEFAULT_SPINS // (4 if quick else 1)
        self._largest = TaskPoint(n_spins=n_spins, **parameters)
        k = self._largest.n_patterns
        self.observables = (*(f"m{mu}" for mu in range(1, k + 1)), "energy")
        smaller = max(2, round(_SMALLER * self._largest.n_spins))
        self._smallest = replace(self._largest, n_spins=smaller)
        state = solve_point(self._largest)
        if not state.status.ok or not state.stable:
            reason = str(state.status) if not state.status.ok else "it is unstable"
            raise ParameterError(
                "start",
                self._largest.start,
                "a start from which theory finds a stable state here",
                f"{reason}; the lowest eigenvalue is "
                f"{float(np.min(state.hessian_eigenvalues)):.3g}",
            )

    def simulate(self, point: TaskPoint) -> Traces:
        amplitudes, energy = simulate_states(point)
        named = {f"m{mu}": m for mu, m in enumerate(amplitudes, start=1)}
        return {**named, "energy": energy}

    def memory(self, point: TaskPoint) -> int:
        return task_bytes(point)

    def kept(self, point: TaskPoint) -> int:
        return 16 * (point.n_patterns + 1) * point.n_sweeps

    def count_escaped(
        self, traces: Traces, theory: Mapping[str, Prediction]
    ) -> tuple[int, int]:
        """Escaped: the largest amplitude below half of the predicted one."""
        means = traces["m1"].mean(axis=1)
        return int((means < 0.5 * theory["m1"].value).sum()), means.size

    def predict(self, point: TaskPoint) -> Mapping[str, Prediction]:
        return as_predictions(solve_point(point))

    def plant(self, point: TaskPoint) -> Mapping[str, Prediction]:
        """The theory at a temperature that is higher by sqrt(2), and by 0.1 T_c."""
        hot = 2.0**0.5 * point.temperature + 0.1 * (1.0 - point.dilution)
        return as_predictions(solve_point(point, temperature=hot))


def solve_point(point: TaskPoint, temperature: float | None = None) -> State:
    """The state that theory reaches from the point's start, N -> infinity.

    The law of the examples is exact as long as its lattice is small enough, Gaussian
    beyond.
    """
    t = point.temperature if temperature is None else temperature
    k, d = point.n_patterns, point.dilution
    if point.protocol == "storage":
        return theory.solve(k, d, t, start=point.start)
    few = point.n_examples <= _FEW_EXAMPLES and k <= 3
    return theory.solve_learning(
        k,
        d,
        t,
        n_examples=point.n_examples,
        quality=point.quality,
        protocol=point.protocol,
        law="binomial" if few or k <= 2 else "gaussian",
        start=point.start,
    )


def as_predictions(state: State) -> dict[str, Prediction]:
    """Sorted amplitudes and energy; none where the state is not stable."""
    status = state.status
    if status.ok and not state.stable:
        status = Status.NO_BRANCH
    sizes = np.sort(np.abs(state.m))[::-1]
    named = {f"m{mu}": float(m) for mu, m in enumerate(sizes, start=1)}
    values = {**named, "energy": state.energy}
    if not status.ok:
        return {name: Prediction.missing(status) for name in values}
    error = max(state.error, 1e-15)
    return {name: Prediction(v, error, status) for name, v in values.items()}


def network_of(point: TaskPoint) -> statmech.HebbianNetwork:
    """The network of the point's disorder sample."""
    draw = (
        statmech.patterns.class_exact
        if point.patterns == "class-exact"
        else statmech.patterns.diluted
    )
    address = (*point.path, _DISORDER)
    xi = draw(
        point.n_patterns, point.n_spins, point.dilution, point.seed, path=(*address, 0)
    )
    if point.protocol == "storage":
        return statmech.HebbianNetwork(xi)
    eta = statmech.patterns.noisy_examples(
        xi, point.n_examples, point.quality, point.seed, path=(*address, 1)
    )
    build = (
        statmech.HebbianNetwork.supervised
        if point.protocol == "supervised"
        else statmech.HebbianNetwork.unsupervised
    )
    return build(eta, quality=point.quality, archetypes=xi)


def first_spins(network: statmech.HebbianNetwork, point: TaskPoint) -> Any:
    """Where the chains begin: a name that `sample` knows, or the states (2, N)."""
    if point.start == "hierarchical":
        return "hierarchical"
    if point.start == "pure":
        return "pattern"
    total = network.patterns.sum(axis=0, dtype=np.int64)
    draw = generator(point.seed, (*point.path, _DISORDER, 2))
    random = 2 * draw.integers(0, 2, (2, point.n_spins)) - 1
    return np.where(total == 0, random, np.sign(total)).astype(np.int8)


def simulate_states(
    point: TaskPoint,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(amplitudes (K, chain, draw), energy (chain, draw)) of two chains.

    In each chain the patterns are sorted by the size of their time average and turned
    positive: labels and signs are free, amplitudes are not.
    """
    network = network_of(point)
    trace = statmech.sample(
        network,
        point.temperature,
        n_sweeps=point.n_sweeps,
        n_burn_in=point.n_burn_in,
        n_chains=2,
        initial=first_spins(network, point),
        seed=point.seed,
        path=(*point.path, _RUN),
        track=range(point.n_patterns),
        ties="random",
        n_threads=1,
    )
    overlaps = trace.overlaps  # (chain, draw, pattern)
    means = overlaps.mean(axis=1)
    order = np.argsort(-np.abs(means), axis=1, kind="stable")
    signs = np.where(np.take_along_axis(means, order, axis=1) < 0.0, -1.0, 1.0)
    sorted_m = np.take_along_axis(overlaps, order[:, None, :], axis=2)
    return np.moveaxis(sorted_m * signs[:, None, :], 2, 0).copy(), trace.energy


def task_bytes(point: TaskPoint) -> int:
    """Peak memory of one point in bytes, beyond what the process has anyway."""
    k, n = point.n_patterns, point.n_spins
    n_rows = k * (point.n_examples if point.protocol == "unsupervised" else 1)
    examples = 0 if point.protocol == "storage" else k * n * point.n_examples
    run = chains_bytes(n_rows, n, n_chains=2, n_draws=point.n_sweeps, n_tracked=k)
    # Rows once as they are and once by their nonzeros, with a place and a weight each.
    return examples + (12 * n_rows + k + 24) * n + run
