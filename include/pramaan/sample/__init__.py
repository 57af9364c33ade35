"""The bundled sample: 500 learners in every script, and every case of the rules with its expected decision.

    catalogue   courses, batches, issuers, certificates to attach
    cases, scenarios   the labelled cases of the rules; `cases.CASES` is the table
    people       the seeded learners around them
    broken      rows for the quarantine
    summary     what a correct pipeline must make of it all

A function of the seed alone: no clock, no order of sets, the same bytes in every process.
"""

import json
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pramaan.sample.broken import broken_csv, broken_json, broken_parquet
from pramaan.sample.catalogue import BATCHES, COURSES, SAMPLE_ATTACHMENTS, SAMPLE_ISSUERS, SampleAttachment
from pramaan.sample.files import (
    cells,
    csv_bytes,
    gzip_bytes,
    interleave,
    json_line,
    jsonl_bytes,
    parquet_bytes,
)
from pramaan.sample.rows import Batch, Enrolment, Outcome, Progress, Story, User
from pramaan.sample.scenarios import scenarios
from pramaan.sample.summary import BrokenRow, SampleSummary, UnknownColumn, count_decisions
from pramaan.sample.synthetic_people import people

__all__ = [
    "LEARNERS",
    "SAMPLE_ATTACHMENTS",
    "SAMPLE_ISSUERS",
    "BrokenRow",
    "Outcome",
    "SampleAttachment",
    "SampleSummary",
    "Story",
    "UnknownColumn",
    "write_sample",
]

