"""The pipeline of this home, ready to use: Postgres up, schema and rules deployed."""

from pramaan.cli.console import step
from pramaan.host.platform import ensure_database
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings, load_settings

__all__ = ["open_pipeline"]


def open_pipeline(settings: Settings | None = None) -> Pipeline:
    """Start the embedded Postgres if it is needed and down, bring the database up to date, return its
    pipeline.
    """
    settings = settings or load_settings()
    pipeline = Pipeline(settings, url=ensure_database(settings))
    pipeline.prepare(report=step)
    return pipeline
