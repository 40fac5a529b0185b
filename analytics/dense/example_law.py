"""What a site sees of an archetype that was learnt from noisy examples.

M examples of the archetype xi, each entry right with probability (1 + r)/2, have the
mean etabar, E[etabar**2] = R = r**2 + (1 - r**2)/M. All that replica-symmetric theory
needs is the law of v = xi etabar/sqrt(R): the M + 1 values (2B - M)/(M sqrt(R)) with B
binomial, their Gaussian limit (1 + sqrt(rho) g)/sqrt(1 + rho) for many examples at
given rho = (1 - r**2)/(M r**2), or the values of given sites.

A field v a + sigma z is odd in (v, z), so values v and -v count together: |v|, its
probability, and the mean of the sign of v given |v|.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.gauss import sech2_rise, tanh_averages_kernel
from analytics.multitask.lattice import example_letter, lattice_size, mean_square
from statmech.errors import ParameterError, check_array
from statmech.jit import kernel

# Weights below it are left out; all of them together are below rounding.
NEGLIGIBLE = 1e-18
# Longer lattices are refused: about a minute for a state.
LARGEST_LATTICE = 40_000


class ExampleLaw(NamedTuple):
    """The law of v, values v and -v together.

    sizes (n,) >= 0, weights (n,) that sum to 1, signs (n,) = E[sgn v given |v|] in
    [-1, 1]; mean_size = E|v|; square = R. rho > 0 marks the Gaussian law, which has no
    values.
    """

    sizes: NDArray[np.float64]
    weights: NDArray[np.float64]
    signs: NDArray[np.float64]
    mean_size: float
    square: float
    rho: float


class LawAverages(NamedTuple):
    """Averages over v and over the noise of y = v mu + sigma z.

    deficit = E[|v|] - E[v tanh y], m = E[tanh y], slope = E[v tanh y sech**2 y] =
    -d E[v tanh y]/d sigma**2, spread = E[v**2 sech**2 y], rise =
    d E[sech**2 y]/d sigma**2.
    """

    deficit: float
    m: float
    sech2: float
    sech4: float
    slope: float
    spread: float
    rise: float
    log_2cosh: float
    error: float


def binomial_law(n_examples: int, quality: float) -> ExampleLaw:
    """Exact law of M examples of quality r.

    >>> law = binomial_law(2, 0.5)
    >>> [part.round(4).tolist() for part in law[:3]]
    [[0.0, 1.2649], [0.375, 0.625], [0.0, 0.8]]
    """
    if lattice_size(n_examples, quality) > LARGEST_LATTICE:
        raise ParameterError(
            "n_examples",
            n_examples,
            f"such that the mean of the examples has at most {LARGEST_LATTICE} values",
            'use etabar="gaussian", its limit for many examples',
        )
    letter = example_letter(n_examples, quality, 0.0)
    middle = letter.weight.size // 2
    weights = 2.0 * letter.weight[middle:]
    weights[0] *= 0.5
    sizes, signs = letter.e[middle:, 0], letter.x[middle:, 0]
    return _law(sizes, weights, signs, mean_square(n_examples, quality))


def gaussian_law(n_examples: int, quality: float) -> ExampleLaw:
    """The limit of many examples at given rho; without noise, v = 1."""
    square = mean_square(n_examples, quality)
    rho = (1.0 - quality) * (1.0 + quality) / n_examples / (quality * quality)
    one = np.ones(1)
    if rho == 0.0:
        return ExampleLaw(one, one, one, 1.0, square, 0.0)
    # E|v| of a Gaussian of mean 1 and variance rho, over sqrt(1 + rho).
    folded = math.sqrt(2.0 * rho / math.pi) * math.exp(-0.5 / rho)
    mean = (math.erf(1.0 / math.sqrt(2.0 * rho)) + folded) / math.sqrt(1.0 + rho)
    nothing = np.empty(0)
    return ExampleLaw(nothing, nothing, nothing, mean, square, rho)


def realised_law(values: ArrayLike, n_examples: int, quality: float) -> ExampleLaw:
    """Values v of the sites of one archetype, each with the weight 1/N."""
    v = check_array("values", values, (None,))
    if not np.any(v):
        raise ParameterError("values", v, "an array with entries other than 0")
    # Values that are equal but for rounding of their computation count together.
    scale = float(np.abs(v).max())
    steps, place = np.unique(np.round(np.abs(v) / scale, 12), return_inverse=True)
    count = np.bincount(place.ravel(), minlength=steps.size).astype(np.float64)
    sizes = np.bincount(place.ravel(), np.abs(v)) / count
    signs = np.bincount(place.ravel(), np.sign(v)) / count
    return _law(sizes, count / v.size, signs, mean_square(n_examples, quality))


def _law(
    sizes: NDArray[np.float64],
    weights: NDArray[np.float64],
    signs: NDArray[np.float64],
    square: float,
) -> ExampleLaw:
    keep = weights > NEGLIGIBLE
    sizes, weights, signs = (
        np.ascontiguousarray(part[keep]) for part in (sizes, weights, signs)
    )
    return ExampleLaw(sizes, weights, signs, float(weights @ sizes), square, 0.0)


@kernel
def law_averages(law, mu, sigma):
    """`LawAverages` at one (mu, sigma >= 0)."""
    if law.rho > 0.0:
        return _gaussian_averages(law, mu, sigma)
    deficit = m = sech2 = sech4 = slope = spread = rise = log_2cosh = error = 0.0
    for j in range(law.sizes.shape[0]):
        v, w = law.sizes[j], law.weights[j]
        a = tanh_averages_kernel(v * mu, sigma)
        deficit += w * v * a.one_minus_tanh
        m += w * law.signs[j] * a.tanh
        sech2 += w * a.sech2
        sech4 += w * a.sech4
        slope += w * v * a.tanh_sech2
        spread += w * v * v * a.sech2
        rise += w * sech2_rise(v * mu, sigma, a)
        log_2cosh += w * a.log_2cosh
        error += w * max(v, 1.0) * a.error
    return LawAverages(deficit, m, sech2, sech4, slope, spread, rise, log_2cosh, error)


@kernel
def _gaussian_averages(law, mu, sigma):
    """v and z merge into one Gaussian; factors v come out by Stein's identity."""
    rho = law.rho
    root = math.sqrt(1.0 + rho)
    part = mu / root
    total = math.hypot(math.sqrt(rho) * part, sigma)
    a = tanh_averages_kernel(part, total)
    rise = sech2_rise(part, total, a)
    # E[(v - E v) F(y)] = (mu rho/(1 + rho)) E[F'(y)].
    lift = rho * part
    folded = math.sqrt(2.0 * rho / math.pi) * math.exp(-0.5 / rho)
    lost = math.erfc(1.0 / math.sqrt(2.0 * rho))
    deficit = ((a.one_minus_tanh - lost) - (lift * a.sech2 - folded)) / root
    slope = (a.tanh_sech2 - lift * rise) / root
    # E[v**2 F] = (E[F] (1 + rho) + 2 lift E[F'] + lift**2 E[F''])/(1 + rho).
    second = a.sech2 * (1.0 + rho) - 4.0 * lift * a.tanh_sech2
    spread = (second + 2.0 * lift * lift * rise) / (1.0 + rho)
    error = a.error * (1.0 + lift) / root
    return LawAverages(
        deficit, a.tanh, a.sech2, a.sech4, slope, spread, rise, a.log_2cosh, error
    )


