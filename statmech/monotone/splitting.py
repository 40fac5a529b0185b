"""Operator splitting: forward-backward, Peaceman-Rachford, Douglas-Rachford.

Mean field is 0 in (c - Phi) q - b + df_c(q), with f_c the entropy less c |q|^2 / 2 on
the simplexes, convex for c <= 2. On the tangent space the spectrum of 1 - Phi is in
[m, L], m = 1 - lambda_max, L = 1 - lambda_min.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from statmech.boltzmann.model import BoltzmannMachine
from statmech.kernels.boltzmann import add_own_blocks
from statmech.kernels.fixed_point import pack_relative
from statmech.kernels.prox import block_prox
from statmech.machine import require_memory
from statmech.monotone.coupling import times
from statmech.monotone.iteration import LEAST, Method, Work

Array = NDArray[np.float64]

# Steps of Peaceman-Rachford with c = 2: the scalar equation needs less than 1.
_LARGEST_STEP = 0.9
# The residual is looked at when its estimate is this near to the tolerance.
_NEAR = 4.0
# Blocks of E below it are left to the dense inverse: they would amplify rounding.
_LEAST_EIGENVALUE = 1e-2
# Passes without a look at the residual.
_BLIND = 20


def forward_backward_step(model: BoltzmannMachine) -> tuple[float, float]:
    """Step a and the factor rho(a) of |q - q*| (NaN where none is proven).

    a = 2 / (m + L), rho = (L - m) / (L + m + 2); where lambda_max >= 2, a = 1 / L, with
    which the free energy falls at every step.
    """
    smallest, largest = model.spectrum()
    m, ell = 1.0 - largest, 1.0 - smallest
    if largest >= 2.0:
        return 1.0 / ell, math.nan
    a = 2.0 / (m + ell)
    return a, forward_backward_rate(model, a)


def forward_backward_rate(model: BoltzmannMachine, a: float) -> float:
    """rho(a) = max(|1 - a m|, |1 - a L|) / (1 + a)."""
    smallest, largest = model.spectrum()
    m, ell = 1.0 - largest, 1.0 - smallest
    return max(abs(1.0 - a * m), abs(1.0 - a * ell)) / (1.0 + a)


def reflection_step(model: BoltzmannMachine, shift: float) -> tuple[float, float]:
    """Step a of Peaceman-Rachford with shift c, and its factor.

    a = 1 / sqrt(m' L') with m' = c - lambda_max, L' = c - lambda_min, at most 0.9 where
    c = 2; the factor is the larger of |1 - a t| / (1 + a t) at t = m', L'.
    """
    smallest, largest = model.spectrum()
    low, high = shift - largest, shift - smallest
    a = 1.0 / math.sqrt(low * high)
    if shift > 1.0:
        a = min(a, _LARGEST_STEP)
    rate = max(abs(1.0 - a * t) / (1.0 + a * t) for t in (low, high))
    return a, rate


class ForwardBackward(Method):
    """q <- prox((1 - a) q + a (Phi q + b)), prox of a f_1."""

    arrays: ClassVar[tuple[str, ...]] = ("log_q",)

    def __init__(self, step: float) -> None:
        self.step = step

    def begin(self, work: Work) -> None:
        self.log_q = np.empty_like(work.q)

    def advance(self, work: Work) -> None:
        mapped = self.image(work)
        work.restore(mapped)
        work.q[:] = mapped

    def image(self, work: Work) -> Array:
        """The next q, without the evidence; it stands in work.p."""
        a, y = self.step, work.full(work.logits)
        y *= a
        y += (1.0 - a) * work.q
        block_prox(y, work.offsets, a, 1.0 - a, work.p, self.log_q)
        return work.p


class Resolvent:
    """v -> ((1 + a c) - a Phi')^-1 v for one set of observed variables.

    Phi' is Phi in the gauge of zero sums, between hidden variables; the matrix has no
    eigenvalue below 1 + a (c - lambda_max). Kept as a dense inverse, or, of
    Phi' = blockdiag(A_i^T A_i) - A^T A with few rows, as blocks E^-1 and W (d, r):
    E^-1 - W W^T, E = blockdiag(1 + a c - a A_i^T A_i) and
    W W^T = E^-1 A^T (1 / a + A E^-1 A^T)^-1 A E^-1.
    """

    def __init__(
        self, model: BoltzmannMachine, hidden: NDArray[np.bool_], a: float, c: float
    ) -> None:
        fixed, _ = model.gauge_fixed()
        self.biases, self.product = fixed.biases, fixed.product
        self.offsets = model.layout.offsets
        self.inverse: Array | None = None
        if fixed.low_rank and self._keep_factor(fixed, hidden, a, c):
            return
        require_memory(
            40 * model.size**2,
            f"factorisation of {model.size} x {model.size} numbers",
            remedy="take method='anderson', which needs products only",
        )
        matrix = np.where(hidden[:, None] & hidden, -a * fixed.potentials, 0.0)
        matrix[np.diag_indices_from(matrix)] += 1.0 + a * c
        self.inverse = inverse(matrix)

    def _keep_factor(
        self, model: BoltzmannMachine, hidden: NDArray[np.bool_], a: float, c: float
    ) -> bool:
        """Whether E is positive definite; that of a model within the cap is."""
        assert model.factor is not None
        factor = np.where(hidden, model.factor, 0.0)
        self.own = np.zeros((model.size, model.layout.largest))
        pushed = np.empty((model.size, factor.shape[0]))
        for first, last in model.layout.ranges():
            part = factor[:, first:last]
            values, vectors = np.linalg.eigh(part.T @ part)
            values = 1.0 + a * c - a * values
            if values.min() < _LEAST_EIGENVALUE:
                return False
            block = (vectors / values) @ vectors.T
            self.own[first:last, : last - first] = block
            pushed[first:last] = block @ part.T
        middle = factor @ pushed
        middle[np.diag_indices_from(middle)] += 1.0 / a
        lower = np.linalg.cholesky(middle)
        self.low = np.ascontiguousarray(np.linalg.solve(lower, pushed.T).T)
        return True

    def __call__(self, v: Array) -> Array:
        if self.inverse is not None:
            return times(v, self.inverse)
        out = times(times(v, -self.low), self.low.T)
        add_own_blocks(v, self.offsets, self.own, out)
        return out

    def fields(self, evidence: Array) -> Array:
        """b' + Phi' x_o of evidence x_o (A, d), zero in hidden blocks."""
        return np.asarray(self.biases + self.product(evidence))


def inverse(matrix: Array) -> Array:
    """Of a symmetric positive definite matrix, made exactly symmetric."""
    from scipy.linalg import lapack

    factor, info = lapack.dpotrf(matrix, lower=1)
    if info == 0:
        half, info = lapack.dpotri(factor, lower=1)
    assert info == 0  # no eigenvalue is below 1
    half = np.tril(half)
    return np.ascontiguousarray(half + np.tril(half, -1).T)


class Reflections(Method):
    """Peaceman-Rachford of one set of observed variables; averaged: Douglas-Rachford.

    uh = 2 z - u, zh = resolvent(uh + a b'), u <- 2 zh - uh, z <- prox(u).
    """

    arrays = ("u", "field", "log_z", "image")

    def __init__(
        self,
        model: BoltzmannMachine,
        hidden: NDArray[np.bool_],
        *,
        shift: float,
        step: float,
        tol: float,
        averaged: bool = False,
    ) -> None:
        self.shift, self.step, self.tol = shift, step, tol
        self.averaged = averaged
        self.resolvent = Resolvent(model, hidden, step, shift)

    def begin(self, work: Work) -> None:
        # The u that has the start for its prox; any block constants.
        logs = np.log(np.maximum(work.q, LEAST))
        self.u = self.step * logs + (1.0 - self.step * self.shift) * work.q
        evidence = np.where(work.fixed, work.q, 0.0)
        self.field = self.resolvent.fields(evidence)
        self.log_z, self.image = np.empty_like(work.q), np.empty_like(work.q)

    def advance(self, work: Work) -> None:
        """Passes until a residual may be within the tolerance."""
        for _ in range(_BLIND):
            going = ~work.ended
            # One product more, for the residual, has to be left.
            if (work.spent[going] + 2 > work.limit).any():
                break
            self._reflect(work)
            work.spent += 1
            if (self._estimate(work)[going] <= _NEAR * self.tol).any():
                break

    def _reflect(self, work: Work) -> None:
        a, z = self.step, work.q
        reflected = 2.0 * z - self.u
        self.half = self.resolvent(reflected + a * self.field)
        # The field at zh, which the equation gives without a product.
        fields = ((1.0 + a * self.shift) * self.half - reflected) / a
        pack_relative(fields, work.offsets, work.logits)
        new = 2.0 * self.half - reflected
        self.u = 0.5 * (self.u + new) if self.averaged else new
        block_prox(
            self.u, work.offsets, a, 1.0 - a * self.shift, self.image, self.log_z
        )
        work.restore(self.image)
        z[:] = self.image

    def _estimate(self, work: Work) -> Array:
        """Residuals with the field at zh instead of that at z: equal in the end."""
        work.respond()
        return work.residual
