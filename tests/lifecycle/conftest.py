"""Fixtures named for what became of the one certificate there is."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pramaan.database.connect import Connection, connect
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from shared_home import EMPTY, Keep
from worlds import database_url, finishers_waiting


@pytest.fixture
def other(settings: Settings) -> Iterator[Connection]:
    """A second connection to the same world."""
    with connect(database_url(settings)) as opened:
        yield opened


@pytest.fixture
def origin(request: pytest.FixtureRequest, keep: Keep) -> str:
    """One certificate is pending, where the test asks for it."""
    return keep("one_waiting", _one_waiting) if "one_waiting" in request.fixturenames else EMPTY


def _one_waiting(settings: Settings) -> None:
    url = database_url(settings)
    with connect(url) as connection, TemporaryDirectory() as folder:
        finishers_waiting(settings, Pipeline(settings, url=url), connection, Path(folder), count=1)


@pytest.fixture
def one_waiting(connection: Connection) -> str:
    """The id of a certificate that is pending."""
    row = connection.execute("select certificate_id from registry.certificates").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def one_issued(pipeline: Pipeline, one_waiting: str) -> str:
    """The id of a certificate that is issued, with its PDF in the store."""
    assert pipeline.issue_chunk(limit=1, run_id=None).issued == 1
    return one_waiting
