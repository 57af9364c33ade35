"""When the models that read telemetry are built anew."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from airflow.utils.types import DagRunType
from airflows import environment

from pramaan.database.connect import Connection, connect, metrics_lock
from pramaan.orchestration.telemetry import await_metrics, is_to_be_built
from pramaan.settings import Settings
from worlds import database_url

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_type", "age", "builds"),
    [
        (DagRunType.ASSET_TRIGGERED, timedelta(minutes=59), False),
        (DagRunType.ASSET_TRIGGERED, timedelta(minutes=60), True),
        (DagRunType.ASSET_TRIGGERED, None, True),
        (DagRunType.SCHEDULED, timedelta(minutes=1), True),
        (DagRunType.MANUAL, timedelta(minutes=1), True),
    ],
)
def test_new_files_cause_a_build_an_hour_at_most(
    tmp_path: Path, run_type: DagRunType, age: timedelta | None, *, builds: bool
) -> None:
    built = tmp_path / "built"
    if age is not None:
        built.touch()
        os.utime(built, ((NOW - age).timestamp(),) * 2)
    assert is_to_be_built(run_type, built=built, now=NOW) is builds


def test_the_night_waits_for_metrics_that_are_being_built(
    settings: Settings, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(settings, tmp_path, url=database_url(settings)).items():
        monkeypatch.setenv(name, value)
    night = Thread(target=await_metrics)
    with connect(database_url(settings)) as builder, metrics_lock(builder):
        night.start()
        while not connection.execute(
            "select 1 from pg_locks where locktype = 'advisory' and not granted "
            "and database = (select oid from pg_database where datname = current_database())"
        ).fetchone():
            assert night.is_alive()
        assert night.is_alive()
    night.join()
    assert not night.is_alive()
