"""The command line: exit codes, one-line errors, strict JSON, quick help."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sims.cli import main

ROOT = Path(__file__).resolve().parent.parent
QUICK = ["check", "dense", "--alpha", "0.08", "-T", "0.2", "-N", "400", "--quick"]


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of one command."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_info_version(capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert out.startswith("dense")
    code, out, _ = run(capsys, "info")
    assert code == 0
    assert {"statmech", "numba", "threads", "kernels"} <= {
        line.split()[0] for line in out.splitlines()
    }
    code, out, _ = run(capsys, "info", "--cite")
    assert code == 0
    assert "Amit" in out
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"statmech \d+\.\d+\.\d+\n", out)


def test_version_is_the_same_everywhere():
    import statmech

    version = re.search(
        r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert version[1] == statmech.__version__
    assert f"version: {version[1]}\n" in (ROOT / "CITATION.cff").read_text()


def test_check_agrees_with_exit_0_and_json_is_strict(capsys):
    code, out, err = run(capsys, *QUICK)
    assert code == 0, out
    assert err == ""
    assert "verdict: agrees" in out
    code, out, _ = run(capsys, *QUICK, "--json")
    assert code == 0
    result = json.loads(out, parse_constant=lambda name: pytest.fail(name))
    assert result["verdict"] == "agrees"
    assert result["settings"]["n_spins"] == 400
    assert {row["n_spins"] for row in result["rows"]} == {280, 400}


def test_disagreement_exits_1(capsys, monkeypatch):
    from sims.experiments.dense import DenseStorage

    monkeypatch.setattr(DenseStorage, "predict", DenseStorage.plant)
    code, out, _ = run(capsys, *QUICK)
    assert code == 1
    assert "verdict: disagrees" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "dense", "--alpha", "nan", "-T", "0.2"], ["alpha", "nan"]),
        (["check", "dense", "--alpha", "-1", "-T", "0.2"], ["alpha", "-1", "> 0"]),
        (["check", "dense", "--alpha", "x", "-T", "0.2"], ["alpha", "'x'", "number"]),
        (["check", "dense", "--alpha", "0.3", "-T", "0.2"], ["alpha", "0.3", "0.1225"]),
        (["check", "dense", "--alpha", "0.1", "-T", "-0.5"], ["temperature", "-0.5"]),
        (["check", "dense", "--alpha", "0.1", "-T", "2"], ["temperature", "below 1"]),
        (["check", "dense", "--alpha", "0.1"], ["temperature"]),
        (["check", "dense", "-T", "0.1"], ["alpha"]),
        ([*QUICK, "--order", "1"], ["order", "1", "from 2"]),
        ([*QUICK, "--order", "2.5"], ["order", "2.5", "integer"]),
        ([*QUICK, "--samples", "2"], ["n_samples", "2", ">= 6"]),
        ([*QUICK, "-N", "1"], ["n_spins", "1", "from 4 to"]),
        ([*QUICK, "--seed", "-3"], ["seed", "-3", ">= 0"]),
        (["check", "dens"], ["dens", "dense"]),
        (["check"], ["EXPERIMENT"]),
        ([], ["COMMAND"]),
        ([*QUICK, "--aplha", "1"], ["--aplha"]),
        (["phase-diagram", "dense", "--order", "x"], ["order", "'x'"]),
        (["phase-diagram", "dense", "--out", "a.gif"], ["out", "a.gif", ".png"]),
        (["phase-diagram", "dense", "--out", "/proc/x/a.png"], ["out", "/proc/x"]),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, arguments, words):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_help_and_bad_options_import_nothing_heavy():
    program = (
        "import sys; from sims.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'scipy', 'matplotlib', 'xarray'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_module_form_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "sims", "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("dense")


def test_foreign_package_in_our_place_is_named(capsys, monkeypatch):
    import analytics

    monkeypatch.setattr(analytics, "__distribution__", "other")
    code, _, err = run(capsys, "list")
    assert code == 2
    assert "'analytics'" in err


def test_python_sessions_of_the_readme_run(tmp_path):
    """The last is a script that starts processes."""
    text = (ROOT / "README.md").read_text()
    sessions = re.findall(r"```python\n(.*?)```", text, re.S)
    lines = []
    for number, session in enumerate(sessions):
        script = tmp_path / f"session_{number}.py"
        script.write_text(session)
        done = subprocess.run(
            [sys.executable, script],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        lines.append(len(done.stdout.splitlines()))
    assert lines == [4, 7, 3, 7, 6, 5, 1]
    assert (tmp_path / "runs" / "mine" / "store.sqlite").is_file()
