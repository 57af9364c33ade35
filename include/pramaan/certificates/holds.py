"""Holds of the gate (table `ops.gate_holds`): what waits for a person, and what the person decided; or what
needed nobody any more, since its reason went away before.

A decision is one of `registry.changes`, too: with name, way in and remark.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, LiteralString, cast

from psycopg.rows import class_row

from pramaan.certificates.gate import count_approved, lock_gate, validate_quality_again
from pramaan.database.connect import Connection
from pramaan.database.wake import wake
from pramaan.errors import RegistryError
from pramaan.lifecycle.holding import release_hold
from pramaan.registry.changes import Actor, record_change
from pramaan.registry.grants import grants_of

__all__ = [
    "ASKED_AGAIN_AFTER",
    "Hold",
    "HoldState",
    "approve_history",
    "ask_again",
    "claim_holds_to_ask",
    "decide_hold",
    "end_healed",
    "get_hold",
    "list_holds",
    "may_decide",
]

HoldState = Literal["waiting", "approved", "rejected", "healed"]
"""healed: nothing was left that it held, before a person decided."""

_DECIDERS = ("admin", "badge_creator")
ASKED_AGAIN_AFTER: Final = timedelta(days=7)
_QUALITY_CHECK: Final = Actor("quality check", "platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The candidates of one course that one batch held back."""

    hold_id: int
    course_id: str
    tenant_id: str
    rule: str
    why: str
    candidates: int
    state: HoldState
    held_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    remark: str | None


_SELECT: LiteralString = """
    select
        hold_id, course_id, tenant_id, rule, why, candidates, state, held_at, decided_by, decided_at, remark
    from ops.gate_holds
"""

_DECIDE: LiteralString = """
    update ops.gate_holds
    set state = %(state)s, decided_by = %(username)s, decided_at = now(), remark = %(remark)s
    where hold_id = %(hold_id)s and course_id = %(course_id)s
"""

# Of those for their quality only: a hold for its volume or age asks about its days, too. One that a person is
# just deciding is theirs.
_HEALED: LiteralString = """
    select hold_id, course_id from ops.gate_holds as holds
    where state = 'waiting' and rule = 'quality'
        and not exists (
            select from registry.certificates
            where status = 'held' and hold_id = holds.hold_id and course_id = holds.course_id
        )
    order by hold_id, course_id
    for update skip locked
"""

_CLAIM_TO_ASK: LiteralString = """
    with to_ask as (
        select hold_id, course_id from ops.gate_holds
        where state = 'waiting'
            and (
                asked_at is null or asked_at < now() - %(again_after)s
                or asked_by = %(asked_by)s
            )
        order by hold_id, course_id
        limit %(limit)s
        for update skip locked
    )
    update ops.gate_holds as holds set asked_at = now(), asked_by = %(asked_by)s
    from to_ask
    where holds.hold_id = to_ask.hold_id and holds.course_id = to_ask.course_id
    returning holds.hold_id, holds.course_id
"""


def ask_again(connection: Connection, hold_id: int, course_id: str) -> None:
    """Have somebody asked about a hold that still waits, in ten minutes: whoever answers so may go on to."""
    connection.execute(
        "update ops.gate_holds set asked_at = now() + %s - %s, asked_by = null "
        "where hold_id = %s and course_id = %s and state = 'waiting'",
        (timedelta(minutes=10), ASKED_AGAIN_AFTER, hold_id, course_id),
    )


def list_holds(connection: Connection, *, state: HoldState | None = None) -> list[Hold]:
    """Every hold, or those in one state, the oldest first."""
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(
            f"{_SELECT} where coalesce(state = %s::text, true) order by hold_id, course_id", (state,)
        ).fetchall()


def get_hold(connection: Connection, hold_id: int, course_id: str) -> Hold:
    """One hold. Raises RegistryError `hold_not_found`."""
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        found = cursor.execute(
            f"{_SELECT} where hold_id = %s and course_id = %s for update", (hold_id, course_id)
        ).fetchone()
    if found is None:
        raise RegistryError("hold_not_found", f"there is no hold {hold_id} of course {course_id}")
    return found


def may_decide(connection: Connection, username: str, *, tenant_id: str) -> bool:
    """Whether this user's grants let them decide holds of the tenant: an admin, or one who asserts there."""
    return any(
        grant.role in _DECIDERS and grant.tenant_id in (None, tenant_id)
        for grant in grants_of(connection, username)
    )


