"""Trials on one chain, in the forms that make the same moves.

Each `attempt_*` function tries the spins of a block in their order: spin i turns if its
alignment, as the moves before have left it, is below the cut of the trial. The forms
differ in what they keep, and so in what a trial and a flip cost:

    plain       the overlaps S_mu                  trial O(K)     flip O(K)
    ahead       the same, four trials at a time    trial O(K)     flip O(K)
    couplings   J and all alignments as well       trial O(1)     flip O(N + K)
    terms       for P >= 3: the part of the field  trial O(K)     flip O(K), several
                that does not depend on the site                  times as much

Sums are of integers, so that their order does not matter; the prefactor is applied
after them, to the same integer in every form.
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel
from statmech.kernels.memory import FAR, STRIDE, touch_trials
from statmech.kernels.network import alignment, flip, follow
from statmech.kernels.terms import follow_terms, four_term_sums, term_sum

# Four trials share a pass over the overlaps as long as fewer than a third is accepted:
# what is behind an accepted one is computed again.
_AHEAD = 3


@kernel
def attempt_plain(rows, s, overlap, sites, cuts):
    """From the overlaps, in whatever form the rows are; returns how many turned."""
    accepted = 0
    for j in range(sites.shape[0]):
        i = np.int64(sites[j])
        if alignment(rows, s, overlap, i) < cuts[j]:
            flip(rows, s, overlap, i)
            accepted += 1
    return accepted


@kernel(inline=True)
def aligned(prefactor, si, dot, self_term, b):
    """The alignment from sum_mu w_mu_i S_mu, P = 2.

    In the loops below helpers are given numbers and single arrays: with a tuple of
    arrays the references to all of them are counted at every call (W4: 65 ns for 12).
    """
    e = float(np.int64(si) * np.int64(dot) - np.int64(self_term))
    return prefactor * e + b * si


@kernel(inline=True)
def row_sum(row, values, self_terms):
    """sum_mu row[mu] * values[mu] of integers, in the type of `self_terms`."""
    total = self_terms.dtype.type(0)
    for mu in range(row.shape[0]):
        # Every result is cast back: Numba would widen a sum of int32 to int64.
        x = self_terms.dtype.type(values[mu])
        y = self_terms.dtype.type(row[mu])
        total = self_terms.dtype.type(total + self_terms.dtype.type(x * y))
    return total


@kernel(inline=True)
def four_row_sums(a, b, c, d, values, self_terms):
    """`row_sum` of four rows: the values are read once."""
    sum_a = self_terms.dtype.type(0)
    sum_b = self_terms.dtype.type(0)
    sum_c = self_terms.dtype.type(0)
    sum_d = self_terms.dtype.type(0)
    for mu in range(a.shape[0]):
        x = self_terms.dtype.type(values[mu])
        y = self_terms.dtype.type(x * self_terms.dtype.type(a[mu]))
        sum_a = self_terms.dtype.type(sum_a + y)
        y = self_terms.dtype.type(x * self_terms.dtype.type(b[mu]))
        sum_b = self_terms.dtype.type(sum_b + y)
        y = self_terms.dtype.type(x * self_terms.dtype.type(c[mu]))
        sum_c = self_terms.dtype.type(sum_c + y)
        y = self_terms.dtype.type(x * self_terms.dtype.type(d[mu]))
        sum_d = self_terms.dtype.type(sum_d + y)
    return sum_a, sum_b, sum_c, sum_d


@kernel
def attempt_ahead(rows, s, overlap, sites, cuts):
    """P = 2, dense rows: four trials against the present state, in their order."""
    patterns, own, prefactor = rows.patterns, rows.self_terms, rows.prefactor
    external, every = rows.external, rows.every
    accepted = 0
    count = sites.shape[0]
    far = patterns.size > FAR
    touched = 0
    j = 0
    while j < count:
        if far and touched < j + STRIDE:
            touch_trials(patterns, own, s, sites, touched)
            touched += STRIDE
        i = np.uint64(sites[j])
        if j + 4 <= count and _AHEAD * accepted <= j:
            i_b, i_c = np.uint64(sites[j + 1]), np.uint64(sites[j + 2])
            i_d = np.uint64(sites[j + 3])
            dots = four_row_sums(
                patterns[i], patterns[i_b], patterns[i_c], patterns[i_d], overlap, own
            )
            a = aligned(prefactor, s[i], dots[0], own[i], external[i & every])
            b = aligned(prefactor, s[i_b], dots[1], own[i_b], external[i_b & every])
            c = aligned(prefactor, s[i_c], dots[2], own[i_c], external[i_c & every])
            d = aligned(prefactor, s[i_d], dots[3], own[i_d], external[i_d & every])
            if a < cuts[j]:
                j += 1
            elif b < cuts[j + 1]:
                i = i_b
                j += 2
            elif c < cuts[j + 2]:
                i = i_c
                j += 3
            elif d < cuts[j + 3]:
                i = i_d
                j += 4
            else:
                j += 4
                continue
        else:
            dot = row_sum(patterns[i], overlap, own)
            x = aligned(prefactor, s[i], dot, own[i], external[i & every])
            j += 1
            if not x < cuts[j - 1]:
                continue
        follow(patterns, (), s, overlap, i)
        s[i] = -s[i]
        accepted += 1
    return accepted


@kernel
def attempt_couplings(rows, couplings, alignments, s, overlap, sites, cuts):
    """P = 2: a trial looks up the alignment; a flip brings all of them up to date."""
    prefactor, external, every = rows.prefactor, rows.external, rows.every
    patterns = rows.patterns
    accepted = 0
    for j in range(sites.shape[0]):
        i = np.uint64(sites[j])
        x = prefactor * float(alignments[i]) + external[i & every] * s[i]
        if x < cuts[j]:
            turn_coupled(couplings[i], alignments, s, i)
            follow(patterns, (), s, overlap, i)
            s[i] = -s[i]
            accepted += 1
    return accepted


@kernel(inline=True)
def turn_coupled(row, alignments, s, i):
    """Alignments as they are after a flip of spin i, which has not turned yet."""
    own = alignments[i]
    twice = np.int32(2 * s[i])
    for site in range(s.shape[0]):
        change = np.int32(np.int32(row[site]) * np.int32(s[site]))
        alignments[site] = np.int32(alignments[site] - np.int32(twice * change))
    alignments[i] = -own


@kernel
def attempt_terms(rows, cache, r, s, overlap, sites, cuts):
    """P >= 3, dense rows: the sum of the cached terms, four trials at a time."""
    patterns, prefactor = rows.patterns, rows.prefactor
    external, every = rows.external, rows.every
    terms, level, polynomials = cache.terms[r], cache.levels[r], cache.polynomials
    by, over = cache.unit[0], cache.unit[1]
    total = np.int64(0)
    accepted = 0
    count = sites.shape[0]
    j = 0
    while j < count:
        i = np.uint64(sites[j])
        if j + 4 <= count and _AHEAD * accepted <= j:
            i_b, i_c = np.uint64(sites[j + 1]), np.uint64(sites[j + 2])
            i_d = np.uint64(sites[j + 3])
            sums = four_term_sums(
                patterns[i], patterns[i_b], patterns[i_c], patterns[i_d], terms
            )
            e = in_units(level, s[i], sums[0], by, over)
            e_b = in_units(level, s[i_b], sums[1], by, over)
            e_c = in_units(level, s[i_c], sums[2], by, over)
            e_d = in_units(level, s[i_d], sums[3], by, over)
            b = external[i_b & every] * s[i_b]
            c = external[i_c & every] * s[i_c]
            d = external[i_d & every] * s[i_d]
            if prefactor * float(e) + external[i & every] * s[i] < cuts[j]:
                j += 1
            elif prefactor * float(e_b) + b < cuts[j + 1]:
                i, e = i_b, e_b
                j += 2
            elif prefactor * float(e_c) + c < cuts[j + 2]:
                i, e = i_c, e_c
                j += 3
            elif prefactor * float(e_d) + d < cuts[j + 3]:
                i, e = i_d, e_d
                j += 4
            else:
                j += 4
                continue
        else:
            e = in_units(level, s[i], term_sum(patterns[i], terms), by, over)
            j += 1
            if not prefactor * float(e) + external[i & every] * s[i] < cuts[j - 1]:
                continue
        follow(patterns, (), s, overlap, i)
        s[i] = -s[i]
        level = follow_terms(polynomials, overlap, terms)
        total -= 2 * e
        accepted += 1
    cache.levels[r] = level
    move_total(cache.totals, r, total)
    return accepted


@kernel(inline=True)
def in_units(level, si, total, by, over):
    """sum_mu a_mu G(S_mu - a_mu) from the level and the sum of the terms."""
    e = (level + np.int64(si) * total) * by
    if over != 1:
        e //= over
    return e


@kernel(inline=True)
def move_total(totals, r, change):
    """sum_mu f(S_mu) after the flips, where it is kept."""
    if totals is not None:
        totals[r] += change
