"""An SVG signature made safe to draw: what comes in is hostile until it has been built anew.

1. It is parsed without DTD, entities or anything that must be fetched.
2. A new document is built of the elements, attributes and values that are allowed here, the style sheets'
   declarations among the attributes. What editors leave behind is dropped; all else is refused by its name.

What bounds the cost: the caller's limit on bytes; 2,000 elements, 32 deep, those that gradients borrow
included; no dashes; no clip path inside a clip path. The rest is for `pramaan.signatures.svg_rasterizer`.
"""

import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

from pramaan.errors import RegistryError

__all__ = ["clean_svg", "not_an_image", "size_px"]

_MAX_ELEMENTS: Final = 2_000
_MAX_LENDERS: Final = 8
_MAX_DEPTH: Final = 32
_MIN_SIZE_PX: Final = 0.001
_MAX_SIZE_PX: Final = 1_000_000
_MAX_RATIO: Final = 50
_MAX_VALUE_CHARACTERS: Final = 1_000

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_EDITORS: Final = re.compile(
    r"https?://(?:www\.inkscape\.org|sodipodi\.sourceforge\.net|ns\.adobe\.com|web\.resource\.org|"
    r"creativecommons\.org|purl\.org|www\.w3\.org/1999/02/22-rdf|www\.serif\.com|www\.bohemiancoding\.com|"
    r"www\.figma\.com|svgjs\.(?:com|dev)|vectornator\.io|boxy-svg\.com)",
)

_GRADIENTS: Final = frozenset({"linearGradient", "radialGradient"})
_DRAWN: Final = _GRADIENTS | {
    *("svg", "g", "defs", "clipPath", "stop"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon"),
}
_DROPPED: Final = frozenset({"title", "desc", "metadata", "style"})
_ADVICE: Final = {
    **dict.fromkeys(("text", "tspan", "textPath", "font", "font-face"), "convert text to paths"),
    **dict.fromkeys(("use", "symbol"), "replace each clone by a copy of what it shows"),
    "image": "hand in the picture itself as PNG or JPEG",
}

_N: Final = r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?"
_LENGTH: Final = re.compile(rf"{_N}(?:px|pt|pc|mm|cm|in|em|ex|%)?")
_SHARE: Final = re.compile(rf"{_N}%?")
_URL: Final = re.compile(r"url\(\s*[\"']?(#[\w.:-]{1,200})[\"']?\s*\)")
_REFERENCE: Final = re.compile(f"none|{_URL.pattern}")
_PAINT: Final = re.compile(
    rf"[a-zA-Z]+|#[0-9a-fA-F]{{3,8}}|(?:rgb|hsl)a?\([0-9.,%/\s+-]*\)|(?:{_URL.pattern})(?:\s+[#\w]+)?"
)
_WORDS: Final = re.compile(r"[a-zA-Z-]+(?: [a-zA-Z]+)?")
_PATH: Final = re.compile(r"[MmLlHhVvCcSsQqTtAaZz0-9eE+.,\s-]*")
_POINTS: Final = re.compile(r"[0-9eE+.,\s-]*")
_TRANSFORM: Final = re.compile(
    r"[\s,]*(?:none|(?:(?:matrix|translate|scale|rotate|skewX|skewY)\s*\([\w+.,%\s-]*\)[\s,]*)*)"
)

_PROPERTIES: Final = {
    **dict.fromkeys(("fill", "stroke", "stop-color", "color"), _PAINT),
    **dict.fromkeys(("opacity", "fill-opacity", "stroke-opacity", "stop-opacity"), _SHARE),
    **dict.fromkeys(("fill-rule", "clip-rule", "stroke-linecap", "stroke-linejoin"), _WORDS),
    **dict.fromkeys(("display", "visibility", "overflow"), _WORDS),
    **dict.fromkeys(("stroke-width", "stroke-miterlimit"), _LENGTH),
    "clip-path": _REFERENCE,
    "transform": _TRANSFORM,
}
"""What a style sheet may say as well as an attribute."""

_VALUES: Final = _PROPERTIES | {
    **dict.fromkeys(("x", "y", "width", "height", "x1", "y1", "x2", "y2"), _LENGTH),
    **dict.fromkeys(("cx", "cy", "r", "rx", "ry", "fx", "fy", "fr", "offset"), _LENGTH),
    **dict.fromkeys(("gradientUnits", "spreadMethod", "preserveAspectRatio"), _WORDS),
    "clipPathUnits": re.compile("userSpaceOnUse"),
    "gradientTransform": _TRANSFORM,
    "viewBox": _POINTS,
    "points": _POINTS,
    "d": _PATH,
}
_SILENT: Final = frozenset({"", "inherit", "initial", "unset"})
_UNLIMITED: Final = frozenset({"d", "points"})
_ONLY_NONE: Final = re.compile("filter|mask|marker(?:-start|-mid|-end)?|stroke-dasharray")
_WITHOUT_EFFECT: Final = re.compile(
    "version|baseProfile|lang|role|tabindex|type|media|enable-background|stroke-dashoffset|paint-order|"
    "vector-effect|pathLength|nodetypes|letter-spacing|word-spacing|writing-mode|direction|line-height|"
    r"isolation|mix-blend-mode|(?:data|aria|font|text|color|shape|image)-[\w.-]+"
)
_UNSAFE_CSS: Final = re.compile(r"[\\@<]|expression\s*\(|javascript:|url\((?!\s*[\"']?#)", re.IGNORECASE)
_SELECTOR: Final = re.compile(r"\*|[.#]?[\w-]+")
_PIXELS: Final = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}


