"""The compiled single-spin dynamics against exact energies, exact laws, naive twins.

Seeds are fixed; the false-alarm rates quoted are those of a fresh seed.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import reference

from statmech import HebbianNetwork, sample
from statmech.chains import DYNAMICS, SCANS, Group
from statmech.kernels import hebbian as kernels
from statmech.patterns import rademacher
from statmech.rng import stream_keys

EPS = np.finfo(np.float64).eps
CONVENTIONS = ("exclude", "keep")
HOW = list(itertools.product(DYNAMICS, SCANS))
TRACKED = np.zeros(1, dtype=np.int64)


def rules(dynamics="heat-bath", scan="random", wide=False):
    return kernels.Rules(DYNAMICS.index(dynamics), SCANS.index(scan), wide)


def network(n, k, order, coincident="exclude", field=0.0, seed=0):
    """A network and its naive twin; `field` is a standard deviation."""
    patterns = rademacher(k, n, seed, path=(n, k, order))
    b = field * np.random.default_rng(seed).normal(size=n)
    model = HebbianNetwork(patterns, order, coincident=coincident, field=b)
    return model, reference.Network(patterns, order, coincident, b)


def random_spins(shape, seed):
    signs = 2 * np.random.default_rng(seed).integers(0, 2, shape) - 1
    return np.ascontiguousarray(signs, dtype=np.int8)


def overlaps_of(model, s):
    return model.patterns.astype(np.int64) @ s.astype(np.int64)


def run(model, spins, betas, n_draws, *, thin=1, seed=0, dtype=None, **how):
    """Advance copies of `spins` (R, N); returns the group and its record."""
    keys = stream_keys(seed, (), len(spins))
    group = Group(model, spins.copy(), keys, TRACKED)
    if dtype is not None:
        wider = group.chains.overlaps.astype(dtype)
        group.chains = group.chains._replace(overlaps=wider)
    record = group.record(n_draws)
    betas = np.full(len(spins), betas, dtype=np.float64)
    group.advance(betas, rules(**how), n_draws, thin, record)
    return group, record


# Energy differences ----------------------------------------------------------------


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_alignment_is_half_the_exact_energy_difference(order, coincident):
    """1600 random (state, spin), differences of full energies over index sets.

    Without a field the sum is an integer, so the result is exact but for the one
    multiplication by the prefactor; with a field, to 4 ulp of the largest term.
    """
    draw = np.random.default_rng(order)
    for field, n, k in itertools.product((0.0, 0.7), (order, 6, 9, 11), (1, 6)):
        n = max(n, order)
        model, twin = network(n, k, order, coincident, field, seed=n)
        rows, c = model.rows, reference.coupling(twin)
        spins = random_spins((100, n), seed=n + k)
        sites = draw.integers(0, n, len(spins))
        flipped = spins.copy()
        flipped[np.arange(len(spins)), sites] *= -1
        before = reference.interaction_sums(twin, spins)
        after = reference.interaction_sums(twin, flipped)
        for s, i, drop in zip(spins, sites, before - after, strict=True):
            overlap = overlaps_of(model, s).astype(np.int32)
            x = kernels.alignment(rows, s, overlap, int(i))
            if field == 0.0:
                one = drop // 2 if coincident == "exclude" or order > 2 else drop / 4
                unit = model.prefactor
                assert x == unit * float(one)
            pull = Fraction(float(twin.field[i])) * int(s[i])
            exact = c * drop / 2 + pull
            largest = max(abs(float(c * drop / 2)), abs(float(pull)))
            assert abs(Fraction(x) - exact) <= 4 * EPS * largest


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_flip_and_energy_agree_with_index_sets(order, coincident):
    """A flip is an involution, brings the overlaps up to date, and costs 2 s h."""
    model, twin = network(9, 5, order, coincident, 0.4)
    rows = model.rows
    for seed in range(20):
        s = random_spins(9, seed)
        overlap = overlaps_of(model, s).astype(np.int32)
        start, start_overlap = s.copy(), overlap.copy()
        exact = [float(e) for e in reference.energies(twin, [s])]
        before = kernels.energy(rows, s, overlap)
        assert before == pytest.approx(exact[0], abs=1e-13)
        for i in range(9):
            cost = 2.0 * kernels.alignment(rows, s, overlap, i)
            kernels.flip(rows, s, overlap, i)
            assert (s != start).nonzero()[0].tolist() == [i]
            assert (overlap == overlaps_of(model, s)).all()
            after = kernels.energy(rows, s, overlap)
            assert after - before == pytest.approx(cost, abs=1e-13)
            kernels.flip(rows, s, overlap, i)
            assert (s == start).all()
            assert (overlap == start_overlap).all()


@pytest.mark.parametrize(
    ("order", "n", "coincident"),
    [(10, 500, "exclude"), (20, 90, "exclude"), (8, 300, "keep"), (20, 40, "keep")],
)
def test_alignment_where_table_entries_exceed_exact_floats(order, n, coincident):
    """Entries above 2**53 are rounded once each: 4 ulp of the sum of their sizes."""
    model, twin = network(n, 3, order, coincident, 0.3)
    s = rademacher(1, n, seed=1)[0]
    s[: n // 2] = model.patterns[0, : n // 2]
    overlap = overlaps_of(model, s).astype(np.int32)
    table = np.abs(model.rows.field_table)
    assert table.max() > 2**53
    for i in range(0, n, n // 10):
        x = kernels.alignment(model.rows, s, overlap, i)
        exact = reference.alignment(twin, s, i)
        others = overlap - model.patterns[:, i] * s[i]
        terms = table[(others + n - 1) >> 1]
        size = model.prefactor * terms.sum() + abs(twin.field[i])
        assert abs(Fraction(x) - exact) <= 4 * EPS * size


# Acceptance and stationarity -------------------------------------------------------


def acceptance_of(dynamics, beta, x):
    """Probability with which the kernel accepts, found by bisection of its uniform.

    Doubles in (0, 1) are ordered like the integers that hold their bits; the
    probability is the largest accepted one, to the last bit.
    """
    code = DYNAMICS.index(dynamics)

    def accepted(bits):
        u = float(np.int64(bits).view(np.float64))
        return kernels.accepts(code, beta, x, u)

    low, high = 1, int(np.float64(1.0).view(np.int64)) - 1
    if accepted(high):
        return 1.0
    if not accepted(low):
        return 0.0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accepted(middle) else (low, middle)
    return float(np.int64(low).view(np.float64))


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_acceptance_is_its_formula(dynamics):
    """1/(1 + e**(2 beta x)), min(1, e**(-2 beta x)): to 4 ulp over 16 decades."""
    for beta in (0.0, 0.3, 1.0, 40.0):
        for x in [*np.linspace(-3.0, 3.0, 25), 0.0, 1e-9, -1e-9, 5e-324]:
            expected = reference.acceptance(dynamics, beta, x)
            got = acceptance_of(dynamics, beta, x)
            # The argument 2 beta x is itself rounded.
            allowed = (4.0 + 2.0 * beta * abs(x)) * EPS * expected
            assert abs(got - expected) <= max(allowed, 5e-324)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_24_bits_round_the_acceptance_to_their_grid(dynamics):
    """The share of the 2**24 uniforms that accept is within half a step."""
    code = DYNAMICS.index(dynamics)
    for x in (-1.0, -0.1, 0.0, 0.01, 0.2, 1.0, 3.0, 7.9, 30.0):
        low, high = -1, 2**24
        while high - low > 1:
            middle = (low + high) // 2
            if kernels.accepts(code, 1.0, x, (middle + 0.5) / 2**24):
                low = middle
            else:
                high = middle
        share = high / 2**24
        assert abs(share - reference.acceptance(dynamics, 1.0, x)) <= 2.0**-25


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_zero_temperature_turns_only_opposed_spins(dynamics):
    """beta = inf: x < 0 turns, x = 0 keeps, whatever the uniform."""
    code = DYNAMICS.index(dynamics)
    for u in (2.0**-54, 2.0**-25, 0.5, 1.0 - 2.0**-25):
        assert kernels.accepts(code, math.inf, -1e-300, u)
        assert not kernels.accepts(code, math.inf, 0.0, u)
        assert not kernels.accepts(code, math.inf, -0.0, u)
        assert not kernels.accepts(code, math.inf, 1e-300, u)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_the_coldest_temperatures_above_zero_obey_the_formula(dynamics):
    """beta up to the largest float: no NaN, and a free spin is still free."""
    code = DYNAMICS.index(dynamics)
    for beta in (1e300, 1e308, np.finfo(float).max):
        assert kernels.accepts(code, beta, -1.0, 0.999)
        assert not kernels.accepts(code, beta, 1.0, 2.0**-54)
        assert kernels.accepts(code, beta, 0.0, 0.499)
        assert kernels.accepts(code, beta, 0.0, 0.501) == (dynamics == "metropolis")


def kernel_rates(model, dynamics, beta):
    """(2**n, n) acceptances from the kernels alone."""
    n = model.n_spins
    known = {}
    rates = np.empty((2**n, n))
    for code, s in enumerate(reference.states(n)):
        overlap = overlaps_of(model, s).astype(np.int32)
        for i in range(n):
            x = kernels.alignment(model.rows, s, overlap, i)
            if x not in known:
                known[x] = acceptance_of(dynamics, beta, x)
            rates[code, i] = known[x]
    return rates


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize(
    ("order", "coincident", "n"),
    [
        (2, "exclude", 6),
        (3, "exclude", 5),
        (4, "exclude", 6),
        (2, "keep", 4),
        (3, "keep", 6),
        (4, "keep", 5),
    ],
)
def test_boltzmann_law_is_stationary(order, coincident, n, dynamics):
    """Transition matrices built from the kernel's own alignment and acceptance.

    Random sites: pi_a P_ab = pi_b P_ba, to 1e-14 and to 1e-13 relatively. Sequential
    and permuted sites, products of updates: pi P = pi to 1e-14.
    """
    model, twin = network(n, 3, order, coincident, 0.3, seed=2)
    energy = reference.energies(twin, reference.states(n))
    for beta in (0.4, 1.7):
        law = reference.boltzmann(energy, beta)
        rates = kernel_rates(model, dynamics, beta)
        updates = [reference.site_matrix(rates, i) for i in range(n)]
        flow = law[:, None] * (sum(updates) / n)
        assert np.abs(flow - flow.T).max() < 1e-14
        assert np.abs(flow - flow.T)[flow > 0].max() < 1e-14
        moves = (flow > 0) & (flow.T > 0)
        assert np.abs(flow[moves] / flow.T[moves] - 1.0).max() < 1e-13
        for order_of_sites in (range(n), [3, 0, 2, 1, *range(4, n)]):
            product = np.linalg.multi_dot([updates[i] for i in order_of_sites])
            assert np.abs(product.sum(axis=1) - 1.0).max() < 1e-14
            assert np.abs(law @ product - law).max() < 1e-14
            # Stationary, but not reversible: the test can tell.
            flow = law[:, None] * product
            assert np.abs(flow - flow.T).max() > 1e-4


def test_a_wrong_acceptance_breaks_detailed_balance():
    """Control: e**(-beta x), the factor 2 forgotten, misses by far more than 1e-14."""
    model, twin = network(5, 3, 3, field=0.3, seed=2)
    law = reference.boltzmann(reference.energies(twin, reference.states(5)), 1.0)
    rates = kernel_rates(model, "metropolis", 0.5)
    flow = law[:, None] * sum(reference.site_matrix(rates, i) for i in range(5)) / 5
    assert np.abs(flow - flow.T).max() > 1e-3


# Bookkeeping -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "coincident"),
    [(2, "exclude"), (3, "exclude"), (4, "keep")],
)
def test_overlaps_do_not_drift(order, coincident):
    """After 10**6 trials at high acceptance: overlaps exact, energy to 1e-12."""
    model, _ = network(101, 13, order, coincident, 0.5)
    group, record = run(
        model, random_spins((2, 101), 1), [0.05, 1.0], 50, thin=100, scan="random"
    )
    assert record.accepted[0].mean() > 0.3
    assert group.chains.clock[0] * 2 > 1_000_000
    for r, s in enumerate(group.chains.spins):
        overlap = overlaps_of(model, s)
        assert (group.chains.overlaps[r] == overlap).all()
        assert record.overlaps[r, -1, 0] == overlap[0] / 101
        assert record.energies[r, -1] * 101 == pytest.approx(
            model.energy(s), rel=1e-12, abs=1e-12
        )
    a, b = group.chains.spins.astype(int)
    assert record.replica_overlaps[0, -1] == (a @ b) / 101


# Same moves as the twin ------------------------------------------------------------


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(("dynamics", "scan"), HOW)
def test_moves_are_those_of_the_twin(dynamics, scan, order, coincident):
    """Bit for bit with 24 and 53 bits, with field, chains at different temperatures.

    The twin decides from exact fractions, so one part in 10**15 of the decisions may
    be rounded otherwise: false-alarm rate 1e-12.
    """
    n, n_sweeps = 11, 3
    model, twin = network(n, 3, order, coincident, 0.5, seed=order)
    start = random_spins((3, n), seed=5)
    betas = [0.2, 1.1, math.inf]
    for wide in (False, True):
        group, record = run(
            model,
            start,
            betas,
            n_sweeps,
            seed=9,
            dynamics=dynamics,
            scan=scan,
            wide=wide,
        )
        for r, key in enumerate(stream_keys(9, (), 3)):
            s = start[r].tolist()
            for draw in range(n_sweeps):
                accepted = reference.sweep(
                    twin, s, betas[r], dynamics, scan, wide, draw * n, key
                )
                assert record.accepted[r, draw] == accepted / n
                (energy,) = reference.energies(twin, [s])
                assert record.energies[r, draw] * n == pytest.approx(
                    float(energy), abs=1e-12
                )
                m = Fraction(int(model.patterns[0].astype(int) @ s), n)
                assert record.overlaps[r, draw, 0] == float(m)
            assert group.chains.spins[r].tolist() == s


def test_sweep_is_advance_for_one_chain():
    """One call of `sweep` a chain makes the moves of `advance`."""
    model, _ = network(12, 4, 3, field=0.2)
    start = random_spins((2, 12), 3)
    group, _ = run(model, start, 0.8, 4, scan="permutation")
    sites = np.empty(12, dtype=np.int32)
    for r, key in enumerate(stream_keys(0, (), 2)):
        s = start[r].copy()
        overlap = overlaps_of(model, s).astype(np.int32)
        for step in range(4):
            kernels.sweep(
                model.rows,
                s,
                overlap,
                sites,
                0.8,
                rules(scan="permutation"),
                12 * step,
                key,
            )
        assert (s == group.chains.spins[r]).all()
        assert (overlap == group.chains.overlaps[r]).all()


@pytest.mark.parametrize("scan", SCANS)
def test_thinning_and_interruption_do_not_change_the_moves(scan):
    """4 draws of 3 sweeps are 12 draws of 1, in one call or in several."""
    model, _ = network(20, 4, 3, field=0.2)
    start = random_spins((2, 20), 3)
    once, coarse = run(model, start, 0.8, 4, thin=3, scan=scan)
    fine, every = run(model, start, 0.8, 12, scan=scan)
    assert (once.chains.spins == fine.chains.spins).all()
    assert (coarse.energies == every.energies[:, 2::3]).all()
    np.testing.assert_allclose(
        coarse.accepted, every.accepted.reshape(2, 4, 3).mean(axis=2), atol=1e-15
    )
    pieces = Group(model, start.copy(), stream_keys(0, (), 2), TRACKED)
    for _ in range(4):
        betas = np.full(2, 0.8)
        pieces.advance(betas, rules(scan=scan), 3, 1, pieces.record(0))
    assert (pieces.chains.spins == fine.chains.spins).all()
    assert pieces.chains.clock[0] == fine.chains.clock[0] == 12 * 20


# Symmetries, with the same random numbers ------------------------------------------


def assert_same_run(one, other, sign):
    """Spins equal up to `sign`, records equal bit for bit."""
    assert (one[0].chains.spins == sign * other[0].chains.spins).all()
    assert (one[1].energies == other[1].energies).all()
    assert (one[1].accepted == other[1].accepted).all()
    assert (one[1].replica_overlaps == other[1].replica_overlaps).all()


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_gauge_symmetry(order, coincident):
    """s -> g s, xi -> g xi, b -> g b, g any signs (a pattern: xi -> 1), bit for bit."""
    model, twin = network(40, 7, order, coincident, 0.3)
    start = random_spins((2, 40), 1)
    for g in (model.patterns[0], random_spins(40, 8)):
        turned = HebbianNetwork(
            model.patterns * g, order, coincident=coincident, field=twin.field * g
        )
        for dynamics, scan in HOW:
            how = {"dynamics": dynamics, "scan": scan}
            one = run(model, start, [0.9, 2.0], 10, **how)
            other = run(turned, start * g, [0.9, 2.0], 10, **how)
            assert_same_run(one, other, g)
            assert 0.0 < one[1].accepted.mean() < 1.0


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_order_of_the_patterns_does_not_matter(order, coincident):
    """Sums of integers: permuted patterns give the same run bit for bit."""
    model, twin = network(40, 7, order, coincident, 0.3)
    start = random_spins((2, 40), 1)
    shuffled = HebbianNetwork(
        model.patterns[[0, 5, 3, 6, 1, 4, 2]],
        order,
        coincident=coincident,
        field=twin.field,
    )
    for dynamics, scan in HOW:
        how = {"dynamics": dynamics, "scan": scan}
        assert_same_run(
            run(model, start, [0.9, 2.0], 10, **how),
            run(shuffled, start, [0.9, 2.0], 10, **how),
            1,
        )


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_spin_flip_symmetry(order, coincident):
    """Even P: -s with -b runs as s with b. Odd P: with -xi as well."""
    model, twin = network(40, 7, order, coincident, 0.3)
    start = random_spins((2, 40), 1)
    sign = 1 if order % 2 == 0 else -1
    mirror = HebbianNetwork(
        sign * model.patterns, order, coincident=coincident, field=-twin.field
    )
    for dynamics, scan in HOW:
        how = {"dynamics": dynamics, "scan": scan}
        one = run(model, start, [0.9, 2.0], 10, **how)
        assert_same_run(one, run(mirror, -start, [0.9, 2.0], 10, **how), -1)
    if order % 2:
        unchanged = run(model, -start, [0.9, 2.0], 10)
        assert (
            unchanged[0].chains.spins
            != -run(model, start, [0.9, 2.0], 10)[0].chains.spins
        ).any()


# Width of the overlaps -------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 3])
def test_wide_overlaps_make_the_same_moves(order):
    """int64 overlaps, for N K >= 2**31, against int32."""
    model, _ = network(40, 7, order, field=0.3)
    start = random_spins((2, 40), 1)
    for dynamics, scan in HOW:
        how = {"dynamics": dynamics, "scan": scan}
        narrow = run(model, start, [0.9, 2.0], 10, **how)
        wide = run(model, start, [0.9, 2.0], 10, dtype=np.int64, **how)
        assert wide[0].chains.overlaps.dtype == np.int64
        assert narrow[0].chains.overlaps.dtype == np.int32
        assert_same_run(narrow, wide, 1)
        assert (narrow[0].chains.overlaps == wide[0].chains.overlaps).all()


def test_pairwise_sums_beyond_int32():
    """Overlaps of 2**29 with 8 patterns: the product of row and overlaps is 2**32."""
    ones = np.ones((8, 4), dtype=np.int8)
    rows = HebbianNetwork(ones).rows
    overlap = np.full(8, 2**29, dtype=np.int64)
    s = np.ones(4, dtype=np.int8)
    expected = (8 * 2**29 - 8) / 3
    assert kernels.alignment(rows, s, overlap, 0) == pytest.approx(expected, rel=EPS)
    kernels.flip(rows, s, overlap, 0)
    assert (overlap == 2**29 - 2).all()


def test_largest_overlaps_of_the_narrow_form():
    """K N just below 2**31: every row sum still fits in int32, with either sign."""
    k = 64
    top = (2**31 - 1) // k
    rows = HebbianNetwork(np.ones((k, 4), dtype=np.int8)).rows
    for sign in (1, -1):
        overlap = np.full(k, sign * top, dtype=np.int32)
        s = np.full(4, sign, dtype=np.int8)
        expected = (k * top - k) / 3
        assert kernels.alignment(rows, s, overlap, 0) == pytest.approx(
            expected, rel=2 * EPS
        )


# Limits ----------------------------------------------------------------------------


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


# Fluctuation and response ----------------------------------------------------------


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
