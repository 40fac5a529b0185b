"""Points of continual learning: the parameters of one disorder sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sims.point import Check, SamplePoint, choice, integer, real
from statmech.errors import ParameterError

MOST_SPINS = 10**6
MOST_PATTERNS = 2**31 - 1
# Who learns the tasks. Message passing hands over fields; the variational learner is
# gradient descent in field space; field-space is Monte Carlo on the magnetisations.
LEARNERS = ("amp-naive", "amp-optimal", "variational", "field-space")
SINGLE_LEARNERS = ("variational", "field-space")
LEAST_BURN_IN = 10  # sweeps in which the chains of "field-space" tune their step

_CHECKS: dict[str, Check] = {
    **SamplePoint.checks,
    "alpha": real(0.0, math.inf, low_open=True),
    "alpha1": real(0.0, math.inf, low_open=True),
    "alpha2": real(0.0, math.inf, low_open=True),
    "teacher_correlation": real(-1.0, 1.0),
    "gamma": real(0.0, 1e3),
    "beta": real(0.0, 1e3, low_open=True),
    "learner": choice(*LEARNERS),
    "n_spins": integer(3, MOST_SPINS),
    "n_iterations": integer(1, 10**6),
    "n_epochs": integer(1, 10**6),
    "n_epochs_1": integer(1, 10**6),
    "n_epochs_2": integer(1, 10**6),
    "rate": real(0.0, 1e3, low_open=True),
    "n_sweeps": integer(1, 10**9),
    "n_burn_in": integer(0, 10**9),
}


@dataclass(frozen=True, kw_only=True)
class TaskPoint(SamplePoint):
    """What all points have in common: N odd, whole numbers of patterns."""

    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    n_spins: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_spins % 2 == 0:
            raise ParameterError(
                "n_spins",
                self.n_spins,
                "odd",
                f"with N even a field can be zero; take {self.n_spins + 1}",
            )
        for name in self.loads:
            load = getattr(self, name)
            if load * self.n_spins > MOST_PATTERNS:
                allowed = f"at most {MOST_PATTERNS / self.n_spins:.3g} at this N"
                raise ParameterError(name, load, allowed)
            if self.n_patterns(load) < 1:
                least = 0.5 / self.n_spins
                allowed = f"above {least:.3g} at N = {self.n_spins}"
                remedy = "P = alpha N rounds to 0: take a larger N"
                raise ParameterError(name, load, allowed, remedy)

    def require_burn_in(self, learner: str, n_burn_in: int) -> None:
        """Refuse chains that could not tune their step."""
        if learner == "field-space" and n_burn_in < LEAST_BURN_IN:
            allowed = f"{LEAST_BURN_IN} or more for learner = 'field-space'"
            remedy = "the step is tuned in these sweeps"
            raise ParameterError("n_burn_in", n_burn_in, allowed, remedy)

    @property
    def loads(self) -> tuple[str, ...]:
        """Names of the loads."""
        return tuple(
            name for name in ("alpha", "alpha1", "alpha2") if name in vars(self)
        )

    def n_patterns(self, load: float) -> int:
        """P of a load."""
        return round(load * self.n_spins)

    def realised(self, load: float) -> float:
        """P / N of a load."""
        return self.n_patterns(load) / self.n_spins


@dataclass(frozen=True, kw_only=True)
class SingleTaskPoint(TaskPoint):
    """Magnetisations that learn one task.

    Parameters
    ----------
    alpha : float
        Load P / N, > 0.
    n_spins : int
        N, odd.
    learner : {"variational", "field-space"}
    beta : float
        Inverse temperature, of "field-space" and of the theory of both.
    n_epochs : int
        Full-batch steps of "variational".
    rate : float
        Learning rate of its Adam.
    n_sweeps, n_burn_in : int
        Of the chains of "field-space".
    """

    family: ClassVar[str] = "continual-single"
    checks: ClassVar[Mapping[str, Check]] = {
        **_CHECKS,
        "learner": choice(*SINGLE_LEARNERS),
    }

    alpha: float
    learner: str = "field-space"
    beta: float = 5.0
    n_epochs: int = 300
    rate: float = 0.01
    n_sweeps: int = 500
    n_burn_in: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_burn_in(self.learner, self.n_burn_in)


@dataclass(frozen=True, kw_only=True)
class TwoTaskPoint(TaskPoint):
    """A binary perceptron that learns a first task, then a second.

    Parameters
    ----------
    alpha1, alpha2 : float
        Loads P / N of the two, > 0.
    n_spins : int
        N, odd.
    teacher_correlation : float
        r0 = W1.W2 / N, met to 1 / N.
    gamma : float
        Weight of what is handed over: of the fields ("amp-naive"), of the divergence
        from the first task's magnetisations ("variational", "field-space"). 1 for
        "amp-optimal", which has none.
    learner : {"amp-naive", "amp-optimal", "variational", "field-space"}
    beta : float
        Inverse temperature, of "field-space" and of the theory of it and of
        "variational".
    n_iterations : int
        Most iterations of message passing, each task.
    n_epochs_1, n_epochs_2 : int
        Full-batch steps of "variational" on each task, the second less if it settles.
        The fields of the first task grow for ever: where it ends is a parameter.
    rate : float
        Learning rate of their Adam.
    n_sweeps, n_burn_in : int
        Of the chains of "field-space", each task.
    """

    family: ClassVar[str] = "continual-tasks"

    alpha1: float
    alpha2: float
    teacher_correlation: float = 0.0
    gamma: float = 1.0
    learner: str = "amp-naive"
    beta: float = 5.0
    n_iterations: int = 200
    n_epochs_1: int = 300
    n_epochs_2: int = 2000
    rate: float = 0.01
    n_sweeps: int = 500
    n_burn_in: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_burn_in(self.learner, self.n_burn_in)
        if self.learner == "amp-optimal" and self.gamma != 1.0:
            allowed = "1 for learner = 'amp-optimal'"
            remedy = "its hand-over has no weight; 'amp-naive' has"
            raise ParameterError("gamma", self.gamma, allowed, remedy)

    @property
    def realised_correlation(self) -> float:
        """W1.W2 / N of an exact draw."""
        n = self.n_spins
        return 2.0 * round(n * (1.0 + self.teacher_correlation) / 2.0) / n - 1.0

    @property
    def handover(self) -> str:
        """ "naive" or "optimal", of message passing."""
        return self.learner.removeprefix("amp-")


@dataclass(frozen=True, kw_only=True)
class EpochPoint(TaskPoint):
    """Variational learning of two tasks, followed epoch by epoch across the switch.

    Parameters
    ----------
    alpha1, alpha2, n_spins, teacher_correlation, gamma, rate
        As in `TwoTaskPoint`.
    beta : float
        Inverse temperature of the theory of where the second task ends.
    n_epochs_1, n_epochs_2 : int
        Full-batch steps on each task.
    """

    family: ClassVar[str] = "continual-epochs"

    alpha1: float
    alpha2: float
    teacher_correlation: float = 0.0
    gamma: float = 1.0
    beta: float = 60.0
    n_epochs_1: int = 300
    n_epochs_2: int = 600
    rate: float = 0.01
