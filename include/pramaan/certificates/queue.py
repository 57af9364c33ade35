"""The queue of certificates to issue, which is the registry itself: everything that is said to
`registry.certificates` between a decision and a recorded PDF.

A certificate enters as `pending` with all that will be printed on it, and leaves as `issued` or `failed`.
Workers take leases. A lease ends when it expires or when its worker's database session is gone, whichever
comes first, so that what a killed worker held is free at once.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from pramaan.certificates.identity import IdentityKey
from pramaan.database.connect import Connection

__all__ = [
    "FAULTS_OF_OURS",
    "Claim",
    "Enqueued",
    "Issued",
    "Postponed",
    "Worker",
    "count_waiting",
    "enqueue_entitled",
    "make_due",
    "open_worker",
]

LEASE = timedelta(minutes=10)
FAULTS_OF_OURS = ("internal_error", "template_error", "missing_field", "invalid_field")
"""Error classes that a mended program or template may do away with; the others need other facts."""
_WORKER_LOCKS = 0x50726D57
"""First half of the advisory locks that live workers hold; the second is the worker's number."""

_ENTITLED = """
    create temp table entitled on commit drop as
    select
        decisions.user_id, decisions.course_id, decisions.batch_id,
        decisions.attachment_id, decisions.completed_at,
        users.name as recipient_name,
        jsonb_build_object(
            'recipient_name', users.name,
            'course_name', course_versions.name,
            'completed_at', to_char(decisions.completed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'issuer_name', issuers.name,
            'issuer_url', issuers.url,
            'signatory_name', issuers.signatory_name,
            'signatory_designation', issuers.signatory_designation,
            'language', case
                when users.language ~ '^[A-Za-z]{{2,3}}(-[A-Za-z0-9]{{1,8}})*$' then users.language
                else 'en'
            end
        ) as render_input
    from {decisions}
    inner join lateral (
        select * from raw.users as users where users.user_id = decisions.user_id offset 0
    ) as users on true
    inner join intermediate.int_course_versions as course_versions
        on decisions.course_id = course_versions.course_id
        and decisions.completed_at >= course_versions.in_force_from
        and decisions.completed_at < course_versions.in_force_to
    inner join registry.attachments as attachments on decisions.attachment_id = attachments.attachment_id
    inner join registry.issuer_versions as issuers
        on attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
    where decisions.decision = 'entitled';

    create index on entitled (user_id, batch_id);
    analyze entitled
"""

_ALL = "marts.fct_certificate_decisions as decisions"

# Looked up key by key, for the reason that stands in dbt/macros/planned_alone.sql.
_IN_SCOPE = """
    pg_temp.keys_in_scope as scope
    inner join lateral (
        select * from marts.fct_certificate_decisions as decisions
        where decisions.user_id = scope.user_id and decisions.batch_id = scope.batch_id
        offset 0
    ) as decisions on true
"""

# What is not issued yet follows the facts, also while a worker renders it: the worker then finds nothing to
# record and takes its file back.
_WITHDRAW = """
    delete from registry.certificates as waiting
    {using}
    where waiting.status in ('pending', 'failed', 'held') and waiting.sequence = 1
        {same_key}
        and not exists (
            select from entitled
            where entitled.user_id = waiting.user_id
                and entitled.batch_id = waiting.batch_id
                and entitled.course_id = waiting.course_id
                and entitled.attachment_id = waiting.attachment_id
                and entitled.render_input = waiting.render_input - array['certificate_id', 'verify_url']
        )
"""

_WITHOUT_CERTIFICATE = """
    select user_id, course_id, batch_id from entitled
    where not exists (
        select from registry.certificates as known
        where known.user_id = entitled.user_id and known.course_id = entitled.course_id
            and known.batch_id = entitled.batch_id and known.sequence = 1
    )
"""

_IDENTIFIED = """
    create temp table identified (user_id text, course_id text, batch_id text, certificate_id text)
    on commit drop
"""

_ENQUEUE = """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status,
         render_input)
    select
        certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, 'pending',
        render_input || jsonb_build_object(
            'certificate_id', certificate_id, 'verify_url', %(verify_base)s || certificate_id
        )
    from entitled
    inner join identified using (user_id, course_id, batch_id)
    on conflict do nothing
"""

_CLAIM = """
    with free as materialized (
        select certificate_id from registry.certificates
        where status = 'pending' and next_attempt_at <= %(due_by)s
            and (
                lease_id is null or lease_expires_at < now()
                or not exists (
                    select from pg_locks
                    where locktype = 'advisory' and objsubid = 2
                        and classid = %(worker_locks)s and objid = lease_id
                        and database = (select oid from pg_database where datname = current_database())
                )
            )
        order by next_attempt_at, certificate_id
        limit %(limit)s
        for update skip locked
    )
    update registry.certificates as claimed
    set lease_id = %(worker)s, lease_expires_at = now() + %(lease)s, attempts = claimed.attempts + 1
    from free, registry.attachments as attachments, registry.issuer_versions as issuers
    where claimed.certificate_id = free.certificate_id
        and claimed.attachment_id = attachments.attachment_id
        and attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
    returning claimed.certificate_id, claimed.attempts, claimed.render_input,
        attachments.template_id, attachments.template_version, issuers.signature_sha256,
        claimed.user_id, claimed.attachment_id::text
"""

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
class Enqueued:
    """What a batch changed in the queue."""

    pending: int
    withdrawn: int


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


def enqueue_entitled(
    connection: Connection, *, key: IdentityKey, public_url: str, in_scope: bool
) -> Enqueued:
    """Make entitled decisions pending certificates and withdraw what no longer stands, in the caller's
    transaction.

    With `in_scope` only for the keys of the session table `keys_in_scope`; otherwise for all. Safe to
    repeat: a completion that has a certificate, whatever became of it, gets no other.
    """
    connection.execute(_ENTITLED.format(decisions=_IN_SCOPE if in_scope else _ALL))
    using = "using pg_temp.keys_in_scope as scope" if in_scope else ""
    same_key = "and waiting.user_id = scope.user_id and waiting.batch_id = scope.batch_id" if in_scope else ""
    withdrawn = connection.execute(_WITHDRAW.format(using=using, same_key=same_key)).rowcount
    _identify(connection, key)
    pending = connection.execute(_ENQUEUE, {"verify_base": f"{public_url}/verify/"}).rowcount
    return Enqueued(pending, withdrawn)


def _identify(connection: Connection, key: IdentityKey) -> None:
    """Give ids to the entitled that have no certificate; here and not in SQL, so that the key stays here."""
    fresh = cast(list[tuple[str, str, str]], connection.execute(_WITHOUT_CERTIFICATE).fetchall())
    connection.execute(_IDENTIFIED)
    with connection.cursor() as cursor, cursor.copy("copy identified from stdin") as copy:
        for completion in fresh:
            copy.write_row((*completion, key.certificate_id(*completion)))


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

    def __init__(self, connection: Connection, number: int, *, run_id: UUID | None) -> None:
        self._connection = connection
        self._number = number
        self._run_id = run_id

    def claim(self, limit: int, *, due_by: datetime) -> list[Claim]:
        """Lease up to `limit` pending certificates that are due and that no living worker holds."""
        rows = self._connection.execute(
            _CLAIM,
            {
                "worker": self._number,
                "lease": LEASE,
                "due_by": due_by,
                "limit": limit,
                "worker_locks": _WORKER_LOCKS,
            },
        ).fetchall()
        return [
            Claim(*row)
            for row in sorted(
                cast(list[tuple[str, int, dict[str, str | None], str, str, str | None, str, str]], rows)
            )
        ]

    def record(self, issued: Sequence[Issued], postponed: Sequence[Postponed]) -> set[str]:
        """Record what became of claimed certificates, with an outcome row each, in one transaction.

        Returns the ids recorded as issued: one that was withdrawn meanwhile, or whose lease was lost, is not
        among them.
        """
        with self._connection.transaction():
            for p in postponed:
                self._record_failure(p)
            return self._record_issued(issued) if issued else set()

    def is_recorded(self, issued: Issued) -> bool:
        """Whether the registry knows this very file as the certificate's."""
        row = self._connection.execute(
            "select pdf_uri = %s from registry.certificates where certificate_id = %s",
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
def open_worker(connection: Connection, *, run_id: UUID | None) -> Iterator[Worker]:
    """A worker for the block, known to others by the advisory lock that its session holds."""
    number = secrets.randbelow(2**31)
    connection.execute("select pg_advisory_lock(%s, %s)", (_WORKER_LOCKS, number))
    try:
        yield Worker(connection, number, run_id=run_id)
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s, %s)", (_WORKER_LOCKS, number))
