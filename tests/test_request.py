"""Grids: what is an axis, what a constant, what neither; and the points they make."""

import array
import enum
import json
from collections import deque

import numpy as np
import pandas
import pytest
import xarray

from sims.experiments import MEASUREMENTS, load_measurement
from sims.request import MOST_POINTS, Request, check_axis, scalar, split_grid
from sims.task import FunctionTask
from statmech.errors import ParameterError, ParameterTypeError

NAN, INF = float("nan"), float("inf")


class Number(enum.IntEnum):
    TWO = 2


class Word(str, enum.Enum):  # noqa: UP042 - the older form, which people have
    KEEP = "keep"


class Silent:
    def __repr__(self):
        raise RuntimeError("no words")


SCALARS = [
    (1, 1),
    (-(2**63), -(2**63)),
    (2**63 - 1, 2**63 - 1),
    (0.5, 0.5),
    (-0.0, 0.0),
    (5e-324, 5e-324),
    (1.7e308, 1.7e308),
    (True, True),
    ("text", "text"),
    ("", ""),
    ("=1\n\t'é\U0001f600", "=1\n\t'é\U0001f600"),
    (np.float64(0.1), 0.1),
    (np.float32(0.5), 0.5),
    (np.int8(-3), -3),
    (np.uint64(7), 7),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
    (np.array(3), 3),
    (np.array(0.5, dtype=">f8"), 0.5),
    (xarray.DataArray(0.25), 0.25),
    (Number.TWO, 2),
    (Word.KEEP, "keep"),
]
NOT_SCALARS = [
    *(None, 1j, b"a", bytearray(b"a"), {}, {"a": 1}, {1, 2}, object(), Silent(), int),
    *(
        NAN,
        INF,
        -INF,
        np.float32("nan"),
        2**63,
        -(2**63) - 1,
        10**5000,
        "a\0",
        "\ud800",
    ),
    *(np.datetime64("2000-01-01"), np.ma.masked, np.array(1j), np.array(None)),
    *(iter([1]), (x for x in "ab"), lambda: 1, np.uint64(2**63), np.complex64(1)),
]


def test_scalars_are_plain():
    """Exactly int, float, str or bool, whatever they came as."""
    for given, expected in SCALARS:
        axes, constants = split_grid({"x": given})
        assert axes == {}
        assert constants == {"x": expected}
        assert type(constants["x"]) is type(expected)
        assert json.loads(json.dumps(constants["x"])) == expected
    assert str(scalar("x", -0.0)) == "0.0"


def test_what_is_no_scalar_is_refused(record_property):
    for value in NOT_SCALARS:
        for grid in ({"x": value}, {"x": [value]}, {"y": 1, "x": (1, value)}):
            with pytest.raises((ParameterError, ParameterTypeError)) as caught:
                split_grid(grid)
            assert str(caught.value).startswith("x = ")
            assert str(caught.value).isprintable()
    record_property("bad_inputs", 3 * len(NOT_SCALARS))
    record_property("bad_inputs_refused", 3 * len(NOT_SCALARS))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 2], (1, 2)),
        ((2, 1), (2, 1)),
        (range(3), (0, 1, 2)),
        ([7], (7,)),
        (np.arange(2), (0, 1)),
        (np.array([0.5, 0.25], dtype=">f4")[::-1], (0.25, 0.5)),
        (np.linspace(0, 1, 3), (0.0, 0.5, 1.0)),
        ([np.float64(0.5), 1], (0.5, 1.0)),
        ([1, 2.5], (1.0, 2.5)),
        ([True, False], (True, False)),
        (["a", "b"], ("a", "b")),
        (np.array(["a", "bc"]), ("a", "bc")),
        (deque([1, 2]), (1, 2)),
        (array.array("d", [0.5]), (0.5,)),
        (pandas.Series([3, 1], index=[7, 8]), (3, 1)),
        (pandas.Series(["b", "a"]), ("b", "a")),
        (pandas.Index([0.5, 1.5]), (0.5, 1.5)),
        (pandas.array([1, 2]), (1, 2)),
        (xarray.DataArray([2, 4], dims="t"), (2, 4)),
    ],
)
def test_sequences_are_axes(given, expected):
    axes, constants = split_grid({"x": given})
    assert constants == {}
    assert axes["x"] == expected
    assert [type(value) for value in axes["x"]] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ([], "at least one"),
        ((), "at least one"),
        (range(0), "at least one"),
        (np.array([]), "at least one"),
        ([1, 1], "number 2 is an earlier"),
        ([0.0, -0.0], "number 2"),
        ([1, 2, 1.0], "number 3"),
        ([True, 1], "one kind"),
        (["1", 1], "one kind"),
        ([True, "a"], "one kind"),
        ([[1], [2]], "finite number"),
        ([[]], "finite number"),
        (np.ones((2, 2)), "one dimension"),
        (pandas.DataFrame({"a": [1]}), "one dimension"),
        (xarray.DataArray(np.ones((1, 1))), "one dimension"),
        (pandas.array([1, None]), "finite number"),
        (np.ma.masked_array([1, 2], [False, True]), "finite number"),
        (range(10**12), "at most 1000000 values"),
        (range(MOST_POINTS + 1), "at most 1000000 values"),
        ([2**53 + 1, 0.5, 2**53], "number 3"),  # float64 has only one of them
    ],
)
def test_axes_that_are_none(given, word):
    with pytest.raises((ParameterError, ParameterTypeError), match=word) as caught:
        check_axis("x", given)
    assert str(caught.value).startswith("x = ")


