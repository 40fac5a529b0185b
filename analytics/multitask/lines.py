"""Lines of the phase diagram: where the states of stored patterns lose stability."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from analytics.multitask.descent import descend, sech_squared
from analytics.multitask.label import classify
from analytics.multitask.law import LARGEST_K, ternary_sum
from analytics.multitask.storage import MAX_PATTERNS, check_dilution
from analytics.solve import Prediction, find_maximum, find_root
from statmech.errors import check_choice, check_integer
from statmech.status import Status

Vector = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)

# (tanh y / y - 1)/y**2 in powers of y**2, to 1e-16 below y = 0.1.
_SERIES_BELOW = 0.1
_TANH_SERIES = Polynomial(
    [
        -1.0 / 3.0,
        2.0 / 15.0,
        -17.0 / 315.0,
        62.0 / 2835.0,
        -1382.0 / 155925.0,
        21844.0 / 6081075.0,
        -929569.0 / 638512875.0,
    ]
)


def _tanh_deficit(y: Vector) -> Vector:
    """(tanh y / y - 1)/y**2 for y >= 0, -1/3 at 0."""
    near = y < _SERIES_BELOW
    far = np.where(near, 1.0, y)
    return np.where(near, _TANH_SERIES(y * y), (np.tanh(far) / far - 1.0) / far**2)


def find_pure_temperature(dilution: float) -> Prediction:
    """Temperature T1(d) below which the pure state is unstable, for any K >= 2.

    The pure state m = (1 - d) tanh(m/T) is a minimum while

        lambda = 1 - ((1 - d)/T) [d + (1 - d)(1 - tanh^2(m/T))] > 0,

    that is for T1 < T < T_c = 1 - d, and only where d < 2/3.

    Parameters
    ----------
    dilution : float
        d, 0 <= d < 1.

    Returns
    -------
    Prediction
        T1 in units J = 1 (gain 1; multiply by Gamma otherwise). 0 at d = 0;
        NO_TRANSITION for d >= 2/3, where the pure state is stable nowhere below T_c.

    Raises
    ------
    ParameterError, ParameterTypeError
        If d is outside [0, 1).

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the state; its eigenvalue is derived here.

    Examples
    --------
    >>> round(find_pure_temperature(0.5).value, 10)
    0.287209736
    """
    d = check_dilution(dilution)
    x = 1.0 - d
    if d == 0.0:
        return Prediction(0.0, 0.0, Status.CLOSED_FORM)
    if 2.0 - 3.0 * d <= 0.0:
        return Prediction.missing(Status.NO_TRANSITION)

    def lift(y: float) -> float:
        # T lambda/(1 - d) over y**2, at y = m/T: the way to T_c is y -> 0.
        if y > 20.0:  # 1 - tanh**2 is rounding, the rest is 1/y - d
            return (1.0 / y - d) / (y * y)
        lost = float(_tanh_deficit(np.array([y]))[0])
        if y > _SERIES_BELOW:
            return lost + x * (math.tanh(y) / y) ** 2
        ratio = 1.0 + y * y * lost
        # 2/3 - d first: next to it the rest is small.
        return (2.0 - 3.0 * d) / 3.0 + (lost + 1.0 / 3.0) + x * (ratio * ratio - 1.0)

    root = find_root(lift, 0.0, 1.01 / d)
    if not root.status.ok:
        return root
    y = root.value
    value = x * (math.tanh(y) / y if y > 0.0 else 1.0)
    # |d log(tanh y / y)| <= |d log y|.
    error = value * (root.error / y if y > 0.0 else 0.0) + 4.0 * _EPS * value
    return Prediction(value, error, Status.CONVERGED)


class _Ray:
    """The parallel state of K patterns, along y = m/T; y -> 0 is T_c."""

    def __init__(self, n_patterns: int, dilution: float):
        self.x = 1.0 - dilution
        letter = ternary_sum(n_patterns, dilution)
        # m = E[S tanh(y S)]/K, and A - B = E[(K n - S^2)(1 - tanh^2)]/(K (K - 1)) with
        # n nonzero entries, of which no term is negative; both over 1 - d.
        apart = n_patterns * letter.occupied - letter.values**2
        apart *= letter.weight / (n_patterns * (n_patterns - 1.0) * self.x)
        self.tied = float(apart[n_patterns])
        positive = letter.values > 0.0
        self._sums = letter.values[positive]
        self._along = 2.0 * letter.weight[positive] / (n_patterns * self.x)
        self._apart = 2.0 * apart[positive]

    def temperature(self, y: float) -> float:
        """T/(1 - d) of the state."""
        return float(self._along @ (self._sums * np.tanh(y * self._sums))) / y

    def margin(self, y: float) -> float:
        """T/(1 - d) times the transverse eigenvalue, over min(1, y**2)."""
        z = y * self._sums
        if y > _SERIES_BELOW:
            apart = self.tied + float(self._apart @ sech_squared(z))
            return (self.temperature(y) - apart) / min(1.0, y * y)
        # Both are 1 at y = 0: what is lost of the one and of the other.
        lost = float(self._along @ (self._sums**4 * _tanh_deficit(z)))
        return lost + float(self._apart @ (np.tanh(z) / y) ** 2)


def find_parallel_temperature(
    n_patterns: int, dilution: float, *, end: str = "lower"
) -> Prediction:
    """Temperature at which the parallel state m_mu = m gains or loses stability.

    The state is a minimum where 1 - (A - B)/T > 0, A = E[xi_1^2 (1 - tanh^2)],
    B = E[xi_1 xi_2 (1 - tanh^2)], tanh of (m/T) times the sum of all entries. For
    d > 2/3 that holds from T_c down to the lower end T_sym; for d < 2/3 at most in a
    window below T_c.

    Parameters
    ----------
    n_patterns : int
        K, from 2 to 1000.
    dilution : float
        d, 0 <= d < 1.
    end : {"lower", "upper"}
        Which end of the range of temperatures (of the highest, were there several).

    Returns
    -------
    Prediction
        T in units J = 1 (gain 1). The upper end for d >= 2/3 is T_c = 1 - d, closed
        form. The lower end is 0 for odd K at d = 0, where no field of the state
        vanishes. NO_TRANSITION where the state is stable at no temperature.

    Raises
    ------
    ParameterError, ParameterTypeError

    Notes
    -----
    Ranges are looked for on 600 points of log(m/T), and between them at the maximum
    of the eigenvalue: a window of d narrower than about 1e-6 may be missed.

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the state; its eigenvalues are derived here.

    Examples
    --------
    >>> round(find_parallel_temperature(2, 0.8).value, 10)
    0.0400805657
    """
    k = check_integer("n_patterns", n_patterns, 2, MAX_PATTERNS)
    d = check_dilution(dilution)
    check_choice("end", end, ("lower", "upper"))
    ray = _Ray(k, d)
    if end == "upper" and 3.0 * d - 2.0 >= 0.0:
        return Prediction(ray.x, _EPS * ray.x, Status.CLOSED_FORM)
    bracket = _bracket(ray, end)
    if bracket is Status.NO_TRANSITION:
        return Prediction.missing(bracket)
    if bracket is Status.CLOSED_FORM:
        return Prediction(0.0, 0.0, bracket)
    low, high = bracket
    if end == "upper" and low == high:  # T = T_c up to order K y**2
        return Prediction(ray.x, ray.x * k * low**2, Status.CONVERGED)
    root = find_root(ray.margin, low, high)
    if not root.status.ok:
        return root
    y = root.value
    # Rounding of the margin, a difference of terms of order 1/y, moves y by 1/slope.
    noise = 4.0 * _EPS * (1.0 if y <= _SERIES_BELOW else max(1.0 / y, y**-2))
    slope = abs(ray.margin(y * (1 + 1e-6)) - ray.margin(y * (1 - 1e-6))) / 2e-6
    doubt = min(0.5, root.error / y + noise / slope)
    value = ray.x * ray.temperature(y)
    moved = abs(ray.x * ray.temperature(y * (1.0 + doubt)) - value)
    return Prediction(value, moved + 4.0 * _EPS * value, Status.CONVERGED)


def _bracket(
    ray: _Ray, end: str
) -> tuple[float, float] | Literal[Status.NO_TRANSITION, Status.CLOSED_FORM]:
    """Two values of y = m/T around the end of the highest range of stability.

    NO_TRANSITION if there is no range, CLOSED_FORM if it reaches down to T = 0; the
    two values are equal if the upper end is at or below them.
    """
    # Where the ties alone outweigh the temperature (at most 1/y) it is unstable; an
    # odd mixture at d = 0 has none, and is stable from some y on.
    last = 1.01 / ray.tied if ray.tied > 0.0 else 1e3
    grid = np.geomspace(1e-6, max(last, 1.0), 600)
    above = [ray.margin(float(y)) > 0.0 for y in grid]
    if not any(above):
        ends = math.log(grid[0]), math.log(grid[-1])
        peak, height = find_maximum(
            lambda s: ray.margin(math.exp(s)), *ends, n_grid=600
        )
        if not height > 0.0:
            return Status.NO_TRANSITION
        y = math.exp(peak)
        j = int(np.searchsorted(grid, y))
        return (y, float(grid[j])) if end == "lower" else (float(grid[j - 1]), y)
    first = above.index(True)
    if end == "upper":
        return float(grid[max(first - 1, 0)]), float(grid[first])
    if False not in above[first:]:
        return Status.CLOSED_FORM
    j = above.index(False, first)
    return float(grid[j - 1]), float(grid[j])


def level_temperatures(n_patterns: int, dilution: float) -> tuple[Prediction, ...]:
    """Temperatures T_1 > T_2 > ... at which the levels of the hierarchy melt.

    With k - 1 levels frozen, level k is nearly the same network on the fraction
    d**(k-1) of sites left free, so T_k is about (1 - d) d**(k-1) for small d (below by
    2% at d = 0.3, by 12% at 0.45: the level above is not saturated). What is returned
    is the zero of the exact eigenvalue, at which the state of k - 1 levels becomes
    unstable towards pattern k: T_1 = T_c, T_2 = T1(d) of `find_pure_temperature`.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 12.
    dilution : float
        d, 0 <= d < 1.

    Returns
    -------
    tuple of K Prediction
        In units J = 1 (gain 1). NO_TRANSITION where the eigenvalue has no zero next
        to the estimate, or the state of k - 1 levels is not hierarchical there, as
        happens beyond d = 1/2; levels below it have none either. That the level grows
        continuously from zero below T_k is not proven by a zero of the eigenvalue.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. 109,
    268101 (2012), for the hierarchy; the recursion is derived here.

    Examples
    --------
    >>> [round(level.value, 4) for level in level_temperatures(4, 0.3)]
    [0.7, 0.2128, 0.0638, 0.0191]
    """
    k = check_integer("n_patterns", n_patterns, 1, LARGEST_K)
    d = check_dilution(dilution)
    x = 1.0 - d
    levels = [Prediction(x, _EPS * x, Status.CLOSED_FORM)]
    while len(levels) < k:
        if not levels[-1].status.ok or levels[-1].value == 0.0:
            levels.append(levels[-1])
        elif len(levels) == 1:
            levels.append(find_pure_temperature(d))
        else:
            levels.append(_next_level(len(levels), d, levels[-1].value))
    return tuple(levels)


def _next_level(alive: int, d: float, above: float) -> Prediction:
    """Zero of the eigenvalue of a further pattern, for `alive` hierarchical levels."""

    x = 1.0 - d
    start = d ** np.arange(float(alive))

    def eigenvalue(t: float) -> float:
        found = descend((1,) * alive, d, t / x, start)
        label = classify(found.u)
        if not (found.residual < 1e-10 and (found.u != 0.0).all()):
            return math.nan
        if alive > 1 and label != "hierarchical":
            return math.nan
        # The field does not know of a further pattern.
        sech2 = sech_squared(found.law.fields(found.u) * x / t)
        return 1.0 - found.law.average(sech2) * x / t

    root = find_root(eigenvalue, 0.5 * d * above, 0.5 * (1.0 + d) * above)
    return root if root.status.ok else Prediction.missing(Status.NO_TRANSITION)
