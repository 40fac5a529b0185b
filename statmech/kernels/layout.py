"""The arrays that the kernels of Hebbian networks read and change.

A field that one form of a network or of its state lacks is None, or an empty tuple,
which the kernels see at compile time.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class DenseRows(NamedTuple):
    """What a flip must know of the network; arrays are contiguous and read only."""

    patterns: Any  # (N, K) integers w_mu_i, site-major; +-1 for P >= 3
    self_terms: Any  # (N,) int32 or int64, sum_mu w_mu_i ** 2; sums over the patterns
    # of products with the overlaps fit into the same type
    field_table: Any  # (N,) int64 (float64 where that could overflow), G at
    # T = 2 j - N + 1; None: pairwise, G(T) = T
    energy_table: Any  # (N + 1,) float64, f at S = 2 j - N; None: f(S) = S**2 / 2
    prefactor: float  # c
    shift: float  # added to sum_mu f(S_mu), for the constants that f leaves out
    external: Any  # (N,) float64, b_i; (1,) where all are equal
    every: Any  # uint64, all bits set; 0 where all b_i are equal
    nonzeros: Any = ()
    powers: Any = ()


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
    powers: Any = ()


class Powers(NamedTuple):
    """How sums over P sites are made of integers, see statmech.kernels.powers."""

    order: tuple[int, ...]  # P entries
    unit: Any  # 1 as int64 where sums over the rows are exact, else as float64
    even: Any  # (3, K) float64, sum_i w_mu_i**k, k = 2, 4, 6; None: e_k are kept
    keep: Any  # None; True: f(S) = S**P


class PowerRows(NamedTuple):
    """What `DenseRows` tell, of rows of integers for P >= 3."""

    patterns: Any
    powers: Any  # Powers
    prefactor: float
    shift: float
    external: Any
    every: Any
    nonzeros: Any = ()
    self_terms: Any = None
    field_table: Any = None
    energy_table: Any = None


class Chains(NamedTuple):
    """State of R chains on one network; all arrays are changed in place."""

    spins: Any  # (R, N) int8
    overlaps: Any  # (R, K) int16, int32 or int64, the narrowest that holds any S_mu;
    # of `PowerRows` more may follow, see statmech.kernels.powers
    keys: Any  # (R, 2) uint64, see statmech.rng
    site_keys: Any  # (R, 2) uint64, of the sites; the keys where sites are private
    clock: Any  # (1,) int64, trials done by each chain
    sites: Any  # int32 scratch: (N,) for the permuted order, else a block
    cuts: Any  # float64 scratch, a block


class Cache(NamedTuple):
    """What a form keeps beside the overlaps, so that fields need not be summed."""

    couplings: Any = None  # (N, N) int16 or int32, sum_mu w_mu_i w_mu_j, 0 for i = j
    alignments: Any = None  # (R, N) int32, s_i sum_j couplings_ij s_j
    terms: Any = None  # (R, K) int32 or int64, see statmech.kernels.terms
    levels: Any = None  # (R,) int64
    polynomials: Any = None  # (2, degree + 1) float32 or int64, of terms and level
    unit: Any = None  # (2,) int64: fields are sums of terms, times unit[0] / unit[1]
    totals: Any = None  # (R,) int64, sum_mu f(S_mu), where float64 holds it exactly
    ahead: Any = None  # True: four trials at a time, from the overlaps


class Rules(NamedTuple):
    """How spins are proposed and accepted."""

    dynamics: int  # see statmech.kernels.moves
    scan: int
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
