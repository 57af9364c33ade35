"""Airflow in a process of its own, for all tests that need one: answers each line of JSON on its input.

    {"env": {...}, "facts": true}                    -> what every DAG and task says of itself
    {"env": {...}, "runs": [{"dag": ..., "env": {...}}, ...]}
                                                     -> how each run and its tasks ended; "queued": a DAG,
                                                        while a run of that waits to begin

The runs are real (`dag.test`), one after the other, on the environment of the question and what each adds.
Tasks are tried once: waiting for a retry shows nothing.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from airflow.configuration import conf as configuration
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType
from sqlalchemy import delete


def facts(bag: DagBag) -> dict[str, Any]:
    return {
        "errors": bag.import_errors,
        "dags": {
            dag.dag_id: {
                "file": os.path.basename(dag.fileloc),  # noqa: PTH119 - it is text
                "doc": dag.doc_md or "",
                "description": dag.description or "",
                "tags": sorted(dag.tags),
                "seconds": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
                "active_runs": dag.max_active_runs,
                "tasks": {
                    task.task_id: {
                        "owner": task.owner,
                        "retries": task.retries,
                        "upstream": sorted(task.upstream_task_ids),
                        "trigger_rule": task.trigger_rule.value,
                        "seconds": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                    }
                    for task in dag.tasks
                },
            }
            for dag in bag.dags.values()
        },
    }


@contextmanager
def queued_run(dag_id: str) -> Iterator[None]:
    with create_session() as session:
        session.add(
            DagRun(
                dag_id=dag_id,
                run_id="waits",
                run_type=DagRunType.SCHEDULED,
                run_after=datetime.now(UTC),
                state=DagRunState.QUEUED,
            )
        )
    try:
        yield
    finally:
        with create_session() as session:
            session.execute(delete(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == "waits"))


def run(
    *,
    dag: str,
    env: dict[str, str],
    conf: dict[str, Any] | None = None,
    queued: str | None = None,
) -> dict[str, Any]:
    os.environ.update(env)
    tested = bag_of(f"{dag}.py").dags[dag]
    # `test` takes none: it leaves it to the scheduler to keep their records.
    tested.deadline = None
    for task in tested.tasks:
        task.retries = 0
    with queued_run(queued) if queued else nullcontext():
        done = tested.test(run_conf=conf)
    tasks = [
        {"task": ti.task_id, "index": ti.map_index, "state": str(ti.state)}
        for ti in done.get_task_instances()
    ]
    return {"state": str(done.state), "run_id": done.run_id, "tasks": tasks}


@cache
def bag_of(file: str = "") -> DagBag:
    """Of one DAG file, or of all."""
    return DagBag(Path(configuration.get("core", "dags_folder")) / file)


def answer(wanted: dict[str, Any]) -> Any:
    os.environ.clear()
    os.environ.update(wanted["env"])
    return facts(bag_of()) if "facts" in wanted else [run(**one) for one in wanted["runs"]]


def main() -> None:
    # What Airflow prints is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    initdb()
    for line in sys.stdin:
        try:
            found = {"answer": answer(json.loads(line))}
        except Exception:  # noqa: BLE001 - whatever it was, the test is told
            found = {"error": traceback.format_exc()}
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
