"""Checks that contestants sample one law, and interleaved rounds that time them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np

# Means of two samplers may differ by this many standard errors of the difference. By
# Student's law with 14 degrees of freedom (8 runs each) chance does so once in 30000.
LARGEST_DEVIATION = 6.0
CHECK_RUNS = 8
# Enough that a temperature wrong by 15 %, or a self-coupling, would be refused.
SMALL_RUNS, SMALL_SWEEPS = 1000, 8
# Another dynamics is compared where both have forgotten the start.
EQUILIBRIUM_SWEEPS = 200


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


def repeated(system: Any, contestant: Any, start: Any, n_sweeps: int) -> Any:
    """`measured`, averaged over the chains, of several runs.

    Chains side by side try the same sites, so that how far they get is correlated: of
    many chains on many spins that is more than what each does by itself.
    """
    runs = [
        measured(system, contestant, start, n_sweeps).mean(axis=1)
        for _ in range(CHECK_RUNS)
    ]
    return np.transpose(runs)


def check(
    system: Any,
    ours: Any,
    twin: Any,
    start: Any,
    n_sweeps: int,
    same_dynamics: bool = True,
    side_by_side: bool = False,
) -> float:
    """Largest deviation of energy, m**2 and, where the dynamics is the same, distance
    travelled; raises if it is too large."""
    compared = 3 if same_dynamics else 2
    look = repeated if side_by_side else measured
    pairs = zip(
        look(system, ours, start, n_sweeps)[:compared],
        look(system, twin, start, n_sweeps)[:compared],
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
    """Sweeps a second, roughly; what is compiled is compiled before.

    From two lengths of a run, since what a call costs once may be most of a short one.
    """
    contestant.load(start.copy())
    contestant.advance(1)
    n_sweeps, before = contestant.shortest, 0.0
    while True:
        contestant.load(start.copy())
        elapsed, _ = contestant.timed(n_sweeps)
        if elapsed > 0.2 * seconds * contestant.stretch:
            gained = 0.75 * n_sweeps / (elapsed - before) if elapsed > before else 0.0
            return max(n_sweeps / elapsed, gained)
        n_sweeps, before = 4 * n_sweeps, elapsed


def race(
    contestants: list[Any],
    speeds: list[float],
    start: Any,
    n_rounds: int,
    seconds: float,
) -> Rates:
    """Every contestant once a round, from the same state, for about `seconds`."""
    sweeps = [
        max(1, round(contestant.stretch * seconds * per_second))
        for contestant, per_second in zip(contestants, speeds, strict=True)
    ]
    rates = np.empty((len(contestants), n_rounds))
    acceptance = []
    for column in range(n_rounds):
        for row, contestant in enumerate(contestants):
            contestant.load(start.copy())
            elapsed, accepted = contestant.timed(sweeps[row])
            rates[row, column] = sweeps[row] * start.size / elapsed
            if row == 0:
                acceptance.append(accepted)
    return Rates(
        [contestant.label for contestant in contestants],
        rates,
        statistics.median(acceptance),
    )
