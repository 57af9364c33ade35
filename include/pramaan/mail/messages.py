"""Mails as people read them: a kind of mail and its content -> subject, text and HTML.

A kind is a record of its fields here and a folder of its name under `templates/mail` with `subject.txt`,
`mail.txt` and `mail.html`. To add one, add both; the templates see the fields as `mail`, the published
address as `public_url`, `language`, and as `has_files` whether its files come with it. Texts are marked for
the catalogues as in every other template.

No field can add a header, an address or a line: each is a single line by the time it is in the record.
"""

import unicodedata
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from pramaan.localisation import localise, negotiate
from pramaan.mail.addresses import Sender, is_sendable
from pramaan.mail.ledger import Claimed, Mail
from pramaan.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "KINDS",
    "NOTICE_KINDS",
    "REPORT_KINDS",
    "CertificateIssued",
    "Content",
    "HeldCourse",
    "HoldNotice",
    "MailFile",
    "OverdueFeed",
    "ProgressReport",
    "ReportFailed",
    "ReportLate",
    "StaleFeeds",
    "compose",
    "encoded_bytes",
]

_TEMPLATES: Final = PROJECT_ROOT / "templates" / "mail"
_LONGEST_LINE: Final = 998
"""Characters, without the line's end: RFC 5322, 2.1.1."""

_ENCODED_LINE_BYTES: Final = 57
"""Of a file, in a line of 76 characters of base64: RFC 2045, 6.8."""

_KILOBYTE: Final = 1_000
_MEGABYTE: Final = 1_000_000

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


