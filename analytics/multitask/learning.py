"""The states of a multitasking network that learns its archetypes from examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.multitask.gaussian import GaussianLaw
from analytics.multitask.lattice import check_grid, example_law, mean_square
from analytics.multitask.law import LARGEST_K
from analytics.multitask.moments import FieldLaw
from analytics.multitask.settle import Settled, settle_symmetric, state_of
from analytics.multitask.state import State
from analytics.multitask.storage import (
    SMALLEST,
    STARTS,
    check_dilution,
    reduced_temperature,
)
from analytics.solve import Prediction, find_root
from statmech.errors import (
    check_array,
    check_choice,
    check_integer,
    check_real,
    check_temperature,
)
from statmech.status import Status

Vector = NDArray[np.float64]

PROTOCOLS = ("supervised", "unsupervised")
LAWS = ("binomial", "gaussian")
SMALLEST_QUALITY = 1e-100
LARGEST_NUMBER = 10**15
_USE_GAUSSIAN = 'use law="gaussian", its limit for many examples'


def solve_learning(
    n_patterns: int,
    dilution: float,
    temperature: float,
    *,
    n_examples: int,
    quality: float,
    protocol: str = "supervised",
    law: str = "binomial",
    start: str | ArrayLike = "hierarchical",
    gain: float | None = None,
) -> State:
    """State of K diluted archetypes at low load, learnt from M noisy examples of each.

    An example is eta = xi chi, chi = +1 with probability (1 + r)/2 and -1 otherwise, so
    blank entries stay blank. With etabar = (1/(r M)) sum_a eta^a the states are the
    stationary points of

        f(n) = Gamma n.n/2 - T E log 2cosh(h/T),    h = Gamma etabar.n,
        n = E[etabar tanh(h/T)],    m = E[xi tanh(h/T)],

    for H = -(Gamma/2N) sum_mu (sum_i etabar_i^mu s_i)**2 (supervised) and
    H = -(Gamma/(2 N M r**2)) sum_mu sum_a (sum_i eta_i^(mu,a) s_i)**2 (unsupervised),
    both without the terms of a spin with itself.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 12; patterns that start at 0 stay there and cost nothing.
    dilution : float
        d, 0 <= d < 1: fraction of zeros of an archetype.
    temperature : float
        T >= 0 in units J = 1, k_B = 1; 0 and inf are legal.
        T_c = Gamma (1 + rho) (1 - d), rho = (1 - r**2)/(M r**2).
    n_examples : int
        M, from 1 to 1e15.
    quality : float
        r, from 1e-100 to 1; 1 is storage.
    protocol : {"supervised", "unsupervised"}
        The unsupervised network has the supervised states as its states symmetric in
        the examples: same n, m, f; they are stable only if no example is singled out.
    law : {"binomial", "gaussian"}
        "binomial" is exact at any M: a sum over the lattice of the values of etabar,
        at most 2e7 terms, about min(M + 2, 20 sqrt(M)) to the power K. "gaussian" is
        its limit for many examples at given rho, any M; below M = 20, and at T = 0, it
        may be a different phase.
    start : {"hierarchical", "pure", "parallel"} or (K,) array
        Where the descent begins: proportional to d**(mu-1), to (1, 0, ..., 0), to
        (1, ..., 1); or n itself, finite. What is exactly equal or exactly 0 in |start|
        remains so, even where the state is unstable against breaking it.
    gain : float, optional
        Gamma, from 1e-50 to 1e50, multiplies H; None means 1/(1 + rho), with which
        T_c = 1 - d at any noise.

    Returns
    -------
    State
        m with the archetypes, n with the averaged examples, free_energy, energy
        -Gamma n.n/2, hessian_eigenvalues of d2f/dn2 =
        Gamma (1 - (Gamma/T) E[etabar etabar^T (1 - tanh^2)]), stable, label (of n),
        error (of m), n_iter, status. residual is that of n/sqrt(1 + rho), which is of
        order 1 - d at any noise. `example_eigenvalues` (K,) for the unsupervised
        protocol with M > 1, else None: for each pattern the (M - 1)-fold eigenvalue

            1 - (Gamma/(T r**2 (M-1))) E[(xi**2 - (r etabar)**2) (1 - tanh^2)],

        of d2f in units Gamma/(M r**2), and in the Gaussian limit
        1 - rho (Gamma/T) E[xi**2 (1 - tanh^2)] = m/n. `stable` then needs all of them
        positive too.

    Raises
    ------
    ParameterError, ParameterTypeError
        For parameters out of range, a start of the wrong shape, or a binomial law of
        more than 2e7 terms, before anything is allocated.

    Notes
    -----
    Gaussian averages are one-dimensional, `analytics.gauss`, with closed forms at
    T = 0; factors etabar are removed by Stein's identity. The binomial law at T = 0 has
    sign(0) = 0 for ties, which make the eigenvalues of the directions they span -inf.

    The Gaussian law takes one average for each of (3**K - 1)/2 classes: 8 ms an
    evaluation at K = 8, three times more for each further pattern. A state with a small
    eigenvalue lambda takes about 10/lambda evaluations, so that K = 12 may take an hour
    where noise makes all patterns equal; start="parallel" is short there.

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the network; "Parallel learning by multitasking neural networks",
    arXiv:2308.04106 (2023), for learning from examples. The exact law at finite M, the
    spectra and the comparison of protocols are derived here.

    Examples
    --------
    >>> state = solve_learning(2, 0.3, 0.1, n_examples=25, quality=0.4, law="gaussian")
    >>> state.m.round(5).tolist(), state.label
    ([0.62271, 0.25643], 'hierarchical')
    """
    k = check_integer("n_patterns", n_patterns, 1, LARGEST_K)
    d = check_dilution(dilution)
    t = check_temperature(temperature)
    n_ex = check_integer("n_examples", n_examples, 1, LARGEST_NUMBER)
    r = check_quality(quality)
    check_choice("protocol", protocol, PROTOCOLS)
    check_choice("law", law, LAWS)
    rho = dataset_entropy(n_ex, r)
    # Entries of mean square 1 on the support carry a gain larger by 1 + rho.
    full_gain = 1.0
    if gain is not None:
        full_gain = check_real("gain", gain, 1e-50, 1e50) * (1.0 + rho)
    unit = math.sqrt(1.0 + rho)
    guess = _first_guess(k, d, start, unit)
    if law == "binomial":
        check_grid(int(np.count_nonzero(guess)), n_ex, r, _USE_GAUSSIAN)
    tau = reduced_temperature(d, t, full_gain)
    if tau >= 1.0:
        guess = np.zeros(k)
    found = settle_symmetric(_law_of(law, d, n_ex, r), guess, tau)
    state = state_of(found, tau, full_gain, unit)
    if tau >= 1.0:
        state = replace(state, status=Status.CLOSED_FORM)
    if not state.status.ok or protocol == "supervised" or n_ex == 1:
        return state
    singled = _example_eigenvalues(found, law, d, n_ex, r)
    stable = state.stable and bool((singled > 0.0).all())
    return replace(state, stable=stable, example_eigenvalues=singled)


def check_quality(quality: float) -> float:
    """Checked r: examples of r = 0 say nothing."""
    return check_real("quality", quality, SMALLEST_QUALITY, 1.0)


def dataset_entropy(n_examples: float, quality: float) -> float:
    """rho = (1 - r**2)/(M r**2).

    >>> dataset_entropy(3, 0.5)
    1.0
    """
    return (1.0 - quality) * (1.0 + quality) / n_examples / (quality * quality)


def _first_guess(k: int, d: float, start: str | ArrayLike, unit: float) -> Vector:
    """u of the start."""
    if not isinstance(start, str):
        return check_array("start", start, (k,)) / (unit * (1.0 - d))
    check_choice("start", start, STARTS)
    if start == "parallel":
        return np.ones(k)
    guess = d ** np.arange(k, dtype=np.float64)
    if start == "pure":
        guess[1:] = 0.0
    return guess


def _law_of(
    law: str, dilution: float, n_examples: int, quality: float
) -> Callable[[int], FieldLaw]:
    rho = dataset_entropy(n_examples, quality)

    def law_of(k: int) -> FieldLaw:
        # Without noise the lattice is that of the archetypes, at any M.
        if law == "gaussian" and rho > 0.0:
            return GaussianLaw(k, dilution, rho)
        return example_law(k, n_examples, quality, dilution)

    return law_of


def _example_eigenvalues(
    found: Settled,
    law: str,
    dilution: float,
    n_examples: int,
    quality: float,
) -> Vector:
    """What singling out one example of a pattern costs, per pattern."""
    x, active = 1.0 - dilution, found.active
    rho = dataset_entropy(n_examples, quality)
    square = mean_square(n_examples, quality)
    if law == "gaussian":
        share, variance = rho / (1.0 + rho), 1.0
    else:
        share, variance = 1.0 / (square * (n_examples - 1.0)), 1.0 - square
    spread = np.empty(active.size)
    spread[active] = found.moments.spread / x
    spread[~active] = variance * found.moments.flat if variance > 0.0 else 0.0
    if share == 0.0 or variance == 0.0:  # no noise, no difference
        return np.ones(active.size)
    return 1.0 - share * spread


def find_example_temperature(
    n_patterns: int,
    dilution: float,
    *,
    n_examples: int,
    quality: float,
    start: str = "hierarchical",
) -> Prediction:
    """Temperature below which an unsupervised network singles out examples.

    Highest T < T_c at which the least of the eigenvalues against singling out one
    example, `State.example_eigenvalues`, changes sign along the supervised branch.
    Below it the unsupervised network leaves that branch even from an archetype start
    and in the limit of infinite size. The cause at even M are ties of the examples of
    an entry, which leave the field to other entries, and none where those are blank.

    Parameters
    ----------
    n_patterns, dilution, n_examples, quality
        As in `solve_learning` with the exact law; n_examples >= 2.
    start : {"hierarchical", "pure", "parallel"}
        Of the branch.

    Returns
    -------
    Prediction
        T in units J = 1 with the gain 1/(1 + rho), for which T_c = 1 - d.
        NO_TRANSITION if the eigenvalue is positive at T = 0 and at all of 200
        temperatures from T_c down to 1e-3 T_c.

    Raises
    ------
    ParameterError, ParameterTypeError
        As `solve_learning`.

    References
    ----------
    Derived here, for the model of "Parallel learning by multitasking neural networks",
    arXiv:2308.04106 (2023).

    Examples
    --------
    >>> found = find_example_temperature(2, 0.3, n_examples=4, quality=0.4)
    >>> round(found.value, 4)
    0.0976
    """
    check_integer("n_examples", n_examples, 2, LARGEST_NUMBER)
    check_choice("start", start, STARTS)
    top = 1.0 - check_dilution(dilution)

    def least(temperature: float) -> float:
        state = solve_learning(
            n_patterns,
            dilution,
            temperature,
            n_examples=n_examples,
            quality=quality,
            protocol="unsupervised",
            start=start,
        )
        if not state.status.ok or state.example_eigenvalues is None:
            return math.nan
        return float(state.example_eigenvalues.min())

    high, at_high = top, least(top)
    for temperature in top * np.geomspace(1.0, 1e-3, 200)[1:]:
        value = least(float(temperature))
        if math.isnan(value):
            continue
        if value <= 0.0 < at_high:
            return find_root(least, float(temperature), high, relative=1e-13)
        high, at_high = float(temperature), value
    if least(0.0) > 0.0:
        return Prediction.missing(Status.NO_TRANSITION)
    # Ties of small weight act at temperatures as low as that.
    low = high
    while least(low) > 0.0:
        high, low = low, 0.1 * low
        if low < SMALLEST:
            return Prediction.missing(Status.NO_TRANSITION)
    return find_root(least, low, high, relative=1e-13)
