"""Single-site Metropolis moves of magnetisations m in [-1, 1]^N of a perceptron.

The weight of m is prod_mu Phi(u_mu)**beta exp(-beta gamma KL(m || m1)), with
u = y M / sqrt(D), M = x.m / sqrt(N) and D = 1 - |m|**2 / N, which is the same for all
patterns of +-1. A move of one m_i changes D, and so every u: each trial takes P values
of ln Phi, which are most of the time of a run. They come from a table of cubics.

A trial proposes m_i + w (2 v - 1), v uniform, reflected at -1 and 1. With w <= 2 once
is enough. The density of m -> m' is the number of images of m' within w of m over 2 w,
and that is the same from m' to m: the proposal is symmetric.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from statmech.jit import kernel
from statmech.kernels.gaussian import mills
from statmech.rng import SECOND_WORD, uniform53_of, word

# The table: between LOW and HIGH, STEPS cubics a unit. Their error is below
# max|f''''| / (384 STEPS**4) = 3e-11, f = ln Phi; beyond HIGH, |ln Phi| < 2e-19.
LOW, HIGH, STEPS = -40.0, 9.0, 64.0
_FIRST = LOW - 1.0 / STEPS
_LOG_SQRT_2PI = 0.9189385332046728
FLOOR = 1e-12  # of D, which vanishes in the corners
# Sweeps after which fields and D are computed anew, and what they may have drifted.
REFRESH = 200
DRIFT = 1e-9


class Task(NamedTuple):
    """What is learnt and how, read only."""

    columns: Any  # (N, P) int8, y x
    teachers: Any  # (T, N) float64 of length sqrt(N): its own first, if it has one
    reference: Any  # (N,) float64, atanh m1; (0,) without
    offset: float  # sum_i ln(1 - m1_i**2) / 2
    table: Any  # (rows, 4), see `log_cdf_table`
    beta: float
    gamma: float


class Chains(NamedTuple):
    """State of R chains; all arrays are changed in place."""

    m: Any  # (R, N) float64
    fields: Any  # (R, P) float64, y M
    squares: Any  # (R,) |m|**2
    losses: Any  # (R,) -sum_mu ln Phi(u)
    widths: Any  # (R,) w
    accepted: Any  # (R,) int64, moves since the last draw
    keys: Any  # (R, 2) uint64
    clock: Any  # (1,) int64, trials done by each chain
    since: Any  # (1,) int64, sweeps since fields were computed
    rows: Any  # (P,) int32, scratch
    rests: Any  # (P,) float64, scratch


class Record(NamedTuple):
    """Where measurements go, one a draw."""

    losses: Any  # (R, draws), per pattern
    q_star: Any  # (R, draws)
    divergence: Any  # (R, draws), or (R, 0) without a reference
    overlaps: Any  # (T, R, draws)
    sign_overlaps: Any  # (T, R, draws)
    q: Any  # (R // 2, draws)
    accepted: Any  # (R, draws)


@functools.cache
def log_cdf_table() -> NDArray[np.float64]:
    """(rows, 4) coefficients of ln Phi in cubics between nodes, value and slope exact.

    Row k + 1 is in powers of t = STEPS (u - LOW) - k, from 0 to 1. Row 0 stands for all
    that is left of LOW, the last one, of zeros, for all that is right of HIGH.
    """
    from statmech.special import inverse_mills, log_gaussian_tail

    u = LOW + np.arange(round((HIGH - LOW) * STEPS) + 1) / STEPS
    value, slope = log_gaussian_tail(-u), inverse_mills(u) / STEPS
    rise, start, end = np.diff(value), slope[:-1], slope[1:]
    table = np.zeros((u.size + 1, 4))
    table[1:-1, 0], table[1:-1, 1] = value[:-1], start
    table[1:-1, 2] = 3.0 * rise - 2.0 * start - end
    table[1:-1, 3] = start + end - 2.0 * rise
    table.setflags(write=False)
    return table


@kernel
def log_cdf_left(u):
    """ln Phi(u) for u <= LOW."""
    return -0.5 * u * u - _LOG_SQRT_2PI - math.log(mills(u))


@kernel
def loss_of(fields, column, step, scale, table, rows, rests):
    """-sum_mu ln Phi((f_mu + step c_mu) scale), table positions first.

    The first loop is free of branches and becomes vector instructions; the two sums of
    the second do not wait for each other.
    """
    n = fields.shape[0]
    for mu in range(n):
        u = (fields[mu] + step * column[mu]) * scale
        u = u if u > _FIRST else _FIRST
        u = u if u < HIGH else HIGH
        t = (u - _FIRST) * STEPS
        k = np.int32(t)
        rows[mu] = k
        rests[mu] = t - k
    even, odd = 0.0, 0.0
    for mu in range(0, n - 1, 2):
        k, t = rows[mu], rests[mu]
        if k == 0:
            even += log_cdf_left((fields[mu] + step * column[mu]) * scale)
        else:
            c2 = table[k, 2] + t * table[k, 3]
            even += table[k, 0] + t * (table[k, 1] + t * c2)
        k, t = rows[mu + 1], rests[mu + 1]
        if k == 0:
            odd += log_cdf_left((fields[mu + 1] + step * column[mu + 1]) * scale)
        else:
            c2 = table[k, 2] + t * table[k, 3]
            odd += table[k, 0] + t * (table[k, 1] + t * c2)
    if n & 1:
        k, t = rows[n - 1], rests[n - 1]
        if k == 0:
            even += log_cdf_left((fields[n - 1] + step * column[n - 1]) * scale)
        else:
            c2 = table[k, 2] + t * table[k, 3]
            even += table[k, 0] + t * (table[k, 1] + t * c2)
    return -(even + odd)


@kernel
def scale_of(square, n):
    """1 / sqrt(D) of |m|**2."""
    return 1.0 / math.sqrt(max(1.0 - square / n, FLOOR))


@kernel
def reflect(m):
    """A number in [-3, 3] folded into [-1, 1]."""
    if m > 1.0:
        m = 2.0 - m
    elif m < -1.0:
        m = -2.0 - m
    return m


@kernel
def divergence_of(m, theta):
    """KL(m || tanh theta) of one site, less its part without m."""
    up, down = 1.0 + m, 1.0 - m
    entropy = 0.0
    if up > 0.0:
        entropy += 0.5 * up * math.log(up)
    if down > 0.0:
        entropy += 0.5 * down * math.log(down)
    return entropy - m * theta


@kernel
def refresh(task, chains):
    """Compute fields, |m|**2 and loss from m; returns the largest change.

    That of D and of the fields, in units of the largest field there can be, sqrt(N).
    """
    n, p = task.columns.shape
    unit, worst = 1.0 / math.sqrt(n), 0.0
    for r in range(chains.m.shape[0]):
        # The rests serve as scratch for the fields.
        m, fields, fresh = chains.m[r], chains.fields[r], chains.rests
        fresh[:] = 0.0
        square = 0.0
        for i in range(n):
            square += m[i] * m[i]
            column, part = task.columns[i], m[i] * unit
            for mu in range(p):
                fresh[mu] += part * column[mu]
        worst = max(worst, abs(square - chains.squares[r]) / n)
        for mu in range(p):
            worst = max(worst, abs(fresh[mu] - fields[mu]) * unit)
            fields[mu] = fresh[mu]
        chains.squares[r] = square
        chains.losses[r] = loss_of(
            fields,
            task.columns[0],
            0.0,
            scale_of(square, n),
            task.table,
            chains.rows,
            chains.rests,
        )
    chains.since[0] = 0
    return worst


@kernel
def sweep(task, chains, r, clock):
    """One trial of every site of chain r, in order."""
    n = task.columns.shape[0]
    m, fields, key = chains.m[r], chains.fields[r], chains.keys[r]
    width, unit = chains.widths[r], 1.0 / math.sqrt(n)
    square, loss = chains.squares[r], chains.losses[r]
    drag = task.beta * task.gamma
    accepted = 0
    for i in range(n):
        old = m[i]
        new = reflect(old + width * (2.0 * uniform53_of(word(key, clock + i)) - 1.0))
        trial_square = square + (new - old) * (new + old)
        column, step = task.columns[i], (new - old) * unit
        trial_loss = loss_of(
            fields,
            column,
            step,
            scale_of(trial_square, n),
            task.table,
            chains.rows,
            chains.rests,
        )
        cost = task.beta * (trial_loss - loss)
        if drag > 0.0:
            theta = task.reference[i]
            cost += drag * (divergence_of(new, theta) - divergence_of(old, theta))
        v = uniform53_of(word(key, SECOND_WORD + np.uint64(clock + i)))
        if cost <= 0.0 or v < math.exp(-cost):
            for mu in range(fields.shape[0]):
                fields[mu] += step * column[mu]
            m[i], square, loss = new, trial_square, trial_loss
            accepted += 1
    chains.squares[r], chains.losses[r] = square, loss
    chains.accepted[r] += accepted


@kernel
def measure(task, chains, draw, trials, out):
    """Write column `draw` of the record after so many trials."""
    n, p = task.columns.shape
    for r in range(chains.m.shape[0]):
        m = chains.m[r]
        out.losses[r, draw] = chains.losses[r] / p
        out.q_star[r, draw] = chains.squares[r] / n
        out.accepted[r, draw] = chains.accepted[r] / trials
        for k in range(task.teachers.shape[0]):
            whole, signs = 0.0, 0.0
            for i in range(n):
                w = task.teachers[k, i]
                whole += w * m[i]
                signs += w if m[i] > 0.0 else -w
            out.overlaps[k, r, draw] = whole / n
            out.sign_overlaps[k, r, draw] = signs / n
        if out.divergence.shape[1]:
            total = -task.offset
            for i in range(n):
                total += divergence_of(m[i], task.reference[i])
            out.divergence[r, draw] = total / n
        if r & 1:
            shared = 0.0
            for i in range(n):
                shared += m[i] * chains.m[r - 1, i]
            out.q[r // 2, draw] = shared / n


@kernel
def advance(task, chains, first_draw, n_draws, thin, out):
    """Draws of `thin` sweeps each; False where what was kept had drifted.

    With an empty record sweeps are made, but not measured.
    """
    n = task.columns.shape[0]
    for draw in range(first_draw, first_draw + n_draws):
        chains.accepted[:] = 0
        for _ in range(thin):
            if chains.since[0] == REFRESH and refresh(task, chains) > DRIFT:
                return False
            for r in range(chains.m.shape[0]):
                sweep(task, chains, r, chains.clock[0])
            chains.clock[0] += n
            chains.since[0] += 1
        if out.losses.shape[1]:
            measure(task, chains, draw, thin * n, out)
    return True
