"""Mean field of pairwise models: plain iterations, TAP, linear response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "FixedPoint": "statmech.mean_field.fixed_point",
    "Response": "statmech.mean_field.response",
    "linear_response": "statmech.mean_field.response",
    "parallel": "statmech.mean_field.pairwise",
    "sequential": "statmech.mean_field.pairwise",
    "tap": "statmech.mean_field.tap_equations",
    "tap_response": "statmech.mean_field.response",
}

if TYPE_CHECKING:
    from statmech.mean_field.fixed_point import FixedPoint
    from statmech.mean_field.pairwise import parallel, sequential
    from statmech.mean_field.response import Response, linear_response, tap_response
    from statmech.mean_field.tap_equations import tap

__all__ = [
    "FixedPoint",
    "Response",
    "linear_response",
    "parallel",
    "sequential",
    "tap",
    "tap_response",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
