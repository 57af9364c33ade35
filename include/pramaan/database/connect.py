"""Connections to Postgres, and the locks that keep two runs of a kind apart.

A connection is always UTC and never autocommits by surprise. Foreign errors become DatabaseError here, once.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from pramaan.errors import DatabaseError, PipelineBusyError

__all__ = [
    "METRICS_LOCK",
    "PIPELINE_LOCK",
    "RULES_LOCK",
    "TELEMETRY_LOCK",
    "Connection",
    "connect",
    "metrics_lock",
    "pipeline_lock",
    "telemetry_lock",
]

Connection = psycopg.Connection[tuple[object, ...]]

_PATIENCE: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    # Of a server on another machine that is gone without a word.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}

_CANCEL_SECONDS: Final = 5.0

_NOTICES_WE_ARE_GONE: Final = "10s"
"""So often a server looks, while a statement runs, whether its client still lives."""

PIPELINE_LOCK = 0x5072616D61616E01
"""Advisory lock held while facts load and decisions are made."""

RULES_LOCK = 0x5072616D61616E02
"""Advisory transaction lock held while rule tables are written: by a batch, or by dbt (see dbt/macros)."""

TELEMETRY_LOCK = 0x5072616D61616E06
"""Advisory lock held while telemetry loads, which nothing is decided by."""

METRICS_LOCK = 0x5072616D61616E0A
"""Advisory lock held while the models that read telemetry are built, but for the night's build."""

LONGEST_LOCK_WAIT_SECONDS: Final = 900
"""For a lock that another session holds: longer than any of ours is held, and no statement waits for ever."""


class _Interruptible(psycopg.Connection[tuple[object, ...]]):
    """A connection whose statement ends with whoever waits for it: a task's time-out is raised by a signal in
    the midst of waiting, and a statement that went on would keep its locks.
    """

    interrupted_by: BaseException | None = None

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """As psycopg's. Where something that is no error breaks it off, the statement is cancelled and the
        connection closed, so that nothing on the way out waits for it.
        """
        try:
            return super().wait(*args, **kwargs)
        except Exception:
            raise
        except BaseException as interruption:
            if self.info.transaction_status is TransactionStatus.ACTIVE:
                self.interrupted_by = interruption
                with suppress(psycopg.Error):
                    self.cancel_safe(timeout=_CANCEL_SECONDS)
                self.close()
            raise


@contextmanager
def connect(url: str, *, application: str = "pramaan") -> Iterator[Connection]:
    """Open one connection for the block; each transaction is the caller's to commit.

    Raises DatabaseError when the server cannot be reached, goes away, or refuses a statement that the block
    did not expect to be refused. What interrupts a statement comes out as itself: the statement is cancelled.
    """
    try:
        with _Interruptible.connect(
            url, application_name=application, autocommit=True, **_PATIENCE
        ) as connection:
            _set_up(connection)
            try:
                yield connection
            except psycopg.Error:
                # On the way out somebody met the closed connection.
                if connection.interrupted_by is not None:
                    raise connection.interrupted_by from None
                raise
    except psycopg.errors.DeadlockDetected as error:
        raise DatabaseError(
            "two transactions waited for each other, and Postgres ended this one. What was under way is "
            "undone; run it again."
        ) from error
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseError(
            f"another session has held a lock for {LONGEST_LOCK_WAIT_SECONDS} seconds. What was under way is "
            "undone; see `pg_locks`, and run it again."
        ) from error
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DatabaseError(
            f"Postgres cannot be reached or went away: {reason}. What was under way is undone; run it again."
        ) from error
    except psycopg.Error as error:
        # The server's detail quotes the row; its primary message names tables, columns and rights only.
        raise DatabaseError(
            f"Postgres refused: {error.diag.message_primary or type(error).__name__}. What was under way is "
            "undone."
        ) from error


def _set_up(connection: Connection) -> None:
    connection.execute("set timezone to 'UTC'")
    connection.execute("select set_config('lock_timeout', %s, false)", (f"{LONGEST_LOCK_WAIT_SECONDS}s",))
    try:
        connection.execute(
            "select set_config('client_connection_check_interval', %s, false)", (_NOTICES_WE_ARE_GONE,)
        )
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError:
        # A courtesy, which older servers and some systems and poolers do not know.
        pass


@contextmanager
def pipeline_lock(
    connection: Connection, *, wait_seconds: float = LONGEST_LOCK_WAIT_SECONDS
) -> Iterator[None]:
    """Hold the pipeline's lock for the block, as a session lock that dies with the connection.

    Waits `wait_seconds`, not at all when 0. Raises PipelineBusyError when it is not had.
    """
    with _session_lock(connection, PIPELINE_LOCK, "the pipeline's lock", wait_seconds=wait_seconds):
        yield


@contextmanager
def telemetry_lock(
    connection: Connection, *, wait_seconds: float = LONGEST_LOCK_WAIT_SECONDS
) -> Iterator[None]:
    """Hold telemetry's lock for the block; as `pipeline_lock`, beside which it is held by others."""
    with _session_lock(connection, TELEMETRY_LOCK, "telemetry's lock", wait_seconds=wait_seconds):
        yield


@contextmanager
def metrics_lock(
    connection: Connection, *, wait_seconds: float = LONGEST_LOCK_WAIT_SECONDS
) -> Iterator[None]:
    """Hold for the block the lock of whoever builds metrics; as `pipeline_lock`."""
    with _session_lock(connection, METRICS_LOCK, "the lock of metrics", wait_seconds=wait_seconds):
        yield


@contextmanager
def _session_lock(connection: Connection, key: int, name: str, *, wait_seconds: float) -> Iterator[None]:
    if wait_seconds == 0:
        row = connection.execute("select pg_try_advisory_lock(%s)", (key,)).fetchone()
        if not (row and row[0]):
            raise PipelineBusyError(f"another run holds {name}; this one has nothing to add")
    else:
        _wait_for_lock(connection, key, name, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (key,))


def _wait_for_lock(connection: Connection, key: int, name: str, *, wait_seconds: float) -> None:
    with connection.transaction():
        milliseconds = max(1, int(wait_seconds * 1000))
        connection.execute("select set_config('lock_timeout', %s, true)", (str(milliseconds),))
        try:
            connection.execute("select pg_advisory_lock(%s)", (key,))
        except psycopg.errors.LockNotAvailable as error:
            raise PipelineBusyError(
                f"another run has held {name} for {wait_seconds:g} seconds; try again later"
            ) from error
