"""The one home of a test run: made by whoever needs it first, shared by all workers, gone at the end.

Its Postgres is migrated and has the rules deployed, once, in a template that nobody can connect to; each test
has a copy of it.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from filelock import FileLock
from pydantic import SecretStr

from pramaan.bench.scratch import free_port_base
from pramaan.host.platform import ensure_database, stop
from pramaan.host.postgres import embedded_database_url, superuser_database_url
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings

__all__ = ["EMPTY", "Keep", "SharedHome", "empty_database", "fast_disk", "new_database"]

EMPTY: Final = "empty"
"""The template of an empty warehouse and registry."""

Keep = Callable[[str, Callable[[Settings], None]], str]
"""Of a world's name and what fills it: its template."""

_IN_USE: Final[set[int]] = set()

_ENOUGH_BYTES: Final = 4_000_000_000


class SharedHome:
    """Where the run's home is, in this process and in every worker's."""

    def __init__(self, folder: str, port_base: int) -> None:
        self.folder = Path(folder)
        self.settings = Settings(home=self.folder / "home", port_base=port_base)

    @classmethod
    def reserve(cls) -> "SharedHome":
        """A folder and ports, with nothing in them yet."""
        folder = Path(tempfile.mkdtemp(prefix="pramaan-tests-", dir=fast_disk()))
        # Open to the account that runs Postgres, so that the data lies here, too.
        for each in (folder, folder / "home"):
            each.mkdir(exist_ok=True)
            each.chmod(0o755)
        return cls(str(folder), free_port_base())

    def as_input(self) -> dict[str, Any]:
        """What a worker is told of it."""
        return {"folder": str(self.folder), "port_base": self.settings.port_base}

    def prepare(self) -> Settings:
        """Its settings, once it stands; the first to ask makes it, the others wait."""
        ready = self.folder / "ready"
        with FileLock(self.folder / "lock"):
            if not ready.exists():
                Pipeline(self.settings, url=ensure_database(self.settings)).prepare()
                with psycopg.connect(superuser_database_url(self.settings), autocommit=True) as server:
                    _let_postgres_forget(server)
                    _copy(server, "pramaan", EMPTY)
                    _close(server, EMPTY)
                ready.touch()
        return self.settings

    def keep(self, world: str, fill: Callable[[Settings], None]) -> str:
        """The template of a world that many tests begin with; the first to ask fills an empty database.

        What lands or is stored on the way is not kept.
        """
        settings = self.prepare()
        with FileLock(self.folder / "lock"):
            ready = self.folder / f"{world}.ready"
            if not ready.exists():
                with psycopg.connect(superuser_database_url(settings), autocommit=True) as server:
                    _copy(server, EMPTY, world)
                    with tempfile.TemporaryDirectory() as folder:
                        fill(_placed(settings, _url(settings, world), Path(folder)))
                    _close(server, world)
                ready.touch()
        return world

    def remove(self) -> None:
        """Stop what runs in it and delete it."""
        stop(self.settings)
        shutil.rmtree(self.folder)


def _let_postgres_forget(server: "psycopg.Connection[Any]") -> None:
    """Nothing here outlives the run, so no disk is waited for; chaos has a durable home of its own."""
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        server.execute(f"alter system set {setting} = off")  # type: ignore[arg-type]
    server.execute("select pg_reload_conf()")


def _copy(server: "psycopg.Connection[Any]", template: str, name: str) -> None:
    server.execute(f"create database {name} template {template} owner pramaan strategy file_copy")  # type: ignore[arg-type]


def _close(server: "psycopg.Connection[Any]", name: str) -> None:
    """A database that is being connected to cannot be copied: a template lets nobody in."""
    server.execute(f"alter database {name} with allow_connections false")  # type: ignore[arg-type]


def _url(settings: Settings, name: str) -> str:
    return f"{embedded_database_url(settings).rpartition('/')[0]}/{name}"


def _placed(settings: Settings, url: str, folder: Path) -> Settings:
    places = {"landing": f"file://{folder}/landing", "store": f"file://{folder}/store"}
    return settings.model_copy(update={"database_url": SecretStr(url), **places})


@contextmanager
def new_database(session_settings: Settings, *, template: str = EMPTY) -> Iterator[str]:
    """The address of a copy of a template, for the block. It is the same again for the next one in this
    process: what dbt has parsed holds for an address.
    """
    number = next(n for n in count() if n not in _IN_USE)
    name = f"test_{os.getpid()}_{number}"
    _IN_USE.add(number)
    with psycopg.connect(superuser_database_url(session_settings), autocommit=True) as server:
        _copy(server, template, name)
        yield _url(session_settings, name)
        server.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]
    _IN_USE.remove(number)


@contextmanager
def empty_database(session_settings: Settings, folder: Path, *, template: str = EMPTY) -> Iterator[Settings]:
    """An empty warehouse and registry (or a kept world's), an empty landing folder and an empty store under
    `folder`, for the block.
    """
    with new_database(session_settings, template=template) as url:
        yield _placed(session_settings, url, folder)


def fast_disk() -> Path | None:
    """Memory, where there is enough of it: a database a test, of a thousand files each, is made there in a
    tenth of the time.
    """
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > _ENOUGH_BYTES else None
