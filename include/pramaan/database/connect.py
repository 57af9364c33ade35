"""Connections to Postgres, and the lock that keeps two pipeline runs apart.

A connection is always UTC and never autocommits by surprise. Foreign errors become DatabaseError here, once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from pramaan.errors import DatabaseError, PipelineBusyError

__all__ = ["PIPELINE_LOCK", "RULES_LOCK", "Connection", "connect", "pipeline_lock"]

Connection = psycopg.Connection[tuple[object, ...]]

_PATIENCE: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    # Of a server on another machine that is gone without a word.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}

PIPELINE_LOCK = 0x5072616D61616E01
"""Advisory lock held while feeds load and decisions are made."""

RULES_LOCK = 0x5072616D61616E02
"""Advisory transaction lock held while rule tables are written: by a batch, or by dbt (see dbt/macros)."""


@contextmanager
def connect(url: str, *, application: str = "pramaan") -> Iterator[Connection]:
    """Open one connection for the block; each transaction is the caller's to commit.

    Raises DatabaseError when the server cannot be reached, goes away, or refuses a statement that the block
    did not expect to be refused.
    """
    try:
        with psycopg.connect(url, application_name=application, autocommit=True, **_PATIENCE) as connection:
            connection.execute("set timezone to 'UTC'")
            yield connection
    except psycopg.errors.DeadlockDetected as error:
        raise DatabaseError(
            "two transactions waited for each other, and Postgres ended this one. What was under way is "
            "undone; run it again."
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


@contextmanager
def pipeline_lock(connection: Connection, *, wait_seconds: float | None = None) -> Iterator[None]:
    """Hold the pipeline's lock for the block, as a session lock that dies with the connection.

    Waits `wait_seconds`, for ever when None, not at all when 0. Raises PipelineBusyError when it is not had.
    """
    if wait_seconds == 0:
        row = connection.execute("select pg_try_advisory_lock(%s)", (PIPELINE_LOCK,)).fetchone()
        if not (row and row[0]):
            raise PipelineBusyError("another run is under way; this one has nothing to add")
    else:
        _wait_for_lock(connection, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (PIPELINE_LOCK,))


def _wait_for_lock(connection: Connection, *, wait_seconds: float | None) -> None:
    with connection.transaction():
        milliseconds = 0 if wait_seconds is None else max(1, int(wait_seconds * 1000))
        connection.execute("select set_config('lock_timeout', %s, true)", (str(milliseconds),))
        try:
            connection.execute("select pg_advisory_lock(%s)", (PIPELINE_LOCK,))
        except psycopg.errors.LockNotAvailable as error:
            raise PipelineBusyError(
                f"another run has held the pipeline's lock for {wait_seconds:g} seconds; try again later"
            ) from error
