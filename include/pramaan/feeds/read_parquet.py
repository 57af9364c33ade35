"""Reads Parquet, batch by batch, and turns the many types it may use into the few that `validate` knows."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from pramaan.feeds.chunks import BLOCK_BYTES, Chunk, decode, numbered
from pramaan.feeds.source import UNPACKED_FREELY_BYTES, Budget, Source, refuse_wide
from pramaan.feeds.spec import FeedSpec

__all__ = ["FOREIGN", "open_parquet"]

FOREIGN = pa.time32("s")
"""Stands for a type that no column of ours can have, such as a struct: present, and of no use."""

_MOST_ROWS = 25_000
_EARLIEST_SECOND = -62_135_596_800 - 1  # just before the year 1, which no instant of ours can be
_LATEST_SECOND = 253_402_300_799  # the end of the year 9999
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def open_parquet(path: Path, *, spec: FeedSpec) -> Source:
    """Open a Parquet file; its chunks keep memory bounded also when the file is one row group.

    Raises FeedError, here or while its chunks are read, when it has too many columns or unpacks to too much.
    """
    metadata = pa_parquet.read_metadata(path)
    refuse_wide(metadata.num_columns)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    Budget(path).take(sum(group.total_byte_size for group in groups))
    batch_rows = _batch_rows(path, metadata, groups)
    file = _open_file(path)
    names = file.schema_arrow.names
    known = [c.name for c in spec.columns if c.name in names]
    unknown = frozenset(names) - set(known)

    def chunks() -> Iterator[Chunk]:
        first, budget = 1, Budget(path)
        for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
            budget.take(batch.nbytes)
            original = pa.Table.from_batches([batch])
            rows = pa.table({name: _plain(original.column(names.index(name))) for name in known})
            numbers = range(first, first + original.num_rows)
            chunk = decode(numbered(rows, numbers), original=original)
            yield Chunk(chunk.rows, chunk.rejects, chunk.original, unknown)
            first += original.num_rows

    return Source(tuple(names), chunks(), file.close)


def _open_file(path: Path, **options: Any) -> pa_parquet.ParquetFile:
    return pa_parquet.ParquetFile(
        path, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True, **options
    )


def _batch_rows(
    path: Path, metadata: pa_parquet.FileMetaData, groups: Sequence[pa_parquet.RowGroupMetaData]
) -> int:
    """How many rows are read at once: by the mean size of rows, or by the largest that dictionaries make."""
    row_bytes = sum(group.total_byte_size for group in groups) / max(1, metadata.num_rows)
    wide = [number for number, group in enumerate(groups) if _may_expand(group)]
    longest = max((_longest_row_bytes(path, number) for number in wide), default=0)
    return max(1, min(_MOST_ROWS, int(4 * BLOCK_BYTES / max(1.0, row_bytes, longest))))


def _may_expand(group: pa_parquet.RowGroupMetaData) -> bool:
    """Whether dictionary values, written once and meant often, could make a batch of the group too large."""
    dictionaries = sum(
        column.total_uncompressed_size
        for column in map(group.column, range(group.num_columns))
        if column.physical_type == "BYTE_ARRAY" and column.dictionary_page_offset is not None
    )
    return bool(min(group.num_rows, _MOST_ROWS) * dictionaries > UNPACKED_FREELY_BYTES)


def _longest_row_bytes(path: Path, group: int) -> int:
    """The length of the longest values in the dictionaries of a row group, together; reads no row but one."""
    with _open_file(path) as plain:
        texts = [
            each.name for each in plain.schema_arrow if pa.types.is_string(each.type) or _is_bytes(each.type)
        ]
    with _open_file(path, read_dictionary=texts) as file:
        batch = next(file.iter_batches(batch_size=1, row_groups=[group], use_threads=False), None)
        columns = [] if batch is None else [c for c in batch.columns if pa.types.is_dictionary(c.type)]
        return sum(pc.max(pc.binary_length(column.dictionary)).as_py() or 0 for column in columns)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bytes for any text, microseconds for any instant, and so on; FOREIGN for what cannot be told."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.tz:
        return _instants(column)
    for matches, target in _CASTS:
        if matches(kind):
            return column.cast(target)
    if (
        pa.types.is_integer(kind)
        or pa.types.is_float64(kind)
        or pa.types.is_float32(kind)
        or pa.types.is_boolean(kind)
    ):
        return column
    return _lists(column) if _is_list(kind) else _foreign(column)


_CASTS: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_string, pa.binary()),
    (pa.types.is_large_string, pa.binary()),
    (pa.types.is_string_view, pa.binary()),
    (pa.types.is_binary, pa.binary()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_fixed_size_binary, pa.binary()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_decimal, pa.string()),
    (pa.types.is_date, pa.date32()),
)


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """UTC microseconds, cut off below as text is; years outside 1 to 9999 become the nearest outside."""
    per_second = _UNITS[column.type.unit]
    values = column.cast(pa.int64())
    if per_second == 10**9:  # 64 bits of nanoseconds reach from 1677 to 2262 only
        floored = pc.subtract(
            values, pc.if_else(pc.less(values, -(2**63) + 999), 0, pc.if_else(pc.less(values, 0), 999, 0))
        )
        return pc.divide(floored, 1000).cast(pa.timestamp("us", "UTC"))
    values = pc.max_element_wise(values, _EARLIEST_SECOND * per_second, skip_nulls=False)
    values = pc.min_element_wise(values, _LATEST_SECOND * per_second, skip_nulls=False)
    values = pc.multiply(values, 10**6 // per_second)
    return values.cast(pa.timestamp("us", "UTC"))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.list_(pa.string()))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return _foreign(column)


def _foreign(column: pa.ChunkedArray) -> pa.ChunkedArray:
    present = pc.is_valid(column)
    return pc.if_else(present, pa.scalar(0, pa.int32()), pa.scalar(None, pa.int32())).cast(FOREIGN)
