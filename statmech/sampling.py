"""Monte Carlo on one network: equilibrium runs, annealing, T = 0 descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import (
    MOST_SWEEPS,
    SCANS,
    Start,
    assemble,
    chain_rules,
    choose_sites,
    copy_draw,
    inverse,
    prepare,
    restart,
    spread,
)
from statmech.checkpoint import Checkpoint
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
    check_temperature,
)
from statmech.group import Group
from statmech.hebbian import HebbianNetwork, check_model
from statmech.status import Status
from statmech.trace import State, Trace


@dataclass(frozen=True)
class Descent:
    """Local minima reached at T = 0.

    Attributes
    ----------
    spins : (chain, N) int8
    m, energy : (chain,)
        Magnetisation with the target and energy per spin at the end.
    n_sweeps : (chain,) int
    status : Status
        NOT_CONVERGED if some chain still moved after `max_sweeps`.
    """

    spins: NDArray[np.int8] = field(repr=False)
    m: NDArray[np.float64]
    energy: NDArray[np.float64]
    n_sweeps: NDArray[np.int64]
    status: Status


def sample(
    model: HebbianNetwork,
    temperature: float,
    *,
    n_sweeps: int = 1000,
    n_burn_in: int = 100,
    n_chains: int = 2,
    initial: str | ArrayLike = "pattern",
    target: int = 0,
    cue_overlap: float = 1.0,
    seed: int = 0,
    path: Sequence[int] = (),
    dynamics: str = "heat-bath",
    order: str = "random",
    track: Sequence[int] = (),
    thin: int = 1,
    uniform_bits: int = 24,
    ties: str = "keep",
    sites: str | None = None,
    form: str | None = None,
    n_threads: int | None = None,
) -> Trace:
    """Sample exp(-E / T) by single-spin updates.

    Parameters
    ----------
    model : HebbianNetwork
    temperature : float
        T >= 0 in units J = 1, k_B = 1; 0 (a spin turns if its field opposes it; see
        `ties` for zero field) and inf are legal.
    n_sweeps, n_burn_in : int
        Sweeps of N updates measured, and discarded before. The number of draws is
        n_sweeps // thin.
    n_chains : int
        Independent chains; q needs at least 2.
    initial : "pattern", "random", "hierarchical" or array
        Pattern `target` (corrupted to overlap `cue_overlap`, each chain its own way);
        independent random signs; at each site the first pattern that is not blank
        there, corrupted likewise; or your own +-1 array (N,) or (n_chains, N). Sites
        without a value from a pattern get random signs.
    target : int
        Pattern (archetype) whose magnetisation is `Trace.m`.
    cue_overlap : float
        From -1 to 1, per site that is not blank; met to 1/N.
    seed, path : int, sequence of int
        Address of this run in the seed tree.
    dynamics : {"heat-bath", "metropolis"}
        Both satisfy detailed balance for random sites, and leave the Boltzmann law
        stationary for every order of the sites. Metropolis with sequential or
        permuted sites is not ergodic at T = inf, where it turns every spin every
        sweep: use random sites or heat bath at very high temperature.
    order : {"random", "permutation", "sequential"}
        Sites at random with repetition, a new permutation a sweep, or 0, 1, ..., N-1.
    track : sequence of int
        Further patterns whose magnetisations are recorded.
    thin : int
        Sweeps between draws.
    uniform_bits : {24, 53}
        Resolution of the acceptance test: at 24 no move rarer than 3e-8 is made.
    ties : {"keep", "random"}
        At T = 0, whether a spin in exactly zero field keeps its sign or takes either
        with probability 1/2. At T > 0 it has no effect.
    sites : {"private", "shared"}, optional
        Whether each chain has an order of sites of its own, or all chains try the same
        sites, each with its own noise. Shared sites let many chains go side by side,
        several times as fast. In equilibrium they are as independent as private ones:
        whatever the order of the sites, it leaves the product of the Boltzmann laws
        stationary. On the way there from a common start they are correlated. Default:
        shared for at least 32 chains of a network with P = 2 and K <= 256 rows at
        T > 0, else private.
    form : str, optional
        Form of the kernels: "overlaps", "couplings" or "replicas" for P = 2, "terms"
        or "table" for P >= 3. All make the same moves; by default the one that
        `statmech.kernels.plan` finds the cheapest.
    n_threads : int, optional
        Default: the cores this process may use. Results do not depend on it.

    Returns
    -------
    Trace

    Raises
    ------
    ParameterError, ParameterTypeError
        Before any update is made.
    MemoryLimitError
        If the run does not fit into memory; before anything is allocated.

    References
    ----------
    R. J. Glauber, J. Math. Phys. 4, 294 (1963); N. Metropolis et al., J. Chem. Phys.
    21, 1087 (1953).

    Examples
    --------
    >>> import statmech
    >>> network = statmech.HebbianNetwork(statmech.patterns.rademacher(5, 200, seed=1))
    >>> trace = statmech.sample(network, 0.2, n_sweeps=50, seed=7)
    >>> trace.m.shape, bool(trace.m.min() > 0.9)
    ((2, 50), True)
    """
    check_model(model)
    t = check_temperature(temperature)
    measured = check_integer("n_sweeps", n_sweeps, 1, MOST_SWEEPS)
    burn_in = check_integer("n_burn_in", n_burn_in, 0, MOST_SWEEPS)
    stride = check_integer("thin", thin, 1, measured)
    rules = chain_rules(dynamics, order, uniform_bits, ties)
    start = prepare(
        model,
        n_chains,
        initial,
        target,
        cue_overlap,
        track,
        seed,
        path,
        n_draws=measured // stride,
        sweeps_per_draw=stride,
        sites=choose_sites(sites, model, n_chains, t),
        form=form,
        n_threads=n_threads,
    )
    return _measure(start, model, t, measured, burn_in, stride, rules, n_threads)


def extend(
    model: HebbianNetwork,
    run: Trace | Checkpoint,
    *,
    n_sweeps: int = 1000,
    n_threads: int | None = None,
) -> Trace:
    """Continue a run of `sample` as if it had not stopped.

    The draws of `run` and of what is returned are, bit for bit, those of one run of
    all the sweeps, if `thin` divides each part; else the sweeps after the last draw of
    a part are not made.

    Parameters
    ----------
    model : HebbianNetwork
        The network of the run.
    run : Trace or Checkpoint
        From `sample`, `extend` or `statmech.checkpoint.load`; it is left as it is and
        can be continued again.
    n_sweeps : int
        Sweeps of N updates measured, at least `thin` of the run.
    n_threads : int, optional
        As in `sample`.

    Returns
    -------
    Trace
        The new draws only. In its settings `n_burn_in` counts all sweeps before them,
        so that they are those of one run of `sample`; `n_sweeps_done` counts all.

    Raises
    ------
    ParameterError, ParameterTypeError
        If `model` is another network, or `run` kept no state (annealing, tempering).
    MemoryLimitError
        As in `sample`.

    Examples
    --------
    >>> import statmech
    >>> network = statmech.HebbianNetwork(statmech.patterns.rademacher(5, 200, seed=1))
    >>> first = statmech.sample(network, 0.2, n_sweeps=50, seed=7)
    >>> more = statmech.extend(network, first, n_sweeps=50)
    >>> more.m.shape, more.settings["n_sweeps_done"]
    ((2, 50), 200)
    """
    check_model(model)
    trace = run.trace if isinstance(run, Checkpoint) else run
    if not isinstance(trace, Trace):
        raise ParameterTypeError("run", run, "a Trace of `sample`, or a Checkpoint")
    state = trace.state
    if state is None:
        allowed = "a Trace of `sample` or `extend`, which keep the state of the chains"
        remedy = "annealing and tempering have to be run as a whole"
        raise ParameterError("run", "a trace without state", allowed, remedy)
    if state.model != model.digest:
        allowed = "the network of the run"
        remedy = "its patterns, order, coincident and field have to be the same"
        raise ParameterError("model", model, allowed, remedy)
    asked = trace.settings
    thin = asked["thin"]
    most = MOST_SWEEPS - state.clock // model.n_spins
    measured = check_integer("n_sweeps", n_sweeps, thin, max(most, thin))
    rules = chain_rules(
        asked["dynamics"],
        asked["order"],
        asked["uniform_bits"],
        asked.get("ties", "keep"),  # runs of older versions had no choice
    )
    start = restart(model, trace, state, measured // thin, thin, n_threads)
    t = asked["temperature"]
    return _measure(start, model, t, measured, 0, thin, rules, n_threads)


def _measure(
    start: Start,
    model: HebbianNetwork,
    temperature: float,
    n_sweeps: int,
    n_burn_in: int,
    thin: int,
    rules: Any,
    n_threads: int | None,
) -> Trace:
    """Run from where the chains stand."""
    beta, n_draws = inverse(temperature), n_sweeps // thin
    before = int(start.groups[0].chains.clock[0]) // model.n_spins + n_burn_in

    def run(group: Group) -> Any:
        betas = np.full(group.chains.spins.shape[0], beta)
        record = group.record(n_draws)
        group.sweeps_left = n_burn_in + n_draws * thin
        group.advance(betas, rules, n_burn_in, 1, group.record(0))
        group.advance(betas, rules, n_draws, thin, record)
        return record

    records = spread(run, start.groups, n_threads)
    settings = {
        "temperature": temperature,
        "n_sweeps": n_sweeps,
        "n_burn_in": before,
        "thin": thin,
        "n_sweeps_done": before + n_draws * thin,
    }
    temperatures = np.full(n_draws, temperature)
    trace = assemble(start, records, temperatures, rules, settings)
    for array in (start.spins, start.keys):
        array.setflags(write=False)
    clock = int(start.groups[0].chains.clock[0])
    return replace(trace, state=State(start.spins, start.keys, clock, model.digest))


def anneal(
    model: HebbianNetwork,
    temperatures: ArrayLike,
    *,
    sweeps_per_temperature: int = 10,
    n_chains: int = 2,
    initial: str | ArrayLike = "random",
    target: int = 0,
    cue_overlap: float = 1.0,
    seed: int = 0,
    path: Sequence[int] = (),
    dynamics: str = "heat-bath",
    order: str = "random",
    track: Sequence[int] = (),
    uniform_bits: int = 24,
    ties: str = "keep",
    sites: str | None = None,
    form: str | None = None,
    n_threads: int | None = None,
) -> Trace:
    """Carry the chains through a schedule of temperatures, one draw at the end of each.

    Parameters
    ----------
    temperatures : (draws,) array
        Any schedule of T >= 0, downwards for annealing, up or down for hysteresis.
    sweeps_per_temperature : int
    others
        As in `sample`.

    Returns
    -------
    Trace
        `temperature` is the schedule; draw j was measured at its end.
    """
    check_model(model)
    schedule = check_array("temperatures", temperatures, (None,), finite=False)
    for t in schedule:
        check_temperature(t, "temperatures")
    if schedule.size == 0:
        raise ParameterError("temperatures", schedule, "at least one temperature")
    per_step = check_integer(
        "sweeps_per_temperature", sweeps_per_temperature, 1, MOST_SWEEPS
    )
    rules = chain_rules(dynamics, order, uniform_bits, ties)
    start = prepare(
        model,
        n_chains,
        initial,
        target,
        cue_overlap,
        track,
        seed,
        path,
        n_draws=schedule.size,
        sites=choose_sites(sites, model, n_chains, schedule.min()),
        form=form,
        n_threads=n_threads,
    )

    def run(group: Group) -> Any:
        group.sweeps_left = per_step * schedule.size
        record, one = group.record(schedule.size), group.record(1)
        for draw, t in enumerate(schedule):
            betas = np.full(group.chains.spins.shape[0], inverse(t))
            group.advance(betas, rules, 1, per_step, one)
            copy_draw(one, record, draw)
        return record

    records = spread(run, start.groups, n_threads)
    return assemble(
        start,
        records,
        schedule,
        rules,
        {"sweeps_per_temperature": per_step},
    )


def descend(
    model: HebbianNetwork,
    *,
    n_chains: int = 1,
    initial: str | ArrayLike = "pattern",
    target: int = 0,
    cue_overlap: float = 1.0,
    seed: int = 0,
    path: Sequence[int] = (),
    order: str = "permutation",
    max_sweeps: int = 10_000,
    n_threads: int | None = None,
) -> Descent:
    """Single-spin descent at T = 0 until a whole sweep changes nothing.

    A spin turns only if that lowers the energy (zero field keeps it), so the end is a
    local minimum. Parameters as in `sample`; `order` may not be "random", since a
    sweep that misses a site proves nothing.
    """
    check_model(model)
    check_choice("order", order, SCANS[1:])
    limit = check_integer("max_sweeps", max_sweeps, 1, MOST_SWEEPS)
    rules = chain_rules("heat-bath", order, 24)
    start = prepare(
        model, n_chains, initial, target, cue_overlap, (), seed, path, n_draws=1
    )

    def run(group: Group) -> Any:
        betas = np.full(group.chains.spins.shape[0], np.inf)
        counts = np.zeros(betas.size, dtype=np.int64)
        record = group.record(1)
        for _ in range(limit):
            group.advance(betas, rules, 1, 1, record)
            moved = record.accepted[:, 0] > 0.0
            counts += moved
            if not moved.any():
                return record, counts, True
        return record, counts, False

    ends = spread(run, start.groups, n_threads)
    return Descent(
        spins=np.concatenate([group.chains.spins for group in start.groups]),
        m=np.concatenate([record.overlaps[:, 0, 0] for record, _, _ in ends]),
        energy=np.concatenate([record.energies[:, 0] for record, _, _ in ends]),
        n_sweeps=np.concatenate([counts for _, counts, _ in ends]),
        status=(
            Status.CONVERGED if all(done for *_, done in ends) else Status.NOT_CONVERGED
        ),
    )
