"""Gradients through the fixed point against central differences and dense algebra.

Differences have a step of 1e-6 between fixed points that are exact to rounding: their
error is about 1e-12 from the step and 1e-16 / 1e-6 from rounding, both far below 1e-7.
"""

from __future__ import annotations

import math

import factor_reference as reference
import numpy as np
import pytest

from statmech.boltzmann import BoltzmannMachine
from statmech.boltzmann.layout import Layout
from statmech.errors import ParameterError, ParameterTypeError
from statmech.monotone import (
    factor_gradient,
    free_energy_difference,
    free_energy_gradient,
    from_factor,
    implicit_gradient,
)
from statmech.monotone.parameterisation import cap_blocks, cap_gradient
from statmech.status import Status

MIXED = [2, 3, 1, 4, 2]
SIZE = sum(MIXED)
STEP = 1e-6
CLOSE = 1e-7
# kappa, center, scale of A_hat: capped, free, wide and centred.
CASES = [(0.9, False, 1.5), (0.9, False, 0.1), (1.8, True, 1.5), (0.9, True, 1.0)]


def parameters(seed, scale, rank=4):
    random = np.random.default_rng(seed)
    return random.normal(size=(rank, SIZE)) * scale, random.normal(size=SIZE)


def loss_and_cotangent(q):
    """Some smooth function of q, and its derivative."""
    weights = np.cos(np.arange(q.shape[-1]))
    value = (weights * q).sum(axis=-1) + 0.5 * (q**3).sum(axis=-1)
    return value, weights + 1.5 * q**2


def loss_of(phi, b, clamped=(), values=None):
    q = reference.solve_mean_field(phi, b, MIXED, clamped, values)
    return loss_and_cotangent(q)[0]


def difference(function, x):
    """Central differences of a scalar function in all entries of x."""
    out = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += STEP
        down[index] -= STEP
        out[index] = (function(up) - function(down)) / (2 * STEP)
    return out


def agree(found, expected, close=CLOSE):
    return np.abs(found - expected).max() <= close * np.abs(expected).max()


def solved(kappa, center, scale, seed=0, clamped=(), values=None):
    factor, b = parameters(seed, scale)
    model = from_factor(factor, b, MIXED, kappa=kappa, center=center)
    q = reference.solve_mean_field(model.potentials, b, MIXED, clamped, values)
    return factor, model, q


@pytest.mark.parametrize("case", CASES)
def test_biases_and_factor(case):
    """dl/db and dl/dA_hat, where the cap acts and where it does not."""
    kappa, center, scale = case
    factor, model, q = solved(*case)
    norms = cap_blocks(factor, model.layout, kappa, center).norms
    assert (norms > math.sqrt(kappa)).any() == (scale > 0.5)
    gradient = implicit_gradient(model, q, loss_and_cotangent(q)[1])
    assert gradient.status is Status.CONVERGED
    expected = difference(lambda b: loss_of(model.potentials, b), model.biases)
    assert agree(gradient.biases, expected)

    def of_factor(a):
        phi = reference.capped_potentials(a, MIXED, kappa, center)
        return loss_of(phi, model.biases)

    expected = difference(of_factor, factor)
    arguments = (q, gradient.biases, MIXED)
    found = factor_gradient(factor, *arguments, kappa=kappa, center=center)
    assert agree(found, expected)


def test_planted_bugs_are_noticed():
    """Half of dl/dA, no rank-one term of the cap, no cap: each is far off."""
    kappa, center, scale = CASES[0]
    factor, model, q = solved(kappa, center, scale)
    layout = model.layout
    v = implicit_gradient(model, q, loss_and_cotangent(q)[1]).biases
    cap = cap_blocks(factor, layout, kappa, center)
    half = np.outer(v, q)
    for first, last in layout.ranges():
        half[first:last, first:last] = 0.0
    both = -cap.factor @ (half + half.T)
    right = factor_gradient(factor, q, v, MIXED, kappa=kappa)
    assert agree(cap_gradient(both, cap, layout, center), right, 1e-12)
    for bug in (
        cap_gradient(-cap.factor @ half, cap, layout, center),
        cap_gradient(-cap.factor @ half.T, cap, layout, center),
        cap.scales[layout.owner] * both,
        both,
    ):
        assert not agree(bug, right, 0.01)
    # Scales on the rows only: the fixed point of another, asymmetric map.
    broken = reference.capped_potentials(factor, MIXED, kappa, bug="rows only")
    other = reference.solve_mean_field(broken, model.biases, MIXED)
    assert np.abs(other - q).max() > 1e-3


