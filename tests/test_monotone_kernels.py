"""The compiled loops of the mean-field solvers against plain NumPy."""

import numpy as np
import pytest
from boltzmann_cases import low_rank, mixed_states, strong_repulsion, wide_class
from monotone_reference import blocks, random_starts, softmax

from statmech.boltzmann.layout import Layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.kernels.fixed_point import (
    enter,
    lower,
    mix,
    pack,
    pack_relative,
    pair_range,
    project,
    respond,
    unpack,
)
from statmech.mean_field.fixed_point import pose
from statmech.monotone.anderson import Anderson
from statmech.monotone.coupling import Coupling, coupling_of
from statmech.monotone.iteration import iterate
from statmech.monotone.splitting import Resolvent
from statmech.status import Status

# Variables with two states nowhere, in a row, at either end, in the middle, and alone.
PAIRS = {
    "none": ([3, 1, 4], (0, 0)),
    "all": ([2] * 19, (0, 19)),
    "first": ([2] * 17 + [4, 1, 3], (0, 17)),
    "last": ([4, 1] + [2] * 18, (2, 20)),
    "middle": ([2, 2, 3] + [2] * 9 + [5, 2, 2], (3, 12)),
    "alone": ([2, 1, 3, 5, 2], (0, 1)),
}
EPS = np.finfo(np.float64).eps


@pytest.fixture(params=PAIRS)
def layout(request):
    return Layout(np.array(PAIRS[request.param][0]))


@pytest.mark.parametrize(("states", "expected"), PAIRS.values(), ids=PAIRS)
def test_pair_range(states, expected):
    first, end = pair_range(Layout(np.array(states)).offsets)
    assert (first, end) == expected


def rows(layout, seed, n_rows=4):
    return np.random.default_rng(seed).normal(size=(n_rows, layout.size))


def kept(layout):
    return np.setdiff1d(np.arange(layout.size), layout.offsets[1:] - 1)


def test_pack_and_unpack(layout):
    x = rows(layout, 1)
    out = np.empty((4, layout.size - layout.n_variables))
    pack(x, layout.offsets, out)
    np.testing.assert_array_equal(out, x[:, kept(layout)])
    pack_relative(x, layout.offsets, out)
    ends = (layout.offsets[1:] - 1)[layout.owner]
    relative = x - x[:, ends]
    np.testing.assert_array_equal(out, relative[:, kept(layout)])
    back = np.empty_like(x)
    unpack(out, layout.offsets, back)
    np.testing.assert_array_equal(back, relative)
    lower(out, layout.offsets, back)
    for first, last in layout.ranges():
        tops = x[:, first:last].max(axis=1)[:, None]
        np.testing.assert_allclose(
            back[:, first:last], x[:, first:last] - tops, rtol=0, atol=1e-15
        )


def naive_response(layout, logits, clamped, q):
    """softmax, sums of q log q, and residuals, of full logits."""
    p = q.copy()
    entropy, residual = np.zeros(len(q)), np.zeros(len(q))
    for b in range(len(q)):
        for i, (first, last) in enumerate(layout.ranges()):
            if clamped[b, i]:
                continue
            w = np.exp(logits[b, first:last] - logits[b, first:last].max())
            p[b, first:last] = w / w.sum()
            entropy[b] += (p[b, first:last] * np.log(p[b, first:last])).sum()
            change = np.abs(p[b, first:last] - q[b, first:last]).max()
            residual[b] = max(residual[b], change)
    return p, entropy, residual


def test_respond_and_enter(layout):
    logits, q = 3.0 * rows(layout, 2), rows(layout, 3)
    clamped = np.random.default_rng(4).random((4, layout.n_variables)) < 0.4
    packed = np.empty((4, layout.size - layout.n_variables))
    pack_relative(logits, layout.offsets, packed)
    p, entropy, residual = naive_response(layout, logits, clamped, q)

    lowered = np.empty_like(q)
    lower(packed, layout.offsets, lowered)
    weights, found = np.exp(lowered), np.empty(4)
    respond(weights, layout.offsets, clamped, q, found)
    np.testing.assert_allclose(weights, p, rtol=1e-14)
    np.testing.assert_allclose(found, residual, rtol=1e-13)

    entered, totals = q.copy(), np.empty(clamped.shape)
    enter(np.exp(lowered), lowered, layout.offsets, clamped, entered, totals, found)
    np.testing.assert_allclose(entered, p, rtol=1e-14)
    np.testing.assert_allclose(found - np.log(totals).sum(axis=1), entropy, rtol=1e-13)


