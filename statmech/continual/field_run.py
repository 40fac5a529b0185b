"""What variational learning of binary weights leaves behind: fields and histories."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from statmech.continual.loss import Moments, Rows, data_loss
from statmech.status import Status

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FieldRun:
    """Fields that learnt one task, and how they got there.

    Histories have one entry for each entry of `epochs`: the start, every
    `record_every` epochs, and the end. W is the teacher of the task with
    |W|**2 = N; without one all overlaps with it are NaN.

    Attributes
    ----------
    fields, magnetisations : (N,) float64
        theta at the end, and m = tanh(b theta).
    epochs : (T,) int64
        Epochs done.
    p : (T,) float64
        sign(theta).W / N.
    r : (T,) float64
        m.W / N: the overlap of a weight vector drawn from q, on average.
    q_star : (T,) float64
        |m|**2 / N.
    loss : (T,) float64
        -log Phi(u) per pattern, nats; without the divergence.
    kl : (T,) float64
        KL(q || q_prior) per weight, nats.
    training_errors : (T,) int64
        Patterns on which sign(theta) is wrong; a field of zero is an error.
    gradient : (T,) float64
        Largest |d L / d theta_i| of the whole loss.
    mismatch : (T,) float64
        Largest |m_i - tanh(b theta_prior_i - (d data / d m_i) / gamma)|: how far the
        magnetisations are from being stationary. NaN for gamma = 0. (A small gradient
        alone proves nothing: it vanishes with 1 - m_i**2, wherever the loss stands.)
    others_p : (T, K) float64
        sign(theta).W' / N with each of the teachers in `others`.
    status : Status
        CONVERGED if the mismatch is within the tolerance, which ends the run.
        NOT_CONVERGED after `n_epochs`; for gamma = 0 always: as long as the examples
        can be learnt without error the loss has no minimum, and the fields grow for
        ever, only their signs settle. What is returned then is the state after that
        many epochs, and depends on how many there were.
    """

    fields: Array = field(repr=False)
    magnetisations: Array = field(repr=False)
    epochs: NDArray[np.int64] = field(repr=False)
    p: Array = field(repr=False)
    r: Array = field(repr=False)
    q_star: Array = field(repr=False)
    loss: Array = field(repr=False)
    kl: Array = field(repr=False)
    training_errors: NDArray[np.int64] = field(repr=False)
    gradient: Array = field(repr=False)
    mismatch: Array = field(repr=False)
    others_p: Array = field(repr=False)
    status: Status

    @property
    def generalization_error(self) -> Array:
        """(T,) arccos(p) / pi, of the student sign(theta)."""
        return _error(self.p)

    @property
    def sampled_error(self) -> Array:
        """(T,) arccos(r) / pi, of a weight vector drawn from q."""
        return _error(self.r)

    @property
    def mean_error(self) -> Array:
        """(T,) arccos(r / sqrt(q_star)) / pi, of the mean weight; NaN for m = 0."""
        cosine = np.full_like(self.r, np.nan)
        np.divide(self.r, np.sqrt(self.q_star), out=cosine, where=self.q_star > 0.0)
        return _error(cosine)

    @property
    def others_error(self) -> Array:
        """(T, K) arccos(p) / pi of sign(theta), for the teachers in `others`."""
        return _error(self.others_p)


@dataclass(frozen=True, eq=False)
class FieldSequence:
    """Fields that learnt several tasks in turn.

    Rows: after task k; columns: on task j, learnt by then or not. NaN for a task
    without a teacher.

    Attributes
    ----------
    runs : tuple of FieldRun
        One a task; `others_p` holds the overlaps with the teachers of all tasks.
    p : (K, K) float64
        sign(theta).W_j / N.
    r : (K, K) float64
        m.W_j / N.
    training_errors : (K, K) int64
        Examples of task j on which sign(theta) is wrong.
    """

    runs: tuple[FieldRun, ...]
    p: Array = field(repr=False)
    r: Array = field(repr=False)
    training_errors: NDArray[np.int64] = field(repr=False)

    @property
    def generalization_error(self) -> Array:
        """(K, K) arccos(p) / pi, of the student sign(theta)."""
        return _error(self.p)

    @property
    def forgetting(self) -> Array:
        """(K,) error of sign(theta) on each task at the end, less that right after."""
        error = self.generalization_error
        return error[-1] - np.diag(error)


class History:
    """What is noted of a run."""

    def __init__(self, teachers: Array) -> None:
        self._teachers = teachers
        self._rows: list[tuple[float, ...]] = []
        self._overlaps: list[Array] = []

    def add(
        self, epoch: int, at: Moments, rows: Rows, u: Array, kl: float, *sizes: float
    ) -> None:
        n = at.mean.size
        signs = np.sign(at.fields)
        overlaps = self._teachers @ signs / n
        r = float(self._teachers[0] @ at.mean) / n
        q_star = float(at.mean @ at.mean) / n
        errors = float(np.count_nonzero(rows.signed @ signs <= 0.0))
        loss = data_loss(u) / u.size
        self._rows.append((epoch, overlaps[0], r, q_star, loss, kl / n, errors, *sizes))
        self._overlaps.append(overlaps[1:])

    def run(self, at: Moments, status: Status) -> FieldRun:
        epochs, p, r, q_star, loss, kl, errors, gradient, mismatch = np.array(
            self._rows
        ).T.copy()
        return FieldRun(
            fields=at.fields,
            magnetisations=at.mean,
            epochs=epochs.astype(np.int64),
            p=p,
            r=r,
            q_star=q_star,
            loss=loss,
            kl=kl,
            training_errors=errors.astype(np.int64),
            gradient=gradient,
            mismatch=mismatch,
            others_p=np.stack(self._overlaps),
            status=status,
        )


def _error(overlap: Array) -> Array:
    """arccos / pi; rounding may leave the range."""
    error: Array = np.arccos(np.clip(overlap, -1.0, 1.0)) / np.pi
    return error
