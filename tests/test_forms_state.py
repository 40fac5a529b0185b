"""What the forms keep does not drift, and a stale number would be seen."""

from fractions import Fraction

import numpy as np
import pytest
import reference
from form_cases import (
    forms_of,
    group_of,
    played,
    stored,
)
from kernel_cases import (
    network,
    overlaps_of,
    rules,
)

from statmech.kernels.lanes import LANES

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
