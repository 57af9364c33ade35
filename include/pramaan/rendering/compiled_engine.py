"""The compiled engine: a page's fixed part is made into PDF objects once, and filled again and again.

Three layers, each with its own subsets of fonts, so that none depends on another:

    fixed     drawings, pictures and fixed texts        once a page
    shared    course, issuer, signatory, month          once for each set of these, kept
    personal  name, number, address, QR code            for every certificate

The same certificate is the same bytes, whatever was rendered before: what is kept is only what would be made
again alike.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from pramaan.errors import TemplateError
from pramaan.rendering import pdf
from pramaan.rendering.assertion import ATTACHMENT_DESCRIPTION, ATTACHMENT_NAME, ATTACHMENT_TYPE
from pramaan.rendering.fields import is_language_tag
from pramaan.rendering.layers import Layer, Marked, layer
from pramaan.rendering.markup import text_of
from pramaan.rendering.page import FilledArea, Page
from pramaan.rendering.qr import qr_code_path
from pramaan.rendering.structure import mcids, rectangle, structure_objects
from pramaan.rendering.weasy import PT_PER_PX, Block, FixedText

__all__ = ["CompiledEngine"]

_SHARED_TEXTS: Final = frozenset({
    "course_name", "issuer_name", "issuer_url", "signatory_name", "signatory_designation", "completed_month",
})  # fmt: skip
"""What many certificates have in common. An area that prints anything else is personal."""

_KEPT_PAGES: Final = 32
_KEPT_SHARED: Final = 256

_CATALOG, _PAGES, _PAGE, _RESOURCES, _METADATA, _INFO, _FILE, _EMBEDDED = range(1, 9)
_DRAWINGS, _TEXTS, _FIXED_OBJECTS, _SHARED_OBJECTS, _PERSONAL_OBJECTS = range(9, 14)
_FIRST_FREE: Final = 14

_SCALE: Final = b"%g" % PT_PER_PX


class CompiledEngine:
    """Fills compiled pages; keeps the last ones. For one thread at a time."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=_KEPT_PAGES)(_CompiledPage)

    def render(self, page: Page, texts: Mapping[str, str], *, language: str, assertion: bytes) -> bytes:
        """One certificate. Raises RenderError and TemplateError as `Renderer.render`."""
        return self._compiled(page).render(texts, language=language, assertion=assertion)


