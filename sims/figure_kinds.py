"""The kinds of figures that a sweep's file can ask for, and the axes each can show."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """Axes of a sweep, `sample` aside, that a figure needs and how many it can show."""

    needs: tuple[str, ...] = ()
    most: int = 2
    may: tuple[str, ...] | None = None  # all that may vary, where that is limited


KINDS = {
    "curves": Kind(),
    "finite-size": Kind(("n_spins",)),
    "hysteresis": Kind(most=1),
    "basin": Kind(),
    "storage-diagram": Kind(("alpha", "temperature")),
    "learning-diagram": Kind(
        ("alpha", "temperature"),
        most=4,
        may=("alpha", "temperature", "protocol", "n_examples"),
    ),
    "demand": Kind(("quality",)),
    "amplitudes": Kind(most=1),
    "regions": Kind(("dilution", "temperature")),
    "noise": Kind(("dilution", "n_examples")),
    "losses": Kind(most=1),
    "students": Kind(("alpha",)),
    "evolution": Kind(may=("alpha",), most=1),
    "potential": Kind(may=("alpha",), most=1),
    "separation": Kind(("step",)),
    "two-tasks": Kind(
        ("alpha2",), most=3, may=("alpha2", "teacher_correlation", "learner")
    ),
    "handover": Kind(
        ("learner",),
        may=("learner", "alpha2", "teacher_correlation", "gamma"),
    ),
    "epochs": Kind(may=("teacher_correlation",), most=1),
    "single-task": Kind(("alpha",), most=1),
    "solver-iterations": Kind(("alignment",), may=("alignment", "solver")),
    "solutions": Kind(("largest",)),
    "mean-field-errors": Kind(("beta",), most=1),
    "magnetisation": Kind(("coupling",), may=("coupling", "n_spins")),
}
FIGURES = tuple(KINDS)


def objection(kind: str, axes: Collection[str]) -> str:
    """Why a sweep over these axes cannot be drawn so; empty if it can."""
    rule = KINDS[kind]
    lacking = [name for name in rule.needs if name not in axes]
    if lacking:
        needed = ", ".join(repr(name) for name in rule.needs)
        return f"kind = {kind!r}: needs axes {needed}"
    if len(axes) > rule.most:
        return f"{len(axes)} axes: this figure can show {rule.most} at most"
    if rule.may is not None:
        for name in axes:
            if name not in rule.may:
                allowed = ", ".join(repr(one) for one in rule.may)
                return f"kind = {kind!r}: {name!r} cannot vary, only {allowed}"
    return ""
