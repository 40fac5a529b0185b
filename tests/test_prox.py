"""The proximal operator against 40 digits, bisection and closed forms.

A tolerance of 8 roundings: y - max y, its quotient by a and the multiplier nu are
rounded once each, by at most eps times the terms of the equation, of which x takes
x / (a + b x) a unit; log, exp and the sum to 1 add one each.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from scipy.special import lambertw, softmax, wrightomega

from statmech.errors import ParameterError, ParameterTypeError
from statmech.kernels.prox import PASSES, block_prox
from statmech.monotone import prox, prox_jacobian, prox_jacobian_product

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 8
# (a, b): the paper's, softmax, the shift c = 2, steps above 1, nearly a projection.
WEIGHTS = [
    *((a, 1.0 - a) for a in (1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.99, 1.0, 2.0, 20.0, 1e3)),
    *((0.1, 0.8), (0.9, -0.8), (0.999, -0.998)),
]


def exact(y, a, b, digits=40):
    """x to 25 digits at `digits`, by Lambert's W in closed form and bisection in nu."""
    with mpmath.workdps(digits + 20):
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        y = [mpmath.mpf(float(value)) for value in y]
        top, k = max(y), len(y)

        def values(nu):
            t = [(value - top + nu) / a for value in y]
            if b == 0:
                return [mpmath.exp(value) for value in t]
            w = [mpmath.lambertw(b / a * mpmath.exp(value)) for value in t]
            return [mpmath.re(value) * a / b for value in w]

        low = b / k - a * mpmath.log(k) - abs(b) / 10**10 - a / 10**10
        high = b + mpmath.mpf(10) ** -digits
        if b < 0:  # beyond nu = b the branch ends
            high = b
        for _ in range(110):
            middle = (low + high) / 2
            if mpmath.fsum(values(middle)) > 1:
                high = middle
            else:
                low = middle
        return np.array([float(value) for value in values((low + high) / 2)])


def bisected(y, a, b, steps=64):
    """The naive twin: bisection in nu, x by SciPy's Wright or Lambert function."""
    y = y - y.max(axis=-1, keepdims=True)
    k = y.shape[-1]

    def values(nu):
        t = (y + nu) / a
        if b == 0.0:
            return np.exp(t)
        if b > 0.0:
            return a / b * wrightomega(t + np.log(b / a))
        return a / b * lambertw(b / a * np.exp(t)).real

    low = np.full((*y.shape[:-1], 1), b / k - a * np.log(k))
    high = np.full_like(low, b)
    for _ in range(steps):
        middle = 0.5 * (low + high)
        above = values(middle).sum(axis=-1, keepdims=True) > 1.0
        high = np.where(above, middle, high)
        low = np.where(above, low, middle)
    return values(0.5 * (low + high))


def run(y, offsets, a, b):
    """The kernel on rows y (B, d): x, log x, failures, the most passes."""
    x, log_x = np.full_like(y, np.nan), np.full_like(y, np.nan)
    failed, rounds = block_prox(y, np.asarray(offsets), a, b, x, log_x)
    return x, log_x, failed, rounds


def rows(seed, shape, scale=1.0, dtype=np.float64):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype)


@pytest.mark.parametrize("weights", [(0.1, 0.9), (0.9, -0.8), (1e-6, 1.0 - 1e-6)])
def test_forty_digits(weights):
    for k, scale in ((2, 1.0), (3, 0.3), (5, 3.0)):
        y = rows(k, k, scale)
        error = np.abs(prox(y, weights[0], b=weights[1]) - exact(y, *weights)).max()
        assert error <= ROUNDINGS * EPS


@pytest.mark.nightly
@pytest.mark.parametrize("weights", WEIGHTS)
def test_forty_digits_everywhere(weights):
    for k in (2, 3, 10):
        for scale in (1e-3, 1.0, 30.0, 1e6):
            y = rows(7 * k, k, scale)
            error = np.abs(prox(y, weights[0], b=weights[1]) - exact(y, *weights)).max()
            assert error <= ROUNDINGS * EPS


