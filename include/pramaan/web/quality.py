"""Data Docs, for engineers: the pages that `pramaan.quality` wrote in the home, served to admins: `/quality`.

The folder must be accessible to this server: shared, where the checks run on another machine.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from pramaan.quality.docs import EMPTY_PAGE, is_page
from pramaan.web.callers import Caller, CallerDep
from pramaan.web.problems import not_found, problem_responses

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["router"]

_INDEX: Final = "index.html"
_MEDIA_TYPES: Final = {".html": "text/html", ".css": "text/css"}
_HEADERS: Final = {
    # Pages without scripts; Great Expectations' views set styles on elements.
    "content-security-policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'none'; "
    "frame-ancestors 'self'; base-uri 'none'",
}

router = APIRouter(tags=["quality"], responses=problem_responses(401, 404, 503))


@router.get("/quality", include_in_schema=False)
def quality(request: Request, caller: CallerDep) -> Response:
    """Redirect to the index, to which the pages' links are relative."""
    _require_admin(caller, "quality")
    return RedirectResponse(f"{request.scope.get('root_path', '')}/quality/", status_code=307)


@router.get(
    "/quality/{page:path}",
    response_class=Response,
    responses={200: {"content": {"text/html": {}, "text/css": {}}, "description": "A page of Data Docs"}},
)
def quality_page(page: str, caller: CallerDep, request: Request) -> Response:
    """The results of the checks of loads: `index.html`, and a page per load."""
    _require_admin(caller, page)
    name = page or _INDEX
    if not is_page(name):
        raise not_found("page", page)
    settings: Settings = request.app.state.settings
    path = settings.quality_docs / name
    try:
        content = path.read_bytes()
    except OSError:
        if name != _INDEX:
            raise not_found("page", page) from None
        content = EMPTY_PAGE.encode()
    return Response(content, media_type=_MEDIA_TYPES[Path(name).suffix], headers=_HEADERS)


def _require_admin(caller: Caller, page: str) -> None:
    """Raises ProblemError 404 `page_not_found` for a caller who is an admin in no tenant."""
    if caller.tenants() == []:
        raise not_found("page", page)
