"""One solution below lambda_max = 2, whatever the start; several beyond."""

import itertools

import numpy as np
import pytest
from boltzmann_cases import (
    CASES,
    construct,
    curie_weiss,
    ising,
    paper_class,
    random_potentials,
    with_largest,
)
from monotone_reference import free_energy, newton, random_starts, respond
from scipy.optimize import brentq

from statmech.boltzmann.model import BoltzmannMachine
from statmech.mean_field.fixed_point import pose
from statmech.mean_field.pairwise import parallel
from statmech.monotone.solvers import solve
from statmech.status import Status


def distinct(q, apart):
    """Rows of q that are further than `apart` from each other."""
    kept = []
    for row in q:
        if all(np.linalg.norm(row - other) > apart for other in kept):
            kept.append(row)
    return np.array(kept)


def up(n, sign):
    """All spins up (+1) or down, a start."""
    return np.tile([1.0, 0.0] if sign > 0 else [0.0, 1.0], n)


# One solution --------------------------------------------------------------------


def random_class(kappa, seed):
    """Mixed state counts, biases of order 2, lambda_max = kappa."""
    phi, layout = random_potentials([2, 3, 5, 2, 4, 2, 3], seed)
    b = 2.0 * np.random.default_rng(seed + 1).normal(size=layout.size)
    return with_largest(BoltzmannMachine(phi, b, layout.n_states), kappa)


@pytest.mark.parametrize("kappa", [0.9, 1.9])
@pytest.mark.parametrize("seed", [20, 30, 40])
def test_one_solution_from_sixty_starts(kappa, seed):
    model = random_class(kappa, seed)
    assert model.guarantee == ("monotone" if kappa < 1 else "unique")
    for width in (0.5, 20.0):  # near the middle, near the vertices
        found = solve(model, initial=random_starts(model, 60, seed, width), tol=1e-12)
        assert found.status is Status.CONVERGED
        true = newton(model)
        assert np.linalg.norm(found.q - true, axis=1).max() <= 1e-10
        assert np.ptp(found.free_energy) <= 1e-12


def test_one_solution_without_biases():
    """The symmetric one, where the others branch off: lambda_max = 1.999."""
    model = construct(1.999)
    found = solve(model, initial=random_starts(model, 60, 50, 4.0), tol=1e-13)
    assert found.status is Status.CONVERGED
    # |q - q*| <= residual / (1 - lambda_max / 2), to first order.
    assert distinct(found.q, 1e-8).shape[0] == 1
    assert np.abs(found.q[:, [0, 3]] - 0.5).max() < 1e-9


# Several -------------------------------------------------------------------------


def test_two_more_just_above_two():
    """m = tanh(lambda m / 2) of both variables: m^2 = 3 (lambda/2 - 1), nearly."""
    largest = 2.001
    model = construct(largest)
    m = brentq(lambda x: np.tanh(0.5 * largest * x) - x, 1e-3, 0.5, xtol=1e-15)
    assert m == pytest.approx(np.sqrt(3 * (0.5 * largest - 1)), rel=1e-3)
    found = solve(model, initial=random_starts(model, 60, 51, 4.0), tol=1e-12)
    assert found.status is Status.CONVERGED
    assert np.isinf(found.error_bound).all()
    assert "there may be others" in found.reason
    sizes = found.q[:, 0] - found.q[:, 1]
    np.testing.assert_allclose(np.abs(sizes), m, atol=1e-7)
    assert (sizes > 0).any()
    assert (sizes < 0).any()
    # And the one between them, where the uniform start begins; no minimum.
    between = solve(model, tol=1e-12)
    assert between.converged
    assert between.q[0] == pytest.approx(0.5, abs=1e-8)
    assert between.free_energy > found.free_energy.max()


@pytest.mark.parametrize("method", ["auto", "anderson", "damping", "newton"])
def test_spontaneous_magnetisation(method):
    """m = tanh(J (N - 1) / N m) of the Curie-Weiss model, hollow; both signs."""
    n, coupling = 10, 2.0
    model = curie_weiss(n, coupling, 0.0)
    m = brentq(lambda x: np.tanh(coupling * (n - 1) / n * x) - x, 0.5, 1.0, xtol=1e-15)
    starts = random_starts(model, 50, 52)
    found = solve(model, method=method, initial=starts, tol=1e-12)
    assert found.status is Status.CONVERGED
    sizes = found.q[:, 0] - found.q[:, 1]
    np.testing.assert_allclose(np.abs(sizes), m, atol=1e-9)
    # Whatever is found is no worse than the start, and a solution.
    assert (found.free_energy <= free_energy(model, starts) + 1e-12).all()
    np.testing.assert_allclose(respond(model, found.q), found.q, atol=1e-11)


