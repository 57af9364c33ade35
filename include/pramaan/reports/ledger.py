"""The ledger of report requests: every statement on `ops.report_requests`.

A request enters as `requested`. A builder claims it (`building`), stores the file, and queues the mail in the
same transaction; the request stays `building` until the mail server has accepted the mail (`sent`) or never
will (`failed`). A live builder holds an advisory lock in its session, so a killed builder's requests are free
at once. With a database on another machine, TCP keep-alives detect a lost builder within two minutes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, LiteralString, cast
from uuid import UUID

from psycopg import errors
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pramaan.database.connect import Connection
from pramaan.database.leases import LeaseQueue
from pramaan.database.wake import wake
from pramaan.errors import ReportError
from pramaan.mail.addresses import masked
from pramaan.mail.ledger import is_being_sent
from pramaan.reports.rows import Totals

__all__ = [
    "MOST_ATTEMPTS",
    "Builder",
    "Built",
    "Channel",
    "ClaimedRequest",
    "Format",
    "NewRequest",
    "ReportRequest",
    "Status",
    "count_builders",
    "count_lately",
    "count_waiting",
    "enter",
    "expired_files",
    "find_request",
    "is_being_processed",
    "list_requests",
    "lock_requester",
    "newest_waiting",
    "open_builder",
    "record_download",
    "record_failed",
    "record_file_removed",
    "record_mail_waits",
    "record_sent",
]

Format = Literal["csv", "xlsx"]
Status = Literal["requested", "building", "sent", "failed"]
Channel = Literal["api", "page", "airflow", "cli", "schedule"]

MOST_ATTEMPTS: Final = 3
"""More builders than this do not die on one report by chance."""

_RETRY_WAIT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(days=1)

_COLUMNS: LiteralString = """
    request_id, batch_id, requested_by, by_operator, email, format, language, channel, expected_rows, status,
    attempts, requested_at, building_at, as_of, built_at, handed_over_at, rows, bytes, path, file_removed_at,
    totals, error_class, error
"""

_ENTER: LiteralString = """
    insert into ops.report_requests (
        request_id, batch_id, requested_by, by_operator, email, format, language, channel, encrypted_password,
        expected_rows, requested_at
    )
    select
        coalesce(%(request_id)s, gen_random_uuid()),
        %(batch_id)s, %(requested_by)s, %(by_operator)s, %(email)s, %(format)s, %(language)s, %(channel)s,
        %(encrypted_password)s, count(*), greatest(least(%(requested_at)s, now()), now() - interval '1 hour')
    from marts.fct_enrolment_progress
    where batch_id = %(batch_id)s and is_active
    on conflict (request_id) do nothing
    returning request_id
"""

_QUEUE: Final = LeaseQueue(
    table="ops.report_requests",
    key="request_id",
    waits="""
        item.status in ('requested', 'building') and item.built_at is null and item.next_attempt_at <= now()
    """,
    holders=0x50726D58,
    lease=timedelta(hours=1),
)
"""Longer than any report takes to build."""

_CLAIM: LiteralString = _QUEUE.claim_statement(
    wanted="""
        (%(request_id)s::uuid is null or item.request_id = %(request_id)s)
        and (%(most_rows)s::integer is null or item.expected_rows <= %(most_rows)s)
    """,
    order="item.requested_at, item.request_id",
    changes=", status = 'building', building_at = clock_timestamp(), error_class = null, error = null",
    returning="""
        claimed.request_id, claimed.batch_id, claimed.requested_by, claimed.by_operator, claimed.email,
        claimed.format, claimed.language, claimed.encrypted_password, claimed.attempts as attempt,
        claimed.requested_at
    """,
)

_BUILT: LiteralString = """
    update ops.report_requests
    set built_at = clock_timestamp(), as_of = %(as_of)s, rows = %(rows)s, bytes = %(bytes)s, path = %(path)s,
        totals = %(totals)s, encrypted_password = null, lease_id = null, lease_expires_at = null
    where request_id = %(request_id)s and status = 'building' and lease_id = %(builder)s
"""

_GIVE_BACK: LiteralString = """
    update ops.report_requests
    set status = case when is_over then 'failed' else 'requested' end,
        failed_at = case when is_over then now() end,
        lease_id = null, lease_expires_at = null, next_attempt_at = now() + %(wait)s,
        attempts = attempts - %(is_free)s::integer,
        encrypted_password = case when is_over then null else encrypted_password end,
        error_class = case when is_over then 'given_up' else %(error_class)s end, error = %(error)s
    from (
        select requested_at < now() - %(longest)s as is_over
        from ops.report_requests where request_id = %(request_id)s
    ) as age
    where request_id = %(request_id)s and status = 'building' and lease_id = %(builder)s
    returning status = 'failed'
