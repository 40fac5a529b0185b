"""Energies and fields of one pattern as tables over integer sums of signs.

Of n signs a_i with the sum S, the sum over all sets of P of their products is a
function of S and n alone, the elementary symmetric polynomial e_P; so is S**P.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from statmech.errors import blocks, check_choice

COINCIDENT = ("exclude", "keep")

_BLOCK = 2**14  # entries of a table that are Python's integers at one time


def load_unit(order: int, n_spins: int, coincident: str = "exclude") -> float:
    """K / alpha: F = (N-1)...(N-P+1), or N**(P-1) where coincident indices are kept.

    >>> load_unit(3, 10)
    72.0
    """
    check_choice("coincident", coincident, COINCIDENT)
    if coincident == "keep":
        return float(n_spins ** (order - 1))
    return float(math.perm(n_spins - 1, order - 1))


def table_bytes(n_spins: int, order: int) -> int:
    """Peak memory of the two tables of a network in bytes, 16 N of which stay."""
    # A block is a few arrays of Python's integers, of at most `bits` bits.
    bits = order * max(n_spins, 2).bit_length()
    block = min(n_spins, _BLOCK) * 5 * (48 + bits // 8)
    return (24 if order > 2 else 32) * n_spins + block


def energy_table(
    n_signs: int, order: int, coincident: str = "exclude"
) -> NDArray[np.float64]:
    """f(S) at S = -n, -n + 2, ..., n: e_P, or S**P (S**2 / 2 for P = 2)."""
    sums = np.arange(-n_signs, n_signs + 1, 2)
    if coincident == "exclude":
        return symmetric_sums(sums, n_signs, order)
    if order == 2:
        return 0.5 * sums.astype(np.float64) ** 2
    return _tabulate(lambda s: s.astype(object) ** order, sums, np.float64)


def field_table(
    n_signs: int, order: int, coincident: str = "exclude", *, exact: bool
) -> NDArray[Any]:
    """G(T) = (f(T + 1) - f(T - 1)) / 2 at T = -(n - 1), ..., n - 1, P >= 3.

    T is the sum of the other n - 1 signs. int64 if `exact`, else float64 rounded once.
    """
    p = order
    sums = np.arange(-n_signs + 1, n_signs, 2)

    def entries(t: NDArray[Any]) -> NDArray[Any]:
        if coincident == "exclude":
            return exact_symmetric_sums(t, n_signs - 1, p - 1)
        t = t.astype(object)
        return ((t + 1) ** p - (t - 1) ** p) // 2

    return _tabulate(entries, sums, np.int64 if exact else np.float64)


def largest_field(n_signs: int, order: int, coincident: str = "exclude") -> int:
    """The largest entry of `field_table`: that of equal signs."""
    if coincident == "exclude":
        return math.comb(n_signs - 1, order - 1)
    return (n_signs**order - (n_signs - 2) ** order) // 2


def symmetric_sums(
    sums: NDArray[Any], n_variables: int, degree: int
) -> NDArray[np.float64]:
    """e_degree of `n_variables` signs as a function of their sum, rounded once.

    >>> import numpy as np
    >>> symmetric_sums(np.array([-2, 0, 2]), 2, 2)
    array([ 1., -1.,  1.])
    """
    return _tabulate(
        lambda some: exact_symmetric_sums(some, n_variables, degree), sums, np.float64
    )


def exact_symmetric_sums(
    sums: NDArray[Any], n_variables: int, degree: int
) -> NDArray[Any]:
    """`symmetric_sums` in integers: int64, or Python's where that could overflow.

    From (k+1) e_{k+1} = S e_k - (n-k+1) e_{k-1}.
    """
    # |e_k| <= C(n, k); beyond int64 Python's integers take over, at their price.
    largest = max(math.comb(n_variables, k) for k in range(degree + 1))
    total = np.asarray(sums, dtype=np.int64)
    if (n_variables + 1) * largest >= 2**62:
        total = total.astype(object)
    before, now = total * 0, total * 0 + 1
    for k in range(degree):
        before, now = now, (total * now - (n_variables - k + 1) * before) // (k + 1)
    return now


def _tabulate(
    exact: Callable[[NDArray[Any]], NDArray[Any]], sums: NDArray[Any], dtype: Any
) -> NDArray[Any]:
    """exact(sums), rounded once; block by block, since its integers may be Python's."""
    table = np.empty(sums.shape, dtype=dtype)
    pairs = zip(blocks(table, _BLOCK), blocks(sums, _BLOCK), strict=True)
    for part, some in pairs:
        part[...] = exact(some)
    return table
