"""Sampling of the weights of a binary perceptron: the law, limits, going on, input.

Seeds are fixed; the false-alarm rates quoted are those of a fresh seed.
"""

import math
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from perceptron_cases import (
    INF,
    Target,
    energies,
    examples_of,
    histogram,
    p_value,
    random_weights,
)
from scipy.stats import combine_pvalues, t

from statmech.chains import DYNAMICS, SCANS
from statmech.errors import (
    MemoryLimitError,
    ParameterError,
    ParameterTypeError,
    StatmechError,
)
from statmech.perceptron import sampling
from statmech.perceptron.chains import run_bytes
from statmech.perceptron.examples import (
    Examples,
    correlated_weights,
    random_examples,
    teacher_examples,
)
from statmech.perceptron.sampling import anneal, extend, sample
from statmech.perceptron.trace import WeightTrace

NAMES = ("errors", "teacher_overlap", "q", "acceptance")
ENDS = ("weights", "mean_weights", "temperature")


def assert_same(a, b, names=NAMES + ENDS):
    for name in names:
        found, wanted = getattr(a, name), getattr(b, name)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


# The law ---------------------------------------------------------------------------

# N, P, the likeliest state over the rarest, seed, kappa; dynamics, order.
LAWS = [
    ((5, 12, 30.0, 1, 0.0), "metropolis", "random"),
    ((5, 600, 50.0, 2, 0.0), "heat-bath", "sequential"),
    ((9, 1100, 50.0, 3, 0.0), "heat-bath", "random"),
    ((9, 20, 20.0, 5, -0.4), "metropolis", "permutation"),
    ((9, 700, 50.0, 4, 0.4), "metropolis", "random"),
]
_TARGETS = {}


def target(case):
    if case not in _TARGETS:
        _TARGETS[case] = Target(*case)
    return _TARGETS[case]


@pytest.mark.parametrize(("case", "dynamics", "order"), LAWS)
def test_weights_follow_the_boltzmann_law(case, dynamics, order):
    """Chi-square of all states, two seeds of 2e5 draws: false-alarm rate 1.2e-3."""
    aim = target(case)
    aim.tau(dynamics)
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(lambda seed: histogram(aim, seed, dynamics, order), (11, 12))
        p = [p_value(one, aim.law) for one in counts]
    assert min(p) > 1e-4, p
    assert combine_pvalues(p, method="fisher").pvalue > 1e-3, p


