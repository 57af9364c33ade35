"""What readers hand to the validator: chunks of rows as they stand in the file, and rows that cannot be read.

Row numbers count the file's data rows from 1: in CSV without the header and empty lines, in JSON lines every
line.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

__all__ = [
    "BLOCK_BYTES",
    "LINE_COLUMN",
    "LONGEST_ROW_BYTES",
    "MOST_REJECTS",
    "NOT_UTF8",
    "ROW_NUMBER",
    "Chunk",
    "Reject",
    "decode",
    "numbered",
    "numbered_raw_rows",
    "plain_text",
]

ROW_NUMBER = "_pramaan_row"
LINE_COLUMN = "_pramaan_line"

BLOCK_BYTES = 2 << 20
"""How much of a file is read at once; with it, the memory of a load is bounded."""
LONGEST_ROW_BYTES = 1 << 20
"""A line longer than this is no row of ours: it is rejected without being taken apart."""

MOST_REJECTS = 10_000
"""A file with so many broken rows, and fewer good ones, is quarantined whole."""

NOT_UTF8 = "the row is not UTF-8; its wrong bytes are shown as \\x.."

_SHOWN_CHARACTERS = 1 << 16


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be taken, or the whole file (`row_number` None)."""

    row_number: int | None
    rule: str
    message: str
    raw_row: str | None = None
    column_name: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to some ten thousand rows.

    `rows` has the row number beside the feed's own columns, or beside one line of JSON each; its values are
    text or Parquet's types. `original` is the same rows with every column of the file, None for JSON lines.
    """

    rows: pa.Table
    rejects: tuple[Reject, ...] = ()
    original: pa.Table | None = None
    unknown_columns: frozenset[str] = frozenset()


def numbered(table: pa.Table, numbers: Sequence[int]) -> pa.Table:
    """The table with its row numbers as the last column."""
    return table.append_column(ROW_NUMBER, pa.array(numbers, pa.int64()))


def decode(rows: pa.Table, *, original: pa.Table | None = None) -> Chunk:
    """A chunk of `rows` with bytes as text; rows that are not UTF-8 come out as rejects."""
    try:
        return Chunk(_cast_text(rows), original=original)
    except pa.ArrowInvalid:
        texts = rows.select([f.name for f in rows.schema if pa.types.is_binary(f.type)])
        good = [all(map(_is_utf8, row.values())) for row in texts.to_pylist()]
        bad = [position for position, is_good in enumerate(good) if not is_good]
        rejects = tuple(
            Reject(number, "invalid_utf8", NOT_UTF8, shown)
            for number, shown in numbered_raw_rows(Chunk(rows, original=original), bad)
        )
        kept = None if original is None else original.filter(pa.array(good))
        return Chunk(_cast_text(rows.filter(pa.array(good))), rejects, kept)


def numbered_raw_rows(chunk: Chunk, positions: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The number and the raw row of the rows at `positions`, as a person sees them.

    That is a line of JSON as it stands, or else the row's values as JSON by the file's own column names (of
    columns of one name the last).
    """
    numbers = chunk.rows[ROW_NUMBER].take(positions).to_pylist()
    if chunk.original is None:
        lines = chunk.rows[LINE_COLUMN].take(positions).to_pylist()
        yield from zip(numbers, map(plain_text, lines), strict=True)
        return
    taken = chunk.original.take(positions)
    for number, values in zip(numbers, zip(*map(_values, taken.columns), strict=True), strict=True):
        row = dict(zip(taken.column_names, values, strict=True))
        yield number, plain_text(json.dumps(row, ensure_ascii=False, default=_show))


def _values(column: pa.ChunkedArray) -> list[Any]:
    """A column's values for showing: as they are, else as numbers, bytes or text, else not at all."""
    for shown_as in (None, pa.int64(), pa.binary(), pa.string()):
        try:
            return cast("list[Any]", (column if shown_as is None else column.cast(shown_as)).to_pylist())
        except (ValueError, OverflowError, LookupError, pa.ArrowException):
            # Text that is no UTF-8, an instant that Python has no year for, a time zone that nobody knows.
            continue
    return ["(cannot be shown)"] * len(column)


def plain_text(value: bytes | str) -> str:
    """Text that Postgres can keep, of anything: wrong bytes and NUL escaped, a long one cut."""
    length = len(value)
    text = _escaped(value[:_SHOWN_CHARACTERS]).replace("\x00", "\\u0000")
    return text if length <= _SHOWN_CHARACTERS else f"{text}... ({length} in all)"


def _show(value: object) -> str:
    return _escaped(value) if isinstance(value, bytes) else str(value)


def _escaped(value: bytes | str) -> str:
    if isinstance(value, str):
        value = value.encode("utf-8", "backslashreplace")
    return value.decode("utf-8", "backslashreplace")


def _cast_text(rows: pa.Table) -> pa.Table:
    return rows.cast(
        pa.schema([(f.name, pa.string() if pa.types.is_binary(f.type) else f.type) for f in rows.schema])
    )


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
