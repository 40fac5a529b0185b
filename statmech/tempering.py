"""Parallel tempering (replica exchange) on one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import (
    MOST_SWEEPS,
    SWAPS,
    assemble,
    chain_rules,
    choose_sites,
    copy_draw,
    inverse,
    prepare,
)
from statmech.errors import (
    ParameterError,
    check_array,
    check_integer,
    check_temperature,
)
from statmech.hebbian import HebbianNetwork, check_model
from statmech.rng import generator
from statmech.trace import Trace


@dataclass(frozen=True)
class Tempering:
    """Measurements along a ladder of temperatures.

    Attributes
    ----------
    trace : Trace
        The first axis is the temperature, as in `ladder` (for q: pairs of neighbours,
        which is not an overlap at one temperature, so it is left empty).
    ladder : (n,) float64
    swap_acceptance : (n - 1,) float64
        Fraction of accepted exchanges between neighbours.
    round_trips : int
        Journeys of a walker from the lowest temperature to the highest and back.
    """

    trace: Trace
    ladder: NDArray[np.float64]
    swap_acceptance: NDArray[np.float64]
    round_trips: int = field(default=0)


def temper(
    model: HebbianNetwork,
    temperatures: ArrayLike,
    *,
    n_sweeps: int = 1000,
    n_burn_in: int = 100,
    initial: str | ArrayLike = "random",
    target: int = 0,
    cue_overlap: float = 1.0,
    seed: int = 0,
    path: Sequence[int] = (),
    dynamics: str = "heat-bath",
    order: str = "random",
    track: Sequence[int] = (),
    uniform_bits: int = 24,
    sites: str | None = None,
    form: str | None = None,
) -> Tempering:
    """One chain a temperature; after each sweep neighbours try to exchange states.

    Even and odd pairs take turns. An exchange of temperatures a, b is accepted with
    probability min(1, exp((beta_a - beta_b)(E_a - E_b))).

    Parameters
    ----------
    temperatures : (n,) array
        Strictly increasing, at least 2, each > 0; inf is legal.
    others
        As in `statmech.sample`.

    Returns
    -------
    Tempering

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError
        Before any update is made.

    References
    ----------
    K. Hukushima and K. Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996).
    """
    check_model(model)
    ladder = check_array("temperatures", temperatures, (None,), finite=False)
    for t in ladder:
        check_temperature(t, "temperatures")
    if ladder.size < 2 or not (np.diff(ladder) > 0.0).all() or ladder[0] == 0.0:
        raise ParameterError(
            "temperatures", ladder, "at least 2 increasing temperatures > 0"
        )
    measured = check_integer("n_sweeps", n_sweeps, 1, MOST_SWEEPS)
    burn_in = check_integer("n_burn_in", n_burn_in, 0, MOST_SWEEPS)
    rules = chain_rules(dynamics, order, uniform_bits)
    n = ladder.size
    start = prepare(
        model,
        n,
        initial,
        target,
        cue_overlap,
        track,
        seed,
        path,
        n_draws=measured,
        sweeps_per_draw=1,
        sites=choose_sites(sites, model, n, float(ladder[0])),
        form=form,
        together=True,
    )
    group = start.groups[0]
    group.sweeps_left = burn_in + measured
    betas = np.array([inverse(t) for t in ladder])
    beta = betas.tolist()
    uniforms = generator(seed, (*path, SWAPS))

    # States stay where they are and temperatures move: at[k] is the walker at rung k.
    at = np.arange(n)
    tried, accepted = np.zeros(n - 1), np.zeros(n - 1)
    heading = np.zeros(n, dtype=np.int64)  # +1 after the lowest rung, -1 after highest
    round_trips = 0
    record, one = group.record(measured), group.record(1)
    for sweep in range(burn_in + measured):
        walker_betas = np.empty(n)
        walker_betas[at] = betas
        group.advance(walker_betas, rules, 1, 1, one)
        if sweep >= burn_in:
            copy_draw(_at_rungs(one, at), record, sweep - burn_in)
        energies = (one.energies[at, 0] * model.n_spins).tolist()
        for k in range(sweep % 2, n - 1, 2):
            gain = (beta[k] - beta[k + 1]) * (energies[k] - energies[k + 1])
            tried[k] += 1.0
            # In this order NaN counts as 0: infinite betas or equal energies cancel.
            if uniforms.random() < np.exp(min(0.0, gain)):
                accepted[k] += 1.0
                at[k], at[k + 1] = at[k + 1], at[k]
        round_trips += int(heading[at[0]] == -1)
        heading[at[0]] = 1
        if heading[at[-1]] == 1:
            heading[at[-1]] = -1
    group.settle()
    trace = assemble(
        start,
        [record._replace(replica_overlaps=np.empty((0, measured)))],
        np.full(measured, np.nan),
        rules,
        {
            "temperatures": tuple(float(t) for t in ladder),
            "n_sweeps": measured,
            "n_burn_in": burn_in,
        },
        spins=group.chains.spins[at],
    )
    rates = np.divide(accepted, tried, out=np.zeros(n - 1), where=tried > 0)
    return Tempering(trace, ladder, rates, round_trips)


def _at_rungs(one: Any, at: NDArray[np.int64]) -> Any:
    """A record of walkers, reordered by temperature."""
    return one._replace(
        overlaps=one.overlaps[at],
        example_overlaps=one.example_overlaps[at],
        energies=one.energies[at],
        accepted=one.accepted[at],
    )
