"""A run in a file: it goes on with the same bits, or is refused."""

import dataclasses
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import tracemalloc

import numpy as np
import pytest
from sampling_cases import (
    INF,
    arrays,
    assert_same,
    assert_same_state,
    digest,
    joined,
    sample,
    small,
)

import statmech
from statmech import checkpoint, extend
from statmech.errors import CheckpointError, ParameterTypeError
from statmech.files import write_whole

SCANS = ("random", "permutation", "sequential")


def spoil(trace):
    """Overwrite every array of a trace and of its state, and forget its settings."""
    for holder in (trace, trace.state):
        for array in vars(holder).values():
            if isinstance(array, np.ndarray):
                array.setflags(write=True)
                array[...] = 1
    trace.settings.clear()


# Through a file -----------------------------------------------------------------------


@pytest.mark.parametrize("order", SCANS)
def test_saved_spoiled_and_loaded_it_goes_on_the_same(tmp_path, order):
    """2 k sweeps against k, save, spoil everything live, load, k: equal bits."""
    more = {"order": order, "n_chains": 5, "seed": 3, "track": [2], "uniform_bits": 53}
    whole = sample(small(), n_sweeps=40, **more)
    first = sample(small(), **more)
    file = checkpoint.save(tmp_path / "deep" / "run.checkpoint", first)
    spoil(first)
    loaded = checkpoint.load(file)
    assert loaded.path == file
    assert loaded.version == statmech.__version__
    second = extend(small(), loaded, n_sweeps=20)
    assert_same(joined(loaded.trace, second), arrays(whole))
    assert_same_state(second.state, whole.state)
    assert [p.name for p in file.parent.iterdir()] == ["run.checkpoint"]


def test_a_new_process_goes_on_the_same(tmp_path):
    whole = sample(small(), n_sweeps=40, n_chains=3, order="permutation")
    first = sample(small(), n_chains=3, order="permutation")
    file = checkpoint.save(tmp_path / "run.checkpoint", first)
    script = (
        "import sys, statmech\n"
        "from sampling_cases import digest, small\n"
        "part = statmech.checkpoint.load(sys.argv[1])\n"
        "print(digest(statmech.extend(small(), part, n_sweeps=20)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, file],
        cwd=os.path.dirname(__file__),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (run.returncode, run.stderr) == (0, "")
    halves = {
        name: array if name == "spins" else np.array_split(array, 2, axis)[1]
        for name, array in arrays(whole).items()
        for axis in [int(name != "temperature")]
    }
    late = dataclasses.replace(whole, **halves)
    assert run.stdout.split() == [digest(late)]


def test_a_loaded_trace_is_the_saved_one(tmp_path):
    """Settings included: infinite, NumPy's and very long numbers, tuples."""
    odd = {"temperature": np.float32(0.5), "seed": 10**6000, "path": (1, 2**70)}
    for more in (
        odd,
        {"temperature": INF, "n_chains": 1, "cue_overlap": np.float64(1)},
    ):
        trace = sample(small(), **more)
        loaded = checkpoint.load(checkpoint.save(tmp_path / "c", trace)).trace
        assert_same(arrays(loaded), arrays(trace))
        assert_same_state(loaded.state, trace.state)
        assert loaded.settings == trace.settings
        assert list(loaded.settings) == list(trace.settings)
        assert (loaded.target, loaded.tracked) == (trace.target, trace.tracked)
        again = checkpoint.save(tmp_path / "d", loaded)
        assert again.read_bytes() == (tmp_path / "c").read_bytes()
        assert loaded.spins.flags.writeable


def test_the_file_is_json_and_npy(tmp_path):
    """The header is one line that any reader of strict JSON takes."""
    trace = sample(small(), INF)
    with open(checkpoint.save(tmp_path / "c", trace), "rb") as file:
        header = json.loads(file.readline(), parse_constant=pytest.fail)
        names = [described["name"] for described in header["arrays"]]
        stored = {name: np.load(file, allow_pickle=False) for name in names}
        assert file.read() == b""
    assert header["physics_version"] == statmech.PHYSICS_VERSION
    assert header["model"] == small().digest
    assert (stored["energy"] == trace.energy).all()
    assert (stored["keys"] == trace.state.keys).all()


# Damage -------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path):
    """The bytes of a small checkpoint."""
    trace = sample(small(n=6), n_sweeps=3, n_burn_in=0)
    return checkpoint.save(tmp_path / "whole", trace).read_bytes()


def refuse(path, content, match="checkpoint .*; "):
    """Whether `content` is refused, by name and with a remedy."""
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=match) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    return True


