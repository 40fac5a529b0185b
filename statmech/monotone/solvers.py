"""Mean field of a pairwise model by any of the methods there are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import ParameterError, check_choice
from statmech.mean_field.fixed_point import FixedPoint, Problem, check_limits, pose
from statmech.mean_field.pairwise import parallel, sequential
from statmech.monotone.anderson import Anderson, AndersonForwardBackward
from statmech.monotone.coupling import coupling_of
from statmech.monotone.damping import Damping
from statmech.monotone.iteration import Method, Run, iterate
from statmech.monotone.newton import Newton
from statmech.monotone.splitting import (
    ForwardBackward,
    Reflections,
    forward_backward_step,
    reflection_step,
)

Array = NDArray[np.float64]

# Products after which mixing has stalled, and Newton steps take over.
_PATIENCE = 200
# Factorisations for different sets of observed variables in one call.
_MOST_MASKS = 32

# Below c, for reflections: their step is 1 / sqrt(margin), and rounding grows with it.
_MARGIN = 1e-6

METHODS = (
    *("auto", "parallel", "sequential", "forward-backward"),
    *("peaceman-rachford", "peaceman-rachford-1", "douglas-rachford"),
    *("damping", "anderson", "anderson-forward-backward", "newton"),
)
# Shift c of the splitting: it needs lambda_max < c.
_SHIFTS = {
    "peaceman-rachford": 2.0,
    "peaceman-rachford-1": 1.0,
    "douglas-rachford": 2.0,
}


def solve(
    model: BoltzmannMachine,
    *,
    method: str = "auto",
    evidence: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    tol: float = 1e-8,
    max_iter: int = 10_000,
) -> FixedPoint:
    """Mean field q = softmax(Phi q + b) of a pairwise model, or a batch under evidence.

    Where lambda_max, the largest eigenvalue of Phi on vectors of zero sum in every
    block, is below 2 there is one solution, and `error_bound` is proven. Beyond, what
    is found is a stationary point of the free energy, one of several perhaps:
    `error_bound` is inf and `reason` says so.

    ===========================  ====================================================
    "auto"                       Anderson, and Newton where that stalls; `reason`
    "parallel", "sequential"     plain updates, as in `statmech.mean_field`
    "forward-backward"           q <- prox((1 - a) q + a (Phi q + b)), a = 2 / (m + L)
    "peaceman-rachford"          reflections, shift c = 2; lambda_max < 2
    "peaceman-rachford-1"        reflections, shift c = 1; lambda_max < 1
    "douglas-rachford"           averaged reflections, shift c = 2; lambda_max < 2
    "damping"                    theta <- (1 - eta) theta + eta (Phi q + b)
    "anderson"                   Anderson mixing over damping
    "anderson-forward-backward"  Anderson mixing over forward-backward, in q
    "newton"                     damped Newton with conjugate gradients
    ===========================  ====================================================

    with m = 1 - lambda_max and L = 1 - lambda_min. Reflections need a factorisation,
    d^3, for each set of observed variables; all others need products only.

    Parameters
    ----------
    model : BoltzmannMachine
    method : str
        One of the above.
    evidence : array, optional
        Observed variables: (n,) or (B, n) integers, -1 for hidden; or (d,) or (B, d)
        distributions, NaN in hidden blocks. A batch may have another set in each row.
    initial : (d,) or (B, d) array, optional
        Where to start, a distribution in each block; default uniform. "newton",
        "damping", "anderson" and "auto" move zeros to 1e-15.
    tol : float
        Of the residual max |softmax(Phi q + b) - q| over hidden variables, in (0, 0.1].
    max_iter : int
        Products with Phi at most, for each sample; sweeps for "sequential".

    Returns
    -------
    FixedPoint
        `iterations` counts products with Phi, and with the inverse for reflections, all
        inner ones included; `rate_bound` of reflections holds for their inner variable.

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where reflections are not defined, or have too many factorisations.
    MemoryLimitError
        Where Phi or its factorisation does not fit.

    References
    ----------
    Z. Feng, E. Winston and J. Z. Kolter, Trans. Mach. Learn. Res. (2023): the class
    lambda_max < 1 and forward-backward. E. Winston and J. Z. Kolter, Adv. Neural Inf.
    Process. Syst. 33, 10718 (2020): Peaceman-Rachford. P. Baque, T. Bagautdinov,
    F. Fleuret and P. Fua, CVPR (2016): damping. H. F. Walker and P. Ni, SIAM J. Numer.
    Anal. 49, 1715 (2011): Anderson mixing.

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising, magnetisations
    >>> model = from_ising([[0.0, -3.0], [-3.0, 0.0]], [0.1, 0.2])
    >>> answer = solve(model)
    >>> answer.converged, answer.method
    (True, 'auto: anderson')
    >>> print(solve(model, evidence=[[0, -1], [-1, 1]]).q.round(4))
    [[1.     0.     0.0037 0.9963]
     [0.998  0.002  0.     1.    ]]
    """
    check_choice("method", method, METHODS)
    if method in ("parallel", "sequential"):
        plain = parallel if method == "parallel" else sequential
        found = plain(
            model, initial=initial, evidence=evidence, tol=tol, max_iter=max_iter
        )
        return dataclasses.replace(found, reason=_guarantee(model))
    problem = pose(model, initial, evidence)
    tolerance, limit = check_limits(tol, max_iter)
    reason = _guarantee(model)
    rate = math.nan
    if method == "auto":
        run, name = _automatic(problem, tolerance, limit)
        method, reason = f"auto: {name}", f"{_why(problem, name)}; {reason}"
    elif method in _SHIFTS:
        run, rate = _reflect(problem, method, tolerance, limit)
    else:
        maker, rate = _MAKERS[method](model)
        run = iterate(problem, maker(), tolerance, limit)
    found = problem.report(
        run.q,
        logits=run.logits,
        evaluate=coupling_of(model).evaluate,
        tol=tolerance,
        iterations=run.iterations,
        method=method,
        rate_bound=rate,
    )
    return dataclasses.replace(found, reason=reason)


def _splitting(
    kind: type[ForwardBackward],
) -> Callable[[BoltzmannMachine], tuple[Callable[[], Method], float]]:
    def make(model: BoltzmannMachine) -> tuple[Callable[[], Method], float]:
        step, rate = forward_backward_step(model)
        proven = rate if kind is ForwardBackward else math.nan
        return lambda: kind(step), proven

    return make


def _unproven(
    kind: Callable[[], Method],
) -> Callable[[BoltzmannMachine], tuple[Callable[[], Method], float]]:
    return lambda model: (kind, math.nan)


# The method and the factor that is proven for it, of a model.
_MAKERS = {
    "forward-backward": _splitting(ForwardBackward),
    "anderson-forward-backward": _splitting(AndersonForwardBackward),
    "damping": _unproven(Damping),
    "anderson": _unproven(Anderson),
    "newton": _unproven(Newton),
}


def _automatic(problem: Problem, tol: float, limit: int) -> tuple[Run, str]:
    """Anderson, and Newton from where it stalls."""
    first = min(limit, _PATIENCE)
    run = iterate(problem, Anderson(), tol, first)
    rest = np.flatnonzero(run.iterations >= first)
    if rest.size == 0 or first == limit:
        return run, "anderson"
    again = dataclasses.replace(problem.take(rest), start=run.q[rest])
    more = iterate(again, Newton(), tol, limit - first)
    run.q[rest], run.logits[rest] = more.q, more.logits
    run.iterations[rest] += more.iterations
    return run, "anderson, then newton"


def _why(problem: Problem, name: str) -> str:
    smallest, largest = problem.model.spectrum()
    text = f"eigenvalues from {smallest:.3g} to {largest:.3g}: "
    text += "mixing needs products only, whatever is observed and however strong"
    if "newton" in name:
        text += f"; it had not converged after {_PATIENCE} products"
    return text


def _guarantee(model: BoltzmannMachine) -> str:
    """What is known of the solution, in words."""
    known = model.guarantee
    largest = model.spectrum()[1]
    if known == "none":
        return (
            f"lambda_max = {largest:.6g} is not below 2: this is a stationary point, "
            "and there may be others; start from several points"
        )
    return f"lambda_max = {largest:.6g} is below 2: there is one solution"


def _reflect(
    problem: Problem, method: str, tol: float, limit: int
) -> tuple[Run, float]:
    """Reflections, each set of observed variables by its own factorisation."""
    model, shift = problem.model, _SHIFTS[method]
    largest = model.spectrum()[1]
    if not largest < shift - _MARGIN:
        allowed = f"a method for lambda_max = {largest:.6g}"
        remedy = f"{method} needs lambda_max < {shift:g}; take 'auto'"
        raise ParameterError("method", method, allowed, remedy)
    masks, group = np.unique(problem.clamped, axis=0, return_inverse=True)
    group = group.reshape(-1)
    if masks.shape[0] > _MOST_MASKS:
        allowed = f"a method for {masks.shape[0]} sets of observed variables"
        remedy = (
            f"{method} factorises a matrix for each, for {_MOST_MASKS} at most; "
            "take 'auto', or solve sets of samples with equal sets together"
        )
        raise ParameterError("method", method, allowed, remedy)
    step, rate = reflection_step(model, shift)
    averaged = method == "douglas-rachford"
    run = Run.begin(problem.start)
    for which, mask in enumerate(masks):
        rows = np.flatnonzero(group == which)
        hidden = ~mask[model.layout.owner]
        reflections = Reflections(
            model, hidden, shift=shift, step=step, tol=tol, averaged=averaged
        )
        part = iterate(problem.take(rows), reflections, tol, limit)
        run.q[rows], run.logits[rows] = part.q, part.logits
        run.iterations[rows] = part.iterations
    return run, 0.5 + 0.5 * rate if averaged else rate
