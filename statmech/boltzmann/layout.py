"""Where the states of every variable stand in a one-hot vector."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import ParameterError, ParameterTypeError, check_integer
from statmech.kernels.boltzmann import block_softmax, center_blocks

Array = NDArray[np.float64]


class Layout:
    """n variables with k_i states: block i is entries offsets[i] to offsets[i + 1].

    Parameters
    ----------
    n_states : (n,) array of int64
        Checked; see `check_layout`.

    Attributes
    ----------
    offsets : (n + 1,) int64
    """

    def __init__(self, n_states: NDArray[np.int64]) -> None:
        self.n_states = n_states
        self.offsets = np.concatenate([[0], np.cumsum(n_states)]).astype(np.int64)
        self.n_states.setflags(write=False)
        self.offsets.setflags(write=False)

    @property
    def n_variables(self) -> int:
        return self.n_states.size

    @property
    def size(self) -> int:
        """d."""
        return int(self.offsets[-1])

    @property
    def largest(self) -> int:
        """The largest number of states."""
        return int(self.n_states.max())

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """The variable of every component, (d,)."""
        return np.repeat(np.arange(self.n_variables), self.n_states)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """(first, last) of every block."""
        bounds = self.offsets.tolist()
        yield from itertools.pairwise(bounds)

    def center(self, rows: Array) -> Array:
        """Take from every block of rows (B, d) its mean, in place; returns rows."""
        center_blocks(rows, self.offsets)
        return rows

    def softmax(self, logits: Array) -> tuple[Array, Array]:
        """q and log q (..., d) of logits (..., d), block by block."""
        rows = np.ascontiguousarray(logits, dtype=np.float64).reshape(-1, self.size)
        q, log_q = np.empty_like(rows), np.empty_like(rows)
        block_softmax(rows, self.offsets, q, log_q)
        return q.reshape(logits.shape), log_q.reshape(logits.shape)

    def uniform(self) -> Array:
        """1 / k_i everywhere, (d,)."""
        return 1.0 / np.repeat(self.n_states, self.n_states)

    def encode(self, states: ArrayLike) -> Array:
        """One-hot (..., d) of states (..., n), integers from 0 to k_i - 1."""
        values = self.check_states("states", states)
        flat = values.reshape(-1, self.n_variables)
        x = np.zeros((flat.shape[0], self.size))
        np.put_along_axis(x, flat + self.offsets[:-1], 1.0, axis=1)
        return x.reshape(*values.shape[:-1], self.size)

    def check_states(
        self, name: str, states: ArrayLike, *, least: int = 0
    ) -> NDArray[np.int64]:
        """Integers (..., n), each from `least` to k_i - 1."""
        try:
            values = np.asarray(states)
        except ValueError:
            raise ParameterTypeError(name, states, "an array of integers") from None
        if values.dtype.kind not in "iu" or values.dtype == np.bool_:
            raise ParameterTypeError(name, states, "an array of integers")
        if values.ndim < 1 or values.shape[-1] != self.n_variables:
            allowed = f"an array (..., {self.n_variables}) of integers"
            raise ParameterError(name, values, allowed)
        if (values < least).any() or (values >= self.n_states).any():
            allowed = f"integers from {least} to the number of states - 1"
            raise ParameterError(name, values, allowed)
        return values.astype(np.int64)


def check_layout(n_states: int | ArrayLike, size: int) -> Layout:
    """The layout of `size` components: one integer, or one a variable.

    Raises
    ------
    ParameterError, ParameterTypeError
        Naming `n_states`.
    """
    if np.ndim(n_states) == 0:
        k = check_integer("n_states", n_states, 1)
        if size < 1 or size % k:
            allowed = f"a divisor of the {size} biases"
            raise ParameterError("n_states", k, allowed)
        return Layout(np.full(size // k, k, dtype=np.int64))
    values = np.asarray(n_states)
    if values.dtype.kind not in "iu":
        raise ParameterTypeError("n_states", n_states, "an integer or integers (n,)")
    if values.ndim != 1 or values.size == 0 or (values < 1).any():
        raise ParameterError("n_states", values, "integers (n,), each 1 or more")
    if int(values.sum()) != size:
        allowed = f"integers whose sum is the number of biases, {size}"
        raise ParameterError("n_states", values, allowed, "their sum is not")
    return Layout(values.astype(np.int64))