def test_not_a_number_is_seen(layout):
    """A residual must not be small because it cannot be compared."""
    weights, q = np.ones((2, layout.size)), rows(layout, 5, 2)
    weights[1, 3] = np.nan
    found = np.empty(2)
    respond(weights, layout.offsets, np.zeros((2, layout.n_variables), bool), q, found)
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def observed_half(model, n_rows, seed):
    """Hard evidence, soft in the last row: (B, d), NaN where hidden."""
    draw = np.random.default_rng(seed)
    states = draw.integers(0, model.n_states, (n_rows, model.n_variables))
    soft = model.layout.encode(states)
    soft[-1] = random_starts(model, 1, seed)
    soft[:, (draw.random(model.n_variables) < 0.5)[model.layout.owner]] = np.nan
    return soft


@pytest.mark.parametrize("make", [mixed_states, wide_class, low_rank])
def test_response_of_a_problem(make):
    """softmax and its log where hidden, also of e^-2000; evidence elsewhere."""
    model = make()
    evidence = observed_half(model, 4, 14)
    problem = pose(model, None, evidence)
    logits = 4.0 * np.random.default_rng(15).normal(size=(4, model.size))
    logits[1] *= 500.0
    p, log_p = problem.respond(logits)
    tops = np.maximum.reduceat(logits, model.layout.offsets[:-1], axis=1)
    lowered = logits - tops[:, model.layout.owner]
    totals = np.add.reduceat(np.exp(lowered), model.layout.offsets[:-1], axis=1)
    exact = lowered - np.log(totals)[:, model.layout.owner]
    known = ~np.isnan(evidence)
    with np.errstate(divide="ignore"):
        exact[known] = np.log(evidence[known])
    np.testing.assert_allclose(log_p, exact, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(p, np.exp(exact), rtol=1e-14, atol=1e-300)
    np.testing.assert_array_equal(p[known], problem.values[known])
    np.testing.assert_allclose(p[known], evidence[known], rtol=1e-15)


@pytest.mark.parametrize("make", [mixed_states, wide_class, low_rank])
def test_rounding_of_a_softmax_is_no_lack_of_convergence(make):
    """A loop whose softmax differs in the last digits has ended at its tolerance."""
    model = make()
    problem = pose(model)
    logits = np.random.default_rng(16).normal(size=(1, model.size))
    q = problem.respond(logits)[0]
    q[0, 0] += 1e-12
    residual = np.abs(problem.respond(logits)[0] - q).max()

    def status(tol):
        given = {"tol": tol, "iterations": 1, "method": "any", "logits": logits}
        return problem.report(q, **given).status

    assert status(residual - 2 * EPS) is Status.CONVERGED
    assert status(residual - 50 * EPS) is Status.NOT_CONVERGED


@pytest.mark.parametrize("make", [mixed_states, wide_class, low_rank])
@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-12, 1e-14])
def test_report_accepts_where_the_loop_ended(make, tol):
    """Both judge the same fields, of a batch with evidence, at every tolerance."""
    model = make()
    problem = pose(model, random_starts(model, 30, 17))
    run = iterate(problem, Anderson(), tol, 500)
    given = {"tol": tol, "iterations": run.iterations, "method": "any"}
    found = problem.report(run.q, logits=run.logits, **given)
    ended = run.iterations < 500
    np.testing.assert_array_equal(found.converged[ended], True)
    assert ended.all() or tol < 1e-13
    # By the fields of the coupling, what Phi itself says.
    evaluate = coupling_of(model).evaluate
    again = problem.report(run.q, logits=run.logits, evaluate=evaluate, **given)
    np.testing.assert_array_equal(again.q, found.q)
    scale = 1.0 + np.abs(found.free_energy).max()
    np.testing.assert_allclose(
        again.free_energy, found.free_energy, rtol=0, atol=50 * EPS * scale
    )
    rounding = 1e-12 * model.size
    np.testing.assert_allclose(again.error_bound, found.error_bound, atol=rounding)


def test_project(layout):
    v, root = rows(layout, 6), np.sqrt(random_starts(mixed_states(), 4, 7)[:, :0])
    v, root = rows(layout, 6), np.abs(rows(layout, 8))
    expected = v.copy()
    for first, last in layout.ranges():
        s = root[:, first:last]
        s /= np.linalg.norm(s, axis=1)[:, None]
        part = expected[:, first:last]
        part -= s * (s * part).sum(axis=1)[:, None]
    project(v, root, layout.offsets)
    np.testing.assert_allclose(v, expected, atol=1e-14)
    np.testing.assert_allclose(
        np.add.reduceat(root * v, layout.offsets[:-1], 1), 0, atol=1e-14
    )


