"""WeasyPrint on the filled page: the oracle that the compiled engine is held against, and its fallback.

Texts are set at the size and on the lines that `fit` found; everything else is WeasyPrint's own. Two things
are added to what it writes: the QR code, painted as one path; and, for every line that is not plain ASCII,
its characters (`ActualText`, ISO 32000-1, 14.9.4): the glyphs of Indic scripts stand in another order than
their characters, so that copying and searching would fail.
"""

from collections.abc import Mapping
from typing import Any

from pramaan.errors import RenderError
from pramaan.rendering.fit import DOES_NOT_FIT
from pramaan.rendering.markup import text_of
from pramaan.rendering.page import FilledArea, Page, Pages
from pramaan.rendering.qr import qr_code_path
from pramaan.rendering.template import QR_CODE_ID
from pramaan.rendering.weasy import PT_PER_PX, add_to_page, attachment, block_with_id

__all__ = ["FullEngine"]


class FullEngine:
    """Renders a page by WeasyPrint alone. What fits no other way has its words broken."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def render(
        self,
        page: Page,
        texts: Mapping[str, str],
        *,
        language: str,
        signature: bytes | None,
        assertion: bytes,
    ) -> bytes:
        """One certificate. Raises RenderError and TemplateError as `Renderer.render`."""
        areas = {name: self._filled(page, name, texts, language=language) for name in page.markup.areas}
        layouter = self._pages.layouter
        layouter.serve(signature)
        document = layouter.document(page.tree(areas, texts))
        document.metadata.title = text_of(page.markup.title, texts)
        document.metadata.authors = [text_of(page.markup.author, texts)]
        box = block_with_id(document, QR_CODE_ID)
        height_pt = document.pages[0].height * PT_PER_PX
        code = qr_code_path(
            texts["verify_url"],
            x_pt=box.x * PT_PER_PX,
            y_pt=height_pt - (box.y + box.height) * PT_PER_PX,
            side_pt=box.width * PT_PER_PX,
        )

        def finish(document: Any, pdf: Any) -> None:
            add_to_page(document, pdf, code)

        return layouter.written(
            document,
            finisher=finish,
            pdf_variant="pdf/a-3u",
            pdf_tags=True,
            attachments=[attachment(assertion, completed_at=texts["completed_at"])],
        )

    def _filled(self, page: Page, name: str, texts: Mapping[str, str], *, language: str) -> FilledArea:
        try:
            return page.filled(name, texts, preferred_language=language)
        except RenderError as error:
            if error.error_class not in DOES_NOT_FIT:
                raise
        return page.filled(name, texts, preferred_language=language, may_break_words=True)
