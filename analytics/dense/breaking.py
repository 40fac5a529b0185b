"""The glass of P-spin Hebbian networks, P >= 3: one step of replica symmetry breaking.

Without a condensed pattern the crosstalk is a Gaussian energy with covariance N C(q),
C(q) = alpha ((P-1)!/P) q**P, the Ising P-spin glass with J**2 = 2 C(1) (B. Derrida,
Phys. Rev. B 24, 2613 (1981); E. Gardner, Nucl. Phys. B 257, 747 (1985)):

    -beta f = (1/x) log <(2 cosh b z)**x>
              + (beta**2/2) [C(1) - C'(q) + (1-x)(q C'(q) - C(q))],

z standard Gaussian, b = beta sqrt(C'(q)), q = <tanh(b z)**2> weighted with cosh**x, and
f is stationary in x. The equations are solved on a curve: b and w = x b give q, and
with it T = sqrt(C'(q))/b in closed form; stationarity in x fixes w at given b. Energies
and temperatures are in units of J here, until the last step.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analytics.dense.cosh_averages import cosh_averages
from analytics.dense.crosstalk import (
    covariance,
    crosstalk_coefficients,
    curvature_drop,
    drop,
    first_derivative,
)
from analytics.solve import Prediction, find_maximum, find_root
from statmech.errors import check_choice, check_integer, check_real, check_temperature
from statmech.status import Status

_COINCIDENT = ("exclude", "keep")
_SMALLEST = 1e-100
_LARGEST_LOAD = 1e6
_ACCEPTED = 1e-10  # residual of the equations for q and x
_MARGIN = 1e-7


@dataclass(frozen=True)
class GlassState:
    """The state without retrieval (m = 0) of a P-spin network, P >= 3.

    Attributes
    ----------
    q1 : float
        Overlap of two configurations of one pure state (Edwards-Anderson); 0 above
        the dynamic transition. Two different states have overlap 0.
    x : float
        Breaking parameter: the probability that two configurations belong to
        different states. 1 above the Kauzmann temperature, 0 at T = 0.
    y : float
        x / T, finite at T = 0; inf for a paramagnet at T = 0 (no load).
    free_energy, energy : float
        f and u per spin, in units J = 1.
    complexity : float
        Log of the number of states per spin, positive between the Kauzmann and the
        dynamic temperature and 0 elsewhere.
    replicon : float
        1 - beta**2 C''(q1) <sech**4>: negative where further steps of breaking are
        needed. -inf at T = 0 with a finite load.
    residual : float
        Largest mismatch of the equations.
    quadrature_error : float
        Estimated absolute error of q1, the free energy (over J) and x from quadrature.
    status : Status
    """

    q1: float
    x: float
    y: float
    free_energy: float
    energy: float
    complexity: float
    replicon: float
    residual: float
    quadrature_error: float
    status: Status

    @classmethod
    def missing(cls, status: Status) -> GlassState:
        """No state, and why."""
        return cls(*(9 * (math.nan,)), status)


def solve_glass(
    order: int, alpha: float, temperature: float, *, coincident: str = "exclude"
) -> GlassState:
    """Thermodynamic state without retrieval of a P-spin Hebbian network, P >= 3.

    A paramagnet above the Kauzmann temperature T_K, where it breaks up into
    exponentially many states below the dynamic temperature T_d > T_K; below T_K a
    glass with one step of replica symmetry breaking.

    Parameters
    ----------
    order : int
        P >= 3.
    alpha : float
        Load K / N**(P-1), from 0 to 1e6.
    temperature : float
        T >= 0 in units J = 1, k_B = 1; 0 and inf are legal.
    coincident : {"exclude", "keep"}
        "keep" adds spin-glass terms of lower order (even P) or a random field (odd P),
        which break the symmetry continuously: the status is NEEDS_RSB except in the
        paramagnet of even P.

    Returns
    -------
    GlassState

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    E. Gardner, Nucl. Phys. B 257, 747 (1985); T. R. Kirkpatrick and D. Thirumalai,
    Phys. Rev. B 36, 5388 (1987), for the two transitions.

    Examples
    --------
    >>> state = solve_glass(3, 0.75, 0.0)  # J = 1
    >>> round(state.energy, 6), state.q1
    (-0.813535, 1.0)
    """
    p = check_glass_order(order)
    a = check_real("alpha", alpha, 0.0, _LARGEST_LOAD)
    t = check_temperature(temperature)
    check_choice("coincident", coincident, _COINCIDENT)
    a, t = (0.0 if value < _SMALLEST else value for value in (a, t))
    if coincident == "keep" and a > 0.0:
        return _kept_state(p, a, t)
    j = coupling(p, a)
    if t >= 2.0 * j or t >= transition_ratio(p, "dynamic").value * j:
        return _paramagnet(t, 0.5 * j * j)
    if t >= transition_ratio(p, "kauzmann").value * j:
        return _many_states(p, t, j)
    return _frozen(p, t, j)


def check_glass_order(order: int) -> int:
    """P >= 3; at P = 2 the glass has an infinite number of steps."""
    return check_integer(
        "order",
        order,
        3,
        20,
        remedy="for P = 2 ask solve_storage for branch='spin-glass'",
    )


def coupling(order: int, alpha: float) -> float:
    """J = sqrt(2 C(1)) of the crosstalk of distinct indices."""
    return math.sqrt(2.0 * alpha * math.factorial(order - 1) / order)


class GlassPoint(NamedTuple):
    """A point of the curve, J = 1: equations for q1 hold, for x where `excess` = 0."""

    temperature: float
    one_minus_q: float
    excess: float
    log_z: float
    sech4: float


def glass_point(order: int, b: float, w: float, *, level: int = 0) -> GlassPoint:
    """The point with beta sqrt(C'(q)) = b and x b = w; b = inf is T = 0.

    `excess` is -x**2 d(beta f)/dx over w**2; at x = 1 its negative times w**2 is the
    complexity.
    """
    averages = cosh_averages(np.zeros(1), 1.0, w, 1.0 / b, level=level)
    log_z, _, sech2, sech4, size = (float(values[0]) for values in averages)
    q = 1.0 - sech2
    excess = (w * size - log_z) / w**2 - 0.5 * q * (1.0 - 1.0 / order)
    slope = math.sqrt(0.5 * order * q ** (order - 1))
    return GlassPoint(slope / b, sech2, excess, log_z, sech4)


@functools.lru_cache(maxsize=128)
def transition_ratio(order: int, kind: str) -> Prediction:
    """T_d / J ("dynamic") or T_K / J ("kauzmann"), distinct indices."""
    if kind == "dynamic":
        b, ratio = _dynamic_end(order)
        change = abs(glass_point(order, b, b, level=1).temperature - ratio)
        return Prediction(ratio, change + 1e-14, Status.CONVERGED)
    b = _kauzmann_b(order)
    at, fine = (glass_point(order, b, b, level=level) for level in (0, 1))
    up, down = (glass_point(order, k * b, k * b) for k in (1.0001, 0.9999))
    slope = (up.temperature - down.temperature) / (up.excess - down.excess)
    error = abs(slope) * (abs(fine.excess - at.excess) + 1e-15) + abs(
        fine.temperature - at.temperature
    )
    return Prediction(at.temperature, error + 1e-15, Status.CONVERGED)


@functools.lru_cache(maxsize=32)
def _dynamic_end(order: int) -> tuple[float, float]:
    """(b, T) where T(b) is highest at x = 1: states exist for larger b only."""
    return find_maximum(
        lambda b: glass_point(order, b, b).temperature, 0.3, 10.0, n_grid=65
    )


@functools.lru_cache(maxsize=32)
def _kauzmann_b(order: int) -> float:
    b_end, _ = _dynamic_end(order)
    return find_root(lambda b: glass_point(order, b, b).excess, b_end, 20.0).value


def _stationary_w(order: int, b: float) -> float:
    """w = x b where f is stationary in x at given b >= its value at T_K."""
    low, high = 0.5, min(b, 20.0)
    if b != math.inf and glass_point(order, b, high).excess <= 0.0:
        return high  # at T_K itself, to rounding
    return find_root(lambda w: glass_point(order, b, w).excess, low, high).value


def _paramagnet(t: float, c_one: float) -> GlassState:
    """q1 = 0; c_one = C(1)."""
    beta = math.inf if t == 0.0 else 1.0 / t
    f = u = 0.0
    if c_one > 0.0:
        u = -beta * c_one
        f = 0.5 * u
    if t > 0.0:
        f -= t * math.log(2.0)
    return GlassState(0.0, 1.0, beta, f, u, 0.0, 1.0, 0.0, 0.0, Status.CLOSED_FORM)


def _many_states(p: int, t: float, j: float) -> GlassState:
    """T_K <= T < T_d: the free energy of the paramagnet, the overlap of its states."""
    tau = t / j
    b_end, _ = _dynamic_end(p)
    root = find_root(
        lambda b: glass_point(p, b, b).temperature - tau, b_end, 1.01 * _kauzmann_b(p)
    )
    if not root.status.ok:
        return GlassState.missing(Status.NOT_CONVERGED)
    at, fine = (glass_point(p, root.value, root.value, level=k) for k in (0, 1))
    base = _paramagnet(t, 0.5 * j * j)
    return GlassState(
        1.0 - at.one_minus_q,
        1.0,
        base.y,
        base.free_energy,
        base.energy,
        max(0.0, -at.excess * root.value**2),
        _replicon(p, at),
        abs(at.temperature - tau),
        abs(at.one_minus_q - fine.one_minus_q) + 1e-15,
        Status.CONVERGED,
    )


def _replicon(p: int, at: GlassPoint) -> float:
    if at.temperature == 0.0:
        return -math.inf
    q = 1.0 - at.one_minus_q
    curvature = 0.5 * p * (p - 1) * q ** (p - 2)
    return 1.0 - curvature * at.sech4 / at.temperature**2


def _frozen(p: int, t: float, j: float) -> GlassState:
    tau = t / j
    if tau == 0.0:
        b = math.inf
    else:

        def mismatch(log_b: float) -> float:
            b = math.exp(log_b)
            return math.log(glass_point(p, b, _stationary_w(p, b)).temperature / tau)

        # q <= 1 bounds b from above.
        low = math.log(_kauzmann_b(p) * (1.0 - _MARGIN))
        high = math.log(math.sqrt(0.5 * p) / tau) + _MARGIN
        root = find_root(mismatch, low, high, absolute=1e-15)
        if not root.status.ok:
            return GlassState.missing(Status.NOT_CONVERGED)
        b = math.exp(root.value)
    w = _stationary_w(p, b)
    at, fine = (glass_point(p, b, w, level=level) for level in (0, 1))
    residual = max(abs(at.temperature - tau), abs(at.excess))
    if not residual < _ACCEPTED:
        return GlassState.missing(Status.NOT_CONVERGED)
    f, u = _energies(p, at, tau, w)
    f_fine, _ = _energies(p, fine, tau, w)
    x = 0.0 if tau == 0.0 else w / b
    slope = math.sqrt(0.5 * p * (1.0 - at.one_minus_q) ** (p - 1))
    error = max(
        abs(at.one_minus_q - fine.one_minus_q),
        abs(f - f_fine),
        10.0 * abs(at.excess - fine.excess),
    )
    return GlassState(
        1.0 - at.one_minus_q,
        x,
        w / slope / j,
        j * f,
        j * u,
        0.0,
        _replicon(p, at),
        residual,
        error + 1e-15,
        Status.CONVERGED,
    )


def _energies(p: int, at: GlassPoint, tau: float, w: float) -> tuple[float, float]:
    """(f, u) over J at T = tau J of the broken state; x T cancels at T = 0."""
    d = at.one_minus_q
    q = 1.0 - d
    c_q = 0.5 * q**p
    slope = math.sqrt(0.5 * p * q ** (p - 1))
    f = -slope / w * at.log_z + 0.5 * w / slope * (p - 1) * c_q
    if tau == 0.0:
        return f, f
    unit = crosstalk_coefficients(p, "exclude")
    per_temperature = 0.5 / float(unit[p]) / tau
    f -= 0.5 * per_temperature * float(curvature_drop(unit, d))
    u = -w / slope * c_q - per_temperature * float(drop(unit, d))
    return f, u


@functools.lru_cache(maxsize=32)
def kept_paramagnet_end(order: int) -> tuple[float, bool]:
    """(T / sqrt(alpha), continuous) where the paramagnet ends, with coincident indices.

    Even P: the two-spin term freezes it continuously at T**2 = C''(0), unless states
    with q > 0 appear at x = 1 above that already, below which the paramagnet is not
    vouched for. Odd P: inf, the random field leaves no paramagnet.
    """
    if order % 2 == 1:
        return math.inf, False
    c = crosstalk_coefficients(order, "keep")
    continuous = math.sqrt(2.0 * c[2])

    def appears(b: float) -> float:
        sech2 = cosh_averages(np.zeros(1), 1.0, b, 1.0 / b).sech2[0]
        return math.sqrt(float(first_derivative(c, 1.0 - sech2))) / b

    highest = find_maximum(appears, 0.05, 10.0, n_grid=129)[1]
    return max(continuous, highest), highest <= continuous


def _kept_state(p: int, a: float, t: float) -> GlassState:
    if t < kept_paramagnet_end(p)[0] * math.sqrt(a):
        return GlassState.missing(Status.NEEDS_RSB)
    c = crosstalk_coefficients(p, "keep")
    return _paramagnet(t, a * float(covariance(c, 1.0)))
