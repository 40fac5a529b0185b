"""The workloads: which system, from which state, beside which twins, and the goals.

Loads and temperatures are in the package's units. The dense workloads were laid down
for E = -N**(1-P) sum_mu S_mu**P; the package divides that by P, so T is divided too.

`bound` is the rate, in M updates/s, at which the bytes and operations that one update
needs would pass through one core (times the threads used): derived from bandwidths
measured on a quiet AMD EPYC (Zen 5, AVX-512), not from what any kernel reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import statmech
from benchmarks import loops, naive
from benchmarks.contestants import Naive, System


@dataclass(frozen=True)
class Twin:
    """A naive competitor and how many times faster the package means to be."""

    label: str
    function: Callable[..., int]
    form: str
    goal: float | None = None

    def on(self, system: System) -> Naive:
        return Naive(system, self.label, self.function, self.form)


@dataclass(frozen=True)
class Case:
    """One workload; `burn_in` sweeps from `initial` make the state that is timed."""

    name: str
    text: str
    system: System
    initial: str
    burn_in: int
    expected_acceptance: float | None
    bound: float | None
    bound_text: str
    twins: tuple[Twin, ...]

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
        """The same law on few spins where everything moves, to test twins on."""
        pairwise = self.system.order == 2
        return System(
            n=24,
            k=12 if pairwise else 40,
            order=self.system.order,
            temperature=1.5 if pairwise else 0.6,
        )


def _power(pow_goal, product_goal, numpy_goal) -> tuple[Twin, ...]:
    return (
        Twin("Numba m ** P, P an argument", naive.power_form, "power", pow_goal),
        Twin("Numba product of P factors", naive.product_form, "power", product_goal),
        Twin("Numba m ** 4 in the text", naive.quartic_form, "overlaps"),
        Twin("NumPy m ** P", loops.power_loop, "power", numpy_goal),
    )


OVERLAP = "Numba overlaps"
NUMPY = "NumPy overlaps"

CASES = (
    Case(
        "W1",
        "Hopfield N=4000 K=400 T=0.3, from random",
        System(4000, 400, 2, 0.3),
        "random",
        1000,
        0.065,
        200.0,
        "pattern row from L3",
        (
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
        230.0,
        "one load, one exp: scalar floor 4.3 ns",
        (
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
        1000.0,
        "2 K fused multiply-adds + vector noise, 2 ns a core, 2 cores",
        (
            Twin("Numba dense J, prange", naive.dense_replicas, "all couplings", 100),
            Twin("NumPy all replicas", loops.replica_loop, "all overlaps", 65),
        ),
    ),
    Case(
        "W3",
        "dense P=4 N=100 K=50000 T=0.075, annealed",
        System(100, 50_000, 4, 0.3 / 4),
        "annealed",
        200,
        0.002,
        2.5,
        "row and a quarter of the cached terms from L2",
        _power(150, 75, 4000),
    ),
    Case(
        "W3h",
        "dense P=4 N=100 K=50000 T=0.75, annealed",
        System(100, 50_000, 4, 3.0 / 4),
        "annealed",
        100,
        0.21,
        1.27,
        "row and cached terms from L2",
        _power(70, None, 2000),
    ),
    Case(
        "W4",
        "dense P=4 N=2000 K=200 T=0.075, from a pattern",
        System(2000, 200, 4, 0.3 / 4),
        "pattern",
        50,
        0.0,
        160.0,
        "256 fused multiply-adds, noise, exp",
        _power(30, None, 1500),
    ),
    Case(
        "W4h",
        "dense P=4 N=2000 K=200 T=0.5, from a pattern",
        System(2000, 200, 4, 2.0 / 4),
        "pattern",
        50,
        1.0,
        None,
        "none derived for accepted moves",
        _power(5, None, 200),
    ),
)
