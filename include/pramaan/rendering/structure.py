"""What a page consists of, for those who cannot see it: the structure tree (ISO 32000-1, 14.7 and 14.8).

An element for each block, in reading order: headings, paragraphs, pictures, links. Each knows its part of the
page by the number of a marked content (MCID), and the parent tree knows each number's element.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from pramaan.rendering import pdf
from pramaan.rendering.weasy import PT_PER_PX, Block, PageLayout

__all__ = ["mcids", "rectangle", "structure_objects", "tag_of"]

_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PICTURES: Final = frozenset({"figure", "qr_code"})


def mcids(blocks: Iterable[Block], *, first: int) -> dict[Block, int]:
    """Every block's number: WeasyPrint gave the pictures theirs, the others follow."""
    numbers: dict[Block, int] = {}
    for block in blocks:
        if block.mcid is None:
            numbers[block] = first
            first += 1
        else:
            numbers[block] = block.mcid
    return numbers


def tag_of(block: Block) -> bytes:
    """The standard structure type that a block is."""
    if block.kind in _PICTURES:
        return b"Figure"
    return block.tag.upper().encode() if block.tag in _HEADINGS else b"P"


def rectangle(block: Block, *, height_pt: float) -> bytes:
    """Where a block is, in points from the lower left corner of a page of this height."""
    box = block.box
    return b"[%.3f %.3f %.3f %.3f]" % (
        box.x * PT_PER_PX,
        height_pt - (box.y + box.height) * PT_PER_PX,
        (box.x + box.width) * PT_PER_PX,
        height_pt - box.y * PT_PER_PX,
    )


def structure_objects(
    layout: PageLayout, numbers: Mapping[Block, int], *, links: Mapping[str, int], page: int, first: int
) -> list[tuple[int, bytes]]:
    """The tree's objects, numbered from `first`, which is the root.

    `numbers` are the blocks' MCIDs, `links` the annotations' object numbers by the block's name, `page` that
    of the page.
    """
    root, parents, document = first, first + 1, first + 2
    bodies: dict[int, bytes] = {}
    children: list[int] = []
    by_mcid: dict[int, int] = {}
    by_annotation: dict[str, int] = {}
    number = first + 3
    for block in layout.blocks:
        if block.kind == "figure" and not block.alternative:
            continue  # an ornament, which was drawn as one
        children.append(number)
        content = b"%d" % numbers[block]
        if block.name in links:
            # The paragraph holds the link, the link its text and its annotation (14.8.4.4.2).
            bodies[number] = _element(b"P", document, b"%d 0 R" % (number + 1), page)
            content = b"[%s<</Type/OBJR/Obj %d 0 R/Pg %d 0 R>>]" % (content, links[block.name], page)
            number += 1
            bodies[number] = _element(b"Link", number - 1, content, page)
            by_annotation[block.name] = number
        else:
            about = _about(block, layout) if block.kind in _PICTURES else b""
            bodies[number] = _element(tag_of(block), document, content, page, about)
        by_mcid[numbers[block]] = number
        number += 1
    kids = b" ".join(b"%d 0 R" % child for child in children)
    bodies[root] = b"<</Type/StructTreeRoot/ParentTree %d 0 R/ParentTreeNextKey %d/K %d 0 R>>" % (
        parents,
        1 + len(links),
        document,
    )
    bodies[parents] = _parent_tree(by_mcid, [by_annotation[name] for name in links])
    bodies[document] = b"<</Type/StructElem/S/Document/P %d 0 R/K[%s]>>" % (root, kids)
    return sorted(bodies.items())


def _parent_tree(by_mcid: Mapping[int, int], by_annotation: Iterable[int]) -> bytes:
    """Key 0 is the page, whose marked contents are listed by number; the annotations follow."""
    entries = (
        b"%d 0 R" % by_mcid[mcid] if mcid in by_mcid else b"null"
        for mcid in range(max(by_mcid, default=-1) + 1)
    )
    annotations = b"".join(b" %d %d 0 R" % entry for entry in enumerate(by_annotation, start=1))
    return b"<</Nums[0[%s]%s]>>" % (b" ".join(entries), annotations)


def _about(block: Block, layout: PageLayout) -> bytes:
    """What a picture's element says of it."""
    return b"/Alt%s/A<</O/Layout/Placement/Block/BBox%s>>" % (
        pdf.string(block.alternative or "QR code"),
        rectangle(block, height_pt=layout.height_pt),
    )


def _element(tag: bytes, parent: int, kids: bytes, page: int, more: bytes = b"") -> bytes:
    return b"<</Type/StructElem/S/%s/P %d 0 R/Pg %d 0 R/K %s%s>>" % (tag, parent, page, kids, more)
