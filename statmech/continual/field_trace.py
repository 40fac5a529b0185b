"""What chains of magnetisations leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterError, check_choice

OBSERVABLES = ("r", "p", "q", "q_star", "loss", "acceptance", "divergence", "t", "p1")


@dataclass(frozen=True)
class FieldTrace:
    """Measurements of chains of magnetisations m on one set of examples, one a draw.

    Three students differ: sign(m), whose overlap with the teacher is `p`; a weight
    drawn from m, whose overlap is `r`; the mean weight m, of overlap r / sqrt(q_star).

    Attributes
    ----------
    r : (chain, draw)
        m.W / N with the teacher W of the examples, |W|**2 = N; nan without one.
    p : (chain, draw)
        sign(m).W / N.
    q_star : (chain, draw)
        |m|**2 / N.
    q : (pair, draw)
        m.m' / N of chains 2 j and 2 j + 1 at equal times. Its average over the draws is
        an unbiased estimate of q; the square of a time average is not.
    loss : (chain, draw)
        -ln Phi(u), mean over the patterns, nats.
    divergence : (chain, draw)
        KL(m || m1) / N, nats; nan without a reference m1.
    other_overlaps, other_sign_overlaps : (other, chain, draw)
        m.W' / N and sign(m).W' / N with each of the other teachers.
    acceptance : (chain, draw)
        Fraction of accepted moves since the draw before.
    step_width : (chain,)
        Largest change of a site that is proposed, the same in all draws.
    m : (chain, N)
        Final states.
    reference : (N,) or None
        m1.
    settings : dict
        Everything that was asked for, defaults written back.
    """

    r: NDArray[np.float64]
    p: NDArray[np.float64]
    q_star: NDArray[np.float64]
    q: NDArray[np.float64]
    loss: NDArray[np.float64]
    divergence: NDArray[np.float64] = field(repr=False)
    other_overlaps: NDArray[np.float64] = field(repr=False)
    other_sign_overlaps: NDArray[np.float64] = field(repr=False)
    acceptance: NDArray[np.float64]
    step_width: NDArray[np.float64]
    m: NDArray[np.float64] = field(repr=False)
    reference: NDArray[np.float64] | None = field(repr=False)
    settings: dict[str, Any] = field(repr=False)

    @property
    def t(self) -> NDArray[np.float64]:
        """(chain, draw) m.W1 / N, W1 the first of the other teachers."""
        return self._with_other(self.other_overlaps)

    @property
    def p1(self) -> NDArray[np.float64]:
        """(chain, draw) sign(m).W1 / N, W1 the first of the other teachers."""
        return self._with_other(self.other_sign_overlaps)

    def observable(self, name: str) -> NDArray[np.float64]:
        """The array (chain or pair, draw) called `name`."""
        check_choice("observable", name, OBSERVABLES)
        result: NDArray[np.float64] = getattr(self, name)
        if result.shape[0] == 0:
            raise ParameterError("n_chains", self.m.shape[0], "at least 2 to measure q")
        return result

    def _with_other(self, overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
        if overlaps.shape[0] == 0:
            raise ParameterError("others", (), "at least one other teacher")
        first: NDArray[np.float64] = overlaps[0]
        return first
