"""Homes on this machine: real Postgres, real supervisord, ports that were free a moment ago."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import MakeHome, settings_of

from pramaan.host import platform
from pramaan.host.home import home_id
from pramaan.host.postgres_binaries import MACHINE_FOLDER
from pramaan.settings import Settings


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any account can pass through; pytest's own are closed to all but us."""
    folder = Path(tempfile.mkdtemp(prefix="pramaan-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_home() -> Iterator[MakeHome]:
    """Settings for a home at a path; at the end everything of it is stopped and removed."""
    made: list[Settings] = []

    def make(path: Path) -> Settings:
        made.append(settings_of(path))
        return made[-1]

    yield make
    for settings in made:
        platform.stop(settings)
        if (settings.home / "home_id").exists() and os.geteuid() == 0:
            shutil.rmtree(MACHINE_FOLDER / home_id(settings), ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(settings.home)


@pytest.fixture
def home(make_home: MakeHome, open_folder: Path) -> Settings:
    """A home that does not exist yet, on free ports."""
    return make_home(open_folder / "home")
