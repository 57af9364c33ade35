"""Runs one of our modules in a child process with limits, on untrusted input.

The child inherits nothing of the parent's environment but the paths of libraries and fonts. Its address space
is limited to what its module asks for, by default a gigabyte. The processor time of each step, and of all
steps together unless the child lifts that limit, is limited by a budget from the parent: beyond it an
exception ends the step, 2 s later the kernel ends the child, and the parent ends a child that has been silent
for too long. The child answers with lines of JSON: the name of each step that begins, and its results.

    parent: for line in run_in_sandbox("pramaan.checking.child", arguments, data=...): ...
    child:  say = enter_sandbox(); say.step("the pictures"); say({"found": ...})
"""

import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from pramaan.errors import HostError

__all__ = [
    "DEFAULT_BUDGET",
    "MEMORY_BYTES",
    "CpuBudget",
    "OutOfCpuTime",
    "SandboxOutput",
    "SandboxStopped",
    "child_environment",
    "enter_sandbox",
    "limit_resources",
    "run_in_sandbox",
]

MEMORY_BYTES: Final = 1_000_000_000
"""Of address space. A plain template takes 350 MB of it, two thirds of that for libraries."""


@dataclass(frozen=True, slots=True)
class CpuBudget:
    """Seconds of processor time for the steps of a child.

    A plain step of a template takes a twentieth of a second, and our own templates take 4 s in all on a quiet
    machine; the default allows four times as much, for a slow or busy machine.
    """

    step_seconds: float = 16.0
    base_seconds: float = 12.0
    """The budget of all steps together, plus `mean_seconds` for each step, up to `most_seconds`."""
    mean_seconds: float = 0.4
    most_seconds: float = 32.0


DEFAULT_BUDGET: Final = CpuBudget()
_BUDGET_VARIABLE: Final = "PRAMAAN_SANDBOX_CPU_SECONDS"

_LEAST_CPU_SECONDS: Final = 0.5
_GRACE_CPU_SECONDS: Final = 2
_STEP_CLOCK_SECONDS: Final = 120.0
_START_CLOCK_SECONDS: Final = 300.0
"""Starting takes a second, and more on a busy machine. Nothing untrusted is read by then."""

_LARGEST_FILE_BYTES: Final = 50_000_000
_LONGEST_LINE_BYTES: Final = 1_000_000
_DATA_NAME: Final = "data"
_PASSED_ON: Final = ("PYTHONPATH", "LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FC_LANG", "PANGO_LANGUAGE")


class SandboxStopped(Exception):  # noqa: N818 - callers put it into their own error
    """The child ended before it was done. `step` is the step that it was in; `by_time` whether that took too
    long.
    """

    def __init__(self, step: str, *, by_time: bool) -> None:
        super().__init__(step)
        self.step = step
        self.by_time = by_time


class OutOfCpuTime(BaseException):
    """Raised in the child, wherever it is, when its step has used up its processor time."""


def run_in_sandbox(
    module: str,
    arguments: Sequence[str],
    *,
    data: bytes = b"",
    budget: CpuBudget = DEFAULT_BUDGET,
    step_clock_seconds: float = _STEP_CLOCK_SECONDS,
) -> Generator[Mapping[str, Any], None, None]:
    """Run a module of ours in a child process and yield its answers, each a mapping, as they come. Getting
    the first one starts the child.

    Closing the iterator ends the child. No process and no file is left.

    Raises SandboxStopped, or HostError when the child cannot even start.
    """
    with tempfile.TemporaryDirectory(prefix="pramaan-sandbox-") as folder:
        (Path(folder) / _DATA_NAME).write_bytes(data)
        with (Path(folder) / "stderr").open("w+b") as stderr:
            child = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=folder,
                env=child_environment(Path(folder)) | {_BUDGET_VARIABLE: json.dumps(asdict(budget))},
            )
            assert child.stdout is not None  # noqa: S101 - for the type checker
            try:
                yield from _answers(child, child.stdout, stderr, step_clock_seconds=step_clock_seconds)
            finally:
                child.kill()
                child.wait()
                child.stdout.close()


