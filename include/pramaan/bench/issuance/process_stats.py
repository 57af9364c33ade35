"""Processor time and peak memory of the processes of a home."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from pramaan.errors import HostError
from pramaan.host.supervisor import find_supervisord
from pramaan.settings import Settings

__all__ = ["MemoryWatch", "processor_seconds"]

_POLL_SECONDS: Final = 0.5


def processor_seconds(settings: Settings) -> float:
    """The processor time of all processes under the home's supervisor so far, with those that have ended: a
    parent that waits for its child takes over its account.
    """
    seconds = 0.0
    for member in _family(_supervisor(settings)):
        with suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def _supervisor(settings: Settings) -> psutil.Process:
    """Raises HostError when the home's supervisor is down."""
    found = find_supervisord(settings.home)
    if found is None:
        raise HostError(f"nothing runs for {settings.home}")
    return found.handle


def _family(head: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [head, *head.children(recursive=True)]
    return []


@dataclass(slots=True)
class MemoryWatch:
    """Watches, for the block, the peak resident memory of each process of the home (`VmHWM`)."""

    settings: Settings
    largest_bytes: int = 0
    whose: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        head = _supervisor(self.settings)
        self._thread = threading.Thread(target=self._watch, args=(head,), name="memory watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, head: psutil.Process) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            for member in _family(head):
                held = _peak_bytes(member.pid)
                if held > self.largest_bytes:
                    with suppress(psutil.NoSuchProcess):
                        self.largest_bytes, self.whose = held, " ".join(member.cmdline())


def _peak_bytes(pid: int) -> int:
    """The peak resident memory of a process so far, which psutil does not give; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    after = status.partition("VmHWM:")[2]
    return int(after.split()[0]) * 1024 if after else 0
