"""A layer of a certificate: texts, each readable as one, with subsets of fonts of their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pramaan.rendering import pdf
from pramaan.rendering.fields import is_language_tag
from pramaan.rendering.font_subset import Face, Subset
from pramaan.rendering.structure import tag_of
from pramaan.rendering.weasy import Block, FixedText, GlyphRun, actual_text

__all__ = ["Layer", "Marked", "layer", "marked"]

_KEPT_FONTS: Final = 512


@dataclass(frozen=True, slots=True)
class Marked:
    """What is read as one: its lines, under the number that the structure tree knows it by."""

    block: Block
    mcid: int
    language: str
    """Nothing where it is the page's."""
    lines: tuple[FixedText, ...]


def marked(block: Block, mcid: int, language: str, lines: Iterable[FixedText], *, within: str) -> Marked:
    """A block with its lines, on a page in the language `within`."""
    # A tag that is none could end the property list that it stands in.
    differs = language.partition("-")[0] != within and is_language_tag(language)
    return Marked(block, mcid, language if differs else "", tuple(lines))


@dataclass(frozen=True, slots=True)
class Layer:
    """What shows each block, the fonts' objects by number, and what these add to the page's resources."""

    shown: Mapping[Block, bytes]
    objects: tuple[tuple[int, bytes], ...]
    fonts: bytes
    next_free: int


def layer(prefix: bytes, parts: list[Marked], *, first_font: int, level: int = pdf.THOROUGHLY) -> Layer:
    """A layer of texts, with fonts of its own, whose names start with `prefix`, compressed at `level`."""
    used = _used_glyphs([run for part in parts for text in part.lines for run in text.line.runs])
    objects: list[tuple[int, bytes]] = []
    names: dict[Face, bytes] = {}
    subsets: dict[Face, Subset] = {}
    number = first_font
    for face in sorted(used, key=lambda face: face.index):
        texts = _with_company(face, used[face])
        font = _font(face, tuple(sorted(texts.items())), number, level)
        subsets[face], names[face] = font.subset, b"%s%d" % (prefix, face.index)
        objects += font.objects
        number += pdf.FONT_OBJECTS
    shown = {part.block: _shown(part, names=names, subsets=subsets) for part in parts}
    fonts = b"".join(
        b"/%s %d 0 R" % (name, first_font + at * pdf.FONT_OBJECTS) for at, name in enumerate(names.values())
    )
    return Layer(shown, tuple(objects), fonts, number)


def _used_glyphs(runs: list[GlyphRun]) -> dict[Face, dict[int, str]]:
    """Every face's glyphs, with what they stand for where the face does not say it."""
    used: dict[Face, dict[int, str]] = {}
    for run in runs:
        glyphs = used.setdefault(run.face, {})
        for glyph in run.glyphs:
            glyphs.setdefault(glyph, "")
        glyphs |= {glyph: text for glyph, text in run.texts.items() if text}
    return used


@dataclass(frozen=True, slots=True)
class _Font:
    subset: Subset
    objects: tuple[tuple[int, bytes], ...]


@lru_cache(maxsize=_KEPT_FONTS)
def _font(face: Face, texts: tuple[tuple[int, str], ...], first: int, level: int) -> _Font:
    """A font's objects, numbered from `first`, for the glyphs of `texts`."""
    subset = face.subset(glyph for glyph, _ in texts)
    made = pdf.font_objects(first, face, subset, texts=dict(texts), level=level)
    return _Font(subset, tuple(enumerate(made, start=first)))


def _with_company(face: Face, used: Mapping[int, str]) -> dict[int, str]:
    """The glyphs that are shown, with all digits of a certificate's number if there is one of them.

    So the numbers and addresses of all certificates are set in the same few subsets, which are kept.
    """
    texts = {glyph: face.texts.get(glyph) or text for glyph, text in used.items() if glyph >= 0}
    digits = face.digits
    if not digits.keys().isdisjoint(texts):
        texts |= digits
    return texts


def _shown(part: Marked, *, names: Mapping[Face, bytes], subsets: Mapping[Face, Subset]) -> bytes:
    language = b"/Lang(%s)" % part.language.encode() if part.language else b""
    operators = [b"/%s<</MCID %d%s>>BDC" % (tag_of(part.block), part.mcid, language)]
    for text in part.lines:
        spells_out = text.reads != text.line.text or not text.reads.isascii()
        if spells_out:
            operators.append(b"/Span%sBDC" % actual_text(text.reads))
        operators.append(
            b"BT %.4f %.4f %.4f rg 1 0 0 -1 %.6f %.6f Tm" % (*text.colour, text.x, text.baseline)
        )
        operators += [
            b"/%s %.6f Tf %s" % (names[run.face], run.size, pdf.shown(run, subsets[run.face].number_of))
            for run in text.line.runs
        ]
        operators.append(b"ET EMC" if spells_out else b"ET")
    operators.append(b"EMC")
    return b"\n".join(operators)
