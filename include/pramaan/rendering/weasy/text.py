"""Lines of text, broken and shaped by Pango through WeasyPrint's text layer."""

import ctypes
import hashlib
from dataclasses import replace
from typing import Any, Final

from pramaan.errors import RenderError
from pramaan.rendering.font_subset import face_by_sha256
from pramaan.rendering.weasy.geometry import GlyphRun, Line, ShapedLine
from pramaan.rendering.weasy.pairs import Extents, PairTable
from pramaan.rendering.weasy.pango import font_configuration
from pramaan.rendering.weasy.text_style import TextStyle

__all__ = ["Shaper", "actual_text", "sha256_of"]

_GLYPH_INTS: Final = 5
"""A PangoGlyphInfo is five 32-bit integers: glyph, width, x and y offset, attributes."""

_NOTHING: Final = 0x0FFFFFFF
_MISSING: Final = 0x10000000
"""PANGO_GLYPH_EMPTY and PANGO_GLYPH_UNKNOWN_FLAG."""


class Shaper:
    """Shapes texts in one style with Pango, through WeasyPrint's text layer; lets no missing glyph pass."""

    def __init__(
        self, style: TextStyle, *, line_height: float, strut_height: float, strut_baseline: float
    ) -> None:
        font_configuration()  # which brings WeasyPrint in, the quick way
        from weasyprint.text.ffi import ffi, pango
        from weasyprint.text.line_break import Layout

        self._style = style
        self._layout = Layout(style)
        pango.pango_layout_set_single_paragraph_mode(self._layout.layout, True)
        self._line_height = line_height
        self._strut = (strut_baseline, strut_height - strut_baseline)
        self._ink, self._logical = ffi.new("PangoRectangle *"), ffi.new("PangoRectangle *")
        spacing = style["letter_spacing"]
        self._letter_spacing: float = 0.0 if spacing == "normal" else spacing
        self._pango_line: Any = None
        self._text: str | None = None
        """What the layout holds now."""
        self._pairs = PairTable(self._by_pango) if _is_plain(style) else None
        self._last: tuple[Line, Extents, GlyphRun | None] | None = None
        """What was measured last: to measure a text and then to show it shapes it once."""

    def shaped(self, text: str) -> ShapedLine:
        """One line of text, as wide as it is.

        Raises RenderError `text_unprintable` naming the code points that no font of the page holds.
        """
        measured, _, run = self._set(text)
        runs = [run] if run is not None else _runs(self._line(text), text)[0]
        return ShapedLine(text, measured.width, measured.ascent, measured.descent, runs)

    def measured(self, text: str) -> Line:
        """The same, without its glyphs."""
        return self._set(text)[0]

    def _set(self, text: str) -> tuple[Line, Extents, GlyphRun | None]:
        if self._last is not None and self._last[0].text == text:
            return self._last
        run: GlyphRun | None = None
        composed = self._pairs.composed(text) if self._pairs is not None and _is_latin(text) else None
        if composed is not None:
            extents, run = composed.extents, composed.run
        else:
            extents = self._extents(self._line(text))
        self._last = self._measured(text, extents), extents, run
        return self._last

    def _line(self, text: str) -> Any:
        """Pango's line, which lives until the layout gets another text."""
        if self._text != text:
            self._layout.set_text(text)
            self._pango_line, _ = self._layout.get_first_line()
            self._text = text
        return self._pango_line

    def _by_pango(self, text: str) -> tuple[Extents, list[GlyphRun], list[int]]:
        line = self._line(text)
        return self._extents(line), *_runs(line, text)

    def _extents(self, line: Any) -> Extents:
        from weasyprint.text.ffi import pango

        ink, logical = self._ink, self._logical
        pango.pango_layout_line_get_extents(line, ink, logical)
        baseline = pango.pango_layout_get_baseline(self._layout.layout)
        return Extents(logical.width, logical.height, baseline, -ink.y, ink.y + ink.height)

    def _measured(self, text: str, extents: Extents) -> Line:
        from weasyprint.text.ffi import FROM_UNITS

        # As WeasyPrint's `line_size` has it.
        width = extents.width * FROM_UNITS + self._letter_spacing
        height, baseline = extents.height * FROM_UNITS, extents.baseline * FROM_UNITS
        ink_ascent, ink_descent = extents.ink_ascent * FROM_UNITS, extents.ink_descent * FROM_UNITS
        return Line(text, width, *self._extent(height, baseline), ink_ascent, ink_descent)

    def broken(self, text: str, *, width: float) -> list[Line]:
        """The lines that WeasyPrint breaks the text into within this width."""
        from weasyprint.text.line_break import split_first_line

        lines: list[Line] = []
        rest = text
        while rest:
            layout, _, resume_at, *_ = split_first_line(rest, self._style, None, width, 0)
            shown = layout.text.rstrip(" ")
            following = rest[len(shown) :].lstrip(" ") if resume_at is not None else ""
            separator = " " if following and rest[len(shown)] == " " else ""
            lines.append(replace(self.measured(shown), separator=separator))
            rest = following
        return lines

    def _extent(self, height: float, baseline: float) -> tuple[float, float]:
        """How far a line's box reaches over and under its baseline (CSS 2.2, 10.8.1): of its text, and of the
        strut.
        """
        above = baseline + (self._line_height - height) / 2
        below = self._line_height - above
        return max(above, self._strut[0]), max(below, self._strut[1])


def _is_plain(style: TextStyle) -> bool:
    """Whether nothing but the font says how far letters stand apart."""
    spacing = (style["letter_spacing"], style["word_spacing"])
    return style["direction"] == "ltr" and all(one in {"normal", 0} for one in spacing)


