"""A worker that is killed between storing and recording leaves files; whose they are is settled later."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaos.proof import assert_store_matches
from pramaan.certificates.issue import WorkerConfig, issue_chunk
from pramaan.database.connect import Connection
from pramaan.errors import StoreError
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from pramaan.store import Store
from worlds import drop_rows, finishers_waiting, load_and_decide, store_files


class StoreThenDie(Store):
    """Stores, and kills its process before that can be recorded."""

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreError | None]:
        super().put_all(objects)
        os.kill(os.getpid(), signal.SIGKILL)
        return []


@pytest.fixture
def stored_and_not_recorded(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    """The certificates of five people are pending, and some of their PDFs are in the store."""
    finishers_waiting(settings, pipeline, connection, tmp_path, count=5)
    worker = multiprocessing.get_context("spawn").Process(
        target=_store_then_die, args=(pipeline.worker_config,)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert store_files(settings)


def _store_then_die(worker_config: WorkerConfig) -> None:
    store = StoreThenDie(worker_config.store_url)
    issue_chunk(worker_config, limit=5, due_by=datetime.now(UTC), run_id=None, store=store)


@pytest.mark.slow
@pytest.mark.usefixtures("stored_and_not_recorded")
def test_the_next_worker_takes_over_the_very_files(
    settings: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    before = store_files(settings)
    assert pipeline.issue_chunk(limit=100, run_id=None).issued == 5
    assert set(before) < set(store_files(settings)) or len(before) == 5
    assert_store_matches(settings, connection)


@pytest.mark.slow
@pytest.mark.usefixtures("stored_and_not_recorded")
@pytest.mark.xfail(strict=True, reason="nothing sweeps the store: the file with the first name stays")
def test_names_that_are_corrected_meanwhile_leave_no_file_with_the_first_name(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    corrected = {"name": "Asha Devi Rao", "tenant_id": "t", "updated_at": "2026-06-01T00:00:00Z"}
    drop_rows(settings, tmp_path, "users", [{"user_id": f"u{n:05}", **corrected} for n in range(5)])
    load_and_decide(pipeline, connection)
    assert pipeline.issue_chunk(limit=100, run_id=None).issued == 5
    assert_store_matches(settings, connection)
