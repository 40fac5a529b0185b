"""Memory: what a run is said to need, what it takes, and what is refused."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from memory_cases import CASES
from test_machine import group, lay, meminfo

import sims
import statmech
from sims.budget import WORKER_BYTES, require_fit
from sims.phase_diagram import Plan, run_phase_diagram
from statmech import HebbianNetwork, machine
from statmech.errors import MemoryLimitError
from statmech.machine import available_memory
from statmech.patterns import rademacher

HERE = Path(__file__).parent
GIB = 2**30
NOT_NIGHTLY = ("many short patterns", "point at P = 3")
FAST = 1.0  # seconds

# Predicted against taken ------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in NOT_NIGHTLY else pytest.mark.nightly)
        for name in CASES
    ],
)
def test_predicted_memory_is_what_a_run_takes(name):
    """Peak of a new process less that of one that does the same at tiny size."""
    program = [sys.executable, str(HERE / "memory_cases.py"), name]
    texts = []
    for _ in range(2):  # the first time kernels may have to be compiled
        children = [
            subprocess.Popen(
                [*program, size], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
            )
            for size in ("large", "tiny")
        ]
        texts = [child.communicate(timeout=120)[0] for child in children]
    (predicted, large), (_, tiny) = [map(int, text.split()) for text in texts]
    assert large - tiny > 40 * 2**20
    assert 0.8 < predicted / (large - tiny) < 1.5


# Refused ----------------------------------------------------------------------------


def small_network(order=2):
    return HebbianNetwork(rademacher(3, 20, seed=1), order)


def tiny_plan(n_spins):
    return Plan(
        order=2,
        alphas=(0.05,),
        temperatures=(0.2,),
        n_spins=n_spins,
        n_samples=6,
        n_sweeps=10,
        n_burn_in=0,
        seed=0,
        table=(),
    )


def check(n_spins=100, n_sweeps=10):
    return sims.check(
        "dense", alpha=0.05, temperature=0.2, n_spins=n_spins, n_sweeps=n_sweeps
    )


# {name: (a request of at least x bytes, the parameters that may be proposed)}
REQUESTS = {
    "rademacher": (lambda x: rademacher(x // 1000, 1000, 1), "n_patterns"),
    "rademacher, one": (lambda x: rademacher(1, min(x, 2**31 - 1), 1), "n_spins"),
    "copy of patterns": (
        lambda x: HebbianNetwork(np.broadcast_to(np.float64(1.0), (x // 1000, 1000))),
        "C-contiguous",
    ),
    "sample, draws": (
        lambda x: statmech.sample(small_network(), 0.5, n_sweeps=x // 50),
        "n_sweeps",
    ),
    "sample, thinned": (
        lambda x: statmech.sample(small_network(), 0.5, n_sweeps=x // 5, thin=10),
        "n_sweeps",
    ),
    "sample, chains": (
        lambda x: statmech.sample(
            small_network(3), 0.5, n_sweeps=1, n_chains=x // 2000
        ),
        "n_chains",
    ),
    "anneal": (
        lambda x: statmech.anneal(small_network(), [1.0, 0.5], n_chains=x // 100),
        "n_chains",
    ),
    "temper": (
        lambda x: statmech.temper(small_network(), [0.5, 1.0], n_sweeps=x // 50),
        "n_sweeps",
    ),
    "descend": (
        lambda x: statmech.descend(small_network(), n_chains=x // 2000),
        "n_chains",
    ),
    "check, spins": (lambda x: check(n_spins=int((x / 0.05) ** 0.5)), "n_spins"),
    "check, sweeps": (lambda x: check(n_sweeps=x // 2500), "n_sweeps"),
    "phase diagram": (
        lambda x: run_phase_diagram(tiny_plan(int((x / 0.05) ** 0.5))),
        "n_spins",
    ),
}


def refusal(call):
    """(seconds, error) of a call that is refused."""
    start = time.perf_counter()
    with pytest.raises(MemoryLimitError) as caught:
        call()
    return time.perf_counter() - start, caught.value


def test_more_than_the_machine_has_is_refused(monkeypatch, record_property):
    """At once, before anything is drawn, with numbers and a setting that fits."""
    # So that no request exceeds the range of its parameter first.
    whole = available_memory()
    monkeypatch.setattr(machine, "available_memory", lambda: min(whole, 10**9))
    monkeypatch.setattr("sims.budget.available_memory", machine.available_memory)
    seconds = []
    refusal(lambda: check(n_spins=10**7))  # imports what it needs: not a refusal's time
    for request, named in REQUESTS.values():
        spent, error = refusal(lambda request=request: request(2 * 10**9))
        seconds.append(spent)
        assert error.needed > error.available > 0
        assert re.search(
            rf"needs .* GiB of memory, .* is available; .*{named}", str(error)
        )
    monkeypatch.undo()
    for request in (
        lambda: rademacher(2**31 - 1, 2**31 - 1, 0),
        lambda: statmech.sample(small_network(), 0.5, n_sweeps=10**12),
        lambda: statmech.sample(small_network(), 0.5, n_chains=2**31 - 1),
        lambda: rademacher(2 * whole // 1000, 1000, 0),
        lambda: check(n_spins=10**7),
    ):
        spent, error = refusal(request)
        seconds.append(spent)
        assert error.needed > whole
    assert max(seconds) < FAST
    record_property("refusal_seconds", max(seconds))
    record_property("bad_inputs", len(seconds))
    record_property("bad_inputs_refused", len(seconds))


def test_what_is_proposed_is_accepted(monkeypatch):
    """The value in the message, put in, is not refused; twice as much is."""
    monkeypatch.setattr(machine, "available_memory", lambda: 20 * 2**20)
    cases = {
        "n_patterns": lambda v: rademacher(v, 1000, 1),
        "n_sweeps": lambda v: statmech.sample(small_network(), 0.5, n_sweeps=v),
        "n_chains": lambda v: statmech.descend(small_network(), n_chains=v),
    }
    for name, call in cases.items():
        _, error = refusal(lambda call=call: call(10**7))
        proposed = int(re.search(rf"{name} = (\d+) fits", str(error))[1])
        call(proposed)
        refusal(lambda call=call, twice=2 * proposed: call(twice))


def test_tables_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 17 * 2**20)
    model = HebbianNetwork(np.ones((1, 10**6), dtype=np.int8), 3)
    for call in (lambda: model.energy(np.ones(10**6)), lambda: model.rows):
        _, error = refusal(call)
        assert "n_spins = " in error.remedy


@pytest.mark.parametrize("version", [1, 2])
def test_a_memory_controller_is_obeyed(tmp_path, monkeypatch, version):
    """1 GiB, half of it taken, in the files of either version; less is accepted."""
    lay(tmp_path, meminfo())
    line = "0::/job\n" if version == 2 else "4:memory:/job\n"
    folder = "sys/fs/cgroup/job" if version == 2 else "sys/fs/cgroup/memory/job"
    files = {"proc/self/cgroup": line} | group(folder, version, GIB, GIB // 2)
    lay(tmp_path, files)
    look = available_memory
    monkeypatch.setattr(machine, "available_memory", lambda: look(tmp_path))
    spent, error = refusal(lambda: rademacher(10**6, 1000, 1))
    assert spent < FAST
    assert error.available == GIB // 2
    assert "n_patterns = 453000 fits" in str(error)
    assert rademacher(30_000, 1000, 1).shape == (30_000, 1000)


LIMITED = """
import resource, sys, time
import numpy as np
import statmech
from memory_cases import peak
from statmech.errors import MemoryLimitError
from statmech.patterns import rademacher

