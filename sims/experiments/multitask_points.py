"""Points of multitasking networks: the parameters of one disorder sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sims.point import Check, SamplePoint, choice, integer, real
from statmech.errors import ParameterError

PROTOCOLS = ("storage", "supervised", "unsupervised")
LAWS = ("class-exact", "independent")
STARTS = ("hierarchical", "pure", "parallel")
MOST_SPINS = 10**8


@dataclass(frozen=True, kw_only=True)
class TaskPoint(SamplePoint):
    """One network of K diluted patterns at low load, at one temperature.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 12.
    dilution : float
        d, 0 <= d < 1: fraction of blank entries of a pattern.
    temperature : float
        T >= 0 and finite, units J = 1; T_c = 1 - d.
    n_spins : int
        N.
    patterns : {"class-exact", "independent"}
        Every class of sites with its expected size, or independent entries, whose
        fluctuations are of order N**(-1/2).
    start : {"hierarchical", "pure", "parallel"}
        First non-blank pattern at each site; first pattern, random elsewhere; sign of
        the sum of all patterns, random where it is 0.
    protocol : {"storage", "supervised", "unsupervised"}
    n_examples, quality : int, float
        M and r of the examples; only M = 1 and r = 1 for "storage". The gain is
        1/(1 + rho), rho = (1 - r**2)/(M r**2).
    n_sweeps, n_burn_in : int
    """

    family: ClassVar[str] = "multitask"
    checks: ClassVar[Mapping[str, Check]] = {
        **SamplePoint.checks,
        "n_patterns": integer(1, 12),
        "dilution": real(0.0, 1.0, high_open=True),
        "temperature": real(0.0, math.inf),
        "n_spins": integer(2, MOST_SPINS),
        "patterns": choice(*LAWS),
        "start": choice(*STARTS),
        "protocol": choice(*PROTOCOLS),
        "n_examples": integer(1, 10**6),
        "quality": real(0.0, 1.0, low_open=True),
        "n_sweeps": integer(1, 10**9),
        "n_burn_in": integer(0, 10**9),
    }

    n_patterns: int
    dilution: float
    temperature: float
    n_spins: int
    patterns: str = "class-exact"
    start: str = "hierarchical"
    protocol: str = "storage"
    n_examples: int = 1
    quality: float = 1.0
    n_sweeps: int = 100
    n_burn_in: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol == "storage" and (self.n_examples, self.quality) != (1, 1.0):
            raise ParameterError(
                "protocol",
                self.protocol,
                "'supervised' or 'unsupervised' with n_examples or quality",
                "the patterns themselves are stored without examples",
            )
