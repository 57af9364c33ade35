"""Years of history, made in the warehouse itself: enrolments whose contents are all finished, decided and
issued, and some that lack the last content.
"""

from dataclasses import dataclass
from hashlib import md5
from typing import Final, LiteralString

from psycopg import sql

from pramaan.bench.issuance.synthetic_people import TENANT, attach_certificates
from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection

__all__ = ["COURSES", "LEAVES", "History", "fill_history"]

COURSES: Final = 100
LEAVES: Final = 10
_BATCHES_A_COURSE: Final = 10
_ISSUED_A_RUN: Final = 1_000

# People have random ids, as portals give them: a batch finds its keys all over the tables.
_FACTS: Final[tuple[LiteralString, ...]] = (
    """
    create function pg_temp.person(number bigint) returns text immutable parallel safe
        return 'user-' || md5(number::text)
    """,
    """
    insert into ops.loads (feed, uri, sha256, status, bytes, rows, loaded_at)
    values ('progress', 'history', 'history', 'loaded', 1, 1, now() - interval '1 year')
    """,
    """
    insert into ops.load_verdicts (load_id, passed, findings)
    select load_id, true, '[]' from ops.loads where sha256 = 'history'
    """,
    """
    insert into raw.courses
        (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id)
    select 'old-' || course, 'Course ' || course, {tenant}, 'Live', {leaves}, '2024-01-01', '2024-01-01', 1
    from generate_series(0, {courses} - 1) as course
    """,
    """
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id)
    select 'old-' || batch, 'old-' || batch % {courses}, {tenant}, 'Batch', 'open', '{{}}', '2024-01-01', 1
    from generate_series(0, {courses} * {batches} - 1) as batch
    """,
    """
    insert into raw.users (user_id, name, tenant_id, language, updated_at, load_id)
    select pg_temp.person(number), 'Asha ' || number, {tenant}, 'en', '2024-01-01', 1
    from generate_series(1, {enrolments}) as number
    """,
    """
    insert into raw.enrolments (user_id, batch_id, course_id, enrolled_at, active, updated_at, load_id)
    select pg_temp.person(number), 'old-' || number % ({courses} * {batches}), 'old-' || number % {courses},
        '2024-02-01', true, '2024-02-01', 1
    from generate_series(1, {enrolments}) as number
    """,
    """
    insert into raw.progress
        (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
    select pg_temp.person(number), 'old-' || number % ({courses} * {batches}), 'content-' || content,
        'old-' || number % {courses}, 2, 80, finished_at, finished_at, 1
    from generate_series(1, {enrolments}) as number
    cross join generate_series(1, {leaves}) as content
    cross join lateral (
        select timestamptz '2024-02-01'
            + make_interval(days => content::integer, hours => (number % 10000)::integer) as finished_at
    ) as finished
    where content < {leaves} or number > {unfinished}
    """,
)

