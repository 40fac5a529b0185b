"""The laboratory: experiments where theory and simulation meet and are judged.

Importing this package compiles nothing and loads nothing; names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

__distribution__ = "statmech"

_EXPORTS = {
    "Comparison": "sims.compare",
    "check": "sims.compare",
}

if TYPE_CHECKING:
    from sims.compare import Comparison, check

__all__ = ["Comparison", "check"]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
