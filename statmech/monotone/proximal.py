"""Proximal operator of the negative entropy less a square, on the simplex."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    StatmechError,
    check_real,
)
from statmech.kernels.prox import block_prox

# 1 / a is squared nowhere, but its products with y must be finite in float32 too.
_LEAST_WEIGHT = 1e-30
_LARGEST_ENTRY = 1e30
_SUM_ERROR = 1e-3


def prox(y: ArrayLike, a: float, *, b: float | None = None) -> NDArray[Any]:
    """The x of the simplex with a log x + b x = y + constant, by Newton's method.

    With b = 1 - a it is the proximal operator, step a, of
    f(x) = sum x log x - |x|**2 / 2 on the simplex, argmin |x - y|**2 / 2 + a f(x), the
    resolvent of monotone deep Boltzmann machines. (a, b) = (1, 0) is softmax(y);
    a -> 0 with b = 1 is the Euclidean projection on the simplex.

    Parameters
    ----------
    y : (..., k) array
        Finite; any k >= 1. float32 is computed in float32, other numbers in float64.
    a : float
        Weight of log x, from 1e-30.
    b : float, optional
        Weight of x, any with a + b > 0; 1 - a.

    Returns
    -------
    (..., k) array
        x >= 0, of sum 1 to rounding, with an absolute error of a few roundings.

    Raises
    ------
    ParameterError, ParameterTypeError
    StatmechError
        If Newton's method does not end in 120 steps (never seen: it takes up to 30).

    References
    ----------
    Z. Feng, E. Winston and J. Z. Kolter, Trans. Mach. Learn. Res. (2023), section 4.

    Examples
    --------
    >>> prox([3.0, 1.0, 1.0], 1.0).round(4)
    array([0.787 , 0.1065, 0.1065])
    >>> prox([0.7, 0.5, -3.0], 1e-12).round(4)
    array([0.6, 0.4, 0. ])
    """
    rows, shape = _check_rows("y", y)
    weight, other = _check_weights(a, b, rows.dtype)
    x, log_x = np.empty_like(rows), np.empty_like(rows)
    offsets = np.array([0, rows.shape[1]])
    failed, _ = block_prox(rows, offsets, weight, other, x, log_x)
    if failed:
        raise StatmechError(
            f"prox: {failed} of {rows.shape[0]} simplexes were not solved at "
            f"a = {weight:g}, b = {other:g}; use float64, or weights nearer to 1"
        )
    return x.reshape(shape)


def prox_jacobian(p: ArrayLike, a: float, *, b: float | None = None) -> NDArray[Any]:
    """Derivative of `prox` where its value is p: diag(w) - w w^T / sum w.

    w = p / (a + b p). Symmetric, positive semidefinite, 0 on constants; its norm is at
    most 1 / (2 a + b), which is reached at p = (1/2, 1/2).

    Parameters
    ----------
    p : (..., k) array
        What `prox` gave, or any point of the simplex.
    a, b : float
        As for `prox`.

    Returns
    -------
    (..., k, k) array
        dp_s / dy_t.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> prox_jacobian([0.5, 0.5], 1.0)
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    w, share = _jacobian_weights(p, a, b)
    jacobian = -w[..., :, None] * share[..., None, :]
    # w_s (1 - share_s) from the other shares: no cancellation where p_s is near 1.
    np.einsum("...ii->...i", jacobian)[...] = 0.0
    np.einsum("...ii->...i", jacobian)[...] = -jacobian.sum(axis=-1)
    return np.asarray(jacobian)


def prox_jacobian_product(
    p: ArrayLike, v: ArrayLike, a: float, *, b: float | None = None
) -> NDArray[Any]:
    """`prox_jacobian` times v (..., k): how `prox` answers a small change v of y.

    Parameters
    ----------
    p : (..., k) array
        What `prox` gave.
    v : (..., k) array
        Of the shape of p.
    a, b : float
        As for `prox`.

    Returns
    -------
    (..., k) array
        w (v - sum(w v) / sum(w)) with w = p / (a + b p).

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> prox_jacobian_product([0.5, 0.5], [1.0, 0.0], 1.0)
    array([ 0.25, -0.25])
    """
    w, share = _jacobian_weights(p, a, b)
    rows, shape = _check_rows("v", v)
    if shape != w.shape:
        raise ParameterError("v", rows, f"an array of the shape of p, {w.shape}")
    change = rows.reshape(shape).astype(w.dtype, copy=False)
    mean = (share * change).sum(axis=-1, keepdims=True)
    return np.asarray(w * (change - mean))


def _jacobian_weights(
    p: ArrayLike, a: float, b: float | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """w = p / (a + b p) and w / sum w, (..., k), of the precision of p."""
    rows, shape = _check_rows("p", p)
    sums = rows.sum(axis=1)
    if (rows < 0.0).any() or (np.abs(sums - 1.0) > _SUM_ERROR).any():
        raise ParameterError("p", rows, "probabilities, of sum 1 along the last axis")
    weight, other = _check_weights(a, b, rows.dtype)
    kind = rows.dtype.type
    w = rows / (kind(weight) + kind(other) * rows)
    share = w / w.sum(axis=1, keepdims=True)
    return w.reshape(shape), share.reshape(shape)


def _check_rows(name: str, value: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Rows (B, k) of float32 or float64, and the shape they came in."""
    allowed = "an array (..., k) of finite real numbers, k >= 1"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise ParameterTypeError(name, value, allowed) from None
    if array.dtype.kind not in "iuf":
        raise ParameterTypeError(name, array, allowed)
    if array.ndim < 1 or array.shape[-1] < 1:
        raise ParameterError(name, array, allowed)
    kind = np.float32 if array.dtype == np.float32 else np.float64
    rows = np.ascontiguousarray(array, dtype=kind).reshape(-1, array.shape[-1])
    if not (np.abs(rows) <= _LARGEST_ENTRY).all():
        raise ParameterError(name, array, allowed, "none above 1e30 in size")
    return rows, array.shape


def _check_weights(
    a: object, b: object | None, dtype: np.dtype[Any]
) -> tuple[float, float]:
    weight = check_real("a", a, _LEAST_WEIGHT)
    other = 1.0 - weight if b is None else check_real("b", b)
    eps = float(np.finfo(dtype).eps)
    if not weight + other > 4.0 * eps * weight:
        name, value = ("a", weight) if b is None else ("b", other)
        raise ParameterError(name, value, "such that a + b > 0 beyond rounding")
    return weight, other
