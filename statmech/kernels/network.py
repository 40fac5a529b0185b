"""The energy of a Hebbian network from integer overlaps: O(K) an update.

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

Rows come in three forms, `DenseRows` (all entries, in SIMD lanes), `SparseRows` (those
that are not zero) and `PowerRows` (integers at P >= 3, where a function of S_mu is not
enough: see `statmech.kernels.powers`).
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel
from statmech.kernels.powers import follow_powers, power_sum, power_total


@kernel(inline=True)
def alignment(rows, s, overlap, i):
    """s_i h_i, half the energy cost of flipping spin i."""
    e = interaction_sum(rows, rows.powers, s, overlap, i)
    return rows.prefactor * e + rows.external[np.uint64(i) & rows.every] * s[i]


@kernel(inline=True)
def interaction_sum(rows, powers, s, overlap, i):
    """sum_mu of half the drop of f when spin i turns."""
    if len(powers) == 0:
        return field_sum(
            *(rows.patterns, rows.self_terms, rows.nonzeros, rows.field_table),
            *(s, overlap, i),
        )
    else:
        return power_sum(rows.patterns[i], powers, s[i], overlap)


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
        dot = self_terms.dtype.type(0)
        for mu in range(k):
            x = self_terms.dtype.type(overlap[mu])
            y = self_terms.dtype.type(patterns[i, mu])
            dot = self_terms.dtype.type(dot + self_terms.dtype.type(x * y))
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
    follow_flip(rows, rows.powers, s, overlap, i)
    s[i] = -s[i]


@kernel(inline=True)
def follow_flip(rows, powers, s, overlap, i):
    """Overlaps, or what stands for them, as they are after a flip of spin i."""
    if len(powers) == 0:
        follow(rows.patterns, rows.nonzeros, s, overlap, i)
    else:
        follow_powers(rows.patterns[i], powers, s[i], overlap)


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
    return energy_from(rows, s, interaction_total(rows, rows.powers, overlap, s))


@kernel
def interaction_total(rows, powers, overlap, s):
    """sum_mu f."""
    if len(powers) == 0:
        table, n = rows.energy_table, s.shape[0]
        return sum_over_patterns(table, rows.nonzeros, overlap, n)
    else:
        return power_total(powers, overlap, rows.patterns.shape[1])


@kernel
def energy_from(rows, s, total):
    """Total energy E from sum_mu f(S_mu)."""
    n = s.shape[0]
    external = 0.0
    if rows.every != 0:
        for i in range(n):
            external += rows.external[i] * s[i]
    elif rows.external[0] != 0.0:
        external = rows.external[0] * float(sum_of(s))
    return -rows.prefactor * (total + rows.shift) - external


@kernel
def sum_over_patterns(table, nonzeros, overlap, n):
    """sum_mu f(S_mu)."""
    total = 0.0
    if table is None:
        return 0.5 * sum_of_squares(overlap)
    if len(nonzeros) == 0:
        for mu in range(overlap.shape[0]):
            total += table[(np.int64(overlap[mu]) + n) >> 1]
    else:
        for mu in range(overlap.shape[0]):
            total += table[(np.int64(overlap[mu]) + nonzeros.energy_bases[mu]) >> 1]
    return total


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


@kernel
def sum_of_squares(overlap):
    """sum_mu S_mu**2; in integers, where the overlaps are narrow enough for that."""
    if overlap.itemsize == 8:
        total = 0.0
        for mu in range(overlap.shape[0]):
            total += float(overlap[mu]) * float(overlap[mu])
        return total
    squares = np.int64(0)
    for mu in range(overlap.shape[0]):
        squares += np.int64(overlap[mu]) * np.int64(overlap[mu])
    return float(squares)


@kernel
def sum_of(s):
    """sum_i s_i."""
    total = np.int64(0)
    for i in range(s.shape[0]):
        total += np.int64(s[i])
    return total


@kernel
def refresh_dense(weights, spins, overlaps):
    """`refresh` of R chains from the rows (K, N) int8 as the network keeps them."""
    for r in range(spins.shape[0]):
        for mu in range(weights.shape[0]):
            overlaps[r, mu] = common(weights[mu], spins[r])


@kernel
def common(a, b):
    """sum_i a_i b_i of numbers of 8 bits."""
    total = np.int64(0)
    # In runs whose sum fits into 32 bits: twice as many lanes.
    for first in range(0, a.shape[0], 65536):
        left, right = a[first : first + 65536], b[first : first + 65536]
        part = np.int32(0)
        for i in range(left.shape[0]):
            part = np.int32(part + np.int32(np.int32(left[i]) * np.int32(right[i])))
        total += np.int64(part)
    return total


@kernel
def all_alignments(rows, s, overlap, alignments):
    """s_i sum_{j != i} sum_mu w_mu_i w_mu_j s_j of every spin, P = 2, dense rows."""
    for i in range(s.shape[0]):
        e = field_sum(
            rows.patterns, rows.self_terms, rows.nonzeros, None, s, overlap, i
        )
        alignments[i] = np.int32(e)


@kernel
def fill_symmetric(block, first, matrix):
    """Couplings of the sites from `first` on with all behind, and their mirror."""
    n_rows, n_columns = block.shape
    for start in range(0, n_columns, 64):
        for row in range(n_rows):
            i = first + row
            for column in range(start, min(start + 64, n_columns)):
                j = first + column
                value = matrix.dtype.type(block[row, column])
                matrix[i, j] = value
                matrix[j, i] = value
    for row in range(n_rows):
        matrix[first + row, first + row] = 0