@pytest.mark.nightly
@pytest.mark.parametrize("order", SCANS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("case", [(11, 30, 100.0, 7, 0.0), (7, 1100, 20.0, 8, 0.3)])
def test_weights_follow_the_boltzmann_law_in_full(case, dynamics, order):
    """Four seeds: false-alarm rate 1.4e-3 a case."""
    aim = target(case)
    p = [p_value(histogram(aim, s, dynamics, order), aim.law) for s in range(21, 25)]
    assert min(p) > 1e-4, p
    assert combine_pvalues(p, method="fisher").pvalue > 1e-3, p


@pytest.mark.parametrize("case", [0, 1])
def test_a_wrong_temperature_is_seen(case):
    """Control: T 5 % off."""
    case, dynamics, order = LAWS[case]
    aim = target(case)
    assert p_value(histogram(aim, 31, dynamics, order, 1.05), aim.law) < 1e-6


@pytest.mark.parametrize("bug", ["", "stale", "sign"])
@pytest.mark.parametrize("case", [LAWS[0][0], LAWS[4][0]])
def test_a_wrong_update_is_seen(case, bug):
    """Controls: masks stale by one flip; the second count added, not taken away.

    Chains start in the Boltzmann law itself and leave it if and only if there is a
    bug. Without one: p > 1e-4.
    """
    aim = target(case)
    draw = np.random.default_rng(41)
    start = draw.choice(len(aim.law), size=200_000, p=aim.law)
    n_trials = math.ceil(aim.tau("metropolis")) * aim.examples.n_weights
    end = aim.wander(start, n_trials, draw, bug)
    p = p_value(np.bincount(end, minlength=len(aim.law)), aim.law)
    assert p < 1e-6 if bug else p > 1e-4, p


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_means_of_the_trace(dynamics):
    """<E>, <R>, <q>, mean weights at N = 15 against the sum over all states.

    Means of 32 chains, of 16 pairs for q, from random starts; the largest |t| of 18
    numbers of 31 or 15 degrees of freedom: false-alarm rate 1e-4.
    """
    n, p, n_chains = 15, 25, 32
    examples = examples_of(n, p)
    temperature = 0.8
    states = reference.states(n)
    energy = energies(examples, states)
    law = np.exp(-(energy - energy.min()) / temperature)
    law /= law.sum()
    means = law @ states
    trace = sample(
        examples, temperature, n_sweeps=6000, n_chains=n_chains, dynamics=dynamics
    )
    pairs = [
        (trace.errors.mean(axis=1), law @ energy),
        (trace.teacher_overlap.mean(axis=1), means @ examples.teacher / n),
        (trace.q.mean(axis=1), means @ means / n),
    ]
    pairs += list(zip(trace.mean_weights.T, means, strict=True))
    for values, exact in pairs:
        limit = t.isf(0.5e-4 / len(pairs), values.size - 1)
        error = values.std(ddof=1) / math.sqrt(values.size)
        assert abs(values.mean() - exact) < limit * error
    # Control: the square of a time average of the weights is biased.
    first = trace.mean_weights[::2]
    short = sample(
        examples, temperature, n_sweeps=20, n_chains=n_chains, dynamics=dynamics
    ).mean_weights
    values = (short**2).mean(axis=1)
    error = values.std(ddof=1) / math.sqrt(values.size)
    assert values.mean() - means @ means / n > 4.0 * error
    assert first.shape == (n_chains // 2, n)


# Limits ----------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [0.0, 0.3])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_infinite_temperature(dynamics, kappa):
    """Weights independent of the examples: <E> = P Prob(s < s0), <R> = <q> = 0.

    From random starts the state is uniform at all times. |z| < 4.5 of means over
    independent chains, eight numbers: false-alarm rate 5e-5.
    """
    n, p = 101, 150
    examples = examples_of(n, p)
    trace = sample(
        examples, INF, n_sweeps=20, n_chains=400, dynamics=dynamics, kappa=kappa
    )
    if dynamics == "metropolis":
        assert (trace.acceptance == 1.0).all()
    else:
        assert abs(trace.acceptance.mean() - 0.5) < 4.5 * 0.5 / math.sqrt(
            20 * 400 * 101
        )
    k = np.arange(n + 1)
    binomial = np.array([math.comb(n, j) / 2.0**n for j in k])
    below = binomial[2 * k - n < kappa * math.sqrt(n)].sum()
    for values, exact in (
        (trace.errors.mean(axis=1), p * below),
        (trace.teacher_overlap.mean(axis=1), 0.0),
        (trace.q.mean(axis=1), 0.0),
    ):
        error = values.std(ddof=1) / math.sqrt(values.size)
        assert abs(values.mean() - exact) < 4.5 * error
    # R of one state has variance 1 / N.
    spread = (trace.teacher_overlap[:, -1] ** 2).mean() * n
    assert abs(spread - 1.0) < 4.5 * math.sqrt(2.0 / 400)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_teacher_at_zero_temperature(dynamics):
    """Solutions alone, and more than one of them."""
    examples = examples_of(201, 60)
    trace = sample(examples, 0.0, initial="teacher", n_sweeps=500, dynamics=dynamics)
    assert (trace.errors == 0).all()
    assert (energies(examples, trace.weights) == 0).all()
    assert (trace.teacher_overlap[:, -1] < 0.9).all()
    assert (trace.acceptance.mean(axis=1) > 0.01).all()


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_solutions_are_uniform_at_zero_temperature(dynamics):
    """Over those that single flips connect with the teacher; p > 1e-4, two cases."""
    n, n_chains = 9, 6000
    examples = examples_of(n, 4, seed=3)
    solutions = energies(examples, reference.states(n)) == 0
    start = int(reference.codes(examples.teacher[None, :])[0])
    reached, new = {start}, [start]
    while new:
        near = {c ^ (1 << i) for c in new for i in range(n)}
        new = [c for c in near - reached if solutions[c]]
        reached.update(new)
    assert 20 < len(reached) < solutions.sum()
    trace = sample(
        examples,
        0.0,
        initial="teacher",
        n_sweeps=1,
        n_burn_in=60,
        n_chains=n_chains,
        dynamics=dynamics,
    )
    counts = np.bincount(reference.codes(trace.weights), minlength=2**n)
    law = np.zeros(2**n)
    law[sorted(reached)] = 1.0 / len(reached)
    assert counts[law == 0.0].sum() == 0
    assert p_value(counts[law > 0.0], law[law > 0.0]) > 1e-4


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_zero_temperature_never_climbs(dynamics):
    examples = examples_of(101, 100, taught=False)
    trace = sample(examples, 0.0, n_sweeps=300, n_burn_in=0, dynamics=dynamics)
    assert (np.diff(trace.errors, axis=1) <= 0).all()
    assert (trace.errors[:, -1] < trace.errors[:, 0]).all()


# Symmetries ------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_gauge_and_permutation_of_patterns(dynamics):
    """x_i -> g_i x_i, J_i -> g_i J_i, and patterns in any order: the same moves."""
    n, p = 101, 600
    examples = examples_of(n, p)
    g = random_weights(n, 5)
    places = np.random.default_rng(6).permutation(p)
    gauged = Examples(examples.inputs * g, examples.labels, examples.teacher * g)
    moved = Examples(examples.inputs[places], examples.labels[places], examples.teacher)
    turned = Examples(-examples.inputs, -examples.labels, examples.teacher)
    start = random_weights((2, n), 7)
    how = {"n_sweeps": 200, "dynamics": dynamics, "seed": 8}
    wanted = sample(examples, 8.0, initial=start, **how)
    assert wanted.acceptance.mean() > 0.01
    assert_same(sample(moved, 8.0, initial=start, **how), wanted)
    assert_same(sample(turned, 8.0, initial=start, **how), wanted)
    found = sample(gauged, 8.0, initial=start * g, **how)
    assert_same(found, wanted, NAMES)
    np.testing.assert_array_equal(found.weights * g, wanted.weights)
    np.testing.assert_array_equal(found.mean_weights * g, wanted.mean_weights)


# Determinism -----------------------------------------------------------------------


def test_threads_and_chains_do_not_matter():
    examples = examples_of(65, 100)
    runs = [
        sample(examples, 0.7, n_sweeps=50, n_chains=7, n_threads=k) for k in (1, 2, 3)
    ]
    for run in runs[1:]:
        assert_same(run, runs[0])
    few = sample(examples, 0.7, n_sweeps=50, n_chains=4)
    np.testing.assert_array_equal(few.errors, runs[0].errors[:4])
    np.testing.assert_array_equal(few.q, runs[0].q[:2])
    other = sample(examples, 0.7, n_sweeps=50, n_chains=7, seed=1)
    assert (other.errors != runs[0].errors).any()
    schedule = np.geomspace(3.0, 0.2, 9)
    ends = [anneal(examples, schedule, n_chains=5, n_threads=k) for k in (1, 2)]
    assert_same(*ends)


@pytest.mark.parametrize("order", SCANS)
@pytest.mark.parametrize("bits", [24, 53])
def test_a_run_in_parts_is_one_run(order, bits):
    """Two parts, and three, against one run, bit for bit, the state included."""
    examples = examples_of(65, 100)
    for dynamics, thin in (("metropolis", 3), ("heat-bath", 1)):
        how = {"dynamics": dynamics, "order": order, "uniform_bits": bits}
        how |= {"thin": thin, "n_chains": 3, "kappa": 0.1, "seed": 4}
        whole = sample(examples, 0.7, n_sweeps=90, **how)
        parts = [sample(examples, 0.7, n_sweeps=30, **how)]
        for _ in range(2):
            parts.append(extend(examples, parts[-1], n_sweeps=30))
        for name in NAMES:
            joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
            np.testing.assert_array_equal(joined, getattr(whole, name))
        np.testing.assert_array_equal(parts[-1].weights, whole.weights)
        means = np.mean([part.mean_weights for part in parts], axis=0)
        np.testing.assert_allclose(means, whole.mean_weights, rtol=0, atol=1e-14)
        for name in ("weights", "keys"):
            ends = [getattr(run.state, name) for run in (parts[-1], whole)]
            np.testing.assert_array_equal(*ends)
        assert parts[-1].state.clock == whole.state.clock == 190 * 65
        assert parts[-1].settings["n_sweeps_done"] == 190
        assert parts[-1].settings["n_burn_in"] == 160
        again = extend(examples, parts[0], n_sweeps=30)
        assert_same(again, parts[1])


def test_long_thinning_and_checks():
    """Draws further apart than the sweeps between two checks; the same moves."""
    examples = examples_of(7, 9)
    fine = sample(examples, 0.7, n_sweeps=4600, n_burn_in=0)
    coarse = sample(examples, 0.7, n_sweeps=4600, n_burn_in=0, thin=2300)
    np.testing.assert_array_equal(coarse.errors, fine.errors[:, 2299::2300])
    # Counts of flips, the same whether they are taken together or apart.
    mean = fine.acceptance[:, 2300:].mean(axis=1)
    np.testing.assert_allclose(coarse.acceptance[:, 1], mean, rtol=1e-12)


def test_annealing_at_one_temperature_is_sampling():
    examples = examples_of(65, 100)
    one = anneal(examples, [0.7] * 5, sweeps_per_temperature=4, kappa=0.1, seed=3)
    other = sample(examples, 0.7, n_sweeps=20, n_burn_in=0, thin=4, kappa=0.1, seed=3)
    assert_same(one, other)
    assert one.state is None


def test_annealing_finds_solutions():
    """A load of 0.3, far below where learning is hard at N = 201."""
    examples = examples_of(201, 60, taught=False)
    trace = anneal(examples, np.geomspace(3.0, 0.05, 40), sweeps_per_temperature=50)
    assert (trace.errors[:, -1] == 0).all()
    assert (energies(examples, trace.weights) == 0).all()


# The trace -------------------------------------------------------------------------


def test_trace_holds_what_it_says():
    examples = examples_of(65, 100)
    trace = sample(examples, 0.7, n_sweeps=40, n_chains=5, thin=4, path=(2, 3))
    assert isinstance(trace, WeightTrace)
    assert trace.errors.shape == trace.acceptance.shape == (5, 10)
    assert trace.errors.dtype == np.int64
    assert trace.q.shape == (2, 10)
    assert trace.temperature.shape == (10,)
    np.testing.assert_array_equal(trace.training_errors, trace.errors / 65)
    last = trace.weights.astype(float)
    np.testing.assert_array_equal(trace.errors[:, -1], energies(examples, last))
    np.testing.assert_array_equal(
        trace.teacher_overlap[:, -1], last @ examples.teacher / 65
    )
    np.testing.assert_array_equal(trace.q[0, -1], last[0] @ last[1] / 65)
    single = sample(examples, 0.7, n_sweeps=1, n_chains=2)
    np.testing.assert_array_equal(single.mean_weights, single.weights)
    for name, value in (
        ("temperature", 0.7),
        ("dynamics", "metropolis"),
        ("order", "random"),
        ("uniform_bits", 24),
        ("n_sweeps", 40),
        ("n_burn_in", 100),
        ("n_sweeps_done", 140),
        ("thin", 4),
        ("path", (2, 3)),
        ("initial", "random"),
        ("kappa", 0.0),
        ("n_weights", 65),
        ("n_patterns", 100),
    ):
        assert trace.settings[name] == value, name
    with pytest.raises(ValueError, match="read-only"):
        trace.state.weights[0, 0] = 1


def test_overlap_with_any_teacher():
    """Spherical, binary of another size, none."""
    start = random_weights(31, 1)
    spherical = teacher_examples(31, 20, 1, weights="spherical")
    trace = sample(spherical, 0.5, n_sweeps=30, n_chains=1, initial=start)
    wanted = spherical.teacher_overlap(trace.weights[0])
    assert trace.teacher_overlap[0, -1] == pytest.approx(wanted, rel=1e-14)
    binary = teacher_examples(31, 20, 1)
    scaled = Examples(binary.inputs, binary.labels, 0.3 * binary.teacher)
    runs = [sample(e, 0.5, n_sweeps=30, initial=start) for e in (binary, scaled)]
    assert_same(*runs)
    none = sample(random_examples(31, 20, 1), 0.5, n_sweeps=5, n_chains=1)
    assert np.isnan(none.teacher_overlap).all()
    assert none.teacher_overlap.shape == none.errors.shape
    assert none.q.shape == (0, 5)


def test_starts():
    examples = examples_of(65, 30)
    for initial in (examples.teacher, np.tile(examples.teacher, (3, 1)), "teacher"):
        trace = sample(
            examples, 0.0, initial=initial, n_sweeps=1, n_burn_in=0, n_chains=3
        )
        assert (trace.errors == 0).all()
        assert (trace.teacher_overlap > 0.4).all()
    near = correlated_weights(examples.teacher, 0.6, seed=1)
    kept = near.copy()
    sample(examples, 1.0, initial=near, n_sweeps=3)
    np.testing.assert_array_equal(near, kept)
    random = sample(examples, 1.0, n_sweeps=1, n_burn_in=0, n_chains=3)
    assert len({row.tobytes() for row in random.weights}) == 3


# Bad input -------------------------------------------------------------------------

ODD = examples_of(15, 8)
BAD = [
    ("examples", None, ParameterTypeError),
    ("examples", np.ones((3, 3)), ParameterTypeError),
    ("examples", random_examples(15, 8, 1, inputs="gaussian"), ParameterError),
    ("n_weights", random_examples(14, 8, 1), ParameterError),
    ("temperature", -1.0, ParameterError),
    ("temperature", math.nan, ParameterError),
    ("temperature", "1", ParameterTypeError),
    ("temperature", 1j, ParameterTypeError),
    ("temperature", True, ParameterTypeError),
    ("temperature", np.ones(2), ParameterTypeError),
    *(
        (name, value, error)
        for name in ("n_sweeps", "n_chains", "thin")
        for value, error in (
            (0, ParameterError),
            (-1, ParameterError),
            (10**20, ParameterError),
            (1.5, ParameterTypeError),
            ("3", ParameterTypeError),
            (True, ParameterTypeError),
            (None, ParameterTypeError),
        )
    ),
    ("thin", 31, ParameterError),
    ("n_burn_in", -1, ParameterError),
    ("n_burn_in", 2.0, ParameterTypeError),
    ("seed", -1, ParameterError),
    ("seed", 0.5, ParameterTypeError),
    ("path", 3, ParameterTypeError),
    ("path", (-1,), ParameterError),
    ("path", "12", ParameterTypeError),
    ("kappa", 4.0, ParameterError),
    ("kappa", -4.0, ParameterError),
    ("kappa", math.nan, ParameterError),
    ("kappa", INF, ParameterError),
    ("kappa", "0", ParameterTypeError),
    ("dynamics", "glauber", ParameterError),
    ("dynamics", 0, ParameterTypeError),
    ("order", "parallel", ParameterError),
    ("uniform_bits", 32, ParameterError),
    ("uniform_bits", 24.0, ParameterTypeError),
    ("n_threads", 0, ParameterError),
    ("n_threads", 1.5, ParameterTypeError),
    ("initial", "pattern", ParameterError),
    ("initial", np.ones(14), ParameterError),
    ("initial", np.ones((3, 15)), ParameterError),
    ("initial", np.zeros(15), ParameterError),
    ("initial", np.full(15, math.nan), ParameterError),
    ("initial", np.ones(15, dtype=complex), ParameterTypeError),
    ("initial", np.ones(15, dtype=bool), ParameterTypeError),
    ("initial", [[1, 1], [1]], ParameterTypeError),
    ("initial", None, ParameterTypeError),
]


@pytest.mark.parametrize(("name", "value", "error"), BAD)
def test_bad_input_is_refused(monkeypatch, name, value, error):
    """By name, before any update is made."""
    monkeypatch.setattr(sampling.Group, "advance", None)
    examples, temperature, more = ODD, 1.0, {"n_sweeps": 30}
    if name in ("examples", "n_weights"):
        examples = value
    elif name == "temperature":
        temperature = value
    else:
        more[name] = value
    with pytest.raises(error, match=name):
        sample(examples, temperature, **more)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("temperatures", [], ParameterError),
        ("temperatures", [1.0, -1.0], ParameterError),
        ("temperatures", [1.0, math.nan], ParameterError),
        ("temperatures", 1.0, ParameterError),
        ("temperatures", ["a"], ParameterTypeError),
        ("sweeps_per_temperature", 0, ParameterError),
        ("sweeps_per_temperature", 1.0, ParameterTypeError),
    ],
)
def test_bad_schedules_are_refused(name, value, error):
    with pytest.raises(error, match=name):
        anneal(ODD, **{"temperatures": [1.0], name: value})


