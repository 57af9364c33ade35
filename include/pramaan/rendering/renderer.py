"""Fields and a template in, one PDF out. What everybody else calls.

The same input gives the same bytes in any process: no clock, no random number, no font but the bundled ones.
Values are data: they are checked, and never looked at as markup or as addresses to fetch.
"""

from collections.abc import Mapping
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pramaan.errors import RenderError
from pramaan.rendering.badge_assertion import sample_assertion
from pramaan.rendering.cached_page import CachedPages
from pramaan.rendering.compiled_engine import CompiledEngine
from pramaan.rendering.fields import checked_fields, printed_texts
from pramaan.rendering.fit import DOES_NOT_FIT
from pramaan.rendering.fonts import fonts_fingerprint, require_configured_fonts
from pramaan.rendering.full_engine import FullEngine
from pramaan.rendering.page import Page, Pages
from pramaan.rendering.page_cache import PageCache
from pramaan.rendering.template import Template
from pramaan.rendering.weasy import engine_version

__all__ = ["ENGINES", "Engine", "Renderer"]

Engine = Literal["compiled", "weasyprint"]
ENGINES: Final[tuple[Engine, ...]] = ("compiled", "weasyprint")

_REVISION: Final = 2
"""Counted up when the same input comes to give other bytes."""


class Renderer:
    """Renders certificates of one template; keeps what can be kept between them. For one thread at a time.

    `configure_fonts` must have been called before. With a `page_cache`, pages that another process laid out
    are taken from there, WeasyPrint is imported only for those that are not, and the bytes are the same.

    Raises HostError without fonts, TemplateError when the HTML or the CSS cannot be used; with a cache, the
    latter comes with the first page that is not kept.
    """

    engine_version: str
    field_names: frozenset[str]
    template: Template

    def __init__(
        self,
        template: Template,
        *,
        zone: ZoneInfo,
        engine: Engine = "compiled",
        page_cache: PageCache | None = None,
    ) -> None:
        require_configured_fonts()
        self.engine_version = f"{engine}-{_REVISION} {engine_version()} fonts-{fonts_fingerprint()[:12]}"
        self.field_names = frozenset(template.fields)
        self.template = template
        self._zone = zone
        kept = CachedPages(page_cache, engine_version=self.engine_version) if page_cache is not None else None
        self._pages = Pages(template, kept=kept)
        self._compiled = CompiledEngine() if engine == "compiled" else None
        self._full = FullEngine(self._pages)

    def render(
        self,
        fields: Mapping[str, str | None],
        *,
        signature: bytes | None = None,
        assertion: bytes | None = None,
    ) -> bytes:
        """One certificate as a PDF of one page.

        `fields` holds a text for every field of the template, but for the optional ones; `signature` is an
        image (PNG, JPEG or SVG) that was checked when it was uploaded; `assertion` the Open Badges assertion
        to attach, by default a sample.

        Raises RenderError, whose `error_class` is `missing_field`, `unknown_field`, `invalid_field`,
        `name_unprintable`, `text_unprintable`, `name_does_not_fit`, `text_does_not_fit` or
        `signature_unreadable`; TemplateError when the template asks for what it does not hold.
        """
        values = checked_fields(fields, template=self.template)
        page = self._page(values, signature)
        texts = printed_texts(values, language=page.language, zone=self._zone)
        attached = assertion or sample_assertion(values, class_id=self.template.template_id)
        code = (values["language"] or "").partition("-")[0].lower()
        if self._compiled is not None:
            try:
                return self._compiled.render(page, texts, language=code, assertion=attached)
            except RenderError as error:
                if error.error_class not in DOES_NOT_FIT:
                    raise
        return self._full.render(page, texts, language=code, signature=signature, assertion=attached)

    def page_for(self, fields: Mapping[str, str | None], *, signature: bytes | None = None) -> Page:
        """The page that these fields are printed on. Raises as `render`."""
        return self._page(checked_fields(fields, template=self.template), signature)

    def _page(self, values: Mapping[str, str | None], signature: bytes | None) -> Page:
        present = frozenset(name for name, value in values.items() if value is not None)
        language = self.template.language_for(values["language"] or "")
        return self._pages.page(language, present, signature)
