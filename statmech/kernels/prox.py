"""Proximal operator of entropy and a quadratic on simplexes, in compiled loops.

Everything is divided by alpha_: with c = (y - max y) / alpha_ and R = beta_ / alpha_,
R > -1, block by block

    u_s + R exp(u_s) = c_s + nu,    sum_s exp(u_s) = 1,    u = log x <= 0,

and R / k - log k <= nu <= R, because the largest x is from 1 / k to 1. The sum
increases with nu and is convex: steps in nu descend from a start on the right, and a
bracket guards them. Rules for stopping are relative to rounding, so that they are met
in single precision.
"""

from __future__ import annotations

import math

import numpy as np

from statmech.jit import kernel

# Exact in float32 (the last one need not be), so that they promote neither precision.
_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_FEW = np.float32(4.0)  # roundings in one equation
_HALF, _SIXTH = np.float32(0.5), np.float32(1.0 / 6.0)
# Below it c is cut off: exp is 0 there, and nothing may overflow.
_FAR = np.float32(-1e36)
# Errors of log x that nu may be moved at: their cubes are small.
_LOOSE = np.float32(0.0625)
# Passes over one block: three times what was ever seen.
PASSES = 120


@kernel
def block_prox(y, offsets, alpha, beta, x, log_x):
    """x, log_x (B, d) with alpha log x + beta x = y + nu, each block of sum 1.

    y, x and log_x are of one precision, float64 or float32, and so is the arithmetic;
    offsets (n + 1,) as in a layout; alpha > 0, alpha + beta > 0; beta = 0 is softmax.
    x errs by about eps; log_x by about eps (|log x| + |R| / (1 + R x)), that of nu.

    Returns (failed, rounds): the number of blocks that were not solved or not finite
    (x is NaN in them), and the most passes over a block, of one exponential an entry.
    """
    kind = x.dtype.type
    eps = kind(np.finfo(x.dtype).eps)
    # A step that shrinks errors to their cube ends at rounding from here.
    near = kind(0.25 * np.finfo(x.dtype).eps ** (1.0 / 3.0))
    scale, ratio = kind(1.0 / alpha), kind(beta / alpha)
    log_ratio = kind(math.log(beta / alpha)) if beta > 0.0 else _ZERO
    failed, most = 0, 0
    for b in range(y.shape[0]):
        for i in range(offsets.size - 1):
            first, last = offsets[i], offsets[i + 1]
            if last - first == 1:
                rounds = _single(y[b], first, x[b], log_x[b])
            elif last - first == 2:
                rounds = _pair(y[b], first, scale, ratio, eps, near, x[b], log_x[b])
            else:
                rounds = _many(
                    *(y[b, first:last], scale, ratio, log_ratio, eps, near),
                    *(x[b, first:last], log_x[b, first:last]),
                )
            if rounds < 0:
                failed += 1
                for s in range(first, last):
                    x[b, s] = log_x[b, s] = np.nan
            most = max(most, rounds)
    return failed, most


@kernel(inline=True)
def _single(y, first, x, log_x):
    x[first], log_x[first] = _ONE, _ZERO
    return 0 if math.isfinite(y[first]) else -1


@kernel(inline=True)
def _grown(x, d):
    """x exp(d) of a small d."""
    return x * (_ONE + d * (_ONE + d * (_HALF + d * _SIXTH)))


@kernel(inline=True)
def _pair(y, first, scale, ratio, eps, near, x, log_x):
    """Two states, by the log-odds v >= 0: v + R tanh(v / 2) = c. Rounds, or -1."""
    c = (y[first] - y[first + 1]) * scale
    upper, lower = first, first + 1
    if c < _ZERO:
        c, upper, lower = -c, lower, upper
    if not c < -_FAR:
        if not (math.isfinite(y[first]) and math.isfinite(y[first + 1])):
            return -1
        c = -_FAR
    # On this side of the root, and within it, Newton steps keep to their side.
    start = c / (_ONE + _HALF * ratio)
    bound = max(start, c - ratio) if ratio > _ZERO else min(start, c - ratio)
    v = bound
    if ratio > _TWO and _TWO * c > ratio:
        # Saturated: v - 2 R exp(-v) = c - R, as good as known.
        v = max(bound, -_omega_log(ratio - c, math.log(_TWO * ratio)))
    for rounds in range(1, PASSES + 1):
        e = math.exp(-v)
        t = (_ONE - e) / (_ONE + e)
        # R (1 - tanh) and c - R, which stay exact where R is large.
        rest = _TWO * ratio * (e / (_ONE + e))
        bend = rest / (_ONE + e)
        r = (c - ratio) - v + rest
        slope = _ONE + bend
        d = r / slope
        p = -bend * t / slope
        d = d / (_ONE + _HALF * d * p) if abs(d * p) < _ONE else d
        rounded = abs(r) <= _FEW * eps * (abs(c - ratio) + v + abs(rest))
        if rounded or abs(d) * max(_ONE, abs(p)) <= near:
            d = max(min(d, near), -near)
            v += d
            e = _grown(e, -d)
            share = _ONE / (_ONE + e)
            x[upper], x[lower] = share, e * share
            log_x[upper] = -math.log1p(e)
            log_x[lower] = log_x[upper] - v
            return rounds
        v = max(v + d, bound) if ratio > _ZERO else min(v + d, bound)
    return -1


