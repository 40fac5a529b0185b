"""Installable samplers on the same system; each is optional (`pip install '.[bench]'`).

A peer that cannot be imported raises `ImportError` when it is made. Making the
couplings, converting states and copying what the peer copies is not timed; where the
peer itself sets up inside the call, only its sampling is.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from benchmarks.contestants import Contestant, System


class Dwave(Contestant):
    """dwave-samplers: heat bath at random sites, fields of all spins kept.

    A call converts 8 million couplings for seconds before it samples, so the clock
    starts when the first read is over and stops after the last. What it sets up
    and sums for every read is of order N**2; long reads make that small.
    """

    def __init__(self, system: System, label: str) -> None:
        import dimod
        from dwave.samplers import SimulatedAnnealingSampler

        self.system, self.label, self.calls = system, label, 0
        i, j = np.triu_indices(system.n, 1)
        # Its energy is +sum_{i<j} J_ij s_i s_j.
        self.model = dimod.BinaryQuadraticModel.from_numpy_vectors(
            np.zeros(system.n), (i, j, -system.couplings[i, j]), 0.0, "SPIN"
        )
        self.sampler = SimulatedAnnealingSampler()
        self.stretch = 2.0 if system.n_chains == 1 else 10.0

    def load(self, spins: Any) -> None:
        self.state = spins

    def _run(self, n_sweeps: int) -> list[float]:
        """Sample; the times at which the reads ended."""
        n_chains = self.state.shape[0]
        initial = self.state if n_chains > 1 else self.state.repeat(2, axis=0)
        ends: list[float] = []
        self.calls += 1
        reads = self.sampler.sample(
            self.model,
            num_reads=initial.shape[0],
            initial_states=(initial, range(self.system.n)),
            initial_states_generator="none",
            beta_schedule_type="custom",
            beta_schedule=[1.0 / self.system.temperature],
            num_sweeps_per_beta=n_sweeps,
            randomize_order=True,
            proposal_acceptance_criteria="Gibbs",
            # Any seed: 31 bits of a Weyl sequence, since neighbours begin alike.
            seed=self.calls * 0x9E3779B1 % 2**31,
            interrupt_function=lambda: ends.append(time.perf_counter()),
        )
        order = np.argsort(np.array(list(reads.variables)))
        self.state = reads.record.sample[-n_chains:, order].astype(np.int8)
        return ends

    def advance(self, n_sweeps: int) -> float:
        self._run(n_sweeps)
        return float("nan")

    def timed(self, n_sweeps: int) -> tuple[float, float]:
        n_chains = self.state.shape[0]
        ends = self._run(n_sweeps)
        return (ends[-1] - ends[0]) * n_chains / (len(ends) - 1), float("nan")

    @property
    def spins(self) -> Any:
        return self.state


class OpenJij(Contestant):
    """openjij's compiled core: Metropolis, sites in order, cost of all flips kept."""

    def __init__(self, system: System, label: str) -> None:
        from openjij import cxxjij

        self.system, self.label, self.calls = system, label, 0
        self.core = cxxjij
        n = system.n
        # One more spin, fixed, carries external fields; its own entry has to be 1.
        couplings = np.zeros((n + 1, n + 1))
        couplings[:n, :n] = -system.couplings
        couplings[n, n] = 1.0
        graph = cxxjij.graph.Dense(n)
        graph.set_interaction_matrix(couplings)
        self.ising = cxxjij.system.make_classical_ising([1] * n, graph)

    def load(self, spins: Any) -> None:
        self.state = spins.copy()

    def timed(self, n_sweeps: int) -> tuple[float, float]:
        schedule = [(1.0 / self.system.temperature, n_sweeps)]
        seconds = 0.0
        for chain in self.state:
            self.calls += 1
            self.ising.reset_spins(chain.tolist())
            begin = time.perf_counter()
            self.core.algorithm.Algorithm_SingleSpinFlip_run(
                self.ising, self.calls, schedule
            )
            seconds += time.perf_counter() - begin
            chain[:] = np.asarray(self.ising.spin)[: self.system.n]
        return seconds, float("nan")

    def advance(self, n_sweeps: int) -> float:
        return self.timed(n_sweeps)[1]

    @property
    def spins(self) -> Any:
        return self.state


class Jax(Contestant):
    """JAX on the CPU: a loop of `benchmarks.jax_loops`, compiled before it is timed."""

    ahead = False

    def __init__(self, system: System, label: str) -> None:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax

        from benchmarks import jax_loops

        self.system, self.label, self.jax = system, label, jax
        self.loop = (
            jax_loops.overlap_loop if system.order == 2 else jax_loops.power_loop
        )
        self.rows = jax.numpy.asarray(system.rows, dtype=np.float32)
        self.key = jax.random.key(0)

    def load(self, spins: Any) -> None:
        patterns = self.system.network.patterns
        m = (spins.astype(np.float64) @ patterns.T).astype(np.float32)
        array = self.jax.numpy.asarray
        self.states = [(array(a), array(b)) for a, b in zip(spins, m, strict=True)]

    def advance(self, n_sweeps: int) -> float:
        beta = 1.0 / self.system.temperature
        accepted = 0
        for r, (s, m) in enumerate(self.states):
            self.key, key = self.jax.random.split(self.key)
            s, m, count = self.loop(
                self.rows, s, m, beta, self.system.order, n_sweeps, key, self.ahead
            )
            accepted += int(count)
            self.states[r] = (s, m)
        return accepted / (n_sweeps * self.system.n * len(self.states))

    @property
    def spins(self) -> Any:
        return np.array([np.asarray(s) for s, _ in self.states])


class JaxAhead(Jax):
    """The same with all random numbers of a call drawn in advance."""

    ahead = True
