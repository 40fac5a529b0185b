"""Slow twins of the theory of the binary perceptron: textbook formulas, one by one.

Everything is written with H(a), a = (kappa + sqrt(q) z) / sqrt(1 - q), as printed by
Krauth and Mezard (1989), and with scipy's distribution functions.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from statmech.errors import check_integer

SQRT_2PI = math.sqrt(2.0 * math.pi)


def gauss(f, places=()):
    """int Dz f(z) by adaptive quadrature, cut at `places`."""
    inside = sorted(p for p in places if -9.9 < p < 9.9)
    total = 0.0
    for low, high in itertools.pairwise([-10.0, *inside, 10.0]):
        value, _ = quad(
            lambda z: math.exp(-0.5 * z * z) / SQRT_2PI * f(z),
            low,
            high,
            epsabs=1e-13,
            epsrel=1e-12,
            limit=400,
        )
        total += value
    return total


def weight(a, beta):
    """exp(-beta) + (1 - exp(-beta)) H(a)."""
    floor = math.exp(-beta)
    return floor + (1.0 - floor) * float(ndtr(-a))


def log_weight(a, beta):
    if beta == math.inf:
        return float(log_ndtr(-a))
    return math.log(weight(a, beta))


def log_slope(a, beta):
    """-d ln weight / da."""
    if beta == math.inf:
        return math.exp(-0.5 * a * a - float(log_ndtr(-a))) / SQRT_2PI
    density = math.exp(-0.5 * a * a) / SQRT_2PI
    return (1.0 - math.exp(-beta)) * density / weight(a, beta)


def teacher_weight(z, q, r):
    """2 H(-R z / sqrt(q - R**2)): 1 without a teacher, R = 0."""
    return 1.0 if r == 0.0 else 2.0 * float(ndtr(r * z / math.sqrt(q - r * r)))


def places(q, kappa):
    """Where the functions of z switch: fine steps about a = 0."""
    width = math.sqrt((1.0 - q) / q)
    centre = -kappa / math.sqrt(q)
    return [centre + k * width for k in (-8, -2, 0, 2, 8)]


def argument(z, q, kappa):
    # The textbook's field is the negative of ours: z -> -z is a symmetry of Dz.
    return (kappa - math.sqrt(q) * z) / math.sqrt(1.0 - q)


def equations(q, r, alpha, beta, kappa=0.0):
    """(q_hat, R_hat) of the overlaps."""
    q_hat = alpha * gauss(
        lambda z: teacher_weight(z, q, r) * log_slope(argument(z, q, kappa), beta) ** 2,
        places(q, kappa),
    )
    q_hat /= 1.0 - q
    if r == 0.0:
        return q_hat, 0.0
    spread = math.sqrt(q - r * r)
    r_hat = gauss(lambda t: log_slope(-spread * t / math.sqrt(1.0 - q), beta))
    return q_hat, 2.0 * alpha * r_hat / (SQRT_2PI * math.sqrt(1.0 - q))


def overlaps(q_hat, r_hat):
    """(q, R) of the fields."""
    root = math.sqrt(q_hat)
    q = gauss(lambda z: math.tanh(root * z + r_hat) ** 2)
    return q, gauss(lambda z: math.tanh(root * z + r_hat)) if r_hat else 0.0


def free_entropy(q, r, q_hat, r_hat, alpha, beta, kappa=0.0):
    """f at any values of the four order parameters."""
    root = math.sqrt(q_hat)
    entropic = gauss(lambda z: math.log(2.0 * math.cosh(root * z + r_hat)))
    energetic = gauss(
        lambda z: teacher_weight(z, q, r) * log_weight(argument(z, q, kappa), beta),
        places(q, kappa),
    )
    return -0.5 * q_hat * (1.0 - q) - r * r_hat + entropic + alpha * energetic


def errors(q, r, alpha, beta, kappa=0.0):
    """Misclassified patterns per weight."""

    def wrong(z):
        a = argument(z, q, kappa)
        share = math.exp(-beta) * float(ndtr(a)) / weight(a, beta)
        return teacher_weight(z, q, r) * share

    return alpha * gauss(wrong, places(q, kappa))


def derivative(f, x, h):
    """f'(x) to order h**4."""
    near = f(x + h) - f(x - h)
    far = f(x + 2.0 * h) - f(x - 2.0 * h)
    return (8.0 * near - far) / (12.0 * h)


def iterate(alpha, beta, start, n_steps):
    """(q, R) after plain iteration of the equations from (start, start).

    On a trapezoid, which is spectrally accurate while 1 - q is not small.
    """
    z = np.linspace(-10.0, 10.0, 2001)
    measure = np.exp(-0.5 * z * z) / SQRT_2PI * (z[1] - z[0])
    floor = math.exp(-beta)

    def slope(v):
        density = np.exp(-0.5 * v * v) / SQRT_2PI
        return (1.0 - floor) * density / (floor + (1.0 - floor) * ndtr(v))

    q, r = 0.5 * start, start**2
    for _ in range(n_steps):
        gap, spread = 1.0 - q, math.sqrt(q - r * r)
        seen = 2.0 * ndtr(r * z / spread)
        q_hat = alpha / gap * (measure @ (seen * slope(math.sqrt(q / gap) * z) ** 2))
        mean = measure @ slope(spread / math.sqrt(gap) * z)
        r_hat = 2.0 * alpha / (SQRT_2PI * math.sqrt(gap)) * mean
        y = np.tanh(math.sqrt(q_hat) * z + r_hat)
        q, r = float(measure @ y**2), float(measure @ y)
        if 1.0 - q < 1e-3:
            break
    return q, r


def enumerated_free_entropy(n_weights, n_patterns, beta, n_samples, seed, teacher):
    """ln Z / N of all 2**N students, (n_samples,), by enumeration.

    Labels of a teacher (all weights +1, by symmetry) or of coins; Gaussian patterns,
    for which no field is zero.
    """
    n = check_integer("n_weights", n_weights, 1, 20)
    bits = np.arange(2**n)[:, None] >> np.arange(n)
    students = (2.0 * (bits & 1) - 1.0).astype(np.float32)
    rng = np.random.default_rng(seed)
    found = np.empty(n_samples)
    for k in range(n_samples):
        x = rng.standard_normal((n_patterns, n)).astype(np.float32)
        labels = x.sum(axis=1) if teacher else rng.choice([-1.0, 1.0], n_patterns)
        x *= np.sign(labels).astype(np.float32)[:, None]
        wrong = (students @ x.T < 0.0).sum(axis=1)
        counts = np.bincount(wrong, minlength=n_patterns + 1)
        energies = np.arange(n_patterns + 1)
        found[k] = math.log(float(counts @ np.exp(-beta * energies))) / n
    return found
