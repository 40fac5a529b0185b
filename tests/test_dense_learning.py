"""Learning from noisy examples at any load: slow twins, identities, limits."""

import math

import numpy as np
import pytest
from dense_learning_reference import Twin
from scipy.special import erf, erfinv
from scipy.stats import binom

from analytics.dense import solve_storage, solve_supervised, solve_unsupervised
from analytics.dense.example_law import (
    binomial_law,
    gaussian_law,
    law_averages,
    realised_law,
    step_averages,
)
from analytics.multitask import solve_learning
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

# order, alpha, temperature, n_examples, quality, protocol, etabar, coincident
POINTS = [
    (2, 0.02, 0.2, 21, 0.5, "supervised", "binomial", "exclude"),
    (2, 0.02, 0.1, 21, 0.5, "unsupervised", "binomial", "keep"),
    (2, 0.01, 0.3, 6, 0.7, "unsupervised", "binomial", "exclude"),
    (2, 0.03, 0.15, 30, 0.5, "supervised", "gaussian", "keep"),
    (3, 0.03, 0.1, 11, 0.6, "supervised", "binomial", "exclude"),
    (3, 0.03, 0.1, 11, 0.6, "unsupervised", "binomial", "exclude"),
    (3, 0.008, 0.2, 8, 0.6, "unsupervised", "binomial", "keep"),
    (4, 0.0041, 0.2, 21, 0.5, "supervised", "binomial", "exclude"),
    (4, 0.002, 0.2, 12, 0.6, "supervised", "binomial", "keep"),
    (4, 0.0005, 0.15, 10, 0.7, "unsupervised", "gaussian", "keep"),
    (5, 0.001, 0.15, 3, 0.8, "unsupervised", "binomial", "exclude"),
    (6, 0.0003, 0.2, 2, 0.8, "supervised", "binomial", "exclude"),
]
SOLVERS = {"supervised": solve_supervised, "unsupervised": solve_unsupervised}
every_point = pytest.mark.parametrize("point", POINTS, ids=str)
NUMBERS = ("m", "q", "free_energy", "energy", "replicon")


def solve(point, **changes):
    order, alpha, temperature, m, r, protocol, etabar, coincident = point
    arguments = {
        "order": order,
        "alpha": alpha,
        "temperature": temperature,
        "n_examples": m,
        "quality": r,
        "etabar": etabar,
        "coincident": coincident,
        **changes,
    }
    return SOLVERS[protocol](**arguments)


@every_point
def test_damped_iteration_finds_the_same_state(point):
    state, twin = solve(point), Twin(*point)
    w, q = twin.iterate()
    assert state.status is Status.CONVERGED
    assert state.residual < 1e-10
    assert state.quadrature_error < 1e-12
    assert state.overlap_examples == pytest.approx(w, abs=1e-11)
    assert state.q == pytest.approx(q, abs=1e-11)
    assert state.m == pytest.approx(twin.m_at(w, q), abs=1e-11)
    assert state.n == pytest.approx(w / math.sqrt(1 + twin.rho), abs=1e-11)
    assert state.free_energy == pytest.approx(twin.free_energy(w, q), abs=1e-11)
    assert state.replicon == pytest.approx(twin.replicon(w, q), abs=1e-10)


@pytest.mark.parametrize("point", [POINTS[1], POINTS[6], POINTS[10]], ids=str)
def test_state_solves_the_equations_integrated_adaptively(point):
    state, twin = solve(point), Twin(*point)
    w, q = state.overlap_examples, state.q
    expected = [
        (w, lambda v, y: v * np.tanh(y)),
        (q, lambda v, y: np.tanh(y) ** 2),
        (state.m, lambda v, y: np.tanh(y)),
    ]
    for value, f in expected:
        assert value == pytest.approx(twin.average_by_quad(f, w, q), abs=1e-9)


