"""A batch that can be reported on, and what asks for its report."""

from pathlib import Path
from uuid import UUID

from psycopg import sql

from pramaan.database.connect import Connection
from pramaan.pipeline import Pipeline
from pramaan.registry.grants import Grant, add_grant
from pramaan.reports.ledger import ReportRequest, find_request
from pramaan.reports.requests import ReportSpec, Requester
from pramaan.settings import Settings
from worlds import TESTER, drop_finishers, drop_rows, load_and_decide

__all__ = ["MENTOR", "OPERATOR", "ago", "batch_of", "line", "wanted"]

MENTOR = Requester("meera", ["t"], "meera@example.org")
MENTORS = ("meera", "ravi", *(f"mentor{n}" for n in range(12)))
OPERATOR = Requester("operator:root", None, is_operator=True)


def batch_of(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path, *, people: int
) -> None:
    """Batch `b` of tenant `t` with so many people who finished it, and batch `b2` without anybody; their
    mentors are granted.
    """
    for name in MENTORS:
        add_grant(connection, Grant(name, "mentor", "t", f"{name}@example.org"), by=TESTER)
    drop_finishers(settings, tmp_path, people)
    load_and_decide(pipeline, connection)
    then = "2026-01-01T00:00:00Z"
    another = {"batch_id": "b2", "course_id": "c", "tenant_id": "t", "name": "B2", "enrolment_type": "open"}
    drop_rows(settings, tmp_path, "batches", [{**another, "updated_at": then}])
    load_and_decide(pipeline, connection)


def wanted(batch_id: str = "b", *, email: str | None = None, password: str | None = None) -> ReportSpec:
    """The report of a batch, as CSV."""
    return ReportSpec(batch_id=batch_id, format="csv", email=email, password=password)


def line(connection: Connection, request_id: UUID) -> ReportRequest:
    """The request's line of the ledger."""
    found = find_request(connection, request_id)
    assert found is not None
    return found


def ago(connection: Connection, request_id: UUID, *, minutes: float, column: str = "requested_at") -> None:
    """Let an instant of a request lie so long before now."""
    connection.execute(
        sql.SQL(
            "update ops.report_requests set {} = now() - make_interval(secs => %s) where request_id = %s"
        ).format(sql.Identifier(column)),
        (minutes * 60, request_id),
    )
