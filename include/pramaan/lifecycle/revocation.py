"""Revoking what was issued."""

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.lifecycle.transitions import REVOKE, lock_for_person, move
from pramaan.lifecycle.withdrawal import withdraw_successor
from pramaan.registry.certificates import Certificate, get_certificate
from pramaan.registry.changes import Actor, checked_reason, record_change

__all__ = ["revoke"]

_CHANGES = ", revoked_at = clock_timestamp(), revoked_by = %(revoked_by)s, revocation_reason = %(reason)s"


def revoke(connection: Connection, certificate_id: str, *, reason: str, by: Actor) -> Certificate:
    """Revoke an issued certificate for good, with the reason and the name of who does it.

    Whoever asks the registry sees it from the next request on; facts never bring it back, and a successor
    that was asked for before and is not issued yet is withdrawn.

    Raises RegistryError `certificate_not_found`, `certificate_already_revoked`, `certificate_not_issued`,
    `invalid_reason`.
    """
    reason = checked_reason(reason)
    values = {"certificate_id": certificate_id, "revoked_by": by.username, "reason": reason}
    with connection.transaction():
        before = lock_for_person(connection, certificate_id)
        if not move(
            connection, REVOKE, "select %(certificate_id)s as certificate_id", changes=_CHANGES, values=values
        ):
            raise _not_issued(before)
        withdraw_successor(connection, certificate_id, reason=reason, by=by)
        after = get_certificate(connection, certificate_id)
        record_change(
            connection,
            "revoked",
            by=by,
            kind="certificate",
            subject_id=certificate_id,
            tenant_id=after.tenant_id,
            before={"status": before.status},
            after={"status": after.status, "revoked_at": after.revoked_at, "reason": after.revocation_reason},
        )
    return after


def _not_issued(certificate: Certificate) -> RegistryError:
    if certificate.status == "revoked":
        return RegistryError(
            "certificate_already_revoked", f"certificate {certificate.certificate_id} is revoked already"
        )
    return RegistryError(
        "certificate_not_issued",
        f"certificate {certificate.certificate_id} is {certificate.status}; only an issued one can be "
        "revoked",
    )
