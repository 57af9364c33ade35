"""States of the world that several tests start from, made through the product's own doors."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from pramaan.bench.scratch import free_port_base
from pramaan.database.connect import Connection, pipeline_lock
from pramaan.feeds.landing import Landing
from pramaan.pipeline import Decided, Pipeline
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.changes import Actor
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.settings import Settings
from shared_home import empty_database, fast_disk

__all__ = [
    "LONG_AGO",
    "NAMES",
    "PRAMAAN",
    "TESTER",
    "attach_everywhere",
    "database_url",
    "drop",
    "drop_finishers",
    "drop_rows",
    "empty_database",
    "fast_disk",
    "finishers_waiting",
    "free_port_base",
    "load_and_decide",
    "open_hold",
    "store_files",
    "store_root",
]

PRAMAAN = Path(sys.executable).with_name("pramaan")
"""The command, as a person calls it."""

TESTER = Actor("test", "cli")
LONG_AGO = datetime(2012, 1, 1, tzinfo=UTC)
NAMES = ("Asha Rao", "सुनीता शर्मा", "முத்துலட்சுமி ராஜன்", "محمد عارف قریشی", "José Ngô")


def drop(settings: Settings, folder: Path) -> None:
    """Drop every feed of a folder into the landing folder."""
    landing = Landing(settings.landing_url)
    for path in sorted(folder.glob("*/*")):
        landing.add(path.parent.name, path)


def drop_rows(settings: Settings, tmp_path: Path, feed: str, rows: list[dict[str, object]]) -> None:
    """Drop rows of one feed as a JSON lines file."""
    source = tmp_path / f"{feed}.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Landing(settings.landing_url).add(feed, source)


def load_and_decide(pipeline: Pipeline, connection: Connection) -> Decided:
    """One batch up to the pending certificates."""
    with pipeline_lock(connection, wait_seconds=10):
        pipeline.load(connection)
        return pipeline.decide(connection)


def drop_finishers(settings: Settings, tmp_path: Path, count: int) -> None:
    """Drop one course of one content, and `count` people who finished it."""
    then = {"updated_at": "2026-01-01T00:00:00Z"}
    drop_rows(settings, tmp_path, "courses", [
        {"course_id": "c", "name": "Reading", "tenant_id": "t", "status": "Live", "leaf_count": 1,
         "published_at": "2025-01-01T00:00:00Z", **then},
    ])  # fmt: skip
    drop_rows(settings, tmp_path, "batches", [
        {"batch_id": "b", "course_id": "c", "tenant_id": "t", "name": "B", "enrolment_type": "open", **then},
    ])  # fmt: skip
    people = [f"u{n:05}" for n in range(count)]
    names = {user: NAMES[n % len(NAMES)] for n, user in enumerate(people)}
    keys = [{"user_id": user, "course_id": "c", "batch_id": "b"} for user in people]
    drop_rows(
        settings,
        tmp_path,
        "users",
        [{"user_id": u, "name": names[u], "tenant_id": "t", **then} for u in people],
    )
    drop_rows(settings, tmp_path, "enrolments", [
        {**key, "enrolled_at": "2026-01-01T00:00:00Z", "active": True, **then} for key in keys
    ])  # fmt: skip
    drop_rows(settings, tmp_path, "progress", [
        {**key, "content_id": "k", "status": 2, "completed_at": "2026-02-01T00:00:00Z",
         "updated_at": "2026-02-01T00:00:00Z"} for key in keys
    ])  # fmt: skip


def attach_everywhere(connection: Connection, tenant_id: str) -> None:
    """Assert the classic certificate to every course, from long ago."""
    issuer = Issuer(
        "issuer", tenant_id, "The Board", signatory_name="Dr Rao", signatory_designation="Registrar"
    )
    record_issuer(connection, issuer, by=TESTER)
    for (course_id,) in connection.execute("select distinct course_id from raw.courses").fetchall():
        attach(
            connection,
            str(course_id),
            template=kept_template("classic"),
            issuer_id="issuer",
            criteria=Criteria(),
            valid_from=LONG_AGO,
            by=TESTER,
            reason="import of history",
        )


def finishers_waiting(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path, *, count: int
) -> None:
    """`count` people have earned a certificate, which is pending."""
    drop_finishers(settings, tmp_path, count)
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "t")
    load_and_decide(pipeline, connection)


def open_hold(connection: Connection, course_id: str) -> int:
    """A hold of the gate that waits; returns its id."""
    row = connection.execute(
        "insert into ops.gate_holds (hold_id, course_id, tenant_id, rule, why, candidates) "
        "values (nextval('ops.gate_hold_ids'), %s, 't', 'volume', 'many at once', 1) returning hold_id",
        (course_id,),
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def store_root(settings: Settings) -> Path:
    """The store's folder, which the registry's paths are relative to."""
    return Path(settings.store_url.removeprefix("file://"))


def store_files(settings: Settings) -> list[Path]:
    """Every file in the store, whole or half-written."""
    return sorted(path for path in store_root(settings).rglob("*") if path.is_file())


def database_url(settings: Settings) -> str:
    """The test's own database."""
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()
