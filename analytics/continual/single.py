"""Replica-symmetric theory of learning in field space: one task.

N magnetisations m_i in [-1, 1], m_i = tanh(theta_i), stand for weights w_i = +-1 drawn
independently with the means m_i. A pattern x with the label y of a teacher W is seen
with the stability u = y sum_i m_i x_i / sqrt(N Delta), Delta = 1 - |m|**2 / N, at a
cost of -log Phi(u). The magnetisations have a Gibbs measure, uniform on [-1, 1]**N
times prod Phi(u)**beta. At N -> infinity its overlaps q, r, q_star solve

    q = int Dz <m>**2,   r = int Dz <m>,   q_star = int Dz <m**2>,

<.> over the weight exp(a m**2 + (sqrt(q_hat) z + r_hat) m) of m, with the fields of
`pattern`. Without the Gaussian averages, which are done by Gauss-Legendre panels graded
towards the places where the integrands switch, nothing is approximated.

References
----------
C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.continual.pattern import Fields, panels, pattern_fields
from analytics.continual.saddle import climb, overlaps_of, rungs, solve_equations
from analytics.continual.site import (
    GAP,
    MEAN,
    ROWS,
    SIGN,
    VARIANCE,
    site_moments,
    site_nodes,
)
from analytics.continual.state import SingleTask
from analytics.panels import Feature
from statmech.errors import check_choice, check_real
from statmech.status import Status

Array = NDArray[np.float64]

BRANCHES = ("continuous", "retrieval")
LARGEST_ALPHA, LARGEST_BETA = 100.0, 1e3
# States, (1 - q_star, q_star - q, r).
UNIFORM = np.array([2.0 / 3.0, 1.0 / 3.0, 0.0])  # m uniform on [-1, 1]
_NEAR_TEACHER = np.array([0.015, 0.005, 0.985])
# Signs agree with the teacher's this far on the retrieval branch.
_RETRIEVED = 0.9


class Site(NamedTuple):
    """Averages over one magnetisation, its field included."""

    state: Array  # 1 - q_star, q_star - q, r
    p: float
    square: float  # int Dz (<m**2> - <m>**2)**2


class Solution(NamedTuple):
    """One task, solved; what the second task needs of the first."""

    result: SingleTask
    fields: Fields


def solve_single_task(
    alpha: float, beta: float, *, branch: str = "continuous"
) -> SingleTask:
    """Overlaps of magnetisations that learn a teacher's labels, N -> infinity.

    Parameters
    ----------
    alpha : float
        Patterns per weight, P / N, from 0 to 100.
    beta : float
        Inverse temperature of the Gibbs measure of magnetisations, the loss
        -sum log Phi(u) being the energy: 0 < beta <= 1000.
    branch : {"continuous", "retrieval"}
        Which solution, where there are several, by damped iteration
        x <- (x + image of x) / 2. "continuous": the branch that grows out of ignorance,
        started from m uniform (q = r = 0, q_star = 1/3) at small load and followed
        upward through the loads 0.5 * 1.05**k below `alpha`; where that branch ends it
        falls into retrieval. "retrieval": from q = .98, r = q_star = .985, close to the
        teacher, at this load; NO_BRANCH if that ends at p < 0.9.

    Returns
    -------
    SingleTask
        RS_UNSTABLE where the replicon is above 1.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023).

    Examples
    --------
    >>> task = solve_single_task(0.5, 20.0)
    >>> round(task.p, 4), round(task.q_star, 4), task.status.name
    (0.4387, 0.6798, 'CONVERGED')
    """
    load = check_real("alpha", alpha, 0.0, LARGEST_ALPHA)
    beta = check_real("beta", beta, 0.0, LARGEST_BETA, low_open=True)
    check_choice("branch", branch, BRANCHES)
    return single_task(load, beta, branch).result


@functools.lru_cache(maxsize=512)
def single_task(alpha: float, beta: float, branch: str) -> Solution:
    """One task by the equations, cached."""
    if alpha == 0.0:
        return _without_patterns(beta, branch)
    start = _NEAR_TEACHER
    if branch == "continuous":
        start = _followed(rungs(alpha), beta)

    def equations(state: Array, halvings: int) -> tuple[Site, Fields]:
        fields = pattern_fields(state, alpha, beta, halvings)
        return _site(fields, halvings), fields

    def coarse(state: Array) -> Array:
        return equations(state, 0)[0].state

    def fine(state: Array) -> Array:
        return equations(state, 1)[0].state

    found = solve_equations(coarse, fine, start)
    if not found.status.ok:
        missing = SingleTask.missing(found.status, found.residual)
        return Solution(missing, Fields(*(math.nan,) * 5))
    rough, _ = equations(found.coarse, 0)
    site, fields = equations(found.fine, 1)
    if branch == "retrieval" and site.p < _RETRIEVED:
        return Solution(SingleTask.missing(Status.NO_BRANCH), fields)
    replicon = alpha * fields.curvature * site.square
    overlaps = overlaps_of(found.fine)
    q, r, q_star = (float(x) for x in overlaps)
    change = float(np.abs(overlaps - overlaps_of(found.coarse)).max())
    result = SingleTask(
        q=q,
        r=r,
        q_star=q_star,
        p=site.p,
        loss=fields.loss,
        replicon=replicon,
        generalization_error=error_of(site.p),
        residual=float(np.abs(overlaps_of(site.state) - overlaps).max()),
        quadrature_error=max(change, abs(site.p - rough.p)),
        status=Status.RS_UNSTABLE if replicon > 1.0 else Status.CONVERGED,
    )
    return Solution(result, fields)


@functools.lru_cache(maxsize=2048)
def _followed(n: int, beta: float) -> Array:
    """The state of the continuous branch at the n-th load that is visited."""
    if n == 0:
        return UNIFORM

    def equations(state: Array, alpha: float) -> Array:
        return _site(pattern_fields(state, alpha, beta, 0), 0).state

    state = climb(equations, _followed(n - 1, beta), n - 1, n)
    state.flags.writeable = False
    return state


def error_of(p: float) -> float:
    """arccos(p) / pi of the overlap of two sign vectors."""
    return math.acos(min(max(p, -1.0), 1.0)) / math.pi


def field_features(fields: Fields) -> list[Feature]:
    """Where <m> switches in z, and within which width."""
    root = math.sqrt(fields.q)
    if root == 0.0:
        return []
    centre, width = -fields.r / root, 1.0 / root
    features = [(centre, width)]
    if fields.a < -1.0:
        # The weight is a narrow Gaussian, which meets an end of [-1, 1] there.
        shift, width = 2.0 * abs(fields.a) / root, math.sqrt(abs(fields.a)) / root
        features += [(centre - shift, width), (centre + shift, width)]
    return features


def _site(fields: Fields, halvings: int) -> Site:
    """All averages of a magnetisation without a prior."""
    z, weights = panels(field_features(fields), halvings)
    h = math.sqrt(fields.q) * z + fields.r
    out = np.empty((ROWS, h.size))
    nodes = site_nodes(fields.a, 0.0, float(np.abs(h).max()), halvings)
    site_moments(h, nodes, out)
    mean, gap, variance, square, p = (
        float(row @ weights)
        for row in (out[MEAN], out[GAP], out[VARIANCE], out[VARIANCE] ** 2, out[SIGN])
    )
    return Site(np.array([gap, variance, mean]), p, square)


def _without_patterns(beta: float, branch: str) -> Solution:
    """m is uniform on [-1, 1]."""
    nothing = Fields(0.0, 0.0, 0.0, math.nan, math.nan)
    if branch == "retrieval":
        return Solution(SingleTask.missing(Status.NO_BRANCH), nothing)
    fields = pattern_fields(UNIFORM, 0.0, beta, 1)
    result = SingleTask(
        q=0.0,
        r=0.0,
        q_star=1.0 / 3.0,
        p=0.0,
        loss=fields.loss,
        replicon=0.0,
        generalization_error=0.5,
        residual=0.0,
        quadrature_error=0.0,
        status=Status.CLOSED_FORM,
    )
    return Solution(result, fields)
