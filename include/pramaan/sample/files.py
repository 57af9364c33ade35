"""The formats of feed files, to the byte: the same rows give the same bytes on every machine.

A *record* is a row as its format holds it: cells of a CSV line, a line of JSON, a mapping for Parquet. Broken
rows are records too, which is why they can have too few cells or half an object.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["cells", "csv_bytes", "gzip_bytes", "interleave", "json_line", "jsonl_bytes", "parquet_bytes"]

Record = TypeVar("Record")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value).lower() if isinstance(value, bool) else str(value)


def cells(row: "DataclassInstance", **changes: object) -> list[str]:
    """A row as the cells of a CSV line; `changes` replace fields, also by what the contract forbids."""
    return [_text(value) for value in (asdict(row) | changes).values()]


def json_line(row: "DataclassInstance", **changes: object) -> str:
    """A row as one line of JSON; `changes` replace fields or add unknown ones."""
    record = {
        name: _text(value) if isinstance(value, datetime) else value for name, value in asdict(row).items()
    }
    return json.dumps(record | changes, ensure_ascii=False)


def interleave(good: Sequence[Record], broken: Sequence[Record]) -> tuple[list[Record], list[int]]:
    """The broken records spread evenly among the good ones, and their row numbers, from 1."""
    records = list(good)
    positions = [(number + 1) * len(good) // (len(broken) + 1) + number for number in range(len(broken))]
    for position, record in zip(positions, broken, strict=True):
        records.insert(position, record)
    return records, [position + 1 for position in positions]


def csv_bytes(records: Iterable[Sequence[str]], *, kind: "type[DataclassInstance]") -> bytes:
    """A CSV file with the columns of the row class as its header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows(records)
    return text.getvalue().encode()


def jsonl_bytes(lines: Iterable[str]) -> bytes:
    """A file of JSON lines."""
    return "".join(f"{line}\n" for line in lines).encode()


def gzip_bytes(data: bytes) -> bytes:
    """The data compressed, without the time of day that gzip would write."""
    return gzip.compress(data, mtime=0)


def parquet_bytes(records: Sequence[Mapping[str, Any]], *, types: Mapping[str, str]) -> bytes:
    """A Parquet file; `types` maps each column to `string`, `int8`, `double`, `bool` or `instant` (UTC)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    instant = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [(name, instant if kind == "instant" else pa.type_for_alias(kind)) for name, kind in types.items()]
    )
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records), schema=schema), sink)
    return sink.getvalue()
