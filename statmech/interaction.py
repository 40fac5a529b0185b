"""The interaction of a Hebbian network: its energy and fields, from its rows."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    blocks,
    check_choice,
    check_integer,
    check_levels,
    check_order,
    check_real,
)
from statmech.learning import Lesson
from statmech.machine import require_memory, smaller
from statmech.powers import has_powers, power_energy, power_fields
from statmech.rows import check_field, diluted_table_bytes, integer_overlaps, row_blocks
from statmech.tables import (
    COINCIDENT,
    energy_table,
    field_table,
    largest_field,
    load_unit,
    table_bytes,
)

if TYPE_CHECKING:
    from statmech.forms import DilutedTables
    from statmech.kernels.layout import DenseRows, PowerRows, SparseRows

SMALLEST_GAIN, LARGEST_GAIN = 1e-100, 1e100  # no energy overflows or vanishes


class Interaction:
    """E = -g c sum_mu f(S_mu) - sum_i b_i s_i, S_mu = sum_i w_mu_i s_i, w integers.

    `HebbianNetwork` says what the rows w are, and what f and c. Of rows beyond -1, 0,
    +1 at P >= 3, f is a function of all w_mu_i s_i: see `statmech.powers`.
    """

    def _build(
        self,
        patterns: NDArray[np.int8],
        weights: NDArray[Any],
        lesson: Lesson,
        order: int,
        coincident: str,
        field: float | ArrayLike,
        gain: float,
    ) -> None:
        self.patterns = patterns
        self.weights = weights
        self.lesson = lesson
        self.n_patterns, self.n_spins = patterns.shape
        self.n_rows = int(weights.shape[0])
        check_integer("n_spins", self.n_spins, 2, remedy="patterns has shape (K, N)")
        self.order = check_order(order)
        if self.order > self.n_spins:
            raise ParameterError(
                "order", order, f"at most n_spins = {self.n_spins}", "take more spins"
            )
        self.coincident = check_choice("coincident", coincident, COINCIDENT)
        self.field = check_field(field, self.n_spins)
        self.gain = check_real("gain", gain, SMALLEST_GAIN, LARGEST_GAIN)

    @property
    def prefactor(self) -> float:
        """g c of the energy, multiplying integer sums."""
        n, p = self.n_spins, self.order
        if self.coincident == "exclude":
            c = math.factorial(p - 1) / load_unit(p, n, "exclude")
        else:
            c = 1.0 / n if p == 2 else 1.0 / (p * n ** (p - 1))
        return self.gain * self.lesson.factor(self.order) * c

    @cached_property
    def binary(self) -> bool:
        """Whether tables over all sums of N signs serve: no row has a blank."""
        if self.weights is not self.patterns and (
            self.order == 2 or self.largest_weight > 1
        ):
            return False
        return bool(self.weights.all())

    @cached_property
    def sparse(self) -> bool:
        """Whether the kernels read only the entries that are not zero.

        Measured: eight entries in SIMD lanes cost as much as one by itself.
        """
        if self.binary or has_powers(self):
            return False
        if self.order > 2:
            return True
        return 8 * int(self.n_nonzero.sum()) < self.n_rows * self.n_spins

    @property
    def largest_weight(self) -> int:
        """Bound on the size of an entry of the rows."""
        return self.lesson.n_examples if self.lesson.protocol == "supervised" else 1

    def energy(self, spins: ArrayLike) -> float:
        """Total energy E of a configuration `spins` (N,) of +-1."""
        s = check_levels("spins", spins, (self.n_spins,))
        if has_powers(self):
            return float(-self.prefactor * power_energy(self, s) - self.field @ s)
        overlaps = integer_overlaps(self.weights, s)
        if self.binary:
            total = self._energy_of_sums[(overlaps + self.n_spins) >> 1].sum()
        elif self.order == 2:
            squares = 0.5 * (overlaps.astype(np.float64) ** 2).sum()
            total = squares + self._excluded
        else:
            tables = self._diluted_tables
            total = tables.energy[(overlaps + tables.energy_bases) >> 1].sum()
        return float(-self.prefactor * total - self.field @ s)

    def local_fields(self, spins: ArrayLike) -> NDArray[np.float64]:
        """h (N,), where 2 s_i h_i is the energy cost of flipping spin i alone."""
        signs = check_levels("spins", spins, (self.n_spins,))
        if has_powers(self):
            return self.prefactor * power_fields(self, signs) + self.field
        s = signs.astype(np.int64)
        total = np.zeros((0, self.n_spins), dtype=np.int64)
        first = 0
        for part in row_blocks(self.weights):
            w = part.astype(np.int64)
            others = (w @ s)[:, None] - w * s
            terms = w * self._field_of(others, slice(first, first + len(w)))
            # The sum so far is the first row: floats are added in the order of one
            # sum over all patterns.
            total = np.concatenate([total.astype(terms.dtype, copy=False), terms])
            total = total.sum(axis=0, keepdims=True)
            first += len(w)
        return self.prefactor * total[0] + self.field

    def _field_of(self, others: NDArray[np.int64], rows: slice) -> NDArray[Any]:
        """G at the sums T of the other spins (rows, N), of a block of rows."""
        if self.order == 2:
            return others
        if self.binary:
            return self._field_of_sums[(others + self.n_spins - 1) >> 1]
        tables = self._diluted_tables
        at = (others + tables.field_bases[rows, None]) >> 1
        # At a blank the sum has the other parity and may point beside the table.
        return tables.field[np.clip(at, 0, tables.field.size - 1)]

    @cached_property
    def _excluded(self) -> float:
        """-sum w_mu_i**2 / 2, which P = 2 without coincident indices adds to S**2/2."""
        if self.coincident == "keep":
            return 0.0
        if self.largest_weight == 1:
            return -0.5 * int(self.n_nonzero.sum())
        parts = (w.astype(np.int64) for w in row_blocks(self.weights))
        return -0.5 * sum(int((w * w).sum()) for w in parts)

    @cached_property
    def n_nonzero(self) -> NDArray[np.int64]:
        """Entries of each row that are not zero (R,)."""
        counts = [np.count_nonzero(w, axis=1) for w in row_blocks(self.weights)]
        return np.concatenate(counts).astype(np.int64)

    @cached_property
    def _energy_of_sums(self) -> NDArray[np.float64]:
        """f(S) at S = -N, -N + 2, ..., N."""
        self._require_tables()
        return energy_table(self.n_spins, self.order, self.coincident)

    @cached_property
    def _field_of_sums(self) -> NDArray[Any]:
        """G(T) at T = -(N - 1), ..., N - 1, the sum of the other spins, for P >= 3.

        int64 if no sum over the patterns can overflow, float64 rounded once otherwise.
        """
        self._require_tables()
        size = (self.n_spins, self.order, self.coincident)
        exact = largest_field(*size) * self.n_rows < 2**62
        return field_table(*size, exact=exact)

    @cached_property
    def _diluted_tables(self) -> DilutedTables:
        from statmech.forms import DilutedTables

        self._require_tables(diluted_table_bytes(self.n_nonzero))
        return DilutedTables(self.n_nonzero, self.order, self.coincident)

    def _require_tables(self, more: int = 0) -> None:
        require_memory(
            table_bytes(self.n_spins, self.order) + more,
            f"tables of n_spins = {self.n_spins} at order = {self.order}",
            remedy=smaller(
                n_spins=(self.n_spins, lambda n: table_bytes(n, self.order) + more)
            ),
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what a run depends on: the same network, the same digest."""
        kind: tuple[Any, ...] = ("HebbianNetwork", self.patterns.shape, self.order)
        kind += (self.coincident,)
        if self.gain != 1.0 or self.lesson != Lesson():
            kind += (self.gain, *vars(self.lesson).values())
        content = hashlib.sha256(repr(kind).encode())
        content.update(self.patterns.reshape(-1).view(np.uint8).data)
        if self.weights is not self.patterns:
            for rows in row_blocks(self.weights):
                content.update(rows.astype("<i4").data)
        # The sum makes a negative zero, which acts as zero, look like it.
        for part in blocks(self.field):
            content.update((part + 0.0).astype("<f8", copy=False).data)
        return content.hexdigest()

    @cached_property
    def rows(self) -> DenseRows | SparseRows | PowerRows:
        """The form that the kernels read."""
        from statmech.forms import dense_rows, power_rows, sparse_rows

        if has_powers(self):
            return power_rows(self)
        return sparse_rows(self) if self.sparse else dense_rows(self)
