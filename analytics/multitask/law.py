"""The law of the classes: sites that see the same entries of all K patterns.

Entries are independent, +-1 with probability (1 - d)/2 each and 0 with probability d.
There are 3**K classes xi, and at low load a site knows nothing but its own, so every
order parameter is an average over them. Two things keep it cheap:

* Patterns of equal amplitude enter only through the sum S of their entries. A group of
  k of them is one letter with 2k + 1 values instead of k letters with 3.
* All fields are a sum of one part from the left half of the groups and one from the
  right half, and so are the weights, as a product. The classes are the entries of a
  matrix that is never listed: a field costs one addition, a moment one matrix product.

A global change of sign maps classes to classes, so only half of the matrix is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterError

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# 3**12: a matrix of 365 x 729 fields, 2 MB.
LARGEST_SUPPORT = 3**12
LARGEST_K = 12
# Where sites ruled by the last pattern are rarer, rounding of the others would show.
_STEEP = 1e-6


class Letter(NamedTuple):
    """Sum S of k independent entries.

    Attributes
    ----------
    values : (2k + 1,) float64
        -k, ..., k.
    weight : (2k + 1,) float64
        P(S).
    occupied : (2k + 1,) float64
        E[number of nonzero entries | S].
    """

    values: Vector
    weight: Vector
    occupied: Vector


def ternary_sum(k: int, dilution: float) -> Letter:
    """Law of the sum of k >= 0 entries, by k-fold convolution.

    >>> ternary_sum(2, 0.5).weight.tolist()
    [0.0625, 0.25, 0.375, 0.25, 0.0625]
    """
    half = 0.5 * (1.0 - dilution)
    single = np.array([half, dilution, half])
    fewer, law = np.zeros(1), np.ones(1)
    for _ in range(k):
        fewer, law = law, np.convolve(law, single)
    values = np.arange(-k, k + 1, dtype=np.float64)
    # An entry counts if it is not 0; the others then make up for it.
    share = k * np.convolve(fewer, [half, 0.0, half]) if k else np.zeros(1)
    occupied = np.divide(share, law, out=np.zeros(law.size), where=law > 0.0)
    return Letter(values, law, occupied)


class _Half(NamedTuple):
    """All words over some of the groups: (n,) weights, (n, groups) sums and counts."""

    weight: Vector
    sums: Matrix
    occupied: Matrix


def _words(letters: Sequence[Letter]) -> _Half:
    """Words in an order in which word n - 1 - i is minus word i."""
    weight = np.ones(1)
    sums: list[Vector] = []
    occupied: list[Vector] = []
    for letter in letters:
        n, size = weight.size, letter.weight.size
        weight = np.outer(weight, letter.weight).ravel()
        sums = [np.repeat(column, size) for column in sums]
        sums.append(np.tile(letter.values, n))
        occupied = [np.repeat(column, size) for column in occupied]
        occupied.append(np.tile(letter.occupied, n))
    shape = (weight.size, len(letters))
    return _Half(
        weight,
        np.array(sums).T.reshape(shape),
        np.array(occupied).T.reshape(shape),
    )


class Law:
    """Averages over the classes, for patterns in groups of equal amplitude.

    A function of the class is a matrix over (left, right) words, as `fields` returns
    it. Functions that are averaged must keep their value under a global change of sign
    (those given to `first` must change theirs): only half of the words are held.

    Parameters
    ----------
    groups : sequence of int
        Numbers of patterns k_g >= 1; (1,) * K is the full law. prod(2 k_g + 1) is at
        most 3**12.
    dilution : float
        d, from 0 to 1.

    Attributes
    ----------
    groups : tuple of int
    dilution : float
    n_patterns : int
        K = sum of k_g.
    weight : (n_left, n_right) float64
        Probability of the word and of its mirror image; adds up to 1.

    Raises
    ------
    ParameterError
        When the groups have too many words.
    """

    def __init__(self, groups: Sequence[int], dilution: float):
        self.groups = tuple(int(k) for k in groups)
        self.dilution = dilution
        self.n_patterns = sum(self.groups)
        size = 1
        for k in self.groups:
            size *= 2 * k + 1
        if size > LARGEST_SUPPORT:
            raise ParameterError(
                "n_patterns",
                self.n_patterns,
                f"at most {LARGEST_K} patterns of different amplitude",
                "patterns of equal amplitude count less: prod(2 k + 1) <= 3**12 "
                "over the groups of k of them",
            )
        letters = [ternary_sum(k, dilution) for k in self.groups]
        self._letters = letters
        self._steep = dilution ** (self.n_patterns - 1) < _STEEP
        self._cut = _balanced_cut(self.groups)
        left, right = _words(letters[: self._cut]), _words(letters[self._cut :])
        # The right half stays whole: the middle word of the left is its own image.
        middle = left.weight.size // 2
        weight = 2.0 * left.weight[middle:]
        weight[0] *= 0.5
        self._left = _Half(weight, left.sums[middle:], left.occupied[middle:])
        self._right = right
        self._sizes = np.array(self.groups, dtype=np.float64)

    @property
    def weight(self) -> Matrix:
        """Probability of each pair of words."""
        return np.outer(self._left.weight, self._right.weight)

    def fields(self, amplitudes: Vector) -> Matrix:
        """sum_g S_g a_g of every word: the field xi.m of amplitudes (groups,)."""
        a, b = amplitudes[: self._cut], amplitudes[self._cut :]
        return np.add.outer(self._left.sums @ a, self._right.sums @ b)

    def sizes(self, amplitudes: Vector) -> Matrix:
        """sum_g |S_g| a_g of every word; for groups of one, sum_mu xi_mu**2 a_mu."""
        a, b = amplitudes[: self._cut], amplitudes[self._cut :]
        return np.add.outer(np.abs(self._left.sums) @ a, np.abs(self._right.sums) @ b)

    def average(self, values: Matrix) -> float:
        """E[values]."""
        return float(self._left.weight @ values @ self._right.weight)

    def first(self, values: Matrix) -> Vector:
        """E[xi_mu values] of a pattern mu in each group, (groups,)."""
        if self._steep:
            steps = [self._by_differences(values, g) for g in range(len(self.groups))]
            return np.array(steps) / self._sizes
        left, right = self._left, self._right
        moments = np.concatenate(
            [
                (left.weight * (values @ right.weight)) @ left.sums,
                (right.weight * (left.weight @ values)) @ right.sums,
            ]
        )
        return moments / self._sizes

    def _by_differences(self, values: Matrix, g: int) -> float:
        """E[S_g values], opposite values of S_g subtracted before anything is added.

        Where the field is ruled by other patterns the two are equal. Added up apart
        they would leave their rounding, and with it a field on the rare sites that are
        ruled by group g alone.
        """
        weights = [letter.weight for letter in self._letters]
        if g < self._cut:
            values = np.concatenate([-values[:0:-1, ::-1], values])
            before = _product(weights[:g])
        else:
            before = _product([self._left.weight, *weights[self._cut : g]])
        after = _product(weights[g + 1 :])
        k, letter = self.groups[g], self._letters[g]
        slices = values.reshape(before.size, 2 * k + 1, after.size)
        steps = slices[:, k + 1 :] - slices[:, k - 1 :: -1]
        per_step = (before @ steps.reshape(before.size, -1)).reshape(k, -1) @ after
        return float((letter.values * letter.weight)[k + 1 :] @ per_step)

    def second(self, values: Matrix) -> Matrix:
        """E[S_g S_h values], (groups, groups); E[xi xi^T values] for groups of one."""
        left, right = self._left, self._right
        cut = self._cut
        result = np.empty((len(self.groups), len(self.groups)))
        row = (left.weight * (values @ right.weight))[:, None]
        column = (right.weight * (left.weight @ values))[:, None]
        weighted = left.weight[:, None] * left.sums
        result[:cut, :cut] = left.sums.T @ (row * left.sums)
        result[cut:, cut:] = right.sums.T @ (column * right.sums)
        cross = (weighted.T @ values) @ (right.weight[:, None] * right.sums)
        result[:cut, cut:] = cross
        result[cut:, :cut] = cross.T
        return result

    def square(self, values: Matrix) -> Vector:
        """E[xi_mu**2 values] of a pattern mu in each group, (groups,)."""
        left, right = self._left, self._right
        counts = np.concatenate(
            [
                (left.weight * (values @ right.weight)) @ left.occupied,
                (right.weight * (left.weight @ values)) @ right.occupied,
            ]
        )
        return counts / self._sizes

    def spectrum(self, values: Matrix) -> Vector:
        """Eigenvalues of E[xi xi^T values] over all K patterns, ascending, (K,).

        Between groups the matrix acts on their uniform vectors; within a group of k,
        k - 1 directions of zero sum share the eigenvalue A - B of equal patterns.
        """
        second, square = self.second(values), self.square(values)
        scale = np.sqrt(self._sizes)
        found = [np.linalg.eigvalsh(second / np.outer(scale, scale))]
        for g, k in enumerate(self.groups):
            if k > 1:
                pair = (second[g, g] - k * square[g]) / (k * (k - 1.0))
                found.append(np.full(k - 1, square[g] - pair))
        return np.sort(np.concatenate(found))

    def support(self, chosen: NDArray[np.bool_]) -> Matrix:
        """Sums S_g (n, groups) of the chosen words whose probability is not 0."""
        rows, columns = np.nonzero(chosen & (self.weight > 0.0))
        return np.hstack([self._left.sums[rows], self._right.sums[columns]])


def _product(weights: Sequence[Vector]) -> Vector:
    """Weights of all words over the given letters."""
    result = np.ones(1)
    for weight in weights:
        result = np.outer(result, weight).ravel()
    return result


def _balanced_cut(groups: Sequence[int]) -> int:
    """How many groups go left, so that the longer of the two halves is shortest."""
    sizes = [2 * k + 1 for k in groups]

    def longer(cut: int) -> float:
        return max(float(np.prod(sizes[:cut])), float(np.prod(sizes[cut:])))

    return min(range(len(sizes) + 1), key=longer)


class Classes(NamedTuple):
    """One class of each pair (xi, -xi), without the blank one.

    Attributes
    ----------
    xi : (n, K) int8
        n = (3**K - 1)/2; the first nonzero entry is +1.
    weight : (n,) float64
        Probability of the pair.
    blank : float
        Probability d**K of a site that is 0 in every pattern.
    """

    xi: NDArray[np.int8]
    weight: Vector
    blank: float


def list_classes(n_patterns: int, dilution: float) -> Classes:
    """The classes one by one, for functions that are no sums over patterns.

    Memory (3**K - 1)/2 (K + 8) bytes, 5 MB at K = 12.

    >>> law = list_classes(2, 0.5)
    >>> law.xi.tolist(), law.weight.tolist(), law.blank
    ([[0, 1], [1, -1], [1, 0], [1, 1]], [0.25, 0.125, 0.25, 0.125], 0.25)
    """
    xi = _half_of_the_cube(n_patterns)
    count = np.count_nonzero(xi, axis=1)
    numbers = np.arange(n_patterns + 1)
    by_count = (0.5 * (1.0 - dilution)) ** numbers * dilution ** (n_patterns - numbers)
    return Classes(xi, 2.0 * by_count[count], float(dilution**n_patterns))


@lru_cache(maxsize=4)
def _half_of_the_cube(n_patterns: int) -> NDArray[np.int8]:
    """The vectors of {-1, 0, 1}**K after the zero vector, in lexicographic order."""
    if n_patterns > LARGEST_K:
        raise ParameterError("n_patterns", n_patterns, f"at most {LARGEST_K}")
    index = np.arange(3**n_patterns // 2 + 1, 3**n_patterns)
    xi = np.empty((index.size, n_patterns), dtype=np.int8)
    for mu in range(n_patterns):
        xi[:, mu] = index // 3 ** (n_patterns - 1 - mu) % 3 - 1
    xi.flags.writeable = False
    return xi
