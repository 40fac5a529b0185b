"""Conditions that define the lines of the (alpha, T) diagram, and their roots."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from analytics.dense.crosstalk import crosstalk_coefficients
from analytics.dense.curve import best_zero_load_m, curve_point, thermodynamics
from analytics.dense.storage import SMALLEST, curve_limits, solve_storage
from analytics.dense.zero_temperature import find_capacity
from analytics.solve import Prediction, SaddlePoint, find_maximum, find_root
from statmech.status import Status

# The top of the curve is located to 1e-9 and flat there, so its load is exact to
# rounding; 1e-13 covers the sums of the quadrature.
TOP_ERROR = 1e-13

# alpha, T, m, error of the coordinate solved for, status
LineRow = tuple[float, float, float, float, Status]


class Conditions:
    """Conditions that define the lines, for one model."""

    def __init__(self, order: int, coincident: str) -> None:
        self.order = order
        self.coincident = coincident
        self.c = crosstalk_coefficients(order, coincident)

    def zero_load_temperature(self) -> float:
        """Spinodal at alpha = 0: max_m m**(P-1) / artanh m."""
        if self.order == 2:
            return 1.0
        m = best_zero_load_m(self.order)
        return float(m ** (self.order - 1) / math.atanh(m))

    def top(self, temperature: float) -> tuple[float, float]:
        """(m, alpha) at the spinodal; alpha <= 0 above the zero-load spinodal."""
        if temperature == 0.0:
            x, alpha = find_capacity(self.order, self.c)
            return math.erf(x), alpha
        start, top, alpha, _ = curve_limits(self.order, self.c, temperature)
        if start > 0.0:
            return math.nan, -1.0
        return -math.expm1(top), float(alpha)

    def spinodal(self, temperature: float) -> float:
        return self.top(temperature)[1]

    def state(self, alpha: float, temperature: float, branch: str) -> SaddlePoint:
        return solve_storage(
            self.order, alpha, temperature, branch=branch, coincident=self.coincident
        )

    def peak(self) -> tuple[float, float]:
        """(T, alpha) where the spinodal has its largest load."""
        high = self.zero_load_temperature()
        return find_maximum(self.spinodal, 0.0, 0.999 * high)

    # --- spinodal ---------------------------------------------------------------

    def spinodal_temperature(self, alpha: float) -> Prediction:
        high = self.zero_load_temperature()
        if alpha == 0.0:
            return Prediction(high, 1e-15, Status.CONVERGED)
        peak_t, peak_alpha = self.peak()
        if alpha > peak_alpha:
            return Prediction.missing(Status.NO_TRANSITION)
        root = find_root(lambda t: self.spinodal(t) - alpha, peak_t, high)
        return self._with_top_error(root)

    def lower_spinodal_temperature(self, alpha: float) -> float:
        """Where a re-entrant spinodal is crossed from below; 0 if it is not."""
        if self.spinodal(0.0) >= alpha:
            return 0.0
        root = find_root(lambda t: self.spinodal(t) - alpha, 0.0, self.peak()[0])
        return root.value if root.status.ok else 0.0

    def _with_top_error(self, root: Prediction) -> Prediction:
        if not root.status.ok:
            return root
        t, h = root.value, 1e-5 * root.value
        slope = (self.spinodal(t - h) - self.spinodal(t - 2.0 * h)) / h
        # Where the line is flat its temperature is known to the square root only.
        error = math.sqrt(TOP_ERROR)
        if slope != 0.0:
            error = min(error, TOP_ERROR / abs(slope))
        return Prediction(t, root.error + error, root.status)

    # --- thermodynamic ----------------------------------------------------------

    def free_energy_gap(self, alpha: float, temperature: float) -> float:
        """f(retrieval) - f(m = 0), P = 2; nan where one of them does not exist."""
        return float(
            self.state(alpha, temperature, "retrieval").free_energy
            - self.state(alpha, temperature, "spin-glass").free_energy
        )

    def thermodynamic_load(self, temperature: float) -> Prediction:
        if self.order != 2:
            return Prediction.missing(Status.NEEDS_RSB)
        top = self.spinodal(temperature)
        if top <= 0.0:
            return Prediction.missing(Status.NO_TRANSITION)
        return self._with_gap_error(
            find_root(
                lambda a: self.free_energy_gap(a, temperature),
                1e-9 * top,
                top * (1.0 - 1e-10),
                relative=1e-14,
            ),
            lambda a: self.free_energy_gap(a, temperature),
        )

    def thermodynamic_temperature(self, alpha: float) -> Prediction:
        if self.order != 2:
            return Prediction.missing(Status.NEEDS_RSB)
        if alpha == 0.0:
            return Prediction(1.0, 0.0, Status.CLOSED_FORM)
        spinodal = self.spinodal_temperature(alpha)
        if not spinodal.status.ok:
            return spinodal
        high = spinodal.value * (1.0 - 1e-10)
        low = self.lower_spinodal_temperature(alpha) * (1.0 + 1e-10)

        def gap(t: float) -> float:
            return self.free_energy_gap(alpha, t)

        if gap(low) >= 0.0:
            # The line may be re-entrant: look for a dip below zero.
            low, depth = find_maximum(lambda t: -gap(t), low, high)
            if depth <= 0.0:
                return Prediction.missing(Status.NO_TRANSITION)
        return self._with_gap_error(find_root(gap, low, high, relative=1e-14), gap)

    @staticmethod
    def _with_gap_error(root: Prediction, gap: Callable[[float], float]) -> Prediction:
        if not root.status.ok:
            return root
        h = 1e-4 * root.value
        slope = (gap(root.value + h) - gap(root.value - h)) / (2.0 * h)
        known = math.isfinite(slope) and slope != 0.0
        error = root.error + (1e-14 / abs(slope) if known else 1e-9)
        return Prediction(root.value, error, root.status)

    # --- replicon ---------------------------------------------------------------

    def replicon_on_curve(
        self, temperature: float, log_delta: float
    ) -> tuple[float, float]:
        """(lambda, alpha) of the state with 1 - m = exp(log_delta)."""
        point = curve_point(self.order, self.c, temperature, log_delta, 1.0)
        if point.alpha < 0.0:
            return math.nan, point.alpha
        *_, replicon = thermodynamics(
            self.order,
            self.c,
            temperature,
            point.alpha,
            -math.expm1(log_delta),
            point.averages,
        )
        return float(replicon), float(point.alpha)

    def replicon_load(self, temperature: float) -> tuple[Prediction, float]:
        """Largest load with lambda = 0 at fixed T, and m there."""
        nothing = Prediction.missing(Status.NO_TRANSITION), math.nan
        if temperature == 0.0:
            return nothing  # every loaded state is unstable, none is marginal
        start, top, _, _ = curve_limits(self.order, self.c, temperature)
        if start > 0.0:
            return nothing
        # From the spinodal towards zero load, where lambda = 1.
        grid = np.linspace(top, start, 129)[:-1]
        values = [self.replicon_on_curve(temperature, float(x))[0] for x in grid]
        for j in range(len(grid) - 1):
            if (values[j] <= 0.0) != (values[j + 1] <= 0.0):
                root = find_root(
                    lambda x: self.replicon_on_curve(temperature, x)[0],
                    float(grid[j + 1]),
                    float(grid[j]),
                )
                if not root.status.ok:
                    return Prediction.missing(root.status), math.nan
                h = 1e-6 * abs(root.value)
                alpha = self.replicon_on_curve(temperature, root.value)[1]
                shifted = self.replicon_on_curve(temperature, root.value - h)[1]
                error = abs(shifted - alpha) / h * root.error + 1e-13 * alpha
                m = -math.expm1(root.value)
                return Prediction(alpha, error, Status.CONVERGED), m
        return nothing

    def replicon_temperature(self, alpha: float) -> Prediction:
        spinodal = self.spinodal_temperature(alpha)
        if not spinodal.status.ok or alpha == 0.0:
            return Prediction.missing(Status.NO_TRANSITION)

        def replicon(log_t: float) -> float:
            return float(self.state(alpha, math.exp(log_t), "retrieval").replicon)

        high = math.log(spinodal.value) - 1e-9
        floor = self.lower_spinodal_temperature(alpha)
        low = math.log(floor) + 1e-9 if floor > 0.0 else high
        while floor == 0.0 and replicon(low) > 0.0:
            low -= math.log(2.0)
            if low < math.log(SMALLEST):
                return Prediction.missing(Status.NO_TRANSITION)
        root = find_root(replicon, low, high, absolute=1e-14)
        if not root.status.ok:
            return root
        t = math.exp(root.value)
        return Prediction(t, 10.0 * t * root.error, root.status)

    def replicon_end(self) -> float:
        """T at which the replicon line meets the spinodal."""
        high = self.zero_load_temperature()

        def at_top(t: float) -> float:
            _, top, _, _ = curve_limits(self.order, self.c, t)
            return self.replicon_on_curve(t, float(top))[0]

        root = find_root(at_top, 1e-4 * high, 0.98 * high)
        return root.value if root.status.ok else 0.98 * high

    # --- rows of lines ----------------------------------------------------------

    def line_row(self, kind: str, temperature: float) -> LineRow:
        if kind == "spinodal":
            m, alpha = self.top(temperature)
            if alpha <= 0.0:  # the end of the line itself
                end = 0.0 if self.order == 2 else float(best_zero_load_m(self.order))
                return 0.0, temperature, end, TOP_ERROR, Status.CONVERGED
            return alpha, temperature, m, TOP_ERROR, Status.CONVERGED
        if kind == "thermodynamic":
            if temperature >= 1.0:
                return 0.0, temperature, 0.0, 0.0, Status.CLOSED_FORM
            found = self.thermodynamic_load(temperature)
            m = (
                self.state(found.value, temperature, "retrieval").m
                if (found.status.ok)
                else math.nan
            )
        else:
            found, m = self.replicon_load(temperature)
        return found.value, temperature, m, found.error, found.status

    def nishimori_rows(self, n_points: int) -> list[LineRow]:
        unit = math.factorial(self.order - 1)
        end_t, _ = self.peak()
        # The peak is flat, so its place is known to the square root of rounding; stay
        # on the branch.
        temperatures = end_t * (1.0 - 1e-7) * np.linspace(0.0, 1.0, n_points)
        rows = []
        for t in temperatures:
            state = self.state(float(t) / unit, float(t), "retrieval")
            rows.append((float(t) / unit, float(t), state.m, 0.0, state.status))
        return rows
