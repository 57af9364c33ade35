"""Brings checked chunks into a raw table; rows that only Postgres can refuse are found one by one."""

from typing import cast

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv

from pramaan.database.connect import Connection
from pramaan.feeds import sql
from pramaan.feeds.chunks import Reject
from pramaan.feeds.faults import said_of_a_row, storing
from pramaan.feeds.spec import FeedSpec
from pramaan.feeds.validate import Checked

__all__ = ["Merger", "copy_payload"]

_MERGED_AT_ONCE = 250_000
"""Rows that Postgres gathers before it merges them: with few, keys in no order cost an index page each."""


def copy_payload(rows: pa.Table) -> bytes:
    """Rows as the CSV that Postgres' COPY reads: text quoted, null unquoted and empty."""
    if not rows.num_rows:
        return b""
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(rows, sink, pa_csv.WriteOptions(include_header=False))
    return cast("bytes", sink.getvalue().to_pybytes())


class Merger:
    """Gathers the chunks of one load in a session table and merges them, inside the caller's transaction.

    Raises FeedError when Postgres refuses a row of the gathered ones, which no rule foresaw.
    """

    def __init__(self, connection: Connection, spec: FeedSpec, *, load_id: int) -> None:
        self._connection = connection
        self._spec = spec
        self._load_id = load_id
        self._gathered = 0
        self._changed = 0
        connection.execute(sql.create_incoming(spec))

    def add(self, checked: Checked, payload: bytes) -> tuple[Reject, ...]:
        """Take a chunk, whose rows `payload` holds; returns those that Postgres refused."""
        refused = self._copy_range(checked, 0, checked.rows.num_rows, payload=payload)
        self._gathered += checked.rows.num_rows - len(refused)
        if self._gathered >= _MERGED_AT_ONCE:
            self._merge()
        return refused

    def finish(self) -> int:
        """Merge what is left; returns how many rows of the raw table changed in all."""
        self._merge()
        return self._changed

    def _copy_range(
        self, checked: Checked, start: int, stop: int, *, payload: bytes | None = None
    ) -> tuple[Reject, ...]:
        """COPY some of the rows, halving them until the refused ones stand alone."""
        if start == stop:
            return ()
        try:
            self._copy(payload or copy_payload(checked.rows.slice(start, stop - start)))
        except psycopg.Error as error:
            if (said := said_of_a_row(error)) is None:
                raise
            if stop - start == 1:
                message = f"Postgres cannot keep the row: {said}"
                return (checked.reject(start, rule="refused_by_postgres", message=message),)
        else:
            return ()
        middle = (start + stop) // 2
        return self._copy_range(checked, start, middle) + self._copy_range(checked, middle, stop)

    def _copy(self, payload: bytes) -> None:
        """COPY behind a savepoint, so that what Postgres refuses leaves nothing behind."""
        with (
            self._connection.transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(sql.copy_incoming(self._spec)) as copy,
        ):
            copy.write(payload)

    def _merge(self) -> None:
        if not self._gathered:
            return
        with storing():
            row = self._connection.execute(
                sql.merge_incoming(self._spec), {"load_id": self._load_id}
            ).fetchone()
        self._connection.execute(sql.TRUNCATE_INCOMING)
        self._changed += cast(int, row[0]) if row else 0
        self._gathered = 0
