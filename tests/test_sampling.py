"""Chains as a user sees them: traces, seeds, starts, schedules, minima, ladders."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import reference
from sampling_cases import INF, arrays, digest, sample, small

import statmech
from statmech import HebbianNetwork, Status, anneal, descend, observables, temper
from statmech.errors import ParameterError
from statmech.patterns import rademacher

SCANS = ("random", "permutation", "sequential")


def is_magnetisation(m, spins, pattern):
    np.testing.assert_array_equal(m, spins.astype(int) @ pattern / spins.shape[1])


# Shapes and meaning ---------------------------------------------------------------


def test_dimensions_of_a_trace():
    """(chain, draw), (pair, draw), (chain, draw, tracked), (chain, N), (draw,)."""
    model = small()
    trace = sample(model, 0.5, n_sweeps=17, thin=3, n_chains=5, target=2, track=[4, 2])
    assert trace.m.shape == trace.energy.shape == trace.acceptance.shape == (5, 5)
    assert trace.q.shape == (2, 5)
    assert trace.overlaps.shape == (5, 5, 2)
    assert trace.tracked == (2, 4)
    assert trace.spins.shape == (5, 30)
    assert trace.spins.dtype == np.int8
    assert (trace.temperature == 0.5).all()
    assert trace.temperature.shape == (5,)
    assert (trace.m == trace.overlaps[:, :, 0]).all()
    for name in ("m", "energy", "q", "acceptance"):
        assert trace.observable(name) is getattr(trace, name)
    with pytest.raises(ParameterError, match="observable"):
        trace.observable("em")
    with pytest.raises(ParameterError, match="n_chains"):
        sample(model, n_chains=1).observable("q")
    with pytest.raises(FrozenInstanceError):
        trace.m = None


def test_last_draw_describes_the_final_states():
    """m, q, energy per spin and tracked overlaps, recomputed from the spins."""
    model = small(field=0.1)
    trace = sample(model, n_chains=4, target=1, track=range(5))
    for mu, column in zip(trace.tracked, trace.overlaps[:, -1].T, strict=True):
        is_magnetisation(column, trace.spins, model.patterns[mu])
    energies = [observables.energy_density(model, s) for s in trace.spins]
    np.testing.assert_allclose(trace.energy[:, -1], energies, rtol=1e-12)
    for pair in range(2):
        q = observables.replica_overlap(*trace.spins[2 * pair : 2 * pair + 2])
        assert trace.q[pair, -1] == q
    assert ((trace.acceptance >= 0) & (trace.acceptance <= 1)).all()
    trials = trace.acceptance * 30
    np.testing.assert_allclose(trials, trials.round(), atol=1e-12)


def test_settings_hold_what_was_asked_and_every_default():
    trace = statmech.sample(small(), 0.5, n_sweeps=10, seed=4, path=(1, 2))
    wanted = {
        "temperature": 0.5,
        "n_sweeps": 10,
        "n_burn_in": 100,
        "n_chains": 2,
        "initial": "pattern",
        "target": 0,
        "cue_overlap": 1.0,
        "seed": 4,
        "path": (1, 2),
        "dynamics": "heat-bath",
        "order": "random",
        "thin": 1,
        "uniform_bits": 24,
    }
    assert wanted.items() <= trace.settings.items()
    assert trace.settings["alpha"] == small().alpha
    assert "order=3" in trace.settings["model"]
    run = temper(small(), [0.5, 1.0], n_sweeps=2, path=(3,))
    assert run.trace.settings["temperatures"] == (0.5, 1.0)
    assert run.trace.settings["path"] == (3,)
    assert run.trace.settings["initial"] == "random"
    assert run.trace.settings["cue_overlap"] == 1.0


# Determinism ----------------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 3])
def test_same_seed_same_bits_whatever_the_threads(order):
    """SHA-256 of all arrays: twice, on 1, 2 and 3 threads, for all ways to run."""
    model = small(order)
    for run in (
        lambda n: sample(model, n_chains=7, seed=3, n_threads=n),
        lambda n: anneal(model, [1.0, 0.5], n_chains=7, seed=3, n_threads=n),
    ):
        reference_digest = digest(run(1))
        assert [digest(run(n)) for n in (1, 2, 3, None)] == [reference_digest] * 4
    ends = [descend(model, n_chains=7, initial="random", n_threads=n) for n in (1, 2)]
    for name in ("spins", "m", "energy", "n_sweeps"):
        np.testing.assert_array_equal(getattr(ends[0], name), getattr(ends[1], name))
    runs = [temper(model, [0.5, 1.0, 2.0], n_sweeps=20, seed=3) for _ in range(2)]
    assert digest(runs[0].trace) == digest(runs[1].trace)
    assert (runs[0].swap_acceptance == runs[1].swap_acceptance).all()


def test_other_seeds_and_paths_differ():
    model = small()
    runs = [
        sample(model, initial="random", seed=seed, path=path)
        for seed in (0, 1)
        for path in ((), (0,), (1,), (0, 1))
    ]
    assert len({digest(run) for run in runs}) == len(runs)
    starts = {run.spins.tobytes() for run in runs}
    assert len(starts) == len(runs)


@pytest.mark.parametrize("initial", ["pattern", "random"])
@pytest.mark.parametrize("scan", SCANS)
def test_a_chain_does_not_depend_on_how_many_there_are(scan, initial):
    """The first 2, 4 of 6 chains are the same runs, bit for bit."""
    model = small()
    more = {"initial": initial, "cue_overlap": 0.5, "order": scan, "seed": 6}
    six = arrays(sample(model, n_chains=6, **more))
    for n in (2, 4):
        fewer = arrays(sample(model, n_chains=n, **more))
        for name, array in six.items():
            first = n // 2 if name == "q" else n
            kept = array if name == "temperature" else array[:first]
            np.testing.assert_array_equal(fewer[name], kept)


def test_chains_of_one_run_differ():
    trace = sample(small(), 2.0, n_chains=20, n_sweeps=50)
    assert len({s.tobytes() for s in trace.spins}) == 20
    assert len({row.tobytes() for row in trace.energy}) == 20


def test_burn_in_is_sampling_that_is_not_recorded():
    """Burn-in of 8 and 12 sweeps are the last 12 of 20; thinning picks every third."""
    model = small()
    long = sample(model, n_sweeps=20, n_burn_in=0)
    late = sample(model, n_sweeps=12, n_burn_in=8)
    thin = sample(model, n_sweeps=20, n_burn_in=0, thin=3)
    assert (late.energy == long.energy[:, 8:]).all()
    assert (late.spins == long.spins).all()
    assert (thin.energy == long.energy[:, 2::3]).all()


# Initial states -------------------------------------------------------------------


def first_states(monkeypatch, **more):
    """The states that the chains start from, caught before the first update."""
    caught = []
    build = statmech.chains.Group.__init__

    def spy(self, model, spins, *others, **more):
        caught.append(spins.copy())
        build(self, model, spins, *others, **more)

    monkeypatch.setattr(statmech.chains.Group, "__init__", spy)
    sample(small(), **more)
    return np.concatenate(caught)


def test_start_at_a_pattern(monkeypatch):
    model = small()
    states = first_states(monkeypatch, target=3, n_chains=4)
    assert (states == model.patterns[3]).all()


@pytest.mark.parametrize("overlap", [-1.0, -0.2, 0.0, 0.6, 0.93])
def test_start_at_a_corrupted_pattern(monkeypatch, overlap):
    """The overlap is met to 1/N, exactly round(N (1 - m)/2) spins apart."""
    model = small()
    states = first_states(monkeypatch, target=3, n_chains=4, cue_overlap=overlap)
    wrong = (states != model.patterns[3]).sum(axis=1)
    assert (wrong == round(30 * (1 - overlap) / 2)).all()
    if abs(overlap) < 0.9:
        assert len({s.tobytes() for s in states}) == 4


def test_start_at_random(monkeypatch):
    """Fair signs: 200 chains of 30, |z| < 4.5 for the sum and for pairs of chains."""
    states = first_states(monkeypatch, initial="random", n_chains=200)
    assert set(np.unique(states)) == {-1, 1}
    assert abs(states.sum()) < 4.5 * math.sqrt(states.size)
    common = (states[::2].astype(int) * states[1::2]).sum()
    assert abs(common) < 4.5 * math.sqrt(states.size / 2)


def test_start_at_given_states(monkeypatch):
    """One state for all chains, or one each; the caller's array is left alone."""
    one = rademacher(1, 30, seed=5)[0]
    assert (first_states(monkeypatch, initial=one, n_chains=3) == one).all()
    each = rademacher(3, 30, seed=6)
    kept = each.copy()
    assert (first_states(monkeypatch, initial=each, n_chains=3) == each).all()
    sample(small(), 5.0, initial=each, n_chains=3)
    assert (each == kept).all()


