"""Learning from noisy examples at high load, a slow twin of `analytics.dense.learning`.

All M + 1 values of the mean of the examples with binomial probabilities, the crosstalk
from the M x M correlations of the examples, averages over z by a rule of its own, and
plain damped iteration from W = E|v|.
"""

import math

import numpy as np
from dense_theory import gaussian_rule, log_2cosh
from numpy.polynomial import Polynomial, hermite_e
from scipy.integrate import quad
from scipy.stats import binom, norm


class Twin:
    """The equations at one point."""

    def __init__(
        self,
        order,
        alpha,
        temperature,
        n_examples,
        quality,
        protocol="supervised",
        etabar="binomial",
        coincident="exclude",
    ):
        self.order, self.alpha, self.t = order, alpha, temperature
        self.m, self.r = n_examples, quality
        self.protocol, self.coincident = protocol, coincident
        self.square = quality**2 + (1 - quality**2) / n_examples
        self.rho = (1 - quality**2) / (n_examples * quality**2)
        if etabar == "binomial":
            right = np.arange(n_examples + 1)
            self.v = (2 * right - n_examples) / (n_examples * math.sqrt(self.square))
            self.p = binom.pmf(right, n_examples, (1 + quality) / 2)
        else:
            g = np.arange(-9.0, 9.01, 0.1)
            self.v = (1 + math.sqrt(self.rho) * g) / math.sqrt(1 + self.rho)
            self.p = norm.pdf(g) / norm.pdf(g).sum()
        # Correlations of two examples of an archetype, per site.
        same = np.eye(n_examples)
        self.pairs = same + (1 - same) * quality**2
        if protocol == "supervised":
            self.pairs = np.eye(1)
        h = hermite_e.poly2herme([0.0] * order + [1.0])
        terms = [0.0] * (order + 1)
        scale = 1.0 if protocol == "supervised" else self.square**order
        for k in range(1, order + 1):
            if h[k] and (k == order or coincident == "keep"):
                size = h[k] ** 2 * math.factorial(k) / order**2
                terms[k] = size * np.mean(self.pairs**k) / scale
        self.c = Polynomial(terms)
        scale = 1.0 if protocol == "supervised" else n_examples * self.square
        self.eigenvalues = np.linalg.eigvalsh(self.pairs) / scale

    def noise(self, q):
        """Delta."""
        if self.order > 2:
            return self.alpha * self.c.deriv()(q)
        d = 1 - self.eigenvalues * (1 - q) / self.t
        return self.alpha * np.sum(self.eigenvalues**2 * q / d**2)

    def average(self, f, w, q):
        """E f(v, field/T)."""
        width = math.sqrt(self.noise(q))
        total = 0.0
        for v, p in zip(self.v, self.p, strict=True):
            z, weight = gaussian_rule(v * w ** (self.order - 1), width, self.t)
            y = (v * w ** (self.order - 1) + width * z) / self.t
            total += p * (weight @ f(v, y))
        return total

    def average_by_quad(self, f, w, q):
        """The same by adaptive integration of one value of v after the other."""
        width = math.sqrt(self.noise(q))
        total = 0.0
        for v, p in zip(self.v, self.p, strict=True):
            signal = v * w ** (self.order - 1)

            def integrand(z, v=v, signal=signal):
                return norm.pdf(z) * f(v, (signal + width * z) / self.t)

            turn = np.clip(-signal / width, -9.5, 9.5)
            ends = {"points": [turn], "limit": 400, "epsabs": 1e-12}
            total += p * quad(integrand, -10.0, 10.0, **ends)[0]
        return total

    def image(self, w, q):
        new_w = self.average(lambda v, y: v * np.tanh(y), w, q)
        return np.array([new_w, self.average(lambda v, y: np.tanh(y) ** 2, w, q)])

    def iterate(self, n_iter=3000, damping=0.4):
        """(W, q) by damped iteration; nan if it has not settled."""
        x = np.array([self.p @ abs(self.v), 1.0])
        for _ in range(n_iter):
            new = damping * x + (1 - damping) * self.image(*x)
            step = abs(new - x).max()
            x = new
            if step < 1e-14:
                return x
        return np.array([math.nan, math.nan])

    def m_at(self, w, q):
        # xi etabar and the sign of the field go together: E tanh(y).
        return self.average(lambda v, y: np.tanh(y), w, q)

    def free_energy(self, w, q):
        log_z = self.average(lambda v, y: log_2cosh(y), w, q)
        f = -self.t * log_z + (1 - 1 / self.order) * w**self.order
        x = 1 - q
        if self.order > 2:
            c, slope = self.c, self.c.deriv()
            return f - self.alpha / (2 * self.t) * (c(1) - c(q) - x * slope(q))
        lam = self.eigenvalues
        d = 1 - lam * x / self.t
        f += self.alpha / 2 * np.sum(self.t * np.log(d) - lam * q / d)
        f += self.noise(q) * x / (2 * self.t)
        # The terms i = j of -(N/2) sum_k lambda_k (overlap_k)**2.
        return f + (self.alpha / 2 * lam.sum() if self.coincident == "exclude" else 0)

    def replicon(self, w, q):
        sech4 = self.average(lambda v, y: np.cosh(np.clip(y, -300, 300)) ** -4.0, w, q)
        if self.order > 2:
            curved = self.c.deriv(2)(q)
        else:
            lam = self.eigenvalues
            curved = np.sum((lam / (1 - lam * (1 - q) / self.t)) ** 2)
        return 1 - self.alpha / self.t**2 * curved * sech4

    def example_jacobian(self, w, q):
        """Derivative of E[eta_a tanh] with respect to the overlaps of M examples.

        All 2**M sets of signs of the examples of one entry, at the symmetric state.
        """
        signs = 2 * ((np.arange(2**self.m)[:, None] >> np.arange(self.m)) & 1) - 1
        right = (signs == 1).sum(axis=1)
        p = ((1 + self.r) / 2) ** right * ((1 - self.r) / 2) ** (self.m - right)
        width = math.sqrt(self.noise(q))
        overlap = math.sqrt(self.square) * w
        factor = self.square ** (-self.order / 2) / self.m
        total = np.zeros((self.m, self.m))
        for row, weight in zip(signs, p, strict=True):
            signal = factor * overlap ** (self.order - 1) * row.sum()
            z, rule = gaussian_rule(signal, width, self.t)
            sech2 = (
                rule @ np.cosh(np.clip((signal + width * z) / self.t, -300, 300)) ** -2
            )
            total += weight * sech2 * np.outer(row, row)
        return factor * (self.order - 1) * overlap ** (self.order - 2) / self.t * total
