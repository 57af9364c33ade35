"""The progress report of a batch, from Postgres to Arrow: every query on the warehouse for a report.

All queries run in one read-only transaction, so they show one snapshot, at `as_of`. Rows are written to a
file as they arrive, and are read from it in print order. DuckDB computes that order from names and ids alone:
the collations of Postgres differ from build to build, and whole rows would not fit DuckDB's memory.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from pramaan.database.connect import Connection
from pramaan.errors import ReportError
from pramaan.reports.columns import COLUMNS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["MOST_SCORED_CONTENTS", "Report", "Totals", "open_report"]

MOST_SCORED_CONTENTS: Final = 1_000
"""Each has a column; a feed that names more is broken."""

_BLOCK_BYTES: Final = 2_000_000
"""More than the size of a row: ten texts of 64 kB, every character a quote, which CSV doubles."""
_CELLS_AT_ONCE: Final = 200_000

# Tell the planner that passing rows between processes is free: else a single process joins all people.
_SETTINGS: LiteralString = (
    "set local jit = off; set local work_mem = '64MB'; set local datestyle = 'ISO'; "
    "set local parallel_tuple_cost = 0"
)

_BATCH: LiteralString = """
    select batches.course_id, batches.name, courses.name
    from marts.dim_batch as batches
    left join marts.dim_course as courses on batches.course_id = courses.course_id
    where batches.batch_id = %s
"""

# Only people in the report can have a score in it. A filter on scored progress alone would make Postgres
# expect too few rows, and read a large batch person by person.
_SCORED: LiteralString = """
    select contents.content_id
    from marts.fct_enrolment_progress as progress
    inner join staging.stg_progress as contents using (user_id, batch_id)
    where progress.batch_id = %(batch_id)s and progress.is_active and contents.course_id = %(course_id)s
    group by contents.content_id
    having max(contents.score) is not null
    order by contents.content_id collate "C"
    limit %(most)s
"""

# `is_shown`: whether the reader may see who the person is.
_PEOPLE: LiteralString = """
    select
        progress.user_id,
        case when is_shown then users.name end as user_name,
        case when is_shown and users.email like '_%%@_%%' then
            left(left(users.email, -1 - length(split_part(users.email, '@', -1))), 2)
            || '***@' || split_part(users.email, '@', -1)
        end as email,
        case when is_shown then
            nullif(right(translate(users.phone, translate(users.phone, '0123456789', ''), ''), 2), '')
        end as mobile,
        users.state,
        users.district,
        users.org_name,
        case when is_shown then users.school_id end as school_id,
        case when is_shown then users.school_name end as school_name,
        case when is_shown then users.block end as block_name,
        users.cluster as cluster_name,
        users.user_type,
        users.user_sub_type,
        users.declared_board,
        (progress.enrolled_at at time zone %(timezone)s)::date as enrolment_date,
        (progress.completed_at at time zone %(timezone)s)::date as completion_date,
        initcap(certificate.status) as certificate_status,
        progress.progress_pct as progress,
        round(progress.mean_score, 1) as total_score,
        progress.is_begun
        {scores}
    from marts.fct_enrolment_progress as progress
    left join marts.dim_user as users on progress.user_id = users.user_id
    cross join lateral (
        select coalesce(%(tenants)s::text[] is null or users.tenant_id = any(%(tenants)s::text[]), false)
            as is_shown
    ) as reader
    left join (
        select distinct on (user_id) user_id, status
        from staging.stg_certificates
        where course_id = %(course_id)s and batch_id = %(batch_id)s
        order by user_id, status = 'issued' desc, sequence desc
    ) as certificate on progress.user_id = certificate.user_id
    {scored}
    where progress.batch_id = %(batch_id)s and progress.course_id = %(course_id)s and progress.is_active
"""

# Grouped before it is joined, so that Postgres reads progress person by person for a small batch, and in one
# scan for a batch that is a good part of the table.
_BEST_SCORES: LiteralString = """
    left join (
        select contents.user_id, {best_scores}
        from marts.fct_enrolment_progress as enrolled
        inner join staging.stg_progress as contents using (user_id, batch_id)
        where enrolled.batch_id = %(batch_id)s and enrolled.is_active and contents.course_id = %(course_id)s
        group by contents.user_id
    ) as scored on progress.user_id = scored.user_id