# Temperatures ---------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", ["heat-bath", "metropolis"])
@pytest.mark.parametrize(
    "temperature", [0, 0.0, 5e-324, 1e-308, 1e-20, 1e20, 1e308, INF, np.float32(0.5)]
)
def test_every_temperature_is_legal(temperature, dynamics):
    """No NaN, and the two ends are what they should be."""
    model = small(field=0.05)
    trace = sample(model, temperature, initial="random", dynamics=dynamics)
    for array in arrays(trace).values():
        assert not np.isnan(array).any()
    if temperature < 1e-10:
        assert (np.diff(trace.energy, axis=1) <= 1e-12).all()
    if temperature > 1e10:
        rate = 1.0 if dynamics == "metropolis" else 0.5
        assert trace.acceptance.mean() == pytest.approx(rate, abs=0.08)


def test_cold_chains_are_those_at_zero():
    """T = 1e-6 makes the moves of T = 0 where no field vanishes."""
    model = small(field=0.0123)
    frozen, cold = (sample(model, t, initial="random") for t in (0.0, 1e-6))
    assert (frozen.spins == cold.spins).all()
    assert (frozen.energy == cold.energy).all()


def test_escapes_are_counted_and_kept():
    """At T = inf every chain leaves, at T = 0 a lone pattern holds every one."""
    lone = HebbianNetwork(rademacher(1, 200, seed=2), 3)
    held = sample(lone, 0.0, n_chains=6)
    assert not held.escaped().any()
    assert held.escape_fraction() == 0.0
    lost = sample(lone, INF, n_chains=6, n_sweeps=200)
    assert lost.escaped().all()
    assert lost.escape_fraction() == 1.0
    assert lost.escape_fraction(threshold=-0.5) == 0.0
    assert lost.m.shape == (6, 200)
    trace = sample(lone, 0.3, n_chains=6)
    by_hand = trace.m.mean(axis=1) < 0.99
    assert (trace.escaped(0.99) == by_hand).all()
    assert trace.escape_fraction(0.99) == by_hand.mean()


