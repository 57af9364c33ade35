"""What becomes of Airflow once it has an environment: its database migrated, its parts' health."""

import http.client
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import psycopg

from pramaan.errors import HostError
from pramaan.host.airflow import AIRFLOW_GROUP
from pramaan.host.home import write_private

if TYPE_CHECKING:
    from pramaan.host.supervisor import ProcessRecord
    from pramaan.settings import Settings

__all__ = ["POOLS", "migrate_airflow", "unhealthy_parts"]

_HEALTH: Final = {
    "metadatabase": "",
    "scheduler": "scheduler",
    "dag_processor": "dag-processor",
    "triggerer": "triggerer",
}
"""What Airflow's health page calls a part -> its program."""

POOLS: Final = {"issuance": os.cpu_count() or 1}
"""Pools that tasks run in, with their slots; `include/docker/init.sh` makes them in containers."""


def migrate_airflow(
    settings: "Settings", *, environment: Mapping[str, str], report: Callable[[str], None]
) -> None:
    """Bring Airflow's database to the installed version; does nothing when a stamp says that it is.

    Safe to repeat. Raises HostError naming the log when the migration fails.
    """
    stamp = settings.home / "airflow" / "migrated"
    version = importlib.metadata.version("apache-airflow")
    url = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    revision = _revision(url)
    if revision and stamp.exists() and stamp.read_text() == f"{version} {revision} {POOLS}":
        return
    report("Airflow: bringing its database up to date")
    log = settings.home / "logs" / "airflow-migrate.log"
    commands = [["db", "migrate"]]
    commands += [["pools", "set", name, str(slots), "Made by Pramaan"] for name, slots in POOLS.items()]
    with log.open("w", encoding="utf-8") as output:
        for command in commands:
            done = subprocess.run(  # noqa: S603 - built here
                [sys.executable, "-P", "-m", "airflow", *command],
                env=dict(environment),
                cwd=settings.home / "run",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode != 0:
                raise HostError(f"Airflow's database could not be brought up to date: see {log}")
    write_private(stamp, f"{version} {_revision(url)} {POOLS}")


def _revision(url: str) -> str:
    """What Airflow's database says of itself; empty when it says nothing or is not Postgres."""
    scheme, _, rest = url.partition("://")
    if not scheme.startswith("postgres"):
        return ""
    try:
        with psycopg.connect(f"postgresql://{rest}", connect_timeout=10) as connection:
            row = connection.execute("select version_num from alembic_version").fetchone()
    except psycopg.Error:
        return ""
    return str(row[0]) if row else ""


def unhealthy_parts(settings: "Settings", *, records: "Mapping[str, ProcessRecord]") -> list[str]:
    """What is not healthy yet, by Airflow's own account; `records` are the supervisor's, by name.

    A heartbeat counts only when the part's present process sent it: an earlier one's looks fresh for 30 s.
    """
    answer = _ask_health(settings.airflow_port)
    if answer is None:
        return ["api-server"]
    now = time.time()
    waiting = []
    for component, part in _HEALTH.items():
        state = answer.get(component) or {}
        record = records.get(f"{AIRFLOW_GROUP}:{part}")
        started = now - record.uptime_seconds if record else 0.0
        beat = state.get(f"latest_{component}_heartbeat")
        fresh = not part or (record is not None and beat is not None and _instant(beat) >= started)
        if state.get("status") != "healthy" or not fresh:
            waiting.append(part or component)
    return waiting


def _ask_health(port: int) -> dict[str, dict[str, str]] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/v2/monitor/health")
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if response.status == http.HTTPStatus.OK and isinstance(answer, dict) else None


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
