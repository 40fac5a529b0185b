"""Two tasks in turn by message passing, the first handed over weight by weight.

Binary weights, teachers W1 and W2 of overlap r0, and approximate message passing (AMP)
for the Bayes mean of the weights. At N -> infinity the first task leaves the fields
h1 with h1 W1 = R_hat1 + sqrt(R_hat1) z. They give the second one a prior field theta:

    naive     theta = gamma h1; at gamma = 1 the posterior is taken as the prior,
    optimal   theta = atanh(r0 tanh h1), the log-odds of W2 that follow from h1.

With q = |m|**2 / N, R = W2.m / N and T = W1.m / N of the means m, an iteration of the
second task is, in distribution, with B = W1 W2 (odds (1 + r0 B) / 2) and gauge W2 = 1,

    X = theta + R_hat + sqrt(q_hat) z,
    q = E tanh(X)**2,  R = E tanh X,  T = E B tanh X,

q_hat and R_hat being alpha2 times the forces of `analytics.perceptron.gardner` at the
old q and R. The naive X is Gaussian given B. The optimal one has q = R, the Nishimori
condition: given h1, m is the true posterior mean of W2. The naive one has not, and its
replica symmetry can break.

References
----------
D. L. Donoho, A. Maleki and A. Montanari, Proc. Natl. Acad. Sci. USA 106, 18914 (2009);
S. Rangan, Proc. IEEE ISIT (2011), p. 2168; H. Nishimori, Statistical Physics of Spin
Glasses and Information Processing (Oxford, 2001), chapter 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.continual.handover_site import (
    PriorField,
    Site,
    naive_prior,
    optimal_prior,
)
from analytics.perceptron.binary import solve_teacher
from analytics.perceptron.gardner import (
    Overlaps,
    Rule,
    forces,
    pattern_averages,
    stability_average,
)
from analytics.solve import FixedPoint, solve_fixed_point
from statmech.errors import ParameterError, check_choice, check_integer, check_real
from statmech.status import Status

Array = NDArray[np.float64]

HANDOVERS = ("naive", "optimal")
_LARGEST_ALPHA, _LARGEST_GAMMA = 1e6, 100.0
_RULE = Rule(0.0, math.inf, teacher=True)
# 1 - q and 1 - R below which W2 is found: both then fall faster than exponentially.
_KNOWN = 1e-12
# Below it 1 - (1 - q) has too few digits for a direction of m.
_NO_STUDENT = 1e-14
_MAX_ITERATIONS = 20_000
# Step of the iteration at which Newton's method first has a try, and at which it stops.
_FIRST_TRY, _LAST_TRY = 1e-4, 1e-14
_TOLERANCE = 1e-11


@dataclass(frozen=True)
class Handover:
    """Mean weights m1 after the first task and m after the second, N -> infinity.

    Attributes
    ----------
    q1, r1 : float
        |m1|**2 / N and m1.W1 / N, equal.
    q2, r2, t : float
        |m|**2 / N, m.W2 / N and m.W1 / N.
    generalization_error_1_before : float
        arccos(r1 / sqrt(q1)) / pi, of the student m1 on the first task.
    generalization_error_1, generalization_error_2 : float
        arccos(t / sqrt(q2)) / pi and arccos(r2 / sqrt(q2)) / pi, of the student m on
        either task. All three are 1/2 where the student is zero.
    replicon2 : float
        alpha2 <g'**2> <(1 - m**2)**2>. Message passing, and replica symmetry, of the
        second task are stable below 1.
    residual : float
        Largest mismatch of the fixed-point equations.
    quadrature_error : float
        Estimated absolute error of q2, r2 and t from the Gaussian averages.
    status : Status
        RS_UNSTABLE where replicon2 > 1: overlaps still follow these equations for any
        fixed number of iterations, but the means do not settle. CLOSED_FORM where W2 is
        found, and without examples. Numbers are NaN unless `status.ok`.
    """

    q1: float
    r1: float
    q2: float
    r2: float
    t: float
    generalization_error_1_before: float
    generalization_error_1: float
    generalization_error_2: float
    replicon2: float
    residual: float
    quadrature_error: float
    status: Status

    @property
    def forgetting(self) -> float:
        """Error on the first task after the second, less that before it."""
        return self.generalization_error_1 - self.generalization_error_1_before


@dataclass(frozen=True, eq=False)
class HandoverEvolution:
    """The second task, iteration by iteration; entry 0 is m = tanh(theta).

    Attributes
    ----------
    q2, r2, t : (n + 1,) float64
    generalization_error_1, generalization_error_2 : (n + 1,) float64
        As in `Handover`.
    """

    q2: Array
    r2: Array
    t: Array
    generalization_error_1: Array
    generalization_error_2: Array


class _Tasks(NamedTuple):
    """The problem of the second task."""

    alpha: float
    prior: PriorField
    gap_1: float  # 1 - q1

    def start(self) -> Site:
        """Of m = tanh(theta)."""
        return self.prior.site(0.0, 0.0)

    def step(self, overlaps: Overlaps) -> Site:
        """An iteration of AMP."""
        force = forces(overlaps, _RULE)
        return self.prior.site(self.alpha * force.q, self.alpha * force.r)


def state_evolution(
    alpha1: float,
    alpha2: float,
    teacher_correlation: float,
    *,
    gamma: float = 1.0,
    handover: str = "naive",
) -> Handover:
    """Overlaps after two tasks that message passing learns in turn, N -> infinity.

    The fixed points that AMP reaches, the first task from no knowledge, the second from
    the means of its prior. Thus it stops at the one of smallest overlap, also where a
    teacher could be found at larger overlap (single task: 1.2447 < alpha < 1.4926).

    Parameters
    ----------
    alpha1, alpha2 : float
        Examples per weight of the tasks, P / N, from 0 to 1e6.
    teacher_correlation : float
        r0 = W1.W2 / N, from -1 to 1.
    gamma : float
        Factor of the naive prior fields, from 0 (none) to 100.
    handover : {"naive", "optimal"}
        Prior fields gamma h1, or atanh(r0 tanh h1), which takes no gamma: of all that
        are a function of h1 it gives the least error on the second task.

    Returns
    -------
    Handover
        alpha1 > 1.4926: W1 is known, h1 infinite. A naive student with gamma > 0 then
        stays at m = W1 whatever the examples; an optimal one has theta = atanh(r0) W1.
        Optimal at r0 = 0: the second task is learnt from scratch, t = 0. At r0 = 1
        optimal and naive at gamma = 1 agree; q2 is at most that of one task of
        alpha1 + alpha2, since the fields of the old examples are not revised.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> naive = state_evolution(1.0, 0.5, 0.5)
    >>> optimal = state_evolution(1.0, 0.5, 0.5, handover="optimal")
    >>> naive.generalization_error_2 > optimal.generalization_error_2
    True
    >>> abs(optimal.q2 - optimal.r2) < 1e-12
    True
    """
    tasks = _tasks(alpha1, alpha2, teacher_correlation, gamma, handover)
    start = tasks.start()
    if tasks.prior.certain or tasks.alpha == 0.0 or _found(start.overlaps):
        return _result(tasks, start, 0.0, 0.0, start.error, Status.CLOSED_FORM)
    fixed = _fixed_point(tasks, start)
    if fixed is None:
        return _result(tasks, _perfect(tasks), 0.0, 0.0, 0.0, Status.CLOSED_FORM)
    if not fixed.status.ok:
        return _missing(fixed)
    overlaps = Overlaps(float(fixed.x[0]), float(fixed.x[1]))
    site = tasks.step(overlaps)
    replicon = tasks.alpha * stability_average(overlaps, _RULE) * site.sech4
    error = _quadrature_error(tasks, overlaps, site) / (1.0 - fixed.contraction)
    status = Status.RS_UNSTABLE if replicon > 1.0 else Status.CONVERGED
    return _result(tasks, site, replicon, fixed.residual, error, status)


def evolve_handover(
    alpha1: float,
    alpha2: float,
    teacher_correlation: float,
    n_iterations: int,
    *,
    gamma: float = 1.0,
    handover: str = "naive",
) -> HandoverEvolution:
    """Overlaps of each iteration of the second task, exact at N -> infinity.

    The first task has ended before. Other parameters and errors as in
    `state_evolution`.

    Parameters
    ----------
    n_iterations : int
        0 to 100000.

    Returns
    -------
    HandoverEvolution

    Examples
    --------
    >>> evolution = evolve_handover(1.0, 1.0, 0.5, 40)
    >>> found = state_evolution(1.0, 1.0, 0.5)
    >>> abs(float(evolution.r2[-1]) - found.r2) < 1e-6
    True
    """
    tasks = _tasks(alpha1, alpha2, teacher_correlation, gamma, handover)
    n = check_integer("n_iterations", n_iterations, 0, 100_000)
    sites = [tasks.start()]
    for site in _iterate(tasks, sites[0], n):
        sites.append(site)
    # Once nothing moves any more.
    sites += [sites[-1]] * (n + 1 - len(sites))
    return HandoverEvolution(
        q2=np.array([site.overlaps.q for site in sites]),
        r2=np.array([site.overlaps.r for site in sites]),
        t=np.array([1.0 - site.gap_t for site in sites]),
        generalization_error_1=np.array(
            [_error(site.overlaps.gap_q, site.gap_t) for site in sites]
        ),
        generalization_error_2=np.array([_error(*site.overlaps) for site in sites]),
    )


def _tasks(
    alpha1: float,
    alpha2: float,
    teacher_correlation: float,
    gamma: float,
    handover: str,
) -> _Tasks:
    """Check once; the first task, and the prior fields it leaves."""
    load1 = check_real("alpha1", alpha1, 0.0, _LARGEST_ALPHA)
    load2 = check_real("alpha2", alpha2, 0.0, _LARGEST_ALPHA)
    r0 = check_real("teacher_correlation", teacher_correlation, -1.0, 1.0)
    factor = check_real("gamma", gamma, 0.0, _LARGEST_GAMMA)
    check_choice("handover", handover, HANDOVERS)
    if handover == "optimal" and factor != 1.0:
        remedy = "the optimal prior has no free factor; leave gamma out"
        raise ParameterError("gamma", factor, "1 where handover = 'optimal'", remedy)
    first = solve_teacher(load1, math.inf)
    prior = (
        optimal_prior(first.r_hat, r0)
        if handover == "optimal"
        else naive_prior(first.r_hat, r0, factor)
    )
    return _Tasks(load2, prior, first.overlaps.gap_q)


def _iterate(tasks: _Tasks, site: Site, n: int) -> Iterator[Site]:
    """Up to n iterations; fewer where W2 is found or nothing can move."""
    for _ in range(n):
        if tasks.prior.certain or _found(site.overlaps):
            return
        site = tasks.step(site.overlaps)
        yield site


def _found(overlaps: Overlaps) -> bool:
    return overlaps.gap_q < _KNOWN and overlaps.gap_r < _KNOWN


def _fixed_point(tasks: _Tasks, start: Site) -> FixedPoint | None:
    """Where the iteration ends in (1 - q, 1 - R); None where W2 is found.

    Newton's method gives the digits. In the narrow passage that is left just beyond the
    end of a branch there is nothing for it to find, and the iteration goes on.
    """

    def image(x: Array) -> Array:
        return np.array(tasks.step(Overlaps(float(x[0]), float(x[1]))).overlaps)

    def polished() -> FixedPoint:
        """Newton's method from where the iteration stands."""
        return solve_fixed_point(
            image,
            np.array(old),
            tolerance=_TOLERANCE,
            max_iterations=2,
            bounds=(0.0, 2.0),
        )

    old, limit = start.overlaps, _FIRST_TRY
    for site in _iterate(tasks, start, _MAX_ITERATIONS):
        new = site.overlaps
        if _found(new):
            return None
        move = max(abs(new.gap_q - old.gap_q), abs(new.gap_r - old.gap_r))
        old = new
        if move < limit:
            fixed = polished()
            if fixed.status.ok or move < _LAST_TRY:
                return fixed
            limit = 0.1 * move
    return polished()


