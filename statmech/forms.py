"""Rows of a network in the forms that the kernels read: all entries, or nonzeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from statmech.kernels.layout import (
    DenseRows,
    Nonzeros,
    PowerRows,
    Powers,
    SparseRows,
)
from statmech.powers import even_sums, exact_sums
from statmech.rows import SPARSE_BLOCK
from statmech.tables import energy_table, field_table, largest_field

if TYPE_CHECKING:
    from statmech.interaction import Interaction


def dense_rows(model: Interaction) -> DenseRows:
    """All entries, site by site; for P >= 3 of networks without blanks only."""
    n, pairwise = model.n_spins, model.order == 2
    most = model.n_rows * model.largest_weight**2
    narrow = sum_type(model)
    squares: NDArray[Any] = np.full(n, most, dtype=narrow)
    if not model.binary:
        squares[...] = 0
        for row in model.weights:
            wide = row.astype(squares.dtype)
            squares += wide * wide
    return DenseRows(
        patterns=np.ascontiguousarray(model.weights.T),
        self_terms=squares,
        field_table=None if pairwise else model._field_of_sums,
        energy_table=None if pairwise else model._energy_of_sums,
        prefactor=model.prefactor,
        shift=model._excluded if pairwise else 0.0,
        **_external(model),
    )


def sum_type(model: Interaction) -> type[np.signedinteger[Any]]:
    """Of sum_mu w_mu_i S_mu: int32 as long as K terms of that size fit."""
    most = model.n_rows * model.largest_weight**2 * model.n_spins
    return np.int32 if most < 2**31 else np.int64


def sparse_rows(model: Interaction) -> SparseRows:
    """The entries that are not zero."""
    entries, pairwise = nonzeros(model.weights), model.order == 2
    if not pairwise:
        tables = model._diluted_tables
        entries = entries._replace(
            field_bases=tables.field_bases, energy_bases=tables.energy_bases
        )
    return SparseRows(
        nonzeros=entries,
        field_table=None if pairwise else tables.field,
        energy_table=None if pairwise else tables.energy,
        prefactor=model.prefactor,
        shift=model._excluded if pairwise else 0.0,
        **_external(model),
    )


def power_rows(model: Interaction) -> PowerRows:
    """All entries, integers, for P >= 3."""
    keeps, exact = model.coincident == "keep", exact_sums(model)
    return PowerRows(
        patterns=np.ascontiguousarray(model.weights.T),
        powers=Powers(
            order=(1,) * model.order,
            unit=np.int64(1) if exact else np.float64(1.0),
            even=None if keeps or exact else even_sums(model),
            keep=True if keeps else None,
        ),
        prefactor=model.prefactor,
        shift=0.0,
        **_external(model),
    )


def _external(model: Interaction) -> dict[str, Any]:
    """One number if it is the same at all sites: large arrays are waited for."""
    one = bool((model.field == model.field[0]).all())
    return {
        "external": model.field[:1] if one else model.field,
        "every": np.uint64(0 if one else 2**64 - 1),
    }


def nonzeros(weights: NDArray[Any]) -> Nonzeros:
    """The entries of rows (R, N) that are not zero, ordered by site, then by row.

    The integers are as narrow as they can be: at large N an update waits for memory.
    """
    n_rows, n = weights.shape
    counts = np.zeros(n + 1, dtype=np.int64)
    for row in weights:
        counts[1:] += row != 0
    starts = np.cumsum(counts, out=counts)
    total = int(starts[-1])
    narrow = max(np.min_scalar_type(-n_rows), weights.dtype)
    entries = np.empty((total, 2), dtype=narrow)
    step = max(1, SPARSE_BLOCK // n_rows)
    for first in range(0, n, step):
        part = weights[:, first : first + step].T
        site, mu = np.nonzero(part)
        here = slice(starts[first], starts[min(first + step, n)])
        entries[here, 0] = mu
        entries[here, 1] = part[site, mu]
    return Nonzeros(
        # At least 32 bits, so that few forms of the kernels are compiled.
        starts=starts.astype(np.min_scalar_type(total | 2**16)),
        entries=entries,
        field_bases=None,
        energy_bases=None,
    )


class DilutedTables:
    """The tables of P >= 3 for every number of nonzeros that a pattern has.

    Parameters
    ----------
    counts : (K,) int
        Nonzeros of each pattern.
    order : int
    coincident : {"exclude", "keep"}

    Attributes
    ----------
    field, energy : arrays
        `field_table` and `energy_table` of each number, one after the other.
    field_bases, energy_bases : (K,) int64
        Entry (T + base) >> 1 of `field` is G(T), and entry (S + base) >> 1 of
        `energy` is f(S), of pattern mu.
    """

    def __init__(self, counts: NDArray[np.int64], order: int, coincident: str):
        distinct, which = np.unique(counts, return_inverse=True)
        most = max(int(distinct[-1]), 1)
        # As integers if no sum over the patterns can overflow.
        exact = largest_field(most, order, coincident) * counts.size < 2**62
        self.field: NDArray[Any] = np.concatenate(
            [field_table(max(n, 1), order, coincident, exact=exact) for n in distinct]
        )
        self.energy = np.concatenate(
            [energy_table(n, order, coincident) for n in distinct]
        )
        lengths = np.maximum(distinct, 1)
        field_starts = np.cumsum(lengths) - lengths
        energy_starts = np.cumsum(distinct + 1) - (distinct + 1)
        self.field_bases = (2 * field_starts + distinct - 1)[which]
        self.energy_bases = (2 * energy_starts + distinct)[which]
