"""What a template's pages look like once they are laid out: run by `check_child`, within its limits.

A page is a language and the values that are present. Every page is made. All that differ in English are laid
out and drawn; of the other languages the fullest and the emptiest, and those that differ from the English
page in more than their words.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from pramaan.checking.findings import Finding, error, finding_of
from pramaan.checking.references import css_findings, reference_problem, svg_cost_findings
from pramaan.errors import RenderError, TemplateError
from pramaan.localisation import LANGUAGES, SOURCE_LANGUAGE
from pramaan.rendering.fields import printed_texts
from pramaan.rendering.markup import HTML_FILE, Markup
from pramaan.rendering.page import Page, Pages
from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import LONGEST_NAMES, sample_signature
from pramaan.rendering.template import QR_CODE_ID, Template
from pramaan.rendering.weasy import PT_PER_PX, Block, PageLayout, svg_files_drawn_once

__all__ = ["Step", "laid_out", "made_pages", "presences", "sample_texts"]

Step = Callable[[str], None]
"""Says what is done next."""

_MOST_OPTIONAL: Final = 6
_ENOUGH_REFUSED: Final = 3
"""Pages: the others would hardly tell more."""
_PX_PER_MM: Final = 96 / 25.4
_SHORTEST_SIDE_MM: Final = 100
_LONGEST_SIDE_MM: Final = 450
_SMALLEST_QR_CODE_MM: Final = 20
_TOLERANCE_PX: Final = 0.5
_WORDS: Final = {"lang", "dir", "alt", "aria-label"}
_REFERRING: Final = {"src", "data", "poster", "background", "srcset"}
_REFUSED_ELEMENTS: Final = {
    "base": "<base>: addresses are relative to the file",
    "link": "<link>: certificate.css applies by itself, and nothing else is fetched",
    "script": "<script>: nothing is run in a certificate",
    "iframe": "<iframe> is not drawn",
}


@dataclass(frozen=True, slots=True)
class Presence:
    """Which optional values are there, and whether a signature is."""

    absent: frozenset[str]
    signature: bool

    @property
    def words(self) -> str:
        """For people: nothing when everything is there."""
        absent = [*sorted(self.absent), *([] if self.signature else ["signature"])]
        return f" without {', '.join(absent)}" if absent else ""


def presences(template: Template) -> list[Presence]:
    """What can be absent together, of what the HTML mentions; everything present comes first.

    Raises TemplateError when that is too much to try.
    """
    html = b"".join(data for name, data in template.files.items() if name.endswith(".html"))
    optional = sorted(n for n, field in template.fields.items() if field.optional and n.encode() in html)
    if len(optional) > _MOST_OPTIONAL:
        raise TemplateError(
            f"{template.template_id}/template.yml: {len(optional)} optional fields are used; "
            f"{_MOST_OPTIONAL} are allowed"
        )
    absences = [
        frozenset(some) for count in range(len(optional) + 1) for some in combinations(optional, count)
    ]
    signatures = (True, False) if b"signature_url" in html else (True,)
    return [Presence(absent, signature) for absent, signature in product(absences, signatures)]


def made_pages(template: Template, step: Step) -> Iterator[Finding]:
    """What is wrong with the pages as HTML."""
    refused: set[Finding] = set()
    pages_refused = 0
    try:
        step("reading certificate.html")
        markup = Markup(template)
        for language, presence in product(template.languages, presences(template)):
            step(f"making the page in {_named(language)}{presence.words}")
            try:
                page = markup.page(
                    language, present=_present(template, presence), signature_url=_signature_url(presence)
                )
            except TemplateError as problem:
                refused.add(finding_of(problem, template.template_id))
                pages_refused += 1
                if pages_refused == _ENOUGH_REFUSED:
                    break
            else:
                refused |= set(_html_findings(page.tree, template))
    except TemplateError as problem:
        refused.add(finding_of(problem, template.template_id))
    yield from sorted(refused, key=lambda finding: (finding.file, finding.line or 0, finding.message))


def _signature_url(presence: Presence) -> str | None:
    return "signature:" if presence.signature else None


def _present(template: Template, presence: Presence) -> frozenset[str]:
    return frozenset(template.fields) - presence.absent


def _named(language: str) -> str:
    return f"{LANGUAGES[language].name} ({language})"


def _html_findings(tree: Element, template: Template) -> Iterator[Finding]:
    for element in tree.iter():
        tag = str(element.tag).rpartition("}")[2]
        if tag in _REFUSED_ELEMENTS:
            yield _in_html(_REFUSED_ELEMENTS[tag], f"<{tag}", template)
        if tag == "img" and "alt" not in element.attrib:
            yield replace(
                _in_html('<img> needs alt="...", or alt="" when it is for decoration', "<img", template),
                severity="warning",
            )
        if tag == "style":
            yield from _css_in_html(element.text or "", template)
        elif tag == "svg":
            yield from svg_cost_findings(element, file=HTML_FILE)
        for name, value in element.attrib.items():
            key = name.rpartition("}")[2]
            if key == "style":
                yield from _css_in_html(value, template)
            elif (
                key in _REFERRING or (key == "href" and tag not in {"a", "link", "base"})
            ) and value != "signature:":
                yield from _reference(value, template)
            elif tag == "a" and key in {"href", "rel"} and not _is_link(key, value):
                yield _in_html(f"<a {key}={value[:80]!r}> is not allowed", value, template)


def _is_link(key: str, value: str) -> bool:
    return key == "href" and value.startswith(("https://", "http://", "mailto:", "#"))


def _reference(address: str, template: Template) -> Iterator[Finding]:
    if problem := reference_problem(address, file=HTML_FILE, files=template.files):
        yield _in_html(problem, address, template)


def _css_in_html(css: str, template: Template) -> Iterator[Finding]:
    for found in css_findings(css, file=HTML_FILE, files=template.files):
        wanted = next((word for word in _addresses_in(found.message)), css.strip())
        yield _in_html(found.message, wanted, template)


def _addresses_in(message: str) -> Iterator[str]:
    _, quote, rest = message.partition("refers to '")
    if quote:
        yield rest.partition("'")[0].rstrip("…")
    elif message.startswith("@"):
        yield message.partition(":")[0]


def _in_html(message: str, wanted: str, template: Template) -> Finding:
    """An error with the file and line that its cause stands in, as far as it stands there as it is."""
    sources = {
        name: data.decode(errors="replace") for name, data in template.files.items() if name.endswith(".html")
    }
    whole = re.compile(r"(?<![\w:/.])" + re.escape(wanted[:80]))
    for pattern in (whole, re.compile(re.escape(wanted[:80]))):
        for name, source in sources.items():
            for number, line in enumerate(source.splitlines(), start=1):
                if pattern.search(line):
                    return error(message, name, number)
    return error(message, HTML_FILE)


def laid_out(template: Template, step: Step) -> Iterator[Finding]:
    """What is wrong with the pages as they are laid out and drawn; nothing when they can be used.

    What `made_pages` finds must have been put right. Ends with the first page that is wrong.
    """
    try:
        found = _first_wrong_page(template, step)
        if not found:
            _fill_in_every_script(template, step)
            step("rendering the sample")
            renderer = Renderer(template, zone=ZoneInfo("UTC"))
            pdf = renderer.render(
                sample_texts(template, language=SOURCE_LANGUAGE), signature=sample_signature()
            )
            step("showing the sample's PDF")
            _show(pdf)
    except TemplateError as problem:
        found = [finding_of(problem, template.template_id)]
    except RenderError as problem:
        found = [error(f"the sample cannot be printed: {problem}", "template.yml")]
    yield from found


def _fill_in_every_script(template: Template, step: Step) -> None:
    """Fill the areas with names of every language: CSS sees the language and direction of what they hold."""
    pages = Pages(template)
    page = _page(pages, template, SOURCE_LANGUAGE, presences(template)[0])
    for script, name in LONGEST_NAMES.items():
        step(f"filling the areas with a name in {_named(script)}")
        texts = sample_texts(template, language=SOURCE_LANGUAGE, recipient_name=name)
        printed = printed_texts(texts, language=SOURCE_LANGUAGE, zone=ZoneInfo("UTC"))
        with suppress(RenderError):
            for area in page.markup.areas:
                page.filled(area, printed, preferred_language=script)


def _show(pdf: bytes) -> None:
    """As a viewer would: a drawing may be cheap to write down, and without end to paint."""
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        document[0].render(scale=1).to_pil()


def _first_wrong_page(template: Template, step: Step) -> list[Finding]:
    step("reading certificate.css")
    pages = Pages(template)
    seen: set[bytes] = set()
    skeletons: set[tuple[Presence, str]] = set()
    everything, nothing = presences(template)[0], presences(template)[-1]
    with svg_files_drawn_once():
        languages = sorted(template.languages, key=lambda language: language != SOURCE_LANGUAGE)
        for language, presence in product(languages, presences(template)):
            page = _page(pages, template, language, presence)
            whole = ElementTree.tostring(page.markup.tree)
            skeleton = (presence, _skeleton(page.markup.tree))
            if whole in seen or (skeleton in skeletons and presence not in (everything, nothing)):
                continue
            seen.add(whole)
            skeletons.add(skeleton)
            words = f"the page in {_named(language)}{presence.words}"
            step(f"laying out {words}")
            if found := list(_place_findings(page.layout)):
                return [replace(finding, message=f"{finding.message} (on {words})") for finding in found]
    return []


def _page(pages: Pages, template: Template, language: str, presence: Presence) -> Page:
    signature = sample_signature() if presence.signature else None
    return pages.page(language, _present(template, presence), signature)


def _skeleton(tree: Element) -> str:
    """The page without its words."""

    def described(element: Element) -> Iterator[str]:
        yield f"<{element.tag} {sorted((k, v) for k, v in element.attrib.items() if k not in _WORDS)}>"
        if element.tag == "style":
            yield element.text or ""
        for child in element:
            yield from described(child)
        yield "</>"

    return "".join(described(tree))


def _place_findings(layout: PageLayout) -> Iterator[Finding]:
    css, blocks = "certificate.css", layout.blocks
    width, height = layout.width_pt / PT_PER_PX, layout.height_pt / PT_PER_PX
    sides_mm = (width / _PX_PER_MM, height / _PX_PER_MM)
    if not all(_SHORTEST_SIDE_MM <= side <= _LONGEST_SIDE_MM for side in sides_mm):
        yield error(
            f"the page has {sides_mm[0]:.0f} by {sides_mm[1]:.0f} mm; each side must have "
            f"{_SHORTEST_SIDE_MM} to {_LONGEST_SIDE_MM} mm",
            css,
        )
        return
    boxed = [block for block in blocks if block.kind in {"area", "qr_code"}]
    for block in boxed:
        if not block.box.height or not block.box.width:
            yield error(f"#{block.name} has no width or no height: nothing may move when its text grows", css)
    for block in blocks:
        yield from _outside(block, width, height)
        if block.kind == "qr_code":
            yield from _qr_code_findings(block)
    for first, second in combinations(boxed, 2):
        across, down = _common(first, second)
        if across > _TOLERANCE_PX and down > _TOLERANCE_PX:
            yield error(
                f"#{first.name} and #{second.name} overlap, by {across / _PX_PER_MM:.1f} by "
                f"{down / _PX_PER_MM:.1f} mm",
                css,
            )


def _qr_code_findings(block: Block) -> Iterator[Finding]:
    side_mm = min(block.box.width, block.box.height) / _PX_PER_MM
    if abs(block.box.width - block.box.height) > _TOLERANCE_PX:
        yield error(f"#{QR_CODE_ID} must be as wide as it is high", "certificate.css")
    if side_mm < _SMALLEST_QR_CODE_MM - 0.05:
        yield error(
            f"#{QR_CODE_ID} has {side_mm:.1f} mm; below {_SMALLEST_QR_CODE_MM} mm telephones fail to read it",
            "certificate.css",
        )


def _outside(block: Block, width: float, height: float) -> Iterator[Finding]:
    box = block.box
    extents = (
        [(box.x, box.y, box.x + box.width, box.y + box.height)] if block.kind in {"area", "qr_code"} else []
    )
    extents += [
        (text.x, text.baseline - text.line.ascent, text.x + text.line.width, text.baseline)
        for text in block.texts
    ]
    for left, top, right, bottom in extents:
        if (
            min(left, top) < -_TOLERANCE_PX
            or right > width + _TOLERANCE_PX
            or bottom > height + _TOLERANCE_PX
        ):
            what = f"#{block.name}" if block.name else f"the text in <{block.tag}>"
            yield error(f"{what} reaches over the edge of the page", "certificate.css")
            return


def _common(first: Block, second: Block) -> tuple[float, float]:
    """Width and height of what two boxes have in common; negative when they are apart."""
    one, other = first.box, second.box
    return (
        min(one.x + one.width, other.x + other.width) - max(one.x, other.x),
        min(one.y + one.height, other.y + other.height) - max(one.y, other.y),
    )


def sample_texts(template: Template, *, language: str, **changes: str | None) -> dict[str, str | None]:
    """The template's sample in a language, with changes."""
    values: Mapping[str, str | None] = {**template.sample_fields(), "language": language, **changes}
    return {name: value for name, value in values.items() if name in template.fields}
