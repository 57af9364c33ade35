"""Tells people that a report failed: texts by error class, and the mail to the requester."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pramaan.localisation import gettext_in, gettext_noop, negotiate
from pramaan.mail.ledger import queue_mail
from pramaan.reports.ledger import find_request
from pramaan.reports.mails import ReportFailed

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.mail.addresses import Sender

__all__ = ["CSV", "FAILED", "FAILURES", "notify_failure"]

log = logging.getLogger(__name__)

CSV: Final = "CSV (.zip)"
"""The name of the format, in every language."""

FAILURES: Final[Mapping[str, str]] = {
    "batch_not_found": gettext_noop("The batch is no longer there."),
    "connection_lost": gettext_noop("The mail server took the mail not once in many attempts."),
    "deferred": gettext_noop("The mail server took the mail not once in many attempts."),
    "file_gone": gettext_noop("The file was lost before it was sent. Ask for the report again."),
    "message_refused": gettext_noop("The mail server refused the mail."),
    "recipient_refused": gettext_noop(
        "The mail server refused the address. Look whether it is right, then ask for the report again."
    ),
    "too_many_contents": gettext_noop("The batch has scores in more contents than a table has columns."),
    "too_many_rows": gettext_noop(
        "The batch has more people than a sheet has rows. Ask for the report as %(csv)s."
    ),
    "unavailable": gettext_noop("Something that it needs was not there. It is tried again by itself."),
}
"""Error class of a report -> what happened and what to do."""

FAILED: Final = gettext_noop(
    "Something went wrong on our side. Ask again; if it stays, tell your administrator."
)
"""For every other class."""


def notify_failure(
    connection: "Connection",
    request_id: UUID,
    *,
    error_class: str,
    timezone: str,
    sender: "Sender",
) -> None:
    """Queue a mail to the requester of a report that failed; once, whatever else fails later. A requester
    whose address cannot be used is not told, which is logged and undoes nothing.
    """
    request = find_request(connection, request_id)
    if request is None:
        return
    translated = gettext_in(negotiate(request.language))
    try:
        mail = ReportFailed(
            request_id=str(request_id),
            batch_id=request.batch_id,
            requested_at=request.requested_at,
            timezone=timezone,
            reason=translated(FAILURES.get(error_class, FAILED)) % {"csv": CSV},
        ).mail(subject_key=str(request_id), recipients=[request.email], language=request.language)
    except ValueError:
        # The error's message may quote an address.
        log.error("report %s: who waits for it cannot be told that it failed", request_id)  # noqa: TRY400
    else:
        queue_mail(connection, mail, sender=sender)
