"""The supervisord of one home: its configuration, its life, and what it is asked over its Unix socket.

It outlives whoever started it, restarts what dies, and holds no terminal. Its own environment is bare:
nothing of the shell that started it leaks into Postgres or Airflow.
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

from pramaan.errors import HostError
from pramaan.host.home import home_id, write_private
from pramaan.host.processes import Process, end, is_running, list_processes

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["ProcessRecord", "Program", "Supervisor", "find_supervisord"]

_SOCKET_PATH_LIMIT_BYTES: Final = 90
"""The kernel takes 107; supervisord first binds to the name with its process id behind it."""

_TEMPORARY: Final = Path("/tmp")  # noqa: S108 - the same place for every process, whatever its TMPDIR says
_ANSWER_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 180.0
_STARTABLE: Final = frozenset({"stopped", "exited", "fatal", "unknown"})
_STOPPABLE: Final = frozenset({"starting", "running", "backoff"})
_ENDED: Final = frozenset({"stopped", "fatal", "unknown"})


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process; the first of a group stops last.

    `group` is empty when it stands by itself; `options` are in supervisord's own words.
    """

    name: str
    group: str
    command: tuple[str, ...]
    folder: Path
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A supervised process: its name (`postgres`, `airflow:scheduler`), state, id (0: none) and age."""

    name: str
    state: str
    pid: int
    uptime_seconds: int


class Supervisor:
    """Start, ask and end the supervisord of one home. Callers that change anything hold the home's lock."""

    def __init__(self, settings: "Settings") -> None:
        self._home = settings.home
        self._folder = settings.home / "run"
        self._configuration = _configuration_of(settings.home)
        self._name = f"pramaan-{home_id(settings)}"
        self._socket = self._folder / "supervisor.sock"
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_LIMIT_BYTES:
            self._socket = _TEMPORARY / self._name / "supervisor.sock"

    def answers(self) -> bool:
        """Whether this home's own supervisord answers at its socket."""
        try:
            return self._call("getIdentification") == self._name
        except HostError:
            return False

    def process(self) -> Process | None:
        """Its process, whether it answers or not; None when it is down."""
        return find_supervisord(self._home)

    def start(self, programs: Sequence[Program]) -> None:
        """Start supervisord with `programs`, none of which it starts by itself; a hanging one is ended first.

        Raises HostError with supervisord's own words.
        """
        self.shut_down()
        if self._socket.parent != self._folder:
            _claim(self._socket.parent)
        self._write(programs)
        command = [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(self._configuration)]
        answer = subprocess.run(  # noqa: S603 - built here
            command,
            cwd=self._folder,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self._folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        deadline = time.monotonic() + _ANSWER_SECONDS
        while answer.returncode == 0 and not self.answers():
            if time.monotonic() > deadline:
                raise HostError(f"supervisord does not answer: see {self._home / 'logs' / 'supervisord.log'}")
            time.sleep(0.01)
        if answer.returncode != 0:
            raise HostError(
                f"supervisord does not start: {' '.join((answer.stdout + answer.stderr).split())}"
            )

    def apply(self, programs: Sequence[Program]) -> None:
        """Make `programs` what supervisord runs: new groups are added, changed ones stopped and replaced.

        Groups that are not among `programs` stay as they are.
        """
        self._write(programs)
        answer = cast("list[list[list[str]]]", self._call("reloadConfig"))
        added, changed, _ = answer[0]
        for group in changed:
            self.stop([_full_name(program) for program in programs if group in {program.group, program.name}])
            self._call("removeProcessGroup", group)
        for group in (*changed, *added):
            self._call("addProcessGroup", group)

    def records(self) -> list[ProcessRecord]:
        """Every process it knows, in the order they start."""
        answer = cast("list[dict[str, str | int]]", self._call("getAllProcessInfo"))
        return [_record(entry) for entry in answer]

    def start_program(self, name: str) -> None:
        """Start one program, e.g. `airflow:scheduler`, unless it runs or is starting; returns at once."""
        state = {record.name: record.state for record in self.records()}.get(name)
        if state in _STARTABLE:
            self._call("startProcess", name, False)

    def stop(self, names: Sequence[str]) -> None:
        """Stop these programs and wait: the first after all others, as it serves them. Unknown ones are none.

        Raises HostError when a process does not stop within its own time.
        """
        for wave in (names[1:], names[:1]):
            deadline = time.monotonic() + _STOP_SECONDS
            while running := [r for r in self.records() if r.name in wave and r.state not in _ENDED]:
                if time.monotonic() > deadline:
                    left = ", ".join(record.name for record in running)
                    raise HostError(f"{left} did not stop: see {self._home / 'logs'}")
                for record in running:
                    # One that dies meanwhile is refused, and stopped once it is on its way up again.
                    with contextlib.suppress(HostError):
                        if record.state in _STOPPABLE:
                            self._call("stopProcess", record.name, False)
                time.sleep(0.05)

    def shut_down(self) -> None:
        """End supervisord and all it runs, and wait for it; by signal when it does not answer."""
        if (process := self.process()) is not None:
            if self.answers():
                self._call("shutdown")
                deadline = time.monotonic() + _STOP_SECONDS
                while is_running(process) and time.monotonic() < deadline:
                    time.sleep(0.02)
            end([process], first=signal.SIGTERM, grace_seconds=30, last=signal.SIGKILL)
        if self._socket.parent != self._folder and self._socket.parent.is_dir():
            shutil.rmtree(self._socket.parent)

    def _write(self, programs: Sequence[Program]) -> None:
        write_private(self._configuration, "\n".join(self._lines(programs)) + "\n")

    def _lines(self, programs: Sequence[Program]) -> Iterable[str]:
        logs = self._home / "logs"
        yield "; Written by Pramaan at every start."
        yield from _section("unix_http_server", {"file": str(self._socket), "chmod": "0600"})
        factory = "supervisor.rpcinterface:make_main_rpcinterface"
        yield from _section("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": factory})
        own = {
            "identifier": self._name,
            "logfile": str(logs / "supervisord.log"),
            "logfile_maxbytes": "5MB",
            "logfile_backups": "2",
            "pidfile": str(self._folder / "supervisord.pid"),
            "directory": str(self._folder),
            "childlogdir": str(logs),
            "umask": "077",
        }
        yield from _section("supervisord", own | ({"user": "root"} if os.geteuid() == 0 else {}))
        for group in sorted({program.group for program in programs if program.group}):
            names = ",".join(program.name for program in programs if program.group == group)
            yield from _section(f"group:{group}", {"programs": names, "priority": "20"})
        for program in programs:
            fixed = {
                "command": shlex.join(program.command),
                "directory": str(program.folder),
                "autostart": "false",
                "autorestart": "true",
                "redirect_stderr": "true",
                # Seen from `run`: supervisord would expand a `%` in this value, and this one only, twice.
                "stdout_logfile": f"../logs/{program.name}.log",
                "stdout_logfile_maxbytes": "20MB",
                "stdout_logfile_backups": "3",
            }
            yield from _section(f"program:{program.name}", fixed | dict(program.options))

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        transport._get_connection = lambda: _Connection(self._socket)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.Error) as error:
            raise HostError(f"supervisord of {self._home} does not do {method}: {error}") from error


