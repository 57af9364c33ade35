"""Renders views to HTML: the templates under `templates/pages`, an environment per language, and links."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pramaan.localisation import LANGUAGES, localise, negotiate
from pramaan.settings import PROJECT_ROOT
from pramaan.web.pages.texts import LITERALS

if TYPE_CHECKING:
    from starlette.requests import Request

    from pramaan.settings import Settings

__all__ = ["PAGES", "STYLESHEET", "PageRenderer", "stylesheet"]

PAGES: Final = "/certificates"
"""The path of the pages in the app."""

STYLESHEET: Final = f"{PAGES}/pages.css"
"""Needs no sign-in: the page that asks people to sign in uses it, too."""

_MEGABYTE: Final = 1_000_000
_TEMPLATES: Final = PROJECT_ROOT / "templates" / "pages"


@dataclass(frozen=True, slots=True)
class PageRenderer:
    """Renders pages for one request: the reader, their language, and the app's mount point.

    `chosen` is the language in the request's address, which links keep; `root` is a path, so that links work
    behind any proxy.
    """

    language: str
    chosen: str | None
    root: str
    zone: ZoneInfo
    username: str | None

    @classmethod
    def of(cls, request: "Request") -> "PageRenderer":
        """Returns the renderer for a request, signed in or not."""
        asked = request.query_params.get("language")
        chosen = asked if asked in LANGUAGES else None
        settings: Settings = request.app.state.settings
        signed_in = getattr(request.state, "signed_in", None)
        return cls(
            language=chosen or negotiate(request.headers.get("accept-language")),
            chosen=chosen,
            root=str(request.scope.get("root_path", "")),
            zone=settings.zone,
            username=signed_in.username if signed_in else None,
        )

    def link(self, *parts: str, **query: str | None) -> str:
        """Returns the address of a page, in the chosen language: `link("courses", course_id)`."""
        return self._address(parts, {"language": self.chosen, **query})

    def in_language(self, code: str, parts: tuple[str, ...], query: Mapping[str, str | None]) -> str:
        """Returns the address of a page in another language."""
        return self._address(parts, {**query, "language": code})

    def api(self, *parts: str) -> str:
        """Returns the address of an API route, whose image or file a page shows or offers."""
        return "/".join((self.root, "v1", *(quote(part, safe="") for part in parts)))

    def when(self, instant: datetime) -> str:
        """Returns an instant formatted for people, in our time zone."""
        return format_datetime(instant, "d MMM y, HH:mm", tzinfo=self.zone, locale=_locale(self.language))

    def day(self, day: date) -> str:
        """Returns a calendar day formatted for people."""
        return format_date(day, "d MMM y", locale=_locale(self.language))

    def size(self, size_bytes: int) -> str:
        """Returns the size of a file formatted for people."""
        kilobytes = max(size_bytes / 1000, 0.1)
        unit, value = ("kilobyte", kilobytes) if size_bytes < _MEGABYTE else ("megabyte", kilobytes / 1000)
        return format_unit(round(value, 1), f"digital-{unit}", "short", locale=_locale(self.language))

    def number(self, value: int) -> str:
        """Returns a count with digit groups as used in India."""
        return format_decimal(value, locale=_locale(self.language))

    def percent(self, value: float) -> str:
        """Returns a percentage (0 to 100) formatted for people."""
        return format_percent(Decimal(str(value)) / 100, "#,##0.##%", locale=_locale(self.language))

    def page(
        self,
        template: str,
        view: object,
        *,
        here: tuple[str, ...] = (),
        query: Mapping[str, str | None] | None = None,
        status: int = 200,
    ) -> HTMLResponse:
        """Returns a rendered page. `here` and `query` are its address, for links to it in other languages."""
        html = _environment(self.language).get_template(template)
        switches = [
            (one, self.in_language(one.code, here, {**(query or {}), "done": None}))
            for one in LANGUAGES.values()
        ]
        return HTMLResponse(
            html.render(
                page=self,
                view=view,
                switches=switches,
                stylesheet=f"{self.root}{STYLESHEET}?v={_style()[1]}",
            ),
            status,
            headers={"content-language": self.language, "vary": "Accept-Language"},
        )

    def _address(self, parts: tuple[str, ...], query: Mapping[str, str | None]) -> str:
        path = "/".join((f"{self.root}{PAGES}", *(quote(part, safe="") for part in parts)))
        given = {name: value for name, value in query.items() if value}
        return f"{path}?{urlencode(given)}" if given else path


def stylesheet() -> Response:
    """The stylesheet of every page. Its address changes with its content, so browsers may cache it."""
    return Response(_style()[0], media_type="text/css", headers={"cache-control": "public, max-age=86400"})


@cache
def _style() -> tuple[bytes, str]:
    content = (_TEMPLATES / "pages.css").read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    literals = {name: Markup('<bdi dir="ltr">{}</bdi>').format(text) for name, text in LITERALS.items()}
    environment.globals |= {"bdi": _bdi, "literals": literals}
    environment.filters["shell"] = shlex.quote
    localise(environment, language)
    return environment


def _bdi(text: object) -> Markup:
    """Returns HTML that isolates a name within a sentence, whatever its direction."""
    return Markup("<bdi>{}</bdi>").format(text)


@cache
def _locale(language: str) -> Locale:
    """Returns the language's locale for India: days before months, and lakhs."""
    return Locale.parse(f"{language}_IN")
