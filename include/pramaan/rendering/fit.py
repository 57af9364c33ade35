"""How long texts are made to fit their areas: smaller by steps, then on more lines; never clipped.

Nothing is guessed from the number of characters: each step is laid out by Pango and its lines are measured.
Both engines ask here, so that both set a text at the same size on the same lines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pramaan.errors import RenderError
from pramaan.rendering.template import Area
from pramaan.rendering.weasy import AreaPlace, Line, Shaper

__all__ = ["DOES_NOT_FIT", "AreaStyle", "Fitting", "fitting"]

DOES_NOT_FIT: Final = frozenset({"name_does_not_fit", "text_does_not_fit"})
"""The error classes of what is too long for its area."""

_PX_PER_PT: Final = 96 / 72
_MOST_OVERHANG: Final = 1.0
"""Of the font's size. Names as people have them stay within two thirds; within a tenth but for Nastaliq."""

_ROUNDING_PX: Final = 0.05
_EVEN_LINES_SLACK: Final = 1.08
"""Over the mean width of the lines, so that uneven words still break into as many lines."""

_EVEN_ENOUGH: Final = 0.6
"""The shortest line over the longest, from which lines are left as they are."""


@dataclass(frozen=True, slots=True)
class AreaStyle:
    """How an area is set at one size, and the shaper that sets it so."""

    place: AreaPlace
    shaper: Shaper


@dataclass(frozen=True, slots=True)
class Fitting:
    """The size and the lines at which a text fits its area, and how far down the first line stands."""

    size_pt: float
    style: AreaStyle
    lines: tuple[Line, ...]
    top_px: float
    width_px: float | None = None
    """The width that the lines are held to, to even them out."""

    @property
    def css(self) -> str:
        """The declarations that make WeasyPrint set the text alike; the area's box stays as it is."""
        css = f"font-size: {self.size_pt:g}pt; box-sizing: border-box; padding-top: {self.top_px:.4f}px"
        if self.width_px is None:
            return css
        place = self.style.place
        spare = place.box.width - self.width_px
        if place.align == "center":
            return f"{css}; padding-left: {spare / 2:.4f}px; padding-right: {spare / 2:.4f}px"
        is_left = (place.align == "end") == (place.direction == "ltr")
        return f"{css}; padding-{'left' if is_left else 'right'}: {spare:.4f}px"


def fitting(name: str, text: str, *, area: Area, style_at: Callable[[float], AreaStyle]) -> Fitting:
    """The first size of the area at which the text fits it, with its lines evened out.

    `style_at` gives the area's style at a size in points.

    Raises RenderError `name_does_not_fit` (of a recipient's name) or `text_does_not_fit`.
    """
    one_line_width: float | None = None
    for size_pt in area.sizes_pt:
        allowed = area.lines_at(size_pt)
        style = style_at(size_pt)
        box = style.place.box
        if allowed == 1 and one_line_width is not None and one_line_width * size_pt > box.width * 1.02:
            continue  # far too wide still: not worth laying out
        line = style.shaper.measured(text)
        one_line_width = line.width / size_pt
        lines = [line]
        if line.width > box.width + _ROUNDING_PX:
            if allowed == 1:
                continue
            lines = style.shaper.broken(text, width=box.width)
        if _fits(lines, width=box.width, height=box.height, most=allowed) and _stays(lines, size_pt):
            return _evened(text, size_pt, style, lines, area=area, most=allowed)
    error_class = "name_does_not_fit" if name == "recipient_name" else "text_does_not_fit"
    raise RenderError(error_class, f"{name}: too long for its area even at {area.sizes_pt[-1]:g} pt")


def _stays(lines: list[Line], size_pt: float) -> bool:
    """Whether no letter climbs out of its line over others: joined Nastaliq does, the longer the higher."""
    most = size_pt * _PX_PER_PT * _MOST_OVERHANG
    return all(
        line.ink_ascent - line.ascent <= most and line.ink_descent - line.descent <= most for line in lines
    )


def _fits(lines: list[Line], *, width: float, height: float, most: int) -> bool:
    return (
        len(lines) <= most
        and max(line.width for line in lines) <= width + _ROUNDING_PX
        and sum(line.height for line in lines) <= height + _ROUNDING_PX
    )


def _evened(
    text: str, size_pt: float, style: AreaStyle, lines: list[Line], *, area: Area, most: int
) -> Fitting:
    """The fitting, its lines broken to a narrower width if they come out very unlike."""
    box, width = style.place.box, None
    widths = [line.width for line in lines]
    if min(widths) < _EVEN_ENOUGH * max(widths):
        narrow = round(min(sum(widths) / len(widths) * _EVEN_LINES_SLACK, box.width), 4)
        # One long word among short ones may need more lines then; it stays as it was.
        even = style.shaper.broken(text, width=narrow)
        if _fits(even, width=narrow, height=box.height, most=min(most, len(lines))):
            lines, width = even, narrow
    spare = max(0.0, box.height - sum(line.height for line in lines))
    top = {"top": 0.0, "middle": spare / 2, "bottom": spare}[area.align]
    return Fitting(size_pt, style, tuple(lines), round(top, 4), width)
