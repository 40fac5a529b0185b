"""The kernel cache gives right numbers whatever happens to its files.

Every case runs in child processes on a small copy of the package with two kernels, in
a cache folder of its own: a damaged object file can end the process that loads it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "statmech"
NOBODY = 65534

HELPER = """
from statmech.jit import kernel

SHIFT = 2.0


@kernel
def helper(x):
    return x + SHIFT
"""
LOOPS = """
from statmech.helper import helper
from statmech.jit import kernel


@kernel
def total(x):
    s = 0.0
    for i in range(x.shape[0]):
        s += helper(x[i])
    return s


def make(k):
    @kernel
    def scaled(x):
        return k * x

    return scaled


tripled = make(3.0)


@kernel
def triple(x):
    return tripled(x)
"""
# The first lines of every child. total(DATA) is 6 + 4 SHIFT.
PROLOGUE = """
import os, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("error")
from statmech import jit
from statmech import helper as helper_module
from statmech import loops
from statmech.errors import CacheWarning

DATA = np.arange(4.0)


def fresh(function):
    "A dispatcher that has compiled and loaded nothing."
    return jit.kernel(function.py_func)


def hits(dispatcher):
    return sum(dispatcher.stats.cache_hits.values())


def entry(name):
    (path,) = jit.kernel_cache_folder().glob(name + "-*.nbc")
    return path


def reopen():
    "As if the process had just started."
    jit._folder.cache_clear()
    jit._warned = False
