"""Pairwise Boltzmann machines over variables with any numbers of states."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.layout import Layout, check_layout
from statmech.errors import (
    ParameterError,
    check_array,
)
from statmech.kernels.boltzmann import add_own_blocks
from statmech.machine import require_memory

Array = NDArray[np.float64]

# Above it the spectrum is found by Lanczos iterations; a full one takes 0.5 s here. Of
# models kept as a factor, whose products are cheap, above the second.
_FULL_SPECTRUM, _SMALL = 1500, 300
# Rounding of a symmetric matrix that was made symmetric by a product.
_ASYMMETRY = 1e-12


class BoltzmannMachine:
    """Pairwise model p(x) = exp(x.Phi x / 2 + b.x) / Z of one-hot variables.

    Variable i has k_i states and is coded by x_i, one of the k_i unit vectors; x of
    length d = sum k_i is all of them in a row. A larger potential is more likely:
    energy is minus the exponent, and temperature is absorbed in Phi and b. Phi is
    symmetric and block hollow: x_i has no potential with itself.

    Mean field seeks q = softmax(Phi q + b), block by block. It is unique if the
    largest eigenvalue of Phi on the tangent space (vectors of zero sum in every block)
    is below 2.

    Parameters
    ----------
    potentials : (d, d) array
        Phi, symmetric to rounding, its diagonal blocks zero.
    biases : (d,) array
        b.
    n_states : int or (n,) array of int
        k_i >= 1; one integer if all are equal.

    Raises
    ------
    ParameterError, ParameterTypeError
        Naming what is wrong; also where Phi is not symmetric or not hollow.

    References
    ----------
    D. H. Ackley, G. E. Hinton and T. J. Sejnowski, Cogn. Sci. 9, 147 (1985);
    Z. Feng, E. Winston and J. Z. Kolter, Trans. Mach. Learn. Res. (2023).

    Examples
    --------
    >>> phi = np.zeros((4, 4))
    >>> phi[:2, 2:] = phi[2:, :2] = [[0.5, -0.5], [-0.5, 0.5]]
    >>> model = BoltzmannMachine(phi, np.zeros(4), 2)
    >>> model.n_variables, [round(x, 6) for x in model.spectrum()]
    (2, [-1.0, 1.0])
    """

    def __init__(
        self, potentials: ArrayLike, biases: ArrayLike, n_states: int | ArrayLike
    ) -> None:
        b = _check_biases(biases, None)
        layout = check_layout(n_states, b.size)
        phi = check_array("potentials", potentials, (b.size, b.size))
        _check_symmetric(phi)
        _check_hollow(phi, layout)
        self._fill(layout, b.copy(), potentials=0.5 * (phi + phi.T))

    def _fill(
        self,
        layout: Layout,
        biases: Array,
        *,
        potentials: Array | None = None,
        factor: Array | None = None,
        own: Array | None = None,
    ) -> None:
        self.layout = layout
        self.biases = biases
        self._potentials = potentials
        self._factor = factor
        self._own = own
        self._spectrum: tuple[float, float] | None = None
        for array in (biases, potentials, factor, own):
            if array is not None:
                array.setflags(write=False)

    @classmethod
    def _from_factor(
        cls, factor: Array, biases: Array, layout: Layout
    ) -> BoltzmannMachine:
        """Phi = blockdiag(A_i^T A_i) - A^T A, kept as A (r, d): everything checked."""
        offsets = layout.offsets
        own = np.zeros((layout.size, layout.largest))
        for first, last in itertools.pairwise(offsets):
            block = factor[:, first:last]
            own[first:last, : last - first] = block.T @ block
        model = cls.__new__(cls)
        model._fill(layout, biases, factor=factor, own=own)
        return model

    @property
    def n_variables(self) -> int:
        """n."""
        return self.layout.n_variables

    @property
    def size(self) -> int:
        """d = sum of the numbers of states."""
        return self.layout.size

    @property
    def n_states(self) -> NDArray[np.int64]:
        """k_i, (n,)."""
        return self.layout.n_states

    @property
    def factor(self) -> Array | None:
        """A (r, d) with Phi = blockdiag(A_i^T A_i) - A^T A, or None."""
        return self._factor

    @property
    def potentials(self) -> Array:
        """Phi (d, d); made on first use if the model is kept as a factor."""
        if self._potentials is None:
            a = self._factor
            assert a is not None
            require_memory(
                16 * self.size**2,
                f"potentials of d = {self.size}",
                remedy="use `product`, which needs the factor only",
            )
            phi = -(a.T @ a)
            phi = 0.5 * (phi + phi.T)
            for first, last in self.layout.ranges():
                phi[first:last, first:last] = 0.0
            phi.setflags(write=False)
            self._potentials = phi
        return self._potentials

    @property
    def low_rank(self) -> bool:
        """Whether products take the factor: it has fewer than d / 2 rows."""
        return self._factor is not None and 2 * self._factor.shape[0] < self.size

    def product(self, q: Array) -> Array:
        """Phi q along the last axis; q (..., d) is not checked."""
        if not self.low_rank:
            return np.asarray(q @ self.potentials)
        a, own = self._factor, self._own
        assert a is not None
        assert own is not None
        rows = np.ascontiguousarray(q).reshape(-1, self.size)
        out = -((rows @ a.T) @ a)
        add_own_blocks(rows, self.layout.offsets, own, out)
        return out.reshape(q.shape)

    def logits(self, q: Array) -> Array:
        """Phi q + b along the last axis."""
        return self.product(q) + self.biases

    def free_energy(self, q: ArrayLike) -> Any:
        """Mean-field free energy -q.Phi q / 2 - b.q + sum q log q, >= -log Z.

        Parameters
        ----------
        q : (..., d) array
            Each block a probability.

        Returns
        -------
        float or (...,) array
        """
        rows = check_array("q", q, (*np.shape(q)[:-1], self.size))
        if (rows < 0.0).any():
            raise ParameterError("q", rows, "probabilities, none below 0")
        logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0.0)
        inner = 0.5 * self.product(rows) + self.biases - logs
        value = -(rows * inner).sum(axis=-1)
        return float(value) if value.ndim == 0 else value

    def exponent(self, states: ArrayLike) -> Any:
        """x.Phi x / 2 + b.x of states (..., n), integers from 0 to k_i - 1."""
        x = self.layout.encode(states)
        value = (x * (0.5 * self.product(x) + self.biases)).sum(axis=-1)
        return float(value) if value.ndim == 0 else value

    def spectrum(self) -> tuple[float, float]:
        """(lambda_min, lambda_max) of Phi on the tangent space, to 1e-6 or better.

        Of U^T Phi U, U an orthonormal basis of the vectors whose sum in every block is
        0; they do not depend on the gauge. (0, 0) where there are no such vectors.
        Computed once.
        """
        if self._spectrum is None:
            self._spectrum = self._find_spectrum()
        return self._spectrum

    def _find_spectrum(self) -> tuple[float, float]:
        if self.n_variables < 2:
            return 0.0, 0.0
        # Beside the tangent space there are zeros only, and the trace of a block
        # hollow matrix is zero: they are never outside of the spectrum.
        largest_full = _SMALL if self.low_rank else _FULL_SPECTRUM
        ends = None if self.size <= largest_full else self._lanczos()
        if ends is None:
            center = self.layout.center
            tangent = center(center(self.potentials.copy()).T.copy())
            values = np.linalg.eigvalsh(0.5 * (tangent + tangent.T))
            ends = (float(values[0]), float(values[-1]))
        return min(ends[0], 0.0), max(ends[1], 0.0)

    def _lanczos(self) -> tuple[float, float] | None:
        """Both ends of the spectrum by products; None where they do not converge."""
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

        center = self.layout.center

        def apply(v: Array) -> Array:
            return center(self.product(center(v.reshape(1, -1).copy())))[0]

        operator = LinearOperator((self.size,) * 2, matvec=apply, dtype=np.float64)
        start = center(np.cos(np.arange(1.0, self.size + 1.0))[None])[0]
        options: Any = {"v0": start, "tol": 1e-10, "return_eigenvectors": False}
        try:
            low = eigsh(operator, 1, which="SA", **options)[0]
            high = eigsh(operator, 1, which="LA", **options)[0]
        except ArpackError:
            return None
        return float(low), float(high)

    @property
    def guarantee(self) -> str:
        """What is known of mean field: "monotone", "unique" or "none".

        "monotone": lambda_max < 1, the class of Feng, Winston and Kolter; "unique":
        lambda_max < 2, where there is one solution whatever the biases; "none": there
        may be several.
        """
        largest = self.spectrum()[1]
        if largest < 1.0:
            return "monotone"
        return "unique" if largest < 2.0 else "none"

    def gauge_fixed(self) -> tuple[BoltzmannMachine, float]:
        """The same distribution with Phi' = P Phi P, P the projector on zero sums.

        Returns
        -------
        (BoltzmannMachine, float)
            The model, with b' = P (b + Phi u), u uniform, and a constant c: the
            exponent of the old model is that of the new one plus c.
        """
        uniform = self.layout.uniform()
        pushed = self.product(uniform)
        constant = float(0.5 * uniform @ pushed + uniform @ self.biases)
        center = self.layout.center
        biases = center((self.biases + pushed)[None])[0]
        if self._factor is not None:
            # P blockdiag(A_i^T A_i) P - P A^T A P is the same of A P.
            factor = center(self._factor.copy())
            return self._from_factor(factor, biases, self.layout), constant
        phi = center(center(self.potentials.copy()).T.copy())
        model = BoltzmannMachine.__new__(BoltzmannMachine)
        model._fill(self.layout, biases, potentials=0.5 * (phi + phi.T))
        return model, constant

    def with_biases(self, biases: ArrayLike) -> BoltzmannMachine:
        """The same potentials, and their spectrum, with other biases (d,)."""
        b = _check_biases(biases, self.size).copy()
        model = BoltzmannMachine.__new__(BoltzmannMachine)
        model._fill(
            self.layout,
            b,
            potentials=self._potentials,
            factor=self._factor,
            own=self._own,
        )
        model._spectrum = self._spectrum
        return model

    def __repr__(self) -> str:
        rank = "" if self._factor is None else f", rank {self._factor.shape[0]}"
        return (
            f"BoltzmannMachine(n_variables={self.n_variables}, size={self.size}{rank})"
        )


def _check_biases(biases: ArrayLike, size: int | None) -> Array:
    b = check_array("biases", biases, (size,))
    _check_scale("biases", b)
    return b


def _check_scale(name: str, array: Array) -> float:
    """The largest size of an entry, of which sums and products must be finite."""
    scale = float(np.abs(array).max(initial=0.0))
    if not math.isfinite(scale * scale * array.shape[0]):
        raise ParameterError(name, array, "numbers whose squares are finite")
    return scale


def _check_symmetric(phi: Array) -> None:
    scale = _check_scale("potentials", phi)
    if np.abs(phi - phi.T).max(initial=0.0) > _ASYMMETRY * scale:
        remedy = "take (potentials + potentials.T) / 2 if that is what is meant"
        raise ParameterError("potentials", phi, "a symmetric matrix", remedy)


def _check_hollow(phi: Array, layout: Layout) -> None:
    for i, (first, last) in enumerate(layout.ranges()):
        if phi[first:last, first:last].any():
            raise ParameterError(
                "potentials",
                phi,
                "zero in every diagonal block",
                f"that of variable {i} is not: put its diagonal into the biases",
            )
