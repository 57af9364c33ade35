"""Certificates come to be, or go again before they are issued."""

from typing import Final, LiteralString, cast
from uuid import UUID

from psycopg.types.json import Jsonb

from pramaan.database.connect import Connection
from pramaan.database.wake import wake
from pramaan.errors import RegistryError
from pramaan.lifecycle.frozen import FIELDS_OF_ITSELF
from pramaan.lifecycle.identity import IdentityKey
from pramaan.lifecycle.transitions import CREATE, CREATE_HELD, WITHDRAW, lock_for_person
from pramaan.lifecycle.withdrawal import withdraw_successor
from pramaan.registry.certificates import Certificate, get_certificate
from pramaan.registry.changes import Actor, checked_reason, record_change
from pramaan.rendering.badge_assertion import hashed_recipient

__all__ = ["create", "reissue", "withdraw"]

# In the order of the ids, as everybody locks: who creates the same at once waits for the same first one.
_CREATE: LiteralString = """
    with created as (
        insert into registry.certificates (
            certificate_id, user_id, course_id, batch_id, sequence, origin, created_by, supersedes,
            attachment_id, recipient_name, completed_at, status, hold_id, render_input, signature_sha256,
            badge_recipient
        )
        select
            certificate_id, user_id, course_id, batch_id, sequence, origin, created_by, supersedes,
            attachment_id, render_input ->> 'recipient_name', completed_at,
            case when hold_id is null then %(pending)s else %(held)s end, hold_id,
            render_input || {fields}, signature_sha256, badge_recipient
        from ({proposals}) as proposals
        where not exists (
            select from registry.certificates as issued
            where issued.user_id = proposals.user_id and issued.course_id = proposals.course_id
                and issued.batch_id = proposals.batch_id and issued.status = 'issued'
                and issued.certificate_id is distinct from proposals.supersedes
        )
        order by certificate_id
        on conflict do nothing
        returning certificate_id, hold_id
    )

    insert into ops.outcomes (run_id, certificate_id, status, attempt)
    select %(run_id)s, certificate_id, case when hold_id is null then %(created)s else %(created_held)s end, 0
    from created
"""

_WITHDRAW: LiteralString = """
    with proposed as materialized (
        select certificate_id
        from registry.certificates
        inner join ({proposals}) as proposals using (certificate_id)
        where status = any(%(before)s) and origin = 'rules'
        order by certificate_id
        for update of certificates
    ),

    gone as (
        delete from registry.certificates as certificates using proposed
        where certificates.certificate_id = proposed.certificate_id
        returning
            certificates.certificate_id, certificates.user_id, certificates.course_id, certificates.batch_id,
            certificates.completed_at, certificates.status = 'held' as was_held, certificates.attempts
    ),

    told as (
        insert into ops.outcomes (run_id, certificate_id, status, attempt)
        select %(run_id)s, certificate_id, %(outcome)s, attempts from gone
    )

    insert into pg_temp.withdrawn
    select user_id, course_id, batch_id, completed_at, was_held from gone
"""

_WITHDRAWN: Final[LiteralString] = """
    create temp table withdrawn (
        user_id text, course_id text, batch_id text, completed_at timestamptz, was_held boolean
    ) on commit drop
"""

_SUCCESSOR: LiteralString = """
    select
        %(certificate_id)s::text as certificate_id, user_id, course_id, batch_id, %(sequence)s as sequence,
        'reissue' as origin, %(created_by)s as created_by, certificate_id as supersedes, attachment_id,
        completed_at, null::bigint as hold_id, render_input, signature_sha256,
        %(badge_recipient)s::jsonb as badge_recipient
    from registry.certificates
    where certificate_id = %(supersedes)s
"""


def create(
    connection: Connection,
    proposals: LiteralString,
    *,
    public_url: str,
    run_id: UUID | None,
    values: dict[str, object] | None = None,
) -> int:
    """Create the certificates that are proposed, pending or, with a hold, held, in the caller's transaction;
    returns how many.

    `proposals` is a query of certificate_id, user_id, course_id, batch_id, sequence, origin, created_by,
    supersedes, attachment_id, completed_at, hold_id, render_input (fields that do not follow from the id),
    signature_sha256 and badge_recipient. Safe to repeat: nothing happens where one is to come already, or one
    is in force that is not to be superseded.
    """
    statement = _CREATE.format(proposals=proposals, fields=FIELDS_OF_ITSELF)
    made = {
        "pending": CREATE.after,
        "held": CREATE_HELD.after,
        "created": CREATE.outcome,
        "created_held": CREATE_HELD.outcome,
        "run_id": run_id,
        "verify_base": f"{public_url}/verify/",
    }
    return connection.execute(statement, {**(values or {}), **made}).rowcount


def withdraw(connection: Connection, proposals: LiteralString, *, run_id: UUID | None) -> int:
    """Withdraw what the rules made and nobody issued yet, of the `certificate_id`s that are proposed, in the
    caller's transaction; returns how many. What a person made stays.

    Leaves the session table `withdrawn` (user_id, course_id, batch_id, completed_at, was_held). A worker that
    renders one of them finds nothing to record, and takes its file back.
    """
    connection.execute(_WITHDRAWN)
    made = {"before": list(WITHDRAW.before), "outcome": WITHDRAW.outcome, "run_id": run_id}
    return connection.execute(_WITHDRAW.format(proposals=proposals), made).rowcount


def reissue(
    connection: Connection, certificate_id: str, *, key: IdentityKey, public_url: str, reason: str, by: Actor
) -> Certificate:
    """Have an issued or revoked certificate made once more, from what it printed; returns the successor,
    which is pending. The old one stays what it is until the successor is issued. A successor that failed is
    withdrawn for the new one.

    Raises RegistryError `certificate_not_found`, `certificate_not_issued`, `reissue_under_way`,
    `invalid_reason`.
    """
    reason = checked_reason(reason)
    with connection.transaction():
        old = lock_for_person(connection, certificate_id)
        if old.status not in ("issued", "revoked"):
            raise RegistryError(
                "certificate_not_issued",
                f"certificate {certificate_id} is {old.status}; only one that was issued can be made again",
            )
        sequence = _next_sequence(connection, old)
        withdraw_successor(connection, certificate_id, reason=reason, by=by, statuses=("failed",))
        successor_id = key.certificate_id(old.user_id, old.course_id, old.batch_id, sequence=sequence)
        recipient = hashed_recipient(public_url, recipient_id=old.user_id, certificate_id=successor_id)
        values = {
            "certificate_id": successor_id,
            "sequence": sequence,
            "created_by": by.username,
            "supersedes": certificate_id,
            "badge_recipient": Jsonb(recipient),
        }
        if not create(connection, _SUCCESSOR, public_url=public_url, run_id=None, values=values):
            raise RegistryError(
                "reissue_under_way", f"a successor of certificate {certificate_id} is under way already"
            )
        record_change(
            connection,
            "reissued",
            by=by,
            kind="certificate",
            subject_id=certificate_id,
            tenant_id=old.tenant_id,
            before={"status": old.status},
            after={"successor": successor_id, "reason": reason},
        )
        wake(connection)
        return get_certificate(connection, successor_id)


def _next_sequence(connection: Connection, old: Certificate) -> int:
    row = connection.execute(
        "select max(sequence) + 1 from registry.certificates "
        "where user_id = %s and course_id = %s and batch_id = %s",
        (old.user_id, old.course_id, old.batch_id),
    ).fetchone()
    return cast(tuple[int], row)[0]
