"""`pramaan load` and `pramaan issue`: the pipeline in the foreground."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pramaan.cli.console import json_option, print_json, print_table, progress, step

if TYPE_CHECKING:
    from uuid import UUID

    from rich.progress import Progress

    from pramaan.certificates.issue import ChunkResult
    from pramaan.database.connect import Connection
    from pramaan.pipeline import Batch, Decided, Pipeline, Totals

__all__ = ["issue", "load"]

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
    what was earned. The same files again change nothing.
    """
    from pramaan.cli.workplace import open_pipeline
    from pramaan.database.connect import pipeline_lock
    from pramaan.feeds.landing import Landing
    from pramaan.feeds.load import refuse_failed
    from pramaan.pipeline import Batch, load_counts
    from pramaan.runs import finish_run, note_counts, start_run
    from pramaan.settings import load_settings

    files = _feed_files(folder)
    settings = load_settings()
    pipeline = open_pipeline(settings)
    with pipeline.connect() as connection, progress() as bars:
        bar = bars.add_task("Waiting for the pipeline's lock", total=None)
        with pipeline_lock(connection):
            bars.update(bar, description="Rows read")
            landing = Landing(settings.landing_url)
            for feed, path in files:
                landing.add(feed, path)
            run_id = start_run(connection, trigger="foreground", history=history)
            loaded = pipeline.load(connection, on_rows=lambda rows: bars.advance(bar, rows))
            bars.update(bar, total=sum(f.rows + f.rows_quarantined for f in loaded))
            note_counts(connection, run_id, load_counts(loaded))
            _check(pipeline)
            decided = _decide(pipeline, connection, bars, run_id=run_id, history=history)
        issued = _issue(pipeline, connection, bars, run_id=run_id)
        batch = Batch(loaded, decided, issued)
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
@json_option
def issue(*, history: bool, as_json: bool) -> None:
    """Decide what facts and attachments changed, and issue until nothing is left."""
    from pramaan.cli.workplace import open_pipeline
    from pramaan.database.connect import pipeline_lock
    from pramaan.pipeline import Batch
    from pramaan.runs import finish_run, start_run

    pipeline = open_pipeline()
    with pipeline.connect() as connection, progress() as bars:
        with pipeline_lock(connection):
            run_id = start_run(connection, trigger="foreground", history=history)
            decided = _decide(pipeline, connection, bars, run_id=run_id, history=history)
        issued = _issue(pipeline, connection, bars, run_id=run_id)
        finish_run(connection, run_id)
        totals = pipeline.totals(connection)
    _finish(pipeline, Batch((), decided, issued), totals, as_json=as_json)


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
    from pramaan.cli.workplace import operator
    from pramaan.pipeline import decided_counts
    from pramaan.runs import note_counts

    bar = bars.add_task("Decisions", total=None)
    decided = pipeline.decide(connection, run_id=run_id, history=history)
    bars.update(bar, total=decided.scope.decisions, completed=decided.scope.decisions)
    note_counts(connection, run_id, decided_counts(decided))
    if history:
        for hold in approve_history(connection, by=operator(), timezone=pipeline.timezone):
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
    from pramaan.host.platform import ensure_mail_server
    from pramaan.settings import load_settings

    pipeline.send_mail(server_url=lambda: ensure_mail_server(load_settings()))
    counts = batch.counts()
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
