"""Error pages: how a page shows an error, beside the entered form where there is one, else on a page of its
own.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pramaan.settings import PREFIX
from pramaan.web.pages.page_renderer import PAGES, PageRenderer
from pramaan.web.pages.texts import ERROR_TEXTS, FIELD_OF_CODE, FIELDS, UNEXPECTED
from pramaan.web.reports import LINKS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pramaan.web.problems import ProblemError

__all__ = ["NO_ROLE", "ErrorNotice", "error_page"]

NO_ROLE: Final = "no_role"
"""The code for a signed-in user who has no role at all."""

_NAMES_DETAIL: Final = frozenset({"invalid_issuer", "issuer_unprintable"})
"""Codes whose message begins with the field that it is about."""


@dataclass(frozen=True, slots=True)
class ErrorNotice:
    """An error in words, the fields that it is about, and the code to quote when asking for help."""

    code: str
    text: str
    detail: str
    fields: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: "ProblemError") -> "ErrorNotice":
        """Returns the notice for a problem."""
        named = [one.field for one in problem.errors]
        if problem.code in _NAMES_DETAIL:
            named.append(problem.detail.partition(":")[0].replace(".", "_"))
        if problem.code in FIELD_OF_CODE:
            named.append(FIELD_OF_CODE[problem.code])
        return cls(
            code=problem.code,
            text=ERROR_TEXTS.get(problem.code, UNEXPECTED),
            detail=problem.detail,
            fields={name: FIELDS[name] for name in named if name in FIELDS},
        )


@dataclass(frozen=True, slots=True)
class ErrorView:
    """A page that shows only an error; `section` is the section of the site that it belongs to, if any."""

    error_notice: ErrorNotice
    sign_in: str
    section: str


def error_page(request: "Request", problem: "ProblemError") -> "Response":
    """Returns a page to a browser that accepts one, the problem document to all other callers."""
    root = str(request.scope.get("root_path", ""))
    path = str(request.scope["path"]).removeprefix(root)
    is_page = any(path == one or path.startswith(f"{one}/") for one in (PAGES, LINKS))
    if not is_page or "text/html" not in request.headers.get("accept", ""):
        return problem.response()
    template = {401: "sign_in.html", 403: "no_role.html" if problem.code == NO_ROLE else "error.html"}
    back = path if request.method == "GET" else PAGES
    is_of_reports = path.startswith((LINKS, f"{PAGES}/reports"))
    view = ErrorView(
        ErrorNotice.of(problem), sign_in=_sign_in(root, back), section="reports" if is_of_reports else ""
    )
    page = PageRenderer.of(request).page(
        template.get(problem.status, "error.html"), view, status=problem.status
    )
    page.headers.update(problem.headers)
    return page


def _sign_in(root: str, path: str) -> str:
    """Returns the address of Airflow's sign-in page, which then leads back to this path."""
    server = root.removesuffix(PREFIX)
    return f"{server}/auth/login?next={quote(f'{root}{path}', safe='')}"
