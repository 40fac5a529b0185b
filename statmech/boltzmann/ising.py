"""Ising spins and {0, 1} variables as pairwise models of two states each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import ParameterError, ParameterTypeError, check_array

Array = NDArray[np.float64]

_ASYMMETRY = 1e-12
_SIGNS = np.array([[1.0, -1.0], [-1.0, 1.0]])


def from_ising(couplings: ArrayLike, fields: ArrayLike) -> BoltzmannMachine:
    """Ising model p(s) = exp(s.J s / 2 + h.s) / Z as a machine of two states a spin.

    State 0 is s = +1, state 1 is s = -1: Phi = J (x) [[1, -1], [-1, 1]] and
    b = h (x) (1, -1). Exponents are equal, those of Phi are gauge fixed, and its
    tangent eigenvalues are twice those of J. The temperature is absorbed.

    Parameters
    ----------
    couplings : (n, n) array
        J, symmetric to rounding, zero diagonal.
    fields : (n,) array
        h.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> model = from_ising([[0.0, 0.3], [0.3, 0.0]], [0.1, 0.0])
    >>> model.exponent([[0, 0], [0, 1]]).round(12)
    array([ 0.4, -0.2])
    """
    h = check_array("fields", fields, (None,))
    j = _check_couplings("couplings", couplings, h.size)
    return BoltzmannMachine(np.kron(j, _SIGNS), np.kron(h, [1.0, -1.0]), 2)


def to_ising(model: BoltzmannMachine) -> tuple[Array, Array, float]:
    """Couplings J (n, n), fields h (n,) and c with exponent = s.J s / 2 + h.s + c.

    Whatever the gauge of the model; s = +1 in state 0.

    Raises
    ------
    ParameterError, ParameterTypeError
        If a variable has not two states.
    """
    check_two_states(model)
    fixed, constant = model.gauge_fixed()
    return (
        np.ascontiguousarray(fixed.potentials[::2, ::2]),
        np.ascontiguousarray(fixed.biases[::2]),
        constant,
    )


def from_binary(
    weights: ArrayLike, biases: ArrayLike
) -> tuple[BoltzmannMachine, float]:
    """Machine of p(x) = exp(x.W x / 2 + c.x) / Z with x_i in {0, 1}, and a constant.

    With x = (1 + s) / 2: J = W / 4, h_i = c_i / 2 + sum_j W_ij / 4. State 0 is x = 1.

    Parameters
    ----------
    weights : (n, n) array
        W, symmetric to rounding, zero diagonal.
    biases : (n,) array
        c.

    Returns
    -------
    (BoltzmannMachine, float)
        exponent of x = exponent of the machine + the constant
        sum_i c_i / 2 + sum_ij W_ij / 8; so log Z too.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> model, constant = from_binary([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.0])
    >>> round(model.exponent([0, 0]) + constant, 12)  # x = (1, 1)
    1.5
    """
    c = check_array("biases", biases, (None,))
    w = _check_couplings("weights", weights, c.size)
    model = from_ising(0.25 * w, 0.5 * c + 0.25 * w.sum(axis=1))
    return model, float(0.5 * c.sum() + 0.125 * w.sum())


def magnetisations(model: BoltzmannMachine, q: ArrayLike) -> Any:
    """m_i = q_i(+1) - q_i(-1), (..., n) of q (..., d).

    Raises
    ------
    ParameterError, ParameterTypeError
        If a variable has not two states, or q another length.
    """
    check_two_states(model)
    rows = check_array("q", q, (*np.shape(q)[:-1], model.size), finite=False)
    return rows[..., ::2] - rows[..., 1::2]


def check_two_states(model: BoltzmannMachine) -> None:
    """Refuse what is not a machine of two states in every variable."""
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    if (model.n_states != 2).any():
        allowed = "a machine whose variables have two states each"
        raise ParameterError("model", model, allowed)


def _check_couplings(name: str, couplings: ArrayLike, n: int) -> Array:
    j = check_array(name, couplings, (n, n))
    scale = float(np.abs(j).max(initial=0.0))
    if np.abs(j - j.T).max(initial=0.0) > _ASYMMETRY * scale:
        remedy = f"take ({name} + {name}.T) / 2 if that is what is meant"
        raise ParameterError(name, j, "a symmetric matrix", remedy)
    if np.diag(j).any():
        remedy = "for +-1 it is a constant, for {0, 1} a bias"
        raise ParameterError(name, j, "a matrix of zero diagonal", remedy)
    return j
