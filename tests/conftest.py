"""Fixtures named for a state of the world. One real Postgres, a fresh database a test."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from pramaan.database.connect import Connection, connect
from pramaan.host.platform import ensure_database, stop
from pramaan.host.postgres import superuser_database_url
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import database_url, empty_database, fast_disk, free_port_base

OULAD = Path(__file__).resolve().parents[2] / "shared" / "data" / "oulad" / "to_feeds.py"


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """No test sees the developer's own home or database."""
    for name in [n for n in os.environ if n.startswith(("PRAMAAN_", "AIRFLOW_", "DBT_"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def session_settings() -> Iterator[Settings]:
    """A home of its own for the test session; its Postgres is migrated and has the rules deployed."""
    with TemporaryDirectory(prefix="pramaan-tests-", dir=fast_disk()) as home:
        Path(home).chmod(0o755)
        settings = Settings(home=Path(home), port_base=free_port_base())
        try:
            Pipeline(settings, url=ensure_database(settings)).prepare()
            _let_postgres_forget(settings)
            yield settings
        finally:
            stop(settings)


def _let_postgres_forget(settings: Settings) -> None:
    """Nothing here outlives the session, so no disk is waited for; chaos has a durable home of its own."""
    with psycopg.connect(superuser_database_url(settings), autocommit=True) as server:
        server.execute("alter system set fsync = off")
        server.execute("alter system set full_page_writes = off")
        server.execute("select pg_reload_conf()")


@pytest.fixture
def settings(session_settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """An empty warehouse and registry, an empty landing folder and an empty store, for one test."""
    with empty_database(session_settings, tmp_path) as empty:
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
