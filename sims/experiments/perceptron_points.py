"""Points of perceptrons: the parameters of one disorder sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sims.point import Check, SamplePoint, choice, integer, real
from statmech.errors import ParameterError
from statmech.perceptron.enumeration import MOST_WEIGHTS

MOST_SPINS = 10**6
MOST_PATTERNS = 2**31 - 1
# How a student is found, and of which weights.
STUDENTS = (
    "binary-gibbs",
    "binary-bayes",
    "spherical-bayes",
    "spherical-max-margin",
    "spherical-hebb",
    "spherical-perceptron",
)
STARTS = ("random", "teacher")
LABELS = ("teacher", "random")

_CHECKS: dict[str, Check] = {
    **SamplePoint.checks,
    "alpha": real(0.0, math.inf, low_open=True),
    "temperature": real(0.0, math.inf),
    "kappa": real(-100.0, 100.0),
    "student": choice(*STUDENTS),
    "labels": choice(*LABELS),
    "start": choice(*STARTS),
    "weights": choice("binary", "spherical"),
    "inputs": choice("binary", "gaussian"),
    "flow": choice("plain", "normalised"),
    "step": real(0.0, 1e300, low_open=True),
    "n_spins": integer(1, MOST_SPINS),
    "n_sweeps": integer(1, 10**9),
    "n_burn_in": integer(0, 10**9),
    "n_iterations": integer(1, 10**6),
    "max_steps": integer(1, 10**9),
}


@dataclass(frozen=True, kw_only=True)
class PerceptronPoint(SamplePoint):
    """Patterns and labels of one perceptron: what all measurements share.

    Parameters
    ----------
    alpha : float
        Load P / N, > 0.
    n_spins : int
        N, the number of weights; odd where weights and patterns are +-1.
    seed, sample : int

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where P = alpha N rounds to 0 or is above 2**31 - 1.
    """

    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    alpha: float
    n_spins: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha * self.n_spins > MOST_PATTERNS:
            allowed = f"at most {MOST_PATTERNS / self.n_spins:.3g} at this N"
            raise ParameterError("alpha", self.alpha, allowed)
        if self.n_patterns < 1:
            raise ParameterError(
                "alpha",
                self.alpha,
                f"above {0.5 / self.n_spins:.3g} at N = {self.n_spins}",
                "P = alpha N rounds to 0: take a larger N",
            )

    @property
    def n_patterns(self) -> int:
        """P."""
        return round(self.alpha * self.n_spins)

    @property
    def realised_alpha(self) -> float:
        """P / N."""
        return self.n_patterns / self.n_spins

    def require_odd(self) -> None:
        """Refuse an even N."""
        if self.n_spins % 2 == 0:
            raise ParameterError(
                "n_spins",
                self.n_spins,
                "odd",
                f"with N even a field can be zero; take {self.n_spins + 1}",
            )


@dataclass(frozen=True, kw_only=True)
class StudentPoint(PerceptronPoint):
    """One student of a random teacher, or of random labels.

    Parameters
    ----------
    student : str
        "binary-bayes", "spherical-bayes" (message passing, T = 0), "binary-gibbs"
        (Metropolis on +-1 weights at T > 0, energy = number of errors),
        "spherical-max-margin", "spherical-hebb", "spherical-perceptron" (the learning
        rule; without a theory).
    temperature : float
        T > 0 of "binary-gibbs"; 0 for the others.
    labels : {"teacher", "random"}
        "random", the storage problem, is for "binary-gibbs".
    kappa : float
        Margin of the storage problem: a pattern of smaller stability is an error.
    start : {"random", "teacher"}
        Of the chains of "binary-gibbs".
    n_sweeps, n_burn_in : int
        Of the chains.
    n_iterations : int
        Most iterations of message passing.
    """

    family: ClassVar[str] = "perceptron-student"

    student: str = "binary-bayes"
    temperature: float = 0.0
    labels: str = "teacher"
    kappa: float = 0.0
    start: str = "random"
    n_sweeps: int = 500
    n_burn_in: int = 500
    n_iterations: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        sampled = self.student == "binary-gibbs"
        if sampled and self.temperature == 0.0:
            raise ParameterError(
                "temperature",
                self.temperature,
                "above 0 for student = 'binary-gibbs'",
                "the weights freeze at T = 0; 'binary-bayes' is the T = 0 student",
            )
        if not sampled and self.temperature != 0.0:
            allowed = f"0 for student = {self.student!r}"
            remedy = "student = 'binary-gibbs' is the one at T > 0"
            raise ParameterError("temperature", self.temperature, allowed, remedy)
        if self.labels == "random":
            if not sampled:
                allowed = f"'teacher' for student = {self.student!r}"
                raise ParameterError("labels", self.labels, allowed)
            if self.start == "teacher":
                allowed = "'random': random labels have no teacher"
                raise ParameterError("start", self.start, allowed)
        elif self.kappa != 0.0:
            raise ParameterError("kappa", self.kappa, "0 unless labels = 'random'")
        if self.student.startswith("binary"):
            self.require_odd()

    @property
    def realised_kappa(self) -> float:
        """The margin in the middle between the stabilities that do and do not do.

        Stabilities of +-1 weights are odd numbers over sqrt(N).
        """
        least = 2 * math.ceil((self.kappa * math.sqrt(self.n_spins) - 1.0) / 2.0) + 1
        return (least - 1) / math.sqrt(self.n_spins)

    @property
    def weights(self) -> str:
        """ "binary" or "spherical", of teacher and student."""
        return self.student.split("-")[0]

    @property
    def rule(self) -> str:
        """What theory calls the student: "gibbs", "bayes", "max_margin", "hebb"."""
        return self.student.split("-", 1)[1].replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class IterationPoint(PerceptronPoint):
    """Message passing, followed iteration by iteration.

    Parameters
    ----------
    weights : {"binary", "spherical"}
    n_iterations : int
    """

    family: ClassVar[str] = "perceptron-evolution"

    weights: str = "binary"
    n_iterations: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights == "binary":
            self.require_odd()


@dataclass(frozen=True, kw_only=True)
class CensusPoint(PerceptronPoint):
    """All 2**N students of a small binary perceptron.

    Parameters
    ----------
    n_spins : int
        N, odd and at most 31.
    temperature : float
        T >= 0.
    labels : {"teacher", "random"}
    """

    family: ClassVar[str] = "perceptron-census"
    checks: ClassVar[Mapping[str, Check]] = {
        **_CHECKS,
        "n_spins": integer(1, MOST_WEIGHTS),
    }

    temperature: float = 0.0
    labels: str = "teacher"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_odd()


@dataclass(frozen=True, kw_only=True)
class NeighbourPoint(PerceptronPoint):
    """Solutions of a small storage problem about each other.

    Parameters
    ----------
    n_spins : int
        N, odd and at most 31.
    """

    family: ClassVar[str] = "perceptron-potential"
    checks: ClassVar[Mapping[str, Check]] = CensusPoint.checks

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_odd()


@dataclass(frozen=True, kw_only=True)
class SeparationPoint(PerceptronPoint):
    """Logistic regression by gradient descent, until it separates the patterns.

    Parameters
    ----------
    step : float
        Size of the step, > 0, of the mean loss.
    flow : {"plain", "normalised"}
        Gradient as it is, or over the mean residual.
    inputs : {"binary", "gaussian"}
    max_steps : int
        Where it gives up, and the point fails.
    """

    family: ClassVar[str] = "perceptron-separation"

    step: float
    flow: str = "plain"
    inputs: str = "gaussian"
    max_steps: int = 10**6
