"""Hands due mails to the mail server: called by tasks and by the command line.

Each mail is recorded right after it was handed over. A mail that is refused never stops the others; a server
that cannot be reached, or that refuses us, stops the sending and leaves every mail as it was.

A kind of mail with files has a delivery, which reads the files when the mail is sent and is told the outcome.
A mail that is too large with its files is sent without them: its text then has a link to them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPResponseException
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from psycopg.pq import TransactionStatus

from pramaan.errors import MailError
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import (
    LEASE,
    ClaimedMail,
    claim_mail,
    count_due,
    open_sender,
    postpone_due,
    record_failed,
    record_retry,
    record_sent,
    release,
)
from pramaan.mail.messages import Kinds, MailFile, compose
from pramaan.mail.server import MailServer, SmtpConnection
from pramaan.mail.smtp_errors import (
    SEND_ERRORS,
    TOO_LARGE,
    SmtpFailure,
    backoff,
    failure_of,
    failure_of_recipients,
    is_given_up,
)

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.settings import Settings

__all__ = ["Delivery", "Sent", "send_due", "send_or_wait"]

log = logging.getLogger(__name__)

_OF_LEASE: Final = 0.8
"""The share of its lease in which a mail may be transmitted; the rest is for recording the outcome."""

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcomes of the attempts, and how many mails are still due because the rate limit was reached."""

    sent: int = 0
    retried: int = 0
    failed: int = 0
    left: int = 0


class Delivery(Protocol):
    """Provides the files of the mails of a kind, and records their outcomes."""

    def files(
        self, connection: "Connection", claimed: ClaimedMail, *, limit_bytes: int
    ) -> Sequence[MailFile]:
        """Returns the files of a mail; none, and unread, when they do not fit into `limit_bytes`.

        Raises StoreError when they cannot be read now, MailFilesError when they never can be again.
        """

    def sent(self, connection: "Connection", claimed: ClaimedMail) -> None:
        """The server accepted the whole mail. Called in the transaction that records it."""

    def waits(self, connection: "Connection", claimed: ClaimedMail, *, error_class: str, error: str) -> None:
        """The mail is tried again later. Called in the transaction that records it."""

    def failed(self, connection: "Connection", claimed: ClaimedMail, *, error_class: str, error: str) -> None:
        """The mail is not tried again. Called in the transaction that records it."""

    def clean_up(self, connection: "Connection", claimed: ClaimedMail) -> None:
        """Clean up after the mail was sent with its files and recorded; what cannot be removed is left."""


class _WithoutFiles:
    """The delivery of mails without files; records nothing."""

    def files(
        self, connection: "Connection", claimed: ClaimedMail, *, limit_bytes: int
    ) -> Sequence[MailFile]:
        del connection, claimed, limit_bytes
        return ()

    def sent(self, connection: "Connection", claimed: ClaimedMail) -> None:
        """Does nothing."""

    def waits(self, connection: "Connection", claimed: ClaimedMail, *, error_class: str, error: str) -> None:
        """Does nothing."""

    def failed(self, connection: "Connection", claimed: ClaimedMail, *, error_class: str, error: str) -> None:
        """Does nothing."""

    def clean_up(self, connection: "Connection", claimed: ClaimedMail) -> None:
        """Does nothing."""