AnyLine = Annotated[str, AfterValidator(single_line)]
Line = Annotated[AnyLine, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file that a mail brings along."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


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

    @property
    def due_by(self) -> datetime | None:
        """By when it was promised, if it was: until then it is tried every minute."""
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


class ProgressReport(Content):
    """To whoever asked for it: the progress report of a batch, attached, or with a link to it.

    What feeds call a batch or a course may be empty by the time it is a line: no reason not to send a report.
    """

    kind: ClassVar[str] = "progress_report"

    request_id: Line
    batch_id: AnyLine
    batch_name: AnyLine
    course_name: AnyLine
    as_of: AwareDatetime
    timezone: Line
    enrolled: int
    in_progress: int
    completed: int
    certificates_issued: int
    downloaded: int
    path: Line
    file_name: Line
    file_bytes: int
    is_encrypted: bool
    link: Line
    link_days: int
    prompt_until: AwareDatetime | None = None

    @property
    def due_by(self) -> datetime | None:
        """Half an hour after the report was asked for, whatever became of it since."""
        return self.prompt_until

    @property
    def zone(self) -> ZoneInfo:
        """Whose calendar the report is in."""
        return ZoneInfo(self.timezone)

    @property
    def link_ends_at(self) -> datetime:
        """Until when the link leads to the file; a moment before it ends."""
        return self.as_of + timedelta(days=self.link_days)


class ReportFailed(Content):
    """To who waits for a report: it will not come, and why, in the language of the mail."""

    kind: ClassVar[str] = "report_failed"

    request_id: Line
    batch_id: AnyLine
    requested_at: AwareDatetime
    timezone: Line
    reason: AnyLine

    @property
    def zone(self) -> ZoneInfo:
        """Whose calendar the report was to be in."""
        return ZoneInfo(self.timezone)


class ReportLate(Content):
    """To the implementation team, in English: a report is not sent twenty (late) or thirty minutes (broken)
    after it was asked for.
    """

    kind: ClassVar[str] = "report_late"

    request_id: Line
    stage: Literal["late", "broken"]
    batch_id: AnyLine
    state: Line
    requested_at: AwareDatetime
    error: AnyLine | None

    @property
    def asked_for_at(self) -> str:
        """When it was asked for, as our logs write instants."""
        return f"{self.requested_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class OverdueFeed(BaseModel):
    """A feed that has not come for longer than it should."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: Line
    loaded_at: AwareDatetime
    days: int
    allowed_days: int
    is_error: bool

    @property
    def came_at(self) -> str:
        """When it last came, as our logs write instants."""
        return f"{self.loaded_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class StaleFeeds(Content):
    """To the implementation team, in English: feeds have stopped coming."""

    kind: ClassVar[str] = "stale_feeds"

    feeds: Annotated[tuple[OverdueFeed, ...], Field(min_length=1)]


_KINDS: Final = (CertificateIssued, HoldNotice, ProgressReport, ReportFailed, ReportLate, StaleFeeds)

KINDS: Final[Mapping[str, type[Content]]] = MappingProxyType({kind.kind: kind for kind in _KINDS})
"""Every kind of mail, by its name."""

REPORT_KINDS: Final = (ProgressReport.kind, ReportFailed.kind, ReportLate.kind)
"""What those send who build reports."""

NOTICE_KINDS: Final = tuple(kind for kind in KINDS if kind != ProgressReport.kind)
"""What needs no file: what those send who issue certificates. They may tell of a late report, too, when
nobody else is there to tell.
"""


def encoded_bytes(file_bytes: int) -> int:
    """How many bytes of a message a file of so many takes."""
    return -(-file_bytes // 3) * 4 + -(-file_bytes // _ENCODED_LINE_BYTES) * len("\r\n")


def compose(claimed: Claimed, *, sender: Sender, public_url: str, files: "Sequence[MailFile]" = ()) -> bytes:
    """The message of a claimed mail, text and HTML, and what it brings along; the same mail gives the same
    bytes. Needs little more memory than they do.

    Raises KeyError for a kind that is not known, ValueError for content or recipients that cannot be used,
    jinja2.TemplateError when a template asks for what there is not.
    """
    content = KINDS[claimed.kind].model_validate(claimed.content)
    language = negotiate(claimed.language)
    parts = _rendered(content, language=language, public_url=public_url, has_files=bool(files))
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
    boundary = claimed.message_id.strip("<>").partition("@")[0]
    message.set_boundary(f"=_{boundary}")
    for attachment in files:
        maintype, _, subtype = attachment.media_type.partition("/")
        message.add_attachment(b"", maintype, subtype, filename=_header_text(attachment.name), cte="base64")
    if files:
        message.set_boundary(f"=_whole.{boundary}")
    # Last, as setting a part clears it.
    message["Content-Language"] = language
    return _with_files(message, [attachment.content for attachment in files])


def _with_files(message: EmailMessage, files: "Sequence[bytes]") -> bytes:
    """The bytes of a message, with the content of its files: `email` would hold it many times over."""
    # No base64 and no quoted-printable has it, and no header is a line of its own.
    place = "=_content"
    for part in message.iter_attachments():
        part.set_payload(place)
    before, *after = message.as_bytes().split(f"\r\n\r\n{place}\r\n".encode())
    whole = BytesIO()
    whole.write(before)
    for content, rest in zip(files, after, strict=True):
        whole.write(b"\r\n\r\n")
        for start in range(0, len(content), _ENCODED_LINE_BYTES):
            whole.write(b2a_base64(content[start : start + _ENCODED_LINE_BYTES], newline=False))
            whole.write(b"\r\n")
        whole.write(rest)
    return whole.getvalue()


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


def _rendered(content: Content, *, language: str, public_url: str, has_files: bool) -> dict[str, str]:
    environment = _environment(language)
    fields = {"mail": content, "public_url": public_url, "has_files": has_files}
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
    environment.globals |= {"bdi": _bdi}
    environment.filters |= _in_words(language)
    localise(environment, language)
    return environment


def _in_words(language: str) -> dict[str, Callable[..., str]]:
    """Filters that write a value as a person does, in a language as India writes it."""
    from babel import Locale
    from babel.dates import format_datetime
    from babel.numbers import format_decimal
    from babel.units import format_unit

    locale = Locale.parse(f"{language}_IN")

    def size(count: int) -> str:
        unit, scale = ("megabyte", _MEGABYTE) if count >= _MEGABYTE else ("kilobyte", _KILOBYTE)
        return format_unit(count / scale, f"digital-{unit}", length="short", format="#,##0.#", locale=locale)

    def when(instant: datetime, zone: ZoneInfo) -> str:
        # Named: some languages leave CLDR's ways to write its distance unfinished.
        return f"{format_datetime(instant, 'd MMMM y, HH:mm', tzinfo=zone, locale=locale)} ({zone.key})"

    def count(value: int) -> str:
        return format_decimal(value, locale=locale)

    return {"size": size, "when": when, "number": count}


def _bdi(text: Any) -> Markup:
    """A name within a sentence of HTML, whichever way it is written."""
    return Markup("<bdi>{}</bdi>").format(text)