@pytest.mark.parametrize("case", [CASES[0], CASES[2]])
def test_potentials(case):
    """Phi_ij with Phi_ji tied to it; diagonal blocks are no parameters."""
    _, model, q = solved(*case)
    gradient = implicit_gradient(model, q, loss_and_cotangent(q)[1])
    found = gradient.potentials
    owner = model.layout.owner
    assert (found == found.T).all()
    assert (found[owner[:, None] == owner] == 0.0).all()
    pairs = [(0, 2), (1, 8), (5, 11), (3, 9), (4, 5)]
    for s, t in pairs:
        direction = np.zeros((SIZE, SIZE))
        direction[s, t] = direction[t, s] = 1.0
        expected = difference(
            lambda x, way=direction: loss_of(
                model.potentials + x[0] * way, model.biases
            ),
            np.zeros(1),
        )[0]
        assert abs(found[s, t] - expected) <= CLOSE * np.abs(found).max()


@pytest.mark.parametrize("case", [CASES[0], CASES[2]])
def test_evidence(case):
    """dl/dx_o, of l itself and through the hidden variables; hard and soft."""
    kappa, center, scale = case
    values = np.zeros(SIZE)
    values[0:2] = [0.0, 1.0]
    values[6:10] = [0.1, 0.2, 0.3, 0.4]
    clamped = (0, 3)
    factor, model, q = solved(kappa, center, scale, 3, clamped, values)
    evidence = np.full(SIZE, np.nan)
    evidence[0:2], evidence[6:10] = values[0:2], values[6:10]
    cotangent = loss_and_cotangent(q)[1]
    gradient = implicit_gradient(model, q, cotangent, evidence=evidence)
    assert gradient.status is Status.CONVERGED
    fixed = ~np.isnan(evidence)
    assert (gradient.biases[fixed] == 0.0).all()
    assert (gradient.evidence[~fixed] == 0.0).all()
    expected = difference(
        lambda x: loss_of(model.potentials, model.biases, clamped, x), values
    )
    assert agree(gradient.evidence, expected * fixed)
    expected = difference(
        lambda b: loss_of(model.potentials, b, clamped, values), model.biases
    )
    assert agree(gradient.biases, expected)

    def of_factor(a):
        phi = reference.capped_potentials(a, MIXED, kappa, center)
        return loss_of(phi, model.biases, clamped, values)

    found = factor_gradient(
        factor, gradient.q, gradient.biases, MIXED, kappa=kappa, center=center
    )
    assert agree(found, difference(of_factor, factor))
    # What stands in q where x is observed does not matter: evidence is put in.
    other = q.copy()
    other[6:10] = 0.25
    again = implicit_gradient(model, other, cotangent, evidence=evidence)
    assert (again.biases == gradient.biases).all()


def test_all_of_a_batch_and_dense_algebra():
    """A batch with an evidence each equals its samples, and the dense solution."""
    model = solved(1.8, True, 1.5)[1]
    states = np.full((6, 5), -1)
    states[1, 0] = states[2, 3] = 1
    states[3] = [1, 2, 0, 3, 1]
    states[4, 1:4] = [0, 0, 2]
    qs, vs = [], []
    random = np.random.default_rng(4)
    cotangent = random.normal(size=(6, SIZE))
    cotangent[5] = 0.0
    for row, g in zip(states, cotangent, strict=True):
        clamped = np.flatnonzero(row >= 0)
        values = model.layout.encode(np.maximum(row, 0))
        q = reference.solve_mean_field(
            model.potentials, model.biases, MIXED, clamped, values
        )
        qs.append(q)
        vs.append(reference.response_matrix(model.potentials, q, MIXED, clamped) @ g)
    q, dense = np.array(qs), np.array(vs)
    gradient = implicit_gradient(model, q, cotangent, evidence=states, tol=1e-12)
    assert gradient.converged.all()
    assert gradient.biases.shape == (6, SIZE)
    # An error of tol / (1 - lambda_max / 2) of the solution.
    assert np.abs(gradient.biases - dense).max() < 1e-11 * np.abs(dense).max()
    assert gradient.iterations[3] == gradient.iterations[5] == 0
    assert (gradient.iterations <= SIZE).all()
    for i in range(6):
        one = implicit_gradient(
            model, q[i], cotangent[i], evidence=states[i], tol=1e-12
        )
        assert one.biases.shape == (SIZE,)
        assert np.abs(one.biases - gradient.biases[i]).max() < 1e-12
    total = sum(
        implicit_gradient(model, q[i], cotangent[i], evidence=states[i]).potentials
        for i in range(6)
    )
    assert agree(gradient.potentials, total, 1e-8)


