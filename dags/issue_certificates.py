"""
### Issue certificates

Turns what teachers finished into certificates, in micro-batches, within seconds.

**In:** files of facts in the landing folder (telemetry has `build_metrics`); attachments and issuers changed since the last batch.
**Out:** rows in `raw`, decisions in `marts.fct_certificate_decisions`, PDFs in the store, one row per transition of a certificate in `ops.outcomes`,
one line per run in `ops.runs`, whose counts stand in the run's note, too.

**Schedule:** whenever there is something new (asset `facts`, watched by the triggerer), and every ten minutes in case a wake-up was
lost. One run at a time; what arrives meanwhile goes into the next. A run that finds nothing to do is green, and its note says so.

| step | does | when it runs again |
|---|---|---|
| `load_feeds` | loads each waiting file once, by content | loads what is left; loaded files are known by their bytes |
| `make_decisions` | decides the keys that facts touched; what is earned becomes `pending`, or `held` by the gate; shares out what is pending | takes what is still to be decided |
| `issue_chunk` | renders, stores and records a chunk of pending certificates | goes on with what is not recorded yet, to the same bytes |
| `record_run` | writes the run's counts, also after a step that failed; is red, and the run with it, when a step failed or files could not be loaded | writes them again |

#### Triage

* **May be ignored:** a skipped run (a run in the foreground was at work for longer than it would wait); a single failed run, if the next
  one is green: each run takes up whatever an earlier one left.
* **`load_feeds` red twice:** its last line names why: Postgres or the landing folder cannot be reached. Files wait.
* **`record_run` red:** its last line says why: another step is red, too, or a fault of ours keeps files from loading, which the last line of
  `load_feeds` names with what to do. Those wait, and the next run takes them up; what did load is decided and issued.
* **Rows quarantined:** nothing is lost. `select * from ops.quarantine order by quarantine_id desc` tells file, row and rule; the sender
  mends and sends them again.
* **`issue_chunk` red with `the store cannot write`:** the disk is full or the store is away. Nothing to repeat by hand: once it is back,
  the next run issues what waits.
* **A step red with `AirflowTaskTimeout`:** it hung. Loaded files, decisions and recorded certificates stay; the file or certificate under
  way is free again for the next run. Twice in a row on one file: look at the file, or at what Postgres waits for (`pg_locks`).
* **`record_run` red with anything else:** certificates are issued all the same; only the run's line in `ops.runs` has no counts of them.
* **Certificates `failed`:** permanent, one person each: `select certificate_id, error_class, error from registry.certificates where
  status = 'failed'`. New facts (a corrected name, say) put them back by themselves.
* **Certificates `held`:** the gate found something out of the ordinary; `approve_held_issuance` asks a person.
* **Nothing happens at all:** is the DAG paused, or the triggerer down? `pramaan status` tells what waits and for how long.

**Owner:** data engineering, on call.
"""

import os
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, get_current_context, task

from pramaan.orchestration import assets, steps

LOAD_LASTS = timedelta(hours=3)
"""A file loads whole or not at all: longer than the largest that may come, of a hundred million rows."""

DECIDING_LASTS = timedelta(hours=1)
"""All decisions of a million completions take minutes; the pipeline's lock may be waited for first."""

CHUNK_LASTS = timedelta(hours=4)
"""Fifty thousand certificates take a minute or two, and as many by the slow engine three hours and more."""


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/10 * * * *", timezone="UTC"), assets=[assets.FACTS]
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=steps.DEFAULT_ARGS,
    doc_md=__doc__,
    description="Feeds to decisions to certificates, as soon as there is something new",
    tags=["certificates", "issuance"],
)
def issue_certificates() -> None:
    @task(inlets=[assets.FACTS], outlets=[assets.RAW], execution_timeout=LOAD_LASTS)
    def load_feeds() -> str:
        return steps.load_feeds(str(get_current_context()["run_id"]))

    @task(
        inlets=[assets.RAW],
        outlets=[assets.DECISIONS],
        execution_timeout=DECIDING_LASTS,
    )
    def make_decisions(batch: str) -> list[dict[str, Any]]:
        return steps.make_decisions(batch)

    @task(
        map_index_template="chunk {{ chunk_name }}",
        pool="issuance",
        max_active_tis_per_dagrun=os.cpu_count(),
        execution_timeout=CHUNK_LASTS,
        inlets=[assets.DECISIONS],
        outlets=[assets.CERTIFICATES],
    )
    def issue_chunk(chunk: dict[str, Any], batch: str) -> dict[str, int]:
        get_current_context()["chunk_name"] = chunk["name"]  # type: ignore[typeddict-unknown-key]
        return steps.issue_chunk(batch, limit=chunk["limit"])

    # Whatever came before: its colour is the run's.
    @task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
    def record_run() -> dict[str, int]:
        return steps.record_run(get_current_context()["ti"])

    batch = load_feeds()
    issue_chunk.partial(batch=batch).expand(chunk=make_decisions(batch)) >> record_run()


issue_certificates()
