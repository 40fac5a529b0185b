"""What the source text of the packages must never contain, and who may import whom.

Every check is a function of source text, and is itself checked on a planted violation.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from statmech.jit import kernel_sources

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("statmech", "analytics", "sims")
LEAVES = {
    f"statmech.{name}"
    for name in ("errors", "status", "jit", "special", "lazy", "machine")
}
# Leaves that hold no compiled code, so that kernels may take constants from them.
PLAIN_LEAVES = LEAVES - {"statmech.jit", "statmech.special"}
HEAVY = ("numba", "matplotlib", "xarray", "scipy", "dask")

SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def module_name(path: Path) -> str:
    """Dotted name of a file of the packages."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


# Forbidden words ---------------------------------------------------------------


def dotted(node: ast.expr) -> str:
    """'np.random.seed' of the expression, '' if it is not a dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else f".{node.attr}"
    return ""


PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "jitclass"}


def is_true(node: ast.expr) -> bool:
    """False only for what is literally false: a variable may turn out true."""
    return not (isinstance(node, ast.Constant) and not node.value)


def forbidden(
    source: str, *, prints: bool = False, compiles: bool = False
) -> list[str]:
    """What `source` contains that no package file may, as 'line: what'."""
    found = []
    for node in ast.walk(ast.parse(source)):
        words: list[str] = []
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                origin = node.module or ""
                names = {f"{origin}.{name}" for name in names} | {origin}
                if origin.split(".")[0] == "numba":
                    names |= {f"numba.{alias.name}" for alias in node.names}
            words = sorted(names)
        elif isinstance(node, (ast.Name, ast.Attribute)):
            words = [dotted(node)]
        elif isinstance(node, ast.keyword):
            risky = node.arg in ("shell", "fastmath", "allow_pickle")
            if risky and is_true(node.value):
                found.append(f"{node.value.lineno}: {node.arg}")
            continue
        for word in words:
            if not allowed(word, prints, compiles):
                found.append(f"{node.lineno}: {word}")  # type: ignore[attr-defined]
    return found


def allowed(word: str, prints: bool, compiles: bool) -> bool:
    """Whether a dotted name may be used."""
    parts = word.split(".")
    if PICKLERS & set(parts) or parts[-1] in ("read_pickle", "to_pickle"):
        return False
    if word in ("eval", "exec", "builtins.eval", "builtins.exec"):
        return False
    if parts[0] == "yaml" or word.endswith("random.seed"):
        return False
    if word == "print" and not prints:
        return False
    return compiles or not (
        word == "njit" or (parts[0] in ("numba", "nb") and COMPILERS & set(parts))
    )


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_forbidden_word(path: Path) -> None:
    """No object serialisation by code, no evaluated text, no global random state, no
    fast-math, no shell; only the command line prints, only `kernel` compiles."""
    name = module_name(path)
    found = forbidden(
        path.read_text(encoding="utf-8"),
        prints=name in ("sims.cli", "sims.commands", "sims.__main__"),
        compiles=name == "statmech.jit",
    )
    assert found == []


PLANTED = [
    "import pickle",
    "from pickle import loads",
    "from numba import cloudpickle",
    "import dill as d",
    "frame.to_pickle(path)",
    "eval('1')",
    "exec(text)",
    "run = exec",
    "import builtins\nbuiltins.eval('1')",
    "import yaml\nyaml.load(text)",
    "from yaml import load",
    "subprocess.run(command, shell=True)",
    "subprocess.run(command, shell=flag)",
    "njit(fastmath=True)(f)",
    "njit(fastmath={'nnan'})(f)",
    "np.random.seed(1)",
    "numpy.random.seed(1)",
    "from numpy.random import seed",
    "np.load(path, allow_pickle=True)",
    "def f():\n    print(1)",
    "import numba\n@numba.njit\ndef f(): pass",
    "from numba import njit",
    "import numba as nb\nnb.jit(f)",
    "from numba.experimental import jitclass",
]


@pytest.mark.parametrize("source", PLANTED)
def test_planted_word_is_found(source: str) -> None:
    assert forbidden(source)


def test_allowed_words_are_not_found() -> None:
    source = """
