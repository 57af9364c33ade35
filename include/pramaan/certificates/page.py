"""A page that WeasyPrint laid out: how its texts fit, and what is added to it when it is painted.

Three things are added. The background, which is the same on every certificate, is painted once per process
and then only referred to. The QR code is painted as one path, in a tenth of the time that an SVG image takes.
And every line that is not plain ASCII carries its own text (`ActualText`, ISO 32000-2, 14.9.4): the glyphs of
Indic scripts stand in another order than their characters, so that copying and searching would fail.

Only this module knows WeasyPrint's boxes and pydyf's objects, which have no types: hence its `Any`.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pramaan.errors import RenderError, TemplateError

__all__ = [
    "QR_CODE_ID",
    "Background",
    "Extent",
    "finisher",
    "measure",
    "paint_background",
    "require_one_page",
]

QR_CODE_ID: Final = "qr_code"
"""The id of the empty block that the QR code fills, quiet zone included."""

_QUIET_MODULES: Final = 4
_ROUNDING_PX: Final = 0.05
_PX_PER_MM: Final = 96 / 25.4
_PT_PER_PX: Final = 0.75


@dataclass(frozen=True, slots=True)
class Extent:
    """How much room the text of one element took, in CSS pixels."""

    available_px: float
    line_widths_px: tuple[float, ...]
    height_px: float

    def fits(self, *, lines: int, height_mm: float) -> bool:
        """Whether the text is within its width, in so few lines, and so high."""
        return (
            len(self.line_widths_px) <= lines
            and max(self.line_widths_px, default=0) <= self.available_px + _ROUNDING_PX
            and self.height_px <= height_mm * _PX_PER_MM + _ROUNDING_PX
        )


@dataclass(frozen=True, slots=True)
class Background:
    """A page's drawing, compressed, and the graphic states it refers to."""

    width_pt: float
    height_pt: float
    content: bytes
    states: dict[str, Any]


def require_one_page(document: Any) -> None:
    """Raise RenderError `text_does_not_fit` unless there is one page, with every text inside its margins."""
    if len(document.pages) != 1:
        raise RenderError("text_does_not_fit", f"the texts take {len(document.pages)} pages instead of one")
    page = document.pages[0]._page_box
    left, top = page.content_box_x(), page.content_box_y()
    for box in _text_boxes(document):
        inside_x = left - 1 <= box.position_x and box.position_x + box.width <= left + page.width + 1
        inside_y = top - 1 <= box.position_y and box.position_y + box.height <= top + page.height + 1
        if not (inside_x and inside_y):
            raise RenderError(
                "text_does_not_fit", f"a text in <{box.element_tag}> runs out of the page's margins"
            )


def measure(document: Any) -> dict[str, Extent]:
    """The extent of every block with text that has an id, by its id."""
    from weasyprint.formatting_structure import boxes

    extents: dict[str, Extent] = {}
    for box in _blocks_with_id(document):
        if lines := [child for child in box.children if isinstance(child, boxes.LineBox)]:
            name, widths = box.element.get("id"), tuple(float(line.width) for line in lines)
            # A text far too long is cut at the end of the page, and goes on in a second box.
            before = extents.get(name, Extent(float(box.width), (), 0))
            extents[name] = Extent(
                before.available_px, before.line_widths_px + widths, before.height_px + box.height
            )
    return extents


def paint_background(document: Any) -> Background:
    """Paint a document that shows nothing but the background.

    Raises TemplateError when the drawing needs more than lines, shapes and opacities.
    """
    found: list[Background] = []
    document.write_pdf(uncompressed_pdf=True, finisher=lambda _, pdf: found.append(_background(pdf)))
    return found[0]


def _background(pdf: Any) -> Background:
    page, content, resources = _page_parts(pdf)
    if resources["XObject"] or resources["Pattern"] or resources["Shading"]:
        raise TemplateError(
            "the background may hold lines and shapes only: no images, gradients, masks, groups"
        )
    if any(b"BT" in item for item in content.stream if isinstance(item, bytes)):
        raise TemplateError("the background may hold no text")
    _, _, width, height = page["MediaBox"]
    # A stream's data starts with its dictionary and ends with its end mark; the drawing is between.
    drawing = content.data.split(b"stream\n", 1)[1].removesuffix(b"\nendstream")
    return Background(width, height, zlib.compress(drawing, 9), dict(resources["ExtGState"]))


