"""Makes entitled decisions certificates to issue, past the gate, and withdraws what no longer stands before
it is issued.
"""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from pramaan.certificates.gate import GateRules, forget_withdrawn, pass_gate
from pramaan.certificates.identity import IdentityKey
from pramaan.database.connect import Connection

__all__ = ["Enqueued", "enqueue_entitled"]

_ENTITLED = """
    create temp table entitled on commit drop as
    select
        decisions.user_id, decisions.course_id, decisions.batch_id,
        decisions.attachment_id, decisions.completed_at, attachments.tenant_id,
        users.name as recipient_name,
        jsonb_build_object(
            'recipient_name', users.name,
            'course_name', course_versions.name,
            'completed_at', to_char(decisions.completed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'issuer_name', issuers.name,
            'issuer_url', issuers.url,
            'signatory_name', issuers.signatory_name,
            'signatory_designation', issuers.signatory_designation,
            'language', case
                when users.language ~ '^[A-Za-z]{{2,3}}(-[A-Za-z0-9]{{1,8}})*$' then users.language
                else 'en'
            end
        ) as render_input
    from {decisions}
    inner join lateral (
        select * from raw.users as users where users.user_id = decisions.user_id offset 0
    ) as users on true
    inner join intermediate.int_course_versions as course_versions
        on decisions.course_id = course_versions.course_id
        and decisions.completed_at >= course_versions.in_force_from
        and decisions.completed_at < course_versions.in_force_to
    inner join registry.attachments as attachments on decisions.attachment_id = attachments.attachment_id
    inner join registry.issuer_versions as issuers
        on attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
    where decisions.decision = 'entitled';

    create index on entitled (user_id, batch_id);
    analyze entitled
"""

_ALL = "marts.fct_certificate_decisions as decisions"

# Looked up key by key, for the reason that stands in dbt/macros/planned_alone.sql.
_IN_SCOPE = """
    pg_temp.keys_in_scope as scope
    inner join lateral (
        select * from marts.fct_certificate_decisions as decisions
        where decisions.user_id = scope.user_id and decisions.batch_id = scope.batch_id
        offset 0
    ) as decisions on true
"""

# What is not issued yet follows the facts, also while a worker renders it: the worker then finds nothing to
# record and takes its file back.
_WITHDRAWN = """
    create temp table withdrawn (
        user_id text, course_id text, batch_id text, completed_at timestamptz, was_held boolean
    ) on commit drop
"""

_WITHDRAW = """
    with gone as (
        delete from registry.certificates as waiting
        {using}
        where waiting.status in ('pending', 'failed', 'held') and waiting.sequence = 1
            {same_key}
            and not exists (
                select from entitled
                where entitled.user_id = waiting.user_id
                    and entitled.batch_id = waiting.batch_id
                    and entitled.course_id = waiting.course_id
                    and entitled.attachment_id = waiting.attachment_id
                    and entitled.completed_at = waiting.completed_at
                    and entitled.render_input = waiting.render_input - array['certificate_id', 'verify_url']
            )
        returning
            waiting.user_id, waiting.course_id, waiting.batch_id, waiting.completed_at,
            waiting.status = 'held'
    )
    insert into withdrawn select * from gone
"""

_WITHOUT_CERTIFICATE = """
    select user_id, course_id, batch_id from entitled
    where not exists (
        select from registry.certificates as known
        where known.user_id = entitled.user_id and known.course_id = entitled.course_id
            and known.batch_id = entitled.batch_id and known.sequence = 1
    )
"""

_IDENTIFIED = """
    create temp table identified (user_id text, course_id text, batch_id text, certificate_id text)
    on commit drop
"""

# Corrected facts neither slip out of a hold nor, unless they move the completion, meet it anew; quality,
# which is about the facts themselves, is judged again.
_CANDIDATES = """
    create temp table candidates on commit drop as
    select
        identified.certificate_id, entitled.*,
        held.hold_id is not null
        or coalesce(withdrawn.completed_at = entitled.completed_at, false) as is_known,
        held.hold_id,
        held.hold_id is not null as is_held
    from entitled
    inner join identified using (user_id, course_id, batch_id)
    left join withdrawn using (user_id, course_id, batch_id)
    left join ops.held_keys as held using (user_id, course_id, batch_id);

    create unique index on candidates (certificate_id);
    analyze candidates
"""

_ENQUEUE = """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status,
         hold_id, render_input)
    select
        certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at,
        case when is_held then 'held' else 'pending' end, hold_id,
        render_input || jsonb_build_object(
            'certificate_id', certificate_id, 'verify_url', %(verify_base)s || certificate_id
        )
    from candidates
    on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What a batch changed in the queue."""

    pending: int
    held: int
    withdrawn: int


def enqueue_entitled(
    connection: Connection,
    *,
    key: IdentityKey,
    public_url: str,
    in_scope: bool,
    gate: GateRules,
    run_id: UUID | None,
    history: bool = False,
) -> Enqueued:
    """Make entitled decisions certificates, pending or held by the gate, and withdraw what no longer stands,
    in the caller's transaction.

    With `in_scope` only for the keys of the session table `keys_in_scope`; otherwise for all. An import of
    `history` passes the gate. Safe to repeat: a completion that has a certificate, whatever became of it,
    gets no other.
    """
    connection.execute(_ENTITLED.format(decisions=_IN_SCOPE if in_scope else _ALL))
    using = "using pg_temp.keys_in_scope as scope" if in_scope else ""
    same_key = "and waiting.user_id = scope.user_id and waiting.batch_id = scope.batch_id" if in_scope else ""
    connection.execute(_WITHDRAWN)
    withdrawn = connection.execute(_WITHDRAW.format(using=using, same_key=same_key)).rowcount
    if withdrawn:
        forget_withdrawn(connection, gate)
    if not _identify(connection, key):
        return Enqueued(0, 0, withdrawn)
    connection.execute(_CANDIDATES)
    held = pass_gate(connection, gate, run_id=run_id, history=history)
    enqueued = connection.execute(_ENQUEUE, {"verify_base": f"{public_url}/verify/"}).rowcount
    return Enqueued(enqueued - held, held, withdrawn)


def _identify(connection: Connection, key: IdentityKey) -> int:
    """Give ids to the entitled that have no certificate, and return how many they are; here and not in SQL,
    so that the key stays here.
    """
    fresh = cast(list[tuple[str, str, str]], connection.execute(_WITHOUT_CERTIFICATE).fetchall())
    connection.execute(_IDENTIFIED)
    with connection.cursor() as cursor, cursor.copy("copy identified from stdin") as copy:
        for completion in fresh:
            copy.write_row((*completion, key.certificate_id(*completion)))
    return len(fresh)
