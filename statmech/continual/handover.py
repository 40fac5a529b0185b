"""Tasks in turn by message passing, handed over by one field a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_choice,
    check_real,
)
from statmech.perceptron.examples import Examples
from statmech.perceptron.message_passing import amp
from statmech.perceptron.messages import KNOWN, LARGEST_FIELD, Messages
from statmech.rng import check_path
from statmech.status import Status

Array = NDArray[np.float64]

HANDOVERS = ("naive", "optimal")
_LARGEST_GAMMA = 100.0


@dataclass(frozen=True, eq=False)
class TaskSequence:
    """Mean weights m_k after each of K tasks, and what they still know of every task.

    Attributes
    ----------
    messages : tuple of Messages
        Of each task; `reference_overlap` (n_iter + 1, K) has m.W_j / N with the
        teachers of all tasks, iteration by iteration.
    priors : (K, N) float64
        Prior fields of the weights in each task; 0 in the first.
    q : (K,) float64
        |m_k|**2 / N.
    teacher_overlap : (K, K) float64
        Row k, column j: m_k.W_j / N, not divided by |m_k| / sqrt(N).
    generalization_error : (K, K) float64
        arccos(m_k.W_j / (|m_k| sqrt(N))) / pi, of the student m_k on task j; 1/2 where
        m_k = 0.
    """

    messages: tuple[Messages, ...] = field(repr=False)
    priors: Array = field(repr=False)
    q: Array
    teacher_overlap: Array
    generalization_error: Array

    @property
    def statuses(self) -> tuple[Status, ...]:
        """Of the message passing in each task."""
        return tuple(messages.status for messages in self.messages)

    @property
    def status(self) -> Status:
        """CONVERGED if all tasks did, else that of the first that did not."""
        bad = [status for status in self.statuses if not status.ok]
        return bad[0] if bad else Status.CONVERGED

    @property
    def forgetting(self) -> Array:
        """(K,) error on each task after the last, less that just after the task."""
        error = self.generalization_error
        return error[-1] - np.diag(error)


def sequential_amp(
    tasks: Sequence[Examples],
    *,
    gamma: float = 1.0,
    handover: str = "naive",
    teacher_correlation: float | None = None,
    damping: float = 0.0,
    max_iterations: int = 200,
    tolerance: float = 1e-8,
    initial_noise: float = 0.01,
    seed: int = 0,
    path: Sequence[int] = (),
) -> TaskSequence:
    """Binary weights that learn tasks in turn, by approximate message passing.

    After a task the fields of the weights are h_k = theta_k + (what its patterns say),
    so that m_k = tanh h_k. They are all that the next task knows of the past:

        naive     theta_(k+1) = gamma h_k
        optimal   theta_(k+1) = atanh(r0 tanh h_k)

    Naive at gamma = 1 takes the posterior for the prior, as if the teacher had not
    changed. Optimal takes the change into account: if teachers are a Markov chain,
    W_(k+1) = W_k with probability (1 + r0) / 2 at each weight, then theta_(k+1) are
    the log-odds of W_(k+1) that follow from h_k. The first task starts from noise, the
    others from m = tanh(theta).

    Parameters
    ----------
    tasks : sequence of Examples
        One at least, all of N weights, with teachers of +-1; see `draw_tasks`.
    gamma : float
        From 0 (every task from scratch) to 100; of the naive hand-over only.
    handover : {"naive", "optimal"}
    teacher_correlation : float, optional
        r0, from -1 to 1, of the optimal hand-over only; by default the overlap
        W_k.W_(k+1) / N that the teachers have.
    damping, max_iterations, tolerance, initial_noise
        Of each task, as in `statmech.perceptron.amp`.
    seed, path : int, sequence of int
        Of the start.

    Returns
    -------
    TaskSequence
        Weights that are all known after a task have fields of +-1e6: the naive student
        then stays as it is, NOT_CONVERGED if that is wrong on a later example. Where a
        task does not converge the fields of its last iteration are handed over.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    References
    ----------
    D. L. Donoho, A. Maleki and A. Montanari, Proc. Natl. Acad. Sci. 106, 18914 (2009);
    M. Opper, in On-line Learning in Neural Networks (Cambridge, 1998), p. 363, for a
    posterior that is replaced by a simpler one after each step.

    Examples
    --------
    >>> from statmech.continual import draw_tasks
    >>> run = sequential_amp(draw_tasks(501, [400, 400], 0.5, seed=1))
    >>> run.status.ok, run.teacher_overlap.shape, bool(run.forgetting[0] > 0.0)
    (True, (2, 2), True)
    """
    checked = _check_tasks(tasks)
    factor = check_real("gamma", gamma, 0.0, _LARGEST_GAMMA)
    check_choice("handover", handover, HANDOVERS)
    _check_unused(handover, factor, teacher_correlation)
    given = teacher_correlation
    if given is not None:
        given = check_real("teacher_correlation", given, -1.0, 1.0)
    address = check_path(path)
    teachers = np.array([task.teacher for task in checked])
    n = teachers.shape[1]
    overlaps = np.einsum("ki,ki->k", teachers[1:], teachers[:-1]) / n
    priors = np.zeros_like(teachers)
    runs: list[Messages] = []
    for k, task in enumerate(checked):
        if k > 0:
            fields = _total_fields(priors[k - 1], runs[-1])
            r0 = overlaps[k - 1] if given is None else given
            carried = (
                factor * fields if handover == "naive" else _transferred(fields, r0)
            )
            priors[k] = np.clip(carried, -LARGEST_FIELD, LARGEST_FIELD)
        runs.append(
            amp(
                task,
                prior=priors[k],
                initial_noise=initial_noise,
                start=None if k == 0 else np.tanh(priors[k]),
                references=teachers,
                damping=damping,
                max_iterations=max_iterations,
                tolerance=tolerance,
                seed=seed,
                path=(*address, k),
            )
        )
    q = np.array([run.q[-1] for run in runs])
    overlap = np.array([run.reference_overlap[-1] for run in runs])
    return TaskSequence(tuple(runs), priors, q, overlap, _errors(q, overlap))


def _check_tasks(tasks: Sequence[Examples]) -> list[Examples]:
    allowed = "a sequence of statmech.perceptron.Examples, one at least"
    if isinstance(tasks, (str, Examples)) or not isinstance(tasks, Sequence):
        raise ParameterTypeError("tasks", tasks, allowed)
    if not tasks:
        raise ParameterError("tasks", tasks, allowed)
    for k, task in enumerate(tasks):
        name = f"tasks[{k}]"
        if not isinstance(task, Examples):
            raise ParameterTypeError(name, task, "statmech.perceptron.Examples")
        n = tasks[0].n_weights
        if task.n_weights != n:
            raise ParameterError(name, task.n_weights, f"of N = {n} as the first task")
        if task.teacher is None or not (np.abs(task.teacher) == 1.0).all():
            raise ParameterError(name, task.teacher, "with a teacher of weights +-1")
    return list(tasks)


def _check_unused(handover: str, gamma: float, correlation: float | None) -> None:
    """What the other hand-over takes must be left out."""
    if handover == "optimal" and gamma != 1.0:
        remedy = "the optimal prior has no free factor; leave gamma out"
        raise ParameterError("gamma", gamma, "1 where handover = 'optimal'", remedy)
    if handover == "naive" and correlation is not None:
        remedy = "the naive prior does not use it; leave it out"
        allowed = "None where handover = 'naive'"
        raise ParameterError("teacher_correlation", correlation, allowed, remedy)


def _total_fields(prior: Array, messages: Messages) -> Array:
    """h of m = tanh h; without bound where message passing stopped at certainty."""
    mean = messages.mean
    if mean.size - float(mean @ mean) < KNOWN:
        return LARGEST_FIELD * np.sign(mean)
    return prior + messages.fields


def _transferred(fields: Array, r0: float) -> Array:
    """atanh(r0 tanh h), with all digits where both are near 1."""
    size = np.abs(fields)
    with np.errstate(divide="ignore"):
        same, other = np.log1p(r0), np.log1p(-r0)
    up = np.logaddexp(same, other - 2.0 * size)
    down = np.logaddexp(other, same - 2.0 * size)
    result: Array = 0.5 * np.sign(fields) * (up - down)
    return result


def _errors(q: Array, overlap: Array) -> Array:
    """Of the students m_k on the tasks j."""
    length = np.sqrt(q)[:, None]
    cosine = np.divide(overlap, length, out=np.zeros_like(overlap), where=length > 0.0)
    return np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi
