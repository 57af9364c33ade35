"""A worker's side of the queue of certificates to issue, which is the registry itself.

A certificate enters as `pending` with all that will be printed on it (`pramaan.certificates.enqueue`), and
leaves as `issued` or `failed`. What may become of it, and in which statement, says `pramaan.lifecycle`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from pramaan.certificates.notices import queue_issue_notices
from pramaan.database.connect import Connection
from pramaan.lifecycle import issuing
from pramaan.lifecycle.issuing import Claim, Failure, Issued
from pramaan.mail.addresses import Sender

__all__ = ["Worker", "open_worker"]


class Worker:
    """A worker; made by `open_worker`, alive as long as its session."""

    def __init__(
        self, connection: Connection, number: int, *, run_id: UUID | None, mail_from: Sender | None
    ) -> None:
        self._connection = connection
        self._number = number
        self._run_id = run_id
        self._mail_from = mail_from

    def claim(self, limit: int, *, due_by: datetime | None = None) -> list[Claim]:
        """Lease up to `limit` pending certificates that are due and that no living worker holds; no poison.

        They come ordered by id.
        """
        return issuing.claim(self._connection, holder=self._number, limit=limit, due_by=due_by)

    def claim_poison(self, *, due_by: datetime | None = None) -> Claim | None:
        """Lease one poison: a certificate whose last three workers died before any outcome."""
        return issuing.claim_poison(self._connection, holder=self._number, due_by=due_by)

    def has_poison(self, *, due_by: datetime | None = None) -> bool:
        """Whether any poison is due, held by someone or not. Reads all that is pending."""
        return issuing.has_poison(self._connection, due_by=due_by)

    def record(self, issued: Sequence[Issued], failures: Sequence[Failure]) -> set[str]:
        """Record what became of claimed certificates, with an outcome row each, in one transaction; with it,
        recipients that are to be told get their mail queued.

        Returns the ids recorded as issued: one that was withdrawn meanwhile, or whose lease was lost, is not
        among them.
        """
        with self._connection.transaction():
            recorded = issuing.record(
                self._connection, issued, failures, holder=self._number, run_id=self._run_id
            )
            if self._mail_from:
                queue_issue_notices(self._connection, recorded, sender=self._mail_from)
        return recorded

    def is_recorded(self, issued: Issued) -> bool:
        """Whether the registry knows this very file as the certificate's, or somebody may be about to record
        it: the same facts make the same file.
        """
        row = self._connection.execute(
            "select pdf_path = %s or status in ('pending', 'held') from registry.certificates "
            "where certificate_id = %s",
            (issued.pdf_path, issued.certificate_id),
        ).fetchone()
        return bool(row and row[0])

    def release(self, claims: Sequence[Claim]) -> None:
        """Give back claims that were not tried."""
        issuing.give_back(self._connection, [one.certificate_id for one in claims], holder=self._number)


@contextmanager
def open_worker(
    connection: Connection, *, run_id: UUID | None, mail_from: Sender | None = None
) -> Iterator[Worker]:
    """A worker for the block, known to others by the advisory lock that its session holds. Without
    `mail_from` it tells no recipient.
    """
    with issuing.QUEUE.open_holder(connection) as number:
        yield Worker(connection, number, run_id=run_id, mail_from=mail_from)
