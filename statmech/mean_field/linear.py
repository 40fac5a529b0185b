"""Mean field near a solution: first order in whatever changes.

With J the Jacobian of the block softmax, J = B B^T where B = diag(sqrt q) Pi and Pi
takes from each block its component along sqrt q. The equations change by
(1 - J Phi) dq, and (1 - J Phi)^-1 = 1 + B M^-1 B^T Phi with the symmetric matrix
M = 1 - B^T Phi B: positive where q is a minimum of the free energy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from statmech.boltzmann.model import BoltzmannMachine

Array = NDArray[np.float64]

# Up to this d the matrix is made and solved; beyond, by iterations.
_DENSE = 600
# The estimate of a distance needs no more digits than this.
_LOOSE = 1e-3
_MOST_ITERATIONS = 1000


def root_jacobian(
    model: BoltzmannMachine, q: Array, fixed: NDArray[np.bool_] | None = None
) -> Array:
    """B (d, d) of q (d,), with J = B B^T; rows of observed components are 0."""
    s = np.sqrt(q)
    if fixed is not None:
        s = np.where(fixed, 0.0, s)
    owner = model.layout.owner
    same = owner[:, None] == owner
    return s[:, None] * (np.eye(s.size) - same * np.outer(s, s))


def curvature(model: BoltzmannMachine, root: Array) -> Array:
    """M = 1 - B^T Phi B (d, d)."""
    m = np.eye(root.shape[0]) - root.T @ model.potentials @ root
    return np.asarray(0.5 * (m + m.T))


def distances(
    model: BoltzmannMachine, p: Array, fixed: NDArray[np.bool_], pushed: Array
) -> Array:
    """(B,) estimates of |q* - p|_2; p is the image of q, `pushed` Phi (p - q) (B, d).

    |B M^-1 B^T Phi (p - q)|, to first order; inf where that cannot be had.
    """
    solve = _dense if model.size <= _DENSE else _iterate
    return np.array(
        [solve(model, *row) for row in zip(p, fixed, pushed, strict=True)]
    ).reshape(p.shape[0])


def _dense(
    model: BoltzmannMachine, p: Array, fixed: NDArray[np.bool_], pushed: Array
) -> float:
    root = root_jacobian(model, p, fixed)
    right = root.T @ pushed
    if not right.any():
        return 0.0
    try:
        step = root @ np.linalg.solve(curvature(model, root), right)
    except np.linalg.LinAlgError:
        return math.inf
    size = float(np.linalg.norm(step))
    return size if math.isfinite(size) else math.inf


def _iterate(
    model: BoltzmannMachine, p: Array, fixed: NDArray[np.bool_], pushed: Array
) -> float:
    from scipy.sparse.linalg import LinearOperator, minres

    s = np.where(fixed, 0.0, np.sqrt(p))
    firsts, owner = model.layout.offsets[:-1], model.layout.owner

    def project(v: Array) -> Array:
        return np.asarray(v - s * np.add.reduceat(s * v, firsts)[owner])

    def apply(v: Array) -> Array:
        v = np.ravel(v)
        return np.asarray(v - project(s * model.product(s * project(v))))

    operator = LinearOperator((s.size,) * 2, matvec=apply, dtype=np.float64)
    right = project(s * pushed)
    if not right.any():
        return 0.0
    v, failed = minres(operator, right, rtol=_LOOSE, maxiter=_MOST_ITERATIONS)
    size = float(np.linalg.norm(s * project(v)))
    return size if not failed and math.isfinite(size) else math.inf
