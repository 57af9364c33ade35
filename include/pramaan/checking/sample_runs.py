"""What a template's sample and others' names look like on it: the long part of a check."""

import logging
import re
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from pramaan.checking.findings import Finding, error, finding_of, note, warning
from pramaan.checking.pages import Step, presences, sample_texts
from pramaan.errors import RenderError, TemplateError
from pramaan.localisation import LANGUAGES, SOURCE_LANGUAGE
from pramaan.rendering.fields import printed_texts
from pramaan.rendering.fonts import bundled_font_files, printable_code_points
from pramaan.rendering.located_yaml import Located, located_yaml
from pramaan.rendering.page import Page, Pages
from pramaan.rendering.renderer import ENGINES, Engine, Renderer
from pramaan.rendering.samples import LONGEST_NAMES, sample_signature
from pramaan.rendering.template import Template
from pramaan.rendering.weasy import complaints

__all__ = ["language_findings", "sample_findings", "unprintable_findings"]

_LARGEST_PDF_BYTES: Final = 200_000
_NO_SIGNATORY: Final[dict[str, None]] = {"signatory_name": None, "signatory_designation": None}
_UTC: Final = ZoneInfo("UTC")


def _named(language: str) -> str:
    return f"{LANGUAGES[language].name} ({language})"


_FONT_FAMILY: Final = re.compile(r"font-family\s*:\s*([^;}]+)")
_GENERIC_FAMILIES: Final = frozenset({"inherit", "initial", "unset"})


def language_findings(template: Template) -> Iterator[Finding]:
    """Which languages are complete, and what the others lack."""
    document = located_yaml(template.files["template.yml"])
    yield note(f"complete in: {', '.join(template.languages)}", "template.yml")
    begun = {language for by_language in template.texts.values() for language in by_language}
    for language in sorted(begun - set(template.languages)):
        lacking = sorted(name for name, by_language in template.texts.items() if language not in by_language)
        yield warning(
            f"texts are not complete in {_named(language)}, which falls back to English: "
            f"{', '.join(lacking)}",
            "template.yml",
            document.line_of("texts", lacking[0]),
        )


def font_findings(template: Template) -> Iterator[Finding]:
    """Families that are not there: what names them is set in another font, without a word."""
    given = {file.stem.partition("-")[0] for file in bundled_font_files()}
    css = template.files["certificate.css"].decode()
    for declared in _FONT_FAMILY.finditer(css):
        line = css.count("\n", 0, declared.start()) + 1
        for family in declared[1].split(","):
            name = family.strip().strip("\"'")
            if name.replace(" ", "") not in given and name not in _GENERIC_FAMILIES:
                yield error(
                    f"there is no font {name!r}; there are: {', '.join(sorted(map(_spaced, given)))}",
                    "certificate.css",
                    line,
                )


