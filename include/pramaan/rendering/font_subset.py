"""The faces of the bundled fonts as a PDF embeds them: outlines only, cut down to the glyphs that are shown.

HarfBuzz cuts (`hb-subset`, by way of uharfbuzz, whose wheel brings its own: the same on every machine). From
each face the tables that only layout and hinting need are taken out first, once, after which to cut out a
handful of glyphs takes some 20 microseconds.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import uharfbuzz

from pramaan.errors import HostError
from pramaan.rendering.fonts import bundled_font_files, font_files_by_sha256

__all__ = ["Face", "Subset", "face_by_sha256"]

_UNUSED_TABLES: Final = (
    "BASE", "DSIG", "GDEF", "GPOS", "GSUB", "HVAR", "MVAR", "OS/2", "STAT", "VORG", "cmap", "gasp", "kern",
    "meta", "name", "post", "prep", "fpgm", "cvt ",
)  # fmt: skip
"""A PDF says itself what these say, or has no use for it (ISO 32000-1, 9.9)."""

_DIGITS: Final = frozenset("0123456789abcdef")
_PLAIN: Final = uharfbuzz.SubsetFlags.NO_HINTING | uharfbuzz.SubsetFlags.NOTDEF_OUTLINE


@dataclass(frozen=True, slots=True)
class Subset:
    """A font program with a few glyphs, and their numbers in it."""

    program: bytes
    number_of: Mapping[int, int]


class Face:
    """One font file."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.index: int = [file.name for file in bundled_font_files()].index(path.name)
        self.name: str = path.stem
        face = uharfbuzz.Face(data)
        font = uharfbuzz.Font(face)
        per_thousand = 1000 / face.upem
        extents = font.get_font_extents("ltr")
        self.ascent: int = round(extents.ascender * per_thousand)
        self.descent: int = round(extents.descender * per_thousand)
        self.cap_height: int = round(
            (font.get_metric_position_with_fallback(uharfbuzz.OTMetricsTag.CAP_HEIGHT)) * per_thousand
        )
        self.is_serif: bool = "Serif" in path.stem
        self.is_italic: bool = "Italic" in path.stem
        self.is_bold: bool = "Bold" in path.stem
        self.box: tuple[int, ...] = _box(face, per_thousand)
        self.texts: dict[int, str] = _characters(face, font)
        """The character that a glyph alone stands for; none for those that only shaping makes."""
        self.advances: dict[int, int] = _Advances(font, per_thousand)
        """A glyph's advance in thousandths of an em, by glyph; looked up when first asked for."""
        self.digits: dict[int, str] = {glyph: text for glyph, text in self.texts.items() if text in _DIGITS}
        """The glyphs of the hexadecimal digits, which certificates' numbers are made of."""
        self._outlines = _outlines(face)

    def subset(self, glyphs: Iterable[int]) -> Subset:
        """A font program with these glyphs, those that they are composed of, and `.notdef`."""
        wanted = uharfbuzz.SubsetInput()
        wanted.sets(uharfbuzz.SubsetInputSets.GLYPH_INDEX).update(glyphs)
        wanted.flags = _PLAIN
        plan = uharfbuzz.SubsetPlan(self._outlines, wanted)
        return Subset(plan.execute().blob.data, dict(plan.old_to_new_glyph_mapping))


class _Advances(dict[int, int]):
    def __init__(self, font: Any, per_thousand: float) -> None:
        self._font = font
        self._per_thousand = per_thousand

    def __missing__(self, glyph: int) -> int:
        self[glyph] = round(self._font.get_glyph_h_advance(glyph) * self._per_thousand)
        return self[glyph]


@lru_cache(maxsize=128)
def face_by_sha256(sha256: str) -> Face:
    """The face of the bundled file with these bytes. Raises HostError when there is none."""
    if (path := font_files_by_sha256().get(sha256)) is None:
        raise HostError(
            f"Pango took a font that is not bundled, with SHA-256 {sha256}: call configure_fonts first"
        )
    return Face(path, path.read_bytes())


def _outlines(face: Any) -> Any:
    everything = uharfbuzz.SubsetInput()
    everything.sets(uharfbuzz.SubsetInputSets.GLYPH_INDEX).update(range(face.glyph_count))
    everything.flags = _PLAIN | uharfbuzz.SubsetFlags.RETAIN_GIDS
    dropped = everything.sets(uharfbuzz.SubsetInputSets.DROP_TABLE_TAG)
    dropped.update(int.from_bytes(tag.encode(), "big") for tag in _UNUSED_TABLES)
    return uharfbuzz.Face(uharfbuzz.subset(face, everything).blob.data)


def _characters(face: Any, font: Any) -> dict[int, str]:
    texts: dict[int, str] = {}
    for point in sorted(face.unicodes):
        # A ligature has a code point of its own, too, but stands for its letters.
        if unicodedata.normalize("NFKC", chr(point)) != chr(point):
            continue
        # The first character of those that share a glyph.
        texts.setdefault(font.get_nominal_glyph(point), chr(point))
    texts.pop(0, None)
    return texts


def _box(face: Any, per_thousand: float) -> tuple[int, ...]:
    head = bytes(face.reference_table("head").data)
    corners = (int.from_bytes(head[at : at + 2], "big", signed=True) for at in (36, 38, 40, 42))
    return tuple(round(corner * per_thousand) for corner in corners)
