"""The processes of this machine that belong to a home, and how they are ended.

A process belongs to a home by its working folder, which nothing else uses: children inherit it, and it
survives what Airflow and Postgres do to their command line and environment. Processes with a terminal, such
as the shell of a person who looks around there, are spared, and so are this process and its ancestors.
"""

import os
import signal
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

__all__ = ["Process", "descendants", "end", "is_running", "list_processes", "working_in"]

_POLL_SECONDS: Final = 0.02
_ATTRIBUTES: Final = ("ppid", "terminal", "cwd", "exe", "cmdline", "status")
_ENDED: Final = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
"""Ended, and waits only for its parent to notice."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running process as it was found; `handle` tells it from a later process with the same id."""

    handle: psutil.Process
    parent_pid: int = field(compare=False)
    has_terminal: bool = field(compare=False)
    folder: Path | None = field(compare=False)
    program: str = field(compare=False)
    arguments: tuple[str, ...] = field(compare=False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.handle.pid

    @classmethod
    def of(cls, handle: psutil.Process, found: Mapping[str, Any]) -> "Process":
        """The record of a process with these attributes; None stands for what we may not read."""
        return cls(
            handle=handle,
            parent_pid=found["ppid"],
            has_terminal=found["terminal"] is not None,
            folder=Path(found["cwd"]) if found["cwd"] else None,
            program=Path(found["exe"] or "").name,
            arguments=tuple(found["cmdline"] or ()),
        )


def list_processes() -> list[Process]:
    """Every running process; those of other accounts without folder and program, unless we are root."""
    return [
        Process.of(handle, handle.info)
        for handle in psutil.process_iter(_ATTRIBUTES)
        if handle.info["status"] not in _ENDED
    ]


def working_in(folders: Collection[Path], *, program: str = "") -> list[Process]:
    """The processes whose working folder is one of `folders`, and whose program begins so."""
    places = {folder.resolve() for folder in folders}
    spared = {os.getpid(), *(ancestor.pid for ancestor in psutil.Process().parents())}
    return [
        process
        for process in list_processes()
        if process.folder in places
        and process.pid not in spared
        and not process.has_terminal
        and process.program.startswith(program)
    ]


def descendants(pid: int) -> list[Process]:
    """Children of `pid`, their children and so on; none when it has ended."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for handle in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                attributes = handle.as_dict(_ATTRIBUTES)
                if attributes["status"] not in _ENDED:
                    found.append(Process.of(handle, attributes))
    return found


def is_running(process: Process) -> bool:
    """Whether this very process, not a later one with the same id, still runs."""
    with suppress(psutil.NoSuchProcess):
        return process.handle.is_running() and process.handle.status() not in _ENDED
    return False


def end(
    processes: Iterable[Process], *, first: signal.Signals, grace_seconds: float, last: signal.Signals
) -> None:
    """Send `first`, wait up to `grace_seconds`, send `last` to what still runs and wait 5 s more."""
    remaining = list(processes)
    for which, seconds in ((first, grace_seconds), (last, 5.0)):
        for process in remaining:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.handle.send_signal(which)
        deadline = time.monotonic() + seconds
        # Not psutil's `wait_procs`: to it, what has ended still runs while its parent has not noticed.
        while remaining := [process for process in remaining if is_running(process)]:
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
