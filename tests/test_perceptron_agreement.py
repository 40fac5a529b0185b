"""Theory of the perceptron beside its simulation: two witnesses, at two sizes.

Gate: |mean over samples - theory| <= max(3.5 SE, 0.01). Overlaps scatter by about
0.5 / sqrt(N) and are biased by O(1/N) away from transitions, so at N = 1001 a right
theory passes a comparison with a probability above 0.999; a theory at a load that is
smaller by sqrt(2) must fail.
"""

import numpy as np
import pytest

from analytics.perceptron import solve_storage, solve_teacher_student, state_evolution
from statmech.perceptron import amp, random_examples, sample, teacher_examples

ALLOWED = 0.01
# Between the first-order point 1.2447 and the spinodal 1.4926 it stalls.
LOADS = (0.4, 0.8, 1.1, 1.35, 1.7, 2.0)
STALLS = 1.35
# Above the temperatures at which chains freeze before they are in equilibrium.
POINTS = ((0.25, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0), (2.0, 1.5), (3.0, 2.0))


def gate(values, theory):
    """(largest excess over the gate, mean, SE) along the first axis: samples."""
    mean = values.mean(axis=0)
    error = values.std(axis=0, ddof=1) / np.sqrt(values.shape[0])
    excess = np.abs(mean - theory) - np.maximum(3.5 * error, ALLOWED)
    return excess, mean, error


# Message passing ---------------------------------------------------------------------


def histories(alpha, n, n_seeds, n_iterations, weights="binary"):
    """(q, R, generalisation error), each (seed, iteration); what settled stays."""
    found = []
    for seed in range(n_seeds):
        examples = teacher_examples(n, round(alpha * n), seed, weights=weights)
        run = amp(examples, weights=weights, max_iterations=n_iterations, seed=seed)
        rest = n_iterations + 1 - run.q.size
        found.append(
            [
                np.pad(series, (0, rest), mode="edge")
                for series in (run.q, run.teacher_overlap, run.generalization_error)
            ]
        )
    return np.array(found).transpose(1, 0, 2)


def check_evolution(alpha, n, n_seeds, n_iterations, weights="binary"):
    realised = round(alpha * n) / n
    theory = state_evolution(realised, n_iterations, weights=weights)
    wrong = state_evolution(realised / 2**0.5, n_iterations, weights=weights)
    measured = histories(alpha, n, n_seeds, n_iterations, weights)
    for series, name in zip(
        measured, ("q", "teacher_overlap", "generalization_error"), strict=True
    ):
        # The first iterations amplify a start of size 1/sqrt(N), whose direction is
        # random: the generalisation error is defined from the first one on.
        begin = 1 if name == "generalization_error" else 0
        excess, mean, error = gate(series[:, begin:], getattr(theory, name)[begin:])
        where = int(np.argmax(excess))
        assert excess.max() <= 0.0, (name, where, mean[where], error[where])
        planted, _, _ = gate(series[:, begin:], getattr(wrong, name)[begin:])
        assert planted.max() > 0.0, name
    return measured, theory


@pytest.mark.parametrize(("alpha", "weights"), [(0.8, "binary"), (1.0, "spherical")])
def test_message_passing_follows_its_state_evolution(alpha, weights):
    """Iteration by iteration, N = 501, 8 seeds."""
    check_evolution(alpha, 501, 8, 12, weights)


@pytest.mark.nightly
@pytest.mark.parametrize("alpha", LOADS)
def test_message_passing_follows_its_state_evolution_at_scale(alpha):
    """N = 2001, 16 seeds; between first-order point and spinodal it stalls."""
    (_, overlap, _), theory = check_evolution(alpha, 2001, 16, 30)
    equilibrium = solve_teacher_student(alpha, branch="equilibrium").teacher_overlap
    metastable = solve_teacher_student(alpha).teacher_overlap
    if alpha == STALLS:
        assert equilibrium == 1.0
        assert metastable < 0.9
        assert abs(overlap[:, -1].mean() - metastable) < 0.02
    if alpha > 1.5:
        assert theory.teacher_overlap[-1] > 0.999


# Metropolis --------------------------------------------------------------------------


def thermal_means(alpha, temperature, n, n_seeds, n_sweeps, labels="teacher"):
    """(E / N, q, R) of each seed, time averages of two chains."""
    draw = teacher_examples if labels == "teacher" else random_examples
    found = []
    for seed in range(n_seeds):
        trace = sample(
            draw(n, round(alpha * n), seed, path=(n,)),
            temperature,
            n_sweeps=n_sweeps,
            n_burn_in=n_sweeps,
            n_chains=2,
            seed=seed,
        )
        row = [trace.training_errors.mean(), trace.q.mean()]
        if labels == "teacher":
            row.append(trace.teacher_overlap.mean())
        found.append(row)
    return np.array(found)


def check_thermal(alpha, temperature, n, n_seeds, n_sweeps, labels="teacher"):
    load = round(alpha * n) / n

    def theory(load):
        if labels == "random":
            state = solve_storage(load, temperature=temperature)
            return np.array([state.training_errors, state.q])
        state = solve_teacher_student(load, temperature=temperature)
        return np.array([state.training_errors, state.q, state.teacher_overlap])

    measured = thermal_means(alpha, temperature, n, n_seeds, n_sweeps, labels)
    excess, mean, error = gate(measured, theory(load))
    assert (excess <= 0.0).all(), (theory(load), mean, error)
    planted, _, _ = gate(measured, theory(load / 2**0.5))
    assert planted.max() > 0.0


@pytest.mark.parametrize("labels", ["teacher", "random"])
def test_metropolis_meets_the_finite_temperature_theory(labels):
    """N = 501, 8 seeds."""
    check_thermal(0.5, 1.0, 501, 8, 400, labels)


@pytest.mark.nightly
@pytest.mark.parametrize("n", [501, 1001])
@pytest.mark.parametrize(("alpha", "temperature"), POINTS)
def test_metropolis_meets_the_finite_temperature_theory_at_scale(alpha, temperature, n):
    """Six loads and temperatures, two sizes, 12 seeds."""
    check_thermal(alpha, temperature, n, 12, 2000)


@pytest.mark.nightly
@pytest.mark.parametrize("n", [501, 1001])
@pytest.mark.parametrize(("alpha", "temperature"), [(0.4, 0.5), (1.0, 1.0), (3.0, 2.0)])
def test_metropolis_meets_the_storage_theory_at_scale(alpha, temperature, n):
    check_thermal(alpha, temperature, n, 12, 2000, labels="random")
