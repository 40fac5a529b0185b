"""Sums over P >= 3 distinct sites of rows of integers: what a chain keeps of them.

With b_i = w_mu_i s_i, w_mu_i integers, and e_k the sum over all sets of k sites of the
products of their b, a flip of spin i costs twice b_i times e_{P-1} of the other sites.
Of these others

    o_0 = 1,  o_k = e_k - b_i o_{k-1},

and after the flip, which turns b_i into -b_i, e_k is o_k - b_i o_{k-1}: no division, so
that e_1, ..., e_P follow the spins as integers, as long as their sums over the rows fit
into 64 bits. Where they do not, the odd power sums sum_i b_i**k (the even ones are
constants) follow the spins as integers, and the e_k are made from them by Newton's
identities in floats whenever they are needed: rounded, but a function of the present
spins alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterError
from statmech.rows import integer_overlaps, row_blocks

if TYPE_CHECKING:
    from statmech.interaction import Interaction

_BLOCK = 2**15  # entries that become floats or wide integers at one time

MOST_ORDER = 6  # Newton's identities are written out up to here


def has_powers(model: Interaction) -> bool:
    """Whether the rows are integers that no table over sums of signs serves."""
    return model.order > 2 and model.largest_weight > 1


def check_powers(model: Interaction) -> None:
    """Refuse orders and sums beyond what the kernels do."""
    n, p, m = model.n_spins, model.order, model.largest_weight
    if p > MOST_ORDER:
        raise ParameterError(
            "order",
            p,
            f"at most {MOST_ORDER} for averages of examples",
            "HebbianNetwork.unsupervised takes any order",
        )
    odd = p - 1 + p % 2
    keeps = model.coincident == "keep"
    if not keeps and n * m**odd >= 2**62:
        most = int((2.0**62 / n) ** (1.0 / odd))
        raise ParameterError(
            "n_examples",
            m,
            f"at most {most} for n_spins = {n} at order = {p}",
            f"sums over the spins of powers up to {odd} are kept in 64 bits",
        )


def exact_sums(model: Interaction) -> bool:
    """Whether all that is summed over the rows fits into 64 bits, in every state."""
    if "_exact_sums" not in vars(model):
        vars(model)["_exact_sums"] = _exact_sums(model)
    return bool(vars(model)["_exact_sums"])


def _exact_sums(model: Interaction) -> bool:
    return largest_sum(model) < 2**62


def largest_sum(model: Interaction) -> int:
    """Bound on all that the kernels sum over the rows, in any state.

    By Maclaurin's inequality |e_k| of n numbers, whose sizes sum to A, is at most
    C(n, k) (A / n)**k.
    """
    n, p, rows, m = model.n_spins, model.order, model.n_rows, model.largest_weight
    parts = (np.abs(w.astype(np.int64)).sum(axis=1) for w in row_blocks(model.weights))
    reach = max(int(part.max()) for part in parts)
    if model.coincident == "keep":
        return rows * reach**p
    most = max(math.comb(n, k) * reach**k // n**k + 1 for k in range(1, p + 1))
    others = m * (math.comb(n - 1, p - 1) * reach ** (p - 1) // (n - 1) ** (p - 1) + 1)
    return rows * max(most, others)


def symmetric_state(model: Interaction, spins: NDArray[np.int8]) -> NDArray[Any]:
    """e_0, ..., e_P (P + 1, R) of each row: int64 where that is exact, else float64."""
    p, rows = model.order, model.n_rows
    kind = np.int64 if exact_sums(model) else np.float64
    total = np.zeros((p + 1, rows), dtype=kind)
    total[0] = 1
    step = max(1, _BLOCK // rows)
    for first in range(0, spins.size, step):
        here = slice(first, first + step)
        b = model.weights[:, here].T.astype(kind) * spins[here, None]
        sums = np.zeros((p + 1, *b.shape), dtype=kind)
        sums[0], sums[1] = 1, b
        while sums.shape[1] > 1:
            last = sums[:, sums.shape[1] // 2 * 2 :]
            pairs = _product(sums[:, :-1:2], sums[:, 1::2])
            sums = np.concatenate([pairs, last], axis=1)
        total = _product(total, sums[:, 0])
    return total


def _product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """e_0, ..., e_P of two sets of sites together."""
    return np.stack(
        [sum(a[j] * b[k - j] for j in range(k + 1)) for k in range(a.shape[0])]
    )


def chain_state(model: Interaction, spins: NDArray[np.int8]) -> NDArray[Any]:
    """What the kernels keep of one chain, see `statmech.kernels.layout.Powers`."""
    if model.coincident == "keep":
        return integer_overlaps(model.weights, spins)
    if exact_sums(model):
        return symmetric_state(model, spins)[1:].reshape(-1)
    return _power_sums(model, spins, range(1, model.order + 1, 2)).reshape(-1)


def chain_states(model: Interaction, spins: NDArray[np.int8]) -> NDArray[Any]:
    """`chain_state` of each of several chains (R, N), one a row."""
    first = chain_state(model, spins[0])
    states = np.empty((len(spins), first.size), dtype=first.dtype)
    states[0] = first
    for state, s in zip(states[1:], spins[1:], strict=True):
        state[...] = chain_state(model, s)
    return states


def even_sums(model: Interaction) -> NDArray[np.float64]:
    """sum_i w_mu_i**k (3, R), k = 2, 4, 6, rounded once; 0 where k exceeds P."""
    sums = np.zeros((3, model.n_rows))
    for j, k in enumerate(range(2, model.order + 1, 2)):
        first = 0
        for part in row_blocks(model.weights):
            exact = (part.astype(object) ** k).sum(axis=1)
            sums[j, first : first + len(part)] = exact
            first += len(part)
    return sums


def _power_sums(
    model: Interaction, spins: NDArray[np.int8], powers: range
) -> NDArray[np.int64]:
    """sum_i (w_mu_i s_i)**k (len(powers), R), exact, for odd k."""
    s = spins.astype(np.int64)
    blocks = list(row_blocks(model.weights))
    return np.stack(
        [np.concatenate([w.astype(np.int64) ** k @ s for w in blocks]) for k in powers]
    )


def power_energy(model: Interaction, spins: NDArray[np.int8]) -> Any:
    """sum_mu f, f = e_P or S**P."""
    if model.coincident == "exclude":
        return symmetric_state(model, spins)[-1].sum()
    kind = np.int64 if exact_sums(model) else np.float64
    return (integer_overlaps(model.weights, spins).astype(kind) ** model.order).sum()


def power_fields(model: Interaction, spins: NDArray[np.int8]) -> NDArray[Any]:
    """s_i times half the drop of sum_mu f when spin i turns (N,)."""
    kind = np.int64 if exact_sums(model) else np.float64
    s, p = spins.astype(kind), model.order
    keeps = model.coincident == "keep"
    if keeps:
        state = integer_overlaps(model.weights, spins).astype(kind)[None]
    else:
        state = symmetric_state(model, spins)
    total = np.zeros(model.n_spins, dtype=kind)
    first = 0
    for part in row_blocks(model.weights):
        w = part.astype(kind)
        b = w * s
        sums = state[:, first : first + len(part), None]
        term = np.ones_like(b)
        for k in range(1, p):
            # (S**P - T**P) / (S - T), T = S - 2 b, by Horner's rule.
            term = (
                term * (sums[0] - 2 * b) + sums[0] ** k if keeps else sums[k] - b * term
            )
        total += (w * term).sum(axis=0)
        first += len(part)
    return total
