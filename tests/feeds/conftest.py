"""An empty landing folder beside an empty warehouse."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from feed_files import World

from pramaan.database.connect import connect
from pramaan.host.platform import ensure_database
from pramaan.host.postgres import superuser_database_url
from pramaan.settings import Settings


@pytest.fixture(scope="session")
def feeds_database(session_settings: Settings) -> Iterator[str]:
    """The address of a database that the tests of feeds share, one after the other."""
    name = f"feeds_{os.urandom(6).hex()}"
    with psycopg.connect(superuser_database_url(session_settings), autocommit=True) as server:
        server.execute(f"create database {name} template pramaan owner pramaan strategy file_copy")  # type: ignore[arg-type]
        yield ensure_database(session_settings).rpartition("/")[0] + f"/{name}"
        server.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, feeds_database: str) -> Iterator[World]:
    """Nothing landed, nothing loaded."""
    with connect(feeds_database) as connection:
        connection.execute("set synchronous_commit = off")
        world = World(tmp_path / "landing", connection, url=feeds_database)
        world.clear()
        yield world
