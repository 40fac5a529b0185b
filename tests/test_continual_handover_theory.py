"""State evolution over two tasks: against plain averages, and in every limit."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.special import log_ndtr, ndtr

from analytics.continual.handover import evolve_handover, state_evolution
from analytics.perceptron import solve_teacher_student
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

SETTINGS = [
    (0.5, 0.5, 0.5, 1.0, "naive"),
    (1.0, 1.0, -0.5, 0.3, "naive"),
    (1.2, 0.8, 0.0, 2.0, "naive"),
    (1.4, 0.3, -0.9, 1.0, "naive"),
    (1.0, 1.0, 0.5, 1.0, "optimal"),
    (1.3, 0.7, -0.8, 1.0, "optimal"),
    (0.4, 1.2, 0.3, 1.0, "optimal"),
    (1.45, 0.6, 0.95, 1.0, "optimal"),
]


def options(gamma, handover):
    return {"gamma": gamma, "handover": handover}


# A slow twin from the definitions ----------------------------------------------------

GRID = np.linspace(-11.0, 11.0, 177)
WEIGHTS = np.exp(-0.5 * GRID**2) / np.exp(-0.5 * GRID**2).sum()


def mills(u):
    """phi / Phi."""
    return np.exp(-0.5 * u * u - 0.5 * math.log(2 * math.pi) - log_ndtr(u))


def g(omega, q):
    return mills(omega / math.sqrt(1 - q)) / math.sqrt(1 - q)


def slow_fields(alpha, q, r):
    """q_hat, R_hat."""
    spread = math.sqrt(q - r * r)
    q_hat = (
        2 * alpha * WEIGHTS @ (ndtr(r * GRID / spread) * g(np.sqrt(q) * GRID, q) ** 2)
    )
    r_hat = 2 * alpha / math.sqrt(2 * math.pi) * (WEIGHTS @ g(spread * GRID, q))
    return q_hat, r_hat


def slow_first_field(alpha):
    """R_hat of the single task by plain iteration from no knowledge."""
    r_hat, last = 0.0, -1.0
    while abs(r_hat - last) > 1e-14:
        r = WEIGHTS @ np.tanh(r_hat + math.sqrt(r_hat) * GRID)
        last, r_hat = r_hat, slow_fields(alpha, max(r, 1e-12), r)[1]
    return r_hat


def prior_field(h, r0, gamma, handover):
    return gamma * h if handover == "naive" else np.arctanh(r0 * np.tanh(h))


def slow_site(h_hat, r0, gamma, handover, q_hat, r_hat):
    """q, R, T in the gauge W1 = 1, all of h1 and z on a grid, W2 = +-1."""
    h = h_hat + math.sqrt(h_hat) * GRID[:, None]
    q = r = t = 0.0
    for w2 in (1, -1):
        x = prior_field(h, r0, gamma, handover) + math.sqrt(q_hat) * GRID + r_hat * w2
        m = np.tanh(x)
        share = (1 + r0 * w2) / 2
        q += share * (WEIGHTS @ m**2 @ WEIGHTS)
        r += share * w2 * (WEIGHTS @ m @ WEIGHTS)
        t += share * (WEIGHTS @ m @ WEIGHTS)
    return q, r, t


@pytest.mark.parametrize(("alpha1", "alpha2", "r0", "gamma", "handover"), SETTINGS)
def test_iterations_and_where_they_end(alpha1, alpha2, r0, gamma, handover):
    """Ninety plain iterations on a grid; the fixed point is their last."""
    h_hat = slow_first_field(alpha1)
    fast = evolve_handover(alpha1, alpha2, r0, 6, **options(gamma, handover))
    state = slow_site(h_hat, r0, gamma, handover, 0.0, 0.0)
    for k in range(90):
        if k <= 6:
            row = (fast.q2[k], fast.r2[k], fast.t[k])
            assert row == pytest.approx(state, abs=1e-10)
        state = slow_site(h_hat, r0, gamma, handover, *slow_fields(alpha2, *state[:2]))
    found = state_evolution(alpha1, alpha2, r0, **options(gamma, handover))
    assert found.status.ok
    assert (found.q2, found.r2, found.t) == pytest.approx(state, abs=1e-8)
    q, r, t = state
    errors = [math.acos(x / math.sqrt(q)) / math.pi for x in (t, r)]
    assert found.generalization_error_1 == pytest.approx(errors[0], abs=1e-7)
    assert found.generalization_error_2 == pytest.approx(errors[1], abs=1e-7)
    first = WEIGHTS @ np.tanh(h_hat + math.sqrt(h_hat) * GRID)
    before = math.acos(math.sqrt(first)) / math.pi
    assert (found.q1, found.r1) == pytest.approx((first, first), abs=1e-10)
    assert found.generalization_error_1_before == pytest.approx(before, abs=1e-9)
    assert found.forgetting == pytest.approx(errors[0] - before, abs=1e-7)
    assert found.residual < 1e-11
    assert found.quadrature_error < 1e-11
    # The trajectory is of the overlaps of the same student.
    cosines = np.array([fast.t, fast.r2]) / np.sqrt(fast.q2)
    both = np.array([fast.generalization_error_1, fast.generalization_error_2])
    assert both == pytest.approx(np.arccos(np.clip(cosines, -1, 1)) / np.pi, abs=1e-7)


def gauss(f):
    density = 1 / math.sqrt(2 * math.pi)
    return quad(
        lambda z: density * math.exp(-z * z / 2) * f(z),
        -11,
        11,
        points=[0.0],
        limit=400,
    )[0]


@pytest.mark.parametrize("place", [1, 4])
def test_fixed_point_by_adaptive_quadrature(place):
    """The equations at the solution, all integrals by QUADPACK; and the replicon with
    dg / domega by differences."""
    alpha1, alpha2, r0, gamma, handover = SETTINGS[place]
    found = state_evolution(alpha1, alpha2, r0, **options(gamma, handover))
    q, r = found.q2, found.r2
    spread, h_hat = math.sqrt(q - r * r), slow_first_field(alpha1)
    q_hat = gauss(lambda z: 2 * ndtr(r * z / spread) * g(math.sqrt(q) * z, q) ** 2)
    r_hat = 2 / math.sqrt(2 * math.pi) * gauss(lambda t: g(spread * t, q))
    scale, shift = math.sqrt(alpha2 * q_hat), alpha2 * r_hat

    def average(f):
        """f(tanh X, W2), W1 = 1."""

        def inside(z, y):
            h = h_hat + math.sqrt(h_hat) * y
            x = prior_field(h, r0, gamma, handover) + scale * z
            values = [
                (1 + r0 * w) / 2 * f(math.tanh(x + shift * w), w) for w in (1, -1)
            ]
            return sum(values) * math.exp(-(z * z + y * y) / 2) / (2 * math.pi)

        return dblquad(inside, -8, 8, -8, 8, epsabs=1e-9)[0]

    assert average(lambda m, w: m**2) == pytest.approx(q, abs=1e-8)
    assert average(lambda m, w: w * m) == pytest.approx(r, abs=1e-8)
    assert average(lambda m, w: m) == pytest.approx(found.t, abs=1e-8)

    def rise(omega):
        return (g(omega + 1e-5, q) - g(omega - 1e-5, q)) / 2e-5

    slopes = gauss(lambda z: 2 * ndtr(r * z / spread) * rise(math.sqrt(q) * z) ** 2)
    replicon = alpha2 * slopes * average(lambda m, w: (1 - m * m) ** 2)
    assert found.replicon2 == pytest.approx(replicon, rel=1e-6)


# Limits ------------------------------------------------------------------------------


def single(alpha):
    return solve_teacher_student(alpha).teacher_overlap


@pytest.mark.parametrize("alpha2", [0.0, 0.4, 1.1, 1.3, 1.49, 2.0])
@pytest.mark.parametrize(
    ("alpha1", "r0", "gamma", "handover"),
    [
        (0.0, 0.5, 1.0, "naive"),
        (0.0, -0.7, 1.0, "optimal"),
        (0.9, 0.5, 0.0, "naive"),
        (2.0, 0.5, 0.0, "naive"),
        (0.9, 0.0, 1.0, "optimal"),
        (2.0, 0.0, 1.0, "optimal"),
    ],
)
def test_without_prior_the_second_task_is_a_first_one(
    alpha1, r0, gamma, handover, alpha2
):
    """Below 1.4926 on the branch of small overlap, though R = 1 exists."""
    found = state_evolution(alpha1, alpha2, r0, **options(gamma, handover))
    alone = solve_teacher_student(alpha2, rule="bayes")
    overlap = single(alpha2)
    expected = (overlap, overlap, r0 * overlap)
    assert (found.q2, found.r2, found.t) == pytest.approx(expected, abs=1e-10)
    assert found.generalization_error_2 == pytest.approx(
        alone.generalization_error, abs=1e-9
    )
    closed = alpha2 == 0.0 or alpha2 > 1.5
    assert found.status is (Status.CLOSED_FORM if closed else Status.CONVERGED)
    if alpha2 == 0.0:
        assert found.generalization_error_1 == found.generalization_error_2 == 0.5


def test_end_of_the_branch():
    """Where the single task loses it, 1.49263, also through the narrow passage."""
    below = state_evolution(0.0, 1.4926, 0.0)
    assert below.status is Status.CONVERGED
    assert below.q2 < 0.9
    for alpha2 in (1.49265, 1.4927, 1.5, 3.0, 1e3):
        beyond = state_evolution(0.0, alpha2, 0.0)
        assert beyond.status is Status.CLOSED_FORM
        assert (beyond.q2, beyond.r2, beyond.generalization_error_2) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("r0", [-1.0, -0.4, 0.3, 1.0])
def test_without_new_examples(r0):
    """The naive student at gamma = 1 is the old one; the optimal one is r0 times it."""
    alpha1 = 1.1
    q1 = single(alpha1)
    naive = state_evolution(alpha1, 0.0, r0)
    assert naive.status is Status.CLOSED_FORM
    assert (naive.q2, naive.t, naive.r2) == pytest.approx((q1, q1, r0 * q1), abs=1e-10)
    assert naive.forgetting == pytest.approx(0.0, abs=1e-9)
    optimal = state_evolution(alpha1, 0.0, r0, handover="optimal")
    expected = (r0**2 * q1, r0 * q1, r0**2 * q1)
    assert (optimal.q2, optimal.t, optimal.r2) == pytest.approx(expected, abs=1e-10)
    before = optimal.generalization_error_1_before
    after = before if r0 > 0 else 1 - before
    assert optimal.generalization_error_1 == pytest.approx(after, abs=1e-9)
    # What is handed over is worth as much for the new task as it says.
    cosine = abs(r0) * math.sqrt(q1)
    assert optimal.generalization_error_2 == pytest.approx(
        math.acos(cosine) / math.pi, abs=1e-9
    )


@pytest.mark.parametrize(("alpha1", "alpha2"), [(0.5, 0.5), (1.0, 0.3), (0.3, 1.0)])
def test_the_same_teacher_twice(alpha1, alpha2):
    """Both priors are h1. The fields of the old examples are not revised, so that less
    is known than from all examples at once, and more than from either part."""
    optimal = state_evolution(alpha1, alpha2, 1.0, handover="optimal")
    naive = state_evolution(alpha1, alpha2, 1.0)
    numbers = [(x.q2, x.r2, x.t, x.replicon2) for x in (optimal, naive)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-9)
    assert optimal.q2 == pytest.approx(optimal.t, abs=1e-12)
    assert max(single(alpha1), single(alpha2)) < optimal.q2 < single(alpha1 + alpha2)
    # h1 + h2 has the fields of both: q2 = E tanh(R_hat1 + R_hat2 + ...)**2.
    total = slow_first_field(alpha1) + slow_fields(alpha2, optimal.q2, optimal.q2)[1]
    expected = WEIGHTS @ np.tanh(total + math.sqrt(total) * GRID)
    assert optimal.q2 == pytest.approx(expected, abs=1e-10)


def test_opposite_teachers_are_mirror_images_for_the_optimal_student():
    for r0 in (0.3, 0.8, 1.0):
        one = state_evolution(1.0, 0.7, r0, handover="optimal")
        other = state_evolution(1.0, 0.7, -r0, handover="optimal")
        assert (one.q2, one.r2, one.t) == pytest.approx(
            (other.q2, other.r2, -other.t), abs=1e-12
        )


@pytest.mark.parametrize("r0", [-1.0, -0.5, 0.0, 0.6, 1.0])
def test_a_first_task_that_is_known(r0):
    """Beyond alpha1 = 1.4926 naive students are frozen; the prior of the optimal ones
    is r0 W1 exactly: W2 given W1 is a biased coin."""
    naive = state_evolution(1.6, 0.8, r0)
    assert naive.status is Status.CLOSED_FORM
    assert (naive.q1, naive.q2, naive.t) == (1.0, 1.0, 1.0)
    assert naive.r2 == pytest.approx(r0, abs=1e-15)
    assert naive.generalization_error_2 == pytest.approx(math.acos(r0) / math.pi)
    assert naive.generalization_error_1 == naive.forgetting == 0.0
    optimal = state_evolution(1.6, 0.8, r0, handover="optimal")
    if abs(r0) == 1.0:
        assert optimal.status is Status.CLOSED_FORM
        assert (optimal.q2, optimal.r2, optimal.t) == (1.0, 1.0, r0)
        return
    q = r = t = r0**2
    for _ in range(100):
        q_hat, r_hat = slow_fields(0.8, q, r) if q > 0 else (0.8 * 2 / math.pi,) * 2
        q = r = t = 0.0
        for b in (1, -1):
            m = np.tanh(b * math.atanh(r0) + r_hat + math.sqrt(q_hat) * GRID)
            share = (1 + r0 * b) / 2
            q += share * (WEIGHTS @ m**2)
            r += share * (WEIGHTS @ m)
            t += share * b * (WEIGHTS @ m)
    assert (optimal.q2, optimal.r2, optimal.t) == pytest.approx((q, r, t), abs=1e-10)


def test_a_second_task_that_is_found():
    """T = r0 whatever is left of the first one."""
    for handover, r0 in itertools.product(("naive", "optimal"), (-0.5, 0.0, 0.8)):
        found = state_evolution(1.0, 3.0, r0, handover=handover)
        assert found.status is Status.CLOSED_FORM
        assert (found.q2, found.r2) == (1.0, 1.0)
        assert found.t == pytest.approx(r0, abs=1e-15)
        assert found.generalization_error_1 == pytest.approx(math.acos(r0) / math.pi)
        path = evolve_handover(1.0, 3.0, r0, 80, handover=handover)
        assert path.r2[-1] == pytest.approx(1.0, abs=1e-12)
        assert path.generalization_error_2[-1] < 1e-6


# Structure ---------------------------------------------------------------------------


@pytest.mark.parametrize("alpha1", [0.3, 1.49, 1.6])
def test_optimal_students_are_on_the_symmetric_line(alpha1):
    """q = R at every iteration, as for any true posterior; overlaps only rise, and
    replica symmetry is stable."""
    for alpha2, r0 in itertools.product((0.2, 1.3), (-0.9, 0.4)):
        path = evolve_handover(alpha1, alpha2, r0, 25, handover="optimal")
        assert path.q2 == pytest.approx(path.r2, abs=1e-11)
        assert (np.diff(path.q2) > -1e-12).all()
        found = state_evolution(alpha1, alpha2, r0, handover="optimal")
        assert found.q2 == pytest.approx(found.r2, abs=1e-12)
        assert found.replicon2 < 1.0


@pytest.mark.parametrize("r0", [-0.5, 0.0, 0.9])
def test_no_naive_student_does_better_on_the_second_task(r0):
    for alpha1, alpha2 in ((0.5, 0.5), (1.2, 0.9)):
        best = state_evolution(alpha1, alpha2, r0, handover="optimal")
        errors = [
            state_evolution(alpha1, alpha2, r0, gamma=gamma).generalization_error_2
            for gamma in (0.0, 0.1, 0.4, 1.0, 2.0)
        ]
        assert min(errors) >= best.generalization_error_2 - 1e-12
        # ... and what it knows of W2 has never been worth less than from scratch.
        assert best.r2 >= single(alpha2) - 1e-12


def test_overconfident_naive_students_break_replica_symmetry():
    """The prior field is taken for evidence of W2 that it is not."""
    calm = state_evolution(1.0, 1.0, 0.5)
    assert calm.status is Status.CONVERGED
    assert calm.replicon2 < 1.0
    broken = state_evolution(1.0, 1.4, 0.0)
    assert broken.status is Status.RS_UNSTABLE
    assert broken.replicon2 > 1.0
    assert math.isfinite(broken.generalization_error_2)
    path = evolve_handover(1.0, 1.4, 0.0, 100)
    assert path.r2[-1] == pytest.approx(broken.r2, abs=1e-9)


def test_strong_naive_priors():
    """gamma to its largest: nearly sign(h1), whose overlap with W1 is known."""
    found = state_evolution(1.0, 1e-6, 0.3, gamma=100.0)
    sign = math.erf(math.sqrt(slow_first_field(1.0) / 2))
    assert found.t == pytest.approx(sign, abs=1e-3)
    assert found.r2 == pytest.approx(0.3 * sign, abs=1e-3)
    for alpha2, r0 in itertools.product((0.3, 1.0, 3.0), (-1.0, 0.0, 0.9)):
        assert state_evolution(1.3, alpha2, r0, gamma=100.0).status.ok


def test_small_loads():
    """To first order fields add: q = q_hat + R_hat1 gamma**2 and so on."""
    a1, a2, r0, gamma = 1e-7, 2e-7, 0.5, 0.7
    found = state_evolution(a1, a2, r0, gamma=gamma)
    h1, h2 = 2 / math.pi * a1, 2 / math.pi * a2
    expected = (h2 + gamma**2 * h1, h2 + r0 * gamma * h1, r0 * h2 + gamma * h1)
    assert (found.q2, found.r2, found.t) == pytest.approx(expected, rel=1e-3)


def test_bad_input():
    for arguments in ((-1, 1, 0), (1, -1, 0), (1, 1, 1.5), (1, 1, -2), (1e7, 1, 0)):
        with pytest.raises(ParameterError):
            state_evolution(*arguments)
        with pytest.raises(ParameterError):
            evolve_handover(*arguments, 3)
    for bad in ({"gamma": -0.1}, {"gamma": math.nan}, {"handover": "bayes"}):
        with pytest.raises(ParameterError):
            state_evolution(1.0, 1.0, 0.5, **bad)
    with pytest.raises(ParameterError, match="no free factor"):
        state_evolution(1.0, 1.0, 0.5, gamma=0.5, handover="optimal")
    with pytest.raises(ParameterTypeError):
        state_evolution("1", 1.0, 0.5)
    with pytest.raises(ParameterTypeError):
        evolve_handover(1.0, 1.0, 0.5, 3.0)
    with pytest.raises(ParameterError):
        evolve_handover(1.0, 1.0, 0.5, -1)
