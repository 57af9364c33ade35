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
from shared_home import EMPTY, Keep, empty_database
from worlds import database_url


@pytest.fixture
def origin(request: pytest.FixtureRequest, keep: Keep) -> str:
    """Two tenants, where the test asks for them."""
    return keep("two_tenants", _two_tenants) if "two_tenants" in request.fixturenames else EMPTY


def _two_tenants(settings: Settings) -> None:
    with connect(database_url(settings)) as connection:
        fill_two_tenants(connection, Pipeline(settings, url=database_url(settings)))


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
    return World(api, settings, pipeline, connection)


@pytest.fixture
def issued_world(two_tenants: World) -> World:
    """The same, with every certificate but bina's issued."""
    issue_without_printing(two_tenants.connection, "asha", "sita")
    return two_tenants


@pytest.fixture(scope="module")
def standing_world(
    session_settings: Settings, tmp_path_factory: pytest.TempPathFactory, keep: Keep
) -> Iterator[World]:
    """The world of `issued_world`, once for all tests of a file: none of them changes anything."""
    with (
        empty_database(
            session_settings, tmp_path_factory.mktemp("standing"), template=keep("two_tenants", _two_tenants)
        ) as settings,
        connect(database_url(settings)) as connection,
        open_api(settings) as api,
    ):
        pipeline = Pipeline(settings, url=database_url(settings))
        issue_without_printing(connection, "asha", "sita")
        before = all_rows(connection)
        yield World(api, settings, pipeline, connection)
        assert all_rows(connection) == before
