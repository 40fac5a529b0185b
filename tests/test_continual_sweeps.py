"""Sweeps and checks of continual learning: figures, verdicts, what is refused."""

import json
import math

import numpy as np
import pytest
from sweep_tools import dataset_of

import sims
from analytics import continual as theory
from sims.cli import main
from sims.experiments import load_experiment, load_measurement
from sims.experiments.continual import as_predictions
from sims.experiments.continual_points import SingleTaskPoint, TwoTaskPoint
from sims.figures import draw_sweep
from statmech.errors import ParameterError, ParameterTypeError, StatmechError
from statmech.status import Status

PASSED = """
measurement = "continual-tasks"
samples = 6
[constants]
n_spins = 201
alpha1 = 0.8
[axes]
learner = ["amp-naive", "amp-optimal"]
teacher_correlation = [0.5]
alpha2 = [0.5, 0.9]
[figure]
kind = "two-tasks"
"""
HANDOVER = """
measurement = "continual-tasks"
samples = 4
[constants]
n_spins = 101
alpha1 = 0.8
alpha2 = 0.5
[axes]
learner = ["amp-naive", "amp-optimal"]
teacher_correlation = [-0.5, 0.5]
[figure]
kind = "handover"
"""
DESCENDED = """
measurement = "continual-tasks"
samples = 6
[constants]
n_spins = 101
alpha1 = 1.0
learner = "variational"
beta = 60.0
n_epochs_1 = 100
rate = 0.05
[axes]
alpha2 = [0.5, 1.0]
[figure]
kind = "two-tasks"
"""
EPOCHS = """
measurement = "continual-epochs"
samples = 6
[constants]
n_spins = 101
alpha1 = 1.0
alpha2 = 0.5
n_epochs_1 = 50
n_epochs_2 = 150
rate = 0.05
[axes]
teacher_correlation = [0.5]
[figure]
kind = "epochs"
"""
SINGLE = """
measurement = "continual-single"
samples = 6
[constants]
n_spins = 101
learner = "variational"
n_epochs = 60
rate = 0.05
beta = 20.0
[axes]
alpha = [0.3, 0.9]
[figure]
kind = "single-task"
"""
UNSTABLE = """
measurement = "continual-tasks"
samples = 2
[constants]
n_spins = 51
alpha1 = 1.0
n_iterations = 20
[axes]
alpha2 = [0.5, 1.4]
[figure]
kind = "curves"
observable = "generalization_error_2"
"""


@pytest.fixture(autouse=True)
def coarse_lines(monkeypatch):
    """Theory on few points: what is tested is not how smooth a line is."""
    monkeypatch.setattr("sims.continual_figures._FINE", 8)


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_message_passing_is_drawn_over_state_evolution(tmp_path):
    data = dataset_of(tmp_path, PASSED)
    figure = draw_sweep(data)
    assert len(figure.axes) == 2
    cell = data.sel(learner="amp-optimal", teacher_correlation=0.5, alpha2=0.9)
    # Realised: 161 and 181 patterns, 151 of 201 weights agree.
    right = theory.state_evolution(
        161 / 201, 181 / 201, 2 * 151 / 201 - 1, handover="optimal"
    )
    for name in ("q2", "r2", "t", "forgetting"):
        assert float(cell[f"{name}_theory"]) == getattr(right, name)
        # Scatter 1 / sqrt(N) over 6 samples, five standard errors.
        away = abs(float(cell[f"{name}_mean"]) - getattr(right, name))
        assert away < 5.0 / math.sqrt(6 * 201)
    assert "p1_mean" not in data  # of magnetisations, which this learner has not


def test_handovers_are_drawn_side_by_side(tmp_path):
    figure = draw_sweep(dataset_of(tmp_path, HANDOVER))
    assert [axes.get_title() for axes in figure.axes] == [
        "task 1, after task 2",
        "task 2",
    ]
    assert len(figure.axes[0].containers) == 2


def test_theory_of_the_variational_learner_starts_from_its_first_task(tmp_path):
    data = dataset_of(tmp_path, DESCENDED)
    marginal = data["marginal"].sel(alpha2=1.0).values.ravel()
    assert (np.abs(marginal) <= 1.0).all()
    right = theory.solve_two_tasks(1.0, 1.0, 60.0, 1.0, -1 / 101, marginal=marginal)
    cell = data.sel(alpha2=1.0)
    for name in ("p1", "p2", "t", "r2", "q2_star"):
        assert float(cell[f"{name}_theory"]) == getattr(right, name)
        away = abs(float(cell[f"{name}_mean"]) - getattr(right, name))
        assert away < 5.0 / math.sqrt(6 * 101)
    before = data["generalization_error_1_before"]
    np.testing.assert_allclose(
        data["forgetting"], data["generalization_error_1"] - before, atol=1e-15
    )
    assert any("given the first task" in t for t in legend_of(draw_sweep(data).axes[0]))


def test_epochs_begin_at_chance_and_end_where_theory_says(tmp_path):
    data = dataset_of(tmp_path, EPOCHS)
    assert data.sizes["epoch"] == 201
    np.testing.assert_array_equal(data["error_1"].isel(epoch=0), 0.5)
    first = data["error_1_mean"].isel(teacher_correlation=0)
    assert float(first.isel(epoch=50)) < 0.4
    ends = data.isel(teacher_correlation=0)
    for task in (1, 2):
        away = ends[f"generalization_error_{task}_mean"]
        away = abs(float(away - ends[f"generalization_error_{task}_theory"]))
        assert away < 5.0 / math.pi / math.sqrt(6 * 101)
    assert len(draw_sweep(data).axes) == 1


