"""What a network is told of its archetypes: the patterns themselves, or examples.

A Hebbian network couples the spins through powers P of row sums sum_i w_i s_i. The
rows are integers, so that an exactly vanishing field is found to be zero; what is not
an integer is one factor in front of the squares, or of the powers P:

    storage        w = xi_mu                 factor 1
    supervised     w = sum_a eta_mu_a        factor 1 / (r M)**P
    unsupervised   w = eta_mu_a, all a       factor 1 / (M r**P)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import TERNARY, ParameterError, check_levels, check_real
from statmech.machine import require_memory, smaller

SMALLEST_QUALITY = 1e-6  # the energy grows like its inverse square


@dataclass(frozen=True)
class Lesson:
    """Where the rows of a network come from.

    Attributes
    ----------
    protocol : {"storage", "supervised", "unsupervised"}
    n_examples : int
        M, of each archetype.
    quality : float
        r, the mean product of an entry of an example with its archetype.
    """

    protocol: str = "storage"
    n_examples: int = 1
    quality: float = 1.0

    @property
    def rho(self) -> float:
        """(1 - r**2) / (M r**2), the relative variance of the mean of the examples."""
        return (1.0 - self.quality**2) / (self.n_examples * self.quality**2)

    def factor(self, order: int) -> float:
        """What multiplies the power P of the sum of a row."""
        if self.protocol == "supervised":
            return 1.0 / (self.quality * self.n_examples) ** order
        return 1.0 / (self.n_examples * self.quality**order)

    def gain(self, order: int) -> float:
        """(1 + rho)**(-P/2): rows of examples as strong as patterns."""
        return 1.0 / (1.0 + self.rho) ** (order / 2)

    @property
    def mean_factor(self) -> float:
        """1 / (r M): times the sum over the examples, an estimate of the archetype."""
        return 1.0 / (self.quality * self.n_examples)

    @property
    def rows_per_pattern(self) -> int:
        return self.n_examples if self.protocol == "unsupervised" else 1


@dataclass(frozen=True)
class Examples:
    """Examples that have been checked.

    Attributes
    ----------
    entries : (K, M, N) int8
    archetypes : (K, N) int8
    quality : float
    """

    entries: NDArray[np.int8]
    archetypes: NDArray[np.int8]
    quality: float

    @property
    def n_examples(self) -> int:
        return int(self.entries.shape[1])

    def sums(self) -> NDArray[Any]:
        """sum_a eta_mu_a (K, N), in the narrowest integers that hold any such sum."""
        total = np.zeros(self.archetypes.shape, dtype=_sum_type(self.n_examples))
        for one in _each(self.entries):
            total += one
        return total


def _sum_type(n_examples: int) -> np.dtype[Any]:
    """The narrowest signed integers that hold -M to M."""
    return np.min_scalar_type(-n_examples - 1)


def examples_bytes(n_patterns: int, n_examples: int, n_spins: int) -> int:
    """Peak memory of a network from examples beyond the examples, in bytes."""
    width = _sum_type(n_examples).itemsize
    return n_patterns * n_spins * (2 * width + 5)


def check_examples(
    examples: ArrayLike, quality: float, archetypes: ArrayLike | None
) -> Examples:
    """Check what `HebbianNetwork.supervised` is given."""
    if isinstance(examples, np.ndarray) and examples.ndim == 3:
        k, m, n = examples.shape
        copied = examples.dtype != np.int8 or not examples.flags.c_contiguous

        def needed(m: int) -> int:
            return examples_bytes(k, m, n) + k * m * n * copied

        require_memory(
            needed(m),
            f"a network from {m} examples of each of {k} patterns of {n} spins",
            remedy=smaller(n_examples=(m, needed)),
        )
    entries = check_levels("examples", examples, (None,) * 3, TERNARY)
    r = check_real("quality", quality, SMALLEST_QUALITY, 1.0)
    support = entries[:, 0] != 0
    for one in _each(entries):
        if ((one != 0) != support).any():
            allowed = "zero at the same sites in all examples of a pattern"
            raise ParameterError("examples", entries, allowed, "blanks carry no noise")
    if archetypes is None:
        return Examples(entries, majority(entries), r)
    shape = (entries.shape[0], entries.shape[2])
    xi = check_levels("archetypes", archetypes, shape, TERNARY)
    if ((xi != 0) != support).any():
        raise ParameterError("archetypes", xi, "zero where their examples are zero")
    return Examples(entries, xi, r)


def majority(examples: NDArray[np.int8]) -> NDArray[np.int8]:
    """Sign of the sum over the examples (K, M, N), of the first one in a tie."""
    total = np.zeros((examples.shape[0], examples.shape[2]), dtype=np.int32)
    for one in _each(examples):
        total += one
    return np.sign(2 * total + examples[:, 0]).astype(np.int8)


def _each(examples: NDArray[np.int8]) -> Iterator[NDArray[np.int8]]:
    """The examples (K, N) one after the other."""
    for a in range(examples.shape[1]):
        yield examples[:, a]
