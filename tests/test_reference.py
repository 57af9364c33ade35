"""The reference proven by hand-written cases, and the sample's expectations proven by the reference."""

import csv
import gzip
import json
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pramaan.sample import SAMPLE_ATTACHMENTS, SampleSummary, write_sample
from pramaan.sample.rows import Batch, Course, Enrolment, Progress, User
from reference import (
    REASONS,
    Attachment,
    CourseVersion,
    canonical_json,
    completion_instant,
    decide,
    gather_facts,
    is_unprintable,
)

Rows = dict[str, list[dict[str, Any]]]
PRINTABLE = frozenset({*range(0x20, 0x250), *range(0x600, 0xE00), *range(0x1E00, 0x2070)})
SCRIPTS = "ARABIC BENGALI DEVANAGARI GUJARATI GURMUKHI KANNADA LATIN MALAYALAM ORIYA TAMIL TELUGU"


def day(number: int, hour: int = 0) -> datetime:
    """An instant in March 2026."""
    return datetime(2026, 3, number, hour, tzinfo=UTC)


def world() -> Rows:
    """One learner who finished a course of two contents on 5 March and is entitled."""
    course = {"course_id": "c", "tenant_id": "t", "status": "Live", "leaf_count": 2}
    joined = {"user_id": "u", "batch_id": "b", "enrolled_at": day(2), "active": True, "updated_at": day(2)}
    progress = {"user_id": "u", "course_id": "c", "batch_id": "b", "status": 2, "score": None}
    return {
        "users": [{"user_id": "u", "name": "Asha", "tenant_id": "t", "updated_at": day(1)}],
        "courses": [course | {"published_at": day(1), "updated_at": day(1)}],
        "batches": [{"batch_id": "b", "course_id": "c", "tenant_id": "t", "updated_at": day(1)}],
        "enrolments": [joined],
        "progress": [
            progress | {"content_id": "x", "completed_at": day(3), "updated_at": day(3)},
            progress | {"content_id": "y", "completed_at": day(5), "updated_at": day(5)},
        ],
    }


def decision_of(rows: Rows, **attachment: Any) -> str | None:
    """The only decision in the world, or None; `attachment` changes the certificate's terms."""
    terms: dict[str, Any] = {"attachment_id": "a", "course_id": "c", "valid_from": day(1)} | attachment
    facts = gather_facts(rows, attachments=[Attachment(**terms)], printable=PRINTABLE)
    decisions = list(decide(facts).values())
    return decisions[0].decision if decisions else None


CHANGES: list[tuple[str, int, dict[str, Any], str | None]] = [
    ("users", 0, {"user_id": "other"}, "recipient_unknown"),
    ("users", 0, {"name": None}, "name_unprintable"),
    ("courses", 0, {"status": "Draft"}, "course_not_published"),
    ("courses", 0, {"status": "Retired"}, "entitled"),
    ("courses", 0, {"published_at": None}, "course_not_published"),
    ("courses", 0, {"published_at": day(5, 1)}, "course_not_published"),
    ("courses", 0, {"published_at": day(5)}, "entitled"),
    ("courses", 0, {"leaf_count": 3}, None),
    ("courses", 0, {"course_id": "other"}, None),
    ("enrolments", 0, {"active": False, "updated_at": day(5)}, "enrolment_inactive"),
    ("enrolments", 0, {"active": False, "updated_at": day(5, 1)}, "entitled"),
    ("enrolments", 0, {"batch_id": "other"}, None),
    ("batches", 0, {"tenant_id": "other"}, "other_tenant_batch"),
    ("batches", 0, {"course_id": "other"}, None),
    ("batches", 0, {"batch_id": "other"}, None),
    ("progress", 1, {"course_id": "other"}, None),
    ("progress", 1, {"status": 1}, None),
    ("progress", 1, {"content_id": "x"}, None),
]


@pytest.mark.parametrize(("feed", "position", "change", "expected"), CHANGES)
def test_one_change(feed: str, position: int, change: dict[str, Any], expected: str | None) -> None:
    rows = world()
    rows[feed][position] |= change
    assert decision_of(rows) == expected


