"""Issuers and their signatures: `/v1/issuers`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from pramaan.registry import issuers as registry
from pramaan.registry.issuers import Issuer, IssuerVersion
from pramaan.signatures.images import MAX_SIGNATURE_BYTES, check_signature, image_type
from pramaan.web.access import READERS, accessible_issuer
from pramaan.web.callers import CallerDep
from pramaan.web.database import DatabaseDep
from pramaan.web.problems import ProblemError, not_found, problem_responses
from pramaan.web.request_models import IdInPath, IssuerDetails, NewIssuer, Signatory

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/issuers", tags=["issuers"], responses=problem_responses(401, 403, 404, 422, 503)
)


class SignatureBody(BaseModel):
    """The current signature image, by its content hash."""

    sha256: str
    url: str


class IssuerBody(BaseModel):
    """An issuer in its current version."""

    issuer_id: str
    id: str = Field(description="The same as `issuer_id`, as it is called where an issuer is handed in.")
    tenant_id: str
    version: int
    valid_from: datetime
    name: str
    url: str | None
    email: str | None
    signatory: Signatory | None
    signature: SignatureBody | None


class IssuersBody(BaseModel):
    """Issuers, by id."""

    issuers: list[IssuerBody]


def issuer_of(details: IssuerDetails, *, issuer_id: str, tenant_id: str) -> Issuer:
    """Returns the registry's record of the sent details. Raises RegistryError `invalid_issuer`."""
    return Issuer(
        issuer_id=issuer_id,
        tenant_id=tenant_id,
        name=details.name,
        url=details.url,
        email=details.email,
        signatory_name=details.signatory.name if details.signatory else None,
        signatory_designation=details.signatory.designation if details.signatory else None,
    )


@router.get("")
def issuers(caller: CallerDep, database: DatabaseDep, request: Request) -> IssuersBody:
    """The issuers of the caller's tenants."""
    with database.connection() as connection:
        found = registry.list_issuers(connection, tenants=caller.tenants(*READERS))
    return IssuersBody(issuers=[_body(one, request) for one in found])


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
def add_issuer(body: NewIssuer, caller: CallerDep, database: DatabaseDep, request: Request) -> IssuerBody:
    """Add an issuer to a tenant."""
    if not caller.may(*READERS, tenant_id=body.tenant_id):
        raise not_found("tenant", body.tenant_id)
    caller.require("badge_creator", tenant_id=body.tenant_id)
    issuer = issuer_of(body, issuer_id=body.id, tenant_id=body.tenant_id)
    with database.connection() as connection:
        return _body(registry.add_issuer(connection, issuer, by=caller.actor("api")), request)


@router.get("/{issuer_id}")
def issuer(issuer_id: IdInPath, caller: CallerDep, database: DatabaseDep, request: Request) -> IssuerBody:
    """An issuer in its current version."""
    with database.connection() as connection:
        return _body(accessible_issuer(connection, issuer_id, caller=caller), request)


@router.put("/{issuer_id}", responses=problem_responses(400, 409, 413, 415))
def update_issuer(
    issuer_id: IdInPath, body: IssuerDetails, caller: CallerDep, database: DatabaseDep, request: Request
) -> IssuerBody:
    """Record an issuer's new details, which apply to completions from now on.

    The signature stays, unless another signatory is named.
    """
    with database.connection() as connection:
        known = accessible_issuer(connection, issuer_id, caller=caller)
        caller.require("badge_creator", tenant_id=known.tenant_id)
        changed = issuer_of(body, issuer_id=issuer_id, tenant_id=known.tenant_id)
        return _body(registry.update_issuer(connection, changed, by=caller.actor("api")), request)


async def _sent_image(request: Request) -> bytes:
    """Returns the body, after checking that it is of its declared content type."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared not in _IMAGE_TYPES:
        raise ProblemError(415, "unsupported_media_type", f"send one of {', '.join(_IMAGE_TYPES)}")
    content = await request.body()
    if len(content) <= MAX_SIGNATURE_BYTES and image_type(content) != declared:
        raise ProblemError(415, "signature_not_an_image", f"the body is not {declared}")
    return content


_IMAGE_TYPES = ("image/png", "image/jpeg", "image/svg+xml")
_IMAGE = {"schema": {"type": "string", "format": "binary", "maxLength": MAX_SIGNATURE_BYTES}}


@router.put(
    "/{issuer_id}/signature",
    responses=problem_responses(400, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": dict.fromkeys(_IMAGE_TYPES, _IMAGE),
        }
    },
)
def set_signature(
    issuer_id: IdInPath,
    caller: CallerDep,
    database: DatabaseDep,
    request: Request,
    image: Annotated[bytes, Depends(_sent_image)],
) -> IssuerBody:
    """Replace an issuer's signature image (PNG, JPEG or SVG), which applies to completions from now on."""
    with database.connection() as connection:
        known = accessible_issuer(connection, issuer_id, caller=caller)
    caller.require("badge_creator", tenant_id=known.tenant_id)
    # Checking may take seconds; no connection is held meanwhile.
    checked = check_signature(image)
    with database.connection() as connection:
        return _body(registry.set_signature(connection, issuer_id, checked, by=caller.actor("api")), request)


@router.get("/{issuer_id}/signature", response_class=Response)
def signature(issuer_id: IdInPath, caller: CallerDep, database: DatabaseDep) -> Response:
    """The current signature image."""
    with database.connection() as connection:
        known = accessible_issuer(connection, issuer_id, caller=caller)
        if known.signature_sha256 is None:
            raise not_found("signature", issuer_id)
        media_type, content = registry.signature_image(connection, known.signature_sha256)
    return Response(content, media_type=media_type)


def _body(version: IssuerVersion, request: Request) -> IssuerBody:
    signatory = version.signatory_name and Signatory(
        name=version.signatory_name, designation=version.signatory_designation
    )
    url = f"{request.app.state.public_url}/v1/issuers/{version.issuer_id}/signature"
    return IssuerBody(
        issuer_id=version.issuer_id,
        id=version.issuer_id,
        tenant_id=version.tenant_id,
        version=version.version,
        valid_from=version.valid_from,
        name=version.name,
        url=version.url,
        email=version.email,
        signatory=signatory or None,
        signature=SignatureBody(sha256=version.signature_sha256, url=url)
        if version.signature_sha256
        else None,
    )