def test_low_rank_model():
    """The factor is used as it is, and gives what the matrix gives."""
    n = 20
    random = np.random.default_rng(5)
    factor, b = random.normal(size=(3, 3 * n)), random.normal(size=3 * n)
    model = from_factor(factor, b, 3, kappa=1.5, center=True)
    assert model.low_rank
    q = reference.solve_mean_field(model.potentials, b, [3] * n)
    g = random.normal(size=3 * n)
    found = implicit_gradient(model, q, g, tol=1e-13)
    dense = reference.response_matrix(model.potentials, q, [3] * n) @ g
    assert agree(found.biases, dense, 1e-12)


def test_iterations_are_bounded_by_the_spectrum():
    """Hestenes and Stiefel: |r_n| <= 2 sqrt(c) ((sqrt(c) - 1) / (sqrt(c) + 1))**n,
    with c the ratio of extreme eigenvalues, at strong repulsion too."""
    n, tol = 60, 1e-10
    random = np.random.default_rng(6)
    block = random.normal(size=(4, 2))
    factor = np.tile(block, n) + 0.3 * random.normal(size=(4, 2 * n))
    b = random.normal(size=2 * n)
    model = from_factor(factor, b, 2, kappa=1.9, center=True)
    low, high = model.spectrum()
    assert low < -50.0
    q = reference.solve_mean_field(model.potentials, b, [2] * n)
    found = implicit_gradient(model, q, random.normal(size=2 * n), tol=tol)
    root = math.sqrt((1.0 - low / 2) / (1.0 - high / 2))
    bound = math.log(2 * root / tol) / math.log((root + 1) / (root - 1))
    assert found.status.ok
    assert found.residual <= 2 * tol
    assert found.iterations <= bound


def test_response_is_the_covariance_of_weak_coupling():
    """chi against the exact covariance by enumeration: they differ by the square of
    the potentials, so by a quarter at half of them."""
    n_states = [2, 3, 2]
    random = np.random.default_rng(7)
    phi = random.normal(size=(7, 7))
    phi += phi.T
    for first, last in reference.bounds(n_states):
        phi[first:last, first:last] = 0.0
    b = random.normal(size=7)
    x = reference.one_hot_states(n_states)
    errors = []
    for scale in (0.02, 0.01):
        model = BoltzmannMachine(scale * phi, b, n_states)
        weights = np.exp(0.5 * np.einsum("ma,ab,mb->m", x, scale * phi, x) + x @ b)
        weights /= weights.sum()
        mean = weights @ x
        exact = (x - mean).T @ (weights[:, None] * (x - mean))
        q = reference.solve_mean_field(scale * phi, b, n_states)
        chi = implicit_gradient(model, np.tile(q, (7, 1)), np.eye(7), tol=1e-13).biases
        assert np.abs(chi - chi.T).max() < 1e-13
        errors.append(np.abs(chi - exact).max())
    assert 3.7 < errors[0] / errors[1] < 4.3