@kernel
def noiseless(law, mu):
    """(E|v| - E[v tanh(v mu)], E[v tanh(v mu)]), the second with its digits at 0."""
    if law.rho > 0.0:
        a = _gaussian_averages(law, mu, 0.0)
        return a.deficit, law.mean_size - a.deficit
    deficit = overlap = 0.0
    for j in range(law.sizes.shape[0]):
        v = law.sizes[j]
        e = math.exp(-2.0 * v * mu)
        deficit += law.weights[j] * v * 2.0 * e / (1.0 + e)
        overlap += law.weights[j] * v * math.tanh(v * mu)
    return deficit, overlap


@kernel
def step_averages(law, x):
    """T = 0: (E[sgn], E[v sgn], E[delta], E[v**2 delta]) of v x + z/sqrt(2).

    E over the Gaussian z gives erf(v x) and exp(-(v x)**2)/sqrt(pi).
    """
    norm = 0.5641895835477563
    if law.rho > 0.0:
        rho = law.rho
        root = math.sqrt(1.0 + rho)
        variance = rho / (1.0 + rho)
        wide = 1.0 + 2.0 * variance * x * x
        y = x / root / math.sqrt(wide)
        m = math.erf(y)
        density = norm * math.exp(-y * y) / math.sqrt(wide)
        # Under the product of both Gaussians v has this mean and variance.
        mean = 1.0 / root / wide
        spread = density * (mean * mean + variance / wide)
        return m, m / root + 2.0 * x * variance * density, density, spread
    m = overlap = density = spread = 0.0
    for j in range(law.sizes.shape[0]):
        v, w = law.sizes[j], law.weights[j]
        t = math.erf(v * x)
        d = w * norm * math.exp(-((v * x) ** 2))
        m += w * law.signs[j] * t
        overlap += w * v * t
        density += d
        spread += v * v * d
    return m, overlap, density, spread