def flipped(content, place, mask):
    return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def test_damage_at_random_places_is_detected(tmp_path, whole, record_property):
    """One bit or byte flipped, a stretch zeroed or repeated, cut off: all refused."""
    draw = np.random.default_rng(5)
    damaged = []
    for place in draw.integers(1, len(whole), 50).tolist():
        length = int(draw.integers(1, 40))
        zeros = bytes(len(whole[place : place + length]))
        damaged += [
            flipped(whole, place, 1 << int(draw.integers(8))),
            flipped(whole, place, int(draw.integers(1, 256))),
            whole[:place] + zeros + whole[place + length :],
            whole[:place] + whole[place - 1 : place] + whole[place:],
            whole[:place],
            whole[:place] + bytes(len(whole) - place),
        ]
    # Zeros over zeros, or one more of the same at the very end, is the same file.
    damaged = [content for content in damaged if content != whole]
    detected = sum(refuse(tmp_path / "bad", content) for content in damaged)
    record_property("corruptions", len(damaged))
    record_property("corruptions_detected", detected)
    assert detected == len(damaged) > 250
    (tmp_path / "bad").write_bytes(whole)
    assert checkpoint.load(tmp_path / "bad").trace.m.shape == (2, 3)


@pytest.mark.nightly
def test_damage_at_every_place_is_detected(tmp_path, whole, record_property):
    """Every bit flipped, and the file cut off after every byte."""
    damaged = [
        flipped(whole, place, 1 << bit)
        for place in range(len(whole))
        for bit in range(8)
    ]
    damaged += [whole[:place] for place in range(len(whole))]
    detected = sum(refuse(tmp_path / "bad", content) for content in damaged)
    record_property("corruptions", len(damaged))
    record_property("corruptions_detected", detected)
    assert detected == len(damaged) == 9 * len(whole)


