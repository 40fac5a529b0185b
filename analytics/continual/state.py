"""What theory says of magnetisations that learn one task, or two in turn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from statmech.status import Status


@dataclass(frozen=True)
class SingleTask:
    """Magnetisations m in [-1, 1]^N of the Gibbs measure of one task, N -> infinity.

    Three students differ: sign(m), whose overlap with the teacher is `p`; a weight
    drawn from m, whose overlap is `r`; the mean weight m, of overlap r / sqrt(q_star).

    Attributes
    ----------
    q : float
        m.m' / N of two replicas.
    r : float
        m.W / N with the teacher W.
    q_star : float
        |m|**2 / N of one replica.
    p : float
        sign(m).W / N.
    loss : float
        <-log Phi(u)> per pattern, nats.
    replicon : float
        alpha <g'**2> <(<m**2> - <m>**2)**2>: replica symmetry is stable below 1.
    generalization_error : float
        arccos(p) / pi, of the student sign(m).
    residual : float
        Largest mismatch of the saddle-point equations.
    quadrature_error : float
        Change of (q, r, q_star, p), the largest, when all nodes are doubled.
    status : Status
        RS_UNSTABLE where the replicon is above 1. Numbers are NaN unless `status.ok`.
    """

    q: float
    r: float
    q_star: float
    p: float
    loss: float
    replicon: float
    generalization_error: float
    residual: float
    quadrature_error: float
    status: Status

    @classmethod
    def missing(cls, status: Status, residual: float = math.nan) -> SingleTask:
        """No solution, and why."""
        nan = math.nan
        return cls(nan, nan, nan, nan, nan, nan, nan, residual, nan, status)


@dataclass(frozen=True)
class TwoTasks:
    """Magnetisations m of the second task, given m1 of the first, N -> infinity.

    Attributes
    ----------
    q2, r2, q2_star : float
        m.m' / N of two replicas with the same m1; m.W2 / N; |m|**2 / N.
    t : float
        m.W1 / N.
    p1, p2 : float
        sign(m).W1 / N and sign(m).W2 / N.
    loss2 : float
        <-log Phi(u)> per pattern of the second task, nats.
    replicon2 : float
        That of the second task; replica symmetry is stable below 1.
    generalization_error_1_before : float
        arccos(p) / pi of sign(m1) on the first task.
    generalization_error_1, generalization_error_2 : float
        arccos(p1) / pi and arccos(p2) / pi, after the second task.
    marginal : {"rs", "empirical"}
        Where the law of m1 W1 comes from.
    first : SingleTask or None
        The first task in replica-symmetric theory; None for an empirical marginal.
    residual, quadrature_error : float
        As in `SingleTask`, for the second task.
    status : Status
        RS_UNSTABLE where a replicon, of the first task or the second, is above 1.
        Numbers are NaN unless `status.ok`.
    """

    q2: float
    r2: float
    q2_star: float
    t: float
    p1: float
    p2: float
    loss2: float
    replicon2: float
    generalization_error_1_before: float
    generalization_error_1: float
    generalization_error_2: float
    marginal: str
    first: SingleTask | None
    residual: float
    quadrature_error: float
    status: Status

    @property
    def forgetting(self) -> float:
        """Error on the first task after the second, less that before it."""
        return self.generalization_error_1 - self.generalization_error_1_before

    @classmethod
    def missing(
        cls,
        status: Status,
        marginal: str,
        first: SingleTask | None,
        residual: float = math.nan,
    ) -> TwoTasks:
        """No solution, and why."""
        nan = math.nan
        numbers = (nan,) * 11
        return cls(*numbers, marginal, first, residual, nan, status)