LEARNERS = 500
_SIGNATURE = Path(__file__).resolve().parent.parent / "sample_signature.png"
_UNKNOWN_COLUMN = UnknownColumn(feed="users", file="more_learners.jsonl.gz", column="device")
_ENROLMENT_TYPES = dict.fromkeys(("user_id", "course_id", "batch_id"), "string") | {
    "enrolled_at": "instant",
    "active": "bool",
    "updated_at": "instant",
}
_PROGRESS_TYPES = dict.fromkeys(("user_id", "course_id", "batch_id", "content_id"), "string") | {
    "status": "int8",
    "score": "double",
    "completed_at": "instant",
    "updated_at": "instant",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file's bytes and what is known of its rows."""

    path: str
    data: bytes
    good_rows: int
    broken_rows: tuple[BrokenRow, ...]


def write_sample(folder: Path, *, seed: int = 2026) -> SampleSummary:
    """Write the feeds to `folder/<feed>/`, the issuers to `folder/issuers/`; say what must come of them.

    Overwrites the files it writes and leaves others alone: safe to repeat, and the same seed gives the same
    bytes. An issuer's document names a signature only where the package has the image to put beside it.
    """
    cases = scenarios()
    known = sum(len(story.users) for story in cases)
    stories = cases + people(LEARNERS - known, first_number=len(cases) + 1, seed=seed)
    files = _files(stories, seed=seed)
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    return _summary(stories, cases=cases, files=files, issuers=_write_issuers(folder / "issuers"))


def _files(stories: Sequence[Story], *, seed: int) -> list[_File]:
    """Every feed file. Enrolments and progress are shuffled: no order may matter."""
    rng = random.Random(seed)  # noqa: S311 - a sample that anyone can make again, no secret
    enrolments = [row for story in stories for row in story.enrolments]
    progress = [row for story in stories for row in story.progress]
    late = [row for story in stories for row in story.late_progress]
    for rows in (enrolments, progress, late):
        rng.shuffle(rows)
    users = [row for story in stories for row in story.users]
    late_users = [json_line(row, device="shared phone") for story in stories for row in story.late_users]
    versions = [json_line(version) for course in COURSES.values() for version in course]
    return [
        _csv_file("users/learners.csv", users, kind=User),
        _json_file("users/more_learners.jsonl.gz", late_users),
        _json_file("courses/courses.jsonl", versions),
        _csv_file("batches/batches.csv", list(BATCHES.values()), kind=Batch),
        _parquet_file("enrolments/enrolments.parquet", enrolments, types=_ENROLMENT_TYPES),
        _parquet_file("progress/progress.parquet", progress, types=_PROGRESS_TYPES),
        _csv_file("progress/late.csv.gz", late, kind=Progress),
    ]


def _file(path: str, *, data: bytes, good_rows: int, rules: Sequence[str], numbers: Sequence[int]) -> _File:
    feed, _, name = path.partition("/")
    broken = (BrokenRow(feed, name, number, rule) for number, rule in zip(numbers, rules, strict=True))
    packed = gzip_bytes(data) if name.endswith(".gz") else data
    return _File(path, data=packed, good_rows=good_rows, broken_rows=tuple(broken))


def _csv_file(path: str, rows: Sequence[Any], *, kind: type[User | Batch | Progress]) -> _File:
    broken = broken_csv()[path]
    records, numbers = interleave([cells(row) for row in rows], [record for _, record in broken])
    data = csv_bytes(records, kind=kind)
    return _file(path, data=data, good_rows=len(rows), rules=[rule for rule, _ in broken], numbers=numbers)


def _json_file(path: str, lines: Sequence[str]) -> _File:
    broken = broken_json()[path]
    records, numbers = interleave(lines, [record for _, record in broken])
    data = jsonl_bytes(records)
    return _file(path, data=data, good_rows=len(lines), rules=[rule for rule, _ in broken], numbers=numbers)


def _parquet_file(path: str, rows: Sequence[Enrolment | Progress], *, types: dict[str, str]) -> _File:
    broken = broken_parquet()[path]
    records, numbers = interleave([asdict(row) for row in rows], [record for _, record in broken])
    data = parquet_bytes(records, types=types)
    return _file(path, data=data, good_rows=len(rows), rules=[rule for rule, _ in broken], numbers=numbers)


def _write_issuers(folder: Path) -> tuple[dict[str, Any], ...]:
    """The issuers' documents, with the signature image beside them when the package has it."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = [dict(issuer) for issuer in SAMPLE_ISSUERS]
    for document in documents:
        if _SIGNATURE.exists() and "signature" in document:
            shutil.copyfile(_SIGNATURE, folder / document["signature"])
        else:
            document.pop("signature", None)
        text = json.dumps(document, ensure_ascii=False, indent=2)
        (folder / f"{document['id']}.json").write_text(f"{text}\n", encoding="utf-8")
    return tuple(documents)


def _summary(
    stories: Sequence[Story],
    *,
    cases: tuple[Story, ...],
    files: Sequence[_File],
    issuers: tuple[dict[str, Any], ...],
) -> SampleSummary:
    good_rows: Counter[str] = Counter()
    for file in files:
        good_rows[file.path.partition("/")[0]] += file.good_rows
    broken_rows = tuple(row for file in files for row in file.broken_rows)
    outcomes = tuple(outcome for story in stories for outcome in story.outcomes)
    keys = _keys(stories)
    return SampleSummary(
        learners=keys["users"],
        good_rows=dict(good_rows),
        bad_rows=dict(Counter(row.feed for row in broken_rows)),
        keys=keys,
        completions=len(outcomes),
        decisions=count_decisions(outcomes),
        outcomes=outcomes,
        scenarios=cases,
        broken_rows=broken_rows,
        unknown_columns=(_UNKNOWN_COLUMN,),
        issuers=issuers,
        attachments=SAMPLE_ATTACHMENTS,
    )


def _keys(stories: Sequence[Story]) -> dict[str, int]:
    """The number of rows in each raw table once the files are merged."""
    progress = (row for story in stories for row in (*story.progress, *story.late_progress))
    return {
        "users": len({row.user_id for story in stories for row in (*story.users, *story.late_users)}),
        "courses": sum(len(versions) for versions in COURSES.values()),
        "batches": len(BATCHES),
        "enrolments": len({(row.user_id, row.batch_id) for story in stories for row in story.enrolments}),
        "progress": len({(row.user_id, row.batch_id, row.content_id) for row in progress}),
    }
