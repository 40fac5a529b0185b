"""Records as data sets: dimensions, what is missing, what collides, provenance."""

import json

import numpy as np
import pytest

import sims
from sims.labelled import STATUS_MEANINGS
from sims.request import MOST_POINTS
from sims.sweep import run_sweep
from statmech.errors import StatmechError

MISSING, DONE, FAILED = range(3)


def run(function, grid=None, **options):
    grid = {"x": [1.0, 2.0, 3.0]} if grid is None else grid
    return sims.run(function, grid, executor=sims.pool.SerialExecutor(), **options)


def provenance(dataset):
    """Read as strict JSON."""
    return json.loads(
        dataset.attrs["provenance"],
        parse_constant=lambda word: pytest.fail(f"{word} is no JSON"),
    )


def many(x):
    """One result of every kind; none at x = 2."""
    if x == 2.0:
        raise ValueError(f"x = {x} is not liked")
    return {
        "float": 0.1 * x,
        "small": np.float32(x),
        "int": int(x),
        "bool": x > 1,
        "text": "a" * int(x),
        "complex": 1j * x,
        "list": [x, 2 * x],
        "named": (("t",), np.full(3, x)),
        "table": (("t", "u"), np.full((3, 2), x)),
        "t": (("t",), [0.1, 0.2, 0.3]),
        "words": ["a", "b" * int(x)],
        "nothing": np.zeros((2, 0)),
        "nan": np.nan,
    }


def test_missing_points_are_nan_or_empty():
    found = run(many)
    assert found["point_status"].values.tolist() == [DONE, FAILED, DONE]
    assert found["point_status"].attrs["flag_meanings"].split() == [*STATUS_MEANINGS]
    np.testing.assert_array_equal(found["float"], [0.1, np.nan, 0.1 * 3.0])
    assert found["small"].dtype == np.float32
    np.testing.assert_array_equal(found["int"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(found["bool"], [0.0, np.nan, 1.0])
    assert found["text"].values.tolist() == ["a", "", "aaa"]
    assert found["complex"].values[2] == 3j
    assert np.isnan(found["complex"].values[1])
    assert found["list"].dims == ("x", "list_0")
    assert found["table"].dims == ("x", "t", "u")
    assert found["words"].values.tolist() == [["a", "b"], ["", ""], ["a", "bbb"]]
    assert found["nothing"].shape == (3, 2, 0)
    assert "t" in found.coords
    np.testing.assert_array_equal(found["named"].sel(t=0.2), [1.0, np.nan, 3.0])
    about = provenance(found)
    assert about["points"] == {"missing": 0, "done": 2, "failed": 1}
    (failure,) = about["failures"]
    assert failure["parameters"] == {"x": 2.0}
    assert "ValueError: x = 2.0 is not liked" in failure["message"]


def test_whole_results_keep_their_kind():
    found = run(many, {"x": [1, 3]})
    assert found["int"].dtype.kind == "i"
    assert found["bool"].dtype.kind == "b"
    assert np.isnan(found["nan"]).all()
    assert (found["point_status"] == DONE).all()


def test_axes_come_first_in_the_order_of_the_grid():
    def function(c, a, b, k):
        return {"y": (("t",), [float(f"{c}{a}{b}{k}")] * 2)}

    found = run(function, {"b": [1, 2], "k": 9, "c": [3, 4], "a": [5]})
    assert found["y"].dims == ("b", "c", "a", "t")
    assert found["y"].sel(b=2, c=3, a=5).values.tolist() == [3529.0] * 2
    assert provenance(found)["constants"] == {"k": 9}
    assert list(provenance(found)["axes"]) == ["b", "c", "a"]
    alone = run(function, {"b": 1, "k": 9, "c": 3, "a": 5})
    assert alone["y"].dims == ("t",)
    assert alone["point_status"].shape == ()
    text = run(lambda w: {"n": len(w)}, {"w": ["=1", "ab,c"]})
    assert text["n"].sel(w="ab,c") == 4


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: {"y": np.zeros(int(x))}, ["'y'", "(1,)", "(2,)", "sweep the two"]),
        (lambda x: {"y": (("a" * int(x),), [1])}, ["'y'", "'aa'", "make them equal"]),
        (lambda x: {"y": 1.0 if x > 2 else "a"}, ["'y'", "text", "one kind"]),
        (lambda x: {"y": [1.0] if x > 2 else ["a"]}, ["'y'", "text", "one kind"]),
        (lambda x: {"x": 1.0}, ["'x'", "axis", "rename"]),
        (lambda x: {"point_status": 1.0}, ["'point_status'", "rename"]),
        (lambda x: {"y": (("x",), [1.0])}, ["'y'", "dimension 'x'", "rename"]),
        (lambda x: {"y": [1, 2], "z": (("y_0",), [1])}, ["'y_0'", "length 1", "two"]),
        (lambda x: {"t": 1, "y": (("t",), [1])}, ["'t'", "rename"]),
        (lambda x: {"t": (("t",), [x])}, ["'t'", "differs between points"]),
    ],
)
def test_results_that_collide_are_named(function, words):
    with pytest.raises(StatmechError) as caught:
        run(function)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "result",
    [
        *(None, 1, [], {}, {"y": None}, {"y": object()}, {"y": [[1], [1, 2]]}),
        *({"y": {"z": 1}}, {"y": b"a"}, {"y": np.datetime64("2000-01-01")}),
        *({"y": (("t",), 1)}, {"y": (("t", "t"), [[1]])}, {"y": "a\0b"}),
        *({"y": ["\ud800"]}, {1: 1}, {"a/b": 1}, {"y": (("a/b",), [1])}),
    ],
)
def test_what_is_no_result_fails_its_point(result):
    found = run(lambda x: result if x == 1.0 else {"y": x})
    assert found["point_status"].values.tolist() == [FAILED, DONE, DONE]
    (failure,) = provenance(found)["failures"]
    assert "must be" in failure["message"]
    assert failure["message"].isprintable()


