"""Files on which readers die: an attempt is committed before a file is read, and forgotten when it ended.

What has killed readers is loaded after all others, and first read by a child process within limits.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, cast

import psycopg
from psycopg.pq import TransactionStatus

from pramaan.database.connect import Connection
from pramaan.errors import FeedError
from pramaan.feeds import sql
from pramaan.feeds.landing import LandedFile
from pramaan.sandbox import SandboxStopped, run_in_sandbox

__all__ = [
    "CRASHES_BEFORE_SANDBOX",
    "attempt",
    "last_those_that_kill",
    "read_in_sandbox",
    "refuse_after_too_many",
]

CRASHES_BEFORE_SANDBOX: Final = 2

_CRASHES_THAT_REFUSE: Final = 20
"""Beyond all chance, although a child can read the file: something behind the reader dies of it."""

_CHILD: Final = "pramaan.feeds.child"
_STEP_CLOCK_SECONDS: Final = 120.0
"""Without a word; a chunk takes a part of a second."""


@contextmanager
def attempt(connection: Connection, file: LandedFile, *, sha256: str) -> Iterator[int]:
    """How many readers died on these bytes before, for the block, which counts as one unless it ends.

    Writes to `ops.load_attempts`, outside of any transaction. Memory that ran out counts as a death.
    """
    row = connection.execute(sql.BEGIN_ATTEMPT, (file.feed, sha256, file.uri)).fetchone()
    try:
        yield cast(int, row[0]) - 1 if row else 0
    except MemoryError:
        raise
    except BaseException:
        _forget(connection, file, sha256=sha256)
        raise
    else:
        _forget(connection, file, sha256=sha256)


def _forget(connection: Connection, file: LandedFile, *, sha256: str) -> None:
    """Never raises: what ended the attempt is to come out. On a connection that is lost or still at work the
    attempt counts as a death, which one good load makes up for.
    """
    if connection.info.transaction_status is TransactionStatus.IDLE:
        with suppress(psycopg.Error):
            connection.execute(sql.END_ATTEMPT, (file.feed, sha256))


def last_those_that_kill(connection: Connection, files: Collection[LandedFile]) -> list[LandedFile]:
    """The files in their order, but behind all others those on which a reader died: they hold nobody up."""
    found = connection.execute(sql.ATTEMPTED, ([file.uri for file in files],)).fetchall()
    attempted = {uri for (uri,) in found}
    return sorted(files, key=lambda file: file.uri in attempted)


def refuse_after_too_many(crash_count: int) -> None:
    """Raises FeedError `reader_died` for a file of which so many loaders died that nobody else would load."""
    if crash_count >= _CRASHES_THAT_REFUSE:
        raise FeedError(
            "reader_died",
            f"{crash_count} loaders died while they had the file. None of it is loaded; if they were killed "
            "for other reasons, send it again",
        )


def read_in_sandbox(path: Path, *, name: str, feed: str, loaded_at: datetime) -> None:
    """Read and check the file in a child process, for nothing but to see whether that survives.

    Raises FeedError `reader_died` when it does not, HostError when no child can be started.
    """
    arguments = [str(path.absolute()), name, feed, loaded_at.isoformat()]
    try:
        for _ in run_in_sandbox(_CHILD, arguments, step_clock_seconds=_STEP_CLOCK_SECONDS):
            pass
    except SandboxStopped as stopped:
        why = "takes too long" if stopped.by_time else "takes too much memory, or breaks the reader"
        raise FeedError(
            "reader_died",
            f"the file killed {CRASHES_BEFORE_SANDBOX} readers, and one within limits, too ({stopped.step} "
            f"{why}). None of it is loaded; look at how it was made before sending it again",
        ) from stopped
