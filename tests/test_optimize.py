"""Optimisers against recursions written out, closed forms and exact identities."""

import math

import numpy as np
import pytest

from statmech.errors import ParameterError, ParameterTypeError
from statmech.optimize import SGD, Adam, Momentum
from statmech.rng import generator

ALL = (
    SGD(0.3),
    Momentum(0.2, momentum=0.7),
    Momentum(0.2, momentum=0.7, nesterov=True),
    Adam(0.05),
    Adam(0.05, beta1=0.5, beta2=0.8, epsilon=1e-3, weight_decay=0.2),
)
every = pytest.mark.parametrize("settings", ALL, ids=repr)
RULES = {SGD: "sgd", Momentum: "momentum", Adam: "adam"}


def scalar(settings, x, gradients):
    """The recursion of one number, in Python floats."""
    rate, rule = settings.learning_rate, RULES[type(settings)]
    v = first = second = 0.0
    for t, g in enumerate(gradients, start=1):
        if rule == "sgd":
            x = x - rate * g
        elif rule == "momentum":
            v = settings.momentum * v + g
            x = x - rate * (g + settings.momentum * v if settings.nesterov else v)
        else:
            b1, b2 = settings.beta1, settings.beta2
            first = b1 * first + (1 - b1) * g
            second = b2 * second + (1 - b2) * g**2
            size = math.sqrt(second / (1 - b2**t)) + settings.epsilon
            x = x - rate * (first / (1 - b1**t) / size + settings.weight_decay * x)
    return x


@every
def test_recursion(settings) -> None:
    """Rounding of a few updates, some ulp each."""
    draw = generator(3).standard_normal((30, 4))
    theta = np.array([1.0, -2.0, 0.0, 5.0])
    expected = [scalar(settings, x, draw[:, i]) for i, x in enumerate(theta)]
    state = settings.start(theta)
    for g in draw:
        state.update(theta, g)
    assert state.n_updates == 30
    np.testing.assert_allclose(theta, expected, rtol=1e-12, atol=1e-13)


@every
def test_sequences_are_arrays_side_by_side(settings) -> None:
    first = [np.arange(6.0).reshape(2, 3), np.array([1.0])]
    second = [a.copy() for a in first]
    together = settings.start(first)
    apart = [settings.start(a) for a in second]
    for t in range(5):
        gradients = [np.cos(t + a) for a in first]
        together.update(first, gradients)
        for state, a, g in zip(apart, second, gradients, strict=True):
            state.update(a, g)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@every
def test_restart_is_bit_for_bit(settings) -> None:
    draw = generator(4).standard_normal((20, 5))
    whole, part = np.ones(5), np.ones(5)
    one, other = settings.start(whole), settings.start(part)
    for g in draw[:9]:
        one.update(whole, g)
        other.update(part, g)
    copied, saved = other.copy(), other.arrays()
    other.update(part.copy(), draw[0])  # must not reach what was copied or saved
    for g in draw[9:]:
        one.update(whole, g)
    for taken_up in (copied, settings.restore(saved)):
        theta = part.copy()
        for g in draw[9:]:
            taken_up.update(theta, g)
        np.testing.assert_array_equal(theta, whole)
        assert taken_up.n_updates == 20
    assert all(isinstance(a, np.ndarray) for a in saved.values())


@every
def test_precision_is_kept(settings) -> None:
    theta = np.ones(3, dtype=np.float32)
    state = settings.start(theta)
    state.update(theta, np.ones(3, dtype=np.float32))
    assert theta.dtype == np.float32
    kept = [a for name, a in state.arrays().items() if name != "n_updates"]
    assert {a.dtype for a in kept} <= {np.dtype(np.float32)}


