"""What workers make of pending certificates: claimed, issued, failed, to be tried again.

`attempts` counts claims, and a claim that was not tried is given back. So claims without an outcome are
workers that died: after three the certificate is a poison, and claimed last and alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, LiteralString, cast
from uuid import UUID

from pramaan.database.connect import Connection
from pramaan.database.leases import LeaseQueue
from pramaan.database.wake import wake
from pramaan.lifecycle.transitions import FAIL, ISSUE, RETRY, SUPERSEDE, lock_certificates, move
from pramaan.registry.changes import Actor, record_change

__all__ = [
    "QUEUE",
    "Claim",
    "Failure",
    "Issued",
    "claim",
    "claim_poison",
    "count_pending",
    "give_back",
    "has_poison",
    "make_due",
    "now",
    "record",
    "retry_failed",
]

QUEUE: Final = LeaseQueue(
    table="registry.certificates",
    key="certificate_id",
    waits="item.status = 'pending' and item.next_attempt_at <= coalesce(%(due_by)s, now())",
    holders=0x50726D57,
    lease=timedelta(minutes=10),
)

# Claims since the last attempt that ended, before this one. A certificate that was withdrawn and created
# again has outcomes of its earlier life, too.
_CRASH_COUNT: LiteralString = """(
    item.attempts - coalesce((
        select max(outcomes.attempt) from ops.outcomes
        where outcomes.certificate_id = item.certificate_id and outcomes.at >= item.created_at
            and outcomes.status in ('issued', 'failed', 'retried')
    ), 0)
)"""
_IS_SUSPECT: LiteralString = f"(item.attempts >= 3 and {_CRASH_COUNT} >= 3)"

_JOINED: LiteralString = ", registry.attachments as attachments"
_ON: LiteralString = " and claimed.attachment_id = attachments.attachment_id"
_RETURNING: LiteralString = """
    claimed.certificate_id, claimed.attempts, claimed.render_input, attachments.template_id,
    attachments.template_version, claimed.signature_sha256, claimed.attachment_id::text,
    claimed.badge_recipient, free.crash_count
"""

_CLAIM_SOME: LiteralString = QUEUE.claim_statement(
    wanted=f"not {_IS_SUSPECT}",
    order="item.next_attempt_at, item.certificate_id",
    columns=", 0 as crash_count",
    joined=_JOINED,
    on=_ON,
    returning=_RETURNING,
)
# The one with the fewest crash_count first: what hits whoever is first shall not always hit the same one.
_CLAIM_SUSPECT: LiteralString = QUEUE.claim_statement(
    wanted=_IS_SUSPECT,
    order="item.attempts, item.next_attempt_at, item.certificate_id",
    columns=f", {_CRASH_COUNT} as crash_count",
    joined=_JOINED,
    on=_ON,
    returning=_RETURNING,
)

_HAS_SUSPECTS: LiteralString = f"""
    select exists (select from registry.certificates as item where {QUEUE.waits} and {_IS_SUSPECT})
"""  # noqa: S608 - our own words

# Locked in the order of the ids, as everybody does.

_MAKE_DUE: LiteralString = """
    with late as materialized (
        select certificate_id from registry.certificates
        where status = 'pending' and next_attempt_at > now()
        order by certificate_id
        for update
    )

    update registry.certificates as certificates set next_attempt_at = now()
    from late
    where certificates.certificate_id = late.certificate_id
"""

_GIVE_BACK: LiteralString = """
    with untried as materialized (
        select certificate_id from registry.certificates
        where lease_id = %(holder)s and status = 'pending' and certificate_id = any(%(ids)s)
        order by certificate_id
        for update
    )

    update registry.certificates as certificates
    set lease_id = null, lease_expires_at = null, attempts = attempts - 1
    from untried
    where certificates.certificate_id = untried.certificate_id
