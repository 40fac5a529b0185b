"""Rows of integers at P >= 3: fields, flips and energies, see `statmech.powers`.

What a chain keeps beside its spins is one array `state`, in three versions:

    coincident indices kept      S_mu                    (K,)
    sums that fit 64 bits        e_1, ..., e_P           (P K,) int64
    else                         sum_i b_i**k, k odd     (2 K,) or (3 K,) int64

It begins with S_mu = e_1 in all of them. The order P is the length of a tuple, which
is known when a kernel is compiled, so that the loops over it are straight code.
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel


@kernel(inline=True)
def power_sum(row, powers, si, state):
    """sum_mu of half the drop of f when a spin turns whose entries are `row`."""
    return drop_sum(row, powers.order, powers.unit, powers.even, powers.keep, si, state)


@kernel(inline=True)
def drop_sum(row, order, unit, even, keep, si, state):
    """`power_sum` of one version of the state."""
    if keep is not None:
        return kept_sum(row, order, unit, si, state)
    elif even is not None:
        return rounded_sum(row, order, order[1:], even, si, state)
    else:
        return symmetric_sum(row, order, si, state)


@kernel(inline=True)
def entry(w, si):
    """b = w s_i."""
    return np.int64(np.int32(np.int32(w) * np.int32(si)))


@kernel(inline=True)
def symmetric_sum(row, order, si, state):
    """sum_mu b e_{P-1}(others), in int64.

    Unsigned indices spare the test for negative ones, and a reshaped array would cost
    as much as 100 rows.
    """
    k = row.shape[0]
    total = np.int64(0)
    for mu in range(k):
        b = entry(row[mu], si)
        others = np.int64(1)
        for j in range(len(order) - 1):
            others = state[np.uint64(j * k + mu)] - b * others
        total += b * others
    return float(total)


@kernel(inline=True)
def rounded_sum(row, order, others, even, si, state):
    """The same in floats, from exact power sums; `others` has the length P - 1."""
    k = row.shape[0]
    total = 0.0
    for mu in range(k):
        b = entry(row[mu], si)
        odd_3, odd_5 = 0.0, 0.0
        if len(others) >= 3:
            odd_3 = float(state[k + mu] - b * b * b)
        if len(others) >= 5:
            odd_5 = float(state[2 * k + mu] - b * b * b * b * b)
        x = float(b)
        square = x * x
        total += x * elementary(
            others,
            float(state[mu] - b),
            even[0, mu] - square,
            odd_3,
            even[1, mu] - square * square,
            odd_5,
            even[2, mu],
        )
    return total


@kernel(inline=True)
def elementary(degree, p1, p2, p3, p4, p5, p6):
    """e_k from power sums by Newton's identities, k = len(degree) from 2 to 6.

    They are written for k! e_k, so that one division is left.
    """
    f2 = p1 * p1 - p2
    if len(degree) == 2:
        return f2 / 2.0
    f3 = f2 * p1 - 2.0 * p1 * p2 + 2.0 * p3
    if len(degree) == 3:
        return f3 / 6.0
    f4 = f3 * p1 - 3.0 * f2 * p2 + 6.0 * p1 * p3 - 6.0 * p4
    if len(degree) == 4:
        return f4 / 24.0
    f5 = f4 * p1 - 4.0 * f3 * p2 + 12.0 * f2 * p3 - 24.0 * p1 * p4 + 24.0 * p5
    if len(degree) == 5:
        return f5 / 120.0
    f6 = f5 * p1 - 5.0 * f4 * p2 + 20.0 * f3 * p3 - 60.0 * f2 * p4
    return (f6 + 120.0 * p1 * p5 - 120.0 * p6) / 720.0


@kernel(inline=True)
def kept_sum(row, order, unit, si, state):
    """sum_mu (S**P - T**P) / 2, T = S - 2 b, without a difference of large numbers."""
    total = unit - unit
    for mu in range(row.shape[0]):
        b = unit * entry(row[mu], si)
        s = unit * np.int64(state[mu])
        t = s - 2 * b
        ratio, power = unit, unit
        for _ in range(len(order) - 1):
            power *= s
            ratio = ratio * t + power
        total += b * ratio
    return float(total)


@kernel(inline=True)
def follow_powers(row, powers, si, state):
    """The state as it is after a flip."""
    turn_state(row, powers.order, powers.even, powers.keep, si, state)


@kernel(inline=True)
def turn_state(row, order, even, keep, si, state):
    """`follow_powers` of one version of the state."""
    k = row.shape[0]
    if keep is None and even is None:
        for mu in range(k):
            b = entry(row[mu], si)
            before = np.int64(1)
            for j in range(len(order)):
                at = np.uint64(j * k + mu)
                others = state[at] - b * before
                state[at] = others - b * before
                before = others
    else:
        for mu in range(k):
            b = entry(row[mu], si)
            change = 2 * b
            for first in range(0, state.shape[0], k):
                state[first + mu] -= change
                change *= b * b


@kernel
def power_total(powers, state, k):
    """sum_mu f of K rows."""
    return total_of(powers.order, powers.unit, powers.even, powers.keep, state, k)


@kernel
def total_of(order, unit, even, keep, state, k):
    """`power_total` of one version of the state."""
    if keep is not None:
        total = unit - unit
        for mu in range(k):
            power = unit
            for _ in range(len(order)):
                power *= np.int64(state[mu])
            total += power
        return float(total)
    elif even is not None:
        rounded = 0.0
        for mu in range(k):
            odd_3 = float(state[k + mu])
            odd_5 = float(state[2 * k + mu]) if len(order) >= 5 else 0.0
            rounded += elementary(
                order,
                float(state[mu]),
                *(even[0, mu], odd_3, even[1, mu], odd_5, even[2, mu]),
            )
        return rounded
    else:
        exact = np.int64(0)
        for mu in range(k):
            exact += state[(len(order) - 1) * k + mu]
        return float(exact)
