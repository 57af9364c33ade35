"""Batches full of people, and what Postgres says of them cell by cell, in other words than the report's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from pramaan.database.connect import Connection
from pramaan.reports.rows import Report, open_report
from pramaan.warehouse.decide import deployed_statement

__all__ = [
    "COURSE",
    "INDIA",
    "NASTY",
    "Cell",
    "add_batch",
    "add_nasty_people",
    "add_people",
    "add_person",
    "add_progress",
    "add_scored_contents",
    "as_told",
    "opened",
    "rows_of",
    "work_out_progress",
]

INDIA = ZoneInfo("Asia/Kolkata")
COURSE = "do_31"

Cell = str | int | float | date | None

NASTY = (
    "=1+1",
    '@sum("a";A1)',
    "+91 98765",
    "-1",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
    "'=1",
    'She said "no", twice',
    "two\nlines",
    "two\r\nlines",
    "old\rmac",
    "\u202eright to left\u202c",
    "محمد عارف قریشی",
    "முத்துலட்சுமி ராஜன்",
    "क्\u200dष",
    "👩🏽‍🏫 teacher",
    "00123",
    "1e5",
    "12345678901234567890",
    "TRUE",
    "#N/A",
    "2026-01-02",
    "https://example.org/?a=1&b=<2>",
    " kept apart ",
    "_x0041_",
    "bell \x07 and \x1f",
    "\ufffe",
    "\\N",
    "NULL",
    ";,|",
)
"""Texts that spreadsheets, CSV or XML would spoil."""

_ADD_USER = """
    insert into raw.users (
        user_id, name, email, phone, tenant_id, state, district, block, cluster, school_id, school_name,
        org_name, user_type, user_sub_type, declared_board, updated_at, load_id
    )
    values (
        %(user_id)s, %(name)s, %(email)s, %(phone)s, %(tenant_id)s, 'Bihar', 'Gaya', 'Bodh Gaya', 'North',
        'S1', 'Girls High', 'Board', 'teacher', 'head', 'CBSE', now(), 1
    )
"""

_AS_TOLD = """
    select
        e.course_id,
        (select name from raw.courses where course_id = e.course_id order by updated_at desc limit 1),
        e.batch_id,
        (select name from raw.batches where batch_id = e.batch_id),
        e.user_id,
        u.name,
        overlay(split_part(u.email, '@', 1) placing '***' from 3 for 99) || '@'
            || split_part(u.email, '@', 2),
        right(u.phone, 2),
        u.state, u.district, u.org_name, u.school_id, u.school_name, u.block, u.cluster, u.user_type,
        u.user_sub_type, u.declared_board,
        timezone('Asia/Kolkata', e.enrolled_at)::date,
        (
            select timezone('Asia/Kolkata', completed_at)::date from marts.fct_completions
            where user_id = e.user_id and batch_id = e.batch_id
        ),
        null,
        (
            select trunc(count(*) filter (where status = 2) * 100 / 4.0)::integer from raw.progress
            where user_id = e.user_id and batch_id = e.batch_id
        ),
        (
            select round(avg(score::text::numeric), 1) from raw.progress
            where user_id = e.user_id and batch_id = e.batch_id
        )
    from raw.enrolments as e
    left join raw.users as u using (user_id)
    where e.batch_id = %s and e.active
