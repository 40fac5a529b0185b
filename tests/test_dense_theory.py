"""Replica-symmetric theory of dense Hebbian networks, against independent witnesses.

The witness solves the saddle-point equations by damped iteration from m = 1 with a
quadrature of its own (Gauss-Legendre in z, cut where the tanh turns) and takes the
crosstalk from the Hermite expansion done by numpy. Tables come from separate solvers.
"""

import itertools
import math

import mpmath
import numpy as np
import pytest
from numpy.polynomial import Polynomial, hermite_e
from scipy.integrate import quad
from scipy.special import erf
from tanh_reference import exact_averages

from analytics.dense import (
    find_critical_load,
    find_transition_temperature,
    solve_storage,
    solve_storage_grid,
    trace_line,
)
from analytics.dense.crosstalk import (
    covariance,
    crosstalk_coefficients,
    curvature_drop,
    drop,
    first_derivative,
    second_derivative,
)
from analytics.dense.curve import curve_point
from analytics.dense.storage import curve_limits
from analytics.gauss import tanh_averages
from analytics.ising import solve_curie_weiss
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

ORDERS = (2, 3, 4, 5, 6)
VERSIONS = ("exclude", "keep")

# The witness ---------------------------------------------------------------------

_X, _WX = np.polynomial.legendre.leggauss(20)


def gaussian_rule(signal, width, temperature):
    """Nodes and weights in z for averages of functions of (signal + width z)/T."""
    turns = (np.array([-20, -8, -4, -2, -1, 0, 1, 2, 4, 8, 20]) * temperature) - signal
    cuts = np.concatenate([np.arange(-10.0, 11.0), turns / width if width else []])
    cuts = np.unique(cuts[abs(cuts) <= 10.0])
    half, middle = np.diff(cuts) / 2.0, (cuts[1:] + cuts[:-1]) / 2.0
    z = (middle[:, None] + half[:, None] * _X).ravel()
    w = (half[:, None] * _WX).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z, w


def log_2cosh(y):
    return abs(y) + np.log1p(np.exp(-2.0 * abs(y)))


class Witness:
    """The equations at one point; noise_factor scales the deviation of the noise."""

    def __init__(self, order, alpha, temperature, coincident, noise_factor=1.0):
        self.order, self.alpha, self.t = order, alpha, temperature
        self.factor = noise_factor
        h = hermite_e.poly2herme([0.0] * order + [1.0])
        terms = [h[k] ** 2 * math.factorial(k) / order**2 for k in range(order + 1)]
        terms[0] = 0.0
        if coincident == "exclude" or order == 2:
            terms = [0.0] * order + [terms[-1]]
        self.c = Polynomial(terms)
        self.kept_constant = (
            -0.5 * alpha if order == 2 and coincident == "keep" else 0.0
        )

    def noise(self, q):
        """Delta, the variance of the crosstalk field."""
        if self.order == 2:
            delta = self.alpha * q / (1.0 - (1.0 - q) / self.t) ** 2
        else:
            delta = self.alpha * self.c.deriv()(q)
        return self.factor**2 * delta

    def image(self, m, q):
        signal, width = m ** (self.order - 1), math.sqrt(self.noise(q))
        z, w = gaussian_rule(signal, width, self.t)
        tanh = np.tanh((signal + width * z) / self.t)
        return np.array([w @ tanh, w @ tanh**2])

    def iterate(self, m=1.0, q=1.0, n_iter=4000, damping=0.4):
        """Damped iteration; nan if it has not settled."""
        x = np.array([m, q])
        for _ in range(n_iter):
            new = damping * x + (1.0 - damping) * self.image(*x)
            step = abs(new - x).max()
            x = new
            if step < 1e-15:
                break
        return x if step < 1e-13 else np.array([math.nan, math.nan])

    def free_energy(self, m, q):
        """The functional that is stationary at the solution."""
        signal, width = m ** (self.order - 1), math.sqrt(self.noise(q))
        p, a, t = self.order, self.alpha, self.t

        def integrand(z):
            return log_2cosh((signal + width * z) / t) * math.exp(-0.5 * z * z)

        turns = [(-signal + k * t) / width for k in (-10, -3, 0, 3, 10)]
        cuts = [-10.0, *sorted(z for z in turns if abs(z) < 10.0), 10.0]
        entropic = sum(
            quad(integrand, low, high, epsabs=1e-14, epsrel=1e-13)[0]
            for low, high in itertools.pairwise(cuts)
        ) / math.sqrt(2.0 * math.pi)
        if p == 2:
            x = (1.0 - q) / t
            noise_terms = (
                0.5
                * a
                * (1.0 + t * math.log(1.0 - x) - q / (1.0 - x) + q * x / (1.0 - x) ** 2)
            )
            return 0.5 * m * m + noise_terms - t * entropic + self.kept_constant
        rest = self.c(1.0) - self.c(q) - (1.0 - q) * self.c.deriv()(q)
        return (1.0 - 1.0 / p) * m**p - t * entropic - 0.5 * a * rest / t


# (order, alpha, temperature, coincident), all on the retrieval branch
POINTS = [
    (2, 0.10, 0.2, "exclude"),
    (2, 0.05, 0.4, "exclude"),
    (2, 0.02, 0.65, "keep"),
    (2, 0.13, 0.03, "exclude"),
    (3, 0.05, 0.3, "exclude"),
    (3, 0.11, 0.1, "exclude"),
    (3, 0.03, 0.2, "keep"),
    (4, 0.015, 0.2, "exclude"),
    (4, 0.03, 0.1, "exclude"),
    (4, 0.008, 0.2, "keep"),
    (5, 0.003, 0.2, "exclude"),
    (5, 0.0008, 0.15, "keep"),
    (6, 0.0005, 0.3, "exclude"),
    (6, 0.00005, 0.05, "keep"),
]
every_point = pytest.mark.parametrize("point", POINTS, ids=str)


