"""Chains in lanes make the moves that they make alone."""

import math

import numpy as np
import pytest
import reference
from form_cases import (
    BETAS,
    HOW,
    forms_of,
    group_of,
    played,
    stored,
)
from kernel_cases import (
    network,
)
from sampling_cases import arrays, assert_same, assert_same_state

import statmech
from statmech import caches
from statmech.chains import SCANS
from statmech.kernels.plan import possible
from statmech.rng import stream_keys

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
