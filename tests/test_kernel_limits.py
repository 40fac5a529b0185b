"""Limits with known answers, and fluctuation against response."""

import itertools
import math

import numpy as np
import pytest
import reference
from kernel_cases import CONVENTIONS, network, random_spins, run

from statmech import HebbianNetwork, sample
from statmech.chains import DYNAMICS, SCANS

# Limits ---------------------------------------------------------------------------


@pytest.mark.parametrize("scan", SCANS)
def test_infinite_temperature_accepts_every_metropolis_move(scan):
    """beta = 0: acceptance exactly 1."""
    model, _ = network(30, 5, 3, field=0.4)
    _, record = run(
        model, random_spins((2, 30), 2), 0.0, 20, dynamics="metropolis", scan=scan
    )
    assert (record.accepted == 1.0).all()


@pytest.mark.parametrize("scan", ["permutation", "sequential"])
def test_infinite_temperature_magnetisation_is_binomial(scan):
    """Heat bath at beta = 0 draws every spin afresh in a sweep that visits all.

    M = sum s: <M> = 0, <M**2> = N, <M**4> = 3 N**2 - 2 N from 40000 independent draws,
    |z| < 4.5 each: false-alarm rate 3e-5. Half of the updates are accepted.
    """
    n, n_chains, n_draws = 25, 40, 1000
    model, _ = network(n, 2, 4, field=1.0)
    _, record = run(
        model, random_spins((n_chains, n), 3), 0.0, n_draws, seed=4, scan=scan
    )
    total = record.overlaps[:, :, 0].ravel() * n
    for power, mean, square in (
        (1, 0.0, n),
        (2, n, 3 * n**2 - 2 * n),
        (4, 3 * n**2 - 2 * n, 105 * n**4 - 420 * n**3 + 588 * n**2 - 272 * n),
    ):
        error = math.sqrt((square - mean**2) / total.size)
        assert abs(np.mean(total**power) - mean) < 4.5 * error
    trials = n * total.size
    assert abs(record.accepted.mean() - 0.5) < 4.5 * 0.5 / math.sqrt(trials)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_a_local_minimum_never_moves_at_zero_temperature(dynamics):
    """The pattern of an unloaded network, all orders, all scans."""
    for order, scan in itertools.product((2, 3, 4), SCANS):
        model, _ = network(30, 1, order)
        start = model.patterns[[0, 0]]
        group, record = run(model, start, math.inf, 50, dynamics=dynamics, scan=scan)
        assert (record.accepted == 0.0).all()
        assert (group.chains.spins == start).all()


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_zero_field_keeps_the_spin_at_zero_temperature(dynamics):
    """An external field of -1 cancels the unit field of the pattern exactly."""
    for scan in SCANS:
        model = HebbianNetwork(np.ones((1, 5)), 2, field=-1.0)
        start = np.ones((2, 5), dtype=np.int8)
        assert (model.local_fields(start[0]) == 0.0).all()
        _, record = run(model, start, math.inf, 50, dynamics=dynamics, scan=scan)
        assert (record.accepted == 0.0).all()
        # The slightest temperature frees it: a Metropolis trial is always accepted.
        _, record = run(model, start, 1e300, 1, dynamics=dynamics, scan="sequential")
        assert record.accepted.min() > 0.0


def z_score(draws, exact):
    """(mean - exact) / error, from the spread over independent chains (chain, draw)."""
    means = draws.mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(means.size)
    return (means.mean() - exact) / error


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("temperature", [0.7, 1.3])
def test_one_pattern_is_the_finite_curie_weiss_model(temperature, dynamics, coincident):
    """P = 2, K = 1: <E>, <m**2>, <m**4>, and <|m|> from the sum over magnetisations.

    |z| < 4, four numbers a case: false-alarm rate 5e-4 a case with 200 chains.
    """
    n, n_chains, n_sweeps = 24, 200, 300
    model, _ = network(n, 1, 2, coincident)
    trace = sample(
        model,
        temperature,
        n_sweeps=n_sweeps,
        n_burn_in=100,
        n_chains=n_chains,
        initial="random",
        dynamics=dynamics,
        seed=17,
    )
    total = np.arange(-n, n + 1, 2)
    ways = np.array([math.comb(n, (n + t) // 2) for t in total], dtype=float)
    if coincident == "exclude":
        energy = -(total**2 - n) / 2.0 / (n - 1)
    else:
        energy = -(total**2) / 2.0 / n
    law = ways * np.exp(-energy / temperature)
    law /= law.sum()
    m = total / n
    assert abs(z_score(trace.energy * n, law @ energy)) < 4
    assert abs(z_score(trace.m**2, law @ m**2)) < 4
    assert abs(z_score(trace.m**4, law @ m**4)) < 4
    assert abs(z_score(np.abs(trace.m), law @ np.abs(m))) < 4


# Fluctuation and response ---------------------------------------------------------


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_energy_slope_is_the_variance_exactly(order, coincident):
    """d<E>/d beta = -Var E over the 1024 states of N = 10, to 1e-10.

    The derivative is a complex step of the partition sum, free of cancellation.
    """
    model, _ = network(10, 4, order, coincident, 0.2)
    energy = np.array([model.energy(s) for s in reference.states(10)])
    for beta in (0.1, 0.5, 1.5):
        step = 1e-20
        weight = np.exp(-(beta + 1j * step) * (energy - energy.min()))
        slope = (weight @ energy / weight.sum()).imag / step
        law = weight.real / weight.real.sum()
        variance = law @ (energy - law @ energy) ** 2
        assert slope == pytest.approx(-variance, abs=1e-10, rel=1e-10)


@pytest.mark.parametrize("order", [2, 3])
def test_energy_slope_is_the_variance_in_simulation(order):
    """<E>(b1) - <E>(b2) = integral of Var E over beta, |z| < 4: rate 6e-5.

    The integral is a Gauss-Legendre sum over three simulated variances; its error is
    checked by enumeration to be far below the statistical one.
    """
    model, _ = network(10, 4, order, field=0.2)
    first, last, n_chains = 0.3, 0.6, 200
    nodes, weights = np.polynomial.legendre.leggauss(3)
    between = first + (last - first) * (nodes + 1.0) / 2.0
    weights = weights * (last - first) / 2.0

    def energies(beta, seed):
        trace = sample(
            model,
            1.0 / beta,
            n_sweeps=400,
            n_burn_in=50,
            n_chains=n_chains,
            initial="random",
            seed=seed,
        )
        return trace.energy * model.n_spins

    drop = energies(first, 1).mean(axis=1) - energies(last, 2).mean(axis=1)
    response = 0.0
    for seed, (beta, weight) in enumerate(zip(between, weights, strict=True), start=3):
        e = energies(beta, seed)
        # About the common mean, whose own error enters at second order.
        response = response + weight * ((e - e.mean()) ** 2).mean(axis=1)
    error = math.sqrt((drop.var(ddof=1) + response.var(ddof=1)) / n_chains)
    difference = drop.mean() - response.mean()
    assert abs(difference) < 4 * error
    assert drop.mean() > 30 * error

    levels = np.array([model.energy(s) for s in reference.states(10)])

    def moments(beta):
        law = reference.boltzmann(levels, beta)
        return law @ levels, law @ (levels - law @ levels) ** 2

    exact = moments(first)[0] - moments(last)[0]
    quadrature = sum(w * moments(b)[1] for w, b in zip(weights, between, strict=True))
    assert abs(exact - quadrature) < 0.05 * error
