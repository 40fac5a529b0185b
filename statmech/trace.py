"""What a run of chains leaves behind: its measurements, and where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterError, check_choice, check_real

OBSERVABLES = ("m", "q", "energy", "acceptance")


@dataclass(frozen=True)
class State:
    """Where a run stopped: what the moves that follow depend on, besides the rules.

    The permuted order is no part of it: it is drawn anew for every sweep.

    Attributes
    ----------
    spins : (chain, N) int8
    keys : (chain, 2) uint64
        Streams of random numbers, see `statmech.rng`.
    clock : int
        Trials done by each chain, which is where it stands in its stream.
    model : str
        Digest of the network.
    """

    spins: NDArray[np.int8] = field(repr=False)
    keys: NDArray[np.uint64] = field(repr=False)
    clock: int
    model: str


@dataclass(frozen=True)
class Trace:
    """Measurements of several chains on one network, one a draw.

    Attributes
    ----------
    m : (chain, draw)
        Mattis magnetisation (1/N) sum_i xi_i s_i with pattern (or archetype) `target`,
        at most 1 - d in size if a fraction d of its entries is blank.
    energy : (chain, draw)
        Energy per spin.
    q : (pair, draw)
        Replica overlap (1/N) sum_i s_i s'_i of chains 2 j and 2 j + 1 at equal times.
    acceptance : (chain, draw)
        Fraction of accepted updates since the draw before.
    overlaps : (chain, draw, tracked)
        Magnetisations with every pattern of `tracked`; the first is the target.
    spins : (chain, N) int8
        Final states.
    temperature : (draw,)
        Units J = 1, k_B = 1; nan where the chains differ (parallel tempering).
    target : int
    tracked : tuple of int
    settings : dict
        Everything that was asked for, defaults written back.
    state : State or None
        What `statmech.extend` goes on from; only `sample` and `extend` keep it.
    example_overlaps : (chain, draw, tracked) or None
        n_mu = (1/N) sum_i etabar_mu_i s_i, etabar_mu = (1/(r M)) sum_a eta_mu_a, of
        networks from examples.
    """

    m: NDArray[np.float64]
    energy: NDArray[np.float64]
    q: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    overlaps: NDArray[np.float64] = field(repr=False)
    spins: NDArray[np.int8] = field(repr=False)
    temperature: NDArray[np.float64] = field(repr=False)
    target: int
    tracked: tuple[int, ...]
    settings: dict[str, Any] = field(repr=False)
    state: State | None = field(default=None, repr=False)
    example_overlaps: NDArray[np.float64] | None = field(default=None, repr=False)

    def observable(self, name: str) -> NDArray[np.float64]:
        """The array (chain or pair, draw) called `name`."""
        check_choice("observable", name, OBSERVABLES)
        result: NDArray[np.float64] = getattr(self, name)
        if result.shape[0] == 0:
            raise ParameterError("n_chains", self.m.shape[0], "at least 2 to measure q")
        return result

    def escaped(self, threshold: float = 0.5) -> NDArray[np.bool_]:
        """(chain,) True where m averaged over the draws is below `threshold`."""
        return self.m.mean(axis=1) < check_real("threshold", threshold, -1.0, 1.0)

    def escape_fraction(self, threshold: float = 0.5) -> float:
        """Fraction of the chains that left the target; they stay in every average."""
        return float(self.escaped(threshold).mean())
