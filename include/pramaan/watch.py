"""Watches for work, so that a batch starts when there is something to do: new files in the landing folder,
and what tables say. A NOTIFY only shortens the wait.

What was told is not told again for a minute: whoever was told may be on the way. Nothing is taken here, so
nothing is lost when a watcher dies.
"""

import logging
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Literal, LiteralString, Self, cast

import psycopg

from pramaan.certificates.holds import ASKED_AGAIN_AFTER
from pramaan.database.connect import Connection
from pramaan.database.wake import CHANNEL
from pramaan.errors import PramaanError
from pramaan.feeds.landing import Landing
from pramaan.quality.waiting import loads_to_check
from pramaan.reports.office import ReportOffice
from pramaan.settings import Settings

__all__ = ["Watch", "Work"]

log = logging.getLogger(__name__)

Work = Literal["facts", "loads", "holds", "reports"]
"""facts: to load, decide or issue; loads: to check; holds: to ask a person about; reports: to build,
send or ask for."""

_TELL_AGAIN_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5
_TABLES_SECONDS: Final = 5.0
_AFTER_A_FAULT_SECONDS: Final = 5.0

# Each row names something to do. Keys that a load changed are decided by the run that loaded them, and what
# is pending is issued by the run that enqueued it: they count only when that run must have died, or when it
# was not time yet to try again.
_FACTS: LiteralString = """
    select 'change ' || max(change_id) from ops.changed_keys where load_id is null having count(*) > 0
    union all
    select 'left undecided' from ops.changed_keys
    where load_id is not null having min(changed_at) < now() - interval '2 minutes'
    union all
    select 'left unissued'
    where exists (
        select from registry.certificates
        where status = 'pending' and next_attempt_at < now() - interval '30 seconds'
    )
    union all
    select 'approved ' || max(decided_at) from ops.gate_holds
    where state = 'approved' and decided_at > now() - interval '1 minute' having count(*) > 0
    union all
    select 'mail'
    where exists (
        select from ops.mails
        where status = 'queued' and kind <> 'progress_report'
            and next_attempt_at < now() - interval '30 seconds'
    )
"""

_HOLDS: LiteralString = """
    select 'hold ' || max(hold_id) from ops.gate_holds
    where state = 'waiting' and (asked_at is null or asked_at < now() - %(asked_again_after)s)
    having count(*) > 0
"""


class Watch:
    """Watches for one kind of work; used by `with`. Lives through a database or a store that is away."""

    def __init__(self, settings: Settings, *, url: str, work: Work) -> None:
        self._url = url
        self._work: Work = work
        self._landing = Landing(settings.landing_url) if work == "facts" else None
        self._office = ReportOffice(settings, url=url)
        self._connection: Connection | None = None
        self._told: dict[str, float] = {}
        self._tables_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def look(self) -> list[str]:
        """What there is to do that was not told within the last minute; takes half a second when there is
        nothing, some seconds after a fault, which is logged.
        """
        try:
            connection = self._connected()
            notified = any(True for _ in connection.notifies(timeout=_POLL_SECONDS, stop_after=1))
            found = [*self._files(), *self._rows(connection, at_once=notified)]
        except (psycopg.Error, PramaanError, OSError) as error:
            log.warning(
                "watching for %s: %s; looking again in %g s",
                self._work,
                str(error).splitlines()[0] if isinstance(error, PramaanError) else type(error).__name__,
                _AFTER_A_FAULT_SECONDS,
            )
            self._hang_up()
            time.sleep(_AFTER_A_FAULT_SECONDS)
            return []
        now = time.monotonic()
        self._told = {name: at for name, at in self._told.items() if now - at < _TELL_AGAIN_SECONDS}
        news = [name for name in found if name not in self._told]
        self._told |= dict.fromkeys(news, now)
        return news

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url, application_name=f"pramaan watch {self._work}", connect_timeout=10, autocommit=True
            )
            self._connection.execute(f"listen {CHANNEL}")
            self._tables_at = 0.0  # what was notified meanwhile is lost
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _files(self) -> Iterator[str]:
        if self._landing is not None:
            yield from (f"file {file.path}" for file in self._landing.waiting())

    def _rows(self, connection: Connection, *, at_once: bool) -> Iterator[str]:
        if not at_once and time.monotonic() - self._tables_at < _TABLES_SECONDS:
            return
        self._tables_at = time.monotonic()
        if self._work == "loads":
            if loads_to_check(connection):
                yield "loads"
            return
        if self._work == "reports":
            yield from self._office.news(connection)
            return
        query = _FACTS if self._work == "facts" else _HOLDS
        rows = connection.execute(query, {"asked_again_after": ASKED_AGAIN_AFTER}).fetchall()
        yield from (cast(str, name) for (name,) in rows)
