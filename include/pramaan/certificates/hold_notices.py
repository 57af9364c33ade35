"""Tells the implementation team what the gate holds: queues one mail for each hold."""

from collections.abc import Sequence
from itertools import groupby

from pramaan.certificates.holds import Hold
from pramaan.certificates.mails import HeldCourse, HoldNotice
from pramaan.database.connect import Connection
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import queue_mail
from pramaan.registry.grants import team_addresses

__all__ = ["queue_hold_notices"]


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
        tenants = sorted({hold.tenant_id for hold in courses})
        recipients = team_addresses(connection, team, tenants=tenants)
        queue_mail(connection, notice.mail(subject_key=str(hold_id), recipients=recipients), sender=sender)


def _shown(course_id: str) -> str:
    """An id as it stands, if that can be seen, else its escapes."""
    return course_id if course_id.isascii() and course_id.strip() else ascii(course_id)
