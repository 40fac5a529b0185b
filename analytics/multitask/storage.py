"""The states of a multitasking network that stores its archetypes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.multitask.descent import Descent, descend, sech_squared, signs
from analytics.multitask.label import classify
from analytics.multitask.law import Law
from analytics.multitask.state import State
from statmech.errors import (
    check_array,
    check_choice,
    check_integer,
    check_real,
    check_temperature,
)
from statmech.special import log_2cosh
from statmech.status import Status

Vector = NDArray[np.float64]

STARTS = ("hierarchical", "pure", "parallel")
RESIDUAL_TOLERANCE = 1e-10
ERROR_TOLERANCE = 1e-7  # relative to 1 - d: at a transition rounding moves m by 1e-8
MAX_PATTERNS = 1000
# Temperatures below it, in units of the critical one, are taken as 0.
SMALLEST = 1e-100


def solve(
    n_patterns: int,
    dilution: float,
    temperature: float,
    *,
    start: str | ArrayLike = "hierarchical",
    gain: float = 1.0,
) -> State:
    """State of K stored diluted patterns at low load, reached from a start.

    The stationary points of

        f(m) = Gamma m.m/2 - T E log 2cosh(Gamma xi.m/T),
        m = E[xi tanh(Gamma xi.m/T)],

    for H = -(Gamma/2N) sum_(i != j) sum_mu xi_i^mu xi_j^mu s_i s_j and entries that are
    0 with probability d and +-1 with (1 - d)/2 each.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 1000; patterns that start with equal |m| are one group, and
        prod(2 k_g + 1) over the groups of k_g patterns with m != 0 is at most 3**12,
        so 12 patterns of different amplitude or 1000 of equal one.
    dilution : float
        d, 0 <= d < 1: fraction of zeros.
    temperature : float
        T >= 0 in units J = 1, k_B = 1; 0 and inf are legal. T_c = Gamma (1 - d).
    start : {"hierarchical", "pure", "parallel"} or (K,) array
        Where the descent begins: (1 - d) d**(mu-1); (1 - d, 0, ..., 0); all equal; or
        m itself, finite. What is exactly equal or exactly 0 in |start| remains so, even
        where the state is unstable against breaking it.
    gain : float
        Gamma, from 1e-50 to 1e50, multiplies H; 1/(1 - d) gives the units in which
        T_c = 1.

    Returns
    -------
    State
        m in the order of the patterns (n is the same), free_energy, energy
        -Gamma m.m/2, hessian_eigenvalues of d2f/dm2 = Gamma (1 - (Gamma/T) C),
        C = E[xi xi^T (1 - tanh^2)], all K of them, stable, label, residual, error,
        n_iter, status. A start on a symmetric ray ends in the symmetric state, with
        `stable` False where a transverse eigenvalue is not positive.

    Raises
    ------
    ParameterError, ParameterTypeError
        For parameters out of range, a start of the wrong shape, or too many different
        amplitudes.

    Notes
    -----
    Labels are defined by the amplitudes alone, in `analytics.multitask.label`.

    T = 0 is exact: m = E[xi sign(xi.m)] with sign(0) = 0, where a field counts as 0 if
    it is below 64 eps times the sum of |xi_mu m_mu|. The Hessian has limits for T -> 0:
    Gamma, and -inf in every direction spanned by classes of zero field. The state is
    stable iff no class with a nonzero entry has zero field.

    `residual` and `error` are those of m. The error bounds the distance from the
    stationary point in the subspace kept by the start; where it exceeds 1e-7 (1 - d),
    next to a transition, the status is NOT_CONVERGED.

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the network and its pure, hierarchical and parallel states. The
    spectrum, the reduction to groups and the rules at T = 0 are derived here.

    Examples
    --------
    >>> state = solve(3, 0.3, 0.0)
    >>> state.m.round(3).tolist(), state.label, state.stable
    ([0.7, 0.21, 0.063], 'hierarchical', True)
    >>> solve(3, 0.3, 0.3).label, solve(3, 0.8, 0.1).label, solve(3, 0.8, 0.3).label
    ('pure', 'parallel', 'paramagnetic')
    """
    k, d, t, gamma = check_point(n_patterns, dilution, temperature, gain)
    first = _first_guess(k, d, start)
    x = 1.0 - d
    tau = reduced_temperature(d, t, gamma)
    if tau >= 1.0:
        return _paramagnet(k, t, gamma, tau)
    # Dividing by 1 - d puts the start at its scale; |m| in groups of equal size.
    sizes, member = np.unique(np.abs(first) / x, return_inverse=True)
    groups = tuple(int(n) for n in np.bincount(member.ravel()))
    found = descend(groups, d, tau, sizes)
    if not (
        found.residual < RESIDUAL_TOLERANCE and found.error < ERROR_TOLERANCE
    ):  # nan fails
        return State.missing(
            k, Status.NOT_CONVERGED, n_iter=found.n_iter, residual=x * found.residual
        )
    m = np.copysign(x * found.u[member.ravel()], first) + 0.0
    free_energy, spectrum = _thermodynamics(found, groups, d, tau)
    eigenvalues = gamma * spectrum
    energy = -0.5 * gamma * float(m @ m)
    return State(
        m=m,
        n=m.copy(),
        free_energy=gamma * x * free_energy if tau > 0.0 else energy,
        energy=energy,
        hessian_eigenvalues=eigenvalues,
        stable=bool(eigenvalues[0] > 0.0),
        label=classify(m, x * found.error if tau > 0.0 else 0.0),
        residual=x * found.residual,
        error=x * found.error,
        n_iter=found.n_iter,
        status=Status.CONVERGED,
    )


def check_point(
    n_patterns: int, dilution: float, temperature: float, gain: float
) -> tuple[int, float, float, float]:
    """Checked (K, d, T, Gamma)."""
    return (
        check_integer("n_patterns", n_patterns, 1, MAX_PATTERNS),
        check_dilution(dilution),
        check_temperature(temperature),
        check_real("gain", gain, 1e-50, 1e50),
    )


def check_dilution(dilution: float) -> float:
    """Checked d: at d = 1 there is no pattern."""
    return check_real("dilution", dilution, 0.0, 1.0, high_open=True)


def reduced_temperature(dilution: float, temperature: float, gain: float) -> float:
    """T/T_c; below 1e-100 it is 0."""
    tau = temperature / (gain * (1.0 - dilution))
    return 0.0 if tau < SMALLEST else tau


def _first_guess(k: int, d: float, start: str | ArrayLike) -> Vector:
    x = 1.0 - d
    if not isinstance(start, str):
        return check_array("start", start, (k,))
    check_choice("start", start, STARTS)
    if start == "parallel":
        return np.full(k, x)
    guess = x * d ** np.arange(k, dtype=np.float64)
    if start == "pure":
        guess[1:] = 0.0
    return guess


def _paramagnet(k: int, temperature: float, gain: float, tau: float) -> State:
    """m = 0, the only state from T_c on: C = (1 - d) 1, marginal at T_c itself."""
    eigenvalue = gain * (1.0 - 1.0 / tau)
    return State(
        m=np.zeros(k),
        n=np.zeros(k),
        free_energy=-temperature * math.log(2.0),
        energy=0.0,
        hessian_eigenvalues=np.full(k, eigenvalue),
        stable=eigenvalue > 0.0,
        label="paramagnetic",
        residual=0.0,
        error=0.0,
        n_iter=0,
        status=Status.CLOSED_FORM,
    )


def _thermodynamics(
    found: Descent, groups: tuple[int, ...], dilution: float, tau: float
) -> tuple[float, Vector]:
    """Free energy in units Gamma (1 - d), and Hessian eigenvalues in units Gamma."""
    law, x = found.law, 1.0 - dilution
    u = found.u[found.u != 0.0]
    square = float(np.array(law.groups) @ (u * u))
    n_absent = sum(k for k, a in zip(groups, found.u, strict=True) if a == 0.0)
    if tau == 0.0:
        return -0.5 * x * square, _cold_spectrum(law, u, n_absent)
    y = law.fields(u) / tau
    free_energy = 0.5 * x * square - tau * law.average(log_2cosh(y))
    sech2 = sech_squared(y)
    # A pattern of zero amplitude is independent of the field.
    absent = np.full(n_absent, 1.0 - law.average(sech2) / tau)
    present = 1.0 - law.spectrum(sech2) / (x * tau)
    return free_energy, np.sort(np.concatenate([present, absent]))


def _cold_spectrum(law: Law, u: Vector, n_absent: int) -> Vector:
    """Limit T -> 0: -inf for each direction that ties span, 1 for the others."""
    tied = law.support(signs(law, u) == 0.0)
    rank = int(np.linalg.matrix_rank(tied)) if tied.size else 0
    for g, k in enumerate(law.groups):
        # A sum short of +-k is that of unequal entries, of which permutations make
        # every direction of zero sum.
        if k > 1 and (np.abs(tied[:, g]) < k).any():
            rank += k - 1
    # Whatever a pattern of zero amplitude holds does not lift a tie.
    rank += n_absent * bool(tied.shape[0])
    n = law.n_patterns + n_absent
    return np.sort(np.where(np.arange(n) < rank, -np.inf, 1.0))
