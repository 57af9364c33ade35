"""Tells recipients that their certificate was issued, where the attachment says so: queues the mails."""

from collections.abc import Iterable
from typing import Final, LiteralString

from pramaan.certificate_fields import printed
from pramaan.certificates.mails import CertificateIssued
from pramaan.database.connect import Connection
from pramaan.mail.addresses import PLAUSIBLE, Sender
from pramaan.mail.ledger import queue_mails

__all__ = ["queue_issue_notices"]

_KIND: Final = CertificateIssued.kind

_NOTICES: LiteralString = f"""
    select
        %(kind)s::text,
        certificates.certificate_id,
        array[btrim(users.email)],
        coalesce({printed("language")}, 'en'),
        jsonb_build_object(
            'recipient_name', certificates.recipient_name,
            'course_name', {printed("course_name")},
            'issuer_name', {printed("issuer_name")},
            'issuer_email', issuers.email,
            'certificate_id', certificates.certificate_id
        )
    from registry.certificates as certificates
    inner join registry.attachments as attachments
        on certificates.attachment_id = attachments.attachment_id and attachments.notify_recipients
    inner join registry.issuer_versions as issuers
        on attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
    inner join marts.dim_user as users
        on certificates.user_id = users.user_id and btrim(users.email) ~ %(plausible)s
    where certificates.certificate_id = any(%(certificate_ids)s) and certificates.status = 'issued'
        -- What a feed calls a name or a course is no place for a link to anywhere.
        and concat_ws(' ', certificates.recipient_name, {printed("course_name")})
            !~* '(://|www[.]|@)'
"""  # noqa: S608 - our own words


def queue_issue_notices(connection: Connection, certificate_ids: Iterable[str], *, sender: Sender) -> int:
    """Queue a mail for each of these certificates that is issued, whose attachment notifies recipients and
    whose user has an address that can be written to; in the caller's transaction. Returns how many are new.

    Safe to repeat: a certificate is told of once.
    """
    ids = list(certificate_ids)
    if not ids:
        return 0
    values = {"kind": _KIND, "plausible": PLAUSIBLE, "certificate_ids": ids}
    return queue_mails(connection, _NOTICES, values, sender=sender)