@every_point
def test_free_energy_is_stationary_and_gives_the_energy(point):
    state, twin = solve(point), Twin(*point)
    w, q, h = state.overlap_examples, state.q, 1e-4
    in_w = (twin.free_energy(w + h, q) - twin.free_energy(w - h, q)) / (2 * h)
    in_q = (twin.free_energy(w, q + h) - twin.free_energy(w, q - h)) / (2 * h)
    # Third derivatives are below 1/T**2 of the first coefficients.
    assert abs(in_w) < 2e-6
    assert abs(in_q) < 2e-6
    beta, h = 1.0 / point[2], 1e-3
    up, down = (solve(point, temperature=1.0 / (beta + s * h)) for s in (1, -1))
    slope = (beta + h) * up.free_energy - (beta - h) * down.free_energy
    assert state.energy == pytest.approx(slope / (2 * h), abs=2e-7)


def test_a_wrong_noise_is_noticed():
    # Control: without the factor nu of the unsupervised noise the twin differs.
    wrong = Twin(3, 0.03, 0.1, 11, 0.6)
    assert abs(solve(POINTS[5]).overlap_examples - wrong.iterate()[0]) > 0.01


# Predictions that agreed with Monte Carlo simulations, to all digits recorded.
AGREEMENT = [
    (POINTS[4], {"m": 0.9356, "q": 0.9679}),
    (POINTS[5], {"m": 0.8972}),
    (POINTS[7], {"m": 0.9520}),
    (POINTS[0], {"m": 0.9570, "overlap_examples": 0.9264}),
    ((*POINTS[1][:7], "exclude"), {"m": 0.9680, "overlap_examples": 0.9316}),
    (
        (4, 0.0, 0.2, 40, 0.2, "supervised", "binomial", "exclude"),
        {"m": 0.7430, "overlap_examples": 0.8161},
    ),
    ((4, 0.0, 0.2, 21, 0.4, "supervised", "binomial", "exclude"), {"m": 0.9101}),
]


@pytest.mark.parametrize(("point", "expected"), AGREEMENT)
def test_states_that_were_compared_with_simulations(point, expected):
    state = solve(point)
    for name, value in expected.items():
        assert round(getattr(state, name), 4) == value


@pytest.mark.parametrize("order", [2, 3, 4, 6])
@pytest.mark.parametrize("coincident", ["exclude", "keep"])
def test_perfect_examples_are_storage(order, coincident):
    for temperature in (0.0, 0.01, 0.1, 0.3):
        for alpha in (0.0, 1e-8, 1e-3, 0.01, 0.12):
            expected = solve_storage(order, alpha, temperature, coincident=coincident)
            for solver in SOLVERS.values():
                arguments = {"n_examples": 5, "quality": 1.0, "coincident": coincident}
                state = solver(order, alpha, temperature, **arguments)
                assert state.status.ok is expected.status.ok
                if not state.status.ok:
                    continue
                for name in NUMBERS:
                    value = getattr(expected, name)
                    assert getattr(state, name) == pytest.approx(value, abs=1e-12)


def test_many_examples_are_storage():
    expected = solve_storage(4, 0.02, 0.1)
    for solver in SOLVERS.values():
        arguments = {"n_examples": 10**15, "quality": 0.5, "etabar": "gaussian"}
        state = solver(4, 0.02, 0.1, **arguments)
        for name in NUMBERS:
            assert getattr(state, name) == pytest.approx(
                getattr(expected, name), abs=1e-11
            )


def test_one_example_is_the_pattern():
    # Its archetype is at overlap r with it, whatever the protocol.
    expected = solve_storage(3, 0.05, 0.2)
    for solver in SOLVERS.values():
        state = solver(3, 0.05, 0.2, n_examples=1, quality=0.7)
        assert state.overlap_examples == pytest.approx(expected.m, abs=1e-12)
        assert state.m == pytest.approx(0.7 * expected.m, abs=1e-12)
        assert state.example_stability is None
        assert state.free_energy == pytest.approx(expected.free_energy, abs=1e-12)


