"""States without retrieval: the paramagnet, and at P = 2 the spin glass (RS)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytics.dense.crosstalk import covariance, second_derivative
from analytics.dense.curve import thermodynamics
from analytics.gauss import tanh_averages_kernel
from analytics.solve import SaddlePoint, find_root
from statmech.status import Status


def solve_paramagnet(
    order: int, c: NDArray[np.float64], alpha: float, temperature: float
) -> SaddlePoint:
    """m = q = 0, where it solves the equations."""
    t = temperature
    if t == 0.0 or (order == 2 and t <= 1.0 and alpha > 0.0):
        return SaddlePoint.missing(Status.NO_BRANCH)
    if c[1] > 0.0 and alpha > 0.0:
        # Kept coincident indices at odd P act as a random field: q > 0 at every T.
        return SaddlePoint.missing(Status.NO_BRANCH)
    beta = 1.0 / t
    entropic = -t * math.log(2.0)
    if order == 2:
        if alpha == 0.0:
            f, u, replicon = entropic, 0.0, 1.0
        else:
            d = 1.0 - beta
            # T log(1 - 1/T) -> -1 for T -> inf, where the load drops out.
            loaded = 0.0 if math.isinf(t) else 0.5 * alpha * (1.0 + t * math.log(d))
            f = entropic + loaded
            u = -0.5 * alpha * beta / d
            replicon = 1.0 - alpha * (beta / d) ** 2
    else:
        f = entropic - 0.5 * beta * alpha * covariance(c, 1.0)
        u = -beta * alpha * covariance(c, 1.0)
        replicon = 1.0 - beta * beta * alpha * second_derivative(c, 0.0)
    return SaddlePoint(0.0, 0.0, f, u, replicon, 0.0, 0.0, 0, Status.CLOSED_FORM)


def solve_spin_glass(order: int, alpha: float, temperature: float) -> SaddlePoint:
    """m = 0, q > 0 at P = 2: the one root sigma of sigma D = beta sqrt(alpha q).

    P >= 3 needs replica symmetry breaking, `analytics.dense.solve_glass`. Here
    q = <tanh**2 sigma z> and D = 1 - beta(1 - q); it exists below
    T_g = 1 + sqrt(alpha).
    """
    t = temperature
    if order != 2:
        return SaddlePoint.missing(Status.NEEDS_RSB)
    if alpha == 0.0 or t >= 1.0 + math.sqrt(alpha):
        return SaddlePoint.missing(Status.NO_BRANCH)
    if t == 0.0:
        u = -1.0 / math.pi - math.sqrt(2.0 * alpha / math.pi)
        return SaddlePoint(0.0, 1.0, u, u, -math.inf, 0.0, 0.0, 0, Status.CLOSED_FORM)
    n_iter = 0

    def mismatch(log_sigma: float) -> float:
        nonlocal n_iter
        n_iter += 1
        sigma = math.exp(log_sigma)
        x = tanh_averages_kernel(0.0, sigma).sech2
        return (t - x) - math.sqrt(alpha * _overlap(sigma, x)) / sigma

    # As sigma -> inf the mismatch tends to T; sigma T > sqrt(alpha) + 1 is enough.
    high = math.log(10.0 * (1.0 + math.sqrt(alpha)) / t)
    root = find_root(mismatch, math.log(1e-7), high)
    if not root.status.ok:
        return SaddlePoint.missing(Status.NOT_CONVERGED, n_iter=n_iter)
    sigma = math.exp(root.value)
    averages = tanh_averages_kernel(0.0, sigma)
    x = averages.sech2
    q = _overlap(sigma, x)
    d = 1.0 - x / t
    if d <= 0.0:
        return SaddlePoint.missing(Status.NOT_CONVERGED, n_iter=n_iter)
    noise = alpha * q / (d * d)
    again = tanh_averages_kernel(0.0, math.sqrt(noise) / t)
    residual = abs(again.sech2 - x)
    if not residual < 1e-9:
        return SaddlePoint.missing(
            Status.NOT_CONVERGED, n_iter=n_iter, residual=residual
        )
    c = np.array([0.0, 0.0, 0.5])
    f, u, replicon = thermodynamics(2, c, t, alpha, 0.0, averages)
    return SaddlePoint(
        0.0, q, f, u, replicon, residual, averages.error, n_iter, Status.CONVERGED
    )


def _overlap(sigma: float, sech2: float) -> float:
    """<tanh**2 sigma z> = 1 - <sech**2 sigma z>, with its digits where it is small.

    There by the power series of tanh (M. Abramowitz and I. A. Stegun, Handbook of
    Mathematical Functions (1964), eq. 4.5.64) and the moments 1, 3, 15, 105; the next
    term is below 1e-14 of the first.
    """
    if sigma < 0.01:
        v = sigma * sigma
        return v * (1.0 - v * (2.0 - v * (17.0 / 3.0 - v * 62.0 / 3.0)))
    return 1.0 - sech2
