"""Updates the catalogues from the texts in the code: `make messages`.

It does what `pybabel extract` and `pybabel update` do, with the same functions, but writes a header without
dates and versions and file names without line numbers: the same texts give the same bytes, so that a
catalogue changes only when a text does. Translations are never guessed from similar texts.

    python -m pramaan.localisation.messages [FOLDER]     FOLDER holds `pramaan.pot` and `locales/`
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_keywords
from babel.messages.plurals import get_plural
from babel.messages.pofile import generate_po, read_po

from pramaan.localisation.catalogues import CATALOGUES, DOMAIN, catalogue_path
from pramaan.localisation.jinja import EXTRACTION_OPTIONS
from pramaan.localisation.languages import LANGUAGES, SOURCE_LANGUAGE

__all__ = ["catalogue_text", "forms", "main", "source_messages", "template_path", "template_text", "update"]

_CHECKOUT: Final = Path(__file__).resolve().parents[3]

_SOURCES: Final = {
    "include/pramaan": [("**.py", "python")],
    "templates": [("certificates/**", "ignore"), ("**.html", "jinja2"), ("**.txt", "jinja2")],
}
"""Folder of the checkout -> its files with texts, and the extractor that reads them."""

_OPTIONS: Final = {"**.html": EXTRACTION_OPTIONS, "**.txt": EXTRACTION_OPTIONS}

_KEYWORDS: Final = parse_keywords(
    ["_", "gettext", "gettext_noop", "ngettext:1,2", "pgettext:1c,2", "npgettext:1c,2,3"]
)
_COMMENT_TAG: Final = "Translators:"


def template_path(folder: Path) -> Path:
    """Returns the path of the template of all catalogues."""
    return folder / f"{DOMAIN}.pot"


def source_messages(checkout: Path = _CHECKOUT) -> Catalog:
    """Returns every text marked in the Python package and the templates of a checkout."""
    catalogue = Catalog(domain=DOMAIN)
    for source, methods in _SOURCES.items():
        for file, _line, message, comments, context in extract_from_dir(
            checkout / source,
            methods,
            _OPTIONS,
            keywords=_KEYWORDS,
            comment_tags=(_COMMENT_TAG,),
            strip_comment_tags=True,
        ):
            location = f"{source}/{Path(file).as_posix()}"
            catalogue.add(message, locations=[(location, 0)], auto_comments=comments, context=context)
    return catalogue


def template_text(messages: Catalog) -> str:
    """Returns the content of the template: every message, untranslated."""
    return _header("Every text of Pramaan, in English; written by `make messages`.", {}) + _body(messages)


def catalogue_text(language: str, messages: Catalog, current: Path) -> str:
    """Returns a language's catalogue with exactly these messages, and their translations from the `current`
    file.
    """
    catalogue = Catalog(locale=language, domain=DOMAIN)
    if current.exists():
        with current.open("rb") as file:
            catalogue = read_po(file, locale=language, domain=DOMAIN, abort_invalid=True)
    catalogue.update(messages, no_fuzzy_matching=True)

    english_name = Locale.parse(language).english_name
    title = f"{english_name} ({LANGUAGES[language].name}) texts of Pramaan; edit only the lines of msgstr."
    plurals = get_plural(language)
    rule = f"nplurals={plurals.num_plurals}; plural={plurals.plural_expr};"
    return _header(title, {"Language": language, "Plural-Forms": rule}) + _body(catalogue)


def _header(title: str, fields: dict[str, str]) -> str:
    fields = {
        "Project-Id-Version": DOMAIN,
        **fields,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
    }
    lines = [f'"{name}: {value}\\n"\n' for name, value in fields.items()]
    return f'# {title}\nmsgid ""\nmsgstr ""\n{"".join(lines)}\n'


def _body(catalogue: Catalog) -> str:
    lines = generate_po(
        catalogue,
        omit_header=True,
        include_lineno=False,
        ignore_obsolete=True,
        sort_by="message",
        width=0,
    )
    return "".join(lines).rstrip("\n") + "\n"


def update(folder: Path = CATALOGUES, *, checkout: Path = _CHECKOUT) -> list[Path]:
    """Write the template and every language's catalogue that are out of date; returns the written files.

    Idempotent and safe to interrupt: a file is replaced as a whole.
    """
    messages = source_messages(checkout)
    texts = {template_path(folder): template_text(messages)}
    for language in LANGUAGES:
        if language != SOURCE_LANGUAGE:
            path = catalogue_path(language, folder=folder)
            texts[path] = catalogue_text(language, messages, path)
    stale = [path for path, text in texts.items() if not path.exists() or path.read_bytes() != text.encode()]
    for path in stale:
        _replace(path, texts[path])
    return stale


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(text.encode())
    unfinished.replace(path)


def forms(message: Message) -> tuple[str, ...]:
    """Returns a message's translation: one text, or one per plural form of the language; empty if it has
    none.
    """
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


def _untranslated(path: Path) -> int:
    with path.open("rb") as file:
        catalogue = read_po(file)
    return sum(not all(forms(message)) for message in catalogue if message.id)


def main(arguments: Sequence[str]) -> int:
    """Update the catalogues; print which changed and how many texts are untranslated."""
    folder = Path(arguments[0]) if arguments else CATALOGUES
    for path in update(folder):
        sys.stdout.write(f"{os.path.relpath(path)}: brought up to date\n")
    for language in LANGUAGES:
        path = catalogue_path(language, folder=folder)
        if path.exists() and (count := _untranslated(path)):
            sys.stdout.write(f"{os.path.relpath(path)}: {count} to translate\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
