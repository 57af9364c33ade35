"""A page: laid out, its areas found, its texts taken out."""

import itertools
import logging
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

from pramaan.errors import RenderError, TemplateError
from pramaan.rendering.template import QR_CODE_ID, Template
from pramaan.rendering.weasy.boxes import (
    alignment,
    all_boxes,
    colour_of,
    only_page,
    remove_texts,
    require_flat,
    require_plain,
    texts_below,
    texts_in,
)
from pramaan.rendering.weasy.drawing import ExactAdvances, page_layout, position_of
from pramaan.rendering.weasy.geometry import AreaPlace, Block, Box, FixedText, PageLayout
from pramaan.rendering.weasy.pango import font_configuration
from pramaan.rendering.weasy.sources import BASE_URL, Sources, complaints, fetch_errors, is_of_interest
from pramaan.rendering.weasy.text import Shaper
from pramaan.rendering.weasy.text_style import text_style

__all__ = ["Layouter"]

_CACHED_IMAGES: Final = 200
_SIDES: Final = ("top", "right", "bottom", "left")


class Layouter:
    """Lays out the pages of one template. For one thread at a time.

    Raises HostError without fonts, TemplateError when the CSS cannot be used.
    """

    def __init__(self, template: Template) -> None:
        for logger in ("weasyprint", "fontTools"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        logging.getLogger("weasyprint").addFilter(is_of_interest)
        self._template = template
        self._sources = Sources(template)
        self._fonts = font_configuration()
        self._images: dict[str, Any] = {}
        with complaints(logging.WARNING) as said, fetch_errors():
            self._css = self._stylesheet()
        if said:
            raise TemplateError(f"{template.template_id}/certificate.css: {'; '.join(said)}")

    def serve(self, signature: bytes | None) -> str | None:
        """The address of this signature's image, which the next layouts may fetch."""
        return self._sources.serve(signature)

    def document(self, tree: Element) -> Any:
        """WeasyPrint's document of a tree, laid out.

        Raises TemplateError when it refers to what the template does not hold, RenderError
        `signature_unreadable`.
        """
        import cssselect2
        import weasyprint

        if len(self._images) > _CACHED_IMAGES:
            self._images.clear()
        self._sources.fetch_error = None
        self._fonts.add_font_face = self._sources.refuse_font_face
        html = weasyprint.HTML(string="<html></html>", base_url=BASE_URL, url_fetcher=self._sources)
        html.wrapper_element = cssselect2.ElementWrapper.from_html_root(tree, content_language=None)
        html.etree_element = html.wrapper_element.etree_element
        with complaints(logging.ERROR) as said, fetch_errors():
            document = html.render(
                font_config=self._fonts, stylesheets=[self._css], cache=self._images, output_intent="srgb"
            )
        self._refuse(said)
        return document

    def written(self, document: Any, **options: Any) -> bytes:
        """The document as WeasyPrint writes it. Raises as `document`."""
        document.fonts = ExactAdvances()
        with complaints(logging.ERROR) as said, fetch_errors():
            pdf = document.write_pdf(cache=self._images, output_intent="srgb", **options)
        self._refuse(said)
        return bytes(pdf)

    def page(self, tree: Element) -> PageLayout:
        """The page of a tree whose areas are empty.

        Raises TemplateError when it takes more than one page, or is drawn as the compiled engine cannot; and
        as `document`.
        """
        document = self.document(tree)
        page = only_page(document)
        where = f"{self._template.template_id}/certificate.html"
        if document.pages[0].links:
            raise TemplateError(f"{where}: an <a> with an href must be an area: give it an id under `areas`")
        require_flat(page, self._template.areas, where)
        blocks = list(self._blocks(page))
        shown = sum(len(block.texts) for block in blocks)
        if texts := [box.text.strip() for box in texts_below(page)][shown:]:
            raise TemplateError(
                f"{where}: a text stands in an inline block, a table or the like; put it into a block of its "
                f"own (one of the texts on the page is {texts[-1][:40]!r})"
            )
        remove_texts(page)
        return self._painted(document, blocks)

    def texts_out_of_order(self, tree: Element) -> list[str]:
        """Texts that are painted before one that stands before them in the HTML. Raises as `page`."""
        document = self.document(tree)
        texts = {
            position_of(box.position_x, box.position_y + box.baseline): box.text
            for box in texts_below(only_page(document))
        }
        painted: list[tuple[float, float]] = []

        def finish(_: Any, pdf: Any) -> None:
            page = pdf.objects[pdf.pages["Kids"][0]]
            for item in pdf.objects[int(page["Contents"].split()[0])].stream:
                if isinstance(item, bytes) and item.endswith(b" Tm"):
                    x, y = item.split()[4:6]
                    painted.append(position_of(float(x), float(y)))

        self.written(document, finisher=finish)
        order = {position: number for number, position in enumerate(texts)}
        known = [position for position in painted if position in order]
        return [texts[later] for later, earlier in itertools.pairwise(known) if order[later] > order[earlier]]

    def places(self, tree: Element) -> dict[str, AreaPlace]:
        """Where and how each area of a filled tree is set."""
        from weasyprint.formatting_structure import boxes

        places: dict[str, AreaPlace] = {}
        for box in all_boxes(only_page(self.document(tree))):
            name = box.element.get("id", "") if box.element is not None else ""
            if name in self._template.areas and isinstance(box, boxes.BlockBox) and name not in places:
                places[name] = self._place(name, box)
        if missing := sorted(
            {e.get("id", "") for e in tree.iter()} & self._template.areas.keys() - places.keys()
        ):
            raise TemplateError(
                f"{self._template.template_id}: area {', '.join(missing)} is no block: it needs "
                "`display: block`"
            )
        return places

    def _place(self, name: str, box: Any) -> AreaPlace:
        from weasyprint.formatting_structure import boxes
        from weasyprint.text.line_break import strut

        where = f"{self._template.template_id}/certificate.css: #{name}"
        if box.style["height"] == "auto":
            raise TemplateError(f"{where} needs a height: nothing may move when its text grows")
        if any(getattr(box, f"padding_{side}") or getattr(box, f"border_{side}_width") for side in _SIDES):
            raise TemplateError(
                f"{where} may have no padding and no border: give them to an element around it"
            )
        line = next((child for child in box.children if isinstance(child, boxes.LineBox)), None)
        if line is None or not isinstance(line.children[0], boxes.TextBox):
            raise TemplateError(f"{where} must hold text alone, and no ::before, ::after or ::first-letter")
        style = line.children[0].style
        require_plain(style, where)
        height, baseline = strut(line.style)
        return AreaPlace(
            box=Box(box.content_box_x(), box.content_box_y(), box.width, box.height),
            align=alignment(line.style),
            direction=style["direction"],
            colour=colour_of(style, where),
            style=text_style(style),
            line_height=strut(style)[0],
            strut_height=height,
            strut_baseline=baseline,
        )

    def _blocks(self, page: Any) -> Iterator[Block]:
        from weasyprint.formatting_structure import boxes

        for box in all_boxes(page):
            if isinstance(box, boxes.ReplacedBox):
                yield self._block("figure", box)
            elif isinstance(box, boxes.BlockBox):
                name = box.element.get("id", "") if box.element is not None else ""
                if name == QR_CODE_ID:
                    yield self._block("qr_code", box)
                elif name in self._template.areas:
                    yield self._block("area", box)
                elif any(isinstance(child, boxes.LineBox) for child in box.children):
                    texts = tuple(self._fixed_text(text) for text in texts_in(box))
                    if texts:
                        yield self._block("text", box, texts=texts)

    def _block(self, kind: str, box: Any, *, texts: tuple[FixedText, ...] = ()) -> Block:
        element = box.element
        alternative = (element.get("alt") or element.get("aria-label") or "") if element is not None else ""
        return Block(
            kind=kind,
            tag=str(box.element_tag or "").partition("::")[0],
            name=element.get("id", "") if element is not None else "",
            box=Box(box.content_box_x(), box.content_box_y(), box.width, box.height),
            language=box.style["lang"] or "",
            alternative=alternative,
            texts=texts,
        )

    def _fixed_text(self, box: Any) -> FixedText:
        from weasyprint.text.line_break import strut

        where = f"{self._template.template_id}/certificate.html: the text in <{box.element_tag}>"
        require_plain(box.style, where)
        if box.justification_spacing:
            raise TemplateError(f"{where} is justified, which the compiled engine cannot do")
        return FixedText(
            x=box.position_x,
            baseline=box.position_y + box.baseline,
            colour=colour_of(box.style, where),
            line=Shaper(
                text_style(box.style), line_height=strut(box.style)[0], strut_height=0, strut_baseline=0
            ).shaped(box.text),
            reads=box.text,
        )

    def _painted(self, document: Any, blocks: list[Block]) -> PageLayout:
        found: list[PageLayout] = []

        def finish(_: Any, pdf: Any) -> None:
            found.append(page_layout(pdf, blocks))

        self.written(document, uncompressed_pdf=True, pdf_tags=True, finisher=finish)
        return found[0]

    def _stylesheet(self) -> Any:
        import weasyprint

        self._fonts.add_font_face = self._sources.refuse_font_face
        return weasyprint.CSS(
            string=self._template.files["certificate.css"].decode(),
            base_url=BASE_URL,
            url_fetcher=self._sources,
            font_config=self._fonts,
        )

    def _refuse(self, said: list[str]) -> None:
        """Raise when an image was left out: WeasyPrint says so in its log and goes on."""
        if not said:
            return
        self._images.clear()
        if (fetch_error := self._sources.fetch_error) is not None:
            self._sources.fetch_error = None
            raise fetch_error  # WeasyPrint's log says less: that a picture could not be drawn
        signature_url = self._sources.signature_url
        if signature_url and any(signature_url in complaint for complaint in said):
            raise RenderError("signature_unreadable", "the signature image cannot be read")
        raise TemplateError(f"{self._template.template_id}: {'; '.join(said)}")
