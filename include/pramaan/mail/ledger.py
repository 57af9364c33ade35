"""The ledger of mails: every statement on `ops.mails`.

A mail enters as `queued`, once for its kind and subject key, in the caller's transaction. Senders claim one
mail at a time, so that a sender that dies delays one mail only, and only until its lease ends. A mail ends as
`sent`, when its addresses are masked and its content removed, or as `failed`, with both kept so that it can
be tried again once the cause is fixed.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, LiteralString, cast

from psycopg import errors
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pramaan.database.connect import Connection
from pramaan.database.leases import LeaseQueue
from pramaan.mail.addresses import Sender, is_sendable, masked

__all__ = [
    "LEASE",
    "SMALL_BYTES",
    "ClaimedMail",
    "Mail",
    "UnsentMail",
    "claim_mail",
    "count_due",
    "count_queued",
    "is_being_sent",
    "is_below_rate_limit",
    "list_unsent",
    "newest_due",
    "open_sender",
    "postpone_due",
    "queue_mail",
    "queue_mails",
    "record_failed",
    "record_retry",
    "record_sent",
    "release",
    "retry_failed",
]

LEASE: Final = timedelta(minutes=10)
"""How long a sender leases a mail; it stops sending earlier. A killed sender's mail is free after that."""

SMALL_BYTES: Final = 2_000_000
"""A file of this size is transmitted in seconds."""

_LARGE_WAIT: Final = timedelta(minutes=5)
"""For this long, mails with larger files wait for mails with small ones."""

_RATE_LOCK: Final = 0x5072616D61616E04
"""Advisory transaction lock held while a sender counts the last minute's mails and claims another."""

# With a request's id in the Message-ID, an operator finds its mail in the log of any server on its way.
_UUID: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

_INSERT: LiteralString = """
    insert into ops.mails (kind, subject_key, recipients, language, content, is_urgent, message_id)
    select
        kind, subject_key, recipients, language, content, %(is_urgent)s,
        '<' || case
            when subject_key ~ %(uuid)s then kind || '.' || subject_key
            else left(encode(sha256(convert_to(kind || E'\\n' || subject_key, 'UTF8')), 'hex'), 32)
        end || '@' || %(mail_host)s::text || '>'
    from ({query}) as mails (kind, subject_key, recipients, language, content)
    on conflict (kind, subject_key) do nothing
"""

_ONE: LiteralString = (
    "select %(kind)s::text, %(subject_key)s::text, %(recipients)s::text[], %(language)s::text, "
    "%(content)s::jsonb"
)

_QUEUE: Final = LeaseQueue(
    table="ops.mails",
    key="mail_id",
    waits="item.status = 'queued' and item.next_attempt_at <= now() and item.kind = any(%(kinds)s)",
    holders=0x50726D59,
    lease=LEASE,
    # Its message may still be in transmission, and would be sent twice.
    ends_with_session=False,
)

# The condition of the index `mails_urgent`.
_IS_URGENT: LiteralString = "item.is_urgent"

_LATELY: LiteralString = """
    select count(*) from ops.mails as lately
    where lately.attempted_at > now() - interval '1 minute' and lately.kind = any(%(kinds)s)
"""

# Uses the indexes on these columns, however long the queue is.
_LONGEST_DUE: LiteralString = "item.next_attempt_at, item.mail_id"


def _claim_statement(wanted: LiteralString, *, order: LiteralString) -> LiteralString:
    return _QUEUE.claim_statement(
        # Counted once per claim.
        wanted=f"({_LATELY}) < %(per_minute)s and {wanted}",
        order=order,
        changes=", attempted_at = now()",
        returning="""
            claimed.mail_id, claimed.kind, claimed.subject_key, claimed.recipients, claimed.language,
            claimed.content, claimed.message_id, claimed.attempts as attempt, claimed.queued_at,
            claimed.attempted_at
        """,
    )


_CLAIM_URGENT: LiteralString = _claim_statement(_IS_URGENT, order=_LONGEST_DUE)
_CLAIM_ANY: LiteralString = _claim_statement("true", order=_LONGEST_DUE)

