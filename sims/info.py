"""What is installed, on what machine, and whom to cite."""

from __future__ import annotations

import functools
import os
import platform
from importlib import metadata

from sims.experiments import REFERENCES

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


def citations() -> str:
    """References of what the experiments compute, as text."""
    lines = [_OWN.format(version=metadata.version("statmech"))]
    for name, references in REFERENCES.items():
        lines += ["", f"{name}:", *(f"  {reference}" for reference in references)]
    return "\n".join(lines)