'''Never pickle, eval( or exec( in a docstring; np.random.seed(1) neither.'''
import numba
np.load(path, allow_pickle=False)
subprocess.run(command, shell=False)
numba.set_num_threads(1)
solver.exec_time, model.eval()
"""
    assert forbidden(source) == []
    assert forbidden("print(1)", prints=True) == []


# Layers ------------------------------------------------------------------------


def imports(source: str, name: str, is_package: bool) -> Iterator[tuple[ast.AST, str]]:
    """Every module that `source` of module `name` imports, wherever it does so.

    Names written as text, in `import_module` or in the table of a lazy namespace,
    count: they are imports that happen later.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = name.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node, inner if is_module(inner) else base
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.split(":")[0]
            if "." in text and text.split(".")[0] in PACKAGES and is_module(text):
                yield node, text


def may_import(importer: str, imported: str) -> bool:
    """The arrows of the layers: sims -> analytics -> leaves, sims -> statmech."""
    package, target = importer.split(".")[0], imported.split(".")[0]
    if target not in PACKAGES:
        return True
    if importer in LEAVES:
        return imported in LEAVES
    if package == "statmech":
        return target == "statmech"
    if package == "analytics":
        return target == "analytics" or imported in LEAVES
    return True


def upward(source: str, name: str, is_package: bool = False) -> list[str]:
    """The imports of `source` that its layer forbids."""
    return [
        imported
        for _, imported in imports(source, name, is_package)
        if not may_import(name, imported)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_layers(path: Path) -> None:
    """Theory and simulation know neither each other nor the laboratory."""
    source = path.read_text(encoding="utf-8")
    assert upward(source, module_name(path), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("statmech.rng", "import analytics"),
        ("statmech.rng", "from sims import runner"),
        ("statmech.rng", "def f():\n    from analytics.gauss import x"),
        (
            "statmech.rng",
            "import importlib\nimportlib.import_module('sims.experiments')",
        ),
        ("statmech.rng", "EXPORTS = {'x': 'analytics.gauss'}"),
        ("analytics.gauss", "import statmech"),
        ("analytics.gauss", "from statmech import rng"),
        ("analytics.gauss", "from statmech import special, rng"),
        ("analytics.gauss", "def f():\n    import statmech.hebbian as h"),
        ("analytics.gauss", "from statmech.rng import word"),
        ("analytics.gauss", "import sims"),
        ("analytics.dense.curve", "from ...statmech import rng"),
        ("statmech.errors", "import statmech.rng"),
        ("statmech.errors", "from . import rng"),
        ("statmech.errors", "from .rng import word"),
        ("statmech.special", "from statmech.rng import word"),
        ("statmech.jit", "import analytics"),
    ],
)
def test_planted_arrow_is_found(name: str, source: str) -> None:
    assert upward(source, name)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("sims.runner", "import statmech, analytics.gauss\nfrom . import store"),
        ("analytics.gauss", "from statmech import special, errors\nimport numpy"),
        ("analytics.gauss", "from . import solve\nfrom statmech.jit import kernel"),
        ("statmech.hebbian", "from .kernels import hebbian\nfrom statmech import rng"),
        ("statmech.jit", "from statmech.errors import CacheWarning\nimport numba"),
        ("statmech.rng", "'''What sims.runner does is not known here.'''"),
    ],
)
def test_allowed_arrow_is_not_found(name: str, source: str) -> None:
    assert upward(source, name) == []


