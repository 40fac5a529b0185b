"""Gibbs sampling of pairwise machines against exact laws, state by state.

The kernel makes the moves of a naive twin, whose transition matrix leaves the law
exactly stationary; then the law of its draws, joint draws with disorder, and what a
run says of its errors. Seeds are fixed; false-alarm rates are those of a fresh seed.
"""

import itertools
import math

import boltzmann_cases as cases
import numpy as np
import pytest
from scipy.stats import chisquare

from statmech.boltzmann import (
    BoltzmannMachine,
    enumerate_exact,
    from_ising,
    gibbs,
    sample_gibbs,
)
from statmech.errors import (
    MemoryLimitError,
    ParameterError,
    ParameterTypeError,
    StatmechError,
)
from statmech.kernels.gibbs import Chains, sweep_chains
from statmech.rng import stream_keys
from statmech.stats import CONSTANT

N_SAMPLES = 200_000
N_CHAINS = 500


def peaked(name, peak=50.0):
    """A small case, scaled so that the likeliest state is `peak` times the rarest."""
    model = cases.CASES[name]()
    states, _ = cases.joint_law(model)
    scale = math.log(peak) / np.ptp(model.exponent(states))
    phi, b = scale * model.potentials, scale * model.biases
    return BoltzmannMachine(phi, b, model.n_states)


def small():
    """4 variables of 2, 3, 2 and 4 states: 48 joint states."""
    phi, layout = cases.random_potentials([2, 3, 2, 4], 91)
    b = np.random.default_rng(92).normal(size=layout.size)
    return BoltzmannMachine(phi, b, layout.n_states)


# The twin ---------------------------------------------------------------------------


def naive_sweep(model, state, hidden, uniforms):
    """New states one after the other; returns the conditional laws, too."""
    laws = np.zeros(model.size)
    blocks = list(model.layout.ranges())
    for i, u in zip(hidden, uniforms, strict=True):
        x = model.layout.encode(state)
        first, last = blocks[i]
        field = (model.potentials @ x + model.biases)[first:last]
        law = np.exp(field - field.max())
        law /= law.sum()
        laws[first:last] = law
        state[i] = int(np.searchsorted(np.cumsum(law), u))
    return laws


def uniform(key, counter):
    """53 bits of SplitMix64 at a counter, in integers of Python."""
    mask = 2**64 - 1
    z = (int(key[0]) + counter * int(key[1])) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (((z ^ (z >> 31)) >> 11) + 0.5) / 2.0**53


@pytest.mark.parametrize("name", ["mixed_states", "low_rank", "constant_variable"])
def test_chains_make_the_moves_of_the_naive_twin(name):
    """Two chains, one variable observed, burn-in and thinning: states and averages."""
    model = cases.CASES[name]()
    seen = np.full(model.n_variables, -1)
    seen[1] = 1
    hidden = [i for i in range(model.n_variables) if i != 1]
    start = np.zeros(model.n_variables, dtype=int)
    trace = sample_gibbs(
        model,
        n_sweeps=12,
        n_burn_in=5,
        thin=3,
        evidence=seen,
        initial=start,
        seed=3,
        path=(1,),
    )
    keys = stream_keys(3, (1, gibbs.NOISE), 2)
    for chain in range(2):
        state, laws = np.where(seen < 0, start, seen), []
        for sweep in range(17):
            uniforms = [
                uniform(keys[chain], sweep * len(hidden) + j)
                for j in range(len(hidden))
            ]
            laws.append(naive_sweep(model, state, hidden, uniforms))
            if sweep >= 5 and (sweep - 4) % 3 == 0:
                draw = (sweep - 7) // 3
                assert trace.states[chain, draw].tolist() == state.tolist()
                exponent = model.exponent(state)
                assert trace.exponents[chain, draw] == pytest.approx(
                    exponent, abs=1e-12
                )
        assert trace.final_states[chain].tolist() == state.tolist()
        parts = np.array(laws[5:]).reshape(4, 3, -1).mean(axis=1)
        parts[:, slice(*list(model.layout.ranges())[1])] = model.layout.encode(
            np.maximum(seen, 0)
        )[slice(*list(model.layout.ranges())[1])]
        assert trace.conditional_means[chain] == pytest.approx(parts, abs=1e-13)


