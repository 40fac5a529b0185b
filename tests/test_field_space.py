"""Chains of magnetisations: ln Phi, moves against a twin, invariances, input.

Seeds are fixed; the false-alarm rates quoted are those of a fresh seed.
"""

import dataclasses
import math
import time

import numpy as np
import pytest
from field_space_reference import Measure, divergence, loss
from scipy.special import log_ndtr
from scipy.stats import t as student

from statmech.chains import NOISE
from statmech.continual.field_chains import (
    Group,
    initial_fields,
    task_of,
    teachers_of,
)
from statmech.continual.field_space import sample_field_space, sample_two_tasks
from statmech.continual.field_trace import OBSERVABLES, FieldTrace
from statmech.continual.tasks import draw_tasks
from statmech.errors import (
    MemoryLimitError,
    ParameterError,
    ParameterTypeError,
    StatmechError,
)
from statmech.kernels.field_space import (
    DRIFT,
    HIGH,
    LOW,
    REFRESH,
    advance,
    log_cdf_left,
    log_cdf_table,
    loss_of,
)
from statmech.perceptron.examples import Examples, random_examples, teacher_examples
from statmech.rng import SECOND_WORD, stream_keys, uniform53_of, word
from statmech.stats import estimate

ARRAYS = (
    *("r", "p", "q_star", "q", "loss", "divergence", "other_overlaps"),
    *("other_sign_overlaps", "acceptance", "step_width", "m"),
)
TASKS = draw_tasks(31, [20, 30], 0.5, seed=3)
M1 = np.random.default_rng(5).uniform(-0.9, 0.9, 31)
SHORT = {"n_sweeps": 40, "n_burn_in": 40}


def assert_same(a, b, names=ARRAYS):
    for name in names:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


# ln Phi ------------------------------------------------------------------------------


def log_cdf(u):
    """What the kernel adds for one pattern of argument u."""
    table, row, rest = log_cdf_table(), np.empty(1, np.int32), np.empty(1)
    one, at = np.ones(1, dtype=np.int8), np.empty(1)
    found = np.empty(u.size)
    for k, x in enumerate(u):
        at[0] = x
        found[k] = -loss_of(at, one, 0.0, 1.0, table, row, rest)
    return found


def test_log_cdf():
    """ln Phi to 4e-11, absolute, and to 1e-14 of its size on the far left.

    The bound of cubic interpolation, h**4 max|f''''| / 384 = 2.7e-11 with h = 1/64 and
    |f''''| < 0.18, and rounding; where |ln Phi| is large, 1e-15 of it.
    """
    inside = np.random.default_rng(1).uniform(LOW - 1.0, HIGH + 1.0, 40_000)
    nodes = LOW + np.arange(int((HIGH - LOW) * 64) + 1) / 64
    edges = [np.nextafter(edge, edge + s) for edge in (LOW, HIGH) for s in (-1, 0, 1)]
    u = np.concatenate([inside, nodes, edges])
    error = np.abs(log_cdf(u) - log_ndtr(u))
    assert (error < 4e-11 + 4e-15 * np.abs(log_ndtr(u))).all(), error.max()
    far = -np.geomspace(-LOW, 1e8, 2000)
    np.testing.assert_allclose(log_cdf(far), log_ndtr(far), rtol=1e-14)
    assert (log_cdf(np.geomspace(HIGH, 1e8, 100)) == 0.0).all()


def test_a_coarser_table_is_seen():
    """Control: straight lines between the nodes are off by 1e-5."""
    u = np.random.default_rng(2).uniform(-5.0, 5.0, 2000)
    nodes = LOW + np.arange(int((HIGH - LOW) * 64) + 1) / 64
    straight = np.interp(u, nodes, log_ndtr(nodes))
    assert np.abs(straight - log_ndtr(u)).max() > 1e-6


def test_loss_of_any_number_of_patterns():
    """Sums over P patterns, the far left among them, about one that is not moved."""
    draw = np.random.default_rng(3)
    for p in (1, 2, 3, 8, 9, 50):
        fields = 3.0 * draw.standard_normal(p)
        fields[draw.integers(p)] = -30.0
        column = (2 * draw.integers(0, 2, p) - 1).astype(np.int8)
        scratch = np.empty(p, np.int32), np.empty(p)
        found = loss_of(fields, column, 0.3, 2.0, log_cdf_table(), *scratch)
        wanted = -log_ndtr((fields + 0.3 * column) * 2.0).sum()
        assert abs(found - wanted) < p * 4e-11 + 1e-14 * wanted