def _is_latin(text: str) -> bool:
    """Whether a text is ASCII and has a letter, which decides on the script of all its characters."""
    return text.isascii() and text.isprintable() and any(map(str.isalpha, text))


def _runs(line: Any, text: str) -> tuple[list[GlyphRun], list[int]]:
    """The runs of Pango's line, and each glyph's width in Pango's units."""
    from weasyprint.text.ffi import ffi

    runs: list[GlyphRun] = []
    widths: list[int] = []
    encoded = text.encode()
    node = line.runs[0] if line.runs != ffi.NULL else ffi.NULL
    while node != ffi.NULL:
        run, run_widths = _glyph_run(node.data, encoded)
        runs.append(run)
        widths += run_widths
        node = node.next
    return runs, widths


def _glyph_run(item: Any, text: bytes) -> tuple[GlyphRun, list[int]]:
    """Pango's glyphs as WeasyPrint's `draw_first_line` shows them: the same roundings, the same picture."""
    from weasyprint.text.ffi import FROM_UNITS, ffi

    font = _font(item.item.analysis.font)
    face, size, count = font.face, font.size, item.glyphs.num_glyphs
    numbers = ffi.unpack(ffi.cast("int *", item.glyphs.glyphs), count * _GLYPH_INTS)
    glyphs, widths = numbers[0::_GLYPH_INTS], numbers[1::_GLYPH_INTS]
    x_offsets, y_offsets = numbers[2::_GLYPH_INTS], numbers[3::_GLYPH_INTS]
    texts: dict[int, str] = {}
    if unnamed := [i for i, glyph in enumerate(glyphs) if glyph not in face.texts]:
        texts = _cluster_texts(item, unnamed, text)
    advances, per_thousand = face.advances, 1000 * FROM_UNITS / size
    shifts: list[float] = []
    rises: list[float] = []
    if any(x_offsets) or any(y_offsets) or _NOTHING in glyphs:
        # What is not shown takes room all the same: what comes next is moved by it.
        shifts = [
            -(width if glyph == _NOTHING else offset) / size
            for glyph, width, offset in zip(glyphs, widths, x_offsets, strict=True)
        ]
        rises = [-offset / 1000 for offset in y_offsets]
        kerning = [
            0 if glyph == _NOTHING else int(advances[glyph] + offset / size - width * per_thousand)
            for glyph, width, offset in zip(glyphs, widths, x_offsets, strict=True)
        ]
        glyphs = [-1 if glyph == _NOTHING else glyph for glyph in glyphs]
    else:
        kerning = [
            int(advances[glyph] - width * per_thousand) for glyph, width in zip(glyphs, widths, strict=True)
        ]
    return GlyphRun(face, size, glyphs, kerning, shifts, rises, texts), widths


def _cluster_texts(item: Any, positions: list[int], text: bytes) -> dict[int, str]:
    """The characters that the glyphs at these positions stand for; nothing for a cluster's further glyphs.

    Raises RenderError `text_unprintable` when a glyph is missing.
    """
    from weasyprint.text.ffi import ffi

    count, length, offset = item.glyphs.num_glyphs, item.item.length, item.item.offset
    clusters = ffi.unpack(item.glyphs.log_clusters, count)
    is_rtl = item.item.analysis.level % 2
    texts: dict[int, str] = {}
    for i in positions:
        if is_rtl:
            end = length if i == 0 else clusters[i - 1]
        else:
            end = length if i == count - 1 else clusters[i + 1]
        characters = text[offset + clusters[i] : offset + end].decode()
        glyph = item.glyphs.glyphs[i].glyph
        if glyph == 0 or (glyph & _MISSING and glyph != _NOTHING):
            points = ", ".join(f"U+{ord(character):04X}" for character in characters)
            raise RenderError("text_unprintable", f"no font of the template prints {points}")
        if glyph != _NOTHING:
            texts.setdefault(glyph, characters)
    return texts


class _Font:
    """A Pango font: a file's face at a size. Kept for the life of the process; there are few."""

    def __init__(self, pango_font: Any) -> None:
        from weasyprint.text.fonts import get_pango_font_hb_face, get_pango_font_key

        # Held, so that no other font can come to lie at its address.
        ctypes.CDLL("libgobject-2.0.so.0").g_object_ref(ctypes.c_void_p(_address(pango_font)))
        self._pango_font = pango_font
        _, _, self.size = get_pango_font_key(pango_font)
        self.face = face_by_sha256(sha256_of(get_pango_font_hb_face(pango_font)))


_fonts: dict[int, _Font] = {}
_face_sha256: dict[int, str] = {}


def _address(pointer: Any) -> int:
    from weasyprint.text.ffi import ffi

    return int(ffi.cast("intptr_t", pointer))


def sha256_of(hb_face: Any) -> str:
    """The SHA-256, in hex, of the font file that a HarfBuzz face was read from."""
    from weasyprint.text.fonts import get_hb_object_data

    # Pango holds its faces as long as its font map lives, and there is but one of these.
    if (address := _address(hb_face)) not in _face_sha256:
        _face_sha256[address] = hashlib.sha256(get_hb_object_data(hb_face)).hexdigest()
    return _face_sha256[address]


def _font(pango_font: Any) -> _Font:
    address = _address(pango_font)
    if (font := _fonts.get(address)) is None:
        font = _fonts[address] = _Font(pango_font)
    return font


def actual_text(text: str) -> bytes:
    """The property list that says what a marked content reads (ISO 32000-1, 14.9.4)."""
    return b"<</ActualText <feff" + text.encode("utf-16-be").hex().encode() + b">>>"
