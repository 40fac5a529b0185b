"""What a run of chains of weights leaves behind, and where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WeightState:
    """Where a run stopped: what the moves that follow depend on, besides the rules.

    Attributes
    ----------
    weights : (chain, N) int8
    keys : (chain, 2) uint64
        Streams of random numbers, see `statmech.rng`.
    clock : int
        Trials done by each chain.
    examples : str
        Digest of the examples.
    """

    weights: NDArray[np.int8] = field(repr=False)
    keys: NDArray[np.uint64] = field(repr=False)
    clock: int
    examples: str


@dataclass(frozen=True)
class WeightTrace:
    """Measurements of several chains of weights on one set of examples, one a draw.

    Attributes
    ----------
    errors : (chain, draw) int64
        Energy E: how many examples are misclassified (or below the margin).
    teacher_overlap : (chain, draw)
        R = J.W / (|J| |W|); nan if there is no teacher.
    q : (pair, draw)
        Overlap J.J' / N of chains 2 j and 2 j + 1 at equal times. Its average over
        the draws is an unbiased estimate of q; the square of a time average is not.
    acceptance : (chain, draw)
        Fraction of accepted flips since the draw before.
    weights : (chain, N) int8
        Final states.
    mean_weights : (chain, N)
        Averages over the draws.
    temperature : (draw,)
        In units of one error.
    settings : dict
        Everything that was asked for, defaults written back.
    state : WeightState or None
        What `extend` goes on from; only `sample` and `extend` keep it.
    """

    errors: NDArray[np.int64]
    teacher_overlap: NDArray[np.float64]
    q: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    weights: NDArray[np.int8] = field(repr=False)
    mean_weights: NDArray[np.float64] = field(repr=False)
    temperature: NDArray[np.float64] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    state: WeightState | None = field(default=None, repr=False)

    @property
    def training_errors(self) -> NDArray[np.float64]:
        """(chain, draw) E / N, errors per weight."""
        return self.errors / self.weights.shape[1]
