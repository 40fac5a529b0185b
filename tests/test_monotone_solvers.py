"""All methods for mean field against dense Newton steps, and their bounds."""

import itertools

import numpy as np
import pytest
from boltzmann_cases import (
    CASES,
    UNIQUE,
    mixed_states,
    strong_repulsion,
)
from monotone_reference import (
    blocks,
    case,
    defined,
    free_energy,
    methods_of,
    random_starts,
    respond,
    truth,
)

from statmech.boltzmann.layout import Layout
from statmech.boltzmann.model import BoltzmannMachine
from statmech.mean_field.fixed_point import pose
from statmech.monotone.damping import Damping
from statmech.monotone.iteration import Work
from statmech.monotone.solvers import METHODS, solve
from statmech.monotone.splitting import (
    ForwardBackward,
    Reflections,
    forward_backward_rate,
    forward_backward_step,
    reflection_step,
)
from statmech.status import Status

# Residual 1e-8 takes them more than 5000 products near lambda_max = 2.
SLOW = ("parallel", "forward-backward", "damping", "sequential")
SLOW += ("peaceman-rachford", "douglas-rachford")


def distance(found, true):
    return np.linalg.norm(found - true, axis=-1)


# Convergence ---------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_auto_converges_from_everywhere(name):
    model = case(name)
    found = solve(model, initial=random_starts(model, 50, 1))
    assert found.status is Status.CONVERGED
    assert found.residual.max() <= 1e-8
    # The residual by itself, at the point that is returned: an image of a point of
    # residual r has one of |Phi| r / 2 at most.
    size = max(map(abs, model.spectrum()))
    again = np.abs(respond(model, found.q) - found.q).max(axis=1)
    lengths = np.sqrt(model.size) * found.residual
    assert (again <= 0.5 * size * lengths + 1e-14).all()
    np.testing.assert_allclose(np.exp(found.log_q), found.q, rtol=1e-12)
    np.testing.assert_allclose(
        found.free_energy, free_energy(model, found.q), rtol=1e-12, atol=1e-12
    )
    if name in UNIQUE:
        assert (distance(found.q, truth(name)) <= found.error_bound).all()
        assert "one solution" in found.reason


def test_auto_is_fast_where_repulsion_is_strong():
    model = strong_repulsion()
    assert model.spectrum()[0] < -50.0
    found = solve(model, initial=random_starts(model, 50, 2))
    assert found.status is Status.CONVERGED
    assert found.iterations.max() <= 150
    # What it is for: plain updates oscillate, damped ones take many times as many.
    assert solve(model, method="parallel").oscillating
    assert solve(model, method="damping").iterations > 300


def fast_pairs():
    """(name, method) that converge, and in less than 5000 products."""
    for name in UNIQUE:
        for method in methods_of(name):
            cycles = name in ("antiferromagnet", "strong_repulsion")
            slow = name == "construct_below" and method in SLOW
            if not slow and not (cycles and method == "parallel"):
                yield name, method


@pytest.mark.parametrize(("name", "method"), list(fast_pairs()))
def test_methods_agree(name, method):
    model = case(name)
    slow = name == "construct_below"
    # |q - q*| <= |Phi| |p - q| / (2 - lambda_max), 2000 of the residual there.
    tol = 2e-14 if slow else 1e-13
    found = solve(model, method=method, initial=random_starts(model, 3, 3), tol=tol)
    assert found.converged.all()
    assert distance(found.q, truth(name)).max() <= 1e-10


TOLERANCES = [1e-2, 1e-4, 1e-6, 1e-8, 1e-10]


def errors_and_bounds(name, method, n_starts=3):
    model = case(name)
    initial = random_starts(model, n_starts, 4)
    pairs = []
    for tol in TOLERANCES:
        found = solve(model, method=method, initial=initial, tol=tol, max_iter=60)
        # What did not converge has a bound as well.
        pairs.append([distance(found.last, truth(name)), found.error_bound])
    return np.array(pairs)


@pytest.mark.parametrize("method", METHODS)
def test_error_bound_holds(method):
    ratios = []
    for name in UNIQUE:
        if defined(name, method):
            pairs = errors_and_bounds(name, method)
            error, bound = pairs[:, 0], pairs[:, 1]
            assert (error <= bound + 1e-13).all(), name
            ratios.append(error[error > 1e-12] / bound[error > 1e-12])
    # It says something: a tenth of it would not hold.
    assert np.concatenate(ratios).max() > 0.1


@pytest.mark.nightly
@pytest.mark.parametrize("method", METHODS)
def test_error_bound_holds_from_many_starts(method):
    for name in UNIQUE:
        if defined(name, method):
            pairs = errors_and_bounds(name, method, 200)
            assert (pairs[:, 0] <= pairs[:, 1] + 1e-13).all(), name


@pytest.mark.parametrize("method", methods_of("mixed_states"))
def test_no_number_without_convergence(method):
    model = mixed_states()
    found = solve(model, method=method, max_iter=2, tol=1e-8)
    assert found.status is Status.NOT_CONVERGED
    assert not found.converged
    assert np.isnan(found.q).all()
    assert np.isnan(found.free_energy)
    assert np.isfinite(found.last).all()
    assert found.residual > 1e-8
    if method != "sequential":
        assert found.iterations == 2


