"""Every catalogue: complete, in its language's own script, and with nothing lost from the source text."""

import re
import unicodedata
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po

from pramaan.errors import UnknownLanguageError
from pramaan.localisation import LANGUAGES, SOURCE_LANGUAGE, gettext_in, translations
from pramaan.localisation.catalogues import CATALOGUES, catalogue_path
from pramaan.localisation.messages import forms, template_path

TRANSLATED = [code for code in LANGUAGES if code != SOURCE_LANGUAGE]

LATIN_WORDS = {"Pramaan", "PDF", "CSV", "XLSX", "Excel", "QR", "JSON", "Open", "Badges", "SHA-256"}
"""Names that every language writes in Latin letters. A text of nothing else may equal the English one."""

SCRIPT_NAMES = {
    "Arab": "ARABIC",
    "Beng": "BENGALI",
    "Deva": "DEVANAGARI",
    "Gujr": "GUJARATI",
    "Guru": "GURMUKHI",
    "Knda": "KANNADA",
    "Mlym": "MALAYALAM",
    "Orya": "ORIYA",
    "Taml": "TAMIL",
    "Telu": "TELUGU",
}
"""ISO 15924 code -> how Unicode's names of its letters begin."""

LETTERS_OF_NEIGHBOURS = {
    "as": "র",  # Bengali; Assamese ৰ
    "bn": "ৰৱ",  # Assamese
    "ur": "يكه",  # Arabic; Urdu ی, ک, ہ or ھ
}

JOINERS = {"\u200c", "\u200d"}

PLACEHOLDER = re.compile(r"%\((?:\w+)\)[sd]|%%|%[sd]|\{\w*\}")
MARKUP = re.compile(r"</?\w[^>]*>|&#?\w+;")


@pytest.fixture(scope="module", params=TRANSLATED)
def language(request: pytest.FixtureRequest) -> str:
    """Each language that has a catalogue."""
    return str(request.param)


@pytest.fixture(scope="module")
def catalogue(language: str) -> Catalog:
    """That language's catalogue."""
    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def messages_of(catalogue: Catalog) -> list[Message]:
    """Every message but the header."""
    return [message for message in catalogue if message.id]


def pairs(catalogue: Catalog) -> Iterator[tuple[set[str], str]]:
    """Every translated text, with the source texts it may follow.

    The last plural form follows the source's plural; the others, which may stand for one number, either.
    """
    for message in messages_of(catalogue):
        if isinstance(message.id, str):
            yield {message.id}, forms(message)[0]
        else:
            *for_some, for_most = forms(message)
            yield {message.id[1]}, for_most
            yield from ((set(message.id), form) for form in for_some)


def words_alone(text: str) -> str:
    """A text without placeholders, markup and names in Latin letters."""
    bare = MARKUP.sub(" ", PLACEHOLDER.sub(" ", text))
    return re.sub(rf"\b(?:{'|'.join(sorted(LATIN_WORDS))})\b", " ", bare)


def margins(text: str) -> tuple[str, str]:
    """The white space before and after a text."""
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


def has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def test_there_is_a_catalogue_for_each_language_and_for_no_other() -> None:
    assert sorted(path.name for path in (CATALOGUES / "locales").iterdir()) == TRANSLATED


def test_every_text_is_translated(catalogue: Catalog) -> None:
    with template_path(CATALOGUES).open("rb") as file:
        sources = {(message.context, message.id) for message in messages_of(read_po(file))}
    assert {(message.context, message.id) for message in messages_of(catalogue)} == sources
    assert [message.id for message in messages_of(catalogue) if not all(forms(message))] == []


def test_no_translation_is_a_guess_or_left_over(catalogue: Catalog) -> None:
    assert [message.id for message in messages_of(catalogue) if message.fuzzy] == []
    assert list(catalogue.obsolete) == []


def test_the_plural_forms_are_those_of_the_language(language: str, catalogue: Catalog) -> None:
    plural = get_plural(language)
    assert (catalogue.num_plurals, catalogue.plural_expr) == plural
    for message in messages_of(catalogue):
        assert len(forms(message)) == (plural.num_plurals if message.pluralizable else 1), message.id


@pytest.mark.parametrize("kept", [PLACEHOLDER, MARKUP], ids=["placeholders", "markup"])
def test_what_is_no_text_is_kept(catalogue: Catalog, kept: re.Pattern[str]) -> None:
    for sources, text in pairs(catalogue):
        assert sorted(kept.findall(text)) in [sorted(kept.findall(source)) for source in sources], text


def test_every_letter_is_of_the_languages_script(language: str, catalogue: Catalog) -> None:
    script = SCRIPT_NAMES[LANGUAGES[language].script]
    for _, text in pairs(catalogue):
        foreign = {
            character
            for character in words_alone(text)
            if unicodedata.category(character)[0] in "LM"
            and not unicodedata.name(character).startswith(script)
        }
        assert not foreign | (set(text) & set(LETTERS_OF_NEIGHBOURS.get(language, ""))), text


def test_no_text_is_left_in_english(catalogue: Catalog) -> None:
    same = [text for sources, text in pairs(catalogue) if text in sources and has_letters(words_alone(text))]
    assert same == []


def test_texts_are_clean(catalogue: Catalog) -> None:
    for sources, text in pairs(catalogue):
        assert text == unicodedata.normalize("NFC", text), text
        assert margins(text) in [margins(source) for source in sources], text
        assert "  " not in text, text
        hidden = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}}
        assert hidden <= JOINERS | {"\n"}, ascii(text)
        assert not re.search("[\u200c\u200d](?:[\u200c\u200d\\W]|$)", text), ascii(text)


def test_texts_come_out_of_gettext(language: str, catalogue: Catalog) -> None:
    translate = gettext_in(language)
    for message in messages_of(catalogue):
        if isinstance(message.id, str) and not message.context:
            assert translate(message.id) == message.string


def test_english_is_the_source_text() -> None:
    assert gettext_in("en")("Certificate") == "Certificate"
    assert translations("en").ngettext("one", "%(num)s", 2) == "%(num)s"


def test_a_text_without_a_translation_is_shown_in_english() -> None:
    assert gettext_in("hi")("Not in any catalogue") == "Not in any catalogue"


def test_a_catalogue_is_read_once() -> None:
    assert translations("hi") is translations("hi")


@pytest.mark.parametrize("code", ["fr", "", "../../hi"])
def test_an_unknown_language_has_no_translations(code: str) -> None:
    with pytest.raises(UnknownLanguageError, match="use one of as, bn"):
        translations(code)
