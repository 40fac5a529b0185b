"""Pairwise machines: layout, gauge, spectrum, evidence, exact sums, Ising forms.

Oracles: loops over states and pairs, an explicit basis of the tangent space, transfer
matrices, binomial sums. Tolerances are roundings of the sums unless stated.
"""

import itertools
import math

import boltzmann_cases as cases
import mpmath
import numpy as np
import pytest
from scipy.linalg import block_diag, null_space

from analytics.mean_field import curie_weiss_exact
from statmech.boltzmann import (
    BoltzmannMachine,
    enumerate_exact,
    from_binary,
    from_ising,
    magnetisations,
    to_ising,
)
from statmech.boltzmann import exact as exact_module
from statmech.boltzmann import model as model_module
from statmech.boltzmann.evidence import read_evidence
from statmech.boltzmann.layout import Layout
from statmech.errors import ParameterError, ParameterTypeError, StatmechError

every_case = pytest.mark.parametrize("name", cases.CASES)
small_case = pytest.mark.parametrize("name", cases.SMALL)


def tangent_basis(model):
    """Orthonormal columns that span the vectors of zero sum in every block."""
    ones = [np.ones((1, k)) for k in model.n_states]
    return null_space(block_diag(*ones))


def random_q(model, rows, seed=0):
    draw = np.random.default_rng(seed)
    blocks = [draw.dirichlet(np.ones(k), size=rows) for k in model.n_states]
    return np.concatenate(blocks, axis=1)


# Layout ----------------------------------------------------------------------------


def test_layout():
    layout = Layout(np.array([2, 1, 3]))
    assert layout.offsets.tolist() == [0, 2, 3, 6]
    assert layout.owner.tolist() == [0, 0, 1, 2, 2, 2]
    assert list(layout.ranges()) == [(0, 2), (2, 3), (3, 6)]
    assert (layout.n_variables, layout.size, layout.largest) == (3, 6, 3)
    assert layout.uniform() == pytest.approx([1 / 2] * 2 + [1] + [1 / 3] * 3)
    assert layout.encode([[1, 0, 2], [0, 0, 0]]).tolist() == [
        [0, 1, 1, 0, 0, 1],
        [1, 0, 1, 1, 0, 0],
    ]


def test_softmax_far_out():
    """40 digits as the judge; log q is exact where q has underflowed."""
    layout = Layout(np.array([3, 2]))
    logits = np.array([[1.0, -2.0, -1e5, 700.0, 701.5], [0.0, 0.0, 1e-9, -1e300, 0.0]])
    q, log_q = layout.softmax(logits)
    with mpmath.workdps(40):
        for row, (first, last) in itertools.product(range(2), layout.ranges()):
            terms = [mpmath.mpf(x) for x in logits[row, first:last].tolist()]
            log_sum = mpmath.log(mpmath.fsum(map(mpmath.exp, terms)))
            for s, term in enumerate(terms, first):
                want = term - log_sum
                size = 2e-16 * (3.0 + abs(float(log_sum)) + abs(float(want)))
                assert abs(float(log_q[row, s] - want)) <= size
                assert q[row, s] == pytest.approx(float(mpmath.exp(want)), rel=1e-12)


# Model -----------------------------------------------------------------------------


