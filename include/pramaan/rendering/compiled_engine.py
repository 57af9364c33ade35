"""The compiled engine: a page's fixed part is made into PDF objects once, and filled again and again.

Three layers, each with its own subsets of fonts, so that none depends on another:

    fixed     drawings, pictures and fixed texts        once a page, and kept on disk (`frame`)
    shared    course, issuer, signatory, month          once for each set of these, kept
    personal  name, number, address, QR code            for every certificate

The same certificate is the same bytes, whatever was rendered before: what is kept is only what would be made
again alike.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from pramaan.rendering import pdf
from pramaan.rendering.badge_assertion import ATTACHMENT_TYPE
from pramaan.rendering.fixed_layer import (
    CATALOG,
    EMBEDDED,
    INFO,
    METADATA,
    PERSONAL_OBJECTS,
    RESOURCES,
    SHARED_OBJECTS,
    TEXTS,
    fixed_layer_of,
)
from pramaan.rendering.layers import Layer, Marked, layer, marked
from pramaan.rendering.markup import text_of
from pramaan.rendering.page import FilledArea, Page
from pramaan.rendering.qr import qr_code_path
from pramaan.rendering.structure import rectangle
from pramaan.rendering.weasy import PT_PER_PX, Block, FixedText

__all__ = ["CompiledEngine"]

_SHARED_TEXTS: Final = frozenset({
    "course_name", "issuer_name", "issuer_url", "signatory_name", "signatory_designation", "completed_month",
})  # fmt: skip
"""What many certificates have in common. An area that prints anything else is personal."""

_KEPT_PAGES: Final = 32
_KEPT_SHARED: Final = 256

_SCALE: Final = b"%g" % PT_PER_PX


class CompiledEngine:
    """Fills compiled pages; keeps the last ones. For one thread at a time."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=_KEPT_PAGES)(_CompiledPage)

    def render(self, page: Page, texts: Mapping[str, str], *, language: str, assertion: bytes) -> bytes:
        """One certificate. Raises RenderError and TemplateError as `Renderer.render`."""
        return self._compiled(page).render(texts, language=language, assertion=assertion)


class _CompiledPage:
    """A page's fixed layer, and what is kept of those who filled it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        frame = self._fixed_layer = fixed_layer_of(page)
        self._wording = frame.wording
        self._mcids = dict(zip(frame.blocks, frame.mcids, strict=True))
        self._fixed_texts = {
            block: shown for block, shown in zip(frame.blocks, frame.shown, strict=True) if shown is not None
        }
        used = {name for parts in self._wording.areas.values() for is_value, name in parts if is_value}
        self._shared_names = tuple(sorted(used & _SHARED_TEXTS))
        self._areas = [block for block in frame.blocks if block.kind == "area"]
        self._qr_code = next(block for block in frame.blocks if block.kind == "qr_code")
        # WeasyPrint's pixels, from the top left corner.
        self._before_texts = b"q %s 0 0 -%s 0 %.4f cm" % (_SCALE, _SCALE, frame.height_pt)
        self._identity = hashlib.sha256(frame.fixed.data).digest()
        self._rectangles = {block.name: rectangle(block, height_pt=frame.height_pt) for block in self._areas}
        self._shared = lru_cache(maxsize=_KEPT_SHARED)(self._shared_layer)
        self._described = lru_cache(maxsize=_KEPT_SHARED)(self._description)

    def render(self, texts: Mapping[str, str], *, language: str, assertion: bytes) -> bytes:
        """The page, filled."""
        frame, wording = self._fixed_layer, self._wording
        shared, shared_objects = self._shared(language, tuple(texts[name] for name in self._shared_names))
        personal_areas = (block for block in self._areas if not self._is_shared(block))
        personal = layer(
            b"C",
            [self._filled(block, texts, language=language) for block in personal_areas],
            first_font=shared.next_free,
            level=pdf.QUICKLY,
        )
        shown = {**self._fixed_texts, **shared.shown, **personal.shown}
        in_order = (shown[block] for block in frame.blocks if block in shown)
        code = self._drawn_qr_code(texts["verify_url"])
        content = b"\n".join((self._before_texts, *in_order, b"Q", code))
        described = self._described(text_of(wording.title, texts), text_of(wording.author, texts))
        fonts = frame.fonts + shared.fonts + personal.fonts
        own = [
            (RESOURCES, b"<<%s/Font<<%s>>>>" % (frame.resources, fonts)),
            (TEXTS, pdf.stream(content)),
            (EMBEDDED, _embedded(assertion, texts["completed_at"])),
            *(
                (number, self._link(name, texts, key))
                for key, (name, number) in enumerate(frame.links, start=1)
            ),
        ]
        varying = (
            described,
            shared_objects,
            pdf.bundle((*own, *personal.objects), container=PERSONAL_OBJECTS),
        )
        identity = hashlib.sha256(self._identity + b"".join(part.data for part in varying)).digest()[:16]
        return pdf.written(
            (frame.fixed, *varying), number=personal.next_free, root=CATALOG, info=INFO, identity=identity
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
        return shared, pdf.bundle(shared.objects, container=SHARED_OBJECTS)

    def _is_shared(self, block: Block) -> bool:
        parts = self._wording.areas[block.name]
        return all(name in _SHARED_TEXTS for is_value, name in parts if is_value)

    def _filled(self, block: Block, texts: Mapping[str, str], *, language: str) -> Marked:
        area = self._page.filled(block.name, texts, preferred_language=language)
        return marked(block, self._mcids[block], area.language, _set_lines(area), within=self._page.language)

    def _drawn_qr_code(self, verify_url: str) -> bytes:
        box = self._qr_code.box
        code = qr_code_path(
            verify_url,
            x_pt=box.x * PT_PER_PX,
            y_pt=self._fixed_layer.height_pt - (box.y + box.height) * PT_PER_PX,
            side_pt=box.width * PT_PER_PX,
        )
        return b"/Figure<</MCID %d>>BDC\n%s\nEMC" % (self._mcids[self._qr_code], code)

    def _description(self, title: str, author: str) -> pdf.Bundle:
        metadata = pdf.metadata(title=title, author=author, language=self._page.language)
        return pdf.bundle([(METADATA, metadata), (INFO, pdf.info(title=title, author=author))])

    def _link(self, name: str, texts: Mapping[str, str], key: int) -> bytes:
        """An area's link: whoever taps the text comes to the address."""
        address = self._page.address(name, texts)
        return (
            b"<</Type/Annot/Subtype/Link/F 4/Border[0 0 0]/Rect%s/Contents%s/StructParent %d"
            b"/A<</S/URI/URI%s>>>>"
            % (self._rectangles[name], pdf.string(address), key, pdf.ascii_string(address))
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
