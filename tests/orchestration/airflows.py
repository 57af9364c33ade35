"""Airflow with our DAGs, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pramaan.host.airflow import Connections, airflow_environment
from pramaan.settings import PROJECT_ROOT, Settings

__all__ = ["Airflow", "Asked", "environment", "running_airflow"]

SCRIPT = Path(__file__).with_name("airflow_here.py")
DAGS = PROJECT_ROOT / "dags"
SLOW_TO_PARSE = "build_warehouse"
SECRETS = {
    "airflow_fernet_key": "t4Zr3P3mJ0bC1xq6dQ8v5b8c0iVt2S7kq1w2e3r4t5Y=",
    "airflow_jwt_secret": "j" * 64,
    "airflow_api_secret_key": "k" * 64,
}

Asked = dict[str, Any]
Airflow = Callable[[Asked], Any]


def environment(settings: Settings, home: Path, *, url: str) -> dict[str, str]:
    """That of Airflow's parts, but with a database of Airflow's own in a file, and each DAG file a bundle of
    its own: `dag.test` parses the whole bundle of its DAG again.
    """
    connections = Connections(pramaan=SecretStr(url), airflow=SecretStr(f"sqlite:///{home / 'airflow.db'}"))
    found = airflow_environment(settings, connections=connections, secrets=SECRETS, inherited={})
    return found | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(_bundles()),
        "PATH": os.environ["PATH"],
    }


def _bundles() -> list[dict[str, Any]]:
    names = sorted((path.stem for path in DAGS.glob("*.py")), key=lambda name: (name == SLOW_TO_PARSE, name))
    return [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(DAGS / f"{name}.py")},
        }
        for name in names
    ]


@contextmanager
def running_airflow(given: dict[str, str], log: Path) -> Iterator[Airflow]:
    """Asks `airflow_here.py`, which runs for the block; fails with what it said of what went wrong."""
    with (
        log.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            env=given,
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as running,
    ):
        assert running.stdin
        assert running.stdout

        def ask(asked: Asked) -> Any:
            running.stdin.write(json.dumps(asked) + "\n")
            running.stdin.flush()
            line = running.stdout.readline()
            assert line, log.read_text()[-6000:]
            found = json.loads(line)
            assert "error" not in found, found["error"] + log.read_text()[-6000:]
            return found["answer"]

        yield ask
        running.stdin.close()
