"""exp and log1p for loops over lanes, and the layout of such a loop.

LLVM turns a loop into vector instructions only if nothing in it calls the C library
and no sum in it has to be reordered. So the functions here are polynomials, and sums
over nodes are kept in `LANES` separate parts: nodes lie in rows of `LANES`, an inner
loop runs over a row, and part l adds up column l. The order of every sum is thereby
fixed in the source, whatever the width of the machine's vectors.

References
----------
M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions (1964), eq. 4.2.1 and
4.1.27, for the series; W. J. Cody and W. Waite, Software Manual for the Elementary
Functions (1980), for log 2 in two parts.
"""

from __future__ import annotations

import numpy as np

from statmech.jit import kernel

LANES = 8  # doubles in the widest vector there is; narrower ones take two or four

_LOG2_E = 1.4426950408889634
# log 2 = _HIGH + _LOW; _HIGH ends in 21 zero bits, so that its product with an
# exponent is exact.
_HIGH = 6.93147180369123816490e-01
_LOW = 1.90821492927058770002e-10
# Added to a small number it leaves the nearest integer in the last bits: 1.5 * 2**52.
_SHIFTER = 6755399441055744.0


def in_rows(values: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """`values` along the last axis in rows of `LANES`, the last one filled up."""
    missing = -values.shape[-1] % LANES
    pad = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
    padded = np.pad(values, pad, constant_values=fill)
    return padded.reshape(*values.shape[:-1], -1, LANES)


@kernel(inline=True)
def exp_parts(x):
    """(a, b) with exp(x) = a + b, for -708 <= x <= 708; a is a power of 2, 1 at x = 0.

    So b is expm1(x) to full relative accuracy where |x| < log(2)/2, and exp(x) - 1 =
    (a - 1) + b everywhere. The series is cut where |x|**14 / 14! < 5e-18.
    """
    shifted = x * _LOG2_E + _SHIFTER
    k = shifted - _SHIFTER
    r = (x - k * _HIGH) - k * _LOW
    # Odd and even powers apart: two short chains of operations instead of a long one.
    v = r * r
    odd = 1.0 / 6227020800.0
    odd = odd * v + 1.0 / 39916800.0
    odd = odd * v + 1.0 / 362880.0
    odd = odd * v + 1.0 / 5040.0
    odd = odd * v + 1.0 / 120.0
    odd = odd * v + 1.0 / 6.0
    even = 1.0 / 479001600.0
    even = even * v + 1.0 / 3628800.0
    even = even * v + 1.0 / 40320.0
    even = even * v + 1.0 / 720.0
    even = even * v + 1.0 / 24.0
    even = even * v + 0.5
    p = r + v * (even + r * odd)
    # The integer in the last bits becomes the exponent; all above it is shifted out.
    bits = np.float64(shifted).view(np.int64) + np.int64(1023)
    power = np.int64(bits << np.int64(52)).view(np.float64)
    return power, power * p


@kernel(inline=True)
def log1p_unit(x):
    """log(1 + x) for 0 <= x <= 1, as 2 artanh(s), s = x/(2 + x) <= 1/3.

    The series is cut where s**35 / 35 < 1e-18 of its first term.
    """
    s = x / (2.0 + x)
    v = s * s
    v2 = v * v
    odd = 1.0 / 31.0
    odd = odd * v2 + 1.0 / 27.0
    odd = odd * v2 + 1.0 / 23.0
    odd = odd * v2 + 1.0 / 19.0
    odd = odd * v2 + 1.0 / 15.0
    odd = odd * v2 + 1.0 / 11.0
    odd = odd * v2 + 1.0 / 7.0
    odd = odd * v2 + 1.0 / 3.0
    even = 1.0 / 33.0
    even = even * v2 + 1.0 / 29.0
    even = even * v2 + 1.0 / 25.0
    even = even * v2 + 1.0 / 21.0
    even = even * v2 + 1.0 / 17.0
    even = even * v2 + 1.0 / 13.0
    even = even * v2 + 1.0 / 9.0
    even = even * v2 + 0.2
    return 2.0 * (s + s * v * (odd + v * even))


@kernel(inline=True)
def lane_sum(parts):
    """Sum of the `LANES` parts, in pairs."""
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + (
        (parts[4] + parts[5]) + (parts[6] + parts[7])
    )
