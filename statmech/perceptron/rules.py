"""Learning rules of the spherical perceptron: Rosenblatt, Hebb, maximum stability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
)
from statmech.jit import kernel
from statmech.machine import require_memory
from statmech.perceptron.examples import Examples
from statmech.rng import generator
from statmech.status import Status

Array = NDArray[np.float64]

ORDERS = ("cyclic", "random")
_EXACT = 1e-9  # relative gap between the bounds of a margin that counts as none
_LP_ZERO = 1e-8  # largest optimum of the linear program that may be a rounded zero


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a rule made of its examples.

    Attributes
    ----------
    weights : (N,) float64
        J; NaN where `status` is UNDEFINED.
    margin : float
        min over the examples of y J.x / |J|, of order one for entries of x of order
        one; NaN where J = 0 or undefined.
    gap : float
        For a rule that maximises it: no student at all has a margin above
        `margin + gap`, proved by the dual solution; NaN otherwise.
    training_errors : int
        Misclassified examples; a field of zero is an error. -1 where undefined.
    n_updates, n_epochs : int
        Additions of an example to J, passes over all examples; 0 where there are none.
    status : Status
    """

    weights: Array = field(repr=False)
    margin: float
    gap: float
    training_errors: int
    n_updates: int
    n_epochs: int
    status: Status


def perceptron_rule(
    examples: Examples,
    *,
    max_epochs: int = 1000,
    initial: ArrayLike | None = None,
    order: str = "cyclic",
    seed: int = 0,
    path: Sequence[int] = (),
) -> Learnt:
    """Rosenblatt's rule: J <- J + y x on every misclassified example.

    From J = 0 it ends after at most max|x|**2 / margin**2 updates if the examples are
    separable with that margin, y J.x / |J| >= margin.

    Parameters
    ----------
    examples : Examples
    max_epochs : int
        Passes over the examples at most; the last one changes nothing.
    initial : (N,) array, optional
        First J; zero.
    order : {"cyclic", "random"}
        Of the examples: as they are, or permuted anew in every epoch.
    seed, path : int, sequence of int
        Of the permutations.

    Returns
    -------
    Learnt
        CONVERGED if no example is misclassified, NOT_CONVERGED otherwise.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    References
    ----------
    F. Rosenblatt, Principles of Neurodynamics (Spartan, 1962).
    A. B. J. Novikoff, Symp. Math. Theory of Automata 12, 615 (1962) (the bound).

    Examples
    --------
    >>> learnt = perceptron_rule(Examples([[1, 1], [1, -1]], [1, -1]))
    >>> learnt.weights.tolist(), learnt.n_updates, learnt.n_epochs
    ([0.0, 2.0], 2, 2)
    """
    rows = _aligned(examples, copies=0)
    limit = check_integer("max_epochs", max_epochs, 1)
    check_choice("order", order, ORDERS)
    n, p = examples.n_weights, examples.n_patterns
    start = np.zeros(n) if initial is None else check_array("initial", initial, (n,))
    weights = start.copy()
    random = generator(seed, path)
    sequence = np.arange(p)
    n_updates = n_epochs = 0
    changed = -1
    while changed and n_epochs < limit:
        if order == "random":
            sequence = random.permutation(p)
        changed = int(_rosenblatt_epoch(rows, sequence, weights))
        n_updates += changed
        n_epochs += 1
    status = Status.NOT_CONVERGED if changed else Status.CONVERGED
    return _learnt(examples, weights, status, n_updates=n_updates, n_epochs=n_epochs)


@kernel
def _rosenblatt_epoch(rows, sequence, weights):
    """One pass over rows (P, N) in the order of `sequence`; returns the updates."""
    n_updates = 0
    for k in range(sequence.shape[0]):
        row = rows[sequence[k]]
        total = 0.0
        for i in range(weights.shape[0]):
            total += row[i] * weights[i]
        if total <= 0.0:
            n_updates += 1
            for i in range(weights.shape[0]):
                weights[i] += row[i]
    return n_updates


