"""Dense mean field in plain arrays for tests; nothing is taken from the package."""

from __future__ import annotations

import itertools

import numpy as np


def bounds(n_states):
    return list(itertools.pairwise(np.concatenate([[0], np.cumsum(n_states)])))


def softmax_blocks(logits, n_states):
    q = np.empty_like(logits)
    for first, last in bounds(n_states):
        weights = np.exp(logits[first:last] - logits[first:last].max())
        q[first:last] = weights / weights.sum()
    return q


def covariance(q, n_states):
    """J = blockdiag(diag q_i - q_i q_i^T)."""
    j = np.diag(q)
    for first, last in bounds(n_states):
        j[first:last, first:last] -= np.outer(q[first:last], q[first:last])
    return j


def solve_mean_field(phi, b, n_states, clamped=(), values=None, start=None):
    """q = softmax(phi q + b), q = values in the blocks `clamped`: coordinate sweeps,
    then Newton steps down to rounding."""
    blocks = bounds(n_states)
    q = softmax_blocks(np.array(b), n_states) if start is None else start.copy()
    fixed = np.zeros(q.size, bool)
    for i in clamped:
        fixed[slice(*blocks[i])] = True
    q[fixed] = 0.0 if values is None else values[fixed]
    for _ in range(1000):
        before = q.copy()
        for first, last in blocks:
            if not fixed[first]:
                logits = phi[first:last] @ q + b[first:last]
                q[first:last] = softmax_blocks(logits, [last - first])
        if np.abs(q - before).max() < 1e-4:
            break
    for _ in range(12):
        target = softmax_blocks(phi @ q + b, n_states)
        target[fixed] = q[fixed]
        if np.abs(target - q).max() < 1e-15:
            break
        j = covariance(target, n_states)
        j[fixed] = 0.0
        q += np.linalg.solve(np.eye(q.size) - j @ phi, target - q)
    target = softmax_blocks(phi @ q + b, n_states)
    assert np.abs(target - q)[~fixed].max(initial=0.0) < 1e-13
    return q


def response_matrix(phi, q, n_states, clamped=()):
    """chi = (I - J phi)^{-1} J, J = 0 in the blocks `clamped`, densely."""
    j = covariance(q, n_states)
    for i in clamped:
        j[slice(*bounds(n_states)[i])] = 0.0
    return np.linalg.solve(np.eye(q.size) - j @ phi, j)


def free_energy(phi, b, q):
    logs = np.where(q > 0.0, np.log(np.where(q > 0.0, q, 1.0)), 0.0)
    return -0.5 * q @ phi @ q - b @ q + q @ logs


def capped_potentials(factor, n_states, kappa, center=False, bug=""):
    """Phi of the free factor, block by block as the formula says."""
    a = factor.copy()
    scales = np.ones(a.shape[1])
    for first, last in bounds(n_states):
        block = a[:, first:last]
        if center:
            block -= block.mean(axis=1, keepdims=True)
        norm = np.linalg.svd(block, compute_uv=False)[0]
        scales[first:last] = min(1.0, np.sqrt(kappa) / max(norm, 1e-9))
    if bug != "rows only":
        a = a * scales
    phi = -a.T @ a
    for first, last in bounds(n_states):
        phi[first:last, first:last] = 0.0
    if bug == "rows only":
        phi = scales[:, None] ** 2 * phi
    return phi


def one_hot_states(n_states):
    """All states, one-hot (M, d)."""
    units = [np.eye(k) for k in n_states]
    return np.array([np.concatenate(x) for x in itertools.product(*units)])
