"""Damping of natural parameters: theta <- (1 - eta) theta + eta (Phi q + b).

With q = softmax(theta) this is mirror descent of the free energy with entropy for its
distance. Relative to entropy the free energy is (1 + |lambda_min| / 2)-smooth on the
tangent space, so that it falls at every step with eta <= 1 / (1 + |lambda_min| / 2).
"""

from __future__ import annotations

import numpy as np

from statmech.monotone.iteration import Method, Work, rounding, steps


class Damping(Method):
    """Steps of the spectral optimum, and of the guaranteed size once they fail.

    They fail where the free energy grows: then the sample goes back and takes
    guaranteed steps from there on.
    """

    arrays = ("theta", "old", "change", "eta", "entropy", "value")

    def __init__(self, *, guaranteed: bool = False) -> None:
        self.guaranteed = guaranteed

    def begin(self, work: Work) -> None:
        best, self.safe = steps(work.model)
        n_rows = work.q.shape[0]
        self.theta = work.natural()
        self.old, self.change = self.theta.copy(), np.zeros_like(self.theta)
        self.eta = np.full(n_rows, self.safe if self.guaranteed else best)
        self.value = np.full(n_rows, np.inf)
        self.entropy = work.enter(self.theta)

    def advance(self, work: Work) -> None:
        value = self.entropy - work.energy
        noise = rounding(self.entropy, work.energy, work.q.shape[1])
        worse = (value > self.value + noise) & (self.eta > self.safe)
        change = work.change(self.theta)
        if worse.any():
            self.eta[worse] = self.safe
            self.theta[worse], change[worse] = self.old[worse], self.change[worse]
            value[worse] = self.value[worse]
        self.value = value
        self.old, self.change = self.theta, change
        self.theta = self.theta + self.eta[:, None] * change
        self.entropy = work.enter(self.theta)
