"""The retrieval branch at fixed temperature as a curve, free of branch ambiguity.

Replica-symmetric storage, one condensed pattern, P-spin interaction, z standard
Gaussian, beta = 1/T (D. J. Amit, H. Gutfreund and H. Sompolinsky, Ann. Phys. 173, 30
(1987), for P = 2; E. Gardner, J. Phys. A 20, 3453 (1987), for P >= 3):

    m = <tanh beta(m**(P-1) + sqrt(Delta) z)>,   q = <tanh**2 ...>,
    Delta = alpha C'(q)                           P >= 3   (C at unit load)
    Delta = alpha q / D**2,  D = 1 - beta(1 - q)  P = 2.

Given T and m the first equation has at most one solution sigma = beta sqrt(Delta),
which then gives q and the load alpha: a curve alpha(m) that rises from 0 at the
zero-load solution m_0 to the spinodal and falls again. The retrieval state of a load
below the spinodal is the one crossing between m_0 and the top, so a bracket, not an
iteration, decides the branch. The curve is run by delta = 1 - m on a logarithmic
scale, which keeps its digits where m is 1 to rounding.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from analytics.dense.crosstalk import (
    curvature_drop,
    drop,
    first_derivative,
    second_derivative,
)
from analytics.gauss import TanhAverages, sech2_rise, tanh_averages_kernel
from statmech.jit import kernel

LOG_DELTA_MIN = -690.0  # exp(-690) is near the smallest normal float64
_OUTSIDE = -1.0
# The load is flat at the top: off by the square of the step, which is rounding.
TOP_STEP = 1e-9


class CurvePoint(NamedTuple):
    """One point of the curve; alpha = -1 where (T, m) lies on no physical branch."""

    alpha: float
    sigma: float
    averages: TanhAverages
    n_iter: int


@kernel
def signal(order, beta, delta):
    """beta m**(P-1) at m = 1 - delta."""
    return beta * math.exp((order - 1) * math.log1p(-delta))


@kernel
def solve_sigma(mu, delta, guess):
    """sigma >= 0 with <1 - tanh(mu + sigma z)> = delta; -1 if there is none.

    The average grows with sigma**2 (its derivative is <tanh sech**2> > 0), so
    Newton's method in sigma**2 on the logarithm is kept inside a bracket.
    """
    e = math.exp(-2.0 * mu)
    least = 2.0 * e / (1.0 + e)  # without noise
    if least >= delta:
        exact = least <= delta * (1.0 + 1e-14)
        return (0.0 if exact else _OUTSIDE), tanh_averages_kernel(mu, 0.0), 1
    low = 0.0
    high = math.inf
    # Unless 1 - m is below 1e-300, sigma is at least mu/40 where mu is large: from an
    # old guess the search would take very many steps at the lowest temperatures.
    s = max(guess, mu / 40.0) ** 2
    last = False
    n_iter = 0
    while n_iter < 200:
        averages = tanh_averages_kernel(mu, math.sqrt(s))
        n_iter += 1
        miss = math.log(averages.one_minus_tanh / delta)
        if miss < 0.0:
            low = s
        else:
            high = s
        if last or abs(miss) < 2e-15 or high - low <= 4e-16 * low:
            break
        trial = s - miss * averages.one_minus_tanh / averages.tanh_sech2
        if abs(miss) < 1e-9 and abs(trial - s) < 1e-9 * s:
            # Newton's step about squares the miss, which is then below rounding; so
            # is what keeps it out of the bracket, if anything does.
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
def curve_point(order, c, temperature, log_delta, guess):
    """The load at which m = 1 - exp(log_delta) solves the equations at T > 0."""
    beta = 1.0 / temperature
    delta = math.exp(log_delta)
    sigma, averages, n_iter = solve_sigma(signal(order, beta, delta), delta, guess)
    alpha = _OUTSIDE
    if sigma >= 0.0:
        q = 1.0 - averages.sech2
        noise = sigma * temperature
        if order == 2:
            d = 1.0 - beta * averages.sech2
            if d > 0.0:
                alpha = noise * noise * d * d / q
        else:
            alpha = noise * noise / first_derivative(c, q)
    return CurvePoint(alpha, sigma, averages, n_iter)


@kernel
def noise_ratio(order, c, temperature, one_minus_q):
    """(R, dR/d(1 - q)) where Delta = alpha R; nan where D <= 0 at P = 2."""
    q = 1.0 - one_minus_q
    if order == 2:
        d = 1.0 - one_minus_q / temperature
        if d <= 0.0:
            return math.nan, math.nan
        return q / (d * d), (2.0 * q / (temperature * d) - 1.0) / (d * d)
    return first_derivative(c, q), -second_derivative(c, q)


@kernel
def curve_slopes(order, c, temperature, log_delta, sigma, averages):
    """Derivatives of (sigma**2, alpha) along the curve with respect to log_delta.

    By implicit differentiation of <1 - tanh> = delta; with respect to mu and sigma**2
    it has the derivatives -<sech**2> and <tanh sech**2>, and <sech**2> has
    -2 <tanh sech**2> and `sech2_rise`.
    """
    a = averages
    delta = math.exp(log_delta)
    mu = signal(order, 1.0 / temperature, delta)
    mu_rise = -(order - 1) * mu * delta / -math.expm1(log_delta)
    rise = (delta + a.sech2 * mu_rise) / a.tanh_sech2
    x_rise = -2.0 * a.tanh_sech2 * mu_rise + sech2_rise(mu, sigma, a) * rise
    ratio, ratio_slope = noise_ratio(order, c, temperature, a.sech2)
    load = rise - sigma * (sigma * x_rise * ratio_slope / ratio)
    return rise, temperature * (temperature * load) / ratio


@kernel
def start_of_curve(order, temperature):
    """log(1 - m_0) of the zero-load solution m_0 = tanh(beta m_0**(P-1)).

    1.0 if T is above the zero-load spinodal. The root is bracketed between 1 and the
    m that maximises m**(P-1) / artanh m.
    """
    beta = 1.0 / temperature
    if order == 2:
        if temperature >= 1.0:
            return 1.0
        middle = temperature * math.sqrt(1.0 - temperature)
    else:
        middle = best_zero_load_m(order)
    # The tanh is above m at m = 1 - high, and below it at m = 1.
    high = 1.0 - middle
    if excess(order, beta, high) < 0.0:
        return 1.0
    low_log = LOG_DELTA_MIN
    high_log = math.log(high)
    if excess(order, beta, math.exp(low_log)) >= 0.0:
        return low_log
    for _ in range(200):
        mid = 0.5 * (low_log + high_log)
        if excess(order, beta, math.exp(mid)) < 0.0:
            low_log = mid
        else:
            high_log = mid
        if high_log - low_log < 1e-15 * abs(mid):
            break
    return high_log


@kernel
def end_of_curve(order, temperature):
    """log(1 - m) of the smaller zero-load solution, where alpha has fallen to 0 again.

    It tends to m = 0 for P = 2 and meets `start_of_curve` at the zero-load spinodal,
    where the curve shrinks to a point.
    """
    if order == 2:
        return 0.0
    beta = 1.0 / temperature
    low = 0.0
    high = best_zero_load_m(order)
    for _ in range(200):
        m = 0.5 * (low + high)
        if math.tanh(beta * m ** (order - 1)) < m:
            low = m
        else:
            high = m
        if high - low < 1e-15 * high:
            break
    return math.log1p(-low)


@kernel
def excess(order, beta, delta):
    """delta - (1 - tanh(beta m**(P-1))) at m = 1 - delta."""
    e = math.exp(-2.0 * signal(order, beta, delta))
    return delta - 2.0 * e / (1.0 + e)


@kernel
def best_zero_load_m(order):
    """argmax of m**(P-1) / artanh m, P >= 3: (P-1)(1 - m**2) artanh m = m."""
    low, high = 1e-6, 1.0 - 1e-12
    for _ in range(200):
        m = 0.5 * (low + high)
        if (order - 1) * (1.0 - m * m) * math.atanh(m) > m:
            low = m
        else:
            high = m
    return 0.5 * (low + high)


@kernel
def top_of_curve(order, c, temperature, start):
    """(log_delta, alpha, sigma) at the spinodal, the maximum of alpha.

    The zero of the slope of the one maximum: steps of growing size until it is
    enclosed, then the Illinois form of the secant method (M. Dowell and P. Jarratt,
    BIT 11, 168 (1971)).
    """
    end = end_of_curve(order, temperature)
    low, high = start, end
    low_slope = high_slope = math.nan
    # At T = 0 all tops lie there; where the curve is short, in its middle.
    step = 0.25 * (end - max(start, -6.0))
    x = end - 2.0 * step
    best, best_alpha, best_sigma = start, 0.0, 0.0
    guess = 1.0
    side = 0
    for _ in range(200):
        point = curve_point(order, c, temperature, x, guess)
        rise, slope = 0.0, math.nan
        if point.alpha >= 0.0:
            rise, slope = curve_slopes(
                order, c, temperature, x, point.sigma, point.averages
            )
        if point.alpha > best_alpha:
            best, best_alpha, best_sigma = x, point.alpha, point.sigma
        if slope > 0.0:
            if side > 0:
                high_slope *= 0.5
            low, low_slope, side = x, slope, 1
        else:  # falling, or off the branch, which ends beyond the top
            if side < 0:
                low_slope *= 0.5
            high, high_slope, side = x, slope, -1
        trial = 0.5 * (low + high)
        if low == start:
            if high - step > low:
                trial = high - step
                step *= 2.0
        elif high == end:
            if low + step < high:
                trial = low + step
                step *= 2.0
        elif high_slope <= 0.0:
            trial = low + (high - low) * low_slope / (low_slope - high_slope)
        if abs(trial - x) < TOP_STEP * (1e-3 + abs(x)) or not low < trial < high:
            break
        # Along the tangent.
        ahead = point.sigma**2 + rise * (trial - x)
        if point.sigma > 0.0 and ahead > 0.0:
            guess = math.sqrt(ahead)
        x = trial
    return best, best_alpha, best_sigma


@kernel
def find_on_curve(order, c, temperature, alpha, start, top, guess):
    """(log_delta, point) with the load `alpha` between the start and the top.

    Chandrupatla's bracketing method on log_delta (T. R. Chandrupatla, Adv. Eng.
    Softw. 28, 145 (1997)).
    """
    n_iter = 0
    x1, x2 = top, start
    p1 = curve_point(order, c, temperature, x1, guess)
    p2 = curve_point(order, c, temperature, x2, guess)
    f1, f2 = p1.alpha - alpha, p2.alpha - alpha
    n_iter += p1.n_iter + p2.n_iter
    if f2 >= 0.0:
        # Even at the smallest delta the load is higher: m is 1 to rounding.
        return x2, CurvePoint(p2.alpha, p2.sigma, p2.averages, n_iter)
    t = 0.5
    best, best_f, best_x = p1, abs(f1), x1
    for _ in range(120):
        x = x1 + t * (x2 - x1)
        p = curve_point(order, c, temperature, x, best.sigma)
        n_iter += p.n_iter
        f = p.alpha - alpha
        if abs(f) < best_f:
            best, best_f, best_x = p, abs(f), x
        if (f > 0.0) == (f1 > 0.0):
            x3, f3 = x1, f1
        else:
            x3, f3 = x2, f2
            x2, f2 = x1, f1
        x1, f1 = x, f
        width = abs(x2 - x1)
        if best_f <= 1e-16 * alpha or width < 4e-16 * abs(x1):
            break
        xi = (x1 - x2) / (x3 - x2)
        phi = (f1 - f2) / (f3 - f2)
        t = 0.5
        if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:
            t = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (
                f3 - f1
            ) * f2 / (f3 - f2)
        edge = min(0.5, 4e-16 * abs(x1) / width)
        t = min(1.0 - edge, max(edge, t))
    return best_x, CurvePoint(best.alpha, best.sigma, best.averages, n_iter)


@kernel
def noise_variance(order, c, temperature, alpha, one_minus_q):
    """Delta of the saddle point; nan where D <= 0 at P = 2."""
    q = 1.0 - one_minus_q
    if order == 2:
        d = 1.0 - one_minus_q / temperature
        return alpha * q / (d * d) if d > 0.0 else math.nan
    return alpha * first_derivative(c, q)


@kernel
def thermodynamics(order, c, temperature, alpha, m, averages):
    """(free energy, energy, replicon) per spin at a solution, T > 0."""
    beta = 1.0 / temperature
    x = averages.sech2
    q = 1.0 - x
    if order == 2:
        d = 1.0 - beta * x
        r = q / (d * d)
        f = (
            0.5 * alpha
            + 0.5 * m * m
            + 0.5 * alpha * (temperature * math.log(d) - q / d)
            + 0.5 * alpha * r * beta * x
            - temperature * averages.log_2cosh
        )
        u = -0.5 * m * m - 0.5 * alpha * (beta * x / d) * (1.0 + q / d)
        replicon = 1.0 - alpha * (beta / d) ** 2 * averages.sech4
    else:
        f = (
            -temperature * averages.log_2cosh
            + (1.0 - 1.0 / order) * m**order
            - 0.5 * beta * alpha * curvature_drop(c, x)
        )
        u = -(m**order) / order - beta * alpha * drop(c, x)
        replicon = 1.0 - beta * beta * alpha * second_derivative(c, q) * averages.sech4
    return f, u, replicon
