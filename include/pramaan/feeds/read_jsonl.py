"""Reads JSON lines. A line is kept as text; `validate` takes it apart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from pramaan.feeds.chunks import (
    BLOCK_BYTES,
    LINE_COLUMN,
    LONGEST_ROW_BYTES,
    ROW_NUMBER,
    Chunk,
    Reject,
    decode,
    numbered,
    plain_text,
)
from pramaan.feeds.source import Source, open_binary
from pramaan.feeds.spec import FeedSpec

__all__ = ["open_jsonl"]

_BOM = b"\xef\xbb\xbf"
_LOOSE = r"(?i)[:\[,]\s*[-+]?(nan|inf)|,\s*[}\]]"
"""DuckDB also reads NaN, Infinity and a last comma, which are no JSON: such lines are checked again."""


def open_jsonl(path: Path, *, spec: FeedSpec) -> Source:  # noqa: ARG001 - every reader is opened alike
    """Open a file of JSON lines; its chunks have one line a row."""
    stream = open_binary(path)
    return Source(None, _chunks(stream), stream.close)


def _chunks(stream: IO[bytes]) -> Iterator[Chunk]:
    first, rest, dropped = 1, b"", 0
    while block := stream.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        if first == 1 and lines:
            lines[0] = lines[0].removeprefix(_BOM)
        if lines:
            yield _line_chunk(lines, first=first, dropped=dropped)
            first, dropped = first + len(lines), 0
        if len(rest) > LONGEST_ROW_BYTES:
            # Of a line without end only a beginning long enough to be told as too long is kept.
            dropped += len(rest) - LONGEST_ROW_BYTES - 1
            rest = rest[: LONGEST_ROW_BYTES + 1]
    if rest:
        yield _line_chunk([rest.removeprefix(_BOM) if first == 1 else rest], first=first, dropped=dropped)


def _line_chunk(lines: list[bytes], *, first: int, dropped: int) -> Chunk:
    present = [(number, line) for number, line in enumerate(lines, first) if line.strip()]
    long = tuple(
        _too_long(number, line, more=dropped if number == first else 0)
        for number, line in present
        if len(line) > LONGEST_ROW_BYTES
    )
    if long:
        present = [(number, line) for number, line in present if len(line) <= LONGEST_ROW_BYTES]
    table = pa.table({LINE_COLUMN: pa.array([line for _, line in present], pa.binary())})
    chunk = decode(numbered(table, [number for number, _ in present]))
    rows, loose = _without_loose(chunk.rows)
    return Chunk(rows, long + chunk.rejects + loose)


def _too_long(number: int, line: bytes, *, more: int) -> Reject:
    said = f"the line has {len(line) + more} bytes; a row has at most {LONGEST_ROW_BYTES}"
    return Reject(number, "too_long", said, plain_text(line))


def _without_loose(rows: pa.Table) -> tuple[pa.Table, tuple[Reject, ...]]:
    suspects = rows.filter(pc.match_substring_regex(rows[LINE_COLUMN], _LOOSE))
    if not suspects.num_rows:
        return rows, ()
    wrong = [row for row in suspects.to_pylist() if not _is_strict(row[LINE_COLUMN])]
    numbers = pa.array([row[ROW_NUMBER] for row in wrong], pa.int64())
    rejects = tuple(
        Reject(row[ROW_NUMBER], "invalid_json", "the line is no JSON object", plain_text(row[LINE_COLUMN]))
        for row in wrong
    )
    return rows.filter(pc.invert(pc.is_in(rows[ROW_NUMBER], value_set=numbers))), rejects


def _is_strict(line: str) -> bool:
    try:
        json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
