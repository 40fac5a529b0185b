"""A run of `sample` that goes on: the bits of a run that never stopped."""

import itertools
import pickle

import numpy as np
import pytest
from sampling_cases import (
    INF,
    arrays,
    assert_same,
    assert_same_state,
    digest,
    joined,
    sample,
    small,
)

from statmech import HebbianNetwork, anneal, checkpoint, extend, temper
from statmech.errors import ParameterError, ParameterTypeError
from statmech.patterns import rademacher

SCANS = ("random", "permutation", "sequential")
EVERY_WAY = list(
    itertools.product(SCANS, ("heat-bath", "metropolis"), (24, 53), (1, 3))
)


@pytest.mark.parametrize(("order", "dynamics", "bits", "thin"), EVERY_WAY)
def test_two_parts_are_one_run(order, dynamics, bits, thin):
    """24 sweeps against 12 and 12, for every rule, on other numbers of threads."""
    model = small(field=0.05)
    more = {"order": order, "dynamics": dynamics, "uniform_bits": bits, "thin": thin}
    more |= {"n_chains": 5, "track": [3, 1], "seed": 8, "target": 1, "n_burn_in": 7}
    whole = sample(model, n_sweeps=24, initial="random", **more)
    first = sample(model, n_sweeps=12, initial="random", n_threads=2, **more)
    threads = 1 + bits % 3
    second = extend(model, first, n_sweeps=12, n_threads=threads)
    assert_same(joined(first, second), arrays(whole))
    assert_same_state(second.state, whole.state)
    assert (second.target, second.tracked) == (whole.target, whole.tracked)


@pytest.mark.parametrize("coincident", ["exclude", "keep"])
@pytest.mark.parametrize("order", [2, 3])
def test_three_parts_are_one_run_at_any_temperature(order, coincident):
    """Zero, warm, infinite, starting from the caller's own states."""
    model = small(order, coincident=coincident)
    start = rademacher(3, 30, seed=4)
    for t in (0.0, 0.8, INF):
        more = {"n_chains": 3, "initial": start, "order": "permutation"}
        whole = sample(model, t, n_sweeps=17, **more)
        parts = [sample(model, t, n_sweeps=5, **more)]
        parts += [extend(model, parts[-1], n_sweeps=4)]
        parts += [extend(model, parts[-1], n_sweeps=8)]
        assert_same(joined(*parts), arrays(whole))


def test_a_part_is_sampling_after_a_longer_burn_in():
    """So its settings, with all sweeps before it as burn-in, give it again."""
    model = small()
    first = sample(model, n_sweeps=20, n_burn_in=5, thin=3)
    assert first.settings["n_sweeps_done"] == 23
    part = extend(model, first, n_sweeps=7)
    assert part.settings["n_burn_in"] == 23
    assert part.settings["n_sweeps"] == 7
    assert part.settings["n_sweeps_done"] == 29
    again = sample(model, n_sweeps=7, n_burn_in=23, thin=3)
    assert again.settings == part.settings
    assert_same(arrays(part), arrays(again))
    assert_same_state(part.state, again.state)


def test_the_run_that_goes_on_is_left_as_it_was():
    """It can be continued twice, also after its final states were overwritten."""
    model = small()
    first = sample(model, n_chains=3)
    before = pickle.dumps(first)
    once = extend(model, first)
    assert pickle.dumps(first) == before
    first.spins[...] = 1
    assert digest(extend(model, first)) == digest(once)
    with pytest.raises(ValueError, match="read-only"):
        first.state.spins[0, 0] = 1
    assert "state" not in repr(first)


def test_another_network_is_refused():
    """Patterns, order, treatment of coincident indices, field; zero has no sign."""
    model = small(field=0.0)
    trace = sample(model)
    others = [small(2), small(coincident="keep"), small(field=1e-9), small(k=6)]
    flipped = model.patterns.copy()
    flipped[2, 7] *= -1
    others += [HebbianNetwork(flipped, 3), HebbianNetwork(model.patterns[::-1], 3)]
    assert len({other.digest for other in [model, *others]}) == 7
    for other in others:
        with pytest.raises(ParameterError, match=r"model = .*network of the run"):
            extend(other, trace)
    same = HebbianNetwork(model.patterns.astype(float), 3, field=np.full(30, -0.0))
    assert digest(extend(same, trace)) == digest(extend(model, trace))


def test_runs_without_a_state_are_refused():
    model = small()
    ladder = temper(model, [0.5, 1.0], n_sweeps=3)
    for trace in (anneal(model, [1.0, 0.5]), ladder.trace):
        assert trace.state is None
        with pytest.raises(ParameterError, match=r"run = .*as a whole"):
            extend(model, trace)
        with pytest.raises(ParameterError, match="trace"):
            checkpoint.save("nowhere", trace)
    for other in (ladder, None, "file", {}):
        with pytest.raises(ParameterTypeError, match="run"):
            extend(model, other)
        with pytest.raises(ParameterTypeError, match="trace"):
            checkpoint.save("nowhere", other)
    trace = sample(model, thin=4)
    for wrong in (3, 0, 10**12):
        with pytest.raises(ParameterError, match="n_sweeps"):
            extend(model, trace, n_sweeps=wrong)
    with pytest.raises(ParameterTypeError, match="model"):
        extend(trace, trace)
