"""Sequential mean field: one block after the other, fields kept up to date."""

from __future__ import annotations

import math

from statmech.jit import kernel


@kernel
def update_blocks(phi, offsets, clamped, q, logits):
    """q_i <- softmax of logits_i for every hidden block in turn, a sweep.

    phi (d, d) symmetric and block hollow, clamped (B, n) bool; q (B, d) and
    logits (B, d) = Phi q + b change in place. A row of phi serves all samples.
    """
    n_rows, d = q.shape
    for i in range(offsets.size - 1):
        first, last = offsets[i], offsets[i + 1]
        for b in range(n_rows):
            if clamped[b, i]:
                continue
            top = logits[b, first]
            for s in range(first + 1, last):
                top = max(top, logits[b, s])
            total = 0.0
            for s in range(first, last):
                total += math.exp(logits[b, s] - top)
            # The logits of the block itself do not change: phi is block hollow.
            for s in range(first, last):
                new = math.exp(logits[b, s] - top) / total
                step = new - q[b, s]
                q[b, s] = new
                if step != 0.0:
                    for t in range(d):
                        logits[b, t] += step * phi[s, t]
