"""Mean field of a batch under evidence, beside what a user would write; and the prox.

    python -m benchmarks.mean_field [--quick]

Each solver is given the loosest tolerance of its own with which all marginals are
within 1e-4 of the solution. All are timed in fresh processes, with one thread and, on
one batch, with two. The tables are printed; a run without --quick also goes into
`benchmarks/latest.json` and `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# So that it runs as a script too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.mean_field_rivals import (
    BATCHES,
    Batch,
    Solver,
    bisected_prox,
    newton_prox,
    solvers,
)
from benchmarks.report import keep, machine, markdown, number, spread, where
from statmech.monotone.proximal import prox
from statmech.monotone.solvers import solve

TRUE_ERROR = 1e-4
# Of the reference: |q - q*| is a few hundred times that at most.
REFERENCE_RESIDUAL = 1e-11
LADDER = tuple(1e-3 * 10.0 ** (-0.25 * j) for j in range(9))
SECONDS = 0.25  # of a turn, at least one solve
# Solvers that take longer have fewer turns.
SLOW, SLOW_ROUNDS = 1.0, 3
PROX_ENTRIES = 40_000
PROX_STATES, PROX_STEPS = (2, 4, 10), (0.05, 0.3, 0.9)
# float64, and roundings of float32.
PROX_AGREEMENT = {"float64": 1e-12, "float32": 16 * 2.0**-23}
METHODS = (
    *("auto", "anderson", "newton", "damping", "parallel"),
    *("sequential", "forward-backward", "peaceman-rachford"),
)
COUNTED_SAMPLES, COUNTED_LIMIT = 10, 3000
COUNTED = ("product", "exponential")  # in the bound
BASE = "repulsive"  # with two threads, and for memory


class NotTheSolution(Exception):
    """A contestant that does not find the solution is none."""


def seconds_of(function: Callable[[], Any], repeats: int = 1) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - begin) / repeats


def best_of(function: Callable[[], Any], n: int = 15) -> float:
    return min(seconds_of(function) for _ in range(n))


def calibrate(solver: Solver) -> dict[str, Any]:
    """Its loosest tolerance of the ladder that leaves an error of 1e-4, by halving."""
    reference = solver.batch.solution

    def error(tol: float) -> tuple[float, float]:
        q, products = solver.solve(tol)
        return float(np.abs(q - reference).max()), products

    good, bad = len(LADDER) - 1, -1
    while good - bad > 1:
        middle = (good + bad) // 2
        if error(LADDER[middle])[0] <= TRUE_ERROR:
            good = middle
        else:
            bad = middle
    solver.tol = LADDER[good]
    found, products = error(solver.tol)
    if not found <= TRUE_ERROR:
        raise NotTheSolution(f"{solver.label}: an error of {found:.1e}")
    return {"tol": solver.tol, "error": found, "products": products}


def bound(batch: Batch, products: float) -> dict[str, float]:
    """Least seconds of so many products, with rates measured now.

    Phi in the gauge where one state of every variable has no field, and as its factor
    if that is less: d - n of d columns; and one exponential an entry.
    """
    model, b = batch.model, batch.n_samples
    m, d = model.size - model.n_variables, model.size
    rng = np.random.default_rng(3)
    x, phi, y = rng.normal(size=(b, m)), rng.normal(size=(m, m)), -rng.random((b, d))
    multiplications: float = b * m * m
    rate = m * m * b / best_of(lambda: x @ phi)
    if model.low_rank:
        assert model.factor is not None
        r = model.factor.shape[0]
        a, at = rng.normal(size=(r, m)), rng.normal(size=(m, r))
        multiplications = 2 * b * r * m
        rate = max(rate, multiplications / best_of(lambda: (x @ at) @ a))
    exps = b * d / best_of(lambda: np.exp(y))
    return {
        "multiply_adds_per_second": rate,
        "exponentials_per_second": exps,
        "product_seconds": products * multiplications / rate,
        "exponential_seconds": products * b * d / exps,
    }


def run_batch(batch: Batch, rounds: int) -> dict[str, Any]:
    """Tolerances, then turns of all solvers round by round."""
    residual = batch.residual()
    if not residual <= REFERENCE_RESIDUAL:
        raise NotTheSolution(f"{batch.name}: a reference of residual {residual:.1e}")
    contestants = solvers(batch)
    known = {s.label: {"extra": s.extra, **calibrate(s)} for s in contestants}
    turns = {s: seconds_of(lambda s=s: s.solve(s.tol)) for s in contestants}
    for label in known:
        known[label]["seconds"] = []
    limits = []
    for turn in range(rounds):
        limits.append(bound(batch, known["package"]["products"]))
        for solver, taken in turns.items():
            if taken > SLOW and turn >= SLOW_ROUNDS:
                continue
            repeats = max(1, round(SECONDS / taken))
            taken = seconds_of(lambda s=solver: s.solve(s.tol), repeats)
            known[solver.label]["seconds"].append(taken)
    # The best that was seen is the limit.
    least = min(
        limits, key=lambda one: one["product_seconds"] + one["exponential_seconds"]
    )
    return {
        "n_samples": batch.n_samples,
        "rank": batch.model.factor.shape[0] if batch.model.low_rank else None,
        "spectrum": batch.model.spectrum(),
        "residual_of_reference": residual,
        "bound": least,
        "solvers": known,
    }


def run_prox(rounds: int) -> list[dict[str, Any]]:
    """Entries a second of `prox` and of its twins, checked before."""
    found = []
    for kind in ("float64", "float32"):
        for k in PROX_STATES:
            for a in PROX_STEPS:
                rng = np.random.default_rng(k)
                y = rng.normal(size=(PROX_ENTRIES // k, k)) * 2.0
                y = y.astype(kind)
                exact = bisected_prox(y.astype(np.float64), a)
                ways = {
                    "package": lambda y=y, a=a: prox(y, a),
                    "newton": lambda y=y, a=a: newton_prox(y, a),
                    "bisection": lambda y=y, a=a: bisected_prox(y, a),
                }
                errors = {}
                for label, way in ways.items():
                    errors[label] = float(np.abs(way() - exact).max())
                    if not errors[label] <= PROX_AGREEMENT[kind]:
                        raise NotTheSolution(f"prox {label}: {errors[label]:.1e}")
                rates: dict[str, list[float]] = {label: [] for label in ways}
                for _ in range(rounds):
                    for label, way in ways.items():
                        repeats = 20 if label == "package" else 1
                        rates[label].append(y.size / seconds_of(way, repeats))
                found.append(
                    {"kind": kind, "k": k, "a": a, "errors": errors, "rates": rates}
                )
    return found


def run_counts() -> dict[str, Any]:
    """Mean products to a residual of 1e-8, of every method on every batch."""
    counts: dict[str, Any] = {}
    for batch in BATCHES:
        part, row = batch.few(COUNTED_SAMPLES), {}
        for method in METHODS:
            found = solve(
                part.model,
                evidence=part.evidence,
                method=method,
                tol=1e-8,
                max_iter=COUNTED_LIMIT,
            )
            done = bool(np.all(found.converged))
            row[method] = float(np.mean(found.iterations)) if done else None
        counts[batch.name] = row
    return counts


def run_memory(label: str) -> float:
    """Bytes by which a solve raises the peak of the process, tables made before."""
    (batch,) = (one for one in BATCHES if one.name == BASE)
    (chosen,) = (s for s in solvers(batch) if s.label == label)
    if label == "package":
        # Compiled code is read, and what is kept of a model is made.
        solve(batch.model, evidence=batch.evidence[:1], tol=1e-4)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    chosen.solve(1e-4)
    return memory("VmHWM") - before


def memory(entry: str) -> float:
    """Of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(entry + ":"))
    return 1024.0 * float(line.split()[1])


