"""`kernel`, the one compile policy, and the disk cache of what it compiled.

The cache must never give a stale or a wrong number, nor end the process (one flipped
byte in an object file makes LLVM exit, and no exception can be caught then). So:

* The folder, `$XDG_CACHE_HOME/statmech/kernels-<hash>`, is named by the bytes of all
  kernel sources, the CPU and the versions. Folders unused for a month are removed.
* An entry is named by the *state* of a function: its code, the constants it reads,
  and the same of every kernel it calls, as they are when it is compiled. A helper
  replaced at run time gives another entry, not a wrong one.
* An entry is one file that ends with the SHA-256 of its content and holds its full
  name. Both are checked before numba sees a byte; what does not fit is a miss. That
  is better than a manifest, and than numba's index, because processes that compile at
  once share nothing they could spoil: with the index, two that compile different
  signatures can leave the code of the one under the name of the other.
* Functions made inside functions are not kept, nor are kernels that call them: two
  that two processes compiled may bear one symbol, and a third process that loads
  both would run the one in place of the other.

Numba's own caches, its configuration and the environment are left alone.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

from statmech.errors import CacheWarning

try:
    # Not numba's public interface: without it kernels are compiled, but not kept.
    from numba.core.caching import _Cache
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps, loads

    _Base: Any = _Cache
except Exception:
    _Base = object

F = TypeVar("F", bound=Callable[..., Any])

_ROOT = Path(__file__).resolve().parent.parent
_IMPORTS_KERNEL = re.compile(
    rb"^[ \t]*(?:from\s+(?:statmech\.jit|\.+jit)\s+import\b|import\s+statmech\.jit\b"
    rb"|from\s+(?:statmech|\.+)\s+import\b[^#\n]*\bjit\b)",
    re.MULTILINE,
)
# What numba reads from its configuration when it generates code.
_SETTINGS = (
    *("BOUNDSCHECK", "DEBUGINFO_DEFAULT", "ENABLE_AVX", "LOOP_VECTORIZE", "OPT"),
    *("LLVM_REFPRUNE_FLAGS", "LLVM_REFPRUNE_PASS", "SLP_VECTORIZE", "USING_SVML"),
)
_SEAL = b"statmech"
_MONTH = 30 * 24 * 3600.0
_REMEDY = "set XDG_CACHE_HOME to a folder that only you can write"
_warned = False


class _NotKept(Exception):
    """This function has no name that is the same in every process."""


def kernel(function: F | None = None, *, inline: bool = False) -> Any:
    """Compile `function` on first use with the policy of this project.

    The policy is `numba.njit(error_model="numpy", nogil=True)`: IEEE arithmetic, no
    fast-math flags, the GIL released. What was compiled is kept on disk if the file of
    `function` is one of `kernel_sources()`.

    Parameters
    ----------
    function : callable
        Written in the part of Python that numba compiles.
    inline : bool
        Whether callers take the machine code in whole. For small functions of a few
        arrays inside a loop: a call passes every field of every array and counts
        references, which costs more than the function.

    Returns
    -------
    callable
        Numba's dispatcher (`.py_func` is `function`); `function` itself under
        NUMBA_DISABLE_JIT=1. With `inline` alone, a decorator.
    """
    if function is None:
        return functools.partial(kernel, inline=inline)
    compiled: Any = numba.njit(error_model="numpy", nogil=True, forceinline=inline)(
        function
    )
    try:
        path = Path(function.__code__.co_filename).resolve()
        if compiled is not function and path in _snapshot()[0]:
            compiled._cache = _KernelCache(function)
    except Exception as error:
        # Not to have a cache must not keep the package from being imported.
        with contextlib.suppress(CacheWarning):
            _warn_once(repr(error))
    return compiled


def kernel_sources() -> list[Path]:
    """The files whose text decides what compiled kernels do, sorted.

    Every file of `statmech` and `analytics` that imports this one, and this one.
    """
    found = {Path(__file__).resolve()}
    for package in ("statmech", "analytics"):
        for path in (_ROOT / package).rglob("*.py"):
            if _IMPORTS_KERNEL.search(path.read_bytes()):
                found.add(path)
    return sorted(found)


def kernel_cache_folder() -> Path | None:
    """The folder that keeps compiled kernels, or None where none can be used."""
    return _folder()[0]


def seal(content: bytes) -> bytes:
    """`content` followed by a mark and its SHA-256."""
    return content + _SEAL + hashlib.sha256(content).digest()


def unseal(blob: bytes) -> bytes | None:
    """The content of a sealed blob, or None if any byte is not as it was written."""
    content = blob[: -len(_SEAL) - 32]
    return content if seal(content) == blob else None


@functools.cache
def _snapshot() -> tuple[frozenset[Path], str]:
    """The kernel sources and the hash that names the folder, once per process."""
    try:
        version = metadata.version("statmech")
    except metadata.PackageNotFoundError:
        version = "unknown"
    sources = kernel_sources()
    facts = [
        version,
        f"{sys.implementation.cache_tag} {sys.flags.optimize}",
        f"{numba.__version__} {llvmlite.__version__} {np.__version__}",
        f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()}",
        llvm.get_host_cpu_features().flatten(),
    ]
    digest = hashlib.sha256("\n".join(facts).encode())
    for path in sources:
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(_ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return frozenset(sources), digest.hexdigest()[:16]


@functools.cache
def _folder() -> tuple[Path | None, str]:
    """The folder, created and checked once per process; or None and the reason."""
    if _Base is object:
        return None, "this version of numba has another cache interface"
    try:
        return _open_folder(), ""
    except Exception as error:
        return None, str(error)


def _open_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    folder = root / "statmech" / f"kernels-{_snapshot()[1]}"
    is_new = not os.path.lexists(folder)
    root.mkdir(parents=True, exist_ok=True)
    for part in (folder.parent, folder):
        if not os.path.lexists(part):
            with contextlib.suppress(FileExistsError):  # another process was faster
                part.mkdir(mode=0o700)
        _check_private(part)
    if is_new:
        _remove_old(folder)
    elif not os.access(folder, os.W_OK | os.X_OK) and not any(folder.iterdir()):
        raise OSError(f"{folder} is empty and cannot be written")
    with contextlib.suppress(OSError):
        os.utime(folder)  # in use, so not yet to be removed
    return folder


def _check_private(part: Path) -> None:
    # Entries hold machine code: whoever can write them can run anything as this user.
    info = part.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise OSError(f"{part} is not a folder, or a link to one")
    if os.name == "posix":
        if info.st_uid != os.geteuid():
            raise OSError(f"{part} belongs to another user")
        if info.st_mode & 0o022:
            raise OSError(f"{part} can be written by others")


def _remove_old(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for other in folder.parent.glob("kernels-*"):
            with contextlib.suppress(OSError):
                _check_private(other)
                if other != folder and time.time() - other.stat().st_mtime > _MONTH:
                    shutil.rmtree(other, ignore_errors=True)


def _warn_once(reason: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        text = f"compiled kernels are not kept on disk: {reason}; {_REMEDY}"
        warnings.warn(text, CacheWarning, stacklevel=3)


class _KernelCache(_Base):
    """What numba's dispatcher asks for and hands over when it compiles."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        # States this function was compiled in. Compiled code keeps the constants it
        # was made with, so with two states a caller cannot tell what it links.
        self.states: set[str] = set()

    @property
    def cache_path(self) -> str | None:
        folder = kernel_cache_folder()
        return None if folder is None else str(folder)

    def flush(self) -> None:
        """Nothing to do: an entry is found only in the state it was made in."""

    enable = disable = flush

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for `sig`, or None: then numba compiles it."""
        folder, problem = _folder()
        if folder is None:
            _warn_once(problem)
            return None
        try:
            target_context.refresh()
            path, name = self._entry(folder, sig, target_context.codegen())
            content = unseal(path.read_bytes())
            if content is not None:
                stored, payload = loads(content)
                if stored == name:
                    return CompileResult._rebuild(target_context, *payload)
        except Exception:  # whatever is wrong with an entry, compiling is the answer
            pass
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what numba compiled for `sig`, if it can be kept."""
        folder, _ = _folder()
        if folder is None or data.library.has_dynamic_globals:
            return
        try:
            path, name = self._entry(folder, sig, data.codegen)
            _write(path, seal(dumps((name, data._reduce()))))
        except (OSError, _NotKept):  # full or read-only: the number is right anyway
            pass
        except Exception as error:
            _warn_once(f"numba {numba.__version__} refused ({error!r})")

    def _entry(self, folder: Path, sig: Any, codegen: Any) -> tuple[Path, str]:
        """Path of the entry of `sig` and the full name it must hold."""
        try:
            state = _state(self._function)
        except _NotKept:
            self.states.add("not kept")
            raise
        self.states.add(state)
        settings = [f"{name}={getattr(numba.config, name, '')}" for name in _SETTINGS]
        if not isinstance(sig, tuple):  # a signature written by hand
            raise _NotKept
        arguments = [_type_name(kind) for kind in sig]
        machine = repr(codegen.magic_tuple())
        name = "\n".join([folder.name, state, *arguments, machine, *settings])
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return folder / f"{self._function.__name__}-{digest}.nbc", name


