"""Exports: whole or absent, exact, and nothing that a spreadsheet would run."""

import csv
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray

import sims
from sims.compare import check
from sims.export import (
    check_path,
    check_table,
    check_target,
    write_netcdf,
    write_table,
    write_whole,
)
from statmech import files
from statmech.errors import ParameterError, ParameterTypeError

NUMBERS = [
    *(0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, math.pi, 1e22, 1e23, 5e-324, -5e-324),
    *(2.2250738585072014e-308, 2.225073858507201e-308, 1e308, 1.7976931348623157e308),
    *(-1.7976931348623157e308, 1 + 2**-52, 1 - 2**-53, 2.0**53 + 2, 1e-5, 123456.789),
    *np.random.default_rng(1).integers(-(2**63), 2**63, 200).view(np.float64).tolist(),
]
NUMBERS = [x for x in NUMBERS if not math.isnan(x)]
TEXTS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "'", "''", ""),
    *("＝1", "－1", '=cmd|"/c calc"!A1', 'a"b', "a,b", "a\nb", "a\r\nb", "a\rb", " =1"),
    *("é\U0001f600", "a;b", "a\tb", "#N/A", "1e5", "TRUE", "nan", "-"),
]


def run(function, grid):
    return sims.run(function, grid, executor=sims.pool.SerialExecutor())


def bits(values):
    return np.asarray(values, dtype=np.float64).view(np.uint64).tolist()


def rows_of(path):
    """The table as a reader of CSV has it, columns by name."""
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert all(len(row) == len(head) for row in rows)
    return {name: [row[i] for row in rows] for i, name in enumerate(head)}


@pytest.fixture(scope="module")
def numbers():
    """A data set of awkward numbers, two of its points missing."""

    def function(i):
        if i in (3, 7):
            raise ValueError("not this one")
        return {"y": NUMBERS[i], "v": [NUMBERS[i], -NUMBERS[i]], "n": 2**53 + i}

    return run(function, {"i": range(len(NUMBERS))})


