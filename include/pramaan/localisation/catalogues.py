"""The catalogues: a language's texts, as gettext reads them.

A `.po` file is compiled in memory when its language is first used: no compiled file can be stale. A text that
is missing in a catalogue is shown in English; English has no catalogue. How to add a text is in this
package's docstring.
"""

from collections.abc import Callable
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from pramaan.localisation.languages import SOURCE_LANGUAGE, require_language

__all__ = ["CATALOGUES", "DOMAIN", "catalogue_path", "gettext_in", "gettext_noop", "translations"]

CATALOGUES: Final = Path(__file__).parent
"""The folder of the template `pramaan.pot` and of `locales/`."""

DOMAIN: Final = "pramaan"


def catalogue_path(language: str, *, folder: Path = CATALOGUES) -> Path:
    """Returns the path of a language's catalogue."""
    return folder / "locales" / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def translations(language: str) -> NullTranslations:
    """Returns a language's texts, read once per process.

    Raises UnknownLanguageError.
    """
    require_language(language)
    if language == SOURCE_LANGUAGE:
        return NullTranslations()

    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from babel.support import Translations

    with catalogue_path(language).open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)


def gettext_in(language: str) -> Callable[[str], str]:
    """Returns the function that translates into a language; call it `_`, so that extraction finds its texts.

    Raises UnknownLanguageError.
    """
    return translations(language).gettext


def gettext_noop(text: str) -> str:
    """Returns the text unchanged, and marks it for the catalogues: for constants that are translated when
    shown.
    """
    return text
