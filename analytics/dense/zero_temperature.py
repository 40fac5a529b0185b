"""The retrieval branch at T = 0, in closed form up to one parameter.

With x = m**(P-1) / sqrt(2 Delta), m = erf(x), q = 1, and the susceptibility
chi = lim beta (1 - q) = sqrt(2 / (pi Delta)) exp(-x**2):

    P >= 3:  alpha(x) = m**(2(P-1)) / (2 x**2 C'(1)),
    P = 2:   sqrt(2 alpha(x)) = erf(x)/x - (2/sqrt(pi)) exp(-x**2).

Both vanish for x -> inf (perfect retrieval) and have one maximum, the capacity.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytics.dense.crosstalk import first_derivative
from analytics.solve import SaddlePoint, find_maximum, find_root
from statmech.status import Status

_X_MAX = 1e8  # alpha(x) is below 1e-16 there


def load_at(order: int, c: NDArray[np.float64], x: float) -> float:
    """alpha(x) at T = 0."""
    if order == 2:
        root = math.erf(x) / x - 2.0 / math.sqrt(math.pi) * math.exp(-x * x)
        return 0.5 * root * root
    m = math.erf(x)
    return m ** (2 * (order - 1)) / (2.0 * x * x * first_derivative(c, 1.0))


def find_capacity(order: int, c: NDArray[np.float64]) -> tuple[float, float]:
    """(x, alpha) of the spinodal at T = 0.

    At x > 5 the load only falls, at x < 0.3 it only rises.
    """
    return find_maximum(lambda x: load_at(order, c, x), 0.3, 5.0)


def solve_zero_temperature(
    order: int, c: NDArray[np.float64], alpha: float
) -> SaddlePoint:
    """Retrieval state at T = 0 and the given load."""
    if alpha == 0.0:
        u = -1.0 / order
        return SaddlePoint(1.0, 1.0, u, u, 1.0, 0.0, 0.0, 0, Status.CLOSED_FORM)
    x_top, capacity = find_capacity(order, c)
    if alpha > capacity:
        return SaddlePoint.missing(Status.NO_RETRIEVAL)
    x_max, n_iter = _X_MAX, 0
    if load_at(order, c, x_max) > alpha:
        # A load below 1e-16 per spin leaves no trace in m, q or u.
        x = x_max
    else:

        def excess_load(log_x: float) -> float:
            nonlocal n_iter
            n_iter += 1
            return load_at(order, c, math.exp(log_x)) / alpha - 1.0

        root = find_root(excess_load, math.log(x_top), math.log(x_max), absolute=1e-15)
        if not root.status.ok:
            return SaddlePoint.missing(Status.NOT_CONVERGED, n_iter=n_iter)
        x = math.exp(root.value)
    m = math.erf(x)
    if order == 2:
        delta = (m / x) ** 2 / 2.0
        r = delta / alpha
        u = -0.5 * m * m - 0.5 * alpha * (r - 1.0)
        d = 1.0 - math.sqrt(2.0 / (math.pi * delta)) * math.exp(-x * x)
        noise = alpha / (d * d)
    else:
        noise = alpha * first_derivative(c, 1.0)
        chi = math.sqrt(2.0 / (math.pi * noise)) * math.exp(-x * x)
        u = -(m**order) / order - noise * chi
    residual = abs(math.erf(m ** (order - 1) / math.sqrt(2.0 * noise)) - m)
    status = Status.CONVERGED if residual < 1e-10 else Status.NOT_CONVERGED
    if not status.ok:
        return SaddlePoint.missing(status, n_iter=n_iter, residual=residual)
    # beta**2 <sech**4> grows like beta: every loaded state is unstable at T = 0.
    return SaddlePoint(m, 1.0, u, u, -math.inf, residual, 0.0, n_iter, status)
