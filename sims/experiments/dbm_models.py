"""Random Boltzmann machines with a given spectrum."""

from __future__ import annotations

import math

import numpy as np

from statmech.boltzmann import BoltzmannMachine, from_ising
from statmech.monotone import from_factor, scale_to


def repulsive_model(
    n_variables: int,
    n_states: int,
    kappa: float,
    alignment: float,
    draw: np.random.Generator,
) -> BoltzmannMachine:
    """Monotone model whose blocks repel each other the more, the more alike they are.

    Factors (1 - alignment) R_i + alignment C with Gaussian R_i and one C for all,
    centred and capped at kappa. At alignment 1 lambda_min = -(n - 1) kappa. Biases are
    standard Gaussians.
    """
    rank = max(n_states, n_variables)
    own = draw.standard_normal((rank, n_variables, n_states))
    common = draw.standard_normal((rank, 1, n_states))
    factor = (1.0 - alignment) * own + alignment * common
    # Large enough that every block is capped.
    factor *= 10.0
    return from_factor(
        factor.reshape(rank, -1),
        draw.standard_normal(n_variables * n_states),
        n_states,
        kappa=kappa,
        center=True,
    )


def scaled_model(
    n_variables: int, n_states: int, largest: float, draw: np.random.Generator
) -> BoltzmannMachine:
    """Gaussian potentials between all pairs, scaled to lambda_max = largest.

    Biases are Gaussians of width 0.1: too weak to decide between solutions.
    """
    d = n_variables * n_states
    phi = np.triu(draw.standard_normal((d, d)), 1)
    for i in range(n_variables):
        block = slice(i * n_states, (i + 1) * n_states)
        phi[block, block] = 0.0
    model = BoltzmannMachine(phi + phi.T, 0.1 * draw.standard_normal(d), n_states)
    return scale_to(model, largest)[0]


def spin_glass(
    n_spins: int, beta: float, field: float, draw: np.random.Generator
) -> BoltzmannMachine:
    """Sherrington-Kirkpatrick spins, J_ij = beta g_ij / sqrt(N), in Gaussian fields."""
    j = np.triu(draw.standard_normal((n_spins, n_spins)), 1)
    j *= beta / math.sqrt(n_spins)
    return from_ising(j + j.T, field * draw.standard_normal(n_spins))


def pair_model(largest: float) -> BoltzmannMachine:
    """Two variables of three states, lambda_max = largest, the third state unlikely.

    With v = (1, -1, 0) the potential is (largest / 2) v v^T. The solution is no longer
    unique just above largest = 2, the smallest value at which that can happen.
    """
    v = np.array([1.0, -1.0, 0.0])
    phi = np.zeros((6, 6))
    phi[:3, 3:] = phi[3:, :3] = 0.5 * largest * np.outer(v, v)
    return BoltzmannMachine(phi, np.tile([0.0, 0.0, -50.0], 2), 3)


def curie_weiss_model(n_spins: int, coupling: float, field: float) -> BoltzmannMachine:
    """J_ij = coupling / N between all pairs of spins."""
    j = np.full((n_spins, n_spins), coupling / n_spins)
    np.fill_diagonal(j, 0.0)
    return from_ising(j, np.full(n_spins, field))


def random_starts(
    model: BoltzmannMachine, n_starts: int, draw: np.random.Generator
) -> np.ndarray:
    """Distributions (n_starts, d), uniform on the simplex of every variable."""
    return model.layout.softmax(
        np.log(draw.standard_exponential((n_starts, model.size)))
    )[0]


def count_distinct(q: np.ndarray, distance: float) -> int:
    """How many of the rows differ from each other by more than `distance`."""
    found: list[np.ndarray] = []
    for row in q:
        if all(np.abs(row - other).max() > distance for other in found):
            found.append(row)
    return len(found)
