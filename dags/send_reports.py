"""
### Send reports

Builds the progress reports that people ask for, and mails them, within thirty minutes of asking.

**In:** `ops.report_requests`, written by the API, the page *Reports*, `pramaan report`, this DAG's trigger form, or a schedule; the
warehouse. **Out:** files in the store under `reports/`, mails (`ops.mails`), the request's state: `sent` once the mail server has taken the
whole mail over, or `failed` with its words.

**Schedule:** whenever a report waits (asset `reports`), and every ten minutes in case a wake-up was lost. Runs may overlap; a request is
only ever in one builder's hands. A run that finds nothing to do is green.

**To ask for one here:** *Trigger*, and say which batch. It goes to your own address unless you name another of an allowed domain.

| step | does | when it runs again |
|---|---|---|
| `take_requests` | writes down what the form asks for and what schedules say is due; tells the team what is late | a request under way is not written twice |
| `build_and_send` | builds, stores and mails until nothing waits; two build at once, one of them small reports only | takes up what a dead builder left, hands over what is built |

#### Triage

* **`take_requests` red with `batch_not_found`, `email_not_allowed`, ...:** the form asked for what its user may not have; the words say
  what. Nothing is left behind.
* **Requests stay `building` with a file:** the mail server is away; its words stand in `ops.mails.error`. They go out within a minute of
  its return.
* **Requests `failed`:** `select request_id, error_class, error from ops.report_requests where status = 'failed'`. `builder_died`: look for
  the kernel's out-of-memory messages. `given_up`: it was tried for a day, and `error` says what was away. Its
  address was told by mail, unless the mail server refused it or never answered.
* **A mail said *late* or *broken*:** a report has waited for twenty or thirty minutes. Is this DAG paused, or the scheduler down? `pramaan report BATCH --to ADDRESS` builds and sends without Airflow.

**Owner:** data engineering, on call.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import (
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    SyncCallback,
    dag,
    get_current_context,
    task,
)

from pramaan.orchestration import assets, reports, steps


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("5-59/10 * * * *", timezone="UTC"), assets=[assets.REPORTS]
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # What a form asks for is written down at once, whatever is being built.
    max_active_runs=16,
    dagrun_timeout=timedelta(hours=6),
    deadline=[
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(minutes=minutes),
            callback=SyncCallback(reports.notify_late_reports),
        )
        for minutes in (20, 30)
    ],
    default_args=steps.DEFAULT_ARGS,
    params=reports.PARAMS,
    doc_md=__doc__,
    description="Progress reports of batches, mailed within thirty minutes",
    tags=["reports"],
)
def send_reports() -> None:
    @task(inlets=[assets.REPORTS], execution_timeout=timedelta(minutes=5))
    def take_requests() -> list[str]:
        context = get_current_context()
        run = context["dag_run"]
        return list(
            reports.take_requests(
                context["params"],
                run_id=run.run_id,
                username=run.triggering_user_name,
                asked_at=run.run_after,
            )
        )

    @task(
        # A store or a mail server that hangs; what was under way is taken up again.
        execution_timeout=timedelta(minutes=20),
        map_index_template="builder {{ builder_name }}",
        inlets=[assets.REPORTS],
    )
    def build_and_send(builder: str) -> dict[str, int]:
        get_current_context()["builder_name"] = builder  # type: ignore[typeddict-unknown-key]
        return reports.build_and_send()

    build_and_send.expand(builder=take_requests())


send_reports()
