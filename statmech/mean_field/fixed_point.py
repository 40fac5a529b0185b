"""Where q = softmax(Phi q + b): the equations under evidence, and the result.

Every solver starts from a `Problem` and ends with `Problem.report`, so that all judge
convergence by one residual and carry one certificate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.boltzmann.evidence import read_evidence
from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_integer,
    check_real,
)
from statmech.kernels.fixed_point import enter, finish, relative
from statmech.mean_field.linear import distances
from statmech.status import Status

Array = NDArray[np.float64]

# Of the sum of a block of a start: what a float32 softmax leaves.
_SUM_ERROR = 1e-6
# Room for the error of lambda_max where it was found by iteration.
_SPECTRAL_ERROR = 1e-9
# Rounding of a logit is that of sums of products and of a logarithm.
_EPS = float(np.finfo(np.float64).eps)
_ROUNDINGS = 4.0 * _EPS
# Below the logarithm of every number above 0.
_LOWEST = -800.0


@dataclass(frozen=True)
class FixedPoint:
    """A solution of mean field, q = softmax(Phi q + b), or of a batch of B of them.

    Numbers of one solution; arrays (B,) for a batch. A solver ends at an iterate and
    returns its image, whose log q is exact far down.

    Attributes
    ----------
    q, log_q : (d,) or (B, d)
        Distributions block by block, and their logarithms (-inf in evidence only); NaN
        where the status is not ok.
    free_energy : float or (B,)
        F(q) >= -log Z: -q.Phi q / 2 - b.q + sum q log q (TAP: with its correction, and
        then no bound); NaN where the status is not ok.
    residual : float or (B,)
        max |q - iterate| over the hidden variables: softmax(Phi x + b) - x at the last
        iterate x.
    error_bound : float or (B,)
        |q - q*|_2 is at most this, proven where lambda_max < 2; inf elsewhere.
    error_estimate : float or (B,)
        |q - q*|_2 to first order; found only where lambda_max is near 2 or above, else
        NaN.
    rate_bound : float
        Factor by which |q - q*|_2 falls at least in each iteration; NaN if none is
        proven.
    iterations : int or (B,) int64
        Products with Phi (TAP: with J and its squares; sequential: sweeps and the
        products that renew the fields).
    method : str
    status : Status
        The worst of all.
    statuses : tuple of Status
        (B,), one a solution.
    oscillating : bool or (B,) bool
        Whether the iteration was seen in a cycle of two states.
    last : (d,) or (B, d)
        q where the status is not ok as well.
    reason : str
        Why this method, and what is known of its limit; "" where nothing was chosen.
    """

    q: Array = field(repr=False)
    log_q: Array = field(repr=False)
    free_energy: Any
    residual: Any
    error_bound: Any
    error_estimate: Any
    rate_bound: float
    iterations: Any
    method: str
    status: Status
    statuses: tuple[Status, ...] = field(repr=False)
    oscillating: Any
    last: Array = field(repr=False)
    reason: str = ""

    @property
    def converged(self) -> Any:
        """Whether the status is ok: bool, or (B,) bool."""
        good = np.array([status.ok for status in self.statuses], dtype=bool)
        return good if self.q.ndim == 2 else bool(good[0])


@dataclass(frozen=True)
class Problem:
    """The equations of a batch: a model, evidence, and where to start.

    Attributes
    ----------
    model : BoltzmannMachine
    start : (B, d)
        Distributions; evidence stands in the observed blocks.
    clamped : (B, n) bool
        Observed variables.
    fixed : (B, d) bool
        The components of these.
    values : (B, d)
        The evidence, 0 in hidden blocks.
    batched : bool
        Whether results have an axis for the batch.
    """

    model: BoltzmannMachine
    start: Array
    clamped: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    values: Array
    batched: bool

    def take(self, rows: NDArray[Any]) -> Problem:
        """The problem of some samples of the batch."""
        return Problem(
            self.model,
            self.start[rows],
            self.clamped[rows],
            self.fixed[rows],
            self.values[rows],
            True,
        )

    def respond(self, logits: Array) -> tuple[Array, Array]:
        """softmax of logits (B, d) with the evidence in its place, and its log."""
        offsets, q = self.model.layout.offsets, self.values.copy()
        log_q, totals = np.empty_like(q), np.empty(self.clamped.shape)
        relative(np.ascontiguousarray(logits), offsets, log_q)
        # NumPy's exponentials are several times faster than those of a compiled loop.
        enter(np.exp(log_q), log_q, offsets, self.clamped, q, totals, np.empty(len(q)))
        finish(np.log(totals), self.values, self.clamped, offsets, log_q)
        return q, log_q

    def report(
        self,
        q: Array,
        *,
        tol: float,
        iterations: int | NDArray[np.int64],
        method: str,
        rate_bound: float = math.nan,
        oscillating: NDArray[np.bool_] | None = None,
        logits: Array | None = None,
        evaluate: Callable[[Array], tuple[Array, Array, float]] | None = None,
    ) -> FixedPoint:
        """The result at iterates q (B, d) of simplex points that hold the evidence.

        `logits` are Phi q + b, if known exactly, less any constant in every block.
        `evaluate`, where something is faster than Phi, gives of rows p (B, d) the same,
        p.Phi p / 2 + b.p (B,), and the size of what was added and taken away again.

        A solution is accepted if its residual is at most `tol`, but for the rounding of
        a softmax; and where lambda_max comes within 2 sqrt(tol) of 2, or exceeds it,
        only if also the estimated distance is at most sqrt(tol): there a small residual
        may be far from the solution.
        """
        model = self.model
        if logits is None:
            logits = model.logits(q)
        p, log_p = self.respond(logits)
        residual = np.abs(p - q).max(axis=1, initial=0.0)
        fields, energy, size = (evaluate or self._evaluate)(p)
        free_energy = _negative_entropy(p, log_p) - energy
        largest = model.spectrum()[1]
        # Phi (p - q): up to a constant in each block, minus the gradient of F at p.
        change = fields - logits
        bound = self._error_bound(change, logits, largest, size)
        estimate = np.full(q.shape[0], math.nan)
        good = residual <= tol + self._softmax_error()
        if 0.5 * (2.0 - largest) < math.sqrt(tol) and good.any():
            estimate[good] = distances(model, p[good], self.fixed[good], change[good])
            good = good & ~(estimate > math.sqrt(tol))
        return judged(
            p,
            log_p,
            free_energy,
            good,
            self.batched,
            residual=residual,
            error_bound=bound,
            error_estimate=estimate,
            rate_bound=rate_bound,
            iterations=iterations,
            method=method,
            oscillating=oscillating,
        )

    def _evaluate(self, p: Array) -> tuple[Array, Array, float]:
        pushed, biases = self.model.product(p), self.model.biases
        energy = np.einsum("bs,bs->b", p, 0.5 * pushed + biases)
        return pushed + biases, energy, 0.0

    def _softmax_error(self) -> float:
        """What two softmaxes of the same logits differ by at most.

        Solvers have loops of their own. Relative to q <= 1, exponentials err by eps,
        their sum by (k - 1) eps / 2 more, and the quotient by eps.
        """
        return (self.model.layout.largest + 5) * _EPS

    def _error_bound(
        self, change: Array, logits: Array, largest: float, added: float
    ) -> Array:
        """|grad F| / (2 - lambda_max) in the tangent space, with room for rounding."""
        gap = 2.0 - largest - _SPECTRAL_ERROR
        if gap <= 0.0:
            return np.full(change.shape[0], math.inf)
        hidden = np.where(self.fixed, 0.0, change)
        tangent = np.linalg.norm(self.model.layout.center(hidden), axis=1)
        size = 1.0 + added + np.abs(logits).max(axis=1, initial=0.0)
        rounding = _ROUNDINGS * math.sqrt(self.model.size) * size
        return np.asarray((tangent + rounding) / gap)


def pose(
    model: BoltzmannMachine,
    initial: ArrayLike | None = None,
    evidence: ArrayLike | None = None,
) -> Problem:
    """The equations to solve, checked.

    Parameters
    ----------
    model : BoltzmannMachine
    initial : (d,) or (B, d) array, optional
        A distribution in each block; default uniform. What stands in observed blocks is
        not used.
    evidence : array, optional
        As for `statmech.boltzmann.read_evidence`; a batch of it has B rows, too.

    Raises
    ------
    ParameterError, ParameterTypeError
    """
    if not isinstance(model, BoltzmannMachine):
        raise ParameterTypeError("model", model, "a BoltzmannMachine")
    layout = model.layout
    known = read_evidence(layout, evidence)
    start, batched = layout.uniform()[None], known.batched
    if initial is not None:
        several = np.ndim(initial) == 2
        shape = (None, layout.size) if several else (layout.size,)
        start = np.atleast_2d(check_distributions(model, "initial", initial, shape))
        if several and known.batched and start.shape[0] != known.values.shape[0]:
            allowed = f"as many rows as evidence, {known.values.shape[0]}"
            raise ParameterError("initial", initial, allowed)
        batched = batched or several
    n_rows = start.shape[0] if not known.batched else known.values.shape[0]
    clamped = np.ascontiguousarray(
        np.broadcast_to(known.clamped, (n_rows, layout.n_variables))
    )
    values = np.ascontiguousarray(np.broadcast_to(known.values, (n_rows, layout.size)))
    fixed = clamped[:, layout.owner]
    return Problem(
        model, np.where(fixed, values, start), clamped, fixed, values, batched
    )


def check_limits(tol: float, max_iter: int) -> tuple[float, int]:
    """Tolerance of the residual in (0, 0.1], iterations from 1."""
    return (
        check_real("tol", tol, 0.0, 0.1, low_open=True),
        check_integer("max_iter", max_iter, 1),
    )


def mean_field_free_energy(
    model: BoltzmannMachine, p: Array, log_p: Array, pushed: Array
) -> Array:
    """F (B,) from p, log p and Phi p (B, d); 0 log 0 = 0."""
    energy = np.einsum("bs,bs->b", p, 0.5 * pushed + model.biases)
    return np.asarray(_negative_entropy(p, log_p) - energy)


def _negative_entropy(p: Array, log_p: Array) -> Array:
    return np.asarray(np.einsum("bs,bs->b", p, np.maximum(log_p, _LOWEST)))


def check_distributions(
    model: BoltzmannMachine, name: str, value: ArrayLike, shape: tuple[int | None, ...]
) -> Array:
    """An array (d,) or (B, d) whose blocks are distributions, else an error."""
    array = check_array(name, value, shape)
    allowed = "distributions: numbers from 0, of sum 1 in each block"
    if (array < 0.0).any() or (array > 1.0 + _SUM_ERROR).any():
        raise ParameterError(name, value, allowed)
    totals = np.add.reduceat(array, model.layout.offsets[:-1], axis=-1)
    if not (np.abs(totals - 1.0) <= _SUM_ERROR).all():
        raise ParameterError(name, value, allowed)
    return array


def judged(
    p: Array,
    log_p: Array,
    free_energy: Array,
    good: NDArray[np.bool_],
    batched: bool,
    **rest: Any,
) -> FixedPoint:
    """The result at p (B, d), `good` (B,) being what to accept.

    NaN for the rest; scalars where there is no batch.
    """
    n_rows = p.shape[0]
    bad = ~good
    q, log_q, value = p, log_p, free_energy
    if bad.any():
        q, log_q, value = p.copy(), log_p.copy(), free_energy.copy()
        q[bad] = log_q[bad] = math.nan
        value[bad] = math.nan
    if rest["oscillating"] is None:
        rest["oscillating"] = np.zeros(n_rows, dtype=bool)
    failures = (Status.NOT_CONVERGED, Status.OSCILLATING)
    statuses = tuple(
        Status.CONVERGED if one else failures[bool(cycle)]
        for one, cycle in zip(good, rest["oscillating"], strict=True)
    )
    rest["iterations"] = np.broadcast_to(
        np.asarray(rest["iterations"], dtype=np.int64), (n_rows,)
    ).copy()
    rest["free_energy"] = value
    if not batched:
        q, log_q, p = q[0], log_q[0], p[0]
        rest = {
            name: entry[0].item() if isinstance(entry, np.ndarray) else entry
            for name, entry in rest.items()
        }
    outcome: dict[str, Any] = {"statuses": statuses, "status": worst(statuses)}
    return FixedPoint(q=q, log_q=log_q, last=p, **outcome, **rest)


def worst(statuses: Sequence[Status]) -> Status:
    """The first that is not ok, if any."""
    return next((one for one in statuses if not one.ok), Status.CONVERGED)
