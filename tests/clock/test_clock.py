"""The tests, Postgres and what they start live in one time: also when `make test-clock` shifts it."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from pramaan.database.connect import Connection

TOLERANCE = timedelta(minutes=5)


def test_postgres_has_the_clock_of_the_tests(connection: Connection) -> None:
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    assert abs(row[0] - datetime.now(UTC)) < TOLERANCE


def test_what_is_started_with_an_environment_of_its_own_has_it_too() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import time; time.sleep(0.01); print(time.time())"],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert abs(datetime.fromtimestamp(float(said), UTC) - datetime.now(UTC)) < TOLERANCE
