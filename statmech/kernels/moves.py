"""Which spins are tried, and how far their alignment may go: the noise of a sweep.

A trial turns spin i if its alignment x = s_i h_i, half the cost of the flip, is below
a cut that depends on the uniform u of the trial alone:

    heat bath    u < 1 / (1 + exp(2 beta x))   <=>   x < log((1 - u) / u) / (2 beta)
    Metropolis   u < exp(-2 beta x)            <=>   x < -log(u) / (2 beta)

So the noise of many trials is drawn ahead, in SIMD lanes, and what is left of the
acceptance is one comparison: no exponential waits for the field. The logarithm is our
own, from operations that round alike in a lane and in a scalar, so that every form of
the kernels sees the same cuts.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from statmech.jit import kernel
from statmech.rng import (
    PERMUTATION,
    SECOND_WORD,
    TIE,
    mix64,
    site_of,
    uniform24_of,
    uniform53_of,
    word,
)

# Bound on the error of `coarse_log_ratio`: rounding of an exponent up to 25 times
# log 2 (1e-6), of the arguments (1.2e-7), of the series, and its end (3e-7).
COARSE = 4e-6
_MANTISSA32, _EXPONENT_OF_ONE32 = np.int32(0x7FFFFF), np.int32(0x3F800000)
_SQRT2_32, _LOG2_32 = np.float32(1.4142135), np.float32(0.6931472)
_HALF32, _ONE32, _TWO32 = np.float32(0.5), np.float32(1.0), np.float32(2.0)
_THIRD32, _FIFTH32 = np.float32(1.0 / 3.0), np.float32(0.2)
_SEVENTH32 = np.float32(1.0 / 7.0)

HEAT_BATH, METROPOLIS = 0, 1
RANDOM, PERMUTED, SEQUENTIAL = 0, 1, 2

# Sites and cuts of so many trials are drawn at one time: they stay in the L1 cache.
BLOCK = 512

_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_EXPONENT_OF_ONE = np.uint64(0x3FF0000000000000)
_SQRT2 = 1.4142135623730951
# log 2 in two parts; the upper ends in 21 zero bits, so that its product with an
# exponent is exact.
_LOG2_HIGH = 0.6931471803691238
_LOG2_LOW = 1.9082149292705877e-10


_OTHER: dict[Any, Any] = {
    numba.float64: (numba.uint64, ir.IntType(64)),
    numba.uint64: (numba.float64, ir.DoubleType()),
    numba.float32: (numba.int32, ir.IntType(32)),
    numba.int32: (numba.float32, ir.FloatType()),
}


def _cast(typing_context: Any, x: Any) -> Any:
    """The bits of a float as an integer, or of an integer as a float.

    In a register, so that it is done in every SIMD lane.
    """
    to, kind = _OTHER[x]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], kind)

    return to(x), generate


def _cast_in_python(x: Any) -> Any:
    """`_cast` for kernels that run as plain Python."""
    to = {np.float64: np.uint64, np.uint64: np.float64, np.float32: np.int32}
    return x.view(to.get(type(x), np.float32))


cast: Any = intrinsic(_cast)
if getattr(numba.config, "DISABLE_JIT", 0):
    cast = _cast_in_python


@kernel(inline=True)
def log_ratio(a, b):
    """log(a / b) of normal numbers > 0, to a few 1e-16 absolute or relative.

    With mantissas brought within a factor sqrt(2), log(a/b) = 2 artanh(y) with
    y = (a - b)/(a + b), |y| < 0.1716, whose series is cut below 2e-17 relative.
    """
    bits_a, bits_b = cast(np.float64(a)), cast(np.float64(b))
    exponent = np.int64(bits_a >> np.uint64(52)) - np.int64(bits_b >> np.uint64(52))
    x = cast((bits_a & _MANTISSA) | _EXPONENT_OF_ONE)
    y = cast((bits_b & _MANTISSA) | _EXPONENT_OF_ONE)
    above = x > _SQRT2 * y
    below = y > _SQRT2 * x
    x = 0.5 * x if above else x
    y = 0.5 * y if below else y
    e = float(exponent) + (1.0 if above else 0.0) - (1.0 if below else 0.0)
    z = (x - y) / (x + y)
    z2 = z * z
    p = 1.0 / 21.0
    p = p * z2 + 1.0 / 19.0
    p = p * z2 + 1.0 / 17.0
    p = p * z2 + 1.0 / 15.0
    p = p * z2 + 1.0 / 13.0
    p = p * z2 + 1.0 / 11.0
    p = p * z2 + 1.0 / 9.0
    p = p * z2 + 1.0 / 7.0
    p = p * z2 + 1.0 / 5.0
    p = p * z2 + 1.0 / 3.0
    z = 2.0 * z
    return e * _LOG2_HIGH + (z + (z * z2 * p + e * _LOG2_LOW))


@kernel(inline=True)
def coarse_log_ratio(a, b):
    """`log_ratio` in float32, of numbers from 1 to 2**25: to `COARSE`, absolute.

    It has twice as many lanes. Whoever takes it has to ask `log_ratio` where the error
    could matter.
    """
    bits_a, bits_b = cast(np.float32(a)), cast(np.float32(b))
    exponent = np.int32((bits_a >> np.int32(23)) - (bits_b >> np.int32(23)))
    x = cast(np.int32(np.int32(bits_a & _MANTISSA32) | _EXPONENT_OF_ONE32))
    y = cast(np.int32(np.int32(bits_b & _MANTISSA32) | _EXPONENT_OF_ONE32))
    above = x > np.float32(_SQRT2_32 * y)
    below = y > np.float32(_SQRT2_32 * x)
    x = np.float32(_HALF32 * x) if above else x
    y = np.float32(_HALF32 * y) if below else y
    exponent = np.int32(exponent + (np.int32(1) if above else np.int32(0)))
    exponent = np.int32(exponent - (np.int32(1) if below else np.int32(0)))
    z = np.float32(np.float32(x - y) / np.float32(x + y))
    z2 = np.float32(z * z)
    p = np.float32(np.float32(_SEVENTH32 * z2) + _FIFTH32)
    p = np.float32(np.float32(p * z2) + _THIRD32)
    p = np.float32(np.float32(p * z2) + _ONE32)
    p = np.float32(np.float32(p * z) * _TWO32)
    return np.float32(np.float32(np.float32(exponent) * _LOG2_32) + p)


@kernel(inline=True)
def cut_of(dynamics, half_t, u):
    """The alignment below which a flip is accepted, at temperature 2 half_t > 0."""
    if dynamics == HEAT_BATH:
        return half_t * log_ratio(1.0 - u, u)
    return half_t * log_ratio(1.0, u)


@kernel(inline=True)
def half_temperature(beta):
    """T / 2; inf at beta = 0, where every cut is infinite."""
    return 0.5 / beta


@kernel
def accepts(dynamics, beta, x, u):
    """Whether a flip of alignment x is accepted, u uniform in (0, 1).

    At beta = inf a spin turns if its field opposes it; zero field keeps it, but for a
    coin u = 1, which no uniform is.
    """
    if beta == math.inf:
        return x < 0.0 or (x == 0.0 and u == 1.0)
    return x < cut_of(dynamics, half_temperature(beta), u)


@kernel
def draw_cuts(rules, beta, key, clock, cuts):
    """cuts[j] of trial clock + j, for one chain."""
    if beta == math.inf:
        cold_cuts(rules.ties, key, clock, cuts)
    elif rules.wide:
        half_t = half_temperature(beta)
        for j in range(cuts.shape[0]):
            u = uniform53_of(word(key, SECOND_WORD + np.uint64(clock + j)))
            cuts[j] = cut_of(rules.dynamics, half_t, u)
    elif rules.dynamics == HEAT_BATH:
        # The rule is decided outside, so that the loop has one body to vectorise.
        heat_bath_cuts(half_temperature(beta), key[0], key[1], clock, cuts)
    else:
        metropolis_cuts(half_temperature(beta), key[0], key[1], clock, cuts)


@kernel
def cold_cuts(ties, key, clock, cuts):
    """At T = 0 x < 0 is accepted; x = 0 as well where the coin of a tie says so."""
    for j in range(cuts.shape[0]):
        coin = np.uint64(0)
        if ties:
            coin = word(key, TIE + np.uint64(clock + j)) >> np.uint64(63)
        cuts[j] = 5e-324 if coin else 0.0


@kernel
def heat_bath_cuts(half_t, seed, gamma, clock, cuts):
    """Cuts from the uniforms of 24 bits."""
    for j in range(cuts.shape[0]):
        w = mix64(np.uint64(seed + np.uint64(clock + j) * gamma))
        u = uniform24_of(w)
        cuts[j] = half_t * log_ratio(1.0 - u, u)


@kernel
def metropolis_cuts(half_t, seed, gamma, clock, cuts):
    """Cuts from the uniforms of 24 bits."""
    for j in range(cuts.shape[0]):
        w = mix64(np.uint64(seed + np.uint64(clock + j) * gamma))
        cuts[j] = half_t * log_ratio(1.0, uniform24_of(w))


@kernel
def draw_sites(scan, key, clock, first, n, sites):
    """sites[j] of trial first + j of a sweep whose first trial is `clock`."""
    if scan == RANDOM:
        random_sites(key[0], key[1], clock + first, n, sites)
    else:
        for j in range(sites.shape[0]):
            sites[j] = first + j


@kernel
def random_sites(seed, gamma, clock, n, sites):
    """Independent sites, with repetition."""
    for j in range(sites.shape[0]):
        w = mix64(np.uint64(seed + np.uint64(clock + j) * gamma))
        sites[j] = site_of(w, n)


@kernel
def permute(sites, clock, key):
    """Fisher-Yates shuffle of `sites`, in place."""
    n = sites.shape[0]
    for i in range(n):
        sites[i] = i
    for i in range(n - 1, 0, -1):
        j = site_of(word(key, PERMUTATION + np.uint64(clock + i)), i + 1)
        held = sites[i]
        sites[i] = sites[j]
        sites[j] = held


@kernel(inline=True)
def block_of(scan, key, clock, first, n, sites):
    """The sites of the block of trials that begins with trial `first` of a sweep."""
    count = min(BLOCK, n - first)
    if scan == PERMUTED:
        return sites[first : first + count]
    block = sites[:count]
    draw_sites(scan, key, clock, first, n, block)
    return block