@pytest.mark.parametrize("method", methods_of("strong_repulsion"))
def test_work_is_limited(method):
    """No sample has more products than allowed, whatever its inner iterations."""
    model = strong_repulsion()
    if method == "sequential":
        return  # sweeps are limited
    for limit in (1, 3, 10, 31):
        found = solve(
            model,
            method=method,
            initial=random_starts(model, 4, 5),
            max_iter=limit,
            tol=1e-12,
        )
        assert found.iterations.max() <= limit


def near_singular(seed=15, n=78, rank=10):
    """Binary, of low rank, lambda_max = 1.999, hardly a bias: q near 1/2."""
    draw = np.random.default_rng(seed)
    common, columns = draw.normal(size=(rank, 2)), []
    for _ in range(n):
        a = 0.3 * common + 0.7 * draw.normal(size=(rank, 2))
        a -= a.mean(axis=1, keepdims=True)
        columns.append(a * np.sqrt(1.999) / np.linalg.norm(a, 2))
    a, b = np.concatenate(columns, axis=1), 0.003 * draw.normal(size=2 * n)
    return BoltzmannMachine._from_factor(a, b, Layout(np.full(n, 2)))


@pytest.mark.parametrize("method", ["auto", "newton"])
@pytest.mark.parametrize("seed", [15, 16, 17])
def test_near_singular(method, seed):
    """Conjugate gradients need hundreds of steps, and must stay where sums are 0."""
    model = near_singular(seed)
    assert model.low_rank
    initial = random_starts(model, 10, 16, 3.0)
    found = solve(model, method=method, initial=initial, max_iter=2000)
    assert found.status is Status.CONVERGED
    true = solve(model, method="auto", tol=1e-13)
    error = distance(found.q, true.q)
    assert (error <= found.error_bound + true.error_bound).all()


# Rates ---------------------------------------------------------------------------


def iterates(problem, method, n_steps):
    """q of each step, and the method with its state."""
    work = Work(problem, 10**6)
    method.begin(work)
    yield work.q.copy()
    for _ in range(n_steps):
        work.evaluate()
        method.advance(work)
        yield work.q.copy()


CONTRACTING = ["mixed_states", "antiferromagnet", "paper_class", "wide_class"]
CONTRACTING += ["strong_repulsion", "low_rank", "sk"]


@pytest.mark.parametrize("name", CONTRACTING)
@pytest.mark.parametrize("part", [0.3, 1.0, 1.15])
def test_forward_backward_contracts(name, part):
    model, true = case(name), truth(name)
    best, rate = forward_backward_step(model)
    a = part * best
    assert forward_backward_rate(model, best) == rate
    smallest, largest = model.spectrum()
    assert rate == pytest.approx((largest - smallest) / (4.0 - largest - smallest))
    bound = forward_backward_rate(model, a)
    problem = pose(model, random_starts(model, 5, 6))
    sizes = [distance(q, true) for q in iterates(problem, ForwardBackward(a), 25)]
    for before, after in itertools.pairwise(sizes):
        assert (after <= bound * before + 1e-13).all()


def test_forward_backward_rate_is_met():
    """The factor is no looser than it need be: lambda_max = 2 at q = 1/2."""
    model = case("construct_below")
    a, rate = forward_backward_step(model)
    start = truth("construct_below") + 1e-3 * np.array([1, -1, 0, 1, -1, 0])
    first, second = iterates(pose(model, start), ForwardBackward(a), 1)
    true = truth("construct_below")
    assert distance(second, true)[0] > 0.999 * rate * distance(first, true)[0]


@pytest.mark.parametrize(
    ("name", "shift"), [("paper_class", 1.0), *((name, 2.0) for name in CONTRACTING)]
)
def test_reflections_contract(name, shift):
    """u by the factor at each pass; z is 1 / (1 + (2 - c) a)-Lipschitz in u."""
    model, true = case(name), truth(name)
    a, rate = reflection_step(model, shift)
    hidden = np.ones(model.size, dtype=bool)
    # A tolerance of 1 has the residual looked at after every pass.
    method = Reflections(model, hidden, shift=shift, step=a, tol=1.0)
    problem = pose(model, random_starts(model, 5, 7))
    u_true = (1.0 - a * shift) * true + a * np.log(true)
    sizes = []
    for q in iterates(problem, method, 20):
        # Up to a constant in each block, which the equations leave open.
        change = method.u - u_true
        for first, last in blocks(model):
            change[:, first:last] -= change[:, first:last].mean(axis=1)[:, None]
        sizes.append(np.linalg.norm(change, axis=1))
        lipschitz = 1.0 / (1.0 + (2.0 - shift) * a)
        assert (distance(q, true) <= lipschitz * sizes[-1] + 1e-12).all()
    for before, after in itertools.pairwise(sizes):
        assert (after <= rate * before + 1e-12).all()


@pytest.mark.parametrize("name", ["antiferromagnet", "ferromagnet", "mixed_states"])
def test_free_energy_falls(name):
    """In every step of guaranteed size, whatever lambda_max; not in larger ones."""
    model = case(name)
    problem = pose(model, random_starts(model, 10, 8))
    method = Damping(guaranteed=True)
    values = [free_energy(model, q) for q in iterates(problem, method, 60)]
    assert (np.diff(values, axis=0) <= 1e-13).all()
    if name == "antiferromagnet":
        values = [free_energy(model, q) for q in plain_steps(problem, 1.0, 20)]
        assert (np.diff(values, axis=0) > 0.1).any()


def plain_steps(problem, eta, n_steps):
    theta = np.log(problem.start)
    for _ in range(n_steps):
        q = problem.model.layout.softmax(theta)[0]
        yield q
        theta = (1 - eta) * theta + eta * problem.model.logits(q)
