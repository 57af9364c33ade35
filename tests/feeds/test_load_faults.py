"""Whatever dies, and whenever: the next run finds every row once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from feed_files import LOADED_AT, World, file_bytes, sample_row

from pramaan.database.connect import connect
from pramaan.errors import DatabaseError, LoadError, StoreError
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import load_file, load_waiting, refuse_failed
from pramaan.feeds.validate import open_validator

LOADER = Path(__file__).parent / "loader.py"
NOBODY = 65534
HEADER = b"user_id,course_id,batch_id,enrolled_at,active,updated_at\n"
LINE = b"u%d,c,b,2026-01-28T12:00:00Z,true,2026-01-31T12:00:00Z\n"


def many(first: int, count: int) -> bytes:
    return HEADER + b"".join(LINE % n for n in range(first, first + count))


def start_loader(world: World) -> "subprocess.Popen[str]":
    command = [sys.executable, str(LOADER), world.url, str(world.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_loads_to_end(world: World) -> None:
    """Until Postgres has noticed that the loader is gone."""
    busy = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    for _ in range(200):
        found = world.connection.execute(busy).fetchone()
        if found == (0,):
            return
        time.sleep(0.05)
    raise AssertionError("a loader's connection outlived it")


@pytest.mark.slow
def test_killed_anywhere_the_next_run_completes(world: World) -> None:
    chance = random.Random(11)
    expected = {f"u{n}" for n in range(30_000)}
    interrupted = 0
    for seed in range(10):
        world.clear()
        shutil.rmtree(world.folder, ignore_errors=True)
        for part in range(3):
            world.put("enrolments", f"{part}.csv", many(part * 10_000, 10_000))
        world.put("enrolments", "broken.csv", b"")
        with start_loader(world) as loader:
            assert loader.stdout is not None
            assert loader.stdout.readline() == "connected\n"
            time.sleep(chance.uniform(0, 0.6) * (seed % 5) / 4)
            loader.send_signal(signal.SIGKILL)
        wait_for_loads_to_end(world)
        interrupted += bool(world.files("enrolments"))
        world.load()
        assert {row["user_id"] for row in world.raw("enrolments")} == expected
        assert len(world.raw("enrolments")) == 30_000
        assert {key[1] for key in world.changed_keys()} == expected
        assert world.rejects() == [(None, "empty_file")]
        assert world.load_count() == 4
        assert world.files("_loaded/enrolments") == {"0.csv", "1.csv", "2.csv"}
        assert (world.files("enrolments"), world.load()) == (set(), [])
    assert interrupted >= 3


def test_a_connection_cut_in_the_middle_leaves_the_file_waiting(world: World) -> None:
    world.put("enrolments", "big.csv", many(0, 200_000))
    landing = Landing(f"file://{world.folder}")

    def run_and_cut() -> None:
        with connect(world.url) as other:
            pid = other.info.backend_pid

            def cut(_: int) -> None:
                world.connection.execute("select pg_terminate_backend(%s)", (pid,))

            list(load_waiting(other, landing, now=lambda: LOADED_AT, on_rows=cut))

    with pytest.raises(DatabaseError, match="went away"):
        run_and_cut()
    assert world.files("enrolments") == {"big.csv"}
    assert (world.raw("enrolments"), world.load_count(), world.changed_keys()) == ([], 0, set())
    (again,) = world.load()
    assert (again.status, again.rows, again.rows_changed) == ("loaded", 200_000, 200_000)


def test_a_connection_that_is_closed_is_a_database_error(world: World) -> None:
    world.put("enrolments", "a.csv", many(0, 1))

    def run() -> None:
        with connect(world.url) as other:
            other.close()
            list(load_waiting(other, Landing(f"file://{world.folder}"), now=lambda: LOADED_AT))

    with pytest.raises(DatabaseError):
        run()
    assert world.files("enrolments") == {"a.csv"}


OURS: dict[str, tuple[str, str, str]] = {
    "a column is missing": (
        "alter table raw.enrolments rename column active to was_active",
        "alter table raw.enrolments rename column was_active to active",
        "run `pramaan prepare`",
    ),
    "a table is missing": (
        "alter table raw.enrolments rename to elsewhere",
        "alter table raw.elsewhere rename to enrolments",
        "run `pramaan prepare`",
    ),
    "a column of somebody else's": (
        "alter table raw.enrolments add column theirs text not null",
        "alter table raw.enrolments drop column theirs",
        "run `pramaan prepare`",
    ),
    "a statement is cancelled": (
        "set statement_timeout = 1",
        "set statement_timeout = 0",
        "look at who stops the server's statements",
    ),
}


@pytest.mark.parametrize("case", OURS)
def test_a_fault_of_ours_quarantines_nothing_and_the_other_feeds_load(case: str, world: World) -> None:
    breaks, mends, told = OURS[case]
    world.put("enrolments", "a.csv", many(0, 50_000))
    world.put("enrolments", "b.csv", many(50_000, 50_000))
    world.put("courses", "c.csv", file_bytes("courses", [sample_row("courses")], "csv"))
    world.put("progress", "p.csv", file_bytes("progress", [sample_row("progress")], "csv"))
    world.connection.execute(breaks)  # type: ignore[arg-type]
    try:
        found = world.load()
    finally:
        world.connection.execute(mends)  # type: ignore[arg-type]
    failed = [file for file in found if file.status == "failed"]
    assert {file.name for file in failed} >= {"a.csv", "b.csv"}
    assert all(file.status == "loaded" for file in found if file not in failed)
    assert case == "a statement is cancelled" or len(failed) == 2
    assert world.files("enrolments") == {"a.csv", "b.csv"}
    assert world.quarantine() == []
    with pytest.raises(LoadError) as told_of:
        refuse_failed(found)
    for expected in ("enrolments/a.csv", "enrolments/b.csv", told):
        assert expected in str(told_of.value)
    assert "u0" not in str(told_of.value)
    again = world.load()
    assert {file.status for file in again} == {"loaded"}
    refuse_failed(again)
    assert len(world.raw("enrolments")) == 100_000


def test_a_right_that_is_lost_is_a_fault_of_ours(world: World) -> None:
    world.put("enrolments", "a.csv", many(0, 10))
    world.put("courses", "c.csv", file_bytes("courses", [sample_row("courses")], "csv"))
    try:
        owner = world.connection.execute("select current_user").fetchone()
        assert owner is not None
        world.connection.execute(f"revoke insert on raw.enrolments from {owner[0]}")  # type: ignore[arg-type]
        found = world.load()
    finally:
        world.connection.execute(f"grant insert on raw.enrolments to {owner[0]}")  # type: ignore[arg-type]
    assert [(file.name, file.status) for file in found] == [("c.csv", "loaded"), ("a.csv", "failed")]
    assert "give the role of PRAMAAN_DATABASE_URL its rights again" in found[1].remark
    assert (world.quarantine(), world.files("enrolments")) == ([], {"a.csv"})
    assert [file.status for file in world.load()] == ["loaded"]


def test_a_bug_of_ours_is_told_and_the_file_waits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("enrolments", "a.csv", many(0, 10))
    world.put("progress", "p.csv", file_bytes("progress", [sample_row("progress")], "csv"))

    def breaks(_: int) -> None:
        if not caplog.records:
            raise ZeroDivisionError

    landing = Landing(f"file://{world.folder}")
    found = list(load_waiting(world.connection, landing, now=lambda: LOADED_AT, on_rows=breaks))
    assert [(file.name, file.status) for file in found] == [("a.csv", "failed"), ("p.csv", "loaded")]
    assert "ZeroDivisionError, a fault of ours" in found[0].remark
    assert "ZeroDivisionError" in caplog.text
    assert (world.quarantine(), world.files("enrolments")) == ([], {"a.csv"})


def test_a_file_that_changes_while_it_is_read_waits(world: World) -> None:
    path = world.put("enrolments", "a.csv", many(0, 150_000))
    world.put("enrolments", "b.csv", many(900_000, 1))
    landing = Landing(f"file://{world.folder}")
    added = threading.Event()

    def append(_: int) -> None:
        if not added.is_set():
            added.set()
            with path.open("ab") as stream:
                stream.write(LINE % 150_000)

    changed, other = load_waiting(world.connection, landing, now=lambda: LOADED_AT, on_rows=append)
    assert (changed.status, changed.remark) == ("waiting", "it changed while it was read")
    assert (other.status, [row["user_id"] for row in world.raw("enrolments")]) == ("loaded", ["u900000"])
    assert (world.load_count(), world.quarantine()) == (1, [])
    assert world.load()[0].rows == 150_001


def test_a_truncated_file_that_still_grows_is_not_quarantined(world: World) -> None:
    whole = file_bytes("enrolments", [sample_row("enrolments", n) for n in range(60_000)], "jsonl.gz")
    path = world.put("enrolments", "a.jsonl.gz", whole[:-100])
    landing = Landing(f"file://{world.folder}")
    (file,) = landing.waiting()

    def grow(_: int) -> None:
        path.write_bytes(whole)

    with open_validator() as validate:
        found = load_file(
            world.connection, landing, file, loaded_at=LOADED_AT, validate=validate, on_rows=grow
        )
    assert (found.status, world.quarantine()) == ("waiting", [])
    assert world.load()[0].rows == 60_000


def test_a_file_that_is_gone_again_holds_nothing_up(world: World) -> None:
    gone = world.put("enrolments", "a.csv", many(0, 1))
    world.put("enrolments", "b.csv", many(1, 1))
    landing = Landing(f"file://{world.folder}")
    waiting = landing.waiting()
    gone.unlink()
    with open_validator() as validate:
        found = [
            load_file(world.connection, landing, file, loaded_at=LOADED_AT, validate=validate)
            for file in waiting
        ]
    assert [each.status for each in found] == ["waiting", "loaded"]
    assert "No such file" in found[0].remark


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="plays another user")


class AsNobody:
    """The block without root's rights over files."""

    def __enter__(self) -> None:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)

    def __exit__(self, *exc: object) -> None:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def open_world(world: World, tmp_path: Path) -> World:
    """The world where also nobody may enter and write."""
    world.put("enrolments", "a.csv", many(0, 1))
    world.put("enrolments", "b.csv", many(1, 1))
    for folder in (world.folder, world.folder / "enrolments"):
        folder.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    return world


