"""Where a command works and who gives it: the registry or the pipeline of this home, ready to use, and the
operator.
"""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pramaan.cli.console import step
from pramaan.database.connect import Connection, connect
from pramaan.host.platform import ensure_database
from pramaan.registry.changes import Actor
from pramaan.settings import Settings, load_settings
from pramaan.stages.preparing import prepare_schema

if TYPE_CHECKING:
    from pramaan.pipeline import Pipeline

__all__ = ["open_pipeline", "open_registry", "operator"]


@contextmanager
def open_registry(settings: Settings | None = None) -> Iterator[Connection]:
    """Start the embedded Postgres if it is needed and down, bring its tables up to date; a connection for the
    block.
    """
    url = ensure_database(settings or load_settings())
    prepare_schema(url, report=step)
    with connect(url) as connection:
        yield connection


def open_pipeline(settings: Settings | None = None) -> "Pipeline":
    """Start the embedded Postgres if it is needed and down, bring the whole database up to date, return its
    pipeline.
    """
    from pramaan.pipeline import Pipeline

    settings = settings or load_settings()
    pipeline = Pipeline(settings, url=ensure_database(settings))
    pipeline.prepare(report=step)
    return pipeline


def operator() -> Actor:
    """Who sits at this machine, as the registry's record says who changed what."""
    return Actor(f"operator:{getpass.getuser()}", "cli", socket.gethostname())
