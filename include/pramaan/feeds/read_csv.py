"""Reads CSV so that one row that is not UTF-8, too long or of the wrong width does not fail its file."""

import io
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from pramaan.errors import FeedError
from pramaan.feeds.chunks import (
    BLOCK_BYTES,
    LONGEST_ROW_BYTES,
    NOT_UTF8,
    Chunk,
    Reject,
    decode,
    numbered,
    plain_text,
)
from pramaan.feeds.source import Source, open_binary
from pramaan.feeds.spec import FeedSpec

__all__ = ["open_csv"]

_REJECTS_A_CHUNK = 50_000
_MARK = "\x00set aside: "
"""Begins the cell that stands for a line that cannot be read; in a quoted value, its NUL rejects that row."""


def open_csv(path: Path, *, spec: FeedSpec) -> Source:
    """Open a CSV file, its header in the first line that is not empty.

    Raises FeedError, here or while its chunks are read, when a quote is opened and never closed.
    """
    stream = open_binary(path)
    lines = _Lines(stream)
    wrong = _WrongRows(lines)
    try:
        lines.start()
        reader = pa_csv.open_csv(
            lines,
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=wrong),
            convert_options=pa_csv.ConvertOptions(
                default_column_type=pa.binary(), strings_can_be_null=True, null_values=[""]
            ),
        )
        names = tuple(reader.schema.names)
    except BaseException:
        stream.close()
        raise
    return Source(names, _chunks(reader, wrong, names=names, spec=spec), stream.close)


