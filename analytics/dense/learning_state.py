"""States of P-spin networks that learn from examples."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analytics.dense.example_law import LawAverages, law_averages, step_averages
from analytics.dense.learning_branch import FULL, LearningCurve
from analytics.dense.learning_curve import (
    is_stable,
    load_point,
    noise_ratio,
    overlap_at,
    signed_load,
    thermodynamics,
)
from analytics.dense.learning_zero import LOG_X_MAX, zero_load, zero_thermodynamics
from analytics.solve import SaddlePoint, find_root
from statmech.status import Status

RESIDUAL_TOLERANCE = 1e-10
# Of W: rounding moves it by the square root of 1e-16 at a spinodal.
ERROR_TOLERANCE = 1e-7
_ROUNDING = 2e-15  # of a load, after sums over the lattice


@dataclass(frozen=True)
class LearntState(SaddlePoint):
    """Order parameters of a network that learns its archetypes from examples.

    The fields of `SaddlePoint`; m is the overlap with the archetype itself, and q, f,
    u are those of the spins. The residual is that of (W, q).

    Attributes
    ----------
    overlap_examples : float
        W, with etabar/sqrt(R) of the archetype, etabar the mean of its examples and R
        its mean square.
    n : float
        W/sqrt(1 + rho), with r etabar/R.
    example_stability : float or None
        Unsupervised, M > 1: the (M - 1)-fold eigenvalue of the free energy against
        splitting the overlaps with single examples, in units of its value without
        response; positive means stable.
    """

    overlap_examples: float = math.nan
    n: float = math.nan
    example_stability: float | None = None

    @classmethod
    def missing(
        cls, status: Status, *, n_iter: int = 0, residual: float = math.nan
    ) -> LearntState:
        """No solution, and why."""
        nan = math.nan
        return cls(nan, nan, nan, nan, nan, residual, nan, n_iter, status)


class LearningTheory(LearningCurve):
    """One model: order, protocol, law of the examples, treatment of equal indices."""

    # --- states -----------------------------------------------------------------

    def state(self, alpha: float, temperature: float) -> LearntState:
        """The state of largest W at a load and a temperature."""
        if temperature == 0.0:
            return self._state_at_zero(alpha)
        start, _ = self.ends(temperature)
        if start > 100.0:
            return LearntState.missing(Status.NO_RETRIEVAL)
        if alpha == 0.0:
            w, _ = overlap_at(self.law, start)
            return self._unloaded(temperature, float(w))
        found = self.bracket(temperature, alpha)
        if found is None:
            return LearntState.missing(Status.NO_RETRIEVAL)
        before, after, sigma = found
        if before == after:
            w, _ = overlap_at(self.law, before)
            state = self._iterate(alpha, temperature, float(w))
            if state.status.ok or sigma == 0.0:
                return state
            return self._saturated(alpha, temperature, sigma)
        n_iter = 0

        def surplus(y: float) -> float:
            nonlocal n_iter
            point = load_point(self.noise, self.law, temperature, y, sigma, FULL)
            n_iter += point.n_iter
            return float(point.alpha) / alpha - 1.0

        root = find_root(surplus, before, after, absolute=1e-15)
        if not root.status.ok:
            return LearntState.missing(Status.NOT_CONVERGED, n_iter=n_iter)
        y = root.value
        h = 1e-6 * max(1.0, abs(y))
        slope = abs(surplus(y - h) - surplus(y + h)) / (2.0 * h)
        point = load_point(self.noise, self.law, temperature, y, sigma, FULL)
        w, deficit = overlap_at(self.law, y)
        if not is_stable(self.noise, temperature, w, point):
            return LearntState.missing(Status.NO_RETRIEVAL, n_iter=n_iter)
        miss = _ROUNDING + abs(point.alpha / alpha - 1.0)
        error = deficit * w / self.law.mean_size * miss / slope if slope else math.inf
        return self._record(
            alpha, temperature, float(w), point.averages, n_iter, float(error)
        )

    def _unloaded(self, temperature: float, w: float) -> LearntState:
        """alpha = 0, T > 0."""
        mu = w ** (self.order - 1) / temperature
        averages = law_averages(self.law, mu, 0.0)
        return self._record(0.0, temperature, w, averages, 1, self._flat(w, mu))

    def _iterate(self, alpha: float, temperature: float, w: float) -> LearntState:
        """From W at the start of the curve, where the load is smaller than rounding."""
        averages = law_averages(self.law, w ** (self.order - 1) / temperature, 0.0)
        change, n_iter = math.inf, 0
        while change > 1e-15 and n_iter < 200:
            x = averages.sech2
            ratio = noise_ratio(self.noise, temperature, x)
            sigma = math.sqrt(alpha * ratio) / temperature
            mu = w ** (self.order - 1) / temperature
            averages = law_averages(self.law, mu, sigma)
            n_iter += 1
            new = self.law.mean_size - averages.deficit
            change = abs(new - w) + abs(averages.sech2 - x)
            w = float(new)
        if not change < 1e-12:
            return LearntState.missing(Status.NOT_CONVERGED, n_iter=n_iter)
        return self._record(alpha, temperature, w, averages, n_iter, change)

    def _saturated(self, alpha: float, temperature: float, top: float) -> LearntState:
        """W is E|v| but for less than can be told; sigma is below `top`."""
        mu = self.law.mean_size ** (self.order - 1) / temperature
        n_iter = 0

        def surplus(log_sigma: float) -> float:
            nonlocal n_iter
            n_iter += 1
            sigma = math.exp(log_sigma)
            x = law_averages(self.law, mu, sigma).sech2
            delta = (sigma * temperature) ** 2
            return signed_load(self.noise, temperature, x, delta) / alpha - 1.0

        low = math.log(top)
        while surplus(low) >= 0.0 and low > -300.0:
            low -= 5.0
        root = find_root(surplus, low, math.log(top))
        if not root.status.ok:
            return LearntState.missing(Status.NOT_CONVERGED, n_iter=n_iter)
        averages = law_averages(self.law, mu, math.exp(root.value))
        w = self.law.mean_size - averages.deficit
        return self._record(alpha, temperature, float(w), averages, n_iter, 1e-10)

    def _flat(self, w: float, mu: float) -> float:
        """Uncertainty of W at alpha = 0 that rounding leaves."""
        averages = law_averages(self.law, mu, 0.0)
        rise = (self.order - 1) * mu / w * averages.spread  # of the map W -> W
        return 1e-15 / abs(1.0 - rise) if rise != 1.0 else math.inf

    def _record(
        self,
        alpha: float,
        temperature: float,
        w: float,
        found: LawAverages,
        n_iter: int,
        error: float,
    ) -> LearntState:
        """The state, from one more application of the equations."""
        mu = w ** (self.order - 1) / temperature
        ratio = noise_ratio(self.noise, temperature, found.sech2)
        if math.isnan(ratio) and alpha > 0.0:
            return LearntState.missing(Status.NOT_CONVERGED, n_iter=n_iter)
        delta = alpha * ratio if alpha > 0.0 else 0.0
        image = law_averages(self.law, mu, math.sqrt(delta) / temperature)
        residual = max(
            abs(self.law.mean_size - image.deficit - w),
            abs(image.sech2 - found.sech2),
        )
        if not (residual < RESIDUAL_TOLERANCE and error < ERROR_TOLERANCE):
            return LearntState.missing(
                Status.NOT_CONVERGED, n_iter=n_iter, residual=residual
            )
        if alpha > 0.0:
            f, u, replicon = thermodynamics(self.noise, temperature, alpha, w, image)
        else:
            u = -(w**self.order) / self.order
            f = (
                -temperature * image.log_2cosh
                + (1.0 - 1.0 / self.order) * w**self.order
            )
            replicon = 1.0
        if math.isnan(f):  # D_1 is rounding
            return LearntState.missing(
                Status.NOT_CONVERGED, n_iter=n_iter, residual=residual
            )
        shift = alpha * self.constant
        return LearntState(
            float(image.m),
            1.0 - float(image.sech2),
            float(f) + shift,
            float(u) + shift,
            float(replicon),
            float(residual),
            float(image.error),
            n_iter,
            Status.CONVERGED,
            *self._overlaps(w),
            self._stability(w, image.sech2 / temperature, image.spread / temperature),
        )

    def _state_at_zero(self, alpha: float) -> LearntState:
        if alpha == 0.0:
            return self._record_at_zero(0.0, math.inf, 0)
        found = self.bracket(0.0, alpha)
        if found is None:
            return LearntState.missing(Status.NO_RETRIEVAL)
        before, after, _ = found
        if before == after:
            return self._record_at_zero(alpha, math.exp(LOG_X_MAX), 0)
        n_iter = 0

        def surplus(log_x: float) -> float:
            nonlocal n_iter
            n_iter += 1
            return self.load_at(0.0, log_x) / alpha - 1.0

        root = find_root(surplus, before, after, absolute=1e-15)
        if not root.status.ok:
            return LearntState.missing(Status.NOT_CONVERGED, n_iter=n_iter)
        return self._record_at_zero(alpha, math.exp(root.value), n_iter)

    def _record_at_zero(self, alpha: float, x: float, n_iter: int) -> LearntState:
        if alpha == 0.0:
            return self._noiseless_zero()
        m, w, density, spread = step_averages(self.law, x)
        load, _, delta, chi = zero_load(self.noise, self.law, math.log(x))
        residual = abs(load - alpha) / max(alpha, load)
        if alpha < 1e-15:
            residual = 0.0  # the load leaves no trace
        if not residual < RESIDUAL_TOLERANCE:
            return LearntState.missing(
                Status.NOT_CONVERGED, n_iter=n_iter, residual=residual
            )
        u = zero_thermodynamics(self.noise, alpha, w, chi) + alpha * self.constant
        scale = math.sqrt(2.0 / delta)
        return LearntState(
            float(m),
            1.0,
            float(u),
            float(u),
            -math.inf,
            float(residual),
            0.0,
            n_iter,
            Status.CONVERGED,
            *self._overlaps(w),
            self._stability(w, scale * density, scale * spread),
        )

    def _noiseless_zero(self) -> LearntState:
        """T = 0 and alpha = 0: the majority of the examples, ties undecided."""
        law, w = self.law, self.law.mean_size
        u = -(w**self.order) / self.order
        field = w ** (self.order - 1)
        if law.rho > 0.0:
            m, ties = math.erf(1.0 / math.sqrt(2.0 * law.rho)), 0.0
            # beta sech**2 tends to twice the density of the field at 0.
            density = math.sqrt((1.0 + law.rho) / (2.0 * math.pi * law.rho))
            density *= 2.0 * math.exp(-0.5 / law.rho) / field
        else:
            ties = float(law.weights[law.sizes == 0.0].sum())
            m = float((law.weights * law.signs)[law.sizes > 0.0].sum())
            density = math.inf if ties > 0.0 else 0.0
        return LearntState(
            m,
            1.0 - ties,
            u,
            u,
            1.0,
            0.0,
            0.0,
            0,
            Status.CLOSED_FORM,
            *self._overlaps(w),
            self._stability(w, density, 0.0),
        )

    def _overlaps(self, w: float) -> tuple[float, float]:
        """(W, n); n = W r/sqrt(R)."""
        return float(w), float(w) * self.quality / math.sqrt(self.law.square)

    def _stability(self, w: float, response: float, spread: float) -> float | None:
        """1 - beta (P-1) W**(P-2) E[sech**2 (1 - R v**2)]/(R (M - 1))."""
        if self.protocol == "supervised" or self.n_examples == 1:
            return None
        square = self.law.square
        share = 1.0 / (square * (self.n_examples - 1.0))
        varied = response - square * spread
        if self.gaussian:  # the limit of many examples at given rho
            share = (1.0 - square) * share
            varied = response
        if self.quality == 1.0:
            return 1.0
        power = (self.order - 1) * w ** (self.order - 2)
        return 1.0 - power * share * float(varied)
