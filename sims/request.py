"""What is asked for: axes, constants and a seed, and the points they stand for.

A point is a pure function of its identity: what is computed, its parameters, its seed
and the physics version. Its key is the SHA-256 of that, whatever the grid around it,
so that a finer grid or more samples find the points that are there already.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statmech.errors import ParameterError, ParameterTypeError, check_name

Scalar = float | int | str | bool
MOST_POINTS = 10**6


@dataclass(frozen=True)
class Job:
    """One point to be computed.

    Attributes
    ----------
    parameters : dict
        Of JSON scalars, defaults written back.
    identity : str
        JSON: all that the result is a function of.
    path : tuple of int
        Address in the seed tree.
    """

    parameters: dict[str, Any]
    identity: str
    path: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """SHA-256 of the identity, 64 hexadecimal digits."""
        return hashlib.sha256(self.identity.encode()).hexdigest()


@dataclass(frozen=True)
class Request:
    """A grid of points for one task.

    Attributes
    ----------
    task : str
        Name of a measurement, or module:function of a user's own.
    axes : dict
        {parameter: its values}, in the order of the dimensions.
    constants : dict
        Parameters that do not vary.
    seed : int
    source : str
        Digest of the user's function; empty for a measurement, whose version is the
        physics version.
    seeded : bool
        Whether a user's function is given seeds.
    title : str
    figure : dict
        How a preset wants it drawn.
    """

    task: str
    axes: dict[str, tuple[Scalar, ...]]
    constants: dict[str, Scalar] = field(default_factory=dict)
    seed: int = 0
    source: str = ""
    seeded: bool = False
    title: str = ""
    figure: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis."""
        return tuple(len(values) for values in self.axes.values())

    def points(self) -> list[dict[str, Any]]:
        """Parameters of every point, the last axis varying fastest."""
        names = tuple(self.axes)
        return [
            {**self.constants, **dict(zip(names, values, strict=True))}
            for values in itertools.product(*self.axes.values())
        ]

    def to_json(self) -> str:
        """Strict JSON, the order of the axes kept."""
        content = {
            "task": self.task,
            "axes": [[name, list(values)] for name, values in self.axes.items()],
            "constants": self.constants,
            "seed": self.seed,
            "source": self.source,
            "seeded": self.seeded,
            "title": self.title,
            "figure": self.figure,
        }
        return json.dumps(content, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The request that `to_json` wrote."""
        content = json.loads(text)
        axes = {name: tuple(values) for name, values in content.pop("axes")}
        return cls(axes=axes, **content)


def split_grid(
    grid: Mapping[str, Any],
) -> tuple[dict[str, tuple[Scalar, ...]], dict[str, Scalar]]:
    """(axes, constants) of a grid: sequences are axes, scalars are constants.

    Raises
    ------
    ParameterError, ParameterTypeError
        For names that are no parameters, empty or repeated values, values that are
        not finite numbers, text or booleans, and more than 10**6 points.
    """
    if not isinstance(grid, Mapping):
        raise ParameterTypeError("grid", grid, "a dict {parameter: value or values}")
    axes: dict[str, tuple[Scalar, ...]] = {}
    constants: dict[str, Scalar] = {}
    for name, value in grid.items():
        check_name("grid", name)
        if _is_sequence(value):
            axes[name] = check_axis(name, value)
        else:
            constants[name] = scalar(name, value)
    n_points = int(np.prod([len(v) for v in axes.values()], dtype=object))
    if n_points > MOST_POINTS:
        raise ParameterError(
            "grid", n_points, f"at most {MOST_POINTS} points", "split the sweep"
        )
    return axes, constants


def check_axis(name: str, values: Any) -> tuple[Scalar, ...]:
    """The values of an axis: of one kind, each once."""
    if getattr(values, "ndim", 1) != 1:
        raise ParameterError(name, values, "a sequence in one dimension")
    if len(values) > MOST_POINTS:
        allowed = f"at most {MOST_POINTS} values"
        raise ParameterError(name, f"{len(values)} values", allowed)
    if not isinstance(values, (Sequence, np.ndarray)):
        values = np.asarray(values)  # what iterating over a series gives, differs
    items = [scalar(name, value) for value in values]
    if not items:
        raise ParameterError(name, values, "at least one value")
    kinds = {type(item) for item in items}
    if kinds == {int, float}:
        items, kinds = [float(item) for item in items], {float}
    if len(kinds) > 1:
        raise ParameterTypeError(name, values, "values of one kind")
    seen: set[Scalar] = set()
    for number, item in enumerate(items, start=1):
        if item in seen:
            allowed = f"different values; number {number} is an earlier one again"
            raise ParameterError(name, values, allowed)
        seen.add(item)
    return tuple(items)


def scalar(name: str, value: Any) -> Scalar:
    """`value` as a plain bool, 64-bit int, finite float, or str.

    What a record and netCDF give back as it was: text has no NUL and no half of a
    surrogate pair.
    """
    allowed = "a finite number, text or a boolean, or a sequence of them"
    if getattr(value, "ndim", None) == 0 and value is not np.ma.masked:
        value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ParameterError(name, value, "an integer of 64 bits")
        return int(value)
    if isinstance(value, float):
        if not np.isfinite(value):
            raise ParameterError(name, value, allowed)
        return float(value) + 0.0  # -0.0 and 0.0 are one point
    if isinstance(value, str):
        if re.search("[\0\ud800-\udfff]", value):
            raise ParameterError(name, value, "text without NUL and lone surrogates")
        return str.__str__(value)
    raise ParameterTypeError(name, value, allowed)


def _is_sequence(value: Any) -> bool:
    if isinstance(value, (str, bytes, bytearray)):
        return False
    if isinstance(value, Sequence):
        return True
    # Arrays, series and the like; NumPy's scalars have the method as well.
    return hasattr(value, "__array__") and getattr(value, "ndim", 1) > 0
