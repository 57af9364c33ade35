"""The queue of certificates to issue, which is the registry itself: everything that is said to
`registry.certificates` between its becoming pending and a recorded PDF.

A certificate enters as `pending` with all that will be printed on it (`pramaan.certificates.enqueue`), and
leaves as `issued` or `failed`.
Workers take leases. A lease ends when it expires or when its worker's database session is gone, whichever
comes first, so that what a killed worker held is free at once.

`attempts` counts claims, and a claim that was not tried is given back. So claims without an outcome are
workers that died: after three the certificate is a suspect, and claimed last and alone.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from pramaan.certificates.notices import queue_issue_notices
from pramaan.database.connect import Connection
from pramaan.mail.addresses import Sender

__all__ = [
    "Claim",
    "Issued",
    "Postponed",
    "Worker",
    "count_waiting",
    "make_due",
    "open_worker",
]

LEASE = timedelta(minutes=10)
_WORKER_LOCKS = 0x50726D57
"""First half of the advisory locks that live workers hold; the second is the worker's number."""

_DEATHS_OF_A_SUSPECT = 3

_LIVING = """
    select objid from pg_locks
    where locktype = 'advisory' and objsubid = 2 and classid = %(worker_locks)s
        and database = (select oid from pg_database where datname = current_database())
"""

# Claims since the last outcome, before this one. A certificate that was withdrawn and enqueued again has
# outcomes of its earlier life, too.
_DEATHS = """
    certificates.attempts - coalesce((
        select max(outcomes.attempt) from ops.outcomes
        where outcomes.certificate_id = certificates.certificate_id
            and outcomes.at >= certificates.created_at
    ), 0)
"""

_IS_SUSPECT = f"(certificates.attempts >= {_DEATHS_OF_A_SUSPECT} and {_DEATHS} >= {_DEATHS_OF_A_SUSPECT})"

# Who lives is looked up once, which tells of most leases that they hold. A worker may have come to life since
# then, and taken a row between the first look at it and its lock: so what seems dead is looked up again.
_CLAIM = """
    with free as materialized (
        select certificates.certificate_id, {deaths} as deaths from registry.certificates
        where certificates.status = 'pending' and certificates.next_attempt_at <= %(due_by)s
            and (
                certificates.lease_id is null or certificates.lease_expires_at < now()
                or (
                    certificates.lease_id::oid <> all (array({living}))
                    and not exists ({living} and objid = certificates.lease_id)
                )
            )
            and {wanted}
        order by {first}certificates.next_attempt_at, certificates.certificate_id
        limit %(limit)s
        for update of certificates skip locked
    )
    update registry.certificates as claimed
    set lease_id = %(worker)s, lease_expires_at = now() + %(lease)s, attempts = claimed.attempts + 1
    from free, registry.attachments as attachments, registry.issuer_versions as issuers
    where claimed.certificate_id = free.certificate_id
        and claimed.attachment_id = attachments.attachment_id
        and attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
    returning claimed.certificate_id, claimed.attempts, claimed.render_input,
        attachments.template_id, attachments.template_version, issuers.signature_sha256,
        claimed.user_id, claimed.attachment_id::text, free.deaths
"""

_CLAIM_SOME = _CLAIM.format(living=_LIVING, deaths="0", wanted=f"not {_IS_SUSPECT}", first="")
# The one with the fewest deaths first: what hits whoever is first shall not always hit the same one.
_CLAIM_SUSPECT = _CLAIM.format(
    living=_LIVING, deaths=_DEATHS, wanted=_IS_SUSPECT, first="certificates.attempts, "
)

_HAS_SUSPECTS = f"""
    select exists (
        select from registry.certificates
        where status = 'pending' and next_attempt_at <= %s and {_IS_SUSPECT}
    )
"""  # noqa: S608 - our own words

_RECORD_ISSUED = """
    with recorded as (
        update registry.certificates as certificates
        set status = 'issued', issued_at = now(), pdf_uri = done.pdf_uri, pdf_sha256 = done.pdf_sha256,
            pdf_bytes = done.pdf_bytes, engine_version = done.engine_version,
            error_class = null, error = null, lease_id = null, lease_expires_at = null
        from unnest(
            %(ids)s::text[], %(uris)s::text[], %(sha256s)s::text[], %(sizes)s::integer[], %(engines)s::text[]
        )
            as done (certificate_id, pdf_uri, pdf_sha256, pdf_bytes, engine_version)
        where certificates.certificate_id = done.certificate_id
            and certificates.status = 'pending' and certificates.lease_id = %(worker)s
        returning certificates.certificate_id, certificates.attempts
    )
    insert into ops.outcomes (run_id, certificate_id, status, attempt)
    select %(run_id)s, certificate_id, 'issued', attempts from recorded
    returning certificate_id
"""

_RECORD_FAILURE = """
    with recorded as (
        update registry.certificates
        set status = %(status)s, error_class = %(error_class)s, error = %(error)s,
            next_attempt_at = now() + %(backoff)s, lease_id = null, lease_expires_at = null
        where certificate_id = %(certificate_id)s and status = 'pending' and lease_id = %(worker)s
        returning certificate_id, attempts
    )
    insert into ops.outcomes (run_id, certificate_id, status, error_class, attempt)
    select %(run_id)s, certificate_id, %(outcome)s, %(error_class)s, attempts from recorded
"""

