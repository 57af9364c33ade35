"""Issuing: one person's failure is one row, a store that is away stops nothing for good, the same bytes on
every try.
"""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.certificates.issue import ChunkResult, issue_chunk
from pramaan.database.connect import Connection
from pramaan.errors import StoreError
from pramaan.pipeline import Pipeline
from pramaan.runs import start_run
from pramaan.settings import Settings
from pramaan.store import Store
from worlds import drop_rows, finishers_waiting, load_and_decide, store_files, store_root


@pytest.fixture
def five_waiting(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=5)


def by_status(connection: Connection) -> dict[str, int]:
    return dict(
        connection.execute("select status, count(*) from registry.certificates group by 1").fetchall()
    )


@pytest.mark.usefixtures("five_waiting")
def test_a_chunk_issues_and_leaves_an_outcome_for_each(
    settings: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    run_id = start_run(connection, trigger="foreground")
    result = pipeline.issue_chunk(limit=3, run_id=run_id)
    assert (result.issued, by_status(connection)) == (3, {"issued": 3, "pending": 2})
    assert pipeline.issue_chunk(limit=100, run_id=run_id).issued == 2
    outcomes = connection.execute(
        "select run_id, status, attempt from ops.outcomes where status <> 'created'"
    ).fetchall()
    assert outcomes == [(run_id, "issued", 1)] * 5
    rows = connection.execute("select pdf_path, pdf_sha256 from registry.certificates").fetchall()
    assert {store_root(settings) / str(path): sha256 for path, sha256 in rows} == {
        p: hashlib.sha256(p.read_bytes()).hexdigest() for p in store_files(settings)
    }


@pytest.mark.usefixtures("five_waiting")
def test_rendered_and_stored_but_not_recorded_gives_the_same_bytes_again(
    settings: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    pipeline.issue_chunk(limit=5, run_id=None)
    first = {p: p.read_bytes() for p in store_files(settings)}
    with unguarded_registry(connection):
        connection.execute(
            "update registry.certificates set status = 'pending', pdf_path = null, pdf_sha256 = null"
        )
    pipeline.issue_chunk(limit=5, run_id=None)
    assert {p: p.read_bytes() for p in store_files(settings)} == first


def test_one_name_that_does_not_fit_stops_nobody_else(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=3)
    endless = {"user_id": "u00001", "name": "W" * 500, "tenant_id": "t", "updated_at": "2026-03-01T00:00:00Z"}
    drop_rows(settings, tmp_path, "users", [endless])
    load_and_decide(pipeline, connection)
    result = pipeline.issue_chunk(limit=10, run_id=None)
    assert (result.issued, result.failed) == (2, 1)
    row = connection.execute(
        "select user_id, error_class, error from registry.certificates where status = 'failed'"
    ).fetchone()
    assert row is not None
    assert row[:2] == ("u00001", "name_does_not_fit")
    assert "WWW" not in str(row[2])


@pytest.mark.usefixtures("five_waiting")
def test_a_store_that_is_away_stops_the_chunk_and_the_next_run_finishes(
    pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    blocked = tmp_path / "store"
    blocked.write_text("no folder can be made here")
    with pytest.raises(StoreError, match="reachable, writable and has room"):
        pipeline.issue_chunk(limit=5, run_id=None)
    assert by_status(connection) == {"pending": 5}
    attempts = connection.execute("select attempts from registry.certificates order by 1").fetchall()
    assert attempts == [(0,), (0,), (1,), (1,), (1,)]
    blocked.unlink()
    assert pipeline.issue_all(connection, run_id=None).issued == 5
    assert by_status(connection) == {"issued": 5}


@pytest.mark.usefixtures("five_waiting")
def test_a_full_disk_leaves_nothing_half_written(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    import subprocess

    small = tmp_path / "store"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can make a disk that is full")
    try:
        with pytest.raises(StoreError, match="No space left"):
            pipeline.issue_chunk(limit=5, run_id=None)
        assert not [p for p in store_files(settings) if p.suffix == ".tmp"]
        subprocess.run(["mount", "-o", "remount,size=10m", str(small)], check=True)
        pipeline.issue_all(connection, run_id=None)
        assert by_status(connection) == {"issued": 5}
        assert len(store_files(settings)) == 5
    finally:
        subprocess.run(["umount", str(small)], check=True)
    shutil.rmtree(small)


@pytest.mark.usefixtures("five_waiting")
def test_a_file_of_a_certificate_withdrawn_meanwhile_is_taken_back(
    settings: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    class WithdrawingStore(Store):
        """A store so slow that the certificates are withdrawn while it writes."""

        def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreError | None]:
            stored = super().put_all(objects)
            connection.execute("delete from registry.certificates where status = 'pending'")
            return stored

    result = issue_with(pipeline, WithdrawingStore(settings.store_url))
    assert result.issued == 0
    assert store_files(settings) == []


@pytest.mark.usefixtures("five_waiting")
def test_a_driver_that_raises_its_own_errors_is_a_store_that_is_away(
    settings: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    store = Store(settings.store_url)
    store._fs = AwayFileSystem()
    store._is_local = False
    with pytest.raises(StoreError, match="EndpointAway"):
        issue_with(pipeline, store)
    assert by_status(connection) == {"pending": 5}


class EndpointAway(Exception):  # noqa: N818 - client libraries name theirs so
    """What a client library raises when its endpoint is down: no OSError."""


class AwayFileSystem:
    """An object store that cannot be reached."""

    def pipe_file(self, path: str, content: bytes) -> None:
        raise EndpointAway(path, len(content))


def issue_with(pipeline: Pipeline, store: Store) -> ChunkResult:
    return issue_chunk(pipeline.worker_config, limit=5, due_by=datetime.now(UTC), run_id=None, store=store)
