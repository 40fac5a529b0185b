"""What is computed at a point: a measurement of an experiment, or a user's function."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import statmech
from sims.experiment import stable_hash
from sims.request import Job, Request
from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    StatmechError,
    nearest,
)

if TYPE_CHECKING:
    import xarray

DONE, FAILED = "done", "failed"


class Task(ABC):
    """A pure function of a job; instances travel to worker processes."""

    name: str
    source: str = ""

    @abstractmethod
    def job(self, parameters: Mapping[str, Any]) -> Job:
        """The checked point of these parameters, defaults written back."""

    @abstractmethod
    def compute(self, job: Job) -> Mapping[str, Any]:
        """{name: number, array or (dims, array)}."""

    def warm(self) -> None:  # noqa: B027
        """Compile what will be needed, once, before workers start."""

    def annotate(self, dataset: xarray.Dataset, request: Request) -> xarray.Dataset:
        """The data set of a sweep with what follows from it."""
        return dataset


@dataclass(frozen=True)
class Outcome:
    """What came of one point.

    Attributes
    ----------
    status : "done" or "failed"
    payload : bytes
    message : str
        Why it failed.
    seconds : float
    environment : str
        JSON: versions and machine.
    """

    status: str
    payload: bytes
    message: str
    seconds: float
    environment: str


def identity(kind: str, name: str, content: Mapping[str, Any]) -> str:
    """Canonical JSON of what a result is a function of."""
    return json.dumps(
        {kind: name, **content, "physics_version": statmech.PHYSICS_VERSION},
        allow_nan=False,
        sort_keys=True,
    )


class StoredFunction(Task):
    """A user's function as a record knows it: its points, not its code."""

    def __init__(self, name: str, seed: int, seeded: bool) -> None:
        self.name = name
        self.seed = seed
        self.seeded = seeded

    def job(self, parameters: Mapping[str, Any]) -> Job:
        content: dict[str, Any] = {"parameters": dict(parameters)}
        path: tuple[int, ...] = ()
        if self.seeded:
            content["seed"] = self.seed
            path = (stable_hash(self.name, tuple(sorted(parameters.items()))),)
        return Job(
            parameters=dict(parameters),
            identity=identity("function", self.name, content),
            path=path,
        )

    def annotate(self, dataset: xarray.Dataset, request: Request) -> xarray.Dataset:
        from sims.analysis import with_estimates

        return with_estimates(dataset, request)

    def compute(self, job: Job) -> Mapping[str, Any]:
        raise StatmechError(
            f"{self.name} is your own function: only `sims.run` can call it"
        )


class FunctionTask(StoredFunction):
    """A function of keywords that returns a dict.

    Parameters
    ----------
    function : callable
    seed : int
        If the function has a parameter `seed` that the grid does not give, each point
        gets its own seed, a function of this one and of the point.
    names : sequence of str
        Parameters that the grid gives.
    """

    def __init__(
        self, function: Callable[..., Any], seed: int, names: Sequence[str]
    ) -> None:
        if not callable(function):
            raise ParameterTypeError("function", function, "a function of keywords")
        self.function = function
        self.source = _source_digest(function)
        name = _full_name(function)
        seeded, self._passed = _check_signature(function, tuple(names))
        super().__init__(name, seed, seeded)

    def compute(self, job: Job) -> Mapping[str, Any]:
        given = {name: job.parameters[name] for name in self._passed}
        if self.seeded:
            from statmech.rng import seed_sequence

            words = seed_sequence(self.seed, job.path).generate_state(1, np.uint64)
            given["seed"] = int(words[0]) >> 1
        result: Mapping[str, Any] = self.function(**given)
        return result

    @property
    def importable(self) -> bool:
        """Whether another process can find the function by its name."""
        module = sys.modules.get(self.function.__module__)
        if module is None or "<" in self.function.__qualname__:
            return False
        if self.function.__module__ == "__main__":
            # A script is run again by the workers; a console has nothing to run.
            return hasattr(module, "__file__") and not hasattr(sys, "ps1")
        return True


def _full_name(function: Callable[..., Any]) -> str:
    if isinstance(function, functools.partial):
        raise ParameterTypeError(
            "function",
            function,
            "a plain function",
            "give the fixed arguments as scalars in the grid",
        )
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if module is None or name is None:
        raise ParameterTypeError("function", function, "a function with a name")
    if module == "__main__":
        # The same function when its script is imported instead of run.
        main = sys.modules[module]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        if spec is not None:
            module = spec.name
        elif file is not None:
            module = Path(file).stem
    return f"{module}:{name}"


def _source_digest(function: Callable[..., Any]) -> str:
    """Of the syntax tree, so that comments and layout may change; '' if unknown."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return ""
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _check_signature(
    function: Callable[..., Any], names: tuple[str, ...]
) -> tuple[bool, tuple[str, ...]]:
    """(whether it wants a seed, which names of the grid it is given).

    Refuses a grid that the function cannot take. `sample` may be an axis of a function
    that takes only a seed: it then tells seeds apart and nothing else.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False, names
    by_keyword = (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    takes = [name for name, p in parameters.items() if p.kind in by_keyword]
    seeded = "seed" in takes and "seed" not in names
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    passed = []
    for name in names:
        if name in takes or anything:
            passed.append(name)
        elif not (name == "sample" and seeded):
            allowed = "a parameter of the function: " + ", ".join(takes)
            raise ParameterError("grid", name, allowed, nearest(name, takes))
    for name in takes:
        needed = parameters[name].default is inspect.Parameter.empty
        if needed and name not in (*names, "seed"):
            raise ParameterError(
                "grid",
                list(names),
                "given for every parameter without a default",
                f"{name!r} is missing",
            )
    return seeded, tuple(passed)


def load_task(request: Request) -> Task:
    """The task of a request, as far as a record knows it; imports no user's code."""
    if ":" in request.task:
        return StoredFunction(request.task, request.seed, request.seeded)
    from sims.experiments import load_measurement

    task: Task = load_measurement(request.task)
    return task
