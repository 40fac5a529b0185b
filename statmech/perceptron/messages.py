"""What message passing on a perceptron starts from, and what it ends with.

Notation as in `statmech.perceptron.message_passing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

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
from statmech.machine import require_memory
from statmech.perceptron.examples import WEIGHTS, Examples
from statmech.special import inverse_mills, log_2cosh, log_gaussian_tail
from statmech.status import Status

Array = NDArray[np.float64]

# Sum of the variances of the weights below which all are known: the chance that some
# weight is not sign(m) is then below 0.05. Iterating on would lose them again: once V
# is far below the smallest squared field, g underflows to zero, and all fields with it.
KNOWN = 0.2
FLOOR = 1e-12  # least variance of a field
LARGEST_FIELD, _LARGEST_KAPPA = 1e6, 1e3  # far beyond all use, far from overflow
_LARGEST_NOISE = 0.2  # beyond it a start could leave [-1, 1]


@dataclass(frozen=True, eq=False)
class Messages:
    """Where message passing ended, and how it got there.

    Attributes
    ----------
    mean : (N,) float64
        Posterior mean m of the weights; for binary weights in [-1, 1].
    fields : (N,) float64
        What the patterns say of each weight, h: m = tanh(prior + h) for binary weights.
    precision : float
        Lambda, which the patterns add to the precision of a spherical weight; for `bp`
        the mean over the weights.
    q : (n_iter + 1,) float64
        |m|**2 / N after each iteration; entry 0 is the start.
    teacher_overlap : (n_iter + 1,) float64
        R = m.W / N with |W|**2 = N; NaN without a teacher.
    reference_overlap : (n_iter + 1, K) float64
        The same with each of `references`; K = 0 without.
    generalization_error : (n_iter + 1,) float64
        arccos(R / sqrt(q)) / pi, that of the student J = m; NaN without a teacher.
    entropy : float
        Bethe approximation of (1 / N) log Z, Z the sum over J = +-1 of exp(prior.J), or
        the share of a standard Gaussian J weighted by it, over the students allowed.
        That of the one student sign(m) if all weights are known; NaN unless converged.
    n_iter : int
        Iterations done.
    status : Status
        CONVERGED if all means moved by less than the tolerance, or if all binary
        weights are known: sum(1 - m**2) < 0.2, and sign(m) makes no error.
    """

    mean: Array = field(repr=False)
    fields: Array = field(repr=False)
    precision: float
    q: Array = field(repr=False)
    teacher_overlap: Array = field(repr=False)
    reference_overlap: Array = field(repr=False)
    generalization_error: Array = field(repr=False)
    entropy: float
    n_iter: int
    status: Status


class Problem(NamedTuple):
    """Checked input."""

    couplings: Array  # (P, N), y x / sqrt(N)
    prior: Array  # (N,)
    teacher: Array | None  # (N,), of length sqrt(N)
    binary: bool
    kappa: float
    max_iterations: int
    tolerance: float


class History:
    """q, R and overlaps with others of the start and after each iteration."""

    def __init__(self, problem: Problem, references: Array | None = None) -> None:
        self._teacher = problem.teacher
        n = problem.prior.size
        self._others = np.empty((0, n)) if references is None else references
        self.rows: list[tuple[float, ...]] = []

    def add(self, mean: Array) -> float:
        """Note the means; returns q."""
        q = float(mean @ mean) / mean.size
        teacher = self._teacher
        r = math.nan if teacher is None else float(mean @ teacher) / mean.size
        self.rows.append((q, r, *(self._others @ mean / mean.size)))
        return q

    def arrays(self) -> dict[str, Array]:
        q, r, *others = np.array(self.rows).T.copy()
        cosine = np.full_like(r, np.nan)
        np.divide(r, np.sqrt(q), out=cosine, where=q > 0.0)
        error = np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi
        return {
            "q": q,
            "teacher_overlap": r,
            "reference_overlap": np.array(others).reshape(-1, q.size).T.copy(),
            "generalization_error": error,
        }


def pose(
    examples: Examples,
    weights: str,
    prior: ArrayLike | None,
    kappa: float,
    initial_noise: float,
    max_iterations: int,
    tolerance: float,
    *,
    copies: int,
) -> Problem:
    """Check once, convert once; `copies` arrays (P, N) of float64 will be needed."""
    if not isinstance(examples, Examples):
        raise ParameterTypeError("examples", examples, "statmech.perceptron.Examples")
    check_choice("weights", weights, WEIGHTS)
    p, n = examples.n_patterns, examples.n_weights
    theta = np.zeros(n) if prior is None else check_array("prior", prior, (n,))
    if np.abs(theta).max() > LARGEST_FIELD:
        raise ParameterError("prior", theta, f"fields up to {LARGEST_FIELD:g} in size")
    kappa = check_real("kappa", kappa, -_LARGEST_KAPPA, _LARGEST_KAPPA)
    check_real("initial_noise", initial_noise, 0.0, _LARGEST_NOISE)
    limit = check_integer("max_iterations", max_iterations, 1)
    tolerance = check_real("tolerance", tolerance, 0.0, low_open=True)
    require_memory(
        8 * copies * p * n + p * n * examples.inputs.itemsize,
        f"message passing with P = {p} patterns of N = {n}",
        remedy="take fewer patterns or fewer weights",
    )
    couplings = examples.aligned / math.sqrt(n)
    teacher = examples.teacher
    if teacher is not None:
        teacher = teacher * (math.sqrt(n) / float(np.linalg.norm(teacher)))
    return Problem(
        couplings, theta, teacher, weights == "binary", kappa, limit, tolerance
    )


def check_start(start: ArrayLike, problem: Problem) -> Array:
    m = check_array("start", start, problem.prior.shape)
    if problem.binary and np.abs(m).max() > 1.0:
        raise ParameterError("start", m, "means of binary weights, from -1 to 1")
    return m


def check_references(references: ArrayLike | None, n: int) -> Array | None:
    """Of length sqrt(N) each."""
    if references is None:
        return None
    rows = check_array("references", references, (None, n))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0.0).all():
        raise ParameterError("references", rows, "vectors of positive length")
    return rows * (math.sqrt(n) / lengths)


def _all_known(problem: Problem, mean: Array) -> bool:
    """Whether all binary weights are certain, and right on every pattern."""
    if not problem.binary or mean.size - float(mean @ mean) >= KNOWN:
        return False
    return bool((problem.couplings @ np.sign(mean) > problem.kappa).all())


def outcome(problem: Problem, mean: Array, old: Array, v: float) -> Status | None:
    """How it ends here; None if it goes on."""
    if _all_known(problem, mean) or np.abs(mean - old).max() < problem.tolerance:
        return Status.CONVERGED
    # Certain and wrong: there is no student, or it is lost.
    return None if v > FLOOR else Status.NOT_CONVERGED


def report(
    problem: Problem,
    history: History,
    m: Array,
    h: Array,
    precision: float,
    u: Array,
    status: Status | None,
) -> Messages:
    entropy = math.nan
    if _all_known(problem, m):
        entropy = float(problem.prior @ np.sign(m)) / m.size
    elif status is Status.CONVERGED:
        entropy = _entropy(problem, m, h, precision, u)
    return Messages(
        mean=m,
        fields=h,
        precision=precision,
        **history.arrays(),
        entropy=entropy,
        n_iter=len(history.rows) - 1,
        status=status or Status.NOT_CONVERGED,
    )


def _entropy(problem: Problem, m: Array, h: Array, precision: float, u: Array) -> float:
    """Bethe free entropy per weight of a fixed point."""
    psi = inverse_mills(u)
    patterns = float((log_gaussian_tail(-u) + 0.5 * psi * psi).sum())
    total = problem.prior + h
    if problem.binary:
        sites = log_2cosh(total) - h * m
    else:
        # log of the integral over J, less h m - Lambda (m**2 + variance) / 2.
        sites = 0.5 * total * m - 0.5 * math.log1p(precision) - h * m
        sites = sites + 0.5 * precision * (m * m + 1.0 / (1.0 + precision))
    return (patterns + float(sites.sum())) / m.size
