"""Networks, and runs in one form of the kernels, that several tests share."""

import itertools
import math

import numpy as np
from kernel_cases import (
    random_spins,
    rules,
)
from sampling_cases import assert_same

from statmech import HebbianNetwork
from statmech.chains import DYNAMICS, SCANS
from statmech.group import Group
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
