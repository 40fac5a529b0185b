"""Softmax, residual and free energy of a batch in one pass each, and Anderson mixing.

Rows are samples; block i of a row is entries offsets[i] to offsets[i + 1]. Logits are
relative to those of the last state of their block, and packed: those 0 are left out.
"""

from __future__ import annotations

import math

import numpy as np

from statmech.jit import kernel


@kernel
def pair_range(offsets):
    """(first, end) of the longest run of blocks with two states."""
    first, end, i = 0, 0, 0
    while i < offsets.size - 1:
        j = i
        while j < offsets.size - 1 and offsets[j + 1] - offsets[j] == 2:
            j += 1
        if j - i > end - first:
            first, end = i, j
        i = j + 1
    return first, end


# Most variables have two states as a rule. In loops over these nothing branches, so
# that they compile to vector instructions: a quarter of the time.


@kernel
def pack(rows, offsets, out):
    """out (B, d - n): rows (B, d) without the last entry of every block."""
    first, end = pair_range(offsets)
    n_pairs, start = end - first, offsets[first]
    for b in range(rows.shape[0]):
        pairs = rows[b, start : start + 2 * n_pairs]
        packed = out[b, start - first : start - first + n_pairs]
        for j in range(n_pairs):
            packed[j] = pairs[2 * j]
        for other in range(offsets.size - 1 - n_pairs):
            i = other if other < first else other + n_pairs
            for s in range(offsets[i], offsets[i + 1] - 1):
                out[b, s - i] = rows[b, s]


@kernel
def pack_relative(rows, offsets, out):
    """out (B, d - n): rows (B, d) less the last entry of their block, without it."""
    for b in range(rows.shape[0]):
        place = 0
        for i in range(offsets.size - 1):
            last = offsets[i + 1] - 1
            for s in range(offsets[i], last):
                out[b, place] = rows[b, s] - rows[b, last]
                place += 1


@kernel
def unpack(packed, offsets, out):
    """out (B, d): packed (B, d - n) with 0 for the last entry of every block."""
    for b in range(out.shape[0]):
        place = 0
        for i in range(offsets.size - 1):
            last = offsets[i + 1] - 1
            for s in range(offsets[i], last):
                out[b, s] = packed[b, place]
                place += 1
            out[b, last] = 0.0


@kernel
def lower(packed, offsets, out):
    """out (B, d): packed (B, d - n) unpacked, less the largest of every block."""
    first, end = pair_range(offsets)
    n_pairs, start = end - first, offsets[first]
    for b in range(out.shape[0]):
        theta = packed[b, start - first : start - first + n_pairs]
        pairs = out[b, start : start + 2 * n_pairs]
        for j in range(n_pairs):
            top = theta[j] if theta[j] > 0.0 else 0.0
            pairs[2 * j], pairs[2 * j + 1] = theta[j] - top, -top
        for other in range(offsets.size - 1 - n_pairs):
            i = other if other < first else other + n_pairs
            begin, last = offsets[i], offsets[i + 1] - 1
            top = 0.0
            for s in range(begin, last):
                top = max(top, packed[b, s - i])
            for s in range(begin, last):
                out[b, s] = packed[b, s - i] - top
            out[b, last] = -top


@kernel
def relative(rows, offsets, out):
    """out (B, d): rows (B, d) less the largest of every block."""
    for b in range(out.shape[0]):
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            top = rows[b, first]
            for s in range(first + 1, last):
                top = max(top, rows[b, s])
            for s in range(first, last):
                out[b, s] = rows[b, s] - top


@kernel
def finish(logs, values, clamped, offsets, log_q):
    """log_q (B, d), relative logits, less the logs (B, n) of the totals of `enter`.

    In observed blocks that of values, -inf for 0.
    """
    for b in range(log_q.shape[0]):
        for i in range(offsets.size - 1):
            for s in range(offsets[i], offsets[i + 1]):
                if not clamped[b, i]:
                    log_q[b, s] -= logs[b, i]
                elif values[b, s] == 1.0:
                    log_q[b, s] = 0.0
                else:
                    value = values[b, s]
                    log_q[b, s] = math.log(value) if value > 0.0 else -math.inf


