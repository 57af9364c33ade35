"""A home of its own for a measurement: nothing of yours is touched, nothing of it stays."""

import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pramaan.host.platform import ensure_database, stop
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings

__all__ = ["free_port_base", "scratch_pipeline"]


@contextmanager
def scratch_pipeline() -> Iterator[tuple[Settings, Pipeline]]:
    """A new embedded Postgres with durable settings, migrated and with the rules deployed, for the block."""
    folder = Path(tempfile.mkdtemp(prefix="pramaan-bench-"))
    settings = Settings(home=folder / "home", port_base=free_port_base())
    try:
        pipeline = Pipeline(settings, url=ensure_database(settings))
        pipeline.prepare()
        yield settings, pipeline
    finally:
        data = (settings.home / "postgres").resolve()
        stop(settings)
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def free_port_base() -> int:
    """The first of ten free ports in a row; drawn, so that two callers at once rarely try the same.

    Below the range from which the kernel takes ports for outgoing connections.
    """
    for base in random.SystemRandom().sample(range(21_000, 32_000, 10), 1_100):
        try:
            for port in range(base, base + 10):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise OSError("no ten free ports in a row between 21000 and 32000")
