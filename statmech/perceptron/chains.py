"""Chains of the weights of a binary perceptron, as the kernels see them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import INITIAL, NOISE
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    StatmechError,
    check_choice,
    check_levels,
)
from statmech.kernels import perceptron as kernels
from statmech.kernels.bits import BITS, WORDS, vectors
from statmech.kernels.layout import Rules
from statmech.kernels.moves import BLOCK, HEAT_BATH, RANDOM
from statmech.kernels.stabilities import DIGITS, GROUP, begin, consistent
from statmech.perceptron.examples import Examples, check_binary_inputs
from statmech.rng import generator, stream_keys

STARTS = ("random", "teacher")

# Objects of a group and its share of lists, keys and Python's overhead: a bound.
_GROUP_BYTES = 8000


def check_examples(examples: object) -> Examples:
    """Return `examples` if a binary perceptron of odd N can be sampled on them."""
    remedy = "take inputs='binary': stabilities are then integers"
    checked = check_binary_inputs(examples, remedy)
    if checked.n_weights % 2 == 0:
        raise ParameterError(
            "n_weights",
            checked.n_weights,
            "odd",
            "with N even a stability can be zero, on no side; take one weight more",
        )
    return checked


def threshold_of(n_weights: int, kappa: float) -> int:
    """The smallest odd integer >= kappa sqrt(N): below it, a pattern is an error.

    Examples
    --------
    >>> threshold_of(101, 0.0), threshold_of(101, 0.2), threshold_of(101, -0.2)
    (1, 3, -1)
    """
    least = math.ceil(kappa * math.sqrt(n_weights))
    return least + (least % 2 == 0)


def flip_probabilities(
    dynamics: int, temperature: float, n_patterns: int
) -> NDArray[np.float64]:
    """(2 P + 1,) probability to accept Delta E = -P, ..., P.

    exp(-Delta E / T), at most 1, or 1 / (1 + exp(Delta E / T)); at T = 0 and inf the
    limits of these.
    """
    cost = np.arange(-n_patterns, n_patterns + 1, dtype=np.float64)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = cost / temperature
        ratio[n_patterns] = 0.0
        if dynamics == HEAT_BATH:
            return np.asarray(1.0 / (1.0 + np.exp(ratio)))
        return np.exp(-np.maximum(ratio, 0.0))


def thresholds_of(rules: Any, temperature: float, n_patterns: int) -> Any:
    """What the noise of a trial is compared with, for every Delta E."""
    thresholds = np.empty(2 * n_patterns + 1, dtype=np.int64)
    probabilities = flip_probabilities(rules.dynamics, temperature, n_patterns)
    kernels.fill_thresholds(rules.wide, probabilities, thresholds)
    return thresholds


def vectors_of(n_patterns: int) -> int:
    """V, vectors that hold a bit of every pattern; two of them are the least."""
    return max(2, -(-n_patterns // BITS))


def pack(examples: Examples) -> Any:
    """(N V, 8) uint64: bit mu of the V rows of weight i is y x_i > 0."""
    p, n = examples.n_patterns, examples.n_weights
    n_vectors = vectors_of(p)
    columns = vectors(n * n_vectors)
    bytes_of = columns.view(np.uint8).reshape(n, -1)
    step = max(1, 2**20 // p)
    up = examples.labels > 0
    for first in range(0, n, step):
        part = np.ascontiguousarray((examples.inputs[:, first : first + step] > 0).T)
        packed = np.packbits(part == up, axis=1, bitorder="little")
        bytes_of[first : first + step, : packed.shape[1]] = packed
    return columns


def rows_of(examples: Examples, kappa: float) -> kernels.Columns:
    """The examples in the form of the kernels."""
    n = examples.n_weights
    signs, direction, norm = np.empty(0, dtype=np.int8), np.empty(0), float(n)
    if examples.teacher is not None:
        binary = binary_teacher(examples)
        if binary is not None:
            signs = binary
        else:
            direction = examples.teacher
            norm = math.sqrt(n) * float(np.linalg.norm(direction))
    return kernels.Columns(
        columns=pack(examples),
        binary_teacher=signs,
        teacher=direction,
        n_patterns=examples.n_patterns,
        threshold=threshold_of(n, kappa),
        norm=norm,
    )


def binary_teacher(examples: Examples) -> NDArray[np.int8] | None:
    """The signs of a teacher whose weights are of one size; None of another."""
    teacher = examples.teacher
    if teacher is None or not (np.abs(teacher) == abs(teacher[0])).all():
        return None
    return np.where(teacher > 0.0, 1, -1).astype(np.int8)


def digest(examples: Examples) -> str:
    """SHA-256 of everything in the examples."""
    parts = [examples.inputs, examples.labels]
    parts += [] if examples.teacher is None else [examples.teacher]
    sums = hashlib.sha256()
    for part in parts:
        array = np.ascontiguousarray(part)
        sums.update(f"{array.dtype.str} {array.shape}\n".encode())
        sums.update(array.data)
    return sums.hexdigest()


def initial_weights(
    examples: Examples,
    n_chains: int,
    initial: str | ArrayLike,
    seed: int,
    path: Sequence[int],
) -> NDArray[np.int8]:
    """(n_chains, N) int8 initial states as `sample` describes them."""
    n = examples.n_weights
    if not isinstance(initial, str):
        try:
            given = np.asarray(initial)
        except (TypeError, ValueError):  # ragged
            names = ", ".join(map(repr, STARTS))
            allowed = f"{names} or an array of shape {(n_chains, n)} or {(n,)}"
            raise ParameterTypeError("initial", initial, allowed) from None
        if given.ndim == 1:
            one = check_levels("initial", given, (n,))
            return np.repeat(one[None, :], n_chains, axis=0)
        return check_levels("initial", given, (n_chains, n)).copy()
    if check_choice("initial", initial, STARTS) == "random":
        weights = np.empty((n_chains, n), dtype=np.int8)
        for c in range(n_chains):
            signs = generator(seed, (*path, INITIAL, c)).integers(0, 2, n)
            weights[c] = 2 * signs - 1
        return weights
    teacher = binary_teacher(examples)
    if teacher is None:
        raise ParameterError(
            "initial", initial, "'random' or an array", "these have no binary teacher"
        )
    return np.repeat(teacher[None, :], n_chains, axis=0)


def state_rows(n_weights: int, threshold: int) -> int:
    """Rows of a vector of patterns whose digits hold every distance."""
    largest = max(n_weights - threshold, n_weights + threshold - 2) // 2
    groups = -(-max(1, largest.bit_length()) // GROUP)
    return DIGITS + GROUP * groups


def run_bytes(
    n_patterns: int, n_weights: int, *, n_chains: int, n_draws: int, kappa: float
) -> int:
    """Peak memory of a run in bytes, without the examples.

    The packed matrix; either what packing takes, or chains, their state and sums,
    and the records, twice, since those of the groups are joined at the end.
    """
    n_vectors = vectors_of(n_patterns)
    size = state_rows(n_weights, threshold_of(n_weights, kappa))
    packed = 8 * WORDS * n_vectors * n_weights
    packing = 3 * min(n_weights * n_patterns, max(n_patterns, 2**20))
    states = n_chains * (8 * WORDS * n_vectors * size + 21 * n_weights)
    n_pairs = -(-n_chains // 2)
    scratch = n_pairs * (4 * n_weights + 8 * n_patterns + _GROUP_BYTES)
    tables = 40 * (2 * n_patterns + 1)
    records = n_draws * (56 * n_chains + 8)
    return packed + max(packing, states + scratch + tables + records)


class Group:
    """Chains that advance in lockstep inside one thread.

    Parameters
    ----------
    examples : Columns
    weights : (R, N) int8
        Initial states, changed in place.
    keys : (R, 2) uint64
    """

    def __init__(
        self,
        examples: kernels.Columns,
        weights: NDArray[np.int8],
        keys: NDArray[np.uint64],
    ) -> None:
        n_chains, n = weights.shape
        self.examples = examples
        n_vectors = examples.columns.shape[0] // n
        size = state_rows(n, examples.threshold)
        self.chains = kernels.Chains(
            weights=weights,
            state=vectors(n_chains * n_vectors * size).reshape(n_chains, -1, WORDS),
            errors=np.zeros(n_chains, dtype=np.int64),
            accepted=np.zeros(n_chains, dtype=np.int64),
            keys=keys,
            clock=np.zeros(1, dtype=np.int64),
            since=np.zeros(1, dtype=np.int64),
            # Written vector by vector, so on lines of the cache as well.
            sites=vectors(-(-n // 16)).view(np.int32).reshape(-1)[:n],
            noise=vectors(BLOCK // WORDS).view(np.int64).reshape(-1),
            digits=vectors(n.bit_length()),
            stabilities=np.empty((2, examples.n_patterns), dtype=np.int32),
        )
        begin(examples, self.chains)

    def record(self, n_draws: int) -> kernels.Record:
        """An empty record of this group."""
        n_chains, n = self.chains.weights.shape
        taught = self.examples.teacher.size + self.examples.binary_teacher.size
        columns = n_draws if taught else 0
        return kernels.Record(
            errors=np.empty((n_chains, n_draws), dtype=np.int64),
            teacher_overlaps=np.empty((n_chains, columns)),
            replica_overlaps=np.empty((n_chains // 2, n_draws)),
            accepted=np.empty((n_chains, n_draws)),
            weight_sums=np.zeros((n_chains, n), dtype=np.int64),
        )

    def compile(self) -> None:
        """Make the kernels ready, without moving anything."""
        rules = Rules(HEAT_BATH, RANDOM, False)
        thresholds, nothing = thresholds_of(rules, 1.0, 1), self.record(0)
        kernels.advance(self.examples, self.chains, thresholds, rules, 0, 0, 1, nothing)
        self.check()

    def advance(
        self,
        thresholds: NDArray[np.int64],
        rules: Any,
        first_draw: int,
        n_draws: int,
        thin: int,
        out: kernels.Record,
    ) -> None:
        """Run `n_draws` x `thin` sweeps, writing into the record `out`."""
        # In parts of about a second, between which a user may interrupt.
        part = max(1, 2**29 // (self.examples.columns.shape[0] * thin))
        for first in range(first_draw, first_draw + n_draws, part):
            many = min(part, first_draw + n_draws - first)
            if not kernels.advance(
                self.examples, self.chains, thresholds, rules, first, many, thin, out
            ):
                raise _corrupt()

    def check(self) -> None:
        """Compare what the kernels keep with the weights."""
        if not consistent(self.examples, self.chains):
            raise _corrupt()


def _corrupt() -> StatmechError:
    return StatmechError(
        "the stabilities kept by a chain are not those of its weights: memory was "
        "overwritten, or the kernels are wrong on this machine; the run was given up"
    )


def make_groups(
    examples: kernels.Columns, weights: NDArray[np.int8], keys: NDArray[np.uint64]
) -> list[Group]:
    """Chains in pairs, on the rows of contiguous arrays."""
    return [
        Group(examples, weights[first : first + 2], keys[first : first + 2])
        for first in range(0, weights.shape[0], 2)
    ]


def noise_keys(seed: int, path: Sequence[int], n_chains: int) -> NDArray[np.uint64]:
    """(n_chains, 2) keys of the streams of a run."""
    return stream_keys(seed, (*path, NOISE), n_chains)
