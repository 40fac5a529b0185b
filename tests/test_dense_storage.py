"""Storage states at any order, against independent witnesses and closed forms."""

import math

import mpmath
import numpy as np
import pytest
from dense_theory import ORDERS, VERSIONS, Witness, gaussian_rule
from numpy.polynomial import hermite_e
from scipy.special import erf
from tanh_reference import exact_averages

from analytics.dense import (
    find_critical_load,
    find_transition_temperature,
    solve_storage,
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
from statmech.status import Status

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