@small_case
def test_exponent_against_a_loop(name):
    model = cases.CASES[name]()
    states, _ = cases.joint_law(model)
    states = states[:: max(1, len(states) // 200)]
    want = [cases.one_exponent(model, state) for state in states]
    assert model.exponent(states) == pytest.approx(want, abs=1e-12)
    assert model.exponent(states[0]) == pytest.approx(want[0], abs=1e-12)


def test_free_energy_against_a_loop():
    model = cases.mixed_states()
    q = random_q(model, 3)
    q[0, :2] = [0.0, 1.0]
    for row, value in zip(q, model.free_energy(q), strict=True):
        want = -model.biases @ row
        for r, c in itertools.combinations(range(model.size), 2):
            want -= model.potentials[r, c] * row[r] * row[c]
        want += sum(x * math.log(x) for x in row if x > 0.0)
        assert value == pytest.approx(want, abs=1e-12)


@every_case
def test_spectrum_against_a_basis_of_the_tangent_space(name):
    model = cases.CASES[name]()
    u = tangent_basis(model)
    values = np.linalg.eigvalsh(u.T @ model.potentials @ u)
    assert model.spectrum() == pytest.approx((values[0], values[-1]), abs=1e-11)


@pytest.mark.parametrize("name", ["mixed_states", "hopfield", "strong_repulsion"])
def test_spectrum_by_iteration(name, monkeypatch):
    """What large models take agrees with the full spectrum."""
    full = cases.CASES[name]().spectrum()
    monkeypatch.setattr(model_module, "_FULL_SPECTRUM", 0)
    assert cases.CASES[name]().spectrum() == pytest.approx(full, abs=1e-8)


def test_known_spectra():
    """Curie-Weiss: lambda = 2 J (N - 1) and -2 J; Ising: twice the eigenvalues of J."""
    n, coupling = 9, 0.8
    want = -2.0 * coupling / n, 2.0 * coupling * (n - 1) / n
    assert cases.curie_weiss(n, coupling).spectrum() == pytest.approx(want, abs=1e-12)
    j, _, _ = to_ising(cases.sk())
    values = 2.0 * np.linalg.eigvalsh(j)
    assert cases.sk().spectrum() == pytest.approx((values[0], values[-1]), abs=1e-12)
    lowest, largest = cases.strong_repulsion().spectrum()
    assert largest < 1.4 + 1e-9
    assert -60.0 < lowest < -50.0


def test_guarantee():
    words = {name: make().guarantee for name, make in cases.CASES.items()}
    assert words["paper_class"] == "monotone"
    assert words["wide_class"] == words["construct_below"] == "unique"
    assert {name for name, word in words.items() if word == "none"} == set(
        cases.CASES
    ) - set(cases.UNIQUE)


@small_case
def test_gauge_fixing_changes_nothing_but_a_constant(name):
    model = cases.CASES[name]()
    fixed, constant = model.gauge_fixed()
    states, _ = cases.joint_law(model)
    states = states[:: max(1, len(states) // 500)]
    gap = model.exponent(states) - fixed.exponent(states)
    assert gap == pytest.approx(np.full(len(states), constant), abs=1e-11)
    sums = np.add.reduceat(fixed.potentials, model.layout.offsets[:-1], axis=0)
    assert np.abs(sums).max() < 1e-12
    assert fixed.spectrum() == pytest.approx(model.spectrum(), abs=1e-11)
    q = random_q(model, 5)
    here = model.layout.softmax(model.logits(q))[0]
    there = model.layout.softmax(fixed.logits(q))[0]
    assert here == pytest.approx(there, abs=1e-13)


def test_a_change_of_gauge_does_not_change_the_tangent_spectrum():
    """Phi_ij + u 1^T + 1 w^T, for every pair other u and w; the full one changes."""
    model = cases.mixed_states()
    draw = np.random.default_rng(3)
    phi = np.array(model.potentials)
    blocks = list(model.layout.ranges())
    for (a, b), (c, d) in itertools.combinations(blocks, 2):
        shift = draw.normal(size=(b - a, 1)) + draw.normal(size=(1, d - c))
        phi[a:b, c:d] += shift
        phi[c:d, a:b] += shift.T
    other = BoltzmannMachine(phi, model.biases, model.n_states)
    assert other.spectrum() == pytest.approx(model.spectrum(), abs=1e-11)
    full = np.linalg.eigvalsh(phi)[-1]
    assert abs(full - np.linalg.eigvalsh(model.potentials)[-1]) > 0.1


def test_low_rank_form():
    """A product through the factor is that of the potentials, which are hollow."""
    model = cases.low_rank()
    assert model.low_rank
    a = model.factor
    want = -(a.T @ a)
    for first, last in model.layout.ranges():
        want[first:last, first:last] = 0.0
    assert model.potentials == pytest.approx(want, abs=1e-14)
    for first, last in model.layout.ranges():
        assert not model.potentials[first:last, first:last].any()
    q = random_q(model, 7)
    assert model.product(q) == pytest.approx(q @ want, abs=1e-13)
    assert model.product(q[0]) == pytest.approx(q[0] @ want, abs=1e-13)
    dense = BoltzmannMachine(want, model.biases, model.n_states)
    assert dense.spectrum() == pytest.approx(model.spectrum(), abs=1e-11)
    fixed, constant = model.gauge_fixed()
    other, same = dense.gauge_fixed()
    assert fixed.potentials == pytest.approx(other.potentials, abs=1e-13)
    assert fixed.biases == pytest.approx(other.biases, abs=1e-13)
    assert constant == pytest.approx(same, abs=1e-13)


def test_with_biases_keeps_the_potentials_and_their_spectrum():
    model = cases.wide_class()
    model.spectrum()
    other = model.with_biases(np.zeros(model.size))
    assert other.potentials is model.potentials
    assert other.spectrum() is model.spectrum()
    assert not other.biases.any()


def test_arrays_cannot_be_changed():
    model = cases.sk()
    for array in (model.potentials, model.biases, model.n_states, model.layout.offsets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


# Evidence --------------------------------------------------------------------------


def test_evidence_in_its_forms():
    layout = Layout(np.array([2, 3]))
    nan = math.nan
    nothing = read_evidence(layout, None)
    assert not nothing.clamped.any()
    assert nothing.hard
    hard = read_evidence(layout, [[-1, 2], [0, -1]])
    assert hard.batched
    assert hard.clamped.tolist() == [[False, True], [True, False]]
    assert hard.values.tolist() == [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    soft = read_evidence(layout, [nan, nan, 0.25, 0.75, 0.0])
    assert (soft.hard, soft.batched) == (False, False)
    assert soft.clamped.tolist() == [[False, True]]
    assert soft.values.tolist() == [[0, 0, 0.25, 0.75, 0.0]]
    assert read_evidence(layout, [nan, nan, 0.0, 1.0, 0.0]).hard
    assert read_evidence(layout, np.empty((0, 2), dtype=int)).values.shape == (0, 5)
    rounded = np.float32([nan, nan, 0.1, 0.3, 0.6])
    assert read_evidence(layout, rounded).values[0, 2:].sum() == pytest.approx(1.0)


BAD_EVIDENCE = [
    [2, -1],
    [-2, 0],
    [0],
    [0, 1, 2],
    [[[0, 1]]],
    [True, False],
    "ab",
    [0.5, 0.5, 0.2, 0.2, 0.2],
    [math.nan, 0.5, 0.2, 0.2, 0.6],
    [1.5, -0.5, 0.2, 0.2, 0.6],
    [math.inf, -math.inf, 0.2, 0.2, 0.6],
    [0.5, 0.5j, 0.2, 0.2, 0.6],
    [[0, 1], [0]],
    {"a": 1},
]


@pytest.mark.parametrize("bad", BAD_EVIDENCE, ids=repr)
def test_bad_evidence_is_refused(bad):
    with pytest.raises((ParameterError, ParameterTypeError), match="evidence"):
        read_evidence(Layout(np.array([2, 3])), bad)


# Bad input -------------------------------------------------------------------------

PHI = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, -1.0, 0.0]])
TILTED = PHI + np.triu(np.full((3, 3), 0.1), 1)
FULL = PHI + np.eye(3)
B = np.zeros(3)

BAD_MODELS = [
    ((PHI, B, 2), "n_states"),
    ((PHI, B, 0), "n_states"),
    ((PHI, B, True), "n_states"),
    ((PHI, B, 1.5), "n_states"),
    ((PHI, B, [2, 2]), "n_states"),
    ((PHI, B, [3, 0]), "n_states"),
    ((PHI, B, [2.0, 1.0]), "n_states"),
    ((PHI, B, [[2, 1]]), "n_states"),
    ((PHI, [], [2, 1]), "n_states"),
    ((PHI, [], 1), "n_states"),
    ((PHI[:2], B, [2, 1]), "potentials"),
    ((TILTED, B, [2, 1]), "potentials"),
    ((FULL, B, [2, 1]), "potentials"),
    ((PHI, B, 3), "potentials"),
    ((PHI * math.nan, B, [2, 1]), "potentials"),
    ((PHI * 1e200, B, [2, 1]), "potentials"),
    ((PHI * 1j, B, [2, 1]), "potentials"),
    ((PHI > 0, B, [2, 1]), "potentials"),
    ((None, B, [2, 1]), "potentials"),
    ((PHI, B * math.nan, [2, 1]), "biases"),
    ((PHI, B + math.inf, [2, 1]), "biases"),
    ((PHI, B + 1e308, [2, 1]), "biases"),
    ((PHI, B[None], [2, 1]), "biases"),
    ((PHI, "abc", [2, 1]), "biases"),
]


@pytest.mark.parametrize(("arguments", "name"), BAD_MODELS)
def test_bad_models_are_refused(arguments, name):
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        BoltzmannMachine(*arguments)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda m: m.exponent([0, 0, 0]), "states"),
        (lambda m: m.exponent([0.0, 0.0]), "states"),
        (lambda m: m.exponent([2, 0]), "states"),
        (lambda m: m.exponent(0), "states"),
        (lambda m: m.exponent([[0], [0, 1]]), "states"),
        (lambda m: m.free_energy([0.5, 0.5]), "q"),
        (lambda m: m.free_energy([1.5, -0.5, 1.0]), "q"),
        (lambda m: m.with_biases([0.0]), "biases"),
        (lambda m: m.with_biases([1e308] * 3), "biases"),
        (lambda m: to_ising(m), "model"),
        (lambda m: magnetisations(m, [0.5, 0.5, 1.0]), "model"),
        (lambda m: to_ising(3), "model"),
        (lambda m: magnetisations(from_ising([[0]], [0]), [1.0]), "q"),
        (lambda m: from_ising([[0, 1], [2, 0]], [0, 0]), "couplings"),
        (lambda m: from_ising([[1, 0], [0, 0]], [0, 0]), "couplings"),
        (lambda m: from_ising([[0.0]], [[0.0]]), "fields"),
        (lambda m: from_binary([[1, 0], [0, 0]], [0, 0]), "weights"),
        (lambda m: from_binary([[0, 0], [0, 0]], [0]), "weights"),
        (lambda m: enumerate_exact(None), "model"),
        (lambda m: enumerate_exact(m, [[0, 0]]), "evidence"),
        (lambda m: enumerate_exact(m, [0.5, 0.5, 1.0]), "evidence"),
    ],
)
def test_bad_calls_are_refused(call, name):
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        call(BoltzmannMachine(PHI, B, [2, 1]))


