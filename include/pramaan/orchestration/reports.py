"""The steps of `send_reports`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from pramaan.localisation import LANGUAGES
from pramaan.orchestration.context import mail_server, task_context

if TYPE_CHECKING:
    from datetime import datetime

    from pramaan.reports.service import ReportService

__all__ = ["PARAMS", "build_and_send", "notify_late_reports", "take_requests"]

_NAMESPACE: Final = UUID("6f1d5c52-8d8a-4f0e-9c53-3b1d2a7c9e10")
"""Of the ids of requests that runs ask for."""

PARAMS: Final = {
    "batch": Param(
        None, type=["null", "string"], title="Batch", description="Its id. Left out: work off what waits."
    ),
    "email": Param(
        None,
        type=["null", "string"],
        format="email",
        title="E-mail",
        description="Where the report goes. Left out: to your own address, as your grants have it.",
    ),
    "format": Param("xlsx", type="string", enum=["xlsx", "csv"], title="Format"),
    # By their codes: to look their names up takes a twentieth of a second, each time that the DAG is parsed.
    "language": Param("en", type="string", enum=sorted(LANGUAGES), title="Language"),
}
"""What the trigger form asks."""


def take_requests(
    params: Mapping[str, Any], *, run_id: str, username: str | None, asked_at: "datetime"
) -> list[str]:
    """Write down what the form asks for and what schedules say is due, tell the team what is late; returns
    a name for each builder that has something to do, and one at least, since Airflow skips a task that is
    mapped over nothing.

    Fails when the form asks for what its user may not have: nothing else waits for it, another run does the
    rest.
    """
    from pramaan.errors import ReportError
    from pramaan.registry.grants import grants_of
    from pramaan.reports.requests import ReportSpec, Requester

    service = _report_service()
    with service.connect() as connection:
        if batch_id := (params["batch"] or "").strip():
            wanted = ReportSpec(
                batch_id=batch_id,
                format=params["format"],
                language=params["language"],
                email=params["email"],
            )
            name = username or ""
            try:
                service.ask(
                    connection,
                    Requester.of(name, grants_of(connection, name)),
                    wanted,
                    channel="airflow",
                    requested_at=asked_at,
                    # The same when this task runs again: a run asks once.
                    request_id=uuid5(_NAMESPACE, run_id),
                )
            except ReportError as error:
                raise AirflowFailException(f"{error.code}: {error}") from error
        builders = max(1, service.pending_work(connection).builders)
    return [f"{n} of {builders}" for n in range(1, builders + 1)]


def build_and_send() -> dict[str, int]:
    """Build and send until nothing waits; returns counts. Does nothing where enough others do."""
    from dataclasses import asdict

    return asdict(_report_service().work(server_url=mail_server))


def notify_late_reports(**_: object) -> None:
    """Tell the team of reports that are late: what Airflow calls when a run has not ended in time."""
    service = _report_service()
    with service.connect() as connection:
        service.notify_late(connection)
        service.send(connection, server_url=mail_server)


def _report_service() -> "ReportService":
    from pramaan.reports.service import ReportService

    place = task_context()
    return ReportService(place.settings, url=place.url)
