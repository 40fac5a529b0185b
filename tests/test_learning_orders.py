"""Networks from examples at orders P >= 3: energies, fields, moves, and their law."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import reference
from kernel_cases import CONVENTIONS, EPS, random_spins, rules, run
from learning_reference import twin_of
from sampling_cases import arrays, assert_same, digest, joined
from scipy.stats import chi2

import statmech
from statmech import HebbianNetwork, checkpoint, extend, observables, powers
from statmech.chains import DYNAMICS, SCANS, chains_bytes
from statmech.errors import ParameterError
from statmech.kernels import network as kernels
from statmech.kernels.layout import DenseRows, PowerRows, SparseRows
from statmech.kernels.plan import plan, possible
from statmech.patterns import diluted, noisy_examples
from statmech.powers import chain_state, exact_sums, has_powers
from statmech.rng import stream_keys

PROTOCOLS = ("supervised", "unsupervised")
# How sums over sites are kept, see statmech.powers.
VERSIONS = ("exact", "rounded", "kept")


def taught(protocol="supervised", order=3, n=8, k=2, m=3, dilution=0.0, **more):
    """A network of examples of quality 1/2, and the examples."""
    xi = diluted(k, n, dilution, seed=n)
    eta = noisy_examples(xi, m, 0.5, seed=m)
    make = getattr(HebbianNetwork, protocol)
    more = {"archetypes": xi} | more
    return make(eta, quality=0.5, order=order, **more), eta


def in_version(version, monkeypatch, **more):
    """A supervised network whose kernels keep their sums in the given way."""
    if version == "rounded":
        monkeypatch.setattr(powers, "_exact_sums", lambda model: False)
    return taught(coincident="keep" if version == "kept" else "exclude", **more)


def largest(energies):
    return max(abs(float(e)) for e in energies)


# Energies -------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_energy_is_the_sum_over_sets_of_examples(protocol):
    """Every state, every flip, P = 3 to 6, blanks, even and odd M, in fractions."""
    cases = itertools.product((3, 4, 5, 6), (3, 4), (0.0, 0.3), CONVENTIONS)
    field = np.linspace(-0.3, 0.4, 7)
    for order, m, dilution, coincident in cases:
        more = {"n": 7, "m": m, "dilution": dilution, "coincident": coincident}
        model, eta = taught(protocol, order, field=field, **more)
        spins = reference.states(7)
        exact = reference.energies(twin_of(protocol, model, eta), spins)
        costs = reference.half_costs(exact)
        scale = 20 * EPS * largest(exact)
        for s, e, cost in zip(spins, exact, costs, strict=True):
            assert abs(model.energy(s) - float(e)) < scale
            assert np.abs(s * model.local_fields(s) - cost).max() < scale


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_hamiltonians_as_they_are_written_in_the_literature(order):
    """With etahat = etabar / sqrt(R) for patterns, R = r**2 + (1 - r**2)/M; with each
    example a pattern of weight R**(-P/2) / M."""
    n, m, r = 8, 3, 0.5
    spread = r**2 + (1 - r**2) / m
    scale = math.factorial(order - 1) / math.perm(n - 1, order - 1)
    s = random_spins(n, 2)
    sites = list(itertools.combinations(range(n), order))

    def e(rows):
        return sum((row * s)[list(i)].prod() for row in rows for i in sites)

    model, eta = taught("supervised", order)
    expected = -scale * e(eta.mean(axis=1) / math.sqrt(spread))
    assert model.energy(s) == pytest.approx(expected, rel=1e-12)
    model, eta = taught("unsupervised", order)
    expected = -scale * spread ** (-order / 2) / m * e(eta.reshape(-1, n))
    assert model.energy(s) == pytest.approx(expected, rel=1e-12)
    assert model.gain == pytest.approx((spread / r**2) ** (-order / 2), rel=4 * EPS)


def assert_kernels_agree(model, spins, fields, energies, scale):
    """Alignments, flips and energies of the kernels against exact numbers."""
    rows = model.rows
    for s, costs, energy in zip(spins, fields, energies, strict=True):
        state = chain_state(model, s)
        assert abs(kernels.energy(rows, s, state) - energy) < scale
        for i, cost in enumerate(costs):
            assert abs(kernels.alignment(rows, s, state, i) - cost) < scale
        turned = s.copy()
        for i in range(s.size):
            kernels.flip(rows, turned, state, i)
            assert (state == chain_state(model, turned)).all()
        assert (turned == -s).all()


NIGHTLY = pytest.mark.nightly
VERSIONS_OF_ORDERS = [
    *((version, order) for version in VERSIONS for order in (3, 4)),
    *(
        pytest.param(version, order, marks=NIGHTLY)
        for version in VERSIONS
        for order in (5, 6)
    ),
]


@pytest.mark.parametrize(("version", "order"), VERSIONS_OF_ORDERS)
def test_kernels_are_exact(version, order, monkeypatch):
    """All 256 states of N = 8 against fractions; flips to the last bit."""
    more = {"order": order, "k": 3, "m": 4, "dilution": 0.2, "field": 0.3}
    model, eta = in_version(version, monkeypatch, **more)
    assert exact_sums(model) == (version != "rounded")
    assert isinstance(model.rows, PowerRows)
    spins = reference.states(8)
    exact = reference.energies(twin_of("supervised", model, eta), spins)
    costs = reference.half_costs(exact)
    scale = 20 * EPS * largest(exact)
    assert_kernels_agree(model, spins[::5], costs[::5], map(float, exact[::5]), scale)


def test_sums_beyond_64_bits_are_rounded():
    """P = 4, M = 40 000: sums of 70 (M/2)**4 and more, to 1e-12 of the largest."""
    xi = np.ones((2, 8), dtype=np.int8)
    xi[1, ::2] = -1
    eta = np.repeat(xi[:, None], 40_000, axis=1)
    eta[:, :9001, 1] *= -1
    eta[1, :777, 2:4] *= -1
    model = HebbianNetwork.supervised(eta, quality=0.9, order=4)
    assert not exact_sums(model)
    twin = twin_of("supervised", model, eta)
    spins = random_spins((6, 8), 3)
    spins[:2] = xi
    exact = [[reference.alignment(twin, s, i) for i in range(8)] for s in spins]
    fields = [[float(x) for x in row] for row in exact]
    scale = 1e-12 * np.abs(fields).max()
    # e_P is the sum of all alignments over P.
    energies = [-float(sum(row)) / 4 for row in exact]
    assert_kernels_agree(model, spins, fields, energies, scale)
    for s, row, energy in zip(spins, fields, energies, strict=True):
        assert np.abs(s * model.local_fields(s) - row).max() < scale
        assert abs(model.energy(s) - energy) < scale


def test_the_bound_of_exact_sums_holds():
    """No e_k, and no sum of alignments, of any state exceeds it."""
    for order, m, coincident in itertools.product((3, 4, 6), (2, 5), CONVENTIONS):
        model, _ = taught(order=order, k=3, m=m, coincident=coincident)
        most = 0
        for s in reference.states(8):
            if coincident == "exclude":
                e = powers.symmetric_state(model, s)[1:]
                most = max(most, np.abs(e).sum(axis=1).max())
            h = powers.power_fields(model, s)
            most = max(most, np.abs(h).max(), abs(powers.power_energy(model, s)))
        assert most <= powers.largest_sum(model) < 2**62


# The rows that are read -----------------------------------------------------------


def test_which_form_is_read():
    """Examples, and averages of one example, are patterns; averages are integers."""
    for protocol, m, dilution, order, kind, forms in (
        ("supervised", 1, 0.0, 3, DenseRows, ("terms", "table")),
        ("supervised", 1, 0.4, 3, SparseRows, ("table",)),
        ("supervised", 4, 0.0, 3, PowerRows, ("overlaps",)),
        ("supervised", 4, 0.4, 4, PowerRows, ("overlaps",)),
        ("unsupervised", 4, 0.0, 4, DenseRows, ("terms", "table")),
        ("unsupervised", 4, 0.4, 3, SparseRows, ("table",)),
    ):
        model, _ = taught(protocol, order, n=20, m=m, dilution=dilution)
        assert isinstance(model.rows, kind)
        assert possible(model) == possible(model, 64, "shared") == forms
        assert has_powers(model) == (kind is PowerRows)
        assert plan(model, n_chains=64).form == forms[0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dilution", [0.0, 0.4])
def test_one_perfect_example_is_storage(protocol, dilution):
    """M = 1, r = 1: the same bits; M copies: the same moves, energies to rounding."""
    xi = diluted(3, 40, dilution, seed=1)
    more = {"n_sweeps": 10, "initial": "random", "seed": 3}
    for order, coincident in ((3, "exclude"), (4, "keep")):
        how = {"order": order, "coincident": coincident}
        wanted = statmech.sample(HebbianNetwork(xi, **how), 0.3, **more)
        make = getattr(HebbianNetwork, protocol)
        one = statmech.sample(make(xi[:, None], quality=1.0, **how), 0.3, **more)
        assert_same(arrays(one), arrays(wanted))
        copies = np.repeat(xi[:, None], 3, axis=1)
        several = statmech.sample(make(copies, quality=1.0, **how), 0.3, **more)
        assert (several.spins == wanted.spins).all()
        np.testing.assert_allclose(several.energy, wanted.energy, atol=1e-13)
        np.testing.assert_allclose(several.example_overlaps, one.overlaps, atol=1e-15)


# Symmetries -----------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_gauge_maps_runs_onto_runs(protocol):
    """Signs of the sites turn states, patterns and fields, and no other bit."""
    signs = random_spins(20, 5)
    field = np.linspace(-0.2, 0.2, 20)
    one, eta = taught(protocol, n=20, field=field)
    make = getattr(HebbianNetwork, protocol)
    turned = {"archetypes": one.patterns * signs, "field": field * signs}
    two = make(eta * signs, quality=0.5, order=3, **turned)
    more = {"n_sweeps": 10, "n_burn_in": 0}
    start = random_spins((2, 20), 6)
    a = statmech.sample(one, 0.6, initial=start, **more)
    b = statmech.sample(two, 0.6, initial=start * signs, **more)
    assert_same(arrays(b) | {"spins": b.spins * signs}, arrays(a))
    assert a.acceptance.mean() > 0.05


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_labels_do_not_matter(protocol, order):
    """Sites, patterns and examples in another order: the same energy and fields."""
    model, eta = taught(protocol, order, n=12, k=4, m=5)
    draw = np.random.default_rng(1)
    sites, patterns, examples = (draw.permutation(size) for size in (12, 4, 5))
    other = eta[patterns][:, examples][:, :, sites]
    two = getattr(HebbianNetwork, protocol)(other, quality=0.5, order=order)
    for s in random_spins((20, 12), 2):
        assert two.energy(s[sites]) == model.energy(s)
        np.testing.assert_array_equal(
            two.local_fields(s[sites]), model.local_fields(s)[sites]
        )
    # Reversal: even orders keep the energy, odd ones turn it.
    assert model.energy(-s) == (-1) ** order * model.energy(s)


# Moves ----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("order", [3, 4])
def test_moves_are_those_of_the_twin(protocol, order):
    """All dynamics and orders of the sites, T = 0 with fair ties included.

    The twin decides from exact fractions: false-alarm rate 1e-12.
    """
    model, eta = taught(protocol, order, n=9, m=4)
    assert_moves(model, twin_of(protocol, model, eta))


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_moves_of_other_versions_are_those_of_the_twin(version, monkeypatch):
    """T > 0, where rounding is no matter."""
    model, eta = in_version(version, monkeypatch, n=9, m=4)
    assert_moves(model, twin_of("supervised", model, eta), [0.4, 2.1, 30.0])


@pytest.mark.nightly
@pytest.mark.parametrize("order", [5, 6])
@pytest.mark.parametrize("version", VERSIONS)
def test_moves_at_high_orders_are_those_of_the_twin(version, order, monkeypatch):
    model, eta = in_version(version, monkeypatch, order=order, n=9, m=4)
    assert_moves(model, twin_of("supervised", model, eta), [0.4, 2.1, 30.0])


def assert_moves(model, twin, betas=(0.4, 2.1, math.inf), n_sweeps=2):
    n = model.n_spins
    start = random_spins((len(betas), n), seed=5)
    for dynamics in DYNAMICS:
        for scan in SCANS:
            how = {"dynamics": dynamics, "scan": scan, "ties": True, "seed": 9}
            group, record = run(model, start, betas, n_sweeps, **how)
            for r, key in enumerate(stream_keys(9, (), len(betas))):
                s = start[r].tolist()
                for draw in range(n_sweeps):
                    how = (dynamics, scan, False, draw * n, key, True)
                    reference.sweep(twin, s, betas[r], *how)
                    (energy,) = reference.energies(twin, [s])
                    assert record.energies[r, draw] * n == pytest.approx(
                        float(energy), abs=1e-12
                    )
                assert group.chains.spins[r].tolist() == s


@pytest.mark.parametrize(
    ("version", "n_updates"),
    [
        *((version, 10**5) for version in VERSIONS),
        *(pytest.param(version, 10**6, marks=NIGHTLY) for version in VERSIONS),
    ],
)
def test_nothing_drifts(version, n_updates, monkeypatch):
    """What is kept after many updates is what the spins give, to the last bit."""
    model, _ = in_version(version, monkeypatch, n=50, k=12, m=7)
    start = random_spins((2, 50), 1)
    thin = n_updates // 100
    group, record = run(model, start, [1.0, 0.5], 1, thin=thin)
    assert record.accepted.min() > 0.1
    chains = group.chains
    for s, state, energy in zip(
        chains.spins, chains.overlaps, record.energies[:, -1], strict=True
    ):
        assert (state == chain_state(model, s)).all()
        assert energy * 50 == pytest.approx(model.energy(s), rel=1e-12, abs=1e-12)


# The law --------------------------------------------------------------------------


def chi_square(codes, law):
    counts = np.bincount(codes, minlength=law.size)
    expected = codes.size * law
    assert expected.min() > 5.0
    return float(((counts - expected) ** 2 / expected).sum())


# One false alarm in 10**5 cases.
ALARM = chi2.isf(1e-5, 2**6 - 1)


@pytest.mark.parametrize(
    ("order", "dynamics", "scan"),
    [(3, "heat-bath", "random"), (4, "metropolis", "permutation")],
)
def test_states_follow_the_boltzmann_law(order, dynamics, scan):
    """2000 chains, 5 states of each 20 relaxation times apart: 63 degrees."""
    model, eta = taught(order=order, n=6, k=3, m=4)
    exact = reference.energies(twin_of("supervised", model, eta), reference.states(6))
    beta = 1.5 / largest(exact)
    law = reference.boltzmann(exact, beta)
    costs = reference.half_costs(exact)
    thin = math.ceil(20 * reference.relaxation(costs, law, beta, dynamics))
    how = {"dynamics": dynamics, "scan": scan}
    group, record = run(model, random_spins((2000, 6), 4), beta, 1, thin=thin, **how)
    codes = [reference.codes(group.chains.spins)]
    for _ in range(4):
        group.advance(np.full(2000, beta), rules(**how), 1, thin, record)
        codes.append(reference.codes(group.chains.spins))
    assert chi_square(np.concatenate(codes), law) < ALARM


def test_fields_without_the_even_power_sums_are_found_out():
    """Control: e_2 of the others taken for S**2 / 2, in chains of the same length."""
    model, eta = taught(order=3, n=6, k=3, m=4)
    twin = twin_of("supervised", model, eta)
    exact = reference.energies(twin, reference.states(6))
    beta = 1.5 / largest(exact)
    law = reference.boltzmann(exact, beta)
    b = reference.states(6)[:, None] * twin.patterns.astype(float)
    others = b.sum(axis=2, keepdims=True) - b
    scale = float(reference.coupling(twin))
    right = reference.half_costs(exact)
    draw, pair = np.random.default_rng(7), (2, 20_000)
    start = draw.integers(0, 64, pair[1])
    for costs, found in (
        (right, False),
        (scale * (b * others**2 / 2).sum(axis=1), True),
    ):
        here = reference.wander(costs, beta, start, 6 * 40, lambda _: draw.random(pair))
        assert (chi_square(here, law) > ALARM) == found


# Everything that runs -------------------------------------------------------------


def test_every_way_to_run():
    """Annealing, tempering, descent, and what is measured from scratch."""
    model, _ = taught(n=30, k=4, m=5)
    xi = model.patterns
    cooled = statmech.anneal(model, [1.0, 0.2], track=[2])
    ladder = statmech.temper(model, [0.2, 0.4], n_sweeps=7, track=[2]).trace
    plain = statmech.sample(model, 0.3, n_sweeps=7, track=[2])
    for trace in (cooled, plain):
        s = trace.spins.astype(int)
        found = np.array([model.energy(one) for one in trace.spins]) / 30
        np.testing.assert_allclose(trace.energy[:, -1], found, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(trace.m[:, -1], s @ xi[0] / 30)
        mean = s @ model.weights[2].astype(int) / (0.5 * 5 * 30)
        np.testing.assert_allclose(
            trace.example_overlaps[:, -1, 1], mean, rtol=1e-14, atol=1e-16
        )
    assert ladder.example_overlaps.shape == (2, 7, 2)
    end = statmech.descend(model, n_chains=3, initial="random")
    assert end.status.ok
    for s in end.spins:
        assert (observables.stabilities(model, s) >= 0.0).all()
        assert (observables.one_step(model, s) == s).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_goes_on_through_a_file_on_any_number_of_threads(tmp_path, protocol):
    """The same bits; networks of another order or other examples are refused."""
    model, _ = taught(protocol, n=30, k=4)
    more = {"n_chains": 5, "order": "permutation", "initial": "random"}
    whole = statmech.sample(model, 0.3, n_sweeps=12, n_threads=1, **more)
    first = statmech.sample(model, 0.3, n_sweeps=6, n_threads=2, **more)
    loaded = checkpoint.load(checkpoint.save(tmp_path / "run", first))
    second = extend(model, loaded, n_sweeps=6, n_threads=3)
    assert_same(joined(loaded.trace, second), arrays(whole))
    assert digest(statmech.sample(model, 0.3, n_sweeps=6, n_threads=3, **more)) == (
        digest(first)
    )
    for other in (taught(protocol, 4, n=30, k=4), taught(protocol, n=30, k=4, m=4)):
        with pytest.raises(ParameterError, match=r"model = .*network of the run"):
            extend(other[0], loaded)


@pytest.mark.parametrize("version", VERSIONS)
def test_memory_of_a_chain_is_counted(version, monkeypatch):
    """The state of a chain is within the estimate of `chains_bytes`."""
    model, _ = in_version(version, monkeypatch, order=5, n=20, k=40)
    sizes = {"n_draws": 0, "order": 5, "largest_weight": 3, "from_examples": True}
    counted = [chains_bytes(40, 20, n_chains=n, **sizes) for n in (2, 4)]
    kept = chain_state(model, random_spins(20, 1)).nbytes
    assert 2 * kept <= counted[1] - counted[0]


# Bad input ------------------------------------------------------------------------


def test_orders_beyond_those_of_averages_are_refused():
    """With the number, and what to do instead."""
    _, eta = taught(n=30, m=3)
    with pytest.raises(ParameterError, match=r"^order = 7: must be at most 6.*unsup"):
        HebbianNetwork.supervised(eta, quality=0.5, order=7)
    HebbianNetwork.unsupervised(eta, quality=0.5, order=7)
    HebbianNetwork.supervised(eta[:, :1], quality=0.5, order=7)
    many = np.ones((1, 20_000, 8), dtype=np.int8)
    with pytest.raises(ParameterError, match=r"^n_examples = 20000.*at most 3565 for"):
        HebbianNetwork.supervised(many, quality=0.5, order=5)
    HebbianNetwork.supervised(many[:, :3565], quality=0.5, order=5)
    HebbianNetwork.supervised(many, quality=0.5, order=5, coincident="keep")


def test_the_coupling_of_a_twin_is_exact():
    """The twin's scale is that of the model: no factor is lost in between."""
    for protocol, order in itertools.product(PROTOCOLS, (2, 3, 5)):
        model, eta = taught(protocol, order)
        exact = reference.coupling(twin_of(protocol, model, eta))
        assert abs(Fraction(model.prefactor) / exact - 1) < 8 * EPS
