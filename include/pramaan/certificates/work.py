"""Which certificates are to be issued and which holds asked about, for whoever watches for work."""

from collections.abc import Iterator
from typing import Final, LiteralString

from pramaan.certificates.holds import ASKED_AGAIN_AFTER
from pramaan.database.connect import Connection
from pramaan.database.work import WorkSource

__all__ = ["UNISSUED", "UNNOTIFIED_HOLDS"]

# What is pending is issued by the run that enqueued it: it counts only when that run must have died, or when
# it was not time yet to try again.
_UNISSUED: LiteralString = """
    select 'left unissued'
    where exists (
        select from registry.certificates
        where status = 'pending' and next_attempt_at < now() - interval '30 seconds'
    )
    union all
    select 'approved ' || max(decided_at) from ops.gate_holds
    where state = 'approved' and decided_at > now() - interval '1 minute' having count(*) > 0
"""

_UNASKED: LiteralString = """
    select 'hold ' || max(hold_id) from ops.gate_holds
    where state = 'waiting' and (asked_at is null or asked_at < now() - %s)
    having count(*) > 0
"""


def _unissued(connection: Connection) -> Iterator[str]:
    yield from (str(name) for (name,) in connection.execute(_UNISSUED))


def _unasked(connection: Connection) -> Iterator[str]:
    yield from (str(name) for (name,) in connection.execute(_UNASKED, (ASKED_AGAIN_AFTER,)))


UNISSUED: Final = WorkSource("certificates", _unissued)
"""Certificates that no run is about to issue."""

UNNOTIFIED_HOLDS: Final = WorkSource("holds", _unasked)
"""Holds that nobody was asked about."""
