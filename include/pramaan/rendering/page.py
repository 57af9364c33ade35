"""The page of a template in one language, with the same fields present: what both engines fill.

Made once, from the template alone, and kept. No value is part of it, but for the signature's picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import quote
from xml.etree.ElementTree import Element

from pramaan.errors import RenderError, TemplateError
from pramaan.rendering.cached_page import CachedPage, CachedPages, Wording
from pramaan.rendering.fields import direction_of, language_of
from pramaan.rendering.fit import AreaStyle, Fitting, fitting
from pramaan.rendering.markup import AreaText, Markup, PageMarkup, text_of
from pramaan.rendering.template import Template
from pramaan.rendering.weasy import AreaPlace, Layouter, PageLayout, Shaper

__all__ = ["FilledArea", "Page", "Pages"]

_KEPT_PAGES = 32
_ADDRESS_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class FilledArea:
    """An area's text, and how it fits."""

    name: str
    text: str
    language: str
    direction: str
    fitting: Fitting
    css: str = ""


class Pages:
    """The pages of one template. For one thread at a time.

    Raises HostError without fonts, TemplateError when the HTML or the CSS cannot be used; with `kept`, only
    once a page is asked for that is not kept.
    """

    def __init__(self, template: Template, *, kept: CachedPages | None = None) -> None:
        self._template = template
        self._kept = kept
        self.page = lru_cache(maxsize=_KEPT_PAGES)(self._page)
        if kept is None:
            self._markup  # noqa: B018 - what is wrong with the template is told at once
            self.layouter  # noqa: B018

    @cached_property
    def layouter(self) -> Layouter:
        """Lays out the template's pages. To make it brings WeasyPrint in."""
        return Layouter(self._template)

    @cached_property
    def _markup(self) -> Markup:
        return Markup(self._template)

    def markup(self, language: str, present: frozenset[str], signature: bytes | None) -> PageMarkup:
        """The markup of a page."""
        url = self.layouter.serve(signature)
        return self._markup.page(language, present=present, signature_url=url)

    def _page(self, language: str, present: frozenset[str], signature: bytes | None) -> "Page":
        """The page in one of the template's languages, with these fields present."""
        kept = self._kept.page(self._template, language, present, signature) if self._kept else None
        page = Page(self._template, self, language=language, present=present, signature=signature, kept=kept)
        if kept is None:
            page.markup  # noqa: B018 - as above
        return page


