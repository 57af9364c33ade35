"""Makes entitled decisions certificates to issue, past the gate, and withdraws what no longer stands before
it is issued.
"""

import json
from dataclasses import dataclass
from typing import LiteralString, cast
from uuid import UUID

from pramaan.certificates.gate import GateRules, forget_withdrawn, lock_gate, pass_gate
from pramaan.database.connect import Connection
from pramaan.lifecycle.creation import create, withdraw
from pramaan.lifecycle.frozen import FIELDS_FROM_FACTS, NAMES_OF_ITSELF
from pramaan.lifecycle.identity import IdentityKey
from pramaan.rendering.badge_assertion import hashed_recipient

__all__ = ["Enqueued", "enqueue_entitled"]

# The planner is told of the columns that are joined by: to take a sample of the others, documents among them,
# would take longer than the statement itself.
_ENTITLED: LiteralString = """
    create temp table entitled on commit drop as
    select
        row_number() over () as number,
        decisions.user_id, decisions.course_id, decisions.batch_id,
        decisions.attachment_id, decisions.completed_at, attachments.tenant_id,
        issuers.signature_sha256,
        {fields} as render_input
    from {decisions}
    inner join lateral (
        select * from marts.dim_user as users where users.user_id = decisions.user_id offset 0
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
    analyze entitled (number, user_id, course_id, batch_id)
"""

_ALL: LiteralString = "marts.fct_certificate_decisions as decisions"

# Looked up key by key, for the reason that stands in dbt/macros/planned_alone.sql.
_IN_SCOPE: LiteralString = """
    pg_temp.keys_in_scope as scope
    inner join lateral (
        select * from marts.fct_certificate_decisions as decisions
        where decisions.user_id = scope.user_id and decisions.batch_id = scope.batch_id
        offset 0
    ) as decisions on true
"""

# What is not issued yet follows the facts, also while a worker renders it: the worker then finds nothing to
# record and takes its file back.
_NO_LONGER_ENTITLED: LiteralString = """
    create temp table no_longer_entitled on commit drop as
    select waiting.certificate_id
    from registry.certificates as waiting
    {in_scope}
    where waiting.status in ('pending', 'failed', 'held') and waiting.origin = 'rules'
        and not exists (
            select from entitled
            where entitled.user_id = waiting.user_id
                and entitled.batch_id = waiting.batch_id
                and entitled.course_id = waiting.course_id
                and entitled.attachment_id = waiting.attachment_id
                and entitled.completed_at = waiting.completed_at
                and entitled.render_input = waiting.render_input - array[{names_of_itself}]
        )
"""
_WAITING_IN_SCOPE: LiteralString = """
    inner join pg_temp.keys_in_scope as scope
        on waiting.user_id = scope.user_id and waiting.batch_id = scope.batch_id
"""

_WITHOUT_CERTIFICATE = """
    select number, user_id, course_id, batch_id from entitled
    where not exists (
        select from registry.certificates as known
        where known.user_id = entitled.user_id and known.course_id = entitled.course_id
            and known.batch_id = entitled.batch_id
    )
"""

_IDENTIFIED = """
    create temp table identified (
        number bigint, certificate_id text, badge_recipient jsonb
    ) on commit drop
"""

# Corrected facts neither slip out of a hold nor, unless they move the completion, meet it anew; quality,
# which is about the facts themselves, is judged again.
_CANDIDATES = """
    create temp table candidates on commit drop as
    select
        identified.certificate_id, identified.badge_recipient,
        entitled.user_id, entitled.course_id, entitled.batch_id, entitled.attachment_id,
        entitled.completed_at, entitled.tenant_id, entitled.signature_sha256, entitled.render_input,
        held.hold_id is not null
        or coalesce(withdrawn.completed_at = entitled.completed_at, false) as is_known,
        held.hold_id,
        held.hold_id is not null as is_held
    from entitled
    inner join identified using (number)
    left join withdrawn using (user_id, course_id, batch_id)
    left join ops.held_keys as held using (user_id, course_id, batch_id);

    create unique index on candidates (certificate_id);
    analyze candidates (certificate_id, user_id, course_id, batch_id, completed_at)
"""

_PROPOSED: LiteralString = """
    select
        certificate_id, user_id, course_id, batch_id, 1 as sequence, 'rules' as origin,
        null::text as created_by, null::text as supersedes, attachment_id, completed_at, hold_id,
        render_input, signature_sha256, badge_recipient
    from candidates
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
    lock_gate(connection)
    connection.execute(_ENTITLED.format(fields=FIELDS_FROM_FACTS, decisions=_IN_SCOPE if in_scope else _ALL))
    connection.execute(
        _NO_LONGER_ENTITLED.format(
            in_scope=_WAITING_IN_SCOPE if in_scope else "", names_of_itself=NAMES_OF_ITSELF
        )
    )
    withdrawn = withdraw(connection, "select certificate_id from no_longer_entitled", run_id=run_id)
    if withdrawn:
        forget_withdrawn(connection, gate)
    if not _identify(connection, key, public_url=public_url):
        return Enqueued(0, 0, withdrawn)
    connection.execute(_CANDIDATES)
    held = pass_gate(connection, gate, run_id=run_id, history=history)
    created = create(connection, _PROPOSED, public_url=public_url, run_id=run_id)
    return Enqueued(created - held, held, withdrawn)


def _identify(connection: Connection, key: IdentityKey, *, public_url: str) -> int:
    """Give ids, and what follows from them, to the entitled that have no certificate, and return how many
    they are; here and not in SQL, so that the key stays here.
    """
    fresh = cast(list[tuple[int, str, str, str]], connection.execute(_WITHOUT_CERTIFICATE).fetchall())
    connection.execute(_IDENTIFIED)
    with connection.cursor() as cursor, cursor.copy("copy identified from stdin") as copy:
        for number, *completion in fresh:
            certificate_id = key.certificate_id(*completion)
            recipient = hashed_recipient(
                public_url, recipient_id=completion[0], certificate_id=certificate_id
            )
            copy.write_row((number, certificate_id, json.dumps(recipient)))
    return len(fresh)