def finisher(background: Background | None, *, qr_code: Sequence[bytes]) -> Callable[[Any, Any], None]:
    """What `write_pdf` calls before it writes: adds the background, the QR code and the lines' own texts.

    `qr_code` has one byte a module, row by row, 1 for a dark one. What it returns raises TemplateError when
    the page has no block for the QR code.
    """

    def finish(document: Any, pdf: Any) -> None:
        page, content, resources = _page_parts(pdf)
        content.stream[:] = _with_actual_text(content.stream, _texts_by_position(document))
        content.stream.insert(0, _painted_qr_code(document, qr_code, page_height_pt=page["MediaBox"][3]))
        if background is not None:
            _add_background(pdf, background, content=content, resources=resources)

    return finish


def _painted_qr_code(document: Any, rows: Sequence[bytes], *, page_height_pt: float) -> bytes:
    """The operators that fill the dark modules of the code, runs of a row at a time, as a single path."""
    box = next((box for box in _blocks_with_id(document) if box.element.get("id") == QR_CODE_ID), None)
    if box is None:
        raise TemplateError(f"certificate.html: no block has id={QR_CODE_ID!r}, which the QR code fills")
    module_pt = box.width * _PT_PER_PX / (len(rows) + 2 * _QUIET_MODULES)
    left_pt = box.content_box_x() * _PT_PER_PX + _QUIET_MODULES * module_pt
    top_pt = page_height_pt - box.content_box_y() * _PT_PER_PX - _QUIET_MODULES * module_pt
    quiet, side = -_QUIET_MODULES, len(rows) + 2 * _QUIET_MODULES
    runs = (
        f"{run.start()} {y} {run.end() - run.start()} 1 re"
        for y, row in enumerate(rows)
        for run in re.finditer(rb"\x01+", row)
    )
    matrix = f"{module_pt:.4f} 0 0 {-module_pt:.4f} {left_pt:.4f} {top_pt:.4f} cm"
    return f"q {matrix} 1 g {quiet} {quiet} {side} {side} re f 0 g {' '.join(runs)} f Q".encode()


def _add_background(pdf: Any, background: Background, *, content: Any, resources: Any) -> None:
    import pydyf  # type: ignore[import-untyped]

    form = pydyf.Stream(
        [background.content],
        {
            "Type": "/XObject",
            "Subtype": "/Form",
            "BBox": pydyf.Array([0, 0, background.width_pt, background.height_pt]),
            "Resources": pydyf.Dictionary({"ExtGState": pydyf.Dictionary(background.states)}),
            "Filter": "/FlateDecode",
        },
    )
    pdf.add_object(form)
    resources["XObject"]["background"] = form.reference
    content.stream.insert(0, b"/background Do")


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
            text = texts.get(_position(float(x), float(y)), "")
            if is_open := not text.isascii():
                yield b"/Span <</ActualText <feff" + text.encode("utf-16-be").hex().encode() + b">>> BDC"
        yield item


def _texts_by_position(document: Any) -> dict[tuple[float, float], str]:
    """Where each line of text starts, as its text matrix says, and what it reads."""
    return {
        _position(box.position_x, box.position_y + box.baseline): box.text for box in _text_boxes(document)
    }


def _position(x: float, y: float) -> tuple[float, float]:
    return round(x, 3), round(y, 3)


def _blocks_with_id(document: Any) -> Iterator[Any]:
    from weasyprint.formatting_structure import boxes

    for box in _all_boxes(document):
        if isinstance(box, boxes.BlockBox) and box.element is not None and box.element.get("id"):
            yield box


def _text_boxes(document: Any) -> Iterator[Any]:
    from weasyprint.formatting_structure import boxes

    return (box for box in _all_boxes(document) if isinstance(box, boxes.TextBox) and box.text.strip())


def _all_boxes(document: Any) -> Iterator[Any]:
    for page in document.pages:
        yield from page._page_box.descendants(placeholders=True)


def _page_parts(pdf: Any) -> tuple[Any, Any, Any]:
    """The first page's dictionary, its content stream and its resources."""
    page = pdf.objects[pdf.pages["Kids"][0]]
    content, resources = (pdf.objects[int(page[key].split()[0])] for key in ("Contents", "Resources"))
    return page, content, resources
