"""Brings a database's schema to what this version expects, by Alembic."""

from pathlib import Path

from pramaan.database.connect import connect
from pramaan.errors import DatabaseError

__all__ = ["migrate", "schema_is_current"]

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x5072616D61616E00


def schema_is_current(url: str) -> bool:
    """Whether the database stands at the newest migration; a quick query that leaves Alembic unimported."""
    newest = max(path.stem.split("_")[0] for path in (_MIGRATIONS / "versions").glob("*.py"))
    with connect(url) as connection:
        known = connection.execute("select to_regclass('ops.schema_version') is not null").fetchone()
        if not (known and known[0]):
            return False
        row = connection.execute("select version_num from ops.schema_version").fetchone()
    return row is not None and row[0] == newest


def migrate(url: str) -> None:
    """Run the migrations that are still missing, in one transaction; safe to repeat and to run twice at once.

    Raises DatabaseError when the server refuses.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.execute(text("create schema if not exists ops"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise DatabaseError(f"the database's schema could not be migrated: {error}") from error
    finally:
        engine.dispose()