def test_log_cdf_left_joins_the_table():
    assert abs(log_cdf_left(LOW) - log_ndtr(LOW)) < 1e-12


# The moves ---------------------------------------------------------------------------


def two_uniforms(keys, trial):
    """(step, coin) of each chain."""
    at = np.uint64(trial)
    words = [[word(key, at), word(key, SECOND_WORD + at)] for key in keys]
    return np.array([[uniform53_of(np.uint64(w)) for w in pair] for pair in words]).T


@pytest.mark.parametrize(
    ("n", "p", "beta", "gamma"),
    [(1, 1, 2.0, 0.0), (7, 3, 5.0, 0.7), (31, 20, 1.0, 0.0), (31, 41, 20.0, 0.1)],
)
def test_moves_are_those_of_the_twin(n, p, beta, gamma):
    """The same stream gives the same m, bit for bit, over a refresh, and its numbers.

    A decision would differ where the coin is within 1e-9 of the weight: once in about
    1e9 trials / P.
    """
    examples = random_examples(n, p, seed=n + p)
    m1 = np.random.default_rng(n).uniform(-0.9, 0.9, n)
    n_sweeps, width, seed = REFRESH + 5, 0.8, 11
    trace = sample_field_space(
        examples,
        beta,
        gamma=gamma,
        reference=m1,
        n_sweeps=n_sweeps,
        n_burn_in=0,
        step_width=width,
        seed=seed,
        others=[m1],
    )
    twin = Measure(examples.aligned, beta, gamma, m1)
    m = initial_fields(examples, 2, "random", None, seed, ())
    keys = stream_keys(seed, (NOISE,), 2)
    for sweep in range(n_sweeps):
        accepted = np.zeros(2)
        for i in range(n):
            step, coin = two_uniforms(keys, sweep * n + i)
            accepted += twin.trial(m, i, width, step, coin)
        np.testing.assert_array_equal(trace.acceptance[:, sweep], accepted / n)
    np.testing.assert_array_equal(trace.m, m)
    # What is measured on the last state.
    unit = m1 * math.sqrt(n) / np.linalg.norm(m1)
    for found, wanted in [
        (trace.q_star[:, -1], (m * m).mean(axis=1)),
        (trace.loss[:, -1], loss(m, twin.rows) / p),
        (trace.divergence[:, -1], divergence(m, m1) / n),
        (trace.t[:, -1], m @ unit / n),
        (trace.p1[:, -1], np.sign(m) @ unit / n),
        (trace.q[:, -1], [m[0] @ m[1] / n]),
    ]:
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bug", ["variance", "clip", "beta twice", "divergence"])
def test_a_twin_with_a_bug_makes_other_moves(bug):
    """Control of the comparison above."""
    examples = random_examples(7, 3, seed=10)
    m1 = np.random.default_rng(7).uniform(-0.9, 0.9, 7)
    options = {"reference": m1, "n_burn_in": 0, "step_width": 0.8, "seed": 11}
    trace = sample_field_space(examples, 5.0, gamma=0.7, n_sweeps=20, **options)
    twin = Measure(examples.aligned, 5.0, 0.7, m1, bug)
    m = initial_fields(examples, 2, "random", None, 11, ())
    keys = stream_keys(11, (NOISE,), 2)
    for at in range(140):
        twin.trial(m, at % 7, 0.8, *two_uniforms(keys, at))
    assert not np.allclose(trace.m, m)


def group_of(seed=1):
    """Two chains on a task with a reference."""
    examples = teacher_examples(21, 15, seed=1)
    m1 = np.zeros(21)
    task = task_of(examples, 2.0, 0.5, m1, teachers_of(examples, ()))
    start = initial_fields(examples, 2, "random", None, seed, ())
    return Group(task, start, stream_keys(seed, (NOISE,), 2), 0.5)


