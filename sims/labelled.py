"""A record as a labelled data set, with everything that it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sims.payload import Labelled
from sims.task import DONE, FAILED, Task
from statmech.errors import StatmechError

if TYPE_CHECKING:
    import xarray

    from sims.request import Request
    from sims.store import Store

STATUS_MEANINGS = ("missing", DONE, FAILED)
_MOST_MESSAGES = 20
_LONGEST_MESSAGE = 1000


def dataset(store: Store, request: Request, task: Task) -> xarray.Dataset:
    """All points of a request: axes first, then the dimensions of each result.

    Where a point is missing or failed, floats are nan, text is empty; integers and
    booleans become floats if any point lacks them. `point_status` says which. A result
    that has one dimension, of its own name, is the coordinate of that dimension.

    Raises
    ------
    StatmechError
        If two points gave a result different dimensions, lengths or kinds, or names
        of results, dimensions and axes collide.
    """
    import xarray

    jobs = [task.job(point) for point in request.points()]
    shape = request.shape
    status = np.zeros(len(jobs), dtype=np.int8)
    columns: dict[str, _Column] = {}
    failures: list[dict[str, Any]] = []
    seconds = 0.0
    environments: dict[str, None] = {}
    for number, job in enumerate(jobs):
        record = store.get(job.key)
        if record is None:
            continue
        status[number] = STATUS_MEANINGS.index(record.status)
        seconds += record.seconds
        environments[record.environment] = None
        if record.status == FAILED:
            message = record.message[:_LONGEST_MESSAGE]
            failures.append({"parameters": job.parameters, "message": message})
            continue
        for name, labelled in record.arrays().items():
            column = columns.setdefault(name, _Column(name, labelled, len(jobs)))
            column.put(number, labelled, job.parameters)
    axes = tuple(request.axes)
    data: dict[str, Any] = {
        "point_status": (
            axes,
            status.reshape(shape),
            {
                "long_name": "what became of each point",
                "flag_values": np.arange(3, dtype=np.int8),
                "flag_meanings": " ".join(STATUS_MEANINGS),
            },
        )
    }
    _check_names(axes, columns)
    coords: dict[str, Any] = {n: (n, list(v)) for n, v in request.axes.items()}
    for name, column in columns.items():
        if column.dims == (name,):
            coords[name] = (name, column.common())
        else:
            data[name] = ((*axes, *column.dims), column.values(shape))
    provenance = {
        "task": request.task,
        "title": request.title,
        "figure": request.figure,
        "constants": request.constants,
        "axes": {name: list(values) for name, values in request.axes.items()},
        "defaults": _defaults(jobs[0].parameters, request),
        "seed": request.seed,
        "source": request.source,
        "fingerprint": store.fingerprint(),
        "points": {
            name: int((status == value).sum())
            for value, name in enumerate(STATUS_MEANINGS)
        },
        "failures": failures[:_MOST_MESSAGES],
        "seconds": round(seconds, 3),
        "computed_with": [json.loads(content) for content in environments],
    }
    result = xarray.Dataset(
        data,
        coords=coords,
        attrs={"provenance": json.dumps(provenance, allow_nan=False)},
    )
    return task.annotate(result, request)


def _defaults(parameters: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Parameters that nobody gave."""
    given = {*request.axes, *request.constants}
    return {name: v for name, v in parameters.items() if name not in given}


def _check_names(axes: tuple[str, ...], columns: Mapping[str, _Column]) -> None:
    """Refuse what could not be told apart in one data set."""
    lengths: dict[str, tuple[int, str]] = {}
    for name, column in columns.items():
        if name in axes or name == "point_status":
            raise StatmechError(
                f"a result is called {name!r}, as an axis is; rename it"
            )
        for dim, length in zip(column.dims, column.lengths, strict=True):
            if dim in axes:
                raise StatmechError(
                    f"{name!r} has a dimension {dim!r}, as an axis is called; rename it"
                )
            known, other = lengths.setdefault(dim, (length, name))
            if known != length:
                raise StatmechError(
                    f"the dimension {dim!r} has length {length} in {name!r} and "
                    f"{known} in {other!r}; give it two names"
                )
    for name in columns:
        if name in lengths and columns[name].dims != (name,):
            raise StatmechError(
                f"a result is called {name!r}, as a dimension of {lengths[name][1]!r} "
                "is, and is no coordinate of it; rename it"
            )


class _Column:
    """One result at all points."""

    def __init__(self, name: str, first: Labelled, n_points: int) -> None:
        self.name = name
        self.dims, array = first
        self.lengths = array.shape
        self._parts: list[NDArray[Any] | None] = [None] * n_points
        self._dtype = array.dtype

    def put(self, number: int, labelled: Labelled, parameters: Any) -> None:
        dims, array = labelled
        if dims != self.dims or array.shape != self.lengths:
            raise StatmechError(
                f"{self.name!r} has dimensions {dims} of lengths {array.shape} at "
                f"{parameters}, {self.dims} of lengths {self.lengths} elsewhere; make "
                "them equal, or sweep the two apart"
            )
        if (array.dtype.kind == "U") != (self._dtype.kind == "U"):
            raise StatmechError(
                f"{self.name!r} is text at some points and a number at others, one of "
                f"them {parameters}; make it one kind"
            )
        self._dtype = np.result_type(self._dtype, array.dtype)
        self._parts[number] = array

    def values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """One array of all points, missing ones filled."""
        missing = any(part is None for part in self._parts)
        dtype = self._dtype
        if missing and dtype.kind in "biu":
            dtype = np.dtype(np.float64)
        empty: Any = "" if dtype.kind == "U" else np.nan if missing else 0
        result = np.full((len(self._parts), *self.lengths), empty, dtype=dtype)
        for number, part in enumerate(self._parts):
            if part is not None:
                result[number] = part
        return result.reshape((*shape, *self.lengths))

    def common(self) -> NDArray[Any]:
        """What all points have, of a coordinate."""
        parts = [part for part in self._parts if part is not None]
        if any(part.tobytes() != parts[0].tobytes() for part in parts):
            raise StatmechError(
                f"{self.name!r} is the coordinate of a dimension, and differs between "
                "points; give the result another name than the dimension"
            )
        return parts[0]
