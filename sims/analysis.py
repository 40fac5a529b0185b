"""Estimates over disorder samples, and theory, beside the raw results of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.solve import Prediction
from sims.labelled import STATUS_MEANINGS
from sims.measurement import Measurement
from sims.request import Request
from sims.task import DONE
from statmech.stats import estimate
from statmech.status import Status

if TYPE_CHECKING:
    import xarray

_TRACE = ("draw",)
_REPLICAS = ("chain", "pair")


def annotate(
    dataset: xarray.Dataset, request: Request, task: Measurement
) -> xarray.Dataset:
    """The data set with estimates and predictions for every cell of the grid.

    A cell is a point of all axes but `sample`. For each observable x:

        x_mean, x_error   mean over the samples that are there, and its standard error
        x_reliable        whether the error can be trusted, see `statmech.stats`
        x_samples         how many samples there are
        x_theory, x_theory_error, x_theory_status    where there is a theory
        x_z               (x_mean - x_theory) / x_error
        m_escaped, m1_escaped
                          chains whose time average is below half of the prediction;
                          they are in the averages. -1 where there is no theory
    """
    if "sample" not in request.axes:
        return dataset
    cells = _cells(request)
    for name in task.observables:
        if name in dataset:
            dataset = dataset.assign(_estimates(dataset, name, cells))
    dataset = dataset.assign(_theory(dataset, request, task, cells))
    for name in ("m", "m1"):
        if f"{name}_theory" in dataset and "draw" in dataset[name].dims:
            dataset = dataset.assign(_escaped(dataset, name, cells))
    return dataset


def with_estimates(dataset: xarray.Dataset, request: Request) -> xarray.Dataset:
    """x_mean, x_error, x_reliable, x_samples of every number in a user's results.

    Only those that are single numbers or traces of chains or pairs.
    """
    if "sample" not in request.axes:
        return dataset
    traced = {*request.axes, *_TRACE, *_REPLICAS}
    names = [
        str(name)
        for name, variable in dataset.data_vars.items()
        if variable.dtype.kind in "iuf"
        and name != "point_status"
        and set(variable.dims) <= traced
    ]
    for name in names:
        dataset = dataset.assign(_estimates(dataset, name, _cells(request)))
    return dataset


def _cells(request: Request) -> tuple[str, ...]:
    return tuple(axis for axis in request.axes if axis != "sample")


def _estimates(
    dataset: xarray.Dataset, name: str, cells: tuple[str, ...]
) -> dict[str, Any]:
    """x_mean and the rest of one observable."""
    variable = dataset[name]
    own = tuple(d for d in variable.dims if d not in (*cells, "sample"))
    kept = tuple(str(d) for d in own if d not in (*_TRACE, *_REPLICAS))
    traced = tuple(d for d in own if d in (*_TRACE, *_REPLICAS))
    values = variable.transpose(*cells, *kept, "sample", *traced).values
    present = dataset["point_status"].transpose(*cells, "sample").values
    present = present == STATUS_MEANINGS.index(DONE)
    dims = (*cells, *kept)
    shape = values.shape[: len(dims)]
    columns = {
        "mean": np.full(shape, np.nan),
        "error": np.full(shape, np.nan),
        "reliable": np.zeros(shape, dtype=np.int8),
        "samples": np.zeros(shape, dtype=np.int32),
    }
    for index in np.ndindex(*shape):
        there = present[index[: len(cells)]]
        traces = [np.atleast_1d(x) for x in values[index][there]]
        if all(np.isnan(x).all() for x in traces):
            continue  # what these points do not measure
        columns["samples"][index] = len(traces)
        if len(traces) < 2:
            continue
        found = estimate(traces if "draw" in traced else [_column(x) for x in traces])
        columns["mean"][index] = found.mean
        columns["error"][index] = found.error
        columns["reliable"][index] = found.reliable
    return {f"{name}_{key}": (dims, column) for key, column in columns.items()}


def _column(chains: Any) -> Any:
    """One draw of several chains, as a trace (chain, draw)."""
    return np.asarray(chains).reshape(-1, 1)


def _theory(
    dataset: xarray.Dataset,
    request: Request,
    task: Measurement,
    cells: tuple[str, ...],
) -> dict[str, Any]:
    """Predictions at the realised parameters; nan where there is no solution."""
    one_sample = Request(
        request.task, request.axes | {"sample": (0,)}, request.constants
    )
    shape = tuple(len(request.axes[axis]) for axis in cells)
    predictions = [
        task.predict_given(task.parse(p), _results(dataset, cells, index))
        for index, p in zip(np.ndindex(*shape), one_sample.points(), strict=True)
    ]
    order = _cells(request)
    variables: dict[str, Any] = {}
    # Not every point has a theory of everything.
    nothing = Prediction.missing(Status.UNDEFINED)
    for name in dict.fromkeys(name for found in predictions for name in found):
        column = [p.get(name, nothing) for p in predictions]
        value = np.array([p.value if p.status.ok else np.nan for p in column])
        variables[f"{name}_theory"] = (order, value.reshape(shape))
        numerical = np.array([p.error if p.status.ok else np.nan for p in column])
        variables[f"{name}_theory_error"] = (order, numerical.reshape(shape))
        status = np.array([p.status.name for p in column])
        variables[f"{name}_theory_status"] = (order, status.reshape(shape))
        if f"{name}_mean" in dataset:
            spread = dataset[f"{name}_error"].where(lambda x: x > 0.0)
            away = dataset[f"{name}_mean"] - variables[f"{name}_theory"][1]
            variables[f"{name}_z"] = away / spread
    return variables


def _results(
    dataset: xarray.Dataset, cells: tuple[str, ...], index: tuple[int, ...]
) -> dict[str, Any]:
    """What the finished samples of one cell gave, {name: (sample, ...) array}."""
    place = dict(zip(cells, index, strict=True))
    cell = dataset.isel(place)
    done = cell["point_status"].values == STATUS_MEANINGS.index(DONE)
    return {
        str(name): variable.transpose("sample", ...).values[done]
        for name, variable in cell.data_vars.items()
        if "sample" in variable.dims
    }


def _escaped(
    dataset: xarray.Dataset, name: str, cells: tuple[str, ...]
) -> dict[str, Any]:
    """How many chains left the state that theory describes."""
    own = [d for d in dataset[name].dims if d not in (*cells, "draw")]
    low = dataset[name].mean("draw") < 0.5 * dataset[f"{name}_theory"]
    counts = low.sum(own).where(dataset[f"{name}_theory"].notnull(), -1)
    return {f"{name}_escaped": counts.astype(np.int32)}
