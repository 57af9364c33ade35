"""All that leans on WeasyPrint's inside: its boxes, its text layer over Pango, its drawing.

The rest of the package sees only what is named here. `tests/rendering/test_weasyprint_inside.py` says which
names and behaviours of WeasyPrint are relied on, and fails when a new version changes one.

    pango      WeasyPrint itself, brought in; Pango's fonts
    sources    what a page may fetch: the template's own files
    boxes      WeasyPrint's boxes, read
    text_style what Pango is told of a style
    text       lines of text, broken and shaped by Pango
    layouter   a page: laid out, its areas found, its texts taken out
    drawing    what is left of it, as PDF objects
    geometry   what comes out of all this: plain values

Lengths are CSS pixels (1/96 inch) from the page's top left corner, as WeasyPrint has them; what is written
into a PDF is in points. WeasyPrint and pydyf have no types: hence the `Any`s.
"""

from pramaan.rendering.weasy.boxes import block_with_id
from pramaan.rendering.weasy.drawing import add_to_page, attachment, svg_files_drawn_once
from pramaan.rendering.weasy.geometry import (
    PT_PER_PX,
    AreaPlace,
    Block,
    Box,
    FixedText,
    GlyphRun,
    Line,
    PageLayout,
    ShapedLine,
)
from pramaan.rendering.weasy.layouter import Layouter
from pramaan.rendering.weasy.pango import engine_version
from pramaan.rendering.weasy.sources import complaints
from pramaan.rendering.weasy.text import Shaper, actual_text
from pramaan.rendering.weasy.text_style import TextStyle

__all__ = [
    "PT_PER_PX",
    "AreaPlace",
    "Block",
    "Box",
    "FixedText",
    "GlyphRun",
    "Layouter",
    "Line",
    "PageLayout",
    "ShapedLine",
    "Shaper",
    "TextStyle",
    "actual_text",
    "add_to_page",
    "attachment",
    "block_with_id",
    "complaints",
    "engine_version",
    "svg_files_drawn_once",
]