def test_provenance_is_strict_json_whatever_failed():
    """Messages of any text and length; not a number nowhere."""

    def function(x, kind):
        raise {
            "long": ValueError("x" * 10**5),
            "lone": ValueError("\ud800 \0 \n"),
            "nan": ValueError(float("nan")),
            "quote": ValueError('"}{'),
        }[kind]

    found = run(function, {"x": range(20), "kind": ["long", "lone", "nan", "quote"]})
    about = provenance(found)
    assert about["points"] == {"missing": 0, "done": 0, "failed": 80}
    assert len(about["failures"]) == 20
    assert max(len(failure["message"]) for failure in about["failures"]) <= 1000
    assert list(found.data_vars) == ["point_status"]


def test_a_measured_sweep_says_what_it_is_made_of(tmp_path):
    """Points without a result: status and nothing else; theory stays."""
    from sims.request import Request

    request = Request(
        "dense-retrieval",
        {"alpha": (0.05, 0.1), "sample": (0, 1)},
        {"n_spins": 30, "n_sweeps": 4, "n_burn_in": 1, "temperature": 0.2, "seed": 5},
        seed=5,
        title="x",
    )
    run_sweep(request, tmp_path / "run", workers=1)
    more = Request(
        request.task,
        request.axes | {"sample": (0, 1, 2)},
        request.constants,
        seed=5,
    )
    with sims.store.open(tmp_path / "run") as record:
        whole, part = record.dataset(), record.dataset(more)
    for found, missing in ((whole, 0), (part, 2)):
        about = provenance(found)
        assert about["points"] == {"missing": missing, "done": 4, "failed": 0}
        assert about["defaults"] == {"order": 2, "coincident": "exclude"}
        assert about["computed_with"][0]["statmech"]
        there = (found["point_status"] == DONE).values
        for name in ("m", "q", "energy", "acceptance"):
            values = found[name].transpose("alpha", "sample", ...).values
            assert np.isfinite(values[there]).all()
            assert np.isnan(values[~there]).all()
    assert part["point_status"].values.tolist() == [[DONE, DONE, MISSING]] * 2
    np.testing.assert_array_equal(part["m_mean"], whole["m_mean"])


def test_a_grid_with_nan_starts_nothing():
    calls = []

    def function(x, y=0.0):
        calls.append(x)
        return {"z": x}

    for bad in (float("nan"), float("inf"), np.float32("nan")):
        for grid in ({"x": [1.0, bad]}, {"x": [1.0], "y": bad}, {"x": bad}):
            with pytest.raises(ValueError, match="finite"):
                run(function, grid)
    with pytest.raises(ValueError, match="at most"):
        run(function, {"x": range(MOST_POINTS + 1)})
    assert calls == []
