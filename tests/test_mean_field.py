"""Plain mean field against independent solutions.

Oracles: Newton's method on magnetisations or probabilities written out here, exact
sums, closed forms, differences. `tol` is the tolerance of the residual; what follows
for the distance is proven (error_bound) or estimated (error_estimate).
"""

import math

import boltzmann_cases as cases
import mpmath
import numpy as np
import pytest
from boltzmann_cases import newton, random_starts, reduced, slope, softmax

from analytics.mean_field import curie_weiss, curie_weiss_exact
from statmech.boltzmann import (
    BoltzmannMachine,
    enumerate_exact,
    from_binary,
    from_ising,
    magnetisations,
)
from statmech.errors import ParameterError, ParameterTypeError
from statmech.kernels.mean_field import update_blocks
from statmech.mean_field import (
    parallel,
    sequential,
    tap,
)
from statmech.status import Status

unique_case = pytest.mark.parametrize("name", cases.UNIQUE)


# Solutions -------------------------------------------------------------------------


@unique_case
def test_sequential_finds_the_solution_from_everywhere(name):
    """50 starts, some at corners; the distance from Newton's is within the bound."""
    model = cases.CASES[name]()
    starts = random_starts(model, 50, concentration=0.2)
    starts[0] = model.layout.encode(np.zeros(model.n_variables, dtype=int))
    result = sequential(model, initial=starts, tol=1e-11, max_iter=10**5)
    assert result.converged.all()
    truth = newton(model, result.q[0])
    away = np.linalg.norm(result.q - truth, axis=1)
    assert (away <= result.error_bound).all()
    assert away.max() < 1e-7
    again = softmax(model, model.potentials @ result.q[3] + model.biases)
    # Where repulsion is strong a step of the map stretches what is left of the error.
    stretch = 1.0 + max(map(abs, model.spectrum()))
    assert np.abs(again - result.q[3]).max() < 1e-11 * stretch
    assert np.log(result.q) == pytest.approx(result.log_q, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["mixed_states", "antiferromagnet", "wide_class", "strong_repulsion"]
)
@pytest.mark.parametrize("tol", [1e-2, 1e-5, 1e-9])
def test_the_bound_holds_at_every_tolerance(name, tol):
    model = cases.CASES[name]()
    truth = newton(model, sequential(model, tol=1e-13).q)
    starts = random_starts(model, 8, seed=2)
    for result in (
        sequential(model, initial=starts, tol=tol),
        parallel(model, initial=starts, tol=tol, damping=0.97, max_iter=3000),
    ):
        away = np.linalg.norm(result.last - truth, axis=1)
        assert (away <= result.error_bound).all()
        lowest, largest = model.spectrum()
        size = max(-lowest, largest) * math.sqrt(model.size)
        assert (result.residual[result.converged] <= tol).all()
        slack = 1e-8
        most = size * result.residual / (2.0 - largest) + slack
        assert (result.error_bound <= most).all()


@pytest.mark.parametrize("name", ["paper_class", "mixed_states", "curie_weiss", "sk"])
@pytest.mark.parametrize("damping", [0.0, 0.4])
def test_the_proven_rate_holds(name, damping):
    """|q_t - q*| falls at least by `rate_bound` each time; q_t by stopping early."""
    model = cases.CASES[name]()
    start = random_starts(model, 1, seed=3)[0]
    truth = newton(model, sequential(model, tol=1e-13).q)
    rate = parallel(model, damping=damping).rate_bound
    assert 0.0 < rate < 1.0
    q, away = start, np.linalg.norm(start - truth)
    for _ in range(12):
        image = softmax(model, model.potentials @ q + model.biases)
        q = damping * q + (1.0 - damping) * image
        now = np.linalg.norm(q - truth)
        assert now <= rate * away + 1e-15
        away = now