def test_netcdf_is_exact(tmp_path, numbers):
    path = write_netcdf(numbers, tmp_path / "new" / "a.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as again:
        again.load()
    missing = again["point_status"].values != 1
    assert missing.sum() == 2
    for name in ("y", "v"):
        assert again[name].dtype == np.float64
        assert bits(again[name]) == bits(numbers[name])
        assert np.isnan(again[name].values[missing]).all()
        assert not np.isnan(again[name].values[~missing]).any()
    assert bits(again["y"][~missing]) == bits(np.delete(NUMBERS, [3, 7]))
    assert again.attrs == numbers.attrs
    assert again["point_status"].attrs["flag_meanings"] == "missing done failed"
    assert os.listdir(path.parent) == ["a.nc"]
    json.loads(again.attrs["provenance"], parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "axis", [TEXTS, [True, False], [-(2**63), 2**63 - 1], [5e-324, 1e308, -1.5], [3]]
)
def test_netcdf_keeps_axes_and_kinds(tmp_path, axis):
    def function(x):
        return {
            "text": f"{x}",
            "flag": True,
            "n": 7,
            "c": 1 + 2j,
            "small": np.float32(1),
        }

    found = run(function, {"x": axis})
    path = write_netcdf(found, tmp_path / "a.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as again:
        again.load()
    assert again["x"].values.tolist() == axis
    for name, variable in found.variables.items():
        assert again[name].dtype.kind in (variable.dtype.kind, "O"), name
        assert again[name].values.tolist() == variable.values.tolist()


def test_long_provenance_fits(tmp_path):
    """HDF5 has a limit of 64 KiB for what it keeps beside a header."""
    found = run(lambda x: {"y": x}, {"x": np.arange(4000) / 7})
    assert len(found.attrs["provenance"]) > 70_000
    path = write_netcdf(found, tmp_path / "a.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as again:
        assert again.attrs == found.attrs


def test_csv_is_exact(tmp_path, numbers):
    table = rows_of(write_table(numbers, check_table(tmp_path / "a.csv")))
    assert list(table) == ["i", "point_status", "y", "v_mean", "n"]
    done = [status == "done" for status in table["point_status"]]
    assert [i for i, there in enumerate(done) if not there] == [3, 7]
    assert table["point_status"][3] == "failed"
    assert bits([float(y) for y in table["y"] if y]) == bits(np.delete(NUMBERS, [3, 7]))
    assert [y == "" for y in table["y"]] == [not there for there in done]
    for cell, x in zip(table["y"], NUMBERS, strict=True):
        assert cell == "" or cell == repr(x)
    assert {float(cell) for cell in table["v_mean"] if cell} == {0.0}


def test_csv_of_what_is_not_finite_or_not_real(tmp_path):
    results = {"inf": math.inf, "low": -math.inf, "nan": math.nan, "c": -1j}
    results |= {"none": complex(math.nan, 1), "yes": True, "big": np.uint64(2**64 - 1)}
    found = run(
        lambda x: results | {"words": ["a"], "m": [1.0, 2.0], "m_mean": 7}, {"x": 1}
    )
    table = rows_of(write_table(found, check_table(tmp_path / "a.csv")))
    expected = {"point_status": "done", "inf": "inf", "low": "-inf", "nan": ""}
    expected |= {"c": "(-0-1j)", "none": "", "yes": "True", "big": str(2**64 - 1)}
    expected |= {"m_mean_": "1.5", "m_mean": "7"}
    assert {name: cells[0] for name, cells in table.items()} == expected


def test_csv_runs_nothing(tmp_path):
    """Text survives up to one apostrophe that says it is text."""
    found = run(lambda w: {"back": w[::-1], "same": w, "n": -len(w)}, {"w": TEXTS})
    path = write_table(found, check_table(tmp_path / "a.csv"))
    table = rows_of(path)
    for column in ("w", "same"):
        assert [_unmarked(cell) for cell in table[column]] == TEXTS
        assert not any(
            cell.startswith(tuple("=+-@\t\r\n＝－")) for cell in table[column]
        )
    assert [int(cell) for cell in table["n"]] == [-len(text) for text in TEXTS]
    assert '"a\nb"' in path.read_bytes().decode()


def _unmarked(cell):
    return cell[1:] if cell.startswith("'") else cell


BAD_PATHS = [
    *(None, 1, 1.5, True, 1j, b"a.nc", [], ["a.nc"], {}, object(), float("nan")),
    *("", "a\0b.nc", "a\nb.nc", "a\tb.nc", "\x7f.nc", "\x85.nc", "\ud800.nc"),
    *(
        "x" * 300 + ".nc",
        "é" * 128 + ".nc",
        "x" * 300 + "/a.nc",
        "a\0/a.nc",
        "a\n/a.nc",
    ),
]


def test_paths_that_no_file_can_have(tmp_path, monkeypatch, record_property):
    monkeypatch.chdir(tmp_path)
    for bad in BAD_PATHS:
        for check_one in (check_table, lambda path: check_path("out", path)):
            with pytest.raises((ParameterError, ParameterTypeError)) as caught:
                check_one(bad)
            assert str(caught.value).startswith("out = ")
            assert str(caught.value).isprintable()
    record_property("bad_inputs", 2 * len(BAD_PATHS))
    record_property("bad_inputs_refused", 2 * len(BAD_PATHS))
    for bad in ("a", "a.txt", "a.nc.gz", ".nc", "a.NC", "a.pdf", "nc"):
        with pytest.raises(ParameterError, match=r"ends in \.nc, \.csv"):
            check_table(bad)
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(ParameterError, match="not a folder"):
        check_table("folder.nc")
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="folder that can be written"):
        check_table("file/a.nc")
    assert sorted(os.listdir()) == ["file", "folder.nc"]
    # What is the caller's own choice is taken.
    for good in ("a.nc", "b/../a.nc", "é.csv", "new/a b.nc", tmp_path / "x.nc"):
        assert check_table(good) == Path(good)
    assert check_target("a.png").suffix == ".png"


def test_a_file_is_whole_or_absent(tmp_path):
    target = tmp_path / "a.nc"
    target.write_text("old")

    def fail(name):
        Path(name).write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(target, fail)
    assert os.listdir(tmp_path) == ["a.nc"]
    assert target.read_text() == "old"
    write_whole(target, lambda name: Path(name).write_text("new"))
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o644


FULL = """
import resource, sys
import numpy as np
import xarray
from sims.export import check_table, write_table
from statmech.errors import StatmechError

data = xarray.Dataset(
    {
        "point_status": ("x", np.ones(500, dtype=np.int8)),
        "y": (("x", "t"), np.random.default_rng(1).normal(size=(500, 40))),
    },
    {"x": np.arange(500)},
)
data["point_status"].attrs["flag_meanings"] = "missing done failed"
for limit in (0, 100, 4096):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    for target in sys.argv[1:]:
        path = check_table(target)
        try:
            write_table(data, path)
        except StatmechError as error:
            assert str(error).startswith(target) and "MiB free" in str(error)
        else:
            sys.exit(f"{target} was written")
"""


def test_a_full_disk_is_told(tmp_path):
    """No file may grow beyond a few bytes; the process lives, the old files as well."""
    targets = [tmp_path / "a.nc", tmp_path / "a.csv"]
    for target in targets:
        target.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, *map(str, targets)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [target.read_text() for target in targets] == ["old", "old"]
    assert sorted(tmp_path.iterdir()) == sorted(targets)


def test_links_are_replaced_not_followed(tmp_path, monkeypatch):
    """Neither a target that is a link, nor a temporary name that was guessed."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.nc").symlink_to(outside)
    guessed = folder / f"{files._prefix(Path('a.nc'))}{os.getpid()}-guessed.nc"
    guessed.symlink_to(outside)
    names = iter(["guessed", "other"])
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: names)
    write_whole(folder / "a.nc", lambda name: Path(name).write_text("new"))
    assert outside.read_text() == "mine"
    assert not (folder / "a.nc").is_symlink()
    assert (folder / "a.nc").read_text() == "new"
    assert guessed.readlink() == outside
    assert next(names, None) is None


def test_a_comparison_is_strict_json():
    """Also with what is not a number, which becomes null."""
    from dataclasses import replace

    found = check(
        "dense", alpha=0.08, temperature=0.2, n_spins=60, n_samples=6, quick=True
    )
    row = found.rows[0]
    broken = replace(row.estimate, mean=math.nan, error=math.inf)
    odd = replace(row, estimate=broken, z=-math.inf, allowance=math.nan)
    for result in (found, replace(found, rows=(odd, *found.rows[1:]))):
        text = json.dumps(result.to_dict(), allow_nan=False)
        assert json.loads(text, parse_constant=pytest.fail) == result.to_dict()
    first = replace(found, rows=(odd,)).to_dict()["rows"][0]
    assert (first["estimate"], first["z"], first["allowance"]) == (None, None, None)
