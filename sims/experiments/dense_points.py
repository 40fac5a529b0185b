"""Points of the dense Hebbian network: the parameters of one disorder sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sims.point import Check, SamplePoint, choice, integer, real
from statmech.errors import ParameterError, check_order
from statmech.hebbian import COINCIDENT, load_unit

MOST_SPINS = 10**7
MOST_PATTERNS = 2**53  # beyond it K = alpha F is not a whole number in float64
MOST_TEMPERATURE = 1e300  # times the number of steps it must not overflow


_CHECKS: dict[str, Check] = {
    **SamplePoint.checks,
    "order": lambda name, value: check_order(value, name),
    "load_order": lambda name, value: check_order(value, name),
    "alpha": real(0.0, math.inf, low_open=True),
    # No infinity, though the sampler takes it: points are JSON, which has none.
    "temperature": real(0.0, math.inf),
    "highest": real(0.0, MOST_TEMPERATURE, low_open=True),
    "coincident": choice(*COINCIDENT),
    "cue_overlap": real(-1.0, 1.0),
    "n_spins": integer(2, MOST_SPINS),
    "n_sweeps": integer(1, 10**9),
    "n_burn_in": integer(0, 10**9),
    "n_temperatures": integer(2, 10**4),
}


@dataclass(frozen=True, kw_only=True)
class Network(SamplePoint):
    """One disorder sample of a network: what all measurements share.

    Parameters
    ----------
    alpha : float
        Load, > 0: K = alpha F patterns, F = N**(P-1) at leading order.
    n_spins : int
        N.
    order : int
        P, from 2 to 20.
    coincident : {"exclude", "keep"}
    seed, sample : int

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where K rounds to 0, or is no whole number in float64.
    """

    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    alpha: float
    n_spins: int
    order: int = 2
    coincident: str = "exclude"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order > self.n_spins:
            raise ParameterError("n_spins", self.n_spins, f"at least P = {self.order}")
        unit = load_unit(self.order, self.n_spins, self.coincident)
        if self.alpha > MOST_PATTERNS / unit:
            allowed = f"at most {MOST_PATTERNS / unit:.3g} at N = {self.n_spins}"
            raise ParameterError("alpha", self.alpha, allowed)
        if self.n_patterns < 1:
            raise ParameterError(
                "alpha",
                self.alpha,
                f"above {0.5 / unit:.3g} at N = {self.n_spins}",
                f"take N**(P-1) above {0.5 / self.alpha:.3g}: "
                "K = alpha N**(P-1) rounds to 0",
            )

    @property
    def n_patterns(self) -> int:
        unit = load_unit(self.order, self.n_spins, self.coincident)
        return round(self.alpha * unit)

    @property
    def realised_alpha(self) -> float:
        return self.n_patterns / load_unit(self.order, self.n_spins, self.coincident)


@dataclass(frozen=True, kw_only=True)
class Point(Network):
    """Equilibrium at one temperature, from a pattern.

    Parameters
    ----------
    temperature : float
        T >= 0 and finite, units J = 1.
    n_sweeps, n_burn_in : int
        Sweeps measured, and discarded before.
    """

    family: ClassVar[str] = "dense"

    temperature: float
    n_sweeps: int = 300
    n_burn_in: int = 100


@dataclass(frozen=True, kw_only=True)
class CuePoint(Point):
    """Relaxation at one temperature, from a corrupted pattern.

    Parameters
    ----------
    cue_overlap : float
        Initial magnetisation, from -1 to 1; met to 1/N.
    """

    family: ClassVar[str] = "dense-basin"

    cue_overlap: float


@dataclass(frozen=True, kw_only=True)
class UltraPoint(Point):
    """As many patterns as another order could store.

    Parameters
    ----------
    alpha : float
        Load in the unit of `load_order`: K = alpha N**(load_order - 1) at leading
        order, whatever the order of the network.
    load_order : int
        From 2 to 20.
    """

    family: ClassVar[str] = "dense-ultra-storage"

    load_order: int = 4

    @property
    def n_patterns(self) -> int:
        unit = load_unit(self.load_order, self.n_spins, self.coincident)
        return round(self.alpha * unit)


@dataclass(frozen=True, kw_only=True)
class LoopPoint(Network):
    """A pattern that is heated and cooled again.

    Parameters
    ----------
    highest : float
        Where heating ends; the temperatures are highest * j / n, j = 1, ..., n.
    n_temperatures : int
        n.
    n_sweeps : int
        Sweeps at each temperature.
    """

    family: ClassVar[str] = "dense-hysteresis"

    highest: float
    n_temperatures: int = 24
    n_sweeps: int = 50
