"""The Hebbian network against sums over index sets, term by term."""

import itertools
import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import reference

from statmech import HebbianNetwork, sample
from statmech.errors import ParameterError
from statmech.forms import sum_type
from statmech.group import overlap_type
from statmech.hebbian import load_unit, symmetric_sums
from statmech.patterns import corrupt, rademacher

EPS = np.finfo(np.float64).eps
CASES = [
    (order, coincident, n)
    for order in range(2, 7)
    for coincident in ("exclude", "keep")
    for n in (order, 8)
]


def pair(order, coincident, n, k=3, seed=1):
    """A network with a field, and its naive twin."""
    patterns = rademacher(k, n, seed, path=(order, n))
    field = np.random.default_rng(seed).normal(size=n)
    model = HebbianNetwork(patterns, order, coincident=coincident, field=field)
    return model, reference.Network(patterns, order, coincident, field)


@pytest.mark.parametrize(("order", "coincident", "n"), CASES)
def test_energy_is_the_sum_over_index_sets(order, coincident, n):
    """Every state, every P, both conventions: only the last rounding is allowed."""
    model, twin = pair(order, coincident, n)
    spins = reference.states(n)
    exact = reference.energies(twin, spins)
    scale = model.n_patterns * n + np.abs(twin.field).sum()
    error = [abs(model.energy(s) - float(e)) for s, e in zip(spins, exact, strict=True)]
    assert max(error) < 8 * EPS * scale


@pytest.mark.parametrize(("order", "coincident", "n"), CASES)
def test_local_field_is_half_the_cost_of_a_flip(order, coincident, n):
    """2 s_i h_i is the exact energy difference, for every state and spin."""
    model, twin = pair(order, coincident, n)
    spins = reference.states(n)
    exact = reference.half_costs(reference.energies(twin, spins))
    scale = model.n_patterns * n + np.abs(twin.field).sum()
    for s, cost in zip(spins, exact, strict=True):
        assert np.abs(s * model.local_fields(s) - cost).max() < 8 * EPS * scale