@pytest.mark.parametrize("order", [2, 4])
def test_gaussian_law_is_the_limit_at_rate_1_over_m(order):
    # rho = 0.15 fixed; the lattice differs by its third and fourth cumulants, O(1/M).
    gaps = []
    for m in (40, 80, 160):
        r = 1.0 / math.sqrt(1.0 + 0.15 * m)
        pair = [
            solve_supervised(order, 0.003, 0.2, n_examples=m, quality=r, etabar=law).m
            for law in ("binomial", "gaussian")
        ]
        gaps.append(pair[0] - pair[1])
    assert 1.7 < gaps[0] / gaps[1] < 2.4
    assert 1.8 < gaps[1] / gaps[2] < 2.2


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_zero_temperature_is_the_limit(point):
    # Differences are of order T: the density of fields at 0 is finite.
    zero = solve(point, temperature=0.0)
    near = [solve(point, temperature=t) for t in (1e-4, 2e-4)]
    assert zero.status.ok
    for name in ("m", "q", "overlap_examples", "free_energy", "energy"):
        first, second = (getattr(state, name) for state in near)
        # Linear and quadratic terms removed from the first; what is left is T**2.
        assert 2 * first - second == pytest.approx(getattr(zero, name), abs=2e-5)
    assert zero.free_energy == zero.energy
    assert zero.replicon == -math.inf


def test_zero_temperature_equations():
    # q = 1, W = E v erf(v x), explicitly.
    state = solve_supervised(4, 0.005, 0.0, n_examples=21, quality=0.5)
    twin = Twin(4, 0.005, 0.0, 21, 0.5)
    w = state.overlap_examples
    x = w**3 / math.sqrt(2 * twin.noise(1.0))
    assert w == pytest.approx(twin.p @ (twin.v * erf(twin.v * x)), abs=1e-12)
    assert state.m == pytest.approx(twin.p @ erf(twin.v * x), abs=1e-12)
    chi = twin.p @ np.exp(-((twin.v * x) ** 2)) * 2
    chi /= math.sqrt(2 * math.pi * twin.noise(1.0))
    assert state.energy == pytest.approx(-(w**4) / 4 - 6 * 0.005 * chi, abs=1e-12)


def test_majority_without_load_and_temperature():
    for m in (7, 8):
        state = solve_supervised(5, 0.0, 0.0, n_examples=m, quality=0.4)
        law = binom(m, 0.7)
        tie = law.pmf(m / 2)
        assert state.status is Status.CLOSED_FORM
        expected = law.sf(m / 2) - law.cdf(m / 2) + tie
        assert state.m == pytest.approx(expected, abs=1e-14)
        assert state.q == pytest.approx(1 - tie, abs=1e-14)
        assert state.energy == -(state.overlap_examples**5) / 5
    state = solve_supervised(5, 0.0, 0.0, n_examples=7, quality=0.4, etabar="gaussian")
    rho = 0.84 / (7 * 0.16)
    assert erfinv(state.m) == pytest.approx(1 / math.sqrt(2 * rho))


def test_several_maxima_of_the_load_at_few_examples():
    # At the first one the entries with the weakest majority freeze; both states are
    # those that damped iteration from W = E|v| reaches.
    arguments = {"n_examples": 7, "quality": 0.4}
    states = [solve_supervised(2, a, 0.1, **arguments) for a in (0.0034, 0.0036)]
    assert states[0].overlap_examples - states[1].overlap_examples > 0.015
    for state, alpha in zip(states, (0.0034, 0.0036), strict=True):
        w, _ = Twin(2, alpha, 0.1, 7, 0.4).iterate()
        assert state.overlap_examples == pytest.approx(w, abs=1e-10)
    beyond = solve_supervised(2, 0.0079, 0.1, **arguments)
    assert beyond.status is Status.NO_RETRIEVAL


@pytest.mark.parametrize("protocol", SOLVERS)
def test_weak_states_of_dense_networks_are_not_retrieval(protocol):
    # alpha(W) has a second, higher maximum at W ~ T**(1/(P-2)) whose states are
    # unstable; 0.022 lies between the two at T = 0.001.
    point = (4, 0.022, 0.001, 21, 0.5, "supervised", "binomial", "exclude")
    assert solve(point).status is Status.NO_RETRIEVAL
    assert solve((*point[:2], 0.15, *point[3:])).status.ok


@pytest.mark.parametrize("order", [2, 3, 4])
def test_example_stability_is_an_eigenvalue_of_the_response(order):
    point = (order, 0.004, 0.2, 5, 0.7, "unsupervised", "binomial", "exclude")
    state, twin = solve(point), Twin(*point)
    jacobian = twin.example_jacobian(state.overlap_examples, state.q)
    for direction in ([1, -1, 0, 0, 0], [1, 1, 1, 1, -4]):
        expected = (1 - state.example_stability) * np.array(direction)
        assert jacobian @ direction == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("law", ["binomial", "gaussian"])
