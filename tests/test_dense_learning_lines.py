"""Limits of retrieval for networks that learn from examples."""

import math

import numpy as np
import pytest
from dense_learning_reference import Twin
from scipy.optimize import minimize_scalar
from scipy.special import erf
from scipy.stats import binom

from analytics.dense import (
    find_critical_load,
    find_min_examples,
    find_transition_temperature,
    solve_supervised,
    solve_unsupervised,
)
from analytics.dense.learning_lines import (
    replicon_load,
    spinodal_load,
    spinodal_temperature,
)
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

SOLVERS = {"supervised": solve_supervised, "unsupervised": solve_unsupervised}
PERFECT = {"n_examples": 7, "quality": 1.0}
NOISY = {"n_examples": 21, "quality": 0.5}


@pytest.mark.parametrize(
    ("law", "printed"), [("binomial", 0.01947), ("gaussian", 0.01905)]
)
def test_capacity_at_zero_temperature(law, printed):
    found = spinodal_load(4, 0.0, **NOISY, etabar=law)
    twin = Twin(4, 1.0, 0.0, 21, 0.5, etabar=law)

    def load(x):
        w = twin.p @ (twin.v * erf(twin.v * x))
        return w**6 / (2 * x * x * 6)

    top = minimize_scalar(lambda x: -load(x), bounds=(0.5, 3), method="bounded")
    assert round(found.value, 5) == printed
    # The sum over v of the twin's Gaussian law is exact to rounding.
    assert found.value == pytest.approx(-top.fun, rel=1e-9)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("protocol", SOLVERS)
def test_lines_of_perfect_examples_are_those_of_storage(order, protocol):
    arguments = {**PERFECT, "protocol": protocol}
    for temperature in (0.0, 0.05, 0.3):
        found = spinodal_load(order, temperature, **arguments)
        expected = find_critical_load(order, temperature)
        assert found.value == pytest.approx(expected.value, rel=1e-12)
    for temperature in (0.001, 0.01):
        found = replicon_load(order, temperature, **arguments)
        expected = find_critical_load(order, temperature, kind="replicon")
        assert found.status is expected.status
        assert found.value == pytest.approx(expected.value, rel=1e-9)
    alpha = 0.9 * find_critical_load(order).value
    for load in (0.0, alpha):
        found = spinodal_temperature(order, load, **arguments)
        expected = find_transition_temperature(order, load)
        assert found.value == pytest.approx(expected.value, rel=1e-9)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("temperature", [0.0, 0.03, 0.2])
@pytest.mark.parametrize("protocol", SOLVERS)
@pytest.mark.parametrize("examples", [(21, 0.5), (3, 0.6), (4, 0.6)])
def test_states_end_at_the_spinodal(order, temperature, protocol, examples):
    arguments = {"n_examples": examples[0], "quality": examples[1]}
    found = spinodal_load(order, temperature, **arguments, protocol=protocol)
    if not found.status.ok:
        assert found.status is Status.NO_TRANSITION
        state = SOLVERS[protocol](order, 1e-9, temperature, **arguments)
        assert state.status is Status.NO_RETRIEVAL
        return
    for factor, ok in ((1 - 1e-6, True), (1 + 1e-6, False)):
        load = factor * found.value
        state = SOLVERS[protocol](order, load, temperature, **arguments)
        assert state.status is (Status.CONVERGED if ok else Status.NO_RETRIEVAL)


def test_iteration_loses_the_state_at_the_spinodal():
    top = spinodal_load(3, 0.1, n_examples=11, quality=0.6).value
    below = Twin(3, 0.98 * top, 0.1, 11, 0.6).iterate()[0]
    above = Twin(3, 1.02 * top, 0.1, 11, 0.6).iterate()[0]
    assert below > 0.6
    assert not above > 0.3


