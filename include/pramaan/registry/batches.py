"""Batches as those see them who ask for reports of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import LiteralString

from psycopg.rows import class_row

from pramaan.database.connect import Connection

__all__ = ["Batch", "find_batches"]

_FIND: LiteralString = """
    select
        batches.batch_id, batches.name, coalesce(courses.name, batches.course_id) as course_name,
        batches.end_date
    from marts.dim_batch as batches
    left join marts.dim_course as courses on batches.course_id = courses.course_id
    where (%(tenants)s::text[] is null or batches.tenant_id = any(%(tenants)s))
        and (%(batch_ids)s::text[] is null or batches.batch_id = any(%(batch_ids)s))
        and (
            %(text)s::text is null
            or batches.batch_id = %(text)s
            or strpos(lower(batches.name), lower(%(text)s)) > 0
            or strpos(lower(courses.name), lower(%(text)s)) > 0
        )
    order by batches.end_date desc nulls first, batches.name, batches.batch_id
    limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch; `course_name` is the course's id while the course is not known, `end_date` the last day."""

    batch_id: str
    name: str
    course_name: str
    end_date: date | None


def find_batches(
    connection: Connection,
    *,
    tenants: Sequence[str] | None,
    batch_ids: Sequence[str] | None = None,
    text: str | None = None,
    limit: int | None = None,
) -> list[Batch]:
    """Batches, those that end last first: of these tenants (None: of all), among `batch_ids`, whose id is
    `text`, or in whose name or course's name it is.
    """
    values = {
        "tenants": None if tenants is None else list(tenants),
        "batch_ids": None if batch_ids is None else list(batch_ids),
        "text": text or None,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(_FIND, values).fetchall()