def test_fields_that_drifted_are_an_error():
    """At the next refresh, and at the end; a drift below the bound is mended."""
    group = group_of()
    group.advance(0, REFRESH // 2, 1, group.record(0))
    group.check()
    group.chains.fields[1, 3] += 0.01 * DRIFT
    group.check()
    group.chains.fields[1, 3] += 1e-6
    with pytest.raises(StatmechError, match="not those of its magnetisations"):
        group.check()
    group.chains.squares[0] += 1e-6
    with pytest.raises(StatmechError):
        group.advance(0, REFRESH + 1, 1, group.record(0))


def test_rounding_does_not_drift():
    """Fields kept over 200 sweeps of N = 201 are right to 1e-13 sqrt(N)."""
    examples = teacher_examples(201, 40, seed=1)
    task = task_of(examples, 5.0, 0.0, None, teachers_of(examples, ()))
    start = initial_fields(examples, 2, "random", None, 1, ())
    group = Group(task, start, stream_keys(1, (NOISE,), 2), 1.0)
    assert advance(task, group.chains, 0, REFRESH, 1, group.record(0))
    c = group.chains
    kept = c.m @ task.columns / math.sqrt(201)
    assert np.abs(kept - c.fields).max() < 1e-13 * math.sqrt(201)
    np.testing.assert_allclose((c.m**2).sum(axis=1), c.squares, rtol=1e-12)


# Invariances -------------------------------------------------------------------------


def test_runs_repeat_whatever_the_threads_and_the_number_of_chains():
    options = {"gamma": 0.5, "reference": M1, "others": [M1], "seed": 4, **SHORT}
    one = sample_field_space(TASKS[1], 2.0, n_chains=5, n_threads=1, **options)
    assert_same(one, sample_field_space(TASKS[1], 2.0, n_chains=5, **options))
    two = sample_field_space(TASKS[1], 2.0, n_chains=5, n_threads=3, **options)
    assert_same(one, two)
    few = sample_field_space(TASKS[1], 2.0, n_chains=2, **options)
    np.testing.assert_array_equal(few.m, one.m[:2])
    np.testing.assert_array_equal(few.q, one.q[:1])
    assert not np.array_equal(one.m[0], one.m[1])
    for change in ({"seed": 5}, {"path": (1,)}):
        other = sample_field_space(TASKS[1], 2.0, **(options | change))
        assert not np.array_equal(other.m, few.m)


def test_patterns_may_change_their_sign_with_their_label():
    """(x, y) and (-x, -y) are one example: the runs are equal bit for bit."""
    e = TASKS[1]
    turned = Examples(-e.inputs, -e.labels, e.teacher)
    assert_same(
        sample_field_space(e, 2.0, seed=1, **SHORT),
        sample_field_space(turned, 2.0, seed=1, **SHORT),
        ("m", "r", "loss", "q"),
    )


def gauge_excess(examples, turned, m1, turned_m1):
    """Largest |t| over its bound at 1e-4 of the chain means of r, p, q*, KL, loss."""
    options = {"gamma": 0.3, "n_chains": 24, "n_sweeps": 400, "n_burn_in": 100}
    a = sample_field_space(examples, 2.0, reference=m1, **options)
    b = sample_field_space(turned, 2.0, reference=turned_m1, seed=1, **options)
    worst = 0.0
    for name in ("r", "p", "q_star", "divergence", "loss"):
        x, y = (getattr(run, name).mean(axis=1) for run in (a, b))
        error = math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / x.size)
        worst = max(worst, abs(x.mean() - y.mean()) / error)
    return worst / student.isf(0.5e-4 / 5, 23)


def test_gauge():
    """x W, 1 and m W have the law of x, W and m: false-alarm rate below 1e-4.

    Control: the reference is not turned with the rest.
    """
    e = TASKS[0]
    turned = Examples(e.inputs * e.teacher.astype(int), e.labels, np.ones(31))
    assert gauge_excess(e, turned, M1, M1 * e.teacher) < 1.0
    assert gauge_excess(e, turned, M1, M1) > 1.0


def test_chains_from_different_starts_agree():
    """Split R-hat below 1.05 of chains from random, the teacher and sign-turned."""
    e = teacher_examples(101, 101, seed=2)
    runs = [
        sample_field_space(e, 2.0, initial=start, n_sweeps=1500, seed=k, n_chains=2)
        for k, start in enumerate(("random", "teacher", -e.teacher))
    ]
    for name in ("r", "q_star", "loss", "p"):
        found = estimate(np.concatenate([getattr(run, name) for run in runs]))
        assert found.rhat < 1.05, (name, found)


