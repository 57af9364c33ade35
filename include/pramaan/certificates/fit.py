"""How long texts are made to fit: smaller by steps, then on more lines; never clipped, never overlapping.

Nothing is guessed from the number of characters: each step is laid out and its lines are measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pramaan.certificates.page import Extent, measure, require_one_page
from pramaan.certificates.template import Fit
from pramaan.errors import RenderError, TemplateError

__all__ = ["Size", "fitted"]

_EVEN_LINES_SLACK: Final = 1.08
"""Over the mean width of the lines, so that uneven words still break into as many lines."""

_EVEN_ENOUGH: Final = 0.6
"""The shortest line over the longest, from which lines are left as they are."""

_LayOut = Callable[[Mapping[str, "Size"]], Any]


@dataclass(frozen=True, slots=True)
class Size:
    """The step of its ladder that a text stands at, and the width its lines are held to, to even them out."""

    fit: Fit
    step: int = 0
    width_px: float | None = None

    @property
    def lines(self) -> int:
        """How many lines the text may take at this step."""
        is_floor = self.step == len(self.fit.sizes_pt) - 1
        return self.fit.wrapped_lines if is_floor or self.points <= self.fit.wrap_from_pt else 1

    @property
    def points(self) -> float:
        """The font's size."""
        return self.fit.sizes_pt[self.step]

    @property
    def style(self) -> str:
        """The declarations for the element's `style` attribute."""
        width = "" if self.width_px is None else f"; width: {self.width_px:.2f}px"
        return f"font-size: {self.points:g}pt{width}"


def fitted(lay_out: _LayOut, *, ladders: Mapping[str, Fit]) -> Any:
    """The document, laid out with every text at the first size at which it fits, its lines evened out.

    Raises RenderError `name_does_not_fit` or `text_does_not_fit`, TemplateError when a text has no block.
    """
    sizes = {name: Size(fit) for name, fit in ladders.items()}
    while True:
        document = lay_out(sizes)
        extents = measure(document)
        # What is too long may push another text off the page; that one is looked at when the first fits.
        laid_out = [name for name in sizes if name in extents]
        stepped = sizes | {name: _next_size(name, sizes[name], extents[name]) for name in laid_out}
        if stepped == sizes:
            break
        sizes = stepped
    if missing := sorted(sizes.keys() - extents):
        raise TemplateError(f"certificate.html: no block with a text has the id {', '.join(missing)}")
    require_one_page(document)
    even = {name: _evened(size, extents[name]) for name, size in sizes.items()}
    if even == sizes:
        return document
    return _better(document, lay_out, sizes=sizes, even=even)


def _next_size(name: str, size: Size, extent: Extent | None) -> Size:
    """The same size if the text fits, or else the next one at which it may."""
    if extent is None:
        raise TemplateError(
            f"certificate.html: no block with a text has id={name!r}, which template.yml fits"
        )
    if extent.fits(lines=size.lines, height_mm=size.fit.height_mm):
        return size
    one_line_px = sum(extent.line_widths_px) / size.points
    for step in range(size.step + 1, len(size.fit.sizes_pt)):
        smaller = Size(size.fit, step)
        if smaller.lines > 1 or one_line_px * smaller.points <= extent.available_px:
            return smaller
    error_class = "name_does_not_fit" if name == "recipient_name" else "text_does_not_fit"
    raise RenderError(error_class, f"{name}: too long for its place even at {size.fit.sizes_pt[-1]:g} pt")


def _evened(size: Size, extent: Extent) -> Size:
    """The same size, held to a width at which the lines come out alike, if they are very unlike."""
    if min(extent.line_widths_px) > _EVEN_ENOUGH * max(extent.line_widths_px):
        return size
    width_px = sum(extent.line_widths_px) / len(extent.line_widths_px) * _EVEN_LINES_SLACK
    return replace(size, width_px=min(width_px, extent.available_px))


def _better(document: Any, lay_out: _LayOut, *, sizes: Mapping[str, Size], even: Mapping[str, Size]) -> Any:
    """The document with lines evened out, but for texts that then need more room, as one long word makes."""
    extents = measure(evened := lay_out(even))
    kept = {
        name: size if extents[name].fits(lines=size.lines, height_mm=size.fit.height_mm) else sizes[name]
        for name, size in even.items()
    }
    if kept == even:
        return evened
    return document if kept == sizes else lay_out(kept)