"""


def add_batch(connection: Connection, batch_id: str = "b", *, leaf_count: int = 4) -> None:
    """A batch of a course of four contents."""
    connection.execute(
        "insert into raw.courses (course_id, name, tenant_id, status, leaf_count, updated_at, load_id) "
        "values (%s, 'Reading', 't', 'Live', %s, '2025-01-01Z', 1)",
        (COURSE, leaf_count),
    )
    connection.execute(
        "insert into raw.batches "
        "(batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id) "
        "values (%s, %s, 't', 'January', 'open', '{}', now(), 1)",
        (batch_id, COURSE),
    )


def add_person(
    connection: Connection,
    user_id: str,
    *,
    name: str | None = "Asha Rao",
    email: str | None = "asha@example.org",
    phone: str | None = "9876543210",
    tenant_id: str = "t",
    batch_id: str = "b",
    active: bool = True,
    enrolled_at: str = "2026-01-05T06:00:00Z",
    completed_at: str | None = None,
) -> None:
    """Somebody enrolled in the batch."""
    user = {"user_id": user_id, "name": name, "email": email, "phone": phone, "tenant_id": tenant_id}
    connection.execute(_ADD_USER, user)
    connection.execute(
        "insert into raw.enrolments values (%s, %s, %s, %s, %s, now(), 1)",
        (user_id, batch_id, COURSE, enrolled_at, active),
    )
    if completed_at is not None:
        connection.execute(
            "insert into marts.fct_completions "
            "(user_id, course_id, batch_id, tenant_id, enrolled_at, completed_at) "
            "values (%s, %s, %s, 't', %s, %s)",
            (user_id, COURSE, batch_id, enrolled_at, completed_at),
        )


def add_progress(
    connection: Connection,
    user_id: str,
    *contents: tuple[str, int, float | None],
    batch_id: str = "b",
    course_id: str = COURSE,
) -> None:
    """Contents as (id, status, score)."""
    for content_id, status, score in contents:
        connection.execute(
            "insert into raw.progress values (%s, %s, %s, %s, %s, %s, %s, now(), 1)",
            (
                *(user_id, batch_id, content_id, course_id, status, score),
                "2026-02-01T00:00:00Z" if status == 2 else None,
            ),
        )


def add_nasty_people(connection: Connection) -> None:
    """Each of the nasty texts as an id, a name and the id of a scored content, in a batch and a course that
    are called so, too.
    """
    add_batch(connection)
    connection.execute("update raw.batches set name = %s", (NASTY[0],))
    connection.execute("update raw.courses set name = %s", (NASTY[1],))
    for n, text in enumerate(NASTY):
        add_person(connection, text, name=text)
        add_progress(connection, text, (text, 2, n + 0.25), ("{} %s %(x)s", 1, 100 / (n + 3)))
    connection.execute(
        "update raw.users set state = name, district = name, block = name, cluster = name, school_id = name, "
        "school_name = name, org_name = name, user_type = name, user_sub_type = name, declared_board = name"
    )


def add_people(connection: Connection, count: int) -> None:
    """So many people of whom all is known, with scores in five contents each but for some."""
    add_batch(connection)
    connection.execute(
        "insert into raw.users (user_id, name, email, phone, tenant_id, state, district, block, cluster, "
        "school_id, school_name, org_name, user_type, user_sub_type, declared_board, updated_at, load_id) "
        "select md5(n::text), 'Teacher ' || n, 'teacher' || n || '@example.org', (9000000000 + n)::text, "
        "'t', 'State of ' || n %% 36, 'District ' || n %% 700, 'Community Development Block ' || n %% 7000, "
        "'Cluster Resource Centre ' || n %% 70000, (21000000 + n)::text, "
        "'Government Upper Primary School ' || n, 'Department of School Education ' || n %% 36, 'teacher', "
        "'upper primary', 'State Board ' || n %% 36, now(), 1 from generate_series(1, %s) as n",
        (count,),
    )
    connection.execute(
        "insert into raw.enrolments select md5(n::text), 'b', %s, '2026-01-01Z'::timestamptz + "
        "n * interval '1 hour', true, now(), 1 from generate_series(1, %s) as n",
        (COURSE, count),
    )
    connection.execute(
        "insert into raw.progress select md5(n::text), 'b', 'do_' || k, %s, 1 + (n %% 4 >= k)::integer, "
        "case when n %% 7 <> 0 then (n * (k + 1)) %% 10007 / 100.07 end, '2026-02-01Z', now(), 1 "
        "from generate_series(1, %s) as n, generate_series(1, 5) as k where n %% 5 <> 0",
        (COURSE, count),
    )
    connection.execute("analyze raw.users, raw.enrolments, raw.progress")


def add_scored_contents(connection: Connection, count: int) -> None:
    """So many contents more in which people have scores, each person in one."""
    connection.execute(
        "insert into raw.progress select user_id, batch_id, 'do_more_' || row_number() over () %% %s, "
        "course_id, 1, 1 / 3.0, null, now(), 1 from raw.enrolments",
        (count,),
    )


def work_out_progress(connection: Connection) -> None:
    """What a batch would make of the progress of everybody; completions are as the test has put them."""
    with connection.transaction():
        connection.execute(
            "create temp table keys_in_scope on commit drop as select user_id, batch_id from raw.enrolments"
        )
        connection.execute("delete from intermediate.int_enrolment_progress")
        statement = deployed_statement(connection, "int_enrolment_progress")
        connection.execute(f"insert into intermediate.int_enrolment_progress {statement}")
    connection.execute("analyze intermediate.int_enrolment_progress")


@contextmanager
def opened(
    connection: Connection, batch_id: str = "b", *, tenants: list[str] | None = None
) -> Iterator[Report]:
    """The batch's report, as of people of some tenants, or of all."""
    work_out_progress(connection)
    with (
        TemporaryDirectory() as folder,
        open_report(connection, batch_id, tenants=tenants, zone=INDIA, folder=Path(folder)) as report,
    ):
        yield report


def rows_of(
    connection: Connection, batch_id: str = "b", *, tenants: list[str] | None = None
) -> list[dict[str, Cell]]:
    """The rows of the batch's report."""
    with opened(connection, batch_id, tenants=tenants) as report:
        return [row for batch in report.batches for row in batch.to_pylist()]


def as_told(connection: Connection, batch_id: str = "b") -> dict[str, list[Cell]]:
    """By user, all cells of a row, as Postgres has them: those of every report, then a score a content.

    Of batches of four contents in which nobody has a certificate.
    """
    query = 'select distinct content_id collate "C" from raw.progress where score is not null order by 1'
    contents = [str(content_id) for (content_id,) in connection.execute(query)]
    scores: dict[str, dict[str, float]] = {}
    for user_id, content_id, score in connection.execute(
        "select user_id, content_id, score from raw.progress"
    ):
        scores.setdefault(str(user_id), {})[str(content_id)] = score  # type: ignore[assignment]
    told: dict[str, list[Cell]] = {}
    for row in connection.execute(_AS_TOLD, (batch_id,)):
        cells = [float(cell) if isinstance(cell, Decimal) else cell for cell in row]
        of_contents = [scores.get(str(row[4]), {}).get(content_id) for content_id in contents]
        told[str(row[4])] = [*cells, *of_contents]  # type: ignore[list-item]
    return told
