"""What WeasyPrint draws, as PDF objects; and what is mended in what it writes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pramaan.errors import TemplateError
from pramaan.rendering.badge_assertion import ATTACHMENT_DESCRIPTION, ATTACHMENT_NAME
from pramaan.rendering.font_subset import face_by_sha256
from pramaan.rendering.weasy.boxes import only_page, texts_below
from pramaan.rendering.weasy.geometry import Block, PageLayout
from pramaan.rendering.weasy.sources import BASE_URL
from pramaan.rendering.weasy.text import actual_text, sha256_of

__all__ = [
    "ExactAdvances",
    "add_to_page",
    "attachment",
    "page_layout",
    "position_of",
    "svg_files_drawn_once",
]


class ExactAdvances(dict[Any, Any]):
    """`Document.fonts` with every glyph's advance as its font has it.

    WeasyPrint takes the advance that Pango rounded at the first size it meets: a thousandth of an em off, now
    and then, depending on what else is on the page.
    """

    def __setitem__(self, key: Any, font: Any) -> None:
        font.widths = _Widths(face_by_sha256(sha256_of(font.hb_face)).advances)
        super().__setitem__(key, font)

    def values(self) -> Any:
        """Asked for when all is painted, and what was used is written."""
        for font in super().values():
            font.widths = dict(font.widths)
        return super().values()


class _Widths(dict[int, int]):
    """The advances that were asked for. While it paints, WeasyPrint asks first whether it knows one."""

    def __init__(self, advances: dict[int, int]) -> None:
        self._advances = advances

    def __contains__(self, glyph: object) -> bool:
        return True

    def __missing__(self, glyph: int) -> int:
        self[glyph] = self._advances[glyph]
        return self[glyph]


def _forbid_interpolation(pdf: Any) -> None:
    """As an archive wants its pictures (ISO 19005-3, 6.2.8)."""
    for item in pdf.objects:
        extra = getattr(item, "extra", None)
        if extra is not None and extra.get("Subtype") == "/Image":
            extra["Interpolate"] = "false"


def page_layout(pdf: Any, blocks: list[Block]) -> PageLayout:
    _forbid_interpolation(pdf)
    page = pdf.objects[pdf.pages["Kids"][0]]
    content, resources = (pdf.objects[int(page[key].split()[0])] for key in ("Contents", "Resources"))
    graphics = b"\n".join(map(_bytes_of, content.stream))
    if re.search(rb"\bTf\b", graphics) or any(b"BT\n" in item for item in _forms(pdf)):
        raise TemplateError("certificate.html: an SVG drawing holds a text: set it in HTML, or draw outlines")
    used = {
        key: _bytes_of(value)
        for key, value in resources.items()
        if key in {"ExtGState", "XObject", "Pattern", "Shading"} and value
    }
    if b"/lab-d" in graphics or b"/srgb" in graphics:
        used["ColorSpace"] = _bytes_of(resources["ColorSpace"])
    profile = int(re.search(rb"/DestOutputProfile (\d+) 0 R", pdf.catalog.data)[1])  # type: ignore[index]
    objects: dict[int, bytes] = {}
    _collect(pdf, b" ".join((*used.values(), b"%d 0 R" % profile)), into=objects)
    _, _, width, height = page["MediaBox"]
    # The pictures' structure elements are made in reading order, which need not be the order of painting.
    mcids = [o["K"][0] for o in pdf.objects if isinstance(o, dict) and o.get("S") == "/Figure"]
    numbered = _numbered(blocks, mcids)
    for block, mcid in zip((block for block in blocks if block.kind == "figure"), mcids, strict=True):
        if not block.alternative:
            graphics = re.sub(rb"/Figure\s+<</MCID %d>>\s+BDC" % mcid, b"/Artifact BMC", graphics)
    return PageLayout(width, height, tuple(numbered), graphics, objects, used, profile, len(mcids))


def _forms(pdf: Any) -> Iterator[bytes]:
    for item in pdf.objects:
        extra = getattr(item, "extra", None)
        if extra is not None and (extra.get("Subtype") == "/Form" or extra.get("Type") == "/Pattern"):
            yield b"\n".join(map(_bytes_of, item.stream)) + b"\n"


def _numbered(blocks: list[Block], mcids: list[int]) -> Iterator[Block]:
    remaining = iter(mcids)
    for block in blocks:
        yield replace(block, mcid=next(remaining)) if block.kind == "figure" else block


def _collect(pdf: Any, data: bytes, *, into: dict[int, bytes]) -> None:
    """Add the objects that `data` refers to, and those that they refer to."""
    for reference in re.finditer(rb"(\d+) 0 R", data):
        if (number := int(reference[1])) not in into:
            item = pdf.objects[number]
            into[number] = bytes(item.data)
            _collect(pdf, into[number].partition(b"stream\n")[0], into=into)


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return bytes(value.data) if hasattr(value, "data") else str(value).encode()


@contextmanager
def svg_files_drawn_once() -> Iterator[None]:
    """Meanwhile, an SVG file is drawn once at each size, then left out: to see whether it can be drawn."""
    from weasyprint.images import SVGImage

    draw, drawn = SVGImage.draw, set()

    def draw_first(image: Any, stream: Any, width: float, height: float, style: Any) -> None:
        key = (image._base_url, width, height)
        # Drawings within the HTML all have the page's own address.
        if key not in drawn or image._base_url == BASE_URL:
            drawn.add(key)
            draw(image, stream, width, height, style)

    SVGImage.draw = draw_first
    try:
        yield
    finally:
        SVGImage.draw = draw


def attachment(assertion: bytes, *, completed_at: str) -> Any:
    """WeasyPrint's attachment of an assertion, dated by the completion: the same whenever it is made."""
    import weasyprint

    at = datetime.fromisoformat(completed_at).astimezone(UTC)
    return weasyprint.Attachment(
        string=assertion,
        name=ATTACHMENT_NAME,
        description=ATTACHMENT_DESCRIPTION,
        created=at,
        modified=at,
        relationship="Data",
    )


def add_to_page(document: Any, pdf: Any, drawing: bytes) -> None:
    """Draw over the page, and give every line that is not plain ASCII its characters."""
    _forbid_interpolation(pdf)
    page = pdf.objects[pdf.pages["Kids"][0]]
    content = pdf.objects[int(page["Contents"].split()[0])]
    texts = {
        position_of(box.position_x, box.position_y + box.baseline): box.text
        for box in texts_below(only_page(document))
    }
    drawn = _with_actual_text(content.stream, texts)
    content.stream[:] = [b"q", *drawn, b"Q", b"/Artifact BMC", drawing, b"EMC"]


def _with_actual_text(items: list[Any], texts: dict[tuple[float, float], str]) -> Iterator[Any]:
    """The content stream with each line's glyphs inside a span that carries the line's characters."""
    is_open = False
    for item in items:
        starts_line = isinstance(item, bytes) and item.endswith(b" Tm")
        if is_open and (starts_line or item == b"ET"):
            is_open = False
            yield b"EMC"
        if starts_line:
            x, y = item.split()[4:6]
            text = texts.get(position_of(float(x), float(y)), "")
            if is_open := not text.isascii():
                yield b"/Span " + actual_text(text) + b" BDC"
        # PDFium loses the shift that follows an empty string, and the next glyphs stand beside their place.
        yield item.replace(b"<>", b" ") if isinstance(item, bytes) and item.endswith(b"TJ") else item


def position_of(x: float, y: float) -> tuple[float, float]:
    return round(x, 3), round(y, 3)
