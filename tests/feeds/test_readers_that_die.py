"""A file on which every reader dies ends in quarantine, and holds no other file up."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from feed_files import World, file_bytes, sample_row
from test_load_faults import LOADER, many, wait_for_loads_to_end

KILLER = b"it kills its reader"
KILLS = f"""
import gzip, os, signal
read = gzip.GzipFile.read
def read_or_die(self, size=-1):
    block = read(self, size)
    if {KILLER!r} in block:
        os.kill(os.getpid(), signal.SIGKILL)
    return block
gzip.GzipFile.read = read_or_die
"""
"""Run by Python as it starts, in a loader and in its child: stands for a fault of a library."""


def run_loader(world: World, customized: Path) -> bool:
    """One run in a process of its own; whether it came to its end."""
    command = [sys.executable, str(LOADER), world.url, str(world.folder)]
    environment = os.environ | {"PYTHONPATH": str(customized)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wait_for_loads_to_end(world)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == 0


def attempts(world: World) -> list[tuple[object, ...]]:
    return world.connection.execute("select feed, attempts from ops.load_attempts").fetchall()


@pytest.mark.slow
def test_a_file_that_kills_its_readers_is_quarantined_and_the_others_load(
    world: World, tmp_path: Path
) -> None:
    customized = tmp_path / "customized"
    customized.mkdir()
    (customized / "sitecustomize.py").write_text(KILLS)
    content = many(0, 10) + KILLER + b"\n"
    world.put("enrolments", "a.csv.gz", gzip.compress(content))
    world.put("enrolments", "b.csv", many(10, 10))
    world.put("progress", "p.csv", file_bytes("progress", [sample_row("progress")], "csv"))

    assert not run_loader(world, customized)
    assert (attempts(world), world.quarantine()) == ([("enrolments", 1)], [])
    assert not run_loader(world, customized)
    assert attempts(world) == [("enrolments", 2)]
    assert (len(world.raw("enrolments")), len(world.raw("progress"))) == (10, 1)
    assert world.files("enrolments") == {"a.csv.gz"}
    assert run_loader(world, customized)
    (reject,) = world.quarantine()
    assert (reject.name, reject.row_number, reject.rule) == ("a.csv.gz", None, "reader_died")
    assert "killed 2 readers" in reject.message
    assert (world.files("enrolments"), attempts(world)) == (set(), [])
    assert world.files("_quarantined/enrolments") == {"a.csv.gz"}


def died(world: World, *, times: int) -> None:
    """As if so many readers of `a.csv` had been killed."""
    landed = (world.folder / "enrolments/a.csv").read_bytes()
    world.connection.execute(
        "insert into ops.load_attempts (feed, sha256, uri, attempts)"
        " values ('enrolments', encode(sha256(%s), 'hex'), %s, %s)",
        (landed, f"file://{world.folder}/enrolments/a.csv", times),
    )


@pytest.mark.parametrize("times", [1, 2, 7])
def test_a_good_file_whose_readers_were_killed_from_outside_loads(times: int, world: World) -> None:
    world.put("enrolments", "a.csv", many(0, 10))
    world.put("enrolments", "b.csv", many(10, 10))
    died(world, times=times)
    assert [(file.name, file.status) for file in world.load()] == [("b.csv", "loaded"), ("a.csv", "loaded")]
    assert (len(world.raw("enrolments")), world.quarantine(), attempts(world)) == (20, [], [])


def test_twenty_loaders_do_not_die_of_a_file_by_chance(world: World) -> None:
    world.put("enrolments", "a.csv", many(0, 10))
    died(world, times=20)
    assert [file.status for file in world.load()] == ["quarantined"]
    assert world.rejects() == [(None, "reader_died")]


def test_a_broken_file_whose_readers_were_killed_is_quarantined_for_what_is_wrong(world: World) -> None:
    world.put("enrolments", "a.csv", b"not,it\n")
    died(world, times=2)
    assert [file.status for file in world.load()] == ["quarantined"]
    assert world.rejects() == [(None, "missing_column")]


def test_a_fault_of_ours_is_no_death(world: World) -> None:
    world.put("enrolments", "a.csv", many(0, 10))
    world.connection.execute("alter table raw.enrolments rename to elsewhere")
    try:
        assert [file.status for file in world.load()] == ["failed"]
    finally:
        world.connection.execute("alter table raw.elsewhere rename to enrolments")
    assert attempts(world) == []
