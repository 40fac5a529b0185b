"""Chains on one network: their initial states, their threads, what they recorded.

Chains go in groups, in lockstep: pairs, which are two replicas of one disorder whose
overlap q is measured at equal times, or as many as have lanes. Groups are spread over
threads; a chain is a pure function of (model, seed, path, its number, whether sites are
shared), whatever the number of threads or chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.caches import lane_bytes
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_choice,
    check_integer,
    check_levels,
    check_real,
)
from statmech.group import Group, overlap_type
from statmech.hebbian import HebbianNetwork
from statmech.kernels.lanes import LANES
from statmech.kernels.layout import Rules
from statmech.kernels.plan import (
    SITES,
    check_form,
    default_sites,
    plan,
)
from statmech.machine import available_threads, require_memory, smaller
from statmech.patterns import corrupt, hierarchical
from statmech.rng import check_path, generator, stream_keys
from statmech.rows import form_bytes
from statmech.trace import State, Trace

DYNAMICS = ("heat-bath", "metropolis")
SCANS = ("random", "permutation", "sequential")
TIES = ("keep", "random")
STARTS = ("pattern", "random", "hierarchical")

# Beyond, the clock of a chain (64 bits, two of them taken) could overflow.
MOST_CHAINS, MOST_SWEEPS = 2**31 - 1, 10**12

# Objects of a group and its share of lists, keys and Python's overhead: measured.
_GROUP_BYTES = 4500

# Branches of the seed tree below a run.
INITIAL, NOISE, SWAPS, ORDER_OF_SITES = 0, 1, 2, 3
FREE = 0  # below the initial state of a chain: spins that its pattern leaves free


def chains_bytes(
    n_patterns: int,
    n_spins: int,
    *,
    n_chains: int,
    n_draws: int,
    n_tracked: int = 1,
    group_size: int = 2,
    rows_each: int = 1,
    largest_weight: int = 1,
    from_examples: bool = False,
    order: int = 2,
    lanes: bool = False,
) -> int:
    """Peak memory of a run in bytes, without the network: chains, records, trace.

    The peak is at the end, when the records of the groups are joined into a `Trace`.
    `rows_each`, `largest_weight` and `from_examples` are of networks from examples:
    rows of each pattern, the bound on their entries, and whether overlaps with the
    examples are recorded. `lanes` is for chains that go side by side. The couplings
    that a long run at low acceptance may make (see `statmech.kernels.plan`) are not
    counted: they are made only where they take a small share of what is free.
    """
    n_rows = n_patterns * rows_each
    width = np.dtype(overlap_type(n_spins, largest_weight)).itemsize
    if order > 2 and largest_weight == 1:
        width += 8  # a term of the field beside each overlap
    elif order > 2:
        width = 8 * order  # see statmech.kernels.powers
    n_groups = -(-n_chains // group_size)
    states = n_chains * (2 * n_spins + width * n_rows) + 4 * n_groups * n_spins
    if lanes:
        states += n_groups * lane_bytes(n_rows, n_spins)
    # m with each tracked pattern, energy, acceptance, half of q; and `Trace.m`, which
    # is a copy if more than one is tracked.
    numbers = 2 * (n_tracked * (1 + from_examples) + 2.5) + (n_tracked > 1)
    records = n_draws * (int(8 * numbers) * n_chains + 8)
    return states + records + n_groups * _GROUP_BYTES


@dataclass(frozen=True)
class Start:
    """Chains at their initial states.

    The groups work on rows of `spins`, so that these are always the present states.
    """

    groups: list[Group]
    spins: NDArray[np.int8]
    keys: NDArray[np.uint64]
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
    n_draws: int,
    sweeps_per_draw: int = 0,
    sites: str = "private",
    form: str | None = None,
    n_threads: int | None = None,
    together: bool = False,
) -> Start:
    """Check what concerns the initial state and lay out the chains.

    Before anything is allocated, the whole run of `n_draws` has to fit into memory;
    `sweeps_per_draw` if the number of draws follows from an argument `n_sweeps`. With
    `together` all chains are one group.
    """
    n = check_integer("n_chains", n_chains, 1, MOST_CHAINS)
    last = model.n_patterns - 1
    aim = check_integer("target", target, 0, last)
    if not isinstance(track, (Sequence, np.ndarray)):
        raise ParameterTypeError("track", track, f"a sequence of integers 0 to {last}")
    more = [check_integer("track", mu, 0, last) for mu in track]
    path = check_path(path)
    tracked = (aim, *(mu for mu in dict.fromkeys(more) if mu != aim))
    if form is not None:
        check_form(model, form, n, sites)
        if together and form == "replicas" and n > LANES:
            allowed = f"another one for more than {LANES} temperatures"
            raise ParameterError("form", form, allowed)
    size, lanes = _group_size(model, n, sites, form, n_threads)
    size = n if together else size
    _require_run(
        model, n, n_draws, sweeps_per_draw, len(tracked), size, lanes, together
    )
    spins = initial_spins(model, n, initial, aim, cue_overlap, seed, path)
    keys = stream_keys(seed, (*path, NOISE), n)
    settings = {
        "model": repr(model),
        "alpha": model.alpha,
        "gain": model.gain,
        "n_chains": n,
        "initial": initial if isinstance(initial, str) else "array",
        "target": aim,
        "cue_overlap": cue_overlap,
        "seed": seed,
        "path": tuple(path),
        "sites": sites,
    }
    groups = _groups(model, spins, keys, tracked, size, settings, form)
    return Start(groups, spins, keys, target=aim, tracked=tracked, settings=settings)


def restart(
    model: HebbianNetwork,
    trace: Trace,
    state: State,
    n_draws: int,
    thin: int,
    n_threads: int | None,
) -> Start:
    """Chains as they were when `trace` ended."""
    n = state.spins.shape[0]
    sites = trace.settings.get("sites", "private")  # runs of older versions: private
    size, lanes = _group_size(model, n, sites, None, n_threads)
    _require_run(model, n, n_draws, thin, len(trace.tracked), size, lanes)
    spins, keys = state.spins.copy(), state.keys.copy()
    groups = _groups(model, spins, keys, trace.tracked, size, trace.settings, None)
    for group in groups:
        group.chains.clock[0] = state.clock
    return Start(groups, spins, keys, trace.target, trace.tracked, trace.settings)


def _groups(
    model: HebbianNetwork,
    spins: NDArray[np.int8],
    keys: NDArray[np.uint64],
    tracked: tuple[int, ...],
    group_size: int,
    settings: dict[str, Any],
    form: str | None,
) -> list[Group]:
    """Chains by the `group_size`, on the rows of contiguous arrays."""
    site_key = None
    if settings.get("sites") == "shared":
        address = (*settings["path"], ORDER_OF_SITES)
        (site_key,) = stream_keys(settings["seed"], address, 1)
    return [
        Group(
            model,
            spins[first : first + group_size],
            keys[first : first + group_size],
            np.array(tracked, dtype=np.int64),
            site_key=site_key,
            form=form,
        )
        for first in range(0, spins.shape[0], group_size)
    ]


def choose_sites(
    sites: str | None, model: HebbianNetwork, n_chains: object, temperature: float
) -> str:
    """What was asked for; else shared where lanes pay."""
    n = check_integer("n_chains", n_chains, 1, MOST_CHAINS)
    if sites is None:
        return default_sites(model, n, temperature)
    return check_choice("sites", sites, SITES)


def _group_size(
    model: HebbianNetwork,
    n_chains: int,
    sites: str,
    form: str | None,
    n_threads: int | None,
) -> tuple[int, bool]:
    """Chains of a group, and whether they may go side by side.

    A pair; but if side by side, they are shared out evenly among the threads.
    """
    if sites == "private":
        return 2, False
    chosen = form or plan(model, n_chains=n_chains, sites=sites).form
    if chosen != "replicas":
        return 2, False
    threads = available_threads()
    if n_threads is not None:
        threads = check_integer("n_threads", n_threads, 1)
    n_groups = -(-n_chains // LANES)
    n_groups = -(-n_groups // threads) * threads
    size = -(-n_chains // n_groups)
    return size + size % 2, True


def _require_run(
    model: HebbianNetwork,
    n_chains: int,
    n_draws: int,
    sweeps_per_draw: int,
    n_tracked: int,
    group_size: int,
    lanes: bool,
    together: bool = False,
) -> None:
    """Refuse a run whose chains, records and trace do not fit into memory."""
    k, n = model.n_patterns, model.n_spins
    extra = 0 if "rows" in vars(model) else form_bytes(model)

    def needed(chains: int, draws: int) -> int:
        return extra + chains_bytes(
            k,
            n,
            n_chains=chains,
            n_draws=draws,
            n_tracked=n_tracked,
            group_size=group_size,
            rows_each=model.lesson.rows_per_pattern,
            largest_weight=model.largest_weight,
            from_examples=model.lesson.protocol != "storage",
            order=model.order,
            lanes=lanes,
        )

    settings = {}
    if sweeps_per_draw:
        settings["n_sweeps"] = (
            n_draws * sweeps_per_draw,
            lambda sweeps: needed(n_chains, sweeps // sweeps_per_draw),
        )
    if not together:  # else the number of chains is not an argument
        settings["n_chains"] = (n_chains, lambda chains: needed(chains, n_draws))
    require_memory(
        needed(n_chains, n_draws),
        f"n_chains = {n_chains} with {n_draws} draws each of K = {k}, N = {n}",
        remedy=smaller(**settings),
    )


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
            names = ", ".join(map(repr, STARTS))
            allowed = f"{names} or an array of shape {shape} or {shape[1:]}"
            raise ParameterTypeError("initial", initial, allowed) from None
        if given.ndim == 1:
            one = check_levels("initial", given, shape[1:])
            return np.repeat(one[None, :], n_chains, axis=0)
        return check_levels("initial", given, shape).copy()
    check_choice("initial", initial, STARTS)
    address = (*path, INITIAL)
    states = np.empty(shape, dtype=np.int8)
    if initial == "random":
        for c in range(n_chains):
            signs = generator(seed, (*address, c)).integers(0, 2, model.n_spins)
            states[c] = 2 * signs - 1
        return states
    pattern: NDArray[np.int8] = model.patterns[target]
    if initial == "hierarchical":
        pattern = hierarchical(model.patterns)
    for c in range(n_chains):
        states[c] = _cue(pattern, cue, seed, (*address, c))
    return states


def _cue(
    pattern: NDArray[np.int8], overlap: float, seed: int, path: tuple[int, ...]
) -> NDArray[np.int8]:
    """`corrupt`, with random signs where the pattern is blank."""
    if pattern.all():
        return corrupt(pattern, overlap, seed, path=path)
    known = pattern != 0
    draw = generator(seed, (*path, FREE))
    state: NDArray[np.int8] = draw.integers(0, 2, pattern.size, dtype=np.int8)
    state *= 2
    state -= 1
    if known.any():
        state[known] = corrupt(pattern[known], overlap, seed, path=path)
    return state


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
    means = np.concatenate([record.example_overlaps for record in records])
    if spins is None:
        for group in start.groups:
            group.settle()
        spins = np.concatenate([group.chains.spins for group in start.groups])
    return Trace(
        m=np.ascontiguousarray(overlaps[:, :, 0]),
        energy=np.concatenate([record.energies for record in records]),
        q=np.concatenate([record.replica_overlaps for record in records]),
        acceptance=np.concatenate([record.accepted for record in records]),
        overlaps=overlaps,
        example_overlaps=means if means.shape[2] else None,
        spins=spins,
        temperature=temperature,
        target=start.target,
        tracked=start.tracked,
        settings={
            **start.settings,
            "dynamics": DYNAMICS[rules.dynamics],
            "order": SCANS[rules.scan],
            "uniform_bits": 53 if rules.wide else 24,
            "ties": TIES[rules.ties],
            **settings,
        },
    )


def copy_draw(one: Any, record: Any, draw: int) -> None:
    """Put a record of one draw at column `draw` of a longer one."""
    for name in ("overlaps", "example_overlaps", "energies", "accepted"):
        getattr(record, name)[:, draw] = getattr(one, name)[:, 0]
    record.replica_overlaps[:, draw] = one.replica_overlaps[:, 0]


def chain_rules(
    dynamics: str, order: str, uniform_bits: int, ties: str = "keep"
) -> Any:
    """The kernel's `Rules` from their public names."""
    check_choice("dynamics", dynamics, DYNAMICS)
    check_choice("order", order, SCANS)
    bits = check_integer("uniform_bits", uniform_bits, 24, 53)
    if bits not in (24, 53):
        raise ParameterError("uniform_bits", bits, "24 or 53")
    check_choice("ties", ties, TIES)
    return Rules(
        DYNAMICS.index(dynamics), SCANS.index(order), bits == 53, ties == "random"
    )


def inverse(temperature: float) -> float:
    """beta = 1 / T, with 0 and inf exchanged."""
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.float64(1.0) / np.float64(temperature))