def test_descent_on_a_parabola() -> None:
    """Energy k x**2 / 2: x_t = (1 - rate k)**t x_0."""
    curvatures = np.array([0.5, 1.0, 3.0])
    x = np.ones(3)
    state = SGD(0.4).start(x)
    for _ in range(12):
        state.update(x, curvatures * x)
    np.testing.assert_allclose(x, (1.0 - 0.4 * curvatures) ** 12, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("k", [0.02, 0.5, 6.0])
def test_momentum_on_a_parabola(k: float, nesterov: bool) -> None:
    """x_{t+1} = (1 + mu - a) x_t - mu c x_{t-1}, solved by its two roots.

    a = rate k, c = 1 for the heavy ball; (1 - a)(1 + mu) and c = 1 - a for Nesterov's,
    which is the gradient taken at the point ahead. Over- and underdamped.
    """
    rate, mu, n = 0.1, 0.6, 40
    a = rate * k
    x = np.ones(1)
    ball = Momentum(rate, momentum=mu, nesterov=nesterov).start(x)
    path = [1.0]
    for _ in range(n):
        ball.update(x, k * x)
        path.append(float(x[0]))
    trace, product = (1 + mu - a, mu)
    if nesterov:
        trace, product = (1 + mu) * (1 - a), mu * (1 - a)
        # Nesterov's own variable is y = x + mu rate v, which is what is moved here.
        start = 1.0 - (1 + mu) * a
    else:
        start = 1.0 - a
    z1, z2 = np.roots([1.0, -trace, product]).astype(complex)
    share = (start - z2) / (z1 - z2)
    exact = [(share * z1**t + (1 - share) * z2**t).real for t in range(n + 1)]
    np.testing.assert_allclose(path, exact, rtol=1e-9, atol=1e-12)


def test_first_step_of_adam() -> None:
    """The rate times the sign, whatever the gradient; without correction of the bias
    it would be 0.1 / sqrt(0.001) = 3.2 times that."""
    g = np.array([1e-7, -3.0, 1e9, -1e-12])
    theta = np.zeros(4)
    state = Adam(0.01, epsilon=1e-300).start(theta)
    state.update(theta, g)
    np.testing.assert_allclose(theta, -0.01 * np.sign(g), rtol=1e-14)
    kept = state.arrays()
    plain = kept["first_0"] / np.sqrt(kept["second_0"])
    np.testing.assert_allclose(np.abs(plain), 0.1 / math.sqrt(0.001), rtol=1e-12)


def test_constant_gradient_of_adam() -> None:
    """Both averages, corrected, are those of a constant: every step is the rate."""
    theta = np.zeros(2)
    state = Adam(0.5, epsilon=1e-300).start(theta)
    for t in range(1, 50):
        state.update(theta, np.array([3.0, -1e-3]))
        np.testing.assert_allclose(theta, [-0.5 * t, 0.5 * t], rtol=1e-11)


def test_scale_of_the_gradient() -> None:
    """Adam does not feel it: bit for bit if it is a power of two."""
    draw = generator(5).standard_normal((25, 6))
    paths = []
    for scale in (1.0, 2.0**-40, 2.0**60):
        theta = np.ones(6)
        state = Adam(0.02, epsilon=1e-300).start(theta)
        for g in draw:
            state.update(theta, scale * g)
        paths.append(theta)
    np.testing.assert_array_equal(paths[0], paths[1])
    np.testing.assert_array_equal(paths[0], paths[2])


def test_decay_is_decoupled() -> None:
    """Without gradient it is a geometric series; as a term of the gradient it would be
    normalised away, to a step of the rate."""
    theta = np.array([2.0, -4.0])
    state = Adam(0.1, weight_decay=0.5).start(theta)
    for _ in range(7):
        state.update(theta, np.zeros(2))
    np.testing.assert_allclose(theta, np.array([2.0, -4.0]) * 0.95**7, rtol=1e-14)


BAD_SETTINGS = [
    (SGD, {"learning_rate": 0.0}),
    (SGD, {"learning_rate": -1.0}),
    (SGD, {"learning_rate": math.nan}),
    (SGD, {"learning_rate": math.inf}),
    (SGD, {"learning_rate": "0.1"}),
    (SGD, {"learning_rate": True}),
    (Momentum, {"learning_rate": 0.1, "momentum": 1.0}),
    (Momentum, {"learning_rate": 0.1, "momentum": -0.1}),
    (Momentum, {"learning_rate": 0.1, "nesterov": 1}),
    (Adam, {"learning_rate": 0.1, "beta1": 1.0}),
    (Adam, {"learning_rate": 0.1, "beta2": -0.1}),
    (Adam, {"learning_rate": 0.1, "epsilon": 0.0}),
    (Adam, {"learning_rate": 0.1, "weight_decay": -1.0}),
    (Adam, {"learning_rate": 0.1, "weight_decay": None}),
]


@pytest.mark.parametrize(("kind", "values"), BAD_SETTINGS)
def test_bad_settings(kind, values) -> None:
    name = list(values)[-1]
    with pytest.raises((ParameterError, ParameterTypeError), match=f"{name} = "):
        kind(**values)


@pytest.mark.parametrize(
    ("theta", "g"),
    [
        (np.ones(3), np.ones(4)),
        (np.ones(3), np.ones((3, 1))),
        (np.ones(3), np.array([1.0, math.nan, 0.0])),
        (np.ones(3), np.array([1.0, math.inf, 0.0])),
        (np.ones(3), [1.0, 1.0, 1.0]),
        (np.ones(3), np.ones(3, dtype=int)),
        (np.ones(3), [np.ones(3), np.ones(3)]),
        (np.ones(4), np.ones(4)),
        ([np.ones(3), np.ones(3)], [np.ones(3), np.ones(3)]),
        (np.ones(3), None),
        (np.ones(3), []),
    ],
)
def test_bad_updates_change_nothing(theta, g) -> None:
    state = Adam(0.1).start(np.ones(3))
    with pytest.raises((ParameterError, ParameterTypeError)):
        state.update(theta, g)
    assert state.n_updates == 0
    assert not state.arrays()["first_0"].any()
    arrays = theta if isinstance(theta, list) else [theta]
    assert all((a == 1.0).all() for a in arrays)


def test_bad_parameters() -> None:
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for theta in (frozen, [1.0, 2.0], np.ones(3, dtype=int), "abc", [], 1.0):
        with pytest.raises((ParameterError, ParameterTypeError), match="parameters = "):
            SGD(0.1).start(theta)
    good = Adam(0.1).start(np.ones(3)).arrays()
    for state in (
        None,
        {},
        {"n_updates": np.array(-1)},
        {**good, "n_updates": np.array(1.5)},
        {k: v for k, v in good.items() if k != "second_0"},
        {**good, "third_0": np.ones(3)},
    ):
        with pytest.raises((ParameterError, ParameterTypeError)):
            Adam(0.1).restore(state)
