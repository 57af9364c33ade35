"""Loads as the loader leaves them, made of a few words; the rows are good but for what a test says."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pramaan.database.connect import Connection
from pramaan.quality.check import Verdict, check_loads
from pramaan.settings import Settings

__all__ = ["NOW", "Loads", "good_rows"]

NOW = datetime.now(UTC).replace(microsecond=0)
RECENT = (NOW - timedelta(days=1)).isoformat()

_ADD = """
    insert into ops.loads
        (feed, uri, sha256, status, bytes, rows, rows_changed, rows_quarantined, loaded_at)
    values (%s, 'file:///x', gen_random_uuid()::text, %s, 1, %s, %s, %s, %s)
    returning load_id
"""


def good_rows(feed: str, count: int, **said: object) -> list[dict[str, object]]:
    """So many rows of a feed with nothing wrong in them, but for what is `said` of all of them."""
    key = {"user_id": "u{}", "course_id": "c", "batch_id": "b"}
    of_feed: dict[str, dict[str, object]] = {
        "users": {"user_id": "u{}", "name": "Asha {} Rao", "email": "asha{}@mail.example", "tenant_id": "t"},
        "courses": {
            "course_id": "c{}", "name": "Reading", "tenant_id": "t", "status": "Live", "leaf_count": 4,
        },
        "batches": {
            "batch_id": "b{}", "course_id": "c", "tenant_id": "t", "name": "B", "enrolment_type": "open",
            "mentor_ids": [],
        },
        "enrolments": {**key, "enrolled_at": RECENT, "active": True},
        "progress": {**key, "content_id": "k", "status": 2, "score": 60, "completed_at": RECENT},
        "telemetry": {"mid": "m{}", "eid": "IMPRESSION", "ets": RECENT, "event": {}},
    }  # fmt: skip
    version = {} if feed == "telemetry" else {"updated_at": RECENT}
    return [
        {name: value.format(n) if isinstance(value, str) else value
         for name, value in {**of_feed[feed], **version, **said}.items()}
        for n in range(count)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loads:
    """A database with loads in it, and the folder of Data Docs."""

    connection: Connection
    settings: Settings

    @property
    def docs(self) -> Path:
        return self.settings.quality_docs

    def add(
        self,
        feed: str,
        rows: Sequence[dict[str, object]] = (),
        *,
        quarantined: int = 0,
        changed: int | None = None,
        days_ago: float = 0,
        status: str = "loaded",
    ) -> int:
        """Load these rows; returns the load's id."""
        loaded_at = datetime.now(UTC) - timedelta(days=days_ago)
        figures = (feed, status, len(rows), len(rows) if changed is None else changed, quarantined, loaded_at)
        row = self.connection.execute(_ADD, figures).fetchone()
        assert row is not None
        self.keep(feed, rows, load_id=cast(int, row[0]))
        return cast(int, row[0])

    def keep(self, feed: str, rows: Sequence[dict[str, object]], *, load_id: int = 0) -> None:
        """Have these rows in the raw table."""
        with_id = json.dumps([{**one, "load_id": load_id} for one in rows])
        table = f"raw.{feed}"
        self.connection.execute(
            cast(Any, f"insert into {table} select * from json_populate_recordset(null::{table}, %s)"),
            (with_id,),
        )

    def check(self) -> dict[int, Verdict]:
        """Check what waits; verdicts by load."""
        return {one.load_id: one for one in check_loads(self.connection, docs_folder=self.docs)}

    def check_one(self, load_id: int) -> set[str]:
        """Check what waits; the rules that this load broke."""
        verdict = self.check()[load_id]
        assert verdict.passed == (not verdict.findings)
        return {one.rule for one in verdict.findings}
