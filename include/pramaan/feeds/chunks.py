"""What readers hand to the validator: chunks of rows as they stand in the file, and the rows that could not be read.

Row numbers count the file's data rows from 1: in CSV without the header and empty lines, in JSON lines every line.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = [
    "BLOCK_BYTES",
    "LINE_COLUMN",
    "LONGEST_ROW_BYTES",
    "ROW_NUMBER",
    "Chunk",
    "Reject",
    "decode",
    "numbered",
    "plain_text",
    "raw_row",
]

ROW_NUMBER = "_pramaan_row"
LINE_COLUMN = "_pramaan_line"

BLOCK_BYTES = 4 << 20
"""How much of a file is read at once; with it, the memory of a load is bounded."""
LONGEST_ROW_BYTES = 1 << 20
"""A line longer than this is no row of ours: it is rejected without being taken apart."""

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

    `rows` has the row number beside the feed's own columns, or beside one line of JSON each; its values are text or
    Parquet's types. `original` is the same rows with every column of the file, None for JSON lines.
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
        bad = rows.filter(pa.array([not each for each in good]))
        shown = bad.drop_columns([ROW_NUMBER]).to_pylist()
        rejects = tuple(
            Reject(
                number,
                "invalid_utf8",
                "the row is not UTF-8; its wrong bytes are shown as \\x..",
                raw_row(row),
            )
            for number, row in zip(bad[ROW_NUMBER].to_pylist(), shown, strict=True)
        )
        kept = None if original is None else original.filter(pa.array(good))
        return Chunk(_cast_text(rows.filter(pa.array(good))), rejects, kept)


def raw_row(row: Mapping[str, Any]) -> str:
    """A rejected row as a person sees it: the line itself, or its values as JSON; very long ones are cut."""
    if LINE_COLUMN in row:
        return plain_text(row[LINE_COLUMN])
    return plain_text(json.dumps(dict(row), ensure_ascii=False, default=_show))


def plain_text(value: bytes | str) -> str:
    """Text that Postgres can keep, of anything: bytes that are no UTF-8 and NUL escaped, the end of a long one cut."""
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