# Exact sums ------------------------------------------------------------------------


@small_case
@pytest.mark.parametrize("observe", [False, True])
def test_exact_sums_against_loops(name, observe):
    model = cases.CASES[name]()
    states = None
    if observe:
        draw = np.random.default_rng(17)
        states = draw.integers(0, model.n_states)
        states[draw.random(model.n_variables) < 0.6] = -1
    log_z, mean, pairs = cases.brute_force(model, states)
    result = enumerate_exact(model, states)
    assert result.log_z == pytest.approx(log_z, abs=2e-13)
    assert result.marginals == pytest.approx(mean, abs=1e-13)
    assert result.pair_marginals == pytest.approx(pairs, abs=1e-13)
    want = pairs - np.outer(mean, mean)
    assert result.covariance == pytest.approx(want, abs=2e-13)


def test_all_observed_and_evidence_as_distributions():
    model = cases.mixed_states()
    states = [1, 0, 4, 1, 2]
    result = enumerate_exact(model, states)
    assert result.n_states == 1
    assert result.log_z == pytest.approx(cases.one_exponent(model, states), abs=1e-13)
    assert result.marginals == pytest.approx(model.layout.encode(states))
    assert np.abs(result.covariance).max() < 1e-15
    soft = np.where(model.layout.owner < 2, np.nan, model.layout.encode(states))
    hard = enumerate_exact(model, [-1, -1, *states[2:]])
    assert enumerate_exact(model, soft).log_z == hard.log_z