# Sorts all that waits; few mails with files wait at a time. Compared as jsonb, so that any stored value of
# the size can be compared.
_CLAIM_WITH_FILE: LiteralString = _claim_statement(
    "coalesce(item.content -> 'file_bytes' <= to_jsonb(%(most_bytes)s::bigint), true)",
    order=f"""
        item.queued_at > now() - %(large_give_way)s
        and coalesce(item.content -> 'file_bytes' > to_jsonb(%(small_bytes)s::bigint), false),
        {_LONGEST_DUE}
    """,
)

# Only the holder of the newest claim may record an outcome; the number of attempts identifies that claim.

_SENT: LiteralString = """
    update ops.mails
    set status = 'sent', handed_over_at = clock_timestamp(), lease_id = null, lease_expires_at = null,
        handed_over_to = handed_over_to || %(taken)s::text[],
        recipients = handed_over_to || %(taken)s::text[], content = '{}', error_class = null, error = null
    where mail_id = %(mail_id)s and status = 'queued' and attempts = %(attempt)s
"""

_NOT_SENT: LiteralString = """
    update ops.mails
    set status = %(status)s, next_attempt_at = now() + %(wait)s, due_at = now() + %(wait)s,
        lease_id = null, lease_expires_at = null,
        handed_over_to = handed_over_to || %(taken)s::text[], recipients = %(left)s::text[],
        error_class = %(error_class)s, error = %(error)s
    where mail_id = %(mail_id)s and status = 'queued' and attempts = %(attempt)s
"""

_RELEASE: LiteralString = """
    update ops.mails
    set lease_id = null, lease_expires_at = null, attempted_at = null, attempts = attempts - 1,
        error_class = %(error_class)s, error = %(error)s
    where mail_id = %(mail_id)s and status = 'queued' and attempts = %(attempt)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to be queued: its kind, its subject key, its recipients, and the fields of its template.

    Raises ValueError when it has no recipient, or one to whom mail cannot be sent.
    """

    kind: str
    subject_key: str
    recipients: tuple[str, ...] = field(repr=False)
    language: str
    content: Mapping[str, object] = field(repr=False)
    is_urgent: bool = False

    def __post_init__(self) -> None:
        if not self.recipients or not all(is_sendable(one) for one in self.recipients):
            raise ValueError(
                f"the mail {self.kind} {self.subject_key} needs recipients with usable addresses"
            )


@dataclass(frozen=True, slots=True)
class UnsentMail:
    """A mail that waits or failed, without personal data; only one that waits has a next attempt."""

    mail_id: int
    kind: str
    subject_key: str
    status: str
    attempts: int
    queued_at: datetime
    next_attempt_at: datetime | None
    error_class: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMail:
    """A mail that this sender has claimed, for the `attempt`th time."""

    mail_id: int
    kind: str
    subject_key: str
    recipients: list[str] = field(repr=False)
    language: str
    content: dict[str, object] = field(repr=False)
    message_id: str
    attempt: int
    queued_at: datetime
    attempted_at: datetime


def queue_mail(connection: Connection, mail: Mail, *, sender: Sender) -> bool:
    """Queue a mail in the caller's transaction; returns whether it is new.

    Idempotent: there is only ever one mail for a kind and subject key, whatever its state.
    """
    values = {
        "kind": mail.kind,
        "subject_key": mail.subject_key,
        "recipients": list(mail.recipients),
        "language": mail.language,
        "content": Jsonb(dict(mail.content)),
    }
    return queue_mails(connection, _ONE, values, sender=sender, is_urgent=mail.is_urgent) == 1


