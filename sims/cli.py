"""The command line; its parser is built from names alone, so help is quick."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from sims.check_options import CHECK_OPTIONS
from sims.commands import (
    EXIT_AGREE,
    EXIT_BAD_INPUT,
    EXIT_DISAGREE,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    Terminated,
    add_sweeps,
    convert,
)

_DESCRIPTION = """\
Statistical mechanics of learning: Monte Carlo and replica theory as independent
witnesses, with a verdict."""

_EPILOG = """\
exit codes: 0 theory and simulation agree, every point is done, the record is sound;
1 they disagree or nothing could be told, points failed, damage was found; 2 bad input;
130, 143 interrupted, terminated: what was finished is kept, and goes on."""


class _Parser(argparse.ArgumentParser):
    """Errors are one line on stderr, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code."""
    parser = build_parser()
    _complete_words(parser)
    options = parser.parse_args(arguments)
    from statmech.errors import StatmechError

    try:
        _check_place()
        return int(options.run(options))
    except StatmechError as error:
        print(f"statmech: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except Terminated:
        print("statmech: terminated", file=sys.stderr)
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        print("statmech: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; nothing is left to be said to it.
        sys.stderr.close()
        return EXIT_AGREE


def build_parser() -> argparse.ArgumentParser:
    """All commands."""
    parser = _Parser(
        prog="statmech",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="experiments and what each predicts")
    listing.set_defaults(run=_list)

    info = commands.add_parser("info", help="versions, hardware, threads")
    info.add_argument(
        "--cite", action="store_true", help="references of what is computed"
    )
    info.add_argument(
        "--plan",
        nargs="*",
        metavar="NAME=VALUE",
        help="forms of the kernels and why: n_spins=4000 n_patterns=400 order=2 "
        "n_chains=2 dilution=0 temperature=0.3 acceptance=0.05 n_sweeps=1000",
    )
    info.set_defaults(run=_info)

    check = commands.add_parser("check", help="theory against simulation, a verdict")
    experiments = check.add_subparsers(
        dest="experiment", required=True, metavar="EXPERIMENT"
    )
    for name, rows in CHECK_OPTIONS.items():
        one = experiments.add_parser(name, help=f"see `statmech list` for {name!r}")
        for flags, parameter, kind, text in rows:
            one.add_argument(
                *flags, dest=parameter, metavar=kind.__name__.upper(), help=text
            )
        one.add_argument("--quick", action="store_true", help="a smaller budget")
        one.add_argument("--json", action="store_true", help="the result as JSON")
        one.set_defaults(run=_check)

    diagram = commands.add_parser(
        "phase-diagram", help="lines from theory over a Monte Carlo map"
    )
    systems = diagram.add_subparsers(
        dest="experiment", required=True, metavar="EXPERIMENT"
    )
    dense = systems.add_parser("dense", help="P-spin Hebbian networks, storage")
    dense.add_argument("--order", metavar="INT", help="P >= 2 (default 2)")
    dense.add_argument("--seed", metavar="INT", help="any integer >= 0 (default 0)")
    dense.add_argument(
        "--out",
        metavar="FILE",
        help="PNG, PDF or SVG; the data go beside it as netCDF "
        "(default figures/dense-pP.png)",
    )
    dense.set_defaults(run=_phase_diagram)
    add_sweeps(commands)
    return parser


def _complete_words(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and only then load what does."""
    import os

    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


class _Version(argparse.Action):
    """The version, read only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import statmech

        print(f"statmech {statmech.__version__}")
        parser.exit()


# --- commands -------------------------------------------------------------------------


def _list(_: argparse.Namespace) -> int:
    from sims.experiments import SUMMARY
    from sims.preset import preset_titles

    for name, summary in SUMMARY.items():
        print(f"{name:<12} {summary}")
    print("\nsweeps (statmech sweep NAME --out DIR):")
    for name, title in preset_titles().items():
        print(f"  {name:<28} {title}")
    return EXIT_AGREE


def _info(options: argparse.Namespace) -> int:
    from sims.info import citations, environment, kernel_plans

    if options.plan is not None:
        print(kernel_plans(options.plan))
    else:
        print(citations() if options.cite else environment())
    return EXIT_AGREE


def _check(options: argparse.Namespace) -> int:
    parameters = {
        parameter: convert(parameter, getattr(options, parameter), kind)
        for _, parameter, kind, _ in CHECK_OPTIONS[options.experiment]
        if getattr(options, parameter) is not None
    }
    import sims

    comparison = sims.check(
        options.experiment,
        quick=options.quick,
        progress="check" if sys.stderr.isatty() else "",
        **parameters,
    )
    if options.json:
        print(json.dumps(comparison.to_dict(), allow_nan=False, indent=2))
    else:
        print(comparison)
    return EXIT_AGREE if comparison.agrees else EXIT_DISAGREE


def _phase_diagram(options: argparse.Namespace) -> int:
    from sims.export import check_target, write_netcdf
    from statmech.errors import check_order

    order = check_order(convert("order", options.order or "2", int))
    seed = convert("seed", options.seed or "0", int)
    target = check_target(options.out or f"figures/dense-p{order}.png")

    from sims.phase_diagram import plan_phase_diagram, run_phase_diagram
    from sims.plot import draw_phase_diagram, save_figure
    from sims.report import checks_table

    plan = plan_phase_diagram(order, seed=seed)
    dataset, comparisons = run_phase_diagram(plan, progress=True)
    data = write_netcdf(dataset, target.with_suffix(".nc"))
    save_figure(draw_phase_diagram(dataset), target)
    print(checks_table(comparisons))
    print(f"figure: {target}\ndata:   {data}")
    return EXIT_AGREE if all(c.agrees for c in comparisons) else EXIT_DISAGREE


def _check_place() -> None:
    """Say so if another distribution's package stands where one of ours should."""
    import importlib

    from statmech.errors import StatmechError

    for name in ("analytics", "sims"):
        module = importlib.import_module(name)
        if getattr(module, "__distribution__", None) != "statmech":
            raise StatmechError(
                f"the package {name!r} at {module.__file__} belongs to another "
                "distribution; uninstall it or use a fresh environment"
            )
