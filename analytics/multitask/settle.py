"""From a start to a stationary point, for any law of what a site sees.

In units u = n/x, tau = T/(Gamma x), x the mean square of the entries,

    f(u) = u.u/2 - (tau/x) E log 2cosh(e.u/tau),

a difference of two convex functions: the iteration u <- E[e tanh(e.u/tau)]/x lowers it
at every step. Where it has become slow and f is convex, Newton takes over, on a leash
that keeps it from another branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.label import classify
from analytics.multitask.moments import FieldLaw, Moments
from analytics.multitask.state import State
from statmech.status import Status

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

RESIDUAL_TOLERANCE = 1e-10
ERROR_TOLERANCE = 1e-7  # in units of x: at a transition rounding moves m by 1e-8
MAX_ITERATIONS = 20_000
_ROUNDING = 4.0 * float(np.finfo(np.float64).eps)
# Newton's share of the way: more would be a jump to another branch.
_NEWTON_STEP, _NEWTON_PATH = 0.03, 0.1
_SETTLED = 1e-4
# Amplitudes below this times tau are 0: next to its transition tau_k a pattern has
# about sqrt(1 - tau/tau_k), and rounding cannot tell that from 0 any closer.
_ABSENT = 1e-8


class Settled(NamedTuple):
    """Where the descent ended.

    Attributes
    ----------
    u : (K,) float64
        Exactly 0 for patterns that are not retrieved.
    active : (K,) bool
        The patterns that `law` is about; at the others u = 0.
    law : FieldLaw
    moments : Moments
        Of that law, at those u.
    residual : float
        max |u - E[e tanh]/x|; nan if the descent did not end.
    error : float
        Bound on the error of m/x, from residual, rounding and quadrature through the
        inverse Hessian.
    n_iter : int
        Evaluations of the equations.
    """

    u: Vector
    active: NDArray[np.bool_]
    law: FieldLaw
    moments: Moments
    residual: float
    error: float
    n_iter: int

    @property
    def ok(self) -> bool:
        """Whether residual and error are within the tolerances; nan is not."""
        return self.residual < RESIDUAL_TOLERANCE and self.error < ERROR_TOLERANCE


def settle_symmetric(
    law_of: Callable[[int], FieldLaw], start: Vector, tau: float
) -> Settled:
    """For laws that no permutation and no change of sign of patterns changes.

    What is equal in |start| remains so exactly, and so does what is 0.

    Parameters
    ----------
    law_of : callable
        Law of k of the patterns.
    start : (K,) float64
        u.
    tau : float
    """
    u = np.array(start)
    n_iter = 0
    while True:
        active = u != 0.0
        law = law_of(int(active.sum()))
        _, member = np.unique(np.abs(u[active]), return_inverse=True)
        basis = np.zeros((member.size, int(member.max(initial=-1)) + 1))
        basis[np.arange(member.size), member] = np.copysign(1.0, u[active])
        found = settle(law, u[active], tau, basis)
        n_iter += found.n_iter
        u[active] = found.u
        absent = active & (np.abs(u) <= _ABSENT * tau)
        if not absent.any() or np.isnan(found.residual):
            return found._replace(u=u, active=active, n_iter=n_iter)
        u[absent] = 0.0


def settle(law: FieldLaw, start: Vector, tau: float, basis: Matrix) -> Settled:
    """Stationary point reached from `start` in the space that `basis` spans.

    Parameters
    ----------
    law : FieldLaw
    start : (K,) float64
    tau : float
    basis : (K, g) float64
        Orthogonal columns of entries 0 and +-1, with the start in their span.
    """
    sizes = (basis * basis).sum(axis=0)
    project = basis / sizes

    def image(u: Vector) -> Vector:
        return basis @ (project.T @ law.image(u, tau)) / law.scale

    u = basis @ (project.T @ start)
    if not u.any():
        return _end(law, u, tau, 0.0, 0.0, 0)
    smooth = law.is_smooth(tau)
    wait, due = 10, 0
    for n_iter in range(1, MAX_ITERATIONS + 1):
        new = image(u)
        step = float(np.abs(new - u).max())
        u = new
        if not smooth:
            # Finitely many values: the end is exact.
            if step == 0.0:
                return _end(law, u, tau, 0.0, _ROUNDING, n_iter)
        elif step < _SETTLED and n_iter >= due:
            polished = _polish(law, u, tau, basis / np.sqrt(sizes))
            if polished is not None:
                return polished._replace(n_iter=n_iter + polished.n_iter)
            due, wait = n_iter + wait, wait + wait // 2
    return _end(law, u, tau, np.nan, np.nan, n_iter)


def _end(
    law: FieldLaw, u: Vector, tau: float, residual: float, error: float, n_iter: int
) -> Settled:
    active = np.ones(u.size, dtype=np.bool_)
    return Settled(u, active, law, law.moments(u, tau), residual, error, n_iter)


def _polish(law: FieldLaw, u: Vector, tau: float, axes: Matrix) -> Settled | None:
    """Newton's root, or None if it would leave the convex neighbourhood of u."""
    best: Settled | None = None
    path = 0.0
    for n_iter in range(1, 100):
        found = law.moments(u, tau)
        miss = axes @ (axes.T @ (found.image / law.scale - u))
        residual = float(np.abs(miss).max())
        if best is not None and residual >= best.residual and best.residual < 1e-13:
            break
        slope = axes.T @ (np.eye(u.size) - found.second / law.scale) @ axes
        if not np.isfinite(slope).all() or np.linalg.eigvalsh(slope)[0] <= 0.0:
            return None
        inverse = axes @ np.linalg.inv(slope) @ axes.T
        if best is None or residual < best.residual:
            reach = float(np.abs(u).max())
            error = _error(found, law.scale, axes, inverse, residual, reach)
            active = np.ones(u.size, dtype=np.bool_)
            best = Settled(u, active, law, found, residual, error, n_iter)
        step = inverse @ miss
        length = float(np.abs(step).max())
        path += length
        if length > _NEWTON_STEP or path > _NEWTON_PATH:
            return None
        if length == 0.0:
            break
        u = u + step
    return best if best is not None and best.residual < RESIDUAL_TOLERANCE else None


