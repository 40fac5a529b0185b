"""Samplers that run the same system: the public API, and the naive twins.

All share one protocol: `load` a state (R, N) of +-1, `advance` it by whole sweeps,
read it back as `spins`. Only `advance` is timed, or the part of it that a peer says is
its sampling.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import statmech


@dataclass(frozen=True)
class System:
    """What is sampled: N spins, K patterns, order P, T in the package's units."""

    n: int
    k: int
    order: int
    temperature: float
    n_chains: int = 1
    n_threads: int = 1
    dilution: float = 0.0

    @property
    def dynamics(self) -> str:
        return "heat-bath" if self.order == 2 else "metropolis"

    @cached_property
    def network(self) -> statmech.HebbianNetwork:
        if self.dilution:
            xi = statmech.patterns.diluted(self.k, self.n, self.dilution, seed=1)
        else:
            xi = statmech.patterns.rademacher(self.k, self.n, seed=1)
        # The naive energy at P >= 3 is the plain power, coincident indices and all.
        convention = "exclude" if self.order == 2 else "keep"
        return statmech.HebbianNetwork(xi, self.order, coincident=convention)

    @cached_property
    def rows(self) -> Any:
        """Patterns (N, K) in float64."""
        return np.ascontiguousarray(self.network.patterns.T, dtype=np.float64)

    @cached_property
    def couplings(self) -> Any:
        """J (N, N) of the Hopfield network without self-coupling."""
        j = self.rows @ self.rows.T
        j /= self.n - 1
        np.fill_diagonal(j, 0.0)
        return j

    def sample(self, n_sweeps: int, n_burn_in: int, **options: Any) -> Any:
        """One call of the public API that records every sweep, as its users do."""
        return statmech.sample(
            self.network,
            self.temperature,
            n_sweeps=n_sweeps,
            n_burn_in=n_burn_in,
            dynamics=self.dynamics,
            n_threads=self.n_threads,
            **options,
        )


class Contestant:
    """One sampler of one system.

    It is timed `stretch` times as long as the others; `shortest` is a number of sweeps
    to begin with when its speed is looked for.
    """

    label: str
    stretch = 1.0
    shortest = 1

    def load(self, spins: Any) -> None:
        """Begin from these (R, N)."""
        raise NotImplementedError

    def advance(self, n_sweeps: int) -> float:
        """Make the sweeps; the fraction of accepted updates, nan if it is not told."""
        raise NotImplementedError

    def timed(self, n_sweeps: int) -> tuple[float, float]:
        """Seconds of `advance`, and what it returned."""
        begin = time.perf_counter()
        accepted = self.advance(n_sweeps)
        return time.perf_counter() - begin, accepted

    @property
    def spins(self) -> Any:
        """The state now, (R, N) int8."""
        raise NotImplementedError


class Package(Contestant):
    """`statmech.sample`, set-up of the call included."""

    label = "package"

    def __init__(self, system: System) -> None:
        self.system, self.calls = system, 0

    def load(self, spins: Any) -> None:
        self.state = spins

    def advance(self, n_sweeps: int) -> float:
        self.calls += 1
        trace = self.system.sample(
            n_sweeps,
            0,
            n_chains=self.state.shape[0],
            initial=self.state,
            seed=self.calls,
        )
        self.state = trace.spins
        return float(trace.acceptance.mean())

    @property
    def spins(self) -> Any:
        return self.state


class Naive(Contestant):
    """A function of `benchmarks.naive` or `benchmarks.loops` on one system.

    `form` says what the function reads: "overlaps" (rows, s, m), "power" (rows, p, s,
    m) or "couplings" (j, s), one chain a call; "all couplings" and "all overlaps"
    take every chain in one call.
    """

    def __init__(
        self, system: System, label: str, function: Callable[..., int], form: str
    ) -> None:
        self.system, self.label = system, label
        self.function, self.form = function, form

    def load(self, spins: Any) -> None:
        # Chains in rows, but in columns where one call updates all of them.
        s = spins.astype(np.float64)
        rows = self.system.rows
        if self.form == "all overlaps":
            self.states = [(rows, np.ascontiguousarray(s.T), rows.T @ s.T)]
        elif self.form == "all couplings":
            self.states = [(self.system.couplings, s)]
        elif self.form == "couplings":
            self.states = [(self.system.couplings, one) for one in s]
        elif self.form == "power":
            p = self.system.order
            self.states = [(rows, p, one, one @ rows) for one in s]
        else:
            self.states = [(rows, one, one @ rows) for one in s]
        self.loaded = s

    def advance(self, n_sweeps: int) -> float:
        n, beta = self.system.n, 1.0 / self.system.temperature
        accepted = sum(self.function(*x, beta, n_sweeps * n) for x in self.states)
        return accepted / (n_sweeps * self.loaded.size)

    @property
    def spins(self) -> Any:
        if self.form == "all overlaps":
            return self.states[0][1].T.astype(np.int8)
        return self.loaded.astype(np.int8)