@pytest.mark.parametrize(
    ("terms", "scores", "expected"),
    [
        ({}, (None, None), "entitled"),
        ({"valid_from": day(5)}, (None, None), "entitled"),
        ({"valid_from": day(5, 1)}, (None, None), "no_certificate_at_completion"),
        ({"valid_to": day(5)}, (None, None), "no_certificate_at_completion"),
        ({"valid_to": day(5, 1)}, (None, None), "entitled"),
        ({"course_id": "other"}, (None, None), "no_certificate_at_completion"),
        ({"recipient_tenants": frozenset({"t", "s"})}, (None, None), "entitled"),
        ({"recipient_tenants": frozenset({"s"})}, (None, None), "outside_recipient_tenants"),
        ({"minimum_score": 0}, (None, None), "below_minimum_score"),
        ({"minimum_score": 0}, (0, None), "entitled"),
        ({"minimum_score": 60}, (59.9, 60.1), "entitled"),
        ({"minimum_score": 60}, (59.9, 60), "below_minimum_score"),
        ({"minimum_score": 60}, (None, 60), "entitled"),
    ],
)
def test_terms_of_the_certificate(terms: dict[str, Any], scores: tuple[Any, Any], expected: str) -> None:
    rows = world()
    for row, score in zip(rows["progress"], scores, strict=True):
        row["score"] = score
    assert decision_of(rows, **terms) == expected


def test_progress_merges_and_the_newest_row_wins() -> None:
    rows = world()
    begun = {"status": 1, "completed_at": None, "score": 90, "updated_at": day(20)}
    rows["progress"].append(rows["progress"][1] | begun)
    rows["progress"].append(rows["progress"][1] | {"completed_at": day(4), "updated_at": day(21)})
    rows["users"] += [
        rows["users"][0] | {"name": "null", "updated_at": day(1)},
        rows["users"][0] | {"name": "", "updated_at": datetime(2026, 2, 1, tzinfo=UTC)},
    ]
    for feed in rows:
        for _ in range(len(rows[feed])):
            rows[feed].append(rows[feed].pop(0))
            decisions = decide(gather_facts(rows, attachments=[], printable=PRINTABLE))
            assert decisions["u", "c", "b"].completed_at == day(4)
            # "null" beats "Asha": the same instant, and its canonical JSON sorts greater.
            assert decision_of(rows, minimum_score=90) == "name_unprintable"


def test_canonical_json() -> None:
    row = {"b": day(1, 9), "a": "Zoë", "c": None, "d": True}
    assert canonical_json(row) == '{"a":"Zoë","b":"2026-03-01T09:00:00Z","c":null,"d":true}'


@pytest.mark.parametrize(
    ("leaf_counts", "contents", "enrolled", "expected"),
    [
        ({1: 2}, (3, 4), 2, 4),
        ({1: 2}, (3, 4, 9), 2, 4),
        ({1: 2}, (3, 4), 8, 8),
        ({1: 3}, (3, 4), 2, None),
        ({10: 2}, (3, 4), 2, 4),
        ({1: 2, 10: 3}, (3, 4), 2, 4),
        ({1: 2, 10: 3}, (3, 11), 2, None),
        ({1: 2, 10: 3}, (3, 10, 12), 2, 12),
        ({1: 3, 10: 2}, (3, 4), 2, 10),
        ({1: 3, 10: 2}, (3, 11), 2, 11),
        ({1: 3, 10: 2}, (3, 4), 12, 12),
        ({1: 3, 10: 2, 12: 3}, (3, 12), 2, None),
    ],
)
def test_completion_instant(
    leaf_counts: dict[int, int], contents: tuple[int, ...], enrolled: int, expected: int | None
) -> None:
    versions = [
        CourseVersion("c", "t", "Live", leaf_count=count, published_at=None, updated_at=day(start))
        for start, count in leaf_counts.items()
    ]
    instant = completion_instant(day(enrolled), versions=versions, done=[day(number) for number in contents])
    assert instant == (day(expected) if expected else None)


def test_unprintable_names() -> None:
    bad = (
        None,
        "",
        " \u00a0",
        "null",
        "Sunita null",
        "undefined undefined",
        "NULL",
        "N/A",
        "- .",
        "None Nil",
    )
    ugly = ("Ravi\u0007", "Ravi\nRao", "Asha \U0001f338", "Asha\u2028", "\ue000", "名")
    good = ("Asha", "Nil Ratan", "Asha Null", "José D'Souza", "र्\u200dहिषिकेश", "Na. Muthu", "Annull")
    assert [name for name in bad + ugly if not is_unprintable(name, printable=PRINTABLE)] == []
    assert [name for name in good if is_unprintable(name, printable=PRINTABLE)] == []