model = statmech.HebbianNetwork(rademacher(3, 20, 1))
statmech.sample(model, 0.5, n_sweeps=1, n_threads=1)
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
before, slowest = peak(), 0.0
for request in (
    lambda: rademacher(10**6, 1100, 1),
    lambda: statmech.sample(model, 0.5, n_sweeps=2 * 10**7),
    lambda: statmech.descend(model, n_chains=10**6),
):
    start = time.perf_counter()
    try:
        request()
    except MemoryLimitError as error:
        assert " fits" in str(error), error
    else:
        raise AssertionError("not refused")
    slowest = max(slowest, time.perf_counter() - start)
assert peak() - before < 2**24
assert rademacher(10**5, 1100, 1).shape == (10**5, 1100)
statmech.sample(model, 0.5, n_sweeps=10**5, n_threads=1)
sys.stdout.write(str(slowest))
"""


def test_a_limit_on_the_address_space_is_obeyed(record_property):
    """1 GiB, in a process of its own; what fits is run."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert float(run.stdout) < FAST
    record_property("refusal_seconds", float(run.stdout))


# Points together --------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A point of n_spins x n_sweeps MiB."""

    n_spins: int
    n_sweeps: int = 1

    def __post_init__(self):
        if self.n_spins < 3:
            raise statmech.errors.ParameterError("n_spins", self.n_spins, ">= 3")


