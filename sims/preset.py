"""Sweeps as TOML files: shipped with the package, or the user's own.

    title = "..."                       optional; the rest as here
    measurement = "dense-retrieval"     see `statmech list`
    samples = 12                        disorder samples: the axis `sample`
    seed = 0
    [constants]                         parameters of the measurement that stay
    order = 2
    [axes]                              parameters that vary, slowest first
    temperature = [0.1, 0.3]
    alpha = { start = 0.02, stop = 0.16, count = 8 }     or scale = "log"
    [quick]                             what `--quick` replaces
    samples = 6
    constants = { n_spins = 300 }
    axes = { ... }
    [figure]
    kind = "curves"                     curves, finite-size, hysteresis, basin,
                                        amplitudes, regions, noise, losses,
                                        students, evolution, potential, separation,
                                        demand, learning-diagram,
                                        storage-diagram
    x = "alpha"
    series = "temperature"
    observable = "m"

Nothing is expanded, included or evaluated. Every error names file and line.
"""

from __future__ import annotations

import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from sims.experiments import MEASUREMENTS, load_measurement
from sims.figure_kinds import FIGURES, objection
from sims.measurement import Measurement
from sims.places import key_lines
from sims.request import MOST_POINTS, Request, check_axis, scalar
from statmech.errors import (
    ParameterTypeError,
    StatmechError,
    check_choice,
    check_integer,
    check_name,
    check_real,
    nearest,
)

LARGEST_FILE = 32 * 1024
# Reading a key takes the square of its parts; numbers and nesting are bounded as well.
LONGEST_LINE = 1000
MOST_CELLS = 10**4  # points of one sample: each is checked before anything runs

_TOP = (
    "title",
    "measurement",
    "samples",
    "seed",
    "constants",
    "axes",
    "quick",
    "figure",
)
_QUICK = ("samples", "constants", "axes")
_FIGURE = ("kind", "x", "series", "observable")
_RANGE = ("start", "stop", "count", "scale")

_Path = tuple[str, ...]  # of a key: the tables it is in, and its name


class PresetError(StatmechError):
    """A sweep's file cannot be used; the message starts with file and line."""


