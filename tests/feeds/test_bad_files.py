"""A file that cannot be read goes to quarantine whole, with the reason; the next file loads."""

import gzip
import json
import random

import pyarrow as pa
import pytest
from feed_files import NOON, Quarantined, World, as_text, file_bytes, parquet_of, sample_row

HEADER = b"user_id,course_id,batch_id,enrolled_at,active,updated_at\n"
LINE = b"u%d,c,b,2026-01-28T12:00:00Z,true,2026-01-31T12:00:00Z\n"
GOOD = json.dumps(sample_row("enrolments"), default=as_text).encode()


def lines(first: int, count: int) -> bytes:
    return b"".join(LINE % number for number in range(first, first + count))


def assert_only_file_quarantined(world: World, rule: str, *, said: str = "") -> Quarantined:
    """One file went away whole, and the one after it loaded."""
    (reject,) = world.quarantine()
    assert (reject.row_number, reject.rule, reject.raw_row) == (None, rule, None)
    assert said in reject.message
    assert [row["user_id"] for row in world.raw("enrolments")] == ["u77"]
    assert (len(world.files("_quarantined/enrolments")), len(world.files("_loaded/enrolments"))) == (1, 1)
    assert world.files("enrolments") == set()
    return reject


def parquet_with_broken_page() -> bytes:
    rows = 20_000
    noise = random.Random(7)
    content = bytearray(
        parquet_of(
            user_id=pa.array([f"{noise.getrandbits(60):x}" for _ in range(rows)]),
            course_id=pa.array(["c"] * rows),
            batch_id=pa.array(["b"] * rows),
            enrolled_at=pa.array([NOON] * rows),
            active=pa.array([True] * rows),
            updated_at=pa.array([NOON] * rows),
        )
    )
    content[len(content) // 3 : len(content) // 3 + 400] = bytes(400)
    return bytes(content)


BROKEN_FILES = {
    "truncated.parquet": (
        "unreadable_file",
        file_bytes("enrolments", [sample_row("enrolments")], "parquet")[:-20],
    ),
    "page.parquet": ("unreadable_file", parquet_with_broken_page()),
    "not.parquet": ("unreadable_file", HEADER + LINE % 1),
    "truncated.csv.gz": ("unreadable_file", gzip.compress(HEADER + lines(1, 5000), mtime=0)[:-200]),
    "header-only.csv.gz": ("unreadable_file", gzip.compress(HEADER + lines(1, 5000), mtime=0)[:30]),
    "not.csv.gz": ("unreadable_file", HEADER + LINE % 1),
    "bitflip.jsonl.gz": ("unreadable_file", gzip.compress(GOOD + b"\n", mtime=0)[:-8] + b"\0" * 8),
    "zero.csv": ("empty_file", b""),
    "zero.parquet": ("empty_file", b""),
    "zero.jsonl.gz": ("empty_file", b""),
    "newlines.csv": ("empty_file", b"\n\r\n\n"),
    "book.xlsx": ("unknown_format", b"PK"),
    "noextension": ("unknown_format", HEADER),
    "utf16.csv": ("unreadable_file", (HEADER + LINE % 1).decode().encode("utf-16")),
    "semicolons.csv": ("missing_column", (HEADER + LINE % 1).replace(b",", b";")),
    "case.csv": ("missing_column", HEADER.upper() + LINE % 1),
    "twice.csv": ("repeated_column", HEADER.strip() + b",user_id\n" + (LINE % 1).strip() + b",u2\n"),
    "quote.csv": ("broken_quoting", b'"' + HEADER + LINE % 1),
}


@pytest.mark.parametrize(
    ("name", "rule", "content"), [(n, r, c) for n, (r, c) in BROKEN_FILES.items()], ids=BROKEN_FILES
)
def test_a_file_that_cannot_be_read_is_quarantined_whole(
    name: str, rule: str, content: bytes, world: World
) -> None:
    world.put("enrolments", name, content)
    world.put("enrolments", "~next.csv", HEADER + LINE % 77)
    broken, good = world.load()
    assert (broken.status, broken.rows, good.status) == ("quarantined", 0, "loaded")
    reject = assert_only_file_quarantined(world, rule)
    assert reject.name == name
    assert world.load() == []


def test_messages_name_what_is_wrong_and_what_to_do(world: World) -> None:
    for name, (_, content) in BROKEN_FILES.items():
        world.put("enrolments", name, content)
    world.load()
    said = {each.name: each.message for each in world.quarantine()}
    assert "send it again" in said["truncated.parquet"]
    assert "course_id" in said["semicolons.csv"]
    assert "it has: user_id;course_id" in said["semicolons.csv"]
    assert "user_id more than once" in said["twice.csv"]
    assert ".jsonl.gz" in said["book.xlsx"]
    assert "the quoting of the header is broken" in said["quote.csv"]
    assert "0 bytes" in said["zero.parquet"]
    assert all("\n" not in message and len(message) < 700 for message in said.values())


@pytest.mark.parametrize("fmt", ["parquet", "csv", "csv.gz", "jsonl.gz"])
def test_no_rows_is_a_good_load(fmt: str, world: World) -> None:
    loaded = world.drop("enrolments", file_bytes("enrolments", [], fmt), f"none.{fmt}")
    assert (loaded.status, loaded.rows, world.quarantine()) == ("loaded", 0, [])


def test_odd_unknown_names_are_reported_as_they_can_be(world: World) -> None:
    named = b"".join(GOOD[:-1] + b',"extra\\u0000%d":1}\n' % n for n in range(1200))
    assert world.drop("enrolments", named, "f.jsonl").status == "loaded"
    (found,) = world.unknown_columns()
    assert len(found) == 1000
    assert all(name.startswith("extra\\u0000") for name in found)


def test_a_mended_file_is_taken(world: World) -> None:
    world.drop("enrolments", HEADER + LINE % 1, "wrong-name.txt")
    assert world.rejects() == [(None, "unknown_format")]
    assert world.drop("enrolments", HEADER + LINE % 1, "right-name.csv").status == "loaded"
    assert (world.quarantine(), len(world.raw("enrolments"))) == ([], 1)


def test_a_bad_file_sent_again_is_told_once(world: World) -> None:
    for _ in range(2):
        assert world.drop("enrolments", b"", "zero.csv").status == "quarantined"
    assert world.rejects() == [(None, "empty_file")]
    assert len(world.files("_quarantined/enrolments")) == 2
