"""What a template's style sheets and drawings refer to, and what they would cost, found by reading alone.

Nothing but the template's own pictures may be fetched. WeasyPrint is held to that when it lays out
(`weasy._Sources`); here the offending line is named, before anything is laid out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree
from xml.parsers import expat

from pramaan.checking.findings import Finding, error

__all__ = ["css_findings", "reference_problem", "svg_cost_findings", "svg_findings"]

_BASE: Final = "https://template.invalid/"
_PICTURES: Final = (".svg", ".png", ".jpg", ".jpeg")
_MOST_STOPS: Final = 64
_MOST_SVG_ELEMENTS: Final = 20_000
_DEEPEST_SVG: Final = 50
_LARGEST_NUMBER: Final = 100_000
_SHOWN: Final = 80
_URL: Final = re.compile(r"url\(\s*[\"']?\s*(?!#)([^\"')]*)", re.IGNORECASE)
_REFUSED_SVG: Final = {
    "text": "text in a drawing: convert it to paths, or write it in certificate.html",
    "foreignObject": "<foreignObject> is not drawn: take it out",
    "script": "<script> is not run: take it out",
}


def reference_problem(address: str, *, file: str, files: Mapping[str, bytes]) -> str | None:
    """Why a picture's address in this file of the template cannot be followed; None if it can."""
    address = address.strip()
    if not address or address.startswith("#"):
        return None
    shown = address if len(address) <= _SHOWN else address[:_SHOWN] + "…"
    if (scheme := urlsplit(address).scheme) or address.startswith("//"):
        what = "the picture itself; put it into a file" if scheme == "data" else "outside the template"
        return f"refers to {shown!r}: {what}; nothing but the template's own files may be fetched"
    name = unquote(urljoin(_BASE + file, address).removeprefix(_BASE)).partition("#")[0]
    if name not in files or address.startswith("/") or ".." in address.split("/"):
        return f"refers to {shown!r}, which is no file of the template"
    if not name.lower().endswith(_PICTURES):
        return f"refers to {shown!r}, which is no picture: SVG, PNG or JPEG"
    return None


def css_findings(
    css: str, *, file: str, files: Mapping[str, bytes], first_line: int = 1
) -> Iterator[Finding]:
    """What a style sheet, or a piece of one, may not hold."""
    import tinycss2

    tokens = tinycss2.parse_component_value_list(css)
    for token in _flattened(tokens):
        line = token.source_line + first_line - 1
        if token.type == "at-keyword" and token.lower_value in {"import", "font-face", "color-profile"}:
            yield error(_REFUSED_RULES[token.lower_value], file, line)
        elif token.type == "url" and (problem := reference_problem(token.value, file=file, files=files)):
            yield error(problem, file, line)
        elif token.type == "function":
            yield from _function_findings(token, file=file, line=line, files=files)


_REFUSED_RULES: Final = {
    "import": "@import: certificate.css is the only style sheet; write the rules there",
    "font-face": "@font-face: the fonts are given, and listed in templates/certificates/README.md",
    "color-profile": "@color-profile: colours are sRGB",
}


def _flattened(tokens: Iterable[Any]) -> Iterator[Any]:
    stack = [iter(tokens)]
    while stack:
        token = next(stack[-1], None)
        if token is None:
            stack.pop()
            continue
        yield token
        if (inner := getattr(token, "arguments", None) or getattr(token, "content", None)) is not None:
            stack.append(iter(inner))


def _function_findings(token: Any, *, file: str, line: int, files: Mapping[str, bytes]) -> Iterator[Finding]:
    name = token.lower_name
    if name in {"url", "src", "image", "image-set"}:
        for part in token.arguments:
            if part.type == "string" and (problem := reference_problem(part.value, file=file, files=files)):
                yield error(problem, file, line)
    elif name.endswith("gradient"):
        stops = sum(part.type == "literal" and part.value == "," for part in token.arguments)
        if stops > _MOST_STOPS:
            yield error(f"a gradient of {stops} stops; it may have {_MOST_STOPS}", file, line)


def svg_findings(data: bytes, *, file: str, files: Mapping[str, bytes]) -> Iterator[Finding]:
    """What a drawing may not hold: entities, addresses of others, text, more than can be drawn quickly."""
    reading = _Reading(file, files)
    try:
        reading.parse(data)
    except expat.ExpatError as wrong:
        yield error(f"this is no SVG: {expat.errors.messages[wrong.code]}", file, wrong.lineno)
        return
    yield from reading.findings
    if not reading.findings:
        yield from svg_cost_findings(ElementTree.fromstring(data), file=file)  # noqa: S314 - has no entities


