"""The law of configurations against the Boltzmann law, state by state.

Small systems are enumerated exactly and sampled 200000 times; the counts of all states
are compared by chi-square. Draws are apart by 5 of the longest integrated
autocorrelation times, which follow from the exact transition matrix. The target is
peaked: the likeliest state is 20 to 100 times as probable as the rarest, else wrong
temperatures hide. Planted bugs show what the comparison can see: 5% in temperature,
stale fields, a missing factor. A constant of a few percent added to every energy
difference it cannot see; exact differences are tested with the kernels.

Seeds are fixed; the false-alarm rates quoted are those of a fresh seed.
"""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import reference
from scipy.stats import chisquare, combine_pvalues

import statmech
from statmech import HebbianNetwork
from statmech.chains import DYNAMICS, SCANS
from statmech.group import Group
from statmech.kernels.layout import Rules
from statmech.patterns import rademacher
from statmech.rng import stream_keys
from statmech.stats import integrated_time

N_SAMPLES = 200_000
N_CHAINS = 500

# n, order, coincident, n_patterns, deviation of the field, peak, seed of the patterns.
SMALL = [
    ((6, 2, "exclude", 3, 0.5, 50, 26), "heat-bath", "random"),
    ((6, 3, "exclude", 4, 0.0, 50, 24), "metropolis", "permutation"),
    ((6, 4, "exclude", 4, 0.3, 30, 14), "heat-bath", "sequential"),
    ((6, 4, "keep", 4, 0.3, 30, 6), "metropolis", "random"),
    ((10, 2, "exclude", 3, 0.0, 20, 12), "metropolis", "sequential"),
    ((10, 3, "exclude", 4, 0.3, 50, 1), "heat-bath", "random"),
    ((10, 3, "keep", 4, 0.0, 100, 1), "heat-bath", "permutation"),
    ((10, 4, "exclude", 4, 0.2, 100, 3), "metropolis", "random"),
]
# Every order of interaction twice at N = 8 and 12, the ways of updating in turn.
WAYS = list(itertools.product(DYNAMICS, SCANS))
NETWORKS = [
    (n, order, coincident, 4, field)
    for n in (8, 12)
    for order in (2, 3, 4)
    for coincident in ("exclude", "keep")
    for field in (0.0, 0.3)
]
FULL = [
    ((*network, (20, 50, 100)[i % 3], 1), *WAYS[(i + i // 6) % 6])
    for i, network in enumerate(NETWORKS)
]


class Target:
    """A network, its exact law at the temperature that gives the wanted peak."""

    def __init__(self, n, order, coincident, n_patterns, field, peak, seed):
        patterns = rademacher(n_patterns, n, seed, path=(n, order))
        b = field * np.random.default_rng(seed).normal(size=n)
        self.model = HebbianNetwork(patterns, order, coincident=coincident, field=b)
        twin = reference.Network(patterns, order, coincident, b)
        exact = reference.energies(twin, reference.states(n))
        self.energy = np.array([float(e) for e in exact])
        self.beta = math.log(peak) / np.ptp(self.energy)
        self.law = reference.boltzmann(exact, self.beta)
        assert self.law.max() / self.law.min() == pytest.approx(peak)
        self.costs = reference.half_costs(exact)

    @cache  # noqa: B019
    def tau(self, dynamics="heat-bath"):
        return reference.relaxation(self.costs, self.law, self.beta, dynamics)


@cache
def target(*case):
    return Target(*case)


@cache
def histogram(aim, seed, dynamics, scan, scale=1.0):
    """Counts of all states in independent draws of the kernels at scale * beta."""
    n = aim.model.n_spins
    thin = math.ceil(5.0 * aim.tau(dynamics))
    draw = np.random.default_rng(seed)
    spins = (2 * draw.integers(0, 2, (N_CHAINS, n)) - 1).astype(np.int8)
    keys = stream_keys(seed, (3,), N_CHAINS)
    group = Group(aim.model, spins, keys, np.zeros(1, dtype=np.int64))
    rules = Rules(DYNAMICS.index(dynamics), SCANS.index(scan), False)
    betas, nothing = np.full(N_CHAINS, scale * aim.beta), group.record(0)
    group.advance(betas, rules, 2, thin, nothing)
    counts = np.zeros(2**n, dtype=np.int64)
    for _ in range(N_SAMPLES // N_CHAINS):
        group.advance(betas, rules, 1, thin, nothing)
        counts += np.bincount(reference.codes(group.chains.spins), minlength=2**n)
    return counts


def p_value(counts, law):
    """Chi-square, with states pooled until each cell is expected 5 times."""
    expected = counts.sum() * law
    order = np.argsort(expected)
    cells = np.zeros(len(law), dtype=np.int64)
    cell, filled = 0, 0.0
    for state in order:
        if filled >= 5.0:
            cell, filled = cell + 1, 0.0
        cells[state] = cell
        filled += expected[state]
    observed = np.bincount(cells, weights=counts)
    wanted = np.bincount(cells, weights=expected)
    return float(chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue)


def assert_lawful(aim, seeds, dynamics, scan):
    """p > 1e-4 for each seed, Fisher-combined p > 1e-3."""
    aim.tau(dynamics)
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(lambda seed: histogram(aim, seed, dynamics, scan), seeds)
        p = [p_value(one, aim.law) for one in counts]
    assert min(p) > 1e-4, p
    assert combine_pvalues(p, method="fisher").pvalue > 1e-3, p


@pytest.mark.parametrize(("case", "dynamics", "scan"), SMALL)
def test_configurations_follow_the_boltzmann_law(case, dynamics, scan):
    """N = 6 and 10, two seeds: false-alarm rate 1.2e-3 a case."""
    assert_lawful(target(*case), (11, 12), dynamics, scan)


@pytest.mark.nightly
@pytest.mark.parametrize(("case", "dynamics", "scan"), FULL)
def test_configurations_follow_the_boltzmann_law_in_full(case, dynamics, scan):
    """N = 8 and 12, every order of interaction, dynamics and scan, four seeds.

    False-alarm rate 1.4e-3 a case, 0.03 for all 24.
    """
    assert_lawful(target(*case), (21, 22, 23, 24), dynamics, scan)


# What the comparison can see -------------------------------------------------------


@pytest.mark.parametrize(("case", "scale"), [(0, 0.95), (1, 0.95), (1, 0.5)])
def test_a_wrong_temperature_is_seen(case, scale):
    """Controls: beta 5% off, and the factor 2 of the energy cost forgotten."""
    case, dynamics, scan = SMALL[case]
    aim = target(*case)
    assert p_value(histogram(aim, 31, dynamics, scan, scale), aim.law) < 1e-6


@pytest.mark.parametrize("bug", ["", "stale", "factor"])
@pytest.mark.parametrize("case", [SMALL[0][0], SMALL[1][0]])
def test_a_wrong_update_is_seen(case, bug):
    """Controls: fields stale by one flip; a proposal without its compensating factor.

    Chains start in the Boltzmann law itself, and the naive sampler leaves it if and
    only if it has the bug. Without one: p > 1e-4.
    """
    aim = target(*case)
    draw = np.random.default_rng(41)
    start = draw.choice(len(aim.law), size=N_SAMPLES, p=aim.law)
    n_trials = math.ceil(aim.tau()) * aim.model.n_spins
    end = reference.wander(
        aim.costs,
        aim.beta,
        start,
        n_trials,
        lambda trial: draw.random((2, N_SAMPLES)),
        bug,
    )
    p = p_value(np.bincount(end, minlength=len(aim.law)), aim.law)
    assert p < 1e-6 if bug else p > 1e-4, p


# The same physics under another generator ------------------------------------------


def philox_uniforms(seed, n_chains):
    """draw(trial): two uniforms a chain from Philox4x32-10, counter (trial, chain)."""
    counter = np.zeros((n_chains, 4), dtype=np.uint64)
    counter[:, 1] = np.arange(n_chains)

    def draw(trial):
        counter[:, 0] = trial
        words = reference.philox4x32(counter, (seed, 0))
        return (words[:, 0] + 0.5) / 2.0**32, (words[:, 1] + 0.5) / 2.0**32

    return draw


@pytest.mark.parametrize("case", [2, 5, 6])
def test_energies_agree_under_another_generator(case):
    """<E> and <E**2> by naive chains under Philox, by the kernels, and exactly.

    |z| < 4, four numbers: false-alarm rate 2.5e-4.
    """
    case, dynamics, scan = SMALL[case]
    aim = target(*case)
    size, n = aim.costs.shape
    n_chains = 8000
    n_trials = math.ceil(8.0 * aim.tau()) * n
    start = np.random.default_rng(5).integers(0, size, n_chains)
    draw = philox_uniforms(2011, n_chains)
    naive = aim.energy[reference.wander(aim.costs, aim.beta, start, n_trials, draw)]
    counts = histogram(aim, 11, dynamics, scan)
    compiled = np.repeat(aim.energy, counts)
    for power in (1, 2):
        exact = aim.law @ aim.energy**power
        spread = math.sqrt(aim.law @ (aim.energy**power - exact) ** 2)
        for draws in (naive, compiled):
            z = (np.mean(draws**power) - exact) * math.sqrt(draws.size) / spread
            assert abs(z) < 4.0


# Parallel tempering ----------------------------------------------------------------

PEAKS = (1000.0, 30.0, 3.0)


@cache
def ladder():
    """Two wells, tilted by a field; their weights depend on the temperature.

    Without exchanges the coldest rung forgets its well after 23 sweeps, so a wrong
    exchange shows there. The patterns are independent: their overlaps tell the state.
    """
    patterns = np.ones((8, 8)) - 2.0 * np.eye(8)
    model = HebbianNetwork(patterns, 2, field=0.3)
    twin = reference.Network(model.patterns, 2, "exclude", model.field)
    energy = np.array([float(e) for e in reference.energies(twin, reference.states(8))])
    return model, energy, np.log(PEAKS) / np.ptp(energy)


def temper(seed, n_sweeps):
    """A run, its longest measured autocorrelation time, and states (rung, draw).

    The draws are apart by 5 of these times, an odd number of sweeps: exchanges of one
    pair come every other sweep.
    """
    model, _, betas = ladder()
    run = statmech.temper(
        model, 1.0 / betas, n_sweeps=n_sweeps, n_burn_in=200, seed=seed, track=range(8)
    )
    overlaps = run.trace.overlaps[:, :, np.argsort(run.trace.tracked)]
    tau = max(integrated_time(overlaps[0, :, mu]).tau for mu in range(8))
    thinned = overlaps[:, :: 2 * math.ceil(2.5 * tau) + 1]
    spins = 8.0 * thinned @ np.linalg.inv(model.patterns.T)
    assert np.abs(np.abs(spins) - 1.0).max() < 1e-9
    return run, tau, reference.codes(spins)


def rung_p_values(states):
    _, energy, betas = ladder()
    laws = [reference.boltzmann(energy, beta) for beta in betas]
    return [
        p_value(np.bincount(one, minlength=256), law)
        for one, law in zip(states, laws, strict=True)
    ]


def assert_ladder_lawful(seeds, n_sweeps):
    p = []
    for seed in seeds:
        run, tau, states = temper(seed, n_sweeps)
        p += rung_p_values(states)
        assert_swaps_as_expected(run, tau, n_sweeps)
    assert min(p) > 1e-4, p
    assert combine_pvalues(p, method="fisher").pvalue > 1e-3, p


def assert_swaps_as_expected(run, tau, n_sweeps):
    """Acceptance of exchanges: the average of min(1, e**(d_beta d_E)), |z| < 5.

    Neighbours try every other sweep; successive tries are correlated over tau sweeps.
    """
    _, energy, betas = ladder()
    difference = energy[:, None] - energy
    for k, rate in enumerate(run.swap_acceptance):
        cold, hot = (reference.boltzmann(energy, b) for b in betas[k : k + 2])
        gain = (betas[k] - betas[k + 1]) * difference
        exact = cold @ np.minimum(1.0, np.exp(gain)) @ hot
        error = math.sqrt(exact * (1.0 - exact) * tau / (n_sweeps / 2))
        assert abs(rate - exact) < 5.0 * error
    assert run.round_trips > n_sweeps / 1000


def test_every_rung_has_its_own_boltzmann_law():
    """Three rungs, two seeds: false-alarm rate 1.6e-3."""
    assert_ladder_lawful((61, 62), 60_000)


@pytest.mark.nightly
def test_every_rung_has_its_own_boltzmann_law_in_full():
    """Four seeds, 300000 sweeps each: false-alarm rate 2.2e-3."""
    assert_ladder_lawful((71, 72, 73, 74), 300_000)


def test_an_exchange_with_the_wrong_sign_is_seen(monkeypatch):
    """Control: energies of the wrong sign reach the exchange, and it only."""
    advance = Group.advance

    def mirrored(self, betas, rules, n_draws, thin, out):
        advance(self, betas, rules, n_draws, thin, out)
        np.negative(out.energies, out=out.energies)

    monkeypatch.setattr(Group, "advance", mirrored)
    _, _, states = temper(63, 20_000)
    assert rung_p_values(states)[0] < 1e-6
