"""Wakes whoever watches for work, by NOTIFY: a hint that comes at once and may be lost. What there is to do
always stands in a table.
"""

from pramaan.database.connect import Connection

__all__ = ["CHANNEL", "wake"]

CHANNEL = "pramaan_work"


def wake(connection: Connection) -> None:
    """Wake the watchers once the caller's transaction is committed. Needs no session of its own, so it works
    through a pooler.
    """
    connection.execute("select pg_notify(%s, '')", (CHANNEL,))
