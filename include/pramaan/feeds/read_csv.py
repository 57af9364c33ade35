"""Reads CSV so that a row that is broken does not fail its file, and every line of it is accounted for."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from pramaan.feeds.chunks import BLOCK_BYTES, MOST_REJECTS, Chunk, Reject, decode, numbered, plain_text
from pramaan.feeds.csv_lines import Lines
from pramaan.feeds.source import Source, open_binary
from pramaan.feeds.spec import FeedSpec

__all__ = ["open_csv"]

_REJECTS_A_CHUNK = 50_000
_BACKSLASHES = (
    "its quotes are escaped by backslashes, which CSV does not know: rows that hold a backslash are refused, "
    "and \\N is taken for an empty value. Let the exporter write a quote twice (Spark: option escape '\"'; "
    "cqlsh: COPY ... WITH ESCAPE = '\"'; MySQL: ESCAPED BY '\"') and send the file again"
)


def open_csv(path: Path, *, spec: FeedSpec) -> Source:
    """Open a CSV file, its header in the first line that is not empty.

    Raises FeedError, here or while its chunks are read, when it has no header that can be used.
    """
    stream = open_binary(path)
    lines = Lines(stream)
    wrong = _WrongRows(lines)
    try:
        form = lines.start(spec)
        reader = pa_csv.open_csv(
            lines,
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=wrong),
            convert_options=pa_csv.ConvertOptions(
                default_column_type=pa.binary(), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:  # it reads a block at once
        if not wrong.too_many:
            stream.close()
            raise
        reader = ()
    except BaseException:
        stream.close()
        raise
    return Source(
        lines.names,
        _chunks(reader, wrong, names=lines.names, spec=spec),
        close=stream.close,
        account=lines.account,
        remark=_BACKSLASHES if form.backslashes else "",
    )


class _WrongRows:
    """Numbers the rows, and collects those that pyarrow refuses for their width, with little memory a row."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._expected = 0
        self._counts = array("q")
        self._texts: list[str] = []
        self._fresh = array("q")
        self._skipped = array("q")
        self._count = 0
        self.too_many = False
        """Whether it is of no use to read on: a refused row costs microseconds."""
        self.position = 0

    def __call__(self, row: Any) -> str:
        number = row.number - 1  # pyarrow counts the header
        self._count += 1
        self._skipped.append(number)
        self._fresh.append(number)
        self._counts.append(row.actual_columns)
        self._texts.append(row.text)
        self._expected = row.expected_columns
        self.too_many = self._count >= MOST_REJECTS and 2 * self._count > number
        return "error" if self.too_many else "skip"

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


def _batches(reader: Any, wrong: _WrongRows) -> Iterator[pa.RecordBatch]:
    """The reader's batches, until too many rows are refused: whoever counts those quarantines the file."""
    try:
        yield from reader
    except pa.ArrowInvalid:
        if not wrong.too_many:
            raise