def solve(point, **changes):
    order, alpha, temperature, coincident = point
    arguments = {"order": order, "alpha": alpha, "temperature": temperature, **changes}
    return solve_storage(**arguments, coincident=coincident)


@every_point
def test_witness_finds_the_same_state(point):
    state = solve(point)
    m, q = Witness(*point).iterate()
    assert state.status is Status.CONVERGED
    assert (state.m, state.q) == pytest.approx((m, q), abs=1e-11)
    assert state.residual < 1e-13
    assert state.quadrature_error < 1e-13
    assert state.n_iter > 0


@every_point
def test_solution_in_thirty_digits(point):
    """The reported (m, q) put back into the equations, averaged by mpmath."""
    state, witness = solve(point), Witness(*point)
    beta = 1.0 / point[2]
    mu = beta * state.m ** (point[0] - 1)
    exact = exact_averages(mu, beta * math.sqrt(witness.noise(state.q)))
    assert float(exact["tanh"]) == pytest.approx(state.m, abs=1e-14)
    assert 1.0 - float(exact["sech2"]) == pytest.approx(state.q, abs=1e-14)
    assert witness.free_energy(state.m, state.q) == pytest.approx(
        state.free_energy, abs=1e-12
    )


@pytest.mark.nightly
@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_witness_everywhere(order, coincident):
    """Up to 97% of the spinodal, hot and cold."""
    rng = np.random.default_rng(order)
    top_t = find_transition_temperature(order, 0.0).value
    for _ in range(30):
        temperature = top_t * rng.uniform(0.02, 0.97)
        top = find_critical_load(order, temperature, coincident=coincident).value
        point = (order, top * rng.uniform(0.0, 0.97), temperature, coincident)
        state = solve(point)
        expected = Witness(*point).iterate(n_iter=20_000)
        assert (state.m, state.q) == pytest.approx(tuple(expected), abs=1e-10)


def derivatives(f, m, q, h):
    """Gradient (fourth order) and Hessian (second order) of f at (m, q)."""

    def slope(values):
        far_left, left, right, far_right = values
        return (8.0 * (right - left) - (far_right - far_left)) / (12.0 * h)

    shifts = (-2.0 * h, -h, h, 2.0 * h)
    gradient = (
        slope([f(m + x, q) for x in shifts]),
        slope([f(m, q + x) for x in shifts]),
    )
    twice = 2.0 * f(m, q)
    f_mm = (f(m + h, q) + f(m - h, q) - twice) / h**2
    f_qq = (f(m, q + h) + f(m, q - h) - twice) / h**2
    corners = [f(m + x, q + y) for x, y in ((h, h), (h, -h), (-h, h), (-h, -h))]
    f_mq = (corners[0] - corners[1] - corners[2] + corners[3]) / (4.0 * h**2)
    return np.array(gradient), np.array([[f_mm, f_mq], [f_mq, f_qq]])


@every_point
def test_free_energy_is_stationary(point):
    """Gradient zero at the state, with a definite sign of the Hessian. At the spinodal
    that sign turns: beyond the top of the curve of solutions it is the opposite."""
    order, _, t, coincident = point
    state = solve(point)
    h = min(2e-4, 2e-3 * t)
    gradient, hessian = derivatives(Witness(*point).free_energy, state.m, state.q, h)
    assert abs(gradient).max() < 1e-7
    assert hessian[0, 0] > 0.0
    # For fewer than one replica a maximum in q; at P = 2 the noise, which depends on
    # q through a second order parameter, turns that round.
    sign = 1.0 if order == 2 else -1.0
    assert sign * np.linalg.det(hessian) > 0.0
    c = crosstalk_coefficients(order, coincident)
    _, top, _, _ = curve_limits(order, c, t)
    log_delta = 0.7 * top
    other = curve_point(order, c, t, log_delta, 1.0)
    m, q = -math.expm1(log_delta), 1.0 - other.averages.sech2
    assert m < state.m
    witness = Witness(order, other.alpha, t, coincident)
    gradient, hessian = derivatives(witness.free_energy, m, q, h)
    assert abs(gradient).max() < 1e-7
    assert sign * np.linalg.det(hessian) < 0.0


@every_point
def test_energy_is_the_derivative_of_the_free_energy(point):
    t = point[2]
    h = 1e-4 * t
    betas = [1.0 / (t + x) for x in (-2 * h, -h, h, 2 * h)]
    g = [b * solve(point, temperature=1.0 / b).free_energy for b in betas]
    # Lagrange interpolation through four unequal betas, differentiated at 1/t.
    slope = sum(
        g[i]
        * sum(
            np.prod([1 / t - betas[k] for k in range(4) if k not in (i, j)])
            for j in range(4)
            if j != i
        )
        / np.prod([betas[i] - betas[k] for k in range(4) if k != i])
        for i in range(4)
    )
    assert slope == pytest.approx(solve(point).energy, abs=3e-9)


@every_point
def test_louder_noise_is_more_load(point):
    """Noise of sqrt(2) times the deviation acts as twice the load."""
    order, alpha, temperature, coincident = point
    half = (order, 0.4 * alpha, temperature, coincident)
    m, q = Witness(*half, noise_factor=math.sqrt(2.0)).iterate()
    state = solve(point, alpha=0.8 * alpha)
    assert (state.m, state.q) == pytest.approx((m, q), abs=1e-11)


def test_replicon_from_its_definition():
    for point in POINTS:
        state, witness = solve(point), Witness(*point)
        order, alpha, t, _ = point
        signal, width = state.m ** (order - 1), math.sqrt(witness.noise(state.q))
        z, w = gaussian_rule(signal, width, t)
        fourth = w @ (1.0 - np.tanh((signal + width * z) / t) ** 2) ** 2
        if order == 2:
            curvature = 1.0 / (1.0 - (1.0 - state.q) / t) ** 2
        else:
            curvature = witness.c.deriv(2)(state.q)
        expected = 1.0 - alpha / t**2 * curvature * fourth
        assert state.replicon == pytest.approx(expected, abs=1e-10)


