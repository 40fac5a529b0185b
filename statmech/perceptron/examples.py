"""What a perceptron is taught: patterns and their labels, drawn or the user's own.

Normalisation: a student J (N,) gives pattern x the label sign(J . x); its stability on
an example (x, y) is y J.x / |J|, of order one since entries of x are of order one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    blocks,
    check_array,
    check_choice,
    check_integer,
    check_levels,
    check_real,
)
from statmech.machine import require_memory, smaller
from statmech.patterns import pattern_bytes, rademacher
from statmech.rng import check_path, generator

WEIGHTS = ("binary", "spherical")
INPUTS = ("binary", "gaussian")
_TEACHER, _INPUTS, _LABELS = 0, 1, 2  # branches of the seed path


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled patterns of a perceptron.

    Parameters
    ----------
    inputs : (P, N) array
        Patterns x: +-1, kept as int8, or any real numbers, kept as float64.
    labels : (P,) array of +-1
        y.
    teacher : (N,) array, optional
        Weights W that gave the labels, in any normalisation; None in storage.

    Raises
    ------
    ParameterError, ParameterTypeError
        If shapes do not fit, a number is not finite, or a label is not +-1 or not the
        sign of W.x.
    """

    inputs: NDArray[np.int8] | NDArray[np.float64] = field(repr=False)
    labels: NDArray[np.int8] = field(repr=False)
    teacher: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        raw = np.asarray(self.inputs)
        if raw.size and _all_signs(raw):
            inputs: Any = check_levels("inputs", self.inputs, (None, None))
        else:
            inputs = check_array("inputs", self.inputs, (None, None))
        if inputs.size == 0:
            raise ParameterError("inputs", inputs.shape, "one pattern (1, N) or more")
        labels = check_levels("labels", self.labels, (inputs.shape[0],))
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels)
        if self.teacher is None:
            return
        teacher = check_array("teacher", self.teacher, (inputs.shape[1],))
        if not np.array_equal(labels, _signs(inputs, teacher)):
            raise ParameterError(
                "labels", labels, "sign(inputs @ teacher)", "or leave out the teacher"
            )
        object.__setattr__(self, "teacher", teacher)

    @property
    def n_weights(self) -> int:
        """N."""
        return int(self.inputs.shape[1])

    @property
    def n_patterns(self) -> int:
        """P."""
        return int(self.inputs.shape[0])

    @property
    def alpha(self) -> float:
        """Load P / N."""
        return self.n_patterns / self.n_weights

    @property
    def binary_inputs(self) -> bool:
        """Whether all entries of the patterns are +-1."""
        return self.inputs.dtype == np.int8

    @property
    def aligned(self) -> NDArray[np.int8] | NDArray[np.float64]:
        """(P, N) y x: a student is right on a pattern if its field there is > 0."""
        rows: NDArray[np.int8] | NDArray[np.float64] = (
            self.inputs * self.labels[:, None]
        )
        return rows

    def fields(self, weights: ArrayLike) -> NDArray[np.float64]:
        """y J.x of every example, (P,) for weights (N,), (P, R) for (R, N)."""
        try:
            several = np.ndim(weights) > 1
        except ValueError:  # rows of different lengths: refused below
            several = False
        shape = (None, self.n_weights) if several else (self.n_weights,)
        j = check_array("weights", weights, shape)
        result = self.labels * (j @ self.inputs.T.astype(np.float64))
        return result.T

    def count_errors(self, weights: ArrayLike) -> int:
        """Misclassified examples of a student (N,); a field of zero is an error."""
        j = check_array("weights", weights, (self.n_weights,))
        return int(np.count_nonzero(self.fields(j) <= 0.0))

    def stability(self, weights: ArrayLike) -> float:
        """min_mu y J.x / |J| of a student (N,), not zero."""
        j = check_array("weights", weights, (self.n_weights,))
        norm = float(np.linalg.norm(j))
        if not norm > 0.0:
            raise ParameterError("weights", j, "a vector of positive length")
        return float(self.fields(j).min()) / norm

    def teacher_overlap(self, weights: ArrayLike) -> float:
        """R = J.W / (|J| |W|) of a student (N,)."""
        if self.teacher is None:
            raise ParameterError("teacher", None, "given: these labels have no teacher")
        return weight_overlap(weights, self.teacher)


def check_binary_inputs(examples: object, remedy: str) -> Examples:
    """Return `examples` if their patterns are +-1."""
    if not isinstance(examples, Examples):
        raise ParameterTypeError("examples", examples, "Examples")
    if not examples.binary_inputs:
        allowed = "examples whose patterns are +-1"
        raise ParameterError("examples", examples.inputs, allowed, remedy)
    return examples


def weight_overlap(first: ArrayLike, second: ArrayLike) -> float:
    """J.J' / (|J| |J'|) of two vectors (N,), not zero.

    Examples
    --------
    >>> weight_overlap([1, 1, 1, -1], [2, 2, 2, 2])
    0.5
    """
    a = check_array("first", first, (None,))
    b = check_array("second", second, (a.size,))
    if not (a.any() and b.any()):
        raise ParameterError("first, second", 0.0, "vectors of positive length")
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # their squares cannot overflow
    cosine = float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))
    return min(1.0, max(-1.0, cosine))  # rounding may leave the range


def generalization_error(teacher_overlap: float) -> float:
    """arccos(R) / pi: how often student and teacher differ on a random pattern.

    Exact for Gaussian patterns, and for +-1 patterns at N -> infinity.

    Examples
    --------
    >>> generalization_error(0.0)
    0.5
    """
    r = check_real("teacher_overlap", teacher_overlap, -1.0, 1.0)
    return float(np.arccos(r) / np.pi)


