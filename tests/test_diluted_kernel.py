"""Kernels of rows with zeros: moves of the slow twin and of the dense form; the law."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
import reference
from kernel_cases import (
    CONVENTIONS,
    diluted_network,
    in_form,
    network,
    overlaps_of,
    random_spins,
    run,
)
from sampling_cases import arrays, assert_same, digest, joined
from test_sampling_law import N_SAMPLES, Target, assert_lawful, histogram, p_value

import statmech
from statmech import HebbianNetwork
from statmech.chains import DYNAMICS, SCANS
from statmech.forms import nonzeros
from statmech.kernels import layout
from statmech.kernels.network import alignment
from statmech.patterns import diluted
from statmech.rng import stream_keys

HOW = list(itertools.product(DYNAMICS, SCANS))
FORMS = ("dense", "sparse")


def assert_same_run(one, other):
    """Spins, overlaps and records, bit for bit."""
    assert (one[0].chains.spins == other[0].chains.spins).all()
    assert (one[0].chains.overlaps == other[0].chains.overlaps).all()
    for name in ("energies", "overlaps", "accepted", "replica_overlaps"):
        assert (getattr(one[1], name) == getattr(other[1], name)).all()


# Same moves -----------------------------------------------------------------------


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(("dynamics", "scan"), HOW)
def test_moves_are_those_of_the_twin(dynamics, scan, order, coincident):
    """Bit for bit, with field and gain, at three temperatures, ties kept or not.

    The twin decides from exact fractions: false-alarm rate 1e-12.
    """
    n, n_sweeps, betas = 11, 3, [0.2, 1.1, math.inf]
    start = random_spins((3, n), seed=5)
    for ties, field, gain in ((False, 0.5, 1.5), (True, 0.0, 1.0)):
        model, twin = diluted_network(
            n, 3, order, coincident, field, order, 0.5, gain=gain
        )
        for form in FORMS if order == 2 else FORMS[1:]:
            how = {"dynamics": dynamics, "scan": scan, "ties": ties, "seed": 9}
            group, record = run(in_form(model, form), start, betas, n_sweeps, **how)
            for r, key in enumerate(stream_keys(9, (), 3)):
                s = start[r].tolist()
                for draw in range(n_sweeps):
                    how = (dynamics, scan, False, draw * n, key, ties)
                    accepted = reference.sweep(twin, s, betas[r], *how)
                    assert record.accepted[r, draw] == accepted / n
                    (energy,) = reference.energies(twin, [s])
                    assert record.energies[r, draw] * n == pytest.approx(
                        float(energy), abs=1e-12
                    )
                assert group.chains.spins[r].tolist() == s


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3])
def test_sparse_rows_without_zeros_move_as_dense_ones(order, coincident):
    """Patterns of +-1 in both forms, int32 and int64 overlaps."""
    model, _ = network(40, 7, order, coincident, 0.3)
    start = random_spins((2, 40), 1)
    for (dynamics, scan), dtype in itertools.product(HOW, (None, np.int64)):
        how = {"dynamics": dynamics, "scan": scan}
        dense = run(model, start, [0.9, 2.0], 10, **how)
        sparse = run(
            in_form(model, "sparse"), start, [0.9, 2.0], 10, dtype=dtype, **how
        )
        assert_same_run(dense, sparse)
        assert 0.0 < dense[1].accepted.mean() < 1.0


@pytest.mark.parametrize(("k", "dilution"), [(3, 0.2), (9, 0.7), (200, 0.5)])
def test_both_forms_move_alike(k, dilution):
    """P = 2 with zeros, rows of 8 bits and of 16."""
    model, _ = diluted_network(50, k, field=0.2, dilution=dilution)
    start = random_spins((2, 50), 1)
    one, other = (run(in_form(model, f), start, [0.9, math.inf], 20) for f in FORMS)
    assert_same_run(one, other)


def test_nonzeros_are_the_rows():
    """Rebuilt site by site; blocks of sites; narrow integers where they suffice."""
    cases = [
        (diluted(5, 40_000, 0.5, 1), np.int8, np.uint32),
        (np.zeros((2, 3), dtype=np.int8), np.int8, np.uint32),
        (np.arange(-5, 5, dtype=np.int16)[:, None], np.int16, np.uint32),
        (diluted(129, 7, 0.5, 1), np.int16, np.uint32),
    ]
    for weights, narrow, wide in cases:
        found = nonzeros(weights)
        assert (found.entries.dtype, found.starts.dtype) == (narrow, wide)
        rebuilt = np.zeros_like(weights)
        counts = np.diff(found.starts.astype(np.int64))
        sites = np.repeat(np.arange(weights.shape[1]), counts)
        rebuilt[found.entries[:, 0], sites] = found.entries[:, 1]
        assert (rebuilt == weights).all()
        assert len(found.entries) == np.count_nonzero(weights)


@pytest.mark.parametrize("form", FORMS)
def test_overlaps_do_not_drift(form):
    """After 10**6 trials at high acceptance: overlaps exact, energy to 1e-12."""
    model, _ = diluted_network(101, 13, field=0.5, gain=1.3)
    group, record = run(
        in_form(model, form), random_spins((2, 101), 1), [0.05, 1.0], 50, thin=100
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


def test_the_form_that_is_read():
    """All entries where SIMD lanes win, nonzeros where there are few or need tables."""
    for weights, order, sparse in (
        (diluted(5, 300, 0.0, 1), 3, False),
        (diluted(5, 300, 0.6, 1), 2, False),
        (diluted(5, 300, 0.97, 1), 2, True),
        (diluted(5, 300, 0.1, 1), 3, True),
    ):
        model = HebbianNetwork(weights, order)
        kind = layout.SparseRows if sparse else layout.DenseRows
        assert isinstance(model.rows, kind)


@pytest.mark.parametrize("order", [2, 3])
def test_same_bits_on_any_number_of_threads(order):
    model, _ = diluted_network(60, 5, order, dilution=0.97 if order == 2 else 0.3)
    assert isinstance(model.rows, layout.SparseRows)
    runs = [
        statmech.sample(
            model, 0.3, n_sweeps=20, n_chains=7, initial="random", n_threads=n
        )
        for n in (1, 2, 3)
    ]
    assert len({digest(one) for one in runs}) == 1


# Zero fields ----------------------------------------------------------------------


def frozen_with_free_spins(form="dense"):
    """Two patterns on 80 spins, 20 that no pattern rules."""
    xi = np.zeros((2, 100), dtype=np.int8)
    xi[0, :40] = xi[1, 40:80] = 1
    xi[0, 60:80], xi[1, 20:40] = -1, 1
    return in_form(HebbianNetwork(xi), form), xi


@pytest.mark.parametrize("form", FORMS)
def test_zero_fields_are_exactly_zero(form):
    """Fields from integers: no rounding makes a free spin, or a tie, move."""
    model, xi = frozen_with_free_spins(form)
    for factor in (1.0, 1.0 / 3.0, 0.7):
        scaled = in_form(HebbianNetwork(xi, gain=factor), form)
        s = random_spins(100, 3)
        overlap = overlaps_of(model, s).astype(np.int32)
        fields = xi.astype(int).T @ overlap - (xi.astype(int) ** 2).sum(axis=0) * s
        assert (fields == 0).sum() >= 20
        for i in np.flatnonzero(fields == 0):
            assert alignment(scaled.rows, s, overlap, int(i)) == 0.0
        assert (scaled.local_fields(s)[fields == 0] == 0.0).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_ties_are_kept_or_fair(form, dynamics):
    """T = 0: kept for ever, or a fair coin each time, of each other independent.

    Turns and signs of 20 free spins in 10000 sweeps, |z| < 4.5 each of three numbers:
    false-alarm rate 2e-5.
    """
    model, _ = frozen_with_free_spins(form)
    start = random_spins((2, 100), 8)
    start[:, :80] = 1
    how = {"dynamics": dynamics, "scan": "sequential"}
    kept, _ = run(model, start, math.inf, 20, **how)
    assert (kept.chains.spins[:, 80:] == start[:, 80:]).all()
    group, record = run(model, start, math.inf, 50, ties=True, **how)
    turns, sums, pairs = [], [], []
    for _ in range(200):
        before = group.chains.spins[:, 80:].copy()
        rules = layout.Rules(DYNAMICS.index(dynamics), 2, False, True)
        group.advance(np.full(2, math.inf), rules, 1, 1, record)
        after = group.chains.spins[:, 80:].astype(int)
        turns.append((before != after).sum())
        sums.append(after.sum())
        pairs.append((after[0] * after[1]).sum())
    n = 40 * len(turns)
    assert abs(sum(turns) - n / 2) < 4.5 * math.sqrt(n / 4)
    assert abs(sum(sums)) < 4.5 * math.sqrt(n)
    assert abs(sum(pairs)) < 4.5 * math.sqrt(n / 2)


def test_the_rule_for_ties_changes_nothing_else():
    """T > 0, or no zero field: the same bits. It is kept by settings and `extend`."""
    model, _ = diluted_network(50, 4, field=0.1, dilution=0.5)
    more = {"n_sweeps": 20, "initial": "random"}
    for t in (0.0, 0.7):
        one, other = (
            statmech.sample(model, t, ties=ties, **more) for ties in ("keep", "random")
        )
        assert digest(one) == digest(other)
        assert (one.settings["ties"], other.settings["ties"]) == ("keep", "random")
    free, _ = diluted_network(50, 3, dilution=0.6)
    whole = statmech.sample(free, 0.0, ties="random", **more)
    first = statmech.sample(free, 0.0, ties="random", **(more | {"n_sweeps": 10}))
    assert_same(joined(first, statmech.extend(free, first, n_sweeps=10)), arrays(whole))
    assert digest(whole) != digest(statmech.sample(free, 0.0, **more))
    cooled = {digest(statmech.anneal(free, [0.0], ties=t)) for t in ("keep", "random")}
    assert len(cooled) == 2


def test_a_run_of_a_version_without_the_rule_goes_on():
    model, _ = diluted_network(20, 2)
    trace = statmech.sample(model, 0.5, n_sweeps=5)
    expected = digest(statmech.extend(model, trace))
    del trace.settings["ties"]
    assert digest(statmech.extend(model, trace)) == expected


# The law --------------------------------------------------------------------------


class DilutedTarget(Target):
    """The exact law of a diluted network at the temperature of the wanted peak."""

    def __init__(self, n, order, coincident, n_patterns, field, peak, seed, form):
        model, twin = diluted_network(n, n_patterns, order, coincident, field, seed)
        assert not model.patterns.all()
        self.model = in_form(model, form)
        exact = reference.energies(twin, reference.states(n))
        self.energy = np.array([float(e) for e in exact])
        self.beta = math.log(peak) / np.ptp(self.energy)
        self.law = reference.boltzmann(exact, self.beta)
        self.costs = reference.half_costs(exact)


LAWS = [
    ((8, 2, "exclude", 3, 0.3, 50, 6, "sparse"), "heat-bath", "random"),
    ((9, 3, "exclude", 4, 0.2, 50, 6, "sparse"), "metropolis", "random"),
]
FULL = [
    ((8, 2, "exclude", 3, 0.0, 50, 1, "dense"), "metropolis", "permutation"),
    ((10, 2, "keep", 3, 0.0, 30, 4, "sparse"), "heat-bath", "sequential"),
    ((10, 4, "keep", 4, 0.2, 30, 4, "sparse"), "heat-bath", "permutation"),
]


@cache
def target(*case):
    return DilutedTarget(*case)


@pytest.mark.parametrize(
    ("case", "dynamics", "scan"),
    [*LAWS, *(pytest.param(*case, marks=pytest.mark.nightly) for case in FULL)],
)
def test_configurations_follow_the_boltzmann_law(case, dynamics, scan):
    """200000 samples of all states: false-alarm rate 1.1e-3 a case."""
    assert_lawful(target(*case), (11,), dynamics, scan)


def test_a_wrong_temperature_and_a_stale_overlap_are_seen():
    """Controls: beta 5% off, and fields that lag one flip behind; p < 1e-6."""
    case, dynamics, scan = LAWS[0]
    aim = target(*case)
    assert p_value(histogram(aim, 31, dynamics, scan, 0.95), aim.law) < 1e-6
    draw = np.random.default_rng(41)
    start = draw.choice(len(aim.law), size=N_SAMPLES, p=aim.law)
    end = reference.wander(
        *(aim.costs, aim.beta, start, 8 * math.ceil(aim.tau())),
        lambda trial: draw.random((2, N_SAMPLES)),
        "stale",
    )
    assert p_value(np.bincount(end, minlength=len(aim.law)), aim.law) < 1e-6
