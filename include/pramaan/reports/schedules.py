"""Schedules: reports that are requested again by themselves, weekly, or once when their batch has ended.

Holds every statement on `ops.report_schedules`. The grants of a schedule's owner are read anew each time: a
revoked grant ends what it allowed.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, LiteralString, cast
from uuid import UUID

from psycopg.rows import class_row

from pramaan.errors import ReportError
from pramaan.reports.ledger import Format
from pramaan.reports.requests import (
    ReportSpec,
    Requester,
    RequestRules,
    recipient_of,
    request_report,
    requester_of,
    require_batch,
    require_language,
)

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.reports.encryption import ReportKey

__all__ = [
    "Cadence",
    "Schedule",
    "add_schedule",
    "is_schedule_due",
    "list_schedules",
    "remove_schedule",
    "request_due",
]

log = logging.getLogger(__name__)

Cadence = Literal["weekly", "at_end"]

_ADD: LiteralString = """
    insert into ops.report_schedules (
        batch_id, cadence, scheduled_by, by_operator, email, format, language, next_due_at
    )
    values (
        %(batch_id)s, %(cadence)s, %(scheduled_by)s, %(by_operator)s, %(email)s, %(format)s, %(language)s,
        case %(cadence)s when 'weekly' then now() + interval '7 days' else now() end
    )
    on conflict (scheduled_by, batch_id, email, cadence) do update
    set format = excluded.format, language = excluded.language, next_due_at = excluded.next_due_at,
        is_done = false, error = null
    returning schedule_id
"""

# A batch has ended when the day after its end date begins, in our time zone. Feeds may change its end date.
_DUE: LiteralString = """
    from ops.report_schedules as schedules
    left join marts.dim_batch as batches on schedules.batch_id = batches.batch_id
    where not schedules.is_done and schedules.next_due_at <= now()
        and (
            schedules.cadence = 'weekly'
            or (batches.end_date + 1)::timestamp at time zone %(timezone)s <= now()
        )
"""

# The next due time is in the future, however long no poll ran.
_TAKEN: LiteralString = """
    update ops.report_schedules
    set is_done = cadence = 'at_end', error = %(error)s,
        next_due_at = next_due_at + interval '7 days' * greatest(
            1, ceil(extract(epoch from now() - next_due_at) / extract(epoch from interval '7 days'))
        )
    where schedule_id = %(schedule_id)s
"""

_POSTPONED: LiteralString = """
    update ops.report_schedules set next_due_at = now() + interval '10 minutes', error = %(error)s
    where schedule_id = %(schedule_id)s
