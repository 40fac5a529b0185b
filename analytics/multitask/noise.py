"""One step of retrieval from noisy examples: signal against noise.

The spins start on the archetypes in their hierarchical order, each a copy of the first
pattern in which it has an entry, and are all updated once without thermal noise. The
overlaps with the averaged examples are (1 - d) d**(mu-1) then, whatever the protocol,
so the field of a site is sum_mu etabar_mu d**(mu-1), up to a factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.descent import TIE
from analytics.multitask.lattice import example_letter, lattice_size
from analytics.multitask.law import LARGEST_K, list_classes
from analytics.multitask.learning import (
    LARGEST_NUMBER,
    check_quality,
    dataset_entropy,
)
from analytics.multitask.storage import check_dilution
from analytics.solve import Prediction, find_root
from statmech.errors import ParameterError, check_choice, check_integer, check_real
from statmech.status import Status

Vector = NDArray[np.float64]

VERSIONS = ("closed", "gaussian", "binomial")
ONE_SIGMA = 2.0**-0.5
# Words of half of the patterns held at once by the exact law: 32 MB an array.
LARGEST_HALF = 4_000_000
_EPS = float(np.finfo(np.float64).eps)
# Distribution of a sum of independent terms against the normal one: at most this times
# the sum of third absolute moments over the variance to 3/2. I. G. Shevtsova, Dokl.
# Math. 82, 862 (2010).
_BERRY_ESSEEN = 0.56


def one_step_magnetization(
    n_patterns: int,
    dilution: float,
    *,
    n_examples: int,
    quality: float,
    law: str = "binomial",
) -> Prediction:
    """Magnetisation m_1 after one step from the hierarchical archetype state.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 12.
    dilution : float
        d, 0 <= d < 1.
    n_examples : int
        M, from 1 to 1e15.
    quality : float
        r, from 1e-100 to 1.
    law : {"closed", "gaussian", "binomial"}
        "closed": signal against a Gaussian of relative variance
        V = rho + (1 + rho) A, A = d**2 (1 - d**(2 (K-1)))/(1 + d),
        m_1 = (1 - d) erf(1/sqrt(2 V)). "gaussian": exact cross-talk of the other
        patterns, Gaussian noise of the examples, E[xi_1 erf(xi.p/(s sqrt(2)))] with
        p_mu = d**(mu-1), s**2 = rho sum xi_mu**2 p_mu**2. "binomial": exact.

    Returns
    -------
    Prediction
        m_1, at most 1 - d; the same for both protocols, for many spins. Lower patterns
        gain from noise what the first one loses, and are not given here.

    Raises
    ------
    ParameterError, ParameterTypeError
        For parameters out of range, or an exact law of more than 4e6 words on half of
        the patterns.

    References
    ----------
    "Parallel learning by multitasking neural networks", arXiv:2308.04106 (2023), for
    the one-step argument; the cross-talk and both exact versions are derived here.

    Examples
    --------
    >>> found = one_step_magnetization(2, 0.3, n_examples=7, quality=0.4)
    >>> round(found.value / 0.7, 4)
    0.7177
    """
    k, d = _check_system(n_patterns, dilution)
    m = check_integer("n_examples", n_examples, 1, LARGEST_NUMBER)
    r = check_quality(quality)
    check_choice("law", law, VERSIONS)
    rho, x = dataset_entropy(m, r), 1.0 - d
    if law == "binomial":
        value, error = _binomial_step(k, d, m, r)
        return Prediction(value, error, Status.CONVERGED)
    if law == "gaussian":
        value = _Crosstalk(k, d).gaussian(rho)
    else:
        a = _crosstalk_variance(k, d)
        variance = rho + (1.0 + rho) * a
        value = x * math.erf(1.0 / math.sqrt(2.0 * variance)) if variance else x
    return Prediction(value, 8.0 * _EPS, Status.CLOSED_FORM)


def find_min_examples(
    n_patterns: int,
    dilution: float,
    quality: float,
    *,
    theta: float = ONE_SIGMA,
    law: str = "gaussian",
) -> Prediction:
    """Number of examples from which one step retrieves: m_1/(1 - d) >= erf(theta).

    The first pattern is the most demanding one. One step is not retrieval: with so few
    examples the state that is reached in the end is usually the parallel one already,
    see `hierarchy_min_examples`.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 12.
    dilution : float
        d, 0 <= d < 1.
    quality : float
        r, from 1e-100 to 1.
    theta : float
        Criterion, from 1e-3 to 5; 1/sqrt(2): the signal is one standard deviation of
        the noise, m_1 >= 0.6827 (1 - d).
    law : {"closed", "gaussian", "binomial"}
        As in `one_step_magnetization`. "closed":
        M = ((1 - r**2)/r**2) (1 + A)/(1/(2 theta**2) - A).

    Returns
    -------
    Prediction
        M such that the criterion holds for it and all larger numbers: real (and below 1
        where even one example is plenty) for "closed" and "gaussian", an integer for
        "binomial". NO_TRANSITION where no number of examples suffices, the
        cross-talk of the archetypes alone being too large.

    Raises
    ------
    ParameterError, ParameterTypeError
        For parameters out of range, or an exact law of more than 4e6 words on half of
        the patterns at the number of examples where the bound takes over.

    Notes
    -----
    Exact magnetisations go up and down with M on a lattice. That the criterion holds
    for all larger M is proved: each class of sites has a lower bound that never
    decreases with M, the best of Hoeffding's (tail at most exp(-2 D**2/sum of squared
    ranges)), the theorem of Berry and Esseen (distance from the Gaussian at most 0.56
    times the ratio of Lyapunov), and -1. From the M where their sum meets the
    criterion downwards every M is computed exactly, until the first that fails.

    References
    ----------
    "Parallel learning by multitasking neural networks", arXiv:2308.04106 (2023), for
    the criterion; W. Hoeffding, J. Am. Stat. Assoc. 58, 13 (1963), theorem 2; I. G.
    Shevtsova, Dokl. Math. 82, 862 (2010). The cross-talk is derived here.

    Examples
    --------
    >>> for law in ("closed", "gaussian", "binomial"):
    ...     print(round(find_min_examples(2, 0.3, 0.4, law=law).value, 3))
    5.956
    5.948
    7.0
    """
    k, d = _check_system(n_patterns, dilution)
    r = check_quality(quality)
    level = check_real("theta", theta, 1e-3, 5.0)
    check_choice("law", law, VERSIONS)
    if law == "closed":
        a, room = _crosstalk_variance(k, d), 0.5 / level**2
        if a >= room:
            return Prediction.missing(Status.NO_TRANSITION)
        value = dataset_entropy(1, r) * (1.0 + a) / (room - a)
        return Prediction(value, 1e-15 * value * room / (room - a), Status.CLOSED_FORM)
    crosstalk = _Crosstalk(k, d)
    goal = (1.0 - d) * math.erf(level)
    if crosstalk.gaussian(0.0) < goal:
        return Prediction.missing(Status.NO_TRANSITION)
    if law == "gaussian":
        return _min_gaussian(crosstalk, goal, r)
    return _min_binomial(crosstalk, goal, k, d, r)


def _check_system(n_patterns: int, dilution: float) -> tuple[int, float]:
    return check_integer("n_patterns", n_patterns, 1, LARGEST_K), check_dilution(
        dilution
    )


def _crosstalk_variance(k: int, d: float) -> float:
    """A = d**2 (1 - d**(2 (K-1)))/(1 + d)."""
    return float(d**2 * (1.0 - d ** (2 * (k - 1))) / (1.0 + d))


class _Crosstalk:
    """Classes of sites with xi_1 = 1: probability (of both signs), signal and sums."""

    def __init__(self, n_patterns: int, dilution: float):
        classes = list_classes(n_patterns, dilution)
        first = (classes.xi[:, 0] == 1) & (classes.weight > 0.0)
        xi = classes.xi[first].astype(np.float64)
        powers = dilution ** np.arange(n_patterns, dtype=np.float64)
        size = np.abs(xi)
        signal = xi @ powers
        self.weight = classes.weight[first]
        self.square = (size * size) @ powers**2
        self.cube = size @ powers**3
        # As exact as a tie can be told from rounding.
        self.signal = np.where(np.abs(signal) > TIE * (size @ powers), signal, 0.0)

    def gaussian(self, rho: float) -> float:
        """m_1 with Gaussian noise; rho = 0: none."""
        from scipy.special import erf

        if rho == 0.0:
            return float(self.weight @ np.sign(self.signal))
        return float(self.weight @ erf(self.signal / np.sqrt(2.0 * rho * self.square)))

    def bound(self, n_examples: float, quality: float) -> float:
        """Lower bound on the exact m_1 that never decreases with M."""
        from scipy.special import erf

        r, m = quality, float(n_examples)
        reach = r * r * m * self.signal**2 / self.square
        hoeffding = 1.0 - 2.0 * np.exp(-0.5 * reach)
        noise = (1.0 - r) * (1.0 + r)
        lyapunov = (1.0 + r * r) / math.sqrt(m * noise) * self.cube / self.square**1.5
        normal = erf(np.sqrt(0.5 * reach / noise)) - 2.0 * _BERRY_ESSEEN * lyapunov
        # Where the others outvote the first pattern, more examples make it worse.
        best = np.where(self.signal > 0.0, np.maximum(hoeffding, normal), normal)
        best = np.where(self.signal < 0.0, -1.0, np.maximum(best, -1.0))
        return float(self.weight @ best)


def _min_gaussian(crosstalk: _Crosstalk, goal: float, quality: float) -> Prediction:
    """Up to the smallest rho that fails."""
    if quality == 1.0:
        return Prediction(0.0, 0.0, Status.CLOSED_FORM)

    def surplus(rho: float) -> float:
        return crosstalk.gaussian(rho) - goal

    low = 0.0
    for high in np.geomspace(1e-16, 1e8, 481):
        if surplus(float(high)) < 0.0:
            break
        low = float(high)
    root = find_root(surplus, low, float(high))
    if not root.status.ok:
        return root
    rho, h = root.value, 1e-5 * root.value
    slope = (surplus(rho + h) - surplus(rho - h)) / (2.0 * h)
    error = root.error + 8.0 * _EPS / abs(slope) if slope != 0.0 else math.inf
    value = dataset_entropy(1, quality) / rho
    return Prediction(value, value * (error / rho + 4.0 * _EPS), root.status)


def _min_binomial(
    crosstalk: _Crosstalk, goal: float, k: int, d: float, quality: float
) -> Prediction:
    if quality == 1.0:
        return Prediction(1.0, 0.0, Status.CONVERGED)
    proved = _first_that_holds(lambda m: crosstalk.bound(m, quality) >= goal)
    if proved is None:
        return Prediction.missing(Status.NOT_CONVERGED)
    m = proved
    while m > 1 and _binomial_step(k, d, m - 1, quality)[0] >= goal:
        m -= 1
    return Prediction(float(m), 0.0, Status.CONVERGED)


def _first_that_holds(holds: Callable[[int], bool]) -> int | None:
    """Smallest integer >= 1 for which a condition holds that then stays true."""
    high = 1
    while not holds(high):
        high *= 2
        if high > LARGEST_NUMBER:
            return None
    low = high // 2  # fails, or is 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _binomial_step(
    n_patterns: int, dilution: float, n_examples: int, quality: float
) -> tuple[float, float]:
    """(m_1, error) of one step, exact in M.

    The patterns are halved, and each word of the first half finds its place among the
    sorted fields of the second half.
    """
    # Without blanks the first pattern rules every spin.
    k = n_patterns if dilution > 0.0 else 1
    cut = max(k // 2, 1)
    size = lattice_size(n_examples, quality)
    if size ** (k - cut) > LARGEST_HALF or size**cut > LARGEST_HALF:
        raise ParameterError(
            "n_patterns",
            n_patterns,
            f"such that {size} values (of {n_examples} examples) for each of half the "
            f"patterns make at most {LARGEST_HALF:.0e} words",
            'use law="gaussian", its limit for many examples',
        )
    letter = example_letter(n_examples, quality, dilution)
    # v/M of order 1; the field is v_1 + d v_2 + ...
    v, x = letter.e[:, 0] / letter.e[-1, 0], letter.x[:, 0]
    powers = dilution ** np.arange(k, dtype=np.float64)
    # Both signs of the first entry are alike, and 0 says nothing of it.
    up = v > 0.0
    field, weight = v[up], 2.0 * letter.weight[up] * x[up]
    for power in powers[1:cut]:
        field = np.add.outer(field, power * v).ravel()
        weight = np.multiply.outer(weight, letter.weight).ravel()
    rest, law = np.zeros(1), np.ones(1)
    for power in powers[cut:]:
        rest = np.add.outer(rest, power * v).ravel()
        law = np.multiply.outer(law, letter.weight).ravel()
    order = np.argsort(rest)
    rest, total = rest[order], np.concatenate([[0.0], np.cumsum(law[order])])
    tie = TIE * float(powers.sum())
    below = total[np.searchsorted(rest, -field - tie, side="left")]
    above = total[-1] - total[np.searchsorted(rest, -field + tie, side="right")]
    value = float(weight @ (above - below))
    return value, 8.0 * _EPS * math.sqrt(rest.size) + 4.0 * _EPS
