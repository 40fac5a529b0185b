"""Single-spin dynamics of Hebbian networks, one chain after the other.

A chain tries its spins in the order of the scan; the sites and the noise of a block of
trials are drawn before (`statmech.kernels.moves`), then tried in the form at hand
(`statmech.kernels.attempts`). Which form it is does not change a move.
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel
from statmech.kernels.attempts import (
    attempt_ahead,
    attempt_couplings,
    attempt_plain,
    attempt_terms,
)
from statmech.kernels.moves import PERMUTED, block_of, draw_cuts, permute
from statmech.kernels.network import common, energy, energy_from


@kernel(inline=True)
def sweep(rows, chains, cache, r, beta, rules, clock):
    """N updates of chain r; returns how many were accepted."""
    s, overlap = chains.spins[r], chains.overlaps[r]
    key, site_key = chains.keys[r], chains.site_keys[r]
    n = s.shape[0]
    if rules.scan == PERMUTED:
        permute(chains.sites, clock, site_key)
    accepted = 0
    first = 0
    while first < n:
        sites = block_of(rules.scan, site_key, clock, first, n, chains.sites)
        cuts = chains.cuts[: sites.shape[0]]
        draw_cuts(rules, beta, key, clock + first, cuts)
        accepted += attempt(
            rows,
            cache,
            cache.couplings,
            cache.terms,
            cache.ahead,
            r,
            s,
            overlap,
            sites,
            cuts,
        )
        first += sites.shape[0]
    return accepted


@kernel(inline=True)
def attempt(rows, cache, couplings, terms, ahead, r, s, overlap, sites, cuts):
    """A block of trials, in the form that the types tell; `ahead` is None or not."""
    if couplings is not None:
        return attempt_couplings(
            rows, couplings, cache.alignments[r], s, overlap, sites, cuts
        )
    elif terms is not None:
        return attempt_terms(rows, cache, r, s, overlap, sites, cuts)
    elif ahead is not None:
        return attempt_ahead(rows, s, overlap, sites, cuts)
    else:
        return attempt_plain(rows, s, overlap, sites, cuts)


@kernel
def measure(rows, chains, totals, record, draw):
    """Write magnetisations, energies and replica overlaps of all chains."""
    n_chains, n = chains.spins.shape
    for r in range(n_chains):
        overlap = chains.overlaps[r]
        for j in range(record.tracked.shape[0]):
            mu = record.tracked[j]
            total = np.int64(overlap[mu])
            if record.archetypes.shape[0] > 0:
                total = common(record.archetypes[mu], chains.spins[r])
            record.overlaps[r, draw, j] = total / n
        for j in range(record.example_overlaps.shape[2]):
            first = record.tracked[j] * record.rows_each
            total = np.int64(0)
            for row in range(first, first + record.rows_each):
                total += np.int64(overlap[row])
            record.example_overlaps[r, draw, j] = record.mean_factor * total / n
        e = chain_energy(rows, totals, r, chains.spins[r], overlap)
        record.energies[r, draw] = e / n
    for pair in range(n_chains // 2):
        a = chains.spins[2 * pair]
        b = chains.spins[2 * pair + 1]
        record.replica_overlaps[pair, draw] = common(a, b) / n


@kernel(inline=True)
def chain_energy(rows, totals, r, s, overlap):
    """Total energy E, from the sum over the patterns where it is kept."""
    if totals is not None:
        return energy_from(rows, s, float(totals[r]))
    else:
        return energy(rows, s, overlap)


@kernel
def advance(rows, chains, cache, betas, rules, first_draw, n_draws, thin, record):
    """`n_draws` times: `thin` sweeps of every chain at its own beta, then measure.

    The chains go in lockstep so that replica overlaps compare equal times. What is
    measured goes into the columns from `first_draw` on; a record without columns
    (n_draws sweeps of burn-in) is not written. Returns how many updates were accepted.
    """
    n_chains, n = chains.spins.shape
    recording = record.energies.shape[1] > 0
    all_accepted = 0
    for draw in range(first_draw, first_draw + n_draws):
        for r in range(n_chains):
            accepted = 0
            for step in range(thin):
                clock = chains.clock[0] + step * n
                accepted += sweep(rows, chains, cache, r, betas[r], rules, clock)
            if recording:
                record.accepted[r, draw] = accepted / (thin * n)
            all_accepted += accepted
        chains.clock[0] += thin * n
        if recording:
            measure(rows, chains, cache.totals, record, draw)
    return all_accepted
