"""What every DAG owes to whoever is on call."""

import re

import pytest
from airflows import Airflow

from pramaan.settings import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILES = {path.stem for path in (PROJECT_ROOT / "dags").glob("*.py")}

TOGETHER = {"approve_held_issuance": 64, "send_reports": 16}
"""Several questions may wait for answers at once, and a report be asked for while others are built; nothing
else runs beside itself.
"""

ENDLESS = {"approve_held_issuance"}
"""A run lasts until its questions are answered, a week at most."""


def test_every_dag_is_documented_owned_tagged_retried_and_ends(airflow: Airflow) -> None:
    found = airflow({"facts": True})
    assert found["errors"] == {}
    assert set(found["dags"]) == FILES
    for dag_id, dag in found["dags"].items():
        assert dag["file"] == f"{dag_id}.py"
        for part in ("**In:**", "**Out:**", "**Schedule:**", "#### Triage", "**Owner:**"):
            assert part in dag["doc"], (dag_id, part)
        assert dag["description"], dag_id
        assert dag["tags"], dag_id
        assert dag["active_runs"] == TOGETHER.get(dag_id, 1), dag_id
        assert (dag["seconds"] is None) == (dag_id in ENDLESS), dag_id
        for task_id, task in dag["tasks"].items():
            assert re.fullmatch(r"(dbt\.)?[a-z]+(_[a-z0-9]+)*(\.[a-z]+)?", task_id), task_id
            assert task["owner"] == "data-engineering", task_id
            # The watcher of dbt's tasks is told by them how they ended.
            assert task["retries"] >= 2 or "watcher" in task_id, task_id
            assert task["seconds"], task_id
            assert dag["seconds"] is None or task["seconds"] < dag["seconds"], task_id


def test_every_dag_stands_in_the_readme() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert [dag_id for dag_id in sorted(FILES) if f"| `{dag_id}` |" not in readme] == []
