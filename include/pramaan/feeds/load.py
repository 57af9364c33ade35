"""Loads landed files into the raw tables, each exactly once by content, in one transaction a file.

A file's rows, its quarantine, the keys it touched and its line in `ops.loads` are committed together or not at all; only
then does the file move away. Whatever a crash leaves behind, the next run finds: a file that waits, or one already loaded.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv

from pramaan.database.connect import Connection
from pramaan.errors import FeedError
from pramaan.feeds import sql
from pramaan.feeds.landing import LandedFile, Landing, sha256_of
from pramaan.feeds.sources import Reject, file_format, open_source
from pramaan.feeds.spec import FEEDS, FeedSpec
from pramaan.feeds.validate import Checked, Validator

__all__ = ["FileLoaded", "load_file", "load_waiting"]

log = logging.getLogger(__name__)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FileLoaded:
    """What became of one file. `status` is loaded, known (these bytes were loaded before) or quarantined."""

    feed: str
    name: str
    status: str
    rows: int = 0
    rows_changed: int = 0
    rows_quarantined: int = 0


def load_waiting(
    connection: Connection,
    landing: Landing,
    *,
    now: Callable[[], datetime],
    on_rows: Progress = lambda _: None,
) -> Iterator[FileLoaded]:
    """Load every file that waits in the landing folder, yielding what became of each.

    A file that cannot be used is quarantined and the next one follows. Raises DatabaseError or OSError when the world
    outside fails; the file under way then waits, whole, for the next run.
    """
    for file in landing.waiting():
        yield load_file(connection, landing, file, loaded_at=now(), on_rows=on_rows)


def load_file(
    connection: Connection,
    landing: Landing,
    file: LandedFile,
    *,
    loaded_at: datetime,
    on_rows: Progress = lambda _: None,
) -> FileLoaded:
    """Load one file and move it away. Safe to repeat: the same bytes load once. `on_rows` hears of each chunk's rows."""
    with landing.local_copy(file) as path:
        sha256 = sha256_of(path)
        try:
            with connection.transaction():
                loaded = _load(connection, file, path, sha256=sha256, loaded_at=loaded_at, on_rows=on_rows)
        except (FeedError, psycopg.DataError) as error:
            loaded = _quarantine_whole(connection, file, path, error, sha256=sha256, loaded_at=loaded_at)
    landing.put_away(file, sha256=sha256, folder="_quarantined" if loaded.status == "quarantined" else "_loaded")
    log.info(
        "load of %s file %s: %s, %d rows, %d changed, %d quarantined",
        file.feed, sha256[:12], loaded.status, loaded.rows, loaded.rows_changed, loaded.rows_quarantined,
    )  # fmt: skip
    return loaded


def _load(
    connection: Connection, file: LandedFile, path: Path, *, sha256: str, loaded_at: datetime, on_rows: Progress
) -> FileLoaded:
    spec = FEEDS[file.feed]
    load_id = _claim(connection, file, path, sha256=sha256, status="loading", loaded_at=loaded_at)
    if load_id is None:
        return FileLoaded(file.feed, file.name, _known_status(connection, file.feed, sha256))
    fmt = file_format(file.name)
    if fmt is None:
        raise FeedError("unknown_format", "the name ends in none of .parquet, .csv, .csv.gz, .jsonl, .jsonl.gz")
    connection.execute(sql.create_incoming(spec))
    rows = changed = quarantined = 0
    unknown: set[str] = set()
    for checked, payload in _checked_chunks(path, spec, fmt, loaded_at=loaded_at):
        changed += _merge(connection, spec, payload, load_id)
        _add_quarantine(connection, load_id, checked.rejects)
        rows += checked.rows.num_rows
        quarantined += len(checked.rejects)
        unknown |= checked.unknown_columns
        on_rows(checked.rows.num_rows + len(checked.rejects))
    connection.execute(sql.FINISH_LOAD, (rows, changed, quarantined, sorted(unknown), load_id))
    if unknown:
        log.warning("load %d: columns that the contract does not know were left out: %s", load_id, sorted(unknown))
    return FileLoaded(file.feed, file.name, "loaded", rows, changed, quarantined)


def _checked_chunks(path: Path, spec: FeedSpec, fmt: str, *, loaded_at: datetime) -> Iterator[tuple[Checked, bytes]]:
    """Checked chunks with their COPY payload, one chunk ahead: reading and Postgres share the two cores."""
    source = open_source(path, spec=spec, fmt=fmt)
    with Validator(spec, loaded_at=loaded_at) as validator, ThreadPoolExecutor(1, "reader") as reader:

        def read() -> tuple[Checked, bytes] | None:
            chunk = next(source.chunks, None)
            if chunk is None:
                return None
            checked = validator.check(chunk)
            return checked, _copy_payload(checked.rows)

        try:
            ahead = reader.submit(read)
            while (ready := ahead.result()) is not None:
                ahead = reader.submit(read)
                yield ready
        finally:
            reader.shutdown(cancel_futures=True)
            source.close()


def _copy_payload(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(rows, sink, pa_csv.WriteOptions(include_header=False))
    return cast(bytes, sink.getvalue().to_pybytes())


def _merge(connection: Connection, spec: FeedSpec, payload: bytes, load_id: int) -> int:
    if not payload:
        return 0
    with connection.cursor() as cursor:
        with cursor.copy(sql.copy_incoming(spec)) as copy:
            copy.write(payload)
        cursor.execute(sql.merge_incoming(spec), {"load_id": load_id})
        row = cursor.fetchone()
        cursor.execute(sql.TRUNCATE_INCOMING)
    return cast(int, row[0]) if row else 0


def _claim(
    connection: Connection, file: LandedFile, path: Path, *, sha256: str, status: str, loaded_at: datetime
) -> int | None:
    """The new load's id, or None when these bytes are known in this feed."""
    values = (file.feed, file.uri, sha256, status, path.stat().st_size, loaded_at)
    row = connection.execute(sql.CLAIM_LOAD, values).fetchone()
    return cast(int, row[0]) if row else None


def _known_status(connection: Connection, feed: str, sha256: str) -> str:
    row = connection.execute(sql.KNOWN_LOAD, (feed, sha256)).fetchone()
    return "quarantined" if row and row[0] == "quarantined" else "known"


def _add_quarantine(connection: Connection, load_id: int, rejects: Iterable[Reject]) -> None:
    with connection.cursor() as cursor, cursor.copy(sql.ADD_QUARANTINE) as copy:
        for r in rejects:
            copy.write_row((load_id, r.row_number, r.rule, r.column_name, r.message, r.raw_row))


def _quarantine_whole(
    connection: Connection,
    file: LandedFile,
    path: Path,
    error: FeedError | psycopg.DataError,
    *,
    sha256: str,
    loaded_at: datetime,
) -> FileLoaded:
    rule = error.rule if isinstance(error, FeedError) else "refused_by_postgres"
    with connection.transaction():
        load_id = _claim(connection, file, path, sha256=sha256, status="quarantined", loaded_at=loaded_at)
        if load_id is not None:
            _add_quarantine(connection, load_id, [Reject(None, rule, str(error))])
    return FileLoaded(file.feed, file.name, "quarantined")
