"""A page's fixed part, made into PDF objects: drawings, pictures, fixed texts and the structure tree."""

from dataclasses import replace
from typing import Final

from pramaan.errors import TemplateError
from pramaan.rendering import pdf
from pramaan.rendering.badge_assertion import ATTACHMENT_DESCRIPTION, ATTACHMENT_NAME
from pramaan.rendering.cached_page import FixedLayer
from pramaan.rendering.layers import layer, marked
from pramaan.rendering.page import Page
from pramaan.rendering.structure import mcids, structure_objects
from pramaan.rendering.weasy import PageLayout

__all__ = [
    "CATALOG",
    "EMBEDDED",
    "INFO",
    "METADATA",
    "PERSONAL_OBJECTS",
    "RESOURCES",
    "SHARED_OBJECTS",
    "TEXTS",
    "fixed_layer_of",
]

CATALOG, _PAGES, _PAGE, RESOURCES, METADATA, INFO, _FILE, EMBEDDED = range(1, 9)
_DRAWINGS, TEXTS, _FIXED_OBJECTS, SHARED_OBJECTS, PERSONAL_OBJECTS = range(9, 14)
_FIRST_FREE: Final = 14


def fixed_layer_of(page: Page) -> FixedLayer:
    """The fixed layer of a page: kept, or made and kept now. Raises TemplateError as `Renderer.render`."""
    if page.kept and page.kept.fixed_layer:
        return page.kept.fixed_layer
    fixed_layer = _made(page)
    if page.kept:
        page.kept.cache_fixed_layer(fixed_layer)
    return fixed_layer


def _made(page: Page) -> FixedLayer:
    layout = page.layout
    numbers_of_blocks = mcids(layout.blocks, first=layout.picture_count)
    if sum(block.kind == "qr_code" for block in layout.blocks) != 1:
        raise TemplateError(f"{page.template.template_id}: the QR code's block is not shown, or not once")
    links = {name: _FIRST_FREE + position for position, name in enumerate(sorted(page.wording.links))}
    numbers = {
        old: _FIRST_FREE + len(links) + position for position, old in enumerate(sorted(layout.objects))
    }
    objects = [
        (new, pdf.packed(pdf.renumbered(layout.objects[old], numbers))) for old, new in numbers.items()
    ]
    structure = structure_objects(
        layout,
        numbers_of_blocks,
        links=links,
        page=_PAGE,
        first=_FIRST_FREE + len(links) + len(numbers),
    )
    objects += structure
    objects += _document(
        page, layout, links=links, root=structure[0][0], profile=numbers[layout.output_profile]
    )
    objects.append((_DRAWINGS, pdf.stream(b"q\n%s\nQ" % layout.graphics, level=pdf.THOROUGHLY)))
    fixed_layer = layer(
        b"A",
        [
            marked(block, numbers_of_blocks[block], block.language, block.texts, within=page.language)
            for block in layout.blocks
            if block.kind == "text"
        ],
        first_font=structure[-1][0] + 1,
    )
    return FixedLayer(
        wording=page.wording,
        height_pt=layout.height_pt,
        blocks=tuple(replace(block, texts=()) for block in layout.blocks),
        mcids=tuple(numbers_of_blocks[block] for block in layout.blocks),
        shown=tuple(fixed_layer.shown.get(block) for block in layout.blocks),
        links=tuple(links.items()),
        resources=b"".join(
            b"/%s %s" % (key.encode(), pdf.renumbered(value, numbers))
            for key, value in layout.resources.items()
        ),
        fonts=fixed_layer.fonts,
        fixed=pdf.bundle((*objects, *fixed_layer.objects), container=_FIXED_OBJECTS),
        next_free=fixed_layer.next_free,
    )


def _document(
    page: Page, layout: PageLayout, *, links: dict[str, int], root: int, profile: int
) -> list[tuple[int, bytes]]:
    """The objects that say what the file is, and what it consists of."""
    annotations = b" ".join(b"%d 0 R" % number for number in links.values())
    box = b"[0 0 %.4f %.4f]" % (layout.width_pt, layout.height_pt)
    catalog = (
        b"<</Type/Catalog/Pages %d 0 R/Lang(%s)/Metadata %d 0 R/MarkInfo<</Marked true>>"
        b"/ViewerPreferences<</DisplayDocTitle true>>/StructTreeRoot %d 0 R/AF[%d 0 R]"
        b"/Names<</EmbeddedFiles<</Names[(%s)%d 0 R]>>>>"
        b"/OutputIntents[<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB2014)/Info(sRGB2014)"
        b"/DestOutputProfile %d 0 R>>]>>"
        % (_PAGES, page.language.encode(), METADATA, root, _FILE, ATTACHMENT_NAME.encode(), _FILE, profile)
    )
    the_page = (
        b"<</Type/Page/Parent %d 0 R/MediaBox%s/TrimBox%s/Resources %d 0 R/Contents[%d 0 R %d 0 R]"
        b"/Tabs/S/StructParents 0/Annots[%s]>>" % (_PAGES, box, box, RESOURCES, _DRAWINGS, TEXTS, annotations)
    )
    described = pdf.file_description(ATTACHMENT_NAME, description=ATTACHMENT_DESCRIPTION, embedded=EMBEDDED)
    return [
        (CATALOG, catalog),
        (_PAGES, b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % _PAGE),
        (_PAGE, the_page),
        (_FILE, described),
    ]
