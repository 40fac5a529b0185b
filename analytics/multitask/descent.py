"""From a start to a stationary point, keeping what is equal equal.

In the units u = m/(1 - d), tau = T/(Gamma (1 - d)), in which tau_c = 1 for every d,

    f(u) = u.u/2 - tau/(1 - d) E log 2cosh(xi.u/tau),

a difference of two convex functions. The iteration u <- E[xi tanh(xi.u/tau)]/(1 - d)
lowers it at every step, so it ends in a minimum (of the subspace it started in), and
at tau = 0, where its values are finitely many, after finitely many steps. It is slow
next to a transition; Newton then takes over where the free energy is convex.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.law import Law

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

MAX_ITERATIONS = 20_000
# A field this small next to the sum of its terms is their rounding: at tau = 0 it
# counts as an exact tie.
TIE = 64.0 * np.finfo(np.float64).eps
_ROUNDING = 4.0 * np.finfo(np.float64).eps
# Newton's share of the way, in short steps between points where f is convex: more
# could be a jump to another branch.
_NEWTON_STEP, _NEWTON_PATH = 0.02, 0.3
_SETTLED = 1e-4
# Amplitudes below this times tau are 0: a pattern that is retrieved has about
# sqrt(3 (1 - tau/tau_k)) tau, which would be nearer to its transition tau_k than
# rounding can tell.
_ABSENT = 1e-8


class Descent(NamedTuple):
    """Where the descent ended.

    Attributes
    ----------
    u : (groups,) float64
        Amplitudes m/(1 - d) of the groups, exactly 0 where not retrieved.
    law : Law
        Of the groups with u != 0.
    residual : float
        max |u - E[xi tanh]/(1 - d)|; nan if the iteration did not settle.
    error : float
        Bound on the distance to the solution in the subspace, from the residual and
        rounding through the inverse Hessian; inf where that is singular.
    n_iter : int
        Evaluations of the equations.
    """

    u: Vector
    law: Law
    residual: float
    error: float
    n_iter: int


def descend(
    groups: tuple[int, ...], dilution: float, tau: float, start: Vector
) -> Descent:
    """Stationary point reached from `start`, one amplitude per group of patterns.

    Groups that start at 0 stay there, and so does equality within a group.
    """
    n_iter = 0
    u = np.array(start, dtype=np.float64)
    while True:
        active = u != 0.0
        law = Law([k for k, on in zip(groups, active, strict=True) if on], dilution)
        if not active.any():
            return Descent(u, law, 0.0, 0.0, n_iter)
        fixed = _settle_cold(law, u[active]) if tau == 0.0 else None
        fixed = fixed or _settle(law, tau, u[active])
        n_iter += fixed.n_iter
        u[active] = fixed.u
        absent = active & (np.abs(u) <= _ABSENT * tau)
        if not absent.any() or np.isnan(fixed.residual):
            return Descent(u, law, fixed.residual, fixed.error, n_iter)
        u[absent] = 0.0


class _Fixed(NamedTuple):
    u: Vector
    residual: float
    error: float
    n_iter: int


def signs(law: Law, u: Vector) -> Matrix:
    """Sign of the field of every word, 0 for ties."""
    field = law.fields(u)
    return np.where(np.abs(field) > TIE * law.sizes(np.abs(u)), np.sign(field), 0.0)


def _settle_cold(law: Law, u: Vector) -> _Fixed:
    x = 1.0 - law.dilution
    for n_iter in range(1, MAX_ITERATIONS + 1):
        image = law.first(signs(law, u)) / x
        step = float(np.abs(image - u).max())
        u = image
        if step == 0.0:
            return _Fixed(u, step, _ROUNDING, n_iter)
    return _Fixed(u, np.nan, np.nan, n_iter)


def _settle(law: Law, tau: float, u: Vector) -> _Fixed:
    x = 1.0 - law.dilution
    wait = 10
    due = 0
    for n_iter in range(1, MAX_ITERATIONS + 1):
        image = law.first(np.tanh(law.fields(u) / tau)) / x
        step = float(np.abs(image - u).max())
        u = image
        if step < _SETTLED and n_iter >= due:
            polished = _polish(law, tau, u)
            if polished is not None:
                return polished._replace(n_iter=n_iter + polished.n_iter)
            due, wait = n_iter + wait, wait + wait // 2
    return _Fixed(u, np.nan, np.nan, n_iter)


def sech_squared(y: Matrix) -> Matrix:
    """1 - tanh(y)**2, with full relative accuracy in the tails."""
    small = np.exp(-2.0 * np.abs(y))
    return 4.0 * small / (1.0 + small) ** 2


def _polish(law: Law, tau: float, u: Vector) -> _Fixed | None:
    """Newton's root, or None if it would leave the convex neighbourhood of u."""
    x = 1.0 - law.dilution
    sizes = np.array(law.groups, dtype=np.float64)
    scale = np.sqrt(np.outer(sizes, sizes))
    one = np.eye(u.size)
    reach = float(np.abs(u).max())
    path = 0.0
    best = np.inf
    result = None
    for n_iter in range(1, 100):
        y = law.fields(u) / tau
        miss = law.first(np.tanh(y)) / x - u
        residual = float(np.abs(miss).max())
        if residual >= best and best < 1e-13:
            break
        second = law.second(sech_squared(y)) / (x * tau)
        if np.linalg.eigvalsh(one - second / scale)[0] <= 0.0:
            return None
        slope = one - second / sizes[:, None]
        inverse = np.linalg.inv(slope)
        step = inverse @ miss
        if residual < best:
            # Rounding of a field counts 1/tau-fold in its tanh.
            noise = _ROUNDING * (1.0 + np.abs(second).sum(axis=1).max() * reach)
            error = float(np.abs(inverse).sum(axis=1).max() * (residual + noise))
            result = _Fixed(u, residual, error, n_iter)
            best = residual
        length = float(np.abs(step).max())
        if length == 0.0:
            break
        kept = min(1.0, _NEWTON_STEP / length)
        path += kept * length
        if path > _NEWTON_PATH:
            return None
        u = u + kept * step
    if result is None or result.residual > 1e-10:
        return None
    return result
