"""Covariances by linear response: how mean field answers a change of the biases."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.evidence import read_evidence
from statmech.boltzmann.ising import to_ising
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
)
from statmech.machine import require_memory
from statmech.mean_field.fixed_point import check_distributions
from statmech.mean_field.linear import curvature, root_jacobian
from statmech.status import Status

Array = NDArray[np.float64]

# A curvature this small is not told from zero.
_SINGULAR = 1e-10


@dataclass(frozen=True)
class Response:
    """A covariance estimated by linear response.

    Attributes
    ----------
    covariance : (d, d) or (n, n)
        Symmetric, positive semi-definite; NaN unless `status.ok`.
    curvature : float
        Smallest eigenvalue of the Hessian in the metric of its entropy part, 1 for
        independent variables; it falls to 0 where the response diverges.
    residual : float
        max |softmax(Phi q + b) - q|, or of m: the estimate is as good as q is.
    status : Status
        UNDEFINED where the curvature is not positive: q is no minimum.
    """

    covariance: Array = field(repr=False)
    curvature: float
    residual: float
    status: Status


def linear_response(
    model: BoltzmannMachine, q: ArrayLike, *, evidence: ArrayLike | None = None
) -> Response:
    """Covariance of the states by linear response of mean field, dq / db.

    chi = (1 - J Phi)^-1 J at a solution q, J the Jacobian of the block softmax: the
    inverse Hessian of the free energy on the tangent space. Compare what is not in a
    diagonal block: those differ from diag(q) - q q^T beyond first order. It diverges
    where the solution loses stability.

    Parameters
    ----------
    model : BoltzmannMachine
    q : (d,) array
        A solution: a distribution in each block.
    evidence : array, optional
        One sample of it; what is observed does not respond.

    Returns
    -------
    Response
        (d, d); rows of observed variables are 0.

    Raises
    ------
    ParameterError, ParameterTypeError
    MemoryLimitError
        If (d, d) matrices do not fit.

    References
    ----------
    G. Parisi, Statistical Field Theory (Addison-Wesley, 1988); H. J. Kappen and
    F. B. Rodriguez, Neural Comput. 10, 1137 (1998).

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising
    >>> model = from_ising([[0.0, 0.1], [0.1, 0.0]], [0.0, 0.0])
    >>> chi = linear_response(model, [0.5, 0.5, 0.5, 0.5]).covariance
    >>> print((4 * chi[::2, ::2]).round(4))  # of spins
    [[1.0101 0.101 ]
     [0.101  1.0101]]
    """
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    layout = model.layout
    rows = check_distributions(model, "q", q, (layout.size,))
    known = read_evidence(layout, evidence)
    if known.batched:
        raise ParameterError("evidence", evidence, "of one sample")
    require_memory(
        48 * layout.size**2,
        f"a response of d = {layout.size}",
        remedy="respond to one bias at a time, by differences of two solutions",
    )
    fixed = known.clamped[0][layout.owner]
    image = layout.softmax(model.logits(rows))[0]
    residual = float(np.abs(image - rows)[~fixed].max(initial=0.0))
    root = root_jacobian(model, rows, fixed)
    return _invert(curvature(model, root), root, residual)


def tap_response(model: BoltzmannMachine, m: ArrayLike) -> Response:
    """Covariance of Ising spins by linear response of the TAP equations, dm / dh.

    The inverse of the Hessian of the TAP free energy,

        (1/(1 - m_i^2) + sum_k J_ik^2 (1 - m_k^2)) delta_ij - J_ij - 2 J_ij^2 m_i m_j.

    Parameters
    ----------
    model : BoltzmannMachine
        Two states in every variable.
    m : (n,) array
        A solution of the TAP equations, from -1 to 1.

    Returns
    -------
    Response
        (n, n), of the spins.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    H. J. Kappen and F. B. Rodriguez, Neural Comput. 10, 1137 (1998); T. Tanaka, Phys.
    Rev. E 58, 2302 (1998).

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising
    >>> model = from_ising([[0.0, 0.1], [0.1, 0.0]], [0.0, 0.0])
    >>> print(tap_response(model, [0.0, 0.0]).covariance.round(4))
    [[0.9999 0.099 ]
     [0.099  0.9999]]
    """
    j, h, _ = to_ising(model)
    values = check_array("m", m, (h.size,))
    if (np.abs(values) > 1.0).any():
        raise ParameterError("m", values, "magnetisations from -1 to 1")
    v = 1.0 - values * values
    reaction = j**2 @ v
    image = np.tanh(h + j @ values - values * reaction)
    residual = float(np.abs(image - values).max())
    # Between D = (1 - m^2)^(1/2), so that frozen spins do no harm.
    root = np.diag(np.sqrt(v))
    inner = np.diag(reaction) - j - 2.0 * j**2 * np.outer(values, values)
    matrix = np.eye(h.size) + root @ inner @ root
    return _invert(0.5 * (matrix + matrix.T), root, residual)


def _invert(matrix: Array, root: Array, residual: float) -> Response:
    """root matrix^-1 root^T, if the matrix is positive."""
    values, vectors = np.linalg.eigh(matrix)
    lowest = float(values[0])
    if not lowest > _SINGULAR:
        nothing = np.full(root.shape, math.nan)
        return Response(nothing, lowest, residual, Status.UNDEFINED)
    half = (root @ vectors) / np.sqrt(values)
    return Response(half @ half.T, lowest, residual, Status.CLOSED_FORM)
