"""The page context: the caller of a page, and the objects that a route needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from pramaan.web.access import READERS, FontsDep
from pramaan.web.callers import Caller, CallerDep
from pramaan.web.database import Database, DatabaseDep
from pramaan.web.pages.error_pages import NO_ROLE
from pramaan.web.pages.forms import CsrfTokens, require_same_site
from pramaan.web.pages.page_renderer import PageRenderer
from pramaan.web.problems import ProblemError

if TYPE_CHECKING:
    from fastapi.responses import RedirectResponse

__all__ = ["PageContext", "PageContextDep"]


@dataclass(frozen=True, slots=True)
class PageContext:
    """A signed-in caller with a role, and what a page is made with."""

    caller: Caller
    database: Database
    renderer: PageRenderer
    csrf_tokens: CsrfTokens
    fonts: Path

    def done(self, what: str, *parts: str) -> "RedirectResponse":
        """Redirect after a change to the page that shows it, which can be reloaded without repeating the
        change.
        """
        from fastapi.responses import RedirectResponse

        return RedirectResponse(self.renderer.link(*parts, done=what), status_code=303)


def page_context_of(
    request: Request, caller: CallerDep, database: DatabaseDep, fonts: FontsDep
) -> PageContext:
    """Returns the page context. Raises ProblemError 403: `no_role`, or `form_not_trusted` for a form sent by
    another site.
    """
    if request.method not in {"GET", "HEAD"}:
        require_same_site(request)
    if caller.tenants(*READERS) == []:
        raise ProblemError(403, NO_ROLE, "you have no role in any tenant; ask your administrator for one")
    renderer = PageRenderer.of(request)
    return PageContext(
        caller, database, renderer, CsrfTokens(request.app.state.settings, caller.username), fonts
    )


PageContextDep = Annotated[PageContext, Depends(page_context_of)]
