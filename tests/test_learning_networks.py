"""Networks that know their archetypes from noisy examples only."""

import math

import numpy as np
import pytest
import reference
from kernel_cases import CONVENTIONS, EPS, random_spins, run
from learning_reference import twin_of
from sampling_cases import arrays, assert_same, assert_same_state, digest, joined
from test_boundary import NOT_A_NUMBER, NOT_A_TEXT, assert_refused

import statmech
from statmech import HebbianNetwork, checkpoint, extend, machine, observables
from statmech.chains import DYNAMICS, SCANS
from statmech.errors import MemoryLimitError, ParameterError
from statmech.kernels import network as kernels
from statmech.patterns import diluted, noisy_examples
from statmech.rng import stream_keys

PROTOCOLS = ("supervised", "unsupervised")


def taught(
    protocol, n=9, k=2, m=3, quality=0.5, dilution=0.3, coincident="exclude", **more
):
    """A network, its archetypes and its examples."""
    xi = diluted(k, n, dilution, seed=n)
    eta = noisy_examples(xi, m, quality, seed=k)
    make = getattr(HebbianNetwork, protocol)
    more = {"archetypes": xi} | more
    return make(eta, quality=quality, coincident=coincident, **more), xi, eta


# Energies -------------------------------------------------------------------------


