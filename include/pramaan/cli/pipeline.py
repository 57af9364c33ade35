"""`pramaan load` and `pramaan issue`: the pipeline in the foreground."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pramaan.cli.console import json_option, print_json, print_table, progress, step

if TYPE_CHECKING:
    from uuid import UUID

    from rich.progress import Progress

    from pramaan.certificates.issue import ChunkResult
    from pramaan.database.connect import Connection
    from pramaan.feeds.load import FileLoaded
    from pramaan.pipeline import Batch, Decided, Pipeline, Totals

__all__ = ["issue", "load"]

_TIMEOUT_SECONDS: Final = 3600.0
"""For a run that is under way elsewhere: somebody looks on, and may interrupt."""

_MAIL_SECONDS: Final = 5.0
"""For a slow mail server: what is left then goes out by Airflow, or the next time."""

_history_option = click.option(
    "--history",
    is_flag=True,
    help="Old completions are being imported: they pass the gate, and what it holds for its volume or age "
    "is let go. Recorded with the run.",
)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_history_option
@json_option
def load(folder: Path, *, history: bool, as_json: bool) -> int:
    """Load the feeds in FOLDER (one folder a feed: users, courses, ...) and run the pipeline once.

    Drops the files into the landing folder, loads them, makes the decisions that they touch, and issues
    what was earned; telemetry, which decides nothing, comes last. The same files again change nothing.
    """
    from pramaan.certificates.verdicts import settle_verdicts
    from pramaan.cli.context import open_pipeline
    from pramaan.database.connect import pipeline_lock
    from pramaan.feeds.load import refuse_failed
    from pramaan.pipeline import Batch
    from pramaan.runs import finish_run, note_counts, start_run
    from pramaan.stages.loading import FACT_FEEDS, load_counts, load_facts

    files = _feed_files(folder)
    pipeline = open_pipeline()
    with pipeline.connect() as connection, progress() as bars:
        bar = bars.add_task("Waiting for the pipeline's lock", total=None)
        with pipeline_lock(connection, wait_seconds=_TIMEOUT_SECONDS):
            bars.update(bar, description="Rows read")
            _drop(pipeline, (file for file in files if file[0] in FACT_FEEDS))
            run_id = start_run(connection, trigger="foreground", history=history)
            loaded = load_facts(connection, pipeline.settings, on_rows=lambda rows: bars.advance(bar, rows))
            bars.update(bar, total=sum(f.rows + f.rows_quarantined for f in loaded))
            note_counts(connection, run_id, load_counts(loaded))
            _check(pipeline)
            decided = _decide(pipeline, connection, bars, run_id=run_id, history=history)
        issued = _issue(pipeline, connection, bars, run_id=run_id)
        loaded += _load_telemetry(pipeline, connection, bars, files)
        note_counts(connection, run_id, load_counts(loaded))
        batch = Batch(loaded, decided, issued)
        settle_verdicts(connection)
        finish_run(connection, run_id)
        totals = pipeline.totals(connection)
    _finish(pipeline, batch, totals, as_json=as_json)
    for file in loaded:
        if file.remark and file.status != "failed":
            click.echo(f"{file.feed}/{file.name}: {file.remark}", err=True)
    if batch.counts()["rows_quarantined"] or batch.counts()["files_quarantined"]:
        click.echo("Some rows or files broke the contract; see `ops.quarantine` (README, Trouble).", err=True)
    refuse_failed(loaded)
    return int(any(file.status == "waiting" for file in loaded))


@click.command()
@_history_option
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Also try what failed again, once you have mended what it failed of. Recorded for each.",
)
@json_option
def issue(*, history: bool, retry_failed: bool, as_json: bool) -> None:
    """Decide what facts and attachments changed, and issue until nothing is left."""
    from pramaan.cli.context import open_pipeline, operator
    from pramaan.database.connect import pipeline_lock
    from pramaan.lifecycle import issuing
    from pramaan.pipeline import Batch
    from pramaan.runs import finish_run, start_run

    pipeline = open_pipeline()
    with pipeline.connect() as connection, progress() as bars:
        with pipeline_lock(connection, wait_seconds=_TIMEOUT_SECONDS):
            run_id = start_run(connection, trigger="foreground", history=history)
            if retry_failed:
                issuing.retry_failed(connection, by=operator())
            decided = _decide(pipeline, connection, bars, run_id=run_id, history=history)
        issued = _issue(pipeline, connection, bars, run_id=run_id)
        finish_run(connection, run_id)
        totals = pipeline.totals(connection)
    _finish(pipeline, Batch((), decided, issued), totals, as_json=as_json)


def _drop(pipeline: "Pipeline", files: Iterable[tuple[str, Path]]) -> None:
    from pramaan.feeds.landing import Landing

    landing = Landing(pipeline.settings.landing_url)
    for feed, path in files:
        landing.add(feed, path)


def _load_telemetry(
    pipeline: "Pipeline", connection: "Connection", bars: "Progress", files: Sequence[tuple[str, Path]]
) -> "list[FileLoaded]":
    """Load what telemetry was brought and waits, with a progress bar; nothing else waits for it."""
    from pramaan.database.connect import telemetry_lock
    from pramaan.stages.loading import TELEMETRY_FEEDS, load_telemetry

    brought = [file for file in files if file[0] in TELEMETRY_FEEDS]
    bar = bars.add_task("Telemetry", total=None, visible=bool(brought))
    with telemetry_lock(connection, wait_seconds=_TIMEOUT_SECONDS):
        _drop(pipeline, brought)
        loaded = load_telemetry(connection, pipeline.settings, on_rows=lambda rows: bars.advance(bar, rows))
    bars.update(bar, total=sum(f.rows + f.rows_quarantined for f in loaded))
    if loaded:
        _check(pipeline)
    return loaded


def _check(pipeline: "Pipeline") -> None:
    """Check what was loaded before anything is issued on it: nothing else does where no Airflow runs."""
    failed = [verdict for verdict in pipeline.check_loads() if not verdict.passed]
    for verdict in failed:
        rules = ", ".join(finding.rule for finding in verdict.findings)
        step(f"Load {verdict.load_id} ({verdict.feed}) fails its quality suite: {rules}")


def _decide(
    pipeline: "Pipeline", connection: "Connection", bars: "Progress", *, run_id: "UUID", history: bool
) -> "Decided":
    """Decide what changed; an import of history also lets go what was held for its volume or age."""
    from pramaan.certificates.holds import approve_history
    from pramaan.cli.context import operator
    from pramaan.runs import note_counts
    from pramaan.stages.deciding import decided_counts

    bar = bars.add_task("Decisions", total=None)
    decided = pipeline.decide(connection, run_id=run_id, history=history)
    bars.update(bar, total=decided.scope.decisions, completed=decided.scope.decisions)
    note_counts(connection, run_id, decided_counts(decided))
    if history:
        for hold in approve_history(connection, by=operator(), timezone=pipeline.settings.timezone):
            step(f"Let go: hold {hold.hold_id}, course {hold.course_id}, {hold.candidates:,} certificates")
    return decided


def _issue(
    pipeline: "Pipeline", connection: "Connection", bars: "Progress", *, run_id: "UUID"
) -> "ChunkResult":
    """Issue all that waits, with a progress bar."""
    bar = bars.add_task("Certificates", total=None)
    return pipeline.issue_all(
        connection,
        run_id=run_id,
        on_attempts=lambda attempts: bars.advance(bar, attempts),
        on_total=lambda total: bars.update(bar, total=total),
    )


def _feed_files(folder: Path) -> list[tuple[str, Path]]:
    from pramaan.feeds.spec import FEEDS

    files = [(feed, path) for feed in FEEDS for path in sorted((folder / feed).rglob("*")) if path.is_file()]
    if not files:
        raise click.UsageError(
            f"{folder} holds no feeds: expected files in a folder for each feed, such as {folder}/users/"
        )
    others = sorted(p.name for p in folder.iterdir() if p.name not in FEEDS)
    if others:
        step(f"Left alone, being none of the feeds {', '.join(FEEDS)}: {', '.join(others)}")
    return files


def _finish(pipeline: "Pipeline", batch: "Batch", totals: "Totals", *, as_json: bool) -> None:
    """Send the mail that is due, and say what was done."""
    counts = batch.counts()
    _send_mail(pipeline)
    if counts["certificates_held"]:
        step(f"The gate holds {counts['certificates_held']:,} certificates: see `pramaan gate list`")
    if as_json:
        from dataclasses import asdict

        print_json({"run": counts, "totals": asdict(totals)})
        return
    print_table("This run", counts)
    print_table("Rows in the warehouse", totals.rows | {"quarantined": totals.quarantined})
    print_table("Decisions", {"completions": totals.completions} | totals.decisions)
    print_table("Certificates", totals.certificates)


def _send_mail(pipeline: "Pipeline") -> None:
    """Send what mail is due, for some seconds; say what is left."""
    from pramaan.errors import MailError
    from pramaan.host.platform import ensure_mail_server
    from pramaan.stages.mailing import send_notices

    settings = pipeline.settings
    try:
        sent = send_notices(
            settings, url=pipeline.url, server_url=lambda: ensure_mail_server(settings), seconds=_MAIL_SECONDS
        )
    except MailError as error:
        step(str(error))
        return
    if sent.left:
        step(f"{sent.left:,} mails are not sent yet: see `pramaan mail list`")
