"""Slow twins of one-step replica symmetry breaking: the free energy as it is written.

Averages by Gauss-Legendre on equal panels in both Gaussian variables, or by scipy's
adaptive quadrature; nothing is taken out in closed form and no equation is solved.
"""

import itertools
import math

import numpy as np
from dense_theory import log_2cosh
from numpy.polynomial import Polynomial
from scipy.integrate import quad
from scipy.special import ndtr

_X, _W = np.polynomial.legendre.leggauss(16)


def gaussian_rule(n_panels, reach=9.0):
    edges = np.linspace(-reach, reach, n_panels + 1)
    half, middle = np.diff(edges) / 2.0, (edges[1:] + edges[:-1]) / 2.0
    z = (middle[:, None] + half[:, None] * _X).ravel()
    w = (half[:, None] * _W).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z, w


def distinct(order, alpha):
    """C(q) of distinct indices."""
    return Polynomial([0.0] * order + [alpha * math.factorial(order - 1) / order])


def legendre(c, q):
    return q * c.deriv()(q) - c(q)


def log_cosh_power(field, spread, x, temperature):
    """log of the average of (2 cosh(h/T))**x by adaptive quadrature."""

    def exponent(z):
        h = field + spread * z
        return x * log_2cosh(h / temperature) - 0.5 * z * z

    top = max(exponent(z) for z in np.linspace(-40.0, 40.0, 4001))
    turn = -field / spread if spread else 0.0
    total = 0.0
    for low, high in ((-40.0, turn), (turn, 40.0)):
        cuts = np.linspace(low, high, 9)
        for a, b in itertools.pairwise(cuts):
            total += quad(
                lambda z: math.exp(exponent(z) - top), a, b, epsabs=0, epsrel=1e-13
            )[0]
    return top + math.log(total / math.sqrt(2.0 * math.pi))


def glass_free_energy(c, temperature, q1, x, n_panels=40):
    """f at m = q0 = 0, distinct indices or any even covariance."""
    beta = 1.0 / temperature
    z, w = gaussian_rule(n_panels, 14.0)
    power = x * log_2cosh(beta * math.sqrt(c.deriv()(q1)) * z)
    entropic = (power.max() + math.log(w @ np.exp(power - power.max()))) / x
    rest = c(1.0) - c.deriv()(q1) + (1.0 - x) * legendre(c, q1)
    return -temperature * entropic - 0.5 * beta * rest


def retrieval_free_energy(c, order, temperature, m, q0, q1, x, n_panels=(24, 40)):
    """f of retrieval with q0 <= q1 at T > 0."""
    beta = 1.0 / temperature
    slope = c.deriv()
    z0, w0 = gaussian_rule(n_panels[0])
    z1, w1 = gaussian_rule(n_panels[1], 11.0)  # the weight shifts by up to 1.5
    field = m ** (order - 1) + math.sqrt(slope(q0)) * z0
    spread = math.sqrt(max(slope(q1) - slope(q0), 0.0))
    power = x * log_2cosh(beta * (field[:, None] + spread * z1))
    top = power.max(axis=1)
    log_z = top + np.log(np.exp(power - top[:, None]) @ w1)
    rest = c(1.0) - slope(q1) + (1.0 - x) * legendre(c, q1) + x * legendre(c, q0)
    entropic = temperature * float(w0 @ log_z) / x
    return (1.0 - 1.0 / order) * m**order - entropic - 0.5 * beta * rest


def cold_retrieval_free_energy(c, order, m, q0, y, n_panels=60):
    """f of retrieval with q0 < q1 = 1 at T = 0."""
    slope = c.deriv()
    variance = slope(1.0) - slope(q0)
    deviation = math.sqrt(variance)
    z0, w0 = gaussian_rule(n_panels)
    h = m ** (order - 1) + math.sqrt(slope(q0)) * z0
    log_z = 0.5 * y * y * variance + np.log(
        np.exp(y * h) * ndtr((h + y * variance) / deviation)
        + np.exp(-y * h) * ndtr((-h + y * variance) / deviation)
    )
    rest = slope(1.0) - c(1.0) - legendre(c, q0)
    return -float(w0 @ log_z) / y + (1.0 - 1.0 / order) * m**order + 0.5 * y * rest


def gradient(f, point, h=1e-4):
    """By central differences of fourth order: error h**4 and rounding/h."""
    result = []
    for k in range(len(point)):
        values = []
        for step in (-2.0, -1.0, 1.0, 2.0):
            moved = list(point)
            moved[k] += step * h
            values.append(f(*moved))
        a, b, c, d = values
        result.append((a - 8.0 * b + 8.0 * c - d) / (12.0 * h))
    return np.array(result)
