"""V and L of the terms, and the integers that they need, in exact arithmetic."""

import itertools
import math
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import reference
from kernel_cases import CONVENTIONS, random_spins

from statmech import HebbianNetwork
from statmech.caches import polynomials, term_type
from statmech.kernels.terms import LARGEST_TERM, RUN, follow_terms, term_sum
from statmech.patterns import diluted, rademacher

ORDERS = range(3, 9)


def exact_f(n, order, coincident):
    """f at S = -n, ..., n as fractions, from signs; beyond |S| = n there is none."""
    result = {}
    for up in range(n + 1):
        total = 2 * up - n
        if coincident == "exclude":
            # Of n signs, n - up of them -1: (1 + z)**up (1 - z)**(n - up).
            result[total] = sum(
                (-1) ** j * math.comb(n - up, j) * math.comb(up, order - j)
                for j in range(order + 1)
            )
        else:
            result[total] = total**order
    return {total: Fraction(value) for total, value in result.items()}


def evaluate(coefficients, j):
    return sum(c * j**power for power, c in enumerate(coefficients))


def values_of(n, order, coincident):
    """(V, L) as functions of S, fractions."""
    parts, unit = polynomials(n, order, coincident)
    return tuple(lambda s, part=part: unit * evaluate(part, s >> 1) for part in parts)


def test_f_is_the_sum_over_sets_of_sites():
    """The closed form of this file against the naive one."""
    for n, order in ((8, 3), (9, 4), (7, 7)):
        f = exact_f(n, order, "exclude")
        for up in range(n + 1):
            signs = [1] * up + [-1] * (n - up)
            assert f[2 * up - n] == reference.symmetric_sum(signs, order)


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [10, 11, 40, 41, 200, 201])
def test_terms_are_exact_drops(n, order, coincident):
    """a G(S - a) = L(S) + a V(S) is half the drop of f, for every S and sign a."""
    f = exact_f(n, order, coincident)
    slope, level = values_of(n, order, coincident)
    for total in range(-n, n + 1, 2):
        for a in (1, -1):
            if total - 2 * a in f:
                drop = (f[total] - f[total - 2 * a]) / 2
                assert level(total) + a * slope(total) == drop


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [40, 41])
def test_terms_are_their_definitions(n, order, coincident):
    """V = (f(S+2) - f(S-2))/4, L = (2 f(S) - f(S+2) - f(S-2))/4 inside."""
    f = exact_f(n, order, coincident)
    slope, level = values_of(n, order, coincident)
    for s in range(-n + 2, n - 1, 2):
        assert slope(s) == (f[s + 2] - f[s - 2]) / 4
        assert level(s) == (2 * f[s] - f[s + 2] - f[s - 2]) / 4


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("n", [8, 9, 100, 101])
def test_smallest_networks_and_degrees(n, coincident):
    """N = P and little more; degrees P - 1 and P - 2; a common unit in lowest terms."""
    for order in ORDERS:
        if order > n:
            continue
        (slope, level), unit = polynomials(n, order, coincident)
        assert len(slope) == len(level) == order
        assert slope[-1] != 0
        assert level[-1] == 0
        assert math.gcd(*slope, *level) == 1
        assert unit > 0


# Overflow --------------------------------------------------------------------------


class Size:
    """What `term_type` asks a network, without its patterns."""

    binary = True

    def __init__(self, n_spins, n_rows, order, coincident):
        self.n_spins, self.n_rows = n_spins, n_rows
        self.order, self.coincident = order, coincident


def largest_numbers(n, order, coincident):
    """Over all S: of partial results of Horner's rule, and of V and L, in units."""
    parts, unit = polynomials(n, order, coincident)
    partial, final = 0, 0  # products with j included
    for part, s in itertools.product(parts, {-n, -n + 2, 0, 1, n - 2, n}):
        value = 0
        for c in reversed(part):
            product = value * (s >> 1)
            value = product + c
            partial = max(partial, abs(product), abs(value), abs(c))
        final = max(final, abs(value))
    return partial, final, unit


@cache
def sizes():
    """(Size, its type of terms), nearly 400, some at the edge of what has terms."""
    found = []
    for order, coincident in itertools.product(ORDERS, CONVENTIONS):
        for n in (8, 9, 30, 101, 200, 1001, 4000, 30_000, 10**6):
            for n_rows in (1, 5000, 10**9):
                found.append(Size(n, n_rows, order, coincident))
        for n in (9, 200, 1001):
            edge = most_rows(n, order, coincident)
            found += [Size(n, k, order, coincident) for k in (edge, edge + 1) if k]
    return [(size, term_type(size)) for size in found]


