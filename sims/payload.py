"""Results of one point as bytes: labelled arrays, no code in them.

One line of strict JSON, [[name, [dims], length], ...], then the arrays in the .npy
format one after the other. The bytes are a function of the numbers alone. On reading,
every length and shape is checked against the bytes that are there before anything is
allocated, so that a forged header costs nothing.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterError, ParameterTypeError, check_name

Labelled = tuple[tuple[str, ...], NDArray[Any]]

_KINDS = "biufcU"
_NOT_TEXT = "[\0\ud800-\udfff]"  # netCDF cannot give it back
_ALLOWED = "numbers, text, or (dims, array) with an array of numbers"


def encode(result: Mapping[str, Any]) -> bytes:
    """Bytes of {name: number, text, array or (dims, array)}.

    Dimensions without a name are called <name>_0, <name>_1, ...

    Raises
    ------
    ParameterError, ParameterTypeError
        If the result is not such a mapping, is empty, or a name cannot be one of a
        variable.
    """
    if not isinstance(result, Mapping):
        raise ParameterTypeError("result", result, "a dict {name: number or array}")
    if not result:
        raise ParameterError("result", result, "a dict with at least one entry")
    header, bodies = [], []
    for name, value in result.items():
        check_name("result", name)
        dims, array = _labelled(name, value)
        body = io.BytesIO()
        np.lib.format.write_array(body, array, version=(1, 0), allow_pickle=False)
        header.append([name, list(dims), body.tell()])
        bodies.append(body.getvalue())
    line = json.dumps(header, separators=(",", ":"), allow_nan=False)
    return line.encode() + b"\n" + b"".join(bodies)


def _labelled(name: str, value: Any) -> Labelled:
    dims: tuple[str, ...] | None = None
    if isinstance(value, tuple) and len(value) == 2 and _are_dims(*value):
        named, value = value
        dims = (named,) if isinstance(named, str) else tuple(named)
        for dim in dims:
            check_name("dims", dim)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # ragged
        raise ParameterTypeError(name, value, _ALLOWED) from None
    if array.dtype.kind not in _KINDS:
        raise ParameterTypeError(name, value, _ALLOWED)
    if array.dtype.kind == "U" and re.search(_NOT_TEXT, "".join(array.flat)):
        raise ParameterError(name, value, "text without NUL and lone surrogates")
    if dims is None:
        dims = tuple(f"{name}_{axis}" for axis in range(array.ndim))
    if len(dims) != array.ndim:
        raise ParameterError(
            name, array, f"an array with the {len(dims)} dimensions {dims}"
        )
    if len(set(dims)) != len(dims):
        raise ParameterError(name, dims, "given dimensions with different names")
    # One byte order, one memory order: the same numbers are the same bytes.
    array = np.ascontiguousarray(array).reshape(array.shape)
    return dims, array.astype(array.dtype.newbyteorder("<"), copy=False)


def _are_dims(value: Any, array: Any) -> bool:
    """Whether a pair is (dims, array): one name or several, but not two texts."""
    if isinstance(value, str):
        return not isinstance(array, str)
    return isinstance(value, (tuple, list)) and all(isinstance(d, str) for d in value)


def decode(payload: bytes) -> dict[str, Labelled]:
    """{name: (dims, array)} of what `encode` wrote.

    Raises
    ------
    ValueError
        If the bytes are anything else.
    """
    line, newline, rest = payload.partition(b"\n")
    if not newline:
        raise ValueError("no header line")
    result: dict[str, Labelled] = {}
    start = 0
    try:
        for name, dims, length in json.loads(line):
            result[name] = (tuple(dims), _array(rest[start : start + length], length))
            start += length
    except ValueError:
        raise
    except Exception as error:  # what the parsers of the two headers raise
        raise ValueError(f"the header is malformed: {error}") from None
    if start != len(rest):
        raise ValueError(f"{len(rest)} bytes of arrays, {start} announced")
    return result


def _array(body: bytes, length: int) -> NDArray[Any]:
    if len(body) != length:
        raise ValueError("an array is cut short")
    file = io.BytesIO(body)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not the .npy format, version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in _KINDS or fortran:
        raise ValueError(f"an array of dtype {dtype} cannot have been written here")
    data = body[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"shape {shape} does not fit {len(data)} bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape)