def hebb(examples: Examples) -> Learnt:
    """Hebb's rule: J = (1 / sqrt(N)) sum y x.

    Returns
    -------
    Learnt
        CLOSED_FORM; it usually makes training errors.

    References
    ----------
    F. Vallet, Europhys. Lett. 8, 747 (1989).

    Examples
    --------
    >>> hebb(Examples([[1, 1, 1, 1], [1, 1, -1, 1]], [1, 1])).weights.tolist()
    [1.0, 1.0, 0.0, 1.0]
    """
    _check_examples(examples)
    labels = examples.labels.astype(np.float64)
    weights = labels @ examples.inputs / math.sqrt(examples.n_weights)
    return _learnt(examples, weights, Status.CLOSED_FORM)


def max_margin(examples: Examples, *, nonnegative: bool = False) -> Learnt:
    """The student of maximum stability, |J|**2 = N: the exact quadratic program.

    min |w|**2 with y w.x >= 1 for all examples, whose dual is a problem of nonnegative
    least squares; J = w sqrt(N) / |w|. Any multipliers lambda >= 0 prove that no
    student has a margin above |sum lambda y x| / sum lambda: `gap` is that bound less
    the margin that J has.

    Parameters
    ----------
    examples : Examples
    nonnegative : bool
        Whether the weights must be >= 0. (The bound then keeps only the positive
        components of the sum.)

    Returns
    -------
    Learnt
        CONVERGED if the gap is below 1e-9 of the largest pattern. UNDEFINED, without
        numbers, if the bound is: then no student separates the examples, or by no
        margin that float64 resolves.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    References
    ----------
    C. L. Lawson and R. J. Hanson, Solving Least Squares Problems (Prentice-Hall,
    1974), chapter 23 (algorithms NNLS and LDP).
    W. Krauth and M. Mezard, J. Phys. A 20, L745 (1987) (maximum stability).

    Examples
    --------
    >>> learnt = max_margin(Examples([[1.0, 0.0], [0.0, 1.0]], [1, 1]))
    >>> round(learnt.margin, 12), learnt.status.ok
    (0.707106781187, True)
    """
    from scipy.optimize import nnls

    nonnegative = _check_flag("nonnegative", nonnegative)
    rows = _aligned(examples, copies=3).astype(np.float64)
    p, n = rows.shape
    scale = float(np.linalg.norm(rows, axis=1).max())
    if scale == 0.0:
        return _undefined(n)
    rows /= scale
    system = np.zeros((n + 1, p + n * nonnegative))
    system[:n, :p] = rows.T
    system[n, :p] = 1.0
    if nonnegative:
        system[:n, p:] = np.eye(n)
    target = np.zeros(n + 1)
    target[n] = 1.0
    try:
        multipliers, _ = nnls(system, target, maxiter=30 * (n + p))
    except RuntimeError:  # more iterations than that: it may cycle in rounding errors
        return _undefined(n, Status.NOT_CONVERGED)
    bound = _margin_bound(rows, multipliers[:p], nonnegative)
    if bound < _EXACT:
        return _undefined(n)
    # The least-squares residual is parallel to (w, -1), w of unit margin.
    w = system[:n] @ multipliers
    if nonnegative:
        w = np.maximum(w, 0.0)
    w *= math.sqrt(n) / float(np.linalg.norm(w))
    margin = float((rows @ w).min()) / math.sqrt(n)
    status = Status.CONVERGED if bound - margin < _EXACT else Status.NOT_CONVERGED
    # Two numbers of equal size, each rounded.
    gap = max(0.0, bound - margin) * scale
    return _learnt(examples, w, status, gap=gap)


def _margin_bound(rows: Array, multipliers: Array, nonnegative: bool) -> float:
    """No student has a larger margin, whatever the multipliers >= 0 are."""
    total = float(multipliers.sum())
    if not total > 0.0:
        return math.inf
    mean = multipliers @ rows / total
    return float(np.linalg.norm(np.maximum(mean, 0.0) if nonnegative else mean))


def separate(examples: Examples, *, nonnegative: bool = False) -> Learnt:
    """Some student without errors, by linear programming, if there is any.

    Maximises t with y w.x >= t for all examples and |w_i| <= 1 (0 <= w_i <= 1).

    Parameters
    ----------
    examples : Examples
    nonnegative : bool
        Whether the weights must be >= 0. Random examples are then separable up to
        P = N, half as many as without: constraints on signs are N more patterns.

    Returns
    -------
    Learnt
        CONVERGED if there is one, checked on all examples; UNDEFINED if there is none
        (the optimum is t = 0 to the accuracy of the linear program, 1e-8 of the largest
        pattern); NOT_CONVERGED if the program failed.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    References
    ----------
    T. M. Cover, IEEE Trans. Electron. Comput. EC-14, 326 (1965) (how often there is).
    D. J. Amit, K. Y. M. Wong and C. Campbell, J. Phys. A 22, 2039 (1989) (weights of
    given signs).

    Examples
    --------
    >>> separate(Examples([[1, 1], [1, -1], [-1, 1]], [1, 1, -1])).status.ok
    True
    >>> separate(Examples([[1, 1], [-1, -1]], [1, 1])).status.name
    'UNDEFINED'
    """
    from scipy.optimize import linprog

    nonnegative = _check_flag("nonnegative", nonnegative)
    rows = _aligned(examples, copies=3).astype(np.float64)
    p, n = rows.shape
    scale = float(np.abs(rows).sum(axis=1).max())
    if scale == 0.0:
        return _undefined(n)
    constraints = np.hstack([-rows / scale, np.ones((p, 1))])
    cost = np.zeros(n + 1)
    cost[n] = -1.0
    low = 0.0 if nonnegative else -1.0
    bounds = [(low, 1.0)] * n + [(0.0, 1.0)]
    found = linprog(
        cost, A_ub=constraints, b_ub=np.zeros(p), bounds=bounds, method="highs"
    )
    if not found.success:
        return _undefined(n, Status.NOT_CONVERGED)
    weights = np.clip(found.x[:n], low, 1.0)
    if not examples.count_errors(weights):
        return _learnt(examples, weights, Status.CONVERGED)
    settled = -found.fun < _LP_ZERO
    return _undefined(n, Status.UNDEFINED if settled else Status.NOT_CONVERGED)


def _check_examples(examples: Examples) -> None:
    if not isinstance(examples, Examples):
        raise ParameterTypeError("examples", examples, "statmech.perceptron.Examples")


def _aligned(
    examples: Examples, *, copies: int
) -> NDArray[np.int8] | NDArray[np.float64]:
    """y x (P, N), if there is memory for it and `copies` of it in float64."""
    _check_examples(examples)
    p, n = examples.n_patterns, examples.n_weights
    require_memory(
        (examples.inputs.itemsize + 8 * copies) * p * n,
        f"learning P = {p} patterns of N = {n}",
        remedy="take fewer patterns or fewer weights",
    )
    return examples.aligned


def _check_flag(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterTypeError(name, value, "True or False")
    return bool(value)


def _learnt(
    examples: Examples,
    weights: Array,
    status: Status,
    *,
    gap: float = math.nan,
    n_updates: int = 0,
    n_epochs: int = 0,
) -> Learnt:
    zero = not weights.any()
    return Learnt(
        weights=weights,
        margin=math.nan if zero else examples.stability(weights),
        gap=gap,
        training_errors=examples.count_errors(weights),
        n_updates=n_updates,
        n_epochs=n_epochs,
        status=status,
    )


def _undefined(n: int, status: Status = Status.UNDEFINED) -> Learnt:
    return Learnt(np.full(n, math.nan), math.nan, math.nan, -1, 0, 0, status)
