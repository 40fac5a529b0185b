"""Loops over the blocks of one-hot coded variables.

Block i of a row is entries offsets[i] to offsets[i + 1]; rows are samples of a batch.
"""

from __future__ import annotations

import math

from statmech.jit import kernel


@kernel
def block_softmax(logits, offsets, q, log_q):
    """q and log_q (B, d) of logits (B, d), block by block; log_q is exact far down."""
    for b in range(logits.shape[0]):
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            top = logits[b, first]
            for s in range(first + 1, last):
                top = max(top, logits[b, s])
            total = 0.0
            for s in range(first, last):
                total += math.exp(logits[b, s] - top)
            shift = top + math.log(total)
            for s in range(first, last):
                log_q[b, s] = logits[b, s] - shift
                q[b, s] = math.exp(log_q[b, s])


@kernel
def center_blocks(rows, offsets):
    """Take from every block of rows (B, d) its mean, in place."""
    for b in range(rows.shape[0]):
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            mean = 0.0
            for s in range(first, last):
                mean += rows[b, s]
            mean /= last - first
            for s in range(first, last):
                rows[b, s] -= mean


@kernel
def add_own_blocks(rows, offsets, own, out):
    """out (B, d) += blockdiag(own) rows, block i being own[first:last, :last-first]."""
    for b in range(rows.shape[0]):
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            for s in range(first, last):
                total = 0.0
                for t in range(last - first):
                    total += own[s, t] * rows[b, first + t]
                out[b, s] += total