@kernel
def respond(weights, offsets, clamped, q, residual):
    """weights (B, d), exp of lowered logits, become softmax; q in observed blocks.

    residual[b] = max |softmax - q|.
    """
    first, end = pair_range(offsets)
    n_pairs, start = end - first, offsets[first]
    change = np.empty(q.shape[1])
    # As integers, the bits of numbers from 0 are in the order of these, and those of
    # what is not a number come last.
    bits, largest = change.view(np.int64), residual.view(np.int64)
    for b in range(q.shape[0]):
        pairs = weights[b, start : start + 2 * n_pairs]
        old, observed = q[b, start : start + 2 * n_pairs], clamped[b, first:end]
        for j in range(n_pairs):
            share = 1.0 / (pairs[2 * j] + pairs[2 * j + 1])
            left, right = share * pairs[2 * j], share * pairs[2 * j + 1]
            pairs[2 * j] = old[2 * j] if observed[j] else left
            pairs[2 * j + 1] = old[2 * j + 1] if observed[j] else right
        for other in range(offsets.size - 1 - n_pairs):
            i = other if other < first else other + n_pairs
            total = 0.0
            for s in range(offsets[i], offsets[i + 1]):
                total += weights[b, s]
            share = 1.0 / total
            for s in range(offsets[i], offsets[i + 1]):
                weights[b, s] = q[b, s] if clamped[b, i] else share * weights[b, s]
        for s in range(q.shape[1]):
            change[s] = abs(weights[b, s] - q[b, s])
        top = np.int64(0)
        for s in range(q.shape[1]):
            top = max(top, bits[s])
        largest[b] = top


@kernel
def enter(weights, lowered, offsets, clamped, q, totals, entropy):
    """q (B, d) = softmax in hidden blocks, of weights = exp of lowered logits.

    totals (B, n) of weights, 1 in observed blocks; entropy[b] = sum of q lowered: less
    the sum of log totals, that of q log q.
    """
    first, end = pair_range(offsets)
    n_pairs, start = end - first, offsets[first]
    terms = np.empty(n_pairs)
    for b in range(q.shape[0]):
        w = weights[b, start : start + 2 * n_pairs]
        logs = lowered[b, start : start + 2 * n_pairs]
        pairs, sums = q[b, start : start + 2 * n_pairs], totals[b, first:end]
        observed = clamped[b, first:end]
        for j in range(n_pairs):
            total = w[2 * j] + w[2 * j + 1]
            share = 1.0 / total
            left, right = share * w[2 * j], share * w[2 * j + 1]
            term = left * logs[2 * j] + right * logs[2 * j + 1]
            pairs[2 * j] = pairs[2 * j] if observed[j] else left
            pairs[2 * j + 1] = pairs[2 * j + 1] if observed[j] else right
            sums[j] = 1.0 if observed[j] else total
            terms[j] = 0.0 if observed[j] else term
        entropy[b] = _sum(terms)
        for other in range(offsets.size - 1 - n_pairs):
            i = other if other < first else other + n_pairs
            totals[b, i] = 1.0
            if clamped[b, i]:
                continue
            total = 0.0
            for s in range(offsets[i], offsets[i + 1]):
                total += weights[b, s]
            totals[b, i] = total
            share = 1.0 / total
            for s in range(offsets[i], offsets[i + 1]):
                q[b, s] = share * weights[b, s]
                entropy[b] += q[b, s] * lowered[b, s]


@kernel(inline=True)
def _sum(x):
    # Four sums, because additions of one wait for each other.
    a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
    whole = x.size - x.size % 4
    for s in range(0, whole, 4):
        a0 += x[s]
        a1 += x[s + 1]
        a2 += x[s + 2]
        a3 += x[s + 3]
    for s in range(whole, x.size):
        a0 += x[s]
    return (a0 + a1) + (a2 + a3)


