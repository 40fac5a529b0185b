"""Files that nobody should have written: refused soon, and in little memory."""

import json
import os
import random
import resource
import subprocess
import sys
import time

import pytest
from preset_cases import GOOD, mutant

from sims import preset
from sims.preset import LARGEST_FILE, PresetError, load_preset, preset_names
from sims.request import Request
from statmech.errors import ParameterTypeError

_SIZE = LARGEST_FILE - 2000
_LINE = preset.LONGEST_LINE - 20


def _lines(make):
    """As many lines as fit, `make(number)` each."""
    lines, size = [], 0
    while size < _SIZE:
        lines.append(make(len(lines)))
        size += len(lines[-1].encode()) + 1
    return "\n".join(lines[:-1]) + "\n"


def _axes(*axes):
    text = 'measurement = "dense-retrieval"\n[constants]\nn_spins = 60\n[axes]\n'
    return text + "\n".join(axes)


def _nested(depth, dotted):
    """Tables in arrays in tables, each many dots deep."""
    key = ".".join("a" * dotted)
    return "axes.x = [\n" + f"{{ {key} = [\n" * depth + "]}" * depth + "]\n"


_DOTS = ".".join("a" * (_LINE // 2))
PATHOLOGICAL = {
    "megabyte": "a = 1\n" * (2**20 // 6),
    "one dotted key": ".".join("a" * (_SIZE // 2)) + " = 1",
    "one dotted header": "[" + ".".join("a" * (_SIZE // 2)) + "]",
    "dotted keys": _lines(lambda n: f"b{n}.{_DOTS} = 1"),
    "dotted keys in tables": f"[{_DOTS}]\n" + _lines(lambda n: f"b.b{n}.{_DOTS} = 1"),
    "dotted headers": _lines(lambda n: f"[b{n}.{_DOTS}]"),
    "dotted keys in place": _lines(lambda n: f"b{n} = {{ {_DOTS} = 1 }}"),
    "deep tables in arrays": _nested(60, 400),
    "deeper tables in arrays": _nested(150, 150),
    "deep arrays": "axes.alpha = " + "[\n" * 20000,
    "deep arrays that end": "axes.alpha = " + "[" * 200 + "1" + "]" * 200,
    "deep axis": _axes("alpha = { start = " + "[" * 150 + "]" * 150 + ", count = 2 }"),
    "huge integer": "seed = " + "9" * _SIZE,
    "huge hexadecimal": "seed = 0x" + "f" * _SIZE,
    "long integer": "seed = " + "9" * _LINE,
    "long hexadecimal": "seed = 0x" + "f" * _LINE,
    "long integers": _axes(f"alpha = [1.5, {'9' * (_LINE - 40)}]"),
    "long float": "seed = 1." + "9" * _LINE,
    "many keys": _lines(lambda n: f"k{n} = 1"),
    "many tables": _lines(lambda n: f"[k{n}]"),
    "many tables in an array": "[[k]]\n" * 10000,
    "many values": _axes("alpha = [" + _lines(lambda n: f"{n}.5,") + "0.5]"),
    "many good values": _axes(
        "alpha = [" + _lines(lambda n: f"{n + 1}.5,") + "]", "temperature = [0.1]"
    ),
    "many points": _axes(
        "alpha = { start = 0.1, stop = 0.2, count = 10000 }",
        "temperature = { start = 0.1, stop = 0.2, count = 10000 }",
    ),
    "most points": 'samples = 100\nmeasurement = "dense-retrieval"\n'
    "[constants]\nn_spins = 60\ntemperature = 0.1\n"
    "[axes]\nalpha = { start = 0.1, stop = 0.2, count = 10000 }\n",
    "many quotes": 'title = """' + '""\\"' * (_SIZE // 4) + '"""',
    "many escapes": 'title = """' + "\\\n" * (_SIZE // 2) + '"""',
    "open text": 'title = """' + '\\"' * (_SIZE // 2),
    "long name": _lines(lambda n: f'"{"x" * _LINE}{n}" = 1'),
    "alike names": _lines(lambda n: f"[constants.{'n_spins' * 200}{n}]"),
    "comment": "#" * _SIZE,
    "spaces": "title = " + " " * _SIZE,
    "brackets in a comment": _lines(lambda n: "#" + "[{=}]" * 300),
}

_CHILD = """
import json, resource, sys, time
from sims.preset import load_preset
import sims.experiments.dense_sweeps
from statmech.errors import StatmechError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = {}
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        load_preset(path)
        said = ""
    except StatmechError as error:
        said = str(error)
    report[path] = [time.process_time() - start, said]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([before, peak, report]))
"""


def test_pathological_files_cost_little(tmp_path, record_property):
    """Each below 2 s of one core, together below 200 MB more than the imports."""
    files = {}
    for number, (name, text) in enumerate(PATHOLOGICAL.items()):
        files[name] = tmp_path / f"{number}.toml"
        files[name].write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *map(str, files.values())],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    before, peak, report = json.loads(done.stdout)
    seconds = {name: report[str(file)][0] for name, file in files.items()}
    assert max(seconds.values()) < 2.0, seconds
    assert (peak - before) / 1024 < 200.0
    for name, file in files.items():
        said = report[str(file)][1]
        assert (said == "") == (name in ("most points", "many good values")), (
            name,
            said,
        )
        assert len(said) < 5000
        assert said.startswith(f"{file}:") or not said, said
    record_property("preset_seconds", max(seconds.values()))
    record_property("preset_megabytes", (peak - before) / 1024)


def test_places_that_are_no_text_files(tmp_path):
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b'title = "a"\n' + bytes(range(256)))
    endless = tmp_path / "endless.toml"
    endless.symlink_to("/dev/zero")
    nul = tmp_path / "nul.toml"
    nul.write_bytes(b"\0" * 100)
    start = time.perf_counter()
    for place, word in (
        (folder, "not a file"),
        (pipe, "not a file"),
        (endless, "not a file"),
        (loop, "cannot be read"),
        (binary, "binary.toml:3: not UTF-8"),
        (nul, "nul.toml:1: "),
        (tmp_path / "missing.toml", "No such file"),
        (binary / "x.toml", "Not a directory"),
        (tmp_path / ("x" * 300 + ".toml"), "too long"),
        (f"{tmp_path}/a\0b.toml", "null"),
        (f"{tmp_path}/a\nb.toml", "No such file"),
    ):
        with pytest.raises(PresetError, match=word) as caught:
            load_preset(str(place))
        assert str(caught.value).isprintable()
    assert time.perf_counter() - start < 2.0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    file = tmp_path / "closed.toml"
    file.write_text(GOOD)
    file.chmod(0)
    with pytest.raises(PresetError, match="Permission denied"):
        load_preset(str(file))


def test_a_file_that_the_system_refuses(tmp_path, monkeypatch):
    file = tmp_path / "closed.toml"
    file.write_text(GOOD)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PresetError, match=r"closed\.toml: cannot be read: Permission"):
        load_preset(str(file))


def test_names_that_are_no_text():
    for name in (None, 1, True, b"basin", ["basin"], 1.5, object()):
        with pytest.raises(ParameterTypeError, match=r"^preset = "):
            load_preset(name)


def _fuzz(n, seed):
    """How many of `n` mutants are refused; anything but a refusal is raised."""
    originals = [
        (preset.resources.files("sims") / "presets" / f"{name}.toml").read_text()
        for name in preset_names()
    ]
    originals.append(GOOD)
    random_ = random.Random(seed)
    refused = 0
    for _ in range(n):
        text = mutant(random_.choice(originals), random_)
        try:
            reader = preset._Reader(text, "mutant.toml")
            for quick in (True, False):
                request = reader.request(quick)
            assert Request.from_json(request.to_json()) == request
        except PresetError as error:
            message = str(error)
        else:
            continue
        name, line, _ = message.split(":", 2)
        assert name == "mutant.toml"
        assert 1 <= int(line) <= text.count("\n") + 1
        refused += 1
    return refused


def test_spoilt_presets_are_refused_or_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert 500 < _fuzz(2000, 1) < 2000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
def test_many_spoilt_presets_are_refused_or_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert 5000 < _fuzz(20_000, 2) < 20_000
    assert list(tmp_path.iterdir()) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**20