@pytest.mark.parametrize("name", ["ferromagnet", "hopfield", "construct_above"])
def test_free_energy_is_lower_than_at_the_start(name):
    """Minima, not maxima: the free energy decides which mixed points are taken."""
    model = CASES[name]()
    starts = random_starts(model, 50, 53)
    found = solve(model, initial=starts)
    assert found.status is Status.CONVERGED
    assert (found.free_energy <= free_energy(model, starts) + 1e-9).all()


# Order ---------------------------------------------------------------------------


def attractive(scale, field, n=12, seed=60):
    """J >= 0 with lambda_max(J) = scale: an order-preserving map."""
    draw = np.random.default_rng(seed)
    j = np.triu(draw.random((n, n)) * (draw.random((n, n)) < 0.6), 1)
    j = j + j.T
    j *= scale / np.linalg.eigvalsh(j)[-1]
    return ising(j, field * draw.normal(size=n))


def ordered_sequences(model, n_steps):
    """Magnetisations of parallel updates from all up, and from all down."""
    n = model.n_variables
    upper, lower = up(n, +1), up(n, -1)
    for _ in range(n_steps):
        yield upper[::2] - upper[1::2], lower[::2] - lower[1::2]
        upper, lower = (
            parallel(model, initial=q, max_iter=1).last for q in (upper, lower)
        )


@pytest.mark.parametrize("scale", [0.45, 0.95, 2.0])
def test_attractive_models_are_bracketed(scale):
    """From all up the sequence falls, from all down it rises, each ordered to 0; any
    solution is between their limits, and if these are equal it is the only one."""
    model = attractive(scale, 0.1)
    pairs = list(ordered_sequences(model, 40))
    for (up0, down0), (up1, down1) in itertools.pairwise(pairs):
        assert (up1 <= up0).all()
        assert (down1 >= down0).all()
        assert (down1 <= up1).all()
    starts = np.stack([up(model.n_variables, +1), up(model.n_variables, -1)])
    ends = solve(model, method="damping", initial=starts, tol=1e-13)
    assert ends.status is Status.CONVERGED
    upper, lower = ends.q[:, ::2] - ends.q[:, 1::2]
    assert (pairs[-1][0] >= upper - 1e-12).all()
    assert (pairs[-1][1] <= lower + 1e-12).all()
    # lambda_max of Phi is twice that of J: 0.9, 1.9 and 4.
    if scale < 1.0:
        assert model.guarantee != "none"
        assert np.abs(upper - lower).max() <= 1e-10
        assert np.linalg.norm(ends.q[0] - newton(model)) <= 1e-10
    else:
        assert (upper > 0.5).all()
        assert (lower < -0.5).all()
        assert np.isinf(ends.error_bound).all()
    found = solve(model, initial=random_starts(model, 50, 61), tol=1e-12)
    m = found.q[:, ::2] - found.q[:, 1::2]
    assert (m <= upper + 1e-9).all()
    assert (m >= lower - 1e-9).all()


def test_order_is_lost_with_repulsion():
    """The control: one negative coupling, and the sequences are not ordered."""
    model = attractive(2.0, 0.1)
    phi = model.potentials.copy()
    phi[:2, 2:4] = phi[2:4, :2] = -6.0 * np.array([[1, -1], [-1, 1]])
    model = BoltzmannMachine(phi, model.biases, 2)
    pairs = list(ordered_sequences(model, 10))
    broken = [
        (up1 > up0 + 1e-6).any() for (up0, _), (up1, _) in itertools.pairwise(pairs)
    ]
    assert any(broken)


# Evidence ------------------------------------------------------------------------


def test_evidence_keeps_the_guarantee():
    """Principal submatrices: every set of observed variables has one solution."""
    model = paper_class()
    draw = np.random.default_rng(62)
    states = draw.integers(-1, 3, size=(30, model.n_variables))
    twice = np.repeat(states, 2, axis=0)
    starts = random_starts(model, 60, 63, 10.0)
    assert pose(model, starts, twice).batched
    found = solve(model, evidence=twice, initial=starts, tol=1e-13)
    assert found.status is Status.CONVERGED
    assert np.abs(found.q[::2] - found.q[1::2]).max() <= 1e-11
