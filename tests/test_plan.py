"""Which form is chosen: what is possible, what it costs, when it is thought over."""

import math

import numpy as np
import pytest
from kernel_cases import in_form, random_spins, rules
from sampling_cases import arrays, assert_same

import statmech
from statmech import HebbianNetwork
from statmech.errors import ParameterError
from statmech.group import Group
from statmech.kernels import plan as plans
from statmech.kernels.lanes import LANES
from statmech.kernels.plan import FORMS, costs, default_sites, plan, possible
from statmech.patterns import diluted, noisy_examples, rademacher
from statmech.rng import stream_keys

EVER = 1e15  # sweeps: what is built first costs nothing


def stored(k=6, n=50, order=2, **more):
    return HebbianNetwork(rademacher(k, n, 1, path=(k, n)), order, **more)


def taught(protocol, n_examples, n=50):
    xi = rademacher(2, n, 1)
    eta = noisy_examples(xi, n_examples, 0.5, seed=2)
    return getattr(HebbianNetwork, protocol)(eta, quality=0.5, archetypes=xi)


def wide():
    """Rows whose squares times N exceed 32 bits."""
    eta = np.ones((1, 9000, 30), dtype=np.int8)
    return HebbianNetwork.supervised(eta, quality=0.5)


class Bulky:
    """A stand-in for a network of any size: its numbers without its patterns."""

    def __init__(self, k, n, order=2, n_nonzero=None):
        self.n_rows = self.n_patterns = k
        self.n_spins, self.order, self.largest_weight = n, order, 1
        self.coincident, self.binary = "exclude", n_nonzero is None
        self.sparse = n_nonzero is not None
        self.n_nonzero = np.full(k, n_nonzero or n)


def cost(form, k, n, order=2, **more):
    more = {"acceptance": 0.1, "n_sweeps": EVER, **more}
    return costs(Bulky(k, n, order), **more)[form]


# What is possible ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "private"),
    [
        (stored, ("overlaps", "couplings")),
        (lambda: HebbianNetwork(diluted(5, 50, 0.3, 1)), ("overlaps", "couplings")),
        (lambda: HebbianNetwork(diluted(5, 50, 0.95, 1)), ("overlaps",)),
        (lambda: in_form(stored(), "sparse"), ("overlaps",)),
        (lambda: taught("supervised", 9), ("overlaps", "couplings")),
        (lambda: taught("unsupervised", 9), ("overlaps", "couplings")),
        (wide, ("overlaps",)),
        (lambda: stored(order=3), ("terms", "table")),
        (lambda: stored(order=4, coincident="keep"), ("terms", "table")),
        (lambda: stored(n=500, order=10), ("table",)),
        (lambda: HebbianNetwork(diluted(5, 50, 0.3, 1), 3), ("table",)),
    ],
)
def test_forms_that_are_possible(make, private):
    """By the kind of network; side by side go dense rows of P = 2 with shared sites."""
    model = make()
    assert possible(model) == possible(model, 64) == private
    assert possible(model, 1, "shared") == private
    lanes = ("replicas",) if "couplings" in private else ()
    assert possible(model, 2, "shared") == private + lanes
    for sites in ("private", "shared"):
        shown = costs(model, sites=sites, n_sweeps=EVER)
        assert tuple(shown) == possible(model, 2, sites)
        assert all(0.0 < c < math.inf for c in shown.values())


def test_every_form_that_is_possible_can_be_taken():
    """A run of two sweeps in each of them."""
    seen = set()
    for model in (stored(), stored(order=3), taught("supervised", 9)):
        for form in possible(model, 4, "shared"):
            statmech.sample(
                model, 0.5, n_sweeps=2, n_chains=4, sites="shared", form=form
            )
            seen.add(form)
    assert seen == set(FORMS)


# What it costs ---------------------------------------------------------------------


def assert_linear(f):
    """f(x) is a + b x with a, b > 0, at x = 1, 2, 4."""
    one, two, four = f(1), f(2), f(4)
    assert four - two == pytest.approx(2.0 * (two - one), rel=1e-9)
    assert 0.0 < two - one < one


