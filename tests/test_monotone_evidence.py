"""Mean field under evidence, at the limits of its arguments, and what is said of it."""

import math

import numpy as np
import pytest
from boltzmann_cases import (
    antiferromagnet,
    construct_above,
    ferromagnet,
    mixed_states,
    one_variable,
    strong_repulsion,
    wide_class,
)
from monotone_reference import (
    blocks,
    defined,
    methods_of,
    newton,
    random_starts,
    reduced,
    truth,
)

from statmech.boltzmann.model import BoltzmannMachine
from statmech.errors import ParameterError, ParameterTypeError
from statmech.monotone.solvers import METHODS, solve
from statmech.status import Status

# Evidence ------------------------------------------------------------------------


def masks(model, n_rows, seed):
    """Half of the variables observed at random, in random states."""
    draw = np.random.default_rng(seed)
    states = draw.integers(0, model.n_states, size=(n_rows, model.n_variables))
    states[draw.random(states.shape) < 0.5] = -1
    return states


def as_values(model, states):
    values = np.full(model.size, np.nan)
    for (first, last), state in zip(blocks(model), states, strict=True):
        if state >= 0:
            values[first:last] = np.arange(last - first) == state
    return values


@pytest.mark.parametrize("method", methods_of("wide_class"))
@pytest.mark.parametrize("make", [mixed_states, wide_class])
def test_evidence_gives_the_reduced_model(make, method):
    model = make()
    states = masks(model, 6, 9)
    found = solve(model, method=method, evidence=states, tol=1e-13)
    for row, q in zip(states, found.q, strict=True):
        values = as_values(model, row)
        hidden = np.isnan(values)
        assert (q[~hidden] == values[~hidden]).all()
        if hidden.any():
            small = BoltzmannMachine(*reduced(model, values))
            np.testing.assert_allclose(q[hidden], newton(small), rtol=0, atol=1e-11)


def test_soft_evidence():
    model = mixed_states()
    values = np.full(model.size, np.nan)
    values[2:5] = [0.2, 0.5, 0.3]
    for method in ("auto", "newton", "peaceman-rachford", "forward-backward"):
        found = solve(model, method=method, evidence=values, tol=1e-13)
        np.testing.assert_allclose(found.q, newton(model, values=values), atol=1e-12)


@pytest.mark.parametrize("method", methods_of("mixed_states"))
def test_batch_is_its_samples(method):
    """A different set of observed variables in each row, and one start each."""
    model = mixed_states()
    states = masks(model, 7, 10)
    initial = random_starts(model, 7, 11)
    found = solve(model, method=method, evidence=states, initial=initial)
    for b in range(7):
        alone = solve(model, method=method, evidence=states[b], initial=initial[b])
        assert alone.iterations == found.iterations[b]
        assert alone.status is found.statuses[b]
        # Bit for bit, but for the products of the plain updates and of the report.
        np.testing.assert_allclose(alone.q, found.q[b], rtol=0, atol=1e-14)
        assert alone.residual == pytest.approx(found.residual[b], abs=1e-14)


def test_reflections_refuse_many_masks():
    model = strong_repulsion()
    with pytest.raises(ParameterError, match="factorises a matrix for each"):
        solve(model, method="peaceman-rachford", evidence=masks(model, 40, 12))


# Limits --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_one_variable_is_a_softmax(method):
    model = one_variable()
    found = solve(model, method=method, tol=1e-14)
    exact = np.exp(model.biases) / np.exp(model.biases).sum()
    np.testing.assert_allclose(found.q, exact, rtol=1e-13)
    np.testing.assert_allclose(found.log_q, np.log(exact), rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_only_constants(method):
    """Variables of one state: nothing to solve, whatever the potentials."""
    phi = np.array([[0.0, 3.0], [3.0, 0.0]])
    found = solve(BoltzmannMachine(phi, [1.0, 2.0], 1), method=method)
    assert found.status is Status.CONVERGED
    np.testing.assert_array_equal(found.q, [1.0, 1.0])
    assert found.free_energy == pytest.approx(-6.0)


@pytest.mark.parametrize("method", methods_of("mixed_states"))
def test_large_biases(method):
    """log q is finite, and right, where q is 0 in double precision."""
    model = mixed_states()
    b = np.random.default_rng(13).choice([-1e3, 0.0, 1e3], size=model.size)
    model = model.with_biases(b)
    found = solve(model, method=method, tol=1e-12)
    assert found.converged
    assert np.isfinite(found.log_q).all()
    logits = found.q @ model.potentials + b
    for first, last in blocks(model):
        part = logits[first:last] - logits[first:last].max()
        expected = part - np.log(np.exp(part).sum())
        np.testing.assert_allclose(found.log_q[first:last], expected, atol=1e-8)


@pytest.mark.parametrize("method", methods_of("mixed_states"))
def test_empty_batch_and_all_observed(method):
    model = mixed_states()
    found = solve(
        model, method=method, evidence=np.empty((0, model.n_variables), dtype=int)
    )
    assert found.q.shape == (0, model.size)
    assert found.statuses == ()
    states = np.array([[0, 1, 2, 1, 3], [1, 0, 4, 0, 2]])
    found = solve(model, method=method, evidence=states)
    assert found.status is Status.CONVERGED
    np.testing.assert_array_equal(found.q, [as_values(model, row) for row in states])
    assert (found.residual == 0.0).all()


@pytest.mark.parametrize("method", methods_of("wide_class"))
def test_starts_at_vertices(method):
    """A start may be certain: zeros are no trap."""
    model = wide_class()
    initial = np.zeros((2, model.size))
    for first, last in blocks(model):
        initial[0, first] = initial[1, last - 1] = 1.0
    found = solve(model, method=method, initial=initial, tol=1e-12)
    np.testing.assert_allclose(found.q[0], truth("wide_class"), atol=1e-10)
    np.testing.assert_allclose(found.q[1], truth("wide_class"), atol=1e-10)


# What is said --------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_no_proof_beyond_two(method):
    model = ferromagnet()
    if not defined("ferromagnet", method):
        with pytest.raises(ParameterError, match="needs lambda_max < "):
            solve(model, method=method)
        return
    found = solve(model, method=method, initial=random_starts(model, 1, 14)[0])
    assert found.converged
    assert found.error_bound == math.inf
    assert "there may be others" in found.reason


def test_auto_says_what_it_did(monkeypatch):
    found = solve(mixed_states())
    assert found.method == "auto: anderson"
    assert "needs products only" in found.reason
    # Where mixing stalls, Newton steps follow; all products are counted.
    monkeypatch.setattr("statmech.monotone.solvers._PATIENCE", 4)
    found = solve(antiferromagnet(), tol=1e-13)
    assert found.method == "auto: anderson, then newton"
    assert found.converged
    assert found.iterations > 4
    np.testing.assert_allclose(found.q, truth("antiferromagnet"), atol=1e-12)


def test_bad_input():
    model = construct_above()
    with pytest.raises(ParameterError, match="method"):
        solve(model, method="andersen")
    with pytest.raises(ParameterError, match="tol"):
        solve(model, tol=0.0)
    with pytest.raises(ParameterError, match="max_iter"):
        solve(model, max_iter=0)
    with pytest.raises(ParameterTypeError, match="model"):
        solve(model.potentials)
    with pytest.raises(ParameterError, match="initial"):
        solve(model, initial=np.full(6, 0.5))
    with pytest.raises(ParameterError, match="evidence"):
        solve(model, evidence=[0, 3])