def test_marginals_with_zeros():
    """Biases that leave exact zeros: finite, nothing moves there, the rest is right."""
    factor, b = parameters(8, 1.0)
    b[3], b[6:9] = -1e5, [-3e3, -2e3, -9e2]
    model = from_factor(factor, b, MIXED, kappa=0.9)
    q = reference.solve_mean_field(model.potentials, b, MIXED)
    assert q[3] == 0.0
    assert q[9] == 1.0
    gradient = implicit_gradient(model, q, loss_and_cotangent(q)[1])
    assert gradient.status.ok
    assert np.isfinite(gradient.biases).all()
    assert (gradient.biases[[3, 6, 7, 8, 9]] == 0.0).all()
    dense = reference.response_matrix(model.potentials, q, MIXED)
    assert agree(gradient.biases, dense @ loss_and_cotangent(q)[1], 1e-9)
    vertex = from_factor(factor, 1e5 * b, MIXED, kappa=0.9)
    corner = reference.solve_mean_field(vertex.potentials, vertex.biases, MIXED)
    assert set(corner) == {0.0, 1.0}
    gradient = implicit_gradient(vertex, corner, np.ones(SIZE))
    assert gradient.status.ok
    assert not gradient.biases.any()


def test_what_is_not_converged_is_no_number():
    _, model, q = solved(*CASES[2])
    g = loss_and_cotangent(q)[1]
    early = implicit_gradient(model, np.array([q, q]), np.array([g, 0 * g]), max_iter=1)
    assert early.status is Status.NOT_CONVERGED
    assert early.converged.tolist() == [False, True]
    assert np.isnan(early.biases[0]).all()
    assert np.isnan(early.evidence[0]).all()
    assert (early.biases[1] == 0.0).all()
    moved = q.copy()
    moved[:2] += [1e-4, -1e-4]
    wrong = implicit_gradient(model, moved, g)
    assert wrong.status is Status.NOT_CONVERGED
    assert wrong.fixed_point_residual > 1e-5
    assert np.isnan(wrong.biases).all()


def test_a_saddle_has_no_derivative():
    """A ferromagnet beyond lambda_max = 2: the symmetric point is no minimum."""
    phi = np.zeros((4, 4))
    phi[:2, 2:] = phi[2:, :2] = [[1.5, -1.5], [-1.5, 1.5]]
    model = BoltzmannMachine(phi, np.zeros(4), 2)
    middle = implicit_gradient(model, np.full(4, 0.5), [1.0, 0.0, 0.0, 0.0])
    assert middle.status is Status.UNDEFINED
    assert np.isnan(middle.biases).all()
    start = np.array([0.99, 0.01, 0.99, 0.01])
    q = reference.solve_mean_field(phi, np.zeros(4), [2, 2], start=start)
    ordered = implicit_gradient(model, q, [1.0, 0.0, 0.0, 0.0])
    dense = reference.response_matrix(phi, q, [2, 2])[:, 0]
    assert ordered.status.ok
    assert agree(ordered.biases, dense, 1e-9)


@pytest.mark.parametrize("case", [CASES[0], CASES[2]])
def test_free_energy(case):
    """The envelope theorem: total derivatives of F* by differences, no solve."""
    kappa, center, _ = case
    factor, model, q = solved(*case)
    phi, b = model.potentials, model.biases
    gradient = free_energy_gradient(model, q)
    assert gradient.status is Status.CONVERGED
    assert abs(gradient.value - reference.free_energy(phi, b, q)) < 1e-13

    def minimum(phi, b):
        return reference.free_energy(phi, b, reference.solve_mean_field(phi, b, MIXED))

    assert agree(gradient.biases, difference(lambda x: minimum(phi, x), b))
    expected = difference(
        lambda a: minimum(reference.capped_potentials(a, MIXED, kappa, center), b),
        factor,
    )
    found = factor_gradient(
        factor, gradient.q, gradient.v, MIXED, kappa=kappa, center=center
    )
    assert agree(found, expected)
    way = np.zeros((SIZE, SIZE))
    way[1, 7] = way[7, 1] = 1.0
    expected = difference(lambda x: minimum(phi + x[0] * way, b), np.zeros(1))[0]
    assert abs(gradient.potentials[1, 7] - expected) < CLOSE


