"""Potentials from free parameters, such that mean field has one solution.

Phi = blockdiag(A_i^T A_i) - A^T A is symmetric and block hollow, and its largest
eigenvalue is at most that of the blocks A_i^T A_i: with ||A_i|| <= sqrt(kappa) it is at
most kappa. Every symmetric block hollow Phi <= kappa I is of this form, since
kappa I - Phi = A^T A has blocks A_i^T A_i = kappa I.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.layout import Layout, check_layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_real,
)
from statmech.machine import require_memory

Array = NDArray[np.float64]

# Of eigenvalues of a (d, d) matrix, relative to d times its norm.
_ROUNDING = float(np.finfo(np.float64).eps)
_ASYMMETRY = 1e-12


def from_factor(
    factor: ArrayLike,
    biases: ArrayLike,
    n_states: int | ArrayLike,
    *,
    kappa: float,
    center: bool = False,
) -> BoltzmannMachine:
    """Boltzmann machine whose mean field is unique, from a free factor A_hat.

    A_i = A_hat_i min(1, sqrt(kappa) / ||A_hat_i||), the columns of every variable
    capped in spectral norm, and Phi = blockdiag(A_i^T A_i) - A^T A. The scales act on
    both sides of Phi, so that it stays symmetric: scaling its rows only would give a
    mean field of no pairwise model. Its smallest eigenvalue is not bounded by kappa;
    it is -(n - 1) kappa if all A_i are equal and of norm sqrt(kappa).

    Parameters
    ----------
    factor : (r, d) array
        A_hat, any finite numbers. Below d / 2 rows the model keeps the factor, and
        its products cost O(r d).
    biases : (d,) array
        b.
    n_states : int or (n,) array of int
        k_i >= 1; one integer if all are equal.
    kappa : float
        Bound on the largest eigenvalue, between 0 and 2 (exclusive). Below 1 the class
        of Feng, Winston and Kolter, with kappa = 1 - m; below 2 the solution is unique
        too, because entropy is 2-strongly convex along the simplex.
    center : bool
        Whether the columns of every variable first lose their mean. What is lost has
        no part in the distribution but for the biases, and the bound then acts on what
        has; without, it is on the full space, and stricter than uniqueness needs.

    Returns
    -------
    BoltzmannMachine
        Its potentials are exactly symmetric, and exactly zero in diagonal blocks.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    Z. Feng, E. Winston and J. Z. Kolter, Trans. Mach. Learn. Res. (2023), section 3.

    Examples
    --------
    >>> factor = [[3.0, -3.0, -1.0, 1.0]]
    >>> model = from_factor(factor, np.zeros(4), 2, kappa=0.5)
    >>> model.potentials[0].round(6)
    array([ 0.  ,  0.  ,  0.25, -0.25])
    >>> model.spectrum()[1] <= 0.5
    True
    """
    b = check_array("biases", biases, (None,)).copy()
    layout = check_layout(n_states, b.size)
    free = check_array("factor", factor, (None, b.size))
    cap = cap_blocks(free, layout, check_kappa(kappa), check_flag("center", center))
    return BoltzmannMachine._from_factor(cap.factor, b, layout)


class Cap(NamedTuple):
    """A free factor after the cap, and what its derivative needs.

    factor (r, d): A. centered (r, d): A_hat, or A_hat P. norms (n,): of the blocks of
    `centered`. scales (n,): min(1, sqrt(kappa) / norm). right (d,): top right singular
    vectors of the blocks.
    """

    factor: Array
    centered: Array
    norms: Array
    scales: Array
    right: Array


def cap_blocks(free: Array, layout: Layout, kappa: float, center: bool) -> Cap:
    """A of A_hat (r, d); nothing is checked."""
    centered = layout.center(free.copy()) if center else free
    norms = np.zeros(layout.n_variables)
    right = np.zeros(layout.size)
    if free.shape[0]:
        for which, columns in equal_blocks(layout):
            blocks = np.moveaxis(centered[:, columns], 0, 1)  # (g, r, k)
            size = np.abs(blocks).max(axis=(1, 2))
            unit = blocks / np.where(size > 0.0, size, 1.0)[:, None, None]
            values, vectors = np.linalg.eigh(unit.transpose(0, 2, 1) @ unit)
            norms[which] = size * np.sqrt(np.maximum(values[:, -1], 0.0))
            right[columns] = vectors[:, :, -1]
    limit = math.sqrt(kappa)
    scales = np.where(norms > limit, limit / np.maximum(norms, limit), 1.0)
    return Cap(centered * scales[layout.owner], centered, norms, scales, right)


def cap_gradient(gradient: Array, cap: Cap, layout: Layout, center: bool) -> Array:
    """dl/dA_hat (r, d) of dl/dA (r, d): the derivative of `cap_blocks`, transposed.

    Where the cap acts it is c (G - u w^T <G, A_hat_i> / sigma), with the top singular
    pair u, w of A_hat_i, sigma its norm and c = sqrt(kappa) / sigma. At equal singular
    values, one of the subgradients.
    """
    owner = layout.owner
    active = cap.scales < 1.0
    safe = np.where(active, cap.norms, 1.0)
    # <G, A_hat_i> and u_i of every variable, u_i = A_hat_i w_i / sigma_i.
    firsts = layout.offsets[:-1]
    inner = np.add.reduceat((gradient * cap.centered).sum(axis=0), firsts)
    left = np.add.reduceat(cap.centered * cap.right, firsts, axis=1) / safe
    pull = left * np.where(active, inner / safe, 0.0)
    out = cap.scales[owner] * (gradient - pull[:, owner] * cap.right)
    return layout.center(out) if center else out


def equal_blocks(
    layout: Layout,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(g,) variables with equally many states and their columns (g, k), by k."""
    for k in np.unique(layout.n_states):
        which = np.flatnonzero(layout.n_states == k)
        yield which, layout.offsets[which][:, None] + np.arange(k)