def test_costs_grow_with_the_rows():
    """Linear in K wherever rows are read; a look at the alignment is not."""
    for form in ("overlaps", "replicas"):
        assert_linear(lambda x, f=form: cost(f, 100 * x, 40, sites="shared"))
    for form in ("terms", "table"):
        assert_linear(lambda x, f=form: cost(f, 100 * x, 400, 3))
    assert cost("couplings", 100, 400, acceptance=0.0) == pytest.approx(
        cost("couplings", 200, 400, acceptance=0.0), rel=1e-9
    )


def test_costs_grow_with_the_spins():
    """A flip brings N alignments up to date; nothing else depends on N."""
    assert_linear(lambda x: cost("couplings", 10, 100 * x, acceptance=0.01))
    for form, order in (("overlaps", 2), ("replicas", 2), ("terms", 3), ("table", 3)):
        more = {"sites": "shared", "order": order}
        assert cost(form, 50, 400, **more) == cost(form, 50, 100, **more)
    # Beyond the cache, a flip waits for memory.
    near, far = (cost("couplings", 10, n, acceptance=1.0) / n for n in (2000, 10_000))
    assert far > 1.2 * near


def test_costs_grow_with_the_acceptance():
    """Linear; in lanes the turns of a site are made together, however many."""
    for form, order in (("overlaps", 2), ("couplings", 2), ("terms", 3), ("table", 3)):
        points = [cost(form, 300, 800, order, acceptance=a) for a in (0.0, 0.1, 0.2)]
        assert points[2] - points[1] == pytest.approx(points[1] - points[0], rel=1e-9)
        assert points[1] > points[0]
    lanes = {cost("replicas", 30, 80, sites="shared", acceptance=a) for a in (0, 0.5)}
    assert len(lanes) == 1


def test_costs_of_a_build_are_spread_over_the_run():
    """Half of it over twice the sweeps, or over twice the chains; none where kept."""
    run, twice, ever = (
        cost("couplings", 100, 400, n_sweeps=s) for s in (100.0, 200.0, EVER)
    )
    assert run - twice == pytest.approx(0.5 * (run - ever), rel=1e-6)
    more = cost("couplings", 100, 400, n_sweeps=100.0, n_chains=4)
    assert more == pytest.approx(twice, rel=1e-9)
    assert cost("couplings", 100, 400, n_sweeps=0.0) > 1e20
    model = stored(100, 400)
    before = costs(model, n_sweeps=100.0)["couplings"]
    Group(
        model,
        random_spins((2, 400), 1),
        stream_keys(1, (), 2),
        np.zeros(1, dtype=np.int64),
        form="couplings",
    )
    after = costs(model, n_sweeps=100.0)["couplings"]
    assert after < before
    assert after == pytest.approx(costs(model, n_sweeps=EVER)["couplings"], rel=1e-9)


def test_costs_of_lanes_are_shared_by_the_chains():
    full = cost("replicas", 30, 400, sites="shared", n_chains=LANES)
    assert cost("replicas", 30, 400, sites="shared", n_chains=16) == 4.0 * full


def test_costs_of_blanks():
    """Linear in the entries that are not zero."""
    assert_linear(
        lambda x: costs(Bulky(100, 400, n_nonzero=10 * x), n_sweeps=EVER)["overlaps"]
    )


# What is chosen --------------------------------------------------------------------


def test_the_cheapest_is_chosen():
    for model in (stored(), stored(200, 400), stored(order=3), stored(50, 90, 4)):
        for sites in ("private", "shared"):
            for acceptance in (0.0, 0.01, 0.3, 1.0):
                chosen = plan(model, n_chains=64, sites=sites, acceptance=acceptance)
                assert chosen.form == min(chosen.costs, key=chosen.costs.get)
                assert chosen.form in possible(model, 64, sites)


def test_choices_at_the_ends():
    """Frozen and long: couplings. Hot and many rows: overlaps. Many chains: lanes."""
    model = stored(200, 400)
    frozen = plan(model, acceptance=0.001, n_sweeps=1e6, sites="private")
    assert frozen.form == "couplings"
    assert plan(model, acceptance=0.001, n_sweeps=1.0).form == "overlaps"
    hot = stored(6, 5000)
    assert plan(hot, acceptance=0.9, n_sweeps=1e6, sites="private").form == "overlaps"
    assert plan(stored(), n_chains=64).form == "replicas"
    assert plan(stored(200, 400, 3)).form == "terms"


