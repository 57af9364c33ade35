"""What every DAG owes to whoever is on call."""

import re

from airflows import Airflow

from pramaan.settings import PROJECT_ROOT

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


def test_a_broken_report_keeps_nobody_from_being_enqueued_and_makes_the_night_red(airflow: Airflow) -> None:
    tasks = airflow({"facts": True})["dags"]["build_warehouse"]["tasks"]

    def before(task_id: str) -> set[str]:
        above = set(tasks[task_id]["upstream"])
        return above.union(*(before(one) for one in above))

    assert tasks["enqueue_missing"]["upstream"] == ["dbt.fct_certificate_decisions_run"]
    assert "await_metrics" in before("dbt.fct_report_events_run") & before("dbt.dbt_producer_watcher")
    assert "dbt.fct_completions_run" in before("enqueue_missing")
    assert "dbt.fct_report_events_run" not in before("enqueue_missing")
    # Airflow takes the run's colour from what nothing follows: whatever fails leaves such a one undone.
    last = set(tasks).difference(*(task["upstream"] for task in tasks.values()))
    assert {tasks[one]["trigger_rule"] for one in last} <= {"all_success", "none_failed"}
    assert set(tasks) == last.union(*(before(one) for one in last))
    assert "dbt.fct_report_events_run" in set().union(*(before(one) for one in last))


def test_every_dag_stands_in_the_readme() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert [dag_id for dag_id in sorted(FILES) if f"| `{dag_id}` |" not in readme] == []
