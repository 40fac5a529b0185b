"""Loads on the rising part of the curve: a table of it, then Newton's method.

Between the zero-load solution and the top the load rises with log(1 - m), so that a
solution there is the only one, however it was found. A table of the curve, made for
one temperature alone, gives a start to 4 or 5 digits; Newton's method in (log(1 - m),
sigma**2) doubles them with one Gaussian average a step. A solution counts if it lies
between the ends and moves no more; if not, the bracketing method finds it.

Nothing depends on other loads or temperatures: a point of a grid is the same number
as the point alone.
"""

from __future__ import annotations

import math

from analytics.dense.curve import (
    LOG_DELTA_MIN,
    curve_point,
    curve_slopes,
    excess,
    find_on_curve,
    noise_ratio,
    noise_variance,
    signal,
    thermodynamics,
)
from analytics.gauss import sech2_rise, tanh_averages_kernel
from statmech.jit import kernel

RESIDUAL_TOLERANCE = 1e-10
ERROR_TOLERANCE = 1e-7  # of m: at a spinodal rounding moves it by 1e-8
CONVERGED, NO_RETRIEVAL, NOT_CONVERGED = 0, 1, 2
ROUNDING = 4e-16

# The curve falls like -1/log(1 - m) over at most five e-foldings, from log(1 - m) =
# -690 to the top: cubics over steps of a third of one are off by 1e-4 of the load.
N_INTERVALS = 16
# Columns of the table: log(1 - m), sigma**2 and the load, and the derivatives of the
# last two with respect to log(-log(1 - m)).
N_COLUMNS = 5


@kernel
def fill_table(order, c, temperature, start, top, top_sigma, table):
    """The rising part into table (N_INTERVALS + 1, 5), by rising load.

    False if it does not rise there, within rounding.
    """
    ratio = math.log(start / top) / N_INTERVALS
    sigma = top_sigma
    for j in range(N_INTERVALS, -1, -1):
        x = top * math.exp(ratio * (N_INTERVALS - j)) if j > 0 else start
        if j == 0 and start > LOG_DELTA_MIN:
            # The zero-load solution itself.
            sigma = 0.0
            mu = signal(order, 1.0 / temperature, math.exp(x))
            averages = tanh_averages_kernel(mu, sigma)
            alpha = 0.0
        else:
            point = curve_point(order, c, temperature, x, sigma)
            sigma, alpha, averages = point.sigma, point.alpha, point.averages
        if not alpha >= 0.0:
            return False
        rise, slope = curve_slopes(order, c, temperature, x, sigma, averages)
        table[j, 0] = x
        table[j, 1] = sigma * sigma
        table[j, 2] = alpha
        table[j, 3] = x * rise
        table[j, 4] = x * slope
        if j < N_INTERVALS and not alpha < table[j + 1, 2]:
            return False
        ahead = sigma * sigma - x * rise * ratio
        if ahead > 0.0:
            sigma = math.sqrt(ahead)
    return True


@kernel
def cubic(t, width, value, slope, end_value, end_slope):
    """Hermite's cubic over an interval of a width, at the fraction t of it."""
    back = 1.0 - t
    value_part = back * back * (1.0 + 2.0 * t) * value
    end_part = t * t * (3.0 - 2.0 * t) * end_value
    return value_part + end_part + width * t * back * (back * slope - t * end_slope)


@kernel
def look_up(table, alpha):
    """(log(1 - m), sigma**2) at the load `alpha`, by cubics; a start for Newton."""
    low = 0
    high = N_INTERVALS
    while high - low > 1:
        middle = (low + high) // 2
        if table[middle, 2] <= alpha:
            low = middle
        else:
            high = middle
    width = math.log(table[high, 0] / table[low, 0])
    left, right = 0.0, 1.0
    for _ in range(25):  # to single precision, far below what the cubic is off by
        t = 0.5 * (left + right)
        load = cubic(
            t, width, table[low, 2], table[low, 4], table[high, 2], table[high, 4]
        )
        if load < alpha:
            left = t
        else:
            right = t
    t = 0.5 * (left + right)
    s = cubic(t, width, table[low, 1], table[low, 3], table[high, 1], table[high, 3])
    return table[low, 0] * math.exp(width * t), max(s, 0.0)


@kernel
def newton_step(order, c, temperature, alpha, x, s):
    """(dx, ds, averages) towards the solution from x = log(1 - m) and s = sigma**2.

    The equations: log(<1 - tanh>/(1 - m)) = 0 and s = alpha beta**2 R(1 - q), where
    Delta = alpha R. Their derivatives are those of `curve_slopes`.
    """
    beta = 1.0 / temperature
    delta = math.exp(x)
    mu = signal(order, beta, delta)
    mu_x = -(order - 1) * mu * delta / -math.expm1(x)
    a = tanh_averages_kernel(mu, math.sqrt(s))
    rise = sech2_rise(mu, math.sqrt(s), a)
    ratio, ratio_slope = noise_ratio(order, c, temperature, a.sech2)
    load = alpha * beta * beta
    first = math.log(a.one_minus_tanh / delta)
    first_x = -a.sech2 * mu_x / a.one_minus_tanh - 1.0
    first_s = a.tanh_sech2 / a.one_minus_tanh
    second = s - load * ratio
    second_x = 2.0 * load * ratio_slope * a.tanh_sech2 * mu_x
    second_s = 1.0 - load * ratio_slope * rise
    scale = first_x * second_s - first_s * second_x
    dx = (first_s * second - second_s * first) / scale
    ds = (second_x * first - first_x * second) / scale
    return dx, ds, a


