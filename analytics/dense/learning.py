"""Replica-symmetric states of P-spin Hebbian networks that learn from examples."""

from __future__ import annotations

from numpy.typing import ArrayLike

from analytics.dense.learning_state import LearningTheory, LearntState
from analytics.dense.storage import COINCIDENT, usable_load, usable_temperature
from statmech.errors import check_choice, check_integer, check_order, check_real

PROTOCOLS = ("supervised", "unsupervised")
LAWS = ("binomial", "gaussian")
SMALLEST_QUALITY = 1e-10
LARGEST_NUMBER = 10**15


def solve_supervised(
    order: int,
    alpha: float,
    temperature: float,
    *,
    n_examples: int,
    quality: float,
    etabar: str = "binomial",
    coincident: str = "exclude",
    values: ArrayLike | None = None,
) -> LearntState:
    """Retrieval state of a P-spin network that stores means of labelled examples.

    The M examples of an archetype xi have entries eta = xi with probability (1 + r)/2
    and -xi otherwise, and their mean etabar the mean square
    R = r**2 + (1 - r**2)/M = r**2 (1 + rho). Up to coincident indices

        H = -(N/P) R**(-P/2) sum_mu ((1/N) sum_i etabar_i^mu s_i)**P.

    Parameters
    ----------
    order : int
        P, from 2 to 20.
    alpha : float
        Load K / N**(P-1) of the archetypes, from 0 to 1e6; 0 is any number K that
        grows more slowly.
    temperature : float
        T >= 0 in units J = 1, k_B = 1; 0 and inf are legal.
    n_examples : int
        M, from 1 to 1e15.
    quality : float
        r, from 1e-10 to 1; 1 is storage.
    etabar : {"binomial", "gaussian"}
        "binomial" is the exact law of the mean of M examples; "gaussian" its limit for
        many examples at given rho = (1 - r**2)/(M r**2).
    coincident : {"exclude", "keep"}
        Treatment of equal site indices, as in `statmech.HebbianNetwork`.
    values : (N,) array, optional
        xi etabar/sqrt(R) of the sites of the archetype that is retrieved. Averages over
        them replace those over their law, which removes most of the difference between
        samples of finite size.

    Returns
    -------
    LearntState
        m, q, free_energy, energy (per spin), replicon, residual, quadrature_error,
        n_iter, status; overlap_examples W = (1/N) sum_i s_i etabar_i/sqrt(R) and
        n = W/sqrt(1 + rho). Where there is no retrieval m, q, ... are nan.

    Raises
    ------
    ParameterError, ParameterTypeError
        For parameters out of range, or a binomial law of more than 4e4 values.

    Notes
    -----
    The state is the stable one of largest W, found by a bracketed root on the curve of
    solutions at fixed T (`analytics.dense.learning_curve`). At P = 2 and few examples
    (odd M) the curve may have several maxima, and W then jumps to a lower value at each
    of them before it vanishes at the highest. At P = 2, even M and T below the
    fraction of ties among the examples, the spins of ties freeze at any load, and the
    limit of small loads differs from alpha = 0.

    References
    ----------
    E. Agliari, A. Barra et al., "Dense Hebbian neural networks: a replica symmetric
    picture of supervised learning", arXiv:2212.00606 (2022), for the model; derived
    here with the exact law of the examples.

    Examples
    --------
    >>> state = solve_supervised(4, 0.0, 0.2, n_examples=40, quality=0.2)
    >>> round(state.m, 4), round(state.overlap_examples, 4)
    (0.743, 0.8161)
    """
    theory = learning_theory(
        order, "supervised", n_examples, quality, etabar, coincident, values
    )
    return theory.state(usable_load(alpha), usable_temperature(temperature))


def solve_unsupervised(
    order: int,
    alpha: float,
    temperature: float,
    *,
    n_examples: int,
    quality: float,
    etabar: str = "binomial",
    coincident: str = "exclude",
    values: ArrayLike | None = None,
) -> LearntState:
    """Retrieval state of a P-spin network that stores single, unlabelled examples.

    As `solve_supervised`, for

        H = -(N/P) R**(-P/2) (1/M) sum_mu sum_a ((1/N) sum_i eta_i^(mu,a) s_i)**P

    and the state in which all M examples of the archetype have the same overlap.

    Parameters
    ----------
    order, alpha, temperature, n_examples, quality, etabar, coincident, values
        As in `solve_supervised`; alpha counts archetypes, not examples.

    Returns
    -------
    LearntState
        As `solve_supervised`, and for M > 1 `example_stability`,

            1 - beta (P-1) W**(P-2) E[(1 - tanh**2)(1 - etabar**2)]/(R (M - 1)),

        positive where the state is stable against splitting of the overlaps of the
        examples. Single examples are other states, overlap 1 with one example and r
        with the archetype, which may have the lower free energy even then.

    Raises
    ------
    ParameterError, ParameterTypeError
        As `solve_supervised`.

    References
    ----------
    E. Agliari, A. Barra et al., "Dense Hebbian neural networks: a replica symmetric
    picture of unsupervised learning", arXiv:2211.14067 (2022), for the model. The noise
    of P >= 3, the spectrum of P = 2 and the stability are derived here.

    Examples
    --------
    >>> state = solve_unsupervised(3, 0.03, 0.1, n_examples=11, quality=0.6)
    >>> round(state.m, 4), state.example_stability > 0.0
    (0.8972, True)
    """
    theory = learning_theory(
        order, "unsupervised", n_examples, quality, etabar, coincident, values
    )
    return theory.state(usable_load(alpha), usable_temperature(temperature))


def learning_theory(
    order: int,
    protocol: str,
    n_examples: int,
    quality: float,
    etabar: str = "binomial",
    coincident: str = "exclude",
    values: ArrayLike | None = None,
) -> LearningTheory:
    """The theory of checked parameters."""
    p = check_order(order)
    check_choice("protocol", protocol, PROTOCOLS)
    m = check_integer("n_examples", n_examples, 1, LARGEST_NUMBER)
    r = check_learnable(quality)
    check_choice("etabar", etabar, LAWS)
    check_choice("coincident", coincident, COINCIDENT)
    return LearningTheory(p, protocol, m, r, etabar, coincident, values)


def check_learnable(quality: float) -> float:
    """Checked r: examples of r = 0 say nothing."""
    return check_real("quality", quality, SMALLEST_QUALITY, 1.0)