@pytest.mark.parametrize(
    "weights", [w for w in WEIGHTS if 0.1 <= w[0] <= 2.0 and sum(w) > 0.01]
)
@pytest.mark.parametrize("k", [2, 3, 10])
def test_bisection(weights, k):
    """float64 and float32 against the twin, which itself is right to 1e-14 or so."""
    y = rows(k, (200, k), 2.0)
    twin = bisected(y, *weights)
    assert np.abs(prox(y, weights[0], b=weights[1]) - twin).max() < 1e-13
    single = y.astype(np.float32)
    x = prox(single, weights[0], b=weights[1])
    assert x.dtype == np.float32
    twin = bisected(single.astype(np.float64), *weights)
    assert np.abs(x - twin).max() <= ROUNDINGS * np.finfo(np.float32).eps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_equations_hold(weights, dtype):
    """x >= 0 of sum 1; a log x + b x - y is the same in all states that float64 can
    weigh; x = exp(log x). No block fails, from ties to |y| = 1e6, and the passes stay
    far below the caps."""
    a, b = weights
    eps = float(np.finfo(dtype).eps)
    for k in (2, 3, 10):
        for scale in (0.0, 1e-6, 1.0, 30.0, 1e6):
            y = rows(k, (50, k), scale, dtype)
            x, log_x, failed, rounds = run(y, [0, k], a, b)
            assert failed == 0
            assert rounds <= PASSES / 4
            assert (x >= 0.0).all()
            assert np.abs(x.sum(axis=1) - 1.0).max() <= k * eps
            tiny = np.finfo(dtype).tiny
            error = np.abs(np.exp(log_x) - x)
            assert (error <= 8 * eps * (1.0 - log_x) * x + tiny).all()
            wide, log_wide = x.astype(np.float64), log_x.astype(np.float64)
            multiplier = a * log_wide + b * wide - y.astype(np.float64)
            terms = a * np.abs(log_wide) + abs(b) * wide + np.abs(y)
            near = wide > 1e-6
            low = np.where(near, multiplier, np.inf).min(axis=1)
            high = np.where(near, multiplier, -np.inf).max(axis=1)
            size = np.where(near, terms, 0.0).max(axis=1) + a / 1e-6
            assert (high - low <= 8 * eps * (size + abs(b))).all()


def test_softmax_and_its_neighbourhood():
    y = rows(1, (50, 6), 3.0)
    assert np.abs(prox(y, 1.0) - softmax(y, axis=1)).max() <= ROUNDINGS * EPS
    # dx/da along (a, 1 - a) is of order one in log x, here below 20.
    for a in (1.0 - 1e-9, 1.0 + 1e-9):
        assert np.abs(prox(y, a) - softmax(y, axis=1)).max() < 20e-9


def projected(y):
    """Euclidean projection on the simplex by sorting (Held et al. 1974)."""
    ordered = np.sort(y)[::-1]
    excess = (np.cumsum(ordered) - 1.0) / np.arange(1, y.size + 1)
    cut = excess[np.flatnonzero(ordered > excess)[-1]]
    return np.maximum(y - cut, 0.0)


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_projection_is_the_limit(scale):
    """Beside a log x, of at most a log(1 / a) where x is not below a."""
    a, k = 1e-12, 8
    for y in rows(3, (40, k), scale):
        bound = 2 * k * a * np.log(1.0 / a)
        assert np.abs(prox(y, a) - projected(y)).max() <= bound


@pytest.mark.parametrize("a", [1e-3, 0.3, 1.0, 3.0])
def test_shift_and_permutation(a):
    """Shifts that are exact in y change no bit; orders change the sums' rounding."""
    y = np.round(rows(4, (30, 7)) * 2**20) / 2**20
    x = prox(y, a)
    assert (prox(y + 1024.0, a) == x).all()
    assert (prox(y - 3.5, a) == x).all()
    order = np.random.default_rng(5).permutation(7)
    assert np.abs(prox(y[:, order], a) - x[:, order]).max() <= ROUNDINGS * EPS


