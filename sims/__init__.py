"""The laboratory: experiments where theory and simulation meet and are judged.

Importing this package compiles nothing and loads nothing; names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

__distribution__ = "statmech"

_EXPORTS = {
    "Audit": "sims.audit",
    "Comparison": "sims.compare",
    "check": "sims.compare",
    "pool": "sims.pool",
    "run": "sims.functions",
    "store": "sims.store",
}

if TYPE_CHECKING:
    from sims import pool, store
    from sims.audit import Audit
    from sims.compare import Comparison, check
    from sims.functions import run

__all__ = ["Audit", "Comparison", "check", "pool", "run", "store"]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