def test_the_spinodal_is_continuous_in_temperature():
    # Between T = 0.18 and 0.22 the first maximum merges with the weak states of small
    # W, and the end of the stable part takes over: no jump of more than the slope.
    temperatures = np.concatenate([[0.0, 1e-6, 1e-4], np.arange(0.18, 0.22, 0.002)])
    loads = [spinodal_load(4, t, **NOISY).value for t in temperatures]
    assert loads[1] == pytest.approx(loads[0], abs=1e-6)
    assert loads[2] == pytest.approx(loads[0], abs=1e-5)
    assert 0.0 < min(np.diff(loads[3:])) < max(np.diff(loads[3:])) < 3e-4
    # Damped iteration agrees with where the state is lost.
    top = spinodal_load(4, 0.2, **NOISY).value
    kept, lost = (Twin(4, f * top, 0.2, 21, 0.5).iterate()[0] for f in (0.99, 1.01))
    assert kept > 0.6
    assert not lost > 0.3


def test_spinodal_temperature_inverts_the_load():
    found = spinodal_temperature(3, 0.05, **NOISY)
    assert spinodal_load(3, found.value, **NOISY).value == pytest.approx(0.05, abs=1e-9)
    assert found.error < 1e-6
    nothing = spinodal_temperature(4, 0.05, **NOISY)
    assert nothing.status is Status.NO_TRANSITION
    assert math.isnan(nothing.value)


def test_zero_load_ends_where_the_equation_has_no_root():
    found = spinodal_temperature(3, 0.0, **NOISY).value
    twin = Twin(3, 0.0, 1.0, 21, 0.5)
    w = np.linspace(1e-3, twin.p @ abs(twin.v), 20001)

    def surplus(t):
        fields = np.tanh(twin.v[:, None] * w**2 / t)
        return ((twin.p * twin.v) @ fields - w).max()

    assert surplus(found - 1e-5) > 0.0 > surplus(found + 1e-5)


def test_the_replicon_vanishes_on_its_line():
    for protocol, solver in SOLVERS.items():
        found = replicon_load(4, 0.05, **NOISY, protocol=protocol)
        assert found.error < 1e-10
        state = solver(4, found.value, 0.05, **NOISY)
        assert abs(state.replicon) < 1e-9
        assert solver(4, 0.9 * found.value, 0.05, **NOISY).replicon > 0.0
    assert replicon_load(4, 0.0, **NOISY).status is Status.NO_TRANSITION
    assert replicon_load(4, 0.3, **NOISY).status is Status.NO_TRANSITION


@pytest.mark.parametrize(("quality", "number"), [(0.1, 383), (0.2, 95), (0.5, 13)])
def test_majority_of_examples(quality, number):
    found = find_min_examples(4, 0.0, 0.0, quality=quality, magnetization=0.95)
    assert found.value == number
    law = binom(number, (1 + quality) / 2)
    less = binom(number - 2, (1 + quality) / 2)
    assert 1 - 2 * law.cdf(number / 2) >= 0.95 > 1 - 2 * less.cdf(number / 2 - 1)


@pytest.mark.parametrize(
    ("alpha", "quality", "gaussian", "binomial"),
    [
        (0.005, 0.2, 129, 130),
        (0.005, 0.5, 17, 18),
        (0.01, 0.2, 170, 171),
        (0.01, 0.5, 22, 23),
    ],
)
def test_examples_needed_with_a_load(alpha, quality, gaussian, binomial):
    arguments = {"quality": quality, "magnetization": 0.95}
    for law, number in (("gaussian", gaussian), ("binomial", binomial)):
        found = find_min_examples(4, alpha, 0.1, **arguments, etabar=law)
        assert found.status is Status.CONVERGED
        assert found.value == number


# order, alpha, temperature, quality, magnetization, protocol
SCANS = [
    (2, 0.001, 0.1, 0.2, 0.25, "supervised"),  # few examples are patterns themselves
    (2, 0.005, 0.0, 0.4, 0.6, "unsupervised"),
    (3, 0.02, 0.1, 0.4, 0.3, "unsupervised"),
    (4, 0.001, 0.25, 0.4, 0.35, "supervised"),
    (4, 0.0, 0.3, 0.6, 0.9, "supervised"),
    (6, 0.0001, 0.0, 0.6, 0.55, "unsupervised"),
]