def test_pairwise_low_load_is_that_of_multitasking(law):
    arguments = {"n_examples": 12, "quality": 0.4}
    state = solve_unsupervised(2, 0.0, 0.3, **arguments, etabar=law)
    other = solve_learning(1, 0.0, 0.3, **arguments, protocol="unsupervised", law=law)
    assert state.m == pytest.approx(float(other.m[0]), abs=1e-9)
    assert other.example_eigenvalues is not None
    singled = float(other.example_eigenvalues[0])
    assert state.example_stability == pytest.approx(singled, abs=1e-8)


def test_averages_over_the_gaussian_law_by_quadrature():
    # Stein's identity against an explicit sum over v.
    law = gaussian_law(9, 0.5)
    twin = Twin(3, 0.05, 0.3, 9, 0.5, etabar="gaussian")
    mu, sigma = 1.7, 0.8
    found = law_averages(law, mu, sigma)
    x, w = np.polynomial.hermite_e.hermegauss(120)
    w /= w.sum()
    y = twin.v[:, None] * mu + sigma * x
    t, s = np.tanh(y), np.cosh(y) ** -2.0

    def mean(values):
        return float(twin.p @ (values @ w))

    v = twin.v[:, None]
    expected = {
        "deficit": twin.p @ abs(twin.v) - mean(v * t),
        "m": mean(t),
        "sech2": mean(s),
        "sech4": mean(s * s),
        "slope": mean(v * t * s),
        "spread": mean(v * v * s),
        "rise": mean(2 * s - 3 * s * s),
    }
    for name, value in expected.items():
        # E|v| has a kink, which the sum over v resolves to its step squared.
        tolerance = 1e-3 if name == "deficit" else 1e-9
        assert getattr(found, name) == pytest.approx(value, abs=tolerance)
    near, far = law_averages(law, mu, 0.8), law_averages(law, mu, 0.9)
    assert near.deficit - far.deficit == pytest.approx(
        mean(v * (np.tanh(v * mu + 0.9 * x) - t)), abs=1e-9
    )
    step, wide = step_averages(law, 1.3), Twin(3, 0.05, 0.3, 9, 0.5, etabar="gaussian")
    assert step[0] == pytest.approx(wide.p @ erf(1.3 * wide.v), abs=1e-12)
    assert step[1] == pytest.approx(wide.p @ (wide.v * erf(1.3 * wide.v)), abs=1e-12)
    density = wide.p * np.exp(-((1.3 * wide.v) ** 2)) / math.sqrt(math.pi)
    assert step[2] == pytest.approx(density.sum(), abs=1e-12)
    assert step[3] == pytest.approx(density @ wide.v**2, abs=1e-12)


def test_laws_have_the_moments_they_must_have():
    for m, r in ((1, 0.3), (8, 0.5), (51, 0.2), (400, 0.1)):
        law = binomial_law(m, r)
        square = r * r + (1 - r * r) / m
        assert law.weights.sum() == pytest.approx(1.0, abs=1e-14)
        assert law.weights @ law.sizes**2 == pytest.approx(1.0, abs=1e-13)
        mean = law.weights @ (law.sizes * law.signs)
        assert mean == pytest.approx(r / math.sqrt(square), abs=1e-14)


def test_realised_values_replace_the_law():
    m, r = 6, 0.6
    law = binomial_law(m, r)
    # Values in the exact proportions of the law are the law.
    square = math.sqrt(r * r + (1 - r * r) / m)
    right = np.arange(m + 1)
    counts = np.round(5**m * binom.pmf(right, m, 0.8)).astype(int)
    values = np.repeat((2 * right - m) / (m * square), counts)
    same = realised_law(values, m, r)
    assert same.sizes == pytest.approx(law.sizes, abs=1e-12)
    assert same.weights == pytest.approx(law.weights, abs=1e-12)
    assert same.signs == pytest.approx(law.signs, abs=1e-12)
    arguments = {"n_examples": m, "quality": r}
    state = solve_supervised(3, 0.02, 0.2, **arguments)
    given = solve_supervised(3, 0.02, 0.2, **arguments, values=values)
    assert given.m == pytest.approx(state.m, abs=1e-10)
    sample = np.random.default_rng(5).choice(values, 500)
    other = solve_supervised(3, 0.02, 0.2, **arguments, values=sample)
    twin = Twin(3, 0.02, 0.2, m, r)
    twin.v, twin.p = np.unique(sample, return_counts=True)
    twin.p = twin.p / 500
    assert other.overlap_examples == pytest.approx(twin.iterate()[0], abs=1e-10)


