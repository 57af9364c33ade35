"""Progress reports: request one (`/v1/batches/{batch_id}/reports`), follow it (`/v1/reports`), and fetch its
file by the signed link in a mail whose report was too large to attach (`/reports/file?token=...`).

A link needs no sign-in: its token holds the report, the requester and the time it was made.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Self, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from pramaan.errors import StoreError
from pramaan.localisation import negotiate
from pramaan.mail.addresses import masked
from pramaan.reports.files import MEDIA_TYPES, file_name
from pramaan.reports.ledger import (
    Format,
    ReportRequest,
    Status,
    find_request,
    list_requests,
    record_download,
)
from pramaan.reports.requests import ReportSpec, Requester, may_still_see
from pramaan.reports.service import ReportService
from pramaan.store import Store
from pramaan.web.access import accessible_report
from pramaan.web.callers import CallerDep
from pramaan.web.database import DatabaseDep
from pramaan.web.problems import ProblemError, problem_responses
from pramaan.web.request_models import IdInPath, NewReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO
    from zoneinfo import ZoneInfo

    from pramaan.settings import Settings

__all__ = ["LINKS", "ReportServiceDep", "router"]

LINKS: Final = "/reports"
"""The path of signed links in the app; it needs no sign-in."""

_LONGEST_TOKEN: Final = 4096
_PART_BYTES: Final = 256 * 1024

router = APIRouter(tags=["reports"])


class ReportBody(BaseModel):
    """A request for a report, and its state."""

    request_id: UUID
    batch_id: str
    requested_by: str
    email: str = Field(description="Masked to everybody else, and to its requester once it is sent.")
    format: Format
    status: Status = Field(description="sent: a mail server took the whole mail over.")
    requested_at: datetime
    built_at: datetime | None
    handed_over_at: datetime | None
    rows: int | None
    bytes: int | None = Field(description="Of the file.")
    error_class: str | None
    error: str | None = Field(description="Why it failed, or what it waits for.")

    @classmethod
    def seen_by(cls, username: str, request: ReportRequest) -> Self:
        """Returns the request as this user may see it."""
        fields = {name: getattr(request, name) for name in cls.model_fields}
        if username != request.requested_by and request.status != "sent":
            fields["email"] = masked(request.email)
        return cls(**fields)


class ReportsBody(BaseModel):
    """The caller's own requests, newest first."""

    reports: list[ReportBody]


async def _report_service_of(request: Request) -> ReportService:
    return cast(ReportService, request.app.state.service)


ReportServiceDep = Annotated[ReportService, Depends(_report_service_of)]
"""The reports of this home."""


@router.post(
    "/v1/batches/{batch_id}/reports",
    status_code=202,
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
)
def ask(  # noqa: PLR0917 - the framework passes them by name
    batch_id: IdInPath,
    body: NewReport,
    caller: CallerDep,
    database: DatabaseDep,
    service: ReportServiceDep,
    request: Request,
    response: Response,
) -> ReportBody:
    """Request the progress report of a batch. It is mailed within thirty minutes."""
    language = body.language
    if language is None:
        language = negotiate(request.headers.get("accept-language"))
    wanted = ReportSpec(
        batch_id=batch_id,
        format=body.format,
        language=language,
        email=body.email,
        password=body.password,
    )
    requester = Requester.of(caller.username, caller.grants)
    with database.connection() as connection:
        request_id = service.ask(connection, requester, wanted, channel="api")
        entered = accessible_report(connection, request_id, caller=caller)
    response.headers["location"] = f"{request.scope.get('root_path', '')}/v1/reports/{request_id}"
    return ReportBody.seen_by(caller.username, entered)


@router.get("/v1/reports", responses=problem_responses(401, 422, 503))
def reports(
    caller: CallerDep, database: DatabaseDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ReportsBody:
    """The reports that the caller requested, newest first."""
    with database.connection() as connection:
        listed = list_requests(connection, requested_by=caller.username, limit=limit)
    return ReportsBody(reports=[ReportBody.seen_by(caller.username, one) for one in listed])


@router.get("/v1/reports/{request_id}", responses=problem_responses(401, 404, 422, 503))
def report(request_id: UUID, caller: CallerDep, database: DatabaseDep) -> ReportBody:
    """The state of a request, for its requester and for admins of the batch's tenant."""
    with database.connection() as connection:
        found = accessible_report(connection, request_id, caller=caller)
    return ReportBody.seen_by(caller.username, found)


@router.api_route(f"{LINKS}/file", methods=["GET", "HEAD"], include_in_schema=False)
def linked_file(
    request: Request, database: DatabaseDep, service: ReportServiceDep, token: str = ""
) -> Response:
    """The file of a report, for anyone with its link, as long as its requester may see the batch. Each
    download is recorded.

    The token is a query parameter: Airflow's log masks query parameters of this name, and nothing in paths.
    """
    settings: Settings = request.app.state.settings
    # Before any connection is taken: anyone may call this route.
    linked = service.key.read_link_token(token) if len(token) <= _LONGEST_TOKEN else None
    if linked is None:
        raise _no_such_file()
    request_id, requested_by = linked
    with database.connection() as connection:
        found = find_request(connection, request_id)
        if found is None or found.requested_by != requested_by or not may_still_see(connection, found):
            raise _no_such_file()
        path = _path(found)
        headers = _headers(found, path, zone=settings.zone)
    if request.method == "HEAD":
        return Response(headers=headers)
    # The store may be slow or unreachable: no connection is held meanwhile.
    file = _open(Store(settings.store_url), path)
    try:
        with database.connection() as connection:
            record_download(connection, request_id, channel="link")
    except BaseException:
        file.close()
        raise
    return StreamingResponse(_parts(file), headers=headers)


def _no_such_file() -> ProblemError:
    return ProblemError(404, "report_not_found", "the link leads to no report, or has expired")


def _path(request: ReportRequest) -> str:
    """Returns the file's path in the store, also before its mail is recorded as sent: if only the mail
    server's answer was lost, the recipient already has the link.
    """
    if request.path is None or request.file_removed_at is not None or request.status == "failed":
        raise _no_such_file()
    return request.path


def _open(store: Store, path: str) -> "BinaryIO":
    try:
        return store.open(path)
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise _no_such_file() from error
        raise


def _headers(request: ReportRequest, path: str, *, zone: "ZoneInfo") -> dict[str, str]:
    suffix = path.rpartition(".")[2]
    assert request.as_of is not None  # noqa: S101 - there is a file
    name = file_name(request.batch_id, as_of=request.as_of, zone=zone, suffix=suffix)
    return {
        "content-type": MEDIA_TYPES[suffix],
        "content-length": str(request.bytes),
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
    }


def _parts(file: "BinaryIO") -> "Iterator[bytes]":
    with file:
        while part := file.read(_PART_BYTES):
            yield part
