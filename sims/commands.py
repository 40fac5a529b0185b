"""The commands of sweeps: sweep, status, export, plot."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

EXIT_AGREE, EXIT_DISAGREE, EXIT_BAD_INPUT = 0, 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM; no handler of ordinary errors may swallow it."""


def add_sweeps(commands: Any) -> None:
    """sweep, status, export, plot."""
    sweep = commands.add_parser("sweep", help="run a grid of points; resumes")
    preset = sweep.add_argument(
        "preset",
        metavar="PRESET-OR-FILE.toml",
        help="a name that `statmech list` shows, or your own file",
    )
    preset.completer = _preset_words
    sweep.add_argument(
        "--out", metavar="DIR", required=True, help="folder of the record"
    )
    sweep.add_argument("--workers", metavar="INT", help="processes (default: cores)")
    sweep.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler instead")
    sweep.add_argument("--samples", metavar="INT", help="disorder samples a point")
    sweep.add_argument("--seed", metavar="INT", help="any integer >= 0")
    sweep.add_argument("--quick", action="store_true", help="the file's smaller budget")
    sweep.add_argument(
        "--plan",
        action="store_true",
        help="print points, predicted time and memory; write nothing",
    )
    sweep.set_defaults(run=_sweep)

    status = commands.add_parser("status", help="where the sweep in a folder stands")
    status.add_argument("folder", metavar="DIR")
    status.add_argument("--verify", action="store_true", help="look at every byte")
    status.add_argument(
        "--repair",
        action="store_true",
        help="set damaged points aside and compute them again",
    )
    status.add_argument("--workers", metavar="INT", help="processes of the repair")
    status.set_defaults(run=_status)

    export = commands.add_parser("export", help="a record as netCDF or CSV")
    export.add_argument("folder", metavar="DIR")
    export.add_argument("target", metavar="FILE.nc|FILE.csv")
    export.set_defaults(run=_export)

    plot = commands.add_parser("plot", help="the figure of a sweep")
    plot.add_argument("folder", metavar="DIR")
    plot.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="PNG, PDF or SVG (default: figure.pdf in the folder)",
    )
    plot.set_defaults(run=_plot)


def _preset_words(**_: Any) -> list[str]:
    from sims.preset import preset_names

    return preset_names()


def _sweep(options: argparse.Namespace) -> int:
    from sims.preset import load_preset
    from sims.sweep import plan_sweep, run_sweep

    request = load_preset(
        options.preset,
        quick=options.quick,
        samples=_optional("samples", options.samples),
        seed=_optional("seed", options.seed),
    )
    workers = _optional("workers", options.workers)
    if options.plan:
        print(plan_sweep(request, options.out, workers=workers))
        return EXIT_AGREE
    with _termination():
        progress = run_sweep(
            request, options.out, workers=workers, dask=options.dask, progress="sweep"
        )
    print(progress)
    if progress.failed:
        print(f"why: statmech status {options.out}", file=sys.stderr)
    return EXIT_AGREE if progress.done == progress.n_points else EXIT_DISAGREE


def _status(options: argparse.Namespace) -> int:
    from sims import report, store
    from sims.export import check_path
    from sims.verify import inspect, repair

    check_path("folder", options.folder)
    damaged = False
    if not Path(options.folder, "ledger.txt").exists():
        store.open(options.folder).close()
    if options.repair:
        print(f"before the repair: {repair(options.folder).summary}")
    elif options.verify:
        found = inspect(options.folder)
        damaged = found.damaged or bool(found.lost)
        print(found.summary)
        if found.damaged:
            print(f"statmech status {options.folder} --repair computes them again")
    if options.repair or not damaged:
        with store.open(options.folder) as record:
            lacking, text = report.record_status(record)
        if options.repair and lacking:
            text = _recompute(options, text)
        print(text)
    return EXIT_DISAGREE if damaged else EXIT_AGREE


def _recompute(options: argparse.Namespace, text: str) -> str:
    """Complete a repaired record to its last request."""
    from sims import store
    from sims.sweep import run_sweep

    with store.open(options.folder) as record:
        request = record.requests()[-1]
    if ":" in request.task:
        return f"{text}\nrun your script again to compute what is missing"
    with _termination():
        return str(
            run_sweep(
                request,
                options.folder,
                workers=_optional("workers", options.workers),
                progress="repair",
            )
        )


def _export(options: argparse.Namespace) -> int:
    from sims import store
    from sims.export import check_table, write_table

    target = check_table(options.target)
    with store.open(options.folder) as record:
        dataset = record.dataset()
    print(write_table(dataset, target))
    return EXIT_AGREE


def _plot(options: argparse.Namespace) -> int:
    from sims import store
    from sims.export import check_target

    with store.open(options.folder) as record:
        target = check_target(options.out or Path(options.folder) / "figure.pdf")
        dataset = record.dataset()
    from sims.figures import draw_sweep
    from sims.plot import save_figure

    print(save_figure(draw_sweep(dataset), target))
    return EXIT_AGREE


@contextmanager
def _termination() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that files are closed and workers end."""
    import signal
    import threading

    def stop(*_: Any) -> NoReturn:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _optional(name: str, text: str | None) -> int | None:
    return None if text is None else convert(name, text, int)


def convert(name: str, text: str, kind: Callable[[str], Any]) -> Any:
    """`text` as int, float or str; what it cannot be is refused by name."""
    from statmech.errors import ParameterTypeError

    try:
        return kind(text)
    except ValueError:
        wanted = "an integer" if kind is int else "a number"
        raise ParameterTypeError(name, text, wanted) from None