FOREIGN = {
    "empty": b"",
    "zeros": bytes(5000),
    "text": b"hello\n",
    "newline": b"\n",
    "no end of line": b'{"format": "statmech checkpoint", ' + bytes(2**21),
    "object": b"{}\n",
    "nested": b"[" * 10**6 + b"\n",
    "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}\n",
    "pickle": pickle.dumps([1]),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused(tmp_path, kind):
    refuse(tmp_path / "foreign", FOREIGN[kind])


def sealed(header, payload):
    """A file with the right SHA-256 whatever is in it."""
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    unsealed = line.removesuffix(b"}")
    seal = hashlib.sha256(unsealed + payload).hexdigest().encode()
    return unsealed + b', "sha256": "' + seal + b'"}\n' + payload


def opened(content):
    """Header and payload of a file."""
    line, _, payload = content.partition(b"\n")
    header = json.loads(line)
    del header["sha256"]
    return header, payload


def test_sealing_again_gives_the_same_file(tmp_path, whole):
    """The files below differ from a good one in what they say only."""
    assert sealed(*opened(whole)) == whole


@pytest.mark.parametrize(
    "change",
    [
        {"arrays": []},
        {"arrays": None},
        {"arrays": [{}]},
        {"settings": []},
        {"settings": {"a": {}}},
        {"clock": -1},
        {"clock": 7},
        {"clock": 2**70},
        {"clock": 1.5},
        {"target": 3},
        {"format_version": None},
        {"format_version": 2},
        {"physics_version": "1"},
    ],
    ids=str,
)
def test_a_made_up_header_is_refused(tmp_path, whole, change):
    header, payload = opened(whole)
    refuse(tmp_path / "made", sealed({**header, **change}, payload))


def test_made_up_content_is_refused(tmp_path, whole):
    """Missing and repeated entries, constants JSON has not, arrays that do not fit."""
    made = tmp_path / "made"
    header, payload = opened(whole)
    for name in set(header) - {"format", "target"}:
        less = {key: value for key, value in header.items() if key != name}
        refuse(made, sealed(less, payload))
    line = json.dumps(header).encode()
    refuse(made, sealed(line.replace(b'"alpha": ', b'"alpha": NaN, "x": '), payload))
    refuse(made, sealed(line.replace(b'"alpha": ', b'"seed": 1, "alpha": '), payload))
    nested = b'"nested": ' + b"[" * 10**5
    refuse(made, sealed(line.replace(b'"clock"', nested), payload))
    refuse(made, sealed(header, payload + b"1"))
    refuse(made, sealed(header, payload[:-1]))
    refuse(made, sealed(header, payload.replace(b"(2, 2)", b"(4, 1)")))
    at = [described["name"] for described in header["arrays"]].index("spins")
    assert header["arrays"][at]["shape"] == [2, 6]
    spins = payload.index(b"(2, 6)")
    level = payload.index(b"\n", spins) + 1
    refuse(made, sealed(header, payload[:level] + b"\x03" + payload[level + 1 :]))


def test_no_memory_is_taken_for_what_a_header_claims(tmp_path, whole):
    """A terabyte of spins, and a header without an end, cost less than 8 MiB."""
    header, payload = opened(whole)
    (spins,) = (item for item in header["arrays"] if item["name"] == "spins")
    assert spins["shape"] == [2, 6]
    spins["shape"] = [2, 600_000_000_000]
    before, after = payload.split(b"(2, 6)")
    made = {
        "huge": sealed(header, before + b"(2, 600000000000)" + after),
        "endless": b'{"format": "statmech checkpoint", ' + b"1" * 2**24,
    }
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    for name in made:
        tracemalloc.start()
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 2**20
        assert name == "endless" or "spins is longer than the file" in str(caught.value)


def test_another_physics_version_is_refused_with_the_way_out(
    tmp_path, whole, monkeypatch
):
    monkeypatch.setattr(checkpoint, "PHYSICS_VERSION", 99)
    words = (
        r"physics version \d+, this is 99.*; go on with statmech .*start the run again"
    )
    refuse(tmp_path / "old", whole, match=words)


def test_the_error_survives_the_way_between_processes():
    error = CheckpointError("a\nb", "damaged", "start again")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == r"checkpoint 'a\nb': damaged; start again"
    assert isinstance(again, statmech.errors.StatmechError)


# Names, links, failures ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "folder", "file/inside"])
def test_impossible_names_are_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    path = f"{tmp_path}/{name}"
    with pytest.raises(CheckpointError, match="not written"):
        checkpoint.save(path, sample(small()))
    with pytest.raises(CheckpointError):
        checkpoint.load(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_no_file_is_refused(tmp_path):
    """Nothing there, a pipe that nobody writes to, not even a name."""
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="not a file"):
        checkpoint.load(tmp_path / "pipe")
    for wrong in (None, 3, b"x"):
        with pytest.raises(ParameterTypeError, match="path"):
            checkpoint.load(wrong)
        with pytest.raises(ParameterTypeError, match="path"):
            checkpoint.save(wrong, sample(small()))


def test_the_longest_name_is_legal(tmp_path):
    path = tmp_path / ("x" * 255)
    assert checkpoint.load(checkpoint.save(path, sample(small()))).path == path


def test_a_link_is_replaced_and_not_followed(tmp_path):
    """The file that a link in the folder points to stays as it is."""
    outside = tmp_path / "outside"
    outside.write_text("precious")
    link = tmp_path / "store" / "run"
    link.parent.mkdir()
    link.symlink_to(outside)
    checkpoint.save(link, sample(small()))
    assert outside.read_text() == "precious"
    assert not link.is_symlink()
    assert checkpoint.load(link).trace.m.shape == (2, 20)


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path, monkeypatch):
    """Somebody who may write to the folder swaps it just after it was made."""
    outside = tmp_path / "outside"
    outside.write_text("precious")
    make = tempfile.mkstemp

    def swap(**more):
        handle, name = make(**more)
        os.unlink(name)
        os.symlink(outside, name)
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", swap)
    with pytest.raises(CheckpointError, match="not written"):
        checkpoint.save(tmp_path / "run", sample(small()))
    with pytest.raises(OSError, match="run"):
        write_whole(tmp_path / "run", lambda name: None)
    assert outside.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["outside"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch, step):
    old = sample(small())
    file = checkpoint.save(tmp_path / "run", old)

    def fail(*ignored):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(CheckpointError, match="disk full"):
            checkpoint.save(file, extend(small(), old))
    assert digest(checkpoint.load(file).trace) == digest(old)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_settings_that_do_not_fit_the_header_are_refused(tmp_path):
    trace = sample(small())
    trace.settings["path"] = tuple(range(10**6, 10**6 + 200_000))
    with pytest.raises(CheckpointError, match="shorter seed path"):
        checkpoint.save(tmp_path / "run", trace)
    assert list(tmp_path.iterdir()) == []