def test_sums_in_tiles_are_the_same(monkeypatch):
    model = cases.low_rank()
    whole = enumerate_exact(model)
    monkeypatch.setattr(exact_module, "_TILE", 100)
    parts = enumerate_exact(model)
    assert parts.log_z == pytest.approx(whole.log_z, abs=1e-13)
    assert parts.pair_marginals == pytest.approx(whole.pair_marginals, abs=1e-14)


def test_too_many_states_are_refused_before_they_are_made():
    model = cases.strong_repulsion()
    with pytest.raises(ParameterError, match=r"1\.22e\+19"):
        enumerate_exact(model)
    few = np.zeros(40, dtype=int)
    few[:3] = -1
    assert enumerate_exact(model, few).n_states == 27


def test_ring_by_transfer_matrix():
    """Ising ring of 14 spins: Z = a^N + b^N with the eigenvalues of T."""
    n, j, h = 14, 0.4, 0.3
    ring = np.zeros((n, n))
    for i in range(n):
        ring[i, (i + 1) % n] = ring[(i + 1) % n, i] = j
    result = enumerate_exact(from_ising(ring, np.full(n, h)))
    with mpmath.workdps(30):
        a = mpmath.e**j * mpmath.cosh(h)
        root = mpmath.sqrt(
            mpmath.e ** (2 * j) * mpmath.sinh(h) ** 2 + mpmath.e ** (-2 * j)
        )
        log_z = float(mpmath.log((a + root) ** n + (a - root) ** n))
    assert result.log_z == pytest.approx(log_z, abs=1e-12)


