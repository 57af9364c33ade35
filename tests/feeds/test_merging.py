"""Rows in any order, split over files of any format, dropped more than once, end in the same raw tables."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from feed_files import FORMATS, NOON, Row, World, file_bytes, sample_row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pramaan.feeds.spec import FEEDS
from reference import canonical_json

KEYS = {
    "users": ("user_id",),
    "courses": ("course_id", "updated_at"),
    "batches": ("batch_id",),
    "enrolments": ("user_id", "batch_id"),
    "progress": ("user_id", "batch_id", "content_id"),
}
TOUCHES = {
    "users": ("user", "user_id"),
    "courses": ("course", "course_id"),
    "batches": ("batch", "batch_id"),
    "enrolments": ("enrolment", "user_id", "batch_id"),
    "progress": ("progress", "user_id", "batch_id"),
}

ids = st.sampled_from(["a", "b", "é", "z"])
texts = st.sampled_from([None, "a", "A", "é", "ऋ", '"', "\\", "/", "\x7f", "\x1f", "\n", "a,b", "😀"])
instants = st.sampled_from(
    [NOON + timedelta(microseconds=n) for n in (-1_000_000, 0, 1, 100_000, 500_000, 999_999, 1_000_000)]
)


single_lines = texts.filter(lambda text: not {"\r", "\n"} & set(text or ""))
"""CSV takes a line end in names and other free text only."""


def rows_of(feed: str) -> st.SearchStrategy[dict[str, Any]]:
    """Good rows of a feed that collide often, in keys and in `updated_at`."""
    columns = {
        "users": {
            "user_id": ids,
            "name": texts,
            "email": single_lines,
            "tenant_id": ids,
            "updated_at": instants,
        },
        "courses": {
            "course_id": ids,
            "name": texts.filter(bool),
            "tenant_id": ids,
            "updated_at": instants,
            "status": st.sampled_from(["Draft", "Live", "Retired"]),
            "leaf_count": st.sampled_from([2, 10, 9]),
            "published_at": st.none() | instants,
        },
        "batches": {
            "batch_id": ids,
            "course_id": ids,
            "name": texts.filter(bool),
            "updated_at": instants,
            "start_date": st.none() | instants.map(lambda at: at.date()),
            "mentor_ids": st.lists(st.sampled_from(["m", "n", 'q"\\', "{", "a,b", "null"][:3]), max_size=2),
        },
        "enrolments": {
            "user_id": ids,
            "batch_id": ids,
            "course_id": ids,
            "active": st.booleans(),
            "enrolled_at": instants,
            "updated_at": instants,
        },
        "progress": {
            "user_id": ids,
            "batch_id": ids,
            "content_id": ids,
            "course_id": ids,
            "updated_at": instants,
            "status": st.sampled_from([0, 1, 2]),
            "score": st.none() | st.sampled_from([0.0, 59.9, 100.0]),
            "completed_at": instants,
        },
    }[feed]
    return st.fixed_dictionaries(columns).map(lambda changes: sample_row(feed, **changes))


def merged(feed: str, rows: Iterable[Row]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The contract's merge, row by row, in ordinary Python."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in KEYS[feed])
        old = kept.get(key)
        if old is None:
            kept[key] = dict(row)
        elif feed == "progress":
            kept[key] = {
                **old,
                "course_id": max((r["updated_at"], r["course_id"]) for r in (old, row))[1],
                "status": max(old["status"], row["status"]),
                "score": max((r["score"] for r in (old, row) if r["score"] is not None), default=None),
                "completed_at": min(
                    (r["completed_at"] for r in (old, row) if r["completed_at"]), default=None
                ),
                "updated_at": max(old["updated_at"], row["updated_at"]),
            }
        elif (row["updated_at"], canonical_json(row).encode()) > (
            old["updated_at"],
            canonical_json(old).encode(),
        ):
            kept[key] = dict(row)
    return kept


def expected_keys(feed: str, before: dict[Any, Any], after: dict[Any, Any]) -> set[tuple[Any, ...]]:
    """Of the rows that changed, those whose change a decision could depend on."""
    kind, *names = TOUCHES[feed]
    changed = [
        row
        for key, row in after.items()
        if before.get(key) != row and decisive_change(feed, replaced(feed, before, row), row)
    ]
    return {
        (kind, *(row[name] if name in names else None for name in ("user_id", "batch_id", "course_id")))
        for row in changed
    }


def replaced(feed: str, before: dict[Any, Any], row: Row) -> Row | None:
    """What was in force in the row's place: of a course the version before it, or else the one after it."""
    if feed != "courses":
        return cast("Row | None", before.get(tuple(row[name] for name in KEYS[feed])))
    versions = [known for known in before.values() if known["course_id"] == row["course_id"]]
    earlier = [known for known in versions if known["updated_at"] <= row["updated_at"]]
    if earlier:
        return cast("Row", max(earlier, key=lambda known: known["updated_at"]))
    return cast("Row | None", min(versions, key=lambda known: known["updated_at"], default=None))


