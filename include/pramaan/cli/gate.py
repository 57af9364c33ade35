"""`pramaan gate`: what the gate holds, and what a person decides about it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pramaan.cli.console import json_option, print_json, print_table

if TYPE_CHECKING:
    from pramaan.certificates.holds import Hold
    from pramaan.database.connect import Connection

__all__ = ["gate"]

_STATES = ("waiting", "approved", "rejected", "healed")


@click.group()
def gate() -> None:
    """Certificates that the gate holds, as they are out of the ordinary: list, approve, reject."""


@gate.command(name="list")
@click.option("--state", type=click.Choice(_STATES), help="Only these; left out: all.")
@json_option
def list_(*, state: str | None, as_json: bool) -> None:
    """Say what is or was held: by hold and course, with the reason and who decided."""
    from pramaan.certificates.holds import list_holds
    from pramaan.cli.context import open_registry

    with open_registry() as connection:
        holds = list_holds(connection, state=state)  # type: ignore[arg-type] # one of the choices
    if as_json:
        print_json([asdict(hold) for hold in holds])
        return
    if not holds:
        click.echo("Nothing is held.")
    for hold in holds:
        _print(hold)


def _decision(name: str) -> click.Command:
    """`approve` and `reject`, which differ in a word."""

    @click.argument("hold_id", type=int)
    @click.option("--course", "course_id", help="Of the hold's courses only this one.")
    @click.option("--remark", help="Why; kept with the decision.")
    @json_option
    def decide(hold_id: int, *, course_id: str | None, remark: str | None, as_json: bool) -> None:
        from pramaan.certificates.holds import decide_hold
        from pramaan.cli.context import open_registry, operator
        from pramaan.settings import load_settings

        settings = load_settings()
        with open_registry(settings) as connection, connection.transaction():
            decided = [
                decide_hold(
                    connection,
                    hold_id,
                    course,
                    approve=name == "approve",
                    by=operator(),
                    timezone=settings.timezone,
                    remark=remark,
                )
                for course in _courses(connection, hold_id, course_id=course_id)
            ]
        if as_json:
            print_json([asdict(hold) for hold in decided])
            return
        for hold in decided:
            _print(hold)

    return click.command(name=name)(decide)


approve = _decision("approve")
approve.help = "Have what HOLD_ID holds issued with the next batch (`pramaan issue`, or Airflow by itself)."
reject = _decision("reject")
reject.help = "Leave what HOLD_ID holds unissued; approving it later is still possible."
gate.add_command(approve)
gate.add_command(reject)


def _courses(connection: "Connection", hold_id: int, *, course_id: str | None) -> list[str]:
    """The courses of a hold that are to be decided. Raises RegistryError `hold_not_found`."""
    from pramaan.certificates.holds import list_holds
    from pramaan.errors import RegistryError

    courses = [hold.course_id for hold in list_holds(connection) if hold.hold_id == hold_id]
    found = [course for course in courses if course_id in (None, course)]
    if not found:
        of_course = f" of course {course_id}" if course_id else ""
        raise RegistryError(
            "hold_not_found", f"there is no hold {hold_id}{of_course}; see `pramaan gate list`"
        )
    return found


def _print(hold: "Hold") -> None:
    shown = {
        "tenant": hold.tenant_id,
        "certificates": hold.candidates,
        "why": f"{hold.rule}: {hold.why}",
        "state": hold.state if hold.decided_by is None else f"{hold.state} by {hold.decided_by}",
    }
    print_table(f"Hold {hold.hold_id}, course {hold.course_id}", shown)