def test_free_energy_difference():
    """Clamped less free, of a batch of data with missing entries."""
    factor, model, free = solved(*CASES[0])
    b = model.biases
    states = np.array([[0, 1, 0, -1, -1], [1, -1, -1, 2, 0], [1, 2, 0, 3, 1]])

    def energies(a, b):
        phi = reference.capped_potentials(a, MIXED, 0.9)
        q0 = reference.solve_mean_field(phi, b, MIXED)
        rows, total = [], 0.0
        for row in states:
            values = model.layout.encode(np.maximum(row, 0))
            clamped = np.flatnonzero(row >= 0)
            q = reference.solve_mean_field(phi, b, MIXED, clamped, values)
            rows.append(q)
            total += reference.free_energy(phi, b, q) - reference.free_energy(
                phi, b, q0
            )
        return total, np.array(rows)

    total, clamped = energies(factor, b)
    gradient = free_energy_difference(model, clamped, free, states)
    assert gradient.status.ok
    assert abs(gradient.value.sum() - total) < 1e-12
    expected = difference(lambda x: energies(factor, x)[0], b)
    assert agree(gradient.biases.sum(axis=0), expected)
    found = factor_gradient(factor, gradient.q, gradient.v, MIXED, kappa=0.9)
    assert agree(found, difference(lambda a: energies(a, b)[0], factor))
    statistics = 3 * np.outer(free, free) - clamped.T @ clamped
    owner = model.layout.owner
    statistics[owner[:, None] == owner] = 0.0
    assert agree(gradient.potentials, statistics, 1e-12)
    wrong = free_energy_difference(model, clamped, np.roll(free, 0)[None], states)
    assert (wrong.biases == gradient.biases).all()
    moved = free.copy()
    moved[:2] += [1e-4, -1e-4]
    wrong = free_energy_difference(model, clamped, moved, states)
    assert wrong.status is Status.NOT_CONVERGED
    assert np.isnan(wrong.value).all()
    assert np.isnan(wrong.v).all()


def test_derivative_of_the_cap():
    """Of any function of A, against differences; ties are finite."""
    layout = Layout(np.array(MIXED))
    weights = np.random.default_rng(9).normal(size=(4, SIZE))
    for kappa, center, scale in CASES:
        factor, _ = parameters(10, scale)

        def of_free(a, kappa=kappa, center=center):
            capped = cap_blocks(a, layout, kappa, center).factor
            return (weights * np.sin(capped)).sum()

        cap = cap_blocks(factor, layout, kappa, center)
        found = cap_gradient(weights * np.cos(cap.factor), cap, layout, center)
        assert agree(found, difference(of_free, factor))
    tied = np.kron(np.ones(3), 2.0 * np.eye(4)[:, :2])
    cap = cap_blocks(tied, Layout(np.array([2, 2, 2])), 0.9, False)
    found = cap_gradient(np.ones_like(tied), cap, Layout(np.array([2, 2, 2])), False)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"model": None}, ParameterTypeError, "model"),
        ({"q": np.ones(SIZE)}, ParameterError, "q"),
        ({"q": np.ones(3)}, ParameterError, "q"),
        ({"cotangent": np.ones((1, SIZE))}, ParameterError, "cotangent"),
        ({"cotangent": np.full(SIZE, np.inf)}, ParameterError, "cotangent"),
        ({"evidence": np.full((1, 5), -1)}, ParameterError, "evidence"),
        ({"tol": 1e-16}, ParameterError, "tol"),
        ({"max_iter": 0}, ParameterError, "max_iter"),
    ],
)
def test_bad_input(change, error, name):
    _, model, q = solved(*CASES[0])
    arguments = {"model": model, "q": q, "cotangent": q} | change
    with pytest.raises(error) as raised:
        implicit_gradient(**arguments)
    assert raised.value.name == name


def test_bad_rows_of_the_factor_gradient():
    factor, _ = parameters(11, 1.0)
    with pytest.raises(ParameterError, match="v"):
        factor_gradient(factor, np.ones((2, SIZE)), np.ones(SIZE), MIXED, kappa=0.9)
    with pytest.raises(ParameterError, match="q"):
        factor_gradient(factor, np.ones(3), np.ones(3), MIXED, kappa=0.9)
    _, model, q = solved(*CASES[0])
    with pytest.raises(ParameterError, match="free"):
        free_energy_difference(model, [q] * 3, [q] * 2, np.full((3, 5), -1))
