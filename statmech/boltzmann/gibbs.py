"""Gibbs sampling of pairwise machines: chains whose averages are exact in the limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.exact import hard_evidence
from statmech.boltzmann.layout import Layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.chains import INITIAL, MOST_CHAINS, MOST_SWEEPS, NOISE, spread
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    StatmechError,
    check_choice,
    check_integer,
)
from statmech.kernels.gibbs import Chains, draw_chains, sweep_chains
from statmech.machine import require_memory, smaller
from statmech.rng import check_path, generator, stream_keys
from statmech.stats import CONSTANT, Estimate, estimate

Array = NDArray[np.float64]

# Sweeps after which the fields are computed anew and compared.
CHECK = 1000
# Relative to the largest field; increments leave 1e-16 each.
_DRIFT = 1e-9
# Parts of a run whose averages give the error of conditional means.
_PARTS = 20


@dataclass(frozen=True)
class GibbsTrace:
    """Draws of several chains of one machine.

    Attributes
    ----------
    exponents : (chain, draw)
        x.Phi x / 2 + b.x, minus the energy.
    states : (chain, draw, n) int16 (int32 beyond 32767 states)
    final_states : (chain, n) int64
        To begin another run with (`initial`, and another `path`).
    conditional_means : (chain, part, d)
        Averages, over parts of the run, of the conditional probabilities that the
        states were drawn from: <x> with less noise than from the states. In observed
        blocks the evidence.
    layout : Layout
    hidden : (n_hidden,) int64
        Variables that were sampled.
    settings : dict
        Everything that was asked for, defaults written back.
    """

    exponents: Array
    states: NDArray[Any] = field(repr=False)
    final_states: NDArray[np.int64] = field(repr=False)
    conditional_means: Array = field(repr=False)
    layout: Layout = field(repr=False)
    hidden: NDArray[np.int64] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)

    def observable(self, name: str) -> Array:
        """(chain, draw) for `statmech.stats.estimate`; "exponent" is the only one."""
        check_choice("observable", name, ("exponent",))
        return self.exponents

    def occupation(self, variable: int, state: int) -> Array:
        """(chain, draw) 1.0 where a variable is in a state, else 0.0."""
        i = check_integer("variable", variable, 0, self.layout.n_variables - 1)
        s = check_integer("state", state, 0, int(self.layout.n_states[i]) - 1)
        return (self.states[:, :, i] == s).astype(np.float64)

    @cached_property
    def marginals(self) -> Array:
        """(d,) fractions of the draws in each state."""
        owner, offsets = self.layout.owner, self.layout.offsets
        out = np.empty(self.layout.size)
        for component, i in enumerate(owner):
            out[component] = (self.states[:, :, i] == component - offsets[i]).mean()
        return out

    @cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """Marginals (d,) with error, autocorrelation time, n_eff, R-hat and verdict.

        A component that never changed has error 0 and is not reliable: nothing was
        seen of it. About 0.5 ms each, on first use.
        """
        owner, offsets = self.layout.owner, self.layout.offsets
        return tuple(
            estimate(self.occupation(int(i), component - int(offsets[i])))
            for component, i in enumerate(owner)
        )

    @property
    def errors(self) -> Array:
        """(d,) standard errors of the marginals."""
        return np.array([one.error for one in self.estimates])

    @property
    def n_eff(self) -> Array:
        """(d,) effective numbers of independent draws; NaN for what did not change."""
        return np.array([one.n_eff for one in self.estimates])

    @property
    def smooth_marginals(self) -> Array:
        """(d,) averages of the conditional probabilities (Rao-Blackwell)."""
        weights = np.diff(_part_bounds(*self._shape_of_parts)).astype(np.float64)
        return np.average(self.conditional_means.mean(axis=0), axis=0, weights=weights)

    @property
    def smooth_errors(self) -> Array:
        """(d,) standard errors of these: the spread of the parts of all chains.

        Good if a part is much longer than the autocorrelation time.
        """
        chains, parts, d = self.conditional_means.shape
        rows = self.conditional_means.reshape(chains * parts, d)
        if len(rows) < 2:
            return np.full(d, math.nan)
        return np.asarray(rows.std(axis=0, ddof=1) / math.sqrt(len(rows)))

    @property
    def _shape_of_parts(self) -> tuple[int, int]:
        return self.exponents.shape[1], self.conditional_means.shape[1]

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why averages are not to be trusted, if so: of the exponent, of components.

        What never changed is no reason, unless nothing did.
        """
        free = self.layout.n_states[self.hidden] > 1
        if not free.any():
            return ()
        judged = [("exponent", estimate(self.exponents))]
        judged += [
            (f"component {i}", one)
            for i, one in enumerate(self.estimates)
            if math.isfinite(one.tau)
        ]
        moving = [(name, one) for name, one in judged if one.reason != CONSTANT]
        if not moving:
            return (CONSTANT,)
        return tuple(f"{name}: {one.reason}" for name, one in moving if one.reason)

    @property
    def reliable(self) -> bool:
        """Whether all that fluctuates was sampled long enough, in chains that agree."""
        return not self.reasons