def _answers(
    child: "subprocess.Popen[bytes]", stdout: IO[bytes], stderr: IO[bytes], *, step_clock_seconds: float
) -> Iterator[Mapping[str, Any]]:
    step = ""
    for line in _lines(stdout, step_clock_seconds=step_clock_seconds):
        if line is None:
            raise SandboxStopped(step, by_time=True)
        answer = json.loads(line)
        if answer == {"done": True}:
            return
        if "step" in answer:
            step = answer["step"]
        else:
            yield answer
    status = child.wait()
    if not step:
        stderr.seek(0)
        last_line = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        raise HostError(f"nothing can be checked in a child process on this machine: {last_line}")
    raise SandboxStopped(step, by_time=status in {-signal.SIGXCPU, -signal.SIGPROF})


def _lines(stdout: IO[bytes], *, step_clock_seconds: float) -> Iterator[bytes | None]:
    """Yields whole lines as they come; None when none came in time."""
    rest = b""
    patience = _START_CLOCK_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        until = time.monotonic() + patience
        while True:
            if not selector.select(max(0.0, until - time.monotonic())):
                yield None
                return
            if not (read := os.read(stdout.fileno(), 65536)):
                return
            *lines, rest = (rest + read).split(b"\n")
            if lines or len(rest) > _LONGEST_LINE_BYTES:
                until = time.monotonic() + step_clock_seconds
            yield from lines


def child_environment(folder: Path) -> dict[str, str]:
    """Returns an environment with only the paths of libraries and fonts; files are written to `folder`."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(folder))
    return passed_on | own | {"LC_ALL": "C.UTF-8"}


class SandboxOutput:
    """The child's side of the output: sends answers and begins steps."""

    def __init__(self, out: IO[bytes], budget: CpuBudget) -> None:
        self._out = out
        self.budget = budget
        self.doing = ""
        self.ran_out = False
        """Whether a step used up its time, even if a library swallowed the exception."""
        self.limit_all = True
        """Whether the steps have a limit together."""
        self._steps = 0
        self._begun_at = _cpu_seconds()

    def __call__(self, answer: Mapping[str, object]) -> None:
        """Send the parent a mapping that JSON can encode."""
        self._out.write(json.dumps(answer).encode() + b"\n")
        self._out.flush()

    def step(self, name: str) -> None:
        """Begin a step: send its name, and give it its processor time."""
        import resource

        signal.setitimer(signal.ITIMER_PROF, 0)
        self.doing = name
        self({"step": name})
        used, allowed = _cpu_seconds(), self.budget.step_seconds
        self._steps += 1
        if self.limit_all:
            budget = self.budget
            left = min(budget.base_seconds + self._steps * budget.mean_seconds, budget.most_seconds)
            left -= used - self._begun_at
            allowed = max(min(allowed, left), _LEAST_CPU_SECONDS)
        _set_limit(resource.RLIMIT_CPU, math.ceil(used + allowed) + _GRACE_CPU_SECONDS)
        # Repeated: a library may swallow an exception and continue.
        signal.setitimer(signal.ITIMER_PROF, allowed, 0.2)

    def done(self) -> None:
        """Send the last answer."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        self({"done": True})


def _cpu_seconds() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def enter_sandbox(*, memory_bytes: int = MEMORY_BYTES) -> tuple[SandboxOutput, bytes]:
    """Set up the child, as its first call; returns its output and the data that it was given.

    Import heavy libraries before the first step.
    """
    limit_resources(memory_bytes=memory_bytes)
    budget = CpuBudget(**json.loads(os.environ[_BUDGET_VARIABLE]))
    say = SandboxOutput(os.fdopen(os.dup(1), "wb"), budget)
    # Output of print goes to stderr: it is not an answer.
    os.dup2(2, 1)

    def out_of_time(_signal: int, _frame: FrameType | None) -> None:
        say.ran_out = True
        raise OutOfCpuTime

    signal.signal(signal.SIGPROF, out_of_time)
    return say, Path(_DATA_NAME).read_bytes()


def limit_resources(*, memory_bytes: int, cpu_seconds: int | None = None) -> None:
    """Limit this process permanently: its address space, and its processor time if that is given."""
    import resource

    if cpu_seconds is not None:
        _set_limit(resource.RLIMIT_CPU, cpu_seconds)
    _set_limit(resource.RLIMIT_AS, memory_bytes)
    _set_limit(resource.RLIMIT_FSIZE, _LARGEST_FILE_BYTES)
    _set_limit(resource.RLIMIT_CORE, 0)


def _set_limit(kind: int, value: int) -> None:
    import resource

    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
