"""Airflow on an empty world."""

import json
from pathlib import Path
from typing import Any

import pytest
from airflows import SCRIPT, Airflow, call_airflow, environment

from pramaan.settings import Settings
from worlds import database_url


@pytest.fixture(scope="session")
def airflow_home(session_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's own database, migrated once."""
    home = tmp_path_factory.mktemp("airflow")
    given = environment(session_settings, home, url="postgresql://nowhere")
    call_airflow(given, "-m", "airflow", "db", "migrate")
    return home


@pytest.fixture
def airflow(airflow_home: Path, settings: Settings) -> Airflow:
    """Asks `airflow_here.py` something, on this test's empty world."""

    def ask(wanted: dict[str, Any]) -> Any:
        given = environment(settings, airflow_home, url=database_url(settings))
        printed = call_airflow(given, str(SCRIPT), stdin=json.dumps(wanted))
        # The last line: Airflow says something of its own before.
        return json.loads(printed.splitlines()[-1])

    return ask
