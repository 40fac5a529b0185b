"""Fixed points of the equations of one task, and how their branch is chosen.

A state is (1 - q_star, q_star - q, r). Equations are a map of states at a load.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.solve import solve_fixed_point
from statmech.status import Status

Array = NDArray[np.float64]

_TOLERANCE = 1e-8
_DAMPING = 0.5
_ITERATIONS = 1000
_DIFFERENCE = 1e-5
# Loads at which a branch is visited on the way: from the first, by this factor.
FIRST_LOAD, LOAD_RATIO = 0.5, 1.05
# A visit ends when the step is below it; what remains is less than a rung.
_SETTLED = 2e-3
_VISIT = 300
# Beyond it nothing is left to be learnt, and the branch has no other.
_LEARNT = 0.95


class Root(NamedTuple):
    """The state that solves the equations, with nodes as they are and doubled."""

    coarse: Array
    fine: Array
    residual: float
    status: Status


def rungs(alpha: float) -> int:
    """How many loads are visited below `alpha`."""
    if alpha <= FIRST_LOAD:
        return 0
    return math.ceil(math.log(alpha / FIRST_LOAD) / math.log(LOAD_RATIO) - 1e-9)


def climb(
    equations: Callable[[Array, float], Array], state: Array, first: int, last: int
) -> Array:
    """A state brought along from load to load, rungs `first` to `last` - 1.

    At each load by damped iteration from the state at the load below, so that it stays
    on its branch as long as that exists. nan, where it is no state, stops it.
    """
    for k in range(first, last):
        load = FIRST_LOAD * LOAD_RATIO**k
        if state[2] > _LEARNT:
            break
        y = _coordinates(equations(state, load))
        for _ in range(_VISIT):
            if not np.isfinite(y).all():
                return state
            step = _coordinates(equations(_state(y), load)) - y
            y = y + (1.0 - _DAMPING) * step
            if float(np.abs(step).max()) < _SETTLED:
                break
        state = _state(y)
    return state


def overlaps_of(state: Array) -> Array:
    """(q, r, q_star) of a state."""
    gap, variance, r = state
    return np.array([1.0 - gap - variance, r, 1.0 - gap])


def solve_equations(
    coarse: Callable[[Array], Array], fine: Callable[[Array], Array], start: Array
) -> Root:
    """The fixed point of maps of states, reached from the image of `start`.

    It is solved for the logs of 1 - q_star and V = q_star - q, and for
    atanh(r / sqrt(1 - V)): they take all values, and change slowly where an overlap
    comes close to its bound. The fixed point of `fine` follows from that of `coarse`
    by a Newton step with the slopes of `coarse`: the two differ by quadrature alone.
    """

    def equations(y: Array) -> Array:
        return _coordinates(coarse(_state(y)))

    found = solve_fixed_point(
        equations,
        _coordinates(coarse(start)),
        tolerance=_TOLERANCE,
        damping=_DAMPING,
        max_iterations=_ITERATIONS,
    )
    if not found.status.ok:
        return Root(start, start, found.residual, found.status)
    y = found.x
    columns = []
    for j in range(y.size):
        shift = np.zeros(y.size)
        shift[j] = _DIFFERENCE
        columns.append((equations(y + shift) - equations(y - shift)) / _DIFFERENCE)
    inverse = np.eye(y.size) - 0.5 * np.array(columns).T
    miss = _coordinates(fine(_state(y))) - y
    moved = y + np.linalg.solve(inverse, miss)
    status = found.status if np.isfinite(moved).all() else Status.NOT_CONVERGED
    return Root(_state(y), _state(moved), found.residual, status)


def _coordinates(state: Array) -> Array:
    gap, variance, r = state
    # What is not a state gives nan, which the solver takes for a failure.
    with np.errstate(all="ignore"):
        odd = np.arctanh(r / np.sqrt(1.0 - variance))
        return np.array([np.log(gap), np.log(variance), odd])


def _state(y: Array) -> Array:
    """The inverse of `_coordinates`."""
    gap, variance = math.exp(y[0]), math.exp(y[1])
    return np.array([gap, variance, math.sqrt(1.0 - variance) * math.tanh(y[2])])
