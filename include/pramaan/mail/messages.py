"""Mails as people read them: a kind of mail and its content -> subject, text and HTML.

A kind is a record of its fields here and a folder of its name under `templates/mail` with `subject.txt`,
`mail.txt` and `mail.html`. To add one, add both; the templates see the fields as `mail`, the published
address as `public_url`, and `language`. Texts are marked for the catalogues as in every other template.

No field can add a header, an address or a line: each is a single line by the time it is in the record.
"""

import unicodedata
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pramaan.localisation import localise, negotiate
from pramaan.mail.addresses import Sender, is_sendable
from pramaan.mail.ledger import Claimed, Mail
from pramaan.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "CertificateIssued", "Content", "HeldCourse", "HoldNotice", "compose"]

_TEMPLATES: Final = PROJECT_ROOT / "templates" / "mail"
_LONGEST_LINE: Final = 998
"""Characters, without the line's end: RFC 5322, 2.1.1."""

_LEFT_OUT: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that turn the direction of what comes after; joiners, which Indic scripts need, are none of them."""


def single_line(text: str) -> str:
    """A text without line breaks, control characters, unpaired surrogates and turns of direction."""
    kept = (
        " " if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} else one
        for one in text
        if one not in _LEFT_OUT
    )
    return " ".join("".join(kept).split())[:_LONGEST_LINE]


Line = Annotated[str, AfterValidator(single_line), Field(min_length=1)]


class Content(BaseModel):
    """The fields of a kind of mail, as the ledger keeps them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]

    def mail(self, *, subject_key: str, recipients: "Sequence[str]", language: str = "en") -> Mail:
        """As a mail to be queued. Raises ValueError for recipients that cannot be written to."""
        return Mail(
            kind=self.kind,
            subject_key=subject_key,
            recipients=tuple(recipients),
            language=language,
            content=self.model_dump(mode="json"),
        )

    @property
    def answers_to(self) -> str | None:
        """Who gets the answer, when it is not the sender."""
        return None


class CertificateIssued(Content):
    """To a teacher: your certificate is there."""

    kind: ClassVar[str] = "certificate_issued"

    recipient_name: Line
    course_name: Line
    issuer_name: Line
    issuer_email: str | None = None
    certificate_id: Line

    @property
    def answers_to(self) -> str | None:
        """The issuer: a machine reads no answers."""
        return self.issuer_email if self.issuer_email and is_sendable(self.issuer_email) else None


class HeldCourse(BaseModel):
    """A course that the gate holds back, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    course_id: Line
    rule: Line
    why: Line
    candidates: int


class HoldNotice(Content):
    """To the implementation team, in English: certificates are held until somebody decides."""

    kind: ClassVar[str] = "hold_notice"

    hold_id: int
    held: Annotated[tuple[HeldCourse, ...], Field(min_length=1)]
    approval_url: Line

    @property
    def candidates(self) -> int:
        """How many certificates are held in all."""
        return sum(one.candidates for one in self.held)


KINDS: Final[Mapping[str, type[Content]]] = MappingProxyType(
    {kind.kind: kind for kind in (CertificateIssued, HoldNotice)}
)
"""Every kind of mail, by its name."""


def compose(claimed: Claimed, *, sender: Sender, public_url: str) -> EmailMessage:
    """The message of a claimed mail, text and HTML; the same mail gives the same bytes.

    Raises KeyError for a kind that is not known, ValueError for content or recipients that cannot be used,
    jinja2.TemplateError when a template asks for what there is not.
    """
    content = KINDS[claimed.kind].model_validate(claimed.content)
    language = negotiate(claimed.language)
    parts = _rendered(content, language=language, public_url=public_url)
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(sender.address, name=sender.name)
    message["To"] = [_address(one) for one in claimed.recipients]
    if content.answers_to:
        message["Reply-To"] = _address(content.answers_to)
    message["Subject"] = _header_text(parts["subject.txt"])
    message["Date"] = claimed.queued_at
    message["Message-ID"] = claimed.message_id
    # RFC 3834: so that nobody's absence notice answers.
    message["Auto-Submitted"] = "auto-generated"
    _add_text(message, parts["mail.txt"], "plain")
    _add_text(message, parts["mail.html"], "html")
    # Last, as setting the text clears it.
    message["Content-Language"] = language
    message.set_boundary(f"=_{claimed.message_id.strip('<>').partition('@')[0]}")
    return message


def _add_text(message: EmailMessage, text: str, kind: str) -> None:
    # Never 8bit: not every server takes it.
    encoding = "quoted-printable" if text.isascii() else "base64"
    if kind == "plain":
        message.set_content(text, subtype=kind, cte=encoding)
    else:
        message.add_alternative(text, subtype=kind, cte=encoding)


def _address(address: str, *, name: str = "") -> Address:
    if not is_sendable(address):
        raise ValueError("an address that no server could be asked to take mail for")
    local_part, _, host = address.rpartition("@")
    return Address(_header_text(name), local_part, host)


def _header_text(text: str) -> str:
    """A text for a header; what looks encoded (RFC 2047) is not, and no reader is to decode it."""
    return single_line(text).replace("=?", "= ?")


def _rendered(content: Content, *, language: str, public_url: str) -> dict[str, str]:
    environment = _environment(language)
    fields = {"mail": content, "public_url": public_url}
    return {
        name: environment.get_template(f"{content.kind}/{name}").render(fields).strip() + "\n"
        for name in ("subject.txt", "mail.txt", "mail.html")
    }


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["bdi"] = _bdi
    localise(environment, language)
    return environment


def _bdi(text: Any) -> Markup:
    """A name within a sentence of HTML, whichever way it is written."""
    return Markup("<bdi>{}</bdi>").format(text)
