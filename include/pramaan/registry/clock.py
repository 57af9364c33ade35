"""The database's clock, by which everything in the registry begins and ends."""

from datetime import datetime
from typing import cast

from pramaan.database.connect import Connection

__all__ = ["now"]


def now(connection: Connection) -> datetime:
    """This instant. To be asked once all locks are held: a transaction's own `now()` is when it began, which
    may lie before what it waited for.
    """
    row = connection.execute("select clock_timestamp()").fetchone()
    return cast(datetime, row[0])  # type: ignore[index]
