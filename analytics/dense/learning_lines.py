"""Limits of retrieval for P-spin Hebbian networks that learn from examples."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from analytics.dense.conditions import TOP_ERROR
from analytics.dense.learning import check_learnable, learning_theory
from analytics.dense.learning_curve import (
    curve_grid,
    load_point,
    overlap_at,
    thermodynamics,
)
from analytics.dense.learning_state import LearningTheory
from analytics.dense.storage import solve_storage, usable_load, usable_temperature
from analytics.solve import Prediction, find_maximum, find_root
from statmech.errors import check_real
from statmech.status import Status

# M beyond it: the lattice of the exact law becomes too long.
LARGEST_EXACT = 2_000_000
LARGEST_GAUSSIAN = 10**14


def spinodal_load(
    order: int,
    temperature: float,
    *,
    n_examples: int,
    quality: float,
    protocol: str = "supervised",
    etabar: str = "binomial",
    coincident: str = "exclude",
) -> Prediction:
    """Largest load K / N**(P-1) with a retrieval state, learning from examples.

    Parameters
    ----------
    order, temperature, n_examples, quality, etabar, coincident
        As in `analytics.dense.solve_supervised`.
    protocol : {"supervised", "unsupervised"}

    Returns
    -------
    Prediction
        Highest load of the stable part of the curve of solutions
        (`analytics.dense.learning_curve`); NO_TRANSITION where there is none.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> print(f"{spinodal_load(4, 0.0, n_examples=21, quality=0.5).value:.5f}")
    0.01947
    """
    theory = learning_theory(order, protocol, n_examples, quality, etabar, coincident)
    top = _spinodal(theory, usable_temperature(temperature))
    if top <= 0.0:
        return Prediction.missing(Status.NO_TRANSITION)
    return Prediction(top, TOP_ERROR * (1.0 + top), Status.CONVERGED)


def _spinodal(theory: LearningTheory, temperature: float) -> float:
    """Highest load of the stable part of the curve; -1 if there is none."""
    tops = theory.tops(temperature)
    return tops[-1].alpha if tops else -1.0


def spinodal_temperature(
    order: int,
    alpha: float,
    *,
    n_examples: int,
    quality: float,
    protocol: str = "supervised",
    etabar: str = "binomial",
    coincident: str = "exclude",
) -> Prediction:
    """Highest temperature with a retrieval state at a load, learning from examples.

    Parameters
    ----------
    order, alpha, n_examples, quality, etabar, coincident
        As in `analytics.dense.solve_supervised`.
    protocol : {"supervised", "unsupervised"}

    Returns
    -------
    Prediction
        T; NO_TRANSITION where the load is too large at any temperature.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> found = spinodal_temperature(4, 0.01, n_examples=21, quality=0.5)
    >>> round(found.value, 5)
    0.35431
    """
    theory = learning_theory(order, protocol, n_examples, quality, etabar, coincident)
    a = usable_load(alpha)
    high = theory.zero_load_temperature()
    if a == 0.0:
        return Prediction(high, 1e-14 * high, Status.CONVERGED)

    def room(t: float) -> float:
        return _spinodal(theory, t) - a

    low = 0.0
    if room(0.0) < 0.0:
        # The spinodal bends back at low temperature: start from its largest load.
        low, most = find_maximum(room, 0.0, 0.999 * high, n_grid=17)
        if most < 0.0:
            return Prediction.missing(Status.NO_TRANSITION)
    root = find_root(room, low, high, relative=1e-13)
    if not root.status.ok:
        return root
    t, h = root.value, 1e-5 * root.value
    slope = (room(t - h) - room(t - 2.0 * h)) / h
    # Where the line is flat its temperature is known to the square root only.
    error = math.sqrt(TOP_ERROR)
    if slope != 0.0:
        error = min(error, TOP_ERROR / abs(slope))
    return Prediction(t, root.error + error, root.status)


def replicon_load(
    order: int,
    temperature: float,
    *,
    n_examples: int,
    quality: float,
    protocol: str = "supervised",
    etabar: str = "binomial",
    coincident: str = "exclude",
) -> Prediction:
    """Largest load at which the replicon eigenvalue of the retrieval state vanishes.

    Parameters
    ----------
    order, temperature, n_examples, quality, etabar, coincident
        As in `analytics.dense.solve_supervised`.
    protocol : {"supervised", "unsupervised"}

    Returns
    -------
    Prediction
        Load; NO_TRANSITION where the state is stable up to the spinodal, at T = 0
        (all states with a load are unstable) and where there is none.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    J. R. L. de Almeida and D. J. Thouless, J. Phys. A 11, 983 (1978).

    Examples
    --------
    >>> print(f"{replicon_load(4, 0.05, n_examples=21, quality=0.5).value:.5f}")
    0.01211
    """
    theory = learning_theory(order, protocol, n_examples, quality, etabar, coincident)
    t = usable_temperature(temperature)
    tops = theory.tops(t) if t > 0.0 else []
    if not tops:
        return Prediction.missing(Status.NO_TRANSITION)
    start, _ = theory.ends(t)
    end = tops[-1].place

    def at(y: float) -> tuple[float, float]:
        return _replicon(theory, t, y)

    grid = curve_grid(theory.law, start, end)[1:]
    rows = [at(float(y)) for y in grid]
    values, loads = (np.array([row[k] for row in rows]) for k in (0, 1))
    # States are the points higher than all before.
    before = np.concatenate([[0.0], np.maximum.accumulate(loads)[:-1]])
    states = np.flatnonzero(loads > before)
    for i, j in zip(states[-2::-1], states[:0:-1], strict=True):
        if j == i + 1 and (values[i] <= 0.0) != (values[j] <= 0.0):
            left, right = float(grid[i]), float(grid[j])
            root = find_root(lambda y: at(y)[0], left, right)
            if not root.status.ok:
                return Prediction.missing(root.status)
            alpha = at(root.value)[1]
            h = 1e-6 * max(1.0, abs(root.value))
            slope = abs(at(root.value - h)[1] - alpha) / h
            error = slope * (root.error + 1e-14) + TOP_ERROR * alpha
            return Prediction(alpha, error, Status.CONVERGED)
    return Prediction.missing(Status.NO_TRANSITION)


def _replicon(theory: LearningTheory, t: float, y: float) -> tuple[float, float]:
    """(lambda, alpha) at a place of the curve; nan where no state is."""
    point = load_point(theory.noise, theory.law, t, y, 0.0, 2e-15)
    if not point.alpha >= 0.0:
        return math.nan, -1.0
    w, _ = overlap_at(theory.law, y)
    *_, replicon = thermodynamics(theory.noise, t, point.alpha, w, point.averages)
    return float(replicon), float(point.alpha)


class _NoState(Exception):
    """A state that could be told neither to exist nor not to exist."""


def find_min_examples(
    order: int,
    alpha: float,
    temperature: float,
    *,
    quality: float,
    magnetization: float,
    protocol: str = "supervised",
    etabar: str = "binomial",
    coincident: str = "exclude",
) -> Prediction:
    """Number of examples from which on a P-spin network retrieves an archetype.

    Parameters
    ----------
    order, alpha, temperature, quality, etabar, coincident
        As in `analytics.dense.solve_supervised`.
    magnetization : float
        0 < m < 1 to be reached by the overlap with the archetype.
    protocol : {"supervised", "unsupervised"}

    Returns
    -------
    Prediction
        The smallest M (an integer) such that the retrieval state has at least this m
        for M and for all larger numbers. NO_RETRIEVAL where the archetypes themselves
        (M = inf) are not retrieved with this m. NOT_CONVERGED where M would be above
        2e6 (etabar="binomial") or 1e14 ("gaussian").

    Raises
    ------
    ParameterError, ParameterTypeError

    Notes
    -----
    m as a function of M depends on the parity of M, whose even values have ties. For
    each parity m may first fall, or the state vanish: few examples are retrieved as
    patterns of their own, m about r. Then it rises to that of the archetypes. So the
    search goes downwards, in steps of 13 per cent where rho > 0.01 (all numbers below
    24), with the Gaussian law from 1e14, with the exact one from well above what that
    gives; after the first failure it bisects. At T = 0 and alpha = 0 an even M does no
    better than M - 1. For the unsupervised network nothing is required of
    `example_stability`.

    Examples
    --------
    >>> criterion = {"quality": 0.5, "magnetization": 0.95}
    >>> print(find_min_examples(4, 0.005, 0.1, **criterion))
    18 +- 0
    """
    r = check_learnable(quality)
    goal = check_real(
        "magnetization", magnetization, 0.0, 1.0, low_open=True, high_open=True
    )
    a, t = usable_load(alpha), usable_temperature(temperature)
    # Checks the rest.
    learning_theory(order, protocol, 1, r, etabar, coincident)
    storage = solve_storage(order, a, t, coincident=coincident)
    if not storage.status.ok:
        return Prediction.missing(storage.status)
    if storage.m < goal:
        return Prediction.missing(Status.NO_RETRIEVAL)
    if r == 1.0:
        return Prediction(1.0, 0.0, Status.CONVERGED)

    def reaches(law: str) -> Callable[[int], bool]:
        @functools.cache
        def holds(m: int) -> bool:
            theory = LearningTheory(order, protocol, m, r, law, coincident)
            state = theory.state(a, t)
            if state.status is Status.NOT_CONVERGED:
                raise _NoState
            return state.status.ok and state.m >= goal

        return holds

    try:
        # Where rho < 0.01, m rises with M.
        numbers = _falling(LARGEST_GAUSSIAN, 100.0 / (r * r))
        found = _first_after_failures(reaches("gaussian"), numbers, LARGEST_GAUSSIAN)
        guess, found = found, found if etabar == "gaussian" else None
        while found is None and guess is not None and guess <= LARGEST_EXACT:
            found = _first_after_failures(
                reaches("binomial"), _around(guess), LARGEST_EXACT
            )
            guess *= 4
    except _NoState:
        found = None
    if found is None:
        return Prediction.missing(Status.NOT_CONVERGED)
    return Prediction(float(found), 0.0, Status.CONVERGED)


def _first_after_failures(
    holds: Callable[[int], bool], numbers: list[int], largest: int
) -> int | None:
    """Smallest M such that a condition holds for it and all larger numbers.

    `numbers` falls; they and, between the smallest that still holds and the first that
    fails, a bisection are looked at, for each parity.
    """
    last = 0  # the largest M that fails
    for parity in (0, 1):
        high = math.inf
        for number in numbers:
            m = number + (number + parity) % 2
            if m >= high:
                continue
            if holds(m):
                high = m
                continue
            if high == math.inf:
                return None  # not even the first one holds
            low = m
            while high - low > 2:
                middle = low + 2 * int((high - low) // 4)
                if holds(middle):
                    high = middle
                else:
                    low = middle
            last = max(last, low)
            break
    return last + 1 if last < largest else None


def _falling(first: float, plain: float = math.inf) -> list[int]:
    """Integers from `first` to 1: halved above `plain`, then steps of 13 per cent.

    Below 24 all of them.
    """
    numbers = []
    while first > 24.0:
        numbers.append(math.ceil(first))
        first /= 2.0 if first > plain else 1.13
    return numbers + list(range(24, 0, -1))


def _around(guess: int) -> list[int]:
    """Falling integers to 1, dense around `guess`, from well above it."""
    above = [1.3, 1.03] if guess > 1000 else [4.0, 2.5, 1.7, 1.3, 1.1]
    numbers = [math.ceil(guess * s) + 20 for s in above]
    numbers += [guess + k for k in (40, 10, -10, -40)]
    numbers += _falling(max(guess / 1.05, 60.0))
    return sorted({m for m in numbers if m > 0}, reverse=True)