def queue_mails(
    connection: Connection,
    query: LiteralString,
    values: Mapping[str, object],
    *,
    sender: Sender,
    is_urgent: bool = False,
) -> int:
    """Queue a mail for each row of a query (kind, subject_key, recipients, language, content), in the
    caller's transaction; returns how many are new.

    Idempotent, as `queue_mail` is. The query must select plausible addresses only.

    Raises ValueError for a mail that the table refuses, without its addresses.
    """
    statement = _INSERT.format(query=query)
    try:
        more = {"mail_host": sender.host, "uuid": _UUID, "is_urgent": is_urgent}
        return connection.execute(statement, {**values, **more}).rowcount
    except errors.IntegrityError as error:
        refused = error.diag.constraint_name or error.diag.column_name
    # Outside the handler: the server's error detail is the row, and would be logged with this error.
    raise ValueError(f"a mail cannot be queued: ops.mails refuses it by {refused}")


def count_due(connection: Connection, *, kinds: Collection[str]) -> int:
    """Returns how many mails of these kinds are due and claimed by no sender."""
    query: LiteralString = f"select count(*) from ops.mails as item where {_QUEUE.free}"  # noqa: S608 - our own words
    row = connection.execute(query, {"kinds": list(kinds), "holders": _QUEUE.holders}).fetchone()
    return cast(tuple[int], row)[0]


def newest_due(connection: Connection, *, kinds: Collection[str]) -> int | None:
    """Returns the id of the newest mail of these kinds that is due and claimed by no sender; None when none
    is.
    """
    query: LiteralString = f"select max(mail_id) from ops.mails as item where {_QUEUE.free}"  # noqa: S608 - our own words
    row = connection.execute(query, {"kinds": list(kinds), "holders": _QUEUE.holders}).fetchone()
    return cast(tuple[int | None], row)[0]


def is_being_sent(connection: Connection, *, kind: str, subject_key: str) -> bool:
    """Whether a live sender is handing this mail over now."""
    query: LiteralString = f"""
        select exists (
            select from ops.mails as item
            where kind = %(kind)s and subject_key = %(subject_key)s and status = 'queued'
                and not {_QUEUE.is_free}
        )
    """  # noqa: S608 - our own words
    values = {"kind": kind, "subject_key": subject_key, "holders": _QUEUE.holders}
    row = connection.execute(query, values).fetchone()
    return bool(row and row[0])


def open_sender(connection: Connection) -> AbstractContextManager[int]:
    """Open a sender for the block and yield its number, known to others by the lock that its session
    holds.
    """
    return _QUEUE.open_holder(connection)


def count_queued(connection: Connection, *, kinds: Collection[str]) -> int:
    """Returns how many mails of these kinds are queued, due or not."""
    query = "select count(*) from ops.mails where status = 'queued' and kind = any(%s)"
    row = connection.execute(query, (list(kinds),)).fetchone()
    return cast(int, row[0]) if row else 0


def claim_mail(
    connection: Connection,
    *,
    sender: int,
    per_minute: int,
    kinds: Collection[str],
    with_files: bool = False,
    most_bytes: int | None = None,
    lease: timedelta = LEASE,
) -> ClaimedMail | None:
    """Claim the mail of these kinds that has been due for longest, among those without a file of more than
    `most_bytes`; large files wait for small ones for a while. `with_files`: whether any of these kinds has a
    file. Returns None when none is due, or when all senders together have claimed `per_minute` mails of these
    kinds within the last minute.
    """
    values = {
        **_QUEUE.values(sender),
        "limit": 1,
        "per_minute": per_minute,
        "kinds": list(kinds),
        "most_bytes": most_bytes,
        "small_bytes": SMALL_BYTES,
        "large_give_way": _LARGE_WAIT,
        "lease": lease,
    }
    with connection.transaction(), connection.cursor(row_factory=class_row(ClaimedMail)) as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (_RATE_LOCK,))
        for statement in (_CLAIM_URGENT, _CLAIM_WITH_FILE if with_files else _CLAIM_ANY):
            if claimed := cursor.execute(statement, values).fetchone():
                return claimed
        return None


def is_below_rate_limit(connection: Connection, *, per_minute: int, kinds: Collection[str]) -> bool:
    """Whether all senders together have claimed fewer than `per_minute` mails of these kinds in the last
    minute.
    """
    row = connection.execute(_LATELY, {"kinds": list(kinds)}).fetchone()
    return cast(tuple[int], row)[0] < per_minute


