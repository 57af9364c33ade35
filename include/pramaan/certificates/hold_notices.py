"""Tells the implementation team what the gate holds: queues one mail for each hold."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, LiteralString

from pramaan.certificates.holds import Hold
from pramaan.database.connect import Connection
from pramaan.mail.addresses import Sender, is_sendable
from pramaan.mail.ledger import queue_mail
from pramaan.mail.messages import HeldCourse, HoldNotice

__all__ = ["queue_hold_notices"]

_NOBODY_KNOWN: Final = "implementation-team@localhost"
"""Where no address is known at all: the embedded mail server keeps it, and any other says that it cannot."""

_ADMINS: LiteralString = """
    select distinct email from registry.grants
    where role = 'admin' and email is not null and (tenant_id is null or tenant_id = any(%s))
    order by email
"""


def queue_hold_notices(
    connection: Connection, holds: Sequence[Hold], *, team: Sequence[str], approval_url: str, sender: Sender
) -> None:
    """Queue a mail about each hold, with its courses, in the caller's transaction; safe to repeat.

    To the `team` or, when it is empty, to the admins of the tenants whose grants carry an address.
    """
    for hold_id, of_hold in groupby(holds, key=lambda hold: hold.hold_id):
        courses = list(of_hold)
        notice = HoldNotice(
            hold_id=hold_id,
            held=tuple(
                HeldCourse(
                    course_id=_shown(hold.course_id), rule=hold.rule, why=hold.why, candidates=hold.candidates
                )
                for hold in courses
            ),
            approval_url=approval_url,
        )
        recipients = team or _admins(connection, courses)
        queue_mail(connection, notice.mail(subject_key=str(hold_id), recipients=recipients), sender=sender)


def _admins(connection: Connection, holds: Sequence[Hold]) -> list[str]:
    tenants = sorted({hold.tenant_id for hold in holds})
    known = (str(email).strip() for (email,) in connection.execute(_ADMINS, (tenants,)).fetchall())
    return [email for email in known if is_sendable(email)] or [_NOBODY_KNOWN]


def _shown(course_id: str) -> str:
    """An id as it stands, if that can be seen, else its escapes."""
    return course_id if course_id.isascii() and course_id.strip() else ascii(course_id)
