"""The loss of a perceptron of random binary weights, and its exact gradient in fields.

Weights are independent with q(w_i) = exp(b theta_i w_i) / (2 cosh b theta_i), of mean
m_i = tanh(b theta_i) and variance 1 - m_i**2. The field of a pattern under q is, by the
central limit theorem, Gaussian, of mean M and variance D:

    M = m.x / sqrt(N),  D = sum_i (1 - m_i**2) x_i**2 / N,  u = y M / sqrt(D)
    L = -sum_mu log Phi(u_mu) + gamma KL(q || q_prior)

Phi(u) is the chance that a weight vector drawn from q is right on the pattern.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_real,
)
from statmech.machine import require_memory
from statmech.perceptron.examples import Examples
from statmech.special import inverse_mills, log_gaussian_tail, sigmoid, softplus

Array = NDArray[np.float64]

_FLOOR = 1e-12  # least variance D of a field
LARGEST_FIELD = 1e6  # far beyond all use, far from overflow
_LARGEST_SCALE, _LARGEST_GAMMA = 1e3, 1e9


@dataclass(frozen=True, eq=False)
class FieldLoss:
    """The loss at given fields.

    Attributes
    ----------
    total : float
        data + gamma * kl.
    data : float
        -sum log Phi(u) over the patterns, nats.
    kl : float
        KL(q_theta || q_prior), summed over the weights, nats.
    gradient : (N,) float64
        d total / d theta.
    """

    total: float
    data: float
    kl: float
    gradient: Array = field(repr=False)


class Moments(NamedTuple):
    """Means and variances of the weights under q."""

    fields: Array  # theta
    mean: Array  # m = tanh(b theta)
    variance: Array  # 1 - m**2, without cancellation


class Rows(NamedTuple):
    """Patterns in the form that the loss needs."""

    signed: Array  # (P, N), y x / sqrt(N)
    squares: Array | None  # (P, N), x**2 / N; None if all x**2 are 1

    @property
    def n_patterns(self) -> int:
        return int(self.signed.shape[0])

    def take(self, which: NDArray[np.int64]) -> Rows:
        """Some of the patterns."""
        squares = None if self.squares is None else self.squares[which]
        return Rows(self.signed[which], squares)


def field_loss(
    examples: Examples,
    fields: ArrayLike,
    *,
    gamma: float = 0.0,
    prior_fields: ArrayLike | None = None,
    b: float = 1.0,
) -> FieldLoss:
    """Loss of random binary weights of fields theta, and its exact gradient.

    With psi = phi / Phi and y x, M, D, u of each pattern,

        d data / d m_i = -sum psi(u) [y x_i / sqrt(N D) + y M m_i x_i**2 / (N D**1.5)]
        d total / d theta_i
            = b (1 - m_i**2) [d data / d m_i + gamma b (theta_i - theta_prior_i)]

    A variance D below 1e-12 is taken to be 1e-12, and constant.

    Parameters
    ----------
    examples : Examples
        P patterns of N entries of order one.
    fields : (N,) array
        theta, up to 1e6 in size.
    gamma : float
        Weight of the divergence from the prior, from 0.
    prior_fields : (N,) array, optional
        theta_prior; zero, the flat prior.
    b : float
        Positive: m = tanh(b theta).

    Returns
    -------
    FieldLoss

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    References
    ----------
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).

    Examples
    --------
    At theta = 0 every pattern is right with even odds:

    >>> from statmech.perceptron import teacher_examples
    >>> at_zero = field_loss(teacher_examples(11, 4, seed=1), [0.0] * 11)
    >>> bool(abs(at_zero.total - 4 * math.log(2)) < 1e-12), at_zero.kl
    (True, 0.0)
    """
    check_examples(examples)
    theta = check_fields("fields", fields, examples.n_weights)
    gamma, b = check_gamma(gamma), check_scale(b)
    prior = check_prior(prior_fields, examples.n_weights)
    at = moments(theta, b)
    u, slope = data_slope(make_rows(examples), at)
    data, kl = data_loss(u), divergence(theta, prior, b)
    return FieldLoss(
        total=data + gamma * kl,
        data=data,
        kl=kl,
        gradient=field_gradient(at, slope, gamma, prior, b),
    )


def moments(theta: Array, b: float) -> Moments:
    """Of weights of fields theta."""
    x = b * theta
    small = np.exp(-2.0 * np.abs(x))
    return Moments(theta, np.tanh(x), 4.0 * small / (1.0 + small) ** 2)


def data_slope(rows: Rows, at: Moments) -> tuple[Array, Array]:
    """u of every pattern (P,), and d data / d m (N,)."""
    y_mean = rows.signed @ at.mean
    if rows.squares is None:
        raw = float(at.variance.mean())
        d = max(raw, _FLOOR)
        u = y_mean / math.sqrt(d)
        pull = inverse_mills(u) / math.sqrt(d)
        slope = -(pull @ rows.signed)
        if raw > _FLOOR:
            slope -= float(pull @ y_mean) / (d * at.mean.size) * at.mean
        return u, slope
    raws = rows.squares @ at.variance
    ds = np.maximum(raws, _FLOOR)
    u = y_mean / np.sqrt(ds)
    pull = inverse_mills(u) / np.sqrt(ds)
    by_variance = np.where(raws > _FLOOR, pull * y_mean / ds, 0.0)
    return u, -(pull @ rows.signed) - (by_variance @ rows.squares) * at.mean


def data_loss(u: Array) -> float:
    """-sum log Phi(u)."""
    return float(-log_gaussian_tail(-u).sum())


def field_gradient(
    at: Moments, slope: Array, gamma: float, prior: Array, b: float
) -> Array:
    """d total / d theta (N,) from d data / d m."""
    if gamma:
        slope = slope + gamma * b * (at.fields - prior)
    return b * at.variance * slope


def divergence(theta: Array, prior: Array, b: float) -> float:
    """KL(q_theta || q_prior), summed over the weights.

    Sum over w = +-1 of q (log q - log q_prior), with q = 1 / (1 + exp(-2 b theta w)):
    where exp overflows in one factor the other is zero by then, but finite.
    """
    x, x0 = 2.0 * b * theta, 2.0 * b * prior
    plus = sigmoid(x) * (softplus(-x0) - softplus(-x))
    minus = sigmoid(-x) * (softplus(x0) - softplus(x))
    return max(0.0, float((plus + minus).sum()))


def make_rows(examples: Examples) -> Rows:
    """The patterns of checked examples."""
    n = examples.n_weights
    signed = examples.aligned / math.sqrt(n)
    binary = examples.binary_inputs
    return Rows(signed, None if binary else np.square(examples.inputs) / n)


def check_examples(examples: Examples, *, copies: int = 1) -> None:
    """Refuse what is none, and what has no room for `copies` of its `Rows`."""
    if not isinstance(examples, Examples):
        raise ParameterTypeError("examples", examples, "statmech.perceptron.Examples")
    p, n = examples.n_patterns, examples.n_weights
    one = 8 if examples.binary_inputs else 16
    require_memory(
        (copies * one + examples.inputs.itemsize) * p * n,
        f"learning P = {p} patterns of N = {n}",
        remedy="take fewer patterns or fewer weights",
    )


def check_fields(name: str, value: ArrayLike, n: int) -> Array:
    """Fields (N,), of a size that can be squared."""
    theta = check_array(name, value, (n,))
    if np.abs(theta).max() > LARGEST_FIELD:
        raise ParameterError(name, theta, f"fields up to {LARGEST_FIELD:g} in size")
    return theta


def check_prior(value: ArrayLike | None, n: int) -> Array:
    """The prior's fields; zero if there are none."""
    return np.zeros(n) if value is None else check_fields("prior_fields", value, n)


def check_gamma(value: object, name: str = "gamma") -> float:
    return check_real(name, value, 0.0, _LARGEST_GAMMA)


def check_scale(value: object) -> float:
    return check_real("b", value, 0.0, _LARGEST_SCALE, low_open=True)
