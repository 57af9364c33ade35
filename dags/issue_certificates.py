"""
### Issue certificates

Turns what teachers finished into certificates, in micro-batches.

**In:** files in the landing folder; attachments and issuers changed since the last batch.
**Out:** rows in `raw`, decisions in `marts.fct_certificate_decisions`, PDFs in the store, one row per attempt in `ops.outcomes`,
one line per run in `ops.runs`.

**Schedule:** every minute, one run at a time; what arrives meanwhile goes into the next.

| step | does | when it runs again |
|---|---|---|
| `load_feeds` | loads each waiting file once, by content | loads what is left; loaded files are known by their bytes |
| `make_decisions` | decides the keys that facts touched; what is earned becomes `pending` | takes what is still to be decided |
| `plan_chunks` | shares out what is pending: a chunk for each core, at most 2,000 each | plans again |
| `issue_chunk` | renders, stores and records a chunk of pending certificates | goes on with what is not recorded yet, to the same bytes |
| `record_run` | writes the run's counts | writes them again |

#### Triage

* **May be ignored:** a skipped `load_feeds` (a foreground run was at work); a single failed run, if the next one is green: each run
  takes up whatever an earlier one left.
* **`load_feeds` red twice:** Postgres or the landing folder cannot be reached; the log's last line names which.
* **Rows quarantined:** nothing is lost. `select * from ops.quarantine order by quarantine_id desc` tells file, row and rule; the sender
  mends and sends them again.
* **`issue_chunk` red with `the store cannot write`:** the disk is full or the store is away. Nothing to repeat by hand: once it is back,
  the next run issues what waits.
* **Certificates `failed`:** permanent, one person each: `select certificate_id, error_class, error from registry.certificates where
  status = 'failed'`. New facts (a corrected name, say) put them back by themselves.
* **Nothing happens at all:** is the DAG paused? `pramaan status` tells what waits.

**Owner:** data engineering, on call.
"""

import os
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import dag, get_current_context, task

from pramaan.orchestration import steps


@dag(
    schedule="* * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=steps.DEFAULT_ARGS,
    doc_md=__doc__,
    description="Feeds to decisions to certificates, every minute",
    tags=["certificates", "issuance"],
)
def issue_certificates() -> None:
    @task
    def load_feeds() -> dict[str, Any]:
        return steps.load_feeds()

    @task
    def make_decisions() -> dict[str, int]:
        return steps.make_decisions()

    @task
    def plan_chunks(decided: dict[str, int]) -> list[dict[str, Any]]:
        return steps.plan_chunks(decided["certificates_waiting"])

    @task(map_index_template="chunk {{ chunk_name }}", max_active_tis_per_dagrun=os.cpu_count())
    def issue_chunk(chunk: dict[str, Any], loaded: dict[str, Any]) -> dict[str, int]:
        get_current_context()["chunk_name"] = chunk["name"]  # type: ignore[typeddict-unknown-key]
        return steps.issue_chunk(loaded["run_id"], limit=chunk["limit"])

    @task(trigger_rule="none_failed_min_one_success")
    def record_run(loaded: dict[str, Any], decided: dict[str, int], chunks: Any) -> dict[str, int]:
        return steps.record_run(loaded, decided, list(chunks or []))

    loaded = load_feeds()
    decided = make_decisions()
    loaded >> decided
    chunks = issue_chunk.partial(loaded=loaded).expand(chunk=plan_chunks(decided))
    record_run(loaded, decided, chunks)


issue_certificates()
