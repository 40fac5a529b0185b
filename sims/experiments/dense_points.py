"""Points of the dense Hebbian network: the parameters of one disorder sample.

Every class checks its parameters once and writes defaults back, so that two ways of
asking for the same point are the same point. The seed path is a function of all that
shapes the disorder and its history, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from sims.experiment import stable_hash
from statmech.errors import (
    ParameterError,
    check_choice,
    check_integer,
    check_order,
    check_real,
)
from statmech.hebbian import COINCIDENT, load_unit

MOST_SPINS = 10**7
MOST_PATTERNS = 2**53  # beyond it K = alpha F is not a whole number in float64
MOST_TEMPERATURE = 1e300  # times the number of steps it must not overflow


def _load(name: str, value: Any) -> float:
    return check_real(name, value, 0.0, low_open=True)


def _temperature(name: str, value: Any) -> float:
    # No infinity, though the sampler takes it: points are JSON, which has none.
    return check_real(name, value, 0.0)


def _integer(minimum: int, maximum: int) -> Callable[[str, Any], int]:
    return lambda name, value: check_integer(name, value, minimum, maximum)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "order": lambda name, value: check_order(value, name),
    "alpha": _load,
    "temperature": _temperature,
    "highest": lambda name, value: check_real(
        name, value, 0.0, MOST_TEMPERATURE, low_open=True
    ),
    "coincident": lambda name, value: check_choice(name, value, COINCIDENT),
    "cue_overlap": lambda name, value: check_real(name, value, -1.0, 1.0),
    "n_spins": _integer(2, MOST_SPINS),
    "n_sweeps": _integer(1, 10**9),
    "n_burn_in": _integer(0, 10**9),
    "n_temperatures": _integer(2, 10**4),
    "seed": _integer(0, 2**63 - 1),
    "sample": _integer(0, 2**31 - 1),
}


@dataclass(frozen=True, kw_only=True)
class Network:
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

    family: ClassVar[str]

    alpha: float
    n_spins: int
    order: int = 2
    coincident: str = "exclude"
    seed: int = 0
    sample: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _CHECKS[field.name](field.name, getattr(self, field.name))
            if isinstance(value, float):
                value += 0.0  # -0.0 and 0.0 are one point
            object.__setattr__(self, field.name, value)
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

    @property
    def path(self) -> tuple[int, int]:
        """Seed path: what the disorder and its history are a function of."""
        identity = {
            k: v for k, v in asdict(self).items() if k not in ("seed", "sample")
        }
        return stable_hash(self.family, tuple(sorted(identity.items()))), self.sample


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
