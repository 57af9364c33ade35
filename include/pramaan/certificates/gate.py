"""The gate: before a batch's candidates become certificates to issue, it compares them with the last weeks.

What is out of the ordinary is held, course by course, until a person decides (`pramaan.certificates.holds`);
everybody else's certificates are issued. It reads the batch's own rows and a few counters, and costs next to
nothing.

volume   on some day more people completed the course than is usual
age      someone completed longer ago than a feed should take to arrive
quality  a fact came with a load whose quality suite failed (`pramaan.quality`)

Volume and age compare with what is usual: a course without certificates of the last weeks has neither, and a
first import passes.
"""

from dataclasses import dataclass
from typing import Final, LiteralString, cast
from uuid import UUID

from pramaan.certificates.verdicts import is_any_verdict_open
from pramaan.database.connect import Connection
from pramaan.database.wake import wake
from pramaan.lifecycle.holding import hold, release

__all__ = [
    "GateRules",
    "count_approved",
    "forget_withdrawn",
    "lock_gate",
    "pass_gate",
    "validate_quality_again",
]


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is out of the ordinary.

    A day on which a course has more than `volume_floor` certificates and more than `volume_factor` times
    those of its mean day in the last `weeks`; a completion more than `oldest_days` ago. Days are those of
    `timezone`.
    """

    weeks: int
    volume_factor: float
    volume_floor: int
    oldest_days: int
    timezone: str


_GATE_LOCK: Final = 0x5072616D61616E08
"""Advisory transaction lock of whoever holds, lets go, or counts what was let go."""

_LEAST_DAYS: Final = 3
_LEAST_AGE_DAYS: Final = 7
"""Fewer days with certificates, or none that long ago, are no history to compare a volume with."""

_TO_HOLD: LiteralString = """
    drop table if exists pg_temp.to_hold;
    create temp table to_hold (
        certificate_id text primary key,
        course_id text,
        tenant_id text,
        rule text,
        why text,
        load_ids bigint[]
    ) on commit drop
"""

# Of a course the version in force at completion counts, and the newest, which says whether it is published.
_HOLD_UNSOUND: LiteralString = """
    insert into to_hold
    select
        candidates.certificate_id, candidates.course_id, candidates.tenant_id, 'quality',
        'facts came with loads that failed their quality suite: '
        || string_agg(distinct facts.load_id::text, ', '),
        array_agg(distinct facts.load_id)
    from candidates
    cross join lateral (
        select load_id from raw.users where user_id = candidates.user_id
        union
        (
            select load_id from raw.courses where course_id = candidates.course_id
            order by updated_at <= candidates.completed_at desc,
                case when updated_at <= candidates.completed_at then updated_at end desc, updated_at
            limit 1
        )
        union
        (
            select load_id from raw.courses where course_id = candidates.course_id
            order by updated_at desc
            limit 1
        )
        union
        select load_id from raw.batches where batch_id = candidates.batch_id
        union
        select load_id from raw.enrolments
        where user_id = candidates.user_id and batch_id = candidates.batch_id
        union
        select load_id from raw.progress where user_id = candidates.user_id and batch_id = candidates.batch_id
        offset 0
    ) as facts
    inner join ops.load_verdicts as verdicts
        on facts.load_id = verdicts.load_id and not verdicts.passed and verdicts.settled_at is null
    where not candidates.is_held
        -- Facts that a person let pass once, for this course, pass again.
        and not exists (
            select from ops.gate_holds as holds
            where holds.course_id = candidates.course_id and holds.rule = 'quality'
                and holds.state = 'approved' and facts.load_id = any(holds.load_ids)
        )
    group by candidates.certificate_id, candidates.course_id, candidates.tenant_id
