"""The whole pipeline, feeds to PDFs, on real enrolments and on the bundled sample."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pramaan.database.connect import Connection
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import attach_everywhere, drop, load_and_decide, store_files, store_root

AAA_COMPLETED = AAA_ENTITLED = 564
"""Counted by the data set's own script, from the data and nothing else."""


@pytest.mark.parametrize("fmt", ["parquet", "csv", "jsonl"])
def test_real_enrolments_earn_what_the_data_says_in_every_format(
    fmt: str, settings: Settings, pipeline: Pipeline, connection: Connection, oulad_feeds: Callable[..., Path]
) -> None:
    drop(settings, oulad_feeds(fmt))
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "ou")
    load_and_decide(pipeline, connection)
    totals = pipeline.totals(connection)
    assert (totals.completions, totals.quarantined) == (AAA_COMPLETED, 0)
    assert totals.certificates == {"pending": AAA_ENTITLED}


def test_the_same_facts_in_another_format_change_nothing(
    settings: Settings, pipeline: Pipeline, connection: Connection, oulad_feeds: Callable[..., Path]
) -> None:
    drop(settings, oulad_feeds("parquet"))
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "ou")
    load_and_decide(pipeline, connection)
    before = pipeline.totals(connection)
    for fmt in ("csv", "jsonl", "parquet"):
        drop(settings, oulad_feeds(fmt))
    again = load_and_decide(pipeline, connection)
    assert (again.scope.keys, again.enqueued.pending, again.enqueued.withdrawn) == (0, 0, 0)
    assert pipeline.totals(connection) == before


def test_every_entitled_completion_ends_as_one_pdf_whose_hash_the_registry_knows(
    settings: Settings, pipeline: Pipeline, connection: Connection, oulad_feeds: Callable[..., Path]
) -> None:
    drop(settings, oulad_feeds("parquet"))
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "ou")
    load_and_decide(pipeline, connection)
    result = pipeline.issue_all(connection, run_id=None)
    assert (result.issued, result.failed, result.retried) == (AAA_ENTITLED, 0, 0)
    rows = connection.execute("select pdf_path, pdf_sha256 from registry.certificates").fetchall()
    recorded = {store_root(settings) / str(path): sha256 for path, sha256 in rows}
    stored = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in store_files(settings)}
    assert stored == recorded
    assert pipeline.issue_all(connection, run_id=None).attempts == 0