def test_potts_chain_by_transfer_matrix():
    """Open chain of 6 variables of 3, 2, 4, 2, 3, 2 states: a product of matrices."""
    k = [3, 2, 4, 2, 3, 2]
    phi, layout = cases.random_potentials(k, 21)
    blocks = list(layout.ranges())
    chain = np.zeros_like(phi)
    for (a, b), (c, d) in itertools.pairwise(blocks):
        chain[a:b, c:d], chain[c:d, a:b] = phi[a:b, c:d], phi[c:d, a:b]
    b = np.random.default_rng(22).normal(size=layout.size)
    forward = np.exp(b[slice(*blocks[0])])
    for (a, e), (c, d) in itertools.pairwise(blocks):
        forward = (forward @ np.exp(chain[a:e, c:d])) * np.exp(b[c:d])
    result = enumerate_exact(BoltzmannMachine(chain, b, k))
    assert result.log_z == pytest.approx(math.log(forward.sum()), abs=1e-13)
    assert result.marginals[slice(*blocks[-1])] == pytest.approx(
        forward / forward.sum(), abs=1e-14
    )


@pytest.mark.parametrize("coupling", [1.7, -5.0])
def test_curie_weiss_by_binomial_sums(coupling):
    model = cases.curie_weiss(15, coupling, 0.07)
    result = enumerate_exact(model)
    want = curie_weiss_exact(15, coupling, 0.07)
    assert result.log_z == pytest.approx(want.log_z, abs=1e-12)
    m = magnetisations(model, result.marginals)
    assert m == pytest.approx(np.full(15, want.m), abs=1e-13)


def test_derivatives_of_log_z():
    """d log Z / db = <x>, d <x> / db = covariance; differences of step 1e-5."""
    model = cases.mixed_states()
    result, step = enumerate_exact(model), 1e-5
    for r in range(0, model.size, 3):
        shift = step * np.eye(model.size)[r]
        up = enumerate_exact(model.with_biases(model.biases + shift))
        down = enumerate_exact(model.with_biases(model.biases - shift))
        slope = (up.log_z - down.log_z) / (2 * step)
        assert slope == pytest.approx(result.marginals[r], abs=1e-9)
        column = (up.marginals - down.marginals) / (2 * step)
        assert column == pytest.approx(result.covariance[r], abs=1e-9)


# Ising forms -----------------------------------------------------------------------


def test_ising_and_back():
    draw = np.random.default_rng(31)
    j = np.triu(draw.normal(size=(5, 5)), 1)
    j, h = j + j.T, draw.normal(size=5)
    model = from_ising(j, h)
    for state in itertools.product((0, 1), repeat=5):
        s = 1.0 - 2.0 * np.array(state)
        assert model.exponent(list(state)) == pytest.approx(
            0.5 * s @ j @ s + h @ s, abs=1e-13
        )
    again = to_ising(model)
    assert again[0] == pytest.approx(j, abs=1e-14)
    assert again[1] == pytest.approx(h, abs=1e-14)
    assert again[2] == pytest.approx(0.0, abs=1e-14)


def test_any_gauge_becomes_ising():
    phi, _ = cases.random_potentials([2] * 4, 33)
    model = BoltzmannMachine(phi, np.random.default_rng(34).normal(size=8), 2)
    j, h, constant = to_ising(model)
    for state in itertools.product((0, 1), repeat=4):
        s = 1.0 - 2.0 * np.array(state)
        want = 0.5 * s @ j @ s + h @ s + constant
        assert model.exponent(list(state)) == pytest.approx(want, abs=1e-13)


def test_binary_coding():
    """Against exponents of x in {0, 1}; the constant closes the gap of log Z."""
    draw = np.random.default_rng(35)
    w = np.triu(draw.normal(size=(5, 5)), 1)
    w, c = w + w.T, draw.normal(size=5)
    model, constant = from_binary(w, c)
    total = 0.0
    for x in itertools.product((0, 1), repeat=5):
        v = np.array(x, dtype=float)
        want = 0.5 * v @ w @ v + c @ v
        total += math.exp(want)
        states = [1 - one for one in x]
        assert model.exponent(states) + constant == pytest.approx(want, abs=1e-13)
    log_z = enumerate_exact(model).log_z + constant
    assert log_z == pytest.approx(math.log(total), abs=1e-12)
    # The same potentials in the plain coding: another gauge, one tangent spectrum.
    plain = np.zeros((10, 10))
    plain[::2, ::2] = w
    b = np.zeros(10)
    b[::2] = c
    other = BoltzmannMachine(plain, b, 2)
    assert other.spectrum() == pytest.approx(model.spectrum(), abs=1e-13)
    ends = np.linalg.eigvalsh(plain)[[0, -1]]
    assert abs(ends[1] - model.spectrum()[1]) > 0.1


def test_refusals_are_errors_of_this_project():
    with pytest.raises(StatmechError):
        BoltzmannMachine(FULL, B, [2, 1])
