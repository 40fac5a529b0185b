"""Forms of the kernels against the Boltzmann law, and chains side by side as strangers.

The forms make the same moves, so this is one more look at what the moves are; but here
each form is in the whole loop by itself. Targets and chi-square are those of
`test_sampling_law`. Chains that share the order of their sites are independent in
equilibrium: the energies of any two have no correlation.

Seeds are fixed; the false-alarm rates quoted are those of a fresh seed.
"""

import itertools
import math
from functools import cache

import numpy as np
import pytest
import reference
from kernel_cases import network, random_spins, rules
from scipy.stats import combine_pvalues
from test_sampling_law import p_value, target

from statmech.chains import DYNAMICS, SCANS
from statmech.group import Group
from statmech.kernels.lanes import LANES
from statmech.rng import stream_keys
from statmech.stats import integrated_time

N_SAMPLES, N_GROUPS = {"replicas": 200_000, "couplings": 100_000, "terms": 100_000}, 8

# As in `test_sampling_law`: a form, a target, dynamics and scan.
PAIRWISE = (6, 2, "exclude", 3, 0.5, 50, 26)
QUARTIC = (6, 4, "keep", 4, 0.3, 30, 6)
SMALL = [
    ("couplings", PAIRWISE, "metropolis", "random"),
    ("replicas", PAIRWISE, "heat-bath", "random"),
    ("replicas", PAIRWISE, "metropolis", "permutation"),
    ("terms", QUARTIC, "metropolis", "sequential"),
]
CONTROLS = [SMALL[0], SMALL[1], pytest.param(*SMALL[3], marks=pytest.mark.nightly)]
LARGE = {
    "couplings": [(10, 2, "exclude", 3, 0.0, 20, 12), (12, 2, "keep", 4, 0.3, 50, 1)],
    "replicas": [(10, 2, "exclude", 3, 0.0, 20, 12), (12, 2, "keep", 4, 0.3, 50, 1)],
    "terms": [(10, 4, "exclude", 4, 0.2, 100, 3), (12, 3, "keep", 4, 0.3, 50, 1)],
}
# Every form with every way of updating, on the one network or the other.
WAYS = list(itertools.product(DYNAMICS, SCANS))
FULL = [
    (form, cases[i % 2], *way)
    for form, cases in LARGE.items()
    for i, way in enumerate(WAYS)
]


# The law ---------------------------------------------------------------------------