def test_iterates_are_those_written_out_here():
    """Three damped parallel iterations, then the image of the last."""
    model = cases.wide_class()
    q = random_starts(model, 1, seed=4)[0]
    result = parallel(model, initial=q, tol=1e-15, max_iter=4, damping=0.3)
    assert (result.status, result.iterations) == (Status.NOT_CONVERGED, 4)
    for _ in range(3):
        q = 0.3 * q + 0.7 * softmax(model, model.logits(q))
    image = softmax(model, model.logits(q))
    assert result.last == pytest.approx(image, abs=1e-14)
    assert result.residual == pytest.approx(np.abs(image - q).max(), abs=1e-14)
    assert np.isnan(result.q).all()
    assert np.isnan(result.log_q).all()
    assert math.isnan(result.free_energy)
    assert not result.converged


def test_kernel_against_a_plain_sweep():
    """One sweep of three samples, some variables clamped; fields stay Phi q + b."""
    model = cases.mixed_states()
    q = random_starts(model, 3, seed=5)
    clamped = np.zeros((3, 5), dtype=bool)
    clamped[1, [0, 3]] = clamped[2] = True
    plain, logits = q.copy(), model.logits(q)
    update_blocks(model.potentials, model.layout.offsets, clamped, q, logits)
    for row in range(3):
        for i, (first, last) in enumerate(model.layout.ranges()):
            if not clamped[row, i]:
                field = model.potentials @ plain[row] + model.biases
                plain[row, first:last] = softmax(model, field)[first:last]
    assert q == pytest.approx(plain, abs=1e-14)
    assert logits == pytest.approx(model.logits(plain), abs=1e-13)


@pytest.mark.parametrize("name", cases.CASES)
def test_free_energy_falls_at_every_single_update(name):
    """Two sweeps from a random start, whatever Phi; 1e-12 for the rounding of F."""
    model = cases.CASES[name]()
    q = random_starts(model, 1, seed=6)
    if model.n_variables > 50:
        model = cases.hopfield(30, 3)
        q = random_starts(model, 1, seed=6)
    logits, value = model.logits(q), model.free_energy(q[0])
    for i in [*range(model.n_variables)] * 2:
        others = np.arange(model.n_variables)[None] != i
        update_blocks(model.potentials, model.layout.offsets, others, q, logits)
        following = model.free_energy(q[0])
        assert following <= value + 1e-12 * (1.0 + abs(value))
        value = following


def test_parallel_updates_can_raise_the_free_energy():
    """Control of the above."""
    model = cases.antiferromagnet()
    q = random_starts(model, 1, seed=6)[0]
    assert model.free_energy(softmax(model, model.logits(q))) > model.free_energy(q)


@pytest.mark.parametrize("name", cases.SMALL)
def test_free_energy_bounds_log_z(name):
    """-F(q) <= log Z for every q, also under evidence."""
    model = cases.CASES[name]()
    log_z = enumerate_exact(model).log_z
    assert (-model.free_energy(random_starts(model, 50)) <= log_z + 1e-12).all()
    result = sequential(model, initial=random_starts(model, 5), max_iter=10**5)
    assert (-result.free_energy <= log_z + 1e-12).all()
    assert result.free_energy == pytest.approx(model.free_energy(result.q), abs=1e-12)
    states = np.full(model.n_variables, -1)
    states[0] = 0
    given = sequential(model, evidence=states)
    assert -given.free_energy <= enumerate_exact(model, states).log_z + 1e-12


# Curie-Weiss and other closed forms -------------------------------------------------


@pytest.mark.parametrize("coupling", [0.7, 1.8, -4.0])
@pytest.mark.parametrize("n", [5, 40])
def test_curie_weiss_root(n, coupling):
    """m = tanh(coupling (N - 1)/N m + h); without (N - 1)/N it is another number."""
    model = cases.curie_weiss(n, coupling, 0.15)
    up = model.layout.encode(np.zeros(n, dtype=int))
    result = sequential(model, initial=up, tol=1e-13)
    m = magnetisations(model, result.q)
    root = curie_weiss(n, coupling, 0.15)
    assert root.status.ok
    assert m == pytest.approx(np.full(n, root.value), abs=1e-10)
    wrong = curie_weiss(math.inf, coupling, 0.15).value
    assert abs(wrong - root.value) > 1e-4


