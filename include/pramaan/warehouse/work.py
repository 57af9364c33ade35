"""Which decisions are to be made, for whoever watches for work."""

from collections.abc import Iterator
from typing import Final, LiteralString

from pramaan.database.connect import Connection
from pramaan.database.work import WorkSource

__all__ = ["UNDECIDED"]

# Keys that a load changed are decided by the run that loaded them: they count only when it must have died.
_PENDING: LiteralString = """
    select 'change ' || max(change_id) from ops.changed_keys where load_id is null having count(*) > 0
    union all
    select 'left undecided' from ops.changed_keys
    where load_id is not null having min(changed_at) < now() - interval '2 minutes'
"""


def _pending(connection: Connection) -> Iterator[str]:
    yield from (str(name) for (name,) in connection.execute(_PENDING))


UNDECIDED: Final = WorkSource("decisions", _pending)
"""Changed keys that no run is about to decide."""
