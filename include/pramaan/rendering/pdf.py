"""PDF objects (ISO 32000-1) as PDF/A-3u (ISO 19005-3) and a tagged PDF want them, written as bytes.

Nothing here knows of certificates: objects go in with their numbers, a file comes out. Everything is written
in a fixed order, compressed by libdeflate, without a clock: the same objects are the same file.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from xml.sax.saxutils import escape

import deflate

from pramaan.rendering.font_subset import Face, Subset
from pramaan.rendering.weasy import GlyphRun

__all__ = [
    "FONT_OBJECTS",
    "QUICKLY",
    "THOROUGHLY",
    "Bundle",
    "ascii_string",
    "attachment",
    "bundle",
    "date",
    "file_description",
    "font_objects",
    "info",
    "metadata",
    "packed",
    "renumbered",
    "shown",
    "stream",
    "string",
    "written",
]

_HEADER: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
THOROUGHLY, QUICKLY = 12, 1
"""Levels of compression: for what is made once, and for what is made for every certificate."""

_HEX: Final = tuple(b"%04x" % code for code in range(65536))
_UNSHOWN: Final = "\u200b"
"""What a glyph stands for that is part of another one's characters: PDF/A-3u lets none stand for nothing."""

FONT_OBJECTS: Final = 5
"""How many objects `font_objects` makes."""


def stream(data: bytes, entries: bytes = b"", *, level: int = QUICKLY) -> bytes:
    """A stream, compressed, with more entries in its dictionary."""
    packed = deflate.zlib_compress(data, level)
    return b"<<%s/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream" % (entries, len(packed), packed)


def string(text: str) -> bytes:
    """A text string, in UTF-16."""
    return b"<feff%s>" % text.encode("utf-16-be").hex().encode()


def ascii_string(text: str) -> bytes:
    """A string of ASCII characters, such as an address."""
    return b"(%s)" % re.sub(rb"([\\()])", rb"\\\1", text.encode("ascii"))


def date(instant: str) -> str:
    """An ISO 8601 instant as PDF writes it, in UTC (ISO 32000-1, 7.9.4)."""
    return datetime.fromisoformat(instant).astimezone(UTC).strftime("D:%Y%m%d%H%M%SZ")


def packed(body: bytes) -> bytes:
    """A stream object's body, compressed if it was not."""
    head, separator, data = body.partition(b"stream\n")
    if not separator or b"/Filter" in head:
        return body
    entries = re.sub(rb"/Length \d+", b"", head.strip()[2:-2])
    return stream(data.rpartition(b"\nendstream")[0], entries, level=THOROUGHLY)


def renumbered(body: bytes, numbers: Mapping[int, int]) -> bytes:
    """An object's body with its references changed; the data of a stream stays as it is."""
    head, separator, data = body.partition(b"stream\n")
    head = re.sub(rb"\b(\d+) 0 R\b", lambda match: b"%d 0 R" % numbers[int(match[1])], head)
    return head + separator + data


def shown(run: GlyphRun, number_of: Mapping[int, int]) -> bytes:
    """The operators that show a run of glyphs, after its font was set."""
    codes = [_HEX[number_of[glyph]] if glyph >= 0 else b"" for glyph in run.glyphs]
    if not run.shifts:
        return b"[%s]TJ" % _array(codes, run.kerning)
    out: list[bytes] = []
    level = [at for at, rise in enumerate(run.rises) if rise]
    start = 0
    for at in [*level, len(codes)]:
        if part := _array(codes[start:at], run.kerning[start:at], run.shifts[start:at]):
            out.append(b"[%s]TJ" % part)
        if at < len(codes):
            lifted = _array(codes[at : at + 1], run.kerning[at : at + 1], run.shifts[at : at + 1])
            out.append(b"%.3f Ts[%s]TJ 0 Ts" % (run.rises[at], lifted))
        start = at + 1
    return b" ".join(out)


def _array(codes: Sequence[bytes], kerning: Sequence[int], shifts: Sequence[float] = ()) -> bytes:
    """What stands in the array of a TJ operator."""
    if not any(kerning) and not any(shifts):
        return b"<%s>" % b"".join(codes) if codes else b""
    pieces = []
    for at, code in enumerate(codes):
        before, after = shifts[at] if shifts else 0, kerning[at]
        if before:
            pieces.append(b">%.6f<" % before)
        pieces.append(code)
        if after:
            pieces.append(b">%d<" % after)
    # No empty strings: PDFium loses the shift that follows one.
    return (b"<%s>" % b"".join(pieces)).replace(b"<>", b" ")


