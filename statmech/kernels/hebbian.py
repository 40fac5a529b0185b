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

A pattern may have zeros, or be a row of integers w_mu_i: then a_mu = w_mu_i s_i, and
for P = 2 everything stays as it is. For P >= 3 the sums run over the n_mu entries that
are not zero, and each n_mu has its own tables.

Rows come in two forms, `DenseRows` (all entries, in SIMD lanes) and `SparseRows` (those
that are not zero); both make the same moves. A field that one form lacks is None, which
`alignment`, `flip` and `energy` see at compile time; `sweep` and `advance` know of
neither. A further form enters in these three functions and in `refresh`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from statmech.jit import kernel
from statmech.rng import (
    PERMUTATION,
    SECOND_WORD,
    TIE,
    site_of,
    uniform24_of,
    uniform53_of,
    word,
)

HEAT_BATH, METROPOLIS = 0, 1
RANDOM, PERMUTED, SEQUENTIAL = 0, 1, 2


class DenseRows(NamedTuple):
    """What a flip must know of the network; arrays are contiguous and read only."""

    patterns: Any  # (N, K) integers w_mu_i, site-major; +-1 for P >= 3
    self_terms: Any  # (N,) int32 or int64, sum_mu w_mu_i ** 2
    field_table: Any  # (N,) int64 (float64 where that could overflow), G at
    # T = 2 j - N + 1; None: pairwise, G(T) = T
    energy_table: Any  # (N + 1,) float64, f at S = 2 j - N; None: f(S) = S**2 / 2
    prefactor: float  # c
    shift: float  # added to sum_mu f(S_mu), for the constants that f leaves out
    external: Any  # (N,) float64, b_i; (1,) where all are equal
    every: Any  # uint64, all bits set; 0 where all b_i are equal
    nonzeros: Any = ()


class Nonzeros(NamedTuple):
    """Entries w_mu_i that are not zero, site by site."""

    starts: Any  # (N + 1,) unsigned; site i has entries starts[i] to starts[i + 1]
    entries: Any  # (n, 2) int8, int16 or int32: mu and w_mu_i, in one line of the cache
    field_bases: Any  # (K,) int64; G of row mu at T is field_table[(T + base) >> 1]
    energy_bases: Any  # (K,) int64; f at S is energy_table[(S + base) >> 1];
    # None, both, for P = 2


class SparseRows(NamedTuple):
    """What `DenseRows` tell, of rows most of whose entries are zero, or of any P."""

    nonzeros: Any  # Nonzeros
    field_table: Any  # of all numbers of nonzeros, one after the other; None: P = 2
    energy_table: Any
    prefactor: float
    shift: float
    external: Any
    every: Any
    patterns: Any = None
    self_terms: Any = None


class Chains(NamedTuple):
    """State of R chains on one network; all arrays are changed in place."""

    spins: Any  # (R, N) int8
    overlaps: Any  # (R, K) int32, or int64 where sum_mu w_mu_i S_mu may not fit
    keys: Any  # (R, 2) uint64, see statmech.rng
    clock: Any  # (1,) int64, trials done by each chain
    sites: Any  # (N,) int32, scratch of the permuted order


class Rules(NamedTuple):
    """How spins are proposed and accepted."""

    dynamics: int  # HEAT_BATH or METROPOLIS
    scan: int  # RANDOM, PERMUTED or SEQUENTIAL
    wide: bool  # 53-bit uniforms from a second word instead of 24 bits
    ties: bool = False  # at T = 0, a spin in zero field turns with probability 1/2


class Record(NamedTuple):
    """Where measurements go, one a draw."""

    tracked: Any  # (L,) int64, patterns whose overlap is recorded
    archetypes: Any  # (K, N) int8; (0, N) where they are the rows themselves
    rows_each: int  # rows that belong to one archetype, one after the other
    mean_factor: float  # n = mean_factor times the sum of their overlaps / N
    overlaps: Any  # (R, draws, L) float64, m
    example_overlaps: Any  # (R, draws, L) float64, n; (R, draws, 0) without examples
    energies: Any  # (R, draws) float64, per spin
    replica_overlaps: Any  # (R // 2, draws) float64, of chains 2 j and 2 j + 1
    accepted: Any  # (R, draws) float64, fraction of accepted updates


@kernel(inline=True)
def alignment(rows, s, overlap, i):
    """s_i h_i, half the energy cost of flipping spin i."""
    e = field_sum(
        rows.patterns, rows.self_terms, rows.nonzeros, rows.field_table, s, overlap, i
    )
    return rows.prefactor * e + rows.external[np.uint64(i) & rows.every] * s[i]


@kernel(inline=True)
def field_sum(patterns, self_terms, nonzeros, table, s, overlap, i):
    """sum_mu a_mu G(T_mu), an integer in float64."""
    if len(nonzeros) == 0:
        return dense_sum(patterns, self_terms, table, s, overlap, i)
    else:
        return sparse_sum(nonzeros, table, s, overlap, i)


