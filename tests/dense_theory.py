"""Replica-symmetric theory of dense Hebbian networks, against independent witnesses.

The witness solves the saddle-point equations by damped iteration from m = 1 with a
quadrature of its own (Gauss-Legendre in z, cut where the tanh turns) and takes the
crosstalk from the Hermite expansion done by numpy. Tables come from separate solvers.
"""

import itertools
import math

import numpy as np
from numpy.polynomial import Polynomial, hermite_e
from scipy.integrate import quad

ORDERS = (2, 3, 4, 5, 6)


VERSIONS = ("exclude", "keep")


_X, _WX = np.polynomial.legendre.leggauss(20)


def gaussian_rule(signal, width, temperature):
    """Nodes and weights in z for averages of functions of (signal + width z)/T."""
    turns = (np.array([-20, -8, -4, -2, -1, 0, 1, 2, 4, 8, 20]) * temperature) - signal
    cuts = np.concatenate([np.arange(-10.0, 11.0), turns / width if width else []])
    cuts = np.unique(cuts[abs(cuts) <= 10.0])
    half, middle = np.diff(cuts) / 2.0, (cuts[1:] + cuts[:-1]) / 2.0
    z = (middle[:, None] + half[:, None] * _X).ravel()
    w = (half[:, None] * _WX).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z, w


def log_2cosh(y):
    return abs(y) + np.log1p(np.exp(-2.0 * abs(y)))


class Witness:
    """The equations at one point; noise_factor scales the deviation of the noise."""

    def __init__(self, order, alpha, temperature, coincident, noise_factor=1.0):
        self.order, self.alpha, self.t = order, alpha, temperature
        self.factor = noise_factor
        h = hermite_e.poly2herme([0.0] * order + [1.0])
        terms = [h[k] ** 2 * math.factorial(k) / order**2 for k in range(order + 1)]
        terms[0] = 0.0
        if coincident == "exclude" or order == 2:
            terms = [0.0] * order + [terms[-1]]
        self.c = Polynomial(terms)
        self.kept_constant = (
            -0.5 * alpha if order == 2 and coincident == "keep" else 0.0
        )

    def noise(self, q):
        """Delta, the variance of the crosstalk field."""
        if self.order == 2:
            delta = self.alpha * q / (1.0 - (1.0 - q) / self.t) ** 2
        else:
            delta = self.alpha * self.c.deriv()(q)
        return self.factor**2 * delta

    def image(self, m, q):
        signal, width = m ** (self.order - 1), math.sqrt(self.noise(q))
        z, w = gaussian_rule(signal, width, self.t)
        tanh = np.tanh((signal + width * z) / self.t)
        return np.array([w @ tanh, w @ tanh**2])

    def iterate(self, m=1.0, q=1.0, n_iter=4000, damping=0.4):
        """Damped iteration; nan if it has not settled."""
        x = np.array([m, q])
        for _ in range(n_iter):
            new = damping * x + (1.0 - damping) * self.image(*x)
            step = abs(new - x).max()
            x = new
            if step < 1e-15:
                break
        return x if step < 1e-13 else np.array([math.nan, math.nan])

    def free_energy(self, m, q):
        """The functional that is stationary at the solution."""
        signal, width = m ** (self.order - 1), math.sqrt(self.noise(q))
        p, a, t = self.order, self.alpha, self.t

        def integrand(z):
            return log_2cosh((signal + width * z) / t) * math.exp(-0.5 * z * z)

        turns = [(-signal + k * t) / width for k in (-10, -3, 0, 3, 10)]
        cuts = [-10.0, *sorted(z for z in turns if abs(z) < 10.0), 10.0]
        entropic = sum(
            quad(integrand, low, high, epsabs=1e-14, epsrel=1e-13)[0]
            for low, high in itertools.pairwise(cuts)
        ) / math.sqrt(2.0 * math.pi)
        if p == 2:
            x = (1.0 - q) / t
            noise_terms = (
                0.5
                * a
                * (1.0 + t * math.log(1.0 - x) - q / (1.0 - x) + q * x / (1.0 - x) ** 2)
            )
            return 0.5 * m * m + noise_terms - t * entropic + self.kept_constant
        rest = self.c(1.0) - self.c(q) - (1.0 - q) * self.c.deriv()(q)
        return (1.0 - 1.0 / p) * m**p - t * entropic - 0.5 * a * rest / t