# The step width ----------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "p"), [(5.0, 101), (20.0, 51)])
def test_tuned_acceptance(beta, p):
    """Between 40 and 50 % from any of these starts, and not tuned after the burn-in."""
    e = teacher_examples(101, p, seed=3)
    trace = sample_field_space(e, beta, n_sweeps=300, n_burn_in=600, seed=3)
    assert (np.abs(trace.acceptance.mean(axis=1) - 0.45) < 0.05).all()
    again = sample_field_space(e, beta, n_sweeps=100, n_burn_in=600, seed=3)
    np.testing.assert_array_equal(again.step_width, trace.step_width)
    np.testing.assert_array_equal(again.loss, trace.loss[:, :100])


def test_widest_step_where_everything_is_accepted():
    trace = sample_field_space(TASKS[0], 0.0, **SHORT)
    assert (trace.step_width == 2.0).all()
    assert (trace.acceptance == 1.0).all()


# Starts, shapes, two tasks -----------------------------------------------------------


def test_starts():
    n, e = 31, TASKS[1]
    frozen = {"n_sweeps": 1, "n_burn_in": 0, "step_width": 1e-12, "reference": M1}
    own = np.random.default_rng(1).uniform(-1, 1, (3, n))
    for start, wanted in [
        ("teacher", e.teacher),
        ("reference", M1),
        (own[0], own[0]),
        (own, own),
        (list(own[0]), own[0]),
    ]:
        run = sample_field_space(e, 1.0, initial=start, n_chains=3, **frozen)
        assert np.abs(run.m - wanted).max() < 1e-11
        assert run.m.flags.c_contiguous  # another order would be compiled for anew
        assert run.settings["initial"] == (start if isinstance(start, str) else "array")
    random = sample_field_space(e, 1.0, n_chains=3, **frozen).m
    assert len(np.unique(random)) == random.size
    # From a corner D = 0: the floor keeps u finite, and the chain leaves.
    run = sample_field_space(e, 1.0, initial=-e.teacher, n_burn_in=0, step_width=1.0)
    assert np.isfinite(run.loss).all()
    assert run.q_star[:, -1].max() < 0.7


def test_shapes_and_observables():
    e = random_examples(31, 20, seed=1)
    run = sample_field_space(e, 1.0, n_chains=3, n_sweeps=20, thin=4, n_burn_in=20)
    assert isinstance(run, FieldTrace)
    assert run.r.shape == run.loss.shape == run.divergence.shape == (3, 5)
    assert np.isnan(run.r).all()
    assert np.isnan(run.p).all()
    assert np.isnan(run.divergence).all()
    assert run.q.shape == (1, 5)
    assert run.m.shape == (3, 31)
    assert run.reference is None
    assert run.other_overlaps.shape == (0, 3, 5)
    for name in ("t", "p1"):
        with pytest.raises(ParameterError, match="others"):
            run.observable(name)
    for name in ("q_star", "loss", "acceptance", "q"):
        assert run.observable(name) is getattr(run, name)
    single = sample_field_space(e, 1.0, n_chains=1, **SHORT)
    with pytest.raises(ParameterError, match="n_chains"):
        single.observable("q")
    with pytest.raises(ParameterError):
        run.observable("energy")
    assert {field.name for field in dataclasses.fields(FieldTrace)} >= {
        name for name in OBSERVABLES if name not in ("t", "p1")
    }
    # Thinned draws are those of the full run.
    full = sample_field_space(e, 1.0, n_chains=3, n_sweeps=20, n_burn_in=20)
    np.testing.assert_array_equal(run.loss, full.loss[:, 3::4])


def test_two_tasks_are_nested_runs():
    """m1 is the end of a chain on the first task; the rest is the plain sampler."""
    runs = sample_two_tasks(
        TASKS, 2.0, 0.7, n_references=2, n_first=60, seed=8, path=(3,), **SHORT
    )
    before = sample_field_space(
        TASKS[0],
        2.0,
        n_sweeps=30,
        n_burn_in=30,
        n_chains=2,
        seed=8,
        path=(3, 0),
    )
    assert len(runs) == 2
    for k, run in enumerate(runs):
        np.testing.assert_array_equal(run.reference, before.m[k])
        again = sample_field_space(
            TASKS[1],
            2.0,
            gamma=0.7,
            reference=run.reference,
            others=[TASKS[0].teacher],
            seed=8,
            path=(3, 1, k),
            **SHORT,
        )
        assert_same(run, again)
    np.testing.assert_allclose(
        runs[0].t[:, -1], runs[0].m @ TASKS[0].teacher / 31, atol=1e-12
    )


