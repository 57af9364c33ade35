"""The step of `send_mail`."""

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from airflow.sdk.exceptions import AirflowFailException

from pramaan.orchestration.context import mail_server, task_context

__all__ = ["send_notices"]

log = logging.getLogger(__name__)

_SECONDS: Final = 240.0
"""Of a run; what is left then, the next one sends."""

_PATIENCE: Final = timedelta(minutes=15)
"""For so long a mail server may be away before a run says so in red: a restart is nobody's concern."""


def send_notices() -> dict[str, int]:
    """Send notices until none is due, for four minutes at most; returns counts.

    While the server is away mail waits, and the run succeeds; it fails once the server has answered nobody
    for a quarter of an hour.
    """
    from pramaan.errors import MailError
    from pramaan.mail.dispatch import unanswered_for
    from pramaan.mail.ledger import count_queued
    from pramaan.stages.mailing import NOTICES
    from pramaan.stages.mailing import send_notices as send

    place = task_context()
    try:
        return asdict(send(place.settings, url=place.url, server_url=mail_server, seconds=_SECONDS))
    except MailError as error:
        with place.connect() as connection:
            silent, left = unanswered_for(connection, kinds=NOTICES), count_queued(connection, kinds=NOTICES)
        if silent >= _PATIENCE:
            minutes = silent // timedelta(minutes=1)
            raise AirflowFailException(f"{left:,} notices wait, for {minutes:,} minutes: {error}") from None
        log.warning("%s notices wait: %s", left, error)
        return {"sent": 0, "left": left}
