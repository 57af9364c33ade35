"""Builds one requested report: rows to a file, the file to the store, and a mail about it to the ledger."""

import contextlib
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pramaan.database.connect import Connection, connect
from pramaan.errors import StoreError
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import queue_mail
from pramaan.reports.encryption import LINK_LIFE, ReportKey
from pramaan.reports.files import file_name, file_suffix, write_report
from pramaan.reports.ledger import Builder, Built, ClaimedRequest
from pramaan.reports.mails import ProgressReport
from pramaan.reports.requests import requester_of, require_batch
from pramaan.reports.rows import open_report
from pramaan.reports.sla import SLA

if TYPE_CHECKING:
    from pramaan.store import Store

__all__ = ["BuildContext", "build_report", "discard_files"]

_FOLDER: Final = "reports"


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What building needs from its host."""

    database_url: str
    store: "Store"
    zone: ZoneInfo
    key: ReportKey
    sender: Sender
    folder: Path
    """Where files are written before they are stored; only this home's builders use it."""
    public_url: str


def build_report(
    connection: Connection, builder: Builder, claimed: ClaimedRequest, *, context: BuildContext
) -> bool:
    """Build the claimed report and queue its mail; returns False when the request is no longer this
    builder's.

    Safe to repeat: the file's path has the request's id and attempt, and the mail is queued once. Rows are
    read over a connection of their own, so that the one whose lock proves the builder alive stays free.

    Raises ReportError for a report that cannot be built, StoreError when the store cannot be reached,
    DatabaseError.
    """
    # The requester's grants of now, not those of when they made the request.
    requester = requester_of(connection, claimed.requested_by, by_operator=claimed.by_operator)
    require_batch(connection, requester, claimed.batch_id)
    password = context.key.decrypt(claimed.encrypted_password) if claimed.encrypted_password else None
    with tempfile.TemporaryDirectory(dir=context.folder) as name_of_folder:
        folder = Path(name_of_folder)
        with (
            connect(context.database_url, application="pramaan report") as reading,
            open_report(
                reading, claimed.batch_id, tenants=requester.tenants, zone=context.zone, folder=folder
            ) as report,
        ):
            suffix = file_suffix(claimed.format, is_encrypted=password is not None)
            name = file_name(claimed.batch_id, as_of=report.as_of, zone=context.zone, suffix=suffix)
            file = folder / "report"
            write_report(
                report,
                file,
                format=claimed.format,
                language=claimed.language,
                zone=context.zone,
                password=password,
            )
        path = _path(claimed, attempt=claimed.attempt, suffix=suffix)
        context.store.put_file(path, file)
        size = file.stat().st_size
    built = Built(
        as_of=report.as_of, rows=report.totals.enrolled, bytes=size, path=path, totals=report.totals
    )
    token = context.key.link_token(claimed.request_id, requested_by=claimed.requested_by)
    mail = ProgressReport(
        request_id=str(claimed.request_id),
        batch_id=claimed.batch_id,
        batch_name=report.batch_name,
        course_name=report.course_name or report.course_id,
        as_of=report.as_of,
        timezone=context.zone.key,
        enrolled=report.totals.enrolled,
        in_progress=report.totals.in_progress,
        completed=report.totals.completed,
        certificates_issued=report.totals.certificates_issued,
        downloaded=report.totals.downloaded,
        path=path,
        file_name=name,
        file_bytes=size,
        is_encrypted=password is not None,
        link=f"{context.public_url}/reports/file?token={token}",
        link_days=LINK_LIFE // timedelta(days=1),
        prompt_until=claimed.requested_at + SLA,
    )
    with connection.transaction():
        is_ours = builder.record_built(claimed, built)
        if is_ours:
            queue_mail(
                connection,
                mail.mail(
                    subject_key=str(claimed.request_id), recipients=[claimed.email], language=claimed.language
                ),
                sender=context.sender,
            )
    discard_files(claimed, context=context, but=path if is_ours else None)
    return is_ours


def discard_files(claimed: ClaimedRequest, *, context: BuildContext, but: str | None = None) -> None:
    """Remove files that this and earlier attempts may have stored; a file that the store cannot
    remove stays.
    """
    suffix = file_suffix(claimed.format, is_encrypted=claimed.encrypted_password is not None)
    for attempt in range(1, claimed.attempt + 1):
        path = _path(claimed, attempt=attempt, suffix=suffix)
        if path != but:
            with contextlib.suppress(StoreError):
                context.store.discard(path)


def _path(claimed: ClaimedRequest, *, attempt: int, suffix: str) -> str:
    """Returns the path of a report's file in the store; no late builder overwrites another's file."""
    return f"{_FOLDER}/{claimed.request_id}.{attempt}.{suffix}"
