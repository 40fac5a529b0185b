"""Slow twins of learning from examples: every outcome of every coin, listed."""

import itertools
import math
from fractions import Fraction

import numpy as np
import reference


def twin_of(protocol, model, eta):
    """Rows and their scale as the Hamiltonian has them, in exact numbers."""
    m, r, p = eta.shape[1], Fraction(model.lesson.quality), model.order
    rows, scale = eta.sum(axis=1, dtype=int), 1 / (r * m) ** p
    if protocol == "unsupervised":
        rows, scale = eta.reshape(-1, eta.shape[2]).astype(int), 1 / (m * r**p)
    gain = Fraction(model.gain)
    return reference.Network(rows, p, model.coincident, model.field, gain * scale)


class Sites:
    """All outcomes (xi, chi) of a site: K entries and M signs of each."""

    def __init__(self, n_patterns, dilution, n_examples, quality):
        p_entry = {-1: 0.5 * (1 - dilution), 0: dilution, 1: 0.5 * (1 - dilution)}
        p_sign = {-1: 0.5 * (1 - quality), 1: 0.5 * (1 + quality)}
        weight, entries, examples = [], [], []
        for xi in itertools.product((-1, 0, 1), repeat=n_patterns):
            for chi in itertools.product((-1, 1), repeat=n_patterns * n_examples):
                w = math.prod(p_entry[x] for x in xi)
                weight.append(w * math.prod(p_sign[c] for c in chi))
                entries.append(xi)
                signs = np.reshape(chi, (n_patterns, n_examples))
                examples.append(np.array(xi)[:, None] * signs)
        self.k, self.n_examples, self.quality = n_patterns, n_examples, quality
        self.weight = np.array(weight)
        self.xi = np.array(entries, dtype=float)
        self.eta = np.array(examples, dtype=float)
        self.etabar = self.eta.mean(axis=2) / quality
        self.rho = (1 - quality**2) / (n_examples * quality**2)
        self.gain = 1 / (1 + self.rho)

    def squash(self, field, temperature):
        if temperature > 0.0:
            return np.tanh(field / temperature)
        return np.where(abs(field) > 1e-12, np.sign(field), 0.0)

    def supervised(self, start, temperature, n_iter=3000):
        """(n, m, f) of the supervised equations, by iteration."""
        n = np.array(start, dtype=float)
        for _ in range(n_iter):
            field = self.gain * self.etabar @ n
            spin = self.weight * self.squash(field, temperature)
            n = spin @ self.etabar
        entropy = self._entropy_term(field, temperature)
        return n, spin @ self.xi, 0.5 * self.gain * n @ n - entropy

    def unsupervised(self, start, temperature, n_iter=3000):
        """(overlap with every example (K, M), m, Hessian) of the unsupervised ones.

        The Hessian of f over all K M overlaps is in units Gamma/(M r**2).
        """
        strength = self.gain / (self.n_examples * self.quality**2)
        overlap = np.array(start, dtype=float)
        for _ in range(n_iter):
            field = strength * np.einsum("ska,ka->s", self.eta, overlap)
            spin = self.weight * self.squash(field, temperature)
            overlap = np.einsum("s,ska->ka", spin, self.eta)
        rows = self.eta.reshape(self.weight.size, -1)
        slope = self.weight * (1 - np.tanh(field / temperature) ** 2) / temperature
        hessian = np.eye(rows.shape[1]) - strength * rows.T @ (slope[:, None] * rows)
        return overlap, spin @ self.xi, hessian

    def _entropy_term(self, field, temperature):
        if temperature == 0.0:
            return self.weight @ abs(field)
        y = abs(field) / temperature
        return temperature * self.weight @ (y + np.log1p(np.exp(-2 * y)))

    def one_step(self):
        """m_1 after one parallel update from the hierarchical archetype state."""
        first = np.argmax(self.xi != 0, axis=1)
        spin = self.xi[np.arange(self.weight.size), first]
        n = (self.weight * spin) @ self.etabar
        return self.weight * self.squash(self.etabar @ n, 0.0) @ self.xi[:, 0]


class GaussianSites:
    """K = 2 patterns whose averaged examples are xi (1 + sqrt(rho) z), on a grid.

    Uniform in z, and etabar as it is: no identity removes it.
    """

    def __init__(self, dilution, rho, reach=8.5, n_grid=341):
        z, step = np.linspace(-reach, reach, n_grid, retstep=True)
        w = step * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        z1, z2 = (part.ravel() for part in np.meshgrid(z, z, indexing="ij"))
        grid = np.multiply.outer(w, w).ravel()
        p_entry = {-1: 0.5 * (1 - dilution), 0: dilution, 1: 0.5 * (1 - dilution)}
        weight, entries, averages = [], [], []
        for a, b in itertools.product((-1, 0, 1), repeat=2):
            weight.append(p_entry[a] * p_entry[b] * grid)
            entries.append(np.tile([a, b], (grid.size, 1)))
            noisy = (a * (1 + math.sqrt(rho) * z1), b * (1 + math.sqrt(rho) * z2))
            averages.append(np.stack(noisy, axis=1))
        self.weight = np.concatenate(weight)
        self.xi = np.concatenate(entries).astype(float)
        self.etabar = np.concatenate(averages)
        self.gain = 1 / (1 + rho)

    def residual(self, state, temperature):
        """Mismatch of n, of m, and of the Hessian's eigenvalues."""
        y = self.gain * self.etabar @ state.n / temperature
        spin = self.weight * np.tanh(y)
        slope = self.weight * (1 - np.tanh(y) ** 2) * self.gain / temperature
        second = self.etabar.T @ (slope[:, None] * self.etabar)
        spectrum = self.gain * np.linalg.eigvalsh(np.eye(2) - second)
        return (
            spin @ self.etabar - state.n,
            spin @ self.xi - state.m,
            spectrum - state.hessian_eigenvalues,
        )