@pytest.mark.parametrize("coincident", CONVENTIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_energy_is_the_sum_over_pairs(protocol, coincident):
    """Every state, every flip, against exact fractions."""
    field = np.linspace(-0.3, 0.4, 7)
    more = {"n": 7, "coincident": coincident, "field": field, "m": 4}
    model, _, eta = taught(protocol, **more)
    spins = reference.states(7)
    exact = reference.energies(twin_of(protocol, model, eta), spins)
    costs = reference.half_costs(exact)
    scale = 20 * EPS * max(abs(float(e)) for e in exact)
    for s, e, cost in zip(spins, exact, costs, strict=True):
        assert abs(model.energy(s) - float(e)) < scale
        assert np.abs(s * model.local_fields(s) - cost).max() < scale


def test_hamiltonians_as_they_are_written_in_the_literature():
    """-(g/2N) sum_mu (sum_i etabar s)**2, -(g/(2 N M r**2)) sum_mu_a (sum_i eta s)**2,
    g = 1/(1 + rho), rho = (1 - r**2)/(M r**2)."""
    s = random_spins(9, 2).astype(int)
    gain = 1.0 / (1.0 + (1.0 - 0.25) / (3 * 0.25))
    model, _, eta = taught("supervised", coincident="keep")
    assert model.gain == gain == 0.5
    mean = eta.sum(axis=1) / (0.5 * 3)
    expected = -gain / 18 * ((mean @ s) ** 2).sum()
    assert model.energy(s) == pytest.approx(expected, rel=1e-14)
    model, _, eta = taught("unsupervised", coincident="keep")
    expected = -gain / (18 * 3 * 0.25) * ((eta @ s) ** 2).sum()
    assert model.energy(s) == pytest.approx(expected, rel=1e-14)
    assert model.lesson.rho == 1.0
    # Without self terms N becomes N - 1, as for all pairwise networks here.
    other, *_ = taught("unsupervised")
    assert other.prefactor == pytest.approx(model.prefactor * 9 / 8, rel=4 * EPS)


@pytest.mark.parametrize("m", [1, 127, 128, 40_000])
def test_sums_of_many_examples_are_exact(m):
    """In 8, 16 and 32 bits; a field of M**2 K N beyond 32 bits."""
    eta = np.ones((2, m, 3), dtype=np.int8)
    eta[1, : m // 3] = -1
    eta[:, :, 2] = 0
    model = HebbianNetwork.supervised(eta, quality=1.0)
    narrow = {1: np.int8, 127: np.int8, 128: np.int16, 40_000: np.int32}[m]
    assert model.weights.dtype == narrow
    assert model.gain == 1.0
    s = np.array([1, -1, 1])
    other = m - 2 * (m // 3)
    h = -(m**2 + other**2) / (2 * m**2)
    np.testing.assert_allclose(model.local_fields(s), [h, -h, 0.0], rtol=4 * EPS)
    assert model.energy(s) == pytest.approx(-h, rel=4 * EPS)
    overlap = (model.weights.astype(np.int64) @ s).astype(np.int64)
    spins = s.astype(np.int8)
    for i, x in enumerate((h, h, 0.0)):
        found = kernels.alignment(model.rows, spins, overlap, i)
        assert found == pytest.approx(x, rel=4 * EPS)


# Moves ----------------------------------------------------------------------------


@pytest.mark.parametrize("dilution", [0.0, 0.5, 0.97])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_moves_are_those_of_the_twin(protocol, dilution):
    """All dynamics and orders of the sites, T = 0 with fair ties included.

    The twin decides from exact fractions: false-alarm rate 1e-12.
    """
    n, n_sweeps, betas = 11, 3, [0.4, 2.1, math.inf]
    model, _, eta = taught(protocol, n, m=4, dilution=dilution)
    twin = twin_of(protocol, model, eta)
    start = random_spins((3, n), seed=5)
    for dynamics in DYNAMICS:
        for scan in SCANS:
            how = {"dynamics": dynamics, "scan": scan, "ties": True, "seed": 9}
            group, record = run(model, start, betas, n_sweeps, **how)
            for r, key in enumerate(stream_keys(9, (), 3)):
                s = start[r].tolist()
                for draw in range(n_sweeps):
                    how = (dynamics, scan, False, draw * n, key, True)
                    reference.sweep(twin, s, betas[r], *how)
                    (energy,) = reference.energies(twin, [s])
                    assert record.energies[r, draw] * n == pytest.approx(
                        float(energy), abs=1e-12
                    )
                assert group.chains.spins[r].tolist() == s


@pytest.mark.parametrize("dilution", [0.0, 0.4])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_perfect_example_is_storage(protocol, dilution):
    """M = 1, r = 1: the same bits, whatever is recorded."""
    more = {"n_sweeps": 20, "track": [1, 2], "n_chains": 3}
    xi = diluted(3, 60, dilution, seed=1)
    stored = HebbianNetwork(xi)
    model, *_ = taught(protocol, 60, 3, m=1, quality=1.0, dilution=dilution)
    model = getattr(HebbianNetwork, protocol)(xi[:, None], quality=1.0)
    assert (model.patterns == xi).all()
    assert (model.gain, model.prefactor) == (1.0, stored.prefactor)
    for t in (0.0, 0.4):
        one, other = (statmech.sample(one, t, **more) for one in (stored, model))
        assert_same(arrays(other), arrays(one))
        np.testing.assert_array_equal(other.example_overlaps, one.overlaps)
        assert one.example_overlaps is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_gain_is_a_scale_of_temperature(protocol):
    more = {"n_sweeps": 20, "initial": "random"}
    one, *_ = taught(protocol, 60, 3, gain=1.0)
    two, *_ = taught(protocol, 60, 3, gain=2.0)
    a, b = statmech.sample(one, 0.3, **more), statmech.sample(two, 0.6, **more)
    assert (a.spins == b.spins).all()
    assert (a.m == b.m).all()
    assert (2.0 * a.energy == b.energy).all()
    assert one.digest != two.digest
    assert "gain=2.0" in repr(two)


# What is recorded -----------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_overlaps_with_archetypes_and_with_examples(protocol):
    """m and n of the final states, recomputed; |m| <= 1 - d; the energy from n."""
    model, xi, eta = taught(protocol, 200, 3, m=5, coincident="keep")
    trace = statmech.sample(model, 0.2, n_sweeps=30, target=1, track=range(3))
    assert trace.tracked == (1, 0, 2)
    assert trace.example_overlaps.shape == trace.overlaps.shape == (2, 30, 3)
    for s, m, n in zip(
        trace.spins, trace.overlaps[:, -1], trace.example_overlaps[:, -1], strict=True
    ):
        s = s.astype(int)
        order = list(trace.tracked)
        np.testing.assert_array_equal(m, (xi.astype(int) @ s / 200)[order])
        mean = eta.sum(axis=1) @ s / (0.5 * 5 * 200)
        np.testing.assert_allclose(n, mean[order], rtol=1e-14, atol=1e-16)
    assert (trace.m == trace.overlaps[:, :, 0]).all()
    largest = np.count_nonzero(xi, axis=1).max() / 200
    assert np.abs(trace.overlaps).max() <= largest
    if protocol == "supervised":
        expected = -model.gain / 2 * (trace.example_overlaps**2).sum(axis=2)
        np.testing.assert_allclose(trace.energy, expected, rtol=1e-12)


def test_every_way_to_run_records_both():
    model, xi, _ = taught("supervised", 60, 3)
    cooled = statmech.anneal(model, [1.0, 0.2], track=[2])
    assert cooled.example_overlaps.shape == (2, 2, 2)
    ladder = statmech.temper(model, [0.2, 0.4], n_sweeps=7, track=[2]).trace
    assert ladder.example_overlaps.shape == (2, 7, 2)
    for trace in (cooled, ladder):
        s = trace.spins.astype(int)
        sums = (model.weights[[0, 2]] @ s.T / (0.5 * 3 * 60)).T
        found, m = trace.example_overlaps[:, -1], trace.m[:, -1]
        # The last exchange of a ladder comes after its last draw.
        at = np.argsort(m) if trace is ladder else np.arange(2)
        to = np.argsort(s @ xi[0]) if trace is ladder else at
        np.testing.assert_array_equal(m[at], (s @ xi[0] / 60)[to])
        np.testing.assert_allclose(found[at], sums[to], rtol=1e-14, atol=1e-16)
    end = statmech.descend(model, n_chains=3, initial="hierarchical")
    assert end.status.ok
    np.testing.assert_array_equal(end.m, end.spins.astype(int) @ xi[0] / 60)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_goes_on_through_a_file(tmp_path, protocol):
    """Both kinds of overlaps are kept; another network is refused."""
    model, xi, eta = taught(protocol, 60, 3)
    more = {"n_chains": 3, "order": "permutation", "ties": "random"}
    whole = statmech.sample(model, 0.0, n_sweeps=20, **more)
    first = statmech.sample(model, 0.0, n_sweeps=10, **more)
    loaded = checkpoint.load(checkpoint.save(tmp_path / "run", first))
    assert loaded.trace.settings == first.settings
    assert_same_state(loaded.trace.state, first.state)
    second = extend(model, loaded, n_sweeps=10)
    assert_same(joined(loaded.trace, second), arrays(whole))
    parts = [loaded.trace.example_overlaps, second.example_overlaps]
    np.testing.assert_array_equal(np.hstack(parts), whole.example_overlaps)
    make = getattr(HebbianNetwork, protocol)
    others = [
        make(eta, quality=0.6, archetypes=xi, gain=model.gain),
        make(eta, quality=0.5, archetypes=-xi),
        make(eta[:, ::-1] * np.int8(-1), quality=0.5, archetypes=xi),
        taught(PROTOCOLS[protocol == "supervised"], 60, 3)[0],
        HebbianNetwork(xi),
    ]
    for other in others:
        with pytest.raises(ParameterError, match=r"model = .*network of the run"):
            extend(other, loaded)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_bits_on_any_number_of_threads(protocol):
    model, *_ = taught(protocol, 60, 3)
    runs = [
        statmech.sample(model, 0.3, n_sweeps=20, n_chains=7, n_threads=n)
        for n in (1, 2, 3)
    ]
    assert len({digest(one) for one in runs}) == 1
    assert len({one.example_overlaps.tobytes() for one in runs}) == 1


def test_the_majority_stands_for_unknown_archetypes():
    """The sign of the sum, of the first example in a tie; blanks stay blank."""
    eta = np.array([[[1, 0, -1, 1], [1, 0, 1, -1]], [[1, 1, 0, -1], [-1, 1, 0, -1]]])
    for protocol in PROTOCOLS:
        model = getattr(HebbianNetwork, protocol)(eta, quality=0.5)
        assert model.patterns.tolist() == [[1, 0, -1, 1], [1, 1, 0, -1]]
        step = observables.one_step(model, model.patterns[1] | 1)
        assert step.shape == (4,)


# Bad input ------------------------------------------------------------------------

ETA = noisy_examples(diluted(2, 8, 0.5, seed=1), 3, 0.5, seed=1)
MOVED = np.roll(ETA, 1, axis=1) * np.arange(1, 9).clip(max=1)
MOVED[0, 1, np.flatnonzero(ETA[0, 0])[0]] = 0
NOT_EXAMPLES = [None, "abc", 1.0, [], ETA[0], ETA + 2, ETA * 1j, np.ones((0, 2, 3))]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bad_arguments_are_refused(protocol, record_property):
    make = getattr(HebbianNetwork, protocol)
    xi = np.sign(ETA.sum(axis=1))
    wrong = [xi[0], 2 * xi, "abc", np.ones_like(xi), np.zeros_like(xi), xi[:1]]
    for name, values in {
        "examples": [*NOT_EXAMPLES, MOVED],
        "quality": [*NOT_A_NUMBER, 0.0, 5e-324, 1.1, -0.5],
        "archetypes": wrong,
        "gain": [*NOT_A_NUMBER[1:], 0.0, -1.0],
        "order": [9, 20, 21, 1, 0, -3, 2.0, "2", None],
        "coincident": NOT_A_TEXT,
        "field": [np.nan, "abc", [1.0]],
    }.items():
        good = {"examples": ETA, "quality": 0.5}
        assert_refused(
            lambda v, name=name, good=good: make(**(good | {name: v})),
            *(name, values, record_property),
        )


def test_examples_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 10**7)
    huge = np.broadcast_to(np.int8(1), (10, 100, 10**6))
    with pytest.raises(MemoryLimitError, match="100 examples of each of 10 patterns"):
        HebbianNetwork.supervised(huge, quality=0.5)