def clean_svg(content: bytes) -> ElementTree.Element:
    """The drawing built anew of what is allowed, without style sheets, links and identifiers of no use.

    Raises RegistryError `signature_unsafe` naming the element or attribute, `signature_not_an_image`.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if b"<?xml-stylesheet" in content:
        raise _unsafe("an external style sheet (<?xml-stylesheet>)", "save it as plain SVG")
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise _unsafe("a document type (<!DOCTYPE>) or entities", "save it as plain SVG") from error
    except (SyntaxError, ValueError, LookupError) as error:
        raise not_an_image("is no well-formed SVG") from error
    namespace, name = _split(root.tag)
    if name != "svg" or namespace not in {_SVG, ""}:
        raise not_an_image("has no <svg> at its root")
    return _Cleaning(root, namespace).root


class _Cleaning:
    """One document's way from what was handed in to what is drawn."""

    def __init__(self, root: ElementTree.Element, namespace: str) -> None:
        self._namespace = namespace
        self._elements = 0
        self._gradients: dict[str, ElementTree.Element] = {}
        self._rules: dict[str, dict[str, str]] = {}
        for element in root.iter(f"{{{namespace}}}style" if namespace else "style"):
            self._add_rules(re.sub(r"/\*.*?(?:\*/|\Z)", " ", element.text or "", flags=re.DOTALL))
        self.root = self._cleaned(root, depth=1, clipping=False)
        self.root.set("xmlns", _SVG)
        self._resolve_gradients()

    def _add_rules(self, css: str) -> None:
        *blocks, rest = css.split("}")
        for block in blocks:
            selectors, brace, declarations = block.partition("{")
            if not brace:
                raise _unsafe("a <style> that cannot be read", "save it with presentation attributes")
            declared = _declared(declarations)
            for selector in map(str.strip, selectors.split(",")):
                if not _SELECTOR.fullmatch(selector):
                    raise _unsafe(
                        "a <style> with other than simple selectors", "save it with presentation attributes"
                    )
                self._rules.setdefault(selector, {}).update(declared)
        if rest.strip():
            raise _unsafe("a <style> that cannot be read", "save it with presentation attributes")

    def _cleaned(self, element: ElementTree.Element, *, depth: int, clipping: bool) -> ElementTree.Element:
        name = _split(element.tag)[1]
        if depth > _MAX_DEPTH:
            raise _unsafe(f"elements more than {_MAX_DEPTH} deep", "ungroup them")
        self._count(1)
        clean = ElementTree.Element(name, self._attributes(element, name))
        clipping = clipping or name == "clipPath"
        if clipping and "clip-path" in clean.attrib:
            raise _unsafe("a clip-path inside a clipPath", "flatten it")
        if name in _GRADIENTS and "id" in clean.attrib:
            self._gradients.setdefault(clean.attrib["id"], clean)
        for child in self._children(element):
            clean.append(self._cleaned(child, depth=depth + 1, clipping=clipping))
        return clean

    def _children(self, element: ElementTree.Element) -> Iterator[ElementTree.Element]:
        for child in element:
            namespace, name = _split(child.tag)
            if namespace != self._namespace:
                if not _EDITORS.match(namespace):
                    raise _unsafe(f"the element {name[:40]}", "remove it")
            elif name in _DRAWN:
                yield child
            elif name not in _DROPPED:
                raise _unsafe(f"the element {name[:40]}", _ADVICE.get(name, "remove it"))

    def _attributes(self, element: ElementTree.Element, name: str) -> dict[str, str]:
        """Attributes, then style sheets, then the element's own style: the later wins."""
        attributes: dict[str, str] = {}
        for key, value in element.attrib.items():
            namespace, local = _split(key)
            if local == "href" and namespace in {_XLINK, ""}:
                if name not in _GRADIENTS or not re.fullmatch(r"#[\w.:-]+", value.strip()):
                    raise _unsafe(f"the attribute href of {name}", "remove it")
                attributes["href"] = value.strip()[1:]
            elif namespace or local in {"class", "style"}:
                continue
            elif local == "id":
                if name in _GRADIENTS | {"clipPath"} and re.fullmatch(r"[\w.:-]+", value):
                    attributes["id"] = value
            elif (accepted := _accepted(local, value)) is not None:
                attributes[local] = accepted
        classes = [f".{one}" for one in element.get("class", "").split()]
        for selector in ("*", name, *classes, f"#{element.get('id')}"):
            attributes.update(self._rules.get(selector, {}))
        return attributes | _declared(element.get("style", ""))

    def _resolve_gradients(self) -> None:
        """Give each gradient what it borrows by reference, as WeasyPrint lends it only once."""
        for gradient in self._gradients.values():
            lender, seen = gradient, {id(gradient)}
            while (lender_id := lender.get("href")) and lender_id in self._gradients:
                lender = self._gradients[lender_id]
                if id(lender) in seen:
                    raise _unsafe("gradients that refer to each other in a circle", "remove them")
                if len(seen) > _MAX_LENDERS:
                    raise _unsafe("gradients that refer to each other in a long row", "simplify them")
                seen.add(id(lender))
                borrowed = {key: value for key, value in lender.items() if key != "href"}
                gradient.attrib = borrowed | gradient.attrib
                if not len(gradient):
                    self._count(len(lender))
                    gradient.extend(lender)
        for gradient in self.root.iter():
            gradient.attrib.pop("href", None)

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > _MAX_ELEMENTS:
            raise _unsafe(f"more than {_MAX_ELEMENTS} elements", "simplify it")


