"""Equations of Thouless, Anderson and Palmer for models of Ising spins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.ising import to_ising
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import check_real
from statmech.mean_field.fixed_point import (
    FixedPoint,
    Problem,
    check_limits,
    judged,
    mean_field_free_energy,
    pose,
)

Array = NDArray[np.float64]

# Magnetisations that return this much closer to the last but one than to the last.
_RETURN = 1e-8


def tap(
    model: BoltzmannMachine,
    *,
    initial: ArrayLike | None = None,
    evidence: ArrayLike | None = None,
    tol: float = 1e-10,
    max_iter: int = 10_000,
    damping: float = 0.5,
) -> FixedPoint:
    """TAP equations: mean field with the reaction of the neighbours to a spin.

        m_i = tanh(h_i + sum_j J_ij m_j - m_i sum_j J_ij^2 (1 - m_j^2))

    and the stationary free energy F = F_mean_field
    - sum_{i<j} J_ij^2 (1 - m_i^2)(1 - m_j^2) / 2: second order in the couplings, exact
    for Sherrington-Kirkpatrick spins at high temperature as N -> infinity. An observed
    spin does not react: it is a field for the others.

    Parameters
    ----------
    model : BoltzmannMachine
        Two states in every variable, in any gauge.
    initial, evidence, tol, max_iter
        As for `parallel`; the residual is that of q = (1 +- m) / 2.
    damping : float
        In [0, 1): m <- damping m + (1 - damping) tanh(...). Without, the iteration is
        often unstable where its solution is not.

    Returns
    -------
    FixedPoint
        `free_energy` is no bound, and `error_bound` is inf; accepted only if
        `error_estimate` is at most sqrt(tol), too.

    Raises
    ------
    ParameterError, ParameterTypeError
        Also if a variable has not two states.

    References
    ----------
    D. J. Thouless, P. W. Anderson and R. G. Palmer, Philos. Mag. 35, 593 (1977);
    T. Plefka, J. Phys. A 15, 1971 (1982).

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising, magnetisations
    >>> model = from_ising([[0.0, 0.3], [0.3, 0.0]], [0.2, 0.2])
    >>> print(magnetisations(model, tap(model).q).round(4))
    [0.2482 0.2482]
    """
    j, h, _ = to_ising(model)
    problem = pose(model, initial, evidence)
    tolerance, limit = check_limits(tol, max_iter)
    kept = check_real("damping", damping, 0.0, 1.0, high_open=True)
    spins = _Spins(j, h, problem)
    m, iterations, oscillating = spins.iterate(tolerance, limit, kept)
    field = spins.fields(m)
    image = np.where(problem.clamped, m, np.tanh(field))
    logits = np.stack([field, -field], axis=2).reshape(problem.start.shape)
    q, log_q = problem.respond(logits)
    residual = 0.5 * np.abs(image - m).max(axis=1, initial=0.0)
    good = residual <= tolerance
    estimate = np.full(m.shape[0], math.nan)
    for row in np.flatnonzero(good).tolist():
        estimate[row] = spins.distance(row, m[row], image[row])
    naive = mean_field_free_energy(model, q, log_q, model.product(q))
    return judged(
        q,
        log_q,
        naive + spins.correction(image),
        good & ~(estimate > math.sqrt(tolerance)),
        problem.batched,
        residual=residual,
        error_bound=np.full(m.shape[0], math.inf),
        error_estimate=estimate,
        rate_bound=math.nan,
        iterations=iterations,
        method="tap",
        oscillating=oscillating,
    )


class _Spins:
    """The equations of a batch in magnetisations (B, n)."""

    def __init__(self, j: Array, h: Array, problem: Problem) -> None:
        self.j, self.squares, self.h = j, j * j, h
        self.hidden = ~problem.clamped
        self.start = problem.start[:, ::2] - problem.start[:, 1::2]

    def fields(self, m: Array) -> Array:
        """What tanh is taken of."""
        reaction = self.variances(m) @ self.squares
        return np.asarray(self.h + m @ self.j - m * reaction)

    def variances(self, m: Array) -> Array:
        """1 - m^2; 0 for observed spins, which do not react."""
        return np.where(self.hidden, 1.0 - m * m, 0.0)

    def correction(self, m: Array) -> Array:
        """Of second order in J to the free energy, (B,)."""
        v = self.variances(m)
        return np.asarray(-0.25 * (v * (v @ self.squares)).sum(axis=1))

    def iterate(
        self, tol: float, limit: int, kept: float
    ) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Last magnetisations, iterations, whether a cycle of two was seen."""
        out, everything = self.start.copy(), self.hidden
        rows = np.arange(out.shape[0])
        counts = np.zeros(rows.size, dtype=np.int64)
        cycles = np.zeros(rows.size, dtype=bool)
        m, before = self.start, None
        for count in range(1, limit + 1):
            if rows.size == 0:
                break
            step = np.where(self.hidden, np.tanh(self.fields(m)) - m, 0.0)
            following = m + (1.0 - kept) * step
            ended = 0.5 * np.abs(step).max(axis=1) <= tol
            if before is not None:
                back = np.abs(following - before).max(axis=1)
                cycle = ~ended & (back <= _RETURN * np.abs(following - m).max(axis=1))
                cycles[rows[cycle]] = True
                ended |= cycle
            if count == limit:
                ended[:] = True
            if ended.any():
                out[rows[ended]], counts[rows[ended]] = m[ended], count
                going = ~ended
                rows, self.hidden = rows[going], self.hidden[going]
                m, following = m[going], following[going]
            before, m = m, following
        self.hidden = everything
        return out, counts, cycles

    def distance(self, row: int, m: Array, image: Array) -> float:
        """|q - q*|_2 to first order by the Jacobian of the equations."""
        hidden = self.hidden[row]
        v = np.where(hidden, 1.0 - m * m, 0.0)
        slope = np.where(hidden, 1.0 - image * image, 0.0)
        inner = self.j + 2.0 * m[:, None] * self.squares * np.where(hidden, m, 0.0)
        inner[np.diag_indices_from(inner)] -= self.squares @ v
        matrix = np.eye(m.size) - slope[:, None] * inner
        try:
            step = np.linalg.solve(matrix, np.where(hidden, image - m, 0.0))
        except np.linalg.LinAlgError:
            return math.inf
        size = float(np.linalg.norm(step - np.where(hidden, image - m, 0.0)))
        # Of q = (1 +- m) / 2, twice in each block.
        return size / math.sqrt(2.0) if math.isfinite(size) else math.inf