class _CompiledPage:
    """A page's fixed layer, ready-made, with its structure tree."""

    def __init__(self, page: Page) -> None:
        self._page = page
        layout = self._layout = page.layout
        self._mcids = mcids(layout.blocks, first=layout.picture_count)
        used = {name for parts in page.markup.areas.values() for is_value, name in parts if is_value}
        self._shared_names = tuple(sorted(used & _SHARED_TEXTS))
        self._areas = [block for block in layout.blocks if block.kind == "area"]
        codes = [block for block in layout.blocks if block.kind == "qr_code"]
        if len(codes) != 1:
            raise TemplateError(f"{page.template.template_id}: the QR code's block is not shown, or not once")
        self._qr_code = codes[0]
        self._links = {
            name: _FIRST_FREE + position for position, name in enumerate(sorted(page.markup.links))
        }
        numbers = {
            old: _FIRST_FREE + len(self._links) + position
            for position, old in enumerate(sorted(layout.objects))
        }
        objects = [
            (new, pdf.packed(pdf.renumbered(layout.objects[old], numbers))) for old, new in numbers.items()
        ]
        self._resources = b"".join(
            b"/%s %s" % (key.encode(), pdf.renumbered(value, numbers))
            for key, value in layout.resources.items()
        )
        structure = structure_objects(
            layout,
            self._mcids,
            links=self._links,
            page=_PAGE,
            first=_FIRST_FREE + len(self._links) + len(numbers),
        )
        objects += structure
        objects += self._document(root=structure[0][0], profile=numbers[layout.output_profile])
        objects.append((_DRAWINGS, pdf.stream(b"q\n%s\nQ" % layout.graphics, level=pdf.THOROUGHLY)))
        self._fixed_layer = layer(
            b"A",
            [
                self._marked(block, block.language, block.texts)
                for block in layout.blocks
                if block.kind == "text"
            ],
            first_font=structure[-1][0] + 1,
        )
        self._fixed = pdf.bundle((*objects, *self._fixed_layer.objects), container=_FIXED_OBJECTS)
        # WeasyPrint's pixels, from the top left corner.
        self._before_texts = b"q %s 0 0 -%s 0 %.4f cm" % (_SCALE, _SCALE, layout.height_pt)
        self._identity = hashlib.sha256(self._fixed.data).digest()
        self._rectangles = {block.name: rectangle(block, layout) for block in self._areas}
        self._shared = lru_cache(maxsize=_KEPT_SHARED)(self._shared_layer)
        self._described = lru_cache(maxsize=_KEPT_SHARED)(self._description)

    def render(self, texts: Mapping[str, str], *, language: str, assertion: bytes) -> bytes:
        """The page, filled."""
        markup = self._page.markup
        shared, shared_objects = self._shared(language, tuple(texts[name] for name in self._shared_names))
        personal_areas = (block for block in self._areas if not self._is_shared(block))
        personal = layer(
            b"C",
            [self._filled(block, texts, language=language) for block in personal_areas],
            first_font=shared.next_free,
            level=pdf.QUICKLY,
        )
        shown = {**self._fixed_layer.shown, **shared.shown, **personal.shown}
        in_order = (shown[block] for block in self._layout.blocks if block in shown)
        code = self._drawn_qr_code(texts["verify_url"])
        content = b"\n".join((self._before_texts, *in_order, b"Q", code))
        described = self._described(text_of(markup.title, texts), text_of(markup.author, texts))
        fonts = self._fixed_layer.fonts + shared.fonts + personal.fonts
        own = [
            (_RESOURCES, b"<<%s/Font<<%s>>>>" % (self._resources, fonts)),
            (_TEXTS, pdf.stream(content)),
            (_EMBEDDED, _embedded(assertion, texts["completed_at"])),
            *((number, self._link(name, texts)) for name, number in self._links.items()),
        ]
        varying = (
            described,
            shared_objects,
            pdf.bundle((*own, *personal.objects), container=_PERSONAL_OBJECTS),
        )
        identity = hashlib.sha256(self._identity + b"".join(part.data for part in varying)).digest()[:16]
        return pdf.written(
            (self._fixed, *varying), number=personal.next_free, root=_CATALOG, info=_INFO, identity=identity
        )

    def _shared_layer(self, language: str, values: tuple[str, ...]) -> tuple[Layer, pdf.Bundle]:
        texts = dict(zip(self._shared_names, values, strict=True))
        shared = layer(
            b"B",
            [
                self._filled(block, texts, language=language)
                for block in self._areas
                if self._is_shared(block)
            ],
            first_font=self._fixed_layer.next_free,
        )
        return shared, pdf.bundle(shared.objects, container=_SHARED_OBJECTS)

    def _is_shared(self, block: Block) -> bool:
        parts = self._page.markup.areas[block.name]
        return all(name in _SHARED_TEXTS for is_value, name in parts if is_value)

    def _filled(self, block: Block, texts: Mapping[str, str], *, language: str) -> Marked:
        area = self._page.filled(block.name, texts, preferred_language=language)
        return self._marked(block, area.language, _set_lines(area))

    def _marked(self, block: Block, language: str, lines: Iterable[FixedText]) -> Marked:
        # A tag that is none could end the property list that it stands in.
        differs = language.partition("-")[0] != self._page.language and is_language_tag(language)
        return Marked(block, self._mcids[block], language if differs else "", tuple(lines))

    def _drawn_qr_code(self, verify_url: str) -> bytes:
        box = self._qr_code.box
        code = qr_code_path(
            verify_url,
            x_pt=box.x * PT_PER_PX,
            y_pt=self._layout.height_pt - (box.y + box.height) * PT_PER_PX,
            side_pt=box.width * PT_PER_PX,
        )
        return b"/Figure<</MCID %d>>BDC\n%s\nEMC" % (self._mcids[self._qr_code], code)

    def _description(self, title: str, author: str) -> pdf.Bundle:
        metadata = pdf.metadata(title=title, author=author, language=self._page.language)
        return pdf.bundle([(_METADATA, metadata), (_INFO, pdf.info(title=title, author=author))])

    def _document(self, *, root: int, profile: int) -> list[tuple[int, bytes]]:
        """The objects that say what the file is, and what it consists of."""
        layout = self._layout
        annotations = b" ".join(b"%d 0 R" % number for number in self._links.values())
        box = b"[0 0 %.4f %.4f]" % (layout.width_pt, layout.height_pt)
        catalog = (
            b"<</Type/Catalog/Pages %d 0 R/Lang(%s)/Metadata %d 0 R/MarkInfo<</Marked true>>"
            b"/ViewerPreferences<</DisplayDocTitle true>>/StructTreeRoot %d 0 R/AF[%d 0 R]"
            b"/Names<</EmbeddedFiles<</Names[(%s)%d 0 R]>>>>"
            b"/OutputIntents[<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB2014)/Info(sRGB2014)"
            b"/DestOutputProfile %d 0 R>>]>>"
            % (
                _PAGES,
                self._page.language.encode(),
                _METADATA,
                root,
                _FILE,
                ATTACHMENT_NAME.encode(),
                _FILE,
                profile,
            )
        )
        page = (
            b"<</Type/Page/Parent %d 0 R/MediaBox%s/TrimBox%s/Resources %d 0 R/Contents[%d 0 R %d 0 R]"
            b"/Tabs/S/StructParents 0/Annots[%s]>>"
            % (_PAGES, box, box, _RESOURCES, _DRAWINGS, _TEXTS, annotations)
        )
        described = pdf.file_description(
            ATTACHMENT_NAME, description=ATTACHMENT_DESCRIPTION, embedded=_EMBEDDED
        )
        bodies = {
            _CATALOG: catalog,
            _PAGES: b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % _PAGE,
            _PAGE: page,
            _FILE: described,
        }
        return list(bodies.items())

    def _link(self, name: str, texts: Mapping[str, str]) -> bytes:
        """An area's link: whoever taps the text comes to the address."""
        address = self._page.address(name, texts)
        return (
            b"<</Type/Annot/Subtype/Link/F 4/Border[0 0 0]/Rect%s/Contents%s/StructParent %d"
            b"/A<</S/URI/URI%s>>>>"
            % (
                self._rectangles[name],
                pdf.string(address),
                1 + list(self._links).index(name),
                pdf.ascii_string(address),
            )
        )


def _set_lines(area: FilledArea) -> Iterator[FixedText]:
    """An area's lines where WeasyPrint would set them."""
    fitting = area.fitting
    place, shaper = fitting.style.place, fitting.style.shaper
    y = place.box.y + fitting.top_px
    for line in fitting.lines:
        shaped = shaper.shaped(line.text)
        x = place.line_x(shaped.width, held_to=fitting.width_px)
        yield FixedText(x, y + line.ascent, place.colour, shaped, line.text + line.separator)
        y += line.height


def _embedded(assertion: bytes, completed_at: str) -> bytes:
    return pdf.attachment(assertion, media_type=ATTACHMENT_TYPE, modified_at=pdf.date(completed_at))