"""

_MOST: Final = 200
"""Schedules of one requester that are not done."""

_ASKED_AT_ONCE: Final = 500

_FOR_NOW: Final = frozenset({"report_already_running", "too_many_reports"})
"""Temporary refusals."""

_COLUMNS: LiteralString = """
    schedules.schedule_id, schedules.batch_id, schedules.cadence, schedules.scheduled_by,
    schedules.by_operator, schedules.email, schedules.format, schedules.language, schedules.next_due_at,
    schedules.is_done, schedules.error
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A row of the table. `error`: why the report could not be requested when it was last due."""

    schedule_id: UUID
    batch_id: str
    cadence: Cadence
    scheduled_by: str
    by_operator: bool
    email: str = field(repr=False)
    format: Format
    language: str
    next_due_at: datetime
    is_done: bool
    error: str | None


def add_schedule(
    connection: "Connection",
    requester: Requester,
    wanted: ReportSpec,
    *,
    cadence: Cadence,
    rules: RequestRules,
) -> UUID:
    """Schedule a report. A requester has one schedule for each batch, address and cadence: a new one replaces
    it.

    A weekly schedule is first due in a week; one at the end of a batch, on the day after its end date, or at
    once if that is past.

    Raises ReportError as `request_report` does, `password_not_kept` for a report with a password, and
    `too_many_schedules`.
    """
    require_batch(connection, requester, wanted.batch_id)
    require_language(wanted.language)
    if wanted.password is not None:
        raise ReportError("password_not_kept", "a password is not kept for reports to come")
    if not requester.is_operator and _count(connection, requester.username) >= _MOST:
        raise ReportError("too_many_schedules", f"nobody has more than {_MOST} schedules; remove some first")
    values = {
        "batch_id": wanted.batch_id,
        "cadence": cadence,
        "scheduled_by": requester.username,
        "by_operator": requester.is_operator,
        "email": recipient_of(requester, wanted.email, rules=rules),
        "format": wanted.format,
        "language": wanted.language,
    }
    return cast(tuple[UUID], connection.execute(_ADD, values).fetchone())[0]


def _count(connection: "Connection", scheduled_by: str) -> int:
    row = connection.execute(
        "select count(*) from ops.report_schedules where scheduled_by = %s and not is_done", (scheduled_by,)
    ).fetchone()
    return cast(tuple[int], row)[0]


def list_schedules(connection: "Connection", *, scheduled_by: str | None = None) -> list[Schedule]:
    """Returns every schedule; of one requester, or of all."""
    query: LiteralString = f"""
        select {_COLUMNS} from ops.report_schedules as schedules
        where %(by)s::text is null or scheduled_by = %(by)s order by scheduled_at
    """  # noqa: S608 - our own words
    with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(query, {"by": scheduled_by}).fetchall()


def remove_schedule(connection: "Connection", schedule_id: UUID, *, scheduled_by: str | None = None) -> bool:
    """Remove a schedule; returns False when there is no such schedule, of this requester if one is named."""
    removed = connection.execute(
        "delete from ops.report_schedules where schedule_id = %(id)s "
        "and (%(by)s::text is null or scheduled_by = %(by)s)",
        {"id": schedule_id, "by": scheduled_by},
    )
    return removed.rowcount == 1


def is_schedule_due(connection: "Connection", *, timezone: str) -> bool:
    """Whether a report is due to be requested."""
    query: LiteralString = f"select exists (select {_DUE})"
    row = connection.execute(query, {"timezone": timezone}).fetchone()
    return bool(row and row[0])


def request_due(connection: "Connection", *, rules: RequestRules, key: "ReportKey", timezone: str) -> int:
    """Request every report that is due; returns how many. A refusal is recorded on its schedule and stops no
    other.

    Safe in several processes at once: a process skips schedules that another has locked.
    """
    asked = 0
    query: LiteralString = f"""
        select {_COLUMNS} {_DUE} order by schedule_id limit 1 for update of schedules skip locked
    """
    for _ in range(_ASKED_AT_ONCE):
        with connection.transaction():
            with connection.cursor(row_factory=class_row(Schedule)) as cursor:
                schedule = cursor.execute(query, {"timezone": timezone}).fetchone()
            if schedule is None:
                break
            error = _ask(connection, schedule, rules=rules, key=key)
            asked += error is None
            passes = error is not None and error.code in _FOR_NOW
            connection.execute(
                _POSTPONED if passes else _TAKEN,
                {"schedule_id": schedule.schedule_id, "error": str(error) if error else None},
            )
    return asked


def _ask(
    connection: "Connection", schedule: Schedule, *, rules: RequestRules, key: "ReportKey"
) -> ReportError | None:
    """Request one report; returns the refusal, if any."""
    requester = requester_of(connection, schedule.scheduled_by, by_operator=schedule.by_operator)
    wanted = ReportSpec(
        batch_id=schedule.batch_id, format=schedule.format, language=schedule.language, email=schedule.email
    )
    try:
        request_report(connection, requester, wanted, channel="schedule", rules=rules, key=key)
    except ReportError as error:
        log.warning("schedule %s: %s", schedule.schedule_id, error.code)
        return error
    return None
