"""The whole platform for a measurement: Airflow, all DAGs on, in a home of its own."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString

from pramaan.bench.issuance.airflow_api import AirflowApi
from pramaan.bench.issuance.synthetic_people import attach_certificates, drop_courses
from pramaan.bench.scratch import scratch_pipeline
from pramaan.database.connect import Connection, pipeline_lock
from pramaan.errors import HostError
from pramaan.feeds.landing import Landing
from pramaan.host.platform import start_airflow
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings

__all__ = ["ISSUING", "Platform", "running_platform", "wait_until"]

ISSUING: Final = "issue_certificates"
_QUIET_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.5

_AT_REST: LiteralString = """
    select not exists (select from ops.changed_keys)
        and not exists (select from registry.certificates where status = 'pending')
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform whose courses are certified; `folder` is scratch, beside the landing folder."""

    settings: Settings
    pipeline: Pipeline
    api: AirflowApi
    landing: Landing
    folder: Path

    def rest(self, connection: Connection) -> None:
        """Wait until nothing waits and nothing runs. Raises HostError when that takes ten minutes."""
        wait_until(
            lambda: self._is_at_rest(connection), seconds=_QUIET_SECONDS, what="the platform to be at rest"
        )

    def _is_at_rest(self, connection: Connection) -> bool:
        row = connection.execute(_AT_REST).fetchone()
        return bool(row and row[0]) and not self.landing.waiting() and not self.api.runs_under_way()


def wait_until(
    done: Callable[[], bool], *, seconds: float, what: str, every_seconds: float = _POLL_SECONDS
) -> None:
    """Ask until it is done. Raises HostError when that takes longer than so many seconds."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise HostError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(every_seconds)


@contextmanager
def running_platform(*, report: Callable[[str], None]) -> Iterator[Platform]:
    """The platform for the block, at rest at first; nothing of it stays."""
    with scratch_pipeline() as (settings, pipeline), tempfile.TemporaryDirectory() as name:
        landing, folder = Landing(settings.landing_url), Path(name)
        with pipeline.connect() as connection:
            drop_courses(landing, folder)
            with pipeline_lock(connection):
                pipeline.load(connection)
            attach_certificates(connection)
            start_airflow(settings, report=report)
            platform = Platform(settings, pipeline, AirflowApi.of(settings), landing, folder)
            platform.rest(connection)
        yield platform
