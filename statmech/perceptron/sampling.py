"""Monte Carlo on the weights of a binary perceptron: equilibrium runs and annealing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import (
    DYNAMICS,
    MOST_CHAINS,
    MOST_SWEEPS,
    SCANS,
    chain_rules,
    spread,
)
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_integer,
    check_real,
    check_temperature,
)
from statmech.machine import require_memory, smaller
from statmech.perceptron.chains import (
    Group,
    check_examples,
    digest,
    initial_weights,
    make_groups,
    noise_keys,
    rows_of,
    run_bytes,
    thresholds_of,
)
from statmech.perceptron.examples import Examples
from statmech.perceptron.trace import WeightState, WeightTrace
from statmech.rng import check_path


def sample(
    examples: Examples,
    temperature: float,
    *,
    n_sweeps: int = 1000,
    n_burn_in: int = 100,
    n_chains: int = 2,
    initial: str | ArrayLike = "random",
    kappa: float = 0.0,
    seed: int = 0,
    path: Sequence[int] = (),
    dynamics: str = "metropolis",
    order: str = "random",
    thin: int = 1,
    uniform_bits: int = 24,
    n_threads: int | None = None,
) -> WeightTrace:
    """Sample weights J = +-1 from exp(-E(J) / T), E the number of errors.

    An example (x, y) is an error if y J.x / sqrt(N) < kappa.

    Parameters
    ----------
    examples : Examples
        Patterns of +-1, N odd.
    temperature : float
        T >= 0 in units of one error. At T = inf every flip has the weight it has
        without examples. T = 0 is the limit T -> 0: a flip that costs nothing is
        accepted by Metropolis, and with probability 1/2 by heat bath, so that a chain
        at E = 0 samples the solutions it is connected with uniformly.
    n_sweeps, n_burn_in : int
        Sweeps of N updates measured, and discarded before. The number of draws is
        n_sweeps // thin.
    n_chains : int
        Independent chains; q needs at least 2.
    initial : "random", "teacher" or array
        Independent random signs; the teacher, which has to be binary; or your own
        +-1 array (N,) or (n_chains, N).
    kappa : float
        Margin, at most sqrt(N) in size.
    seed, path : int, sequence of int
        Address of this run in the seed tree.
    dynamics : {"metropolis", "heat-bath"}
        Both satisfy detailed balance for random sites, and leave the Boltzmann law
        stationary for every order of the sites. Metropolis with sequential or
        permuted sites is not ergodic at T = inf, where it flips every weight every
        sweep.
    order : {"random", "permutation", "sequential"}
        Weights at random with repetition, a new permutation a sweep, or 0, ..., N-1.
    thin : int
        Sweeps between draws.
    uniform_bits : {24, 53}
        Resolution of the acceptance test: at 24 no flip rarer than 3e-8 is made.
    n_threads : int, optional
        Default: the cores this process may use. Results do not depend on it.

    Returns
    -------
    WeightTrace

    Raises
    ------
    ParameterError, ParameterTypeError
        Before any update is made.
    MemoryLimitError
        If the run does not fit into memory; before anything is allocated.
    StatmechError
        If the stabilities that a chain keeps are not those of its weights, which is
        checked every 1000 sweeps and at the end.

    References
    ----------
    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953); H. Horner, Z. Phys. B 86,
    291 (1992): this energy and its dynamics.

    Examples
    --------
    >>> from statmech.perceptron import sample, teacher_examples
    >>> examples = teacher_examples(101, 60, seed=1)
    >>> trace = sample(examples, 0.5, n_sweeps=200, seed=7)
    >>> trace.errors.shape, trace.q.shape, bool(trace.errors.mean() < 10)
    ((2, 200), (1, 200), True)
    """
    check_examples(examples)
    t = check_temperature(temperature)
    measured = check_integer("n_sweeps", n_sweeps, 1, MOST_SWEEPS)
    burn_in = check_integer("n_burn_in", n_burn_in, 0, MOST_SWEEPS)
    stride = check_integer("thin", thin, 1, measured)
    rules = chain_rules(dynamics, order, uniform_bits)
    groups, keys, settings = _prepare(
        examples, n_chains, initial, kappa, seed, path, measured // stride, stride
    )
    settings |= {"temperature": t, "n_sweeps": measured, "thin": stride}
    return _measure(examples, groups, keys, burn_in, settings, rules, n_threads)


def extend(
    examples: Examples,
    run: WeightTrace,
    *,
    n_sweeps: int = 1000,
    n_threads: int | None = None,
) -> WeightTrace:
    """Continue a run of `sample` as if it had not stopped.

    The draws of `run` and of what is returned are, bit for bit, those of one run of
    all the sweeps, if `thin` divides each part; else the sweeps after the last draw of
    a part are not made.

    Parameters
    ----------
    examples : Examples
        Those of the run.
    run : WeightTrace
        From `sample` or `extend`; it is left as it is and can be continued again.
    n_sweeps : int
        Sweeps of N updates measured, at least `thin` of the run.
    n_threads : int, optional
        As in `sample`.

    Returns
    -------
    WeightTrace
        The new draws only. In its settings `n_burn_in` counts all sweeps before them;
        `n_sweeps_done` counts all.

    Raises
    ------
    ParameterError, ParameterTypeError
        If these are other examples, or `run` kept no state (annealing).
    MemoryLimitError, StatmechError
        As in `sample`.

    Examples
    --------
    >>> from statmech.perceptron import extend, sample, teacher_examples
    >>> examples = teacher_examples(101, 60, seed=1)
    >>> first = sample(examples, 0.5, n_sweeps=50, seed=7)
    >>> extend(examples, first, n_sweeps=50).settings["n_sweeps_done"]
    200
    """
    check_examples(examples)
    if not isinstance(run, WeightTrace):
        raise ParameterTypeError("run", run, "a WeightTrace of `sample`")
    state = run.state
    if state is None:
        allowed = "a WeightTrace of `sample` or `extend`, which keep their state"
        remedy = "annealing has to be run as a whole"
        raise ParameterError("run", "a trace without state", allowed, remedy)
    if state.examples != digest(examples):
        raise ParameterError("examples", examples, "those of the run")
    thin = run.settings["thin"]
    most = MOST_SWEEPS - state.clock // examples.n_weights
    measured = check_integer("n_sweeps", n_sweeps, thin, max(most, thin))
    names = ("dynamics", "order", "uniform_bits")
    rules = chain_rules(*(run.settings[name] for name in names))
    kappa = run.settings["kappa"]
    weights, keys = state.weights.copy(), state.keys.copy()
    _require_run(examples, weights.shape[0], measured // thin, thin, kappa)
    groups = make_groups(rows_of(examples, kappa), weights, keys)
    for group in groups:
        group.chains.clock[0] = state.clock
    settings = {**run.settings, "n_sweeps": measured}
    return _measure(examples, groups, keys, 0, settings, rules, n_threads)


def anneal(
    examples: Examples,
    temperatures: ArrayLike,
    *,
    sweeps_per_temperature: int = 10,
    n_chains: int = 2,
    initial: str | ArrayLike = "random",
    kappa: float = 0.0,
    seed: int = 0,
    path: Sequence[int] = (),
    dynamics: str = "metropolis",
    order: str = "random",
    uniform_bits: int = 24,
    n_threads: int | None = None,
) -> WeightTrace:
    """Carry the weights through a schedule of temperatures, a draw at each one's end.

    Parameters
    ----------
    temperatures : (draws,) array
        Any schedule of T >= 0, downwards for annealing.
    sweeps_per_temperature : int
    others
        As in `sample`.

    Returns
    -------
    WeightTrace
        `temperature` is the schedule; draw j was measured at its end.

    Examples
    --------
    >>> from statmech.perceptron import anneal, teacher_examples
    >>> examples = teacher_examples(101, 40, seed=1)
    >>> trace = anneal(examples, [2.0, 1.0, 0.5, 0.2, 0.0], sweeps_per_temperature=50)
    >>> trace.errors[:, -1]
    array([0, 0])
    """
    check_examples(examples)
    schedule = check_array("temperatures", temperatures, (None,), finite=False)
    for t in schedule:
        check_temperature(t, "temperatures")
    if schedule.size == 0:
        raise ParameterError("temperatures", schedule, "at least one temperature")
    per_step = check_integer(
        "sweeps_per_temperature", sweeps_per_temperature, 1, MOST_SWEEPS
    )
    rules = chain_rules(dynamics, order, uniform_bits)
    groups, _, settings = _prepare(
        examples, n_chains, initial, kappa, seed, path, schedule.size
    )
    settings["sweeps_per_temperature"] = per_step

    def run(group: Group) -> Any:
        record = group.record(schedule.size)
        for draw, t in enumerate(schedule):
            thresholds = thresholds_of(rules, t, examples.n_patterns)
            group.advance(thresholds, rules, draw, 1, per_step, record)
        group.check()
        return record

    records = spread(run, groups, n_threads)
    return _assemble(groups, records, schedule, rules, settings)


def _prepare(
    examples: Examples,
    n_chains: int,
    initial: str | ArrayLike,
    kappa: float,
    seed: int,
    path: Sequence[int],
    n_draws: int,
    sweeps_per_draw: int = 0,
) -> tuple[list[Group], NDArray[np.uint64], dict[str, Any]]:
    """Check what concerns the chains, refuse what does not fit, lay them out."""
    n = check_integer("n_chains", n_chains, 1, MOST_CHAINS)
    largest = math.sqrt(examples.n_weights)
    margin = check_real("kappa", kappa, -largest, largest)
    check_integer("seed", seed, 0)
    address = check_path(path)
    _require_run(examples, n, n_draws, sweeps_per_draw, margin)
    weights = initial_weights(examples, n, initial, seed, address)
    keys = noise_keys(seed, address, n)
    settings = {
        "n_weights": examples.n_weights,
        "n_patterns": examples.n_patterns,
        "alpha": examples.alpha,
        "n_chains": n,
        "initial": initial if isinstance(initial, str) else "array",
        "kappa": margin,
        "seed": seed,
        "path": address,
    }
    return make_groups(rows_of(examples, margin), weights, keys), keys, settings


def _require_run(
    examples: Examples, n_chains: int, n_draws: int, sweeps_per_draw: int, kappa: float
) -> None:
    """Refuse a run whose chains, records and trace do not fit into memory."""
    p, n = examples.n_patterns, examples.n_weights

    def needed(chains: int, draws: int) -> int:
        return run_bytes(p, n, n_chains=chains, n_draws=draws, kappa=kappa)

    options: dict[str, Any] = {}
    if sweeps_per_draw:
        options["n_sweeps"] = (
            n_draws * sweeps_per_draw,
            lambda sweeps: needed(n_chains, sweeps // sweeps_per_draw),
        )
    options["n_chains"] = (n_chains, lambda chains: needed(chains, n_draws))
    require_memory(
        needed(n_chains, n_draws),
        f"n_chains = {n_chains} with {n_draws} draws each of P = {p}, N = {n}",
        remedy=smaller(**options),
    )


def _measure(
    examples: Examples,
    groups: list[Group],
    keys: NDArray[np.uint64],
    n_burn_in: int,
    settings: dict[str, Any],
    rules: Any,
    n_threads: int | None,
) -> WeightTrace:
    """Run from where the chains stand."""
    t, thin = settings["temperature"], settings["thin"]
    n_draws = settings["n_sweeps"] // thin
    thresholds = thresholds_of(rules, t, examples.n_patterns)
    before = int(groups[0].chains.clock[0]) // examples.n_weights + n_burn_in

    def run(group: Group) -> Any:
        record = group.record(n_draws)
        group.advance(thresholds, rules, 0, n_burn_in, 1, group.record(0))
        group.advance(thresholds, rules, 0, n_draws, thin, record)
        group.check()
        return record

    records = spread(run, groups, n_threads)
    done = {"n_burn_in": before, "n_sweeps_done": before + n_draws * thin}
    trace = _assemble(groups, records, np.full(n_draws, t), rules, settings | done)
    weights = trace.weights.copy()
    for array in (weights, keys):
        array.setflags(write=False)
    clock = int(groups[0].chains.clock[0])
    return replace(trace, state=WeightState(weights, keys, clock, digest(examples)))


def _assemble(
    groups: list[Group],
    records: Sequence[Any],
    temperature: NDArray[np.float64],
    rules: Any,
    settings: dict[str, Any],
) -> WeightTrace:
    """Join the records of all groups into one trace."""
    errors = np.concatenate([record.errors for record in records])
    overlaps = np.concatenate([record.teacher_overlaps for record in records])
    sums = np.concatenate([record.weight_sums for record in records])
    return WeightTrace(
        errors=errors,
        teacher_overlap=overlaps if overlaps.size else np.full(errors.shape, np.nan),
        q=np.concatenate([record.replica_overlaps for record in records]),
        acceptance=np.concatenate([record.accepted for record in records]),
        weights=np.concatenate([group.chains.weights for group in groups]),
        mean_weights=sums / errors.shape[1],
        temperature=temperature,
        settings={
            **settings,
            "dynamics": DYNAMICS[rules.dynamics],
            "order": SCANS[rules.scan],
            "uniform_bits": 53 if rules.wide else 24,
        },
    )
