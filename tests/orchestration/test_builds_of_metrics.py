"""When the models that read telemetry are built anew."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.utils.types import DagRunType

from pramaan.orchestration.telemetry import is_to_be_built

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
