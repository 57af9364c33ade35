"""Killed at random points, runs in the foreground finish their work once: no duplicate, no hole, every hash
right. Runs by Airflow are killed in `chaos/test_airflow_under_kills.py`.

The long tests, a hundred kills over five seeds, take about ten minutes:

    .venv/bin/python -m pytest tests/test_chaos.py -m long --log-cli-level=info
"""

import contextlib
import logging
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chaos.kills import kill, one_of, postgres_backends, postmaster, renderers, wait_until
from chaos.proof import assert_exactly_once, attach_chaos, certificates
from chaos.synthetic_people import People, gather_people, write_wave
from pramaan.database.connect import Connection, connect
from pramaan.host.platform import ensure_database, stop
from pramaan.host.processes import list_processes
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import PRAMAAN, drop, free_port_base

log = logging.getLogger(__name__)

Run = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose Postgres is durable; the people's courses offer their certificates."""
    folder = tmp_path_factory.mktemp("chaos")
    settings = Settings(home=folder / "home", port_base=free_port_base())
    try:
        pipeline = Pipeline(settings, url=ensure_database(settings))
        pipeline.prepare()
        drop(settings, write_wave(folder / "catalogue", gather_people().catalogue, name="catalogue"))
        with pipeline.connect() as connection:
            pipeline.load(connection)
            attach_chaos(connection)
        yield settings
    finally:
        data = (settings.home / "postgres").resolve()
        stop(settings)
        shutil.rmtree(data)


@pytest.fixture(scope="module")
def groups() -> list[People]:
    """Everybody so far: what the tests before gave must stay as it is."""
    return []


@pytest.mark.slow
def test_seven_kills_leave_no_duplicate_and_no_hole(
    home: Settings, groups: list[People], tmp_path: Path
) -> None:
    groups.append(gather_people(people=2_000, waves=7, seed=1))
    Chaos(home, tmp_path, groups=groups, kills=7, seed=1).survive()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_hundred_kills_leave_no_duplicate_and_no_hole(
    home: Settings, groups: list[People], tmp_path: Path, seed: int
) -> None:
    groups.append(gather_people(people=6_000, waves=30, seed=seed))
    Chaos(home, tmp_path, groups=groups, kills=20, seed=seed).survive()


@pytest.mark.slow
def test_a_run_survives_the_death_of_its_renderers(
    home: Settings, groups: list[People], tmp_path: Path
) -> None:
    run = load_new_people(home, groups, tmp_path, seed=7)
    for _ in range(2):
        await_outcomes(home, run, more=100)
        assert kill(next(iter(renderers(run.pid)), None))
    assert run.wait() == 0
    assert_all(home, groups)


@pytest.mark.slow
def test_two_runs_at_once_issue_everything_once(home: Settings, groups: list[People], tmp_path: Path) -> None:
    runs = [load_new_people(home, groups, tmp_path / str(seed), seed=seed) for seed in (8, 9)]
    assert [run.wait() for run in runs] == [0, 0]
    assert_all(home, groups)


@pytest.mark.slow
def test_a_run_that_is_killed_without_its_renderers_leaves_no_process_behind(
    home: Settings, groups: list[People], tmp_path: Path
) -> None:
    run = load_new_people(home, groups, tmp_path, seed=10)
    await_outcomes(home, run, more=50)
    assert renderers(run.pid)
    assert kill(run.pid)
    run.wait()
    assert wait_until(lambda: not family_of(run), seconds=600), family_of(run)
    assert start(home, "issue").wait() == 0
    assert_all(home, groups)