def preset_names() -> list[str]:
    """Names of the shipped sweeps."""
    folder = resources.files("sims") / "presets"
    names = (entry.name for entry in folder.iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml"))


def preset_titles() -> dict[str, str]:
    """{name: title} of the shipped sweeps."""
    return {name: load_preset(name).title for name in preset_names()}


def load_preset(
    name: str | os.PathLike[str],
    *,
    quick: bool = False,
    samples: int | None = None,
    seed: Any = None,
) -> Request:
    """The request that a preset, or a file that ends in .toml, describes.

    Parameters
    ----------
    quick : bool
        Use the smaller budget of the table [quick].
    samples, seed : int, optional
        Instead of those of the file.

    Raises
    ------
    PresetError
        If the file is not TOML of this form; file, line and name are in the message.
    ParameterError
        If there is no preset of that name; the message lists them.
    """
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if isinstance(name, str) and name.endswith(".toml"):
        text, shown = _read(name), _shown(name)
    else:
        check_name("preset", name)
        check_choice("preset", name, preset_names())
        file = resources.files("sims") / "presets" / f"{name}.toml"
        text, shown = file.read_text(encoding="utf-8"), f"{name}.toml"
    reader = _Reader(text, shown)
    # What is not asked for is checked as well: errors show before --quick is tried.
    forms = [reader.request(False), reader.request(True)]
    if samples is None and seed is None:
        return forms[bool(quick)]
    return reader.request(quick, samples, seed)


def _read(name: str) -> str:
    try:
        path = Path(name)
        if not stat.S_ISREG(path.stat().st_mode):
            raise PresetError(f"{_shown(name)}: not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise PresetError(
                f"{_shown(name)}: a sweep has at most {LARGEST_FILE} bytes"
            )
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PresetError(f"{_shown(name)}:{line}: not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PresetError(f"{_shown(name)}: cannot be read: {reason}") from None


def _shown(name: str) -> str:
    """A file name that leaves an error on one line."""
    return name if name.isprintable() else repr(name)


class _Reader:
    """One file; errors find their way back to its lines."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        lines = text.split("\n")
        for number, line in enumerate(lines, start=1):
            if len(line) > LONGEST_LINE:
                reason = f"{len(line)} characters; a line has at most {LONGEST_LINE}"
                raise PresetError(f"{name}:{number}: {reason}")
        try:
            self.content = tomllib.loads(text)
        except RecursionError:
            raise PresetError(f"{name}: nested too deeply") from None
        except ValueError as error:
            found = re.search(r"at line (\d+)", str(error))
            place = found[1] if found else text.rstrip().count("\n") + 1
            raise PresetError(f"{name}:{place}: {error}") from None

    def fail(self, path: _Path, reason: object) -> PresetError:
        """The error to raise for a key."""
        return PresetError(f"{self.name}:{self.line(path)}: {reason}")

    def line(self, path: _Path) -> int:
        """Where a key is set, or the table that lacks it; else the first line."""
        lines = key_lines(self.text)
        known = (path[:end] for end in range(len(path), 0, -1))
        return next((lines[part] for part in known if part in lines), 1)

    def request(
        self, quick: bool, samples: int | None = None, seed: Any = None
    ) -> Request:
        """The whole file, checked."""
        self._known(self.content, (), _TOP)
        title = self._text(self.content, ("title",), "")
        name = self._text(self.content, ("measurement",), None)
        self._checked(("measurement",), check_choice, name, tuple(MEASUREMENTS))
        measurement: Measurement = load_measurement(name)
        smaller = self._table(("quick",))
        self._known(smaller, ("quick",), _QUICK)
        constants, set_at = self._merged("constants", quick)
        axes, places = self._merged("axes", quick)
        for key in (*constants, *axes):
            self._check_key(key, (places | set_at)[key])
            if key in constants and key in axes:
                later = max(set_at[key], places[key], key=len)  # that of [quick]
                raise self.fail(later, f"{_quoted(key)} is an axis and a constant")
        values = {key: self._axis(places[key], axes[key]) for key in axes}
        fixed = {
            key: self._checked(set_at[key], scalar, value)
            for key, value in constants.items()
        }
        n = self._count(quick, samples)
        fixed["seed"] = self._seed(seed)
        request = Request(
            task=name,
            axes=values | {"sample": tuple(range(n))},
            constants=fixed,
            seed=fixed["seed"],
            title=title,
        )
        self._check_points(measurement, request, places | set_at)
        return replace(request, figure=self._figure(axes, measurement))

    def _merged(self, key: str, quick: bool) -> tuple[dict[str, Any], dict[str, _Path]]:
        """A table with what [quick] replaces, and where each of its keys is set."""
        values: dict[str, Any] = {}
        places: dict[str, _Path] = {}
        for path in ((key,), ("quick", key)) if quick else ((key,),):
            found = self._table(path)
            values |= found
            places |= {name: (*path, name) for name in found}
        return values, places

    def _check_key(self, key: str, path: _Path) -> None:
        if key in ("sample", "seed"):
            own = "samples = <how many>" if key == "sample" else "seed = <integer>"
            raise self.fail(
                path, f"{key!r} is not set here, but above all tables: {own}"
            )
        self._checked(path, lambda _, name: check_name("name", name), key)

    def _count(self, quick: bool, samples: int | None) -> int:
        if samples is not None:
            return check_integer("samples", samples, 1, MOST_POINTS)
        path: _Path = ("samples",)
        if quick and "samples" in self._table(("quick",)):
            path = ("quick", "samples")
        value = self._table(path[:-1]).get("samples", 1)
        return int(self._checked(path, check_integer, value, 1, MOST_POINTS))

    def _seed(self, seed: Any) -> int:
        if seed is not None:
            return check_integer("seed", seed, 0, 2**63 - 1)
        value = self.content.get("seed", 0)
        return int(self._checked(("seed",), check_integer, value, 0, 2**63 - 1))

    def _figure(self, axes: Mapping[str, Any], task: Measurement) -> dict[str, Any]:
        figure = self._table(("figure",))
        self._known(figure, ("figure",), _FIGURE)
        allowed = {
            "kind": FIGURES,
            "x": tuple(axes),
            "series": tuple(axes),
            "observable": task.observables,
        }
        for key in figure:
            value = self._text(figure, ("figure", key), None)
            self._checked(("figure", key), check_choice, value, allowed[key])
        if figure:
            self._check_drawing(figure, axes, task)
        return figure

    def _check_drawing(
        self, figure: Mapping[str, Any], axes: Mapping[str, Any], task: Measurement
    ) -> None:
        """Refuse what could be computed, and then not be drawn."""
        kind = figure.get("kind", "curves")
        if kind not in task.figures:
            raise self.fail(
                ("figure", "kind"), f"kind = {kind!r}: no figure of {task.name!r}"
            )
        reason = objection(kind, axes)
        if reason:
            raise self.fail(("figure", "kind"), reason)
        if "series" in figure and figure["series"] == figure.get("x"):
            raise self.fail(("figure", "series"), "series: must differ from x")

    def _axis(self, path: _Path, value: Any) -> tuple[Any, ...]:
        if isinstance(value, list):
            return tuple(self._checked(path, check_axis, value))
        if not isinstance(value, dict):
            allowed = "a list of values, or { start = , stop = , count = }"
            remedy = "a single value belongs to [constants]"
            raise self.fail(path, ParameterTypeError(path[-1], value, allowed, remedy))
        self._known(value, path, _RANGE)
        for part in _RANGE[:3]:
            if part not in value:
                raise self.fail(path, f"{path[-1]}: {part!r} is missing")
        start, stop = (
            self._checked((*path, part), check_real, value[part])
            for part in ("start", "stop")
        )
        at_count = (*path, "count")
        count = self._checked(at_count, check_integer, value["count"], 2, MOST_CELLS)
        scale = self._text(value, (*path, "scale"), "linear")
        self._checked((*path, "scale"), check_choice, scale, ("linear", "log"))
        if scale == "log" and min(start, stop) <= 0.0:
            raise self.fail(path, f"{path[-1]}: a log scale starts above 0")
        with np.errstate(all="ignore"):  # what overflows is refused below
            spaced = np.geomspace if scale == "log" else np.linspace
            values = spaced(start, stop, count)
        # Twelve digits: seeds come from the values, which must not hang on how the
        # last bit of a sum falls out.
        return tuple(
            self._checked(path, check_axis, [float(f"{v:.12g}") for v in values])
        )

    def _check_points(
        self, measurement: Measurement, request: Request, places: Mapping[str, _Path]
    ) -> None:
        n_points = math.prod(request.shape)
        n_cells = n_points // len(request.axes["sample"])
        if n_cells > MOST_CELLS or n_points > MOST_POINTS:
            allowed = f"at most {MOST_CELLS} points, {MOST_POINTS} with their samples"
            raise self.fail(
                ("axes",),
                f"{n_cells} points, {n_points} with samples: must be {allowed}",
            )
        one_sample = Request(
            request.task, request.axes | {"sample": (0,)}, request.constants
        )
        for parameters in one_sample.points():
            try:
                measurement.parse(parameters)
            except StatmechError as error:
                name = getattr(error, "name", "")
                raise self.fail(places.get(name, ("constants",)), error) from None

    def _table(self, path: _Path) -> dict[str, Any]:
        """What is in a table; nothing if it is not there."""
        value: Any = self.content
        for end, key in enumerate(path, start=1):
            value = value.get(key, {})
            if not isinstance(value, dict):
                raise self.fail(
                    path[:end], f"{key}: must be a table, [{'.'.join(path)}]"
                )
        return dict(value)

    def _text(self, table: Mapping[str, Any], path: _Path, default: str | None) -> str:
        value = table.get(path[-1], default)
        if value is None:
            raise self.fail(path, f"{path[-1]!r} is missing")
        if not isinstance(value, str) or len(value) > 500:
            error = ParameterTypeError(path[-1], value, "a text of at most 500 letters")
            raise self.fail(path, error)
        return value

    def _known(self, table: Iterable[str], path: _Path, known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                where = f" in [{'.'.join(path)}]" if path else ""
                advice = nearest(key, known) or "known: " + ", ".join(known)
                reason = f"unknown key {_quoted(key)}{where}; {advice}"
                raise self.fail((*path, key), reason)

    def _checked(self, path: _Path, check: Callable[..., Any], *values: Any) -> Any:
        """check(name, *values), its errors at the line of `path`."""
        try:
            return check(path[-1], *values)
        except StatmechError as error:
            raise self.fail(path, error) from None


def _quoted(key: str) -> str:
    """A key as a message shows it."""
    return repr(key) if len(key) <= 60 else repr(key[:57] + "...")