"""

_HOLD_UNUSUAL: LiteralString = """
    insert into to_hold
    with fresh as (
        select
            course_id,
            (completed_at at time zone %(zone)s)::date as completed_on,
            count(*) as candidates,
            min(completed_at) as first_completed_at
        from candidates
        where not is_known
        group by course_id, completed_on
    ),

    today as (
        select (now() at time zone %(zone)s)::date as today
    ),

    usual as (
        select
            courses.course_id,
            count(*) >= %(least_days)s
            and min(days.completed_on) <= today.today - %(least_age_days)s as is_history,
            sum(days.passed) / least(%(days)s, today.today - min(days.completed_on)) as mean_day
        from (select distinct course_id from fresh) as courses
        cross join today
        inner join ops.candidate_days as days on courses.course_id = days.course_id
        where days.completed_on >= today.today - %(days)s and days.completed_on < today.today
            and days.passed > 0
        group by courses.course_id, today.today
    ),

    evaluated as (
        select
            fresh.course_id,
            fresh.completed_on,
            usual.mean_day,
            counts.on_that_day,
            usual.is_history
            and not coalesce(days.is_approved, false)
            and counts.on_that_day > greatest(%(floor)s, %(factor)s * usual.mean_day) as is_too_many,
            extract(epoch from now() - fresh.first_completed_at) / 86400 as age_days
        from fresh
        inner join usual on fresh.course_id = usual.course_id
        left join ops.candidate_days as days
            on fresh.course_id = days.course_id and fresh.completed_on = days.completed_on
        cross join lateral (
            select fresh.candidates + coalesce(days.arrived, 0) as on_that_day
        ) as counts
    ),

    unusual as (
        select
            course_id,
            case when bool_or(is_too_many) then 'volume' else 'age' end as rule,
            concat_ws(
                '; ',
                (array_agg(
                    format(
                        '%%s completions on %%s, where %%s a day are usual',
                        on_that_day, completed_on, round(mean_day, 1)
                    )
                    order by on_that_day desc
                ) filter (where is_too_many))[1],
                case
                    when max(age_days) > %(oldest_days)s
                        then format('completed up to %%s days ago', floor(max(age_days)))
                end
            ) as why
        from evaluated
        where is_too_many or age_days > %(oldest_days)s
        group by course_id
    )

    select
        candidates.certificate_id, candidates.course_id, candidates.tenant_id, unusual.rule,
        unusual.why, '{}'
    from candidates
    inner join unusual on candidates.course_id = unusual.course_id
    where not candidates.is_known
    on conflict do nothing
"""

# A hold that still waits takes in what is held for the same reason: one question, one e-mail.
_OPEN_HOLDS: LiteralString = """
    with numbers as materialized (
        select nextval('ops.gate_hold_ids') as quality, nextval('ops.gate_hold_ids') as unusual
    ),

    loads as (
        select course_id, array_agg(distinct load_id) as load_ids
        from to_hold
        cross join lateral unnest(load_ids) as load_id
        group by course_id
    ),

    opened as (
        insert into ops.gate_holds as known
            (hold_id, course_id, tenant_id, rule, why, load_ids, candidates, run_id)
        select
            case to_hold.rule when 'quality' then numbers.quality else numbers.unusual end,
            to_hold.course_id, min(to_hold.tenant_id), to_hold.rule, max(to_hold.why),
            coalesce(loads.load_ids, '{}'), count(*), %(run_id)s
        from to_hold
        cross join numbers
        left join loads on to_hold.course_id = loads.course_id and to_hold.rule = 'quality'
        group by to_hold.course_id, to_hold.rule, numbers.quality, numbers.unusual, loads.load_ids
        on conflict (course_id, rule) where state = 'waiting' do update set
            candidates = known.candidates + excluded.candidates,
            why = case when excluded.candidates > known.candidates then excluded.why else known.why end,
            load_ids = array(select distinct unnest(known.load_ids || excluded.load_ids) order by 1)
        returning known.hold_id, known.course_id, known.rule
    )

    update candidates set hold_id = opened.hold_id, is_held = true
    from to_hold
    inner join opened on to_hold.course_id = opened.course_id and to_hold.rule = opened.rule
    where candidates.certificate_id = to_hold.certificate_id
