"""Sweeps and checks of perceptrons: figures, verdicts, what is refused."""

import json
import math

import numpy as np
import pytest
from sweep_tools import dataset_of

import sims
from sims.cli import main
from sims.experiments import load_experiment, load_measurement
from sims.experiments.perceptron_points import StudentPoint
from sims.figures import draw_sweep
from statmech.errors import ParameterError, ParameterTypeError

STUDENTS = """
measurement = "perceptron-students"
samples = 6
[constants]
n_spins = 101
[axes]
student = ["spherical-hebb", "binary-bayes", "spherical-perceptron"]
alpha = [0.5, 1.35, 2.0]
[figure]
kind = "students"
observable = "generalization_error"
"""
CHAINS = """
measurement = "perceptron-students"
samples = 6
[constants]
n_spins = 201
student = "binary-gibbs"
n_sweeps = 100
n_burn_in = 100
[axes]
temperature = [0.8, 1.5]
alpha = [0.5, 1.0]
[figure]
kind = "students"
observable = "training_errors"
"""
EVOLUTION = """
measurement = "perceptron-evolution"
samples = 3
[constants]
n_spins = 201
n_iterations = 6
[axes]
alpha = [0.5, 1.35]
[figure]
kind = "evolution"
"""
ENTROPY = """
measurement = "perceptron-census"
samples = 100
[axes]
n_spins = [9, 13]
alpha = [0.5, 1.0]
[figure]
kind = "curves"
x = "alpha"
series = "n_spins"
observable = "entropy"
"""
POTENTIAL = """
measurement = "perceptron-potential"
samples = 4
[constants]
n_spins = 13
[axes]
alpha = [0.3]
[figure]
kind = "potential"
"""
SEPARATION = """
measurement = "perceptron-separation"
samples = 4
[constants]
n_spins = 20
alpha = 0.6
[axes]
flow = ["plain", "normalised"]
step = [1.0, 1e5]
[figure]
kind = "separation"
"""


def legend_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_learning_curves_of_several_students(tmp_path):
    data = dataset_of(tmp_path, STUDENTS)
    curve = data["generalization_error_mean"]
    for name in ("spherical-hebb", "spherical-perceptron"):
        assert (np.diff(curve.sel(student=name)) < 0.0).all()
    assert float(curve.sel(student="binary-bayes", alpha=2.0)) < 0.01
    theory = data["generalization_error_theory"]
    alpha = np.round(101 * np.array([0.5, 1.35, 2.0])) / 101
    hebb = np.arccos(np.sqrt(2 * alpha / (2 * alpha + math.pi))) / math.pi
    np.testing.assert_allclose(theory.sel(student="spherical-hebb"), hebb, atol=1e-12)
    assert np.isnan(theory.sel(student="spherical-perceptron")).all()
    figure = draw_sweep(data)
    assert any("stalls" in label for label in legend_of(figure))


def test_chains_are_drawn_over_the_theory_of_their_temperature(tmp_path):
    data = dataset_of(tmp_path, CHAINS)
    z = data["training_errors_mean"] - data["training_errors_theory"]
    # 0.3 / sqrt(N P / N) of scatter over 6 samples, five standard errors.
    assert (np.abs(z) < 5 * 0.3 * math.sqrt(1.0 / 201 / 6) + 2 / 201).all()
    assert len(draw_sweep(data).axes[0].containers) == 2


def test_iterations_are_drawn_over_state_evolution(tmp_path):
    data = dataset_of(tmp_path, EVOLUTION)
    assert data.sizes["iteration"] == 7
    assert np.isclose(data["q"].isel(iteration=0), 1e-4, rtol=0.5).all()
    assert any("stalls" in label for label in legend_of(draw_sweep(data)))


def test_counted_entropies_fall_with_the_load_towards_theory(tmp_path):
    data = dataset_of(tmp_path, ENTROPY)
    entropy = data["entropy_mean"]
    assert (np.diff(entropy, axis=1) < 0.0).all()
    away = np.abs(entropy - data["entropy_theory"])
    assert (away < 0.1).all()
    assert (away.isel(n_spins=1) < away.isel(n_spins=0)).any()
    assert (data["solvable_mean"] == 1.0).all()
    assert draw_sweep(data).axes[0].get_ylabel().startswith("entropy")


def test_shares_of_solutions_are_fractions(tmp_path):
    data = dataset_of(tmp_path, POTENTIAL)
    share = data["share"].values
    assert ((share >= 0.0) & (share <= 1.0)).all()
    np.testing.assert_array_equal(share[..., 0], 1.0)
    assert len(draw_sweep(data).axes[0].containers) == 1


