"""Certificates as people ask for them: a user's, one by its id, its revocation (`registry.certificates`).

The work of issuing them is `pramaan.certificates`; this module never renders or stores anything.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, cast

from psycopg.rows import class_row

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry.changes import Actor, record_change

__all__ = [
    "Certificate",
    "Status",
    "certificates_of_user",
    "find_certificate",
    "revoke",
    "tenant_of_batch",
    "tenant_of_user",
]

Status = Literal["pending", "held", "issued", "failed", "superseded", "revoked"]

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's record. `tenant_id` is that of the course it was asserted to."""

    certificate_id: str
    user_id: str
    course_id: str
    batch_id: str
    tenant_id: str
    course_name: str | None
    verify_url: str | None
    status: Status
    completed_at: datetime
    issued_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    revocation_reason: str | None


_SELECT: LiteralString = """
    select
        certificates.certificate_id, certificates.user_id, certificates.course_id, certificates.batch_id,
        attachments.tenant_id, certificates.status,
        certificates.render_input ->> 'course_name' as course_name,
        certificates.render_input ->> 'verify_url' as verify_url,
        certificates.completed_at, certificates.issued_at,
        certificates.revoked_at, certificates.revoked_by, certificates.revocation_reason
    from registry.certificates as certificates
    inner join registry.attachments as attachments on certificates.attachment_id = attachments.attachment_id
"""


def find_certificate(connection: Connection, certificate_id: str) -> Certificate | None:
    """The certificate of this id."""
    with connection.cursor(row_factory=class_row(Certificate)) as cursor:
        return cursor.execute(
            f"{_SELECT} where certificates.certificate_id = %s", (certificate_id,)
        ).fetchone()


def certificates_of_user(connection: Connection, user_id: str) -> list[Certificate]:
    """What a profile shows of a user: every certificate but those that a re-issue superseded, the newest
    first.
    """
    with connection.cursor(row_factory=class_row(Certificate)) as cursor:
        return cursor.execute(
            f"{_SELECT} where certificates.user_id = %s and certificates.status <> 'superseded' "
            "order by certificates.completed_at desc, certificates.certificate_id",
            (user_id,),
        ).fetchall()


def tenant_of_user(connection: Connection, user_id: str) -> str | None:
    """The tenant of a user, if we know them."""
    row = connection.execute("select tenant_id from raw.users where user_id = %s", (user_id,)).fetchone()
    return cast(str, row[0]) if row else None


def tenant_of_batch(connection: Connection, batch_id: str) -> str | None:
    """The tenant of a batch, if we know it."""
    row = connection.execute("select tenant_id from raw.batches where batch_id = %s", (batch_id,)).fetchone()
    return cast(str, row[0]) if row else None


def revoke(connection: Connection, certificate_id: str, *, reason: str, by: Actor) -> Certificate:
    """Revoke an issued certificate for good, with the reason and the name of who does it.

    Whoever asks the registry sees it from the next request on; facts never bring it back.

    Raises RegistryError `certificate_not_found`, `certificate_already_revoked`, `certificate_not_issued`,
    `invalid_reason`.
    """
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise RegistryError("invalid_reason", f"reason: 1 to {_LONGEST_REASON} characters that say why")
    with connection.transaction():
        connection.execute(
            "select from registry.certificates where certificate_id = %s for update", (certificate_id,)
        )
        before = find_certificate(connection, certificate_id)
        _require_issued(before, certificate_id)
        connection.execute(
            "update registry.certificates set status = 'revoked', revoked_at = clock_timestamp(), "
            "revoked_by = %s, revocation_reason = %s where certificate_id = %s",
            (by.username, reason.strip(), certificate_id),
        )
        after = cast(Certificate, find_certificate(connection, certificate_id))
        record_change(
            connection,
            "revoked",
            by=by,
            kind="certificate",
            subject_id=certificate_id,
            tenant_id=after.tenant_id,
            before={"status": "issued"},
            after={"status": "revoked", "revoked_at": after.revoked_at, "reason": after.revocation_reason},
        )
    return after


def _require_issued(certificate: Certificate | None, certificate_id: str) -> None:
    if certificate is None:
        raise RegistryError("certificate_not_found", f"there is no certificate {certificate_id}")
    if certificate.status == "revoked":
        raise RegistryError("certificate_already_revoked", f"certificate {certificate_id} is revoked already")
    if certificate.status != "issued":
        raise RegistryError(
            "certificate_not_issued",
            f"certificate {certificate_id} is {certificate.status}; only an issued one can be revoked",
        )
