"""Observed variables: states that are known, or known distributions of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.layout import Layout
from statmech.errors import ParameterError, ParameterTypeError, check_array

# Of the sum of a soft block: what a float32 softmax leaves.
_SUM_ERROR = 1e-6


class Evidence(NamedTuple):
    """Checked evidence of a batch.

    clamped (B, n) bool: which variables are observed. values (B, d): their
    distributions, 0 in the blocks of hidden variables. batched: whether the evidence
    had an axis for the batch (else B = 1).
    """

    clamped: NDArray[np.bool_]
    values: NDArray[np.float64]
    batched: bool

    @property
    def hard(self) -> bool:
        """Whether every observed variable is in one state."""
        return bool(((self.values == 0.0) | (self.values == 1.0)).all())


def read_evidence(layout: Layout, evidence: ArrayLike | None) -> Evidence:
    """What is observed, in one form.

    Parameters
    ----------
    layout : Layout
    evidence : array, optional
        Hard: (n,) or (B, n) integers, -1 for a hidden variable. Soft: (d,) or (B, d)
        floats, a distribution in each observed block, all NaN in each hidden one.
        None: everything is hidden.

    Raises
    ------
    ParameterError, ParameterTypeError
        Naming `evidence`.

    Examples
    --------
    >>> layout = Layout(np.array([2, 3]))
    >>> read_evidence(layout, [-1, 2]).values
    array([[0., 0., 0., 0., 1.]])
    """
    n, d = layout.n_variables, layout.size
    if evidence is None:
        return Evidence(np.zeros((1, n), dtype=bool), np.zeros((1, d)), False)
    allowed = f"integers ({n},) or (B, {n}), or floats ({d},) or (B, {d})"
    try:
        array = np.asarray(evidence)
    except (TypeError, ValueError):  # ragged
        raise ParameterTypeError("evidence", evidence, allowed) from None
    if array.ndim not in (1, 2):
        raise ParameterError("evidence", evidence, allowed)
    batched = array.ndim == 2
    if array.dtype.kind in "iu":
        states = np.atleast_2d(layout.check_states("evidence", array, least=-1))
        clamped = states >= 0
        values = layout.encode(np.maximum(states, 0))
        values[~clamped[:, layout.owner]] = 0.0
        return Evidence(clamped, values, batched)
    shape = (None, d) if batched else (d,)
    soft = np.atleast_2d(check_array("evidence", array, shape, finite=False)).copy()
    missing = np.isnan(soft)
    firsts = layout.offsets[:-1]
    n_missing = np.add.reduceat(missing.astype(np.int64), firsts, axis=1)
    if ((n_missing != 0) & (n_missing != layout.n_states)).any():
        remedy = "a hidden variable is NaN in all of its states"
        raise ParameterError("evidence", evidence, "blocks with or without NaN", remedy)
    soft[missing] = 0.0
    clamped = n_missing == 0
    allowed = "distributions: numbers from 0, of sum 1 in each block"
    if (soft < 0.0).any() or (soft > 1.0 + _SUM_ERROR).any():
        raise ParameterError("evidence", evidence, allowed)
    totals = np.add.reduceat(soft, firsts, axis=1)
    if not ((np.abs(totals - 1.0) <= _SUM_ERROR) | ~clamped).all():
        raise ParameterError("evidence", evidence, allowed)
    soft /= np.where(clamped, totals, 1.0)[:, layout.owner]
    return Evidence(clamped, soft, batched)
