"""How long the two commands take, each in a fresh clone with a warm package cache."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from pramaan.bench.measurement import Measurement
from pramaan.bench.scratch import free_port_base
from pramaan.errors import HostError
from pramaan.settings import PROJECT_ROOT

__all__ = ["run"]


def run() -> list[Measurement]:
    """Clone the checkout's HEAD, then time `make run`, a second one, and `make test` there.

    Raises HostError with the end of the output when one fails.
    """
    folder = Path(tempfile.mkdtemp(prefix="pramaan-bench-"))
    clone = folder / "pramaan"
    try:
        subprocess.run(["git", "clone", "-q", str(PROJECT_ROOT), str(clone)], check=True)
        environment = os.environ | {"PRAMAAN_PORT_BASE": str(free_port_base())}
        first = _timed(["make", "run"], clone, environment)
        second = _timed(["make", "run"], clone, environment)
        _timed(["make", "down"], clone, environment)
        tests = _timed(["make", "test"], clone, environment)
    finally:
        subprocess.run(["make", "-s", "down"], cwd=clone, env=os.environ, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Measurement("make run", first, "s", "under 240 s", "fresh clone, warm package cache"),
        Measurement("make run again", second, "s", None, "changes nothing"),
        Measurement("make test", tests, "s", "under 600 s", "the whole suite"),
    ]


def _timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(
            f"{' '.join(command)} failed in a fresh clone:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return time.perf_counter() - began
