"""WeasyPrint's boxes, read."""

from collections.abc import Container, Iterator
from typing import Any

from pramaan.errors import RenderError, TemplateError
from pramaan.rendering.weasy.geometry import Box

__all__ = [
    "alignment",
    "all_boxes",
    "block_with_id",
    "colour_of",
    "only_page",
    "remove_texts",
    "require_flat",
    "require_plain",
    "texts_below",
    "texts_in",
]


def only_page(document: Any) -> Any:
    """The document's page box. Raises RenderError `text_does_not_fit` when there are more."""
    if len(document.pages) != 1:
        raise RenderError("text_does_not_fit", f"the page takes {len(document.pages)} pages instead of one")
    return document.pages[0]._page_box


def block_with_id(document: Any, name: str) -> Box:
    """The content box of the block with this id. Raises TemplateError when there is none."""
    from weasyprint.formatting_structure import boxes

    for box in all_boxes(only_page(document)):
        if isinstance(box, boxes.BlockBox) and box.element is not None and box.element.get("id") == name:
            return Box(box.content_box_x(), box.content_box_y(), box.width, box.height)
    raise TemplateError(f"certificate.html: no block has id={name!r}")


def remove_texts(box: Any) -> None:
    from weasyprint.formatting_structure import boxes

    for child in getattr(box, "children", ()):
        remove_texts(getattr(child, "_box", child))
    if hasattr(box, "children"):
        box.children = [child for child in box.children if not isinstance(child, boxes.TextBox)]


def texts_in(box: Any) -> Iterator[Any]:
    """The texts of a block's own lines, in reading order."""
    from weasyprint.formatting_structure import boxes

    for child in box.children:
        if isinstance(child, boxes.TextBox):
            if child.text.strip():
                yield child
        elif isinstance(child, (boxes.LineBox, boxes.InlineBox)):
            yield from texts_in(child)


def texts_below(page: Any) -> Iterator[Any]:
    from weasyprint.formatting_structure import boxes

    return (box for box in all_boxes(page) if isinstance(box, boxes.TextBox) and box.text.strip())


def all_boxes(page: Any) -> Iterator[Any]:
    for box in page.descendants(placeholders=True):
        yield getattr(box, "_box", box)


def alignment(style: Any) -> str:
    """`start`, `center` or `end`."""
    align = style["text_align_all"]
    if align == "justify":
        align = "start"
    if align in {"left", "right"}:
        return "start" if (align == "left") == (style["direction"] == "ltr") else "end"
    return str(align)


def require_flat(page: Any, areas: Container[str], where: str) -> None:
    """Raise TemplateError when a text stands in what is turned, faded or cut off as a whole.

    Texts are taken out of the page, and set over its drawings.
    """
    for box in all_boxes(page):
        style = box.style
        refused = {
            "transform": bool(getattr(box, "transformation_matrix", None)),
            "opacity": style["opacity"] < 1,
            "overflow": style["overflow"] != "visible" and not box.is_for_root_element,
            "clip": bool(style["clip"]),
        }
        named = [name for name, is_refused in refused.items() if is_refused]
        if named and any(_is_text(inner, areas) for inner in _with_below(box)):
            raise TemplateError(
                f"{where}: <{box.element_tag}> has {', '.join(named)} and a text in it: for pictures only"
            )


def _with_below(box: Any) -> Iterator[Any]:
    yield box
    if hasattr(box, "descendants"):
        yield from all_boxes(box)


def _is_text(box: Any, areas: Container[str]) -> bool:
    from weasyprint.formatting_structure import boxes

    name = box.element.get("id", "") if box.element is not None else ""
    return name in areas or (isinstance(box, boxes.TextBox) and bool(box.text.strip()))


def require_plain(style: Any, where: str) -> None:
    """Raise TemplateError when a text is set as the compiled engine cannot set it."""
    refused = {
        "text-decoration": style["text_decoration_line"] not in ("none", frozenset(), set()),
        "visibility": style["visibility"] != "visible",
        "white-space": style["white_space"] not in {"normal", "nowrap"},
        "word-spacing": bool(style["word_spacing"]),
        "hyphens": style["hyphens"] == "auto",
        "text-overflow": style["text_overflow"] != "clip",
    }
    if named := [name for name, is_refused in refused.items() if is_refused]:
        raise TemplateError(f"{where}: {', '.join(named)} is not possible there")


def colour_of(style: Any, where: str) -> tuple[float, float, float]:
    colour = style["color"]
    if colour.alpha != 1:
        raise TemplateError(f"{where}: text cannot be translucent; give it the colour that it shall have")
    try:
        red, green, blue = colour.to("srgb").coordinates
    except NotImplementedError:
        raise TemplateError(f"{where}: this kind of colour is not possible; write it as #rrggbb") from None
    return float(red), float(green), float(blue)
