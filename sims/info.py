"""What is installed, on what machine, and whom to cite."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from sims.commands import convert
from sims.experiments import REFERENCES
from statmech.errors import ParameterError

_DISTRIBUTIONS = (
    "statmech",
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "matplotlib",
    "xarray",
    "h5netcdf",
)

_OWN = (
    "The statmech developers, statmech: Monte Carlo and replica theory of learning, "
    "version {version} (see CITATION.cff)."
)


def environment() -> str:
    """Versions, hardware, threads and the folder of compiled kernels, as text."""
    import llvmlite.binding as llvm

    from statmech.jit import kernel_cache_folder
    from statmech.machine import available_threads

    rows = [(name, metadata.version(name)) for name in _DISTRIBUTIONS]
    rows += [
        ("python", platform.python_version()),
        ("platform", platform.platform()),
        ("processor", f"{llvm.get_host_cpu_name()} ({platform.machine()})"),
        ("threads", f"{available_threads()} of {os.cpu_count()} cores"),
        ("memory", _memory()),
        ("kernels", str(kernel_cache_folder() or "not kept on disk")),
    ]
    return "\n".join(f"{name:<12} {value}" for name, value in rows)


@functools.cache
def versions() -> dict[str, str]:
    """What a result was computed with: kept beside every result."""
    import statmech

    names = ("numpy", "numba", "scipy")
    return {
        "statmech": statmech.__version__,
        "physics_version": str(statmech.PHYSICS_VERSION),
        **{name: metadata.version(name) for name in names},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
    }


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


# Networks that `statmech info --plan` shows if none is given.
_EXAMPLES = (
    {"n_spins": 4000, "n_patterns": 400, "acceptance": 0.065},
    {"n_spins": 4000, "n_patterns": 400, "acceptance": 0.001, "n_chains": 1},
    {"n_spins": 1000, "n_patterns": 50, "n_chains": 100},
    {"n_spins": 100, "n_patterns": 5000, "order": 4},
    {"n_spins": 10_000, "n_patterns": 5, "dilution": 0.25, "n_chains": 128},
)
_KINDS = {
    "n_spins": int,
    "n_patterns": int,
    "order": int,
    "n_chains": int,
    "dilution": float,
    "temperature": float,
    "acceptance": float,
    "n_sweeps": float,
}


def kernel_plans(words: Sequence[str]) -> str:
    """The form of the kernels that is chosen, and why, as text.

    Parameters
    ----------
    words : sequence of str
        NAME=VALUE, the names of `_KINDS`; without any, a few examples.

    Raises
    ------
    ParameterError
        If a word is not of this kind.
    """
    cases: Sequence[dict[str, Any]] = _EXAMPLES
    if words:
        given = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in _KINDS:
                allowed = f"NAME=VALUE, NAME one of {', '.join(_KINDS)}"
                raise ParameterError("plan", word, allowed)
            given[name] = convert(name, value, _KINDS[name])
        cases = [given]
    return "\n\n".join(_kernel_plan(**case) for case in cases)


def _kernel_plan(
    n_spins: int = 1000,
    n_patterns: int = 50,
    order: int = 2,
    dilution: float = 0.0,
    **how: Any,
) -> str:
    from statmech import HebbianNetwork
    from statmech.kernels.plan import plan
    from statmech.patterns import diluted, rademacher

    if dilution:
        xi = diluted(n_patterns, n_spins, dilution, seed=0)
    else:
        xi = rademacher(n_patterns, n_spins, seed=0)
    network = HebbianNetwork(xi, order)
    chosen = plan(network, **how)
    settings = "".join(f", {name} {value}" for name, value in how.items())
    return f"{network}{settings}\n  {chosen.form}: {chosen.reason}"


def citations() -> str:
    """References of what the experiments compute, as text."""
    lines = [_OWN.format(version=metadata.version("statmech"))]
    for name, references in REFERENCES.items():
        lines += ["", f"{name}:", *(f"  {reference}" for reference in references)]
    return "\n".join(lines)
