"""Tables as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sims.compare import Comparison, Row
    from sims.store import Store


def comparison_table(comparison: Comparison) -> str:
    """Settings, one line a row, escapes, verdict."""
    settings = ", ".join(f"{k}={v}" for k, v in comparison.settings.items())
    width = max(10, *(len(row.observable) for row in comparison.rows))
    lines = [
        f"{comparison.name}: {settings}",
        "",
        f"{'observable':<{width}} {'N':>6} {'theory':>11} {'simulation':>14} "
        f"{'allowance':>10} {'z':>7}  verdict",
    ]
    lines += [_row_line(row, width) for row in comparison.rows]
    lines += ["", *_notes(comparison)]
    return "\n".join(lines)


def _row_line(row: Row, width: int) -> str:
    return (
        f"{row.observable:<{width}} {row.n_spins:>6} {row.prediction.value:>11.6f} "
        f"{row.estimate!s:>14} {row.allowance:>10.2g} {row.z:>7.2f}  {row.verdict}"
    )


def _notes(comparison: Comparison) -> list[str]:
    lines = []
    for row in comparison.rows[::2]:
        if row.slope_is_measured:
            lines.append(
                f"allowance of {row.observable}: {row.slope:.2g}/N, from the two sizes"
            )
    lines += [
        f"{row.observable} at N = {row.n_spins} is not reliable: {row.estimate.reason}"
        for row in comparison.rows
        if not row.estimate.reliable
    ]
    lines.append(
        f"{comparison.escaped} of {comparison.chains} chains left the state of theory"
        " (they are in the averages)"
    )
    told = "is rejected" if comparison.rejects_planted else "is NOT rejected"
    lines.append(f"{comparison.planted} {told}")
    remedy = ""
    if comparison.verdict == "not informative":
        remedy = (
            ": no reliable estimate has an allowance below half the distance to a "
            "wrong theory; take more samples, a larger N, or parameters nearer to "
            "the end of the state"
        )
    lines.append(f"verdict: {comparison.verdict}{remedy}")
    return lines


def checks_table(comparisons: Sequence[Comparison]) -> str:
    """One line a comparison: the largest size's m, all z-scores, the verdict."""
    names = list(dict.fromkeys(row.observable for row in comparisons[0].rows))
    header = "".join(f"{'z of ' + name:>15}" for name in names)
    lines = [
        f"{'alpha':>9} {'T':>6} {'N':>11} {'m theory':>9} {'m simulation':>14}"
        f"{header}  {'escaped':>8}  verdict"
    ]
    for c in comparisons:
        sizes = sorted({row.n_spins for row in c.rows})
        largest = next(
            r for r in c.rows if r.observable == names[0] and r.n_spins == sizes[-1]
        )
        scores = "".join(
            f"{' '.join(f'{r.z:+.1f}' for r in c.rows if r.observable == name):>15}"
            for name in names
        )
        lines.append(
            f"{c.settings['alpha']:>9.5f} {c.settings['temperature']:>6.3f} "
            f"{', '.join(map(str, sizes)):>11} {largest.prediction.value:>9.5f} "
            f"{largest.estimate!s:>14}{scores}"
            f"  {c.escaped:>3}/{c.chains:<4}  {c.verdict}"
        )
    n_agree = sum(c.agrees for c in comparisons)
    chance = comparisons[0].false_alarm
    rejected = sum(c.rejects_planted for c in comparisons)
    lines += [
        "",
        "z = (simulation - theory) / SE at the smaller and the larger size, before the "
        "allowance for finite N",
        f"{n_agree} of {len(comparisons)} points agree (a right theory fails a point "
        f"by chance with probability below {chance:.1%}); a theory with sqrt(2) times "
        f"the noise is rejected at {rejected}",
    ]
    return "\n".join(lines)


def record_status(store: Store) -> tuple[int, str]:
    """(points without a result, what is asked for and what is there)."""
    from sims.sweep import progress_of
    from sims.task import load_task

    requests = store.requests()
    if not requests:
        return 0, f"{store.path}: no request yet"
    request = requests[-1]
    task = load_task(request)
    jobs = [task.job(parameters) for parameters in request.points()]
    progress = progress_of(store, jobs)
    axes = " x ".join(
        f"{name} ({n})" for name, n in zip(request.axes, request.shape, strict=True)
    )
    lines = [
        request.title or request.task,
        f"task         {request.task}",
        f"axes         {axes}",
        f"points       {progress.n_points}: {progress.done} done, "
        f"{progress.failed} failed, {progress.missing} missing",
        f"fingerprint  {progress.fingerprint}",
    ]
    reasons: dict[str, int] = {}
    for job in jobs:
        record = store.get(job.key)
        if record is not None and record.message:
            reasons[record.message] = reasons.get(record.message, 0) + 1
    ranked = sorted(reasons.items(), key=lambda item: -item[1])
    lines += [f"failed       {n} points: {why}" for why, n in ranked[:5]]
    return progress.n_points - progress.done, "\n".join(lines)
