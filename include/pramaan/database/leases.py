"""Leases: how the queues that are tables (certificates, reports, mail) are worked off by many at once.

A holder, be it a worker, a builder or a sender, takes rows by writing its number and an end into them. A
lease ends when it expires; in most queues also when the holder's database session is gone: the session holds
an advisory lock of the holder's number, so what a killed one held is free at once. Not so where a holder that
lost its session may still be at work on what must not be done twice. `attempts` counts claims; a claim that
was not tried is given back.

Only the database's clock says what is due and what has expired. A holder whose own clock is wrong plans
nothing.

    lease_id, lease_expires_at, next_attempt_at, attempts     columns of every such table
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString, cast

from pramaan.database.connect import Connection

__all__ = ["LeaseQueue"]

_LIVING: LiteralString = """
    select objid from pg_locks
    where locktype = 'advisory' and objsubid = 2 and classid = %(holders)s
        and database = (select oid from pg_database where datname = current_database())
"""

# Who lives is looked up once, which tells of most leases that they hold. A holder may have come to life since
# then, and taken a row between the first look at it and its lock: so what seems dead is looked up again, row
# by row. `offset 0` keeps that second look from being made once for all rows and remembered, as old as the
# first.
# Versions of before wrote only one of number and end, or neither; each of them alone holds a row, too.
_ENDS_WITH_SESSION: LiteralString = f"""(
    coalesce(item.lease_expires_at < now(), item.lease_id is null)
    or (
        item.lease_id is not null
        and item.lease_id::oid <> all (array({_LIVING}))
        and not exists ({_LIVING} and objid = item.lease_id offset 0)
    )
)"""
_ENDS_BY_TIME: LiteralString = "coalesce(item.lease_expires_at < now(), true)"

_CLAIM: LiteralString = """
    with free as materialized (
        select item.{key}{columns} from {table} as item
        where {waits} and {is_free} and {wanted}
        order by {order}
        limit %(limit)s
        for update of item skip locked
    )

    update {table} as claimed
    set lease_id = %(holder)s, lease_expires_at = now() + %(lease)s, attempts = claimed.attempts + 1{changes}
    from free{joined}
    where claimed.{key} = free.{key}{on}
    returning {returning}
"""


@dataclass(frozen=True, slots=True)
class LeaseQueue:
    """A table that is a queue. `waits`: of its row `item`, whether it is to be worked on now, held by
    somebody or not; `holders`: first half of the advisory locks by which its holders are known to live;
    `ends_with_session`: whether a lease ends when its holder's session is gone, before it expires.
    """

    table: LiteralString
    key: LiteralString
    waits: LiteralString
    holders: int
    lease: timedelta
    ends_with_session: bool = True

    def claim_statement(
        self,
        *,
        order: LiteralString,
        returning: LiteralString,
        wanted: LiteralString = "true",
        columns: LiteralString = "",
        changes: LiteralString = "",
        joined: LiteralString = "",
        on: LiteralString = "",
    ) -> LiteralString:
        """The statement that leases up to `%(limit)s` free rows, in this order, and returns of each what is
        asked for. It takes `values(holder)` and whatever its parts name.

        `wanted` and `order` see the row as `item`; `columns` are added to `free`, the row as it was;
        `changes`, `joined`, `on` and `returning` see `claimed`, the row as it becomes, and `free`.
        """
        return _CLAIM.format(
            table=self.table, key=self.key, waits=self.waits, is_free=self.is_free, wanted=wanted,
            order=order, returning=returning, columns=columns, changes=changes, joined=joined, on=on,
        )  # fmt: skip

    def values(self, holder: int) -> dict[str, object]:
        """What the claim statement takes for this holder."""
        return {"holder": holder, "holders": self.holders, "lease": self.lease}

    @property
    def is_free(self) -> LiteralString:
        """A condition on the row `item`: nobody holds it. Takes `%(holders)s`."""
        return _ENDS_WITH_SESSION if self.ends_with_session else _ENDS_BY_TIME

    @property
    def free(self) -> LiteralString:
        """A condition on the row `item`: it waits, and nobody holds it. Takes `%(holders)s`."""
        return f"({self.waits}) and {self.is_free}"

    def count_holders(self, connection: Connection) -> int:
        """How many holders live."""
        query: LiteralString = f"select count(*) from ({_LIVING}) as living"  # noqa: S608 - our own words
        row = connection.execute(query, {"holders": self.holders}).fetchone()
        return cast(tuple[int], row)[0]

    @contextmanager
    def open_holder(self, connection: Connection) -> Iterator[int]:
        """The number of a new holder, for the block; known to live by the advisory lock of this session."""
        number = secrets.randbelow(2**31)
        connection.execute("select pg_advisory_lock(%s, %s)", (self.holders, number))
        try:
            yield number
        finally:
            if not connection.closed:
                connection.execute("select pg_advisory_unlock(%s, %s)", (self.holders, number))