def test_a_huge_step_separates_like_the_batch_perceptron(tmp_path):
    data = dataset_of(tmp_path, SEPARATION)
    far = data.sel(step=1e5)
    np.testing.assert_array_equal(far["n_steps"], far["limit_steps"])
    # The same patterns at every step.
    np.testing.assert_array_equal(
        data["limit_steps"].sel(step=1.0), data["limit_steps"].sel(step=1e5)
    )
    assert draw_sweep(data).axes[0].get_xscale() == "log"


# Verdicts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 0.8, "temperature": 1.0, "n_spins": 401},
        {"alpha": 0.5, "temperature": 1.0, "n_spins": 401, "labels": "random"},
        {
            "alpha": 0.5,
            "temperature": 1.0,
            "n_spins": 401,
            "labels": "random",
            "kappa": 0.3,
        },
        {"alpha": 0.8, "n_spins": 401},
        {"alpha": 1.5, "n_spins": 401, "student": "spherical-hebb"},
        {"alpha": 1.5, "n_spins": 101, "student": "spherical-max-margin"},
        {"alpha": 1.0, "n_spins": 401, "student": "spherical-bayes"},
    ],
)
def test_every_student_agrees_with_its_theory(parameters):
    """Seven verdicts; a right theory is called wrong with probability of 0.1 in one or
    more of them."""
    comparison = sims.check("perceptron", quick=True, **parameters)
    assert comparison.agrees, str(comparison)
    assert comparison.rejects_planted


def test_check_from_the_command_line(capsys):
    line = (
        "check perceptron --alpha 0.5 -T 1 -N 301 --json "
        "--samples 8 --sweeps 200 --burn-in 200"
    )
    code = main(line.split())
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert found["settings"]["student"] == "binary-gibbs"
    assert {row["n_spins"] for row in found["rows"]} == {151, 301}


BAD = [
    ("alpha", [0.0, -1.0, math.nan, math.inf, "much", None, 1e-9, 1e9]),
    ("temperature", [-1.0, math.nan, math.inf, "hot"]),
    ("n_spins", [0, 200, 2.5, "many", 10**9]),
    ("student", ["binary", "bayes", 1]),
    ("labels", ["random", "none"]),
    ("kappa", [0.5, math.nan]),
    ("start", ["nowhere"]),
    ("n_iterations", [0, 1.5]),
    ("n_samples", [5, 0.5]),
    ("alhpa", [0.1]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, v) for name, values in BAD for v in values]
)
def test_bad_parameter_is_refused_by_name(name, value):
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        load_experiment("perceptron")(
            **({"alpha": 0.5, "n_spins": 101} | {name: value})
        )


def test_students_and_temperatures_that_do_not_go_together():
    with pytest.raises(ParameterError, match="temperature"):
        StudentPoint(alpha=0.5, n_spins=11, student="binary-gibbs")
    with pytest.raises(ParameterError, match="binary-gibbs"):
        StudentPoint(alpha=0.5, n_spins=11, temperature=1.0)
    with pytest.raises(ParameterError, match="has a theory"):
        load_experiment("perceptron")(alpha=0.5, student="spherical-perceptron")


@pytest.mark.parametrize("n", [1, 9, 15, 101, 401])
def test_the_realised_margin_is_between_two_stabilities(n):
    """Exactly 0 at kappa = 0; elsewhere at most 1/sqrt(N) away, over two values."""
    assert StudentPoint(alpha=1.0, n_spins=n).realised_kappa == 0.0
    stabilities = np.arange(-n, n + 1, 2)
    for kappa in (-0.7, -0.05, 0.05, 0.3, 0.9):
        point = StudentPoint(
            alpha=1.0,
            n_spins=n,
            student="binary-gibbs",
            temperature=1.0,
            labels="random",
            kappa=kappa,
        )
        low = stabilities < kappa * math.sqrt(n)
        np.testing.assert_array_equal(
            low, stabilities < point.realised_kappa * math.sqrt(n)
        )
        assert abs(point.realised_kappa - kappa) <= 1.0 / math.sqrt(n) + 1e-12


def test_points_have_seeds_of_their_own():
    task = load_measurement("perceptron-students")
    one = task.parse({"alpha": 0.5, "n_spins": 11})
    paths = {
        task.parse({"alpha": 0.5, "n_spins": 11} | change).path
        for change in ({}, {"alpha": 0.6}, {"n_spins": 13}, {"sample": 1})
    }
    assert one.path in paths
    assert len(paths) == 4
