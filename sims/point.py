"""Points: frozen parameters of one disorder sample, checked once.

Defaults are written back, so that two ways of asking for the same point are the same
point. The seed path is a function of all that shapes the disorder and its history, and
of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from sims.experiment import stable_hash
from statmech.errors import check_choice, check_integer, check_real

Check = Callable[[str, Any], Any]


def integer(minimum: int, maximum: int) -> Check:
    """Check of a whole number."""
    return lambda name, value: check_integer(name, value, minimum, maximum)


def real(
    low: float, high: float, *, low_open: bool = False, high_open: bool = False
) -> Check:
    """Check of a finite number."""
    return lambda name, value: check_real(
        name, value, low, high, low_open=low_open, high_open=high_open
    )


def choice(*options: str) -> Check:
    """Check of one of several words."""
    return lambda name, value: check_choice(name, value, options)


@dataclass(frozen=True, kw_only=True)
class SamplePoint:
    """Base of all points; subclasses name their family and a check for every field.

    Parameters
    ----------
    seed : int
        From 0 to 2**63 - 1.
    sample : int
        Number of the disorder sample, from 0.
    """

    family: ClassVar[str]
    checks: ClassVar[Mapping[str, Check]] = {
        "seed": integer(0, 2**63 - 1),
        "sample": integer(0, 2**31 - 1),
    }

    seed: int = 0
    sample: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = self.checks[field.name](field.name, getattr(self, field.name))
            if isinstance(value, float):
                value += 0.0  # -0.0 and 0.0 are one point
            object.__setattr__(self, field.name, value)

    @property
    def path(self) -> tuple[int, int]:
        """Seed path: what the disorder and its history are a function of."""
        identity = {
            k: v for k, v in asdict(self).items() if k not in ("seed", "sample")
        }
        return stable_hash(self.family, tuple(sorted(identity.items()))), self.sample
