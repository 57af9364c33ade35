"""What is wrong with a template's files, found by reading them one by one: nothing is run or laid out."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pramaan.checking.findings import Finding, error, warning
from pramaan.checking.jinja_source import jinja_findings
from pramaan.checking.pages import Step
from pramaan.checking.references import css_findings, reference_problem, svg_findings
from pramaan.errors import TemplateError
from pramaan.rendering.located_yaml import located_yaml
from pramaan.rendering.markup import HTML_FILE
from pramaan.rendering.template import REQUIRED_FILES, Template, description_problems, template_of

__all__ = ["html_source_findings", "read_template", "source_findings"]

_MOST_PIXELS: Final = 25_000_000
_NOTES: Final = (".md", ".txt")
_PICTURES: Final = {".png": ("PNG",), ".jpg": ("JPEG",), ".jpeg": ("JPEG",)}
_PICTURE: Final = re.compile(r"<(?:img|embed|object)\b[^>]*?\s(?:src|data)\s*=\s*[\"']([^\"'{}]+)[\"']")
"""An address that is written out; `check_pages` sees those that running the HTML makes."""
_IGNORED: Final = re.compile(r"(?s)(?P<what>.*) at (?P<line>\d+):\d+(?P<why>.*)")


def source_findings(files: Mapping[str, bytes], step: Step) -> Iterator[Finding]:
    """Everything that can be said of the files without running them, a file at a time."""
    missing = [name for name in REQUIRED_FILES if name not in files]
    yield from (error("the file is missing", name) for name in missing)
    for name, data in files.items():
        step(f"reading {name}")
        if name != "template.yml":
            yield from _file_findings(name, data, files)
    if "template.yml" in files:
        step("reading template.yml")
        for line, message in description_problems(files["template.yml"]):
            yield error(message, "template.yml", line)


def read_template(template_id: str, files: Mapping[str, bytes]) -> Template | None:
    """The template, unless the findings about its files say why there is none."""
    try:
        return template_of(template_id, files)
    except TemplateError:
        return None


def html_source_findings(template: Template, step: Step) -> Iterator[Finding]:
    """What is wrong with the HTML files as Jinja's source."""
    step("compiling the HTML")
    for name, data in template.files.items():
        if name.endswith(".html"):
            for number, line in enumerate((_text(data) or "").splitlines(), start=1):
                for address in _PICTURE.findall(line):
                    if problem := reference_problem(address, file=HTML_FILE, files=template.files):
                        yield error(problem, name, number)
    document = located_yaml(template.files["template.yml"])
    sources = {name: _text(data) for name, data in template.files.items() if name.endswith(".html")}
    yield from jinja_findings(
        {name: text for name, text in sources.items() if text is not None},
        fields={name: field.optional for name, field in template.fields.items()},
        texts={name: document.line_of("texts", name) for name in template.texts},
    )


def _file_findings(name: str, data: bytes, files: Mapping[str, bytes]) -> Iterator[Finding]:
    suffix = f".{name.rpartition('.')[2].lower()}" if "." in name else ""
    if suffix in {".html", ".css", ".svg"} and _text(data) is None:
        yield error("this is not UTF-8", name)
    elif suffix == ".css":
        yield from _style_sheet_findings(name, data.decode(), files)
    elif suffix == ".svg":
        yield from svg_findings(data, file=name, files=files)
    elif suffix in _PICTURES:
        yield from _picture_findings(name, data, _PICTURES[suffix])
    elif suffix not in {".html", *_NOTES}:
        yield error(
            "a template holds HTML, CSS, SVG, PNG and JPEG files, and notes (.md, .txt); fonts are given",
            name,
        )
    if suffix not in {*_NOTES} and name not in REQUIRED_FILES and not _is_mentioned(name, files):
        yield warning("no other file mentions this one", name)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_mentioned(name: str, files: Mapping[str, bytes]) -> bool:
    wanted = name.rpartition("/")[2].encode()
    return any(
        wanted in data
        for other, data in files.items()
        if other != name and other.endswith((".html", ".css", ".svg"))
    )


def _style_sheet_findings(name: str, css: str, files: Mapping[str, bytes]) -> Iterator[Finding]:
    refused = list(css_findings(css, file=name, files=files))
    yield from refused or _ignored(name, css)


def _ignored(name: str, css: str) -> Iterator[Finding]:
    """What WeasyPrint would leave out."""
    import logging

    import weasyprint

    from pramaan.rendering.weasy import complaints

    with complaints(logging.WARNING) as said:
        weasyprint.CSS(string=css, base_url="https://template.invalid/", url_fetcher=_fetch_nothing)
    for complaint in said:
        if told := _IGNORED.fullmatch(complaint):
            yield error(f"{told['what']}{told['why']}".rstrip("."), name, int(told["line"]))
        else:
            yield error(complaint, name)


def _fetch_nothing(url: str) -> Any:
    raise ValueError(url)


def _picture_findings(name: str, data: bytes, formats: tuple[str, ...]) -> Iterator[Finding]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats) as picture:
                width, height = picture.size
    except Image.DecompressionBombError:
        yield error(f"a picture may have {_MOST_PIXELS} pixels; this one has many times as many", name)
        return
    except Exception:  # noqa: BLE001 - whatever it is, the answer to the parent is the same
        yield error(f"this is no readable {formats[0]}", name)
        return
    if width * height > _MOST_PIXELS:
        yield error(f"{width} by {height} pixels; a picture may have {_MOST_PIXELS}", name)
