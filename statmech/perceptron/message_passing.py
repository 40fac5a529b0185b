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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    check_real,
)
from statmech.jit import kernel
from statmech.kernels.gaussian import mills
from statmech.perceptron.examples import Examples
from statmech.perceptron.messages import (
    FLOOR,
    History,
    Messages,
    check_references,
    check_start,
    outcome,
    pose,
    report,
)
from statmech.rng import generator
from statmech.special import inverse_mills

Array = NDArray[np.float64]

_LEAST = 1e-12  # variance of a cavity field


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
    problem = pose(
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
        m = check_start(start, problem)
    history = History(problem, check_references(references, n))
    q = history.add(m)
    v = 1.0 - q if problem.binary else 1.0
    g, u, h, precision = np.zeros(f.shape[0]), np.zeros(f.shape[0]), np.zeros(n), 0.0
    # A start without variance cannot move: the loop is not entered.
    status = None if v > FLOOR else outcome(problem, m, np.full(n, np.inf), v)
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
        status = outcome(problem, m, old, v)
        if status is not None:
            break
    return report(problem, history, m, h, precision, u, status)


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
    problem = pose(
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
    history = History(problem)
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
        status = outcome(problem, m, old, v)
        if status is not None:
            break
    return report(problem, history, m, h, float(lambdas.mean()), us, status)


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
        s = math.sqrt(max(v, _LEAST))
        u = (omega - kappa) / s
        g = mills(u) / s
        gamma = g * (g + u / s)
        for i in range(n):
            parts[mu, i] = f[mu, i] * (g + f[mu, i] * gamma * parts[mu, i])
            h[i] += parts[mu, i]
            lambdas[i] += f[mu, i] * f[mu, i] * gamma
        gammas[mu] = gamma
        us[mu] = u
