"""Runs the dbt project, and keeps a database's deployed rules equal to the project's."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pramaan.database.connect import Connection, connect
from pramaan.errors import DatabaseError
from pramaan.settings import PROJECT_ROOT

__all__ = ["DBT_PROJECT", "dbt_environment", "deploy_if_changed", "run_dbt"]

DBT_PROJECT = PROJECT_ROOT / "dbt"

_PROJECT_FOLDERS = ("models", "macros", "tests")


def dbt_environment(url: str, *, target: Path) -> dict[str, str]:
    """The variables that `dbt/profiles.yml` reads. dbt itself scrubs `DBT_ENV_SECRET_*` from what it prints."""
    parts = urlsplit(url)
    return {
        "PRAMAAN_DBT_HOST": parts.hostname or "127.0.0.1",
        "PRAMAAN_DBT_PORT": str(parts.port or 5432),
        "PRAMAAN_DBT_USER": unquote(parts.username or ""),
        "DBT_ENV_SECRET_PRAMAAN_PASSWORD": unquote(parts.password or ""),
        "PRAMAAN_DBT_DATABASE": unquote(parts.path.lstrip("/")),
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_TARGET_PATH": str(target / "target"),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def run_dbt(arguments: list[str], *, url: str, target: Path) -> None:
    """Run one dbt command in this process, writing its artefacts (manifest, run results) below `target`.

    Raises DatabaseError with dbt's own words when a node fails.
    """
    from dbt.cli.main import dbtRunner

    with _environment(dbt_environment(url, target=target)):
        result = dbtRunner().invoke(["--quiet", *arguments])
    if not result.success:
        raise DatabaseError(f"dbt {arguments[0]} failed: {_failures(result)}. Its log is {target}/logs/dbt.log")


def _failures(result: object) -> str:
    exception = getattr(result, "exception", None)
    if exception is not None:
        return str(exception)
    nodes = getattr(getattr(result, "result", None), "results", [])
    failed = [f"{n.node.name}: {n.message}" for n in nodes if str(n.status) in ("error", "fail", "runtime error")]
    return "; ".join(failed) or "see its log"


def deploy_if_changed(url: str, *, target: Path) -> bool:
    """Build the models when this database was last given other ones, or none; True when it did.

    Also when the manifest that Airflow's DAG needs is missing. Safe to repeat and to run twice at once.
    """
    fingerprint = _project_fingerprint()
    with connect(url) as connection, _deployment_lock(connection):
        if _deployed_fingerprint(connection) == fingerprint and (target / "target" / "manifest.json").exists():
            return False
        run_dbt(["run"], url=url, target=target)
        connection.execute(
            "insert into ops.deployments (name, fingerprint) values ('dbt', %s) "
            "on conflict (name) do update set fingerprint = excluded.fingerprint, deployed_at = now()",
            (fingerprint,),
        )
        return True


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
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('pramaan dbt deployment'))")
        yield


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
