"""Sweeps and the audit of Boltzmann machines: figures, findings, what is refused."""

import json
import math

import numpy as np
import pytest
from sweep_tools import dataset_of

import sims
from sims.audit import Audit, Finding
from sims.cli import main
from sims.experiments import load_experiment
from sims.experiments.dbm_models import (
    count_distinct,
    pair_model,
    random_starts,
    repulsive_model,
    scaled_model,
)
from sims.experiments.dbm_points import SpinGlassPoint
from sims.figures import draw_sweep
from statmech.errors import ParameterError, ParameterTypeError

ITERATIONS = """
measurement = "dbm-iterations"
samples = 2
[constants]
n_spins = 12
[axes]
solver = ["auto", "parallel", "forward-backward"]
alignment = [0.0, 1.0]
[figure]
kind = "solver-iterations"
"""
SOLUTIONS = """
measurement = "dbm-solutions"
samples = 3
[constants]
n_spins = 12
n_states = 2
n_starts = 20
[axes]
largest = [1.9, 6.0]
[figure]
kind = "solutions"
"""
ERRORS = """
measurement = "dbm-errors"
samples = 4
[constants]
n_spins = 8
[axes]
beta = [0.05, 0.1]
[figure]
kind = "mean-field-errors"
"""
MAGNETISATION = """
measurement = "dbm-magnetisation"
samples = 4
[constants]
n_sweeps = 500
[axes]
n_spins = [10, 20]
coupling = [0.5, 1.5]
[figure]
kind = "magnetisation"
"""


def legend_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_every_solver_is_given_the_same_models(tmp_path):
    data = dataset_of(tmp_path, ITERATIONS)
    least = data["lambda_min"].transpose("solver", ...).values
    np.testing.assert_array_equal(least[1:], np.broadcast_to(least[0], least[1:].shape))
    # Equal blocks: lambda_min = -(n - 1) kappa.
    np.testing.assert_allclose(data["lambda_min"].sel(alignment=1.0), -9.9, atol=1e-9)
    done = data["converged"].transpose("solver", ...)
    assert (done.sel(solver=["auto", "forward-backward"]) == 1.0).all()
    assert (done.sel(solver="parallel", alignment=1.0) == 0.0).all()
    figure = draw_sweep(data)
    title = figure.axes[0].get_legend().get_title().get_text()
    assert title == "not always solved by: parallel"


def test_there_is_one_solution_below_two(tmp_path):
    data = dataset_of(tmp_path, SOLUTIONS)
    found = data["n_solutions"]
    assert (found.sel(largest=1.9) == 1.0).all()
    assert (found.sel(largest=6.0) > 1.0).any()
    assert float(data["n_solutions_theory"].sel(largest=1.9)) == 1.0
    assert np.isnan(data["n_solutions_theory"].sel(largest=6.0))
    assert "proven: one solution" in legend_of(draw_sweep(data))


def test_errors_grow_with_their_orders(tmp_path):
    data = dataset_of(tmp_path, ERRORS)
    for name, order in (("error_naive", 2), ("error_tap", 3)):
        mean = data[f"{name}_mean"]
        slope = math.log2(float(mean.sel(beta=0.1) / mean.sel(beta=0.05)))
        # The next order of the expansion, relative beta, on four models.
        assert abs(slope - order) < 0.3
    assert len(draw_sweep(data).axes[0].containers) == 2


def test_magnetisations_lie_on_their_closed_forms(tmp_path):
    data = dataset_of(tmp_path, MAGNETISATION)
    away = data["m_mean_field_mean"] - data["m_mean_field_theory"]
    assert (np.abs(away) < 1e-6).all()
    # Eight chains of 500 sweeps; correlated over some ten of them, five errors of
    # magnetisations that scatter by less than 1 / 2.
    away = np.abs(data["m_gibbs_mean"] - data["m_gibbs_theory"])
    assert (away < 5.0 * 0.5 / math.sqrt(8 * 500 / 20)).all()
    assert len(draw_sweep(data).axes[0].containers) == 4