"""

_COUNT: LiteralString = """
    insert into ops.candidate_days as known (course_id, completed_on, arrived, passed)
    select
        course_id, (completed_at at time zone %(zone)s)::date as completed_on,
        count(*), count(*) filter (where not is_held)
    from candidates
    group by course_id, completed_on
    order by course_id, completed_on
    on conflict (course_id, completed_on) do update
        set arrived = known.arrived + excluded.arrived, passed = known.passed + excluded.passed
"""

_REMEMBER_HELD: LiteralString = """
    insert into ops.held_keys (user_id, course_id, batch_id, hold_id)
    select candidates.user_id, candidates.course_id, candidates.batch_id, candidates.hold_id
    from candidates
    inner join to_hold using (certificate_id)
    where to_hold.rule <> 'quality'
    on conflict do nothing
"""

_FORGET: LiteralString = """
    update ops.candidate_days as known
    set arrived = known.arrived - gone.arrived, passed = known.passed - gone.passed
    from (
        select
            course_id, (completed_at at time zone %(zone)s)::date as completed_on,
            count(*) as arrived, count(*) filter (where not was_held) as passed
        from withdrawn
        group by course_id, completed_on
    ) as gone
    where known.course_id = gone.course_id and known.completed_on = gone.completed_on
"""

_COUNT_APPROVED: LiteralString = """
    update ops.candidate_days as known
    set passed = known.passed + approved.certificates, is_approved = known.is_approved or %(is_unusual)s
    from (
        select (completed_at at time zone %(zone)s)::date as completed_on, count(*) as certificates
        from registry.certificates
        where hold_id = %(hold_id)s and course_id = %(course_id)s and status = 'held'
        group by completed_on
    ) as approved
    where known.course_id = %(course_id)s and known.completed_on = approved.completed_on
"""

# What waits for an answer on its volume or age is evaluated once that is given; what a person rejected stays
# held until a person takes that back. Nothing is locked yet: workers go on, and what they issue meanwhile is
# not held any more.
_NOT_ISSUED_YET: LiteralString = """
    drop table if exists pg_temp.candidates;
    create temp table candidates on commit drop as
    select
        waiting.certificate_id, waiting.user_id, waiting.course_id, waiting.batch_id, waiting.completed_at,
        attachments.tenant_id, waiting.status, waiting.hold_id, false as is_held
    from registry.certificates as waiting
    inner join registry.attachments as attachments using (attachment_id)
    left join ops.gate_holds as holds
        on waiting.hold_id = holds.hold_id and waiting.course_id = holds.course_id
    where waiting.origin = 'rules'
        and (
            waiting.status = 'pending'
            or (waiting.status = 'held' and holds.rule = 'quality' and holds.state = 'waiting')
        )
"""

_STAYS_HELD: LiteralString = """
    with still as (
        delete from to_hold using candidates
        where to_hold.certificate_id = candidates.certificate_id and candidates.status = 'held'
        returning to_hold.certificate_id
    )
    update candidates set is_held = true from still where candidates.certificate_id = still.certificate_id
"""

_TO_BE_HELD: LiteralString = (
    "select certificate_id, hold_id from candidates where is_held and status = 'pending'"
)
_TO_BE_RELEASED: LiteralString = "select certificate_id from candidates where not is_held and status = 'held'"


def lock_gate(connection: Connection) -> None:
    """Wait for whoever is at the gate, and hold off others, until the caller's transaction ends. Before any
    certificate is locked: see `pramaan.lifecycle`.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (_GATE_LOCK,))


