"""The pages for people who assert certificates or ask for reports, and do not speak HTTP: `/certificates`.

Plain HTML from the server, without a line of JavaScript: it works in a frame that may do little, and on an
old telephone. What a page changes goes through the same doors, roles and registry functions as the API.

routes      courses, assertions, issuers, reports
context        who is at the page, and what it is made with
forms       what a form may say, and the proof of where it comes from
views       what a page shows, as records
texts       what is said for a code
render      records to HTML, in the reader's language
errors    what a page says when it says no
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