def box_bytes(box):
    return box.n_spins * box.n_sweeps * 2**20


def fit(points, n_workers, **more):
    require_fit(points, box_bytes, n_workers, **({"per_worker": 0} | more))


def test_the_largest_points_have_to_fit_together(monkeypatch):
    monkeypatch.setattr("sims.budget.available_memory", lambda: 1000 * 2**20)
    points = [Box(n) for n in (10, 500, 20, 500)]
    fit(points, 2)
    fit([], 8)
    fit(points[:1], 100)
    for n_workers, text in (
        (3, "n_spins = 316 fits, or n_workers = 2 fits"),
        (4, "n_spins = 237 fits, or n_workers = 2 fits"),
        (9, "n_spins = 237 fits, or n_workers = 2 fits"),
    ):
        with pytest.raises(MemoryLimitError) as caught:
            fit(points, n_workers)
        assert caught.value.remedy == text
        fit([Box(min(p.n_spins, 237)) for p in points], n_workers)
    with pytest.raises(MemoryLimitError) as caught:
        fit(points, 2, per_worker=2**20)
    assert caught.value.needed == 1002 * 2**20
    assert caught.value.remedy == "n_spins = 474 fits, or n_workers = 1 fits"


def test_other_settings_are_proposed_where_the_size_cannot_help(monkeypatch):
    monkeypatch.setattr("sims.budget.available_memory", lambda: 1000 * 2**20)
    with pytest.raises(MemoryLimitError, match="; n_sweeps = 190 fits"):
        fit([Box(5, 1000)], 1)
    with pytest.raises(MemoryLimitError, match="; lower several of its parameters"):
        fit([Box(2000, 2000)], 1)
    with pytest.raises(MemoryLimitError, match="; n_spins = 9 fits"):
        fit([Box(10, 1)] * 100, 1, kept_of=box_bytes)


@pytest.mark.nightly
def test_a_worker_process_is_not_more_than_is_said():
    """Peak of a new process that ran two points, kernels from the disk."""
    script = (
        "import sys; from memory_cases import peak, point; "
        "point(0.5, 16, 2, 1); point(0.05, 16, 3, 1); "
        "sys.stdout.write(str(peak()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=HERE, capture_output=True, text=True
    )
    assert 0.5 * WORKER_BYTES < int(run.stdout) < 1.1 * WORKER_BYTES


def test_the_command_line_says_it_in_one_line(capsys):
    from sims.cli import main

    arguments = "check dense --alpha 0.05 -T 0.2 -N 2000000"
    assert main(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"statmech: .* needs .*iB of memory, .* is available; .*\n", err
    )
