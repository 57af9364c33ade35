"""Loads that have no verdict yet, and those whose verdict time may have mended.

Must stay free of heavy imports: a watcher asks every few seconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString, cast

from psycopg.types.json import Jsonb

from pramaan.database.connect import Connection
from pramaan.database.work import WorkSource
from pramaan.quality.limits import HABIT_BEGINS_DAYS, HABIT_ENDS_DAYS

__all__ = [
    "LARGE_LOAD_ROWS",
    "LONGEST_WAIT_SECONDS",
    "UNCHECKED",
    "WaitingLoad",
    "loads_to_check",
    "loads_to_check_again",
    "waiting_loads",
]

LARGE_LOAD_ROWS: Final = 5_000
"""So many changed rows are worth a check of their own, at once."""

LONGEST_WAIT_SECONDS: Final = 300
"""Smaller loads wait for each other so long: starting a check costs more than checking them."""

# Loads are checked in the order in which they were loaded, so that what has no verdict is not much older than
# the newest that has one: a day allows for clocks. Else each question would go through the loads of years.
_UNCHECKED: Final[LiteralString] = """
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
_SELECT: Final[LiteralString] = """
    select
        load_id, feed, loaded_at, rows, rows_changed, rows_quarantined,
        exists (
            select from ops.loads as earlier
            where earlier.feed = loads.feed
                and earlier.status = 'loaded'
                and earlier.rows_changed > 0
                and earlier.loaded_at between loads.loaded_at - make_interval(days => %(habit_begins)s)
                    and loads.loaded_at - make_interval(days => %(habit_ends)s)
        ) as has_habit
    from ops.loads
"""
_WAITING: Final[LiteralString] = f"""
    {_SELECT}
    where {_UNCHECKED}
    order by loaded_at, load_id
    limit %(at_most)s
"""
# Loads are checked one after the other, each after it was committed: what got its verdict after this one may
# not have been there when this one was looked at. What is bad after a day is looked at ever more rarely.
_AGAIN: Final[LiteralString] = f"""
    {_SELECT}
    inner join ops.load_verdicts as verdicts using (load_id)
    where not passed and settled_at is null
        and checked_at <= now() - greatest(checked_at - loaded_at - interval '1 day', interval '0') / 8
        and not exists (
            select from jsonb_array_elements(verdicts.findings) as finding
            where not finding ->> 'rule' = any(%(rules)s)
        )
        and exists (
            select from ops.load_verdicts as later
            inner join ops.loads as referred_to on later.load_id = referred_to.load_id
            where later.checked_at >= verdicts.checked_at
                and referred_to.rows_changed > 0
                and referred_to.feed in (
                    select %(references)s::jsonb ->> (finding ->> 'rule')
                    from jsonb_array_elements(verdicts.findings) as finding
                )
        )
    order by loaded_at, load_id
    limit %(at_most)s
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class WaitingLoad:
    """A load that is to be validated.

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
    return _found(connection, _WAITING, at_most=at_most)


def loads_to_check_again(
    connection: Connection, *, references: Mapping[str, str], at_most: int
) -> list[WaitingLoad]:
    """Loads that failed, and only for `references` (by rule, the feed that is referred to), if more of those
    feeds was checked since; the oldest first.
    """
    values = {"rules": list(references), "references": Jsonb(dict(references))}
    return _found(connection, _AGAIN, at_most=at_most, **values)


def _found(connection: Connection, query: LiteralString, **values: object) -> list[WaitingLoad]:
    habit = {"habit_begins": HABIT_BEGINS_DAYS, "habit_ends": HABIT_ENDS_DAYS}
    rows = connection.execute(query, {**habit, **values}).fetchall()
    return [WaitingLoad(*cast(tuple[int, str, datetime, int, int, int, bool], row)) for row in rows]


def _pending(connection: Connection) -> Iterator[str]:
    if loads_to_check(connection):
        yield "loads"


UNCHECKED: Final = WorkSource("loads", _pending)
"""Loads that it is time to check."""