@pytest.mark.parametrize("a", [1e-30, 1e-12, 1e-3, 0.3, 1.0, 3.0, 1e3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ties_and_huge_gaps(a, dtype):
    eps = np.finfo(dtype).eps
    for k in (2, 3, 16):
        x = prox(np.full(k, 1e6, dtype), a)
        assert np.abs(x - 1.0 / k).max() <= 4 * eps
        y = np.full(k + 1, -1e6, dtype)
        y[:k] = 1e6
        x = prox(y, a)
        assert np.abs(x[:k] - 1.0 / k).max() <= 4 * eps
        assert 0.0 <= x[k] < 1e-30
    # The edge of a face: y_1 - y_2 = 1 is where the projection leaves it.
    x = prox(np.array([1.0, 0.0], dtype), a)
    assert abs(x.sum() - 1.0) <= 2 * eps
    assert x[0] > x[1] >= 0.0


def test_blocks_of_any_sizes():
    """Mixed sizes in one call give what each block alone gives, to the last bit."""
    sizes = [1, 2, 5, 3, 2, 1, 9]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    y = rows(6, (20, offsets[-1]), 2.0)
    x, log_x, failed, _ = run(y, offsets, 0.2, 0.8)
    assert failed == 0
    for first, last in itertools.pairwise(offsets):
        alone = np.ascontiguousarray(y[:, first:last])
        single, log_single, _, _ = run(alone, [0, last - first], 0.2, 0.8)
        assert (x[:, first:last] == single).all()
        assert (log_x[:, first:last] == log_single).all()


def test_two_states_by_either_route():
    """The log-odds of two states, and three with one that is never taken."""
    y = rows(8, (100, 2), 3.0)
    three = np.concatenate([y, np.full((100, 1), -1e9)], axis=1)
    for a, b in WEIGHTS:
        if a >= 1e-3:
            error = np.abs(prox(three, a, b=b)[:, :2] - prox(y, a, b=b)).max()
            assert error <= ROUNDINGS * EPS


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_passes_are_bounded(dtype):
    """A few passes where a solver works, in single precision too: no rule for stopping
    asks for more than the precision has."""
    for a in (1e-3, 0.05, 0.5, 0.99):
        for scale in (1.0, 300.0):
            for k, bound in ((2, 6), (4, 12), (20, 12)):
                y = rows(9, (300, k), scale, dtype)
                assert run(y, [0, k], a, 1.0 - a)[3] <= bound


def test_a_block_that_is_not_finite_fails():
    y = rows(10, (3, 6))
    y[0, 0], y[1, 2], y[2, 5] = np.nan, np.inf, np.nan
    x, log_x, failed, _ = run(y, [0, 1, 3, 6], 0.5, 0.5)
    assert failed == 3
    expected = np.zeros((3, 6), bool)
    expected[0, :1] = expected[1, 1:3] = expected[2, 3:] = True
    assert (np.isnan(x) == expected).all()
    assert (np.isnan(log_x) == expected).all()


def test_shapes():
    assert prox(np.zeros((0, 3)), 0.5).shape == (0, 3)
    assert prox(np.zeros((2, 5, 1)), 0.5).tolist() == [[[1.0]] * 5] * 2
    assert prox([3, 1], 0.5).dtype == np.float64
    y = rows(11, (2, 3, 4))
    assert (prox(y, 0.5)[1, 2] == prox(y[1, 2], 0.5)).all()
    assert prox(y.astype(np.float16), 0.5).dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        (([1.0, np.nan], 0.5), ParameterError, "y"),
        (([1.0, 1e31], 0.5), ParameterError, "y"),
        ((1.0, 0.5), ParameterError, "y"),
        ((np.zeros((2, 0)), 0.5), ParameterError, "y"),
        ((["a"], 0.5), ParameterTypeError, "y"),
        (([1.0 + 1j], 0.5), ParameterTypeError, "y"),
        (([1.0, 2.0], 0.0), ParameterError, "a"),
        (([1.0, 2.0], -1.0), ParameterError, "a"),
        (([1.0, 2.0], "1"), ParameterTypeError, "a"),
    ],
)
def test_bad_input(arguments, error, name):
    with pytest.raises(error) as raised:
        prox(*arguments)
    assert raised.value.name == name


