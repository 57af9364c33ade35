"""Two batches to be reported, as feeds: one large, one small, with every column of a person filled in."""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Final, LiteralString

import pyarrow as pa
import pyarrow.parquet as pq

from pramaan.bench.issuance.synthetic_people import TENANT
from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection
from pramaan.feeds.landing import Landing
from pramaan.sample.names import NAMES

__all__ = ["LARGE", "SMALL", "add_clicks", "drop_batches"]

LARGE: Final = "reported-large"
SMALL: Final = "reported-small"
_COURSE: Final = "reported-course"
_CONTENTS: Final = 10
_SCORED: Final = 5
_AT_ONCE: Final = 50_000

_FULL_NAMES: Final = tuple(
    f"{first} {last}" for firsts, lasts in NAMES.values() for first, last in product(firsts, lasts)
)

# Straight into the registry: to draw tens of thousands of certificates would take minutes. None has a file.
_ADD_CERTIFICATES: LiteralString = """
    insert into registry.certificates (certificate_id, user_id, course_id, batch_id, attachment_id,
        recipient_name, completed_at, status, render_input, issued_at, pdf_path, pdf_sha256, pdf_bytes,
        engine_version, badge_recipient)
    select 'reported-' || user_id, user_id, course_id, batch_id, attachment_id, users.name, completed_at,
        'issued', '{}', now(), 'certificates/00/' || md5(user_id) || '.pdf', '', 0, '', '{}'
    from marts.fct_completions
    inner join raw.users using (user_id)
    cross join (select attachment_id from registry.attachments limit 1) as attachment
    where course_id = %s
"""
_ADD_CLICKS: LiteralString = """
    insert into raw.telemetry (mid, eid, ets, actor_id, object_id, event, load_id)
    select certificate_id || n, 'INTERACT', now(), user_id,
        case n when 1 then certificate_id else course_id end,
        '{"edata": {"type": "TOUCH", "subtype": "DOWNLOAD_CERTIFICATE_CLICKED", "pageid": "profile"}}', 1
    from registry.certificates
    cross join generate_series(1, 2) as n
    where course_id = %s and hashtext(user_id || n) %% 2 = 0
"""


def drop_batches(landing: Landing, folder: Path, *, large: int, small: int) -> None:
    """Drop a course, the two batches and their people; two in three have completed it."""
    then = datetime.now(UTC) - timedelta(days=400)
    course = {"course_id": _COURSE, "name": "Foundational Literacy and Numeracy", "tenant_id": TENANT}
    _drop(
        landing,
        folder,
        "courses",
        "course",
        [course | {"status": "Live", "leaf_count": _CONTENTS, "published_at": then, "updated_at": then}],
    )
    batches = [
        {"batch_id": batch_id, "course_id": _COURSE, "tenant_id": TENANT, "name": f"Batch {batch_id}"}
        | {"enrolment_type": "open", "updated_at": then}
        for batch_id in (LARGE, SMALL)
    ]
    _drop(landing, folder, "batches", "batches", batches)
    for batch_id, people in ((LARGE, large), (SMALL, small)):
        for first in range(0, people, _AT_ONCE):
            _drop_people(landing, folder, batch_id, range(first, min(first + _AT_ONCE, people)))


def add_clicks(connection: Connection) -> None:
    """Issue a certificate to all who have completed it; three in four of them have clicked on it."""
    with unguarded_registry(connection):
        connection.execute(_ADD_CERTIFICATES, (_COURSE,))
    connection.execute(_ADD_CLICKS, (_COURSE,))


def _drop_people(landing: Landing, folder: Path, batch_id: str, numbers: range) -> None:
    # No longer ago than the gate looks, and no certificate is attached: the platform issues nothing for them.
    begun = datetime.now(UTC) - timedelta(days=30)
    name = f"{batch_id}-{numbers.start}"
    users = [
        {
            "user_id": _user_id(batch_id, n),
            "name": _FULL_NAMES[n * 7 % len(_FULL_NAMES)],
            "email": f"teacher{n}@example.org",
            "phone": f"9{n:09}",
            "tenant_id": TENANT,
            "language": "en",
            "state": "Odisha",
            "district": f"District {n % 30}",
            "block": f"Block {n % 300}",
            "cluster": f"Cluster {n % 3000}",
            "school_id": f"{21_000_000 + n % 40_000}",
            "school_name": f"Government Upper Primary School {n % 40_000}",
            "org_name": "Department of School and Mass Education",
            "user_type": "teacher",
            "user_sub_type": "primary",
            "declared_board": "State Board",
            "updated_at": begun,
        }
        for n in numbers
    ]
    keys = [{"user_id": one["user_id"], "course_id": _COURSE, "batch_id": batch_id} for one in users]
    enrolments = [{**key, "enrolled_at": begun, "active": True, "updated_at": begun} for key in keys]
    progress = [
        {**key, "content_id": f"do_3120{content:017}", "status": 2 if _is_done(n, content) else 1}
        | {"score": float((n * 13 + content * 29) % 101) if content < _SCORED else None}
        | {"completed_at": begun + timedelta(hours=content + 1) if _is_done(n, content) else None}
        | {"updated_at": begun + timedelta(hours=content + 1)}
        for n, key in zip(numbers, keys, strict=True)
        for content in range(_CONTENTS)
    ]
    for feed, rows in (("users", users), ("enrolments", enrolments), ("progress", progress)):
        _drop(landing, folder, feed, name, rows)


def _is_done(n: int, content: int) -> bool:
    return n % 3 != 0 or content < n % _CONTENTS


def _user_id(batch_id: str, n: int) -> str:
    return f"{n * 2_654_435_761 % 2**32:08x}-{batch_id}-{n:07}"


def _drop(landing: Landing, folder: Path, feed: str, name: str, rows: "list[dict[str, object]]") -> None:
    path = folder / f"{feed}-{name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    landing.add(feed, path)
    path.unlink()
