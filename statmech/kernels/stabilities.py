"""Stabilities of a binary perceptron in bits: written, read, and counted anew.

What the state of a pattern is, see `statmech.kernels.perceptron`.
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel
from statmech.kernels.bits import both, count_bits, differ, load, repeat, some, store

# Rows of a vector of patterns in `Chains.state`: which of them are at the boundary, are
# errors, are there at all; then the binary digits of the distances, a multiple of three
# of them: carries are looked for after every three.
BOUNDARY, ERRORS, REAL, DIGITS = 0, 1, 2, 3
GROUP = 3


@kernel
def compute_stabilities(columns, weights, digits, stabilities):
    """s of every pattern, from the weights alone.

    For each vector of patterns the weights that lower them are counted in binary
    digits: carries run up through `digits`.
    """
    n = weights.shape[0]
    n_vectors = columns.shape[0] // n
    n_patterns = stabilities.shape[0]
    for v in range(n_vectors):
        for k in range(digits.shape[0]):
            store(digits, k, repeat(0))
        for i in range(n):
            carry = differ(
                load(columns, i * n_vectors + v), repeat(np.int64(weights[i]) >> 63)
            )
            k = 0
            while some(carry):
                digit = load(digits, k)
                store(digits, k, differ(digit, carry))
                carry = both(digit, carry)
                k += 1
        for mu in range(v * 512, min(v * 512 + 512, n_patterns)):
            count = np.int64(0)
            for k in range(digits.shape[0]):
                count |= bit_of(digits[k], mu & 511) << k
            stabilities[mu] = 2 * count - n


@kernel(inline=True)
def bit_of(vector, mu):
    """Bit mu of the words (8,) of a vector."""
    w = vector[mu >> 6] >> np.uint64(mu & 63)
    return np.int64(w & np.uint64(1))


@kernel
def encode(stabilities, threshold, size, state):
    """Write the state of patterns of these stabilities; returns the errors."""
    state[:] = 0
    n_errors = 0
    for mu in range(stabilities.shape[0]):
        first, at, shift = (mu >> 9) * size, (mu >> 6) & 7, np.uint64(mu & 63)
        one = np.uint64(1) << shift
        d = (np.int64(stabilities[mu]) - threshold) >> 1
        state[first + REAL, at] |= one
        if d < 0:
            d = -1 - d
            n_errors += 1
            state[first + ERRORS, at] |= one
        if d == 0:
            state[first + BOUNDARY, at] |= one
        row = first + DIGITS
        while d > 0:
            if d & 1:
                state[row, at] |= one
            d >>= 1
            row += 1
    return n_errors


@kernel
def decode(state, threshold, size, stabilities):
    """The stabilities that a state holds."""
    for mu in range(stabilities.shape[0]):
        first, bit = (mu >> 9) * size, mu & 511
        e = np.int64(0)
        for k in range(size - DIGITS):
            e |= bit_of(state[first + DIGITS + k], bit) << k
        d = -1 - e if bit_of(state[first + ERRORS], bit) else e
        stabilities[mu] = 2 * d + threshold


@kernel
def begin(examples, chains):
    """State and errors of all chains from their weights."""
    n = chains.weights.shape[1]
    size = chains.state.shape[1] // (examples.columns.shape[0] // n)
    for r in range(chains.weights.shape[0]):
        s = chains.stabilities[0]
        compute_stabilities(examples.columns, chains.weights[r], chains.digits, s)
        chains.errors[r] = encode(s, examples.threshold, size, chains.state[r])


@kernel
def consistent(examples, chains):
    """Whether every chain holds the stabilities and errors that its weights have."""
    n = chains.weights.shape[1]
    n_vectors = examples.columns.shape[0] // n
    size = chains.state.shape[1] // n_vectors
    for r in range(chains.weights.shape[0]):
        state = chains.state[r]
        wanted, held = chains.stabilities[0], chains.stabilities[1]
        compute_stabilities(examples.columns, chains.weights[r], chains.digits, wanted)
        decode(state, examples.threshold, size, held)
        n_errors, at_boundary = 0, 0
        for mu in range(wanted.shape[0]):
            if wanted[mu] != held[mu]:
                return False
            n_errors += wanted[mu] < examples.threshold
            d = (np.int64(wanted[mu]) - examples.threshold) >> 1
            if d == 0 or d == -1:
                at_boundary += 1
                if not bit_of(state[(mu >> 9) * size + BOUNDARY], mu & 511):
                    return False
        for v in range(n_vectors):
            at_boundary -= count_bits(state, v * size, v * size + 1)
        if n_errors != chains.errors[r] or at_boundary != 0:
            return False
    return True
