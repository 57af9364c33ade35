"""Every format, every spelling of it that the contract allows, and which names wait."""

import csv
import io
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from feed_files import FORMATS, World, file_bytes, parquet_of, sample_row

FEEDS = ("users", "courses", "batches", "enrolments", "progress")
HEADER = b"user_id,course_id,batch_id,enrolled_at,active,updated_at\n"
LINE = b"u%d,c,b,2026-01-28T12:00:00Z,true,2026-01-31T12:00:00Z\n"


@pytest.mark.parametrize("feed", FEEDS)
def test_every_format_says_the_same(feed: str, world: World) -> None:
    rows = [sample_row(feed, number) for number in range(3)]
    for fmt in FORMATS:
        loaded = world.drop(feed, file_bytes(feed, rows, fmt), f"file.{fmt}")
        changed = 3 if fmt == "parquet" else 0
        assert (loaded.status, loaded.rows, loaded.rows_changed) == ("loaded", 3, changed), fmt
    assert world.raw(feed) == rows
    assert world.rejects() == []
    assert world.unknown_columns() == [[]] * 5


@pytest.mark.parametrize("feed", FEEDS)
def test_only_required_columns_are_needed(feed: str, world: World) -> None:
    optional = {
        "users": {"tenant_id", "user_id", "updated_at"},
        "courses": {"course_id", "name", "tenant_id", "status", "leaf_count", "updated_at"},
        "batches": {"batch_id", "course_id", "tenant_id", "name", "enrolment_type", "updated_at"},
        "enrolments": {"user_id", "course_id", "batch_id", "enrolled_at", "active", "updated_at"},
        "progress": {"user_id", "course_id", "batch_id", "content_id", "status", "updated_at"},
    }[feed]
    row = sample_row(feed, status=1) if feed == "progress" else sample_row(feed)
    bare = {name: value for name, value in row.items() if name in optional}
    world.drop(feed, file_bytes(feed, [bare], "jsonl"), "a.jsonl")
    (kept,) = world.raw(feed)
    absent = {name: [] if name == "mentor_ids" else None for name in row if name not in optional}
    assert kept == bare | absent


@pytest.mark.parametrize(
    "name",
    [
        "with space.csv",
        "हिन्दी फ़ाइल.csv",
        "UPPER.CSV",
        "sub/folder/deep.csv",
        "a.b.c.csv",
        "data[1]*?.csv",
        "#%41;&.csv",
        "new\nline.csv",
        "x.tmp.csv",
        "quote'\".csv",
    ],
)
def test_any_name_loads_and_moves(name: str, world: World) -> None:
    assert world.drop("enrolments", HEADER + LINE % 1, name).status == "loaded"
    assert world.files("_loaded/enrolments") == {name}
    assert world.files("enrolments") == set()


def test_a_name_that_is_no_utf8_loads(world: World) -> None:
    name = b"latin-\xe9.csv".decode("utf-8", "surrogateescape")
    assert world.drop("enrolments", HEADER + LINE % 1, name).status == "loaded"
    assert world.files("_loaded/enrolments") == {name}


@pytest.mark.parametrize(
    "name", ["_part.csv", ".hidden.csv", "part.csv.tmp", "_sub/part.csv", "sub/.part.csv"]
)
def test_incomplete_names_wait(name: str, world: World) -> None:
    world.put("enrolments", name, HEADER + LINE % 1)
    assert world.load() == []
    assert world.files("enrolments") == {name}


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"\xef\xbb\xbf" + HEADER + LINE % 1, 1),
        ((HEADER + LINE % 1 + LINE % 2).replace(b"\n", b"\r\n"), 2),
        ((HEADER + LINE % 1 + LINE % 2).replace(b"\n", b"\r"), 2),
        (HEADER + (LINE % 1).strip(), 1),
        (b"\n\r\n" + HEADER + b"\n\n" + LINE % 1 + b"\n\r\n" + LINE % 2 + b"\n\n", 2),
        (HEADER, 0),
        (HEADER.strip(), 0),
        (b"\xef\xbb\xbf" + HEADER.strip(), 0),
        (
            HEADER.replace(b"user_id", b'"user_id"').replace(b"\n", b',"more\nthan one line"\n')
            + (LINE % 1).replace(b"\n", b",x\n"),
            1,
        ),
    ],
    ids=[
        "bom",
        "crlf",
        "cr",
        "no-newline",
        "empty-lines",
        "header",
        "bare-header",
        "bom-header",
        "quoted-header",
    ],
)
def test_spellings_of_csv(content: bytes, rows: int, world: World) -> None:
    loaded = world.drop("enrolments", content)
    assert (loaded.status, loaded.rows, world.rejects()) == ("loaded", rows, [])
    assert [row["user_id"] for row in world.raw("enrolments")] == [f"u{n + 1}" for n in range(rows)]


