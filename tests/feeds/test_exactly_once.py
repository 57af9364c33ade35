"""The same bytes load once in a feed; files move away once their fate is recorded, nothing is overwritten."""

import hashlib
from datetime import timedelta

import pytest
from feed_files import FORMATS, LOADED_AT, NOON, World, file_bytes, sample_row

from pramaan.database.connect import connect
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import load_waiting
from pramaan.feeds.spec import FEEDS

CONTENT = file_bytes("enrolments", [sample_row("enrolments", n) for n in range(3)], "csv")


def test_the_same_bytes_under_any_name_load_once(world: World) -> None:
    found = [
        world.drop("enrolments", CONTENT, name) for name in ("a.csv", "a.csv", "b.csv", "a.csv", "sub/a.csv")
    ]
    assert [(each.status, each.rows_changed) for each in found] == [("loaded", 3)] + [("known", 0)] * 4
    assert world.load_count() == 1
    digest = hashlib.sha256(CONTENT).hexdigest()[:12]
    assert world.files("_loaded/enrolments") == {
        "a.csv",
        f"a.{digest}.csv",
        f"a.{digest}-1.csv",
        "b.csv",
        "sub/a.csv",
    }


def test_two_copies_in_one_run_load_once(world: World) -> None:
    world.put("enrolments", "a.csv", CONTENT)
    world.put("enrolments", "b.csv", CONTENT)
    assert [each.status for each in world.load()] == ["loaded", "known"]
    assert world.connection.execute("select loaded_at, last_seen_at from ops.loads").fetchall() == [
        (LOADED_AT, LOADED_AT)
    ]


def test_the_same_bytes_in_another_feed_are_another_load(world: World) -> None:
    content = b"user_id,course_id,batch_id,enrolled_at,active,updated_at,tenant_id\n"
    assert world.drop("enrolments", content).status == "loaded"
    assert world.drop("users", content).status == "loaded"
    assert world.load_count() == 2


@pytest.mark.parametrize("feed", ["users", "courses", "batches", "enrolments", "progress"])
def test_the_same_rows_in_another_format_change_nothing(feed: str, world: World) -> None:
    at = NOON + timedelta(microseconds=123_400)
    rows = [sample_row(feed, n, updated_at=at) for n in range(50)]
    world.drop(feed, file_bytes(feed, rows, "parquet"), "f.parquet")
    kept = world.raw(feed)
    world.forget_changed_keys()
    for fmt in FORMATS[1:]:
        loaded = world.drop(feed, file_bytes(feed, rows, fmt), f"f.{fmt}")
        assert (loaded.status, loaded.rows, loaded.rows_changed) == ("loaded", 50, 0)
    assert (world.raw(feed), world.changed_keys()) == (kept, set())


def test_another_file_of_a_known_name_is_kept_beside_the_first(world: World) -> None:
    for day in range(3):
        content = file_bytes("enrolments", [sample_row("enrolments", day)], "csv")
        assert world.drop("enrolments", content, "daily.csv").status == "loaded"
    assert len(world.files("_loaded/enrolments")) == 3
    assert len(world.raw("enrolments")) == 3


def test_a_crash_between_commit_and_move_leaves_only_the_move(world: World) -> None:
    world.drop("enrolments", CONTENT, "a.csv")
    (world.folder / "_loaded/enrolments/a.csv").rename(world.folder / "enrolments/a.csv")
    kept = world.raw("enrolments")
    (again,) = world.load()
    assert (again.status, again.rows_changed) == ("known", 0)
    assert (world.files("_loaded/enrolments"), world.files("enrolments")) == ({"a.csv"}, set())
    assert (world.raw("enrolments"), world.load_count()) == (kept, 1)


def test_a_crash_between_quarantine_and_move_leaves_only_the_move(world: World) -> None:
    world.drop("enrolments", b"not,it\n", "a.csv")
    (world.folder / "_quarantined/enrolments/a.csv").rename(world.folder / "enrolments/a.csv")
    (again,) = world.load()
    assert again.status == "quarantined"
    assert (world.files("_quarantined/enrolments"), world.files("enrolments")) == ({"a.csv"}, set())
    assert world.rejects() == [(None, "missing_column")]


