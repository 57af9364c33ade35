"""What the tests of homes share: free ports, and what runs for a home."""

import contextlib
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from pramaan.host import platform, processes
from pramaan.host.home import home_id
from pramaan.host.postgres_binaries import MACHINE_FOLDER
from pramaan.settings import Settings

MakeHome = Callable[[Path], Settings]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port_base() -> int:
    """Below the range from which the kernel takes ports for outgoing connections."""
    bases = random.SystemRandom().sample(range(20000, 32000, 4), 200)
    return next(base for base in bases if _is_free(base) and _is_free(base + 1))


def settings_of(home: Path) -> Settings:
    return Settings(home=home, port_base=free_port_base(), database_url=None, database_direct_url=None)


def of_home(settings: Settings) -> list[processes.Process]:
    """Every process that stands in the home or in its data folder, or was given its configuration."""
    home, data = str(settings.home.resolve()), str((settings.home / "postgres").resolve())
    return [
        process
        for process in processes.list_processes()
        if str(process.folder or "").startswith((home, data))
        or any(argument.startswith((home, data)) for argument in process.arguments)
    ]


def remove(settings: Settings) -> None:
    """Stop everything of a home and delete it, with what root keeps for it elsewhere."""
    platform.stop(settings)
    if (settings.home / "home_id").exists() and os.geteuid() == 0:
        shutil.rmtree(MACHINE_FOLDER / home_id(settings), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(settings.home)
