"""Runs tests that depend on the calendar at instants of a shifted clock: `make test-clock`.

    HOURS="0 18 23"                   these hours of today, UTC
    INSTANTS="2028-02-29T18:40:00Z"   these instants
    ARGS=...                          what pytest is told besides

Where neither is said: every hour, and the ends of months and of a year, on both sides of midnight in India
and in UTC. The clock is libfaketime's, for all that a test starts, Postgres too; it goes on from the instant.
Exits with 1 when a test failed at some instant, and says at which.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_LIBRARY: Final = "faketime/libfaketimeMT.so.1"
_TESTS: Final = (
    "tests/clock",
    "tests/certificates/test_gate.py",
    "tests/certificates/test_healing.py",
    "tests/cli/test_gate_command.py",
    "tests/quality/test_suites.py",
    "tests/registry/test_batches.py",
    "tests/registry/test_edges.py",
    "tests/reports/test_report_promise.py",
    "tests/reports/test_report_rows.py",
    "tests/reports/test_report_schedules.py",
    "tests/warehouse/test_decide.py",
)
_EDGES: Final = ("2027-01-31", "2027-02-28", "2028-02-29", "2027-12-31")
_ON_BOTH_SIDES: Final = ("18:20", "18:40", "23:50")
"""Of midnight in India, at 18:30 UTC, and the last minutes of the day in UTC, which end in the next."""


def instants() -> Iterator[datetime]:
    """Those that were asked for, or all."""
    now = datetime.now(UTC)
    hours = os.environ.get("HOURS", "").split()
    named = os.environ.get("INSTANTS", "").split()
    if not named or hours:
        for hour in hours or map(str, range(24)):
            yield now.replace(hour=int(hour), minute=7, second=0, microsecond=0)
    if not hours or named:
        edges = (f"{day}T{at}:00Z" for day in _EDGES for at in _ON_BOTH_SIDES)
        yield from map(datetime.fromisoformat, named or edges)


def library() -> Path:
    """Raises FileNotFoundError when Debian's libfaketime is not installed."""
    for folder in Path("/usr/lib").glob("*-linux-gnu"):
        if (folder / _LIBRARY).exists():
            return folder / _LIBRARY
    raise FileNotFoundError("libfaketime is not installed: bash setup.sh tools")


def run_at(instant: datetime, *, sleep: Path, arguments: list[str]) -> int:
    """Run the tests as if it were `instant`; returns what pytest ends with."""
    shift_seconds = round((instant - datetime.now(UTC)).total_seconds())
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "everywhere", "-m", "not long", *_TESTS, *arguments],
        env=os.environ | {
            "PYTHONPATH": str(_HERE),
            "LD_PRELOAD": f"{sleep}:{library()}",
            "FAKETIME": f"{shift_seconds:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
        check=False,
    ).returncode  # fmt: skip


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run at each instant; how many ended badly is said last."""
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        # Also the account that Postgres runs as loads it.
        Path(folder).chmod(0o755)
        sleep = Path(folder) / "sleep.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", sleep, _HERE / "sleep.c"], check=True)
        for instant in instants():
            _say(f"== {instant:%Y-%m-%dT%H:%M:%SZ}")
            if run_at(instant, sleep=sleep, arguments=sys.argv[1:]):
                failed.append(f"{instant:%Y-%m-%dT%H:%M:%SZ}")
    _say(f"Failed at: {', '.join(failed)}" if failed else "Passed at every instant.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
