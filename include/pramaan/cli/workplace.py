"""Where a command works and who gives it: the pipeline of this home, ready to use, and the operator."""

import getpass
import socket

from pramaan.cli.console import step
from pramaan.host.platform import ensure_database
from pramaan.pipeline import Pipeline
from pramaan.registry.changes import Actor
from pramaan.settings import Settings, load_settings

__all__ = ["open_pipeline", "operator"]


def open_pipeline(settings: Settings | None = None) -> Pipeline:
    """Start the embedded Postgres if it is needed and down, bring the database up to date, return its
    pipeline.
    """
    settings = settings or load_settings()
    pipeline = Pipeline(settings, url=ensure_database(settings))
    pipeline.prepare(report=step)
    return pipeline


def operator() -> Actor:
    """Who sits at this machine, as the registry's record says who changed what."""
    return Actor(f"operator:{getpass.getuser()}", "cli", socket.gethostname())