def child(*arguments: str, threads: int, **more: str) -> Any:
    """What a fresh process of this program found, with so many threads."""
    environment = {**os.environ, **more}
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NPROC"):
        environment[name] = str(threads)
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    command = [sys.executable, "-m", "benchmarks.mean_field", *arguments]
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def solver_rows(found: dict[str, Any]) -> list[list[str]]:
    """One row a solver; what concerns the batch is in the first of its rows."""
    table = []
    for name, batch in found.items():
        ours = batch["solvers"]["package"]["seconds"]
        limit = (
            batch["bound"]["product_seconds"] + batch["bound"]["exponential_seconds"]
        )
        low, high = batch["spectrum"]
        for j, (label, one) in enumerate(batch["solvers"].items()):
            n = len(one["seconds"])
            ratio = np.array(one["seconds"]) / np.array(ours[:n])
            samples = batch["n_samples"] / statistics.median(one["seconds"])
            share = f"{limit / statistics.median(ours):.2f}" if j == 0 else "-"
            table.append(
                [
                    f"{name} ({low:.3g}, {high:.2g})" if j == 0 else "",
                    f"{label}, {one['extra']}" if one["extra"] else label,
                    number(one["products"]),
                    spread(1e3 * np.array(one["seconds"])),
                    number(samples),
                    spread(ratio) if j else "-",
                    share,
                ]
            )
    return table


