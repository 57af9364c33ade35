"""The pages of issuers: the list, an issuer with its signature, and adding and changing one."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from pramaan.errors import PramaanError
from pramaan.registry import issuers as registry
from pramaan.registry.issuers import Issuer, IssuerVersion
from pramaan.signatures.images import check_signature
from pramaan.web.access import READERS, accessible_issuer
from pramaan.web.issuers import issuer_of
from pramaan.web.pages.context import PageContext, PageContextDep
from pramaan.web.pages.error_pages import ErrorNotice
from pramaan.web.pages.forms import IssuerForm
from pramaan.web.pages.page_renderer import PAGES
from pramaan.web.pages.views import IssuersView, IssuerView, done_text
from pramaan.web.problems import ProblemError, as_problem, not_found
from pramaan.web.request_models import IdInPath

if TYPE_CHECKING:
    from pramaan.database.connect import Connection

__all__ = ["router"]

router = APIRouter(prefix=f"{PAGES}/issuers", include_in_schema=False)

FormDep = Annotated[IssuerForm, Depends()]


@router.get("")
def issuers(context: PageContextDep, done: str = "") -> HTMLResponse:
    """The issuers of the reader's tenants, and the form to add one."""
    with context.database.connection() as connection:
        return _issuers_page(context, connection, done=done_text(done))


@router.post("")
def add_issuer(context: PageContextDep, form: FormDep) -> Response:
    """Add an issuer, with its signature if a file was chosen, as one version."""
    context.caller.require_anywhere("badge_creator")
    try:
        context.csrf_tokens.require("issuer", form.csrf_token)
        details = form.new_issuer()
        if not context.caller.may(*READERS, tenant_id=details.tenant_id):
            raise not_found("tenant", details.tenant_id)
        context.caller.require("badge_creator", tenant_id=details.tenant_id)
        issuer = _signed(issuer_of(details, issuer_id=details.id, tenant_id=details.tenant_id), form)
        with context.database.connection() as connection:
            registry.add_issuer(connection, issuer, by=context.caller.actor("page"))
    except (ProblemError, PramaanError) as error:
        with context.database.connection() as connection:
            return _issuers_page(context, connection, form=form, error=error)
    return context.done("issuer_added", "issuers", details.id)


@router.get("/{issuer_id}")
def issuer(context: PageContextDep, issuer_id: IdInPath, done: str = "") -> HTMLResponse:
    """An issuer, and the form to change it."""
    with context.database.connection() as connection:
        known = accessible_issuer(connection, issuer_id, caller=context.caller)
    return _issuer_page(context, known, done=done_text(done))


@router.post("/{issuer_id}")
def change_issuer(context: PageContextDep, issuer_id: IdInPath, form: FormDep) -> Response:
    """Change the details and the signature that the page showed, as one version."""
    with context.database.connection() as connection:
        known = accessible_issuer(connection, issuer_id, caller=context.caller)
    context.caller.require("badge_creator", tenant_id=known.tenant_id)
    expected = int(form.seen) if re.fullmatch("[0-9]{1,9}", form.seen) else 0
    try:
        context.csrf_tokens.require("issuer", form.csrf_token)
        issuer = _signed(issuer_of(form.details(), issuer_id=issuer_id, tenant_id=known.tenant_id), form)
        with context.database.connection() as connection:
            by = context.caller.actor("page")
            after = registry.update_issuer(connection, issuer, by=by, expected_version=expected)
    except (ProblemError, PramaanError) as error:
        with context.database.connection() as connection:
            now = accessible_issuer(connection, issuer_id, caller=context.caller)
        return _issuer_page(context, now, form=form, error=error)
    is_same = after.version == known.version
    return context.done("unchanged" if is_same else "issuer_changed", "issuers", issuer_id)


def _signed(issuer: Issuer, form: IssuerForm) -> Issuer:
    """Returns the issuer with the chosen signature image, if any. Checking it may take seconds; no connection
    is held meanwhile.
    """
    content = form.image()
    if content is None:
        return issuer
    return replace(issuer, signature=check_signature(content))


def _issuers_page(
    context: PageContext,
    connection: "Connection",
    *,
    form: IssuerForm | None = None,
    error: Exception | None = None,
    done: str | None = None,
) -> HTMLResponse:
    tenants = context.caller.tenants("badge_creator")
    problem = as_problem(error) if error else None
    view = IssuersView(
        issuers=registry.list_issuers(connection, tenants=context.caller.tenants(*READERS)),
        may_add=tenants != [],
        tenants=tenants,
        form=form or IssuerForm(),
        csrf_token=context.csrf_tokens.csrf_token("issuer"),
        error_notice=ErrorNotice.of(problem) if problem else None,
        done=done,
    )
    return context.renderer.page(
        "issuers.html", view, here=("issuers",), status=problem.status if problem else 200
    )


def _issuer_page(
    context: PageContext,
    known: IssuerVersion,
    *,
    form: IssuerForm | None = None,
    error: Exception | None = None,
    done: str | None = None,
) -> HTMLResponse:
    problem = as_problem(error) if error else None
    view = IssuerView(
        issuer=known,
        may_change=context.caller.may("badge_creator", tenant_id=known.tenant_id),
        form=form or IssuerForm.of(known),
        csrf_token=context.csrf_tokens.csrf_token("issuer"),
        error_notice=ErrorNotice.of(problem) if problem else None,
        done=done,
    )
    status = problem.status if problem else 200
    return context.renderer.page("issuer.html", view, here=("issuers", known.issuer_id), status=status)
