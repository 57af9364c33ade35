"""The mails about reports: the report itself, that it will not come, and that it is late."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from pramaan.mail.messages import AnyLine, Content, Kinds, Line

__all__ = ["REPORT_MAILS", "ProgressReport", "ReportFailed", "ReportLate"]


class ProgressReport(Content):
    """To whoever asked for it: the progress report of a batch, attached, or with a link to it.

    What feeds call a batch or a course may be empty by the time it is a line: no reason not to send a report.
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
        """Half an hour after the report was asked for, whatever became of it since."""
        return self.prompt_until

    @property
    def zone(self) -> ZoneInfo:
        """Whose calendar the report is in."""
        return ZoneInfo(self.timezone)

    @property
    def link_ends_at(self) -> datetime:
        """Until when the link leads to the file; a moment before it ends."""
        return self.as_of + timedelta(days=self.link_days)


class ReportFailed(Content):
    """To who waits for a report: it will not come, and why, in the language of the mail."""

    kind: ClassVar[str] = "report_failed"

    request_id: Line
    batch_id: AnyLine
    requested_at: AwareDatetime
    timezone: Line
    reason: AnyLine

    @property
    def zone(self) -> ZoneInfo:
        """Whose calendar the report was to be in."""
        return ZoneInfo(self.timezone)


class ReportLate(Content):
    """To the implementation team, in English: a report is not sent twenty (late) or thirty minutes (broken)
    after it was asked for.
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
        """When it was asked for, as our logs write instants."""
        return f"{self.requested_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


REPORT_MAILS: Final[Kinds] = {kind.kind: kind for kind in (ProgressReport, ReportFailed, ReportLate)}