@kernel
def mix(x, f, eta, plain, filled, old_x, old_f, dx, df, gram, ridge):
    """x <- x + eta f - sum_j g_j (dx_j + eta df_j), g the least squares of f by df.

    x and f (B, d), eta (B,). The window of a sample is dx, df (B, w, d) and gram
    (B, w, w) = df df^T; filled[b] + 1 points were seen, the last is old_x, old_f.
    The step is x + eta f where plain[b] (B,) or if the equations cannot be solved.
    ridge is relative to the diagonal.
    """
    w, d = dx.shape[1], dx.shape[2]
    factor, g, scale = np.empty((w, w)), np.empty(w), np.empty(w)
    for b in range(x.shape[0]):
        if filled[b] >= 0:
            slot = filled[b] % w
            for s in range(d):
                dx[b, slot, s] = x[b, s] - old_x[b, s]
                df[b, slot, s] = f[b, s] - old_f[b, s]
            for j in range(min(filled[b] + 1, w)):
                both = _dots(df[b, j], df[b, slot], f[b])
                gram[b, slot, j] = gram[b, j, slot] = both[0]
                g[j] = both[1]
        filled[b] += 1
        for s in range(d):
            old_x[b, s], old_f[b, s] = x[b, s], f[b, s]
        m = 0 if plain[b] else min(filled[b], w)
        if not _solve(gram[b], g, m, ridge, factor, scale):
            m = 0
        for s in range(d):
            x[b, s] += eta[b] * f[b, s]
        for j in range(m):
            for s in range(d):
                x[b, s] -= g[j] * (dx[b, j, s] + eta[b] * df[b, j, s])


@kernel(inline=True)
def _dots(x, y, z):
    """x.y and x.z."""
    # Four sums of each, as in `_sum`.
    a0, a1, a2, a3, b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    whole = x.size - x.size % 4
    for s in range(0, whole, 4):
        a0 += x[s] * y[s]
        a1 += x[s + 1] * y[s + 1]
        a2 += x[s + 2] * y[s + 2]
        a3 += x[s + 3] * y[s + 3]
        b0 += x[s] * z[s]
        b1 += x[s + 1] * z[s + 1]
        b2 += x[s + 2] * z[s + 2]
        b3 += x[s + 3] * z[s + 3]
    for s in range(whole, x.size):
        a0 += x[s] * y[s]
        b0 += x[s] * z[s]
    return (a0 + a1) + (a2 + a3), (b0 + b1) + (b2 + b3)


@kernel
def _solve(gram, g, m, ridge, factor, scale):
    """g[:m] <- the solution of (gram + ridge) y = g by Cholesky, rows scaled to 1."""
    for j in range(m):
        scale[j] = 1.0 / math.sqrt(gram[j, j]) if gram[j, j] > 0.0 else 0.0
    for j in range(m):
        for i in range(j + 1):
            total = gram[j, i] * scale[i] * scale[j]
            if i == j:
                total = 1.0 + ridge
            for t in range(i):
                total -= factor[j, t] * factor[i, t]
            if i == j:
                if not total > 0.0:
                    return False
                factor[j, j] = math.sqrt(total)
            else:
                factor[j, i] = total / factor[i, i]
    for j in range(m):
        total = g[j] * scale[j]
        for t in range(j):
            total -= factor[j, t] * g[t]
        g[j] = total / factor[j, j]
    for j in range(m - 1, -1, -1):
        total = g[j]
        for t in range(j + 1, m):
            total -= factor[t, j] * g[t]
        g[j] = total / factor[j, j]
    for j in range(m):
        g[j] *= scale[j]
        if not math.isfinite(g[j]):
            return False
    return True


@kernel
def project(v, root, offsets):
    """Take from every block of v (B, d) its component along root, in place."""
    for b in range(v.shape[0]):
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            total = 0.0
            for s in range(first, last):
                total += root[b, s] * v[b, s]
            for s in range(first, last):
                v[b, s] -= total * root[b, s]
