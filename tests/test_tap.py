"""TAP and linear response: orders in the couplings, differences, exact sums.

Oracles: exact sums, free energies and inverses written out here, differences of
solutions.
"""

import math

import boltzmann_cases as cases
import numpy as np
import pytest
from boltzmann_cases import newton, random_starts, reduced, slope

from statmech.boltzmann import (
    BoltzmannMachine,
    enumerate_exact,
    from_ising,
    magnetisations,
    to_ising,
)
from statmech.errors import ParameterError, ParameterTypeError
from statmech.mean_field import linear as linear_module
from statmech.mean_field import linear_response, sequential, tap, tap_response
from statmech.status import Status

# Small couplings --------------------------------------------------------------------


SCALES = np.array([0.02, 0.04, 0.08])


def scaled(model, scale):
    return BoltzmannMachine(scale * model.potentials, model.biases, model.n_states)


@pytest.mark.parametrize("name", ["mixed_states", "wide_class", "sk"])
def test_errors_are_of_second_order(name):
    """Marginals and log Z differ at second order in Phi, covariances off the diagonal
    blocks, too; slope 2 within 0.15 from third order at 0.08."""
    model = cases.CASES[name]()
    off = model.layout.owner[:, None] != model.layout.owner
    marginal, log_z, covariance, plain = [], [], [], []
    for scale in SCALES:
        small = scaled(model, scale)
        exact = enumerate_exact(small)
        result = sequential(small, tol=1e-14)
        chi = linear_response(small, result.q)
        assert chi.status.ok
        marginal.append(np.abs(exact.marginals - result.q).max())
        log_z.append(exact.log_z + result.free_energy)
        covariance.append(np.abs(exact.covariance - chi.covariance)[off].max())
        plain.append(np.abs(exact.covariance)[off].max())
    assert slope(marginal, SCALES) == pytest.approx(2.0, abs=0.15)
    assert slope(log_z, SCALES) == pytest.approx(2.0, abs=0.15)
    assert slope(covariance, SCALES) == pytest.approx(2.0, abs=0.15)
    # Control: without the response the covariance is wrong at first order.
    assert slope(plain, SCALES) == pytest.approx(1.0, abs=0.15)


def test_tap_errors_are_of_third_order():
    model = cases.sk()
    marginal, log_z, covariance = [], [], []
    scales = 0.25 * SCALES
    for scale in scales:
        small = scaled(model, scale / 0.4)  # of beta
        exact = enumerate_exact(small)
        result = tap(small, tol=1e-15, max_iter=200)
        m = magnetisations(small, result.last)
        chi = tap_response(small, m)
        marginal.append(np.abs(exact.marginals - result.last).max())
        log_z.append(abs(exact.log_z + float(_tap_free_energy(small, m))))
        of_spins = 4.0 * exact.covariance[::2, ::2]
        off = ~np.eye(10, dtype=bool)
        covariance.append(np.abs(of_spins - chi.covariance)[off].max())
    assert slope(marginal, scales) == pytest.approx(3.0, abs=0.1)
    assert slope(log_z, scales) == pytest.approx(3.0, abs=0.1)
    assert slope(covariance, scales) == pytest.approx(3.0, abs=0.1)


# TAP --------------------------------------------------------------------------------


def _tap_free_energy(model, m):
    j, h, constant = to_ising(model)
    up, down = (1.0 + m) / 2.0, (1.0 - m) / 2.0
    entropy = (up * np.log(up) + down * np.log(down)).sum()
    v = 1.0 - m * m
    return entropy - 0.5 * m @ j @ m - h @ m - 0.25 * v @ (j * j) @ v - constant


