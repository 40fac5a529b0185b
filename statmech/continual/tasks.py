"""Tasks for a binary perceptron: each a teacher, correlated with the one before."""

from __future__ import annotations

from collections.abc import Sequence

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_integer,
    check_real,
)
from statmech.perceptron.examples import (
    Examples,
    correlated_weights,
    random_examples,
    relabel,
    teacher_examples,
)
from statmech.rng import check_path

_PATTERNS, _TEACHER = 0, 1  # branches of a task's seed path


def draw_tasks(
    n_weights: int,
    n_patterns: Sequence[int],
    teacher_correlation: float,
    seed: int,
    *,
    path: Sequence[int] = (),
) -> tuple[Examples, ...]:
    """Random patterns of several tasks, labelled by correlated binary teachers.

    The first teacher is random; each later one has the overlap r0 with the teacher
    before it, met to 1/N and not on average, at random places; those of tasks k apart
    have r0**k on average. Patterns of different tasks are independent.

    Parameters
    ----------
    n_weights : int
        N, odd, so that no field is zero.
    n_patterns : sequence of int
        P of each task, from 1; one entry a task.
    teacher_correlation : float
        r0 = W_k.W_(k+1) / N, from -1 to 1.
    seed, path : int, sequence of int
        Address in the seed tree.

    Returns
    -------
    tuple of Examples

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError

    Examples
    --------
    >>> first, second = draw_tasks(101, [50, 80], 0.5, seed=1)
    >>> first.n_patterns, second.n_patterns, second.count_errors(second.teacher)
    (50, 80, 0)
    >>> float(second.teacher_overlap(first.teacher))
    0.504950495049505
    """
    correlation = check_real("teacher_correlation", teacher_correlation, -1.0, 1.0)
    address = check_path(path)
    if isinstance(n_patterns, str) or not isinstance(n_patterns, Sequence):
        raise ParameterTypeError("n_patterns", n_patterns, "a sequence of integers")
    sizes = [check_integer("n_patterns", p, 1) for p in n_patterns]
    if not sizes:
        raise ParameterError("n_patterns", n_patterns, "one size a task, one at least")
    first = teacher_examples(n_weights, sizes[0], seed, path=(*address, 0, _PATTERNS))
    tasks = [first]
    for k, size in enumerate(sizes[1:], start=1):
        before = tasks[-1].teacher
        assert before is not None
        teacher = correlated_weights(
            before, correlation, seed, path=(*address, k, _TEACHER)
        )
        drawn = random_examples(n_weights, size, seed, path=(*address, k, _PATTERNS))
        tasks.append(relabel(drawn, teacher))
    return tuple(tasks)
