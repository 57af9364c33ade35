"""Fixtures named for a state of the world, as a caller of the API finds it."""

from collections.abc import Iterator

import pytest
from web_worlds import (
    Api,
    World,
    all_rows,
    fill_two_tenants,
    issue_without_printing,
    open_api,
)

from pramaan.database.connect import Connection, connect
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import database_url, empty_database


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The API on an empty world."""
    with open_api(settings) as opened:
        yield opened


@pytest.fixture
def two_tenants(api: Api, settings: Settings, pipeline: Pipeline, connection: Connection) -> World:
    """Two tenants with courses, boards, batches and users; four completions that earned a certificate, which
    is pending. See `fill_two_tenants`.
    """
    fill_two_tenants(connection, pipeline)
    return World(api, settings, pipeline, connection)


@pytest.fixture
def issued_world(two_tenants: World) -> World:
    """The same, with every certificate but bina's issued."""
    issue_without_printing(two_tenants.connection, "asha", "sita")
    return two_tenants


@pytest.fixture(scope="module")
def standing_world(session_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world of `issued_world`, once for all tests of a file: none of them changes anything."""
    with (
        empty_database(session_settings, tmp_path_factory.mktemp("standing")) as settings,
        connect(database_url(settings)) as connection,
        open_api(settings) as api,
    ):
        pipeline = Pipeline(settings, url=database_url(settings))
        fill_two_tenants(connection, pipeline)
        issue_without_printing(connection, "asha", "sita")
        before = all_rows(connection)
        yield World(api, settings, pipeline, connection)
        assert all_rows(connection) == before
