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
    from pramaan.pipeline import Pipeline, Totals

__all__ = ["issue", "load"]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def load(folder: Path, *, as_json: bool) -> int:
    """Load the feeds in FOLDER (one folder a feed: users, courses, ...) and run the pipeline once.

    Drops the files into the landing folder, loads them, makes the decisions that they touch, and issues
    what was earned. The same files again change nothing.
    """
    from pramaan.cli.workplace import open_pipeline
    from pramaan.database.connect import pipeline_lock
    from pramaan.feeds.landing import Landing
    from pramaan.pipeline import Batch
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
            run_id = pipeline.start_run(connection, trigger="foreground")
            loaded = pipeline.load(connection, on_rows=lambda rows: bars.advance(bar, rows))
            bars.update(bar, total=sum(f.rows + f.rows_quarantined for f in loaded))
            bar = bars.add_task("Decisions", total=None)
            decided = pipeline.decide(connection)
            bars.update(bar, total=decided.scope.decisions, completed=decided.scope.decisions)
        issued = _issue(pipeline, connection, bars, run_id=run_id)
        batch = Batch(loaded, decided, issued)
        pipeline.finish_run(connection, run_id, batch.counts())
        totals = pipeline.totals(connection)
    _print(batch.counts(), totals, as_json=as_json)
    for file in loaded:
        if file.remark:
            click.echo(f"{file.feed}/{file.name}: {file.remark}", err=True)
    if batch.counts()["rows_quarantined"] or batch.counts()["files_quarantined"]:
        click.echo("Some rows or files broke the contract; see `ops.quarantine` (README, Trouble).", err=True)
    return int(any(file.status == "waiting" for file in loaded))


@click.command()
@click.option(
    "--history",
    is_flag=True,
    help="Say that old completions are being imported: recorded with the run, so that no later check "
    "takes the volume for an accident.",
)
@json_option
def issue(*, history: bool, as_json: bool) -> None:
    """Decide what facts and attachments changed, and issue until nothing is left."""
    from pramaan.cli.workplace import open_pipeline
    from pramaan.database.connect import pipeline_lock
    from pramaan.pipeline import Batch

    pipeline = open_pipeline()
    with pipeline.connect() as connection, progress() as bars:
        bar = bars.add_task("Decisions", total=None)
        with pipeline_lock(connection):
            run_id = pipeline.start_run(connection, trigger="foreground")
            decided = pipeline.decide(connection)
        bars.update(bar, total=decided.scope.decisions, completed=decided.scope.decisions)
        issued = _issue(pipeline, connection, bars, run_id=run_id)
        counts = Batch([], decided, issued).counts() | {"history": int(history)}
        pipeline.finish_run(connection, run_id, counts)
        totals = pipeline.totals(connection)
    _print(counts, totals, as_json=as_json)


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


def _print(counts: dict[str, int], totals: "Totals", *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print_json({"run": counts, "totals": asdict(totals)})
        return
    print_table("This run", counts)
    print_table("Rows in the warehouse", totals.rows | {"quarantined": totals.quarantined})
    print_table("Decisions", {"completions": totals.completions} | totals.decisions)
    print_table("Certificates", totals.certificates)
