"""The pages for people who assert certificates or request reports, and do not use the API: `/certificates`.

Plain HTML from the server, without JavaScript: it works in a restricted frame, and on an old telephone. What
a page changes goes through the same middleware, roles and registry functions as the API.

routes         courses, attachments, issuers, reports
context        the page context: the caller, and the objects that a route needs
forms          the fields of a form, and its CSRF token
views          what a page shows, as records
texts          the text for each code
page_renderer  views to HTML, in the reader's language
error_pages    the page for an error
"""

from fastapi import APIRouter

from pramaan.web.pages.attachments import router as attachments
from pramaan.web.pages.courses import router as courses
from pramaan.web.pages.error_pages import error_page
from pramaan.web.pages.issuers import router as issuers
from pramaan.web.pages.page_renderer import PAGES, STYLESHEET, stylesheet
from pramaan.web.pages.reports import router as reports

__all__ = ["PAGES", "STYLESHEET", "error_page", "router"]

router = APIRouter()
router.add_api_route(STYLESHEET, stylesheet, include_in_schema=False)
router.include_router(courses)
router.include_router(attachments)
router.include_router(issuers)
router.include_router(reports)
