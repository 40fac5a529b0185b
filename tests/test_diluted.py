"""Patterns with blanks, noisy examples, and networks that store them."""

import itertools
import math

import numpy as np
import pytest
import reference
from kernel_cases import CONVENTIONS, EPS, diluted_network, random_spins
from test_boundary import (
    HUGE,
    NOT_A_COUNT,
    NOT_A_MODEL,
    NOT_A_NUMBER,
    NOT_A_PATH,
    NOT_A_TEXT,
    NOT_PATTERNS,
    NOT_SIGNS,
    NOT_SPINS,
    STATES,
    assert_refused,
)

from statmech import HebbianNetwork, machine, observables, sample
from statmech.chains import initial_spins
from statmech.errors import MemoryLimitError
from statmech.patterns import class_exact, diluted, noisy_examples, rademacher

# Patterns -------------------------------------------------------------------------


@pytest.mark.parametrize("dilution", [0.0, 0.25, 0.6, 0.97])
def test_diluted_entries_are_independent(dilution):
    """Shares of 0 and +1, overlap of rows: |z| < 4.5; false-alarm rate 3e-5."""
    xi = diluted(40, 5003, dilution, seed=3)
    assert xi.shape == (40, 5003)
    assert xi.dtype == np.int8
    assert set(np.unique(xi)) <= {-1, 0, 1}
    q = 1.0 - dilution
    for share, p in (((xi == 0).mean(), dilution), ((xi == 1).mean(), q / 2)):
        error = math.sqrt(p * (1.0 - p) / xi.size)
        assert abs(share - p) <= 4.5 * error
    common = (xi[::2].astype(int) * xi[1::2]).sum()
    assert abs(common) < 4.5 * math.sqrt(q * q * xi.size / 2)
    both = ((xi[::2] != 0) & (xi[1::2] != 0)).mean()
    error = math.sqrt(q * q * (1.0 - q * q) / (xi.size / 2))
    assert abs(both - q * q) <= 4.5 * error


def test_each_row_and_example_is_its_own():
    """Neither depends on how many there are, nor the block they are drawn in."""
    xi = diluted(4, 70_001, 0.3, seed=3, path=(1,))
    np.testing.assert_array_equal(diluted(2, 70_001, 0.3, seed=3, path=(1,)), xi[:2])
    assert (diluted(4, 70_001, 0.3, seed=3) != xi).any()
    eta = noisy_examples(xi, 3, 0.4, seed=5, path=(2,))
    fewer = noisy_examples(xi[:2], 2, 0.4, seed=5, path=(2,))
    np.testing.assert_array_equal(fewer, eta[:2, :2])
    assert (noisy_examples(xi, 3, 0.4, seed=5) != eta).any()


