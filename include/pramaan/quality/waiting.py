"""Loads that have no verdict yet.

Must stay free of heavy imports: a watcher asks every few seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from pramaan.database.connect import Connection
from pramaan.database.work import WorkSource
from pramaan.quality.limits import HABIT_BEGINS_DAYS, HABIT_ENDS_DAYS

__all__ = [
    "LARGE_LOAD_ROWS",
    "LONGEST_WAIT_SECONDS",
    "UNCHECKED",
    "WaitingLoad",
    "loads_to_check",
    "waiting_loads",
]

LARGE_LOAD_ROWS: Final = 5_000
"""So many changed rows are worth a check of their own, at once."""

LONGEST_WAIT_SECONDS: Final = 300
"""Smaller loads wait for each other so long: starting a check costs more than checking them."""

# Loads are checked in the order in which they were loaded, so that what has no verdict is not much older than
# the newest that has one: a day allows for clocks. Else each question would go through the loads of years.
_UNCHECKED: Final = """
    status = 'loaded'
        and loaded_at >= coalesce(
            (
                select loaded_at - interval '1 day' from ops.loads
                where load_id = (select max(load_id) from ops.load_verdicts)
            ),
            '-infinity'
        )
        -- a look-up for each, since the planner cannot know that they are few, and would hash every verdict
        and (select load_id from ops.load_verdicts where load_verdicts.load_id = loads.load_id) is null
"""
_IS_TIME: Final = f"""
    select exists (
        select from ops.loads
        where {_UNCHECKED}
            and (rows_changed >= %s or loaded_at < now() - make_interval(secs => %s))
    )
"""  # noqa: S608 - our own text
_WAITING: Final = f"""
    select
        load_id, feed, loaded_at, rows, rows_changed, rows_quarantined,
        exists (
            select from ops.loads as earlier
            where earlier.feed = loads.feed
                and earlier.status = 'loaded'
                and earlier.rows_changed > 0
                and earlier.loaded_at between loads.loaded_at - make_interval(days => %s)
                    and loads.loaded_at - make_interval(days => %s)
        ) as has_habit
    from ops.loads
    where {_UNCHECKED}
    order by loaded_at, load_id
    limit %s
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class WaitingLoad:
    """A load without a verdict.

    `has_habit`: its feed was loaded some days before, too, so that this load can be compared with it; the
    first days of a feed are an import of history.
    """

    load_id: int
    feed: str
    loaded_at: datetime
    rows: int
    rows_changed: int
    rows_quarantined: int
    has_habit: bool


def loads_to_check(connection: Connection) -> bool:
    """Whether it is time for `check_loads`: a large load has no verdict, or a small one has waited long.

    One statement of some milliseconds; writes nothing.
    """
    row = connection.execute(_IS_TIME, (LARGE_LOAD_ROWS, LONGEST_WAIT_SECONDS)).fetchone()
    return bool(row and row[0])


def waiting_loads(connection: Connection, *, at_most: int) -> list[WaitingLoad]:
    """Loads without a verdict, the oldest first."""
    rows = connection.execute(_WAITING, (HABIT_BEGINS_DAYS, HABIT_ENDS_DAYS, at_most)).fetchall()
    return [WaitingLoad(*cast(tuple[int, str, datetime, int, int, int, bool], row)) for row in rows]


def _pending(connection: Connection) -> Iterator[str]:
    if loads_to_check(connection):
        yield "loads"


UNCHECKED: Final = WorkSource("loads", _pending)
"""Loads that it is time to check."""
