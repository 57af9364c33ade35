"""An opened file, and how its bytes are opened."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from pramaan.feeds.chunks import Chunk

__all__ = ["Source", "open_binary"]


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file: the columns it has (None for JSON lines, where each row says) and its chunks.

    `account`, told how many rows came out of all chunks, raises FeedError where the file's lines make more or
    fewer. `remark` says what a person should know of the whole file.
    """

    columns: tuple[str, ...] | None
    chunks: Iterator[Chunk]
    close: Callable[[], None] = field(default=lambda: None)
    account: Callable[[int], None] = field(default=lambda _: None)
    remark: str = ""


def open_binary(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked when its name ends in `.gz`."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.name.lower().endswith(".gz") else path.open("rb")
