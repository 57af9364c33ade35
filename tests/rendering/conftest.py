"""Renderers, made once: to compile a page takes as long as a hundred certificates."""

from collections.abc import Callable
from functools import cache

import pytest
from renderers import BUNDLED, INDIA, RendererOf

from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.page_cache import PageCache
from pramaan.rendering.renderer import Engine, Renderer
from pramaan.rendering.template import Template, load_template


@pytest.fixture(scope="session", autouse=True)
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    configure_fonts(tmp_path_factory.mktemp("fonts"))


@pytest.fixture(scope="session")
def bundled() -> Callable[[str], Template]:
    """A bundled template by its id."""
    return cache(lambda template_id: load_template(BUNDLED / template_id))


@pytest.fixture(scope="session")
def renderer_of(bundled: Callable[[str], Template], kept_pages: PageCache) -> RendererOf:
    """A renderer of a bundled template, by engine; what one test has laid out no other lays out again."""

    def renderer(template_id: str, engine: Engine) -> Renderer:
        return Renderer(bundled(template_id), zone=INDIA, engine=engine, page_cache=kept_pages)

    return cache(renderer)
