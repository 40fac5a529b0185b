"""The same Monte Carlo as a physicist would write it with Numba: the formula in a loop.

Nothing here is tuned and nothing is spoilt: float64 arrays, the patterns stored so
that the inner loop is contiguous, overlaps kept up to date, `np.random` inside the
loop, `@njit` without options (`parallel` where replicas are spread). Every function
makes `n_updates` trials at random sites, changes its state in place and returns how
many were accepted.

    P = 2:   E = -(1/(2N)) sum_{i != j} sum_mu xi_mu_i xi_mu_j s_i s_j  (up to N - 1
             for N, the package's normalisation), heat bath;
    P >= 3:  E = -(N/P) sum_mu (S_mu/N)**P,  S_mu = sum_i xi_mu_i s_i, Metropolis.
"""

# ruff: noqa: NPY002
# Numba's global generator is the point: it is what a user's loop calls.

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit
def overlap_form(xi, s, m, beta, n_updates):
    """P = 2 from the overlaps: xi (N, K), s (N,), m (K,) = s @ xi; O(K) a trial."""
    n, k = xi.shape
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        h = 0.0
        for mu in range(k):
            h += xi[i, mu] * m[mu]
        h = (h - k * s[i]) / (n - 1)
        new = (
            1.0 if np.random.random() < 1.0 / (1.0 + np.exp(-2.0 * beta * h)) else -1.0
        )
        if new != s[i]:
            for mu in range(k):
                m[mu] += (new - s[i]) * xi[i, mu]
            s[i] = new
            accepted += 1
    return accepted


@njit
def diluted_form(xi, s, m, beta, n_updates):
    """P = 2 from the overlaps where entries of xi may be 0."""
    n, k = xi.shape
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        h = 0.0
        for mu in range(k):
            h += xi[i, mu] * (m[mu] - xi[i, mu] * s[i])
        h /= n - 1
        new = (
            1.0 if np.random.random() < 1.0 / (1.0 + np.exp(-2.0 * beta * h)) else -1.0
        )
        if new != s[i]:
            for mu in range(k):
                m[mu] += (new - s[i]) * xi[i, mu]
            s[i] = new
            accepted += 1
    return accepted


@njit
def dense_form(j, s, beta, n_updates):
    """P = 2 from the couplings j (N, N), the field anew each time; O(N) a trial."""
    n = s.size
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        h = 0.0
        for site in range(n):
            h += j[i, site] * s[site]
        new = (
            1.0 if np.random.random() < 1.0 / (1.0 + np.exp(-2.0 * beta * h)) else -1.0
        )
        if new != s[i]:
            s[i] = new
            accepted += 1
    return accepted


@njit(parallel=True)
def dense_replicas(j, s, beta, n_updates):
    """`dense_form` of every row of s (R, N), in parallel over the rows."""
    accepted = np.zeros(s.shape[0], dtype=np.int64)
    for r in prange(s.shape[0]):
        accepted[r] = dense_form(j, s[r], beta, n_updates)
    return accepted.sum()


@njit
def power_form(xi, p, s, m, beta, n_updates):
    """P = p from the overlaps, `**` with p an argument."""
    n, k = xi.shape
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        cost = 0.0
        for mu in range(k):
            cost += m[mu] ** p - (m[mu] - 2.0 * s[i] * xi[i, mu]) ** p
        cost /= p * float(n) ** (p - 1)
        if np.random.random() < np.exp(-beta * cost):
            for mu in range(k):
                m[mu] -= 2.0 * s[i] * xi[i, mu]
            s[i] = -s[i]
            accepted += 1
    return accepted


@njit
def product_form(xi, p, s, m, beta, n_updates):
    """P = p from the overlaps, the power as a loop of p products."""
    n, k = xi.shape
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        cost = 0.0
        for mu in range(k):
            before, after = 1.0, 1.0
            for _factor in range(p):
                before *= m[mu]
                after *= m[mu] - 2.0 * s[i] * xi[i, mu]
            cost += before - after
        cost /= p * float(n) ** (p - 1)
        if np.random.random() < np.exp(-beta * cost):
            for mu in range(k):
                m[mu] -= 2.0 * s[i] * xi[i, mu]
            s[i] = -s[i]
            accepted += 1
    return accepted


@njit
def quartic_form(xi, s, m, beta, n_updates):
    """P = 4 from the overlaps, `** 4` in the text: the compiler unrolls it."""
    n, k = xi.shape
    accepted = 0
    for _ in range(n_updates):
        i = np.random.randint(n)
        cost = 0.0
        for mu in range(k):
            cost += m[mu] ** 4 - (m[mu] - 2.0 * s[i] * xi[i, mu]) ** 4
        cost /= 4.0 * float(n) ** 3
        if np.random.random() < np.exp(-beta * cost):
            for mu in range(k):
                m[mu] -= 2.0 * s[i] * xi[i, mu]
            s[i] = -s[i]
            accepted += 1
    return accepted
