"""A landed file as checked chunks, each with the COPY payload of its good rows. Nothing here writes."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pramaan.errors import FeedError
from pramaan.feeds.merge import copy_payload
from pramaan.feeds.source import Source
from pramaan.feeds.sources import file_format, open_source
from pramaan.feeds.spec import FeedSpec
from pramaan.feeds.validate import Checked, Validator

__all__ = ["CheckedFile", "open_checked"]

_CHUNKS_AHEAD = 4
"""Read while Postgres merges; each takes some megabytes."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file under way. `remark` is what a person should know of it as a whole, known from its beginning."""

    remark: str
    chunks: Iterator[tuple[Checked, bytes]]


@contextmanager
def open_checked(
    path: Path, *, name: str, spec: FeedSpec, loaded_at: datetime, validate: duckdb.DuckDBPyConnection
) -> Iterator[CheckedFile]:
    """The file at `path`, whose landed name is `name`, for the block.

    Raises FeedError, here or while its chunks are read, when the file is to blame; OSError when the disk is.
    """
    if (fmt := file_format(name)) is None:
        raise FeedError(
            "unknown_format", "the name ends in none of .parquet, .csv, .csv.gz, .jsonl, .jsonl.gz"
        )
    source = open_source(path, spec=spec, fmt=fmt)
    validator = Validator(spec, loaded_at=loaded_at, validate=validate)
    with closing(source), closing(_read_ahead(source, validator)) as chunks:
        yield CheckedFile(source.remark, chunks)


def _read_ahead(source: Source, validator: Validator) -> Generator[tuple[Checked, bytes], None, None]:
    """Chunks, some ahead: reading and Postgres share the cores."""

    def read() -> tuple[Checked, bytes] | None:
        chunk = next(source.chunks, None)
        if chunk is None:
            return None
        checked = validator.check(chunk)
        return checked, copy_payload(checked.rows)

    rows = 0
    with ThreadPoolExecutor(1, "reader") as reader:
        ahead = deque(reader.submit(read) for _ in range(_CHUNKS_AHEAD))
        try:
            while (ready := ahead.popleft().result()) is not None:
                ahead.append(reader.submit(read))
                rows += ready[0].rows.num_rows + len(ready[0].rejects)
                yield ready
        finally:
            reader.shutdown(cancel_futures=True)
    source.account(rows)