# The crosstalk -------------------------------------------------------------------


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", range(2, 13))
def test_crosstalk_is_the_covariance_of_powers(order, coincident):
    """C(q) = cov(x**P, y**P)/P**2 of Gaussians x, y of correlation q."""
    c = crosstalk_coefficients(order, coincident)
    witness = Witness(order, 1.0, 1.0, coincident)
    for q in (0.0, 0.1, 0.7, 0.95, 1.0):
        assert covariance(c, q) == pytest.approx(witness.c(q), rel=1e-13)
        assert first_derivative(c, q) == pytest.approx(witness.c.deriv()(q), rel=1e-13)
        assert second_derivative(c, q) == pytest.approx(
            witness.c.deriv(2)(q), rel=1e-13
        )
    if coincident == "keep" and order <= 8 and order != 2:
        x, w = hermite_e.hermegauss(20)
        w = w / w.sum()
        q = 0.6
        y = q * x[:, None] + math.sqrt(1.0 - q * q) * x
        mean = w @ x**order
        moment = np.einsum("i,j,i,ij->", w, w, x**order, y**order)
        assert covariance(c, q) == pytest.approx((moment - mean**2) / order**2)


@pytest.mark.parametrize("coincident", VERSIONS)
def test_small_differences_of_the_covariance(coincident):
    """C(1) - C(q) and its remainder keep their digits next to q = 1."""
    for order in ORDERS:
        c = crosstalk_coefficients(order, coincident)
        for x in (1e-100, 1e-17, 1e-9, 1e-3, 0.1, 0.2, 0.21, 0.7, 1.0):
            with mpmath.workdps(250):
                gap = mpmath.mpf(x)
                q = 1 - gap
                powers = [(k, mpmath.mpf(float(c[k]))) for k in range(1, order + 1)]
                slope = sum(k * a * q ** (k - 1) for k, a in powers)
                exact = sum(a * (1 - q**k) for k, a in powers)
                rest = exact - gap * slope
            assert drop(c, x) == pytest.approx(float(exact), rel=1e-13)
            assert curvature_drop(c, x) == pytest.approx(float(rest), rel=1e-12)


# Zero temperature ----------------------------------------------------------------

# order: (critical load, m there), replica symmetric, T = 0
CAPACITIES = {
    2: (0.1379056, 0.96742),
    3: (0.1260952, 0.83848),
    4: (0.03297669, 0.91792),
    5: (0.007198856, 0.94724),
    6: (0.001313996, 0.96199),
}


@pytest.mark.parametrize("order", ORDERS)
def test_capacities(order):
    """Against the table, and against the maximum found with 30 digits."""
    found = find_critical_load(order)
    assert found.status is Status.CONVERGED
    table, m_table = CAPACITIES[order]
    assert found.value == pytest.approx(table, abs=1e-7)
    assert found.value == pytest.approx(table, rel=6e-7)
    with mpmath.workdps(30):
        root_pi = mpmath.sqrt(mpmath.pi)
        if order == 2:
            x = mpmath.findroot(
                lambda x: (
                    2 * mpmath.exp(-x * x) * (x + 2 * x**3) / root_pi - mpmath.erf(x)
                ),
                1.5,
            )
            exact = (mpmath.erf(x) / x - 2 / root_pi * mpmath.exp(-x * x)) ** 2 / 2
        else:
            x = mpmath.findroot(
                lambda x: (
                    2 * (order - 1) * x * mpmath.exp(-x * x) / root_pi - mpmath.erf(x)
                ),
                1.5,
            )
            exact = mpmath.erf(x) ** (2 * order - 2) / (
                2 * math.factorial(order - 1) * x**2
            )
    assert abs(found.value - float(exact)) <= found.error
    assert found.error < 1e-12
    edge = solve_storage(order, found.value * (1.0 - 1e-12), 0.0)
    assert edge.m == pytest.approx(float(mpmath.erf(x)), abs=1e-5)
    assert edge.m == pytest.approx(m_table, abs=2e-5)