def _write(path: Path, blob: bytes) -> None:
    """All of the file or nothing, whoever else writes it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with open(handle, "wb") as file:
            file.write(blob)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _type_name(kind: Any) -> str:
    """Name of an argument type; numba's name of a named tuple omits its fields."""
    if hasattr(kind, "types"):
        inner = ", ".join(map(_type_name, kind.types))
        if hasattr(kind, "instance_class"):
            return f"{_stable(kind.instance_class)}{kind.fields}({inner})"
        return f"({inner})"
    name = repr(kind)
    if " at 0x" in name or "jitclass" in name:  # an address of this process
        raise _NotKept
    return name


def _state(function: Any, callers: tuple[CodeType, ...] = ()) -> str:
    """Hash of all that decides what the compiled `function` does."""
    code = function.__code__
    text, names = _code_text(code)
    parts = [_stable(function), text, _describe(function.__defaults__, ())]
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        parts.append(f"{name}={_describe(value, (*callers, code))}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@functools.cache
def _code_text(code: CodeType) -> tuple[str, frozenset[str]]:
    """Everything in `code` but line numbers, and the global names it reads."""
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname == "LOAD_GLOBAL"
    }
    parts = [repr((code.co_code, code.co_names, code.co_varnames))]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            text, inner = _code_text(constant)
            parts.append(text)
            names |= inner
        else:
            parts.append(repr(constant))
    return "\n".join(parts), frozenset(names)


