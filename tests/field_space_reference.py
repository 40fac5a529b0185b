"""Slow twins of the field-space measure: its law by quadrature, its moves one by one.

Written from the formulas, with scipy's ln Phi; nothing is kept from move to move.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.special import log_ndtr, xlogy


def divergence(m, m1):
    """KL(m || m1), (..., N) -> (...)."""
    up, down = (1.0 + m) / 2.0, (1.0 - m) / 2.0
    cost = xlogy(up, (1.0 + m) / (1.0 + m1)) + xlogy(down, (1.0 - m) / (1.0 - m1))
    return cost.sum(axis=-1)


def loss(m, rows, variance=None):
    """-sum_mu ln Phi(u_mu) of m (..., N), rows (P, N) being y x."""
    n = m.shape[-1]
    if variance is None:
        variance = 1.0 - (m * m).sum(axis=-1) / n
    scale = np.sqrt(np.maximum(variance, 1e-12))
    return -log_ndtr(m @ rows.T / math.sqrt(n) / scale[..., None]).sum(axis=-1)


class Measure:
    """The weight of m: what is learnt, how strictly, and how near to the reference.

    `bug` plants one: the variance of the old m for the new one; a step that is clipped
    and not reflected; beta twice; the divergence with the wrong sign.
    """

    def __init__(self, rows, beta, gamma=0.0, m1=None, bug=""):
        self.rows = np.asarray(rows, dtype=np.float64)
        self.beta, self.gamma, self.bug = beta, gamma, bug
        self.m1 = np.zeros(self.rows.shape[1]) if m1 is None else m1

    def cost(self, m, variance=None):
        """Minus the log weight."""
        twice = 2.0 if self.bug == "beta twice" else 1.0
        sign = -1.0 if self.bug == "divergence" else 1.0
        pull = sign * self.beta * self.gamma * divergence(m, self.m1)
        return twice * self.beta * loss(m, self.rows, variance) + pull

    def moments(self, nodes):
        """(<m_i>, <m_i^2>, <sign m_i>, <loss>, <KL>) by tensor Gauss-Legendre.

        Each half of an axis has `nodes`, so that sign(m) is constant on it.
        """
        n = self.rows.shape[1]
        x, w = np.polynomial.legendre.leggauss(nodes)
        x, w = np.concatenate([x - 1.0, x + 1.0]) / 2.0, np.tile(w, 2)
        m = np.stack(np.meshgrid(*[x] * n, indexing="ij"), axis=-1).reshape(-1, n)
        law = functools.reduce(np.multiply.outer, [w] * n).ravel()
        law = law * np.exp(-self.cost(m))
        law /= law.sum()
        once = [law @ m, law @ (m * m), law @ np.sign(m)]
        return np.concatenate(
            [*once, [law @ loss(m, self.rows), law @ divergence(m, self.m1)]]
        )

    def start(self, n_chains, draw):
        """(n_chains, N) from the law itself, by rejection."""
        n = self.rows.shape[1]
        found = []
        while sum(map(len, found)) < n_chains:
            m = draw.uniform(-1.0, 1.0, (n_chains, n))
            found.append(m[draw.uniform(size=n_chains) < np.exp(-self.cost(m))])
        return np.concatenate(found)[:n_chains]

    def trial(self, m, i, width, step, coin):
        """Move site i of all chains m (R, N) by two uniforms each, in place."""
        new = m.copy()
        new[:, i] += width * (2.0 * step - 1.0)
        if self.bug == "clip":
            new[:, i] = np.clip(new[:, i], -1.0, 1.0)
        else:
            high, low = new[:, i] > 1.0, new[:, i] < -1.0
            new[high, i] = 2.0 - new[high, i]
            new[low, i] = -2.0 - new[low, i]
        variance = None
        if self.bug == "variance":
            variance = 1.0 - (m * m).mean(axis=-1)
        cost = self.cost(new, variance) - self.cost(m)
        accept = coin < np.exp(np.minimum(-cost, 0.0))
        m[accept] = new[accept]
        return accept
