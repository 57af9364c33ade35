"""The processes of a home as the kernel counts them: the processor's time they took, the memory they held."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pramaan.errors import HostError
from pramaan.host.supervisor import find_supervisord
from pramaan.settings import Settings

__all__ = ["MemoryWatch", "processor_seconds"]

_POLL_SECONDS: Final = 0.5


def processor_seconds(settings: Settings) -> float:
    """What all processes under the home's supervisor have taken so far, also those that ended since: a parent
    that waits for its child takes over the child's account.
    """
    ticks = sum(sum(member.ticks) for member in _family(_head(settings)))
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Member:
    pid: int
    parent_pid: int
    ticks: tuple[int, ...]
    """In user and kernel mode, its own and those of its children that were waited for."""


def _head(settings: Settings) -> int:
    """The process id of the home's supervisor. Raises HostError when it is down."""
    head = find_supervisord(settings.home)
    if head is None:
        raise HostError(f"nothing runs for {settings.home}")
    return head.pid


def _family(head: int) -> list[_Member]:
    """A process, what it started, and so on, also what ended and was not waited for yet."""
    everything = {member.pid: member for member in _members()}
    family = {head}
    while new := {m.pid for m in everything.values() if m.parent_pid in family} - family:
        family |= new
    return [everything[pid] for pid in family if pid in everything]


def _members() -> Iterator[_Member]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            yield _Member(int(entry.name), int(fields[1]), tuple(map(int, fields[11:15])))


@dataclass(slots=True)
class MemoryWatch:
    """Watches, for the block, how much memory each process of the home held at most (`VmHWM`)."""

    settings: Settings
    largest_bytes: int = 0
    whose: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        head = _head(self.settings)
        self._thread = threading.Thread(target=self._watch, args=(head,), name="memory watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, head: int) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            for member in _family(head):
                held, name = _held(member.pid)
                if held > self.largest_bytes:
                    self.largest_bytes, self.whose = held, name


def _held(pid: int) -> tuple[int, str]:
    """The most that a process held so far in bytes, and what it calls itself; nothing when it is gone."""
    folder = Path("/proc") / str(pid)
    try:
        _, _, after = (folder / "status").read_text(errors="replace").partition("VmHWM:")
        words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    except OSError:
        return 0, ""
    return (int(after.split()[0]) * 1024 if after else 0), " ".join(words)