@cache
def histogram(form, case, seed, dynamics, scan, scale=1.0):
    """Counts of all states in draws apart by 5 tau, of 512 chains at scale * beta.

    They are in groups of 64; with "replicas" each group has an order of sites.
    """
    aim = target(*case)
    n = aim.model.n_spins
    thin = math.ceil(5.0 * aim.tau(dynamics))
    how = rules(dynamics=dynamics, scan=scan)
    keys = stream_keys(seed, (3,), N_GROUPS * LANES)
    site_keys = stream_keys(seed, (4,), N_GROUPS)
    betas = np.full(LANES, scale * aim.beta)
    counts = np.zeros(2**n, dtype=np.int64)
    for g in range(N_GROUPS):
        group = Group(
            aim.model,
            random_spins((LANES, n), 1000 * seed + g),
            keys[LANES * g : LANES * (g + 1)],
            np.zeros(1, dtype=np.int64),
            site_key=site_keys[g] if form == "replicas" else None,
            form=form,
        )
        nothing = group.record(0)
        group.advance(betas, how, 2, thin, nothing)
        for _ in range(N_SAMPLES[form] // (N_GROUPS * LANES)):
            group.advance(betas, how, 1, thin, nothing)
            group.settle()
            codes = reference.codes(group.chains.spins)
            counts += np.bincount(codes, minlength=2**n)
    return counts


def assert_lawful(form, case, seeds, dynamics, scan):
    """p > 1e-4 for each seed, Fisher-combined p > 1e-3."""
    law = target(*case).law
    p = [p_value(histogram(form, case, s, dynamics, scan), law) for s in seeds]
    assert min(p) > 1e-4, p
    assert combine_pvalues(p, method="fisher").pvalue > 1e-3, p


@pytest.mark.parametrize(("form", "case", "dynamics", "scan"), SMALL)
def test_every_form_follows_the_boltzmann_law(form, case, dynamics, scan):
    """N = 6, one seed: false-alarm rate 1e-3 a case."""
    assert_lawful(form, case, (51,), dynamics, scan)


@pytest.mark.nightly
@pytest.mark.parametrize(("form", "case", "dynamics", "scan"), FULL)
def test_every_form_follows_the_boltzmann_law_in_full(form, case, dynamics, scan):
    """N = 10 or 12, every dynamics and scan, two seeds.

    False-alarm rate 1.2e-3 a case, 0.02 for all 18.
    """
    assert_lawful(form, case, (52, 53), dynamics, scan)


@pytest.mark.parametrize(("form", "case", "dynamics", "scan"), CONTROLS)
def test_a_wrong_temperature_is_seen_in_every_form(form, case, dynamics, scan):
    """Control: beta 5% off."""
    counts = histogram(form, case, 55, dynamics, scan, 0.95)
    assert p_value(counts, target(*case).law) < 1e-6


# Independence of chains that share their sites -------------------------------------


def lanes_of(model, seed, doubled):
    """64 chains from independent states; the last two with one noise if `doubled`."""
    keys = stream_keys(seed, (5,), LANES)
    if doubled:
        keys[-1] = keys[-2]
    return Group(
        model,
        random_spins((LANES, model.n_spins), seed),
        keys,
        np.zeros(1, dtype=np.int64),
        site_key=stream_keys(seed, (6,), 1)[0],
        form="replicas",
    )


def measured(model, beta, seed, n_draws, how, thin=None, doubled=False):
    """Energies and magnetisations (2, 64, draws), apart by `thin` sweeps.

    By default by 5 of the longer of their integrated autocorrelation times, from
    measurements over 2000 sweeps.
    """
    group, betas = lanes_of(model, seed, doubled), np.full(LANES, beta)
    if thin is None:
        pilot = group.record(2000)
        group.advance(betas, how, 2000, 1, pilot)
        first = (pilot.energies[:8], pilot.overlaps[:8, :, 0])
        thin = math.ceil(5.0 * max(integrated_time(x).tau for x in first))
    group.advance(betas, how, 20, thin, group.record(0))
    record = group.record(n_draws)
    group.advance(betas, how, n_draws, thin, record)
    return np.array([record.energies, record.overlaps[:, :, 0]]), thin


def correlations(model, beta, how, *, seeds, n_draws, doubled=False):
    """Correlations of all pairs of lanes, in units of their errors: (2, 64, 64).

    And the mean over all pairs, in units of its error (2,). Products of independent
    numbers of variance 1 have variance 1; the products of different pairs are not
    correlated; nor are draws that are 5 tau apart.
    """
    runs, thin = [], None
    for seed in seeds:
        run, thin = measured(model, beta, seed, n_draws, how, thin, doubled)
        runs.append(run)
    z = np.concatenate(runs, axis=2)
    z -= z.mean(axis=(1, 2), keepdims=True)
    z /= z.std(axis=(1, 2), keepdims=True)
    count = z.shape[2]
    pairs = np.einsum("oat,obt->oab", z, z, optimize=True) / math.sqrt(count)
    upper = np.triu_indices(LANES, 1)
    return pairs, pairs[:, *upper].sum(axis=1) / math.sqrt(len(upper[0]))


def assert_independent(n, k, temperature, dynamics, scan, **more):
    """Mean below 4 errors and every pair below 5.7.

    For two observables: 1.3e-4, and 4 x 2016 / 2 normal tails of 6e-9, 5e-5.
    """
    model, _ = network(n, k, 2, field=0.1)
    how = rules(dynamics=dynamics, scan=scan)
    pairs, mean = correlations(model, 1.0 / temperature, how, **more)
    upper = np.triu_indices(LANES, 1)
    assert np.abs(mean).max() < 4.0, mean
    assert np.abs(pairs[:, *upper]).max() < 5.7


def test_lanes_are_independent():
    """N = 10, 64 lanes, 2 x 3000 draws: a mean correlation of 3e-4 would be 1 error.

    False-alarm rate 2e-4.
    """
    more = {"seeds": (61, 62), "n_draws": 3000}
    assert_independent(10, 3, 1.5, "heat-bath", "random", **more)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("n", "dynamics", "scan"),
    [
        (10, "heat-bath", "permutation"),
        (30, "metropolis", "random"),
        (50, "heat-bath", "random"),
    ],
)
def test_lanes_are_independent_in_full(n, dynamics, scan):
    """N = 10, 30, 50 somewhat above T = 1, 6 x 8000 draws: false-alarm rate 2e-3."""
    more = {"seeds": range(71, 77), "n_draws": 8000}
    assert_independent(n, max(3, n // 10), 1.3, dynamics, scan, **more)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_one_noise_for_two_lanes_is_seen(dynamics):
    """Control: with one noise key two chains become one; the other pairs do not."""
    model, _ = network(10, 3, 2, field=0.1)
    how = rules(dynamics=dynamics)
    pairs, _ = correlations(model, 0.7, how, seeds=(64,), n_draws=1000, doubled=True)
    upper = np.triu_indices(LANES, 1)
    others = np.abs(pairs[:, *upper])
    assert others.argmax(axis=1).tolist() == [len(upper[0]) - 1] * 2
    assert others[:, -1].min() > 25.0
    assert others[:, :-1].max() < 5.7


def test_a_leak_of_noise_is_seen():
    """Control: an energy that shares 3% of its variance with one common number.

    No pair shows it at this length, and the mean over the pairs does.
    """
    model, _ = network(10, 3, 2, field=0.1)
    run, _ = measured(model, 0.7, 65, 1000, rules())
    draw = np.random.default_rng(1)
    z = (run[0] - run[0].mean()) / run[0].std()
    z = math.sqrt(0.97) * z + math.sqrt(0.03) * draw.normal(size=1000)
    squares = (z.sum(axis=0) ** 2 - (z**2).sum(axis=0)).mean()
    pairs = LANES * (LANES - 1)
    assert squares / math.sqrt(2.0 * pairs / 1000) > 20.0
