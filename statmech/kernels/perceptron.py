"""Single-weight dynamics of a binary perceptron whose energy is its number of errors.

A pattern is an error if its stability s = y J.x, an odd integer, is below the odd
integer s0. What is kept of it is, with d = (s - s0) / 2, its side, whether d < 0, and
its distance e = d, or -1 - d if d < 0. Bits of 512 patterns go in one vector
(`statmech.kernels.bits`): one of sides, one of each binary digit of the distances.

Only at distance zero does a flip, which changes d by 1, take a pattern to the other
side. So of the patterns that are next to the boundary (e = 0) those that it turns
into errors, less those it mends, are the change of energy,

    Delta E = |boundary and lowered| - |boundary and error|,

with `lowered` the patterns whose stability falls: a column of the matrix of bits, or
its complement. The second number changes only with accepted flips.

An accepted flip adds +-1 to the distances: carries run up the digits until none is
left, which 512 patterns take about log2 of their largest distance for. Those at
distance zero which the flip takes to the other side stay at zero.

References
----------
W. Krauth and M. Mezard, J. Phys. France 50, 3057 (1989); H. Horner, Z. Phys. B 86,
291 (1992), for the dynamics.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from statmech.jit import kernel
from statmech.kernels.bits import (
    both,
    counts,
    differ,
    either,
    load,
    plus,
    repeat,
    some,
    store,
    total,
    without,
)
from statmech.kernels.moves import PERMUTED, RANDOM, block_of, permute
from statmech.kernels.network import common
from statmech.kernels.stabilities import (
    BOUNDARY,
    DIGITS,
    ERRORS,
    GROUP,
    REAL,
    consistent,
)
from statmech.rng import (
    SECOND_WORD,
    mix64,
    site_of,
    uniform24_of,
    uniform53_of,
    word,
)

# Sweeps after which stabilities are computed anew and compared.
CHECK = 1000


class Columns(NamedTuple):
    """The examples, read only."""

    columns: Any  # (N V, 8) uint64; rows i V, ..., i V + V - 1: bit mu is y x_i > 0
    binary_teacher: Any  # (N,) int8; (0,) where it is not +-1
    teacher: Any  # (N,) float64; (0,) where it is +-1
    n_patterns: int
    threshold: int  # s0
    norm: float  # |J| |W|; N where both are +-1


class Chains(NamedTuple):
    """State of R chains; all arrays are changed in place."""

    weights: Any  # (R, N) int8
    state: Any  # (R, V rows, 8) uint64
    errors: Any  # (R,) int64, E
    accepted: Any  # (R,) int64, flips since the last draw
    keys: Any  # (R, 2) uint64
    clock: Any  # (1,) int64, trials done by each chain
    since: Any  # (1,) int64, sweeps since the last check
    sites: Any  # (N,) int32, or a block
    noise: Any  # (BLOCK,) int64
    digits: Any  # (D, 8) uint64, scratch
    stabilities: Any  # (2, P) int32, scratch


class Record(NamedTuple):
    """Where measurements go, one a draw."""

    errors: Any  # (R, draws) int64
    teacher_overlaps: Any  # (R, draws) float64, or (R, 0)
    replica_overlaps: Any  # (R // 2, draws) float64
    accepted: Any  # (R, draws) float64
    weight_sums: Any  # (R, N) int64, over the draws


# Noise -----------------------------------------------------------------------------


@kernel
def fill_thresholds(wide, probabilities, thresholds):
    """thresholds[j]: how many of the uniforms are below probabilities[j].

    A uniform is a growing function of an integer k of 24 or 53 bits, so that it is
    below a number where k is below a threshold: one comparison of integers a trial.
    """
    for j in range(probabilities.shape[0]):
        below, above = np.int64(0), np.int64(1) << np.int64(53 if wide else 24)
        while below < above:
            middle = (below + above) >> 1
            if wide:
                u = uniform53_of(np.uint64(middle) << np.uint64(11))
            else:
                u = uniform24_of(np.uint64(middle))
            if u < probabilities[j]:
                below = middle + 1
            else:
                above = middle
        thresholds[j] = below


@kernel
def draw_random(seed, gamma, clock, n, sites, noise):
    """Independent sites and the integers behind the uniforms, of one word a trial."""
    for j in range(sites.shape[0]):
        w = mix64(np.uint64(seed + np.uint64(clock + j) * gamma))
        sites[j] = site_of(w, n)
        noise[j] = np.int64(w & np.uint64(0xFFFFFF))


@kernel
def draw_noise(wide, key, clock, noise):
    """The integers alone."""
    for j in range(noise.shape[0]):
        if wide:
            w = word(key, SECOND_WORD + np.uint64(clock + j))
            noise[j] = np.int64(w >> np.uint64(11))
        else:
            noise[j] = np.int64(word(key, clock + j) & np.uint64(0xFFFFFF))


# Trials ----------------------------------------------------------------------------


@kernel(inline=True)
def lowered_at(columns, row, complement, near):
    """Of 512 patterns, those at the boundary that a flip lowers: their numbers."""
    return counts(both(differ(load(columns, row), complement), near))


@kernel(inline=True)
def lost_by(columns, state, size, n_vectors, i, weight):
    """|boundary and lowered| of the flip of weight i."""
    complement = repeat(np.int64(weight) >> 63)
    sums = repeat(0)
    for v in range(n_vectors):
        near = load(state, v * size + BOUNDARY)
        sums = plus(sums, lowered_at(columns, i * n_vectors + v, complement, near))
    return total(sums)


@kernel(inline=True)
def mended_by_any(state, size, n_vectors):
    """|boundary and error|."""
    sums = repeat(0)
    for v in range(n_vectors):
        near, errors = load(state, v * size + BOUNDARY), load(state, v * size + ERRORS)
        sums = plus(sums, counts(both(near, errors)))
    return total(sums)


@kernel(inline=True)
def flip_vector(columns, row, complement, state, first, size, near, errors):
    """The flip for the patterns whose state begins at `first`.

    Their boundary `near` and `errors` come and go in registers, digits in memory.
    """
    nearer = differ(differ(load(columns, row), complement), errors)
    crossing = both(near, nearer)
    real = load(state, first + REAL)
    carry = without(real, crossing)
    away = repeat(0)
    row, last = first + DIGITS, first + size
    going = True
    while going:
        for k in range(GROUP):
            digit = load(state, row + k)
            changed = differ(digit, carry)
            store(state, row + k, changed)
            away = either(away, changed)
            # Up, ones carry; down, zeros do.
            carry = both(carry, differ(digit, nearer))
        row += GROUP
        going = some(carry)
    while row < last:
        for k in range(GROUP):
            away = either(away, load(state, row + k))
        row += GROUP
    return without(real, away), differ(errors, crossing)


@kernel(inline=True)
def flip(columns, state, size, n_vectors, i, weight):
    """Stabilities after the flip of weight i; returns the new `mended_by_any`."""
    complement = repeat(np.int64(weight) >> 63)
    sums = repeat(0)
    for v in range(n_vectors):
        first, row = v * size, i * n_vectors + v
        near, errors = load(state, first + BOUNDARY), load(state, first + ERRORS)
        near, errors = flip_vector(
            columns, row, complement, state, first, size, near, errors
        )
        store(state, first + BOUNDARY, near)
        store(state, first + ERRORS, errors)
        sums = plus(sums, counts(both(near, errors)))
    return total(sums)


@kernel
def attempt(columns, weights, state, size, n_vectors, sites, noise, thresholds):
    """A block of trials; returns the change of energy and the accepted flips."""
    middle, n_trials = thresholds.shape[0] >> 1, sites.shape[0]
    # Where in the table the flip lies that no pattern loses.
    origin = middle - mended_by_any(state, size, n_vectors)
    change, accepted = 0, 0
    j = 0
    while j < n_trials:
        # Nothing is stored in the inner loop: until a flip is accepted what it reads
        # stays in registers.
        lost = 0
        while j < n_trials:
            i = np.uint64(sites[np.uint64(j)])
            lost = lost_by(columns, state, size, n_vectors, np.int64(i), weights[i])
            if noise[np.uint64(j)] < thresholds[np.uint64(lost + origin)]:
                break
            j += 1
        if j < n_trials:
            i = np.uint64(sites[np.uint64(j)])
            weight = weights[i]
            change += lost + origin - middle
            mended = flip(columns, state, size, n_vectors, np.int64(i), weight)
            origin = middle - mended
            weights[i] = -weight
            accepted += 1
            j += 1
    return change, accepted


@kernel
def attempt_two(columns, weights, state, size, sites, noise, thresholds):
    """`attempt` of two vectors, whose boundary and errors stay in registers.

    Also for fewer patterns: half the count saves little where it is this short.
    """
    middle, n_trials = thresholds.shape[0] >> 1, sites.shape[0]
    near, errors = load(state, BOUNDARY), load(state, ERRORS)
    near2, errors2 = load(state, size + BOUNDARY), load(state, size + ERRORS)
    sums = plus(counts(both(near, errors)), counts(both(near2, errors2)))
    origin = middle - total(sums)
    change, accepted = 0, 0
    j = 0
    while j < n_trials:
        lost = 0
        while j < n_trials:
            i = np.uint64(sites[np.uint64(j)])
            row, complement = np.int64(2 * i), repeat(np.int64(weights[i]) >> 63)
            one = lowered_at(columns, row, complement, near)
            two = lowered_at(columns, row + 1, complement, near2)
            lost = total(plus(one, two))
            if noise[np.uint64(j)] < thresholds[np.uint64(lost + origin)]:
                break
            j += 1
        if j < n_trials:
            i = np.uint64(sites[np.uint64(j)])
            weight = weights[i]
            row, complement = np.int64(2 * i), repeat(np.int64(weight) >> 63)
            near, errors = flip_vector(
                columns, row, complement, state, 0, size, near, errors
            )
            near2, errors2 = flip_vector(
                columns, row + 1, complement, state, size, size, near2, errors2
            )
            sums = plus(counts(both(near, errors)), counts(both(near2, errors2)))
            change += lost + origin - middle
            origin = middle - total(sums)
            weights[i] = -weight
            accepted += 1
            j += 1
    store(state, BOUNDARY, near)
    store(state, ERRORS, errors)
    store(state, size + BOUNDARY, near2)
    store(state, size + ERRORS, errors2)
    return change, accepted


@kernel(inline=True)
def sweep(examples, chains, r, thresholds, rules, clock):
    """N updates of chain r; returns how many were accepted."""
    weights, key, state = chains.weights[r], chains.keys[r], chains.state[r]
    n = weights.shape[0]
    n_vectors = examples.columns.shape[0] // n
    size = state.shape[0] // n_vectors
    if rules.scan == PERMUTED:
        permute(chains.sites, clock, key)
    accepted = 0
    first = 0
    e = chains.errors[r]
    while first < n:
        count = min(chains.noise.shape[0], n - first)
        noise = chains.noise[:count]
        if rules.scan == RANDOM and not rules.wide:
            sites = chains.sites[:count]
            draw_random(key[0], key[1], clock + first, n, sites, noise)
        else:
            sites = block_of(rules.scan, key, clock, first, n, chains.sites)
            draw_noise(rules.wide, key, clock + first, noise)
        if n_vectors == 2:
            change, moved = attempt_two(
                examples.columns, weights, state, size, sites, noise, thresholds
            )
        else:
            change, moved = attempt(
                examples.columns,
                weights,
                state,
                size,
                n_vectors,
                sites,
                noise,
                thresholds,
            )
        e += change
        accepted += moved
        first += count
    chains.errors[r] = e
    return accepted


# Runs ------------------------------------------------------------------------------


@kernel
def dot(a, b):
    """sum_i a_i b_i of float64 and int8, in four sums that do not wait for another."""
    n = a.shape[0] // 4
    x, y, z, w = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        x += a[4 * i] * b[4 * i]
        y += a[4 * i + 1] * b[4 * i + 1]
        z += a[4 * i + 2] * b[4 * i + 2]
        w += a[4 * i + 3] * b[4 * i + 3]
    for i in range(4 * n, a.shape[0]):
        x += a[i] * b[i]
    return (x + y) + (z + w)


@kernel(inline=True)
def measure(examples, chains, record, draw):
    """Write errors, overlaps and sums of the weights of all chains."""
    n_chains, n = chains.weights.shape
    for r in range(n_chains):
        weights, sums = chains.weights[r], record.weight_sums[r]
        record.errors[r, draw] = chains.errors[r]
        if record.teacher_overlaps.shape[1] > 0:
            product = 0.0
            if examples.binary_teacher.shape[0] > 0:
                product = float(common(examples.binary_teacher, weights))
            elif examples.teacher.shape[0] > 0:
                product = dot(examples.teacher, weights)
            record.teacher_overlaps[r, draw] = product / examples.norm
        for i in range(n):
            sums[i] += weights[i]
    for pair in range(n_chains // 2):
        a, b = chains.weights[2 * pair], chains.weights[2 * pair + 1]
        record.replica_overlaps[pair, draw] = common(a, b) / n


@kernel
def advance(examples, chains, thresholds, rules, first_draw, n_draws, thin, record):
    """`n_draws` times: `thin` sweeps of every chain, then measure.

    The chains go in lockstep so that replica overlaps compare equal times. What is
    measured goes into the columns from `first_draw` on; a record without columns is
    not written. Returns whether the state was found consistent whenever it was
    checked, every `CHECK` sweeps.
    """
    n_chains, n = chains.weights.shape
    recording = record.errors.shape[1] > 0
    for draw in range(first_draw, first_draw + n_draws):
        chains.accepted[:] = 0
        done = 0
        while done < thin:
            piece = min(thin - done, CHECK - chains.since[0])
            for r in range(n_chains):
                accepted = 0
                for step in range(piece):
                    clock = chains.clock[0] + step * n
                    accepted += sweep(examples, chains, r, thresholds, rules, clock)
                chains.accepted[r] += accepted
            chains.clock[0] += piece * n
            chains.since[0] += piece
            done += piece
            if chains.since[0] >= CHECK:
                chains.since[0] = 0
                if not consistent(examples, chains):
                    return False
        if recording:
            measure(examples, chains, record, draw)
            for r in range(n_chains):
                record.accepted[r, draw] = chains.accepted[r] / (thin * n)
    return True
