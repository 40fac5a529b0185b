"""Many weak examples: Gaussian averages, and what noise does to the hierarchy."""

import math

import numpy as np
import pytest
from learning_reference import GaussianSites

from analytics.multitask import (
    find_noise_threshold,
    parallel_dilution,
    solve_learning,
)
from analytics.multitask.gaussian import GaussianLaw, field_averages
from analytics.multitask.lattice import example_law, example_letter
from statmech.status import Status


def quality_at(rho, n_examples):
    return 1.0 / math.sqrt(1.0 + n_examples * rho)


def learn(k, d, t, m, r, **options):
    return solve_learning(k, d, t, n_examples=m, quality=r, **options)


# Gaussian law ------------------------------------------------------------------


def averages_by_panels(a, s, tau):
    """The same four averages over y, where all remainders of tanh live in |y| < 40."""
    x, w = np.polynomial.legendre.leggauss(24)
    edges = np.linspace(-40, 40, 321)
    y = (edges[:-1, None] + 0.125 * (x + 1)).ravel()
    z = (tau * y - a) / s
    density = np.tile(0.125 * w, 320) * np.exp(-0.5 * z * z) * tau / s
    density /= math.sqrt(2 * math.pi)
    sech2 = 1 / np.cosh(y) ** 2
    rest = density @ (np.sign(y) - np.tanh(y))
    return [
        math.erf(a / s / math.sqrt(2)) - rest,
        density @ sech2 / tau,
        # By parts, which leaves no difference of averages.
        density @ (sech2 * z) / tau / s,
        density @ (sech2 * (z * z - 1)) / tau / s**2,
    ]


@pytest.mark.parametrize("ratio", [0.5, 1.4, 1.6, 30.0, 990.0, 1010.0, 1e6, 2e8])
def test_field_averages(ratio):
    a, s = 0.7, 0.4
    out = np.empty((6, 1))
    field_averages(np.array([a]), np.array([s]), s / ratio, out)
    expected = averages_by_panels(a, s, s / ratio)
    assert out[0, 0] == pytest.approx(expected[0], abs=1e-14)
    assert out[1:4, 0] == pytest.approx(expected[1:], rel=3e-10)
    frozen = np.empty((6, 1))
    field_averages(np.array([a]), np.array([s]), 0.0, frozen)
    if ratio > 900.0:
        assert out[:5, 0] == pytest.approx(frozen[:5, 0], rel=30.0 / ratio**2 + 1e-9)


@pytest.mark.parametrize(("d", "rho", "t"), [(0.3, 0.21, 0.15), (0.6, 0.05, 0.1)])
def test_grid_in_the_noise_gives_the_same_state(d, rho, t):
    state = learn(2, d, t, 100, quality_at(rho, 100), law="gaussian")
    twin = GaussianSites(d, rho)
    for miss in twin.residual(state, t):
        assert abs(miss).max() < 1e-9


def test_gaussian_examples_stay_together():
    """The eigenvalue against singling out one is m/n, by Stein's identity."""
    state = learn(3, 0.3, 0.1, 40, 0.3, law="gaussian", protocol="unsupervised")
    assert state.example_eigenvalues == pytest.approx(state.m / state.n, abs=1e-10)
    assert state.stable


@pytest.mark.parametrize("t", [0.0, 0.1])
def test_many_examples_are_gaussian(t):
    """The difference falls like 1/M at fixed rho, and away from ties at T = 0 too."""
    gaps = []
    for m in (101, 1601):
        r = quality_at(0.2, m)
        exact, limit = (learn(2, 0.3, t, m, r, law=x) for x in ("binomial", "gaussian"))
        gaps.append(abs(exact.m - limit.m).max())
    assert gaps[1] < gaps[0] / 10 < 3e-4


def test_cold_limit():
    for k, d in ((2, 0.3), (3, 0.5)):
        r = quality_at(0.1, 50)
        cold = learn(k, d, 0.0, 50, r, law="gaussian")
        for t in (1e-4, 1e-6, 1e-12, 1e-200):
            state = learn(k, d, t, 50, r, law="gaussian")
            room = 100 * t * t + 1e-9
            assert state.m == pytest.approx(cold.m, abs=room)
            # Blank sites are free.
            expected = cold.free_energy - t * d**k * math.log(2)
            assert state.free_energy == pytest.approx(expected, abs=room)
            assert state.hessian_eigenvalues == pytest.approx(
                cold.hessian_eigenvalues, abs=room + 1e-8
            )


# Derivatives -------------------------------------------------------------------


