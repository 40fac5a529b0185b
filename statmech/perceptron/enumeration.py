"""Every student of a small binary perceptron, counted one by one: exact, not sampled.

Cost 2**N P / 16: N = 21 takes milliseconds, N = 27 seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_levels,
    check_temperature,
)
from statmech.kernels.enumeration import collect_solutions, count_all
from statmech.machine import require_memory
from statmech.perceptron.examples import Examples

MOST_WEIGHTS = 31


@dataclass(frozen=True)
class Census:
    """How many students there are, by errors and distance.

    Attributes
    ----------
    counts : (P + 1, N + 1) int64
        Students with E errors that differ from the reference in k weights; the sum is
        2**N.
    """

    counts: NDArray[np.int64] = field(repr=False)

    @property
    def n_weights(self) -> int:
        """N."""
        return self.counts.shape[1] - 1

    @property
    def n_solutions(self) -> int:
        """Students without errors."""
        return int(self.counts[0].sum())

    @property
    def overlaps(self) -> NDArray[np.float64]:
        """(N + 1,) overlap 1 - 2 k / N with the reference."""
        return 1.0 - 2.0 * np.arange(self.n_weights + 1) / self.n_weights

    def average(self, temperature: float) -> Thermal:
        """Exact averages over exp(-E / T), E the number of errors.

        Parameters
        ----------
        temperature : float
            T >= 0; at 0 over the students with the fewest errors.
        """
        t = check_temperature(temperature)
        levels = np.arange(self.counts.shape[0])
        lowest = int(np.flatnonzero(self.counts.any(axis=1))[0])
        above = np.maximum(levels - lowest, 0).astype(np.float64)
        # Below T = 1e-3 the next level has a weight of exp(-1000), which is 0.
        boltzmann = np.exp(-np.minimum(above / max(t, 1e-3), 750.0))
        weights = boltzmann[:, None] * self.counts
        by_errors = weights.sum(axis=1)
        z = float(by_errors.sum())
        errors = lowest + float((above * by_errors).sum()) / z
        excess = errors - lowest
        return Thermal(
            errors=errors,
            overlap=float((weights.sum(axis=0) * self.overlaps).sum()) / z,
            # S = ln Z + <E> / T, with the lowest energy taken out of both.
            entropy=(math.log(z) + (excess / t if excess > 0.0 else 0.0))
            / self.n_weights,
        )


@dataclass(frozen=True)
class Thermal:
    """Exact averages of one instance.

    Attributes
    ----------
    errors : float
        <E>, the number of errors.
    overlap : float
        <J.W> / N with the reference W.
    entropy : float
        Per weight, natural logarithm.
    """

    errors: float
    overlap: float
    entropy: float


def take_census(examples: Examples, reference: ArrayLike | None = None) -> Census:
    """Count the students of every number of errors and distance to a reference.

    Parameters
    ----------
    examples : Examples
        Patterns of +-1, N odd and at most 31.
    reference : (N,) array of +-1, optional
        Default: the teacher, or all +1 where there is none.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> from statmech.perceptron import teacher_examples
    >>> census = take_census(teacher_examples(9, 5, seed=2))
    >>> int(census.counts.sum()), int(census.counts[0, 0])
    (512, 1)
    """
    columns = _check(examples)
    n, p = columns.shape
    if reference is None:
        reference = np.ones(n) if examples.teacher is None else examples.teacher
    against = check_levels("reference", reference, (n,)).astype(np.int16)
    counts = np.zeros((p + 1, n + 1), dtype=np.int64)
    count_all(columns, against, *_beginning(columns), counts)
    return Census(counts)


def find_solutions(examples: Examples) -> NDArray[np.int8]:
    """All students without errors, (n_solutions, N) of +-1, in Gray-code order.

    Parameters and errors as in `take_census`; `MemoryLimitError` if they do not fit.

    Examples
    --------
    >>> from statmech.perceptron import teacher_examples
    >>> examples = teacher_examples(9, 5, seed=2)
    >>> solutions = find_solutions(examples)
    >>> all(examples.count_errors(j) == 0 for j in solutions)
    True
    """
    columns = _check(examples)
    n = columns.shape[0]
    nothing = np.empty((0, n), dtype=np.int8)
    n_found = int(collect_solutions(columns, *_beginning(columns), nothing))
    require_memory(
        n_found * n,
        f"{n_found} solutions of n_weights = {n}",
        remedy="take more patterns or fewer weights",
    )
    found = np.empty((n_found, n), dtype=np.int8)
    collect_solutions(columns, *_beginning(columns), found)
    return found


def _check(examples: Examples) -> NDArray[np.int16]:
    """Aligned patterns by weight, (N, P)."""
    if not isinstance(examples, Examples):
        raise ParameterTypeError("examples", examples, "statmech.perceptron.Examples")
    n = examples.n_weights
    if n > MOST_WEIGHTS or n % 2 == 0:
        allowed = f"odd and at most {MOST_WEIGHTS}: 2**N students are counted"
        raise ParameterError("n_weights", n, allowed)
    if not examples.binary_inputs:
        raise ParameterError("inputs", examples.inputs, "patterns of +-1")
    return np.ascontiguousarray(examples.aligned.T, dtype=np.int16)


def _beginning(
    columns: NDArray[np.int16],
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """All weights +1, and the stabilities there."""
    weights = np.ones(columns.shape[0], dtype=np.int16)
    return weights, columns.sum(axis=0, dtype=np.int16)
