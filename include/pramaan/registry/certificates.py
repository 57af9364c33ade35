"""Certificates as people ask for them: a user's, one by its id (`registry.certificates`).

What becomes of them is `pramaan.lifecycle`; this module only reads.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, cast

from psycopg.rows import class_row

from pramaan.certificate_fields import printed
from pramaan.database.connect import Connection
from pramaan.errors import RegistryError

__all__ = [
    "Certificate",
    "Origin",
    "Status",
    "certificates_of_user",
    "find_certificate",
    "get_certificate",
    "tenant_of_batch",
    "tenant_of_user",
]

Status = Literal["pending", "held", "issued", "failed", "superseded", "revoked"]
Origin = Literal["rules", "person", "reissue"]
"""Who made a certificate: a decision of the rules; a person, by hand; a person who had one made again."""


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
    origin: Origin
    supersedes: str | None
    completed_at: datetime
    issued_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    revocation_reason: str | None


_SELECT: LiteralString = f"""
    select
        certificates.certificate_id, certificates.user_id, certificates.course_id, certificates.batch_id,
        attachments.tenant_id, certificates.status, certificates.origin, certificates.supersedes,
        {printed("course_name")} as course_name, {printed("verify_url")} as verify_url,
        certificates.completed_at, certificates.issued_at,
        certificates.revoked_at, certificates.revoked_by, certificates.revocation_reason
    from registry.certificates as certificates
    inner join registry.attachments as attachments on certificates.attachment_id = attachments.attachment_id
"""  # noqa: S608 - our own words


def find_certificate(connection: Connection, certificate_id: str) -> Certificate | None:
    """The certificate of this id."""
    with connection.cursor(row_factory=class_row(Certificate)) as cursor:
        return cursor.execute(
            f"{_SELECT} where certificates.certificate_id = %s", (certificate_id,)
        ).fetchone()


def get_certificate(connection: Connection, certificate_id: str) -> Certificate:
    """The certificate of this id. Raises RegistryError `certificate_not_found`."""
    found = find_certificate(connection, certificate_id)
    if found is None:
        raise RegistryError("certificate_not_found", f"there is no certificate {certificate_id}")
    return found


def certificates_of_user(connection: Connection, user_id: str) -> list[Certificate]:
    """What a profile shows of a user: every certificate but those that a re-issue superseded and those that
    are to supersede one, the newest first.
    """
    with connection.cursor(row_factory=class_row(Certificate)) as cursor:
        return cursor.execute(
            f"{_SELECT} where certificates.user_id = %s and certificates.status <> 'superseded' "
            "and (certificates.supersedes is null or certificates.status in ('issued', 'revoked')) "
            "order by certificates.completed_at desc, certificates.certificate_id",
            (user_id,),
        ).fetchall()


def tenant_of_user(connection: Connection, user_id: str) -> str | None:
    """The tenant of a user, if we know them."""
    row = connection.execute("select tenant_id from marts.dim_user where user_id = %s", (user_id,)).fetchone()
    return cast(str, row[0]) if row else None


def tenant_of_batch(connection: Connection, batch_id: str) -> str | None:
    """The tenant of a batch, if we know it."""
    row = connection.execute(
        "select tenant_id from marts.dim_batch where batch_id = %s", (batch_id,)
    ).fetchone()
    return cast(str, row[0]) if row else None