def transition(model):
    """Law, and the matrix of one sweep over all variables, from conditional laws."""
    states, law = cases.joint_law(model)
    counts = model.n_states
    codes = np.ravel_multi_index(states.T, counts)
    assert (codes == np.arange(len(states))).all()
    matrix = np.eye(len(states))
    for i in range(model.n_variables):
        update = np.zeros_like(matrix)
        for code, state in enumerate(states):
            copies = np.repeat(state[None], counts[i], axis=0)
            copies[:, i] = np.arange(counts[i])
            to = np.ravel_multi_index(copies.T, counts)
            weight = np.exp(model.exponent(copies) - model.exponent(copies).max())
            update[code, to] = weight / weight.sum()
        matrix = matrix @ update
    return law, matrix


def test_the_law_is_stationary_under_a_sweep():
    """pi P = pi to round-off; a conditional of the wrong sign: not."""
    model = small()
    law, matrix = transition(model)
    assert np.abs(law @ matrix - law).max() < 1e-15
    phi = np.array(model.potentials)
    phi[:2, 2:5] *= -1.0
    phi[2:5, :2] *= -1.0
    wrong = BoltzmannMachine(phi, model.biases, model.n_states)
    assert np.abs(law @ transition(wrong)[1] - law).max() > 1e-3


def sweep(phi, layout, *rest):
    """The kernel, with arrays of the kinds that it is compiled for."""
    phi = np.array(phi)
    phi.setflags(write=False)
    sweep_chains(phi, layout.offsets, *rest)


# The law of states ------------------------------------------------------------------