def test_what_cannot_go_on_is_refused():
    trace = sample(ODD, 1.0, n_sweeps=30, thin=3)
    with pytest.raises(ParameterError, match="examples"):
        extend(examples_of(15, 9), trace)
    with pytest.raises(ParameterError, match="examples"):
        extend(Examples(ODD.inputs, ODD.labels), trace)
    with pytest.raises(ParameterError, match="without state"):
        extend(ODD, anneal(ODD, [1.0]))
    with pytest.raises(ParameterTypeError, match="run"):
        extend(ODD, None)
    with pytest.raises(ParameterError, match="n_sweeps"):
        extend(ODD, trace, n_sweeps=2)
    with pytest.raises(ParameterError, match="binary teacher"):
        sample(random_examples(15, 8, 1), 1.0, initial="teacher")
    spherical = teacher_examples(15, 8, 1, weights="spherical")
    with pytest.raises(ParameterError, match="binary teacher"):
        sample(spherical, 1.0, initial="teacher")


def test_what_does_not_fit_is_refused():
    """In no time, with one setting that fits."""
    for more, named in (
        ({"n_sweeps": 10**12}, "n_sweeps = "),
        ({"n_chains": 2**31 - 1}, "n_chains = "),
    ):
        begin = time.perf_counter()
        with pytest.raises(MemoryLimitError, match=named):
            sample(ODD, 1.0, **more)
        assert time.perf_counter() - begin < 1.0


@pytest.mark.parametrize(
    ("n", "p", "n_chains", "n_draws"),
    [(1001, 30_000, 2, 10), (501, 300, 1000, 50), (15, 20, 40, 20_000)],
)
def test_predicted_memory(n, p, n_chains, n_draws):
    """What is predicted is 0.8 to 1.5 times the peak of what is allocated."""
    examples = examples_of(n, p, taught=False)
    sample(ODD, 1.0, n_sweeps=1)  # compiles
    tracemalloc.start()
    try:
        sample(examples, 1.0, n_sweeps=n_draws, n_burn_in=0, n_chains=n_chains)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    wanted = run_bytes(p, n, n_chains=n_chains, n_draws=n_draws, kappa=0.0)
    assert 0.8 < wanted / peak < 1.5, (wanted, peak)


def test_corruption_ends_a_run(monkeypatch):
    """The check at the end of a call."""
    monkeypatch.setattr(
        "statmech.perceptron.chains.consistent", lambda examples, chains: False
    )
    with pytest.raises(StatmechError, match="not those of its weights"):
        sample(ODD, 1.0, n_sweeps=2)
    with pytest.raises(StatmechError, match="not those of its weights"):
        anneal(ODD, [1.0])