class Page:
    """One page. Raises TemplateError when first used, if the template is not as it must be."""

    def __init__(
        self,
        template: Template,
        pages: Pages,
        *,
        language: str,
        present: frozenset[str],
        signature: bytes | None,
        kept: CachedPage | None,
    ) -> None:
        self.template = template
        self.language = language
        self.kept = kept
        self._pages = pages
        self._present = present
        self._signature = signature
        self._styles: dict[tuple[str, str, str, float, bool], AreaStyle] = {}

    @cached_property
    def markup(self) -> PageMarkup:
        """The page as HTML, without its values."""
        return self._pages.markup(self.language, self._present, self._signature)

    @cached_property
    def wording(self) -> Wording:
        """What is said in which area, and about the page."""
        frame = self.kept.fixed_layer if self.kept else None
        return frame.wording if frame else Wording.of(self.markup)

    @cached_property
    def layout(self) -> PageLayout:
        """The page without its areas' texts, drawn."""
        self._pages.layouter.serve(self._signature)
        return self._pages.layouter.page(self.markup.tree)

    def filled(
        self,
        name: str,
        texts: Mapping[str, str],
        *,
        preferred_language: str,
        may_break_words: bool = False,
    ) -> FilledArea:
        """An area with its text, as it fits; if it may break words, then any word may go on in the next line.

        Raises RenderError `name_does_not_fit`, `text_does_not_fit`, `name_unprintable` or `text_unprintable`.
        """
        text = text_of(self.wording.areas[name], texts)
        language = language_of(text, preferred=preferred_language)
        direction = direction_of(text)
        try:
            fits = fitting(
                name,
                text,
                area=self.template.areas[name],
                style_at=lambda size_pt: self._style(name, language, direction, size_pt, may_break_words),
            )
        except RenderError as error:
            raise named(error, name) from None
        return FilledArea(name, text, language, direction, fits, _css(may_break_words))

    def tree(self, areas: Mapping[str, FilledArea], texts: Mapping[str, str]) -> Element:
        """The whole page as markup, filled."""
        return self.markup.filled(
            {
                name: AreaText(
                    area.text,
                    area.language,
                    area.direction,
                    f"{area.fitting.css}{area.css}",
                    self._address(name, texts),
                )
                for name, area in areas.items()
            }
        )

    def _address(self, name: str, texts: Mapping[str, str]) -> str:
        return self.address(name, texts) if name in self.wording.links else ""

    def address(self, name: str, texts: Mapping[str, str]) -> str:
        """Where an area's link leads, in ASCII. Raises RenderError `invalid_field` if to no web page."""
        address = text_of(self.wording.links[name], texts)
        if not address.startswith(("https://", "http://")):
            raise RenderError("invalid_field", f"the link of {name} is not an http address")
        return quote(address, safe=_ADDRESS_CHARACTERS)

    def _style(
        self, name: str, language: str, direction: str, size_pt: float, may_break_words: bool
    ) -> AreaStyle:
        """The area's style; laid out once, together with every other area at the same step."""
        if (known := self._styles.get((name, language, direction, size_pt, may_break_words))) is not None:
            return known
        ladders = {area: self.template.areas[area].sizes_pt for area in self.wording.areas}
        step = ladders[name].index(size_pt)
        if step:
            self._style(name, language, direction, ladders[name][0], may_break_words)
        # An area without that many steps stands at its first: which one asked first must make no difference.
        sizes = {area: ladder[step] if step < len(ladder) else ladder[0] for area, ladder in ladders.items()}
        for area, place in self._places(language, direction, sizes, may_break_words).items():
            first = self._styles.get((area, language, direction, ladders[area][0], may_break_words))
            if first is not None and first.place.box != place.box:
                raise TemplateError(
                    f"{self.template.template_id}/certificate.css: the box of #{area} follows a font size; "
                    "give areas, and what stands before them, sizes in mm, pt or px"
                )
            if step < len(ladders[area]):
                key = (area, language, direction, ladders[area][step], may_break_words)
                self._styles.setdefault(key, AreaStyle(place, _shaper(place)))
        return self._styles[name, language, direction, size_pt, may_break_words]

    def _places(
        self, language: str, direction: str, sizes_pt: Mapping[str, float], may_break_words: bool
    ) -> Mapping[str, AreaPlace]:
        """Every area's place, with texts in this language and of these sizes."""
        origin = [language, direction, {**sizes_pt}, may_break_words]
        if self.kept and (kept := self.kept.places(origin)):
            return kept
        self._pages.layouter.serve(self._signature)
        tree = self.markup.filled(
            {
                area: AreaText("x", language, direction, f"font-size: {size:g}pt{_css(may_break_words)}")
                for area, size in sizes_pt.items()
            }
        )
        places = self._pages.layouter.places(tree)
        if self.kept:
            self.kept.cache_places(places, origin)
        return places


def _shaper(place: AreaPlace) -> Shaper:
    return Shaper(
        place.style,
        line_height=place.line_height,
        strut_height=place.strut_height,
        strut_baseline=place.strut_baseline,
    )


def _css(may_break_words: bool) -> str:
    return "; overflow-wrap: anywhere" if may_break_words else ""


def named(error: RenderError, name: str) -> RenderError:
    """The same error, of the recipient's name if the text is that."""
    if name == "recipient_name" and error.error_class == "text_unprintable":
        return RenderError("name_unprintable", f"{name}: {error}")
    return error