@pytest.mark.parametrize(("order", "coincident", "n"), CASES)
def test_the_twin_agrees_with_itself(order, coincident, n):
    """Two independent naive forms, one by index sets, one by products of polynomials.

    Exact, in fractions.
    """
    _, twin = pair(order, coincident, n)
    for s in reference.states(n)[:: 2**n // 4]:
        for i in range(n):
            flipped = s.copy()
            flipped[i] = -s[i]
            before, after = reference.energies(twin, np.array([s, flipped]))
            assert after - before == 2 * reference.alignment(twin, s, i)


@pytest.mark.parametrize("order", range(2, 8))
@pytest.mark.parametrize("n", [8, 9, 40, 1000])
def test_a_recovered_pattern_has_unit_field_and_energy_minus_n_over_p(order, n):
    """The normalisation at every N, and its sign for -xi: the parity of P."""
    pattern = rademacher(1, n, seed=n)
    model = HebbianNetwork(pattern, order)
    np.testing.assert_allclose(
        model.local_fields(pattern[0]), pattern[0], rtol=4 * EPS, atol=0
    )
    assert model.energy(pattern[0]) == pytest.approx(-n / order, rel=4 * EPS)
    mirror = -n / order if order % 2 == 0 else n / order
    assert model.energy(-pattern[0]) == pytest.approx(mirror, rel=4 * EPS)


@pytest.mark.parametrize("order", range(2, 7))
def test_kept_indices_are_powers_of_the_magnetisation(order):
    """E = -(N/P) sum m**P: -N/P on a pattern; P = 2 differs by the constant K/2."""
    patterns = rademacher(4, 50, seed=order)
    kept = HebbianNetwork(patterns, order, coincident="keep")
    assert HebbianNetwork(patterns[:1], order, coincident="keep").energy(
        patterns[0]
    ) == pytest.approx(-50 / order, rel=4 * EPS)
    s = corrupt(patterns[0], 0.4, seed=1)
    m = patterns.astype(int) @ s.astype(int) / 50
    assert kept.energy(s) == pytest.approx(-50 / order * np.sum(m**order), rel=1e-13)


def test_pairwise_conventions_differ_by_a_constant():
    """With P = 2 the coincident terms add the constant -K/2 to the energy; the fields
    differ by the factor (N - 1)/N of the two normalisations alone."""
    patterns = rademacher(3, 20, seed=0)
    kept = HebbianNetwork(patterns, coincident="keep")
    left_out = HebbianNetwork(patterns)
    for seed in range(5):
        s = rademacher(1, 20, seed=seed)[0]
        np.testing.assert_allclose(
            kept.local_fields(s), left_out.local_fields(s) * 19 / 20, rtol=0, atol=1e-14
        )
        shifted = kept.energy(s) + 3 / 2
        assert shifted == pytest.approx(left_out.energy(s) * 19 / 20, abs=1e-13)


def test_a_number_as_field_is_the_same_at_every_site():
    patterns = rademacher(2, 6, seed=3)
    one = HebbianNetwork(patterns, 3, field=0.25)
    many = HebbianNetwork(patterns, 3, field=np.full(6, 0.25))
    bare = HebbianNetwork(patterns, 3)
    s = rademacher(1, 6, seed=4)[0]
    assert one.energy(s) == many.energy(s)
    assert one.energy(s) == pytest.approx(bare.energy(s) - 0.25 * s.sum(), abs=1e-14)
    np.testing.assert_array_equal(one.local_fields(s), many.local_fields(s))


@pytest.mark.parametrize("n", range(1, 9))
def test_symmetric_sums_are_sums_over_subsets(n):
    """e_k for every k up to n (and 0 beyond) and every sum of n signs."""
    sums = np.arange(-n, n + 1, 2)
    for degree in range(n + 2):
        expected = []
        for total in sums:
            signs = [1] * ((n + total) // 2) + [-1] * ((n - total) // 2)
            subsets = itertools.combinations(signs, degree)
            expected.append(float(sum(map(math.prod, subsets))))
            assert reference.symmetric_sum(signs, degree) == expected[-1]
        got = symmetric_sums(sums, n, degree)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("n", "degree"), [(64, 20), (200, 10), (500, 19), (3000, 6), (2000, 20), (100, 20)]
)
def test_symmetric_sums_beyond_exact_floats_are_correctly_rounded(n, degree):
    """Entries above 2**53, and above 2**64: exact integers rounded once."""
    sums = np.arange(-n, n + 1, 2)[:: max(1, n // 50)]
    exact = []
    for total in sums:
        plus = (n + int(total)) // 2
        # The coefficient of z**degree in (1 + z)**plus (1 - z)**minus.
        exact.append(
            sum(
                (-1) ** k * math.comb(n - plus, k) * math.comb(plus, degree - k)
                for k in range(degree + 1)
            )
        )
    assert max(map(abs, exact)) > 2**53
    got = symmetric_sums(sums, n, degree)
    assert [float(x) for x in got] == [float(Fraction(x)) for x in exact]


@pytest.mark.parametrize(
    ("order", "n"), [(3, 300_000), (5, 4000), (8, 400), (12, 300), (20, 100)]
)
def test_kept_tables_are_correctly_rounded(order, n):
    """S**P and its differences where int64 would wrap: the energies of one pattern."""
    pattern = np.ones((1, n), dtype=np.int8)
    model = HebbianNetwork(pattern, order, coincident="keep")
    for n_down in (0, 1, n // 3, n - 1, n):
        s = np.ones(n, dtype=np.int8)
        s[:n_down] = -1
        total = n - 2 * n_down
        energy = -Fraction(n, order) * Fraction(total, n) ** order
        assert model.energy(s) == pytest.approx(float(energy), rel=4 * EPS)
        half = (Fraction(total) ** order - Fraction(total - 2) ** order) / 2
        field = half * Fraction(n, order) / n**order  # of a spin that is up
        if n_down < n:
            assert model.local_fields(s)[-1] == pytest.approx(
                float(field), rel=4 * EPS, abs=1e-300
            )


# Integers beyond 64 bits -----------------------------------------------------------


def exact_sum(n, total, degree):
    """e_degree of n signs that sum to `total`, in Python's integers."""
    plus = (n + total) // 2
    return sum(
        (-1) ** k * math.comb(n - plus, k) * math.comb(plus, degree - k)
        for k in range(degree + 1)
    )


def exact_terms(model, s):
    """(f of each pattern, xi_mu_i G of each pattern and spin) in Python's integers."""
    n, p = model.n_spins, model.order
    xi = [[int(x) for x in row] for row in model.patterns]
    sums = [sum(x * int(y) for x, y in zip(row, s, strict=True)) for row in xi]
    if model.coincident == "exclude":
        energies = [exact_sum(n, total, p) for total in sums]
        known = {
            (total, a): exact_sum(n - 1, total - a, p - 1)
            for total in set(sums)
            for a in (-1, 1)
        }
    else:
        energies = [Fraction(total**p) for total in sums]
        known = {
            (total, a): Fraction((total - a + 1) ** p - (total - a - 1) ** p, 2)
            for total in set(sums)
            for a in (-1, 1)
        }
    fields = [
        [x * known[total, x * int(y)] for x, y in zip(row, s, strict=True)]
        for row, total in zip(xi, sums, strict=True)
    ]
    return energies, fields


@pytest.mark.parametrize("coincident", ["exclude", "keep"])
@pytest.mark.parametrize(
    ("order", "n", "k"),
    [(20, 2000, 5), (20, 40, 30), (12, 150, 30), (6, 700, 40), (3, 5000, 3)],
)
def test_energy_and_fields_equal_integers_of_any_size(order, n, k, coincident):
    """Below and beyond 64 bits: one rounding a pattern, of the sum of magnitudes."""
    patterns = rademacher(k, n, seed=order)
    model = HebbianNetwork(patterns, order, coincident=coincident)
    s = corrupt(patterns[0], 0.9, seed=1)
    energies, fields = exact_terms(model, s)
    c = Fraction(math.factorial(order - 1), math.perm(n - 1, order - 1))
    if coincident == "keep":
        c = Fraction(1, order * n ** (order - 1))
    scale = float(c * sum(map(abs, energies)))
    error = abs(Fraction(model.energy(s)) + c * sum(energies))
    assert float(error) <= (k + 4) * EPS * scale
    got = model.local_fields(s)
    for i in range(0, n, max(1, n // 50)):
        column = [row[i] for row in fields]
        scale = float(c * sum(map(abs, column)))
        error = abs(Fraction(got[i]) - c * sum(column))
        assert float(error) <= (k + 4) * EPS * scale


@pytest.mark.parametrize("coincident", ["exclude", "keep"])
def test_sums_of_fields_leave_integers_where_they_could_wrap(coincident):
    """All patterns equal: the largest sum there is, at the last K in int64 and at the
    first in float64, in NumPy and in the kernel."""
    n, order = 700, 8
    most = math.comb(n - 1, order - 1)
    if coincident == "keep":
        n = 160
        most = (n**order - (n - 2) ** order) // 2
    top = (2**62 - 1) // most
    assert 100 < top < 1000
    for k, dtype in ((top, np.int64), (top + 1, np.float64)):
        model = HebbianNetwork(
            np.ones((k, n), dtype=np.int8), order, coincident=coincident
        )
        table = model.rows.field_table
        assert table.dtype == dtype
        assert int(table[-1]) == (most if dtype == np.int64 else int(float(most)))
        exact = float(Fraction(model.prefactor) * k * most)
        up = np.ones(n)
        np.testing.assert_allclose(model.local_fields(up), exact, rtol=k * EPS, atol=0)
        assert model.energy(-up) == pytest.approx(model.energy(up), rel=k * EPS)
        trace = sample(model, 0.0, n_sweeps=2, n_burn_in=0, seed=1)
        assert (trace.m == 1.0).all()
        np.testing.assert_allclose(
            trace.energy * n, model.energy(up), rtol=k * EPS, atol=0
        )


def test_overlaps_are_as_narrow_as_a_sum_over_the_spins_allows():
    """A flip changes it by 2 w before it is stored."""
    assert overlap_type(2**15 - 3) is np.int16
    assert overlap_type(2**15 - 2) is np.int32
    assert overlap_type(2**14, 2) is np.int32
    assert overlap_type(2**31 - 3) is np.int32
    assert overlap_type(2**31 - 2) is np.int64
    assert overlap_type(2**31 - 1, 2**31 - 1) is np.int64


def test_sums_over_the_patterns_are_wide_where_a_field_could_wrap():
    """K N <= 2**31 - 1 fits in 32 bits, 2**31 does not."""

    def kind(k, n, m=1):
        return sum_type(SimpleNamespace(n_rows=k, n_spins=n, largest_weight=m))

    assert kind(2**15, 2**16 - 1) is np.int32
    assert kind(2**15, 2**16) is np.int64
    assert kind(2, 2**10, 2**9) is np.int32
    assert kind(2, 2**10, 2**10) is np.int64


def test_more_patterns_or_spins_than_the_kernels_count_are_refused():
    """2**31 of either; the arrays are views of one number."""
    for shape, name in (((2**31, 2), "n_patterns"), ((1, 2**31), "n_spins")):
        with pytest.raises(ParameterError, match=f"{name} = 2147483648: must be at"):
            HebbianNetwork(np.broadcast_to(np.int8(1), shape))


def test_load_is_patterns_over_its_unit():
    """alpha = K / ((N-1)...(N-P+1)), or K / N**(P-1) with coincident indices."""
    patterns = rademacher(7, 30, seed=0)
    for order in (2, 3, 4, 6):
        falling = math.prod(range(30 - order + 1, 30))
        assert load_unit(order, 30) == load_unit(order, 30, "exclude") == falling
        assert load_unit(order, 30, "keep") == 30 ** (order - 1)
        assert HebbianNetwork(patterns, order).alpha == 7 / falling
        kept = HebbianNetwork(patterns, order, coincident="keep")
        assert kept.alpha == 7 / 30 ** (order - 1)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_crosstalk_field_has_variance_alpha_times_factorial(order):
    """On a pattern, the field of K others has variance alpha (P-1)! at every N.

    600 networks, N = 12: |z| < 4.5, with the error from the spread over networks.
    """
    n, k = 12, 9
    squares, means = [], []
    for seed in range(600):
        patterns = rademacher(k + 1, n, seed, path=(order,))
        noise = patterns[0] * HebbianNetwork(patterns, order).local_fields(patterns[0])
        squares.append(np.mean((noise - 1.0) ** 2))
        means.append(np.mean(noise - 1.0))
    expected = k / load_unit(order, n) * math.factorial(order - 1)
    error = np.std(squares, ddof=1) / math.sqrt(len(squares))
    assert abs(np.mean(squares) - expected) < 4.5 * error
    assert abs(np.mean(means)) < 4.5 * np.std(means, ddof=1) / math.sqrt(len(means))


def test_rademacher_is_fair_and_each_row_its_own():
    """Mean and overlaps of 400 x 1001 signs: |z| < 4.5; rows do not depend on K."""
    xi = rademacher(400, 1001, seed=3)
    assert xi.shape == (400, 1001)
    assert xi.dtype == np.int8
    assert set(np.unique(xi)) == {-1, 1}
    assert abs(xi.sum()) < 4.5 * math.sqrt(xi.size)
    squares = (xi.astype(int) @ xi.T.astype(int))[np.triu_indices(400, 1)] ** 2 / 1001
    # Var of M**2 / N is 2 - 2 / N.
    assert abs(squares.mean() - 1.0) < 4.5 * math.sqrt(2.0 / squares.size)
    np.testing.assert_array_equal(rademacher(10, 1001, seed=3), xi[:10])
    assert (rademacher(10, 1001, seed=4) != xi[:10]).any()
    assert (rademacher(10, 1001, seed=3, path=(1,)) != xi[:10]).any()


@pytest.mark.parametrize("overlap", [-1.0, -0.31, 0.0, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_corruption_is_exact_and_uniform(n, overlap):
    """round(N (1 - m)/2) spins are turned, so that m is met to 1/N."""
    pattern = rademacher(1, n, seed=n)[0]
    kept = pattern.copy()
    cue = corrupt(pattern, overlap, seed=1)
    assert (pattern == kept).all()
    assert (cue != pattern).sum() == round(n * (1.0 - overlap) / 2.0)
    assert abs(pattern.astype(int) @ cue / n - overlap) <= 1.0 / n + 1e-12


def test_corruption_turns_every_site_equally_often():
    """2000 cues of 10 sites, 3 turned: every site |z| < 4.5."""
    turned = sum(corrupt(np.ones(10), 0.4, seed=1, path=(c,)) < 0 for c in range(2000))
    z = (turned - 600) / math.sqrt(2000 * 0.3 * 0.7)
    assert turned.sum() == 6000
    assert np.abs(z).max() < 4.5


def test_the_order_cannot_exceed_the_number_of_spins():
    with pytest.raises(ParameterError, match="order"):
        HebbianNetwork(rademacher(1, 4, seed=0), 5)