def _spaced(family: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", family)


def unprintable_findings(template: Template) -> Iterator[Finding]:
    """Samples and fixed texts with characters that no font holds."""
    document = located_yaml(template.files["template.yml"])
    held = printable_code_points()
    for name, field in template.fields.items():
        yield from _unprintable(field.sample, document, held, "fields", name, "sample")
    for name, by_language in template.texts.items():
        for language, text in by_language.items():
            yield from _unprintable(text, document, held, "texts", name, language)


def _unprintable(text: str, document: Located, held: frozenset[int], *path: str) -> Iterator[Finding]:
    if outside := sorted({ord(character) for character in text} - held):
        points = ", ".join(f"U+{point:04X}" for point in outside)
        yield error(f"{'.'.join(path)}: no font prints {points}", "template.yml", document.line_of(*path))


_COMPARED_DPI: Final = 50
_SAME_GREY: Final = 8
"""Out of 255; the engines agree to 1 in all that we bundle."""

_DIFFERENT: Final = error(
    "the compiled engine draws the page otherwise than WeasyPrint: texts stand over all drawings, so let "
    "none cover them, and keep to plain blocks",
    "certificate.css",
)


def sample_findings(template: Template, step: Step) -> Iterator[Finding]:
    """Whether the sample prints, by both engines, in every language, with and without a signatory; how large
    that is; and whether long names fit.
    """
    found: dict[Finding, None] = {}
    renderers = {engine: Renderer(template, zone=_UTC, engine=engine) for engine in ENGINES}
    for language in template.languages:
        for words, changes, signature in _variants(template):
            texts = sample_texts(template, language=language, **changes)
            pdfs: list[bytes] = []
            for engine, renderer in renderers.items():
                step(f"rendering the sample in {_named(language)}{words} with {engine}")
                found |= dict.fromkeys(_rendered(renderer, engine, texts, signature=signature, pdfs=pdfs))
            if len(pdfs) == len(ENGINES) and not _look_alike(*pdfs):
                found[_DIFFERENT] = None
    yield from found
    if not found:
        yield from _name_findings(template, step)
        yield from _order_findings(template, step)
        yield from _unused_findings(template)


def _variants(template: Template) -> Iterator[tuple[str, dict[str, str | None], bytes | None]]:
    without = {
        name: None for name in _NO_SIGNATORY if name in template.fields and template.fields[name].optional
    }
    yield "", {}, sample_signature()
    yield " without signature", {}, None
    yield " without signatory", {**without}, None


def _rendered(
    renderer: Renderer,
    engine: Engine,
    texts: dict[str, str | None],
    *,
    signature: bytes | None,
    pdfs: list[bytes],
) -> Iterator[Finding]:
    try:
        with complaints(logging.WARNING) as said:
            pdf = renderer.render(texts, signature=signature)
    except TemplateError as problem:
        yield finding_of(problem, renderer.template.template_id)
        return
    except RenderError as problem:
        yield error(f"the sample cannot be printed ({engine}): {problem}", "template.yml")
        return
    pdfs.append(pdf)
    for complaint in said:
        yield error(f"WeasyPrint says: {complaint}", "certificate.html")
    if len(pdf) > _LARGEST_PDF_BYTES:
        yield error(
            f"a certificate comes to {len(pdf)} bytes ({engine}); it may have {_LARGEST_PDF_BYTES}: simplify "
            "the drawings, or shrink the pictures"
        )


def _look_alike(one: bytes, other: bytes) -> bool:
    """Whether two PDFs look the same, drawn small."""
    import numpy as np
    import pypdfium2

    pictures = []
    for pdf in (one, other):
        with pypdfium2.PdfDocument(pdf) as document:
            picture = document[0].render(scale=_COMPARED_DPI / 72).to_numpy()
            pictures.append(picture.astype(np.int16))
    return bool(np.abs(pictures[0] - pictures[1]).max() <= _SAME_GREY)


def _name_findings(template: Template, step: Step) -> Iterator[Finding]:
    pages = Pages(template)
    for language, name in LONGEST_NAMES.items():
        step(f"the longest name in {_named(language)}")
        texts = sample_texts(template, language=language, recipient_name=name)
        page = pages.page(template.language_for(language), frozenset(template.fields), sample_signature())
        try:
            _fill(page, texts, preferred_language=language)
        except RenderError as problem:
            yield warning(
                f"a name of {len(name)} characters in {_named(language)} does not fit: {problem}",
                "template.yml",
            )


def _fill(page: Page, texts: dict[str, str | None], *, preferred_language: str) -> None:
    printed = printed_texts(texts, language=page.language, zone=_UTC)
    for area, parts in page.markup.areas.items():
        if (True, "recipient_name") in parts:
            page.filled(area, printed, preferred_language=preferred_language)


def _order_findings(template: Template, step: Step) -> Iterator[Finding]:
    step("the order of the texts")
    pages = Pages(template)
    texts = sample_texts(template, language=SOURCE_LANGUAGE)
    printed = printed_texts(texts, language=SOURCE_LANGUAGE, zone=_UTC)
    page = pages.page(SOURCE_LANGUAGE, frozenset(template.fields), sample_signature())
    areas = {
        name: page.filled(name, printed, preferred_language=SOURCE_LANGUAGE) for name in page.markup.areas
    }
    for text in pages.layouter.texts_out_of_order(page.tree(areas, printed)):
        yield warning(
            f"{text[:60]!r} stands before other texts in the HTML and is painted after them (position, float "
            "or z-index): the weasyprint engine's PDF is read in the other order",
            "certificate.html",
        )


def _unused_findings(template: Template) -> Iterator[Finding]:
    document = located_yaml(template.files["template.yml"])
    pages = Pages(template)
    areas: set[str] = set()
    printed: set[str] = {"language", "completed_at", "verify_url"}
    for presence in presences(template):
        present = frozenset(template.fields) - presence.absent
        markup = pages.page(SOURCE_LANGUAGE, present, sample_signature()).markup
        areas |= markup.areas.keys()
        everywhere = (*markup.areas.values(), *markup.links.values(), markup.title, markup.author)
        printed |= {name for parts in everywhere for is_value, name in parts if is_value}
    if "recipient_name" not in printed:
        yield error("recipient_name is printed nowhere", "certificate.html")
    for name in sorted(template.areas.keys() - areas):
        yield warning(
            f"areas.{name}: no element has this id", "template.yml", document.line_of("areas", name)
        )
    for name in sorted(template.fields.keys() - printed - {"recipient_name"}):
        yield warning(f"fields.{name} is printed nowhere", "template.yml", document.line_of("fields", name))
