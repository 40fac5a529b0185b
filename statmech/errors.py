"""Errors that teach: every message carries name, value, allowed range and remedy.

The `check_*` functions are called once, at the public boundary, before any kernel
starts. They return the value in the form the rest of the code relies on.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

TERNARY = (-1, 0, 1)  # entries of patterns; 0 is a blank


class StatmechError(Exception):
    """Base of every error this project raises on purpose."""


class _NamedError(StatmechError):
    """Carries the name and value of a parameter, what is allowed, and what to do."""

    def __init__(self, name: str, value: object, allowed: str, remedy: str = ""):
        self.name = name
        self.value = value
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(_sentence(name, value, allowed, remedy))

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries, where only `args` would be sent.
        return type(self), (self.name, self.value, self.allowed, self.remedy)


class ParameterError(_NamedError, ValueError):
    """A parameter has a value outside what is allowed."""


class ParameterTypeError(_NamedError, TypeError):
    """A parameter is of a kind that cannot be used at all."""


class MemoryLimitError(StatmechError, MemoryError):
    """More memory is asked for than there is; nothing was allocated."""

    def __init__(self, what: str, needed: int, available: int, remedy: str = ""):
        self.what = what
        self.needed = needed
        self.available = available
        self.remedy = remedy
        text = (
            f"{what}: needs {_amount(needed)} of memory, "
            f"{_amount(available)} is available"
        )
        super().__init__(f"{text}; {remedy}" if remedy else text)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.needed, self.available, self.remedy)


class CheckpointError(StatmechError):
    """A checkpoint that cannot be written, read or trusted."""

    def __init__(self, path: object, problem: str, remedy: str):
        self.path = str(path)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"checkpoint {self.path!r}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.problem, self.remedy)


class CacheWarning(UserWarning):
    """Compiled kernels cannot be kept on disk; results are unaffected."""


def _sentence(name: str, value: object, allowed: str, remedy: str) -> str:
    text = f"{name} = {_short(value)}: must be {allowed}"
    return f"{text}; {remedy}" if remedy else text


def _amount(n_bytes: int) -> str:
    """Bytes as people say them."""
    size, unit = n_bytes / 2**20, "MiB"
    if n_bytes >= 2**30:
        size, unit = n_bytes / 2**30, "GiB"
    return f"{size:.4g} {unit}" if size >= 1e4 else f"{size:.2f} {unit}"


def _short(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}, dtype {value.dtype}"
    try:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    except Exception:  # integers of thousands of digits, nesting, a broken __repr__
        text = f"<{type(value).__name__}>"
    if not text.isprintable():  # a message is one line
        text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def check_integer(
    name: str,
    value: object,
    minimum: int,
    maximum: int | None = None,
    *,
    remedy: str = "",
) -> int:
    """Return `value` as an int in [minimum, maximum]; bool and float are refused."""
    allowed = f"an integer >= {minimum}"
    if maximum is not None:
        allowed = f"an integer from {minimum} to {maximum}"
    if isinstance(value, (bool, np.bool_)):
        raise ParameterTypeError(name, value, allowed, remedy)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ParameterTypeError(name, value, allowed, remedy) from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ParameterError(name, number, allowed, remedy)
    return number


def check_real(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
    infinite: bool = False,
    remedy: str = "",
) -> float:
    """Return `value` as a float in the interval; NaN, complex and bool are refused.

    `infinite=True` admits infinity where the interval reaches it.
    """
    allowed = _interval(low, high, low_open, high_open, infinite)
    if isinstance(value, (bool, np.bool_, str, bytes, complex, np.complexfloating)):
        raise ParameterTypeError(name, value, allowed, remedy)
    if isinstance(value, np.ndarray) and value.ndim > 0:
        raise ParameterTypeError(name, value, allowed, remedy)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ParameterTypeError(name, value, allowed, remedy) from None
    except OverflowError:
        raise ParameterError(name, value, allowed, remedy) from None
    inside = (number > low or (number == low and not low_open)) and (
        number < high or (number == high and not high_open)
    )
    if not inside or (math.isinf(number) and not infinite):
        raise ParameterError(name, number, allowed, remedy)
    return number


def _interval(
    low: float, high: float, low_open: bool, high_open: bool, infinite: bool
) -> str:
    lower = "" if low == -math.inf else f" {'>' if low_open else '>='} {low:g}"
    upper = "" if high == math.inf else f" {'<' if high_open else '<='} {high:g}"
    bounds = " and".join(part for part in (lower, upper) if part)
    kind = "a number" if infinite else "a finite number"
    return kind + bounds + (" (inf is legal)" if infinite else "")


def check_temperature(value: object, name: str = "temperature") -> float:
    """Temperature in units J = 1, k_B = 1: any number >= 0; 0 and inf are legal."""
    return check_real(name, value, 0.0, infinite=True)


def check_order(value: object, name: str = "order") -> int:
    """Order P of the interaction, an integer from 2 to 20."""
    return check_integer(
        name, value, 2, 20, remedy="P = 2 is the Hopfield network, P >= 3 is dense"
    )


def check_choice(name: str, value: object, options: Sequence[str]) -> str:
    """Return `value` if it is one of `options`; the error proposes the nearest."""
    allowed = "one of " + ", ".join(repr(option) for option in options)
    if not isinstance(value, str):
        raise ParameterTypeError(name, value, allowed)
    if value not in options:
        raise ParameterError(name, value, allowed, nearest(value, options))
    return value


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
# Names that some file systems keep for devices, whatever their suffix.
_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(10)
}


def check_name(name: str, value: object) -> str:
    """Return `value` if it can name a variable, a dimension, a file on any system.

    >>> check_name("axis", "cue_overlap")
    'cue_overlap'
    """
    allowed = "a name of 1 to 64 of A-Z a-z 0-9 _ . -, a letter first"
    if not isinstance(value, str):
        raise ParameterTypeError(name, value, allowed)
    if not _NAME.fullmatch(value) or ".." in value or value.endswith("."):
        raise ParameterError(name, value, allowed)
    if value.split(".")[0].lower() in _DEVICES:
        raise ParameterError(name, value, allowed, "this one is kept for a device")
    return value


def nearest(word: str, options: Iterable[str]) -> str:
    """'did you mean ...?' for a misspelt word, or an empty string."""
    close = difflib.get_close_matches(word, list(options), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def check_array(
    name: str,
    value: ArrayLike,
    shape: tuple[int | None, ...],
    *,
    finite: bool = True,
) -> NDArray[np.float64]:
    """Return `value` as a contiguous float64 array of `shape` (None: any length)."""
    allowed = f"an array of finite real numbers of shape {_shape_text(shape)}"
    array = _real_array(name, value, allowed)
    _check_shape(name, array, shape, allowed)
    result = np.ascontiguousarray(array, dtype=np.float64)
    if finite and not np.isfinite(result).all():
        raise ParameterError(name, array, allowed, "remove NaN and infinities")
    return result


def check_levels(
    name: str,
    value: ArrayLike,
    shape: tuple[int | None, ...],
    levels: Sequence[int] = (-1, 1),
) -> NDArray[np.int8]:
    """Return `value` as contiguous int8 whose entries are all in `levels`."""
    allowed = (
        f"an array of shape {_shape_text(shape)} with entries in "
        "{" + ", ".join(f"{level:+d}" if level else "0" for level in levels) + "}"
    )
    array = _real_array(name, value, allowed)
    _check_shape(name, array, shape, allowed)
    if array.size == 0:
        raise ParameterError(name, array, allowed, "it is empty")
    if not all(_all_in(part, levels) for part in blocks(array)):
        raise ParameterError(name, array, allowed, "it holds other values")
    return np.ascontiguousarray(array, dtype=np.int8)


def _all_in(array: NDArray[Any], levels: Sequence[int]) -> bool:
    """`np.isin(array, levels).all()`, several times as fast for a few levels."""
    known = array == levels[0]
    for level in levels[1:]:
        known |= array == level
    return bool(known.all())


def blocks(array: NDArray[Any], largest: int = 2**20) -> Iterator[NDArray[Any]]:
    """Views that make up `array`, of at most `largest` entries each.

    For what would otherwise need temporaries as large as the array.
    """
    width = math.prod(array.shape[1:])
    if array.ndim > 1 and width > largest:
        for row in array:
            yield from blocks(row, largest)
        return
    step = max(1, largest // max(1, width))
    for first in range(0, array.shape[0], step):
        yield array[first : first + step]


def _real_array(name: str, value: ArrayLike, allowed: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise ParameterTypeError(name, value, allowed) from None
    if array.dtype.kind not in "iuf":
        raise ParameterTypeError(name, array, allowed, "convert it to integer or float")
    return array


def _check_shape(
    name: str, array: NDArray[Any], shape: tuple[int | None, ...], allowed: str
) -> None:
    fits = array.ndim == len(shape) and all(
        want is None or want == have
        for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ParameterError(name, array, allowed)


def _shape_text(shape: tuple[int | None, ...]) -> str:
    inner = ", ".join("any" if length is None else str(length) for length in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
