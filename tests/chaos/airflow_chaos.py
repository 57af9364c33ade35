"""A platform whose processes are killed while feeds come in: which, when, and when it has recovered."""

import json
import logging
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import psycopg

from chaos.kills import kill, one_of, postgres_backends, postmaster, title, wait_until
from chaos.proof import attach_chaos, issued
from chaos.synthetic_people import People, gather_people, write_wave
from pramaan.database.connect import connect
from pramaan.feeds.landing import Landing
from pramaan.host.airflow_health import unhealthy_parts
from pramaan.host.platform import ensure_database, running
from pramaan.host.postgres import airflow_database_url
from pramaan.host.processes import Process, descendants
from pramaan.settings import Settings
from worlds import PRAMAAN, drop

__all__ = [
    "TASKS",
    "AirflowChaos",
    "Victim",
    "idle_workers",
    "offer_certificates",
    "second_scheduler",
    "survive_briefly",
    "wait_until_healthy",
]

log = logging.getLogger(__name__)

Victim = Literal[
    "load_feeds", "make_decisions", "issue_chunk", "record_run",
    "task_supervisor",
    "scheduler", "triggerer", "triggerer_runner", "dag-processor", "api-server",
    "postmaster", "pramaan_backend", "airflow_backend",
]  # fmt: skip

TASKS: Final[tuple[Victim, ...]] = ("load_feeds", "make_decisions", "issue_chunk", "record_run")

_ALWAYS_THERE: Final[Victim] = "dag-processor"
"""Killed instead of a task that does not come up; the others go on without it."""

_TASK_TITLE: Final = "airflow worker -- "
_EXECUTOR_TITLE: Final = "airflow worker -- LocalExecutor: "


class AirflowChaos:
    """Drops the waves of a people one after the other and kills beside each; counts whom it struck."""

    def __init__(self, home: Settings, folder: Path, *, people: People, seed: int) -> None:
        self._home = home
        self._folder = folder
        self._people = people
        self._dice = random.Random(seed)
        self._loads: dict[Path, subprocess.Popen[bytes]] = {}
        self.struck: Counter[str] = Counter()

    def survive(
        self, victims: Sequence[Victim], *, beside_foreground: float = 0.0, pause_seconds: float = 6.0
    ) -> None:
        """Kill each of the victims in turn; a wave of files is dropped before each of the first ones."""
        for number, victim in enumerate(victims):
            if number < len(self._people.waves):
                self._drop(number, in_foreground=self._dice.random() < beside_foreground)
            self._strike(victim, pause_seconds=pause_seconds)
        for number in range(len(victims), len(self._people.waves)):
            self._drop(number, in_foreground=False)
        # One that was struck, by way of its Postgres, may have dropped nothing; and files are taken once.
        for folder, load in self._loads.items():
            if load.wait(300) != 0:
                drop(self._home, folder)

    def wait_until_done(self, *, seconds: float) -> float:
        """Until all is healthy and everything that was earned is issued; returns how long it took."""
        began = time.monotonic()
        wait_until_healthy(self._home, seconds=seconds)
        left = seconds - (time.monotonic() - began)
        assert wait_until(self._is_done, seconds=left, poll_seconds=0.5), status(self._home)
        return time.monotonic() - began

    def _is_done(self) -> bool:
        if Landing(self._home.landing_url).waiting():
            return False
        with connect(ensure_database(self._home)) as connection:
            unfinished = connection.execute(
                "select from ops.changed_keys union all "
                "select from registry.certificates where status = 'pending' limit 1"
            ).fetchall()
            return not unfinished and issued(connection) >= len(self._people.entitled)

    def _drop(self, number: int, *, in_foreground: bool) -> None:
        folder = write_wave(
            self._folder / f"wave-{number}", self._people.waves[number], name=f"{self._folder.name}-{number}"
        )
        if in_foreground:
            self._loads[folder] = _pramaan(self._home, "load", str(folder))
        else:
            drop(self._home, folder)

    def _strike(self, victim: Victim, *, pause_seconds: float) -> None:
        """At a random instant; instead of one that does not come up in time, a part."""
        if victim in TASKS or victim == "task_supervisor":
            wait_until(lambda: is_healthy(self._home), seconds=60, poll_seconds=0.5)
        else:
            time.sleep(self._dice.uniform(0.0, pause_seconds))
        struck = victim
        if not wait_until(lambda: self._kill(victim), seconds=8 * pause_seconds, poll_seconds=0.05):
            struck = _ALWAYS_THERE
            wait_until(lambda: kill(self._find(struck)), seconds=60, poll_seconds=0.5)
        self.struck[struck] += 1
        log.info("wanted %s, killed %s", victim, struck)

    def _kill(self, victim: Victim) -> bool:
        """A task lives long enough to be killed in the midst of it, or it is over, and another one comes."""
        if victim in TASKS and self._find(victim):
            time.sleep(self._dice.uniform(0.0, 1.5 if victim == "issue_chunk" else 0.3))
        return kill(self._find(victim))

    def _find(self, victim: Victim) -> Process | int | None:
        if victim == "postmaster":
            return postmaster(self._home)
        if victim in {"pramaan_backend", "airflow_backend"}:
            return one_of(self._dice, postgres_backends(self._home, of=victim.removesuffix("_backend")))
        if victim in TASKS:
            return one_of(self._dice, tasks(self._home, task_id=victim))
        if victim == "task_supervisor":
            busy = [one for one in _of_part(self._home, "scheduler") if _is_busy(one)]
            return one_of(self._dice, busy)
        if victim == "triggerer_runner":
            return one_of(self._dice, _of_part(self._home, "triggerer"))
        return _part(self._home, victim)


