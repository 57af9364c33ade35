"""What the tests of homes share: free ports, and what runs for a home."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pramaan.bench.scratch import free_port_base
from pramaan.host import platform, processes
from pramaan.host.home import home_id
from pramaan.host.postgres_binaries import MACHINE_FOLDER
from pramaan.settings import Settings

__all__ = ["MakeHome", "free_port_base", "of_home", "remove", "settings_of"]

MakeHome = Callable[[Path], Settings]


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