def test_published_capacities():
    assert find_critical_load(2).value == pytest.approx(0.137905566, abs=1e-9)
    found = find_critical_load(2, kind="thermodynamic")
    assert found.value == pytest.approx(0.0518543, abs=1e-7)
    # In the counting K = 2 gamma N**(P-1)/P! of the dense literature.
    assert find_critical_load(4).value * 12.0 == pytest.approx(0.395720, abs=1e-6)


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6, 9, 14])
def test_kept_capacities(order):
    """Coincident indices cost a factor (P-1)!/(2P-3)!!."""
    double = math.prod(range(1, 2 * order - 2, 2))
    ratio = math.factorial(order - 1) / double
    kept = find_critical_load(order, coincident="keep").value
    assert kept == pytest.approx(ratio * find_critical_load(order).value, rel=1e-13)


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_zero_temperature_state(order, coincident):
    """m = erf(m**(P-1)/sqrt(2 Delta)), iterated; the energy at any load."""
    top = find_critical_load(order, coincident=coincident).value
    witness = Witness(order, 1.0, 1.0, coincident)
    for alpha in (1e-3 * top, 0.3 * top, 0.9 * top):
        m, chi = 1.0, 0.0
        for _ in range(3000):
            noise = alpha * (
                1.0 / (1.0 - chi) ** 2 if order == 2 else witness.c.deriv()(1.0)
            )
            x = m ** (order - 1) / math.sqrt(2.0 * noise)
            before = m, chi
            m, chi = erf(x), math.sqrt(2.0 / (math.pi * noise)) * math.exp(-x * x)
            if before == (m, chi):
                break
        state = solve_storage(order, alpha, 0.0, coincident=coincident)
        assert state.status is Status.CONVERGED
        assert state.m == pytest.approx(m, abs=1e-12)
        assert (state.q, state.replicon) == (1.0, -math.inf)
        if order == 2:
            energy = -0.5 * m * m - 0.5 * alpha * (1.0 / (1.0 - chi) ** 2 - 1.0)
            energy -= 0.5 * alpha * (coincident == "keep")
        else:
            energy = -(m**order) / order - noise * chi
        assert state.energy == pytest.approx(energy, abs=1e-12)
        assert state.free_energy == state.energy


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_zero_temperature_is_the_limit(order, coincident):
    """Differences from the closed form fall like T or faster."""
    alpha = 0.7 * find_critical_load(order, coincident=coincident).value

    def numbers(t):
        state = solve_storage(order, alpha, t, coincident=coincident)
        return np.array([state.m, state.q, state.energy, state.free_energy])

    temperatures = 10.0 ** np.arange(-2.0, -12.0, -1.0)
    gaps = np.array([abs(numbers(t) - numbers(0.0)) for t in temperatures])
    # m and f may cross their limit: the bound is set by the highest temperatures.
    rate = (gaps[:3] / temperatures[:3, None]).max(axis=0)
    assert (gaps <= 1.2 * rate * temperatures[:, None] + 1e-14).all()
    assert (rate < 1.0).all()
    for t in (1e-30, 1e-99, 1e-120, 5e-324):
        np.testing.assert_allclose(numbers(t), numbers(0.0), rtol=0, atol=2e-14)
    spinodals = [
        find_critical_load(order, t, coincident=coincident).value
        for t in (0.0, 1e-200, 1e-90, 1e-50, 1e-15, 1e-8)
    ]
    np.testing.assert_allclose(spinodals, spinodals[0], rtol=1e-7)


# Lines at P = 2 ------------------------------------------------------------------

# load: (spinodal, thermodynamic) temperature, replica symmetric
AGS = {
    0.01: (0.801018, 0.721624),
    0.02: (0.716481, 0.591300),
    0.03: (0.650417, 0.478793),
    0.04: (0.593569, 0.365231),
    0.05: (0.542255, 0.216383),
    0.10: (0.315432, None),
}


@pytest.mark.parametrize("alpha", AGS)
def test_lines_of_amit_gutfreund_sompolinsky(alpha):
    spinodal, thermodynamic = AGS[alpha]
    found = find_transition_temperature(2, alpha)
    assert found.value == pytest.approx(spinodal, abs=1e-6)
    back = find_critical_load(2, found.value)
    assert back.value == pytest.approx(alpha, abs=1e-12)
    crossing = find_transition_temperature(2, alpha, kind="thermodynamic")
    if thermodynamic is None:
        assert crossing.status is Status.NO_TRANSITION
        assert math.isnan(crossing.value)
        return
    assert crossing.value == pytest.approx(thermodynamic, abs=1e-6)
    back = find_critical_load(2, crossing.value, kind="thermodynamic")
    assert back.value == pytest.approx(alpha, abs=1e-11)
    states = [
        solve_storage(2, alpha, crossing.value, branch=branch)
        for branch in ("retrieval", "spin-glass")
    ]
    assert states[0].free_energy == pytest.approx(states[1].free_energy, abs=1e-13)


REPLICON = [
    (2, 0.12, 0.00499, 5e-6),
    (2, 0.13, 0.00947, 5e-6),
    (3, 0.08, 0.0223, 5e-5),
    (3, 0.10, 0.0534, 5e-5),
    (4, 0.025, 0.0277, 5e-5),
]


@pytest.mark.parametrize(("order", "alpha", "t", "digits"), REPLICON)
def test_replicon_temperatures(order, alpha, t, digits):
    found = find_transition_temperature(order, alpha, kind="replicon")
    assert found.value == pytest.approx(t, abs=digits)
    below, at, above = (
        solve_storage(order, alpha, found.value * (1.0 + x)).replicon
        for x in (-1e-4, 0.0, 1e-4)
    )
    assert below < 0.0 < above
    assert abs(at) < 1e-9
    back = find_critical_load(order, found.value, kind="replicon")
    assert back.value == pytest.approx(alpha, rel=1e-10)


def test_replicon_line_at_low_temperature():
    """T = (4/3) sqrt(alpha r/(2 pi)) exp(-m**2/(2 alpha r)) at P = 2."""
    for alpha in (0.06, 0.08):
        found = find_transition_temperature(2, alpha, kind="replicon").value
        m = solve_storage(2, alpha, 0.0).m
        y = float(mpmath.erfinv(m))
        noise = (m / y) ** 2 / 2.0
        low = 4.0 / 3.0 * math.sqrt(noise / (2.0 * math.pi))
        low *= math.exp(-(m**2) / (2.0 * noise))
        assert found == pytest.approx(low, rel=0.02)


def test_replicon_line_meets_the_spinodal():
    line = trace_line(2, "replicon", n_points=5)
    assert line.status.ok
    assert line.temperature[-1] == pytest.approx(0.02507, abs=5e-6)
    assert line.alpha[-1] == pytest.approx(0.138186, abs=5e-7)


# Nishimori line ------------------------------------------------------------------

# order: (T, alpha, m) where it meets the maximum of the spinodal
NISHIMORI_END = {
    3: (0.309717, 0.154859, 0.6431),
    4: (0.230121, 0.0383535, 0.8148),
    6: (0.176406, 0.00147006, 0.9149),
}


