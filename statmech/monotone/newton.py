"""Newton steps for mean field, each solved by conjugate gradients.

With J = B B^T the Jacobian of the block softmax, B = diag(sqrt q) Pi, the step solves
M y = B^T f, M = 1 - B^T Phi B and f = Phi q + b - log q: dq = B y to first order, taken
in natural parameters, d theta = f + Phi B y, so that nothing is divided by q. The
spectrum of M is in [1 - lambda_max / 2, 1 + |lambda_min| / 2].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from statmech.kernels.fixed_point import project
from statmech.monotone.iteration import Method, Work, rounding, steps

Array = NDArray[np.float64]

# The equations of a step are solved to min(0.1, residual).
_LOOSEST, _TIGHTEST = 0.1, 1e-10
# Conjugate gradients end after d - n products but for rounding.
_MOST_PER_ENTRY = 10
# A step has to lower the free energy by this part of what its slope promises.
_ARMIJO = 1e-4
_SHORTER = 0.25
# Below it the direction is given up for a step of guaranteed size.
_SHORTEST = 1e-3


class Newton(Method):
    """Damped Newton: a step is shortened until the free energy falls.

    Where M has a negative curvature the conjugate gradients end before it, with a
    direction in which the free energy falls; steps along such directions become twice
    as long as long as it does.
    """

    arrays = (
        *("theta", "base", "change", "move", "length", "entropy", "value", "slope"),
        *("bent", "reach"),
    )

    def begin(self, work: Work) -> None:
        self.safe = steps(work.model)[1]
        n_rows = work.q.shape[0]
        self.theta = work.natural()
        self.base, self.change = self.theta.copy(), np.zeros_like(self.theta)
        self.move = np.zeros_like(self.theta)
        self.length, self.slope = np.zeros(n_rows), np.zeros(n_rows)
        # Directions of negative curvature, and lengths to try along these.
        self.bent, self.reach = np.zeros(n_rows, dtype=bool), np.ones(n_rows)
        self.value = np.full(n_rows, np.inf)
        self.entropy = work.enter(self.theta)

    def advance(self, work: Work) -> None:
        value = self.entropy - work.energy
        noise = rounding(self.entropy, work.energy, work.q.shape[1])
        promised = _ARMIJO * self.length * self.slope
        # Steps of length 0 are of guaranteed size.
        good = (value <= self.value + promised + noise) | (self.length == 0.0)
        self.reach[good & self.bent] *= 2.0
        new = np.flatnonzero(good & ~work.ended)
        if new.size:
            self.value[new], self.base[new] = value[new], self.theta[new]
            self._aim(work, new)
        short = ~good
        self.length[short] *= _SHORTER
        self.reach[short] = np.maximum(1.0, self.length[short])
        self.bent[short] = False
        self.length[self.length < _SHORTEST] = 0.0
        plain = self.length == 0.0
        self.theta = self.base + self.length[:, None] * self.move
        self.theta[plain] = self.base[plain] + self.safe * self.change[plain]
        self.entropy = work.enter(self.theta)

    def _aim(self, work: Work, new: NDArray[np.int64]) -> None:
        """The direction of samples `new` at their thetas."""
        f = work.change(self.theta)[new]
        root = np.sqrt(work.q[new])
        root[work.fixed[new]] = 0.0
        # Two products more, for the move itself and for its residual.
        left = np.where(work.ended[new], 0, work.limit - 2 - work.spent[new])
        left = np.minimum(left, _MOST_PER_ENTRY * f.shape[1])
        accuracy = np.clip(work.residual[new], _TIGHTEST, _LOOSEST)
        step, slope, spent, bent = self._solve(work, root, f, accuracy, left)
        self.change[new], self.move[new] = f, f
        if (left >= 0).any():
            push = work.coupling.product(step)[0]
            push[work.silent[new] | (left < 0)[:, None]] = 0.0
            self.move[new] += push
        self.slope[new], self.bent[new] = slope, bent
        self.length[new] = np.where(bent, self.reach[new], 1.0)
        work.spent[new] += spent + (left >= 0)

    def _solve(
        self,
        work: Work,
        root: Array,
        f: Array,
        accuracy: Array,
        left: NDArray[np.int64],
    ) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Conjugate gradients: B y, the slope of the free energy, products spent, and
        whether the curvature was negative."""
        coupling, offsets = work.coupling, work.offsets

        def pull(v: Array) -> Array:
            v = root * work.full(v)
            project(v, root, offsets)
            return v

        residual = pull(f)
        right = residual.copy()
        y = np.zeros_like(residual)
        direction = residual.copy()
        norm = _dots(residual, residual)
        goal = accuracy**2 * norm
        spent = np.zeros(norm.size, dtype=np.int64)
        going = (norm > goal) & (left > 0)
        bent = np.zeros(norm.size, dtype=bool)
        while going.any():
            image = direction - pull(coupling.product(root * direction)[0])
            spent += going
            curvature = _dots(direction, image)
            bent |= going & (curvature <= 0.0)
            going &= curvature > 0.0
            a = np.where(going, norm / np.where(going, curvature, 1.0), 0.0)
            y += a[:, None] * direction
            residual -= a[:, None] * image
            # Packed products hold for zero sums: rounding must not leave them.
            project(residual, root, offsets)
            after = _dots(residual, residual)
            ratio = np.where(going, after / np.where(going, norm, 1.0), 0.0)
            norm = np.where(going, after, norm)
            direction = residual + ratio[:, None] * direction
            going &= (norm > goal) & (spent < left)
        return root * y, -_dots(right, y + residual), spent, bent


def _dots(x: Array, y: Array) -> Array:
    return np.asarray(np.einsum("bs,bs->b", x, y))
