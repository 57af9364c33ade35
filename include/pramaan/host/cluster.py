"""The data folder of the embedded Postgres: made whole or not at all, where the server account can reach it.

Everything is made in a temporary folder, roles and databases included (by a single-user server, which listens
nowhere), and then renamed: a folder that bears the final name is complete, wherever an earlier attempt was
killed.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pramaan.errors import HostError
from pramaan.host.account import Account, can_reach, run_as, server_account
from pramaan.host.home import home_id, prepare_home, read_secret
from pramaan.host.postgres_binaries import MACHINE_FOLDER, Binaries, find_binaries
from pramaan.host.processes import end, list_processes

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["Cluster", "find_cluster", "prepare_cluster"]

_FOLDER: Final = "postgres"
_UNFINISHED: Final = ".postgres-"
_FIRST_WITH_BUILTIN_LOCALE: Final = 17
_ROOMY_SHARED_MEMORY_BYTES: Final = 1024**3

_CONFIGURATION: Final = """\
# Written by Pramaan at every start of the server; set your own in postgresql.auto.conf (alter system).
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'

fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = '4GB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9

shared_buffers = '256MB'
work_mem = '32MB'
maintenance_work_mem = '256MB'
random_page_cost = 1.1
jit = off

# A log line carries no row: neither the statement that failed nor the values of the key it met.
log_line_prefix = '%m [%p] %q%u@%d '
log_error_verbosity = terse
log_min_error_statement = panic
log_checkpoints = off
"""

_ACCESS: Final = "host all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A complete data folder, the programs that serve it and the account they run as (None: our own)."""

    data: Path
    binaries: Binaries
    account: Account | None

    def command(self, *, port: int) -> list[str]:
        """The command line of its server; it carries no secret."""
        return [self.binaries.program("postgres"), "-D", str(self.data), "-c", f"port={port}"]


def find_cluster(settings: "Settings") -> Path | None:
    """The data folder of this home, or None when none was made yet.

    Raises HostError when the home links to a folder that is gone: an empty one instead would hide a loss.
    """
    place = settings.home / _FOLDER
    if place.exists():
        return place.resolve()
    if place.is_symlink():
        raise HostError(
            f"{place} links to {place.readlink()}, which is not there: bring that folder back, "
            f"or remove the link to begin with an empty database"
        )
    return None


def prepare_cluster(settings: "Settings") -> Cluster:
    """Make the data folder unless it is there, and write the server's configuration.

    Safe to repeat; the caller holds the home's lock and the server is down.

    Raises HostError with Postgres' own words when it cannot be made.
    """
    prepare_home(settings)
    account = server_account()
    data = find_cluster(settings)
    if data is None:
        binaries = find_binaries(account)
        data = _make(settings, binaries, account)
    else:
        binaries = find_binaries(account, major=_major_of(data))
    cluster = Cluster(data, binaries, account)
    _configure(cluster)
    return cluster


def _major_of(data: Path) -> int:
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError) as error:
        raise HostError(
            f"{data} is no data folder of Postgres that this account can read: "
            f"run as the account that made it"
        ) from error


def _make(settings: "Settings", binaries: Binaries, account: Account | None) -> Path:
    final = settings.home / _FOLDER
    elsewhere = MACHINE_FOLDER / home_id(settings) / _FOLDER
    if account is not None and elsewhere.is_dir():
        final.symlink_to(elsewhere)
        return elsewhere
    work = _work_folder(settings.home, account)
    if work is None:
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        for parent in (MACHINE_FOLDER, elsewhere.parent):
            parent.chmod(0o711)
        work = _work_folder(elsewhere.parent, account)
    if work is None:
        raise HostError(
            f"the account that runs Postgres can write neither in {settings.home} nor in {MACHINE_FOLDER}"
        )
    try:
        _initialise(settings, work / "data", binaries, account)
        data = (work / "data").rename(work.with_name(_FOLDER))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if data != final:
        final.symlink_to(data)
    _sync_folder(final.parent)
    return data


