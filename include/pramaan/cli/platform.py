"""`pramaan up`, `down`, `status`: the platform on this machine."""

import os
import re
import shutil
from typing import TYPE_CHECKING

import click

from pramaan.cli.console import json_option, print_json, print_table, step

if TYPE_CHECKING:
    from pramaan.pipeline import Pipeline

__all__ = ["down", "prepare", "psql", "status", "up"]


@click.command()
@click.option(
    "--sample",
    is_flag=True,
    help="Drop the bundled sample into the landing folder and wait for its certificates.",
)
def up(*, sample: bool) -> None:
    """Start the platform: Postgres, the registry, the rules, and Airflow's four parts."""
    from pramaan.cli.context import open_pipeline
    from pramaan.host.airflow import first_admin
    from pramaan.host.platform import start_airflow
    from pramaan.settings import load_settings

    settings = load_settings()
    pipeline = open_pipeline(settings)
    _grant_first_admin(pipeline, first_admin(os.environ))
    start_airflow(settings, report=step)
    if sample:
        from pramaan.cli.sample import run_sample

        run_sample(settings, pipeline)


@click.command()
@click.option("--first-admin", metavar="USER", help="Granted the role admin, once.")
def prepare(*, first_admin: str | None) -> None:
    """Bring the database to what this version expects: schema, rules, printable characters. Starts nothing
    else.
    """
    from pramaan.cli.context import open_pipeline

    pipeline = open_pipeline()
    if first_admin:
        _grant_first_admin(pipeline, first_admin)
    click.echo("The database is up to date.")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on this home's database; ARGUMENTS go to psql. The password stays out of the process list."""
    from psycopg.conninfo import conninfo_to_dict

    from pramaan.host.account import server_account
    from pramaan.host.platform import ensure_database
    from pramaan.host.postgres_binaries import find_binaries
    from pramaan.settings import load_settings

    parts = conninfo_to_dict(ensure_database(load_settings()))
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    given = {variable: str(parts[name]) for name, variable in names.items() if name in parts}
    program = shutil.which("psql") or find_binaries(server_account()).program("psql")
    # By its full path: as plain "psql" it would look for itself on PATH, where it need not be.
    os.execve(program, [program, *arguments], {**os.environ, **given})  # noqa: S606 - becomes psql, as asked


@click.command()
def down() -> None:
    """Stop everything that runs for this home; leave no process behind."""
    from pramaan.host.platform import stop
    from pramaan.settings import load_settings

    stop(load_settings())
    click.echo("Everything is down.")


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Say where everything is, what runs, what waits and what failed."""
    from pramaan.cli.overview import overview
    from pramaan.settings import load_settings

    seen = overview(load_settings())
    if as_json:
        print_json(seen)
        return
    print_table("Where", seen["where"] | {"database_url": _without_password(seen["database_url"])})
    print_table("Processes", seen["processes"])
    print_table("Waits", _known(seen["waiting"]))
    print_table("Due, and in nobody's hands", seen["due"])
    print_table("Failed", seen["failed"])
    print_table("Last run", _known(seen["last_run"]))


def _known(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _grant_first_admin(pipeline: "Pipeline", username: str) -> None:
    from pramaan.registry.grants import grant_first_admin

    with pipeline.connect() as connection:
        if grant_first_admin(connection, username):
            step(f"{username} is admin of all tenants")


def _without_password(url: str) -> str:
    """For people, whose terminals are looked at over shoulders; `--json` gives programs the whole address."""
    return re.sub(r"(://[^:@/]*):[^@/]*@", r"\1:***@", url)
