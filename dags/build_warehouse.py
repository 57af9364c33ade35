"""
### Build the warehouse

Builds and tests every dbt model over all keys, so that what the micro-batches decided is proven again each night, and enqueues every
entitled completion that has no certificate. Beside it, asks whether every feed still comes, and tells the team by mail, once a day, of
those that do not.

**In:** the `raw` and `registry` schemas. **Out:** `staging`, `intermediate`, `marts`; the statements that the micro-batches run
(`ops.rule_statements`); pending certificates, if any were missing.

**Schedule:** nightly at 02:00 of the platform's time zone.

**A re-run** builds the same tables from the same facts. Micro-batches go on meanwhile: a keyed table is built beside the one in use
and takes its place only when it differs, in a blink (`dbt/macros/keyed_table.sql`; `ops.builds` has a row for each build).

#### Triage

* **A test is red:** the models of this run are built and in use. Read the test's description in `dbt/models`; a `unique_key` or
  `same_keys` failure on the marts is a fault of ours and urgent, others point at the source data.
* **`check_freshness` is red:** a feed has not come for a week (the log names it and its age). Nothing is lost, but nobody's progress since
  then is known: ask whoever runs the portal's export. It is red each night until the feed comes; the limits stand in `dbt/models/sources.yml`.
* **A model is red:** whoever has no certificate is enqueued all the same, unless decisions rest on the model. Its table is as the last good run left it, and micro-batches go on with the statements they have.
* **`await_metrics` red:** `build_metrics` has been building for an hour. End its run, and re-run.
* **A keyed table cannot take its place** ("something reads or writes the table in use without an end"): `pg_stat_activity` says what;
  end it and re-run.
* **`enqueue_missing` returns `rows_unlike` or `certificates_enqueued` above 0:** nobody is harmed, what was wrong is right now, and whoever was
  forgotten is issued within a minute; but a batch had got it wrong: find out why (`select * from ops.builds where rows_unlike > 0 and
  is_same_rule`, `ops.runs`, the logs of `issue_certificates` at the certificates' `completed_at`).

**Owner:** data engineering, on call.
"""

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import CronTriggerTimetable, dag, task
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior

from pramaan.orchestration import freshness, steps, telemetry
from pramaan.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt"

DECISIONS = "fct_certificate_decisions"
"""The last of the models that enqueuing reads."""

TIMEZONE = os.environ.get("PRAMAAN_TIMEZONE") or "Asia/Kolkata"


@dag(
    # The first run is the coming night's: none is made up for the night before set-up, however short ago.
    schedule=CronTriggerTimetable("0 2 * * *", timezone=TIMEZONE, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=4),
    # Of each model and test, and of what runs them all.
    default_args=steps.DEFAULT_ARGS | {"execution_timeout": timedelta(hours=3)},
    doc_md=__doc__,
    description="Every dbt model over all keys, tested; nobody left without a certificate",
    tags=["warehouse", "dbt"],
)
def build_warehouse() -> None:
    models = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(
            dbt_project_path=DBT_PROJECT,
            # What the last deployment kept, beside the folder that every dbt writes to.
            manifest_path=Path(os.environ.get("DBT_TARGET_PATH", DBT_PROJECT / "target")).parent
            / "manifest.json",
        ),
        profile_config=ProfileConfig(
            profile_name="pramaan", target_name="default", profiles_yml_filepath=DBT_PROJECT / "profiles.yml"
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER, invocation_mode=InvocationMode.DBT_RUNNER
        ),
        render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST, test_behavior=TestBehavior.AFTER_ALL),
        # Unit tests prove the rules on rows of their own, which is for `make test`; the night tests the data.
        operator_args={"env": {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}, "append_env": True},
    )

    # Half an hour of it for the pipeline's lock, which a long load holds.
    @task(execution_timeout=timedelta(hours=2))
    def enqueue_missing() -> dict[str, int]:
        return steps.enqueue_missing()

    @task
    def await_metrics() -> None:
        telemetry.await_metrics()

    @task
    def check_freshness() -> dict[str, int]:
        return freshness.check_freshness()

    await_metrics() >> models
    # A report's model or a test that is red keeps nobody from a certificate; it makes the run red by itself.
    models.children[f"{models.group_id}.{DECISIONS}_run"] >> enqueue_missing()
    check_freshness()


build_warehouse()