# The exact law is piecewise linear at T = 0.
@pytest.mark.parametrize(
    ("law", "tau"),
    [
        (GaussianLaw(3, 0.4, 0.3), 0.0),
        (GaussianLaw(3, 0.4, 0.3), 0.05),
        (GaussianLaw(3, 0.4, 0.3), 0.4),
        (example_law(3, 3, 0.5, 0.4), 0.05),
        (example_law(3, 3, 0.5, 0.4), 0.4),
    ],
)
def test_gradient_and_hessian_by_differences(law, tau):
    u, h = np.array([0.8, 0.5, 0.2]), 1e-5
    found = law.moments(u, tau)
    assert found.image == pytest.approx(law.image(u, tau), abs=1e-14)
    for j, step in enumerate(h * np.eye(3)):
        up, down = law.moments(u + step, tau), law.moments(u - step, tau)
        slope = (up.log_term - down.log_term) / (2 * h)
        assert slope == pytest.approx(found.image[j], abs=1e-8)
        assert (up.image - down.image) / (2 * h) == pytest.approx(
            found.second[:, j], abs=1e-7
        )
        assert (up.m - down.m) / (2 * h) == pytest.approx(found.cross[:, j], abs=1e-7)


# Noise and hierarchy ---------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "printed"),
    [
        (2, {0.1: "1.068", 0.3: "0.36845", 0.5: "0.14132", 0.7: "0.039651"}),
        (3, {0.3: "0.39575", 0.5: "0.16031", 0.7: "0.0573"}),
        (5, {0.3: "0.421", 0.5: "0.164", 0.7: "0.0765"}),
    ],
)
def test_noise_threshold(k, printed):
    for d, text in printed.items():
        found = find_noise_threshold(k, d)
        assert f"{found.value:.{len(text) - 2}f}" == text
        assert found.error < 1e-12
        for factor, sign in ((1 - 1e-5, -1), (1 + 1e-5, 1)):
            r = quality_at(factor * found.value, 400)
            state = learn(k, d, 0.0, 400, r, law="gaussian", start="parallel")
            assert state.label == "parallel"
            lowest = state.hessian_eigenvalues[0]
            assert sign * lowest > 0.0
            assert state.stable is (sign > 0)


def test_noise_threshold_in_closed_form():
    for d, room in ((0.3, 0.003), (0.5, 0.003), (0.7, 0.003), (0.999, 1e-8)):
        form = 4 / math.pi * ((1 - d) / (1 + d)) ** 2
        assert find_noise_threshold(2, d).value == pytest.approx(form, rel=room)
    assert find_noise_threshold(3, 0.0).status is Status.NO_TRANSITION
    assert find_noise_threshold(60, 0.9).status.ok


@pytest.mark.parametrize(("d", "ends"), [(0.3, 0.4006), (0.5, 0.1644), (0.7, 0.0584)])
def test_unequal_state_survives_above_the_threshold(d, ends):
    """Three patterns: the first-order end, 1e-4 on either side."""
    for rho, label in ((ends - 1e-4, "graded"), (ends + 1e-4, "parallel")):
        r = quality_at(rho, 10**6)
        state = learn(3, d, 0.0, 10**6, r, law="gaussian")
        equal = np.ptp(state.n) < 1e-5
        assert equal is np.bool_(label == "parallel")
        assert state.stable


def test_noise_drives_two_patterns_together():
    """(m_1 - m_2)/(1 - d) as simulated runs were compared with."""
    for rho, printed in ((0.05, 0.471), (0.10, 0.335), (0.12, 0.243), (0.17, 0.0)):
        r = quality_at(rho, 401)
        m = learn(2, 0.5, 0.0, 401, r, law="gaussian").m
        assert round((m[0] - m[1]) / 0.5, 3) == pytest.approx(printed, abs=1e-9)


def test_parallel_dilution():
    assert parallel_dilution(0.0) == pytest.approx(2 / 3)
    assert round(parallel_dilution(0.3), 5) == 0.39448
    assert parallel_dilution(1.0) == pytest.approx(1 / 6)
    for rho in (0.1, 0.7, 3.0):
        form = 1 - (1 + 6 * rho + 3 * rho**2) / (3 * (1 + rho) ** 2)
        assert parallel_dilution(rho) == pytest.approx(form, abs=1e-15)
        assert parallel_dilution(rho, n_examples=1) == pytest.approx(2 / 3)
        assert parallel_dilution(rho, n_examples=10**9) == pytest.approx(form, rel=1e-6)
        for m in (2, 3, 6):
            letter = example_letter(m, quality_at(rho, m), 0.0)
            fourth = letter.weight @ letter.e[:, 0] ** 4
            assert parallel_dilution(rho, n_examples=m) == pytest.approx(1 - fourth / 3)


@pytest.mark.parametrize("d", [0.35, 0.45])
def test_which_state_comes_first(d):
    """Just below T_c, on either side of d* = 0.39448 at rho = 0.3."""
    r = quality_at(0.3, 500)
    states = {
        start: learn(2, d, 0.99 * (1 - d), 500, r, law="gaussian", start=start)
        for start in ("pure", "parallel")
    }
    winner = "parallel" if d > parallel_dilution(0.3) else "pure"
    assert [s for s in states if states[s].stable] == [winner]