def test_known_numbers():
    """m = tanh(2 m): 0.957504024077; at lambda_max(J) <= 1 nothing."""
    assert curie_weiss(math.inf, 2.0).value == pytest.approx(0.957504024077, abs=1e-12)
    assert curie_weiss(math.inf, 1.0).value == 0.0
    n = 2001
    model = cases.ferromagnet()
    assert model.guarantee == "none"
    assert curie_weiss(n, n / (n - 1)).value == 0.0
    assert curie_weiss(n, 1.001 * n / (n - 1)).value == pytest.approx(
        math.sqrt(3 * 0.001), rel=2e-3
    )


@pytest.mark.parametrize("coupling", [-5.0, -0.5, 0.0, 0.3, 0.99, 1.0, 1.01, 3.0])
@pytest.mark.parametrize("field", [0.0, 1e-9, 0.1, -2.0])
def test_curie_weiss_against_40_digits(coupling, field):
    """The distance from the root is within the error, and that is below 1e-7."""
    for n in (2, 100, math.inf):
        point = curie_weiss(n, coupling, field)
        with mpmath.workdps(40):
            c, h = mpmath.mpf(coupling), mpmath.mpf(field)
            c = c if n == math.inf else c * (n - 1) / n
            low = mpmath.mpf(0)
            if c > 1:  # beyond the largest slope of what is above the line
                low = mpmath.sqrt(1 - 1 / c) * mpmath.mpf("0.9999")
            high, size = mpmath.mpf(1), abs(h)
            for _ in range(64 if h != 0 or c > 1 else 0):
                middle = (low + high) / 2
                below = middle < mpmath.tanh(c * middle + size)
                low, high = (middle, high) if below else (low, middle)
            root = 0 if h == 0 and c <= 1 else low * (-1 if h < 0 else 1)
            away = float(abs(root - mpmath.mpf(point.value)))
        assert point.status.ok
        assert away <= point.error + 1e-17
        assert point.error < 1e-7


def test_exact_magnetisation_meets_mean_field_as_1_over_n():
    """coupling 2, field 0.1: the difference falls as 1/N, slope -1 within 0.1."""
    sizes = np.array([100, 200, 400, 800])
    gaps = [
        abs(curie_weiss_exact(n, 2.0, 0.1).m - curie_weiss(math.inf, 2.0, 0.1).value)
        for n in sizes.tolist()
    ]
    assert slope(gaps, sizes) == pytest.approx(-1.0, abs=0.1)
    up = curie_weiss_exact(2000, 2.0)
    assert up.m == 0.0
    assert up.m_abs == pytest.approx(0.9575040, abs=1e-3)


def test_coding_does_not_matter():
    """{0, 1} and +-1, in other gauges: one solution."""
    draw = np.random.default_rng(41)
    w = np.triu(draw.normal(size=(6, 6)), 1)
    w, c = w + w.T, draw.normal(size=6)
    model, _ = from_binary(w, c)
    plain = np.zeros((12, 12))
    plain[::2, ::2] = w
    b = np.zeros(12)
    b[::2] = c
    other = sequential(BoltzmannMachine(plain, b, 2), tol=1e-13)
    result = sequential(model, tol=1e-13)
    assert other.q == pytest.approx(result.q, abs=1e-11)
    x = result.q[::2]
    assert x == pytest.approx(1.0 / (1.0 + np.exp(-(w @ x + c))), abs=1e-11)


def test_two_spins_below_and_above():
    """One solution at 1.999; at 2.001 also +-m with m = tanh(1.0005 m), a pair."""
    rows = np.array([[0.9, 0.1, 0.0] * 2, [0.1, 0.9, 0.0] * 2])
    below, above = (
        sequential(make(), initial=rows, tol=1e-12, max_iter=10**5)
        for make in (cases.construct_below, cases.construct_above)
    )
    assert below.converged.all()
    assert np.abs(below.q[:, 0] - below.q[:, 1]).max() < 1e-8
    m = above.q[:, 0] - above.q[:, 1]
    want = curie_weiss(math.inf, 1.0005).value
    assert m == pytest.approx([want, -want], abs=1e-6)
    assert np.isinf(above.error_bound).all()
    assert np.isfinite(below.error_bound).all()


