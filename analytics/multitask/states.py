"""All stable states at one point, from many starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.label import EQUAL
from analytics.multitask.law import LARGEST_K
from analytics.multitask.state import State
from analytics.multitask.storage import check_point, reduced_temperature, solve
from statmech.errors import check_integer

Vector = NDArray[np.float64]

# Relative difference given to equal amplitudes so that they can part.
TILT = 1e-4
_KICKS = (0.03, 0.1, 0.3)


def find_states(
    n_patterns: int,
    dilution: float,
    temperature: float,
    *,
    gain: float = 1.0,
    n_starts: int = 64,
    seed: int = 0,
) -> tuple[State, ...]:
    """Stable states of K stored diluted patterns, lowest free energy first.

    A search, not a proof: a state that none of the starts leads to is missing. The
    starts are the hierarchical state, a equal amplitudes over b lower ones
    (a + b <= K), some levels of the hierarchy over a equal amplitudes, and random ones:
    a quarter uniform in [0, 1 - d], a quarter spread over many orders of magnitude,
    half next to states already found, preferably low ones. Equal amplitudes are tilted
    against each other by 1e-4, so that the descent leaves states that are unstable.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 12.
    dilution : float
        d, 0 <= d < 1.
    temperature : float
        T >= 0, units J = 1.
    gain : float
        Gamma > 0, as in `solve`.
    n_starts : int
        Number of random starts, >= 0.
    seed : int
        Of the random starts, >= 0.

    Returns
    -------
    tuple of State
        Stable, distinct up to permutation and signs of the patterns; m >= 0 in
        descending order. Empty if no start led to a stable state, as happens at a
        transition, where no state has a positive spectrum.

    Raises
    ------
    ParameterError, ParameterTypeError

    Notes
    -----
    Two states are the same if their sorted |m| agree within a relative 1e-6 of the
    largest, or within their errors. At T = 0 beyond the hierarchical threshold many
    states lie within 1e-6 to 1e-4 of each other in energy.

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the model; the search is this package's.

    Examples
    --------
    >>> [state.label for state in find_states(3, 0.2, 0.0, n_starts=10)]
    ['hierarchical', 'graded']
    """
    k, d, t, gamma = check_point(n_patterns, dilution, temperature, gain)
    check_integer("n_patterns", n_patterns, 1, LARGEST_K)
    check_integer("n_starts", n_starts, 0)
    check_integer("seed", seed, 0)
    if reduced_temperature(d, t, gamma) >= 1.0:
        only = solve(k, d, t, gain=gamma)
        return (only,) if only.stable else ()
    found: list[State] = []
    for start in chain(_shapes(k, d), _random_starts(k, d, n_starts, seed, found)):
        state = solve(k, d, t, start=start, gain=gamma)
        if not (state.status.ok and state.stable):
            continue
        m = np.sort(np.abs(state.m))[::-1]
        state = replace(state, m=m, n=m.copy())
        if not any(_same(state, other) for other in found):
            found.append(state)
    return tuple(sorted(found, key=lambda state: state.free_energy))


def _same(one: State, other: State) -> bool:
    room = max(EQUAL * max(one.m[0], other.m[0]), 2.0 * (one.error + other.error))
    return bool(np.abs(one.m - other.m).max() <= room)


def _shapes(k: int, dilution: float) -> Iterator[Vector]:
    """Amplitudes m > 0, all different, near the states that can be named."""
    x = 1.0 - dilution
    # Steps of irregular size: no sum of them cancels another.
    tilt = 1.0 - TILT * np.sqrt(np.arange(k, dtype=np.float64))
    yield x * dilution ** np.arange(k, dtype=np.float64)
    for a in range(1, k + 1):
        for b in range(k - a + 1):
            shape = np.full(k, TILT)
            shape[:a] = 1.0
            shape[a : a + b] = 0.5
            yield x * shape * tilt
    # The sites that some levels leave free are a network of fewer patterns.
    for levels in range(1, k - 1):
        for a in range(2, k - levels + 1):
            shape = dilution ** np.minimum(np.arange(k, dtype=np.float64), levels)
            shape[levels + a :] *= TILT
            yield x * shape * tilt


def _random_starts(
    k: int, dilution: float, n_starts: int, seed: int, found: Sequence[State]
) -> Iterator[Vector]:
    """Uniform, spread over magnitudes, and next to one of the states found so far."""
    x = 1.0 - dilution
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    for i in range(n_starts):
        u = np.sort(rng.uniform(size=k))[::-1]
        kick = np.exp(rng.choice(_KICKS) * rng.standard_normal(k))
        which = rng.uniform()
        if i % 4 == 0:
            yield x * u
        elif i % 4 == 1:
            yield x * np.exp(-8.0 * (1.0 - u))
        elif found:
            # Low states are tried more often.
            energies = sorted(found, key=lambda state: state.free_energy)
            m = energies[int(which * which * len(energies))].m
            yield (m + TILT * x * u) * kick
