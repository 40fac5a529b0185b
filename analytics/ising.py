"""Two solved models of Ising spins: Curie-Weiss and Sherrington-Kirkpatrick.

They are limits of the networks (one stored pattern; infinitely many), so their exact
numbers judge both theory and simulation. Units J = 1, k_B = 1; s_i = +-1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytics.gauss import tanh_averages_kernel
from analytics.solve import Prediction, SaddlePoint, find_root
from statmech.errors import check_integer, check_real, check_temperature
from statmech.status import Status

_RESIDUAL_TOLERANCE = 1e-12
# Trapezoidal rule for a standard Gaussian, as in `analytics.gauss` below sigma = 1.5.
_Z = 0.125 * np.arange(-80, 81)
_W = 0.125 * math.sqrt(0.5 / math.pi) * np.exp(-0.5 * _Z * _Z)


def solve_curie_weiss(temperature: float, field: float = 0.0) -> SaddlePoint:
    """Curie-Weiss ferromagnet, N -> infinity: m = tanh((m + h)/T).

    H = -(1/2N) sum_{i != j} s_i s_j - h sum_i s_i.

    Parameters
    ----------
    temperature, field : float
        T from 0 to inf, |h| <= 1e100.

    Returns
    -------
    SaddlePoint
        Of the stable state with the sign of h, m >= 0 at h = 0: m; q = m**2;
        f = m**2/2 - T log(2 cosh((m + h)/T)), u = -m**2/2 - h m; replicon 1.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    M. Kac, Statistical Physics, Phase Transitions and Superfluidity 1 (1968), p. 241;
    C. J. Thompson, Mathematical Statistical Mechanics (Macmillan, 1972).

    Examples
    --------
    >>> round(solve_curie_weiss(0.5).m, 12)
    0.957504024077
    """
    t = check_temperature(temperature)
    h = _check_field(field)
    size = abs(h)
    if t == math.inf:
        return _closed_form(0.0, 0.0, -math.inf, 0.0, 1.0)
    if t == 0.0 or math.isinf((1.0 + size) / t):
        return _closed_form(math.copysign(1.0, h), 1.0, -0.5 - size, -0.5 - size, 1.0)
    if h == 0.0 and t >= 1.0:
        return _closed_form(0.0, 0.0, -t * math.log(2.0), 0.0, 1.0)
    calls: list[float] = []

    def mismatch(x: float) -> float:
        """T x - tanh x - |h|, whose root is x = (|m| + |h|)/T."""
        calls.append(x)
        if x > 0.25:
            return t * x - math.tanh(x) - size
        # x - tanh x by Lambert's fraction tanh x = x/(1 + x**2/(3 + x**2/(5 + ...))).
        y = x * x
        tail = 3.0 + y / (5.0 + y / (7.0 + y / (9.0 + y / (11.0 + y / 13.0))))
        return x * y / (tail + y) - (1.0 - t) * x - size

    # x - tanh x <= x**3/3 makes the lower end safe, tanh <= 1 the upper one.
    low = 0.9 * math.sqrt(max(0.0, 3.0 * (1.0 - t)))
    m = math.tanh(find_root(mismatch, low, 1.01 * (1.0 + size) / t).value)
    y = (m + size) / t
    residual = abs(math.tanh(y) - m)
    f = 0.5 * m * m - t * (y + math.log1p(math.exp(-2.0 * y)))
    u = -0.5 * m * m - size * m
    m, done = math.copysign(m, h), Status.CONVERGED
    return _judged(SaddlePoint(m, m * m, f, u, 1.0, residual, 0.0, len(calls), done))


@dataclass(frozen=True)
class CurieWeissExact:
    """Thermal averages at N spins, with M = sum_i s_i.

    `m`, `m_abs`, `m2`, `m4`: <M>/N, <|M|>/N, <M**2>/N**2, <M**4>/N**4; `energy`,
    `energy_variance`: mean and variance of H/N; `free_energy`: -T log(Z)/N.
    """

    m: float
    m_abs: float
    m2: float
    m4: float
    energy: float
    energy_variance: float
    free_energy: float


def curie_weiss_exact(
    n_spins: int, temperature: float, field: float = 0.0
) -> CurieWeissExact:
    """Exact averages of N spins that all interact alike.

    H = -(1/(N - 1)) sum_{i<j} s_i s_j - h sum_i s_i = -(M**2 - N)/(2(N - 1)) - h M,
    the Hebbian network of order 2 with one pattern, gauged to all ones.

    Parameters
    ----------
    n_spins : int
        N from 2 to 10**7.
    temperature, field : float
        T from 0 (equal weight of ground states) to inf (of all), |h| <= 1e100.

    Returns
    -------
    CurieWeissExact
        Exact up to about 1e-16 N, from the logarithms of the binomials.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> round(curie_weiss_exact(2, 1.0).energy, 12)  # -tanh(1)/2
    -0.380797077978
    """
    from scipy.special import gammaln

    n = check_integer("n_spins", n_spins, 2, 10**7)
    t = check_temperature(temperature)
    h = _check_field(field)
    up = np.arange(n + 1, dtype=np.float64)
    total = 2.0 * up - n
    energy = -(total * total - n) / (2.0 * (n - 1)) - h * total
    ground = float(energy.min())
    excess = energy - ground
    log_weight = gammaln(n + 1.0) - (gammaln(up + 1.0) + gammaln(n - up + 1.0))
    if t == 0.0:
        log_weight[excess > 0.0] = -math.inf
    else:
        with np.errstate(over="ignore"):  # states without any weight
            log_weight -= excess / t
    top = float(log_weight.max())
    weight = np.exp(log_weight - top)
    z = float(weight.sum())
    weight /= z
    mean_excess = float(weight @ excess)
    m = total / n
    return CurieWeissExact(
        # Pairs M, -M cancel exactly where the field does not tell them apart.
        m=float(np.maximum(m, 0.0) @ (weight - weight[::-1])),
        m_abs=float(weight @ np.abs(m)),
        m2=float(weight @ m**2),
        m4=float(weight @ m**4),
        energy=(ground + mean_excess) / n,
        energy_variance=float(weight @ ((excess - mean_excess) / n) ** 2),
        free_energy=(ground - t * (top + math.log(z))) / n,
    )


def solve_sk(temperature: float, field: float = 0.0) -> SaddlePoint:
    """Sherrington-Kirkpatrick spin glass, replica symmetric.

    H = -sum_{i<j} J_ij s_i s_j - h sum_i s_i, J_ij Gaussian of mean 0, variance 1/N:

        q = <tanh**2 beta(sqrt(q) z + h)>,    m = <tanh beta(sqrt(q) z + h)>,
        f = -beta (1 - q)**2 / 4 - T <log 2cosh beta(sqrt(q) z + h)>,
        u = -beta (1 - q**2) / 2 - h m,       lambda = 1 - beta**2 <sech**4>.

    Parameters
    ----------
    temperature, field : float
        T from 0 (closed form) to inf, |h| <= 1e100.

    Returns
    -------
    SaddlePoint
        Of the largest q (0 only at h = 0, T >= 1); true where `replicon` >= 0.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    D. Sherrington and S. Kirkpatrick, Phys. Rev. Lett. 35, 1792 (1975), for q, f, u;
    J. R. L. de Almeida and D. J. Thouless, J. Phys. A 11, 983 (1978), for lambda.

    Examples
    --------
    >>> round(solve_sk(0.0).energy, 10)
    -0.7978845608
    """
    t = check_temperature(temperature)
    h = _check_field(field)
    if t == math.inf:
        return _closed_form(0.0, 0.0, -math.inf, 0.0, 1.0)
    if t == 0.0 or math.isinf((1.0 + abs(h)) / t):
        m = math.erf(h / math.sqrt(2.0))
        u = -math.sqrt(2.0 / math.pi) * math.exp(-0.5 * h * h) - h * m
        return _closed_form(m, 1.0, u, u, -math.inf)
    beta = 1.0 / t
    mu = beta * abs(h)
    calls: list[float] = []

    def mismatch(x: float) -> float:
        """log(<tanh**2>/q) at q = exp(2x)."""
        calls.append(x)
        return math.log(_tanh_square(mu, beta * math.exp(x))) - 2.0 * x

    # <tanh**2> >= sigma**2 - 2 sigma**4, >= tanh(mu)**2 / 2 (half of the Gaussian lies
    # beyond its mean), and <tanh**2>/q falls (F. Guerra): the root is unique.
    low = max(0.6 * t * math.sqrt(max(0.0, 1.0 - t * t)), 0.6 * abs(math.tanh(mu)))
    root_q = 0.0
    if t < 1.0 or low > 1e-100:  # else q is 0 to any accuracy
        root = find_root(mismatch, math.log(low), 0.0)
        # Next to T = 1 all of the mismatch is rounding, of either sign.
        root_q = math.exp(root.value) if root.status.ok else low
    averages = tanh_averages_kernel(mu, beta * root_q)
    q = root_q * root_q
    residual = abs(_tanh_square(mu, beta * root_q) - q)
    m, x = averages.tanh if h else 0.0, averages.sech2  # x = 1 - q, with all digits
    f = -0.25 * beta * x * x - t * averages.log_2cosh
    u = -0.5 * beta * x * (1.0 + q) - abs(h) * m
    replicon = 1.0 - beta * (beta * averages.sech4)
    if q == 0.0:
        return _closed_form(math.copysign(m, h), q, f, u, replicon)
    rest = (residual, averages.error, len(calls), Status.CONVERGED)
    return _judged(SaddlePoint(math.copysign(m, h), q, f, u, replicon, *rest))


def _tanh_square(mu: float, sigma: float) -> float:
    """<tanh**2(mu + sigma z)>, relative to itself where it is small."""
    if sigma <= 1.5:
        return float(_W @ np.tanh(mu + sigma * _Z) ** 2)
    return float(1.0 - tanh_averages_kernel(mu, sigma).sech2)


def find_at_temperature(field: float = 0.0) -> Prediction:
    """Temperature of the de Almeida-Thouless line of the SK model at field h.

    Below it beta**2 <sech**4> > 1. In weak fields 1 - tau + tau**2/3 with
    tau = (3 h**2 / 4)**(1/3), in strong ones (4/3) exp(-h**2/2)/sqrt(2 pi).

    Parameters
    ----------
    field : float
        |h| <= 1e100.

    Returns
    -------
    Prediction
        NO_TRANSITION for |h| > 26, where the line is below 1e-146.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    J. R. L. de Almeida and D. J. Thouless, J. Phys. A 11, 983 (1978).
    """
    h = abs(_check_field(field))
    if h == 0.0:
        return Prediction(1.0, 0.0, Status.CLOSED_FORM)
    if h > 26.0:
        return Prediction.missing(Status.NO_TRANSITION)
    tau = (0.75 * h * h) ** (1.0 / 3.0)
    if tau < 3e-4:  # lambda, of order tau**2 near the line, is lost in rounding
        return Prediction(1 - tau + tau**2 / 3, tau**3 + 1e-16, Status.CONVERGED)
    strong = 4.0 / 3.0 * math.exp(-0.5 * h * h) / math.sqrt(2.0 * math.pi)
    root = find_root(
        lambda log_t: solve_sk(math.exp(log_t), h).replicon, math.log(0.1 * strong), 0.0
    )
    t = math.exp(root.value)
    # lambda is good to 1e-15, and its slope across the line is about tau if small.
    return Prediction(t, t * (root.error + 1e-14 * (1.0 + 1.0 / tau)), root.status)


def _check_field(value: object) -> float:
    return check_real("field", value, -1e100, 1e100) + 0.0  # -0 becomes 0


def _closed_form(m: float, q: float, f: float, u: float, gap: float) -> SaddlePoint:
    """A state that needs no iteration; `gap` is its replicon eigenvalue."""
    return SaddlePoint(m, q, f, u, gap, 0.0, 0.0, 0, Status.CLOSED_FORM)


def _judged(point: SaddlePoint) -> SaddlePoint:
    """`point`, or no number where it does not solve its equation."""
    if point.residual < _RESIDUAL_TOLERANCE:
        return point
    status, n_iter = Status.NOT_CONVERGED, point.n_iter
    return SaddlePoint.missing(status, n_iter=n_iter, residual=point.residual)
