"""Runs the dbt project, and keeps a database's deployed rules equal to the project's."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from pramaan.database.connect import Connection, connect
from pramaan.errors import DatabaseError
from pramaan.settings import PROJECT_ROOT

__all__ = ["DBT_PROJECT", "dbt_environment", "deploy_if_changed", "invoke_dbt", "run_dbt"]

DBT_PROJECT = PROJECT_ROOT / "dbt"

_FAILED = ("error", "fail", "runtime error")
_PROJECT_FOLDERS = ("models", "macros", "tests")

# dbt's profile has no place for these; libpq takes them from the environment when the address asks for them.
_LIBPQ_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
}


def dbt_environment(url: str, *, target: Path) -> dict[str, str]:
    """The variables that `dbt/profiles.yml` and libpq read; dbt scrubs `DBT_ENV_SECRET_*` where it prints."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    return {
        "PRAMAAN_DBT_HOST": parts.get("host", "127.0.0.1"),
        "PRAMAAN_DBT_PORT": parts.get("port", "5432"),
        "PRAMAAN_DBT_USER": parts.get("user", ""),
        "DBT_ENV_SECRET_PRAMAAN_PASSWORD": parts.get("password", ""),
        "PRAMAAN_DBT_DATABASE": parts.get("dbname", parts.get("user", "")),
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_TARGET_PATH": str(target / "target"),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        **{_LIBPQ_VARIABLES[name]: value for name, value in parts.items() if name in _LIBPQ_VARIABLES},
    }


def run_dbt(arguments: list[str], *, url: str, target: Path) -> None:
    """Run one dbt command in this process, writing its artefacts (manifest, run results) below `target`.

    Raises DatabaseError with dbt's own words when a node fails.
    """
    invoke_dbt(arguments, url=url, target=target)


def invoke_dbt(
    arguments: list[str], *, url: str, target: Path, expected: Sequence[str] = ()
) -> Sequence[Any]:
    """As `run_dbt`; returns dbt's results, a node each, and takes none for a failure whose status is
    `expected`.
    """
    from dbt.cli.main import dbtRunner

    with _environment(dbt_environment(url, target=target)), _closing_logs():
        outcome = dbtRunner().invoke(["--quiet", *arguments])
    results: list[Any] = getattr(outcome.result, "results", [])
    failed = [each for each in results if str(each.status) in _FAILED and str(each.status) not in expected]
    if outcome.exception is not None or failed or not (outcome.success or expected):
        reasons = [str(outcome.exception)] if outcome.exception is not None else []
        reasons += [f"{each.node.name}: {each.message}" for each in failed]
        raise DatabaseError(
            f"dbt {arguments[0]} failed: {'; '.join(reasons) or 'see its log'}. "
            f"Its log is {target}/logs/dbt.log"
        )
    return results


def deploy_if_changed(url: str, *, target: Path) -> bool:
    """Build the models when this database was last given other ones, or none; True when it did.

    Also writes the manifest that Airflow's DAG needs when `target` has none of this project. Safe to repeat
    and to run twice at once. Until a deployment is through, the database counts as given nothing: one that
    broke off is made good by the next, even if the project is by then what it was before.
    """
    fingerprint = _project_fingerprint()
    with connect(url) as connection, _deployment_lock(connection):
        if _deployed_fingerprint(connection) == fingerprint:
            _parse_if_changed(url, target=target, fingerprint=fingerprint)
            return False
        connection.execute("delete from ops.deployments where name = 'dbt'")
        run_dbt(["run"], url=url, target=target)
        _keep_manifest(target, fingerprint=fingerprint)
        connection.execute(
            "insert into ops.deployments (name, fingerprint) values ('dbt', %s)",
            (fingerprint,),
        )
        return True


def _parse_if_changed(url: str, *, target: Path, fingerprint: str) -> None:
    """Write the manifest where another home deployed this project, or this home's was cleared away."""
    record = _manifest_fingerprint(target)
    is_there = (target / "manifest.json").exists() and record.exists()
    if not is_there or record.read_text() != fingerprint:
        run_dbt(["parse"], url=url, target=target)
        _keep_manifest(target, fingerprint=fingerprint)


def _keep_manifest(target: Path, *, fingerprint: str) -> None:
    """Keep the manifest where only a deployment writes: Airflow parses its DAG from there, while every dbt
    that runs writes one of its own to the folder of its artefacts.
    """
    aside = target / "manifest.json.tmp"
    shutil.copyfile(target / "target" / "manifest.json", aside)
    aside.replace(target / "manifest.json")
    _manifest_fingerprint(target).write_text(fingerprint)


def _manifest_fingerprint(target: Path) -> Path:
    return target / "manifest.fingerprint"


def _project_fingerprint() -> str:
    digest = hashlib.sha256()
    files = [DBT_PROJECT / "dbt_project.yml"]
    files += [p for folder in _PROJECT_FOLDERS for p in (DBT_PROJECT / folder).rglob("*") if p.is_file()]
    for path in sorted(files):
        digest.update(f"{path.relative_to(DBT_PROJECT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _deployed_fingerprint(connection: Connection) -> str | None:
    row = connection.execute("select fingerprint from ops.deployments where name = 'dbt'").fetchone()
    return str(row[0]) if row else None


@contextmanager
def _deployment_lock(connection: Connection) -> Iterator[None]:
    connection.execute("select pg_advisory_lock(hashtext('pramaan dbt deployment'))")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(hashtext('pramaan dbt deployment'))")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """dbt reads its connection from the process environment; it is put back afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _closing_logs() -> Iterator[None]:
    """dbt leaves its log file open for the life of the process; this one goes on to do other things."""
    from dbt_common.events.event_manager_client import cleanup_event_logger, get_event_manager

    try:
        yield
    finally:
        for logger in get_event_manager().loggers:
            for handler in getattr(logger, "_python_logger", None).handlers:  # type: ignore[union-attr]
                handler.close()
        cleanup_event_logger()
