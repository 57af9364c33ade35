"""Forms: their CSRF tokens, and the validation of their fields.

A browser sends its cookies along with requests that another site triggers, so a cookie alone proves nothing.
Every form carries a CSRF token that only one of our pages could have given to this user; and a browser that
names the origin of a form must name this site.
"""

import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from fastapi import File, Form, UploadFile
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ValidationError

from pramaan.errors import SettingsError
from pramaan.reports.requests import ReportSpec
from pramaan.reports.schedules import Cadence
from pramaan.web.problems import FieldProblem, ProblemError
from pramaan.web.request_models import IssuerDetails, NewAttachment, NewIssuer, NewReport

if TYPE_CHECKING:
    from starlette.requests import Request

    from pramaan.registry.attachments import Attachment
    from pramaan.registry.issuers import IssuerVersion
    from pramaan.settings import Settings

__all__ = [
    "CertificateForm",
    "CsrfTokens",
    "IssuerForm",
    "Purpose",
    "RemovalForm",
    "ReportForm",
    "clean",
    "require_same_site",
]

Purpose = Literal["certificate", "removal", "issuer", "report", "schedule"]

Body = TypeVar("Body", bound=BaseModel)

_VALID_SECONDS: Final = 4 * 60 * 60
_LONGEST_SEARCH: Final = 200


@dataclass(frozen=True, slots=True)
class CsrfTokens:
    """Makes and checks the CSRF tokens of one user, with this home's key."""

    settings: "Settings"
    username: str

    def csrf_token(self, purpose: Purpose) -> str:
        """Returns a CSRF token for a form, valid for four hours."""
        return self._serializer(purpose).dumps(self.username)

    def require(self, purpose: Purpose, csrf_token: str) -> None:
        """Raises ProblemError 403 `form_expired` unless the token was made for this user and purpose, and is
        not expired.
        """
        try:
            given_to = self._serializer(purpose).loads(csrf_token, max_age=_VALID_SECONDS)
        except BadData:
            given_to = None
        if given_to != self.username:
            raise ProblemError(403, "form_expired", "the form was open too long; load the page again")

    def _serializer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            _key(self.settings.secrets / "form_token.key"), salt=f"pramaan.pages.{purpose}"
        )


def require_same_site(request: "Request") -> None:
    """Refuse a request that, according to the browser, another site triggered.

    Behind a proxy, the address that people see is in `Host`, or is the published one. Raises ProblemError 403
    `form_not_trusted`.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", "").lower(), urlsplit(request.app.state.public_url).netloc.lower()}
    if site not in {None, "same-origin"} or (origin is not None and _host(origin) not in ours - {""}):
        raise ProblemError(403, "form_not_trusted", "the form comes from another site; nothing was changed")


@dataclass(frozen=True, slots=True)
class CertificateForm:
    """The entered certificate; `seen` is the attachment that was in force on the page."""

    csrf_token: Annotated[str, Form()] = ""
    seen: Annotated[str, Form()] = ""
    template_id: Annotated[str, Form()] = ""
    issuer_id: Annotated[str, Form()] = ""
    recipient_tenants: Annotated[str, Form()] = ""
    minimum_score: Annotated[str, Form()] = ""
    notify_recipients: Annotated[str, Form()] = ""

    @classmethod
    def of(cls, attachment: "Attachment | None") -> "CertificateForm":
        """Returns the form with the certificate in force."""
        if attachment is None:
            return cls()
        tenants = attachment.criteria.get("recipient_tenants") or []
        score = attachment.criteria.get("minimum_score")
        return cls(
            seen=str(attachment.attachment_id),
            template_id=attachment.template_id,
            issuer_id=attachment.issuer_id,
            recipient_tenants="\n".join(tenants) if isinstance(tenants, list) else "",
            minimum_score="" if score is None else str(score).removesuffix(".0"),
            notify_recipients="yes" if attachment.notify_recipients else "",
        )

    def assertion(self) -> NewAttachment:
        """Returns the entered certificate. Raises ProblemError 422 `invalid_request` naming the fields."""
        lines = (line.strip() for line in self.recipient_tenants.splitlines())
        tenants = list(dict.fromkeys(line for line in lines if line))
        criteria = {"recipient_tenants": tenants or None, "minimum_score": _number(self.minimum_score)}
        values = {"template_id": self.template_id, "issuer_id": self.issuer_id, "criteria": criteria}
        # Browsers do not send an unticked box.
        return _checked(NewAttachment, {**values, "notify_recipients": self.notify_recipients == "yes"})


@dataclass(frozen=True, slots=True)
class RemovalForm:
    """The removal of the certificate that the page showed (`seen`)."""

    csrf_token: Annotated[str, Form()] = ""
    seen: Annotated[str, Form()] = ""


@dataclass(frozen=True, slots=True)
class IssuerForm:
    """The entered issuer; `seen` is the version that the page showed, if any."""

    csrf_token: Annotated[str, Form()] = ""
    seen: Annotated[str, Form()] = ""
    id: Annotated[str, Form()] = ""
    tenant_id: Annotated[str, Form()] = ""
    name: Annotated[str, Form()] = ""
    url: Annotated[str, Form()] = ""
    email: Annotated[str, Form()] = ""
    signatory_name: Annotated[str, Form()] = ""
    signatory_designation: Annotated[str, Form()] = ""
    signature: Annotated[UploadFile | None, File()] = None

    @classmethod
    def of(cls, version: "IssuerVersion") -> "IssuerForm":
        """Returns the form with the details in force."""
        return cls(
            seen=str(version.version),
            id=version.issuer_id,
            tenant_id=version.tenant_id,
            name=version.name,
            url=version.url or "",
            email=version.email or "",
            signatory_name=version.signatory_name or "",
            signatory_designation=version.signatory_designation or "",
        )

    def new_issuer(self) -> NewIssuer:
        """Returns the issuer to add. Raises ProblemError 422 `invalid_request` naming the fields."""
        return _checked(NewIssuer, {"id": self.id.strip(), "tenant_id": self.tenant_id, **self._details()})

    def details(self) -> IssuerDetails:
        """Returns an issuer's new details. Raises ProblemError 422 `invalid_request` naming the fields."""
        return _checked(IssuerDetails, self._details())

    def image(self) -> bytes | None:
        """Returns the content of the chosen image file, if any."""
        return (self.signature.file.read() or None) if self.signature else None

    def _details(self) -> dict[str, Any]:
        signatory = {
            "name": self.signatory_name,
            "designation": self.signatory_designation.strip() or None,
        }
        return {
            "name": self.name,
            "url": self.url.strip() or None,
            "email": self.email.strip() or None,
            "signatory": signatory if any(text.strip() for text in signatory.values() if text) else None,
        }