"""


class Layout:
    """A project folder, a cache folder, and children that see nothing else."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "project" / "statmech"
        self.cache = folder / "cache"
        self.package.mkdir(parents=True)
        (self.package / "__init__.py").touch()
        for name in ("errors", "jit", "lazy", "status"):
            shutil.copy(PACKAGE / f"{name}.py", self.package)
        (self.package / "helper.py").write_text(HELPER)
        (self.package / "loops.py").write_text(LOOPS)

    def start(
        self, script: str, *prefix: str, prologue: str = PROLOGUE, **environment: str
    ) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        return subprocess.Popen(
            [*(prefix or (sys.executable, "-c")), prologue + textwrap.dedent(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.package.parent,
            env=kept
            | {
                "PYTHONPATH": str(self.package.parent),
                # A helper edited within a second would meet its old byte code.
                "PYTHONDONTWRITEBYTECODE": "1",
                "XDG_CACHE_HOME": str(self.cache),
            }
            | environment,
        )

    def run(self, script: str, *prefix: str, **options: str) -> str:
        """Output of a child that must end well."""
        return finish(self.start(script, *prefix, **options))


def finish(child: subprocess.Popen[str]) -> str:
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, f"exit code {child.returncode}\n{out}\n{err}"
    return out.strip()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


TOTAL = "print(loops.total(DATA), hits(loops.total))"


def test_second_process_loads_and_policy_holds(layout: Layout) -> None:
    assert layout.run(TOTAL) == "14.0 0"
    script = """
    assert loops.total(DATA) == 14.0 == loops.total.py_func(DATA)
    assert hits(loops.total) == 1
    options = loops.total.targetoptions
    assert options["error_model"] == "numpy" and options["nogil"]
    assert "fastmath" not in options
    assert jit.kernel_cache_folder().stat().st_mode & 0o777 == 0o700
    """
    layout.run(script)
    (folder,) = (layout.cache / "statmech").iterdir()
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"helper", "total"}


DAMAGE = """
total, helper = fresh(loops.total), fresh(loops.helper)
assert total(DATA) == 14.0 and helper(1.0) == 3.0
rng = np.random.default_rng(20240917)


def damages(blob):
    cuts = {0, 1, 7, 40, len(blob) // 2, len(blob) - 40, len(blob) - 1}
    yield from (blob[:cut] for cut in cuts)
    # One bit at random places, and in every part of the seal.
    places = [*rng.integers(0, len(blob), FLIPS), 0, *range(-41, 0, 8), -1]
    for place in places:
        spoilt = bytearray(blob)
        spoilt[place] ^= 1 << int(rng.integers(8))
        yield bytes(spoilt)
    yield blob + b"0"
    yield jit.seal(b"not what numba wrote")  # sealed, but cannot be read
    yield other  # sealed and readable, but of another function


for function, argument, value in (total, DATA, 14.0), (helper, 1.0, 3.0):
    path = entry(function.__name__)
    other = entry("helper" if function is total else "total").read_bytes()
    blob = path.read_bytes()
    assert jit.unseal(blob) is not None
    for spoilt in damages(blob):
        path.write_bytes(spoilt)
        again = fresh(function)
        assert again(argument) == value and hits(again) == 0
        # A clean recompilation has taken the place of the damage ...
        assert jit.unseal(path.read_bytes()) is not None
    again = fresh(function)
    # ... and can be loaded.
    assert again(argument) == value and hits(again) == 1
"""


@pytest.mark.parametrize(
    "flips", [20, pytest.param(400, marks=pytest.mark.nightly)], ids=str
)
def test_damaged_entry_is_compiled_again(layout: Layout, flips: int) -> None:
    layout.run(DAMAGE.replace("FLIPS", str(flips)))


def test_unchecked_flip_would_end_the_process(layout: Layout) -> None:
    """Control: the damage is real, and it is the seal that catches it."""
    layout.run(TOTAL)
    damage = """
    path = entry("total")
    blob = bytearray(path.read_bytes())
    blob[blob.index(b"\\x7fELF") + 1] ^= 1
    assert jit.unseal(bytes(blob)) is None
    path.write_bytes(blob)
    """
    layout.run(damage)
    child = layout.start("jit.unseal = lambda blob: blob[:-40]\n" + TOTAL)
    out, err = child.communicate(timeout=120)
    # Not an exception that somebody could catch.
    assert (child.returncode != 0, out, "Traceback" in err) == (True, "", False)
    assert layout.run(TOTAL) == "14.0 0"


def test_edited_helper_in_another_file_changes_the_number(layout: Layout) -> None:
    assert layout.run(TOTAL) == "14.0 0"
    path = layout.package / "helper.py"
    path.write_text(HELPER.replace("2.0", "3.0"))
    assert layout.run(TOTAL) == "18.0 0"
    assert len(list((layout.cache / "statmech").iterdir())) == 2
    path.write_text(HELPER)
    assert layout.run(TOTAL) == "14.0 1"


def test_source_edited_after_the_folder_was_named(layout: Layout) -> None:
    """Code imported late is not kept as if it were what the folder's name says."""
    script = """
    path = Path(helper_module.__file__)
    path.write_text(path.read_text().replace("2.0", "3.0"))
    import importlib
    importlib.reload(helper_module)
    importlib.reload(loops)
    print(loops.total(DATA), hits(loops.total))
    path.write_text(path.read_text().replace("3.0", "2.0"))
    """
    assert layout.run(script) == "18.0 0"
    assert layout.run(TOTAL) == "14.0 0"


def test_replaced_constant_or_helper_does_not_reach_other_processes(
    layout: Layout,
) -> None:
    script = """
    helper_module.SHIFT = 5.0
    assert loops.total(DATA) == 26.0

    loops.helper = helper_module.helper = fresh(loops.helper)
    helper_module.SHIFT = 7.0
    assert loops.helper(1.0) == 8.0
    helper_module.SHIFT = 2.0
    # The helper that is linked was compiled with 7: under no name may this be kept.
    n_entries = len(list(jit.kernel_cache_folder().iterdir()))
    assert fresh(loops.total)(DATA) == 34.0
    assert len(list(jit.kernel_cache_folder().iterdir())) == n_entries
    """
    layout.run(script)
    assert layout.run(TOTAL) == "14.0 0"


def test_function_made_in_a_function_is_not_kept(layout: Layout) -> None:
    layout.run("assert loops.triple(2.0) == 6.0 and loops.tripled(2.0) == 6.0")
    (folder,) = (layout.cache / "statmech").iterdir()
    assert not list(folder.iterdir())


def test_array_and_named_tuple_states(layout: Layout) -> None:
    """A table's content and a named tuple's field order are part of the name."""
    path = layout.package / "tables.py"
    text = """
from typing import NamedTuple
import numpy as np
from statmech.jit import kernel

TABLE = np.arange(2000.0)


class Pair(NamedTuple):
    a: float
    b: float


@kernel
def look(pair):
    return 10.0 * pair.a + pair.b + TABLE[1000]
"""
    path.write_text(text)
    script = """
    from statmech import tables
    from typing import NamedTuple
    assert tables.look(tables.Pair(1.0, 2.0)) == 1012.0
    again = fresh(tables.look)
    assert again(tables.Pair(1.0, 2.0)) == 1012.0 and hits(again) == 1

    class Pair(NamedTuple):
        b: float
        a: float
    Pair.__module__ = "statmech.tables"
    assert fresh(tables.look)(Pair(1.0, 2.0)) == 1021.0

    # A change that the printed form of the table does not show.
    tables.TABLE = tables.TABLE.copy()
    tables.TABLE[1000] = 5.0
    again = fresh(tables.look)
    assert again(tables.Pair(1.0, 2.0)) == 17.0 and hits(again) == 0
    """
    layout.run(script)


@pytest.mark.nightly
def test_processes_that_compile_at_once(layout: Layout) -> None:
    """Two signatures, four processes, one empty folder: each keeps its own entry."""
    script = """
    import time
    data = DATA.astype(np.DTYPE)
    while time.time() < MOMENT:
        pass
    print(loops.total(data))
    """
    script = script.replace("MOMENT", repr(time.time() + 1.2))
    kinds = ["float64", "float32", "float64", "int32"]
    children = [layout.start(script.replace("DTYPE", kind)) for kind in kinds]
    assert [finish(child) for child in children] == ["14.0"] * 4
    script = """
    for kind in np.float64, np.float32, np.int32:
        total = fresh(loops.total)
        assert total(DATA.astype(kind)) == 14.0 and hits(total) == 1
    names = [path.name for path in jit.kernel_cache_folder().iterdir()]
    assert not [name for name in names if name.endswith(".tmp")], names
    """
    layout.run(script)


UNUSABLE = """
def refused(reason):
    reopen()
    total = fresh(loops.total)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert total(DATA) == 14.0 and hits(total) == 0
        assert fresh(loops.total)(DATA) == 14.0
    (warning,) = caught  # one per process
    assert warning.category is CacheWarning
    assert reason in str(warning.message), warning.message
    assert "XDG_CACHE_HOME" in str(warning.message)
    assert jit.kernel_cache_folder() is None


assert loops.total(DATA) == 14.0
folder = jit.kernel_cache_folder()
"""


def test_folder_that_others_can_write_is_refused(layout: Layout) -> None:
    script = """
    for part in folder, folder.parent:
        for mode in 0o770, 0o702:
            part.chmod(mode)
            refused("can be written by others")
        part.chmod(0o700)
        moved = part.with_name("elsewhere")
        part.rename(moved)
        part.symlink_to(moved)
        refused("not a folder")
        part.unlink()
        part.write_text("a file")
        refused("not a folder")
        part.unlink()
        moved.rename(part)
    reopen()
    total = fresh(loops.total)
    assert total(DATA) == 14.0 and hits(total) == 1

    os.environ["XDG_CACHE_HOME"] = str(Path(jit.__file__))
    refused("")
    """
    layout.run(UNUSABLE + textwrap.dedent(script))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused(layout: Layout) -> None:
    script = f"""
    for part in folder, folder.parent:
        os.chown(part, {NOBODY}, {NOBODY})
        refused("belongs to another user")
        os.chown(part, 0, 0)
    """
    layout.run(UNUSABLE + textwrap.dedent(script))


# Root may write anywhere: give that right up (CAP_DAC_OVERRIDE), then start Python.
WITHOUT_OVERRIDE = """
import ctypes, os, sys
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0) != 0:
    sys.exit("no right to give up rights")
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl to be root's equal")
def test_read_only_folder_is_read_but_not_written(layout: Layout) -> None:
    prefix = (sys.executable, "-c", WITHOUT_OVERRIDE)
    assert layout.run(TOTAL) == "14.0 0"
    script = """
    folder = jit.kernel_cache_folder()
    folder.chmod(0o500)
    try:
        (folder / "probe").touch()
    except PermissionError:
        pass
    else:
        raise SystemExit("the folder is not read-only")
    names = sorted(path.name for path in folder.iterdir())
    # What is there is loaded, what is not is compiled, and nothing is said.
    reopen()
    assert loops.total(DATA) == 14.0 and hits(loops.total) == 1
    assert loops.total(DATA.astype(np.float32)) == 14.0 and hits(loops.total) == 1
    assert sorted(path.name for path in folder.iterdir()) == names

    # An empty folder that cannot be filled is of no use.
    folder.chmod(0o700)
    for path in folder.iterdir():
        path.unlink()
    folder.chmod(0o500)
    refused("cannot be written")

    # Nor is a place where none can be made.
    folder.chmod(0o700)
    folder.rmdir()
    folder.parent.chmod(0o500)
    refused("Permission denied")
    folder.parent.chmod(0o700)
    """
    definitions = UNUSABLE[: UNUSABLE.index("assert loops.total")]
    child = layout.start(definitions + textwrap.dedent(script), *prefix)
    out, err = child.communicate(timeout=120)
    if "no right to give up rights" in err:
        pytest.skip("cannot drop the right to override permissions")
    assert child.returncode == 0, out + err


def test_old_folders_are_removed(layout: Layout) -> None:
    parent = layout.cache / "statmech"
    parent.mkdir(parents=True, mode=0o700)
    for name, days in ("kernels-old", 31), ("kernels-new", 29), ("other-old", 31):
        folder = parent / name
        folder.mkdir(mode=0o700)
        (folder / "entry").touch()
        then = time.time() - days * 24 * 3600
        os.utime(folder, (then, then))
    script = """
    folder = jit.kernel_cache_folder()
    found = {path.name for path in folder.parent.iterdir()}
    assert found == {folder.name, "kernels-new", "other-old"}, found
    """
    layout.run(script)


def test_other_functions_and_settings_are_left_alone(
    layout: Layout, tmp_path: Path
) -> None:
    """A file outside the packages compiles with the same policy but is not kept."""
    user = tmp_path / "project" / "user.py"
    user.write_text(HELPER)
    script = """
    import numba
    before = dict(os.environ), numba.config.CACHE_DIR
    import user
    assert user.helper(1.0) == 3.0 and loops.total(DATA) == 14.0
    assert type(user.helper._cache).__name__ == "NullCache"
    assert before == (dict(os.environ), numba.config.CACHE_DIR)

    @numba.njit
    def plain(x):
        return x
    assert type(plain._cache).__name__ == "NullCache"
    names = [path.name for path in jit.kernel_cache_folder().iterdir()]
    assert len(names) == 2, names
    """
    layout.run(script)
    assert not list(layout.package.parent.rglob("*.nb[ci]"))


def test_without_compilation_kernels_are_plain_functions(layout: Layout) -> None:
    script = """
    import types
    assert isinstance(loops.total, types.FunctionType)
    assert loops.total(DATA) == 14.0
    """
    layout.run(script, NUMBA_DISABLE_JIT="1")
    assert not layout.cache.exists()


OTHER_INTERFACES = {
    "no base class": "del caching._Cache",
    "no reader": "del serialize.loads",
    "nothing to write": "del compiler.CompileResult._reduce",
    "more is asked for": (
        "from abc import abstractmethod; "
        "caching._Cache.prune = abstractmethod(lambda self: None); "
        "caching._Cache.__abstractmethods__ |= {'prune'}"
    ),
}


@pytest.mark.parametrize("change", OTHER_INTERFACES.values(), ids=OTHER_INTERFACES)
def test_numba_with_another_cache_interface(layout: Layout, change: str) -> None:
    """Kernels compile, and one warning says that they are not kept."""
    script = f"""
    import warnings
    from numba.core import caching, compiler, serialize
    {change}
    import numpy as np
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from statmech import loops
        assert loops.total(np.arange(4.0)) == 14.0
        assert loops.triple(2.0) == 6.0
    assert [w.category.__name__ for w in caught] == ["CacheWarning"], caught
    """
    layout.run(script, prologue="")


def test_warnings_as_errors_do_not_keep_the_package_from_being_imported(
    layout: Layout,
) -> None:
    change = "from numba.core import caching\n" + OTHER_INTERFACES["more is asked for"]
    out = layout.run("print(loops.total(DATA))", prologue=change + PROLOGUE)
    assert out == "14.0"


def test_home_is_used_and_relative_xdg_ignored(layout: Layout, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for value in ("", "relative"):
        script = "print(jit.kernel_cache_folder())"
        out = layout.run(script, HOME=str(home), XDG_CACHE_HOME=value)
        assert Path(out).parent == home / ".cache" / "statmech"
    shutil.rmtree(home)
