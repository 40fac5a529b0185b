"""Special functions that stay exact to a few ulp from -1e6 to 1e6.

Beyond that range they tend to the right limits without a warning. They are mathematics,
not physics, so theory and simulation share them. SciPy is imported on use: nothing
here costs anything at import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_INV_SQRT2 = 0.7071067811865476
_INV_SQRT_2PI = 0.3989422804014327
_SQRT_2_OVER_PI = 0.7978845608028654
_FAR = 64.0  # exp(-64) is below the rounding of 1, exp(-64**2 / 2) is 0


def log_2cosh(x: ArrayLike) -> NDArray[np.float64] | Any:
    """log(2 cosh x) = |x| + log(1 + exp(-2|x|)), any shape.

    >>> float(log_2cosh(1000.0))
    1000.0
    """
    size = np.abs(np.asarray(x, dtype=np.float64))
    return size + np.log1p(np.exp(-2.0 * np.minimum(size, _FAR)))


def softplus(x: ArrayLike) -> NDArray[np.float64] | Any:
    """log(1 + exp x), any shape.

    >>> float(softplus(1000.0)), float(softplus(0.0))
    (1000.0, 0.6931471805599453)
    """
    x = np.asarray(x, dtype=np.float64)
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: ArrayLike) -> NDArray[np.float64] | Any:
    """1 / (1 + exp(-x)), any shape, with full relative accuracy on both sides."""
    x = np.asarray(x, dtype=np.float64)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, small)[()] / (1.0 + small)


def gaussian_tail(x: ArrayLike) -> NDArray[np.float64] | Any:
    """H(x) = P(z > x) of a standard Gaussian, any shape.

    exp(-x**2 / 2) is taken with x**2 split into an exact and a small part: the plain
    form loses a relative x**2 * 1e-16.
    """
    from scipy.special import erfcx

    x = np.asarray(x, dtype=np.float64)
    size = np.abs(x)
    tail = 0.5 * erfcx(size * _INV_SQRT2) * _exp_minus_half_square(size)
    return np.where(x >= 0.0, tail, 1.0 - tail)[()]


def log_gaussian_tail(x: ArrayLike) -> NDArray[np.float64] | Any:
    """log H(x), any shape; about -x**2 / 2 far on the right, -H(-x) far on the left."""
    from scipy.special import erfcx

    x = np.asarray(x, dtype=np.float64)
    size = np.abs(x)
    # Right of 1e154 the answer is -inf, and erfcx vanishes at infinity.
    with np.errstate(over="ignore", divide="ignore"):
        right = np.log(0.5 * erfcx(size * _INV_SQRT2)) - 0.5 * size * size
    left = np.log1p(-np.minimum(gaussian_tail(size), 0.5))
    return np.where(x >= 0.0, right, left)[()]


def inverse_mills(x: ArrayLike) -> NDArray[np.float64] | Any:
    """psi(x) = phi(x) / Phi(x), the ratio of density to distribution function.

    About -x far on the left.
    """
    from scipy.special import erfcx

    x = np.asarray(x, dtype=np.float64)
    size = np.abs(x)
    mills = erfcx(size * _INV_SQRT2)
    # On the right the denominator is near 1 and the density needs its split square.
    density = _exp_minus_half_square(size)
    right = _INV_SQRT_2PI * density / (1.0 - 0.5 * mills * density)
    with np.errstate(divide="ignore"):  # erfcx vanishes at infinity
        left = _SQRT_2_OVER_PI / mills
    return np.where(x >= 0.0, right, left)[()]


def _exp_minus_half_square(size: NDArray[np.float64]) -> NDArray[np.float64]:
    # Multiples of 1/16 below 2**20 have squares that are exact in float64.
    size = np.minimum(size, _FAR)
    head = np.round(size * 16.0) / 16.0
    rest = (size - head) * (size + head)
    return np.exp(-0.5 * head * head) * np.exp(-0.5 * rest)
