"""The loss of an archetype and of its negative, whose product is the energy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import ParameterError, ParameterTypeError


def losses(
    m: ArrayLike, activity: ArrayLike
) -> tuple[NDArray[np.float64] | Any, NDArray[np.float64] | Any]:
    """Losses L+ and L- of spins as a copy of a pattern and of its negative.

        L+- = (1/2N) sum_i (xi_i -+ s_i)**2 = (1 + q)/2 -+ m,

    m = (1/N) sum_i xi_i s_i, q = (1/N) sum_i xi_i**2, for any configuration and any
    rows xi: archetypes, or averaged examples.

    Parameters
    ----------
    m : float or array
        Overlaps, |m| <= sqrt(q).
    activity : float or array that broadcasts with m
        q >= 0; 1 - d for many spins and diluted archetypes. Where identities are to
        hold in a finite sample, its measured value.

    Returns
    -------
    tuple of array
        L+, L-, both >= 0.

    Raises
    ------
    ParameterError, ParameterTypeError
        For q < 0, |m| > sqrt(q), or values that are not finite real numbers.

    Examples
    --------
    >>> losses(0.5, 0.7)
    (0.35, 1.35)
    """
    overlap, q = _real("m", m), _real("activity", activity)
    if (q < 0.0).any():
        raise ParameterError("activity", activity, "numbers >= 0")
    # Cauchy-Schwarz, up to the rounding of measured values.
    if (np.abs(overlap) > np.sqrt(q) + 1e-12 * (1.0 + q)).any():
        raise ParameterError("m", m, "at most sqrt(activity) in absolute value")
    middle = 0.5 * (1.0 + q)
    plus, minus = middle - overlap, middle + overlap
    if plus.ndim == 0:
        return float(plus), float(minus)
    return plus, minus


def loss_product(m: ArrayLike, activity: ArrayLike) -> NDArray[np.float64] | Any:
    """L+ L- = ((1 + q)/2)**2 - m**2, of which the energy is a sum over patterns.

        H/N = (1/2) sum_mu [L+_mu L-_mu - ((1 + q_mu)/2)**2]

    for the Hebbian H = -(1/2N) sum_mu (sum_i xi_i^mu s_i)**2, terms i = j included:
    what minimises the energy minimises the sum of the products of losses, since q does
    not depend on the spins.

    Parameters
    ----------
    m, activity
        As in `losses`.

    Returns
    -------
    float or array

    Raises
    ------
    ParameterError, ParameterTypeError
        As `losses`.

    References
    ----------
    "Parallel learning by multitasking neural networks", arXiv:2308.04106 (2023), for
    the relation of energy and loss; this form, exact for blank entries, is derived
    here.

    Examples
    --------
    >>> round(loss_product(0.5, 0.7), 4)
    0.4725
    """
    plus, minus = losses(m, activity)
    return plus * minus


def _real(name: str, value: ArrayLike) -> NDArray[np.float64]:
    allowed = "a finite real number or an array of them"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise ParameterTypeError(name, value, allowed) from None
    if array.dtype.kind not in "iuf":
        raise ParameterTypeError(name, value, allowed)
    if not np.isfinite(array).all():
        raise ParameterError(name, value, allowed)
    return array.astype(np.float64)
