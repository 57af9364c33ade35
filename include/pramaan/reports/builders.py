"""The work of a builder: claim what waits, build it, send it, until nothing is left.

Any number of builders may run at once. One of them claims the request that has waited longest; the others
claim small reports only, so that these never wait behind large ones.
"""

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import psycopg

from pramaan.errors import DatabaseError, PramaanError, ReportError, StoreError
from pramaan.mail.ledger import SMALL_BYTES
from pramaan.mail.send import Sent
from pramaan.reports.building import BuildContext, build_report, discard_files
from pramaan.reports.failures import notify_failure
from pramaan.reports.ledger import (
    MOST_ATTEMPTS,
    Builder,
    ClaimedRequest,
    open_builder,
    record_failed,
)

if TYPE_CHECKING:
    from pramaan.database.connect import Connection

__all__ = ["MOST_BUILDERS", "BuilderTotals", "work"]

log = logging.getLogger(__name__)

MOST_BUILDERS: Final = 2
"""At once: one for all reports and one for small ones."""

_SMALL_ROWS: Final = 10_000
"""A report with this many rows is built in less than a second."""

_LARGE_LOCK: Final = 0x5072616D61616E05
"""Advisory lock of the one builder that claims large reports, too."""

_SLOT_LOCK: Final = 0x50726D5A
"""Class of the advisory locks of builder slots; there are as many as builders may run at once."""

_OLDEST_SCRATCH_SECONDS: Final = 6 * 60 * 60
"""Longer than any report takes to build."""


@dataclass(slots=True)
class BuilderTotals:
    """What a builder did: reports built, given back or failed, and mails sent or failed."""

    built: int = 0
    given_back: int = 0
    sent: int = 0
    failed: int = 0


def work(
    connection: "Connection",
    *,
    context: BuildContext,
    send: Callable[[int | None], Sent],
    request_id: UUID | None = None,
) -> BuilderTotals:
    """Build and send until nothing waits, unless the maximum number of builders already runs; only one
    request, whatever its size and however many builders run, if it is named.

    `send` hands over the mails of built reports with files of at most so many bytes, or lets them wait.
    """
    worked = BuilderTotals()
    with _slot(connection, wanted=request_id is None) as has_place, open_builder(connection) as builder:
        is_done = not has_place
        context.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale_scratch(context.folder)
        while not is_done:
            with _large_lock(connection, wanted=request_id is None) as has_large_lock:
                most_rows = None if has_large_lock or request_id else _SMALL_ROWS
                claimed = builder.claim(most_rows=most_rows, request_id=request_id)
                if claimed:
                    end = _build(connection, builder, claimed, context=context)
                    setattr(worked, end, getattr(worked, end) + 1)
                # Sending takes a while, and more requests may wait by then.
                most_bytes = None if most_rows is None else SMALL_BYTES
                is_done = not _send(worked, send, most_bytes=most_bytes) and claimed is None
    return worked


@contextmanager
def _slot(connection: "Connection", *, wanted: bool) -> Iterator[bool]:
    """Hold a builder slot for the block; yields whether it has one. Without `wanted` no slot is needed."""
    place = _free_slot(connection) if wanted else None
    try:
        yield not wanted or place is not None
    finally:
        if place is not None and not connection.closed:
            connection.execute("select pg_advisory_unlock(%s, %s)", (_SLOT_LOCK, place))


def _free_slot(connection: "Connection") -> int | None:
    for place in range(MOST_BUILDERS):
        row = connection.execute("select pg_try_advisory_lock(%s, %s)", (_SLOT_LOCK, place)).fetchone()
        if row and row[0]:
            return place
    return None


@contextmanager
def _large_lock(connection: "Connection", *, wanted: bool) -> Iterator[bool]:
    """Hold the lock for large reports during the block; yields whether this builder has it."""
    row = connection.execute("select %s and pg_try_advisory_lock(%s)", (wanted, _LARGE_LOCK)).fetchone()
    has_it = bool(row and row[0])
    try:
        yield has_it
    finally:
        if has_it and not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (_LARGE_LOCK,))


def _build(
    connection: "Connection", builder: Builder, claimed: ClaimedRequest, *, context: BuildContext
) -> str:
    """Build one report and record its outcome; returns `built`, `given_back` or `failed`."""
    try:
        _check_crash_count(claimed)
        return "built" if build_report(connection, builder, claimed, context=context) else "given_back"
    except ReportError as error:
        error_class, told = error.code, str(error)
    except Exception as error:  # noqa: BLE001 - one report never stops the others
        # Neither its message nor its traceback is logged: they may quote a name.
        log.error("report %s: %s", claimed.request_id, type(error).__name__)  # noqa: TRY400
        if _is_transient(error):
            told = str(error) if isinstance(error, PramaanError) else type(error).__name__
            # Perhaps another process used the memory, perhaps the report is too large.
            is_free = not isinstance(error, MemoryError)
            with connection.transaction():
                is_over = builder.give_back(claimed, error_class="unavailable", error=told, is_free=is_free)
                if is_over:
                    _notify_failure(connection, claimed, "given_up", context=context)
            if is_over:
                discard_files(claimed, context=context)
            return "failed" if is_over else "given_back"
        error_class, told = "internal_error", f"it cannot be built: {type(error).__name__}"
    with connection.transaction():
        if record_failed(connection, claimed.request_id, error_class=error_class, error=told):
            _notify_failure(connection, claimed, error_class, context=context)
    discard_files(claimed, context=context)
    return "failed"


def _notify_failure(
    connection: "Connection", claimed: ClaimedRequest, error_class: str, *, context: BuildContext
) -> None:
    notify_failure(
        connection,
        claimed.request_id,
        error_class=error_class,
        timezone=context.zone.key,
        sender=context.sender,
    )


def _remove_stale_scratch(folder: Path) -> None:
    """Remove what killed builders left: names, and workbooks before they are encrypted."""
    oldest = time.time() - _OLDEST_SCRATCH_SECONDS
    for left in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if left.stat().st_mtime < oldest:
                shutil.rmtree(left, ignore_errors=True)


def _check_crash_count(claimed: ClaimedRequest) -> None:
    """Raises ReportError `builder_died` when too many builders have died on this request."""
    if claimed.attempt > MOST_ATTEMPTS:
        raise ReportError("builder_died", f"{MOST_ATTEMPTS} builders died while they built it")


def _is_transient(error: Exception) -> bool:
    """Whether the error may be gone when the report is tried again."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(cause, StoreError | psycopg.OperationalError | OSError | MemoryError)


def _send(worked: BuilderTotals, send: Callable[[int | None], Sent], *, most_bytes: int | None) -> bool:
    """Hand over what is due; returns whether any mail was sent or failed."""
    sent = send(most_bytes)
    worked.sent += sent.sent
    worked.failed += sent.failed
    return bool(sent.sent or sent.failed)
