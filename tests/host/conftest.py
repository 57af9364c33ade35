"""Homes on this machine: real Postgres, real supervisord, ports that were free a moment ago."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import MakeHome, remove, settings_of

from pramaan.settings import Settings
from worlds import fast_disk


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any account can pass through; pytest's own are closed to all but us."""
    folder = Path(tempfile.mkdtemp(prefix="pramaan-tests-", dir=fast_disk()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_home(open_folder: Path, tmp_path: Path) -> Iterator[MakeHome]:  # noqa: ARG001 - they outlive the homes
    """Settings for a home at a path; at the end everything of it is stopped and removed."""
    made: list[Settings] = []

    def make(path: Path) -> Settings:
        made.append(settings_of(path))
        return made[-1]

    yield make
    for settings in made:
        remove(settings)


@pytest.fixture
def home(make_home: MakeHome, open_folder: Path) -> Settings:
    """A home that does not exist yet, on free ports."""
    return make_home(open_folder / "home")
