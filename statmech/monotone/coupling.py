"""Fields of a batch in the gauge where the last state of every variable has none.

In every block q sums to 1, so that all but one of its entries say all: fields relative
to that of the last state follow from d - n entries, with

    Phi~_(is)(jt) = Phi_(is)(jt) - Phi_(iz)(jt) - Phi_(is)(jz) + Phi_(iz)(jz),

z the last states; for two states a product is a quarter of the work. Of
Phi = blockdiag(A_i^T A_i) - A^T A it is the same form of A_(is) - A_(iz).
"""

from __future__ import annotations

import itertools
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from statmech.boltzmann.model import BoltzmannMachine
from statmech.kernels.boltzmann import add_own_blocks
from statmech.kernels.fixed_point import pack, unpack
from statmech.machine import require_memory

Array = NDArray[np.float64]


class Coupling:
    """Fields Phi q + b of rows q (B, d), packed: relative to last states, (B, d - n).

    Attributes
    ----------
    biases : (d - n,)
        b in this gauge, with which the free energy is what it was up to a constant.
    constant : float
        The latter: z.Phi z / 2 + b.z.
    added : float
        The largest of what was added to biases, which cancels in fields as a rule.
    """

    def __init__(self, model: BoltzmannMachine) -> None:
        layout = model.layout
        self.offsets = layout.offsets
        last = layout.offsets[1:] - 1
        kept = np.setdiff1d(np.arange(layout.size), last)
        self.kept, self.size = kept, kept.size
        ends = last[layout.owner[kept]]
        self.inner = layout.offsets - np.arange(layout.offsets.size)
        self.factor: Array | None = None
        self.matrix: Array | None = None
        if model.factor is not None:
            factor = model.factor[:, kept] - model.factor[:, ends]
            total = model.factor[:, last].sum(axis=1)
            # Sums of the blocks j other than i of A_(is) . A_(jz).
            others = factor.T @ total - (factor * model.factor[:, ends]).sum(axis=0)
            pushed = -others
            # The sum of A_(iz) . A_(jz) over i other than j, with its sign changed.
            own = float((model.factor[:, last] ** 2).sum()) - float(total @ total)
            self._keep_factor(factor)
        else:
            require_memory(
                24 * self.size * layout.size,
                f"fields of {layout.size} components",
                remedy="take a factor of fewer rows",
            )
            phi = model.potentials
            rows = phi[kept] - phi[ends]
            pushed = rows[:, last].sum(axis=1)
            own = float(phi[np.ix_(last, last)].sum())
            self.matrix = np.ascontiguousarray(rows[:, kept] - rows[:, ends])
        self.biases = model.biases[kept] - model.biases[ends] + pushed
        self.constant = 0.5 * own + float(model.biases[last].sum())
        self.added = float(np.abs(pushed).max(initial=0.0))

    def _keep_factor(self, factor: Array) -> None:
        size = factor.shape[1]
        blocks = [factor[:, a:b] for a, b in itertools.pairwise(self.inner.tolist())]
        if 2 * factor.shape[0] < size:
            self.factor = np.ascontiguousarray(factor)
            self.minus = np.ascontiguousarray(-factor.T)
            self._keep_own(blocks)
            return
        require_memory(
            16 * size**2,
            f"potentials of {size} x {size} numbers",
            remedy="take a factor of fewer rows",
        )
        self.matrix = -(factor.T @ factor)
        for a, b in itertools.pairwise(self.inner.tolist()):
            self.matrix[a:b, a:b] = 0.0

    def _keep_own(self, blocks: list[Array]) -> None:
        """A_i^T A_i: numbers, but from the first block that is wider to the last."""
        widths = np.array([block.shape[1] for block in blocks])
        wide = np.flatnonzero(widths > 1)
        first, end = (wide[0], wide[-1] + 1) if wide.size else (0, 0)
        self.wide = self.inner[first : end + 1]
        self.own = np.zeros((self.size, widths.max()))
        for start, block in zip(self.inner.tolist(), blocks, strict=False):
            stop = start + block.shape[1]
            self.own[start:stop, : block.shape[1]] = block.T @ block
        self.scale = self.own[:, 0].copy()
        self.scale[self.wide[0] : self.wide[-1]] = 0.0

    def fields(self, q: Array) -> tuple[Array, Array]:
        """Packed Phi q + b, and q packed."""
        fields, rows = self.product(q)
        fields += self.biases
        return fields, rows

    def evaluate(self, q: Array) -> tuple[Array, Array, float]:
        """Phi q + b (B, d), 0 for last states; q.Phi q / 2 + b.q (B,); and `added`."""
        fields, rows = self.fields(q)
        energy = 0.5 * np.einsum("bs,bs->b", rows, fields + self.biases)
        out = np.empty_like(q)
        unpack(fields, self.offsets, out)
        return out, energy + self.constant, self.added

    def product(self, q: Array) -> tuple[Array, Array]:
        """Packed Phi q of differences of rows, and q packed."""
        rows = np.empty((q.shape[0], self.size))
        pack(q, self.offsets, rows)
        if self.factor is None:
            assert self.matrix is not None
            return times(rows, self.matrix), rows
        fields = times(times(rows, self.minus), self.factor)
        fields += rows * self.scale
        add_own_blocks(rows, self.wide, self.own, fields)
        return fields, rows


def times(rows: Array, matrix: Array) -> Array:
    """rows @ matrix, each row as it would be in any other batch.

    Of odd numbers of rows OpenBLAS rounds the last one, or an only one, in another way,
    which iterations amplify: one of zeros is added.
    """
    n_rows = rows.shape[0]
    if n_rows % 2:
        rows = np.concatenate([rows, np.zeros((1, rows.shape[1]))])
    return np.ascontiguousarray((rows @ matrix)[:n_rows])


_couplings: WeakKeyDictionary[BoltzmannMachine, Coupling] = WeakKeyDictionary()


def coupling_of(model: BoltzmannMachine) -> Coupling:
    """The coupling of a model, made once."""
    found = _couplings.get(model)
    if found is None:
        found = _couplings[model] = Coupling(model)
    return found