def send_due(
    connection: "Connection",
    *,
    settings: "Settings",
    server_url: str,
    kinds: Kinds,
    deliveries: Mapping[str, Delivery] = MappingProxyType({}),
    seconds: float,
    most_bytes: int | None = None,
    lease: timedelta = LEASE,
) -> Sent:
    """Send due mails of these kinds for at most `seconds` seconds; never waits. All senders of these kinds
    together send at most `mails_per_minute`. Urgent mails go first, large files wait for a while, and mails
    with files of more than `most_bytes` are not sent. `deliveries` are by kind. A transmission that does not
    end well before the mail's `lease` is aborted.

    Safe to repeat and safe in several processes at once. The connection must be in autocommit mode, so that
    what was handed over stays recorded whatever comes after.

    Raises MailError when the server cannot be reached or refuses us: mails wait and lose no attempt. Raises
    SettingsError for a sender or a server address that cannot be used.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE or not connection.autocommit:
        raise ValueError("mail is sent outside transactions: what is undone would be sent again")
    sender = Sender.parse(settings.mail_from)
    ends = {"sent": 0, "retried": 0, "failed": 0}
    with open_sender(connection) as number, SmtpConnection(MailServer.parse(server_url)) as smtp:
        mail_sender = _MailSender(
            connection,
            smtp,
            sender,
            settings.public_base_url,
            kinds,
            largest_bytes=settings.mail_limit_megabytes * _MEGABYTE,
            most_seconds=_OF_LEASE * lease.total_seconds(),
        )
        with_files = any(kind.has_file for kind in kinds.values())
        until = time.monotonic() + seconds
        while time.monotonic() < until and (
            claimed := claim_mail(
                connection,
                sender=number,
                per_minute=settings.mails_per_minute,
                kinds=list(kinds),
                with_files=with_files,
                most_bytes=most_bytes,
                lease=lease,
            )
        ):
            ends[mail_sender.send(claimed, deliveries.get(claimed.kind, _WithoutFiles()))] += 1
    return Sent(**ends, left=count_due(connection, kinds=list(kinds)))


def send_or_wait(
    connection: "Connection",
    *,
    settings: "Settings",
    server_url: Callable[[], str | None],
    kinds: Kinds,
    deliveries: Mapping[str, Delivery] = MappingProxyType({}),
    seconds: float,
    most_bytes: int | None = None,
) -> Sent:
    """Send as `send_due` does, for callers that continue when mail cannot be sent now: without a server, and
    while it cannot be reached or refuses us, mails wait, which is logged. `server_url` is called only if a
    mail is due.
    """
    due = count_due(connection, kinds=list(kinds))
    server = server_url() if due else None
    if server is None:
        return Sent(left=due)
    try:
        return send_due(
            connection,
            settings=settings,
            server_url=server,
            kinds=kinds,
            deliveries=deliveries,
            seconds=seconds,
            most_bytes=most_bytes,
        )
    except MailError as error:
        log.warning("mail waits: %s", error)
        postpone_due(connection, kinds=list(kinds))
        return Sent(left=due)


@dataclass(frozen=True, slots=True)
class _MailSender:
    """The connection and settings with which `send_due` sends each mail."""

    connection: "Connection"
    smtp: SmtpConnection
    sender: Sender
    public_url: str
    kinds: Kinds
    largest_bytes: int
    most_seconds: float

    def send(self, claimed: ClaimedMail, delivery: Delivery) -> str:
        """Hand one mail over and record its outcome; returns `sent`, `retried` or `failed`."""
        until = time.monotonic() + self.most_seconds
        left, failure, has_files = list(claimed.recipients), None, False
        try:
            self.smtp.open()
            refused, has_files = self._send_message(claimed, delivery, until=until)
        except MailError as error:
            release(self.connection, claimed, error_class="server_unusable", error=str(error))
            raise
        except SEND_ERRORS as error:
            failure = failure_of(error, recipients=left)
        else:
            if refused:
                left, failure = list(refused), failure_of_recipients(refused)
        if failure:
            # Outside the handlers: what they caught may have addresses, and would be logged with other
            # errors.
            return self._not_sent(claimed, delivery, left, failure)
        with self.connection.transaction():
            is_ours = record_sent(self.connection, claimed)
            if is_ours:
                delivery.sent(self.connection, claimed)
        if is_ours and has_files:
            delivery.clean_up(self.connection, claimed)
        return "sent"

    def _send_message(
        self, claimed: ClaimedMail, delivery: Delivery, *, until: float
    ) -> tuple[dict[str, tuple[int, bytes]], bool]:
        """Returns the recipients that were refused, and whether the others have the files: not if those make
        the message too large.
        """
        limit_bytes = min(self.largest_bytes, self.smtp.largest_bytes or self.largest_bytes)
        files = delivery.files(self.connection, claimed, limit_bytes=limit_bytes)
        if files:
            message = self._message(claimed, files)
            # The files are in the message now, and need not be in memory twice while it is sent.
            del files
            if len(message) <= limit_bytes:
                try:
                    return self._transmit(message, claimed, until=until), True
                except SMTPResponseException as error:
                    if error.smtp_code != TOO_LARGE:
                        raise
                self.smtp.open()
            log.info("mail %s (%s): too large with what it brings", claimed.mail_id, claimed.kind)
        return self._transmit(self._message(claimed), claimed, until=until), False

    def _message(self, claimed: ClaimedMail, files: Sequence[MailFile] = ()) -> bytes:
        return compose(
            claimed,
            kind=self.kinds[claimed.kind],
            sender=self.sender,
            public_url=self.public_url,
            files=files,
        )

    def _transmit(
        self, message: bytes, claimed: ClaimedMail, *, until: float
    ) -> dict[str, tuple[int, bytes]]:
        return self.smtp.send(message, sender=self.sender.address, recipients=claimed.recipients, until=until)

    def _not_sent(
        self, claimed: ClaimedMail, delivery: Delivery, left: list[str], failure: SmtpFailure
    ) -> str:
        log.warning("mail %s (%s): %s", claimed.mail_id, claimed.kind, failure.error_class)
        why = {"error_class": failure.error_class, "error": failure.text}
        if failure.meaning == "us":
            release(self.connection, claimed, **why)
            raise MailError(
                f"the mail server does not take our mail: {failure.text}. Mails wait; see PRAMAAN_SMTP_URL "
                "and PRAMAAN_MAIL_FROM"
            )
        overdue = self._overdue(claimed) if failure.meaning == "later" else None
        if failure.meaning == "later" and not is_given_up(claimed.attempt, overdue=overdue):
            wait = backoff(claimed.attempt, overdue=overdue)
            with self.connection.transaction():
                if record_retry(self.connection, claimed, left=left, wait=wait, **why):
                    delivery.waits(self.connection, claimed, **why)
            return "retried"
        with self.connection.transaction():
            if record_failed(self.connection, claimed, left=left, **why):
                delivery.failed(self.connection, claimed, **why)
        return "failed"

    def _overdue(self, claimed: ClaimedMail) -> timedelta | None:
        """Returns how late a mail with a deadline was when it was tried, negative before the deadline; None
        for others. The content was validated before: every failure that may be retried comes after that.
        """
        due_by = self.kinds[claimed.kind].model_validate(claimed.content).due_by
        return claimed.attempted_at - due_by if due_by else None
