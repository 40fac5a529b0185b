"""Checks that contestants sample one law, and interleaved rounds that time them."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

# Means of two samplers may differ by this many standard errors of the difference. By
# Student's law with 14 degrees of freedom (8 runs each) chance does so once in 30000.
LARGEST_DEVIATION = 6.0
CHECK_RUNS = 8
# Enough that a temperature wrong by 15 %, or a self-coupling, would be refused.
SMALL_RUNS, SMALL_SWEEPS = 1000, 8


class DifferentPhysics(Exception):
    """A twin that does not sample what the package samples is no twin."""


@dataclass(frozen=True)
class Rates:
    """Updates a second of every contestant (rows) in every round (columns)."""

    labels: list[str]
    rates: Any
    acceptance: float

    def ratio(self, label: str) -> Any:
        """Ours over that of `label`, round by round."""
        return self.rates[0] / self.rates[self.labels.index(label)]


def deviation(first: Any, second: Any) -> float:
    """Difference of two means in its standard errors; 0 if nothing fluctuates."""
    difference = abs(np.mean(first) - np.mean(second))
    spread = np.var(first, ddof=1) / len(first) + np.var(second, ddof=1) / len(second)
    rounding = 1e-12 * (1.0 + abs(np.mean(first)))
    if difference <= rounding:
        return 0.0
    return float(difference / np.sqrt(spread)) if spread > 0.0 else np.inf


def measured(system: Any, contestant: Any, start: Any, n_sweeps: int) -> Any:
    """(energy per spin, m**2 of pattern 0, flips a spin) of each chain at the end."""
    contestant.load(start.copy())
    contestant.advance(n_sweeps)
    spins = contestant.spins
    energy = [system.network.energy(s) / system.n for s in spins]
    m = spins @ system.network.patterns[0].astype(np.float64) / system.n
    turned = (spins != start).mean(axis=1)
    return np.array([energy, m**2, turned])


def check(system: Any, ours: Any, twin: Any, start: Any, n_sweeps: int) -> float:
    """Largest deviation of energy, m**2 and distance travelled; raises if too large."""
    pairs = zip(
        measured(system, ours, start, n_sweeps),
        measured(system, twin, start, n_sweeps),
        strict=True,
    )
    worst = max(deviation(a, b) for a, b in pairs)
    if not worst < LARGEST_DEVIATION:
        raise DifferentPhysics(
            f"{twin.label} at N = {system.n}: {worst:.1f} standard errors from ours"
        )
    return worst


def small_start(system: Any) -> Any:
    """Random states of many chains."""
    signs = np.random.default_rng(2).integers(0, 2, (SMALL_RUNS, system.n))
    return (2 * signs - 1).astype(np.int8)


def speed(contestant: Any, start: Any, seconds: float) -> float:
    """Sweeps a second, roughly; what is compiled is compiled before."""
    contestant.load(start.copy())
    contestant.advance(1)
    n_sweeps = 1
    while True:
        contestant.load(start.copy())
        begin = time.perf_counter()
        contestant.advance(n_sweeps)
        elapsed = time.perf_counter() - begin
        if elapsed > 0.2 * seconds:
            return n_sweeps / elapsed
        n_sweeps *= 4


def race(
    contestants: list[Any],
    speeds: list[float],
    start: Any,
    n_rounds: int,
    seconds: float,
) -> Rates:
    """Every contestant once a round, from the same state, for about `seconds`."""
    sweeps = [max(1, round(seconds * per_second)) for per_second in speeds]
    rates = np.empty((len(contestants), n_rounds))
    acceptance = []
    for column in range(n_rounds):
        for row, contestant in enumerate(contestants):
            contestant.load(start.copy())
            begin = time.perf_counter()
            accepted = contestant.advance(sweeps[row])
            elapsed = time.perf_counter() - begin
            rates[row, column] = sweeps[row] * start.size / elapsed
            if row == 0:
                acceptance.append(accepted)
    return Rates(
        [contestant.label for contestant in contestants],
        rates,
        statistics.median(acceptance),
    )