@kernel(inline=True)
def _omega_log(c, log_ratio):
    """About the u with u + exp(u + log_ratio) = c: a start."""
    z = c + log_ratio
    if z > _ONE:
        size = math.log(z)
        return size - size / (_ONE + z) - log_ratio
    return min(z, _HALF * (z - _ONE)) - log_ratio


@kernel(inline=True)
def _many(y, scale, ratio, log_ratio, eps, near, x, log_x):
    """One block, y, x and log_x (k,). The passes over it, or -1.

    A pass takes one step of Halley's method in every u, without branches, and, if all
    are about solved, one in nu: u need not be exact far from the root.
    """
    top = y[0]
    for s in range(y.size):
        top = max(top, y[s])
        if not math.isfinite(y[s]):
            return -1
    if ratio == _ZERO:
        return _softmax(y, top, scale, x, log_x)
    k = np.float32(y.size)
    high, low = ratio, ratio / k - math.log(k)
    nu, step = _start(y, top, scale, ratio, log_ratio, high, low, x, log_x), _ZERO
    # |d log x| <= |d nu| / margin.
    margin = min(_ONE, _ONE + ratio)
    for rounds in range(1, PASSES + 1):
        total, first, second, worst = _ZERO, _ZERO, _ZERO, _ZERO
        for s in range(y.size):
            c = max((y[s] - top) * scale, _FAR) + nu
            d = _follow(step, ratio * x[s])
            u = log_x[s] + d if abs(d) < _ONE else _guess(c, ratio, log_ratio)
            u = min(u, _ZERO)
            e = math.exp(u)
            weight = ratio * e
            inverse = _ONE / (_ONE + weight)
            r = c - u - weight
            d, p = r * inverse, weight * inverse
            bend = _HALF * d * p
            d = d / (_ONE + bend) if abs(bend) < _HALF else d
            if abs(r) <= _FEW * eps * (abs(weight) - u):  # rounding, and no more
                d = max(min(d, near), -near)
            else:
                worst = max(worst, abs(d) * max(_ONE, abs(p)))
            log_x[s] = min(u + d, _ZERO)
            x[s] = _grown(e, max(min(d, _LOOSE), -_LOOSE))
            inverse = _ONE / (_ONE + ratio * x[s])
            w = x[s] * inverse
            total += x[s]
            first += w
            second += w * inverse * inverse
        step = _ZERO
        if not worst <= _LOOSE:
            continue
        excess = total - _ONE
        if excess > worst:
            high = min(high, nu)
        elif excess < -worst:
            low = max(low, nu)
        step = -excess / first
        bend = _HALF * step * second / first
        step = step / (_ONE + bend) if abs(bend) < _HALF else step
        rounded = abs(step) <= _FEW * eps * (abs(ratio) + abs(nu) + _ONE)
        rounded = rounded or abs(excess) <= eps * k
        if worst <= near and (rounded or abs(step) <= near * margin * margin):
            _finish(step, ratio, near, x, log_x)
            return rounds
        if rounded:  # nu is right: moving it would only disturb u
            step = _ZERO
        elif not low <= nu + step <= high:
            step = _HALF * (low + high) - nu
        nu += step
    return -1


@kernel(inline=True)
def _start(y, top, scale, ratio, log_ratio, high, low, x, log_x):
    """A nu to the right of the root, and about the u that go with it."""
    mean = _ZERO
    for s in range(y.size):
        mean += max((y[s] - top) * scale, _FAR)
    # x is convex in c + nu: at this nu the mean c has x = 1 / k, so the mean x is more.
    nu = min(high, low - mean / np.float32(y.size))
    for s in range(y.size):
        c = max((y[s] - top) * scale, _FAR) + nu
        log_x[s] = _guess(c, ratio, log_ratio)
        x[s] = _ZERO
    return nu


@kernel(inline=True)
def _guess(c, ratio, log_ratio):
    """About the u with u + R exp(u) = c."""
    if ratio > _ZERO:
        return _omega_log(c, log_ratio)
    return max(c, (c - ratio) / (_ONE + ratio))


@kernel(inline=True)
def _follow(step, weight):
    """How u follows a step of nu, to second order; weight = R exp(u)."""
    inverse = _ONE / (_ONE + weight)
    d = step * inverse
    p = d * (weight * inverse)
    return d * (_ONE - _HALF * p) if abs(p) < _ONE else d


@kernel(inline=True)
def _finish(step, ratio, near, x, log_x):
    """The last step, and the sum to 1."""
    total = _ZERO
    for s in range(x.size):
        d = _follow(step, ratio * x[s])
        # Larger only where nu is large, by its rounding, and then x is 0.
        d = max(min(d, near), -near)
        log_x[s] += d
        x[s] = _grown(x[s], d)
        total += x[s]
    shift = math.log(total)
    share = _ONE / total
    for s in range(x.size):
        x[s] *= share
        log_x[s] -= shift


@kernel(inline=True)
def _softmax(y, top, scale, x, log_x):
    total = _ZERO
    for s in range(y.size):
        log_x[s] = (y[s] - top) * scale
        x[s] = math.exp(log_x[s])
        total += x[s]
    shift = math.log(total)
    share = _ONE / total
    for s in range(y.size):
        x[s] *= share
        log_x[s] -= shift
    return 1
