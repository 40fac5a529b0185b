"""What sweeps are given: bad input is refused by name, before anything is made."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from test_boundary import (
    HUGE,
    INF,
    NOT_A_COUNT,
    NOT_A_NUMBER,
    NOT_A_TEMPERATURE,
    NOT_A_TEXT,
    NOT_AN_OVERLAP,
    assert_refused,
)

import sims
from sims.experiments import load_measurement
from sims.experiments.dense_points import CuePoint, LoopPoint, Network, Point
from sims.request import Request
from sims.sweep import plan_sweep, run_sweep
from statmech.errors import StatmechError
from statmech.kernels import hebbian as kernels

VAST = 10**5000  # has no decimal text
EMPTY = ["", (), [], {}, np.array([])]
NOT_A_FOLDER = [
    *(1, 1.5, -1, True, 1j, INF, float("nan"), b"run", [], ["run"], {}, object()),
    *("", "a\0b", "a\nb", "\ud800", "x" * 300, "a/" + "x" * 300),
]

SHARED = {
    "alpha": [
        *(*NOT_A_NUMBER, *EMPTY, INF, 0, 0.0, -0.0, -1, -5e-324, 5e-324, 1e-300, 1e308),
        *(1e17, HUGE, VAST, "0.1"),
    ],
    "n_spins": [*NOT_A_COUNT, *EMPTY, 0, 1, 10**7 + 1, HUGE, VAST, "40"],
    "order": [*NOT_A_COUNT, *EMPTY, 0, 1, 21, HUGE, VAST, "2"],
    "coincident": [*NOT_A_TEXT, *EMPTY, "Keep", "keep\0", INF],
    "seed": [*NOT_A_COUNT, *EMPTY, 2**63, HUGE, VAST],
    "sample": [*NOT_A_COUNT, *EMPTY, 2**31, HUGE, VAST],
    "n_sweeps": [*NOT_A_COUNT, *EMPTY, 0, 10**9 + 1, HUGE, VAST],
}
THERMAL = {
    "temperature": [*NOT_A_TEMPERATURE, *EMPTY, INF, HUGE, VAST, "0.1"],
    "n_burn_in": [*NOT_A_COUNT, *EMPTY, 10**9 + 1, HUGE, VAST],
}
POINTS = {
    Point: SHARED | THERMAL,
    CuePoint: SHARED | THERMAL | {"cue_overlap": [*NOT_AN_OVERLAP, *EMPTY, HUGE, VAST]},
    LoopPoint: SHARED
    | {
        "highest": [*NOT_A_NUMBER, *EMPTY, INF, 0.0, -1.0, -5e-324, 1e301, HUGE, VAST],
        "n_temperatures": [*NOT_A_COUNT, *EMPTY, 0, 1, 10**4 + 1, HUGE, VAST],
    },
}
GOOD = {
    Point: {"alpha": 0.1, "n_spins": 40, "temperature": 0.2},
    CuePoint: {"alpha": 0.1, "n_spins": 40, "temperature": 0.2, "cue_overlap": 0.5},
    LoopPoint: {"alpha": 0.1, "n_spins": 40, "highest": 1.0},
}
REQUEST = Request("dense-retrieval", {"sample": (0,)}, GOOD[Point] | {"n_sweeps": 2})


@pytest.fixture(autouse=True)
def nothing_happens(monkeypatch, tmp_path, request):
    """No kernel runs and no file is made, unless the test is about what is legal."""
    monkeypatch.chdir(tmp_path)
    if "legal" in request.node.name:
        yield
        return

    def started(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(kernels, "advance", started)
    yield
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("point", "name"), [(point, name) for point in POINTS for name in POINTS[point]]
)
def test_bad_fields_of_points_are_refused(record_property, point, name):
    assert_refused(
        lambda value: point(**(GOOD[point] | {name: value})),
        name,
        POINTS[point][name],
        record_property,
    )


def test_every_field_is_in_the_table():
    from dataclasses import fields

    for point, table in POINTS.items():
        assert {field.name for field in fields(point)} == set(table)
        assert issubclass(point, Network)


def test_fields_that_do_not_go_together():
    with pytest.raises(ValueError, match="n_spins = 3: must be at least P = 4"):
        Point(alpha=0.1, n_spins=3, order=4, temperature=0.1)
    with pytest.raises(
        ValueError,
        match=r"alpha = 0.01: must be above 0.0128 at N = 40; .* rounds to 0",
    ):
        Point(alpha=0.01, n_spins=40, temperature=0.1)
    with pytest.raises(ValueError, match=r"alpha = 1.0: must be at most"):
        Point(alpha=1.0, n_spins=10**7, order=20, temperature=0.1)


@pytest.mark.parametrize("kind", ["dense-retrieval", "dense-basin", "dense-hysteresis"])
def test_legal_extremes_give_numbers(kind):
    """The ends of every range; results are finite, whatever the temperature."""
    task = load_measurement(kind)
    small = {"alpha": 0.1, "n_spins": 10, "n_sweeps": 2, "seed": 2**63 - 1}
    small |= {"sample": 2**31 - 1, "coincident": "keep"}
    temperatures = (0, -0.0, 5e-324, 1e-300, 1e-15, 1e15, 1e300, 1.7e308)
    more = {
        "dense-retrieval": [{"temperature": t, "n_burn_in": 0} for t in temperatures],
        "dense-basin": [
            {"temperature": t, "cue_overlap": cue, "n_burn_in": 1}
            for t in temperatures
            for cue in (-1, -0.0, 1)
        ],
        "dense-hysteresis": [
            {"highest": t, "n_temperatures": 3} for t in temperatures[2:-1]
        ],
    }[kind]
    for parameters in more:
        job = task.job(small | parameters)
        assert len(job.key) == 64
        for name, (dims, values) in task.compute(job).items():
            assert len(dims) == np.ndim(values)
            assert np.isfinite(values).all(), (name, parameters)


def test_legal_sizes_of_the_smallest_points():
    smallest = Point(alpha=0.51, n_spins=2, temperature=1.0, n_sweeps=1, n_burn_in=0)
    assert smallest.n_patterns == 1
    large = Point(alpha=90, n_spins=10**7, order=3, coincident="keep", temperature=0)
    assert large.n_patterns == 9 * 10**15 <= 2**53
    assert large.realised_alpha == 90.0


def f(x, seed=0):
    raise AssertionError("the function was called")


RUN = {
    "function": [None, 1, "f", [], {}, True, 1j, functools.partial(f), object()],
    "grid": [None, 1, "x", [], [1], True, 1j, {1: 2}, {"": 1}, {"a b": 1}, {"y": 1}, f],
    "x": [{"x": bad} for bad in [*(None, 1j, b"a", object()), INF, float("nan"), VAST]]
    + [{"x": [bad]} for bad in [*(None, 1j, b"a", object(), []), INF, -INF, 2**63]]
    + [
        {"x": bad} for bad in ([], range(0), np.ones((1, 1)), [1, 1], [1, "1"], {}, {1})
    ],
    "executor": [1, "processes", True, [], {}, ThreadPoolExecutor, object(), 1j],
    "seed": [*NOT_A_COUNT, *EMPTY],
}


@pytest.mark.parametrize("name", RUN)
def test_bad_arguments_of_run_are_refused(record_property, name):
    good = {"function": f, "grid": {"x": [1]}, "executor": sims.pool.SerialExecutor()}
    key = "grid" if name == "x" else name
    assert_refused(
        lambda value: sims.run(**(good | {key: value})),
        name,
        RUN[name],
        record_property,
    )


@pytest.mark.parametrize(("name", "values"), [("out", NOT_A_FOLDER), ("seed", [VAST])])
def test_bad_folders_and_vast_seeds_of_run(record_property, tmp_path, name, values):
    good = {"function": f, "grid": {"x": [1]}, "executor": sims.pool.SerialExecutor()}
    assert_refused(
        lambda value: sims.run(**(good | {name: value})), name, values, record_property
    )
    assert os.listdir(tmp_path) == []


SWEEP = {
    "workers": [*NOT_A_COUNT[1:], *EMPTY, 0, 1025, HUGE, VAST, "2"],
    "out": [None, *NOT_A_FOLDER],
    "request": [None, 1, "basin", True, [], {}, object(), Request],
}


@pytest.mark.parametrize("name", SWEEP)
@pytest.mark.parametrize("function", [run_sweep, plan_sweep])
def test_bad_arguments_of_sweeps_are_refused(record_property, function, name):
    good = {"request": REQUEST, "out": "run", "workers": 1}
    assert_refused(
        lambda value: function(**(good | {name: value})),
        name,
        SWEEP[name],
        record_property,
    )


def test_bad_addresses_and_requests_of_sweeps_are_refused(record_property):
    assert_refused(
        lambda value: run_sweep(REQUEST, "run", dask=value),
        "dask",
        [1, True, b"tcp://host:1", [], {}, 1j, object()],
        record_property,
    )
    for task in ("module:function", "dense", "", "dense-retrievals"):
        for function in (run_sweep, plan_sweep):
            with pytest.raises(ValueError, match="must be"):
                function(Request(task, {"sample": (0,)}, REQUEST.constants), "run")
    bad = Request(REQUEST.task, {"sample": (0,), "alpha": (0.1, float("nan"))})
    for function in (run_sweep, plan_sweep):
        with pytest.raises(ValueError, match=r"alpha = nan|no default"):
            function(bad, "run")


def test_folders_without_a_record(record_property):
    """An error of ours, one line, for anything that is given."""
    values = [None, *NOT_A_FOLDER, "missing", "/dev/null", "/proc", Path("missing")]
    refused = 0
    for value in values:
        with pytest.raises(StatmechError) as caught:
            sims.store.open(value)
        assert str(caught.value).isprintable()
        refused += 1
    record_property("bad_inputs", len(values))
    record_property("bad_inputs_refused", refused)