# Schedules ------------------------------------------------------------------------


def test_annealing_is_sampling_at_each_temperature_in_turn():
    """Two stages of the schedule against two runs of the naive twin."""
    n, per_step, schedule = 8, 2, [1.5, 0.4, 0.0, INF]
    model = HebbianNetwork(rademacher(2, n, seed=1), 3)
    twin = reference.Network(model.patterns, 3, "exclude", np.zeros(n))
    start = rademacher(2, n, seed=2)
    trace = anneal(
        model, schedule, sweeps_per_temperature=per_step, initial=start, seed=5
    )
    assert (trace.temperature == schedule).all()
    assert trace.m.shape == trace.energy.shape == (2, 4)
    keys = statmech.rng.stream_keys(5, (1,), 2)
    for chain, key in enumerate(keys):
        s, clock = start[chain].tolist(), 0
        for draw, t in enumerate(schedule):
            beta = 1.0 / t if t else INF
            for _ in range(per_step):
                reference.sweep(twin, s, beta, "heat-bath", "random", False, clock, key)
                clock += n
            assert trace.m[chain, draw] == np.dot(s, model.patterns[0]) / n
        assert trace.spins[chain].tolist() == s


def test_annealing_finds_the_pattern_and_quenching_does_not_always():
    """P = 2, three patterns: slow cooling ends lower than T = 0 from the same start.

    Means of 30 chains differ by 8 standard errors here.
    """
    model = small(2, n=100, k=30)
    slow = anneal(
        model, np.linspace(1.0, 0.0, 40), n_chains=30, sweeps_per_temperature=20
    )
    fast = anneal(model, [0.0], n_chains=30, sweeps_per_temperature=100)
    difference = fast.energy[:, -1] - slow.energy[:, -1]
    error = difference.std(ddof=1) / math.sqrt(30)
    assert difference.mean() > 4 * error


def test_hysteresis_of_a_dense_network():
    """P = 4, one pattern: down and up the same temperatures, the memory of the start.

    Cooled from disorder the network stays disordered below the temperature at which
    the pattern is stable; heated from the pattern it stays there.
    """
    model = HebbianNetwork(rademacher(1, 300, seed=1), 4)
    down = [1.0, 0.6, 0.42, 0.38]
    trace = anneal(model, [*down], n_chains=4, sweeps_per_temperature=30)
    back = anneal(model, [*down[::-1]], n_chains=4, initial="pattern")
    assert (np.abs(trace.m[:, 2]) < 0.5).all()
    assert (back.m[:, 1] > 0.8).all()
    assert (np.abs(back.m[:, -1]) < 0.5).all()


