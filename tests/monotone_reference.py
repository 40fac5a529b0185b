"""Mean field solved naively, for the tests: dense matrices, one sample, no kernels."""

import functools
import itertools

import numpy as np
from boltzmann_cases import CASES, UNIQUE

from statmech.monotone.solvers import METHODS


def blocks(model):
    bounds = np.concatenate([[0], np.cumsum(model.n_states)])
    return list(itertools.pairwise(bounds))


def softmax(model, logits):
    p = np.empty_like(logits)
    for first, last in blocks(model):
        w = np.exp(logits[..., first:last] - logits[..., first:last].max(-1)[..., None])
        p[..., first:last] = w / w.sum(-1)[..., None]
    return p


def respond(model, q, values=None):
    """softmax(Phi q + b) with the evidence, nan where hidden, in its place."""
    p = softmax(model, q @ model.potentials + model.biases)
    if values is not None:
        p = np.where(np.isnan(values), p, values)
    return p


def jacobian(model, p, values=None):
    j = np.zeros((p.size, p.size))
    for first, last in blocks(model):
        part = p[first:last]
        j[first:last, first:last] = np.diag(part) - np.outer(part, part)
    if values is not None:
        j[~np.isnan(values)] = 0.0
    return j


def free_energy(model, q):
    logs = np.log(np.where(q > 0, q, 1.0))
    return (
        -0.5 * (q * (q @ model.potentials)).sum(-1)
        - q @ model.biases
        + (q * logs).sum(-1)
    )


def newton(model, start=None, values=None):
    """q (d,): Newton steps, shortened until the residual falls, to round-off."""
    q = 1.0 / np.repeat(model.n_states, model.n_states) if start is None else start
    if values is not None:
        q = np.where(np.isnan(values), q, values)
    best = np.inf
    for _ in range(200):
        p = respond(model, q, values)
        size = np.linalg.norm(p - q)
        if size < 1e-15 or (size < 1e-12 and size >= best):
            return p
        best = min(best, size)
        matrix = np.eye(q.size) - jacobian(model, p, values) @ model.potentials
        step = np.linalg.solve(matrix, p - q)
        length = 1.0
        while length > 1e-9:
            new = q + length * step
            if np.linalg.norm(respond(model, new, values) - new) < size:
                break
            length *= 0.5
        q = new
    raise AssertionError(f"no solution: residual {best}")


def random_starts(model, n_starts, seed, width=2.0):
    draw = np.random.default_rng(seed)
    return softmax(model, width * draw.normal(size=(n_starts, model.size)))


def reduced(model, values):
    """Potentials, biases and state counts of the hidden variables alone."""
    hidden = np.isnan(values)
    phi, known = model.potentials, np.where(hidden, 0.0, values)
    return (
        phi[np.ix_(hidden, hidden)],
        model.biases[hidden] + phi[hidden] @ known,
        [
            k
            for k, (a, _) in zip(model.n_states, blocks(model), strict=True)
            if hidden[a]
        ],
    )


@functools.cache
def case(name):
    return CASES[name]()


@functools.cache
def truth(name):
    return newton(case(name))


# Models with lambda_max < 1, which c = 1 needs.
MONOTONE = ("one_variable", "no_potentials", "paper_class")


def defined(name, method):
    if method == "peaceman-rachford-1":
        return name in MONOTONE
    if method in ("peaceman-rachford", "douglas-rachford"):
        return name in UNIQUE
    return True


def methods_of(name):
    return [method for method in METHODS if defined(name, method)]
