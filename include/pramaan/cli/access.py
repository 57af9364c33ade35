"""`pramaan serve`, `token`, `grant`: the API by itself, and who may do what through it."""

import os
from datetime import timedelta
from typing import cast

import click

from pramaan.cli.console import json_option
from pramaan.registry.roles import ROLES, Role

__all__ = ["grant", "serve", "token"]

_user_option = click.option("--user", "username", required=True, help="As Airflow, or the token, names them.")
_role_option = click.option("--role", required=True, type=click.Choice(ROLES))
_tenant_option = click.option("--tenant", "tenant_id", help="In this tenant only; left out: in all of them.")
_email_option = click.option("--email", help="Where reports for this user go.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="By default PRAMAAN_PORT_BASE + 2.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
def serve(*, host: str, port: int | None, workers: int) -> None:
    """Serve the API by itself, under /pramaan, with bearer tokens (see `pramaan token`)."""
    import uvicorn

    from pramaan.cli.context import open_pipeline
    from pramaan.host.platform import ensure_database
    from pramaan.settings import PREFIX, load_settings
    from pramaan.web.serve import create

    settings = load_settings()
    open_pipeline(settings)
    port = port or settings.api_port
    # The server's processes read the environment anew.
    os.environ["PRAMAAN_DATABASE_URL"] = ensure_database(settings)
    reached = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - told from it, not bound
    os.environ["PRAMAAN_PUBLIC_URL"] = settings.public_url or f"http://{reached}:{port}{PREFIX}"
    # Once here: what is wrong is told once, and not by every process that the server would start again.
    create()
    base = f"http://{host}:{port}{PREFIX}"
    click.echo(f"Serving {base}; its calls: {base}/openapi.json")
    uvicorn.run(
        "pramaan.web.serve:create",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=1_000,
        # Whoever is not named as a proxy could have any address recorded as theirs.
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
    )


@click.command()
@_user_option
@_role_option
@_tenant_option
@_email_option
@click.option("--hours", type=click.IntRange(1, 24 * 366), default=24, show_default=True, help="Valid for.")
def token(*, username: str, role: str, tenant_id: str | None, email: str | None, hours: int) -> None:
    """Grant a role and print a token for `pramaan serve`. The token says who it is, and nothing else."""
    from pramaan.host.home import prepare_home
    from pramaan.settings import load_settings
    from pramaan.web.tokens import issue_token

    settings = load_settings()
    prepare_home(settings)
    issued = issue_token(settings, username, valid_for=timedelta(hours=hours))
    _add(username, role, tenant_id, email)
    click.echo(issued)


@click.group()
def grant() -> None:
    """Grants: who may do what where, through Airflow and through `pramaan serve` alike."""


@grant.command("add")
@_user_option
@_role_option
@_tenant_option
@_email_option
def grant_add(*, username: str, role: str, tenant_id: str | None, email: str | None) -> None:
    """Grant a role. Safe to repeat."""
    fresh = _add(username, role, tenant_id, email)
    where = f"in tenant {tenant_id}" if tenant_id else "in all tenants"
    click.echo(f"{username} is {role} {where}{'' if fresh else ', as before'}.")


@grant.command("remove")
@_user_option
@_role_option
@_tenant_option
def grant_remove(*, username: str, role: str, tenant_id: str | None) -> None:
    """Take a role back, from the next request on."""
    from pramaan.cli.context import open_registry, operator
    from pramaan.registry.grants import Grant, remove_grant

    with open_registry() as connection:
        remove_grant(connection, Grant(username, cast(Role, role), tenant_id), by=operator())
    click.echo(f"{username} is {role} no longer.")


@grant.command("list")
@json_option
def grant_list(*, as_json: bool) -> None:
    """Show every grant."""
    from dataclasses import asdict

    from pramaan.cli.console import print_json
    from pramaan.cli.context import open_registry
    from pramaan.registry.grants import list_grants

    with open_registry() as connection:
        grants = list_grants(connection)
    if as_json:
        print_json([asdict(one) for one in grants])
        return
    for one in grants:
        click.echo(f"{one.username:<30} {one.role:<14} {one.tenant_id or '(all tenants)'}")


def _add(username: str, role: str, tenant_id: str | None, email: str | None) -> bool:
    from pramaan.cli.context import open_registry, operator
    from pramaan.registry.grants import Grant, add_grant, is_tenant_known

    with open_registry() as connection:
        if tenant_id and not is_tenant_known(connection, tenant_id):
            told = f"No course, batch or issuer belongs to tenant {tenant_id} yet; check how it is spelt."
            click.echo(told, err=True)
        return add_grant(connection, Grant(username, cast(Role, role), tenant_id, email), by=operator())
