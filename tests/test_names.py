"""Names: what could leave its folder, or be another thing elsewhere, is refused."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from preset_cases import changed, quoted

import sims
from sims.cli import main
from sims.ledger import StoreError
from sims.preset import PresetError, load_preset, preset_names, preset_titles
from statmech.errors import ParameterError, ParameterTypeError, check_name

BAD_NAMES = [
    *("", ".", "..", "../x", "..\\x", "a/../b", "/etc/passwd", "a/b", "a\\b", "~"),
    *("~root", "C:\\x", "C:x", "\\\\host\\x", "file:x", "a:b", "a b", " a", "a "),
    *("a\0", "\0", "a\nb", "\n", "a\n", "\r", "\t", "\x1b[2J", "\x7f", "x" * 65),
    *("x" * 300, ".a", "-a", "--help", "_a", "1", "1a", "a.", "a..b", "con", "CON"),
    *("nul", "NUL.txt", "aux.tar.gz", "prn", "com1", "Com9.toml", "lpt0", "lpt9.txt"),
    # Look-alikes: Cyrillic, full width, invisible, right to left, combined, Kelvin.
    *("\u0430lpha", "alph\u0430", "\uff41lpha", "al\u200bpha", "\u202ealpha"),
    *("a\u0301", "\u017f", "\u212a", "é", "\ud800", "$HOME", "${x}", "%PATH%"),
    *("a;b", "a|b", "a*", "a?", "<a>", "a'b", 'a"b', "`a`", "$(a)", "a,b", "=a"),
    *("+a", "@a", "a=b", "[a]", "{a}"),
]
GOOD_NAMES = ["a", "A", "alpha", "cue_overlap", "a.b", "a-b", "x" * 64, "console"]


def hashes(root):
    """Every entry below a folder: where links lead, what files hold."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[path] = str(path.readlink())
        else:
            whole = path.read_bytes() if path.is_file() else b""
            found[path] = hashlib.sha256(whole).hexdigest()
    return found