def decisive_change(feed: str, old: Row | None, new: Row) -> bool:
    if old is None:
        return feed != "progress" or new["status"] > 0 or new["score"] is not None
    return decisive(feed, old) != decisive(feed, new)


def decisive(feed: str, row: Row) -> list[Any]:
    columns = {
        "users": ("name", "tenant_id", "language"),
        "courses": ("name", "tenant_id", "status", "leaf_count", "published_at"),
        "batches": ("course_id", "tenant_id"),
        "enrolments": ("enrolled_at", "active"),
        "progress": ("course_id", "status", "score", "completed_at"),
    }[feed]
    special = row["updated_at"] if feed == "enrolments" and not row["active"] else None
    return [*(row[name] for name in columns), special]


def by_key(feed: str, rows: Sequence[Row]) -> dict[tuple[Any, ...], Any]:
    return {tuple(row[name] for name in KEYS[feed]): row for row in rows}


@pytest.mark.parametrize("feed", sorted(KEYS))
@settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_any_order_and_any_split_end_alike(feed: str, data: st.DataObject, world: World) -> None:
    rows = data.draw(st.lists(rows_of(feed), min_size=1, max_size=25))
    seed = data.draw(st.integers(0, 2**32))
    noise = random.Random(seed)
    world.clear()
    shuffled = rows + noise.sample(rows, len(rows) // 3)
    noise.shuffle(shuffled)
    so_far: list[Row] = []
    number = 0
    while shuffled:
        size = noise.randint(1, len(shuffled))
        part, shuffled = shuffled[:size], shuffled[size:]
        before = merged(feed, so_far)
        so_far += part
        fmt = noise.choice(FORMATS)
        world.forget_changed_keys()
        loaded = world.drop(feed, file_bytes(feed, part, fmt), f"{number}.{fmt}")
        number += 1
        after = merged(feed, so_far)
        assert world.quarantine() == []
        assert by_key(feed, world.raw(feed)) == after
        if loaded.status == "loaded":
            assert world.changed_keys() == expected_keys(feed, before, after)
            assert loaded.rows == len(part)


@pytest.mark.parametrize("feed", sorted(KEYS))
def test_ties_are_broken_by_canonical_json_whatever_the_order(feed: str, world: World) -> None:
    tied = {
        "users": [{"name": name} for name in (None, "a", "Z", "é", '"', "ऋ", "\x1f", "\n", "a/b", "\u2028")],
        "courses": [{"published_at": at} for at in (None, NOON, NOON + timedelta(milliseconds=500))]
        + [{"leaf_count": n} for n in (9, 10, 100)],
        "batches": [{"mentor_ids": m} for m in ([], ["a"], ["a", "b"], ['"'])] + [{"start_date": None}],
        "enrolments": [{"active": True}, {"active": False}]
        + [{"enrolled_at": NOON + timedelta(microseconds=n)} for n in (0, 1, 10, 100_000, 500_000)],
        "progress": [{"course_id": c, "score": s} for c in "aéz" for s in (None, 1.0)],
    }[feed]
    rows = [sample_row(feed, **changes) for changes in tied]
    for number in range(6):
        world.clear()
        random.Random(number).shuffle(rows)
        for part, each in enumerate(rows[:4]):
            world.put(feed, f"{part}.jsonl", file_bytes(feed, [each], "jsonl"))
        world.put(feed, "9.csv", file_bytes(feed, rows[4:], "csv"))
        world.load()
        assert by_key(feed, world.raw(feed)) == merged(feed, rows)


def test_of_courses_every_version_is_kept(world: World) -> None:
    versions = [sample_row("courses", leaf_count=n, updated_at=NOON + timedelta(days=n)) for n in (3, 1, 2)]
    world.drop("courses", file_bytes("courses", versions, "csv"))
    assert [row["leaf_count"] for row in world.raw("courses")] == [1, 2, 3]


def test_an_older_row_never_overwrites(world: World) -> None:
    newer = sample_row("users", name="New")
    older = sample_row("users", name="Old", updated_at=NOON - timedelta(microseconds=1))
    world.drop("users", file_bytes("users", [newer], "csv"))
    world.forget_changed_keys()
    loaded = world.drop("users", file_bytes("users", [older], "parquet"), "old.parquet")
    assert (loaded.rows, loaded.rows_changed) == (1, 0)
    assert (world.raw("users"), world.changed_keys()) == ([newer], set())


def test_keys_are_noted_across_chunks(world: World) -> None:
    rows = [sample_row("enrolments", number) for number in range(60_000)]
    world.drop("enrolments", file_bytes("enrolments", rows, "csv"))
    assert world.changed_keys() == {("enrolment", f"u{n}", "b", None) for n in range(60_000)}
    assert set(FEEDS) >= set(KEYS)