"""

# English sorts as Unicode's default order (CLDR's root collation) does.
_ORDER: LiteralString = """
    select row_number from people order by coalesce(user_name, '') collate en, user_id
"""

_DOWNLOADED: LiteralString = """
    select count(*)
    from staging.stg_certificates as certificates
    where course_id = %(course_id)s and batch_id = %(batch_id)s and status = 'issued'
        and exists (
            select from intermediate.int_certificate_clicks as clicks
            where clicks.user_id = certificates.user_id and clicks.course_id = %(course_id)s
                and clicks.batch_id = %(batch_id)s
        )
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a batch."""

    enrolled: int
    in_progress: int
    completed: int
    certificates_issued: int
    downloaded: int


@dataclass(frozen=True, slots=True)
class Report:
    """A report; its `batches` can be read once. `earliest_date` is the earliest of all dates in it, if it has
    any.
    """

    batch_id: str
    batch_name: str
    course_id: str
    course_name: str
    as_of: datetime
    scored_contents: tuple[str, ...]
    batches: "pa.RecordBatchReader"
    totals: Totals
    earliest_date: date | None


@contextmanager
def open_report(
    connection: Connection, batch_id: str, *, tenants: list[str] | None, zone: ZoneInfo, folder: Path
) -> Iterator[Report]:
    """Open the report of a batch for the block; Postgres is read before the block begins.

    Each record batch has the columns of `COLUMNS` and `score_<n>` (0 for the first of `scored_contents`):
    text, `date32`, `int32` and `float64`, null where there is no value. Names and addresses are included only
    for people of `tenants`; None: for everybody. During the block the rows are in `folder`, which its owner
    removes.

    Raises ReportError for a batch that is unknown, or has more scored contents than a table has columns,
    MemoryError when even names and ids do not fit in memory.
    """
    import pyarrow as pa

    file = folder / "people.arrow"
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute(_SETTINGS)
        now = cast(tuple[datetime], connection.execute("select now()").fetchone())[0]
        known = cast(
            tuple[str, str, str | None] | None,
            connection.execute(_BATCH, (batch_id,)).fetchone(),
        )
        if known is None:
            raise ReportError("batch_not_found", f"there is no batch {batch_id}")
        course_id, batch_name, course_name = known
        values: dict[str, object] = {
            "batch_id": batch_id,
            "course_id": course_id,
            "tenants": tenants,
            "timezone": zone.key,
            "most": MOST_SCORED_CONTENTS + 1,
        }
        scored = _scored_contents(connection, values)
        _keep(connection, values, scored, file)
        (downloaded,) = cast(tuple[int], connection.execute(_DOWNLOADED, values).fetchone())
    same = {
        "collection_id": course_id,
        "collection_name": course_name,
        "batch_id": batch_id,
        "batch_name": batch_name,
    }
    with pa.memory_map(str(file)) as kept:
        people = pa.ipc.open_file(kept).read_all()
        with _open_duckdb(people, folder) as asked:
            totals, earliest_date = _totals(asked, downloaded)
            order = asked.sql(_ORDER).to_arrow_table()["row_number"].combine_chunks()
        yield Report(
            batch_id=batch_id,
            batch_name=batch_name,
            course_id=course_id,
            course_name=course_name or "",
            as_of=now,
            scored_contents=scored,
            batches=_in_order(people, order, same, len(scored)),
            totals=totals,
            earliest_date=earliest_date,
        )


def _scored_contents(connection: Connection, values: dict[str, object]) -> tuple[str, ...]:
    scored = tuple(str(content_id) for (content_id,) in connection.execute(_SCORED, values))
    if len(scored) > MOST_SCORED_CONTENTS:
        raise ReportError(
            "too_many_contents",
            f"batch {values['batch_id']} has scores in more than {MOST_SCORED_CONTENTS:,} contents; see what "
            "its progress feed calls a content",
        )
    return scored


def _keep(
    connection: Connection,
    values: dict[str, object],
    scored: tuple[str, ...],
    file: Path,
) -> None:
    """Write everybody who is enrolled to an Arrow file."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    arrow_types = {"text": pa.string(), "date": pa.date32(), "integer": pa.int32(), "score": pa.float64()}
    types = {column.name: arrow_types[column.kind] for column in COLUMNS}
    types |= {"is_begun": pa.bool_()} | {_score(n): pa.float64() for n in range(len(scored))}
    contents = {f"content_{n}": content_id for n, content_id in enumerate(scored)}
    query = sql.SQL("copy ({}) to stdout (format csv, header)").format(_people(len(scored)))
    with connection.cursor() as cursor, cursor.copy(query, {**values, **contents}) as copy:
        reader = pa_csv.open_csv(
            io.BufferedReader(_CopyReader(copy), _BLOCK_BYTES),
            read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        with pa.ipc.new_file(str(file), reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def _people(scored: int) -> sql.Composed:
    """Returns the statement, with a column for each scored content."""
    if not scored:
        return sql.SQL(_PEOPLE).format(scores=sql.SQL(""), scored=sql.SQL(""))
    best_scores = [
        sql.SQL("max(contents.score) filter (where contents.content_id = {}) as {}").format(
            sql.Placeholder(f"content_{n}"), sql.Identifier(_score(n))
        )
        for n in range(scored)
    ]
    return sql.SQL(_PEOPLE).format(
        scores=sql.SQL("").join(
            sql.SQL(", scored.{}").format(sql.Identifier(_score(n))) for n in range(scored)
        ),
        scored=sql.SQL(_BEST_SCORES).format(best_scores=sql.SQL(", ").join(best_scores)),
    )


def _score(n: int) -> str:
    return f"score_{n}"


@contextmanager
def _open_duckdb(people: "pa.Table", folder: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a DuckDB with the table `people`, its rows numbered; it spills to the folder what exceeds its
    memory.
    """
    import duckdb
    import pyarrow as pa

    asked = duckdb.connect(
        config={
            "memory_limit": "192MB",
            "threads": 1,
            "temp_directory": str(folder),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        asked.execute("set enable_progress_bar = false")
        numbers = pa.array(range(people.num_rows), pa.int64())
        asked.register("people", people.append_column("row_number", numbers))
        yield asked
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    finally:
        asked.close()


def _totals(asked: "duckdb.DuckDBPyConnection", downloaded: int) -> tuple[Totals, date | None]:
    """Returns the totals, and the earliest date."""
    ((*counts, earliest_date),) = asked.sql("""
        select
            count(*),
            count(*) filter (where is_begun and completion_date is null),
            count(completion_date),
            count(*) filter (where certificate_status = 'Issued'),
            least(min(enrolment_date), min(completion_date))
        from people
    """).fetchall()
    enrolled, in_progress, completed, certificates_issued = counts
    return Totals(enrolled, in_progress, completed, certificates_issued, downloaded), earliest_date


def _in_order(
    people: "pa.Table", order: "pa.Array", same: dict[str, str | None], scored: int
) -> "pa.RecordBatchReader":
    """Returns the rows in print order; `same` holds the columns that have the same value in every row."""
    import pyarrow as pa

    names = [*(column.name for column in COLUMNS), *map(_score, range(scored))]
    schema = pa.schema(
        [pa.field(name, pa.string()) if name in same else people.schema.field(name) for name in names]
    )
    step = _CELLS_AT_ONCE // len(names)

    def batches() -> "Iterator[pa.RecordBatch]":
        for first in range(0, len(order), step):
            rows = people.take(order[first : first + step])
            columns = [
                pa.repeat(pa.scalar(same[name], pa.string()), len(rows))
                if name in same
                else rows[name].combine_chunks()
                for name in names
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


class _CopyReader(io.RawIOBase):
    """The data that a COPY sends, as a readable file."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self._copy = copy
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Read into the buffer, as io.RawIOBase specifies."""
        if not self._left:
            self._left = memoryview(self._copy.read())
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
