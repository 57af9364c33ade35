"""Reads a landed file as a stream of chunks, whatever its format, in memory that does not depend on its size.

A chunk holds text (or Parquet's own types) as they stand in the file: what they mean is `validate`'s room.
Nothing here writes anywhere.
"""

import bisect
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from pramaan.errors import FeedError
from pramaan.feeds.spec import FeedSpec

__all__ = ["FORMATS", "LINE_COLUMN", "ROW_NUMBER", "Chunk", "Reject", "Source", "file_format", "open_source"]

FORMATS = ("parquet", "csv", "csv.gz", "jsonl", "jsonl.gz")
ROW_NUMBER = "_pramaan_row"
LINE_COLUMN = "_pramaan_line"

_CHUNK_ROWS = 50_000
_BLOCK_BYTES = 4 << 20
_LONGEST_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be taken, or the whole file (`row_number` None). Row numbers count data rows from 1."""

    row_number: int | None
    rule: str
    message: str
    raw_row: str | None = None
    column_name: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to some ten thousand rows: the row numbers beside the file's columns, or beside one line of JSON each."""

    rows: pa.Table
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file: the columns it has (None for JSON lines, where each row says) and its chunks."""

    columns: tuple[str, ...] | None
    chunks: Iterator[Chunk]
    close: Callable[[], None] = field(default=lambda: None)


def file_format(name: str) -> str | None:
    """The format that a file's name tells, or None when it is none of ours."""
    lowered = name.lower()
    return next((fmt for fmt in reversed(FORMATS) if lowered.endswith("." + fmt)), None)


def open_source(path: Path, *, spec: FeedSpec, fmt: str) -> Source:
    """Open `path` for reading.

    Raises FeedError, here or while its chunks are read, when the file cannot be read at all.
    """
    if path.stat().st_size == 0:
        raise FeedError("empty_file", "the file has 0 bytes; send it again")
    if spec.json_only and not fmt.startswith("jsonl"):
        raise FeedError("unknown_format", f"{spec.name} come as JSON lines only, not as {fmt}")
    opener = {"parquet": _open_parquet, "csv": _open_csv, "jsonl": _open_jsonl}[fmt.split(".")[0]]
    try:
        source = opener(path)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise _unreadable(error) from error
    missing = [c.name for c in spec.columns if c.required and source.columns is not None and c.name not in source.columns]
    if missing:
        source.close()
        raise FeedError("missing_column", f"the file lacks the required column {', '.join(missing)}")
    return Source(source.columns, _guarded(source.chunks), source.close)


def _unreadable(error: Exception) -> FeedError:
    return FeedError("unreadable_file", f"the file is damaged or cut off: {error}")


