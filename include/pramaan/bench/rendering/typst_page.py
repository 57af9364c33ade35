"""The same certificates by Typst, its compiler kept: the peer that the compiled engine is held against.

Everything that has to be found out is given to it ready-made, and is not timed: the place, size and fonts of
every line, the modules of the QR code, the assertion. What it has left to do is to shape, to draw, to cut the
fonts and to write the PDF. A source for each certificate is its quickest way: `sys.inputs` take longer.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import typst

from pramaan.bench.rendering.child import INDIA
from pramaan.bench.rendering.rows import Fields
from pramaan.errors import HostError
from pramaan.rendering.badge_assertion import sample_assertion
from pramaan.rendering.fields import checked_fields, direction_of, printed_texts
from pramaan.rendering.fonts import bundled_font_files
from pramaan.rendering.markup import text_of
from pramaan.rendering.page import FilledArea, Page, Pages
from pramaan.rendering.qr import QUIET_MODULES, qr_code
from pramaan.rendering.samples import sample_signature
from pramaan.rendering.template import Template
from pramaan.rendering.weasy import PT_PER_PX, ShapedLine

__all__ = ["TypstRenderer"]

_PROGRAM: Final = Path(__file__).with_name("certificate.typ")
_LINE: Final = _PROGRAM.with_name("line.typ")
_IMPORT_LINE: Final = f'#import "{_LINE.name}": set-line'
_BACKGROUND: Final = "background.svg"
_READY_BACKGROUND: Final = "background.pdf"
_LATIN: Final = ("NotoSerifDisplay", "NotoSerif", "NotoSansDisplay", "NotoSans")

_BORDER: Final = re.compile(
    rb"([\d.]+) ([\d.]+) m\n([\d.]+) ([\d.]+) l\n([\d.]+) ([\d.]+) l\n([\d.]+) ([\d.]+) l\nW\*?\nn\n"
    rb"(?:/\S+ gs\n)?([\d.]+) ([\d.]+) ([\d.]+) rg"
)
"""A border as WeasyPrint draws it: its four corners, then its colour."""


class TypstRenderer:
    """Makes certificates of sources, which `source` makes of fields.

    `is_archive` asks for PDF/A-3u; else the background is a PDF that was made before, which Typst embeds as
    it is, but not into PDF/A.

    Raises HostError when it does not find the bundled fonts, or the template has no background.svg.
    """

    def __init__(self, template: Template, folder: Path, *, is_archive: bool = True) -> None:
        self._template = template
        self._pages = Pages(template)
        self._signature = sample_signature()
        self._standards: list[typst.PDFStandard] = ["a-3u"] if is_archive else ["1.7"]
        folder.mkdir(parents=True)
        self._folder = folder
        fonts = _fonts(folder)
        self._families = {
            Path(font.path).stem: (font.family, font.weight) for font in fonts.fonts() if font.path
        }
        self._fixed: dict[str, str] = {}
        self._lay_out(_BACKGROUND if is_archive else _READY_BACKGROUND)
        self._compiler = typst.Compiler(root=folder, font_paths=fonts)

    def __call__(self, source: tuple[bytes, int]) -> bytes:
        """One certificate. `source` comes from `source`."""
        text, timestamp = source
        return _one_pdf(
            self._compiler.compile(text, format="pdf", pdf_standards=self._standards, timestamp=timestamp)
        )

    def source(self, fields: Fields) -> tuple[bytes, int]:
        """What Typst compiles for these fields, and when it is said to have been made, in Unix seconds."""
        page, texts = self._page(fields)
        tag = texts["language"]
        if page.language not in self._fixed:
            self._fixed[page.language] = self._fixed_part(page)
            rows = "\n".join(f"  {_literal(code)}: {part}," for code, part in self._fixed.items())
            (self._folder / "fixed.typ").write_text(f"{_IMPORT_LINE}\n#let pages = (\n{rows}\n)\n")
        assertion = sample_assertion(fields, class_id=self._template.template_id)
        named = {
            "lang": tag,
            "page": page.language,
            "title": text_of(page.markup.title, texts),
            "author": text_of(page.markup.author, texts),
            "url": texts["verify_url"],
            "qr": _qr_svg(texts["verify_url"]),
            "assertion": assertion.decode(),
        }
        areas = (page.filled(name, texts, preferred_language=tag) for name in page.markup.areas)
        arguments = [
            *(f"{name}: {_literal(value)}" for name, value in named.items()),
            *(line for area in areas for line in self._lines(area)),
        ]
        text = f'#import "{_PROGRAM.name}": certificate\n#certificate({", ".join(arguments)})\n'
        return text.encode(), int(datetime.fromisoformat(texts["completed_at"]).timestamp())

    def _page(self, fields: Fields) -> tuple[Page, dict[str, str]]:
        values = checked_fields(fields, template=self._template)
        language = self._template.language_for(values["language"] or "")
        texts = printed_texts(values, language=language, zone=INDIA)
        present = frozenset(name for name, value in values.items() if value is not None)
        return self._pages.page(language, present, self._signature), texts

    def _lay_out(self, background: str) -> None:
        """Write what all certificates have in common into the folder."""
        if (drawing := self._template.files.get(_BACKGROUND)) is None:
            raise HostError(f"{self._template.template_id} has no {_BACKGROUND}: Typst cannot draw it")
        (self._folder / _BACKGROUND).write_bytes(drawing)
        (self._folder / "signature.png").write_bytes(self._signature)
        (self._folder / _PROGRAM.name).write_text(_PROGRAM.read_text().replace(_BACKGROUND, background))
        (self._folder / _LINE.name).write_text(_LINE.read_text())
        if background == _READY_BACKGROUND:
            page = b"#set page(width: 297mm, height: 210mm, margin: 0pt)\n"
            picture = b'#image("%s", width: 100%%, height: 100%%)' % _BACKGROUND.encode()
            ready = typst.Compiler(root=self._folder).compile(page + picture, format="pdf", pdf_tags=False)
            (self._folder / background).write_bytes(_one_pdf(ready))

    def _fixed_part(self, page: Page) -> str:
        """The page's size, its places, and what stands on every certificate of its language."""
        layout = page.layout
        body: list[str] = []
        for border in _BORDER.findall(layout.graphics):
            *corners, red, green, blue = map(float, border)
            points = ", ".join(
                f"({_pt(x)}, {_pt(y)})" for x, y in zip(corners[::2], corners[1::2], strict=True)
            )
            fill = _colour((red, green, blue))
            body.append(f"pdf.artifact(place(top + left, polygon(fill: {fill}, {points})))")
        for block in layout.blocks:
            box = block.box
            if block.kind == "figure":
                body.append(
                    f'place(top + left, dx: {_pt(box.x)}, dy: {_pt(box.y)}, image("signature.png", '
                    f"width: {_pt(box.width)}, height: {_pt(box.height)}, "
                    f"alt: {_literal(block.alternative)}))"
                )
            for text in block.texts:
                line = self._line(
                    text.x,
                    text.baseline,
                    text.line,
                    colour=text.colour,
                    language=page.language,
                    direction=direction_of(text.line.text),
                    is_heading=block.tag == "h1",
                )
                body.append(f"set-line{line}")
        code = next(block for block in layout.blocks if block.kind == "qr_code")
        link = next(block.box for block in layout.blocks if block.name in page.markup.links)
        square = code.box
        places = (square.x, square.y, square.width, link.x, link.y, link.width, link.height)
        return (
            f"(width: {layout.width_pt:.4f}pt, height: {layout.height_pt:.4f}pt, "
            f"qr-alt: {_literal(code.alternative or 'QR code')}, places: ({', '.join(map(_pt, places))}), "
            f"body: {{ {'; '.join(body)} }})"
        )

    def _lines(self, area: FilledArea) -> Iterator[str]:
        fitting = area.fitting
        place = fitting.style.place
        y = place.box.y + fitting.top_px
        for line in fitting.lines:
            shaped = fitting.style.shaper.shaped(line.text)
            yield self._line(
                place.line_x(shaped.width, held_to=fitting.width_px),
                y + line.ascent,
                shaped,
                colour=place.colour,
                language=area.language,
                direction=area.direction,
            )
            y += line.height

    def _line(
        self,
        x: float,
        baseline: float,
        line: ShapedLine,
        *,
        colour: tuple[float, float, float],
        language: str,
        direction: str,
        is_heading: bool = False,
    ) -> str:
        """The arguments of `set-line`. The fonts are those that Pango took, those of Latin letters first."""
        names = sorted({run.face.name for run in line.runs}, key=lambda name: (not _is_latin(name), name))
        families = "".join(f"{_literal(self._families[name][0])}," for name in names)
        weight = max(self._families[name][1] for name in names)
        size = max(run.size for run in line.runs)
        code = _literal(language.partition("-")[0])
        return (
            f"({_pt(x)}, {_pt(baseline)}, ({families}), {_pt(size)}, {weight}, {_colour(colour)}, {code}, "
            f"{direction}, {_literal(line.text)}{', is-heading: true' if is_heading else ''})"
        )