def font_objects(
    first: int, face: Face, subset: Subset, *, texts: Mapping[int, str], level: int
) -> list[bytes]:
    """The bodies of a font's objects, numbered from `first`, which is the one that resources refer to.

    `texts` has the characters of every glyph that is shown.
    """
    codes = sorted((subset.number_of[glyph], glyph) for glyph in texts)
    name = _subset_name(face, [glyph for _, glyph in codes])
    widths = b"".join(b"%d[%d]" % (code, face.advances[glyph]) for code, glyph in codes)
    return [
        b"<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]"
        b"/ToUnicode %d 0 R>>" % (name, first + 1, first + 3),
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
        b"/Supplement 0>>/CIDToGIDMap/Identity/DW 0/W[%s]/FontDescriptor %d 0 R>>"
        % (name, widths, first + 2),
        _descriptor(face, name, first + 4),
        stream(_to_unicode({code: texts[glyph] for code, glyph in codes}), level=level),
        stream(subset.program, b"/Length1 %d" % len(subset.program), level=level),
    ]


def _subset_name(face: Face, glyphs: Sequence[int]) -> bytes:
    """The face's name under a tag that tells its subsets apart (ISO 32000-1, 9.6.4)."""
    number = zlib.crc32(b",".join(b"%d" % glyph for glyph in glyphs))
    letters = bytearray()
    for _ in range(6):
        number, letter = divmod(number, 26)
        letters.append(65 + letter)
    return b"%s+%s" % (bytes(letters), face.name.encode())


def _descriptor(face: Face, name: bytes, program: int) -> bytes:
    return b"<</Type/FontDescriptor/FontName/%s%s/FontFile2 %d 0 R>>" % (name, _about(face), program)


@lru_cache(maxsize=128)
def _about(face: Face) -> bytes:
    symbolic, serif, italic = 4, 2, 64
    flags = symbolic + serif * face.is_serif + italic * face.is_italic
    return b"/Flags %d/FontBBox[%d %d %d %d]/ItalicAngle %d/Ascent %d/Descent %d/CapHeight %d/StemV %d" % (
        flags,
        *face.box,
        -12 * face.is_italic,
        face.ascent,
        face.descent,
        face.cap_height,
        160 if face.is_bold else 80,
    )


_CMAP_HEAD: Final = b"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
"""
_CMAP_FOOT: Final = b"endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend"
_CMAP_BLOCK: Final = 100


def _to_unicode(texts: Mapping[int, str]) -> bytes:
    """The CMap from codes to characters (ISO 32000-1, 9.10.3)."""
    rows = [
        b"<%s> <%s>\n" % (_HEX[code], (text or _UNSHOWN).encode("utf-16-be").hex().encode())
        for code, text in texts.items()
    ]
    blocks = [rows[at : at + _CMAP_BLOCK] for at in range(0, len(rows), _CMAP_BLOCK)]
    body = b"".join(b"%d beginbfchar\n%sendbfchar\n" % (len(block), b"".join(block)) for block in blocks)
    return _CMAP_HEAD + body + _CMAP_FOOT


_PRODUCER: Final = "Pramaan"

_XMP: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
 xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#"
 pdfaid:part="3" pdfaid:conformance="U" pdfuaid:part="1" pdf:Producer="{producer}">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
"""An archive does not know PDF/UA's own property, so it is told of it (ISO 19005-3, 6.6.2.3.3)."""


def metadata(*, title: str, author: str, language: str) -> bytes:
    """The XMP packet (ISO 16684-1), which says what `info` says, and that this is PDF/A-3u."""
    xmp = _XMP.format(
        producer=_PRODUCER, title=escape(title), author=escape(author), language=escape(language)
    ).encode()
    return stream(xmp, b"/Type/Metadata/Subtype/XML")


def info(*, title: str, author: str) -> bytes:
    """The document information dictionary."""
    return b"<</Title %s/Author %s/Producer(%s)>>" % (string(title), string(author), _PRODUCER.encode())


