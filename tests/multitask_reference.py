"""Multitasking networks the slow, obvious way: every class, one by one.

A law is a list of (probability, class); with fractions for d and m everything at T = 0
is exact, ties included.
"""

import itertools
import math
from fractions import Fraction

import numpy as np


def law_of_classes(k, d):
    """All 3**k classes with ((1-d)/2)**n d**(k-n)."""
    law = []
    for xi in itertools.product((-1, 0, 1), repeat=k):
        n = sum(abs(entry) for entry in xi)
        law.append((((1 - d) / 2) ** n * d ** (k - n), xi))
    return law


def field(xi, m):
    return sum(a * b for a, b in zip(xi, m, strict=True))


def free_energy(law, m, t, gain=1.0):
    f = 0.5 * gain * sum(a * a for a in m)
    for weight, xi in law:
        h = abs(gain * field(xi, m))
        f -= weight * (h + t * math.log1p(math.exp(-2.0 * h / t)))
    return f


def image(law, m, t, gain=1.0):
    """E[xi tanh(gain xi.m/t)]."""
    new = [0.0] * len(m)
    for weight, xi in law:
        tanh = math.tanh(gain * field(xi, m) / t)
        new = [a + weight * entry * tanh for a, entry in zip(new, xi, strict=True)]
    return new


def image_cold(law, m):
    """E[xi sign(xi.m)] with sign(0) = 0; exact for fractions."""
    new = [Fraction(0)] * len(m)
    for weight, xi in law:
        h = field(xi, m)
        sign = (h > 0) - (h < 0)
        new = [a + weight * entry * sign for a, entry in zip(new, xi, strict=True)]
    return new


def iterate(law, m, t, gain=1.0, n=5000):
    for _ in range(n):
        m, old = image(law, m, t, gain), m
        if max(abs(a - b) for a, b in zip(m, old, strict=True)) < 1e-15:
            break
    return m


def iterate_cold(law, m):
    """The fixed point and whether a class with an entry has zero field there."""
    old = None
    while m != old:
        m, old = image_cold(law, m), m
    tied = any(weight > 0 and any(xi) and field(xi, m) == 0 for weight, xi in law)
    return m, tied


def hessian(law, m, t, gain=1.0, h=1e-4):
    """Second differences of the free energy, fourth order in h."""
    k = len(m)
    matrix = np.empty((k, k))

    def f(i, a, j, b):
        point = list(m)
        point[i] += a * h
        point[j] += b * h
        return free_energy(law, point, t, gain)

    rule = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
    for i in range(k):
        for j in range(k):
            matrix[i, j] = sum(
                ca * cb * f(i, a, j, b) for a, ca in rule for b, cb in rule
            ) / (h * h)
    return matrix


def curvature(law, m, t, gain=1.0):
    """E[xi xi^T (1 - tanh^2)]."""
    c = np.zeros((len(m), len(m)))
    for weight, xi in law:
        c += weight * np.outer(xi, xi) / math.cosh(gain * field(xi, m) / t) ** 2
    return c