def test_slow_creep_is_not_taken_for_convergence():
    """m = tanh(m): residuals below 1e-6 are reached at m = 0.02, and not accepted.

    To first order the distance is m / 3.
    """
    pair = from_ising([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.0])
    start = [1.0, 0.0, 1.0, 0.0]
    for solve in (parallel, sequential):
        result = solve(pair, initial=start, tol=1e-6, max_iter=10**5)
        assert result.residual <= 1e-6
        m = magnetisations(pair, result.last)[0]
        assert m > 0.01
        assert result.status is Status.NOT_CONVERGED
        assert result.error_estimate == pytest.approx(m / 3, rel=0.02)
    assert sequential(pair).converged  # at m = 0 from the start


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8])
def test_distances_are_estimated_where_nothing_is_proven(tol):
    """Ferromagnet below its transition, from all up and half up: within 10%."""
    model = cases.curie_weiss(10, 1.4, 0.0)
    assert model.guarantee == "none"
    up = model.layout.encode(np.zeros(10, dtype=int))
    starts = np.stack([up, 0.5 * up + 0.25])
    truth = newton(model, sequential(model, initial=up, tol=1e-12).q)
    for solve in (parallel, sequential):
        result = solve(model, initial=starts, tol=tol)
        assert result.converged.all()
        away = np.linalg.norm(result.q - truth, axis=1)
        assert result.error_estimate == pytest.approx(away, rel=0.1)


# Starts, order, oscillation ---------------------------------------------------------


@pytest.mark.parametrize("coupling", [0.9, 1.5])
def test_ordered_starts(coupling):
    """Ferromagnet: from all up every parallel step goes down, from all down up.

    Where the solution is unique both end there; else in two, with the others between.
    """
    n, h = 12, 0.01
    model = cases.curie_weiss(n, coupling, h)
    ends = {}
    for state in (0, 1):
        q = model.layout.encode(np.full(n, state))
        last = magnetisations(model, q)
        for _ in range(300):
            q = softmax(model, model.logits(q))
            m = magnetisations(model, q)
            assert ((last - m if state == 0 else m - last) >= 0.0).all()
            last = m
        corner = model.layout.encode(np.full(n, state))
        ends[state] = parallel(model, initial=corner, tol=1e-13)
    top, bottom = (magnetisations(model, ends[s].q)[0] for s in (0, 1))
    starts = random_starts(model, 20, concentration=0.1)
    inside = magnetisations(model, parallel(model, initial=starts, tol=1e-12).q)
    assert (inside <= top + 1e-9).all()
    assert (inside >= bottom - 1e-9).all()
    if model.guarantee == "none":
        assert top > 0.5
        assert bottom < -0.5
    else:
        assert top == pytest.approx(bottom, abs=1e-10)


@pytest.mark.parametrize("name", ["antiferromagnet", "strong_repulsion"])
def test_cycles_of_two_are_seen(name):
    """The solution is unique, yet parallel updates alternate; damping helps."""
    model = cases.CASES[name]()
    starts = random_starts(model, 4, seed=8)
    result = parallel(model, initial=starts)
    assert result.oscillating.all()
    assert set(result.statuses) == {Status.OSCILLATING}
    assert result.iterations.max() < 100
    image = softmax(model, model.logits(result.last[0]))
    assert np.abs(image - result.last[0]).max() > 0.1
    back = softmax(model, model.logits(image))
    assert back == pytest.approx(result.last[0], abs=1e-7)
    enough = 1.0 - 1.5 / (1.0 + 0.5 * abs(model.spectrum()[0]))
    calm = parallel(model, initial=starts, damping=enough)
    assert not calm.oscillating.any()
    assert calm.q == pytest.approx(sequential(model, initial=starts).q, abs=1e-6)


def test_slow_alternation_is_not_a_cycle():
    """Antiferromagnetic pair of J = -0.999: steps of ratio -0.999 that do end."""
    pair = from_ising([[0.0, -0.999], [-0.999, 0.0]], [0.0, 0.0])
    start = [0.6, 0.4, 0.6, 0.4]
    result = parallel(pair, initial=start, tol=1e-9, max_iter=30_000)
    assert not result.oscillating
    assert result.converged
    assert result.iterations > 5000
    beyond = from_ising([[0.0, -1.1], [-1.1, 0.0]], [0.0, 0.0])
    assert parallel(beyond, initial=start).oscillating