def to_factor(source: BoltzmannMachine | ArrayLike, kappa: float) -> Array:
    """Factor A with kappa I - Phi = A^T A: `from_factor` gives Phi back from it.

    Parameters
    ----------
    source : BoltzmannMachine or (d, d) array
        The model, or its symmetric, block hollow Phi.
    kappa : float
        Between 0 and 2 (exclusive), and not below the largest eigenvalue of Phi on the
        full space. That of `model.gauge_fixed()` is the one on the tangent space,
        which may be lower.

    Returns
    -------
    (r, d) array
        r is the rank of kappa I - Phi.

    Raises
    ------
    ParameterError, ParameterTypeError
        If the largest eigenvalue is above kappa; the error gives it.

    Examples
    --------
    >>> phi = np.array([[0.0, 0.3], [0.3, 0.0]])
    >>> factor = to_factor(phi, 0.9)
    >>> from_factor(factor, np.zeros(2), 1, kappa=0.9).potentials.round(12)
    array([[0. , 0.3],
           [0.3, 0. ]])
    """
    kappa = check_kappa(kappa)
    if isinstance(source, BoltzmannMachine):
        phi = source.potentials
    else:
        phi = check_array("source", source, (None, None))
        scale = float(np.abs(phi).max(initial=0.0))
        square = phi.shape[0] == phi.shape[1]
        if not square or np.abs(phi - phi.T).max(initial=0.0) > _ASYMMETRY * scale:
            raise ParameterError("source", phi, "a symmetric matrix (d, d)")
    d = phi.shape[0]
    require_memory(
        32 * d * d,
        f"eigenvectors of d = {d}",
        remedy="rescale the potentials with `scale_to` instead",
    )
    values, vectors = np.linalg.eigh(phi)
    norm = max(float(np.abs(values).max(initial=0.0)), kappa)
    largest = float(values[-1]) if d else 0.0
    if largest > kappa + _ROUNDING * d * norm:
        remedy = "raise kappa, fix the gauge, or rescale with `scale_to`"
        allowed = f"at least the largest eigenvalue, {largest:.17g}"
        raise ParameterError("kappa", kappa, allowed, remedy)
    rest = kappa - values
    kept = rest > _ROUNDING * d * norm
    return np.ascontiguousarray((vectors[:, kept] * np.sqrt(rest[kept])).T)


def scale_to(model: BoltzmannMachine, kappa: float) -> tuple[BoltzmannMachine, float]:
    """All potentials times one factor, so that lambda_max on tangents is kappa.

    The alternative to the cap of `from_factor`: it keeps all ratios of potentials.

    Parameters
    ----------
    model : BoltzmannMachine
        Its lambda_max must be above 0: some potential has to act.
    kappa : float
        Above 0; from 2 on, mean field may have several solutions.

    Returns
    -------
    (BoltzmannMachine, float)
        The model with Phi' = c Phi and the same biases, and c = kappa / lambda_max.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> phi = np.zeros((4, 4))
    >>> phi[:2, 2:] = phi[2:, :2] = [[1.0, -1.0], [-1.0, 1.0]]
    >>> model, factor = scale_to(BoltzmannMachine(phi, np.zeros(4), 2), 0.5)
    >>> round(factor, 12), model.guarantee
    (0.25, 'monotone')
    """
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    kappa = check_real("kappa", kappa, 0.0, low_open=True)
    smallest, largest = model.spectrum()
    if not largest > 0.0:
        raise ParameterError("model", model, "one with lambda_max > 0 on tangents")
    c = kappa / largest
    if not math.isfinite(c * smallest):
        raise ParameterError("kappa", kappa, "such that the potentials stay finite")
    if model.factor is None:
        scaled = BoltzmannMachine(c * model.potentials, model.biases, model.n_states)
    else:
        factor = math.sqrt(c) * model.factor
        biases = model.biases.copy()
        scaled = BoltzmannMachine._from_factor(factor, biases, model.layout)
    scaled._spectrum = c * smallest, kappa
    return scaled, c


def check_kappa(kappa: object) -> float:
    """kappa, between 0 and 2."""
    remedy = "from 2 on, mean field may have several solutions"
    options = {"low_open": True, "high_open": True}
    return check_real("kappa", kappa, 0.0, 2.0, **options, remedy=remedy)


def check_flag(name: str, value: object) -> bool:
    """True or False, and nothing that only looks like it."""
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterTypeError(name, value, "True or False")
    return bool(value)
