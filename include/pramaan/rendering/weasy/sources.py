"""What a page may fetch: its template's own files and one signature; and what WeasyPrint complains of."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pramaan.errors import TemplateError
from pramaan.rendering.template import Template

__all__ = ["BASE_URL", "Sources", "complaints", "fetch_errors", "is_of_interest"]

BASE_URL: Final = "https://template.invalid/"
"""Where relative addresses in a template lead; `.invalid` is never a real host (RFC 6761)."""

_MEDIA_TYPES: Final = {
    "css": "text/css",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
}


class Sources:
    """WeasyPrint's `url_fetcher`: the template's own files and this certificate's signature, nothing else."""

    _fail_on_errors = True
    """WeasyPrint reads it: what cannot be fetched ends the rendering, instead of leaving a gap."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._signature: bytes = b""
        self.signature_url: str | None = None
        self.fetch_error: TemplateError | None = None
        """What was refused last: WeasyPrint hides it where it happens inside an SVG."""

    def refuse_font_face(self, *_: object) -> None:
        """In the place of WeasyPrint's `add_font_face`."""
        from weasyprint.urls import FatalURLFetchingError

        self.fetch_error = TemplateError(
            f"{self._template.template_id}: @font-face: the fonts are given; a template brings none"
        )
        raise FatalURLFetchingError from self.fetch_error

    def serve(self, signature: bytes | None) -> str | None:
        """Serve this signature instead of the one before, at an address that names its content."""
        self._signature = signature or b""
        digest = hashlib.sha256(self._signature).hexdigest()
        self.signature_url = f"{BASE_URL}:signature/{digest}" if signature else None
        return self.signature_url

    def __call__(self, url: str) -> Any:
        from weasyprint.urls import URLFetcherResponse

        if url == self.signature_url:
            return URLFetcherResponse(url, self._signature, {"Content-Type": _image_type(self._signature)})
        name = url.removeprefix(BASE_URL)
        if name == url or name not in self._template.files:
            self.fetch_error = TemplateError(
                f"{self._template.template_id}{_where_is(url, self._template)}: refers to {url[:100]!r}, "
                "which is no file of the template; nothing else may be fetched"
            )
            raise self.fetch_error
        media_type = _MEDIA_TYPES.get(name.rpartition(".")[2])
        if media_type is None:
            self.fetch_error = TemplateError(
                f"{self._template.template_id}/{name}: not CSS, SVG, PNG or JPEG by its name"
            )
            raise self.fetch_error
        return URLFetcherResponse(url, self._template.files[name], {"Content-Type": media_type})


def _where_is(url: str, template: Template) -> str:
    """The file and line that an address stands in, as far as it can be found."""
    wanted = url.removeprefix(BASE_URL)[:200]
    for name, data in template.files.items():
        if name.endswith((".html", ".css", ".svg")):
            for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
                if wanted in line:
                    return f"/{name}, line {number}"
    return ""


def _image_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/jpeg" if data.startswith(b"\xff\xd8") else "image/svg+xml"


@contextmanager
def fetch_errors() -> Iterator[None]:
    """WeasyPrint's own error around what `Sources` refuses, back as the TemplateError it was."""
    from weasyprint.urls import FatalURLFetchingError

    try:
        yield
    except FatalURLFetchingError as error:
        raise (
            error.__cause__ if isinstance(error.__cause__, TemplateError) else TemplateError(str(error))
        ) from None


def is_of_interest(record: logging.LogRecord) -> bool:
    """A picture with alt="" is for decoration, and painted as such."""
    return "has no required alt description" not in record.msg


@contextmanager
def complaints(level: int) -> Iterator[list[str]]:
    """What WeasyPrint logs meanwhile in this thread, at this level or above."""
    messages: list[str] = []
    handler = logging.Handler(level)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    thread = threading.get_ident()
    handler.addFilter(lambda record: record.thread == thread)
    logger = logging.getLogger("weasyprint")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
