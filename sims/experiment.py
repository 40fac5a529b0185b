"""The protocol that every experiment follows."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics.solve import Prediction

Traces = Mapping[str, NDArray[np.float64]]


class Experiment(ABC):
    """One system, its simulation, its theory.

    A point is what one call of `simulate` needs: a frozen dataclass with at least the
    fields `n_spins` and `sample`. `simulate(point)` is a pure function of the point:
    the seed path comes from its content, never from order, worker or time.
    """

    name: ClassVar[str]
    observables: tuple[str, ...]
    planted: str = "a theory with sqrt(2) times the noise"

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Every parameter, defaults written back."""

    @abstractmethod
    def points(self) -> Sequence[Any]:
        """All points: every size, every disorder sample."""

    @abstractmethod
    def simulate(self, point: Any) -> Traces:
        """Observables of one disorder sample, each a trace (chain, draw)."""

    def memory(self, point: Any) -> int:
        """Bytes that `simulate` takes at its peak; 0 if they are not worth asking."""
        return 0

    def kept(self, point: Any) -> int:
        """Bytes of what `simulate` returns; 0 if they are not worth asking."""
        return 0

    @abstractmethod
    def count_escaped(
        self, traces: Traces, theory: Mapping[str, Prediction]
    ) -> tuple[int, int]:
        """(chains that left the state that theory describes, all chains)."""

    @abstractmethod
    def predict(self, point: Any) -> Mapping[str, Prediction]:
        """Theory for the same observables, N -> infinity at the realised load."""

    @abstractmethod
    def plant(self, point: Any) -> Mapping[str, Prediction]:
        """A deliberately wrong theory: what a row must be able to tell apart."""


def stable_hash(*content: Hashable) -> int:
    """63-bit integer from the content alone, the same on every machine."""
    text = json.dumps(content, allow_nan=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