def test_tap_is_stationary():
    """The gradient of the free energy vanishes, by differences of step 1e-5."""
    phi, _ = cases.random_potentials([2] * 7, 61, 0.6)
    model = BoltzmannMachine(phi, np.random.default_rng(62).normal(size=14), 2)
    result = tap(model, tol=1e-13)
    m = magnetisations(model, result.q)
    assert result.free_energy == pytest.approx(_tap_free_energy(model, m), abs=1e-12)
    for i in range(7):
        shift = 1e-5 * np.eye(7)[i]
        up, down = (_tap_free_energy(model, m + s) for s in (shift, -shift))
        assert abs(up - down) / 2e-5 < 1e-8
    assert result.method == "tap"
    assert result.error_estimate < 1e-12
    assert math.isinf(result.error_bound)


def test_tap_error_estimate():
    """At loose tolerances the estimated distance is the true one, within half of it."""
    model = cases.sk(beta=0.8)
    truth = tap(model, tol=1e-14).last
    for tol in (1e-3, 1e-5, 1e-7):
        result = tap(model, tol=tol)
        away = float(np.linalg.norm(result.q - truth))
        assert result.error_estimate == pytest.approx(away, rel=0.5)


def test_tap_under_evidence():
    """Observed spins are fields: the solution of the reduced model."""
    model = cases.sk(beta=0.8)
    states = np.full(10, -1)
    states[[1, 4]] = 0, 1
    part, hidden = reduced(model, states)
    result = tap(model, evidence=states, tol=1e-12)
    alone = tap(part, tol=1e-12)
    assert result.q[hidden] == pytest.approx(alone.q, abs=1e-10)
    seen = cases.brute_force(model, np.where(states < 0, 0, states))[0]
    given = cases.brute_force(part, [0] * 8)[0]
    assert result.free_energy - alone.free_energy == pytest.approx(
        given - seen, abs=1e-10
    )


def test_tap_needs_damping():
    """Without, it alternates where with damping it converges; both are told."""
    model = cases.sk(60, 0.5, 64, 0.05)
    wild = tap(model, damping=0.0)
    calm = tap(model)
    assert calm.converged
    assert not wild.converged
    assert wild.oscillating


def test_tap_is_better_than_naive_mean_field():
    """SK at beta = 0.3 with fields: error of TAP < 0.4 naive on each of 10 samples."""
    for seed in range(10):
        model = cases.sk(12, 0.3, 70 + seed, 0.5)
        exact = enumerate_exact(model).marginals
        naive = np.abs(sequential(model).q - exact).max()
        better = np.abs(tap(model).q - exact).max()
        assert 0.0 < better < 0.4 * naive


def test_tap_wants_two_states():
    with pytest.raises(ParameterError, match="two states"):
        tap(cases.mixed_states())


# Linear response --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixed_states", "wide_class", "antiferromagnet"])
def test_response_against_differences(name):
    """dq / db by two solutions; the curvature lies in the bounds of the spectrum."""
    model = cases.CASES[name]()
    q = newton(model, sequential(model, tol=1e-13).q)
    chi = linear_response(model, q)
    assert chi.status is Status.CLOSED_FORM
    assert chi.residual < 1e-13
    assert 1.0 - 0.5 * model.spectrum()[1] - 1e-12 <= chi.curvature <= 1.0 + 1e-12
    for r in range(0, model.size, 4):
        shift = 1e-4 * np.eye(model.size)[r]
        up = newton(model.with_biases(model.biases + shift), q)
        down = newton(model.with_biases(model.biases - shift), q)
        assert (up - down) / 2e-4 == pytest.approx(chi.covariance[r], abs=1e-6)
    assert np.linalg.eigvalsh(chi.covariance)[0] > -1e-14
    sums = np.add.reduceat(chi.covariance, model.layout.offsets[:-1], axis=0)
    assert np.abs(sums).max() < 1e-13


def test_response_of_spins_against_the_formula():
    model = cases.sk()
    j, _, _ = to_ising(model)
    q = sequential(model, tol=1e-13).q
    m = magnetisations(model, q)
    want = np.linalg.inv(np.diag(1.0 / (1.0 - m * m)) - j)
    chi = linear_response(model, q).covariance
    assert 4.0 * chi[::2, ::2] == pytest.approx(want, abs=1e-12)
    assert 4.0 * chi[::2, 1::2] == pytest.approx(-want, abs=1e-12)


