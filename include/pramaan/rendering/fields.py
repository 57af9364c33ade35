"""The fields of one certificate: what is refused before anything is laid out, and what follows from them.

Messages name the field and never its value, which may be a person's name.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pramaan.errors import RenderError
from pramaan.rendering.fonts import printable_code_points
from pramaan.rendering.template import Template

__all__ = [
    "DERIVED_TEXTS",
    "checked_fields",
    "direction_of",
    "is_language_tag",
    "language_of",
    "printed_texts",
]

_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")

_SCRIPT_LANGUAGES: Final = {
    "LATIN": ("en",),
    "DEVANAGARI": ("hi", "mr", "ne", "sa", "kok", "mai", "doi", "brx", "bho"),
    "BENGALI": ("bn", "as"),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "ORIYA": ("or",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "KANNADA": ("kn",),
    "MALAYALAM": ("ml",),
    "ARABIC": ("ur", "ks", "sd", "ar", "fa"),
    "OL": ("sat",),
    "MEETEI": ("mni",),
}
"""Script, by the first word of its letters' Unicode names, and its languages, the usual one first."""

DERIVED_TEXTS: Final = ("completed_month", "verify_address")
"""What `printed_texts` adds to the fields."""

_LONGEST_TEXT: Final = 300
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_INVISIBLE: Final = frozenset({"Zs", "Cf", "Mn", "Me"})
_MOST_MARKS: Final = 6
"""No script stacks more: marks without end would be painted over the rest of the page."""


def checked_fields(fields: Mapping[str, str | None], *, template: Template) -> dict[str, str | None]:
    """Every field of the template with its text, an empty one as None.

    Raises RenderError `unknown_field`, `missing_field`, `name_unprintable` or `text_unprintable`.
    """
    if unknown := sorted(set(fields) - set(template.fields)):
        raise RenderError(
            "unknown_field", f"template {template.template_id} has no field {', '.join(unknown)}"
        )
    values = {name: fields.get(name) or None for name in template.fields}
    required = (name for name, field in template.fields.items() if not field.optional)
    if missing := sorted(name for name in required if values[name] is None):
        raise RenderError("missing_field", f"template {template.template_id} needs {', '.join(missing)}")
    for name, value in values.items():
        _require_printable(name, value)
    return values


@lru_cache(maxsize=1)
def _stacked_marks() -> re.Pattern[str]:
    """More marks than any script stacks on or under one letter."""
    points = sorted(p for p in printable_code_points() if unicodedata.category(chr(p)) in {"Mn", "Me"})
    return re.compile(f"(?:[{re.escape(''.join(map(chr, points)))}][\u200c-\u200f]*){{{_MOST_MARKS + 1}}}")


def _is_plain(value: str) -> bool:
    """Whether a text is short and ASCII, which every font of Latin letters prints: most texts are."""
    return len(value) <= _LONGEST_TEXT and value.isascii() and value.isprintable() and not value.isspace()


def _require_printable(name: str, value: str | None) -> None:
    if value is not None and not _is_plain(value):
        _require_every_character(name, value)


@lru_cache(maxsize=1024)
def _require_every_character(name: str, value: str) -> None:
    """Kept when it passes: courses, issuers and signatories come again and again."""
    error_class = "name_unprintable" if name == "recipient_name" else "text_unprintable"
    if all(unicodedata.category(character) in _INVISIBLE for character in value):
        raise RenderError(error_class, f"{name}: nothing that can be seen")
    if len(value) > _LONGEST_TEXT or _stacked_marks().search(value):
        raise RenderError(
            "name_does_not_fit" if name == "recipient_name" else "text_does_not_fit",
            f"{name}: over {_LONGEST_TEXT} characters, or over {_MOST_MARKS} marks on one letter",
        )
    if outside := {ord(character) for character in value} - printable_code_points():
        points = ", ".join(f"U+{point:04X}" for point in sorted(outside))
        raise RenderError(error_class, f"{name}: no bundled font prints {points}")


def printed_texts(values: Mapping[str, str | None], *, language: str, zone: ZoneInfo) -> dict[str, str]:
    """What may be printed, by name: the fields that are there, and what follows from them.

    `completed_month` is the month and year of completion in `zone` and in `language`, `verify_address` the
    address without its scheme. White space is collapsed, as HTML does.

    Raises RenderError `invalid_field`.
    """
    if not is_language_tag(values["language"] or ""):
        raise RenderError("invalid_field", "language: not a language tag, such as hi or en-IN")
    verify_url = values["verify_url"] or ""
    if not verify_url.isascii() or not verify_url.startswith(("https://", "http://")):
        raise RenderError("invalid_field", "verify_url: not an http address")
    completed_at = _instant(values["completed_at"] or "", zone=zone)
    texts = {name: " ".join(value.split(" ")) for name, value in values.items() if value is not None}
    texts["completed_month"] = _month(completed_at.year, completed_at.month, language)
    texts["verify_address"] = verify_url.split("://", 1)[1]
    return texts


@lru_cache(maxsize=4096)
def _month(year: int, month: int, language: str) -> str:
    from babel.dates import format_skeleton

    return str(format_skeleton("yMMMM", date(year, month, 1), locale=language))


def _instant(text: str, *, zone: ZoneInfo) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise RenderError("invalid_field", "completed_at: not an ISO 8601 instant") from error
    if instant.tzinfo is None:
        raise RenderError("invalid_field", "completed_at: an instant needs its offset, such as Z")
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise RenderError("invalid_field", f"completed_at: not between {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant.astimezone(zone)


def is_language_tag(text: str) -> bool:
    """Whether a text has the form of a language tag (RFC 5646)."""
    return _LANGUAGE_TAG.fullmatch(text) is not None


def language_of(text: str, *, preferred: str) -> str:
    """The language tag to shape a text in: `preferred` if it is written in the text's script.

    A person's name need not be in the certificate's language, and a few scripts (Marathi and Nepali in
    Devanagari, Assamese in Bengali) draw the same letter differently by language.
    """
    letter = next((character for character in text if character.isalpha()), "a")
    languages = _SCRIPT_LANGUAGES.get(unicodedata.name(letter, "?").split()[0], ("und",))
    return preferred if preferred.partition("-")[0].lower() in languages else languages[0]


def direction_of(text: str) -> str:
    """`rtl` or `ltr`, by the first letter with a direction, as HTML's `dir=auto` has it."""
    for character in text:
        match unicodedata.bidirectional(character):
            case "R" | "AL":
                return "rtl"
            case "L":
                return "ltr"
    return "ltr"