def _declared(css: str) -> dict[str, str]:
    """The declarations that have an effect here."""
    if _UNSAFE_CSS.search(css):
        raise _unsafe("a style with more than plain declarations", "remove it")
    declared: dict[str, str] = {}
    for declaration in css.split(";"):
        name, _, value = declaration.partition(":")
        name = name.strip().lower()
        if name in _PROPERTIES or _ONLY_NONE.fullmatch(name):
            accepted = _accepted(name, value.strip().removesuffix("!important"))
            if accepted is not None:
                declared[name] = accepted
    return declared


def _accepted(name: str, value: str) -> str | None:
    """The attribute's value; None when it says nothing."""
    value = value.strip()
    silent = value in _SILENT
    if _WITHOUT_EFFECT.fullmatch(name) or (_ONLY_NONE.fullmatch(name) and (silent or value == "none")):
        return None
    pattern = _VALUES.get(name)
    if pattern is None:
        raise _unsafe(f"the attribute {name[:40]}", "remove it")
    if silent or (value == "none" and name in {"clip-path", "transform"}):
        return None
    if (name not in _UNLIMITED and len(value) > _MAX_VALUE_CHARACTERS) or not pattern.fullmatch(value):
        raise _unsafe(f"a value of the attribute {name}", "remove it")
    return _URL.sub(r"url(\1)", value)


def size_px(root: ElementTree.Element) -> tuple[float, float]:
    """Width and height in CSS pixels; gives the root a viewBox when it has none.

    Raises RegistryError `signature_not_an_image` for a missing or an impossible size.
    """
    try:
        box = [float(number) for number in root.get("viewBox", "").replace(",", " ").split()]
        width, height = _pixels(root.get("width")), _pixels(root.get("height"))
        if not box and width and height:
            box = [0, 0, width, height]
            root.set("viewBox", f"0 0 {width} {height}")
        box_width, box_height = box[2:]
    except ValueError as error:
        raise not_an_image("has neither a viewBox nor a width and a height") from error
    if width is None or height is None:
        width, height = box_width, box_height
    possible = all(_MIN_SIZE_PX <= size <= _MAX_SIZE_PX for size in (width, height, box_width, box_height))
    if not possible or not 1 / _MAX_RATIO <= width / height <= _MAX_RATIO:
        raise not_an_image("has an impossible size; set width, height and viewBox")
    return width, height


def _pixels(length: str | None) -> float | None:
    match = re.fullmatch(rf"({_N})([a-z]*)", length or "")
    return float(match[1]) * _PIXELS[match[2]] if match and match[2] in _PIXELS else None


def _split(tag: str) -> tuple[str, str]:
    """Namespace and local name."""
    namespace, _, name = tag.rpartition("}")
    return namespace[1:], name


def _unsafe(what: str, advice: str) -> RegistryError:
    return RegistryError(
        "signature_unsafe", f"the SVG signature has {what}: {advice}, or hand the signature in as PNG"
    )


def not_an_image(why: str) -> RegistryError:
    """The error about an SVG that shows no signature."""
    return RegistryError("signature_not_an_image", f"the SVG signature {why}")
