"""Sets ASCII texts from what Pango says of pairs of characters, without shaping each text anew.

In a Latin font without letter spacing, a letter's glyph depends on the letter only, and its advance on the
letter and the next one (kerning). So a table of pairs, filled by Pango when a pair first occurs, sets a
certificate's number, its address and a Latin name exactly as Pango would, in a tenth of the time. A pair that
is more than that, such as a ligature, is marked, and Pango shapes the texts that contain it.
`tests/rendering/test_pairs.py` compares both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from pramaan.rendering.weasy.geometry import GlyphRun

if TYPE_CHECKING:
    from pramaan.rendering.font_subset import Face

__all__ = ["ComposedLine", "Extents", "PairTable"]

_NEIGHBOUR: Final = "n"
"""Stands around a pair, so that digits and punctuation are shaped as they are beside Latin letters."""


@dataclass(frozen=True, slots=True)
class Extents:
    """The measures of a line in Pango's units; the ink reaches `ink_ascent` over and `ink_descent` under the
    baseline.
    """

    width: int
    height: int
    baseline: int
    ink_ascent: int
    ink_descent: int


class _Glyph(NamedTuple):
    glyph: int
    width: int
    kerning: int
    ink_ascent: int
    ink_descent: int


@dataclass(frozen=True, slots=True)
class ComposedLine:
    """An ASCII text, set from pairs."""

    extents: Extents
    run: GlyphRun


Shape = Callable[[str], tuple[Extents, list[GlyphRun], list[int]]]
"""What Pango makes of a text: its extents, its runs and each glyph's width."""


class PairTable:
    """The pairs of one style. `shape` asks Pango."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._glyphs: dict[str, _Glyph | None] = {}
        self._face: Face | None = None
        self._size = 0.0
        self._height = self._baseline = 0

    def composed(self, text: str) -> ComposedLine | None:
        """The text as Pango would set it; None when it takes more than pairs to say."""
        pairs = [*map(add, text, text[1:]), text[-1:]]
        found = [*map(self._glyphs.get, pairs)]
        if None in found:
            found = [self._glyph(pair) for pair in pairs]
            if None in found:
                return None
        plain = cast("list[_Glyph]", found)
        assert self._face is not None  # noqa: S101 - for the type checker
        glyphs, widths, kerning, ascents, descents = zip(*plain, strict=True)
        extents = Extents(sum(widths), self._height, self._baseline, max(ascents), max(descents))
        return ComposedLine(extents, GlyphRun(self._face, self._size, [*glyphs], [*kerning], [], [], {}))

    def _glyph(self, pair: str) -> _Glyph | None:
        """The first glyph of a pair, or of a text's last character; None when it takes more to say."""
        if pair not in self._glyphs:
            follower = _NEIGHBOUR if len(pair) > 1 else ""
            self._glyphs[pair] = self._second_glyph(f"{_NEIGHBOUR}{pair}{follower}")
        return self._glyphs[pair]

    def _second_glyph(self, text: str) -> _Glyph | None:
        extents, runs, widths = self._shape(text)
        if len(runs) != 1:
            return None
        (run,) = runs
        is_plain = len(run.glyphs) == len(text) and not (run.shifts or run.rises or run.texts)
        if not is_plain or self._differs(run, extents):
            return None
        alone, _, _ = self._shape(text[1])
        return _Glyph(run.glyphs[1], widths[1], run.kerning[1], alone.ink_ascent, alone.ink_descent)

    def _differs(self, run: GlyphRun, extents: Extents) -> bool:
        """Whether another font has to help out."""
        if self._face is None:
            self._face, self._size = run.face, run.size
            self._height, self._baseline = extents.height, extents.baseline
        return (run.face, run.size, extents.height, extents.baseline) != (
            self._face,
            self._size,
            self._height,
            self._baseline,
        )
