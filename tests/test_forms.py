"""All forms of the kernels make the same moves, bit for bit."""

import itertools
import math
from fractions import Fraction

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
    rules,
)
from sampling_cases import arrays, assert_same, assert_same_state, joined

import statmech
from statmech import HebbianNetwork, caches, checkpoint, extend
from statmech.caches import dot_type
from statmech.chains import DYNAMICS, SCANS
from statmech.group import Group
from statmech.kernels.lanes import LANES
from statmech.kernels.memory import FAR
from statmech.kernels.plan import possible
from statmech.patterns import noisy_examples, rademacher
from statmech.rng import stream_keys

HOW = list(itertools.product(DYNAMICS, SCANS))
# T = inf, paramagnet, about critical, frozen, T = 0.
BETAS = (0.0, 0.2, 1.0, 4.0, math.inf)
FIELDS = ("none", "uniform", "sites")


def in_field(patterns, order, coincident, field):
    b = {"none": 0.0, "uniform": 0.25, "sites": None}[field]
    if b is None:
        b = 0.4 * np.random.default_rng(3).normal(size=patterns.shape[1])
    return HebbianNetwork(patterns, order, coincident=coincident, field=b)


def stored(n, k, order=2, coincident="exclude", field="none"):
    patterns = rademacher(k, n, 1, path=(n, k, order))
    return in_field(patterns, order, coincident, field)


def taught(protocol, n=30, k=3, n_examples=4, field=0.0, seed=1):
    xi = rademacher(k, n, seed)
    eta = noisy_examples(xi, n_examples, 0.6, seed=seed + 1)
    make = getattr(HebbianNetwork, protocol)
    return make(eta, quality=0.6, archetypes=xi, field=field)


def group_of(model, n_chains, *, form=None, shared=False, seed=2):
    """Chains from random states; the first two from the same one."""
    spins = random_spins((n_chains, model.n_spins), seed)
    spins[:2] = spins[0]
    keys = stream_keys(seed, (1,), n_chains)
    site_key = stream_keys(seed, (3,), 1)[0] if shared else None
    tracked = np.arange(min(2, model.n_patterns))
    return Group(model, spins, keys, tracked, site_key=site_key, form=form)


def played(
    model, form, betas=BETAS, n_draws=2, *, thin=1, shared=False, seed=2, how=None
):
    """What a run in one form leaves: everything recorded, spins, overlaps, clock."""
    betas = np.array(betas, dtype=np.float64)
    group = group_of(model, betas.size, form=form, shared=shared, seed=seed)
    assert group.form == form
    record = group.record(n_draws)
    moved = rules(**(how or {}))
    burned = group.record(0)
    group.advance(betas, moved, 1, 1, burned)
    group.advance(betas, moved, n_draws, thin, record)
    return outcome(group, record)


def outcome(group, record):
    group.settle()
    names = (
        *("overlaps", "example_overlaps", "energies"),
        *("replica_overlaps", "accepted"),
    )
    found = {name: getattr(record, name) for name in names}
    found |= {"spins": group.chains.spins, "sums": group.chains.overlaps}
    return found | {"clock": group.chains.clock}


def forms_of(model, shared=False):
    return possible(model, len(BETAS), "shared" if shared else "private")


def assert_forms_agree(model, **more):
    """Every form that the network can take against the first; returns its outcome."""
    first, *others = forms_of(model, more.get("shared", False))
    wanted = played(model, first, **more)
    for form in others:
        assert_same(played(model, form, **more), wanted)
    return wanted


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