def find_supervisord(home: Path) -> Process | None:
    """The supervisord of `home`, by its command line: a process id in a file may be another's by now."""
    ours = str(_configuration_of(home))
    for process in list_processes():
        if ours in process.arguments and "supervisor.supervisord" in process.arguments:
            return process
    return None


def _configuration_of(home: Path) -> Path:
    return home / "run" / "supervisord.conf"


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc] # supervisor carries no types
    """A connection to the socket that gives up on a supervisord that hangs."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(str(self._path))


def _full_name(program: Program) -> str:
    return f"{program.group}:{program.name}" if program.group else program.name


def _section(name: str, values: dict[str, str]) -> Iterable[str]:
    yield f"\n[{name}]"
    for key, value in values.items():
        if any(mark in value for mark in ("\n", "\r", " ;", " #")):
            raise HostError(f"a path with a line break, ` ;` or ` #` cannot be supervised: {value!r}")
        yield f"{key} = {value.replace('%', '%%')}"


def _record(entry: dict[str, str | int]) -> ProcessRecord:
    name, group = str(entry["name"]), str(entry["group"])
    running = entry["statename"] in {"RUNNING", "STARTING", "STOPPING"}
    return ProcessRecord(
        name=name if name == group else f"{group}:{name}",
        state=str(entry["statename"]).lower(),
        pid=int(entry["pid"]),
        uptime_seconds=int(entry["now"]) - int(entry["start"]) if running else 0,
    )


def _claim(folder: Path) -> None:
    """Make a folder for a socket ours alone.

    Raises HostError when another account has taken the name.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HostError(f"{folder} is not ours alone: remove it, or set PRAMAAN_HOME to a shorter path")
