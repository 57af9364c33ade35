"""What is known of a page that was laid out: plain values, nothing of WeasyPrint's."""

from dataclasses import dataclass, field
from typing import Final

from pramaan.rendering.font_subset import Face
from pramaan.rendering.weasy.text_style import TextStyle

__all__ = [
    "PT_PER_PX",
    "AreaPlace",
    "Block",
    "Box",
    "FixedText",
    "GlyphRun",
    "Line",
    "PageLayout",
    "ShapedLine",
]

PT_PER_PX: Final = 0.75


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class GlyphRun:
    """Glyphs of one face at one size, in visual order, with what PDF's TJ operator needs of each.

    In thousandths of the size: `shifts[i]` is taken off before glyph i, `kerning[i]` after it. `rises[i]`, in
    pixels, lifts it. Without any shift or rise both are empty. Glyph -1 shows nothing, but takes its room.
    """

    face: Face
    size: float
    glyphs: list[int]
    kerning: list[int]
    shifts: list[float]
    rises: list[float]
    texts: dict[int, str]
    """The characters of the glyphs that stand for none by themselves."""


@dataclass(frozen=True, slots=True)
class ShapedLine:
    """One line of text, shaped: its width, how far it reaches above and below its baseline, its glyphs."""

    text: str
    width: float
    ascent: float
    descent: float
    runs: list[GlyphRun]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text as WeasyPrint breaks it, measured only."""

    text: str
    width: float
    ascent: float
    descent: float
    ink_ascent: float = 0.0
    ink_descent: float = 0.0
    """How far its ink reaches over and under its baseline: further than its box, in Nastaliq."""
    separator: str = ""
    """What stood between this line and the next: a space, or nothing after a hyphen."""

    @property
    def height(self) -> float:
        """The height of the line's box."""
        return self.ascent + self.descent


@dataclass(frozen=True, slots=True)
class FixedText:
    """A text of the template itself, where it stands; `x` and `baseline` are where its first glyph starts."""

    x: float
    baseline: float
    colour: tuple[float, float, float]
    line: ShapedLine
    reads: str
    """Its characters, with the space that it was broken at."""


@dataclass(frozen=True, slots=True)
class AreaPlace:
    """Where an area's text stands, and how it is set, at one size in one language."""

    box: Box
    align: str
    """`start`, `center` or `end`."""
    direction: str
    colour: tuple[float, float, float]
    style: TextStyle = field(repr=False, compare=False)
    line_height: float
    strut_height: float
    strut_baseline: float

    def line_x(self, width: float, *, held_to: float | None = None) -> float:
        """Where a line so wide starts, from the left; `held_to` is the width that evens the lines out."""
        available = self.box.width if held_to is None else held_to
        left, spare = self.box.x, available - width
        if held_to is not None:
            share = {"center": 0.5, "start": 0.0, "end": 1.0}[self.align]
            left += (self.box.width - held_to) * (share if self.direction == "ltr" else 1 - share)
        if self.align == "center" and spare > 0:
            return left + spare / 2
        at_right = (self.align == "end" and spare > 0) != (self.direction == "rtl")
        return left + spare if at_right else left


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A part of the page that is read as one: a paragraph or heading, an area, a picture, or the QR code."""

    kind: str
    """`text`, `area`, `figure` or `qr_code`."""
    tag: str
    """The HTML element's name, lower case."""
    name: str
    """The element's id, or nothing."""
    box: Box
    language: str
    alternative: str
    """What a picture shows, in words."""
    texts: tuple[FixedText, ...] = ()
    mcid: int | None = None
    """The number of a picture's marked content in `PageLayout.graphics`."""


@dataclass(frozen=True, slots=True)
class PageLayout:
    """A page without its areas' texts: its blocks in reading order, and its drawings as PDF objects."""

    width_pt: float
    height_pt: float
    blocks: tuple[Block, ...]
    graphics: bytes
    """Content stream operators, every one of them within marked content."""
    objects: dict[int, bytes]
    """The bodies of the objects that `resources` leads to, by number."""
    resources: dict[str, bytes]
    """The page's resource dictionary but for its fonts, by key."""
    output_profile: int
    """The number of the ICC profile's object."""
    picture_count: int
    """Marked contents used in `graphics`, from 0."""