"""

_FAILED: LiteralString = """
    update ops.report_requests
    set status = 'failed', failed_at = coalesce(failed_at, clock_timestamp()),
        error_class = %(error_class)s, error = %(error)s,
        lease_id = null, lease_expires_at = null, encrypted_password = null
    where request_id = %(request_id)s
        and (status in ('requested', 'building') or (status = 'failed' and built_at is not null))
"""

_SENT: LiteralString = """
    update ops.report_requests
    set status = 'sent', handed_over_at = clock_timestamp(), email = %(masked)s, error_class = null,
        error = null
    where request_id = %(request_id)s and status in ('building', 'failed') and built_at is not null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A new request. `requested_at`: when it was requested, if not just now; `request_id`: an id that the
    caller chose.
    """

    batch_id: str
    requested_by: str
    by_operator: bool
    email: str = field(repr=False)
    format: Format
    language: str
    channel: Channel
    encrypted_password: bytes | None = field(default=None, repr=False)
    requested_at: datetime | None = None
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """A row of the ledger. `totals` is set once the report is built."""

    request_id: UUID
    batch_id: str
    requested_by: str
    by_operator: bool
    email: str = field(repr=False)
    format: Format
    language: str
    channel: Channel
    expected_rows: int
    status: Status
    attempts: int
    requested_at: datetime
    building_at: datetime | None
    as_of: datetime | None
    built_at: datetime | None
    handed_over_at: datetime | None
    rows: int | None
    bytes: int | None
    path: str | None
    file_removed_at: datetime | None
    totals: dict[str, int] | None
    error_class: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRequest:
    """A request that this builder has claimed, for the `attempt`th time."""

    request_id: UUID
    batch_id: str
    requested_by: str
    by_operator: bool
    email: str = field(repr=False)
    format: Format
    language: str
    encrypted_password: bytes | None = field(repr=False)
    attempt: int
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A stored file: its path, and its content."""

    as_of: datetime
    rows: int
    bytes: int
    path: str
    totals: Totals


def enter(connection: Connection, request: NewRequest) -> UUID:
    """Record a request and wake the builders; returns its id.

    Raises ReportError `report_already_running` while this requester has another report of the batch under
    way.
    """
    try:
        with connection.transaction():
            row = connection.execute(_ENTER, asdict(request)).fetchone()
            wake(connection)
    except errors.UniqueViolation as error:
        raise ReportError(
            "report_already_running",
            f"a report of batch {request.batch_id} for {request.requested_by} is under way; see what became "
            "of it before asking again",
        ) from error
    # No row: the same request was written before.
    return cast(UUID, row[0] if row else request.request_id)


def find_request(connection: Connection, request_id: UUID) -> ReportRequest | None:
    """Returns the request, or None when it is unknown."""
    with connection.cursor(row_factory=class_row(ReportRequest)) as cursor:
        query: LiteralString = f"select {_COLUMNS} from ops.report_requests where request_id = %s"  # noqa: S608 - our own words
        return cursor.execute(query, (request_id,)).fetchone()


def list_requests(
    connection: Connection, *, requested_by: str | None = None, limit: int = 100
) -> list[ReportRequest]:
    """Returns requests, newest first; of one requester, or of all."""
    query: LiteralString = f"""
        select {_COLUMNS} from ops.report_requests
        where %(requested_by)s::text is null or requested_by = %(requested_by)s
        order by requested_at desc, request_id limit %(limit)s
    """  # noqa: S608 - our own words
    with connection.cursor(row_factory=class_row(ReportRequest)) as cursor:
        return cursor.execute(query, {"requested_by": requested_by, "limit": limit}).fetchall()


def lock_requester(connection: Connection, *, requested_by: str) -> None:
    """Serialise a requester's requests until the caller's transaction ends, so that each counts those before
    it.
    """
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('pramaan report ' || %s, 0))", (requested_by,)
    )


def count_lately(connection: Connection, *, requested_by: str, within: timedelta) -> int:
    """Returns how many reports a requester has requested within this time, without those from schedules."""
    row = connection.execute(
        "select count(*) from ops.report_requests where requested_by = %s and channel <> 'schedule' "
        "and entered_at > now() - %s",
        (requested_by, within),
    ).fetchone()
    return cast(tuple[int], row)[0]


def count_builders(connection: Connection) -> int:
    """Returns how many builders are alive."""
    return _QUEUE.count_holders(connection)


def is_being_processed(connection: Connection, request_id: UUID) -> bool:
    """Whether a live builder is building this report now, or a sender is handing its mail over."""
    query: LiteralString = f"""
        select exists (
            select from ops.report_requests as item
            where request_id = %(request_id)s and status = 'building' and built_at is null
                and not {_QUEUE.is_free}
        )
    """  # noqa: S608 - our own words
    row = connection.execute(query, {"request_id": request_id, "holders": _QUEUE.holders}).fetchone()
    return bool(row and row[0]) or is_being_sent(
        connection, kind="progress_report", subject_key=str(request_id)
    )


