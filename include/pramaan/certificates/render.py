"""Fields and a template in, one PDF out, by WeasyPrint: the engine that every faster one is measured against.

The same input gives the same bytes in any process: no clock, no random number, no font but the bundled ones.
Values are data: they are checked and escaped, never looked at as markup or as addresses to fetch.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pramaan.certificates.fields import checked_fields, print_context
from pramaan.certificates.fit import Size, fitted
from pramaan.certificates.fonts import require_configured_fonts
from pramaan.certificates.page import Background, finisher, paint_background
from pramaan.certificates.template import Template
from pramaan.errors import RenderError, TemplateError

if TYPE_CHECKING:
    import jinja2

__all__ = ["Renderer"]

_BASE_URL: Final = "https://template.invalid/"
"""Where relative addresses in a template lead; `.invalid` is never a real host (RFC 6761)."""

_MEDIA_TYPES: Final = {"css": "text/css", "svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}
_CACHED_IMAGES: Final = 200


class Renderer:
    """Renders certificates of one template; keeps what can be kept between them. For one thread at a time.

    `configure_fonts` must have been called before.

    Raises HostError without fonts, TemplateError when the HTML, the CSS or the background cannot be used.
    """

    engine_version: str
    field_names: frozenset[str]

    def __init__(self, template: Template, *, zone: ZoneInfo) -> None:
        require_configured_fonts()
        for logger in ("weasyprint", "fontTools"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration

        self.engine_version = f"weasyprint-{weasyprint.VERSION}"
        self.field_names = frozenset(template.fields)
        self._template = template
        self._zone = zone
        self._sources = _Sources(template)
        self._fonts = FontConfiguration()
        self._images: dict[str, Any] = {}
        self._html = _compiled(template)
        with _complaints(logging.WARNING) as complaints, _fetch_errors():
            self._css = self._stylesheet(template.files["certificate.css"].decode())
            self._background = self._painted_background()
        if complaints:
            raise TemplateError(f"{template.template_id}/certificate.css: {'; '.join(complaints)}")

    def render(self, fields: Mapping[str, str | None], *, signature: bytes | None = None) -> bytes:
        """One certificate as a PDF of one page.

        `fields` holds a text for every field of the template, but for the optional ones; `signature` is an
        image (PNG, JPEG or SVG) that was checked when it was uploaded.

        Raises RenderError, whose `error_class` is `missing_field`, `unknown_field`, `invalid_field`,
        `name_unprintable`, `text_unprintable`, `name_does_not_fit`, `text_does_not_fit` or
        `signature_unreadable`; TemplateError when the template asks for what it does not hold.
        """
        values = checked_fields(fields, template=self._template)
        context = print_context(values, zone=self._zone)
        context["signature_url"] = signature_url = self._sources.serve(signature)
        ladders = {name: fit for name, fit in self._template.fit.items() if values[name] is not None}
        finish = finisher(self._background, qr_code=_qr_code(values["verify_url"] or ""))
        if len(self._images) > _CACHED_IMAGES:
            self._images.clear()
        with _complaints(logging.ERROR) as complaints, _fetch_errors():
            document = fitted(lambda sizes: self._laid_out(context, sizes), ladders=ladders)
            pdf = document.write_pdf(finisher=finish, cache=self._images)
        self._refuse(complaints, signature_url=signature_url)
        return bytes(pdf)

    def _laid_out(self, context: Mapping[str, Any], sizes: Mapping[str, Size]) -> Any:
        import jinja2

        try:
            text = self._html.render(context, fit={name: size.style for name, size in sizes.items()})
        except jinja2.TemplateError as error:
            raise TemplateError(f"{self._template.template_id}/certificate.html: {error}") from error
        return self._document(text, [self._css], cache=self._images)

    def _painted_background(self) -> Background | None:
        if (name := self._template.background) is None:
            return None
        page = self._stylesheet("@page { margin: 0 !important } body { margin: 0 }")
        image = f'<img src="{name}" style="position: absolute; left: 0; top: 0; width: 100%; height: 100%">'
        return paint_background(self._document(image, [self._css, page]))

    def _document(self, text: str, stylesheets: list[Any], **options: Any) -> Any:
        import weasyprint

        html = weasyprint.HTML(string=text, base_url=_BASE_URL, url_fetcher=self._sources)
        return html.render(font_config=self._fonts, stylesheets=stylesheets, **options)

    def _stylesheet(self, text: str) -> Any:
        import weasyprint

        return weasyprint.CSS(
            string=text, base_url=_BASE_URL, url_fetcher=self._sources, font_config=self._fonts
        )

    def _refuse(self, complaints: list[str], *, signature_url: str | None) -> None:
        """Raise when an image was left out: WeasyPrint says so in its log and goes on."""
        if not complaints:
            return
        self._images.clear()
        if signature_url and any(signature_url in complaint for complaint in complaints):
            raise RenderError("signature_unreadable", "the signature image cannot be read")
        raise TemplateError(f"{self._template.template_id}: {'; '.join(complaints)}")


class _Sources:
    """WeasyPrint's `url_fetcher`: the template's own files and this certificate's signature, nothing else."""

    _fail_on_errors = True
    """WeasyPrint reads it: what cannot be fetched ends the rendering, instead of leaving a gap."""

    def __init__(self, template: Template) -> None:
        self.field_names = frozenset(template.fields)
        self._template = template
        self._signature: tuple[str | None, bytes] = (None, b"")

    def serve(self, signature: bytes | None) -> str | None:
        """Serve this signature instead of the one before, at an address that names its content."""
        url = f"{_BASE_URL}:signature/{hashlib.sha256(signature).hexdigest()}" if signature else None
        self._signature = (url, signature or b"")
        return url

    def __call__(self, url: str) -> Any:
        from weasyprint.urls import URLFetcherResponse

        signature_url, signature = self._signature
        if url == signature_url:
            return URLFetcherResponse(url, signature, {"Content-Type": _image_type(signature)})
        name = url.removeprefix(_BASE_URL)
        if name == url or name not in self._template.files:
            raise TemplateError(
                f"{self._template.template_id}: refers to {url!r}, which is no file of the template"
            )
        media_type = _MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        return URLFetcherResponse(url, self._template.files[name], {"Content-Type": media_type})


