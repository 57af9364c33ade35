"""Errors as callers see them: RFC 9457 problem details, each with a stable `code`.

Every error response is made here, so that none carries a traceback, a quoted value or another format.
"""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from pramaan.errors import (
    BusyError,
    DatabaseError,
    PramaanError,
    RegistryError,
    ReportError,
    StoreError,
    TemplateError,
    UnknownLanguageError,
)
from pramaan.web.sign_in import NotSignedInError

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "ErrorResponder",
    "Problem",
    "ProblemError",
    "handle_problems",
    "not_found",
    "problem_responses",
]

log = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"

_DATABASE_AWAY: Final = (
    DatabaseError,
    PoolTimeout,
    psycopg.OperationalError,
    psycopg.errors.ReadOnlySqlTransaction,  # while a standby takes over
    psycopg.errors.UndefinedTable,  # while another version migrates, or dbt deploys
)

_STATUS_OF_CODE: Final[dict[str, int]] = {
    "batch_not_found": 404,
    "course_not_found": 404,
    "issuer_not_found": 404,
    "template_not_found": 404,
    "certificate_not_attached": 404,
    "certificate_not_found": 404,
    "certificate_already_attached": 409,
    "certificate_already_revoked": 409,
    "certificate_not_issued": 409,
    "changed_meanwhile": 409,
    "issuer_already_exists": 409,
    "report_already_running": 409,
    "signature_too_large": 413,
    "signature_not_an_image": 415,
    "too_many_reports": 429,
}
"""Statuses of the registry's and reports' codes; every other code means that the request is not
usable: 422.
"""

_RETRY_AFTER: Final[dict[str, str]] = {"too_many_reports": "60"}
"""Seconds to wait before a retry can succeed."""


class FieldProblem(BaseModel):
    """A field that cannot be used. Never quotes the sent value."""

    field: str
    message: str


class Problem(BaseModel):
    """The body of every error response (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable; what a program goes by.")
    detail: str = Field(description="What happened, to which key, and what to do.")
    errors: list[FieldProblem] = []


class ProblemError(Exception):
    """An error response with its status and code."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = list(errors), dict(headers or {})

    def response(self) -> JSONResponse:
        """Returns the problem document."""
        problem = Problem(
            type=f"urn:pramaan:problem:{self.code}",
            title=self.code.replace("_", " ").capitalize(),
            status=self.status,
            code=self.code,
            detail=self.detail,
            errors=self.errors,
        )
        return JSONResponse(
            problem.model_dump(), self.status, headers=self.headers, media_type=PROBLEM_MEDIA_TYPE
        )


ErrorResponder = Callable[[Request, ProblemError], Response]
"""Makes the response to an error: a page for people, the problem document for programs."""


def not_found(kind: str, key: str) -> ProblemError:
    """Returns the 404 for a thing that does not exist or may not be seen: the same text for both."""
    return ProblemError(404, f"{kind}_not_found", f"there is no {kind} {key}")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the statuses of error responses of a route, for its OpenAPI description."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM_MEDIA_TYPE: schema}}
        for status in statuses
    }


def as_problem(error: Exception) -> ProblemError:  # noqa: PLR0911 - a table of exceptions and their meaning
    """Returns the problem for an exception; unexpected exceptions are logged, by place and type only."""
    match error:
        case ProblemError():
            return error
        case NotSignedInError():
            return ProblemError(401, "not_signed_in", str(error), headers={"WWW-Authenticate": "Bearer"})
        case RegistryError() | ReportError():
            status, wait = _STATUS_OF_CODE.get(error.code, 422), _RETRY_AFTER.get(error.code)
            return ProblemError(
                status, error.code, str(error), headers={"Retry-After": wait} if wait else None
            )
        case UnknownLanguageError():
            return ProblemError(404, "language_not_found", str(error))
        case BusyError():
            return ProblemError(503, "busy", str(error), headers={"Retry-After": "5"})
        case StoreError():
            log.error("%s", error)
            return ProblemError(
                503,
                "store_unavailable",
                "the store cannot be reached right now; try again in a minute",
                headers={"Retry-After": "60"},
            )
        case RequestValidationError():
            return _invalid_request(error)
        case HTTPException():
            return _http_problem(error)
        case TemplateError():
            return ProblemError(422, "template_not_usable", str(error))
        case _ if isinstance(error, _DATABASE_AWAY):
            log.error("the database cannot be used: %s", type(error).__name__)
            return ProblemError(
                503,
                "database_unavailable",
                "the registry cannot be reached right now; try again in a few seconds",
                headers={"Retry-After": "5"},
            )
        case _:
            _log_place(error)
            return ProblemError(
                500,
                "internal_error",
                "a fault of ours; it is in the server's log with the time of this answer",
            )


def handle_problems(app: FastAPI, *, respond: ErrorResponder) -> None:
    """Make the app answer every exception with its problem, through `respond`."""

    def handle(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if isinstance(error, RequestValidationError) and _is_other_media(request, error):
            problem = ProblemError(415, "unsupported_media_type", "send the body as application/json")
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers = {"Allow": ", ".join(_methods_of_path(request))}
        return respond(request, problem)

    for kind in (
        ProblemError,
        PramaanError,
        RequestValidationError,
        HTTPException,
        psycopg.Error,
        PoolTimeout,
    ):
        app.add_exception_handler(kind, handle)


def _invalid_request(error: RequestValidationError) -> ProblemError:
    found = error.errors()
    if any(e["type"] == "json_invalid" for e in found):
        return ProblemError(400, "invalid_json", "the body is no JSON")
    errors = [FieldProblem(field=_field(e["loc"]), message=_message(e)) for e in found]
    unknown = [e.field for e, raw in zip(errors, found, strict=True) if raw["type"] == "extra_forbidden"]
    code = "unknown_field" if unknown else "invalid_request"
    detail = "; ".join(f"{e.field}: {e.message}" for e in errors[:5])
    return ProblemError(422, code, detail, errors=errors[:50])


def _is_other_media(request: Request, error: RequestValidationError) -> bool:
    """Whether a body was sent that is not declared as JSON, so that the framework did not parse it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    return not is_json and any(e["loc"] == ("body",) and e["type"] != "missing" for e in error.errors())


def _field(location: Sequence[object]) -> str:
    """Returns the field's path as the caller wrote it, e.g. `criteria.minimum_score`; long names are cut."""
    parts = [str(part)[:100] for part in location if part != "body"]
    return ".".join(parts) or "body"


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a known field"
    return str(error["msg"]).removeprefix("Value error, ")


def _http_problem(error: HTTPException) -> ProblemError:
    """Returns the problem for errors of the framework itself: no such route, another method, an unparsable
    body.
    """
    phrase = HTTPStatus(error.status_code).phrase
    code = {400: "invalid_request", 404: "route_not_found", 413: "body_too_large"}.get(
        error.status_code, phrase.lower().replace(" ", "_").replace("-", "_")
    )
    return ProblemError(error.status_code, code, phrase, headers=error.headers)


def _methods_of_path(request: Request) -> list[str]:
    """Returns every method of the path; the framework names only those of the first matching route."""
    methods: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


def _log_place(error: Exception) -> None:
    """Log where an unexpected error occurred. Its message may quote a person's data, so it is not logged."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s.%s at\n%s", type(error).__module__, type(error).__name__, frames)