def test_hopfield_retrieval_is_not_guaranteed():
    """Memories are solutions among several, outside of every class of uniqueness."""
    model, xi = cases.hopfield(), cases.hopfield_patterns()
    assert model.guarantee == "none"
    starts = model.layout.encode(((1 - xi) / 2).astype(int))
    result = sequential(model, initial=starts)
    overlaps = magnetisations(model, result.q) @ xi.T / xi.shape[1]
    assert result.converged.all()
    assert (np.diag(overlaps) > 0.9).all()
    assert np.abs(overlaps - np.diag(np.diag(overlaps))).max() < 0.3
    assert np.isinf(result.error_bound).all()
    assert (result.error_estimate < 1e-8).all()


# Evidence, batches, limits ----------------------------------------------------------


@pytest.mark.parametrize("solve", [parallel, sequential])
@pytest.mark.parametrize("name", ["mixed_states", "wide_class", "low_rank", "sk"])
def test_clamping_equals_the_reduced_model(name, solve):
    model = cases.CASES[name]()
    draw = np.random.default_rng(51)
    rows = draw.integers(0, model.n_states, (6, model.n_variables))
    rows[draw.random(rows.shape) < 0.5] = -1
    rows[0], rows[1, 1:] = -1, -1
    result = solve(model, evidence=rows, tol=1e-12)
    assert result.converged.all()
    assert result.q[0] == pytest.approx(solve(model, tol=1e-12).q, abs=1e-10)
    for states, q in zip(rows, result.q, strict=True):
        if (states >= 0).all():
            continue
        part, hidden = reduced(model, states)
        assert q[hidden] == pytest.approx(solve(part, tol=1e-12).q, abs=1e-10)
        assert q[~hidden] == pytest.approx(
            model.layout.encode(np.maximum(states, 0))[~hidden]
        )
        # Interlacing: what holds for the whole holds for the part.
        assert part.spectrum()[0] >= model.spectrum()[0] - 1e-12
        assert part.spectrum()[1] <= model.spectrum()[1] + 1e-12


@pytest.mark.parametrize("solve", [parallel, sequential, tap])
def test_everything_observed(solve):
    model = cases.sk()
    states = np.arange(10) % 2
    result = solve(model, evidence=states)
    assert result.converged
    assert result.residual == 0.0
    assert result.q.tolist() == model.layout.encode(states).tolist()
    assert (result.log_q[result.q == 0.0] == -math.inf).all()
    assert result.free_energy == pytest.approx(-model.exponent(states), abs=1e-12)
    none = np.full(10, -1)
    assert solve(model, evidence=none).q.tolist() == solve(model).q.tolist()


def test_soft_evidence():
    """A clamped distribution is a field Phi q_o on the others, and stays."""
    model = cases.mixed_states()
    soft = np.full(model.size, np.nan)
    soft[:2] = 0.3, 0.7
    result = sequential(model, evidence=soft, tol=1e-12)
    assert result.q[:2].tolist() == [0.3, 0.7]
    b = model.biases + model.potentials[:, :2] @ soft[:2]
    part = BoltzmannMachine(model.potentials[2:, 2:], b[2:], model.n_states[1:])
    alone = sequential(part, tol=1e-12)
    assert result.q[2:] == pytest.approx(alone.q, abs=1e-10)
    own = 0.3 * math.log(0.3) + 0.7 * math.log(0.7) - model.biases[:2] @ soft[:2]
    assert result.free_energy == pytest.approx(alone.free_energy + own, abs=1e-11)


@pytest.mark.parametrize("solve", [parallel, sequential, tap])
def test_batches_are_their_samples(solve):
    model = cases.sk()
    starts = random_starts(model, 4, seed=9)
    states = np.full((4, 10), -1)
    states[1, :3] = states[3, 7] = 1
    batch = solve(model, initial=starts, evidence=states)
    for row in range(4):
        one = solve(model, initial=starts[row], evidence=states[row])
        assert batch.q[row] == pytest.approx(one.q, abs=1e-12)
        assert batch.iterations[row] == one.iterations
        assert batch.free_energy[row] == pytest.approx(one.free_energy, abs=1e-12)
        assert isinstance(one.residual, float)
        assert isinstance(one.oscillating, bool)
        assert isinstance(one.iterations, int)
        assert batch.statuses[row] is one.status
    shared = solve(model, initial=starts[0], evidence=states)
    assert shared.q == pytest.approx(batch.q, abs=1e-8)
    nothing = solve(model, initial=np.empty((0, 20)))
    assert nothing.q.shape == (0, 20)
    assert nothing.statuses == ()
    assert solve(model, evidence=np.empty((0, 10), dtype=int)).q.shape == (0, 20)


