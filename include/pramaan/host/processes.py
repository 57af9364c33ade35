"""Which processes of this machine are ours, read from `/proc`, and how they are ended.

A process of ours is known by its working folder, which only we use: children inherit it, and it survives what
Airflow and Postgres do to their command line and environment. What holds a terminal, such as the shell of a
person who looks around there, is spared, and so are we and our ancestors.
"""

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Process", "descendants", "end", "is_running", "list_processes", "working_in"]

_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A running process; id and start together name it for ever, whoever gets its id next."""

    pid: int
    parent_pid: int
    started_ticks: int
    has_terminal: bool
    folder: Path | None
    program: str
    arguments: tuple[str, ...]


def list_processes() -> list[Process]:
    """Every running process; of other accounts' without folder and program, unless we are root."""
    found = (_read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [process for process in found if process is not None]


def working_in(folders: Collection[Path], *, program: str = "") -> list[Process]:
    """The processes of ours whose working folder is one of `folders`, and whose program begins so."""
    places = {folder.resolve() for folder in folders}
    everything = list_processes()
    spared = _ancestors(os.getpid(), everything)
    return [
        process
        for process in everything
        if process.folder in places
        and process.pid not in spared
        and not process.has_terminal
        and process.program.startswith(program)
    ]


def descendants(pid: int) -> list[Process]:
    """Children of `pid`, their children and so on."""
    everything = list_processes()
    family = {pid}
    found: list[Process] = []
    while new := [p for p in everything if p.parent_pid in family and p.pid not in family]:
        found += new
        family |= {process.pid for process in new}
    return found


def is_running(process: Process) -> bool:
    """Whether this very process, not a later one of the same id, still runs."""
    now = _read(process.pid)
    return now is not None and now.started_ticks == process.started_ticks


def end(
    processes: Iterable[Process], *, first: signal.Signals, grace_seconds: float, last: signal.Signals
) -> None:
    """Send `first`, wait up to `grace_seconds`, send `last` to what still runs and wait 5 s more."""
    remaining = list(processes)
    for which, seconds in ((first, grace_seconds), (last, 5.0)):
        for process in remaining:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if is_running(process):
                    os.kill(process.pid, which)
        deadline = time.monotonic() + seconds
        while remaining := [process for process in remaining if is_running(process)]:
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)


def _ancestors(pid: int, everything: list[Process]) -> set[int]:
    parents = {process.pid: process.parent_pid for process in everything}
    chain = {pid}
    while (pid := parents.get(pid, 0)) > 1:
        chain.add(pid)
    return chain


def _read(pid: int) -> Process | None:
    """None when it is gone, or ended and only waits for its parent to notice."""
    folder = Path("/proc") / str(pid)
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent_pid, terminal, started_ticks = fields[0], int(fields[1]), int(fields[4]), int(fields[19])
    if state in {"Z", "X"}:
        return None
    program = _link(folder / "exe")
    return Process(
        pid=pid,
        parent_pid=parent_pid,
        started_ticks=started_ticks,
        has_terminal=terminal != 0,
        folder=_link(folder / "cwd"),
        program=program.name if program else "",
        arguments=tuple(arguments),
    )


def _link(path: Path) -> Path | None:
    try:
        return Path(str(path.readlink()).removesuffix(" (deleted)"))
    except OSError:
        return None