@kernel
def find_by_newton(order, c, temperature, alpha, table):
    """(x, s, averages there, last step, number of averages, found or not)."""
    start, top = table[0, 0], table[N_INTERVALS, 0]
    x, s = look_up(table, alpha)
    last = False
    dx, ds, averages = newton_step(order, c, temperature, alpha, x, s)
    n_iter = 1
    while n_iter < 12 and math.isfinite(dx) and math.isfinite(ds):
        if last:
            return x, s, averages, dx, n_iter, True
        # What is left after a step is its square over the distance on which the
        # equations bend: the one to the top in x, s itself in s.
        bend = min(1.0, top - x)
        last = dx * dx <= 1e-16 * bend and abs(ds) <= 1e-8 * s
        x = min(top, max(start, x + dx))
        s = s + ds if ds > -s else 0.25 * s
        dx, ds, averages = newton_step(order, c, temperature, alpha, x, s)
        n_iter += 1
    return x, s, averages, dx, n_iter, False


@kernel
def solve_row(order, c, temperature, alphas, top_alpha, table, rises, out, codes):
    """Retrieval states of many loads at one temperature, into out (n, 8).

    `table` is that of the temperature; of one that does not rise only the ends are
    used, its first and last columns 0 and 1.
    """
    start, top = table[0, 0], table[N_INTERVALS, 0]
    beta = 1.0 / temperature
    for j in range(alphas.shape[0]):
        alpha = alphas[j]
        out[j, :] = math.nan
        out[j, 7] = 0
        if alpha > top_alpha:
            codes[j] = NO_RETRIEVAL
            continue
        x, s, n_iter, move = start, 0.0, 1, 0.0
        mu = signal(order, beta, math.exp(start))
        found = tanh_averages_kernel(mu, 0.0)
        done = alpha == 0.0
        if not done and rises and alpha > table[0, 2]:
            x, s, found, move, n_iter, done = find_by_newton(
                order, c, temperature, alpha, table
            )
        error = math.exp(x) * abs(move)
        if done and alpha > 0.0:
            _, slope = curve_slopes(order, c, temperature, x, math.sqrt(s), found)
            error += math.exp(x) * ROUNDING * alpha / slope
        elif done:
            error = position_error(order, c, temperature, alpha, x, 0.0)
        if not (done and 0.0 <= error < ERROR_TOLERANCE):
            x, point = find_on_curve(
                order, c, temperature, alpha, start, top, math.sqrt(table[-1, 1])
            )
            n_iter += point.n_iter
            s = max(point.sigma, 0.0) ** 2
            found = point.averages
            error = position_error(order, c, temperature, alpha, x, point.sigma)
        codes[j] = _record(order, c, temperature, alpha, x, found, error, out[j])
        out[j, 7] = n_iter


@kernel
def _record(order, c, temperature, alpha, x, found, error, row):
    """One state into row (8,); its code."""
    # Residual: the map itself, from (m, q), independent of the search.
    beta = 1.0 / temperature
    delta = math.exp(x)
    mu = signal(order, beta, delta)
    noise = noise_variance(order, c, temperature, alpha, found.sech2)
    image = tanh_averages_kernel(mu, beta * math.sqrt(noise))
    residual = max(abs(image.one_minus_tanh - delta), abs(image.sech2 - found.sech2))
    m = 1.0 - delta
    f, u, replicon = thermodynamics(order, c, temperature, alpha, m, image)
    row[0] = m
    row[1] = 1.0 - found.sech2
    row[2] = f
    row[3] = u
    row[4] = replicon
    row[5] = residual
    row[6] = found.error
    good = residual < RESIDUAL_TOLERANCE and error < ERROR_TOLERANCE
    return CONVERGED if good else NOT_CONVERGED


@kernel
def position_error(order, c, temperature, alpha, log_delta, sigma):
    """Distance of m from the exact solution that rounding leaves open.

    Where the solution is marginal the equations hold nearly everywhere around it, so a
    small residual says little; rounding over the slope of the curve says how little.
    """
    delta = math.exp(log_delta)
    if alpha == 0.0:
        h = 1e-6 * delta
        beta = 1.0 / temperature
        rise = excess(order, beta, delta + h) - excess(order, beta, delta - h)
        # exp(-2 signal) turns a rounding of the signal into one of delta.
        size = delta * (1.0 + 2.0 * signal(order, beta, delta))
        return ROUNDING * size / abs(rise / (2.0 * h))
    h = 1e-6 * max(abs(log_delta), 1e-3)
    here = curve_point(order, c, temperature, log_delta, sigma).alpha
    near = curve_point(order, c, temperature, log_delta - h, sigma).alpha
    if near < 0.0:  # the curve begins in between
        near = curve_point(order, c, temperature, log_delta + h, sigma).alpha
    slope = abs(near - here) / h
    return delta * (ROUNDING * alpha + abs(here - alpha)) / slope
