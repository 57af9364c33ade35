"""dbt's folders, with what was parsed before."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

PARSED = Path("target", "partial_parse.msgpack")
"""What dbt takes over of the parsing before, file by file, where nothing changed."""


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this worker keeps what dbt has parsed."""
    return tmp_path_factory.mktemp("parsed") / PARSED.name


@pytest.fixture(autouse=True)
def _parsed_before(parsed: Path, tmp_path: Path) -> Iterator[None]:
    """The test's own folder of dbt, `dbt`, begins with it, as a home's does after the first run."""
    own = tmp_path / "dbt" / PARSED
    if parsed.exists():
        own.parent.mkdir(parents=True)
        shutil.copyfile(parsed, own)
    yield
    if own.exists() and not parsed.exists():
        shutil.copyfile(own, parsed)
