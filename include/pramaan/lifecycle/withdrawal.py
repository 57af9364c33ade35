"""What people end before it is issued."""

from collections.abc import Sequence
from typing import Final, LiteralString

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.lifecycle.transitions import WITHDRAW, lock_for_person
from pramaan.registry.certificates import Certificate, Status, find_certificate
from pramaan.registry.changes import Actor, checked_reason, record_change

__all__ = ["withdraw_by_person", "withdraw_successor"]

# Told to the guard of the database for one statement: it lets this certificate go, though a person made it.
_NAME: Final = "select set_config('pramaan.withdrawn_by_person', %s, true)"

_WITHDRAW: LiteralString = """
    with gone as (
        delete from registry.certificates
        where certificate_id = %(certificate_id)s and status = any(%(before)s) and origin <> 'rules'
        returning certificate_id, attempts
    )

    insert into ops.outcomes (certificate_id, status, attempt)
    select certificate_id, %(outcome)s, attempts from gone
"""


def withdraw_by_person(connection: Connection, certificate_id: str, *, reason: str, by: Actor) -> Certificate:
    """Withdraw what a person made (by hand, or to be made again) and is not issued yet; returns it as it was.

    A worker that renders it finds nothing to record, and takes its file back.

    Raises RegistryError `certificate_not_found`, `certificate_of_rules`, `certificate_was_issued`,
    `invalid_reason`.
    """
    reason = checked_reason(reason)
    with connection.transaction():
        certificate = lock_for_person(connection, certificate_id)
        if certificate.status not in WITHDRAW.before:
            raise RegistryError(
                "certificate_was_issued",
                f"certificate {certificate_id} is {certificate.status}; what was issued is revoked, not "
                "withdrawn",
            )
        if certificate.origin == "rules":
            raise RegistryError(
                "certificate_of_rules",
                f"certificate {certificate_id} was made by the rules, which alone withdraw it: when the "
                "facts no longer say so",
            )
        _withdraw(connection, certificate, reason=reason, by=by)
    return certificate


def withdraw_successor(
    connection: Connection,
    certificate_id: str,
    *,
    reason: str,
    by: Actor,
    statuses: Sequence[Status | None] = WITHDRAW.before,
) -> None:
    """Withdraw what is to supersede a certificate and has one of these statuses, if there is such a one, in
    the caller's transaction, which has locked both by `lock_for_person`.
    """
    row = connection.execute(
        "select certificate_id from registry.certificates where supersedes = %s and status = any(%s)",
        (certificate_id, list(statuses)),
    ).fetchone()
    successor = find_certificate(connection, str(row[0])) if row else None
    if successor is not None:
        _withdraw(connection, successor, reason=reason, by=by)


def _withdraw(connection: Connection, certificate: Certificate, *, reason: str, by: Actor) -> None:
    certificate_id = certificate.certificate_id
    values = {
        "certificate_id": certificate_id,
        "before": list(WITHDRAW.before),
        "outcome": WITHDRAW.outcome,
    }
    connection.execute(_NAME, (certificate_id,))
    connection.execute(_WITHDRAW, values)
    connection.execute(_NAME, ("",))
    record_change(
        connection,
        "withdrawn",
        by=by,
        kind="certificate",
        subject_id=certificate_id,
        tenant_id=certificate.tenant_id,
        before={"status": certificate.status, "supersedes": certificate.supersedes},
        after={"reason": reason},
    )