def test_quoted_values_keep_what_they_hold(world: World) -> None:
    odd = [
        "a\nb",
        "a\r\nb",
        'say "x"',
        "a,b",
        "\\.",
        "\\N",
        " padded ",
        "क्षि,\u200d",
        "'",
        "\t",
        "null",
        "0",
        "\\",
        "{a,b}",
    ]
    rows = [sample_row("users", number, name=name, email=None) for number, name in enumerate(odd)]
    for fmt in FORMATS:
        world.drop("users", file_bytes("users", rows, fmt), f"f.{fmt}")
    kept = {row["user_id"]: row["name"] for row in world.raw("users")}
    assert kept == {row["user_id"]: row["name"] for row in rows}
    assert [load.rows_changed for load in world.load()] == []


def test_empty_text_is_missing_in_every_format(world: World) -> None:
    for number, fmt in enumerate(FORMATS):
        row = sample_row("users", number, name="", email="")
        world.drop("users", file_bytes("users", [row], fmt), f"f.{fmt}")
    assert {(row["name"], row["email"]) for row in world.raw("users")} == {(None, None)}


def test_columns_in_any_order(world: World) -> None:
    row = sample_row("progress")
    text = io.StringIO()
    names = sorted(row, reverse=True)
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerow(
        [
            "2026-01-30T12:00:00Z"
            if n == "completed_at"
            else "2026-01-31T12:00:00Z"
            if n == "updated_at"
            else row[n]
            for n in names
        ]
    )
    world.drop("progress", text.getvalue().encode())
    assert world.raw("progress") == [row]


INTERNAL = (
    "_pramaan_row",
    "_pramaan_line",
    "_pramaan_broken",
    "raw_row",
    "raw_line",
    "fields",
    "given_user_id",
    "chunk",
    "User_ID",
    "user_id ",
    "x",
    "X",
    "a'b\"c",
    "load_id",
    "incoming",
    "ties",
    "",
)


@pytest.mark.parametrize("fmt", ["csv", "parquet", "jsonl"])
def test_unknown_columns_are_kept_out_and_reported_once_a_file(fmt: str, world: World) -> None:
    row: dict[str, Any] = sample_row("enrolments")
    bad = sample_row("enrolments", 2, active=None)
    extra = dict.fromkeys(INTERNAL, "odd")
    if fmt == "csv":
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*row, *INTERNAL])
        for each in (row, bad):
            writer.writerow(
                [
                    ""
                    if v is None
                    else str(v).lower()
                    if v is True
                    else v.isoformat()
                    if isinstance(v, datetime)
                    else v
                    for v in (each | extra).values()
                ]
            )
        content = text.getvalue().encode()
    elif fmt == "jsonl":
        content = file_bytes("enrolments", [row | extra, bad | extra], "jsonl")
    else:
        columns = {n: pa.array([row[n], bad[n]]) for n in row}
        content = parquet_of(**columns, **{n: pa.array(["odd", "odd"]) for n in INTERNAL})
    loaded = world.drop("enrolments", content, f"f.{fmt}")
    assert (loaded.rows, loaded.rows_quarantined) == (1, 1)
    assert world.raw("enrolments") == [row]
    (found,) = world.unknown_columns()
    blank = "(column 23 has no name)" if fmt == "csv" else ""
    assert set(found) == (set(INTERNAL) - {""}) | {blank}
    (reject,) = world.quarantine()
    assert (reject.row_number, reject.rule) == (2, "missing_value")
    assert reject.raw_row is not None
    assert '"_pramaan_row"' in reject.raw_row
