"""Closed forms for mean field of Ising spins that all interact alike (Curie-Weiss).

Temperature is absorbed: p(s) = exp((coupling / N) sum_{i<j} s_i s_j + field sum_i s_i)
/ Z with s_i = +-1, and the coupling may have either sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytics.ising import solve_curie_weiss
from analytics.solve import Prediction, find_root
from statmech.errors import check_integer, check_real
from statmech.status import Status

_LARGEST = 1e6
_LARGEST_SIZE = 10**7
_ROUNDING = 1e-15


def curie_weiss(n_spins: float, coupling: float, field: float = 0.0) -> Prediction:
    """Naive mean field of N spins: m = tanh(coupling (N - 1)/N m + field).

    A spin does not act on itself, hence (N - 1)/N; the exact magnetisation differs at
    order 1/N. There is one root if coupling (N - 1)/N <= 1.

    Parameters
    ----------
    n_spins : int or inf
        N from 1 to 10**7, or inf: the limit.
    coupling, field : float
        At most 1e6 in size.

    Returns
    -------
    Prediction
        Where there are several roots, the one of lowest free energy: with the sign of
        the field, and m > 0 at field 0.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> round(curie_weiss(math.inf, 2.0).value, 12)
    0.957504024077
    >>> curie_weiss(2, 2.0).value, round(curie_weiss(10, 2.0).value, 6)
    (0.0, 0.932718)
    """
    c, h = _check(coupling, field)
    if n_spins != math.inf:
        n = check_integer("n_spins", n_spins, 1, _LARGEST_SIZE)
        c *= (n - 1) / n
    if c > 1.0:
        # In units of the coupling: m = tanh((m + h / c) / T) at T = 1 / c.
        point = solve_curie_weiss(1.0 / c, h / c)
        m, error, status = point.m, point.residual, point.status
    elif h == 0.0:
        return Prediction(0.0, 0.0, Status.CLOSED_FORM)
    else:
        size = abs(h)
        root = find_root(lambda m: m - math.tanh(c * m + size), 0.0, 1.0)
        m, error, status = math.copysign(root.value, h), root.error, root.status
    return Prediction(m, _distance(m, c, error + _ROUNDING), status)


@dataclass(frozen=True)
class CurieWeissMoments:
    """Exact averages at N spins: <M>/N, <|M|>/N, and log Z, M = sum_i s_i."""

    m: float
    m_abs: float
    log_z: float


def curie_weiss_exact(
    n_spins: int, coupling: float, field: float = 0.0
) -> CurieWeissMoments:
    """Exact averages by a sum over the N + 1 values of M with binomial weights.

    The exponent is coupling (M^2 - N) / (2 N) + field M.

    Parameters
    ----------
    n_spins : int
        N from 1 to 10**7.
    coupling, field : float
        At most 1e6 in size, either sign.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> exact = curie_weiss_exact(2, 1.0)  # log(2 e^(1/2) + 2 e^(-1/2))
    >>> exact.m, round(exact.log_z, 12)
    (0.0, 1.506408868078)
    """
    from scipy.special import gammaln

    n = check_integer("n_spins", n_spins, 1, _LARGEST_SIZE)
    c, h = _check(coupling, field)
    up = np.arange(n + 1, dtype=np.float64)
    total = 2.0 * up - n
    log_weight = gammaln(n + 1.0) - (gammaln(up + 1.0) + gammaln(n - up + 1.0))
    log_weight += c * (total * total - n) / (2.0 * n) + h * total
    top = float(log_weight.max())
    weight = np.exp(log_weight - top)
    z = float(weight.sum())
    weight /= z
    m = total / n
    return CurieWeissMoments(
        # Pairs M, -M cancel exactly where the field does not tell them apart.
        m=float(np.maximum(m, 0.0) @ (weight - weight[::-1])),
        m_abs=float(weight @ np.abs(m)),
        log_z=top + math.log(z),
    )


def _check(coupling: float, field: float) -> tuple[float, float]:
    return (
        check_real("coupling", coupling, -_LARGEST, _LARGEST),
        check_real("field", field, -_LARGEST, _LARGEST),
    )


def _distance(m: float, c: float, residual: float) -> float:
    """Of m from the root, from the residual and the slope there."""
    slope = abs(1.0 - c * (1.0 - m * m))
    # Where the slope vanishes the residual grows as the cube of the distance.
    return min(residual / slope if slope > 0.0 else math.inf, residual ** (1.0 / 3.0))