class _Lines(io.RawIOBase):
    """The file's bytes without empty lines at its start, with a mark for each line that pyarrow cannot read.

    Those are lines too long for its blocks, and lines that are not UTF-8: of these it would drop, without a
    word, the ones with too few or too many columns.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ready = b""
        self._carry = b""
        self._ended = False
        self._newline = b"\n"
        self._set_aside: dict[int, Reject] = {}
        self._marks = 0

    def readable(self) -> bool:
        """Always: pyarrow asks."""
        return True

    def start(self) -> None:
        """Skip what is empty at the start; called once, before reading. Raises FeedError without a header."""
        while not self._carry and (block := self._stream.read(BLOCK_BYTES)):
            self._carry = block.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        if not self._carry.strip():
            raise FeedError(
                "empty_file", "the file has no header and no rows, only empty lines; send it again"
            )
        if b"\n" not in self._carry and b"\r" in self._carry:
            self._newline = b"\r"
        if not _is_utf8(self._carry.partition(self._newline)[0]):
            raise FeedError(
                "unreadable_file", "the header is not UTF-8; save the file as UTF-8 and send it again"
            )

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as asked for unless the file ends."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            self._fill()
        size = len(self._ready) if size < 0 else size
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def set_aside(self, cell: str) -> Reject | None:
        """What the mark in this cell stands for; None when it is none. A mark can be asked for once."""
        number = cell.removeprefix(_MARK)
        return (
            self._set_aside.pop(int(number), None)
            if cell != number and number.isascii() and number.isdigit()
            else None
        )

    def _fill(self) -> None:
        block = self._stream.read(BLOCK_BYTES)
        data = self._carry + block
        if not block:
            self._ended = True
            # A last line without an end would be lost where it is the only one.
            self._ready, self._carry = self._ready + self._marked(data + self._newline), b""
            return
        cut = data.rfind(self._newline) + 1
        self._ready, self._carry = self._ready + self._marked(data[:cut]), data[cut:]
        if len(self._carry) > 2 * LONGEST_ROW_BYTES:
            self._skip_line()

    def _skip_line(self) -> None:
        """Read on to the end of a line without keeping it."""
        beginning, length = self._carry[:LONGEST_ROW_BYTES], len(self._carry)
        after = b""
        while block := self._stream.read(BLOCK_BYTES):
            line, end, after = block.partition(self._newline)
            length += len(line)
            if end:
                break
        self._ready += self._mark_long(beginning, length=length) + self._newline
        self._carry = after

    def _marked(self, data: bytes) -> bytes:
        """Whole lines, with a mark in the place of each that cannot be read; quick when there is none."""
        parts, start, position = [], 0, 0
        while position + LONGEST_ROW_BYTES < len(data):  # looks only at one newline in every so many bytes
            end = data.rfind(self._newline, position, position + LONGEST_ROW_BYTES)
            if end < 0:
                end = data.find(self._newline, position + LONGEST_ROW_BYTES)
                line = data[position:end]
                parts += [data[start:position], self._mark_long(line, length=len(line))]
                start = end
            position = end + 1
        whole = b"".join([*parts, data[start:]]) if parts else data
        if _is_utf8(whole):
            return whole
        return self._newline.join(
            line if _is_utf8(line) else self._mark(Reject(None, "invalid_utf8", NOT_UTF8, plain_text(line)))
            for line in whole.split(self._newline)
        )

    def _mark_long(self, line: bytes, *, length: int) -> bytes:
        said = f"the line has {length} bytes; a row has at most {LONGEST_ROW_BYTES}"
        return self._mark(Reject(None, "too_long", said, plain_text(line)))

    def _mark(self, reject: Reject) -> bytes:
        self._marks += 1
        self._set_aside[self._marks] = reject
        return f"{_MARK}{self._marks}".encode()


class _WrongRows:
    """Numbers the rows, and collects those that pyarrow refuses for their width, with little memory a row."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._expected = 0
        self._counts = array("q")
        self._texts: list[str] = []
        self._fresh = array("q")
        self._skipped = array("q")
        self.position = 0

    def __call__(self, row: Any) -> str:
        number = row.number - 1  # pyarrow counts the header
        self._skipped.append(number)
        self._fresh.append(number)
        self._counts.append(row.actual_columns)
        self._texts.append(row.text)
        self._expected = row.expected_columns
        return "skip"

    def next_numbers(self, count: int) -> Sequence[int]:
        """The numbers of the next `count` rows that are read, leaving out the refused ones."""
        position, skipped = self.position, self._skipped
        if not skipped or skipped[0] > position + count:
            self.position += count
            return range(position + 1, self.position + 1)
        left_out = set(skipped)
        numbers = list(islice((n for n in count_from(position + 1) if n not in left_out), count))
        self.position = numbers[-1] if numbers else position
        del skipped[: bisect_right(skipped, self.position)]
        return numbers

    def take(self) -> Iterator[tuple[Reject, ...]]:
        """What was collected since the last call, in portions."""
        fresh, counts, texts = self._fresh, self._counts, self._texts
        self._fresh, self._counts, self._texts = array("q"), array("q"), []
        for start in range(0, len(fresh), _REJECTS_A_CHUNK):
            portion = slice(start, start + _REJECTS_A_CHUNK)
            yield tuple(map(self._reject, fresh[portion], counts[portion], texts[portion]))

    def _reject(self, number: int, count: int, text: str) -> Reject:
        if count == 1 and (known := self._lines.set_aside(text)):
            return replace(known, row_number=number)
        said = f"the row has {count} column{'s' * (count != 1)}, the header {self._expected}"
        if newlines := text.strip().count("\n"):
            said += f"; it spans {newlines + 1} lines: is a quote opened and not closed?"
        return Reject(number, "wrong_column_count", said, plain_text(text))


def _chunks(reader: Any, wrong: _WrongRows, *, names: tuple[str, ...], spec: FeedSpec) -> Iterator[Chunk]:
    known = [c.name for c in spec.columns if c.name in names]
    unknown = frozenset(name or f"(column {i} has no name)" for i, name in enumerate(names, 1)) - set(known)
    none = numbered(pa.table({name: pa.array([], pa.string()) for name in known}), [])
    for batch in _batches(reader, wrong):
        original = pa.Table.from_batches([batch])
        rows = pa.table({name: original.column(names.index(name)) for name in known})
        chunk = decode(numbered(rows, wrong.next_numbers(original.num_rows)), original=original)
        yield Chunk(chunk.rows, chunk.rejects, chunk.original, unknown)
        yield from (Chunk(none, rejects) for rejects in wrong.take())
    yield from (Chunk(none, rejects) for rejects in wrong.take())
    yield Chunk(none, unknown_columns=unknown)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _batches(reader: Any, wrong: _WrongRows) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error):
            raise
        raise FeedError(
            "unclosed_quote",
            f"somewhere after row {wrong.position} a quote is opened and never closed, or a quoted value is "
            f"longer than {BLOCK_BYTES} bytes. None of the file is loaded; close the quote and send it again",
        ) from error
