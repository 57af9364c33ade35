"""Which files wait, for whoever watches for work."""

from collections.abc import Collection, Iterator
from functools import partial

from pramaan.database.connect import Connection
from pramaan.database.work import WorkSource
from pramaan.feeds.landing import Landing

__all__ = ["files_waiting"]


def files_waiting(landing_url: str, *, feeds: Collection[str]) -> WorkSource:
    """The complete files of these feeds in the landing folder. Nobody tells of a file."""
    return WorkSource("files", partial(_pending, Landing(landing_url), feeds), is_notified=False)


def _pending(landing: Landing, feeds: Collection[str], connection: Connection) -> Iterator[str]:
    del connection
    yield from (f"file {file.path}" for file in landing.waiting(feeds=feeds))