def most_rows(n, order, coincident):
    """The most rows for which there are terms, by bisection; 0 if there is none."""
    low, high = 0, 2**62
    while high - low > 1:
        middle = (low + high) // 2
        some = term_type(Size(n, middle, order, coincident)) is not None
        low, high = (middle, high) if some else (low, middle)
    return low


def test_terms_are_refused_where_their_sums_could_overflow():
    """Against Python's integers: what is stored, added and multiplied fits.

    A run of 2048 terms is added in their type, then everything in 64 bits; the level
    and the sum are added and multiplied by the unit's numerator.
    """
    seen = set()
    for size, kind in sizes():
        seen.add(kind)
        if kind is None:
            continue
        partial, final, unit = largest_numbers(
            size.n_spins, size.order, size.coincident
        )
        if kind is np.int32:
            assert partial <= 2**24  # exact in floats of 32 bits too
            assert final <= LARGEST_TERM
            assert RUN * final <= np.iinfo(kind).max
        assert partial <= np.iinfo(kind).max
        assert 2 * final * size.n_rows * unit.numerator <= np.iinfo(np.int64).max
    assert seen == {None, np.int32, np.int64}


def test_terms_are_not_refused_without_need():
    """Where the sums are below 2**61, there are terms; below 2**19, of 32 bits."""
    for size, kind in sizes():
        parts, unit = polynomials(size.n_spins, size.order, size.coincident)
        # All coefficients positive: the largest value there could be.
        far = size.n_spins // 2 + 1
        top = max(evaluate(map(abs, part), far) for part in parts)
        if top * size.n_rows * unit.numerator < 2**61:
            assert kind is (np.int32 if top < 2**19 else kind)
            assert kind is not None


def test_both_forms_are_exact_wherever_there_are_terms():
    """The table of the form "table" is of integers there too, so that moves agree."""
    for size, kind in sizes():
        if kind is None:
            continue
        n, order = size.n_spins, size.order
        largest = math.comb(n - 1, order - 1)
        if size.coincident == "keep":
            largest = (n**order - (n - 2) ** order) // 2
        assert largest * size.n_rows < 2**62


def test_networks_without_terms():
    """P = 2, and blanks: the level would depend on the site."""
    assert term_type(HebbianNetwork(rademacher(3, 20, 1))) is None
    assert term_type(HebbianNetwork(diluted(3, 20, 0.4, 1), 3)) is None
    assert term_type(HebbianNetwork(rademacher(3, 20, 1), 3)) is np.int32
    assert term_type(HebbianNetwork(rademacher(3, 2000, 1), 4)) is np.int64
    assert term_type(HebbianNetwork(rademacher(3, 2000, 1), 8)) is None


# The kernels that evaluate them ----------------------------------------------------


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize(("order", "n"), [(3, 30), (4, 31), (5, 20), (6, 21)])
def test_kernels_evaluate_the_polynomials(order, n, kind):
    """Terms, level and signed sum of 5000 rows, in three runs, against integers."""
    rows = 2 * RUN + 904
    parts, _ = polynomials(n, order, "exclude")
    # Terms of 32 bits are evaluated in floats of 24 bits, which hold them exactly.
    number = np.float32 if kind is np.int32 else np.int64
    coefficients = np.zeros((2, max(order, 4)), dtype=number)
    coefficients[:, :order] = parts
    draw = np.random.default_rng(order)
    overlaps = (2 * draw.integers(0, n + 1, rows) - n).astype(np.int16)
    terms = np.zeros(rows, dtype=kind)
    level = follow_terms(coefficients, overlaps, terms)
    half = (overlaps >> 1).tolist()
    exact = [evaluate(parts[0], j) for j in half]
    assert terms.tolist() == exact
    assert level == sum(evaluate(parts[1], j) for j in half)
    signs = random_spins(rows, 2)
    assert term_sum(signs, terms) == int(signs.astype(object) @ exact)


def test_largest_runs_do_not_overflow():
    """RUN terms of the largest size allowed, of one sign: their sum is below 2**31."""
    terms = np.full(2 * RUN, LARGEST_TERM, dtype=np.int32)
    for sign in (1, -1):
        signs = np.full(terms.size, sign, dtype=np.int8)
        assert term_sum(signs, terms) == sign * 2 * RUN * LARGEST_TERM
