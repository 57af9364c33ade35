"""Sends mails until none is due: called by the DAG `send_mail` and by the foreground run.

Several connections to the server send at once, so that a server which takes a few tenths of a second for each
mail still receives as many a minute as the rate limit allows. When the limit of a minute is reached, the
sending waits.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, LiteralString, cast

from pramaan.database.connect import Connection, connect
from pramaan.database.work import WorkSource
from pramaan.mail.ledger import count_due, is_below_rate_limit, newest_due
from pramaan.mail.messages import Kinds
from pramaan.mail.send import Sent, send_due

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["Clock", "due_mail", "send_round", "unanswered_for"]

CONNECTIONS: Final = 4
"""The most connections to a mail server: it may take 0.4 s for each mail and still receive 600 a minute."""

_SENDER_LOCK: Final = 0x5072616D61616E07
"""Advisory lock that all senders of notices share: while one holds it, no other sender needs to be woken."""

_PAUSE_SECONDS: Final = 1.0

_IS_SENDER_ACTIVE: LiteralString = """
    select from pg_locks
    where locktype = 'advisory' and objsubid = 1
        and database = (select oid from pg_database where datname = current_database())
        and classid::bigint = %(lock)s::bigint >> 32
        and objid::bigint = %(lock)s::bigint & 4294967295
    limit 1
"""

_SILENT: LiteralString = """
    select now() - greatest(
        (select max(attempted_at) from ops.mails),
        (
            select min(due_at) from ops.mails
            where status = 'queued' and due_at <= now() and kind = any(%(kinds)s)
        )
    )
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a send round; tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def due_mail(kinds: Collection[str]) -> WorkSource:
    """Returns the source of pending mails: those of these kinds that are due while no sender runs."""

    def pending(connection: Connection) -> Iterator[str]:
        newest = newest_due(connection, kinds=kinds)
        if newest is not None and not connection.execute(_IS_SENDER_ACTIVE, {"lock": _SENDER_LOCK}).rowcount:
            yield f"mail {newest}"

    return WorkSource("mail", pending)


def send_round(
    url: str,
    *,
    settings: "Settings",
    server_url: str,
    kinds: Kinds,
    seconds: float,
    connections: int = CONNECTIONS,
    clock: Clock = Clock(),
) -> Sent:
    """Send the due mails of these kinds over at most `connections` connections, for `seconds` seconds or
    until none is due. All senders of these kinds together send at most `mails_per_minute`; waits while that
    limit is reached.

    Safe to repeat and safe in several processes at once: each mail is claimed by one sender and recorded in
    its own transaction. A mail that is being sent when the time is over is still handed over.

    Raises MailError when the server cannot be reached or refuses all our mail: mails wait and lose no
    attempt. Raises SettingsError for a sender or a server address that cannot be used, DatabaseError.
    """
    until = clock.now() + seconds
    done = Sent()
    with connect(url, application="pramaan mail") as connection, _hold_sender_lock(connection):
        while (due := count_due(connection, kinds=kinds)) and (left := until - clock.now()) > 0:
            if not is_below_rate_limit(connection, per_minute=settings.mails_per_minute, kinds=kinds):
                clock.sleep(_PAUSE_SECONDS)
                continue

            def send(seconds: float = left) -> Sent:
                with connect(url, application="pramaan mail") as own:
                    return send_due(
                        own, settings=settings, server_url=server_url, kinds=kinds, seconds=seconds
                    )

            portion = _on_connections(min(connections, due), send)
            done = replace(
                done,
                sent=done.sent + portion.sent,
                retried=done.retried + portion.retried,
                failed=done.failed + portion.failed,
            )
            if not (portion.sent or portion.retried or portion.failed):
                clock.sleep(_PAUSE_SECONDS)
        return replace(done, left=count_due(connection, kinds=kinds))


def unanswered_for(connection: Connection, *, kinds: Collection[str]) -> timedelta:
    """Returns for how long the mail server has answered no sender while mail was due; zero when none is due.

    A sender that could not reach the server has released its attempt, so the newest attempt on record was
    answered.
    """
    row = connection.execute(_SILENT, {"kinds": list(kinds)}).fetchone()
    return cast("timedelta | None", row[0] if row else None) or timedelta(0)


@contextmanager
def _hold_sender_lock(connection: Connection) -> Iterator[None]:
    connection.execute("select pg_advisory_lock_shared(%s)", (_SENDER_LOCK,))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock_shared(%s)", (_SENDER_LOCK,))


def _on_connections(count: int, send: Callable[[], Sent]) -> Sent:
    """Send over `count` connections at once and return the sum; raises what one of them raised, once all have
    ended.

    Uses daemon threads, which die with the process: a process that is told to end does not wait for a slow
    server.
    """
    ends: SimpleQueue[Sent | Exception] = SimpleQueue()

    def work() -> None:
        try:
            ends.put(send())
        except Exception as error:  # noqa: BLE001 - raised again below
            ends.put(error)

    for _ in range(count):
        Thread(target=work, daemon=True).start()
    found = [ends.get() for _ in range(count)]
    for end in found:
        if isinstance(end, Exception):
            raise end
    sent = [end for end in found if isinstance(end, Sent)]
    return Sent(
        sent=sum(one.sent for one in sent),
        retried=sum(one.retried for one in sent),
        failed=sum(one.failed for one in sent),
    )
