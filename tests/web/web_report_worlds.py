"""Reports as callers of the web find them: asked for, built, handed over."""

from typing import Any, LiteralString
from uuid import UUID

from web_worlds import World

from pramaan.registry.grants import Grant, add_grant
from pramaan.reports.ledger import ReportRequest, find_request, record_failed, record_sent
from pramaan.reports.requests import ReportSpec, Requester
from pramaan.reports.service import ReportService
from worlds import TESTER, database_url

__all__ = [
    "MEERA",
    "STATES",
    "asked",
    "build",
    "every_state",
    "give_addresses",
    "report_service_of",
    "request_of",
    "sent",
]

MEERA = "meera.kulkarni@mentors.example"
"""Of `mentor_t`, once `give_addresses` was called."""

STATES = ("waiting", "late", "retried", "building", "built", "sent", "failed")
"""In which a request can be, as people see it; `every_state` has a batch of each."""

_BATCHES = """
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, end_date, mentor_ids, updated_at, load_id)
    select state, 'reading', 't', 'Batch ' || state, 'open', '2027-03-31', '{}', '2025-01-01', 1
    from unnest(%s::text[]) as state
"""


def give_addresses(world: World) -> None:
    """The mentor and the admins are known with their own addresses; a mentor of tenant s is there, too."""
    for grant in (
        Grant("mentor_t", "mentor", "t", MEERA),
        Grant("mentor_s", "mentor", "s", "mentor_s@mentors.example"),
        Grant("admin", "admin", None, "admin@mentors.example"),
        Grant("admin_t", "admin", "t", "admin_t@mentors.example"),
    ):
        add_grant(world.connection, grant, by=TESTER)


def report_service_of(world: World) -> ReportService:
    """The reports of this world."""
    return ReportService(world.settings, url=database_url(world.settings))


def asked(world: World, caller: str = "mentor_t", batch_id: str = "reading-t", **body: Any) -> UUID:
    """A report that somebody asked for over the API."""
    answer = world.api(caller, "POST", f"/v1/batches/{batch_id}/reports", json={"format": "csv", **body})
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["request_id"])


def build(world: World, request_id: UUID) -> ReportRequest:
    """Its file is made; its mail waits, for there is no mail server."""
    report_service_of(world).work(server_url=lambda: None, request_id=request_id)
    built = request_of(world, request_id)
    assert built.built_at is not None, built
    return built


def sent(world: World, request_id: UUID) -> ReportRequest:
    """A mail server took the mail over."""
    build(world, request_id)
    record_sent(world.connection, request_id, recipients=[request_of(world, request_id).email])
    return request_of(world, request_id)


def request_of(world: World, request_id: UUID) -> ReportRequest:
    """As the ledger has it."""
    found = find_request(world.connection, request_id)
    assert found is not None
    return found


def every_state(world: World) -> dict[str, UUID]:
    """The mentor's reports in each of STATES, of the batch that is called so; and a schedule."""
    give_addresses(world)
    world.connection.execute(_BATCHES, (list(STATES),))
    requester = Requester("mentor_t", ["t"], MEERA)
    wanted = ReportSpec(batch_id="reading-t", format="xlsx")
    report_service_of(world).schedule(world.connection, requester, wanted, cadence="at_end")
    requests = {state: asked(world, batch_id=state) for state in STATES}
    build(world, requests["built"])
    sent(world, requests["sent"])
    record_failed(
        world.connection, requests["failed"], error_class="recipient_refused", error="550 no such user"
    )
    _set(world, requests["late"], "requested_at = now() - interval '1 hour'")
    _set(world, requests["retried"], "error_class = 'unavailable', error = 'the store is away'")
    _set(world, requests["building"], "status = 'building'")
    return requests


def _set(world: World, request_id: UUID, what: LiteralString) -> None:
    """What only time and builders do."""
    world.connection.execute(f"update ops.report_requests set {what} where request_id = %s", (request_id,))