@pytest.mark.parametrize("case", SCANS, ids=str)
def test_every_larger_number_is_enough(case):
    order, alpha, temperature, quality, goal, protocol = case
    found = find_min_examples(
        order,
        alpha,
        temperature,
        quality=quality,
        magnetization=goal,
        protocol=protocol,
    )
    number = int(found.value)
    holds = {}
    for m in range(1, max(60, 2 * number)):
        state = SOLVERS[protocol](
            order, alpha, temperature, n_examples=m, quality=quality
        )
        holds[m] = state.status.ok and state.m >= goal
    failing = [m for m, ok in holds.items() if not ok]
    assert number == max(failing, default=0) + 1


def test_where_no_number_is_enough():
    beyond = find_min_examples(4, 0.05, 0.1, quality=0.5, magnetization=0.9)
    assert beyond.status is Status.NO_RETRIEVAL
    assert math.isnan(beyond.value)
    # The archetypes themselves have m = 0.967 at the capacity.
    strict = find_min_examples(2, 0.137, 0.0, quality=0.5, magnetization=0.99)
    assert strict.status is Status.NO_RETRIEVAL
    perfect = find_min_examples(2, 0.1, 0.0, quality=1.0, magnetization=0.9)
    assert perfect.value == 1.0
    far = find_min_examples(4, 0.01, 0.1, quality=1e-4, magnetization=0.9)
    assert far.status is Status.NOT_CONVERGED


BAD = [
    ({"order": 1}, ParameterError),
    ({"alpha": -1.0}, ParameterError),
    ({"temperature": math.nan}, ParameterError),
    ({"quality": 0.0}, ParameterError),
    ({"magnetization": 1.0}, ParameterError),
    ({"magnetization": 0.0}, ParameterError),
    ({"magnetization": "high"}, ParameterTypeError),
    ({"protocol": "storage"}, ParameterError),
    ({"etabar": "normal"}, ParameterError),
    ({"coincident": "drop"}, ParameterError),
]


@pytest.mark.parametrize(("change", "error"), BAD, ids=str)
def test_bad_input_is_refused(change, error):
    good = {"order": 3, "alpha": 0.01, "temperature": 0.1}
    good |= {"quality": 0.5, "magnetization": 0.9}
    with pytest.raises(error):
        find_min_examples(**(good | change))


# The same through the common entry points ------------------------------------------


def test_lines_of_networks_that_learn_are_found_by_the_same_names():
    lesson = {"n_examples": 21, "quality": 0.5, "protocol": "unsupervised"}
    for etabar in ("binomial", "gaussian"):
        more = lesson | {"etabar": etabar}
        assert find_critical_load(3, 0.1, **more) == spinodal_load(3, 0.1, **more)
        replicon = find_critical_load(3, 0.1, kind="replicon", **more)
        assert replicon == replicon_load(3, 0.1, **more)
        found = find_transition_temperature(3, 0.02, **more)
        assert found == spinodal_temperature(3, 0.02, **more)
    # Perfect examples are the archetypes.
    perfect = {"n_examples": 3, "quality": 1.0, "protocol": "supervised"}
    stored = find_critical_load(4, 0.1)
    assert abs(find_critical_load(4, 0.1, **perfect).value - stored.value) < 1e-12


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"protocol": "storage"}, "n_examples"),
        ({"protocol": "taught"}, "protocol"),
        ({"n_examples": None}, "n_examples"),
        ({"quality": None}, "quality"),
        ({"kind": "thermodynamic"}, "kind"),
        ({"rsb": 1}, "rsb"),
        ({"etabar": "poisson"}, "etabar"),
    ],
)
def test_what_is_not_known_of_lessons_is_refused(change, name):
    lesson = {"n_examples": 5, "quality": 0.5, "protocol": "supervised"}
    with pytest.raises(ParameterError, match=name):
        find_critical_load(3, 0.1, **(lesson | change))
    with pytest.raises(ParameterError, match=name):
        find_transition_temperature(3, 0.01, **(lesson | change))
