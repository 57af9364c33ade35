"""What the page of reports shows, as records."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pramaan.reports.failures import FAILED, FAILURES
from pramaan.reports.sla import SLA
from pramaan.web.pages.error_pages import ErrorNotice

if TYPE_CHECKING:
    from pramaan.registry.batches import Batch
    from pramaan.reports.ledger import ReportRequest
    from pramaan.reports.schedules import Schedule
    from pramaan.web.pages.forms import ReportForm

__all__ = ["ReportRow", "ReportsView", "ScheduleRow"]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A line of the list of requests; without `batch` it is one that the reader sees no longer. `due_at`
    is when it is to be there at the latest.
    """

    request: "ReportRequest"
    batch: "Batch | None"
    failure: ErrorNotice | None
    due_at: datetime
    is_late: bool

    @classmethod
    def of(cls, request: "ReportRequest", batch: "Batch | None", *, now: datetime) -> "ReportRow":
        """A request, with what became of it in words."""
        due_at = request.requested_at + SLA
        return cls(request, batch, _failure(request), due_at, due_at < now)

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to come."""
        return self.request.status in {"requested", "building"}


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A line of the list of schedules."""

    schedule: "Schedule"
    batch: "Batch | None"


@dataclass(frozen=True, slots=True)
class ReportsView:
    """The reader's reports, and the form to ask for one. While they are `following` one that they just asked
    for, there is no form: the page loads itself again, which would empty it.
    """

    rows: list[ReportRow]
    schedules: list[ScheduleRow]
    batches: list["Batch"]
    has_more_batches: bool
    has_own_address: bool
    form: "ReportForm" = field(repr=False)
    following: bool
    csrf_token: str
    removal_token: str
    error_notice: ErrorNotice | None
    done: str | None

    @property
    def is_under_way(self) -> bool:
        """Whether any report is still to come."""
        return any(row.is_under_way for row in self.rows)


def _failure(request: "ReportRequest") -> ErrorNotice | None:
    """Why it failed, or has to be tried again."""
    if request.error_class is None:
        return None
    return ErrorNotice(
        code=request.error_class,
        text=FAILURES.get(request.error_class, FAILED),
        detail=request.error or "",
    )
