"""Files that are either whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from statmech.errors import ParameterError

if TYPE_CHECKING:
    import xarray


FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def check_target(path: str | os.PathLike[str]) -> Path:
    """Refuse, before anything runs, a figure that could not be written in the end."""
    target = Path(path)
    if target.suffix not in FIGURE_SUFFIXES:
        allowed = "a file that ends in " + ", ".join(FIGURE_SUFFIXES)
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


def write_whole(path: str | os.PathLike[str], write: Callable[[str], None]) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in its place.

    The folder is made if it is missing. A process killed meanwhile leaves the old
    file as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    try:
        write(name)
        with open(name, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def write_netcdf(dataset: xarray.Dataset, path: str | os.PathLike[str]) -> Path:
    """Store a data set as netCDF-4."""
    return write_whole(path, lambda name: _to_netcdf(dataset, name))


def _to_netcdf(dataset: xarray.Dataset, name: str) -> None:
    dataset.to_netcdf(name, engine="h5netcdf")