@needs_root
def test_a_file_without_the_right_to_read_waits_alone(open_world: World) -> None:
    (open_world.folder / "enrolments/a.csv").chmod(0o000)
    with AsNobody():
        found = open_world.load()
    assert [each.status for each in found] == ["waiting", "loaded"]
    assert "Permission denied" in found[0].remark
    assert open_world.quarantine() == []


@needs_root
def test_a_folder_without_the_right_to_list_is_told(open_world: World) -> None:
    (open_world.folder / "enrolments").chmod(0o300)
    with AsNobody(), pytest.raises(StoreError, match="cannot be listed: Permission denied"):
        open_world.load()
    (open_world.folder / "enrolments").chmod(0o777)
    assert [each.status for each in open_world.load()] == ["loaded", "loaded"]


@needs_root
def test_a_folder_without_the_right_to_write_loads_and_moves_later(open_world: World) -> None:
    open_world.folder.chmod(0o555)
    with AsNobody():
        found = open_world.load()
    assert [each.status for each in found] == ["loaded", "loaded"]
    assert all("cannot be moved" in each.remark for each in found)
    assert len(open_world.raw("enrolments")) == 2
    open_world.folder.chmod(0o777)
    assert [each.status for each in open_world.load()] == ["known", "known"]
    assert open_world.files("_loaded/enrolments") == {"a.csv", "b.csv"}


@needs_root
def test_a_full_disk_behind_the_loaded_folder_costs_only_the_move(world: World) -> None:
    loaded = world.folder / "_loaded"
    loaded.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(loaded)], check=False)
    if mounted.returncode:
        pytest.skip("no right to mount here")
    try:
        content = many(0, 5_000)
        world.put("enrolments", "a.csv", content)
        (found,) = world.load()
        assert (found.status, found.rows) == ("loaded", 5_000)
        assert "No space left" in found.remark
        assert (world.files("_loaded"), world.files("enrolments")) == (set(), {"a.csv"})
        subprocess.run(["mount", "-o", "remount,size=4m", str(loaded)], check=True)
        assert [each.status for each in world.load()] == ["known"]
        assert (loaded / "enrolments/a.csv").read_bytes() == content
    finally:
        with suppress(OSError):
            os.sync()
        subprocess.run(["umount", str(loaded)], check=True)
