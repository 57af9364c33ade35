"""The pages of issuers: the list, an issuer with its signature, and adding and changing one."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from pramaan.errors import PramaanError
from pramaan.registry import issuers as registry
from pramaan.registry.issuers import Issuer, IssuerVersion
from pramaan.registry.signatures import check_signature
from pramaan.web.issuers import issuer_of
from pramaan.web.pages.desk import Desk, DeskDep
from pramaan.web.pages.forms import IssuerForm
from pramaan.web.pages.refusals import Refusal
from pramaan.web.pages.render import PAGES
from pramaan.web.pages.views import IssuersView, IssuerView, done_text
from pramaan.web.problems import ProblemError, as_problem, not_found
from pramaan.web.visible import READERS, visible_issuer
from pramaan.web.words import IdInPath

if TYPE_CHECKING:
    from pramaan.database.connect import Connection

__all__ = ["router"]

router = APIRouter(prefix=f"{PAGES}/issuers", include_in_schema=False)

FormDep = Annotated[IssuerForm, Depends()]


@router.get("")
def issuers(desk: DeskDep, done: str = "") -> HTMLResponse:
    """The issuers of the reader's tenants, and the form to add one."""
    with desk.database.connection() as connection:
        return _issuers_page(desk, connection, done=done_text(done))


@router.post("")
def add_issuer(desk: DeskDep, form: FormDep) -> Response:
    """Add an issuer, with its signature if one was chosen, as one version."""
    desk.caller.require_anywhere("badge_creator")
    try:
        desk.seals.require("issuer", form.seal)
        details = form.new_issuer()
        if not desk.caller.may(*READERS, tenant_id=details.tenant_id):
            raise not_found("tenant", details.tenant_id)
        desk.caller.require("badge_creator", tenant_id=details.tenant_id)
        issuer = _signed(issuer_of(details, issuer_id=details.id, tenant_id=details.tenant_id), form)
        with desk.database.connection() as connection:
            registry.add_issuer(connection, issuer, by=desk.caller.actor("page"))
    except (ProblemError, PramaanError) as error:
        with desk.database.connection() as connection:
            return _issuers_page(desk, connection, form=form, error=error)
    return desk.done("issuer_added", "issuers", details.id)


@router.get("/{issuer_id}")
def issuer(desk: DeskDep, issuer_id: IdInPath, done: str = "") -> HTMLResponse:
    """An issuer, and the form to change it."""
    with desk.database.connection() as connection:
        known = visible_issuer(connection, issuer_id, caller=desk.caller)
    return _issuer_page(desk, known, done=done_text(done))


@router.post("/{issuer_id}")
def change_issuer(desk: DeskDep, issuer_id: IdInPath, form: FormDep) -> Response:
    """Change the details and the signature that were seen, as one version."""
    with desk.database.connection() as connection:
        known = visible_issuer(connection, issuer_id, caller=desk.caller)
    desk.caller.require("badge_creator", tenant_id=known.tenant_id)
    expected = int(form.seen) if re.fullmatch("[0-9]{1,9}", form.seen) else 0
    try:
        desk.seals.require("issuer", form.seal)
        issuer = _signed(issuer_of(form.details(), issuer_id=issuer_id, tenant_id=known.tenant_id), form)
        with desk.database.connection() as connection:
            by = desk.caller.actor("page")
            after = registry.update_issuer(connection, issuer, by=by, expected_version=expected)
    except (ProblemError, PramaanError) as error:
        with desk.database.connection() as connection:
            now = visible_issuer(connection, issuer_id, caller=desk.caller)
        return _issuer_page(desk, now, form=form, error=error)
    is_same = after.version == known.version
    return desk.done("unchanged" if is_same else "issuer_changed", "issuers", issuer_id)


def _signed(issuer: Issuer, form: IssuerForm) -> Issuer:
    """With the picture that was chosen, if any. It may take seconds, for which no connection is held."""
    content = form.image()
    if content is None:
        return issuer
    return replace(issuer, signature=check_signature(content))


def _issuers_page(
    desk: Desk,
    connection: "Connection",
    *,
    form: IssuerForm | None = None,
    error: Exception | None = None,
    done: str | None = None,
) -> HTMLResponse:
    tenants = desk.caller.tenants("badge_creator")
    problem = as_problem(error) if error else None
    view = IssuersView(
        issuers=registry.list_issuers(connection, tenants=desk.caller.tenants(*READERS)),
        may_add=tenants != [],
        tenants=tenants,
        form=form or IssuerForm(),
        seal=desk.seals.seal("issuer"),
        refusal=Refusal.of(problem) if problem else None,
        done=done,
    )
    return desk.frame.page("issuers.html", view, here=("issuers",), status=problem.status if problem else 200)


def _issuer_page(
    desk: Desk,
    known: IssuerVersion,
    *,
    form: IssuerForm | None = None,
    error: Exception | None = None,
    done: str | None = None,
) -> HTMLResponse:
    problem = as_problem(error) if error else None
    view = IssuerView(
        issuer=known,
        may_change=desk.caller.may("badge_creator", tenant_id=known.tenant_id),
        form=form or IssuerForm.of(known),
        seal=desk.seals.seal("issuer"),
        refusal=Refusal.of(problem) if problem else None,
        done=done,
    )
    status = problem.status if problem else 200
    return desk.frame.page("issuer.html", view, here=("issuers", known.issuer_id), status=status)
