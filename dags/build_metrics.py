"""
### Build metrics

Loads telemetry, which decides nothing, and builds the models that read it.

**In:** files in the landing folder's `telemetry`. **Out:** `raw.telemetry`, and every dbt model that follows from it, such as
`marts.fct_report_events`.

**Schedule:** whenever there is a new file (asset `telemetry`), and hourly: the models also follow what people ask for, and a wake-up may be
lost. One run at a time. No certificate waits for it: it has a lock of its own.

| step | does | when it runs again |
|---|---|---|
| `load_telemetry` | loads each waiting file once, by content | loads what is left |
| `build_models` | builds the models that read telemetry, in a run that new files caused only when the last build is an hour old; leaves that to `build_warehouse` while the night is at it | builds them again |
| `tell_outcome` | is red, and the run with it, when a step failed or files could not be loaded | says it again |

#### Triage

* **May be ignored:** a skipped run (telemetry is being loaded in the foreground); a single failed run, if the next one is green.
* **`load_telemetry` red:** Postgres or the landing folder cannot be reached; the log's last line names which. Files wait.
* **`tell_outcome` red:** the log's last line says why: another step is red, too, or a fault of ours keeps files from loading, which the last
  line of `load_telemetry` names with what to do. Those wait, and the next run takes them up; what did load is built upon.
* **`build_models` red:** metrics are as the last good run left them, and certificates go on. dbt's words name the model.
* **Rows quarantined:** `select * from ops.quarantine order by quarantine_id desc` tells file, row and rule.

**Owner:** data engineering, on call.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, get_current_context, task

from pramaan.orchestration import assets, steps, telemetry

LOAD_LASTS = timedelta(hours=3)
"""A file loads whole or not at all."""

BUILDING_LASTS = timedelta(hours=1)
"""Seconds on a small warehouse; the events of years are read through."""


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("47 * * * *", timezone="UTC"), assets=[assets.TELEMETRY]
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=steps.DEFAULT_ARGS,
    doc_md=__doc__,
    description="Telemetry, and the models that read it; no certificate waits for it",
    tags=["metrics", "telemetry"],
)
def build_metrics() -> None:
    @task(inlets=[assets.TELEMETRY], outlets=[assets.EVENTS], execution_timeout=LOAD_LASTS)
    def load_telemetry() -> dict[str, int]:
        return telemetry.load_telemetry()

    @task(inlets=[assets.EVENTS], execution_timeout=BUILDING_LASTS)
    def build_models() -> str:
        context = get_current_context()
        return telemetry.build_models(context["ti"], run_type=context["dag_run"].run_type)

    # Whatever came before: its colour is the run's.
    @task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
    def tell_outcome() -> None:
        telemetry.tell_outcome(get_current_context()["ti"])

    load_telemetry() >> build_models() >> tell_outcome()


build_metrics()
