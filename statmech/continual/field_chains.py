"""Chains of magnetisations of a binary perceptron, as the kernels see them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import INITIAL
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    StatmechError,
    check_array,
    check_choice,
)
from statmech.kernels import field_space as kernels
from statmech.machine import require_memory, smaller
from statmech.perceptron.examples import Examples, check_binary_inputs
from statmech.rng import generator

STARTS = ("random", "teacher", "reference")

# Tuning: sweeps between two changes of the step width, the acceptance aimed at (the
# middle of 40 to 50 %), and how strongly log(width) follows, at first.
TUNING_SWEEPS, AIM, GAIN = 10, 0.45, 3.0
WIDEST, NARROWEST, FIRST_WIDTH = 2.0, 1e-6, 0.5

_GROUP_BYTES = 8000


def check_examples(examples: object) -> Examples:
    """Return `examples` if D is the same for all their patterns."""
    remedy = "take inputs='binary': the variance D is then one for all patterns"
    return check_binary_inputs(examples, remedy)


def teachers_of(examples: Examples, others: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """(T, N) teachers of length sqrt(N), that of the examples first."""
    n = examples.n_weights
    if not isinstance(others, (Sequence, np.ndarray)) or isinstance(others, str):
        raise ParameterTypeError("others", others, "a sequence of arrays (N,)")
    rows = [check_array("others", other, (n,)) for other in others]
    if examples.teacher is not None:
        rows.insert(0, examples.teacher)
    for row in rows:
        if not row.any():
            raise ParameterError("others", row, "teachers of positive length")
    scaled = [row / np.abs(row).max() for row in rows]
    scaled = [row * (math.sqrt(n) / np.linalg.norm(row)) for row in scaled]
    return np.array(scaled).reshape(-1, n)


def initial_fields(
    examples: Examples,
    n_chains: int,
    initial: str | ArrayLike,
    reference: NDArray[np.float64] | None,
    seed: int,
    path: Sequence[int],
) -> NDArray[np.float64]:
    """(n_chains, N) initial states as `sample_field_space` describes them."""
    n = examples.n_weights
    if not isinstance(initial, str):
        try:
            flat = np.ndim(initial) == 1
        except ValueError:  # ragged: refused below
            flat = False
        given = check_array("initial", initial, (n,) if flat else (n_chains, n))
        if not (np.abs(given) <= 1.0).all():
            raise ParameterError("initial", given, "magnetisations from -1 to 1")
        return np.array(np.broadcast_to(given, (n_chains, n)), order="C")
    if check_choice("initial", initial, STARTS) == "random":
        return np.array(
            [
                generator(seed, (*path, INITIAL, c)).uniform(-1.0, 1.0, n)
                for c in range(n_chains)
            ]
        )
    start = reference if initial == "reference" else examples.teacher
    if start is None:
        raise ParameterError("initial", initial, f"'random': there is no {initial}")
    if initial == "teacher":
        if not (np.abs(start) == abs(start[0])).all():
            raise ParameterError(
                "initial", initial, "'random' or an array", "the teacher is not +-1"
            )
        start = np.sign(start)
    return np.repeat(start[None, :], n_chains, axis=0)


def require_run(
    examples: Examples, n_teachers: int, n_chains: int, n_draws: int, stride: int
) -> None:
    """Refuse a run whose chains, records and trace do not fit into memory."""
    p, n = examples.n_patterns, examples.n_weights

    def needed(chains: int, draws: int) -> int:
        states = 8 * chains * (p + 2 * n) + (chains + 1) // 2 * (12 * p + _GROUP_BYTES)
        records = 16 * draws * chains * (2 * n_teachers + 5)
        return 2 * n * p + 16 * n * (n_teachers + 2) + states + records

    require_memory(
        needed(n_chains, n_draws),
        f"n_chains = {n_chains} with {n_draws} draws each of P = {p}, N = {n}",
        remedy=smaller(
            n_sweeps=(n_draws * stride, lambda k: needed(n_chains, k // stride)),
            n_chains=(n_chains, lambda k: needed(k, n_draws)),
        ),
    )


def task_of(
    examples: Examples,
    beta: float,
    gamma: float,
    m1: NDArray[np.float64] | None,
    teachers: NDArray[np.float64],
) -> kernels.Task:
    """The examples in the form of the kernels."""
    columns = np.ascontiguousarray(examples.aligned.T)
    theta, offset = np.empty(0), 0.0
    if m1 is not None:
        theta = np.arctanh(m1)
        offset = 0.5 * float(np.sum(np.log1p(-m1) + np.log1p(m1)))
    table = kernels.log_cdf_table()
    return kernels.Task(columns, teachers, theta, offset, table, beta, gamma)


class Group:
    """Chains that advance in lockstep inside one thread.

    Parameters
    ----------
    task : Task
    m : (R, N) float64
        Initial states, changed in place.
    keys : (R, 2) uint64
    width : float
        Of the steps, until tuned.
    """

    def __init__(
        self,
        task: kernels.Task,
        m: NDArray[np.float64],
        keys: NDArray[np.uint64],
        width: float,
    ) -> None:
        r, p = m.shape[0], task.columns.shape[1]
        self.task = task
        self.chains = kernels.Chains(
            m=m,
            fields=np.zeros((r, p)),
            squares=np.zeros(r),
            losses=np.zeros(r),
            widths=np.full(r, width),
            accepted=np.zeros(r, dtype=np.int64),
            keys=keys,
            clock=np.zeros(1, dtype=np.int64),
            since=np.zeros(1, dtype=np.int64),
            rows=np.empty(p, dtype=np.int32),
            rests=np.empty(p),
        )
        kernels.refresh(task, self.chains)

    def record(self, n_draws: int) -> kernels.Record:
        """An empty record of this group."""
        r, t = self.chains.m.shape[0], self.task.teachers.shape[0]
        compared = n_draws if self.task.reference.size else 0
        return kernels.Record(
            losses=np.empty((r, n_draws)),
            q_star=np.empty((r, n_draws)),
            divergence=np.empty((r, compared)),
            overlaps=np.empty((t, r, n_draws)),
            sign_overlaps=np.empty((t, r, n_draws)),
            q=np.empty((r // 2, n_draws)),
            accepted=np.empty((r, n_draws)),
        )

    def compile(self) -> None:
        """Make the kernels ready, without moving anything."""
        self.advance(0, 0, 1, self.record(0))

    def advance(
        self, first_draw: int, n_draws: int, thin: int, out: kernels.Record
    ) -> None:
        """Run `n_draws` x `thin` sweeps, writing into the record `out`."""
        # In parts of about a second, between which a user may interrupt; at least one,
        # so that without draws it only compiles.
        n, p = self.task.columns.shape
        part = max(1, 2**28 // (n * (p + 50) * thin))
        for first in range(first_draw, max(first_draw + n_draws, 1), part):
            many = min(part, first_draw + n_draws - first)
            if not kernels.advance(self.task, self.chains, first, many, thin, out):
                raise _corrupt()

    def tune(self, n_sweeps: int) -> None:
        """Sweeps in which the step widths approach the wanted acceptance.

        log(width) follows the acceptance with a gain that falls as in Robbins and
        Monro (1951), so that it comes to rest.
        """
        nothing = self.record(0)
        trials = TUNING_SWEEPS * self.task.columns.shape[0]
        for k in range(n_sweeps // TUNING_SWEEPS):
            self.advance(0, 1, TUNING_SWEEPS, nothing)
            excess = self.chains.accepted / trials - AIM
            self.chains.widths[:] *= np.exp(GAIN * (k + 1.0) ** -0.6 * excess)
            np.clip(self.chains.widths, NARROWEST, WIDEST, out=self.chains.widths)
        self.advance(0, n_sweeps % TUNING_SWEEPS, 1, nothing)

    def check(self) -> None:
        """Compare what the kernels keep with m."""
        if kernels.refresh(self.task, self.chains) > kernels.DRIFT:
            raise _corrupt()


def _corrupt() -> StatmechError:
    return StatmechError(
        "the fields kept by a chain are not those of its magnetisations: memory was "
        "overwritten, or the kernels are wrong on this machine; the run was given up"
    )
