"""The languages that Pramaan has texts in, and the negotiation of `Accept-Language`.

Names, scripts and directions are from Unicode's CLDR, through Babel.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, cast

from babel import Locale
from babel.core import get_global

from pramaan.errors import UnknownLanguageError

__all__ = ["LANGUAGES", "SOURCE_LANGUAGE", "Language", "negotiate", "require_language"]

SOURCE_LANGUAGE: Final = "en"
"""The language of the texts in the code."""

_CODES: Final = ("as", "bn", "en", "gu", "hi", "kn", "ml", "mr", "or", "pa", "ta", "te", "ur")

_LONGEST_HEADER: Final = 1000
_MOST_RANGES: Final = 50
_SHOWN_OF_UNKNOWN: Final = 35
"""Characters; the longest language tag that RFC 5646 expects software to accept."""

_LANGUAGE_RANGE: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<subtags>(?:-[a-z0-9]{1,8})*+)"
    r"[ \t]*+(?:;[ \t]*+q[ \t]*+=[ \t]*+(?P<quality>[01](?:\.[0-9]{0,3})?))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Language:
    """A language that people can choose.

    `name` is in the language itself, `script` an ISO 15924 code such as `Deva`, `direction` HTML's `dir`.
    """

    code: str
    name: str
    script: str
    direction: Literal["ltr", "rtl"]


@cache
def _language(code: str) -> Language:
    locale = Locale.parse(code)
    return Language(
        code=code,
        name=locale.get_display_name(code) or code,
        script=get_global("likely_subtags")[code].split("_")[1],
        direction=cast(Literal["ltr", "rtl"], locale.text_direction),
    )


class _Languages(Mapping[str, Language]):
    """Makes each language when it is first used: reading all of Babel's files takes a tenth of a second."""

    def __getitem__(self, code: str) -> Language:
        if code not in _CODES:
            raise KeyError(code)
        return _language(code)

    def __iter__(self) -> Iterator[str]:
        return iter(_CODES)

    def __len__(self) -> int:
        return len(_CODES)


LANGUAGES: Final[Mapping[str, Language]] = _Languages()
"""By ISO 639-1 code, which is also the BCP 47 tag."""


def require_language(code: str) -> Language:
    """Returns the language with this code.

    Raises UnknownLanguageError, which names the known ones.
    """
    try:
        return LANGUAGES[code]
    except KeyError:
        shown = code[:_SHOWN_OF_UNKNOWN] + ("…" if len(code) > _SHOWN_OF_UNKNOWN else "")
        raise UnknownLanguageError(
            f"{shown!r} is not a language we have texts in; use one of {', '.join(LANGUAGES)}"
        ) from None


def negotiate(accept_language_header: str | None, *, default: str = SOURCE_LANGUAGE) -> str:
    """Returns the code of our language that a browser's `Accept-Language` (RFC 9110, 12.5.4) prefers.

    A region is ignored (`hi-IN` is Hindi); a script is not: a reader who asks for `hi-Latn` or `pa-Arab` may
    be unable to read ours. Unreadable parts are skipped, as are all beyond the first 1000 characters or 50
    languages; without a match, and for `*`, it returns `default`. Never raises.
    """
    best, best_quality = default, 0.0
    ranges = (accept_language_header or "")[:_LONGEST_HEADER].lower().split(",", _MOST_RANGES)
    for language_range in ranges[:_MOST_RANGES]:
        match = _LANGUAGE_RANGE.fullmatch(language_range.strip(" \t"))
        language = LANGUAGES.get(match["language"]) if match else None
        if match is None or language is None or not _in_its_script(language, match["subtags"]):
            continue
        quality = min(float(match["quality"] or 1), 1.0)
        if quality > best_quality:
            best, best_quality = language.code, quality
    return best


def _in_its_script(language: Language, subtags: str) -> bool:
    """Whether the subtags of a range name no other script than the language's; a script has four letters."""
    scripts = [subtag for subtag in subtags.split("-")[1:] if len(subtag) == len("Deva") and subtag.isalpha()]
    return scripts[:1] in ([], [language.script.lower()])
