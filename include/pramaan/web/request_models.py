"""What callers send, as types: every text is free of control characters and has a bound."""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from pramaan.registry.attachments import Criteria

__all__ = [
    "AttachmentPreviewBody",
    "CriteriaBody",
    "Id",
    "IdInPath",
    "IdInQuery",
    "IssuerDetails",
    "NewAttachment",
    "NewIssuer",
    "NewReport",
    "Reason",
    "RequestBody",
    "Signatory",
    "Text",
]

_CLEAN = r"^[^\x00-\x1f\x7f]*$"
_REASON = StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_CLEAN)

Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_CLEAN)]
IdInPath = Annotated[Id, Path()]
IdInQuery = Annotated[Id, Query()]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_CLEAN)]


def _without_repeats(tenants: list[str]) -> list[str]:
    if len(set(tenants)) != len(tenants):
        raise ValueError("names a tenant twice")
    return tenants


Tenants = Annotated[
    list[Id],
    Field(min_length=1, max_length=1000, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_without_repeats),
]


class RequestBody(BaseModel):
    """A JSON object of which every field is known: a misspelt one is refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CriteriaBody(RequestBody):
    """Who may earn it, beyond completing. A criterion that is left out, or null, asks for nothing."""

    recipient_tenants: Tenants | None = None
    minimum_score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None

    def criteria(self) -> Criteria:
        """As the registry takes them."""
        return Criteria(tuple(self.recipient_tenants or ()), self.minimum_score)


class NewAttachment(RequestBody):
    """The certificate that is asserted to a course."""

    template_id: Id
    issuer_id: Id
    criteria: CriteriaBody = CriteriaBody()
    notify_recipients: Annotated[
        bool | None,
        Field(
            description="Send each recipient a short mail on issue. Left out, or null: no; when a "
            "certificate is replaced: as before."
        ),
    ] = None


class AttachmentPreviewBody(RequestBody):
    """A certificate that might be asserted; template and issuer decide nothing about who gets it."""

    template_id: Id | None = None
    issuer_id: Id | None = None
    criteria: CriteriaBody = CriteriaBody()


class Signatory(RequestBody):
    """Who signs."""

    name: Text
    designation: Text | None = None


class IssuerDetails(RequestBody):
    """The details of an issuer; what is left out is empty from now on."""

    name: Text
    url: Text | None = None
    email: Text | None = None
    signatory: Signatory | None = None


class NewIssuer(IssuerDetails):
    """A new issuer of a tenant."""

    id: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"),
        Field(validation_alias=AliasChoices("id", "issuer_id")),
    ]
    tenant_id: Id


class Reason(RequestBody):
    """Why something is done."""

    reason: Annotated[str, _REASON]


class NewReport(RequestBody):
    """The report that is asked for."""

    format: Literal["csv", "xlsx"]
    email: Annotated[
        str | None,
        Field(
            max_length=1000,
            repr=False,
            description="Where it goes; left out: to the requester's own address.",
        ),
    ] = None
    language: Annotated[
        str | None,
        Field(max_length=100, description="Of headers and mail; left out: as `Accept-Language` asks."),
    ] = None
    password: Annotated[
        str | None,
        Field(
            max_length=1000, repr=False, description="8 to 128 characters; makes the file an encrypted zip."
        ),
    ] = None