def _image_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/jpeg" if data.startswith(b"\xff\xd8") else "image/svg+xml"


def _compiled(template: Template) -> "jinja2.Template":
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    sources = {name: data for name, data in template.files.items() if name.endswith(".html")}
    try:
        environment = SandboxedEnvironment(
            loader=jinja2.DictLoader({name: data.decode() for name, data in sources.items()}),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        return environment.get_template("certificate.html")
    except UnicodeDecodeError as error:
        raise TemplateError(f"{template.template_id}: an HTML file is not UTF-8") from error
    except jinja2.TemplateSyntaxError as error:
        where = f"{template.template_id}/{error.name}, line {error.lineno}"
        raise TemplateError(f"{where}: {error.message}") from error


def _qr_code(text: str) -> tuple[bytes, ...]:
    """The rows of a QR code of at least error correction level M, one byte a module, 1 for a dark one."""
    import segno

    return tuple(bytes(row) for row in segno.make_qr(text, error="m").matrix)


@contextmanager
def _complaints(level: int) -> Iterator[list[str]]:
    """What WeasyPrint logs meanwhile at this level or above."""
    messages: list[str] = []
    handler = logging.Handler(level)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("weasyprint")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


@contextmanager
def _fetch_errors() -> Iterator[None]:
    """WeasyPrint's own error around what `_Sources` refuses, back as the TemplateError it was."""
    from weasyprint.urls import FatalURLFetchingError

    try:
        yield
    except FatalURLFetchingError as error:
        raise (
            error.__cause__ if isinstance(error.__cause__, TemplateError) else TemplateError(str(error))
        ) from None