def test_one_bad_sample_does_not_spoil_a_batch():
    model = cases.antiferromagnet()
    truth = sequential(model, tol=1e-13).q
    rows = np.stack([truth, random_starts(model, 1)[0]])
    result = parallel(model, initial=rows, tol=1e-10)
    assert result.converged.tolist() == [True, False]
    assert result.status is Status.OSCILLATING
    assert np.isfinite(result.q[0]).all()
    assert np.isnan(result.q[1]).all()
    assert np.isfinite(result.last).all()


@pytest.mark.parametrize("solve", [parallel, sequential])
@pytest.mark.parametrize("name", ["one_variable", "no_potentials"])
def test_limits_without_potentials(name, solve):
    """q = softmax b, -F = log Z: exact."""
    model = cases.CASES[name]()
    result = solve(model)
    assert result.q == pytest.approx(softmax(model, model.biases), abs=1e-15)
    assert -result.free_energy == pytest.approx(enumerate_exact(model).log_z, abs=1e-14)
    assert result.iterations <= 3


def test_constant_variables_are_certain():
    model = cases.constant_variable()
    result = sequential(model)
    assert (result.q[0], result.q[4]) == (1.0, 1.0)
    assert (result.log_q[0], result.log_q[4]) == (0.0, 0.0)


@pytest.mark.parametrize("solve", [parallel, sequential])
def test_large_biases_leave_finite_logarithms(solve):
    model = cases.mixed_states()
    model = model.with_biases(1e5 * model.biases)
    result = solve(model)
    assert result.converged
    assert np.isfinite(result.log_q).all()
    assert result.log_q.min() < -1e4
    assert -result.free_energy == pytest.approx(enumerate_exact(model).log_z, rel=1e-12)


# Bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"model": 3}, "model"),
        ({"tol": 0.0}, "tol"),
        ({"tol": 0.2}, "tol"),
        ({"tol": math.nan}, "tol"),
        ({"tol": "1"}, "tol"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_iter": 1.5}, "max_iter"),
        ({"initial": [0.5, 0.5]}, "initial"),
        ({"initial": np.full(20, 0.4)}, "initial"),
        ({"initial": [1.5, -0.5] * 10}, "initial"),
        ({"initial": [1e308] * 20}, "initial"),
        ({"initial": np.full(20, math.nan)}, "initial"),
        ({"initial": "random"}, "initial"),
        ({"initial": np.full((2, 3, 20), 0.5)}, "initial"),
        ({"initial": np.full((3, 20), 0.5), "evidence": [[-1] * 10] * 2}, "initial"),
        ({"evidence": [2] * 10}, "evidence"),
        ({"evidence": "no"}, "evidence"),
        ({"damping": 1.0}, "damping"),
        ({"damping": -0.1}, "damping"),
        ({"damping": math.nan}, "damping"),
    ],
)
@pytest.mark.parametrize("solve", [parallel, sequential, tap])
def test_bad_input_is_refused(solve, change, name):
    if solve is sequential and "damping" in change:
        return
    arguments = {"model": cases.sk(), **change}
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        solve(**arguments)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: curie_weiss(0, 1.0), "n_spins"),
        (lambda: curie_weiss(2.5, 1.0), "n_spins"),
        (lambda: curie_weiss(10, math.inf), "coupling"),
        (lambda: curie_weiss(10, 1.0, math.nan), "field"),
        (lambda: curie_weiss_exact(0, 1.0), "n_spins"),
        (lambda: curie_weiss_exact(10, math.nan), "coupling"),
    ],
)
def test_bad_calls_are_refused(call, name):
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        call()
