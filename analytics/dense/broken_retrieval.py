"""Retrieval with one step of replica symmetry breaking: states and ends of lines.

Below the replicon line the replica-symmetric retrieval state is unstable and its
spinodal bends back at low T; with one step of breaking the spinodal runs on, with
q0 < q1, from where its replicon vanishes down to T = 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

from analytics.dense.breaking import check_glass_order
from analytics.dense.broken_curve import (
    BrokenPoint,
    follow_curve,
    retrieval_fold,
)
from analytics.dense.conditions import TOP_ERROR, Conditions, LineRow
from analytics.dense.storage import COINCIDENT, usable_load, usable_temperature
from analytics.solve import Prediction, SaddlePoint, find_maximum, find_root
from statmech.errors import check_choice
from statmech.status import Status

# Within this fraction of the temperature where q0 and q1 meet on the spinodal the
# excess over the replica-symmetric load is taken from its square law; farther away
# only where rounding hides the breaking at the edge.
_JOINS = (0.005, 0.02, 0.05)
_LAW = 4.0  # next order of that law over its first: up to 2 measured


@dataclass(frozen=True)
class BrokenRetrieval:
    """Retrieval state of a P-spin network with one step of replica symmetry breaking.

    Attributes
    ----------
    m : float
        Mattis magnetisation.
    q0, q1 : float
        Overlap of two configurations of different and of the same group of states;
        equal where replica symmetry holds.
    x : float
        Breaking parameter, 0 at T = 0; 1 where replica symmetry holds.
    y : float
        x / T, finite at T = 0 with a load.
    free_energy, energy : float
        f and u per spin, in units J = 1.
    residual : float
        Largest mismatch of the equations.
    quadrature_error : float
        Estimated absolute error of the load that the quadrature and rounding leave.
    status : Status
    """

    m: float
    q0: float
    q1: float
    x: float
    y: float
    free_energy: float
    energy: float
    residual: float
    quadrature_error: float
    status: Status

    @classmethod
    def missing(cls, status: Status) -> BrokenRetrieval:
        """No state, and why."""
        return cls(*(9 * (math.nan,)), status)


def solve_broken_retrieval(
    order: int, alpha: float, temperature: float, *, coincident: str = "exclude"
) -> BrokenRetrieval:
    """Retrieval state with one step of replica symmetry breaking, P >= 3, storage.

    Parameters
    ----------
    order : int
        P >= 3.
    alpha : float
        Load K / N**(P-1), from 0 to 1e6.
    temperature : float
        T >= 0 in units J = 1, k_B = 1.
    coincident : {"exclude", "keep"}

    Returns
    -------
    BrokenRetrieval
        The replica-symmetric state (q0 = q1, x = 1) where that one is stable. The
        status is NO_RETRIEVAL beyond the spinodal, and NOT_CONVERGED where the state
        is too close to replica symmetry, or m to 1, for breaking to be resolved.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    A. Crisanti, D. J. Amit and H. Gutfreund, Europhys. Lett. 2, 337 (1986), for
    broken symmetry of retrieval at P = 2.

    Examples
    --------
    >>> state = solve_broken_retrieval(3, 0.14, 0.05)
    >>> round(state.m, 4), round(state.q0, 4), round(state.q1, 4)
    (0.8486, 0.907, 0.9897)
    """
    p = check_glass_order(order)
    a = usable_load(alpha)
    t = usable_temperature(temperature)
    check_choice("coincident", coincident, COINCIDENT)
    return BrokenConditions(p, coincident).broken_state(a, t)


class BrokenConditions(Conditions):
    """Conditions that define the lines, retrieval with one step of breaking."""

    @functools.cached_property
    def breaking_end(self) -> float:
        """T below which the spinodal is broken."""
        return self.replicon_end().value

    def fold(self, temperature: float) -> tuple[BrokenPoint | None, Prediction, float]:
        """(the broken point, alpha, m) at the spinodal; no point where q0 = q1."""
        end = self.breaking_end
        m, alpha = super().top(temperature)
        symmetric = Prediction(alpha, TOP_ERROR * (1.0 + abs(alpha)), Status.CONVERGED)
        if temperature >= end:
            return None, symmetric, m
        for join in _JOINS:
            edge = (1.0 - join) * end
            point = retrieval_fold(
                self.order, self.coincident, min(temperature, edge), end
            )
            if point is not None:
                break
        else:
            return None, Prediction.missing(Status.NOT_CONVERGED), math.nan
        if temperature <= edge:
            found = Prediction(point.alpha, point.alpha_error, Status.CONVERGED)
            return point, found, point.m
        at_edge = super().top(edge)[1]
        distance = (end - temperature) / (end - edge)
        excess = (point.alpha - at_edge) * distance**2
        error = symmetric.error + point.alpha_error + _LAW * join * abs(excess)
        return None, Prediction(alpha + excess, error, Status.CONVERGED), m

    def broken_state(self, alpha: float, temperature: float) -> BrokenRetrieval:
        """The state at given load and temperature."""
        symmetric = self.state(alpha, temperature, "retrieval")
        if symmetric.status.ok and symmetric.replicon >= 0.0:
            return _unbroken(symmetric, temperature)
        fold, top, _ = self.fold(temperature)
        if top.status.ok and alpha > top.value:
            return BrokenRetrieval.missing(Status.NO_RETRIEVAL)
        if fold is None:
            return BrokenRetrieval.missing(Status.NOT_CONVERGED)
        point, status = self._follow(
            temperature, fold, lambda point: point.alpha / alpha - 1.0
        )
        if not status.ok:
            return BrokenRetrieval.missing(Status.NOT_CONVERGED)
        return _broken(point, temperature)

    def spinodal_load(self, temperature: float) -> Prediction:
        """Load at the end of the retrieval state."""
        found = self.fold(temperature)[1]
        if found.status.ok and found.value <= 0.0:
            return Prediction.missing(Status.NO_TRANSITION)
        return found

    def thermodynamic_load(self, temperature: float) -> Prediction:
        """Load where f of retrieval equals that of the m = 0 state, at fixed T."""
        return self.thermodynamic_point(temperature)[0]

    def thermodynamic_point(self, temperature: float) -> tuple[Prediction, float]:
        """(load, m) where the free energies are equal at fixed T."""
        nothing = math.nan
        symmetric = super().thermodynamic_load(temperature)
        if symmetric.status.ok:
            state = self.state(symmetric.value, temperature, "retrieval")
            if state.replicon >= 0.0:
                return symmetric, state.m
        if symmetric.status is Status.NEEDS_RSB:
            return symmetric, nothing
        if temperature >= self.zero_load_crossing:
            return Prediction.missing(Status.NO_TRANSITION), nothing
        fold, top, _ = self.fold(temperature)
        if not top.status.ok:
            return top, nothing
        if fold is None:
            return symmetric, nothing

        def gap(point: BrokenPoint) -> float:
            other = self.other_free_energy(point.alpha, temperature)
            return point.free_energy - other

        if gap(fold) <= 0.0:
            return Prediction.missing(Status.NO_TRANSITION), nothing
        point, status = self._follow(temperature, fold, gap)
        if status.ok:
            error = point.alpha_error + 1e-12 * point.alpha
            return Prediction(point.alpha, error, status), point.m
        if status is not Status.NO_TRANSITION or not symmetric.status.ok:
            return Prediction.missing(Status.NOT_CONVERGED), nothing
        # The crossing lies where breaking cannot be resolved any more: there it moves
        # the free energy by less than at the last point.
        a = symmetric.value
        last = self.state(point.alpha, temperature, "retrieval")
        shift = abs(point.free_energy - last.free_energy)
        up, down = (
            self.free_energy_gap(a * (1.0 + d), temperature) for d in (1e-4, -1e-4)
        )
        error = symmetric.error + shift * 2e-4 * a / abs(up - down)
        state = self.state(a, temperature, "retrieval")
        return Prediction(a, error, symmetric.status), state.m

    def _follow(
        self,
        temperature: float,
        fold: BrokenPoint,
        condition: Callable[[BrokenPoint], float],
    ) -> tuple[BrokenPoint, Status]:
        # Breaking ends where the replica-symmetric state becomes stable.
        end = 1.0 if temperature == 0.0 else self.replicon_load(temperature)[1]
        if math.isnan(end):
            return fold, Status.NOT_CONVERGED
        return follow_curve(
            self.order, self.coincident, temperature, fold, end, condition
        )

    def spinodal_temperature(self, alpha: float) -> Prediction:
        """Highest T at which the spinodal has the load `alpha`."""
        symmetric = super().spinodal_temperature(alpha)
        end = self.breaking_end
        settled = symmetric.status.ok and symmetric.value >= end
        if settled or self.coincident == "exclude":
            # Distinct indices: the load is highest where breaking sets in.
            return symmetric

        def load(t: float) -> float:
            return self.fold(t)[1].value

        peak_t, peak = find_maximum(load, 0.0, end, n_grid=9)
        if not peak > alpha:
            return Prediction.missing(Status.NO_TRANSITION)
        return find_root(lambda t: load(t) - alpha, peak_t, end, relative=1e-12)

    def thermodynamic_temperature(self, alpha: float) -> Prediction:
        """Highest T with equal free energies at fixed load."""
        symmetric = super().thermodynamic_temperature(alpha)
        if symmetric.status.ok:
            state = self.state(alpha, symmetric.value, "retrieval")
            if state.replicon >= 0.0:
                return symmetric
        end = self.breaking_end
        return find_root(
            lambda t: self.thermodynamic_load(t).value - alpha,
            0.0,
            end,
            relative=1e-10,
        )

    def thermodynamic_start(self) -> float:
        """The line runs from T = 0."""
        return 0.0

    def line_row(self, kind: str, temperature: float) -> LineRow:
        """The point at `temperature` of a spinodal or thermodynamic line."""
        if temperature >= self.breaking_end:
            return super().line_row(kind, temperature)
        if kind == "spinodal":
            _, found, m = self.fold(temperature)
        else:
            found, m = self.thermodynamic_point(temperature)
        return found.value, temperature, m, found.error, found.status


def _unbroken(state: SaddlePoint, temperature: float) -> BrokenRetrieval:
    y = math.inf if temperature == 0.0 else 1.0 / temperature
    return BrokenRetrieval(
        state.m,
        state.q,
        state.q,
        1.0,
        y,
        state.free_energy,
        state.energy,
        state.residual,
        state.quadrature_error,
        state.status,
    )


def _broken(point: BrokenPoint, temperature: float) -> BrokenRetrieval:
    return BrokenRetrieval(
        point.m,
        point.q0,
        1.0 - point.one_minus_q1,
        point.y * temperature,
        point.y,
        point.free_energy,
        point.energy,
        point.residual,
        point.alpha_error,
        Status.CONVERGED,
    )
