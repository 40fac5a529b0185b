"""Points of Boltzmann machines: the parameters of one random model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sims.point import Check, SamplePoint, choice, integer, real
from statmech.errors import ParameterError
from statmech.monotone import METHODS

MOST_COUNTED = 2**22  # joint states that are summed exactly

_CHECKS: dict[str, Check] = {
    **SamplePoint.checks,
    "n_spins": integer(2, 10**5),
    "n_states": integer(2, 1000),
    "kappa": real(0.0, 2.0, low_open=True, high_open=True),
    "alignment": real(0.0, 1.0),
    "solver": choice(*METHODS),
    "tol": real(1e-13, 0.1),
    "max_iter": integer(1, 10**7),
    "largest": real(0.0, 100.0, low_open=True),
    "n_starts": integer(2, 10**5),
    "beta": real(0.0, 100.0, low_open=True),
    "coupling": real(-100.0, 100.0),
    "field": real(-100.0, 100.0),
    "n_sweeps": integer(4, 10**8),
    "n_burn_in": integer(0, 10**8),
}


@dataclass(frozen=True, kw_only=True)
class IterationPoint(SamplePoint):
    """A monotone model with repulsion, solved by one solver.

    Parameters
    ----------
    n_spins : int
        Number of variables n.
    n_states : int
        k of each.
    kappa : float
        Cap on lambda_max, in (0, 2).
    alignment : float
        0: independent blocks; 1: equal ones, lambda_min = -(n - 1) kappa.
    solver : str
        Of `statmech.monotone.solve`.
    tol : float
        Of the mean-field residual.
    max_iter : int
        Products with Phi at most.
    """

    family: ClassVar[str] = "dbm-iterations"
    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    n_spins: int
    alignment: float
    n_states: int = 3
    kappa: float = 0.9
    solver: str = "auto"
    tol: float = 1e-8
    max_iter: int = 10_000


@dataclass(frozen=True, kw_only=True)
class SolutionPoint(SamplePoint):
    """Random couplings of a given strength, solved from many random starts.

    Parameters
    ----------
    n_spins : int
        Number of variables.
    largest : float
        lambda_max of the potentials on the tangent space.
    n_states : int
    n_starts : int
    """

    family: ClassVar[str] = "dbm-solutions"
    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    n_spins: int
    largest: float
    n_states: int = 3
    n_starts: int = 50


@dataclass(frozen=True, kw_only=True)
class SpinGlassPoint(SamplePoint):
    """Sherrington-Kirkpatrick spins in Gaussian fields, few enough to be summed.

    Parameters
    ----------
    n_spins : int
        N, at most 22.
    beta : float
        J_ij = beta g_ij / sqrt(N).
    field : float
        Width of the fields.
    """

    family: ClassVar[str] = "dbm-errors"
    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    n_spins: int
    beta: float
    field: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        most = round(math.log2(MOST_COUNTED))
        if self.n_spins > most:
            remedy = "all states are summed for the exact marginals"
            raise ParameterError("n_spins", self.n_spins, f"at most {most}", remedy)


@dataclass(frozen=True, kw_only=True)
class CurieWeissPoint(SamplePoint):
    """Spins that all attract each other, J_ij = coupling / N.

    Parameters
    ----------
    n_spins : int
    coupling : float
    field : float
        At 0 the sign of m is that of the start, and |m| is measured.
    n_sweeps, n_burn_in : int
        Of two Gibbs chains.
    """

    family: ClassVar[str] = "dbm-magnetisation"
    checks: ClassVar[Mapping[str, Check]] = _CHECKS

    n_spins: int
    coupling: float
    field: float = 0.0
    n_sweeps: int = 2000
    n_burn_in: int = 200
