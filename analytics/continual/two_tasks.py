"""Replica-symmetric theory of learning in field space: a second task after the first.

Task 2 has its own patterns and a teacher W2, W2 = W1 with probability (1 + r0) / 2. Its
magnetisations m have a Gibbs measure with the cost -sum log Phi(u) + gamma KL(m || m1),
the divergence of two products of Bernoulli measures, given magnetisations m1 of the
first task. With c = beta gamma and theta1 = atanh m1,

    c KL(m || m1) = c S(m) - c theta1 m + function of m1,

so a magnetisation has the weight exp(a m**2 + H m - c S(m)) in the field
H = sqrt(q_hat) x + r_hat B + c theta1, B = W1 W2 (gauge W1 = 1): its averages are
functions of H alone, f(H). Their Gaussian averages F(y) over x, y = r_hat B + c theta1,
are tabulated, and summed over the law of theta1 and B. The patterns act as in a single
task: they do not know the first.

References
----------
S. Franz and G. Parisi, J. Phys. I France 5, 1401 (1995); C. Li, Z. Huang, W. Zou and
H. Huang, Phys. Rev. E 108, 014309 (2023).
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.continual.marginal import Law, replica_law, sample_law
from analytics.continual.pattern import Fields, pattern_fields
from analytics.continual.piecewise import sum_series
from analytics.continual.saddle import (
    Root,
    climb,
    overlaps_of,
    rungs,
    solve_equations,
)
from analytics.continual.single import (
    BRANCHES,
    LARGEST_ALPHA,
    LARGEST_BETA,
    error_of,
    single_task,
)
from analytics.continual.smooth import ODD, smoothed
from analytics.continual.state import SingleTask, TwoTasks
from statmech.errors import ParameterError, check_array, check_choice, check_real
from statmech.status import Status

Array = NDArray[np.float64]

LARGEST_GAMMA = 1e3
_UNSTABLE = Status.RS_UNSTABLE


class _Site(NamedTuple):
    """Averages over one magnetisation, its prior and the relation of the teachers."""

    state: Array  # 1 - q2_star, q2_star - q2, r2
    t: float
    p1: float
    p2: float
    square: float  # <<(<m**2> - <m>**2)**2>>


@dataclass(frozen=True)
class _Task:
    """The second task without its load; equal where it is the same physics."""

    beta: float
    stiffness: float  # beta gamma
    r0: float
    source: tuple[Any, ...]  # of the law of m1
    law: Callable[[int], Law] = field(compare=False)  # of m1, with nodes halved

    def image(self, state: Array, alpha: float, halvings: int) -> tuple[_Site, Fields]:
        """The right-hand sides, and the fields of the patterns, at a load."""
        fields = pattern_fields(state, alpha, self.beta, halvings)
        return self.site(fields, halvings), fields

    def site(self, fields: Fields, halvings: int) -> _Site:
        """All averages of a magnetisation."""
        law, c = self.law(halvings), self.stiffness
        largest = c * float(np.abs(law.theta).max(initial=0.0)) + abs(fields.r)
        series = smoothed(fields.a, c, fields.q, largest, halvings)
        sums = []
        for side in (1.0, -1.0):
            out = np.zeros(ODD.size)
            if c == 0.0:
                # The first task is forgotten at once.
                place, weight = np.array([side * fields.r]), np.ones(1)
            else:
                place, weight = side * fields.r + c * law.theta, law.weights
                # The divergence is infinite unless m = m1 = +-1.
                drift = law.plus - law.minus
                out += np.array([drift, 0.0, 0.0, 0.0, drift])
            sum_series(place, weight, ODD, *series, out)
            sums.append(0.5 * (1.0 + side * self.r0) * out)
        both, apart = sums[0] + sums[1], sums[0] - sums[1]
        return _Site(
            np.array([both[1], both[2], apart[0]]),
            t=float(both[0]),
            p1=float(both[4]),
            p2=float(apart[4]),
            square=float(both[3]),
        )


@functools.lru_cache(maxsize=1024)
def _followed(n: int, task: _Task) -> Array:
    """The state at the n-th load that is visited; the first is without patterns."""
    if n == 0:
        nothing = Fields(0.0, 0.0, 0.0, math.nan, math.nan)
        return task.site(nothing, 0).state

    def equations(state: Array, alpha: float) -> Array:
        return task.image(state, alpha, 0)[0].state

    return climb(equations, _followed(n - 1, task), n - 1, n)


def solve_two_tasks(
    alpha1: float,
    alpha2: float,
    beta: float,
    gamma: float,
    teacher_correlation: float,
    *,
    marginal: str | ArrayLike = "rs",
    branch: str = "continuous",
) -> TwoTasks:
    """Overlaps of magnetisations that learn a second task, held to the first.

    Parameters
    ----------
    alpha1, alpha2 : float
        Patterns per weight of the two tasks, from 0 to 100. `alpha1` is not used with
        an empirical marginal.
    beta : float
        Inverse temperature of both tasks, 0 < beta <= 1000.
    gamma : float
        Strength of the divergence from the first task, 0 to 1000.
    teacher_correlation : float
        r0 = W1.W2 / N, from -1 to 1.
    marginal : "rs" or (n,) array
        The law of m1 W1: that of the replica-symmetric theory of the first task, or
        samples of it in [-1, 1]. A sample +-1 keeps m at this value if gamma > 0.
    branch : {"continuous", "retrieval"}
        Of the first task; see `solve_single_task`. The second task is followed from the
        state without its patterns upward in `alpha2`, as on the continuous branch.

    Returns
    -------
    TwoTasks
        The status of the first task, where that has no solution.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).

    Examples
    --------
    >>> both = solve_two_tasks(1.0, 0.5, 5.0, 1.0, 0.0)
    >>> round(both.p1, 4), round(both.p2, 4), both.status.name
    (0.4501, 0.1564, 'CONVERGED')
    """
    load1 = check_real("alpha1", alpha1, 0.0, LARGEST_ALPHA)
    load2 = check_real("alpha2", alpha2, 0.0, LARGEST_ALPHA)
    beta = check_real("beta", beta, 0.0, LARGEST_BETA, low_open=True)
    gamma = check_real("gamma", gamma, 0.0, LARGEST_GAMMA)
    r0 = check_real("teacher_correlation", teacher_correlation, -1.0, 1.0)
    check_choice("branch", branch, BRANCHES)
    stiffness = beta * gamma
    if isinstance(marginal, str):
        check_choice("marginal", marginal, ("rs",))
        first = single_task(load1, beta, branch).result
        if not first.status.ok:
            return TwoTasks.missing(first.status, "rs", first)

        def law(halvings: int) -> Law:
            return replica_law(load1, beta, branch, stiffness, halvings)

        task = _Task(beta, stiffness, r0, ("rs", load1, branch), law)
        return _solve(task, load2, first)
    samples = _check_samples(marginal)
    laws = [sample_law(samples, stiffness, halvings) for halvings in (0, 1)]
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    task = _Task(beta, stiffness, r0, ("empirical", digest), laws.__getitem__)
    return _solve(task, load2, None)


def _check_samples(marginal: ArrayLike) -> Array:
    samples = check_array("marginal", marginal, (None,))
    allowed = "'rs', or an array (n,) of samples of m1 W1 in [-1, 1], n > 0"
    if samples.size == 0 or float(np.abs(samples).max()) > 1.0:
        raise ParameterError("marginal", samples, allowed)
    return samples


def _solve(task: _Task, alpha: float, first: SingleTask | None) -> TwoTasks:
    def coarse(state: Array) -> Array:
        return task.image(state, alpha, 0)[0].state

    def fine(state: Array) -> Array:
        return task.image(state, alpha, 1)[0].state

    kind = task.source[0]
    before = task.law(1).p
    start = _followed(0, task)
    if start[0] == 0.0:
        return _frozen(before, task.r0, kind, first)
    if alpha == 0.0:
        found = Root(start, fine(start), 0.0, Status.CONVERGED)
    else:
        found = solve_equations(coarse, fine, _followed(rungs(alpha), task))
    if not found.status.ok:
        return TwoTasks.missing(found.status, kind, first, found.residual)
    rough, _ = task.image(found.coarse, alpha, 0)
    site, fields = task.image(found.fine, alpha, 1)
    replicon = alpha * fields.curvature * site.square
    overlaps = overlaps_of(found.fine)
    changes = (
        float(np.abs(overlaps - overlaps_of(found.coarse)).max()),
        abs(site.p1 - rough.p1),
        abs(site.p2 - rough.p2),
    )
    stable = replicon <= 1.0 and (first is None or first.status is not _UNSTABLE)
    q2, r2, q2_star = (float(y) for y in overlaps)
    return TwoTasks(
        q2=q2,
        r2=r2,
        q2_star=q2_star,
        t=site.t,
        p1=site.p1,
        p2=site.p2,
        loss2=fields.loss,
        replicon2=replicon,
        generalization_error_1_before=error_of(before),
        generalization_error_1=error_of(site.p1),
        generalization_error_2=error_of(site.p2),
        marginal=kind,
        first=first,
        residual=float(np.abs(overlaps_of(site.state) - overlaps).max()),
        quadrature_error=max(changes),
        status=Status.CONVERGED if stable else _UNSTABLE,
    )


def _frozen(p: float, r0: float, kind: str, first: SingleTask | None) -> TwoTasks:
    """All samples are +-1, and m with them: a pattern is right or infinitely wrong."""
    return TwoTasks(
        q2=1.0,
        r2=r0 * p,
        q2_star=1.0,
        t=p,
        p1=p,
        p2=r0 * p,
        loss2=0.0 if r0 * p == 1.0 else math.inf,
        replicon2=0.0,
        generalization_error_1_before=error_of(p),
        generalization_error_1=error_of(p),
        generalization_error_2=error_of(r0 * p),
        marginal=kind,
        first=first,
        residual=0.0,
        quadrature_error=0.0,
        status=Status.CLOSED_FORM,
    )
