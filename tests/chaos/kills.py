"""Who can be killed, found by what processes are and not by what anybody says of them, and how."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from pramaan.host.platform import running
from pramaan.host.processes import Process, descendants, is_running
from pramaan.settings import Settings

__all__ = ["kill", "postgres_backends", "postmaster", "renderers", "wait_until"]


def kill(victim: Process | int | None) -> bool:
    """SIGKILL, with no chance to tidy up; whether there was anybody to kill."""
    if victim is None or (isinstance(victim, Process) and not is_running(victim)):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim.pid if isinstance(victim, Process) else victim, signal.SIGKILL)
        return True
    return False


def postmaster(settings: Settings) -> int | None:
    """The head of the home's Postgres."""
    return next((one.pid for one in running(settings) if one.name == "postgres" and one.pid), None)


def postgres_backends(settings: Settings, *, of: str) -> list[Process]:
    """The server processes that serve connections of a database user."""
    head = postmaster(settings)
    family = descendants(head) if head else []
    return [one for one in family if title(one).startswith(f"postgres: {of} ")]


def renderers(pid: int) -> list[Process]:
    """The processes of a foreground run that render: those of its pool, and the child for poison."""
    return [
        one
        for one in descendants(pid)
        if "spawn_main" in title(one) or "pramaan.certificates.isolated_renderer" in title(one)
    ]


def title(process: Process) -> str:
    """What `ps` shows of it now."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def one_of(dice: random.Random, processes: list[Process]) -> Process | None:
    """One at random; processes are sorted, so that chance is the dice's alone."""
    return dice.choice(sorted(processes, key=lambda one: one.pid)) if processes else None


def wait_until(is_so: Callable[[], object], *, seconds: float, poll_seconds: float = 0.02) -> bool:
    """Whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
