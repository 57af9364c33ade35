"""The mails about reports: the report itself, that it failed, and that it is late."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from pramaan.mail.messages import AnyLine, Content, Kinds, Line

__all__ = ["REPORT_MAILS", "ProgressReport", "ReportFailed", "ReportLate"]


class ProgressReport(Content):
    """To the requester: the progress report of a batch, with its file, or with a link to it.

    The names of a batch or a course in a feed may be empty once reduced to a line; that does not stop a
    report.
    """

    kind: ClassVar[str] = "progress_report"
    has_file: ClassVar[bool] = True

    request_id: Line
    batch_id: AnyLine
    batch_name: AnyLine
    course_name: AnyLine
    as_of: AwareDatetime
    timezone: Line
    enrolled: int
    in_progress: int
    completed: int
    certificates_issued: int
    downloaded: int
    path: Line
    file_name: Line
    file_bytes: int
    is_encrypted: bool
    link: Line
    link_days: int
    prompt_until: AwareDatetime | None = None

    @property
    def due_by(self) -> datetime | None:
        """When the SLA of the report ends: half an hour after it was requested, whatever happened since."""
        return self.prompt_until

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the report's dates."""
        return ZoneInfo(self.timezone)

    @property
    def link_ends_at(self) -> datetime:
        """Until when the link works; earlier than its real end by a moment."""
        return self.as_of + timedelta(days=self.link_days)


class ReportFailed(Content):
    """To the requester: the report failed, and why, in the language of the mail."""

    kind: ClassVar[str] = "report_failed"

    request_id: Line
    batch_id: AnyLine
    requested_at: AwareDatetime
    timezone: Line
    reason: AnyLine

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that the report's dates would have had."""
        return ZoneInfo(self.timezone)


class ReportLate(Content):
    """To the implementation team, in English: a report was not sent within twenty minutes of its request
    (late), or within thirty (breached).
    """

    kind: ClassVar[str] = "report_late"
    is_urgent: ClassVar[bool] = True

    request_id: Line
    stage: Literal["late", "breached"]
    batch_id: AnyLine
    state: Line
    requested_at: AwareDatetime
    error: AnyLine | None

    @property
    def asked_for_at(self) -> str:
        """When it was requested, as our logs write instants."""
        return f"{self.requested_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


REPORT_MAILS: Final[Kinds] = {kind.kind: kind for kind in (ProgressReport, ReportFailed, ReportLate)}
