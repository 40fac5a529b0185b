"""Monte Carlo on the magnetisations of a binary perceptron: one task, or one after one.

The measure is that of the replica theory in `analytics.continual`, at finite N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.chains import MOST_CHAINS, MOST_SWEEPS, NOISE, spread
from statmech.continual.field_chains import (
    FIRST_WIDTH,
    STARTS,
    TUNING_SWEEPS,
    WIDEST,
    Group,
    check_examples,
    initial_fields,
    require_run,
    task_of,
    teachers_of,
)
from statmech.continual.field_trace import FieldTrace
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
    check_real,
)
from statmech.kernels import field_space as kernels
from statmech.perceptron.examples import Examples
from statmech.rng import check_path, stream_keys

_FIRST_TASK, _SECOND_TASK = 0, 1  # branches of the path of two tasks


def sample_field_space(
    examples: Examples,
    beta: float,
    *,
    gamma: float = 0.0,
    reference: ArrayLike | None = None,
    n_sweeps: int = 1000,
    n_burn_in: int = 500,
    n_chains: int = 2,
    initial: str | ArrayLike = "random",
    others: Sequence[ArrayLike] = (),
    thin: int = 1,
    step_width: float | None = None,
    seed: int = 0,
    path: Sequence[int] = (),
    n_threads: int | None = None,
) -> FieldTrace:
    """Sample magnetisations m in [-1, 1]^N of the field-space measure of a perceptron.

    Weight: prod_mu Phi(u_mu)**beta exp(-beta gamma KL(m || m1)), u = y M / sqrt(D),
    M = x.m / sqrt(N), D = 1 - |m|**2 / N, against the uniform measure; with

        KL = sum_i sum_{s = +-1} (1 + s m_i)/2 ln[(1 + s m_i) / (1 + s m1_i)].

    Phi(u) is the probability that weights +-1 of mean m give the pattern its label, at
    large N; m1 holds what was learnt before.

    Parameters
    ----------
    examples : Examples
        Patterns of +-1, for which D is one number; N is even or odd.
    beta : float
        Inverse temperature of the loss -sum_mu ln Phi(u_mu), >= 0.
    gamma : float
        Strength of the attraction to the reference, >= 0.
    reference : (N,) array, optional
        m1, in (-1, 1): at +-1 the divergence from it is infinite. Needed if gamma > 0.
    n_sweeps, n_burn_in : int
        Sweeps of N trials measured, and discarded before. The number of draws is
        n_sweeps // thin.
    n_chains : int
        Independent chains; q needs at least 2.
    initial : "random", "teacher", "reference" or array
        Uniform in [-1, 1]; the teacher, which has to be +-1; m1; or your own array (N,)
        or (n_chains, N) in [-1, 1].
    others : sequence of (N,) arrays
        Further teachers with which overlaps are measured, in any normalisation.
    thin : int
        Sweeps between draws.
    step_width : float, optional
        Largest change that is proposed, in (0, 2]. Default: every chain tunes its own
        to an acceptance of 0.45 during the burn-in, and keeps it then. Where the
        acceptance stays above at width 2, it stays 2.
    seed, path : int, sequence of int
        Address of this run in the seed tree.
    n_threads : int, optional
        Default: the cores this process may use. Results do not depend on it.

    Returns
    -------
    FieldTrace

    Raises
    ------
    ParameterError, ParameterTypeError
        Before any move is made.
    MemoryLimitError
        If the run does not fit into memory; before anything is allocated.
    StatmechError
        If the fields that a chain keeps are not those of its m to 1e-9, which is
        checked every 200 sweeps and at the end.

    Notes
    -----
    Metropolis moves of one site at a time, in order, reflected at +-1. Each leaves the
    measure stationary. D is floored at 1e-12.

    References
    ----------
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023): the measure.
    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).

    Examples
    --------
    >>> from statmech.continual.field_space import sample_field_space
    >>> from statmech.perceptron import teacher_examples
    >>> examples = teacher_examples(51, 40, seed=1)
    >>> trace = sample_field_space(examples, 2.0, n_sweeps=200, seed=7)
    >>> trace.r.shape, trace.q.shape, bool(trace.r.mean() > 0.2)
    ((2, 200), (1, 200), True)
    """
    check_examples(examples)
    cold = check_real("beta", beta, 0.0)
    pull = check_real("gamma", gamma, 0.0)
    check_real("beta * gamma", cold * pull, 0.0)
    m1 = _check_reference(examples, reference, pull)
    measured = check_integer("n_sweeps", n_sweeps, 1, MOST_SWEEPS)
    burn_in = check_integer("n_burn_in", n_burn_in, 0, MOST_SWEEPS)
    many = check_integer("n_chains", n_chains, 1, MOST_CHAINS)
    stride = check_integer("thin", thin, 1, measured)
    width = _check_width(step_width, burn_in)
    check_integer("seed", seed, 0)
    address = check_path(path)
    teachers = teachers_of(examples, others)
    n_draws = measured // stride
    require_run(examples, teachers.shape[0], many, n_draws, stride)
    m = initial_fields(examples, many, initial, m1, seed, address)
    keys = stream_keys(seed, (*address, NOISE), many)
    task = task_of(examples, cold, pull, m1, teachers)
    groups = [
        Group(task, m[k : k + 2], keys[k : k + 2], width or FIRST_WIDTH)
        for k in range(0, many, 2)
    ]

    def run(group: Group) -> kernels.Record:
        if width is None:
            group.tune(burn_in)
        else:
            group.advance(0, burn_in, 1, group.record(0))
        record = group.record(n_draws)
        group.advance(0, n_draws, stride, record)
        group.check()
        return record

    settings = {
        "n_weights": examples.n_weights,
        "n_patterns": examples.n_patterns,
        "alpha": examples.alpha,
        "beta": cold,
        "gamma": pull,
        "n_sweeps": measured,
        "n_burn_in": burn_in,
        "n_chains": many,
        "initial": initial if isinstance(initial, str) else "array",
        "thin": stride,
        "step_width": width,
        "seed": seed,
        "path": address,
    }
    records = spread(run, groups, n_threads)
    return _assemble(examples, groups, records, m, m1, settings)


def sample_two_tasks(
    tasks: Sequence[Examples],
    beta: float,
    gamma: float,
    *,
    beta_first: float | None = None,
    n_references: int = 1,
    n_sweeps: int = 1000,
    n_burn_in: int = 500,
    n_first: int = 2000,
    n_chains: int = 2,
    initial: str = "random",
    initial_first: str = "random",
    thin: int = 1,
    seed: int = 0,
    path: Sequence[int] = (),
    n_threads: int | None = None,
) -> tuple[FieldTrace, ...]:
    """Sample m on a second task, given an m1 that was sampled on the first.

    The nested average of Franz and Parisi: m1 is drawn from the field-space measure of
    the first task alone, then held, and m is drawn from that of the second with the
    attraction beta gamma KL(m || m1). Chains of one trace share one m1, so that their
    overlap is q2 at fixed m1.

    Parameters
    ----------
    tasks : (Examples, Examples)
        Of one N, the first with a teacher.
    beta, gamma : float
        Of the second task, see `sample_field_space`.
    beta_first : float, optional
        Inverse temperature of the first task; default: beta.
    n_references : int
        Independent m1, the end of one chain on the first task each.
    n_sweeps, n_burn_in, n_chains, initial, thin :
        Of the chains on the second task.
    n_first : int
        Sweeps of a chain on the first task. The first half of them tunes its step.
    initial_first : "random", "teacher"
        Its start.
    seed, path, n_threads :
        As in `sample_field_space`.

    Returns
    -------
    tuple of FieldTrace
        One for each m1, which is its `reference`. `q`, `r`, `q_star`, `p` are q2, r2,
        q2*, p2; `t` and `p1` are the overlaps with the first teacher.

    Raises
    ------
    ParameterError, ParameterTypeError, MemoryLimitError, StatmechError
        As in `sample_field_space`.

    References
    ----------
    S. Franz and G. Parisi, J. Phys. I France 5, 1401 (1995): the nested average.
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).

    Examples
    --------
    >>> from statmech.continual import draw_tasks
    >>> from statmech.continual.field_space import sample_two_tasks
    >>> tasks = draw_tasks(51, [40, 40], 0.5, seed=1)
    >>> (trace,) = sample_two_tasks(tasks, 2.0, 1.0, n_sweeps=100, n_first=200)
    >>> trace.t.shape, trace.q.shape, bool(trace.divergence.mean() > 0.0)
    ((2, 100), (1, 100), True)
    """
    first, second = _check_tasks(tasks)
    many = check_integer("n_references", n_references, 1, MOST_CHAINS)
    sweeps = check_integer("n_first", n_first, 2, MOST_SWEEPS)
    address = check_path(path)
    check_choice("initial", initial, STARTS)
    before = sample_field_space(
        first,
        beta if beta_first is None else beta_first,
        n_sweeps=sweeps - sweeps // 2,
        n_burn_in=sweeps // 2,
        n_chains=many,
        initial=initial_first,
        thin=sweeps - sweeps // 2,
        seed=seed,
        path=(*address, _FIRST_TASK),
        n_threads=n_threads,
    )
    largest = math.nextafter(1.0, 0.0)  # at +-1 the divergence would be infinite
    return tuple(
        sample_field_space(
            second,
            beta,
            gamma=gamma,
            reference=np.clip(m1, -largest, largest),
            n_sweeps=n_sweeps,
            n_burn_in=n_burn_in,
            n_chains=n_chains,
            initial=initial,
            others=() if first.teacher is None else (first.teacher,),
            thin=thin,
            seed=seed,
            path=(*address, _SECOND_TASK, k),
            n_threads=n_threads,
        )
        for k, m1 in enumerate(before.m)
    )


def _check_tasks(tasks: object) -> tuple[Examples, Any]:
    """Two tasks of one N, the first with a teacher."""
    if not isinstance(tasks, Sequence) or isinstance(tasks, (str, bytes)):
        raise ParameterTypeError("tasks", tasks, "a sequence of two Examples")
    if len(tasks) != 2:
        raise ParameterError("tasks", len(tasks), "a sequence of two Examples")
    first, second = check_examples(tasks[0]), check_examples(tasks[1])
    if first.n_weights != second.n_weights:
        sizes = (first.n_weights, second.n_weights)
        raise ParameterError("tasks", sizes, "examples of one N")
    if first.teacher is None:
        raise ParameterError("tasks", None, "a first task with a teacher")
    return first, second


def _check_reference(
    examples: Examples, reference: ArrayLike | None, gamma: float
) -> NDArray[np.float64] | None:
    if reference is None:
        if gamma > 0.0:
            raise ParameterError(
                "reference", None, "given where gamma > 0", "pass m1, or gamma = 0"
            )
        return None
    m1 = check_array("reference", reference, (examples.n_weights,)).copy()
    if not (np.abs(m1) < 1.0).all():
        allowed = "magnetisations above -1 and below 1"
        remedy = "at +-1 the divergence is infinite: move them inside a little"
        raise ParameterError("reference", m1, allowed, remedy)
    m1.setflags(write=False)
    return m1


def _check_width(step_width: float | None, n_burn_in: int) -> float | None:
    if step_width is not None:
        return check_real("step_width", step_width, 0.0, WIDEST, low_open=True)
    if n_burn_in < TUNING_SWEEPS:
        raise ParameterError(
            "n_burn_in",
            n_burn_in,
            f"at least {TUNING_SWEEPS} to tune the step width",
            "or pass step_width",
        )
    return None


def _assemble(
    examples: Examples,
    groups: list[Group],
    records: Sequence[kernels.Record],
    m: NDArray[np.float64],
    m1: NDArray[np.float64] | None,
    settings: dict[str, Any],
) -> FieldTrace:
    """Join the records of all groups into one trace."""
    loss = np.concatenate([record.losses for record in records])
    overlaps = np.concatenate([record.overlaps for record in records], axis=1)
    signs = np.concatenate([record.sign_overlaps for record in records], axis=1)
    divergence = np.concatenate([record.divergence for record in records])
    missing = np.full(loss.shape, np.nan)
    own = int(examples.teacher is not None)
    return FieldTrace(
        r=overlaps[0] if own else missing,
        p=signs[0] if own else missing,
        q_star=np.concatenate([record.q_star for record in records]),
        q=np.concatenate([record.q for record in records]),
        loss=loss,
        divergence=missing if m1 is None else divergence,
        other_overlaps=overlaps[own:],
        other_sign_overlaps=signs[own:],
        acceptance=np.concatenate([record.accepted for record in records]),
        step_width=np.concatenate([group.chains.widths for group in groups]),
        m=m,
        reference=m1,
        settings=settings,
    )
