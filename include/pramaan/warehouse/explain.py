"""Why a person did or did not get a certificate, or how far away it is (contract part 5).

Nothing is written: what the answer rests on is dropped with it, see `pramaan.warehouse.what_if`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, cast

from psycopg import sql
from psycopg.rows import dict_row

from pramaan.database.connect import Connection
from pramaan.warehouse.decisions import Decision
from pramaan.warehouse.what_if import (
    ATTACHMENTS,
    COMPLETIONS,
    PROGRESS,
    assumption,
    statement_over,
    take_facts,
)

__all__ = ["CertificateState", "Explanation", "Progress", "explain_decision"]

# Null leaf_count and course_tenant_id: the course is not known yet.
_ENROLMENT: LiteralString = """
    select
        progress.enrolled_at,
        progress.is_active as is_enrolment_active,
        progress.tenant_id as batch_tenant_id,
        courses.tenant_id as course_tenant_id,
        progress.contents_completed,
        progress.leaf_count,
        progress.progress_pct
    from ({progress}) as progress
    left join marts.dim_course as courses on progress.course_id = courses.course_id
    where progress.course_id = {course_id}
"""
_DECISION: LiteralString = """
    select * from marts.fct_certificate_decisions
    where user_id = %(user_id)s and batch_id = %(batch_id)s and course_id = %(course_id)s
"""
_CERTIFICATE: LiteralString = """
    select certificate_id, status, error_class, issued_at from registry.certificates
    where user_id = %(user_id)s and course_id = %(course_id)s and batch_id = %(batch_id)s
    order by status = 'issued' desc, sequence desc
    limit 1
"""
_ASSUME_REAL_ATTACHMENTS: LiteralString = """
    insert into pg_temp.assumed_attachments
    select * from staging.stg_attachments where course_id = %(course_id)s
"""
_COMPLETE_NOW: LiteralString = """
    insert into pg_temp.assumed_completions
        (user_id, course_id, batch_id, tenant_id, enrolled_at, completed_at, is_assumed)
    values (
        %(user_id)s, %(course_id)s, %(batch_id)s, %(batch_tenant_id)s, %(enrolled_at)s,
        greatest(now(), %(enrolled_at)s), true
    )
"""
_DECIDED: LiteralString = """
    select decided.*, completions.is_assumed
    from ({}) as decided
    inner join pg_temp.assumed_completions as completions using (user_id, batch_id)
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far someone is by the course version in force now; pct is rounded down until complete.

    Nothing missing although not complete: the next batch decides it. None: the course is not known yet.
    """

    contents_completed: int
    leaf_count: int | None
    contents_missing: int | None
    progress_pct: int | None


@dataclass(frozen=True, slots=True)
class CertificateState:
    """The certificate in force or, where none is, the newest of the chain, as the registry has it."""

    certificate_id: str
    status: str
    error_class: str | None
    issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules say of a person in a batch of a course, and by which facts.

    Complete: `facts` is the row of marts.fct_certificate_decisions. Not complete: `decision_if_completed_now`
    is what would be decided by the attachments as they are, None while the course is not known.
    `is_being_decided`: by the facts at hand the next batch makes another decision than this one.
    """

    user_id: str
    course_id: str
    batch_id: str
    batch_tenant_id: str
    course_tenant_id: str | None
    enrolled_at: datetime
    is_enrolment_active: bool
    complete: bool
    is_being_decided: bool
    facts: Mapping[str, Any] | None
    progress: Progress
    decision_if_completed_now: Decision | None
    certificate: CertificateState | None


def explain_decision(
    connection: Connection, *, user_id: str, course_id: str, batch_id: str
) -> Explanation | None:
    """Why this person did or did not get a certificate; None when not enrolled in that batch of that course.

    The batch says which course it is a run of. Writes nothing and waits for no batch.

    Raises DatabaseError: see `pramaan.warehouse.what_if`.
    """
    key: dict[str, Any] = {"user_id": user_id, "course_id": course_id, "batch_id": batch_id}
    with assumption(connection):
        connection.execute("insert into pg_temp.keys_in_scope values (%(user_id)s, %(batch_id)s)", key)
        is_completion_due = bool(take_facts(connection))
        by_facts = sql.SQL(_ENROLMENT).format(
            progress=statement_over(connection, "fct_enrolment_progress", PROGRESS),
            course_id=sql.Literal(course_id),
        )
        enrolment = _row(connection, by_facts)
        if enrolment is None:
            return None
        facts = _row(connection, _DECISION, key)
        certificate = _row(connection, _CERTIFICATE, key)
        if not is_completion_due:
            connection.execute(_COMPLETE_NOW, key | enrolment)
        due, if_completed_now = _decide_again(connection, key)
    counted = [enrolment.pop(name) for name in ("contents_completed", "leaf_count", "progress_pct")]
    return Explanation(
        **key,
        **enrolment,
        complete=facts is not None,
        is_being_decided=facts != due,
        facts=facts,
        progress=_progress(*counted, complete=facts is not None),
        decision_if_completed_now=if_completed_now if facts is None else None,
        certificate=CertificateState(**certificate) if certificate else None,
    )


def _decide_again(
    connection: Connection, key: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, Decision | None]:
    """The row that the next batch would make of the facts, if any; and the decision, at the latest now."""
    connection.execute(_ASSUME_REAL_ATTACHMENTS, key)
    decisions = statement_over(connection, "fct_certificate_decisions", PROGRESS, COMPLETIONS, ATTACHMENTS)
    decided = _row(connection, sql.SQL(_DECIDED).format(decisions))
    if decided is None:
        return None, None
    is_assumed = decided.pop("is_assumed")
    return (None if is_assumed else decided), cast(Decision, decided["decision"])


def _progress(
    contents_completed: int, leaf_count: int | None, progress_pct: int | None, *, complete: bool
) -> Progress:
    missing = None if leaf_count is None else 0 if complete else max(0, leaf_count - contents_completed)
    return Progress(contents_completed, leaf_count, missing, progress_pct)


def _row(
    connection: Connection, query: LiteralString | sql.Composed, parameters: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchone()