def test_unstable_replica_symmetry_is_shown(tmp_path):
    data = dataset_of(tmp_path, SINGLE)
    states = [theory.solve_single_task(round(a * 101) / 101, 20.0) for a in (0.3, 0.9)]
    assert [s.status for s in states] == [Status.CONVERGED, Status.RS_UNSTABLE]
    assert data["p_theory_status"].values.tolist() == ["CONVERGED", "RS_UNSTABLE"]
    assert any("unstable" in text for text in legend_of(draw_sweep(data).axes[0]))


def test_curves_mark_where_replica_symmetry_is_unstable(tmp_path):
    data = dataset_of(tmp_path, UNSTABLE)
    assert data["q2_theory_status"].values.tolist() == ["CONVERGED", "RS_UNSTABLE"]
    assert any("unstable" in text for text in legend_of(draw_sweep(data).axes[0]))


def test_a_record_without_results_is_not_drawn(tmp_path):
    data = dataset_of(tmp_path, HANDOVER.replace("samples = 4", "samples = 2"))
    empty = data.drop_vars([name for name in data if name.endswith("_mean")])
    with pytest.raises(StatmechError, match="two samples or more"):
        draw_sweep(empty)


# Verdicts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_spins": 401, "teacher_correlation": 0.5},
        {"n_spins": 401, "teacher_correlation": -0.5, "learner": "amp-optimal"},
        {"n_spins": 101, "learner": "field-space", "teacher_correlation": 0.5},
    ],
)
def test_every_learner_agrees_with_its_theory(parameters):
    """Three verdicts; a right theory is called wrong with probability of 0.1 in one or
    more of them."""
    comparison = sims.check(
        "continual", alpha1=0.8, alpha2=0.6, quick=True, **parameters
    )
    assert comparison.agrees, str(comparison)
    assert comparison.rejects_planted


def test_check_from_the_command_line(capsys):
    line = "check continual --alpha1 0.6 --alpha2 0.4 -r 0.5 -N 201 --samples 8 --json"
    code = main(line.split())
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert found["settings"]["learner"] == "amp-naive"
    assert {row["n_spins"] for row in found["rows"]} == {101, 201}


BAD = [
    ("alpha1", [0.0, -1.0, math.nan, math.inf, "much", None, 1e-9, 1e9]),
    ("alpha2", [0.0, -1.0, math.nan, None]),
    ("teacher_correlation", [-1.1, 2, math.nan, "some"]),
    ("gamma", [-0.1, math.inf]),
    ("beta", [0.0, -1.0, math.nan]),
    ("learner", ["amp", "variational", 1]),
    ("n_spins", [0, 200, 2.5, "many", 10**9]),
    ("n_epochs_1", [0, 1.5]),
    ("n_samples", [5, 0.5]),
    ("gama", [0.1]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, v) for name, values in BAD for v in values]
)
def test_bad_parameter_is_refused_by_name(name, value):
    good = {"alpha1": 0.5, "alpha2": 0.5, "n_spins": 101}
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        load_experiment("continual")(**(good | {name: value}))


def test_what_does_not_go_together_is_refused():
    good = {"alpha1": 0.5, "alpha2": 0.5, "n_spins": 101}
    with pytest.raises(ParameterError, match=r"gamma .*amp-optimal"):
        TwoTaskPoint(**good, learner="amp-optimal", gamma=0.5)
    with pytest.raises(ParameterError, match=r"n_burn_in .*field-space"):
        TwoTaskPoint(**good, learner="field-space", n_burn_in=3)
    with pytest.raises(ParameterError, match="learner"):
        SingleTaskPoint(alpha=0.5, n_spins=101, learner="amp-naive")
    # Beyond the bound of stability a verdict would mean nothing.
    with pytest.raises(ParameterError, match="symmetry unstable"):
        load_experiment("continual")(alpha1=1.0, alpha2=1.4)


def test_a_state_that_is_missing_is_no_number():
    state = theory.TwoTasks.missing(Status.NOT_CONVERGED, "rs", None)
    found = as_predictions(state, ("p1", "forgetting"))
    assert all(math.isnan(one.value) for one in found.values())
    assert not any(one.status.ok for one in found.values())


def test_the_realised_correlation_is_that_of_the_draw():
    from sims.experiments.continual import draw_point_tasks

    for r0 in (-1.0, -0.5, 0.0, 0.33, 1.0):
        point = TwoTaskPoint(
            alpha1=0.1, alpha2=0.1, n_spins=101, teacher_correlation=r0
        )
        first, second = draw_point_tasks(point)
        overlap = first.teacher @ second.teacher / 101
        assert overlap == pytest.approx(point.realised_correlation, abs=1e-15)


def test_points_have_seeds_of_their_own():
    task = load_measurement("continual-tasks")
    good = {"alpha1": 0.5, "alpha2": 0.5, "n_spins": 11}
    changes = ({}, {"alpha1": 0.6}, {"gamma": 0.5}, {"n_spins": 13}, {"sample": 1})
    assert len({task.parse(good | change).path for change in changes}) == 5
