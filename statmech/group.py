"""A few chains that go through the kernels together, in the form that is cheapest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from statmech import caches
from statmech.hebbian import HebbianNetwork
from statmech.kernels import hebbian as kernels
from statmech.kernels.lanes import LANES, Lanes, advance_lanes
from statmech.kernels.layout import Cache, Chains, Record, Rules
from statmech.kernels.moves import BLOCK, HEAT_BATH, RANDOM
from statmech.kernels.network import refresh, refresh_dense
from statmech.kernels.plan import costs, possible
from statmech.powers import chain_states, has_powers

# The choice of a form is reviewed after so many sweeps, then after twice as many more,
# and so on; another form is taken if it saves at least this share.
_FIRST_REVIEW = 4
_SAVING = 0.1


class Group:
    """Chains that advance in lockstep inside one thread.

    Parameters
    ----------
    model : HebbianNetwork
    spins : (R, N) int8
        Initial states. They are changed in place; while chains are in lanes they are
        behind, until `settle`.
    keys : (R, 2) uint64
    tracked : (L,) int64
    site_key : (2,) uint64, optional
        Of the order of sites that the chains share; by default each has its own.
    form : str, optional
        One of `statmech.kernels.plan.possible`; by default the cheapest, reviewed as
        the acceptance is seen.
    """

    def __init__(
        self,
        model: HebbianNetwork,
        spins: NDArray[np.int8],
        keys: NDArray[np.uint64],
        tracked: NDArray[np.int64],
        *,
        site_key: NDArray[np.uint64] | None = None,
        form: str | None = None,
    ) -> None:
        self.model, self.rows, self.tracked = model, model.rows, tracked
        self.archetypes = model.patterns
        self.rows_each, self.mean_factor = 1, 1.0
        if model.lesson.protocol == "storage":
            self.archetypes = model.patterns[:0]
        else:
            self.rows_each = model.lesson.rows_per_pattern
            self.mean_factor = model.lesson.mean_factor
        n_chains, n = spins.shape
        overlaps = np.empty(
            (n_chains, model.n_rows), dtype=overlap_type(n, model.largest_weight)
        )
        if has_powers(model):
            overlaps = chain_states(model, spins)
        elif model.weights.dtype == np.int8 and self.rows.patterns is not None:
            refresh_dense(model.weights, spins, overlaps)
        else:
            for s, overlap in zip(spins, overlaps, strict=True):
                refresh(self.rows, s, overlap)
        site_keys = keys if site_key is None else np.tile(site_key, (n_chains, 1))
        self.chains = Chains(
            spins=spins,
            overlaps=overlaps,
            keys=keys,
            site_keys=site_keys,
            clock=np.zeros(1, dtype=np.int64),
            sites=np.empty(n, dtype=np.int32),
            cuts=np.empty(min(n, BLOCK)),
        )
        self.sites = "private" if site_key is None else "shared"
        self.forms = possible(model, n_chains, self.sites)
        if n_chains > LANES:
            self.forms = tuple(name for name in self.forms if name != "replicas")
        self.forced = form is not None
        self.sweeps_left = 0  # that the choice of a form may count on
        self._next_review, self._since_review = _FIRST_REVIEW, 0
        self.form = ""
        self.cache: Cache | None = None
        self.lanes: Lanes | None = None
        self.take(self._cheapest(None) if form is None else form)

    def _cheapest(self, acceptance: float | None) -> str:
        if len(self.forms) == 1:
            return self.forms[0]
        known = {} if acceptance is None else {"acceptance": acceptance}
        table = costs(
            self.model,
            n_chains=self.chains.spins.shape[0],
            sites=self.sites,
            n_sweeps=self.sweeps_left,
            **known,
        )
        best = min(self.forms, key=lambda name: table.get(name, np.inf))
        if self.form and table[best] > (1.0 - _SAVING) * table[self.form]:
            return self.form
        return best

    def take(self, form: str) -> None:
        """Go on in another form; the moves stay what they are."""
        if form == self.form:
            return
        self.settle()
        self.cache, self.lanes = Cache(), None
        if form == "couplings":
            self.cache = caches.coupled_cache(self.model, self.chains)
        elif form == "terms":
            self.cache = caches.term_cache(self.model, self.chains)
        elif form == "replicas":
            self.lanes = caches.lanes_of(self.model, self.chains)
        elif form == "overlaps" and self.rows.self_terms is not None:
            self.cache = Cache(ahead=True)
        self.form = form

    def settle(self) -> None:
        """Bring `chains.spins` and the overlaps up to date."""
        if self.lanes is not None:
            caches.leave_lanes(self.lanes, self.chains)

    def record(self, n_draws: int) -> Any:
        """An empty record of this group."""
        n = self.chains.spins.shape[0]
        n_means = self.tracked.size if self.archetypes.shape[0] else 0
        return Record(
            tracked=self.tracked,
            archetypes=self.archetypes,
            rows_each=self.rows_each,
            mean_factor=self.mean_factor,
            overlaps=np.empty((n, n_draws, self.tracked.size)),
            example_overlaps=np.empty((n, n_draws, n_means)),
            energies=np.empty((n, n_draws)),
            replica_overlaps=np.empty((n // 2, n_draws)),
            accepted=np.empty((n, n_draws)),
        )

    def compile(self) -> None:
        """Make the kernel ready, without moving anything."""
        betas = np.ones(self.chains.spins.shape[0])
        rules = Rules(HEAT_BATH, RANDOM, False)
        self._run(betas, rules, 0, 0, 1, self.record(0))

    def advance(
        self, betas: NDArray[np.float64], rules: Any, n_draws: int, thin: int, out: Any
    ) -> None:
        """Run `n_draws` x `thin` sweeps, writing into the record `out`."""
        draw = 0
        while draw < n_draws:
            left = n_draws - draw
            wait = self._next_review - self._since_review
            piece = left if self.decided else min(left, -(-wait // thin))
            accepted = self._run(betas, rules, draw, piece, thin, out)
            draw += piece
            self.sweeps_left = max(0, self.sweeps_left - piece * thin)
            self._review(accepted, piece * thin)

    @property
    def decided(self) -> bool:
        """Whether the form will not be reviewed any more."""
        return self.forced or self.sweeps_left == 0 or len(self.forms) == 1

    def _review(self, accepted: int, n_sweeps: int) -> None:
        if self.decided:
            return
        self._since_review += n_sweeps
        if self._since_review < self._next_review:
            return
        acceptance = accepted / (n_sweeps * self.chains.spins.size)
        self._since_review, self._next_review = 0, 2 * self._next_review
        self.take(self._cheapest(acceptance))

    def _run(
        self,
        betas: NDArray[np.float64],
        rules: Any,
        first_draw: int,
        n_draws: int,
        thin: int,
        out: Any,
    ) -> int:
        how = (betas, rules, first_draw, n_draws, thin, out)
        if self.lanes is not None:
            return int(advance_lanes(self.rows, self.lanes, self.chains, *how))
        return int(kernels.advance(self.rows, self.chains, self.cache, *how))


def overlap_type(n_spins: int, largest_weight: int = 1) -> type[np.signedinteger[Any]]:
    """Of the overlaps: the narrowest that holds a sum of N entries of a row."""
    for kind in (np.int16, np.int32):
        if n_spins * largest_weight <= np.iinfo(kind).max - 2 * largest_weight:
            return kind
    return np.int64
