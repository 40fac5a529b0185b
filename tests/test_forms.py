"""All forms of the kernels make the same moves, bit for bit."""

import itertools
import math

import numpy as np
import pytest
import reference
from form_cases import (
    BETAS,
    FIELDS,
    HOW,
    assert_forms_agree,
    forms_of,
    group_of,
    outcome,
    played,
    stored,
    taught,
)
from kernel_cases import (
    CONVENTIONS,
    diluted_network,
    in_form,
    rules,
)
from sampling_cases import arrays, assert_same, assert_same_state, joined

import statmech
from statmech import HebbianNetwork, checkpoint, extend
from statmech.caches import dot_type
from statmech.chains import DYNAMICS, SCANS
from statmech.kernels.lanes import LANES
from statmech.kernels.memory import FAR
from statmech.patterns import rademacher
from statmech.rng import stream_keys

# All forms of a network ------------------------------------------------------------


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_forms_make_the_same_moves(order, coincident):
    """Fields x dynamics x scan x bits x sites, five temperatures from inf to 0."""
    n_forms = {2: 3, 3: 2, 4: 2, 5: 2}[order]
    for field in FIELDS:
        model = stored(33, 13, order, coincident, field)
        assert len(forms_of(model, shared=True)) == n_forms
        for (dynamics, scan), wide, shared in itertools.product(
            HOW, (False, True), (False, True)
        ):
            how = {"dynamics": dynamics, "scan": scan, "wide": wide}
            how["ties"] = (scan == "random") ^ wide
            found = assert_forms_agree(model, shared=shared, how=how)
            rates = found["accepted"].mean(axis=1)
            # Metropolis turns every spin at T = inf; at T = 0 the chain comes to rest.
            assert rates[0] == 1.0 if dynamics == "metropolis" else 0.2 < rates[0] < 0.8
            assert rates[-1] < 0.3


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("n", [4, 5, 10, 511, 512, 513, 700])
def test_forms_agree_at_every_size(n, order):
    """N at, below and above the block of 512 trials; rows from 1 to 70."""
    for i, k in enumerate((1, 2, 3, 7, 8, 9, 63, 64, 65, 70)):
        dynamics, scan = HOW[i % 6]
        model = stored(n, k, order, CONVENTIONS[i % 2], FIELDS[i % 3])
        how = {"dynamics": dynamics, "scan": scan}
        assert_forms_agree(model, n_draws=1, shared=i % 2 == 0, how=how)


@pytest.mark.parametrize("shared", [False, True])
def test_smallest_networks(shared):
    """N = 2 and 3, where sites repeat within the four trials looked at together."""
    for n, order in ((2, 2), (3, 2), (3, 3)):
        for k in (1, 2, 5):
            for field in FIELDS:
                model = stored(n, k, order, "exclude", field)
                for dynamics, scan in HOW:
                    how = {"dynamics": dynamics, "scan": scan, "ties": True}
                    assert_forms_agree(model, n_draws=30, shared=shared, how=how)


@pytest.mark.parametrize("order", [2, 4])
def test_ties_are_many_and_the_same(order):
    """Small networks without field on the way down at T = 0: zero fields abound."""
    differ = []
    for n, k in ((4, 2), (5, 2), (7, 3), (12, 2)):
        model = stored(n, k, order)
        for shared, wide in itertools.product((False, True), (False, True)):
            more = {"betas": [math.inf] * 20, "n_draws": 10, "shared": shared}
            keep, coin = (
                assert_forms_agree(model, how={"ties": ties, "wide": wide}, **more)
                for ties in (False, True)
            )
            differ.append((keep["spins"] != coin["spins"]).any())
    assert sum(differ) >= 4


@pytest.mark.parametrize("field", [0.0, 0.3])
@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
def test_networks_from_examples(protocol, field):
    """Rows of integers, archetypes of their own; overlaps with the examples as well."""
    for n_examples in (1, 4, 9):
        model = taught(protocol, n_examples=n_examples, field=field)
        assert np.abs(model.weights).max() <= n_examples
        for dynamics, scan in HOW:
            for shared in (False, True):
                found = assert_forms_agree(
                    model, shared=shared, how={"dynamics": dynamics, "scan": scan}
                )
                assert found["example_overlaps"].size == found["overlaps"].size


def test_diluted_patterns():
    """Blanks, all entries read; the form that reads the others only is the same."""
    for n, k in ((30, 5), (41, 12)):
        for coincident in CONVENTIONS:
            model, _ = diluted_network(n, k, coincident=coincident, field=0.3)
            assert not model.sparse
            for (dynamics, scan), shared in itertools.product(HOW, (False, True)):
                how = {"dynamics": dynamics, "scan": scan}
                wanted = assert_forms_agree(model, shared=shared, how=how)
                sparse = in_form(model, "sparse")
                found = played(sparse, "overlaps", shared=shared, how=how)
                assert_same(found, wanted)