# Lanes -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_chains", [2, 3, 33, 64, 65, 100])
def test_chains_in_lanes_are_single_chains(n_chains, n_threads):
    """Any number of chains, in one or more groups, on one or two threads."""
    model = stored(50, 6, field="sites")
    for temperature, dynamics in ((0.6, "heat-bath"), (0.0, "metropolis")):
        more = {"n_sweeps": 20, "n_burn_in": 3, "n_chains": n_chains, "thin": 2}
        more |= {"sites": "shared", "track": [2], "dynamics": dynamics}
        wanted = statmech.sample(model, temperature, form="overlaps", **more)
        lanes = statmech.sample(
            model, temperature, form="replicas", n_threads=n_threads, **more
        )
        assert_same(arrays(lanes), arrays(wanted))
        assert_same_state(lanes.state, wanted.state)
        assert lanes.settings == wanted.settings
        free = statmech.sample(model, temperature, n_threads=n_threads, **more)
        assert_same(arrays(free), arrays(wanted))


@pytest.mark.parametrize("sites", ["private", "shared"])
def test_a_chain_does_not_depend_on_the_number_of_chains(sites):
    """The first chains of 2, 5, 40 and 100 are the same chains."""
    model = stored(40, 9)
    more = {"n_sweeps": 15, "initial": "random", "seed": 4, "sites": sites}
    many = statmech.sample(model, 0.7, n_chains=100, **more)
    for n_chains in (2, 5, 40):
        few = statmech.sample(model, 0.7, n_chains=n_chains, **more)
        np.testing.assert_array_equal(few.energy, many.energy[:n_chains])
        np.testing.assert_array_equal(few.m, many.m[:n_chains])
        np.testing.assert_array_equal(few.q, many.q[: n_chains // 2])
        np.testing.assert_array_equal(few.spins, many.spins[:n_chains])


def test_annealing_in_every_form():
    model = stored(60, 5, field="uniform")
    schedule = [math.inf, 2.0, 1.0, 0.5, 0.2, 0.0]
    for sites in ("private", "shared"):
        runs = [
            statmech.anneal(model, schedule, n_chains=40, sites=sites, form=form)
            for form in (None, *possible(model, 40, sites))
        ]
        for run in runs[1:]:
            assert_same(arrays(run), arrays(runs[0]))


def test_couplings_are_made_once(monkeypatch):
    """By whatever thread asks first; two threads make the moves of one."""
    made = []
    make = caches._couplings
    monkeypatch.setattr(caches, "_couplings", lambda m: made.append(m) or make(m))
    model, more = stored(60, 9), {"n_sweeps": 30, "n_chains": 12, "form": "couplings"}
    two = statmech.sample(model, 0.7, n_threads=2, **more)
    one = statmech.sample(model, 0.7, n_threads=1, **more)
    assert len(made) == 1
    assert_same(arrays(two), arrays(one))


@pytest.mark.parametrize("scan", SCANS)
def test_tempering_in_every_form(scan):
    """Chains at temperatures of their own, exchanged every sweep; odd numbers too."""
    model = stored(60, 5, field="uniform")
    for n in (2, 9):
        ladder = [*np.geomspace(0.4, 2.0, n - 1), math.inf]
        for sites in ("private", "shared"):
            runs = [
                statmech.temper(
                    model,
                    ladder,
                    n_sweeps=60,
                    n_burn_in=5,
                    order=scan,
                    sites=sites,
                    form=form,
                )
                for form in (None, *possible(model, n, sites))
            ]
            for run in runs[1:]:
                assert_same(arrays(run.trace), arrays(runs[0].trace))
                assert (run.swap_acceptance == runs[0].swap_acceptance).all()
                assert run.round_trips == runs[0].round_trips


def test_ladders_longer_than_the_lanes():
    """70 rungs stay one group, too many to go side by side."""
    model, ladder = stored(30, 4), np.linspace(0.3, 3.0, 70)
    runs = [
        statmech.temper(model, ladder, n_sweeps=20, sites="shared", form=form)
        for form in (None, "overlaps", "couplings")
    ]
    for run in runs[1:]:
        assert_same(arrays(run.trace), arrays(runs[0].trace))


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


# The slow twin ---------------------------------------------------------------------


@pytest.mark.parametrize(("dynamics", "scan"), HOW)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_shared_sites_are_those_of_the_twin(order, dynamics, scan):
    """Sites from the site key, noise from the chain's: every form against the twin.

    The twin decides from exact fractions, so one part in 10**15 of the decisions may
    be rounded otherwise: false-alarm rate 1e-12.
    """
    n, n_sweeps, seed = 11, 3, 2
    model, twin = network(n, 3, order, field=0.5, seed=order)
    keys, (site_key,) = stream_keys(seed, (1,), len(BETAS)), stream_keys(seed, (3,), 1)
    for wide in (False, True):
        how = {"dynamics": dynamics, "scan": scan, "wide": wide}
        states = group_of(model, len(BETAS)).chains.spins.tolist()
        rates, energies = [], []
        for draw in range(n_sweeps):
            sites = reference.sites_of(n, scan, draw * n, site_key)
            rates.append(
                [
                    reference.sweep_sites(
                        twin, s, beta, dynamics, sites, wide, draw * n, key
                    )
                    / n
                    for s, beta, key in zip(states, BETAS, keys, strict=True)
                ]
            )
            energies.append([float(e) / n for e in reference.energies(twin, states)])
        for form in forms_of(model, shared=True):
            found = played(model, form, n_draws=n_sweeps - 1, shared=True, how=how)
            assert found["spins"].tolist() == states
            assert found["accepted"].T.tolist() == rates[1:]
            np.testing.assert_allclose(found["energies"].T, energies[1:], atol=1e-13)


def test_ties_with_shared_sites_are_those_of_the_twin():
    """At T = 0 each chain has coins of its own."""
    n, seed = 12, 2
    model, twin = network(n, 2, 2)
    betas = [math.inf] * 4
    keys, (site_key,) = stream_keys(seed, (1,), 4), stream_keys(seed, (3,), 1)
    states = group_of(model, 4).chains.spins.tolist()
    for draw in range(6):
        sites = reference.sites_of(n, "random", draw * n, site_key)
        for s, key in zip(states, keys, strict=True):
            reference.sweep_sites(
                twin, s, math.inf, "heat-bath", sites, False, draw * n, key, True
            )
    for form in possible(model, 4, "shared"):
        found = played(model, form, betas, 5, shared=True, how={"ties": True})
        assert found["spins"].tolist() == states


# Bookkeeping -----------------------------------------------------------------------

LONG = [
    (2, "exclude", "overlaps"),
    (2, "exclude", "couplings"),
    (2, "keep", "replicas"),
    (3, "exclude", "terms"),
    (4, "keep", "terms"),
    (3, "keep", "table"),
]


def kept_errors(group):
    """How far what a form keeps is from a recomputation; 0 throughout."""
    model = group.model
    group.settle()
    errors = []
    for r, s in enumerate(group.chains.spins):
        sums = overlaps_of(model, s)
        errors.append(np.abs(group.chains.overlaps[r] - sums).max())
        if group.form == "couplings":
            w = model.weights.astype(np.int64)
            own = (w * w).sum(axis=0)
            exact = s * (w.T @ sums) - own
            errors.append(np.abs(group.cache.alignments[r] - exact).max())
        if group.form == "terms":
            parts = group.cache.polynomials.tolist()
            v, level = (
                [
                    sum(c * j**p for p, c in enumerate(part))
                    for j in (sums >> 1).tolist()
                ]
                for part in parts
            )
            errors.append(np.abs(group.cache.terms[r] - np.array(v)).max())
            errors.append(abs(int(group.cache.levels[r]) - sum(level)))
            f = model.rows.energy_table[(sums + model.n_spins) >> 1]
            errors.append(abs(int(group.cache.totals[r]) - int(f.sum())))
    return max(int(error) for error in errors)


@pytest.mark.parametrize(("order", "coincident", "form"), LONG)
def test_nothing_that_is_kept_drifts(order, coincident, form):
    """After 10**6 trials, 30% accepted: all integers as if computed afresh."""
    model = stored(101, 13, order, coincident, "sites")
    n_chains = LANES if form == "replicas" else 2
    group = group_of(model, n_chains, form=form, shared=form == "replicas")
    betas = np.geomspace(0.05, 0.7, n_chains)
    n_draws = -(-10_000 // n_chains // 10)
    record = group.record(n_draws)
    group.advance(betas, rules(), n_draws, 10, record)
    assert group.chains.clock[0] * n_chains >= 1_000_000
    assert record.accepted.mean() > 0.3
    assert kept_errors(group) == 0
    for r, s in enumerate(group.chains.spins):
        assert record.energies[r, -1] * 101 == pytest.approx(
            model.energy(s), rel=1e-12, abs=1e-12
        )


# What the comparisons can see ------------------------------------------------------


PLANTED = {
    "": "couplings",
    "alignment": "couplings",
    "coupling": "couplings",
    "lane": "replicas",
    "term": "terms",
    "level": "terms",
    "total": "terms",
}


def plant(bug, group):
    """Make one number of what a form keeps of chain 2 stale."""
    cache, lanes = group.cache, group.lanes
    if bug == "alignment":  # that of one spin, as if another had not turned
        row = cache.couplings[3]
        cache.alignments[2, 3] += 2 * int(row[row != 0][0])
    elif bug == "coupling":
        wrong = cache.couplings.copy()
        wrong[4, 9] += 2
        group.cache = cache._replace(couplings=wrong)
    elif bug == "term":  # of one pattern, of two moves before
        half = (int(group.chains.overlaps[2, 5]) >> 1) + 2
        stale = sum(c * half**p for p, c in enumerate(cache.polynomials[0].tolist()))
        assert stale != cache.terms[2, 5]
        cache.terms[2, 5] = stale
    elif bug == "level":
        cache.levels[2] += 1
    elif bug == "total":
        cache.totals[2] += 1
    elif bug == "lane":
        lanes.overlaps[5, 2] += 2


@pytest.mark.parametrize("bug", PLANTED)
def test_stale_numbers_are_seen(bug):
    """Controls: a stale alignment, coupling, term, level, total, or overlap of a lane.

    The bookkeeping shows all but the coupling at once, and what is recorded shows all:
    a flip makes terms and levels anew, but the total energy remembers.
    """
    form = PLANTED[bug]
    model = stored(40, 11, 3 if form == "terms" else 2)
    shared = form == "replicas"
    group = group_of(model, 5, form=form, shared=shared)
    assert kept_errors(group) == 0
    plant(bug, group)
    assert (kept_errors(group) > 0) == (bug not in ("", "coupling"))
    right = group_of(model, 5, form=forms_of(model)[-1], shared=shared)
    if right.form == form:
        right.take("overlaps")
    record, wanted = group.record(40), right.record(40)
    for one, out in ((group, record), (right, wanted)):
        one.advance(np.ones(5), rules(), 40, 1, out)
    assert (kept_errors(group) > 0) == bool(bug)
    assert (record.energies != wanted.energies).any() == bool(bug)


def test_a_wrong_level_changes_the_moves():
    """Control: with a level that no sum of terms reaches, every trial is refused."""
    model = stored(40, 11, 3)
    group = group_of(model, 5, form="terms")
    group.cache.levels[2] += 10**9
    record = group.record(3)
    group.advance(np.ones(5), rules(), 3, 1, record)
    assert (record.accepted[2] == 0.0).all()
    assert (record.accepted[[0, 1, 3, 4]] > 0.0).all()


def test_energies_of_lanes_are_exact():
    """What is measured in lanes, against fractions."""
    model, twin = network(9, 4, 2, field=0.3)
    found = played(model, "replicas", n_draws=1, shared=True)
    for r, e in enumerate(reference.energies(twin, found["spins"])):
        assert abs(Fraction(found["energies"][r, 0]) - e / 9) < Fraction(1, 10**14)
    a, b = found["spins"][:2].astype(int)
    assert found["replica_overlaps"][0, 0] == (a @ b) / 9
