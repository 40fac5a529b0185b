"""Replica-symmetric theory of dense (P-spin) Hebbian networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Line": "analytics.dense.lines",
    "StorageGrid": "analytics.dense.storage",
    "find_critical_load": "analytics.dense.lines",
    "find_transition_temperature": "analytics.dense.lines",
    "solve_storage": "analytics.dense.storage",
    "solve_storage_grid": "analytics.dense.storage",
    "trace_line": "analytics.dense.lines",
}

if TYPE_CHECKING:
    from analytics.dense.lines import (
        Line,
        find_critical_load,
        find_transition_temperature,
        trace_line,
    )
    from analytics.dense.storage import StorageGrid, solve_storage, solve_storage_grid

__all__ = [
    "Line",
    "StorageGrid",
    "find_critical_load",
    "find_transition_temperature",
    "solve_storage",
    "solve_storage_grid",
    "trace_line",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