_COUNT_JUDGED: LiteralString = """
    update ops.candidate_days as known
    set passed = known.passed + evaluated.let_go - evaluated.held
    from (
        select
            candidates.course_id, (candidates.completed_at at time zone %(zone)s)::date as completed_on,
            count(*) filter (where not candidates.is_held) as let_go,
            count(*) filter (where candidates.is_held) as held
        from candidates
        inner join registry.certificates as changed using (certificate_id)
        where candidates.status <> changed.status
            and changed.status = case when candidates.is_held then 'held' else 'pending' end
        group by candidates.course_id, completed_on
    ) as evaluated
    where known.course_id = evaluated.course_id and known.completed_on = evaluated.completed_on
"""

_ANY_WAITS_FOR_QUALITY: LiteralString = """
    select from ops.gate_holds where rule = 'quality' and state = 'waiting' limit 1
"""


def pass_gate(connection: Connection, rules: GateRules, *, run_id: UUID | None, history: bool) -> int:
    """Mark those of the session table `candidates` that are to be held (`hold_id`, `is_held`), open their
    holds, and count all; returns how many are held. In the caller's transaction.

    Of those that were at the gate before (`is_known`) only the facts are evaluated. An import of `history`
    passes volume and age.
    """
    connection.execute(_TO_HOLD)
    if is_any_verdict_open(connection):
        connection.execute(_HOLD_UNSOUND)
    if not history:
        connection.execute(
            _HOLD_UNUSUAL,
            {
                "days": rules.weeks * 7,
                "factor": rules.volume_factor,
                "floor": rules.volume_floor,
                "oldest_days": rules.oldest_days,
                "zone": rules.timezone,
                "least_days": _LEAST_DAYS,
                "least_age_days": _LEAST_AGE_DAYS,
            },
        )
    _open_holds(connection, run_id=run_id)
    connection.execute(_REMEMBER_HELD)
    connection.execute(_COUNT, {"zone": rules.timezone})
    row = connection.execute("select count(*) from candidates where is_held").fetchone()
    return cast(int, row[0]) if row else 0


def forget_withdrawn(connection: Connection, rules: GateRules) -> None:
    """Take those of the session table `withdrawn` out of the counts, in the caller's transaction."""
    connection.execute(_FORGET, {"zone": rules.timezone})


def count_approved(
    connection: Connection, hold_id: int, course_id: str, *, is_unusual: bool, timezone: str
) -> None:
    """Count what a hold is about to let go as passed, in the caller's transaction. With `is_unusual`, its
    days are no longer asked about.
    """
    values = {"hold_id": hold_id, "course_id": course_id, "is_unusual": is_unusual, "zone": timezone}
    connection.execute(_COUNT_APPROVED, values)
    connection.execute(
        "delete from ops.held_keys where hold_id = %(hold_id)s and course_id = %(course_id)s", values
    )


def validate_quality_again(connection: Connection, *, timezone: str) -> int:
    """Hold what waits to be issued on facts of loads that failed their quality suite, and let go what was
    held for that and rests on better facts, or on a better verdict, by now; returns how many are newly held.
    In the caller's transaction.

    Safe to repeat. A certificate that a worker renders just now is taken from it.
    """
    lock_gate(connection)
    is_any_waiting = connection.execute(_ANY_WAITS_FOR_QUALITY).rowcount > 0
    if not is_any_waiting and not is_any_verdict_open(connection):
        return 0
    connection.execute(_NOT_ISSUED_YET)
    connection.execute(_TO_HOLD)
    connection.execute(_HOLD_UNSOUND)
    connection.execute(_STAYS_HELD)
    held = connection.execute("select from to_hold").rowcount
    _open_holds(connection, run_id=None)
    changed = hold(connection, _TO_BE_HELD) + release(connection, _TO_BE_RELEASED)
    if changed:
        connection.execute(_COUNT_JUDGED, {"zone": timezone})
        wake(connection)
    return held


def _open_holds(connection: Connection, *, run_id: UUID | None) -> None:
    if connection.execute("select from to_hold limit 1").rowcount:
        connection.execute(_OPEN_HOLDS, {"run_id": run_id})
        wake(connection)
