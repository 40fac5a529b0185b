"""Points of dense Hebbian networks that learn their archetypes from examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sims.experiments.dense_points import Network, Point
from sims.point import Check, choice, integer, real

PROTOCOLS = ("supervised", "unsupervised")
LAWS = ("binomial", "gaussian")

_CHECKS: dict[str, Check] = {
    **Network.checks,
    "protocol": choice(*PROTOCOLS),
    "n_examples": integer(1, 10**6),
    "quality": real(1e-3, 1.0),
    "magnetization": real(0.0, 1.0, low_open=True, high_open=True),
    "etabar": choice(*LAWS),
}


@dataclass(frozen=True, kw_only=True)
class LearningPoint(Point):
    """Equilibrium at one temperature, from an archetype known by its examples only.

    Parameters
    ----------
    protocol : {"supervised", "unsupervised"}
        Whether the network is told which examples belong to one archetype.
    n_examples, quality : int, float
        M and r: examples of each archetype, and their mean agreement with it.
    """

    family: ClassVar[str] = "dense-learning"
    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    protocol: str = "supervised"
    n_examples: int
    quality: float


@dataclass(frozen=True, kw_only=True)
class DemandPoint(Network):
    """How many examples the retrieval of an archetype takes.

    Parameters
    ----------
    temperature : float
        T >= 0, units J = 1.
    quality : float
        r.
    magnetization : float
        m that is to be reached.
    protocol : {"supervised", "unsupervised"}
    n_sweeps, n_burn_in : int
    """

    family: ClassVar[str] = "dense-min-examples"
    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    temperature: float
    quality: float
    magnetization: float = 0.95
    protocol: str = "supervised"
    n_sweeps: int = 100
    n_burn_in: int = 60
