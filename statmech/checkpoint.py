"""A run of `sample` as one file, from which `statmech.extend` goes on.

The file is a line of strict JSON, the header, and the arrays as `.npy` one after the
other. The last entry of the header is the SHA-256 of everything else in the file:

    {"format": "statmech checkpoint", ..., "sha256": "<64 hexadecimal digits>"}

It is checked before anything is interpreted, so that no damage is ever read as
numbers. It is no signature: it tells damage, not malice; but no code is in the file,
and what a made-up header claims is checked against the size of the file before
memory is taken.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from statmech import PHYSICS_VERSION, __version__
from statmech.errors import (
    CheckpointError,
    ParameterError,
    ParameterTypeError,
    check_integer,
    check_levels,
)
from statmech.files import NO_FOLLOW, write_whole
from statmech.trace import State, Trace

FORMAT_VERSION = 1
LONGEST_HEADER = 2**20

_START = b'{"format": "statmech checkpoint", '
_SEAL = re.compile(rb', "sha256": "([0-9a-f]{64})"}\n')
_SEAL_LENGTH = len(', "sha256": ""}\n') + 64
_BLOCK = 2**20
_CLOCK_END = 2**62  # above are the words of other purposes, see `statmech.rng`

# All a trace and its state are made of, in the order of the file.
_DTYPES = {
    "overlaps": "<f8",
    "energy": "<f8",
    "q": "<f8",
    "acceptance": "<f8",
    "temperature": "<f8",
    "tracked": "<i8",
    "spins": "|i1",
    "keys": "<u8",
}
# Of networks from examples there is one more, at the end.
_ALL_DTYPES = _DTYPES | {"example_overlaps": "<f8"}

_START_AGAIN = "take an older checkpoint, or start the run again from its seed"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    trace : Trace
        As it was saved, draws and state, bit for bit.
    path : Path
    version : str
        Of the package that wrote the file.
    """

    trace: Trace
    path: Path
    version: str = field(repr=False)


def save(path: str | os.PathLike[str], trace: Trace) -> Path:
    """Write the draws of a run and the state of its chains.

    The file appears whole or not at all: whatever happens meanwhile, an older one
    under the same name is kept. A symbolic link is replaced, not followed.

    Parameters
    ----------
    path : path
        Missing folders are made.
    trace : Trace
        Of `sample` or `extend`.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError, ParameterTypeError
        If `trace` keeps no state (annealing, tempering).
    CheckpointError
        If the file cannot be written.

    Examples
    --------
    >>> import statmech, tempfile
    >>> network = statmech.HebbianNetwork(statmech.patterns.rademacher(5, 200, seed=1))
    >>> trace = statmech.sample(network, 0.2, n_sweeps=50, seed=7)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = statmech.checkpoint.save(f"{folder}/run.checkpoint", trace)
    ...     again = statmech.checkpoint.load(file)
    >>> statmech.extend(network, again, n_sweeps=50).m.shape
    (2, 50)
    """
    target = _check_path(path)
    if not isinstance(trace, Trace):
        raise ParameterTypeError("trace", trace, "a Trace of `sample` or `extend`")
    if trace.state is None:
        allowed = "a Trace of `sample` or `extend`, which keep the state of the chains"
        raise ParameterError("trace", "a trace without state", allowed)
    parts = list(_parts(trace, trace.state))
    unsealed = _header(target, trace, trace.state)
    digest = hashlib.sha256(unsealed)
    for part in parts:
        digest.update(part)
    seal = f', "sha256": "{digest.hexdigest()}"}}\n'.encode("ascii")

    def write(name: str) -> None:
        with open(name, "wb", opener=_open_no_link) as file:
            for part in (unsealed, seal, *parts):
                file.write(part)

    try:
        return write_whole(target, write)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        remedy = "give another name or folder, or make room"
        raise CheckpointError(target, f"not written: {error}", remedy) from error


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read what `save` wrote, or refuse it.

    Raises
    ------
    CheckpointError
        If there is no such file, if it is not a checkpoint, if one bit of it is not
        as it was written, or if the numbers of this version of the package are not
        those of the version that wrote it.
    """
    source = _check_path(path)
    try:
        with open(source, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CheckpointError(source, "not a file", "name a checkpoint")
            unsealed = _verify(source, file)
            return _read(source, unsealed, file)
    except (OSError, MemoryError) as error:
        problem = f"cannot be read: {error}"
        raise CheckpointError(source, problem, "check name and memory") from error
    except _MADE_UP as error:
        problem = f"not what `save` writes: {error}"
        raise CheckpointError(source, problem, _START_AGAIN) from error


# What a sealed header that `save` did not write can lead to; also a NUL in the name.
_MADE_UP = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def _open_at_once(name: str, flags: int) -> int:
    # A pipe must not make `load` wait for somebody to write.
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _open_no_link(name: str, flags: int) -> int:
    return os.open(name, flags | NO_FOLLOW)


def _check_path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise ParameterTypeError("path", path, "the name of a file")
    return Path(path)


# Writing --------------------------------------------------------------------------


def _arrays(trace: Trace, state: State) -> dict[str, NDArray[Any]]:
    """All arrays under their names, contiguous and little-endian."""
    whole = {**vars(trace), "spins": state.spins, "keys": state.keys}
    return {
        name: np.ascontiguousarray(whole[name], dtype=dtype)
        for name, dtype in _ALL_DTYPES.items()
        if whole[name] is not None
    }


def _parts(trace: Trace, state: State) -> Iterator[Any]:
    """What follows the header: bytes and, without a copy, arrays of bytes."""
    for array in _arrays(trace, state).values():
        head = io.BytesIO()
        described = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(head, described)
        yield head.getvalue()
        yield array.reshape(-1).view(np.uint8).data


def _header(target: Path, trace: Trace, state: State) -> bytes:
    """The line of JSON up to the seal."""
    header = {
        "format": "statmech checkpoint",
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "physics_version": PHYSICS_VERSION,
        "model": state.model,
        "clock": state.clock,
        "target": trace.target,
        "settings": {name: _plain(value) for name, value in trace.settings.items()},
        "arrays": [
            {"name": name, "dtype": array.dtype.str, "shape": array.shape}
            for name, array in _arrays(trace, state).items()
        ],
    }
    line = json.dumps(header, allow_nan=False).encode("ascii")
    if len(line) + _SEAL_LENGTH > LONGEST_HEADER:
        problem = f"not written: its settings take more than {LONGEST_HEADER} bytes"
        raise CheckpointError(target, problem, "use a shorter seed path")
    return line.removesuffix(b"}")


def _plain(value: Any) -> Any:
    """A setting as strict JSON; what JSON has no number for is written as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return {"int": hex(value)}
    return value


