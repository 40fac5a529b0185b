"""Single-spin dynamics of Hebbian networks from integer overlaps, O(K) an update.

With S_mu = sum_i xi_mu_i s_i and a_mu = xi_mu_i s_i, every energy that is a sum over
patterns of a function f of S_mu,

    E = -c sum_mu f(S_mu) - sum_i b_i s_i,

has the alignment (half the cost of flipping spin i, that is s_i h_i)

    s_i h_i = c sum_mu a_mu G(T_mu) + b_i s_i,   T_mu = S_mu - a_mu,
    G(T) = (f(T + 1) - f(T - 1)) / 2,

so that the table G, indexed by the sum T of the other N - 1 spins, is all that a
flip has to know of the order of interaction and of the treatment of coincident
indices. The entries are integers and so is their sum; the prefactor c is applied
after it. For P = 2, G(T) = T and the sum is an integer dot product.

Other kinds of rows (sparse, real-valued) enter as another NamedTuple with the three
functions `alignment`, `flip` and `energy`; `sweep` and `advance` stay as they are.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from statmech.jit import kernel
from statmech.rng import (
    PERMUTATION,
    SECOND_WORD,
    site_of,
    uniform24_of,
    uniform53_of,
    word,
)

HEAT_BATH, METROPOLIS = 0, 1
RANDOM, PERMUTED, SEQUENTIAL = 0, 1, 2


class SignRows(NamedTuple):
    """What a flip must know of the network; arrays are contiguous and read only."""

    patterns: Any  # (N, K) int8, site-major
    self_terms: Any  # (N,) int32, sum_mu xi_mu_i ** 2
    field_table: Any  # (N,) int64 (float64 where that could overflow), G at
    # T = 2 j - N + 1; None: pairwise, G(T) = T
    energy_table: Any  # (N + 1,) float64, f at S = 2 j - N; None: f(S) = S**2 / 2
    prefactor: float  # c
    shift: float  # added to sum_mu f(S_mu), for the constants that f leaves out
    external: Any  # (N,) float64, b_i


class Chains(NamedTuple):
    """State of R chains on one network; all arrays are changed in place."""

    spins: Any  # (R, N) int8
    overlaps: Any  # (R, K) int32, or int64 where N K reaches 2**31
    keys: Any  # (R, 2) uint64, see statmech.rng
    clock: Any  # (1,) int64, trials done by each chain
    sites: Any  # (N,) int32, scratch of the permuted order


class Rules(NamedTuple):
    """How spins are proposed and accepted."""

    dynamics: int  # HEAT_BATH or METROPOLIS
    scan: int  # RANDOM, PERMUTED or SEQUENTIAL
    wide: bool  # 53-bit uniforms from a second word instead of 24 bits


class Record(NamedTuple):
    """Where measurements go, one a draw."""

    tracked: Any  # (L,) int64, patterns whose overlap is recorded
    overlaps: Any  # (R, draws, L) float64, m
    energies: Any  # (R, draws) float64, per spin
    replica_overlaps: Any  # (R // 2, draws) float64, of chains 2 j and 2 j + 1
    accepted: Any  # (R, draws) float64, fraction of accepted updates


@kernel(inline=True)
def alignment(rows, s, overlap, i):
    """s_i h_i, half the energy cost of flipping spin i."""
    e = field_sum(rows.patterns, rows.self_terms, rows.field_table, s, overlap, i)
    return rows.prefactor * e + rows.external[i] * s[i]


@kernel(inline=True)
def field_sum(patterns, self_terms, table, s, overlap, i):
    """sum_mu a_mu G(T_mu), an integer in float64.

    `table is None` is decided by the type, at compile time: with both loops in one
    function LLVM vectorises neither (64 ns against 18 ns at K = 200).
    """
    k = patterns.shape[1]
    if table is None:
        # Every result is cast back: Numba would widen a sum of int32 to int64.
        dot = overlap.dtype.type(0)
        for mu in range(k):
            xi = overlap.dtype.type(patterns[i, mu])
            dot = overlap.dtype.type(dot + overlap.dtype.type(xi * overlap[mu]))
        return float(np.int64(s[i]) * np.int64(dot) - np.int64(self_terms[i]))
    else:
        si = np.int32(s[i])
        top = np.int32(table.shape[0] - 1)
        # Integer sums may be reordered, so LLVM vectorises them; float sums may not.
        e = table.dtype.type(0)
        for mu in range(k):
            a = np.int32(np.int32(patterns[i, mu]) * si)
            t = np.int32(overlap[mu]) - a
            e += a * table[(t + top) >> 1]
        return float(e)


@kernel(inline=True)
def flip(rows, s, overlap, i):
    """Turn spin i and bring the overlaps up to date."""
    patterns = rows.patterns
    twice = overlap.dtype.type(2 * s[i])
    for mu in range(patterns.shape[1]):
        change = overlap.dtype.type(twice * overlap.dtype.type(patterns[i, mu]))
        overlap[mu] = overlap.dtype.type(overlap[mu] - change)
    s[i] = -s[i]


@kernel
def energy(rows, s, overlap):
    """Total energy E from the overlaps."""
    n = s.shape[0]
    total = sum_over_patterns(rows.energy_table, overlap, n)
    external = 0.0
    for i in range(n):
        external += rows.external[i] * s[i]
    return -rows.prefactor * (total + rows.shift) - external


@kernel
def sum_over_patterns(table, overlap, n):
    """sum_mu f(S_mu)."""
    total = 0.0
    if table is None:
        for mu in range(overlap.shape[0]):
            total += 0.5 * float(overlap[mu]) * float(overlap[mu])
    else:
        for mu in range(overlap.shape[0]):
            total += table[(overlap[mu] + n) >> 1]
    return total


@kernel(inline=True)
def accepts(dynamics, beta, x, u):
    """Whether a flip of alignment x is accepted, u uniform in (0, 1).

    At beta = inf a spin turns if and only if its field opposes it: zero field keeps.
    """
    if beta == math.inf:
        return x < 0.0
    if dynamics == HEAT_BATH:
        return u * (1.0 + math.exp(beta * (2.0 * x))) < 1.0
    return x <= 0.0 or u < math.exp(-beta * (2.0 * x))


@kernel
def permute(sites, clock, key):
    """Fisher-Yates shuffle of `sites`, in place."""
    n = sites.shape[0]
    for i in range(n):
        sites[i] = i
    for i in range(n - 1, 0, -1):
        j = site_of(word(key, PERMUTATION + np.uint64(clock + i)), i + 1)
        held = sites[i]
        sites[i] = sites[j]
        sites[j] = held


@kernel
def sweep(rows, s, overlap, sites, beta, rules, clock, key):
    """N updates of one chain; returns how many were accepted."""
    n = s.shape[0]
    if rules.scan == PERMUTED:
        permute(sites, clock, key)
    n_accepted = 0
    for trial in range(n):
        w = word(key, np.uint64(clock + trial))
        if rules.scan == RANDOM:
            i = site_of(w, n)
        elif rules.scan == PERMUTED:
            i = np.int64(sites[trial])
        else:
            i = np.int64(trial)
        u = uniform24_of(w)
        if rules.wide:
            u = uniform53_of(word(key, SECOND_WORD + np.uint64(clock + trial)))
        if accepts(rules.dynamics, beta, alignment(rows, s, overlap, i), u):
            flip(rows, s, overlap, i)
            n_accepted += 1
    return n_accepted


@kernel
def measure(rows, chains, record, draw):
    """Write magnetisations, energies and replica overlaps of all chains."""
    n_chains, n = chains.spins.shape
    for r in range(n_chains):
        overlap = chains.overlaps[r]
        for j in range(record.tracked.shape[0]):
            record.overlaps[r, draw, j] = overlap[record.tracked[j]] / n
        record.energies[r, draw] = energy(rows, chains.spins[r], overlap) / n
    for pair in range(n_chains // 2):
        a = chains.spins[2 * pair]
        b = chains.spins[2 * pair + 1]
        common = 0
        for i in range(n):
            common += int(a[i] * b[i])
        record.replica_overlaps[pair, draw] = common / n


@kernel
def advance(rows, chains, betas, rules, n_draws, thin, record):
    """`n_draws` times: `thin` sweeps of every chain at its own beta, then measure.

    The chains go in lockstep so that replica overlaps compare equal times. A record
    without columns (n_draws sweeps of burn-in) is not written.
    """
    n_chains, n = chains.spins.shape
    recording = record.energies.shape[1] > 0
    for draw in range(n_draws):
        for r in range(n_chains):
            accepted = 0
            for step in range(thin):
                accepted += sweep(
                    rows,
                    chains.spins[r],
                    chains.overlaps[r],
                    chains.sites,
                    betas[r],
                    rules,
                    chains.clock[0] + step * n,
                    chains.keys[r],
                )
            if recording:
                record.accepted[r, draw] = accepted / (thin * n)
        chains.clock[0] += thin * n
        if recording:
            measure(rows, chains, record, draw)


@kernel
def overlaps_of(patterns, s, overlap):
    """overlap[mu] = sum_i xi_mu_i s_i, from scratch."""
    n, k = patterns.shape
    overlap[:] = 0
    for i in range(n):
        row = patterns[i]
        si = overlap.dtype.type(s[i])
        for mu in range(k):
            overlap[mu] += overlap.dtype.type(si * overlap.dtype.type(row[mu]))
