"""What is measured on configurations, from scratch (kernels keep running values)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import TIES
from statmech.errors import (
    TERNARY,
    ParameterError,
    check_array,
    check_choice,
    check_levels,
)
from statmech.hebbian import HebbianNetwork, check_model, integer_overlaps
from statmech.rng import check_path, generator


def mattis_magnetizations(spins: ArrayLike, patterns: ArrayLike) -> NDArray[np.float64]:
    """m_mu = (1/N) sum_i xi_mu_i s_i, from -1 to 1 (d - 1 to 1 - d with blanks).

    Parameters
    ----------
    spins : (N,) array of +-1
    patterns : (K, N) array of -1, 0, +1

    Returns
    -------
    (K,) float64

    Examples
    --------
    >>> mattis_magnetizations([1, 1, -1, 1], [[1, 1, 1, 1], [1, 1, -1, 1]])
    array([0.5, 1. ])
    """
    s = check_levels("spins", spins, (None,))
    xi = check_levels("patterns", patterns, (None, s.size), TERNARY)
    return integer_overlaps(xi, s) / s.size


def replica_overlap(spins: ArrayLike, others: ArrayLike) -> float:
    """q = (1/N) sum_i s_i s'_i of two configurations (N,) of +-1.

    Examples
    --------
    >>> replica_overlap([1, 1, -1, 1], [1, -1, -1, 1])
    0.5
    """
    a = check_levels("spins", spins, (None,))
    b = check_levels("others", others, (a.size,))
    return float((a.astype(np.int64) @ b.astype(np.int64)) / a.size)


def energy_density(model: HebbianNetwork, spins: ArrayLike) -> float:
    """u = E / N, units J = 1."""
    check_model(model)
    return model.energy(spins) / model.n_spins


def stabilities(model: HebbianNetwork, spins: ArrayLike) -> NDArray[np.float64]:
    """s_i h_i (N,): half the energy cost of flipping each spin; all positive at a
    strict local minimum (1 on a pattern without crosstalk)."""
    check_model(model)
    s = check_levels("spins", spins, (model.n_spins,))
    return s * model.local_fields(s)


class Losses(NamedTuple):
    """Distances of a configuration from patterns and from their negatives (K,)."""

    plus: NDArray[np.float64]
    minus: NDArray[np.float64]


def losses(spins: ArrayLike, patterns: ArrayLike) -> Losses:
    """L+-_mu = (1/2N) sum_i (xi_mu_i -+ s_i)**2 = (1 + q_mu)/2 -+ m_mu.

    q_mu = (1/N) sum_i xi_mu_i**2 is the fraction of entries that are not blank. Up to
    a constant, L+ L- is -m_mu**2, so that a pairwise network that keeps coincident
    indices has E/N = (g/2) sum_mu (L+_mu L-_mu - ((1 + q_mu)/2)**2).

    Parameters
    ----------
    spins : (N,) array of +-1
    patterns : (K, N) array of -1, 0, +1

    Returns
    -------
    Losses
        plus, minus : (K,) float64

    Examples
    --------
    >>> plus, minus = losses([1, 1, -1, 1], [[1, 1, 1, 1], [1, 0, 0, 1]])
    >>> plus.tolist(), minus.tolist()
    ([0.5, 0.25], [1.5, 1.25])
    """
    s = check_levels("spins", spins, (None,))
    xi = check_levels("patterns", patterns, (None, s.size), TERNARY)
    overlaps = integer_overlaps(xi, s)
    sizes = s.size + np.count_nonzero(xi, axis=1)
    n = 2 * s.size
    return Losses((sizes - 2 * overlaps) / n, (sizes + 2 * overlaps) / n)


def one_step(
    model: HebbianNetwork,
    spins: ArrayLike,
    *,
    ties: str = "keep",
    seed: int = 0,
    path: Sequence[int] = (),
) -> NDArray[np.int8]:
    """sign(h_i) of all spins at once: one parallel update without noise.

    h_i, as `HebbianNetwork.local_fields`, has no term of the spin itself.

    Parameters
    ----------
    model : HebbianNetwork
    spins : (N,) array of +-1
    ties : {"keep", "random"}
        Whether a spin in exactly zero field keeps its sign or takes a random one.
    seed, path : int, sequence of int
        Address of the random signs in the seed tree.

    Returns
    -------
    (N,) int8
    """
    check_model(model)
    s = check_levels("spins", spins, (model.n_spins,))
    check_choice("ties", ties, TIES)
    draw = generator(seed, check_path(path))
    h = model.local_fields(s)
    free = s
    if ties == "random":
        free = (2 * draw.integers(0, 2, s.size) - 1).astype(np.int8)
    return np.where(h == 0.0, free, np.sign(h)).astype(np.int8)


def binder_ratio(magnetization: ArrayLike) -> float:
    """U = (3 - <m**4> / <m**2>**2) / 2: 1 in an ordered state, 0 for Gaussian m.

    Parameters
    ----------
    magnetization : (n,) array
        Draws of m.

    Raises
    ------
    ParameterError
        If every draw is zero.

    References
    ----------
    K. Binder, Z. Phys. B 43, 119 (1981).
    """
    m: Any = check_array("magnetization", magnetization, (None,))
    scale = float(np.abs(m).max()) if m.size else 0.0
    if scale == 0.0:
        raise ParameterError("magnetization", m, "an array with a draw that is not 0")
    m = m / scale  # powers neither overflow nor vanish
    return (3.0 - float(np.mean(m**4)) / float(np.mean(m**2)) ** 2) / 2.0
