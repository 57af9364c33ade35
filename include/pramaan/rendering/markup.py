"""What a template says around its values: HTML, made by Jinja in a sandbox, with a place for each value.

Jinja never sees a value, only that it is there. So a value cannot become markup, a loop or an address to
fetch, and all certificates in one language with the same fields share one page: the page is made once, and
filled for each person. A value is printed in three kinds of places: as the text of an area (an element whose
id stands under `areas` in template.yml), in `<title>` and `<meta name="author">`, and in a link's `href`.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pramaan.errors import TemplateError
from pramaan.localisation import LANGUAGES
from pramaan.rendering.fields import DERIVED_TEXTS
from pramaan.rendering.template import QR_CODE_ID, Template

__all__ = ["HTML_FILE", "AreaText", "Markup", "PageMarkup", "Parts", "text_of"]

HTML_FILE: Final = "certificate.html"

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Around the name of a value in the HTML that Jinja makes. Noncharacters: no text may contain them."""

_MARK: Final = re.compile(f"{_OPEN}([a-z0-9_]+){_CLOSE}")
_UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufdd2-\ufdef\ufffe\uffff]")
_AREA_TAGS: Final = frozenset({"p", "div", "span", "a", "strong", "em", "h1", "h2", "h3", "h4", "h5", "h6"})
_SPACES: Final = re.compile(r"[ \t\n\r\f]+")

_LONGEST_HTML: Final = 500_000
_MOST_ELEMENTS: Final = 2_000
_DEEPEST: Final = 50
"""What a page may have, so that laying it out ends."""

Parts = tuple[tuple[bool, str], ...]
"""Text in pieces: (whether it is a value, the value's name or the piece itself)."""


class _Value:
    """Stands for a value that is there. It can be printed and tested for truth, and nothing else."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __html__(self) -> str:
        return f"{_OPEN}{self._name}{_CLOSE}"

    def __str__(self) -> str:
        raise TemplateError(f"{{{{ {self._name} }}}} is printed as it is: no filter, no operator")

    def _refuse(self, *_: object) -> Any:
        return str(self)

    __eq__ = __lt__ = __add__ = __mod__ = __len__ = __iter__ = __getitem__ = _refuse
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return True


class _Absent:
    """Stands for a value that is not there. It is false, and cannot be printed."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __html__(self) -> str:
        raise TemplateError(
            f"{{{{ {self._name} }}}} is optional, so it must stand within {{% if {self._name} %}}"
        )

    __str__ = __html__

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class AreaText:
    """What fills an area."""

    text: str
    language: str
    direction: str
    css: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class PageMarkup:
    """The page of a template in one language, with the same values present: everything but the values."""

    tree: Element
    areas: Mapping[str, Parts]
    links: Mapping[str, Parts]
    """The address of each area that is a link."""
    title: Parts
    author: Parts

    def filled(self, texts: Mapping[str, AreaText]) -> Element:
        """A copy of the tree with the areas' texts, each with its language, direction and style."""
        tree = deepcopy(self.tree)
        for element in tree.iter():
            if (area := texts.get(element.get("id", ""))) is not None:
                element.text = area.text
                element.set("lang", area.language)
                element.set("dir", area.direction)
                element.set("style", area.css)
                if area.address:
                    element.set("href", area.address)
        return tree


def text_of(parts: Parts, texts: Mapping[str, str]) -> str:
    """The text with its values, white space collapsed and none at the ends."""
    text = "".join(texts[piece] if is_value else piece for is_value, piece in parts)
    return _SPACES.sub(" ", text).strip(" ")


