"""A state of a multitasking network: order parameters with their stability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from statmech.status import Status


@dataclass(frozen=True)
class State:
    """A stationary point of the free energy of K patterns at low load.

    Attributes
    ----------
    m : (K,) float64
        Mattis magnetisations with the archetypes, m_mu = E[xi_mu s], in the order of
        the patterns, |m_mu| <= 1 - d. NaN unless `status.ok`.
    n : (K,) float64
        Overlaps with the averaged examples, which carry the field; equal to m where
        the archetypes themselves are stored.
    free_energy, energy : float
        Per spin, units J = 1; gain included.
    hessian_eigenvalues : (K,) float64
        Of the Hessian of the free energy, ascending.
    stable : bool
        All of them, and of the `example_eigenvalues`, positive: a local minimum.
    label : str
        "paramagnetic", "pure", "hierarchical", "parallel", "graded" or "mixed".
    residual : float
        Largest mismatch of the equations at the solution.
    error : float
        Estimated numerical error of m, from the residual, the Hessian and quadrature.
    n_iter : int
        Evaluations of the equations.
    status : Status
    example_eigenvalues : (K,) float64 or None
        Of an unsupervised network with M > 1 examples: for each pattern, the eigenvalue
        against singling out one of its examples. None where there are no such modes.
    """

    m: NDArray[np.float64]
    n: NDArray[np.float64]
    free_energy: float
    energy: float
    hessian_eigenvalues: NDArray[np.float64]
    stable: bool
    label: str
    residual: float
    error: float
    n_iter: int
    status: Status
    example_eigenvalues: NDArray[np.float64] | None = None

    @classmethod
    def missing(
        cls,
        n_patterns: int,
        status: Status,
        *,
        n_iter: int = 0,
        residual: float = math.nan,
    ) -> State:
        """No solution, and why."""
        nothing = np.full(n_patterns, math.nan)
        return cls(
            m=nothing,
            n=nothing,
            free_energy=math.nan,
            energy=math.nan,
            hessian_eigenvalues=nothing,
            stable=False,
            label="",
            residual=residual,
            error=math.nan,
            n_iter=n_iter,
            status=status,
        )
