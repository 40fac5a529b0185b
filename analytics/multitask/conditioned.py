"""Mean field of a multitasking network on the patterns that it actually holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.multitask.moments import ExactLaw, Words
from analytics.multitask.settle import settle, state_of
from analytics.multitask.state import State
from analytics.multitask.storage import SMALLEST, STARTS
from statmech.errors import (
    ParameterError,
    check_array,
    check_choice,
    check_real,
    check_temperature,
)
from statmech.status import Status

MOST_ROWS = 200  # Newton's steps solve K equations

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def solve_conditioned(
    rows: ArrayLike,
    temperature: float,
    *,
    start: str | ArrayLike = "hierarchical",
    gain: float = 1.0,
    archetypes: ArrayLike | None = None,
) -> State:
    """State of a multitasking network given its rows, instead of their distribution.

    The averages over classes are replaced by averages over the N sites of a sample,

        n_mu = (1/N) sum_i e_i^mu tanh(h_i/T),    h_i = Gamma sum_nu e_i^nu n_nu,
        m_mu = (1/N) sum_i xi_i^mu tanh(h_i/T),

    which removes the fluctuations of the patterns, of order N**-1/2, from a comparison
    with a simulation on the same rows. What remains, thermal fluctuations and the terms
    of a spin with itself, is of order 1/N away from transitions.

    Parameters
    ----------
    rows : (K, N) array
        K at most 200. e: stored patterns with entries -1, 0, 1, or averaged examples
        etabar, any finite numbers whose mean square is between 1e-100 and 1e100.
    temperature : float
        T >= 0 in units J = 1, k_B = 1; 0 and inf are legal.
    start : {"hierarchical", "pure", "parallel"} or (K,) array
        Where the descent begins: the overlaps of spins that copy the sign of the first
        row that is not 0 there; of spins that copy the first row; all equal; or n
        itself, finite.
    gain : float
        Gamma, from 1e-50 to 1e50, multiplies H; for averaged examples 1/(1 + rho) is
        the default of `solve_learning`.
    archetypes : (K, N) array, optional
        xi, for m; None if the rows are the archetypes, and then m = n.

    Returns
    -------
    State
        m with the archetypes, n with the rows, free_energy, energy -Gamma n.n/2,
        hessian_eigenvalues, stable, label, residual, error, n_iter, status. No
        amplitude of a sample is exactly 0 or equal to another, and the label says so:
        a pure state has small other components and is not called "pure".

    Raises
    ------
    ParameterError, ParameterTypeError
        For arrays of other shapes or with values that are not finite, rows that are all
        0, or parameters out of range.

    Notes
    -----
    Sites with the same entries are merged where all entries are -1, 0 or 1: at most
    3**K then remain. At T = 0, sign(0) = 0: a free site contributes nothing.

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the network; the equations on a sample are its law of large
    numbers over the overlaps only, not over the classes.

    Examples
    --------
    >>> state = solve_conditioned([[1, 1, -1, 0], [1, 0, 0, -1]], 0.0)
    >>> state.m.tolist(), state.label
    ([0.75, 0.5], 'hierarchical')
    """
    e = check_array("rows", rows, (None, None))
    if e.shape[0] > MOST_ROWS:
        raise ParameterError(
            "rows", e, f"of shape (K, N), K at most {MOST_ROWS}", "transpose it?"
        )
    t = check_temperature(temperature)
    gamma = check_real("gain", gain, 1e-50, 1e50)
    with np.errstate(over="ignore"):
        scale = float(np.mean(e * e)) if e.size else 0.0
    if not 1e-100 <= scale <= 1e100:
        raise ParameterError(
            "rows", e, "of a mean square from 1e-100 to 1e100", "are they all 0?"
        )
    xi = e if archetypes is None else check_array("archetypes", archetypes, e.shape)
    guess = _first_guess(e, start)
    law = _sample_law(e, xi, scale)
    tau = t / (gamma * scale)
    tau = 0.0 if tau < SMALLEST else tau
    # Above it f is convex.
    critical = float(np.linalg.eigvalsh(e @ e.T / e.shape[1])[-1]) / scale
    disordered = tau >= critical
    if disordered:
        guess = np.zeros(guess.size)
    found = settle(law, guess / scale, tau, np.eye(guess.size))
    state = state_of(found, tau, gamma, 1.0)
    return replace(state, status=Status.CLOSED_FORM) if disordered else state


def _first_guess(rows: Matrix, start: str | ArrayLike) -> Vector:
    """n of the start."""
    k, n = rows.shape
    if not isinstance(start, str):
        return check_array("start", start, (k,))
    check_choice("start", start, STARTS)
    if start == "parallel":
        return np.full(k, float(np.mean(np.abs(rows))))
    ruler = np.zeros(n, dtype=np.intp)
    if start == "hierarchical":
        ruler = np.argmax(rows != 0.0, axis=0)
    spins = np.sign(rows[ruler, np.arange(n)])
    return rows @ spins / n


def _sample_law(rows: Matrix, archetypes: Matrix, scale: float) -> ExactLaw:
    k, n = rows.shape
    weight = np.full(n, 1.0 / n)
    same = archetypes is rows
    if same and np.isin(rows, (-1.0, 0.0, 1.0)).all():
        merged, counts = np.unique(rows.astype(np.int8).T, axis=0, return_counts=True)
        e, weight = merged.astype(np.float64), counts / n
        x = e
    else:
        e, x = np.ascontiguousarray(rows.T), np.ascontiguousarray(archetypes.T)
    # No examples are told apart here.
    return ExactLaw(Words(weight, e, x, np.zeros((e.shape[0], k))), scale=scale)