def record_sent(connection: Connection, claimed: ClaimedMail) -> bool:
    """Record that the server accepted the whole mail for every recipient: masks addresses and removes the
    content. Returns False when another sender has claimed the mail since.
    """
    taken = [masked(one) for one in claimed.recipients]
    return connection.execute(_SENT, {**_key(claimed), "taken": taken}).rowcount == 1


def record_retry(
    connection: Connection,
    claimed: ClaimedMail,
    *,
    left: Sequence[str],
    wait: timedelta,
    error_class: str,
    error: str,
) -> bool:
    """Record that the mail is tried again after `wait`, for the recipients in `left`. Returns False when
    another sender has claimed the mail since.
    """
    return _record(
        connection, claimed, left, status="queued", wait=wait, error_class=error_class, error=error
    )


def record_failed(
    connection: Connection, claimed: ClaimedMail, *, left: Sequence[str], error_class: str, error: str
) -> bool:
    """Record that the mail is not tried again for the recipients in `left`; the others have received it.
    Returns False when another sender has claimed the mail since.
    """
    return _record(
        connection, claimed, left, status="failed", wait=timedelta(0), error_class=error_class, error=error
    )


def release(connection: Connection, claimed: ClaimedMail, *, error_class: str, error: str) -> None:
    """Release a claimed mail without counting the attempt, for an error that is not the mail's."""
    connection.execute(_RELEASE, {**_key(claimed), "error_class": error_class, "error": error})


def postpone_due(
    connection: Connection, *, kinds: Collection[str], wait: timedelta = timedelta(minutes=1)
) -> None:
    """Postpone all due mails of these kinds: the server cannot be reached, and no sender should try it again
    at once.
    """
    connection.execute(
        "update ops.mails set next_attempt_at = now() + %s "
        "where status = 'queued' and next_attempt_at <= now() and kind = any(%s)",
        (wait, list(kinds)),
    )


def list_unsent(connection: Connection, *, limit: int, kind: str | None = None) -> list[UnsentMail]:
    """Returns the failed mails, newest first, then the waiting ones, oldest first; at most `limit`, of one
    kind or of all.
    """
    with connection.cursor(row_factory=class_row(UnsentMail)) as cursor:
        return cursor.execute(
            "select mail_id, kind, subject_key, status, attempts, queued_at, "
            "case when status = 'queued' then next_attempt_at end as next_attempt_at, error_class, error "
            "from ops.mails where status <> 'sent' and (%(kind)s::text is null or kind = %(kind)s) "
            "order by status, case when status = 'failed' then -mail_id else mail_id end limit %(limit)s",
            {"kind": kind, "limit": limit},
        ).fetchall()


def retry_failed(connection: Connection, mail_ids: Sequence[int] | None = None) -> int:
    """Queue these failed mails again (None: all), for the recipients that have not received them; returns how
    many.
    """
    return connection.execute(
        "update ops.mails set status = 'queued', attempts = 0, next_attempt_at = now(), due_at = now() "
        "where status = 'failed' and (%(ids)s::bigint[] is null or mail_id = any(%(ids)s::bigint[]))",
        {"ids": None if mail_ids is None else list(mail_ids)},
    ).rowcount


def _record(
    connection: Connection,
    claimed: ClaimedMail,
    left: Sequence[str],
    *,
    status: str,
    wait: timedelta,
    error_class: str,
    error: str,
) -> bool:
    taken = [masked(one) for one in claimed.recipients if one not in left]
    values = {"left": list(left), "taken": taken, "wait": wait, "error_class": error_class, "error": error}
    return connection.execute(_NOT_SENT, {**_key(claimed), **values, "status": status}).rowcount == 1


def _key(claimed: ClaimedMail) -> dict[str, object]:
    return {"mail_id": claimed.mail_id, "attempt": claimed.attempt}
