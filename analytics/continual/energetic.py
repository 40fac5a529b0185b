"""What one random pattern says to magnetisations: compiled averages over its field.

Under q(w) a student of magnetisations m sees a pattern with the stability
u = (omega + sqrt(V) x) / sqrt(Delta), where omega is common to all replicas, x is a
standard Gaussian of this one, V = q_star - q and Delta = 1 - q_star. The pattern has
the weight Phi(u)**beta. With a = omega / sqrt(Delta) and s = sqrt(V / Delta) all that
is needed is a set of averages of u = a + s x over x ~ Dx Phi(u)**beta, which are
functions of a alone.

The log weight is concave. So the integrand has one maximum x0, found by Newton's
method from the left, where it converges monotonically. Left of a wall in u the factor
Phi(u)**beta falls steeply; right of it only the Gaussian is left. The substitution
x = c + L asinh((w / L) sinh(t)) about the place c of steepest change, of width w, makes
both sides smooth in t, with nodes no further apart than L times their step, and the
trapezoidal rule in t converges exponentially.

Loops that only store are compiled to vector instructions, so each stage is one.

References
----------
L. N. Trefethen and J. A. C. Weideman, SIAM Review 56, 385 (2014).
"""

from __future__ import annotations

import math

import numpy as np

from analytics.lane_math import exp_parts, log1p_unit
from statmech.jit import kernel

_INV_SQRT2 = 0.7071067811865476
_INV_SQRT_2PI = 0.3989422804014327
_SQRT_2_OVER_PI = 0.7978845608028654
_HALF_LOG_2PI = 0.9189385332046727
_LOG2 = 0.6931471805599453
_MANTISSA = 0x000FFFFFFFFFFFFF
_ONE = 0x3FF0000000000000
# Standard deviations from the maximum: exp(-9**2 / 2) = 3e-18.
_REACH = 9.0
_LOWEST = -700.0  # exp of it is as good as 0
_NEWTON_STEPS = 60
_CLOSE = 1e-3  # the maximum only has to be the centre of nodes
_LENGTH = 3.0  # L above: a Gaussian of unit width is resolved by steps of 0.6
ROWS = 5  # log of the norm, <psi>, <psi**2>, <u psi>, <-log Phi>


@kernel(inline=True)
def _log(y):
    """log y of a positive normal number."""
    bits = np.float64(y).view(np.int64)
    exponent = np.float64((bits >> np.int64(52)) - np.int64(1023))
    rest = np.int64((bits & np.int64(_MANTISSA)) | np.int64(_ONE)).view(np.float64)
    return exponent * _LOG2 + log1p_unit(rest - 1.0)


@kernel(inline=True)
def scaled_erfc(z):
    """exp(z**2) erfc(z), z >= 0, to 4e-16 of itself.

    Over t = 2 / (2 + z) it is a polynomial in 2 t - 1: the Chebyshev interpolant of
    degree 29, computed with 40 digits.
    """
    t = 2.0 / (2.0 + z)
    x = 2.0 * t - 1.0
    v = x * x
    even = -2.0884858543020424e-10
    even = even * v + 2.6671286432276126e-09
    even = even * v - 1.4313460726511385e-08
    even = even * v + 3.7448542965859057e-08
    even = even * v - 1.1812593297933588e-08
    even = even * v - 2.7719271465845155e-07
    even = even * v + 9.960761149492381e-07
    even = even * v - 5.608401321647862e-07
    even = even * v - 1.084861936632102e-05
    even = even * v + 7.223545909193759e-05
    even = even * v - 0.0003315367611794975
    even = even * v + 0.0015453060300728604
    even = even * v - 0.010755330944756022
    even = even * v + 0.1397360462780275
    even = even * v + 0.5107913526210115
    odd = 2.482486944757643e-10
    odd = odd * v - 2.1383833532076352e-09
    odd = odd * v + 7.075732822764599e-09
    odd = odd * v - 4.888626904461959e-09
    odd = odd * v - 4.338287084528217e-08
    odd = odd * v + 1.5247339877764465e-07
    odd = odd * v + 4.645494173835241e-09
    odd = odd * v - 1.824208677079302e-06
    odd = odd * v + 8.061102896133159e-06
    odd = odd * v - 1.7074566631510575e-05
    odd = odd * v - 1.7185704304751417e-05
    odd = odd * v + 0.00041864803027162156
    odd = odd * v - 0.0032395925338309095
    odd = odd * v + 0.01822111575343876
    odd = odd * v + 0.3435803422069053
    return t * (even + x * odd)


@kernel(inline=True)
def log_cdf_and_mills(u):
    """(log Phi(u), psi(u) = phi(u) / Phi(u)); psi is about -u far on the left.

    On the right log Phi has an absolute error of 2e-16, relative ones elsewhere.
    """
    scaled = scaled_erfc(abs(u) * _INV_SQRT2)
    square = -0.5 * u * u
    a, b = exp_parts(max(square, _LOWEST))
    density = a + b
    left = u < 0.0
    cdf = 0.5 * scaled if left else 1.0 - 0.5 * scaled * density
    log_cdf = _log(cdf) + (square if left else 0.0)
    psi = _SQRT_2_OVER_PI / scaled if left else _INV_SQRT_2PI * density / cdf
    return log_cdf, psi


