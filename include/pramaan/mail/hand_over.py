"""Hands mails that are due to the mail server: what a task and the command line both call.

Each mail is recorded right after it was handed over. One that is refused never stops the others; a server
that is away, or does not want us, stops the batch and leaves every mail as it was.
"""

import logging
import time
from dataclasses import dataclass, replace
from email.errors import MessageError
from smtplib import SMTPException
from typing import TYPE_CHECKING, Final

from jinja2 import TemplateError
from psycopg.pq import TransactionStatus

from pramaan.errors import MailError
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import (
    Claimed,
    claim_mail,
    count_due,
    record_failed,
    record_retry,
    record_sent,
    release,
)
from pramaan.mail.messages import compose
from pramaan.mail.refusals import MOST_ATTEMPTS, Refusal, backoff, refusal_of, refusal_of_recipients
from pramaan.mail.server import Line, MailServer

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.settings import Settings

__all__ = ["Sent", "send_due"]

log = logging.getLogger(__name__)

_SECONDS: Final = 5.0
"""Certificates are issued by whoever sends mail: they do not wait longer for a slow mail server."""

_SPOILT: Final = (OSError, SMTPException, MessageError, TemplateError, ValueError, LookupError, TypeError)
"""What making and sending one mail may end in."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How the attempts of a batch ended, and how many mails are still due: the minute was full."""

    sent: int = 0
    retried: int = 0
    failed: int = 0
    left: int = 0


def send_due(
    connection: "Connection", *, settings: "Settings", server_url: str, seconds: float = _SECONDS
) -> Sent:
    """Send what is due for so many `seconds`, up to the `mails_per_minute` that all senders together may
    take; never waits. Notices to the team go first.

    Safe to repeat and safe in several processes at once. The connection commits by itself, so that what was
    handed over stays recorded whatever comes after.

    Raises MailError when the server cannot be reached or does not want us: mails wait, none lost an attempt.
    Raises SettingsError for a sender or a server address that cannot be used.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE or not connection.autocommit:
        raise ValueError("mail is sent outside transactions: what is undone would be sent again")
    sender = Sender.parse(settings.mail_from)
    ends = {"sent": 0, "retried": 0, "failed": 0}
    with Line(MailServer.parse(server_url)) as line:
        until = time.monotonic() + seconds
        while time.monotonic() < until and (
            claimed := claim_mail(connection, per_minute=settings.mails_per_minute)
        ):
            try:
                line.open()
            except MailError as error:
                release(connection, claimed, error_class="server_unusable", error=str(error))
                raise
            end = _send(connection, claimed, line=line, sender=sender, public_url=settings.public_base_url)
            ends[end] += 1
    return Sent(**ends, left=count_due(connection))


def _send(connection: "Connection", claimed: Claimed, *, line: Line, sender: Sender, public_url: str) -> str:
    """Hand one mail over and record what became of it: sent, retried or failed."""
    left = list(claimed.recipients)
    try:
        message = compose(claimed, sender=sender, public_url=public_url)
        refused = line.send(message, sender=sender.address, recipients=claimed.recipients)
    except _SPOILT as error:
        return _not_sent(connection, claimed, left, refusal_of(error, recipients=left))
    if refused:
        refusal = refusal_of_recipients(refused)
        # The others have it, so the mail is not as it was.
        refusal = replace(refusal, meaning="later") if refusal.meaning == "us" else refusal
        return _not_sent(connection, claimed, list(refused), refusal)
    record_sent(connection, claimed)
    return "sent"


def _not_sent(connection: "Connection", claimed: Claimed, left: list[str], refusal: Refusal) -> str:
    log.warning("mail %s (%s): %s", claimed.mail_id, claimed.kind, refusal.error_class)
    why = {"error_class": refusal.error_class, "error": refusal.words}
    if refusal.meaning == "us":
        release(connection, claimed, **why)
        raise MailError(
            f"the mail server does not take our mail: {refusal.words}. Mails wait; see PRAMAAN_SMTP_URL and "
            "PRAMAAN_MAIL_FROM"
        )
    if refusal.meaning == "later" and claimed.attempt < MOST_ATTEMPTS:
        record_retry(connection, claimed, left=left, wait=backoff(claimed.attempt), **why)
        return "retried"
    record_failed(connection, claimed, left=left, **why)
    return "failed"