class Markup:
    """A template's HTML, compiled once. Raises TemplateError with file and line when it is no template."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._html = _compiled(template)

    def page(self, language: str, *, present: frozenset[str], signature_url: str | None) -> PageMarkup:
        """The page in one of the template's languages, with these fields present.

        Raises TemplateError when the template prints what it may not, or a value where none can stand.
        """
        names = {*self._template.fields, *DERIVED_TEXTS} - {"completed_at", "language"}
        here = present | set(DERIVED_TEXTS)
        context: dict[str, object] = {name: _Value(name) if name in here else _Absent(name) for name in names}
        context["language"] = language
        context["direction"] = LANGUAGES[language].direction
        # Only that it is there: a page may not depend on whose signature it is.
        context["signature_url"] = (
            _Absent("signature_url") if signature_url is None else _Value("signature_url")
        )
        context["text"] = {name: texts[language] for name, texts in self._template.texts.items()}
        html = self._rendered(context)
        if len(html) > _LONGEST_HTML:
            raise self._too_much(f"the page has {len(html)} characters; {_LONGEST_HTML} are allowed")
        if found := _UNFIT.search(html):
            raise self._too_much(f"the page holds U+{ord(found[0]):04X}, which no text may contain")
        if unknown := {name for name in _MARK.findall(html) if name not in here | {"signature_url"}}:
            raise self._too_much(f"the page makes up the mark of a value: {', '.join(sorted(unknown))}")
        tree = _parsed(html)
        self._require_modest(tree)
        for element in tree.iter("img"):
            if element.get("src") == f"{_OPEN}signature_url{_CLOSE}":
                element.set("src", signature_url or "")
        return self._found(tree)

    def _require_modest(self, tree: Element) -> None:
        count, level, row = 0, 0, [tree]
        while row:
            count, level = count + len(row), level + 1
            if count > _MOST_ELEMENTS:
                raise self._too_much(f"the page has more than {_MOST_ELEMENTS} elements")
            if level > _DEEPEST:
                raise self._too_much(f"the page's elements are nested more than {_DEEPEST} deep")
            row = [child for element in row for child in element]

    def _too_much(self, what: str) -> TemplateError:
        return TemplateError(f"{self._template.template_id}/{HTML_FILE}: {what}")

    def _rendered(self, context: Mapping[str, object]) -> str:
        try:
            return self._html.render(context)
        except jinja2.TemplateError as error:
            raise TemplateError(f"{self._where(error)}: {error}") from error
        except TemplateError as error:
            raise TemplateError(f"{self._where(error)}: {error}") from error
        except Exception as error:
            # Whatever a template's own expressions raise: a division by zero, a range that is too long.
            raise TemplateError(f"{self._where(error)}: {type(error).__name__}: {error}") from error

    def _where(self, error: BaseException) -> str:
        """The template's file and line that an error came through; Jinja puts them into the traceback."""
        line, name = None, HTML_FILE
        traceback = error.__traceback__
        while traceback is not None:
            file = traceback.tb_frame.f_code.co_filename
            if file == "<template>" or file in self._template.files:
                line, name = traceback.tb_lineno, HTML_FILE if file == "<template>" else file
            traceback = traceback.tb_next
        return f"{self._template.template_id}/{name}" + (f", line {line}" if line else "")

    def _found(self, tree: Element) -> PageMarkup:
        areas: dict[str, Parts] = {}
        links: dict[str, Parts] = {}
        title: Parts = ()
        author: Parts = ()
        for element in tree.iter():
            name = element.get("id", "")
            if name in self._template.areas:
                areas[name] = self._area(name, element, known=areas)
            elif element.tag == "title":
                title = _parts(element.text or "")
                element.text = ""
            elif element.tag == "meta" and element.get("name") == "author":
                author = _parts(element.attrib.pop("content", ""))
            if element.tag == "a" and "href" in element.attrib and name in areas:
                links[name] = _parts(element.attrib.pop("href"))
        for text in _texts(tree):
            if _MARK.search(text):
                raise self._misplaced(
                    text,
                    "a value is printed as the text of an area (an element whose id stands under `areas` in "
                    "template.yml), in <title>, in the author, or in the href of an area's <a>",
                )
        if QR_CODE_ID not in {element.get("id") for element in tree.iter()}:
            raise TemplateError(
                f"{self._template.template_id}/{HTML_FILE}: no element has id={QR_CODE_ID!r}, "
                "the block that the QR code fills"
            )
        return PageMarkup(tree, areas, links, title, author)

    def _area(self, name: str, element: Element, *, known: Mapping[str, Parts]) -> Parts:
        if name in known:
            raise TemplateError(f"{self._template.template_id}/{HTML_FILE}: two elements have id={name!r}")
        if element.tag not in _AREA_TAGS:
            raise TemplateError(
                f"{self._template.template_id}/{HTML_FILE}: area {name!r} is a <{element.tag}>; it may "
                f"be one of {', '.join(sorted(_AREA_TAGS))}"
            )
        if len(element):
            raise TemplateError(
                f"{self._template.template_id}/{HTML_FILE}: area {name!r} holds elements, not text only"
            )
        parts = _parts(element.text or "")
        if (True, "signature_url") in parts:
            raise self._misplaced(element.text or "", "it is for the src of an <img>")
        if not any(is_value or piece.strip() for is_value, piece in parts):
            raise TemplateError(f"{self._template.template_id}/{HTML_FILE}: area {name!r} has no text")
        element.text = ""
        return parts

    def _misplaced(self, text: str, rule: str) -> TemplateError:
        match = _MARK.search(text)
        name = match[1] if match else ""
        source = self._template.files[HTML_FILE].decode()
        lines = [
            number
            for number, line in enumerate(source.splitlines(), start=1)
            if re.search(r"\{\{[^}]*\b" + name + r"\b", line)
        ]
        where = f", line {' or '.join(map(str, lines))}" if lines else ""
        return TemplateError(
            f"{self._template.template_id}/{HTML_FILE}{where}: {{{{ {name} }}}} cannot stand there: {rule}"
        )


def _texts(tree: Element) -> Iterator[str]:
    for element in tree.iter():
        if isinstance(element.tag, str):
            yield from element.attrib.values()
            yield element.text or ""
        yield element.tail or ""


def _parts(text: str) -> Parts:
    """Pieces in order: what stands at odd places of the split is a name."""
    pieces = enumerate(_MARK.split(text))
    return tuple((index % 2 == 1, piece) for index, piece in pieces if piece)


def _parsed(html: str) -> Any:
    import tinyhtml5

    return tinyhtml5.parse(html, namespace_html_elements=False)


def _compiled(template: Template) -> jinja2.Template:
    sources = {name: data for name, data in template.files.items() if name.endswith(".html")}
    try:
        environment = ImmutableSandboxedEnvironment(
            loader=jinja2.DictLoader({name: data.decode() for name, data in sources.items()}),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        for chance in ("lipsum", "cycler", "joiner", "namespace"):
            del environment.globals[chance]
        for chance in ("random", "pprint"):
            del environment.filters[chance]
        return environment.get_template(HTML_FILE)
    except UnicodeDecodeError as error:
        raise TemplateError(f"{template.template_id}: an HTML file is not UTF-8") from error
    except jinja2.TemplateSyntaxError as error:
        where = f"{template.template_id}/{error.name}, line {error.lineno}"
        raise TemplateError(f"{where}: {error.message}") from error
