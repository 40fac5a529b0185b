"""Gaussian special functions inside compiled loops."""

from __future__ import annotations

import math

from statmech.jit import kernel

_INV_SQRT2 = 0.7071067811865476
_INV_SQRT_2PI = 0.3989422804014327
# Left of it the continued fraction, which needs fewer terms the further out it is.
_FAR = -5.0
_TERMS = 40


@kernel
def mills(u):
    """psi(u) = phi(u) / Phi(u) of a standard Gaussian; about -u far on the left.

    On the left by Laplace's continued fraction psi(-x) = x + 1/(x + 2/(x + 3/...))
    (Abramowitz and Stegun 1964, eq. 26.2.14).
    """
    if u >= _FAR:
        density = _INV_SQRT_2PI * math.exp(-0.5 * u * u)
        return density / (0.5 * math.erfc(-u * _INV_SQRT2))
    tail = -u
    for k in range(_TERMS, 0, -1):
        tail = k / tail - u
    return tail
