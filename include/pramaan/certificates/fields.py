"""The fields of one certificate: what is refused before anything is laid out, and what follows from them.

Messages name the field and never its value, which may be a person's name.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from pramaan.certificates.fonts import printable_code_points
from pramaan.certificates.template import Template
from pramaan.errors import RenderError

__all__ = ["checked_fields", "direction_of", "language_of", "print_context"]

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

_LONGEST_TEXT: Final = 300
_MOST_MARKS: Final = 6
_STACKED_MARKS: Final = re.compile(f"m{{{_MOST_MARKS + 1}}}")
"""No script stacks so many: marks without end would be painted over the rest of the page."""


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


def _marks(value: str) -> str:
    """The text with an `m` for each mark that stands on or under another character."""
    return "".join("m" if unicodedata.category(c) in {"Mn", "Me"} else "-" for c in value)


def _require_printable(name: str, value: str | None) -> None:
    if value is None:
        return
    error_class = "name_unprintable" if name == "recipient_name" else "text_unprintable"
    if not value.strip():
        raise RenderError(error_class, f"{name}: nothing but spaces")
    if len(value) > _LONGEST_TEXT or _STACKED_MARKS.search(_marks(value)):
        raise RenderError(
            "name_does_not_fit" if name == "recipient_name" else "text_does_not_fit",
            f"{name}: over {_LONGEST_TEXT} characters, or over {_MOST_MARKS} marks on one letter",
        )
    if outside := {ord(character) for character in value} - printable_code_points():
        points = ", ".join(f"U+{point:04X}" for point in sorted(outside))
        raise RenderError(error_class, f"{name}: no bundled font prints {points}")


def print_context(values: Mapping[str, str | None], *, zone: ZoneInfo) -> dict[str, object]:
    """What a template may print: the fields, and what follows from them.

    `completed_month` is the month and year in `zone`, `verify_address` the address without its scheme;
    `language_of` and `direction_of` say a text's `lang` and `dir`.

    Raises RenderError `invalid_field`.
    """
    from babel.dates import format_skeleton

    language, verify_url = values["language"] or "", values["verify_url"] or ""
    if not _LANGUAGE_TAG.fullmatch(language):
        raise RenderError("invalid_field", "language: not a language tag, such as hi or en-IN")
    if not verify_url.isascii() or not verify_url.startswith(("https://", "http://")):
        raise RenderError("invalid_field", "verify_url: not an http address")
    completed_at = _instant(values["completed_at"] or "").astimezone(zone)
    return dict(values) | {
        "completed_month": format_skeleton("yMMMM", completed_at, locale="en"),
        "verify_address": verify_url.split("://", 1)[1],
        "language_of": lambda text: language_of(text, preferred=language),
        "direction_of": direction_of,
    }


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise RenderError("invalid_field", "completed_at: not an ISO 8601 instant") from error
    if instant.tzinfo is None:
        raise RenderError("invalid_field", "completed_at: an instant needs its offset, such as Z")
    return instant


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
