"""Loads landed files into the raw tables, each exactly once by content, in one transaction a file.

A file's rows, its quarantine, the keys it touched and its line in `ops.loads` are committed together or not
at all; only then does the file move away. Whatever a crash leaves behind, the next run finds: a file that
waits, or one already loaded.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import duckdb
import psycopg
import pyarrow as pa

from pramaan.database.connect import Connection
from pramaan.errors import FeedError
from pramaan.feeds import sql
from pramaan.feeds.chunks import Reject, plain_text
from pramaan.feeds.landing import LandedFile, Landing, LocalCopy, sha256_of
from pramaan.feeds.merge import Merger, copy_payload
from pramaan.feeds.sources import file_format, open_source
from pramaan.feeds.spec import FEEDS, FeedSpec
from pramaan.feeds.validate import Checked, Validator, open_judge

__all__ = ["FileLoaded", "load_file", "load_waiting"]

log = logging.getLogger(__name__)

Progress = Callable[[int], None]

_UNKNOWN_COLUMNS_KEPT = 1000
_CHUNKS_AHEAD = 4
"""Read while Postgres merges; each takes some megabytes."""


@dataclass(frozen=True, slots=True)
class FileLoaded:
    """What became of one file.

    `status` is loaded, known (these bytes were loaded before), quarantined, or waiting (it could not be read
    now, and nothing of it is loaded). `remark` says what a person should know of the file as a whole.
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
    judge: duckdb.DuckDBPyConnection

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

    No file holds up the others: one that cannot be used is quarantined, one that cannot be read now goes on
    waiting. Raises StoreError when the landing folder cannot be listed, psycopg's OperationalError (which
    `connect` turns into DatabaseError) when Postgres goes away; the file under way then waits, whole, for the
    next run.
    """
    with open_judge() as judge:
        for file in landing.waiting(feeds=feeds):
            yield load_file(connection, landing, file, loaded_at=now(), judge=judge, on_rows=on_rows)


def load_file(
    connection: Connection,
    landing: Landing,
    file: LandedFile,
    *,
    loaded_at: datetime,
    judge: duckdb.DuckDBPyConnection,
    on_rows: Progress = lambda _: None,
) -> FileLoaded:
    """Load one file and move it away; `on_rows` hears of each chunk's rows.

    Safe to repeat: the same bytes load once.
    """
    name = file.shown_name
    try:
        with landing.local_copy(file) as copy:
            arrival = _Arrival(file, copy, sha256_of(copy.path), loaded_at, judge)
            loaded = _commit(connection, arrival, on_rows=on_rows)
    except _ChangedError:
        log.warning("file %s of %s changed while it was read; it waits for the next run", name, file.feed)
        return FileLoaded(file.feed, name, "waiting", remark="it changed while it was read")
    except OSError as error:
        log.warning("file %s of %s cannot be read and waits: %s", name, file.feed, error)
        return FileLoaded(file.feed, name, "waiting", remark=f"it cannot be read: {error.strerror or error}")
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


def _commit(connection: Connection, arrival: _Arrival, *, on_rows: Progress) -> FileLoaded:
    """Commit the file's rows, or its quarantine.

    Raises _ChangedError or OSError, and commits nothing, when it is still written to or cannot be read.
    """
    try:
        with connection.transaction():
            load_id = _claim(connection, arrival, status="loading")
            if load_id is None:
                return arrival.became("known")
            loaded = _load(connection, arrival, load_id=load_id, on_rows=on_rows)
            arrival.refuse_changed()
    except (_ChangedError, OSError, MemoryError, psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a file brings about, nobody else waits for it
        arrival.refuse_changed()
        rule, message = _fault(error)
        with connection.transaction():
            load_id = _claim(connection, arrival, status="quarantined")
            if load_id is not None:
                _add_quarantine(connection, load_id, [Reject(None, rule, message)])
        return arrival.became("quarantined")
    return loaded


def _fault(error: Exception) -> tuple[str, str]:
    """The rule and the message of a file's quarantine."""
    if isinstance(error, FeedError):
        return error.rule, plain_text(str(error))
    if isinstance(error, psycopg.Error):
        return "refused_by_postgres", plain_text(str(error))
    log.error("a file could not be loaded, by a fault of ours", exc_info=error)
    return "internal_error", f"{type(error).__name__}: a fault of ours; the log of this time has more"


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
    rows = quarantined = 0
    unknown: set[str] = set()
    with closing(_checked_chunks(arrival, spec)) as chunks:
        for checked, payload in chunks:
            refused = merger.add(checked, payload)
            rejects = (*checked.rejects, *refused)
            _add_quarantine(connection, load_id, rejects)
            rows += checked.rows.num_rows - len(refused)
            quarantined += len(rejects)
            if len(unknown) < _UNKNOWN_COLUMNS_KEPT:
                unknown.update(plain_text(name)[:200] for name in checked.unknown_columns)
            on_rows(checked.rows.num_rows + len(checked.rejects))
    changed = merger.finish()
    named = sorted(unknown)[:_UNKNOWN_COLUMNS_KEPT]
    connection.execute(sql.FINISH_LOAD, (rows, changed, quarantined, named, load_id))
    if named:
        log.warning("load %d: columns that the contract does not know were left out: %s", load_id, named[:50])
    remark = f"left out, being no column of {spec.name}: {', '.join(named[:20])}" if named else ""
    loaded = replace(arrival.became("loaded"), rows=rows, rows_changed=changed, rows_quarantined=quarantined)
    return replace(loaded, remark=remark)


def _checked_chunks(arrival: _Arrival, spec: FeedSpec) -> Generator[tuple[Checked, bytes], None, None]:
    """Checked chunks with their COPY payload, some ahead: reading and Postgres share the cores."""
    fmt = file_format(arrival.file.name)
    if fmt is None:
        raise FeedError(
            "unknown_format", "the name ends in none of .parquet, .csv, .csv.gz, .jsonl, .jsonl.gz"
        )
    source = open_source(arrival.copy.path, spec=spec, fmt=fmt)
    validator = Validator(spec, loaded_at=arrival.loaded_at, judge=arrival.judge)
    with closing(source), ThreadPoolExecutor(1, "reader") as reader:

        def read() -> tuple[Checked, bytes] | None:
            chunk = next(source.chunks, None)
            if chunk is None:
                return None
            checked = validator.check(chunk)
            return checked, copy_payload(checked.rows)

        ahead = deque(reader.submit(read) for _ in range(_CHUNKS_AHEAD))
        try:
            while (ready := ahead.popleft().result()) is not None:
                ahead.append(reader.submit(read))
                yield ready
        finally:
            reader.shutdown(cancel_futures=True)


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