def heavy_after(module: str) -> str:
    """Which heavy dependencies a new process has after importing `module`."""
    script = (
        f"import sys, {module}; "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    """The heavy dependencies come with the first use of what needs them."""
    assert heavy_after(package) == ""


def test_heavy_import_is_seen() -> None:
    assert "numba" in heavy_after("statmech.jit").split()


# Kernel sources ----------------------------------------------------------------


def imports_jit(source: str, name: str, is_package: bool) -> bool:
    """Whether a statement imports `statmech.jit`."""
    return any(
        imported == "statmech.jit" and isinstance(node, (ast.Import, ast.ImportFrom))
        for node, imported in imports(source, name, is_package)
    )


def foreign_names(
    source: str, name: str, kernel_modules: Iterable[str], is_package: bool = False
) -> list[str]:
    """What the kernels of `source` use from files whose text the cache does not know.

    A kernel may use names from kernel files and from leaves without compiled code. A
    module of ours as such is not allowed: what it would give cannot be followed.
    """
    known = set(kernel_modules) | PLAIN_LEAVES
    tree = ast.parse(source)
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            single = ast.unparse(node)
            for alias in node.names:
                part = type(node)(**{**vars(node), "names": [alias]})
                ((_, module),) = imports(ast.unparse(part), name, is_package)
                full = alias.name.split(".")[-1]
                as_module = isinstance(node, ast.Import) or module.endswith(f".{full}")
                bound = alias.asname or alias.name.split(".")[0]
                if module.split(".")[0] in PACKAGES and (
                    as_module or module not in known
                ):
                    origin[bound] = single
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        marks = {dotted(mark).split(".")[-1] for mark in node.decorator_list}
        if "kernel" not in marks:
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in origin:
                found.append(f"{node.name} uses {inner.id}: {origin[inner.id]}")
            elif inner is not node and isinstance(
                inner, (ast.Import, ast.ImportFrom, ast.FunctionDef)
            ):
                found.append(f"{node.name} contains {ast.unparse(inner)}")
    return found


KERNEL_MODULES = {module_name(path) for path in kernel_sources()}


def test_kernel_sources_are_all_found() -> None:
    """The scan of the text finds exactly the files whose syntax tree imports jit."""
    expected = {
        module_name(path)
        for path in SOURCES
        if module_name(path).split(".")[0] in ("statmech", "analytics")
        and imports_jit(
            path.read_text(encoding="utf-8"),
            module_name(path),
            path.name == "__init__.py",
        )
    }
    assert expected | {"statmech.jit"} == KERNEL_MODULES


@pytest.mark.parametrize("path", kernel_sources(), ids=module_name)
def test_kernels_use_only_what_names_the_cache(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    name = module_name(path)
    assert foreign_names(source, name, KERNEL_MODULES) == []


KERNEL = "\n@kernel\ndef f(x):\n    return {}(x)\n"


@pytest.mark.parametrize(
    ("head", "used"),
    [
        ("from statmech.hebbian import g", "g"),
        ("from statmech.hebbian import g as h", "h"),
        ("from ..hebbian import g", "g"),
        ("from statmech import hebbian", "hebbian.g"),
        ("from statmech import rng", "rng.word"),
        ("import statmech.rng", "statmech.rng.word"),
        ("from statmech.special import log_2cosh", "log_2cosh"),
    ],
)
def test_planted_foreign_name_is_found(head: str, used: str) -> None:
    known = {"statmech.jit", "statmech.rng"}
    source = head + KERNEL.format(used)
    assert foreign_names(source, "statmech.kernels.planted", known)
    assert not foreign_names(head, "statmech.kernels.planted", known)


def test_allowed_names_of_kernels_are_not_found() -> None:
    source = (
        "import math\nimport numpy as np\n"
        "from statmech.rng import word\nfrom statmech.errors import check_real\n"
        "from statmech.hebbian import g\n"
        "def wrapper(x):\n    return g(x)\n" + KERNEL.format("word")
    )
    assert foreign_names(source, "statmech.kernels.planted", {"statmech.rng"}) == []


def test_sources_are_there() -> None:
    """The checks above see the three packages."""
    assert {module_name(path) for path in SOURCES} >= {*PACKAGES, *LEAVES}