def _quadrature_error(tasks: _Tasks, overlaps: Overlaps, site: Site) -> float:
    """Of q, R and T of one iteration."""
    pattern = pattern_averages(overlaps, _RULE)
    # tanh X and its square change with R_hat and q_hat by 2 sech**2 at most.
    moved = tasks.alpha * (pattern.force_errors.q + pattern.force_errors.r)
    error = site.error + 2.0 * overlaps.gap_q * moved
    if len(tasks.prior.nodes) > 2:
        q_hat, r_hat = (tasks.alpha * force for force in pattern.forces)
        coarse = tasks.prior.site(q_hat, r_hat, stride=2)
        gaps = (*site.overlaps, site.gap_t)
        rough = (*coarse.overlaps, coarse.gap_t)
        gap = max(abs(a - b) for a, b in zip(gaps, rough, strict=True))
        # Halving the step squares the error of the trapezoidal rule.
        error += gap * gap
    return error


def _result(
    tasks: _Tasks,
    site: Site,
    replicon: float,
    residual: float,
    quadrature_error: float,
    status: Status,
) -> Handover:
    q1 = 1.0 - tasks.gap_1
    return Handover(
        q1=q1,
        r1=q1,
        q2=site.overlaps.q,
        r2=site.overlaps.r,
        t=1.0 - site.gap_t,
        generalization_error_1_before=_error(tasks.gap_1, tasks.gap_1),
        generalization_error_1=_error(site.overlaps.gap_q, site.gap_t),
        generalization_error_2=_error(*site.overlaps),
        replicon2=replicon,
        residual=residual,
        quadrature_error=quadrature_error,
        status=status,
    )


def _missing(fixed: FixedPoint) -> Handover:
    nan = math.nan
    return Handover(*(nan,) * 9, fixed.residual, nan, fixed.status)


def _perfect(tasks: _Tasks) -> Site:
    """m = W2."""
    other = math.fsum(node.other for node in tasks.prior.nodes)
    return Site(Overlaps(0.0, 0.0), 2.0 * other, 0.0, 0.0)


def _error(gap_q: float, gap_r: float) -> float:
    """arccos(R / sqrt(q)) / pi, with its digits as q, R -> 1."""
    if 1.0 - gap_q < _NO_STUDENT:
        return 0.5
    spread = math.sqrt(max(gap_r * (2.0 - gap_r) - gap_q, 0.0))
    return math.atan2(spread, 1.0 - gap_r) / math.pi