KINDS = {"users": User, "courses": Course, "batches": Batch, "enrolments": Enrolment, "progress": Progress}
MAY_BE_EMPTY = {*(field.name for field in fields(User)), "score"} - {"user_id", "tenant_id", "updated_at"}
PARSERS: dict[str, Callable[[Any], Any]] = {"leaf_count": int, "score": float}


def typed(record: dict[str, Any], *, feed: str) -> dict[str, Any]:
    """The record with its feed's columns and types; fails when it breaks the contract."""
    row: dict[str, Any] = {field.name: record[field.name] for field in fields(KINDS[feed])}
    for name, value in row.items():
        if value in {None, ""}:
            row[name] = None
            assert (feed != "courses" and name in MAY_BE_EMPTY) or name in {"published_at", "completed_at"}
        elif name.endswith("_at"):
            row[name] = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            assert row[name] < datetime(2026, 12, 1, tzinfo=UTC)
        else:
            row[name] = PARSERS.get(name, str)(value)
    if feed == "enrolments":
        row["active"] = row["active"] == "True"
    if feed == "progress":
        row["status"] = ("0", "1", "2").index(row["status"])
        assert row["completed_at"] or row["status"] < 2
        assert row["score"] is None or 0 <= row["score"] <= 100
    assert row.get("enrolment_type", "open") in {"open", "invite-only"}
    return row


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The file's rows; a row without any column for a line that is none."""
    if path.suffix == ".parquet":
        return iter(pq.read_table(path).to_pylist())
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    if ".csv" not in path.name:
        return (json.loads(line) if line.endswith("}") else {} for line in lines)
    header, *rows = csv.reader(lines)
    return (dict(zip(header, row, strict=True)) if len(row) == len(header) else {} for row in rows)


Sample = tuple[SampleSummary, Rows, set[tuple[str, int]]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The summary, the good rows by feed, and (file, row number) of the broken ones."""
    folder = tmp_path_factory.mktemp("sample")
    summary = write_sample(folder)
    good: Rows = {feed: [] for feed in KINDS}
    broken = set()
    for feed, rows in good.items():
        for path in sorted((folder / feed).iterdir()):
            for number, record in enumerate(records(path), start=1):
                try:
                    rows.append(typed(record, feed=feed))
                except (AssertionError, KeyError, ValueError):
                    broken.add((path.name, number))
    return summary, good, broken


def test_sample_is_decided_as_it_says(sample: Sample) -> None:
    summary, rows, _ = sample
    attachments = [
        Attachment(
            t.course_id,
            t.course_id,
            t.valid_from,
            None,
            frozenset(t.recipient_tenants) or None,
            t.minimum_score,
        )
        for t in SAMPLE_ATTACHMENTS
    ]
    decided = decide(gather_facts(rows, attachments=attachments, printable=PRINTABLE))
    expected = {(o.user_id, o.course_id, o.batch_id): (o.completed_at, o.decision) for o in summary.outcomes}
    assert {key: (made.completed_at, made.decision) for key, made in decided.items()} == expected
    assert summary.completions == len(expected) == sum(summary.decisions.values())
    assert summary.decisions == {
        reason: Counter(d for _, d in expected.values())[reason] for reason in REASONS
    }
    assert all(summary.decisions.values())


def test_sample_has_the_rows_it_says(sample: Sample) -> None:
    summary, rows, broken = sample
    assert {feed: len(good) for feed, good in rows.items()} == summary.good_rows
    assert broken == {(row.file, row.row_number) for row in summary.broken_rows}
    assert summary.learners == len({row["user_id"] for row in rows["users"]}) == 500
    assert summary.bad_rows == Counter(row.feed for row in summary.broken_rows)
    known = {
        unicodedata.name(c, "").split()[0] for row in rows["users"] for c in row["name"] or "" if c.isalpha()
    }
    assert " ".join(sorted(known)) == SCRIPTS


def test_sample_is_the_same_in_every_process(tmp_path: Path) -> None:
    program = "import sys, pathlib, pramaan.sample as s; s.write_sample(pathlib.Path(sys.argv[1]))"
    writers = []
    folders = [tmp_path / hash_seed for hash_seed in ("1", "2")]
    for folder in folders:
        environment = os.environ | {"PYTHONHASHSEED": folder.name, "TZ": f"UTC+{folder.name}"}
        writers.append(subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment))
    assert [writer.wait() for writer in writers] == [0, 0]
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    )
    assert first == second
    assert len(first) >= 10
