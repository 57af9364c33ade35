"""Courses to complete and people who complete them, in every script, as feeds."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pramaan.database.connect import Connection
from pramaan.feeds.landing import Landing
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.changes import Actor
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.rendering.samples import sample_signature
from pramaan.sample.names import NAMES
from pramaan.signatures.images import check_signature

__all__ = [
    "CONTENTS",
    "COURSES",
    "TENANT",
    "Drop",
    "attach_certificates",
    "drop_completions",
    "drop_courses",
]

TENANT: Final = "state"
COURSES: Final = 5
CONTENTS: Final = 3
_LONG_AGO: Final = datetime(2024, 1, 1, tzinfo=UTC)
_PEOPLE: Final = tuple(
    (language, f"{first} {last}")
    for language, (firsts, lasts) in NAMES.items()
    for first, last in product(firsts, lasts)
)


@dataclass(frozen=True, slots=True)
class _Rows:
    feed: str
    rows: tuple[dict[str, object], ...]


def drop_courses(landing: Landing, folder: Path) -> None:
    """Drop the courses and a batch of each."""
    then = _LONG_AGO
    courses = [
        {"course_id": f"course-{n}", "name": f"Foundations of Learning {n}", "tenant_id": TENANT}
        | {"status": "Live", "leaf_count": CONTENTS, "published_at": then, "updated_at": then}
        for n in range(COURSES)
    ]
    batches = [
        {"batch_id": f"batch-{n}", "course_id": f"course-{n}", "tenant_id": TENANT, "name": "Batch"}
        | {"enrolment_type": "open", "updated_at": then}
        for n in range(COURSES)
    ]
    for feed, rows in (("courses", courses), ("batches", batches)):
        landing.add(feed, _write(folder, _Rows(feed, tuple(rows)), name=feed))


def attach_certificates(connection: Connection, course_ids: tuple[str, ...] = ()) -> None:
    """Certify every course (those of `drop_courses` when none is named) from long ago."""
    by = Actor("bench", "cli")
    signature = check_signature(sample_signature())
    issuer = Issuer(
        "board", TENANT, "State Board of Education", signatory_name="Dr Asha Rao", signature=signature
    )
    record_issuer(connection, issuer, by=by)
    for course_id in course_ids or tuple(f"course-{n}" for n in range(COURSES)):
        attach(
            connection,
            course_id,
            template=kept_template("classic"),
            issuer_id="board",
            criteria=Criteria(),
            valid_from=_LONG_AGO,
            by=by,
            reason="benchmark",
        )


@dataclass(frozen=True, slots=True)
class Drop:
    """Who was dropped; when their first file stood in the landing folder, and their last, the progress."""

    user_ids: tuple[str, ...]
    first_at: float
    last_at: float


def drop_completions(landing: Landing, folder: Path, *, name: str, people: int) -> Drop:
    """Drop people who complete a course just now: users, enrolments and progress, in this order, a file each.

    Few are dropped as JSON lines, many as Parquet. Their ids begin with `name`.
    """
    prepared = [_write(folder, rows, name=name) for rows in _completions(name, people)]
    instants = []
    for path in prepared:
        landing.add(path.parent.name, path)
        instants.append(time.time())
        path.unlink()
    return Drop(tuple(f"{name}-{number:06}" for number in range(people)), instants[0], instants[-1])


def _completions(name: str, people: int) -> Iterator[_Rows]:
    now = datetime.now(UTC)
    ids = [f"{name}-{number:06}" for number in range(people)]
    begun, done = now - timedelta(days=1), now
    keys = [
        {"user_id": user_id, "course_id": f"course-{n % COURSES}", "batch_id": f"batch-{n % COURSES}"}
        for n, user_id in enumerate(ids)
    ]
    named = [_PEOPLE[n * 7 % len(_PEOPLE)] for n in range(people)]
    yield _Rows(
        "users",
        tuple(
            {"user_id": user_id, "name": full, "tenant_id": TENANT, "language": language, "updated_at": begun}
            for user_id, (language, full) in zip(ids, named, strict=True)
        ),
    )
    yield _Rows(
        "enrolments",
        tuple({**key, "enrolled_at": begun, "active": True, "updated_at": begun} for key in keys),
    )
    yield _Rows(
        "progress",
        tuple(
            {**key, "content_id": f"content-{content}", "status": 2, "score": 80.0}
            | {"completed_at": done, "updated_at": done}
            for key in keys
            for content in range(CONTENTS)
        ),
    )


_MANY: Final = 1_000


def _write(folder: Path, rows: _Rows, *, name: str) -> Path:
    (folder / rows.feed).mkdir(parents=True, exist_ok=True)
    if len(rows.rows) < _MANY:
        path = folder / rows.feed / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False, default=_text) + "\n" for row in rows.rows)
        )
    else:
        path = folder / rows.feed / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows.rows)), path)
    return path


def _text(instant: object) -> str:
    assert isinstance(instant, datetime)  # noqa: S101 - the only type that JSON lacks here
    return instant.isoformat()
