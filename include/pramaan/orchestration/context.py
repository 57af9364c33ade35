"""Where a part of Airflow works: the home and the database that its environment names.

Airflow's parts are started after everything is deployed, so nothing is prepared here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pramaan.database.connect import Connection
    from pramaan.settings import Settings

__all__ = ["TaskContext", "database_url", "mail_server", "task_context"]


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The settings and the database of this home."""

    settings: "Settings"
    url: str

    def connect(self) -> "AbstractContextManager[Connection]":
        """A connection to the database for the block."""
        from pramaan.database.connect import connect

        return connect(self.url)


def task_context() -> TaskContext:
    """Where this task works. Raises SettingsError when the environment names no database."""
    from pramaan.settings import load_settings

    settings = load_settings()
    return TaskContext(settings, database_url(settings))


def database_url(settings: "Settings") -> str:
    """The database that the environment names. Raises SettingsError when it names none."""
    from pramaan.errors import SettingsError

    url = settings.pipeline_database_url
    if url is None:
        raise SettingsError("PRAMAAN_DATABASE_URL is not set; start Airflow with `pramaan up`")
    return url


def mail_server() -> str | None:
    """The mail server that the environment names, if any."""
    from pramaan.settings import load_settings

    url = load_settings().smtp_url
    return url.get_secret_value() if url else None
