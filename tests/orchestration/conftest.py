"""Airflow on an empty world."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from airflows import Airflow, Asked, environment, running_airflow

from pramaan.settings import Settings
from worlds import database_url


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Airflow's own database and its logs are."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def one_airflow(session_settings: Settings, airflow_home: Path) -> Iterator[Airflow]:
    """The one process that all these tests ask."""
    given = environment(session_settings, airflow_home, url="postgresql://nowhere")
    with running_airflow(given, airflow_home / "said.log") as ask:
        yield ask


@pytest.fixture
def airflow(one_airflow: Airflow, airflow_home: Path, settings: Settings) -> Airflow:
    """Asks it something, on this test's empty world."""

    def ask(asked: Asked) -> object:
        given = environment(settings, airflow_home, url=database_url(settings))
        return one_airflow({"env": given, **asked})

    return ask
