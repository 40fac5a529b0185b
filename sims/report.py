"""Tables as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sims.compare import Comparison, Row


def comparison_table(comparison: Comparison) -> str:
    """Settings, one line a row, escapes, verdict."""
    settings = ", ".join(f"{k}={v}" for k, v in comparison.settings.items())
    lines = [
        f"{comparison.name}: {settings}",
        "",
        f"{'observable':<10} {'N':>6} {'theory':>11} {'simulation':>14} "
        f"{'allowance':>10} {'z':>7}  verdict",
    ]
    lines += [_row_line(row) for row in comparison.rows]
    lines += ["", *_notes(comparison)]
    return "\n".join(lines)


def _row_line(row: Row) -> str:
    return (
        f"{row.observable:<10} {row.n_spins:>6} {row.prediction.value:>11.6f} "
        f"{row.estimate!s:>14} {row.allowance:>10.2g} {row.z:>7.2f}  {row.verdict}"
    )


def _notes(comparison: Comparison) -> list[str]:
    from sims.compare import DEFAULT_SLOPE

    lines = []
    for row in comparison.rows[::2]:
        if row.slope != DEFAULT_SLOPE:
            lines.append(
                f"allowance of {row.observable}: {row.slope:.2g}/N, from the two sizes"
            )
    lines += [
        f"{row.observable} at N = {row.n_spins} is not reliable: {row.estimate.reason}"
        for row in comparison.rows
        if not row.estimate.reliable
    ]
    lines.append(
        f"{comparison.escaped} of {comparison.chains} chains left the retrieval state"
        " (they are in the averages)"
    )
    told = "is rejected" if comparison.rejects_planted else "is NOT rejected"
    lines.append(f"a theory with sqrt(2) times the noise {told}")
    remedy = ""
    if comparison.verdict == "not informative":
        remedy = (
            ": the allowance exceeds half the distance to a wrong theory; "
            "take a larger N, or a load or temperature nearer to the spinodal"
        )
    lines.append(f"verdict: {comparison.verdict}{remedy}")
    return lines