def attachment(data: bytes, *, media_type: str, modified_at: str) -> bytes:
    """An embedded file. `modified_at` is a PDF date, such as `D:20260714093000Z`."""
    entries = b"/Type/EmbeddedFile/Subtype/%s/Params<</Size %d/CheckSum<%s>/ModDate(%s)>>" % (
        media_type.replace("/", "#2F").replace("+", "#2B").encode(),
        len(data),
        hashlib.md5(data, usedforsecurity=False).hexdigest().encode(),
        modified_at.encode(),
    )
    return stream(data, entries)


def file_description(name: str, *, description: str, embedded: int) -> bytes:
    """What names an embedded file, and says how it relates to the document (ISO 19005-3, 6.8)."""
    return b"<</Type/Filespec/F(%s)/UF(%s)/Desc%s/AFRelationship/Data/EF<</F %d 0 R/UF %d 0 R>>>>" % (
        name.encode(),
        name.encode(),
        string(description),
        embedded,
        embedded,
    )


@dataclass(frozen=True, slots=True)
class Bundle:
    """Some objects as they stand in a file, and where each is found there."""

    data: bytes
    offsets: tuple[tuple[int, int], ...]
    """Number, and offset from the bundle's start."""
    inside: Mapping[int, bytes]
    """By number, the cross-reference entry of each that stands in an object stream."""


def bundle(objects: Iterable[tuple[int, bytes]], *, container: int | None = None) -> Bundle:
    """Objects by number and body; those that are no streams go into the object stream `container`, if any."""
    data: list[bytes] = []
    offsets: list[tuple[int, int]] = []
    kept: list[tuple[int, bytes]] = []
    at = 0
    for number, body in objects:
        if container is not None and not body.endswith(b"endstream"):
            kept.append((number, body))
            continue
        data.append(item := b"%d 0 obj\n%s\nendobj\n" % (number, body))
        offsets.append((number, at))
        at += len(item)
    if container is None or not kept:
        return Bundle(b"".join(data), tuple(offsets), {})
    data.append(b"%d 0 obj\n%s\nendobj\n" % (container, _object_stream(kept)))
    inside = {number: _entry(2, container, index) for index, (number, _) in enumerate(kept)}
    return Bundle(b"".join(data), (*offsets, (container, at)), inside)


def _object_stream(objects: Sequence[tuple[int, bytes]]) -> bytes:
    """An object stream (ISO 32000-1, 7.5.7)."""
    index: list[bytes] = []
    at = 0
    for number, body in objects:
        index.append(b"%d %d" % (number, at))
        at += len(body) + 1
    head = b" ".join(index) + b"\n"
    content = head + b"\n".join(body for _, body in objects)
    return stream(content, b"/Type/ObjStm/N %d/First %d" % (len(objects), len(head)))


def written(bundles: Sequence[Bundle], *, number: int, root: int, info: int, identity: bytes) -> bytes:
    """A file of bundles, whose objects' numbers run from 1 without a gap to the one before `number`.

    `number` is that of the cross-reference stream; `identity` is 16 bytes.
    """
    entries: dict[int, bytes] = {}
    at = len(_HEADER)
    for part in bundles:
        for item, offset in part.offsets:
            entries[item] = _entry(1, at + offset, 0)
        entries |= part.inside
        at += len(part.data)
    entries[number] = _entry(1, at, 0)
    table = _FREE + b"".join([entries[item] for item in range(1, number + 1)])
    name = identity.hex().encode()
    trailer = b"/Type/XRef/Size %d/W[1 3 2]/Root %d 0 R/Info %d 0 R/ID[<%s><%s>]" % (
        number + 1,
        root,
        info,
        name,
        name,
    )
    last = b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number, stream(table, trailer), at)
    return b"".join((_HEADER, *(part.data for part in bundles), last))


def _entry(kind: int, where: int, index: int) -> bytes:
    return bytes((kind, where >> 16, where >> 8 & 255, where & 255, index >> 8, index & 255))


_FREE: Final = b"\0\0\0\0\xff\xff"
"""Entries of a cross-reference stream (ISO 32000-1, 7.5.8): kind, offset or container, index."""