def sample_gibbs(
    model: BoltzmannMachine,
    *,
    n_sweeps: int = 1000,
    n_burn_in: int = 100,
    n_chains: int = 2,
    evidence: ArrayLike | None = None,
    initial: str | ArrayLike = "random",
    seed: int = 0,
    path: Sequence[int] = (),
    thin: int = 1,
    n_threads: int | None = None,
) -> GibbsTrace:
    """Sample p(x) = exp(x.Phi x / 2 + b.x) / Z by block Gibbs updates.

    Variable after variable in order of their numbers, x_i is drawn from its
    conditional law softmax(Phi_i. x + b_i): p stays stationary, without rejections.

    Parameters
    ----------
    model : BoltzmannMachine
        One that is kept as a factor makes its potentials.
    n_sweeps, n_burn_in : int
        Sweeps over all hidden variables measured, and discarded before. The number of
        draws is n_sweeps // thin.
    n_chains : int
        Independent chains; R-hat compares them.
    evidence : array, optional
        Of one sample: (n,) integers, -1 for hidden variables.
    initial : "random" or array
        Independent uniform states; or your own (n,) or (n_chains, n) integers, of which
        those of observed variables are not used.
    seed, path : int, sequence of int
        Address of this run in the seed tree.
    thin : int
        Sweeps between draws.
    n_threads : int, optional
        Default: the cores this process may use. Results do not depend on it.

    Returns
    -------
    GibbsTrace

    Raises
    ------
    ParameterError, ParameterTypeError
    MemoryLimitError
        If the run does not fit into memory; before anything is allocated.
    StatmechError
        If the fields that a chain keeps are not those of its states, which is checked
        every 1000 sweeps and at the end.

    References
    ----------
    S. Geman and D. Geman, IEEE Trans. Pattern Anal. Mach. Intell. 6, 721 (1984);
    A. E. Gelfand and A. F. M. Smith, J. Am. Stat. Assoc. 85, 398 (1990): averages of
    conditional probabilities.

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising
    >>> pair = from_ising([[0.0, 0.5], [0.5, 0.0]], [0.2, 0.2])
    >>> trace = sample_gibbs(pair, n_sweeps=4000, seed=1)
    >>> trace.states.shape, trace.reliable
    ((2, 4000, 2), True)
    >>> print(trace.estimates[0])  # exactly 0.6417
    0.6529(66)
    """
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    measured = check_integer("n_sweeps", n_sweeps, 1, MOST_SWEEPS)
    burn_in = check_integer("n_burn_in", n_burn_in, 0, MOST_SWEEPS)
    chains = check_integer("n_chains", n_chains, 1, MOST_CHAINS)
    stride = check_integer("thin", thin, 1, measured)
    known = hard_evidence(model.layout, evidence)
    address = check_path(path)
    check_integer("seed", seed, 0)
    n_draws = measured // stride
    _require_run(model, chains, n_draws, stride)
    states = _initial_states(model.layout, chains, initial, seed, address)
    hidden = np.flatnonzero(~known.clamped[0])
    observed = np.flatnonzero(known.clamped[0])
    states[:, observed] = _states_of(model.layout, known.values[0])[observed]
    keys = stream_keys(seed, (*address, NOISE), chains)
    groups = [
        _Group(model, hidden, states[c : c + 1], keys[c : c + 1], n_draws)
        for c in range(chains)
    ]
    spread(lambda group: group.run(burn_in, n_draws, stride), groups, n_threads)
    means = np.concatenate([group.means.swapaxes(0, 1) for group in groups])
    per_part = np.diff(_part_bounds(n_draws, means.shape[1])) * stride
    means /= per_part[:, None]
    fixed = known.clamped[0][model.layout.owner]
    means[:, :, fixed] = known.values[0][fixed]
    return GibbsTrace(
        exponents=np.concatenate([group.exponents for group in groups]),
        states=np.concatenate([group.record for group in groups]),
        final_states=states,
        conditional_means=means,
        layout=model.layout,
        hidden=hidden,
        settings={
            "model": repr(model),
            "n_sweeps": measured,
            "n_burn_in": burn_in,
            "n_chains": chains,
            "evidence": None if evidence is None else np.array(evidence),
            "initial": initial if isinstance(initial, str) else "array",
            "seed": seed,
            "path": address,
            "thin": stride,
        },
    )