@pytest.mark.parametrize("order", [3, 4, 5, 6, 10])
def test_nishimori_identities(order):
    """m = q and u = -1/P on T = alpha (P-1)!, with a stable replicon."""
    line = trace_line(order, "nishimori", n_points=15)
    assert line.status.ok
    assert len(line.statuses) == 15
    unit = math.factorial(order - 1)
    np.testing.assert_allclose(line.temperature, unit * line.alpha, rtol=1e-14)
    assert line.alpha[0] == 0.0
    rows = list(zip(line.alpha, line.temperature, line.m, strict=True))
    for alpha, t, m in rows[1:]:
        state = solve_storage(order, alpha, t)
        assert state.m == m
        assert state.m == pytest.approx(state.q, abs=1e-9)
        assert state.energy == pytest.approx(-1.0 / order, abs=1e-9)
        assert state.replicon > 0.0
    # The spinodal is highest, and the replicon vanishes, at the end of the line.
    end_t = line.temperature[-1]
    end = find_critical_load(order, end_t).value
    for other in (0.0, 0.9 * end_t, 0.99 * end_t, 1.01 * end_t, 1.1 * end_t):
        assert find_critical_load(order, other).value < end
    assert solve_storage(order, line.alpha[-1], end_t).replicon < 0.01
    if order in NISHIMORI_END:
        t, alpha, m = NISHIMORI_END[order]
        assert end_t == pytest.approx(t, abs=1.5e-6)
        assert end == pytest.approx(alpha, rel=5e-6)
        assert line.m[-1] == pytest.approx(m, abs=5e-4)


def test_no_nishimori_line():
    for order, coincident in ((2, "exclude"), (3, "keep"), (4, "keep")):
        line = trace_line(order, "nishimori", coincident=coincident)
        assert line.status is Status.UNDEFINED
        assert line.alpha.size == line.temperature.size == len(line.statuses) == 0
    off = solve_storage(4, 0.02, 0.12, coincident="keep")
    assert not off.status.ok or abs(off.m - off.q) > 1e-3


# Zero load -----------------------------------------------------------------------

ZERO_LOAD_SPINODALS = {2: 1.0, 3: 0.582583, 4: 0.495786, 5: 0.451204, 6: 0.422720}


@pytest.mark.parametrize("order", ORDERS)
def test_zero_load(order):
    """m = tanh(m**(P-1)/T) up to max m**(P-1)/artanh m."""
    found = find_transition_temperature(order, 0.0)
    assert found.value == pytest.approx(ZERO_LOAD_SPINODALS[order], abs=5.1e-7)
    grid = np.linspace(1e-4, 1.0 - 1e-12, 400_001)
    values = grid ** (order - 1) / np.arctanh(grid)
    assert found.value == pytest.approx(values.max(), abs=2e-8)
    for fraction in (0.05, 0.5, 0.9, 0.999):
        t = fraction * found.value
        state = solve_storage(order, 0.0, t)
        m = 1.0
        for _ in range(200_000):
            step, m = m, math.tanh(m ** (order - 1) / t)
            if m == step:
                break
        assert state.status.ok
        assert state.m == pytest.approx(m, abs=1e-12)
        assert state.q == pytest.approx(m * m, abs=1e-12)
        assert state.replicon == pytest.approx(1.0, abs=1e-15)
        assert state.energy == pytest.approx(-(m**order) / order, abs=1e-12)
    above = solve_storage(order, 0.0, found.value * (1.0 + 1e-9))
    assert above.status is Status.NO_RETRIEVAL
    assert solve_storage(order, 0.0, 0.0).m == 1.0


def test_zero_load_at_order_two_is_curie_weiss():
    for t in (0.0, 0.1, 0.5, 0.99, 1.0 - 1e-4, 1.0 - 1e-7):
        network, magnet = solve_storage(2, 0.0, t), solve_curie_weiss(t)
        # Rounding of m counts 1/(2(1 - T))-fold next to the transition.
        assert network.m == pytest.approx(magnet.m, abs=1e-15 / (1.0 - t))
        assert network.energy == pytest.approx(magnet.energy, abs=1e-15 / (1.0 - t))
        assert network.free_energy == pytest.approx(magnet.free_energy, abs=1e-14)


# States without retrieval --------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-6, 0.05, 0.14, 1.0, 30.0])
def test_spin_glass(alpha):
    """Stationary, continuous at both ends, with the energy of its free energy."""
    top = find_transition_temperature(2, alpha, kind="glass")
    assert top.value == pytest.approx(1.0 + math.sqrt(alpha), abs=1e-15)
    for t in (0.2 * top.value, 0.7 * top.value, 0.99 * top.value):
        state = solve_storage(2, alpha, t, branch="spin-glass")
        assert state.status is Status.CONVERGED
        assert state.m == 0.0
        assert 0.0 < state.q < 1.0
        d = 1.0 - (1.0 - state.q) / t
        assert d > 0.0
        image = tanh_averages(0.0, math.sqrt(alpha * state.q) / (d * t)).sech2
        assert 1.0 - image == pytest.approx(state.q, abs=1e-9)
        assert state.replicon < 0.0
        h = 1e-4 * t
        up, down = (
            solve_storage(2, alpha, t + x, branch="spin-glass").free_energy / (t + x)
            for x in (h, -h)
        )
        slope = (up - down) / (1.0 / (t + h) - 1.0 / (t - h))
        assert slope == pytest.approx(state.energy, rel=1e-6, abs=1e-7)
    ground = solve_storage(2, alpha, 0.0, branch="spin-glass")
    exact = -1.0 / math.pi - math.sqrt(2.0 * alpha / math.pi)
    assert ground.status is Status.CLOSED_FORM
    assert ground.energy == ground.free_energy == pytest.approx(exact, abs=1e-15)
    cold = solve_storage(2, alpha, 1e-6, branch="spin-glass")
    assert cold.energy == pytest.approx(exact, abs=1e-9 * (1.0 + alpha))
    warm = solve_storage(2, alpha, top.value * (1.0 - 1e-6), branch="spin-glass")
    assert warm.q < 1e-4
    beyond = solve_storage(2, alpha, top.value, branch="spin-glass")
    assert beyond.status is Status.NO_BRANCH
    hot = solve_storage(2, alpha, top.value, branch="paramagnet")
    assert hot.replicon == pytest.approx(0.0, abs=1e-9 * (1.0 + 1.0 / alpha))
    assert warm.free_energy == pytest.approx(hot.free_energy, abs=1e-5 * top.value)


