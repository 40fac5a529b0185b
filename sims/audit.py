"""Checks of exact statements: what was measured against a bound, and a control.

Where theory says not what a quantity is but what it cannot exceed, there is nothing to
average over disorder samples. A finding holds if the measured value is within its
bound; it is informative if the same measurement, made where the statement is wrong,
is not.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Finding:
    """One statement.

    Attributes
    ----------
    claim : str
        What must hold.
    value, bound : float
        It holds if value <= bound; a value that is NaN does not hold.
    control : float
        The value where the claim is wrong: above the bound, or it tells nothing.
    planted : str
        What was made wrong for the control.
    """

    claim: str
    value: float
    bound: float
    control: float
    planted: str

    @property
    def holds(self) -> bool:
        return self.value <= self.bound

    @property
    def informative(self) -> bool:
        """Whether the control is above the bound."""
        return self.control > self.bound

    @property
    def verdict(self) -> str:
        """ "holds", "FAILS" or "not informative"."""
        if not self.holds:
            return "FAILS"
        return "holds" if self.informative else "not informative"


@dataclass(frozen=True)
class Audit:
    """All findings of one check.

    Attributes
    ----------
    name : str
        Of the experiment.
    settings : dict
        Every parameter, defaults written back.
    findings : tuple of Finding
    """

    name: str
    settings: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def agrees(self) -> bool:
        """Whether every claim holds, and every control fails."""
        return self.verdict == "agrees"

    @property
    def verdict(self) -> str:
        """ "agrees", "disagrees" or "not informative"."""
        if not all(finding.holds for finding in self.findings):
            return "disagrees"
        telling = all(finding.informative for finding in self.findings)
        return "agrees" if telling else "not informative"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; what is not a number becomes null."""
        return {
            "experiment": self.name,
            "settings": self.settings,
            "verdict": self.verdict,
            "findings": [
                {
                    "claim": one.claim,
                    "value": _number(one.value),
                    "bound": _number(one.bound),
                    "control": _number(one.control),
                    "planted": one.planted,
                    "holds": one.holds,
                    "informative": one.informative,
                }
                for one in self.findings
            ],
        }

    def __str__(self) -> str:
        settings = ", ".join(f"{k}={v}" for k, v in self.settings.items())
        width = max(len(one.claim) for one in self.findings)
        lines = [
            f"{self.name}: {settings}",
            "",
            f"{'claim':<{width}}  {'measured':>10}  {'bound':>10}  {'control':>10}"
            "  verdict",
        ]
        for one in self.findings:
            numbers = "  ".join(
                f"{x:>10.3g}" for x in (one.value, one.bound, one.control)
            )
            lines.append(f"{one.claim:<{width}}  {numbers}  {one.verdict}")
        lines += ["", "controls, which must exceed the bound:"]
        lines += [f"  {one.claim}: {one.planted}" for one in self.findings]
        return "\n".join([*lines, f"verdict: {self.verdict}"])


class Audited(ABC):
    """An experiment that is checked by statements, not by averages."""

    name: ClassVar[str]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Every parameter, defaults written back."""

    @abstractmethod
    def audit(self) -> Audit:
        """Measure everything."""


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
