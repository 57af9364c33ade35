"""Request models: every text is free of control characters and has a maximum length."""

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
    """A JSON object without unknown fields: a misspelt field is refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CriteriaBody(RequestBody):
    """Conditions for earning the certificate beyond completion. A criterion that is left out, or null, is not
    checked.
    """

    recipient_tenants: Tenants | None = None
    minimum_score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None

    def criteria(self) -> Criteria:
        """Returns the registry's form of the criteria."""
        return Criteria(tuple(self.recipient_tenants or ()), self.minimum_score)


class NewAttachment(RequestBody):
    """The certificate to assert to a course."""

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
    """A certificate that might be asserted; template and issuer have no effect on who gets it."""

    template_id: Id | None = None
    issuer_id: Id | None = None
    criteria: CriteriaBody = CriteriaBody()


class Signatory(RequestBody):
    """The person who signs the certificate."""

    name: Text
    designation: Text | None = None


class IssuerDetails(RequestBody):
    """The details of an issuer; fields that are left out become empty."""

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
    """The reason for an action."""

    reason: Annotated[str, _REASON]


class NewReport(RequestBody):
    """The requested report."""

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