@pytest.mark.parametrize(("k", "n"), [(1, 7), (2, 1000), (3, 12_345), (5, 20_000)])
@pytest.mark.parametrize("dilution", [0.0, 0.3, 0.5, 0.9])
def test_classes_have_their_exact_sizes(k, n, dilution):
    """All 3**K of them to less than one site, and N in all; sites in random order."""
    xi = class_exact(k, n, dilution, seed=1)
    assert xi.shape == (k, n)
    assert xi.dtype == np.int8
    code = ((xi.astype(int) + 1) * 3 ** np.arange(k)[:, None]).sum(axis=0)
    counts = np.bincount(code, minlength=3**k)
    for c, count in enumerate(counts):
        digits = [c // 3**mu % 3 - 1 for mu in range(k)]
        blanks = digits.count(0)
        expected = n * ((1 - dilution) / 2) ** (k - blanks) * dilution**blanks
        assert abs(count - expected) < 1.0
    if n > 1000:
        # Uncorrelated with the place: |z| < 4.5.
        z = np.corrcoef(code, np.arange(n))[0, 1] * math.sqrt(n)
        assert abs(z) < 4.5
        assert (class_exact(k, n, dilution, seed=2) != xi).any()
    np.testing.assert_array_equal(class_exact(k, n, dilution, seed=1), xi)


@pytest.mark.parametrize("quality", [0.0, 0.1, 0.7, 1.0])
def test_examples_keep_blanks_and_have_their_mean(quality):
    """<xi eta> = r where xi is not 0, examples independent: |z| < 4.5."""
    xi = diluted(3, 4000, 0.4, seed=2)
    eta = noisy_examples(xi, 20, quality, seed=4)
    assert eta.shape == (3, 20, 4000)
    assert eta.dtype == np.int8
    assert ((eta == 0) == (xi == 0)[:, None]).all()
    chi = (eta * xi[:, None])[np.broadcast_to((xi != 0)[:, None], eta.shape)]
    error = math.sqrt((1.0 - quality**2) / chi.size)
    assert abs(chi.mean() - quality) <= 4.5 * error
    pairs = (eta[:, ::2].astype(int) * eta[:, 1::2]).sum()
    n = np.count_nonzero(eta) / 2
    error = math.sqrt((1.0 - quality**4) / n)
    assert abs(pairs / n - quality**2) <= 4.5 * error


# Energies and fields --------------------------------------------------------------

CASES = [
    (order, coincident, dilution)
    for order in (2, 3, 4)
    for coincident in CONVENTIONS
    for dilution in (0.2, 0.5, 0.9)
]


@pytest.mark.parametrize(("order", "coincident", "dilution"), CASES)
def test_energy_and_fields_are_sums_over_index_sets(order, coincident, dilution):
    """Every state of 7 spins, with field and gain; 2 s_i h_i is the cost of a flip."""
    model, twin = diluted_network(
        7, 4, order, coincident, 0.4, order, dilution, gain=1.7
    )
    spins = reference.states(7)
    exact = reference.energies(twin, spins)
    costs = reference.half_costs(exact)
    scale = 8 * EPS * (1.7 * 4 * 7 + np.abs(twin.field).sum())
    for s, e, cost in zip(spins, exact, costs, strict=True):
        assert abs(model.energy(s) - float(e)) < scale
        assert np.abs(s * model.local_fields(s) - cost).max() < scale


def test_the_normalisation_of_pairs():
    """E = -g/(N-1) sum over pairs of sum_mu xi_i xi_j s_i s_j, written out."""
    model, _ = diluted_network(9, 3, gain=1.25)
    s = random_spins(9, 4)
    total = sum(
        int(xi[i]) * int(xi[j]) * int(s[i]) * int(s[j])
        for xi in model.patterns
        for i, j in itertools.combinations(range(9), 2)
    )
    assert model.energy(s) == pytest.approx(-1.25 / 8 * total, rel=4 * EPS)
    assert model.prefactor == 1.25 / 8


def test_networks_without_blanks_are_what_they_were():
    """The digest of an old network, of its text and of its bytes."""
    model = HebbianNetwork(rademacher(3, 20, seed=1), 3)
    assert model.digest.startswith("e9da72fe3feecc4e29e8f86495270c9d")
    assert repr(model) == (
        "HebbianNetwork(n_patterns=3, n_spins=20, order=3, coincident='exclude')"
    )
    assert HebbianNetwork(model.patterns, 3, gain=1.0).digest == model.digest
    other = HebbianNetwork(model.patterns, 3, gain=1.5)
    assert other.digest != model.digest
    assert "gain=1.5" in repr(other)
    trace = sample(other, 1.0, n_sweeps=2, initial="hierarchical")
    assert (trace.settings["gain"], trace.settings["initial"]) == (1.5, "hierarchical")


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("dilution", [0.0, 0.5, 0.97])
def test_gain_is_a_scale_of_temperature(order, dilution):
    """Both doubled, the field included: the same moves, twice the energy."""
    xi = diluted(4, 40, dilution, seed=1)
    one = HebbianNetwork(xi, order, field=0.25)
    two = HebbianNetwork(xi, order, field=0.5, gain=2.0)
    more = {"n_sweeps": 30, "initial": "random", "n_chains": 4}
    for t in (0.0, 0.3):
        a, b = sample(one, t, **more), sample(two, 2.0 * t, **more)
        assert (a.spins == b.spins).all()
        assert (a.m == b.m).all()
        assert (2.0 * a.energy == b.energy).all()


# Initial states -------------------------------------------------------------------


def start(model, initial, *, target=0, cue=1.0, n_chains=300):
    return initial_spins(model, n_chains, initial, target, cue, 3, (1,))


@pytest.mark.parametrize("cue", [1.0, 0.6, -0.2])
def test_starts_at_a_pattern_fill_its_blanks_at_random(cue):
    """On its sites the cue is exact; elsewhere fair signs: |z| < 4.5, two numbers."""
    model, _ = diluted_network(50, 3, dilution=0.6)
    xi = model.patterns[1].astype(int)
    states = start(model, "pattern", target=1, cue=cue).astype(int)
    size = np.count_nonzero(xi)
    assert (states @ xi == size - 2 * round(size * (1 - cue) / 2)).all()
    free = states[:, xi == 0]
    assert abs(free.sum()) < 4.5 * math.sqrt(free.size)
    assert abs((free[::2] * free[1::2]).sum()) < 4.5 * math.sqrt(free.size / 2)
    trace = sample(model, 0.0, n_sweeps=1, n_burn_in=0, target=1, cue_overlap=cue)
    assert np.abs(trace.m).max() <= size / 50


def test_the_hierarchical_start_copies_the_first_pattern_with_an_entry():
    """Random signs where there is none: |z| < 4.5; the patterns may all be blank."""
    model, _ = diluted_network(200, 3, dilution=0.6)
    states = start(model, "hierarchical")
    free = []
    for i, column in enumerate(model.patterns.T):
        known = [x for x in column if x]
        if known:
            assert (states[:, i] == known[0]).all()
        else:
            free.append(states[:, i])
    assert len(free) > 20
    assert abs(np.sum(free, dtype=int)) < 4.5 * math.sqrt(np.size(free))
    blank = HebbianNetwork(np.zeros((2, 30)))
    for initial in ("hierarchical", "pattern"):
        assert set(np.unique(start(blank, initial))) == {-1, 1}
    signs = HebbianNetwork(rademacher(2, 30, seed=1))
    one, other = (start(signs, name, cue=0.8) for name in ("hierarchical", "pattern"))
    assert (one == other).all()


# Observables ----------------------------------------------------------------------


def test_losses_are_distances_and_give_the_energy():
    """L+ L- = ((1 + q)/2)**2 - m**2, and from it the energy that keeps self terms."""
    model, _ = diluted_network(30, 4, coincident="keep", gain=1.5)
    xi = model.patterns.astype(int)
    for seed in range(5):
        s = random_spins(30, seed).astype(int)
        plus, minus = observables.losses(s, xi)
        assert (plus == ((xi - s) ** 2).sum(axis=1) / 60).all()
        assert (minus == ((xi + s) ** 2).sum(axis=1) / 60).all()
        m = observables.mattis_magnetizations(s, xi)
        constant = ((1.0 + (xi**2).mean(axis=1)) / 2.0) ** 2
        np.testing.assert_allclose(plus * minus, constant - m**2, rtol=0, atol=1e-15)
        density = 1.5 / 2.0 * (plus * minus - constant).sum()
        assert observables.energy_density(model, s) == pytest.approx(density, rel=1e-14)


def test_one_step_is_the_sign_of_the_field_of_the_others():
    """Written out; spins in zero field keep their signs, or take random ones."""
    model, _ = diluted_network(400, 2, dilution=0.7)
    s = random_spins(400, 1)
    xi = model.patterns.astype(int)
    field = ((xi @ s)[:, None] * xi - xi * xi * s).sum(axis=0)
    step = observables.one_step(model, s)
    assert step.dtype == np.int8
    assert (step == np.where(field == 0, s, np.sign(field))).all()
    free = field == 0
    assert free.sum() > 150
    by_chance = [
        observables.one_step(model, s, ties="random", seed=4, path=(c,))
        for c in range(50)
    ]
    assert (np.array(by_chance)[:, ~free] == step[~free]).all()
    total = abs(np.sum([one[free] for one in by_chance], dtype=int))
    assert total < 4.5 * math.sqrt(50 * free.sum())


# Bad input ------------------------------------------------------------------------

NOT_A_DILUTION = [*NOT_A_NUMBER, 1.0, 1.5, -0.1]
NOT_A_QUALITY = [*NOT_A_NUMBER, 1.0001, -0.1]
XI = np.array([[1, 0, -1, 1]], dtype=np.int8)
STORED = HebbianNetwork([STATES])
BAD = [
    *(
        case
        for draw in (diluted, class_exact)
        for case in (
            (lambda v, f=draw: f(v, 9, 0.5, 1), "n_patterns", [*NOT_A_COUNT, 0, HUGE]),
            (lambda v, f=draw: f(2, v, 0.5, 1), "n_spins", [*NOT_A_COUNT, 0, HUGE]),
            (lambda v, f=draw: f(2, 9, v, 1), "dilution", NOT_A_DILUTION),
            (lambda v, f=draw: f(2, 9, 0.5, v), "seed", NOT_A_COUNT),
            (lambda v, f=draw: f(2, 9, 0.5, 1, path=v), "path", NOT_A_PATH),
        )
    ),
    (lambda v: class_exact(v, 9, 0.5, 1), "n_patterns", [15, 100]),
    (lambda v: noisy_examples(v, 2, 0.5, 1), "patterns", NOT_PATTERNS[:-1]),
    (lambda v: noisy_examples(XI, v, 0.5, 1), "n_examples", [*NOT_A_COUNT, 0]),
    (lambda v: noisy_examples(XI, 2, v, 1), "quality", NOT_A_QUALITY),
    (lambda v: noisy_examples(XI, 2, 0.5, v), "seed", NOT_A_COUNT),
    (lambda v: noisy_examples(XI, 2, 0.5, 1, path=v), "path", NOT_A_PATH),
    (lambda v: HebbianNetwork(XI, gain=v), "gain", [*NOT_A_NUMBER, 0.0, 1e-300, 1e101]),
    (lambda v: observables.losses(v, [STATES]), "spins", NOT_SIGNS),
    (lambda v: observables.losses(STATES, v), "patterns", NOT_PATTERNS),
    (lambda v: observables.one_step(v, STATES), "model", NOT_A_MODEL),
    (lambda v: observables.one_step(STORED, v), "spins", NOT_SPINS),
    (lambda v: observables.one_step(STORED, STATES, ties=v), "ties", NOT_A_TEXT),
    (lambda v: sample(HebbianNetwork(XI), 0.5, ties=v), "ties", [*NOT_A_TEXT, "flip"]),
]


def test_bad_arguments_are_refused(record_property):
    for call, name, values in BAD:
        assert_refused(call, name, values, record_property)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: diluted(10, 10**8, 0.5, 1), "n_spins = "),
        (lambda: class_exact(10, 10**8, 0.5, 1), "n_spins = "),
        (lambda: noisy_examples(XI, 10**9, 0.5, 1), "n_examples = "),
    ],
)
def test_more_than_fits_is_refused(monkeypatch, call, named):
    monkeypatch.setattr(machine, "available_memory", lambda: 10**8)
    with pytest.raises(MemoryLimitError, match=f"{named}.* fits"):
        call()
