"""Retrieval from noisy examples at fixed temperature, as a curve of solutions.

With v = xi etabar/sqrt(R) of a site (`analytics.dense.example_law`), z standard
Gaussian, beta = 1/T, and W the overlap with etabar/sqrt(R) of the archetype:

    W = E[v tanh beta(v W**(P-1) + sqrt(Delta) z)],   q = E[tanh**2 ...],
    Delta = alpha C'(q)                                              P >= 3,
    Delta = alpha sum_k n_k lambda_k**2 q / D_k**2,
            D_k = 1 - beta lambda_k (1 - q)                          P = 2.

Given T and W the first equation has at most one solution sigma = beta sqrt(Delta),
which gives q and the load: a curve alpha(W). It leaves alpha = 0 at the largest W that
solves the equations without noise, W_0, and returns to 0 at the next smaller one. On
the way several maxima are possible (few examples, low temperature, high order). A
point is a stable solution of the equations at its load if two conditions hold for
the derivative J of their right-hand side, a 2 x 2 matrix: det(1 - J) > 0, which is the
same as dalpha/dW < 0, and tr J < 2. Together they say that the iteration of the
equations, damped enough, is attracted. The second one fails at P >= 3 where W and q
are small and alpha(W) may rise to another, irrelevant maximum, absent at T = 0; with
much noise this maximum and the first one merge, and the stable part then ends where
tr J = 2. The state of a load is the first stable point that has it, coming from W_0:
the one of largest W. It jumps where a maximum is passed that is not the highest, and
the spinodal is the highest load of the stable parts. Where D_1 < 0 the load counts as
negative, so that the curve stays continuous; no state is there.

The curve is run by y = log((E|v| - W)/W), which keeps its digits at both ends.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.dense.crosstalk import (
    curvature_drop,
    drop,
    first_derivative,
    second_derivative,
)
from analytics.dense.example_law import LawAverages, law_averages, noiseless
from statmech.jit import kernel

Y_MIN = -690.0  # exp(-690) is near the smallest normal float64
Y_MAX = 36.0  # W is rounding of E|v|
# W beyond it is within 1e-3 of E|v|: there every curve falls with W.
_PLAIN = -8.0
_PLAIN_POINTS = 12
# Features of the curve are those of erf and tanh of v a: wider than 0.3 in y.
_FINE_POINTS = 52
_TIE_POINTS = 8
GRID_POINTS = _TIE_POINTS + _PLAIN_POINTS + _FINE_POINTS
# How far below its start in log W a curve is followed.
_DEPTH = 6.0
_OUTSIDE = -1.0


class Noise(NamedTuple):
    """Crosstalk of one protocol at unit load: C (P >= 3); the second eigenvalue of a
    block of examples and its number (P = 2)."""

    order: int
    c: NDArray[np.float64]
    second: float
    number: float


class LoadPoint(NamedTuple):
    """A point of the curve; sigma = -1 where (T, W) lies outside of it."""

    alpha: float
    sigma: float
    averages: LawAverages
    n_iter: int


@kernel
def overlap_at(law, y):
    """(W, E|v| - W)."""
    return law.mean_size / (1.0 + math.exp(y)), law.mean_size / (1.0 + math.exp(-y))


@kernel
def noise_ratio(noise, temperature, one_minus_q):
    """Delta/alpha; nan where a D_k <= 0 at P = 2."""
    q = 1.0 - one_minus_q
    if noise.order > 2:
        return first_derivative(noise.c, q)
    d = 1.0 - one_minus_q / temperature
    if d <= 0.0:
        return math.nan
    d2 = 1.0 - noise.second * one_minus_q / temperature
    return q * (1.0 / (d * d) + noise.number * (noise.second / d2) ** 2)


@kernel
def signed_load(noise, temperature, one_minus_q, delta):
    """alpha with the sign of D_1, so that it passes through 0 where D_1 does."""
    q = 1.0 - one_minus_q
    if noise.order > 2:
        return delta / first_derivative(noise.c, q)
    d = 1.0 - one_minus_q / temperature
    d2 = 1.0 - noise.second * one_minus_q / temperature
    small = noise.number * (noise.second * d / d2) ** 2
    return delta * d * abs(d) / (q * (1.0 + small))


@kernel
def solve_noise(law, mu, deficit, guess, tolerance):
    """sigma >= 0 with E[v tanh(v mu + sigma z)] = E|v| - deficit; -1 if there is none.

    Newton's method in sigma**2 on the logarithm of the deficit, inside a bracket: the
    deficit grows with sigma**2 at the rate `slope`.
    """
    least, _ = noiseless(law, mu)
    averages = law_averages(law, mu, 0.0)
    if least >= deficit:
        exact = least <= deficit * (1.0 + 1e-14)
        return (0.0 if exact else _OUTSIDE), averages, 1
    low, high = 0.0, math.inf
    s = max(guess, mu / 40.0) ** 2
    last = False
    n_iter = 1
    while n_iter < 200:
        averages = law_averages(law, mu, math.sqrt(s))
        n_iter += 1
        miss = -math.inf
        if averages.deficit > 0.0:
            miss = math.log(averages.deficit / deficit)
        if miss < 0.0:
            low = s
        else:
            high = s
        if last or abs(miss) < tolerance or high - low <= 4e-16 * low:
            break
        trial = s - miss * averages.deficit / averages.slope
        if abs(miss) < 1e-9 and abs(trial - s) < 1e-9 * s:
            last = True
        elif low < trial < high:
            if high == math.inf and trial > 16.0 * s:
                trial = 16.0 * s
        elif high == math.inf:
            trial = 4.0 * s
        elif low == 0.0:
            trial = s / 16.0
        else:
            trial = math.sqrt(low) * math.sqrt(high)
        if trial == s:
            break
        s = trial
    return math.sqrt(s), averages, n_iter


@kernel
def load_point(noise, law, temperature, y, guess, tolerance):
    """The load whose solution has W = E|v|/(1 + exp(y)), T > 0."""
    beta = 1.0 / temperature
    w, deficit = overlap_at(law, y)
    mu = beta * w ** (noise.order - 1)
    sigma, averages, n_iter = solve_noise(law, mu, deficit, guess, tolerance)
    alpha = _OUTSIDE
    if sigma >= 0.0:
        delta = (sigma * temperature) ** 2
        alpha = signed_load(noise, temperature, averages.sech2, delta)
    return LoadPoint(alpha, sigma, averages, n_iter)


@kernel
def is_stable(noise, temperature, w, point):
    """Whether tr J < 2 at a point of the curve."""
    a, beta = point.averages, 1.0 / temperature
    q = 1.0 - a.sech2
    if noise.order > 2:
        change = second_derivative(noise.c, q) / first_derivative(noise.c, q)
    else:
        d = 1.0 - beta * a.sech2
        d2 = 1.0 - beta * noise.second * a.sech2
        if d <= 0.0:
            return False
        small = noise.number * (noise.second / d2) ** 2
        large = 1.0 / (d * d)
        bend = large / d + small * noise.second / d2
        change = 1.0 / q - 2.0 * beta * bend / (large + small)
    mu = beta * w ** (noise.order - 1)
    signal = (noise.order - 1) * mu / w * a.spread
    return signal - point.sigma**2 * change * a.rise < 2.0


@kernel
def excess(order, law, temperature, y):
    """E[v tanh(beta v W**(P-1))]/W - 1, over E|v|/W - 1 where that is smaller than 1.

    Positive where the curve exists.
    """
    w, deficit = overlap_at(law, y)
    lost, overlap = noiseless(law, w ** (order - 1) / temperature)
    if y < 0.0:
        return 1.0 - lost / deficit
    return overlap / w - 1.0


@kernel
def _sign_change(order, law, temperature, inside, outside):
    """Where the excess vanishes between a point of the curve and one that is none."""
    for _ in range(200):
        middle = 0.5 * (inside + outside)
        if excess(order, law, temperature, middle) >= 0.0:
            inside = middle
        else:
            outside = middle
        if abs(inside - outside) < 1e-15 * max(1e-3, abs(middle)):
            break
    return inside


@kernel
def first_y(law):
    """Below it deficits have no digits, or are below the smallest float64."""
    if law.rho == 0.0:
        return Y_MIN
    floor = 1e-10 * math.erfc(1.0 / math.sqrt(2.0 * law.rho)) / law.mean_size
    return max(Y_MIN, math.log(floor)) if floor > 0.0 else Y_MIN


@kernel
def curve_ends(order, law, temperature):
    """(start, end) in y of the part of the curve of largest W; start = 1e3 if none."""
    nothing = 1e3
    if temperature == math.inf:
        return nothing, nothing
    y = first_y(law)
    if excess(order, law, temperature, y) >= 0.0:
        start = hit = y
    else:
        before, best, best_excess = y, y, -math.inf
        hit = nothing
        while y < Y_MAX:
            y += max(0.25, 0.1 * (-40.0 - y))
            e = excess(order, law, temperature, y)
            if e >= 0.0:
                hit = y
                break
            if e > best_excess:
                best, best_excess = y, e
            before = y
        if hit == nothing:  # perhaps a short curve between two points
            hit = _find_excess(order, law, temperature, best)
            before = best - 0.3
            if hit == nothing:
                return nothing, nothing
        start = _sign_change(order, law, temperature, hit, before)
    end = hit
    limit = max(start, 0.0) + _DEPTH
    while end < limit:
        y = end + 0.25
        if excess(order, law, temperature, y) < 0.0:
            return start, _sign_change(order, law, temperature, end, y)
        end = y
    return start, limit


@kernel
def _find_excess(order, law, temperature, best):
    """A y next to `best` with an excess >= 0, by golden section for its maximum."""
    low, high = best - 0.3, best + 0.3
    ratio = 0.6180339887498949
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    e_a = excess(order, law, temperature, a)
    e_b = excess(order, law, temperature, b)
    for _ in range(45):
        if e_a >= 0.0:
            return a
        if e_b >= 0.0:
            return b
        if e_a > e_b:
            high, b, e_b = b, a, e_a
            a = high - ratio * (high - low)
            e_a = excess(order, law, temperature, a)
        else:
            low, a, e_a = a, b, e_b
            b = low + ratio * (high - low)
            e_b = excess(order, law, temperature, b)
    return 1e3


@kernel
def curve_grid(law, start, end):
    """Values of y from start to end, at most GRID_POINTS."""
    grid = np.empty(GRID_POINTS)
    first = 0
    low = start
    if start < _PLAIN < end:
        grid[0] = start
        first = 1
        if law.rho == 0.0 and law.sizes[0] == 0.0:
            # Ties of examples freeze where sigma is about 1, which is near the start.
            for j in range(1, _TIE_POINTS + 1):
                y = start + 2.0 * (0.3 * j) ** 2
                if y < _PLAIN:
                    grid[first] = y
                    first += 1
        from_y = grid[first - 1]
        ratio = math.log(from_y / _PLAIN) / _PLAIN_POINTS
        for j in range(1, _PLAIN_POINTS):
            grid[first] = from_y * math.exp(-ratio * j)
            first += 1
        low = _PLAIN
    for j in range(_FINE_POINTS):
        grid[first + j] = low + (end - low) * j / (_FINE_POINTS - 1)
    return grid[: first + _FINE_POINTS]


@kernel
def run_curve(noise, law, temperature, grid, target, loads, sigmas, stable):
    """Loads along the grid, up to the first stable one that reaches `target`.

    Returns how many, and whether the target was reached.
    """
    guess = 0.0
    for j in range(grid.shape[0]):
        point = load_point(noise, law, temperature, grid[j], guess, 1e-9)
        guess = max(point.sigma, 0.0)
        loads[j], sigmas[j] = point.alpha, guess
        w, _ = overlap_at(law, grid[j])
        stable[j] = point.sigma >= 0.0 and is_stable(noise, temperature, w, point)
        crossed = point.alpha >= target and (j == 0 or loads[j - 1] < target)
        if crossed and (stable[j] or (j > 0 and stable[j - 1])):
            return j + 1, True
    return grid.shape[0], False


@kernel
def thermodynamics(noise, temperature, alpha, w, averages):
    """(free energy, energy, replicon) per spin at a solution, T > 0.

    Without the constant of equal site indices at P = 2.
    """
    beta = 1.0 / temperature
    x = averages.sech2
    q = 1.0 - x
    if noise.order > 2:
        order = noise.order
        f = (
            -temperature * averages.log_2cosh
            + (1.0 - 1.0 / order) * w**order
            - 0.5 * beta * alpha * curvature_drop(noise.c, x)
        )
        u = -(w**order) / order - beta * alpha * drop(noise.c, x)
        curved = second_derivative(noise.c, q)
        return f, u, 1.0 - beta * beta * alpha * curved * averages.sech4
    trace = entropy = heat = ratio = curved = 0.0
    for k in range(2):
        number, value = 1.0, 1.0
        if k == 1:
            number, value = noise.number, noise.second
        share = beta * value * x
        d = 1.0 - share
        trace += number * value
        entropy += number * (temperature * math.log1p(-share) - value * q / d)
        heat += number * value * value / d * (1.0 + q / d)
        ratio += number * value * value * q / (d * d)
        curved += number * (value / d) ** 2
    f = (
        0.5 * alpha * (trace + entropy + ratio * beta * x)
        + 0.5 * w * w
        - temperature * averages.log_2cosh
    )
    u = -0.5 * w * w - 0.5 * alpha * beta * x * heat
    return f, u, 1.0 - alpha * beta * beta * curved * averages.sech4
