"""The solved spin models against enumeration, plain iteration and known constants."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from analytics.ising import (
    CurieWeissExact,
    curie_weiss_exact,
    find_at_temperature,
    solve_curie_weiss,
    solve_sk,
)
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

FIELDS = (0.0, 0.2, -0.7, 1.5)
TEMPERATURES = (0.02, 0.3, 0.8, 1.0, 1.5, 20.0)


# Curie-Weiss, N finite -----------------------------------------------------------


def enumerate_states(n, temperature, field):
    """All averages by summing over the 2**n states, pair by pair."""
    states = np.array(list(itertools.product((-1, 1), repeat=n)))
    energy = -field * states.sum(axis=1).astype(float)
    for i, j in itertools.combinations(range(n), 2):
        energy -= states[:, i] * states[:, j] / (n - 1)
    weight = np.exp(-(energy - energy.min()) / temperature)
    z = weight.sum()
    weight /= z
    m = states.sum(axis=1) / n
    mean = weight @ energy
    return CurieWeissExact(
        m=weight @ m,
        m_abs=weight @ abs(m),
        m2=weight @ m**2,
        m4=weight @ m**4,
        energy=mean / n,
        energy_variance=weight @ (energy - mean) ** 2 / n**2,
        free_energy=(energy.min() - temperature * math.log(z)) / n,
    )


def as_array(result):
    return np.array(list(vars(result).values()))


@pytest.mark.parametrize("n", [2, 3, 6, 9, 12])
@pytest.mark.parametrize("field", FIELDS)
def test_finite_sizes_by_enumeration(n, field):
    for temperature in TEMPERATURES:
        exact = as_array(enumerate_states(n, temperature, field))
        found = as_array(curie_weiss_exact(n, temperature, field))
        np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("field", FIELDS)
def test_finite_size_ground_states(field):
    found = curie_weiss_exact(10, 0.0, field)
    assert found.m == np.sign(field)
    assert (found.m_abs, found.m2, found.m4) == (1.0, 1.0, 1.0)
    assert found.energy == found.free_energy == -0.5 - abs(field)
    assert found.energy_variance == 0.0
    cold = curie_weiss_exact(10, 1e-3, field)
    np.testing.assert_allclose(as_array(found), as_array(cold), atol=1e-3)
    coldest = curie_weiss_exact(10, 1e-300, field)
    np.testing.assert_allclose(as_array(found), as_array(coldest), atol=1e-15)


def test_antiparallel_ground_states_are_not_ground_states():
    """At N = 2 and T = 0 both parallel states remain, and nothing else."""
    assert curie_weiss_exact(2, 0.0).m == 0.0
    assert curie_weiss_exact(2, 0.0).energy == -0.5


def test_infinite_temperature_at_finite_size():
    found = curie_weiss_exact(16, math.inf, 0.4)
    assert found.m == 0.0
    assert found.m2 == pytest.approx(1.0 / 16.0, rel=1e-13)
    assert found.m4 == pytest.approx((3.0 * 16.0 - 2.0) / 16.0**3, rel=1e-13)
    assert found.energy == pytest.approx(0.0, abs=1e-15)
    assert found.free_energy == -math.inf


@pytest.mark.parametrize("n", [20, 1000, 10**5])
def test_sums_at_large_size(n):
    """du/dT = N var(u)/T**2, df/dT = (f - u)/T: consistent at any size."""
    t, h = 1.2, 0.05
    step = 1e-4
    up, down = curie_weiss_exact(n, t + step, h), curie_weiss_exact(n, t - step, h)
    at = curie_weiss_exact(n, t, h)
    slope = (up.energy - down.energy) / (2.0 * step)
    assert slope == pytest.approx(n * at.energy_variance / t**2, rel=1e-5)
    slope = (up.free_energy - down.free_energy) / (2.0 * step)
    assert slope == pytest.approx((at.free_energy - at.energy) / t, rel=1e-6)
    assert curie_weiss_exact(n, t, 0.0).m == 0.0
    assert curie_weiss_exact(n, t, -h).m == pytest.approx(-at.m, rel=1e-9)


@pytest.mark.parametrize(("t", "h"), [(0.6, 0.1), (1.5, 0.3), (0.9, -0.5), (2.0, 0.0)])
def test_finite_sizes_approach_the_limit(t, h):
    limit = solve_curie_weiss(t, h)
    gaps = []
    for n in (1000, 4000, 16000):
        found = curie_weiss_exact(n, t, h)
        gaps.append(
            [
                found.m - limit.m,
                found.energy - limit.energy,
                found.free_energy - limit.free_energy,
            ]
        )
    gaps = np.abs(gaps)
    assert (gaps[0] <= 2.0 / 1000).all()
    # Corrections are of order 1/N.
    np.testing.assert_allclose(gaps[:-1], 4.0 * gaps[1:], rtol=0.1, atol=2e-6)


def test_spontaneous_magnetisation_shows_in_the_moments():
    limit = solve_curie_weiss(0.7)
    found = curie_weiss_exact(10_000, 0.7)
    assert found.m == 0.0
    assert found.m_abs == pytest.approx(limit.m, abs=1e-3)
    assert found.m4 == pytest.approx(limit.m**4, abs=1e-3)


def test_critical_cumulant():
    """At T = 1 the ratio <m**4>/<m**2>**2 tends to Gamma(1/4)**4/(8 pi**2)."""
    limit = math.gamma(0.25) ** 4 / (8.0 * math.pi**2)
    ratios = []
    for n in (1000, 100_000):
        found = curie_weiss_exact(n, 1.0)
        ratios.append(found.m4 / found.m2**2)
    assert abs(ratios[1] - limit) < abs(ratios[0] - limit) < 0.05
    assert ratios[1] == pytest.approx(limit, abs=5e-3)


# Curie-Weiss, N infinite ---------------------------------------------------------


@pytest.mark.parametrize("field", [0.0, 1e-10, 1e-3, 0.3, -0.3, 5.0])
@pytest.mark.parametrize("t", [0.05, 0.5, 0.9, 0.9999, 1.0, 1.0001, 1.5, 10.0])
def test_curie_weiss_against_mpmath(t, field):
    state = solve_curie_weiss(t, field)
    assert state.status.ok
    with mpmath.workdps(40):
        beta, h = 1 / mpmath.mpf(t), abs(mpmath.mpf(field))
        m = mpmath.mpf(0)
        if field or t < 1.0:
            # Bisection from above: the root of largest m.
            low, high = mpmath.sqrt(max(0, 3 * (1 - t))) * 0.9 * t, mpmath.mpf(1)
            for _ in range(130):
                m = (low + high) / 2
                if mpmath.tanh(beta * (m + h)) > m:
                    low = m
                else:
                    high = m
        f = m**2 / 2 - mpmath.log(2 * mpmath.cosh(beta * (m + h))) / beta
        u = -(m**2) / 2 - h * m
        sign = -1.0 if field < 0.0 else 1.0
        assert state.m == pytest.approx(sign * float(m), rel=1e-13, abs=1e-300)
        assert state.free_energy == pytest.approx(float(f), rel=1e-14)
        assert state.energy == pytest.approx(float(u), rel=1e-13, abs=1e-300)
        assert state.q == pytest.approx(float(m) ** 2, rel=1e-13)


def test_curie_weiss_transition_is_at_one():
    for gap in (1e-3, 1e-6, 1e-9, 1e-12):
        assert solve_curie_weiss(1.0 + gap).m == 0.0
        below = solve_curie_weiss(1.0 - gap)
        exact_gap = 1.0 - (1.0 - gap)
        assert below.m == pytest.approx(math.sqrt(3.0 * exact_gap), rel=2.0 * gap)
    assert solve_curie_weiss(1.0).m == 0.0
    # Critical isotherm: m**3 = 3 h.
    for h in (1e-6, 1e-9, 1e-15):
        m = solve_curie_weiss(1.0, h).m
        assert m == pytest.approx((3.0 * h) ** (1.0 / 3.0), rel=3.0 * h ** (2.0 / 3.0))


def test_curie_weiss_limits():
    for h in (0.0, 0.4, -0.4):
        cold = solve_curie_weiss(0.0, h)
        assert cold.m == (-1.0 if h < 0 else 1.0)
        assert cold.free_energy == cold.energy == -0.5 - abs(h)
        assert cold.status is Status.CLOSED_FORM
        hot = solve_curie_weiss(math.inf, h)
        assert (hot.m, hot.energy, hot.free_energy) == (0.0, 0.0, -math.inf)
    assert solve_curie_weiss(0.5, -0.0).m > 0.0


# Sherrington-Kirkpatrick ---------------------------------------------------------


def average(function, q, t, h):
    """Gaussian average by adaptive quadrature, cut at the transition of the tanh."""
    root = math.sqrt(q)
    cuts = [-h / root] if q > 0.0 else []
    cuts += [(-h + k * t) / root for k in (-8, -2, 2, 8)] if q > 0.0 else []

    def integrand(z):
        y = (root * z + h) / t
        return function(y) * math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)

    cuts = sorted(c for c in cuts if -9.0 < c < 9.0)
    edges = [-9.0, *cuts, 9.0]
    return sum(
        quad(integrand, a, b, epsabs=1e-14, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(edges)
    )


def log_2cosh(y):
    return abs(y) + math.log1p(math.exp(-2.0 * abs(y)))


def sk_free_energy(q, t, h):
    """The functional whose stationary point is the solution."""
    return -0.25 * (1.0 - q) ** 2 / t - t * average(log_2cosh, q, t, h)


@pytest.mark.parametrize(
    ("t", "h"), [(0.1, 0.0), (0.6, 0.0), (0.3, 0.4), (1.0, 0.2), (2.0, -1.0)]
)
def test_sk_against_plain_iteration(t, h):
    q = 1.0
    for _ in range(200):
        new = average(lambda y: math.tanh(y) ** 2, q, t, h)
        q, step = 0.3 * q + 0.7 * new, abs(new - q)
        if step < 1e-12:
            break
    state = solve_sk(t, h)
    assert state.status.ok
    assert state.q == pytest.approx(q, abs=1e-10)
    assert state.m == pytest.approx(average(math.tanh, q, t, h), abs=1e-10)
    assert state.free_energy == pytest.approx(sk_free_energy(q, t, h), abs=1e-10)
    fourth = average(lambda y: math.cosh(y) ** -4 if abs(y) < 99 else 0.0, q, t, h)
    assert state.replicon == pytest.approx(1.0 - fourth / t**2, abs=1e-8)
    h_q = 1e-4
    up, at, down = (sk_free_energy(state.q + shift, t, h) for shift in (h_q, 0.0, -h_q))
    # Stationary, and a maximum in q: the number of replicas has gone to zero.
    assert abs(up - down) / (2.0 * h_q) < 1e-7
    assert up + down - 2.0 * at < 0.0


@pytest.mark.parametrize("h", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("t", [0.05, 0.5, 0.95, 1.0, 1.4, 6.0])
def test_sk_thermodynamics(t, h):
    """u = d(beta f)/dbeta and m = -df/dh."""
    step = 1e-4 * t
    at = solve_sk(t, h)
    up, down = solve_sk(t + step, h), solve_sk(t - step, h)
    slope = up.free_energy / (t + step) - down.free_energy / (t - step)
    inverse = 1.0 / (t + step) - 1.0 / (t - step)
    assert slope / inverse == pytest.approx(at.energy, abs=2e-7)
    if h:
        right, left = solve_sk(t, h + 1e-5), solve_sk(t, h - 1e-5)
        slope = (right.free_energy - left.free_energy) / 2e-5
        assert -slope == pytest.approx(at.m, abs=1e-8)


def test_sk_known_constants():
    ground = solve_sk(0.0)
    assert ground.status is Status.CLOSED_FORM
    assert ground.q == 1.0
    assert ground.energy == pytest.approx(-math.sqrt(2.0 / math.pi), abs=1e-15)
    assert ground.energy == pytest.approx(-0.79788, abs=5e-6)
    # The entropy of the replica-symmetric ground state is negative.
    for t in (1e-3, 1e-5):
        state = solve_sk(t)
        entropy = (state.energy - state.free_energy) / t
        assert entropy == pytest.approx(-1.0 / (2.0 * math.pi), abs=2.0 * t)
    # Paramagnet: f = -T log 2 - 1/(4T), u = -1/(2T), lambda = 1 - 1/T**2.
    for t in (1.0, 1.3, 4.0):
        state = solve_sk(t)
        assert (state.m, state.q) == (0.0, 0.0)
        exact = -t * math.log(2.0) - 0.25 / t
        assert state.free_energy == pytest.approx(exact, abs=1e-15)
        assert state.energy == pytest.approx(-0.5 / t, abs=1e-15)
        assert state.replicon == pytest.approx(1.0 - t**-2, abs=1e-15)
    # Just below T = 1: q = tau + tau**2/3, lambda = -4 tau**2/3.
    for tau in (1e-2, 1e-3, 1e-5):
        state = solve_sk(1.0 - tau)
        assert state.q == pytest.approx(tau + tau**2 / 3.0, rel=3.0 * tau**2)
        assert state.replicon == pytest.approx(-4.0 / 3.0 * tau**2, rel=9.0 * tau)


@pytest.mark.parametrize("h", [0.0, 0.5, -2.0])
def test_sk_zero_temperature_limit(h):
    """The closed form is the limit; differences fall like T or faster."""
    limit = solve_sk(0.0, h)
    gaps = []
    for t in (1e-2, 1e-3, 1e-4, 1e-5):
        state = solve_sk(t, h)
        gaps.append(
            [
                abs(state.m - limit.m),
                1.0 - state.q,
                abs(state.energy - limit.energy),
                abs(state.free_energy - limit.free_energy),
            ]
        )
    gaps = np.array(gaps)
    assert (gaps[1:] <= np.maximum(0.12 * gaps[:-1], 2e-15)).all()


@pytest.mark.parametrize("h", [0.0, 1e-300, 1e-16, 1e-5, 0.3, -2.0, 50.0, 1e100])
def test_any_temperature_gives_a_state(h):
    temperatures = [
        *(0.0, 5e-324, 1e-300, 1e-100, 1e-12, 0.3, 1.0 - 1e-16, 1.0),
        *(1.0 + 1e-12, 3.0, 1e10, 1e300, math.inf),
    ]
    for solve in (solve_sk, solve_curie_weiss):
        states = [solve(t, h) for t in temperatures]
        assert all(state.status.ok for state in states)
        values = [(s.m, s.q, s.energy) for s in states]
        assert np.isfinite(values).all()
        assert all(0.0 <= q <= 1.0 and m * m <= q + 1e-15 for m, q, _ in values)
        assert not np.isnan([(s.free_energy, s.replicon) for s in states]).any()
        f = [state.free_energy for state in states]
        # Entropies of the replica-symmetric glass are negative, but bounded.
        assert all(
            b <= a + 0.16 * (t2 - t1) + 1e-14 * abs(a)
            for (a, b), (t1, t2) in zip(
                itertools.pairwise(f), itertools.pairwise(temperatures), strict=True
            )
            if t2 < math.inf
        )


@pytest.mark.parametrize("t", [0.3, 0.9, 1.7])
def test_field_reversal(t):
    for solve in (solve_sk, solve_curie_weiss):
        plus, minus = solve(t, 0.6), solve(t, -0.6)
        assert minus.m == -plus.m
        assert (minus.q, minus.free_energy, minus.energy) == pytest.approx(
            (plus.q, plus.free_energy, plus.energy), rel=1e-14
        )


# The de Almeida-Thouless line ----------------------------------------------------


def test_at_line_starts_at_one():
    assert find_at_temperature(0.0).value == 1.0
    assert find_at_temperature().status is Status.CLOSED_FORM


@pytest.mark.parametrize("h", [1e-4, 0.01, 0.3, 1.0, -1.0, 3.0, 8.0])
def test_replicon_vanishes_on_the_at_line(h):
    line = find_at_temperature(h)
    assert line.status is Status.CONVERGED
    below, above = (
        solve_sk(line.value * (1.0 + sign * 1e-3), h).replicon for sign in (-1, 1)
    )
    assert below < 0.0 < above
    for sign in (-1.0, 1.0):
        t = line.value + sign * 10.0 * line.error
        assert sign * solve_sk(t, h).replicon >= -1e-14


def test_at_line_in_weak_and_strong_fields():
    for h in (1e-9, 1e-6, 5e-6, 1e-5, 1e-4):
        tau = (0.75 * h * h) ** (1.0 / 3.0)
        line = find_at_temperature(h)
        expansion = 1.0 - tau + tau**2 / 3.0
        assert abs(line.value - expansion) <= tau**3 + line.error
    for h in (6.0, 15.0, 25.9):
        strong = 4.0 / 3.0 * math.exp(-0.5 * h * h) / math.sqrt(2.0 * math.pi)
        assert find_at_temperature(h).value == pytest.approx(strong, rel=1e-10)
    missing = find_at_temperature(30.0)
    assert missing.status is Status.NO_TRANSITION
    assert math.isnan(missing.value)


def test_at_line_falls_with_the_field():
    line = [find_at_temperature(h).value for h in np.geomspace(1e-8, 25.0, 60)]
    assert (np.diff(line) < 0.0).all()


# Boundary ------------------------------------------------------------------------

BAD_REALS = [
    (math.nan, ParameterError),
    (True, ParameterTypeError),
    ("0.5", ParameterTypeError),
    (0.5 + 0j, ParameterTypeError),
    (None, ParameterTypeError),
    ([0.5], ParameterTypeError),
    (np.array([0.5, 0.6]), ParameterTypeError),
]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        *(("temperature", value, error) for value, error in BAD_REALS),
        ("temperature", -1e-300, ParameterError),
        ("temperature", -math.inf, ParameterError),
        *(("field", value, error) for value, error in BAD_REALS),
        ("field", math.inf, ParameterError),
        ("field", 1e101, ParameterError),
    ],
)
def test_bad_arguments_are_named(name, value, error):
    arguments = {"temperature": 0.5, "field": 0.1, name: value}
    for solve in (
        solve_sk,
        solve_curie_weiss,
        lambda **options: curie_weiss_exact(10, **options),
    ):
        with pytest.raises(error, match=rf"^{name} = "):
            solve(**arguments)
    if name == "field":
        with pytest.raises(error, match=r"^field = "):
            find_at_temperature(value)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1, ParameterError),
        (0, ParameterError),
        (-5, ParameterError),
        (10**7 + 1, ParameterError),
        (10.0, ParameterTypeError),
        (True, ParameterTypeError),
        ("10", ParameterTypeError),
        (None, ParameterTypeError),
    ],
)
def test_bad_sizes_are_named(value, error):
    with pytest.raises(error, match=r"^n_spins = "):
        curie_weiss_exact(value, 0.5)
