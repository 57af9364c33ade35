"""Fixtures named for what became of the one certificate there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pramaan.database.connect import Connection, connect
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import database_url, finishers_waiting


@pytest.fixture
def other(settings: Settings) -> Iterator[Connection]:
    """A second connection to the same world."""
    with connect(database_url(settings)) as opened:
        yield opened


@pytest.fixture
def one_waiting(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> str:
    """The id of a certificate that is pending."""
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
    row = connection.execute("select certificate_id from registry.certificates").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def one_issued(pipeline: Pipeline, one_waiting: str) -> str:
    """The id of a certificate that is issued, with its PDF in the store."""
    assert pipeline.issue_chunk(limit=1, run_id=None).issued == 1
    return one_waiting