_RELEASE = """
    update registry.certificates set lease_id = null, lease_expires_at = null, attempts = attempts - 1
    where lease_id = %s and status = 'pending' and certificate_id = any(%s)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One certificate that this worker is to render now."""

    certificate_id: str
    attempt: int
    fields: dict[str, str | None] = field(repr=False)
    template_id: str
    template_version: str
    signature_sha256: str | None
    user_id: str
    attachment_id: str
    deaths: int = 0
    """Of a suspect: how many workers had it last and died, this one not counted."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A stored PDF, to be recorded."""

    certificate_id: str
    pdf_uri: str
    pdf_sha256: str
    pdf_bytes: int
    engine_version: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """A certificate that could not be issued: for good (`backoff` None) or for now."""

    certificate_id: str
    error_class: str
    error: str
    backoff: timedelta | None


def count_waiting(connection: Connection, *, due_by: datetime) -> int:
    """How many certificates are pending and due by then, leased or not."""
    row = connection.execute(
        "select count(*) from registry.certificates where status = 'pending' and next_attempt_at <= %s",
        (due_by,),
    ).fetchone()
    return cast(int, row[0]) if row else 0


def make_due(connection: Connection) -> datetime:
    """Let certificates that wait for a later attempt be tried at once; returns the instant by which all are
    due.
    """
    connection.execute(
        "update registry.certificates set next_attempt_at = now() "
        "where status = 'pending' and next_attempt_at > now()"
    )
    row = connection.execute("select now()").fetchone()
    return cast(datetime, row[0])  # type: ignore[index]


class Worker:
    """A worker's side of the queue; made by `open_worker`, alive as long as its session."""

    def __init__(
        self, connection: Connection, number: int, *, run_id: UUID | None, mail_from: Sender | None
    ) -> None:
        self._connection = connection
        self._number = number
        self._run_id = run_id
        self._mail_from = mail_from

    def claim(self, limit: int, *, due_by: datetime) -> list[Claim]:
        """Lease up to `limit` pending certificates that are due and that no living worker holds; no suspects.

        They come ordered by id.
        """
        return self._claimed(_CLAIM_SOME, limit, due_by)

    def claim_suspect(self, *, due_by: datetime) -> Claim | None:
        """Lease one suspect: a certificate whose last three workers died before any outcome."""
        return next(iter(self._claimed(_CLAIM_SUSPECT, 1, due_by)), None)

    def has_suspects(self, *, due_by: datetime) -> bool:
        """Whether any suspect is due, held by someone or not. Reads all that is pending."""
        row = self._connection.execute(_HAS_SUSPECTS, (due_by,)).fetchone()
        return bool(row and row[0])

    def _claimed(self, query: str, limit: int, due_by: datetime) -> list[Claim]:
        values = {
            "worker": self._number,
            "lease": LEASE,
            "due_by": due_by,
            "limit": limit,
            "worker_locks": _WORKER_LOCKS,
        }
        rows = cast(
            list[tuple[str, int, dict[str, str | None], str, str, str | None, str, str, int]],
            self._connection.execute(query, values).fetchall(),
        )
        return [Claim(*row) for row in sorted(rows, key=lambda row: row[0])]

    def record(self, issued: Sequence[Issued], postponed: Sequence[Postponed]) -> set[str]:
        """Record what became of claimed certificates, with an outcome row each, in one transaction; with it,
        recipients that are to be told get their mail queued.

        Returns the ids recorded as issued: one that was withdrawn meanwhile, or whose lease was lost, is not
        among them.
        """
        with self._connection.transaction():
            for p in postponed:
                self._record_failure(p)
            recorded = self._record_issued(issued) if issued else set()
            if self._mail_from:
                queue_issue_notices(self._connection, recorded, sender=self._mail_from)
        return recorded

    def is_recorded(self, issued: Issued) -> bool:
        """Whether the registry knows this very file as the certificate's, or somebody may be about to record
        it: the same facts make the same file.
        """
        row = self._connection.execute(
            "select pdf_uri = %s or status in ('pending', 'held') from registry.certificates "
            "where certificate_id = %s",
            (issued.pdf_uri, issued.certificate_id),
        ).fetchone()
        return bool(row and row[0])

    def release(self, claims: Sequence[Claim]) -> None:
        """Give back claims that were not tried."""
        self._connection.execute(_RELEASE, (self._number, [c.certificate_id for c in claims]))

    def _record_issued(self, issued: Sequence[Issued]) -> set[str]:
        columns = {
            "ids": [i.certificate_id for i in issued],
            "uris": [i.pdf_uri for i in issued],
            "sha256s": [i.pdf_sha256 for i in issued],
            "sizes": [i.pdf_bytes for i in issued],
            "engines": [i.engine_version for i in issued],
        }
        values = {**columns, "worker": self._number, "run_id": self._run_id}
        return {str(row[0]) for row in self._connection.execute(_RECORD_ISSUED, values).fetchall()}

    def _record_failure(self, postponed: Postponed) -> None:
        for_good = postponed.backoff is None
        values = {
            "certificate_id": postponed.certificate_id,
            "status": "failed" if for_good else "pending",
            "outcome": "failed" if for_good else "retried",
            "error_class": postponed.error_class,
            "error": postponed.error,
            "backoff": postponed.backoff or timedelta(0),
            "worker": self._number,
            "run_id": self._run_id,
        }
        self._connection.execute(_RECORD_FAILURE, values)


@contextmanager
def open_worker(
    connection: Connection, *, run_id: UUID | None, mail_from: Sender | None = None
) -> Iterator[Worker]:
    """A worker for the block, known to others by the advisory lock that its session holds. Without
    `mail_from` it tells no recipient.
    """
    number = secrets.randbelow(2**31)
    connection.execute("select pg_advisory_lock(%s, %s)", (_WORKER_LOCKS, number))
    try:
        yield Worker(connection, number, run_id=run_id, mail_from=mail_from)
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s, %s)", (_WORKER_LOCKS, number))
