"""The hierarchical state at T = 0: up to which dilution it exists, and is lowest."""

from __future__ import annotations

import math

import numpy as np

from analytics.multitask.descent import signs
from analytics.multitask.law import LARGEST_K, Law
from analytics.multitask.state import State
from analytics.multitask.states import find_states
from analytics.multitask.storage import MAX_PATTERNS
from analytics.solve import Prediction, find_root
from statmech.errors import check_integer
from statmech.status import Status

_EPS = float(np.finfo(np.float64).eps)
_LOWER = 1e-13  # more than rounding
_STEP = 1e-3


def find_hierarchy_threshold(n_patterns: int) -> Prediction:
    """Dilution d_c(K) up to which the hierarchical state exists at T = 0.

    m_mu = (1 - d) d**(mu-1) is a fixed point iff the first pattern outweighs all the
    others together, 1 - 2d + d**K > 0, that is d + d**2 + ... + d**(K-1) < 1.

    Parameters
    ----------
    n_patterns : int
        K, from 2 to 1000.

    Returns
    -------
    Prediction
        d_c, 1/2 for large K; NO_TRANSITION for K = 2, where the state exists at
        every d.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the state; the condition is derived here.

    Examples
    --------
    >>> round(find_hierarchy_threshold(3).value, 10)
    0.6180339887
    """
    k = check_integer("n_patterns", n_patterns, 2, MAX_PATTERNS)
    if k == 2:
        return Prediction.missing(Status.NO_TRANSITION)
    powers = np.arange(1.0, k)
    return find_root(lambda d: 1.0 - float(np.sum(d**powers)), 0.0, 1.0)


def find_energy_crossing(
    n_patterns: int, *, n_starts: int = 64, seed: int = 0
) -> Prediction:
    """Dilution d_E(K) above which the hierarchical state is not lowest at T = 0.

    Parameters
    ----------
    n_patterns : int
        K, from 2 to 12.
    n_starts, seed : int
        Of each search for lower states, as in `find_states`.

    Returns
    -------
    Prediction
        (1 + 2 sqrt 2)/7 at K = 3, in closed form. For K >= 4 the energies of the
        hierarchical state and of the best state that `find_states` knows are equal
        there, with status SEARCH: an upper bound, as another state may cross first;
        the error is that of the crossing. NO_TRANSITION for K = 2.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    Derived here.

    Examples
    --------
    >>> find_energy_crossing(3).value == (1 + 8**0.5) / 7
    True
    """
    k = check_integer("n_patterns", n_patterns, 2, LARGEST_K)
    check_integer("n_starts", n_starts, 0)
    check_integer("seed", seed, 0)
    if k == 2:
        return Prediction.missing(Status.NO_TRANSITION)
    if k == 3:
        value = (1.0 + 2.0 * math.sqrt(2.0)) / 7.0
        return Prediction(value, _EPS / 2.0, Status.CLOSED_FORM)
    # From the threshold down. A rival found lower there bounds the lowest energy by
    # that of its spins at every d; where this bound crosses, another may be lower.
    crossing = Prediction.missing(Status.NO_TRANSITION)
    d = find_hierarchy_threshold(k).value
    for _ in range(100):
        rivals = [
            state
            for state in find_states(k, d, 0.0, n_starts=n_starts, seed=seed)
            if _ladder_energy(k, d) - state.energy > _LOWER
        ]
        if not rivals:
            return crossing
        found = _crossing_below(k, d, rivals[0])
        if not found.status.ok:
            return found
        crossing = Prediction(found.value, found.error, Status.SEARCH)
        d = found.value
    return Prediction.missing(Status.NOT_CONVERGED)


def _ladder_energy(k: int, d: float) -> float:
    """Of the hierarchical state."""
    ladder = (1.0 - d) * d ** np.arange(float(k))
    return -0.5 * float(ladder @ ladder)


def _crossing_below(k: int, d: float, rival: State) -> Prediction:
    """Where below d the hierarchical state meets the spins of the rival at d."""
    spins = signs(Law((1,) * k, d), rival.m)

    def lead(dilution: float) -> float:
        m = Law((1,) * k, dilution).first(spins)
        return _ladder_energy(k, dilution) + 0.5 * float(m @ m)

    low = d
    while lead(low) > 0.0:
        low -= _STEP
        if low <= 0.0:
            return Prediction.missing(Status.NOT_CONVERGED)
    return find_root(lead, low, d, relative=1e-14)
