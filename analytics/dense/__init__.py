"""Replica-symmetric theory of dense (P-spin) Hebbian networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "BrokenRetrieval": "analytics.dense.broken_retrieval",
    "GlassState": "analytics.dense.breaking",
    "Line": "analytics.dense.lines",
    "StorageGrid": "analytics.dense.storage",
    "find_critical_load": "analytics.dense.lines",
    "find_min_examples": "analytics.dense.learning_lines",
    "find_transition_temperature": "analytics.dense.lines",
    "solve_broken_retrieval": "analytics.dense.broken_retrieval",
    "solve_glass": "analytics.dense.breaking",
    "solve_storage": "analytics.dense.storage",
    "solve_storage_grid": "analytics.dense.storage",
    "solve_supervised": "analytics.dense.learning",
    "solve_unsupervised": "analytics.dense.learning",
    "trace_line": "analytics.dense.lines",
}

if TYPE_CHECKING:
    from analytics.dense.breaking import GlassState, solve_glass
    from analytics.dense.broken_retrieval import (
        BrokenRetrieval,
        solve_broken_retrieval,
    )
    from analytics.dense.learning import solve_supervised, solve_unsupervised
    from analytics.dense.learning_lines import find_min_examples
    from analytics.dense.lines import (
        Line,
        find_critical_load,
        find_transition_temperature,
        trace_line,
    )
    from analytics.dense.storage import StorageGrid, solve_storage, solve_storage_grid

__all__ = [
    "BrokenRetrieval",
    "GlassState",
    "Line",
    "StorageGrid",
    "find_critical_load",
    "find_min_examples",
    "find_transition_temperature",
    "solve_broken_retrieval",
    "solve_glass",
    "solve_storage",
    "solve_storage_grid",
    "solve_supervised",
    "solve_unsupervised",
    "trace_line",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
