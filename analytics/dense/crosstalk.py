"""Covariance of the crosstalk of stored patterns.

The K - 1 patterns that are not retrieved act as a Gaussian energy with covariance
E[H(s) H(s')] = N C(q), q the overlap of s and s'. At unit load (alpha = 1)

    coincident="exclude":  C(q) = ((P-1)!/P) q**P,
    coincident="keep":     C(q) = sum_k (h_Pk**2 k! / P**2) q**k,
                           h_Pk = P! / (2**j j! k!), j = (P-k)/2 integer, k >= 1,

the second from the Hermite expansion of x**P. Loads: K = alpha N**(P-1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from statmech.jit import kernel


def crosstalk_coefficients(order: int, coincident: str) -> NDArray[np.float64]:
    """(P + 1,) coefficients of C(q) at unit load.

    >>> crosstalk_coefficients(3, "keep") * 9
    array([0., 9., 0., 6.])
    """
    p = order
    c = np.zeros(p + 1)
    if coincident == "exclude" or p == 2:
        # P = 2: the coincident term is the constant -K/2 and shifts energies only.
        c[p] = math.factorial(p - 1) / p
        return c
    for k in range(p, 0, -2):
        j = (p - k) // 2
        h = math.factorial(p) // (2**j * math.factorial(j) * math.factorial(k))
        c[k] = h * h * math.factorial(k) / p**2
    return c


@kernel
def covariance(c, q):
    """C(q) at unit load."""
    total = 0.0
    for k in range(c.shape[0] - 1, -1, -1):
        total = total * q + c[k]
    return total


@kernel
def first_derivative(c, q):
    """C'(q) at unit load."""
    total = 0.0
    for k in range(c.shape[0] - 1, 0, -1):
        total = total * q + k * c[k]
    return total


@kernel
def second_derivative(c, q):
    """C''(q) at unit load."""
    total = 0.0
    for k in range(c.shape[0] - 1, 1, -1):
        total = total * q + k * (k - 1) * c[k]
    return total


@kernel
def drop(c, x):
    """C(1) - C(1 - x), without cancellation at small x."""
    if x > 0.2:
        return covariance(c, 1.0) - covariance(c, 1.0 - x)
    total = 0.0
    for k in range(1, c.shape[0]):
        term = 1.0
        for j in range(1, k + 1):
            term *= -x * (k - j + 1) / j
            total -= c[k] * term
    return total


@kernel
def curvature_drop(c, x):
    """C(1) - C(q) - (1 - q) C'(q) at q = 1 - x, without cancellation at small x."""
    if x > 0.2:
        q = 1.0 - x
        return covariance(c, 1.0) - covariance(c, q) - x * first_derivative(c, q)
    total = 0.0
    for k in range(2, c.shape[0]):
        term = -x * k
        for j in range(2, k + 1):
            term *= -x * (k - j + 1) / j
            total += c[k] * (j - 1) * term
    return total
