"""The phase diagram from plan to files, at a size that takes seconds."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sims.export import check_target, write_netcdf, write_whole
from sims.phase_diagram import plan_phase_diagram, run_phase_diagram
from sims.plot import draw_phase_diagram, save_figure
from statmech.errors import ParameterError


def small_plan(order):
    """The default plan, cut down."""
    plan = plan_phase_diagram(order)
    return replace(
        plan,
        alphas=plan.alphas[::3],
        temperatures=plan.temperatures[::3],
        n_spins=min(plan.n_spins, 200),
        n_sweeps=20,
        n_burn_in=20,
        table=plan.table[1:2],
        table_spins=400 if order == 2 else 120,
    )


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_default_plan_is_large_enough_and_within_reach(order):
    plan = plan_phase_diagram(order)
    assert len(plan.alphas) * len(plan.temperatures) >= 200
    assert len(plan.table) == 12
    assert plan.n_samples >= 6
    assert min(point.n_patterns for point in plan.points()) >= 1


@pytest.mark.parametrize(
    "order", [2, pytest.param(3, marks=pytest.mark.nightly)], ids=["P2", "P3"]
)
def test_data_set_and_figure(order, tmp_path):
    import xarray

    plan = small_plan(order)
    dataset, comparisons = run_phase_diagram(plan)
    assert dataset["m"].shape == (len(plan.alphas), len(plan.temperatures))
    # A few patterns at low T are frozen: error 0, and marked as not reliable.
    frozen = dataset["m_error"].values == 0.0
    assert frozen.mean() < 0.2
    assert (dataset["m_reliable"].values[frozen] == 0).all()
    corner = dataset["m"].values[0, 0], dataset["m"].values[-1, -1]
    assert corner[0] > 0.9 > 0.5 > corner[1]
    inside = np.isfinite(dataset["m_theory"].values)
    assert inside[0, 0]
    assert not inside[-1, -1]
    provenance = json.loads(dataset.attrs["provenance"])
    assert provenance["order"] == order
    assert provenance["seed"] == 0
    assert len(comparisons) == 1

    path = write_netcdf(dataset, tmp_path / "deep" / "data.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as again:
        xarray.testing.assert_identical(again.load(), dataset)

    for suffix in (".png", ".pdf"):
        figure = save_figure(draw_phase_diagram(dataset), tmp_path / f"figure{suffix}")
        assert figure.stat().st_size > 10_000
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "deep",
        "figure.pdf",
        "figure.png",
    ]


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "result.nc"
    target.write_text("old")

    def fail(name):
        with open(name, "w") as file:
            file.write("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(target, fail)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.nc"]


def test_target_is_checked_before_anything_runs(tmp_path):
    with pytest.raises(ParameterError, match="out"):
        check_target(tmp_path / "figure.jpeg")
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="out"):
        check_target(tmp_path / "file" / "figure.png")
    assert check_target(tmp_path / "new" / "figure.png").parent.is_dir()