def test_int16_and_int32_in_lanes():
    """Sums of rows and overlaps that need 32 bits: 120 equal patterns, N = 300."""
    one = rademacher(1, 300, 1)
    for patterns in (np.repeat(one, 120, axis=0), np.repeat(one, 16, axis=0)):
        model = HebbianNetwork(patterns)
        wide = played(model, "replicas", [0.01, 0.02, 1.0, math.inf], 20, shared=True)
        wanted = played(model, "overlaps", [0.01, 0.02, 1.0, math.inf], 20, shared=True)
        assert_same(wide, wanted)
        assert np.abs(wide["sums"]).max() == 300


def test_narrow_lanes_do_not_overflow():
    """int16 only where no state at all can have a larger sum: sum_j |J_ij| < 2**15.

    Independent, repeated and summed-up rows, of sizes about where the sums get there.
    """
    kinds = {np.int16: 0, np.int32: 0}
    rows = [
        np.concatenate([np.repeat(rademacher(1, n, 1), same, axis=0), other])
        for n in (100, 250)
        for same in (1, 60, 120, 200)
        for other in (rademacher(20, n, 2), rademacher(100, n, 3))
    ]
    models = [HebbianNetwork(patterns) for patterns in rows]
    models += [taught("supervised", k=4, n_examples=m) for m in (5, 20, 40, 60, 120)]
    for model in models:
        w = model.weights.astype(np.float64)  # sums of integers, exact
        most = np.abs(w.T @ w).sum(axis=1).max()
        kinds[dot_type(model)] += 1
        assert dot_type(model) is np.int32 or most < 2**15
        assert dot_type(model) is np.int16 or most > 2**11
    assert min(kinds.values()) >= 5, kinds


@pytest.mark.parametrize("exponent", [-100, -60, -44, -42, -38, -20, 20, 38, 60, 100])
def test_lanes_at_every_scale_of_the_energy(exponent):
    """Gain and temperature beyond the range of 32-bit floats: the same moves still."""
    gain = 10.0**exponent
    model = HebbianNetwork(rademacher(13, 33, 1), gain=gain)
    betas = np.array([0.5, 1.0, 1.0, 2.0]) / gain
    wanted = played(model, "overlaps", betas, 100, shared=True)
    assert_same(played(model, "replicas", betas, 100, shared=True), wanted)
    assert 0.1 < wanted["accepted"].mean() < 0.9


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_lanes_next_to_the_cut(dynamics):
    """Lanes that decide in 32-bit floats have to know when these cannot tell.

    Spins in a field of 1, at temperatures that bring the cut of one trial of each lane
    to within 1e-9 of the alignment, above or below.
    """
    n = 61
    model = HebbianNetwork(rademacher(8, n, 1), field=1.0, gain=1e-30)
    keys, spins = stream_keys(2, (1,), LANES), group_of(model, LANES).chains.spins
    betas, trials = np.empty(LANES), np.empty(LANES, dtype=np.int64)
    for r, (key, s) in enumerate(zip(keys, spins, strict=True)):
        u = np.array([reference.uniform24_of(reference.word(key, t)) for t in range(n)])
        over = np.log((1.0 - u) / u) if dynamics == "heat-bath" else -np.log(u)
        fit = np.flatnonzero((over * s > 0.1) & (over * s < 5.0))
        trials[r] = fit[7 * r % fit.size]  # few lanes at any one: one doubt saves all
        half_t = s[trials[r]] / over[trials[r]] * (1.0 + (-1) ** r * 1e-9)
        betas[r] = 0.5 / half_t
    runs = {}
    for form in ("overlaps", "replicas"):
        group = group_of(model, LANES, form=form, shared=True)
        group.advance(
            betas,
            rules(dynamics=dynamics, scan="sequential"),
            *(1, 1, record := group.record(1)),
        )
        runs[form] = outcome(group, record)
    assert_same(runs["replicas"], runs["overlaps"])
    here = np.arange(LANES)
    turned = runs["overlaps"]["spins"][here, trials] != spins[here, trials]
    above = (here % 2 == 0) == (spins[here, trials] > 0)
    assert (turned == above).all()


@pytest.mark.parametrize(
    ("order", "n", "k", "bits"),
    [(4, 20, 5000, 32), (4, 700, 40, 64), (5, 20, 60, 32), (6, 21, 2100, 32)],
)
def test_terms_of_any_size(order, n, k, bits):
    """Runs of 2048 rows; terms of 64 bits; polynomials beyond the third power."""
    for coincident in CONVENTIONS:
        model = stored(n, k, order, coincident)
        for dynamics, scan in HOW[:4]:
            how = {"dynamics": dynamics, "scan": scan}
            assert_forms_agree(model, n_draws=1, how=how)
        group = group_of(model, 2, form="terms")
        if coincident == "exclude":
            assert group.cache.terms.itemsize * 8 == bits