def test_bad_weights_and_points():
    with pytest.raises(ParameterError, match="b = -1"):
        prox([1.0, 2.0], 1.0, b=-1.0)
    with pytest.raises(ParameterError, match="a \\+ b > 0"):
        prox(np.zeros(2, np.float32), 1.0, b=-1.0 + 1e-9)
    with pytest.raises(ParameterError, match="probabilities"):
        prox_jacobian([0.5, 0.6], 1.0)
    with pytest.raises(ParameterError, match="shape of p"):
        prox_jacobian_product([0.5, 0.5], [1.0, 0.0, 0.0], 1.0)


@pytest.mark.parametrize(
    "weights", [(0.05, 0.95), (1.0, 0.0), (3.0, -2.0), (0.9, -0.8)]
)
@pytest.mark.parametrize("k", [2, 3, 8])
def test_jacobian(weights, k):
    """Central differences: an error of h**2 / a**2 and of eps / h, below 1e-7."""
    a, b = weights
    for y in rows(12, (5, k)):
        p = prox(y, a, b=b)
        jacobian = prox_jacobian(p, a, b=b)
        h = 1e-5 * min(1.0, a)
        steps = h * np.eye(k)
        difference = (prox(y + steps, a, b=b) - prox(y - steps, a, b=b)).T / (2 * h)
        norm = np.linalg.norm(jacobian, 2)
        assert np.abs(difference - jacobian).max() <= 1e-7 * max(norm, 1e-2)
        assert np.abs(jacobian - jacobian.T).max() <= 4 * EPS * norm
        assert np.abs(jacobian.sum(axis=1)).max() <= 4 * EPS * norm
        assert np.linalg.eigvalsh(jacobian)[0] >= -8 * EPS * norm
        assert norm <= (1.0 + 8 * EPS) / (2.0 * a + b)
        v = rows(13, k)
        product = prox_jacobian_product(p, v, a, b=b)
        scale = (p / (a + b * p)).max() * np.abs(v).max()
        assert np.abs(product - jacobian @ v).max() <= 16 * EPS * scale


@pytest.mark.parametrize(
    "weights", [(0.01, 0.99), (0.5, 0.5), (2.0, -1.0), (0.9, -0.8)]
)
def test_lipschitz_constant(weights):
    """1 / (2 a + b) is never exceeded, and reached at (1/2, 1/2)."""
    a, b = weights
    constant = 1.0 / (2.0 * a + b)
    for k in (2, 5):
        y, z = rows(14, (500, k)), rows(15, (500, k))
        moved = np.linalg.norm(prox(y, a, b=b) - prox(z, a, b=b), axis=1)
        assert (moved <= constant * np.linalg.norm(y - z, axis=1) + 8 * EPS).all()
    h = 1e-6 * a
    moved = prox([h, -h], a, b=b) - prox([-h, h], a, b=b)
    assert abs(moved[0] / (2 * h) / constant - 1.0) < 1e-9 / a


def test_points_of_the_boundary_have_finite_jacobians():
    for a, b in ((1e-30, 1.0), (0.5, 0.5), (1.0, 0.0), (5.0, -4.0)):
        for p in ([1.0, 0.0, 0.0], [0.5, 0.5, 0.0]):
            jacobian = prox_jacobian(p, a, b=b)
            assert np.isfinite(jacobian).all()
            assert (jacobian[2] == 0.0).all()
