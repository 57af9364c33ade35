"""Sends mail that is due. Mails about reports that bring a file go with those who build them."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from pramaan.certificates.mails import CERTIFICATE_MAILS
from pramaan.database.connect import connect
from pramaan.errors import MailError
from pramaan.freshness import StaleFeeds
from pramaan.mail.dispatch import due_mail, send_round, unanswered_for
from pramaan.mail.ledger import count_due, postpone_due
from pramaan.mail.messages import Kinds
from pramaan.mail.send import Sent
from pramaan.reports.mails import REPORT_MAILS
from pramaan.reports.service import ReportService
from pramaan.settings import Settings

__all__ = ["ALL_MAILS", "DUE_NOTICES", "NOTICES", "send_notices"]

log = logging.getLogger(__name__)

ALL_MAILS: Final[Kinds] = {**CERTIFICATE_MAILS, **REPORT_MAILS, StaleFeeds.kind: StaleFeeds}
"""Every kind of mail."""

NOTICES: Final[Kinds] = {name: kind for name, kind in ALL_MAILS.items() if not kind.has_file}
"""The kinds that need no file, sent here. A late report is among them, to be told of even when nobody builds
reports.
"""

DUE_NOTICES: Final = due_mail(NOTICES)
"""Notices that are due while nobody sends any."""

_LONGEST_WAIT: Final = timedelta(minutes=5)


def send_notices(
    settings: Settings, *, url: str, server_url: Callable[[], str | None], seconds: float
) -> Sent:
    """Tell the team of reports that are late, and send what notices are due for so many `seconds`, as far as
    the rate allows; `server_url` is asked for only if there is some.

    Without a server, mail waits. Raises MailError while it is away or does not want us: what is due then
    waits for a minute, for longer the longer it is away, and none lost an attempt.
    """
    with connect(url, application="pramaan mail") as connection:
        ReportService(settings, url=url).notify_late(connection)
        due = count_due(connection, kinds=NOTICES)
        server = server_url() if due else None
        if server is None:
            if due:
                log.warning("mail waits, %s notices: PRAMAAN_SMTP_URL is not set", due)
                postpone_due(connection, kinds=NOTICES, wait=_LONGEST_WAIT)
            return Sent(left=due)
        try:
            return send_round(url, settings=settings, server_url=server, kinds=NOTICES, seconds=seconds)
        except MailError:
            wait = max(
                timedelta(minutes=1), min(unanswered_for(connection, kinds=NOTICES) / 10, _LONGEST_WAIT)
            )
            postpone_due(connection, kinds=NOTICES, wait=wait)
            raise