class Chaos:
    """Runs of `pramaan load`, each killed, wholly or in one of its processes, or with Postgres under it."""

    def __init__(
        self, home: Settings, folder: Path, *, groups: Sequence[People], kills: int, seed: int
    ) -> None:
        self._home = home
        self._folder = folder
        self._dice = random.Random(seed)
        self._kills = kills
        self._groups = groups
        self._waves = groups[-1].waves
        self._runs: list[Run] = []
        self._struck: Counter[str] = Counter()

    def survive(self) -> None:
        """As many kills, most of them while another wave of files is loaded; then it is left alone."""
        ways = [self._whole_run, self._head, self._renderer, self._postgres, self._backend]
        self._dice.shuffle(ways)
        for number in range(2 * self._kills):
            if self._struck.total() == self._kills:
                break
            self._start(number)
            self._await_step()
            way = ways[number % len(ways)]
            self._struck[way.__name__.strip("_")] += way()
            self._end_some()
        self._end_all()
        log.info("%d kills: %s", self._struck.total(), dict(self._struck))
        assert self._struck.total() == self._kills, "too many came after the end, and prove nothing"
        assert start(self._home, "load", str(self._everything())).wait() == 0
        before = assert_all(self._home, self._groups)
        assert start(self._home, "load", str(self._everything())).wait() == 0
        assert assert_all(self._home, self._groups) == before

    def _start(self, number: int) -> None:
        """A run with the next wave of files, or none if they are used up; now and then beside one that still
        goes on, or twice at once.
        """
        command = ["issue"]
        if number < len(self._waves):
            folder = write_wave(self._folder / f"wave-{number}", self._waves[number], name=f"w{number}")
            command = ["load", str(folder)]
        for _ in range(1 if self._dice.random() < 0.7 else 2):
            self._runs.append(start(self._home, *command))

    def _await_step(self) -> None:
        """Until the run is at it: starting up, loading some file, or issuing some certificate."""
        step = self._dice.choice(("start", "load", "issue", "issue"))
        time.sleep(self._dice.uniform(0.2, 1.0))
        if step == "load":
            await_rows(self._home, self._runs[-1], "ops.loads", more=self._dice.randint(1, 3))
        if step == "issue":
            await_outcomes(self._home, self._runs[-1], more=self._dice.randint(1, 60))

    def _whole_run(self) -> bool:
        return kill_run(self._runs[-1])

    def _head(self) -> bool:
        return self._runs[-1].poll() is None and kill(self._runs[-1].pid)

    def _renderer(self) -> bool:
        run = self._runs[-1]
        wait_until(lambda: run.poll() is not None or renderers(run.pid), seconds=600)
        return kill(one_of(self._dice, renderers(run.pid)))

    def _postgres(self) -> bool:
        return kill(postmaster(self._home))

    def _backend(self) -> bool:
        return kill(one_of(self._dice, postgres_backends(self._home, of="pramaan")))

    def _end_some(self) -> None:
        """A run that lost a part of itself goes on, more often than not."""
        if self._dice.random() < 0.4:
            self._end_all()
        else:
            time.sleep(self._dice.uniform(0.0, 1.0))
        self._runs = [run for run in self._runs if run.poll() is None]

    def _end_all(self) -> None:
        for run in self._runs:
            kill_run(run)

    def _everything(self) -> Path:
        """All waves in one folder."""
        for number, wave in enumerate(self._waves):
            write_wave(self._folder / "everything", wave, name=f"w{number}")
        return self._folder / "everything"


def load_new_people(home: Settings, groups: list[People], folder: Path, *, seed: int) -> Run:
    """A run that loads the facts of people who are new."""
    groups.append(gather_people(people=1_000, waves=1, seed=seed))
    return start(home, "load", str(write_wave(folder / "feeds", groups[-1].waves[0], name=f"all-{seed}")))


def assert_all(home: Settings, groups: Sequence[People]) -> list[tuple[object, ...]]:
    """Everybody has got what they earned, once; returns the certificates as they stand."""
    with connect(ensure_database(home)) as connection:
        assert_exactly_once(home, connection, groups)
        return certificates(connection)


def start(home: Settings, *arguments: str) -> Run:
    """The command in a session of its own, whose processes can be killed together."""
    environment = {
        "PATH": os.environ["PATH"],
        "PRAMAAN_HOME": str(home.home),
        "PRAMAAN_PORT_BASE": str(home.port_base),
    }
    return subprocess.Popen(
        [str(PRAMAAN), *arguments],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_run(run: Run) -> bool:
    """Kill all its processes; whether it was still at it."""
    was_running = run.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return was_running


def family_of(run: Run) -> list[str]:
    """What is left of a run's session."""
    return [" ".join(one.arguments) for one in list_processes() if _session_of(one.pid) == run.pid]


def _session_of(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def await_outcomes(home: Settings, run: Run, *, more: int) -> None:
    await_rows(home, run, "ops.outcomes where status = 'issued'", more=more)


def await_rows(home: Settings, run: Run, table: str, *, more: int) -> None:
    """Until the table has so many rows more, or the run has ended."""
    with connect(ensure_database(home)) as connection:
        seen = count(connection, table) + more
        while run.poll() is None and count(connection, table) < seen:
            time.sleep(0.01)


def count(connection: Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(str(row[0])) if row else 0
