"""Feed files for tests: typed rows in any format, dropped into a landing folder and loaded."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pramaan.database.connect import Connection
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import FileLoaded, load_waiting
from pramaan.feeds.spec import FEEDS, FeedSpec, Kind

FORMATS = ("parquet", "csv", "csv.gz", "jsonl", "jsonl.gz")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
LOADED_AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
Row = Mapping[str, Any]

EMPTY = "".join(f"delete from raw.{feed};" for feed in FEEDS) + (
    "delete from ops.quarantine; delete from ops.loads; delete from ops.changed_keys;"
    "delete from ops.load_attempts"
)

ARROW_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INSTANT: pa.timestamp("us", "UTC"),
    Kind.DATE: pa.date32(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.TEXT: pa.string(),
}


def sample_row(feed: str, number: int = 1, **changes: object) -> dict[str, Any]:
    """A good row of a feed with every column filled; `number` makes its key."""
    one: dict[str, dict[str, Any]] = {
        "users": {
            **{c.name: f"{c.name} {number}" for c in FEEDS["users"].columns},
            "user_id": f"u{number}",
            "updated_at": NOON,
        },
        "courses": {
            "course_id": f"c{number}",
            "name": "Maths",
            "tenant_id": "t",
            "status": "Live",
            "language": "hi",
            "leaf_count": 3,
            "published_at": NOON - timedelta(days=9),
            "updated_at": NOON,
        },
        "batches": {
            "batch_id": f"b{number}",
            "course_id": "c",
            "tenant_id": "t",
            "name": "Batch",
            "enrolment_type": "open",
            "start_date": date(2026, 1, 1),
            "end_date": None,
            "mentor_ids": ["m1", "m2"],
            "updated_at": NOON,
        },
        "enrolments": {
            "user_id": f"u{number}",
            "course_id": "c",
            "batch_id": "b",
            "enrolled_at": NOON - timedelta(days=3),
            "active": True,
            "updated_at": NOON,
        },
        "progress": {
            "user_id": f"u{number}",
            "course_id": "c",
            "batch_id": "b",
            "content_id": "k",
            "status": 2,
            "score": 59.9,
            "completed_at": NOON - timedelta(days=1),
            "updated_at": NOON,
        },
    }
    return one[feed] | changes


def as_text(value: object, kind: Kind = Kind.TEXT) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    if kind is Kind.LIST and isinstance(value, list):
        return ";".join(value)
    return str(value)


def file_bytes(feed: str, rows: Sequence[Row], fmt: str) -> bytes:
    """The rows as a file of the format."""
    if fmt.endswith(".gz"):
        return gzip.compress(file_bytes(feed, rows, fmt.removesuffix(".gz")), mtime=0)
    return {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}[fmt](FEEDS[feed], rows)


def _parquet(spec: FeedSpec, rows: Sequence[Row]) -> bytes:
    schema = pa.schema([(c.name, ARROW_TYPES[c.kind]) for c in spec.columns])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), sink)
    return sink.getvalue()


def parquet_of(**columns: pa.Array) -> bytes:
    """A Parquet file of just these columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _csv(spec: FeedSpec, rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([c.name for c in spec.columns])
    writer.writerows([as_text(row.get(c.name), c.kind) for c in spec.columns] for row in rows)
    return text.getvalue().encode()


def _jsonl(_: FeedSpec, rows: Iterable[Row]) -> bytes:
    return "".join(json.dumps(row, default=as_text, ensure_ascii=False) + "\n" for row in rows).encode()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A line of the quarantine with the name of its file."""

    name: str
    row_number: int | None
    rule: str
    message: str
    raw_row: str | None


class World:
    """A landing folder beside a database."""

    def __init__(self, folder: Path, connection: Connection, *, url: str) -> None:
        self.url = url
        self.folder = folder
        self.connection = connection

    def put(self, feed: str, name: str, content: bytes) -> Path:
        """Write a file into the landing folder under any name."""
        path = self.folder / feed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def load(self, *, at: datetime = LOADED_AT) -> list[FileLoaded]:
        """One run over everything that waits."""
        landing = Landing(f"file://{self.folder}")
        return list(load_waiting(self.connection, landing, now=lambda: at))

    def drop(self, feed: str, content: bytes, name: str = "file.csv") -> FileLoaded:
        """Write one file and load it."""
        self.put(feed, name, content)
        (loaded,) = self.load()
        return loaded

    def quarantine(self) -> list[Quarantined]:
        found = self.connection.execute("""
            select l.uri, q.row_number, q.rule, q.message, q.raw_row
            from ops.quarantine q join ops.loads l using (load_id) order by l.load_id, q.row_number
        """).fetchall()
        return [Quarantined(str(uri).rpartition("/")[2], *rest) for uri, *rest in found]  # type: ignore[arg-type]

    def rejects(self) -> list[tuple[int | None, str]]:
        """Row number and rule of all that is in quarantine."""
        return [(each.row_number, each.rule) for each in self.quarantine()]

    def raw(self, feed: str) -> list[dict[str, Any]]:
        """The raw table's rows without load ids, by key."""
        spec = FEEDS[feed]
        names = [c.name for c in spec.columns]
        found = self.connection.execute(
            f"select {', '.join(names)} from raw.{feed} order by {', '.join(spec.key)}"  # type: ignore[arg-type]
        ).fetchall()
        return [dict(zip(names, row, strict=True)) for row in found]

    def changed_keys(self) -> set[tuple[Any, ...]]:
        return set(
            self.connection.execute(
                "select kind, user_id, batch_id, course_id from ops.changed_keys"
            ).fetchall()
        )

    def forget_changed_keys(self) -> None:
        self.connection.execute("delete from ops.changed_keys")

    def load_count(self) -> int:
        found = self.connection.execute("select count(*) from ops.loads").fetchone()
        return int(found[0]) if found else 0  # type: ignore[call-overload]

    def clear(self) -> None:
        """Empty the database; the folder stays."""
        self.connection.execute(EMPTY)  # type: ignore[arg-type]

    def unknown_columns(self) -> list[list[str]]:
        found = self.connection.execute("select unknown_columns from ops.loads order by load_id").fetchall()
        return [names for (names,) in found]  # type: ignore[misc]

    def files(self, folder: str) -> set[str]:
        """What lies under a folder beside the feeds' own, relative to it."""
        root = self.folder / folder
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
