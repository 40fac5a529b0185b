"""Averages over what a site sees of its patterns, as exact finite sums.

A site sees one word: entries e_mu that make its field e.u, and the mean x_mu of the
archetype entry given the word. All words are pairs of a left and a right half, whose
fields add and whose weights multiply, so they are never listed: a field costs one
addition, a moment one matrix product. Long left halves are taken in blocks.

Units: u = n/x and tau = T/(Gamma x), x the mean of e_mu**2, so that tau_c = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.descent import TIE, sech_squared
from statmech.special import log_2cosh

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Fields held at once: 2 MB an array.
_BLOCK = 2**18


class Moments(NamedTuple):
    """Averages at one u, with t = tanh(e.u/tau) and g = (1 - t**2)/tau.

    At tau = 0, t is the sign of the field, 0 for ties, and g is 0 for other words; what
    tied words span is in `tied`.

    Attributes
    ----------
    image : (K,) float64
        E[e_mu t].
    m : (K,) float64
        E[x_mu t].
    second : (K, K) float64
        E[e_mu e_nu g].
    cross : (K, K) float64
        E[x_mu e_nu g], by which an error of u enters m.
    spread : (K,) float64
        E[v_mu g], v_mu the variance among the examples of the entry.
    flat : float
        E[g]; inf at tau = 0 where a field vanishes.
    log_term : float
        tau E log 2cosh(e.u/tau); E|e.u| at tau = 0.
    tied : (K, K) float64
        Sum over words of zero field at tau = 0 of e e^T, e of unit length: spans what
        they span, however improbable they are.
    quadrature_error : float
        Of image and m, absolute.
    """

    image: Vector
    m: Vector
    second: Matrix
    cross: Matrix
    spread: Vector
    flat: float
    log_term: float
    tied: Matrix
    quadrature_error: float


class FieldLaw(Protocol):
    """Law of what a site sees; `scale` is x, the mean of e_mu**2."""

    n_patterns: int
    scale: float

    def is_smooth(self, tau: float) -> bool:
        """Whether the averages are smooth functions of u."""

    def image(self, u: Vector, tau: float) -> Vector:
        """E[e t]."""

    def moments(self, u: Vector, tau: float) -> Moments:
        """All averages."""


class Words(NamedTuple):
    """Words over k patterns.

    Attributes
    ----------
    weight : (n,) float64
    e, x, spread : (n, k) float64
        Entries of the field; mean archetype entry; variance among examples.
    """

    weight: Vector
    e: Matrix
    x: Matrix
    spread: Matrix


NO_WORDS = Words(np.ones(1), np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((1, 0)))


def all_words(letter: Words, k: int) -> Words:
    """Words of k independent letters (n, 1), the last pattern running fastest."""
    if k == 0:
        return NO_WORDS
    size = letter.weight.size
    index = np.indices((size,) * k).reshape(k, -1).T
    e, x, spread = (column[index, 0] for column in letter[1:])
    return Words(letter.weight[index].prod(axis=1), e, x, spread)


class ExactLaw:
    """Words made of a left and a right half, independent of each other.

    Parameters
    ----------
    left, right : Words
        Over the first and the remaining patterns. Their averages are taken as they
        are: a word may stand for its mirror image -e, -x too.
    scale : float
        x.
    """

    def __init__(self, left: Words, right: Words = NO_WORDS, *, scale: float):
        self.left, self.right = left, right
        self.cut = left.e.shape[1]
        self.n_patterns = self.cut + right.e.shape[1]
        self.scale = scale

    def is_smooth(self, tau: float) -> bool:
        return tau > 0.0

    def _blocks(self) -> Iterator[Words]:
        step = max(1, _BLOCK // self.right.weight.size)
        for first in range(0, self.left.weight.size, step):
            yield Words(*(part[first : first + step] for part in self.left))

    def _fields(self, block: Words, u: Vector) -> Matrix:
        return np.add.outer(
            block.e @ u[: self.cut], self.right.e @ u[self.cut :]
        )  # (n_block, n_right)

    def _signs(self, block: Words, u: Vector, field: Matrix) -> Matrix:
        a, b = np.abs(u[: self.cut]), np.abs(u[self.cut :])
        size = np.add.outer(np.abs(block.e) @ a, np.abs(self.right.e) @ b)
        return np.where(np.abs(field) > TIE * size, np.sign(field), 0.0)

    def image(self, u: Vector, tau: float) -> Vector:
        head = np.zeros(self.cut)
        below = np.zeros(self.right.weight.size)
        for block in self._blocks():
            field = self._fields(block, u)
            if tau > 0.0:
                t = np.tanh(field / tau)
            else:
                t = self._signs(block, u, field)
            head += (block.weight * (t @ self.right.weight)) @ block.e
            below += block.weight @ t
        return np.concatenate([head, (self.right.weight * below) @ self.right.e])

    def moments(self, u: Vector, tau: float) -> Moments:
        sums = [np.zeros(size) for size in self._shapes()]
        for block in self._blocks():
            field = self._fields(block, u)
            if tau > 0.0:
                y = field / tau
                t, g, tie = np.tanh(y), sech_squared(y) / tau, np.zeros(y.shape)
                log_term = tau * log_2cosh(y)
            else:
                t = self._signs(block, u, field)
                g, tie = np.zeros(t.shape), (t == 0.0).astype(np.float64)
                log_term = np.abs(field)
            for total, part in zip(
                sums, self._parts(block, t, g, tie, log_term), strict=True
            ):
                total += part
        image, m, second, cross, spread, tied, free, scalars = sums
        flat, log_total, ties = (float(value) for value in scalars)
        if tau == 0.0 and ties > 0.0:
            flat = np.inf
        # A word of positive weight whose examples differ does not stay with them.
        spread = np.where(free > 0.0, np.inf, spread)
        return Moments(image, m, second, cross, spread, flat, log_total, tied, 0.0)

    def _shapes(self) -> list[tuple[int, ...]]:
        k = self.n_patterns
        return [(k,), (k,), (k, k), (k, k), (k,), (k, k), (k,), (3,)]

    def _parts(
        self, block: Words, t: Matrix, g: Matrix, tie: Matrix, log_term: Matrix
    ) -> Iterator[Vector | Matrix]:
        right = self.right
        yield self._first(block, t, block.e, right.e)
        yield self._first(block, t, block.x, right.x)
        yield self._second(block, g, (block.e, right.e))
        yield self._second(block, g, (block.x, right.x))
        yield self._first(block, g, block.spread, right.spread)
        yield self._tied(block, tie)
        yield self._first(block, tie, block.spread, right.spread)
        yield np.array([block.weight @ f @ right.weight for f in (g, log_term, tie)])

    def _tied(self, block: Words, tie: Matrix) -> Matrix:
        possible = np.outer(block.weight > 0.0, self.right.weight > 0.0)
        rows, columns = np.nonzero(possible & (tie > 0.0))
        e = np.hstack([block.e[rows], self.right.e[columns]])
        length = np.sqrt((e * e).sum(axis=1, keepdims=True))
        e = np.divide(e, length, out=np.zeros(e.shape), where=length > 0.0)
        return e.T @ e

    def _first(self, block: Words, f: Matrix, head: Matrix, tail: Matrix) -> Vector:
        """E[f v], v given on the left and the right patterns."""
        return np.concatenate(
            [
                (block.weight * (f @ self.right.weight)) @ head,
                (self.right.weight * (block.weight @ f)) @ tail,
            ]
        )

    def _second(self, block: Words, f: Matrix, rows: tuple[Matrix, Matrix]) -> Matrix:
        """E[f v e^T], v given on the left and the right patterns."""
        head, tail = rows
        right, cut = self.right, self.cut
        result = np.empty((self.n_patterns, self.n_patterns))
        row = (block.weight * (f @ right.weight))[:, None]
        column = (right.weight * (block.weight @ f))[:, None]
        result[:cut, :cut] = head.T @ (row * block.e)
        result[cut:, cut:] = tail.T @ (column * right.e)
        weight, other = block.weight[:, None], right.weight[:, None]
        result[:cut, cut:] = (weight * head).T @ f @ (other * right.e)
        result[cut:, :cut] = (other * tail).T @ f.T @ (weight * block.e)
        return result
