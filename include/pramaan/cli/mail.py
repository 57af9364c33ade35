"""`pramaan mail`: what is not sent, and trying it again."""

from dataclasses import asdict

import click

from pramaan.cli.console import json_option, print_json, print_table

__all__ = ["mail"]

_SHOWN = 50


@click.group()
def mail() -> None:
    """Mail that is not sent: list it, and try again what failed."""


@mail.command(name="list")
@click.option("--kind", help="Only these, such as progress_report.")
@click.option("--limit", type=click.IntRange(1), default=_SHOWN, show_default=True, help="How many at most.")
@json_option
def list_(*, kind: str | None, limit: int, as_json: bool) -> None:
    """Show the mails that failed, then those that wait, and why."""
    from pramaan.cli.context import open_registry
    from pramaan.mail.ledger import list_unsent

    with open_registry() as connection:
        mails = [asdict(one) for one in list_unsent(connection, kind=kind, limit=limit + 1)]
    if as_json:
        print_json(mails[:limit])
        return
    if not mails:
        click.echo("Everything is sent.")
    for one in mails[:limit]:
        shown = {name: value for name, value in one.items() if name != "mail_id" and value is not None}
        print_table(f"Mail {one['mail_id']}", shown)
    if len(mails) > limit:
        click.echo(f"More than {limit:,}: see --limit and --kind.")


@mail.command()
@click.argument("mail_ids", metavar="[MAIL]...", type=int, nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Whatever failed, ever.")
def retry(*, mail_ids: tuple[int, ...], is_all: bool) -> None:
    """Queue failed mails again, by their numbers; Airflow sends them within minutes.

    For once its cause is mended: an address that a server refused will be refused again.
    """
    from pramaan.cli.context import open_registry
    from pramaan.mail.ledger import retry_failed

    if is_all == bool(mail_ids):
        raise click.UsageError("say which mails (see `pramaan mail list`), or --all")
    with open_registry() as connection:
        count = retry_failed(connection, None if is_all else mail_ids)
    click.echo(f"Queued again: {count:,}.")
