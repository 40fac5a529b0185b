"""One loop for all iterations of a batch: products, residuals, and who has converged.

A method gives the next iterates of the samples that are at work. The loop counts their
products with Phi, takes the residual of each by itself, keeps what a sample had when
it converged, and drops converged samples from the work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from statmech.boltzmann.model import BoltzmannMachine
from statmech.kernels.fixed_point import enter, lower, pack_relative, respond, unpack
from statmech.mean_field.fixed_point import Problem
from statmech.monotone.coupling import coupling_of

Array = NDArray[np.float64]

# Converged samples are dropped when they are this part of the batch: to drop copies
# the rest.
_WORTH_DROPPING = 0.2
# Floor of a start: log 0 would never move.
LEAST = 1e-15
_EPS = float(np.finfo(np.float64).eps)


@dataclass
class Run:
    """What a batch ended with: iterates, their logits (less a constant in every
    block), and products spent."""

    q: Array
    logits: Array
    iterations: NDArray[np.int64]

    @classmethod
    def begin(cls, start: Array) -> Run:
        counts = np.zeros(start.shape[0], dtype=np.int64)
        return cls(start.copy(), np.zeros_like(start), counts)


class Work:
    """The samples at work; every array has a row for each.

    Attributes
    ----------
    rows (A,) : their places in the batch.
    q, p (A, d) : iterates, and the softmax of their logits; evidence in its place.
    logits (A, d - n) : Phi q + b, packed.
    clamped (A, n), fixed (A, d) : observed variables and components.
    silent, heard (A, d - n) : the latter, packed; 0.0 where it is so and 1.0 elsewhere.
    residual, energy (A,) : max |p - q|, and the part of the free energy, with its sign
        changed and up to a constant, that is not entropy.
    spent (A,) : products with Phi.
    ended (A,) : converged, but not dropped yet.
    """

    _ARRAYS: ClassVar[tuple[str, ...]] = (
        *("rows", "q", "p", "logits", "clamped", "fixed", "silent", "heard"),
        *("residual", "energy", "spent", "ended"),
    )

    def __init__(self, problem: Problem, limit: int) -> None:
        n_rows = problem.start.shape[0]
        self.model: BoltzmannMachine = problem.model
        self.coupling = coupling_of(problem.model)
        self.offsets = self.model.layout.offsets
        self.limit = limit
        self.rows = np.arange(n_rows)
        self.q = problem.start.copy()
        self.p, self.scratch = np.empty_like(self.q), np.empty_like(self.q)
        self.logits = np.empty((n_rows, self.coupling.size))
        self.clamped, self.fixed = problem.clamped, problem.fixed
        self.silent = problem.fixed[:, self.coupling.kept]
        self.heard = 1.0 - self.silent
        self.residual, self.energy = np.empty(n_rows), np.empty(n_rows)
        self.spent = np.zeros(n_rows, dtype=np.int64)
        self.ended = np.zeros(n_rows, dtype=bool)

    def evaluate(self) -> None:
        """One product with Phi of every sample, and what follows from it."""
        self.logits, rows = self.coupling.fields(self.q)
        self.spent += 1
        sums = self.logits + self.coupling.biases
        self.energy = 0.5 * np.einsum("bs,bs->b", rows, sums)
        self.respond()

    def respond(self) -> None:
        """p and residual of the logits."""
        # NumPy's exponentials are several times faster than those of a compiled loop.
        lower(self.logits, self.offsets, self.p)
        np.exp(self.p, out=self.p)
        respond(self.p, self.offsets, self.clamped, self.q, self.residual)

    def enter(self, theta: Array) -> Array:
        """q = softmax(theta), packed, if hidden; sums (A,) of q log q of these."""
        entropy, totals = np.empty(self.rows.size), np.empty(self.clamped.shape)
        lower(theta, self.offsets, self.p)
        weights = np.exp(self.p, out=self.scratch[: self.rows.size])
        enter(weights, self.p, self.offsets, self.clamped, self.q, totals, entropy)
        return np.asarray(entropy - np.log(totals).sum(axis=1))

    def change(self, theta: Array) -> Array:
        """logits - theta, 0 where observed."""
        f = self.logits - theta
        f *= self.heard  # a product takes a tenth of the time of a masked write
        return f

    def natural(self) -> Array:
        """theta (A, d - n) with softmax(theta) = q, zeros moved to 1e-15."""
        out = np.empty_like(self.logits)
        pack_relative(np.log(np.maximum(self.q, LEAST)), self.offsets, out)
        return out

    def full(self, packed: Array) -> Array:
        """(A, d), 0 for last states."""
        out = np.empty((packed.shape[0], self.q.shape[1]))
        unpack(packed, self.offsets, out)
        return out

    def take(self, going: NDArray[np.bool_]) -> None:
        for name in self._ARRAYS:
            setattr(self, name, getattr(self, name)[going])

    def restore(self, x: Array) -> None:
        """Put the evidence, which stands in q, into x (A, d)."""
        np.copyto(x, self.q, where=self.fixed)


class Method(ABC):
    """How the next iterates follow. `arrays` names what has a row for each sample."""

    arrays: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def begin(self, work: Work) -> None:
        """Take up the samples that work.q starts from."""

    @abstractmethod
    def advance(self, work: Work) -> None:
        """Change work.q to the next iterates; inner products add to work.spent."""

    def take(self, going: NDArray[np.bool_]) -> None:
        for name in self.arrays:
            setattr(self, name, getattr(self, name)[going])


def iterate(problem: Problem, method: Method, tol: float, limit: int) -> Run:
    """Until every sample has residual `tol`, or has had `limit` products."""
    run = Run.begin(problem.start)
    work = Work(problem, limit)
    method.begin(work)
    while work.rows.size:
        work.evaluate()
        # Not a number is no progress.
        done = ~(work.residual > tol) | (work.spent >= limit)
        new = done & ~work.ended
        if new.any():
            places = work.rows[new]
            run.q[places], run.logits[places] = work.q[new], work.full(work.logits[new])
            run.iterations[places] = work.spent[new]
            work.ended |= new
            if work.ended.sum() >= max(1.0, _WORTH_DROPPING * work.ended.size):
                going = ~work.ended
                work.take(going)
                method.take(going)
        if work.rows.size:
            method.advance(work)
    return run


def rounding(entropy: Array, energy: Array, size: int) -> Array:
    """Error of free energies entropy - energy that are sums of `size` terms."""
    terms = 1.0 + np.abs(entropy) + np.abs(energy)
    return np.asarray(4.0 * _EPS * np.sqrt(size) * terms)


def steps(model: BoltzmannMachine) -> tuple[float, float]:
    """Damping of natural parameters: (spectral optimum, guaranteed).

    The guaranteed one, 1 / (1 + |lambda_min| / 2), lowers the free energy at every
    step, whatever lambda_max is.
    """
    smallest, largest = model.spectrum()
    safe = 1.0 / (1.0 - 0.5 * smallest)
    if largest >= 2.0:
        return safe, safe
    return 2.0 / (2.0 - 0.5 * smallest - 0.5 * largest), safe