def newest_waiting(connection: Connection) -> datetime | None:
    """Returns when the newest waiting report was requested; None when none waits."""
    query: LiteralString = f"select max(requested_at) from ops.report_requests as item where {_QUEUE.free}"  # noqa: S608 - our own words
    row = connection.execute(query, {"holders": _QUEUE.holders}).fetchone()
    return cast(tuple[datetime | None], row)[0]


def count_waiting(connection: Connection) -> int:
    """Returns how many reports wait that no live builder holds."""
    query: LiteralString = f"select count(*) from ops.report_requests as item where {_QUEUE.free}"  # noqa: S608 - our own words
    row = connection.execute(query, {"holders": _QUEUE.holders}).fetchone()
    return cast(tuple[int], row)[0]


class Builder:
    """A builder's access to the ledger; made by `open_builder`, alive as long as its session."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    def claim(self, *, most_rows: int | None = None, request_id: UUID | None = None) -> ClaimedRequest | None:
        """Claim the oldest waiting request with at most `most_rows` expected rows, or the one named; returns
        None when there is none.
        """
        values = {
            **_QUEUE.values(self._number),
            "limit": 1,
            "most_rows": most_rows,
            "request_id": request_id,
        }
        with self._connection.cursor(row_factory=class_row(ClaimedRequest)) as cursor:
            return cursor.execute(_CLAIM, values).fetchone()

    def record_built(self, claimed: ClaimedRequest, built: Built) -> bool:
        """Record that the file is stored; in the caller's transaction, together with the mail about it.
        Returns False when the request is no longer this builder's.
        """
        values = asdict(built) | {"totals": Jsonb(asdict(built.totals)), **self._key(claimed)}
        return self._connection.execute(_BUILT, values).rowcount == 1

    def give_back(
        self, claimed: ClaimedRequest, *, error_class: str, error: str, is_free: bool = True
    ) -> bool:
        """Record that the report cannot be built now. It is tried again for at most a day; returns True when
        that time is over and the request has failed (`given_up`). Without `is_free` the attempt counts.
        """
        reason = {"error_class": error_class, "error": error, "is_free": is_free}
        waits = {"wait": _RETRY_WAIT, "longest": _LONGEST_WAIT}
        row = self._connection.execute(_GIVE_BACK, {**reason, **waits, **self._key(claimed)}).fetchone()
        return bool(row and row[0])

    def _key(self, claimed: ClaimedRequest) -> dict[str, object]:
        return {"request_id": claimed.request_id, "builder": self._number}


@contextmanager
def open_builder(connection: Connection) -> Iterator[Builder]:
    """Open a builder for the block, known to others by the advisory lock that its session holds."""
    # A machine that fails does not close its connections.
    connection.execute(
        "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 6"
    )
    with _QUEUE.open_holder(connection) as number:
        yield Builder(connection, number)


def record_sent(connection: Connection, request_id: UUID, *, recipients: Sequence[str]) -> None:
    """Record that the mail server accepted the whole mail."""
    values = {"request_id": request_id, "masked": ", ".join(masked(one) for one in recipients)}
    connection.execute(_SENT, values)


def record_mail_waits(connection: Connection, request_id: UUID, *, error_class: str, error: str) -> None:
    """Record why the mail of a built report is tried again later."""
    connection.execute(
        "update ops.report_requests set error_class = %s, error = %s "
        "where request_id = %s and status in ('building', 'failed') and built_at is not null",
        (error_class, error, request_id),
    )


def record_failed(connection: Connection, request_id: UUID, *, error_class: str, error: str) -> bool:
    """Record that the report will never be sent, and why, keeping the time when that was first known. Returns
    False when the report is already sent, or had failed before a file was built.
    """
    values = {"request_id": request_id, "error_class": error_class, "error": error}
    return connection.execute(_FAILED, values).rowcount == 1


def expired_files(connection: Connection, *, after: timedelta) -> list[tuple[UUID, str]]:
    """Returns the id and file path of requests that ended longer ago than `after` and still have a file."""
    rows = connection.execute(
        "select request_id, path from ops.report_requests "
        "where path is not null and file_removed_at is null and status in ('sent', 'failed') "
        "and coalesce(handed_over_at, built_at) < now() - %s",
        (after,),
    ).fetchall()
    return cast(list[tuple[UUID, str]], rows)


def record_file_removed(connection: Connection, request_id: UUID) -> None:
    """Record that the file is no longer in the store."""
    connection.execute(
        "update ops.report_requests set file_removed_at = now() where request_id = %s", (request_id,)
    )


def record_download(connection: Connection, request_id: UUID, *, channel: Literal["link"]) -> None:
    """Record that the file was fetched."""
    connection.execute(
        "insert into ops.report_downloads (request_id, channel) values (%s, %s)", (request_id, channel)
    )
