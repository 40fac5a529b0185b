"""Sweeps from the command line to a figure: resume, estimates, theory beside them."""

import json
import re
from dataclasses import fields

import numpy as np
import pytest
import xarray

from analytics import dense
from sims import store
from sims.cli import main
from sims.experiments import MEASUREMENTS, load_measurement
from sims.preset import load_preset, preset_names
from sims.sweep import duration, plan_sweep, run_sweep
from statmech.stats import estimate

CURVES = """
title = "a small one"
measurement = "dense-retrieval"
samples = 3
[constants]
order = 2
n_spins = 60
n_sweeps = 30
n_burn_in = 10
[axes]
temperature = [0.2, 0.4]
alpha = [0.05, 0.3]
[figure]
kind = "curves"
x = "alpha"
series = "temperature"
"""

OTHERS = {
    "finite-size": """
measurement = "dense-retrieval"
samples = 3
[constants]
alpha = 0.05
temperature = 0.4
n_sweeps = 30
[axes]
n_spins = [40, 60, 80]
[figure]
kind = "finite-size"
x = "n_spins"
""",
    "hysteresis": """
measurement = "dense-hysteresis"
samples = 3
[constants]
order = 3
n_spins = 20
highest = 0.8
n_temperatures = 6
n_sweeps = 5
[axes]
alpha = [0.02, 0.05]
[figure]
kind = "hysteresis"
series = "alpha"
""",
    "basin": """
measurement = "dense-basin"
samples = 3
[constants]
alpha = 0.05
temperature = 0.2
n_spins = 60
n_sweeps = 10
n_burn_in = 5
[axes]
cue_overlap = [0.0, 0.5, 1.0]
[figure]
kind = "basin"
x = "cue_overlap"
""",
}


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of one command."""
    code = main([str(word) for word in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def curves(tmp_path):
    """A small sweep's file."""
    file = tmp_path / "small.toml"
    file.write_text(CURVES)
    return file


def test_from_a_file_to_a_figure(capsys, tmp_path, curves):
    """sweep, status, plot, export, one after the other, and each again for nothing."""
    folder = tmp_path / "record"
    sweep = ("sweep", curves, "--out", folder, "--workers", 1)
    code, out, _ = run(capsys, *sweep)
    assert code == 0
    assert "12 points: 12 done, 0 failed, 0 missing; 12 computed now" in out
    code, out, _ = run(capsys, *sweep)
    assert code == 0
    assert "0 computed now" in out
    code, out, _ = run(capsys, "status", folder, "--verify")
    assert code == 0
    assert "12 points sound" in out
    assert re.search(r"fingerprint  [0-9a-f]{64}", out)
    code, out, _ = run(capsys, "plot", folder)
    assert code == 0
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")
    target = tmp_path / "data.nc"
    code, out, _ = run(capsys, "export", folder, target)
    assert code == 0
    with xarray.open_dataset(target, engine="h5netcdf") as found:
        settings = json.loads(found.attrs["provenance"])
        assert found["m"].dims == ("temperature", "alpha", "sample", "chain", "draw")
        assert settings["defaults"]["coincident"] == "exclude"
        assert settings["points"] == {"missing": 0, "done": 12, "failed": 0}


def test_more_samples_and_a_finer_grid_add_the_difference(capsys, tmp_path, curves):
    folder = tmp_path / "record"
    run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    code, out, _ = run(
        capsys, "sweep", curves, "--out", folder, "--workers", 1, "--samples", 5
    )
    assert code == 0
    assert "20 points: 20 done, 0 failed, 0 missing; 8 computed now" in out
    finer = tmp_path / "finer.toml"
    finer.write_text(CURVES.replace("[0.05, 0.3]", "[0.05, 0.1, 0.3]"))
    _, out, _ = run(capsys, "sweep", finer, "--out", folder, "--workers", 1)
    assert "18 points: 18 done, 0 failed, 0 missing; 6 computed now" in out
    # Less deletes nothing.
    run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    with store.open(folder) as record:
        assert len(record.statuses()) == 26
        assert record.dataset().sizes["sample"] == 3


