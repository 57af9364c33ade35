"""Who would get a certificate if it were asserted to a course now, by the deployed rules (contract part 5).

Nothing is written: what the answer rests on is dropped with it, see `pramaan.warehouse.what_if`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, cast
from uuid import uuid4

from psycopg import sql

from pramaan.database.connect import Connection
from pramaan.errors import DatabaseError
from pramaan.warehouse.decisions import DECISIONS, Decision
from pramaan.warehouse.what_if import ATTACHMENTS, COMPLETIONS, assumption, statement_over

__all__ = ["DecisionCount", "Group", "Person", "Preview", "preview_assertion"]

# In the order of the keys, in which the rules then look the facts up: neighbours lie on the same pages.
_ASSUME_COMPLETIONS: LiteralString = """
    insert into pg_temp.assumed_completions
        (user_id, course_id, batch_id, tenant_id, enrolled_at, completed_at, is_assumed)
    select
        progress.user_id,
        progress.course_id,
        progress.batch_id,
        progress.tenant_id,
        progress.enrolled_at,
        coalesce(progress.completed_at, greatest(now(), progress.enrolled_at)),
        progress.completed_at is null
    from marts.dim_batch as batches
    inner join marts.fct_enrolment_progress as progress
        on batches.batch_id = progress.batch_id and batches.course_id = progress.course_id
    where batches.course_id = %(course_id)s
    order by progress.user_id, progress.batch_id
"""
_SCOPE: LiteralString = """
    insert into pg_temp.keys_in_scope
    select user_id, batch_id from pg_temp.assumed_completions order by user_id, batch_id
"""
_ANALYZE: LiteralString = "analyze pg_temp.keys_in_scope (batch_id), pg_temp.assumed_completions (course_id)"

# As when it is asserted: the one in force ends now, and the next that is known to begin ends the assumed one.
_ASSUME_ATTACHMENTS: tuple[LiteralString, ...] = (
    """
    insert into pg_temp.assumed_attachments
    select * from staging.stg_attachments where course_id = %(course_id)s
    """,
    """
    update pg_temp.assumed_attachments set valid_to = now() where valid_from <= now() and valid_to > now()
    """,
    """
    insert into pg_temp.assumed_attachments
        (attachment_id, course_id, recipient_tenants, minimum_score, valid_from, valid_to)
    select
        %(attachment_id)s,
        %(course_id)s,
        %(criteria)s::jsonb -> 'recipient_tenants',
        (%(criteria)s::jsonb ->> 'minimum_score')::numeric,
        now(),
        coalesce(min(valid_from), 'infinity')
    from pg_temp.assumed_attachments
    where valid_from > now() and valid_to > valid_from
    """,
)

# Only the columns that are told: what a column takes that nobody reads, the rules then need not work out.
_ANSWER: LiteralString = """
    with decided as materialized (
        select
            completions.is_assumed,
            decided.decision,
            decided.attachment_id,
            decided.user_id,
            decided.batch_id,
            decided.batch_tenant_id,
            decided.recipient_tenant_id
        from ({decisions}) as decided
        inner join pg_temp.assumed_completions as completions using (user_id, batch_id)
    ),

    counts as (
        select
            is_assumed,
            decision,
            count(*) as people,
            count(*) filter (where decision = 'entitled' and attachment_id = {attachment_id}) as would_get
        from decided
        group by is_assumed, decision
    ),

    placed as (
        select
            is_assumed,
            decision,
            user_id,
            batch_id,
            batch_tenant_id,
            recipient_tenant_id,
            row_number() over (
                partition by is_assumed, decision order by user_id collate "C", batch_id collate "C"
            ) as place
        from decided
    )

    select
        counts.is_assumed,
        counts.decision,
        counts.people,
        counts.would_get,
        array_agg(
            array[
                placed.user_id,
                placed.batch_id,
                placed.batch_tenant_id,
                placed.recipient_tenant_id,
                recipient.name
            ]
            order by placed.place
        ) filter (where placed.place is not null) as listed
    from counts
    left join placed
        on
            counts.is_assumed = placed.is_assumed
            and counts.decision = placed.decision
            and placed.place <= {listed}
    left join lateral (
        select users.name from marts.dim_user as users where users.user_id = placed.user_id offset 0
    ) as recipient on true
    group by counts.is_assumed, counts.decision, counts.people, counts.would_get
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in a batch of the course; tenant and name are None while the user is unknown."""

    user_id: str
    batch_id: str
    batch_tenant_id: str
    recipient_tenant_id: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How many people a decision meets, and the first of them by user_id and batch_id."""

    decision: Decision
    people: int
    listed: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """People counted by every decision there is, in the order of the rules.

    Of the entitled, `would_get` are so by the assumed attachment, and `entitled_otherwise` by another one.
    """

    total: int
    would_get: int
    entitled_otherwise: int
    decisions: tuple[DecisionCount, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What asserting a certificate to a course at `assumed_at` would do.

    `completed` are decided at their completion, so they get nothing from what begins only now (but for one
    that the facts place ahead of our clock). `in_progress` are all others enrolled, decided as if they
    completed now with the scores that they have so far.
    """

    course_id: str
    assumed_at: datetime
    completed: Group
    in_progress: Group


def preview_assertion(
    connection: Connection, course_id: str, *, criteria_json: str, listed: int = 50
) -> Preview:
    """Who among those complete or in progress would, and would not, get a certificate asserted now.

    `criteria_json` is what the registry would keep (`Criteria.as_json`); of each decision the first `listed`
    people are told. Writes nothing and waits for no batch. Enrolments and progress are what the last batch
    found: a completion whose facts have landed but which no batch has decided yet counts as in progress.
    A course that is not known has nobody.

    Raises DatabaseError: see `pramaan.warehouse.what_if`.
    """
    attachment_id = uuid4()
    inputs = {"course_id": course_id, "criteria": criteria_json, "attachment_id": attachment_id}
    with assumption(connection):
        for statement in (_ASSUME_COMPLETIONS, _SCOPE, _ANALYZE, *_ASSUME_ATTACHMENTS):
            connection.execute(statement, inputs)
        answer = sql.SQL(_ANSWER).format(
            decisions=statement_over(connection, "fct_certificate_decisions", COMPLETIONS, ATTACHMENTS),
            attachment_id=sql.Literal(attachment_id),
            listed=sql.Literal(listed),
        )
        rows = connection.execute(answer).fetchall()
        (assumed_at,) = connection.execute("select now()").fetchone() or (None,)
    return Preview(
        course_id,
        cast(datetime, assumed_at),
        completed=_group([row[1:] for row in rows if not row[0]]),
        in_progress=_group([row[1:] for row in rows if row[0]]),
    )


def _group(rows: list[tuple[object, ...]]) -> Group:
    """A group from what the rules said of it: decision, people, how many would get it, those listed."""
    found = {
        cast(str, decision): DecisionCount(
            cast(Decision, decision),
            cast(int, people),
            tuple(Person(*person) for person in cast("list[list[str]]", listed or [])),
        )
        for decision, people, _, listed in rows
    }
    if unknown := found.keys() - set(DECISIONS):
        raise DatabaseError(
            f"the deployed rules decide {', '.join(sorted(unknown))}, which is not in "
            "pramaan.warehouse.decisions; add it in its place"
        )
    would_get = sum(cast(int, row[2]) for row in rows)
    decisions = tuple(found.get(decision, DecisionCount(decision, 0, ())) for decision in DECISIONS)
    return Group(
        total=sum(count.people for count in decisions),
        would_get=would_get,
        entitled_otherwise=decisions[-1].people - would_get,
        decisions=decisions,
    )
