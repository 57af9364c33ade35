"""Airflow's tasks, its parts and Postgres are killed while feeds come in; then everybody has got what they
earned, once.

The long tests take about half an hour on two cores, most of it waiting: Airflow takes a minute to notice a
task whose process was killed.

    .venv/bin/python -m pytest tests/chaos/test_airflow_under_kills.py -m long --log-cli-level=info
"""

import logging
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.airflow_chaos import (
    AirflowChaos,
    Victim,
    idle_workers,
    offer_certificates,
    second_scheduler,
    survive_briefly,
    wait_until_healthy,
)
from chaos.kills import kill
from chaos.proof import assert_exactly_once, certificates
from chaos.synthetic_people import People, gather_people
from pramaan.database.connect import connect
from pramaan.host.platform import ensure_database, stop
from pramaan.settings import Settings
from worlds import PRAMAAN, free_port_base

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.long, pytest.mark.timeout(5400)]

VICTIMS: dict[Victim, int] = {
    "load_feeds": 3, "make_decisions": 3, "issue_chunk": 5, "record_run": 2, "task_supervisor": 3,
    "scheduler": 3, "triggerer": 2, "triggerer_runner": 2, "dag-processor": 2, "api-server": 2,
    "postmaster": 3, "pramaan_backend": 5, "airflow_backend": 3,
}  # fmt: skip
"""How often each is killed for one seed."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A platform that runs; the people's courses offer their certificates."""
    folder = tmp_path_factory.mktemp("chaos")
    home = Settings(home=folder / "home", port_base=free_port_base())
    try:
        pramaan(home, "up")
        offer_certificates(home, folder)
        yield home
    finally:
        data = (home.home / "postgres").resolve()
        stop(home)
        shutil.rmtree(data)


@pytest.fixture(scope="module")
def earlier() -> list[People]:
    """The groups of the tests before: what they were given must stay as it is."""
    return []


@pytest.mark.parametrize("seed", range(11, 13))
def test_kills_of_any_process_leave_no_duplicate_and_no_hole(
    platform: Settings, tmp_path: Path, earlier: list[People], seed: int
) -> None:
    victims = [victim for victim, times in VICTIMS.items() for _ in range(times)]
    random.Random(seed).shuffle(victims)
    earlier.append(gather_people(people=3_000, waves=len(victims), seed=seed))
    wait_until_healthy(platform, seconds=300)
    chaos = AirflowChaos(platform, tmp_path / f"seed-{seed}", people=earlier[-1], seed=seed)
    chaos.survive(victims, beside_foreground=0.15)
    seconds = chaos.wait_until_done(seconds=1200)
    log.info("%d kills, %s; done %.0f s after the last", chaos.struck.total(), dict(chaos.struck), seconds)
    assert chaos.struck.total() >= 0.9 * len(victims)
    with connect(ensure_database(platform)) as connection:
        assert_exactly_once(platform, connection, earlier)


def test_two_schedulers_at_once_issue_everything_once(
    platform: Settings, tmp_path: Path, earlier: list[People]
) -> None:
    earlier.append(gather_people(people=1_500, waves=8, seed=21))
    wait_until_healthy(platform, seconds=300)
    chaos = AirflowChaos(platform, tmp_path / "two", people=earlier[-1], seed=21)
    with second_scheduler(platform, tmp_path / "second"):
        chaos.survive(["pramaan_backend", "issue_chunk", "scheduler", "make_decisions"], pause_seconds=15)
    chaos.wait_until_done(seconds=1200)
    with connect(ensure_database(platform)) as connection:
        assert_exactly_once(platform, connection, earlier)
        before = certificates(connection)
        pramaan(platform, "issue")
        assert certificates(connection) == before


def test_four_kills_in_a_platform_at_rest_leave_no_duplicate_and_no_hole(
    platform: Settings, tmp_path: Path, earlier: list[People]
) -> None:
    wait_until_healthy(platform, seconds=300)
    earlier.append(survive_briefly(platform, tmp_path))
    with connect(ensure_database(platform)) as connection:
        assert_exactly_once(platform, connection, earlier)


def test_killed_idle_processes_of_the_executor_stop_nothing(platform: Settings, tmp_path: Path) -> None:
    wait_until_healthy(platform, seconds=300)
    people = gather_people(people=100, waves=1, seed=41)
    idle = idle_workers(platform)
    if sum(map(kill, idle)) < len(idle) or not idle:
        pytest.fail("there was nobody to kill")
    chaos = AirflowChaos(platform, tmp_path / "idle", people=people, seed=41)
    chaos.survive([])
    chaos.wait_until_done(seconds=150)


def pramaan(home: Settings, *arguments: str) -> None:
    subprocess.run(
        [str(PRAMAAN), *arguments],
        env={
            "PATH": "/usr/bin:/bin",
            "PRAMAAN_HOME": str(home.home),
            "PRAMAAN_PORT_BASE": str(home.port_base),
        },
        check=True,
        capture_output=True,
        timeout=500,
    )
