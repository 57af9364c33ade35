"""The ledger of runs (table `ops.runs`), and counts of pending and failed work."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, LiteralString, cast
from uuid import UUID

from psycopg.rows import class_row

from pramaan.database.connect import Connection

__all__ = ["Measures", "Trigger", "find_run", "finish_run", "measure", "note_counts", "start_run"]

Trigger = Literal["foreground", "airflow"]


@dataclass(frozen=True, slots=True)
class Measures:
    """The figures that an operator looks at first; seconds are None when nothing waits, or nothing was done.

    The last run is the last that did anything.
    """

    changed_keys: int
    certificates_pending: int
    certificates_held: int
    certificates_failed: int
    holds_waiting: int
    mails_queued: int
    reports_under_way: int
    oldest_report_seconds: float | None
    oldest_waiting_seconds: float | None
    last_batch_size: int | None
    last_run_seconds: float | None


# A retried task continues with the row that its first attempt inserted.
_START: LiteralString = """
    insert into ops.runs as known (trigger, scheduler_run_id, history) values (%s, %s, %s)
    on conflict (scheduler_run_id) do update set scheduler_run_id = excluded.scheduler_run_id
    returning run_id
"""

_NOTE: LiteralString = "update ops.runs set counts = counts || %s where run_id = %s"

_FINISH: LiteralString = """
    with outcomes as (
        select
            count(*) filter (where status = 'issued') as issued,
            count(*) filter (where status = 'failed') as failed,
            count(*) filter (where status = 'retried') as retried
        from ops.outcomes
        where run_id = %(run_id)s
    )
    update ops.runs
    set finished_at = now(),
        counts = counts || jsonb_build_object(
            'certificates_issued', outcomes.issued,
            'certificates_failed', outcomes.failed,
            'certificates_retried', outcomes.retried
        )
    from outcomes
    where run_id = %(run_id)s
    returning counts
"""

_MEASURE: LiteralString = """
    with last_run as (
        select counts, round(extract(epoch from finished_at - started_at), 1)::float as seconds
        from ops.runs
        -- On a quiet day most runs find nothing to do, or leave the work to another run.
        where finished_at is not null and counts @? '$.keyvalue() ? (@.key != "gave_way" && @.value > 0)'
        order by started_at desc
        limit 1
    )
    select
        (select count(*) from ops.changed_keys) as changed_keys,
        (select count(*) from registry.certificates where status = 'pending') as certificates_pending,
        (select count(*) from registry.certificates where status = 'held') as certificates_held,
        (select count(*) from registry.certificates where status = 'failed') as certificates_failed,
        (select count(*) from ops.gate_holds where state = 'waiting') as holds_waiting,
        (select count(*) from ops.mails where status = 'queued') as mails_queued,
        (
            select count(*) from ops.report_requests where status in ('requested', 'building')
        ) as reports_under_way,
        (
            select round(extract(epoch from now() - min(requested_at)), 1)::float
            from ops.report_requests
            where status in ('requested', 'building')
        ) as oldest_report_seconds,
        (
            select round(extract(epoch from now() - min(since)), 1)::float
            from (
                select min(changed_at) as since from ops.changed_keys
                union all
                select min(created_at) from registry.certificates where status = 'pending'
            ) as waiting
        ) as oldest_waiting_seconds,
        (select (counts ->> 'certificates_issued')::integer from last_run) as last_batch_size,
        (select seconds from last_run) as last_run_seconds
"""


def start_run(
    connection: Connection, *, trigger: Trigger, scheduler_run_id: str | None = None, history: bool = False
) -> UUID:
    """Insert a row into `ops.runs`, or find the one that this Airflow run inserted before; returns its id."""
    row = connection.execute(_START, (trigger, scheduler_run_id, history)).fetchone()
    return cast(UUID, row[0])  # type: ignore[index]


def find_run(connection: Connection, scheduler_run_id: str) -> UUID | None:
    """Returns the id of this Airflow run's row, or None when it has none."""
    query = "select run_id from ops.runs where scheduler_run_id = %s"
    row = connection.execute(query, (scheduler_run_id,)).fetchone()
    return cast(UUID, row[0]) if row else None


def note_counts(connection: Connection, run_id: UUID, counts: Mapping[str, int]) -> None:
    """Add a step's counts to the run's row; a repeated step overwrites its own."""
    connection.execute(_NOTE, (json.dumps(dict(counts)), run_id))


def finish_run(connection: Connection, run_id: UUID) -> dict[str, int]:
    """Complete the run's row with the outcomes of the certificates that it tried; returns its counts."""
    row = connection.execute(_FINISH, {"run_id": run_id}).fetchone()
    return cast("dict[str, int]", row[0]) if row else {}


def measure(connection: Connection) -> Measures:
    """Returns counts of pending and failed work. Reads pending rows, not the history."""
    with connection.cursor(row_factory=class_row(Measures)) as cursor:
        found = cursor.execute(_MEASURE).fetchone()
    return cast(Measures, found)
