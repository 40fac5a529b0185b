"""Conditions that define the lines of the (alpha, T) diagram, and their roots."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from analytics.dense.breaking import kept_paramagnet_end, solve_glass
from analytics.dense.crosstalk import crosstalk_coefficients
from analytics.dense.curve import best_zero_load_m, curve_point, thermodynamics
from analytics.dense.storage import SMALLEST, curve_limits, solve_storage
from analytics.dense.zero_temperature import find_capacity
from analytics.solve import Prediction, SaddlePoint, find_maximum, find_root
from statmech.status import Status

# The top of the curve is located to 1e-9 and flat there, so its load is exact to
# rounding; 1e-13 covers the sums of the quadrature.
TOP_ERROR = 1e-13
TOP_PLACE = 1e-9

# Rounding of a difference of free energies, which are sums of a few numbers below 1.
_GAP_ROUNDING = 1e-14

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
        """Largest load with a retrieval state; -1 above the zero-load spinodal."""
        return self.top(temperature)[1]

    def state(self, alpha: float, temperature: float, branch: str) -> SaddlePoint:
        """`solve_storage` for this model."""
        return solve_storage(
            self.order, alpha, temperature, branch=branch, coincident=self.coincident
        )

    def peak(self) -> tuple[float, float]:
        """(T, alpha) where the spinodal has its largest load."""
        high = self.zero_load_temperature()
        return find_maximum(self.spinodal, 0.0, 0.999 * high)

    # --- spinodal ---------------------------------------------------------------

    def spinodal_temperature(self, alpha: float) -> Prediction:
        """Highest T at which the spinodal has the load `alpha`."""
        high = self.zero_load_temperature()
        if alpha == 0.0:
            return Prediction(high, 1e-15, Status.CONVERGED)
        peak_t, peak_alpha = self.peak()
        if alpha > peak_alpha:
            return Prediction.missing(Status.NO_TRANSITION)
        root = find_root(lambda t: self.spinodal(t) - alpha, peak_t, high)
        return self._with_top_error(root)

    def lower_spinodal_temperature(self, alpha: float) -> Prediction:
        """Where a re-entrant spinodal is crossed from below; 0 if it is not."""
        if self.spinodal(0.0) >= alpha:
            return Prediction(0.0, 0.0, Status.CLOSED_FORM)
        return find_root(lambda t: self.spinodal(t) - alpha, 0.0, self.peak()[0])

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

    def other_free_energy(self, alpha: float, temperature: float) -> float:
        """f of the m = 0 state; P >= 3: paramagnet or glass with broken symmetry."""
        if self.order == 2:
            return self.state(alpha, temperature, "spin-glass").free_energy
        state = solve_glass(self.order, alpha, temperature, coincident=self.coincident)
        return state.free_energy

    def free_energy_gap(self, alpha: float, temperature: float) -> float:
        """f(retrieval, RS) - f(m = 0); nan where one of them does not exist."""
        state = self.state(alpha, temperature, "retrieval")
        return state.free_energy - self.other_free_energy(alpha, temperature)

    def known_up_to(self, temperature: float) -> float:
        """Load up to which the m = 0 state is available, at fixed T."""
        if self.order == 2 or self.coincident == "exclude":
            return math.inf
        end, _ = kept_paramagnet_end(self.order)
        return (temperature / end) ** 2 * (1.0 - 1e-14)

    def thermodynamic_load(self, temperature: float) -> Prediction:
        """Load with equal free energies at fixed T."""
        top = self.spinodal(temperature)
        if top <= 0.0:
            return Prediction.missing(Status.NO_TRANSITION)
        known = self.known_up_to(temperature)
        if known == 0.0:
            return Prediction.missing(Status.NEEDS_RSB)

        def gap(alpha: float) -> float:
            return self.free_energy_gap(alpha, temperature)

        high = min(known, top * (1.0 - 1e-10))
        root = find_root(gap, 1e-9 * high, high, relative=1e-14)
        if root.status is Status.NO_TRANSITION and known < top:
            return Prediction.missing(Status.NEEDS_RSB)
        return self._with_gap_error(root, gap)

    def thermodynamic_temperature(self, alpha: float) -> Prediction:
        """Highest T with equal free energies at fixed load."""
        if self.order == 2 and alpha == 0.0:
            return Prediction(1.0, 0.0, Status.CLOSED_FORM)
        spinodal = self.spinodal_temperature(alpha)
        if not spinodal.status.ok:
            return spinodal
        floor = self.lower_spinodal_temperature(alpha)
        if not floor.status.ok:
            return floor
        high = spinodal.value * (1.0 - 1e-10)
        low = floor.value * (1.0 + 1e-10)
        known = self._known_above(alpha)
        if known >= high:
            return Prediction.missing(Status.NEEDS_RSB)
        low = max(low, known)

        def gap(t: float) -> float:
            return self.free_energy_gap(alpha, t)

        if gap(low) >= 0.0:
            # The line may be re-entrant: look for a dip below zero.
            low, depth = find_maximum(lambda t: -gap(t), low, high)
            if depth <= 0.0:
                missing = Status.NEEDS_RSB if known > 0.0 else Status.NO_TRANSITION
                return Prediction.missing(missing)
        return self._with_gap_error(find_root(gap, low, high, relative=1e-14), gap)

    def _known_above(self, alpha: float) -> float:
        """T above which the m = 0 state is available, at fixed load."""
        if self.order == 2 or self.coincident == "exclude" or alpha == 0.0:
            return 0.0
        return kept_paramagnet_end(self.order)[0] * math.sqrt(alpha) * (1.0 + 1e-14)

    @functools.cached_property
    def zero_load_crossing(self) -> float:
        """T of equal free energies at alpha = 0."""
        return self.thermodynamic_temperature(0.0).value

    def thermodynamic_start(self) -> float:
        """Lowest T of the thermodynamic line: below, retrieval is always favoured."""

        def gap(t: float) -> float:
            return self.free_energy_gap(self.spinodal(t) * (1.0 - 1e-10), t)

        if self.order == 2 or self.coincident == "keep" or gap(0.0) >= 0.0:
            return 0.0
        return find_root(gap, 0.0, self.peak()[0], relative=1e-9).value

    @staticmethod
    def _with_gap_error(root: Prediction, gap: Callable[[float], float]) -> Prediction:
        """Rounding over the slope of the gap; no number where rounding hides it."""
        if not root.status.ok:
            return root
        h = 0.1 * root.value
        rise = math.nan
        # Both sides have to lie where both states exist.
        while math.isnan(rise) and h > 1e-8 * root.value:
            rise = abs(gap(root.value + h) - gap(root.value - h))
            h *= 0.1
        if not rise > _GAP_ROUNDING:
            return Prediction.missing(Status.NOT_CONVERGED)
        slope = rise / (20.0 * h)
        return Prediction(
            root.value, root.error + _GAP_ROUNDING / slope, Status.CONVERGED
        )

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
        """Highest T with lambda = 0 on the retrieval branch at fixed load."""
        spinodal = self.spinodal_temperature(alpha)
        if not spinodal.status.ok or alpha == 0.0:
            return Prediction.missing(Status.NO_TRANSITION)

        def replicon(log_t: float) -> float:
            return float(self.state(alpha, math.exp(log_t), "retrieval").replicon)

        floor = self.lower_spinodal_temperature(alpha)
        if not floor.status.ok:
            return floor
        high = math.log(spinodal.value) - TOP_PLACE
        low = math.log(floor.value) + TOP_PLACE if floor.value > 0.0 else high
        while floor.value == 0.0 and replicon(low) > 0.0:
            low -= math.log(2.0)
            if low < math.log(SMALLEST):
                return Prediction.missing(Status.NO_TRANSITION)
        root = find_root(replicon, low, high, absolute=1e-14)
        if not root.status.ok:
            return root
        t = math.exp(root.value)
        return Prediction(t, 10.0 * t * root.error, root.status)

    def replicon_end(self) -> Prediction:
        """T at which the replicon line meets the spinodal."""
        high = self.zero_load_temperature()

        def at_top(t: float) -> float:
            _, top, _, _ = curve_limits(self.order, self.c, t)
            return self.replicon_on_curve(t, float(top))[0]

        root = find_root(at_top, 1e-4 * high, 0.98 * high)
        # lambda is not flat at the top, so its place limits the temperature.
        return Prediction(root.value, root.error + TOP_PLACE, root.status)

    # --- rows of lines ----------------------------------------------------------

    def line_row(self, kind: str, temperature: float) -> LineRow:
        """The point at `temperature` of a spinodal, thermodynamic or replicon line."""
        if kind == "spinodal":
            m, alpha = self.top(temperature)
            if alpha <= 0.0:  # the end of the line itself
                end = 0.0 if self.order == 2 else float(best_zero_load_m(self.order))
                return 0.0, temperature, end, TOP_ERROR, Status.CONVERGED
            return alpha, temperature, m, TOP_ERROR, Status.CONVERGED
        if kind == "thermodynamic":
            if temperature >= self.zero_load_crossing:
                m = self.state(0.0, temperature, "retrieval").m
                end = 0.0 if self.order == 2 else m
                return 0.0, temperature, end, 0.0, Status.CLOSED_FORM
            found = self.thermodynamic_load(temperature)
            m = math.nan
            if found.status.ok:
                m = self.state(found.value, temperature, "retrieval").m
        else:
            found, m = self.replicon_load(temperature)
        return found.value, temperature, m, found.error, found.status

    def nishimori_rows(self, n_points: int) -> list[LineRow]:
        """States on T = alpha (P-1)! up to the maximum of the spinodal (P >= 3)."""
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