# Reading --------------------------------------------------------------------------


def _verify(source: Path, file: io.BufferedReader) -> bytes:
    """Check every byte; return the header, and leave the file at the first array."""
    line = file.readline(LONGEST_HEADER)
    if not line.startswith(_START):
        problem = "not a checkpoint, or damaged at its beginning"
        raise CheckpointError(source, problem, f"check the name, or {_START_AGAIN}")
    unsealed, seal = line[:-_SEAL_LENGTH], _SEAL.fullmatch(line[-_SEAL_LENGTH:])
    if seal is None:
        raise CheckpointError(source, "its header is damaged", _START_AGAIN)
    digest = hashlib.sha256(unsealed)
    while block := file.read(_BLOCK):
        digest.update(block)
    if digest.hexdigest().encode("ascii") != seal[1]:
        problem = "damaged: its content does not have the SHA-256 it was written with"
        raise CheckpointError(source, problem, _START_AGAIN)
    file.seek(len(line))
    return unsealed


def _read(source: Path, unsealed: bytes, file: io.BufferedReader) -> Checkpoint:
    header = json.loads(
        unsealed + b"}", parse_constant=_refuse, object_pairs_hook=_no_twice
    )
    form, physics = header["format_version"], header["physics_version"]
    writer = str(header["version"])
    if form != FORMAT_VERSION:
        problem = f"of format {form}, this version reads format {FORMAT_VERSION}"
        raise CheckpointError(source, problem, f"use statmech {writer}, which wrote it")
    if physics != PHYSICS_VERSION:
        problem = (
            f"of physics version {physics}, this is {PHYSICS_VERSION}: the same seed "
            "gives other numbers, and the run cannot go on as if it had not stopped"
        )
        remedy = f"go on with statmech {writer}, or start the run again from its seed"
        raise CheckpointError(source, problem, remedy)
    arrays = {}
    for described in header["arrays"]:
        arrays[described["name"]] = _read_array(described, file)
    if file.read(1):
        raise ValueError("more bytes than arrays")
    if list(arrays) not in (list(_DTYPES), list(_ALL_DTYPES)):
        raise ValueError(f"arrays {list(arrays)}")
    trace = _trace(header, arrays)
    return Checkpoint(trace=trace, path=source, version=writer)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def _read_array(described: dict[str, Any], file: io.BufferedReader) -> NDArray[Any]:
    """The next array, if it is what the header says and the file can hold."""
    name = described["name"]
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is not .npy 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    told = (tuple(described["shape"]), described["dtype"])
    if fortran or (shape, dtype.str) != told or dtype.str != _ALL_DTYPES[name]:
        raise ValueError(f"{name} is {dtype} {shape}, not {told}")
    left = os.fstat(file.fileno()).st_size - file.tell()
    if math.prod(shape) * dtype.itemsize > left:
        raise ValueError(f"{name} is longer than the file")
    array = np.empty(shape, dtype=dtype)
    if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise ValueError(f"{name} is cut short")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _trace(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Trace:
    """Put it together; what does not fit together is a ValueError."""
    chains, draws, n_tracked = arrays["overlaps"].shape
    n_spins = arrays["spins"].shape[1]
    shapes = {
        "energy": (chains, draws),
        "q": (chains // 2, draws),
        "acceptance": (chains, draws),
        "temperature": (draws,),
        "tracked": (n_tracked,),
        "spins": (chains, n_spins),
        "keys": (chains, 2),
        "example_overlaps": (chains, draws, n_tracked),
    }
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
    spins = check_levels("spins", arrays["spins"], (chains, n_spins))
    clock = check_integer("clock", header["clock"], 0, _CLOCK_END)
    tracked = tuple(arrays["tracked"].tolist())
    if clock % n_spins or tracked[0] != header["target"]:
        raise ValueError("clock or target do not fit")
    keys = arrays["keys"]
    final = spins.copy()
    for array in (spins, keys):
        array.setflags(write=False)
    return Trace(
        m=np.ascontiguousarray(arrays["overlaps"][:, :, 0]),
        energy=arrays["energy"],
        q=arrays["q"],
        acceptance=arrays["acceptance"],
        overlaps=arrays["overlaps"],
        spins=final,
        temperature=arrays["temperature"],
        target=tracked[0],
        tracked=tracked,
        settings={name: _setting(value) for name, value in header["settings"].items()},
        state=State(spins, keys, clock, str(header["model"])),
        example_overlaps=arrays.get("example_overlaps"),
    )


def _setting(value: Any) -> Any:
    """What `_plain` was given."""
    if isinstance(value, list):
        return tuple(_setting(item) for item in value)
    if isinstance(value, dict):
        return float(value["float"]) if "float" in value else int(value["int"], 16)
    return value
