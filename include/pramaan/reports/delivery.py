"""The delivery of a report's mail: its file, and the records written when the mail is sent, waits or
fails.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pramaan.errors import MailFilesError, StoreError
from pramaan.mail.messages import MailFile, encoded_bytes
from pramaan.reports.failures import notify_failure
from pramaan.reports.files import MEDIA_TYPES
from pramaan.reports.ledger import (
    find_request,
    record_failed,
    record_file_removed,
    record_mail_waits,
    record_sent,
)
from pramaan.reports.mails import ProgressReport
from pramaan.reports.requests import may_still_see

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.mail.addresses import Sender
    from pramaan.mail.ledger import ClaimedMail
    from pramaan.store import Store

__all__ = ["ReportDelivery"]

log = logging.getLogger(__name__)

_TELLABLE: Final = frozenset({
    "batch_not_found", "file_gone", "message_refused", "store_unavailable", "unsendable",
})  # fmt: skip
"""The errors of a mail after which another mail, without a file, may well arrive."""


class ReportDelivery:
    """The delivery (`pramaan.mail.send`) of the mails about reports, whose files are in the store."""

    def __init__(self, store: "Store", *, sender: "Sender", timezone: str) -> None:
        self._store = store
        self._sender = sender
        self._timezone = timezone

    def files(
        self, connection: "Connection", claimed: "ClaimedMail", *, limit_bytes: int
    ) -> Sequence[MailFile]:
        """Returns the report's file; none when it is too large for the message and can be fetched by link.

        Raises StoreError when the store cannot be reached, MailFilesError `file_gone` when the store no
        longer has the file, and `batch_not_found` when the requester may no longer see the batch.
        """
        report = ProgressReport.model_validate(claimed.content)
        # The mail may have waited for days.
        request = find_request(connection, UUID(claimed.subject_key))
        if request is None or not may_still_see(connection, request):
            raise MailFilesError("batch_not_found", "whoever asked for it may no longer have it")
        try:
            if encoded_bytes(report.file_bytes) > limit_bytes:
                self._store.open(report.path).close()
                return []
            content = self._store.get(report.path)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise MailFilesError(
                    "file_gone", f"the store no longer has {report.path}; ask for the report again"
                ) from error
            raise
        return [MailFile(report.file_name, MEDIA_TYPES[report.path.rpartition(".")[2]], content)]

    def sent(self, connection: "Connection", claimed: "ClaimedMail") -> None:
        """Record that the request is sent, too."""
        record_sent(connection, UUID(claimed.subject_key), recipients=claimed.recipients)

    def waits(
        self, connection: "Connection", claimed: "ClaimedMail", *, error_class: str, error: str
    ) -> None:
        """Record on the request why its mail waits; its status stays."""
        record_mail_waits(connection, UUID(claimed.subject_key), error_class=error_class, error=error)

    def failed(
        self, connection: "Connection", claimed: "ClaimedMail", *, error_class: str, error: str
    ) -> None:
        """Record that the request failed for the same reason; tell its requester if a mail may reach them."""
        request_id = UUID(claimed.subject_key)
        has_failed = record_failed(connection, request_id, error_class=error_class, error=error)
        if has_failed and error_class in _TELLABLE:
            notify_failure(
                connection,
                request_id,
                error_class=error_class,
                timezone=self._timezone,
                sender=self._sender,
            )

    def clean_up(self, connection: "Connection", claimed: "ClaimedMail") -> None:
        """Remove the file: the requester has it. A file that cannot be removed stays, and the ledger keeps
        its path.
        """
        report = ProgressReport.model_validate(claimed.content)
        try:
            self._store.discard(report.path)
        except StoreError as error:
            log.warning("report %s: %s", claimed.subject_key, error)
        else:
            record_file_removed(connection, UUID(claimed.subject_key))
