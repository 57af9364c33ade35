"""An opened file, how its bytes are opened, and how much may come out of them."""

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from pramaan.errors import FeedError
from pramaan.feeds.chunks import Chunk

__all__ = [
    "MOST_COLUMNS",
    "UNPACKED_FREELY_BYTES",
    "UNPACKED_RATIO",
    "Budget",
    "Source",
    "open_binary",
    "refuse_wide",
]

MOST_COLUMNS = 1_000
"""Each column costs memory for itself; the contract's widest feed has twenty."""
UNPACKED_RATIO = 200
"""Feeds of real rows unpack to some ten times their size, the most monotonous ones to fifty."""
UNPACKED_FREELY_BYTES = 64 << 20
"""What any file may unpack to, however small it is."""


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


def refuse_wide(columns: int) -> None:
    """Raise FeedError for more than MOST_COLUMNS, before anything else of the file is read."""
    if columns > MOST_COLUMNS:
        raise FeedError(
            "too_many_columns",
            f"the file has {columns} columns; a feed has at most {MOST_COLUMNS}. None of it is loaded",
        )


class Budget:
    """How many bytes may still come out of a packed file."""

    def __init__(self, path: Path) -> None:
        self._packed_bytes = path.stat().st_size
        self._left = max(UNPACKED_RATIO * self._packed_bytes, UNPACKED_FREELY_BYTES)

    def take(self, count: int) -> None:
        """Count bytes that came out. Raises FeedError when a file of this size may not hold so many."""
        self._left -= count
        if self._left < 0:
            raise FeedError(
                "unpacks_too_much",
                f"its {self._packed_bytes} bytes unpack to more than {UNPACKED_RATIO} times that and more "
                f"than {UNPACKED_FREELY_BYTES >> 20} MB, as no real rows do. None of it is loaded",
            )


class _Unpacked(io.RawIOBase):
    """The content of a gzip file, within its budget."""

    def __init__(self, path: Path) -> None:
        self._budget = Budget(path)
        self._file = gzip.GzipFile(path, "rb")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self._budget.take(len(block))
        return block

    def close(self) -> None:
        self._file.close()
        super().close()


def open_binary(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked when its name ends in `.gz`."""
    return cast("IO[bytes]", _Unpacked(path)) if path.name.lower().endswith(".gz") else path.open("rb")
