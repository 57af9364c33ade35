"""Composes mails: a kind of mail and its content -> subject, text and HTML.

A kind is a `Content` class with its fields, in the package that sends it, and a folder of its name under
`templates/mail` with `subject.txt`, `mail.txt` and `mail.html`. To add a kind, add both; the templates see
the fields as `mail`, the published address as `public_url`, `language`, and in `has_files` whether the mail
has its files with it. Texts are marked for the catalogues as in every other template.

No field can add a header, an address or a line: each is reduced to a single line when the record is made.
"""

import unicodedata
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pramaan.localisation import localise, negotiate
from pramaan.mail.addresses import Sender, is_sendable
from pramaan.mail.ledger import ClaimedMail, Mail
from pramaan.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AnyLine",
    "Content",
    "Kinds",
    "Line",
    "MailFile",
    "compose",
    "encoded_bytes",
]

_TEMPLATES: Final = PROJECT_ROOT / "templates" / "mail"
_LONGEST_LINE: Final = 998
"""Characters, without the line ending: RFC 5322, 2.1.1."""

_ENCODED_LINE_BYTES: Final = 57
"""Bytes of a file in a base64 line of 76 characters: RFC 2045, 6.8."""

_KILOBYTE: Final = 1_000
_MEGABYTE: Final = 1_000_000

_BIDI_MARKS: Final = frozenset(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
"""Marks that change the direction of the text after them; joiners, which Indic scripts need, are not among
them.
"""


def single_line(text: str) -> str:
    """Returns the text without line breaks, control characters, unpaired surrogates and changes of
    direction.
    """
    kept = (
        " " if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} else one
        for one in text
        if one not in _BIDI_MARKS
    )
    return " ".join("".join(kept).split())[:_LONGEST_LINE]


AnyLine = Annotated[str, AfterValidator(single_line)]
Line = Annotated[AnyLine, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file in a mail."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class Content(BaseModel):
    """The fields of a kind of mail, as the ledger stores them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]
    is_urgent: ClassVar[bool] = False
    """Whether it is sent before all others."""
    has_file: ClassVar[bool] = False
    """Whether it has a file, whose size is in the field `file_bytes`."""

    def mail(self, *, subject_key: str, recipients: "Sequence[str]", language: str = "en") -> Mail:
        """Returns the mail to be queued. Raises ValueError for recipients to whom mail cannot be sent."""
        return Mail(
            kind=self.kind,
            subject_key=subject_key,
            recipients=tuple(recipients),
            language=language,
            content=self.model_dump(mode="json"),
            is_urgent=self.is_urgent,
        )

    @property
    def reply_to(self) -> str | None:
        """The Reply-To address, when replies do not go to the sender."""
        return None

    @property
    def due_by(self) -> datetime | None:
        """The deadline of a mail with an SLA: until then it is tried every minute."""
        return None


Kinds = Mapping[str, type[Content]]
"""Kinds of mail by name."""


def encoded_bytes(file_bytes: int) -> int:
    """Returns how many bytes of a message a file of this size takes."""
    return -(-file_bytes // 3) * 4 + -(-file_bytes // _ENCODED_LINE_BYTES) * len("\r\n")


def compose(
    claimed: ClaimedMail,
    *,
    kind: type[Content],
    sender: Sender,
    public_url: str,
    files: "Sequence[MailFile]" = (),
) -> bytes:
    """Returns the message of a claimed mail of this kind, text and HTML, with its files; the same mail gives
    the same bytes. Needs little more memory than the files.

    Raises ValueError for content or recipients that cannot be used, jinja2.TemplateError when a template uses
    a value that does not exist.
    """
    content = kind.model_validate(claimed.content)
    language = negotiate(claimed.language)
    parts = _rendered(content, language=language, public_url=public_url, has_files=bool(files))
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(sender.address, name=sender.name)
    message["To"] = [_address(one) for one in claimed.recipients]
    if content.reply_to:
        message["Reply-To"] = _address(content.reply_to)
    message["Subject"] = _header_text(parts["subject.txt"])
    message["Date"] = claimed.queued_at
    message["Message-ID"] = claimed.message_id
    # RFC 3834: keeps automatic replies, such as absence notices, from answering.
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
    """Returns the bytes of a message with its files inserted: `email` would hold their content several times
    over.
    """
    # Unique: it occurs in no base64 or quoted-printable text, and no header is a line of its own.
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
    # Never 8bit: not every server accepts it.
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
    """Returns the text for a header; text that looks like an encoded word (RFC 2047) is changed so that no
    reader decodes it.
    """
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
    """Returns filters that format a value for people, in a language as written in India."""
    from babel import Locale
    from babel.dates import format_datetime
    from babel.numbers import format_decimal
    from babel.units import format_unit

    locale = Locale.parse(f"{language}_IN")

    def size(count: int) -> str:
        unit, scale = ("megabyte", _MEGABYTE) if count >= _MEGABYTE else ("kilobyte", _KILOBYTE)
        return format_unit(count / scale, f"digital-{unit}", length="short", format="#,##0.#", locale=locale)

    def when(instant: datetime, zone: ZoneInfo) -> str:
        # The zone is named: for some languages CLDR's formats of a UTC offset are unfinished.
        return f"{format_datetime(instant, 'd MMMM y, HH:mm', tzinfo=zone, locale=locale)} ({zone.key})"

    def count(value: int) -> str:
        return format_decimal(value, locale=locale)

    return {"size": size, "when": when, "number": count}


def _bdi(text: Any) -> Markup:
    """Returns HTML that isolates a name within a sentence, whatever its direction."""
    return Markup("<bdi>{}</bdi>").format(text)
