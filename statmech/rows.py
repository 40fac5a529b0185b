"""Rows of the interaction: what is checked and summed before a kernel is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterError, check_array, check_real
from statmech.machine import require_memory
from statmech.tables import table_bytes

if TYPE_CHECKING:
    from statmech.interaction import Interaction

LARGEST_FIELD = 1e290  # the energy of 2**31 spins stays finite
MOST = 2**31 - 1  # patterns and spins: sites and counts are 32 bits in the kernels

# Temporaries of `statmech.forms.nonzeros`, at most this many entries at one time.
SPARSE_BLOCK = 2**16


def network_bytes(n_patterns: int, n_spins: int, order: int) -> int:
    """Peak memory of a `HebbianNetwork` that is run, in bytes, its patterns included.

    The kernels read a second copy of the patterns, site by site.
    """
    return n_patterns * n_spins + rows_bytes(n_patterns, n_spins, order)


def rows_bytes(n_patterns: int, n_spins: int, order: int) -> int:
    """What `HebbianNetwork.rows` adds to patterns without blanks, in bytes."""
    tables = table_bytes(n_spins, order) if order > 2 else 0
    return n_patterns * n_spins + 4 * n_spins + tables


def form_bytes(model: Interaction) -> int:
    """What `HebbianNetwork.rows` adds to a network, in bytes, at its peak."""
    r, n = model.n_rows, model.n_spins
    width = model.weights.dtype.itemsize
    if not model.sparse:
        if model.order > 2 and model.largest_weight > 1:
            # Sums over a few sites, while those over all are made; see statmech.powers.
            made = 32 * (model.order + 1) * max(r, 2**15)
            return rows_bytes(r * width, n, 2) + 4 * n + made
        return rows_bytes(r * width, n, model.order) + 4 * n
    used = sparse_bytes(int(model.n_nonzero.sum()), r, n, width=width)
    if model.order > 2:
        used += table_bytes(n, model.order) + diluted_table_bytes(model.n_nonzero)
    return used


def sparse_bytes(n_nonzero: int, n_rows: int, n_spins: int, *, width: int = 1) -> int:
    """Peak memory of the sparse form in bytes, with `width` bytes a weight."""
    width = max(width, np.min_scalar_type(-n_rows).itemsize)
    starts = 20 * n_spins  # counts of 64 bits are made before what is kept
    return 2 * width * n_nonzero + starts + 40 * SPARSE_BLOCK


def diluted_table_bytes(counts: NDArray[np.int64]) -> int:
    """Tables for every number of nonzeros that a pattern has, at their peak, in bytes.

    Those of a pattern without blanks are not counted.
    """
    return 32 * int((np.unique(counts) + 1).sum())


def row_blocks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Whole rows whose 64-bit copies stay small."""
    n_rows, n_spins = rows.shape
    step = max(1, 2**18 // n_spins)
    for first in range(0, n_rows, step):
        yield rows[first : first + step]


def integer_overlaps(rows: NDArray[Any], spins: NDArray[np.int8]) -> NDArray[np.int64]:
    """S_mu = sum_i w_mu_i s_i (R,), exact, of rows (R, N)."""
    s = spins.astype(np.int64)
    return np.concatenate([w.astype(np.int64) @ s for w in row_blocks(rows)])


def check_extent(patterns: Any) -> None:
    """Refuse an array whose sizes or whose copy go beyond what can be kept."""
    if not isinstance(patterns, np.ndarray) or patterns.ndim != 2:
        return  # `check_levels` says more
    k, n = patterns.shape
    for name, count in (("n_patterns", k), ("n_spins", n)):
        if count > MOST:
            raise ParameterError(name, count, f"at most {MOST}")
    if patterns.dtype != np.int8 or not patterns.flags.c_contiguous:
        require_memory(
            k * n,
            f"an int8 copy of n_patterns = {k} of n_spins = {n}",
            remedy="give a C-contiguous int8 array, which is used as it is",
        )


def check_field(field: Any, n_spins: int) -> NDArray[np.float64]:
    """One number, or one a site, as (N,) float64."""
    limit = LARGEST_FIELD
    try:
        single = np.ndim(field) == 0
    except ValueError:  # ragged: not an array either, which check_array says
        single = False
    if single:
        return np.full(n_spins, check_real("field", field, -limit, limit))
    b = check_array("field", field, (n_spins,))
    for extreme in (b.min(), b.max()):
        check_real("field", extreme, -limit, limit)
    return b


def check_sums(model: Interaction) -> None:
    """Refuse rows whose sums could leave 64 bits."""
    most = model.n_rows * model.n_spins * model.largest_weight**2
    if most >= 2**62:
        raise ParameterError(
            "n_examples", model.lesson.n_examples, "few enough for sums of 64 bits"
        )