def test_couplings_of_32_bits():
    """More than 2**15 rows, at which lanes need 32 bits as well."""
    model = stored(10, 2**15 + 3)
    assert group_of(model, 2, form="couplings").cache.couplings.dtype == np.int32
    for dynamics, scan in HOW[:2]:
        how = {"dynamics": dynamics, "scan": scan}
        betas = (0.0, 1e-3, 1e-2, 1.0)
        assert_forms_agree(model, betas=betas, n_draws=1, shared=True, how=how)


def test_networks_beyond_the_caches_of_the_machine():
    """Rows are asked for ahead of the trials, which changes nothing."""
    model = stored(2700, 200, field="sites")
    assert model.rows.patterns.size > FAR
    for how in ({}, {"dynamics": "metropolis", "scan": "sequential"}):
        assert_forms_agree(model, n_draws=1, shared=True, how=how)


@pytest.mark.nightly
def test_rows_and_overlaps_of_more_bits():
    """Rows of 16 bits, overlaps of 32 bits; P = 2 beyond the couplings, and P = 3."""
    model = taught("supervised", n_examples=300, field=0.2)
    assert model.weights.dtype == np.int16
    for shared in (False, True):
        assert_forms_agree(model, shared=shared, n_draws=20)
    for order in (2, 3):
        model = stored(33_000, 9, order)
        forms = ("overlaps", "replicas") if order == 2 else ("table", "terms")
        runs = [played(model, form, shared=True, n_draws=3) for form in forms]
        assert runs[0]["sums"].dtype == np.int32
        assert_same(runs[1], runs[0])


@pytest.mark.nightly
@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("order", [2, 3, 4, 5, 6, 7, 8])
def test_forms_make_the_same_moves_in_full(order, coincident):
    """Twelve sizes, 200 sweeps, 24 and 53 bits, the orders in turn."""
    sizes = ((8, 3), (9, 1), (21, 30), (50, 70), (101, 13), (150, 200), (700, 9))
    for i, (n, k) in enumerate(sizes):
        for j, (dynamics, scan) in enumerate(HOW):
            model = stored(n, k, order, coincident, FIELDS[(i + j) % 3])
            how = {"dynamics": dynamics, "scan": scan, "wide": (i + j) % 2 == 1}
            for shared in (False, True):
                assert_forms_agree(model, n_draws=40, thin=5, shared=shared, how=how)


# A change of form in the middle ----------------------------------------------------


@pytest.mark.parametrize("order", [2, 3])
def test_a_change_of_form_changes_nothing(order):
    """From each form to each other between draws, and back again."""
    model = stored(40, 11, order, field="sites")
    betas = np.array(BETAS)
    for shared in (False, True):
        forms = forms_of(model, shared)
        wanted = played(model, forms[0], BETAS, 12, shared=shared)
        for start, to in itertools.permutations(forms, 2):
            group = group_of(model, len(BETAS), form=start, shared=shared)
            group.advance(betas, rules(), 1, 1, group.record(0))
            whole = group.record(12)
            for draw in range(12):
                group.take((start, to)[draw // 2 % 2])
                one = group.record(1)
                group.advance(betas, rules(), 1, 1, one)
                statmech.chains.copy_draw(one, whole, draw)
            assert_same(outcome(group, whole), wanted)


# Going on --------------------------------------------------------------------------


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("order", [2, 3])
def test_runs_with_shared_sites_go_on(tmp_path, order, scan):
    """Two parts, and two parts through a file, are one run; P = 2 goes in lanes."""
    model = stored(50, 6, order)
    more = {"n_chains": 40, "sites": "shared", "order": scan, "path": (5, 1), "seed": 8}
    whole = statmech.sample(model, 0.7, n_sweeps=24, **more)
    first = statmech.sample(model, 0.7, n_sweeps=9, **more)
    file = checkpoint.save(tmp_path / "run.checkpoint", first)
    for run in (first, checkpoint.load(file)):
        second = extend(model, run, n_sweeps=15)
        assert_same(joined(first, second), arrays(whole))
        assert_same_state(second.state, whole.state)
        assert second.settings["sites"] == "shared"


def test_shared_sites_are_other_moves():
    """Control: with private sites the same chains go other ways."""
    model = stored(50, 6)
    runs = [statmech.sample(model, 0.7, sites=s) for s in ("private", "shared")]
    assert (runs[0].energy != runs[1].energy).any()
    assert runs[0].settings["sites"] == "private"