def _error(
    found: Moments,
    scale: float,
    axes: Matrix,
    inverse: Matrix,
    residual: float,
    reach: float,
) -> float:
    """Bound on the error of m/x: that of u through dm/du, and its own rounding.

    Nothing leaves the space of `axes`, so what is steep elsewhere does not count.
    """

    def norm(matrix: Matrix) -> float:
        return float(np.abs(matrix).sum(axis=1).max()) / scale

    inside = axes @ axes.T
    lost = found.quadrature_error / scale
    # Rounding of a field counts 1/tau-fold in its tanh.
    steep = norm(inside @ found.second @ inside)
    noise = _ROUNDING * (1.0 + steep * reach) + lost
    distance = float(np.abs(inverse).sum(axis=1).max()) * (residual + noise)
    return max(norm(found.cross @ inside), 1.0) * distance + noise


def state_of(found: Settled, tau: float, gain: float, unit: float) -> State:
    """The state in units J = 1, NOT_CONVERGED where the descent did not end well.

    Parameters
    ----------
    found : Settled
    tau : float
        T/(gain x).
    gain : float
        Of the entries of mean square x.
    unit : float
        Overlaps n are measured with entries larger by this factor.
    """
    u, active, x = found.u, found.active, found.law.scale
    if not found.ok:
        return State.missing(
            u.size,
            Status.NOT_CONVERGED,
            n_iter=found.n_iter,
            residual=x * found.residual,
        )
    m = np.zeros(u.size)
    m[active] = found.moments.m
    square = float(u @ u)
    free_energy = 0.5 * x * square - found.moments.log_term
    spectrum = _spectrum(found, tau)
    error = x * found.error
    return State(
        m=m + 0.0,
        n=x * unit * u + 0.0,
        free_energy=gain * x * free_energy,
        energy=-0.5 * gain * x * x * square + 0.0,
        hessian_eigenvalues=gain / (unit * unit) * spectrum,
        stable=bool(spectrum[0] > 0.0),
        label=classify(x * u, error if tau > 0.0 else 0.0),
        residual=x * found.residual,
        error=error,
        n_iter=found.n_iter,
        status=Status.CONVERGED,
    )


def _spectrum(found: Settled, tau: float) -> Vector:
    """Eigenvalues of the Hessian in units of its value at infinite temperature."""
    moments, k = found.moments, found.law.n_patterns
    # A pattern of zero amplitude is independent of the field.
    absent = np.full(found.u.size - k, 1.0 - moments.flat)
    if tau == 0.0 and moments.tied.any():
        rank = int(np.linalg.matrix_rank(moments.tied))
        present = np.where(np.arange(k) < rank, -np.inf, 1.0)
    else:
        present = np.linalg.eigvalsh(np.eye(k) - moments.second / found.law.scale)
    return np.sort(np.concatenate([present, absent]))
