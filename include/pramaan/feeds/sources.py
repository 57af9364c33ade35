"""Opens a landed file as a stream of chunks, whatever its format, in memory that does not depend on its size.

A chunk holds text (or Parquet's own types) as they stand in the file: `validate` decides what they mean.
Nothing here writes anywhere.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pramaan.errors import FeedError
from pramaan.feeds.chunks import Chunk
from pramaan.feeds.faults import reading
from pramaan.feeds.read_csv import open_csv
from pramaan.feeds.read_jsonl import open_jsonl
from pramaan.feeds.read_parquet import open_parquet
from pramaan.feeds.source import Source
from pramaan.feeds.spec import FeedSpec

__all__ = ["FORMATS", "file_format", "open_source"]

FORMATS = ("parquet", "csv", "csv.gz", "jsonl", "jsonl.gz")


def file_format(name: str) -> str | None:
    """The format that a file's name tells, or None when it is none of ours."""
    lowered = name.lower()
    return next((fmt for fmt in reversed(FORMATS) if lowered.endswith("." + fmt)), None)


def open_source(path: Path, *, spec: FeedSpec, fmt: str) -> Source:
    """Open `path` for reading.

    Raises FeedError, here or while its chunks are read, when the file cannot be read at all; OSError when the
    disk or a right fails, which says nothing about the file.
    """
    if path.stat().st_size == 0:
        raise FeedError("empty_file", "the file has 0 bytes; send it again")
    if spec.json_only and not fmt.startswith("jsonl"):
        raise FeedError("unknown_format", f"{spec.name} comes as JSON lines only, not as {fmt}")
    opener = {"parquet": open_parquet, "csv": open_csv, "jsonl": open_jsonl}[fmt.split(".", maxsplit=1)[0]]
    with reading():
        source = opener(path, spec=spec)
    try:
        _refuse_columns(source.columns, spec)
    except FeedError:
        source.close()
        raise
    return replace(source, chunks=_guarded(source.chunks))


def _refuse_columns(names: tuple[str, ...] | None, spec: FeedSpec) -> None:
    if names is None:
        return
    repeated = [c.name for c in spec.columns if names.count(c.name) > 1]
    if repeated:
        raise FeedError("repeated_column", f"the header has the column {', '.join(repeated)} more than once")
    missing = [c.name for c in spec.columns if c.required and c.name not in names]
    if missing:
        found = ", ".join(names)[:500]
        raise FeedError(
            "missing_column", f"the file lacks the required column {', '.join(missing)}; it has: {found}"
        )


def _guarded(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    with reading():
        yield from chunks
