"""The name of a state, from its amplitudes alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Amplitudes closer than this, relative to the larger, are called equal.
EQUAL = 1e-6
_ROUNDING = 16.0 * np.finfo(np.float64).eps


def classify(m: NDArray[np.float64], error: float = 0.0) -> str:
    """Label of magnetisations m (K,), from |m| in descending order a_1 >= a_2 >= ...

    * "paramagnetic": all zero.
    * "pure": one nonzero.
    * "parallel": all K >= 2 nonzero and equal.
    * "hierarchical": the nonzero ones (at least 2) are different and dominant one
      after the other, a_k > a_(k+1) + a_(k+2) + ... That is what makes a spin copy the
      first pattern in which it has an entry; (1 - d) d**(k-1) obeys it up to the
      threshold in d where that state ends, and K = 2 whenever a_1 > a_2 > 0.
    * "graded": all K nonzero and different, but not dominant.
    * "mixed": the rest, among them partly symmetric states and mixtures of some of
      the patterns.

    Equal means within a relative 1e-6 or within `error`, zero means within `error`;
    exact zeros are what the solver returns for patterns that are not retrieved.

    >>> classify(np.array([0.2, -0.5, 0.0]))
    'hierarchical'
    """
    a = np.sort(np.abs(m))[::-1]
    alive = a[a > error]
    if alive.size == 0:
        return "paramagnetic"
    if alive.size == 1:
        return "pure"
    room = np.maximum(EQUAL * alive, error)
    if alive.size == a.size and alive[0] - alive[-1] <= room[0]:
        return "parallel"
    if not (alive[:-1] - alive[1:] > room[:-1]).all():
        return "mixed"
    # What follows each amplitude, summed from the small end.
    rest = np.cumsum(alive[:0:-1])[::-1]
    rounding = max(error, _ROUNDING * alive[0])
    if (alive[:-1] - rest > np.minimum(rounding, room[:-1])).all():
        return "hierarchical"
    return "graded" if alive.size == a.size else "mixed"
