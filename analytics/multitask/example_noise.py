"""How much noise of the examples the hierarchy of a multitasking network bears."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from analytics.multitask.learning import (
    LARGEST_NUMBER,
    check_quality,
    dataset_entropy,
)
from analytics.multitask.storage import MAX_PATTERNS, check_dilution
from analytics.solve import Prediction, find_root
from statmech.errors import check_integer, check_real
from statmech.status import Status

Vector = NDArray[np.float64]

_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
# Noise levels searched: rho_s is of order (1 - d)**2, and 1 - d > 1e-16.
_LOWEST, _HIGHEST, _PER_DECADE = 1e-36, 1e6, 8


def find_noise_threshold(n_patterns: int, dilution: float) -> Prediction:
    """Noise rho_s of the examples above which the parallel state is stable at T = 0.

    For many weak examples (the Gaussian law), where rho = (1 - r**2)/(M r**2) is all
    that counts. Below rho_s all magnetisations differ, above it equal ones are a
    minimum. With nu entries on a site, of sum S, and phi the normal density,

        lambda = 1 - E[phi(w) (nu - S**2/nu + rho (nu - 1))/s] K
                     / ((K-1) E[S erf(w/sqrt(2))/2 + rho nu phi(w)/s]),
        s = sqrt(rho nu),   w = S/s,

    is the (K-1)-fold transverse eigenvalue of the parallel state at T = 0, in units of
    the gain; rho_s is its largest root.

    Parameters
    ----------
    n_patterns : int
        K, from 2 to 1000.
    dilution : float
        d, 0 <= d < 1.

    Returns
    -------
    Prediction
        rho_s, the same for both protocols and any gain. About
        (4/pi) ((1 - d)/(1 + d))**2 for K = 2, within 0.3 percent for d >= 0.3. For
        K >= 3 the unequal state may survive slightly above it. NO_TRANSITION where the
        eigenvalue changes sign nowhere from rho = 1e-36 to 1e6.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    Derived here, for the model of "Parallel learning by multitasking neural networks",
    arXiv:2308.04106 (2023).

    Examples
    --------
    >>> print(find_noise_threshold(2, 0.5))
    0.1413159275 +- 2e-15
    """
    k = check_integer("n_patterns", n_patterns, 2, MAX_PATTERNS)
    d = check_dilution(dilution)
    sums = _Sums(k, d)
    n_grid = round(_PER_DECADE * math.log10(_HIGHEST / _LOWEST)) + 1
    # The largest root, so downwards.
    grid = np.geomspace(_HIGHEST, _LOWEST, n_grid)
    above = sums.transverse(float(grid[0]))
    for high, low in itertools.pairwise(grid):
        below = sums.transverse(float(low))
        if below <= 0.0 < above:
            return _root(sums, float(low), float(high))
        above = below
    return Prediction.missing(Status.NO_TRANSITION)


def _root(sums: _Sums, low: float, high: float) -> Prediction:
    root = find_root(sums.transverse, low, high)
    if not root.status.ok:
        return root
    rho, h = root.value, 1e-5 * root.value
    slope = (sums.transverse(rho + h) - sums.transverse(rho - h)) / (2.0 * h)
    rounding = 16.0 * float(np.finfo(np.float64).eps) / abs(slope)
    return Prediction(rho, root.error + rounding, root.status)


class _Sums:
    """Sites by the number nu of their entries and the sum S of these."""

    def __init__(self, n_patterns: int, dilution: float):
        from scipy.special import gammaln, xlogy

        self.k = n_patterns
        # S = 2 j - nu, j entries positive; S and -S are alike.
        nu, j = np.meshgrid(
            np.arange(n_patterns + 1.0), np.arange(n_patterns + 1.0), indexing="ij"
        )
        kept = (nu > 0.0) & (2.0 * j >= nu) & (j <= nu)
        self.nu, j = nu[kept], j[kept]
        self.total = 2.0 * j - self.nu
        log_weight = (
            gammaln(n_patterns + 1.0)
            - gammaln(n_patterns - self.nu + 1.0)
            - gammaln(j + 1.0)
            - gammaln(self.nu - j + 1.0)
            + xlogy(self.nu, 0.5 * (1.0 - dilution))
            + xlogy(n_patterns - self.nu, dilution)
        )
        self.weight = np.exp(log_weight) * np.where(self.total > 0.0, 2.0, 1.0)

    def transverse(self, rho: float) -> float:
        """lambda."""
        from scipy.special import erf

        nu, total = self.nu, self.total
        s = np.sqrt(rho * nu)
        w = total / s
        density = self.weight * np.exp(-0.5 * w * w) / (s * math.sqrt(2.0 * math.pi))
        apart = nu - total * total / nu + rho * (nu - 1.0)
        signal = 0.5 * float(self.weight @ (total * erf(w * math.sqrt(0.5))))
        overlap = signal + rho * float(density @ nu)
        ratio = self.k / (self.k - 1.0)
        return 1.0 - ratio * float(density @ apart) / overlap


def hierarchy_min_examples(
    n_patterns: int, dilution: float, quality: float
) -> Prediction:
    """Number of examples that keeps the hierarchy at T = 0: (1-r**2)/(r**2 rho_s).

    With fewer the parallel state is a minimum at T = 0, and one step of retrieval, as
    in `find_min_examples`, is no promise of the state that is reached in the end.

    Parameters
    ----------
    n_patterns : int
        K, from 2 to 1000.
    dilution : float
        d, 0 <= d < 1.
    quality : float
        r, from 1e-100 to 1.

    Returns
    -------
    Prediction
        M, real; for the Gaussian law of many examples. NO_TRANSITION as
        `find_noise_threshold`.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    Derived here, for the model of "Parallel learning by multitasking neural networks",
    arXiv:2308.04106 (2023).

    Examples
    --------
    >>> round(hierarchy_min_examples(2, 0.3, 0.4).value, 2)
    14.25
    """
    r = check_quality(quality)
    threshold = find_noise_threshold(n_patterns, dilution)
    if not threshold.status.ok:
        return threshold
    value = dataset_entropy(1, r) / threshold.value
    relative = threshold.error / threshold.value + 1e-15
    return Prediction(value, value * relative, threshold.status)


def parallel_dilution(rho: float, *, n_examples: int | None = None) -> float:
    """Dilution d* above which the parallel state comes first below T_c.

    Next to T_c the quartic term of the free energy decides between a pure and a
    parallel state: d* = 1 - E[etabar**4]/(3 E[etabar**2]**2) on the support.

    Parameters
    ----------
    rho : float
        Dataset entropy (1 - r**2)/(M r**2), finite and >= 0.
    n_examples : int, optional
        M >= 1, for the exact law with that many examples; None for the Gaussian limit,
        d* = 2/(3 (1 + rho)**2).

    Returns
    -------
    float
        From 0 to 2/3, the value without noise and with one example.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    Derived here, for the model of "Parallel learning by multitasking neural networks",
    arXiv:2308.04106 (2023).

    Examples
    --------
    >>> round(parallel_dilution(0.3), 5), round(parallel_dilution(0.3, n_examples=1), 5)
    (0.39448, 0.66667)
    """
    noise = check_real("rho", rho, 0.0, 1e100)
    if n_examples is None:
        return 2.0 / (3.0 * (1.0 + noise) ** 2)
    m = float(check_integer("n_examples", n_examples, 1, LARGEST_NUMBER))
    square = 1.0 / (1.0 + m * noise)  # r**2
    # Moments of a sum of M signs of mean r, by how many of its factors coincide.
    second = 1.0 + (m - 1.0) * square
    fourth = (3.0 * m - 2.0) + 2.0 * (m - 1.0) * square * (3.0 * m - 4.0)
    fourth += (m - 1.0) * (m - 2.0) * (m - 3.0) * square * square
    return 1.0 - fourth / (3.0 * m * second * second)
