"""How far a finite network is from its limit: Gaussian fluctuations of order 1/N."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.descent import sech_squared, signs
from analytics.multitask.law import LARGEST_K, Law
from analytics.multitask.state import State
from analytics.multitask.storage import (
    check_dilution,
    check_point,
    reduced_temperature,
)
from statmech.errors import ParameterError

Matrix = NDArray[np.float64]

# A state of other parameters misses the equations by far more, relative to 1 - d.
_MATCH = 1e-6


def disorder_covariance(
    state: State, dilution: float, temperature: float, gain: float = 1.0
) -> Matrix:
    """N times the covariance, over samples of patterns, of the thermal mean of m.

    G Sigma G with G = (1 - (Gamma/T) C)**-1, C = E[xi xi^T (1 - tanh^2)] and
    Sigma = E[xi xi^T tanh^2] - m m^T: the mean over N independent sites scatters by
    Sigma/N, and the state responds with G.

    Parameters
    ----------
    state : State
        Stable, from `solve` or `find_states`, K <= 12.
    dilution, temperature, gain : float
        Those of the state: d in [0, 1), T >= 0 (units J = 1), Gamma > 0.

    Returns
    -------
    (K, K) float64
        Divide by N. Zero for patterns in which every class has its expected number of
        sites: those scatter by rounding only.

    Raises
    ------
    ParameterError
        If the state is not stable, has no value, or is no solution at these
        parameters.

    Notes
    -----
    Valid while N times the smallest Hessian eigenvalue is large. Derived here from
    the central limit theorem over the classes.

    Examples
    --------
    >>> from analytics.multitask import solve
    >>> disorder_covariance(solve(1, 0.5, 0.0), 0.5, 0.0).tolist()
    [[0.25]]
    """
    c, sigma, ratio = _moments(state, dilution, temperature, gain)
    response = np.linalg.inv(np.eye(state.m.size) - ratio * c)
    return response @ sigma @ response.T


def thermal_covariance(
    state: State, dilution: float, temperature: float, gain: float = 1.0
) -> Matrix:
    """N times the covariance of m in time, at fixed patterns.

    G C with G and C as in `disorder_covariance`: T times the response of m to fields
    along the patterns. It is the same for independent patterns and for those in which
    every class has its expected number of sites.

    Parameters
    ----------
    state : State
        Stable, from `solve` or `find_states`, K <= 12.
    dilution, temperature, gain : float
        Those of the state: d in [0, 1), T >= 0 (units J = 1), Gamma > 0.

    Returns
    -------
    (K, K) float64
        Divide by N. Zero at T = 0.

    Raises
    ------
    ParameterError
        If the state is not stable, has no value, or is no solution at these
        parameters.

    Examples
    --------
    >>> from analytics.multitask import solve
    >>> thermal_covariance(solve(1, 0.5, 1.0), 0.5, 1.0).tolist()
    [[1.0]]
    """
    c, _, ratio = _moments(state, dilution, temperature, gain)
    return np.linalg.inv(np.eye(state.m.size) - ratio * c) @ c


def _moments(
    state: State, dilution: float, temperature: float, gain: float
) -> tuple[Matrix, Matrix, float]:
    """(C, Sigma, Gamma/T); at T = 0 of a stable state C/T vanishes."""
    if not (state.status.ok and state.stable):
        raise ParameterError(
            "state", state.label, "a stable state", "only around those m fluctuates"
        )
    k, d, t, gamma = check_point(state.m.size, dilution, temperature, gain)
    if k > LARGEST_K:
        raise ParameterError("state", k, f"of at most {LARGEST_K} patterns")
    x = 1.0 - check_dilution(d)
    law = Law((1,) * k, d)
    u = state.m / x
    tau = reduced_temperature(d, t, gamma)
    if tau == 0.0:
        # Ties have no entries here, so C is 0 and tanh^2 = 1 wherever xi is not 0.
        image, c, ratio = law.first(signs(law, u)), np.zeros((k, k)), 0.0
        aligned = law.second(np.ones(law.weight.shape))
    else:
        y = law.fields(u) / tau
        image, sech2 = law.first(np.tanh(y)), sech_squared(y)
        c, ratio = law.second(sech2), 1.0 / (x * tau)
        aligned = law.second(np.tanh(y) ** 2)
    if np.abs(image / x - u).max() > _MATCH:
        raise ParameterError(
            "state",
            state.m,
            f"a solution at dilution {d:g}, temperature {t:g}, gain {gamma:g}",
            "give the parameters it was solved with",
        )
    return c, aligned - np.outer(state.m, state.m), ratio