def prox_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    table = []
    for one in found:
        rates = {label: np.array(row) for label, row in one["rates"].items()}
        table.append(
            [
                *(one["kind"], str(one["k"]), f"{one['a']:g}"),
                spread(rates["package"] / 1e6),
                spread(rates["package"] / rates["newton"]),
                spread(rates["package"] / rates["bisection"]),
                f"{one['errors']['package']:.1e}",
            ]
        )
    return table


def limits_rows(found: dict[str, Any]) -> list[list[str]]:
    """Where the time of the package goes."""
    table = []
    for threads, batches in found.items():
        for name, batch in batches.items():
            limit, ours = batch["bound"], batch["solvers"]["package"]["seconds"]
            whole = statistics.median(ours)
            product, exps = limit["product_seconds"], limit["exponential_seconds"]
            table.append(
                [
                    *(name, threads, number(2e-9 * limit["multiply_adds_per_second"])),
                    number(1e-9 * limit["exponentials_per_second"]),
                    *(number(1e3 * product), number(1e3 * exps), number(1e3 * whole)),
                ]
            )
    return table


def document(record: dict[str, Any]) -> str:
    """The section of the README."""
    columns = (
        "batch (lambda_min, lambda_max)",
        "solver",
        "products a sample",
        "ms a batch (min - max)",
        "samples/s",
        "time / package (min - max)",
        "of bound",
    )
    parts = [
        where() + f" Load before the run {record['load']:.1f}.",
        f"Medians of {record['rounds']} interleaved rounds ({SLOW_ROUNDS} for what "
        "takes more than a second a batch), smallest and largest of a round in "
        "brackets; 100 samples to an error of 1e-4.",
    ]
    for threads, batches in record["batches"].items():
        title = "One thread:" if threads == "1" else f"{threads} threads:"
        parts += [title, markdown(columns, solver_rows(batches))]
    parts += [
        "The bound: products of the package at the rate of the machine, and one "
        "exponential an entry.",
        markdown(
            (
                *("batch", "threads", "products / GFLOP/s", "exponentials / G/s"),
                *("products / ms", "exponentials / ms", "package / ms"),
            ),
            limits_rows(record["batches"]),
        ),
        f"Peak memory of a solve of the {BASE} batch beyond the model and the data; "
        "with JAX, that of compiling is in it.",
        markdown(
            ("solver", "MiB"),
            [[label, f"{x / 2**20:.1f}"] for label, x in record["memory"].items()],
        ),
        "Products a sample to a residual of 1e-8, sequential: sweeps; - where it "
        f"takes more than {COUNTED_LIMIT} or oscillates:",
        markdown(
            ("batch", *METHODS),
            [
                [name, *("-" if row[m] is None else f"{row[m]:.0f}" for m in METHODS)]
                for name, row in record["counts"].items()
            ],
        ),
        "`prox`, one thread, entries of blocks of k; beside it SciPy's Wright function "
        "with Newton's method, or bisection, for the multiplier:",
        markdown(
            (
                *("precision", "k", "a", "M entries/s"),
                *("/ Newton (min - max)", "/ bisection (min - max)", "error"),
            ),
            prox_rows(record["prox"]),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="four minutes; not kept")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    rounds = 3 if options.quick else options.rounds
    if options.part:
        kind, _, which = options.part.partition(":")
        parts: dict[str, Callable[[], Any]] = {
            "batches": lambda: {
                b.name: run_batch(b, rounds) for b in BATCHES if which in ("", b.name)
            },
            "prox": lambda: run_prox(rounds),
            "counts": run_counts,
            "memory": lambda: run_memory(which),
        }
        print(json.dumps(parts[kind]()))
        return
    load = os.getloadavg()[0]
    more = ("--rounds", str(rounds))
    found = {}
    # Two threads on one batch: a product spread over a busy core waits for it.
    for threads, part in ((1, "batches"), (2, f"batches:{BASE}")):
        print(f"{part}, threads: {threads} ...", file=sys.stderr, flush=True)
        found[str(threads)] = child("--part", part, *more, threads=threads)
    print("memory, products, prox ...", file=sys.stderr, flush=True)
    labels = found["1"][BASE]["solvers"]
    record = {
        **machine(),
        "load": load,
        "rounds": rounds,
        "batches": found,
        "memory": {
            # Arrays that are freed before the measurement are given back.
            label: child(
                *("--part", f"memory:{label}"),
                threads=1,
                MALLOC_MMAP_THRESHOLD_="65536",
            )
            for label in labels
        },
        "counts": child("--part", "counts", threads=1),
        "prox": child("--part", "prox", *more, threads=1),
    }
    text = document(record)
    print(text)
    if not options.quick:
        keep("mean_field", record, text)


if __name__ == "__main__":
    main()