def _guarded(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    try:
        yield from chunks
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise _unreadable(error) from error


def _open_binary(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


# Parquet --------------------------------------------------------------------------------------------------------------


def _open_parquet(path: Path) -> Source:
    file = pa_parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    names = file.schema_arrow.names
    _refuse_repeated(names)

    def chunks() -> Iterator[Chunk]:
        first = 1
        for batch in file.iter_batches(batch_size=_CHUNK_ROWS, use_threads=False):
            table = pa.Table.from_batches([batch])
            yield Chunk(_numbered(table, range(first, first + table.num_rows)))
            first += table.num_rows

    return Source(tuple(names), chunks(), file.close)


# CSV ------------------------------------------------------------------------------------------------------------------


class _WrongColumnCounts:
    """Collects the rows that pyarrow's reader refuses for their number of columns."""

    def __init__(self) -> None:
        self.row_numbers: list[int] = []
        self.fresh: list[Reject] = []

    def __call__(self, row: Any) -> str:
        number = row.number - 1  # pyarrow counts the header
        message = f"the row has {row.actual_columns} columns, the header {row.expected_columns}"
        self.row_numbers.append(number)
        self.fresh.append(Reject(number, "wrong_column_count", message, _text(row.text)))
        return "skip"

    def take(self) -> tuple[Reject, ...]:
        fresh, self.fresh = tuple(self.fresh), []
        return fresh


def _open_csv(path: Path) -> Source:
    with _open_binary(path) as head:
        names = _header(head.read(1 << 16))
    wrong = _WrongColumnCounts()
    stream = _open_binary(path)
    reader = pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=wrong),
        convert_options=pa_csv.ConvertOptions(
            # As bytes: one row that is not UTF-8 must not fail its file.
            column_types=dict.fromkeys(names, pa.binary()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    return Source(tuple(names), _csv_chunks(reader, wrong), stream.close)


def _header(head: bytes) -> list[str]:
    """The column names, read by pyarrow itself so that both readings agree."""
    first_line = head.split(b"\n", 1)[0] + b"\n"
    names = pa_csv.read_csv(pa.BufferReader(first_line)).column_names
    _refuse_repeated(names)
    return list(names)


def _refuse_repeated(names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise FeedError("repeated_column", f"the column {', '.join(repeated)} stands in the header twice")


def _csv_chunks(reader: Any, wrong: _WrongColumnCounts) -> Iterator[Chunk]:
    position = 0
    for batch in reader:
        numbers, position = _numbers_between(position, batch.num_rows, wrong.row_numbers)
        rows, invalid = _decode(_numbered(pa.Table.from_batches([batch]), numbers))
        yield Chunk(rows, wrong.take() + invalid)
    if wrong.fresh:
        yield Chunk(pa.table({ROW_NUMBER: pa.array([], pa.int64())}), wrong.take())


def _numbers_between(position: int, count: int, skipped: list[int]) -> tuple[list[int] | range, int]:
    """The numbers of the next `count` rows after `position`, leaving out the skipped ones; and the last of them."""
    if bisect.bisect_right(skipped, position) == len(skipped):
        return range(position + 1, position + count + 1), position + count
    left_out = set(skipped[bisect.bisect_right(skipped, position) :])
    numbers: list[int] = []
    while len(numbers) < count:
        position += 1
        if position not in left_out:
            numbers.append(position)
    return numbers, position


# JSON lines -----------------------------------------------------------------------------------------------------------


def _open_jsonl(path: Path) -> Source:
    stream = _open_binary(path)

    def chunks() -> Iterator[Chunk]:
        first, rest = 1, b""
        while block := stream.read(_BLOCK_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > _LONGEST_LINE_BYTES:
                raise FeedError("unreadable_file", f"line {first + len(lines)} is over {_LONGEST_LINE_BYTES} bytes")
            yield _line_chunk(lines, first)
            first += len(lines)
        if rest.strip():
            yield _line_chunk([rest], first)

    return Source(None, chunks(), stream.close)


def _line_chunk(lines: list[bytes], first: int) -> Chunk:
    if first == 1 and lines:
        lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
    present = [(number, line) for number, line in enumerate(lines, first) if line.strip()]
    table = pa.table({LINE_COLUMN: pa.array([line for _, line in present], pa.binary())})
    rows, invalid = _decode(_numbered(table, [number for number, _ in present]))
    return Chunk(rows, invalid)


# Text -----------------------------------------------------------------------------------------------------------------


def _numbered(table: pa.Table, numbers: list[int] | range) -> pa.Table:
    return table.append_column(ROW_NUMBER, pa.array(numbers, pa.int64()))


def _decode(table: pa.Table) -> tuple[pa.Table, tuple[Reject, ...]]:
    """Bytes to text; rows that are not UTF-8 come out as rejects."""
    try:
        return _cast_text(table), ()
    except pa.ArrowInvalid:
        rejects = tuple(_not_utf8(row) for row in table.to_pylist() if not _is_utf8(row))
        bad = pa.array([r.row_number for r in rejects], pa.int64())
        keep = pa.compute.invert(pa.compute.is_in(table[ROW_NUMBER], value_set=bad))
        return _cast_text(table.filter(keep)), rejects


def _cast_text(table: pa.Table) -> pa.Table:
    return table.cast(pa.schema([(f.name, pa.string() if pa.types.is_binary(f.type) else f.type) for f in table.schema]))


def _is_utf8(row: dict[str, object]) -> bool:
    try:
        return all(value.decode() is not None for value in row.values() if isinstance(value, bytes))
    except UnicodeDecodeError:
        return False


def _not_utf8(row: dict[str, Any]) -> Reject:
    number = row.pop(ROW_NUMBER)
    shown = {name: _text(value) for name, value in row.items() if value is not None}
    raw = shown.get(LINE_COLUMN) or json.dumps(shown, ensure_ascii=False)
    return Reject(number, "invalid_utf8", "the row is not UTF-8; bytes that are not are shown as \\x..", raw)


def _text(value: bytes | str) -> str:
    """Text that Postgres can keep, of anything."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return text.replace("\x00", "\\u0000")