@kernel
def wall(beta):
    """u where -beta (log Phi)'' = 1: right of it the pattern hardly bends the weight.

    0 for beta <= pi / 2, where that is nowhere right of 0.
    """
    low, high = 0.0, 40.0
    while high - low > _CLOSE:
        middle = 0.5 * (low + high)
        psi = log_cdf_and_mills(middle)[1]
        if beta * psi * (middle + psi) > 1.0:
            low = middle
        else:
            high = middle
    return low


@kernel
def _centre(a, s, beta, u_wall, x):
    """(x0, c, w): the maximum of -x**2 / 2 + beta log Phi(a + s x), centre and width.

    `x` is a guess; from either side the second step is on the left.
    """
    curvature = 1.0
    for _ in range(_NEWTON_STEPS):
        u = a + s * x
        psi = log_cdf_and_mills(u)[1]
        curvature = 1.0 + beta * s * s * psi * (u + psi)
        step = (beta * s * psi - x) / curvature
        x += step
        if abs(step) * math.sqrt(curvature) < _CLOSE:
            break
    if a + s * x > u_wall > a + s * (x - _REACH):
        return x, (u_wall - a) / s, 1.0 / math.sqrt(1.0 + s * s * max(1.0, u_wall**2))
    return x, x, 1.0 / math.sqrt(curvature)


@kernel
def _place(centre, narrow, side, sinh, cosh, x, jacobian):
    """Nodes on one side of the centre, and (dx / dt) / w."""
    for k in range(x.size):
        v = narrow * sinh[k]
        root = math.sqrt(1.0 + v * v)
        x[k] = centre + side * _LENGTH * _log(v + root)
        jacobian[k] = cosh[k] / root


@kernel
def _weigh(a, s, beta, top, x, jacobian, u, log_cdf, psi):
    """u, log Phi and psi at the nodes; `jacobian` becomes the weight."""
    for k in range(x.size):
        y = a + s * x[k]
        c, p = log_cdf_and_mills(y)
        u[k] = y
        log_cdf[k] = c
        psi[k] = p
        rise, rest = exp_parts(max(beta * c - 0.5 * x[k] * x[k] - top, _LOWEST))
        jacobian[k] *= rise + rest


@kernel
def pattern_moments(a, s, beta, step, out):
    """Averages of u = a + s x over x ~ Dx Phi(u)**beta, for every a.

    a (n,), out (ROWS, n): log int Dx Phi**beta, <psi>, <psi**2>, <u psi>, <-log Phi>.
    `step` is that of the trapezoidal rule.
    """
    u_wall = wall(beta)
    # No width is below this one, no node further than 2 _REACH from the centre.
    narrowest = 1.0 / math.sqrt(1.0 + beta * s * s) / _LENGTH
    longest = math.asinh(math.sinh(2.0 * _REACH / _LENGTH) / narrowest)
    most = int(longest / step) + 2
    t = np.arange(most) * step
    sinh, cosh = np.sinh(t), np.cosh(t)
    x, weight, u = np.empty(2 * most), np.empty(2 * most), np.empty(2 * most)
    log_cdf, psi = np.empty(2 * most), np.empty(2 * most)
    x0 = 0.0
    for i in range(a.size):
        x0, centre, width = _centre(a[i], s, beta, u_wall, x0)
        top = beta * log_cdf_and_mills(a[i] + s * x0)[0] - 0.5 * x0 * x0
        narrow = width / _LENGTH
        # To the left the weight falls at least as from a Gaussian of this width.
        reach = math.sinh(_REACH * width / _LENGTH)
        left = min(int(math.asinh(reach / narrow) / step) + 2, most)
        reach = math.sinh((_REACH + x0 - centre) / _LENGTH)
        right = min(int(math.asinh(reach / narrow) / step) + 2, most)
        n = left + right - 1
        _place(
            centre, narrow, 1.0, sinh[:right], cosh[:right], x[:right], weight[:right]
        )
        _place(
            centre,
            narrow,
            -1.0,
            sinh[1:left],
            cosh[1:left],
            x[right:n],
            weight[right:n],
        )
        _weigh(a[i], s, beta, top, x[:n], weight[:n], u[:n], log_cdf[:n], psi[:n])
        norm = mean = square = mixed = loss = 0.0
        for k in range(n):
            w = weight[k]
            norm += w
            mean += w * psi[k]
            square += w * psi[k] * psi[k]
            mixed += w * u[k] * psi[k]
            loss -= w * log_cdf[k]
        out[0, i] = top + math.log(norm * step * width) - _HALF_LOG_2PI
        out[1, i] = mean / norm
        out[2, i] = square / norm
        out[3, i] = mixed / norm
        out[4, i] = loss / norm