def test_estimates_and_theory_of_a_cell_are_those_of_the_library(tmp_path, curves):
    request = load_preset(str(curves))
    run_sweep(request, tmp_path / "record", workers=1)
    with store.open(tmp_path / "record") as record:
        data = record.dataset()
    cell = data.isel(temperature=1, alpha=0)
    for name in ("m", "q", "energy"):
        expected = estimate(list(cell[name].values))
        assert cell[f"{name}_mean"] == expected.mean
        assert cell[f"{name}_error"] == expected.error
        assert bool(cell[f"{name}_reliable"]) is expected.reliable
        assert cell[f"{name}_samples"] == 3
    state = dense.solve_storage(2, 3 / 59, 0.4)
    assert cell["m_theory"] == state.m
    assert cell["m_theory_error"] <= 1e-9
    assert cell["m_z"] == (cell["m_mean"] - state.m) / cell["m_error"]
    # Beyond the spinodal there is no number, and its status says so.
    beyond = data.isel(temperature=1, alpha=1)
    assert np.isnan(beyond["m_theory"])
    assert beyond["m_theory_status"] == "NO_RETRIEVAL"
    assert beyond["m_escaped"] == -1
    low = data["m"].isel(temperature=1, alpha=0).mean("draw") < state.m / 2
    assert cell["m_escaped"] == int(low.sum())