"""

# Only the holder of a lease records, and what was withdrawn or held meanwhile is nobody's.
_IS_OURS: LiteralString = "certificates.status = 'pending' and certificates.lease_id = %(holder)s"

_ISSUED: LiteralString = """
    select * from unnest(
        %(ids)s::text[], %(paths)s::text[], %(sha256s)s::text[], %(sizes)s::integer[], %(engines)s::text[]
    ) as done (certificate_id, pdf_path, pdf_sha256, pdf_bytes, engine_version)
"""
_ISSUED_CHANGES: LiteralString = """,
    issued_at = now(), pdf_path = proposed.pdf_path, pdf_sha256 = proposed.pdf_sha256,
    pdf_bytes = proposed.pdf_bytes, engine_version = proposed.engine_version, error_class = null, error = null
"""
_SUPERSEDED: LiteralString = """
    select successors.supersedes as certificate_id from registry.certificates as successors
    where successors.certificate_id = any(%(ids)s) and successors.supersedes is not null
        and successors.status = 'pending' and successors.lease_id = %(holder)s
"""
_FAILED_BEFORE: LiteralString = """
    select certificate_id from registry.certificates
    where status = 'failed'
        and (%(chosen)s::text[] is null or certificate_id = any(%(chosen)s::text[]))
"""
_IS_FAILED: LiteralString = "certificates.status = 'failed'"
_TENANTS: LiteralString = """
    select certificates.certificate_id, attachments.tenant_id
    from registry.certificates as certificates
    inner join registry.attachments as attachments using (attachment_id)
    where certificates.certificate_id = any(%(ids)s)
    order by certificates.certificate_id
"""
_FAILED: LiteralString = """
    select * from unnest(%(ids)s::text[], %(classes)s::text[], %(errors)s::text[], %(waits)s::interval[])
        as failures (certificate_id, error_class, error, wait)
"""
_FAILED_CHANGES: LiteralString = """,
    error_class = proposed.error_class, error = proposed.error,
    next_attempt_at = now() + coalesce(proposed.wait, '0')
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One certificate that this worker is to render now, with all that it froze."""

    certificate_id: str
    attempt: int
    fields: dict[str, str | None] = field(repr=False)
    template_id: str
    template_version: str
    signature_sha256: str | None
    attachment_id: str
    badge_recipient: dict[str, object] = field(repr=False)
    crash_count: int = 0
    """Of a poison: how many workers had it last and died, this one not counted."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A stored PDF, to be recorded; `pdf_path` is relative to the store."""

    certificate_id: str
    pdf_path: str
    pdf_sha256: str
    pdf_bytes: int
    engine_version: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A certificate that could not be issued: for good, or to be tried again after `wait`."""

    certificate_id: str
    error_class: str
    error: str
    wait: timedelta | None


def now(connection: Connection) -> datetime:
    """The database's time, by which things are due."""
    row = connection.execute("select now()").fetchone()
    return cast(tuple[datetime], row)[0]


def count_pending(connection: Connection, *, due_by: datetime | None = None) -> int:
    """How many certificates are pending and due by then (None: now), held by a worker or not."""
    query: LiteralString = f"select count(*) from registry.certificates as item where {QUEUE.waits}"  # noqa: S608 - our own words
    row = connection.execute(query, {"due_by": due_by}).fetchone()
    return cast(tuple[int], row)[0]


def make_due(connection: Connection) -> datetime:
    """Let certificates that wait for a later attempt be tried at once; returns the instant by which all are
    due.
    """
    connection.execute(_MAKE_DUE)
    return now(connection)


def retry_failed(
    connection: Connection, *, by: Actor, certificate_ids: Sequence[str] | None = None
) -> set[str]:
    """Let failed certificates (None: all) be tried again; returns their ids. For whoever has mended what they
    failed of. Each has a line in the record of changes; one that is not failed stays as it is.
    """
    values = {"chosen": None if certificate_ids is None else list(certificate_ids)}
    with connection.transaction():
        retried = move(
            connection, RETRY, _FAILED_BEFORE, changes=", next_attempt_at = now()", guard=_IS_FAILED,
            values=values,
        )  # fmt: skip
        tenants = connection.execute(_TENANTS, {"ids": sorted(retried)}).fetchall()
        with connection.pipeline():
            for certificate_id, tenant_id in tenants:
                record_change(
                    connection,
                    "retried",
                    by=by,
                    kind="certificate",
                    subject_id=str(certificate_id),
                    tenant_id=str(tenant_id),
                    before={"status": "failed"},
                    after={"status": RETRY.after},
                )
        if retried:
            wake(connection)
    return retried


