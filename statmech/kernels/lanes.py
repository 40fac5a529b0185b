"""Many chains of one network side by side in SIMD lanes, P = 2.

The chains try the same sites, each with noise of its own: given the sites, chains are
independent. The row of a site is then the same number in every lane, and overlaps and
noise, stored with the chains side by side, go through the processor many at a time.
Every chain makes the moves that it makes alone, from the same words.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from statmech.jit import kernel
from statmech.kernels.memory import FAR, touch
from statmech.kernels.moves import (
    COARSE,
    HEAT_BATH,
    PERMUTED,
    block_of,
    coarse_log_ratio,
    draw_cuts,
    half_temperature,
    log_ratio,
    permute,
)
from statmech.rng import mix64, uniform24_of

# A constant, so that loops over the lanes become straight code (2.4 times as fast). The
# overlaps of so many chains stay in the L1 cache up to a few hundred patterns.
LANES = 64
AHEAD = 4  # trials between asking for the spins of a site and using them

_ROUNDED, _NEAR = np.float32(4e-7), np.float32(2.0 * COARSE)


class Lanes(NamedTuple):
    """State of up to R = LANES chains; lanes beyond the last one follow no chain."""

    patterns: Any  # (N, K) integers, K a multiple of 8
    spins: Any  # (N, R) int8
    overlaps: Any  # (K, R) int16 or int32
    seeds: Any  # (R,) uint64, the keys
    gammas: Any  # (R,) uint64
    half_temperatures: Any  # (R,) float64
    dots: Any  # (R,) int16 or int32, the type that holds every sum_mu w_mu_i S_mu
    turns: Any  # (R,) of the type of the overlaps, 2 s_i where a spin turns, or 0
    cuts: Any  # (R,) float64
    scales: Any  # (R,) float32, the prefactor over T / 2
    pulls: Any  # (R,) float32, the external field of a site over T / 2
    coarse_cuts: Any  # (R,) float32, cuts over T / 2
    words: Any  # (R,) int32
    accepted: Any  # (R,) int32
    sums: Any  # (R,) int64


@kernel
def lane_dots(patterns, i, overlaps, dots):
    """dots[r] = sum_mu patterns[i, mu] * overlaps[mu, r], eight rows at a time."""
    for r in range(LANES):
        dots[r] = 0
    for eighth in range(patterns.shape[1] // 8):
        mu = np.uint64(8 * eighth)
        w0 = dots.dtype.type(patterns[i, mu])
        w1 = dots.dtype.type(patterns[i, mu + np.uint64(1)])
        w2 = dots.dtype.type(patterns[i, mu + np.uint64(2)])
        w3 = dots.dtype.type(patterns[i, mu + np.uint64(3)])
        w4 = dots.dtype.type(patterns[i, mu + np.uint64(4)])
        w5 = dots.dtype.type(patterns[i, mu + np.uint64(5)])
        w6 = dots.dtype.type(patterns[i, mu + np.uint64(6)])
        w7 = dots.dtype.type(patterns[i, mu + np.uint64(7)])
        for r in range(LANES):
            x = dots.dtype.type(w0 * dots.dtype.type(overlaps[mu, r]))
            y = dots.dtype.type(overlaps[mu + np.uint64(1), r])
            x = dots.dtype.type(x + dots.dtype.type(w1 * y))
            y = dots.dtype.type(overlaps[mu + np.uint64(2), r])
            x = dots.dtype.type(x + dots.dtype.type(w2 * y))
            y = dots.dtype.type(overlaps[mu + np.uint64(3), r])
            x = dots.dtype.type(x + dots.dtype.type(w3 * y))
            y = dots.dtype.type(overlaps[mu + np.uint64(4), r])
            x = dots.dtype.type(x + dots.dtype.type(w4 * y))
            y = dots.dtype.type(overlaps[mu + np.uint64(5), r])
            x = dots.dtype.type(x + dots.dtype.type(w5 * y))
            y = dots.dtype.type(overlaps[mu + np.uint64(6), r])
            x = dots.dtype.type(x + dots.dtype.type(w6 * y))
            y = dots.dtype.type(overlaps[mu + np.uint64(7), r])
            x = dots.dtype.type(x + dots.dtype.type(w7 * y))
            dots[r] = dots.dtype.type(dots[r] + x)


@kernel
def lane_cuts(dynamics, seeds, gammas, half_t, clock, cuts):
    """The cut of trial `clock` in every lane, from its uniform of 24 bits."""
    if dynamics == HEAT_BATH:
        for r in range(LANES):
            u = uniform24_of(mix64(np.uint64(seeds[r] + clock * gammas[r])))
            cuts[r] = half_t[r] * log_ratio(1.0 - u, u)
    else:
        for r in range(LANES):
            u = uniform24_of(mix64(np.uint64(seeds[r] + clock * gammas[r])))
            cuts[r] = half_t[r] * log_ratio(1.0, u)


@kernel
def lane_coarse_cuts(dynamics, seeds, gammas, clock, words, cuts):
    """`lane_cuts` in units of T / 2 and in float32, at most `COARSE` away."""
    # Two loops: in one of 64 and 32 bits mixed half of the lanes would be empty.
    for r in range(LANES):
        w = mix64(np.uint64(seeds[r] + clock * gammas[r]))
        words[r] = np.int32(w & np.uint64(0xFFFFFF))
    if dynamics == HEAT_BATH:
        for r in range(LANES):
            u = np.float32(np.float32(words[r]) + np.float32(0.5))
            rest = np.int32(np.int32(16777215) - words[r])
            v = np.float32(np.float32(rest) + np.float32(0.5))
            cuts[r] = coarse_log_ratio(v, u)
    else:
        for r in range(LANES):
            u = np.float32(np.float32(words[r]) + np.float32(0.5))
            cuts[r] = coarse_log_ratio(np.float32(16777216.0), u)


@kernel
def lane_special_cuts(rules, betas, keys, clock, cuts):
    """The same at T = 0 and for uniforms of 53 bits, lane after lane."""
    for r in range(keys.shape[0]):
        draw_cuts(rules, betas[r], keys[r], clock, cuts[r : r + 1])


@kernel
def lane_turns(spins, i, dots, self_term, prefactor, b, cuts, turns):
    """turns[r] = 2 s_i where the alignment is below the cut, else 0."""
    for r in range(LANES):
        s = spins[i, r]
        e = float(np.int32(np.int32(np.int32(s) * np.int32(dots[r])) - self_term))
        x = prefactor * e + b * s
        twice = turns.dtype.type(2 * s)
        turns[r] = twice if x < cuts[r] else turns.dtype.type(0)


@kernel
def lane_coarse_turns(spins, i, dots, self_term, scales, pulls, cuts, turns):
    """`lane_turns` in float32; whether some alignment is too near its cut to tell.

    In units of T / 2, in which nothing that matters is small. The alignment is off by
    at most 4 roundings (6e-8 each) of its parts, the cut by `COARSE`.
    """
    doubt = False
    for r in range(LANES):
        s = np.float32(spins[i, r])
        e = np.int32(np.int32(spins[i, r]) * np.int32(dots[r]))
        internal = np.float32(scales[r] * np.float32(np.int32(e - self_term)))
        external = np.float32(pulls[r] * s)
        x = np.float32(internal + external)
        size = np.float32(abs(internal) + abs(external))
        slack = np.float32(np.float32(_ROUNDED * size) + _NEAR)
        # So that NaN and inf count as doubt.
        doubt |= not abs(np.float32(x - cuts[r])) > slack
        twice = turns.dtype.type(2 * spins[i, r])
        turns[r] = twice if x < cuts[r] else turns.dtype.type(0)
    return doubt


@kernel
def lane_pulls(b, half_t, pulls):
    """The external field of a site in units of T / 2."""
    for r in range(LANES):
        pulls[r] = np.float32(b / half_t[r])


@kernel
def lane_apply(spins, i, turns, accepted):
    """Turn the spins of one site; did any turn?"""
    some = turns.dtype.type(0)
    for r in range(LANES):
        turn = turns[r]
        some = turns.dtype.type(some | turn)
        spins[i, r] = np.int8(spins[i, r] - turn)
        accepted[r] = np.int32(accepted[r] + np.int32(abs(turn) >> 1))
    return some != 0


@kernel
def lane_follow(patterns, i, turns, overlaps):
    """Overlaps as they are after the turns."""
    for row in range(patterns.shape[1]):
        mu = np.uint64(row)
        w = turns.dtype.type(patterns[i, mu])
        for r in range(LANES):
            change = turns.dtype.type(w * turns[r])
            overlaps[mu, r] = turns.dtype.type(overlaps[mu, r] - change)


@kernel
def sweep_lanes(rows, lanes, chains, betas, rules, clock):
    """N updates of every chain."""
    n = lanes.spins.shape[0]
    site_key = chains.site_keys[0]
    special = bool(rules.wide)
    for r in range(betas.shape[0]):
        special |= betas[r] == math.inf
    if rules.scan == PERMUTED:
        permute(chains.sites, clock, site_key)
    patterns, spins, overlaps = lanes.patterns, lanes.spins, lanes.overlaps
    seeds, gammas, half_t = lanes.seeds, lanes.gammas, lanes.half_temperatures
    dots, cuts, turns, accepted = lanes.dots, lanes.cuts, lanes.turns, lanes.accepted
    scales, pulls, coarse_cuts = lanes.scales, lanes.pulls, lanes.coarse_cuts
    words = lanes.words
    pulled = math.nan  # the field that `pulls` are of
    far = spins.size > FAR
    self_terms, external = rows.self_terms, rows.external
    prefactor, every = rows.prefactor, rows.every
    first = 0
    while first < n:
        sites = block_of(rules.scan, site_key, clock, first, n, chains.sites)
        for j in range(sites.shape[0]):
            i = np.uint64(sites[j])
            if far and j + AHEAD < sites.shape[0]:
                touch(spins, np.int64(sites[j + AHEAD]))
                touch(patterns, np.int64(sites[j + AHEAD]))
            trial = np.uint64(clock + first + j)
            lane_dots(patterns, i, overlaps, dots)
            own, b = np.int32(self_terms[i]), external[i & every]
            doubt = True
            if special:
                lane_special_cuts(rules, betas, chains.keys, np.int64(trial), cuts)
            else:
                if b != pulled:
                    lane_pulls(b, half_t, pulls)
                    pulled = b
                lane_coarse_cuts(
                    rules.dynamics, seeds, gammas, trial, words, coarse_cuts
                )
                doubt = lane_coarse_turns(
                    spins, i, dots, own, scales, pulls, coarse_cuts, turns
                )
                if doubt:
                    lane_cuts(rules.dynamics, seeds, gammas, half_t, trial, cuts)
            if doubt:
                lane_turns(spins, i, dots, own, prefactor, b, cuts, turns)
            if lane_apply(spins, i, turns, accepted):
                lane_follow(patterns, i, turns, overlaps)
        first += sites.shape[0]


@kernel
def advance_lanes(rows, lanes, chains, betas, rules, first_draw, n_draws, thin, record):
    """`statmech.kernels.hebbian.advance` for chains in lanes."""
    n = lanes.spins.shape[0]
    n_chains = betas.shape[0]
    recording = record.energies.shape[1] > 0
    for r in range(LANES):
        # A lane of no chain has the temperature of the first, not to be in doubt.
        beta = betas[r] if r < n_chains else betas[0]
        lanes.half_temperatures[r] = half_temperature(beta)
        lanes.scales[r] = np.float32(rows.prefactor / lanes.half_temperatures[r])
    all_accepted = 0
    for draw in range(first_draw, first_draw + n_draws):
        lanes.accepted[:] = 0
        for _ in range(thin):
            sweep_lanes(rows, lanes, chains, betas, rules, chains.clock[0])
            chains.clock[0] += n
        for r in range(n_chains):
            all_accepted += lanes.accepted[r]
            if recording:
                record.accepted[r, draw] = lanes.accepted[r] / (thin * n)
        if recording:
            measure_lanes(rows, lanes, record, draw, n_chains)
    return all_accepted


@kernel
def measure_lanes(rows, lanes, record, draw, n_chains):
    """`statmech.kernels.hebbian.measure` for chains in lanes."""
    n = lanes.spins.shape[0]
    sums = lanes.sums
    for j in range(record.tracked.shape[0]):
        mu = record.tracked[j]
        if record.archetypes.shape[0] > 0:
            lane_sums(record.archetypes[mu], lanes.spins, sums)
        else:
            sums[:] = lanes.overlaps[mu]
        for r in range(n_chains):
            record.overlaps[r, draw, j] = sums[r] / n
    for j in range(record.example_overlaps.shape[2]):
        first = record.tracked[j] * record.rows_each
        sums[:] = 0
        for row in range(first, first + record.rows_each):
            sums += lanes.overlaps[row]
        for r in range(n_chains):
            record.example_overlaps[r, draw, j] = record.mean_factor * sums[r] / n
    lane_energies(rows, lanes, record, draw, n_chains)
    sums[:] = 0
    for i in range(n):
        s = lanes.spins[i]
        for pair in range(n_chains // 2):
            sums[pair] += np.int64(s[2 * pair]) * np.int64(s[2 * pair + 1])
    for pair in range(n_chains // 2):
        record.replica_overlaps[pair, draw] = sums[pair] / n


@kernel
def lane_energies(rows, lanes, record, draw, n_chains):
    """Energies per spin, each from the same operations as that of a single chain."""
    n = lanes.spins.shape[0]
    squares = lanes.sums
    squares[:] = 0
    for mu in range(lanes.overlaps.shape[0]):
        values = lanes.overlaps[mu]
        for r in range(LANES):
            squares[r] += np.int64(values[r]) * np.int64(values[r])
    external = lanes.cuts
    external[:] = 0.0
    for r in range(n_chains):
        total = 0.5 * float(squares[r])
        record.energies[r, draw] = -rows.prefactor * (total + rows.shift)
    if rows.every != 0:
        for i in range(n):
            for r in range(LANES):
                external[r] += rows.external[i] * lanes.spins[i, r]
    elif rows.external[0] != 0.0:
        squares[:] = 0
        for i in range(n):
            for r in range(LANES):
                squares[r] += np.int64(lanes.spins[i, r])
        for r in range(n_chains):
            external[r] = rows.external[0] * float(squares[r])
    for r in range(n_chains):
        record.energies[r, draw] = (record.energies[r, draw] - external[r]) / n


@kernel
def lane_sums(values, spins, sums):
    """sums[r] = sum_i values[i] * spins[i, r]."""
    sums[:] = 0
    for i in range(values.shape[0]):
        x = np.int64(values[i])
        for r in range(LANES):
            sums[r] += x * np.int64(spins[i, r])
