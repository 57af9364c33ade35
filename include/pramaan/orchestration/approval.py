"""What `approve_held_issuance` asks a person, and what comes of the answer.

The answer is recorded by the very task that asked, from the event that Airflow makes of it: it carries the
name of who was signed in. What other tasks and XComs say of an answer counts for nothing.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from pramaan.orchestration.context import task_context

if TYPE_CHECKING:
    from pramaan.certificates.holds import Hold

__all__ = ["APPROVE", "LATER", "REJECT", "HoldApproval", "find_holds_to_ask"]

APPROVE: Final = "Approve: issue them"
REJECT: Final = "Reject: leave them held"
LATER: Final = "Ask again"

_ASKED_AT_ONCE: Final = 200
_LONGEST_SHOWN: Final = 80
_NO_HOLD: Final[dict[str, Any]] = {"hold_id": 0, "course_id": "", "expected": 0}


def find_holds_to_ask(scheduler_run_id: str) -> list[dict[str, Any]]:
    """Take the holds that nobody was asked about yet; returns their keys and counts, or the key of no hold,
    since Airflow skips a task that is mapped over nothing.

    Tried again, a run takes the same holds.
    """
    from pramaan.certificates.holds import claim_holds_to_ask
    from pramaan.stages.deciding import tell_team

    place = task_context()
    with place.connect() as connection:
        holds = claim_holds_to_ask(connection, asked_by=scheduler_run_id, limit=_ASKED_AT_ONCE)
        # Again, for a hold whose mail could not be written before; the ledger knows which has one.
        tell_team(connection, place.settings)
    keys = [
        {"hold_id": hold.hold_id, "course_id": hold.course_id, "expected": hold.candidates} for hold in holds
    ]
    return keys or [_NO_HOLD]


class HoldApproval(HITLOperator):  # type: ignore[misc] # Airflow is not followed
    """Asks whether what a hold keeps back is to be issued, and records the answer with the person's name.

    `expected` is how many certificates the question names: an approval of a hold that grew meanwhile is not
    taken, and asked for again.
    """

    template_fields = (*HITLOperator.template_fields, "hold_id", "course_id", "expected")

    def __init__(self, *, hold_id: int, course_id: str, expected: int, **kwargs: Any) -> None:
        super().__init__(
            subject="Held certificates",
            options=[APPROVE, REJECT, LATER],
            defaults=[LATER],
            response_timeout=timedelta(days=7),
            **kwargs,
        )
        self.hold_id = hold_id
        self.course_id = course_id
        self.expected = expected

    def execute(self, context: Any) -> Any:
        """Ask, in words made from the hold as it stands; nothing in them is of a person.

        Of no hold, and of one that was decided meanwhile, there is nothing to ask: returns what is known.
        """
        from pramaan.certificates.holds import get_hold

        if not self.hold_id:
            return "nothing to ask"
        with task_context().connect() as connection:
            hold = get_hold(connection, self.hold_id, self.course_id)
        if hold.state != "waiting":
            return f"{hold.state} by {hold.decided_by}"
        self.subject = f"{self.expected:,} certificates are held: hold {hold.hold_id}, {hold.rule}"
        self.body = _told(hold, expected=self.expected)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> str:
        """Record the answer; returns the hold's state.

        Fails when the person's grants do not reach to the hold's tenant, or the hold grew: it is asked again.
        """
        return _record(self.hold_id, self.course_id, self.expected, super().execute_complete(context, event))


def _record(hold_id: int, course_id: str, expected: int, answer: Mapping[str, Any]) -> str:
    from pramaan.certificates.holds import ask_again, decide_hold, get_hold, may_decide
    from pramaan.errors import RegistryError
    from pramaan.registry.changes import Actor

    (choice,) = answer["chosen_options"]
    place = task_context()
    with place.connect() as connection:
        hold = get_hold(connection, hold_id, course_id)
        username = str((answer["responded_by_user"] or {}).get("name") or "")
        if choice == LATER:
            ask_again(connection, hold_id, course_id)
            return hold.state
        if hold.state == "healed":
            # Before its question was answered; there is nothing left to decide.
            return hold.state
        if not may_decide(connection, username, tenant_id=hold.tenant_id):
            ask_again(connection, hold_id, course_id)
            raise AirflowFailException(
                f"{username} has no grant to decide for tenant {hold.tenant_id}: grant the role admin or "
                "badge_creator there (`pramaan grant`), or let somebody decide who has it; it is asked again"
            )
        try:
            return decide_hold(
                connection,
                hold_id,
                course_id,
                approve=choice == APPROVE,
                by=Actor(username, "airflow"),
                timezone=place.settings.timezone,
                expected=expected,
            ).state
        except RegistryError as error:
            ask_again(connection, hold_id, course_id)
            raise AirflowFailException(str(error)) from error


def _told(hold: "Hold", *, expected: int) -> str:
    return (
        f"Tenant {_plain(hold.tenant_id)}, course {_plain(hold.course_id)}: {expected:,} candidates are held "
        f"({hold.rule}).\n\n{_plain(hold.why)}\n\nApproved, they are issued with the next batch; rejected, "
        "they stay held. An admin decides, or a badge creator of this tenant. In a terminal: "
        f"`pramaan gate approve {hold.hold_id}`."
    )


def _plain(text: str) -> str:
    """Text of a feed as code, so that Airflow's page takes nothing in it for Markdown."""
    shown = "".join(character if character.isprintable() else " " for character in text).replace("`", "'")
    return f"`{shown[:_LONGEST_SHOWN]}`"
