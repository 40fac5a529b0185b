"""W6: Monte Carlo on the weights of a binary perceptron, beside what a user writes.

E is the number of errors on P random examples, of which the twins keep the margins
s_mu = y_mu sum_i J_i x_i^mu up to date: O(P) a trial. No installable sampler has this
energy (RRRMC.jl has, in Julia).

The twins make `n_updates` Metropolis trials of random weights, change j (N,) and s (P,)
in place and return how many were accepted; x (N, P) holds y_mu x_i^mu, so that the
inner loop is contiguous.
"""

# ruff: noqa: NPY002
# Numba's global generator is the point: it is what a user's loop calls.

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba import njit

from benchmarks.cases import Case
from benchmarks.contestants import Contestant
from benchmarks.loops import RNG
from statmech.perceptron.examples import random_examples
from statmech.perceptron.sampling import anneal, sample

SCHEDULE = np.geomspace(4.0, 0.3, 15)


@njit
def margin_form(x, j, s, temperature, n_updates):
    """The margins that change sign, counted one after the other."""
    n, p = x.shape
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        cost = 0
        for mu in range(p):
            after = s[mu] - 2 * j[i] * x[i, mu]
            cost += (after < 0) - (s[mu] < 0)
        if cost <= 0 or np.random.random() < np.exp(-cost / temperature):
            for mu in range(p):
                s[mu] -= 2 * j[i] * x[i, mu]
            j[i] = -j[i]
            accepted += 1
    return accepted


def margin_loop(x, j, s, temperature, n_updates):
    """The same in NumPy; sites and uniforms are drawn in advance."""
    n = x.shape[0]
    e = np.count_nonzero(s < 0)
    accepted = 0
    for i, u in zip(RNG.integers(0, n, n_updates), RNG.random(n_updates), strict=True):
        after = s - 2 * j[i] * x[i]
        cost = np.count_nonzero(after < 0) - e
        if cost <= 0 or u < math.exp(-cost / temperature):
            s[:] = after
            e += cost
            j[i] = -j[i]
            accepted += 1
    return accepted


@dataclass(frozen=True)
class Weights:
    """What is sampled; `spins` are the weights, so that it is timed as the others."""

    n: int
    p: int
    temperature: float
    n_chains: int = 1
    n_threads: int = 1

    @cached_property
    def examples(self) -> Any:
        return random_examples(self.n, self.p, seed=1)

    @cached_property
    def network(self) -> Any:
        """Energy, and a pattern to measure the overlap with."""
        return SimpleNamespace(
            energy=self.examples.count_errors, patterns=self.examples.aligned
        )

    def sample(self, n_sweeps: int, n_burn_in: int, **options: Any) -> Any:
        trace = sample(
            self.examples,
            self.temperature,
            n_sweeps=n_sweeps,
            n_burn_in=n_burn_in,
            n_threads=self.n_threads,
            **options,
        )
        return SimpleNamespace(spins=trace.weights, acceptance=trace.acceptance)


class NaiveWeights(Contestant):
    """A twin on one system."""

    def __init__(
        self, system: Weights, label: str, function: Callable[..., int], kind: Any
    ) -> None:
        self.system, self.label, self.function = system, label, function
        # int16 holds every margin; x and j as narrow as they can be.
        self.x = np.ascontiguousarray(system.examples.aligned.T).astype(kind)

    def load(self, spins: Any) -> None:
        margins = spins.astype(np.int64) @ self.x.astype(np.int64)
        self.states = [
            (j.astype(self.x.dtype), s.astype(np.int16))
            for j, s in zip(spins, margins, strict=True)
        ]

    def advance(self, n_sweeps: int) -> float:
        n, t = self.system.n, self.system.temperature
        accepted = sum(
            self.function(self.x, j, s, t, n_sweeps * n) for j, s in self.states
        )
        return accepted / (n_sweeps * n * len(self.states))

    @property
    def spins(self) -> Any:
        return np.array([j for j, _ in self.states], dtype=np.int8)


@dataclass(frozen=True)
class MarginTwin:
    """Entry of the table of rivals."""

    label: str
    function: Callable[..., int]
    kind: Any
    goal: float | None = None
    same_dynamics = True

    def on(self, system: Any) -> Contestant:
        return NaiveWeights(system, self.label, self.function, self.kind)


@dataclass(frozen=True)
class WeightCase(Case):
    """One workload of the perceptron."""

    def start(self) -> Any:
        system: Any = self.system
        weights = anneal(
            system.examples, SCHEDULE, sweeps_per_temperature=20, n_chains=1, seed=2
        ).weights
        return system.sample(1, self.burn_in, n_chains=1, initial=weights, seed=3).spins

    @property
    def small(self) -> Any:
        return Weights(n=25, p=40, temperature=1.5)


def _twins(numba_goal: float, numpy_goal: float) -> tuple[Any, ...]:
    return (
        MarginTwin("Numba margins", margin_form, np.int8, numba_goal),
        MarginTwin("NumPy margins", margin_loop, np.int16, numpy_goal),
    )


# P = 1000 in two vectors of 512 bits. A flip turns, for each, the six digits that the
# carries reach (the distances are of order sqrt(N) / 2 = 16, hardly any is beyond 63).
_ROW, _DIGITS = 128, 12

CASES: tuple[Any, ...] = (
    WeightCase(
        "W6",
        "binary perceptron N=1001 P=1000 T=0.3, annealed",
        Weights(1001, 1000, 0.3),  # type: ignore[arg-type]
        "annealed",
        1000,
        0.0,
        lambda x: max(_ROW / x.l2_bytes, _ROW / x.common_bytes, 1 / x.trials_ahead),
        "the longest of: 128 B of a column from L2, 1024 bits counted, a trial whose "
        "site and noise are drawn ahead",
        _twins(25, 1300),
    ),
    WeightCase(
        "W6h",
        "binary perceptron N=1001 P=1000 T=4, thermal",
        Weights(1001, 1000, 4.0),  # type: ignore[arg-type]
        "annealed",
        200,
        0.54,
        lambda x: (
            max(_ROW / x.l2_bytes, _ROW / x.common_bytes, 1 / x.trials_ahead)
            + 0.54 * _DIGITS / x.digits
        ),
        "a trial as in W6, and for 54 % of them six digits of 1024 patterns",
        _twins(5, 200),
    ),
)