class _Reading:
    """One pass over an SVG with a parser that knows on which line it is."""

    def __init__(self, file: str, files: Mapping[str, bytes]) -> None:
        self.findings: list[Finding] = []
        self._file = file
        self._files = files
        self._depth = 0
        self._style: list[str] | None = None
        self._style_line = 1
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = lambda *_: self._refuse("<!ENTITY>: write out what it stands for")
        parser.ProcessingInstructionHandler = lambda target, _: (
            self._refuse("<?xml-stylesheet?>: put the rules into <style>")
            if target == "xml-stylesheet"
            else None
        )

    def parse(self, data: bytes) -> None:
        self._parser.Parse(data, True)

    def _refuse(self, what: str) -> None:
        self.findings.append(error(what, self._file, self._parser.CurrentLineNumber))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if not self._depth and name != "svg":
            self._refuse("this is no SVG: its root is not <svg>")
        if not self._depth and (too_large := _too_large(attributes)):
            self._refuse(f"{too_large}: its numbers may go to {_LARGEST_NUMBER}")
        self._depth += 1
        if self._depth == _DEEPEST_SVG + 1:
            self._refuse(f"elements more than {_DEEPEST_SVG} deep: ungroup them")
        if name in _REFUSED_SVG:
            self._refuse(_REFUSED_SVG[name])
        if name == "style":
            self._style, self._style_line = [], self._parser.CurrentLineNumber
        for key, value in attributes.items():
            self._attribute(name, key, value)

    def _attribute(self, name: str, key: str, value: str) -> None:
        if key == "xml:base":
            self._refuse("xml:base: addresses are relative to the file")
        elif key.rpartition(":")[2] == "href":
            if name == "image":
                if value.strip().lower().endswith(".svg"):
                    self._refuse(f"refers to {value[:_SHOWN]!r}: a drawing may not hold another; copy it in")
                elif problem := reference_problem(value, file=self._file, files=self._files):
                    self._refuse(problem)
            elif name != "a" and not value.strip().startswith("#"):
                self._refuse(
                    f"refers to {value[:_SHOWN]!r}: <{name}> may refer to a part of this drawing only"
                )
        elif key == "style":
            line = self._parser.CurrentLineNumber
            self.findings += css_findings(value, file=self._file, files=self._files, first_line=line)
        elif found := _URL.search(value):
            self._refuse(f"refers to {found[1][:_SHOWN]!r}: {key} may refer to a part of this drawing only")

    def _text(self, text: str) -> None:
        if self._style is not None:
            self._style.append(text)

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._style is not None:
            css, self._style = "".join(self._style), None
            self.findings += css_findings(
                css, file=self._file, files=self._files, first_line=self._style_line
            )


def _too_large(attributes: Mapping[str, str]) -> str:
    for key in ("width", "height", "viewBox"):
        for number in re.findall(r"[-+.\deE]+", attributes.get(key, "")):
            try:
                if not abs(float(number)) <= _LARGEST_NUMBER:
                    return f"{key} {attributes[key][:_SHOWN]!r}"
            except ValueError:
                pass
    return ""


def svg_cost_findings(root: ElementTree.Element, *, file: str) -> Iterator[Finding]:
    """What keeps a drawing without entities from being drawn quickly."""
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    costs: dict[ElementTree.Element, int | None] = {}

    def cost(element: ElementTree.Element) -> int:
        """How many elements are drawn for this one; a circle counts as endless."""
        if element in costs:
            return _MOST_SVG_ELEMENTS + 1 if (known := costs[element]) is None else known
        costs[element] = None
        drawn = 1 + sum(cost(child) for child in element)
        for key, value in element.attrib.items():
            if key.rpartition("}")[2] == "href" and (lender := by_id.get(value.strip()[1:])) is not None:
                drawn += cost(lender)
            for name in re.findall(r"url\(\s*[\"']?#([^\"')\s]+)", value):
                if (lender := by_id.get(name)) is not None:
                    drawn += cost(lender)
        costs[element] = drawn = min(drawn, _MOST_SVG_ELEMENTS + 1)
        return drawn

    try:
        drawn = cost(root)
    except RecursionError:
        drawn = _MOST_SVG_ELEMENTS + 1
    if drawn > _MOST_SVG_ELEMENTS:
        yield error(
            f"more than {_MOST_SVG_ELEMENTS} elements to draw, with those that <use> repeats: simplify it",
            file,
        )
    for element in root.iter():
        if element.tag.endswith("Gradient") and len(element) > _MOST_STOPS:
            yield error(f"a gradient of {len(element)} stops; it may have {_MOST_STOPS}", file)
