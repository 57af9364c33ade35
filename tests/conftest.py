"""Fixtures named for a state of the world. One real Postgres for the whole run, a fresh database a test."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pramaan.database.connect import Connection, connect
from pramaan.pipeline import Pipeline
from pramaan.rendering.page_cache import PageCache
from pramaan.settings import Settings
from scheduling import by_block, put_in_order
from shared_home import EMPTY, Keep, SharedHome
from worlds import database_url, empty_database

OULAD = Path(__file__).resolve().parents[2] / "shared" / "data" / "oulad" / "to_feeds.py"

_HOME = pytest.StashKey[SharedHome]()

# How long an example takes says nothing: the machine may be slow or busy.
hypothesis.settings.register_profile(
    "any_machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any_machine")


def pytest_configure(config: pytest.Config) -> None:
    """Whoever runs the tests reserves the home and removes it; workers are told where it is."""
    given = getattr(config, "workerinput", None)
    home = SharedHome(**given["home"]) if given else SharedHome.reserve()
    config.stash[_HOME] = home
    if given is None:
        config.add_cleanup(home.remove)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist is about to start a worker."""
    node.workerinput["home"] = node.config.stash[_HOME].as_input()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """xdist is about to hand out tests."""
    return by_block(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for others begins, and the quick tests come before the slow ones."""
    put_in_order(items)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """No test sees the developer's own home or database."""
    for name in [n for n in os.environ if n.startswith(("PRAMAAN_", "AIRFLOW_", "DBT_"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def session_settings(pytestconfig: pytest.Config) -> Settings:
    """The home that the whole run shares; its Postgres is migrated and has the rules deployed."""
    return pytestconfig.stash[_HOME].prepare()


@pytest.fixture(scope="session")
def kept_pages(pytestconfig: pytest.Config) -> PageCache:
    """Pages that any worker of this run has laid out."""
    return PageCache(pytestconfig.stash[_HOME].folder / "pages")


@pytest.fixture(scope="session")
def keep(pytestconfig: pytest.Config) -> Keep:
    """Keeps a world that many tests begin with, filled once in the whole run."""
    return pytestconfig.stash[_HOME].keep


@pytest.fixture
def origin() -> str:
    """The template of this test's database. Where worlds are kept this is another one."""
    return EMPTY


@pytest.fixture
def settings(session_settings: Settings, tmp_path: Path, origin: str) -> Iterator[Settings]:
    """An empty warehouse and registry, an empty landing folder and an empty store, for one test."""
    with empty_database(session_settings, tmp_path, template=origin) as empty:
        yield empty


@pytest.fixture
def pipeline(settings: Settings) -> Pipeline:
    """The pipeline on that empty world."""
    return Pipeline(settings, url=database_url(settings))


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    """A connection to that empty world."""
    with connect(database_url(settings)) as opened:
        yield opened


@pytest.fixture
def oulad_feeds(tmp_path: Path) -> Callable[..., Path]:
    """Writes the feeds of real enrolments (module AAA) in a format; skips where they are not at hand."""

    def write(fmt: str = "parquet", modules: str = "AAA") -> Path:
        if not OULAD.exists():
            pytest.skip("the Open University data set is not beside this checkout")
        out = tmp_path / f"oulad-{fmt}"
        subprocess.run(
            [sys.executable, str(OULAD), str(out), "--format", fmt, "--modules", modules],
            check=True,
            capture_output=True,
        )
        return out

    return write
