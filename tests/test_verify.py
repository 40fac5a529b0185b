"""Whatever happens to the files of a record: it shows, or the points are unharmed."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from sweep_tools import build, fill, records, run_driver, uninterrupted

import sims
from sims.lock import Lock
from sims.store import StoreError
from sims.verify import inspect, repair

N = 10
SEED = 20261121


def open_files(folder, target):
    """The files of a record that is open, as a killed process leaves them."""
    folder.mkdir()
    with sims.store.create(folder) as store:
        fill(store, N)
        shutil.copytree(folder, target)


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A record that was closed, its digests, its fingerprint."""
    folder = tmp_path_factory.mktemp("closed") / "record"
    fingerprint = build(folder, N)
    return folder, records(folder), fingerprint


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The same with all points in the journal."""
    base = tmp_path_factory.mktemp("killed")
    open_files(base / "live", base / "record")
    assert (base / "record" / "store.sqlite-wal").stat().st_size > 10000
    return base / "record", *_seen(base)


def _seen(base):
    # Reading completes the journal: done on a copy.
    shutil.copytree(base / "record", base / "copy")
    found = records(base / "copy")
    return found, uninterrupted(N)


def damages(data: bytes, n_cuts, n_flips, rng):
    """(what, new content or None) of a file."""
    for offset in sorted(rng.integers(0, len(data), n_cuts)):
        yield f"cut at {offset}", data[:offset]
    for offset in sorted(rng.choice(len(data), min(n_flips, len(data)), False)):
        bit = int(rng.integers(8))
        flipped = bytearray(data)
        flipped[offset] ^= 1 << bit
        yield f"bit {bit} of byte {offset}", bytes(flipped)
    yield "zeros", bytes(len(data))
    yield "empty", b""
    yield "missing", None


def damage_one_by_one(record, name, tmp_path, n_cuts, n_flips, mend_every):
    """(tried, left all points as they were, reported); every damage is then mended.

    Reported or bit-identical; refused for writing or completed; whole after a repair.
    """
    source, digests, fingerprint = record
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    tried = changed = detected = 0
    for what, data in damages((source / name).read_bytes(), n_cuts, n_flips, rng):
        folder = tmp_path / f"{name}-{tried}"
        shutil.copytree(source, folder)
        if data is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(data)
        tried += 1
        found = inspect(folder)
        try:
            same = records(folder) == digests
        except StoreError:
            same = False
        shown = found.damaged or bool(found.lost)
        changed += not same
        detected += not same and shown
        assert same or shown, what
        if tried % mend_every == 0 or data in (None, b""):
            mend(folder, fingerprint, what)
        shutil.rmtree(folder)
    return tried, tried - changed, detected


def mend(folder, fingerprint, what):
    """Opening refuses damage, or completes; after a repair all is as it was."""
    damaged = inspect(folder).damaged
    if damaged:
        before = (folder / "store.sqlite").exists()
        with pytest.raises(StoreError, match="repair"):
            sims.store.create(folder)
        if (folder / "ledger.txt").exists() or before:
            found = repair(folder)
            # A journal that holds all pages heals the file when it is opened.
            kept = (folder / "quarantine" / "1" / "store.sqlite").exists()
            assert kept == (before and found.damaged), what
    with sims.store.create(folder) as store:
        fill(store, N)
        assert store.fingerprint() == fingerprint, what
    found = inspect(folder)
    assert not found.damaged, (what, found.summary)
    assert not found.lost, what


CLOSED_FILES = ("store.sqlite", "ledger.txt")
KILLED_FILES = ("store.sqlite", "store.sqlite-wal", "ledger.txt")
CASES = [("closed", name) for name in CLOSED_FILES]
CASES += [("killed", name) for name in KILLED_FILES]


@pytest.mark.parametrize(("state", "name"), CASES)
def test_damage_shows(state, name, tmp_path, request):
    record = request.getfixturevalue(state)
    damage_one_by_one(record, name, tmp_path, 5, 16, 4)


@pytest.mark.nightly
@pytest.mark.parametrize(("state", "name"), CASES)
def test_damage_shows_in_full(state, name, tmp_path, request, record_property):
    record = request.getfixturevalue(state)
    counts = damage_one_by_one(record, name, tmp_path, 20, 200, 1)
    for label, number in zip(
        ("corruptions", "corruptions_harmless", "corruptions_detected"),
        counts,
        strict=True,
    ):
        record_property(label, number)


def test_every_byte_of_the_head_of_the_file(closed, tmp_path):
    """The part of the file that says what it is, byte by byte."""
    source, digests, fingerprint = closed
    data = (source / "store.sqlite").read_bytes()
    for offset in range(100):
        folder = tmp_path / str(offset)
        shutil.copytree(source, folder)
        flipped = bytearray(data)
        flipped[offset] ^= 1 << (offset % 8)
        (folder / "store.sqlite").write_bytes(flipped)
        found = inspect(folder)
        if not found.damaged:
            assert records(folder) == digests, offset
            mend(folder, fingerprint, offset)


def by_sql(folder, *statements):
    db = sqlite3.connect(folder / "store.sqlite")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE points SET payload = (SELECT payload FROM points AS p ORDER BY p.key "
        "LIMIT 1) WHERE key = (SELECT max(key) FROM points)",
        "UPDATE points SET status = 'failed' WHERE key = (SELECT max(key) FROM points)",
        "UPDATE points SET path = '[1]' WHERE key = (SELECT max(key) FROM points)",
        "UPDATE points SET message = 'x' WHERE key = (SELECT max(key) FROM points)",
        "DELETE FROM points WHERE key = (SELECT max(key) FROM points)",
        "UPDATE requests SET content = replace(content, '\"seed\": 3', '\"seed\": 4')",
        "UPDATE meta SET value = 'other' WHERE name = 'task'",
        "UPDATE environments SET content = '{}'",
        "DROP TABLE environments",
        "ALTER TABLE points ADD COLUMN more TEXT",
    ],
)
def test_changes_by_sql_show(closed, tmp_path, statement):
    source, _, fingerprint = closed
    folder = tmp_path / "record"
    shutil.copytree(source, folder)
    by_sql(folder, statement)
    found = inspect(folder)
    assert found.damaged or found.lost
    mend(folder, fingerprint, statement)


def test_swapped_payloads_are_named_and_computed_again(closed, tmp_path):
    source, digests, fingerprint = closed
    folder = tmp_path / "record"
    shutil.copytree(source, folder)
    first, second = sorted(digests)[:2]
    db = sqlite3.connect(folder / "store.sqlite")
    payloads = dict(db.execute("SELECT key, payload FROM points"))
    for key, other in ((first, second), (second, first)):
        db.execute("UPDATE points SET payload=? WHERE key=?", (payloads[other], key))
    db.commit()
    db.close()
    found = inspect(folder)
    assert sorted(found.changed) == [first, second]
    assert first[:12] in found.summary
    with sims.store.open(folder) as store, pytest.raises(StoreError, match="changed"):
        store.get(first).arrays()
    repair(folder)
    assert set(records(folder)) == set(digests) - {first, second}
    with sims.store.create(folder) as store:
        assert fill(store, N) == 2
        assert store.fingerprint() == fingerprint


def test_repair_leaves_what_is_sound_alone(closed, tmp_path):
    folder = tmp_path / "record"
    shutil.copytree(closed[0], folder)
    before = {path.name for path in folder.iterdir()}
    assert not repair(folder).damaged
    assert {path.name for path in folder.iterdir()} == before
    with pytest.raises(StoreError, match="no record"):
        repair(tmp_path / "nowhere")


def test_repair_waits_for_nobody(closed, tmp_path):
    folder = tmp_path / "record"
    shutil.copytree(closed[0], folder)
    lock = Lock(folder)
    with pytest.raises(StoreError, match="being written by process"):
        repair(folder)
    lock.release()


def test_repair_cut_short_shows(closed, tmp_path, monkeypatch):
    """Killed between two files, a repair is taken up by the next."""
    from sims import verify

    source, _, fingerprint = closed
    for step in ("store.sqlite", "ledger.txt"):
        folder = tmp_path / step
        shutil.copytree(source, folder)
        by_sql(folder, "UPDATE points SET payload = x'00' WHERE rowid = 3")
        replace = verify.os.replace

        def stop(old, new, step=step, replace=replace):
            if Path(new).name == step:
                raise KeyboardInterrupt
            replace(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(verify.os, "replace", stop)
            with pytest.raises(KeyboardInterrupt):
                repair(folder)
        mend(folder, fingerprint, step)


def test_a_driver_meets_a_damaged_record(closed, tmp_path):
    """A script is told what to do, in one line."""
    folder = tmp_path / "record"
    shutil.copytree(closed[0], folder)
    by_sql(folder, "UPDATE points SET payload = x'00' WHERE rowid = 3")
    code, _, err = run_driver(folder, N)
    assert code == 1
    assert err.count("\n") == 1
    assert "--repair" in err
