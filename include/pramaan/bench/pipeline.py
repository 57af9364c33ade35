"""How long a whole import takes: real enrolments from files to decisions, and on to PDFs."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pramaan.bench.measurement import Measurement
from pramaan.bench.scratch import scratch_pipeline
from pramaan.database.connect import Connection, pipeline_lock
from pramaan.errors import SettingsError
from pramaan.feeds.landing import Landing
from pramaan.pipeline import Pipeline
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.changes import Actor
from pramaan.registry.issuers import Issuer, record_issuer

__all__ = ["run"]


def run(*, oulad: Path) -> list[Measurement]:
    """Load the Open University data set (`oulad` is its `to_feeds.py`), decide, attach everywhere, issue."""
    if not oulad.exists():
        raise SettingsError(f"there is no {oulad}; say with --oulad where the data set's to_feeds.py is")
    with scratch_pipeline() as (settings, pipeline), pipeline.connect() as connection:
        feeds = settings.home / "oulad"
        subprocess.run([sys.executable, str(oulad), str(feeds)], check=True, capture_output=True)
        landing = Landing(settings.landing_url)
        for path in sorted(feeds.glob("*/*")):
            landing.add(path.parent.name, path)
        to_decisions = _load_and_decide(pipeline, connection)
        _attach_everywhere(connection)
        again = _load_and_decide(pipeline, connection)
        began = time.perf_counter()
        issued = pipeline.issue_all(connection, run_id=None)
        issuing = time.perf_counter() - began
        totals = pipeline.totals(connection)
    rows, completions = sum(totals.rows.values()), totals.completions
    rate = issued.issued / issuing
    return [
        Measurement("OULAD, files to decisions", to_decisions, "s", "under 20 s", f"{rows:,} rows"),
        Measurement("OULAD, attached and decided again", again, "s", None, f"{completions:,} completions"),
        Measurement("OULAD, issued", issued.issued, "certificates", "13,519", f"{issued.failed} failed"),
        Measurement("OULAD, rate of issue", rate, "certificates a second", None, "WeasyPrint, all cores"),
    ]


def _load_and_decide(pipeline: Pipeline, connection: Connection) -> float:
    began = time.perf_counter()
    with pipeline_lock(connection):
        pipeline.load(connection)
        pipeline.decide(connection)
    return time.perf_counter() - began


def _attach_everywhere(connection: Connection) -> None:
    record_issuer(connection, Issuer("ou", "ou", "The Open University"), by=Actor("bench", "cli"))
    template = kept_template("classic")
    for (course_id,) in connection.execute("select distinct course_id from raw.courses").fetchall():
        attach(
            connection,
            str(course_id),
            template=template,
            issuer_id="ou",
            criteria=Criteria(),
            valid_from=datetime(2012, 1, 1, tzinfo=UTC),
            by=Actor("bench", "cli"),
            reason="benchmark",
        )
