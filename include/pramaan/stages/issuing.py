"""Issues certificates that wait, in this process or on all cores. Needs no lock: workers take leases."""

from collections.abc import Callable
from uuid import UUID

from pramaan.certificates.issue import ChunkResult, WorkerConfig
from pramaan.certificates.issue import issue_chunk as issue_on
from pramaan.certificates.workers import issue_all as issue_all_on
from pramaan.database.connect import Connection
from pramaan.lifecycle.issuing import count_pending, make_due
from pramaan.mail.addresses import Sender
from pramaan.settings import Settings

__all__ = ["count_due", "issue_all", "issue_chunk", "worker_config_of"]


def worker_config_of(settings: Settings, *, url: str) -> WorkerConfig:
    """What workers of this home print with, on the database at `url`."""
    return WorkerConfig(
        database_url=url,
        store_url=settings.store_url,
        timezone=settings.timezone,
        fonts_folder=settings.home / "fonts",
        pages_folder=settings.home / "pages",
        mail_from=Sender.parse(settings.mail_from),
    )


def count_due(connection: Connection) -> int:
    """How many certificates are due now."""
    return count_pending(connection)


def issue_chunk(worker_config: WorkerConfig, *, limit: int, run_id: UUID | None) -> ChunkResult:
    """Issue up to `limit` certificates in this process, whichever no other worker holds.

    Raises StoreError or DatabaseError: what was recorded stays, the rest is free again.
    """
    if not limit:
        return ChunkResult()
    return issue_on(worker_config, limit=limit, run_id=run_id)


def issue_all(
    connection: Connection,
    worker_config: WorkerConfig,
    *,
    run_id: UUID | None,
    on_attempts: Callable[[int], None] = lambda _: None,
    on_total: Callable[[int], None] = lambda _: None,
) -> ChunkResult:
    """Issue until nothing is left, on all cores; those that wait for a later attempt are tried now, once."""
    due_by = make_due(connection)
    waiting = count_pending(connection, due_by=due_by)
    on_total(waiting)
    if not waiting:
        return ChunkResult()
    return issue_all_on(worker_config, due_by=due_by, run_id=run_id, waiting=waiting, on_attempts=on_attempts)
