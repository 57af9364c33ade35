"""The bundled sample on a running platform: asserted, dropped, awaited, shown."""

import json
import time
from pathlib import Path

import click

from pramaan.cli.console import print_table, progress, step
from pramaan.cli.registry import read_issuer
from pramaan.database.connect import Connection
from pramaan.errors import HostError, RegistryError
from pramaan.feeds.landing import Landing
from pramaan.feeds.spec import FEEDS
from pramaan.pipeline import Pipeline
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.changes import Actor
from pramaan.registry.issuers import record_issuer
from pramaan.sample import SAMPLE_ATTACHMENTS, SampleSummary, write_sample
from pramaan.settings import Settings
from pramaan.store import Store

__all__ = ["run_sample"]

_TIMEOUT_SECONDS = 600
_OPERATOR = Actor("operator:sample", "cli")


def run_sample(settings: Settings, pipeline: Pipeline) -> None:
    """Drop the sample into the landing folder, wait until Airflow's DAG has issued what it earns, and show
    it.

    Safe to repeat: what was loaded and attached before is left as it is. Raises HostError when the DAG does
    not get there.
    """
    folder = settings.home / "sample"
    summary = write_sample(folder)
    with pipeline.connect() as connection:
        known = _drop(connection, Landing(settings.landing_url), folder)
        fate = "was loaded before" if known else "lies in the landing folder"
        step(f"The sample of {summary.learners} learners {fate}")
        _assert_certificates(connection, folder, summary)
        _wait(connection, summary)
        totals = pipeline.totals(connection)
        pdfs = _three_pdfs(connection, Store(settings.store_url))
    print_table("Rows in the warehouse", totals.rows | {"quarantined": totals.quarantined})
    print_table("Decisions", {"completions": totals.completions} | totals.decisions)
    print_table("Certificates", totals.certificates)
    click.echo("\nThree of the certificates")
    for language, path in pdfs:
        click.echo(f"  {language}  {path}")
    _print_addresses(settings)


def _drop(connection: Connection, landing: Landing, folder: Path) -> bool:
    """Drop the files that this database has not seen; True when it has seen all."""
    from pramaan.feeds.landing import sha256_of

    files = [(feed, path) for feed in FEEDS for path in sorted((folder / feed).glob("*"))]
    seen = {row[0] for row in connection.execute("select sha256 from ops.loads").fetchall()}
    waiting = {(file.feed, file.name) for file in landing.waiting()}
    fresh = [(f, p) for f, p in files if sha256_of(p) not in seen and (f, p.name) not in waiting]
    for feed, path in fresh:
        landing.add(feed, path)
    return not fresh


def _assert_certificates(connection: Connection, folder: Path, summary: SampleSummary) -> None:
    """Issuers and attachments of the sample, as soon as the DAG has loaded its courses."""
    for file in sorted((folder / "issuers").glob("*.json")):
        record_issuer(connection, read_issuer(file), by=_OPERATOR)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    for wanted in SAMPLE_ATTACHMENTS:
        while True:
            if _is_attached(connection, wanted.course_id):
                break
            try:
                attach(
                    connection,
                    wanted.course_id,
                    template=kept_template(wanted.template_id),
                    issuer_id=wanted.issuer_id,
                    criteria=Criteria(tuple(wanted.recipient_tenants), wanted.minimum_score),
                    valid_from=wanted.valid_from,
                    by=_OPERATOR,
                    reason=wanted.reason,
                )
            except RegistryError as error:
                if error.code != "course_not_found" or time.monotonic() > deadline:
                    raise
                time.sleep(1)
    step(f"{len(summary.attachments)} courses offer a certificate")


def _is_attached(connection: Connection, course_id: str) -> bool:
    row = connection.execute(
        "select exists (select from registry.attachments where course_id = %s)", (course_id,)
    ).fetchone()
    return bool(row and row[0])


def _wait(connection: Connection, summary: SampleSummary) -> None:
    """Show how the DAG gets on, until as many are issued as the sample earns."""
    expected = summary.decisions["entitled"]
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    with progress() as bars:
        bar = bars.add_task("Certificates by Airflow", total=expected)
        while True:
            row = connection.execute(
                # Whatever became of them since, such as a revocation.
                "select count(*) from registry.certificates where issued_at is not null"
            ).fetchone()
            issued = int(str(row[0])) if row else 0
            bars.update(bar, completed=min(issued, expected))
            if issued >= expected:
                return
            if time.monotonic() > deadline:
                raise HostError(
                    f"after {_TIMEOUT_SECONDS} seconds {issued} of {expected} certificates are issued; "
                    "look at the DAG issue_certificates in Airflow"
                )
            time.sleep(0.5)


def _three_pdfs(connection: Connection, store: Store) -> list[tuple[str, str]]:
    """One certificate each in Devanagari, Tamil and Nastaliq: its language, and where it lies."""
    rows = connection.execute(
        "select distinct on (language) render_input ->> 'language' as language, pdf_path "
        "from registry.certificates "
        "where status = 'issued' and recipient_name ~ case render_input ->> 'language' "
        "when 'hi' then '^[\u0900-\u097f]' when 'ta' then '^[\u0b80-\u0bff]' "
        "when 'ur' then '^[\u0600-\u06ff]' end "
        "order by language, certificate_id"
    ).fetchall()
    return [(str(language), store.address(str(path))) for language, path in rows]


def _print_addresses(settings: Settings) -> None:
    password = json.loads((settings.secrets / "airflow_passwords.json").read_text())["admin"]
    click.echo("\nAirflow")
    click.echo(f"  http://127.0.0.1:{settings.airflow_port}   sign in as admin, password {password}")
    click.echo("\nStop everything with `make down`.")