@pytest.mark.parametrize("order", ORDERS)
def test_paramagnet(order):
    alpha, t, h = 0.1, 2.5, 1e-4
    for coincident in VERSIONS:
        state, up, down = (
            solve_storage(order, alpha, x, branch="paramagnet", coincident=coincident)
            for x in (t, t + h, t - h)
        )
        if coincident == "keep" and order % 2:
            # A random field: q > 0 at any temperature.
            assert state.status is Status.NO_BRANCH
            continue
        assert state.status is Status.CLOSED_FORM
        assert (state.m, state.q) == (0.0, 0.0)
        slope = up.free_energy / (t + h) - down.free_energy / (t - h)
        slope /= 1.0 / (t + h) - 1.0 / (t - h)
        assert slope == pytest.approx(state.energy, abs=1e-7)
        c = Witness(order, alpha, t, coincident)
        if order > 2:
            assert state.energy == pytest.approx(-alpha * c.c(1.0) / t, rel=1e-13)
    # Where the kept version freezes: T = 3 sqrt(alpha) at P = 4.
    if order == 4:
        freezing = solve_storage(
            4, alpha, 3.0 * math.sqrt(alpha), branch="paramagnet", coincident="keep"
        )
        assert freezing.replicon == pytest.approx(0.0, abs=1e-14)
    cold = solve_storage(order, alpha, 0.5, branch="paramagnet")
    assert cold.status is (Status.NO_BRANCH if order == 2 else Status.CLOSED_FORM)
    frozen = solve_storage(order, 0.1, 0.0, branch="paramagnet")
    assert frozen.status is Status.NO_BRANCH
    hot = solve_storage(order, alpha, math.inf, branch="paramagnet")
    assert hot.free_energy == -math.inf
    assert hot.energy == 0.0


# Statuses ------------------------------------------------------------------------


def numbers_of(state):
    return (state.m, state.q, state.free_energy, state.energy, state.replicon)


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_beyond_the_spinodal_there_is_no_number(order, coincident):
    for t in (0.0, 1e-60, 0.05, 0.3):
        top = find_critical_load(order, t, coincident=coincident).value
        inside = solve_storage(order, top * (1 - 1e-9), t, coincident=coincident)
        assert inside.status.ok
        for factor in (1.0 + 1e-9, 1.5, 1e3):
            state = solve_storage(order, top * factor, t, coincident=coincident)
            assert state.status is Status.NO_RETRIEVAL
            assert np.isnan(numbers_of(state)).all()
    for t in (1.0, 7.0, 1e300, math.inf):
        state = solve_storage(order, 1e-5, t, coincident=coincident)
        assert state.status is Status.NO_RETRIEVAL
        missing = find_critical_load(order, t, coincident=coincident)
        assert missing.status is Status.NO_TRANSITION
        assert math.isnan(missing.value)


@pytest.mark.parametrize("order", [3, 4, 7])
def test_what_needs_replica_symmetry_breaking_says_so(order):
    missing = [
        find_critical_load(order, 0.1, kind="thermodynamic"),
        find_transition_temperature(order, 1e-4, kind="thermodynamic"),
        find_transition_temperature(order, 1e-4, kind="glass"),
    ]
    assert all(np.isnan([found.value, found.error]).all() for found in missing)
    state = solve_storage(order, 1e-4, 0.1, branch="spin-glass")
    assert np.isnan(numbers_of(state)).all()
    lines = [trace_line(order, kind) for kind in ("thermodynamic", "glass")]
    assert all(line.alpha.size == 0 for line in lines)
    for result in (*missing, state, *lines):
        assert result.status is Status.NEEDS_RSB


def test_missing_transitions():
    for found in (
        find_transition_temperature(2, 0.2),
        find_transition_temperature(3, 0.2, kind="replicon"),
        find_transition_temperature(2, 0.06, kind="thermodynamic"),
        find_critical_load(2, 0.0, kind="replicon"),
        find_critical_load(2, 0.5, kind="replicon"),
        find_critical_load(2, 1.5, kind="thermodynamic"),
    ):
        assert found.status is Status.NO_TRANSITION
        assert np.isnan([found.value, found.error]).all()
    glass = solve_storage(2, 0.0, 0.5, branch="spin-glass")
    assert glass.status is Status.NO_BRANCH


# Branches, grids and lines -------------------------------------------------------


def assert_physical_states(order, coincident, n_states, seed):
    """States anywhere in the retrieval phase, also next to its edges."""
    rng = np.random.default_rng(seed)
    top_t = find_transition_temperature(order, 0.0).value
    for _ in range(n_states):
        t = top_t * (rng.uniform() if rng.random() < 0.6 else 10 ** rng.uniform(-98, 0))
        top = find_critical_load(order, t, coincident=coincident).value
        alpha = top * rng.choice(
            [rng.uniform(), 10 ** rng.uniform(-40, 0), 1 - 10 ** rng.uniform(-13, 0)]
        )
        state = solve_storage(order, alpha, t, coincident=coincident)
        assert state.status.ok, (alpha, t)
        assert 0.0 < state.m <= 1.0
        assert 0.0 <= state.q <= 1.0
        assert state.m**2 <= state.q + 1e-14
        assert state.residual < 1e-10
        assert not np.isnan(numbers_of(state)).any()


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_order_parameters_stay_in_their_bounds(order, coincident):
    assert_physical_states(order, coincident, 40, order)


