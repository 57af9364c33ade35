"""An empty landing folder beside an empty warehouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from feed_files import World

from pramaan.database.connect import connect
from pramaan.settings import Settings
from shared_home import new_database


@pytest.fixture(scope="session")
def feeds_database(session_settings: Settings) -> Iterator[str]:
    """The address of a database that the tests of feeds share, one after the other."""
    with new_database(session_settings) as url:
        yield url


@pytest.fixture
def world(tmp_path: Path, feeds_database: str) -> Iterator[World]:
    """Nothing landed, nothing loaded."""
    with connect(feeds_database) as connection:
        connection.execute("set synchronous_commit = off")
        world = World(tmp_path / "landing", connection, url=feeds_database)
        world.clear()
        yield world
