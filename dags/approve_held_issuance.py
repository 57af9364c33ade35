"""
### Approve held issuance

Asks a person about certificates that the gate holds, and does what the person decides.

**In:** holds that wait (`ops.gate_holds`). **Out:** their state, with the name of who decided; an e-mail to the implementation team for
each hold; certificates `pending` again, if approved.

**Schedule:** whenever the gate has held something (asset `holds`), and daily in case a wake-up was lost. A run waits for its answers, up
to a week, while other runs ask about other holds. A run that finds nothing to ask about is green.

**To decide:** *Browse, Required Actions* in Airflow, or `pramaan gate list` and `pramaan gate approve` in a terminal. What was decided
there first, stands.

**A re-run** asks about what still waits and nobody was asked about.

#### Triage

* **`decide_hold` red with `has no grant`:** whoever answered may not decide for this tenant; it is asked again in ten minutes. Grant the
  role (`pramaan grant`), or let somebody else answer.
* **`decide_hold` red with `are asked about` or `was approved by`:** the hold grew while it waited, and is asked about again; or it had
  been decided already, otherwise. Nothing to do.
* **`decide_hold` green, and says `healed`:** what was held was let go by the quality check before the question was answered. Nothing to do.
* **A run waits for days:** nobody has answered. After a week it is asked again.
* **`decide_hold` was answered, and asks again:** the answer came in the very second of the question, or recording it failed. Airflow keeps
  no answer for a second try: answer once more.

**Owner:** implementation team; data engineering, on call, for the DAG itself.
"""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, get_current_context, task

from pramaan.orchestration import approval, assets, steps


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("30 3 * * *", timezone="UTC"), assets=[assets.HOLDS]
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # A run lasts until its questions are answered: as many as may wait at once.
    max_active_runs=64,
    default_args=steps.DEFAULT_ARGS,
    doc_md=__doc__,
    description="Certificates that the gate holds wait here for a person",
    tags=["certificates", "gate"],
)
def approve_held_issuance() -> None:
    @task(inlets=[assets.HOLDS], execution_timeout=timedelta(minutes=5))
    def find_holds_to_ask() -> list[dict[str, Any]]:
        return approval.find_holds_to_ask(str(get_current_context()["run_id"]))

    approval.HoldApproval.partial(
        task_id="decide_hold",
        map_index_template="{{ 'hold ' ~ task.hold_id if task.hold_id else 'no hold' }}",
        # Of asking and of recording the answer; between them it waits for a week.
        execution_timeout=timedelta(minutes=10),
    ).expand_kwargs(find_holds_to_ask())


approve_held_issuance()