# Minima ---------------------------------------------------------------------------


@pytest.mark.parametrize("scan", ["permutation", "sequential"])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_descent_ends_in_a_local_minimum(order, scan):
    """Every stability >= 0, energy and m of the state itself."""
    model = small(order, n=60, k=12, field=0.01)
    end = descend(model, n_chains=9, initial="random", order=scan)
    assert end.status is Status.CONVERGED
    assert end.spins.shape == (9, 60)
    is_magnetisation(end.m, end.spins, model.patterns[0])
    for s, energy in zip(end.spins, end.energy, strict=True):
        assert (observables.stabilities(model, s) >= 0.0).all()
        assert energy == pytest.approx(observables.energy_density(model, s), rel=1e-12)
    assert (end.n_sweeps >= 1).all()
    again = descend(model, n_chains=9, initial=end.spins, order=scan)
    assert (again.spins == end.spins).all()
    assert (again.n_sweeps == 0).all()


def test_descent_says_when_it_still_moves():
    """One sweep from a random start, and enough of them."""
    model = small(2, n=100, k=10)
    more = {"n_chains": 4, "initial": "random", "seed": 3}
    short = descend(model, max_sweeps=1, **more)
    assert short.status is Status.NOT_CONVERGED
    assert not short.status.ok
    assert (short.n_sweeps == 1).all()
    full = descend(model, **more)
    assert full.status is Status.CONVERGED
    needed = int(full.n_sweeps.max())
    # The last sweep, which moves nothing, is what proves the minimum.
    assert descend(model, max_sweeps=needed + 1, **more).status.ok
    assert not descend(model, max_sweeps=needed, **more).status.ok


def test_descent_recovers_a_cue():
    """A few patterns, a fifth of the spins wrong: back in every chain."""
    model = small(3, n=200, k=5)
    end = descend(model, n_chains=10, cue_overlap=0.6, target=2)
    assert (end.m == 1.0).all()


def test_zero_fields_keep_their_spins_in_a_descent():
    """The field -1 cancels the pattern's: every state of it is a minimum already."""
    model = HebbianNetwork(np.ones((1, 5)), 2, field=-1.0)
    end = descend(model, n_chains=2)
    assert end.status.ok
    assert (end.n_sweeps == 0).all()
    assert (end.m == 1.0).all()


# Parallel tempering ---------------------------------------------------------------


def test_dimensions_of_a_ladder():
    model = small()
    run = temper(model, [0.5, 1.0, INF], n_sweeps=30, track=[2], seed=1)
    assert run.trace.m.shape == run.trace.energy.shape == (3, 30)
    assert run.trace.overlaps.shape == (3, 30, 2)
    assert run.trace.q.shape == (0, 30)
    assert run.trace.spins.shape == (3, 30)
    assert run.swap_acceptance.shape == (2,)
    assert ((run.swap_acceptance >= 0) & (run.swap_acceptance <= 1)).all()
    np.testing.assert_array_equal(run.ladder, [0.5, 1.0, INF])
    assert run.round_trips >= 0


@pytest.mark.parametrize(
    "ladder",
    [[5e-324, 1e-310, 1e-300, 1.0, 1e308, INF], [1e-320, 1e-319], [1e308, INF]],
)
def test_extreme_ladders_give_no_nan(ladder):
    """Infinite and vanishing inverse temperatures side by side."""
    run = temper(small(n=6), ladder, n_sweeps=30, n_burn_in=0, initial="pattern")
    assert not np.isnan(run.swap_acceptance).any()
    assert not np.isnan(run.trace.energy).any()
    if len(ladder) == 2:  # the rungs differ by nothing that matters
        assert run.swap_acceptance[0] == 1.0


def test_equal_energies_are_always_exchanged():
    """Without couplings between the energies, every exchange is accepted."""
    model = HebbianNetwork(np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]))
    energies = [model.energy(s) for s in reference.states(3)]
    assert np.ptp(energies) < 1e-12
    run = temper(model, [0.3, 1.0, 2.0], n_sweeps=100)
    assert (run.swap_acceptance > 1.0 - 1e-9).all()
    assert run.round_trips > 5
    # Even and odd pairs take turns: one sweep tries the even ones only.
    once = temper(model, [0.3, 1.0, 2.0, 3.0], n_sweeps=1, n_burn_in=0)
    np.testing.assert_array_equal(once.swap_acceptance, [1.0, 0.0, 1.0])
