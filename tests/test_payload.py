"""Results as bytes: what goes in comes out, and the same numbers are the same bytes."""

import json

import numpy as np
import pytest

from sims import payload
from statmech.errors import ParameterError, ParameterTypeError, StatmechError

ARRAYS = {
    "float64": np.linspace(-1.0, 1.0, 5),
    "float32": np.float32([1.5, -0.0, np.inf, np.nan]),
    "int8": np.int8([-128, 127]),
    "uint64": np.uint64([2**64 - 1]),
    "bool": np.array([True, False]),
    "complex": np.array([1.0 + 2.0j]),
    "text": np.array(["", "overlap", "ξ"]),
    "no_size": np.zeros((0, 3)),
    "no_dims": np.array(2.5),
    "cube": np.arange(24).reshape(2, 3, 4),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_round_trip(name):
    array = ARRAYS[name]
    dims = tuple(f"d{axis}" for axis in range(array.ndim))
    data = payload.encode({name: (dims, array), "other": 1})
    found_dims, found = payload.decode(data)[name]
    assert found_dims == dims
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert payload.encode({name: (dims, found), "other": 1}) == data


def test_names_of_dimensions_that_nobody_gave():
    found = payload.decode(payload.encode({"m": np.zeros((2, 3)), "t": "text", "n": 3}))
    assert found["m"][0] == ("m_0", "m_1")
    assert found["t"][1].item() == "text"
    assert found["n"][1].item() == 3
    assert found["n"][0] == ()


def test_layout_in_memory_does_not_matter():
    array = np.arange(12.0).reshape(3, 4)
    data = payload.encode({"a": array})
    for same in (array.astype(">f8"), np.asfortranarray(array), array[::-1][::-1]):
        assert payload.encode({"a": same}) == data
    wide = np.zeros((3, 8))
    wide[:, ::2] = array
    assert payload.encode({"a": wide[:, ::2]}) == data


@pytest.mark.parametrize(
    "result",
    [
        None,
        3.0,
        [("y", 1.0)],
        {},
        {"y": None},
        {"y": Ellipsis},
        {"y": [[1.0], [1.0, 2.0]]},
        {"y": {"nested": 1.0}},
        {"y": b"bytes"},
        {"y": np.array(["2026-01-01"], dtype="datetime64[D]")},
        {"y": (("a", "b"), np.zeros(3))},
        {"y": (("a", "a"), np.zeros((3, 3)))},
        {"y": (("a/b",), np.zeros(3))},
        {1: 1.0},
        {"": 1.0},
        {"a b": 1.0},
        {"../y": 1.0},
        {"y\n": 1.0},
    ],
    ids=repr,
)
def test_what_is_no_result_is_refused(result):
    with pytest.raises((ParameterError, ParameterTypeError)) as caught:
        payload.encode(result)
    assert isinstance(caught.value, StatmechError)


def test_forged_bytes_are_refused():
    """Never more than a ValueError, and nothing is allocated for a forged size."""
    good = payload.encode({"y": np.arange(4.0), "t": "text"})
    line, _, rest = good.partition(b"\n")
    header = json.loads(line)
    forged = [
        b"",
        b"\n",
        b"[]\nx",
        b"{}\n" + rest,
        b"[1]\n",
        b"null\n",
        line,
        good[:-1],
    ]
    forged += [good + b"x", b"[" * 5000 + b"\n", rest]
    for length in (-1, 10**15, "8", None, 1.5):
        header[0][2] = length
        forged.append(json.dumps(header).encode() + b"\n" + rest)
    shape = good.replace(b"'shape': (4,), }      ", b"'shape': (400000000,), }")
    assert len(shape) == len(good) + 2
    forged += [shape, shape.replace(b"00,), }", b",), }"), good.replace(b"<f8", b"|O8")]
    forged += [
        good.replace(b"NUMPY\x01", b"NUMPY\x02"),
        good.replace(b"<f8", b"<f\xff"),
    ]
    for data in forged:
        with pytest.raises(ValueError, match=r"."):
            payload.decode(data)


@pytest.mark.parametrize("n", [500, pytest.param(20000, marks=pytest.mark.nightly)])
def test_random_bytes_are_refused_or_harmless(n):
    seed = 7
    print("seed", seed)
    rng = np.random.default_rng(seed)
    good = np.frombuffer(payload.encode({"y": np.arange(4.0), "t": "text"}), np.uint8)
    refused = 0
    for _ in range(n):
        data = good.copy()
        places = rng.integers(0, len(data), rng.integers(1, 4))
        data[places] = rng.integers(0, 256, len(places))
        try:
            payload.decode(data.tobytes())
        except ValueError:
            refused += 1
    assert refused > n // 4