def test_tap_response_against_differences():
    model = cases.sk(beta=0.8)
    m = magnetisations(model, tap(model, tol=1e-14).last)
    chi = tap_response(model, m)
    j, h, _ = to_ising(model)
    for i in range(0, 10, 3):
        shift = 1e-4 * np.eye(10)[i]
        ends = [
            magnetisations(model, tap(from_ising(j, h + s), tol=1e-14).last)
            for s in (shift, -shift)
        ]
        difference = (ends[0] - ends[1]) / 2e-4
        assert difference == pytest.approx(chi.covariance[i], abs=1e-6)


def test_response_under_evidence():
    model = cases.mixed_states()
    states = np.array([-1, 2, -1, -1, 0])
    part, hidden = reduced(model, states)
    whole = linear_response(
        model, sequential(model, evidence=states).q, evidence=states
    )
    alone = linear_response(part, sequential(part).q)
    want = np.zeros((model.size,) * 2)
    want[np.ix_(hidden, hidden)] = alone.covariance
    assert whole.covariance == pytest.approx(want, abs=1e-9)


def test_naive_response_diverges_and_tap_does_not():
    """SK near lambda_max(J) = 1: largest error off the diagonal, exact by sums."""
    model = cases.sk(12, 0.5, 81, 0.0)
    j, h, _ = to_ising(model)
    j *= 0.995 / np.linalg.eigvalsh(j)[-1]
    model = from_ising(j, h)
    exact = 4.0 * enumerate_exact(model).covariance[::2, ::2]
    off = ~np.eye(12, dtype=bool)
    half = np.full(24, 0.5)
    naive = 4.0 * linear_response(model, half).covariance[::2, ::2]
    better = tap_response(model, np.zeros(12)).covariance
    assert np.abs(naive - exact)[off].max() > 10.0
    assert np.abs(better - exact)[off].max() < 0.2


def test_no_response_of_what_is_no_minimum():
    """Beyond the transition m = 0 is a solution, but unstable."""
    model = cases.ferromagnet()
    chi = linear_response(model, np.full(20, 0.5))
    assert chi.status is Status.UNDEFINED
    assert chi.curvature == pytest.approx(1.0 - 1.8, abs=1e-12)
    assert np.isnan(chi.covariance).all()
    assert tap_response(model, np.zeros(10)).status is Status.UNDEFINED


@pytest.mark.parametrize("name", ["wide_class", "ferromagnet"])
def test_distances_by_iteration_are_the_dense_ones(name, monkeypatch):
    model = cases.CASES[name]()
    p = random_starts(model, 5, seed=10, concentration=3.0)
    fixed = np.zeros(p.shape, dtype=bool)
    fixed[1, :2] = True
    pushed = np.random.default_rng(11).normal(size=p.shape)
    dense = linear_module.distances(model, p, fixed, pushed)
    monkeypatch.setattr(linear_module, "_DENSE", 0)
    loose = linear_module.distances(model, p, fixed, pushed)
    assert loose == pytest.approx(dense, rel=1e-2)


# Bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda m: linear_response(1, [0.5]), "model"),
        (lambda m: linear_response(m, [0.5]), "q"),
        (lambda m: linear_response(m, np.full(20, 0.6)), "q"),
        (lambda m: linear_response(m, np.full((1, 20), 0.5)), "q"),
        (
            lambda m: linear_response(m, np.full(20, 0.5), evidence=[[-1] * 10]),
            "evidence",
        ),
        (lambda m: tap_response(m, np.full(10, 1.1)), "m "),
        (lambda m: tap_response(m, np.zeros(9)), "m "),
        (lambda m: tap_response(cases.mixed_states(), np.zeros(5)), "model"),
    ],
)
def test_bad_calls_are_refused(call, name):
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        call(cases.sk())
