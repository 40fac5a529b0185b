"""For P >= 3: the field at a site as a signed sum of terms that no site is in.

With S = S_mu, a = w_mu_i s_i = +-1 and half the drop of f when S goes to S - 2 a,

    a G(S - a) = (f(S) - f(S - 2a)) / 2 = L(S) + a V(S),
    V(S) = (f(S + 2) - f(S - 2)) / 4,
    L(S) = (2 f(S) - f(S + 2) - f(S - 2)) / 4,

a trial needs s_i sum_mu w_mu_i V(S_mu), a sum with signs over numbers that only a flip
changes, and the level sum_mu L(S_mu). V and L are polynomials in S, and so in
j = floor(S / 2), which has no parity; they are evaluated in integers, in units in which
their coefficients are integers.
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel

# Sums of so many terms of 32 bits fit into 32 bits.
RUN = 2048
LARGEST_TERM = 2**20 - 1


@kernel(inline=True)
def term_sum(row, terms):
    """sum_mu row[mu] * terms[mu], row of +-1, in int64."""
    total = np.int64(0)
    for first in range(0, row.shape[0], RUN):
        signs, values = row[first : first + RUN], terms[first : first + RUN]
        part = terms.dtype.type(0)
        for mu in range(signs.shape[0]):
            term = terms.dtype.type(terms.dtype.type(signs[mu]) * values[mu])
            part = terms.dtype.type(part + term)
        total += np.int64(part)
    return total


@kernel(inline=True)
def four_term_sums(row_a, row_b, row_c, row_d, terms):
    """`term_sum` of four rows: the terms are read once."""
    sum_a, sum_b = np.int64(0), np.int64(0)
    sum_c, sum_d = np.int64(0), np.int64(0)
    for first in range(0, row_a.shape[0], RUN):
        values = terms[first : first + RUN]
        a, b = row_a[first : first + RUN], row_b[first : first + RUN]
        c, d = row_c[first : first + RUN], row_d[first : first + RUN]
        part_a, part_b = terms.dtype.type(0), terms.dtype.type(0)
        part_c, part_d = terms.dtype.type(0), terms.dtype.type(0)
        for mu in range(a.shape[0]):
            x = values[mu]
            y = terms.dtype.type(terms.dtype.type(a[mu]) * x)
            part_a = terms.dtype.type(part_a + y)
            y = terms.dtype.type(terms.dtype.type(b[mu]) * x)
            part_b = terms.dtype.type(part_b + y)
            y = terms.dtype.type(terms.dtype.type(c[mu]) * x)
            part_c = terms.dtype.type(part_c + y)
            y = terms.dtype.type(terms.dtype.type(d[mu]) * x)
            part_d = terms.dtype.type(part_d + y)
        sum_a += np.int64(part_a)
        sum_b += np.int64(part_b)
        sum_c += np.int64(part_c)
        sum_d += np.int64(part_d)
    return sum_a, sum_b, sum_c, sum_d


@kernel
def follow_terms(polynomials, overlap, terms):
    """Bring the terms up to the overlaps; returns the level.

    The polynomials are evaluated in the type of their coefficients: in float32 for
    terms of 32 bits, where all numbers are integers that it holds exactly and its
    products are twice as fast, else in int64.
    """
    if polynomials.shape[1] <= 4:
        odd = polynomials[0, 0] == 0 and polynomials[0, 2] == 0
        if odd and polynomials[1, 1] == 0:
            return odd_cubic_terms(polynomials, overlap, terms)
        return cubic_terms(polynomials, overlap, terms)
    return long_terms(polynomials, overlap, terms)


@kernel
def cubic_terms(polynomials, overlap, terms):
    """Up to the third power: P = 3 and 4."""
    v0, v1 = polynomials[0, 0], polynomials[0, 1]
    v2, v3 = polynomials[0, 2], polynomials[0, 3]
    w0, w1, w2 = polynomials[1, 0], polynomials[1, 1], polynomials[1, 2]
    level = np.int64(0)
    for first in range(0, overlap.shape[0], RUN):
        sums, values = overlap[first : first + RUN], terms[first : first + RUN]
        part = terms.dtype.type(0)
        for mu in range(sums.shape[0]):
            j = polynomials.dtype.type(np.int32(sums[mu]) >> np.int32(1))
            v = polynomials.dtype.type(polynomials.dtype.type(v3 * j) + v2)
            v = polynomials.dtype.type(polynomials.dtype.type(v * j) + v1)
            v = polynomials.dtype.type(polynomials.dtype.type(v * j) + v0)
            values[mu] = terms.dtype.type(v)
            w = polynomials.dtype.type(polynomials.dtype.type(w2 * j) + w1)
            w = polynomials.dtype.type(polynomials.dtype.type(w * j) + w0)
            part = terms.dtype.type(part + terms.dtype.type(w))
        level += np.int64(part)
    return level


@kernel
def odd_cubic_terms(polynomials, overlap, terms):
    """P = 4 and N even, where V is odd and L is even: fewer products."""
    v1, v3 = polynomials[0, 1], polynomials[0, 3]
    w0, w2 = polynomials[1, 0], polynomials[1, 2]
    level = np.int64(0)
    for first in range(0, overlap.shape[0], RUN):
        sums, values = overlap[first : first + RUN], terms[first : first + RUN]
        part = terms.dtype.type(0)
        for mu in range(sums.shape[0]):
            j = polynomials.dtype.type(np.int32(sums[mu]) >> np.int32(1))
            square = polynomials.dtype.type(j * j)
            v = polynomials.dtype.type(polynomials.dtype.type(v3 * square) + v1)
            values[mu] = terms.dtype.type(polynomials.dtype.type(v * j))
            w = polynomials.dtype.type(polynomials.dtype.type(w2 * square) + w0)
            part = terms.dtype.type(part + terms.dtype.type(w))
        level += np.int64(part)
    return level


@kernel
def long_terms(polynomials, overlap, terms):
    """Any power, by Horner's rule over all terms at a time."""
    top = polynomials.shape[1] - 1
    level = np.int64(0)
    for first in range(0, overlap.shape[0], RUN):
        sums, values = overlap[first : first + RUN], terms[first : first + RUN]
        # The level first, in the place of the terms.
        for which in (1, 0):
            values[:] = terms.dtype.type(polynomials[which, top])
            for power in range(top - 1, -1, -1):
                c = terms.dtype.type(polynomials[which, power])
                for mu in range(sums.shape[0]):
                    j = terms.dtype.type(np.int32(sums[mu]) >> np.int32(1))
                    values[mu] = terms.dtype.type(terms.dtype.type(values[mu] * j) + c)
            if which == 1:
                for mu in range(sums.shape[0]):
                    level += np.int64(values[mu])
    return level