@pytest.mark.parametrize("kind", OTHERS)
def test_every_kind_of_figure_is_drawn(capsys, tmp_path, kind):
    """Axes named, theory as lines, simulation with error bars."""
    from sims.figures import draw_sweep

    file = tmp_path / "one.toml"
    file.write_text(OTHERS[kind])
    code, _, _ = run(
        capsys, "sweep", file, "--out", tmp_path / "record", "--workers", 1
    )
    assert code == 0
    with store.open(tmp_path / "record") as record:
        axes = draw_sweep(record.dataset()).axes[0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert len(axes.containers) >= 1  # error bars
    assert len(axes.lines) > len(axes.containers)
    assert axes.get_legend() is not None


def test_a_figure_of_a_users_function_needs_no_theory(tmp_path):
    import sims
    from sims.figures import draw_sweep

    def noise(x, seed):
        return {"y": x + np.random.default_rng(seed).normal()}

    data = sims.run(
        noise,
        {"x": [0.0, 1.0], "sample": range(8)},
        executor=sims.pool.SerialExecutor(),
    )
    assert data["y_mean"].dims == ("x",)
    assert data["y_samples"].values.tolist() == [8, 8]
    assert draw_sweep(data).axes[0].get_ylabel() == "y"


def test_a_plan_writes_nothing_and_knows_what_is_there(capsys, tmp_path, curves):
    folder = tmp_path / "record"
    code, out, _ = run(capsys, "sweep", curves, "--out", folder, "--plan")
    assert code == 0
    assert "points    12 (0 there already)" in out
    assert "memory" in out
    assert not folder.exists()
    run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    before = sorted(p.name for p in folder.iterdir())
    _, out, _ = run(capsys, "sweep", curves, "--out", folder, "--plan")
    assert "points    12 (12 there already)" in out
    assert sorted(p.name for p in folder.iterdir()) == before


def test_the_predicted_time_grows_with_the_work(tmp_path, curves):
    """Ten thousand times the sweeps of a tiny sweep cannot look cheap."""
    request = load_preset(str(curves))
    small = plan_sweep(request, tmp_path / "a", workers=1)
    large = CURVES.replace("n_sweeps = 30", "n_sweeps = 300000")
    curves.write_text(large)
    huge = plan_sweep(load_preset(str(curves)), tmp_path / "a", workers=1)
    assert huge.seconds > 100.0 * small.seconds > 0.0
    assert small.memory < huge.memory


def test_damage_is_repaired_from_the_command_line(capsys, tmp_path, curves):
    import sqlite3

    folder = tmp_path / "record"
    run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    with store.open(folder) as record:
        before = record.fingerprint()
    db = sqlite3.connect(folder / "store.sqlite")
    db.execute("UPDATE points SET payload = x'00' WHERE rowid IN (2, 5)")
    db.commit()
    db.close()
    code, out, _ = run(capsys, "status", folder, "--verify")
    assert code == 1
    assert "2 changed" in out
    assert "--repair" in out
    code, _, err = run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    assert code == 2
    assert "--repair" in err
    code, out, _ = run(capsys, "status", folder, "--repair", "--workers", 1)
    assert code == 0
    assert "2 computed now" in out
    assert (folder / "quarantine").is_dir()
    with store.open(folder) as record:
        assert record.fingerprint() == before


def test_failed_points_exit_1_and_say_why(capsys, tmp_path, curves, monkeypatch):
    from sims.experiments import dense_sweeps

    simulate = dense_sweeps.Retrieval.simulate

    def broken(self, point):
        if point.sample == 1:
            raise RuntimeError("sample one")
        return simulate(self, point)

    monkeypatch.setattr(dense_sweeps.Retrieval, "simulate", broken)
    folder = tmp_path / "record"
    code, out, err = run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    assert code == 1
    assert "8 done, 4 failed" in out
    assert f"statmech status {folder}" in err
    _, out, _ = run(capsys, "status", folder)
    assert "failed       4 points: RuntimeError: sample one" in out
    with store.open(folder) as record:
        data = record.dataset()
    assert np.isnan(data["m"].sel(sample=1)).all()
    assert (data["m_samples"] == 2).all()
    monkeypatch.undo()
    code, out, _ = run(capsys, "sweep", curves, "--out", folder, "--workers", 1)
    assert code == 0
    assert "12 done, 0 failed, 0 missing; 4 computed now" in out


@pytest.mark.parametrize("folder", ["nothing", "."])
@pytest.mark.parametrize(
    "command", [["status"], ["status", "--verify"], ["status", "--repair"], ["plot"]]
)
def test_no_record_is_said_in_one_line(capsys, tmp_path, command, folder):
    place = tmp_path / folder
    code, out, err = run(capsys, command[0], place, *command[1:])
    assert (code, out) == (2, "")
    assert "holds no record" in err
    assert list(tmp_path.iterdir()) == []


def test_every_measurement_is_whole():
    """Costs and memory grow with the size; a shortened point costs less."""
    for name in MEASUREMENTS:
        task = load_measurement(name)
        assert task.name == name
        values = {
            "alpha": 0.05,
            "temperature": 0.3,
            "highest": 0.9,
            "cue_overlap": 0.5,
            "n_patterns": 3,
            "dilution": 0.4,
            "step": 1.0,
            "alpha1": 0.5,
            "alpha2": 0.5,
            "alignment": 0.5,
            "coupling": 0.5,
            "largest": 0.5,
        }
        sizes = (200, 400)
        if name in ("multitask-min-examples", "dense-learning", "dense-min-examples"):
            values["quality"] = 0.4
        if name == "dense-learning":
            values["n_examples"] = 5
        if name.startswith("continual"):
            sizes = (201, 401)
        if name.startswith("perceptron"):
            sizes = (201, 401)
            del values["temperature"]
        if name in ("perceptron-census", "perceptron-potential"):
            sizes = (21, 25)
        if name == "dbm-errors":
            sizes = (10, 16)
            values["beta"] = 0.5
        values["n_spins"], more = sizes
        known = {field.name for field in fields(task.point)}
        given = {k: v for k, v in values.items() if k in known}
        point = task.parse(given)
        larger = task.parse(given | {"n_spins": more})
        assert task.cost(task.shortened(point)) < task.cost(point) < task.cost(larger)
        assert 0 < task.memory(point) < task.memory(larger)


def test_durations_read_well():
    assert [duration(s) for s in (0.25, 125.0, 7260.0)] == [
        "0.2 s",
        "2 min 05 s",
        "2 h 01 min",
    ]


@pytest.mark.nightly
@pytest.mark.parametrize("name", preset_names())
def test_shipped_sweeps_run_in_their_quick_form(capsys, tmp_path, name):
    folder = tmp_path / "record"
    code, out, _ = run(capsys, "sweep", name, "--quick", "--out", folder)
    assert code == 0, out
    code, _, _ = run(capsys, "plot", folder, "-o", tmp_path / "figure.png")
    assert code == 0