# The audit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"quick": True},
        {"quick": True, "kappa": 1.9, "seed": 1},
        {"quick": True, "n_spins": 10, "n_states": 2, "kappa": 0.5, "seed": 2},
    ],
)
def test_all_claims_hold_and_all_controls_fail(parameters):
    """Only the Gibbs row is random: false alarms 1e-3 each."""
    found = sims.check("dbm", **parameters)
    assert found.agrees, str(found)
    assert len(found.findings) == 9


def test_check_from_the_command_line(capsys):
    code = main(
        ["check", "dbm", "--quick", "--samples", "2", "--starts", "4", "--json"]
    )
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert found["settings"]["n_samples"] == 2
    assert {row["holds"] for row in found["findings"]} == {True}
    main(["check", "dbm", "--quick", "--samples", "2", "--starts", "4"])
    assert "verdict: agrees" in capsys.readouterr().out


def test_findings_are_judged_by_value_and_control():
    holds = Finding("a", 0.5, 1.0, 2.0, "b")
    cases = {
        "holds": holds,
        "FAILS": Finding("a", 1.5, 1.0, 2.0, "b"),
        "not informative": Finding("a", 0.5, 1.0, 0.9, "b"),
    }
    for verdict, finding in cases.items():
        assert finding.verdict == verdict
    assert Finding("a", math.nan, 1.0, 2.0, "b").verdict == "FAILS"
    verdicts = {
        name: Audit("dbm", {}, (holds, finding)).verdict
        for name, finding in cases.items()
    }
    assert verdicts == {
        "holds": "agrees",
        "FAILS": "disagrees",
        "not informative": "not informative",
    }
    assert Audit("dbm", {}, (cases["FAILS"],)).to_dict()["findings"][0]["value"] == 1.5


BAD = [
    ("n_spins", [1, 0, 2.5, "many", 13, 10**9]),
    ("n_states", [1, 2.5, "two", 10**9]),
    ("kappa", [0.0, 2.0, -1.0, math.nan, "much"]),
    ("n_samples", [0, 0.5]),
    ("n_starts", [1, 10**9]),
    ("seed", [-1, 0.5]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, v) for name, values in BAD for v in values]
)
def test_bad_parameter_is_refused_by_name(name, value):
    with pytest.raises((ParameterError, ParameterTypeError), match=name):
        load_experiment("dbm")(**{name: value})


def test_too_many_spins_to_sum_are_refused():
    with pytest.raises(ParameterError, match=r"n_spins = 23: .*at most 22"):
        SpinGlassPoint(n_spins=23, beta=0.1)


# Models -------------------------------------------------------------------------------


def test_models_have_the_spectrum_that_they_are_named_for():
    draw = np.random.default_rng(1)
    for alignment in (0.0, 0.5, 1.0):
        low, high = repulsive_model(7, 3, 0.9, alignment, draw).spectrum()
        assert high <= 0.9 + 1e-12
        assert -6 * 0.9 - 1e-9 <= low < 0.0
    assert scaled_model(6, 4, 3.0, draw).spectrum()[1] == pytest.approx(3.0, abs=1e-9)
    assert pair_model(1.7).spectrum()[1] == pytest.approx(1.7, abs=1e-12)


def test_starts_are_uniform_on_the_simplex():
    """Each component of a uniform point of the k-simplex has mean 1/k and variance
    (k - 1) / (k^2 (k + 1)); five standard errors of 20000 draws: false alarm 3e-6."""
    model = scaled_model(2, 4, 1.0, np.random.default_rng(2))
    starts = random_starts(model, 20_000, np.random.default_rng(3))
    np.testing.assert_allclose(starts.reshape(-1, 2, 4).sum(axis=2), 1.0, atol=1e-12)
    variance = 3 / (16 * 5)
    assert (np.abs(starts.mean(axis=0) - 0.25) < 5 * math.sqrt(variance / 20_000)).all()
    np.testing.assert_allclose(starts.var(axis=0), variance, rtol=0.1)


def test_distinct_rows_are_counted():
    rows = np.array([[0.0, 1.0], [0.05, 0.95], [1.0, 0.0], [0.0, 1.0]])
    assert count_distinct(rows, 0.1) == 2
    assert count_distinct(rows, 0.01) == 3
    assert count_distinct(rows[:0], 0.1) == 0