def _describe(value: Any, callers: tuple[CodeType, ...]) -> str:
    """Text that is equal in two processes only if `value` means the same to numba."""
    function = getattr(value, "py_func", None)
    if function is not None:
        if function.__code__ in callers:
            return "recursion"
        state = _state(function, callers)
        cache = getattr(value, "_cache", None)
        if getattr(cache, "states", {state}) - {state}:
            raise _NotKept
        return f"{state} {sorted(map(repr, value.targetoptions.items()))}"
    if isinstance(value, tuple):
        inner = ", ".join(_describe(item, callers) for item in value)
        return f"{_stable(type(value))}({inner})"
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(value.tobytes()).hexdigest()
        return f"{value.dtype} {value.strides} {value.shape} {content}"
    if hasattr(value, "__name__"):
        return _stable(value)
    text = repr(value)
    if " at 0x" in text:
        raise _NotKept
    return text


def _stable(value: Any) -> str:
    """Dotted name of what an import gives; others have none.

    What a module of ours would give a kernel is not seen from its name, so kernels
    import kernels by name.
    """
    name = getattr(value, "__qualname__", value.__name__)
    if isinstance(value, ModuleType):
        if name.startswith(("statmech", "analytics")):
            raise _NotKept
    elif "<locals>" in name:
        raise _NotKept
    return f"{getattr(value, '__module__', '')}.{name}"