class _Group:
    """A chain, its record, and the fields it keeps."""

    def __init__(
        self,
        model: BoltzmannMachine,
        hidden: NDArray[np.int64],
        states: NDArray[np.int64],
        keys: NDArray[np.uint64],
        n_draws: int,
    ) -> None:
        layout = model.layout
        self.model, self.hidden, self.clock = model, hidden, 0
        fields = model.logits(layout.encode(states))
        self.chains = Chains(states, fields, keys, np.empty(layout.largest))
        n, d = layout.n_variables, layout.size
        self.record = np.empty((1, n_draws, n), dtype=_state_type(layout))
        self.exponents = np.empty((1, n_draws))
        self.means = np.zeros((min(_PARTS, n_draws), 1, d))

    def compile(self) -> None:
        """Before threads start."""
        self._draw(0, 0, 1)
        self._sweep(0)

    def run(self, n_burn_in: int, n_draws: int, thin: int) -> None:
        """Burn in, then draw; fields are renewed every so often."""
        left = n_burn_in
        while left > 0:
            step = min(left, CHECK)
            self._sweep(step)
            self.renew()
            left -= step
        draws = max(1, CHECK // thin)
        for first in range(0, n_draws, draws):
            last = min(first + draws, n_draws)
            self._draw(first, last, thin)
            self.renew()

    def _sweep(self, n_sweeps: int) -> None:
        model, unused = self.model, np.zeros((1, self.model.size))
        sweep_chains(
            model.potentials,
            model.layout.offsets,
            self.hidden,
            self.chains,
            self.clock,
            n_sweeps,
            unused,
        )
        self.clock += n_sweeps

    def _draw(self, first: int, last: int, thin: int) -> None:
        model = self.model
        draw_chains(
            model.potentials,
            model.biases,
            model.layout.offsets,
            self.hidden,
            self.chains,
            self.clock,
            thin,
            first,
            last,
            self.means,
            (self.record, self.exponents),
        )
        self.clock += (last - first) * thin

    def renew(self) -> None:
        """Compute the fields from the states, and compare."""
        kept = self.chains.fields
        fields = self.model.logits(self.model.layout.encode(self.chains.states))
        drift = float(np.abs(fields - kept).max())
        if not drift <= _DRIFT * (1.0 + float(np.abs(fields).max())):
            raise StatmechError(
                f"the fields of a chain are off by {drift:.2g}: "
                "this is a defect of the program, please report it"
            )
        kept[:] = fields


def _part_bounds(n_draws: int, n_parts: int) -> NDArray[np.int64]:
    """First draws of the parts, and the end; draw t is in part t n_parts // n_draws."""
    return -(-np.arange(n_parts + 1) * n_draws // n_parts)


def _state_type(layout: Layout) -> Any:
    return np.int16 if layout.largest <= np.iinfo(np.int16).max else np.int32


def _states_of(layout: Layout, values: Array) -> NDArray[np.int64]:
    """(n,) states of one-hot values (d,); what is hidden is 0 everywhere, and 0."""
    bounds = layout.ranges()
    return np.array([values[first:last].argmax() for first, last in bounds])


def _initial_states(
    layout: Layout,
    n_chains: int,
    initial: str | ArrayLike,
    seed: int,
    path: tuple[int, ...],
) -> NDArray[np.int64]:
    """(n_chains, n) as `sample_gibbs` describes them."""
    shape = (n_chains, layout.n_variables)
    if isinstance(initial, str):
        check_choice("initial", initial, ("random",))
        return np.stack(
            [
                generator(seed, (*path, INITIAL, c)).integers(0, layout.n_states)
                for c in range(n_chains)
            ]
        )
    given = layout.check_states("initial", initial)
    if given.shape not in (shape, shape[1:]):
        allowed = f"'random', or integers {shape[1:]} or {shape}"
        raise ParameterError("initial", given, allowed)
    return np.array(np.broadcast_to(given, shape))


def _require_run(
    model: BoltzmannMachine, n_chains: int, n_draws: int, thin: int
) -> None:
    """Refuse a run whose records do not fit into memory."""
    layout = model.layout
    n, d = layout.n_variables, layout.size
    width = np.dtype(_state_type(layout)).itemsize

    def needed(chains: int, draws: int) -> int:
        # Records twice: those of the chains, and joined.
        each = 2 * (draws * (width * n + 8) + 8 * min(_PARTS, draws) * d)
        return chains * (each + 16 * n + 16 * d)

    require_memory(
        needed(n_chains, n_draws),
        f"n_chains = {n_chains} with {n_draws} draws each of {model!r}",
        remedy=smaller(
            n_sweeps=(n_draws * thin, lambda sweeps: needed(n_chains, sweeps // thin)),
            n_chains=(n_chains, lambda chains: needed(chains, n_draws)),
        ),
    )
