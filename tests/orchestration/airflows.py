"""Airflow with our DAGs, in processes of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pramaan.host.airflow import Connections, airflow_environment
from pramaan.settings import PROJECT_ROOT, Settings

__all__ = ["SCRIPT", "Airflow", "call_airflow", "environment"]

SCRIPT = Path(__file__).with_name("airflow_here.py")
SECRETS = {
    "airflow_fernet_key": "t4Zr3P3mJ0bC1xq6dQ8v5b8c0iVt2S7kq1w2e3r4t5Y=",
    "airflow_jwt_secret": "j" * 64,
    "airflow_api_secret_key": "k" * 64,
}

Airflow = Callable[..., Any]


def environment(settings: Settings, home: Path, *, url: str) -> dict[str, str]:
    """That of Airflow's parts, but with a database of Airflow's own in a file."""
    connections = Connections(pramaan=SecretStr(url), airflow=SecretStr(f"sqlite:///{home / 'airflow.db'}"))
    found = airflow_environment(settings, connections=connections, secrets=SECRETS, inherited={})
    return found | {"AIRFLOW_HOME": str(home), "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs")}


def call_airflow(given: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """What Python printed; fails with what it said of what went wrong."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        env=given | {"PATH": os.environ["PATH"]},
        cwd=PROJECT_ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout
