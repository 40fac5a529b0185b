"""Files that are either whole or absent."""

from __future__ import annotations

import cmath
import csv
import io
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from statmech.errors import ParameterError, ParameterTypeError, StatmechError
from statmech.files import write_whole as write_whole

if TYPE_CHECKING:
    import xarray


FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
TABLE_SUFFIXES = (".nc", ".csv")

# A cell that begins like this is a formula to some spreadsheet; the apostrophe that is
# put before it is what says "text" there, and is doubled where it was there before.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_LONGEST_NAME = 255  # bytes, on any file system in use


def check_path(name: str, path: str | os.PathLike[str]) -> Path:
    """A path of the caller's own choice, that a file or folder can have.

    Raises
    ------
    ParameterError, ParameterTypeError
        For what is no path, is empty, has control characters, or parts of more than
        255 bytes.
    """
    allowed = "a path without control characters, its parts of at most 255 bytes"
    if not isinstance(path, (str, os.PathLike)):
        raise ParameterTypeError(name, path, allowed)
    text = os.fspath(path)
    if not isinstance(text, str):
        raise ParameterTypeError(name, path, allowed)
    try:
        longest = max((len(os.fsencode(part)) for part in Path(text).parts), default=0)
    except UnicodeEncodeError:
        longest = _LONGEST_NAME + 1
    if not text or longest > _LONGEST_NAME or _CONTROL.search(text):
        raise ParameterError(name, text, allowed)
    return Path(text)


def check_target(
    path: str | os.PathLike[str], suffixes: Sequence[str] = FIGURE_SUFFIXES
) -> Path:
    """Refuse, before anything runs, a file that could not be written in the end."""
    target = check_path("out", path)
    if target.suffix not in suffixes:
        allowed = "a file that ends in " + ", ".join(suffixes)
        raise ParameterError("out", str(path), allowed)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ParameterError(
            "out", str(path), "in a folder that can be written", str(error)
        ) from None
    if target.is_dir():
        raise ParameterError("out", str(path), "a file, not a folder")
    return target


def check_table(path: str | os.PathLike[str]) -> Path:
    """`check_target` for data."""
    return check_target(path, TABLE_SUFFIXES)


def write_table(dataset: xarray.Dataset, path: Path) -> Path:
    """netCDF or CSV, by the suffix.

    Raises
    ------
    StatmechError
        If it cannot be written; what was there before is as it was.
    """
    if path.suffix == ".nc":
        return write_netcdf(dataset, path)
    return _write(path, lambda name: _to_csv(dataset, name))


def _write(path: str | os.PathLike[str], write: Callable[[str], None]) -> Path:
    try:
        return write_whole(path, write)
    except OSError as error:
        free = shutil.disk_usage(Path(path).parent).free
        raise StatmechError(
            f"{os.fspath(path)} cannot be written: {error.strerror or error} "
            f"({free / 2**20:.1f} MiB free there)"
        ) from error


def _to_csv(dataset: xarray.Dataset, name: str) -> None:
    """One row a point: its coordinates, its status, and every result.

    Results that are arrays enter as their mean over their own dimensions, arrays of
    text not at all. Numbers have as many digits as bring back the same float64; what is
    not a number is empty.
    """
    axes = dataset["point_status"].dims
    flags = dataset["point_status"].attrs["flag_meanings"].split()
    columns = {str(axis): dataset[axis] for axis in axes}
    for key, variable in dataset.data_vars.items():
        if not set(axes) <= set(variable.dims):
            continue  # of a cell, not of a point
        own = [d for d in variable.dims if d not in axes]
        if not own:
            columns[str(key)] = variable
        elif variable.dtype.kind != "U":
            label = f"{key}_mean"
            while label in dataset:  # another result, of the user's own
                label += "_"
            columns[label] = variable.mean(own)
    table = {
        key: column.broadcast_like(dataset["point_status"]).transpose(*axes).values
        for key, column in columns.items()
    }
    table["point_status"] = np.array(flags)[table["point_status"]]
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([_cell(key) for key in table])
        for row in zip(*(values.ravel() for values in table.values()), strict=True):
            writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """A number as it is, text so that no spreadsheet runs it."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, complex):
        return "" if cmath.isnan(value) else repr(value)
    return value


def write_netcdf(dataset: xarray.Dataset, path: str | os.PathLike[str]) -> Path:
    """Store a data set as netCDF-4; errors as of `write_table`."""
    return _write(path, lambda name: _to_netcdf(dataset, name))


def _to_netcdf(dataset: xarray.Dataset, name: str) -> None:
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    # Into memory first: on a full disk HDF5 ends the process as it closes its file.
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file))
    Path(name).write_bytes(content.getbuffer())