def test_a_load_takes_only_the_feeds_that_it_is_asked_for(world: World) -> None:
    event = b'{"mid":"m","eid":"X","ets":1769860800123}\n'
    world.put("telemetry", "t.jsonl", event)
    world.put("enrolments", "a.csv", CONTENT)
    landing = Landing(f"file://{world.folder}")
    assert [file.feed for file in landing.waiting(feeds=("telemetry",))] == ["telemetry"]
    (event_file,) = load_waiting(world.connection, landing, now=lambda: LOADED_AT, feeds=("telemetry",))
    assert (event_file.feed, event_file.status) == ("telemetry", "loaded")
    assert world.files("enrolments") == {"a.csv"}
    (rest,) = load_waiting(world.connection, landing, now=lambda: LOADED_AT, feeds=set(FEEDS) - {"telemetry"})
    assert (rest.feed, rest.status) == ("enrolments", "loaded")


def test_a_load_of_other_feeds_begins_and_ends_while_one_is_under_way(world: World) -> None:
    """Also into the same ledger, from the same folder."""
    world.put("enrolments", "a.csv", CONTENT)
    world.put("telemetry", "t.jsonl", b'{"mid":"m","eid":"X","ets":1769860800123}\n')
    landing = Landing(f"file://{world.folder}")
    inner: list[str] = []

    def load_telemetry(_: int) -> None:
        with connect(world.url) as other:
            found = load_waiting(other, landing, now=lambda: LOADED_AT, feeds=("telemetry",))
            inner.extend(file.status for file in found)

    outer = load_waiting(
        world.connection, landing, now=lambda: LOADED_AT, feeds=("enrolments",), on_rows=load_telemetry
    )
    assert [file.status for file in outer] == ["loaded"]
    assert inner[:1] == ["loaded"]
    assert (world.load_count(), world.files("telemetry"), world.files("enrolments")) == (2, set(), set())


def test_feeds_load_in_order_and_every_load_is_in_the_ledger(world: World) -> None:
    for feed in ("progress", "users", "courses"):
        world.put(feed, "b.jsonl", file_bytes(feed, [sample_row(feed, 2)], "jsonl"))
        world.put(
            feed,
            "a.jsonl",
            file_bytes(feed, [sample_row(feed, 1), sample_row(feed, 1, updated_at=None)], "jsonl"),
        )
    assert [(f.feed, f.name) for f in world.load()] == [
        (feed, name) for feed in ("users", "courses", "progress") for name in ("a.jsonl", "b.jsonl")
    ]
    ledger = world.connection.execute("""
        select feed, uri, status, rows, rows_changed, rows_quarantined, loaded_at, bytes > 0, length(sha256)
        from ops.loads order by load_id limit 1
    """).fetchall()
    uri = f"file://{world.folder}/users/a.jsonl"
    assert ledger == [("users", uri, "loaded", 1, 1, 1, LOADED_AT, True, 64)]


def test_another_filesystem_works_alike(world: World) -> None:
    """A filesystem that is not local, with names that its own move would take for patterns."""
    import fsspec

    memory = fsspec.filesystem("memory")
    names = ("a.csv", "data[1].csv", "b c?.jsonl.gz")
    for number, name in enumerate(names):
        rows = [sample_row("enrolments", number)]
        memory.pipe_file(
            f"/landing/enrolments/{name}", file_bytes("enrolments", rows, name.partition(".")[2])
        )
    memory.pipe_file("/landing/enrolments/broken.parquet", b"PAR1")
    landing = Landing("memory://landing")
    found = list(load_waiting(world.connection, landing, now=lambda: LOADED_AT))
    assert sorted((each.name, each.status) for each in found) == sorted(
        [*((name, "loaded") for name in names), ("broken.parquet", "quarantined")]
    )
    assert sorted(memory.find("/landing")) == sorted(
        [
            *(f"/landing/_loaded/enrolments/{name}" for name in names),
            "/landing/_quarantined/enrolments/broken.parquet",
        ]
    )
    assert len(world.raw("enrolments")) == 3
    memory.rm("/landing", recursive=True)