def tasks(home: Settings, *, task_id: str) -> list[Process]:
    """The processes in which a task of this name runs, told by the id that Airflow gives them as a title."""
    found = {
        title(one).removeprefix(_TASK_TITLE): one
        for one in _of_part(home, "scheduler")
        if title(one).startswith(_TASK_TITLE) and not title(one).startswith(_EXECUTOR_TITLE)
    }
    if not found:
        return []
    try:
        with psycopg.connect(airflow_database_url(home), connect_timeout=5) as connection:
            rows = connection.execute(
                "select id::text from task_instance where task_id = %s and id::text = any(%s)",
                (task_id, list(found)),
            ).fetchall()
    except psycopg.OperationalError:
        return []
    return [found[str(row[0])] for row in rows]


def idle_workers(home: Settings) -> list[Process]:
    """The executor's processes that wait for a task."""
    return [one for one in _of_part(home, "scheduler") if title(one) == f"{_EXECUTOR_TITLE}<idle>"]


def _is_busy(process: Process) -> bool:
    """An executor's process that supervises a task. One that is idle may hold the lock of the executor's
    queue, and has a test of its own.
    """
    shown = title(process)
    return shown.startswith(_EXECUTOR_TITLE) and not shown.endswith("<idle>")


def _of_part(home: Settings, part: str) -> list[Process]:
    head = _part(home, part)
    return descendants(head) if head else []


def _part(home: Settings, part: str) -> int | None:
    return next((one.pid for one in running(home) if one.name == f"airflow:{part}" and one.pid), None)


def wait_until_healthy(home: Settings, *, seconds: float) -> None:
    """Until every part runs and is healthy by Airflow's own account."""

    assert wait_until(lambda: is_healthy(home), seconds=seconds, poll_seconds=0.5), running(home)


def is_healthy(home: Settings) -> bool:
    """Whether every part runs, and is healthy by Airflow's own account."""
    records = {one.name: one for one in running(home)}
    is_running = {one.state for one in records.values()} == {"running"}
    return is_running and not unhealthy_parts(home, records=records)


def offer_certificates(home: Settings, folder: Path) -> None:
    """Load the people's courses and assert their certificates."""
    catalogue = write_wave(folder / "catalogue", gather_people().catalogue, name="catalogue")
    assert _pramaan(home, "load", str(catalogue)).wait(120) == 0
    with connect(ensure_database(home)) as connection:
        attach_chaos(connection)


def survive_briefly(home: Settings, folder: Path) -> People:
    """The short form, on a platform that runs and offers the people's certificates: three parts and a server
    process are killed while three hundred people's facts come in. Returns who they are.
    """
    people = gather_people(people=300, waves=4, seed=31)
    chaos = AirflowChaos(home, folder / "brief", people=people, seed=31)
    chaos.survive(["dag-processor", "pramaan_backend", "triggerer_runner", "api-server"], pause_seconds=2)
    seconds = chaos.wait_until_done(seconds=240)
    log.info("%s; done %.0f s after the last", dict(chaos.struck), seconds)
    assert chaos.struck.total() == 4
    return people


@contextmanager
def second_scheduler(home: Settings, folder: Path) -> Iterator[int]:
    """Another scheduler on the same database for the block, with an executor of its own; killed at the end,
    with its tasks.
    """
    environment = json.loads((home.home / "run" / "airflow-environment.json").read_text())
    launched = [environment["PATH"].split(":")[0] + "/python", "-P", "-m", "airflow", "scheduler"]
    folder.mkdir()
    with (folder / "scheduler.log").open("wb") as log:
        scheduler = subprocess.Popen(
            [*launched, "--skip-serve-logs"], env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield scheduler.pid
    finally:
        for one in descendants(scheduler.pid):
            kill(one)
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()


def status(home: Settings) -> object:
    """What a person on call would see."""
    run = _pramaan(home, "status", "--json", stdout=subprocess.PIPE)
    seen = json.loads(run.communicate(timeout=120)[0])
    return {name: seen[name] for name in ("processes", "waiting", "failed")}


def _pramaan(home: Settings, *arguments: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "PRAMAAN_HOME": str(home.home),
        "PRAMAAN_PORT_BASE": str(home.port_base),
    }
    return subprocess.Popen(
        [str(PRAMAAN), *arguments], env=environment, stdout=stdout, stderr=subprocess.DEVNULL
    )