def histogram(model, seed, *, phi=None, scale=1.0):
    """Counts of joint states in independent draws; `phi` and `scale` are for bugs."""
    _, matrix = transition(model)
    slow = np.sort(np.abs(np.linalg.eigvals(matrix)))[-2]
    thin = max(1, math.ceil(-5.0 / math.log(max(slow, 1e-9))))
    layout, phi = model.layout, model.potentials if phi is None else phi
    draw = np.random.default_rng(seed)
    states = draw.integers(0, model.n_states, (N_CHAINS, model.n_variables))
    fields = scale * (layout.encode(states) @ model.potentials + model.biases)
    keys = stream_keys(seed, (3,), N_CHAINS)
    chains = Chains(states, fields, keys, np.empty(layout.largest))
    means, hidden = np.zeros(fields.shape), np.arange(model.n_variables)
    counts = np.zeros(len(matrix), dtype=np.int64)
    clock = 0
    for n_draws in range(N_SAMPLES // N_CHAINS + 1):
        sweep(scale * phi, layout, hidden, chains, clock, thin, means)
        clock += thin
        if n_draws:
            codes = np.ravel_multi_index(states.T, model.n_states)
            counts += np.bincount(codes, minlength=len(matrix))
    assert counts.sum() == N_SAMPLES
    return counts


def p_value(counts, law):
    expected = counts.sum() * law
    assert expected.min() > 5.0
    return float(chisquare(counts, expected).pvalue)


@pytest.mark.parametrize("name", ["mixed_states", "antiferromagnet"])
def test_states_follow_their_law(name):
    """Chi-square over all states, p > 1e-4: false-alarm rate 1e-4 a case."""
    model = peaked(name) if name == "mixed_states" else peaked_ising()
    assert p_value(histogram(model, 11), cases.joint_law(model)[1]) > 1e-4


def peaked_ising():
    j = np.random.default_rng(93).normal(size=(6, 6))
    model = cases.ising(np.triu(j, 1) + np.triu(j, 1).T, np.full(6, 0.2))
    states, _ = cases.joint_law(model)
    scale = math.log(50.0) / np.ptp(model.exponent(states))
    return BoltzmannMachine(scale * model.potentials, scale * model.biases, 2)


@pytest.mark.parametrize("bug", ["temperature", "stale", "sign"])
def test_wrong_chains_are_seen(bug):
    """Controls: beta 5% off; fields of one variable that do not hear of another; one
    potential of the wrong sign."""
    model = peaked("mixed_states")
    phi, scale = np.array(model.potentials), 1.0
    if bug == "temperature":
        scale = 0.95
    elif bug == "stale":
        phi[:2, 2:5] = 0.0
    else:
        phi[:2, 2:5] *= -1.0
    counts = histogram(model, 12, phi=phi, scale=scale)
    assert p_value(counts, cases.joint_law(model)[1]) < 1e-6


# States and disorder together -------------------------------------------------------

SPREAD = 0.7  # standard deviation of the disorder


def test_functions(states, b, model):
    """12 numbers of each chain, (12, C), of states (C, n) and biases (C, d)."""
    x = model.layout.encode(states)
    xb = (x * b).sum(axis=1)
    return np.array(
        [
            x[:, 0],
            x[:, 3],
            x[:, -1],
            x[:, 0] * x[:, 2],
            x[:, 3] * x[:, -1],
            (x * (x @ model.potentials)).sum(axis=1),
            b[:, 0],
            b[:, 3] * b[:, 0],
            (b * b).sum(axis=1),
            xb,
            xb * xb,
            b[:, 0] * x[:, 2],
        ]
    )


test_functions.__test__ = False


def geweke(seed, *, sign=1.0, flipped=False, n_chains=4000, n_steps=60):
    """|z| of 12 averages between two ways to draw (x, b) from one joint law.

    p(x, b) ~ exp(x.Phi x / 2 + b.x) times Gaussians of b: then p(x) ~ exp(x.Phi x / 2)
    since |x|^2 is constant, and b given x is Gaussian about SPREAD^2 x. Chains begin in
    the joint law and alternate a sweep with new biases.
    """
    phi = small().potentials
    model = BoltzmannMachine(phi, np.zeros(len(phi)), small().n_states)
    draw = np.random.default_rng(seed)
    all_states, law = cases.joint_law(model)

    def biases(states, direction=1.0):
        x = model.layout.encode(states)
        return direction * SPREAD**2 * x + SPREAD * draw.normal(size=x.shape)

    states = all_states[draw.choice(len(law), n_chains, p=law)]
    b = biases(states)
    keys = stream_keys(seed, (4,), n_chains)
    used = np.array(phi)
    if flipped:
        used[:2] *= -1.0  # fields hear of variable 0 with the wrong sign
    sums = np.zeros((12, n_chains))
    for step in range(n_steps):
        fields = model.layout.encode(states) @ used + b
        chains = Chains(states, fields, keys, np.empty(model.layout.largest))
        unused, hidden = np.zeros(fields.shape), np.arange(model.n_variables)
        sweep(used, model.layout, hidden, chains, step, 1, unused)
        b = biases(states, sign)
        sums += test_functions(states, b, model)
    along = sums / n_steps
    fresh = all_states[draw.choice(len(law), 20 * n_chains, p=law)]
    direct = test_functions(fresh, biases(fresh), model)
    error = np.hypot(
        along.std(axis=1) / math.sqrt(n_chains),
        direct.std(axis=1) / math.sqrt(direct.shape[1]),
    )
    return np.abs(along.mean(axis=1) - direct.mean(axis=1)) / error


def test_joint_draws_of_states_and_biases():
    """12 functions, |z| < 4: false-alarm rate 8e-4."""
    assert geweke(21).max() < 4.0


@pytest.mark.parametrize("bug", [{"sign": -1.0}, {"flipped": True}])
def test_wrong_conditionals_are_seen(bug):
    """Controls: the biases, or one variable's potentials, with the wrong sign."""
    assert geweke(22, **bug).max() > 8.0


def joint_potentials(seed, *, sign=1.0, n_chains=300, n_steps=60):
    """The same with Gaussian potentials between three variables, Phi given x about
    SPREAD^2 x x^T: then p(x) is a product of softmax b. |z| of 12 averages."""
    k = [2, 3, 2]
    layout_model = cases.BoltzmannMachine(np.zeros((7, 7)), np.linspace(-1, 1, 7), k)
    layout, b = layout_model.layout, layout_model.biases
    draw = np.random.default_rng(seed)
    all_states, law = cases.joint_law(layout_model)
    pairs = list(itertools.combinations(range(7), 2))
    pairs = [(r, c) for r, c in pairs if layout.owner[r] != layout.owner[c]]
    rows, columns = np.array(pairs).T

    def potentials(x, direction=1.0):
        noise = SPREAD * draw.normal(size=len(pairs))
        return direction * SPREAD**2 * x[rows] * x[columns] + noise

    def functions(x, g):
        e = g @ (x[rows] * x[columns])
        of_b = b @ x
        return [x[0], x[2], x[6], x[0] * x[2], x[3] * x[6], of_b, of_b**2, e, e * e]

    def with_products(x, g):
        return np.array([*functions(x, g), g[0], g @ g, g[0] * g[-1]])

    keys = stream_keys(seed, (5,), n_chains)
    along = np.zeros((n_chains, 12))
    for c in range(n_chains):
        state = all_states[draw.choice(len(law), p=law)][None].copy()
        x = layout.encode(state)[0]
        g = potentials(x)
        for step in range(n_steps):
            phi = np.zeros((7, 7))
            phi[rows, columns] = phi[columns, rows] = g
            fields = (phi @ x + b)[None]
            chains = Chains(state, fields, keys[c : c + 1], np.empty(3))
            unused = np.zeros((1, 7))
            sweep(phi, layout, np.arange(3), chains, step, 1, unused)
            x = layout.encode(state)[0]
            g = potentials(x, sign)
            along[c] += with_products(x, g) / n_steps
    fresh = layout.encode(all_states[draw.choice(len(law), 20_000, p=law)])
    direct = np.array([with_products(x, potentials(x)) for x in fresh])
    error = np.hypot(
        along.std(axis=0) / math.sqrt(n_chains), direct.std(axis=0) / math.sqrt(20_000)
    )
    return np.abs(along.mean(axis=0) - direct.mean(axis=0)) / error


@pytest.mark.nightly
def test_joint_draws_of_states_and_potentials():
    """12 functions, |z| < 4: false-alarm rate 8e-4; control: the wrong sign, > 8."""
    assert joint_potentials(31).max() < 4.0
    assert joint_potentials(32, sign=-1.0).max() > 8.0


@pytest.mark.nightly
def test_joint_draws_in_full():
    """Two seeds, 5 times the chains: false-alarm rate 2e-3."""
    for seed in (41, 42):
        assert geweke(seed, n_chains=20_000).max() < 4.0


@pytest.mark.nightly
@pytest.mark.parametrize("peak", [20.0, 100.0])
@pytest.mark.parametrize("name", ["mixed_states", "constant_variable", "wide_class"])
def test_states_follow_their_law_in_full(name, peak):
    """Four seeds: false-alarm rate 4e-4 a case."""
    model = peaked(name, peak)
    law = cases.joint_law(model)[1]
    for seed in range(61, 65):
        assert p_value(histogram(model, seed), law) > 1e-4


# What a run says --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixed_states", "sk", "paper_class"])
@pytest.mark.parametrize("observe", [False, True])
def test_marginals_within_their_errors(name, observe):
    """Both estimates against exact sums, |z| < 4.5: false-alarm rate 3e-4 a case.

    The averages of conditional laws are better by half at least.
    """
    model = cases.CASES[name]()
    seen = None
    if observe:
        seen = np.full(model.n_variables, -1)
        seen[[0, 3]] = 1
    exact = enumerate_exact(model, seen)
    trace = sample_gibbs(model, n_sweeps=4000, n_chains=4, evidence=seen, seed=71)
    assert trace.reliable, trace.reasons
    free = trace.errors > 0.0
    assert free.sum() == model.n_states[trace.hidden].sum()
    z = (trace.marginals - exact.marginals)[free] / trace.errors[free]
    assert np.abs(z).max() < 4.5
    smooth = (trace.smooth_marginals - exact.marginals)[free]
    assert np.abs(smooth / trace.smooth_errors[free]).max() < 4.5
    assert trace.marginals[~free] == pytest.approx(exact.marginals[~free])
    assert trace.smooth_marginals[~free] == pytest.approx(exact.marginals[~free])
    assert np.median(trace.errors[free] / trace.smooth_errors[free]) > 1.5
    one = trace.estimates[int(np.flatnonzero(free)[0])]
    assert one.n_eff == trace.n_eff[free][0]
    share = exact.marginals[free][0]
    width = math.sqrt(share * (1.0 - share) / one.n_eff)
    assert one.error == pytest.approx(width, rel=0.1)


def test_errors_cover_the_truth():
    """200 runs: 95.4% within two errors, 90% to 99% allowed: false-alarm rate 6e-3."""
    pair = from_ising([[0.0, 0.8], [0.8, 0.0]], [0.1, 0.1])
    truth = enumerate_exact(pair).marginals[0]
    inside = 0
    for seed in range(200):
        one = sample_gibbs(pair, n_sweeps=1000, seed=seed, n_threads=1).estimates[0]
        inside += abs(one.mean - truth) < 2.0 * one.error
    assert 180 <= inside <= 198


def test_uneven_parts_are_weighed():
    """47 draws in 20 parts: the average is that of all sweeps."""
    model = cases.mixed_states()
    trace = sample_gibbs(model, n_sweeps=47, n_chains=3, seed=5)
    single = sample_gibbs(model, n_sweeps=1, n_burn_in=100, n_chains=3, seed=5)
    assert single.conditional_means.shape == (3, 1, 16)
    rows = [
        sample_gibbs(model, n_sweeps=1, n_burn_in=100 + t, n_chains=3, seed=5)
        for t in range(47)
    ]
    mean = np.mean([row.conditional_means[:, 0] for row in rows], axis=(0, 1))
    assert trace.smooth_marginals == pytest.approx(mean, abs=1e-13)
    assert trace.smooth_marginals.sum() == pytest.approx(5.0, abs=1e-12)


def test_disagreement_and_standstill_are_told():
    """Chains in two wells; chains that never moved; nothing to sample."""
    wells = cases.curie_weiss(40, 4.0, 0.0)
    start = np.repeat([[0], [1]], 40, axis=1)
    stuck = sample_gibbs(wells, n_sweeps=500, initial=start, seed=1)
    assert not stuck.reliable
    assert any("R-hat" in reason for reason in stuck.reasons)
    still = BoltzmannMachine(np.zeros((4, 4)), [60.0, 0.0, 60.0, 0.0], 2)
    frozen = sample_gibbs(still, n_sweeps=100)
    assert (frozen.reliable, frozen.reasons) == (False, (CONSTANT,))
    assert np.isnan(frozen.n_eff).all()
    seen = sample_gibbs(wells, n_sweeps=10, evidence=np.arange(40) % 2)
    assert seen.reliable
    assert seen.marginals[:2].tolist() == [1.0, 0.0]
    assert sample_gibbs(cases.sk(), n_sweeps=20).reasons  # too short


def test_runs_are_functions_of_their_address():
    """The same with any number of threads and chains; thinning takes every third."""
    model = cases.mixed_states()
    options = {"n_sweeps": 90, "seed": 4}
    run = sample_gibbs(model, n_chains=3, n_threads=2, **options)
    again = sample_gibbs(model, n_chains=2, n_threads=1, **options)
    assert (run.states[:2] == again.states).all()
    assert (run.exponents[:2] == again.exponents).all()
    thinned = sample_gibbs(model, n_chains=3, thin=3, **options)
    assert (thinned.states == run.states[:, 2::3]).all()
    assert thinned.exponents == pytest.approx(run.exponents[:, 2::3], abs=1e-11)
    for other in ({"seed": 5}, {"path": (1,)}):
        change = sample_gibbs(model, n_chains=3, **{**options, **other})
        assert (change.states != run.states).any()
    assert run.exponents == pytest.approx(model.exponent(run.states), abs=1e-11)


def test_a_run_goes_on_from_states():
    model = cases.sk()
    first = sample_gibbs(model, n_sweeps=5, seed=8)
    second = sample_gibbs(
        model, n_sweeps=5, n_burn_in=0, initial=first.final_states, seed=8, path=(1,)
    )
    assert second.settings["initial"] == "array"
    assert first.states[:, -1].tolist() == first.final_states.tolist()
    assert second.settings["path"] == (1,)


def test_spoilt_fields_are_found(monkeypatch):
    def spoil(self, n_sweeps):
        self.chains.fields[0, 0] += 1e-6

    monkeypatch.setattr(gibbs._Group, "_sweep", spoil)
    with pytest.raises(StatmechError, match="off by 1e-06"):
        sample_gibbs(cases.sk(), n_sweeps=1, n_burn_in=1, n_threads=1)


# Bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"model": None}, "model"),
        ({"n_sweeps": 0}, "n_sweeps"),
        ({"n_sweeps": 1.5}, "n_sweeps"),
        ({"n_burn_in": -1}, "n_burn_in"),
        ({"n_chains": 0}, "n_chains"),
        ({"n_chains": True}, "n_chains"),
        ({"thin": 0}, "thin"),
        ({"thin": 11}, "thin"),
        ({"evidence": [[-1] * 10]}, "evidence"),
        ({"evidence": [0.5] * 20}, "evidence"),
        ({"evidence": [3] * 10}, "evidence"),
        ({"initial": "zeros"}, "initial"),
        ({"initial": [0] * 9}, "initial"),
        ({"initial": [[0] * 10] * 3}, "initial"),
        ({"initial": [2] * 10}, "initial"),
        ({"initial": [0.0] * 10}, "initial"),
        ({"seed": -1}, "seed"),
        ({"path": 3}, "path"),
        ({"n_threads": 0}, "n_threads"),
    ],
)
def test_bad_input_is_refused(change, name):
    arguments = {"model": cases.sk(), "n_sweeps": 10, **change}
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        sample_gibbs(**arguments)


def test_more_than_memory_is_refused():
    with pytest.raises(MemoryLimitError, match="n_sweeps = "):
        sample_gibbs(cases.sk(), n_sweeps=10**12)


def test_observables_by_name():
    trace = sample_gibbs(cases.mixed_states(), n_sweeps=10)
    assert trace.observable("exponent") is trace.exponents
    assert trace.occupation(2, 4).shape == (2, 10)
    for bad in ((5, 0), (0, 2), (-1, 0)):
        with pytest.raises(ParameterError):
            trace.occupation(*bad)
    with pytest.raises(ParameterError, match="observable"):
        trace.observable("m")
