"""State evolution against plain averages, fixed points and AMP itself."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr
from scipy.stats import t as student_t

from analytics.perceptron.evolution import state_evolution
from analytics.perceptron.spherical import solve_spherical
from statmech.errors import ParameterError, ParameterTypeError

STARTS = [(1e-4, 0.0), (0.3, 0.3), (0.5, 0.2), (0.3, -0.5), (0.25, 0.5), (0.0, 0.0)]


# A slow twin from the definitions ----------------------------------------------------


def mills(u):
    """phi / Phi."""
    return np.exp(-0.5 * u * u - 0.5 * math.log(2 * math.pi) - log_ndtr(u))


def gauss(f, points=(0.0,)):
    value = quad(
        lambda z: f(z) * math.exp(-z * z / 2),
        -11,
        11,
        points=points,
        epsabs=1e-12,
        limit=400,
    )[0]
    return value / math.sqrt(2 * math.pi)


def slow_step(alpha, weights, q, r, v):
    """(q, R, V) after an iteration, with Lambda by its definition, not by parts."""
    spread = math.sqrt(max(q - r * r, 0.0))
    root = math.sqrt(v)

    def share(z):
        """2 P(the teacher's label is +1 | z)."""
        if spread > 1e-12:
            return 2 * ndtr(r * z / spread)
        return 2.0 * (r * z > 0) if r else 1.0

    def g(omega):
        return mills(omega / root) / root

    q_hat = alpha * gauss(lambda z: share(z) * g(math.sqrt(q) * z) ** 2)
    r_hat = 2 * alpha / math.sqrt(2 * math.pi) * gauss(lambda t: g(spread * t))
    if weights == "binary":
        q_new = gauss(lambda z: math.tanh(r_hat + math.sqrt(q_hat) * z) ** 2)
        r_new = gauss(lambda z: math.tanh(r_hat + math.sqrt(q_hat) * z))
        return q_new, r_new, 1 - q_new
    precision = alpha * gauss(
        lambda z: (
            share(z)
            * (g(math.sqrt(q) * z) ** 2 + math.sqrt(q) * z * g(math.sqrt(q) * z) / v)
        )
    )
    v_new = 1 / (1 + precision)
    return (r_hat**2 + q_hat) * v_new**2, r_hat * v_new, v_new


@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("start", STARTS)
def test_iterations_by_plain_quadrature(weights, start):
    alpha, n = 1.3, 4
    found = state_evolution(alpha, n, weights=weights, start=start)
    q, r = start
    v = 1 - q
    for k in range(n + 1):
        assert found.q[k] == pytest.approx(q, abs=1e-9)
        assert found.teacher_overlap[k] == pytest.approx(r, abs=1e-9)
        if q > 0:
            cosine = min(max(r / math.sqrt(q), -1), 1)
            angle = math.acos(cosine) / math.pi
            assert found.generalization_error[k] == pytest.approx(angle, abs=2e-6)
        q, r, v = slow_step(alpha, weights, q, r, v)
    assert found.quadrature_error.max() < 1e-12


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_symmetric_line_is_kept(weights):
    """q = R is kept to rounding, and the overlaps rise from nothing."""
    for alpha in (0.3, 1.3, 3.0):
        found = state_evolution(alpha, 40, weights=weights, start=(0.0, 0.0))
        assert found.q == pytest.approx(found.teacher_overlap, abs=1e-12)
        assert (np.diff(found.q) > -1e-12).all()
        assert (np.diff(found.generalization_error) < 1e-7).all()


def slow_fixed_point(alpha):
    """The smallest R = int Dz tanh(sqrt(R_hat) z + R_hat) by plain iteration,
    R_hat = alpha / (pi sqrt(1 - R)) int Dx exp(-R x**2 / 2) / H(sqrt(R) x)."""
    x = np.linspace(-10.0, 10.0, 401)
    weights = np.exp(-0.5 * x * x)
    weights /= weights.sum()
    r, last = 0.0, -1.0
    for _ in range(5000):
        if abs(r - last) < 1e-14 or 1 - r < 1e-6:
            break
        root = math.sqrt(r)
        pull = weights @ np.exp(-0.5 * r * x * x - log_ndtr(-root * x))
        r_hat = alpha / (math.pi * math.sqrt(1 - r)) * pull
        r, last = weights @ np.tanh(math.sqrt(r_hat) * x + r_hat), r
    return r


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1.3, 1.45])
def test_binary_stalls_below_the_spinodal(alpha):
    """R < 1 up to alpha = 1.493, also above 1.245 where R = 1 has more entropy."""
    found = state_evolution(alpha, 600)
    r = slow_fixed_point(alpha)
    assert r < 0.9
    assert found.teacher_overlap[-1] == pytest.approx(r, abs=1e-10)
    assert found.q[-1] == pytest.approx(r, abs=1e-10)


