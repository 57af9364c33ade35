"""The app with every route of `/pramaan`; the code that mounts it passes the sign-in.

middleware  for every request: body size, sign-in, headers
callers     what the caller may do and in which tenants
routes      courses, issuers, templates, people, certificates, labels, reports: the API
quality     Data Docs, for engineers
pages       the pages for people
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from pramaan.web import (
    certificates,
    courses,
    issuers,
    labels,
    pages,
    people,
    previews,
    quality,
    reports,
    templates,
)
from pramaan.web.database import MOST_CONNECTIONS, Database
from pramaan.web.middleware import HandleErrors, LimitBodySize, RequireSignIn, SetSecurityHeaders
from pramaan.web.problems import FieldProblem, Problem, handle_problems
from pramaan.web.sign_in import SignIn

__all__ = ["create_app"]

_PUBLIC: Final = ("/openapi.json", pages.STYLESHEET, reports.LINKS)
"""Paths without sign-in: the API's description and the pages' stylesheet, which hold no data, and signed
links, which name their requester themselves.
"""

_FORMS: Final = (pages.PAGES,)
"""Paths of pages whose forms have a CSRF token."""


def create_app(
    sign_in: SignIn,
    *,
    settings: Callable[[], Settings],
    database_url: Callable[[], str],
    most_connections: int = MOST_CONNECTIONS,
) -> FastAPI:
    """Returns the app; `sign_in` identifies callers.

    Reads and opens nothing before it is started: `settings` and `database_url` are called then.
    """
    database = Database(database_url, most_connections=most_connections)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.settings = settings()
        app.state.public_url = app.state.settings.public_base_url
        app.state.service = ReportService(app.state.settings, url=database_url())
        database.open()
        try:
            yield
        finally:
            database.close()

    app = FastAPI(
        title="Pramaan",
        version="1",
        description="Course-completion certificates: asserted, issued, explained, revoked.",
        lifespan=lifespan,
        # A redirect would send a caller, with its token, to an address built from the request's Host header.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(SetSecurityHeaders),
            Middleware(HandleErrors, respond=pages.error_page),
            Middleware(LimitBodySize),
            Middleware(RequireSignIn, sign_in=sign_in, public=_PUBLIC, forms=_FORMS),
        ],
    )
    app.state.database = database
    handle_problems(app, respond=pages.error_page)
    for part in (
        courses,
        previews,
        issuers,
        templates,
        people,
        certificates,
        labels,
        reports,
        quality,
        pages,
    ):
        app.include_router(part.router)
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]
    return app


def _description(app: FastAPI) -> dict[str, Any]:
    """Returns the OpenAPI document, with what the framework does not add itself: problems and bearer
    tokens.
    """
    if app.openapi_schema is None:
        description = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = description.setdefault("components", {})
        reference = "#/components/schemas/{model}"
        parts.setdefault("schemas", {}).update(
            {
                "FieldProblem": FieldProblem.model_json_schema(),
                "Problem": Problem.model_json_schema(ref_template=reference) | {"$defs": {}},
            }
        )
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        description["security"] = [{"token": []}]
        app.openapi_schema = description
    return app.openapi_schema
