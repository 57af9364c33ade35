"""Records to HTML: the templates under `templates/pages`, an environment per language, and links."""

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
"""Where the pages stand in the app."""

STYLESHEET: Final = f"{PAGES}/pages.css"
"""What nobody need sign in for: the page that asks people to sign in has a face, too."""

_MEGABYTE: Final = 1_000_000
_TEMPLATES: Final = PROJECT_ROOT / "templates" / "pages"


@dataclass(frozen=True, slots=True)
class PageRenderer:
    """What every page stands in: the reader, their language, and where the app is mounted.

    `chosen` is the language that the address names, which links keep; `root` is a path, so that links hold
    behind any proxy.
    """

    language: str
    chosen: str | None
    root: str
    zone: ZoneInfo
    username: str | None

    @classmethod
    def of(cls, request: "Request") -> "PageRenderer":
        """The frame of a request, signed in or not."""
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
        """The address of a page, in the chosen language: `link("courses", course_id)`."""
        return self._address(parts, {"language": self.chosen, **query})

    def in_language(self, code: str, parts: tuple[str, ...], query: Mapping[str, str | None]) -> str:
        """The address of a page in another language."""
        return self._address(parts, {**query, "language": code})

    def api(self, *parts: str) -> str:
        """The address of a call of the API, of which a page shows the picture or offers the file."""
        return "/".join((self.root, "v1", *(quote(part, safe="") for part in parts)))

    def when(self, instant: datetime) -> str:
        """An instant as a person writes it, in our time zone."""
        return format_datetime(instant, "d MMM y, HH:mm", tzinfo=self.zone, locale=_locale(self.language))

    def day(self, day: date) -> str:
        """A calendar day as a person writes it."""
        return format_date(day, "d MMM y", locale=_locale(self.language))

    def size(self, size_bytes: int) -> str:
        """How large a file is."""
        kilobytes = max(size_bytes / 1000, 0.1)
        unit, value = ("kilobyte", kilobytes) if size_bytes < _MEGABYTE else ("megabyte", kilobytes / 1000)
        return format_unit(round(value, 1), f"digital-{unit}", "short", locale=_locale(self.language))

    def number(self, value: int) -> str:
        """A count with its separators, as India groups them."""
        return format_decimal(value, locale=_locale(self.language))

    def percent(self, value: float) -> str:
        """A share of 0 to 100."""
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
        """A page. `here` and `query` are where it can be asked for again, in another language."""
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
    """How every page looks. Its address changes with its content, so browsers may keep it."""
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
    """A name within a sentence, whichever way it is written."""
    return Markup("<bdi>{}</bdi>").format(text)


@cache
def _locale(language: str) -> Locale:
    """The language as India writes it: days before months, and lakhs."""
    return Locale.parse(f"{language}_IN")
