"""Every joint state of a small pairwise machine: sums without any approximation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.evidence import Evidence, read_evidence
from statmech.boltzmann.layout import Layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import ParameterError, ParameterTypeError
from statmech.machine import require_memory

Array = NDArray[np.float64]

MOST_STATES = 4_000_000
# Weights of so many states are held at one time, unless one half has more.
_TILE = 2**19


@dataclass(frozen=True)
class ExactState:
    """Exact averages of one machine, under its evidence if there was any.

    Attributes
    ----------
    log_z : float
        Logarithm of the sum over the hidden variables of exp(x.Phi x / 2 + b.x).
    marginals : (d,)
        <x>; in observed blocks the evidence.
    pair_marginals : (d, d)
        <x x^T>; its diagonal blocks are diagonal.
    covariance : (d, d)
        <x x^T> - <x><x>^T.
    n_states : int
        Joint states that were summed.
    """

    log_z: float
    marginals: Array = field(repr=False)
    pair_marginals: Array = field(repr=False)
    covariance: Array = field(repr=False)
    n_states: int


def enumerate_exact(
    model: BoltzmannMachine, evidence: ArrayLike | None = None
) -> ExactState:
    """Exact log Z, marginals and covariance, by a sum over all joint states.

    Variables are divided in two halves of about equal numbers of states, and the
    potentials between the halves make a matrix of exponents: a product of matrices for
    each average. Two million states take 0.1 s.

    Parameters
    ----------
    model : BoltzmannMachine
    evidence : array, optional
        Of one sample: (n,) integers, -1 for hidden variables, or (d,) zeros and ones
        with NaN in hidden blocks.

    Returns
    -------
    ExactState

    Raises
    ------
    ParameterError, ParameterTypeError
        Also if the hidden variables have more than 4e6 joint states; and for soft
        evidence, a mixture of states: it clamps a mean field, but sums over states
        need states.
    MemoryLimitError

    Examples
    --------
    >>> from statmech.boltzmann.ising import from_ising
    >>> pair = from_ising([[0.0, 0.5], [0.5, 0.0]], [0.0, 0.0])
    >>> exact = enumerate_exact(pair)
    >>> round(exact.log_z, 12)  # log(4 cosh(1/2))
    1.506408868078
    >>> print((4.0 * exact.covariance[::2, ::2]).round(6))  # tanh(1/2)
    [[1.       0.462117]
     [0.462117 1.      ]]
    """
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    known = hard_evidence(model.layout, evidence)
    hidden = np.flatnonzero(~known.clamped[0])
    n_joint = math.prod(model.n_states[hidden].tolist())
    if n_joint > MOST_STATES:
        remedy = f"they have {n_joint:.3g}: observe more of them, or use sample_gibbs"
        allowed = f"a machine whose hidden variables have up to {MOST_STATES} states"
        raise ParameterError("model", model, allowed, remedy)
    phi = model.potentials
    observed = known.values[0]
    local = model.biases + phi @ observed
    constant = float(observed @ (model.biases + 0.5 * (phi @ observed)))
    upper, lower = _halves(model.n_states, hidden)
    x, y = _table(model.layout, upper), _table(model.layout, lower)
    require_memory(
        8 * (4 * model.size**2 + 2 * (x.size + y.size) + 3 * max(_TILE, len(y))),
        f"the states of {model!r}",
        remedy="observe more variables",
    )
    log_sum, rows, pairs = _sum(phi, local, x, y)
    mean = rows + observed
    joint = (
        pairs
        + np.outer(rows, observed)
        + np.outer(observed, rows)
        + np.outer(observed, observed)
    )
    return ExactState(
        log_z=log_sum + constant,
        marginals=mean,
        pair_marginals=joint,
        covariance=pairs - np.outer(rows, rows),
        n_states=n_joint,
    )


def hard_evidence(layout: Layout, evidence: ArrayLike | None) -> Evidence:
    """Evidence of one sample, every observed variable in one state."""
    known = read_evidence(layout, evidence)
    if known.batched:
        raise ParameterError("evidence", evidence, "of one sample, not of a batch")
    if not known.hard:
        allowed = "states, not mixtures of them"
        remedy = (
            "a mixture can be clamped in mean field only; sum the states of an "
            "observed variable with the weights you mean"
        )
        raise ParameterError("evidence", evidence, allowed, remedy)
    return known


def _halves(
    n_states: NDArray[np.int64], hidden: NDArray[np.int64]
) -> tuple[list[int], list[int]]:
    """Hidden variables in two groups, of about as many joint states each."""
    groups: tuple[list[int], list[int]] = ([], [])
    sizes = [1, 1]
    for i in sorted(hidden.tolist(), key=lambda i: -int(n_states[i])):
        which = int(sizes[1] < sizes[0])
        groups[which].append(i)
        sizes[which] *= int(n_states[i])
    return groups


def _table(layout: Layout, variables: list[int]) -> Array:
    """(states, d) one-hot rows of all joint states; 0 in all other blocks."""
    counts = [int(layout.n_states[i]) for i in variables]
    n_joint = math.prod(counts)
    index = np.indices(counts).reshape(len(counts), n_joint)
    table = np.zeros((n_joint, layout.size))
    for i, states in zip(variables, index, strict=True):
        table[np.arange(n_joint), layout.offsets[i] + states] = 1.0
    return table


def _sum(phi: Array, local: Array, x: Array, y: Array) -> tuple[float, Array, Array]:
    """log sum, <z> and <z z^T> of z = x + y, over all pairs of rows of x and y."""
    of_x = x @ local + 0.5 * ((x @ phi) * x).sum(axis=1)
    of_y = y @ local + 0.5 * ((y @ phi) * y).sum(axis=1)
    between = x @ phi
    step = max(1, _TILE // len(y))
    tiles = [slice(first, first + step) for first in range(0, len(x), step)]

    def exponents(tile: slice) -> Array:
        part = between[tile] @ y.T
        part += of_x[tile, None]
        part += of_y
        return np.asarray(part)

    top = max(float(exponents(tile).max()) for tile in tiles)
    weight_x, weight_y = np.zeros(len(x)), np.zeros(len(y))
    mixed = np.zeros((x.shape[1], y.shape[1]))
    for tile in tiles:
        weights = exponents(tile)
        weights -= top
        np.exp(weights, out=weights)
        weight_x[tile] = weights.sum(axis=1)
        weight_y += weights.sum(axis=0)
        mixed += x[tile].T @ (weights @ y)
    total = float(weight_x.sum())
    pairs = mixed + mixed.T
    pairs += x.T @ (weight_x[:, None] * x) + y.T @ (weight_y[:, None] * y)
    mean = x.T @ weight_x + y.T @ weight_y
    return top + math.log(total), mean / total, pairs / total
