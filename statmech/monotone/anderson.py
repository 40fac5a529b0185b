"""Anderson mixing, a window for each sample, over damping or over forward-backward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from statmech.kernels.fixed_point import mix
from statmech.monotone.iteration import Method, Work, rounding, steps
from statmech.monotone.splitting import ForwardBackward

Array = NDArray[np.float64]

# Differences kept. 5 take half as many products again where repulsion is strong, 10
# are no better than 8.
_WINDOW = 8
# Of the normal equations, whose rows have norm 1.
_RIDGE = 1e-10
# A residual that falls by this factor is progress, whatever the free energy rounds to.
_PROGRESS = 0.9
# A residual this much above the best is a failure of mixing in q.
_FAILURE = 2.0
# Plain steps after the k-th failure in a row are 2^k, at most 2^10.
_MOST_DOUBLINGS = 10


class Windows:
    """The last differences of every sample, and how long it shall do without."""

    arrays = ("old_x", "old_f", "dx", "df", "gram", "filled", "eta", "wait", "failures")

    def __init__(self, n_rows: int, size: int, eta: float) -> None:
        shape = (n_rows, _WINDOW, size)
        self.old_x, self.old_f = np.zeros((n_rows, size)), np.zeros((n_rows, size))
        # In double precision: in single it takes up to ten times as many products.
        self.dx, self.df = np.empty(shape), np.empty(shape)
        self.gram = np.empty((n_rows, _WINDOW, _WINDOW))
        self.filled = np.full(n_rows, -1, dtype=np.int64)
        self.eta = np.full(n_rows, eta)
        self.wait = np.zeros(n_rows, dtype=np.int64)
        self.failures = np.zeros(n_rows, dtype=np.int64)

    def take(self, going: NDArray[np.bool_]) -> None:
        for name in self.arrays:
            setattr(self, name, getattr(self, name)[going])

    def fail(self, failed: NDArray[np.bool_]) -> None:
        """Empty these windows, and take 2^k plain steps after the k-th failure."""
        self.filled[failed] = -1
        self.wait[failed] = 2 ** np.minimum(self.failures[failed], _MOST_DOUBLINGS)
        self.failures[failed] += 1

    def step(self, x: Array, f: Array) -> None:
        """x <- the next point."""
        plain = self.wait > 0
        mix(
            *(x, f, self.eta, plain, self.filled, self.old_x, self.old_f),
            *(self.dx, self.df, self.gram, _RIDGE),
        )
        self.wait[plain] -= 1


class Anderson(Method):
    """Mixing of natural parameters over damping.

    A point is taken if the free energy does not grow, or if the residual falls and the
    solution is unique. Else the sample goes back, empties its window, and takes steps
    of guaranteed size, which lower the free energy, twice as many at each failure in a
    row.
    """

    arrays = ("theta", "entropy", "value", "size", "sure")

    def begin(self, work: Work) -> None:
        self.best, self.safe = steps(work.model)
        self.unique = work.model.spectrum()[1] < 2.0
        self.theta = work.natural()
        n_rows, size = self.theta.shape
        self.value, self.size = np.full(n_rows, np.inf), np.full(n_rows, np.inf)
        # Samples whose last step could only lower the free energy.
        self.sure = np.ones(n_rows, dtype=bool)
        self.windows = Windows(n_rows, size, self.best)
        self.entropy = work.enter(self.theta)

    def take(self, going: NDArray[np.bool_]) -> None:
        super().take(going)
        self.windows.take(going)

    def advance(self, work: Work) -> None:
        windows, f = self.windows, work.change(self.theta)
        value = self.entropy - work.energy
        noise = rounding(self.entropy, work.energy, work.q.shape[1])
        size = np.sqrt(np.einsum("bs,bs->b", f, f))
        good = self.sure | (value <= self.value + noise)
        if self.unique:
            good |= size <= _PROGRESS * self.size
        failed = ~good
        windows.failures[good & ~self.sure] = 0
        if failed.any():
            self.theta[failed], f[failed] = windows.old_x[failed], windows.old_f[failed]
            value[failed], size[failed] = self.value[failed], self.size[failed]
            windows.fail(failed)
        self.value, self.size = value, size
        self.sure = windows.wait > 0
        windows.eta = np.where(self.sure, self.safe, self.best)
        windows.step(self.theta, f)
        self.entropy = work.enter(self.theta)


class AndersonForwardBackward(ForwardBackward):
    """Mixing of q over forward-backward.

    Mixed points may leave the simplexes; what is returned is the softmax of their
    fields. Where the residual is twice the best, the sample goes back to the best point
    and takes plain steps.
    """

    arrays = ("log_q", "x", "best_x", "best_f", "best")

    def begin(self, work: Work) -> None:
        super().begin(work)
        n_rows, d = work.q.shape
        self.x = work.q.copy()
        self.best_x, self.best_f = self.x.copy(), np.zeros_like(self.x)
        self.best = np.full(n_rows, np.inf)
        self.windows = Windows(n_rows, d, 1.0)

    def take(self, going: NDArray[np.bool_]) -> None:
        super().take(going)
        self.windows.take(going)

    def advance(self, work: Work) -> None:
        windows = self.windows
        mapped = self.image(work)
        work.restore(mapped)
        f = mapped - self.x
        size = np.sqrt(np.einsum("bs,bs->b", f, f))
        plain = windows.wait > 0
        failed = (size > _FAILURE * self.best) & ~plain
        better = size < self.best
        windows.failures[better & ~plain] = 0
        self.best[better] = size[better]
        self.best_x[better], self.best_f[better] = self.x[better], f[better]
        if failed.any():
            self.x[failed], f[failed] = self.best_x[failed], self.best_f[failed]
            windows.fail(failed)
        windows.step(self.x, f)
        work.q[:] = self.x