@dataclass(frozen=True, slots=True)
class ReportForm:
    """The entered report; `q` is the text that the batches were searched for."""

    csrf_token: Annotated[str, Form()] = ""
    q: Annotated[str, Form()] = ""
    batch_id: Annotated[str, Form()] = ""
    format: Annotated[str, Form()] = "xlsx"
    when: Annotated[str, Form()] = "now"
    email: Annotated[str, Form()] = field(default="", repr=False)
    password: Annotated[str, Form()] = field(default="", repr=False)

    def wanted(self, *, language: str) -> ReportSpec:
        """Returns the requested report. Raises ProblemError 422 `invalid_request` naming the fields."""
        values = {
            "format": self.format,
            "email": self.email.strip() or None,
            "language": language,
            "password": self.password or None,
        }
        return ReportSpec(**_checked(NewReport, values).model_dump(), batch_id=self.batch_id)

    def cadence(self) -> Cadence | None:
        """Returns how often it is requested; None: once, now. Raises ProblemError 422 `invalid_request`."""
        values = {"when": None if self.when == "now" else self.when}
        return _checked(_Repetition, values).when


class _Repetition(BaseModel):
    when: Cadence | None


def clean(text: str) -> str:
    """Returns a search text without control characters: Postgres text cannot hold NUL."""
    return "".join(one for one in text if unicodedata.category(one) != "Cc").strip()[:_LONGEST_SEARCH]


def _number(text: str) -> float | None:
    """Returns the entered number; NaN for a text that is not a number, which no field accepts."""
    try:
        return float(text) if text.strip() else None
    except ValueError:
        return float("nan")


def _checked(kind: type[Body], values: dict[str, Any]) -> Body:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        errors = [FieldProblem(field=_field(one["loc"]), message=one["msg"]) for one in error.errors()]
        names = ", ".join(dict.fromkeys(one.field for one in errors))
        raise ProblemError(422, "invalid_request", f"cannot be used: {names}", errors=errors) from error


def _field(location: tuple[int | str, ...]) -> str:
    """Returns the form's field for a place in the request model: `criteria.minimum_score` is
    `minimum_score`.
    """
    match location:
        case ("criteria", str(name), *_):
            return name
        case ("signatory", str(name), *_):
            return f"signatory_{name}"
        case _:
            return str(location[0])


def _host(origin: str) -> str:
    """Returns the host and port of an `Origin`; empty for `null` and for an unparsable one."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


@lru_cache(maxsize=8)
def _key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; `pramaan prepare` makes it") from error
