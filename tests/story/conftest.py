"""One migrated database a module, with the rules deployed; emptied for each world that is made in it."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from issuance_world import World

from pramaan.database.connect import connect
from pramaan.settings import Settings
from worlds import database_url, empty_database


@pytest.fixture(scope="module")
def new_world(
    session_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], World]]:
    """Makes an empty world, in place of the one that it made before."""
    folder = tmp_path_factory.mktemp("story")
    numbers = count()
    with (
        empty_database(session_settings, folder) as settings,
        connect(database_url(settings)) as connection,
    ):

        def make() -> World:
            return World(settings, connection, folder / str(next(numbers)))

        yield make


@pytest.fixture
def world(new_world: Callable[[], World]) -> Iterator[World]:
    """An empty world, whose books balance when the story is told."""
    made = new_world()
    yield made
    made.assert_books_balance()
