"""Plain iterations for mean field: all variables at once, or one after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import check_real
from statmech.kernels.mean_field import update_blocks
from statmech.mean_field.fixed_point import FixedPoint, Problem, check_limits, pose

Array = NDArray[np.float64]

# A cycle of two states: q_t returns to q_{t-2} this much closer than to q_{t-1}. An
# iteration that creeps to a fixed point with alternating steps of ratio -r has 1 - r.
_RETURN = 1e-8
# Sweeps after which fields kept by increments are computed anew.
_RENEW = 100


def parallel(
    model: BoltzmannMachine,
    *,
    initial: ArrayLike | None = None,
    evidence: ArrayLike | None = None,
    tol: float = 1e-10,
    max_iter: int = 10_000,
    damping: float = 0.0,
) -> FixedPoint:
    """Parallel mean field: q <- softmax(Phi q + b), all variables at once.

    It contracts if all eigenvalues of Phi on the tangent space are within 2 of 0. Below
    -2 it may end in a cycle of two states although the solution is unique; then enough
    damping helps, 1 - damping < 2 / (1 + |lambda_min| / 2).

    Parameters
    ----------
    model : BoltzmannMachine
    initial : (d,) or (B, d) array, optional
        A distribution in each block; default uniform. A start that shares a symmetry of
        the model keeps it, and may end at a saddle of the free energy, which
        `linear_response` tells.
    evidence : array, optional
        Observed variables: (n,) or (B, n) integers, -1 for hidden; or (d,) or (B, d)
        distributions, NaN in hidden blocks. They stay as they are, and the others solve
        q_h = softmax(Phi_hh q_h + Phi_ho q_o + b_h).
    tol : float
        Of the residual max |softmax(Phi q + b) - q|, in (0, 0.1].
    max_iter : int
        Products with Phi at most, for each sample.
    damping : float
        In [0, 1): q <- damping q + (1 - damping) softmax(Phi q + b).

    Returns
    -------
    FixedPoint
        OSCILLATING where a cycle of two states was seen.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    C. Peterson and J. R. Anderson, Complex Syst. 1, 995 (1987); E. Goles-Chacc,
    F. Fogelman-Soulie and D. Pellegrin, Discrete Appl. Math. 12, 261 (1985): cycles.

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising, magnetisations
    >>> model = from_ising([[0.0, 0.5], [0.5, 0.0]], [0.1, 0.1])
    >>> print(magnetisations(model, parallel(model).q).round(6))
    [0.194945 0.194945]
    """
    problem = pose(model, initial, evidence)
    tolerance, limit = check_limits(tol, max_iter)
    kept = check_real("damping", damping, 0.0, 1.0, high_open=True)

    run = _run_parallel(problem, tolerance, limit, kept)
    size = max(abs(x) for x in model.spectrum())
    rate = kept + (1.0 - kept) * 0.5 * size
    return problem.report(
        run.q,
        logits=run.logits,
        tol=tolerance,
        iterations=run.iterations,
        method="parallel",
        rate_bound=rate if rate < 1.0 else math.nan,
        oscillating=run.oscillating,
    )


def sequential(
    model: BoltzmannMachine,
    *,
    initial: ArrayLike | None = None,
    evidence: ArrayLike | None = None,
    tol: float = 1e-10,
    max_iter: int = 10_000,
) -> FixedPoint:
    """Sequential mean field: q_i <- softmax(Phi_i. q + b_i), one variable at a time.

    Coordinate descent of the free energy, which falls at every update whatever Phi is;
    the limit is a stationary point, the unique one where lambda_max < 2. It needs Phi
    itself: a model kept as a factor makes it.

    Parameters
    ----------
    model, initial, evidence, tol
        As for `parallel`.
    max_iter : int
        Sweeps at most.

    Returns
    -------
    FixedPoint
        `iterations` counts sweeps, each as much work as a product with Phi, and the
        products that renew the fields. No rate is known beforehand.

    Raises
    ------
    ParameterError, ParameterTypeError
    MemoryLimitError
        If Phi is kept as a factor and does not fit.

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising
    >>> model = from_ising([[0.0, -3.0], [-3.0, 0.0]], [0.1, 0.1])
    >>> sequential(model).converged, parallel(model).oscillating
    (True, True)
    """
    problem = pose(model, initial, evidence)
    tolerance, limit = check_limits(tol, max_iter)
    run = _run_sequential(problem, tolerance, limit)
    return problem.report(
        run.q,
        logits=run.logits,
        tol=tolerance,
        iterations=run.iterations,
        method="sequential",
    )


@dataclass
class _Run:
    """Last iterates of a batch, their logits, and what it took."""

    q: Array
    logits: Array
    iterations: NDArray[np.int64]
    oscillating: NDArray[np.bool_]

    @classmethod
    def begin(cls, q: Array) -> _Run:
        n = q.shape[0]
        counts, flags = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
        return cls(q.copy(), np.zeros_like(q), counts, flags)

    def keep(
        self, rows: NDArray[np.int64], q: Array, logits: Array, iterations: Any
    ) -> None:
        self.q[rows], self.logits[rows] = q, logits
        self.iterations[rows] = iterations


def _run_parallel(problem: Problem, tol: float, limit: int, kept: float) -> _Run:
    """Until every sample has converged, is in a cycle, or has had `limit` products."""
    run = _Run.begin(problem.start)
    rows = np.arange(problem.start.shape[0])
    q, before = problem.start, None
    for count in range(1, limit + 1):
        if rows.size == 0:
            break
        logits = problem.model.logits(q)
        p = problem.respond(logits)[0]
        step = p - q
        residual = np.abs(step).max(axis=1)
        following = p if kept == 0.0 else q + (1.0 - kept) * step
        ended = residual <= tol
        if before is not None:
            back = np.abs(following - before).max(axis=1)
            cycle = ~ended & (back <= _RETURN * np.abs(following - q).max(axis=1))
            run.oscillating[rows[cycle]] = True
            ended |= cycle
        if count == limit:
            ended[:] = True
        if ended.any():
            run.keep(rows[ended], q[ended], logits[ended], count)
            going = ~ended
            rows, problem = rows[going], problem.take(going)
            q, following = q[going], following[going]
        before, q = q, following
    return run


def _run_sequential(problem: Problem, tol: float, limit: int) -> _Run:
    """Until every sample has converged, or has had `limit` sweeps."""
    run = _Run.begin(problem.start)
    model = problem.model
    phi, offsets = model.potentials, model.layout.offsets
    rows = np.arange(problem.start.shape[0])
    q = problem.start.copy()
    logits = model.logits(q)
    counts = np.ones(rows.size, dtype=np.int64)
    for sweep in range(1, limit + 1):
        if rows.size == 0:
            break
        update_blocks(phi, offsets, problem.clamped, q, logits)
        counts += 1
        renewed = _residual(problem, q, logits) <= tol
        if sweep == limit or sweep % _RENEW == 0:
            renewed[:] = True
        if not renewed.any():
            continue
        # What increments say of convergence is confirmed with fields made anew.
        logits[renewed] = model.logits(q[renewed])
        counts[renewed] += 1
        ended = renewed & (_residual(problem, q, logits) <= tol)
        if sweep == limit:
            ended[:] = True
        if ended.any():
            run.keep(rows[ended], q[ended], logits[ended], counts[ended])
            going = ~ended
            rows, counts, problem = rows[going], counts[going], problem.take(going)
            q, logits = q[going], logits[going]
    return run


def _residual(problem: Problem, q: Array, logits: Array) -> Array:
    return np.asarray(np.abs(problem.respond(logits)[0] - q).max(axis=1))
