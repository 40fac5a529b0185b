"""Variational learning of binary weights through their fields, task after task.

The student is the law q(w_i) = exp(b theta_i w_i) / (2 cosh b theta_i); its fields
theta go down the gradient of `field_loss`. The fields of one task are the prior of the
next. Of q one can make three students, which have different errors: sign(theta), a
weight vector drawn from q, and the mean weight m = tanh(b theta).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.continual.field_run import FieldRun, FieldSequence, History
from statmech.continual.loss import (
    Moments,
    Rows,
    check_examples,
    check_fields,
    check_gamma,
    check_prior,
    check_scale,
    data_slope,
    divergence,
    field_gradient,
    make_rows,
    moments,
)
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
    check_real,
)
from statmech.optimize import SGD, Adam, Momentum, Optimizer, Settings
from statmech.perceptron.examples import Examples
from statmech.rng import check_path, generator, seed_sequence
from statmech.status import Status

Array = NDArray[np.float64]

# What the divergence is taken from: the fields at the end of the task before.
REFERENCES = ("task",)
_MOST_EPOCHS = 10**9


class _Setting(NamedTuple):
    """How to learn; checked."""

    gamma: float
    b: float
    optimizer: Settings
    n_epochs: int
    batch_size: int | None
    tolerance: float
    record_every: int
    seed: int
    path: tuple[int, ...]


def learn_field_space(
    examples: Examples,
    *,
    n_epochs: int,
    gamma: float = 0.0,
    prior_fields: ArrayLike | None = None,
    initial_fields: ArrayLike | None = None,
    b: float = 1.0,
    optimizer: Settings | None = None,
    batch_size: int | None = None,
    tolerance: float = 1e-3,
    record_every: int = 1,
    others: Sequence[Examples | ArrayLike] = (),
    seed: int = 0,
    path: Sequence[int] = (),
) -> FieldRun:
    """Learn one task: the fields of binary weights go down the gradient of the loss.

    Parameters
    ----------
    examples : Examples
        Patterns of +-1 or of real entries of order one.
    n_epochs : int
        Passes over the patterns at most.
    gamma : float
        Weight of the divergence from the prior, from 0.
    prior_fields : (N,) array, optional
        theta_prior; zero, the flat prior.
    initial_fields : (N,) array, optional
        The start; the prior's fields.
    b : float
        Positive: m = tanh(b theta).
    optimizer : SGD, Momentum or Adam
        Adam(0.01, beta2=0.99). The loss is a sum over patterns, and its gradient by one
        field of the order of alpha = P / N: plain descent needs a rate well below
        1 / alpha, and much less from saturated fields, where the gradient can be a
        thousand times as large at first. Adam does not feel the scale; with the usual
        beta2 = 0.999 it would remember that first gradient for a thousand updates.
    batch_size : int, optional
        Patterns of an update; all. Otherwise they are shuffled in every epoch, the
        last batch may be smaller, and the divergence is shared out by the patterns.
    tolerance : float
        Largest mismatch that counts as converged, looked at when recorded; 0 never is.
        It bounds m, not theta: the fields of saturated weights may be on their way.
    record_every : int
        Epochs between two entries of the histories.
    others : sequence of Examples or (N,) arrays
        Further teachers whose overlap is followed; an Examples stands for its own.
    seed, path : int, sequence of int
        Of the order of the patterns; not used if all are taken at once.

    Returns
    -------
    FieldRun

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError
        Before the first update. A gradient that is not finite is a ParameterError.

    References
    ----------
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).
    C. Baldassi et al., Phys. Rev. Lett. 120, 268103 (2018) (the loss, one task).

    Examples
    --------
    >>> from statmech.perceptron import teacher_examples
    >>> run = learn_field_space(teacher_examples(101, 303, seed=1), n_epochs=400)
    >>> float(run.p[-1]), int(run.training_errors[-1]), run.status.name
    (1.0, 0, 'NOT_CONVERGED')
    """
    check_examples(examples, copies=1 if batch_size is None else 2)
    n = examples.n_weights
    prior = check_prior(prior_fields, n)
    start = prior
    if initial_fields is not None:
        start = check_fields("initial_fields", initial_fields, n)
    setting = _check_setting(
        *(gamma, b, optimizer, n_epochs, batch_size, tolerance, record_every),
        *(seed, path),
    )
    teachers = np.stack([_teacher(examples), *_teachers(others, n)])
    return _learn(make_rows(examples), start, prior, teachers, setting)


def learn_sequence(
    tasks: Sequence[Examples],
    *,
    gamma: float,
    n_epochs: int | Sequence[int],
    first_gamma: float = 0.0,
    reference: str = "task",
    initial_fields: ArrayLike | None = None,
    b: float = 1.0,
    optimizer: Settings | None = None,
    batch_size: int | None = None,
    tolerance: float = 1e-3,
    record_every: int = 1,
    seed: int = 0,
    path: Sequence[int] = (),
) -> FieldSequence:
    """Learn tasks one after the other, each held back by what was learnt before.

    Each task starts at the fields theta_prior where the one before ended, with an
    optimiser that remembers nothing, and adds gamma KL(q || q_prior) to its loss.

    Parameters
    ----------
    tasks : sequence of Examples
        One at least, all of the same N.
    gamma : float
        From the second task on; from 0.
    n_epochs : int, or a sequence of one int a task
        The longer the first task, without a prior, is learnt, the larger its fields,
        and the harder it is to forget.
    first_gamma : float
        For the first task, whose prior is flat.
    reference : {"task"}
        What the divergence is taken from: the fields at the end of the task before.
    initial_fields : (N,) array, optional
        Start of the first task; zero.
    b, optimizer, batch_size, tolerance, record_every, seed, path
        As in `learn_field_space`; task k has the path (*path, k).

    Returns
    -------
    FieldSequence

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError
        Before the first update.

    References
    ----------
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).

    Examples
    --------
    >>> from statmech.continual import draw_tasks
    >>> tasks = draw_tasks(101, [202, 202], 0.0, seed=1)
    >>> kept = learn_sequence(tasks, gamma=1e4, n_epochs=300)
    >>> lost = learn_sequence(tasks, gamma=0.0, n_epochs=300)
    >>> float(kept.forgetting[0]), bool(lost.forgetting[0] > 0.1)
    (0.0, True)
    """
    tasks = _check_tasks(tasks, copies=1 if batch_size is None else 2)
    check_choice("reference", reference, REFERENCES)
    n = tasks[0].n_weights
    gammas = [check_gamma(first_gamma, "first_gamma"), check_gamma(gamma)]
    settings = [
        _check_setting(
            *(gammas[k > 0], b, optimizer, epochs, batch_size, tolerance),
            *(record_every, seed, (*check_path(path), k)),
        )
        for k, epochs in enumerate(_epochs(n_epochs, len(tasks)))
    ]
    prior = np.zeros(n)
    fields = prior
    if initial_fields is not None:
        fields = check_fields("initial_fields", initial_fields, n)
    teachers = np.stack([_teacher(task) for task in tasks])
    runs = []
    for k, (task, setting) in enumerate(zip(tasks, settings, strict=True)):
        own = np.concatenate([teachers[k : k + 1], teachers])
        runs.append(_learn(make_rows(task), fields, prior, own, setting))
        prior = fields = runs[-1].fields
    return FieldSequence(
        runs=tuple(runs),
        p=np.stack([run.others_p[-1] for run in runs]),
        r=np.stack([teachers @ run.magnetisations / n for run in runs]),
        training_errors=np.array(
            [[t.count_errors(np.sign(run.fields)) for t in tasks] for run in runs]
        ),
    )


def _learn(
    rows: Rows, start: Array, prior: Array, teachers: Array, setting: _Setting
) -> FieldRun:
    """One task; the first of `teachers` is its own."""
    theta = start.copy()
    gamma, b = setting.gamma, setting.b
    optimizer = setting.optimizer.start(theta)
    size = setting.batch_size
    whole = size is None or size >= rows.n_patterns
    history = History(teachers)
    status = Status.NOT_CONVERGED
    for epoch in range(setting.n_epochs + 1):
        last = epoch == setting.n_epochs
        noted = last or epoch % setting.record_every == 0
        if noted or whole:
            at = moments(theta, b)
            u, slope = data_slope(rows, at)
            gradient = field_gradient(at, slope, gamma, prior, b)
        if noted:
            kl = divergence(theta, prior, b)
            mismatch = _mismatch(at, slope, gamma, prior, b)
            history.add(
                *(epoch, at, rows, u, kl, float(np.abs(gradient).max()), mismatch)
            )
            if mismatch < setting.tolerance:
                status = Status.CONVERGED
                break
        if last:
            break
        if whole:
            optimizer.update(theta, gradient)
        else:
            _batches(rows, theta, prior, optimizer, setting, epoch)
    return history.run(moments(theta.copy(), b), status)


def _batches(
    rows: Rows,
    theta: Array,
    prior: Array,
    optimizer: Optimizer,
    setting: _Setting,
    epoch: int,
) -> None:
    """One epoch of mini-batches; theta changes in place."""
    total = rows.n_patterns
    size = setting.batch_size or total
    order = generator(setting.seed, (*setting.path, epoch)).permutation(total)
    for first in range(0, total, size):
        batch = rows.take(order[first : first + size])
        share = setting.gamma * batch.n_patterns / total
        at = moments(theta, setting.b)
        _, slope = data_slope(batch, at)
        optimizer.update(theta, field_gradient(at, slope, share, prior, setting.b))


def _mismatch(at: Moments, slope: Array, gamma: float, prior: Array, b: float) -> float:
    """How far m is from its value at d total / d m = 0, all else kept."""
    if gamma == 0.0:
        return math.nan
    with np.errstate(over="ignore"):  # tanh takes infinity for what it is
        stationary = np.tanh(b * prior - slope / gamma)
    return float(np.abs(at.mean - stationary).max())


def _check_setting(
    gamma: object,
    b: object,
    optimizer: object,
    n_epochs: object,
    batch_size: object,
    tolerance: object,
    record_every: object,
    seed: int,
    path: Sequence[int],
) -> _Setting:
    if optimizer is None:
        optimizer = Adam(0.01, beta2=0.99)
    if not isinstance(optimizer, (SGD, Momentum, Adam)):
        allowed = "the settings of an optimiser: SGD, Momentum or Adam"
        raise ParameterTypeError("optimizer", optimizer, allowed)
    if batch_size is not None:
        batch_size = check_integer("batch_size", batch_size, 1)
    seed_sequence(seed)
    return _Setting(
        gamma=check_gamma(gamma),
        b=check_scale(b),
        optimizer=optimizer,
        n_epochs=check_integer("n_epochs", n_epochs, 0, _MOST_EPOCHS),
        batch_size=batch_size,
        tolerance=check_real("tolerance", tolerance, 0.0),
        record_every=check_integer("record_every", record_every, 1),
        seed=seed,
        path=check_path(path),
    )


def _check_tasks(tasks: Sequence[Examples], *, copies: int) -> tuple[Examples, ...]:
    allowed = "a sequence of statmech.perceptron.Examples"
    if isinstance(tasks, (str, bytes)) or not isinstance(tasks, Sequence):
        raise ParameterTypeError("tasks", tasks, allowed)
    if not tasks:
        raise ParameterError("tasks", tasks, allowed, "one task at least")
    for task in tasks:
        if not isinstance(task, Examples):
            raise ParameterTypeError("tasks", task, allowed)
        check_examples(task, copies=copies)
    sizes = {task.n_weights for task in tasks}
    if len(sizes) > 1:
        raise ParameterError(
            "tasks", sorted(sizes), "examples of one number of weights"
        )
    return tuple(tasks)


def _epochs(n_epochs: object, n_tasks: int) -> Sequence[object]:
    if not isinstance(n_epochs, Sequence) or isinstance(n_epochs, (str, bytes)):
        return [n_epochs] * n_tasks
    if len(n_epochs) != n_tasks:
        raise ParameterError("n_epochs", n_epochs, f"{n_tasks} integers, one a task")
    return n_epochs


def _teacher(examples: Examples) -> Array:
    """(N,) of length sqrt(N), or NaN."""
    teacher = examples.teacher
    if teacher is None:
        return np.full(examples.n_weights, np.nan)
    teacher = teacher / np.abs(teacher).max()  # its square cannot overflow
    scaled: Array = teacher * (math.sqrt(teacher.size) / np.linalg.norm(teacher))
    return scaled


def _teachers(others: Sequence[Examples | ArrayLike], n: int) -> list[Array]:
    allowed = f"a sequence of Examples or teachers of shape ({n},)"
    if isinstance(others, (str, bytes, Examples)) or not isinstance(
        others, (Sequence, np.ndarray)
    ):
        raise ParameterTypeError("others", others, allowed)
    found = []
    for other in others:
        if isinstance(other, Examples):
            if other.n_weights != n:
                raise ParameterError("others", other.n_weights, allowed)
            found.append(_teacher(other))
            continue
        w = check_array("others", other, (n,))
        if not w.any():
            raise ParameterError("others", w, "teachers that are not zero")
        w = w / np.abs(w).max()
        found.append(w * (math.sqrt(n) / float(np.linalg.norm(w))))
    return found
