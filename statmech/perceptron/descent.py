"""Logistic regression by gradient descent of any step, and its limit of large steps.

With b = y x the gradient step is theta <- theta + step * mean over the examples of
p(b.theta) b, p(u) = 1 / (1 + exp(u)). In units of the step, theta = step * w, it reads
w <- w + mean of p b with p(u) = 1 / (1 + exp(u / tau)), u = b.w, tau = 1 / step. At
tau = 0 this is the batch perceptron: p is 1 for u < 0, 0 for u > 0, 1/2 for u = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
    check_real,
)
from statmech.jit import kernel
from statmech.machine import require_memory
from statmech.perceptron.examples import Examples
from statmech.special import softplus
from statmech.status import Status

Array = NDArray[np.float64]

# What a field of zero counts as: the limit of large steps, or a whole error.
TIES = {"error": 1.0, "half": 0.5}
_BLOCK = 1024  # steps between two allocations


@dataclass(frozen=True, eq=False)
class Descent:
    """A descent up to its first step without errors.

    Attributes
    ----------
    weights : (N,) float64
        theta after `n_steps` steps; for the batch perceptron theta / step.
    n_steps : int
        T, the first t >= 1 with b.theta_t > 0 for all examples, or the steps done.
    losses : (n_steps + 1,) float64
        Mean of log(1 + exp(-b.theta_t)), entry 0 for the start; for the batch
        perceptron, which has none, empty.
    n_errors : (n_steps + 1,) int64
        Examples with b.theta_t <= 0.
    status : Status
        CONVERGED, or NOT_CONVERGED after `max_steps`.
    """

    weights: Array = field(repr=False)
    n_steps: int
    losses: Array = field(repr=False)
    n_errors: NDArray[np.int64] = field(repr=False)
    status: Status


def logistic_descent(
    examples: Examples,
    *,
    step: float,
    normalised: bool = False,
    max_steps: int = 100_000,
    initial: ArrayLike | None = None,
) -> Descent:
    """Gradient descent on the mean logistic loss until every example is right.

    Parameters
    ----------
    examples : Examples
        b = y x, taken as they are: no constant, no scaling.
    step : float
        Step of the gradient, from 1e-300 to 1e300: it need not be small.
    normalised : bool
        Divide the gradient by the mean of p, so that a step is that times the average
        of b over the examples, weighted by p.
    max_steps : int
    initial : (N,) array, optional
        theta_0; zero.

    Returns
    -------
    Descent
        For separable examples of R = max|b| and margin mu, P of them and c = W(1/e) =
        0.2785, from zero: T <= 2 P R**2 / mu**2 + 8 c P**2 / (step mu**2), and
        T <= R**2 / mu**2 + 4 c P / (step mu**2) if normalised.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    Examples
    --------
    >>> found = logistic_descent(Examples([[1.0, 0.0], [-0.5, 1.0]], [1, 1]), step=0.1)
    >>> found.status.ok, found.n_steps, float(found.losses[0].round(6))
    (True, 1, 0.693147)
    """
    rows = _rows(examples)
    step = check_real("step", step, 1e-300, 1e300)
    n = rows.shape[1]
    theta = np.zeros(n) if initial is None else check_array("initial", initial, (n,))
    found = _descend(rows, theta / step, 1.0 / step, 0.5, _flag(normalised), max_steps)
    return replace(found, weights=found.weights * step)


def batch_perceptron(
    examples: Examples,
    *,
    normalised: bool = False,
    ties: str = "error",
    max_steps: int = 1_000_000,
) -> Descent:
    """The batch perceptron: what gradient descent becomes for infinite steps.

    w <- w + (1/P) sum of b over the misclassified examples; the first step, from zero,
    is half the mean of all b. With no field of zero along the path, theta / step of
    `logistic_descent` goes to w exponentially in the step.

    Parameters
    ----------
    examples : Examples
    normalised : bool
        Average over the misclassified examples only; the first step is the mean of b.
    ties : {"error", "half"}
        Weight of an example with b.w = 0 after the first step: 1, or 1/2 as in the
        limit of large steps. Either way it is not yet right.
    max_steps : int

    Returns
    -------
    Descent
        For separable examples T <= P R**2 / mu**2 (R**2 / mu**2 if normalised).

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    Examples
    --------
    >>> batch_perceptron(Examples([[1.0, 0.0], [-0.5, 1.0]], [1, 1])).n_steps
    1
    """
    rows = _rows(examples)
    tie = TIES[check_choice("ties", ties, tuple(TIES))]
    start = np.zeros(rows.shape[1])
    return _descend(rows, start, 0.0, tie, _flag(normalised), max_steps)


@dataclass(frozen=True)
class GramRun:
    """A batch perceptron seen through inner products only.

    Attributes
    ----------
    n_steps : int
        T, or the steps done.
    fields : tuple
        u_i = b_i.w of the examples, in the numbers of the Gram matrix.
    status : Status
        CONVERGED, or NOT_CONVERGED after `max_steps`.
    """

    n_steps: int
    fields: tuple[Any, ...] = field(repr=False)
    status: Status


def batch_perceptron_gram(
    gram: Sequence[Sequence[Any]],
    *,
    counts: Sequence[int] | None = None,
    normalised: bool = False,
    ties: str = "error",
    max_steps: int = 1_000_000,
) -> GramRun:
    """The batch perceptron in any exact numbers, such as fractions.

    Parameters
    ----------
    gram : (K, K) nested sequence of numbers
        b_i.b_j: integers, `fractions.Fraction`, or what combines with fractions.
    counts : (K,) sequence of int, optional
        How many copies of each example there are; one.
    normalised, ties, max_steps
        As in `batch_perceptron`.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    Three copies of (1, 0) and one of (-1/2, sqrt(3)/2):

    >>> from fractions import Fraction
    >>> half = Fraction(1, 2)
    >>> batch_perceptron_gram([[1, -half], [-half, 1]], counts=[3, 1]).n_steps
    2
    """
    from fractions import Fraction

    rows = _square(gram)
    size = len(rows)
    numbers = [1] * size if counts is None else _counts(counts, size)
    tie = Fraction(TIES[check_choice("ties", ties, tuple(TIES))])
    normalised = _flag(normalised)
    limit = check_integer("max_steps", max_steps, 1)
    total = sum(numbers)
    fields: list[Any] = [Fraction(0)] * size
    shares = [Fraction(1, 2)] * size
    for t in range(1, limit + 1):
        weights = [k * share for k, share in zip(numbers, shares, strict=True)]
        norm = sum(weights) if normalised else total
        for i, row in enumerate(rows):
            pull = sum(w * entry for w, entry in zip(weights, row, strict=True))
            fields[i] = fields[i] + pull * (1 / Fraction(norm))
        if all(u > 0 for u in fields):
            return GramRun(t, tuple(fields), Status.CONVERGED)
        shares = [Fraction(u < 0) if u != 0 else tie for u in fields]
    return GramRun(limit, tuple(fields), Status.NOT_CONVERGED)


@kernel
def residual(u, tau, tie):
    """p(u) = 1 / (1 + exp(u / tau)); at tau = 0 a step down, `tie` at u = 0."""
    if tau == 0.0:
        if u == 0.0:
            return tie
        return 1.0 if u < 0.0 else 0.0
    x = u / tau
    if x > 0.0:
        small = math.exp(-x)
        return small / (1.0 + small)
    return 1.0 / (1.0 + math.exp(x))


@kernel
def run_steps(rows, w, fields, tau, tie, normalised, losses, n_errors):
    """Up to `n_errors.size` steps, until no field is left that is not positive.

    rows (P, N); w (N,) and fields (P,) = rows @ w change in place. A step adds the sum
    of p b, divided by that of p if `normalised`. Returns the steps done; `losses` stays
    as it is at tau = 0.
    """
    p, n = rows.shape
    for t in range(n_errors.shape[0]):
        total = 1.0
        if normalised:
            total = 0.0
            for mu in range(p):
                total += residual(fields[mu], tau, tie)
        for mu in range(p):
            share = residual(fields[mu], tau, tie)
            if share > 0.0:
                share /= total
                for i in range(n):
                    w[i] += share * rows[mu, i]
        left = 0
        loss = 0.0
        for mu in range(p):
            u = 0.0
            for i in range(n):
                u += rows[mu, i] * w[i]
            fields[mu] = u
            left += u <= 0.0
            if tau > 0.0:
                loss += max(-u / tau, 0.0) + math.log1p(math.exp(-abs(u / tau)))
        n_errors[t] = left
        if tau > 0.0:
            losses[t] = loss / p
        if left == 0:
            return t + 1
    return n_errors.shape[0]


def _descend(
    rows: Array,
    start: Array,
    tau: float,
    tie: float,
    normalised: bool,
    max_steps: int,
) -> Descent:
    """From w = `start`; `weights` of the result are w."""
    limit = check_integer("max_steps", max_steps, 1)
    p = rows.shape[0]
    # Without a division the sums of a batch perceptron on integers are exact, ties too.
    unit = 1.0 if normalised else float(p)
    w = start * unit
    fields = rows @ w
    x = fields / (tau * unit) if tau > 0.0 else fields
    losses = [np.array([softplus(-x).mean()] if tau > 0.0 else [])]
    errors = [np.array([np.count_nonzero(fields <= 0.0)])]
    done = 0
    while done < limit and (done == 0 or errors[-1][-1] > 0):
        # At zero all fields are ties, which are no errors yet.
        size = min(_BLOCK, limit - done) if done else 1
        counts = np.empty(size, dtype=np.int64)
        loss = np.empty(size if tau > 0.0 else 0)
        taken = run_steps(
            *(rows, w, fields, tau * unit),
            *(tie if done else 0.5, normalised, loss, counts),
        )
        losses.append(loss[:taken])
        errors.append(counts[:taken])
        done += taken
    status = Status.NOT_CONVERGED if errors[-1][-1] else Status.CONVERGED
    return Descent(
        w / unit, done, np.concatenate(losses), np.concatenate(errors), status
    )


def _rows(examples: Examples) -> Array:
    """y x (P, N) in float64."""
    if not isinstance(examples, Examples):
        raise ParameterTypeError("examples", examples, "statmech.perceptron.Examples")
    p, n = examples.n_patterns, examples.n_weights
    require_memory(
        (8 + examples.inputs.itemsize) * p * n,
        f"descent on P = {p} patterns of N = {n}",
        remedy="take fewer patterns or fewer weights",
    )
    return examples.aligned.astype(np.float64)


def _flag(value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterTypeError("normalised", value, "True or False")
    return bool(value)


def _square(gram: Sequence[Sequence[Any]]) -> list[list[Any]]:
    allowed = "a square nested sequence of numbers, K >= 1"
    try:
        rows = [list(row) for row in gram]
    except TypeError:
        raise ParameterTypeError("gram", gram, allowed) from None
    if not rows or any(len(row) != len(rows) for row in rows):
        raise ParameterError("gram", gram, allowed)
    if any(rows[i][j] != rows[j][i] for i in range(len(rows)) for j in range(i)):
        raise ParameterError("gram", gram, allowed, "it is not symmetric")
    return rows


def _counts(counts: Sequence[int], size: int) -> list[int]:
    numbers = [check_integer("counts", count, 1) for count in counts]
    if len(numbers) != size:
        raise ParameterError("counts", counts, f"{size} integers, one a row of gram")
    return numbers