def test_what_is_no_grid():
    for grid in (None, [], [("x", 1)], "x", 1, {1, 2}, np.ones(3), object()):
        with pytest.raises(ParameterTypeError, match="grid = "):
            split_grid(grid)
    assert split_grid({}) == ({}, {})
    with pytest.raises(ParameterError, match="split the sweep"):
        split_grid({"x": range(1001), "y": range(1000)})
    with pytest.raises(ParameterError, match="split the sweep"):
        split_grid(dict.fromkeys("abcdefghijklmnop", range(1000)))


def test_points_vary_the_last_axis_fastest():
    axes, constants = split_grid({"b": [1, 2], "c": 0.5, "a": ["x", "y", "z"]})
    request = Request("m:f", axes, constants)
    assert request.shape == (2, 3)
    points = request.points()
    assert [(p["b"], p["a"]) for p in points] == [
        (b, a) for b in (1, 2) for a in ("x", "y", "z")
    ]
    assert all(p["c"] == 0.5 for p in points)
    assert Request("m:f", {}, {"c": 1}).points() == [{"c": 1}]
    assert Request.from_json(request.to_json()) == request


def f(x, y, seed=0):
    return {"z": x + y}


def test_keys_do_not_depend_on_the_grid_around():
    """Nor on its order, nor on how its numbers are written."""
    task = FunctionTask(f, 3, ("x", "y"))

    def keys(grid):
        axes, constants = split_grid(grid)
        points = Request("f", axes, constants).points()
        return {(p["x"], p["y"]): task.job(p).key for p in points}

    small = keys({"x": [0.5, 1], "y": 2})
    for grid in (
        {"y": 2, "x": [1.0, 0.5]},
        {"y": [2, 3], "x": np.array([0.25, 0.5, 1.0])},
        {"x": [1, 0.5, -0.0], "y": range(1, 4)},
    ):
        more = keys(grid)
        assert all(more[point] == key for point, key in small.items())
        assert len(set(more.values())) == len(more)


def test_keys_of_a_measurement_know_its_defaults():
    """A default that is given, an integer for a real: the same point."""
    task = load_measurement("dense-retrieval")
    plain = task.job({"alpha": 1.0, "n_spins": 40, "temperature": 0.0})
    same = task.job({"temperature": -0.0, "order": 2, "alpha": 1, "n_spins": 40})
    assert (same.key, same.path) == (plain.key, plain.path)
    assert same.parameters == plain.parameters
    other = task.job({"alpha": 1.0, "n_spins": 40, "temperature": 0.0, "n_sweeps": 299})
    assert other.key != plain.key
    assert other.path[0] != plain.path[0]
    seeded = task.job({"alpha": 1.0, "n_spins": 40, "temperature": 0.0, "seed": 1})
    assert seeded.key != plain.key
    assert seeded.path == plain.path


GOOD_POINT = {
    "alpha": 0.1,
    "n_spins": 21,
    "step": 1.0,
    "temperature": 0.1,
    "highest": 1.0,
    "cue_overlap": 0.5,
    "n_patterns": 2,
    "dilution": 0.3,
    "quality": 0.5,
    "n_examples": 3,
    "alpha1": 0.5,
    "alpha2": 0.5,
    "alignment": 0.5,
    "beta": 0.5,
    "coupling": 0.5,
    "largest": 0.5,
}
NEEDED = {
    "continual-epochs": ("alpha1", "alpha2", "n_spins"),
    "continual-single": ("alpha", "n_spins"),
    "continual-tasks": ("alpha1", "alpha2", "n_spins"),
    "dbm-errors": ("beta", "n_spins"),
    "dbm-iterations": ("alignment", "n_spins"),
    "dbm-magnetisation": ("coupling", "n_spins"),
    "dbm-solutions": ("largest", "n_spins"),
    "dense-retrieval": ("alpha", "n_spins", "temperature"),
    "dense-basin": ("alpha", "n_spins", "temperature", "cue_overlap"),
    "dense-hysteresis": ("alpha", "n_spins", "highest"),
    "dense-learning": ("alpha", "n_spins", "temperature", "n_examples", "quality"),
    "dense-min-examples": ("alpha", "n_spins", "temperature", "quality"),
    "dense-ultra-storage": ("alpha", "n_spins", "temperature"),
    "multitask-losses": ("dilution", "n_patterns", "n_spins", "temperature"),
    "multitask-min-examples": ("dilution", "n_patterns", "n_spins", "quality"),
    "multitask-states": ("dilution", "n_patterns", "n_spins", "temperature"),
    "perceptron-census": ("alpha", "n_spins"),
    "perceptron-evolution": ("alpha", "n_spins"),
    "perceptron-potential": ("alpha", "n_spins"),
    "perceptron-separation": ("alpha", "n_spins", "step"),
    "perceptron-students": ("alpha", "n_spins"),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurements_name_what_they_cannot_take(name):
    task = load_measurement(name)
    good = {key: GOOD_POINT[key] for key in NEEDED[name]}
    first = next(iter(good))
    assert task.parse(good).n_spins == 21
    for key in good:
        with pytest.raises(ParameterError, match=f"^{key} = None: .* no default"):
            task.parse({k: v for k, v in good.items() if k != key})
        with pytest.raises(ParameterTypeError, match=f"^{key} = "):
            task.parse(good | {key: "much"})
    with pytest.raises(ParameterError, match=f"^{first}x = 0.1: .*mean '{first}'"):
        task.parse(good | {f"{first}x": 0.1})
    for unknown in ("path", "family", "checks", "__class__", ""):
        with pytest.raises(ParameterError, match=f"a parameter of {name}"):
            task.parse(good | {unknown: 1})
