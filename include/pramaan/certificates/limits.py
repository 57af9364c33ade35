"""What rendering one certificate may take of its process: time, and memory.

A renderer that hangs hangs in C, where no Python exception arrives: so the process is ended, hard, and what
it held is free again. Memory is limited while rendering only, and only upwards from what the process has: it
may be Airflow's.
"""

import faulthandler
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["Guard", "Limits"]

_SLACK: Final = 0.1
"""How much longer a certificate may take, as a part of its time. To arm the watchdog for each would take a
tenth of all the rest, since it starts a thread.
"""

_LEAST_HEADROOM_BYTES: Final = 200_000_000
"""Twice what any page takes to be laid out, whatever the process holds already."""

_STDERR: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one certificate may take, and how large the process may get on it."""

    seconds: float = 60.0
    resident_bytes: int = 700_000_000


class Guard:
    """Sees that rendering within its block keeps to the limits; can be used again.

    A certificate that takes longer (by up to a tenth) ends the process with status 1, and leaves on stderr
    where in the code it was: names of functions and lines, no values. One that wants more memory gets a
    MemoryError.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._armed_at = 0.0
        self._before: tuple[int, int] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def __enter__(self) -> Self:
        # Private memory that can be written to. RLIMIT_AS would count what threads only reserve: gigabytes,
        # in Airflow's processes.
        self._before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        ceiling = _ceiling(self._limits.resident_bytes)
        known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([ceiling, *known]), hard))
        self._arm()
        return self

    def begin(self) -> None:
        """A certificate begins: the time runs anew."""
        if time.monotonic() - self._armed_at > self._limits.seconds * _SLACK:
            self._arm()

    def _arm(self) -> None:
        patience = self._limits.seconds * (1 + _SLACK)
        faulthandler.dump_traceback_later(patience, exit=True, file=_STDERR)
        self._armed_at = time.monotonic()

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_DATA, self._before)


def _ceiling(resident_bytes: int) -> int:
    """Of what RLIMIT_DATA counts: what it is now, and as much more as the process may still grow."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    kilobytes = {words[0]: int(words[1]) for words in lines if words[0] in {"VmRSS:", "VmData:"}}
    grows = resident_bytes - kilobytes["VmRSS:"] * 1024
    return kilobytes["VmData:"] * 1024 + max(grows, _LEAST_HEADROOM_BYTES)