def test_a_strong_pull_holds_m_at_the_reference():
    """beta gamma = 1e6: KL is quadratic, of mean 1 / (2 beta gamma) a site.

    62 sites of 2000 draws with tau < 8: 5 % are over four standard errors.
    """
    run = sample_field_space(
        TASKS[1],
        1.0,
        gamma=1e6,
        reference=M1,
        initial="reference",
        n_sweeps=2000,
        n_burn_in=600,
    )
    assert np.abs(run.m - M1).max() < 6e-3
    assert abs(run.divergence.mean() * 2e6 - 1.0) < 0.05


# Input -------------------------------------------------------------------------------

BAD = [
    ({"beta": -1.0}, ParameterError),
    ({"beta": math.inf}, ParameterError),
    ({"beta": "1"}, ParameterTypeError),
    ({"gamma": -0.1}, ParameterError),
    ({"gamma": 1.0}, ParameterError),
    ({"beta": 1e200, "gamma": 1e200, "reference": M1}, ParameterError),
    ({"gamma": math.nan}, ParameterError),
    ({"reference": np.ones(31)}, ParameterError),
    ({"reference": np.zeros(30)}, ParameterError),
    ({"reference": "m1"}, ParameterTypeError),
    ({"n_sweeps": 0}, ParameterError),
    ({"n_burn_in": 9}, ParameterError),
    ({"n_burn_in": 1.5}, ParameterTypeError),
    ({"n_chains": 0}, ParameterError),
    ({"initial": "zero"}, ParameterError),
    ({"initial": "reference"}, ParameterError),
    ({"initial": 1.1 * np.ones(31)}, ParameterError),
    ({"initial": np.zeros((3, 31))}, ParameterError),
    ({"initial": [[0.0], [0.0, 1.0]]}, ParameterTypeError),
    ({"others": 3}, ParameterTypeError),
    ({"others": "teacher"}, ParameterTypeError),
    ({"others": [np.zeros(31)]}, ParameterError),
    ({"others": [np.ones(30)]}, ParameterError),
    ({"thin": 0}, ParameterError),
    ({"thin": 10**6}, ParameterError),
    ({"step_width": 0.0}, ParameterError),
    ({"step_width": 2.1}, ParameterError),
    ({"seed": -1}, ParameterError),
    ({"path": "a"}, ParameterTypeError),
    ({"n_threads": 0}, ParameterError),
    ({"examples": np.ones((3, 31))}, ParameterTypeError),
    ({"examples": teacher_examples(31, 5, 1, inputs="gaussian")}, ParameterError),
]


@pytest.mark.parametrize(
    ("change", "error"), BAD, ids=[str(k) for k in range(len(BAD))]
)
def test_bad_input_is_refused(change, error):
    options = {"examples": TASKS[0], "beta": 1.0, **change}
    began = time.perf_counter()
    with pytest.raises(error):
        sample_field_space(options.pop("examples"), options.pop("beta"), **options)
    assert time.perf_counter() - began < 1.0


def test_a_teacher_that_is_not_binary_is_no_start():
    e = teacher_examples(31, 20, 1, weights="spherical")
    run = sample_field_space(e, 1.0, **SHORT)
    unit = e.teacher * math.sqrt(31) / np.linalg.norm(e.teacher)
    np.testing.assert_allclose(run.r[:, -1], run.m @ unit / 31, atol=1e-12)
    with pytest.raises(ParameterError, match="not \\+-1"):
        sample_field_space(e, 1.0, initial="teacher")


@pytest.mark.parametrize(
    ("tasks", "error"),
    [
        (TASKS[0], ParameterTypeError),
        ("ab", ParameterTypeError),
        (TASKS[:1], ParameterError),
        ((TASKS[0], 3), ParameterTypeError),
        ((TASKS[0], teacher_examples(33, 5, 1)), ParameterError),
        ((random_examples(31, 5, 1), TASKS[1]), ParameterError),
    ],
)
def test_bad_tasks_are_refused(tasks, error):
    with pytest.raises(error):
        sample_two_tasks(tasks, 1.0, 0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(MemoryLimitError, match="n_sweeps"):
        sample_field_space(TASKS[0], 1.0, n_sweeps=10**12)
