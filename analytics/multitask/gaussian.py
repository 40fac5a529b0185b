"""The law of many noisy examples: Gaussian entries around the archetype.

With a large number M of examples their mean, in units r, is xi (1 + sqrt(rho) z) with
one standard Gaussian z per entry, rho = (1 - r**2)/(M r**2). Divided by
sqrt(1 + rho) it has the mean square 1 on the support: e = xi (c + sigma z). Given the
class xi, the field e.u is Gaussian with mean c xi.u and variance
sigma**2 sum xi**2 u**2, and everything is a one-dimensional average of tanh and its
derivatives; entries e_mu in front of them are removed by Stein's identity.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytics.gauss import tanh_averages_kernel
from analytics.multitask.law import list_classes
from analytics.multitask.moments import Moments
from statmech.jit import kernel

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Beyond this many thermal widths the second derivative is taken from its expansion
# at low temperature, exact to the inverse fourth power; the difference of two
# averages, which it is otherwise, loses the square.
_COLD = 300.0
# Beyond this many the limit T -> 0 is exact to rounding.
_FROZEN = 1e8


@kernel
def field_averages(mean, width, tau, out):
    """Averages over y = (mean + width z)/tau, z standard Gaussian, into out (6, n).

    Rows: E tanh y; its first, second and third derivative by the mean; tau E log 2cosh
    y; error of the first and of the second. tau = 0 is legal, and there width = 0 too,
    where derivatives count as 0.
    """
    for j in range(mean.shape[0]):
        a = mean[j]
        s = width[j]
        z = 0.0
        density = 0.0
        third = 0.0
        if s > tau * _COLD:
            # Density at zero field and its derivatives.
            z = a / s
            density = 0.3989422804014327 * math.exp(-0.5 * z * z) / s
            bend = density * (z * z - 1.0) / (s * s)
            fourth = density * (z**4 - 6.0 * z * z + 3.0) / s**4
            third = 2.0 * bend + 0.8224670334241132 * tau * tau * fourth  # pi**2/12
        if s > tau * _FROZEN:
            t = math.erf(z * 0.7071067811865476)
            out[0, j] = t
            out[1, j] = 2.0 * density
            out[2, j] = -2.0 * density * z / s
            out[4, j] = a * t + 2.0 * s * s * density
            out[5, j] = 0.0
        elif tau == 0.0:
            out[0, j] = np.sign(a)
            out[1, j] = 0.0
            out[2, j] = 0.0
            out[4, j] = abs(a)
            out[5, j] = 0.0
        else:
            found = tanh_averages_kernel(a / tau, s / tau)
            out[0, j] = found.tanh
            out[1, j] = found.sech2 / tau
            out[2, j] = -2.0 * found.tanh_sech2 / tau / tau
            if s <= tau * _COLD:
                third = (4.0 * found.sech2 - 6.0 * found.sech4) / tau / tau / tau
            out[4, j] = tau * found.log_2cosh
            # Its rounding of a large logarithm is not one of tanh.
            lost = found.error - 4e-16 * found.log_2cosh
            out[5, j] = max(lost, 4e-16) * (1.0 + 1.0 / max(tau, s))
        out[3, j] = third


class GaussianLaw:
    """What a site sees of K patterns with infinitely many weak examples, rho > 0.

    Parameters
    ----------
    n_patterns : int
        K <= 12.
    dilution : float
        d.
    rho : float
        Dataset entropy (1 - r**2)/(M r**2).
    """

    def __init__(self, n_patterns: int, dilution: float, rho: float):
        self.n_patterns = n_patterns
        self.scale = 1.0 - dilution
        classes = list_classes(n_patterns, dilution)
        self._xi = classes.xi.astype(np.float64)
        self._square = self._xi * self._xi
        self._weight, self._blank = classes.weight, classes.blank
        self.centre = 1.0 / math.sqrt(1.0 + rho)
        self.noise = math.sqrt(rho / (1.0 + rho))

    def is_smooth(self, tau: float) -> bool:
        return True

    def _averages(self, u: Vector, tau: float) -> Matrix:
        mean = self.centre * (self._xi @ u)
        width = self.noise * np.sqrt(self._square @ (u * u))
        out = np.empty((6, mean.size))
        field_averages(mean, width, tau, out)
        return out

    def image(self, u: Vector, tau: float) -> Vector:
        t, slope = self._averages(u, tau)[:2]
        return self._image(u, self._weight * t, self._weight * slope)

    def _image(self, u: Vector, t: Vector, slope: Vector) -> Vector:
        """E[e tanh]: the noise part of e acts by the slope of tanh."""
        signal = self.centre * (t @ self._xi)
        return signal + self.noise**2 * u * (slope @ self._square)

    def moments(self, u: Vector, tau: float) -> Moments:
        averages = self._weight * self._averages(u, tau)
        t, slope, bend, third, log_term, error = averages
        c, noise, xi, square = self.centre, self.noise, self._xi, self._square
        support = slope @ square
        # E[xi_mu e_nu g] and E[e_mu e_nu g], e_mu e_nu expanded in c and noise.
        plain = xi.T @ (slope[:, None] * xi)
        tilted = xi.T @ (bend[:, None] * square) * u
        bent = np.outer(u, u) * (square.T @ (third[:, None] * square))
        cross = c * plain + noise**2 * tilted
        second = c * c * plain + c * noise**2 * (tilted + tilted.T)
        second += noise**4 * bent + noise**2 * np.diag(support)
        lost = float(error.sum())
        if tau > 0.0:
            flat = float(slope.sum()) + self._blank / tau
            lost *= max(1.0, float(np.abs(u).max(initial=0.0)))
        else:
            flat = math.inf if self._blank > 0.0 else float(slope.sum())
        return Moments(
            image=self._image(u, t, slope),
            m=t @ xi,
            second=second,
            cross=cross,
            spread=support,
            flat=flat,
            log_term=float(log_term.sum()) + tau * math.log(2.0) * self._blank,
            tied=np.zeros(second.shape),
            quadrature_error=lost,
        )