_OUTCOME: Final[tuple[LiteralString, ...]] = (
    """
    insert into intermediate.int_enrolment_progress
        (user_id, course_id, batch_id, tenant_id, contents_completed, contents_scored, mean_score, is_begun,
         is_active, enrolled_at)
    select enrolments.user_id, enrolments.course_id, enrolments.batch_id, {tenant},
        {leaves} - (last.user_id is null)::integer, {leaves} - (last.user_id is null)::integer, 80, true,
        true, enrolments.enrolled_at
    from raw.enrolments as enrolments
    left join raw.progress as last
        on enrolments.user_id = last.user_id and enrolments.batch_id = last.batch_id
            and last.content_id = 'content-' || {leaves}
    """,
    """
    insert into marts.fct_completions (user_id, course_id, batch_id, tenant_id, enrolled_at, completed_at)
    select enrolments.user_id, enrolments.course_id, enrolments.batch_id, {tenant}, enrolments.enrolled_at,
        last.completed_at
    from raw.enrolments as enrolments
    inner join raw.progress as last
        on enrolments.user_id = last.user_id and enrolments.batch_id = last.batch_id
            and last.content_id = 'content-' || {leaves}
    """,
    """
    insert into marts.fct_certificate_decisions
        (user_id, course_id, batch_id, attachment_id, recipient_tenant_id, course_tenant_id, batch_tenant_id,
         course_status, decision, mean_score, is_enrolment_active, is_name_printable, published_at,
         completed_at)
    select completions.user_id, completions.course_id, completions.batch_id, attachments.attachment_id,
        {tenant}, {tenant}, {tenant}, 'Live', 'entitled', 80, true, true, '2024-01-01',
        completions.completed_at
    from marts.fct_completions as completions
    inner join registry.attachments as attachments using (course_id)
    """,
    """
    insert into ops.runs (trigger, started_at, finished_at)
    select 'airflow', instant, instant
    from generate_series(1, 1 + {enrolments} / {a_run}) as number
    cross join lateral (select timestamptz '2024-03-01' + number * interval '1 minute' as instant) as instants
    """,
    """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status,
         issued_at, pdf_path, pdf_sha256, pdf_bytes, engine_version, attempts, render_input, badge_recipient)
    select md5(decisions.user_id || decisions.batch_id), decisions.user_id, decisions.course_id,
        decisions.batch_id, decisions.attachment_id, users.name, decisions.completed_at, 'issued',
        decisions.completed_at, 'certificates/00/' || md5(decisions.user_id) || '.pdf',
        encode(sha256(decisions.user_id::bytea), 'hex'), 38000, '1', 1,
        jsonb_build_object(
            'recipient_name', users.name, 'course_name', decisions.course_id, 'language', 'en',
            'completed_at', decisions.completed_at, 'issuer_name', 'State Board of Education',
            'issuer_url', null, 'signatory_name', 'Dr Asha Rao', 'signatory_designation', null,
            'certificate_id', md5(decisions.user_id || decisions.batch_id),
            'verify_url', 'http://127.0.0.1/pramaan/verify/' || md5(decisions.user_id || decisions.batch_id)
        ),
        '{{}}'
    from marts.fct_certificate_decisions as decisions
    inner join raw.users as users using (user_id)
    """,
    """
    insert into ops.outcomes (run_id, certificate_id, status, attempt, at)
    select runs.run_id, certificates.certificate_id, 'issued', 1, certificates.issued_at
    from (
        select certificate_id, issued_at, row_number() over () as number from registry.certificates
    ) as certificates
    inner join (select run_id, row_number() over () as number from ops.runs) as runs
        on certificates.number / {a_run} + 1 = runs.number
    """,
    """
    insert into ops.candidate_days (course_id, completed_on, arrived, passed)
    select course_id, (completed_at at time zone 'Asia/Kolkata')::date, count(*), count(*)
    from registry.certificates
    group by 1, 2
    """,
    "delete from ops.changed_keys",
)


@dataclass(frozen=True, slots=True)
class History:
    """So many enrolments of ten contents each; the first `unfinished` lack the last one."""

    enrolments: int
    unfinished: int

    def person(self, number: int) -> tuple[str, str, str]:
        """User, course and batch of an enrolment, counted from 1."""
        user = md5(str(number).encode(), usedforsecurity=False).hexdigest()
        return f"user-{user}", f"old-{number % COURSES}", f"old-{number % (COURSES * _BATCHES_A_COURSE)}"


def fill_history(connection: Connection, history: History) -> None:
    """Fill an empty warehouse that is migrated and has its rules deployed, then vacuum and analyse it."""
    for statement in _FACTS:
        _execute(connection, statement, history)
    attach_certificates(connection, tuple(f"old-{n}" for n in range(COURSES)))
    with unguarded_registry(connection):
        for statement in _OUTCOME:
            _execute(connection, statement, history)
    connection.execute("vacuum analyze")


def _execute(connection: Connection, statement: LiteralString, history: History) -> None:
    numbers = {
        "courses": COURSES,
        "leaves": LEAVES,
        "batches": _BATCHES_A_COURSE,
        "a_run": _ISSUED_A_RUN,
        "enrolments": history.enrolments,
        "unfinished": history.unfinished,
    }
    values = {name: sql.Literal(value) for name, value in numbers.items()}
    connection.execute(sql.SQL(statement).format(tenant=sql.Literal(TENANT), **values))
