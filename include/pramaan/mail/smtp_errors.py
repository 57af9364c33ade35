"""What an SMTP error means. Only this module decides whether it is transient or permanent.

By RFC 5321, 4.2.1: 4yz is transient, 5yz permanent. Not every permanent error is the mail's fault, though: a
server that rejects our sign-in or our sender says so for every mail, and then the mails wait.
"""

import smtplib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.errors import MessageError
from typing import Final, Literal

from jinja2 import TemplateError

from pramaan.errors import MailFilesError, StoreError
from pramaan.mail.addresses import without_addresses

__all__ = [
    "MOST_ATTEMPTS",
    "SEND_ERRORS",
    "TOO_LARGE",
    "SmtpFailure",
    "backoff",
    "failure_of",
    "failure_of_recipients",
    "is_given_up",
    "text_of",
]

MOST_ATTEMPTS: Final = 36
"""About five days with these waits, as RFC 5321, 4.5.4.1 asks for."""

_OVERDUE_LIMIT: Final = timedelta(days=5)
"""For mails with a deadline, which are tried more often."""

TOO_LARGE: Final = 552
"""RFC 1870: in answer to an announced size, or once the message exceeds the server's limit."""

_FIRST_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(hours=4)
_PERMANENT: Final = 500
_SIGN_IN: Final = frozenset({530, 534, 535, 538})
_SHOWN: Final = 300
_READ: Final = 2_000
"""Of a server's text, which may be endless."""


SEND_ERRORS: Final = (
    # smtplib's exceptions are OSErrors, too.
    *(OSError, MessageError, TemplateError),
    *(ValueError, LookupError, TypeError, StoreError, MailFilesError),
)
"""The exceptions of making and sending one mail whose meaning `failure_of` knows. No others are about the
mail: the database's errors end the sending.
"""


@dataclass(frozen=True, slots=True)
class SmtpFailure:
    """A failure: try again `later`, `never`, or the server refuses `us`. Without personal data."""

    meaning: Literal["later", "never", "us"]
    error_class: str
    text: str


def failure_of(error: Exception, *, recipients: Iterable[str]) -> SmtpFailure:
    """Returns the meaning of an `error` of handing a mail over."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return failure_of_recipients(error.recipients)
        case smtplib.SMTPResponseException():
            return _by_code(error, text_of(error, recipients=recipients))
        case smtplib.SMTPServerDisconnected() | OSError():
            # Perhaps the mail was accepted and only the answer was lost: the same Message-ID shows that.
            return SmtpFailure("later", "connection_lost", text_of(error, recipients=recipients))
        case StoreError():
            return SmtpFailure("later", "store_unavailable", str(error))
        case MailFilesError():
            return SmtpFailure("never", error.code, str(error))
        case _:
            # The messages of other exceptions may quote the mail.
            return SmtpFailure("never", "unsendable", f"cannot be made or sent: {type(error).__name__}")


def failure_of_recipients(refused: Mapping[str, tuple[int, bytes]]) -> SmtpFailure:
    """Returns the meaning of these recipients' refusals, each with the server's code and text."""
    codes = [code for code, _ in refused.values()]
    words = "; ".join(
        dict.fromkeys(f"{code} {_clean(said, recipients=refused)}" for code, said in refused.values())
    )[:_SHOWN]
    # A refused recipient never blocks other mail: a requester may have chosen the address.
    if any(code in _SIGN_IN for code in codes):
        return SmtpFailure("later", "sign_in_refused", words)
    if any(code < _PERMANENT for code in codes):
        return SmtpFailure("later", "deferred", words)
    return SmtpFailure("never", "recipient_refused", words)


def backoff(attempt: int, *, overdue: timedelta | None = None) -> timedelta:
    """Returns the wait after the `attempt`th attempt: a minute, then twice as long each time, up to four
    hours.

    `overdue`: how long a mail with a deadline has been late, negative before the deadline. Its wait is at
    most that long, and at least a minute: it is tried every minute until the deadline, and with doubling
    waits after it.
    """
    wait = min(_FIRST_WAIT * (1 << min(attempt - 1, 20)), _LONGEST_WAIT)
    return wait if overdue is None else min(wait, max(overdue, _FIRST_WAIT))


def is_given_up(attempt: int, *, overdue: timedelta | None = None) -> bool:
    """Whether the `attempt`th attempt was the last."""
    return attempt >= MOST_ATTEMPTS and (overdue is None or overdue >= _OVERDUE_LIMIT)


def text_of(error: Exception, *, recipients: Iterable[str] = ()) -> str:
    """Returns the error as one line, without any address."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_clean(error.smtp_error, recipients=recipients)}"[:_SHOWN]
    return _clean(str(error) or type(error).__name__, recipients=recipients)[:_SHOWN]


def _by_code(error: smtplib.SMTPResponseException, words: str) -> SmtpFailure:
    code = error.smtp_code
    if code in _SIGN_IN:
        return SmtpFailure("us", "sign_in_refused", words)
    if code < _PERMANENT:
        return SmtpFailure("later", "deferred", words)
    if isinstance(error, smtplib.SMTPSenderRefused) and code != TOO_LARGE:
        return SmtpFailure("us", "sender_refused", words)
    return SmtpFailure("never", "message_refused", words)


def _clean(said: bytes | str, *, recipients: Iterable[str]) -> str:
    text = said[:_READ].decode("utf-8", "replace") if isinstance(said, bytes) else said[:_READ]
    return without_addresses(text, of=recipients)