def test_binary_finds_the_teacher_above_the_spinodal():
    for alpha in (1.6, 3.0, 100.0, 1e6):
        found = state_evolution(alpha, 60)
        assert found.teacher_overlap[-1] == 1.0
        assert found.q[-1] == 1.0
        assert found.generalization_error[-1] == 0.0
    slow, fast = (state_evolution(alpha, 60).q for alpha in (1.55, 1.7))
    assert np.argmax(slow > 0.999) > np.argmax(fast > 0.999) > 0
    # Just below the spinodal it never arrives, just above after hundreds of steps.
    assert state_evolution(1.492, 2000).q[-1] < 0.95
    assert state_evolution(1.4935, 2000).q[-1] == 1.0


def test_spherical_ends_at_the_gibbs_student():
    for alpha in (0.3, 1.0, 3.0):
        found = state_evolution(alpha, 400, weights="spherical")
        gibbs = solve_spherical(alpha, "gibbs").teacher_overlap
        bayes = solve_spherical(alpha, "bayes").generalization_error
        assert found.teacher_overlap[-1] == pytest.approx(gibbs, abs=1e-10)
        assert found.generalization_error[-1] == pytest.approx(bayes, abs=1e-10)


def test_start_and_no_patterns():
    found = state_evolution(1.0, 0, start=(0.36, -0.6))
    assert found.q.tolist() == [0.36]
    assert found.generalization_error[0] == pytest.approx(1.0, abs=1e-7)
    nothing = state_evolution(0.0, 3, start=(0.5, 0.5))
    assert nothing.q.tolist() == [0.5, 0.0, 0.0, 0.0]
    assert nothing.generalization_error.tolist()[1:] == [0.5, 0.5, 0.5]


def test_bad_input():
    for start in ((1.0, 1.0), (-0.1, 0.0), (0.25, 0.6), (0.5,), 0.5):
        with pytest.raises(ParameterError):
            state_evolution(1.0, 3, start=start)
    for arguments in ((-1.0, 3), (1.0, -1), (1e7, 3)):
        with pytest.raises(ParameterError):
            state_evolution(*arguments)
    with pytest.raises(ParameterError):
        state_evolution(1.0, 3, weights="ising")
    with pytest.raises(ParameterTypeError):
        state_evolution(1.0, 3.0)


# AMP -------------------------------------------------------------------------------


def run_amp(n, alpha, n_iterations, weights, start, seed, onsager=True):
    """(q, R) of every iteration, (n_iterations + 1, 2), on one instance."""
    q0, r0 = start
    generator = np.random.default_rng(seed)
    w = generator.choice([-1.0, 1.0], n)
    if weights == "spherical":
        w = generator.standard_normal(n)
        w *= math.sqrt(n) / np.linalg.norm(w)
    f = generator.choice([-1.0, 1.0], (round(alpha * n), n)) / math.sqrt(n)
    y = np.sign(f @ w)
    noise = generator.standard_normal(n)
    noise -= (noise @ w) / n * w
    m = r0 * w + math.sqrt(q0 - r0**2) * math.sqrt(n) / np.linalg.norm(noise) * noise
    v, g = 1 - q0, np.zeros(y.size)
    rows = [(m @ m / n, m @ w / n)]
    for _ in range(n_iterations):
        omega = f @ m - (v * g if onsager else 0.0)
        g = y * mills(y * omega / math.sqrt(v)) / math.sqrt(v)
        precision = np.sum(g**2 + omega * g / v) / n
        h = f.T @ g + precision * m
        if weights == "binary":
            m = np.tanh(h)
            v = 1 - m @ m / n
        else:
            m, v = h / (1 + precision), 1 / (1 + precision)
        rows.append((m @ m / n, m @ w / n))
    return np.array(rows)


@pytest.mark.nightly
@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("start", [(1e-4, 0.0), (0.5, 0.2)])
def test_amp_follows_state_evolution(weights, start):
    """Eight instances, five iterations, q and R: within t standard errors of a false
    alarm of 1e-6 each (1e-5 in all), and 2/N. Without the memory term it fails."""
    n, alpha, n_iterations, n_seeds = 2001, 1.0, 5, 8
    found = state_evolution(alpha, n_iterations, weights=weights, start=start)
    expected = np.array([found.q, found.teacher_overlap]).T[1:]
    factor = student_t.isf(0.5e-6, n_seeds - 1)

    def misses(onsager):
        runs = np.array(
            [
                run_amp(n, alpha, n_iterations, weights, start, seed, onsager)[1:]
                for seed in range(n_seeds)
            ]
        )
        error = runs.std(axis=0, ddof=1) / math.sqrt(n_seeds)
        return np.abs(runs.mean(axis=0) - expected) > factor * error + 2 / n

    assert not misses(onsager=True).any()
    assert misses(onsager=False).any()
