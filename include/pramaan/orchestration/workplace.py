"""Where a part of Airflow works: the pipeline that its environment names.

Airflow's parts are started after everything is deployed, so nothing is prepared here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pramaan.pipeline import Pipeline
    from pramaan.settings import Settings

__all__ = ["database_url", "mail_server", "open_pipeline"]


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


def open_pipeline() -> "Pipeline":
    """The pipeline on that database."""
    from pramaan.pipeline import Pipeline
    from pramaan.settings import load_settings

    settings = load_settings()
    return Pipeline(settings, url=database_url(settings))
