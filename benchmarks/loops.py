"""The same Monte Carlo as a Python loop over trials, the inner sums in NumPy.

Signatures and energies as in `benchmarks.naive`. Sites and uniforms of one chain are
drawn in advance and scalars go through `math`: a loop that draws each number when it
needs it is up to three times slower.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

RNG = np.random.default_rng(0)


def self_terms(xi):
    """Number of entries of each row that are not blank."""
    return np.einsum("ij,ij->i", xi, xi)


def overlap_loop(xi, s, m, beta, n_updates):
    """P = 2 heat bath from the overlaps, one chain."""
    n, own = s.size, self_terms(xi)
    accepted = 0
    for i, u in zip(RNG.integers(0, n, n_updates), RNG.random(n_updates), strict=True):
        h = (xi[i] @ m - own[i] * s[i]) / (n - 1)
        new = 1.0 if u < 1.0 / (1.0 + math.exp(-2.0 * beta * h)) else -1.0
        if new != s[i]:
            m += (new - s[i]) * xi[i]
            s[i] = new
            accepted += 1
    return accepted


def replica_loop(xi, s, m, beta, n_updates):
    """P = 2 heat bath of all replicas at once: s (N, R), m (K, R), shared sites."""
    n, n_replicas = s.shape
    own = self_terms(xi)
    accepted = 0
    for i in RNG.integers(0, n, n_updates):
        h = (xi[i] @ m - own[i] * s[i]) / (n - 1)
        u = RNG.random(n_replicas)
        new = np.where(u * (1.0 + np.exp(-2.0 * beta * h)) < 1.0, 1.0, -1.0)
        moved = np.flatnonzero(new != s[i])
        m[:, moved] += xi[i][:, None] * (new - s[i])[moved]
        s[i] = new
        accepted += moved.size
    return accepted


def power_loop(xi, p, s, m, beta, n_updates):
    """P = p Metropolis from the overlaps, one chain."""
    n = s.size
    unit = p * float(n) ** (p - 1)
    accepted = 0
    for i, u in zip(RNG.integers(0, n, n_updates), RNG.random(n_updates), strict=True):
        after = m - 2.0 * s[i] * xi[i]
        cost = (m**p - after**p).sum() / unit
        if cost <= 0.0 or u < math.exp(-beta * cost):
            m[:] = after
            s[i] = -s[i]
            accepted += 1
    return accepted


def plain_fixed_point(alpha, temperature, n_nodes=200, n_iterations=1000):
    """The RS equations at P = 2 iterated from m = q = 1, at all points at once.

    Returns m and the last change of (m, q), both (n_alpha, n_temperature).
    """
    z, w = np.polynomial.hermite_e.hermegauss(n_nodes)
    w = w / w.sum()
    a, t = np.meshgrid(alpha, temperature, indexing="ij")
    m, q = np.ones_like(a), np.ones_like(a)
    change = np.full_like(a, np.inf)
    with np.errstate(all="ignore"):
        for _ in range(n_iterations):
            noise = np.sqrt(a * q) / (1.0 - (1.0 - q) / t)
            x = np.tanh((m[..., None] + noise[..., None] * z) / t[..., None])
            old_m, old_q = m, q
            m, q = x @ w, x**2 @ w
            change = np.maximum(np.abs(m - old_m), np.abs(q - old_q))
    return m, change


def root_and_quad(alpha, temperature, reach=10.0):
    """The RS equations at P = 2 by scipy, one point after the other, from m = q = 1.

    `reach` is where the integrals over the Gaussian are cut. Returns m (n_alpha,
    n_temperature), nan where the search does not succeed.
    """
    from scipy.integrate import quad
    from scipy.optimize import root

    def average(f, m, width, t):
        def weighted(z):
            return math.exp(-0.5 * z * z) * f((m + width * z) / t)

        return quad(weighted, -reach, reach)[0] / math.sqrt(2.0 * math.pi)

    def mismatch(state, a, t):
        m, q = state
        width = math.sqrt(a * max(q, 0.0)) / (1.0 - (1.0 - q) / t)
        return (
            average(math.tanh, m, width, t) - m,
            average(lambda y: math.tanh(y) ** 2, m, width, t) - q,
        )

    found = np.full((len(alpha), len(temperature)), np.nan)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Searches that fail and integrals that do not converge are told by the result.
        warnings.simplefilter("ignore")
        for i, a in enumerate(alpha):
            for j, t in enumerate(temperature):
                solution = root(mismatch, (1.0, 1.0), args=(a, t))
                if solution.success:
                    found[i, j] = solution.x[0]
    return found
