"""The workloads: which system, from which state, beside whom, and the goals.

Loads and temperatures are in the package's units. The dense workloads were laid down
for E = -N**(1-P) sum_mu S_mu**P; the package divides that by P, so T is divided too.

`bound` turns the rates of `benchmarks.probes` into the least time, in ns, in which one
core can make an update: what has to be read from the cache it lies in and the
operations that the formula needs, the longest of them where they overlap. It is not
what any kernel reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import statmech
from benchmarks import loops, naive, peers
from benchmarks.contestants import Contestant, Naive, System
from benchmarks.probes import Limits


@dataclass(frozen=True)
class Twin:
    """A naive competitor and how many times faster the package means to be."""

    label: str
    function: Callable[..., int]
    form: str
    goal: float | None = None
    same_dynamics = True

    def on(self, system: System) -> Contestant:
        return Naive(system, self.label, self.function, self.form)


@dataclass(frozen=True)
class Peer:
    """An installable competitor; `on` raises `ImportError` without it."""

    label: str
    sampler: Callable[[System, str], Contestant]
    goal: float | None = None
    same_dynamics: bool = True

    def on(self, system: System) -> Contestant:
        return self.sampler(system, self.label)


@dataclass(frozen=True)
class Case:
    """One workload; `burn_in` sweeps from `initial` make the state that is timed."""

    name: str
    text: str
    system: System
    initial: str
    burn_in: int
    expected_acceptance: float | None
    bound: Callable[[Limits], float]
    bound_text: str
    rivals: tuple[Twin | Peer, ...]

    def bound_rate(self, limits: Limits) -> float:
        """The bound in updates a second, on all threads that the workload uses."""
        return 1e9 * self.system.n_threads / self.bound(limits)

    def start(self) -> Any:
        """The thermalised state (R, N)."""
        system = self.system
        spins = self.initial
        if spins == "annealed":
            spins = statmech.anneal(
                system.network,
                np.geomspace(4.0, system.temperature, 15),
                sweeps_per_temperature=20,
                n_chains=system.n_chains,
                dynamics=system.dynamics,
                seed=2,
                n_threads=1,
            ).spins
        return system.sample(
            1, self.burn_in, n_chains=system.n_chains, initial=spins, seed=3
        ).spins

    @property
    def small(self) -> System:
        """The same law on few spins where everything moves, to test rivals on."""
        pairwise = self.system.order == 2
        blanks = self.system.dilution
        return System(
            n=24,
            k=(5 if blanks else 12) if pairwise else 40,
            order=self.system.order,
            temperature=(0.6 if blanks else 1.5) if pairwise else 0.6,
            dilution=blanks,
        )


OVERLAP, NUMPY = "Numba overlaps", "NumPy overlaps"
REPLICAS = "NumPy all replicas"
DWAVE, OPENJIJ = "dwave-samplers", "openjij core"
JAX, AHEAD = "jax, key split an update", "jax, numbers drawn ahead"


def _jax(goal: float) -> tuple[Peer, ...]:
    return Peer(JAX, peers.Jax, goal), Peer(AHEAD, peers.JaxAhead)


def _power(
    pow_goal: float, product_goal: float | None, numpy_goal: float
) -> tuple[Twin, ...]:
    return (
        Twin("Numba m ** P, P an argument", naive.power_form, "power", pow_goal),
        Twin("Numba product of P factors", naive.product_form, "power", product_goal),
        Twin("Numba m ** 4 in the text", naive.quartic_form, "overlaps"),
        Twin("NumPy m ** P", loops.power_loop, "power", numpy_goal),
    )


CASES = (
    Case(
        "W1",
        "Hopfield N=4000 K=400 T=0.3, from random",
        System(4000, 400, 2, 0.3),
        "random",
        1000,
        0.065,
        lambda x: max(400 / x.l3_bytes, 400 / x.multiply_adds, 1 / x.trials_l1),
        "the longest of: 400 B of a pattern row from L3, 400 multiply-adds, a trial",
        (
            Peer(DWAVE, peers.Dwave, 8),
            Peer(OPENJIJ, peers.OpenJij, 8, same_dynamics=False),
            Twin(OVERLAP, naive.overlap_form, "overlaps", 12),
            Twin("Numba dense J", naive.dense_form, "couplings", 150),
            Twin(NUMPY, loops.overlap_loop, "overlaps", 200),
        ),
    ),
    Case(
        "W1c",
        "Hopfield N=4000 K=400 T=0.1, from a pattern",
        System(4000, 400, 2, 0.1),
        "pattern",
        200,
        0.001,
        lambda x: 1 / x.trials_l1,
        "a trial that reads its field and is rejected without an exponential",
        (
            Peer(DWAVE, peers.Dwave),
            Peer(OPENJIJ, peers.OpenJij, 2, same_dynamics=False),
            Twin(OVERLAP, naive.overlap_form, "overlaps", 45),
            Twin(NUMPY, loops.overlap_loop, "overlaps"),
        ),
    ),
    Case(
        "W2",
        "Hopfield N=1000 K=50 T=0.3, 100 replicas, 2 threads",
        System(1000, 50, 2, 0.3, n_chains=100, n_threads=2),
        "random",
        300,
        None,
        lambda x: 100 / x.multiply_adds + 1 / x.trials_lane,
        "2 K multiply-adds and the noise of one lane, two cores",
        (
            Peer(DWAVE, peers.Dwave, 20),
            Peer(OPENJIJ, peers.OpenJij, 9, same_dynamics=False),
            Twin("Numba dense J, prange", naive.dense_replicas, "all couplings", 100),
            Twin(REPLICAS, loops.replica_loop, "all overlaps", 65),
        ),
    ),
    Case(
        "W3",
        "dense P=4 N=100 K=50000 T=0.075, annealed",
        System(100, 50_000, 4, 0.3 / 4),
        "annealed",
        200,
        0.002,
        lambda x: max(75_000 / x.l2_bytes, 50_000 / x.multiply_adds),
        "the longer of: 50 KB of a row and a quarter of 100 KB of kept terms from L2, "
        "50000 multiply-adds",
        (*_jax(45), *_power(150, 75, 4000)),
    ),
    Case(
        "W3h",
        "dense P=4 N=100 K=50000 T=0.75, annealed",
        System(100, 50_000, 4, 3.0 / 4),
        "annealed",
        100,
        0.21,
        lambda x: max(150_000 / x.l2_bytes, 50_000 / x.multiply_adds),
        "50 KB of a row and 100 KB of kept terms from L2",
        (*_jax(20), *_power(70, None, 2000)),
    ),
    Case(
        "W4",
        "dense P=4 N=2000 K=200 T=0.075, from a pattern",
        System(2000, 200, 4, 0.3 / 4),
        "pattern",
        50,
        0.0,
        lambda x: 200 / x.multiply_adds + 1 / x.trials_l1,
        "200 multiply-adds and a trial",
        (*_jax(120), *_power(30, None, 1500)),
    ),
    Case(
        "W4h",
        "dense P=4 N=2000 K=200 T=0.5, from a pattern",
        System(2000, 200, 4, 2.0 / 4),
        "pattern",
        50,
        1.0,
        lambda x: 600 / x.multiply_adds + 1 / x.trials_l1,
        "200 multiply-adds to weigh, 400 to move and renew the kept terms, a trial",
        (*_jax(15), *_power(5, None, 200)),
    ),
    Case(
        "W5",
        "diluted d=0.25 N=100000 K=5 T=0.3, hierarchical",
        System(100_000, 5, 2, 0.3, dilution=0.25),
        "hierarchical",
        10,
        None,
        lambda x: 1 / x.trials_l2,
        "a trial that reads its row and spin from L2 and is rejected",
        (
            *_jax(700),
            Twin("Numba overlaps", naive.diluted_form, "overlaps", 2.5),
            Twin(NUMPY, loops.overlap_loop, "overlaps", 500),
        ),
    ),
    Case(
        "W5r",
        "diluted d=0.25 N=100000 K=5 T=0.3, 128 replicas, 2 threads",
        System(100_000, 5, 2, 0.3, n_chains=128, n_threads=2, dilution=0.25),
        "hierarchical",
        10,
        None,
        lambda x: 10 / x.multiply_adds + 1 / x.trials_lane,
        "2 K multiply-adds and the noise of one lane, two cores",
        (Twin(REPLICAS, loops.replica_loop, "all overlaps", 40),),
    ),
)
