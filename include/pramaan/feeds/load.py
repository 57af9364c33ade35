"""Loads landed files into the raw tables, each exactly once by content, in one transaction a file.

A file's rows, its quarantine, the keys it touched and its line in `ops.loads` are committed together or not
at all; only then does the file move away. Whatever a crash leaves behind, the next run finds: a file that
waits, or one already loaded.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import duckdb
import pyarrow as pa

from pramaan.database.connect import Connection
from pramaan.errors import FeedError, LoadError
from pramaan.feeds import sql
from pramaan.feeds.attempts import (
    CRASHES_BEFORE_SANDBOX,
    attempt,
    last_those_that_kill,
    read_in_sandbox,
    refuse_after_too_many,
)
from pramaan.feeds.checked import CheckedFile, open_checked
from pramaan.feeds.chunks import Reject, plain_text
from pramaan.feeds.faults import what_to_do
from pramaan.feeds.landing import LandedFile, Landing, LocalCopy, sha256_of
from pramaan.feeds.merge import Merger, copy_payload
from pramaan.feeds.spec import FEEDS, FeedSpec
from pramaan.feeds.tally import MostlyBrokenError, Tally
from pramaan.feeds.validate import open_validator

__all__ = ["FileLoaded", "load_file", "load_waiting", "refuse_failed"]

log = logging.getLogger(__name__)

Progress = Callable[[int], None]

_FAILED_NAMED = 20


@dataclass(frozen=True, slots=True)
class FileLoaded:
    """What became of one file.

    `status` is loaded, known (these bytes were loaded before), quarantined (the file as a whole breaks the
    contract), waiting (it could not be read now) or failed (by a fault of ours). Of the last three nothing is
    loaded, and the last two stay where they are. `remark` says what a person should know of the whole file.
    """

    feed: str
    name: str
    status: str
    rows: int = 0
    rows_changed: int = 0
    rows_quarantined: int = 0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A file on this machine, about to be loaded."""

    file: LandedFile
    copy: LocalCopy
    sha256: str
    loaded_at: datetime
    validate: duckdb.DuckDBPyConnection

    def became(self, status: str) -> FileLoaded:
        return FileLoaded(self.file.feed, self.file.shown_name, status)

    def refuse_changed(self) -> None:
        if not self.copy.is_current():
            raise _ChangedError


class _ChangedError(Exception):
    """The file was written to while it was read."""


def load_waiting(
    connection: Connection,
    landing: Landing,
    *,
    now: Callable[[], datetime],
    feeds: Collection[str] = FEEDS,
    on_rows: Progress = lambda _: None,
) -> Iterator[FileLoaded]:
    """Load every file of `feeds` that waits in the landing folder, yielding what became of each. Two loads
    of different feeds may run at once, each on a connection of its own.

    Files on which a reader died come last. No file holds up the others: one that cannot be used is
    quarantined; one that cannot be read now, or that a fault of ours keeps from loading, goes on waiting.
    Whoever asked calls `refuse_failed` in the end.

    Raises StoreError when the landing folder cannot be listed, psycopg's OperationalError (which `connect`
    turns into DatabaseError) when Postgres goes away; the file under way then waits, whole, for the next run.
    """
    files = last_those_that_kill(connection, landing.waiting(feeds=feeds))
    if not files:
        return
    with open_validator() as validate:
        for file in files:
            yield load_file(connection, landing, file, loaded_at=now(), validate=validate, on_rows=on_rows)


def load_file(
    connection: Connection,
    landing: Landing,
    file: LandedFile,
    *,
    loaded_at: datetime,
    validate: duckdb.DuckDBPyConnection,
    on_rows: Progress = lambda _: None,
) -> FileLoaded:
    """Load one file and move it away; `on_rows` hears of each chunk's rows.

    Safe to repeat: the same bytes load once. Raises psycopg's errors only where the connection is lost.
    """
    name = file.shown_name
    try:
        with landing.local_copy(file) as copy:
            arrival = _Arrival(file, copy, sha256_of(copy.path), loaded_at, validate)
            with attempt(connection, file, sha256=arrival.sha256) as crash_count:
                loaded = _commit(connection, arrival, crash_count=crash_count, on_rows=on_rows)
    except _ChangedError:
        log.warning("file %s of %s changed while it was read; it waits for the next run", name, file.feed)
        return FileLoaded(file.feed, name, "waiting", remark="it changed while it was read")
    except OSError as error:
        log.warning("file %s of %s cannot be read and waits: %s", name, file.feed, error)
        return FileLoaded(file.feed, name, "waiting", remark=f"it cannot be read: {error.strerror or error}")
    except Exception as error:
        if connection.closed:
            raise
        log.exception("file %s of %s could not be loaded, by a fault of ours; it waits", name, file.feed)
        return FileLoaded(file.feed, name, "failed", remark=what_to_do(error))
    log.info(
        "load of %s file %s: %s, %d rows, %d changed, %d quarantined",
        file.feed,
        arrival.sha256[:12],
        loaded.status,
        loaded.rows,
        loaded.rows_changed,
        loaded.rows_quarantined,
    )
    return replace(loaded, remark=_put_away(landing, arrival, status=loaded.status) or loaded.remark)


