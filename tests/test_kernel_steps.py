"""One step of a chain: energies, acceptance, stationarity, all of it exactly."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import reference
from kernel_cases import CONVENTIONS, EPS, network, overlaps_of, random_spins

from statmech.chains import DYNAMICS
from statmech.kernels import network as kernels
from statmech.kernels.moves import accepts
from statmech.patterns import rademacher

# Energy differences ---------------------------------------------------------------


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


# Acceptance and stationarity ------------------------------------------------------


def acceptance_of(dynamics, beta, x):
    """Probability with which the kernel accepts, found by bisection of its uniform.

    Doubles in (0, 1) are ordered like the integers that hold their bits; the
    probability is the largest accepted one, to the last bit.
    """
    code = DYNAMICS.index(dynamics)

    def accepted(bits):
        u = float(np.int64(bits).view(np.float64))
        return accepts(code, beta, x, u)

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
            if accepts(code, 1.0, x, (middle + 0.5) / 2**24):
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
        assert accepts(code, math.inf, -1e-300, u)
        assert not accepts(code, math.inf, 0.0, u)
        assert not accepts(code, math.inf, -0.0, u)
        assert not accepts(code, math.inf, 1e-300, u)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_the_coldest_temperatures_above_zero_obey_the_formula(dynamics):
    """beta up to the largest float: no NaN, and a free spin is still free."""
    code = DYNAMICS.index(dynamics)
    for beta in (1e300, 1e308, np.finfo(float).max):
        assert accepts(code, beta, -1.0, 0.999)
        assert not accepts(code, beta, 1.0, 2.0**-54)
        assert accepts(code, beta, 0.0, 0.499)
        assert accepts(code, beta, 0.0, 0.501) == (dynamics == "metropolis")


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