def _work_folder(parent: Path, account: Account | None) -> Path | None:
    """A temporary folder of the account's own, or None when the account cannot reach it there."""
    for left_behind in parent.glob(f"{_UNFINISHED}*"):
        orphans = [one for one in list_processes() if str(left_behind) in " ".join(one.arguments)]
        end(orphans, first=signal.SIGTERM, grace_seconds=5, last=signal.SIGKILL)
        shutil.rmtree(left_behind, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    # Some mounted folders refuse to change owners even to root: then the account cannot have data there.
    with contextlib.suppress(PermissionError):
        if account is not None:
            account.own(work)
        if can_reach(account, work):
            return work
    work.rmdir()
    return None


def _initialise(settings: "Settings", data: Path, binaries: Binaries, account: Account | None) -> None:
    password = data.with_name("password")
    _write(password, read_secret(settings, "database_superuser_password"), account)
    locale = ["--locale=C.UTF-8"]
    if binaries.major >= _FIRST_WITH_BUILTIN_LOCALE:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command = [binaries.program("initdb"), "-D", str(data), "-U", "postgres", "--encoding=UTF8", *locale]
    command += ["--auth=scram-sha-256", f"--pwfile={password}", "--data-checksums"]
    _succeed(account, command, stdin="", what="initialise")
    _write(data / "pg_hba.conf", _ACCESS, account)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("include_if_exists = 'pramaan.conf'\n")
    single_user = [binaries.program("postgres"), "--single", "-D", str(data)]
    single_user += ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "postgres"]
    _succeed(account, single_user, stdin=_first_statements(settings), what="create the databases of")


def _first_statements(settings: "Settings") -> str:
    """One statement a line, as a single-user server reads them."""
    owner = read_secret(settings, "database_owner_password")
    airflow = read_secret(settings, "airflow_database_password")
    return "\n".join(
        [
            f"create role pramaan login password '{owner}'",
            f"create role airflow login password '{airflow}'",
            "create database pramaan owner pramaan",
            "create database airflow owner airflow",
            "revoke all on database pramaan, airflow, postgres, template1 from public",
            "",
        ]
    )


def _succeed(account: Account | None, command: list[str], *, stdin: str, what: str) -> None:
    try:
        answer = run_as(account, command, stdin=stdin)
    except OSError as error:
        raise HostError(f"cannot {what} the embedded Postgres: {command[0]}: {error.strerror}") from error
    if answer.returncode != 0:
        words = " ".join(answer.stderr.split())[-600:]
        raise HostError(f"cannot {what} the embedded Postgres: {words or f'exit code {answer.returncode}'}")


def _configure(cluster: Cluster) -> None:
    lines = [_CONFIGURATION]
    wish = ["-C", "wal_compression", "-c", "wal_compression=lz4"]
    compression = run_as(cluster.account, [*cluster.command(port=1), *wish])
    lines.append(f"wal_compression = {'lz4' if compression.returncode == 0 else 'off'}\n")
    if not _shared_memory_is_roomy():
        lines.append("dynamic_shared_memory_type = mmap\n")
    _write(cluster.data / "pramaan.conf", "".join(lines), cluster.account)


def _shared_memory_is_roomy() -> bool:
    """Containers often have 64 MB there, which a parallel query exceeds."""
    try:
        room = os.statvfs("/dev/shm")  # noqa: S108 - its size is asked, nothing is written
    except OSError:
        return False
    return room.f_frsize * room.f_blocks >= _ROOMY_SHARED_MEMORY_BYTES


def _write(path: Path, content: str, account: Account | None) -> None:
    """Through a new file: the folder belongs to the server account, so an existing name is not trusted."""
    descriptor, name = tempfile.mkstemp(prefix=".pramaan-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    if account is not None:
        account.own(Path(name))
    Path(name).replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