def run_cli(capsys, *arguments):
    """(exit code, stdout, stderr)."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def anything(**values):
    return {"y": 1.0}


def serial(function, grid, **options):
    return sims.run(function, grid, executor=sims.pool.SerialExecutor(), **options)


def test_names(record_property):
    for name in GOOD_NAMES:
        assert check_name("axis", name) == name
    for name in BAD_NAMES:
        with pytest.raises(ParameterError, match="axis = ") as caught:
            check_name("axis", name)
        assert str(caught.value).isprintable()
    for name in (None, 1, b"a", ["a"], True, 1.5):
        with pytest.raises(ParameterTypeError, match="axis = "):
            check_name("axis", name)
    record_property("bad_inputs", len(BAD_NAMES) + 6)
    record_property("bad_inputs_refused", len(BAD_NAMES) + 6)


def test_names_of_sweeps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in BAD_NAMES:
        if not name.endswith(".toml"):  # that would be a file of the user's own
            with pytest.raises(ParameterError, match="preset = "):
                load_preset(name)
    with pytest.raises(ParameterError, match="did you mean 'basin'"):
        load_preset("Basin")
    assert os.listdir() == []


def test_names_in_sweeps(tmp_path):
    file = tmp_path / "sweep.toml"
    for name in [*BAD_NAMES, "n_patterns", "path"]:
        if name == "\ud800":
            continue  # TOML has no way to say it
        for line, new in (
            ("n_sweeps = 3", f"{quoted(name)} = 3"),
            (
                "temperature = [0.1, 0.2]",
                f"temperature = [0.1]\n{quoted(name)} = [1, 2]",
            ),
            ("seed = 1", f"{quoted(name)} = 1"),
            ('x = "alpha"', f"x = {quoted(name)}"),
            ('observable = "m"', f"observable = {quoted(name)}"),
            ('measurement = "dense-retrieval"', f"measurement = {quoted(name)}"),
        ):
            file.write_text(changed(line, new))
            with pytest.raises(PresetError) as caught:
                load_preset(str(file))
            assert str(caught.value).isprintable(), (name, new, str(caught.value))
    assert os.listdir(tmp_path) == ["sweep.toml"]


def test_names_in_grids():
    for name in BAD_NAMES:
        for value in (1, [1, 2]):
            with pytest.raises(ParameterError, match="grid = "):
                serial(anything, {name: value})


def test_names_of_results_and_dimensions():
    """A function that returns them fails its point, and no other."""
    results = [{name: 1.0} for name in BAD_NAMES]
    results += [{"y": ((name,), [1.0])} for name in BAD_NAMES]
    found = serial(
        lambda i: results[i] if i < len(results) else {"y": ((), 1.0)},
        {"i": range(len(results) + 1)},
    )
    assert found["point_status"].values.tolist() == [2] * len(results) + [1]
    about = json.loads(found.attrs["provenance"])
    assert all("must be a name" in f["message"] for f in about["failures"])


BAD_PATHS = ["a\0b", "a\nb", "\x1b[2Ja", "x" * 300, "b/" + "x" * 300, "a\n/b", ""]


COMMANDS = [
    "sweep basin --quick --workers 1 --out PATH",
    "sweep basin --quick --plan --out PATH",
    "sweep PATH.toml --out run",
    "export . PATH.nc",
    "phase-diagram dense --out PATH.png",
    "status PATH",
    "status PATH --repair",
    "export PATH a.nc",
    "plot PATH",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_paths_on_the_command_line(capsys, tmp_path, monkeypatch, command, path):
    """One line, exit 2, nothing made."""
    monkeypatch.chdir(tmp_path)
    words = [word.replace("PATH", path) for word in command.split()]
    code, out, err = run_cli(capsys, *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()
    assert os.listdir() == []


def test_paths_of_the_users_own_choice(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for out in (
        "plain",
        "../up",
        str(tmp_path / "whole"),
        "a b",
        "é",
        "con",
        Path("p"),
    ):
        serial(anything, {"x": 1}, out=out)
        with sims.store.open(out) as record:
            assert len(record.statuses()) == 1


FILES = ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.sqlite-journal")
OTHERS = ("ledger.txt", "lock", "lock-journal", "owner", "quarantine")


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize(
    "name",
    FILES + OTHERS,
)
def test_links_that_lead_out_of_a_record(capsys, tmp_path, name, exists):
    """Refused by name, or left alone; what they lead to stays as it was."""
    folder, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    serial(anything, {"x": [1, 2]}, out=folder)
    victim = outside / "victim"
    if exists and name == "quarantine":
        victim.mkdir()
    elif exists and (folder / name).exists():
        shutil.copy(folder / name, victim)
    elif exists:
        victim.write_text("mine\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    before = hashes(outside)
    said = ""
    for attempt in (
        lambda: serial(anything, {"x": [1, 2, 3]}, out=folder),
        lambda: sims.store.open(folder).close(),
    ):
        with contextlib.suppress(StoreError):
            attempt()
            said += " taken"
    for options in ([], ["--verify"], ["--repair"]):
        said += run_cli(capsys, "status", str(folder), *options)[2]
    assert hashes(outside) == before
    if not name.endswith(("-shm", "-journal", "quarantine")):  # SQLite refuses those
        assert "taken" not in said
        assert f"{name} is a symbolic link" in said
    if (folder / "store.sqlite").is_file() and name != "store.sqlite":
        with (folder / "store.sqlite").open("rb+") as file:
            file.truncate(3000)  # so that there is something to repair
    said = run_cli(capsys, "status", str(folder), "--repair")[2]
    assert "Traceback" not in said
    assert hashes(outside) == before


def test_the_list_shows_every_sweep(capsys):
    code, out, _ = run_cli(capsys, "list")
    assert code == 0
    for name, title in preset_titles().items():
        assert any(name in line and title in line for line in out.splitlines())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("statmech sweep ma", [n for n in preset_names() if n.startswith("ma")]),
        ("statmech sweep ", preset_names()),
        ("statmech ex", ["export"]),
    ],
)
def test_completion(typed, expected):
    """What a shell asks is answered on file descriptor 8."""
    pytest.importorskip("argcomplete")
    script = Path(sys.executable).with_name("statmech")
    if not script.exists():
        pytest.skip("the console script is not installed")
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" 8>&1 9>/dev/null >/dev/null', str(script)],
        env=os.environ
        | {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
            "COMP_LINE": typed,
            "COMP_POINT": str(len(typed)),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    words = [word.strip() for word in done.stdout.split("\n") if word.strip()]
    assert [word for word in words if not word.startswith("-")] == expected
