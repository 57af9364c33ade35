"""The platform on this machine, as commands see it: a database and a mail server to use, Airflow up, all
down, what runs.

What changes the home's processes holds `host.lock` in the home while it does, so that two commands agree.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from filelock import FileLock, Timeout
from pydantic import SecretStr

from pramaan.errors import HostError, SettingsError
from pramaan.host import airflow, processes
from pramaan.host.airflow_health import migrate_airflow, unhealthy_parts
from pramaan.host.cluster import find_cluster, prepare_cluster
from pramaan.host.home import SecretName, prepare_home, read_secret
from pramaan.host.mail_server import (
    MAIL_SERVER,
    mail_program,
    mail_server_answers,
    refuse_taken_mail_port,
    wait_for_mail_server,
)
from pramaan.host.postgres import (
    Answer,
    airflow_database_url,
    ask,
    embedded_database_url,
    postmaster,
    refuse_taken_port,
)
from pramaan.host.supervisor import ProcessRecord, Program, Supervisor, find_supervisord
from pramaan.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from pramaan.host.cluster import Cluster
    from pramaan.settings import Settings

__all__ = ["ensure_database", "ensure_mail_server", "running", "start_airflow", "stop"]

_LOCK_SECONDS: Final = 1200.0
_POSTGRES_SECONDS: Final = 300.0
_RECOVERY_SECONDS: Final = 1800.0
_AIRFLOW_SECONDS: Final = 900.0
_POLL_SECONDS: Final = 0.02


def ensure_database(settings: "Settings") -> str:
    """The address of a database to use: the configured one, else the embedded one, started when it is down.

    Makes the home when it lacks anything. Safe to repeat and safe in several processes at once. A configured
    database is not asked whether it answers. Raises HostError saying what this machine lacks.
    """
    prepare_home(settings)
    if settings.pipeline_database_url is not None:
        return settings.pipeline_database_url
    url = embedded_database_url(settings)
    if ask(url) is Answer.UP:
        return url
    with _lock(settings):
        if ask(url) is not Answer.UP:
            _start_postgres(settings)
            _wait_for_postgres(settings, url)
    return url


def ensure_mail_server(settings: "Settings") -> str:
    """The address of a mail server to use: the configured one, else the embedded one, started when it is
    down.

    Makes the home when it lacks anything. Safe to repeat and safe in several processes at once. A configured
    server is not asked whether it answers. Raises HostError saying what this machine lacks.
    """
    prepare_home(settings)
    if settings.smtp_url is None and not mail_server_answers(settings):
        with _lock(settings):
            if not mail_server_answers(settings):
                _start_mail_server(settings)
    return settings.mail_server_url


def start_airflow(
    settings: "Settings", *, report: Callable[[str], None], dags_folder: Path = PROJECT_ROOT / "dags"
) -> None:
    """Start what Airflow needs and its four parts, and wait until all are healthy; `report` gets a line for
    each step.

    Safe to repeat: parts that run stay as they are, unless their environment changed since.

    Raises HostError when a part does not get healthy, SettingsError when PRAMAAN_DATABASE_URL is set and
    Airflow's own database is not.
    """
    began = time.monotonic()
    connections = _connections(settings, pramaan=ensure_database(settings))
    ensure_mail_server(settings)
    secrets = {name: read_secret(settings, name) for name in get_args(SecretName)}
    environment = airflow.airflow_environment(
        settings, connections=connections, secrets=secrets, inherited=os.environ, dags_folder=dags_folder
    )
    with _lock(settings):
        migrate_airflow(settings, environment=environment, report=report)
        programs = airflow.airflow_programs(settings, environment=environment)
        supervisor = Supervisor(settings)
        _supervise(supervisor, programs)
        states = {record.name: record.state for record in supervisor.records()}
        if states.get(f"{airflow.AIRFLOW_GROUP}:api-server") not in {"running", "starting"}:
            refuse_taken_port(settings.airflow_port, purpose="Airflow's API server")
        for program in programs:
            supervisor.start_program(f"{program.group}:{program.name}")
    _wait_for_airflow(settings, supervisor, report=report, began=began)


def stop(settings: "Settings") -> None:
    """End every process of this home, in order: Airflow and the mail server, Postgres, the supervisor; what
    is left is killed.

    Safe to repeat, and does nothing where there is no home. Raises HostError naming what could not be ended.
    """
    process = find_supervisord(settings.home)
    if process is None and not (settings.home / "home_id").exists():
        return
    prepare_home(settings)
    with _lock(settings):
        supervisor = Supervisor(settings)
        family = processes.descendants(process.pid) if process else []
        if supervisor.answers():
            supervisor.stop([*airflow.part_names(), MAIL_SERVER])
        tasks = [member for member in family if not member.program.startswith("postgres")]
        _end_airflow(settings, also=tasks)
        supervisor.shut_down()
        _end_postgres(settings)
        left = {*processes.working_in(_working_folders(settings)), *filter(processes.is_running, family)}
        if left:
            names = ", ".join(f"{one.program} ({one.pid})" for one in left)
            raise HostError(f"could not end {names}: end them by hand")


def running(settings: "Settings") -> list[ProcessRecord]:
    """The supervised processes of this home and their states; empty when its supervisor is down."""
    if not (settings.home / "home_id").exists():
        return []
    supervisor = Supervisor(settings)
    return supervisor.records() if supervisor.answers() else []


@contextlib.contextmanager
def _lock(settings: "Settings") -> Iterator[None]:
    try:
        with FileLock(settings.home / "host.lock", timeout=_LOCK_SECONDS, mode=0o600):
            yield
    except Timeout as error:
        raise HostError(
            f"another command has been starting or stopping {settings.home} for {_LOCK_SECONDS:.0f} s: "
            f"wait for it, or end it"
        ) from error
    except PermissionError as error:
        raise HostError(
            f"cannot write {settings.home / 'host.lock'}: run as the account that owns it"
        ) from error


def _start_postgres(settings: "Settings") -> None:
    supervisor = Supervisor(settings)
    alive = supervisor.answers()
    data = find_cluster(settings)
    lock_file = postmaster(data) if data else None
    states = {record.name: record.state for record in supervisor.records()} if alive else {}
    if states.get("postgres") in {"running", "starting", "backoff"}:
        _refuse_other_port(settings, lock_file)
        return
    if not alive:
        supervisor.shut_down()
        _end_airflow(settings, also=[])
    _end_postgres(settings)
    cluster = prepare_cluster(settings)
    refuse_taken_port(settings.postgres_port, purpose="the embedded Postgres")
    _supervise(supervisor, [_postgres_program(settings, cluster)])
    supervisor.start_program("postgres")


def _refuse_other_port(settings: "Settings", lock_file: tuple[int, int] | None) -> None:
    if lock_file is not None and lock_file[1] != settings.postgres_port:
        raise HostError(
            f"the Postgres of {settings.home} runs on port {lock_file[1]}, not {settings.postgres_port}: "
            f"set PRAMAAN_PORT_BASE to {lock_file[1] - 1}, or stop it with `pramaan down` first"
        )


def _postgres_program(settings: "Settings", cluster: "Cluster") -> Program:
    options = {
        # Fast shutdown; many tries, as the memory of a killed server is in use until its last child ends.
        "stopsignal": "INT",
        "stopwaitsecs": "120",
        "startsecs": "1",
        "startretries": "60",
        "priority": "10",
    }
    if cluster.account is not None:
        options["user"] = cluster.account.name
    command = tuple(cluster.command(port=settings.postgres_port))
    return Program("postgres", "", command, Path("/"), tuple(options.items()))


def _start_mail_server(settings: "Settings") -> None:
    supervisor = Supervisor(settings)
    refuse_taken_mail_port(settings, supervisor)
    _supervise(supervisor, [mail_program(settings)])
    supervisor.start_program(MAIL_SERVER)
    wait_for_mail_server(settings, supervisor)


def _supervise(supervisor: Supervisor, programs: list[Program]) -> None:
    if supervisor.answers():
        supervisor.apply(programs)
    else:
        supervisor.start(programs)


def _wait_for_postgres(settings: "Settings", url: str) -> None:
    """Recovery after a crash may take long and is waited for; silence is not."""
    supervisor = Supervisor(settings)
    silent_until = time.monotonic() + _POSTGRES_SECONDS
    recovered_by = time.monotonic() + _RECOVERY_SECONDS
    while (answer := ask(url)) is not Answer.UP:
        if answer is Answer.STARTING:
            silent_until = time.monotonic() + _POSTGRES_SECONDS
        states = {record.name: record.state for record in supervisor.records()}
        now = time.monotonic()
        if states.get("postgres") == "fatal" or now > min(silent_until, recovered_by):
            raise HostError(
                f"the embedded Postgres does not start: see {settings.home / 'logs' / 'postgres.log'}"
            )
        time.sleep(_POLL_SECONDS)


def _wait_for_airflow(
    settings: "Settings", supervisor: Supervisor, *, report: Callable[[str], None], began: float
) -> None:
    waiting = set(airflow.AIRFLOW_PARTS)
    report(f"Airflow: waiting for {', '.join(sorted(waiting))}")
    deadline = time.monotonic() + _AIRFLOW_SECONDS
    while waiting:
        records = {record.name: record for record in supervisor.records()}
        unhealthy = unhealthy_parts(settings, records=records)
        known = waiting if unhealthy != ["api-server"] else set()
        for part in sorted(known - set(unhealthy)):
            report(f"Airflow: {part} is healthy ({time.monotonic() - began:.0f} s)")
            waiting.discard(part)
        if waiting and time.monotonic() > deadline:
            raise HostError(
                f"Airflow is not healthy after {_AIRFLOW_SECONDS:.0f} s, "
                f"for want of {', '.join(sorted(waiting))}: see {settings.home / 'logs'}"
            )
        time.sleep(0.25 if waiting else 0)


def _connections(settings: "Settings", *, pramaan: str) -> airflow.Connections:
    if settings.database_url is None:
        own = airflow_database_url(settings).replace("postgresql://", "postgresql+psycopg2://", 1)
    else:
        own = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "")
    if not own:
        raise SettingsError(
            "PRAMAAN_DATABASE_URL is set, so nothing is started for Airflow's own database either: "
            "set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, e.g. postgresql+psycopg2://airflow:...@host/airflow"
        )
    return airflow.Connections(pramaan=SecretStr(pramaan), airflow=SecretStr(own))


def _working_folders(settings: "Settings") -> list[Path]:
    return [settings.home / "run" / part for part in (*airflow.AIRFLOW_PARTS, MAIL_SERVER)]


def _end_airflow(settings: "Settings", *, also: list[processes.Process]) -> None:
    left = [*processes.working_in(_working_folders(settings)), *also]
    processes.end(left, first=signal.SIGTERM, grace_seconds=5, last=signal.SIGKILL)


def _end_postgres(settings: "Settings") -> None:
    """End a server that no supervisor holds, and forget a lock file that no server holds."""
    data = settings.home / "postgres"
    found = processes.working_in([data], program="postgres")
    ids = {process.pid for process in found}
    heads = [process for process in found if process.parent_pid not in ids]
    # Fast shutdown, then the immediate one, which recovery mends; SIGKILL would leave shared memory behind.
    processes.end(heads, first=signal.SIGINT, grace_seconds=60, last=signal.SIGQUIT)
    processes.end(found, first=signal.SIGTERM, grace_seconds=5, last=signal.SIGQUIT)
    with contextlib.suppress(FileNotFoundError):
        if left := processes.working_in([data], program="postgres"):
            raise HostError(f"Postgres ({', '.join(str(one.pid) for one in left)}) does not end: see its log")
        (data / "postmaster.pid").unlink()