def decide_hold(
    connection: Connection,
    hold_id: int,
    course_id: str,
    *,
    approve: bool,
    by: Actor,
    timezone: str,
    remark: str | None = None,
    expected: int | None = None,
) -> Hold:
    """Approve a hold, so that its certificates are issued with the next batch, or reject it: they stay held.

    Safe to repeat. A rejection can be taken back by approving; an approval cannot, its certificates may be
    issued. Whoever was asked about an `expected` number of candidates approves no more than that.

    Raises RegistryError `hold_not_found`, `hold_decided` when it was approved before or has healed,
    `hold_grew` when it holds more than was expected.
    """
    state: HoldState = "approved" if approve else "rejected"
    with connection.transaction():
        lock_gate(connection)
        before = get_hold(connection, hold_id, course_id)
        if before.state == state:
            return before
        _refuse_decided(before)
        if approve and expected is not None and before.candidates > expected:
            raise RegistryError(
                "hold_grew",
                f"hold {hold_id} of course {course_id} holds {before.candidates} certificates by now, and "
                f"{expected} were asked about; it is asked about again",
            )
        after = _record(connection, before, state, by=by, remark=remark)
        if approve:
            is_unusual = before.rule != "quality"
            count_approved(connection, hold_id, course_id, is_unusual=is_unusual, timezone=timezone)
            release_hold(connection, hold_id, course_id)
            validate_quality_again(connection, timezone=timezone)
            wake(connection)
    return after


def end_healed(connection: Connection) -> list[Hold]:
    """End the holds for their quality that hold nothing any more, and return them: what they held rests on
    better facts or a better verdict by now, or is not earned any more. In the caller's transaction.

    Safe to repeat. What the quality check holds later gets a hold of its own.
    """
    keys = cast("list[tuple[int, str]]", connection.execute(_HEALED).fetchall())
    return [_record(connection, get_hold(connection, *key), "healed", by=_QUALITY_CHECK) for key in keys]


def _refuse_decided(hold: Hold) -> None:
    """Raises RegistryError `hold_decided` for a hold whose certificates were let go."""
    if hold.state == "approved":
        raise RegistryError(
            "hold_decided",
            f"hold {hold.hold_id} of course {hold.course_id} was approved by {hold.decided_by}: what it held "
            "may be issued; revoke what should not have been",
        )
    if hold.state == "healed":
        raise RegistryError(
            "hold_decided",
            f"hold {hold.hold_id} of course {hold.course_id} holds nothing any more: the {hold.decided_by} "
            "let go what it held, and there is nothing to decide",
        )


def _record(
    connection: Connection, before: Hold, state: HoldState, *, by: Actor, remark: str | None = None
) -> Hold:
    """Write a hold's end, and a line of the record of changes; returns the hold as it is now."""
    connection.execute(
        _DECIDE,
        {
            "state": state,
            "username": by.username,
            "remark": remark,
            "hold_id": before.hold_id,
            "course_id": before.course_id,
        },
    )
    after = get_hold(connection, before.hold_id, before.course_id)
    record_change(
        connection,
        state,
        by=by,
        kind="hold",
        subject_id=str(before.hold_id),
        tenant_id=before.tenant_id,
        before=asdict(before),
        after=asdict(after),
    )
    return after


def approve_history(connection: Connection, *, by: Actor, timezone: str) -> list[Hold]:
    """Approve every hold that waits for its volume or age, as somebody does who says that history is being
    imported; returns them.
    """
    return [
        decide_hold(
            connection,
            hold.hold_id,
            hold.course_id,
            approve=True,
            by=by,
            timezone=timezone,
            remark="an import of history",
        )
        for hold in list_holds(connection, state="waiting")
        if hold.rule != "quality"
    ]


def claim_holds_to_ask(connection: Connection, *, asked_by: str, limit: int) -> list[Hold]:
    """Take the waiting holds that nobody was asked about yet, or not for so long, for `asked_by` to ask: who
    gets the same again when it broke off.
    """
    values = {"again_after": ASKED_AGAIN_AFTER, "asked_by": asked_by, "limit": limit}
    keys = cast("list[tuple[int, str]]", connection.execute(_CLAIM_TO_ASK, values).fetchall())
    return [
        hold for hold in list_holds(connection, state="waiting") if (hold.hold_id, hold.course_id) in keys
    ]