@pytest.mark.nightly
@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", range(2, 21))
def test_order_parameters_stay_in_their_bounds_at_any_order(order, coincident):
    assert_physical_states(order, coincident, 400, 100 + order)


@pytest.mark.parametrize("coincident", VERSIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_grid_equals_points_in_any_order(order, coincident):
    top = find_critical_load(order, coincident=coincident).value
    alphas = np.concatenate([[0.0, 1e-12], np.linspace(0.05, 1.3, 8) * top])
    temperatures = np.array([1e-100, 1e-9, 0.03, 0.2, 0.35, 0.6, 1.5])
    grid = solve_storage_grid(order, alphas, temperatures, coincident=coincident)
    back = solve_storage_grid(
        order, alphas[::-1], temperatures[::-1], coincident=coincident
    )
    fields = ("m", "q", "free_energy", "energy", "replicon")
    for name in fields:
        there, again = getattr(grid, name), getattr(back, name)[::-1, ::-1]
        assert there.shape == (alphas.size, temperatures.size)
        np.testing.assert_allclose(again, there, rtol=1e-9, atol=1e-11)
    assert (grid.status == back.status[::-1, ::-1]).all()
    for i, j in np.ndindex(grid.m.shape):
        point = (order, alphas[i], temperatures[j])
        state = solve_storage(*point, coincident=coincident)
        assert grid.status[i, j] is state.status
        values = [getattr(grid, name)[i, j] for name in fields]
        np.testing.assert_allclose(values, numbers_of(state), rtol=1e-9, atol=1e-11)
        assert state.status.ok == (alphas[i] <= grid.spinodal[j] > 0.0)


def test_neighbours_are_smooth():
    """Fourth differences along the load and the temperature are rounding."""
    step = 2e-5
    ramp = 1.0 + step * np.arange(200)
    for order, alpha, t in ((2, 0.1, 0.2), (3, 0.05, 0.3), (4, 0.015, 0.2)):
        along_load = solve_storage_grid(order, alpha * ramp, [t])
        along_t = solve_storage_grid(order, [alpha], t * ramp)
        for grid in (along_load, along_t):
            for name in ("m", "q", "free_energy", "energy", "replicon"):
                values = getattr(grid, name).ravel()
                assert abs(np.diff(values, 4)).max() < 3e-13


@pytest.mark.nightly
@pytest.mark.parametrize("order", ORDERS)
def test_branches_do_not_depend_on_the_way(order):
    """Iteration from 20 starts, and continuation up and down in the load: one state
    with m > 0 below the spinodal, the reported one; none above. Coming from m = 0 a
    state without retrieval is kept: both states coexist, nothing is averaged."""
    t = 0.4 * find_transition_temperature(order, 0.0).value
    top = find_critical_load(order, t).value
    for fraction in (0.3, 0.7, 0.95, 1.05):
        witness = Witness(order, fraction * top, t, "exclude")
        state = solve_storage(order, fraction * top, t)
        found = []
        for m, q in itertools.product(np.linspace(0.05, 1.0, 5), (0.7, 0.8, 0.9, 1.0)):
            if order == 2 and 1.0 - (1.0 - q) / t <= 0.0:
                continue
            end = witness.iterate(m, max(q, m * m), damping=0.7)
            if end[0] > 1e-6:
                found.append(end)
        if fraction > 1.0:
            assert found == []
            assert state.status is Status.NO_RETRIEVAL
        else:
            assert len(found) > 0
            for m, q in found:
                assert (m, q) == pytest.approx((state.m, state.q), abs=1e-9)
    loads = np.linspace(0.04, 1.19, 47) * top
    up, down = [], []
    for way, order_of_loads in ((up, loads), (down, loads[::-1])):
        m, q = 1.0, 1.0
        for alpha in order_of_loads:
            witness = Witness(order, alpha, t, "exclude")
            m, q = witness.iterate(m, q, damping=0.5)
            if not m > 1e-6:
                m = 0.0
            way.append(m)
    solver = [solve_storage(order, alpha, t).m for alpha in loads]
    np.testing.assert_allclose(up, np.nan_to_num(solver), atol=1e-9)
    # From above the spinodal the iteration never finds retrieval again.
    assert max(down) == 0.0


@pytest.mark.parametrize(
    ("order", "alpha", "kind", "coincident"),
    [
        (2, 0.07, "spinodal", "keep"),
        (3, 0.08, "spinodal", "exclude"),
        (3, 0.14, "spinodal", "exclude"),  # above the capacity at T = 0: re-entrant
        (4, 0.005, "spinodal", "keep"),
        (6, 0.001, "spinodal", "exclude"),
        (2, 0.045, "thermodynamic", "keep"),
        (3, 0.06, "replicon", "keep"),
        (5, 0.005, "replicon", "exclude"),
    ],
)
def test_load_and_temperature_are_inverse(order, alpha, kind, coincident):
    options = {"kind": kind, "coincident": coincident}
    found = find_transition_temperature(order, alpha, **options)
    assert found.status is Status.CONVERGED
    assert found.error < 1e-10
    back = find_critical_load(order, found.value, **options)
    assert back.value == pytest.approx(alpha, rel=1e-9)


@pytest.mark.parametrize(
    ("order", "kind", "coincident"),
    [
        (2, "spinodal", "exclude"),
        (2, "thermodynamic", "exclude"),
        (2, "replicon", "exclude"),
        (3, "spinodal", "keep"),
        (4, "spinodal", "exclude"),
        (4, "replicon", "exclude"),
    ],
)
def test_lines_hold_their_points(order, kind, coincident):
    line = trace_line(order, kind, n_points=7, coincident=coincident)
    assert line.status.ok
    assert (line.order, line.kind) == (order, kind)
    assert line.alpha.size == line.temperature.size == line.m.size == 7
    assert (np.diff(line.temperature) > 0.0).all()
    assert (line.error >= 0.0).all()
    assert (line.error < 1e-8).all()
    rows = list(zip(line.alpha, line.temperature, line.m, strict=True))
    for alpha, t, m in rows[1:-1]:
        found = find_critical_load(order, t, kind=kind, coincident=coincident)
        assert alpha == pytest.approx(found.value, rel=1e-12)
        inside = solve_storage(order, alpha * (1 - 1e-12), t, coincident=coincident)
        assert inside.m == pytest.approx(m, abs=1e-4)
    if kind == "spinodal":
        assert line.alpha[0] == find_critical_load(order, coincident=coincident).value
        end = find_transition_temperature(order, 0.0).value
        assert line.alpha[-1] == pytest.approx(0.0, abs=1e-15)
        assert line.temperature[-1] == end


def test_glass_line():
    line = trace_line(2, "glass", n_points=9, alpha_max=4.0)
    np.testing.assert_array_equal(line.temperature, 1.0 + np.sqrt(line.alpha))
    assert line.alpha[-1] == 4.0
    assert (line.m == 0.0).all()
    short = trace_line(2, "glass", n_points=2)
    assert short.alpha[-1] == 1.5 * find_critical_load(2).value


# Boundary ------------------------------------------------------------------------

BAD_REALS = [
    (math.nan, ParameterError),
    (-1e-9, ParameterError),
    (-math.inf, ParameterError),
    (True, ParameterTypeError),
    ("0.1", ParameterTypeError),
    (0.1 + 0j, ParameterTypeError),
    (None, ParameterTypeError),
    ([0.1], ParameterTypeError),
    (np.array([0.1, 0.2]), ParameterTypeError),
]
BAD_ORDERS = [
    (1, ParameterError),
    (-2, ParameterError),
    (21, ParameterError),
    (2.0, ParameterTypeError),
    (math.nan, ParameterTypeError),
    (True, ParameterTypeError),
    ("2", ParameterTypeError),
    (None, ParameterTypeError),
    (np.array([2, 3]), ParameterTypeError),
]
BAD_CHOICES = [
    ("spinodel", ParameterError),
    ("", ParameterError),
    (None, ParameterTypeError),
    (3, ParameterTypeError),
    (True, ParameterTypeError),
]
BAD_ARRAYS = [
    (0.1, ParameterError),
    ([[0.1, 0.2]], ParameterError),
    ([0.1, math.nan], ParameterError),
    ([0.1, math.inf], ParameterError),
    ([0.1, -0.1], ParameterError),
    (["0.1"], ParameterTypeError),
    ([True, False], ParameterTypeError),
    ([0.1 + 0j], ParameterTypeError),
    ([None], ParameterTypeError),
    ([[0.1], [0.1, 0.2]], ParameterTypeError),
    (None, ParameterTypeError),
]
INFINITE_LOAD = (math.inf, ParameterError)
BAD_INPUTS = {
    solve_storage: (
        {"order": 2, "alpha": 0.1, "temperature": 0.2},
        {
            "order": BAD_ORDERS,
            "alpha": [*BAD_REALS, INFINITE_LOAD],
            "temperature": BAD_REALS,
            "branch": BAD_CHOICES,
            "coincident": BAD_CHOICES,
        },
    ),
    solve_storage_grid: (
        {"order": 2, "alpha": [0.1], "temperature": [0.2]},
        {
            "order": BAD_ORDERS,
            "alpha": BAD_ARRAYS,
            "temperature": [*BAD_ARRAYS, ([0.0], ParameterError)],
            "coincident": BAD_CHOICES,
        },
    ),
    find_critical_load: (
        {"order": 2, "temperature": 0.2},
        {
            "order": BAD_ORDERS,
            "temperature": BAD_REALS,
            "kind": [*BAD_CHOICES, ("glass", ParameterError)],
            "coincident": BAD_CHOICES,
        },
    ),
    find_transition_temperature: (
        {"order": 2, "alpha": 0.05},
        {
            "order": BAD_ORDERS,
            "alpha": [*BAD_REALS, INFINITE_LOAD],
            "kind": [*BAD_CHOICES, ("nishimori", ParameterError)],
            "coincident": BAD_CHOICES,
        },
    ),
    trace_line: (
        {"order": 2, "kind": "glass", "n_points": 3, "alpha_max": 0.1},
        {
            "order": BAD_ORDERS,
            "kind": BAD_CHOICES,
            "n_points": [(1, ParameterError), *BAD_ORDERS[3:]],
            "alpha_max": [row for row in BAD_REALS if row[0] is not None],
            "coincident": BAD_CHOICES,
        },
    ),
}


@pytest.mark.parametrize("function", BAD_INPUTS, ids=lambda function: function.__name__)
def test_bad_arguments_are_named(function):
    good, bad = BAD_INPUTS[function]
    function(**good)
    for name, rows in bad.items():
        for value, error in rows:
            with pytest.raises(error, match=rf"^{name} = ") as caught:
                function(**{**good, name: value})
            assert caught.value.name == name


def test_misspelt_choices_are_corrected():
    with pytest.raises(ParameterError, match="did you mean 'retrieval'"):
        solve_storage(2, 0.1, 0.2, branch="retreival")
    with pytest.raises(ParameterError, match="did you mean 'spinodal'"):
        find_critical_load(2, 0.1, kind="spinodel")


def test_numpy_scalars_are_numbers():
    plain = solve_storage(3, 0.05, 0.3)
    state = solve_storage(np.int64(3), np.float32(0.05), np.array(0.3))
    assert state.m == pytest.approx(plain.m, abs=1e-7)
    assert isinstance(plain.m, float)
