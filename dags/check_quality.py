"""
### Check quality

Runs the Great Expectations suite of its feed on every load, and holds what follows from a load that fails.

**In:** loads without a verdict (`ops.loads`), their rows in `raw`. **Out:** a verdict for each (`ops.load_verdicts`), Data Docs
(`/pramaan/quality`), holds (`ops.gate_holds`).

**Schedule:** at once after a large load, within five minutes after small ones (asset `loads_to_check`), and hourly in case a wake-up was
lost. It does not stand in the way of issuing: what a suite finds is held as far as it is not issued yet, and the gate of each later batch
knows the verdict.

Feeds come in any order: a load that failed only because what it refers to had not come is checked again when more of that came, and what
was held for it alone is let go. Of a load that is still bad after a day, ever more rarely.

**A re-run** checks the loads that still have no verdict.

#### Triage

* **A verdict failed:** the implementation team has an e-mail and is asked in `approve_held_issuance`. Data Docs show which expectation
  failed, by how much. A load that is right after all is approved there; one that is wrong is sent again by its source.
* **`check_loads` red:** issuance goes on without verdicts. The log's last line says what is wrong; the next run checks what is left.
* **`hold_what_follows` red with `has held the pipeline's lock`:** a load took longer than half an hour. The next run holds what follows.

**Owner:** data engineering, on call.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from pramaan.orchestration import assets, quality, steps

CHECKING_LASTS = timedelta(hours=1)
"""A verdict is committed for each load, and a hundred thousand rows take a second."""

HOLDING_LASTS = timedelta(hours=1)
"""Half an hour of it for the pipeline's lock, which a long load holds."""


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("17 * * * *", timezone="UTC"), assets=[assets.LOADS]
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=steps.DEFAULT_ARGS,
    doc_md=__doc__,
    description="Great Expectations on every load; what follows from a bad one is held",
    tags=["quality", "gate"],
)
def check_quality() -> None:
    @task(inlets=[assets.LOADS, assets.RAW], execution_timeout=CHECKING_LASTS)
    def check_loads() -> dict[str, int]:
        return quality.check_loads()

    @task(execution_timeout=HOLDING_LASTS)
    def hold_what_follows() -> dict[str, int]:
        return quality.hold_what_follows()

    check_loads() >> hold_what_follows()


check_quality()