def refuse_failed(files: Sequence[FileLoaded]) -> None:
    """Raise LoadError where a fault of ours kept files from loading: for after the rest is done."""
    failed = [file for file in files if file.status == "failed"]
    if failed:
        named = "; ".join(f"{file.feed}/{file.name}: {file.remark}" for file in failed[:_FAILED_NAMED])
        more = f"; and {len(failed) - _FAILED_NAMED} more" if len(failed) > _FAILED_NAMED else ""
        raise LoadError(
            f"{len(failed)} file(s) could not be loaded, by no fault of theirs. They wait in the landing "
            f"folder, and the next run takes them up. {named}{more}"
        )


def _commit(connection: Connection, arrival: _Arrival, *, crash_count: int, on_rows: Progress) -> FileLoaded:
    """Commit the file's rows or, where the file is to blame, its quarantine; on any other error nothing.

    Raises _ChangedError or OSError when the file is still written to or cannot be read.
    """
    try:
        with connection.transaction():
            load_id = _claim(connection, arrival, status="loading")
            if load_id is None:
                seen = (arrival.loaded_at, arrival.file.feed, arrival.sha256)
                connection.execute(sql.NOTE_SEEN, seen)
                return arrival.became("known")
            if crash_count >= CRASHES_BEFORE_SANDBOX:
                _survive(arrival, crash_count=crash_count)
            loaded = _load(connection, arrival, load_id=load_id, on_rows=on_rows)
            arrival.refuse_changed()
    except FeedError as fault:
        arrival.refuse_changed()
        with connection.transaction():
            load_id = _claim(connection, arrival, status="quarantined")
            if load_id is not None:
                examples = fault.examples if isinstance(fault, MostlyBrokenError) else ()
                whole = Reject(None, fault.rule, plain_text(str(fault)))
                _add_quarantine(connection, load_id, [whole, *examples])
        return replace(arrival.became("quarantined"), remark=plain_text(str(fault)))
    return loaded


def _put_away(landing: Landing, arrival: _Arrival, *, status: str) -> str:
    """Move the file; a failure is a remark: what is committed stays, and the next run only moves the file."""
    folder = "_quarantined" if status == "quarantined" else "_loaded"
    try:
        landing.put_away(arrival.file, sha256=arrival.sha256, folder=folder)
    except OSError as error:
        name = arrival.file.shown_name
        log.warning("file %s of %s is %s but cannot be moved: %s", name, arrival.file.feed, status, error)
        return f"it cannot be moved out of the landing folder: {error.strerror or error}"
    return ""


def _load(connection: Connection, arrival: _Arrival, *, load_id: int, on_rows: Progress) -> FileLoaded:
    spec = FEEDS[arrival.file.feed]
    merger = Merger(connection, spec, load_id=load_id)
    tally = Tally()
    with _open(arrival, spec) as file:
        for checked, payload in file.chunks:
            refused = merger.add(checked, payload)
            rejects = (*checked.rejects, *refused)
            tally.add(checked, rejects=rejects, rows=checked.rows.num_rows - len(refused))
            _add_quarantine(connection, load_id, rejects)
            on_rows(checked.rows.num_rows + len(checked.rejects))
    changed = merger.finish()
    named = tally.unknown_columns
    connection.execute(sql.FINISH_LOAD, (tally.rows, changed, tally.rejects, named, load_id))
    if named:
        log.warning("load %d: columns that the contract does not know were left out: %s", load_id, named[:50])
    left_out = f"left out, being no column of {spec.name}: {', '.join(named[:20])}" if named else ""
    return replace(
        arrival.became("loaded"),
        rows=tally.rows,
        rows_changed=changed,
        rows_quarantined=tally.rejects,
        remark="; ".join(filter(None, (file.remark, left_out))),
    )


def _survive(arrival: _Arrival, *, crash_count: int) -> None:
    """Raises FeedError when a child process dies of the file, or loaders died of it beyond all chance."""
    refuse_after_too_many(crash_count)
    read_in_sandbox(
        arrival.copy.path, name=arrival.file.name, feed=arrival.file.feed, loaded_at=arrival.loaded_at
    )


def _open(arrival: _Arrival, spec: FeedSpec) -> AbstractContextManager[CheckedFile]:
    return open_checked(
        arrival.copy.path,
        name=arrival.file.name,
        spec=spec,
        loaded_at=arrival.loaded_at,
        validate=arrival.validate,
    )


def _claim(connection: Connection, arrival: _Arrival, *, status: str) -> int | None:
    """The load's id, with nothing in quarantine; or None when these bytes are loaded in this feed."""
    size_bytes = arrival.copy.path.stat().st_size
    file = arrival.file
    values = (file.feed, file.uri, arrival.sha256, status, size_bytes, arrival.loaded_at)
    row = connection.execute(sql.CLAIM_LOAD, values).fetchone()
    if row is None:
        return None
    connection.execute(sql.FORGET_QUARANTINE, (row[0],))
    return cast("int", row[0])


def _add_quarantine(connection: Connection, load_id: int, rejects: Sequence[Reject]) -> None:
    if not rejects:
        return
    table = pa.table(
        {
            "load_id": pa.array([load_id] * len(rejects), pa.int64()),
            "row_number": pa.array([r.row_number for r in rejects], pa.int64()),
            "rule": pa.array([r.rule for r in rejects], pa.string()),
            "column_name": pa.array([r.column_name for r in rejects], pa.string()),
            "message": pa.array([r.message for r in rejects], pa.string()),
            "raw_row": pa.array([r.raw_row for r in rejects], pa.large_string()),
        }
    )
    with connection.cursor() as cursor, cursor.copy(sql.ADD_QUARANTINE) as copy:
        copy.write(copy_payload(table))