def claim(connection: Connection, *, holder: int, limit: int, due_by: datetime | None) -> list[Claim]:
    """Lease up to `limit` pending certificates that are due and that no living worker holds; no poison.

    They come ordered by id.
    """
    return _claimed(connection, _CLAIM_SOME, holder=holder, limit=limit, due_by=due_by)


def claim_poison(connection: Connection, *, holder: int, due_by: datetime | None) -> Claim | None:
    """Lease one poison: a certificate whose last three workers died before any outcome."""
    return next(iter(_claimed(connection, _CLAIM_SUSPECT, holder=holder, limit=1, due_by=due_by)), None)


def has_poison(connection: Connection, *, due_by: datetime | None) -> bool:
    """Whether any poison is due, held by someone or not. Reads all that is pending."""
    row = connection.execute(_HAS_SUSPECTS, {"due_by": due_by}).fetchone()
    return bool(row and row[0])


def _claimed(
    connection: Connection, statement: LiteralString, *, holder: int, limit: int, due_by: datetime | None
) -> list[Claim]:
    values = {**QUEUE.values(holder), "due_by": due_by, "limit": limit}
    with connection.transaction():
        # Not waited for on the disk: a crash of the server ends the sessions that held what it forgets.
        connection.execute("set local synchronous_commit = off")
        rows = connection.execute(statement, values).fetchall()
    return sorted((Claim(*row) for row in rows), key=lambda one: one.certificate_id)  # type: ignore[arg-type]


def give_back(connection: Connection, certificate_ids: Sequence[str], *, holder: int) -> None:
    """Give back claims that were not tried."""
    connection.execute(_GIVE_BACK, {"holder": holder, "ids": list(certificate_ids)})


def record(
    connection: Connection,
    issued: Sequence[Issued],
    failures: Sequence[Failure],
    *,
    holder: int,
    run_id: UUID | None,
) -> set[str]:
    """Record what became of claimed certificates, in the caller's transaction; returns the ids of those that
    are issued now. What a successor supersedes ceases to be in force in the same instant.

    One that was withdrawn or held meanwhile, or whose lease was lost, is not among them.
    """
    certificate_ids = [one.certificate_id for one in issued] + [one.certificate_id for one in failures]
    lock_certificates(connection, certificate_ids)
    _fail(connection, failures, holder=holder, run_id=run_id)
    if not issued:
        return set()
    values = {
        "ids": [one.certificate_id for one in issued],
        "paths": [one.pdf_path for one in issued],
        "sha256s": [one.pdf_sha256 for one in issued],
        "sizes": [one.pdf_bytes for one in issued],
        "engines": [one.engine_version for one in issued],
        "holder": holder,
    }
    move(connection, SUPERSEDE, _SUPERSEDED, values=values, run_id=run_id)
    return move(
        connection, ISSUE, _ISSUED, changes=_ISSUED_CHANGES, guard=_IS_OURS, values=values, run_id=run_id
    )


def _fail(connection: Connection, failures: Sequence[Failure], *, holder: int, run_id: UUID | None) -> None:
    for transition in (FAIL, RETRY):
        those = [one for one in failures if (one.wait is None) == (transition is FAIL)]
        if not those:
            continue
        values = {
            "ids": [one.certificate_id for one in those],
            "classes": [one.error_class for one in those],
            "errors": [one.error for one in those],
            "waits": [one.wait for one in those],
            "holder": holder,
        }
        move(
            connection, transition, _FAILED, changes=_FAILED_CHANGES, guard=_IS_OURS, values=values,
            run_id=run_id,
        )  # fmt: skip
