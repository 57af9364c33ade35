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
    """A row of the list of requests; without `batch` when the reader may no longer see it. `due_at` is when
    the SLA of the report ends.
    """

    request: "ReportRequest"
    batch: "Batch | None"
    failure: ErrorNotice | None
    due_at: datetime
    is_late: bool

    @classmethod
    def of(cls, request: "ReportRequest", batch: "Batch | None", *, now: datetime) -> "ReportRow":
        """Returns the row of a request, with its state in words."""
        due_at = request.requested_at + SLA
        return cls(request, batch, _failure(request), due_at, due_at < now)

    @property
    def is_under_way(self) -> bool:
        """Whether the request is still in progress."""
        return self.request.status in {"requested", "building"}


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A row of the list of schedules."""

    schedule: "Schedule"
    batch: "Batch | None"


@dataclass(frozen=True, slots=True)
class ReportsView:
    """The reader's reports, and the form to request one. While `following` a report that was just requested
    there is no form: the page reloads itself, which would empty it.
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
        """Whether any report is still in progress."""
        return any(row.is_under_way for row in self.rows)


def _failure(request: "ReportRequest") -> ErrorNotice | None:
    """Returns why the request failed, or why it is tried again."""
    if request.error_class is None:
        return None
    return ErrorNotice(
        code=request.error_class,
        text=FAILURES.get(request.error_class, FAILED),
        detail=request.error or "",
    )
