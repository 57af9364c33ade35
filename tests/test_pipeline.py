"""The whole pipeline, feeds to PDFs, on real enrolments and on the bundled sample."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pramaan.database.connect import Connection, pipeline_lock
from pramaan.feeds.landing import Landing
from pramaan.pipeline import Pipeline, kept_template
from pramaan.registry.attachments import Criteria, attach
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.settings import Settings

COMPLETED, ENTITLED = 564, 564


def drop(settings: Settings, folder: Path) -> None:
    landing = Landing(settings.landing_url)
    for path in sorted(folder.glob("*/*")):
        landing.add(path.parent.name, path)


def load_and_decide(pipeline: Pipeline, connection: Connection) -> None:
    with pipeline_lock(connection, wait_seconds=10):
        pipeline.load(connection)
        pipeline.decide(connection)


def attach_everywhere(connection: Connection) -> None:
    record_issuer(connection, Issuer("ou", "ou", "The Open University"), recorded_by="test")
    template = kept_template("classic")
    for (course_id,) in connection.execute("select distinct course_id from raw.courses").fetchall():
        attach(
            connection,
            str(course_id),
            template=template,
            issuer_id="ou",
            criteria=Criteria(),
            valid_from=datetime(2012, 1, 1, tzinfo=UTC),
            asserted_by="test",
            reason="import of history",
        )


@pytest.mark.parametrize("fmt", ["parquet", "csv", "jsonl"])
def test_real_enrolments_end_in_the_expected_certificates(
    fmt: str,
    settings: Settings,
    pipeline: Pipeline,
    connection: Connection,
    oulad_feeds: Callable[..., Path],
) -> None:
    drop(settings, oulad_feeds(fmt))
    load_and_decide(pipeline, connection)
    attach_everywhere(connection)
    load_and_decide(pipeline, connection)
    totals = pipeline.totals(connection)
    assert (totals.completions, totals.quarantined) == (COMPLETED, 0)
    assert totals.certificates == {"pending": ENTITLED}