def _one_pdf(made: bytes | list[bytes] | None) -> bytes:
    if not isinstance(made, bytes):
        raise HostError("Typst made no PDF")
    return made


def _fonts(folder: Path) -> typst.Fonts:
    """The bundled fonts and no other, by links to their files: Typst takes folders only."""
    (links := folder / "fonts").mkdir()
    for file in bundled_font_files():
        (links / file.name).symlink_to(file)
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[links])


def _is_latin(face_name: str) -> bool:
    return face_name.partition("-")[0] in _LATIN


def _qr_svg(text: str) -> str:
    """The code as a drawing of as many rectangles as the compiled engine's."""
    modules = qr_code(text)
    edges = np.diff(np.pad(modules, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    dark = "".join(f"M{x} {y}h{end - x}v1h{x - end}z" for y, x, end in zip(rows, starts, ends, strict=True))
    side = len(modules) + 2 * QUIET_MODULES
    ground = f"M-{QUIET_MODULES} -{QUIET_MODULES}h{side}v{side}h-{side}z"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-{QUIET_MODULES} -{QUIET_MODULES} {side} {side}">'
        f'<path fill="#fff" d="{ground}"/><path d="{dark}"/></svg>'
    )


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _pt(pixels: float) -> str:
    return f"{pixels * PT_PER_PX:.4f}pt"


def _colour(colour: tuple[float, float, float]) -> str:
    red, green, blue = (round(part * 255) for part in colour)
    return f'rgb("#{red:02x}{green:02x}{blue:02x}")'
