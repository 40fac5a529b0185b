"""All +-1 weights of a small perceptron, one flip at a time."""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel


@kernel
def _place_of(step):
    """The weight that the Gray code turns in its step 1, 2, ...: the trailing zeros."""
    place = 0
    while step & 1 == 0:
        step >>= 1
        place += 1
    return place


@kernel
def _turn(row, weight, stability):
    """Turn one weight; row (P,) int16 is its column of the aligned patterns.

    Returns the errors, stabilities below zero, afterwards.
    """
    change = np.int16(-2 * weight)
    errors = np.int64(0)
    for mu in range(row.size):
        value = np.int16(stability[mu] + np.int16(change * row[mu]))
        stability[mu] = value
        errors += value < 0
    return errors


@kernel
def count_all(columns, reference, weights, stability, counts):
    """counts[E, k] += students with E errors and k weights unlike the reference.

    columns (N, P) int16: aligned patterns y x, N <= 62. weights (N,) int16 and
    stability (P,) int16 = weights @ columns are where it starts, and change.
    counts (P + 1, N + 1) int64.
    """
    n = columns.shape[0]
    errors = np.int64(0)
    for mu in range(stability.size):
        errors += stability[mu] < 0
    unlike = np.int64(0)
    for i in range(n):
        unlike += weights[i] != reference[i]
    counts[errors, unlike] += 1
    for step in range(1, 1 << n):
        i = _place_of(step)
        errors = _turn(columns[i], weights[i], stability)
        weights[i] = -weights[i]
        unlike += 1 if weights[i] != reference[i] else -1
        counts[errors, unlike] += 1


@kernel
def collect_solutions(columns, weights, stability, found):
    """The students without errors, into found (n, N) int8 as far as it reaches.

    Arguments as in `count_all`. Returns how many there are.
    """
    n = columns.shape[0]
    errors = np.int64(0)
    for mu in range(stability.size):
        errors += stability[mu] < 0
    n_found = 0
    for step in range(1, (1 << n) + 1):
        if errors == 0:
            if n_found < found.shape[0]:
                for i in range(n):
                    found[n_found, i] = weights[i]
            n_found += 1
        if step < 1 << n:
            i = _place_of(step)
            errors = _turn(columns[i], weights[i], stability)
            weights[i] = -weights[i]
    return n_found
