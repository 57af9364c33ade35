"""Pages as they are kept on disk: what the compiled engine fills, as plain values, and what they follow from.

Two kinds of files: a page's fixed layer, as ready-made PDF objects; and the places of its areas, one
file for each language and size that texts were set in.
"""

import hashlib
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from pramaan.localisation import LANGUAGES
from pramaan.rendering.markup import PageMarkup, Parts
from pramaan.rendering.page_cache import Json, PageCache
from pramaan.rendering.pdf import Bundle
from pramaan.rendering.template import Template
from pramaan.rendering.weasy import AreaPlace, Block, Box, TextStyle

__all__ = ["CachedPage", "CachedPages", "FixedLayer", "Wording"]

_MADE_WITH: Final = (
    "weasyprint", "pydyf", "tinycss2", "cssselect2", "tinyhtml5", "jinja2", "pillow", "uharfbuzz", "deflate",
)  # fmt: skip
"""The packages whose versions a page's bytes may follow from, beside those of the engine's version."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said in which area, and about the page."""

    areas: Mapping[str, Parts]
    links: Mapping[str, Parts]
    title: Parts
    author: Parts

    @classmethod
    def of(cls, markup: PageMarkup) -> "Wording":
        """That of a page's markup."""
        return cls(markup.areas, markup.links, markup.title, markup.author)


@dataclass(frozen=True, slots=True)
class FixedLayer:
    """A page's fixed layer, as PDF objects, and where in it everything else goes."""

    wording: Wording
    height_pt: float
    blocks: tuple[Block, ...]
    """In reading order, without their texts."""
    mcids: tuple[int, ...]
    """The number of each block's marked content."""
    shown: tuple[bytes | None, ...]
    """The operators that show each block of fixed text; None for the others."""
    links: tuple[tuple[str, int], ...]
    """The number of the annotation of each area that is a link."""
    resources: bytes
    fonts: bytes
    """Entries of the page's resources: all but fonts; the fixed layer's fonts."""
    fixed: Bundle
    next_free: int


class CachedPages:
    """The pages of all templates that one engine made, in a cache."""

    def __init__(self, cache: PageCache, *, engine_version: str) -> None:
        self._cache = cache
        self._origin: list[Json] = [engine_version, _made_with()]

    def page(
        self, template: Template, language: str, present: frozenset[str], signature: bytes | None
    ) -> "CachedPage":
        """What is kept of a page: by all that it follows from."""
        origin: list[Json] = [
            *self._origin,
            template.template_id,
            template.version,
            language,
            LANGUAGES[language].direction,
            cast(Json, sorted(present)),
            hashlib.sha256(signature).hexdigest() if signature is not None else None,
        ]
        return CachedPage(self._cache, origin)


class CachedPage:
    """What is kept of one page."""

    def __init__(self, cache: PageCache, origin: list[Json]) -> None:
        self._cache = cache
        self._origin = origin

    @cached_property
    def fixed_layer(self) -> FixedLayer | None:
        """The page's fixed layer, if it is kept."""
        value = self._cache.get("fixed_layer", self._origin)
        return _fixed_layer(cast(dict[str, Any], value)) if value else None

    def cache_fixed_layer(self, fixed_layer: FixedLayer) -> None:
        """Keep the page's fixed layer."""
        value = asdict(fixed_layer)
        self._cache.put(_coded(value), "fixed_layer", self._origin)

    def places(self, origin: list[Any]) -> dict[str, AreaPlace] | None:
        """The areas' places, if they are kept."""
        value = self._cache.get("places", self._origin, origin)
        return {name: _place(place) for name, place in cast(dict[str, Any], value).items()} if value else None

    def cache_places(self, places: Mapping[str, AreaPlace], origin: list[Any]) -> None:
        """Keep the areas' places."""
        value = {name: asdict(place) for name, place in places.items()}
        self._cache.put(_coded(value), "places", self._origin, origin)


@lru_cache(maxsize=1)
def _made_with() -> Json:
    """The code that makes pages, and the packages it makes them with. While somebody works on the code, its
    version says nothing.
    """
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return [digest.hexdigest(), sys.version, *(version(package) for package in _MADE_WITH)]


def _coded(value: Any) -> Json:
    """JSON knows no bytes, no tuples, and no keys but texts; the functions below bring them back."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(key): _coded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_coded(item) for item in value]
    return cast(Json, value)


def _fixed_layer(value: dict[str, Any]) -> FixedLayer:
    wording, fixed = value["wording"], value["fixed"]
    return FixedLayer(
        wording=Wording(
            areas={name: _parts(parts) for name, parts in wording["areas"].items()},
            links={name: _parts(parts) for name, parts in wording["links"].items()},
            title=_parts(wording["title"]),
            author=_parts(wording["author"]),
        ),
        height_pt=value["height_pt"],
        blocks=tuple(
            Block(**{**block, "box": Box(**block["box"]), "texts": ()}) for block in value["blocks"]
        ),
        mcids=tuple(value["mcids"]),
        shown=tuple(None if shown is None else b64decode(shown) for shown in value["shown"]),
        links=tuple((name, number) for name, number in value["links"]),
        resources=b64decode(value["resources"]),
        fonts=b64decode(value["fonts"]),
        fixed=Bundle(
            data=b64decode(fixed["data"]),
            offsets=tuple((number, at) for number, at in fixed["offsets"]),
            inside={int(number): b64decode(entry) for number, entry in fixed["inside"].items()},
        ),
        next_free=value["next_free"],
    )


def _parts(value: list[list[Any]]) -> Parts:
    return tuple((is_value, piece) for is_value, piece in value)


def _place(value: dict[str, Any]) -> AreaPlace:
    return AreaPlace(
        **{
            **value,
            "box": Box(**value["box"]),
            "colour": tuple(value["colour"]),
            "style": TextStyle(value["style"]),
        }
    )
