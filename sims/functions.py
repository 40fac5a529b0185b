"""Sweeps of a user's own function."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sims import store as stores
from sims.pool import SerialExecutor, SpawnPool
from sims.request import Request, split_grid
from sims.runner import complete
from sims.task import FunctionTask
from statmech.errors import ParameterTypeError, check_integer

if TYPE_CHECKING:
    import xarray


def run(
    function: Callable[..., Mapping[str, Any]],
    grid: Mapping[str, Any],
    *,
    executor: Executor | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
) -> xarray.Dataset:
    """Call a function at every point of a grid and label what it returns.

    Parameters
    ----------
    function : callable
        Of keywords; returns {name: number, text, array or (dims, array)}. It should be
        a pure function of its keywords. If it has a parameter `seed` that the grid does
        not give, each point gets an integer of its own, a function of `seed` and of
        the point alone.
    grid : dict
        {parameter: sequence of values} for the axes, {parameter: scalar} for
        constants. An axis "sample" = range(n) with a function that takes `seed` makes
        n independent samples.
    executor : concurrent.futures.Executor, optional
        Where points are computed. Default: a pool of spawned processes, one thread
        each, as many as cores; this process, if others cannot import the function
        (a lambda, a cell of a notebook). `sims.pool` has more.
    out : path, optional
        A folder for the record (see `sims.store`). A sweep that was stopped goes on
        from it; points that are there are not computed again, whatever grid they
        were part of.
    seed : int

    Returns
    -------
    xarray.Dataset
        One dimension an axis, then those of the arrays. Points that failed are nan,
        `point_status` tells which, and `provenance` (JSON, in attrs) why.

    Raises
    ------
    ParameterError, ParameterTypeError
        Before anything runs: a grid that does not fit the function, values that are
        not scalars.
    StoreError
        If `out` is damaged, in use, or holds something else.

    Examples
    --------
    >>> import sims
    >>> def square(x, power):
    ...     return {"y": x**power}
    >>> result = sims.run(square, {"x": [1.0, 2.0, 3.0], "power": 2},
    ...                   executor=sims.pool.SerialExecutor())
    >>> result["y"].values
    array([1., 4., 9.])
    """
    axes, constants = split_grid(grid)
    seed = check_integer("seed", seed, 0, 2**63 - 1)
    task = FunctionTask(function, seed, (*axes, *constants))
    if executor is not None and not isinstance(executor, Executor):
        raise ParameterTypeError(
            "executor", executor, "a concurrent.futures.Executor, or None"
        )
    request = Request(
        task.name,
        axes,
        constants,
        seed=seed,
        source=task.source,
        seeded=task.seeded,
    )
    jobs = [task.job(point) for point in request.points()]
    own = SpawnPool if task.importable else SerialExecutor
    with stores.create(out) if out is not None else stores.memory() as store:
        store.add_request(request)
        with own() if executor is None else nullcontext(executor) as place:
            label = task.name.partition(":")[2] if sys.stderr.isatty() else ""
            complete(task, jobs, store, place, progress=label)
        return store.dataset(request, task)