def test_text_of_a_plan():
    """Form, cost, what was assumed, and the others with their costs."""
    chosen = plan(stored(), n_chains=64, acceptance=0.25)
    text = chosen.reason
    assert f"{chosen.costs['replicas']:.3g} ns" in text
    assert "acceptance 0.25" in text
    assert "shared sites" in text
    for name, value in chosen.costs.items():
        if name != chosen.form:
            assert f"{name} {value:.3g}" in text
    only = plan(stored(n=500, order=10))
    assert only.form == "table"
    assert "table" not in only.reason
    assert "costs" not in repr(chosen)


@pytest.mark.parametrize("form", ["overlaps", "couplings", "replicas"])
def test_a_form_that_was_asked_for_is_kept(form):
    """By the plan, and by every group however long it runs."""
    model = stored()
    chosen = plan(model, n_chains=8, sites="shared", form=form)
    assert chosen.form == form
    assert "asked" in chosen.reason
    group, _ = reviewed(model, form=form, shared=True, n_sweeps=300)
    assert group.form == form


@pytest.mark.parametrize(
    ("make", "form", "sites", "allowed"),
    [
        (stored, "terms", "private", "'overlaps' or 'couplings'"),
        (stored, "table", "shared", "'overlaps' or 'couplings' or 'replicas'"),
        (lambda: stored(order=3), "couplings", "private", "'terms' or 'table'"),
        (lambda: stored(n=500, order=10), "terms", "private", "'table'"),
        (wide, "couplings", "private", "'overlaps'"),
        (lambda: in_form(stored(), "sparse"), "replicas", "shared", "'overlaps'"),
    ],
)
def test_a_form_that_is_not_possible_is_refused(make, form, sites, allowed):
    """Wherever it can be asked for, with the names of those that are."""
    model = make()
    asked = {"form": form, "sites": sites}
    for call in (
        lambda: plan(model, **asked),
        lambda: statmech.sample(model, 0.5, **asked),
        lambda: statmech.anneal(model, [1.0, 0.5], **asked),
        lambda: statmech.temper(model, [0.5, 1.0], **asked),
    ):
        with pytest.raises(ParameterError) as caught:
            call()
        assert "form" in str(caught.value)
        assert f"{allowed} for this network" in str(caught.value)


def test_lanes_without_shared_sites_are_refused_with_the_remedy():
    with pytest.raises(ParameterError, match='sites="shared"'):
        statmech.sample(stored(), 0.5, n_chains=40, sites="private", form="replicas")


@pytest.mark.parametrize("form", ["", "lanes", "Overlaps"])
def test_names_that_are_no_form(form):
    with pytest.raises(ParameterError, match="overlaps"):
        plan(stored(), form=form)


# Sites -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "n_chains", "temperature", "sites"),
    [
        (stored, 32, 0.5, "shared"),
        (stored, 10**6, math.inf, "shared"),
        (stored, 31, 0.5, "private"),
        (stored, 64, 0.0, "private"),
        (lambda: stored(256), 32, 0.5, "shared"),
        (lambda: stored(257), 32, 0.5, "private"),
        (lambda: stored(order=3), 64, 0.5, "private"),
        (lambda: HebbianNetwork(diluted(5, 50, 0.95, 1)), 64, 0.5, "private"),
        (lambda: taught("supervised", 9), 64, 0.5, "shared"),
    ],
)
def test_sites_are_shared_where_lanes_pay(make, n_chains, temperature, sites):
    assert default_sites(make(), n_chains, temperature) == sites


def test_sites_of_a_run_are_told():
    """The default or what was asked for, written into the settings."""
    model, short = stored(), {"n_sweeps": 2, "n_burn_in": 0}
    assert statmech.sample(model, 0.5, **short).settings["sites"] == "private"
    many = statmech.sample(model, 0.5, n_chains=32, **short)
    assert many.settings["sites"] == "shared"
    asked = statmech.sample(model, 0.5, n_chains=32, sites="private", **short)
    assert asked.settings["sites"] == "private"
    cold = statmech.anneal(model, [0.5, 0.0], n_chains=32)
    assert cold.settings["sites"] == "private"
    with pytest.raises(ParameterError, match="shared"):
        statmech.sample(model, 0.5, sites="both")


# Thinking it over ------------------------------------------------------------------


