"""Free energies as objectives: their derivatives need no solve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.layout import Layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import ParameterError
from statmech.monotone.gradients import (
    FIXED_POINT,
    fixed_point_residual,
    potential_gradient,
    read_marginals,
)
from statmech.status import Status

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FreeEnergyGradient:
    """A free energy at its minimum, or a difference of two, and its derivatives.

    Arrays with B have that axis only if q had it. Samples whose q is no fixed point are
    NaN in `value` and `biases`.

    Attributes
    ----------
    value : (B,)
        F*, of mean field; or its difference.
    biases : (B, d)
        dF*/db = -q, a sample a row; or the difference.
    q, v : (M, d)
        Rows with dF*/dPhi_ij = sum of v_i q_j^T + q_i v_j^T: what `factor_gradient`
        takes. M = B, or 2 B for a difference.
    fixed_point_residual : (B,)
        max |softmax(Phi q + b) - q| over hidden variables; the larger of two.
    status : Status
        CONVERGED if that is at most 1e-6 in all samples, else NOT_CONVERGED.
    """

    value: Any
    biases: Array
    q: Array = field(repr=False)
    v: Array = field(repr=False)
    fixed_point_residual: Any
    status: Status
    layout: Layout = field(repr=False)

    @property
    def potentials(self) -> Array:
        """Derivative in Phi_ij, Phi_ji tied to it, summed over samples (d, d)."""
        return potential_gradient(self.q, self.v, self.layout)


def free_energy_gradient(
    model: BoltzmannMachine, q: ArrayLike, evidence: ArrayLike | None = None
) -> FreeEnergyGradient:
    """Mean-field free energy at its minimum: dF*/db = -q, dF*/dPhi_ij = -q_i q_j^T.

    At a stationary q the derivative of F through q is zero (the envelope theorem).

    Parameters
    ----------
    model : BoltzmannMachine
    q : (d,) or (B, d) array
        Fixed points of mean field; observed blocks are taken from `evidence`.
    evidence : array, optional
        What q was found with, as for `read_evidence`.

    Returns
    -------
    FreeEnergyGradient

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> model = BoltzmannMachine(np.zeros((2, 2)), np.zeros(2), 2)
    >>> gradient = free_energy_gradient(model, [0.5, 0.5])
    >>> round(gradient.value, 6), gradient.biases
    (-0.693147, array([-0.5, -0.5]))
    """
    rows, observed, batched = read_marginals(model, q, evidence)
    error = _residual(model, rows, observed.clamped)
    value = np.asarray(model.free_energy(rows))
    return _gradient(model.layout, value, -rows, rows, -0.5 * rows, error, batched)


def free_energy_difference(
    model: BoltzmannMachine, clamped: ArrayLike, free: ArrayLike, evidence: ArrayLike
) -> FreeEnergyGradient:
    """F* with the data observed, less F* with nothing observed: Boltzmann learning.

    Its derivatives are the statistics q and q_i q_j^T of the free phase less those of
    the clamped one. Replacing both F* by -log Z makes it the negative log-likelihood;
    of that it is no bound.

    Parameters
    ----------
    model : BoltzmannMachine
    clamped : (d,) or (B, d) array
        Fixed points with `evidence`.
    free : (d,) or (B, d) array
        The fixed point without evidence, once or for every sample.
    evidence : array
        The data, as for `read_evidence`.

    Returns
    -------
    FreeEnergyGradient

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    C. Peterson and J. R. Anderson, Complex Syst. 1, 995 (1987).

    Examples
    --------
    >>> model = BoltzmannMachine(np.zeros((2, 2)), np.zeros(2), 2)
    >>> gradient = free_energy_difference(model, [1.0, 0.0], [0.5, 0.5], [0])
    >>> round(gradient.value, 6), gradient.biases
    (0.693147, array([-0.5,  0.5]))
    """
    data, observed, batched = read_marginals(model, clamped, evidence)
    dream, nothing, _ = read_marginals(model, free, None)
    if dream.shape[0] not in (1, data.shape[0]):
        allowed = f"one row, or one for each of the {data.shape[0]} samples"
        raise ParameterError("free", dream, allowed)
    error = np.maximum(
        _residual(model, data, observed.clamped),
        _residual(model, dream, nothing.clamped),
    )
    value = np.asarray(model.free_energy(data)) - np.asarray(model.free_energy(dream))
    biases = dream - data
    dream = np.broadcast_to(dream, data.shape)
    q = np.concatenate([data, dream])
    v = np.concatenate([-0.5 * data, 0.5 * dream])
    return _gradient(model.layout, value, biases, q, v, error, batched)


def _residual(
    model: BoltzmannMachine, rows: Array, clamped: NDArray[np.bool_]
) -> Array:
    return fixed_point_residual(model, rows, ~clamped[:, model.layout.owner])


def _gradient(
    layout: Layout,
    value: Array,
    biases: Array,
    q: Array,
    v: Array,
    error: Array,
    batched: bool,
) -> FreeEnergyGradient:
    good = error <= FIXED_POINT
    value = np.where(good, value, np.nan)
    biases = np.where(good[:, None], biases, np.nan)
    bad = np.resize(~good, q.shape[0])  # of both halves of a difference
    return FreeEnergyGradient(
        value=value if batched else float(value[0]),
        biases=biases if batched else biases[0],
        q=q,
        v=np.where(bad[:, None], np.nan, v),
        fixed_point_residual=error if batched else float(error[0]),
        status=Status.CONVERGED if good.all() else Status.NOT_CONVERGED,
        layout=layout,
    )
