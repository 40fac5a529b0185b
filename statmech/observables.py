"""What is measured on configurations, from scratch (kernels keep running values)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import ParameterError, check_array, check_levels
from statmech.hebbian import HebbianNetwork, check_model, integer_overlaps


def mattis_magnetizations(spins: ArrayLike, patterns: ArrayLike) -> NDArray[np.float64]:
    """m_mu = (1/N) sum_i xi_mu_i s_i, from -1 to 1.

    Parameters
    ----------
    spins : (N,) array of +-1
    patterns : (K, N) array of +-1

    Returns
    -------
    (K,) float64

    Examples
    --------
    >>> mattis_magnetizations([1, 1, -1, 1], [[1, 1, 1, 1], [1, 1, -1, 1]])
    array([0.5, 1. ])
    """
    s = check_levels("spins", spins, (None,))
    xi = check_levels("patterns", patterns, (None, s.size))
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