@kernel(inline=True)
def dense_sum(patterns, self_terms, table, s, overlap, i):
    """`field_sum` over all entries.

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
def sparse_sum(nonzeros, table, s, overlap, i):
    """`field_sum` over the entries that are not zero.

    Unsigned indices spare the test for negative ones.
    """
    si = np.int64(s[i])
    if table is None:
        dot, squares = np.int64(0), np.int64(0)
        for j in range(nonzeros.starts[i], nonzeros.starts[i + 1]):
            w = np.int64(nonzeros.entries[j, 1])
            dot += w * np.int64(overlap[np.uint32(nonzeros.entries[j, 0])])
            squares += w * w
        return float(si * dot - squares)
    else:
        e = table.dtype.type(0)
        for j in range(nonzeros.starts[i], nonzeros.starts[i + 1]):
            mu = np.uint32(nonzeros.entries[j, 0])
            a = np.int64(nonzeros.entries[j, 1]) * si
            t = np.int64(overlap[mu]) - a
            e += a * table[(t + nonzeros.field_bases[mu]) >> 1]
        return float(e)


@kernel(inline=True)
def flip(rows, s, overlap, i):
    """Turn spin i and bring the overlaps up to date."""
    follow(rows.patterns, rows.nonzeros, s, overlap, i)
    s[i] = -s[i]


@kernel(inline=True)
def follow(patterns, nonzeros, s, overlap, i):
    """Overlaps as they are after a flip of spin i."""
    twice = overlap.dtype.type(2 * s[i])
    if len(nonzeros) == 0:
        for mu in range(patterns.shape[1]):
            change = overlap.dtype.type(twice * overlap.dtype.type(patterns[i, mu]))
            overlap[mu] = overlap.dtype.type(overlap[mu] - change)
    else:
        for j in range(nonzeros.starts[i], nonzeros.starts[i + 1]):
            w = overlap.dtype.type(nonzeros.entries[j, 1])
            change = overlap.dtype.type(twice * w)
            row = np.uint32(nonzeros.entries[j, 0])
            overlap[row] = overlap.dtype.type(overlap[row] - change)


@kernel
def energy(rows, s, overlap):
    """Total energy E from the overlaps."""
    n = s.shape[0]
    total = sum_over_patterns(rows.energy_table, rows.nonzeros, overlap, n)
    external = 0.0
    for i in range(n):
        external += rows.external[np.uint64(i) & rows.every] * s[i]
    return -rows.prefactor * (total + rows.shift) - external


@kernel
def sum_over_patterns(table, nonzeros, overlap, n):
    """sum_mu f(S_mu)."""
    total = 0.0
    if table is None:
        for mu in range(overlap.shape[0]):
            total += 0.5 * float(overlap[mu]) * float(overlap[mu])
    elif len(nonzeros) == 0:
        for mu in range(overlap.shape[0]):
            total += table[(overlap[mu] + n) >> 1]
    else:
        for mu in range(overlap.shape[0]):
            total += table[(overlap[mu] + nonzeros.energy_bases[mu]) >> 1]
    return total


@kernel(inline=True)
def accepts(dynamics, beta, x, u):
    """Whether a flip of alignment x is accepted, u uniform in (0, 1).

    At beta = inf a spin turns if its field opposes it; zero field keeps it, but for a
    coin u = 1, which no uniform is.
    """
    if beta == math.inf:
        return x < 0.0 or (x == 0.0 and u == 1.0)
    if dynamics == HEAT_BATH:
        return u * (1.0 + math.exp(beta * (2.0 * x))) < 1.0
    return x <= 0.0 or u < math.exp(-beta * (2.0 * x))


@kernel
def special_uniform(ties, key, trial):
    """The uniform of 53 bits; for ties at T = 0, a fair coin that is 0 or 1."""
    if ties:
        return float(word(key, TIE + trial) >> np.uint64(63))
    return uniform53_of(word(key, SECOND_WORD + trial))


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
    ties = rules.ties and beta == math.inf
    special = rules.wide or ties
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
        if special:
            u = special_uniform(ties, key, np.uint64(clock + trial))
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
        record.energies[r, draw] = energy(rows, chains.spins[r], overlap) / n
    for pair in range(n_chains // 2):
        a = chains.spins[2 * pair]
        b = chains.spins[2 * pair + 1]
        record.replica_overlaps[pair, draw] = common(a, b) / n


@kernel
def common(a, b):
    """sum_i a_i b_i of signs and zeros."""
    total = 0
    for i in range(a.shape[0]):
        total += int(a[i] * b[i])
    return total


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
def refresh(rows, s, overlap):
    """overlap[mu] = sum_i w_mu_i s_i, from scratch."""
    overlaps_of(rows.patterns, rows.nonzeros, s, overlap)


@kernel
def overlaps_of(patterns, nonzeros, s, overlap):
    """`refresh` of the one form or the other."""
    overlap[:] = 0
    if len(nonzeros) == 0:
        for i in range(s.shape[0]):
            row = patterns[i]
            si = overlap.dtype.type(s[i])
            for mu in range(row.shape[0]):
                overlap[mu] += overlap.dtype.type(si * overlap.dtype.type(row[mu]))
    else:
        for i in range(s.shape[0]):
            si = overlap.dtype.type(s[i])
            for j in range(nonzeros.starts[i], nonzeros.starts[i + 1]):
                w = overlap.dtype.type(nonzeros.entries[j, 1])
                overlap[np.uint32(nonzeros.entries[j, 0])] += overlap.dtype.type(si * w)
