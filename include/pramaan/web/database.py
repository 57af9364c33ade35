"""The app's connections to Postgres: a pool, opened with the app."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import Depends, Request
from psycopg_pool import ConnectionPool

from pramaan.database.connect import Connection

__all__ = ["MOST_CONNECTIONS", "Database", "DatabaseDep"]

MOST_CONNECTIONS: Final = 8
_TIMEOUT_SECONDS: Final = 5.0
_OPTIONS: Final = "-c timezone=UTC -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"


class Database:
    """A pool of autocommit connections in UTC; a statement is cancelled after 30 seconds.

    There are fewer connections than requests: hold one only for a block that queries the database and does
    nothing else, and never nest such blocks.
    """

    def __init__(self, url: Callable[[], str], *, most_connections: int = MOST_CONNECTIONS) -> None:
        self._url = url
        self._most_connections = most_connections
        self._pool: ConnectionPool[Connection] | None = None

    def open(self) -> None:
        """Open the pool; it connects to the server in the background."""
        self._pool = ConnectionPool(
            self._url(),
            kwargs={"autocommit": True, "application_name": "pramaan web", "options": _OPTIONS},
            min_size=1,
            max_size=self._most_connections,
            timeout=_TIMEOUT_SECONDS,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yields a connection for the block. Raises PoolTimeout when none is free in time, and psycopg's
        exceptions.
        """
        assert self._pool is not None, "the app is not started"  # noqa: S101 - a fault of ours, not of a caller
        with self._pool.connection() as connection:
            yield connection


async def database_of(request: Request) -> Database:
    """Returns the app's database. Asynchronous so that it does not occupy a thread."""
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(database_of)]
