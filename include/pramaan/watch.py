"""Watches for pending work, so that a run starts when there is something to do. The work sources define what
is pending (`pramaan.work`); a NOTIFY only shortens the wait.

Work is not reported again for a minute: a run may be starting. Nothing is claimed here, so nothing is lost
when a watcher dies.
"""

import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import psycopg

from pramaan.database.connect import Connection
from pramaan.database.wake import CHANNEL
from pramaan.database.work import WorkSource
from pramaan.errors import PramaanError

__all__ = ["Watch"]

log = logging.getLogger(__name__)

_REPORT_AGAIN_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5
_NOTIFIED_SECONDS: Final = 5.0
_AFTER_A_FAULT_SECONDS: Final = 5.0


class Watch:
    """Watches some sources of work; a context manager. Survives a database or a store that cannot be
    reached.
    """

    def __init__(self, url: str, *, name: str, sources: Sequence[WorkSource]) -> None:
        self._url = url
        self._name = name
        self._sources = sources
        self._connection: Connection | None = None
        self._told: dict[str, float] = {}
        self._asked_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()

    def look(self) -> list[str]:
        """Returns the names of pending work that were not returned within the last minute. Waits half a
        second when there is nothing, and some seconds after an error, which is logged.
        """
        try:
            connection = self._connected()
            notified = any(True for _ in connection.notifies(timeout=_POLL_SECONDS, stop_after=1))
            found = self._pending(connection, notified=notified)
        except (psycopg.Error, PramaanError, OSError) as error:
            log.warning(
                "watching for %s: %s; looking again in %g s",
                self._name,
                str(error).splitlines()[0] if isinstance(error, PramaanError) else type(error).__name__,
                _AFTER_A_FAULT_SECONDS,
            )
            self._disconnect()
            time.sleep(_AFTER_A_FAULT_SECONDS)
            return []
        now = time.monotonic()
        self._told = {name: at for name, at in self._told.items() if now - at < _REPORT_AGAIN_SECONDS}
        new = [name for name in found if name not in self._told]
        self._told |= dict.fromkeys(new, now)
        return new

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url, application_name=f"pramaan watch {self._name}", connect_timeout=10, autocommit=True
            )
            self._connection.execute(f"listen {CHANNEL}")
            self._asked_at = 0.0  # a NOTIFY may have been missed meanwhile
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _pending(self, connection: Connection, *, notified: bool) -> list[str]:
        """Polls sources that send a NOTIFY only after one, and every few seconds anyway; polls the others
        each time.
        """
        is_time = notified or time.monotonic() - self._asked_at >= _NOTIFIED_SECONDS
        if is_time:
            self._asked_at = time.monotonic()
        asked = [source for source in self._sources if is_time or not source.is_notified]
        return [name for source in asked for name in source.pending(connection)]
