"""Merges a checked chunk into its raw table; rows that only Postgres can refuse are found one by one."""

from dataclasses import dataclass
from typing import cast

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv

from pramaan.database.connect import Connection
from pramaan.feeds import sql
from pramaan.feeds.chunks import Reject, plain_text
from pramaan.feeds.spec import FeedSpec
from pramaan.feeds.validate import Checked

__all__ = ["Merged", "copy_payload", "merge"]

_ABOUT_THE_DATA = ("22", "23", "54")
"""SQLSTATE classes: data exception, constraint violation, program limit. All else is the server's fault."""


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows of the raw table changed, and which of the chunk's rows Postgres refused."""

    changed: int
    refused: tuple[Reject, ...] = ()


def copy_payload(rows: pa.Table) -> bytes:
    """Rows as the CSV that Postgres' COPY reads: text quoted, null unquoted and empty."""
    if not rows.num_rows:
        return b""
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(rows, sink, pa_csv.WriteOptions(include_header=False))
    return cast("bytes", sink.getvalue().to_pybytes())


def merge(
    connection: Connection, spec: FeedSpec, checked: Checked, payload: bytes, *, load_id: int
) -> Merged:
    """Merge the chunk whose rows `payload` holds, inside the caller's transaction."""
    if not checked.rows.num_rows:
        return Merged(0)
    try:
        return Merged(_merge_payload(connection, spec, payload, load_id=load_id))
    except psycopg.Error as error:
        if not _is_about_data(error):
            raise
    return _merge_range(connection, spec, checked, 0, checked.rows.num_rows, load_id=load_id)


def _merge_range(
    connection: Connection, spec: FeedSpec, checked: Checked, start: int, stop: int, *, load_id: int
) -> Merged:
    """Merge some of the rows, halving them until the refused ones stand alone."""
    try:
        payload = copy_payload(checked.rows.slice(start, stop - start))
        return Merged(_merge_payload(connection, spec, payload, load_id=load_id))
    except psycopg.Error as error:
        if not _is_about_data(error):
            raise
        if stop - start == 1:
            said = plain_text(error.diag.message_primary or str(error))
            message = f"Postgres cannot keep the row: {said}"
            return Merged(0, (checked.reject(start, rule="refused_by_postgres", message=message),))
    middle = (start + stop) // 2
    one = _merge_range(connection, spec, checked, start, middle, load_id=load_id)
    other = _merge_range(connection, spec, checked, middle, stop, load_id=load_id)
    return Merged(one.changed + other.changed, one.refused + other.refused)


def _merge_payload(connection: Connection, spec: FeedSpec, payload: bytes, *, load_id: int) -> int:
    """COPY and merge behind a savepoint, so that what Postgres refuses leaves nothing behind."""
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(sql.copy_incoming(spec)) as copy:
            copy.write(payload)
        cursor.execute(sql.merge_incoming(spec), {"load_id": load_id})
        row = cursor.fetchone()
        cursor.execute(sql.TRUNCATE_INCOMING)
    return cast("int", row[0]) if row else 0


def _is_about_data(error: psycopg.Error) -> bool:
    return (error.sqlstate or "")[:2] in _ABOUT_THE_DATA
