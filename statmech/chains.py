"""Chains on one network: their initial states, their threads, what they recorded.

Chains go in groups, in lockstep; a pair is two replicas of one disorder whose overlap
q is measured at equal times. Groups are spread over threads; a chain is a pure
function of (model, seed, path, its number), whatever the number of threads or chains.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_choice,
    check_integer,
    check_levels,
    check_real,
)
from statmech.hebbian import HebbianNetwork
from statmech.kernels import hebbian as kernels
from statmech.patterns import corrupt
from statmech.rng import check_path, generator, stream_keys

DYNAMICS = ("heat-bath", "metropolis")
SCANS = ("random", "permutation", "sequential")
OBSERVABLES = ("m", "q", "energy", "acceptance")

# Beyond, the clock of a chain (64 bits, two of them taken) could overflow.
MOST_CHAINS, MOST_SWEEPS = 2**31 - 1, 10**12

# Branches of the seed tree below a run.
INITIAL, NOISE, SWAPS = 0, 1, 2


@dataclass(frozen=True)
class Trace:
    """Measurements of several chains on one network, one a draw.

    Attributes
    ----------
    m : (chain, draw)
        Mattis magnetisation (1/N) sum_i xi_i s_i with pattern `target`.
    energy : (chain, draw)
        Energy per spin.
    q : (pair, draw)
        Replica overlap (1/N) sum_i s_i s'_i of chains 2 j and 2 j + 1 at equal times.
    acceptance : (chain, draw)
        Fraction of accepted updates since the draw before.
    overlaps : (chain, draw, tracked)
        Magnetisations with every pattern of `tracked`; the first is the target.
    spins : (chain, N) int8
        Final states.
    temperature : (draw,)
        Units J = 1, k_B = 1; nan where the chains differ (parallel tempering).
    target : int
    tracked : tuple of int
    settings : dict
        Everything that was asked for, defaults written back.
    """

    m: NDArray[np.float64]
    energy: NDArray[np.float64]
    q: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    overlaps: NDArray[np.float64] = field(repr=False)
    spins: NDArray[np.int8] = field(repr=False)
    temperature: NDArray[np.float64] = field(repr=False)
    target: int
    tracked: tuple[int, ...]
    settings: dict[str, Any] = field(repr=False)

    def observable(self, name: str) -> NDArray[np.float64]:
        """The array (chain or pair, draw) called `name`."""
        check_choice("observable", name, OBSERVABLES)
        result: NDArray[np.float64] = getattr(self, name)
        if result.shape[0] == 0:
            raise ParameterError("n_chains", self.m.shape[0], "at least 2 to measure q")
        return result

    def escaped(self, threshold: float = 0.5) -> NDArray[np.bool_]:
        """(chain,) True where m averaged over the draws is below `threshold`."""
        return self.m.mean(axis=1) < check_real("threshold", threshold, -1.0, 1.0)

    def escape_fraction(self, threshold: float = 0.5) -> float:
        """Fraction of the chains that left the target; they stay in every average."""
        return float(self.escaped(threshold).mean())


class Group:
    """A few chains that advance in lockstep inside one thread."""

    def __init__(
        self,
        model: HebbianNetwork,
        spins: NDArray[np.int8],
        keys: NDArray[np.uint64],
        tracked: NDArray[np.int64],
    ) -> None:
        self.rows = model.rows
        self.tracked = tracked
        small = model.n_spins * model.n_patterns < 2**31
        overlaps = np.empty(
            (spins.shape[0], model.n_patterns), dtype=np.int32 if small else np.int64
        )
        for s, overlap in zip(spins, overlaps, strict=True):
            kernels.overlaps_of(self.rows.patterns, s, overlap)
        self.chains = kernels.Chains(
            spins=spins,
            overlaps=overlaps,
            keys=keys,
            clock=np.zeros(1, dtype=np.int64),
            sites=np.empty(model.n_spins, dtype=np.int32),
        )

    def record(self, n_draws: int) -> Any:
        """An empty record of this group."""
        n = self.chains.spins.shape[0]
        return kernels.Record(
            tracked=self.tracked,
            overlaps=np.empty((n, n_draws, self.tracked.size)),
            energies=np.empty((n, n_draws)),
            replica_overlaps=np.empty((n // 2, n_draws)),
            accepted=np.empty((n, n_draws)),
        )

    def compile(self) -> None:
        """Make the kernel ready, without moving anything."""
        betas = np.ones(self.chains.spins.shape[0])
        rules = kernels.Rules(kernels.HEAT_BATH, kernels.RANDOM, False)
        self.advance(betas, rules, 0, 1, self.record(0))

    def advance(
        self, betas: NDArray[np.float64], rules: Any, n_draws: int, thin: int, out: Any
    ) -> None:
        """Run `n_draws` x `thin` sweeps, writing into the record `out`."""
        kernels.advance(self.rows, self.chains, betas, rules, n_draws, thin, out)


@dataclass(frozen=True)
class Start:
    """Chains at their initial states."""

    groups: list[Group]
    target: int
    tracked: tuple[int, ...]
    settings: dict[str, Any]


def prepare(
    model: HebbianNetwork,
    n_chains: int,
    initial: str | ArrayLike,
    target: int,
    cue_overlap: float,
    track: Sequence[int],
    seed: int,
    path: Sequence[int],
    *,
    group_size: int = 2,
) -> Start:
    """Check what concerns the initial state and lay out the chains."""
    n = check_integer("n_chains", n_chains, 1, MOST_CHAINS)
    last = model.n_patterns - 1
    aim = check_integer("target", target, 0, last)
    if not isinstance(track, (Sequence, np.ndarray)):
        raise ParameterTypeError("track", track, f"a sequence of integers 0 to {last}")
    more = [check_integer("track", mu, 0, last) for mu in track]
    path = check_path(path)
    tracked = (aim, *(mu for mu in dict.fromkeys(more) if mu != aim))
    spins = initial_spins(model, n, initial, aim, cue_overlap, seed, path)
    keys = stream_keys(seed, (*path, NOISE), n)
    groups = [
        Group(
            model,
            np.ascontiguousarray(spins[first : first + group_size]),
            np.ascontiguousarray(keys[first : first + group_size]),
            np.array(tracked, dtype=np.int64),
        )
        for first in range(0, n, group_size)
    ]
    settings = {
        "model": repr(model),
        "alpha": model.alpha,
        "n_chains": n,
        "initial": initial if isinstance(initial, str) else "array",
        "target": aim,
        "cue_overlap": cue_overlap,
        "seed": seed,
        "path": tuple(path),
    }
    return Start(groups=groups, target=aim, tracked=tracked, settings=settings)


def initial_spins(
    model: HebbianNetwork,
    n_chains: int,
    initial: str | ArrayLike,
    target: int,
    cue_overlap: float,
    seed: int,
    path: Sequence[int],
) -> NDArray[np.int8]:
    """(n_chains, N) int8 initial states as `sample` describes them."""
    cue = check_real("cue_overlap", cue_overlap, -1.0, 1.0)
    shape = (n_chains, model.n_spins)
    if not isinstance(initial, str):
        try:
            given = np.asarray(initial)
        except (TypeError, ValueError):  # ragged
            allowed = f"'pattern', 'random' or an array of shape {shape} or {shape[1:]}"
            raise ParameterTypeError("initial", initial, allowed) from None
        if given.ndim == 1:
            one = check_levels("initial", given, shape[1:])
            return np.repeat(one[None, :], n_chains, axis=0)
        return check_levels("initial", given, shape).copy()
    check_choice("initial", initial, ("pattern", "random"))
    address = (*path, INITIAL)
    if initial == "random":
        states = [
            generator(seed, (*address, c)).integers(0, 2, model.n_spins)
            for c in range(n_chains)
        ]
        return (2 * np.array(states) - 1).astype(np.int8)
    pattern = model.patterns[target]
    return np.array(
        [corrupt(pattern, cue, seed, path=(*address, c)) for c in range(n_chains)]
    )


def spread(run: Any, groups: Sequence[Any], n_threads: int | None) -> list[Any]:
    """`run` each group, in threads; kernels release the GIL."""
    threads = available_threads() if n_threads is None else n_threads
    threads = min(check_integer("n_threads", threads, 1), len(groups))
    if threads == 1:
        return [run(group) for group in groups]
    # Compiling, if needed at all, happens before the threads start, and once.
    groups[0].compile()
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, groups))


def available_threads() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def assemble(
    start: Start,
    records: Sequence[Any],
    temperature: NDArray[np.float64],
    rules: Any,
    settings: dict[str, Any],
    spins: NDArray[np.int8] | None = None,
) -> Trace:
    """Join the records of all groups into one trace."""
    overlaps = np.concatenate([record.overlaps for record in records])
    if spins is None:
        spins = np.concatenate([group.chains.spins for group in start.groups])
    return Trace(
        m=np.ascontiguousarray(overlaps[:, :, 0]),
        energy=np.concatenate([record.energies for record in records]),
        q=np.concatenate([record.replica_overlaps for record in records]),
        acceptance=np.concatenate([record.accepted for record in records]),
        overlaps=overlaps,
        spins=spins,
        temperature=temperature,
        target=start.target,
        tracked=start.tracked,
        settings={
            **start.settings,
            "dynamics": DYNAMICS[rules.dynamics],
            "order": SCANS[rules.scan],
            "uniform_bits": 53 if rules.wide else 24,
            **settings,
        },
    )


def copy_draw(one: Any, record: Any, draw: int) -> None:
    """Put a record of one draw at column `draw` of a longer one."""
    for source, column in zip(one[1:], record[1:], strict=True):
        column[:, draw] = source[:, 0]


def chain_rules(dynamics: str, order: str, uniform_bits: int) -> Any:
    """The kernel's `Rules` from their public names."""
    check_choice("dynamics", dynamics, DYNAMICS)
    check_choice("order", order, SCANS)
    bits = check_integer("uniform_bits", uniform_bits, 24, 53)
    if bits not in (24, 53):
        raise ParameterError("uniform_bits", bits, "24 or 53")
    return kernels.Rules(DYNAMICS.index(dynamics), SCANS.index(order), bits == 53)


def inverse(temperature: float) -> float:
    """beta = 1 / T, with 0 and inf exchanged."""
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.float64(1.0) / np.float64(temperature))
