"""Many steps: no drift, the moves of the slow twin, symmetries, wide integers."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import reference
from kernel_cases import (
    CONVENTIONS,
    EPS,
    TRACKED,
    network,
    overlaps_of,
    random_spins,
    rules,
    run,
)

from statmech import HebbianNetwork
from statmech.chains import DYNAMICS, SCANS
from statmech.group import Group
from statmech.kernels import hebbian
from statmech.kernels import network as kernels
from statmech.rng import stream_keys

HOW = list(itertools.product(DYNAMICS, SCANS))


# Bookkeeping ----------------------------------------------------------------------


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


# Same moves as the twin -----------------------------------------------------------


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
    other = Group(model, start.copy(), stream_keys(0, (), 2), TRACKED)
    how = rules(scan="permutation")
    for r in range(2):
        for step in range(4):
            hebbian.sweep(other.rows, other.chains, other.cache, r, 0.8, how, 12 * step)
    assert (other.chains.spins == group.chains.spins).all()
    assert (other.chains.overlaps == group.chains.overlaps).all()


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


# Symmetries, with the same random numbers -----------------------------------------


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


# Width of the overlaps ------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 3])
def test_wide_overlaps_make_the_same_moves(order):
    """int64 overlaps, for sums beyond 2**31, against int16."""
    model, _ = network(40, 7, order, field=0.3)
    start = random_spins((2, 40), 1)
    for dynamics, scan in HOW:
        how = {"dynamics": dynamics, "scan": scan}
        narrow = run(model, start, [0.9, 2.0], 10, **how)
        wide = run(model, start, [0.9, 2.0], 10, dtype=np.int64, **how)
        assert wide[0].chains.overlaps.dtype == np.int64
        assert narrow[0].chains.overlaps.dtype == np.int16
        assert_same_run(narrow, wide, 1)
        assert (narrow[0].chains.overlaps == wide[0].chains.overlaps).all()


def test_pairwise_sums_beyond_int32():
    """Overlaps of 2**29 with 8 patterns: the product of row and overlaps is 2**32."""
    ones = np.ones((8, 4), dtype=np.int8)
    rows = HebbianNetwork(ones).rows
    rows = rows._replace(self_terms=rows.self_terms.astype(np.int64))
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