def reviewed(model, *, n_sweeps, form=None, shared=False, beta=10.0, thin=1):
    """A pair from a pattern, told how long it is to run; its forms, draw by draw."""
    spins = np.repeat(model.patterns[:1], 2, axis=0).copy()
    site_key = stream_keys(1, (2,), 1)[0] if shared else None
    group = Group(
        model,
        spins,
        stream_keys(1, (1,), 2),
        np.zeros(1, dtype=np.int64),
        site_key=site_key,
        form=form,
    )
    group.sweeps_left = n_sweeps
    record = group.record(n_sweeps // thin)
    group.advance(np.full(2, beta), rules(), n_sweeps // thin, thin, record)
    return group, record


def test_a_frozen_run_goes_to_couplings_and_stays_the_same():
    """It begins with overlaps; what it measures is what it would have measured."""
    model = stored(200, 400)
    start, _ = reviewed(model, n_sweeps=0)
    assert start.form == "overlaps"
    group, record = reviewed(model, n_sweeps=2000, beta=3.0)
    assert group.form == "couplings"
    kept, wanted = reviewed(model, n_sweeps=2000, beta=3.0, form="overlaps")
    assert kept.form == "overlaps"
    for name in ("energies", "overlaps", "accepted", "replica_overlaps"):
        assert (getattr(record, name) == getattr(wanted, name)).all()
    assert 0.0 < record.accepted.mean() < 0.1
    assert (group.chains.spins == kept.chains.spins).all()


def test_a_short_or_hot_run_stays_with_overlaps():
    """Nothing is built for a few sweeps, nor where most trials are accepted."""
    assert reviewed(stored(200, 400), n_sweeps=3)[0].form == "overlaps"
    assert reviewed(stored(3, 600), n_sweeps=500, beta=0.01)[0].form == "overlaps"


def test_thinned_runs_are_reviewed_too():
    """Draws of 7 sweeps: whole draws between the reviews."""
    model = stored(200, 400)
    group, record = reviewed(model, n_sweeps=1400, thin=7)
    assert group.form == "couplings"
    assert group.sweeps_left == 0
    _, wanted = reviewed(model, n_sweeps=1400, thin=7, form="overlaps")
    assert (record.energies == wanted.energies).all()


def test_public_runs_are_reviewed(monkeypatch):
    """`sample` says how long it runs; its results do not depend on the reviews."""
    model = stored(200, 400)
    taken = []
    take = Group.take

    def noted(self, form):
        taken.append(form)
        take(self, form)

    monkeypatch.setattr(Group, "take", noted)
    more = {"n_sweeps": 900, "n_burn_in": 50, "n_threads": 1}
    free = statmech.sample(model, 0.2, **more)
    assert taken[0] == "overlaps"
    assert taken[-1] == "couplings"
    taken.clear()
    wanted = statmech.sample(model, 0.2, form="overlaps", **more)
    assert set(taken) == {"overlaps"}
    assert_same(arrays(free), arrays(wanted))


# Memory ----------------------------------------------------------------------------


def test_couplings_take_a_small_share_of_the_memory(monkeypatch):
    """With less than four times their size free they are not made, unless asked for."""
    size = 2 * 400**2
    frozen = {"acceptance": 0.001, "n_sweeps": 1e6, "sites": "private"}
    for free, form in ((4.1 * size, "couplings"), (3.9 * size, "overlaps")):
        monkeypatch.setattr(plans, "available_memory", lambda free=free: free)
        model = stored(200, 400)
        assert plan(model, **frozen).form == form
        assert reviewed(model, n_sweeps=2000, beta=3.0)[0].form == form
    model = stored(200, 400)
    assert reviewed(model, n_sweeps=20, form="couplings")[0].form == "couplings"


def test_couplings_that_are_there_stay_when_memory_runs_short(monkeypatch):
    """Later reviews find less memory free: what was made is not given up, or missed."""
    model = stored(200, 400)
    free = iter([10**12] * 2)
    monkeypatch.setattr(plans, "available_memory", lambda: next(free, 1000))
    group, record = reviewed(model, n_sweeps=2000, beta=3.0)
    assert group.form == "couplings"
    _, wanted = reviewed(model, n_sweeps=2000, beta=3.0, form="overlaps")
    assert (record.energies == wanted.energies).all()
