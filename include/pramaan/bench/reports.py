"""Progress reports: how long a file takes and what memory, beside other writers, and how long until the mail
server has the mail, alone and in a people.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pramaan.bench.issuance.platform import running_platform
from pramaan.bench.measurement import Measurement
from pramaan.bench.reporting.delivery import measure_delivery
from pramaan.bench.reporting.files import measure_files
from pramaan.bench.reporting.peers import measure_peers
from pramaan.bench.reporting.synthetic_people import add_clicks, drop_batches
from pramaan.database.connect import pipeline_lock

__all__ = ["run"]

_SMALL_PEOPLE: Final = 1_000


def run(*, people: int, report: Callable[[str], None] = lambda _: None) -> list[Measurement]:
    """Measure with a batch of so many `people`, of 10 contents each, 5 of them scored, and one of 1,000.

    Raises HostError when the platform does not start, or a report does not come.
    """
    with running_platform(report=report) as platform, tempfile.TemporaryDirectory() as folder:
        pipeline = platform.pipeline
        with pipeline.connect() as connection:
            report(f"A batch of {people:,} people")
            with pipeline_lock(connection):
                drop_batches(platform.landing, Path(folder), large=people, small=_SMALL_PEOPLE)
                pipeline.load(connection)
                pipeline.decide(connection)
            add_clicks(connection)
            connection.execute("vacuum analyze")
            platform.rest(connection)
        return [
            *measure_files(pipeline, people=people, report=report),
            *measure_peers(pipeline, people=people, report=report),
            *measure_delivery(platform, report=report),
        ]
