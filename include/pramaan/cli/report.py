"""`pramaan report`: a progress report, asked for, built and sent in the foreground."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pramaan.cli.console import json_option, print_json, print_table, step

if TYPE_CHECKING:
    from pramaan.reports.ledger import ReportRequest

__all__ = ["report"]

_POLL_SECONDS = 0.5


@click.command()
@click.argument("batch_id", metavar="BATCH")
@click.option("--to", "email", required=True, metavar="EMAIL", help="Where the report goes.")
@click.option("--format", "format_", type=click.Choice(("csv", "xlsx")), default="csv", show_default=True)
@click.option("--language", default="en", show_default=True, help="Of the headers and the mail, such as hi.")
@click.option("--encrypt", is_flag=True, help="Ask for a password; the file is an AES-encrypted zip.")
@click.option(
    "--schedule",
    type=click.Choice(("weekly", "at-end")),
    help="Have Airflow send it each week, or once when the batch has ended, instead of now.",
)
@json_option
def report(
    batch_id: str,
    *,
    email: str,
    format_: str,
    language: str,
    encrypt: bool,
    schedule: str | None,
    as_json: bool,
) -> int:
    """Ask for the progress report of BATCH, build it and send it.

    Succeeds once the mail server has taken the whole mail over.
    """
    from pramaan.cli.context import open_pipeline, operator
    from pramaan.host.platform import ensure_mail_server
    from pramaan.reports.ledger import find_request, is_being_processed
    from pramaan.reports.requests import ReportSpec, Requester
    from pramaan.settings import load_settings

    settings = load_settings()
    service = open_pipeline(settings).reports
    requester = Requester(operator().username, None, is_operator=True)
    password = _password() if encrypt else None
    wanted = ReportSpec(
        batch_id=batch_id,
        format=format_,  # type: ignore[arg-type] # one of the choices
        language=language,
        email=email,
        password=password,
    )
    with service.connect() as connection:
        if schedule is not None:
            service.schedule(connection, requester, wanted, cadence=schedule.replace("-", "_"))  # type: ignore[arg-type]
            click.echo(f"Scheduled: {schedule.replace('-', ' ')}.")
            return 0
        request_id = service.ask(connection, requester, wanted, channel="cli")
        step(f"Request {request_id}")
        service.work(request_id=request_id, server_url=lambda: ensure_mail_server(settings))
        # Asking woke Airflow, if it runs: it may have been quicker.
        while is_being_processed(connection, request_id):
            time.sleep(_POLL_SECONDS)
        done = find_request(connection, request_id)
    assert done is not None  # noqa: S101 - the ledger forgets nothing
    if as_json:
        print_json(_figures(done))
    else:
        print_table("Report", _figures(done))
    if done.status != "sent":
        click.echo(_why(done), err=True)
    return int(done.status != "sent")


def _password() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _figures(request: "ReportRequest") -> dict[str, object]:
    shown = ("request_id", "batch_id", "status", "format", "rows", "bytes", "requested_at", "built_at")
    kept = asdict(request)
    figures = {name: kept[name] for name in (*shown, "handed_over_at", "error")} | (request.totals or {})
    return {name: value for name, value in figures.items() if value is not None}


def _why(request: "ReportRequest") -> str:
    if request.status == "failed":
        return f"Failed ({request.error_class}): {request.error}"
    if request.built_at:
        why = request.error or "the mail server is away"
        return f"Built, not sent: {why}. Its mail waits, and is tried again by itself."
    return f"Not built yet: {request.error}. It is tried again by Airflow's send_reports."
