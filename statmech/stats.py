"""Statistics of Monte Carlo traces: a mean with an error that can be believed.

A trace (n_chains, n_draws) follows one disorder sample; its error is thermal. Several
traces are independent disorder samples; the spread of their means is the error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_integer,
    check_real,
)

WINDOW_FACTOR = 5.0  # at a window of 5 tau a single exponential is down to exp(-10)
MINIMUM_TIMES = 50.0  # n_draws / tau below which tau itself is not known
MAXIMUM_RHAT = 1.05  # for one trace
UNCONVERGED_RHAT = 1.1  # for one disorder sample among many, of which ...
UNCONVERGED_FRACTION = 0.25  # ... this part may exceed it
MINIMUM_SAMPLES = 6  # a spread over fewer says little about its own size
CONSTANT = "constant series: no fluctuation was seen"


def short_notation(mean: float, error: float, digits: int = 2) -> str:
    """A number with its standard error (>= 0 or NaN) in its last `digits` digits.

    Raises `ParameterError` when `error` < 0 or `digits` is not from 1 to 9.

    >>> short_notation(0.96623, 0.00112), short_notation(12.34, 1.23)
    ('0.9662(11)', '12.3(1.2)')
    """
    digits = check_integer("digits", digits, 1, 9)
    if error < 0.0:
        raise ParameterError("error", error, "a standard error >= 0")
    if error == 0.0 or not (math.isfinite(mean) and math.isfinite(error)):
        return f"{mean:.6g}({error:.{digits}g})"
    # Decimals scale exactly: tiny and huge numbers need no special case.
    value, rounded = Decimal(float(mean)), Decimal(f"{error:.{digits - 1}e}")
    leading = max(rounded.adjusted(), value.adjusted() if value else -400)
    if leading - rounded.adjusted() > 15:  # beyond double precision
        return f"{mean:.15g}({error:.{digits - 1}e})"
    shift = 0 if -5 < leading < 6 else leading
    value, rounded = value.scaleb(-shift), rounded.scaleb(-shift)
    decimals = digits - 1 - rounded.adjusted()
    value = value.quantize(Decimal(1).scaleb(-decimals)) + 0  # + 0: no "-0.0"
    if rounded < 1:
        rounded = rounded.scaleb(decimals)
    return f"{value:f}({rounded:f})" + (f"e{shift:+03d}" if shift else "")


class _WithError:
    """Text form of a number that is never shown without its error."""

    error: float
    _shown: ClassVar[str] = "value"

    def __str__(self) -> str:
        return format(self)

    def __format__(self, spec: str) -> str:
        match = re.fullmatch(r"((?:.?[<>^])?\d*)(?:\.([1-9]))?", spec)
        if match is None:
            allowed = "[[fill]align][width][.digits of the error, 1 to 9]"
            raise ParameterError("format", spec, allowed, "or name the field to show")
        mean, digits = getattr(self, self._shown), int(match[2] or 2)
        mark = "" if getattr(self, "reliable", True) else "?"
        return format(short_notation(mean, self.error, digits) + mark, match[1])


@dataclass(frozen=True)
class Estimate(_WithError):
    """A mean with one standard error; prints as "0.9662(11)", with "?" if unreliable.

    tau, integrated autocorrelation time in draws, is NaN for a constant series and the
    median over disorder samples. n_eff, the number of independent values behind the
    error, is n_chains n_draws / tau (thermal) or n_samples (disorder): intervals need
    Student's t with n_eff - 1 degrees. rhat, split R-hat, is NaN where undefined and
    the maximum over samples. kind is "thermal" or "disorder"; n_draws is per chain, of
    the shortest trace; reason says why `reliable` is False, and is empty otherwise.
    """

    mean: float
    error: float
    tau: float
    n_eff: float
    rhat: float
    reliable: bool
    kind: str = "thermal"
    n_samples: int = 1
    n_draws: int = 0
    reason: str = ""
    _shown: ClassVar[str] = "mean"


@dataclass(frozen=True)
class AutocorrelationTime:
    """tau in draws (NaN for a constant series), whether to trust it, else why not.

    window is the lag where the sum was cut; None: it never closed, and tau is the
    largest partial sum. variance tau / (n_chains n_draws) is the mean's squared error.
    """

    tau: float
    window: int | None
    variance: float
    trusted: bool
    reason: str = ""


@dataclass(frozen=True)
class Jackknife(_WithError):
    """A function of means, its standard error and bias (value - bias is corrected)."""

    value: float
    error: float
    bias: float
    n_samples: int


@dataclass(frozen=True)
class Extrapolation(_WithError):
    """Line y = value + slope / N^power; reliable if every estimate that went in is."""

    value: float
    error: float
    slope: float
    slope_error: float
    chi2: float
    dof: int
    reliable: bool = True


def integrated_time(x: ArrayLike) -> AutocorrelationTime:
    """Integrated autocorrelation time, tau = 1 + 2 sum_{t >= 1} C(t) / C(0), in draws.

    White noise has tau = 1, an autoregression of coefficient phi (1 + phi)/(1 - phi).

    Parameters
    ----------
    x : array_like, (n_draws,) or (n_chains, n_draws)
        Draws at equal intervals, real and finite; chains follow one distribution.

    Returns
    -------
    AutocorrelationTime
        Not trusted when constant, when no window closes, or when n_draws < 50 tau.

    Raises
    ------
    ParameterError, ParameterTypeError
        `x` is empty, not finite, not real, or of another number of dimensions.

    Notes
    -----
    C(t) is taken about the mean of all chains: chains that disagree then correlate
    forever, tau grows to the length of the run, and the error to the spread between
    chains. Each chain's own mean would hide that, at n_chains times the bias. The mean
    being estimated, C(t) is low by tau C(0) / (n_chains n_draws); solving for tau at
    each window W removes this when n_draws >> tau (Wolff 2004).

    The sum stops at the smallest W >= 5 tau(W) (Sokal 1997). Its last lag counts half,
    and W is held against the sum over even lags too, so that an alternating C(t) is
    not cut early. The relative error of tau is about sqrt(20 tau / (n_chains n_draws)).

    References
    ----------
    N. Madras and A. D. Sokal, J. Stat. Phys. 50, 109 (1988), appendix C.
    A. D. Sokal, in Functional Integration (Plenum, 1997), p. 131, section 3.
    U. Wolff, Comput. Phys. Commun. 156, 143 (2004).
    J. Goodman and J. Weare, Comm. App. Math. Comp. Sci. 5, 65 (2010), section 5.
    """
    array = _trace("x", x)
    if _constant(array):
        return AutocorrelationTime(math.nan, None, 0.0, False, CONSTANT)
    (n_chains, n_draws), size = array.shape, array.size
    _, scale, deviation = _centred(array)
    lag = np.arange(n_draws // 2 + 1)
    length = 1 << (n_draws + n_draws // 2).bit_length()  # no wrap-around
    power = np.zeros(length // 2 + 1)
    for chain in deviation:  # one at a time: the transforms need not fit in memory
        spectrum = np.fft.rfft(chain, length)
        power += spectrum.real**2 + spectrum.imag**2
    c = np.fft.irfft(power, length)[lag] / (n_chains * (n_draws - lag))
    # Lags -W..W with half weight at the ends, which count as 2 W lags (1 at W = 0).
    total = np.where(lag > 0, 2.0 * np.cumsum(c) - c - c[0], c[0])
    total /= np.maximum(1.0 - np.maximum(2 * lag, 1) / size, 0.5)
    variance = c[0] + np.maximum(total, 0.0) / size
    even = 4.0 * np.cumsum(np.where(lag % 2 == 0, c, 0.0)) / c[0] - 3.0
    closed = lag >= WINDOW_FACTOR * np.maximum(total / variance, even)
    window = int(np.argmax(closed)) if closed.any() else None
    at = int(np.argmax(total / variance)) if window is None else window
    tau, reason = float(total[at] / variance[at]), ""
    if window is None:
        reason = "the autocorrelation did not decay within half of the run: run longer"
    elif tau <= 0.0:
        tau, reason = 1.0, "anticorrelation too strong to resolve: run longer"
    elif n_draws < MINIMUM_TIMES * max(tau, 1.0):
        reason = f"{n_draws} draws are too few for tau of about {tau:.2g}: run longer"
    square = float(variance[at]) * scale * scale
    return AutocorrelationTime(tau, window, square, not reason, reason)


def split_rhat(x: ArrayLike) -> float:
    """Split R-hat: spread between half chains against the spread within them.

        R-hat = sqrt(((n - 1)/n W + B/n) / W)

    over half chains of n draws: W is the mean of their variances, B/n the variance of
    their means. The plain form, without ranks, for the error of a mean is asked here.

    Parameters
    ----------
    x : array_like, (n_chains, n_draws) or (n_draws,)
        At least 4 draws; of an odd number the middle one is left out.

    Returns
    -------
    float
        Near 1 when chains agree and do not drift; NaN when nothing fluctuates; inf when
        the half chains are constant and differ.

    Raises
    ------
    ParameterError, ParameterTypeError
        As for `integrated_time`, or `x` is too short.

    References
    ----------
    A. Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), eq. 11.4.
    A. Vehtari et al., Bayesian Anal. 16, 667 (2021), eqs. 1 to 4.
    """
    array = _trace("x", x)
    n = array.shape[1] // 2
    if n < 2:
        raise ParameterError("x", array, "at least 4 draws long", "run longer")
    if _constant(array):
        return math.nan
    deviation = _centred(array)[2]
    halves = np.concatenate((deviation[:, :n], deviation[:, -n:]))
    variance = halves.var(axis=1, ddof=1)
    # What is computed for a constant half is rounding, and B/n would be divided by it.
    variance[np.ptp(halves, axis=1) == 0.0] = 0.0
    within, between = variance.mean(), halves.mean(axis=1).var(ddof=1)
    return math.sqrt((n - 1) / n + between / within) if within else math.inf


def estimate(traces: Any, observable: str = "m") -> Estimate:
    """Mean of an observable with its standard error, thermal or over the disorder.

    Parameters
    ----------
    traces : array_like or Trace, or list or tuple of these
        An array (n_draws,) or (n_chains, n_draws), real and finite, is one trace; its
        error is sqrt(C(0) tau / (n_chains n_draws)). A list holds independent disorder
        samples of any lengths and equal weight; the error std(means, ddof=1) /
        sqrt(n_samples) contains the thermal one.
    observable : str
        For objects that have `observable(name)`, which returns such an array.

    Returns
    -------
    Estimate
        Thermal, reliable: n_draws >= 50 tau, split R-hat < 1.05, not constant.
        Disorder, reliable: 6 samples or more, not all equal, and at most a quarter of
        them with R-hat > 1.1. There tau is the median, since single values are noisy,
        and R-hat the maximum, to show the worst sample. A frozen (constant) sample has
        no thermal diagnosis and does not count as unconverged.

    Raises
    ------
    ParameterError, ParameterTypeError
        No data, NaN or infinities, not real, or an array of more than 2 dimensions.

    Examples
    --------
    >>> print(estimate(0.9 + 0.1 * np.random.default_rng(1).normal(size=(4, 1000))))
    0.8990(16)
    """
    if not isinstance(observable, str):
        raise ParameterTypeError("observable", observable, "the name of an observable")
    if hasattr(traces, "observable") or not isinstance(traces, (list, tuple)):
        return _thermal(_trace("traces", traces, observable))
    if not traces:
        raise ParameterError("traces", traces, "a list of at least one trace")
    named = ((f"traces[{index}]", trace) for index, trace in enumerate(traces))
    return _disorder([_thermal(_trace(*item, observable)) for item in named])


def _thermal(x: NDArray[np.float64]) -> Estimate:
    mean, time = _centred(x)[0], integrated_time(x)
    rhat = split_rhat(x) if x.shape[1] >= 4 else math.nan
    error = 0.0 if _constant(x) else math.sqrt(time.variance * time.tau / x.size)
    n_eff, reason = x.size / time.tau, time.reason
    if rhat >= MAXIMUM_RHAT:  # the more fundamental failure
        reason = f"split R-hat is {rhat:.3g}: discard more of the start or run longer"
    checks = rhat, not reason, "thermal", 1, x.shape[1], reason
    return Estimate(mean, error, time.tau, n_eff, *checks)


def _disorder(samples: list[Estimate]) -> Estimate:
    n = len(samples)
    means = np.array([[sample.mean for sample in samples]])
    mean, scale, deviation = _centred(means)
    error = scale * float(deviation.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    taus = [sample.tau for sample in samples if not math.isnan(sample.tau)]
    rhats = [sample.rhat for sample in samples if not math.isnan(sample.rhat)]
    tau, rhat = float(np.median(taus or math.nan)), max(rhats, default=math.nan)
    failed, reason = sum(rhat > UNCONVERGED_RHAT for rhat in rhats), ""
    if n < MINIMUM_SAMPLES:
        reason = f"{n} disorder samples: an error needs {MINIMUM_SAMPLES} or more"
    elif _constant(means):
        error, reason = 0.0, CONSTANT
    elif failed > UNCONVERGED_FRACTION * n:
        reason = f"{failed} of {n} samples have split R-hat > {UNCONVERGED_RHAT}"
    n_draws = min(sample.n_draws for sample in samples)
    checks = rhat, not reason, "disorder", n, n_draws, reason
    return Estimate(mean, error, tau, float(n), *checks)


def jackknife(function: Callable[[Any], float], samples: ArrayLike) -> Jackknife:
    """Delete-one jackknife of a smooth function of means over independent samples.

        error^2 = (n - 1)/n sum_i (f_i - f_mean)^2,    bias = (n - 1)(f_mean - f)

    with f at the mean of all samples, f_i without sample i, f_mean the mean of f_i.

    Parameters
    ----------
    function : callable
        Takes the mean, of shape (...), and returns a finite real number.
    samples : array_like, (n_samples, ...)
        At least 2, real and finite, such as one row of moments per disorder sample.

    Raises
    ------
    ParameterError, ParameterTypeError
        Bad samples, or the function is not a finite real number where it is needed.

    References
    ----------
    B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans (SIAM, 1982).
    """
    if not callable(function):
        raise ParameterTypeError("function", function, "callable with one argument")
    x = _real("samples", samples, "an array (n_samples, ...)")
    if x.ndim == 0 or x.size == 0 or len(x) < 2:
        raise ParameterError("samples", x, "an array of at least 2 samples")
    n, mean, name = len(x), x.mean(axis=0), "value of function"
    value = check_real(name, function(mean))
    left_out = (function(mean + (mean - sample) / (n - 1)) for sample in x)
    values = np.array([[check_real(name, result) for result in left_out]])
    centre, scale, deviation = _centred(values)
    error = scale * math.sqrt((n - 1) * float(np.mean(deviation**2)))
    return Jackknife(value, error, (n - 1) * (centre - value), n)


def extrapolate(
    sizes: ArrayLike, estimates: Sequence[Any], power: float = 1
) -> Extrapolation:
    """Limit N -> infinity of y(N) = y_inf + slope / N^power, weighted by 1/error^2.

    Errors are not rescaled by chi2: judge the line by chi2 against dof = n_sizes - 2.

    Parameters
    ----------
    sizes : array_like, (n_sizes,)
        N > 0, at least two different ones; two give the exact line.
    estimates : sequence of Estimate, Jackknife or pair (mean, error)
        One per size, independent, errors finite and > 0.
    power : float
        0 < power <= 10: 1 away from transitions, less at critical points.

    Raises
    ------
    ParameterError, ParameterTypeError
        Sizes or errors out of range, or lengths that differ.
    """
    n = check_array("sizes", sizes, (None,))
    power = check_real("power", power, 0.0, 10.0, low_open=True)
    if n.size == 0 or n.min() <= 0.0 or n.min() == n.max():
        raise ParameterError("sizes", n, "positive, with at least two different ones")
    if not isinstance(estimates, Sequence) or len(estimates) != n.size:
        raise ParameterError("estimates", estimates, f"{n.size} in a list, one a size")
    pairs = [_pair(f"estimates[{i}]", item) for i, item in enumerate(estimates)]
    y, error = np.array(pairs).T
    # In units of the smallest size and the smallest error nothing overflows.
    unit, to_slope, dof = float(error.min()), float(n.min()) ** power, n.size - 2
    x, weight = (n.min() / n) ** power, (unit / error) ** 2
    centre, level = np.average(x, weights=weight), np.average(y, weights=weight)
    sxx = float(np.sum(weight * (x - centre) ** 2))
    slope = float(np.sum(weight * (x - centre) * (y - level))) / sxx
    residual = (y - level - slope * (x - centre)) / error
    value, chi2 = float(level - slope * centre), float(np.sum(residual**2))
    value_error = unit * math.sqrt(1.0 / weight.sum() + centre**2 / sxx)
    line = value, value_error, slope * to_slope, unit / math.sqrt(sxx) * to_slope
    reliable = all(getattr(item, "reliable", True) for item in estimates)
    return Extrapolation(*line, chi2 if dof else 0.0, dof, reliable)


def _pair(name: str, item: Any) -> tuple[float, float]:
    if not (isinstance(item, (tuple, list)) and len(item) == 2):
        mean = getattr(item, "mean", getattr(item, "value", None))
        item = mean, getattr(item, "error", None)
    remedy = "an estimate that is frozen or of one sample has no error to weigh it by"
    error = check_real(f"error of {name}", item[1], 0.0, low_open=True, remedy=remedy)
    return check_real(f"mean of {name}", item[0]), error


def _real(name: str, value: Any, allowed: str) -> NDArray[np.float64]:
    try:
        shape = np.shape(value)
    except (TypeError, ValueError):  # ragged
        raise ParameterTypeError(name, value, allowed) from None
    return check_array(name, value, shape).reshape(shape)  # a number stays 0-d


def _trace(name: str, value: Any, observable: str = "m") -> NDArray[np.float64]:
    """One trace as a float64 array (n_chains, n_draws)."""
    if hasattr(value, "observable"):
        value = value.observable(observable)
    allowed = "one trace, an array (n_draws,) or (n_chains, n_draws), not empty"
    array = _real(name, value, allowed)
    if array.ndim not in (1, 2) or array.size == 0:
        remedy = "several disorder samples are given as a list of such arrays"
        raise ParameterError(name, value, allowed, remedy if array.size else "")
    return np.atleast_2d(array)


def _constant(x: NDArray[np.float64]) -> bool:
    """True when nothing but rounding distinguishes the values."""
    return bool(np.ptp(x) <= 8.0 * np.finfo(np.float64).eps * np.abs(x).max())


def _centred(x: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]]:
    """Mean, scale, and deviations in units of the scale: squares cannot underflow."""
    shifted = x - x.flat[0]  # a constant has exactly its mean
    deviation = shifted - shifted.mean()
    scale = float(np.abs(deviation).max()) or 1.0
    return float(x.flat[0] + shifted.mean()), scale, deviation / scale
