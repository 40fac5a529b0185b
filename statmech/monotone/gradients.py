"""Derivatives through the fixed point of mean field, by one linear solve a sample.

q = softmax(Phi q + b) gives dq = chi (dPhi q + db) with chi = (I - J Phi)^{-1} J, J the
covariance of independent q_i. For a loss l(q) with cotangent g = dl/dq everything
follows from v = chi g. With s = sqrt(q), Pi v = v - s <s, v> in each block and
B = diag(s) Pi, J = B B^T and

    v = B (I - B^T Phi B)^{-1} B^T g,

whose matrix is symmetric with eigenvalues from 1 - lambda_max / 2: conjugate gradients,
and no division by small q. No iteration towards q is differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.evidence import Evidence, read_evidence
from statmech.boltzmann.layout import Layout, check_layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_integer,
    check_real,
)
from statmech.jit import kernel
from statmech.machine import require_memory
from statmech.monotone.parameterisation import (
    cap_blocks,
    cap_gradient,
    check_flag,
    check_kappa,
    equal_blocks,
)
from statmech.status import Status

Array = NDArray[np.float64]

_SUM_ERROR = 1e-6  # of the probabilities of one variable
# A mean-field residual above it is no fixed point: derivatives err in proportion.
FIXED_POINT = 1e-6


@dataclass(frozen=True, eq=False)
class ImplicitGradient:
    """How a loss of mean-field marginals answers the parameters.

    Arrays with B have that axis only if q had it. Samples that did not converge are
    NaN in all of them.

    Attributes
    ----------
    biases : (B, d)
        v = dl/db, a sample a row: their sum is the derivative of the summed loss.
        0 in the blocks of observed variables.
    evidence : (B, d)
        dl/dx_o for observed variables, the part of l that depends on x_o itself
        included; 0 in the blocks of hidden ones.
    q : (B, d)
        The marginals, the values of observed variables included.
    iterations : (B,) int
        Of conjugate gradients.
    residual : (B,)
        |B^T g - M z| / |B^T g| of the linear equations, recomputed at the end.
    fixed_point_residual : (B,)
        max |softmax(Phi q + b) - q| over hidden variables: derivatives are as good.
    converged : (B,) bool
    status : Status
        CONVERGED if all samples are; UNDEFINED if some q is not a minimum of the free
        energy, where there is no derivative; else NOT_CONVERGED.
    """

    biases: Array
    evidence: Array
    q: Array = field(repr=False)
    iterations: NDArray[np.int64]
    residual: Array
    fixed_point_residual: Array
    converged: NDArray[np.bool_]
    status: Status
    layout: Layout = field(repr=False)

    @property
    def potentials(self) -> Array:
        """v q^T + q v^T summed over samples, without diagonal blocks (d, d).

        Block (i, j) is the derivative in Phi_ij with Phi_ji = Phi_ij^T tied to it: a
        symmetric change dPhi changes l by half of the sum of products of entries.
        """
        return potential_gradient(self.q, self.biases, self.layout)


def implicit_gradient(
    model: BoltzmannMachine,
    q: ArrayLike,
    cotangent: ArrayLike,
    *,
    evidence: ArrayLike | None = None,
    tol: float = 1e-10,
    max_iter: int = 1000,
) -> ImplicitGradient:
    """Derivatives of a loss l(q) of mean-field marginals by implicit differentiation.

    Parameters
    ----------
    model : BoltzmannMachine
    q : (d,) or (B, d) array
        Fixed points q = softmax(Phi q + b), each a minimum of the free energy. The
        derivatives err in proportion to the residual of q; above 1e-6 they are refused.
        Blocks of observed variables are taken from `evidence`.
    cotangent : array
        g = dl/dq, of the shape of q.
    evidence : array, optional
        What q was found with, in one of the forms of `read_evidence`; one for all
        samples, or one each.
    tol : float
        Of the residual of the linear equations, relative, from 1e-13.
    max_iter : int
        Of conjugate gradients. About log(2 / tol) sqrt(c) / 2 are needed, with
        c = (2 - lambda_min) / (2 - lambda_max), and never more than d but for rounding.

    Returns
    -------
    ImplicitGradient

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    M. R. Hestenes and E. Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952);
    Z. Feng, E. Winston and J. Z. Kolter, Trans. Mach. Learn. Res. (2023), section 4.

    Examples
    --------
    >>> model = BoltzmannMachine(np.zeros((2, 2)), np.zeros(2), 2)
    >>> gradient = implicit_gradient(model, [0.5, 0.5], [1.0, 0.0])
    >>> gradient.biases, gradient.status.name
    (array([ 0.25, -0.25]), 'CONVERGED')
    """
    rows, observed, batched = read_marginals(model, q, evidence)
    g = check_array("cotangent", cotangent, np.shape(q)).reshape(rows.shape)
    limit = check_real("tol", tol, 1e-13, 1.0, high_open=True)
    rounds = check_integer("max_iter", max_iter, 1)
    layout = model.layout
    free = ~observed.clamped[:, layout.owner]
    s = np.sqrt(rows) * free
    right = s * g
    remove_component(right, s, layout.offsets)
    z, iterations, indefinite = _conjugate_gradients(model, s, right, limit, rounds)
    residual = _relative(_apply(model, s, z), right)
    error = fixed_point_residual(model, rows, free)
    converged = ~indefinite & (residual <= 2.0 * limit) & (error <= FIXED_POINT)
    z[~converged] = np.nan
    v = z
    remove_component(v, s, layout.offsets)
    v *= s
    response = np.where(free, 0.0, g + model.product(v))
    response[~converged] = np.nan
    if converged.all():
        status = Status.CONVERGED
    else:
        status = Status.UNDEFINED if indefinite.any() else Status.NOT_CONVERGED
    cut: Any = slice(None) if batched else 0
    return ImplicitGradient(
        biases=v[cut],
        evidence=response[cut],
        q=rows[cut],
        iterations=iterations[cut],
        residual=residual[cut],
        fixed_point_residual=error[cut],
        converged=converged[cut],
        status=status,
        layout=layout,
    )


def factor_gradient(
    factor: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    n_states: int | ArrayLike,
    *,
    kappa: float,
    center: bool = False,
) -> Array:
    """Derivative in the free factor A_hat of `from_factor`, through its cap.

    For dl/dPhi_ij = sum over samples of v_i q_j^T + q_i v_j^T: v is
    `ImplicitGradient.biases`; v = -q / 2 gives the derivative of the free energy. First
    dl/dA = -A (G + G^T), G = v q^T without its diagonal blocks, both halves of the
    symmetric Phi; then the cap.

    Parameters
    ----------
    factor : (r, d) array
        A_hat.
    q, v : (d,) or (B, d) arrays
        Of one shape; samples are summed.
    n_states : int or (n,) array of int
    kappa, center
        As given to `from_factor`.

    Returns
    -------
    (r, d) array
        dl/dA_hat. At equal largest singular values, where the norm has a kink, one of
        the subgradients; at norm sqrt(kappa) that of the uncapped side.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> factor_gradient([[1.0, 2.0]], [1.0, 1.0], [-0.5, -0.5], 1, kappa=0.5)
    array([[0., 0.]])
    """
    free = check_array("factor", factor, (None, None))
    layout = check_layout(n_states, free.shape[1])
    q = np.atleast_2d(check_array("q", q, (*np.shape(q)[:-1], layout.size)))
    v = np.atleast_2d(check_array("v", v, np.shape(v), finite=False))
    if v.shape != q.shape or q.ndim != 2:
        raise ParameterError("v", v, f"an array (B, d) of the shape of q, {q.shape}")
    center = check_flag("center", center)
    cap = cap_blocks(free, layout, check_kappa(kappa), center)
    a = cap.factor
    gradient = -((a @ v.T) @ q + (a @ q.T) @ v)
    for _, columns in equal_blocks(layout):
        own = np.einsum("bgk,bgl->gkl", v[:, columns], q[:, columns], optimize=True)
        own += own.transpose(0, 2, 1)
        blocks = np.moveaxis(a[:, columns], 0, 1)  # (g, r, k)
        gradient[:, columns] += np.moveaxis(blocks @ own, 1, 0)
    return cap_gradient(gradient, cap, layout, center)


def potential_gradient(q: Array, v: Array, layout: Layout) -> Array:
    """v q^T + q v^T summed over rows, without diagonal blocks; nothing is checked."""
    require_memory(
        16 * layout.size**2,
        f"derivatives in the potentials of d = {layout.size}",
        remedy="use `factor_gradient`",
    )
    half = np.atleast_2d(v).T @ np.atleast_2d(q)
    tied = half + half.T
    for first, last in layout.ranges():
        tied[first:last, first:last] = 0.0
    return tied


def read_marginals(
    model: BoltzmannMachine, q: ArrayLike, evidence: ArrayLike | None
) -> tuple[Array, Evidence, bool]:
    """Checked marginals (B, d) with the evidence put in, of (B, n) variables."""
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    layout = model.layout
    batched = np.ndim(q) == 2
    shape = (None, layout.size) if batched else (layout.size,)
    rows = np.atleast_2d(check_array("q", q, shape)).copy()
    seen = read_evidence(layout, evidence)
    n_rows = rows.shape[0]
    if seen.batched and not (batched and seen.clamped.shape[0] == n_rows):
        allowed = f"evidence of one sample, or of the {n_rows} samples of q"
        raise ParameterError("evidence", evidence, allowed)
    clamped = np.broadcast_to(seen.clamped, (n_rows, layout.n_variables))
    values = np.broadcast_to(seen.values, rows.shape)
    hidden = ~clamped
    rows = np.where(clamped[:, layout.owner], values, rows)
    sums = np.add.reduceat(rows, layout.offsets[:-1], axis=1)
    if (rows < 0.0).any() or (np.abs(sums - 1.0)[hidden] > _SUM_ERROR).any():
        raise ParameterError("q", rows, "probabilities of sum 1 in each block")
    rows /= sums[:, layout.owner]
    return rows, Evidence(clamped, values, batched), batched


def fixed_point_residual(
    model: BoltzmannMachine, rows: Array, free: NDArray[np.bool_]
) -> Array:
    """max |softmax(Phi q + b) - q| of every row over the components `free`."""
    target, _ = model.layout.softmax(model.logits(rows))
    return np.asarray(np.abs((target - rows) * free).max(axis=1))


def _apply(model: BoltzmannMachine, s: Array, z: Array) -> Array:
    """(I - B^T Phi B) z for z in the range of B^T."""
    inner = z.copy()
    remove_component(inner, s, model.layout.offsets)
    inner *= s
    inner = model.product(inner)
    inner *= s
    remove_component(inner, s, model.layout.offsets)
    return np.asarray(z - inner)


def _conjugate_gradients(
    model: BoltzmannMachine, s: Array, right: Array, tol: float, max_iter: int
) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """z with (I - B^T Phi B) z = right, each row with its own steps and its own end.

    Also the iterations of every row, and whether its matrix had a direction p with
    p.M p <= 0: then it is not the Hessian at a minimum.
    """
    n_rows = right.shape[0]
    solution = np.zeros_like(right)
    iterations = np.zeros(n_rows, dtype=np.int64)
    indefinite = np.zeros(n_rows, dtype=bool)
    squares = (right * right).sum(axis=1)
    goal = tol * tol * squares
    active = np.flatnonzero(squares > 0.0)
    r, size = right[active].copy(), squares[active]
    p, z, part = r.copy(), np.zeros_like(r), s[active]
    for n in range(1, max_iter + 1):
        if not active.size:
            break
        image = _apply(model, part, p)
        curvature = (p * image).sum(axis=1)
        good = curvature > 0.0
        step = (size / np.where(good, curvature, np.inf))[:, None]
        z += step * p
        r -= step * image
        new = (r * r).sum(axis=1)
        iterations[active] = n
        indefinite[active] = ~good
        keep = good & (new > goal[active])
        solution[active[~keep]] = z[~keep]
        if keep.all():
            p *= (new / size)[:, None]
            p += r
            size = new
        else:
            p = r[keep] + (new / size)[keep, None] * p[keep]
            r, z, part, size = r[keep], z[keep], part[keep], new[keep]
            active = active[keep]
    solution[active] = z
    return solution, iterations, indefinite


def _relative(image: Array, right: Array) -> Array:
    """|image - right| / |right| of every row; 0 where right is."""
    norm = np.sqrt((right * right).sum(axis=1))
    error = np.sqrt(((image - right) ** 2).sum(axis=1))
    return np.divide(error, norm, out=error.copy(), where=norm > 0.0)


@kernel
def remove_component(rows, s, offsets):
    """rows -= s <s, rows> in every block of rows (B, d), in place; |s| is 1 or 0."""
    for b in range(rows.shape[0]):
        for i in range(offsets.size - 1):
            total = 0.0
            for t in range(offsets[i], offsets[i + 1]):
                total += s[b, t] * rows[b, t]
            for t in range(offsets[i], offsets[i + 1]):
                rows[b, t] -= s[b, t] * total
