"""Softmax, residual and free energy of a batch in one pass each, and Anderson mixing.

Rows are samples; block i of a row is entries offsets[i] to offsets[i + 1]. Logits are
relative to those of the last state of their block, and packed: those 0 are left out.
"""

from __future__ import annotations

import math

import numpy as np

from statmech.jit import kernel


@kernel
def pack(rows, offsets, out):
    """out (B, d - n): rows (B, d) without the last entry of every block."""
    for b in range(rows.shape[0]):
        place = 0
        for i in range(offsets.size - 1):
            for s in range(offsets[i], offsets[i + 1] - 1):
                out[b, place] = rows[b, s]
                place += 1


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
    for b in range(out.shape[0]):
        place = 0
        for i in range(offsets.size - 1):
            last = offsets[i + 1] - 1
            if last - offsets[i] == 1:
                # Two states: half the time of the loops.
                top = max(0.0, packed[b, place])
                out[b, last - 1], out[b, last] = packed[b, place] - top, -top
                place += 1
                continue
            top = 0.0
            for s in range(last - offsets[i]):
                top = max(top, packed[b, place + s])
            for s in range(offsets[i], last):
                out[b, s] = packed[b, place] - top
                place += 1
            out[b, last] = -top


@kernel
def respond(weights, offsets, clamped, q, residual):
    """weights (B, d), exp of lowered logits, become softmax; q in observed blocks.

    residual[b] = max |softmax - q|.
    """
    for b in range(q.shape[0]):
        largest = 0.0
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            if clamped[b, i]:
                for s in range(first, last):
                    weights[b, s] = q[b, s]
                continue
            total = 0.0
            for s in range(first, last):
                total += weights[b, s]
            share = 1.0 / total
            for s in range(first, last):
                weights[b, s] *= share
                change = abs(weights[b, s] - q[b, s])
                if change > largest or change != change:  # NaN stays
                    largest = change
        residual[b] = largest


@kernel
def enter(weights, lowered, offsets, clamped, q, totals, entropy):
    """q (B, d) = softmax in hidden blocks, of weights = exp of lowered logits.

    totals (B, n) of weights, 1 in observed blocks; entropy[b] = sum of q lowered: less
    the sum of log totals, that of q log q.
    """
    for b in range(q.shape[0]):
        sum_of = 0.0
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            totals[b, i] = 1.0
            if clamped[b, i]:
                continue
            total = 0.0
            for s in range(first, last):
                total += weights[b, s]
            totals[b, i] = total
            share = 1.0 / total
            for s in range(first, last):
                q[b, s] = share * weights[b, s]
                sum_of += q[b, s] * lowered[b, s]
        entropy[b] = sum_of


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
    # Four sums of each, because additions of one wait for each other.
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
