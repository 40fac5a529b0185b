"""Every way a computation can end, each a sentence with its remedy."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """Outcome of a computation. `status.ok` is true when the number may be used."""

    CONVERGED = "converged: residual and contraction-corrected error within tolerance"
    CLOSED_FORM = "closed form: no iteration was needed"
    SEARCH = (
        "found by search, not proof: nothing lower turned up among the starts; "
        "raise the number of starts to search harder"
    )
    RS_UNSTABLE = (
        "replica symmetry unstable here: its equations are solved, but the replicon is "
        "beyond the bound; take the numbers as qualitative, or move away from there"
    )
    NOT_CONVERGED = (
        "not converged: the tolerance was not reached; "
        "allow more iterations, or move away from the transition"
    )
    OSCILLATING = (
        "oscillating: the iteration has entered a cycle of two states, which it will "
        "not leave; damp it, or take another solver"
    )
    OUT_OF_BOUNDS = (
        "out of bounds: an order parameter left its physical range; "
        "start nearer to the branch, and report the values if it persists"
    )
    NO_RETRIEVAL = (
        "no retrieval: beyond the spinodal no retrieval state exists; "
        "lower the load or the temperature"
    )
    NO_BRANCH = (
        "no such branch: this branch does not exist at these parameters; "
        "ask for another branch or move in the phase diagram"
    )
    NO_TRANSITION = (
        "no transition: the defining condition has no solution in the range searched; "
        "move to a load or temperature that the line crosses"
    )
    NEEDS_RSB = (
        "needs replica symmetry breaking: this state breaks replica symmetry in a way "
        "that is not solved here; at P >= 3 without coincident indices ask solve_glass"
    )
    UNDEFINED = (
        "undefined: this quantity has no meaning for this model; "
        "see the docstring for where it exists"
    )

    @property
    def ok(self) -> bool:
        """True when the number that carries this status may be used."""
        return self in (
            Status.CONVERGED,
            Status.CLOSED_FORM,
            Status.SEARCH,
            Status.RS_UNSTABLE,
        )

    def __str__(self) -> str:
        return self.value