def teacher_examples(
    n_weights: int,
    n_patterns: int,
    seed: int,
    *,
    weights: str = "binary",
    inputs: str = "binary",
    path: Sequence[int] = (),
) -> Examples:
    """Random patterns, labelled by a random teacher.

    Parameters
    ----------
    n_weights, n_patterns : int
        N and P. N is odd where patterns and teacher are +-1, so that no field is zero.
    seed : int
    weights : {"binary", "spherical"}
        Teacher of independent +-1, or Gaussian of length sqrt(N).
    inputs : {"binary", "gaussian"}
        Entries of the patterns: +-1, or standard Gaussian.
    path : sequence of int
        Address in the seed tree.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    Examples
    --------
    >>> examples = teacher_examples(11, 4, seed=1)
    >>> examples.alpha, examples.count_errors(examples.teacher)
    (0.36363636363636365, 0)
    """
    check_choice("weights", weights, WEIGHTS)
    n, x = _draw_inputs(n_weights, n_patterns, seed, inputs, path)
    if n % 2 == 0 and (weights, inputs) == ("binary", "binary"):
        raise ParameterError(
            "n_weights", n, "odd", "with N even a field of +-1 can be zero; take N + 1"
        )
    if weights == "binary":
        draw = rademacher(1, n, seed, path=(*check_path(path), _TEACHER))
        teacher = draw[0].astype(np.float64)
    else:
        teacher = generator(seed, (*check_path(path), _TEACHER)).standard_normal(n)
        teacher *= np.sqrt(n) / np.linalg.norm(teacher)
    return Examples(x, _signs(x, teacher), teacher)


def random_examples(
    n_weights: int,
    n_patterns: int,
    seed: int,
    *,
    inputs: str = "binary",
    path: Sequence[int] = (),
) -> Examples:
    """Random patterns with random labels: the storage problem.

    Parameters and errors as in `teacher_examples`.

    Examples
    --------
    >>> random_examples(11, 4, seed=1).teacher is None
    True
    """
    _, x = _draw_inputs(n_weights, n_patterns, seed, inputs, path)
    labels = rademacher(1, x.shape[0], seed, path=(*check_path(path), _LABELS))[0]
    return Examples(x, labels)


def relabel(examples: Examples, teacher: ArrayLike) -> Examples:
    """The same patterns with the labels of another teacher (N,)."""
    w = check_array("teacher", teacher, (examples.n_weights,))
    return Examples(examples.inputs, _signs(examples.inputs, w), w)


def correlated_weights(
    weights: ArrayLike, overlap: float, seed: int, *, path: Sequence[int] = ()
) -> NDArray[np.int8]:
    """Weights +-1 (N,) whose overlap with `weights` is met to 1/N, not on average.

    Exactly round(N (1 + overlap) / 2) entries agree, at random places. (Independent
    entries would have an overlap that fluctuates by 1/sqrt(N), which often exceeds
    every other error.)

    Parameters
    ----------
    weights : (N,) array of +-1
    overlap : float
        From -1 to 1.
    seed, path : int, sequence of int

    Examples
    --------
    >>> weights = np.ones(10)
    >>> int(correlated_weights(weights, 0.6, seed=3).sum())
    6
    """
    w = check_levels("weights", weights, (None,))
    share = check_real("overlap", overlap, -1.0, 1.0)
    n_turned = w.size - round(w.size * (1.0 + share) / 2.0)
    places = generator(seed, check_path(path)).permutation(w.size)[:n_turned]
    result = w.copy()
    result[places] = -result[places]
    return result


def _draw_inputs(
    n_weights: int, n_patterns: int, seed: int, inputs: str, path: Sequence[int]
) -> tuple[int, NDArray[np.int8] | NDArray[np.float64]]:
    check_choice("inputs", inputs, INPUTS)
    n = check_integer("n_weights", n_weights, 1, 2**31 - 1)
    p = check_integer("n_patterns", n_patterns, 1, 2**31 - 1)

    def needed(rows: int, columns: int) -> int:
        # The product with the teacher is taken in blocks.
        one = 1 if inputs == "binary" else 8
        return pattern_bytes(rows, columns) + (one - 1) * rows * columns

    require_memory(
        needed(p, n),
        f"n_patterns = {p} of n_weights = {n}",
        remedy=smaller(
            n_patterns=(p, lambda fewer: needed(fewer, n)),
            n_weights=(n, lambda fewer: needed(p, fewer)),
        ),
    )
    address = (*check_path(path), _INPUTS)
    if inputs == "binary":
        return n, rademacher(p, n, seed, path=address)
    return n, generator(seed, address).standard_normal((p, n))


def _all_signs(array: NDArray[Any]) -> bool:
    """Whether every entry of a real array is +-1."""
    if array.dtype.kind not in "iuf":
        return False
    return all(bool((np.abs(part) == 1).all()) for part in blocks(array))


def _signs(
    inputs: NDArray[np.int8] | NDArray[np.float64], teacher: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Labels (P,) of the patterns."""
    step = max(1, 2**20 // inputs.shape[1])
    fields = np.concatenate(
        [inputs[k : k + step] @ teacher for k in range(0, inputs.shape[0], step)]
    )
    if (fields == 0.0).any():
        raise ParameterError(
            "teacher",
            teacher,
            "weights whose field is zero on no pattern",
            "with +-1 patterns and weights take N odd",
        )
    return np.where(fields > 0.0, 1, -1).astype(np.int8)
