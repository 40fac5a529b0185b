"""Posterior means of the weights of one perceptron, by passing messages.

Both algorithms approximate the flat average over all students that make no error (more
generally, over the prior restricted to students with y F.J >= kappa). They become exact
for independent patterns at N -> infinity, away from transitions of first order.

Notation: F = x / sqrt(N) with the label taken in (F <- y F), psi = phi / Phi, and for
the field omega of a pattern, of which the other weights leave the variance V,

    u = (omega - kappa) / sqrt(V),  g = psi(u) / sqrt(V),  Gamma = g (g + u / sqrt(V)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from statmech.jit import kernel
from statmech.kernels.gaussian import mills
from statmech.machine import require_memory
from statmech.perceptron.examples import WEIGHTS, Examples
from statmech.rng import generator
from statmech.special import inverse_mills, log_2cosh, log_gaussian_tail
from statmech.status import Status

Array = NDArray[np.float64]

# Sum of the variances of the weights below which all are known: the chance that some
# weight is not sign(m) is then below 0.05. Iterating on would lose them again: once V
# is far below the smallest squared field, g underflows to zero, and all fields with it.
KNOWN = 0.2
_FLOOR = 1e-12  # least variance of a field
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


class _Problem(NamedTuple):
    """Checked input."""

    couplings: Array  # (P, N), y x / sqrt(N)
    prior: Array  # (N,)
    teacher: Array | None  # (N,), of length sqrt(N)
    binary: bool
    kappa: float
    max_iterations: int
    tolerance: float


class _History:
    """q, R and overlaps with others of the start and after each iteration."""

    def __init__(self, problem: _Problem, references: Array | None = None) -> None:
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


def amp(
    examples: Examples,
    *,
    weights: str = "binary",
    prior: ArrayLike | None = None,
    kappa: float = 0.0,
    initial_noise: float = 0.01,
    start: ArrayLike | None = None,
    references: ArrayLike | None = None,
    damping: float = 0.0,
    max_iterations: int = 200,
    tolerance: float = 1e-8,
    seed: int = 0,
    path: Sequence[int] = (),
) -> Messages:
    """Approximate message passing: all weights at once, two products with F each.

    One iteration from means m, with g of the one before (0 at first):

        V = 1 - |m|**2 / N          (spherical: 1 / (1 + Lambda), 1 at first)
        omega = F m - V g,  then g and Gamma of omega
        Lambda = sum Gamma / N,  h = F^T g + Lambda m
        m = tanh(prior + h)         (spherical: (prior + h) / (1 + Lambda))

    For independent patterns and N -> infinity, q and R follow state evolution iteration
    by iteration, for small `initial_noise` from q = R = 0.

    Parameters
    ----------
    examples : Examples
        Entries of the patterns have mean square 1 (+-1 or standard Gaussian).
    weights : {"binary", "spherical"}
        Prior of a weight: +-1 with even odds, or a standard Gaussian.
    prior : (N,) array, optional
        Fields theta, up to 1e6: the prior is multiplied by exp(theta.J).
    kappa : float
        Least stability y J.x / sqrt(N) that a student must have; up to 1000 in size.
    initial_noise : float
        The start is this times independent standard Gaussians; from 0 to 0.2.
    start : (N,) array, optional
        The start instead; in [-1, 1] for binary weights. If it leaves them no variance
        it is the end too.
    references : (K, N) array, optional
        Vectors, not zero, whose overlaps with m are noted, as teachers of other tasks.
    damping : float
        Share of the old means and the old g that is kept, from 0 to below 1.
    max_iterations : int
    tolerance : float
        Largest change of a mean that counts as converged, > 0.
    seed, path : int, sequence of int
        Of the start.

    Returns
    -------
    Messages

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    References
    ----------
    M. Mezard, J. Phys. A 22, 2181 (1989) (the cavity equations of the perceptron).
    D. L. Donoho, A. Maleki and A. Montanari, Proc. Natl. Acad. Sci. 106, 18914 (2009).
    S. Rangan, Proc. IEEE ISIT, 2168 (2011), algorithm 1 (any output channel g).

    Examples
    --------
    >>> from statmech.perceptron import teacher_examples
    >>> result = amp(teacher_examples(501, 1002, seed=3))
    >>> result.status.ok, round(float(result.teacher_overlap[-1]), 6)
    (True, 1.0)
    """
    kept = check_real("damping", damping, 0.0, 1.0, high_open=True)
    problem = _check(
        examples,
        weights,
        prior,
        kappa,
        initial_noise,
        max_iterations,
        tolerance,
        copies=1,
    )
    f, theta = problem.couplings, problem.prior
    n = theta.size
    m: Array = generator(seed, path).standard_normal(n) * initial_noise
    if start is not None:
        m = _check_start(start, problem)
    history = _History(problem, _check_references(references, n))
    q = history.add(m)
    v = 1.0 - q if problem.binary else 1.0
    g, u, h, precision = np.zeros(f.shape[0]), np.zeros(f.shape[0]), np.zeros(n), 0.0
    # A start without variance cannot move: the loop is not entered.
    status = None if v > _FLOOR else _status(problem, m, np.full(n, np.inf), v)
    for _ in range(problem.max_iterations if status is None else 0):
        u = (f @ m - v * g - problem.kappa) / math.sqrt(v)
        g = kept * g + (1.0 - kept) * inverse_mills(u) / math.sqrt(v)
        precision = float(g @ (g + u / math.sqrt(v))) / n
        h = f.T @ g + precision * m
        old = m
        if problem.binary:
            m = kept * m + (1.0 - kept) * np.tanh(theta + h)
        else:
            m = kept * m + (1.0 - kept) * (theta + h) / (1.0 + precision)
        q = history.add(m)
        v = 1.0 - q if problem.binary else 1.0 / (1.0 + precision)
        status = _status(problem, m, old, v)
        if status is not None:
            break
    return _messages(problem, history, m, h, precision, u, status)


def bp(
    examples: Examples,
    *,
    weights: str = "binary",
    prior: ArrayLike | None = None,
    kappa: float = 0.0,
    initial_noise: float = 0.01,
    max_iterations: int = 200,
    tolerance: float = 1e-8,
    seed: int = 0,
    path: Sequence[int] = (),
) -> Messages:
    """Relaxed belief propagation: one pattern after the other, with cavity means.

    Every pattern keeps its contribution to each field; it is taken out to find the
    cavity means m_c, and the new one, F g + F**2 Gamma m_c, is put in at once, with
    V = sum_i F_i**2 (1 - m_c_i**2). An iteration is one pass over all patterns. Slower
    than `amp`, of the same fixed point for N -> infinity, and rarely oscillating. The
    contributions are expanded in F: where F**2 Gamma is not small (N of ten or so, with
    a pattern that is hard to satisfy) the messages can polarise and be far off.

    Parameters and errors as in `amp`.

    Returns
    -------
    Messages
        The start is in the fields: prior + `initial_noise` times Gaussians, shared out
        evenly among the patterns.

    References
    ----------
    M. Mezard, J. Phys. A 22, 2181 (1989).
    A. Braunstein and R. Zecchina, Phys. Rev. Lett. 96, 030201 (2006).

    Examples
    --------
    >>> from statmech.perceptron import teacher_examples
    >>> bp(teacher_examples(101, 20, seed=3)).status.ok
    True
    """
    problem = _check(
        examples,
        weights,
        prior,
        kappa,
        initial_noise,
        max_iterations,
        tolerance,
        copies=2,
    )
    f, theta = problem.couplings, problem.prior
    p, n = f.shape
    h: Array = generator(seed, path).standard_normal((n,)) * initial_noise
    parts = np.tile(h / p, (p, 1))
    gammas, us, lambdas = np.zeros(p), np.zeros(p), np.zeros(n)
    m = np.tanh(theta + h) if problem.binary else theta + h
    history = _History(problem)
    history.add(m)
    status = None
    for _ in range(problem.max_iterations):
        old = m
        _bp_pass(f, theta, h, lambdas, parts, gammas, us, problem.kappa, problem.binary)
        if problem.binary:
            m = np.tanh(theta + h)
            v = 1.0 - history.add(m)
        else:
            m = (theta + h) / (1.0 + lambdas)
            history.add(m)
            v = float(np.mean(1.0 / (1.0 + lambdas)))
        status = _status(problem, m, old, v)
        if status is not None:
            break
    return _messages(problem, history, m, h, float(lambdas.mean()), us, status)


@kernel
def _bp_pass(f, theta, h, lambdas, parts, gammas, us, kappa, binary):
    """Every pattern once.

    h (N,) = sum_mu parts and lambdas (N,) = sum_mu f**2 gammas, parts (P, N), gammas
    (P,) and us (P,), the arguments of psi, change in place.
    """
    p, n = f.shape
    for mu in range(p):
        omega = 0.0
        v = 0.0
        for i in range(n):
            h[i] -= parts[mu, i]
            lambdas[i] -= f[mu, i] * f[mu, i] * gammas[mu]
            if binary:
                m = math.tanh(theta[i] + h[i])
                variance = 1.0 - m * m
            else:
                variance = 1.0 / (1.0 + lambdas[i])
                m = (theta[i] + h[i]) * variance
            # The row holds the cavity means until it is renewed.
            parts[mu, i] = m
            omega += f[mu, i] * m
            v += f[mu, i] * f[mu, i] * variance
        s = math.sqrt(max(v, _FLOOR))
        u = (omega - kappa) / s
        g = mills(u) / s
        gamma = g * (g + u / s)
        for i in range(n):
            parts[mu, i] = f[mu, i] * (g + f[mu, i] * gamma * parts[mu, i])
            h[i] += parts[mu, i]
            lambdas[i] += f[mu, i] * f[mu, i] * gamma
        gammas[mu] = gamma
        us[mu] = u


def _check(
    examples: Examples,
    weights: str,
    prior: ArrayLike | None,
    kappa: float,
    initial_noise: float,
    max_iterations: int,
    tolerance: float,
    *,
    copies: int,
) -> _Problem:
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
    return _Problem(
        couplings, theta, teacher, weights == "binary", kappa, limit, tolerance
    )


def _check_start(start: ArrayLike, problem: _Problem) -> Array:
    m = check_array("start", start, problem.prior.shape)
    if problem.binary and np.abs(m).max() > 1.0:
        raise ParameterError("start", m, "means of binary weights, from -1 to 1")
    return m


def _check_references(references: ArrayLike | None, n: int) -> Array | None:
    """Of length sqrt(N) each."""
    if references is None:
        return None
    rows = check_array("references", references, (None, n))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0.0).all():
        raise ParameterError("references", rows, "vectors of positive length")
    return rows * (math.sqrt(n) / lengths)


def _all_known(problem: _Problem, mean: Array) -> bool:
    """Whether all binary weights are certain, and right on every pattern."""
    if not problem.binary or mean.size - float(mean @ mean) >= KNOWN:
        return False
    return bool((problem.couplings @ np.sign(mean) > problem.kappa).all())


def _status(problem: _Problem, mean: Array, old: Array, v: float) -> Status | None:
    """How it ends here; None if it goes on."""
    if _all_known(problem, mean) or np.abs(mean - old).max() < problem.tolerance:
        return Status.CONVERGED
    # Certain and wrong: there is no student, or it is lost.
    return None if v > _FLOOR else Status.NOT_CONVERGED


def _messages(
    problem: _Problem,
    history: _History,
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


def _entropy(
    problem: _Problem, m: Array, h: Array, precision: float, u: Array
) -> float:
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