def test_ties_freeze_at_any_load_in_the_pairwise_network():
    # v = 0 for a fraction w0 of the entries at even M; below T = w0 they are a spin
    # glass: at T = 0 sqrt(Delta) -> w0 sqrt(2/pi) as alpha -> 0.
    arguments = {"n_examples": 4, "quality": 0.6}
    w0 = binom.pmf(2, 4, 0.8)
    delta = 2 / math.pi * w0**2
    w = solve_supervised(2, 1e-10, 0.0, **arguments).overlap_examples
    twin = Twin(2, 0.0, 0.0, 4, 0.6)
    # With the other fields far above the noise it is closed but for their response.
    image = twin.p @ (twin.v * erf(twin.v * w / math.sqrt(2 * delta)))
    assert w == pytest.approx(image, abs=2e-3)
    assert w < solve_supervised(2, 0.0, 0.0, **arguments).overlap_examples


@pytest.mark.parametrize("order", [2, 3, 6])
@pytest.mark.parametrize("temperature", [1e-9, 1e-3, 0.1])
def test_tiny_loads_join_none(order, temperature):
    # Odd M: without ties the limit of small loads is regular.
    for arguments in (
        {"n_examples": 3, "quality": 0.8},
        {"n_examples": 30, "quality": 0.5, "etabar": "gaussian"},
    ):
        none = solve_supervised(order, 0.0, temperature, **arguments)
        for alpha in (1e-90, 1e-30, 1e-16):
            state = solve_supervised(order, alpha, temperature, **arguments)
            assert state.status.ok
            for name in ("m", "q", "overlap_examples", "energy"):
                value = getattr(none, name)
                assert getattr(state, name) == pytest.approx(value, abs=1e-7)


def test_statuses():
    arguments = {"n_examples": 21, "quality": 0.5}
    for temperature in (0.0, 0.1, math.inf):
        state = solve_supervised(4, 0.1, temperature, **arguments)
        assert state.status is Status.NO_RETRIEVAL
        assert math.isnan(state.m)
        assert math.isnan(state.overlap_examples)
    assert solve_supervised(3, 0.0, 0.9, **arguments).status is Status.NO_RETRIEVAL
    assert solve_supervised(2, 0.0, 1.1, **arguments).status is Status.NO_RETRIEVAL


BAD = [
    ({"order": 1}, ParameterError),
    ({"order": 2.5}, ParameterTypeError),
    ({"alpha": -0.1}, ParameterError),
    ({"alpha": math.nan}, ParameterError),
    ({"temperature": -1.0}, ParameterError),
    ({"temperature": "cold"}, ParameterTypeError),
    ({"n_examples": 0}, ParameterError),
    ({"n_examples": 3.0}, ParameterTypeError),
    ({"n_examples": 10**14}, ParameterError),
    ({"quality": 0.0}, ParameterError),
    ({"quality": 1.5}, ParameterError),
    ({"etabar": "normal"}, ParameterError),
    ({"coincident": "drop"}, ParameterError),
    ({"values": [[1.0]]}, ParameterError),
    ({"values": [0.0, 0.0]}, ParameterError),
    ({"values": [1.0, math.nan]}, ParameterError),
    ({"values": []}, ParameterError),
]


@pytest.mark.parametrize(("change", "error"), BAD, ids=str)
def test_bad_input_is_refused(change, error):
    good = {"order": 3, "alpha": 0.01, "temperature": 0.1}
    good |= {"n_examples": 11, "quality": 0.5}
    for solver in SOLVERS.values():
        with pytest.raises(error):
            solver(**(good | change))