def test_mix_is_least_squares():
    """Against numpy.linalg.lstsq on the differences of the last w points."""
    n_rows, d, w, eta = 3, 20, 4, 0.3
    draw = np.random.default_rng(9)
    maps = [0.9 * np.linalg.qr(draw.normal(size=(d, d)))[0] for _ in range(n_rows)]
    x = draw.normal(size=(n_rows, d))
    seen = [[] for _ in range(n_rows)]
    state = [np.full(n_rows, -1), np.zeros((n_rows, d)), np.zeros((n_rows, d))]
    state += [np.empty((n_rows, w, m)) for m in (d, d, w)]
    for step in range(9):
        plain = np.array([False, step % 3 == 0, False])
        f = np.stack([m @ y - y for m, y in zip(maps, x, strict=True)])
        expected = x + eta * f
        for b in range(n_rows):
            seen[b] = [*seen[b], (x[b].copy(), f[b].copy())][-w - 1 :]
            if len(seen[b]) > 1 and not plain[b]:
                dx = np.diff([y for y, _ in seen[b]], axis=0)
                df = np.diff([g for _, g in seen[b]], axis=0)
                g = np.linalg.lstsq(df.T, f[b], rcond=None)[0]
                expected[b] -= g @ (dx + eta * df)
        mix(x, f, np.full(n_rows, eta), plain, *state, 1e-14)
        np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-9)


def test_mix_survives_equal_points():
    """Differences of zero: a plain step, no division by zero."""
    x, f = np.ones((1, 3)), np.full((1, 3), 0.5)
    arrays = (np.full(1, -1), np.zeros((1, 3)), np.zeros((1, 3)))
    arrays += (np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.zeros((1, 2, 2)))
    for _ in range(4):
        before = x.copy()
        mix(x, f.copy(), np.ones(1), np.zeros(1, dtype=bool), *arrays, 1e-10)
        assert np.isfinite(x).all()
    np.testing.assert_allclose(x, before + f)


def wide_factor():
    """More rows than d / 2: kept as a factor, multiplied as a matrix."""
    a = 0.3 * np.random.default_rng(10).normal(size=(20, 24))
    b = np.random.default_rng(11).normal(size=24)
    return BoltzmannMachine._from_factor(a, b, Layout(np.full(8, 3)))


@pytest.mark.parametrize("make", [mixed_states, wide_class, low_rank, wide_factor])
def test_coupling(make):
    """Fields relative to last states, and the free energy in that gauge."""
    model = make()
    q = random_starts(model, 5, 12)
    fields, packed = Coupling(model).fields(q)
    exact = q @ model.potentials + model.biases
    ends = (model.layout.offsets[1:] - 1)[model.layout.owner]
    relative = (exact - exact[:, ends])[:, kept(model.layout)]
    np.testing.assert_allclose(fields, relative, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(packed, q[:, kept(model.layout)])
    energy = 0.5 * (packed * (fields + Coupling(model).biases)).sum(axis=1)
    difference = energy - 0.5 * (q * (exact + model.biases)).sum(axis=1)
    assert np.ptp(difference) < 1e-13
    logits, whole, added = Coupling(model).evaluate(q)
    np.testing.assert_allclose(logits, exact - exact[:, ends], rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        whole, 0.5 * (q * (exact + model.biases)).sum(axis=1), rtol=0, atol=1e-12
    )
    assert added >= 0.0
    np.testing.assert_allclose(softmax(model, exact).sum(axis=1), model.n_variables)
    assert coupling_of(model) is coupling_of(model)


@pytest.mark.parametrize("make", [mixed_states, low_rank, strong_repulsion])
@pytest.mark.parametrize("shift", [1.5, 2.0])
def test_resolvent(make, shift):
    """Against the matrix it inverts, with and without observed variables."""
    model = make()
    a = 0.4
    hidden = np.ones(model.size, dtype=bool)
    first, last = blocks(model)[1]
    for _ in range(2):
        center = np.eye(model.size)
        for i, j in blocks(model):
            center[i:j, i:j] -= 1.0 / (j - i)
        phi = center @ model.potentials @ center
        phi[~hidden] = phi[:, ~hidden] = 0.0
        matrix = (1.0 + a * shift) * np.eye(model.size) - a * phi
        v = np.random.default_rng(13).normal(size=(3, model.size))
        found = Resolvent(model, hidden, a, shift)
        assert (found.inverse is None) == model.low_rank
        np.testing.assert_allclose(found(v) @ matrix, v, atol=1e-12)
        hidden[first:last] = False
